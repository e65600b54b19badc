/* The reader of logs itself: what it must understand, and what it must refuse. */
#include "log.h"

#include <criterion/criterion.h>

static struct log *read_text(const char *text)
{
    return log_read(text, strlen(text));
}

Test(reader, takes_a_text_line_apart)
{
    struct log *log =
        read_text("2026-11-21T01:35:00.123Z [heartline 42] beat elapsed=1m00s "
                  "cpu=1.0/8 rss=1.2GiB active=\"a \\\"b\\\"\\n\" late stuck<=5.2s\n");
    const struct record *beat = log_find(log, "beat", 0);
    cr_assert_eq(beat->pid, 42);
    cr_assert_eq(record_ms_low(beat, "elapsed"), 59500);
    cr_assert_eq(record_ms_high(beat, "elapsed"), 61000);
    cr_assert_eq(record_number(beat, "cpu"), 1.0);
    cr_assert_str_eq(record_text(beat, "active"), "a \"b\"\n");
    cr_assert(record_has(beat, "late") && !record_has(beat, "lat"));
    cr_assert_eq(record_ms_low(beat, "stuck"), 5150);
}

Test(reader, takes_a_json_line_apart)
{
    struct log *log = read_text("{\"schema\":1,\"ts\":\"2026-11-21T01:35:00.123Z\",\"pid\":42,"
                                "\"record\":\"phase\",\"thread_tid\":43,\"thread_name\":\"w\","
                                "\"in_ms\":1200,\"innermost\":null}\n");
    const struct record *phase = log_find(log, "phase", 0);
    cr_assert_eq(record_thread_tid(phase), 43);
    cr_assert_str_eq(record_thread_name(phase), "w");
    cr_assert_eq(record_ms_low(phase, "in"), 1200);
    cr_assert_null(record_text(phase, "innermost"));
}

Test(reader, knows_its_own_lines_from_others)
{
    struct log *log =
        read_text("hello\n2026-11-21T01:35:00.123Z [heartline 1] stop elapsed=9.9s\n");
    cr_assert_eq(log->count, 1);
    cr_assert_str_eq(log->other, "hello\n");
}

Test(reader, reads_every_form_of_a_duration)
{
    struct log *log = read_text("2026-11-21T01:35:00.123Z [heartline 1] start a=250ms b=2m05s "
                                "c=1h02m03s d=9.0s e=42s\n");
    const struct record *start = log_find(log, "start", 0);
    cr_assert_eq(record_ms_low(start, "a"), 250);
    cr_assert_eq(record_ms_low(start, "b"), 124500);
    cr_assert_eq(record_ms_low(start, "c"), 3722500);
    cr_assert_eq(record_ms_high(start, "d"), 9100);
    cr_assert_eq(record_ms_low(start, "e"), 41500);
}

static void expect_trouble(const char *line, const char *trouble)
{
    struct record record;
    const char *seen = record_read(&record, 1, line, strlen(line));
    cr_expect(seen && strcmp(seen, trouble) == 0, "%s: %s, not %s", line, seen ? seen : "fine",
              trouble);
    record_free(&record);
}

Test(reader, refuses_a_line_that_could_be_taken_for_something_else)
{
    static char too_long[4097] = "[heartline 1] note x=";
    memset(too_long + strlen(too_long), 'x', sizeof too_long - 1 - strlen(too_long));
    expect_trouble(too_long, "a line that is too long");
    expect_trouble("[heartline 1] note x=\"\xff\"", "not UTF-8");
    expect_trouble("[heartline 1] note x=\"\x1b[2J\"", "a control byte");
    expect_trouble("[heartline 1] note x=\"\x7f\"", "a control byte");
    expect_trouble("[heartline 1] note x=\"\xc2\x9b\"", "a control byte");
    expect_trouble("[heartline 1] note x=\"a\"b", "cannot be read");
    expect_trouble("[heartline 1] note x=\"a", "cannot be read");
    expect_trouble("[heartline 1] note  x=a", "cannot be read");
    expect_trouble("{\"schema\":1,\"pid\":1,\"record\":\"note\",\"a\":1,\"a\":2}",
                   "cannot be read");
    expect_trouble("{\"schema\":1,\"pid\":1,\"record\":\"note\"", "cannot be read");
}
