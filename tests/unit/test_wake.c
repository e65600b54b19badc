/* tests/unit/test_wake.c - who wakes the monitor, and when nobody does. */
#define _GNU_SOURCE
#include "../../monitor/registry.h"
#include "../../monitor/wake.h"
#include "../doubles/scripted_platform.h"

#include <heartline/scope.h>

#include <criterion/criterion.h>

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

static struct hl_plat *plat;

static void begin(void)
{
    plat = hl_plat_open();
    hl_wake_target(plat);
}
TestSuite(wake, .init = begin);

Test(wake, without_a_monitor_nobody_is_woken)
{
    hl_wake_target(NULL);
    hl_wake();
    hl_wake_by(0);
    cr_expect_not(hl_wake_enter());
    hl_wake_leave();
    cr_expect_eq(scripted.wakes, 0);
    cr_expect(hl_wake_is_quiet());
}

Test(wake, the_monitor_is_woken)
{
    hl_wake();
    cr_expect_eq(scripted.wakes, 1);
    cr_expect(hl_wake_is_quiet());
}

Test(wake, only_by_what_is_due_earlier_than_planned)
{
    hl_wake_planned(1000);
    hl_wake_by(1000);
    hl_wake_by(UINT64_MAX);
    cr_expect_eq(scripted.wakes, 0);
    hl_wake_by(999);
    cr_expect_eq(scripted.wakes, 1);
}

Test(wake, a_monitor_that_looks_around_is_always_woken)
{
    hl_wake_planned(HL_WAKE_AWAKE);
    hl_wake_by(UINT64_MAX - 1);
    cr_expect_eq(scripted.wakes, 1);
}

Test(wake, the_plan_goes_with_the_monitor)
{
    hl_wake_planned(1000);
    hl_wake_target(NULL);
    hl_wake_target(plat);
    hl_wake_by(10);
    cr_expect_eq(scripted.wakes, 0);
}

Test(wake, an_expectation_wakes_only_when_it_is_due_earlier_than_planned)
{
    scope_push("x");
    hl_wake_planned(scripted.now_ns + 10 * SCRIPTED_S);
    scope_expect(10000);
    scope_expect(20000);
    scope_expect(0);
    cr_expect_eq(scripted.wakes, 0);
    scope_expect(9999);
    cr_expect_eq(scripted.wakes, 1);
}

Test(wake, a_push_and_a_pop_wake_nobody)
{
    hl_wake_planned(HL_WAKE_AWAKE);
    for (int i = 0; i < 1000; i++) {
        SCOPE("x");
        SCOPE_PROGRESS(done, "y", 3);
        scope_progress_add(done, 1);
    }
    cr_expect_eq(scripted.wakes, 0);
}

Test(wake, whoever_has_entered_is_waited_for)
{
    cr_expect(hl_wake_enter());
    hl_wake_target(NULL);
    cr_expect_not(hl_wake_is_quiet());
    hl_wake_leave();
    cr_expect(hl_wake_is_quiet());
}

Test(wake, a_forked_child_wakes_nobody_and_is_quiet)
{
    hl_wake_planned(HL_WAKE_AWAKE);
    hl_wake_enter(); /* as if another thread were inside */
    pid_t child = fork();
    if (child == 0) {
        hl_wake_after_fork_child();
        hl_wake();
        hl_wake_by(0);
        _exit(scripted.wakes == 0 && hl_wake_is_quiet() && !hl_wake_enter() ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    cr_expect_eq(status, 0);
    hl_wake();
    cr_expect_eq(scripted.wakes, 1);
}

static _Atomic bool stopping;

static void *wake_and_wake(void *unused)
{
    while (!stopping)
        hl_wake();
    return unused;
}

Test(wake, a_monitor_that_is_closed_when_all_is_quiet_is_never_touched_again)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, wake_and_wake, NULL);
    for (int i = 0; i < 300; i++) {
        hl_wake_target(NULL);
        while (!hl_wake_is_quiet())
            sched_yield();
        uint64_t wakes = scripted.wakes;
        for (int k = 0; k < 100; k++)
            cr_assert_eq(scripted.wakes, wakes);
        hl_wake_target(plat);
        while (scripted.wakes == wakes)
            sched_yield();
    }
    stopping = true;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

/* ---- no limit is missed ------------------------------------------------------------- */

/* The thread stores a limit, then looks at the plan; the monitor says that it is
 * awake, then looks at the limits. One of them must see the other, each time. */
static _Atomic uint64_t turn, answered;
static _Atomic(struct hl_record *) expecting;

static void *expect_in_turn(void *unused)
{
    scope_push("x");
    expecting = hl_registry_self();
    for (uint64_t round = 1; round <= 20000; round++) {
        while (turn < round)
            ;
        scope_expect(round);
        answered = round;
    }
    return unused;
}

Test(wake, a_limit_that_is_set_while_the_monitor_wakes_is_seen_by_one_of_the_two)
{
    pthread_t thread;
    pthread_create(&thread, NULL, expect_in_turn, NULL);
    while (!expecting)
        ;
    const struct hl_record *record = expecting;
    uint64_t missed = 0;
    for (uint64_t round = 1; round <= 20000; round++) {
        uint64_t wakes = scripted.wakes;
        hl_wake_planned(1);
        turn = round;
        for (uint64_t i = 0; i < round % 64; i++)
            __asm__ volatile("" ::: "memory");
        hl_wake_planned(HL_WAKE_AWAKE);
        uint64_t limit_ms = hl_kind_limit_ms(hl_acquire(&record->frames[0].kind));
        while (answered < round)
            ;
        missed += limit_ms != round && scripted.wakes == wakes;
    }
    pthread_join(thread, NULL);
    cr_expect_eq(missed, 0);
}
