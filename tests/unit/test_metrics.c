/* tests/unit/test_metrics.c - the one-shot sample and its JSON. */
#include "../doubles/scripted_platform.h"

#include <heartline/metrics.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <string.h>

static monitor_metrics metrics;
static char json[65536];

/* Things for the test to do while the sample waits. */
static void (*meanwhile)(void);

static void pass(void *data, uint64_t timeout_ns, struct hl_plat_wait *wait)
{
    (void)data;
    (void)wait;
    if (meanwhile != NULL)
        meanwhile();
    scripted_advance(timeout_ns);
}

static void sample(uint64_t window_ms)
{
    scripted.wait_hook = pass;
    cr_assert_eq(monitor_sample(window_ms, &metrics), 0);
    cr_assert_eq(scripted.handles, 0);
}

static json_t *parsed(void)
{
    size_t length = monitor_metrics_json(&metrics, json, sizeof json);
    cr_assert_lt(length, sizeof json);
    cr_assert_eq(strlen(json), length);
    json_error_t error;
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(root, "%s in %s", error.text, json);
    return root;
}

static void expect_json(const char *expected)
{
    json_decref(parsed());
    cr_expect_str_eq(json, expected);
}

static const monitor_thread_metrics *thread(uint64_t tid)
{
    for (size_t i = 0; i < metrics.thread_count; i++)
        if (metrics.threads[i].tid == tid)
            return &metrics.threads[i];
    return NULL;
}

static void expect_percent(uint64_t tid, double percent)
{
    cr_assert_not_null(thread(tid), "no thread %d", (int)tid);
    cr_expect(thread(tid)->cpu_known);
    cr_expect_float_eq(thread(tid)->cpu_percent, percent, 1e-6, "%d: %f", (int)tid,
                       thread(tid)->cpu_percent);
}

static struct scripted_thread *start(uint64_t tid, const char *name, uint64_t busy_milli)
{
    struct scripted_thread *thread = scripted_thread(tid);
    strncpy(thread->name, name, sizeof thread->name - 1);
    thread->busy_milli = busy_milli;
    return thread;
}

/* ---- sampling ---------------------------------------------------------------- */

Test(metrics, a_sample_is_in_exactly_the_shape_of_the_manual)
{
    scripted.busy_milli = 6124;
    scripted.process.rss_bytes = 1234 * 1024 + 1023;
    scripted.process.vm_bytes = 5678 * 1024;
    scripted.process.age_ns = 90 * SCRIPTED_S + 999999999;
    start(1, "worker", 998);
    sample(2000);
    expect_json("{\"sample_window_ms\":2000,\"process\":{\"cpu_percent\":612.4,\"rss_kb\":1234,"
                "\"vm_size_kb\":5678,\"uptime_secs\":90},\"threads\":[{\"tid\":1,"
                "\"name\":\"worker\",\"cpu_percent\":99.8}],\"platform\":\"scripted\"}");
    cr_expect_float_eq(metrics.cpu_percent, 612.4, 1e-6);
    cr_expect_float_eq(metrics.uptime_s, 90.999999999, 1e-9);
    monitor_metrics_release(&metrics);
}

static bool was_late;

static void be_late(void *data, uint64_t timeout_ns, struct hl_plat_wait *wait)
{
    (void)data;
    (void)wait;
    scripted_advance(was_late ? timeout_ns : timeout_ns + 500 * SCRIPTED_MS);
    was_late = true;
}

Test(metrics, the_window_is_the_one_that_really_passed)
{
    scripted.busy_milli = 1000;
    scripted.wait_hook = be_late;
    cr_assert_eq(monitor_sample(1500, &metrics), 0);
    cr_expect_eq(metrics.window_ms, 2000);
    cr_expect_float_eq(metrics.cpu_percent, 100.0, 1e-6);
    monitor_metrics_release(&metrics);
}

static int wakes_to_come = 3;

static void be_cut_short(void *data, uint64_t timeout_ns, struct hl_plat_wait *wait)
{
    (void)data;
    wait->woken = wakes_to_come > 0;
    scripted_advance(wakes_to_come-- > 0 ? timeout_ns / 2 : timeout_ns);
}

Test(metrics, a_wait_that_is_cut_short_is_resumed)
{
    scripted.wait_hook = be_cut_short;
    cr_assert_eq(monitor_sample(800, &metrics), 0);
    cr_expect_eq(metrics.window_ms, 800);
    cr_expect_eq(scripted.waits, 4);
    monitor_metrics_release(&metrics);
}

Test(metrics, threads_are_sorted_by_tid_whatever_the_list_is)
{
    static const uint64_t tids[] = {70, 3, UINT64_MAX, 12, 5, 4000000000};
    for (size_t i = 0; i < 6; i++)
        start(tids[i], "", 100 * i);
    sample(1000);
    cr_assert_eq(metrics.thread_count, 6);
    for (size_t i = 1; i < 6; i++)
        cr_expect_lt(metrics.threads[i - 1].tid, metrics.threads[i].tid);
    for (size_t i = 0; i < 6; i++)
        expect_percent(tids[i], 10.0 * (double)i);
    monitor_metrics_release(&metrics);
}

static void a_thread_begins_and_one_ends(void)
{
    scripted_thread_gone(10);
    start(15, "newborn", 0)->cpu_ns = 250 * SCRIPTED_MS;
}

Test(metrics, a_thread_of_the_window_shows_its_own_cpu_and_one_that_ended_is_absent)
{
    start(10, "ends", 1000)->cpu_ns = 50 * SCRIPTED_S;
    start(20, "stays", 500)->cpu_ns = 70 * SCRIPTED_S;
    meanwhile = a_thread_begins_and_one_ends;
    sample(1000);
    cr_expect_eq(metrics.thread_count, 2);
    cr_expect_null(thread(10));
    expect_percent(15, 25.0);
    expect_percent(20, 50.0);
    monitor_metrics_release(&metrics);
}

static void a_tid_is_used_again(void)
{
    scripted_thread_gone(10);
    start(10, "second", 0)->cpu_ns = 300 * SCRIPTED_MS;
}

Test(metrics, a_tid_that_was_used_again_shows_the_new_thread)
{
    start(10, "first", 0)->cpu_ns = 50 * SCRIPTED_S;
    meanwhile = a_tid_is_used_again;
    sample(1000);
    expect_percent(10, 30.0);
    cr_expect_str_eq(thread(10)->name, "second");
    monitor_metrics_release(&metrics);
}

static void counters_run_backwards(void)
{
    scripted.process.cpu_ns -= SCRIPTED_S;
    scripted_thread(10)->cpu_ns -= SCRIPTED_S;
}

Test(metrics, counters_that_run_backwards_give_zero)
{
    scripted.process.cpu_ns = 90 * SCRIPTED_S;
    start(10, "old", 0)->cpu_ns = 50 * SCRIPTED_S;
    meanwhile = counters_run_backwards;
    sample(1000);
    cr_expect(metrics.cpu_known);
    cr_expect_eq(metrics.cpu_percent, 0.0);
    expect_percent(10, 0.0);
    monitor_metrics_release(&metrics);
}

static void use_more_than_there_is(void)
{
    scripted_thread(10)->cpu_ns += 20 * SCRIPTED_MS;
    start(11, "new", 0)->cpu_ns = UINT64_MAX - 1;
}

Test(metrics, a_thread_never_has_more_than_one_core)
{
    start(10, "ticks", 0);
    meanwhile = use_more_than_there_is;
    sample(1);
    expect_percent(10, 100.0);
    expect_percent(11, 100.0);
    monitor_metrics_release(&metrics);
}

static void use_some_time(void)
{
    static int calls;
    if (calls++ == 0)
        return;
    scripted.process.cpu_ns += SCRIPTED_MS;
    scripted_thread(10)->cpu_ns += SCRIPTED_MS;
}

Test(metrics, a_window_of_nothing_gives_finite_numbers)
{
    start(10, "worker", 1000);
    scripted.list_hook = use_some_time;
    sample(0);
    cr_expect_eq(metrics.window_ms, 0);
    cr_expect_eq(scripted.waits, 0);
    cr_expect(metrics.cpu_known && isfinite(metrics.cpu_percent));
    expect_percent(10, 0.0);
    json_decref(parsed());
    monitor_metrics_release(&metrics);
}

static void a_crowd_appears(void)
{
    static uint64_t tid = 1000;
    for (int i = 0; i < 70 && tid < 3000; i++)
        scripted_thread(tid++);
}

Test(metrics, threads_that_are_born_during_the_listing_are_all_listed)
{
    scripted.list_hook = a_crowd_appears;
    sample(1000);
    cr_expect_gt(metrics.thread_count, 300);
    for (size_t i = 0; i < metrics.thread_count; i++)
        cr_assert_eq(metrics.threads[i].tid, 1000 + i);
    monitor_metrics_release(&metrics);
}

Test(metrics, ten_thousand_threads_are_no_trouble)
{
    for (uint64_t tid = 10000; tid > 0; tid--)
        scripted_thread(tid);
    sample(1000);
    cr_expect_eq(metrics.thread_count, 10000);
    cr_expect_gt(monitor_metrics_json(&metrics, json, sizeof json), sizeof json);
    cr_expect_eq(strlen(json), sizeof json - 1);
    monitor_metrics_release(&metrics);
}

Test(metrics, no_threads_at_all_are_an_empty_list)
{
    sample(1000);
    cr_expect(metrics.threads_known);
    json_t *root = parsed();
    cr_expect(json_is_array(json_object_get(root, "threads")));
    json_decref(root);
    monitor_metrics_release(&metrics);
    cr_expect_not(metrics.threads_known, "it has none any more");
}

/* ---- what is not known ----------------------------------------------------------- */

Test(metrics, a_single_unknown_figure_is_null)
{
    start(10, "a", 0)->name_unknown = true;
    start(11, "b", 0)->cpu_unknown = true;
    scripted.process.rss_bytes = 2048;
    scripted_missing(HL_PLAT_CPU, "not readable");
    scripted_missing(HL_PLAT_VM, "not readable");
    scripted_missing(HL_PLAT_START, "not readable");
    sample(1000);
    expect_json("{\"sample_window_ms\":1000,\"process\":{\"cpu_percent\":null,\"rss_kb\":2,"
                "\"vm_size_kb\":null,\"uptime_secs\":null},\"threads\":[{\"tid\":10,"
                "\"name\":\"\",\"cpu_percent\":0.0},{\"tid\":11,\"name\":\"b\","
                "\"cpu_percent\":null}],\"platform\":\"scripted\"}");
    monitor_metrics_release(&metrics);
}

Test(metrics, unknown_memory_and_threads_that_cannot_be_listed_are_null)
{
    start(10, "a", 0);
    scripted_missing(HL_PLAT_RSS, "not readable");
    scripted_missing(HL_PLAT_THREAD_LIST, "not readable");
    sample(1000);
    cr_expect_not(metrics.threads_known);
    cr_expect_null(metrics.threads);
    expect_json("{\"sample_window_ms\":1000,\"process\":{\"cpu_percent\":0.0,\"rss_kb\":null,"
                "\"vm_size_kb\":0,\"uptime_secs\":0},\"threads\":null,"
                "\"platform\":\"scripted\"}");
    monitor_metrics_release(&metrics);
}

static void the_list_comes_back(void)
{
    scripted_missing(HL_PLAT_THREAD_LIST, NULL);
    scripted_missing(HL_PLAT_CPU, NULL);
}

Test(metrics, what_only_the_second_reading_knows_has_no_rate)
{
    start(10, "a", 1000)->cpu_ns = SCRIPTED_S;
    scripted_missing(HL_PLAT_THREAD_LIST, "too many open files");
    scripted_missing(HL_PLAT_CPU, "too many open files");
    meanwhile = the_list_comes_back;
    sample(1000);
    cr_expect_not(metrics.cpu_known);
    cr_assert_eq(metrics.thread_count, 1);
    cr_expect_not(metrics.threads[0].cpu_known);
    monitor_metrics_release(&metrics);
}

static void its_cpu_becomes_known(void)
{
    scripted_thread(10)->cpu_unknown = false;
}

Test(metrics, a_thread_whose_cpu_becomes_known_in_the_window_has_no_rate)
{
    start(10, "a", 1000)->cpu_unknown = true;
    meanwhile = its_cpu_becomes_known;
    sample(1000);
    cr_expect_not(thread(10)->cpu_known);
    monitor_metrics_release(&metrics);
}

Test(metrics, where_nothing_can_be_measured_the_reason_is_said)
{
    static const enum hl_plat_key keys[] = {HL_PLAT_CPU, HL_PLAT_RSS, HL_PLAT_VM, HL_PLAT_START,
                                            HL_PLAT_THREAD_LIST};
    for (size_t i = 0; i < 5; i++)
        scripted_missing(keys[i], "no \"platform\" here");
    sample(100);
    expect_json("{\"platform\":\"scripted\",\"available\":false,"
                "\"reason\":\"no \\\"platform\\\" here\"}");
    monitor_metrics_release(&metrics);
    for (size_t i = 0; i < 5; i++) {
        scripted_missing(keys[i], NULL);
        sample(100);
        cr_expect_null(metrics.reason, "%d is known", (int)keys[i]);
        monitor_metrics_release(&metrics);
        scripted_missing(keys[i], "gone again");
    }
}

/* ---- refusals ---------------------------------------------------------------------- */

Test(metrics, nowhere_to_write_and_windows_beyond_a_day_are_refused)
{
    cr_expect_eq(monitor_sample(1, NULL), -EINVAL);
    cr_expect_eq(monitor_sample(86400001, &metrics), -EINVAL);
    cr_expect_eq(monitor_sample(UINT64_MAX, &metrics), -EINVAL);
    cr_expect_eq(monitor_sample(86400000, &metrics), 0);
    cr_expect_eq(metrics.window_ms, 86400000);
    monitor_metrics_release(&metrics);
}

Test(metrics, without_memory_nothing_is_left_to_give_back)
{
    scripted.open_fails = true;
    memset(&metrics, 0xff, sizeof metrics);
    cr_expect_eq(monitor_sample(1, &metrics), -ENOMEM);
    cr_expect_null(metrics.threads);
    monitor_metrics_release(&metrics);
    scripted.open_fails = false;
    scripted.list_total = SIZE_MAX;
    cr_expect_eq(monitor_sample(1, &metrics), -ENOMEM);
    cr_expect_eq(scripted.handles, 0);
    cr_expect_null(metrics.threads);
}

static void the_list_explodes(void)
{
    scripted.list_total = SIZE_MAX;
}

Test(metrics, memory_that_runs_out_in_the_window_is_no_leak)
{
    meanwhile = the_list_explodes;
    scripted.wait_hook = pass;
    cr_expect_eq(monitor_sample(1, &metrics), -ENOMEM);
    cr_expect_eq(scripted.handles, 0);
}

Test(metrics, releasing_twice_and_nothing_is_harmless)
{
    start(10, "a", 0);
    sample(10);
    monitor_metrics_release(&metrics);
    monitor_metrics_release(&metrics);
    monitor_metrics_release(NULL);
    cr_expect_eq(metrics.thread_count, 0);
}

Test(metrics, errno_is_left_alone)
{
    start(10, "a", 0);
    errno = 42;
    sample(10);
    monitor_metrics_json(&metrics, json, sizeof json);
    monitor_metrics_release(&metrics);
    scripted.list_total = SIZE_MAX;
    monitor_sample(1, &metrics);
    cr_expect_eq(errno, 42);
}

/* ---- JSON ---------------------------------------------------------------------------- */

Test(metrics, json_is_cut_as_snprintf_does)
{
    char small[40];
    start(10, "a", 0);
    sample(10);
    size_t length = monitor_metrics_json(&metrics, json, sizeof json);
    cr_expect_eq(monitor_metrics_json(&metrics, NULL, 0), length);
    cr_expect_eq(monitor_metrics_json(&metrics, NULL, 100), length);
    small[0] = 'x';
    cr_expect_eq(monitor_metrics_json(&metrics, small, 0), length);
    cr_expect_eq(small[0], 'x');
    for (size_t size = 1; size < sizeof small; size++) {
        memset(small, 'x', sizeof small);
        cr_expect_eq(monitor_metrics_json(&metrics, small, size), length);
        cr_expect_eq(strlen(small), size - 1);
        cr_expect_eq(memcmp(small, json, size - 1), 0);
        cr_expect_eq(small[size], 'x');
    }
    monitor_metrics_release(&metrics);
}

Test(metrics, json_that_just_fits_is_whole)
{
    sample(10);
    size_t length = monitor_metrics_json(&metrics, json, sizeof json);
    static char exact[65536];
    monitor_metrics_json(&metrics, exact, length + 1);
    cr_expect_str_eq(exact, json);
    monitor_metrics_json(&metrics, exact, length);
    cr_expect_eq(strlen(exact), length - 1);
    monitor_metrics_release(&metrics);
}

Test(metrics, hostile_thread_names_are_escaped)
{
    start(1, "quote\" back\\ line\n tab\t esc\x1b del\x7f", 0);
    start(2, "\xff broken \xc3", 0);
    start(3, "gr\xc3\xbc\xc3\x9f", 0);
    memset(start(4, "", 0)->name, 'x', HL_PLAT_NAME_BYTES - 1);
    sample(10);
    json_t *root = parsed();
    json_t *threads = json_object_get(root, "threads");
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(threads, 0), "name")),
                     "quote\" back\\ line\n tab\t esc\x1b del\x7f");
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(threads, 1), "name")),
                     "\xef\xbf\xbd broken \xef\xbf\xbd");
    cr_expect_not_null(strstr(json, "gr\xc3\xbc\xc3\x9f"));
    for (const char *at = json; *at != '\0'; at++)
        cr_assert((unsigned char)*at >= 0x20 && *at != 0x7f);
    json_decref(root);
    monitor_metrics_release(&metrics);
}

Test(metrics, figures_of_any_kind_stay_json)
{
    monitor_thread_metrics threads[5] = {{.cpu_known = true, .cpu_percent = NAN},
                                         {.cpu_known = true, .cpu_percent = INFINITY},
                                         {.cpu_known = true, .cpu_percent = -1.0},
                                         {.cpu_known = true, .cpu_percent = 99.95},
                                         {.cpu_known = true, .cpu_percent = 0.04}};
    memset(threads[0].name, 'n', sizeof threads[0].name);
    metrics = (monitor_metrics){.threads_known = true,
                                .threads = threads,
                                .thread_count = 5,
                                .cpu_known = true,
                                .cpu_percent = 1e300,
                                .uptime_known = true,
                                .uptime_s = -3.0,
                                .rss_known = true,
                                .rss_bytes = UINT64_MAX};
    static const double expected[] = {0.0, 1e17, 0.0, 100.0, 0.0};
    json_t *root = parsed();
    json_t *list = json_object_get(root, "threads");
    for (size_t i = 0; i < 5; i++)
        cr_expect_float_eq(json_real_value(json_object_get(json_array_get(list, i), "cpu_percent")),
                           expected[i], 1e-9);
    cr_expect(json_is_null(json_object_get(root, "platform")));
    json_decref(root);
}

Test(metrics, no_metrics_at_all_are_null)
{
    cr_expect_eq(monitor_metrics_json(NULL, json, sizeof json), 4);
    cr_expect_str_eq(json, "null");
}

Test(metrics, the_decimal_point_does_not_follow_the_locale)
{
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL)
        cr_skip_test("no de_DE.UTF-8 here");
    scripted.busy_milli = 1234;
    sample(1000);
    monitor_metrics_json(&metrics, json, sizeof json);
    cr_expect_not_null(strstr(json, "\"cpu_percent\":123.4"));
    monitor_metrics_release(&metrics);
}

static void leap(void)
{
    scripted.process.cpu_ns += UINT64_MAX / 2;
}

Test(metrics, a_counter_that_leapt_says_nothing)
{
    scripted.most_cores = 8;
    meanwhile = leap;
    sample(1000);
    cr_expect_not(metrics.cpu_known);
    json_decref(parsed());
    cr_expect(strstr(json, "\"cpu_percent\":null"), "%s", json);
    monitor_metrics_release(&metrics);
}
