/* A program that knows nothing of us: not linked with the library, no scope.
 *
 *     plain env              its environment, a line each
 *     plain arguments ...    what it was called with, a line each, argv[0] first
 *     plain sleep MS
 *     plain load LIBRARY ... calls its `main` with the rest
 *     plain exec PROGRAM ... becomes it, by its path
 *     plain spawn PROGRAM .. starts it and waits for it
 *     plain nobody PROCESSES PROGRAM ...  becomes it without the rights of root, as a user
 *                            who may have so many processes
 *     plain forbid call|memory PROGRAM ...  becomes it, without process_vm_readv; without
 *                            /proc/self/mem, too
 *     plain fork MS          a child of its own that sleeps, and is waited for
 *     plain deadlock MS      two threads with two locks, and the end after MS
 */
#define _GNU_SOURCE
#include "../../forbid.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static void sleep_ms(const char *text)
{
    long ms = atol(text);
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static int show(char **lines)
{
    for (; *lines; lines++)
        puts(*lines);
    return 0;
}

static int become(char **arguments)
{
    execv(arguments[0], arguments);
    return 96;
}

static bool become_nobody(rlim_t processes)
{
    const struct rlimit most = {processes, processes};
    return setgid(65534) == 0 && setrlimit(RLIMIT_NPROC, &most) == 0 && setuid(65534) == 0;
}

static bool forbid_copying(const char *what)
{
    bool is_all = strcmp(what, "memory") == 0;
    return forbid(SYS_process_vm_readv, EPERM) && (!is_all || forbid_memory_file(EPERM));
}

static int load(int count, char **arguments)
{
    void *library = dlopen(arguments[0], RTLD_NOW);
    if (!library)
        return 94;
    int (*run)(int, char **);
    *(void **)&run = dlsym(library, "main");
    return run(count, arguments);
}

static int wait_for(pid_t child)
{
    int status;
    printf("child %d\n", (int)child);
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

static int start(char **arguments)
{
    pid_t child = fork();
    if (child == 0)
        _exit(become(arguments));
    return wait_for(child);
}

static int start_self(const char *ms)
{
    pid_t child = fork();
    if (child == 0) {
        sleep_ms(ms);
        exit(0);
    }
    return wait_for(child);
}

/* ---- deadlock ------------------------------------------------------------------------ */

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both_hold_one;

static void *lock_both(void *data)
{
    pthread_mutex_t **locks = data;
    pthread_mutex_lock(locks[0]);
    pthread_barrier_wait(&both_hold_one);
    pthread_mutex_lock(locks[1]);
    return NULL;
}

static int hang(const char *ms)
{
    static pthread_mutex_t *orders[2][2] = {{&first, &second}, {&second, &first}};
    pthread_t threads[2];
    printf("first %ju\nsecond %ju\n", (uintmax_t)(uintptr_t)&first, (uintmax_t)(uintptr_t)&second);
    pthread_barrier_init(&both_hold_one, NULL, 2);
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, lock_both, orders[i]) != 0 ||
            pthread_setname_np(threads[i], i == 0 ? "left" : "right") != 0)
            return 98;
    sleep_ms(ms);
    return 0;
}

int main(int count, char **arguments)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count == 2 && strcmp(arguments[1], "env") == 0)
        return show(environ);
    if (count < 3)
        return 99;
    if (strcmp(arguments[1], "arguments") == 0)
        return show(arguments);
    if (strcmp(arguments[1], "load") == 0)
        return load(count - 2, arguments + 2);
    if (strcmp(arguments[1], "exec") == 0)
        return become(arguments + 2);
    if (strcmp(arguments[1], "nobody") == 0)
        return become_nobody(strtoul(arguments[2], NULL, 10)) ? become(arguments + 3) : 95;
    if (strcmp(arguments[1], "forbid") == 0)
        return forbid_copying(arguments[2]) ? become(arguments + 3) : 93;
    if (strcmp(arguments[1], "spawn") == 0)
        return start(arguments + 2);
    if (strcmp(arguments[1], "fork") == 0)
        return start_self(arguments[2]);
    if (strcmp(arguments[1], "deadlock") == 0)
        return hang(arguments[2]);
    sleep_ms(arguments[2]);
    return 0;
}
