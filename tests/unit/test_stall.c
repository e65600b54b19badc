/* tests/unit/test_stall.c - when a scope is stuck, for how long, and how it ends.
 *
 * Real scopes on real threads, judged by a whole session under a fake clock.
 */
#include "random_stalls.h"

#define DAY (24 * HOUR)
#define TICK (4 * MS) /* of the scripted coarse clock, unless a test says otherwise */

TestSuite(stall, .init = story_set_up);

/* ---- at its limit, never before -------------------------------------------------- */

Test(stall, a_scope_is_reported_when_its_limit_has_passed_and_not_before)
{
    story_push(1 * S, 1, "epoch 3");
    story_push(7 * S, 1, "write checkpoint");
    story_run(140 * S);
    story_expect_count("STALL", 1);
    const struct story_line *stall = story_find("STALL", 0);
    cr_expect_eq(stall->at_ns, 127 * S + TICK);
    cr_expect_eq(stall->level, MONITOR_WARNING);
    story_expect_number(stall, "id", 1);
    story_expect_number(stall, "thread_tid", 5001);
    story_expect_has(stall, "\"thread_name\":\"worker-1\"");
    story_expect_has(stall, "\"phase\":\"write checkpoint\"");
    story_expect_has(stall, "\"path\":\"epoch 3 > write checkpoint\"");
    story_expect_number(stall, "stuck_ms", 120004);
    story_expect_number(stall, "limit_ms", 120000);
    story_expect_has(stall, "\"verdict\":\"blocked\"");
}

Test(stall, it_is_on_time_at_any_interval_and_with_any_coarse_clock)
{
    static const uint64_t intervals[] = {10 * MS, 100 * MS, 7 * S, 60 * S, HOUR, DAY};
    static const uint64_t limits[] = {10 * MS, 15 * MS, 39 * MS, 1 * S, 120 * S};
    static const uint64_t ticks[] = {0, 4 * MS, 10 * MS};
    story.without_beats = true;
    for (size_t i = 0; i < 6 * 5 * 3 * 3; i++) {
        uint64_t limit = limits[i / 6 % 5], tick = ticks[i / 30 % 3];
        story.options.interval_ms = intervals[i % 6] / MS;
        story.options.stall_ms = limit / MS;
        scripted.coarse_tick_ns = tick;
        story.clock = (enum story_clock)(i / 90);
        uint64_t pushed = 3 * S + i * 1234567;
        story_push(pushed, 1, "stuck");
        story_pop(pushed + 3 * limit / 2 + 20 * MS, 1);
        story_run(pushed + 2 * limit + S);
        cr_expect_gt(story_count("STALL"), 0, "case %zu: none", i);
        if (story_count("STALL") == 0)
            continue;
        const struct story_line *stall = story_find("STALL", 0);
        cr_expect_eq(story_count_with("STALL", "stuck"), 1 + story_count_with("STALL", "reminder"));
        cr_expect_gt(stall->at_ns, pushed + limit - (tick == 0), "case %zu: too early", i);
        /* The shortest limit may pass before the first look, which then takes another. */
        uint64_t look = limit <= 10 * MS ? 10 * MS : 0;
        cr_expect_leq(stall->at_ns, pushed + limit + tick + look, "case %zu: too late", i);
        story_expect_lacks(stall, "\"verdict\":null");
    }
}

Test(stall, a_scope_that_ends_within_its_limit_is_never_reported)
{
    story.clock = STORY_LAGGING;
    for (unsigned i = 0; i < 20; i++) {
        story_push(200 * i * S + i * 777 * MS, 1, "long");
        story_pop(200 * i * S + i * 777 * MS + 120 * S - 1, 1);
    }
    story_run(HOUR + 10 * MINUTE);
    story_expect_count("STALL", 0);
    story_expect_count("RECOVERED", 0);
}

Test(stall, a_push_and_a_pop_are_signs_of_life)
{
    story_push(0, 1, "outer");
    for (unsigned i = 1; i < 50; i++) {
        story_push(i * 110 * S, 1, "inner");
        story_pop(i * 110 * S + 50 * S, 1);
    }
    story_run(50 * 110 * S);
    story_expect_count("STALL", 0);
}

Test(stall, with_a_precise_clock_no_tick_is_added)
{
    story.options.clock = MONITOR_CLOCK_PRECISE;
    story_push(10 * S, 1, "exact");
    story_run(200 * S);
    cr_expect_eq(story_find("STALL", 0)->at_ns, 130 * S);
}

Test(stall, times_taken_before_a_precise_start_are_still_taken_as_coarse)
{
    story.clock = STORY_LAGGING;
    story_move_to(scripted.now_ns);
    scope_push("before the start");
    story.options.clock = MONITOR_CLOCK_PRECISE;
    story_run(200 * S);
    cr_expect_geq(story_find("STALL", 0)->at_ns, 120 * S);
    cr_expect_leq(story_find("STALL", 0)->at_ns, 120 * S + TICK);
}

Test(stall, without_a_default_limit_only_own_limits_are_judged)
{
    story.options.stall_ms = 0;
    story_push(0, 1, "for ever");
    story_push(0, 2, "bounded");
    story_expect(0, 2, 5 * S);
    story_run(10 * HOUR);
    cr_expect_eq(story_count_with("STALL", "for ever"), 0);
    cr_expect_geq(story_count_with("STALL", "bounded"), 1);
    cr_expect_eq(story_find("STALL", 0)->at_ns, 5 * S + TICK);
}

Test(stall, what_was_stuck_before_the_start_is_reported_with_a_verdict)
{
    scope_push("old");
    story_move_to(scripted.now_ns + HOUR);
    story_run(MINUTE);
    story_expect_count("STALL", 1);
    const struct story_line *stall = story_find("STALL", 0);
    cr_expect_leq(stall->at_ns, 110 * MS);
    story_expect_number(stall, "stuck_ms", 3600100);
    story_expect_has(stall, "\"verdict\":\"blocked\"");
}

static void lose_core(uintptr_t tid)
{
    scripted_thread(tid)->busy_milli = 0;
    scripted_thread(tid)->delay_milli = 1000;
}

/* A quota's slice at the beginning of its period is not what the stall is like. */
Test(stall, what_is_seen_late_is_observed_for_more_than_a_slice)
{
    scripted_thread(STORY_MAIN_TID)->state.state = 'R';
    scripted_thread(STORY_MAIN_TID)->busy_milli = 1000;
    scope_push("old");
    story_move_to(scripted.now_ns + HOUR);
    story_call(20 * MS, lose_core, STORY_MAIN_TID);
    story_run(MINUTE);
    story_expect_has(story_find("STALL", 0), "\"verdict\":\"starved\",\"cpu\":0.2,");
}

static void set_wall_clock(uintptr_t hours)
{
    scripted.wall_ms += hours * 3600000u;
}

Test(stall, a_wall_clock_that_is_set_changes_nothing)
{
    for (int hours = -1; hours <= 1; hours += 2) {
        story_push(1 * S, 1, "fine");
        story_call(30 * S, set_wall_clock, (uintptr_t)(intptr_t)hours);
        story_pop(100 * S, 1);
        story_push(100 * S, 1, "stuck");
        story_pop(250 * S, 1);
        story_run(300 * S);
        story_expect_count("PAUSED", 0);
        story_expect_count("STALL", 1);
        cr_expect_eq(story_find("STALL", 0)->at_ns, 220 * S + TICK);
        story_expect_number(story_find("beat", 0), "elapsed_ms", 60000);
        cr_expect_eq(story_count_with("beat", "late"), 0);
    }
}

/* ---- reminders ---------------------------------------------------------------------- */

Test(stall, reminders_come_when_the_time_has_doubled)
{
    story_push(0, 1, "stuck");
    story_run(17 * MINUTE);
    story_expect_count("STALL", 4);
    static const uint64_t at[] = {2, 4, 8, 16};
    for (size_t i = 0; i < 4; i++) {
        const struct story_line *line = story_find("STALL", i);
        cr_expect_geq(line->at_ns, at[i] * MINUTE);
        cr_expect_leq(line->at_ns, at[i] * MINUTE + TICK);
        story_expect_number(line, "id", 1);
        story_expect_number(line, "reminder", i ? i : STORY_NONE);
    }
}

Test(stall, a_reminder_does_not_wait_for_a_heartbeat)
{
    story.options.interval_ms = 86400000;
    story_push(0, 1, "stuck");
    story_run(9 * MINUTE);
    story_expect_count("STALL", 3);
    cr_expect_leq(story_find("STALL", 1)->at_ns, 4 * MINUTE + TICK);
    cr_expect_leq(story_find("STALL", 2)->at_ns, 8 * MINUTE + TICK);
}

Test(stall, ten_hours_of_one_stall_are_at_most_twenty_lines)
{
    story_push(0, 1, "stuck");
    story_run(10 * HOUR);
    size_t lines = story_count("STALL") + story_count("RECOVERED");
    cr_expect_leq(lines, 20, "%zu lines", lines);
    cr_expect_eq(story_count("STALL"), 9);
    story_expect_number(story_find("stop", 0), "stalls", 1);
    story_expect_number(story_find("stop", 0), "longest_stall_ms", 36000000);
}

Test(stall, a_first_report_that_is_late_is_reminded_when_it_has_doubled_again)
{
    scope_push("old");
    story_move_to(scripted.now_ns + 5 * MINUTE);
    story_run(12 * MINUTE);
    story_expect_count("STALL", 3);
    cr_expect_eq(story_find("STALL", 1)->at_ns, 3 * MINUTE);
    story_expect_number(story_find("STALL", 1), "reminder", 1);
    cr_expect_eq(story_find("STALL", 2)->at_ns, 11 * MINUTE);
}

/* ---- the budget ----------------------------------------------------------------------- */

static void push_many(uint64_t at_ns, unsigned count)
{
    static const char *const labels[] = {"a", "b", "c"};
    for (unsigned i = 1; i <= count; i++)
        story_push(at_ns + i * MS, i, labels[i % 3]);
}

Test(stall, beyond_the_budget_stalls_merge_into_one_line_and_keep_their_ids)
{
    story.options.stall_lines = 10;
    push_many(0, 30);
    for (unsigned i = 1; i <= 30; i++)
        story_pop(3 * MINUTE + 30 * S + i * MS, i);
    story_run(6 * MINUTE);
    cr_expect_eq(story_count_with("STALL", "merged"), 1);
    cr_expect_eq(story_count("STALL"), 11);
    const struct story_line *merged = story_find_with("STALL", "merged", 0);
    cr_expect_eq(merged->at_ns, 3 * MINUTE + 1 * MS + TICK);
    story_expect_number(merged, "merged", 20);
    story_expect_number(merged, "first_id", 11);
    story_expect_number(merged, "last_id", 30);
    story_expect_has(merged, "\"phases\":\"c; a; b\"");
    cr_expect_eq(story_count("RECOVERED"), 11);
    const struct story_line *recovered = story_find_with("RECOVERED", "merged", 0);
    story_expect_number(recovered, "merged", 20);
    story_expect_number(recovered, "first_id", 11);
    story_expect_number(recovered, "last_id", 30);
    story_expect_number(story_find("stop", 0), "stalls", 30);
}

Test(stall, more_labels_than_a_merged_line_shows_are_not_forgotten)
{
    static char labels[31][16];
    for (unsigned i = 1; i <= 30; i++) {
        snprintf(labels[i], sizeof labels[i], "label-%02u.", i);
        story_push(i * MS, i, labels[i]);
    }
    story_run(4 * MINUTE);
    const struct story_line *merged = story_find_with("STALL", "merged", 0);
    story_expect_has(merged, "label-11.; label-12.");
    story_expect_has(merged, "label-18.; …");
}

Test(stall, reminders_are_dropped_before_new_stalls)
{
    story.options.stall_lines = 4;
    for (unsigned i = 1; i <= 4; i++)
        story_push(0, i, "old");
    for (unsigned i = 5; i <= 8; i++)
        story_push(2 * MINUTE + 10 * S, i, "new"); /* due ten seconds after the reminders */
    story_run(4 * MINUTE + 30 * S);
    cr_expect_eq(story_count_with("STALL", "reminder"), 2, "half of the budget is for reminders");
    cr_expect_eq(story_count_with("STALL", "\"phase\":\"new\""), 2);
    cr_expect_eq(story_count_with("STALL", "merged"), 1, "held back until the stop");
    story_expect_number(story_find_with("STALL", "merged", 0), "merged", 2);
}

Test(stall, a_merged_stall_that_lasts_gets_a_line_of_its_own_later)
{
    story.options.stall_lines = 2;
    for (unsigned i = 1; i <= 3; i++)
        story_push(i * MS, i, "stuck");
    story_pop(2 * MINUTE + 30 * S, 1);
    story_pop(2 * MINUTE + 30 * S, 2);
    story_pop(5 * MINUTE, 3);
    story_run(6 * MINUTE);
    const struct story_line *reminder = story_find_with("STALL", "reminder", 0);
    story_expect_number(reminder, "id", 3);
    story_expect_has(reminder, "\"thread_tid\":5003");
    story_expect_number(story_find_with("RECOVERED", "\"id\":3", 0), "stuck_ms", 299997);
    cr_expect_eq(story_count_with("RECOVERED", "merged"), 0);
}

Test(stall, the_budget_is_new_every_minute)
{
    story.options.stall_lines = 1;
    for (unsigned i = 1; i <= 5; i++)
        story_push(i * 61 * S, i, "stuck");
    story_run(5 * 61 * S + 130 * S);
    cr_expect_eq(story_count_with("STALL", "merged"), 0);
    cr_expect_eq(story_count("STALL") - story_count_with("STALL", "reminder"), 5);
}

Test(stall, past_stalls_use_the_budget_too)
{
    story.options.stall_lines = 1;
    for (unsigned i = 1; i <= 3; i++) {
        story_push(0, i, "overran");
        story_pop(150 * S + i * MS, i);
    }
    story_starved(100 * S, 100 * S);
    story_run(10 * MINUTE);
    cr_expect_eq(story_count_with("STALL", "ended"), 1);
    story_expect_has(story_find_with("STALL", "ended", 0), "\"phase\":\"overran\"");
    story_expect_number(story_find_with("STALL", "merged", 0), "merged", 2);
    story_expect_number(story_find("stop", 0), "stalls", 3);
    story_expect_number(story_find("stop", 0), "stalled_total_ms", 450006);
}

/* ---- recovery -------------------------------------------------------------------------- */

Test(stall, a_pop_of_the_stuck_scope_ends_it_exactly)
{
    story_push(1 * S, 1, "outer");
    story_push(10 * S, 1, "stuck");
    story_pop(331 * S + 777 * MS, 1);
    story_run(400 * S);
    story_expect_count("RECOVERED", 1);
    const struct story_line *line = story_find("RECOVERED", 0);
    story_expect_number(line, "id", 1);
    story_expect_has(line, "\"phase\":\"stuck\"");
    story_expect_number(line, "stuck_ms", 321777);
    story_expect_lacks(line, "at_most");
    story_expect_lacks(line, "reason");
    cr_expect_eq(line->at_ns, 331 * S + 777 * MS, "the pop wakes the monitor");
    cr_expect_eq(line->level, MONITOR_INFO);
    story_expect_number(story_find("stop", 0), "stalled_total_ms", 321777);
}

Test(stall, with_a_lagging_clock_it_ends_within_a_tick)
{
    story.clock = STORY_TICKING;
    story_push(10 * S + 1 * MS, 1, "stuck");
    story_pop(331 * S + 778 * MS, 1);
    story_run(400 * S);
    uint64_t stuck = story_number(story_find("RECOVERED", 0), "stuck_ms");
    cr_expect_geq(stuck, 321777 - 4);
    cr_expect_leq(stuck, 321777 + 4);
}

Test(stall, a_push_ends_it_exactly)
{
    story_push(0, 1, "stuck");
    story_push(200 * S, 1, "inner");
    story_pop(200 * S, 1);
    story_run(300 * S);
    story_expect_count("RECOVERED", 1);
    story_expect_number(story_find("RECOVERED", 0), "stuck_ms", 200000);
    story_expect_lacks(story_find("RECOVERED", 0), "at_most");
    cr_expect_eq(story_find("RECOVERED", 0)->at_ns, 200 * S);
}

Test(stall, after_a_push_the_scope_can_stall_again_under_a_new_id)
{
    story_push(0, 1, "stuck");
    story_push(200 * S, 1, "inner");
    story_pop(210 * S, 1);
    story_run(400 * S);
    story_expect_count("STALL", 2);
    story_expect_number(story_find("STALL", 1), "id", 2);
    story_expect_has(story_find("STALL", 1), "\"phase\":\"stuck\"");
    cr_expect_eq(story_find("STALL", 1)->at_ns, 330 * S + TICK);
}

Test(stall, its_end_counts_and_not_the_next_push_when_nobody_looked_in_between)
{
    story_push(0, 1, "stuck");
    story_pop(200 * S, 1);
    story_push(210 * S, 1, "next");
    story_starved(199 * S, 20 * S);
    story_run(300 * S);
    story_expect_count("RECOVERED", 1);
    story_expect_number(story_find("RECOVERED", 0), "stuck_ms", 200000);
    story_expect_lacks(story_find("RECOVERED", 0), "at_most");
}

Test(stall, a_push_and_the_end_of_everything_before_anyone_looked_is_still_exact)
{
    story_push(0, 1, "stuck");
    story_push(200 * S, 1, "inner");
    story_pop(201 * S, 1);
    story_pop(202 * S, 1);
    story_starved(199 * S, 20 * S);
    story_run(300 * S);
    story_expect_count("RECOVERED", 1);
    story_expect_number(story_find("RECOVERED", 0), "stuck_ms", 200000);
    story_expect_lacks(story_find("RECOVERED", 0), "at_most");
}

Test(stall, the_exit_of_the_thread_ends_it_and_says_so)
{
    story_push(0, 1, "outer");
    story_push(0, 1, "stuck");
    story_exit(200 * S, 1);
    story_run(300 * S);
    story_expect_count("RECOVERED", 1);
    const struct story_line *line = story_find("RECOVERED", 0);
    story_expect_number(line, "stuck_ms", 200000);
    story_expect_has(line, "\"reason\":\"exit\"");
    story_expect_has(line, "\"thread_name\":\"worker-1\"");
    story_expect_lacks(line, "at_most");
    story_expect_number(story_find("beat", 3), "vanished", 1);
}

Test(stall, the_end_of_the_enclosing_block_ends_it_exactly)
{
    story_block(0, 1, "block");
    story_push(1 * S, 1, "stuck");
    story_end_block(222 * S, 1);
    story_run(300 * S);
    story_expect_number(story_find("RECOVERED", 0), "stuck_ms", 221000);
    story_expect_has(story_find("RECOVERED", 0), "\"phase\":\"stuck\"");
    story_expect_lacks(story_find("RECOVERED", 0), "at_most");
    story_expect_count("RECOVERED", 1);
}

static void pop_many(uintptr_t count)
{
    while (count--)
        scope_pop();
}

Test(stall, leaving_a_deep_stack_at_once_keeps_the_time_of_the_stuck_one)
{
    static const char *const labels[] = {"1", "2", "3", "4", "5", "6", "7", "stuck"};
    for (unsigned i = 0; i < 8; i++)
        story_push(i * 100 * S, 1, labels[i]); /* each is seen as the innermost one */
    story_call_on(900 * S, 1, pop_many, 8);
    story_run(1000 * S);
    story_expect_count("RECOVERED", 1);
    story_expect_number(story_find("RECOVERED", 0), "stuck_ms", 200000);
    story_expect_lacks(story_find("RECOVERED", 0), "at_most");
}

Test(stall, progress_ends_it_when_a_wake_up_sees_it)
{
    story_progress(0, 1, "copy", 100);
    story_add(200 * S, 1, 1, 1);
    story_run(300 * S);
    story_expect_count("RECOVERED", 1);
    const struct story_line *line = story_find("RECOVERED", 0);
    story_expect_has(line, "\"stuck_at_most\":true");
    uint64_t stuck = story_number(line, "stuck_ms");
    cr_expect_geq(stuck, 200000);
    cr_expect_leq(stuck, 230000, "the next look is at most a quarter of the limit away");
}

static void pop_before_the_stop(uintptr_t unused)
{
    (void)unused;
    scope_pop();
    story_session.stop_requested = true;
}

Test(stall, what_ends_just_before_the_stop_is_still_told)
{
    story_push(0, 1, "stuck");
    story_call_on(200 * S, 1, pop_before_the_stop, 0);
    story_run(300 * S);
    cr_expect_eq(story_find("stop", 0)->at_ns, 200 * S);
    story_expect_count("RECOVERED", 1);
    story_expect_number(story_find("RECOVERED", 0), "stuck_ms", 200000);
}

Test(stall, a_stall_that_is_open_at_the_stop_is_in_the_totals)
{
    story_push(0, 1, "ended");
    story_pop(150 * S, 1);
    story_push(0, 2, "open");
    story_run(300 * S);
    story_expect_number(story_find("stop", 0), "stalls", 2);
    story_expect_number(story_find("stop", 0), "stalled_total_ms", 450000);
    story_expect_number(story_find("stop", 0), "longest_stall_ms", 300000);
}

Test(stall, a_thread_that_goes_without_a_trace_recovers_at_most_then)
{
    story_push(0, 1, "stuck");
    story_call(200 * S, scripted_thread_gone, 5001);
    story_run(400 * S);
    story_expect_count("RECOVERED", 1);
    story_expect_has(story_find("RECOVERED", 0), "\"reason\":\"exit\"");
    story_expect_has(story_find("RECOVERED", 0), "\"stuck_at_most\":true");
    cr_expect_eq(story_find("RECOVERED", 0)->at_ns, 300 * S, "missing at two heartbeats");
}

/* ---- a monitor that is late -------------------------------------------------------------- */

Test(stall, a_scope_that_overran_and_ended_while_the_monitor_was_late_is_told_once)
{
    story_push(0, 1, "overran");
    story_pop(150 * S, 1);
    story_starved(100 * S, 100 * S);
    story_run(600 * S);
    story_expect_count("STALL", 1);
    story_expect_count("RECOVERED", 0);
    const struct story_line *line = story_find("STALL", 0);
    story_expect_has(line, "\"ended\":true");
    story_expect_number(line, "stuck_ms", 150000);
    cr_expect_eq(line->at_ns, 200 * S);
    story_expect_number(story_find("beat", 1), "late_ms", 80000);
    story_expect_number(story_find("stop", 0), "longest_stall_ms", 150000);
}

Test(stall, a_scope_that_ended_within_its_limit_while_the_monitor_was_late_is_not)
{
    story_push(0, 1, "in time");
    story_pop(119 * S, 1);
    story_push(0, 2, "busy");
    story_push(100 * S, 2, "inner"); /* both of 100 s, not one of 200 */
    story_pop(190 * S, 2);
    story_pop(195 * S, 2);
    story_starved(99 * S, 100 * S);
    story_run(600 * S);
    story_expect_count("STALL", 0);
}

Test(stall, one_that_began_and_ended_while_the_monitor_was_late_is_not_and_late_says_so)
{
    story_starved(100 * S, 300 * S);
    story_push(101 * S, 1, "unseen");
    story_pop(399 * S, 1);
    story_run(600 * S);
    story_expect_count("STALL", 0);
    cr_expect_neq(story_number(story_find("beat", 1), "late_ms"), STORY_NONE);
}

Test(stall, one_that_began_while_the_monitor_was_late_and_lasts_is_reported_with_a_verdict)
{
    story_starved(100 * S, 300 * S);
    story_push(101 * S, 1, "unseen");
    story_run(600 * S);
    const struct story_line *stall = story_find("STALL", 0);
    cr_expect_leq(stall->at_ns, 400 * S + 110 * MS);
    story_expect_has(stall, "\"verdict\":\"blocked\"");
}

Test(stall, a_counter_that_moved_while_the_monitor_was_late_makes_no_past_stall)
{
    story_progress(0, 1, "copy", 0);
    story_add(110 * S, 1, 1, 5);
    story_pop(150 * S, 1);
    story_starved(100 * S, 100 * S);
    story_run(600 * S);
    story_expect_count("STALL", 0);
}

Test(stall, a_limit_that_was_set_while_the_monitor_was_late_makes_no_past_stall)
{
    story_push(0, 1, "default at first");
    story_expect(110 * S, 1, HOUR);
    story_pop(250 * S, 1);
    story_push(0, 2, "own at first");
    story_expect(0, 2, 120 * S);
    story_expect(110 * S, 2, HOUR);
    story_pop(250 * S, 2);
    story_starved(100 * S, 160 * S);
    story_run(600 * S);
    story_expect_count("STALL", 0);
}

Test(stall, an_own_limit_below_moving_progress_of_others_still_ends_in_the_past_tense)
{
    story_progress(0, 1, "outer", 0);
    story_push(0, 1, "bounded");
    story_expect(0, 1, 120 * S);
    story_add(110 * S, 2, 1, 5); /* it does not extend the own limit */
    story_pop(150 * S, 1);
    story_starved(100 * S, 100 * S);
    story_run(300 * S);
    story_expect_count("STALL", 1);
    story_expect_has(story_find("STALL", 0), "\"ended\":true");
}

/* ---- progress ------------------------------------------------------------------------------ */

Test(stall, progress_that_moves_is_never_stalled)
{
    story_progress(0, 1, "copy", 0);
    story_push(1 * S, 1, "a file"); /* covered by the counter around it */
    for (unsigned i = 1; i < 200; i++)
        story_add(i * 80 * S, i % 3, 1, 1);
    story_run(200 * 80 * S);
    story_expect_count("STALL", 0);
}

Test(stall, frozen_progress_is_judged_from_when_it_was_last_seen_to_move)
{
    story_progress(0, 1, "copy", 1000);
    story_set(60 * S - 1, 1, 350, 1000); /* the look at 60 s sees it */
    story_run(300 * S);
    const struct story_line *stall = story_find("STALL", 0);
    cr_expect_eq(stall->at_ns, 180 * S + TICK);
    story_expect_number(stall, "progress_current", 350);
    story_expect_number(stall, "progress_total", 1000);
    story_expect_number(stall, "idle_for_ms", 120004);
    story_expect_number(stall, "stuck_ms", 120004);
}

Test(stall, only_its_own_counter_extends_an_own_limit)
{
    story_progress(0, 1, "outer", 0);
    story_push(0, 1, "bounded");
    story_expect(0, 1, 100 * S);
    story_progress(0, 2, "counts", 0);
    story_expect(0, 2, 100 * S);
    for (unsigned i = 1; i < 60; i++) {
        story_add(i * 10 * S, 3, 1, 1);
        story_add(i * 10 * S, 3, 2, 1);
    }
    story_run(600 * S);
    cr_expect_gt(story_count_with("STALL", "bounded"), 0);
    cr_expect_eq(story_count_with("STALL", "\"phase\":\"counts\""), 0);
    cr_expect_eq(story_find("STALL", 0)->at_ns, 100 * S + TICK);
}

/* ---- waiting, own limits --------------------------------------------------------------------- */

Test(stall, declared_waiting_is_never_a_stall_by_the_default_limit)
{
    story_idle(0, 1, "waiting for a client");
    story_push(1 * S, 2, "outer");
    story_idle(1 * S, 2, "waiting inside");
    story_run(10 * HOUR);
    story_expect_count("STALL", 0);
}

Test(stall, declared_waiting_with_a_limit_of_its_own_is)
{
    story_idle(0, 1, "waiting for a client");
    story_expect(10 * S, 1, HOUR);
    story_run(2 * HOUR - 1);
    story_expect_count("STALL", 1);
    cr_expect_eq(story_find("STALL", 0)->at_ns, HOUR + 10 * S + TICK);
    story_expect_number(story_find("STALL", 0), "limit_ms", 3600000);
}

Test(stall, own_limits_are_judged_at_every_depth_below_churning_scopes)
{
    story_push(0, 1, "bounded 1");
    story_expect(0, 1, 200 * S);
    story_push(0, 1, "unbounded");
    story_push(0, 1, "bounded 2");
    story_expect(0, 1, 100 * S);
    for (unsigned i = 1; i < 300; i++) {
        story_push(i * S, 1, "inner");
        story_pop(i * S + 500 * MS, 1);
    }
    story_run(301 * S);
    const struct story_line *first = story_find("STALL", 0), *second = story_find("STALL", 1);
    story_expect_has(first, "\"phase\":\"bounded 2\"");
    story_expect_has(first, "\"path\":\"bounded 1 > unbounded > bounded 2\"");
    cr_expect_eq(first->at_ns, 100 * S + TICK);
    cr_expect_eq(second->at_ns, 200 * S, "a reminder of the inner one");
    const struct story_line *outer = story_find_with("STALL", "\"path\":\"bounded 1\"", 0);
    cr_expect_eq(outer->at_ns, 200 * S + TICK);
    cr_expect_eq(story_count_with("STALL", "unbounded\""), 0);
    cr_expect_eq(story_count("RECOVERED"), 0, "a push above is no end of an own limit");
}

Test(stall, an_outer_scope_without_a_limit_above_churning_scopes_is_left_alone)
{
    story_push(0, 1, "main loop");
    for (unsigned i = 1; i < 3600; i++) {
        story_push(i * S, 1, "inner");
        story_pop(i * S + 500 * MS, 1);
    }
    story_run(HOUR);
    story_expect_count("STALL", 0);
}

Test(stall, expect_restarts_its_clock)
{
    story_push(0, 1, "stages");
    for (unsigned i = 0; i < 10; i++)
        story_expect(i * 90 * S, 1, 100 * S);
    story_run(1000 * S);
    story_expect_count("STALL", 1);
    cr_expect_eq(story_find("STALL", 0)->at_ns, 910 * S + TICK);
    story_expect_number(story_find("STALL", 0), "stuck_ms", 100004);
}

Test(stall, expect_zero_means_never)
{
    story_push(0, 1, "long");
    story_expect(1 * S, 1, 0);
    story_push(0, 2, "bounded, then not");
    story_expect(0, 2, 100 * S);
    story_expect(50 * S, 2, 0);
    story_run(10 * HOUR);
    story_expect_count("STALL", 0);
}

Test(stall, a_limit_can_be_shorter_or_longer_than_the_default)
{
    story_push(0, 1, "short");
    story_expect(0, 1, 20 * MS);
    story_push(0, 2, "long");
    story_expect(0, 2, 500 * S);
    story_run(600 * S);
    cr_expect_eq(story_find_with("STALL", "\"phase\":\"short\"", 0)->at_ns, 20 * MS + TICK);
    cr_expect_eq(story_find_with("STALL", "\"phase\":\"long\"", 0)->at_ns, 500 * S + TICK);
}

Test(stall, a_short_limit_set_in_the_middle_of_a_long_sleep_is_on_time)
{
    story.options.interval_ms = DAY / MS;
    story.options.stall_ms = 30 * 24 * (HOUR / MS);
    story_push(HOUR, 1, "short");
    story_expect(HOUR + 7 * S, 1, 50 * MS);
    story_run(2 * HOUR);
    cr_expect_eq(story_find("STALL", 0)->at_ns, HOUR + 7 * S + 50 * MS + TICK);
    story_expect_has(story_find("STALL", 0), "\"verdict\":\"blocked\"");
}

Test(stall, expect_on_a_reported_scope_is_its_recovery)
{
    story_push(0, 1, "default");
    story_expect(200 * S, 1, HOUR);
    story_push(0, 2, "own");
    story_expect(0, 2, 100 * S);
    story_expect(150 * S, 2, 100 * S);
    story_push(0, 3, "cancelled");
    story_expect(0, 3, 100 * S);
    story_expect(160 * S, 3, 0);
    story_run(241 * S);
    story_expect_count("RECOVERED", 3);
    story_expect_number(story_find_with("RECOVERED", "default", 0), "stuck_ms", 200000);
    story_expect_number(story_find_with("RECOVERED", "own", 0), "stuck_ms", 150000);
    story_expect_number(story_find_with("RECOVERED", "cancelled", 0), "stuck_ms", 160000);
    story_expect_number(story_find("beat", 3), "stalled", 0);
}

Test(stall, a_reported_scope_that_was_expected_anew_and_ended_recovered_by_then)
{
    story_push(0, 1, "own");
    story_expect(0, 1, 100 * S);
    story_starved(149 * S, 100 * S);
    story_expect(150 * S, 1, 100 * S);
    story_pop(230 * S, 1);
    story_run(300 * S);
    story_expect_count("RECOVERED", 1);
    story_expect_number(story_find("RECOVERED", 0), "stuck_ms", 150000);
    story_expect_has(story_find("RECOVERED", 0), "\"stuck_at_most\":true");
}

Test(stall, an_own_limit_ends_exactly_with_its_scope)
{
    story_push(0, 1, "own");
    story_expect(10 * S, 1, 50 * S);
    story_pop(99 * S, 1);
    story_run(200 * S);
    story_expect_number(story_find("RECOVERED", 0), "stuck_ms", 89000);
    story_expect_lacks(story_find("RECOVERED", 0), "at_most");
}

/* ---- the process is stopped ------------------------------------------------------------------- */

Test(stall, time_in_which_the_process_was_stopped_does_not_count)
{
    story_push(0, 1, "work");
    story_stopped(50 * S, HOUR, "stopped");
    story_run(200 * S);
    story_expect_count("STALL", 1);
    cr_expect_geq(story_find("STALL", 0)->at_ns, 120 * S);
    cr_expect_leq(story_find("STALL", 0)->at_ns, 120 * S + TICK);
    story_expect_count("PAUSED", 1);
    story_expect_number(story_find("PAUSED", 0), "gap_ms", 3600000);
    story_expect_has(story_find("PAUSED", 0), "\"reason\":\"stopped\"");
}

Test(stall, no_stop_of_any_length_at_any_time_makes_one_early)
{
    static const uint64_t gaps[] = {1 * MS, 99 * MS, 2 * S, 119 * S, 121 * S, HOUR};
    for (size_t i = 0; i < 6 * 40; i++) {
        uint64_t gap = gaps[i % 6], pushed = 5 * S + i * 97 * MS;
        story_push(pushed, 1, "work");
        story_stopped(pushed + i / 6 * 3 * S, gap, "stopped");
        story_pop(pushed + 300 * S, 1);
        story_run(pushed + 310 * S);
        const struct story_line *stall = story_find("STALL", 0);
        cr_expect_geq(stall->at_ns, pushed + 120 * S, "case %zu", i);
        cr_expect_leq(stall->at_ns, pushed + 120 * S + gap + TICK, "case %zu", i);
        cr_expect_eq(story_count("PAUSED"), gap >= 100 * MS ? 1 : 0);
        uint64_t stuck = story_number(story_find("RECOVERED", 0), "stuck_ms");
        cr_expect_leq(stuck, 300000);
        cr_expect_geq(stuck + gap / MS, 300000, "reduced by at most the gap: case %zu", i);
    }
}

static void be_stopped_in_a_beat(void *data, enum monitor_level level, const char *line,
                                 size_t length)
{
    static struct story_event stop = {.value = HOUR, .label = "debugger"};
    story_keep_line(data, level, line, length);
    if (strstr(line, "\"record\":\"beat\"") && strstr(line, "\"elapsed_ms\":60000"))
        story_do_stop(&stop);
}

Test(stall, a_stop_while_the_monitor_is_at_work_does_not_count_either)
{
    story.options.sink = be_stopped_in_a_beat;
    story_push(0, 1, "work");
    story_run(200 * S);
    story_expect_count("STALL", 1);
    cr_expect_geq(story_find("STALL", 0)->at_ns, 120 * S);
    cr_expect_leq(story_find("STALL", 0)->at_ns, 120 * S + TICK);
    story_expect_count("PAUSED", 1);
    story_expect_number(story_find("PAUSED", 0), "gap_ms", 3600000);
    story_expect_has(story_find("PAUSED", 0), "\"reason\":\"debugger\"");
    cr_expect_eq(story_count("beat"), 3);
    story_expect_number(story_find("beat", 1), "late_ms", STORY_NONE);
}

Test(stall, many_stops_are_all_subtracted)
{
    story_push(0, 1, "work");
    for (unsigned i = 1; i < 120; i++)
        story_stopped(i * S, 20 * S + i * MS, "debugger");
    story_run(130 * S);
    cr_expect_geq(story_count("PAUSED"), 4, "one for each sleep");
    story_expect_has(story_find("PAUSED", 0), "\"reason\":\"debugger\"");
    cr_expect_geq(story_find("STALL", 0)->at_ns, 120 * S);
    cr_expect_leq(story_find("STALL", 0)->at_ns, 120 * S + TICK);
    uint64_t elapsed = story_number(story_find("stop", 0), "elapsed_ms");
    cr_expect_eq(elapsed, 130000);
}

Test(stall, a_stop_that_spans_several_deadlines_reports_none_of_them_early)
{
    for (unsigned i = 1; i <= 5; i++)
        story_push(i * 10 * S, i, "work");
    story_stopped(115 * S, HOUR, "stopped");
    story_run(200 * S);
    story_expect_count("STALL", 5);
    for (unsigned i = 1; i <= 5; i++)
        cr_expect_geq(story_find("STALL", i - 1)->at_ns, (120 + i * 10) * S);
}

Test(stall, small_stops_are_silent)
{
    story_stopped(10 * S, 99 * MS + 999999, "stopped");
    story_stopped(40 * S, 100 * MS, "stopped");
    story_run(100 * S);
    story_expect_count("PAUSED", 1);
    story_expect_number(story_find("PAUSED", 0), "gap_ms", 100);
}

Test(stall, a_suspended_machine_is_told_and_nothing_is_subtracted)
{
    story_push(0, 1, "work");
    story_suspended(50 * S, 8 * HOUR);
    story_run(200 * S);
    story_expect_number(story_find("PAUSED", 0), "gap_ms", 8 * 3600000);
    story_expect_has(story_find("PAUSED", 0), "\"reason\":\"suspend\"");
    cr_expect_eq(story_find("STALL", 0)->at_ns, 120 * S + TICK);
    story_expect_number(story_find("stop", 0), "elapsed_ms", 200000);
}

static void be_busy(uintptr_t milli)
{
    scripted_thread(5001)->busy_milli = milli;
}

static void stop_for_an_hour(uintptr_t unused)
{
    (void)unused;
    be_busy(0);
    struct story_event stop = {.value = HOUR, .label = "stopped"};
    story_do_stop(&stop);
    be_busy(1000);
}

Test(stall, a_busy_thread_stays_busy_when_the_process_was_stopped_meanwhile)
{
    story_push(0, 1, "loop");
    story_call(0, be_busy, 1000);
    story_call(60 * S, stop_for_an_hour, 0);
    story_run(200 * S);
    story_expect_has(story_find("STALL", 0), "\"verdict\":\"busy\"");
}

/* ---- one thread is stopped ---------------------------------------------------------------------- */

static void set_state(uintptr_t state)
{
    scripted_thread(5001)->state.state = (char)state;
}

Test(stall, a_thread_that_a_debugger_holds_is_not_judged)
{
    story_push(0, 1, "work");
    story_call(10 * S, set_state, 't');
    story_call(HOUR + 10 * S, set_state, 'S');
    story_run(HOUR + 128 * S);
    story_expect_count("STALL", 0);
}

Test(stall, it_is_judged_from_when_it_was_seen_to_run_again)
{
    story_push(0, 1, "work");
    story_call(10 * S, set_state, 'T');
    story_call(HOUR + 10 * S, set_state, 'S');
    story_pop(2 * HOUR, 1);
    story_run(2 * HOUR + S);
    const struct story_line *stall = story_find("STALL", 0);
    cr_expect_geq(stall->at_ns, HOUR + 130 * S);
    cr_expect_leq(stall->at_ns, HOUR + 160 * S + TICK);
    uint64_t stuck = story_number(stall, "stuck_ms");
    cr_expect_leq(stuck, 120004);
    story_expect_has(stall, "\"verdict\":\"blocked\"");
    cr_expect_leq(story_number(story_find("RECOVERED", 0), "stuck_ms"), 3590000);
}

Test(stall, a_stopped_thread_is_not_reminded_of)
{
    story_push(0, 1, "work");
    story_call(130 * S, set_state, 't');
    story_call(400 * S, set_state, 'S');
    story_run(500 * S);
    story_expect_count("STALL", 2);
    cr_expect_eq(story_find("STALL", 1)->at_ns, 480 * S);
}

Test(stall, a_thread_that_is_held_when_it_ends_has_no_past_stall)
{
    story_push(0, 1, "work");
    story_call(10 * S, set_state, 't');
    story_call(240 * S, set_state, 'S');
    story_pop(241 * S, 1);
    story_starved(121 * S, 300 * S);
    story_run(500 * S);
    story_expect_count("STALL", 0);
}

/* ---- what the stall looked like -------------------------------------------------------------------- */

static void spend(uintptr_t shares)
{
    struct scripted_thread *thread = scripted_thread(5001);
    thread->busy_milli = shares / 10000;
    thread->delay_milli = shares % 10000;
}

Test(stall, the_verdict_names_what_kind_of_stuck_it_is)
{
    static const struct {
        uintptr_t shares;
        const char *verdict;
    } cases[] = {{10000000, "busy"},
                 {6000300, "busy"},
                 {1000700, "starved"},
                 {1000100, "blocked"},
                 {5000300, "mixed"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        story_push(0, 1, "work");
        story_call(0, spend, cases[i].shares);
        story_pop(150 * S, 1);
        story_run(160 * S);
        char expected[64];
        snprintf(expected, sizeof expected, "\"verdict\":\"%s\"", cases[i].verdict);
        story_expect_has(story_find("STALL", 0), expected);
    }
}

static void hide_state(uintptr_t unused)
{
    (void)unused;
    scripted_missing(HL_PLAT_THREAD_STATE, "not here");
    scripted_missing(HL_PLAT_THREAD_CPU, "not here");
}

Test(stall, without_evidence_a_stall_is_still_reported_on_time)
{
    story_push(0, 1, "work");
    story_call(0, hide_state, 0);
    story_run(200 * S);
    const struct story_line *stall = story_find("STALL", 0);
    cr_expect_eq(stall->at_ns, 120 * S + TICK);
    story_expect_has(stall, "\"verdict\":null");
    story_expect_has(stall, "\"cpu\":null");
    story_expect_has(stall, "\"state\":null");
}

static void lose_times(uintptr_t unused)
{
    (void)unused;
    scripted_thread(5001)->state.times_known = false;
    scripted_thread(5001)->cpu_unknown = true;
}

Test(stall, a_state_without_times_is_shown_without_delay)
{
    scope_push("old");
    scope_pop();
    story_push(0, 1, "work");
    story_call(0, lose_times, 0);
    story_starved(1, 200 * S);
    story_run(201 * S);
    const struct story_line *stall = story_find("STALL", 0);
    cr_expect_leq(stall->at_ns, 200 * S + 1);
    story_expect_has(stall, "\"state\":\"S\"");
    story_expect_has(stall, "\"verdict\":null");
}

/* ---- races with the threads that are looked at ---------------------------------------------------------- */

/* The thread goes on while the monitor is in the middle of a look. */
static void (*race_act)(struct story_event *);
static bool race_is_over;
static void get_evidence_and_race(void *context, uint64_t tid, uint64_t now_ns,
                                  struct hl_evidence *evidence)
{
    (void)context;
    *evidence = (struct hl_evidence){.known = true, .at_ns = now_ns, .state = 'S'};
    if (tid != 5001 || !race_act || race_is_over)
        return;
    race_is_over = true;
    struct story_event event = {.act = race_act, .label = "inner", .who = 1};
    story_act_on_worker(&story.workers[1], &event);
}

static void race_at(uintptr_t act)
{
    (void)act;
    story_session.stalls.hooks.evidence = get_evidence_and_race;
    race_act = act ? story_do_push : story_do_pop;
}

Test(stall, a_pop_in_the_middle_of_the_report_recovers_at_once)
{
    story_push(0, 1, "work");
    story_call(120 * S + 1 * MS, race_at, 0);
    story_run(200 * S);
    story_expect_count("STALL", 1);
    story_expect_count("RECOVERED", 1);
    cr_expect_eq(story_find("RECOVERED", 0)->at_ns, 120 * S + TICK);
    story_expect_number(story_find("RECOVERED", 0), "stuck_ms", 120004);
}

Test(stall, a_push_in_the_middle_of_the_report_recovers_at_once)
{
    story_push(0, 1, "work");
    story_call(120 * S + 1 * MS, race_at, 1);
    story_run(200 * S);
    story_expect_count("STALL", 1);
    story_expect_count("RECOVERED", 1);
    cr_expect_eq(story_find("RECOVERED", 0)->at_ns, 120 * S + TICK);
}

Test(stall, a_push_in_the_middle_of_a_reminder_is_a_sign_all_the_same)
{
    story_push(0, 1, "work");
    story_call(239 * S, race_at, 1);
    story_run(300 * S);
    story_expect_count("RECOVERED", 1);
    cr_expect_eq(story_find("RECOVERED", 0)->at_ns, 240 * S);
    story_expect_number(story_find("RECOVERED", 0), "stuck_ms", 240000);
    story_expect_lacks(story_find("RECOVERED", 0), "at_most");
}

Test(stall, the_end_of_an_own_limit_is_taken_though_the_rest_does_not_hold_still)
{
    static struct hl_stack stack;
    story_open();
    scope_push("outer");
    scope_push("bounded");
    scope_expect(100000);
    struct hl_record *record = hl_registry_self();
    struct hl_stalls *stalls = &story_session.stalls;
    for (unsigned i = 0; i < 6; i++) {
        if (i == 5)
            scope_pop();
        hl_snapshot(record, record->index, &stack);
        stack.whole = i < 5;
        hl_stalls_begin(stalls, scripted.now_ns);
        hl_stalls_visit(stalls, record, &stack);
        hl_stalls_end(stalls);
        story_move_to(scripted.now_ns + 30 * S);
    }
    story_expect_count("STALL", 1);
    story_expect_count("RECOVERED", 1);
    story_expect_lacks(story_find("RECOVERED", 0), "at_most");
    cr_expect_not(hl_stalls_is_stalled(stalls, record->index));
    scope_pop();
    story_close();
}

/* A scope that ends between the snapshot and the look at its end. */
Test(stall, a_scope_that_ends_in_the_middle_of_a_look_is_not_reported_twice)
{
    struct hl_progress progress;
    static struct hl_clock clock;
    struct hl_stalls stalls;
    static struct hl_stack stack;
    story_open();
    const struct hl_stall_hooks hooks = story_session.stalls.hooks;
    hl_progress_init(&progress);
    hl_stalls_init(&stalls, &hooks, &clock, &progress, 100 * S, 0, HL_UNKNOWN, 10);
    scope_push("work");
    struct hl_record *record = hl_registry_self();
    for (unsigned i = 0; i < 6; i++) {
        hl_snapshot(record, record->index, &stack);
        if (i == 5)
            scope_pop();
        hl_stalls_begin(&stalls, scripted.now_ns);
        hl_stalls_visit(&stalls, record, &stack);
        hl_stalls_end(&stalls);
        story_move_to(scripted.now_ns + 30 * S);
    }
    cr_expect_eq(story_count("STALL"), 1);
    cr_expect_eq(story_count("RECOVERED"), 1);
    cr_expect_eq(stalls.totals.count, 1);
    cr_expect_not(hl_stalls_is_stalled(&stalls, record->index));
    hl_stalls_free(&stalls);
    hl_progress_free(&progress);
    story_close();
}

/* ---- memory ---------------------------------------------------------------------------------------------- */

Test(stall, without_memory_nothing_is_judged_and_nothing_breaks)
{
    for (unsigned fails_at = 1; fails_at < 40; fails_at++) {
        scripted.maps = 0;
        scripted.map_fails_at = fails_at;
        scripted.map_fails_on = fails_at % 2;
        story_progress(0, 1, "work", 10);
        story_pop(200 * S, 1);
        story_run(300 * S);
        cr_expect_leq(story_count("STALL"), 1);
    }
    scripted.map_fails_at = 0;
    story_push(0, 1, "work");
    story_run(300 * S);
    cr_expect_eq(story_count("STALL"), 2);
}

Test(stall, a_record_that_was_never_visited_is_nothing_to_forget)
{
    struct hl_stalls stalls;
    struct hl_stall_hooks hooks = {0};
    hl_stalls_init(&stalls, &hooks, NULL, NULL, 1, 0, 0, 1);
    static struct hl_record record;
    hl_stalls_begin(&stalls, 1);
    hl_stalls_gone(&stalls, &record, 7);
    hl_stalls_vanished(&stalls, &record, 7);
    hl_stalls_end(&stalls);
    cr_expect_not(hl_stalls_is_stalled(&stalls, 7));
    hl_stalls_finish(&stalls, 2);
    hl_stalls_free(&stalls);
}

/* ---- a stack that does not hold still ----------------------------------------------------------------------- */

Test(stall, an_own_limit_that_could_not_be_seen_is_kept_until_it_can)
{
    static struct hl_stack stack;
    story_open();
    scope_push("outer");
    scope_expect(3600000);
    scope_push("bounded");
    scope_expect(100000);
    struct hl_record *record = hl_registry_self();
    struct hl_stalls *stalls = &story_session.stalls;
    for (unsigned i = 0; i < 8; i++) {
        hl_snapshot(record, record->index, &stack);
        if (i == 4)
            stack.whole = false, stack.count = 1;
        if (i == 5)
            stack.whole = false, stack.count = 0;
        hl_stalls_begin(stalls, scripted.now_ns);
        hl_stalls_visit(stalls, record, &stack);
        hl_stalls_end(stalls);
        cr_expect_neq(stalls->due_ns, HL_UNKNOWN);
        cr_expect_eq(stalls->shortest_limit_ns, 100 * S);
        story_move_to(scripted.now_ns + 30 * S);
    }
    story_expect_count("STALL", 2);
    story_expect_count("RECOVERED", 0);
    scope_pop();
    scope_pop();
    story_close();
}

Test(stall, a_thread_that_churns_shows_life)
{
    static struct hl_stack stack;
    story_open();
    scope_push("work");
    struct hl_record *record = hl_registry_self();
    struct hl_stalls *stalls = &story_session.stalls;
    for (unsigned i = 0; i < 20; i++) {
        hl_snapshot(record, record->index, &stack);
        stack.whole = i < 10;
        hl_stalls_begin(stalls, scripted.now_ns);
        hl_stalls_visit(stalls, record, &stack);
        hl_stalls_end(stalls);
        story_move_to(scripted.now_ns + 15 * S);
    }
    story_expect_count("STALL", 1);
    story_expect_count("RECOVERED", 1);
    story_expect_has(story_find("RECOVERED", 0), "\"stuck_at_most\":true");
    scope_pop();
    story_close();
}

/* ---- at random ------------------------------------------------------------------------------------------------ */

Test(stall, a_thousand_random_stalls_are_each_reported_once_within_a_tick, .timeout = 300)
{
    struct random_stalls told = tell_random_stalls(1000);
    cr_expect_eq(told.missed, 0, "%llu", (unsigned long long)told.missed);
    cr_expect_eq(told.false_ones, 0, "%llu", (unsigned long long)told.false_ones);
    cr_expect_eq(told.inexact, 0, "%llu", (unsigned long long)told.inexact);
    cr_expect_geq(told.stalls, 1000);
}

/* ---- at the edges ------------------------------------------------------------------------------------------- */

Test(stall, the_shortest_limit_is_on_time_though_no_look_comes_before_it)
{
    story.options.clock = MONITOR_CLOCK_PRECISE;
    story.options.stall_ms = 10;
    story.options.interval_ms = 10;
    story.without_beats = true;
    story_push(109 * MS + MS / 2, 1, "short");
    story_pop(200 * MS, 1);
    story_run(S);
    cr_expect_eq(story_find("STALL", 0)->at_ns, 119 * MS + MS / 2);
    story_expect_has(story_find("STALL", 0), "\"verdict\":\"blocked\"");
}

Test(stall, what_a_repair_leaves_open_has_shown_a_sign_of_life)
{
    story_push(0, 1, "outer");
    story_block(1 * S, 1, "block");
    story_push(2 * S, 1, "forgotten");
    story_end_block(100 * S, 1);
    story_run(219 * S);
    story_expect_count("STALL", 0);
}

Test(stall, a_limit_that_was_taken_back_is_not_kept_for_a_stack_that_does_not_hold_still)
{
    static struct hl_stack stack;
    story_open();
    scope_push("bounded");
    scope_expect(100);
    struct hl_record *record = hl_registry_self();
    struct hl_stalls *stalls = &story_session.stalls;
    for (unsigned i = 0; i < 2; i++) {
        hl_snapshot(record, record->index, &stack);
        stack.whole = i == 0;
        hl_stalls_begin(stalls, scripted.now_ns);
        hl_stalls_visit(stalls, record, &stack);
        hl_stalls_end(stalls);
        cr_expect_eq(stalls->shortest_limit_ns, i == 0 ? 100 * MS : 120 * S);
        scope_expect(0);
    }
    scope_pop();
    story_close();
}
