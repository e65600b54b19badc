/* See child.h. posix_spawn, not fork: a copy of a process with 10,000 stacks
 * would cost the child more than what it does, and that is what is measured. */
#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_SUCH_PROGRAM 127

extern char **environ;

/* `output` = -1: nowhere. */
static pid_t start(const char *const *arguments, int output)
{
    pid_t child = -1;
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (output < 0)
        posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    else
        posix_spawn_file_actions_adddup2(&files, output, 1);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    if (posix_spawnp(&child, arguments[0], &files, NULL, (char *const *)arguments, environ) != 0)
        child = -1;
    posix_spawn_file_actions_destroy(&files);
    return child;
}

static double ns_of(struct timeval time)
{
    return (double)time.tv_sec * 1e9 + (double)time.tv_usec * 1e3;
}

static void await(pid_t pid, struct bench_child *child)
{
    int status;
    struct rusage used;
    child->status = NO_SUCH_PROGRAM;
    if (pid < 0 || wait4(pid, &status, 0, &used) != pid)
        return;
    child->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    child->cpu_ns = ns_of(used.ru_utime) + ns_of(used.ru_stime);
}

struct bench_child bench_child_run(const char *const *arguments)
{
    struct bench_child child = {0};
    await(start(arguments, -1), &child);
    return child;
}

static void keep_last_line(int descriptor, char *kept, size_t size)
{
    char line[200];
    FILE *output = fdopen(descriptor, "r");
    while (output && fgets(line, sizeof line, output))
        snprintf(kept, size, "%.*s", (int)strcspn(line, "\n"), line);
    if (output)
        fclose(output);
}

struct bench_child bench_child_ask(const char *const *arguments)
{
    int ends[2];
    struct bench_child child = {.status = NO_SUCH_PROGRAM};
    if (pipe(ends) != 0)
        return child;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    pid_t pid = start(arguments, ends[1]);
    close(ends[1]);
    keep_last_line(ends[0], child.last_line, sizeof child.last_line);
    await(pid, &child);
    return child;
}

pid_t bench_child_start(const char *const *arguments)
{
    return start(arguments, -1);
}

void bench_child_end(pid_t child)
{
    if (child > 0 && kill(child, SIGTERM) == 0)
        waitpid(child, NULL, 0);
}
