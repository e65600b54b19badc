/* See bench.h. The second thread of a case is always the same helper: it sleeps
 * between rounds, and meets the first at a spinning rendezvous, so that both
 * start at once. No thread is pinned.
 *
 * A virtual machine's two processors may be two hyperthreads of one core, or
 * share one with somebody else's, for milliseconds or for minutes; what is then
 * measured is the neighbour. So each round is framed by a probe that only adds
 * in registers: where that takes longer than at its best, the round is tried
 * again, whatever it has shown. */
#include "bench.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST_TRIES 6          /* of a round */
#define PROBE_TIMES 1000u     /* 32 additions each: some microseconds */
#define UNDISTURBED_PROBE 1.2 /* times its best */

static unsigned rounds;
static double round_ns;
static unsigned tried_rounds, disturbed_rounds;
static double best_probe_ns = INFINITY;

/* ---- time ---------------------------------------------------------------------- */

double bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

void bench_sleep(double ns)
{
    if (ns <= 0)
        return;
    struct timespec pause = {(time_t)(ns / 1e9), (long)(ns - floor(ns / 1e9) * 1e9)};
    while (nanosleep(&pause, &pause) != 0)
        continue;
}

void bench_sleep_until(double at_ns)
{
    bench_sleep(at_ns - bench_now_ns());
}

double bench_tick_ns(void)
{
    struct timespec tick = {0, 10000000};
#ifdef CLOCK_MONOTONIC_COARSE
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
#endif
    return (double)tick.tv_nsec;
}

unsigned bench_cpus(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return cpus > 0 ? (unsigned)cpus : 1;
}

double bench_number_in(const char *line, const char *key)
{
    const char *found = strstr(line, key);
    return found ? atof(found + strlen(key)) : -1;
}

/* ---- many values in few ----------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile_of_sorted(const double *values, size_t count, double percent)
{
    if (count == 0)
        return NAN;
    return values[(size_t)lround(percent / 100 * (double)(count - 1))];
}

double bench_percentile(double *values, size_t count, double percent)
{
    qsort(values, count, sizeof *values, compare);
    return percentile_of_sorted(values, count, percent);
}

struct bench_spread bench_spread_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return (struct bench_spread){percentile_of_sorted(values, count, 25),
                                 percentile_of_sorted(values, count, 50),
                                 percentile_of_sorted(values, count, 75)};
}

/* ---- the second thread -------------------------------------------------------------- */

/* From when to when a thread was at it, and the longer of the probes around. */
struct span {
    double began, ended;
    double probe_ns;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const struct bench_case *job; /* NULL = none */
    uint64_t times;
    struct span span;
} helper = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static _Atomic unsigned arrived;

static void meet(unsigned threads)
{
    if (threads < 2)
        return;
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < threads)
        if (bench_cpus() < 2)
            sched_yield();
}

#define ADD_TO_FOUR                                                \
    do {                                                           \
        a += 1, b += 3, c += 5, d += 7;                            \
        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d)); \
    } while (0)

/* So many additions in one turn that it does not matter where the loop lies. */
static double time_probe(void)
{
    uint64_t a = 1, b = 2, c = 3, d = 4;
    double began = bench_now_ns();
    for (unsigned i = 0; i < PROBE_TIMES; i++) {
        ADD_TO_FOUR;
        ADD_TO_FOUR;
        ADD_TO_FOUR;
        ADD_TO_FOUR;
        ADD_TO_FOUR;
        ADD_TO_FOUR;
        ADD_TO_FOUR;
        ADD_TO_FOUR;
    }
    return bench_now_ns() - began;
}

static struct span time_here(const struct bench_case *one, uint64_t times)
{
    struct span span;
    if (one->open)
        one->open(one->depth);
    meet(one->threads);
    double before = time_probe();
    span.began = bench_now_ns();
    one->run(times);
    span.ended = bench_now_ns();
    span.probe_ns = fmax(before, time_probe());
    if (one->close)
        one->close(one->depth);
    return span;
}

static void *help(void *nothing)
{
    (void)nothing;
    pthread_mutex_lock(&helper.lock);
    for (;;) {
        while (!helper.job)
            pthread_cond_wait(&helper.changed, &helper.lock);
        pthread_mutex_unlock(&helper.lock);
        struct span span = time_here(helper.job, helper.times);
        pthread_mutex_lock(&helper.lock);
        helper.span = span;
        helper.job = NULL;
        pthread_cond_broadcast(&helper.changed);
    }
    return NULL;
}

static double length(struct span span)
{
    return span.ended - span.began;
}

/* On a busy machine the two may run one after the other: then they did not meet
 * at what they share, and the round says nothing. */
static bool overlap(struct span one, struct span other)
{
    double both = fmin(one.ended, other.ended) - fmax(one.began, other.began);
    return both >= 0.8 * fmin(length(one), length(other));
}

static bool is_undisturbed(struct span span)
{
    best_probe_ns = fmin(best_probe_ns, span.probe_ns);
    return span.probe_ns <= UNDISTURBED_PROBE * best_probe_ns;
}

/* Nanoseconds for one time, the mean of both threads. */
static double try_on_both(const struct bench_case *one, uint64_t times, bool *is_good)
{
    atomic_store(&arrived, 0);
    pthread_mutex_lock(&helper.lock);
    helper.job = one;
    helper.times = times;
    pthread_cond_broadcast(&helper.changed);
    pthread_mutex_unlock(&helper.lock);
    struct span span = time_here(one, times);
    pthread_mutex_lock(&helper.lock);
    while (helper.job)
        pthread_cond_wait(&helper.changed, &helper.lock);
    pthread_mutex_unlock(&helper.lock);
    *is_good = is_undisturbed(span) & is_undisturbed(helper.span) && overlap(span, helper.span);
    return (length(span) + length(helper.span)) / 2 / (double)times;
}

static double try_here(const struct bench_case *one, uint64_t times, bool *is_good)
{
    struct span span = time_here(one, times);
    *is_good = is_undisturbed(span);
    return length(span) / (double)times;
}

static double time_once(const struct bench_case *one, uint64_t times)
{
    bool is_good = false;
    double ns = 0;
    if (one->cost_ns)
        return one->cost_ns();
    for (unsigned tries = 0; tries < MOST_TRIES && !is_good; tries++)
        ns = (one->threads == 2 ? try_on_both : try_here)(one, times, &is_good);
    tried_rounds++;
    disturbed_rounds += !is_good;
    return ns;
}

double bench_disturbed_share(void)
{
    return tried_rounds ? (double)disturbed_rounds / tried_rounds : 0;
}

void bench_begin(bool quick)
{
    pthread_t thread;
    rounds = quick ? 11 : 151;
    round_ns = quick ? 0.2 * MS : 1.5 * MS; /* a helper that has just woken is cold */
    if (pthread_create(&thread, NULL, help, NULL) != 0) {
        fprintf(stderr, "bench: no second thread\n");
        exit(1);
    }
    pthread_detach(thread);
}

void bench_take_rounds(unsigned count)
{
    rounds = count;
}

/* ---- rounds ---------------------------------------------------------------------------- */

/* The best of a few: an interruption must not be taken for the cost. */
static double time_roughly(const struct bench_case *one, uint64_t times)
{
    double best = time_once(one, times);
    for (int i = 0; i < 3; i++)
        best = fmin(best, time_once(one, times));
    return best;
}

/* So many times that a round takes about round_ns. Warms up, too. */
static uint64_t times_in_a_round(const struct bench_case *one)
{
    uint64_t times = 64;
    double ns;
    if (one->cost_ns)
        return 1;
    while ((ns = time_roughly(one, times)) * (double)times < round_ns / 4)
        times *= 2;
    uint64_t wanted = (uint64_t)(round_ns / ns);
    return wanted > 0 ? wanted : 1;
}

/* Each round has an order of its own: with a fixed one, a disturbance that comes
 * with the period of a round (a scheduler's slices) would always hit the same case. */
static void shuffle(size_t *order, size_t count)
{
    static uint64_t state = 1;
    for (size_t i = count - 1; i > 0; i--) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t other = (size_t)(state >> 33) % (i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

void bench_measure(struct bench_case *cases, size_t count)
{
    double *ns = malloc(count * rounds * sizeof *ns);
    uint64_t *times = malloc(count * sizeof *times);
    size_t *order = malloc(count * sizeof *order);
    if (!ns || !times || !order)
        abort();
    for (size_t i = 0; i < count; i++) {
        order[i] = i;
        times[i] = times_in_a_round(&cases[i]);
    }
    tried_rounds = disturbed_rounds = 0;
    for (unsigned round = 0; round < rounds; round++) {
        shuffle(order, count);
        for (size_t i = 0; i < count; i++)
            ns[order[i] * rounds + round] = time_once(&cases[order[i]], times[order[i]]);
    }
    for (size_t i = 0; i < count; i++)
        cases[i].ns = bench_spread_of(ns + i * rounds, rounds);
    free(ns);
    free(times);
    free(order);
}

void bench_show(const char *title, const struct bench_case *cases, size_t count,
                const struct bench_case *unit)
{
    printf("\n%s\n%-58s %9s  %19s %9s\n", title, "", "median ns", "middle half of runs",
           unit ? "x mutex" : "");
    for (size_t i = 0; i < count; i++) {
        const struct bench_spread *ns = &cases[i].ns;
        printf("%-58s %9.2f  %8.2f .. %-8.2f", cases[i].name, ns->median, ns->low, ns->high);
        if (unit)
            printf(" %8.2f", ns->median / unit->ns.median);
        putchar('\n');
        bench_figure(cases[i].key, "ns", *ns);
    }
}

/* ---- the report --------------------------------------------------------------------------- */

struct bench_report *bench_report;

void bench_figure(const char *key, const char *unit, struct bench_spread value)
{
    size_t most = sizeof bench_report->figures / sizeof bench_report->figures[0];
    if (bench_report->figures_count == most)
        return;
    struct bench_figure *figure = &bench_report->figures[bench_report->figures_count++];
    snprintf(figure->key, sizeof figure->key, "%s", key);
    snprintf(figure->unit, sizeof figure->unit, "%s", unit);
    figure->value = value;
}

void bench_number(const char *key, const char *unit, double value)
{
    bench_figure(key, unit, (struct bench_spread){value, value, value});
}

void bench_goal(const char *id, const char *what, enum bench_form form, double figure, double limit)
{
    size_t most = sizeof bench_report->goals / sizeof bench_report->goals[0];
    if (bench_report->goals_count == most)
        return;
    struct bench_goal *goal = &bench_report->goals[bench_report->goals_count++];
    snprintf(goal->id, sizeof goal->id, "%s", id);
    snprintf(goal->what, sizeof goal->what, "%s", what);
    goal->form = form;
    goal->figure = figure;
    goal->limit = limit;
}

void bench_reason(const char *format, ...)
{
    va_list arguments;
    if (bench_report->goals_count == 0)
        return;
    struct bench_goal *goal = &bench_report->goals[bench_report->goals_count - 1];
    va_start(arguments, format);
    vsnprintf(goal->reason, sizeof goal->reason, format, arguments);
    va_end(arguments);
}

/* A figure that could not be had (NaN) meets nothing. */
bool bench_is_met(const struct bench_goal *goal)
{
    return goal->figure <= goal->limit;
}

static void print_value(char text[24], enum bench_form form, double value)
{
    switch (form) {
    case BENCH_TIMES:
        snprintf(text, 24, "%.2fx", value);
        break;
    case BENCH_FRACTION:
        snprintf(text, 24, "1/%.1f", 1 / value);
        break;
    case BENCH_NS:
        snprintf(text, 24, "%.2f ns", value);
        break;
    case BENCH_MS:
        snprintf(text, 24, "%.3f ms", value);
        break;
    case BENCH_COUNT:
        snprintf(text, 24, "%.0f", value);
        break;
    case BENCH_PERCENT:
        snprintf(text, 24, "%.4f %%", value);
        break;
    }
}

void bench_print_goals(void)
{
    char figure[24], limit[24];
    size_t met = 0;
    printf("\nGoals (performance.md, section 6)\n%-4s %-66s %11s    %-11s\n", "", "", "figure",
           "goal");
    for (size_t i = 0; i < bench_report->goals_count; i++) {
        const struct bench_goal *goal = &bench_report->goals[i];
        print_value(figure, goal->form, goal->figure);
        print_value(limit, goal->form, goal->limit);
        printf("%-4s %-66s %11s <= %-11s %s\n", goal->id, goal->what, figure, limit,
               bench_is_met(goal) ? "met" : "MISSED");
        if (!bench_is_met(goal) && goal->reason[0])
            printf("     why: %s\n", goal->reason);
        met += bench_is_met(goal);
    }
    printf("%zu of %zu met\n", met, bench_report->goals_count);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_number(FILE *file, double value)
{
    if (isfinite(value))
        fprintf(file, "%.9g", value);
    else
        fputs("null", file);
}

static void json_figure(FILE *file, const struct bench_figure *figure)
{
    fprintf(file, "    \"%s\": {\"unit\": \"%s\", \"median\": ", figure->key, figure->unit);
    json_number(file, figure->value.median);
    fputs(", \"low\": ", file);
    json_number(file, figure->value.low);
    fputs(", \"high\": ", file);
    json_number(file, figure->value.high);
    fputc('}', file);
}

static void json_goal(FILE *file, const struct bench_goal *goal)
{
    static const char *const units[] = {"ratio", "ratio", "ns", "ms", "count", "percent"};
    fprintf(file, "    {\"id\": \"%s\", \"what\": \"%s\", \"unit\": \"%s\", \"figure\": ", goal->id,
            goal->what, units[goal->form]);
    json_number(file, goal->figure);
    fputs(", \"at_most\": ", file);
    json_number(file, goal->limit);
    fprintf(file, ", \"met\": %s", bench_is_met(goal) ? "true" : "false");
    if (!bench_is_met(goal) && goal->reason[0])
        fprintf(file, ", \"why\": \"%s\"", goal->reason); /* our own words: nothing to escape */
    fputc('}', file);
}

void bench_write_json(const char *path, bool quick)
{
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        exit(1);
    }
    fprintf(file, "{\n  \"time\": %lld,\n  \"quick\": %s,\n  \"cpus\": %u,\n  \"figures\": {\n",
            (long long)time(NULL), quick ? "true" : "false", bench_cpus());
    for (size_t i = 0; i < bench_report->figures_count; i++) {
        fputs(i ? ",\n" : "", file);
        json_figure(file, &bench_report->figures[i]);
    }
    fputs("\n  },\n  \"goals\": [\n", file);
    for (size_t i = 0; i < bench_report->goals_count; i++) {
        fputs(i ? ",\n" : "", file);
        json_goal(file, &bench_report->goals[i]);
    }
    fputs("\n  ]\n}\n", file);
    if (fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}
