/* See crowd.h. Each thread has a lock of its own to wait with: a common one, given
 * up by ten thousand threads in turn, would be what is measured. */
#include "bench.h"
#include "crowd.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define STACK_BYTES (64 * 1024)

struct thread {
    struct crowd_member member;
    pthread_t id;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    crowd_work *work; /* NULL = none */
};

static struct thread *threads;
static unsigned threads_count;
static _Atomic unsigned begun, done;

static void leave(struct crowd_member *member)
{
    (void)member;
    pthread_exit(NULL);
}

static crowd_work *await_work(struct thread *thread)
{
    pthread_mutex_lock(&thread->lock);
    while (!thread->work)
        pthread_cond_wait(&thread->changed, &thread->lock);
    crowd_work *work = thread->work;
    thread->work = NULL;
    pthread_mutex_unlock(&thread->lock);
    return work;
}

static void *be_thread(void *argument)
{
    struct thread *thread = argument;
    for (;;) {
        crowd_work *work = await_work(thread);
        atomic_fetch_add(&begun, 1);
        work(&thread->member);
        atomic_fetch_add(&done, 1);
    }
    return NULL;
}

static void give_work(struct thread *thread, crowd_work *work)
{
    pthread_mutex_lock(&thread->lock);
    thread->work = work;
    pthread_cond_signal(&thread->changed);
    pthread_mutex_unlock(&thread->lock);
}

static bool start_one(struct thread *thread, const pthread_attr_t *attributes)
{
    pthread_mutex_init(&thread->lock, NULL);
    pthread_cond_init(&thread->changed, NULL);
    return pthread_create(&thread->id, attributes, be_thread, thread) == 0;
}

unsigned crowd_start(unsigned count)
{
    pthread_attr_t attributes;
    threads = calloc(count, sizeof *threads);
    if (!threads || pthread_attr_init(&attributes) != 0)
        abort();
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (threads_count = 0; threads_count < count; threads_count++)
        if (!start_one(&threads[threads_count], &attributes))
            break;
    pthread_attr_destroy(&attributes);
    return threads_count;
}

void crowd_end(void)
{
    for (unsigned i = 0; i < threads_count; i++)
        give_work(&threads[i], leave);
    for (unsigned i = 0; i < threads_count; i++)
        pthread_join(threads[i].id, NULL);
    free(threads);
    threads_count = 0;
}

static void wait_until(_Atomic unsigned *counter)
{
    while (atomic_load(counter) < threads_count)
        bench_sleep(0.2 * MS);
}

void crowd_begin(crowd_work *work)
{
    atomic_store(&begun, 0);
    atomic_store(&done, 0);
    for (unsigned i = 0; i < threads_count; i++)
        give_work(&threads[i], work);
    wait_until(&begun);
}

void crowd_wait(void)
{
    wait_until(&done);
    bench_sleep(0.5 * MS); /* from the counting to the waiting */
}

void crowd_all(crowd_work *work)
{
    crowd_begin(work);
    crowd_wait();
}

clockid_t crowd_clock(unsigned i)
{
    clockid_t clock;
    if (pthread_getcpuclockid(threads[i].id, &clock) != 0)
        abort();
    return clock;
}
