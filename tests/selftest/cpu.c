/* tests/selftest/cpu.c - whether CPU time is what was used.
 *
 * The obvious figure of macOS (MACH_TASK_BASIC_INFO) counts ended threads only:
 * burning threads read as nothing, and when one ends its whole life appears as a
 * spike. The sum with that of the living threads is two calls, between which one may
 * end: a spike or a dip again. (i) and (ii) see all three. Ticks taken for
 * nanoseconds are wrong by a factor of 41.67; (vii) sees that.
 *
 * Tolerances: a thread that runs is accounted for up to a scheduler's quantum late
 * (10 ms), and the window of a sample begins and ends some milliseconds apart
 * from ours. Half of a thread in four is more than both together by far, and far
 * less than any of the errors.
 */
#include "selftest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WORKERS 4
#define BURN_SECONDS 2.0

static unsigned worker_count(void)
{
    return usable_cores() < MOST_WORKERS ? usable_cores() : MOST_WORKERS;
}

/* A sample, and what the workers used in it by their own clocks, in cores. */
struct measured {
    monitor_metrics metrics;
    double cores, own_cores;
};

static void measure(const struct worker *workers, unsigned count, uint64_t window_ms,
                    struct measured *measured)
{
    double began = now(), used = workers_cpu_seconds(workers, count);
    int error = monitor_sample(window_ms, &measured->metrics);
    double took = now() - began;

    if (error) {
        printf("monitor_sample: %s", strerror(-error));
        exit(FAIL);
    }
    measured->own_cores = (workers_cpu_seconds(workers, count) - used) / took;
    measured->cores = measured->metrics.cpu_percent / 100;
    if (!measured->metrics.cpu_known) {
        printf("%s", measured->metrics.reason
                         ? measured->metrics.reason
                         : "the CPU time is not known, and no reason is given");
        exit(measured->metrics.reason ? SKIP : FAIL);
    }
}

/* The lowest and the highest cpu of the heartbeats that came between two moments. */
static unsigned beats_between(struct lines *lines, double from, double to, double *low,
                              double *high)
{
    unsigned count = 0;
    double cores;

    *low = 1e9, *high = -1;
    for (size_t i = 0; i < lines->count; i++)
        if (is_record(lines->text[i], "beat") && lines->at[i] >= from && lines->at[i] <= to &&
            number_in(lines->text[i], "cpu_cores", &cores)) {
            count++;
            *low = fmin(*low, cores);
            *high = fmax(*high, cores);
        }
    return count;
}

/* ---- (i) -------------------------------------------------------------------------- */

enum outcome check_burning(void)
{
    static struct lines lines;
    struct worker workers[MOST_WORKERS] = {0};
    struct measured measured;
    double low, high;
    unsigned count = worker_count();
    double margin = 0.125 * count, began = now() + 0.2;
    int error = start_recording(&lines, 250, 0);

    if (error)
        return say(FAIL, "monitor_start: %s", strerror(-error));
    for (unsigned i = 0; i < count; i++) {
        workers[i].burn_until = began + BURN_SECONDS;
        workers[i].leave_at = began + BURN_SECONDS + 0.5;
        start_worker(&workers[i]);
    }
    sleep_until(began);
    measure(workers, count, (uint64_t)(BURN_SECONDS * 750), &measured);
    monitor_stop();
    join_workers(workers, count);
    unsigned beats = beats_between(&lines, began + 0.5, began + BURN_SECONDS, &low, &high);

    bool agrees = fabs(measured.cores - measured.own_cores) <= margin;
    bool beats_agree = beats > 0 && high >= measured.own_cores - margin && high <= count + margin;
    enum outcome outcome = !agrees || !beats_agree               ? FAIL
                           : measured.own_cores < count - margin ? SKIP
                                                                 : PASS;
    return say(outcome,
               "%s%u threads: %.2f cores in a sample, %.2f to %.2f in %u heartbeats, %.2f by the "
               "threads' own clocks",
               outcome == SKIP ? "too busy a machine to give them their cores; " : "", count,
               measured.cores, low, high, beats, measured.own_cores);
}

/* ---- (ii) ------------------------------------------------------------------------- */

/* One burns on throughout; the others have burned, sleep, and end inside the sample. */
enum outcome check_leaving(void)
{
    static struct lines lines;
    struct worker workers[MOST_WORKERS] = {0};
    struct measured measured;
    double low, high;
    unsigned count = worker_count() < 2 ? 2 : worker_count();
    double sampled = now() + BURN_SECONDS + 0.5;
    int error = start_recording(&lines, 250, 0);

    if (error)
        return say(FAIL, "monitor_start: %s", strerror(-error));
    for (unsigned i = 0; i < count; i++) {
        workers[i].burn_until = i == 0 ? sampled + 1.3 : sampled - 0.5;
        workers[i].leave_at = sampled + 0.5;
        start_worker(&workers[i]);
    }
    sleep_until(sampled);
    measure(workers, count, 1000, &measured);
    monitor_stop();
    join_workers(workers, count);
    unsigned beats = beats_between(&lines, sampled, sampled + 1.1, &low, &high);

    bool is_steady = fabs(measured.cores - measured.own_cores) <= 0.25;
    bool beats_steady = beats >= 2 && high <= 1.5 && low >= measured.own_cores * 0.3;
    return say(is_steady && beats_steady ? PASS : FAIL,
               "one thread burns while %u end that had used %.1f s: %.2f cores in a sample, %.2f "
               "to %.2f in %u heartbeats, %.2f by its own clock",
               count - 1, workers_cpu_seconds(workers + 1, count - 1), measured.cores, low, high,
               beats, measured.own_cores);
}

/* ---- (vii) ------------------------------------------------------------------------- */

enum outcome check_ticks(void)
{
    struct worker worker = {0};
    struct measured measured;
    double began = now();

    worker.burn_until = worker.leave_at = began + 2.0;
    start_worker(&worker);
    double before = process_cpu_seconds(), measured_from = now();
    measure(&worker, 1, 1500, &measured);
    double usage = (process_cpu_seconds() - before) / (now() - measured_from);
    join_workers(&worker, 1);

    bool agrees = fabs(measured.cores - usage) <= 0.05 * usage + 0.02;
    return say(agrees ? PASS : FAIL,
               "%.3f cores in a sample, %.3f by getrusage, %.3f by the thread's own clock",
               measured.cores, usage, measured.own_cores);
}

/* ---- (x) --------------------------------------------------------------------------- */

#define BEAT_MS 50
#define IDLE_SECONDS 3.0
#define DEAREST_BEAT_MS 5.0 /* a hundred times what Linux needs */

/* What an idle process uses is all the monitor's. */
static enum outcome check_idle(char *words, size_t size)
{
    static struct lines lines;
    double self_ms = -1, beats = 0, before = process_cpu_seconds();
    int error = start_recording(&lines, BEAT_MS, 0);

    if (error)
        return say(FAIL, "monitor_start: %s", strerror(-error));
    sleep_until(now() + IDLE_SECONDS);
    monitor_stop();
    double usage_ms = (process_cpu_seconds() - before) * 1000;
    const char *stop = last_record(&lines, "stop");
    if (!stop || !number_in(stop, "beats", &beats) || beats < 1)
        return say(FAIL, "no heartbeat in %.0f s", IDLE_SECONDS);
    bool is_known = number_in(stop, "self_cpu_ms", &self_ms);
    snprintf(words, size, "a heartbeat costs %.0f us, starting and stopping included",
             usage_ms * 1000 / beats);
    if (!is_known)
        return PASS;
    snprintf(words + strlen(words), size - strlen(words), " (self_cpu %.0f ms, getrusage %.1f ms)",
             self_ms, usage_ms);
    return self_ms <= usage_ms + 10 && usage_ms / beats <= DEAREST_BEAT_MS ? PASS : FAIL;
}

/* What the monitor says that a burning process used, against getrusage. */
static enum outcome check_burnt(char *words, size_t size)
{
    static struct lines lines;
    struct worker worker = {0};
    double said, before = process_cpu_seconds();
    int error = start_recording(&lines, 300, 0);

    if (error)
        return say(FAIL, "monitor_start: %s", strerror(-error));
    worker.burn_until = worker.leave_at = now() + 2.5;
    start_worker(&worker);
    join_workers(&worker, 1);
    monitor_stop();
    double usage = process_cpu_seconds() - before;
    const char *stop = last_record(&lines, "stop");
    if (!stop)
        return say(FAIL, "no stop line");
    if (!number_in(stop, "cpu_seconds", &said))
        return say(SKIP, "the CPU time of the process is not known here");
    snprintf(words, size, "cpu_seconds=%.1f, %.2f s by getrusage", said, usage);
    /* It is said with one decimal. */
    return fabs(said - usage) <= 0.05 * usage + 0.06 ? PASS : FAIL;
}

enum outcome check_heartbeats(void)
{
    char idle[256] = "", burnt[256] = "";
    enum outcome first = check_idle(idle, sizeof idle);

    if (!idle[0])
        return first;
    enum outcome second = check_burnt(burnt, sizeof burnt);
    if (!burnt[0])
        return first == PASS ? second : first;
    return say(first == PASS ? second : first, "%s; %s", idle, burnt);
}
