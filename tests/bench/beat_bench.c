/* tests/bench/beat_bench.c - how late heartbeats are, and whether they drift.
 *
 * The sink notes when each heartbeat arrives. They are planned on an even grid
 * that begins when the monitor starts, which cannot be seen from outside to the
 * microsecond: the grid is laid through the most punctual beat, so lateness is
 * what the others have more than it. Drift is the lateness of the last tenth
 * less that of the first: a monitor that sleeps for an interval after each beat
 * would show one wake-up's lateness times the number of beats.
 */
#include "bench.h"

#include <heartline/monitor.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_MS 10
#define MOST_BEATS 1000

static double beats_at[MOST_BEATS];
static _Atomic unsigned beats;

static void note_beat(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)length;
    unsigned count = atomic_load(&beats);
    if (count == MOST_BEATS || !strstr(line, "\"record\":\"beat\""))
        return;
    beats_at[count] = bench_now_ns();
    atomic_store(&beats, count + 1);
}

/* Fills `late` with milliseconds. A beat that was left out (the monitor skips to
 * the next point of the grid) does not count as drift. */
static void lateness(unsigned count, double *late)
{
    double interval = INTERVAL_MS * MS, grid = beats_at[0];
    for (unsigned i = 0; i < count; i++) {
        double point = (double)(long)((beats_at[i] - beats_at[0]) / interval + 0.5) * interval;
        late[i] = beats_at[i] - point;
        grid = late[i] < grid ? late[i] : grid;
    }
    for (unsigned i = 0; i < count; i++)
        late[i] = (late[i] - grid) / MS;
}

int beat_bench(bool quick)
{
    static double late[MOST_BEATS], part[MOST_BEATS];
    unsigned count = quick ? 50 : MOST_BEATS;
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = INTERVAL_MS;
    options.format = MONITOR_JSON;
    options.sink = note_beat;
    int error = monitor_start_with(&options);
    if (error) {
        printf("the monitor does not start: %s\n", strerror(-error));
        return 1;
    }
    double began = bench_now_ns();
    while (atomic_load(&beats) < count && bench_now_ns() - began < 10 * count * INTERVAL_MS * MS)
        bench_sleep(20 * MS);
    monitor_stop();
    unsigned seen = atomic_load(&beats) < count ? atomic_load(&beats) : count;
    if (seen < count) {
        printf("\nonly %u of %u heartbeats came\n", seen, count);
        return 1;
    }

    lateness(count, late);
    double planned = (beats_at[count - 1] - beats_at[0]) / (INTERVAL_MS * MS) + 1;
    unsigned left_out = planned > count ? (unsigned)(planned + 0.5) - count : 0;
    unsigned tenth = count / 10;
    memcpy(part, late, tenth * sizeof *part);
    double first = bench_percentile(part, tenth, 50);
    memcpy(part, late + count - tenth, tenth * sizeof *part);
    double drift = bench_percentile(part, tenth, 50) - first;
    double median = bench_percentile(late, count, 50), p99 = bench_percentile(late, count, 99);
    double most = bench_percentile(late, count, 100);
    printf("\nHeartbeats: %u, every %d ms, against the grid through the most punctual one\n"
           "late, ms: median %.3f, p99 %.3f, max %.3f; left out: %u; "
           "last tenth less first tenth: %+.3f ms\n",
           count, INTERVAL_MS, median, p99, most, left_out, drift);
    bench_number("beat.late_median", "ms", median);
    bench_number("beat.late_p99", "ms", p99);
    bench_number("beat.late_max", "ms", most);
    bench_number("beat.left_out", "count", left_out);
    bench_number("beat.drift", "ms", drift);
    bench_goal("P12", "heartbeat lateness, p99, idle", BENCH_MS, p99, 1);
    bench_goal("P12", "heartbeat drift over the run", BENCH_MS, drift < 0 ? -drift : drift, 1);
    return 0;
}
