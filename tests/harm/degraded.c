/* A platform that says little or nothing (check 17): a program whose thread is stuck in a
 * mutex is monitored where there is no /proc, where others are hidden in it, where the
 * process may not be looked into, without descriptors, with each system call that the
 * library makes forbidden in turn, and without the right to make threads.
 *
 * In each the monitor runs, or does not start and says with which error. What the log says
 * is compared with what /proc says from outside; what it does not say is null, and there
 * is one `unavailable` line with a reason for it, and none for anything else.
 */
#define _GNU_SOURCE
#include "../forbid.h"
#include "harm.h"
#include "lines.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 60000 /* for what comes in some milliseconds on a machine that is idle */
#define INTERVAL_MS 100
#define STALL_MS 300
#define BEATS 4
#define TASKS 4 /* the first thread, holder, waiter, monitor */
#define NOBODY 65534

/* ---- what is staged -------------------- */

enum by { BY_DESCRIPTOR, BY_SINK };

struct part {
    const char *name;
    bool (*early)(void); /* before there are other threads */
    bool (*late)(void);  /* right before the start */
    void (*after)(void); /* right after it */
    int forbidden, how;  /* a system call, and the error that it gives from then on */
    enum by log;
    int start;           /* what monitor_start must return */
    const char *unknown; /* keys of the `unavailable` lines, each with a blank behind it */
    const char *reason;  /* all but holder say this among other things; NULL: anything */
    const char *holder;  /* and this is what it says */
    bool is_mute;        /* nothing can be written */
};

/* Shared by the program and whoever watches it. */
struct stage {
    sem_t go_on;
    _Atomic bool is_ready, holds, is_named, may_want;
    int error; /* of what could not be staged */
    const char *_Atomic not_staged;
    pid_t main_tid, holder_tid, waiter_tid;
    int start, stop, start_again;
    bool scopes_harm;
};
static struct stage *stage;

static bool needs(bool is_done, const char *what)
{
    if (!is_done && !stage->not_staged) {
        stage->error = errno;
        stage->not_staged = what;
    }
    return is_done;
}

static bool own_mounts(void)
{
    bool is_own = unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    return needs(is_own && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0,
                 "a mount namespace of its own");
}

static bool empty_proc(void)
{
    return own_mounts() &&
           needs(mount("nothing", "/proc", "tmpfs", MS_RDONLY, NULL) == 0, "a tmpfs over /proc");
}

static bool become_nobody(void)
{
    if (geteuid() != 0)
        return true;
    return needs(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0 &&
                     prctl(PR_SET_DUMPABLE, 1) == 0,
                 "another user");
}

static bool hide_others(void)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", (int)getppid());
    bool is_hidden = own_mounts() &&
                     needs(mount("proc", "/proc", "proc", 0, "hidepid=2") == 0, "hidepid=2") &&
                     become_nobody();
    return is_hidden && needs(access(path, F_OK) != 0, "a process of root that is hidden");
}

static bool become_opaque(void)
{
    return become_nobody() && needs(prctl(PR_SET_DUMPABLE, 0) == 0, "PR_SET_DUMPABLE");
}

static bool limit_descriptors(void)
{
    struct rlimit eight = {8, 8};
    return needs(setrlimit(RLIMIT_NOFILE, &eight) == 0, "RLIMIT_NOFILE");
}

static bool use_up_descriptors(void)
{
    struct rlimit few = {64, 64};
    if (!needs(setrlimit(RLIMIT_NOFILE, &few) == 0, "RLIMIT_NOFILE"))
        return false;
    while (dup(STDIN_FILENO) >= 0)
        continue;
    return needs(errno == EMFILE, "EMFILE");
}

static int count_tasks(const char *path)
{
    int count = 0;
    DIR *tasks = opendir(path);
    for (struct dirent *entry; tasks && (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return count;
}

/* Those that learn need some too: they are to be gone. */
static void use_up_descriptors_later(void)
{
    while (count_tasks("/proc/self/task") > TASKS)
        harm_sleep_ms(1);
    use_up_descriptors();
}

static bool forbid_memory(void)
{
    return needs(forbid_memory_file(EPERM), "seccomp");
}

/* The soft limit alone: it can be raised again. */
static bool allow_threads(bool is_allowed)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NPROC, &limit) != 0)
        return needs(false, "RLIMIT_NPROC");
    limit.rlim_cur = is_allowed ? limit.rlim_max : 1;
    return needs(setrlimit(RLIMIT_NPROC, &limit) == 0, "RLIMIT_NPROC");
}

static bool forbid_threads(void)
{
    return become_nobody() && allow_threads(false);
}

/* ---- the program that is watched -------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void await(const _Atomic bool *flag)
{
    while (!*flag)
        harm_sleep_ms(1);
}

static void *hold(void *nothing)
{
    prctl(PR_SET_NAME, "holder");
    stage->holder_tid = (pid_t)syscall(SYS_gettid);
    scope_push("hold the lock");
    scope_expect(0);
    pthread_mutex_lock(&lock);
    stage->holds = true;
    for (;;)
        pause();
    return nothing;
}

static void *want(void *nothing)
{
    prctl(PR_SET_NAME, "waiter");
    stage->waiter_tid = (pid_t)syscall(SYS_gettid);
    stage->is_named = true;
    await(&stage->may_want);
    scope_push("wait for the lock");
    pthread_mutex_lock(&lock);
    return nothing;
}

static void write_line(void *data, enum monitor_level level, const char *line, size_t length)
{
    char text[4200];
    (void)data, (void)level;
    int all = snprintf(text, sizeof text, "%.*s\n", (int)length, line);
    (void)!write(STDERR_FILENO, text, (size_t)all);
}

static int start(enum by log)
{
    monitor_options options;
    monitor_options_default(&options);
    options.format = MONITOR_JSON;
    options.interval_ms = INTERVAL_MS;
    options.stall_ms = STALL_MS;
    options.sink = log == BY_SINK ? write_line : NULL;
    return monitor_start_with(&options);
}

/* Whatever became of the monitor. */
static void use_scopes(void)
{
    errno = 4711;
    for (int i = 0; i < 1000; i++) {
        scope_push("harmless");
        scope_progress progress = scope_push_progress("counted", 10);
        scope_progress_add(progress, 1);
        scope_pop();
        scope_pop();
    }
    stage->scopes_harm = errno != 4711;
}

static void live(const struct part *part)
{
    pthread_t threads[2];
    if (part->early && !part->early())
        return;
    stage->main_tid = getpid();
    pthread_create(&threads[0], NULL, hold, NULL);
    await(&stage->holds);
    pthread_create(&threads[1], NULL, want, NULL);
    await(&stage->is_named);
    if ((part->late && !part->late()) ||
        (part->how && !needs(forbid(part->forbidden, part->how), "seccomp")))
        return;
    stage->start = start(part->log);
    if (part->after)
        part->after();
    use_scopes();
    if (part->start == -EAGAIN && allow_threads(true))
        stage->start_again = start(part->log);
}

/* Its log is its standard error. */
static void be_watched(const struct part *part, const char *log)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int file = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
    dup2(file, STDERR_FILENO);
    for (int i = 3; i < 1024; i++)
        close(i);
    live(part);
    stage->is_ready = true;
    while (sem_wait(&stage->go_on) != 0)
        continue;
    stage->stop = monitor_stop();
    _exit(0);
}

/* ---- what it is like, from outside -------------------- */

struct truth {
    double rss, peak_rss, vm, threads, read, written; /* -1: not to be had from here either */
};

static double number_in(int pid, const char *name, const char *key, double unit)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    char *text = harm_read(path, NULL);
    const char *at = text ? strstr(text, key) : NULL;
    double number = at ? strtod(at + strlen(key), NULL) * unit : -1;
    free(text);
    return number;
}

static struct truth find_truth(int pid)
{
    return (struct truth){
        .rss = number_in(pid, "status", "\nVmRSS:", 1024),
        .peak_rss = number_in(pid, "status", "\nVmHWM:", 1024),
        .vm = number_in(pid, "status", "\nVmSize:", 1024),
        .threads = number_in(pid, "status", "\nThreads:", 1),
        .read = number_in(pid, "io", "\nread_bytes:", 1),
        .written = number_in(pid, "io", "\nwrite_bytes:", 1),
    };
}

/* ---- the judge -------------------- */

static const char *about; /* which part; at the head of whatever is wrong */

/* What is null, in which record, when this is unavailable. */
static const struct shown {
    const char *key, *record, *json;
} shown[] = {
    {"cpu", "beat", "cpu_cores"},       {"cores", "beat", "cpu_limit_cores"},
    {"rss", "beat", "rss_bytes"},       {"peak_rss", "beat", "peak_rss_bytes"},
    {"vm", "beat", "vm_bytes"},         {"threads", "beat", "threads"},
    {"read", "beat", "read_bytes"},     {"written", "beat", "written_bytes"},
    {"thread_cpu", "phase", "cpu"},     {"state", "phase", "state"},
    {"state", "STALL", "state"},        {"state", "STALL", "verdict"},
    {"state", "STALL", "cpu"},          {"state", "STALL", "run_delay"},
    {"state", "STALL", "syscall"},      {"state", "STALL", "wait"},
    {"state", "STALL", "wchan"},        {"syscall", "STALL", "syscall"},
    {"syscall", "STALL", "wait"},       {"wait", "STALL", "wait"},
    {"wchan", "STALL", "wchan"},        {"holder", "STALL", "holder_tid"},
    {"holder", "STALL", "holder_name"},
};
#define SHOWN (sizeof shown / sizeof *shown)

static void wrong_line(const char *what, const char *key, const json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT);
    harm_wrong("%s: %s %s: %s", about, key, what, text);
    free(text);
}

static bool names(const char *keys, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = keys; (at = strstr(at, key)); at += length)
        if ((at == keys || at[-1] == ' ') && at[length] == ' ')
            return true;
    return false;
}

static void check_unavailable(const struct part *part, const struct lines *log)
{
    char said[512] = "";
    for (size_t i = 0; i < lines_count(log, "unavailable"); i++) {
        const json_t *line = lines_find(log, "unavailable", i);
        const char *key = line_text(line, "key"), *reason = line_text(line, "reason");
        if (!key || !reason || !*reason)
            harm_wrong("%s: unavailable without key or reason", about);
        else if (!names(part->unknown, key))
            harm_wrong("%s: unavailable key=%s reason=\"%s\"", about, key, reason);
        else if (names(said, key))
            harm_wrong("%s: key=%s is unavailable twice", about, key);
        else if (part->reason && strcmp(key, "holder") != 0 && !strstr(reason, part->reason))
            harm_wrong("%s: key=%s is unavailable because \"%s\"", about, key, reason);
        else if (part->holder && strcmp(key, "holder") == 0 && !strstr(reason, part->holder))
            harm_wrong("%s: no holder because \"%s\"", about, reason);
        if (key && strlen(said) + strlen(key) + 2 < sizeof said)
            strcat(strcat(said, key), " ");
    }
    if (strlen(said) != strlen(part->unknown))
        harm_wrong("%s: unavailable must be \"%s\", and are \"%s\"", about, part->unknown, said);
}

static bool is_missing(const struct part *part, const struct shown *value)
{
    for (size_t i = 0; i < SHOWN; i++)
        if (strcmp(shown[i].record, value->record) == 0 &&
            strcmp(shown[i].json, value->json) == 0 && names(part->unknown, shown[i].key))
            return true;
    return false;
}

/* What is null is what was said to be unavailable, and the other way round. */
static void check_nulls(const struct part *part, const json_t *line)
{
    for (size_t i = 0; i < SHOWN; i++) {
        if (!line_is(line, shown[i].record) || !json_object_get(line, shown[i].json))
            continue;
        bool must = is_missing(part, &shown[i]);
        if (must != line_is_unknown(line, shown[i].json))
            wrong_line(must ? "must be null" : "must not be null", shown[i].json, line);
    }
}

static void check_between(const json_t *line, const char *key, double least, double most)
{
    double number = line_number(line, key);
    if (line_is_unknown(line, key) || least < 0 || most < 0)
        return;
    if (number < least || number > most)
        harm_wrong("%s: %s is %.0f, the truth is %.0f to %.0f", about, key, number, least, most);
}

static double cores = -1; /* as the program says them where nothing is missing */

static void check_beat(const json_t *beat, const struct truth *early, const struct truth *late)
{
    check_between(beat, "cpu_cores", 0, 2 * (double)sysconf(_SC_NPROCESSORS_ONLN));
    check_between(beat, "cpu_limit_cores", cores, cores);
    check_between(beat, "rss_bytes", early->rss / 2, late->rss * 2);
    check_between(beat, "peak_rss_bytes", early->rss / 2, late->peak_rss * 2);
    check_between(beat, "vm_bytes", late->rss, late->vm * 2);
    check_between(beat, "read_bytes", early->read, late->read);
    check_between(beat, "written_bytes", early->written, late->written);
    const char *active = line_text(beat, "active");
    if (line_number(beat, "instrumented") < 1 || !active || strcmp(active, "hold the lock") != 0)
        wrong_line("is not what is done", "active", beat);
}

static void check_stall(const struct part *part, const json_t *stall)
{
    const char *phase = line_text(stall, "phase"), *verdict = line_text(stall, "verdict");
    bool has_evidence = !names(part->unknown, "state");
    if (!phase || strcmp(phase, "wait for the lock") != 0 ||
        line_number(stall, "thread_tid") != stage->waiter_tid ||
        line_number(stall, "stuck_ms") < STALL_MS)
        wrong_line("is not the one there is", "STALL", stall);
    if (has_evidence && (!verdict || strcmp(verdict, "blocked") != 0))
        wrong_line("is not blocked", "verdict", stall);
    if (line_number(stall, "holder_tid") >= 0 &&
        line_number(stall, "holder_tid") != stage->holder_tid)
        wrong_line("is another", "holder_tid", stall);
}

static void check_phase(const json_t *phase)
{
    double tid = line_number(phase, "thread_tid");
    const char *name = line_text(phase, "thread_name");
    const char *true_name = tid == stage->holder_tid ? "holder" : "waiter";
    if ((tid != stage->holder_tid && tid != stage->waiter_tid) || line_number(phase, "depth") != 1)
        wrong_line("is none there is", "phase", phase);
    if (name && *name && strcmp(name, true_name) != 0)
        wrong_line("is another", "thread_name", phase);
}

/* What was written before the truth was found can be compared with it. */
static void check_line(const struct part *part, const json_t *line, const struct truth *early,
                       const struct truth *late)
{
    if (line_is(line, "beat") && late)
        check_beat(line, early, late);
    else if (line_is(line, "STALL"))
        check_stall(part, line);
    else if (line_is(line, "phase"))
        check_phase(line);
    else if (line_is(line, "PAUSED") || line_is(line, "DEADLOCK") || line_is(line, "note"))
        wrong_line("is not so", "that", line);
}

static void check_lines(const struct part *part, const struct lines *log, size_t before,
                        const struct truth *early, const struct truth *late)
{
    const json_t *last = NULL;
    bool is_degraded = !part->after; /* from its first `unavailable` on, else */
    for (size_t i = 0; i < log->count; i++) {
        is_degraded = is_degraded || line_is(log->line[i], "unavailable");
        if (is_degraded)
            check_nulls(part, log->line[i]);
        check_line(part, log->line[i], early, i < before ? late : NULL);
        last = i < before && line_is(log->line[i], "beat") ? log->line[i] : last;
    }
    if (last) {
        check_between(last, "threads", late->threads, late->threads);
        check_between(last, "vm_bytes", late->vm * 0.9, late->vm * 1.1);
    }
    if (last && line_number(last, "instrumented") != 2)
        wrong_line("is not 2", "instrumented", last);
    if (lines_count(log, "start") != 1 || lines_count(log, "stop") != 1)
        harm_wrong("%s: %zu start and %zu stop lines", about, lines_count(log, "start"),
                   lines_count(log, "stop"));
    check_unavailable(part, log);
}

/* ---- one after another -------------------- */

static bool await_ready(int pid)
{
    uint64_t until = harm_now_ns() + PATIENCE_MS * UINT64_C(1000000);
    while (!stage->is_ready && harm_now_ns() < until && kill(pid, 0) == 0)
        harm_sleep_ms(1);
    return stage->is_ready;
}

/* How often a thread slept that is none of ours: the monitor, where its log cannot say. */
static double wake_ups(int pid)
{
    char path[300];
    double most = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        pid_t tid = atoi(entry->d_name);
        if (tid == 0 || tid == pid || tid == stage->holder_tid || tid == stage->waiter_tid)
            continue;
        snprintf(path, sizeof path, "task/%d/status", (int)tid);
        double count = number_in(pid, path, "\nvoluntary_ctxt_switches:", 1);
        most = count > most ? count : most;
    }
    if (tasks)
        closedir(tasks);
    return most;
}

static bool has_enough(const struct lines *log)
{
    return lines_count(log, "beat") >= BEATS && lines_count(log, "STALL") >= 1;
}

/* Those that learn what a lock looks like are to be gone before one is wanted. */
static void await_lessons(int pid)
{
    char path[64];
    uint64_t until = harm_now_ns() + PATIENCE_MS * UINT64_C(1000000);
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    while (count_tasks(path) > TASKS && harm_now_ns() < until)
        harm_sleep_ms(1);
    stage->may_want = true;
}

static void watch_its_log(struct lines *log, const struct part *part, int pid)
{
    await_lessons(pid);
    uint64_t until = harm_now_ns() + PATIENCE_MS * UINT64_C(1000000);
    while (part->is_mute ? wake_ups(pid) < 20 : !has_enough(log)) {
        lines_take(log);
        harm_sleep_ms(5);
        if (harm_now_ns() < until)
            continue;
        harm_wrong("%s: %zu heartbeats, %zu STALLs", about, lines_count(log, "beat"),
                   lines_count(log, "STALL"));
        break;
    }
}

static void check_start(const struct part *part)
{
    if (stage->start != part->start)
        harm_wrong("%s: monitor_start gave %d, not %d", about, stage->start, part->start);
    if (stage->start_again != 0)
        harm_wrong("%s: started again, it gave %d", about, stage->start_again);
    if (stage->scopes_harm)
        harm_wrong("%s: scopes changed errno", about);
}

static void watch(const struct part *part, struct lines *log, int pid)
{
    struct truth early = find_truth(pid), late;
    bool is_running = stage->start == 0 || (part->start == -EAGAIN && stage->start_again == 0);
    check_start(part);
    if (is_running)
        watch_its_log(log, part, pid);
    size_t before = log->count;
    late = find_truth(pid);
    sem_post(&stage->go_on);
    int status = harm_wait(pid, PATIENCE_MS);
    if (status != 0 || stage->stop != 0)
        harm_wrong("%s: it ended with %d, monitor_stop with %d", about, status, stage->stop);
    lines_end(log);
    if (is_running && !part->is_mute)
        check_lines(part, log, before, &early, &late);
    else if (log->count > 0)
        harm_wrong("%s: it does not run, and has a log", about);
}

static struct stage *new_stage(void)
{
    struct stage *memory =
        mmap(NULL, sizeof *memory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || sem_init(&memory->go_on, 1, 0) != 0)
        harm_broken("no memory to share");
    return memory;
}

static void say_not_staged(void)
{
    char why[200];
    snprintf(why, sizeof why, "%s cannot be had: %s", stage->not_staged, strerror(stage->error));
    harm_not_run(about, why);
}

/* false: it could not be staged. */
static bool run(const struct part *part)
{
    struct lines log;
    const char *path = harm_path("log");
    about = part->name;
    stage = new_stage();
    int pid = fork();
    if (pid == 0)
        be_watched(part, path);
    bool is_ready = await_ready(pid), is_staged = is_ready && !stage->not_staged;
    lines_open(&log, path, pid);
    log.is_timeless = part->log == BY_SINK;
    if (is_staged) {
        watch(part, &log, pid);
    } else {
        kill(pid, SIGKILL);
        int status = harm_wait(pid, PATIENCE_MS);
        if (!is_ready)
            harm_wrong("%s: it never began to run, and ended with %d", about, status);
        else
            say_not_staged();
    }
    if (is_staged && !part->start && !*part->unknown && lines_find(&log, "beat", 0))
        cores = line_number(lines_find(&log, "beat", 0), "cpu_limit_cores");
    lines_free(&log);
    munmap(stage, sizeof *stage);
    unlink(path);
    return is_staged;
}

/* ---- the situations -------------------- */

#define OF_PROC "rss peak_rss vm threads read written busy thread_cpu state "

static const struct part nothing = {.name = "nothing is missing", .unknown = ""};

static const struct part no_proc[] = {
    {.name = "no /proc", .early = empty_proc, .unknown = OF_PROC, .reason = "/proc is not mounted"},
    {0},
};
static const struct part hidepid[] = {
    {.name = "hidepid=2", .early = hide_others, .unknown = ""},
    {0},
};
static const struct part opaque[] = {
    {.name = "not dumpable",
     .late = become_opaque,
     .unknown = "read written syscall ",
     .reason = "not dumpable"},
    {0},
};
static const struct part descriptors[] = {
    {.name = "RLIMIT_NOFILE 8", .late = limit_descriptors, .start = -EMFILE, .unknown = ""},
    {.name = "RLIMIT_NOFILE 8, lines to a callback",
     .late = limit_descriptors,
     .log = BY_SINK,
     .unknown = "busy thread_cpu holder ",
     .reason = "too many open files"},
    {.name = "no descriptor is left", .late = use_up_descriptors, .start = -EMFILE, .unknown = ""},
    {.name = "no descriptor is left, lines to a callback",
     .late = use_up_descriptors,
     .log = BY_SINK,
     .unknown = OF_PROC,
     .reason = "too many open files"},
    {.name = "they are used up after the start",
     .after = use_up_descriptors_later,
     .unknown = "read written state ",
     .reason = "too many open files"},
    {0},
};
static const struct part no_threads[] = {
    {.name = "RLIMIT_NPROC", .late = forbid_threads, .start = -EAGAIN, .unknown = ""},
    {0},
};

/* What the library calls, and what is unknown without it. */
#define ONE(call, error, ...)                                                              \
    {                                                                                      \
        .name = #call " gives " #error, .forbidden = SYS_##call, .how = error, __VA_ARGS__ \
    }
#define BOTH(call, ...) ONE(call, EPERM, __VA_ARGS__), ONE(call, ENOSYS, __VA_ARGS__)
static const struct part seccomp[] = {
    BOTH(process_vm_readv, .unknown = ""),
    {.name = "neither process_vm_readv nor /proc/self/mem",
     .late = forbid_memory,
     .forbidden = SYS_process_vm_readv,
     .how = EPERM,
     .unknown = "holder ",
     .holder = "copying memory is not permitted"},
    BOTH(membarrier, .unknown = ""),
    BOTH(openat, .unknown = OF_PROC),
    BOTH(pread64, .unknown = "rss peak_rss vm threads holder "),
    BOTH(read, .unknown = "read written state "),
    BOTH(getdents64, .unknown = "busy thread_cpu "),
    BOTH(pipe2, .unknown = ""),
    BOTH(ppoll, .unknown = ""),
    BOTH(sched_getaffinity, .unknown = "cores "),
    BOTH(getrusage, .unknown = ""),
    BOTH(clock_gettime, .unknown = "cpu thread_cpu "),
    BOTH(readlink, .unknown = "busy thread_cpu state "),
    BOTH(prctl, .unknown = ""),
    BOTH(pwritev2, .unknown = ""),
    BOTH(write, .unknown = "", .is_mute = true),
    ONE(fcntl, EPERM, .unknown = "", .start = -EPERM),
    ONE(fcntl, ENOSYS, .unknown = "", .start = -ENOSYS),
    ONE(newfstatat, EPERM, .unknown = "", .start = -EPERM),
    ONE(newfstatat, ENOSYS, .unknown = "", .start = -ENOSYS),
    ONE(clone3, EPERM, .unknown = "", .start = -EPERM),
    ONE(clone3, ENOSYS, .unknown = ""), /* the C library has another way */
    BOTH(mmap, .unknown = "", .start = -ENOMEM),
    {0},
};

static const struct situation {
    const char *name;
    const struct part *parts;
} situations[] = {
    {"no /proc", no_proc},   {"hidepid", hidepid}, {"not dumpable", opaque},
    {"EMFILE", descriptors}, {"seccomp", seccomp}, {"RLIMIT_NPROC", no_threads},
};
#define SITUATIONS (sizeof situations / sizeof *situations)

/* All of a situation's parts as they should be. */
static bool is_well(const struct situation *situation, unsigned *parts, bool *is_staged)
{
    unsigned before = harm_wrongs();
    *is_staged = true;
    for (const struct part *part = situation->parts; part->name; part++, ++*parts)
        *is_staged = run(part) && *is_staged;
    return harm_wrongs() == before;
}

static void degraded(void)
{
    unsigned well = 0, staged = 0, parts = 0;
    if (!run(&nothing))
        harm_broken("where nothing is missing, it does not run");
    for (size_t i = 0; i < SITUATIONS; i++) {
        bool is_staged;
        bool is_good = is_well(&situations[i], &parts, &is_staged);
        staged += is_staged;
        well += is_staged && is_good;
    }
    if (staged == 0)
        harm_cannot_run("none of the situations can be made here");
    harm_figure("%u of %u situations as promised, in %u programs: each runs or says why not, each "
                "figure that is missing is null with one reason, the others are those of /proc",
                well, staged, parts);
}

int main(int argc, char **argv)
{
    static const struct harm_check checks[] = {{"all", degraded}, {NULL, NULL}};
    return harm_main(argc, argv, checks);
}
