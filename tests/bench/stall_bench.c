/* tests/bench/stall_bench.c - how late a STALL line comes, and how true RECOVERED is.
 *
 * Real threads stay in a scope for longer than the limit. The sink notes when
 * the STALL line of each arrives: lateness is that time less the time of the
 * push plus the limit. A line before that is an error of the monitor, whatever
 * the machine does, and makes the benchmark fail.
 *
 * With the default (coarse) clock and with the precise one, each on an idle
 * machine and while every CPU has two other threads to run.
 *
 * The coarse clock is behind the true time by what nobody can know at the push,
 * so the monitor waits out the most that it may be. How far it is behind is
 * measured beside it, and so is what a line is late by once that has been waited
 * out: lateness = what is waited out - lag at the push + our own part.
 */
#include "bench.h"

#include "../../platform/platform.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_MS 50
#define HOLD_MS 75       /* each stall is held this long ... */
#define HOLD_MORE_MS 20  /* ... and up to so much longer: below the reminder at twice the limit */
#define PAUSE_MORE_MS 30 /* between two stalls of a thread, at most */
#define MOST_STALLS 1000
#define WORKERS 12
#define MOST_READINGS 100000 /* of the coarse clock, beside the precise one ... */
#define READING_NS 20000     /* ... one in this time */

/* Times are taken on both sides of a push and a pop: the truth lies between. */
struct stall {
    double coarse_before_push; /* what the coarse clock read, right after before_push was taken */
    double before_push, after_push, before_pop, after_pop;
    _Atomic double stall_at; /* when the line came; 0 = it did not */
    _Atomic double stuck_ms; /* of RECOVERED; negative = there was none */
    _Atomic bool is_told_late, is_at_most;
};

static struct stall stalls[MOST_STALLS];
static _Atomic unsigned next_stall, last_stall;

/* ---- the sink ------------------------------------------------------------------------ */

static void note_line(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)length;
    double now = bench_now_ns();
    double number = bench_number_in(line, "\"phase\":\"stall ");
    if (number < 0 || number >= MOST_STALLS)
        return;
    struct stall *stall = &stalls[(unsigned)number];
    if (strstr(line, "\"record\":\"RECOVERED\"")) {
        atomic_store(&stall->stuck_ms, bench_number_in(line, "\"stuck_ms\":"));
        atomic_store(&stall->is_at_most, strstr(line, "\"stuck_at_most\":true") != NULL);
    }
    if (!strstr(line, "\"record\":\"STALL\"") || strstr(line, "\"reminder\":"))
        return;
    atomic_store(&stall->stall_at, now);
    atomic_store(&stall->is_told_late, strstr(line, "\"ended\":true") != NULL);
}

/* ---- threads that stall ------------------------------------------------------------------ */

static double any_up_to(double most, unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return most * (*state >> 8) / (1u << 24);
}

static void stall_once(unsigned number, unsigned *state)
{
    struct stall *stall = &stalls[number];
    stall->before_push = bench_now_ns();
    stall->coarse_before_push = (double)hl_plat_coarse_ns();
    scope_pushf("stall %u", number);
    stall->after_push = bench_now_ns();
    bench_sleep((HOLD_MS + any_up_to(HOLD_MORE_MS, state)) * MS);
    stall->before_pop = bench_now_ns();
    scope_pop();
    stall->after_pop = bench_now_ns();
}

static void *work(void *worker)
{
    unsigned state = (unsigned)(uintptr_t)worker * 2654435761u, number;
    bench_sleep(any_up_to(HOLD_MS, &state) * MS); /* not all at once */
    while ((number = atomic_fetch_add(&next_stall, 1)) < atomic_load(&last_stall)) {
        stall_once(number, &state);
        bench_sleep(any_up_to(PAUSE_MORE_MS, &state) * MS);
    }
    return NULL;
}

/* ---- how far the coarse clock is behind -------------------------------------------------------- */

struct some {
    double mean, median, p99, most; /* ms */
};

static struct some some_of(double *ms, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += ms[i];
    return (struct some){sum / (double)count, bench_percentile(ms, count, 50),
                         bench_percentile(ms, count, 99), bench_percentile(ms, count, 100)};
}

/* The precise clock is read first: an interruption between the two can only make
 * the lag look smaller. */
static double lag_ms(void)
{
    double now = bench_now_ns();
    return (now - (double)hl_plat_coarse_ns()) / MS;
}

/* Not under load: a thread that never sleeps has its turns at the ticks then, when
 * the clock has just moved. */
static struct some read_lag(size_t readings)
{
    static double ms[MOST_READINGS];
    double began = bench_now_ns();
    for (size_t i = 0; i < readings; i++) {
        ms[i] = lag_ms();
        while (bench_now_ns() < began + (double)(i + 1) * READING_NS)
            ms[i] = fmax(ms[i], lag_ms());
    }
    return some_of(ms, readings);
}

/* ---- one run ----------------------------------------------------------------------------------- */

static void forget_stalls(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        atomic_store(&stalls[i].stall_at, 0);
        atomic_store(&stalls[i].stuck_ms, -1);
        atomic_store(&stalls[i].is_told_late, false);
        atomic_store(&stalls[i].is_at_most, false);
    }
    atomic_store(&next_stall, 0);
    atomic_store(&last_stall, count);
}

/* Returns 0, or what monitor_start_with said. */
static int stall_watched(unsigned count, enum monitor_clock clock)
{
    pthread_t workers[WORKERS];
    monitor_options options;
    monitor_options_default(&options);
    options.stall_ms = LIMIT_MS;
    options.interval_ms = 10000;
    options.stall_lines = 10000;
    options.format = MONITOR_JSON;
    options.clock = clock;
    options.sink = note_line;
    forget_stalls(count);
    int error = monitor_start_with(&options);
    if (error)
        return error;
    bench_start(workers, WORKERS, work);
    bench_join(workers, WORKERS);
    return monitor_stop();
}

/* ---- what came out --------------------------------------------------------------------------------- */

struct outcome {
    unsigned early, missing, told_late, unrecovered, at_most;
    double late_min;
    struct some late, lag, own;  /* lag: at the pushes; own: once the lag has been waited out */
    double error_min, error_max; /* ms, RECOVERED less the truth */
};

/* How far `value` lies outside from .. to. */
static double outside(double value, double from, double to)
{
    return value < from ? value - from : value > to ? value - to : 0;
}

static struct outcome sum_up(unsigned count, double waited_out_ms)
{
    struct outcome sum = {0};
    double late[MOST_STALLS], lag[MOST_STALLS], own[MOST_STALLS], error[MOST_STALLS];
    size_t lates = 0, errors = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct stall *stall = &stalls[i];
        double at = atomic_load(&stall->stall_at), stuck = atomic_load(&stall->stuck_ms);
        sum.told_late += atomic_load(&stall->is_told_late);
        sum.missing += at == 0;
        sum.unrecovered += stuck < 0;
        if (at != 0) {
            sum.early += at < stall->before_push + LIMIT_MS * MS;
            late[lates] = (at - stall->before_push) / MS - LIMIT_MS;
            lag[lates] = (stall->before_push - stall->coarse_before_push) / MS;
            own[lates] = late[lates] + lag[lates] - waited_out_ms;
            lates++;
        }
        sum.at_most += atomic_load(&stall->is_at_most);
        if (stuck >= 0 && !atomic_load(&stall->is_at_most))
            error[errors++] = outside(stuck, (stall->before_pop - stall->after_push) / MS,
                                      (stall->after_pop - stall->before_push) / MS);
    }
    sum.late_min = bench_percentile(late, lates, 0);
    sum.late = some_of(late, lates);
    sum.lag = some_of(lag, lates);
    sum.own = some_of(own, lates);
    sum.error_min = bench_percentile(error, errors, 0);
    sum.error_max = bench_percentile(error, errors, 100);
    return sum;
}

static void put(const char *run_key, const char *what, const char *unit, double value)
{
    char key[64];
    snprintf(key, sizeof key, "stall.%s.%s", run_key, what);
    bench_number(key, unit, value);
}

static void show(const char *key, const char *name, const struct outcome *sum)
{
    printf("%-26s %7.3f %7.3f %7.3f %7.3f  %5u %7u %9u   %+7.3f .. %+.3f\n", name, sum->late_min,
           sum->late.median, sum->late.p99, sum->late.most, sum->early, sum->missing,
           sum->unrecovered, sum->error_min, sum->error_max);
    if (sum->told_late)
        printf("%26s %u were told in the past tense: they had ended\n", "", sum->told_late);
    if (sum->at_most)
        printf("%26s %u have only an upper bound in RECOVERED, left out of its error\n", "",
               sum->at_most);
    put(key, "late_min", "ms", sum->late_min);
    put(key, "late_median", "ms", sum->late.median);
    put(key, "late_p99", "ms", sum->late.p99);
    put(key, "late_max", "ms", sum->late.most);
    put(key, "early", "count", sum->early);
    put(key, "missing", "count", sum->missing);
    put(key, "told_late", "count", sum->told_late);
    put(key, "at_most", "count", sum->at_most);
    put(key, "unrecovered", "count", sum->unrecovered);
    put(key, "recovered_error_min", "ms", sum->error_min);
    put(key, "recovered_error_max", "ms", sum->error_max);
}

/* Prints each early line with what it said against the truth. */
static void complain(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        double after_ms = (atomic_load(&stalls[i].stall_at) - stalls[i].before_push) / MS;
        if (atomic_load(&stalls[i].stall_at) != 0 && after_ms < LIMIT_MS)
            printf("*** EARLY STALL: \"stall %u\" after %.3f ms, limit %d ms\n", i, after_ms,
                   LIMIT_MS);
    }
}

static void show_some(const char *run_key, const char *key, const char *name,
                      const struct some *some)
{
    char figure[32];
    printf("  %-46s %7.3f %7.3f %7.3f %7.3f\n", name, some->mean, some->median, some->p99,
           some->most);
    snprintf(figure, sizeof figure, "%s_mean", key);
    put(run_key, figure, "ms", some->mean);
    snprintf(figure, sizeof figure, "%s_p99", key);
    put(run_key, figure, "ms", some->p99);
    snprintf(figure, sizeof figure, "%s_max", key);
    put(run_key, figure, "ms", some->most);
}

static unsigned stalls_wanted;

struct run {
    const char *key, *name, *goal, *own_goal;
    enum monitor_clock clock;
    bool loaded;
    double limit_ms;
    /* What comes out. */
    double waited_out_ms; /* 0 with the precise clock */
    struct outcome sum;
};

/* Returns 0, or what the monitor said. */
static int perform(struct run *run)
{
    if (run->loaded)
        bench_burn();
    if (run->clock == MONITOR_CLOCK_COARSE)
        run->waited_out_ms = (double)hl_plat_coarse_tick_ns() / MS;
    int error = stall_watched(stalls_wanted, run->clock);
    bench_stop_burning();
    if (!error)
        run->sum = sum_up(stalls_wanted, run->waited_out_ms);
    return error;
}

/* Means add up. The lag is the one that was read on its own: with the lag at the
 * pushes, from which our own part is computed, they could not but do. */
static void explain(const struct run *run, const struct some *lag)
{
    const struct outcome *sum = &run->sum;
    double expected = run->waited_out_ms - lag->mean + sum->own.mean;
    printf("%-48s %7s %7s %7s %7s\n", run->name, "mean", "median", "p99", "max");
    show_some(run->key, "lag", "the coarse clock was behind, read on its own", lag);
    show_some(run->key, "push_lag", "the same at the pushes", &sum->lag);
    show_some(run->key, "own", "late, once that clock's worst was waited out", &sum->own);
    printf("  waited out %.3f - lag %.3f + own part %.3f = %.3f; seen %.3f (means)\n",
           run->waited_out_ms, lag->mean, sum->own.mean, expected, sum->late.mean);
    put(run->key, "late_mean", "ms", sum->late.mean);
    put(run->key, "late_mean_expected", "ms", expected);
}

static void judge(const struct run *run, const struct some *lag)
{
    bench_goal("P12", run->goal, BENCH_MS, run->sum.late.p99, run->limit_ms);
    if (run->clock != MONITOR_CLOCK_COARSE)
        return;
    if (run->sum.own.p99 <= run->limit_ms)
        bench_reason("the default clock was up to %.2f ms behind, and a STALL is never early: "
                     "%.0f ms are waited out; the line then comes within %.3f ms (p99)",
                     lag->most, run->waited_out_ms, run->sum.own.p99);
    bench_goal("P12", run->own_goal, BENCH_MS, run->sum.own.p99, run->limit_ms);
}

int stall_bench(bool quick)
{
    double two_ticks = 2 * bench_tick_ns() / MS;
    struct run runs[] = {
        {.key = "coarse",
         .name = "idle, coarse (default)",
         .goal = "STALL lateness, p99, idle, default clock",
         .own_goal = "STALL lateness, p99, idle, default clock, its lag waited out",
         .clock = MONITOR_CLOCK_COARSE,
         .limit_ms = 1},
        {.key = "precise",
         .name = "idle, precise clock",
         .goal = "STALL lateness, p99, idle, precise clock",
         .clock = MONITOR_CLOCK_PRECISE,
         .limit_ms = 1},
        {.key = "loaded_coarse",
         .name = "loaded, coarse (default)",
         .goal = "STALL lateness, p99, loaded, default clock",
         .own_goal = "STALL lateness, p99, loaded, default clock, its lag waited out",
         .clock = MONITOR_CLOCK_COARSE,
         .loaded = true,
         .limit_ms = two_ticks},
        {.key = "loaded",
         .name = "loaded, precise clock",
         .goal = "STALL lateness, p99, loaded, precise clock",
         .clock = MONITOR_CLOCK_PRECISE,
         .loaded = true,
         .limit_ms = two_ticks},
    };
    int status = 0;
    stalls_wanted = quick ? 20 : MOST_STALLS;
    struct some lag = read_lag(quick ? MOST_READINGS / 20 : MOST_READINGS);
    printf("\nSTALL: %u stalls in %d threads, limit %d ms; loaded: with %u spinning threads\n",
           stalls_wanted, WORKERS, LIMIT_MS, bench_burners());
    printf("%-26s %31s  %5s %7s %9s   %s\n", "ms after push + limit",
           "   min  median     p99     max", "early", "no line", "no RECOV.",
           "RECOVERED - truth, ms");
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        int error = perform(&runs[i]);
        if (error) {
            printf("the monitor does not start, or does not stop: %s\n", strerror(-error));
            return 1;
        }
        show(runs[i].key, runs[i].name, &runs[i].sum);
        judge(&runs[i], &lag);
        if (runs[i].sum.early) {
            complain(stalls_wanted);
            status = 1;
        }
    }
    printf("The JSON's stuck is in whole milliseconds, rounded down.\n");
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        if (runs[i].clock == MONITOR_CLOCK_COARSE)
            explain(&runs[i], &lag);
    return status;
}
