/* See stage.h. No malloc while the monitor runs: one situation holds its lock. */
#define _GNU_SOURCE
#include "stage.h"

#include <heartline/monitor.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS INT64_C(10000000000)
#define ACTORS 64

/* ---- facts and time ---------------------------------------------------------------- */

static void put(const char *text, size_t length)
{
    if (write(STDOUT_FILENO, text, length) != (ssize_t)length)
        _exit(98);
}

static void put_fact(const char *name, const char *format, va_list arguments)
{
    char text[512];
    int used = snprintf(text, sizeof text, "%s ", name);
    used += vsnprintf(text + used, sizeof text - (size_t)used - 1, format, arguments);
    text[used++] = '\n';
    put(text, (size_t)used);
}

void fact(const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_fact(name, format, arguments);
    va_end(arguments);
}

void fact_address(const char *name, const void *address)
{
    fact(name, "0x%llx", (unsigned long long)(uintptr_t)address);
}

void not_staged(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_fact("not_staged", format, arguments);
    va_end(arguments);
    _exit(0);
}

void stage_needs(bool done, const char *what)
{
    if (!done)
        not_staged("%s: %s", what, strerror(errno));
}

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void sleep_ms(int64_t ms)
{
    int64_t until = now_ns() + ms * 1000000;
    struct timespec at = {until / 1000000000, until % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

bool read_text(const char *path, char *text, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : read(file, text, size - 1);
    if (file >= 0)
        close(file);
    text[got > 0 ? got : 0] = '\0';
    return got >= 0;
}

bool write_text(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t put = file < 0 ? -1 : write(file, text, strlen(text));
    int why = errno;
    if (file >= 0)
        close(file);
    errno = why;
    return put == (ssize_t)strlen(text);
}

/* ---- threads ------------------------------------------------------------------------- */

struct actor {
    pthread_t thread;
    const char *name;
    void (*play)(void *with);
    void *with;
    _Atomic pid_t tid;
    atomic_bool is_through;
};

static struct actor actors[ACTORS];
static size_t actor_count;

static void *live(void *argument)
{
    struct actor *actor = argument;
    pthread_setname_np(pthread_self(), actor->name);
    actor->tid = gettid();
    actor->play(actor->with);
    actor->is_through = true;
    return NULL;
}

struct actor *enter(const char *name, void (*play)(void *with), void *with)
{
    struct actor *actor = &actors[actor_count++];
    actor->name = name;
    actor->play = play;
    actor->with = with;
    errno = pthread_create(&actor->thread, NULL, live, actor);
    stage_needs(errno == 0, "pthread_create");
    while (actor->tid == 0)
        sleep_ms(1);
    fact(name, "%d", (int)actor->tid);
    return actor;
}

pid_t actor_tid(const struct actor *actor)
{
    return actor->tid;
}

void leave(struct actor *actor)
{
    pthread_join(actor->thread, NULL);
}

void interrupt(struct actor *actor)
{
    while (!actor->is_through) {
        pthread_kill(actor->thread, SIGUSR1);
        sleep_ms(5);
    }
    leave(actor);
}

char state_of(pid_t pid, pid_t tid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, (int)tid);
    if (!read_text(path, text, sizeof text))
        return 0;
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] ? name_end[2] : 0;
}

void await_asleep(pid_t tid)
{
    int64_t until = now_ns() + PATIENCE_NS;
    for (int times = 0; times < 3 && now_ns() < until; sleep_ms(1)) {
        char state = state_of(getpid(), tid);
        times = state == 'S' || state == 'D' ? times + 1 : 0;
    }
}

bool await(const atomic_bool *flag)
{
    int64_t until = now_ns() + PATIENCE_NS;
    while (!*flag && now_ns() < until)
        sleep_ms(1);
    return *flag;
}

pid_t fork_helper(void (*play)(void *with), void *with)
{
    pid_t child = fork();
    stage_needs(child >= 0, "fork");
    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(60);
    play(with);
    _exit(0);
}

/* ---- gates ------------------------------------------------------------------------------ */

void gate_make(struct gate *gate)
{
    int ends[2];
    stage_needs(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
    *gate = (struct gate){ends[0], ends[1]};
}

void gate_wait(const struct gate *gate)
{
    char byte;
    while (read(gate->out, &byte, 1) < 0)
        continue;
}

void gate_open(struct gate *gate)
{
    close(gate->in);
}

/* ---- the truth about running ---------------------------------------------------------------- */

/* The line's shares are of the time since the monitor first looked, which is not known
 * here, only that it is soon after the beginning: each such time gives a truth. */
#define MOMENTS 128

struct watched {
    _Atomic pid_t tid;
    clockid_t clock;
    atomic_int moments;
    int64_t at_ns[MOMENTS], cpu_ns[MOMENTS];
    int64_t first_told_ns;
};

static struct watched watched[16];
static atomic_int watched_count;
static _Thread_local struct watched *mine;

static int64_t read_clock(clockid_t clock)
{
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void watch_me(void)
{
    if (!mine) {
        mine = &watched[atomic_fetch_add(&watched_count, 1)];
        pthread_getcpuclockid(pthread_self(), &mine->clock);
        mine->tid = gettid();
    }
    int n = mine->moments;
    int64_t now = now_ns();
    if (n == MOMENTS || (n > 0 && now - mine->at_ns[n - 1] < 5000000))
        return;
    mine->cpu_ns[n] = read_clock(mine->clock);
    mine->at_ns[n] = now;
    mine->moments = n + 1;
}

struct truth {
    int64_t cpu_ns, now_ns, least, most;
};

static void add_share(struct truth *truth, int64_t cpu_ns, int64_t at_ns)
{
    int64_t share = (truth->cpu_ns - cpu_ns) * 1000 / (truth->now_ns - at_ns);
    truth->least = share < truth->least ? share : truth->least;
    truth->most = share > truth->most ? share : truth->most;
}

/* Between two moments it ran at any time: at the end of the first, or the beginning of the other. */
static void tell_truth_of(struct watched *one)
{
    struct truth truth = {read_clock(one->clock), now_ns(), 1000, 0};
    int64_t now = truth.now_ns;
    if (one->first_told_ns == 0)
        one->first_told_ns = now;
    int64_t soon = one->at_ns[0] + (one->first_told_ns - one->at_ns[0]) / 2;
    for (int i = 0; i < one->moments && one->at_ns[i] <= soon; i++) {
        bool is_last = i + 1 == one->moments || one->at_ns[i + 1] > soon;
        add_share(&truth, one->cpu_ns[i], one->at_ns[i]);
        add_share(&truth, one->cpu_ns[i], is_last ? soon : one->at_ns[i + 1]);
        if (i + 1 < one->moments)
            add_share(&truth, one->cpu_ns[i + 1], one->at_ns[i]);
    }
    fact("truth", "%d %d", (int)truth.least, (int)truth.most);
}

static void tell_truth(const char *line)
{
    for (int i = 0; i < watched_count; i++) {
        char thread[32];
        snprintf(thread, sizeof thread, "thread=%d/", (int)watched[i].tid);
        if (watched[i].moments > 0 && strstr(line, "] STALL ") && strstr(line, thread))
            tell_truth_of(&watched[i]);
    }
}

/* ---- what the log said ------------------------------------------------------------------------- */

static char lines[1 << 20];
static _Atomic size_t line_bytes;

/* How a record's lines are told from others. */
struct mark {
    char as_text[64], as_json[64];
};

static struct {
    struct mark mark;
    void (*act)(void);
} hook;

static struct mark mark_of(const char *record)
{
    struct mark mark;
    snprintf(mark.as_text, sizeof mark.as_text, "] %s ", record);
    snprintf(mark.as_json, sizeof mark.as_json, "\"record\":\"%s\"", record);
    return mark;
}

static bool contains(const char *line, size_t length, const char *part)
{
    return memmem(line, length, part, strlen(part)) != NULL;
}

static bool has_mark(const char *line, size_t length, const struct mark *mark)
{
    return contains(line, length, mark->as_text) || contains(line, length, mark->as_json);
}

void on_record(const char *record, void (*act)(void))
{
    hook.mark = mark_of(record);
    hook.act = act;
}

static void hear(void *data, enum monitor_level level, const char *line, size_t length)
{
    char text[4096 + 64];
    (void)data, (void)level;
    int all = snprintf(text, sizeof text, "@%lld %.*s\n", (long long)now_ns(), (int)length, line);
    put(text, (size_t)all);
    tell_truth(line);
    if (hook.act && has_mark(line, length, &hook.mark))
        hook.act();
    size_t used = line_bytes;
    if (used + length + 2 > sizeof lines)
        return;
    memcpy(lines + used, line, length);
    memcpy(lines + used + length, "\n", 1);
    line_bytes = used + length + 1;
}

static size_t count_heard(const char *record, const char *part)
{
    struct mark mark = mark_of(record);
    size_t count = 0, all = line_bytes;
    for (size_t at = 0; at < all;) {
        const char *line = lines + at;
        size_t length = (size_t)((const char *)memchr(line, '\n', all - at) - line);
        bool is_it = has_mark(line, length, &mark);
        count += is_it && (!part || contains(line, length, part));
        at += length + 1;
    }
    return count;
}

bool heard(const char *record, size_t count, const char *part)
{
    int64_t until = now_ns() + PATIENCE_NS;
    while (count_heard(record, part) < count) {
        if (now_ns() > until) {
            fact("unheard", "%zu %s %s", count, record, part ? part : "");
            return false;
        }
        sleep_ms(2);
    }
    return true;
}

void hear_stall_of(const char *thread)
{
    heard("STALL", 2, thread);
}

void hear_recovered(size_t count)
{
    heard("RECOVERED", count, NULL);
}

/* ---- begin and end ------------------------------------------------------------------------------ */

static void ignore(int number)
{
    (void)number;
}

static int count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    for (struct dirent *task; tasks && (task = readdir(tasks));)
        count += task->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return count;
}

/* What locks look like is learnt in the first milliseconds, by two more threads. */
static void await_lessons(void)
{
    for (int i = 0; i < 1000 && count_threads() > 2; i++)
        sleep_ms(5);
}

void begin(void)
{
    monitor_options options;
    struct sigaction action = {.sa_handler = ignore};
    sigaction(SIGUSR1, &action, NULL);
    monitor_options_default(&options);
    options.sink = hear;
    int result = monitor_start_with(&options);
    if (result != 0)
        not_staged("the monitor does not start: %s", strerror(-result));
    heard("start", 1, NULL);
    await_lessons();
}

void end(void)
{
    monitor_stop();
    _exit(0);
}

void end_wait(struct gate *gate, struct actor *holder, struct actor *waiter)
{
    gate_open(gate);
    leave(holder);
    leave(waiter);
    hear_recovered(1);
    end();
}

int stage_named(const struct situation *const *lists, size_t count, char **arguments)
{
    for (size_t i = 0; *arguments && i < count; i++)
        for (const struct situation *situation = lists[i]; situation->name; situation++)
            if (strcmp(situation->name, *arguments) == 0)
                situation->stage(arguments + 1);
    fprintf(stderr, "there is no such situation\n");
    return 99;
}
