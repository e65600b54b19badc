/* tests/bench/bench.h - what every benchmark here is made of.
 *
 * A figure is believed only beside another one from the same run: machines
 * change their speed while one looks at them. So the cases of a table are
 * measured in interleaved rounds (A B C, C A B, ...), each case shows the median
 * of its rounds with the quartiles, and goals are ratios of medians.
 *
 * Each part (scope, off, stall, ...: see main.c) runs in a forked child of
 * main.c, so that each has a process, and a monitor, of its own. What it finds
 * it prints, and leaves in the report, which lies in shared memory; main.c
 * prints the goals from there and writes the JSON.
 */
#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value is needed, as far as the compiler can tell. */
#define BENCH_USE(value) __asm__ volatile("" : : "r"(value) : "memory")

#define MS 1000000.0 /* nanoseconds */

double bench_now_ns(void);
void bench_sleep_until(double at_ns);
void bench_sleep(double ns);
/* The number behind a key ("\"late_ms\":") in a line of JSON, or -1. */
double bench_number_in(const char *line, const char *key);
double bench_tick_ns(void); /* of the coarse clock: one scheduler tick */
unsigned bench_cpus(void);

/* ---- many threads ---- */

/* Each is handed its number, from 0 on. */
void bench_start(pthread_t *threads, unsigned count, void *(*body)(void *number));
void bench_join(const pthread_t *threads, unsigned count);
double bench_thread_cpu_ns(void); /* of the calling thread */

/* Load: two spinning threads for each CPU. */
unsigned bench_burners(void); /* how many that is */
void bench_burn(void);
void bench_stop_burning(void);

/* Threads that sleep between `enter` and `leave` (or NULL): bench_gather returns
 * when all of them do, bench_release when all have ended. */
struct bench_crowd {
    pthread_mutex_t lock;
    pthread_cond_t all_here, over;
    pthread_t *threads;
    unsigned count, arrived;
    bool is_over;
    void (*enter)(void), (*leave)(void);
};
void bench_gather(struct bench_crowd *crowd, unsigned count, void (*enter)(void),
                  void (*leave)(void));
void bench_release(struct bench_crowd *crowd);

/* ---- many values in few ---- */

struct bench_spread {
    double low, median, high; /* the quartiles */
};
double bench_percentile(double *values, size_t count, double percent); /* sorts; of none: NaN */
struct bench_spread bench_spread_of(double *values, size_t count);     /* sorts */

/* ---- cases in rounds ---- */

struct bench_case {
    const char *key;  /* in the JSON */
    const char *name; /* in the table */
    void (*run)(uint64_t times);
    void (*open)(unsigned depth),
        (*close)(unsigned depth); /* or NULL; in each thread, unmeasured */
    unsigned depth;
    unsigned threads;        /* 1 or 2; 0 = 1 */
    double (*cost_ns)(void); /* instead of run: measures itself, once in a round; NaN: failed */
    struct bench_spread ns;  /* of one time, as each of the threads sees it */
};

/* There is a second thread from here on, as there is in every monitored program:
 * until then a mutex costs a third. Call it before measuring anything. */
void bench_begin(bool quick);
void bench_measure(struct bench_case *cases, size_t count);
/* So many rounds from here on: where the cases of a part take long. */
void bench_take_rounds(unsigned count);
/* The share of the rounds, each tried several times, that were never free of others: the
 * processor was slower than at its best, or two threads did not run at once. */
double bench_disturbed_share(void);
/* Prints the cases, each also as a multiple of `unit`, and puts them into the report. */
void bench_show(const char *title, const struct bench_case *cases, size_t count,
                const struct bench_case *unit);

/* ---- the report ---- */

enum bench_form {
    BENCH_TIMES,    /* a ratio: 0.83x */
    BENCH_FRACTION, /* a ratio far below 1: 1/14.2 */
    BENCH_NS,
    BENCH_MS,
    BENCH_COUNT,
    BENCH_PERCENT
};

struct bench_figure {
    char key[64];
    char unit[8];
    struct bench_spread value;
};

struct bench_goal {
    char id[8];
    char what[96];
    enum bench_form form;
    double figure, limit; /* met: figure <= limit */
    char reason[160]; /* "" = none: why the machine allows no more, with the figure that shows it */
};

struct bench_report {
    size_t figures_count, goals_count;
    struct bench_figure figures[1024];
    struct bench_goal goals[128];
};
extern struct bench_report *bench_report;

void bench_figure(const char *key, const char *unit, struct bench_spread value);
void bench_number(const char *key, const char *unit, double value);
void bench_goal(const char *id, const char *what, enum bench_form form, double figure,
                double limit);
/* Of the goal that was just added: printed, and written, when it is missed. */
void bench_reason(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool bench_is_met(const struct bench_goal *goal);
void bench_print_goals(void);
void bench_write_json(const char *path, bool quick);

/* ---- the parts: each returns the exit status ---- */

int scope_bench(bool quick);
int off_bench(bool quick);
int stall_bench(bool quick);
int beat_bench(bool quick);
int idle_bench(bool quick);
int evidence_bench(bool quick);
int peers_bench(bool quick);
int sample_bench(bool quick);
int block_bench(bool quick);
int scale_bench(bool quick);
int cost_bench(bool quick);
int footprint_bench(bool quick);

#endif
