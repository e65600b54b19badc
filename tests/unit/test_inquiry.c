/* tests/unit/test_inquiry.c - looking into suspects: what is asked, how often, and
 * what is remembered from one wake-up to the next. */
#include "../../monitor/inquiry.h"
#include "../doubles/scripted_platform.h"

#include <criterion/criterion.h>

#include <string.h>

#define MS SCRIPTED_MS
#define S SCRIPTED_S
#define EVERYTHING                                                                    \
    (HL_KNOWN(HL_PLAT_SYSCALL) | HL_KNOWN(HL_PLAT_CHANNEL) | HL_KNOWN(HL_PLAT_WAIT) | \
     HL_KNOWN(HL_PLAT_HOLDER))

static struct hl_plat *plat;
static struct hl_clock passed;
static struct hl_plat_limits limits;
static struct hl_inquiry inquiry;
static struct hl_threads threads;
static struct hl_evidence_view view;
static struct hl_evidence evidence;

static void begin(void)
{
    plat = hl_plat_open();
    hl_threads_init(&threads);
    hl_inquiry_init(&inquiry, plat, &passed, &limits);
    hl_inquiry_begin(&inquiry, scripted.now_ns);
}

static void end(void)
{
    hl_inquiry_free(&inquiry);
    hl_threads_free(&threads);
    hl_plat_close(plat);
    cr_expect_eq(scripted.mapped, 0);
}

TestSuite(inquiry, .init = begin, .fini = end);

static void wake_up_after(uint64_t ns)
{
    scripted_advance(ns);
    hl_inquiry_begin(&inquiry, scripted.now_ns);
}

static struct scripted_thread *sleeps(uint64_t tid, enum hl_plat_wait_for kind)
{
    struct scripted_thread *thread = scripted_thread(tid);
    thread->state.state = 'S';
    thread->look = (struct hl_plat_look){.known = EVERYTHING,
                                         .waits_for = kind,
                                         .call = "futex",
                                         .channel = "futex_do_wait",
                                         .descriptor = -1,
                                         .address = 0x1000 + tid,
                                         .steady = true};
    return thread;
}

static struct scripted_thread *wants_lock_of(uint64_t tid, uint64_t owner)
{
    struct scripted_thread *thread = sleeps(tid, HL_PLAT_FOR_MUTEX);
    thread->look.mutex = (struct hl_plat_mutex){
        .owner = owner, .contended = true, .is_sound = true, .hangs_its_owner = true};
    return thread;
}

static void explain(uint64_t tid, uint64_t since_ns)
{
    view = (struct hl_evidence_view){.verdict = HL_BLOCKED};
    hl_inquiry_explain(&inquiry, tid, since_ns, &view);
}

/* ---- evidence ---------------------------------------------------------------------- */

Test(inquiry, evidence_is_what_the_thread_has_done_so_far)
{
    scripted_thread(7)->cpu_ns = 5 * S;
    scripted_thread(7)->state = (struct hl_plat_thread_state){
        .state = 'D', .times_known = true, .on_core_ns = 4 * S, .run_delay_ns = 3, .switches = 2};
    hl_inquiry_evidence(&inquiry, 7, 11, &evidence);
    cr_expect(evidence.known);
    cr_expect_eq(evidence.at_ns, 11);
    cr_expect_eq(evidence.state, 'D');
    cr_expect_eq(evidence.on_core_ns, 5 * S, "the scheduler's own figure lags");
    cr_expect_eq(evidence.run_delay_ns, 3);
    cr_expect_eq(evidence.switches, 2);
    cr_expect_eq(evidence.throttled_ns, HL_UNKNOWN);
    cr_expect_eq(scripted_thread(7)->looks, 0, "it is the cheap part");
    scripted_thread(7)->cpu_unknown = true;
    hl_inquiry_evidence(&inquiry, 7, 11, &evidence);
    cr_expect_eq(evidence.on_core_ns, 4 * S);
    scripted_thread(7)->state.times_known = false;
    hl_inquiry_evidence(&inquiry, 7, 11, &evidence);
    cr_expect(evidence.known);
    cr_expect_eq(evidence.on_core_ns, HL_UNKNOWN);
    cr_expect_eq(evidence.switches, HL_UNKNOWN);
    hl_inquiry_evidence(&inquiry, 8, 11, &evidence);
    cr_expect_not(evidence.known);
}

static uint64_t throttled(void)
{
    scripted_thread(7);
    hl_inquiry_evidence(&inquiry, 7, scripted.now_ns, &evidence);
    return evidence.throttled_ns;
}

Test(inquiry, what_a_quota_took_is_read_once_at_a_wake_up)
{
    limits.quota_milli = scripted.limits.quota_milli = 1500;
    scripted.throttled_ns = 5;
    cr_expect_eq(throttled(), 5);
    scripted.throttled_ns = 6;
    cr_expect_eq(throttled(), 5);
    wake_up_after(1 * S);
    cr_expect_eq(throttled(), 6);
    scripted_missing(HL_PLAT_THROTTLED, "not here");
    wake_up_after(1 * S);
    cr_expect_eq(throttled(), HL_UNKNOWN);
    scripted_missing(HL_PLAT_THROTTLED, NULL);
    cr_expect_eq(throttled(), HL_UNKNOWN, "asked once, also where it cannot be told");
}

Test(inquiry, a_quota_is_named_when_it_took_something)
{
    limits.quota_milli = 1500;
    scripted_thread(7);
    explain(7, 0);
    cr_expect_eq(view.quota_milli, 0);
    view.throttled_ns = 3;
    hl_inquiry_explain(&inquiry, 7, 0, &view);
    cr_expect_eq(view.quota_milli, 1500);
}

/* ---- looks --------------------------------------------------------------------------- */

Test(inquiry, a_thread_is_looked_into_once_at_a_wake_up)
{
    wants_lock_of(1, 3);
    wants_lock_of(2, 3);
    sleeps(3, HL_PLAT_FOR_TIMER);
    for (int i = 0; i < 3; i++) {
        explain(1, 0);
        explain(2, 0);
        hl_inquiry_suspect(&inquiry, 1, 0);
    }
    cr_expect_eq(scripted_thread(1)->looks, 1);
    cr_expect_eq(scripted_thread(3)->looks, 1);
    wake_up_after(1);
    explain(1, 0);
    cr_expect_eq(scripted_thread(1)->looks, 2);
}

Test(inquiry, a_suspect_that_waits_for_no_thread_is_not_looked_into)
{
    cr_expect(hl_inquiry_suspect(&inquiry, wants_lock_of(1, 3)->tid, 0));
    sleeps(2, HL_PLAT_FOR_JOIN)->look.awaited = 3;
    cr_expect(hl_inquiry_suspect(&inquiry, 2, 0));
    cr_expect_not(hl_inquiry_suspect(&inquiry, sleeps(4, HL_PLAT_FOR_CONDVAR)->tid, 0));
    cr_expect_eq(scripted_thread(1)->looks, 1);
    cr_expect_eq(scripted_thread(2)->looks, 1);
    cr_expect_eq(scripted_thread(4)->looks, 0);
}

Test(inquiry, a_suspect_that_ends_meanwhile_has_no_root)
{
    wants_lock_of(1, 3)->state_unknown = true;
    cr_expect(hl_inquiry_suspect(&inquiry, 1, 0));
    cr_expect_eq(scripted_thread(1)->looks, 1);
    wake_up_after(1);
    explain(1, 0);
    cr_expect_not(view.has_root);
    cr_expect_eq(view.holder_is, HL_NO_HOLDER);
}

Test(inquiry, two_threads_that_share_a_place_are_not_mixed_up)
{
    wants_lock_of(1, 1 + HL_LOOKS_KEPT);
    sleeps(1 + HL_LOOKS_KEPT, HL_PLAT_FOR_TIMER);
    for (int i = 0; i < 3; i++) {
        explain(1, 0);
        cr_expect_eq(view.holder.thread.tid, 1 + HL_LOOKS_KEPT);
        cr_expect_str_eq(view.root_wait, "timer");
    }
}

Test(inquiry, one_that_is_gone_leaves_nothing_in_the_place_that_it_shares)
{
    wants_lock_of(1, 1 + HL_LOOKS_KEPT);
    for (int i = 0; i < 3; i++) {
        explain(1, 0);
        cr_expect_str_eq(view.wait, "mutex:0x1001");
        cr_expect_eq(view.holder_is, HL_HOLDER_UNKNOWN);
    }
}

Test(inquiry, a_look_that_failed_is_not_taken_for_one)
{
    sleeps(1, HL_PLAT_FOR_TIMER);
    explain(1, 0);
    scripted_thread(1)->state_unknown = true;
    wake_up_after(1);
    explain(1, 0);
    cr_expect_str_empty(view.wait);
    cr_expect_str_empty(view.call);
}

Test(inquiry, what_a_thread_waits_for_that_cannot_be_looked_into_is_unknown_not_nothing)
{
    static const struct {
        enum hl_verdict verdict;
        char state;
        bool is_unknown;
    } seen[] = {{HL_VERDICT_UNKNOWN, 0, true},
                {HL_BLOCKED, 'S', true},
                {HL_BUSY, 'S', false},
                {HL_STARVED, 'R', false}};
    sleeps(1, HL_PLAT_FOR_TIMER);
    scripted_thread(1)->state_unknown = true;
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        view = (struct hl_evidence_view){.verdict = seen[i].verdict, .state = seen[i].state};
        hl_inquiry_explain(&inquiry, 1, 0, &view);
        cr_expect_eq(view.call_unknown, seen[i].is_unknown);
        cr_expect_eq(view.wait_unknown, seen[i].is_unknown);
        cr_expect_eq(view.channel_unknown, seen[i].is_unknown);
        cr_expect_eq(view.holder_is, HL_NO_HOLDER);
    }
}

/* ---- what it waits for ---------------------------------------------------------------- */

Test(inquiry, a_wait_is_explained)
{
    struct hl_plat_look *look = &sleeps(1, HL_PLAT_FOR_OBJECT)->look;
    look->verb = "recv";
    look->descriptor = 17;
    strcpy(look->call, "recvfrom");
    strcpy(look->object, "socket 10.0.0.2:5432");
    strcpy(look->local, "10.0.0.1:40022");
    explain(1, 0);
    cr_expect_str_eq(view.call, "recvfrom");
    cr_expect_str_eq(view.wait, "recv:socket 10.0.0.2:5432");
    cr_expect_str_eq(view.local, "10.0.0.1:40022");
    cr_expect_str_eq(view.channel, "futex_do_wait");
    cr_expect(view.has_descriptor);
    cr_expect_eq(view.descriptor, 17);
    cr_expect_not(view.call_unknown || view.wait_unknown || view.channel_unknown);
    cr_expect_eq(view.holder_is, HL_NO_HOLDER);
    cr_expect_not(view.has_root);
    look->descriptor = -1;
    wake_up_after(1);
    explain(1, 0);
    cr_expect_not(view.has_descriptor);
}

Test(inquiry, descriptor_and_address_belong_to_an_object)
{
    struct hl_plat_look *look = &sleeps(1, HL_PLAT_FOR_TIMER)->look;
    look->descriptor = 17;
    strcpy(look->local, "10.0.0.1:40022");
    explain(1, 0);
    cr_expect_not(view.has_descriptor);
    cr_expect_str_empty(view.local);
}

Test(inquiry, of_an_object_that_was_not_read_nothing_is_said)
{
    struct hl_plat_look *look = &sleeps(1, HL_PLAT_FOR_OBJECT)->look;
    look->verb = "recv";
    look->descriptor = 17;
    strcpy(look->local, "10.0.0.1:40022");
    look->known &= ~HL_KNOWN(HL_PLAT_WAIT);
    explain(1, 0);
    cr_expect(view.wait_unknown);
    cr_expect_not(view.has_descriptor);
    cr_expect_str_empty(view.local);
}

Test(inquiry, of_one_that_runs_only_the_call_is_said)
{
    wants_lock_of(1, 2);
    sleeps(2, HL_PLAT_FOR_TIMER);
    for (int i = 0; i < 2; i++) {
        view = (struct hl_evidence_view){.verdict = i ? HL_BLOCKED : HL_BUSY};
        scripted_thread(1)->state.state = i ? 'R' : 'S';
        wake_up_after(1);
        hl_inquiry_explain(&inquiry, 1, 0, &view);
        cr_expect_str_eq(view.call, "futex");
        cr_expect_str_empty(view.wait);
        cr_expect_str_empty(view.channel);
        cr_expect_eq(view.holder_is, HL_NO_HOLDER);
        cr_expect_not(view.has_root);
        cr_expect_not(view.call_unknown || view.wait_unknown || view.channel_unknown);
    }
}

Test(inquiry, one_that_sleeps_in_the_kernel_is_explained_as_well)
{
    sleeps(1, HL_PLAT_FOR_TIMER)->state.state = 'D';
    explain(1, 0);
    cr_expect_str_eq(view.wait, "timer");
}

Test(inquiry, what_was_not_read_is_not_used)
{
    wants_lock_of(1, 2);
    sleeps(2, HL_PLAT_FOR_TIMER);
    scripted_missing(HL_PLAT_SYSCALL, "not permitted");
    explain(1, 0);
    cr_expect(view.call_unknown);
    cr_expect(view.wait_unknown);
    cr_expect_str_empty(view.call);
    cr_expect_eq(view.holder_is, HL_NO_HOLDER, "nobody knows that it is a mutex");
    cr_expect_not(view.has_root);
    view = (struct hl_evidence_view){.verdict = HL_BUSY};
    hl_inquiry_explain(&inquiry, 1, 0, &view);
    cr_expect_str_empty(view.call);
}

/* ---- who holds it ------------------------------------------------------------------------ */

Test(inquiry, the_holder_is_the_root_when_it_waits_for_no_other)
{
    wants_lock_of(1, 2);
    sleeps(2, HL_PLAT_FOR_TIMER);
    explain(1, 0);
    cr_expect_eq(view.holder_is, HL_HOLDER_KNOWN);
    cr_expect_eq(view.holder.thread.tid, 2);
    cr_expect(view.has_root);
    cr_expect_eq(view.root.thread.tid, 2);
}

Test(inquiry, a_holder_in_doubt_is_unknown_and_why)
{
    wants_lock_of(1, 2)->look.steady = false;
    sleeps(2, HL_PLAT_FOR_TIMER);
    explain(1, 0);
    cr_expect_eq(view.holder_is, HL_HOLDER_UNKNOWN);
    cr_expect_eq(view.holder.thread.tid, HL_UNKNOWN);
    cr_expect_str_eq(view.holder_why, "not certain beyond doubt");
    cr_expect_not(view.has_root);
    scripted_missing(HL_PLAT_HOLDER, "its memory cannot be read");
    wake_up_after(1);
    explain(1, 0);
    cr_expect_eq(view.holder_is, HL_HOLDER_UNKNOWN);
    cr_expect_str_eq(view.holder_why, "its memory cannot be read");
}

static enum hl_holder self_holder(void)
{
    explain(1, 0);
    cr_expect_eq(view.holder.thread.tid, view.holder_is == HL_HOLDER_KNOWN ? 1 : HL_UNKNOWN);
    cr_expect_not(view.has_root);
    return view.holder_is;
}

Test(inquiry, that_a_thread_waits_for_itself_is_known_at_the_second_look)
{
    wants_lock_of(1, 1);
    cr_expect_eq(self_holder(), HL_HOLDER_UNKNOWN);
    cr_expect_eq(self_holder(), HL_HOLDER_UNKNOWN, "at the same moment");
    wake_up_after(1 * S);
    cr_expect_eq(self_holder(), HL_HOLDER_KNOWN);
    scripted_thread(1)->state.switches++;
    wake_up_after(1 * S);
    cr_expect_eq(self_holder(), HL_HOLDER_UNKNOWN, "it has run meanwhile");
    wake_up_after(1 * S);
    cr_expect_eq(self_holder(), HL_HOLDER_KNOWN);
    scripted_thread(1)->state.start++;
    wake_up_after(1 * S);
    cr_expect_eq(self_holder(), HL_HOLDER_UNKNOWN, "another thread with its number");
}

Test(inquiry, without_its_run_count_or_start_a_wait_has_no_age)
{
    wants_lock_of(1, 1)->state.times_known = false;
    for (int i = 0; i < 3; i++, wake_up_after(1 * S))
        cr_expect_eq(self_holder(), HL_HOLDER_UNKNOWN);
    scripted_thread(1)->state.times_known = true;
    scripted_thread(1)->state.start_known = false;
    for (int i = 0; i < 3; i++, wake_up_after(1 * S))
        cr_expect_eq(self_holder(), HL_HOLDER_UNKNOWN);
}

Test(inquiry, an_owner_that_began_during_the_wait_is_another_with_its_number)
{
    wants_lock_of(1, 2);
    sleeps(2, HL_PLAT_FOR_TIMER);
    explain(1, 0);
    cr_expect_eq(view.holder_is, HL_HOLDER_KNOWN);
    wake_up_after(10 * S);
    scripted_thread(2)->state.age_ns = 9 * S;
    explain(1, 0);
    cr_expect_eq(view.holder_is, HL_HOLDER_UNKNOWN);
}

/* ---- where the chain ends ------------------------------------------------------------------- */

Test(inquiry, a_root_is_judged_by_what_it_did_since_the_first_suspicion)
{
    wants_lock_of(1, 2);
    sleeps(2, HL_PLAT_FOR_TIMER)->busy_milli = 1000;
    const uint64_t since = scripted.now_ns;
    wake_up_after(30 * S);
    scripted_thread(2)->busy_milli = 0;
    hl_inquiry_suspect(&inquiry, 1, since);
    wake_up_after(10 * S);
    explain(1, since);
    cr_expect_eq(view.root_verdict, HL_BLOCKED, "what it did before does not count");
    cr_expect_str_eq(view.root_wait, "timer");
    wake_up_after(10 * S);
    scripted_thread(2)->busy_milli = 1000;
    wake_up_after(90 * S);
    explain(1, since);
    cr_expect_eq(view.root_verdict, HL_BUSY);
    cr_expect_str_empty(view.root_wait);
}

Test(inquiry, a_root_is_judged_anew_for_a_younger_suspicion)
{
    wants_lock_of(1, 2);
    sleeps(2, HL_PLAT_FOR_TIMER)->busy_milli = 1000;
    hl_inquiry_suspect(&inquiry, 1, scripted.now_ns);
    wake_up_after(100 * S);
    scripted_thread(2)->busy_milli = 0;
    const uint64_t since = scripted.now_ns;
    wake_up_after(30 * S);
    hl_inquiry_suspect(&inquiry, 1, since);
    wake_up_after(10 * S);
    explain(1, since);
    cr_expect_eq(view.root_verdict, HL_BLOCKED);
}

Test(inquiry, a_root_that_was_never_seen_before_has_no_verdict_yet)
{
    wants_lock_of(1, 2);
    sleeps(2, HL_PLAT_FOR_TIMER);
    explain(1, 0);
    cr_expect(view.has_root);
    cr_expect_eq(view.root_verdict, HL_VERDICT_UNKNOWN);
    cr_expect_str_eq(view.root_wait, "timer");
}

Test(inquiry, what_a_running_root_waits_for_is_not_said)
{
    wants_lock_of(1, 2);
    sleeps(2, HL_PLAT_FOR_TIMER)->state.state = 'R';
    explain(1, 0);
    cr_expect(view.has_root);
    cr_expect_str_empty(view.root_wait);
}

/* ---- memory ---------------------------------------------------------------------------------- */

Test(inquiry, without_memory_only_what_needs_none_is_known)
{
    scripted.map_fails_at = 1;
    scripted.map_fails_on = true;
    wants_lock_of(1, 2);
    wants_lock_of(2, 1);
    wants_lock_of(3, 4);
    sleeps(4, HL_PLAT_FOR_TIMER);
    wants_lock_of(5, 5);
    for (int i = 0; i < 3; i++, wake_up_after(1 * S)) {
        explain(1, 0);
        cr_expect_eq(view.holder.thread.tid, 2);
        explain(3, 0);
        cr_expect_eq(view.root.thread.tid, 4);
        cr_expect_eq(view.root_verdict, HL_VERDICT_UNKNOWN);
        explain(5, 0);
        cr_expect_eq(view.holder_is, HL_HOLDER_UNKNOWN);
        cr_expect_eq(hl_inquiry_due_ns(&inquiry), HL_UNKNOWN);
    }
}

Test(inquiry, hundreds_of_suspects_are_remembered_and_of_thousands_the_latest)
{
    enum { FEW = 500, MANY = 5000 };
    for (uint64_t tid = 1; tid <= MANY; tid++)
        wants_lock_of(tid, tid);
    for (uint64_t tid = 1; tid <= FEW; tid++)
        explain(tid, 0);
    const unsigned maps = scripted.maps;
    wake_up_after(1 * MS);
    for (uint64_t tid = 1; tid <= FEW; tid++) {
        explain(tid, 0);
        cr_expect_eq(view.holder_is, HL_HOLDER_KNOWN, "%d was forgotten", (int)tid);
    }
    for (uint64_t tid = 1; tid <= MANY; tid++, wake_up_after(1))
        explain(tid, 0);
    for (uint64_t tid = MANY - FEW + 1; tid <= MANY; tid++) {
        explain(tid, 0);
        cr_expect_eq(view.holder_is, HL_HOLDER_KNOWN, "%d was forgotten", (int)tid);
    }
    cr_expect_eq(scripted.maps, maps + 1, "room for cycles; the table does not grow");
}

/* ---- threads outside any scope ------------------------------------------------------------------ */

static void heartbeat_after(uint64_t ns)
{
    hl_threads_keep(&threads);
    wake_up_after(ns);
    hl_threads_sample(&threads, plat, scripted.now_ns);
}

static void look_at_the_idle(void)
{
    hl_inquiry_idle(&inquiry, &threads, 99, 100 * S);
}

Test(inquiry, a_thread_that_used_no_cpu_for_the_limit_is_looked_into_twice_and_at_doubled_age)
{
    static const unsigned looks[] = {0, 0, 1, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5};
    sleeps(1, HL_PLAT_FOR_MUTEX);
    sleeps(99, HL_PLAT_FOR_MUTEX);
    scripted_thread(2)->busy_milli = 1;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    for (unsigned beat = 1; beat < 18; beat++) {
        heartbeat_after(50 * S);
        look_at_the_idle();
        cr_expect_eq(scripted_thread(1)->looks, looks[beat], "%u", beat);
    }
    cr_expect_eq(scripted_thread(2)->looks, 0, "it runs now and then");
    cr_expect_eq(scripted_thread(99)->looks, 0, "the monitor itself");
}

static void look_at_the_idle_for(unsigned beats)
{
    for (unsigned beat = 1; beat <= beats; beat++) {
        heartbeat_after(50 * S);
        look_at_the_idle();
    }
}

Test(inquiry, one_that_waits_for_no_thread_is_asked_once_until_it_runs)
{
    struct scripted_thread *thread = sleeps(1, HL_PLAT_FOR_CONDVAR);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    look_at_the_idle_for(50);
    cr_expect_eq(thread->questions, 1);
    thread->cpu_ns++;
    look_at_the_idle_for(50);
    cr_expect_eq(thread->questions, 2);
    cr_expect_eq(thread->looks, 0);
}

Test(inquiry, one_of_which_that_cannot_be_told_is_looked_into)
{
    sleeps(1, HL_PLAT_FOR_FUTEX)->look.is_vague = true;
    sleeps(2, HL_PLAT_FOR_TIMER)->look.known = 0;
    sleeps(3, HL_PLAT_FOR_FUTEX);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    look_at_the_idle_for(5);
    cr_expect_eq(scripted_thread(1)->looks, 3);
    cr_expect_eq(scripted_thread(2)->looks, 3);
    cr_expect_eq(scripted_thread(3)->looks, 0, "it is known to be no mutex");
}

Test(inquiry, one_that_waits_for_somebody_who_works_is_asked_but_not_looked_into)
{
    wants_lock_of(1, 2);
    sleeps(2, HL_PLAT_FOR_JOIN)->look.awaited = 3;
    sleeps(3, HL_PLAT_FOR_NOTHING)->busy_milli = 1;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    look_at_the_idle_for(5);
    cr_expect_eq(scripted_thread(1)->questions, 3, "at two limits, soon after, and at four");
    cr_expect_eq(scripted_thread(1)->looks + scripted_thread(2)->looks, 0);
    wants_lock_of(3, 1)->busy_milli = 0; /* it closes the circle */
    look_at_the_idle_for(5);
    cr_expect_eq(inquiry.deadlocks.count, 1);
}

Test(inquiry, a_long_row_of_waiters_ends)
{
    for (uint64_t tid = 1; tid <= 50; tid++)
        wants_lock_of(tid, tid + 1);
    wants_lock_of(51, 50);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    look_at_the_idle_for(100);
    cr_expect_eq(inquiry.deadlocks.count, 1);
}

Test(inquiry, one_that_ran_is_idle_anew)
{
    sleeps(1, HL_PLAT_FOR_MUTEX);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    for (unsigned beat = 1; beat <= 12; beat++) {
        heartbeat_after(50 * S);
        look_at_the_idle();
        if (beat == 6)
            scripted_thread(1)->cpu_ns++, scripted_thread(1)->state.switches++;
    }
    cr_expect_eq(scripted_thread(1)->looks, 3 + 3);
}

Test(inquiry, one_in_a_scope_is_left_to_the_judge)
{
    sleeps(1, HL_PLAT_FOR_MUTEX);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    for (unsigned beat = 1; beat <= 6; beat++) {
        heartbeat_after(50 * S);
        hl_threads_find(&threads, 1)->instrumented = true;
        look_at_the_idle();
    }
    cr_expect_eq(scripted_thread(1)->looks, 0);
}

/* What they were asked and looked into, together. */
static unsigned sum_of(uint64_t first, uint64_t count, unsigned per_question, unsigned per_look)
{
    unsigned sum = 0;
    for (uint64_t tid = first; tid < first + count; tid++)
        sum +=
            per_question * scripted_thread(tid)->questions + per_look * scripted_thread(tid)->looks;
    return sum;
}

/* Everybody's turn comes; the cost of each heartbeat has a limit. */
static void have_turns(enum hl_plat_wait_for kind, unsigned beats, unsigned limit)
{
    enum { MANY = 200 };
    for (uint64_t tid = 1000; tid < 1000 + MANY; tid++)
        sleeps(tid, kind);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    for (unsigned beat = 1, before = 0; beat <= beats; beat++) {
        heartbeat_after(50 * S);
        look_at_the_idle();
        unsigned cost = sum_of(1000, MANY, 1, 4);
        cr_expect_leq(cost, before + limit);
        before = cost;
    }
}

Test(inquiry, so_many_are_asked_at_a_heartbeat)
{
    have_turns(HL_PLAT_FOR_CONDVAR, 10, 40);
    cr_expect_eq(sum_of(1000, 200, 1, 1), 200);
}

Test(inquiry, fewer_are_looked_into_at_a_heartbeat)
{
    have_turns(HL_PLAT_FOR_MUTEX, 80, 40 + 4);
    for (uint64_t tid = 1000; tid < 1200; tid++)
        cr_expect_geq(scripted_thread(tid)->looks, 2, "%d", (int)tid);
}

Test(inquiry, of_thousands_more_are_asked)
{
    for (uint64_t tid = 1; tid <= 10000; tid++)
        sleeps(tid, HL_PLAT_FOR_CONDVAR);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    look_at_the_idle_for(2 + 32 + 1);
    cr_expect_eq(sum_of(1, 10000, 1, 0), 10000 - 1, "all but the monitor");
}

Test(inquiry, one_whose_wait_has_no_age_is_not_looked_into_for_ever)
{
    sleeps(1, HL_PLAT_FOR_MUTEX)->state.times_known = false;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    for (unsigned beat = 1; beat <= 100; beat++) {
        heartbeat_after(50 * S);
        look_at_the_idle();
    }
    cr_expect_leq(scripted_thread(1)->looks, 7);
}

/* 1 and 2 hold what the other one wants; a crowd wants what 1 holds, and is asked first. */
Test(inquiry, whoever_waits_for_a_deadlock_leads_to_it)
{
    enum { CROWD = 500 };
    for (uint64_t tid = 1000; tid < 1000 + CROWD; tid++)
        wants_lock_of(tid, 1);
    wants_lock_of(1, 2);
    wants_lock_of(2, 1);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    look_at_the_idle_for(2);
    cr_assert_eq(inquiry.deadlocks.count, 1);
    const struct hl_cycle *cycle = hl_deadlocks_find(&inquiry.deadlocks, false, 0);
    cr_expect_eq(cycle->count, 2);
    cr_expect(cycle->has_idle);
}

/* Those are the judge's. */
Test(inquiry, a_deadlock_of_threads_in_scopes_has_no_idle_one)
{
    for (uint64_t tid = 1000; tid < 1010; tid++)
        wants_lock_of(tid, 1);
    wants_lock_of(1, 2);
    wants_lock_of(2, 1);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    for (int beat = 0; beat < 5; beat++) {
        heartbeat_after(50 * S);
        hl_threads_find(&threads, 1)->instrumented = true;
        hl_threads_find(&threads, 2)->instrumented = true;
        look_at_the_idle();
    }
    cr_assert_eq(inquiry.deadlocks.count, 1);
    cr_expect_not(hl_deadlocks_find(&inquiry.deadlocks, false, 0)->has_idle);
}

static const char *why_after_the_limit(void)
{
    const char *why = NULL;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    for (unsigned beat = 1; beat <= 2 && !why; beat++) {
        heartbeat_after(50 * S);
        why = hl_inquiry_idle(&inquiry, &threads, 99, 100 * S);
    }
    return why;
}

Test(inquiry, one_whose_mutex_names_no_owner_hides_a_deadlock)
{
    sleeps(1, HL_PLAT_FOR_MUTEX)->look.known &= ~HL_KNOWN(HL_PLAT_HOLDER);
    scripted_missing(HL_PLAT_HOLDER, "its owner is not named");
    const char *why = why_after_the_limit();
    cr_assert_not_null(why);
    cr_expect_str_eq(why, "its owner is not named");
    look_at_the_idle_for(2);
    heartbeat_after(50 * S);
    cr_expect_null(hl_inquiry_idle(&inquiry, &threads, 99, 100 * S), "it was not looked into");
}

Test(inquiry, so_does_one_that_may_wait_for_a_mutex)
{
    sleeps(1, HL_PLAT_FOR_FUTEX)->look.is_vague = true;
    scripted_missing(HL_PLAT_HOLDER, "it was not learnt");
    const char *why = why_after_the_limit();
    cr_assert_not_null(why);
    cr_expect_str_eq(why, "it was not learnt");
}

Test(inquiry, one_whose_mutex_is_read_hides_nothing)
{
    sleeps(1, HL_PLAT_FOR_MUTEX)->look.known |= HL_KNOWN(HL_PLAT_HOLDER);
    cr_expect_null(why_after_the_limit());
    cr_expect_geq(scripted_thread(1)->looks, 1);
}

Test(inquiry, one_that_cannot_be_looked_into_is_not_tried_all_the_time)
{
    unsigned *looks = &sleeps(1, HL_PLAT_FOR_MUTEX)->looks;
    scripted_thread(1)->state_unknown = true;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    for (unsigned beat = 1; beat <= 100; beat++) {
        heartbeat_after(50 * S);
        look_at_the_idle();
    }
    cr_expect_leq(*looks, 7);
}

/* ---- deadlocks ------------------------------------------------------------------------------------- */

static struct hl_deadlock_member members[HL_CHAIN_LINKS];
static size_t count;
static uint64_t stalled_tid; /* 0 = nobody is */

static bool is_stalled(void *context, uint64_t tid)
{
    cr_assert_eq(context, &stalled_tid);
    return tid == stalled_tid;
}

static bool is_deadlock(void)
{
    return hl_inquiry_deadlock(&inquiry, is_stalled, &stalled_tid, members, &count);
}

/* 1 and 2 hold what the other one wants. */
static void begin_cycle(void)
{
    wants_lock_of(1, 2);
    wants_lock_of(2, 1);
    explain(1, 0);
}

Test(inquiry, a_deadlock_is_certain_at_the_second_look_and_said_once)
{
    stalled_tid = 2;
    cr_expect_eq(hl_inquiry_due_ns(&inquiry), HL_UNKNOWN);
    begin_cycle();
    cr_expect_not(is_deadlock());
    cr_expect_eq(hl_inquiry_due_ns(&inquiry), scripted.now_ns + 10 * MS);
    wake_up_after(10 * MS);
    cr_assert(is_deadlock());
    cr_expect_eq(count, 2);
    cr_expect_eq(members[0].who.thread.tid, 1);
    cr_expect_str_eq(members[0].lock, "mutex:0x1001");
    cr_expect_eq(members[1].who.thread.tid, 2);
    cr_expect_str_eq(members[1].lock, "mutex:0x1002");
    cr_expect_not(is_deadlock());
    cr_expect_eq(inquiry.deadlocks.said, 1);
    cr_expect_eq(hl_inquiry_due_ns(&inquiry), HL_UNKNOWN);
    for (int i = 0; i < 5; i++, wake_up_after(10 * S)) {
        explain(1, 0);
        cr_expect_not(is_deadlock());
    }
}

Test(inquiry, a_wake_up_that_comes_too_soon_proves_nothing)
{
    stalled_tid = 1;
    begin_cycle();
    for (int i = 0; i < 4; i++) {
        wake_up_after(1 * MS);
        cr_expect_not(is_deadlock());
    }
    cr_expect_eq(scripted_thread(1)->looks, 1);
    wake_up_after(1 * MS);
    cr_expect(is_deadlock());
}

Test(inquiry, one_that_is_certain_is_said_at_once_when_it_gets_a_suspect)
{
    begin_cycle();
    wake_up_after(10 * MS);
    cr_expect_not(is_deadlock());
    stalled_tid = 2;
    wake_up_after(1 * MS); /* however soon after the last look */
    cr_expect(is_deadlock());
}

Test(inquiry, without_a_suspect_in_it_a_cycle_waits_until_there_is_one)
{
    begin_cycle();
    stalled_tid = 3; /* outside */
    wake_up_after(10 * MS);
    cr_expect_not(is_deadlock());
    cr_expect_eq(hl_inquiry_due_ns(&inquiry), HL_UNKNOWN, "it is known well enough");
    const unsigned looks = scripted_thread(1)->looks;
    for (int i = 0; i < 5; i++, wake_up_after(30 * S))
        cr_expect_not(is_deadlock());
    cr_expect_eq(scripted_thread(1)->looks, looks, "and not looked at again");
    stalled_tid = 2;
    cr_expect(is_deadlock());
    cr_expect_eq(scripted_thread(1)->looks, looks + 1, "but for the last time");
}

Test(inquiry, one_that_dissolved_is_none)
{
    stalled_tid = 1;
    begin_cycle();
    sleeps(2, HL_PLAT_FOR_TIMER);
    wake_up_after(10 * MS);
    cr_expect_not(is_deadlock());
    cr_expect_eq(inquiry.deadlocks.count, 0);
    cr_expect_eq(hl_inquiry_due_ns(&inquiry), HL_UNKNOWN);
}

Test(inquiry, one_whose_thread_is_gone_is_none)
{
    stalled_tid = 2;
    begin_cycle();
    scripted_thread_gone(1);
    wake_up_after(10 * MS);
    cr_expect_not(is_deadlock());
    cr_expect_eq(inquiry.deadlocks.count, 0);
}

Test(inquiry, of_several_that_dissolved_each_is_forgotten_and_the_rest_is_said)
{
    for (uint64_t first = 1; first < 9; first += 2) {
        wants_lock_of(first, first + 1);
        wants_lock_of(first + 1, first);
        explain(first, 0);
    }
    cr_expect_eq(inquiry.deadlocks.count, 4);
    sleeps(1, HL_PLAT_FOR_TIMER);
    sleeps(3, HL_PLAT_FOR_TIMER);
    stalled_tid = 7;
    wake_up_after(10 * MS);
    cr_assert(is_deadlock());
    cr_expect_eq(members[0].who.thread.tid, 7);
    cr_expect_not(is_deadlock());
    cr_expect_eq(inquiry.deadlocks.count, 2);
}

Test(inquiry, one_in_which_somebody_ran_starts_over)
{
    stalled_tid = 1;
    begin_cycle();
    for (int i = 0; i < 3; i++) {
        scripted_thread(2)->state.switches++;
        wake_up_after(10 * MS);
        cr_expect_not(is_deadlock());
        cr_expect_eq(hl_inquiry_due_ns(&inquiry), scripted.now_ns + 10 * MS);
    }
    wake_up_after(10 * MS);
    cr_expect(is_deadlock());
}

Test(inquiry, a_lock_of_which_nothing_is_known_is_unknown)
{
    stalled_tid = 1;
    wants_lock_of(1, 2)->look.known &= ~HL_KNOWN(HL_PLAT_WAIT);
    wants_lock_of(2, 1);
    explain(1, 0);
    wake_up_after(10 * MS);
    cr_assert(is_deadlock());
    cr_expect_str_empty(members[0].lock);
    cr_expect_str_eq(members[1].lock, "mutex:0x1002");
}
