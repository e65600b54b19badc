/* Callbacks that are slow, hang, stop the monitor or fork: sinks MODE. */
#define _GNU_SOURCE
#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static sem_t entered, released;
static _Atomic bool is_done, hangs;

static void fact(const char *name, long long value)
{
    char text[96];
    int length = snprintf(text, sizeof text, "%s %lld\n", name, value);
    if (write(STDOUT_FILENO, text, (size_t)length) != length)
        _exit(99);
}

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void nap(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static int start(monitor_sink sink)
{
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = 10;
    options.sink = sink;
    return monitor_start_with(&options);
}

/* ---- a sink that calls us back --------------------------------------------------- */

static void stop_it(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)length;
    if (!strstr(line, " beat ") || is_done)
        return;
    SCOPE("in the sink");
    fact("stop_in_sink", monitor_stop());
    fact("start_in_sink", monitor_start());
    fact("beat_in_sink", monitor_beat());
    is_done = true;
}

static void deadlock(void)
{
    fact("start", start(stop_it));
    while (!is_done)
        nap(5);
    fact("stop", monitor_stop());
}

/* ---- a sink that hangs ------------------------------------------------------------- */

static void hang(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)line, (void)length;
    if (!hangs)
        return;
    hangs = false;
    sem_post(&entered);
    while (sem_wait(&released) != 0 && errno == EINTR)
        continue;
}

static void start_and_hang(void)
{
    hangs = true;
    fact("start", start(hang));
    sem_wait(&entered);
}

static int timed_stop(void)
{
    long long began = now_ns();
    int result = monitor_stop();
    fact("stop_us", (now_ns() - began) / 1000);
    fact("stop", result);
    return result;
}

static void blocked(void)
{
    start_and_hang();
    timed_stop();
    fact("start", start(hang));
    fact("beat", monitor_beat());
    timed_stop();
    sem_post(&released);
    int again = -EBUSY;
    for (int i = 0; i < 3000 && again == -EBUSY; i++) {
        again = start(hang);
        nap(again == -EBUSY ? 5 : 0);
    }
    fact("again", again);
    fact("again_stop", monitor_stop());
}

static void exit_while_blocked(void)
{
    start_and_hang();
    fact("exit_ns", now_ns());
    exit(5);
}

static void *stop_in_thread(void *unused)
{
    fact("stop_in_thread", monitor_stop());
    return unused;
}

/* A thread that is cancelled in monitor_stop must leave nothing locked. */
static void cancelled(void)
{
    pthread_t thread;
    start_and_hang();
    pthread_create(&thread, NULL, stop_in_thread, NULL);
    nap(50);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    fact("start", start(hang));
    sem_post(&released);
    fact("exit_ns", now_ns());
}

static void exit_while_another_stops_now(void)
{
    pthread_t thread;
    start_and_hang();
    pthread_create(&thread, NULL, stop_in_thread, NULL);
    nap(20);
    fact("exit_ns", now_ns());
    exit(6);
}

/* ---- cancellation in a scope ---------------------------------------------------------- */

static _Atomic bool is_reported, is_cancelled, has_popped;

static void see_stall(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)line, (void)length;
    if (level == MONITOR_WARNING)
        is_reported = true;
}

static void *pop_while_cancelled(void *unused)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    scope_push("stall");
    while (!is_reported || !is_cancelled)
        nap(5);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    scope_pop(); /* wakes the monitor */
    scope_push("again");
    scope_expect(10); /* likewise */
    monitor_beat();
    has_popped = true;
    pthread_testcancel();
    return unused;
}

/* Scopes are no cancellation points: the program would lose a thread in the middle
 * of its work, and the monitor would wait for it. */
static void cancelled_in_scope(void)
{
    pthread_t thread;
    monitor_options options;
    monitor_options_default(&options);
    options.stall_ms = 20;
    options.sink = see_stall;
    fact("start", monitor_start_with(&options));
    pthread_create(&thread, NULL, pop_while_cancelled, NULL);
    nap(50);
    pthread_cancel(thread);
    is_cancelled = true;
    pthread_join(thread, NULL);
    fact("popped", has_popped);
    timed_stop();
}

/* ---- a sink that forks --------------------------------------------------------------- */

static void fork_in_sink(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)length;
    if (!strstr(line, " beat ") || is_done)
        return;
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        scope_push("child");
        scope_pop();
        fact("stop_in_child", monitor_stop());
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    fact("child_ended", status);
    is_done = true;
}

static void forks(void)
{
    fact("start", start(fork_in_sink));
    while (!is_done)
        nap(5);
    fact("stop", monitor_stop());
}

static void exit_in_sink(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)length;
    if (strstr(line, " beat "))
        exit(8);
}

static void exits(void)
{
    fact("start", start(exit_in_sink));
    for (;;)
        nap(1000);
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*tell)(void);
    } modes[] = {{"deadlock", deadlock},
                 {"blocked", blocked},
                 {"exit", exit_while_blocked},
                 {"cancel", cancelled},
                 {"cancel-in-scope", cancelled_in_scope},
                 {"fork", forks},
                 {"exit-in-sink", exits},
                 {"exit-beside-stop", exit_while_another_stops_now}};
    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    for (size_t i = 0; count == 2 && i < sizeof modes / sizeof *modes; i++)
        if (strcmp(arguments[1], modes[i].name) == 0) {
            modes[i].tell();
            return 0;
        }
    return 99;
}
