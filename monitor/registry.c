/* Records live in chunks of 64 that are mapped when the first thread needs one
 * and never unmapped: a reader can come late without harm. A record is claimed
 * from a list of returned ones (a stack whose head carries a tag, so that the
 * same index coming back is noticed) or else is the next one never used;
 * untouched ones cost address space only. All lock-free: the first push of a
 * thread may happen in a signal handler that interrupted another first push.
 *
 * A thread gives its record back from a pthread key's destructor, in its last
 * round, so that scopes in other destructors still work. Threads that end
 * without destructors are found by the monitor (picture.c), which reclaims.
 *
 * After a fork the child is one thread. Freeing the others' records at once
 * would copy every page of them, so the child only counts up an epoch; records
 * of an earlier epoch are freed when the child starts a monitor.
 */
#include "registry.h"

#include "departures.h"

#include "../platform/platform.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#ifdef HL_OWN_BY_KEY
#include <signal.h>
#endif

#define CHUNK 64u
#define CHUNKS 1024u /* 65,536 threads */

struct chunk {
    struct monitor_progress *counters; /* HL_COUNTERS for each record; NULL = no memory for them */
    struct hl_record records[CHUNK];
};

static _Atomic(struct chunk *) chunks[CHUNKS];
static _Atomic uint32_t used;       /* records ever claimed */
static _Atomic uint64_t free_head;  /* tag << 32 | index + 1 */
static _Atomic uint64_t lost;       /* first pushes that got no record */
static _Atomic uint64_t vanished;   /* threads that went with open scopes */
static _Atomic uint32_t fork_epoch; /* how many forks lie between us and the first process */
static _Atomic bool off;
unsigned char monitor_scopes_off;

/* ---- the key, and its destructor ------------------------------------------ */

pthread_key_t hl_own_key;
_Atomic int hl_own_key_state;

#ifdef PTHREAD_DESTRUCTOR_ITERATIONS
#define ROUNDS PTHREAD_DESTRUCTOR_ITERATIONS
#else
#define ROUNDS _POSIX_THREAD_DESTRUCTOR_ITERATIONS
#endif

/* ThreadSanitizer takes its own state down in the last round, and its callbacks
 * in our code would then crash: leave it that one (tsan_interceptors_posix.cpp). */
#if defined(__SANITIZE_THREAD__)
#define EXIT_ROUNDS (ROUNDS - 1)
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EXIT_ROUNDS (ROUNDS - 1)
#endif
#endif
#ifndef EXIT_ROUNDS
#define EXIT_ROUNDS ROUNDS
#endif

static void give_back(struct hl_record *record, bool by_itself);
static void thread_exits(void *record);

static bool key_is_ready(void)
{
    int state = atomic_load_explicit(&hl_own_key_state, memory_order_acquire);
    if (state == HL_KEY_NONE &&
        atomic_compare_exchange_strong(&hl_own_key_state, &state, HL_KEY_BEING_MADE)) {
        state = pthread_key_create(&hl_own_key, thread_exits) == 0 ? HL_KEY_GOOD : HL_KEY_REFUSED;
        atomic_store_explicit(&hl_own_key_state, state, memory_order_release);
    }
    return state == HL_KEY_GOOD;
}

static bool key_may_be_set(void)
{
    return key_is_ready() && hl_plat_key_is_signal_safe(hl_own_key);
}

/* In its destructor: another round comes. */
static bool stays(struct hl_record *record)
{
    return ++record->exit_rounds < EXIT_ROUNDS && pthread_setspecific(hl_own_key, record) == 0;
}

/* Early, so that the key is one of those that a signal handler may set, and
 * that a fork is noticed also where no monitor was ever started: the records of
 * the parent's threads would pass for the child's. */
__attribute__((constructor)) static void prepare(void)
{
    key_is_ready();
    pthread_atfork(NULL, NULL, hl_registry_after_fork_child);
}

/* ---- the calling thread's own (own.h) --------------------------------------- */

#ifndef HL_OWN_BY_KEY

_Thread_local _Atomic(struct hl_record *) hl_self;

static bool can_own(void)
{
    return true;
}

/* false: a signal handler was quicker, and *self is what it made. Without the hook for
 * its end (it would allocate, perhaps inside malloc) the thread is found by the monitor
 * when it has gone. */
static bool own(struct hl_record **self, struct hl_record *record)
{
    if (!atomic_compare_exchange_strong(&hl_self, self, record))
        return false;
    if (key_may_be_set())
        pthread_setspecific(hl_own_key, record);
    return true;
}

/* A thread that ended without its destructors leaves its values where it had its stack,
 * and the C library gives both to another thread: what is not the thread's own may be
 * anybody's by now. */
static void thread_exits(void *value)
{
    struct hl_record *record = value;
    if (record != hl_registry_self() || stays(record))
        return;
    atomic_store_explicit(&hl_self, HL_LEFT, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* no handler pushes onto what is given back */
    give_back(record, true);
}

#else

static void keep_handlers_out(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

static void let_handlers_in(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* What cannot be found again is not given away. */
static bool can_own(void)
{
    return key_may_be_set();
}

/* As above; also false, with *self NULL, when it cannot be kept. */
static bool own(struct hl_record **self, struct hl_record *record)
{
    sigset_t before;
    keep_handlers_out(&before);
    *self = hl_own();
    bool is_first = *self == NULL && pthread_setspecific(hl_own_key, record) == 0;
    let_handlers_in(&before);
    return is_first;
}

static void leave(struct hl_record *record)
{
    pthread_setspecific(hl_own_key, HL_LEFT);
    give_back(record, true);
}

/* The library took the value out of the key before it called this: a handler that
 * pushed since has got a record of its own. HL_LEFT comes back where there is a round
 * after the last that we take part in. */
static void thread_exits(void *value)
{
    sigset_t before;
    keep_handlers_out(&before);
    struct hl_record *meanwhile = hl_own();
    if (hl_is_record(meanwhile))
        give_back(meanwhile, true);
    if (!hl_is_record(value))
        pthread_setspecific(hl_own_key, HL_LEFT);
    else if (!stays(value))
        leave(value);
    let_handlers_in(&before);
}

#endif

/* ---- the pool ------------------------------------------------------------ */

static void push_free(struct hl_record *record)
{
    uint64_t head = atomic_load(&free_head);
    uint64_t next;
    do {
        atomic_store_explicit(&record->next_free, (uint32_t)head, memory_order_relaxed);
        next = ((head >> 32) + 1) << 32 | (record->index + 1);
    } while (!atomic_compare_exchange_weak(&free_head, &head, next));
}

static struct hl_record *pop_free(void)
{
    uint64_t head = atomic_load(&free_head);
    for (;;) {
        uint32_t first = (uint32_t)head;
        if (first == 0)
            return NULL;
        struct hl_record *record = hl_registry_record(first - 1);
        uint32_t second = atomic_load_explicit(&record->next_free, memory_order_relaxed);
        if (atomic_compare_exchange_weak(&free_head, &head, ((head >> 32) + 1) << 32 | second))
            return record;
    }
}

static bool chunk_is_there(uint32_t number)
{
    if (atomic_load_explicit(&chunks[number], memory_order_acquire))
        return true;
    size_t counters_size = sizeof(struct monitor_progress) * HL_COUNTERS * CHUNK;
    struct chunk *chunk = hl_plat_map(sizeof *chunk);
    if (!chunk)
        return false;
    chunk->counters = hl_plat_map(counters_size);
    struct chunk *nobody = NULL;
    if (!atomic_compare_exchange_strong(&chunks[number], &nobody, chunk)) {
        if (chunk->counters)
            hl_plat_unmap(chunk->counters, counters_size);
        hl_plat_unmap(chunk, sizeof *chunk);
    }
    return true;
}

static struct hl_record *claim_new(void)
{
    uint32_t next = atomic_load(&used);
    do {
        if (next >= CHUNK * CHUNKS || !chunk_is_there(next / CHUNK))
            return NULL;
    } while (!atomic_compare_exchange_weak(&used, &next, next + 1));
    struct chunk *chunk = atomic_load_explicit(&chunks[next / CHUNK], memory_order_acquire);
    struct hl_record *record = &chunk->records[next % CHUNK];
    record->index = next;
    if (chunk->counters)
        record->counters = chunk->counters + (size_t)(next % CHUNK) * HL_COUNTERS;
    return record;
}

static void give_back(struct hl_record *record, bool by_itself)
{
    if (atomic_load_explicit(&record->depth, memory_order_relaxed) > 0) {
        atomic_fetch_add_explicit(&vanished, 1, memory_order_relaxed);
        hl_departures_leave(record, by_itself);
    }
    hl_scope_clear(record, true);
    hl_release(&record->tid, 0);
    push_free(record);
}

/* ---- joining ------------------------------------------------------------- */

static struct hl_record *claim(void)
{
    int saved = errno;
    struct hl_record *record = pop_free();
    if (!record)
        record = claim_new();
    errno = saved;
    return record;
}

static void move_in(struct hl_record *record)
{
    record->exit_rounds = 0;
    record->ends_in_work = 0;
    record->stack_tries = 0;
    record->stack_low = record->stack_high = 0;
    atomic_store_explicit(&record->fork_epoch,
                          atomic_load_explicit(&fork_epoch, memory_order_relaxed),
                          memory_order_relaxed);
    hl_release(&record->popped_ns, 0);
    hl_release(&record->joined_ns, hl_plat_now_ns());
    hl_release(&record->tid, hl_plat_thread_id());
}

struct hl_record *hl_registry_join(void)
{
    struct hl_record *self = hl_registry_self();
    if (hl_is_record(self))
        return self;
    if (atomic_load_explicit(&off, memory_order_relaxed))
        return NULL;
    struct hl_record *record = self == HL_LEFT || !can_own() ? NULL : claim();
    if (!record && !hl_is_record(hl_registry_self())) {
        atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
        return NULL;
    }
    if (!record)
        return hl_registry_self();
    move_in(record);
    if (own(&self, record))
        return record;
    hl_release(&record->tid, 0); /* a signal handler joined in the lines above */
    push_free(record);
    if (!self)
        atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
    return self;
}

/* Scopes that are open already have pops to come: then the calls are not saved. */
void hl_registry_switch_off(bool value)
{
    atomic_store_explicit(&off, value, memory_order_relaxed);
    bool nobody_has_joined = hl_registry_count() == 0;
    __atomic_store_n(&monitor_scopes_off, value && nobody_has_joined, __ATOMIC_RELAXED);
}

bool hl_registry_is_off(void)
{
    return atomic_load_explicit(&off, memory_order_relaxed);
}

/* ---- visiting ------------------------------------------------------------ */

uint32_t hl_registry_count(void)
{
    return atomic_load_explicit(&used, memory_order_acquire);
}

struct hl_record *hl_registry_record(uint32_t index)
{
    struct chunk *chunk = atomic_load_explicit(&chunks[index / CHUNK], memory_order_acquire);
    return &chunk->records[index % CHUNK];
}

uint32_t hl_registry_find(uint64_t tid)
{
    for (uint32_t i = 0, count = hl_registry_count(); i < count; i++)
        if (hl_get(&hl_registry_record(i)->tid) == tid)
            return i;
    return HL_NO_RECORD;
}

uint64_t hl_registry_joined_ns(uint32_t index)
{
    return hl_acquire(&hl_registry_record(index)->joined_ns);
}

void hl_registry_reclaim(struct hl_record *record)
{
    if (hl_get(&record->tid) != 0)
        give_back(record, false);
}

void hl_registry_losses(struct hl_losses *losses)
{
    *losses = (struct hl_losses){
        .overflow = atomic_load_explicit(&lost, memory_order_relaxed),
        .vanished = atomic_load_explicit(&vanished, memory_order_relaxed),
    };
    for (uint32_t i = 0, count = hl_registry_count(); i < count; i++) {
        const struct hl_record *record = hl_registry_record(i);
        losses->overflow += hl_get(&record->overflow);
        losses->unbalanced += hl_get(&record->unbalanced);
        losses->repaired += hl_get(&record->repaired);
    }
}

/* ---- fork ---------------------------------------------------------------- */

void hl_registry_after_fork_child(void)
{
    uint32_t epoch = atomic_fetch_add(&fork_epoch, 1) + 1;
    struct hl_record *record = hl_registry_self();
    if (!hl_is_record(record))
        return;
    hl_release(&record->joined_ns, hl_plat_now_ns());
    hl_release(&record->tid, hl_plat_thread_id());
    atomic_store_explicit(&record->fork_epoch, epoch, memory_order_relaxed);
}

void hl_registry_forget_parents_threads(void)
{
    uint32_t epoch = atomic_load(&fork_epoch);
    hl_departures_forget();
    for (uint32_t i = 0, count = hl_registry_count(); i < count; i++) {
        struct hl_record *record = hl_registry_record(i);
        /* In this order: a thread that joins now stores its epoch before its tid. */
        bool is_free = hl_acquire(&record->tid) == 0;
        bool is_ours = atomic_load_explicit(&record->fork_epoch, memory_order_relaxed) == epoch;
        if (is_free || is_ours)
            continue;
        hl_scope_clear(record, false);
        hl_release(&record->tid, 0);
        push_free(record);
    }
}
