/* tests/selftest/selftest.h - what the files of heartline-selftest share.
 *
 * A check is a function that runs in a process of its own, says one sentence
 * with its figures, and returns what came out. It may hang or be killed: that
 * is seen from outside (main.c).
 */
#ifndef SELFTEST_H
#define SELFTEST_H

#include <heartline/metrics.h>
#include <heartline/monitor.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const char *self_path; /* by which this program was started */

enum outcome { PASS = 0, FAIL = 1, SKIP = 77 }; /* also exit statuses */

/* Prints the sentence; returns the outcome. */
enum outcome say(enum outcome outcome, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum outcome check_burning(void);
enum outcome check_leaving(void);
enum outcome check_soak(void);
enum outcome check_names(void);
enum outcome check_stack(void);
enum outcome check_storms(void);
enum outcome check_ticks(void);
enum outcome check_rosetta(void);
enum outcome check_pauses(void);
enum outcome check_heartbeats(void);
enum outcome check_memory(void);

/* ---- work.c: time, and threads that use a known amount of CPU ------------------- */

double now(void); /* seconds, monotonic */
void sleep_until(double when);
double process_cpu_seconds(void); /* by getrusage */
unsigned usable_cores(void);

/* Burns, sleeps, ends. Fill in the plan, then start_worker. */
struct worker {
    double burn_until, leave_at;
    const char *name; /* NULL = as the system makes it */
    pthread_t thread;
    _Atomic uint64_t tid;     /* 0 = it has not begun yet */
    _Atomic uint64_t used_ns; /* by its own clock; at most some milliseconds old */
};
void start_worker(struct worker *worker); /* returns once it runs */
void join_workers(struct worker *workers, unsigned count);
double workers_cpu_seconds(const struct worker *workers, unsigned count);

bool is_on_platform(const char *name); /* as metrics have it */
/* The entry of this thread, or NULL. */
const monitor_thread_metrics *find_thread(const monitor_metrics *metrics, uint64_t tid);

/* ---- lines.c: what the monitor says, kept ------------------------------------------ */

#define LINES_MOST 1024
#define LINE_BYTES 1024
struct lines {
    pthread_mutex_t lock;
    size_t count;
    double at[LINES_MOST]; /* now() when it came */
    char text[LINES_MOST][LINE_BYTES];
};
/* Starts the monitor; JSON lines go to *lines. 0 or a negative errno. */
int start_recording(struct lines *lines, uint64_t interval_ms, uint64_t stall_ms);
bool is_record(const char *line, const char *record);
size_t count_records(struct lines *lines, const char *record);
/* The last line of this record, or NULL; after monitor_stop. */
const char *last_record(struct lines *lines, const char *record);
/* false: the line has no such key, or it is null. */
bool number_in(const char *line, const char *key, double *number);

/* ---- mach.c or nomach.c: what only the system can tell ------------------------------ */

uint64_t own_thread_id(void);
void name_own_thread(const char *name);
extern const size_t longest_name;          /* bytes that a thread's name may have */
extern const char *const loadable_library; /* one that is not loaded yet */
bool is_translated(void);                  /* an x86_64 program on another processor */
/* How many references the task holds to these threads' ports, and how many names of
 * ports. false: there is no such thing here. */
bool count_rights(const pthread_t *threads, size_t count, uint64_t *references, uint64_t *names);

#endif
