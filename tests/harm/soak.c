/* Soak: a program with scopes, progress, stalls, and threads that come and go runs
 * beside stress-ng with ten heartbeats a second, for an hour, or as many minutes as
 * HARM_SOAK_MINUTES says. From outside, each second: its memory, descriptors and
 * threads. At the end its log is read: how many heartbeats were due, how many came,
 * and whether each that is missing is explained by `late_ms`.
 */
#define _GNU_SOURCE
#include "harm.h"
#include "lines.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INTERVAL_MS 100
#define STALL_MS 300
#define WORKERS 8
#define MOST_THREADS (WORKERS + 5) /* two others, one that they bear, main and the monitor */

/* ---- the program that is watched ------------------------------------------------ */

static _Atomic bool is_over;

static void *work(void *nothing)
{
    while (!is_over) {
        SCOPE_PROGRESS(progress, "count to a thousand", 1000);
        for (int i = 0; i < 1000 && !is_over; i++) {
            SCOPE("one step");
            if (i % 10 == 0)
                harm_sleep_ms(1);
            scope_progress_add(progress, 1);
        }
    }
    return nothing;
}

static void *stall_now_and_then(void *nothing)
{
    while (!is_over) {
        scope_push("usually short");
        harm_sleep_ms(3 * STALL_MS);
        scope_pop();
        harm_sleep_ms(1000);
    }
    return nothing;
}

static void *live_short(void *nothing)
{
    SCOPE("short life");
    return nothing;
}

static void *bear(void *nothing)
{
    while (!is_over) {
        pthread_t child;
        if (pthread_create(&child, NULL, live_short, NULL) == 0)
            pthread_join(child, NULL);
        harm_sleep_ms(5);
    }
    return nothing;
}

/* Until `until` ends. */
static int be_watched(const char *log, int until)
{
    void *(*const bodies[])(void *) = {stall_now_and_then, bear, work};
    pthread_t threads[2 + WORKERS];
    monitor_options options;
    char byte;

    monitor_options_default(&options);
    options.interval_ms = INTERVAL_MS;
    options.stall_ms = STALL_MS;
    options.format = MONITOR_JSON;
    options.log_path = log;
    if (monitor_start_with(&options) != 0)
        return 1;
    for (int i = 0; i < 2 + WORKERS; i++)
        if (pthread_create(&threads[i], NULL, bodies[i < 2 ? i : 2], NULL) != 0)
            return 1;
    while (read(until, &byte, 1) < 0 && errno == EINTR)
        continue;
    is_over = true;
    for (int i = 0; i < 2 + WORKERS; i++)
        pthread_join(threads[i], NULL);
    monitor_stop();
    return 0;
}

/* ---- from outside ---------------------------------------------------------------- */

struct sample {
    unsigned long anonymous_kib; /* walked by the kernel; what status says is in batches */
    unsigned descriptors, threads;
};

static const char *path_of(int pid, const char *name)
{
    static char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return path;
}

static struct sample take_sample(int pid)
{
    char *text = harm_read(path_of(pid, "smaps_rollup"), NULL);
    const char *line = text ? strstr(text, "\nAnonymous:") : NULL;
    if (!line)
        harm_broken("smaps_rollup of %d has no Anonymous", pid);
    struct sample sample = {strtoul(line + strlen("\nAnonymous:"), NULL, 10),
                            harm_entries(path_of(pid, "fd")), harm_entries(path_of(pid, "task"))};
    free(text);
    return sample;
}

static pid_t start_stress(uint64_t seconds)
{
    char cpus[16], timeout[32];
    snprintf(cpus, sizeof cpus, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    snprintf(timeout, sizeof timeout, "%llus", (unsigned long long)seconds + 60);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("stress-ng", "stress-ng", "--quiet", "--cpu", cpus, "--vm", "1", "--vm-bytes", "64M",
               "--switch", "1", "--hdd", "1", "--hdd-bytes", "16M", "--temp-path", harm_folder(),
               "--timeout", timeout, (char *)NULL);
        _exit(77);
    }
    harm_sleep_ms(1000);
    int status = kill(pid, 0);
    if (pid < 0 || status != 0)
        harm_broken("no stress-ng");
    return pid;
}

static void widen(struct sample *least, struct sample *most, const struct sample *sample)
{
#define WIDEN(field)                  \
    if (sample->field < least->field) \
        least->field = sample->field; \
    if (sample->field > most->field)  \
        most->field = sample->field;
    WIDEN(anonymous_kib)
    WIDEN(descriptors)
    WIDEN(threads)
#undef WIDEN
}

/* The least and the most of each in a part of the run. A page or a descriptor more comes and
 * goes with what is just being read; what leaks is there for good. So the least late in the
 * run is compared with the most early in it. */
struct span {
    struct sample least, most;
};

static struct span span(const struct sample *samples, size_t from, size_t to)
{
    struct span span = {samples[from], samples[from]};
    for (size_t i = from; i < to; i++)
        widen(&span.least, &span.most, &samples[i]);
    return span;
}

/* ---- its log ---------------------------------------------------------------------- */

struct told {
    uint64_t beats, due, missed, unexplained, stalls, recovered, dropped;
    uint64_t last_ms; /* of the latest heartbeat, since the start */
};

static void take_beat(struct told *told, const json_t *line)
{
    uint64_t at = line_amount(line, "elapsed_ms");
    uint64_t gap = at - told->last_ms;
    told->beats++;
    told->dropped += line_amount(line, "dropped");
    /* A heartbeat that is late by less than half an interval is none that is missing. */
    uint64_t missed = gap > INTERVAL_MS ? (gap - INTERVAL_MS / 2) / INTERVAL_MS : 0;
    told->missed += missed;
    if (missed && line_amount(line, "late_ms") + 2 * INTERVAL_MS < gap) {
        told->unexplained += missed;
        harm_wrong("at %llu ms no heartbeat for %llu ms, with late_ms=%llu", (unsigned long long)at,
                   (unsigned long long)gap, (unsigned long long)line_amount(line, "late_ms"));
    }
    told->last_ms = at;
}

static void take_line(void *context, const json_t *line, const char *record)
{
    struct told *told = context;
    if (strcmp(record, "beat") == 0)
        take_beat(told, line);
    else if (strcmp(record, "STALL") == 0)
        told->stalls += !json_object_get(line, "reminder");
    else if (strcmp(record, "RECOVERED") == 0)
        told->recovered++;
}

static struct told read_log(const char *path)
{
    struct told told = {0};
    lines_each(path, take_line, &told);
    told.due = told.beats + told.missed;
    return told;
}

/* ---- both -------------------------------------------------------------------------- */

static uint64_t seconds_wanted(void)
{
    const char *minutes = getenv("HARM_SOAK_MINUTES");
    if (!minutes)
        return harm_count(3600, 20);
    char *end;
    unsigned long count = strtoul(minutes, &end, 10);
    if (*end || count < 1 || count > 7 * 24 * 60)
        harm_broken("HARM_SOAK_MINUTES=%s: give minutes, 1 to 10080", minutes);
    return count * 60;
}

static void judge(const struct sample *samples, size_t count, const struct told *told)
{
    size_t tenth = count / 10 > 3 ? count / 10 : 3;
    struct span early = span(samples, tenth, tenth + (count - tenth) / 2);
    struct span late = span(samples, count - count / 4, count);
    if (late.least.anonymous_kib > early.most.anonymous_kib)
        harm_wrong("memory grew from %lu to %lu KiB", early.most.anonymous_kib,
                   late.least.anonymous_kib);
    if (late.least.descriptors > early.most.descriptors)
        harm_wrong("descriptors grew from %u to %u", early.most.descriptors,
                   late.least.descriptors);
    if (late.most.threads > MOST_THREADS)
        harm_wrong("there were %u threads, not %u", late.most.threads, MOST_THREADS);
    if (told->stalls == 0 || told->stalls != told->recovered)
        harm_wrong("%llu stalls, %llu recovered", (unsigned long long)told->stalls,
                   (unsigned long long)told->recovered);
    if (told->missed > 1 + told->due / 1000)
        harm_wrong("%llu of %llu heartbeats are missing", (unsigned long long)told->missed,
                   (unsigned long long)told->due);
    harm_figure(
        "%zu min: memory %lu to %lu KiB in the first half, %lu to %lu in the last quarter, descriptors "
        "%u to %u and %u to %u, threads at most %u; %llu of %llu heartbeats missed, %llu "
        "unexplained; %llu stalls, %llu recovered; %llu lines dropped",
        count / 60, early.least.anonymous_kib, early.most.anonymous_kib, late.least.anonymous_kib,
        late.most.anonymous_kib, early.least.descriptors, early.most.descriptors,
        late.least.descriptors, late.most.descriptors, late.most.threads,
        (unsigned long long)told->missed, (unsigned long long)told->due,
        (unsigned long long)told->unexplained, (unsigned long long)told->stalls,
        (unsigned long long)told->recovered, (unsigned long long)told->dropped);
}

static void soak(void)
{
    const char *log = harm_path("log");
    uint64_t seconds = seconds_wanted();
    struct sample *samples = calloc(seconds, sizeof *samples);
    int hold[2];

    if (!samples || pipe2(hold, O_CLOEXEC) != 0) /* the stress would hold it open */
        harm_broken("no memory or no pipe");
    if (access("/usr/bin/stress-ng", X_OK) != 0)
        harm_cannot_run("there is no stress-ng here");
    pid_t watched = fork();
    if (watched == 0) {
        close(hold[1]);
        _exit(be_watched(log, hold[0]));
    }
    close(hold[0]);
    pid_t stress = start_stress(seconds);
    for (uint64_t i = 0; i < seconds; i++) {
        harm_sleep_ms(1000);
        samples[i] = take_sample(watched);
    }
    close(hold[1]);
    int status = harm_wait(watched, 60000);
    kill(stress, SIGTERM);
    harm_wait(stress, 60000);
    if (status != 0)
        harm_wrong("the watched program ended with %d", status);
    struct told told = read_log(log);
    judge(samples, seconds, &told);
    free(samples);
}

int main(int argc, char **argv)
{
    static const struct harm_check checks[] = {{"all", soak}, {NULL, NULL}};
    return harm_main(argc, argv, checks);
}
