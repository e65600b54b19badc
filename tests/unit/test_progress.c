/* tests/unit/test_progress.c - what the monitor saw the counters do. */
#include "../../monitor/progress.h"
#include "../doubles/scripted_platform.h"

#include <criterion/criterion.h>

#define S SCRIPTED_S

static struct hl_progress progress;
static struct hl_clock no_gaps;
static struct hl_stack stack;

static void begin(void)
{
    hl_progress_init(&progress);
}

static void end(void)
{
    hl_progress_free(&progress);
    cr_expect_eq(scripted.mapped, 0);
}

TestSuite(progress, .init = begin, .fini = end);

/* A stack of scopes 1, 2, ... of record 3. */
static void stack_of(uint32_t count)
{
    stack = (struct hl_stack){.record = 3, .count = count, .depth = count, .whole = true};
    for (uint32_t i = 0; i < count; i++) {
        stack.frame[i] = i;
        stack.scopes[i].scope = i + 1;
    }
}

static void counter(uint32_t position, uint64_t current, uint64_t total)
{
    stack.scopes[position].has_counter = true;
    stack.scopes[position].current = current;
    stack.scopes[position].total = total;
}

static void observe(uint64_t now_ns)
{
    hl_progress_observe(&progress, &stack, now_ns);
}

static const struct hl_progress_watch *covering(uint32_t position)
{
    return hl_progress_covering(&progress, &stack, position, false);
}

static struct hl_progress_view shown(uint64_t now_ns)
{
    struct hl_progress_view view;
    hl_progress_view(&progress, &stack, stack.count - 1, &no_gaps, now_ns, &view);
    return view;
}

/* A heartbeat: sample, show, next window. */
static struct hl_progress_view beat(uint64_t now_ns)
{
    observe(now_ns);
    hl_progress_sample(&progress, 3, now_ns);
    struct hl_progress_view view = shown(now_ns);
    hl_progress_next_window(&progress, 3);
    return view;
}

Test(progress, a_scope_is_covered_by_the_nearest_counter_around_it)
{
    stack_of(4);
    counter(0, 10, 100);
    counter(2, 20, 200);
    observe(1 * S);
    cr_expect_eq(covering(3)->value, 20);
    cr_expect_eq(covering(2)->value, 20);
    cr_expect_eq(covering(1)->value, 10);
    cr_expect_eq(covering(0)->value, 10);
    cr_expect_null(hl_progress_covering(&progress, &stack, 3, true), "it has none of its own");
    cr_expect_eq(hl_progress_covering(&progress, &stack, 2, true)->value, 20);
}

Test(progress, without_a_counter_there_is_nothing_to_show)
{
    stack_of(2);
    observe(1 * S);
    cr_expect_null(covering(1));
    cr_expect_not(shown(1 * S).present);
    stack_of(0);
    struct hl_progress_view view;
    hl_progress_view(&progress, &stack, 0, &no_gaps, 1 * S, &view);
    cr_expect_not(view.present);
    hl_progress_view_stuck(&progress, &stack, 0, &no_gaps, 1 * S, &view);
    cr_expect_not(view.present);
}

Test(progress, movement_is_dated_by_the_wake_up_that_sees_it)
{
    stack_of(1);
    stack.scopes[0].pushed_ns = 5 * S;
    counter(0, 0, 100);
    observe(10 * S);
    cr_expect_eq(covering(0)->moved_ns, 5 * S, "not yet: since the push");
    counter(0, 1, 100);
    observe(20 * S);
    cr_expect_eq(covering(0)->moved_ns, 20 * S);
    observe(30 * S);
    cr_expect_eq(covering(0)->moved_ns, 20 * S);
    counter(0, 0, 100);
    observe(40 * S);
    cr_expect_eq(covering(0)->moved_ns, 40 * S, "also backwards");
}

Test(progress, one_that_had_moved_when_first_seen_moved_now)
{
    stack_of(1);
    counter(0, 7, 100);
    observe(10 * S);
    cr_expect_eq(covering(0)->moved_ns, 10 * S);
}

Test(progress, a_new_total_alone_is_no_movement)
{
    stack_of(1);
    counter(0, 7, 100);
    observe(10 * S);
    counter(0, 7, 200);
    observe(20 * S);
    cr_expect_eq(covering(0)->moved_ns, 10 * S);
    cr_expect_eq(covering(0)->total, 200);
}

Test(progress, a_rate_and_an_eta_come_with_the_third_heartbeat)
{
    stack_of(1);
    for (uint64_t i = 1; i <= 6; i++) {
        counter(0, 100 * i, 1000);
        struct hl_progress_view view = beat(i * 60 * S);
        cr_expect(view.present);
        cr_expect_eq(view.current, 100 * i);
        cr_expect_eq(view.total, 1000);
        cr_expect_eq(view.idle_ns, HL_UNKNOWN);
        cr_expect_eq(view.rate_milli, i < 3 ? HL_UNKNOWN : 1666);
        cr_expect_eq(view.eta_ns == HL_UNKNOWN, i < 3);
    }
}

Test(progress, one_that_did_not_move_in_the_window_is_idle)
{
    stack_of(1);
    for (uint64_t i = 1; i <= 4; i++) {
        counter(0, 100 * i, 1000);
        beat(i * 60 * S);
    }
    struct hl_progress_view view = beat(5 * 60 * S);
    cr_expect_eq(view.idle_ns, 60 * S);
    cr_expect_eq(view.rate_milli, HL_UNKNOWN);
    cr_expect_eq(view.eta_ns, HL_UNKNOWN);
    cr_expect_eq(beat(8 * 60 * S).idle_ns, 240 * S);
}

Test(progress, idle_time_is_active_time)
{
    struct hl_clock clock = {0};
    struct hl_progress_view view;
    stack_of(1);
    counter(0, 1, 0);
    observe(10 * S);
    hl_progress_next_window(&progress, 3);
    hl_clock_note_gap(&clock, 20 * S, 40 * S, 15 * S);
    hl_progress_view(&progress, &stack, 0, &clock, 50 * S, &view);
    cr_expect_eq(view.idle_ns, 25 * S);
    hl_progress_view_stuck(&progress, &stack, 0, &clock, 50 * S, &view);
    cr_expect_eq(view.idle_ns, 25 * S);
    cr_expect_eq(view.rate_milli, HL_UNKNOWN);
}

Test(progress, a_total_that_grew_is_told_for_one_heartbeat)
{
    stack_of(1);
    counter(0, 1, 100);
    cr_expect_not(beat(60 * S).total_grew);
    counter(0, 2, 150);
    cr_expect(beat(120 * S).total_grew);
    counter(0, 3, 150);
    cr_expect_not(beat(180 * S).total_grew);
    counter(0, 4, 120);
    cr_expect_not(beat(240 * S).total_grew, "it shrank");
}

Test(progress, a_total_that_became_known_has_not_grown)
{
    stack_of(1);
    counter(0, 1, 0);
    beat(60 * S);
    counter(0, 2, 100);
    cr_expect_not(beat(120 * S).total_grew);
}

Test(progress, a_counter_is_forgotten_with_its_scope)
{
    stack_of(2);
    counter(1, 5, 10);
    observe(1 * S);
    stack_of(1);
    observe(2 * S);
    stack_of(2);
    stack.scopes[1].scope = 99; /* another scope in the same frame */
    counter(1, 5, 10);
    observe(3 * S);
    cr_expect_eq(covering(1)->moved_ns, 3 * S, "not the old one's history");
    stack.scopes[1].scope = 100;
    observe(4 * S);
    cr_expect_eq(covering(1)->moved_ns, 4 * S);
    hl_progress_forget(&progress, 3);
    cr_expect_null(covering(1));
    hl_progress_forget(&progress, 3);
    hl_progress_forget(&progress, 100000);
}

Test(progress, what_could_not_be_read_is_not_forgotten)
{
    stack_of(3);
    counter(0, 1, 10);
    counter(2, 5, 10);
    observe(1 * S);
    stack.count = 1;
    stack.whole = false;
    observe(2 * S);
    stack.count = 3;
    stack.whole = true;
    observe(3 * S);
    cr_expect_eq(covering(2)->moved_ns, 1 * S);
}

Test(progress, without_memory_a_counter_is_as_if_it_were_not_there)
{
    for (unsigned fails_at = 1; fails_at <= 2; fails_at++) {
        stack_of(1);
        counter(0, 1, 10);
        scripted.maps = 0;
        scripted.map_fails_at = fails_at;
        observe(1 * S);
        cr_expect_null(covering(0));
        hl_progress_sample(&progress, 3, 1 * S);
        hl_progress_next_window(&progress, 3);
    }
    observe(2 * S);
    cr_expect_not_null(covering(0));
}

Test(progress, every_record_has_its_own)
{
    for (uint32_t record = 0; record < 5000; record++) {
        stack_of(1);
        stack.record = record;
        counter(0, record, 0);
        observe(1 * S);
    }
    for (uint32_t record = 0; record < 5000; record++) {
        stack.record = record;
        cr_assert_eq(covering(0)->value, record);
    }
}

Test(progress, the_counter_of_an_earlier_scope_in_a_frame_covers_no_later_one)
{
    stack_of(2);
    counter(1, 20, 200);
    observe(1 * S);
    cr_expect_eq(covering(1)->value, 20);
    stack.scopes[1].scope = 99;
    stack.scopes[1].has_counter = false;
    cr_expect_null(covering(1));
}
