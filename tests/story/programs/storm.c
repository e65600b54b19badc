/* Forks from many threads at once while the monitor beats: storm THREADS FORKS.
 * Each child uses what the parent may have held: scopes, memory, the monitor. */
#define _GNU_SOURCE
#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic int forked, failed, hung; /* failed: with which error */
static int forks_each;

static void be_a_child(int number)
{
    alarm(30);
    void *memory = malloc(1000 + (size_t)number);
    scope_push("child");
    SCOPE_PROGRESS(done, "count", 3);
    scope_progress_add(done, 1);
    scope_pop();
    free(memory);
    int error = 0;
    if (number % 8 == 0)
        error = monitor_start();
    else if (number % 8 == 1)
        error = monitor_beat() >= 0;
    if (error == 0)
        error = monitor_stop();
    _exit(-error & 0x7f);
}

static void *fork_often(void *unused)
{
    scope_push("fork often");
    for (int i = 0; i < forks_each; i++) {
        scope_pushf("fork %d", i);
        int status;
        pid_t child = fork();
        if (child == 0)
            be_a_child(i);
        waitpid(child, &status, 0);
        forked++;
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
            failed = WEXITSTATUS(status);
        hung += WIFSIGNALED(status);
        scope_pop();
    }
    scope_pop();
    return unused;
}

int main(int count, char **arguments)
{
    pthread_t threads[16];
    int thread_count = count == 3 ? atoi(arguments[1]) : 0;
    if (thread_count < 1 || thread_count > 16)
        return 99;
    forks_each = atoi(arguments[2]) / thread_count;
    if (monitor_start() != 0)
        return 98;
    for (int i = 0; i < thread_count; i++)
        pthread_create(&threads[i], NULL, fork_often, NULL);
    for (int i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    printf("forked %d\nfailed %d\nhung %d\n", forked, failed, hung);
    fflush(stdout);
    return 0;
}
