/* tests/mach/test_stack.c - the stack of another thread, on a Mach that only this test moves,
 * and on the real threads of this process.
 *
 * That a capture is given up for good holds for the process. So whatever may lead to that
 * is done in a child, which reports by its exit status: 0, or the line that was not true.
 */
#define _DEFAULT_SOURCE
#include "../../platform/darwin/images.h"
#include "../../platform/darwin/plat.h"
#include "scenario.h"

#include <criterion/criterion.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- in a child ----------------------------------------------------------------- */

/* A machine that others use, too, may take the core away for a millisecond, and the
 * capture after that is refused: then the scenario is played anew. */
#define WAS_DISTURBED (-2000)
#define MUST_CAPTURE(plat, tid, frames)                                   \
    do {                                                                  \
        if (!hl_plat_thread_frames(plat, tid, true, frames))              \
            return why_begins(plat, was_slow) ? WAS_DISTURBED : __LINE__; \
    } while (0)

static const char was_slow[] = "given up: a thread was stopped for more than 1 ms";

static bool why_begins(const struct hl_plat *plat, const char *text)
{
    return strncmp(hl_plat_why(plat, HL_PLAT_STACK), text, strlen(text)) == 0;
}

static int in_child(int (*scenario)(void *data), void *data)
{
    int line = WAS_DISTURBED;

    for (int i = 0; i < 100 && line == WAS_DISTURBED; i++)
        line = play_in_child(scenario, data);
    return line;
}

static void sleep_ns(long ns)
{
    struct timespec time = {0, ns};

    nanosleep(&time, NULL);
}

/* ---- a scripted thread ------------------------------------------------------------- */

static uint64_t add_thread(void)
{
    uint64_t tid = fake_thread_add("worker");

    fill_stack();
    give_stack(tid);
    return tid;
}

/* ---- what it finds -------------------------------------------------------------------- */

static int find_the_frames(void *data)
{
    struct hl_plat_frames frames;

    (void)data;
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    uint64_t tid = add_thread();
    MUST_CAPTURE(plat, tid, &frames);
    MUST(is_that_stack(&frames));
    MUST(fake_uses(FAKE_THREAD_SUSPEND) == 1);
    MUST(fake_uses(FAKE_THREAD_RESUME) == 1);
    MUST(nothing_is_outstanding());
    hl_plat_close(plat);
    return 0;
}

Test(capture, finds_the_frames_and_leaves_no_trace)
{
    cr_assert_eq(in_child(find_the_frames, NULL), 0);
}

static void dawdle(enum fake_call call, void *data)
{
    if (call == FAKE_THREAD_GET_STATE)
        sleep_ns(*(const long *)data);
}

static int tell_the_time(void *data)
{
    long pause_ns = 300000;
    struct hl_plat_frames frames;

    (void)data;
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    uint64_t tid = add_thread();
    fake_before_each(dawdle, &pause_ns);
    MUST_CAPTURE(plat, tid, &frames);
    MUST(frames.suspended_ns >= 300000);
    MUST(frames.suspended_ns < 1000000000);
    return 0;
}

Test(capture, tells_for_how_long_the_thread_was_stopped)
{
    cr_assert_eq(in_child(tell_the_time, NULL), 0);
}

/* ---- what it refuses --------------------------------------------------------------------- */

static int refuse(struct hl_plat *plat, uint64_t tid, bool may_interrupt, const char *why)
{
    struct hl_plat_frames frames;
    uint64_t before = fake_uses(FAKE_THREAD_SUSPEND);

    MUST(!hl_plat_thread_frames(plat, tid, may_interrupt, &frames));
    MUST(frames.suspended_ns == 0);
    MUST(frames.count == 0);
    MUST(why_begins(plat, why));
    MUST(fake_uses(FAKE_THREAD_SUSPEND) == before);
    MUST(nothing_is_outstanding());
    return 0;
}

Test(capture, is_refused_without_leave_to_interrupt)
{
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    cr_assert_eq(refuse(plat, add_thread(), false, "threads may not be interrupted"), 0);
    hl_plat_close(plat);
}

Test(capture, is_refused_of_the_caller)
{
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    cr_assert_eq(refuse(plat, hl_plat_thread_id(), true, "a thread cannot be stopped by itself"),
                 0);
    hl_plat_close(plat);
}

Test(capture, is_refused_of_the_monitors_own_threads)
{
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    uint64_t tid = add_thread();
    hl_plat_capture_spare(tid);
    cr_assert_eq(refuse(plat, tid, true, "a thread of the monitor"), 0);
    hl_plat_close(plat);
}

Test(capture, is_refused_of_a_thread_that_is_gone)
{
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    uint64_t tid = add_thread();
    fake_thread_exit(tid);
    cr_assert_eq(refuse(plat, tid, true, "the thread is gone"), 0);
    cr_assert_eq(refuse(plat, 0, true, "the thread is gone"), 0);
    hl_plat_close(plat);
}

Test(capture, is_refused_under_rosetta)
{
    fake_reset();
    fake_machine(FAKE_ROSETTA);
    struct hl_plat *plat = hl_plat_open();
    cr_assert_eq(refuse(plat, add_thread(), true, "running under Rosetta"), 0);
    hl_plat_close(plat);
}

static int fail_to_tell_rosetta(void *data)
{
    (void)data;
    for (uint64_t k = 1; k <= 8; k++) { /* whichever of its questions it is */
        fake_reset();
        fake_fail(FAKE_SYSCTL, 1, EPERM, true);
        struct hl_plat *plat = hl_plat_open();
        int line = refuse(plat, add_thread(), true, "it cannot be told whether");
        if (line != 0)
            return line;
        hl_plat_close(plat);
    }
    return 0;
}

Test(capture, is_refused_where_rosetta_cannot_be_ruled_out)
{
    cr_assert_eq(in_child(fail_to_tell_rosetta, NULL), 0);
}

static int be_slow_once(void *data)
{
    long pause_ns = 1200000;
    struct hl_plat_frames frames;

    (void)data;
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    uint64_t tid = add_thread();
    fake_before_each(dawdle, &pause_ns);
    MUST_CAPTURE(plat, tid, &frames);
    MUST(is_that_stack(&frames));
    MUST(frames.suspended_ns > 1000000);
    fake_before_each(NULL, NULL);
    MUST(refuse(plat, tid, true, was_slow) == 0);
    struct hl_plat *other = hl_plat_open(); /* it is said of the process */
    MUST(refuse(other, tid, true, was_slow) == 0);
    return 0;
}

Test(capture, is_given_up_for_good_after_a_slow_one)
{
    cr_assert_eq(in_child(be_slow_once, NULL), 0);
}

static int be_stuck_once(void *data)
{
    struct hl_plat_frames frames;
    bool lasting = *(const bool *)data;

    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    uint64_t tid = add_thread();
    fake_fail(FAKE_THREAD_RESUME, 1, KERN_FAILURE, lasting);
    MUST_CAPTURE(plat, tid, &frames);
    MUST(fake_uses(FAKE_THREAD_RESUME) == 2);
    MUST(fake_outstanding().rights == 0);
    MUST(fake_outstanding().suspensions == lasting);
    fake_fail(FAKE_THREAD_RESUME, 0, 0, false);
    uint64_t before = fake_uses(FAKE_THREAD_SUSPEND);
    if (!lasting)
        MUST_CAPTURE(plat, tid, &frames);
    else
        MUST(!hl_plat_thread_frames(plat, tid, true, &frames));
    MUST(fake_uses(FAKE_THREAD_SUSPEND) == before + !lasting);
    MUST(!lasting || why_begins(plat, "given up: a thread could not be resumed"));
    return 0;
}

Test(capture, resumes_once_more_where_that_failed)
{
    cr_assert_eq(in_child(be_stuck_once, &(bool){false}), 0);
}

Test(capture, is_given_up_for_good_when_a_thread_cannot_be_resumed)
{
    cr_assert_eq(in_child(be_stuck_once, &(bool){true}), 0);
}

/* ---- every call fails ----------------------------------------------------------------------- */

struct failure {
    uint64_t k;
    int code;
    bool lasting;
};

#define THAT_WAS_ALL (-1000)

static int fail_one(void *data)
{
    const struct failure *failure = data;
    struct hl_plat_frames frames;

    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    MUST(plat);
    fake_thread_add("other");
    uint64_t tid = add_thread(), before = fake_uses_of_all();
    fake_fail_any(failure->k, failure->code, failure->lasting);
    uint64_t resumed = fake_uses(FAKE_THREAD_RESUME);
    bool is_captured = hl_plat_thread_frames(plat, tid, true, &frames);
    resumed = fake_uses(FAKE_THREAD_RESUME) - resumed;
    bool is_over = fake_uses_of_all() - before < failure->k;
    struct fake_outstanding left = fake_outstanding();
    bool stays_stuck = failure->lasting && resumed > 0 && !is_over;
    MUST(left.rights == 0 && left.arrays == 0);
    MUST(left.suspensions == 0 || stays_stuck);
    MUST(resumed <= 2);
    MUST(!is_captured || frames.count > 0);
    MUST(!is_captured || frames.pc[0] == code_at(0));
    MUST(is_captured || *hl_plat_why(plat, HL_PLAT_STACK));
    MUST(!is_over || (is_captured && is_that_stack(&frames)));
    if (!stays_stuck) { /* and it goes on as if nothing had been */
        fake_fail_any(0, 0, false);
        MUST_CAPTURE(plat, tid, &frames);
        MUST(is_that_stack(&frames));
        MUST(fake_outstanding().rights == 0);
    }
    return is_over ? THAT_WAS_ALL : 0;
}

Test(capture, survives_every_call_failing_at_every_use, .timeout = 300)
{
    static const int codes[] = {KERN_FAILURE,           KERN_TERMINATED,
                                KERN_INVALID_ARGUMENT,  KERN_INVALID_ADDRESS,
                                MACH_SEND_INVALID_DEST, KERN_RESOURCE_SHORTAGE};
    uint64_t failures = 0;

    for (size_t c = 0; c < sizeof codes / sizeof codes[0]; c++)
        for (int lasting = 0; lasting < 2; lasting++) {
            int line = 0;
            for (uint64_t k = 1; line == 0; k++, failures++) {
                struct failure failure = {k, codes[c], lasting};
                line = in_child(fail_one, &failure);
                cr_assert(line == 0 || line == THAT_WAS_ALL, "line %d: use %zu, code %#x, %s", line,
                          (size_t)k, (unsigned)codes[c], lasting ? "for good" : "once");
            }
        }
    cr_assert_gt(failures, 12 * 10);
}

/* It exits before each of the calls in turn. */
static void exit_before(enum fake_call call, void *data)
{
    uint64_t *left = data;

    (void)call;
    if (left[0] > 0 && --left[0] == 0)
        fake_thread_exit(left[1]);
}

static int lose_the_thread(void *data)
{
    struct hl_plat_frames frames;
    uint64_t plan[2] = {*(const uint64_t *)data};

    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    plan[1] = add_thread();
    fake_before_each(exit_before, plan);
    bool is_captured = hl_plat_thread_frames(plat, plan[1], true, &frames);
    fake_before_each(NULL, NULL);
    MUST(fake_outstanding().rights == 0 && fake_outstanding().arrays == 0);
    MUST(is_captured || why_begins(plat, "the thread is gone"));
    return plan[0] > 0 ? THAT_WAS_ALL : 0;
}

Test(capture, survives_a_thread_that_exits_before_any_call)
{
    int line = 0;

    for (uint64_t k = 1; line == 0; k++) {
        line = in_child(lose_the_thread, &k);
        cr_assert(line == 0 || line == THAT_WAS_ALL, "line %d: before call %zu", line, (size_t)k);
    }
}

static int capture_often(void *data)
{
    struct hl_plat_frames frames;
    int captured = 0;

    (void)data;
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    uint64_t tid = add_thread();
    for (int i = 0; i < 20; i++)
        fake_thread_add("other");
    for (int i = 0; i < 2000; i++)
        captured += hl_plat_thread_frames(plat, tid, true, &frames) && is_that_stack(&frames);
    MUST(captured > 0);
    MUST(nothing_is_outstanding());
    MUST(captured == 2000 || why_begins(plat, was_slow));
    return -captured;
}

/* On a machine that others use, too, one of them may take longer than a millisecond. */
Test(capture, leaves_nothing_behind_in_ten_thousand, .timeout = 300)
{
    int captured = 0;

    for (int round = 0; captured < 10000; round++) {
        int line = in_child(capture_often, NULL);
        cr_assert_lt(line, 0, "line %d", line);
        cr_assert_lt(round, 1000);
        captured -= line;
    }
}

/* ---- forks -------------------------------------------------------------------------------------- */

static atomic_bool is_capturing, is_forking;
static atomic_int meetings;
static _Atomic uint64_t fork_called_ns;

static uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A fork that has waited for 5 ms may. */
static void note_meeting(bool has_met)
{
    if (has_met && monotonic_ns() - atomic_load(&fork_called_ns) < 5000000)
        atomic_fetch_add(&meetings, 1);
}

static void note_capture(enum fake_call call, void *data)
{
    (void)data;
    if (call == FAKE_THREAD_SUSPEND) {
        atomic_store(&is_capturing, true);
        note_meeting(atomic_load(&is_forking));
        sleep_ns(200000);
    }
    if (call == FAKE_PORT_DEALLOCATE)
        atomic_store(&is_capturing, false);
}

/* Told to the system before the platform's handler: so they run inside of those. */
static void fork_begins(void)
{
    atomic_store(&is_forking, true);
    note_meeting(atomic_load(&is_capturing));
}

static void fork_ends(void)
{
    atomic_store(&is_forking, false);
}

static atomic_bool is_enough;

static void *fork_often(void *data)
{
    (void)data;
    while (!atomic_load(&is_enough)) {
        atomic_store(&fork_called_ns, monotonic_ns());
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        waitpid(child, NULL, 0);
        sleep_ns(100000);
    }
    return NULL;
}

static int meet_no_fork(void *data)
{
    struct hl_plat_frames frames;
    pthread_t forker;
    int captured = 0, refused = 0;

    (void)data;
    pthread_atfork(fork_begins, fork_ends, NULL);
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    uint64_t tid = add_thread();
    fake_before_each(note_capture, NULL);
    pthread_create(&forker, NULL, fork_often, NULL);
    for (int i = 0; i < 500 && !why_begins(plat, "given up"); i++) {
        if (hl_plat_thread_frames(plat, tid, true, &frames))
            captured++;
        else if (why_begins(plat, "a fork is going on") && frames.try_again)
            refused++;
        sleep_ns(20000);
    }
    atomic_store(&is_enough, true);
    pthread_join(forker, NULL);
    MUST(atomic_load(&meetings) == 0);
    return -1 - captured - 1000 * refused;
}

Test(capture, never_meets_a_fork, .timeout = 120)
{
    int captured = 0, refused = 0;

    for (int round = 0; round < 200 && (captured < 300 || refused < 30); round++) {
        int line = in_child(meet_no_fork, NULL);
        cr_assert_lt(line, 0, "line %d", line);
        captured += (-1 - line) % 1000;
        refused += (-1 - line) / 1000;
    }
    cr_assert(captured >= 100 && refused >= 10, "%d captured, %d refused", captured, refused);
}

static void *fork_once(void *took_ns)
{
    uint64_t began = monotonic_ns();
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    *(uint64_t *)took_ns = monotonic_ns() - began;
    waitpid(child, NULL, 0);
    return NULL;
}

/* As a capture under Rosetta does. */
static void hang_during(enum fake_call call, void *data)
{
    static bool has_hung;
    pthread_t forker;

    if (call != FAKE_TASK_THREADS || has_hung)
        return;
    has_hung = true;
    pthread_create(&forker, NULL, fork_once, data);
    pthread_join(forker, NULL);
}

static int hang(void *data)
{
    struct hl_plat_frames frames;
    uint64_t took_ns = 0;

    (void)data;
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    uint64_t tid = add_thread();
    fake_before_each(hang_during, &took_ns);
    hl_plat_thread_frames(plat, tid, true, &frames);
    MUST(took_ns >= 5000000);
    MUST(took_ns < 2000000000);
    return 0;
}

Test(capture, that_hangs_holds_up_a_fork_for_some_milliseconds_only, .timeout = 30)
{
    cr_assert_eq(in_child(hang, NULL), 0);
}

/* ---- the child of a fork ------------------------------------------------------------------------- */

static int capture_as_new(void *data)
{
    struct hl_plat_frames frames;

    (void)data;
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    uint64_t tid = add_thread();
    MUST_CAPTURE(plat, tid, &frames);
    MUST(is_that_stack(&frames));
    return 0;
}

static int fork_later(void *data)
{
    (void)data;
    struct hl_plat *plat = hl_plat_open(); /* so forks are heeded from now on */
    int line = in_child(capture_as_new, NULL);
    hl_plat_close(plat);
    return line;
}

static int fork_after_a_slow_one(void *data)
{
    int line = be_slow_once(data);

    return line ? line : in_child(capture_as_new, NULL);
}

static void fork_meanwhile(enum fake_call call, void *data)
{
    static bool is_done;

    if (call != FAKE_TASK_THREADS || is_done)
        return;
    is_done = true;
    *(int *)data = in_child(capture_as_new, NULL);
}

/* By the capturing thread itself, as if its patience had been lost. */
static int fork_in_the_middle(void *data)
{
    struct hl_plat_frames frames;
    int line = -1;

    (void)data;
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    uint64_t tid = add_thread();
    fake_before_each(fork_meanwhile, &line);
    MUST_CAPTURE(plat, tid, &frames);
    return line;
}

Test(capture, works_in_the_child_of_a_fork_whatever_the_parent_was_doing)
{
    cr_assert_eq(in_child(fork_later, NULL), 0);
    cr_assert_eq(in_child(fork_after_a_slow_one, NULL), 0);
    cr_assert_eq(in_child(fork_in_the_middle, NULL), 0);
}

/* A fork that did not wait to the end: nobody is stopped from then on. */
static void begin_to_fork(enum fake_call call, void *data)
{
    static pthread_t forker;
    static bool has_begun;

    if (call == FAKE_TASK_THREADS && !has_begun) {
        has_begun = true;
        pthread_create(&forker, NULL, fork_once, data);
        sleep_ns(1000000); /* it waits by then, or does so later: the same is true */
    }
}

static int give_way(void *data)
{
    struct hl_plat_frames frames;
    uint64_t took_ns = 0;

    (void)data;
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    uint64_t tid = add_thread();
    fake_before_each(begin_to_fork, &took_ns);
    bool is_captured = hl_plat_thread_frames(plat, tid, true, &frames);
    MUST(is_captured || (why_begins(plat, "a fork is going on") && frames.try_again));
    MUST(is_captured || fake_uses(FAKE_THREAD_SUSPEND) == 0);
    MUST(fake_outstanding().rights == 0);
    return is_captured ? THAT_WAS_ALL : 0;
}

Test(capture, stops_nobody_once_a_fork_has_begun, .timeout = 30)
{
    int line = THAT_WAS_ALL;

    for (int round = 0; line == THAT_WAS_ALL && round < 50; round++)
        line = in_child(give_way, NULL);
    cr_assert_eq(line, 0);
}

/* ---- alone ----------------------------------------------------------------------------------------- */

static void look_at_signals(enum fake_call call, void *data)
{
    sigset_t blocked;

    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (call == FAKE_THREAD_GET_STATE)
        *(bool *)data = sigismember(&blocked, SIGALRM) == 1 && sigismember(&blocked, SIGUSR1) == 1;
}

static int block_signals(void *data)
{
    struct hl_plat_frames frames;
    sigset_t blocked;
    bool are_blocked = false;

    (void)data;
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    uint64_t tid = add_thread();
    fake_before_each(look_at_signals, &are_blocked);
    MUST_CAPTURE(plat, tid, &frames);
    MUST(are_blocked);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    MUST(sigismember(&blocked, SIGUSR1) == 0);
    return 0;
}

Test(capture, lets_no_signal_handler_in_between)
{
    cr_assert_eq(in_child(block_signals, NULL), 0);
}

static struct hl_plat *inner;
static uint64_t inner_tid;
static bool inner_result;

static void *capture_inside(void *data)
{
    struct hl_plat_frames frames;

    (void)data;
    inner_result = hl_plat_thread_frames(inner, inner_tid, true, &frames);
    return NULL;
}

static void capture_meanwhile(enum fake_call call, void *data)
{
    static bool is_done;
    pthread_t other;

    (void)data;
    if (call != FAKE_TASK_THREADS || is_done)
        return;
    is_done = true;
    pthread_create(&other, NULL, capture_inside, NULL);
    pthread_join(other, NULL);
}

static int capture_in_company(void *data)
{
    struct hl_plat_frames frames;

    (void)data;
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    inner = hl_plat_open();
    inner_tid = add_thread();
    inner_result = true;
    fake_before_each(capture_meanwhile, NULL);
    MUST_CAPTURE(plat, inner_tid, &frames);
    MUST(!inner_result);
    MUST(why_begins(inner, "another capture is going on"));
    MUST_CAPTURE(inner, inner_tid, &frames);
    return 0;
}

Test(capture, is_refused_while_another_one_goes_on)
{
    cr_assert_eq(in_child(capture_in_company, NULL), 0);
}

/* ---- real threads ----------------------------------------------------------------------------------- */

struct parked {
    _Atomic uint64_t tid;
    atomic_int word;
    sem_t is_there;
    uintptr_t into_middle, into_outer, into_start; /* where its functions return to */
};

#define AFTER_THE_CALL __asm__ volatile("") /* so that the call is not the last thing done */

static void park(struct parked *parked)
{
    parked->into_middle = (uintptr_t)__builtin_return_address(0);
    atomic_store(&parked->tid, hl_plat_thread_id());
    sem_post(&parked->is_there);
    while (atomic_load(&parked->word) == 0)
        syscall(SYS_futex, &parked->word, 0, 0, NULL);
    AFTER_THE_CALL;
}

/* Called through these, so that no compiler inlines or copies them. */
static void (*volatile call_park)(struct parked *parked) = park;

static void middle(struct parked *parked)
{
    parked->into_outer = (uintptr_t)__builtin_return_address(0);
    call_park(parked);
    AFTER_THE_CALL;
}

static void (*volatile call_middle)(struct parked *parked) = middle;

static void outer(struct parked *parked)
{
    parked->into_start = (uintptr_t)__builtin_return_address(0);
    call_middle(parked);
    AFTER_THE_CALL;
}

static void (*volatile call_outer)(struct parked *parked) = outer;

static void *start_parked(void *data)
{
    call_outer(data);
    AFTER_THE_CALL;
    return NULL;
}

static pthread_t park_thread(struct parked *parked)
{
    pthread_t thread;

    sem_init(&parked->is_there, 0, 0);
    pthread_create(&thread, NULL, start_parked, parked);
    sem_wait(&parked->is_there);
    return thread;
}

static void let_go(struct parked *parked, pthread_t thread)
{
    atomic_store(&parked->word, 1);
    syscall(SYS_futex, &parked->word, 1, 1);
    pthread_join(thread, NULL);
}

static int index_of(const struct hl_plat_frames *frames, uintptr_t pc)
{
    for (uint32_t i = 0; i < frames->count; i++)
        if (frames->pc[i] == pc)
            return (int)i;
    return -1;
}

static bool is_in_park(uintptr_t pc)
{
    return pc > (uintptr_t)park && pc < (uintptr_t)park + 256;
}

/* Its functions in their order, the innermost one first. */
static int look_at_parked(const struct parked *parked, const struct hl_plat_frames *frames)
{
    int first = index_of(frames, parked->into_middle);

    MUST(first >= 1);
    MUST(index_of(frames, parked->into_outer) == first + 1);
    MUST(index_of(frames, parked->into_start) == first + 2);
    MUST(is_in_park(frames->pc[first - 1]));
    return 0;
}

static int capture_parked(void *data)
{
    struct parked parked = {0};
    struct hl_plat_frames frames;
    char module[HL_PLAT_MODULE_BYTES], own[HL_PLAT_MODULE_BYTES];
    uint64_t offset;

    (void)data;
    fake_live();
    struct hl_plat *plat = hl_plat_open();
    pthread_t thread = park_thread(&parked);
    sleep_ns(20000000); /* it is in its system call by then */
    MUST_CAPTURE(plat, atomic_load(&parked.tid), &frames);
    MUST(frames.suspended_ns > 0);
    int line = look_at_parked(&parked, &frames);
    if (line)
        return line;
    MUST(hl_plat_place_of(plat, parked.into_outer, module, &offset));
    MUST(hl_plat_place_of(plat, (uintptr_t)park, own, &offset));
    MUST(strcmp(module, own) == 0 && *own);
    let_go(&parked, thread);
    MUST(nothing_is_outstanding());
    hl_plat_close(plat);
    return 0;
}

Test(capture, of_a_parked_thread_has_its_functions_in_order)
{
    cr_assert_eq(in_child(capture_parked, NULL), 0);
}

static void *allocate_often(void *data)
{
    (void)data;
    while (!atomic_load(&is_enough)) {
        void *blocks[64];
        for (int i = 0; i < 64; i++)
            blocks[i] = malloc(16u << (i % 12));
        for (int i = 0; i < 64; i++)
            free(blocks[i]);
    }
    return NULL;
}

static void *load_often(void *data)
{
    (void)data;
    while (!atomic_load(&is_enough)) {
        void *library = dlopen("libm.so.6", RTLD_NOW);
        if (library)
            dlclose(library);
    }
    return NULL;
}

static _Atomic uint64_t storm_tids[3];
static atomic_int storm_count;

static void *storm(void *function)
{
    atomic_store(&storm_tids[atomic_fetch_add(&storm_count, 1)], hl_plat_thread_id());
    return (*(void *(**)(void *))function)(NULL);
}

static void *(*storms[3])(void *) = {allocate_often, load_often, fork_often};

/* How many were captured, negative; or a line. */
static int capture_in_a_storm(void *data)
{
    struct hl_plat_frames frames;
    pthread_t threads[3];
    int captured = 0;

    (void)data;
    fake_live();
    struct hl_plat *plat = hl_plat_open();
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, storm, &storms[i]);
    while (atomic_load(&storm_count) < 3)
        sleep_ns(1000000);
    for (int i = 0; i < 1000 && !why_begins(plat, "given up"); i++)
        captured += hl_plat_thread_frames(plat, atomic_load(&storm_tids[i % 3]), true, &frames);
    atomic_store(&is_enough, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    MUST(nothing_is_outstanding());
    hl_plat_close(plat);
    return -captured - 1;
}

Test(capture, gets_along_with_threads_that_allocate_load_and_fork, .timeout = 300)
{
    int captured = 0;

    /* Where cores are scarce, one suspension above 1 ms soon ends a round. */
    for (int round = 0; captured < (round < 60 ? 1000 : 21) && round < 2000; round++) {
        int line = in_child(capture_in_a_storm, NULL);
        cr_assert_lt(line, 0, "line %d", line);
        captured -= line + 1;
    }
    cr_assert_gt(captured, 20);
}

/* ---- which file ------------------------------------------------------------------------------------------ */

struct header_with {
    struct mach_header_64 header;
    struct segment_command_64 segments[2];
};

static struct header_with image_with(const char *first, const char *second)
{
    struct header_with image = {
        .header = {.magic = MH_MAGIC_64, .ncmds = 2, .sizeofcmds = sizeof image.segments}};

    for (int i = 0; i < 2; i++) {
        image.segments[i] =
            (struct segment_command_64){.cmd = LC_SEGMENT_64,
                                        .cmdsize = sizeof image.segments[0],
                                        .vmaddr = 0x100000000 + 0x10000000 * (uint64_t)i,
                                        .vmsize = 0x8000};
        const char *name = i ? second : first;
        memcpy(image.segments[i].segname, name, strlen(name));
    }
    return image;
}

Test(places, the_code_of_one_is_its_text_segment_moved)
{
    struct header_with image = image_with("__PAGEZERO", "__TEXT");
    uintptr_t low, high;

    cr_assert(hl_images_text(&image.header, 0x4000, &low, &high));
    cr_assert_eq(low, 0x110004000);
    cr_assert_eq(high, 0x11000c000);
}

Test(places, a_header_that_is_cut_off_has_no_code)
{
    struct header_with image = image_with("__PAGEZERO", "__TEXT"), cut = image, none, other;
    uintptr_t low, high;

    cut.header.sizeofcmds -= 1;
    cr_assert_not(hl_images_text(&cut.header, 0, &low, &high));
    cut = image;
    cut.segments[0].cmdsize = 0;
    cr_assert_not(hl_images_text(&cut.header, 0, &low, &high));
    cut = image;
    cut.segments[1].cmdsize = 16;
    cr_assert_not(hl_images_text(&cut.header, 0, &low, &high));
    none = image_with("__DATA", "__LINKEDIT");
    cr_assert_not(hl_images_text(&none.header, 0, &low, &high));
    other = image;
    other.header.magic = 0xfeedface;
    cr_assert_not(hl_images_text(&other.header, 0, &low, &high));
}

static void expect_place(uintptr_t address, const char *name, uint64_t distance)
{
    char module[HL_PLAT_MODULE_BYTES] = "?";
    uint64_t offset = 1;

    cr_assert_eq(hl_plat_place_of(NULL, address, module, &offset), *name != 0);
    cr_assert_str_eq(module, name);
    cr_assert_eq(offset, distance);
}

Test(places, an_address_lies_in_the_file_whose_code_is_around_it)
{
    hl_images_add(1, 0x1000, 0x2000, "/usr/lib/libone.dylib");
    hl_images_add(2, 0x2000, 0x3000, "two");
    expect_place(0x0fff, "", 0);
    expect_place(0x1000, "libone.dylib", 0);
    expect_place(0x1fff, "libone.dylib", 0xfff);
    expect_place(0x2000, "two", 0);
    expect_place(0x3000, "", 0);
}

Test(places, one_that_is_unloaded_is_forgotten_and_its_room_used_again)
{
    hl_images_add(1, 0x1000, 0x2000, "/a/one");
    hl_images_add(2, 0x2000, 0x3000, "/a/two");
    hl_images_remove(1);
    hl_images_remove(7);
    expect_place(0x1800, "", 0);
    expect_place(0x2800, "two", 0x800);
    for (uintptr_t i = 0; i < 3 * HL_IMAGES; i++) {
        cr_assert(hl_images_add(3, 0x1000, 0x2000, "/a/three"));
        expect_place(0x1800, "three", 0x800);
        hl_images_remove(3);
    }
    cr_assert_eq(hl_images_lost(), 0);
}

Test(places, those_that_do_not_fit_are_counted)
{
    for (uintptr_t i = 1; i <= HL_IMAGES + 3; i++)
        cr_assert_eq(hl_images_add(i, 0x1000 * i, 0x1000 * i + 0x1000, "/x"), i <= HL_IMAGES);
    cr_assert_eq(hl_images_lost(), 3);
    expect_place((uintptr_t)0x1000 * HL_IMAGES, "x", 0);
    expect_place((uintptr_t)0x1000 * (HL_IMAGES + 1), "", 0);
}

Test(places, a_long_name_is_cut)
{
    char path[200] = "/";

    memset(path + 1, 'n', sizeof path - 2);
    hl_images_add(1, 0x1000, 0x2000, path);
    path[HL_PLAT_MODULE_BYTES] = 0;
    expect_place(0x1000, path + 1, 0);
}

/* Two that come and go at one place: what is said is of one or the other, whole. */
static void *come_and_go(void *data)
{
    uintptr_t key = (uintptr_t)data;
    char path[48];

    memset(path, (int)('a' + key % 26), sizeof path);
    path[sizeof path - 1] = 0;
    while (!atomic_load(&is_enough)) {
        hl_images_add(key, 0x1000, 0x1000 + 0x100 * key, path);
        hl_images_remove(key);
    }
    return NULL;
}

static bool is_whole(const char *name)
{
    return strlen(name) == 47 && strspn(name, (char[]){name[0], 0}) == 47;
}

Test(places, come_and_go_while_they_are_asked_for)
{
    pthread_t threads[4];
    int found = 0;

    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, come_and_go, (void *)(i + 1));
    for (time_t end = time(NULL) + 20; found < 100000 && time(NULL) < end;) {
        char module[HL_PLAT_MODULE_BYTES];
        uint64_t offset;
        if (!hl_plat_place_of(NULL, 0x10ff, module, &offset))
            continue;
        found++;
        cr_assert(is_whole(module), "%s", module);
        cr_assert_eq(offset, 0xff);
    }
    atomic_store(&is_enough, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(found, 100000);
}

Test(places, those_that_dyld_tells_of_are_known)
{
    fake_reset();
    struct hl_plat *plat = hl_plat_open();
    fake_image_add("/Library/Some.framework/Versions/A/Some", 0x7ff800000000, 0x10000);
    expect_place(0x7ff800001234, "Some", 0x1234);
    fake_image_remove("/Library/Some.framework/Versions/A/Some");
    expect_place(0x7ff800001234, "", 0);
    hl_plat_close(plat);
}
