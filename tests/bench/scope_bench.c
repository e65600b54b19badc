/* tests/bench/scope_bench.c - what a scope costs the thread that opens it.
 *
 * Everything goes through the public header and the shared library, while the
 * monitor runs with its default options (only the lines go nowhere). In one run
 * with it: the calibration, the floor (floor.c, in a shared library of its own,
 * with the very clock function that the platform gives to Heartline), and the
 * baseline (baseline.c).
 *
 * "depth" is the live depth inside the measured scope. At depth 1 the pop
 * empties the stack, which saves it the clock.
 */
#include "baseline.h"
#include "bench.h"
#include "floor.h"
#include "scope_cases.h"

#include "../../platform/platform.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>
#endif

#define LONG_LABEL "write checkpoint of the third replica to disk 04"
#define ODD_LABEL "merge results"

/* ---- calibration ------------------------------------------------------------------ */

static void read_monotonic(uint64_t times)
{
    struct timespec now;
    while (times--) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        BENCH_USE(&now);
    }
}

#ifdef CLOCK_MONOTONIC_COARSE
static void read_coarse(uint64_t times)
{
    struct timespec now;
    while (times--) {
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        BENCH_USE(&now);
    }
}
#endif

#if defined(__x86_64__) || defined(__i386__)
#define COUNTER_NAME "rdtsc"
static void read_counter(uint64_t times)
{
    while (times--)
        BENCH_USE((uintptr_t)__rdtsc());
}
#elif defined(__aarch64__)
#define COUNTER_NAME "cntvct_el0"
static void read_counter(uint64_t times)
{
    while (times--) {
        uint64_t count;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
        BENCH_USE(count);
    }
}
#endif

void lock_and_unlock(uint64_t times)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    while (times--) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
}

static void fetch_add(uint64_t times)
{
    static _Alignas(64) _Atomic uint64_t count;
    while (times--)
        atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
}

static void call_nothing(uint64_t times)
{
    while (times--)
        floor_nothing();
}

/* ---- Heartline ------------------------------------------------------------------------ */

void heartline_open(unsigned depth)
{
    for (unsigned i = 1; i < depth; i++)
        scope_push(LABEL);
}

void heartline_close(unsigned depth)
{
    for (unsigned i = 1; i < depth; i++)
        scope_pop();
}

void heartline_pairs(uint64_t times)
{
    while (times--) {
        scope_push(LABEL);
        scope_pop();
    }
}

static void heartline_blocks(uint64_t times)
{
    while (times--) {
        SCOPE(LABEL);
    }
}

static void heartline_long_pairs(uint64_t times)
{
    while (times--) {
        scope_push(LONG_LABEL);
        scope_pop();
    }
}

static void heartline_odd_pairs(uint64_t times)
{
    while (times--) {
        scope_push(ODD_LABEL);
        scope_pop();
    }
}

static void heartline_unknown_pairs(uint64_t times)
{
    const char *label = LABEL;
    while (times--) {
        __asm__ volatile("" : "+r"(label)); /* might be any text */
        scope_push(label);
        scope_pop();
    }
}

/* ---- the others --------------------------------------------------------------------------- */

static void floor_open(unsigned depth)
{
    for (unsigned i = 1; i < depth; i++)
        floor_push(LABEL, strlen(LABEL));
}

static void floor_close(unsigned depth)
{
    for (unsigned i = 1; i < depth; i++)
        floor_pop();
}

static void floor_pairs(uint64_t times)
{
    while (times--) {
        floor_push(LABEL, strlen(LABEL));
        floor_pop();
    }
}

void floor_pointer_pairs(uint64_t times)
{
    while (times--) {
        floor_push_pointer(LABEL);
        floor_pop_pointer();
    }
}

static void baseline_open(unsigned depth)
{
    for (unsigned i = 1; i < depth; i++)
        baseline_push(LABEL);
}

static void baseline_close(unsigned depth)
{
    for (unsigned i = 1; i < depth; i++)
        baseline_pop();
}

static void baseline_pairs(uint64_t times)
{
    while (times--) {
        baseline_push(LABEL);
        baseline_pop();
    }
}

/* ---- progress ---------------------------------------------------------------------------------- */

static _Thread_local scope_progress own;

static void progress_open(unsigned depth)
{
    (void)depth;
    own = scope_push_progress(LABEL, 0);
}

static void progress_close(unsigned depth)
{
    (void)depth;
    scope_pop();
}

/* Whether a processor forwards a store to the next load at once or after some
 * cycles hangs on where the loop lies: each round takes another of these. */
#define PLACED(number)                                                        \
    static void add_to_own_##number(uint64_t times)                           \
    {                                                                         \
        scope_progress progress = own;                                        \
        __asm__ volatile(".rept 5 * " #number "\n nop\n .endr" ::: "memory"); \
        while (times--)                                                       \
            scope_progress_add(progress, 1);                                  \
    }
PLACED(0)
PLACED(1)
PLACED(2)
PLACED(3)
PLACED(4)
PLACED(5)
PLACED(6)
PLACED(7)

static void add_to_own(uint64_t times)
{
    static void (*const placed[])(uint64_t times) = {
        add_to_own_0, add_to_own_1, add_to_own_2, add_to_own_3,
        add_to_own_4, add_to_own_5, add_to_own_6, add_to_own_7,
    };
    static _Thread_local unsigned turn;
    placed[turn++ % 8](times);
}

/* A counter that belongs to a thread which only keeps it. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    scope_progress progress;
    bool is_open, is_over;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void *keep(void *nothing)
{
    SCOPE_PROGRESS(progress, LABEL, 0);
    pthread_mutex_lock(&kept.lock);
    kept.progress = progress;
    kept.is_open = true;
    pthread_cond_broadcast(&kept.changed);
    while (!kept.is_over)
        pthread_cond_wait(&kept.changed, &kept.lock);
    pthread_mutex_unlock(&kept.lock);
    return nothing;
}

static void open_kept(void)
{
    if (pthread_create(&kept.thread, NULL, keep, NULL) != 0)
        abort();
    pthread_mutex_lock(&kept.lock);
    while (!kept.is_open)
        pthread_cond_wait(&kept.changed, &kept.lock);
    pthread_mutex_unlock(&kept.lock);
}

static void close_kept(void)
{
    pthread_mutex_lock(&kept.lock);
    kept.is_over = true;
    pthread_cond_broadcast(&kept.changed);
    pthread_mutex_unlock(&kept.lock);
    pthread_join(kept.thread, NULL);
}

static void add_to_kept(uint64_t times)
{
    scope_progress progress = kept.progress;
    while (times--)
        scope_progress_add(progress, 1);
}

/* ---- the table ------------------------------------------------------------------------------------- */

enum {
    MONOTONIC,
#ifdef CLOCK_MONOTONIC_COARSE
    COARSE,
#endif
#ifdef COUNTER_NAME
    COUNTER,
#endif
    MUTEX,
    ADD,
    ADD_2,
    CALL,
    CALIBRATIONS,
    OURS_1 = CALIBRATIONS,
    OURS_2,
    OURS_16,
    OURS_30,
    OURS_1_ODD,
    OURS_1_LONG,
    OURS_1_UNKNOWN,
    OURS_1_BLOCK,
    OURS_2_BLOCK,
    OURS_1_2T,
    OURS_2_2T,
    OURS_16_2T,
    FLOOR_1,
    FLOOR_2,
    FLOOR_1_2T,
    FLOOR_2_2T,
    FLOOR_POINTER,
    BASELINE_1,
    BASELINE_4,
    BASELINE_16,
    BASELINE_1_2T,
    BASELINE_16_2T,
    OWN,
    OWN_2T,
    SHARED,
    SHARED_2T,
    CASES
};

#define OURS(n) .open = heartline_open, .close = heartline_close, .depth = n
#define FLOOR(n) .open = floor_open, .close = floor_close, .depth = n, .run = floor_pairs
#define BASELINE(n) \
    .open = baseline_open, .close = baseline_close, .depth = n, .run = baseline_pairs
#define PROGRESS .open = progress_open, .close = progress_close

static struct bench_case cases[CASES] = {
    [MONOTONIC] = {"clock.monotonic", "clock_gettime(CLOCK_MONOTONIC)", .run = read_monotonic},
#ifdef CLOCK_MONOTONIC_COARSE
    [COARSE] = {"clock.coarse", "clock_gettime(CLOCK_MONOTONIC_COARSE)", .run = read_coarse},
#endif
#ifdef COUNTER_NAME
    [COUNTER] = {"clock.counter", COUNTER_NAME, .run = read_counter},
#endif
    [MUTEX] = {"mutex", "mutex lock+unlock, uncontended, with threads", .run = lock_and_unlock},
    [ADD] = {"fetch_add", "relaxed fetch_add", .run = fetch_add},
    [ADD_2] = {"fetch_add.2t", "relaxed fetch_add, two threads on one counter", .run = fetch_add,
               .threads = 2},
    [CALL] = {"call", "call of an empty function in a shared library", .run = call_nothing},

    [OURS_1] = {"scope.1", "Heartline, depth 1", .run = heartline_pairs, OURS(1)},
    [OURS_2] = {"scope.2", "Heartline, depth 2 (nested)", .run = heartline_pairs, OURS(2)},
    [OURS_16] = {"scope.16", "Heartline, depth 16", .run = heartline_pairs, OURS(16)},
    [OURS_30] = {"scope.30", "Heartline, depth 30", .run = heartline_pairs, OURS(30)},
    [OURS_1_ODD] = {"scope.1.odd", "Heartline, depth 1, a label of 13 bytes",
                    .run = heartline_odd_pairs, OURS(1)},
    [OURS_1_LONG] = {"scope.1.long", "Heartline, depth 1, a label of 48 bytes",
                     .run = heartline_long_pairs, OURS(1)},
    [OURS_1_UNKNOWN] = {"scope.1.unknown", "Heartline, depth 1, length not known when compiled",
                        .run = heartline_unknown_pairs, OURS(1)},
    [OURS_1_BLOCK] = {"scope.1.block", "Heartline, depth 1, SCOPE", .run = heartline_blocks,
                      OURS(1)},
    [OURS_2_BLOCK] = {"scope.2.block", "Heartline, depth 2, SCOPE", .run = heartline_blocks,
                      OURS(2)},
    [OURS_1_2T] = {"scope.1.2t", "Heartline, depth 1, two threads", .run = heartline_pairs, OURS(1),
                   .threads = 2},
    [OURS_2_2T] = {"scope.2.2t", "Heartline, depth 2, two threads", .run = heartline_pairs, OURS(2),
                   .threads = 2},
    [OURS_16_2T] = {"scope.16.2t", "Heartline, depth 16, two threads", .run = heartline_pairs,
                    OURS(16), .threads = 2},
    [FLOOR_1] = {"floor.1", "floor, depth 1", FLOOR(1)},
    [FLOOR_2] = {"floor.2", "floor, depth 2", FLOOR(2)},
    [FLOOR_1_2T] = {"floor.1.2t", "floor, depth 1, two threads", FLOOR(1), .threads = 2},
    [FLOOR_2_2T] = {"floor.2.2t", "floor, depth 2, two threads", FLOOR(2), .threads = 2},
    [FLOOR_POINTER] = {"floor.pointer", "Firefox's shape: a label pointer and no time",
                       .run = floor_pointer_pairs},
    [BASELINE_1] = {"baseline.1", "baseline, depth 1", BASELINE(1)},
    [BASELINE_4] = {"baseline.4", "baseline, depth 4", BASELINE(4)},
    [BASELINE_16] = {"baseline.16", "baseline, depth 16", BASELINE(16)},
    [BASELINE_1_2T] = {"baseline.1.2t", "baseline, depth 1, two threads", BASELINE(1),
                       .threads = 2},
    [BASELINE_16_2T] = {"baseline.16.2t", "baseline, depth 16, two threads", BASELINE(16),
                        .threads = 2},

    [OWN] = {"progress.own", "progress add by the owner", .run = add_to_own, PROGRESS},
    [OWN_2T] = {"progress.own.2t", "progress add, two threads, each its own", .run = add_to_own,
                PROGRESS, .threads = 2},
    [SHARED] = {"progress.shared", "progress add by another thread", .run = add_to_kept},
    [SHARED_2T] = {"progress.shared.2t", "progress add by two other threads at once",
                   .run = add_to_kept, .threads = 2},
};

static double median(int one)
{
    return cases[one].ns.median;
}

static double ratio(int one, int other)
{
    return median(one) / median(other);
}

static void judge(void)
{
    bench_goal("P1", "push+pop at depth 1 / mutex pair", BENCH_TIMES, ratio(OURS_1, MUTEX), 1.0);
    bench_goal("P1", "push+pop nested / mutex pair", BENCH_TIMES, ratio(OURS_2, MUTEX), 1.4);
    bench_goal("P2", "depth 1 / floor in the same form", BENCH_TIMES, ratio(OURS_1, FLOOR_1), 1.4);
    bench_goal("P2", "nested / floor in the same form", BENCH_TIMES, ratio(OURS_2, FLOOR_2), 1.4);
    bench_goal("P3", "depth 30 / depth 2", BENCH_TIMES, ratio(OURS_30, OURS_2), 1.1);
    bench_goal("P3", "two threads / one, depth 1", BENCH_TIMES, ratio(OURS_1_2T, OURS_1), 1.25);
    bench_goal("P3", "two threads / one, nested", BENCH_TIMES, ratio(OURS_2_2T, OURS_2), 1.25);
    bench_goal("P4", "depth 1 / baseline", BENCH_FRACTION, ratio(OURS_1, BASELINE_1), 1.0 / 12);
    bench_goal("P4", "depth 16 / baseline", BENCH_FRACTION, ratio(OURS_16, BASELINE_16), 1.0 / 60);
    bench_goal("P4", "depth 1, two threads / baseline", BENCH_FRACTION,
               ratio(OURS_1_2T, BASELINE_1_2T), 1.0 / 30);
    bench_goal("P4", "depth 16, two threads / baseline", BENCH_FRACTION,
               ratio(OURS_16_2T, BASELINE_16_2T), 1.0 / 100);
    bench_goal("P6", "progress add by the owner / relaxed fetch_add", BENCH_TIMES, ratio(OWN, ADD),
               0.25);
    bench_goal("P6", "progress add by another thread - relaxed fetch_add", BENCH_NS,
               median(SHARED) - median(ADD), 2);
}

static void discard(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)line, (void)length;
}

/* What two threads cost here that share nothing, and how often others disturbed. */
static void show_control(void)
{
    double disturbed = bench_disturbed_share();
    printf("Control: the floor, which shares nothing, takes %.2fx (depth 1) and %.2fx (nested) as "
           "long in two threads as in one.\n"
           "Of the rounds %.0f %% were disturbed at each try (another program, or the other "
           "hyperthread of a core)%s\n",
           ratio(FLOOR_1_2T, FLOOR_1), ratio(FLOOR_2_2T, FLOOR_2), 100 * disturbed,
           disturbed > 0.3 ? ": THE MACHINE IS BUSY, disregard them." : ".");
    bench_number("disturbed_rounds", "share", disturbed);
}

bool start_monitor(void)
{
    monitor_options options;
    monitor_options_default(&options);
    options.sink = discard;
    int error = monitor_start_with(&options);
    if (error)
        printf("the monitor does not start: %s\n", strerror(-error));
    return error == 0;
}

int scope_bench(bool quick)
{
    bench_begin(quick);
    floor_take_clock(hl_plat_scope_clock.read, hl_plat_scope_clock.clock);
    if (!start_monitor())
        return 1;
    open_kept();
    bench_measure(cases, CASES);
    close_kept();
    monitor_stop();

    bench_show("Calibration, per operation", cases, CALIBRATIONS, &cases[MUTEX]);
    bench_show("Push and pop of one scope, monitor running with its defaults", cases + CALIBRATIONS,
               OWN - CALIBRATIONS, &cases[MUTEX]);
    bench_show("Progress, one addition", cases + OWN, CASES - OWN, &cases[MUTEX]);
    show_control();
    judge();
    return 0;
}

/* ---- HEARTLINE=off ----------------------------------------------------------------------------------- */

enum { OFF_MUTEX, OFF_CALL, OFF_PAIR, OFF_BLOCK, OFF_ADD, OFF_CASES };

static struct bench_case off_cases[OFF_CASES] = {
    [OFF_MUTEX] = {"off.mutex", "mutex lock+unlock, uncontended, with threads",
                   .run = lock_and_unlock},
    [OFF_CALL] = {"off.call", "call of an empty function in a shared library", .run = call_nothing},
    [OFF_PAIR] = {"off.scope", "push+pop", .run = heartline_pairs},
    [OFF_BLOCK] = {"off.block", "SCOPE", .run = heartline_blocks},
    [OFF_ADD] = {"off.progress", "progress add", .run = add_to_own, PROGRESS},
};

/* In a process of its own, as the operator would have it. */
int off_bench(bool quick)
{
    setenv("HEARTLINE", "off", 1);
    bench_begin(quick);
    int error = monitor_start();
    if (error || monitor_beat() == 0) {
        printf("HEARTLINE=off: monitor_start gives %d, or a monitor runs\n", error);
        return 1;
    }
    bench_measure(off_cases, OFF_CASES);
    bench_show("HEARTLINE=off, monitor_start called", off_cases, OFF_CASES, &off_cases[OFF_MUTEX]);
    bench_goal("P5", "HEARTLINE=off: push+pop / mutex pair", BENCH_TIMES,
               off_cases[OFF_PAIR].ns.median / off_cases[OFF_MUTEX].ns.median, 0.2);
    return 0;
}
