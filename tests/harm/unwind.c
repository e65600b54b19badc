/* Unwinding. Threads walk at random through scopes and leave them in every way there is:
 * pop, return, longjmp, siglongjmp out of a handler on the thread's stack and on one of its
 * own, C++ exceptions, pthread_exit, pthread_cancel; they forget pops, pop too often, go
 * deeper than is kept, change to a coroutine's stack and back with scopes open on both, and
 * push when they are being taken down. After each step depth and labels are those of a
 * reference, and what was lost is counted to the one.
 */
#define _GNU_SOURCE
#include "harm.h"
#include "programs/reference.h"
#include "programs/walk.h"

#include "../../monitor/registry.h"

#include <heartline/scope.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define SEED 4711
#define STEPS_OF_A_THREAD 500 /* on average */
#define STACK_BYTES (256 * 1024)
#define ROOM_MOST 60

enum ending { ENDS_BY_RETURN, ENDS_BY_EXIT, ENDS_BY_CANCEL, ENDINGS };

/* A stack, and where on it can be jumped to. */
struct course {
    ucontext_t context;
    sigjmp_buf jumps[WALK_LEVELS + 1], signal_jumps[WALK_LEVELS + 1];
    bool catches[WALK_LEVELS + 1];
};

static struct {
    uint64_t random;
    uint64_t steps_left;
    uint32_t room;
    enum ending ending;
    struct course own, coroutine;
    struct course *here;
    bool jumps_out; /* the next handler does */
    int target;
    int rounds; /* of destructors, still to come */
    uint64_t steps, jumps, signals, exceptions, exits, cancels, switches, strangers, late;
} walking;

static pthread_key_t late_key;
static void *coroutine_stack, *signal_stack;

static uint64_t next_random(void)
{
    walking.random ^= walking.random << 13;
    walking.random ^= walking.random >> 7;
    walking.random ^= walking.random << 17;
    return walking.random >> 11;
}

bool walk_chance(uint64_t n)
{
    return next_random() % n == 0;
}

static bool is_on_coroutine(void)
{
    return walking.here == &walking.coroutine;
}

/* ---- single steps ------------------------------------------------------------------------ */

void walk_one_step(const char *step)
{
    const char *label = reference_label();
    reference_push(false, WALK_HERE, __func__);
    scope_push(label);
    reference_check(step);
    reference_pop(WALK_HERE, __func__);
    scope_pop();
    reference_check(step);
}

static const struct walk_blocks *any_blocks(void)
{
    static const struct walk_blocks *const all[] = {&walk_blocks_plain, &walk_blocks_exceptions,
                                                    &walk_blocks_objects};
    return all[next_random() % 3];
}

static void handle(int number)
{
    (void)number;
    walk_one_step("a push in a handler");
    if (!walking.jumps_out)
        return;
    const char *label = reference_label();
    reference_push(true, WALK_HERE, NULL);
    SCOPE(label);
    reference_check("SCOPE in a handler");
    siglongjmp(walking.here->signal_jumps[walking.target], 1);
}

/* Somebody else's pop, and the end of a block that is not his. */
static void *meddle(void *token)
{
    scope_push("stranger");
    scope_pop();
    scope_pop();
    monitor_scope_end(token);
    return NULL;
}

static WALK_APART void let_a_stranger_in(void)
{
    pthread_t stranger;
    const char *label = reference_label();
    reference_push(true, WALK_HERE, NULL);
    struct reference_mark mark = reference_pushed();
    monitor_scope_token token =
        monitor_scope_begin_(label, MONITOR_SCOPE_PLAIN, (const void *)WALK_HERE);
    if (pthread_create(&stranger, NULL, meddle, &token) != 0)
        harm_broken("no thread");
    pthread_join(stranger, NULL);
    reference.counts.unbalanced += 2;
    walking.strangers++;
    reference_check("another thread's pop and end");
    monitor_scope_end_(&token);
    reference_end(&mark);
}

static void switch_over(void)
{
    struct course *from = walking.here;
    struct course *to = is_on_coroutine() ? &walking.own : &walking.coroutine;
    walking.switches++;
    walking.here = to;
    swapcontext(&from->context, &to->context);
}

static void jump(int level)
{
    int target = (int)(next_random() % (uint64_t)(level + 1));
    walking.jumps++;
    siglongjmp(walking.here->jumps[target], 1);
}

static void interrupt(int level)
{
    walking.signals++;
    walking.jumps_out = walk_chance(2);
    walking.target = (int)(next_random() % (uint64_t)(level + 1));
    raise(walk_chance(2) ? SIGUSR1 : SIGUSR2);
}

static void throw_somewhere(int level)
{
    int target = level;
    while (target >= 0 && (!walking.here->catches[target] || walk_chance(3)))
        target--;
    if (target < 0)
        return;
    walking.exceptions++;
    walk_throw(target);
}

static void catch_above(int level)
{
    walking.here->catches[level] = true;
    walk_where_caught(level);
    walking.here->catches[level] = false;
}

/* ---- the walk ------------------------------------------------------------------------------ */

static bool has_room(void)
{
    return reference.depth < walking.room;
}

static void leave_thread(void)
{
    if (walking.ending == ENDS_BY_EXIT) {
        walking.exits++;
        pthread_exit(NULL);
    }
    if (walking.ending == ENDS_BY_CANCEL) {
        walking.cancels++;
        pthread_cancel(pthread_self());
        pthread_testcancel();
    }
}

/* false: there is no step left on this stack. */
static bool goes_on(void)
{
    if (walking.steps_left == 0)
        return false;
    walking.steps++;
    if (--walking.steps_left == 0 && !is_on_coroutine())
        leave_thread();
    if (walking.steps_left % 128 == 0)
        walking.room = 1 + (uint32_t)next_random() % ROOM_MOST;
    return walking.steps_left > 0;
}

static void go_deeper(int level)
{
    const struct walk_blocks *blocks = any_blocks();
    if (level == WALK_LEVELS || !has_room())
        return;
    switch (next_random() % 6) {
    case 0:
    case 1:
        blocks->in_scope(level + 1);
        break;
    case 2:
        blocks->in_progress(level + 1);
        break;
    case 3:
        blocks->in_blocks(level + 1);
        break;
    case 4:
        catch_above(level + 1);
        break;
    default:
        walk(level + 1);
    }
}

static void do_what_is_rare(int level)
{
    switch (next_random() % 16) {
    case 0:
    case 1:
        jump(level);
        break;
    case 2:
    case 3:
    case 4:
        interrupt(level);
        break;
    case 5:
    case 6:
    case 7:
        throw_somewhere(level);
        break;
    case 8:
        if (walk_chance(16))
            let_a_stranger_in();
        break;
    default:
        switch_over();
    }
}

WALK_APART void walk(int level)
{
    sigsetjmp(walking.here->jumps[level], 0);
    sigsetjmp(walking.here->signal_jumps[level], 1);
    for (int i = level + 1; i <= WALK_LEVELS; i++)
        walking.here->catches[i] = false;
    reference_check("a jump, or a call");
    while (goes_on()) {
        const char *label;
        switch (next_random() % 24) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
            if (!has_room())
                break;
            label = reference_label();
            reference_push(false, WALK_HERE, __func__);
            scope_push(label);
            break;
        case 5:
            if (has_room())
                any_blocks()->begin();
            break;
        case 6:
            any_blocks()->end();
            break;
        case 7:
        case 8:
        case 9:
        case 10:
        case 11:
            reference_pop(WALK_HERE, __func__);
            scope_pop();
            break;
        case 12:
        case 13:
        case 14:
        case 15:
        case 16:
        case 17:
            go_deeper(level);
            break;
        case 18:
            do_what_is_rare(level);
            break;
        default:
            if (level > 0)
                return;
        }
        reference_check("a step");
    }
}

static void live_on_coroutine(void)
{
    for (;;) {
        walk(0);
        switch_over();
    }
}

/* ---- its threads ------------------------------------------------------------------------------ */

/* In the last round the record has been given back, and a push is lost. */
static void push_late(void *value)
{
    static const char step[] = "a push in a key's destructor";
    walking.late++;
    if (walking.rounds++ < PTHREAD_DESTRUCTOR_ITERATIONS - 1) {
        walk_one_step(step);
    } else {
        reference_end_thread();
        reference.counts.overflow++;
        scope_push("too late");
        scope_pop();
        reference_check(step);
    }
    if (walk_chance(3) == 0)
        pthread_setspecific(late_key, value);
}

static void prepare_coroutine(void)
{
    walking.here = &walking.own;
    getcontext(&walking.coroutine.context);
    walking.coroutine.context.uc_stack.ss_sp = coroutine_stack;
    walking.coroutine.context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&walking.coroutine.context, live_on_coroutine, 0);
}

static void prepare_signal_stack(void)
{
    stack_t stack = {.ss_sp = signal_stack, .ss_size = STACK_BYTES};
    if (sigaltstack(&stack, NULL) != 0)
        harm_broken("sigaltstack: %s", strerror(errno));
}

static WALK_APART void jump_out_of_a_block(void)
{
    const char *label = reference_label();
    reference_push(true, WALK_HERE, NULL);
    SCOPE(label);
    siglongjmp(walking.own.jumps[0], 1);
}

/* The library looks for the bounds of the stack when something first seems dead, and gives
 * up after some tries on another stack: here on the thread's own. */
static WALK_APART void seem_dead(void)
{
    if (sigsetjmp(walking.own.jumps[0], 0) == 0)
        jump_out_of_a_block();
    const char *label = reference_label();
    reference_push(false, WALK_HERE, __func__);
    scope_push(label);
    reference_check("a push after a jump");
    reference_pop(WALK_HERE, __func__);
    scope_pop();
}

static void walk_here(void)
{
    reference_begin();
    prepare_coroutine();
    prepare_signal_stack();
    seem_dead();
    walking.room = ROOM_MOST;
    walk(0);
}

static void *walk_in_thread(void *nothing)
{
    walking.rounds = 0;
    if (walk_chance(2))
        walk_has_late_object();
    if (walk_chance(2))
        pthread_setspecific(late_key, &late_key);
    walk_here();
    return nothing;
}

static void walk_once(uint64_t number)
{
    pthread_t thread;
    walking.steps_left = 1 + next_random() % (2 * STEPS_OF_A_THREAD);
    walking.ending = (enum ending)(number % ENDINGS);
    if (pthread_create(&thread, NULL, walk_in_thread, NULL) != 0)
        harm_broken("no thread");
    pthread_join(thread, NULL);
    reference_end_thread();
    reference_check("the end of a thread");
}

/* The first thread's stack is another kind of mapping, and it does not end. */
static void walk_in_first_thread(uint64_t steps)
{
    walking.steps_left = steps;
    walking.ending = ENDS_BY_RETURN;
    walk_here();
}

static void handle_with(int number, int flags)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void prepare(void)
{
    coroutine_stack = malloc(STACK_BYTES);
    signal_stack = malloc(STACK_BYTES);
    if (!coroutine_stack || !signal_stack || pthread_key_create(&late_key, push_late) != 0)
        harm_broken("no memory or no key");
    handle_with(SIGUSR1, 0);
    handle_with(SIGUSR2, SA_ONSTACK);
    walking.random = SEED;
    printf("seed %d\n", SEED);
}

/* Nobody is left, and no counter is open. */
static void check_records(void)
{
    for (uint32_t i = 0; i < hl_registry_count(); i++) {
        const struct hl_record *record = hl_registry_record(i);
        if (hl_get(&record->tid) != 0)
            harm_wrong("record %u is still taken", i);
        for (size_t k = 0; k < HL_COUNTERS; k++)
            if (hl_counter_get(&record->counters[k].generation) != 0)
                harm_wrong("a counter was never closed");
    }
}

static void check_variety(void)
{
    const struct reference_counts *counts = &reference.counts;
    if (counts->repaired < 100 || counts->unbalanced < 100 || counts->overflow < 100 ||
        counts->vanished < 5 || !walking.jumps || !walking.signals || !walking.exceptions ||
        !walking.strangers || !walking.late || reference.deepest < HL_DEPTH + 4)
        harm_wrong("the walk was too tame");
}

static void unwind(void)
{
    uint64_t steps = harm_count(1000000, 100000);
    prepare();
    for (uint64_t number = 0; walking.steps < steps && !reference.wrong; number++)
        walk_once(number);
    check_records();
    walk_in_first_thread(steps / 10);
    check_variety();
    harm_figure(
        "%llu steps, %llu comparisons, %llu differ; %llu jumps, %llu signals, %llu exceptions, "
        "%llu exits, %llu cancels, %llu changes of stack, %llu strangers, %llu late pushes; at "
        "most %u deep; overflow=%llu unbalanced=%llu repaired=%llu vanished=%llu",
        (unsigned long long)walking.steps, (unsigned long long)reference.checks,
        (unsigned long long)reference.wrong, (unsigned long long)walking.jumps,
        (unsigned long long)walking.signals, (unsigned long long)walking.exceptions,
        (unsigned long long)walking.exits, (unsigned long long)walking.cancels,
        (unsigned long long)walking.switches, (unsigned long long)walking.strangers,
        (unsigned long long)walking.late, reference.deepest,
        (unsigned long long)reference.counts.overflow,
        (unsigned long long)reference.counts.unbalanced,
        (unsigned long long)reference.counts.repaired,
        (unsigned long long)reference.counts.vanished);
}

int main(int argc, char **argv)
{
    static const struct harm_check checks[] = {{"all", unwind}, {NULL, NULL}};
    return harm_main(argc, argv, checks);
}
