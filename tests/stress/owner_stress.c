/* Four threads hand over contended mutexes of every kind, while one looks at
 * those that wait: whoever is named as the owner must have been it.
 *
 *     owner_stress [--catch] [SECONDS]
 *
 * The truth is written down by those who hold: each hold of a mutex has a number,
 * and a note of whose it was. A name is right when, at one and the same time of
 * the look, that thread held the mutex and the other one waited for it. A hold that
 * was over before, one that came later, and one that began when the waiter had
 * got what it waited for and gone its way are all seen. It looks for SECONDS
 * (20), and longer, up to three times, until 10,000 owners were named; fewer are
 * a failure.
 *
 * --catch turns it round: linked with a rule that does not ask whether the waiter
 * sat still (owner.c with -DHL_OWNER_ASKS_STEADY=0), it must catch a wrong name.
 */
#define _GNU_SOURCE
#include "../../monitor/owner.h"
#include "../../platform/platform.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 4
#define ENOUGH 10000
#define PATIENCE 3
#define LOG 4096 /* holds that are remembered of each mutex, and waits of each worker */
#define TURN_NS 50000000u
#define SECOND UINT64_C(1000000000)

enum { SKIP = 77 };

/* ---- the mutexes ------------------------------------------------------------------ */

struct kind {
    const char *name;
    int type, robustness, sharing, protocol;
    bool is_timed;
};

static const struct kind kinds[] = {
    {"normal", PTHREAD_MUTEX_NORMAL, 0, 0, 0, false},
    {"recursive", PTHREAD_MUTEX_RECURSIVE, 0, 0, 0, false},
    {"errorcheck", PTHREAD_MUTEX_ERRORCHECK, 0, 0, 0, false},
#ifdef __GLIBC__
    {"adaptive", PTHREAD_MUTEX_ADAPTIVE_NP, 0, 0, 0, false},
#endif
    {"robust", PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, 0, 0, false},
    {"shared", PTHREAD_MUTEX_NORMAL, 0, PTHREAD_PROCESS_SHARED, 0, false},
    {"pi", PTHREAD_MUTEX_NORMAL, 0, 0, PTHREAD_PRIO_INHERIT, false},
    {"timed", PTHREAD_MUTEX_NORMAL, 0, 0, 0, true},
    {"timed-robust", PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, 0, 0, true},
    {"timed-pi", PTHREAD_MUTEX_RECURSIVE, 0, 0, PTHREAD_PRIO_INHERIT, true},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

enum phase { HELD, RELEASING, RELEASED };

struct lock {
    pthread_mutex_t mutex;
    _Atomic uint64_t truth; /* number of the latest hold * 4 + its phase */
    _Atomic unsigned char holder_of[LOG];
    bool exists;
    uint64_t looks, named, wrong;
};

static struct lock locks[KINDS];
static _Atomic unsigned turn; /* the kind that is handed over now */
static _Atomic bool stopping;

struct worker {
    pthread_t thread;
    _Atomic uint64_t tid;
    _Atomic uint64_t asked;        /* waits begun */
    _Atomic uint64_t got;          /* waits ended */
    _Atomic uint64_t hold_of[LOG]; /* which a wait ended in: its number * KINDS + the kind */
    uint64_t random;
};

static struct worker workers[WORKERS];

static bool make(struct lock *lock, const struct kind *kind)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, kind->type);
    bool made = pthread_mutexattr_setrobust(&attributes, kind->robustness) == 0 &&
                pthread_mutexattr_setpshared(&attributes, kind->sharing) == 0 &&
                pthread_mutexattr_setprotocol(&attributes, kind->protocol) == 0 &&
                pthread_mutex_init(&lock->mutex, &attributes) == 0;
    pthread_mutexattr_destroy(&attributes);
    return made;
}

/* ---- those who hand over ------------------------------------------------------------ */

/* xorshift64 */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void linger(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++)
        __asm__ volatile("" ::: "memory");
}

static void nap(long ns)
{
    nanosleep(&(struct timespec){0, ns}, NULL);
}

static void take(struct lock *lock, const struct kind *kind)
{
    struct timespec end;
    int error;
    if (kind->is_timed) {
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += 3600;
        error = pthread_mutex_timedlock(&lock->mutex, &end);
    } else {
        error = pthread_mutex_lock(&lock->mutex);
    }
    if (error) {
        fprintf(stderr, "a %s mutex could not be locked: %s\n", kind->name, strerror(error));
        abort();
    }
}

/* Mostly as fast as can be, now and then long enough for others to fall asleep. */
static void stay(uint64_t random, uint64_t rarely)
{
    if (random % rarely == 0)
        nap(20000 + (long)(random / rarely % 100000));
    else
        linger(random / rarely % 8192);
}

static void hand_over(struct worker *self, unsigned kind)
{
    struct lock *lock = &locks[kind];
    uint64_t wait = atomic_load(&self->asked) + 1;
    atomic_store(&self->asked, wait);
    take(lock, &kinds[kind]);
    uint64_t hold = atomic_load(&lock->truth) / 4 + 1;
    atomic_store(&lock->holder_of[hold % LOG], (unsigned char)(self - workers));
    atomic_store(&lock->truth, hold * 4 + HELD);
    atomic_store(&self->hold_of[wait % LOG], hold * KINDS + kind);
    atomic_store(&self->got, wait);
    stay(next_random(&self->random), 4);
    uint64_t leaving = hold * 4 + RELEASING;
    atomic_store(&lock->truth, leaving);
    pthread_mutex_unlock(&lock->mutex);
    atomic_compare_exchange_strong(&lock->truth, &leaving, hold * 4 + RELEASED);
}

static void *work(void *argument)
{
    struct worker *self = argument;
    atomic_store(&self->tid, hl_plat_thread_id());
    while (!atomic_load(&stopping)) {
        hand_over(self, atomic_load(&turn));
        stay(next_random(&self->random), 16);
    }
    return NULL;
}

/* ---- the one who looks ------------------------------------------------------------------ */

static int find_worker(uint64_t tid)
{
    for (int i = 0; i < WORKERS; i++)
        if (atomic_load(&workers[i].tid) == tid)
            return i;
    return -1;
}

/* The records of one look. Where they end, a hold may have begun that was not
 * written down yet, and one that was given up may not be over: hence one more. */
struct span {
    uint64_t first_wait, last_wait; /* of the waiter */
    uint64_t first_hold, last_hold; /* of the mutex */
};

static bool has_held(const struct lock *lock, int worker, uint64_t first, uint64_t last)
{
    for (uint64_t hold = first; hold <= last; hold++)
        if (atomic_load(&lock->holder_of[hold % LOG]) == worker)
            return true;
    return false;
}

/* Which hold a wait for that kind of mutex ended in; 0 when it was for another kind. */
static uint64_t hold_after(const struct worker *waiter, uint64_t wait, unsigned kind)
{
    uint64_t hold = atomic_load(&waiter->hold_of[wait % LOG]);
    return hold % KINDS == kind ? hold / KINDS : 0;
}

/* Who held the mutex during a wait is known when that has ended. */
static bool is_right(const struct worker *waiter, unsigned kind, uint64_t owner,
                     const struct span *span)
{
    for (uint64_t wait = span->first_wait; wait <= span->last_wait; wait++) {
        while (atomic_load(&waiter->got) < wait)
            nap(10000);
        uint64_t before = hold_after(waiter, wait - 1, kind);
        uint64_t after = hold_after(waiter, wait, kind);
        uint64_t first = before < span->first_hold ? span->first_hold : before + 1;
        uint64_t last = after <= span->last_hold ? after : span->last_hold + 1;
        if (after > 0 && has_held(&locks[kind], find_worker(owner), first, last - 1))
            return true;
    }
    return false;
}

static bool is_named(struct hl_plat *plat, uint64_t waiter, const struct hl_plat_look *look)
{
    struct hl_plat_thread_state owner;
    struct hl_owner_facts facts = {.waiter = waiter, .look = look};
    if (!hl_owner_is_asked(look) || !(look->known & HL_KNOWN(HL_PLAT_HOLDER)))
        return false;
    facts.owner_lives = hl_plat_thread_state(plat, look->mutex.owner, &owner);
    facts.owner_age_ns = facts.owner_lives ? owner.age_ns : 0;
    return hl_owner_is_certain(&facts);
}

static void begin_span(struct span *span, const struct worker *waiter, unsigned kind)
{
    span->first_wait = atomic_load(&waiter->got) + 1;
    uint64_t truth = atomic_load(&locks[kind].truth);
    span->first_hold = truth / 4 + (truth % 4 == RELEASED);
}

static void end_span(struct span *span, const struct worker *waiter, unsigned kind)
{
    span->last_wait = atomic_load(&waiter->asked);
    span->last_hold = atomic_load(&locks[kind].truth) / 4 + 1;
}

/* A waiter that still waits for the kind before is not looked at. */
static void look_at(struct hl_plat *plat, const struct worker *waiter, unsigned kind)
{
    struct hl_plat_look look;
    struct span span;
    struct lock *lock = &locks[kind];
    uint64_t tid = atomic_load(&waiter->tid);
    begin_span(&span, waiter, kind);
    if (atomic_load(&waiter->asked) < span.first_wait || !hl_plat_look(plat, tid, &look) ||
        look.address != (uintptr_t)&lock->mutex)
        return;
    lock->looks++;
    if (!is_named(plat, tid, &look))
        return;
    end_span(&span, waiter, kind);
    lock->named++;
    lock->wrong += !is_right(waiter, kind, look.mutex.owner, &span);
}

struct sum {
    uint64_t named, wrong;
};

static struct sum sum_up(void)
{
    struct sum sum = {0, 0};
    for (unsigned i = 0; i < KINDS; i++) {
        sum.named += locks[i].named;
        sum.wrong += locks[i].wrong;
    }
    return sum;
}

static void next_turn(void)
{
    unsigned next = atomic_load(&turn);
    do
        next = (next + 1) % KINDS;
    while (!locks[next].exists);
    atomic_store(&turn, next);
}

static void look_around(struct hl_plat *plat, bool catches, uint64_t seconds)
{
    uint64_t began = hl_plat_now_ns(), turned = began, time;
    while ((time = hl_plat_now_ns()) - began < PATIENCE * seconds * SECOND) {
        struct sum sum = sum_up();
        if (catches ? sum.wrong > 0 : time - began >= seconds * SECOND && sum.named >= ENOUGH)
            return;
        for (int i = 0; i < WORKERS; i++)
            look_at(plat, &workers[i], atomic_load(&turn));
        nap(20000);
        if (time - turned < TURN_NS)
            continue;
        next_turn();
        turned = time;
    }
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void learn(void)
{
    hl_plat_learn();
    while (hl_plat_is_learning())
        nap(1000000);
}

static void start_workers(void)
{
    for (int i = 0; i < WORKERS; i++) {
        workers[i].random = 0x9e3779b97f4a7c15u * (uint64_t)(i + 1);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            exit(SKIP);
    }
    for (int i = 0; i < WORKERS; i++)
        while (atomic_load(&workers[i].tid) == 0)
            nap(1000000);
}

static void stop_workers(void)
{
    atomic_store(&stopping, true);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
}

static void print(const char *why)
{
    for (unsigned i = 0; i < KINDS; i++)
        printf("%-13s %8llu looks %8llu named %4llu wrong\n", kinds[i].name,
               (unsigned long long)locks[i].looks, (unsigned long long)locks[i].named,
               (unsigned long long)locks[i].wrong);
    struct sum sum = sum_up();
    printf("%-13s %23llu named %4llu wrong\n", "all", (unsigned long long)sum.named,
           (unsigned long long)sum.wrong);
    if (sum.named == 0)
        printf("why no owner was named: %s\n", why);
}

/* Else nobody is ever named. */
static bool can_look(struct hl_plat *plat)
{
    struct hl_plat_look look;
    if (hl_plat_look(plat, hl_plat_thread_id(), &look) && look.known & HL_KNOWN(HL_PLAT_SYSCALL))
        return true;
    printf("no owner can be named: %s\n", hl_plat_why(plat, HL_PLAT_SYSCALL));
    return false;
}

int main(int argc, char **argv)
{
    bool catches = argc > 1 && strcmp(argv[1], "--catch") == 0;
    const char *seconds = argc > 1 + catches ? argv[1 + catches] : "20";
    struct hl_plat *plat = hl_plat_open();
    if (!plat || strcmp(hl_plat_name, "linux") != 0 || !can_look(plat))
        return SKIP;
    learn();
    for (unsigned i = 0; i < KINDS; i++)
        locks[i].exists = make(&locks[i], &kinds[i]);
    start_workers();
    look_around(plat, catches, strtoull(seconds, NULL, 10));
    stop_workers();
    print(hl_plat_why(plat, HL_PLAT_HOLDER));
    struct sum sum = sum_up();
    if (sum.named == 0)
        return SKIP;
    if (catches)
        return sum.wrong > 0 ? 0 : 1;
    if (sum.named < ENOUGH)
        printf("fewer than %d were named in the time there was\n", ENOUGH);
    return sum.wrong == 0 && sum.named >= ENOUGH ? 0 : 1;
}
