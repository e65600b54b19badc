/* tests/bench/block_bench.c - the worst that the monitor does to a push, also while its
 * log is blocked.
 *
 * Some threads push and pop without a pause and time every pair; others stay in
 * scopes for longer than the limit, again and again, so that there is always a
 * line to write. The same loops run
 *   - with the monitor stopped,
 *   - with it, and a sink that takes 100 ms for each line,
 *   - with it, and a sink that takes no time: then the monitor itself is busy, with
 *     several hundred lines a second,
 *   - with the baseline and the slow sink,
 * in rounds of changing order. A pair lasts from the reading of the clock before
 * it to the one after, which is also the one before the next: no delay can fall
 * between two pairs.
 *
 * Latencies of a machine with other things to do prove nothing about who was to
 * blame. So there is a second measure, without noise: how often a thread gave up
 * its core by itself between the first pair and the last. The loop does not sleep,
 * so that is how often it waited for somebody. 0 = the monitor never blocked it.
 */
#include "baseline.h"
#include "bench.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define LABEL "write checkpoint"
#define SINK_MS 100
#define INTERVAL_MS 20
#define LIMIT_MS 30
#define HOLD_MS 50  /* limit, what the coarse clock may be behind, and then some: below the */
#define PAUSE_MS 10 /* reminder at twice the limit; between two stalls of a thread */
#define PUSHERS 2
#define STALLERS 11
#define ROUNDS 7
#define SLOW_NS 1000000

/* ---- a histogram ----------------------------------------------------------------------- */

/* Nanoseconds, in steps of a 32nd: below 64 each has a bucket of its own. */
#define STEP_BITS 5
#define STEPS (1u << STEP_BITS)
#define BUCKETS (STEPS * (65 - STEP_BITS))

struct histogram {
    uint64_t counts[BUCKETS];
    uint64_t count, slow, longest;
};

static unsigned bucket_of(uint64_t ns)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(ns | 1);
    unsigned shift = bits > STEP_BITS + 1 ? bits - STEP_BITS - 1 : 0;
    return shift * STEPS + (unsigned)(ns >> shift);
}

static double longest_in(unsigned bucket)
{
    unsigned shift = bucket / STEPS ? bucket / STEPS - 1 : 0;
    return ldexp(bucket - shift * STEPS + 1, (int)shift) - 1;
}

static inline void note(struct histogram *histogram, uint64_t ns)
{
    histogram->counts[bucket_of(ns)]++;
    histogram->count++;
    if (ns > SLOW_NS)
        histogram->slow++;
    if (ns > histogram->longest)
        histogram->longest = ns;
}

static void add(struct histogram *sum, const struct histogram *part)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        sum->counts[i] += part->counts[i];
    sum->count += part->count;
    sum->slow += part->slow;
    if (part->longest > sum->longest)
        sum->longest = part->longest;
}

static double percentile(const struct histogram *histogram, double percent)
{
    double wanted = percent / 100 * (double)histogram->count, seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += (double)histogram->counts[i];
        if (seen >= wanted && seen > 0)
            return fmin(longest_in(i), (double)histogram->longest);
    }
    return NAN;
}

static uint64_t slower_than(const struct histogram *histogram, double ns)
{
    uint64_t slower = 0;
    for (unsigned i = bucket_of((uint64_t)ns) + 1; i < BUCKETS; i++)
        slower += histogram->counts[i];
    return slower;
}

/* ---- losing the core --------------------------------------------------------------------- */

/* By itself: the thread waited for something. By force: another one got its turn. */
struct switches {
    uint64_t by_itself, by_force;
};

static struct switches switches_now(void)
{
#ifdef RUSAGE_THREAD
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) == 0)
        return (struct switches){(uint64_t)usage.ru_nvcsw, (uint64_t)usage.ru_nivcsw};
#endif
    return (struct switches){0};
}

static void add_switches(struct switches *sum, struct switches from, struct switches to)
{
    sum->by_itself += to.by_itself - from.by_itself;
    sum->by_force += to.by_force - from.by_force;
}

/* ---- the four ways ---------------------------------------------------------------------- */

enum { STOPPED, BLOCKED, BUSY, BASELINE, WAYS };

static void heartline_push(void)
{
    scope_push(LABEL);
}

static void heartline_pop(void)
{
    scope_pop();
}

static void heartline_pair(void)
{
    scope_push(LABEL);
    scope_pop();
}

static void push_on_baseline(void)
{
    baseline_push(LABEL);
}

static void pair_on_baseline(void)
{
    baseline_push(LABEL);
    baseline_pop();
}

/* What the threads of one kind saw, in all rounds. */
struct latencies {
    struct histogram of;
    struct switches lost; /* the core */
};

static struct way {
    const char *key, *name;
    void (*push)(void), (*pop)(void), (*pair)(void);
    bool has_monitor, is_slow;
    struct latencies pairs, pushes, pops; /* the last two: of those that stall */
    unsigned lines, stall_lines;
} ways[WAYS] = {
    [STOPPED] = {"stopped", "monitor stopped", heartline_push, heartline_pop, heartline_pair,
                 .has_monitor = false},
    [BLOCKED] = {"blocked", "monitor, log blocked", heartline_push, heartline_pop, heartline_pair,
                 .has_monitor = true, .is_slow = true},
    [BUSY] = {"busy", "monitor, busy", heartline_push, heartline_pop, heartline_pair,
              .has_monitor = true},
    [BASELINE] = {"baseline", "baseline, log blocked", push_on_baseline, baseline_pop,
                  pair_on_baseline, .is_slow = true},
};

static struct way *way; /* the present one */
static _Atomic bool going, is_blocking;
static _Atomic unsigned lines, stall_lines;

/* ---- the log ------------------------------------------------------------------------------ */

static void take_line(const char *line)
{
    atomic_fetch_add(&lines, 1);
    if (strstr(line, " STALL ") && !strstr(line, " reminder="))
        atomic_fetch_add(&stall_lines, 1);
    if (atomic_load(&is_blocking))
        bench_sleep(SINK_MS * MS);
}

static void sink(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)length;
    take_line(line);
}

static void *beat_on_baseline(void *nothing)
{
    while (atomic_load(&going)) {
        baseline_beat(take_line);
        bench_sleep(INTERVAL_MS * MS);
    }
    return nothing;
}

/* ---- the threads -------------------------------------------------------------------------- */

static struct latencies pusher_saw[PUSHERS], staller_pushed[STALLERS], staller_popped[STALLERS];

/* The first push of a thread takes memory, and so does the first touch of ours:
 * neither is part of what is measured. */
static void *push_and_pop(void *number)
{
    struct latencies *saw = &pusher_saw[(uintptr_t)number];
    memset(saw, 0, sizeof *saw);
    way->pair();
    struct switches from = switches_now();
    double before = bench_now_ns();
    while (atomic_load_explicit(&going, memory_order_relaxed)) {
        way->pair();
        double now = bench_now_ns();
        note(&saw->of, (uint64_t)(now - before));
        before = now;
    }
    add_switches(&saw->lost, from, switches_now());
    return NULL;
}

static void time_one(struct latencies *saw, void (*call)(void))
{
    struct switches from = switches_now();
    double before = bench_now_ns();
    call();
    note(&saw->of, (uint64_t)(bench_now_ns() - before));
    add_switches(&saw->lost, from, switches_now());
}

static void *stall_again_and_again(void *number)
{
    struct latencies *pushed = &staller_pushed[(uintptr_t)number];
    struct latencies *popped = &staller_popped[(uintptr_t)number];
    memset(pushed, 0, sizeof *pushed);
    memset(popped, 0, sizeof *popped);
    way->pair();
    bench_sleep((double)(uintptr_t)number * HOLD_MS / STALLERS * MS);
    while (atomic_load(&going)) {
        time_one(pushed, way->push);
        bench_sleep(HOLD_MS * MS);
        time_one(popped, way->pop);
        bench_sleep(PAUSE_MS * MS);
    }
    return NULL;
}

/* ---- one round of one way ------------------------------------------------------------------- */

static void collect(struct latencies *sum, const struct latencies *parts, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        add(&sum->of, &parts[i].of);
        add_switches(&sum->lost, (struct switches){0}, parts[i].lost);
    }
}

static int start_monitor(void)
{
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = INTERVAL_MS;
    options.stall_ms = LIMIT_MS;
    options.stall_lines = 10000;
    options.sink = sink;
    return monitor_start_with(&options);
}

/* The line that is being written ends first: until then the thread does not stop. */
static int stop_monitor(void)
{
    int error = 0;
    for (int tries = 0; tries < 10; tries++)
        if ((error = monitor_stop()) == 0)
            break;
    return error;
}

static void push_for(double round_ns)
{
    pthread_t pushers[PUSHERS], stallers[STALLERS], emitter;
    bool has_emitter = way == &ways[BASELINE];
    atomic_store(&going, true);
    atomic_store(&is_blocking, way->is_slow);
    bench_start(stallers, STALLERS, stall_again_and_again);
    bench_start(pushers, PUSHERS, push_and_pop);
    if (has_emitter)
        bench_start(&emitter, 1, beat_on_baseline);
    bench_sleep(round_ns);
    way->lines += atomic_load(&lines);
    way->stall_lines += atomic_load(&stall_lines);
    atomic_store(&going, false);
    atomic_store(&is_blocking, false);
    bench_join(pushers, PUSHERS);
    bench_join(stallers, STALLERS);
    bench_join(&emitter, has_emitter);
}

/* Returns 0, or what the monitor said. */
static int run(double round_ns)
{
    struct latencies *of_round = calloc(1, sizeof *of_round);
    if (!of_round)
        abort();
    atomic_store(&lines, 0);
    atomic_store(&stall_lines, 0);
    int error = way->has_monitor ? start_monitor() : 0;
    if (!error)
        push_for(round_ns);
    if (!error && way->has_monitor)
        error = stop_monitor();
    collect(&way->pairs, pusher_saw, PUSHERS);
    collect(&way->pushes, staller_pushed, STALLERS);
    collect(&way->pops, staller_popped, STALLERS);
    return error;
}

/* ---- what came out ----------------------------------------------------------------------------- */

static const struct {
    const char *key;
    double percent;
} percents[] = {{"p50", 50}, {"p99", 99}, {"p99_9", 99.9}, {"p99_99", 99.99}, {"max", 100}};
#define PERCENTS (sizeof percents / sizeof percents[0])

static void put(const char *way_key, const char *kind, const char *what, const char *unit,
                double value)
{
    char key[64];
    snprintf(key, sizeof key, "block.%s.%s.%s", way_key, kind, what);
    bench_number(key, unit, value);
}

static void show(const char *way_key, const char *name, const char *kind,
                 const struct latencies *saw)
{
    printf("%-30s", name);
    for (size_t i = 0; i < PERCENTS; i++) {
        double ns = percentile(&saw->of, percents[i].percent);
        printf(" %*.0f", i + 1 == PERCENTS ? 12 : 8, ns);
        put(way_key, kind, percents[i].key, "ns", ns);
    }
    printf(" %7llu %7llu %10llu %10llu\n", (unsigned long long)saw->of.slow,
           (unsigned long long)saw->lost.by_itself, (unsigned long long)saw->lost.by_force,
           (unsigned long long)saw->of.count);
    put(way_key, kind, "over_1ms", "count", (double)saw->of.slow);
    put(way_key, kind, "waits", "count", (double)saw->lost.by_itself);
    put(way_key, kind, "preempted", "count", (double)saw->lost.by_force);
    put(way_key, kind, "count", "count", (double)saw->of.count);
}

static void show_all(double seconds)
{
    static const char columns[] =
        "    p50      p99    p99.9   p99.99          max  > 1 ms  waited  preempted      times";
    printf("%-30s %s\n", "push+pop, ns", columns);
    for (int i = 0; i < WAYS; i++)
        show(ways[i].key, ways[i].name, "pair", &ways[i].pairs);
    printf("%-30s %s\n", "pop that ends a stall, ns", columns);
    for (int i = 0; i < WAYS; i++)
        show(ways[i].key, ways[i].name, "pop", &ways[i].pops);
    printf("%-30s %s\n", "the push after it, ns", columns);
    for (int i = 0; i < WAYS; i++)
        show(ways[i].key, ways[i].name, "push", &ways[i].pushes);
    for (int i = 0; i < WAYS; i++)
        if (ways[i].lines)
            printf("%s: %u lines a second, %u stalls reported\n", ways[i].name,
                   (unsigned)(ways[i].lines / seconds), ways[i].stall_lines);
}

/* How many of 10,000 pairs take longer than 1 of 10,000 does with the monitor stopped.
 * (The two p99.99 themselves are a bad measure: a tick takes a hundred times as long as
 * a pair and hits about one of 10,000, so a few more or less make 0.2 us or 2 of it.) */
static double slow_of_ten_thousand(const struct way *one)
{
    const struct histogram *stopped = &ways[STOPPED].pairs.of;
    uint64_t slow = slower_than(&one->pairs.of, percentile(stopped, 99.99));
    return 1e4 * (double)slow / (double)one->pairs.of.count;
}

#ifdef RUSAGE_THREAD
static void judge_waits(const struct way *one)
{
    char what[96];
    snprintf(what, sizeof what, "times that a thread waited in a push or pop, %s", one->name);
    bench_goal(
        "P10", what, BENCH_COUNT,
        (double)(one->pairs.lost.by_itself + one->pushes.lost.by_itself + one->pops.lost.by_itself),
        0);
}
#else
static void judge_waits(const struct way *one)
{
    printf("%s: this system does not say whether a thread waited\n", one->name);
}
#endif

/* No goal for the busy one: nobody's monitor writes so many lines. */
static void judge(void)
{
    double stopped = slow_of_ten_thousand(&ways[STOPPED]);
    double blocked = slow_of_ten_thousand(&ways[BLOCKED]), busy = slow_of_ten_thousand(&ways[BUSY]);
    printf("Of 10,000 push+pop, slower than %.0f ns: %.2f with the monitor stopped, %.2f with a "
           "blocked log, %.2f busy\n",
           percentile(&ways[STOPPED].pairs.of, 99.99), stopped, blocked, busy);
    bench_number("block.stopped.pair.slow", "/10000", stopped);
    bench_number("block.blocked.pair.slow", "/10000", blocked);
    bench_number("block.busy.pair.slow", "/10000", busy);
    bench_goal("P10", "push+pop beyond p99.99, log blocked / monitor stopped", BENCH_TIMES,
               blocked / stopped, 1.25);
    judge_waits(&ways[BLOCKED]);
    judge_waits(&ways[BUSY]);
}

int block_bench(bool quick)
{
    unsigned rounds = quick ? 1 : ROUNDS;
    double round_ns = quick ? 400 * MS : 2000 * MS;
    int error = start_monitor(); /* what it does once per process is over then */
    if (!error)
        error = stop_monitor();
    for (unsigned round = 0; round < rounds && !error; round++)
        for (unsigned i = 0; i < WAYS && !error; i++) {
            way = &ways[(round % 2 ? WAYS - 1 - i : i)];
            error = run(round_ns);
        }
    if (error) {
        printf("the monitor does not start, or does not stop: %s\n", strerror(-error));
        return 1;
    }
    printf("\nLatency: %d threads that push and pop, %d that stall; a blocked log takes %d ms a "
           "line; %u rounds of %.1f s\n",
           PUSHERS, STALLERS, SINK_MS, rounds, round_ns / 1e9);
    show_all(rounds * round_ns / 1e9);
    judge();
    return 0;
}
