/* tests/unit/test_picture.c - readings and scopes, merged into what a heartbeat shows. */
#include "../../monitor/picture.h"
#include "../doubles/scripted_platform.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#define S SCRIPTED_S
#define NOW (10000 * S)

static struct hl_picture picture;
static struct hl_progress progress;
static struct hl_clock no_gaps;
static const struct hl_picture_time at = {&no_gaps, &progress, NOW};
static struct hl_stack stack;

static void begin(void)
{
    hl_progress_init(&progress);
}

static void end(void)
{
    hl_array_free(&picture.rows);
    hl_progress_free(&progress);
    cr_expect_eq(scripted.mapped, 0);
}

TestSuite(picture, .init = begin, .fini = end);

static void scope(const char *label, uint64_t age_ns, bool waiting)
{
    struct hl_scope *scope = &stack.scopes[stack.count];
    *scope =
        (struct hl_scope){.scope = stack.count + 1, .pushed_ns = NOW - age_ns, .waiting = waiting};
    snprintf(scope->label, sizeof scope->label, "%s", label);
    stack.frame[stack.count] = stack.count;
    stack.depth = ++stack.count;
}

static void thread(uint64_t tid)
{
    stack = (struct hl_stack){.record = (uint32_t)tid, .tid = tid, .whole = true};
}

static void add(bool always)
{
    hl_picture_add(&picture, &at, &stack, always);
}

static void simple(uint64_t tid, uint64_t age_ns, bool always)
{
    thread(tid);
    scope("work", age_ns, false);
    add(always);
}

static const struct hl_phase_event *row(size_t i)
{
    cr_assert_lt(i, picture.count);
    return &hl_picture_row(&picture, i)->phase;
}

static void expect_rows(const char *tids)
{
    char found[512] = "";
    for (size_t i = 0; i < picture.count; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%d ",
                 (int)row(i)->thread.tid);
    cr_expect_str_eq(found, tids);
}

Test(picture, a_row_says_what_the_thread_is_in_and_since_when)
{
    hl_picture_begin(&picture, 8);
    thread(7);
    stack.popped_ns = NOW - 3 * S;
    scope("outer", 50 * S, false);
    scope("inner", 20 * S, false);
    add(false);
    hl_picture_finish(&picture);
    cr_expect_str_eq(row(0)->innermost, "inner");
    cr_expect_eq(row(0)->thread.tid, 7);
    cr_expect_eq(row(0)->depth, 2);
    cr_expect_eq(row(0)->in_ns, 20 * S);
    cr_expect_eq(row(0)->updated_ns, 3 * S);
    cr_expect_eq(row(0)->cpu_milli, HL_UNKNOWN, "not asked yet");
    cr_expect_not(row(0)->churning);
}

Test(picture, updated_is_the_last_of_push_pop_and_progress)
{
    hl_picture_begin(&picture, 8);
    thread(1);
    stack.popped_ns = NOW - 30 * S;
    scope("pushed last", 20 * S, false);
    add(false);
    thread(2);
    scope("moved last", 100 * S, false);
    stack.scopes[0].has_counter = true;
    hl_progress_observe(&progress, &stack, NOW - 60 * S);
    stack.scopes[0].current = 5;
    hl_progress_observe(&progress, &stack, NOW - 10 * S);
    add(false);
    thread(3);
    scope("has not moved", 90 * S, false);
    stack.scopes[0].has_counter = true;
    hl_progress_observe(&progress, &stack, NOW - 60 * S);
    add(false);
    hl_picture_finish(&picture);
    expect_rows("2 3 1 ");
    cr_expect_eq(row(0)->updated_ns, 10 * S);
    cr_expect_eq(row(1)->updated_ns, 90 * S);
    cr_expect_eq(row(2)->updated_ns, 20 * S);
    cr_expect(row(0)->progress.present);
}

Test(picture, ages_are_active_time)
{
    struct hl_clock clock = {0};
    const struct hl_picture_time later = {&clock, &progress, NOW};
    hl_clock_note_gap(&clock, NOW - 30 * S, NOW - 20 * S, 10 * S);
    hl_picture_begin(&picture, 8);
    thread(1);
    scope("work", 50 * S, false);
    hl_picture_add(&picture, &later, &stack, false);
    cr_expect_eq(row(0)->in_ns, 40 * S);
    cr_expect_eq(row(0)->updated_ns, 40 * S);
}

Test(picture, the_headline_is_the_innermost_scope_open_longest_that_is_not_waiting)
{
    hl_picture_begin(&picture, 8);
    thread(1);
    scope("old outer", 900 * S, false);
    scope("young inner", 1 * S, false);
    add(false);
    thread(2);
    scope("idle worker", 800 * S, true);
    add(false);
    thread(3);
    scope("the one", 30 * S, false);
    add(false);
    thread(4);
    scope("outer", 700 * S, false);
    scope("waits inside", 600 * S, true);
    add(false);
    cr_expect(picture.active);
    cr_expect_str_eq(picture.headline.innermost, "the one");
    cr_expect_eq(picture.headline.in_ns, 30 * S);
    cr_expect_eq(picture.instrumented, 4);
    cr_expect_eq(picture.waiting, 2);
}

Test(picture, without_work_there_is_no_headline)
{
    hl_picture_begin(&picture, 8);
    cr_expect_not(picture.active);
    thread(2);
    scope("idle", 800 * S, true);
    add(false);
    cr_expect_not(picture.active);
}

Test(picture, a_thread_that_churns_is_shown_as_such_and_is_no_headline)
{
    hl_picture_begin(&picture, 8);
    thread(1);
    scope("outer", 100 * S, true);
    stack.whole = false;
    stack.depth = 5;
    add(false);
    thread(2);
    stack.whole = false;
    stack.depth = 1;
    add(false);
    cr_expect_not(picture.active);
    cr_expect_eq(picture.waiting, 0);
    cr_expect_eq(picture.instrumented, 2);
    cr_expect(row(0)->churning);
    cr_expect_eq(row(0)->depth, 5);
    cr_expect_str_eq(row(1)->innermost, "");
    cr_expect_eq(row(1)->in_ns, 0, "it comes or goes right now");
    cr_expect_eq(row(1)->updated_ns, 0, "not since the machine was started");
}

Test(picture, a_new_picture_begins_empty)
{
    hl_picture_begin(&picture, 1);
    simple(1, 5 * S, false);
    simple(2, 6 * S, false);
    hl_picture_finish(&picture);
    hl_picture_begin(&picture, 8);
    cr_expect_eq(picture.count + picture.omitted + picture.instrumented + picture.active, 0);
}

Test(picture, rows_come_oldest_first)
{
    hl_picture_begin(&picture, 8);
    for (uint64_t i = 0; i < 8; i++)
        simple(i + 1, (i * 5 % 8 + 1) * S, false);
    hl_picture_finish(&picture);
    expect_rows("4 7 2 5 8 3 6 1 ");
    cr_expect_eq(picture.omitted, 0);
}

Test(picture, beyond_the_cap_the_youngest_are_left_out_and_counted)
{
    hl_picture_begin(&picture, 3);
    for (uint64_t i = 1; i <= 50; i++)
        simple(i, (i * 37 % 101) * S, false);
    hl_picture_finish(&picture);
    expect_rows("30 19 49 ");
    cr_expect_eq(picture.omitted, 47);
}

Test(picture, the_main_thread_and_stalled_ones_are_shown_beyond_the_cap)
{
    hl_picture_begin(&picture, 3);
    simple(1, 1 * S, true); /* the youngest of all */
    for (uint64_t i = 10; i < 20; i++)
        simple(i, i * S, false);
    simple(2, 2 * S, true);
    hl_picture_finish(&picture);
    expect_rows("19 18 17 2 1 ");
    cr_expect_eq(picture.omitted, 7);
}

Test(picture, one_that_is_shown_anyway_takes_a_place_when_it_is_old)
{
    hl_picture_begin(&picture, 3);
    simple(1, 100 * S, true);
    for (uint64_t i = 10; i < 20; i++)
        simple(i, i * S, false);
    hl_picture_finish(&picture);
    expect_rows("1 19 18 ");
    cr_expect_eq(picture.omitted, 8);
}

Test(picture, a_cap_of_zero_leaves_only_those_that_are_always_shown)
{
    hl_picture_begin(&picture, 0);
    simple(1, 100 * S, false);
    simple(2, 50 * S, true);
    hl_picture_finish(&picture);
    expect_rows("2 ");
    cr_expect_eq(picture.omitted, 1);
}

Test(picture, without_a_cap_all_are_shown)
{
    hl_picture_begin(&picture, SIZE_MAX);
    for (uint64_t i = 1; i <= 5000; i++)
        simple(i, (i * 7919 % 5003 + 1) * S, i % 10 == 0);
    hl_picture_finish(&picture);
    cr_expect_eq(picture.count, 5000);
    cr_expect_eq(picture.omitted, 0);
    for (size_t i = 1; i < picture.count; i++)
        cr_assert_geq(row(i - 1)->in_ns, row(i)->in_ns);
}

Test(picture, a_large_cap_cuts_as_a_small_one)
{
    hl_picture_begin(&picture, 100);
    for (uint64_t i = 1; i <= 1000; i++)
        simple(i, i * S, false);
    hl_picture_finish(&picture);
    cr_expect_eq(picture.count, 100);
    cr_expect_eq(picture.omitted, 900);
    cr_expect_eq(row(0)->thread.tid, 1000);
    cr_expect_eq(row(99)->thread.tid, 901);
}

Test(picture, without_memory_rows_are_omitted_and_the_figures_hold)
{
    scripted.map_fails_at = 1;
    scripted.map_fails_on = true;
    hl_picture_begin(&picture, 8);
    simple(1, 5 * S, false);
    simple(2, 6 * S, true);
    hl_picture_finish(&picture);
    cr_expect_eq(picture.count, 0);
    cr_expect_eq(picture.instrumented, 2);
    cr_expect_eq(picture.omitted, 2);
    cr_expect_eq(picture.headline.thread.tid, 2);
}

/* ---- busy threads --------------------------------------------------------------- */

static struct hl_threads threads;

static size_t busiest(struct hl_busy_event *busy, size_t cap, const uint64_t *instrumented)
{
    struct hl_plat *plat = hl_plat_open();
    hl_threads_init(&threads);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    hl_threads_keep(&threads);
    scripted_advance(10 * S);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    for (; instrumented && *instrumented; instrumented++)
        hl_threads_find(&threads, *instrumented)->instrumented = true;
    size_t count = hl_picture_busiest(&threads, 10 * S, busy, cap);
    hl_threads_free(&threads);
    hl_plat_close(plat);
    return count;
}

Test(picture, the_busiest_threads_outside_any_scope_come_busiest_first)
{
    struct hl_busy_event busy[3];
    static const uint64_t milli[] = {300, 900, 50, 49, 700, 1000, 800, 60};
    static const uint64_t instrumented[] = {2, 0};
    for (uint64_t i = 0; i < 8; i++)
        scripted_thread(i + 1)->busy_milli = milli[i];
    cr_assert_eq(busiest(busy, 3, instrumented), 3);
    cr_expect_eq(busy[0].thread.tid, 6);
    cr_expect_eq(busy[1].thread.tid, 7);
    cr_expect_eq(busy[2].thread.tid, 5);
    cr_expect_eq(busy[2].cpu_milli, 700);
}

Test(picture, busy_begins_at_a_twentieth_of_a_core)
{
    struct hl_busy_event busy[8];
    scripted_thread(1)->busy_milli = 49;
    scripted_thread(2)->busy_milli = 50;
    scripted_thread(3)->cpu_unknown = true;
    cr_assert_eq(busiest(busy, 8, NULL), 1);
    cr_expect_eq(busy[0].thread.tid, 2);
}

Test(picture, of_equally_busy_threads_the_first_stays_where_it_is)
{
    struct hl_busy_event busy[2];
    for (uint64_t tid = 1; tid <= 3; tid++)
        scripted_thread(tid)->busy_milli = 500;
    cr_assert_eq(busiest(busy, 2, NULL), 2);
    cr_expect_eq(busy[0].thread.tid, 1);
    cr_expect_eq(busy[1].thread.tid, 2);
}

/* ---- a thread whose scopes could not be read ---------------------------------------------- */

static uint64_t updated_of_unread(uint64_t popped_ns)
{
    hl_picture_begin(&picture, 8);
    thread(7);
    stack.depth = 1; /* amid its first push, or its last pop */
    stack.whole = false;
    stack.popped_ns = popped_ns;
    add(true);
    hl_picture_finish(&picture);
    cr_expect(row(0)->churning);
    cr_expect_str_eq(row(0)->innermost, "");
    return row(0)->updated_ns;
}

Test(picture, one_amid_a_push_was_updated_when_it_last_popped_or_now)
{
    cr_expect_eq(updated_of_unread(NOW - 3 * S), 3 * S);
    cr_expect_eq(updated_of_unread(0), 0);
}

Test(picture, one_without_a_scope_waits_for_nothing)
{
    hl_picture_begin(&picture, 8);
    thread(7);
    add(true);
    hl_picture_finish(&picture);
    cr_expect_eq(picture.waiting, 0);
    cr_expect_not(row(0)->waiting);
}
