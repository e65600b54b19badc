/* tests/selftest/work.c - threads that use a known amount of CPU.
 *
 * Each says by its own CPU clock how much it really got, because a busy machine
 * gives less than was asked for: figures are compared with that, not with the
 * plan alone.
 */
#include "selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(clockid_t clock)
{
    struct timespec time = {0, 0};

    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

void sleep_until(double when)
{
    double left;

    while ((left = when - now()) > 0) {
        struct timespec time = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
        nanosleep(&time, NULL);
    }
}

double process_cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

unsigned usable_cores(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count > 0 ? (unsigned)count : 1;
}

/* ---- workers ------------------------------------------------------------------------ */

static void burn(struct worker *worker)
{
    while (now() < worker->burn_until) {
        for (volatile unsigned i = 0; i < 100000; i++)
            continue;
        atomic_store(&worker->used_ns, (uint64_t)(seconds_of(CLOCK_THREAD_CPUTIME_ID) * 1e9));
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;

    if (worker->name)
        name_own_thread(worker->name);
    atomic_store(&worker->tid, own_thread_id());
    burn(worker);
    sleep_until(worker->leave_at);
    return NULL;
}

void start_worker(struct worker *worker)
{
    int error = pthread_create(&worker->thread, NULL, work, worker);

    if (error) {
        printf("pthread_create: %s", strerror(error));
        exit(FAIL);
    }
    while (atomic_load(&worker->tid) == 0)
        sleep_until(now() + 0.001);
}

void join_workers(struct worker *workers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        pthread_join(workers[i].thread, NULL);
}

double workers_cpu_seconds(const struct worker *workers, unsigned count)
{
    double sum = 0;

    for (unsigned i = 0; i < count; i++)
        sum += (double)atomic_load(&workers[i].used_ns) / 1e9;
    return sum;
}

const monitor_thread_metrics *find_thread(const monitor_metrics *metrics, uint64_t tid)
{
    for (size_t i = 0; i < metrics->thread_count; i++)
        if (metrics->threads[i].tid == tid)
            return &metrics->threads[i];
    return NULL;
}

bool is_on_platform(const char *name)
{
    monitor_metrics metrics;
    bool is_so = monitor_sample(0, &metrics) == 0 && strcmp(metrics.platform, name) == 0;

    monitor_metrics_release(&metrics);
    return is_so;
}
