/* Threads are born and die at full speed, each with some scopes, while one
 * reader looks at all records.
 *
 *     churn_stress [SECONDS]
 *
 * Each label carries its thread's id, so a record that shows one thread the
 * scopes of another is seen. Some threads end with open scopes, some by
 * pthread_exit inside a SCOPE, some push in the destructors of their own data.
 * Records must be used again: their number stays at the peak of threads alive at
 * once, and every thread that left scopes open is counted.
 */
#define _GNU_SOURCE
#include "../../monitor/registry.h"
#include "../../monitor/snapshot.h"
#include "../../platform/platform.h"

#include <heartline/scope.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SPAWNERS 4
#define BATCH 6
#define ENOUGH_THREADS 1000
#define ENOUGH_SCOPES 1000

static _Atomic bool stopping;
static _Atomic uint32_t alive, peak;
static _Atomic uint64_t born, left_open;
static pthread_key_t late_key;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- those who live short ------------------------------------------------------ */

static void linger(void)
{
    for (int i = 0; i < 20000; i++)
        __asm__ volatile("" ::: "memory");
}

static __attribute__((noinline)) void nest(uint64_t tid, int depth)
{
    SCOPEF("tid=%llu nested %d", (unsigned long long)tid, depth);
    if (depth > 0)
        nest(tid, depth - 1);
    else
        linger();
}

static __attribute__((noinline)) void leave_from_inside(uint64_t tid)
{
    SCOPEF("tid=%llu left by pthread_exit", (unsigned long long)tid);
    linger();
    pthread_exit(NULL);
}

static void say_goodbye(void *value)
{
    (void)value;
    uint64_t tid = hl_plat_thread_id();
    scope_pushf("tid=%llu in a destructor", (unsigned long long)tid);
    linger();
    scope_pop();
}

enum { ENDS_EMPTY, ENDS_OPEN, ENDS_BY_EXIT, ENDS_WITH_A_PUSH, ENDINGS };

static void *live(void *argument)
{
    uintptr_t ending = (uintptr_t)argument;
    uint64_t tid = hl_plat_thread_id();
    scope_pushf("tid=%llu lives", (unsigned long long)tid);
    nest(tid, (int)(tid % 5));
    if (ending == ENDS_OPEN || ending == ENDS_BY_EXIT)
        atomic_fetch_add(&left_open, 1);
    if (ending == ENDS_OPEN)
        return NULL;
    if (ending == ENDS_BY_EXIT)
        leave_from_inside(tid);
    if (ending == ENDS_WITH_A_PUSH)
        pthread_setspecific(late_key, &stopping);
    scope_pop();
    return NULL;
}

/* ---- those who make them ---------------------------------------------------------- */

static void count_one_more(void)
{
    atomic_fetch_add(&born, 1);
    uint32_t now = atomic_fetch_add(&alive, 1) + 1;
    uint32_t most = peak;
    while (now > most && !atomic_compare_exchange_weak(&peak, &most, now))
        ;
}

static void *spawn(void *argument)
{
    (void)argument;
    pthread_t threads[BATCH];
    for (uintptr_t round = 0; !stopping; round++) {
        for (size_t i = 0; i < BATCH; i++) {
            count_one_more();
            if (pthread_create(&threads[i], NULL, live, (void *)((round + i) % ENDINGS)) != 0)
                abort();
        }
        for (size_t i = 0; i < BATCH; i++) {
            pthread_join(threads[i], NULL);
            atomic_fetch_sub(&alive, 1);
        }
    }
    return NULL;
}

/* ---- the reader ---------------------------------------------------------------------- */

static struct {
    uint64_t reads, changed, whole, partial, scopes;
} seen;

static bool stack_is_true(const struct hl_stack *stack)
{
    char owner[40];
    int length = snprintf(owner, sizeof owner, "tid=%llu ", (unsigned long long)stack->tid);
    for (uint32_t i = 0; i < stack->count; i++)
        if (strncmp(stack->scopes[i].label, owner, (size_t)length) != 0) {
            printf("thread %llu is shown with '%s'\n", (unsigned long long)stack->tid,
                   stack->scopes[i].label);
            return false;
        }
    seen.scopes += stack->count;
    seen.whole += stack->whole && stack->count > 0;
    seen.partial += !stack->whole;
    return true;
}

static bool read_all(void)
{
    for (uint32_t i = 0, records = hl_registry_count(); i < records; i++) {
        static struct hl_stack stack;
        seen.reads++;
        if (!hl_snapshot(hl_registry_record(i), i, &stack))
            seen.changed++; /* free, or given to another thread meanwhile */
        else if (!stack_is_true(&stack))
            return false;
    }
    return true;
}

/* ---- the verdict ----------------------------------------------------------------------- */

static bool nobody_is_left(void)
{
    uint32_t left = 0;
    for (uint32_t i = 0, records = hl_registry_count(); i < records; i++)
        left += hl_get(&hl_registry_record(i)->tid) != 0;
    if (left)
        printf("%u records are still taken\n", left);
    return !left;
}

static bool losses_are_exact(void)
{
    struct hl_losses losses;
    hl_registry_losses(&losses);
    if (losses.vanished == left_open && !losses.unbalanced && !losses.overflow)
        return true;
    printf("vanished %llu instead of %llu, unbalanced %llu, overflow %llu\n",
           (unsigned long long)losses.vanished, (unsigned long long)left_open,
           (unsigned long long)losses.unbalanced, (unsigned long long)losses.overflow);
    return false;
}

int main(int count, char **arguments)
{
    double seconds = count > 1 ? atof(arguments[1]) : 10;
    pthread_key_create(&late_key, say_goodbye);
    pthread_t spawners[SPAWNERS];
    uint64_t began = now_ns();
    for (size_t i = 0; i < SPAWNERS; i++)
        pthread_create(&spawners[i], NULL, spawn, NULL);
    bool good = true;
    while (good && (double)(now_ns() - began) / 1e9 < seconds)
        good = read_all();
    stopping = true;
    for (size_t i = 0; i < SPAWNERS; i++)
        pthread_join(spawners[i], NULL);
    printf("%llu threads, at most %u at once, %u records; %llu reads, %llu of free or changing "
           "records, %llu whole, %llu partial, %llu scopes\n",
           (unsigned long long)born, (unsigned)peak, (unsigned)hl_registry_count(),
           (unsigned long long)seen.reads, (unsigned long long)seen.changed,
           (unsigned long long)seen.whole, (unsigned long long)seen.partial,
           (unsigned long long)seen.scopes);
    good = nobody_is_left() && good;
    good = losses_are_exact() && good;
    if (hl_registry_count() > peak) {
        printf("records are not used again\n");
        good = false;
    }
    if (born < ENOUGH_THREADS || seen.scopes < ENOUGH_SCOPES) {
        printf("too little happened: this proves nothing\n");
        good = false;
    }
    return good ? 0 : 1;
}
