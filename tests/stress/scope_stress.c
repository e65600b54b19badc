/* Eight threads push and pop at full speed, signal handlers among them, while
 * one reader looks at all of them; nothing it is told may be false.
 *
 *     scope_stress [--catch] [SECONDS]
 *     scope_stress --scopes COUNT
 *
 * Each label says of itself: kind, depth, serial number, its parent's serial,
 * the thread, and a checksum over all that and a filler of random length. So a
 * torn label, a label at a wrong depth or of another thread, and a path that
 * never existed are all seen. A reader that only ever met resting threads would
 * prove nothing: too few whole or too few partial reads are a failure, too.
 *
 * --catch turns it round: linked with a reader that does not look twice
 * (snapshot.c with -DHL_SNAPSHOT_LOOKS_TWICE=0), it must catch a torn label.
 */
#define _GNU_SOURCE
#include "../../monitor/registry.h"
#include "../../monitor/snapshot.h"
#include "../../platform/platform.h"

#include <heartline/scope.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 8
#define DEEPEST 40 /* beyond HL_DEPTH on purpose */
#define SIGNALS_PER_S 5000
#define ENOUGH_WHOLE 1000
#define ENOUGH_PARTIAL 1000

enum { SKIP = 77 };

/* What a label says; all of it is text, so that it holds no NUL. */
enum {
    AT_KIND = 0,
    AT_DEPTH = 1,
    AT_SERIAL = 3,
    AT_PARENT = 11,
    AT_TID = 19,
    AT_FILLER = 27,
    SUM_BYTES = 8,
    SHORTEST = AT_FILLER + SUM_BYTES
};

struct worker {
    pthread_t thread;
    _Atomic bool ready;
    uint64_t tid;
    uint64_t random, random_in_handler;
    uint32_t serial, serial_in_handler;
    volatile uint32_t serial_at[2 * DEEPEST];
    bool slow;
    uint32_t resting;
    _Atomic uint64_t pushes, handled;
};

static struct worker workers[WORKERS];
static _Thread_local struct worker *volatile self;
static _Atomic bool stopping, signals_stopping;
static _Atomic bool errno_changed;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* xorshift64 */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* ---- labels -------------------------------------------------------------------- */

static void put_hex(char *at, uint32_t value, int digits)
{
    for (int i = digits; i-- > 0; value >>= 4)
        at[i] = "0123456789abcdef"[value & 15];
}

static uint32_t get_hex(const char *at, int digits)
{
    uint32_t value = 0;
    for (int i = 0; i < digits; i++)
        value = value << 4 | (uint32_t)(at[i] <= '9' ? at[i] - '0' : at[i] - 'a' + 10);
    return value;
}

static uint32_t checksum(const char *label, size_t length)
{
    uint64_t sum = length;
    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = 0;
        memcpy(&word, label + i, length - i < 8 ? length - i : 8);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 29;
    }
    return (uint32_t)(sum >> 32);
}

static void write_label(char label[HL_LABEL_BYTES], char kind, uint32_t depth, uint32_t serial,
                        uint32_t parent, uint64_t tid, uint64_t random)
{
    size_t length = SHORTEST + random % (HL_LABEL_BYTES - SHORTEST);
    label[AT_KIND] = kind;
    put_hex(label + AT_DEPTH, depth, 2);
    put_hex(label + AT_SERIAL, serial, 8);
    put_hex(label + AT_PARENT, parent, 8);
    put_hex(label + AT_TID, (uint32_t)tid, 8);
    memset(label + AT_FILLER, 'a' + (int)(serial % 26), length - SHORTEST);
    put_hex(label + length - SUM_BYTES, checksum(label, length - SUM_BYTES), 8);
    label[length] = '\0';
}

/* ---- the writers ----------------------------------------------------------------- */

static uint64_t limit_ms_of(uint32_t serial)
{
    return serial % 1000 + 1;
}

static void linger(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++)
        __asm__ volatile("" ::: "memory");
}

static void visit(struct worker *worker, uint32_t depth);

static void stay(struct worker *worker, uint32_t depth)
{
    atomic_store_explicit(&worker->pushes,
                          atomic_load_explicit(&worker->pushes, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    uint64_t random = next_random(&worker->random);
    if (worker->slow)
        linger(random % 512);
    uint64_t goes_deeper = depth % 8 == 7 ? random % 4 == 0 : random % 8 != 0;
    for (uint64_t i = 0; depth + 1 < DEEPEST && goes_deeper && i < random / 8 % 3; i++)
        visit(worker, depth + 1);
}

static __attribute__((noinline)) void visit_block(struct worker *worker, char *label,
                                                  uint32_t depth)
{
    SCOPE(label);
    memset(label, '!', HL_LABEL_BYTES);
    stay(worker, depth);
}

static __attribute__((noinline)) void visit_waiting(struct worker *worker, char *label,
                                                    uint32_t depth)
{
    SCOPE_WAIT(label);
    memset(label, '!', HL_LABEL_BYTES);
    stay(worker, depth);
}

static __attribute__((noinline)) void visit_counter(struct worker *worker, char *label,
                                                    uint32_t depth, uint32_t serial)
{
    SCOPE_PROGRESS(done, label, serial);
    memset(label, '!', HL_LABEL_BYTES);
    scope_progress_add(done, serial);
    stay(worker, depth);
    scope_progress_add(done, serial);
}

static void visit_plain(struct worker *worker, char *label, uint32_t depth)
{
    scope_push(label);
    memset(label, '!', HL_LABEL_BYTES);
    stay(worker, depth);
    scope_pop();
}

static void visit_limited(struct worker *worker, char *label, uint32_t depth, uint32_t serial)
{
    scope_pushf("%s", label);
    memset(label, '!', HL_LABEL_BYTES);
    scope_expect(limit_ms_of(serial));
    stay(worker, depth);
    scope_expect(limit_ms_of(serial));
    scope_pop();
}

static void visit(struct worker *worker, uint32_t depth)
{
    char label[HL_LABEL_BYTES];
    uint64_t random = next_random(&worker->random);
    char kind = "ppbbwcl"[random % 7];
    uint32_t serial = ++worker->serial;
    uint32_t parent = depth > 0 ? worker->serial_at[depth - 1] : 0;
    worker->serial_at[depth] = serial;
    write_label(label, kind, depth, serial, parent, worker->tid, random >> 8);
    switch (kind) {
    case 'b':
        visit_block(worker, label, depth);
        break;
    case 'w':
        visit_waiting(worker, label, depth);
        break;
    case 'c':
        visit_counter(worker, label, depth, serial);
        break;
    case 'l':
        visit_limited(worker, label, depth, serial);
        break;
    default:
        visit_plain(worker, label, depth);
    }
}

/* Works at the depth that the record has at this very instruction. */
static void push_in_handler(struct worker *worker, int levels)
{
    struct hl_record *record = hl_registry_self();
    uint32_t depth = atomic_load_explicit(&record->depth, memory_order_relaxed);
    uint32_t covered = worker->serial_at[depth];
    uint32_t serial = 0x80000000u | ++worker->serial_in_handler;
    uint32_t parent = depth > 0 ? worker->serial_at[depth - 1] : 0;
    char label[HL_LABEL_BYTES];
    char kind = levels % 2 ? 'p' : 'c';
    write_label(label, kind, depth, serial, parent, worker->tid,
                next_random(&worker->random_in_handler) >> 8);
    worker->serial_at[depth] = serial;
    if (kind == 'p')
        scope_push(label);
    else
        scope_progress_add(scope_push_progress(label, serial), serial);
    memset(label, '!', sizeof label);
    if (levels > 1)
        push_in_handler(worker, levels - 1);
    else
        linger(next_random(&worker->random_in_handler) % 65536);
    scope_pop();
    worker->serial_at[depth] = covered;
}

static void handle(int number)
{
    (void)number;
    struct worker *worker = self;
    if (!worker)
        return;
    int saved = errno;
    errno = 1234;
    push_in_handler(worker, 3);
    if (errno != 1234)
        errno_changed = true;
    errno = saved;
    atomic_fetch_add_explicit(&worker->handled, 1, memory_order_relaxed);
}

/* Some threads churn on top of scopes that stay. */
static void churn_above(struct worker *worker, uint32_t depth)
{
    if (depth == worker->resting) {
        while (!stopping)
            visit(worker, depth);
        return;
    }
    char label[HL_LABEL_BYTES];
    uint32_t serial = ++worker->serial;
    uint32_t parent = depth > 0 ? worker->serial_at[depth - 1] : 0;
    worker->serial_at[depth] = serial;
    write_label(label, 'b', depth, serial, parent, worker->tid, next_random(&worker->random));
    SCOPE(label);
    churn_above(worker, depth + 1);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    worker->tid = hl_plat_thread_id();
    scope_push("first");
    scope_pop();
    self = worker;
    worker->ready = true;
    churn_above(worker, 0);
    return NULL;
}

static void *send_signals(void *argument)
{
    (void)argument;
    struct timespec pause = {0, 100000};
    uint64_t began = now_ns(), sent = 0;
    while (!signals_stopping) {
        nanosleep(&pause, NULL);
        uint64_t due = (now_ns() - began) / (1000000000 / SIGNALS_PER_S);
        for (; sent < due && !signals_stopping; sent++) /* under valgrind it may be far behind */
            pthread_kill(workers[sent % WORKERS].thread, SIGPROF);
    }
    return NULL;
}

/* ---- the reader ------------------------------------------------------------------- */

static struct {
    uint64_t reads, whole, whole_deep, partial, scopes, with_handler, beyond;
} seen;

static bool only_torn; /* nothing but the labels themselves is looked at */

static const char *label_is_false(const struct hl_scope *scope, uint32_t frame, uint64_t tid)
{
    const char *label = scope->label;
    size_t length = strlen(label);
    if (length < SHORTEST)
        return "too short";
    if (get_hex(label + length - SUM_BYTES, 8) != checksum(label, length - SUM_BYTES))
        return "the checksum is wrong";
    if (get_hex(label + AT_DEPTH, 2) != frame)
        return "pushed at another depth";
    if (get_hex(label + AT_TID, 8) != (uint32_t)tid)
        return "of another thread";
    return NULL;
}

static const char *figures_are_false(const struct hl_scope *scope)
{
    char kind = scope->label[AT_KIND];
    uint32_t serial = get_hex(scope->label + AT_SERIAL, 8);
    if (scope->waiting != (kind == 'w'))
        return "waiting is wrong";
    if (scope->has_limit && (kind != 'l' || scope->limit_ns != limit_ms_of(serial) * 1000000))
        return "the limit is another scope's";
    if (scope->has_counter != (kind == 'c'))
        return "has_counter is wrong";
    if (scope->has_counter && (scope->total != serial || scope->current % serial != 0 ||
                               scope->current > 2 * (uint64_t)serial || !(scope->generation & 1)))
        return "the counter is another scope's";
    return NULL;
}

static const char *path_is_false(const struct hl_stack *stack, uint32_t at)
{
    const struct hl_scope *scope = &stack->scopes[at];
    uint32_t parent = get_hex(scope->label + AT_PARENT, 8);
    if (stack->whole && stack->frame[at] != at)
        return "whole, but a frame is missing";
    if (stack->frame[at] == 0)
        return parent != 0 ? "outermost with a parent" : NULL;
    if (at == 0 || stack->frame[at - 1] + 1 != stack->frame[at])
        return NULL; /* the frame between was in work */
    if (parent != get_hex(stack->scopes[at - 1].label + AT_SERIAL, 8))
        return "a path that never existed";
    if (scope->pushed_ns < stack->scopes[at - 1].pushed_ns)
        return "older than its parent";
    return NULL;
}

static const char *stack_is_false(const struct hl_stack *stack, uint32_t *at)
{
    uint32_t kept = stack->depth < HL_DEPTH ? stack->depth : HL_DEPTH;
    if (!only_torn && stack->whole && stack->count != kept)
        return "whole, but not all";
    for (*at = 0; *at < stack->count; ++*at) {
        const struct hl_scope *scope = &stack->scopes[*at];
        const char *why = label_is_false(scope, stack->frame[*at], stack->tid);
        if (!why && !only_torn)
            why = figures_are_false(scope);
        if (!why && !only_torn)
            why = path_is_false(stack, *at);
        if (why)
            return why;
        seen.with_handler += get_hex(scope->label + AT_SERIAL, 8) >> 31;
    }
    return NULL;
}

static void count(const struct hl_stack *stack)
{
    seen.reads++;
    seen.scopes += stack->count;
    seen.partial += !stack->whole;
    seen.whole += stack->whole && stack->count > 0;
    seen.whole_deep += stack->whole && stack->count > 2;
    seen.beyond += stack->whole && stack->depth > HL_DEPTH;
}

static bool read_all(void)
{
    for (uint32_t i = 0, records = hl_registry_count(); i < records; i++) {
        static struct hl_stack stack;
        uint32_t at = 0;
        if (!hl_snapshot(hl_registry_record(i), i, &stack))
            continue;
        const char *why = stack_is_false(&stack, &at);
        if (why) {
            printf("false read %llu: %s: record %u, frame %u, label '%s' (%s)\n",
                   (unsigned long long)seen.reads, why, i, stack.frame[at], stack.scopes[at].label,
                   stack.whole ? "whole" : "partial");
            return false;
        }
        count(&stack);
    }
    return true;
}

static void start(void)
{
    static const uint32_t resting[WORKERS] = {0, 0, 0, 3, 4, 12, 28, 31};
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigaction(SIGPROF, &action, NULL);
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i].random = 0x1234567 * (i + 1);
        workers[i].random_in_handler = 0x7654321 * (i + 1);
        workers[i].slow = i % 2;
        workers[i].resting = resting[i];
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    for (size_t i = 0; i < WORKERS; i++)
        while (!workers[i].ready)
            sched_yield();
}

static void print_counts(double seconds)
{
    uint64_t pushes = 0, handled = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        pushes += workers[i].pushes;
        handled += workers[i].handled;
    }
    printf("%.1f s: %llu pushes, %llu signals handled, %llu reads: %llu whole (%llu deep, %llu "
           "beyond 32), %llu partial; %llu scopes read, %llu of handlers\n",
           seconds, (unsigned long long)pushes, (unsigned long long)handled,
           (unsigned long long)seen.reads, (unsigned long long)seen.whole,
           (unsigned long long)seen.whole_deep, (unsigned long long)seen.beyond,
           (unsigned long long)seen.partial, (unsigned long long)seen.scopes,
           (unsigned long long)seen.with_handler);
}

/* No scope is lost or ended twice, whatever the handlers did in between. */
static bool records_are_in_order(void)
{
    struct hl_losses losses;
    hl_registry_losses(&losses);
    if (losses.unbalanced || losses.repaired || losses.vanished)
        printf("unbalanced %llu, repaired %llu, vanished %llu\n",
               (unsigned long long)losses.unbalanced, (unsigned long long)losses.repaired,
               (unsigned long long)losses.vanished);
    uint64_t open = 0;
    for (uint32_t i = 0, records = hl_registry_count(); i < records; i++)
        for (size_t k = 0; k < HL_COUNTERS; k++)
            open += hl_counter_get(&hl_registry_record(i)->counters[k].generation) != 0;
    if (open)
        printf("%llu counters were never closed\n", (unsigned long long)open);
    if (errno_changed)
        printf("errno was changed\n");
    return !losses.unbalanced && !losses.repaired && !losses.vanished && !open && !errno_changed;
}

static bool saw_enough(void)
{
    if (seen.whole >= ENOUGH_WHOLE && seen.whole_deep >= ENOUGH_WHOLE / 10 &&
        seen.partial >= ENOUGH_PARTIAL)
        return true;
    printf("too few whole or partial reads: this proves nothing\n");
    return false;
}

int main(int count, char **arguments)
{
    bool catches = count > 1 && strcmp(arguments[1], "--catch") == 0;
    only_torn = catches;
    bool counts = count > 2 && strcmp(arguments[1], "--scopes") == 0;
    uint64_t scopes = counts ? strtoull(arguments[2], NULL, 10) : UINT64_MAX;
    double seconds = counts ? HUGE_VAL : count > 1 + catches ? atof(arguments[1 + catches]) : 10;
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        printf("needs two processors\n");
        return SKIP;
    }
    start();
    pthread_t signals;
    pthread_create(&signals, NULL, send_signals, NULL);
    uint64_t began = now_ns();
    bool good = true;
    while (good && seen.scopes < scopes && (double)(now_ns() - began) / 1e9 < seconds)
        good = read_all();
    double passed = (double)(now_ns() - began) / 1e9;
    /* First, so that none comes to a thread that ends: qemu dies of that now and then (6 of
     * 140 runs beside a load; 0 of 140 so). */
    signals_stopping = true;
    pthread_join(signals, NULL);
    stopping = true;
    for (size_t i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    print_counts(passed);
    if (catches) {
        printf(good ? "not caught\n" : "caught after %.3f s\n", passed);
        return good;
    }
    good = records_are_in_order() && good;
    return good && saw_enough() ? 0 : 1;
}
