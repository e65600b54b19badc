/* tests/mach/test_darwin_threads.c - lists of threads, and what is asked of one, as
 * platform/darwin reads them. */
#define _DEFAULT_SOURCE
#include "../../platform/darwin/plat.h"
#include "fake_mach.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#define S UINT64_C(1000000000)

static struct hl_plat *plat;

static void begin(void)
{
    fake_reset();
    plat = hl_plat_open();
    cr_assert_not_null(plat);
}

static void assert_nothing_outstanding(void)
{
    struct fake_outstanding left = fake_outstanding();
    cr_assert_eq(left.rights, 0, "%llu rights", (unsigned long long)left.rights);
    cr_assert_eq(left.arrays, 0, "%llu arrays", (unsigned long long)left.arrays);
    cr_assert_eq(left.names + left.suspensions, 0);
}

static void end(void)
{
    fake_before_each(NULL, NULL);
    hl_plat_close(plat);
    assert_nothing_outstanding();
    fake_live();
}

TestSuite(darwin_threads, .init = begin, .fini = end);

/* What was read is not taken for what is. */
static void forget(void)
{
    plat->seen_until_ns = 0;
}

#define CAPACITY 64
static struct hl_plat_thread threads[CAPACITY];
static size_t total;

static bool list(void)
{
    memset(threads, 0xff, sizeof threads);
    return hl_plat_threads(plat, threads, CAPACITY, &total);
}

static const struct hl_plat_thread *listed(uint64_t tid)
{
    for (size_t i = 0; i < total; i++)
        if (threads[i].tid == tid)
            return &threads[i];
    return NULL;
}

static char state_of(uint64_t tid)
{
    struct hl_plat_thread_state state;
    return hl_plat_thread_state(plat, tid, &state) ? state.state : '?';
}

static const char *name_of(uint64_t tid)
{
    static char name[HL_PLAT_NAME_BYTES];
    return hl_plat_thread_name(plat, tid, name) ? name : "?";
}

/* ---- lists ------------------------------------------------------------------------ */

Test(darwin_threads, a_list_has_each_thread_and_its_time)
{
    uint64_t worker = fake_thread_add("worker"), foreign = fake_thread_add_foreign(NULL);
    fake_thread_burn(worker, 3 * S, S);
    cr_assert(list());
    cr_assert_eq(total, 3);
    cr_assert_eq(listed(worker)->cpu_ns, 4 * S);
    cr_assert_eq(listed(foreign)->cpu_ns, 0);
    cr_assert_not_null(listed(fake_main()));
    assert_nothing_outstanding();
}

Test(darwin_threads, a_list_fills_what_fits_and_counts_all)
{
    for (int i = 0; i < 9; i++)
        fake_thread_add(NULL);
    memset(threads, 0xff, sizeof threads);
    cr_assert(hl_plat_threads(plat, threads, 4, &total));
    cr_assert_eq(total, 10);
    cr_assert_eq(threads[3].cpu_ns, 0);
    cr_assert_eq(threads[4].tid, UINT64_MAX, "beyond what fits");
}

Test(darwin_threads, idle_threads_of_processors_are_none)
{
    uint64_t idle = fake_thread_add("idle");
    fake_thread_flags(idle, TH_FLAGS_IDLE | TH_FLAGS_SWAPPED);
    fake_thread_flags(fake_main(), TH_FLAGS_SWAPPED);
    cr_assert(list());
    cr_assert_eq(total, 1);
    cr_assert_null(listed(idle));
}

static const int gone_codes[] = {KERN_TERMINATED, KERN_INVALID_ARGUMENT, MACH_SEND_INVALID_DEST};

static uint64_t leaving;
static int questions, leaving_at;

static void leave_at(enum fake_call call, void *unused)
{
    (void)unused;
    if (call == FAKE_THREAD_INFO && ++questions == leaving_at)
        fake_thread_exit(leaving);
}

Test(darwin_threads, one_that_ends_at_any_moment_is_left_out_without_a_word)
{
    for (size_t code = 0; code < sizeof gone_codes / sizeof *gone_codes; code++)
        for (leaving_at = 1; leaving_at <= 6; leaving_at++) {
            fake_reset();
            forget();
            fake_gone_code(gone_codes[code]);
            leaving = fake_thread_add("leaving");
            uint64_t stays = fake_thread_add("stays");
            plat->why[HL_PLAT_THREAD_LIST] = "untouched";
            questions = 0;
            fake_before_each(leave_at, NULL);
            cr_assert(list());
            fake_before_each(NULL, NULL);
            cr_assert_not_null(listed(stays));
            cr_assert_not_null(listed(fake_main()));
            cr_assert_eq(total, leaving_at <= 4 ? 2 : 3, "at question %d", leaving_at);
            cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_THREAD_LIST), "untouched");
            assert_nothing_outstanding();
        }
}

Test(darwin_threads, one_that_ends_amid_the_making_of_a_list_has_no_name_and_is_left_out)
{
    uint64_t first = fake_thread_add("x"), second = fake_thread_add("y");
    fake_thread_exit_in_list(first, MACH_PORT_NULL);
    fake_thread_exit_in_list(second, MACH_PORT_DEAD);
    cr_assert(list());
    cr_assert_eq(total, 1);
}

Test(darwin_threads, a_list_that_cannot_be_had_has_a_reason)
{
    fake_fail(FAKE_TASK_THREADS, 1, KERN_RESOURCE_SHORTAGE, false);
    cr_assert_not(list());
    cr_assert_eq(total, 0);
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_THREAD_LIST),
                     "task_threads: the kernel is short of memory (6)");
    cr_assert(list());
}

/* A list without a thread that lives would say that it has ended. */
Test(darwin_threads, one_that_cannot_be_identified_spoils_the_list)
{
    fake_thread_add("worker");
    fake_fail(FAKE_THREAD_INFO, 3, KERN_FAILURE, false);
    cr_assert_not(list());
    cr_assert_eq(total, 0);
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_THREAD_LIST),
                     "thread_info(THREAD_IDENTIFIER_INFO): failure (5)");
    assert_nothing_outstanding();
    cr_assert(list());
}

Test(darwin_threads, where_all_seem_to_have_ended_even_the_caller_there_is_no_list)
{
    for (size_t code = 0; code < sizeof gone_codes / sizeof *gone_codes; code++) {
        fake_fail(FAKE_THREAD_INFO, 1, gone_codes[code], true);
        cr_assert_not(list());
        cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_THREAD_LIST),
                         "the kernel says of each thread that it has ended");
    }
}

Test(darwin_threads, what_is_unknown_of_one_that_is_there_is_unknown)
{
    char name[HL_PLAT_NAME_BYTES], letter = 'x';
    struct hl_plat_thread_state state;
    uint64_t worker = fake_thread_add("worker"), cpu_ns;
    fake_fail(FAKE_THREAD_INFO, 4, KERN_FAILURE, false); /* both of the first one, both of it */
    cr_assert(list());
    cr_assert_eq(total, 2);
    cr_assert_eq(listed(worker)->cpu_ns, UINT64_MAX);
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_THREAD_CPU),
                     "thread_info(THREAD_EXTENDED_INFO): failure (5)");
    plat->seen_until_ns = UINT64_MAX; /* as if just read, however slow this is */
    cr_assert_not(hl_plat_thread_cpu(plat, worker, &cpu_ns));
    cr_assert_not(hl_plat_thread_name(plat, worker, name));
    cr_assert_not(hl_plat_thread_state(plat, worker, &state));
    hl_plat_thread_glance(plat, worker, name, &letter, &(uint64_t){0});
    cr_assert_eq(name[0] | letter, 0);
    cr_assert(strstr(hl_plat_why(plat, HL_PLAT_THREAD_STATE), "EXTENDED"));
    forget();
    cr_assert(hl_plat_thread_cpu(plat, worker, &cpu_ns), "only that once");
}

/* ---- names and states ----------------------------------------------------------------- */

Test(darwin_threads, a_name_is_what_was_set_and_ends)
{
    static const char full[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    uint64_t named = fake_thread_add("worker 7"), unnamed = fake_thread_add(NULL);
    uint64_t endless = fake_thread_add("x"), odd = fake_thread_add("x");
    fake_thread_name(endless, full, 64);
    fake_thread_name(odd, "a\xff\n\x1b", 4);
    cr_assert_str_eq(name_of(named), "worker 7");
    cr_assert_str_eq(name_of(unnamed), "");
    cr_assert_eq(strlen(name_of(endless)), 63);
    cr_assert_eq(strncmp(name_of(endless), full, 63), 0);
    cr_assert_str_eq(name_of(odd), "a\xff\n\x1b");
    char name[HL_PLAT_NAME_BYTES], letter;
    hl_plat_thread_glance(plat, named, name, &letter, &(uint64_t){0});
    cr_assert_str_eq(name, "worker 7");
}

Test(darwin_threads, states_have_the_letters_of_other_systems)
{
    static const struct {
        int state;
        char letter;
    } states[] = {
        {TH_STATE_RUNNING, 'R'},         {TH_STATE_STOPPED, 'T'}, {TH_STATE_WAITING, 'S'},
        {TH_STATE_UNINTERRUPTIBLE, 'D'}, {TH_STATE_HALTED, 'X'},  {99, 0},
    };
    uint64_t worker = fake_thread_add("worker");
    char name[HL_PLAT_NAME_BYTES], letter;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        fake_thread_state(worker, states[i].state);
        forget();
        cr_assert_eq(state_of(worker), states[i].letter);
        hl_plat_thread_glance(plat, worker, name, &letter, &(uint64_t){0});
        cr_assert_eq(letter, states[i].letter);
    }
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_THREAD_STATE),
                     "the kernel tells a state of no known kind");
}

Test(darwin_threads, of_a_state_no_more_is_said_than_is_known)
{
    struct hl_plat_thread_state state;
    uint64_t worker = fake_thread_add("worker"), sleeps;
    memset(&state, 0xff, sizeof state);
    cr_assert(hl_plat_thread_state(plat, worker, &state));
    cr_assert(state.start_known, "an id is never used again");
    cr_assert_eq(state.start, worker);
    cr_assert_eq(state.age_ns, 0);
    cr_assert_not(state.times_known);
    cr_assert_eq(state.on_core_ns + state.run_delay_ns + state.switches, 0);
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_RUN_DELAY), "macOS does not tell it of a thread");
    cr_assert_not(hl_plat_thread_sleeps(plat, worker, &sleeps));
}

Test(darwin_threads, a_look_is_the_state)
{
    struct hl_plat_look look;
    uint64_t worker = fake_thread_add("worker");
    fake_thread_state(worker, TH_STATE_WAITING);
    memset(&look, 0xff, sizeof look);
    cr_assert(hl_plat_look(plat, worker, &look));
    cr_assert_eq(look.state.state, 'S');
    cr_assert_eq(look.known, 0);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_UNKNOWN);
    cr_assert_eq(look.descriptor, -1);
    cr_assert_not(look.steady);
    cr_assert_eq(hl_plat_waits_for(plat, worker), HL_PLAT_SOMEBODY);
    for (int key = HL_PLAT_SYSCALL; key <= HL_PLAT_HOLDER; key++)
        cr_assert_str_eq(hl_plat_why(plat, (enum hl_plat_key)key),
                         "macOS does not tell what a thread waits for");
}

/* ---- questions ------------------------------------------------------------------------- */

Test(darwin_threads, questions_at_one_wake_up_cost_one_list)
{
    enum { THREADS = 200 };
    uint64_t ids[THREADS], cpu_ns;
    for (int i = 0; i < THREADS; i++) {
        ids[i] = fake_thread_add("worker");
        fake_thread_burn(ids[i], (uint64_t)i * 1000, 0);
    }
    forget();
    uint64_t before = fake_uses(FAKE_TASK_THREADS);
    for (int i = 0; i < THREADS; i++) {
        cr_assert(hl_plat_thread_cpu(plat, ids[i], &cpu_ns));
        cr_assert_eq(cpu_ns, (uint64_t)i * 1000);
        cr_assert_neq(state_of(ids[i]), '?');
        plat->seen_until_ns = UINT64_MAX; /* however slow this is */
    }
    cr_assert_eq(fake_uses(FAKE_TASK_THREADS), before + 1);
}

Test(darwin_threads, a_list_is_good_for_a_moment)
{
    uint64_t worker = fake_thread_add("worker"), cpu_ns;
    cr_assert(list());
    cr_assert_gt(plat->seen_until_ns, 0);
    cr_assert_leq(plat->seen_until_ns, hl_plat_now_ns() + S);
    fake_thread_burn(worker, S, 0);
    while (hl_plat_now_ns() < plat->seen_until_ns)
        continue;
    cr_assert(hl_plat_thread_cpu(plat, worker, &cpu_ns));
    cr_assert_eq(cpu_ns, S);
}

Test(darwin_threads, one_that_is_younger_than_the_list_is_found)
{
    cr_assert(list());
    uint64_t worker = fake_thread_add("worker");
    plat->seen_until_ns = UINT64_MAX;
    cr_assert_str_eq(name_of(worker), "worker");
}

Test(darwin_threads, one_that_has_ended_is_gone_for_every_question)
{
    struct hl_plat_look look;
    uint64_t worker = fake_thread_add("worker"), cpu_ns;
    cr_assert_str_eq(name_of(worker), "worker");
    fake_thread_exit(worker);
    forget();
    cr_assert_str_eq(name_of(worker), "?");
    cr_assert_eq(state_of(worker), '?');
    cr_assert_not(hl_plat_thread_cpu(plat, worker, &cpu_ns));
    cr_assert_not(hl_plat_look(plat, worker, &look));
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_THREAD_CPU), "the thread has ended");
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_THREAD_NAME), "the thread has ended");
    cr_assert_not(hl_plat_thread_cpu(plat, 0, &cpu_ns));
}

Test(darwin_threads, a_question_that_needs_a_list_that_cannot_be_had_has_its_reason)
{
    uint64_t cpu_ns;
    fake_fail(FAKE_TASK_THREADS, 1, KERN_FAILURE, false);
    cr_assert_not(hl_plat_thread_cpu(plat, fake_main(), &cpu_ns));
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_THREAD_CPU), "task_threads: failure (5)");
    cr_assert(hl_plat_thread_cpu(plat, fake_main(), &cpu_ns));
}

Test(darwin_threads, of_those_that_are_not_kept_each_is_found_all_the_same)
{
    uint64_t ids[4], cpu_ns;
    for (int i = 0; i < 4; i++)
        ids[i] = fake_thread_add("worker");
    for (int i = 0; i < 4; i++) {
        cr_assert(list());
        plat->seen_count = 2;
        cr_assert(hl_plat_thread_cpu(plat, ids[i], &cpu_ns));
    }
    cr_assert(list());
    plat->seen_in_order = false;
    plat->seen_until_ns = UINT64_MAX;
    uint64_t before = fake_uses(FAKE_TASK_THREADS);
    for (int i = 0; i < 4; i++)
        cr_assert(hl_plat_thread_cpu(plat, ids[i], &cpu_ns));
    cr_assert_eq(fake_uses(FAKE_TASK_THREADS), before, "in whatever order they are");
}

/* ---- rights ------------------------------------------------------------------------------ */

static void ask_everything(uint64_t tid)
{
    char name[HL_PLAT_NAME_BYTES], letter;
    struct hl_plat_thread_state state;
    struct hl_plat_look look;
    uint64_t number;

    list();
    forget();
    hl_plat_thread_cpu(plat, tid, &number);
    forget();
    hl_plat_thread_name(plat, tid, name);
    forget();
    hl_plat_thread_glance(plat, tid, name, &letter, &(uint64_t){0});
    forget();
    hl_plat_thread_state(plat, tid, &state);
    forget();
    hl_plat_look(plat, tid, &look);
    forget();
}

Test(darwin_threads, whatever_fails_and_whoever_ends_no_right_is_lost_or_given_back_twice)
{
    static const int codes[] = {KERN_INVALID_ARGUMENT, KERN_FAILURE,    KERN_RESOURCE_SHORTAGE,
                                KERN_NO_ACCESS,        KERN_TERMINATED, MACH_SEND_INVALID_DEST};
    for (size_t code = 0; code < sizeof codes / sizeof *codes; code++)
        for (int lasting = 0; lasting < 2; lasting++)
            for (uint64_t k = 1; k < 80; k++) {
                fake_reset();
                forget();
                uint64_t worker = fake_thread_add("worker");
                leaving = fake_thread_add("leaving");
                questions = 0;
                leaving_at = (int)k / 2;
                fake_before_each(leave_at, NULL);
                fake_fail_any(k, codes[code], lasting);
                ask_everything(worker);
                fake_fail_any(0, 0, false);
                fake_before_each(NULL, NULL);
                assert_nothing_outstanding();
            }
}

Test(darwin_threads, a_hundred_thousand_samples_take_nothing)
{
    struct hl_plat_process process;
    uint64_t worker = fake_thread_add("worker");
    for (int i = 0; i < 100000; i++) {
        if (i % 100 == 0)
            ask_everything(worker);
        hl_plat_process(plat, ~0u, &process);
        uint64_t passing = fake_thread_add("passing");
        cr_assert(list());
        cr_assert_eq(total, 3);
        fake_thread_exit(passing);
        cr_assert_eq(fake_references(worker), 0);
    }
}

Test(darwin_threads, a_thread_is_found_anew_by_its_id)
{
    struct hl_plat_ports ports;
    kern_return_t result;
    uint64_t worker = fake_thread_add("worker"), other = fake_thread_add("other");
    cr_assert(hl_plat_take_threads(&ports, &result));
    cr_assert_eq(hl_plat_port_of(&ports, worker, &result), fake_thread_port(worker));
    cr_assert_eq(hl_plat_port_of(&ports, 4711, &result), (thread_act_t)MACH_PORT_NULL);
    fake_thread_exit(other);
    cr_assert_eq(hl_plat_port_of(&ports, other, &result), (thread_act_t)MACH_PORT_NULL);
    cr_assert_neq(fake_outstanding().rights, 0);
    hl_plat_give_back(&ports);
    assert_nothing_outstanding();
    hl_plat_give_back(&ports); /* there is nothing left to give */
}
