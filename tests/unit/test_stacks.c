/* tests/unit/test_stacks.c - STACK lines, as a whole session tells them under a fake
 * clock, and monitor_stack. */
#include "story.h"

#include <errno.h>
#include <jansson.h>

#define TICK (4 * MS)
#define APP 0x1000000 /* where the one module of the tests lies */
#define STALLED (2 * MINUTE + TICK)
#define FIRST_REMINDER (4 * MINUTE)
#define SECOND_REMINDER (8 * MINUTE)

static void set_up(void)
{
    story_set_up();
    scripted.module.start = APP;
    scripted.module.size = 0x100000;
    scripted.module.name = "app";
}

TestSuite(stacks, .init = set_up);

static struct scripted_thread *thread(unsigned who)
{
    return scripted_thread(story_tid(who));
}

/* Three frames, the innermost `offset` into the module. */
static void be_at(unsigned who, uintptr_t offset)
{
    thread(who)->frames =
        (struct hl_plat_frames){.count = 3, .pc = {APP + offset, APP + 0x22, 0x7f0000001234}};
}

/* In the middle of a story; with the number of the worker 1. */
static void move_to(uintptr_t offset)
{
    be_at(1, offset);
}

static void a_thread_hangs(void)
{
    story_push(0, 1, "write checkpoint");
    be_at(1, 0x1f3);
}

static size_t unavailable(void)
{
    return story_count_with("unavailable", "\"key\":\"stack\"");
}

static void expect_number_of_samples(size_t expected)
{
    story_expect_count("STACK", expected);
    cr_expect_eq(thread(1)->captures, expected);
}

/* ---- what a line says ---------------------------------------------------------------- */

Test(stacks, a_stall_is_followed_by_the_frames_of_its_thread)
{
    a_thread_hangs();
    story_run(3 * MINUTE);
    expect_number_of_samples(1);
    const struct story_line *stall = story_find("STALL", 0), *stack = story_find("STACK", 0);
    cr_expect_eq(stack, stall + 1);
    cr_expect_eq(stack->at_ns, STALLED);
    cr_expect_eq(stack->level, MONITOR_INFO);
    story_expect_has(stack, "\"record\":\"STACK\",\"id\":1,\"thread_tid\":5001,"
                            "\"thread_name\":\"worker-1\",\"sample\":1,\"sample_of\":3,"
                            "\"frames\":[\"app+0x1f3\",\"app+0x22\",\"0x7f0000001234\"]}");
}

Test(stacks, it_reads_the_same_in_text)
{
    story.options.format = MONITOR_TEXT;
    a_thread_hangs();
    story_run(5 * MINUTE);
    story_expect_has(story_find("STACK", 0), "] STACK id=1 thread=5001/worker-1 sample=1/3 "
                                             "frames=\"app+0x1f3 < app+0x22 < 0x7f0000001234\"");
    story_expect_has(story_find("STACK", 1), " sample=2/3 same=2/2 frames=\"app+0x1f3 < ");
}

Test(stacks, a_chain_that_breaks_is_said_to_be_truncated)
{
    a_thread_hangs();
    thread(1)->frames.truncated = true;
    story_run(3 * MINUTE);
    story_expect_has(story_find("STACK", 0), "\"0x7f0000001234\"],\"truncated\":true}");
}

static char whole_line[HL_LINE_BYTES + 1];

static void keep_whole_line(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level;
    if (strstr(line, "\"record\":\"STACK\""))
        memcpy(whole_line, line, length + 1);
}

Test(stacks, frames_without_room_go_in_the_middle_and_the_line_stays_valid)
{
    static char name[HL_PLAT_MODULE_BYTES];
    memset(name, 'm', sizeof name - 1);
    scripted.module.name = name;
    a_thread_hangs();
    thread(1)->frames.count = HL_PLAT_FRAMES;
    for (size_t i = 0; i < HL_PLAT_FRAMES; i++)
        thread(1)->frames.pc[i] = APP + 0x10000 + i;
    story.options.sink = keep_whole_line;
    story_run(3 * MINUTE);
    cr_expect_lt(strlen(whole_line), HL_LINE_BYTES);
    cr_expect_gt(strlen(whole_line), HL_LINE_BYTES - 2 * HL_FRAME_BYTES, "more would have fitted");
    json_t *object = json_loads(whole_line, 0, NULL);
    json_t *frames = json_object_get(object, "frames");
    size_t shown = json_array_size(frames);
    cr_assert_gt(shown, 10);
    cr_expect(strstr(whole_line, "\",\"…\",\"m"));
    cr_expect(strstr(json_string_value(json_array_get(frames, 0)), "m+0x10000"));
    cr_expect(strstr(json_string_value(json_array_get(frames, shown - 1)), "m+0x1003f"));
    cr_expect(json_is_true(json_object_get(object, "truncated")) == 1);
    json_decref(object);
}

Test(stacks, how_long_the_thread_was_stopped_is_said)
{
    story.options.stacks = MONITOR_STACKS_INTERRUPT;
    a_thread_hangs();
    thread(1)->frames.suspended_ns = 11001;
    story_run(3 * MINUTE);
    story_expect_has(story_find("STACK", 0), "\"sample_of\":3,\"suspended_us\":12,\"frames\":");
}

/* ---- when ------------------------------------------------------------------------------ */

Test(stacks, the_second_and_third_follow_the_first_two_reminders_and_there_is_no_fourth)
{
    a_thread_hangs();
    story_run(40 * MINUTE);
    cr_expect_eq(story_count("STALL"), 5);
    expect_number_of_samples(3);
    cr_expect_eq(story_find("STACK", 0)->at_ns, STALLED);
    cr_expect_eq(story_find("STACK", 1)->at_ns, FIRST_REMINDER);
    cr_expect_eq(story_find("STACK", 2)->at_ns, SECOND_REMINDER);
    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(story_find("STACK", i), story_find("STALL", i) + 1);
        story_expect_number(story_find("STACK", i), "sample", i + 1);
    }
}

Test(stacks, samples_that_are_equal_are_counted)
{
    a_thread_hangs();
    story_run(9 * MINUTE);
    story_expect_lacks(story_find("STACK", 0), "same");
    story_expect_has(story_find("STACK", 1), "\"same\":2,\"same_of\":2");
    story_expect_has(story_find("STACK", 2), "\"same\":3,\"same_of\":3");
}

Test(stacks, one_that_moved_is_not_the_same)
{
    a_thread_hangs();
    story_call(3 * MINUTE, move_to, 0x1f4);
    story_call(5 * MINUTE, move_to, 0x1f3);
    story_run(9 * MINUTE);
    story_expect_has(story_find("STACK", 1), "\"same\":1,\"same_of\":2");
    story_expect_has(story_find("STACK", 2), "\"same\":2,\"same_of\":3");
}

Test(stacks, a_deeper_stack_is_not_the_same)
{
    a_thread_hangs();
    thread(1)->frames.count = 2;
    story_call(3 * MINUTE, move_to, 0x1f3);
    story_run(5 * MINUTE);
    story_expect_has(story_find("STACK", 1), "\"same\":1,\"same_of\":2");
}

Test(stacks, each_stall_has_samples_of_its_own)
{
    a_thread_hangs();
    story_pop(5 * MINUTE, 1);
    story_push(5 * MINUTE, 1, "again");
    story_run(8 * MINUTE);
    cr_expect_eq(story_count_with("STACK", "\"id\":1,"), 2);
    const struct story_line *again = story_find_with("STACK", "\"id\":2,", 0);
    story_expect_number(again, "sample", 1);
    story_expect_lacks(again, "same");
}

Test(stacks, every_verdict_has_one)
{
    a_thread_hangs();
    story_push(0, 2, "loop");
    story_push(0, 3, "wait for a core");
    be_at(2, 0x200);
    be_at(3, 0x300);
    thread(2)->busy_milli = 1000;
    thread(3)->delay_milli = 1000;
    thread(2)->state.state = thread(3)->state.state = 'R';
    story_run(3 * MINUTE);
    cr_expect_eq(story_count_with("STALL", "\"verdict\":\"blocked\""), 1);
    cr_expect_eq(story_count_with("STALL", "\"verdict\":\"busy\""), 1);
    cr_expect_eq(story_count_with("STALL", "\"verdict\":\"starved\""), 1);
    story_expect_count("STACK", 3);
}

Test(stacks, they_follow_only_lines_that_were_written)
{
    story.options.stall_lines = 2;
    for (unsigned i = 1; i <= 5; i++) {
        story_push(i * MS, i, "stuck");
        be_at(i, 0x100 * i);
    }
    story_run(4 * MINUTE + 30 * S);
    size_t own_lines = story_count("STALL") - story_count_with("STALL", "merged");
    cr_expect_eq(own_lines, 3, "two, and half of the budget for a reminder");
    story_expect_count("STACK", 3);
}

/* The first reminder had no room, the second one has: it brings the second sample. */
Test(stacks, a_reminder_without_room_leaves_its_sample_to_the_next_one)
{
    story.options.stall_lines = 1;
    a_thread_hangs();
    story_push(110 * S, 2, "new"); /* its STALL takes the one line of the reminder's minute */
    be_at(2, 0x200);
    story_pop(5 * MINUTE, 2);
    story_run(9 * MINUTE);
    const struct story_line *reminder = story_find_with("STALL", "reminder", 0);
    story_expect_number(reminder, "reminder", 2);
    cr_expect_eq(thread(1)->captures, 2);
    const struct story_line *second = story_find_with("STACK", "\"id\":1,", 1);
    cr_expect_eq(second, reminder + 1);
    story_expect_number(second, "sample", 2);
}

Test(stacks, a_merged_stall_is_sampled_when_it_has_a_line_of_its_own)
{
    story.options.stall_lines = 1;
    story_push(0, 2, "first");
    story_push(1 * MS, 1, "merged");
    story_pop(3 * MINUTE, 2);
    be_at(1, 0x1f3);
    story_run(5 * MINUTE);
    expect_number_of_samples(1);
    story_expect_number(story_find("STACK", 0), "sample", 1);
    cr_expect_geq(story_find("STACK", 0)->at_ns, FIRST_REMINDER);
}

Test(stacks, one_that_is_over_has_none)
{
    a_thread_hangs();
    story_pop(3 * MINUTE, 1);
    story_starved(100 * S, 2 * MINUTE);
    story_run(10 * MINUTE);
    story_expect_has(story_find("STALL", 0), "\"ended\":true");
    expect_number_of_samples(0);
}

Test(stacks, no_thread_is_looked_at_for_a_line_that_was_lost)
{
    story.options.sink = NULL; /* to the scripted log */
    a_thread_hangs();
    scripted_next_write(SCRIPTED_ALL); /* start */
    scripted.writes.preset = -EAGAIN;
    story_run(3 * MINUTE);
    cr_expect_eq(thread(1)->captures, 0);
}

static void fork_after_the_stall(void *data, enum monitor_level level, const char *line,
                                 size_t length)
{
    story_keep_line(data, level, line, length);
    if (strstr(line, "\"record\":\"STALL\""))
        scripted.process_id = 4711;
}

Test(stacks, a_child_that_was_forked_in_the_sink_looks_at_no_thread)
{
    story.options.sink = fork_after_the_stall;
    a_thread_hangs();
    story_run(3 * MINUTE);
    expect_number_of_samples(0);
}

/* ---- which are taken -------------------------------------------------------------------- */

Test(stacks, when_off_nobody_is_looked_at)
{
    story.options.stacks = MONITOR_STACKS_OFF;
    a_thread_hangs();
    story_run(9 * MINUTE);
    expect_number_of_samples(0);
    cr_expect_eq(unavailable(), 0);
    story_expect_lacks(story_find("stop", 0), "stacks");
}

Test(stacks, by_default_no_thread_is_interrupted_and_nobody_told)
{
    a_thread_hangs();
    thread(1)->is_untouchable = true;
    scripted_missing(HL_PLAT_STACK, NULL);
    story_run(9 * MINUTE);
    story_expect_count("STALL", 3);
    story_expect_count("STACK", 0);
    cr_expect_eq(unavailable(), 0);
    story_expect_lacks(story_find("stop", 0), "stacks");
}

Test(stacks, by_default_a_platform_without_stacks_is_not_mentioned)
{
    a_thread_hangs();
    scripted_missing(HL_PLAT_STACK, "not implemented yet");
    story_run(9 * MINUTE);
    story_expect_count("STACK", 0);
    cr_expect_eq(unavailable(), 0);
    story_expect_lacks(story_find("stop", 0), "stacks");
}

Test(stacks, interrupting_is_done_when_asked_for)
{
    scripted_setenv("HEARTLINE_STACKS", "interrupt");
    a_thread_hangs();
    thread(1)->is_untouchable = true;
    story_run(9 * MINUTE);
    expect_number_of_samples(3);
    story_expect_has(story_find("start", 0), "\"stacks\":\"interrupt\"");
}

Test(stacks, why_they_cannot_be_had_is_said_once)
{
    story.options.stacks = MONITOR_STACKS_INTERRUPT;
    a_thread_hangs();
    story_push(0, 2, "another");
    scripted_missing(HL_PLAT_STACK, "it runs under Rosetta");
    story_run(9 * MINUTE);
    story_expect_count("STALL", 6);
    story_expect_count("STACK", 0);
    cr_expect_eq(unavailable(), 1);
    story_expect_has(story_find_with("unavailable", "\"stack\"", 0),
                     "\"reason\":\"it runs under Rosetta\"");
    story_expect_has(story_find("stop", 0), "\"stacks\":0,\"stacks_failed\":6}");
}

static void go_after_the_stall(void *data, enum monitor_level level, const char *line,
                               size_t length)
{
    story_keep_line(data, level, line, length);
    if (strstr(line, "\"record\":\"STALL\""))
        scripted_thread_gone(story_tid(1));
}

Test(stacks, a_thread_that_goes_after_its_stall_line_is_no_reason_to_complain)
{
    story.options.stacks = MONITOR_STACKS_INTERRUPT;
    story.options.sink = go_after_the_stall;
    scripted_missing(HL_PLAT_STACK, "whatever was the reason before");
    a_thread_hangs();
    story_run(3 * MINUTE);
    story_expect_count("STALL", 1);
    story_expect_count("STACK", 0);
    cr_expect_eq(unavailable(), 0);
    story_expect_has(story_find("stop", 0), "\"stacks\":0,\"stacks_failed\":1}");
}

static void be_lost(uintptr_t is_lost)
{
    be_at(1, 0x1f3);
    if (is_lost)
        thread(1)->frames.count = 0;
}

Test(stacks, a_sample_that_failed_keeps_its_number_and_is_not_compared_with)
{
    a_thread_hangs();
    story_call(3 * MINUTE, be_lost, true);
    story_call(5 * MINUTE, be_lost, false);
    story_run(9 * MINUTE);
    story_expect_count("STACK", 2);
    story_expect_has(story_find("STACK", 1),
                     "\"sample\":3,\"sample_of\":3,\"same\":2,\"same_of\":2");
    story_expect_has(story_find("stop", 0), "\"stacks\":2,\"stacks_failed\":1}");
}

/* ---- totals ------------------------------------------------------------------------------- */

static void take_longer(uintptr_t ns)
{
    thread(1)->frames.suspended_ns = ns;
}

Test(stacks, the_stop_line_has_their_number_and_the_longest_suspension)
{
    story.options.stacks = MONITOR_STACKS_INTERRUPT;
    a_thread_hangs();
    take_longer(20000);
    story_call(3 * MINUTE, take_longer, 812500);
    story_call(5 * MINUTE, take_longer, 30000);
    story_run(9 * MINUTE);
    story_expect_has(story_find("stop", 0),
                     "\"stacks\":3,\"stacks_failed\":0,\"longest_suspension_us\":813}");
}

Test(stacks, without_a_stall_the_stop_line_does_not_mention_them)
{
    story.options.stacks = MONITOR_STACKS_INTERRUPT;
    story_run(MINUTE);
    story_expect_lacks(story_find("stop", 0), "stacks");
}

Test(stacks, totals_begin_anew_at_each_start)
{
    a_thread_hangs();
    story_pop(170 * S, 1);
    story_run(3 * MINUTE);
    story_expect_number(story_find("stop", 0), "stacks", 1);
    story_push(0, 1, "again");
    story_run(MINUTE);
    story_expect_lacks(story_find("stop", 0), "stacks");
}

/* ---- monitor_stack ------------------------------------------------------------------------ */

#define SELF 41
#define OTHER 42

static void have_two_threads(void)
{
    scripted_be_thread(SELF);
    scripted_thread(SELF);
    scripted_thread(OTHER)->is_untouchable = true;
    scripted_thread(OTHER)->frames = (struct hl_plat_frames){.count = 3, .pc = {1, 2, 3}};
}

TestSuite(monitor_stack, .init = have_two_threads);

Test(monitor_stack, gives_the_frames_of_another_thread_innermost_first)
{
    uintptr_t frames[8] = {0};
    const uintptr_t expected[8] = {1, 2, 3};
    cr_assert_eq(monitor_stack(OTHER, frames, 8), 3);
    cr_expect_arr_eq(frames, expected, sizeof expected);
    cr_expect_eq(scripted.handles, 0);
}

Test(monitor_stack, gives_no_more_than_there_is_room_for)
{
    uintptr_t frames[8] = {0};
    const uintptr_t expected[8] = {1, 2};
    cr_assert_eq(monitor_stack(OTHER, frames, 2), 2);
    cr_expect_arr_eq(frames, expected, sizeof expected);
}

Test(monitor_stack, refuses_what_makes_no_sense)
{
    uintptr_t frames[8];
    cr_expect_eq(monitor_stack(OTHER, NULL, 8), -EINVAL);
    cr_expect_eq(monitor_stack(OTHER, frames, 0), -EINVAL);
    cr_expect_eq(monitor_stack(SELF, frames, 8), -EDEADLK);
    cr_expect_eq(scripted_thread(SELF)->captures + scripted_thread(OTHER)->captures, 0);
}

Test(monitor_stack, tells_a_thread_that_has_gone_from_a_platform_that_cannot)
{
    uintptr_t frames[8];
    cr_expect_eq(monitor_stack(7, frames, 8), -ESRCH);
    scripted_missing(HL_PLAT_STACK, "not implemented yet");
    cr_expect_eq(monitor_stack(OTHER, frames, 8), -ENOTSUP);
    scripted_missing(HL_PLAT_THREAD_STATE, "no threads to be seen");
    cr_expect_eq(monitor_stack(7, frames, 8), -ENOTSUP);
    cr_expect_eq(scripted.handles, 0);
}

Test(monitor_stack, tells_a_moment_from_for_good)
{
    uintptr_t frames[8];
    scripted_thread(OTHER)->frames = (struct hl_plat_frames){.try_again = true};
    cr_expect_eq(monitor_stack(OTHER, frames, 8), -EAGAIN);
    scripted_thread(OTHER)->frames.try_again = false;
    cr_expect_eq(monitor_stack(OTHER, frames, 8), -ENOTSUP);
}

Test(monitor_stack, says_when_there_is_no_memory)
{
    uintptr_t frames[8];
    scripted.open_fails = true;
    cr_expect_eq(monitor_stack(OTHER, frames, 8), -ENOMEM);
}

Test(monitor_stack, needs_no_monitor_and_none_of_its_options)
{
    uintptr_t frames[8];
    scripted_setenv("HEARTLINE", "off");
    scripted_setenv("HEARTLINE_STACKS", "off");
    cr_expect_eq(monitor_stack(OTHER, frames, 8), 3);
}
