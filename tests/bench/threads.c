/* See bench.h, "many threads". */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MOST_BURNERS 256
#define BURNERS_PER_CPU 2

void bench_start(pthread_t *threads, unsigned count, void *(*body)(void *number))
{
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, body, (void *)(uintptr_t)i) != 0) {
            fprintf(stderr, "bench: no thread %u of %u\n", i + 1, count);
            exit(1);
        }
}

void bench_join(const pthread_t *threads, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

double bench_thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

/* ---- threads that keep every CPU busy ---- */

static pthread_t burners[MOST_BURNERS];
static _Atomic bool burning;

static void *burn(void *nothing)
{
    while (atomic_load_explicit(&burning, memory_order_relaxed))
        BENCH_USE(nothing);
    return nothing;
}

unsigned bench_burners(void)
{
    unsigned count = BURNERS_PER_CPU * bench_cpus();
    return count < MOST_BURNERS ? count : MOST_BURNERS;
}

void bench_burn(void)
{
    atomic_store(&burning, true);
    bench_start(burners, bench_burners(), burn);
}

void bench_stop_burning(void)
{
    if (atomic_exchange(&burning, false))
        bench_join(burners, bench_burners());
}

/* ---- threads that do nothing ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t all_here, over;
    pthread_t *threads;
    unsigned count, arrived;
    bool is_over;
    void (*enter)(void), (*leave)(void);
} parked = {.lock = PTHREAD_MUTEX_INITIALIZER,
            .all_here = PTHREAD_COND_INITIALIZER,
            .over = PTHREAD_COND_INITIALIZER};

static void *park(void *nothing)
{
    parked.enter();
    pthread_mutex_lock(&parked.lock);
    if (++parked.arrived == parked.count)
        pthread_cond_signal(&parked.all_here);
    while (!parked.is_over)
        pthread_cond_wait(&parked.over, &parked.lock);
    pthread_mutex_unlock(&parked.lock);
    parked.leave();
    return nothing;
}

void bench_park(unsigned count, void (*enter)(void), void (*leave)(void))
{
    parked.threads = calloc(count + 1, sizeof *parked.threads);
    if (!parked.threads)
        abort();
    parked.count = count;
    parked.arrived = 0;
    parked.is_over = false;
    parked.enter = enter;
    parked.leave = leave;
    bench_start(parked.threads, count, park);
    pthread_mutex_lock(&parked.lock);
    while (parked.arrived < count)
        pthread_cond_wait(&parked.all_here, &parked.lock);
    pthread_mutex_unlock(&parked.lock);
}

void bench_unpark(void)
{
    pthread_mutex_lock(&parked.lock);
    parked.is_over = true;
    pthread_cond_broadcast(&parked.over);
    pthread_mutex_unlock(&parked.lock);
    bench_join(parked.threads, parked.count);
    free(parked.threads);
}
