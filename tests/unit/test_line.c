/* tests/unit/test_line.c - how each kind of value looks in text and in JSON, what
 * is escaped, and what gives way when a line would be too long. */
#include "../../monitor/encoding.h"
#include "../../monitor/line.h"

#include <criterion/criterion.h>
#include <jansson.h>

#include <string.h>
#include <time.h>

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define MINUTE (60 * S)
#define HOUR (60 * MINUTE)

static struct hl_line text, json;

static void begin(void)
{
    const struct hl_line_head text_head = {.format = MONITOR_TEXT, .pid = 7};
    const struct hl_line_head json_head = {.format = MONITOR_JSON, .pid = 7};
    hl_line_begin(&text, &text_head, "r");
    hl_line_begin(&json, &json_head, "r");
}

static void expect(const char *text_pairs, const char *json_pairs)
{
    char wanted[2 * HL_LINE_BYTES];
    cr_assert_eq(hl_line_end(&text), strlen(text.bytes));
    cr_assert_eq(hl_line_end(&json), strlen(json.bytes));
    snprintf(wanted, sizeof wanted, "[heartline 7] r%s\n", text_pairs);
    cr_assert_str_eq(text.bytes, wanted);
    snprintf(wanted, sizeof wanted, "{\"schema\":1,\"pid\":7,\"record\":\"r\"%s}\n", json_pairs);
    cr_assert_str_eq(json.bytes, wanted);
}

/* One pair in both formats; `call` names its arguments after the line. */
#define PAIR(function, text_pair, json_pair, ...) \
    do {                                          \
        begin();                                  \
        function(&text, __VA_ARGS__);             \
        function(&json, __VA_ARGS__);             \
        expect(text_pair, json_pair);             \
    } while (0)

static void expect_time(uint64_t wall_ms, const char *stamp)
{
    struct hl_line_head head = {.has_time = true, .wall_ms = wall_ms, .pid = 4242};
    char wanted[128];
    hl_line_begin(&text, &head, "beat");
    head.format = MONITOR_JSON;
    hl_line_begin(&json, &head, "beat");
    hl_line_end(&text);
    hl_line_end(&json);
    snprintf(wanted, sizeof wanted, "%s [heartline 4242] beat\n", stamp);
    cr_assert_str_eq(text.bytes, wanted);
    snprintf(wanted, sizeof wanted,
             "{\"schema\":1,\"ts\":\"%s\",\"pid\":4242,\"record\":\"beat\"}\n", stamp);
    cr_assert_str_eq(json.bytes, wanted);
}

/* ---- The head ---- */

Test(line, the_time_stamp_is_utc_with_milliseconds)
{
    expect_time(0, "1970-01-01T00:00:00.000Z");
    expect_time(UINT64_C(951782399999), "2000-02-28T23:59:59.999Z");
    expect_time(UINT64_C(951782400000), "2000-02-29T00:00:00.000Z");
    expect_time(UINT64_C(1795224900123), "2026-11-21T01:35:00.123Z");
    expect_time(UINT64_C(4107542400000), "2100-03-01T00:00:00.000Z");
    expect_time(UINT64_C(253402300799999), "9999-12-31T23:59:59.999Z");
}

Test(line, a_time_beyond_the_year_9999_stays_at_its_last_moment)
{
    expect_time(UINT64_C(253402300800000), "9999-12-31T23:59:59.999Z");
    expect_time(UINT64_MAX, "9999-12-31T23:59:59.999Z");
}

Test(line, the_date_agrees_with_libc_on_every_day_of_eight_thousand_years)
{
    for (uint64_t day = 0; day < 2932897; day++) {
        const time_t seconds = (time_t)(day * 86400);
        char wanted[16];
        strftime(wanted, sizeof wanted, "%Y-%m-%d", gmtime(&seconds));
        text.length = 0;
        text.limit = HL_LINE_BYTES;
        hl_put_time(&text, day * 86400000);
        cr_assert(memcmp(text.bytes, wanted, 10) == 0, "%s, not %.10s", wanted, text.bytes);
    }
}

Test(line, the_tag_follows_the_record_word)
{
    struct hl_line_head head = {.pid = 7, .tag = "web 1"};
    hl_line_begin(&text, &head, "beat");
    hl_line_count(&text, "n", 1);
    hl_line_end(&text);
    cr_assert_str_eq(text.bytes, "[heartline 7] beat tag=\"web 1\" n=1\n");
    head.format = MONITOR_JSON;
    hl_line_begin(&json, &head, "beat");
    hl_line_count(&json, "n", 1);
    hl_line_end(&json);
    cr_assert_str_eq(json.bytes,
                     "{\"schema\":1,\"pid\":7,\"record\":\"beat\",\"tag\":\"web 1\",\"n\":1}\n");
}

Test(line, an_empty_tag_is_no_tag)
{
    const struct hl_line_head head = {.pid = 7, .tag = ""};
    hl_line_begin(&text, &head, "beat");
    hl_line_end(&text);
    cr_assert_str_eq(text.bytes, "[heartline 7] beat\n");
}

/* ---- Numbers ---- */

Test(line, a_count_is_a_plain_number_or_unknown)
{
    PAIR(hl_line_count, " n=0", ",\"n\":0", "n", 0);
    PAIR(hl_line_count, " n=18446744073709551614", ",\"n\":18446744073709551614.0", "n",
         UINT64_MAX - 1);
    PAIR(hl_line_count, " n=?", ",\"n\":null", "n", HL_UNKNOWN);
}

Test(line, a_duration_has_tenths_below_ten_seconds_and_then_whole_seconds)
{
    PAIR(hl_line_duration, " in=0.0s", ",\"in_ms\":0", "in", 0);
    PAIR(hl_line_duration, " in=9.0s", ",\"in_ms\":9000", "in", 9 * S);
    PAIR(hl_line_duration, " in=10s", ",\"in_ms\":10000", "in", 10 * S);
    PAIR(hl_line_duration, " in=42s", ",\"in_ms\":42000", "in", 42 * S);
    PAIR(hl_line_duration, " in=1m00s", ",\"in_ms\":60000", "in", MINUTE);
    PAIR(hl_line_duration, " in=2m05s", ",\"in_ms\":125000", "in", 2 * MINUTE + 5 * S);
    PAIR(hl_line_duration, " in=1h02m03s", ",\"in_ms\":3723000", "in", HOUR + 2 * MINUTE + 3 * S);
    PAIR(hl_line_duration, " in=100h00m00s", ",\"in_ms\":360000000", "in", 100 * HOUR);
}

Test(line, a_duration_is_rounded_to_the_nearest_that_is_shown)
{
    PAIR(hl_line_duration, " in=0.0s", ",\"in_ms\":0", "in", 999999);
    PAIR(hl_line_duration, " in=10s", ",\"in_ms\":9999", "in", 10 * S - 1);
    PAIR(hl_line_duration, " in=1m00s", ",\"in_ms\":59999", "in", MINUTE - 1);
    PAIR(hl_line_duration, " in=1h00m00s", ",\"in_ms\":3599999", "in", HOUR - 1);
    PAIR(hl_line_duration, " in=0.9s", ",\"in_ms\":949", "in", 950 * MS - 1);
    PAIR(hl_line_duration, " in=1.0s", ",\"in_ms\":950", "in", 950 * MS);
    PAIR(hl_line_duration, " in=9.9s", ",\"in_ms\":9949", "in", 9950 * MS - 1);
    PAIR(hl_line_duration, " in=10s", ",\"in_ms\":9950", "in", 9950 * MS);
    PAIR(hl_line_duration, " in=5124095h34m34s", ",\"in_ms\":18446744073709", "in", HL_UNKNOWN - 1);
}

Test(line, an_unknown_duration_is_not_zero)
{
    PAIR(hl_line_duration, " in=?", ",\"in_ms\":null", "in", HL_UNKNOWN);
    PAIR(hl_line_duration_at_most, " in<=?", ",\"in_ms\":null,\"in_at_most\":true", "in",
         HL_UNKNOWN);
    PAIR(hl_line_eta, " eta=?", ",\"eta_ms\":null", "eta", HL_UNKNOWN);
    PAIR(hl_line_seconds, " s=?", ",\"s_ms\":null", "s", HL_UNKNOWN, 2);
    PAIR(hl_line_plain_seconds, " s=?", ",\"s\":null", "s", HL_UNKNOWN);
}

Test(line, an_upper_bound_is_rounded_up_to_stay_true)
{
    PAIR(hl_line_duration_at_most, " stuck<=5m20s", ",\"stuck_ms\":320000,\"stuck_at_most\":true",
         "stuck", 320 * S);
    PAIR(hl_line_duration_at_most, " stuck<=5m21s", ",\"stuck_ms\":320001,\"stuck_at_most\":true",
         "stuck", 320 * S + 1);
    PAIR(hl_line_duration_at_most, " stuck<=1.3s", ",\"stuck_ms\":1250,\"stuck_at_most\":true",
         "stuck", 1250 * MS);
    PAIR(hl_line_duration_at_most, " stuck<=10s", ",\"stuck_ms\":9950,\"stuck_at_most\":true",
         "stuck", 9950 * MS);
}

Test(line, a_setting_is_shown_exactly)
{
    PAIR(hl_line_setting, " stall=never", ",\"stall_ms\":0", "stall", 0);
    PAIR(hl_line_setting, " stall=50ms", ",\"stall_ms\":50", "stall", 50 * MS);
    PAIR(hl_line_setting, " stall=1s", ",\"stall_ms\":1000", "stall", S);
    PAIR(hl_line_setting, " stall=1500ms", ",\"stall_ms\":1500", "stall", 1500 * MS);
    PAIR(hl_line_setting, " stall=60001ms", ",\"stall_ms\":60001", "stall", MINUTE + MS);
    PAIR(hl_line_setting, " stall=1m00s", ",\"stall_ms\":60000", "stall", MINUTE);
    PAIR(hl_line_setting, " stall=720h00m00s", ",\"stall_ms\":2592000000", "stall", 720 * HOUR);
}

Test(line, an_eta_beyond_a_day_is_capped)
{
    PAIR(hl_line_eta, " eta=1m18s", ",\"eta_ms\":78000", "eta", 78 * S);
    PAIR(hl_line_eta, " eta=24h00m00s", ",\"eta_ms\":86400000", "eta", 24 * HOUR);
    PAIR(hl_line_eta, " eta=>1d", ",\"eta_ms\":86400000", "eta", 24 * HOUR + 1);
}

Test(line, seconds_have_as_many_decimals_as_asked_for)
{
    PAIR(hl_line_seconds, " self_cpu=0.22s", ",\"self_cpu_ms\":219", "self_cpu", 219999999, 2);
    PAIR(hl_line_seconds, " self_cpu=4s", ",\"self_cpu_ms\":3999", "self_cpu", 3999 * MS, 0);
    PAIR(hl_line_plain_seconds, " cpu=51210.4", ",\"cpu\":51210.4", "cpu", 51210400 * MS);
    PAIR(hl_line_plain_seconds, " cpu=0.0", ",\"cpu\":0.012", "cpu", 12999999);
}

Test(line, bytes_are_in_binary_units_and_rounded_down)
{
    PAIR(hl_line_bytes, " vm=0B", ",\"vm_bytes\":0", "vm", 0);
    PAIR(hl_line_bytes, " vm=1023B", ",\"vm_bytes\":1023", "vm", 1023);
    PAIR(hl_line_bytes, " vm=1.0KiB", ",\"vm_bytes\":1024", "vm", 1024);
    PAIR(hl_line_bytes, " vm=1023.9KiB", ",\"vm_bytes\":1048575", "vm", 1048575);
    PAIR(hl_line_bytes, " vm=1.0MiB", ",\"vm_bytes\":1048576", "vm", 1048576);
    PAIR(hl_line_bytes, " vm=9.8GiB", ",\"vm_bytes\":10522669876", "vm", UINT64_C(10522669876));
    PAIR(hl_line_bytes, " vm=1.5TiB", ",\"vm_bytes\":1649267441664", "vm", UINT64_C(1649267441664));
    PAIR(hl_line_bytes, " vm=2.0PiB", ",\"vm_bytes\":2251799813685248", "vm",
         UINT64_C(2251799813685248));
    PAIR(hl_line_bytes, " vm=15.9EiB", ",\"vm_bytes\":18446744073709551614.0", "vm",
         UINT64_MAX - 1);
    PAIR(hl_line_bytes, " vm=?", ",\"vm_bytes\":null", "vm", HL_UNKNOWN);
}

Test(line, a_memory_limit_follows_the_figure)
{
    PAIR(hl_line_bytes_of, " rss=512B", ",\"rss_bytes\":512", "rss", 512, 0);
    PAIR(hl_line_bytes_of, " rss=1.2GiB/4.0GiB",
         ",\"rss_bytes\":1288490189,\"rss_limit_bytes\":4294967296", "rss", 1288490189,
         UINT64_C(4294967296));
    PAIR(hl_line_bytes_of, " rss=?/1.0KiB", ",\"rss_bytes\":null,\"rss_limit_bytes\":1024", "rss",
         HL_UNKNOWN, 1024);
    PAIR(hl_line_bytes_of, " rss=1B/?", ",\"rss_bytes\":1,\"rss_limit_bytes\":null", "rss", 1,
         HL_UNKNOWN);
}

Test(line, cores_in_use_stand_over_the_cores_there_are)
{
    PAIR(hl_line_cores_of, " cpu=6.8/8", ",\"cpu_cores\":6.8,\"cpu_limit_cores\":8", "cpu", 6800,
         8000);
    PAIR(hl_line_cores_of, " cpu=0.3/1.5", ",\"cpu_cores\":0.349,\"cpu_limit_cores\":1.5", "cpu",
         349, 1500);
    PAIR(hl_line_cores_of, " cpu=8.0/8", ",\"cpu_cores\":7.95,\"cpu_limit_cores\":8", "cpu", 7950,
         8000);
    PAIR(hl_line_cores_of, " cpu=0.0/0.1", ",\"cpu_cores\":0.049,\"cpu_limit_cores\":0.125", "cpu",
         49, 125);
}

Test(line, a_limit_below_a_tenth_of_a_core_is_not_shown_as_none)
{
    PAIR(hl_line_cores_of, " cpu=0.1/0.05", ",\"cpu_cores\":0.05,\"cpu_limit_cores\":0.05", "cpu",
         50, 50);
}

Test(line, either_part_of_the_cores_may_be_unknown)
{
    PAIR(hl_line_cores_of, " cpu=?/8", ",\"cpu_cores\":null,\"cpu_limit_cores\":8", "cpu",
         HL_UNKNOWN, 8000);
    PAIR(hl_line_cores_of, " cpu=0.3/?", ",\"cpu_cores\":0.3,\"cpu_limit_cores\":null", "cpu", 300,
         HL_UNKNOWN);
    PAIR(hl_line_cores, " cores=?", ",\"cores\":null", "cores", HL_UNKNOWN);
    PAIR(hl_line_cores, " cores=8", ",\"cores\":8", "cores", 8000);
    PAIR(hl_line_cores, " cores=2.0", ",\"cores\":1.999", "cores", 1999);
}

Test(line, a_share_has_two_decimals)
{
    PAIR(hl_line_share, " cpu=0.00", ",\"cpu\":0", "cpu", 0);
    PAIR(hl_line_share, " cpu=0.00", ",\"cpu\":0.004", "cpu", 4);
    PAIR(hl_line_share, " cpu=0.99", ",\"cpu\":0.994", "cpu", 994);
    PAIR(hl_line_share, " cpu=1.00", ",\"cpu\":0.995", "cpu", 995);
    PAIR(hl_line_share, " cpu=?", ",\"cpu\":null", "cpu", HL_UNKNOWN);
    PAIR(hl_line_share, " cpu=18446744073709551.61", ",\"cpu\":18446744073709551.614", "cpu",
         HL_UNKNOWN - 1);
}

Test(line, a_rate_is_shown_as_exactly_as_its_size_deserves)
{
    PAIR(hl_line_rate, " rate=0.0/s", ",\"rate_per_s\":0", "rate", 0);
    PAIR(hl_line_rate, " rate=0.001/s", ",\"rate_per_s\":0.001", "rate", 1);
    PAIR(hl_line_rate, " rate=0.099/s", ",\"rate_per_s\":0.099", "rate", 99);
    PAIR(hl_line_rate, " rate=0.1/s", ",\"rate_per_s\":0.1", "rate", 100);
    PAIR(hl_line_rate, " rate=8.3/s", ",\"rate_per_s\":8.346", "rate", 8346);
    PAIR(hl_line_rate, " rate=99.9/s", ",\"rate_per_s\":99.949", "rate", 99949);
    PAIR(hl_line_rate, " rate=100/s", ",\"rate_per_s\":99.95", "rate", 99950);
    PAIR(hl_line_rate, " rate=1234/s", ",\"rate_per_s\":1234.4", "rate", 1234400);
    PAIR(hl_line_rate, " rate=?", ",\"rate_per_s\":null", "rate", HL_UNKNOWN);
}

/* ---- Progress ---- */

static struct hl_progress_view progress_of(uint64_t current, uint64_t total)
{
    return (struct hl_progress_view){.present = true,
                                     .current = current,
                                     .total = total,
                                     .rate_milli = HL_UNKNOWN,
                                     .eta_ns = HL_UNKNOWN,
                                     .idle_ns = HL_UNKNOWN};
}

Test(line, progress_that_moves_has_a_rate_and_an_eta)
{
    struct hl_progress_view p = progress_of(350, 1000);
    p.rate_milli = 8300;
    p.eta_ns = 78 * S;
    PAIR(hl_line_progress, " progress=350/1000 percent=35 rate=8.3/s eta=1m18s",
         ",\"progress_current\":350,\"progress_total\":1000,\"percent\":35,\"rate_per_s\":8.3,"
         "\"eta_ms\":78000",
         &p);
}

Test(line, progress_that_stands_still_says_for_how_long_instead)
{
    struct hl_progress_view p = progress_of(350, 1000);
    p.rate_milli = 8300;
    p.eta_ns = 78 * S;
    p.idle_ns = 4 * MINUTE;
    PAIR(hl_line_progress, " progress=350/1000 percent=35 idle_for=4m00s",
         ",\"progress_current\":350,\"progress_total\":1000,\"percent\":35,\"idle_for_ms\":240000",
         &p);
}

Test(line, progress_without_samples_is_two_numbers)
{
    const struct hl_progress_view p = progress_of(1, 3);
    PAIR(hl_line_progress, " progress=1/3 percent=33",
         ",\"progress_current\":1,\"progress_total\":3,\"percent\":33", &p);
    PAIR(hl_line_steps, " progress=1/3", ",\"progress_current\":1,\"progress_total\":3", &p);
}

/* INT64_MAX / 100 times over is where the hundredths decide. */
Test(line, a_percentage_beyond_63_bits_is_a_real_number_in_json)
{
    const uint64_t most = INT64_MAX / 100;
    struct hl_progress_view p = progress_of((most - 1) * 150, 150);
    PAIR(hl_line_progress, " progress=13835058055282163550/150 percent=9223372036854775700",
         ",\"progress_current\":13835058055282163550.0,\"progress_total\":150,"
         "\"percent\":9223372036854775700",
         &p);
    p = progress_of(most * 150 + 149, 150);
    PAIR(hl_line_progress, " progress=13835058055282163849/150 percent=9223372036854775899",
         ",\"progress_current\":13835058055282163849.0,\"progress_total\":150,"
         "\"percent\":9223372036854775899.0",
         &p);
}

Test(line, an_unknown_total_gives_no_percent)
{
    struct hl_progress_view p = progress_of(350, 0);
    p.total_grew = true;
    PAIR(hl_line_progress, " progress=350/? total_grew=yes",
         ",\"progress_current\":350,\"progress_total\":null,\"total_grew\":true", &p);
}

Test(line, absent_progress_says_nothing)
{
    const struct hl_progress_view p = {.current = 1};
    PAIR(hl_line_progress, "", "", &p);
    PAIR(hl_line_steps, "", "", &p);
}

static void expect_percent(uint64_t current, uint64_t total, const char *percent)
{
    text.length = 0;
    text.limit = HL_LINE_BYTES;
    hl_put_percent(&text, current, total);
    text.bytes[text.length] = 0;
    cr_assert_str_eq(text.bytes, percent);
}

Test(line, percent_rounds_down_and_may_pass_a_hundred)
{
    expect_percent(0, 1, "0");
    expect_percent(999, 1000, "99");
    expect_percent(1000, 1000, "100");
    expect_percent(1009, 1000, "100");
    expect_percent(3, 2, "150");
    expect_percent(7, 1, "700");
}

Test(line, percent_is_exact_where_a_product_would_overflow)
{
    expect_percent(UINT64_MAX - 1, UINT64_MAX, "99");
    expect_percent(UINT64_MAX / 2, UINT64_MAX, "49");
    expect_percent(UINT64_MAX / 2 + 1, UINT64_MAX, "50");
    expect_percent(UINT64_MAX, UINT64_MAX, "100");
    expect_percent(UINT64_MAX, 1, "1844674407370955161500");
    for (uint64_t total = 1; total < 300; total++) {
        for (uint64_t current = 0; current < 700; current++) {
            char wanted[24];
            snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)(current * 100 / total));
            expect_percent(current, total, wanted);
        }
    }
}

/* ---- Words and texts ---- */

Test(line, a_plain_text_is_bare_and_any_other_is_quoted)
{
    PAIR(hl_line_text, " reason=exit", ",\"reason\":\"exit\"", "reason", "exit");
    PAIR(hl_line_text, " reason=\"\"", ",\"reason\":\"\"", "reason", "");
    PAIR(hl_line_text, " reason=\"no such file\"", ",\"reason\":\"no such file\"", "reason",
         "no such file");
    PAIR(hl_line_text, " reason=\"a=b\"", ",\"reason\":\"a=b\"", "reason", "a=b");
    PAIR(hl_line_text, " reason=\"a\\\"b\"", ",\"reason\":\"a\\\"b\"", "reason", "a\"b");
    PAIR(hl_line_text, " reason=\"a\\\\b\"", ",\"reason\":\"a\\\\b\"", "reason", "a\\b");
    PAIR(hl_line_text, " reason=>1d;'{x}", ",\"reason\":\">1d;'{x}\"", "reason", ">1d;'{x}");
}

Test(line, an_unknown_text_is_no_text)
{
    PAIR(hl_line_text, " verdict=?", ",\"verdict\":null", "verdict", NULL);
}

Test(line, a_label_is_always_quoted)
{
    PAIR(hl_line_label, " active=\"checkpoint\"", ",\"active\":\"checkpoint\"", "active",
         "checkpoint");
    PAIR(hl_line_none, " active=none", ",\"active\":null", "active");
}

Test(line, flags_are_bare_words)
{
    PAIR(hl_line_flag, " forked", ",\"forked\":true", "forked");
    PAIR(hl_line_yes, " ended=yes", ",\"ended\":true", "ended");
}

Test(line, a_state_is_the_schedulers_letter)
{
    PAIR(hl_line_letter, " state=S", ",\"state\":\"S\"", "state", 'S');
    PAIR(hl_line_letter, " state=?", ",\"state\":null", "state", 0);
    PAIR(hl_line_letter, " state=\"\\n\"", ",\"state\":\"\\n\"", "state", '\n');
}

Test(line, a_thread_is_its_number_and_name)
{
    const struct hl_thread_ref plain = {4250, "writer"}, spaced = {4250, "my thread"},
                               unnamed = {4250, ""}, unknown = {HL_UNKNOWN, "a\"b"};
    PAIR(hl_line_thread, " thread=4250/writer", ",\"thread_tid\":4250,\"thread_name\":\"writer\"",
         "thread", &plain);
    PAIR(hl_line_thread, " thread=\"4250/my thread\"",
         ",\"thread_tid\":4250,\"thread_name\":\"my thread\"", "thread", &spaced);
    PAIR(hl_line_thread, " thread=4250/", ",\"thread_tid\":4250,\"thread_name\":\"\"", "thread",
         &unnamed);
    PAIR(hl_line_thread, " holder=4250/writer", ",\"holder_tid\":4250,\"holder_name\":\"writer\"",
         "holder", &plain);
    PAIR(hl_line_thread, " thread12=4250/writer",
         ",\"thread12_tid\":4250,\"thread12_name\":\"writer\"", "thread12", &plain);
    PAIR(hl_line_thread, " holder=?", ",\"holder_tid\":null,\"holder_name\":null", "holder",
         &unknown);
}

Test(line, a_thread_that_does_not_fit_is_left_out_number_and_name)
{
    const struct hl_thread_ref thread = {4250, "writer"};
    bool was_left_out = false, was_shown = false;
    for (size_t left = 0; left < 50; left++) {
        begin();
        text.limit = text.length + left;
        json.limit = json.length + left;
        hl_line_thread(&text, "holder", &thread);
        hl_line_thread(&json, "holder", &thread);
        hl_line_end(&text);
        hl_line_end(&json);
        const bool in_text = strstr(text.bytes, "holder"), in_json = strstr(json.bytes, "holder");
        cr_expect_eq(in_text, strstr(text.bytes, " holder=4250/") != NULL);
        cr_expect_eq(in_json,
                     strstr(json.bytes, ",\"holder_tid\":4250,\"holder_name\":\"") != NULL);
        cr_expect(in_text || text.truncated);
        cr_expect(in_json || json.truncated);
        was_left_out |= !in_text && !in_json;
        was_shown |= in_text && in_json;
    }
    cr_expect(was_left_out && was_shown);
}

Test(line, a_name_without_a_terminator_ends_with_its_field)
{
    struct hl_thread_ref full = {.tid = 1};
    char wanted[128];
    memset(full.name, 'x', sizeof full.name);
    begin();
    hl_line_thread(&text, "thread", &full);
    hl_line_end(&text);
    snprintf(wanted, sizeof wanted, "[heartline 7] r thread=1/%.64s\n", full.name);
    cr_assert_str_eq(text.bytes, wanted);
}

/* ---- Hostile texts (CWE-117) ---- */

static void expect_escaped(const char *value, const char *escaped)
{
    char text_pair[256], json_pair[256];
    snprintf(text_pair, sizeof text_pair, " x=\"%s\"", escaped);
    snprintf(json_pair, sizeof json_pair, ",\"x\":\"%s\"", escaped);
    PAIR(hl_line_text, text_pair, json_pair, "x", value);
}

static void expect_bare(const char *value)
{
    char text_pair[256], json_pair[256];
    snprintf(text_pair, sizeof text_pair, " x=%s", value);
    snprintf(json_pair, sizeof json_pair, ",\"x\":\"%s\"", value);
    PAIR(hl_line_text, text_pair, json_pair, "x", value);
}

Test(line, a_label_with_a_newline_stays_one_line)
{
    expect_escaped("a\nSTALL id=1", "a\\nSTALL id=1");
}

Test(line, control_characters_are_escaped)
{
    expect_escaped("\b\t\n\f\r", "\\b\\t\\n\\f\\r");
    expect_escaped("\x01\x1b[31m\x1f\x7f", "\\u0001\\u001b[31m\\u001f\\u007f");
    expect_escaped("\xc2\x80\xc2\x85\xc2\x9b\xc2\x9f", "\\u0080\\u0085\\u009b\\u009f");
}

Test(line, characters_that_hide_or_turn_the_direction_are_escaped)
{
    expect_escaped("\xc2\xad", "\\u00ad");
    expect_escaped("\xd8\x9c", "\\u061c");
    expect_escaped("\xe1\xa0\x8e", "\\u180e");
    expect_escaped("\xe2\x80\x8b\xe2\x80\x8e\xe2\x80\x8f", "\\u200b\\u200e\\u200f");
    expect_escaped("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\xae",
                   "\\u2028\\u2029\\u202a\\u202e");
    expect_escaped("\xe2\x81\xa0\xe2\x81\xa6\xe2\x81\xa9", "\\u2060\\u2066\\u2069");
    expect_escaped("\xef\xbb\xbf", "\\ufeff");
    expect_escaped("\xef\xbf\xb9", "\\ufff9");
    expect_escaped("\xf3\xa0\x80\x81\xf3\xa0\x81\xbf", "\\udb40\\udc01\\udb40\\udc7f");
}

Test(line, other_languages_stay_readable)
{
    expect_bare("Größe");
    expect_bare("進捗");
    expect_bare("😀");
    expect_bare("\xf4\x8f\xbf\xbd"); /* U+10FFFD */
    expect_bare("\xef\xbf\xbd");     /* U+FFFD itself */
}

Test(line, a_space_of_any_language_is_quoted)
{
    expect_escaped("a\xc2\xa0z", "a\xc2\xa0z");
    expect_escaped("a\xe1\x9a\x80z", "a\xe1\x9a\x80z");
    expect_escaped("a\xe2\x80\x80z", "a\xe2\x80\x80z");
    expect_escaped("a\xe2\x80\xafz", "a\xe2\x80\xafz");
    expect_escaped("a\xe2\x81\x9fz", "a\xe2\x81\x9fz");
    expect_escaped("a\xe3\x80\x80z", "a\xe3\x80\x80z");
}

Test(line, every_byte_that_is_not_utf8_is_replaced)
{
    expect_escaped("a\x80z", "a\\ufffdz");
    expect_escaped("\xff\xfe", "\\ufffd\\ufffd");
    expect_escaped("\xf5\x80\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd");
    expect_escaped("\xc0\xaf", "\\ufffd\\ufffd");                       /* overlong / */
    expect_escaped("\xc1\xbf", "\\ufffd\\ufffd");                       /* overlong */
    expect_escaped("\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd");            /* overlong */
    expect_escaped("\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd"); /* overlong */
    expect_escaped("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd");            /* surrogate */
    expect_escaped("\xed\xbf\xbf", "\\ufffd\\ufffd\\ufffd");            /* surrogate */
    expect_escaped("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"); /* > U+10FFFF */
    expect_escaped("\xe2\x80", "\\ufffd\\ufffd");                       /* cut */
    expect_escaped("\xe2\x28\xa1", "\\ufffd(\\ufffd");                  /* not continued */
    expect_escaped("\xf0\x9f\x98", "\\ufffd\\ufffd\\ufffd");            /* cut */
    expect_escaped("\xc3", "\\ufffd");
}

Test(line, an_escape_says_what_it_stands_for)
{
    char escaped[HL_ESCAPED_BYTES];
    size_t taken = 0;
    cr_assert_eq(hl_escape("\n", 1, escaped, &taken), 2);
    cr_assert_eq(taken, 1);
    cr_assert_eq(hl_escape("\xf3\xa0\x80\x81", 4, escaped, &taken), HL_ESCAPED_BYTES);
    cr_assert_eq(taken, 4);
    cr_assert_eq(hl_escape("\xf3\xa0\x80\x81", 3, escaped, &taken), 6);
    cr_assert_eq(taken, 1);
    cr_assert_eq(hl_escape("", 1, escaped, &taken), 6); /* NUL inside a counted text */
    cr_assert(memcmp(escaped, "\\u0000", 6) == 0);
}

/* ---- Too long ---- */

static char megabyte[1 << 20];

static json_t *parsed(const struct hl_line *line)
{
    json_error_t error;
    json_t *object = json_loadb(line->bytes, line->length, JSON_REJECT_DUPLICATES, &error);
    cr_assert(object, "%s: %s", error.text, line->bytes);
    return object;
}

Test(line, a_text_of_a_megabyte_is_cut_and_the_numbers_after_it_are_not)
{
    memset(megabyte, 'x', sizeof megabyte - 1);
    begin();
    hl_line_text(&text, "log", megabyte);
    hl_line_text(&json, "log", megabyte);
    hl_line_count(&text, "n", 12345);
    hl_line_count(&json, "n", 12345);
    cr_assert_leq(hl_line_end(&text), HL_LINE_BYTES);
    cr_assert_leq(hl_line_end(&json), HL_LINE_BYTES);
    cr_assert_gt(text.length, 3500);
    cr_assert(strstr(text.bytes, "xxx… n=12345 truncated=yes\n"));
    cr_assert(strstr(json.bytes, "xxx…\",\"n\":12345,\"truncated\":true}\n"));
    json_decref(parsed(&json));
}

Test(line, a_text_is_cut_between_characters)
{
    for (size_t shift = 0; shift < 12; shift++) {
        memset(megabyte, 'x', shift);
        for (size_t at = shift; at + 4 < 8000; at += 4)
            memcpy(megabyte + at, "😀", 5);
        begin();
        hl_line_label(&json, "phase", megabyte);
        hl_line_end(&json);
        cr_assert(strstr(json.bytes, "😀…\",\"truncated\":true}\n"));
        json_decref(parsed(&json));
    }
}

Test(line, an_escape_is_never_cut_in_half)
{
    for (size_t shift = 0; shift < 12; shift++) {
        memset(megabyte, 'x', shift);
        memset(megabyte + shift, '\x01', 5000);
        begin();
        hl_line_label(&text, "phase", megabyte);
        hl_line_end(&text);
        cr_assert(strstr(text.bytes, "\\u0001…\" truncated=yes\n"));
    }
}

Test(line, a_pair_that_does_not_fit_is_left_out_whole)
{
    begin();
    for (int i = 0; i < 1000; i++) {
        hl_line_bytes_of(&json, "rss", 1, 2);
        hl_line_count(&text, "threads", UINT64_C(12345678901234567));
    }
    hl_line_end(&json);
    hl_line_end(&text);
    cr_assert_leq(json.length, HL_LINE_BYTES);
    cr_assert_leq(text.length, HL_LINE_BYTES);
    cr_assert(strstr(json.bytes, ",\"rss_bytes\":1,\"rss_limit_bytes\":2,\"truncated\":true}\n"));
    cr_assert(strstr(text.bytes, " threads=12345678901234567 truncated=yes\n"));
    cr_assert_gt(json.length, HL_LINE_BYTES - 64);
}

Test(line, a_text_without_any_room_left_is_left_out_too)
{
    begin();
    for (int i = 0; i < 2000; i++)
        hl_line_count(&text, "n", 1);
    hl_line_label(&text, "phase", "x");
    hl_line_end(&text);
    cr_assert_not(strstr(text.bytes, "phase"));
}

/* ---- Labels ---- */

static char path[32][HL_LABEL_BYTES];

static const char (*labels(void))[HL_LABEL_BYTES]
{
    return (const char(*)[HL_LABEL_BYTES])path;
}

static void fill(size_t index, char byte, size_t length)
{
    memset(path[index], 0, HL_LABEL_BYTES);
    memset(path[index], byte, length);
}

Test(line, labels_are_joined)
{
    strcpy(path[0], "epoch 3");
    strcpy(path[1], "write \"it\"");
    PAIR(hl_line_labels, " path=\"epoch 3 > write \\\"it\\\"\"",
         ",\"path\":\"epoch 3 > write \\\"it\\\"\"", "path", labels(), 2, " > ", 500);
    PAIR(hl_line_labels, " path=\"epoch 3\"", ",\"path\":\"epoch 3\"", "path", labels(), 1, " > ",
         500);
    PAIR(hl_line_labels, " path=\"\"", ",\"path\":\"\"", "path", labels(), 0, " > ", 500);
}

/* What is left of `count` labels when `budget` bytes are there for them. */
static void expect_path(size_t count, size_t budget, const char *wanted, bool cut)
{
    char pair[HL_LINE_BYTES];
    begin();
    const size_t used = text.length + strlen(" path=\"\"");
    hl_line_labels(&text, "path", labels(), count, " > ", text.limit - used - budget);
    cr_assert_eq(text.truncated, cut);
    cr_assert_leq(text.length, used + budget);
    hl_line_end(&text);
    snprintf(pair, sizeof pair, "[heartline 7] r path=\"%s\"%s\n", wanted,
             cut ? " truncated=yes" : "");
    cr_assert_str_eq(text.bytes, pair);
}

Test(line, the_middle_of_a_path_goes_first)
{
    for (size_t i = 0; i < 5; i++)
        fill(i, (char)('a' + i), 4);
    expect_path(5, 32, "aaaa > bbbb > cccc > dddd > eeee", false);
    expect_path(5, 31, "aaaa > bbbb > … > dddd > eeee", true);
    expect_path(5, 30, "aaaa > … > dddd > eeee", true);
    expect_path(5, 24, "aaaa > … > dddd > eeee", true);
    expect_path(5, 23, "aaaa > … > eeee", true);
    expect_path(5, 16, "… > eeee", true);
    expect_path(5, 9, "… > …", true);
}

Test(line, the_last_label_of_a_path_is_cut_last)
{
    fill(0, 'a', 10);
    fill(1, 'z', 10);
    expect_path(2, 23, "aaaaaaaaaa > zzzzzzzzzz", false);
    expect_path(2, 22, "… > zzzzzzzzzz", true);
    expect_path(2, 16, "… > zzzzzzzzzz", true);
    expect_path(2, 15, "… > zzzzzz…", true);
    expect_path(1, 9, "aaaaaa…", true);
}

Test(line, a_path_without_any_room_is_an_ellipsis)
{
    fill(0, 'a', 10);
    begin();
    hl_line_labels(&text, "path", labels(), 1, " > ", HL_LINE_BYTES);
    hl_line_count(&text, "id", 3);
    hl_line_end(&text);
    cr_assert_str_eq(text.bytes, "[heartline 7] r path=\"…\" id=3 truncated=yes\n");
}

Test(line, the_longest_path_with_the_worst_bytes_still_fits)
{
    for (size_t i = 0; i < 32; i++)
        fill(i, '\x01', HL_LABEL_BYTES - 1);
    begin();
    hl_line_labels(&json, "path", labels(), 32, " > ", 1024);
    cr_assert_leq(json.length, json.limit - 1024);
    hl_line_end(&json);
    cr_assert(strstr(json.bytes, " > … > "));
    json_decref(parsed(&json));
}

Test(line, a_label_without_a_terminator_ends_with_its_field)
{
    fill(0, 'a', HL_LABEL_BYTES);
    fill(1, 'b', HL_LABEL_BYTES - 1);
    begin();
    hl_line_labels(&text, "path", labels(), 1, " > ", 100);
    hl_line_end(&text);
    cr_assert_not(strchr(text.bytes + strlen("[heartline 7] r path"), 'b'));
}

Test(line, half_a_character_is_not_completed_from_the_next_field)
{
    fill(0, 'a', HL_LABEL_BYTES);
    path[0][HL_LABEL_BYTES - 1] = '\xe2';
    memcpy(path[1], "\x82\xac", 3); /* together: the euro sign */
    begin();
    hl_line_labels(&text, "path", labels(), 1, " > ", 100);
    hl_line_end(&text);
    cr_assert(strstr(text.bytes, "a\\ufffd\"\n"));
}

/* ---- Frames, and what goes with them ---- */

Test(line, frames_are_one_text_for_people_and_a_list_for_programs)
{
    static const char frames[2][HL_FRAME_BYTES] = {"app+0x1f3", "my \"app\"+0x22"};
    PAIR(hl_line_frames, " frames=\"app+0x1f3 < my \\\"app\\\"+0x22\"",
         ",\"frames\":[\"app+0x1f3\",\"my \\\"app\\\"+0x22\"]", "frames", frames, 2, 0);
    PAIR(hl_line_frames, " frames=\"app+0x1f3\"", ",\"frames\":[\"app+0x1f3\"]", "frames", frames,
         1, 0);
}

Test(line, frames_with_the_worst_bytes_leave_what_is_reserved)
{
    static char frames[64][HL_FRAME_BYTES];
    for (size_t i = 0; i < 64; i++)
        memset(frames[i], '\x01', HL_FRAME_BYTES - 1);
    for (size_t reserve = 0; reserve < 1200; reserve += 300) {
        begin();
        hl_line_frames(&json, "frames", (const char(*)[HL_FRAME_BYTES])frames, 64, reserve);
        cr_assert_leq(json.length, json.limit - reserve);
        hl_line_end(&json);
        cr_assert(strstr(json.bytes, "\",\"…\",\""));
        json_decref(parsed(&json));
    }
}

/* The longest reserve with which all fits; what is written and it make the same sum. */
static size_t filled(bool as_frames)
{
    static const char frames[3][HL_FRAME_BYTES] = {"one+0x1", "two+0x2", "three+0x3"};
    static const char names[3][HL_LABEL_BYTES] = {"one+0x1", "two+0x2", "three+0x3"};
    size_t length = 0, reserve = 0;
    for (;; reserve++) {
        begin();
        if (as_frames)
            hl_line_frames(&text, "key", frames, 3, reserve);
        else
            hl_line_labels(&text, "key", names, 3, " < ", reserve);
        if (text.truncated)
            return length + reserve - 1;
        length = text.length;
    }
}

Test(line, frames_leave_room_for_a_bracket_more_than_labels)
{
    cr_expect_eq(filled(true) + 1, filled(false));
}

Test(line, a_part_is_shown_with_its_whole)
{
    PAIR(hl_line_part, " sample=1/3", ",\"sample\":1,\"sample_of\":3", "sample", 1, 3);
    PAIR(hl_line_part, " sample=1/?", ",\"sample\":1,\"sample_of\":null", "sample", 1, HL_UNKNOWN);
    PAIR(hl_line_part, " sample=?/3", ",\"sample\":null,\"sample_of\":3", "sample", HL_UNKNOWN, 3);
}

Test(line, microseconds_are_rounded_up_so_that_none_is_lost)
{
    PAIR(hl_line_microseconds, " suspended=12us", ",\"suspended_us\":12", "suspended", 12000);
    PAIR(hl_line_microseconds, " suspended=13us", ",\"suspended_us\":13", "suspended", 12001);
    PAIR(hl_line_microseconds, " suspended=1us", ",\"suspended_us\":1", "suspended", 1);
    PAIR(hl_line_microseconds, " suspended=?", ",\"suspended_us\":null", "suspended", HL_UNKNOWN);
}
