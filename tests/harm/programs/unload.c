/* Not linked with the library: unload LIBRARY LOG TIMES loads it, starts the monitor,
 * unloads it while a thread has a scope, and waits until the log has grown; every
 * second time the monitor is stopped in between. */
#include "../patience.h"

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static sem_t has_pushed, is_unloaded;
static void (*push)(const char *, size_t, unsigned, const void *, const char *);

static void *library;

static void fail(const char *what)
{
    fprintf(stderr, "unload: %s\n", what);
    _exit(1);
}

static void load(const char *path)
{
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fail(dlerror());
}

static void find(const char *name, void *function)
{
    void *address = dlsym(library, name);
    if (!address)
        fail(name);
    *(void **)function = address;
}

static void start(void)
{
    int (*monitor_start)(void);
    find("monitor_start", &monitor_start);
    if (monitor_start() != 0)
        fail("monitor_start");
}

static void stop(void)
{
    int (*monitor_stop)(void);
    find("monitor_stop", &monitor_stop);
    if (stop_at_last(monitor_stop) != 0)
        fail("monitor_stop");
}

/* Its end runs a destructor of the library's. */
static void *be_in_scope(void *nothing)
{
    push("unloaded", SIZE_MAX, 0, __builtin_frame_address(0), __func__);
    sem_post(&has_pushed);
    sem_wait(&is_unloaded);
    return nothing;
}

static long long size_of(const char *path)
{
    struct stat is;
    return stat(path, &is) == 0 ? (long long)is.st_size : 0;
}

static void await_growth(const char *path)
{
    const struct timespec nap = {0, 1000000};
    long long before = size_of(path);
    for (int i = 0; i < 60000 && size_of(path) == before; i++)
        nanosleep(&nap, NULL);
    if (size_of(path) == before)
        fail("the monitor did not go on");
}

static void do_once(const char *path, const char *log, int number)
{
    pthread_t thread;
    load(path);
    find("monitor_scope_push", &push);
    start();
    if (pthread_create(&thread, NULL, be_in_scope, NULL) != 0)
        fail("no thread");
    sem_wait(&has_pushed);
    dlclose(library);
    sem_post(&is_unloaded);
    pthread_join(thread, NULL);
    await_growth(log);
    if (number % 2 == 0)
        return;
    load(path);
    stop();
    dlclose(library);
}

int main(int count, char **arguments)
{
    if (count != 4)
        return 99;
    sem_init(&has_pushed, 0, 0);
    sem_init(&is_unloaded, 0, 0);
    for (int i = 0; i < atoi(arguments[3]); i++)
        do_once(arguments[1], arguments[2], i);
    return 0;
}
