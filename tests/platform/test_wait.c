/* tests/platform/test_wait.c - the monitor's sleep: how long, who ends it, and what it measures. */
#define _GNU_SOURCE
#include "helper.h"

#include <poll.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sched.h>
#include <sys/ptrace.h>
#endif

/* How much later than it should a thread may run on a machine that is busy. */
#define LATE (400 * MS)

static uint64_t length(const struct hl_plat_wait *wait)
{
    return wait->ended_ns - wait->began_ns;
}

/* ---- how long ------------------------------------------------------------------------ */

Test(wait, lasts_its_time_and_not_much_longer)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_wait wait;

    for (int i = 0; i < 20; i++) {
        uint64_t timeout = (uint64_t)i * MS + 1;
        uint64_t before = hl_plat_now_ns();
        hl_plat_wait(plat, timeout, &wait);
        cr_assert_not(wait.woken);
        cr_assert_geq(length(&wait), timeout);
        cr_assert_lt(length(&wait), timeout + LATE);
        cr_assert_geq(wait.began_ns, before);
        cr_assert_leq(wait.ended_ns, hl_plat_now_ns());
        cr_assert_eq(wait.stopped_ns, 0, "%llu", (unsigned long long)wait.stopped_ns);
        cr_assert_null(wait.stopped_by);
        cr_assert_eq(wait.suspended_ns, 0);
    }
}

Test(wait, of_nothing_returns_at_once)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_wait wait;

    hl_plat_wait(plat, 0, &wait);
    cr_assert_not(wait.woken);
    cr_assert_lt(length(&wait), LATE);
}

/* ---- who ends it ------------------------------------------------------------------------ */

static void *wake_soon(void *plat)
{
    nap(100 * MS);
    hl_plat_wake(plat);
    return NULL;
}

Test(wake, from_another_thread_ends_a_sleep)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_wait wait;
    pthread_t thread;

    pthread_create(&thread, NULL, wake_soon, plat);
    hl_plat_wait(plat, UINT64_MAX, &wait);
    cr_assert(wait.woken);
    cr_assert_geq(length(&wait), 90 * MS);
    cr_assert_lt(length(&wait), 100 * MS + LATE);
    pthread_join(thread, NULL);
}

Test(wake, before_a_sleep_ends_it_and_only_it)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_wait wait;

    for (int i = 0; i < 3; i++)
        hl_plat_wake(plat);
    hl_plat_wait(plat, 10 * S, &wait);
    cr_assert(wait.woken);
    cr_assert_lt(length(&wait), LATE);
    hl_plat_wait(plat, 50 * MS, &wait);
    cr_assert_not(wait.woken);
    cr_assert_geq(length(&wait), 50 * MS);
}

static struct hl_plat *plat_of_handler;

static void wake_in_handler(int signal)
{
    int interrupted = errno;

    (void)signal;
    errno = 77;
    hl_plat_wake(plat_of_handler);
    if (errno != 77)
        abort();
    errno = interrupted;
}

static void *send_signal(void *thread)
{
    nap(100 * MS);
    pthread_kill(*(pthread_t *)thread, SIGUSR1);
    return NULL;
}

Test(wake, from_a_signal_handler_ends_a_sleep)
{
    struct sigaction action = {.sa_handler = wake_in_handler};
    struct hl_plat_wait wait;
    pthread_t self = pthread_self(), thread;

    plat_of_handler = hl_plat_open();
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, send_signal, &self);
    hl_plat_wait(plat_of_handler, 10 * S, &wait);
    cr_assert(wait.woken);
    cr_assert_lt(length(&wait), 100 * MS + LATE);
    cr_assert_eq(wait.stopped_ns, 0);
    pthread_join(thread, NULL);
}

static void ignore_in_handler(int signal)
{
    (void)signal;
}

Test(wait, a_signal_does_not_cut_it_short)
{
    struct sigaction action = {.sa_handler = ignore_in_handler};
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_wait wait;
    pthread_t self = pthread_self(), thread;

    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, send_signal, &self);
    hl_plat_wait(plat, 300 * MS, &wait);
    cr_assert_not(wait.woken);
    cr_assert_geq(length(&wait), 300 * MS);
    cr_assert_lt(length(&wait), 300 * MS + LATE);
    cr_assert_eq(wait.stopped_ns, 0);
    pthread_join(thread, NULL);
}

static atomic_int wakers_left;

static void *wake_often(void *plat)
{
    for (int i = 0; i < 20000; i++)
        hl_plat_wake(plat);
    atomic_fetch_sub(&wakers_left, 1);
    hl_plat_wake(plat);
    return NULL;
}

Test(wake, many_at_once_lose_none)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_wait wait;
    pthread_t threads[4];

    atomic_store(&wakers_left, 4);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, wake_often, plat);
    while (atomic_load(&wakers_left) > 0) {
        hl_plat_wait(plat, 5 * S, &wait);
        cr_assert(wait.woken, "slept 5 s although somebody called");
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* ---- an application that closes what it does not know -------------------------------------- */

struct closed {
    struct hl_plat_wait alone, woken;
    uint64_t cpu_ns;
    int foreign_bytes;
};

static uint64_t cpu_now(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * S + (uint64_t)used.tv_nsec;
}

static int foreign[20][2];

static int take_their_numbers(void)
{
    int made = 0;

    while (made < 20 && pipe(foreign[made]) == 0)
        made++;
    return made;
}

static void close_everything(void *shared)
{
    struct closed *closed = shared;
    pthread_t thread;

    close_from(3);
    struct hl_plat *plat = hl_plat_open();
    close_from(3);
    int made = take_their_numbers();

    uint64_t before = cpu_now();
    hl_plat_wait(plat, 300 * MS, &closed->alone);
    closed->cpu_ns = cpu_now() - before;

    close_from(3);
    made = take_their_numbers();
    hl_plat_wake(plat);
    hl_plat_wait(plat, 10 * MS, &closed->woken);
    pthread_create(&thread, NULL, wake_soon, plat);
    hl_plat_wait(plat, 5 * S, &closed->woken);
    pthread_join(thread, NULL);
    hl_plat_close(plat);

    for (int i = 0; i < made; i++) {
        char byte;
        fcntl(foreign[i][0], F_SETFL, O_NONBLOCK);
        closed->foreign_bytes += read(foreign[i][0], &byte, 1) > 0;
        closed->foreign_bytes += fcntl(foreign[i][1], F_GETFD) < 0;
    }
}

Test(closed, descriptors_are_made_again_and_foreign_ones_left_alone)
{
    struct closed *closed = hl_plat_map_shared(sizeof *closed);

    in_child(close_everything, closed);
    cr_assert_geq(length(&closed->alone), 300 * MS);
    cr_assert_lt(length(&closed->alone), 300 * MS + LATE);
    cr_assert_lt(closed->cpu_ns, 20 * MS, "it span");
    cr_assert(closed->woken.woken);
    cr_assert_lt(length(&closed->woken), 100 * MS + LATE);
    cr_assert_eq(closed->foreign_bytes, 0);
}

static atomic_bool closing_is_over;

static void *close_again_and_again(void *unused)
{
    while (!atomic_load(&closing_is_over)) {
        close_from(3);
        nap(MS);
    }
    return unused;
}

static void sleep_while_closed(void *shared)
{
    struct closed *closed = shared;
    pthread_t thread;

    struct hl_plat *plat = hl_plat_open();
    pthread_create(&thread, NULL, close_again_and_again, NULL);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < 30; i++)
        hl_plat_wait(plat, 10 * MS, &closed->alone);
    pthread_create(&thread, NULL, wake_soon, plat);
    hl_plat_wait(plat, 400 * MS, &closed->woken);
    getrusage(RUSAGE_SELF, &after);
    closed->foreign_bytes = (int)(after.ru_nvcsw - before.ru_nvcsw);
    atomic_store(&closing_is_over, true);
}

Test(closed, again_and_again_does_not_make_it_spin)
{
    struct closed *closed = hl_plat_map_shared(sizeof *closed);

    in_child(sleep_while_closed, closed);
    cr_assert_geq(length(&closed->alone), 10 * MS);
    cr_assert_lt(closed->foreign_bytes, 3000, "%d switches", closed->foreign_bytes);
}

static void close_one_by_one(void *shared)
{
    struct closed *closed = shared;
    struct hl_plat *plat = hl_plat_open();

    close_from(100);
    for (int descriptor = 3; descriptor < 100; descriptor++) {
        if (close(descriptor) != 0)
            continue;
        hl_plat_wake(plat);
        hl_plat_wait(plat, 10 * S, &closed->woken);
        if (!closed->woken.woken)
            abort();
    }
}

Test(closed, any_of_them_alone_kills_nobody_who_wakes_it)
{
    struct closed *closed = hl_plat_map_shared(sizeof *closed);

    in_child(close_one_by_one, closed);
    cr_assert_lt(length(&closed->woken), LATE);
}

/* ---- stops ------------------------------------------------------------------------------- */

struct stopped {
    atomic_bool ready;
    uint64_t timeout_ns;
    struct hl_plat_wait wait;
};

static void sleep_measured(void *shared)
{
    struct stopped *stopped = shared;
    struct hl_plat *plat = hl_plat_open();

    atomic_store(&stopped->ready, true);
    hl_plat_wait(plat, stopped->timeout_ns, &stopped->wait);
}

static struct stopped *sleeper(uint64_t timeout_ns, pid_t *child)
{
    struct stopped *stopped = hl_plat_map_shared(sizeof *stopped);

    stopped->timeout_ns = timeout_ns;
    *child = start_child(sleep_measured, stopped);
    while (!atomic_load(&stopped->ready))
        nap(MS);
    return stopped;
}

static void stop_for(pid_t child, uint64_t ns)
{
    kill(child, SIGSTOP);
    nap(ns);
    kill(child, SIGCONT);
}

#define ONLY_WHERE_STOPS_ARE_SEEN(wait)                                      \
    do {                                                                     \
        if (!is_linux()) {                                                   \
            cr_assert_eq((wait)->stopped_ns, 0);                             \
            cr_skip("this platform cannot tell a stop from a late wake-up"); \
        }                                                                    \
    } while (0)

Test(stops, one_inside_a_sleep_is_measured_and_does_not_count)
{
    pid_t child;
    struct stopped *stopped = sleeper(700 * MS, &child);
    const struct hl_plat_wait *wait = &stopped->wait;

    nap(100 * MS);
    uint64_t began = hl_plat_now_ns();
    stop_for(child, 500 * MS);
    uint64_t stop = hl_plat_now_ns() - began;
    end_child(child);
    ONLY_WHERE_STOPS_ARE_SEEN(wait);
    cr_assert_geq(wait->stopped_ns + 50 * MS, stop);
    cr_assert_leq(wait->stopped_ns, stop + 50 * MS);
    cr_assert_str_eq(wait->stopped_by, "stopped");
    cr_assert_geq(length(wait), 700 * MS + wait->stopped_ns - MS);
    cr_assert_lt(length(wait), 700 * MS + stop + LATE);
}

/* As a monitor does that is stopped at its work: it does not sleep meanwhile. */
static void work_measured(void *shared)
{
    struct stopped *stopped = shared;
    struct hl_plat *plat = hl_plat_open();
    uint64_t since;

    hl_plat_wait(plat, MS, &stopped->wait);
    since = stopped->wait.ended_ns;
    cr_assert_eq(hl_plat_stopped_awake(plat, since, 0, &stopped->wait.stopped_by), 0);
    atomic_store(&stopped->ready, true);
    while (hl_plat_now_ns() - since < stopped->timeout_ns)
        continue;
    stopped->wait.stopped_ns = hl_plat_stopped_awake(plat, since, 0, &stopped->wait.stopped_by);
    stopped->wait.starved_ns =
        hl_plat_stopped_awake(plat, since, stopped->timeout_ns, &stopped->wait.stopped_by);
}

Test(stops, one_while_awake_is_measured)
{
    struct stopped *stopped = hl_plat_map_shared(sizeof *stopped);
    const struct hl_plat_wait *wait = &stopped->wait;
    stopped->timeout_ns = 900 * MS;
    pid_t child = start_child(work_measured, stopped);
    while (!atomic_load(&stopped->ready))
        nap(MS);
    uint64_t began = hl_plat_now_ns();
    stop_for(child, 400 * MS);
    uint64_t stop = hl_plat_now_ns() - began;
    end_child(child);
    ONLY_WHERE_STOPS_ARE_SEEN(wait);
    cr_assert_geq(wait->stopped_ns + 60 * MS, stop);
    cr_assert_leq(wait->stopped_ns, stop + 60 * MS);
    cr_assert_str_eq(wait->stopped_by, "stopped");
    cr_assert_eq(wait->starved_ns, 0, "what was spent elsewhere is no stop");
}

Test(stops, work_and_want_of_a_core_while_awake_are_none)
{
    struct stopped *stopped = hl_plat_map_shared(sizeof *stopped);
    stopped->timeout_ns = 400 * MS;
    pid_t child = start_child(work_measured, stopped);
    end_child(child);
    cr_assert_eq(stopped->wait.stopped_ns, 0);
}

Test(stops, several_inside_a_sleep_are_added_up)
{
    pid_t child;
    struct stopped *stopped = sleeper(600 * MS, &child);
    const struct hl_plat_wait *wait = &stopped->wait;
    uint64_t stop = 0;

    for (int i = 0; i < 5; i++) {
        uint64_t began = hl_plat_now_ns();
        stop_for(child, 100 * MS);
        stop += hl_plat_now_ns() - began;
        nap(30 * MS);
    }
    end_child(child);
    ONLY_WHERE_STOPS_ARE_SEEN(wait);
    cr_assert_geq(wait->stopped_ns + 50 * MS, stop);
    cr_assert_leq(wait->stopped_ns, stop + 50 * MS);
}

#ifdef __linux__
Test(stops, a_debugger_is_told_from_a_stop)
{
    pid_t child;
    struct stopped *stopped = sleeper(500 * MS, &child);
    const struct hl_plat_wait *wait = &stopped->wait;
    int status;

    nap(100 * MS);
    if (ptrace(PTRACE_SEIZE, child, NULL, NULL) != 0) {
        end_child(child);
        cr_skip("not allowed to trace");
    }
    ptrace(PTRACE_INTERRUPT, child, NULL, NULL);
    cr_assert_eq(waitpid(child, &status, 0), child);
    nap(300 * MS);
    ptrace(PTRACE_CONT, child, NULL, NULL);
    end_child(child);
    ONLY_WHERE_STOPS_ARE_SEEN(wait);
    cr_assert_geq(wait->stopped_ns, 290 * MS);
    cr_assert_leq(wait->stopped_ns, 300 * MS + LATE);
    cr_assert_str_eq(wait->stopped_by, "debugger");
}

static void sleep_among_spinners(void *shared)
{
    struct stopped *stopped = shared;
    struct hl_plat *plat = hl_plat_open();
    cpu_set_t one;
    pid_t spinners[3];

    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_setaffinity(0, sizeof one, &one);
    for (int i = 0; i < 3; i++)
        if ((spinners[i] = fork()) == 0) {
            alarm(30);
            for (;;)
                continue;
        }
    setpriority(PRIO_PROCESS, 0, 19);
    for (int i = 0; i < 100; i++) {
        struct hl_plat_wait wait;
        hl_plat_wait(plat, 5 * MS, &wait);
        stopped->wait.stopped_ns += wait.stopped_ns;
        stopped->wait.starved_ns += wait.starved_ns;
    }
    for (int i = 0; i < 3; i++) {
        kill(spinners[i], SIGKILL);
        waitpid(spinners[i], NULL, 0);
    }
}

Test(stops, hunger_for_a_core_is_not_one)
{
    struct stopped *stopped = hl_plat_map_shared(sizeof *stopped);

    in_child(sleep_among_spinners, stopped);
    cr_assert_eq(stopped->wait.stopped_ns, 0);
    ONLY_WHERE_STOPS_ARE_SEEN(&stopped->wait);
    cr_assert_gt(stopped->wait.starved_ns, MS);
}
#endif
