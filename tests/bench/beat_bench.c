/* tests/bench/beat_bench.c - how late heartbeats are, and whether they drift.
 *
 * The sink notes when each heartbeat arrives. They are planned on an even grid
 * that begins when the monitor starts, somewhere inside monitor_start_with: here
 * it is laid through the moment before that call, so every lateness shown is an
 * upper bound, by what the call takes. The monitor was started once before, and
 * what it does once per process is not in it.
 *
 * Drift is the lateness of the last tenth less that of the first. Beside it
 * stands what a loop adds up that sleeps for an interval after each beat.
 *
 * Two runs: on an idle machine, and while every CPU has two other threads to run.
 */
#include "bench.h"

#include <heartline/monitor.h>

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define INTERVAL_MS 10
#define INTERVAL_NS (INTERVAL_MS * MS)
#define MOST_BEATS 1000
#define PATIENCE 10 /* intervals for each beat that is waited for */

static struct beat {
    double at, elapsed_ms; /* when its line came; when it was made, as it says itself */
} seen[MOST_BEATS];
static unsigned beats_wanted;
static _Atomic unsigned beats;

static void note_beat(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)length;
    double now = bench_now_ns();
    unsigned count = atomic_load(&beats);
    if (count == beats_wanted || !strstr(line, "\"record\":\"beat\""))
        return;
    seen[count] = (struct beat){now, bench_number_in(line, "\"elapsed_ms\":")};
    atomic_store(&beats, count + 1);
}

struct outcome {
    unsigned left_out; /* beats: the monitor was so late that it skipped to a later point */
    double least, median, p99, most, drift, drift_of_loop; /* ms */
};

/* The point of the grid that a beat was planned for: the first one after the beat
 * before. Not the nearest: a beat that is late by a whole interval is that late. */
static double point_of(unsigned beat)
{
    return beat == 0 ? 1 : floor(seen[beat - 1].elapsed_ms / INTERVAL_MS) + 1;
}

static double median_late(const double *late, unsigned count)
{
    double sorted[MOST_BEATS];
    memcpy(sorted, late, count * sizeof *sorted);
    return bench_percentile(sorted, count, 50);
}

static void sum_up(double start, struct outcome *sum)
{
    double late[MOST_BEATS];
    unsigned count = beats_wanted, tenth = count / 10;
    for (unsigned i = 0; i < count; i++)
        late[i] = (seen[i].at - start) / MS - INTERVAL_MS * point_of(i);
    sum->left_out = (unsigned)point_of(count - 1) - count;
    sum->drift = median_late(late + count - tenth, tenth) - median_late(late, tenth);
    sum->least = bench_percentile(late, count, 0);
    sum->median = bench_percentile(late, count, 50);
    sum->p99 = bench_percentile(late, count, 99);
    sum->most = bench_percentile(late, count, 100);
}

/* What relative sleeps add up in as many beats: a tenth is run. */
static double drift_of_loop(void)
{
    unsigned count = beats_wanted / 10;
    double began = bench_now_ns();
    for (unsigned i = 0; i < count; i++)
        bench_sleep(INTERVAL_NS);
    return (bench_now_ns() - began - count * INTERVAL_NS) / MS * 10;
}

static int start(double *before)
{
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = INTERVAL_MS;
    options.format = MONITOR_JSON;
    options.sink = note_beat;
    atomic_store(&beats, 0);
    *before = bench_now_ns();
    return monitor_start_with(&options);
}

/* Returns 0, or what is wrong. */
static const char *run(bool loaded, struct outcome *sum)
{
    double began;
    if (loaded)
        bench_burn();
    int error = start(&began);
    while (!error && atomic_load(&beats) < beats_wanted &&
           bench_now_ns() - began < PATIENCE * beats_wanted * INTERVAL_NS)
        bench_sleep(2 * INTERVAL_NS);
    monitor_stop();
    sum->drift_of_loop = drift_of_loop();
    bench_stop_burning();
    if (error)
        return strerror(-error);
    if (atomic_load(&beats) < beats_wanted)
        return "heartbeats are missing";
    sum_up(began, sum);
    return NULL;
}

static void put(const char *run_key, const char *what, const char *unit, double value)
{
    char key[64];
    snprintf(key, sizeof key, "beat.%s.%s", run_key, what);
    bench_number(key, unit, value);
}

static void show(const char *key, const char *name, const struct outcome *sum)
{
    printf("%-8s %8.3f %8.3f %8.3f %8.3f %9u %+12.3f %+23.1f\n", name, sum->least, sum->median,
           sum->p99, sum->most, sum->left_out, sum->drift, sum->drift_of_loop);
    put(key, "late_min", "ms", sum->least);
    put(key, "late_median", "ms", sum->median);
    put(key, "late_p99", "ms", sum->p99);
    put(key, "late_max", "ms", sum->most);
    put(key, "left_out", "count", sum->left_out);
    put(key, "drift", "ms", sum->drift);
    put(key, "drift_of_loop", "ms", sum->drift_of_loop);
}

int beat_bench(bool quick)
{
    const struct {
        const char *name, *goal, *drift_goal;
        bool loaded;
        double limit_ms;
    } runs[] = {
        {"idle", "heartbeat lateness, p99, idle", "heartbeat drift over the run, idle", false, 1},
        {"loaded", "heartbeat lateness, p99, loaded", "heartbeat drift over the run, loaded", true,
         2 * bench_tick_ns() / MS},
    };
    double unused;
    beats_wanted = quick ? 50 : MOST_BEATS;
    start(&unused);
    monitor_stop();
    printf("\nHeartbeats: %u, every %d ms, at most so late; loaded: with %u spinning threads\n"
           "%-8s %35s %9s %12s %23s\n",
           beats_wanted, INTERVAL_MS, bench_burners(), "ms", "     min   median      p99      max",
           "left out", "drift", "drift of a sleeping loop");
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        struct outcome sum;
        const char *wrong = run(runs[i].loaded, &sum);
        if (wrong) {
            printf("%-8s %s\n", runs[i].name, wrong);
            return 1;
        }
        show(runs[i].name, runs[i].name, &sum);
        bench_goal("P12", runs[i].goal, BENCH_MS, sum.p99, runs[i].limit_ms);
        bench_goal("P12", runs[i].drift_goal, BENCH_MS, fabs(sum.drift), 1);
    }
    return 0;
}
