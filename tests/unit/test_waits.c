/* tests/unit/test_waits.c - what a stalled thread waits for, who holds it, and
 * deadlocks, as a whole session tells them under a fake clock. */
#include "story.h"

#define TICK (4 * MS)
#define EVERYTHING                                                                    \
    (HL_KNOWN(HL_PLAT_SYSCALL) | HL_KNOWN(HL_PLAT_CHANNEL) | HL_KNOWN(HL_PLAT_WAIT) | \
     HL_KNOWN(HL_PLAT_HOLDER))

TestSuite(waits, .init = story_set_up);

static struct scripted_thread *thread(unsigned who)
{
    return scripted_thread(story_tid(who));
}

static struct scripted_thread *sleeps(unsigned who, enum hl_plat_wait_for kind)
{
    thread(who)->state.state = 'S';
    thread(who)->look = (struct hl_plat_look){.known = EVERYTHING,
                                              .waits_for = kind,
                                              .call = "futex",
                                              .channel = "futex_do_wait",
                                              .descriptor = -1,
                                              .address = 0x1000 + who,
                                              .steady = true};
    return thread(who);
}

static struct scripted_thread *wants_lock_of(unsigned who, unsigned owner)
{
    sleeps(who, HL_PLAT_FOR_MUTEX)->look.mutex = (struct hl_plat_mutex){
        .owner = story_tid(owner), .contended = true, .is_sound = true, .hangs_its_owner = true};
    return thread(who);
}

static struct scripted_thread *joins(unsigned who, unsigned other)
{
    sleeps(who, HL_PLAT_FOR_JOIN)->look.awaited = story_tid(other);
    return thread(who);
}

static struct scripted_thread *reads_pipe(unsigned who)
{
    struct hl_plat_look *look = &sleeps(who, HL_PLAT_FOR_OBJECT)->look;
    look->verb = "read";
    look->descriptor = 17;
    strcpy(look->call, "read");
    strcpy(look->object, "pipe");
    strcpy(look->channel, "pipe_read");
    return thread(who);
}

/* Each waits for the next one's lock, the last for the first one's. */
static void close_circle(unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        wants_lock_of(first + i, first + (i + 1) % count);
}

/* In the middle of a story: it got its lock, and sleeps on. */
static void let_go(uintptr_t who)
{
    sleeps((unsigned)who, HL_PLAT_FOR_TIMER)->state.switches++;
}

static const struct story_line *stall_of(unsigned who)
{
    char tid[64];
    snprintf(tid, sizeof tid, "\"thread_tid\":%u,", (unsigned)story_tid(who));
    return story_find_with("STALL", tid, 0);
}

static size_t unavailable(const char *key)
{
    char part[64];
    snprintf(part, sizeof part, "\"key\":\"%s\"", key);
    return story_count_with("unavailable", part);
}

/* ---- a lock and its holder ------------------------------------------------------------ */

static void a_writer_waits_for_an_indexer(void)
{
    story_push(0, 1, "write checkpoint");
    story_push(10 * S, 2, "index");
    wants_lock_of(1, 2);
    reads_pipe(2);
}

Test(waits, a_stall_names_the_lock_its_holder_and_where_that_one_is)
{
    a_writer_waits_for_an_indexer();
    story_run(125 * S);
    const struct story_line *stall = story_find("STALL", 0);
    story_expect_has(stall, "\"state\":\"S\",\"syscall\":\"futex\",\"wait\":\"mutex:0x1001\","
                            "\"holder_tid\":5002,\"holder_name\":\"worker-2\","
                            "\"holder_phase\":\"index\",\"holder_for_ms\":110004,"
                            "\"root_tid\":5002,\"root_name\":\"worker-2\","
                            "\"root_verdict\":\"blocked\",\"root_wait\":\"read:pipe\","
                            "\"wchan\":\"futex_do_wait\"}");
    story_expect_count("unavailable", 0);
    story_expect_count("DEADLOCK", 0);
    story_expect_lacks(story_find("stop", 0), "deadlocks");
}

Test(waits, it_reads_the_same_in_text)
{
    story.options.format = MONITOR_TEXT;
    a_writer_waits_for_an_indexer();
    story_run(125 * S);
    story_expect_has(story_find("STALL", 0),
                     "verdict=blocked cpu=0.00 run_delay=0.00 state=S syscall=futex "
                     "wait=mutex:0x1001 holder=5002/worker-2 holder_phase=\"index\" "
                     "holder_for=1m50s root=5002/worker-2 root_verdict=blocked "
                     "root_wait=read:pipe wchan=futex_do_wait");
}

Test(waits, a_descriptor_is_named_with_what_it_is)
{
    story_push(0, 1, "receive");
    strcpy(reads_pipe(1)->look.local, "10.0.0.1:40022");
    story_run(125 * S);
    story_expect_has(story_find("STALL", 0),
                     "\"syscall\":\"read\",\"fd\":17,\"wait\":\"read:pipe\","
                     "\"local\":\"10.0.0.1:40022\",\"wchan\":\"pipe_read\"}");
}

Test(waits, a_holder_outside_any_scope_has_no_phase)
{
    story_push(0, 1, "write checkpoint");
    wants_lock_of(1, 2);
    strcpy(reads_pipe(2)->name, "foreign");
    story_run(125 * S);
    story_expect_has(story_find("STALL", 0), "\"holder_tid\":5002,\"holder_name\":\"foreign\","
                                             "\"holder_phase\":null,\"root_tid\":5002,");
}

Test(waits, how_long_a_holder_is_at_it_is_active_time)
{
    a_writer_waits_for_an_indexer();
    story_stopped(60 * S, HOUR, "stopped");
    story_run(125 * S);
    uint64_t held = story_number(story_find("STALL", 0), "holder_for_ms");
    cr_expect_geq(held, 110000);
    cr_expect_leq(held, 110004);
}

Test(waits, a_holder_in_doubt_is_not_named_and_why_is_said_once)
{
    story_push(0, 1, "write checkpoint");
    story_push(1 * S, 3, "read checkpoint");
    wants_lock_of(1, 2)->look.steady = false;
    wants_lock_of(3, 2)->look.mutex.contended = false;
    reads_pipe(2);
    story_run(500 * S);
    cr_expect_geq(story_count("STALL"), 4, "with reminders");
    cr_expect_eq(story_count_with("STALL", "\"holder_tid\":null,\"holder_name\":null"),
                 story_count("STALL"));
    cr_expect_eq(story_count_with("STALL", "holder_phase"), 0);
    cr_expect_eq(story_count_with("STALL", "root"), 0);
    story_expect_count("unavailable", 1);
    story_expect_has(story_find("unavailable", 0),
                     "\"key\":\"holder\",\"reason\":\"not certain beyond doubt\"");
    cr_expect_gt(story_find("unavailable", 0), story_find("STALL", 0), "after the line");
}

Test(waits, each_fact_that_is_missing_is_unknown_and_its_reason_is_said_once)
{
    static const struct {
        enum hl_plat_key key;
        const char *name, *unknown, *known;
    } cases[] = {
        {HL_PLAT_SYSCALL, "syscall", "\"syscall\":null,\"wait\":null,\"wchan\":", "verdict"},
        {HL_PLAT_WAIT, "wait", "\"wait\":null", "\"holder_tid\":5002"},
        {HL_PLAT_CHANNEL, "wchan", "\"wchan\":null}", "\"holder_tid\":5002"},
        {HL_PLAT_HOLDER, "holder", "\"holder_tid\":null", "\"wait\":\"mutex:0x1001\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scripted_missing(cases[i].key, "not permitted");
        story_push(0, 1, "write checkpoint");
        story_pop(490 * S, 1);
        wants_lock_of(1, 2);
        reads_pipe(2);
        story_run(500 * S);
        cr_expect_eq(story_count("STALL"), 3);
        cr_expect_eq(story_count_with("STALL", cases[i].unknown), 3, "%s", cases[i].name);
        cr_expect_eq(story_count_with("STALL", cases[i].known), 3, "%s", cases[i].name);
        story_expect_count("unavailable", 1);
        cr_expect_eq(unavailable(cases[i].name), 1);
        story_expect_has(story_find("unavailable", 0), "\"reason\":\"not permitted\"");
        scripted_missing(cases[i].key, NULL);
    }
}

Test(waits, where_no_run_delay_is_told_it_is_unknown_and_the_reason_said_once)
{
    scripted_missing(HL_PLAT_RUN_DELAY, "not told here");
    story_push(0, 1, "write checkpoint");
    thread(1)->state.state = 'S';
    thread(1)->busy_milli = 50;
    story_run(500 * S);
    cr_expect_eq(story_count("STALL"), 3);
    cr_expect_eq(story_count_with("STALL", "\"verdict\":\"blocked\""), 3);
    cr_expect_eq(story_count_with("STALL", "\"run_delay\":null"), 3);
    cr_expect_eq(unavailable("run_delay"), 1);
    scripted_missing(HL_PLAT_RUN_DELAY, NULL);
}

Test(waits, of_a_busy_thread_only_the_call_is_said)
{
    a_writer_waits_for_an_indexer();
    thread(1)->busy_milli = 1000;
    story_run(125 * S);
    const struct story_line *stall = story_find("STALL", 0);
    story_expect_has(stall, "\"verdict\":\"busy\"");
    story_expect_has(stall, "\"syscall\":\"futex\"}");
    story_expect_count("unavailable", 0);
}

Test(waits, a_reminder_is_explained_anew)
{
    a_writer_waits_for_an_indexer();
    story_pop(150 * S, 2);
    story_run(241 * S);
    story_expect_has(stall_of(1), "\"holder_phase\":\"index\"");
    const struct story_line *reminder = story_find_with("STALL", "\"reminder\":1", 0);
    story_expect_number(reminder, "thread_tid", 5001);
    story_expect_has(reminder, "\"holder_phase\":null");
}

/* ---- where the chain ends ---------------------------------------------------------------- */

Test(waits, a_chain_is_followed_to_its_root_and_says_what_kind_of_stuck_that_is)
{
    static const struct {
        uint64_t busy, delay;
        char state;
        const char *root;
    } cases[] = {
        {0, 0, 'S', "\"root_verdict\":\"blocked\",\"root_wait\":\"read:pipe\",\"wchan\""},
        {1000, 0, 'R', "\"root_verdict\":\"busy\",\"wchan\""},
        {700, 0, 'S', "\"root_verdict\":\"busy\",\"wchan\""},
        {0, 1000, 'R', "\"root_verdict\":\"starved\",\"wchan\""},
        {500, 300, 'S', "\"root_verdict\":\"mixed\",\"root_wait\":\"read:pipe\",\"wchan\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        story_push(0, 1, "write checkpoint");
        story_push(0, 2, "index");
        story_idle(0, 3, "wait for a client");
        for (unsigned who = 1; who <= 3; who++)
            story_pop(122 * S, who);
        wants_lock_of(1, 2);
        wants_lock_of(2, 3);
        reads_pipe(3)->busy_milli = cases[i].busy;
        thread(3)->delay_milli = cases[i].delay;
        thread(3)->state.state = cases[i].state;
        story_run(125 * S);
        story_expect_has(stall_of(1), "\"holder_tid\":5002,\"holder_name\":\"worker-2\","
                                      "\"holder_phase\":\"index\",\"holder_for_ms\":120004,"
                                      "\"root_tid\":5003,\"root_name\":\"worker-3\","
                                      "\"root_phase\":\"wait for a client\",");
        story_expect_has(stall_of(1), cases[i].root);
        story_expect_has(stall_of(2), cases[i].root);
        story_expect_has(stall_of(2), "\"holder_tid\":5003");
    }
}

Test(waits, one_that_is_joined_is_a_root_and_no_holder)
{
    story_push(0, 1, "wait for the indexer");
    joins(1, 2);
    reads_pipe(2);
    story_run(125 * S);
    story_expect_has(story_find("STALL", 0),
                     "\"wait\":\"join:5002\",\"root_tid\":5002,\"root_name\":\"\","
                     "\"root_phase\":null,\"root_verdict\":\"blocked\","
                     "\"root_wait\":\"read:pipe\",\"wchan\"");
    story_expect_count("unavailable", 0);
}

/* ---- deadlocks ------------------------------------------------------------------------------- */

Test(waits, two_threads_that_want_each_others_lock_are_one_deadlock_right_with_the_stall)
{
    story_push(0, 1, "transfer");
    story_push(1 * S, 2, "audit");
    close_circle(1, 2);
    story_run(20 * MINUTE);
    story_expect_count("DEADLOCK", 1);
    const struct story_line *deadlock = story_find("DEADLOCK", 0);
    cr_expect_eq(deadlock->at_ns, 120 * S + TICK);
    cr_expect_eq(deadlock->level, MONITOR_WARNING);
    cr_expect_eq(deadlock, story_find("STALL", 0) + 1);
    story_expect_has(deadlock, "\"id\":2,\"members\":2,"
                               "\"thread1_tid\":5001,\"thread1_name\":\"worker-1\","
                               "\"lock1\":\"mutex:0x1001\",\"phase1\":\"transfer\","
                               "\"thread2_tid\":5002,\"thread2_name\":\"worker-2\","
                               "\"lock2\":\"mutex:0x1002\",\"phase2\":\"audit\"}");
    story_expect_number(stall_of(1), "id", 1);
    story_expect_number(stall_of(1), "holder_tid", 5002);
    story_expect_number(stall_of(2), "id", 3);
    story_expect_number(stall_of(2), "holder_tid", 5001);
    cr_expect_eq(story_count_with("STALL", "root"), 0, "a cycle has none");
    cr_expect_eq(story_count_with("STALL", "reminder"), 6);
    story_expect_number(story_find("stop", 0), "deadlocks", 1);
    story_expect_number(story_find("stop", 0), "stalls", 2);
}

Test(waits, a_deadlock_reads_the_same_in_text)
{
    story.options.format = MONITOR_TEXT;
    story.options.interval_ms = HOUR / MS;
    story_push(0, 1, "transfer");
    close_circle(1, 2);
    strcpy(thread(2)->name, "foreign");
    story_run(125 * S);
    story_expect_has(story_find("DEADLOCK", 0),
                     "DEADLOCK id=2 members=2 thread1=5001/worker-1 lock1=mutex:0x1001 "
                     "phase1=\"transfer\" thread2=5002/foreign lock2=mutex:0x1002 phase2=none");
    story_expect_has(story_find("stop", 0), " deadlocks=1");
}

Test(waits, members_are_told_in_the_order_in_which_they_wait)
{
    story_push(0, 2, "b");
    story_push(0, 3, "c");
    story_push(0, 1, "a");
    wants_lock_of(1, 3);
    wants_lock_of(3, 2);
    wants_lock_of(2, 1);
    story_run(10 * MINUTE);
    story_expect_count("DEADLOCK", 1);
    const struct story_line *deadlock = story_find("DEADLOCK", 0);
    story_expect_number(deadlock, "members", 3);
    story_expect_number(deadlock, "thread1_tid", 5001);
    story_expect_number(deadlock, "thread2_tid", 5003);
    story_expect_number(deadlock, "thread3_tid", 5002);
    story_expect_number(deadlock, "id", 4);
}

Test(waits, two_cycles_are_two_deadlocks)
{
    for (unsigned who = 1; who <= 5; who++)
        story_push(who * S, who, "work");
    close_circle(1, 2);
    close_circle(3, 3);
    story_run(10 * MINUTE);
    story_expect_count("DEADLOCK", 2);
    story_expect_number(story_find("DEADLOCK", 0), "members", 2);
    cr_expect_eq(story_find("DEADLOCK", 0)->at_ns, 121 * S + TICK);
    story_expect_number(story_find("DEADLOCK", 1), "members", 3);
    cr_expect_eq(story_find("DEADLOCK", 1)->at_ns, 123 * S + TICK);
    story_expect_number(story_find("stop", 0), "deadlocks", 2);
}

Test(waits, a_thread_that_locks_its_own_mutex_again_is_a_deadlock_of_one)
{
    story_push(0, 1, "recurse");
    wants_lock_of(1, 1);
    story_run(10 * MINUTE);
    story_expect_has(story_find("STALL", 0), "\"holder_tid\":5001,\"holder_name\":\"worker-1\","
                                             "\"holder_phase\":\"recurse\"");
    story_expect_lacks(story_find("STALL", 0), "root");
    story_expect_count("DEADLOCK", 1);
    cr_expect_eq(story_find("DEADLOCK", 0)->at_ns, 120 * S + TICK);
    story_expect_number(story_find("DEADLOCK", 0), "members", 1);
    story_expect_has(story_find("DEADLOCK", 0), "\"phase1\":\"recurse\"}");
}

Test(waits, a_join_may_close_a_cycle)
{
    story_push(0, 1, "stop the workers");
    joins(1, 2);
    wants_lock_of(2, 1);
    story_run(125 * S);
    story_expect_count("DEADLOCK", 1);
    story_expect_has(story_find("DEADLOCK", 0), "\"lock1\":\"join:5002\"");
    story_expect_has(story_find("DEADLOCK", 0), "\"lock2\":\"mutex:0x1002\"");
}

Test(waits, a_deadlock_is_told_though_the_stalls_in_it_are_merged)
{
    story.options.stall_lines = 1;
    story_push(0, 5, "told");
    story_push(1 * S, 1, "transfer");
    story_push(1 * S, 2, "audit");
    close_circle(1, 2);
    story_run(130 * S);
    cr_expect_null(stall_of(1));
    story_expect_count("DEADLOCK", 1);
    cr_expect_eq(story_find("DEADLOCK", 0)->at_ns, 121 * S + TICK);
}

static void want_lock_of_first(uintptr_t who)
{
    wants_lock_of((unsigned)who, 1)->state.switches++;
}

Test(waits, one_that_is_seen_first_at_the_line_is_confirmed_ten_milliseconds_later)
{
    story_push(0, 1, "transfer");
    wants_lock_of(1, 2);
    reads_pipe(2);
    story_call(120 * S + 1 * MS, want_lock_of_first, 2);
    story_run(125 * S);
    cr_expect_eq(story_find("STALL", 0)->at_ns, 120 * S + TICK);
    story_expect_count("DEADLOCK", 1);
    cr_expect_eq(story_find("DEADLOCK", 0)->at_ns, 120 * S + TICK + 10 * MS);
}

/* ---- what cannot be told ------------------------------------------------------------------------ */

Test(waits, a_futex_that_may_be_a_mutex_has_a_holder_that_is_not_known)
{
    scripted_missing(HL_PLAT_HOLDER, "not permitted");
    for (int vague = 0; vague < 2; vague++) {
        story_push(0, 1, "stuck");
        sleeps(1, HL_PLAT_FOR_FUTEX)->look.is_vague = vague;
        story_run(130 * S);
        story_expect_has(stall_of(1), "\"wait\":\"futex:0x1001\"");
        cr_expect_eq(strstr(stall_of(1)->text, "\"holder_tid\":null") != NULL, vague);
        cr_expect_eq(unavailable("holder"), (size_t)vague);
    }
}

Test(waits, a_stall_of_which_not_even_the_state_is_known_says_why)
{
    scripted_missing(HL_PLAT_THREAD_STATE, "/proc is not mounted");
    story.options.interval_ms = HOUR / MS;
    story_push(0, 1, "stuck");
    story_run(300 * S);
    story_expect_has(stall_of(1), "\"state\":null");
    cr_expect_eq(unavailable("state"), 1);
    cr_expect_eq(unavailable("thread_cpu"), 0, "that one is known");
}

/* ---- what is no deadlock, or not yet -------------------------------------------------------------- */

Test(waits, a_cycle_of_threads_that_may_wait_is_none_until_one_of_them_stalls)
{
    story_idle(0, 1, "wait for a client");
    story_push(0, 2, "long");
    story_expect(0, 2, HOUR);
    close_circle(1, 2);
    story_pop(HOUR + 50 * S, 1);
    story_pop(HOUR + 50 * S, 2);
    story_run(HOUR + MINUTE);
    story_expect_count("STALL", 1);
    story_expect_count("DEADLOCK", 1);
    cr_expect_eq(story_find("DEADLOCK", 0)->at_ns, HOUR + TICK);
    story_idle(0, 1, "wait for a client");
    story_idle(0, 2, "wait for a client");
    story_run(10 * HOUR);
    story_expect_count("STALL", 0);
    story_expect_count("DEADLOCK", 0);
}

Test(waits, a_stall_outside_a_cycle_makes_no_deadlock_of_it)
{
    story_push(0, 1, "outside");
    story_idle(0, 2, "may wait");
    story_idle(0, 3, "may wait");
    wants_lock_of(1, 2);
    close_circle(2, 2);
    story_run(10 * MINUTE);
    story_expect_number(story_find("STALL", 0), "holder_tid", 5002);
    story_expect_lacks(story_find("STALL", 0), "root");
    story_expect_count("DEADLOCK", 0);
    story_expect_lacks(story_find("stop", 0), "deadlocks");
}

Test(waits, a_cycle_that_dissolves_between_two_looks_is_none)
{
    static const uint64_t at_ns[] = {90 * S + 5 * MS, 100 * S, 120 * S + TICK};
    for (size_t i = 0; i < sizeof at_ns / sizeof at_ns[0]; i++) {
        story_push(0, 1, "transfer");
        story_push(0, 2, "audit");
        story_call(at_ns[i] - 1, let_go, 2);
        close_circle(1, 2);
        story_pop(200 * S, 1);
        story_pop(200 * S, 2);
        story_run(210 * S);
        story_expect_count("DEADLOCK", 0);
    }
}

Test(waits, a_cycle_that_dissolves_right_after_its_line_is_none)
{
    story_push(0, 1, "transfer");
    wants_lock_of(1, 2);
    story_call(120 * S + 1 * MS, want_lock_of_first, 2);
    story_call(120 * S + 9 * MS, let_go, 2);
    story_run(300 * S);
    story_expect_number(story_find("STALL", 0), "holder_tid", 5002);
    story_expect_lacks(story_find("STALL", 0), "root");
    story_expect_count("DEADLOCK", 0);
}

static void wait_anew(uintptr_t who)
{
    thread((unsigned)who)->state.switches++;
    thread((unsigned)who)->cpu_ns++; /* nobody wakes up for nothing */
}

Test(waits, a_deadlock_whose_members_wait_anew_is_said_once)
{
    story_push(0, 1, "transfer");
    story_push(0, 2, "audit");
    close_circle(1, 2);
    for (unsigned i = 1; i < 60; i++)
        story_call(i * 11 * S, wait_anew, 1 + i % 2); /* a signal that is handled and forgotten */
    story_run(660 * S);
    story_expect_count("DEADLOCK", 1);
}

/* ---- threads outside any scope ----------------------------------------------------------------------- */

Test(waits, a_deadlock_outside_any_scope_is_found_at_the_heartbeat_after_the_limit)
{
    close_circle(1, 3);
    story_run(20 * MINUTE);
    story_expect_count("STALL", 0);
    story_expect_count("DEADLOCK", 1);
    const struct story_line *deadlock = story_find("DEADLOCK", 0);
    cr_expect_eq(deadlock->at_ns, 120 * S + 10 * MS);
    story_expect_has(deadlock, "\"id\":1,\"members\":3,\"thread1_tid\":5001,");
    story_expect_has(deadlock, "\"phase1\":null,\"thread2_tid\":5002,");
    story_expect_number(story_find("beat", 5), "stalled", 0);
}

static void close_two(uintptr_t first)
{
    close_circle((unsigned)first, 2);
    thread((unsigned)first)->cpu_ns += MS;
    thread((unsigned)first + 1)->cpu_ns += MS;
}

Test(waits, one_that_begins_at_any_time_is_found_within_the_limit_and_two_heartbeats)
{
    for (unsigned i = 0; i < 12; i++) {
        uint64_t began_ns = 5 * S + i * 13 * S;
        reads_pipe(1);
        reads_pipe(2);
        story_call(began_ns, close_two, 1);
        story_run(began_ns + 120 * S + 2 * 60 * S + 11 * MS);
        story_expect_count("DEADLOCK", 1);
        cr_expect_gt(story_find("DEADLOCK", 0)->at_ns, began_ns + 120 * S);
    }
}

Test(waits, a_thread_outside_any_scope_that_locks_its_own_mutex_again_takes_one_heartbeat_more)
{
    wants_lock_of(1, 1);
    story_run(10 * MINUTE);
    story_expect_count("DEADLOCK", 1);
    cr_expect_eq(story_find("DEADLOCK", 0)->at_ns, 180 * S + 10 * MS);
}

static void use_cpu(uintptr_t who)
{
    thread((unsigned)who)->cpu_ns++;
}

Test(waits, threads_that_use_cpu_are_no_suspects)
{
    close_circle(1, 2);
    for (unsigned i = 0; i < 20; i++) {
        story_call(i * 60 * S + 1, use_cpu, 1);
        story_call(i * 60 * S + 1, use_cpu, 2);
    }
    story_run(20 * MINUTE);
    story_expect_count("DEADLOCK", 0);
    cr_expect_eq(thread(1)->looks, 0);
}

Test(waits, one_that_began_in_an_idle_cycle_outside_is_told_when_no_scope_is_open)
{
    story_push(0, 1, "ended long ago");
    story_pop(1 * S, 1);
    close_circle(1, 2);
    story_run(10 * MINUTE);
    story_expect_count("DEADLOCK", 1);
    story_expect_has(story_find("DEADLOCK", 0), "\"phase1\":null");
}

Test(waits, where_no_limit_is_in_force_nobody_outside_is_a_suspect)
{
    story.options.stall_ms = 0;
    close_circle(1, 2);
    story_run(HOUR);
    story_expect_count("DEADLOCK", 0);
    cr_expect_eq(thread(1)->looks, 0);
}

/* A legitimate wait, until somebody who may wait as well closes the cycle. */
Test(waits, a_cycle_that_an_idle_thread_is_drawn_into_later_is_found_at_its_doubled_age)
{
    wants_lock_of(1, 2);
    sleeps(2, HL_PLAT_FOR_TIMER);
    story_idle(0, 2, "for work");
    story_call(10 * MINUTE, want_lock_of_first, 2);
    story_run(40 * MINUTE);
    story_expect_count("STALL", 0);
    story_expect_count("DEADLOCK", 1);
    cr_expect_leq(story_find("DEADLOCK", 0)->at_ns, 16 * MINUTE + 10 * MS);
}

static void close_first(uintptr_t with)
{
    wants_lock_of(1, 2)->state.switches++;
    wants_lock_of(2, 1)->state.switches += with;
}

Test(waits, a_deadlock_that_dissolved_and_came_back_is_said_again)
{
    story_push(0, 1, "transfer");
    story_push(0, 2, "audit");
    close_circle(1, 2);
    story_call(200 * S, let_go, 2);
    story_call(400 * S, close_first, 1);
    story_run(20 * MINUTE);
    story_expect_count("DEADLOCK", 2);
}

enum { IDLERS = 150, FIRST_IDLER = 1000 };

static unsigned idle_questions(void)
{
    unsigned questions = 0;
    for (unsigned i = 0; i < IDLERS; i++)
        questions += thread(FIRST_IDLER + i)->questions;
    return questions;
}

static unsigned questions_before;

static void count_idle_questions(uintptr_t unused)
{
    (void)unused;
    unsigned questions = idle_questions();
    cr_expect_leq(questions, questions_before + 40);
    questions_before = questions;
}

Test(waits, idle_threads_all_have_their_turn_and_at_most_40_at_a_heartbeat)
{
    for (unsigned i = 0; i < IDLERS; i++)
        sleeps(FIRST_IDLER + i, HL_PLAT_FOR_CONDVAR);
    for (unsigned i = 1; i < 20; i++)
        story_call(i * 30 * S + 1, count_idle_questions, 0);
    story_run(10 * MINUTE);
    for (unsigned i = 0; i < IDLERS; i++) {
        cr_expect_eq(thread(FIRST_IDLER + i)->questions, 1);
        cr_expect_eq(thread(FIRST_IDLER + i)->looks, 0);
    }
    story_expect_count("unavailable", 0);
}

Test(waits, idle_threads_at_a_lock_have_their_turn_again)
{
    for (unsigned i = 0; i < IDLERS; i++)
        wants_lock_of(FIRST_IDLER + i, 2);
    reads_pipe(2);
    story_run(20 * MINUTE);
    for (unsigned i = 0; i < IDLERS; i++) {
        cr_expect_geq(thread(FIRST_IDLER + i)->questions, 2);
        cr_expect_leq(thread(FIRST_IDLER + i)->questions, 2 + 4, "at 2, 4, 8 and 16 minutes");
    }
    story_expect_count("unavailable", 0);
}

/* ---- how often a suspect is looked into ----------------------------------------------------------------- */

static void expect_no_looks(uintptr_t who)
{
    cr_expect_eq(thread((unsigned)who)->looks, 0, "at %llu ms",
                 (unsigned long long)story_now() / MS);
}

static void expect_reading_and_question(uintptr_t who)
{
    cr_expect_eq(thread((unsigned)who)->readings, 1);
    cr_expect_eq(thread((unsigned)who)->questions, 1);
    cr_expect_eq(thread((unsigned)who)->looks, 0);
}

Test(waits, a_suspect_is_looked_into_once_a_quarter_from_half_its_limit_on)
{
    story.options.interval_ms = 1000;
    story_push(0, 1, "stuck");
    wants_lock_of(1, 2);
    reads_pipe(2);
    story_idle(0, 2, "may wait");
    story_call(60 * S - 1, expect_no_looks, 1);
    story_call(60 * S - 1, expect_no_looks, 2);
    story_run(125 * S);
    cr_expect_geq(thread(1)->looks, 2);
    cr_expect_leq(thread(1)->looks, 3 + 1, "three quarters and the line");
    cr_expect_leq(thread(2)->looks, 3 + 1);
}

Test(waits, a_line_is_one_look_more)
{
    story_push(0, 1, "stuck");
    reads_pipe(1);
    story_run(HOUR);
    cr_expect_eq(story_count("STALL"), 5);
    cr_expect_leq(thread(1)->looks, 3 + 5);
}

Test(waits, one_that_spins_is_looked_into_for_its_line_alone)
{
    story_push(0, 1, "spin");
    wants_lock_of(1, 2)->state.state = 'R';
    thread(1)->busy_milli = 1000;
    story_call(120 * S, expect_no_looks, 1);
    story_run(125 * S);
    cr_expect_eq(thread(1)->looks, 1);
}

Test(waits, one_that_wakes_up_now_and_then_is_looked_into_for_its_line_alone)
{
    story_push(0, 1, "poll");
    wants_lock_of(1, 2);
    for (unsigned i = 1; i <= 24; i++)
        story_call(i * 5 * S - 1, wait_anew, 1);
    story_call(120 * S, expect_no_looks, 1);
    story_run(125 * S);
    cr_expect_eq(thread(1)->looks, 1);
}

Test(waits, threads_that_work_or_may_wait_are_never_looked_into)
{
    story_idle(0, 1, "may wait");
    reads_pipe(1);
    reads_pipe(2);
    for (unsigned i = 0; i < 60; i++) {
        story_push(i * 10 * S, 2, "short");
        story_pop(i * 10 * S + 9 * S, 2);
        story_call(i * 10 * S + 5 * S, use_cpu, 2);
    }
    story_run(600 * S);
    cr_expect_eq(thread(1)->looks, 0);
    cr_expect_eq(thread(2)->looks, 0);
}

Test(waits, stalls_beyond_the_budget_ask_for_no_explanation)
{
    story.options.stall_lines = 1;
    for (unsigned who = 1; who <= 5; who++) {
        story_push(who * MS, who, "spin");
        wants_lock_of(who, 6)->state.state = 'R';
    }
    story_run(130 * S);
    story_expect_number(story_find_with("STALL", "merged", 0), "merged", 4);
    cr_expect_eq(thread(1)->looks, 1);
    for (unsigned who = 2; who <= 6; who++)
        cr_expect_eq(thread(who)->looks, 0);
}

Test(waits, one_that_sleeps_on_is_read_at_a_quarter_and_at_its_limit)
{
    story_push(0, 1, "stuck");
    reads_pipe(1);
    story_call(119 * S, expect_reading_and_question, 1);
    story_run(125 * S);
    cr_expect_eq(thread(1)->readings, 2);
    cr_expect_eq(thread(1)->looks, 1, "for its line");
    story_expect_count("STALL", 1);
}

enum { CROWD = 1200, AT_ONCE = 1000 };

static sem_t crowd_is_there, crowd_may_go;

static void *stay_in_scope(void *tid)
{
    scripted_be_thread((uint64_t)(uintptr_t)tid);
    scope_push("wait for an answer");
    sem_post(&crowd_is_there);
    sem_wait(&crowd_may_go);
    scope_pop();
    return NULL;
}

static void expect_readings_of_crowd(uintptr_t expected)
{
    unsigned readings = 0;
    for (unsigned i = 0; i < CROWD; i++)
        readings += thread(FIRST_IDLER + i)->readings;
    cr_expect_eq(readings, expected, "%u, not %u", readings, (unsigned)expected);
}

Test(waits, of_a_crowd_that_falls_silent_at_once_a_thousand_are_looked_at_at_a_time)
{
    pthread_t crowd[CROWD];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 * 1024);
    sem_init(&crowd_is_there, 0, 0);
    sem_init(&crowd_may_go, 0, 0);
    for (uintptr_t i = 0; i < CROWD; i++) {
        sleeps(FIRST_IDLER + (unsigned)i, HL_PLAT_FOR_CONDVAR);
        cr_assert_eq(pthread_create(&crowd[i], &small, stay_in_scope,
                                    (void *)(uintptr_t)story_tid(FIRST_IDLER + (unsigned)i)),
                     0);
        sem_wait(&crowd_is_there);
    }
    story_call(30 * S - 1, expect_readings_of_crowd, 0);
    story_call(30 * S + 5 * MS, expect_readings_of_crowd, AT_ONCE);
    story_call(30 * S + 15 * MS, expect_readings_of_crowd, CROWD);
    story_call(119 * S, expect_readings_of_crowd, CROWD);
    story_run(125 * S);
    story_expect_number(story_find_with("STALL", "merged", 0), "merged", CROWD - 10);
    for (unsigned i = 0; i < CROWD; i++)
        sem_post(&crowd_may_go);
    for (unsigned i = 0; i < CROWD; i++)
        pthread_join(crowd[i], NULL);
}

/* It had run only to be stopped. */
static void stop_it(uintptr_t who)
{
    thread((unsigned)who)->state.state = 't';
    thread((unsigned)who)->cpu_ns++;
}

Test(waits, one_that_slept_is_not_judged_while_a_debugger_has_it)
{
    story_push(0, 1, "stuck");
    reads_pipe(1);
    story_call(70 * S, stop_it, 1);
    story_run(10 * MINUTE);
    story_expect_count("STALL", 0);
}

/* ---- a quota ------------------------------------------------------------------------------------------------ */

static void throttle(uintptr_t by_ns)
{
    scripted.throttled_ns += by_ns;
}

Test(waits, a_starved_thread_names_the_quota_that_took_its_time)
{
    scripted.limits.quota_milli = 1500;
    for (unsigned who = 1; who <= 2; who++)
        story_push(0, who, "work");
    thread(1)->delay_milli = 900;
    story_call(10 * S, throttle, 7 * S); /* before the first evidence */
    story_call(100 * S, throttle, 41 * S);
    story_run(125 * S);
    story_expect_has(stall_of(1), "\"verdict\":\"starved\"");
    story_expect_has(stall_of(1), "\"quota\":1.5,\"throttled_ms\":41000,\"state\"");
    story_expect_has(stall_of(2), "\"verdict\":\"blocked\"");
    story_expect_lacks(stall_of(2), "quota");
    story_expect_lacks(stall_of(2), "throttled");
}

Test(waits, a_quota_that_took_nothing_is_not_named)
{
    scripted.limits.quota_milli = 1500;
    story_push(0, 1, "work");
    thread(1)->delay_milli = 900;
    story_run(125 * S);
    story_expect_lacks(stall_of(1), "quota");
    story_expect_lacks(stall_of(1), "throttled");
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

Test(waits, without_memory_nothing_breaks)
{
    for (unsigned fails_at = 1; fails_at < 40; fails_at++) {
        scripted.maps = 0;
        scripted.map_fails_at = fails_at;
        scripted.map_fails_on = fails_at % 2;
        story_push(0, 1, "transfer");
        story_push(0, 2, "audit");
        close_circle(1, 2);
        close_circle(11, 2);
        wants_lock_of(3, 3);
        story_pop(390 * S, 1);
        story_pop(390 * S, 2);
        story_run(400 * S);
        cr_expect_leq(story_count("DEADLOCK"), 3);
    }
    scripted.map_fails_at = 0;
    story_push(0, 1, "transfer");
    story_run(400 * S);
    story_expect_count("DEADLOCK", 3);
}
