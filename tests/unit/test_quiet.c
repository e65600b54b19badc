/* tests/unit/test_quiet.c - QUIET lines, as a whole session tells them under a fake clock. */
#include "story.h"

#define EVERYTHING (HL_KNOWN(HL_PLAT_SYSCALL) | HL_KNOWN(HL_PLAT_CHANNEL) | HL_KNOWN(HL_PLAT_WAIT))
#define LIMIT (2 * MINUTE)
#define CERTAIN (LIMIT + 4 * MS) /* a tick later, as stalls are */

static struct hl_plat_look waiting_for(enum hl_plat_wait_for kind)
{
    return (struct hl_plat_look){.known = EVERYTHING,
                                 .waits_for = kind,
                                 .call = "futex",
                                 .descriptor = -1,
                                 .verb = "read",
                                 .object = "pipe",
                                 .address = 0x1000};
}

/* The main thread reads from a pipe; nobody does anything. */
static void set_up(void)
{
    story_set_up();
    scripted.has_others = true;
    scripted.others = (struct hl_plat_others){1, 1000, 64, 5 * S};
    scripted_thread(STORY_MAIN_TID)->look = waiting_for(HL_PLAT_FOR_OBJECT);
}

TestSuite(quiet, .init = set_up);

static struct scripted_thread *thread(uint64_t tid, enum hl_plat_wait_for kind)
{
    struct scripted_thread *thread = scripted_thread(tid);
    thread->state.state = 'S';
    thread->look = waiting_for(kind);
    scripted.others.threads++;
    return thread;
}

static void expect_at(size_t n, uint64_t at_ns, uint64_t for_ns)
{
    const struct story_line *quiet = story_find("QUIET", n);
    cr_expect_eq(quiet->at_ns, at_ns, "after %lu ms", (unsigned long)(quiet->at_ns / MS));
    story_expect_number(quiet, "for_ms", for_ns / MS);
}

/* ---- what a line says ---------------------------------------------------------------- */

Test(quiet, a_process_that_stands_still_is_told_with_what_it_waits_for)
{
    for (uint64_t tid = 200; tid < 212; tid++)
        thread(tid, HL_PLAT_FOR_CONDVAR)->look.address = tid;
    story_run(LIMIT + 1 * S);
    story_expect_count("QUIET", 1);
    const struct story_line *quiet = story_find("QUIET", 0);
    expect_at(0, CERTAIN, CERTAIN);
    cr_expect_eq(quiet->level, MONITOR_INFO);
    story_expect_has(quiet, "\"record\":\"QUIET\",\"for_ms\":120004,\"threads\":13,"
                            "\"waits\":\"12 condvar; 1 read:pipe\"}");
    story_expect_count("unavailable", 0);
}

Test(quiet, it_reads_the_same_in_text)
{
    story.options.format = MONITOR_TEXT;
    thread(200, HL_PLAT_FOR_MUTEX);
    story_run(LIMIT + 1 * S);
    story_expect_has(story_find("QUIET", 0),
                     "] QUIET for=2m00s threads=2 waits=\"1 read:pipe; 1 mutex:0x1000\"");
}

Test(quiet, a_page_that_does_not_come_and_a_thread_that_has_ended_are_told)
{
    struct scripted_thread *page = thread(200, HL_PLAT_FOR_NOTHING);
    page->state.state = 'D';
    strcpy(page->look.channel, "folio_wait_bit_common");
    scripted_thread(STORY_MAIN_TID)->state.state = 'Z';
    scripted_thread(STORY_MAIN_TID)->look.waits_for = HL_PLAT_FOR_NOTHING;
    thread(201, HL_PLAT_FOR_NOTHING);
    story_run(LIMIT + 1 * S);
    story_expect_has(story_find("QUIET", 0),
                     "\"waits\":\"1 ended; 1 wchan:folio_wait_bit_common; 1 ?\"");
}

/* ---- what is not known ------------------------------------------------------------------ */

Test(quiet, without_evidence_nothing_is_said)
{
    scripted.has_others = false;
    story_run(60 * MINUTE);
    story_expect_count("QUIET", 0);
    cr_expect_gt(scripted.others_readings, 10);
}

Test(quiet, without_a_list_of_threads_nothing_is_said)
{
    scripted_missing(HL_PLAT_THREAD_LIST, "no list here");
    story_run(60 * MINUTE);
    story_expect_count("QUIET", 0);
}

Test(quiet, a_wait_that_is_hidden_is_unknown_and_has_a_reason)
{
    thread(200, HL_PLAT_FOR_CONDVAR)->look.known = HL_KNOWN(HL_PLAT_SYSCALL);
    thread(201, HL_PLAT_FOR_CONDVAR)->look.known = 0;
    scripted_missing(HL_PLAT_WAIT, "hidden");
    scripted_thread(STORY_MAIN_TID)->look.waits_for = HL_PLAT_FOR_CALL;
    strcpy(scripted_thread(STORY_MAIN_TID)->look.call, "io_getevents");
    story_run(LIMIT + 1 * S);
    story_expect_has(story_find("QUIET", 0), "\"waits\":\"2 ?; 1 io_getevents\"");
    story_expect_count("unavailable", 2);
    story_expect_has(story_find("unavailable", 0), "\"key\":\"syscall\"");
    story_expect_has(story_find("unavailable", 1), "\"key\":\"wait\",\"reason\":\"hidden\"");
}

Test(quiet, where_no_wait_is_known_there_are_no_words)
{
    scripted_missing(HL_PLAT_SYSCALL, "not told here");
    thread(200, HL_PLAT_FOR_CONDVAR);
    story_run(LIMIT + 1 * S);
    story_expect_has(story_find("QUIET", 0), "\"threads\":2,\"waits\":null}");
    story_expect_count("unavailable", 1);
    story_expect_has(story_find("unavailable", 0),
                     "\"key\":\"syscall\",\"reason\":\"not told here\"");
}

Test(quiet, one_whose_state_is_unknown_is_not_known_to_run)
{
    scripted_missing(HL_PLAT_THREAD_STATE, "too many open files");
    story_run(LIMIT + 1 * S);
    story_expect_has(story_find("QUIET", 0), "\"threads\":1,\"waits\":null}");
    story_expect_count("unavailable", 1);
    story_expect_has(story_find("unavailable", 0),
                     "\"key\":\"state\",\"reason\":\"too many open files\"");
}

Test(quiet, one_that_has_just_gone_is_no_reason_to_complain)
{
    thread(200, HL_PLAT_FOR_CONDVAR)->state_unknown = true;
    story_run(LIMIT + 1 * S);
    story_expect_has(story_find("QUIET", 0), "\"waits\":\"1 read:pipe; 1 ?\"");
    story_expect_count("unavailable", 0);
}

Test(quiet, where_a_deadlock_could_not_be_told_there_is_a_reason)
{
    thread(200, HL_PLAT_FOR_FUTEX)->look.is_vague = true;
    scripted_missing(HL_PLAT_HOLDER, "copying is not permitted");
    story.options.interval_ms = 3600 * 1000; /* it is said without one */
    story_run(10 * LIMIT);
    cr_expect_geq(story_count("QUIET"), 3);
    story_expect_has(story_find("QUIET", 0), "\"waits\":\"1 read:pipe; 1 futex\"");
    story_expect_count("unavailable", 1);
    story_expect_has(story_find("unavailable", 0),
                     "\"key\":\"holder\",\"reason\":\"copying is not permitted\"");
}

Test(quiet, what_is_just_being_learnt_is_no_reason)
{
    thread(200, HL_PLAT_FOR_FUTEX)->look.is_vague = true;
    scripted.is_learning = true;
    story_run(LIMIT + 1 * S);
    story_expect_count("QUIET", 1);
    story_expect_count("unavailable", 0);
}

static void set_known(uintptr_t is_known)
{
    scripted.has_others = is_known;
}

Test(quiet, a_reading_that_is_missed_does_no_harm)
{
    story_call(29 * S, set_known, false);
    story_call(119 * S, set_known, true);
    story_run(LIMIT + 1 * S);
    expect_at(0, CERTAIN, CERTAIN);
}

Test(quiet, one_that_is_missed_at_the_limit_is_made_up_for)
{
    story_call(110 * S, set_known, false);
    story_call(125 * S, set_known, true);
    story_run(10 * MINUTE);
    expect_at(0, 150 * S, 150 * S);
    expect_at(1, 2 * LIMIT, 2 * LIMIT);
}

/* ---- who moves --------------------------------------------------------------------------- */

static void switch_once(uintptr_t unused)
{
    (void)unused;
    scripted.others.switches++;
}

/* A reading shows it at the next look; the looks are half a minute apart. */
Test(quiet, one_that_wakes_up_for_a_moment_begins_it_anew)
{
    story_call(100 * S, switch_once, 0);
    story_run(LIMIT + 121 * S);
    story_expect_count("QUIET", 1);
    expect_at(0, LIMIT + CERTAIN, CERTAIN);
}

static void end_one(uintptr_t unused)
{
    (void)unused;
    scripted.others.threads--;
}

static void read_a_block(uintptr_t unused)
{
    (void)unused;
    scripted.others.blocks++;
}

Test(quiet, so_does_a_thread_that_ends_and_a_block_that_is_read)
{
    thread(200, HL_PLAT_FOR_TIMER);
    story_call(31 * S, end_one, 0);
    story_call(61 * S, read_a_block, 0);
    story_run(LIMIT + 91 * S);
    story_expect_count("QUIET", 1);
    expect_at(0, CERTAIN + 90 * S, CERTAIN);
}

static void burn_a_core(void)
{
    scripted.others.cpu_ns = scripted.now_ns;
}

Test(quiet, one_that_keeps_its_core_is_never_switched_and_is_seen_all_the_same)
{
    scripted.others_hook = burn_a_core;
    story_run(30 * MINUTE);
    story_expect_count("QUIET", 0);
}

static void jitter(void)
{
    static unsigned turn;
    scripted.others.cpu_ns = 5 * S + (turn++ % 2) * 900000;
}

Test(quiet, cpu_time_that_is_read_a_moment_later_is_nobodys)
{
    scripted.others_hook = jitter;
    story_run(LIMIT + 1 * S);
    expect_at(0, CERTAIN, CERTAIN);
}

Test(quiet, the_monitors_own_work_is_not_in_it)
{
    story.options.interval_ms = 1000;
    scripted.busy_milli = 500;
    scripted_thread(STORY_MONITOR_TID)->busy_milli = 500;
    story_run(LIMIT + 1 * S);
    story_expect_count("QUIET", 1);
    expect_at(0, CERTAIN, CERTAIN);
    cr_expect_eq(scripted_thread(STORY_MONITOR_TID)->looks, 0, "it is not asked either");
}

static void get_up(uintptr_t state)
{
    scripted_thread(200)->state.state = (char)state;
}

Test(quiet, one_that_wants_to_run_or_is_stopped_is_not_quiet)
{
    static const char states[] = "RTt";
    for (size_t i = 0; i < 3; i++) {
        if (i == 0)
            thread(200, HL_PLAT_FOR_CONDVAR);
        story_call(0, get_up, (uintptr_t)states[i]);
        story_call(5 * MINUTE, get_up, 'S');
        story_run(8 * MINUTE);
        story_expect_count("QUIET", 1);
        cr_expect_geq(story_find("QUIET", 0)->at_ns, 7 * MINUTE);
        story_expect_number(story_find("QUIET", 0), "for_ms", CERTAIN / MS);
    }
}

static void wake_up_when_asked(struct scripted_thread *asked)
{
    asked->look_hook = NULL;
    scripted.others.switches++;
}

Test(quiet, one_that_runs_while_the_others_are_asked_is_seen)
{
    scripted_thread(STORY_MAIN_TID)->look_hook = wake_up_when_asked;
    story_run(10 * MINUTE);
    story_expect_number(story_find("QUIET", 0), "for_ms", CERTAIN / MS);
    cr_expect_gt(story_find("QUIET", 0)->at_ns, 2 * LIMIT);
}

static void hide_when_asked(struct scripted_thread *asked)
{
    asked->look_hook = NULL;
    scripted.has_others = false;
}

Test(quiet, when_that_cannot_be_told_nothing_is_said)
{
    scripted_thread(STORY_MAIN_TID)->look_hook = hide_when_asked;
    story_run(10 * MINUTE);
    story_expect_count("QUIET", 0);
}

/* ---- when --------------------------------------------------------------------------------- */

Test(quiet, reminders_come_at_doubled_age)
{
    story_run(60 * MINUTE);
    story_expect_count("QUIET", 5);
    expect_at(0, CERTAIN, CERTAIN);
    for (size_t i = 1; i < 5; i++)
        expect_at(i, LIMIT << i, LIMIT << i);
}

Test(quiet, after_a_sign_of_life_it_is_said_anew_and_nothing_in_between)
{
    story_call(5 * MINUTE, switch_once, 0);
    story_run(12 * MINUTE);
    story_expect_count("QUIET", 4);
    expect_at(1, 2 * LIMIT, 2 * LIMIT);
    expect_at(2, story_find("QUIET", 2)->at_ns, CERTAIN);
    cr_expect_geq(story_find("QUIET", 2)->at_ns, 7 * MINUTE);
    cr_expect_leq(story_find("QUIET", 2)->at_ns, 7 * MINUTE + 31 * S);
    story_expect_number(story_find("QUIET", 3), "for_ms", 2 * LIMIT / MS);
}

Test(quiet, it_wakes_the_monitor_once_for_each_line)
{
    story.options.interval_ms = 3600 * 1000;
    scripted.has_others = false;
    story_run(50 * MINUTE + 7 * S);
    uint64_t turns = story.turns;
    scripted.has_others = true;
    story.options.stall_ms = 7 * 60 * 1000;
    story_run(50 * MINUTE + 7 * S);
    story_expect_count("QUIET", 3);
    cr_expect_leq(story.turns, turns + 3);
}

Test(quiet, more_looks_are_no_more_readings)
{
    story_push(0, 0, "soon");
    story_expect(0, 0, 40 * MS);
    thread(200, HL_PLAT_FOR_SIGNAL);
    story_run(LIMIT + 1 * S);
    cr_expect_gt(story.turns, 10000);
    story_expect_count("QUIET", 1);
    expect_at(0, CERTAIN, CERTAIN);
    cr_expect_leq(scripted.others_readings, 12);
}

Test(quiet, time_in_which_the_process_was_stopped_does_not_count)
{
    story_stopped(60 * S, 10 * MINUTE, "stopped");
    story_run(2 * LIMIT + 1 * S);
    story_expect_count("QUIET", 2);
    expect_at(0, CERTAIN, CERTAIN);
    expect_at(1, 2 * LIMIT, 2 * LIMIT);
    cr_expect_eq(story_find("QUIET", 0)->raw_ns - story.began_ns, CERTAIN + 10 * MINUTE);
}

Test(quiet, never_means_never)
{
    story.options.stall_ms = 0;
    story_run(60 * MINUTE);
    story_expect_count("QUIET", 0);
    cr_expect_eq(scripted.others_readings, 0);
}

Test(quiet, each_run_begins_anew)
{
    story_run(LIMIT - 1 * S);
    story_run(LIMIT - 1 * S);
    story_expect_count("QUIET", 0);
}

/* ---- who needs no such line ----------------------------------------------------------------- */

Test(quiet, of_threads_that_are_all_reported_or_declared_waiting_nothing_more_is_said)
{
    story_idle(0, 0, "for clients");
    story_push(0, 1, "write checkpoint");
    story_hire(1);
    scripted.others.threads = 2;
    story_run(60 * MINUTE);
    cr_expect_geq(story_count("STALL"), 1);
    story_expect_count("QUIET", 0);
    cr_expect_eq(scripted_thread(STORY_MAIN_TID)->looks, 0, "nobody is asked for nothing");
}

Test(quiet, one_more_thread_and_it_is)
{
    story_idle(0, 0, "for clients");
    story_push(0, 1, "write checkpoint");
    thread(200, HL_PLAT_FOR_SIGNAL);
    scripted_thread(story_tid(1))->look = waiting_for(HL_PLAT_FOR_OBJECT);
    scripted.others.threads = 3;
    story_run(LIMIT + 1 * S);
    story_expect_has(story_find("QUIET", 0), "\"threads\":3,\"waits\":\"2 read:pipe; 1 signal\"");
}

static void be_back(uintptr_t unused)
{
    (void)unused;
    thread(200, HL_PLAT_FOR_SIGNAL);
}

Test(quiet, what_was_not_worth_a_line_is_asked_again_at_doubled_age_only)
{
    story_idle(0, 0, "for clients");
    story_call(121 * S, be_back, 0);
    story_run(6 * MINUTE);
    story_expect_count("QUIET", 1);
    cr_expect_geq(story_find("QUIET", 0)->at_ns, 4 * MINUTE);
}

/* ---- deadlocks ------------------------------------------------------------------------------ */

static void wants_lock_of(uint64_t tid, uint64_t owner)
{
    struct scripted_thread *waiter = scripted_thread(tid);
    waiter->state.state = 'S';
    waiter->look = waiting_for(HL_PLAT_FOR_MUTEX);
    waiter->look.known |= HL_KNOWN(HL_PLAT_HOLDER);
    waiter->look.steady = true;
    waiter->look.mutex = (struct hl_plat_mutex){
        .owner = owner, .contended = true, .is_sound = true, .hangs_its_owner = true};
}

static void close_circle(uint64_t one, uint64_t other)
{
    wants_lock_of(one, other);
    wants_lock_of(other, one);
    scripted.others.threads += 2;
}

static void run_for_the_last_time(uintptr_t tid)
{
    scripted_thread(tid)->cpu_ns += MS;
    scripted.others.switches++;
}

/* Heartbeats would find it an hour later. */
Test(quiet, a_deadlock_is_looked_for_as_soon_as_nobody_moves)
{
    story.options.interval_ms = 3600 * 1000;
    close_circle(200, 201);
    story_call(10 * S, run_for_the_last_time, 200);
    story_call(10 * S, run_for_the_last_time, 201);
    story_run(30 * MINUTE);
    expect_at(0, 30 * S + CERTAIN, CERTAIN);
    story_expect_count("DEADLOCK", 1);
    cr_expect_eq(story_find("DEADLOCK", 0)->at_ns, 30 * S + CERTAIN + 10 * MS);
    story_expect_has(story_find("DEADLOCK", 0), "\"thread1_tid\":200,");
    story_expect_count("beat", 0);
}

Test(quiet, threads_that_may_wait_are_in_no_deadlock_then_either)
{
    story.options.interval_ms = 3600 * 1000;
    story_idle(0, 1, "may wait");
    story_idle(0, 2, "may wait");
    close_circle(story_tid(1), story_tid(2));
    story_run(30 * MINUTE);
    cr_expect_geq(story_count("QUIET"), 1);
    story_expect_count("DEADLOCK", 0);
}

/* ---- many ----------------------------------------------------------------------------------- */

Test(quiet, of_many_threads_some_are_asked_and_the_rest_is_counted)
{
    for (uint64_t tid = 1000; tid < 11000; tid++)
        thread(tid, HL_PLAT_FOR_CONDVAR);
    scripted.others.threads = 10001;
    story_run(LIMIT + 1 * S);
    story_expect_has(story_find("QUIET", 0),
                     "\"threads\":10001,\"waits\":\"255 condvar; 1 read:pipe; 9745 other\"");
    unsigned looks = 0;
    for (uint64_t tid = 1000; tid < 11000; tid++)
        looks += scripted_thread(tid)->looks;
    cr_expect_eq(looks, 255);
}

Test(quiet, who_is_asked_does_not_depend_on_where_the_monitor_stands_in_the_list)
{
    scripted_thread_gone(STORY_MONITOR_TID);
    scripted.others.threads = 1;
    for (uint64_t tid = 1000; tid < 1000 + HL_TALLY_KINDS + 50; tid++)
        thread(tid, HL_PLAT_FOR_TIMER);
    strcpy(scripted_thread(STORY_MONITOR_TID)->name, "heartline");
    story_run(LIMIT + 1 * S);
    story_expect_has(story_find("QUIET", 0), "\"waits\":\"255 timer; 1 read:pipe; 51 other\"");
}
