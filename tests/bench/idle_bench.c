/* tests/bench/idle_bench.c - what the monitor costs a program that does nothing.
 *
 * Wake-ups are the voluntary context switches of the thread named "heartline".
 * Expected are the heartbeats and the looks, one every min(interval, limit / 4);
 * a look that falls on a heartbeat is none of its own. The threads wait in a
 * scope that is declared waiting, so no deadline becomes due. In the last run two
 * do: scopes with a limit of their own, so long that it asks for no more looks
 * than there are, and due between two of them. Each is one wake-up more, and so is each
 * QUIET line: the thread that measures has no scope.
 *
 * Interval and limit are the defaults, scaled: the limit is twice the interval,
 * so each interval has one heartbeat and one look in between. The share of a
 * core at the default settings is computed from that, and is what it costs with
 * warm caches.
 */
#include "bench.h"
#include "monitor_thread.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOAL_THREADS 100
#define MOST_DEADLINES 2
#define DEFAULT_INTERVAL_MS 60000.0

struct counts {
    double wake_ups, cpu_ns;
    unsigned beats, quiets;
};

/* ---- the program that does nothing ------------------------------------------------------ */

static void begin_waiting(void)
{
    scope_wait("wait for work");
}

/* Due a quarter into one of the intervals that are observed, and so late that the
 * reminder, at twice the limit, comes after them. */
static double limit_intervals[MOST_DEADLINES] = {4.25, 5.25};
static _Atomic unsigned next_limit;
static unsigned limits_unit_ms;

static void begin_waiting_with_limit(void)
{
    begin_waiting();
    scope_expect((uint64_t)(limit_intervals[atomic_fetch_add(&next_limit, 1)] * limits_unit_ms));
}

static void end_waiting(void)
{
    scope_pop();
}

/* ---- one run ------------------------------------------------------------------------------- */

static _Atomic unsigned beats, quiets;
static _Atomic double last_beat_at;

static void count_lines(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)length;
    if (strstr(line, "\"record\":\"QUIET\""))
        atomic_fetch_add(&quiets, 1);
    if (!strstr(line, "\"record\":\"beat\""))
        return;
    atomic_store(&last_beat_at, bench_now_ns());
    atomic_fetch_add(&beats, 1);
}

static struct counts count_now(long tid)
{
    return (struct counts){monitor_thread_voluntary_switches(tid), monitor_thread_cpu_ns(tid),
                           atomic_load(&beats), atomic_load(&quiets)};
}

enum sight { SEEN, NO_BEATS, NOT_FOUND /* the thread */ };

/* Waits for the second heartbeat, then an eighth of an interval: wake-ups come
 * at the halves. From there on for whole intervals. */
static enum sight observe(double interval_ns, unsigned intervals, struct counts *difference)
{
    double began = bench_now_ns();
    while (atomic_load(&beats) < 2 && bench_now_ns() - began < 20 * interval_ns)
        bench_sleep(1 * MS);
    if (atomic_load(&beats) < 2)
        return NO_BEATS;
    long tid = monitor_thread_find();
    if (!tid)
        return NOT_FOUND;
    double from = atomic_load(&last_beat_at) + interval_ns / 8;
    bench_sleep_until(from);
    struct counts first = count_now(tid);
    bench_sleep_until(from + intervals * interval_ns);
    struct counts last = count_now(tid);
    *difference = (struct counts){last.wake_ups - first.wake_ups, last.cpu_ns - first.cpu_ns,
                                  last.beats - first.beats, last.quiets - first.quiets};
    return SEEN;
}

static enum sight run(unsigned threads_count, unsigned deadlines, unsigned interval_ms,
                      unsigned intervals, struct counts *difference)
{
    struct bench_crowd crowd, crowd_with_limits;
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = interval_ms;
    options.stall_ms = 2 * interval_ms;
    options.format = MONITOR_JSON;
    options.sink = count_lines;
    atomic_store(&beats, 0);
    atomic_store(&next_limit, 0);
    limits_unit_ms = interval_ms;
    bench_gather(&crowd, threads_count, begin_waiting, end_waiting);
    bench_gather(&crowd_with_limits, deadlines, begin_waiting_with_limit, end_waiting);
    int error = monitor_start_with(&options);
    enum sight sight = error ? NO_BEATS : observe(interval_ms * MS, intervals, difference);
    monitor_stop();
    bench_release(&crowd_with_limits);
    bench_release(&crowd);
    return sight;
}

static void put(const char *run_key, const char *what, const char *unit, double value)
{
    char key[64];
    snprintf(key, sizeof key, "idle.%s.%s", run_key, what);
    bench_number(key, unit, value);
}

static void judge(unsigned threads, unsigned deadlines, double off, double percent)
{
    char what[96];
    snprintf(what, sizeof what, "idle monitor's wake-ups off the expected, %u threads%s", threads,
             deadlines ? ", 2 deadlines" : "");
    bench_goal("P13", what, BENCH_COUNT, fabs(off), 0);
    if (threads == GOAL_THREADS && !deadlines)
        bench_goal("P13", "own CPU with 100 threads at default settings, of one core",
                   BENCH_PERCENT, percent, 0.01);
}

int idle_bench(bool quick)
{
    static const struct {
        const char *key;
        unsigned threads, deadlines;
    } runs[] = {{"0", 0, 0},
                {"10", 10, 0},
                {"100", GOAL_THREADS, 0},
                {"1000", 1000, 0},
                {"deadlines", GOAL_THREADS, MOST_DEADLINES}};
    unsigned interval_ms = quick ? 200 : 1000, intervals = quick ? 4 : 6;
    if (access("/proc/self/task", R_OK) != 0) {
        printf("\nIdle monitor: not measured, there is no /proc/self/task here\n");
        return 0;
    }
    printf("\nIdle monitor: interval %u ms, stall %u ms, so a look every %u ms; for %u intervals\n"
           "%8s %9s %6s %10s %10s %16s %22s\n",
           interval_ms, 2 * interval_ms, interval_ms / 2, intervals, "threads", "deadlines",
           "beats", "wake-ups", "expected", "own CPU, us/beat", "of a core, at defaults");
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        struct counts seen;
        unsigned threads = runs[i].threads, deadlines = runs[i].deadlines;
        enum sight sight = run(threads, deadlines, interval_ms, intervals, &seen);
        if (sight == NOT_FOUND) {
            printf("not measured: this platform does not name the monitor's thread\n");
            return 0;
        }
        if (sight == NO_BEATS) {
            printf("%8u the monitor does not start, or makes no heartbeats\n", threads);
            return 1;
        }
        /* a look between two heartbeats */
        double expected = intervals + intervals + deadlines + seen.quiets;
        double per_beat = seen.cpu_ns / seen.beats;
        double percent = 100 * per_beat / (DEFAULT_INTERVAL_MS * MS);
        printf("%8u %9u %6u %10.0f %10.0f %16.1f %20.5f %%\n", threads, deadlines, seen.beats,
               seen.wake_ups, expected, per_beat / 1000, percent);
        put(runs[i].key, "wake_ups", "count", seen.wake_ups);
        put(runs[i].key, "expected", "count", expected);
        put(runs[i].key, "cpu_per_beat", "us", per_beat / 1000);
        judge(threads, deadlines, seen.wake_ups - expected, percent);
    }
    return 0;
}
