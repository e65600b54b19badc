/* tests/unit/test_monitor.c - starting, stopping and asking, with a live thread.
 *
 * What a whole program sees of it is in tests/story. Here the platform counts what is
 * open and mapped, and can be told to fail.
 */
#define _GNU_SOURCE
#include "../../monitor/wake.h"
#include "../doubles/scripted_platform.h"
#include "../sanitize/has.h"

#include <heartline/monitor.h>

#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static monitor_options options;
static _Atomic unsigned starts, stops, beats, notes;
static char note[256];
static int stop_within, start_within, beat_within;
static sigset_t blocked_within;

/* On the monitor's thread. */
static void take_line(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)length;
    if (strstr(line, "] start ")) {
        stop_within = monitor_stop();
        start_within = monitor_start();
        beat_within = monitor_beat();
        pthread_sigmask(SIG_BLOCK, NULL, &blocked_within);
        starts++;
    }
    if (strstr(line, "] note ")) {
        snprintf(note, sizeof note, "%s", line);
        notes++;
    }
    beats += strstr(line, "] beat ") != NULL;
    stops += strstr(line, "] stop ") != NULL;
}

static void begin(void)
{
    scripted.real_waits = true;
    monitor_options_default(&options);
    options.sink = take_line;
}

/* Who waits for a line that never comes is ended. */
TestSuite(monitor, .init = begin, .timeout = 60);

static void await(_Atomic unsigned *lines, unsigned count)
{
    while (*lines < count)
        sched_yield();
}

static void expect_nothing_left(void)
{
    cr_expect_eq(scripted.handles, 0);
    cr_expect_eq(scripted.mapped, 0);
    cr_expect_eq(monitor_beat(), -ESRCH);
    uint64_t wakes = scripted.wakes;
    hl_wake();
    cr_expect_eq(scripted.wakes, wakes, "whom did it wake?");
}

Test(monitor, runs_once_and_leaves_nothing)
{
    for (unsigned round = 1; round <= 3; round++) {
        cr_assert_eq(monitor_start_with(&options), 0);
        cr_expect_eq(monitor_start_with(&options), 0);
        await(&starts, round);
        cr_expect_eq(scripted.handles, 1);
        await(&beats, 2 * round - 1); /* it was asked for in the sink; two at once would be one */
        cr_expect_eq(monitor_beat(), 0);
        await(&beats, 2 * round);
        cr_expect_eq(monitor_stop(), 0);
        cr_expect_eq(stops, round);
        cr_expect_eq(monitor_stop(), 0);
        expect_nothing_left();
    }
    cr_expect_eq(starts, 3);
    cr_expect_str_eq(scripted.self_name, "heartline");
}

Test(monitor, in_its_sink_it_runs_and_cannot_be_stopped)
{
    cr_assert_eq(monitor_start_with(&options), 0);
    await(&starts, 1);
    cr_expect_eq(stop_within, -EDEADLK);
    cr_expect_eq(start_within, 0);
    cr_expect_eq(beat_within, 0);
    cr_expect_eq(monitor_stop(), 0);
}

Test(monitor, its_thread_takes_no_signals_and_the_callers_are_as_they_were)
{
    sigset_t before, after;
    sigemptyset(&before);
    sigaddset(&before, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    cr_assert_eq(monitor_start_with(&options), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    await(&starts, 1);
    cr_expect_eq(monitor_stop(), 0);
    for (int number = 1; number < 32; number++) {
        cr_expect_eq(sigismember(&after, number), number == SIGUSR2, "%d", number);
        if (number != SIGKILL && number != SIGSTOP)
            cr_expect(sigismember(&blocked_within, number), "%d", number);
    }
}

Test(monitor, what_does_not_end_is_left_behind_and_collected_later)
{
    cr_assert_eq(monitor_start_with(&options), 0);
    await(&starts, 1);
    scripted.join_fails = true;
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(monitor_stop(), -ETIMEDOUT);
        cr_expect_eq(monitor_start_with(&options), -EBUSY);
        cr_expect_eq(monitor_beat(), -ESRCH);
        cr_expect_eq(scripted.handles, 1);
    }
    await(&stops, 1);
    scripted.join_fails = false;
    int again;
    while ((again = monitor_start_with(&options)) == -EBUSY)
        sched_yield();
    cr_expect_eq(again, 0);
    await(&starts, 2);
    cr_expect_eq(scripted.handles, 1);
    cr_expect_eq(monitor_stop(), 0);
    expect_nothing_left();
}

Test(monitor, a_start_that_fails_leaves_nothing_and_the_next_may_succeed)
{
    monitor_options bad = options;
    bad.interval_ms = 1;
    cr_expect_eq(monitor_start_with(NULL), -EINVAL);
    cr_expect_eq(monitor_start_with(&bad), -EINVAL);
    expect_nothing_left();
    scripted.map_fails_at = scripted.maps + 1;
    cr_expect_eq(monitor_start_with(&options), -ENOMEM);
    expect_nothing_left();
    scripted.open_fails = true;
    cr_expect_lt(monitor_start_with(&options), 0);
    expect_nothing_left();
    scripted.open_fails = false;
    cr_expect_eq(monitor_start_with(&options), 0);
    await(&starts, 1);
    cr_expect_eq(monitor_stop(), 0);
    expect_nothing_left();
}

Test(monitor, the_caller_can_be_cancelled_as_before)
{
    const int wanted[] = {PTHREAD_CANCEL_ENABLE, PTHREAD_CANCEL_DISABLE};
    for (size_t i = 0; i < 2; i++) {
        int found;
        pthread_setcancelstate(wanted[i], NULL);
        cr_assert_eq(monitor_start_with(&options), 0);
        cr_expect_eq(monitor_stop(), 0);
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &found);
        cr_expect_eq(found, wanted[i]);
    }
}

/* A sanitizer needs more address space than can be taken away here. */
#if !HAS_SANITIZER
Test(monitor, without_memory_there_is_no_start_and_errno_is_as_it_was)
{
    struct rlimit before, little;
    cr_assert_eq(getrlimit(RLIMIT_AS, &before), 0);
    little = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_AS, &little), 0);
    errno = E2BIG;
    int result = monitor_start_with(&options), after = errno;
    cr_assert_eq(setrlimit(RLIMIT_AS, &before), 0);
    cr_expect_lt(result, 0);
    cr_expect_eq(after, E2BIG);
    expect_nothing_left();
}
#endif

Test(monitor, off_is_a_success_without_anything)
{
    scripted_setenv("HEARTLINE", "off");
    cr_expect_eq(monitor_start_with(&options), 0);
    expect_nothing_left();
    cr_expect_eq(monitor_stop(), 0);
    cr_expect_eq(starts, 0);
    scripted_setenv("HEARTLINE", NULL);
    cr_expect_eq(monitor_start_with(&options), 0);
    await(&starts, 1);
    cr_expect_eq(monitor_stop(), 0);
    expect_nothing_left();
}

/* ---- the signal -------------------------------------------------------------------- */

static void handled_by_the_program(int number)
{
    (void)number;
}

static void informed_by_the_program(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
}

Test(monitor, a_signal_asks_for_a_heartbeat_and_is_ours_from_then_on)
{
    struct sigaction now;
    options.beat_signal = SIGUSR1;
    for (unsigned round = 1; round <= 2; round++) {
        cr_assert_eq(monitor_start_with(&options), 0);
        await(&starts, round);
        await(&beats, 2 * round - 1);
        cr_assert_eq(raise(SIGUSR1), 0);
        await(&beats, 2 * round);
        cr_expect_eq(monitor_stop(), 0);
        cr_assert_eq(raise(SIGUSR1), 0);
    }
    sigaction(SIGUSR1, NULL, &now);
    cr_expect(now.sa_flags & SA_RESTART);
    cr_expect_not(sigismember(&now.sa_mask, SIGUSR2));
    cr_expect_eq(notes, 0);
}

Test(monitor, a_signal_that_the_program_handles_is_its_own)
{
    struct sigaction now,
        theirs[] = {{.sa_handler = handled_by_the_program},
                    {.sa_handler = SIG_IGN},
                    {.sa_sigaction = informed_by_the_program, .sa_flags = SA_SIGINFO}};
    options.beat_signal = SIGUSR1;
    for (unsigned i = 0; i < 3; i++) {
        sigaction(SIGUSR1, &theirs[i], NULL);
        cr_assert_eq(monitor_start_with(&options), 0);
        await(&notes, i + 1);
        cr_expect_eq(monitor_stop(), 0);
        cr_expect(strstr(note, "the program handles this signal itself"), "%s", note);
        sigaction(SIGUSR1, NULL, &now);
        cr_expect_eq(now.sa_handler, theirs[i].sa_handler);
    }
}

/* ---- the version --------------------------------------------------------------------- */

Test(monitor, the_version_is_that_of_the_header)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", MONITOR_VERSION_MAJOR, MONITOR_VERSION_MINOR,
             MONITOR_VERSION_PATCH);
    cr_expect_str_eq(monitor_version_string(), text);
    cr_expect_eq(monitor_version(), MONITOR_VERSION);
}
