/* What threads wait for that nobody holds: each is ended by the main thread. */
#define _GNU_SOURCE
#include "situations.h"

#include <heartline/scope.h>

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t semaphore;
static struct gate gate;
static struct actor *sleeper;
static pthread_t joined;
static atomic_bool is_signalled, is_ready;

static void tell_object(const void *object, size_t size)
{
    fact_address("object", object);
    fact("object_size", "%zu", size);
}

/* ---- each wait and its end -------------------------------------------------------------------- */

static void wait_condvar(void)
{
    pthread_mutex_lock(&mutex);
    while (!is_signalled)
        pthread_cond_wait(&condition, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void end_condvar(void)
{
    pthread_mutex_lock(&mutex);
    is_signalled = true;
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&mutex);
}

static void wait_semaphore(void)
{
    while (sem_wait(&semaphore) != 0)
        continue;
}

static void end_semaphore(void)
{
    sem_post(&semaphore);
}

static void wait_reading(void)
{
    pthread_rwlock_rdlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
}

static void wait_writing(void)
{
    pthread_rwlock_wrlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
}

static void end_rwlock(void)
{
    pthread_rwlock_unlock(&rwlock);
}

static void wait_barrier(void)
{
    pthread_barrier_wait(&barrier);
}

static void wait_join(void)
{
    pthread_join(joined, NULL);
}

static void open_gate(void)
{
    gate_open(&gate);
}

static void initialise(void)
{
    is_ready = true;
    gate_wait(&gate);
}

static void wait_once(void)
{
    pthread_once(&once, initialise);
}

/* ---- what must be there before ------------------------------------------------------------------ */

static void *sleep_at_gate(void *with)
{
    _Atomic pid_t *tid = with;
    pthread_setname_np(pthread_self(), "joined");
    *tid = gettid();
    gate_wait(&gate);
    return NULL;
}

static void prepare_join(void)
{
    static _Atomic pid_t tid;
    pthread_create(&joined, NULL, sleep_at_gate, &tid);
    while (tid == 0)
        sleep_ms(1);
    fact("joined", "%d", (int)tid);
}

static void call_once(void *with)
{
    (void)with;
    wait_once();
}

static void prepare_once(void)
{
    sleeper = enter("first", call_once, NULL);
    await(&is_ready);
}

static void prepare_reading(void)
{
    pthread_rwlock_wrlock(&rwlock);
}

static void prepare_writing(void)
{
    pthread_rwlock_rdlock(&rwlock);
}

static void prepare_barrier(void)
{
    pthread_barrier_init(&barrier, NULL, 2);
}

static void prepare_semaphore(void)
{
    sem_init(&semaphore, 0, 0);
}

static const struct kind {
    const char *name;
    void (*prepare)(void);
    void (*wait)(void);
    void (*over)(void);
    const void *object;
    size_t size;
} kinds[] = {
    {"condvar", NULL, wait_condvar, end_condvar, &condition, sizeof condition},
    {"semaphore", prepare_semaphore, wait_semaphore, end_semaphore, &semaphore, sizeof semaphore},
    {"read-lock", prepare_reading, wait_reading, end_rwlock, &rwlock, sizeof rwlock},
    {"write-lock", prepare_writing, wait_writing, end_rwlock, &rwlock, sizeof rwlock},
    {"barrier", prepare_barrier, wait_barrier, wait_barrier, &barrier, sizeof barrier},
    {"join", prepare_join, wait_join, open_gate, NULL, 0},
    {"once", prepare_once, wait_once, open_gate, &once, sizeof once},
};

static void play_waiter(void *with)
{
    const struct kind *kind = with;
    scope_push("wait");
    kind->wait();
    scope_pop();
}

/* wait KIND */
static void stage_wait(char **arguments)
{
    const struct kind *kind = kinds;
    while (strcmp(kind->name, arguments[0]) != 0)
        kind++;
    gate_make(&gate);
    tell_object(kind->object, kind->size);
    begin();
    if (kind->prepare)
        kind->prepare();
    struct actor *waiter = enter("waiter", play_waiter, (void *)(uintptr_t)kind);
    hear_stall_of("/waiter");
    kind->over();
    leave(waiter);
    if (sleeper)
        leave(sleeper);
    hear_recovered(1);
    end();
}

/* ---- a condition variable that takes its mutex again ----------------------------------------------- */

static void wait_signalled(void *with)
{
    (void)with;
    pthread_mutex_lock(&mutex);
    is_ready = true;
    while (!is_signalled)
        pthread_cond_wait(&condition, &mutex);
    pthread_mutex_unlock(&mutex);
    scope_pop();
}

/* Signals, and keeps the mutex. It pushes nothing before the waiter is in its wait. */
static void signal_and_keep(void *with)
{
    (void)with;
    scope_push("hold the lock");
    scope_expect(0);
    pthread_mutex_lock(&mutex);
    is_signalled = true;
    pthread_cond_signal(&condition);
    gate_wait(&gate);
    pthread_mutex_unlock(&mutex);
    scope_pop();
}

static void push_and_wait(void *with)
{
    scope_push("wait");
    wait_signalled(with);
}

static void stage_condvar_mutex(char **arguments)
{
    (void)arguments;
    gate_make(&gate);
    fact_address("lock", &mutex);
    begin();
    struct actor *waiter = enter("waiter", push_and_wait, NULL);
    await(&is_ready);
    struct actor *holder = enter("holder", signal_and_keep, NULL);
    hear_stall_of("/waiter");
    end_wait(&gate, holder, waiter);
}

const struct situation wait_situations[] = {
    {"wait", stage_wait},
    {"condvar-mutex", stage_condvar_mutex},
    {NULL, NULL},
};
