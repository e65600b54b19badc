/* tests/bench/scale_bench.c - what many threads at once cost.
 *
 * There are more threads here than CPUs, so the cost of an operation is the CPU
 * time that its own thread used, in a loop at full speed; how many operations
 * all of them got done in a second stands beside it. Every case runs for the
 * same short time, in interleaved rounds; shown are medians of the rounds.
 *
 *   - 1 to 16 threads that push and pop: Heartline, the floor (which shares
 *     nothing: what a second hardware thread of the same core costs anyway), and
 *     the baseline.
 *   - A thousand threads with open scopes: what they cost a push in another
 *     thread, and a heartbeat.
 *   - 64 threads that add to one progress counter, against 64 on one relaxed
 *     fetch_add, while its owner adds to it too. At the end the phase line has to
 *     show the exact sum: any other number makes the benchmark fail.
 *
 * What a heartbeat costs is read in the sink, which runs on the monitor's thread:
 * its CPU time from one beat line to the next.
 */
#include "baseline.h"
#include "bench.h"
#include "floor.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define LABEL "write checkpoint"
#define COUNTED "count to the end"
#define INTERVAL_MS 20
#define BATCH 256 /* operations between two looks at the clock */
#define MOST_ROUNDS 15
#define OPEN_THREADS 1000
#define BUMPERS 64
#define BEATS_A_ROUND 8
#define PATIENCE_NS 10e9

static unsigned rounds;
static double round_ns;

/* ---- what a heartbeat costs -------------------------------------------------------------- */

#define MOST_BEATS 4000

struct beats {
    size_t count;
    double us[MOST_BEATS];
};

static struct beats *_Atomic beats_go_to; /* NULL = nobody wants to know */
static _Atomic unsigned beats_seen;
static _Atomic int64_t counted; /* the number in the phase line of COUNTED; negative = none yet */

/* The first one of a period began before it, and says nothing. */
static void note_beat(void)
{
    static struct beats *before;
    static double used_before;
    double used = bench_thread_cpu_ns();
    struct beats *beats = atomic_load(&beats_go_to);
    if (beats && beats == before && beats->count < MOST_BEATS)
        beats->us[beats->count++] = (used - used_before) / 1000;
    before = beats;
    used_before = used;
    atomic_fetch_add(&beats_seen, 1);
}

static void take_line(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)length;
    if (strstr(line, "\"record\":\"beat\""))
        note_beat();
    else if (strstr(line, "\"record\":\"phase\"") && strstr(line, "\"innermost\":\"" COUNTED "\""))
        atomic_store(&counted, (int64_t)bench_number_in(line, "\"progress_current\":"));
}

static bool wait_for_beats(unsigned count)
{
    unsigned from = atomic_load(&beats_seen);
    double until = bench_now_ns() + PATIENCE_NS;
    while (atomic_load(&beats_seen) - from < count && bench_now_ns() < until)
        bench_sleep(MS);
    return atomic_load(&beats_seen) - from >= count;
}

/* ---- threads at full speed ------------------------------------------------------------- */

#define MOST_SIZES 5 /* numbers of threads */

struct result {
    double cpu_ns[MOST_ROUNDS], million_per_s[MOST_ROUNDS];
    double cpu_ns_median, million_per_s_median;
};

struct task {
    const char *key, *name;
    void (*open)(void), (*many)(unsigned times), (*close)(void);
    struct beats *beats; /* or NULL: heartbeats meanwhile */
    struct result with[MOST_SIZES];
};

static const struct task *task; /* the present one */
static double until_ns;
static _Atomic uint64_t all_operations, all_cpu_ns;

static void enter_task(void)
{
    if (task->open)
        task->open();
    task->many(BATCH);
}

static void work_and_leave(void)
{
    uint64_t operations = 0;
    double began = bench_thread_cpu_ns();
    while (bench_now_ns() < until_ns) {
        task->many(BATCH);
        operations += BATCH;
    }
    atomic_fetch_add(&all_cpu_ns, (uint64_t)(bench_thread_cpu_ns() - began));
    atomic_fetch_add(&all_operations, operations);
    if (task->close)
        task->close();
}

static void run_once(struct task *one, unsigned threads, unsigned place, unsigned round)
{
    struct bench_crowd crowd;
    task = one;
    atomic_store(&all_operations, 0);
    atomic_store(&all_cpu_ns, 0);
    bench_gather(&crowd, threads, enter_task, work_and_leave);
    atomic_store(&beats_go_to, one->beats);
    until_ns = bench_now_ns() + round_ns;
    bench_release(&crowd);
    atomic_store(&beats_go_to, NULL);
    double operations = (double)atomic_load(&all_operations);
    one->with[place].cpu_ns[round] = (double)atomic_load(&all_cpu_ns) / operations;
    one->with[place].million_per_s[round] = operations / 1e6 / (round_ns / 1e9);
}

static void sum_up(struct result *result)
{
    result->cpu_ns_median = bench_percentile(result->cpu_ns, rounds, 50);
    result->million_per_s_median = bench_percentile(result->million_per_s, rounds, 50);
}

static void measure(struct task *tasks, size_t tasks_count, const unsigned *sizes,
                    unsigned sizes_count)
{
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned place = 0; place < sizes_count; place++)
            for (size_t i = 0; i < tasks_count; i++)
                run_once(&tasks[(i + round) % tasks_count], sizes[place], place, round);
    for (size_t i = 0; i < tasks_count; i++)
        for (unsigned place = 0; place < sizes_count; place++)
            sum_up(&tasks[i].with[place]);
}

static void put(const char *task_key, unsigned threads, const char *what, const char *unit,
                double value)
{
    char key[64];
    snprintf(key, sizeof key, "scale.%s.%ut.%s", task_key, threads, what);
    bench_number(key, unit, value);
}

static void show(const char *title, const struct task *tasks, size_t tasks_count,
                 const unsigned *sizes, unsigned sizes_count)
{
    printf("\n%s\n%-44s", title, "threads at once");
    for (unsigned place = 0; place < sizes_count; place++)
        printf(" %8u", sizes[place]);
    for (size_t i = 0; i < tasks_count; i++) {
        printf("\n%-44s", tasks[i].name);
        for (unsigned place = 0; place < sizes_count; place++) {
            printf(" %8.2f", tasks[i].with[place].cpu_ns_median);
            put(tasks[i].key, sizes[place], "cpu", "ns", tasks[i].with[place].cpu_ns_median);
        }
        printf("\n%-44s", "    million a second, all together");
        for (unsigned place = 0; place < sizes_count; place++) {
            printf(" %8.2f", tasks[i].with[place].million_per_s_median);
            put(tasks[i].key, sizes[place], "rate", "M/s",
                tasks[i].with[place].million_per_s_median);
        }
    }
    putchar('\n');
}

/* ---- push and pop ------------------------------------------------------------------------ */

static void open_scope(void)
{
    scope_push(LABEL);
}

static void close_scope(void)
{
    scope_pop();
}

static void push_and_pop(unsigned times)
{
    while (times--) {
        scope_push(LABEL);
        scope_pop();
    }
}

static void open_on_floor(void)
{
    floor_push(LABEL, strlen(LABEL));
}

static void push_and_pop_on_floor(unsigned times)
{
    while (times--) {
        floor_push(LABEL, strlen(LABEL));
        floor_pop();
    }
}

static void push_and_pop_on_baseline(unsigned times)
{
    while (times--) {
        baseline_push(LABEL);
        baseline_pop();
    }
}

static const unsigned pair_sizes[] = {1, 2, 4, 8, 16};
#define PAIR_SIZES (sizeof pair_sizes / sizeof pair_sizes[0])

enum { OURS, OURS_NESTED, FLOOR, FLOOR_NESTED, BASELINE, PAIR_TASKS };
static struct task pair_tasks[PAIR_TASKS] = {
    [OURS] = {"pair", "Heartline, depth 1", .many = push_and_pop},
    [OURS_NESTED] = {"pair_nested", "Heartline, nested", .open = open_scope, .many = push_and_pop,
                     .close = close_scope},
    [FLOOR] = {"floor", "floor, depth 1", .many = push_and_pop_on_floor},
    [FLOOR_NESTED] = {"floor_nested", "floor, nested", .open = open_on_floor,
                      .many = push_and_pop_on_floor, .close = floor_pop},
    [BASELINE] = {"baseline", "baseline, depth 1", .many = push_and_pop_on_baseline},
};

static double growth(int one, unsigned place)
{
    return pair_tasks[one].with[place].cpu_ns_median / pair_tasks[one].with[0].cpu_ns_median;
}

static void judge_growth(int one, int floor, const char *depth, unsigned place)
{
    char what[96];
    snprintf(what, sizeof what, "CPU time of a pair, %u threads / one, %s", pair_sizes[place],
             depth);
    bench_goal("P3", what, BENCH_TIMES, growth(one, place), 1.25);
    bench_reason("the floor, which shares nothing between its threads, takes %.2fx as long here",
                 growth(floor, place));
}

static void compare_pairs(void)
{
    measure(pair_tasks, PAIR_TASKS, pair_sizes, PAIR_SIZES);
    show("Push and pop at full speed, ns of CPU time", pair_tasks, PAIR_TASKS, pair_sizes,
         PAIR_SIZES);
    for (unsigned place = 1; place < PAIR_SIZES && pair_sizes[place] <= bench_cpus(); place++) {
        judge_growth(OURS, FLOOR, "depth 1", place);
        judge_growth(OURS_NESTED, FLOOR_NESTED, "nested", place);
    }
}

static void show_beats(const char *key, const char *name, struct beats *beats)
{
    char figure[64];
    double p99 = bench_percentile(beats->us, beats->count, 99);
    struct bench_spread us = bench_spread_of(beats->us, beats->count);
    printf("%-44s %8.1f (%.1f to %.1f), p99 %.1f us, %zu heartbeats\n", name, us.median, us.low,
           us.high, p99, beats->count);
    snprintf(figure, sizeof figure, "scale.beat.%s", key);
    bench_figure(figure, "us", us);
}

/* ---- a thousand threads with open scopes ------------------------------------------------- */

enum { ALONE, AMONG_MANY, PUSH_TASKS };
static struct task push_tasks[PUSH_TASKS] = {
    [ALONE] = {"pair_alone", "one that pushes and pops, no others", .many = push_and_pop},
    [AMONG_MANY] = {"pair_among_1000", "the same beside 1,000 threads in scopes",
                    .many = push_and_pop},
};

/* Returns false when no heartbeats come. */
static bool push_and_watch(struct task *one, unsigned round, struct beats *beats)
{
    run_once(one, 1, 0, round);
    atomic_store(&beats_go_to, beats);
    bool came = wait_for_beats(BEATS_A_ROUND);
    atomic_store(&beats_go_to, NULL);
    return came;
}

static bool compare_with_thousand(void)
{
    static const unsigned one[] = {1};
    static struct beats few, many;
    struct bench_crowd crowd;
    bool came = true;
    for (unsigned round = 0; round < rounds && came; round++) {
        came = push_and_watch(&push_tasks[ALONE], round, &few);
        bench_gather(&crowd, OPEN_THREADS, open_scope, close_scope);
        came = came && push_and_watch(&push_tasks[AMONG_MANY], round, &many);
        bench_release(&crowd);
    }
    for (int i = 0; i < PUSH_TASKS; i++)
        sum_up(&push_tasks[i].with[0]);
    show("A thousand threads with open scopes, ns of CPU time", push_tasks, PUSH_TASKS, one, 1);
    show_beats("idle", "a heartbeat, no other threads", &few);
    show_beats("among_1000", "a heartbeat, 1,000 threads in scopes", &many);
    return came;
}

/* ---- 64 threads that add to one counter -------------------------------------------------- */

static scope_progress counter;
static _Alignas(64) _Atomic uint64_t bare_counter;
static _Alignas(64) _Atomic uint64_t added, added_bare; /* what the sums must be */

static void add_to_counter(unsigned times)
{
    atomic_fetch_add_explicit(&added, times, memory_order_relaxed);
    while (times--)
        scope_progress_add(counter, 1);
}

static void add_to_bare_counter(unsigned times)
{
    atomic_fetch_add_explicit(&added_bare, times, memory_order_relaxed);
    while (times--)
        atomic_fetch_add_explicit(&bare_counter, 1, memory_order_relaxed);
}

static const unsigned bump_sizes[] = {BUMPERS};

enum { BUMP, FETCH_ADD, BUMP_TASKS };
static struct beats bump_beats[BUMP_TASKS];
static struct task bump_tasks[BUMP_TASKS] = {
    [BUMP] = {"bump", "progress add, by others than the owner", .many = add_to_counter,
              .beats = &bump_beats[BUMP]},
    [FETCH_ADD] = {"fetch_add", "relaxed fetch_add", .many = add_to_bare_counter,
                   .beats = &bump_beats[FETCH_ADD]},
};

/* The owner adds all the while, until it is stopped for the sum to be read. */
static struct {
    pthread_t thread;
    _Atomic bool is_open, is_stopped, is_settled, is_over;
    uint64_t times;
    double cpu_ns;
} owner;

static void add_to_own(void)
{
    double began = bench_thread_cpu_ns();
    while (!atomic_load(&owner.is_stopped)) {
        for (unsigned i = 0; i < BATCH; i++)
            scope_progress_add(counter, 1);
        owner.times += BATCH;
    }
    owner.cpu_ns = bench_thread_cpu_ns() - began;
    atomic_store(&owner.is_settled, true);
}

static void *own(void *nothing)
{
    SCOPE_PROGRESS(progress, COUNTED, 0);
    counter = progress;
    atomic_store(&owner.is_open, true);
    add_to_own();
    while (!atomic_load(&owner.is_over))
        bench_sleep(MS);
    return nothing;
}

static void wait_until(const _Atomic bool *it_is)
{
    while (!atomic_load(it_is))
        bench_sleep(MS);
}

/* With the counter still open: its sum is in the phase line. */
static bool sum_is_exact(void)
{
    uint64_t wanted = atomic_load(&added) + owner.times;
    bool came = wait_for_beats(2);
    int64_t seen = atomic_load(&counted);
    bool is_exact = came && seen >= 0 && (uint64_t)seen == wanted;
    bool bare_is_exact = atomic_load(&bare_counter) == atomic_load(&added_bare);
    printf("sum in the phase line: %lld, additions made: %llu%s\n", (long long)seen,
           (unsigned long long)wanted, is_exact ? ", exact" : "   *** WRONG SUM ***");
    return is_exact && bare_is_exact;
}

static bool compare_bumps(void)
{
    bench_start(&owner.thread, 1, own);
    wait_until(&owner.is_open);
    measure(bump_tasks, BUMP_TASKS, bump_sizes, 1);
    atomic_store(&owner.is_stopped, true);
    wait_until(&owner.is_settled);
    show("One counter for all, its owner adding too, ns of CPU time", bump_tasks, BUMP_TASKS,
         bump_sizes, 1);
    printf("%-44s %8.2f\n", "progress add by the owner meanwhile",
           owner.cpu_ns / (double)owner.times);
    bench_number("scale.bump.owner.cpu", "ns", owner.cpu_ns / (double)owner.times);
    show_beats("bump", "a heartbeat, while they add to the progress", &bump_beats[BUMP]);
    show_beats("fetch_add", "a heartbeat, while they fetch_add", &bump_beats[FETCH_ADD]);
    bool is_exact = sum_is_exact();
    atomic_store(&owner.is_over, true);
    bench_join(&owner.thread, 1);
    return is_exact;
}

static int start_monitor(void)
{
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = INTERVAL_MS;
    options.format = MONITOR_JSON;
    options.sink = take_line;
    return monitor_start_with(&options);
}

int scale_bench(bool quick)
{
    rounds = quick ? 3 : MOST_ROUNDS;
    round_ns = quick ? 10 * MS : 100 * MS;
    atomic_store(&counted, -1);
    int error = start_monitor();
    if (error) {
        printf("the monitor does not start: %s\n", strerror(-error));
        return 1;
    }
    compare_pairs();
    bool has_beats = compare_with_thousand();
    round_ns *= 3; /* more than one turn for each of so many */
    bool is_exact = compare_bumps();
    monitor_stop();
    return !has_beats || !is_exact;
}
