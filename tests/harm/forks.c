/* Forks: matrix rows 1 to 3.
 *
 * storm: eight threads fork a thousand children together, from within scopes, while
 * the main thread asks for a heartbeat each millisecond; every tenth time handlers of
 * fork fork as well. Each child finds itself alone, without a descriptor of ours, can
 * use scopes, memory and the monitor's functions, and has written nothing. A handler
 * that runs in the child before the library's counts the descriptors there: one more
 * than elsewhere, and the child was forked while the monitor was reading a file.
 *
 * restart: a hundred children are monitored themselves, half by monitor_start, half
 * through fork=restart. Their lines in the log are compared with what they know of
 * themselves.
 */
#define _GNU_SOURCE
#include "harm.h"
#include "lines.h"
#include "patience.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FORKERS 8
#define MOST_DESCRIPTORS 256
#define CHILD_SECONDS 60 /* a child that takes longer hangs */
#define MOST_HUNG 8      /* enough to see */

/* What children tell, through memory that all share. */
struct child {
    _Atomic int pid;
    unsigned open_at_birth; /* descriptors, before the library's handler */
    double cpu_seconds;     /* between its start and its stop, by getrusage */
    unsigned starts, stops, beats, phases;
};

static struct child *children;
static size_t child_count;
static _Atomic size_t next_child;
static _Atomic unsigned hung, nested;
static bool was_open[MOST_DESCRIPTORS];
static pid_t home;
static _Thread_local struct child *unborn; /* the one that is forked next */

static void make_room_for_children(size_t count)
{
    child_count = count;
    children = mmap(NULL, count * sizeof *children, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (children == MAP_FAILED)
        harm_broken("no memory for %zu children", count);
    home = getpid();
    next_child = 0;
    hung = 0;
}

/* ---- what a child must find ----------------------------------------------------- */

enum flaw {
    GOOD,
    HAS_THREADS,
    HAS_DESCRIPTORS,
    HAS_WRITTEN,
    CAN_BEAT,
    CANNOT_STOP,
    NO_MEMORY,
    NOT_MONITORED,
    ITS_CHILD_FAILED
};

static const char *const flaws[] = {
    [HAS_THREADS] = "has more than one thread",
    [HAS_DESCRIPTORS] = "has a descriptor that the program did not open",
    [HAS_WRITTEN] = "has written something",
    [CAN_BEAT] = "was promised a heartbeat without a monitor",
    [CANNOT_STOP] = "cannot stop",
    [NO_MEMORY] = "has no memory",
    [NOT_MONITORED] = "could not start a monitor",
    [ITS_CHILD_FAILED] = "had a child that failed",
};

static unsigned open_descriptors(bool only_foreign)
{
    unsigned count = 0;
    for (int i = 0; i < MOST_DESCRIPTORS; i++)
        count += fcntl(i, F_GETFD) >= 0 && !(only_foreign && was_open[i]);
    return count;
}

/* In a child: the parent says that it failed. */
static void show_foreign_descriptors(void)
{
    char name[32], path[256];
    for (int i = 0; i < MOST_DESCRIPTORS; i++) {
        snprintf(name, sizeof name, "/proc/self/fd/%d", i);
        ssize_t length = was_open[i] ? -1 : readlink(name, path, sizeof path - 1);
        if (length >= 0)
            harm_wrong("child %d has open as %d: %.*s", getpid(), i, (int)length, path);
    }
}

static void note_own_descriptors(void)
{
    for (int i = 0; i < MOST_DESCRIPTORS; i++)
        was_open[i] = fcntl(i, F_GETFD) >= 0;
}

static unsigned count_threads(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks && (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return count;
}

/* By this process, to whatever file: the kernel counts from 0 in a child. */
static unsigned long bytes_written(void)
{
    char *text = harm_read("/proc/self/io", NULL);
    const char *line = text ? strstr(text, "wchar: ") : NULL;
    unsigned long bytes = line ? strtoul(line + strlen("wchar: "), NULL, 10) : 1;
    free(text);
    return bytes;
}

/* It has two scopes of its parent's, and everything else as if it were alone. */
static enum flaw use_everything(void)
{
    void *memory = malloc(100000);
    SCOPE("child");
    SCOPE_PROGRESS(done, "count", 3);
    scope_progress_add(done, 1);
    for (int i = 0; i < 40; i++)
        scope_pushf("level %d", i);
    scope_expect(10);
    for (int i = 0; i < 42; i++)
        scope_pop();
    free(memory);
    if (!memory)
        return NO_MEMORY;
    if (monitor_beat() != -ESRCH)
        return CAN_BEAT;
    return monitor_stop() != 0 ? CANNOT_STOP : GOOD;
}

static enum flaw look_around(void)
{
    enum flaw flaw = use_everything();
    if (flaw != GOOD)
        return flaw;
    if (count_threads() != 1)
        return HAS_THREADS;
    if (bytes_written() != 0)
        return HAS_WRITTEN;
    if (open_descriptors(true) == 0)
        return GOOD;
    show_foreign_descriptors();
    return HAS_DESCRIPTORS;
}

/* By which it is known whether it hung. */
static void take_result(int status, const char *which)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        hung++;
        harm_wrong("%s hung", which);
    } else if (WIFSIGNALED(status)) {
        harm_wrong("%s died of signal %d", which, WTERMSIG(status));
    } else if (WEXITSTATUS(status) > ITS_CHILD_FAILED) {
        harm_wrong("%s ended with %d", which, WEXITSTATUS(status));
    } else if (WEXITSTATUS(status) != GOOD) {
        harm_wrong("%s %s", which, flaws[WEXITSTATUS(status)]);
    }
}

/* 0 also where it is not ours: in the child of a handler that ran behind the fork. */
static int wait_for(pid_t child)
{
    int status = 0;
    if (child < 0)
        harm_broken("fork: %s", strerror(errno));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

/* ---- handlers of fork ------------------------------------------------------------- */

enum nesting {
    NOT,
    THAT_ENDS,   /* a handler's child ends there */
    THAT_GOES_ON /* it goes on with the fork that called the handler */
};

static _Thread_local enum nesting nesting;

static void fork_in_handler(void)
{
    enum nesting kind = nesting;
    if (kind == NOT)
        return;
    nesting = NOT;
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS);
        if (kind == THAT_ENDS)
            _exit((int)look_around());
        return;
    }
    int status = wait_for(child);
    if (getpid() == home) {
        nested++;
        take_result(status, "a handler's child");
    } else if (status != 0) {
        _exit(ITS_CHILD_FAILED);
    }
    nesting = kind;
}

static void count_descriptors(void)
{
    if (unborn)
        unborn->open_at_birth = open_descriptors(false);
}

/* ---- storm -------------------------------------------------------------------------- */

/* In a handler's child that went on with its parent's fork, too. */
static void end_as_child(pid_t childs_child)
{
    enum flaw flaw = look_around();
    if (flaw == GOOD && childs_child > 0 && wait_for(childs_child) != 0)
        flaw = ITS_CHILD_FAILED;
    _exit((int)flaw);
}

static void fork_one(size_t number)
{
    nesting = number % 10 != 0 ? NOT : number % 20 == 0 ? THAT_ENDS : THAT_GOES_ON;
    unborn = nesting == NOT ? &children[number] : NULL;
    monitor_beat();
    pid_t child = fork();
    if (getpid() != home) {
        alarm(CHILD_SECONDS);
        end_as_child(child);
    }
    take_result(wait_for(child), "a child");
    nesting = NOT;
    unborn = NULL;
}

static void *fork_often(void *nothing)
{
    SCOPE("fork often");
    for (size_t number; (number = next_child++) < child_count && hung < MOST_HUNG;) {
        scope_pushf("fork %zu", number);
        fork_one(number);
        scope_pop();
    }
    return nothing;
}

static _Atomic bool is_over;

static void *ask_for_heartbeats(void *nothing)
{
    while (!is_over) {
        if (monitor_beat() != 0)
            harm_wrong("the parent's monitor does not run");
        harm_sleep_ms(1);
    }
    return nothing;
}

static void run_threads(size_t count, void *(*body)(void *))
{
    pthread_t threads[FORKERS];
    for (size_t i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, body, NULL) != 0)
            harm_broken("no thread");
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void start_monitor(const char *log, uint64_t interval_ms, enum monitor_fork fork)
{
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = interval_ms;
    options.format = MONITOR_JSON;
    options.log_path = log;
    options.fork = fork;
    int error = monitor_start_with(&options);
    if (error)
        harm_broken("monitor_start_with: %s", strerror(-error));
}

/* Of the children that were born while the monitor had a file open that it closes soon. */
static size_t born_amid_a_reading(void)
{
    unsigned usual = MOST_DESCRIPTORS;
    size_t count = 0;
    for (size_t i = 0; i < child_count; i++)
        if (children[i].open_at_birth && children[i].open_at_birth < usual)
            usual = children[i].open_at_birth;
    for (size_t i = 0; i < child_count; i++)
        count += children[i].open_at_birth > usual;
    return count;
}

/* ---- the log --------------------------------------------------------------------------- */

static struct {
    unsigned long starts, beats, stops, notes, foreign;
    size_t foreign_bytes;
} told;

static void take_parents(void *nothing, const json_t *line, const char *record)
{
    (void)nothing;
    told.starts += strcmp(record, "start") == 0;
    told.beats += strcmp(record, "beat") == 0;
    told.stops += strcmp(record, "stop") == 0;
    told.notes += strcmp(record, "note") == 0;
    if (line_number(line, "pid") == home)
        return;
    char *text = json_dumps(line, JSON_COMPACT);
    told.foreign++;
    told.foreign_bytes += text ? strlen(text) + 1 : 0;
    harm_wrong("a child's line: %s", text);
    free(text);
}

static void judge_storm(const char *log)
{
    lines_each(log, take_parents, NULL);
    if (told.starts != 1 || told.stops != 1)
        harm_wrong("the parent started %lu times and stopped %lu times", told.starts, told.stops);
    if (told.notes != 1)
        harm_wrong("%lu notes of a child that is not monitored, not 1", told.notes);
    if (told.beats < 10)
        harm_wrong("only %lu heartbeats in the storm", told.beats);
}

static size_t fork_all(void)
{
    pthread_t asker;
    is_over = false;
    next_child = 0;
    if (pthread_create(&asker, NULL, ask_for_heartbeats, NULL) != 0)
        harm_broken("no thread");
    run_threads(FORKERS, fork_often);
    is_over = true;
    pthread_join(asker, NULL);
    return born_amid_a_reading();
}

/* Again, if no child at all was forked at the worst moment: that proves little. */
static void storm(void)
{
    const char *log = harm_path("log");
    size_t amid = 0, forks = 0;

    make_room_for_children(harm_count(1000, 200));
    note_own_descriptors();
    pthread_atfork(fork_in_handler, fork_in_handler, fork_in_handler);
    pthread_atfork(NULL, NULL, count_descriptors);
    start_monitor(log, 10, MONITOR_FORK_OFF);
    pthread_atfork(fork_in_handler, fork_in_handler, fork_in_handler);
    uint64_t began = harm_now_ns();
    for (int i = 0; i < 20 && amid == 0; i++) {
        amid = fork_all();
        forks += child_count;
    }
    double seconds = (double)(harm_now_ns() - began) / 1e9;
    if (amid == 0)
        harm_wrong("no child was forked amid a reading");
    if (monitor_beat() != 0 || stop_at_last(monitor_stop) != 0)
        harm_wrong("the parent's monitor did not survive");
    judge_storm(log);
    harm_figure("%zu children of %d threads, %zu forked amid a reading, and %u of fork's handlers; "
                "%u hung; %zu bytes of theirs in the parent's log of %lu heartbeats (%.1f each "
                "ms)",
                forks, FORKERS, amid, nested, hung, told.foreign_bytes, told.beats,
                (double)told.beats / seconds / 1000);
}

/* ---- restart ---------------------------------------------------------------------------- */

#define BURNT_SECONDS 0.2
#define TOLERANCE 0.05

static bool children_start;

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* The heartbeat that is asked for comes before the stop. */
static _Noreturn void be_monitored(struct child *self)
{
    alarm(CHILD_SECONDS);
    self->pid = getpid();
    if (children_start && monitor_start() != 0)
        _exit(NOT_MONITORED);
    double began = cpu_seconds();
    scope_push("in the child");
    while (cpu_seconds() < began + BURNT_SECONDS)
        continue;
    if (monitor_beat() != 0)
        _exit(NOT_MONITORED);
    self->cpu_seconds = cpu_seconds() - began;
    _exit(stop_at_last(monitor_stop) != 0 ? CANNOT_STOP : GOOD);
}

static void *fork_monitored(void *nothing)
{
    for (size_t number; (number = next_child++) < child_count && hung < MOST_HUNG;) {
        scope_push("fork");
        pid_t child = fork();
        if (child == 0)
            be_monitored(&children[number]);
        take_result(wait_for(child), "a child");
        scope_pop();
    }
    return nothing;
}

/* Numbers of processes come back: the last that has not stopped. */
static struct child *find_child(double pid)
{
    for (size_t i = child_count; i-- > 0;)
        if (children[i].pid == pid && children[i].stops == 0)
            return &children[i];
    return NULL;
}

static unsigned within;
static double worst;

static void compare_cpu(const struct child *child, double cpu)
{
    double off = cpu / child->cpu_seconds - 1;
    off = off < 0 ? -off : off;
    worst = off > worst ? off : worst;
    if (off <= TOLERANCE)
        within++;
    else
        harm_wrong("child %d used %.3f s of CPU, its monitor says %.3f s", child->pid,
                   child->cpu_seconds, cpu);
}

static void take_phase(struct child *child, const json_t *line)
{
    const char *label = json_string_value(json_object_get(line, "innermost"));
    child->phases++;
    if (!label || strcmp(label, "in the child") != 0 || line_number(line, "depth") != 2 ||
        line_number(line, "thread_tid") != child->pid)
        harm_wrong("child %d has a scope that is not its own: %s", child->pid, label);
}

static void take_childs(void *nothing, const json_t *line, const char *record)
{
    (void)nothing;
    double pid = line_number(line, "pid");
    struct child *child = pid == home ? NULL : find_child(pid);
    if (pid == home)
        return;
    if (!child) {
        harm_wrong("a line of %.0f, which is none of the children", pid);
    } else if (strcmp(record, "start") == 0) {
        child->starts++;
    } else if (strcmp(record, "phase") == 0) {
        take_phase(child, line);
    } else if (strcmp(record, "beat") == 0) {
        child->beats++;
        if (line_number(line, "threads") != 2)
            harm_wrong("child %d has %.0f threads", child->pid, line_number(line, "threads"));
    } else if (strcmp(record, "stop") == 0) {
        child->stops++;
        compare_cpu(child, line_number(line, "cpu_seconds"));
    }
}

static void fork_half(const char *log, size_t first, size_t end, bool is_by_itself)
{
    children_start = !is_by_itself;
    start_monitor(log, 3600000, is_by_itself ? MONITOR_FORK_RESTART : MONITOR_FORK_OFF);
    next_child = first;
    child_count = end;
    run_threads(2, fork_monitored);
    if (stop_at_last(monitor_stop) != 0)
        harm_wrong("the parent cannot stop");
}

static _Atomic bool may_wait;

static void *be_in_another_scope(void *nothing)
{
    SCOPE("not the child's");
    may_wait = true;
    while (!is_over)
        harm_sleep_ms(1);
    return nothing;
}

static void restart(void)
{
    const char *log = harm_path("log");
    size_t count = harm_count(100, 10);
    pthread_t other;

    make_room_for_children(count);
    setenv("HEARTLINE_LOG", log, 1); /* for children that start theirs */
    setenv("HEARTLINE_FORMAT", "json", 1);
    if (pthread_create(&other, NULL, be_in_another_scope, NULL) != 0)
        harm_broken("no thread");
    while (!may_wait)
        harm_sleep_ms(1);
    fork_half(log, 0, count / 2, false);
    fork_half(log, count / 2, count, true);
    is_over = true;
    pthread_join(other, NULL);
    lines_each(log, take_childs, NULL);
    for (size_t i = 0; i < count; i++)
        if (children[i].starts != 1 || children[i].beats != 1 || children[i].phases != 1 ||
            children[i].stops != 1)
            harm_wrong("child %d has %u starts, %u beats, %u phases, %u stops", children[i].pid,
                       children[i].starts, children[i].beats, children[i].phases,
                       children[i].stops);
    harm_figure("%u of %zu children: their pid, their own scope, CPU within %.0f %% of getrusage "
                "(worst %.1f %%); %u hung",
                within, count, TOLERANCE * 100, worst * 100, hung);
}

int main(int argc, char **argv)
{
    static const struct harm_check checks[] = {
        {"storm", storm}, {"restart", restart}, {NULL, NULL}};
    return harm_main(argc, argv, checks);
}
