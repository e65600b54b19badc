/* tests/bench/cost_bench.c - what a whole heartbeat costs, its lines written.
 *
 * The figure is the CPU time that the monitor's thread took from the middle
 * between two heartbeats to the next middle, read from outside. Default options,
 * but for the interval: it is short, and each such stretch holds one heartbeat
 * and nothing else (looks come with the heartbeats, as the limit is long).
 *
 * A usual heartbeat finds the threads as they were. Before one that finds them
 * churned, each thread has run, and has ended its scope and opened the next.
 *
 * Threads outside any scope are looked into once they were idle for the limit,
 * because they may be in a deadlock: these heartbeats have rows of their own,
 * with a short limit, from the first one that looks on, while it has to.
 *
 * Beside them stands what no monitor can do without: reading the CPU clock of each
 * thread. Then the same heartbeats by their parts: see phases.h.
 */
#include "bench.h"
#include "crowd.h"
#include "monitor_thread.h"
#include "phases.h"

#include <heartline/monitor.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_BEATS 100
#define MOST_THREADS 10000

/* ---- what the threads do --------------------------------------------------------------- */

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void merely_run(struct crowd_member *member)
{
    (void)member;
}

static void open_scope(struct crowd_member *member)
{
    (void)member;
    scope_push("serve a request");
}

static void open_progress(struct crowd_member *member)
{
    member->progress = scope_push_progress("copy the rows", 1000);
    scope_progress_add(member->progress, 1);
}

static void close_scope(struct crowd_member *member)
{
    (void)member;
    scope_pop();
}

static void change_scope(struct crowd_member *member)
{
    close_scope(member);
    open_scope(member);
}

static void change_progress(struct crowd_member *member)
{
    close_scope(member);
    open_progress(member);
}

static void wait_for_mutex(struct crowd_member *member)
{
    (void)member;
    pthread_mutex_lock(&held);
    pthread_mutex_unlock(&held);
}

/* ---- threads that keep the cores busy ------------------------------------------------------ */

#define MOST_SPINNERS 64
static pthread_t spinners[MOST_SPINNERS];
static unsigned spinners_count;
static _Atomic bool is_spinning;

static void *spin(void *nothing)
{
    while (atomic_load_explicit(&is_spinning, memory_order_relaxed))
        continue;
    return nothing;
}

static void start_spinners(void)
{
    atomic_store(&is_spinning, true);
    for (spinners_count = 0; spinners_count < bench_cpus() && spinners_count < MOST_SPINNERS;)
        if (pthread_create(&spinners[spinners_count++], NULL, spin, NULL) != 0)
            abort();
}

static void end_spinners(void)
{
    atomic_store(&is_spinning, false);
    for (unsigned i = 0; i < spinners_count; i++)
        pthread_join(spinners[i], NULL);
}

/* ---- one row --------------------------------------------------------------------------------- */

struct row {
    unsigned interval_ms, stall_ms; /* stall 0 = the default */
    unsigned skipped, beats;        /* heartbeats before those that count, and these */
    crowd_work *at_start;           /* when the monitor has just started, or NULL */
    crowd_work *churn;              /* between those that count, or NULL */
    bool to_callback;               /* instead of to a file */
};

struct seen {
    struct bench_spread ns; /* of a heartbeat */
    bool is_whole;          /* each stretch held one */
};

static _Atomic unsigned beats_heard;

static void hear(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)length;
    if (strstr(line, "] beat "))
        atomic_fetch_add(&beats_heard, 1);
}

static unsigned beats_in(const char *path)
{
    static char line[8192];
    unsigned beats = 0;
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        beats += strstr(line, "] beat ") != NULL;
    if (file)
        fclose(file);
    return beats;
}

/* On a busy machine the last one may still be ending, and the next one have no name yet. */
static bool start(const monitor_options *options)
{
    int error;
    for (int i = 0; (error = monitor_start_with(options)) == -EBUSY && i < 100; i++)
        bench_sleep(10 * MS);
    return error == 0;
}

static long find_monitor(void)
{
    long tid = 0;
    for (int i = 0; i < 100 && !(tid = monitor_thread_find()); i++)
        bench_sleep(1 * MS);
    return tid;
}

/* The middles between heartbeats are known: the first one comes an interval after
 * the monitor was started. Returns how many heartbeats there must have been, 0 =
 * its thread cannot be found. */
static unsigned observe(const struct row *row, double *ns)
{
    double interval = row->interval_ms * MS, began = bench_now_ns();
    if (row->at_start)
        crowd_all(row->at_start);
    bench_sleep_until(began + interval / 2); /* those that learn about locks have its name, too */
    long tid = find_monitor();
    unsigned passed = (unsigned)((bench_now_ns() - began) / interval) + 1;
    unsigned beat = passed > row->skipped ? passed : row->skipped;
    if (!tid)
        return 0;
    bench_sleep_until(began + (beat + 0.5) * interval);
    double last = monitor_thread_cpu_ns(tid);
    for (unsigned i = 0; i < row->beats; i++) {
        if (row->churn)
            crowd_all(row->churn);
        bench_sleep_until(began + (++beat + 0.5) * interval);
        double now = monitor_thread_cpu_ns(tid);
        ns[i] = now - last;
        last = now;
    }
    return beat;
}

static bool measure(const struct row *row, struct seen *seen)
{
    double ns[MOST_BEATS];
    char path[] = "/tmp/heartline-cost-XXXXXX";
    int file = mkstemp(path);
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = row->interval_ms;
    options.stall_ms = row->stall_ms ? row->stall_ms : options.stall_ms;
    options.log_path = path;
    options.sink = row->to_callback ? hear : NULL;
    atomic_store(&beats_heard, 0);
    unsigned expected = file >= 0 && start(&options) ? observe(row, ns) : 0;
    monitor_stop();
    unsigned beats = row->to_callback ? atomic_load(&beats_heard) : beats_in(path);
    close(file);
    unlink(path);
    seen->ns = bench_spread_of(ns, expected ? row->beats : 0);
    seen->is_whole = beats == expected;
    return expected > 0;
}

/* ---- the table ----------------------------------------------------------------------------------- */

static const struct situation {
    const char *key, *name;
    crowd_work *begin, *churn, *end;
    bool is_busy;
} situations[] = {
    {"none", "no scopes", merely_run, merely_run, merely_run, false},
    {"scope", "each in a scope", open_scope, change_scope, close_scope, false},
    {"progress", "each in a scope with progress", open_progress, change_progress, close_scope,
     false},
    {"busy", "each in a scope, all cores busy", open_scope, change_scope, close_scope, true},
};
#define SITUATIONS (sizeof situations / sizeof situations[0])

static bool is_quick;
static double dearest_ns; /* of one size */

static unsigned usual_interval_ms(unsigned size)
{
    return size > 1000 ? 80 : 20;
}

/* Time enough for all threads to run. */
static unsigned churn_interval_ms(unsigned size, bool is_busy)
{
    unsigned enough = size > 1000 ? 500 : size > 100 ? 60 : 20;
    return is_busy ? 2 * enough : enough;
}

static unsigned beats_of(unsigned size)
{
    return is_quick ? 4 : size > 1000 ? 12 : 26;
}

static void show_cost(unsigned size, const char *key, const char *name, struct bench_spread ns,
                      const char *note)
{
    char figure[64];
    printf("  %-58s %8.3f  (%.3f to %.3f)%s\n", name, ns.median / MS, ns.low / MS, ns.high / MS,
           note);
    snprintf(figure, sizeof figure, "cost.%u.%s", size, key);
    bench_figure(figure, "ns", ns);
}

static void show(unsigned size, const char *key, const char *name, const struct row *row)
{
    struct seen seen;
    if (!measure(row, &seen)) {
        printf("  %-58s not measured\n", name);
        return;
    }
    show_cost(size, key, name, seen.ns, seen.is_whole ? "" : "  beats are missing");
    dearest_ns = fmax(dearest_ns, seen.ns.median);
}

static void show_situation(unsigned size, const struct situation *situation)
{
    struct row usual = {
        .interval_ms = usual_interval_ms(size), .skipped = 2, .beats = beats_of(size)};
    struct row churned = {.interval_ms = churn_interval_ms(size, situation->is_busy),
                          .skipped = 1,
                          .beats = beats_of(size) / 2,
                          .churn = situation->churn};
    char key[48], name[96];
    crowd_all(situation->begin);
    if (situation->is_busy)
        start_spinners();
    show(size, situation->key, situation->name, &usual);
    snprintf(key, sizeof key, "%s.churned", situation->key);
    snprintf(name, sizeof name, "%s, churned", situation->name);
    show(size, key, name, &churned);
    if (situation->is_busy)
        end_spinners();
    crowd_all(situation->end);
}

static void show_callback(unsigned size)
{
    struct row row = {.interval_ms = usual_interval_ms(size),
                      .skipped = 2,
                      .beats = beats_of(size),
                      .to_callback = true};
    crowd_all(open_scope);
    show(size, "scope.callback", "each in a scope, lines to a callback", &row);
    crowd_all(close_scope);
}

/* What no monitor can do without: as often, each thread's CPU clock and the process's. */
static double show_floor_row(unsigned size, const char *key, const char *name, bool is_churned)
{
    static clockid_t clocks[MOST_THREADS];
    double ns[MOST_BEATS];
    struct timespec used;
    long self = (long)syscall(SYS_gettid);
    for (unsigned i = 0; i < size; i++)
        clocks[i] = crowd_clock(i);
    for (unsigned i = 0; i < beats_of(size); i++) {
        if (is_churned)
            crowd_all(merely_run);
        bench_sleep((is_churned ? churn_interval_ms(size, false) : usual_interval_ms(size)) * MS);
        double began = monitor_thread_cpu_ns(self);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        for (unsigned thread = 0; thread < size; thread++)
            clock_gettime(clocks[thread], &used);
        ns[i] = monitor_thread_cpu_ns(self) - began;
    }
    struct bench_spread spread = bench_spread_of(ns, beats_of(size));
    show_cost(size, key, name, spread, "");
    return spread.median;
}

static double show_floor(unsigned size)
{
    const char *name = "(beside it: reading all CPU clocks, and nothing else)";
    const char *churned = "(the same, churned)";
    double usual_ns = show_floor_row(size, "floor", name, false);
    return fmax(usual_ns, show_floor_row(size, "floor.churned", churned, true));
}

/* From the first heartbeat on that finds them idle for the limit. */
static struct row looking_row(unsigned size)
{
    unsigned interval_ms = usual_interval_ms(size), skipped = 6;
    return (struct row){.interval_ms = interval_ms,
                        .stall_ms = interval_ms * (skipped - 1),
                        .skipped = skipped,
                        .beats = size > 640 ? 10 : size / 64 + 1};
}

/* The heartbeat after the first evidence: the next is taken, and each is asked what it
 * waits for. At most three looks are like this, then it is a STALL: no heartbeat to
 * live with, so the goal is not measured by it. */
static void show_quiet(unsigned size)
{
    double dearest_before = dearest_ns;
    unsigned interval_ms = churn_interval_ms(size, true);
    struct row row = {.interval_ms = interval_ms,
                      .stall_ms = 4 * interval_ms - 8,
                      .skipped = 2,
                      .beats = 1,
                      .at_start = change_scope};
    crowd_all(open_scope);
    show(size, "quiet", "each in a scope, quiet for half of its limit", &row);
    crowd_all(close_scope);
    dearest_ns = dearest_before;
}

static void show_looking(unsigned size)
{
    struct row row = looking_row(size);
    show(size, "looking", "no scopes, idle for the limit", &row);
    pthread_mutex_lock(&held);
    crowd_begin(wait_for_mutex);
    show(size, "looking.mutex", "no scopes, all at one mutex for the limit", &row);
    pthread_mutex_unlock(&held);
    crowd_wait();
}

/* ---- by parts -------------------------------------------------------------------------------------- */

static void open_scope_there(struct crowd_member *member)
{
    (void)member;
    phases_push("serve a request");
}

static void open_progress_there(struct crowd_member *member)
{
    member->progress = phases_push_progress("copy the rows");
}

static void close_scope_there(struct crowd_member *member)
{
    (void)member;
    phases_pop();
}

static unsigned measure_phases(unsigned size, struct phases_beat *beats)
{
    char path[] = "/tmp/heartline-cost-XXXXXX";
    int file = mkstemp(path);
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = usual_interval_ms(size);
    options.log_path = path;
    unsigned wanted = beats_of(size), count = 0;
    if (file >= 0 && phases_start(&options) == 0) {
        bench_sleep((wanted + 1.5) * (double)options.interval_ms * MS);
        count = phases_stop(beats, wanted);
    }
    close(file);
    unlink(path);
    return count;
}

/* Shows one part, and returns its median. */
static double show_phase(unsigned size, const char *situation, const char *phase, double *ns,
                         unsigned count)
{
    char key[64];
    struct bench_spread spread = bench_spread_of(ns, count);
    snprintf(key, sizeof key, "cost.%u.%s.%s", size, situation, phase);
    bench_figure(key, "ns", spread);
    printf(" %9.3f", spread.median / MS);
    return spread.median;
}

static void show_phases_of(unsigned size, const char *key, const char *name)
{
    struct phases_beat beats[MOST_BEATS];
    double collect[MOST_BEATS], judge[MOST_BEATS], render[MOST_BEATS], write[MOST_BEATS];
    unsigned count = measure_phases(size, beats);
    for (unsigned i = 0; i < count; i++) {
        collect[i] = beats[i].collect;
        judge[i] = beats[i].judge;
        render[i] = beats[i].render;
        write[i] = beats[i].write;
    }
    printf("  %-32s", name);
    double sum = show_phase(size, key, "collect", collect, count) +
                 show_phase(size, key, "judge", judge, count) +
                 show_phase(size, key, "render", render, count) +
                 show_phase(size, key, "write", write, count);
    printf(" %9.3f\n", sum / MS);
}

static void show_phases(unsigned size)
{
    printf("  by its parts, ms %24s %9s %9s %9s %9s\n", "collect", "judge", "render", "write",
           "sum");
    show_phases_of(size, "none", "no scopes");
    crowd_all(open_scope_there);
    show_phases_of(size, "scope", "each in a scope");
    crowd_all(close_scope_there);
    crowd_all(open_progress_there);
    show_phases_of(size, "progress", "each in a scope with progress");
    crowd_all(close_scope_there);
}

struct sum {
    double dearest_ms, floor_ms; /* NaN when there could not be so many threads */
};

static struct sum show_size(unsigned size)
{
    dearest_ns = 0;
    unsigned count = crowd_start(size);
    printf("\nA heartbeat with %u threads%s, CPU ms (quartiles)\n", count,
           count < size ? ": no more could be had" : "");
    for (size_t i = 0; i < SITUATIONS; i++)
        show_situation(size, &situations[i]);
    show_callback(size);
    show_looking(size);
    show_quiet(size);
    double floor_ns = show_floor(count);
    show_phases(size);
    crowd_end();
    return count == size && dearest_ns > 0 ? (struct sum){dearest_ns / MS, floor_ns / MS}
                                           : (struct sum){NAN, NAN};
}

static void judge(const char *what, struct sum sum, double limit_ms)
{
    bench_goal("P9", what, BENCH_MS, sum.dearest_ms, limit_ms);
    bench_reason("to read the CPU clocks of all threads alone takes %.2f ms of it", sum.floor_ms);
}

int cost_bench(bool quick)
{
    is_quick = quick;
    if (access("/proc/self/task", R_OK) != 0) {
        printf("\nHeartbeats: not measured, there is no /proc/self/task here\n");
        return 0;
    }
    show_size(10);
    show_size(100);
    if (quick)
        return 0;
    struct sum thousand = show_size(1000), ten_thousand = show_size(MOST_THREADS);
    judge("a heartbeat, 1,000 threads, dearest situation, CPU", thousand, 1);
    judge("a heartbeat, 10,000 threads, dearest situation, CPU", ten_thousand, 15);
    return 0;
}
