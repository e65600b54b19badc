/* See crowd.h. */
#include "crowd.h"

#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define STACK_BYTES 65536
#define ROOM 64 /* threads, where a limit was hit: programs are to be started beside them */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Atomic size_t arrived;
static _Atomic bool is_over;
static pthread_t *threads;
static size_t count;

static void *wait_at_gate(void *nothing)
{
    arrived++;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return nothing;
}

static void *spin(void *nothing)
{
    arrived++;
    while (!is_over)
        continue;
    return nothing;
}

static void small_stack(pthread_attr_t *how)
{
    long least = sysconf(_SC_THREAD_STACK_MIN);
    pthread_attr_init(how);
    pthread_attr_setstacksize(how, least > STACK_BYTES ? (size_t)least : STACK_BYTES);
}

/* Returns how many could be started. */
static size_t start(size_t wanted, void *(*run)(void *))
{
    pthread_attr_t how;
    size_t before = count;
    small_stack(&how);
    while (count - before < wanted && pthread_create(&threads[count], &how, run, NULL) == 0)
        count++;
    pthread_attr_destroy(&how);
    return count - before;
}

static void await_all(void)
{
    while (arrived < count)
        bench_sleep(MS);
    bench_sleep(20 * MS); /* the last ones are on their way to the gate */
}

size_t crowd_start(size_t waiting, size_t spinning)
{
    threads = malloc((waiting + spinning) * sizeof *threads);
    if (!threads)
        abort();
    pthread_mutex_lock(&gate);
    size_t started = start(waiting, wait_at_gate);
    if (started < waiting) {
        crowd_end();
        return started > ROOM ? crowd_start(started - ROOM, spinning) : 0;
    }
    start(spinning, spin);
    await_all();
    return started;
}

void crowd_end(void)
{
    is_over = true;
    pthread_mutex_unlock(&gate);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    arrived = count = 0;
    is_over = false;
}
