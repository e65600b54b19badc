/* Rights, and what other programs get from a monitored one: matrix rows 4 and 8.
 *
 * rights: copies of programs/privileged.c that are setuid, setgid and have a file
 * capability are run as uid 65534 with an environment full of orders: none is obeyed,
 * and the start line says so. The same copy without rights obeys.
 * setuid: the C library asks every thread of the process, so also the monitor's, to
 * change its rights; a thousand times there and back, then for good.
 * exec: a thousand programs each by vfork, posix_spawn and fork, amid the monitor's
 * readings, find none of our descriptors and variables.
 */
#define _GNU_SOURCE
#include "harm.h"
#include "patience.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define PATIENCE_MS 60000
#define INHERITED HARM_PROGRAMS "/harm-inherited"

extern char **environ;

/* ---- rights that come with a file ------------------------------------------------- */

static const char *rights_folder; /* everybody may read it and get rights in it */
static char folder_elsewhere[64];

static void remove_folder_elsewhere(void)
{
    rmdir(folder_elsewhere);
}

static bool gives_rights(const char *folder)
{
    struct statvfs is;
    return statvfs(folder, &is) == 0 && !(is.f_flag & (ST_NOSUID | ST_NOEXEC));
}

static bool find_folder(void)
{
    if (gives_rights(harm_folder())) {
        rights_folder = harm_folder();
        return chmod(rights_folder, 0755) == 0;
    }
    snprintf(folder_elsewhere, sizeof folder_elsewhere, "/var/tmp/heartline-harm-XXXXXX");
    if (!mkdtemp(folder_elsewhere))
        return false;
    atexit(remove_folder_elsewhere);
    rights_folder = folder_elsewhere;
    return gives_rights(rights_folder) && chmod(rights_folder, 0755) == 0;
}

static void copy_program(const char *to)
{
    size_t size;
    char *bytes = harm_read(HARM_PROGRAMS "/harm-privileged", &size);
    int file = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    if (!bytes || file < 0 || write(file, bytes, size) != (ssize_t)size)
        harm_broken("%s cannot be copied: %s", to, strerror(errno));
    fchmod(file, 0755);
    close(file);
    free(bytes);
}

static bool give_nothing(const char *path)
{
    return chmod(path, 0755) == 0;
}

static bool give_uid(const char *path)
{
    return chown(path, 0, 0) == 0 && chmod(path, 04755) == 0;
}

static bool give_gid(const char *path)
{
    return chown(path, 0, 0) == 0 && chmod(path, 02755) == 0;
}

static bool give_capability(const char *path)
{
    char command[256];
    snprintf(command, sizeof command,
             "PATH=$PATH:/usr/sbin:/sbin setcap cap_net_raw+ep '%s' 2>/dev/null", path);
    return system(command) == 0;
}

static _Noreturn void become_privileged(const char *path, const char *log, int output)
{
    const char *const orders[][2] = {
        {"INTERVAL", "77s"}, {"STALL", "88s"}, {"TAG", "orders"}, {"FORMAT", "json"}, {"LOG", log}};
    clearenv();
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        char name[32];
        snprintf(name, sizeof name, "HEARTLINE_%s", orders[i][0]);
        setenv(name, orders[i][1], 1);
    }
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        _exit(126);
    execl(path, "privileged", (char *)NULL);
    _exit(127);
}

static char *run_privileged(const char *path, const char *log)
{
    const char *output = harm_path("output");
    int file = open(output, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0666);
    pid_t pid = fork();
    if (file < 0 || pid < 0)
        harm_broken("%s: %s", output, strerror(errno));
    if (pid == 0)
        become_privileged(path, log, file);
    close(file);
    int status = harm_wait(pid, PATIENCE_MS);
    if (status != 0)
        harm_wrong("%s ended with %d", path, status);
    char *text = harm_read(output, NULL);
    return text ? text : strdup("");
}

static bool says(const char *text, const char *piece)
{
    return strstr(text, piece) != NULL;
}

static unsigned ignored;

/* The user's own file, which a program with rights must not open. */
static void judge_rights(const char *name, const char *text, const char *log, bool has_rights)
{
    struct stat is;
    bool is_obeyed = stat(log, &is) == 0 && is.st_size > 0;
    if (has_rights == is_obeyed)
        harm_wrong("%s: the log that the environment names was %s", name,
                   is_obeyed ? "written" : "not written");
    if (!has_rights)
        return;
    ignored += says(text, " environment=ignored") && !is_obeyed;
    if (!says(text, "] start ") || !says(text, " environment=ignored"))
        harm_wrong("%s: the start line does not say that the environment is ignored: %s", name,
                   text);
    if (!says(text, " interval=1m00s ") || !says(text, " stall=2m00s ") || says(text, "orders"))
        harm_wrong("%s: the environment was obeyed: %s", name, text);
}

struct kind {
    const char *name;
    bool (*give)(const char *path);
    bool has_rights;
};

static bool try_kind(const struct kind *kind)
{
    char in_folder[256], log_name[64];
    snprintf(in_folder, sizeof in_folder, "%s/%s", rights_folder, kind->name);
    snprintf(log_name, sizeof log_name, "open/%s.log", kind->name);
    const char *log = harm_path(log_name);
    copy_program(in_folder);
    if (!kind->give(in_folder)) {
        harm_not_run(kind->name, "the system does not allow it, or there is no setcap");
        unlink(in_folder);
        return false;
    }
    char *text = run_privileged(in_folder, log);
    bool is_tried = says(text, "secure 1") == kind->has_rights;
    if (is_tried)
        judge_rights(kind->name, text, log, kind->has_rights);
    else if (kind->has_rights)
        harm_not_run(kind->name, "the system gives no rights by it here");
    else
        harm_wrong("%s has rights", kind->name);
    free(text);
    unlink(in_folder);
    return is_tried;
}

static void rights_part(void)
{
    static const struct kind kinds[] = {{"without", give_nothing, false},
                                        {"setuid", give_uid, true},
                                        {"setgid", give_gid, true},
                                        {"capability", give_capability, true}};
    unsigned tried = 0;
    if (geteuid() != 0) {
        harm_not_run("setuid copies", "only root can make them");
        return;
    }
    if (!find_folder()) {
        harm_not_run("setuid copies", "/tmp and /var/tmp are mounted nosuid or noexec");
        return;
    }
    const char *open_folder = harm_path("open");
    if (mkdir(open_folder, 0777) != 0 || chmod(open_folder, 0777) != 0 ||
        chmod(harm_folder(), 0755) != 0)
        harm_broken("%s: %s", open_folder, strerror(errno));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        tried += try_kind(&kinds[i]) && kinds[i].has_rights;
    harm_part("%u of 3 kinds of rights that come with a file, environment ignored by %u", tried,
              ignored);
}

/* ---- setuid() with the monitor on --------------------------------------------------- */

#define MOST_SETUID_MS 1000

static void start_monitor(const char *log)
{
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = 10;
    options.log_path = log;
    int error = monitor_start_with(&options);
    if (error)
        harm_broken("monitor_start_with: %s", strerror(-error));
}

static size_t count_beats(const char *log)
{
    char *text = harm_read(log, NULL);
    size_t beats = text ? harm_lines_with(text, "] beat ") : 0;
    free(text);
    return beats;
}

static bool await_beats(const char *log, size_t count)
{
    uint64_t until = harm_now_ns() + PATIENCE_MS * UINT64_C(1000000);
    while (count_beats(log) < count && harm_now_ns() < until)
        harm_sleep_ms(5);
    return count_beats(log) >= count;
}

/* Of all threads of this process that have other rights than NOBODY's. */
static unsigned count_not_nobody(void)
{
    char path[300];
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        char *text = entry->d_name[0] == '.' ? NULL : harm_read(path, NULL);
        count += text && !strstr(text, "\nUid:\t65534\t65534\t65534\t65534\n");
        free(text);
    }
    if (tasks)
        closedir(tasks);
    return count;
}

static double took_ms(uint64_t began)
{
    return (double)(harm_now_ns() - began) / 1e6;
}

static double change_uid(int (*change)(uid_t), uid_t uid)
{
    uint64_t began = harm_now_ns();
    if (change(uid) != 0)
        harm_broken("setuid: %s", strerror(errno));
    return took_ms(began);
}

/* Returns the longest time. */
static double change_often(uint64_t times)
{
    double longest = 0;
    for (uint64_t i = 0; i < times; i++) {
        double away = change_uid(seteuid, NOBODY), back = change_uid(seteuid, 0);
        longest = away > longest ? away : longest;
        longest = back > longest ? back : longest;
    }
    return longest;
}

enum end { WELL, THREADS_KEPT_RIGHTS, CANNOT_STOP };

/* In a child: tells the longest time, and stops when it is told to. */
static enum end drop_rights(const char *log, int tell, int hear)
{
    char byte;
    start_monitor(log);
    scope_push("drop rights");
    double longest = change_often(harm_count(1000, 100));
    double last = change_uid(setuid, NOBODY);
    longest = last > longest ? last : longest;
    unsigned others = count_not_nobody();
    if (write(tell, &longest, sizeof longest) != sizeof longest)
        harm_broken("write: %s", strerror(errno));
    while (read(hear, &byte, 1) < 0 && errno == EINTR)
        continue;
    if (stop_at_last(monitor_stop) != 0)
        return CANNOT_STOP;
    return others > 0 ? THREADS_KEPT_RIGHTS : WELL;
}

static void judge_drop(const char *log, double longest)
{
    if (longest > MOST_SETUID_MS)
        harm_wrong("setuid took %.0f ms", longest);
    if (!await_beats(log, count_beats(log) + 3))
        harm_wrong("the monitor did not go on behind setuid");
}

static void setuid_part(void)
{
    const char *log = harm_path("setuid.log");
    int told[2], heard[2];
    double longest = 0;
    if (geteuid() != 0) {
        harm_not_run("setuid() beside a monitor", "only root has rights to drop");
        return;
    }
    if (pipe2(told, O_CLOEXEC) != 0 || pipe2(heard, O_CLOEXEC) != 0)
        harm_broken("pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        alarm(PATIENCE_MS / 1000);
        close(heard[1]);
        _exit((int)drop_rights(log, told[1], heard[0]));
    }
    close(told[1]);
    close(heard[0]);
    if (read(told[0], &longest, sizeof longest) == sizeof longest)
        judge_drop(log, longest);
    else
        harm_wrong("setuid does not return");
    close(heard[1]);
    close(told[0]);
    int status = harm_wait(pid, PATIENCE_MS);
    if (status == THREADS_KEPT_RIGHTS)
        harm_wrong("a thread kept its rights");
    else if (status != WELL)
        harm_wrong("the program that drops its rights ended with %d", status);
    harm_part("setuid() beside the monitor took at most %.1f ms, %zu heartbeats", longest,
              count_beats(log));
}

/* ---- exec ----------------------------------------------------------------------------- */

static char *const inherited[] = {(char *)"inherited", NULL};

static pid_t by_vfork(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execve(INHERITED, inherited, environ);
        _exit(127);
    }
    return pid;
}

static pid_t by_spawn(void)
{
    pid_t pid;
    return posix_spawn(&pid, INHERITED, NULL, NULL, inherited, environ) == 0 ? pid : -1;
}

static pid_t by_fork(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execve(INHERITED, inherited, environ);
        _exit(127);
    }
    return pid;
}

/* fork is the last: only it is noticed, and the log says so once. */
static const struct way {
    const char *name;
    pid_t (*launch)(void);
    size_t notes;
} ways[] = {{"vfork", by_vfork, 0}, {"posix_spawn", by_spawn, 0}, {"fork", by_fork, 1}};

static unsigned with_descriptors, with_variables;

static void take_status(const struct way *way, int status)
{
    with_descriptors += status == 1 || status == 3;
    with_variables += status == 2 || status == 3;
    if (status != 0)
        harm_wrong("a program started by %s ended with %d", way->name, status);
}

static void launch_often(const struct way *way, uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        SCOPE(way->name);
        monitor_beat(); /* so that files are open meanwhile */
        pid_t pid = way->launch();
        int status;
        if (pid < 0)
            harm_broken("%s: %s", way->name, strerror(errno));
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
        take_status(way, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    }
}

static size_t count_notes(const char *log)
{
    char *text = harm_read(log, NULL);
    size_t notes = text ? harm_lines_with(text, "] note ") : 0;
    free(text);
    return notes;
}

/* What we were started with, descriptors included, is not the library's. */
static void forget_inheritance(void)
{
    clearenv();
    setenv("A", "1", 1);
    setenv("B", "2", 1);
    for (int i = 3; i < 1024; i++)
        fcntl(i, F_SETFD, FD_CLOEXEC);
}

static void exec_part(void)
{
    const char *log = harm_path("exec.log");
    uint64_t times = harm_count(1000, 100);
    forget_inheritance();
    start_monitor(log);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        launch_often(&ways[i], times);
        await_beats(log, count_beats(log) + 2); /* by which a note would be there */
        if (count_notes(log) != ways[i].notes)
            harm_wrong("%zu notes of forks after %s, not %zu", count_notes(log), ways[i].name,
                       ways[i].notes);
    }
    if (stop_at_last(monitor_stop) != 0)
        harm_wrong("it cannot be stopped");
    harm_part("%llu programs each by vfork, posix_spawn and fork: %u had a descriptor, %u a "
              "variable of ours, %zu heartbeats",
              (unsigned long long)times, with_descriptors, with_variables, count_beats(log));
}

/* ---- all ------------------------------------------------------------------------------- */

static void all(void)
{
    rights_part();
    setuid_part();
    exec_part();
    harm_figure_of_parts();
}

int main(int argc, char **argv)
{
    static const struct harm_check checks[] = {{"all", all}, {NULL, NULL}};
    return harm_main(argc, argv, checks);
}
