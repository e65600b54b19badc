/* See written.h. */
#define _GNU_SOURCE
#include "written.h"
#include "harm.h"
#include "lines.h"

#include <heartline/scope.h>

#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONGEST_LINE 4096
#define MOST_THREADS 512
#define STACK_SIZE (64 * 1024)

/* ---- the crowd ------------------------------------------------------------------ */

static pthread_t crowd[MOST_THREADS];
static unsigned crowd_size;
static pthread_barrier_t all_in;
static pthread_mutex_t hold = PTHREAD_MUTEX_INITIALIZER;

void crowd_options(monitor_options *options)
{
    monitor_options_default(options);
    options->interval_ms = 10;
    options->stall_ms = 0;
    options->busy_lines = 0;
    options->phase_lines = 10000;
    options->format = MONITOR_JSON;
}

static void *stay(void *nothing)
{
    char label[80];
    int length = snprintf(label, sizeof label, "%d ", (int)gettid());
    int more = (int)gettid() % ((int)sizeof label - length); /* lines of many lengths */
    memset(label + length, 'x', (size_t)more);
    label[length + more] = '\0';
    scope_pushf("%s", label);
    pthread_barrier_wait(&all_in);
    pthread_mutex_lock(&hold);
    pthread_mutex_unlock(&hold);
    scope_pop();
    return nothing;
}

void crowd_gather(unsigned threads)
{
    pthread_attr_t small;
    if (threads > MOST_THREADS || pthread_attr_init(&small) != 0 ||
        pthread_attr_setstacksize(&small, STACK_SIZE) != 0)
        harm_broken("no crowd of %u", threads);
    pthread_barrier_init(&all_in, NULL, threads + 1);
    pthread_mutex_lock(&hold);
    for (crowd_size = 0; crowd_size < threads; crowd_size++)
        if (pthread_create(&crowd[crowd_size], &small, stay, NULL) != 0)
            harm_broken("no thread %u", crowd_size);
    pthread_barrier_wait(&all_in);
    pthread_attr_destroy(&small);
}

void crowd_dismiss(void)
{
    pthread_mutex_unlock(&hold);
    while (crowd_size > 0)
        pthread_join(crowd[--crowd_size], NULL);
    pthread_barrier_destroy(&all_in);
}

/* ---- the monitor's thread --------------------------------------------------------- */

static bool is_monitor(const char *tid)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", tid);
    char *name = harm_read(path, NULL);
    bool is = name && strcmp(name, "heartline\n") == 0;
    free(name);
    return is;
}

/* Those that learn what locks look like have the same name until they end. */
pid_t monitor_tid(void)
{
    pid_t tid = 0;
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks && (entry = readdir(tasks));)
        if (entry->d_name[0] != '.' && is_monitor(entry->d_name)) {
            tid = (pid_t)atoi(entry->d_name);
            count++;
        }
    if (tasks)
        closedir(tasks);
    return count == 1 ? tid : 0;
}

static uint64_t turns_of(pid_t tid)
{
    static const char key[] = "\nvoluntary_ctxt_switches:";
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)tid);
    char *text = harm_read(path, NULL);
    const char *line = text ? strstr(text, key) : NULL;
    uint64_t turns = line ? strtoull(line + strlen(key), NULL, 10) : 0;
    free(text);
    return turns;
}

uint64_t monitor_turns(void)
{
    pid_t tid = monitor_tid();
    return tid ? turns_of(tid) : 0;
}

/* It gives itself its name a moment after the start. */
void crowd_await_turns(uint64_t turns)
{
    uint64_t until = harm_now_ns() + UINT64_C(60000000000) + turns * UINT64_C(1000000000);
    uint64_t from = 0;
    for (pid_t tid = 0; harm_now_ns() < until; harm_sleep_ms(2)) {
        pid_t now = monitor_tid();
        uint64_t sleeps = now ? turns_of(now) : 0;
        if (now != tid)
            from = sleeps;
        tid = now;
        if (now && sleeps >= from + turns)
            return;
    }
    harm_broken("the monitor has not slept %" PRIu64 " times", turns);
}

/* ---- reading ---------------------------------------------------------------------- */

static const char *word(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    return text ? text : "";
}

static void add_beat(struct written *written, const json_t *line)
{
    uint64_t dropped = line_amount(line, "dropped");
    written->beats++;
    written->dropped += dropped;
    written->lossy_beats += dropped > 0;
}

static void add_stop(struct written *written, const json_t *line)
{
    written->stops++;
    written->stop_beats = line_amount(line, "beats");
    written->stop_dropped = line_amount(line, "dropped");
}

static bool is_of_one_thread(const json_t *line)
{
    const char *label = word(line, "innermost");
    return strtoull(label, NULL, 10) == line_amount(line, "thread_tid");
}

/* false: it is no line of ours. */
static bool add_line(struct written *written, const json_t *line)
{
    const char *record = word(line, "record");
    if (!json_is_string(json_object_get(line, "ts")) || record[0] == '\0')
        return false;
    if (strcmp(record, "phase") == 0 && !is_of_one_thread(line))
        return false;
    written->lines++;
    if (strcmp(record, "beat") == 0)
        add_beat(written, line);
    else if (strcmp(record, "phase") == 0)
        written->phases++;
    else if (strcmp(record, "start") == 0)
        written->starts++;
    else if (strcmp(record, "stop") == 0)
        add_stop(written, line);
    else if (json_object_get(line, "dropped"))
        written->loss_notes++;
    else
        written->others++;
    return true;
}

static void add_bytes(struct written *written, const char *line, size_t length, uint64_t pid)
{
    json_t *json =
        length < LONGEST_LINE ? json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL) : NULL;
    bool is_wanted = pid == 0 || line_amount(json, "pid") == pid || line_amount(json, "pid") == 0;
    if (is_wanted && !add_line(written, json)) {
        written->torn++;
        harm_wrong("not a whole line of ours: %.*s", (int)(length < 300 ? length : 300), line);
    }
    json_decref(json);
}

void written_add(struct written *written, const char *text, size_t size, uint64_t pid)
{
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t length = end ? (size_t)(end - text) : size;
        if (*text != WRITTEN_FILLER)
            add_bytes(written, text, end ? length : LONGEST_LINE, pid);
        length += end != NULL;
        text += length;
        size -= length;
    }
}

void written_add_file(struct written *written, const char *path, uint64_t pid)
{
    size_t size;
    char *text = harm_read(path, &size);
    if (!text)
        harm_broken("%s is not there", path);
    written_add(written, text, size, pid);
    free(text);
}

/* ---- judging ---------------------------------------------------------------------- */

uint64_t written_due(const struct written *written, unsigned threads)
{
    uint64_t once = 2; /* start and stop */
    return once + written->stop_beats * (1 + threads) + written->lossy_beats + written->others;
}

void written_judge(const struct written *written, unsigned threads, const char *what)
{
    uint64_t due = written_due(written, threads);
    if (written->torn)
        harm_wrong("%s: %" PRIu64 " torn lines", what, written->torn);
    if (written->stops != 1)
        harm_wrong("%s: %" PRIu64 " stop lines", what, written->stops);
    else if (written->lines + written->stop_dropped != due)
        harm_wrong("%s: %" PRIu64 " lines written and %" PRIu64 " dropped, but %" PRIu64
                   " were due",
                   what, written->lines, written->stop_dropped, due);
}
