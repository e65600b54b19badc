/* tests/unit/test_verdict.c - two looks at a thread into a word. */
#include "../../monitor/verdict.h"

#include <criterion/criterion.h>

#define SECOND 1000000000ull

static struct hl_evidence then = {.known = true, .switches = 7, .sleeps = HL_UNKNOWN, .state = 'S'};
static struct hl_evidence now;
static struct hl_evidence_view view;

/* What ten seconds looked like, in thousandths. */
static void judge(uint64_t cpu, uint64_t delay)
{
    now = then;
    now.on_core_ns += cpu * SECOND / 100;
    now.run_delay_ns += delay * SECOND / 100;
    now.switches += 5;
    hl_verdict(&then, &now, 10 * SECOND, &view);
}

Test(verdict, sixty_percent_on_a_core_is_busy)
{
    judge(600, 0);
    cr_expect_eq(view.verdict, HL_BUSY);
    judge(600, 400);
    cr_expect_eq(view.verdict, HL_BUSY);
    judge(1000, 0);
    cr_expect_eq(view.verdict, HL_BUSY);
}

Test(verdict, sixty_percent_runnable_without_a_core_is_starved)
{
    judge(0, 600);
    cr_expect_eq(view.verdict, HL_STARVED);
    judge(399, 601);
    cr_expect_eq(view.verdict, HL_STARVED);
}

Test(verdict, sixty_percent_asleep_is_blocked)
{
    judge(0, 0);
    cr_expect_eq(view.verdict, HL_BLOCKED);
    judge(200, 200);
    cr_expect_eq(view.verdict, HL_BLOCKED);
}

Test(verdict, anything_else_is_mixed)
{
    judge(201, 200);
    cr_expect_eq(view.verdict, HL_MIXED);
    judge(599, 0);
    cr_expect_eq(view.verdict, HL_MIXED);
    judge(300, 599);
    cr_expect_eq(view.verdict, HL_MIXED);
}

Test(verdict, the_numbers_behind_it_are_shares)
{
    judge(125, 250);
    cr_expect_eq(view.cpu_milli, 125);
    cr_expect_eq(view.run_delay_milli, 250);
    cr_expect_eq(view.state, 'S');
    judge(1700, 1700);
    cr_expect_eq(view.cpu_milli, 1000, "never more than all");
    cr_expect_eq(view.run_delay_milli, 0, "and not more than all of both");
    judge(0, 1700);
    cr_expect_eq(view.run_delay_milli, 1000);
}

Test(verdict, a_counter_that_ran_backwards_is_nothing)
{
    judge(0, 0);
    then.on_core_ns = then.run_delay_ns = 5 * SECOND;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.cpu_milli, 0);
    cr_expect_eq(view.run_delay_milli, 0);
}

static void expect_unknown(void)
{
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.verdict, HL_VERDICT_UNKNOWN);
    cr_expect_eq(view.cpu_milli, HL_UNKNOWN);
    cr_expect_eq(view.run_delay_milli, HL_UNKNOWN);
}

Test(verdict, without_two_looks_there_is_none)
{
    now = then;
    then.known = false;
    expect_unknown();
    cr_expect_eq(view.state, 'S');
    then.known = true;
    now.known = false;
    expect_unknown();
    cr_expect_eq(view.state, 0);
}

Test(verdict, without_a_time_between_them_there_is_none)
{
    now = then;
    hl_verdict(&then, &now, 0, &view);
    cr_expect_eq(view.verdict, HL_VERDICT_UNKNOWN);
}

Test(verdict, what_cannot_be_told_is_not_guessed)
{
    judge(0, 0);
    now.on_core_ns = HL_UNKNOWN;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.verdict, HL_VERDICT_UNKNOWN);
    judge(300, 0);
    now.run_delay_ns = HL_UNKNOWN;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.verdict, HL_VERDICT_UNKNOWN, "asleep, or starved?");
    cr_expect_eq(view.cpu_milli, 300);
    judge(700, 0);
    now.run_delay_ns = HL_UNKNOWN;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.verdict, HL_BUSY, "that much is certain");
}

/* The kernel charges run delay when the thread next runs. */
Test(verdict, runnable_at_both_ends_and_never_switched_is_starved_though_no_counter_moved)
{
    then.state = 'R';
    now = then;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.verdict, HL_STARVED);
    cr_expect_eq(view.run_delay_milli, 1000);
    now.on_core_ns += 7 * SECOND;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.verdict, HL_BUSY);
    cr_expect_eq(view.run_delay_milli, 300);
}

Test(verdict, runnable_at_both_ends_and_never_asleep_waited_for_a_core_all_the_rest)
{
    judge(100, 700); /* the last wait, of 2 seconds, is not charged yet */
    then.state = now.state = 'R';
    now.switches = then.switches + 5;
    then.sleeps = now.sleeps = 7;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.run_delay_milli, 900);
    now.sleeps++;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.run_delay_milli, 700, "it slept");
    then.sleeps = now.sleeps = HL_UNKNOWN;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.run_delay_milli, 700, "perhaps it slept");
}

Test(verdict, what_was_waited_before_the_first_look_and_charged_after_it_does_not_count)
{
    judge(380, 800);
    cr_expect_eq(view.run_delay_milli, 620);
}

Test(verdict, one_that_ran_or_slept_meanwhile_is_taken_at_its_counters)
{
    then.state = 'R';
    now = then;
    now.switches++;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.verdict, HL_BLOCKED);
    now.switches = then.switches;
    now.state = 'S';
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.verdict, HL_BLOCKED);
    now.state = 'R';
    then.state = 'S';
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.verdict, HL_BLOCKED);
}

Test(verdict, unknown_switches_or_times_prove_nothing)
{
    then.state = 'R';
    then.switches = HL_UNKNOWN;
    now = then;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.verdict, HL_BLOCKED);
    then.switches = now.switches = 3;
    now.run_delay_ns = HL_UNKNOWN;
    now.on_core_ns++;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.run_delay_milli, HL_UNKNOWN);
    now.on_core_ns = HL_UNKNOWN;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    cr_expect_eq(view.cpu_milli, HL_UNKNOWN);
}

/* ---- where no run delay is told ------------------------------------------------------ */

/* What ten seconds looked like to a system that tells state and CPU time alone. */
static void judge_blind(char before, char after, uint64_t cpu)
{
    then = (struct hl_evidence){.known = true,
                                .state = before,
                                .run_delay_ns = HL_UNKNOWN,
                                .switches = HL_UNKNOWN,
                                .sleeps = HL_UNKNOWN};
    now = then;
    now.state = after;
    now.on_core_ns = cpu * SECOND / 100;
    hl_verdict(&then, &now, 10 * SECOND, &view);
}

Test(verdict, one_that_did_not_run_stayed_what_it_was)
{
    judge_blind('R', 'R', 0);
    cr_expect_eq(view.verdict, HL_STARVED);
    cr_expect_eq(view.run_delay_milli, 1000);
    judge_blind('S', 'S', 0);
    cr_expect_eq(view.verdict, HL_BLOCKED);
    cr_expect_eq(view.run_delay_milli, 0);
    judge_blind('D', 'S', 0);
    cr_expect_eq(view.verdict, HL_BLOCKED);
    cr_expect_eq(view.run_delay_milli, 0);
}

Test(verdict, one_that_ran_a_little_and_slept_at_both_looks_is_blocked)
{
    judge_blind('S', 'S', 100);
    cr_expect_eq(view.verdict, HL_BLOCKED);
    cr_expect_eq(view.run_delay_milli, HL_UNKNOWN, "nobody said so");
    judge_blind('S', 'S', 101);
    cr_expect_eq(view.verdict, HL_VERDICT_UNKNOWN);
    judge_blind('R', 'R', 1);
    cr_expect_eq(view.verdict, HL_VERDICT_UNKNOWN, "it may have slept");
}

Test(verdict, one_that_changed_is_busy_or_not_to_be_told)
{
    static const char changes[][2] = {{'R', 'S'}, {'S', 'R'}, {0, 'S'}, {'S', 0}, {'R', 0}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        judge_blind(changes[i][0], changes[i][1], 0);
        cr_expect_eq(view.verdict, HL_VERDICT_UNKNOWN);
        cr_expect_eq(view.run_delay_milli, HL_UNKNOWN);
        judge_blind(changes[i][0], changes[i][1], 600);
        cr_expect_eq(view.verdict, HL_BUSY);
    }
}

Test(verdict, stopped_is_what_the_scheduler_calls_t)
{
    struct hl_evidence evidence = {.known = true, .state = 't'};
    cr_expect(hl_evidence_is_stopped(&evidence));
    evidence.state = 'T';
    cr_expect(hl_evidence_is_stopped(&evidence));
    evidence.state = 'S';
    cr_expect_not(hl_evidence_is_stopped(&evidence));
    evidence.known = false;
    evidence.state = 't';
    cr_expect_not(hl_evidence_is_stopped(&evidence));
}

/* ---- what a quota took -------------------------------------------------------------- */

static uint64_t throttled(uint64_t cpu, uint64_t delay, uint64_t before, uint64_t after)
{
    judge(cpu, delay);
    then.throttled_ns = before;
    now.throttled_ns = after;
    hl_verdict(&then, &now, 10 * SECOND, &view);
    return view.throttled_ns;
}

Test(verdict, what_a_quota_took_is_a_reason_for_a_lack_of_cpu)
{
    cr_expect_eq(throttled(0, 900, 5, 12), 7);
    cr_expect_eq(view.verdict, HL_STARVED);
    cr_expect_eq(throttled(300, 300, 5, 12), 7);
    cr_expect_eq(view.verdict, HL_MIXED);
}

Test(verdict, it_is_none_for_one_that_sleeps_or_has_its_core)
{
    cr_expect_eq(throttled(0, 0, 5, 12), 0);
    cr_expect_eq(view.verdict, HL_BLOCKED);
    cr_expect_eq(throttled(900, 0, 5, 12), 0);
    cr_expect_eq(view.verdict, HL_BUSY);
}

Test(verdict, a_quota_that_came_went_or_was_changed_took_nothing_that_is_known)
{
    cr_expect_eq(throttled(0, 900, HL_UNKNOWN, 12), 0);
    cr_expect_eq(throttled(0, 900, 5, HL_UNKNOWN), 0);
    cr_expect_eq(throttled(0, 900, HL_UNKNOWN, HL_UNKNOWN), 0);
    cr_expect_eq(throttled(0, 900, 12, 5), 0);
    then.known = false;
    cr_expect_eq(throttled(0, 900, 5, 12), 0);
}

/* ---- the same wait -------------------------------------------------------------------- */

Test(verdict, one_that_sleeps_and_has_not_run_is_in_the_same_wait)
{
    now = then;
    cr_expect(hl_evidence_is_same_wait(&then, &now));
    now.state = 'D';
    cr_expect(hl_evidence_is_same_wait(&then, &now));
    then.state = 'R'; /* it went to sleep at once, and was never seen on a core again */
    cr_expect(hl_evidence_is_same_wait(&then, &now));
}

Test(verdict, one_that_runs_has_run_or_cannot_be_told_is_not)
{
    static const char others[] = {'R', 'T', 't', 'Z', 0};
    for (size_t i = 0; i < sizeof others; i++) {
        now = then;
        now.state = others[i];
        cr_expect_not(hl_evidence_is_same_wait(&then, &now), "%c", others[i]);
    }
    now = then;
    now.switches++;
    cr_expect_not(hl_evidence_is_same_wait(&then, &now));
    now = then;
    now.known = false;
    cr_expect_not(hl_evidence_is_same_wait(&then, &now));
    cr_expect_not(hl_evidence_is_same_wait(&now, &then));
    then.switches = now.switches = HL_UNKNOWN;
    now.known = true;
    cr_expect_not(hl_evidence_is_same_wait(&then, &now));
}
