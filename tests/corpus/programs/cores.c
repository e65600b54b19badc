/* Threads that run, and threads that would like to. */
#define _GNU_SOURCE
#include "situations.h"

#include <heartline/scope.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_bool is_over;
static atomic_int running;

static void spin(void)
{
    while (!is_over)
        watch_me();
}

static void spin_in_calls(void)
{
    while (!is_over) {
        watch_me();
        for (int i = 0; i < 1000; i++)
            syscall(SYS_getppid);
    }
}

/* As often on a core as asleep; with other things to run, it waits as well. */
static void spin_half(void)
{
    while (!is_over) {
        watch_me();
        struct timespec used;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
        int64_t until = used.tv_sec * INT64_C(1000000000) + used.tv_nsec + 4000000;
        do
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
        while (used.tv_sec * INT64_C(1000000000) + used.tv_nsec < until);
        sleep_ms(4);
    }
}

struct suspect {
    void (*prepare)(void); /* or NULL; it may sleep */
    void (*work)(void);    /* in the scope */
};

static void play_suspect(void *with)
{
    const struct suspect *suspect = with;
    if (suspect->prepare)
        suspect->prepare();
    scope_push("work");
    suspect->work();
    scope_pop();
}

static struct actor *enter_suspect(void (*prepare)(void), void (*work)(void))
{
    static struct suspect suspect;
    suspect = (struct suspect){prepare, work};
    return enter("suspect", play_suspect, &suspect);
}

/* To the reminder of twice the limit: the longer, the nearer to the truth. */
static void see_it_through(struct actor *suspect)
{
    hear_stall_of("/suspect");
    is_over = true;
    leave(suspect);
    hear_recovered(1);
}

static void stage_spin(char **arguments)
{
    begin();
    bool in_calls = *arguments && strcmp(*arguments, "calls") == 0;
    see_it_through(enter_suspect(NULL, in_calls ? spin_in_calls : spin));
    end();
}

static void stage_half(char **arguments)
{
    (void)arguments;
    begin();
    see_it_through(enter_suspect(NULL, spin_half));
    end();
}

/* ---- too many for the cores --------------------------------------------------------------------- */

static void stay_on_first_core(void)
{
    cpu_set_t mine, first;
    sched_getaffinity(0, sizeof mine, &mine);
    int core = 0;
    while (!CPU_ISSET(core, &mine))
        core++;
    CPU_ZERO(&first);
    CPU_SET(core, &first);
    stage_needs(sched_setaffinity(0, sizeof first, &first) == 0, "sched_setaffinity");
}

static void play_on_first_core(void *with)
{
    (void)with;
    stay_on_first_core();
    running++;
    spin();
}

static void stage_crowd(char **arguments)
{
    static const char *const names[] = {"other-1", "other-2", "other-3", "other-4", "other-5"};
    struct actor *others[5];
    (void)arguments;
    begin();
    for (int i = 0; i < 5; i++)
        others[i] = enter(names[i], play_on_first_core, NULL);
    while (running < 5)
        sleep_ms(1);
    see_it_through(enter_suspect(stay_on_first_core, spin));
    for (int i = 0; i < 5; i++)
        leave(others[i]);
    end();
}

static void be_nice_on_first_core(void)
{
    stage_needs(setpriority(PRIO_PROCESS, (id_t)gettid(), 19) == 0, "setpriority");
    stay_on_first_core();
}

static void stage_nice(char **arguments)
{
    (void)arguments;
    begin();
    struct actor *other = enter("other", play_on_first_core, NULL);
    while (running < 1)
        sleep_ms(1);
    see_it_through(enter_suspect(be_nice_on_first_core, spin));
    leave(other);
    end();
}

/* ---- a quota -------------------------------------------------------------------------------------- */

static char group[512], group_above[400];

/* v2 where it has the controller, else v1. */
static bool make_group(void)
{
    static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    char controllers[256];
    for (size_t i = 0; i < 2; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/cgroup.controllers", roots[i]);
        if (!read_text(path, controllers, sizeof controllers))
            continue;
        snprintf(path, sizeof path, "%s/cgroup.subtree_control", roots[i]);
        snprintf(group_above, sizeof group_above, "%s", roots[i]);
        snprintf(group, sizeof group, "%s/heartline-corpus-%d", roots[i], (int)getpid());
        if (strstr(controllers, "cpu") && write_text(path, "+cpu") && mkdir(group, 0755) == 0)
            return true;
    }
    snprintf(group_above, sizeof group_above, "/sys/fs/cgroup/cpu");
    snprintf(group, sizeof group, "%s/heartline-corpus-%d", group_above, (int)getpid());
    return mkdir(group, 0755) == 0;
}

static bool write_in(const char *folder, const char *name, const char *text)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return write_text(path, text);
}

static void leave_group(void)
{
    int why = errno;
    write_in(group_above, "cgroup.procs", "0");
    rmdir(group);
    errno = why;
}

/* A fifth of a core. */
static void stage_quota(char **arguments)
{
    (void)arguments;
    stage_needs(make_group(), "no cgroup with a quota can be made");
    bool is_set = write_in(group, "cpu.max", "20000 100000") ||
                  (write_in(group, "cpu.cfs_period_us", "100000") &&
                   write_in(group, "cpu.cfs_quota_us", "20000"));
    bool is_in = is_set && write_in(group, "cgroup.procs", "0");
    if (!is_in)
        leave_group();
    stage_needs(is_in, "the quota cannot be set");
    begin();
    see_it_through(enter_suspect(NULL, spin));
    leave_group();
    end();
}

const struct situation core_situations[] = {
    {"spin", stage_spin}, {"half", stage_half},   {"crowd", stage_crowd},
    {"nice", stage_nice}, {"quota", stage_quota}, {NULL, NULL},
};
