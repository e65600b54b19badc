/* The process stands still, or a thread of it, by the hand of a helper, which tells
 * what it did as `gap LEAST MOST`, in milliseconds. Meanwhile limits pass. */
#define _GNU_SOURCE
#include "situations.h"

#include <heartline/scope.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct gate ready;    /* for the helper: from here on */
static pid_t program, alone; /* alone: the only thread that is stopped */
static int64_t asked_ns, stopped_ns, ended_ns;

/* Seen from outside. T: stopped; t: by a tracer. */
static bool await_state(bool is_stopped)
{
    pid_t tid = alone ? alone : program;
    for (int64_t until = now_ns() + INT64_C(10000000000); now_ns() < until; sleep_ms(1)) {
        char state = state_of(program, tid);
        if ((state == 'T' || state == 't') == is_stopped)
            return true;
    }
    return false;
}

static void note_asked(void)
{
    asked_ns = now_ns();
}

static void note_stopped(void)
{
    stopped_ns = now_ns();
}

static void note_ended(void)
{
    ended_ns = now_ns();
}

static void tell_gap(void)
{
    fact("gap", "%lld %lld", (long long)((ended_ns - stopped_ns) / 1000000),
         (long long)((now_ns() - asked_ns) / 1000000 + 1));
}

/* ---- ways to stop it ---------------------------------------------------------------------------- */

static void stop_by_signal(int64_t ms)
{
    note_asked();
    kill(program, SIGSTOP);
    await_state(true);
    note_stopped();
    sleep_ms(ms);
    note_ended();
    kill(program, SIGCONT);
    tell_gap();
}

static void stop_once(void)
{
    stop_by_signal(1200);
}

static void stop_often(void)
{
    for (int i = 0; i < 5; i++) {
        sleep_ms(20);
        stop_by_signal(150);
    }
}

static bool seize(pid_t tid)
{
    int status;
    return ptrace(PTRACE_SEIZE, tid, NULL, NULL) == 0 &&
           ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0 && waitpid(tid, &status, __WALL) == tid;
}

static void stop_alone(void)
{
    note_asked();
    stage_needs(seize(alone), "ptrace");
    note_stopped();
    sleep_ms(1200);
    note_ended();
    ptrace(PTRACE_DETACH, alone, NULL, NULL);
    tell_gap();
}

static void trace_all(void)
{
    char path[64];
    pid_t tids[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)program);
    DIR *tasks = opendir(path);
    for (struct dirent *entry; tasks && (entry = readdir(tasks));)
        if (entry->d_name[0] != '.' && count < 64)
            tids[count++] = atoi(entry->d_name);
    note_asked();
    for (int i = 0; i < count; i++)
        stage_needs(seize(tids[i]), "ptrace");
    note_stopped();
    sleep_ms(1200);
    note_ended();
    for (int i = 0; i < count; i++)
        ptrace(PTRACE_DETACH, tids[i], NULL, NULL);
    tell_gap();
}

/* How long gdb takes to come and go is seen, and told, from outside. */
static void attach_debugger(void)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)program);
    note_asked();
    pid_t debugger = fork();
    if (debugger == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(1);
        execlp("gdb", "gdb", "-nx", "-batch", "-iex", "set auto-load no", "-iex",
               "set debuginfod enabled off", "-p", pid, "-ex", "shell sleep 2.7", "-ex", "detach",
               NULL);
        _exit(127);
    }
    bool is_stopped = await_state(true);
    note_stopped();
    await_state(false);
    note_ended();
    int status;
    waitpid(debugger, &status, 0);
    if (!is_stopped)
        not_staged("gdb does not attach");
    tell_gap();
}

static char group[300], group_above[200];

static bool write_in(const char *folder, const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return write_text(path, text);
}

/* v2 has cgroup.freeze, v1 freezer.state; the helper itself stays outside. */
static bool make_group(const char *above, const char *knob)
{
    char path[400];
    snprintf(group_above, sizeof group_above, "%s", above);
    snprintf(group, sizeof group, "%s/heartline-corpus-%d", above, (int)program);
    if (mkdir(group, 0755) != 0)
        return false;
    snprintf(path, sizeof path, "%s/%s", group, knob);
    if (access(path, W_OK) == 0)
        return true;
    rmdir(group);
    return false;
}

static void freeze(const char *knob, const char *on, const char *off)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)program);
    bool is_in = write_in(group, "cgroup.procs", pid);
    note_asked();
    bool is_frozen = is_in && write_in(group, knob, on);
    sleep_ms(50); /* it takes effect a little later */
    note_stopped();
    sleep_ms(is_frozen ? 1200 : 0);
    note_ended();
    if (is_frozen)
        write_in(group, knob, off);
    tell_gap();
    write_in(group_above, "cgroup.procs", pid);
    for (int i = 0; i < 100 && rmdir(group) != 0; i++)
        sleep_ms(10);
    if (!is_frozen)
        not_staged("the group cannot be frozen");
}

static void freeze_group(void)
{
    if (make_group("/sys/fs/cgroup", "cgroup.freeze") ||
        make_group("/sys/fs/cgroup/unified", "cgroup.freeze"))
        freeze("cgroup.freeze", "1", "0");
    else if (make_group("/sys/fs/cgroup/freezer", "freezer.state"))
        freeze("freezer.state", "FROZEN", "THAWED");
    else
        not_staged("no cgroup that can be frozen: %s", strerror(errno));
}

/* ---- on the stage ----------------------------------------------------------------------------------- */

static const struct kind {
    const char *name;
    void (*stop)(void);
    int64_t limits_ms[3]; /* of a thread each */
    bool alone;
} kinds[] = {
    {"signal", stop_once, {700}, false},
    {"deadlines", stop_once, {400, 600, 900}, false},
    {"often", stop_often, {600}, false},
    {"alone", stop_alone, {300}, true},
    {"ptrace", trace_all, {700}, false},
    {"gdb", attach_debugger, {2500}, false}, /* it takes its time before it stops anybody */
    {"freeze", freeze_group, {700}, false},
};

/* The helper hears that it may begin, and about whom, through one pipe, and says that it
 * is over by its end. */
static void play_helper(void *with)
{
    const struct kind *kind = with;
    if (read(ready.out, &alone, sizeof alone) != sizeof alone)
        _exit(1);
    kind->stop();
}

static struct gate over;
static atomic_int pushed;
static int64_t pushed_ns;

static void play_worker(void *with)
{
    const int64_t *limit_ms = with;
    scope_push("work");
    scope_expect((uint64_t)*limit_ms);
    pushed++;
    gate_wait(&over);
    scope_pop();
}

/* stop KIND */
static void stage_stop(char **arguments)
{
    static const char *const names[] = {"worker-1", "worker-2", "worker-3"};
    const struct kind *kind = kinds;
    struct actor *workers[3];
    int count = 0;
    while (strcmp(kind->name, arguments[0]) != 0)
        kind++;
    program = getpid();
    gate_make(&ready);
    pid_t helper = fork_helper(play_helper, (void *)(uintptr_t)kind);
    prctl(PR_SET_PTRACER, helper);
    gate_make(&over);
    begin();
    pushed_ns = now_ns();
    for (; count < 3 && kind->limits_ms[count]; count++)
        workers[count] =
            enter(names[count], play_worker, (void *)(uintptr_t)&kind->limits_ms[count]);
    while (pushed < count)
        sleep_ms(1);
    pid_t whom = kind->alone ? actor_tid(workers[0]) : 0;
    int status;
    if (write(ready.in, &whom, sizeof whom) != sizeof whom)
        end();
    while (waitpid(helper, &status, 0) < 0)
        continue;
    gate_open(&over);
    for (int i = 0; i < count; i++)
        leave(workers[i]);
    fact("all_ms", "%lld", (long long)((now_ns() - pushed_ns) / 1000000));
    fact("shortest_ms", "%lld", (long long)kind->limits_ms[0]);
    sleep_ms(50); /* the monitor's sleep goes on for a little: it tells PAUSED at its end */
    end();
}

const struct situation stop_situations[] = {{"stop", stage_stop}, {NULL, NULL}};
