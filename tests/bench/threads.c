/* See bench.h, "many threads". */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MOST_BURNERS 256
#define BURNERS_PER_CPU 2

static void start(pthread_t *thread, void *(*body)(void *), void *argument)
{
    if (pthread_create(thread, NULL, body, argument) == 0)
        return;
    fprintf(stderr, "bench: no more threads\n");
    exit(1);
}

void bench_start(pthread_t *threads, unsigned count, void *(*body)(void *number))
{
    for (unsigned i = 0; i < count; i++)
        start(&threads[i], body, (void *)(uintptr_t)i);
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

/* ---- threads that wait together ---- */

static void *wait_with_the_others(void *argument)
{
    struct bench_crowd *crowd = argument;
    if (crowd->enter)
        crowd->enter();
    pthread_mutex_lock(&crowd->lock);
    if (++crowd->arrived == crowd->count)
        pthread_cond_signal(&crowd->all_here);
    while (!crowd->is_over)
        pthread_cond_wait(&crowd->over, &crowd->lock);
    pthread_mutex_unlock(&crowd->lock);
    if (crowd->leave)
        crowd->leave();
    return NULL;
}

/* Two conditions: a thousand that wait must not wake each other up while they arrive. */
void bench_gather(struct bench_crowd *crowd, unsigned count, void (*enter)(void),
                  void (*leave)(void))
{
    *crowd = (struct bench_crowd){.count = count, .enter = enter, .leave = leave};
    pthread_mutex_init(&crowd->lock, NULL);
    pthread_cond_init(&crowd->all_here, NULL);
    pthread_cond_init(&crowd->over, NULL);
    crowd->threads = calloc(count + 1, sizeof *crowd->threads);
    if (!crowd->threads)
        abort();
    for (unsigned i = 0; i < count; i++)
        start(&crowd->threads[i], wait_with_the_others, crowd);
    pthread_mutex_lock(&crowd->lock);
    while (crowd->arrived < count)
        pthread_cond_wait(&crowd->all_here, &crowd->lock);
    pthread_mutex_unlock(&crowd->lock);
}

void bench_release(struct bench_crowd *crowd)
{
    pthread_mutex_lock(&crowd->lock);
    crowd->is_over = true;
    pthread_cond_broadcast(&crowd->over);
    pthread_mutex_unlock(&crowd->lock);
    bench_join(crowd->threads, crowd->count);
    free(crowd->threads);
}
