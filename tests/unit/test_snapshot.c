/* tests/unit/test_snapshot.c - what is read of a record, and how a watched scope
 * tells that it ended. The reader's races are in tests/stress/scope_stress.c. */
#define _GNU_SOURCE
#include "../../monitor/registry.h"
#include "../../monitor/snapshot.h"
#include "../../monitor/wake.h"
#include "../doubles/scripted_platform.h"

#include <heartline/scope.h>

#include <criterion/criterion.h>

#include <pthread.h>
#include <setjmp.h>
#include <string.h>

#define NOW (scripted.now_ns)

static struct hl_stack stack;
static struct hl_end ended;
static uint64_t seen;

static struct hl_record *self(void)
{
    return hl_registry_join();
}

static bool look(void)
{
    return hl_snapshot(self(), self()->index, &stack);
}

static bool next_end(void)
{
    return hl_snapshot_next_end(self(), &seen, &ended);
}

/* As the monitor does: the scope's name into its frame. */
static uint64_t watch(uint32_t frame, bool reported)
{
    look();
    uint64_t scope = stack.scopes[frame].scope;
    hl_release(&self()->watch[frame], scope << 1 | reported);
    return scope;
}

static uint64_t watch_of(uint32_t frame)
{
    return hl_get(&self()->watch[frame]);
}

static uint64_t wakes_with_target(void)
{
    static struct hl_plat *plat;
    if (!plat) {
        plat = hl_plat_open();
        hl_wake_target(plat);
    }
    return scripted.wakes;
}

/* ---- reading ------------------------------------------------------------------- */

Test(snapshot, a_thread_without_an_open_scope_is_read_whole_and_empty)
{
    cr_assert(look());
    cr_expect(stack.whole);
    cr_expect_eq(stack.count, 0);
    cr_expect_eq(stack.depth, 0);
}

Test(snapshot, a_free_record_is_not_read)
{
    struct hl_record *record = self();
    scope_push("x");
    hl_release(&record->tid, 0);
    cr_expect_not(look());
}

Test(snapshot, a_frame_in_work_makes_it_partial_and_what_lies_outside_is_still_read)
{
    scope_push("a");
    scope_push("b");
    scope_push("c");
    hl_word *version = &self()->frames[1].version;
    hl_release(version, hl_get(version) | HL_NOT_LIVE);
    cr_assert(look());
    cr_expect_not(stack.whole);
    cr_expect_eq(stack.count, 2);
    cr_expect_str_eq(stack.scopes[0].label, "a");
    cr_expect_str_eq(stack.scopes[1].label, "c");
    cr_expect_eq(stack.frame[1], 2);
    cr_expect_eq(stack.depth, 3);
}

Test(snapshot, a_label_without_an_end_is_given_one)
{
    scope_push("x");
    memset((void *)self()->frames[0].label, 'y', HL_LABEL_BYTES);
    look();
    cr_expect_eq(strlen(stack.scopes[0].label), HL_LABEL_BYTES - 1);
}

/* ---- watched scopes -------------------------------------------------------------- */

Test(snapshot, without_a_watch_no_end_is_left)
{
    scope_push("x");
    scope_pop();
    cr_expect_not(next_end());
}

Test(snapshot, a_watched_scope_leaves_the_exact_time_of_its_end)
{
    scope_push("x");
    uint64_t pushed = NOW, scope = watch(0, false);
    scripted_advance(61 * SCRIPTED_S + 1);
    uint64_t popped = NOW;
    scope_pop();
    scripted_advance(10 * SCRIPTED_S);
    cr_assert(next_end());
    cr_expect_eq(ended.scope, scope);
    cr_expect_eq(ended.frame, 0);
    cr_expect_not(ended.by_exit);
    cr_expect_eq(ended.ended_ns, popped);
    cr_expect_eq(ended.quiet_since_ns, pushed);
    cr_expect_eq(ended.limit_since_ns, 0);
    cr_expect_eq(ended.progress, HL_UNKNOWN);
    cr_expect_eq(watch_of(0), 0);
    cr_expect_not(next_end());
}

Test(snapshot, quiet_since_the_last_pop_inside_it)
{
    scope_push("x");
    watch(0, false);
    scripted_advance(SCRIPTED_S);
    scope_push("y");
    scripted_advance(SCRIPTED_S);
    scope_pop();
    uint64_t last = NOW;
    scripted_advance(SCRIPTED_S);
    scope_pop();
    cr_assert(next_end());
    cr_expect_eq(ended.quiet_since_ns, last);
}

Test(snapshot, an_end_tells_when_the_clock_of_its_own_limit_began)
{
    scope_push("x");
    scripted_advance(SCRIPTED_S);
    scope_expect(100);
    uint64_t since = NOW, scope = watch(0, false);
    scripted_advance(SCRIPTED_S);
    scope_pop();
    cr_assert(next_end());
    cr_expect_eq(ended.scope, scope);
    cr_expect_eq(ended.limit_since_ns, since);
}

Test(snapshot, expecting_anew_keeps_the_watch)
{
    scope_push("x");
    uint64_t scope = watch(0, false);
    scope_expect(100);
    scope_pop();
    cr_assert(next_end());
    cr_expect_eq(ended.scope, scope);
}

Test(snapshot, an_end_carries_the_progress_that_covered_it)
{
    scope_progress done = scope_push_progress("outer", 100);
    scope_push("inner");
    watch(0, false);
    watch(1, false);
    scope_progress_add(done, 7);
    scope_pop();
    cr_assert(next_end());
    cr_expect_eq(ended.progress, 7);
    scope_progress_add(done, 1);
    scope_pop();
    cr_assert(next_end());
    cr_expect_eq(ended.progress, 8);
}

Test(snapshot, the_watch_of_an_earlier_scope_is_cleared_and_leaves_nothing)
{
    scope_push("early");
    uint64_t early = watch(0, true);
    uint64_t wakes = wakes_with_target();
    hl_release(&self()->watch[0], 0);
    scope_pop();
    hl_release(&self()->watch[0], early << 1 | 1);
    scope_push("late");
    cr_expect_neq(watch_of(0), 0);
    scope_pop();
    cr_expect_eq(watch_of(0), 0);
    cr_expect_not(next_end());
    cr_expect_eq(scripted.wakes, wakes);
}

Test(snapshot, the_end_of_a_reported_scope_wakes_the_monitor)
{
    scope_push("x");
    scope_push("y");
    watch(0, true);
    watch(1, false);
    uint64_t wakes = wakes_with_target();
    scope_pop();
    cr_expect_eq(scripted.wakes, wakes);
    scope_pop();
    cr_expect_eq(scripted.wakes, wakes + 1);
}

static void *leave_watched_scopes_open(void *record)
{
    scope_push("outer");
    scope_push("inner");
    *(struct hl_record **)record = self();
    watch(0, false);
    watch(1, false);
    scripted_advance(7 * SCRIPTED_S);
    scope_push("last sign");
    scripted_advance(3 * SCRIPTED_S);
    return NULL;
}

Test(snapshot, a_threads_exit_ends_its_scopes_and_says_so)
{
    struct hl_record *record;
    pthread_t thread;
    pthread_create(&thread, NULL, leave_watched_scopes_open, &record);
    pthread_join(thread, NULL);
    for (uint32_t frame = 2; frame-- > 0;) {
        cr_assert(hl_snapshot_next_end(record, &seen, &ended));
        cr_expect_eq(ended.frame, frame);
        cr_expect(ended.by_exit);
        cr_expect_eq(ended.ended_ns, NOW);
        cr_expect_eq(ended.quiet_since_ns, NOW - 3 * SCRIPTED_S, "frame %u: quiet for %lu ns",
                     (unsigned)frame, (unsigned long)(NOW - ended.quiet_since_ns));
    }
    cr_expect_not(hl_snapshot_next_end(record, &seen, &ended));
}

static jmp_buf jump;
static volatile bool jumps = true;

static __attribute__((noinline)) void jump_out_of_a_watched_scope(void)
{
    SCOPE("dead");
    watch(1, false);
    if (jumps)
        longjmp(jump, 1);
}

Test(snapshot, a_repaired_scope_leaves_its_end_when_it_is_repaired)
{
    scope_push("outer");
    uint64_t began = NOW;
    if (setjmp(jump) == 0)
        jump_out_of_a_watched_scope();
    scripted_advance(SCRIPTED_S);
    scope_push("next");
    cr_assert(next_end());
    cr_expect_eq(ended.frame, 1);
    cr_expect_eq(ended.ended_ns, NOW);
    cr_expect_eq(ended.quiet_since_ns, began);
    cr_expect_not(ended.by_exit);
}

/* ---- the ring of ends --------------------------------------------------------------- */

static uint64_t end_a_watched_scope(void)
{
    scope_push("x");
    uint64_t scope = watch(0, false);
    scope_pop();
    return scope;
}

Test(snapshot, ends_are_read_in_order_each_once)
{
    for (int i = 0; i < 20; i++) {
        uint64_t first = end_a_watched_scope(), second = end_a_watched_scope(),
                 third = end_a_watched_scope();
        cr_assert(next_end() && ended.scope == first);
        cr_assert(next_end() && ended.scope == second);
        cr_assert(next_end() && ended.scope == third);
        cr_assert_not(next_end());
    }
}

Test(snapshot, of_many_ends_the_last_three_are_kept)
{
    uint64_t scopes[10];
    for (int i = 0; i < 10; i++)
        scopes[i] = end_a_watched_scope();
    for (int i = 10 - (HL_ENDED - 1); i < 10; i++)
        cr_assert(next_end() && ended.scope == scopes[i], "end %d", i);
    cr_expect_not(next_end());
}

/* ---- signs of life --------------------------------------------------------------------- */

Test(snapshot, the_push_after_that_does_not_wake_it_again)
{
    scope_push("stalled");
    watch(0, true);
    hl_release(&self()->reported, 42);
    uint64_t wakes = wakes_with_target();
    scope_pop();
    cr_expect_eq(scripted.wakes, wakes + 1);
    scope_push("goes on");
    cr_expect_eq(scripted.wakes, wakes + 1);
    cr_expect_eq(hl_get(&self()->reported), 0);
}

Test(snapshot, the_first_push_after_a_report_leaves_a_sign_and_wakes_the_monitor)
{
    scope_push("stalled");
    hl_release(&self()->reported, 42);
    uint64_t wakes = wakes_with_target();
    scripted_advance(SCRIPTED_S);
    scope_push("goes on");
    cr_expect_eq(hl_get(&self()->sign_epoch), 42);
    cr_expect_eq(hl_get(&self()->sign_ns), NOW);
    cr_expect_eq(hl_get(&self()->reported), 0);
    cr_expect_eq(scripted.wakes, wakes + 1);
    scripted_advance(SCRIPTED_S);
    scope_push("again");
    cr_expect_eq(hl_get(&self()->sign_ns), NOW - SCRIPTED_S);
    cr_expect_eq(scripted.wakes, wakes + 1);
}

/* ---- many readers, many threads ------------------------------------------------------------ */

static _Atomic bool stopping;

static void *churn(void *record)
{
    scope_push("outermost");
    *(_Atomic(struct hl_record *) *)record = self();
    while (!stopping) {
        scope_push("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        scope_pop();
        scope_push("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
        scope_pop();
    }
    scope_pop();
    return NULL;
}

Test(snapshot, of_a_churning_thread_the_outer_scope_is_always_read)
{
    static _Atomic(struct hl_record *) record;
    pthread_t thread;
    pthread_create(&thread, NULL, churn, (void *)&record);
    while (!record)
        sched_yield();
    int wrong = 0;
    for (int i = 0; i < 200000; i++) {
        bool taken = hl_snapshot(record, 0, &stack);
        bool outer = stack.count > 0 && strcmp(stack.scopes[0].label, "outermost") == 0;
        const char *inner = stack.count > 1 ? stack.scopes[1].label : "";
        bool one_kind = strspn(inner, "a") == strlen(inner) || strspn(inner, "b") == strlen(inner);
        wrong += !taken || !outer || !one_kind || stack.count > 2;
    }
    stopping = true;
    pthread_join(thread, NULL);
    cr_expect_eq(wrong, 0);
}

/* ---- ends that are being written ----------------------------------------------------- */

/* Three ends are there; of the middle one it is said what is wrong. */
static void have_three_ends(void)
{
    for (int i = 0; i < 3; i++) {
        scope_push("x");
        watch(0, false);
        scripted_advance(SCRIPTED_S);
        scope_pop();
    }
    cr_assert_eq(hl_get(&self()->ended_count), 3);
}

Test(snapshot, an_end_that_is_in_work_is_passed_over)
{
    have_three_ends();
    hl_release(&self()->ended[1].scope, 0);
    cr_assert(next_end());
    cr_expect_eq(ended.ended_ns, NOW - 2 * SCRIPTED_S);
    cr_assert(next_end());
    cr_expect_eq(ended.ended_ns, NOW, "not the one between");
    cr_expect_not(next_end());
}

Test(snapshot, an_end_whose_place_was_taken_meanwhile_is_passed_over)
{
    have_three_ends();
    hl_release(&self()->ends_begun, 3 + HL_ENDED - 2); /* so the first one's is being written */
    cr_assert(next_end());
    cr_expect_eq(ended.ended_ns, NOW - SCRIPTED_S);
    cr_expect_eq(seen, 2);
    hl_release(&self()->ends_begun, 3 + HL_ENDED);
    cr_expect_not(next_end(), "all of them are");
    cr_expect_eq(seen, 3);
}
