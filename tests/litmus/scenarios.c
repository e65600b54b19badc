/* The real writer and the real reader of monitor/record.h, in every way that C11's
 * memory lets them meet.
 *
 * counters.c, registry.c, scope.c and snapshot.c are compiled with the <stdatomic.h> of shim/, so
 * all that they do to memory is done to that of model.h. An owner does something
 * short; then the monitor reads, with every choice of what it sees. What is true is
 * known: after each store of the owner, the stack is read by one who sees
 * everything (an instant). Whatever the monitor is told must have been so at one of
 * them, and not at one before those that it knows of.
 */
#include "scenarios.h"
#include "model.h"
#include "../../monitor/snapshot.c"
#include "../../monitor/registry.h"
#include "../../monitor/wake.h"

#include <heartline/scope.h>

#include <stdlib.h>

/* ---- what the library asks of its platform ---------------------------------------- */

static _Alignas(4096) char memory[4 << 20];
static size_t memory_used;
static uint64_t clock_ns;

void *hl_plat_map(size_t size)
{
    void *part = memory + memory_used;

    memory_used += (size + 63) / 64 * 64;
    return memory_used <= sizeof memory ? part : NULL;
}

void hl_plat_unmap(void *part, size_t size)
{
    (void)part, (void)size;
}

static int read_clock(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){0, (long)++clock_ns};
    return 0;
}

struct hl_plat_scope_clock hl_plat_scope_clock = {read_clock, 0};

uint64_t hl_plat_now_ns(void)
{
    return 0;
}

uint64_t hl_plat_thread_id(void)
{
    return 100 + (uint64_t)model_acting();
}

bool hl_plat_stack_bounds(const void *address, uintptr_t *low, uintptr_t *high)
{
    (void)address, (void)low, (void)high;
    return false;
}

bool hl_plat_key_is_signal_safe(pthread_key_t key)
{
    (void)key;
    return false;
}

void hl_departures_leave(const struct hl_record *record, bool by_itself)
{
    (void)record, (void)by_itself;
}

void hl_departures_forget(void) {}

void hl_wake(void) {}

void hl_wake_by(uint64_t due_ns)
{
    (void)due_ns;
}

/* ---- the owner ------------------------------------------------------------------------ */

struct hl_record *record;
static char stack_frame; /* of all that push */

static void open_scope(const char *label)
{
    monitor_scope_push(label, strlen(label), MONITOR_SCOPE_PLAIN, &stack_frame, "owner");
}

static void close_scope(void)
{
    monitor_scope_pop(&stack_frame, "owner");
}

static void begin(void)
{
    model_begin();
    model_make_private(&hl_self);
    if (record) /* what is not atomic was left there by the run before */
        memset(record, 0, sizeof *record);
    memory_used = 0;
    clock_ns = 1000;
    record = hl_registry_join();
    if (!record)
        abort();
}

static void churn(void)
{
    open_scope("a");
    close_scope();
    open_scope("b of two words");
    close_scope();
    open_scope("c of two words");
}

static void nest(void)
{
    open_scope("a");
    open_scope("b");
    close_scope();
    open_scope("c");
    close_scope();
}

static void nest_anew(void)
{
    open_scope("a");
    open_scope("b");
    close_scope();
    close_scope();
    open_scope("c");
    open_scope("d");
}

static void limit(void)
{
    open_scope("a");
    monitor_scope_expect(5);
    monitor_scope_expect(7);
    close_scope();
    open_scope("b");
    monitor_scope_expect(9);
}

static void progress(void)
{
    scope_progress done = monitor_scope_push_progress("a", 1, 10, &stack_frame, "owner");
    monitor_progress_add(done, 3);
    close_scope();
    record->next_counter = 0; /* the same one again, as after 95 others */
    monitor_scope_push("w", 1, MONITOR_SCOPE_WAITING, &stack_frame, "owner");
    close_scope();
    done = monitor_scope_push_progress("b", 1, 20, &stack_frame, "owner");
    monitor_progress_add(done, 4);
}

static void repair(void)
{
    monitor_scope_token a = monitor_scope_begin("a", 1, MONITOR_SCOPE_PLAIN, &stack_frame);
    monitor_scope_begin("b", 1, MONITOR_SCOPE_PLAIN, &stack_frame);
    monitor_scope_begin("c", 1, MONITOR_SCOPE_PLAIN, &stack_frame);
    monitor_scope_end(&a);
    open_scope("d");
}

/* ---- what was so, and when ---------------------------------------------------------------- */

#define INSTANTS 400

static struct instant {
    struct hl_stack stack;
    bool is_whole;
    const struct model_view *view; /* of one who knows all until then */
} instants[INSTANTS];
static size_t instants_count;

static void note_instant(void)
{
    struct instant *instant = &instants[instants_count++];

    if (instants_count > INSTANTS)
        abort();
    model_look_on(true);
    instant->is_whole = try_stack(record, &instant->stack);
    model_look_on(false);
    instant->view = model_remember();
}

static void begin_instants(void)
{
    instants_count = 0;
    note_instant();
    model_stored_hook = note_instant;
}

/* But for `current`, which moves while all else stays. */
static bool is_same_scope(const struct hl_scope *a, const struct hl_scope *b)
{
    return a->scope == b->scope && a->pushed_ns == b->pushed_ns && a->waiting == b->waiting &&
           a->has_limit == b->has_limit &&
           (!a->has_limit ||
            (a->limit_ns == b->limit_ns && a->limit_since_ns == b->limit_since_ns)) &&
           a->has_counter == b->has_counter &&
           (!a->has_counter || (a->generation == b->generation && a->total == b->total)) &&
           strcmp(a->label, b->label) == 0;
}

static bool shows(const struct hl_stack *stack, uint32_t frame, const struct hl_scope *scope)
{
    for (uint32_t i = 0; i < stack->count; i++)
        if (stack->frame[i] == frame)
            return is_same_scope(&stack->scopes[i], scope);
    return false;
}

static bool shows_all(const struct hl_stack *truth, const struct hl_stack *stack)
{
    for (uint32_t i = 0; i < stack->count; i++)
        if (!shows(truth, stack->frame[i], &stack->scopes[i]))
            return false;
    return true;
}

static bool was_so(const struct instant *instant, const struct hl_stack *stack)
{
    const struct hl_stack *truth = &instant->stack;

    if (!stack->whole)
        return shows_all(truth, stack);
    return instant->is_whole && truth->depth == stack->depth && truth->count == stack->count &&
           stack->popped_ns >= truth->popped_ns && shows_all(truth, stack);
}

static bool counter_was_so(const struct hl_scope *scope, uint32_t frame)
{
    for (size_t i = 0; i < instants_count; i++) {
        const struct hl_stack *truth = &instants[i].stack;
        for (uint32_t k = 0; k < truth->count; k++)
            if (truth->frame[k] == frame && truth->scopes[k].scope == scope->scope &&
                truth->scopes[k].current == scope->current)
                return true;
    }
    return false;
}

static void judge(const struct hl_stack *stack, size_t first)
{
    for (uint32_t i = 0; i < stack->count; i++)
        if (stack->scopes[i].has_counter && !counter_was_so(&stack->scopes[i], stack->frame[i]))
            model_fail("a counter never had that value");
    for (size_t i = first; i < instants_count; i++)
        if (was_so(&instants[i], stack))
            return;
    model_fail(stack->whole ? "the whole stack never was so" : "a partial stack never was so");
}

static bool is_named_alike(const struct hl_stack *one, const struct hl_stack *other)
{
    for (uint32_t i = 0; i < one->count; i++)
        for (uint32_t k = 0; k < other->count; k++) {
            const struct hl_scope *a = &one->scopes[i], *b = &other->scopes[k];
            bool has_one_name = one->frame[i] == other->frame[k] && a->scope == b->scope;
            if (has_one_name && (a->pushed_ns != b->pushed_ns || strcmp(a->label, b->label) != 0))
                return false;
        }
    return true;
}

/* What was so must also make sense: a frame and its scope's number are one scope for ever. */
static void judge_names(void)
{
    for (size_t i = 0; i < instants_count; i++)
        for (size_t k = 0; k < i; k++)
            if (!is_named_alike(&instants[i].stack, &instants[k].stack))
                model_fail("two scopes have one name");
}

/* ---- the monitor reads one stack ------------------------------------------------------------ */

static size_t known; /* the latest instant that the monitor knows of when it begins */
uint64_t executions;

/* One try: what hl_snapshot does after one that failed, one that begins then does as well. */
static void read_stack(void)
{
    static struct hl_stack stack;

    model_be(MODEL_MONITOR);
    model_know(instants[known].view);
    stack.whole = try_stack(record, &stack);
    judge(&stack, known);
}

static void read_at_all_times(void)
{
    model_stored_hook = NULL;
    judge_names();
    for (known = 0; known < instants_count && !model_failure(); known++)
        executions += model_explore(read_stack);
    model_be(MODEL_OWNER);
}

static void read_all(const struct scenario *scenario)
{
    begin();
    begin_instants();
    scenario->owner();
    read_at_all_times();
}

/* ---- with a signal handler at each point ------------------------------------------------------ */

static unsigned step, handler_at;
static void (*handler)(void);

static void handle(void)
{
    if (step++ != handler_at)
        return;
    model_step_hook = NULL;
    handler();
}

static void use_scopes(void)
{
    open_scope("h");
    monitor_progress_add(monitor_scope_push_progress("i", 1, 30, &stack_frame, "handler"), 1);
    monitor_scope_pop(&stack_frame, "handler");
    close_scope();
}

/* As if the scope that was interrupted were its own. */
static void expect_for_others(void)
{
    monitor_scope_expect(77);
}

static void interrupt_and_read_all(const struct scenario *scenario)
{
    bool goes_on = true;

    for (handler_at = 0; goes_on && !model_failure(); handler_at++) {
        begin();
        scenario->before();
        begin_instants();
        step = 0;
        handler = scenario->handler;
        model_step_hook = handle;
        scenario->owner();
        goes_on = model_step_hook == NULL; /* it came: so there may be a later point */
        model_step_hook = NULL;
        read_at_all_times();
    }
}

static monitor_scope_token outer;

static void prepare_push(void)
{
    open_scope("a");
    open_scope("b");
    close_scope();
}

static void prepare_pop(void)
{
    prepare_push();
    open_scope("c");
}

static void prepare_end(void)
{
    outer = monitor_scope_begin("a", 1, MONITOR_SCOPE_PLAIN, &stack_frame);
    open_scope("b");
}

static void push_c(void)
{
    open_scope("c");
}

static void expect(void)
{
    monitor_scope_expect(5);
}

static void end_outer(void)
{
    monitor_scope_end(&outer);
}

/* ---- a watch is set, and signs of life are asked for -------------------------------------------- */

bool has_barrier = true;
static bool is_armed, is_passed;
static hl_word *armed_word;
static uint64_t armed_value;

static void arm(void)
{
    model_be(MODEL_MONITOR);
    hl_release(armed_word, armed_value);
    model_be(MODEL_OWNER);
    is_armed = true;
}

static void pass(void)
{
    if (has_barrier)
        model_barrier();
    is_passed = true;
}

/* The monitor arms before any access of the owner, and passes its barrier before any other. */
static void arm_some_time(void)
{
    if (!is_armed && model_choose(2))
        arm();
    if (is_armed && !is_passed && model_choose(2))
        pass();
}

static void arm_amid(void (*owner)(void), hl_word *word, uint64_t value)
{
    is_armed = is_passed = false;
    armed_word = word;
    armed_value = value;
    model_step_hook = arm_some_time;
    owner();
    model_step_hook = NULL;
    if (!is_armed)
        arm();
    if (!is_passed)
        pass();
    model_be(MODEL_MONITOR);
}

static uint64_t read_latest(const hl_word *word)
{
    model_look_on(true);
    uint64_t value = hl_get(word);
    model_look_on(false);
    return value;
}

static void end_and_go_on(void)
{
    close_scope();
    open_scope("b");
    close_scope();
}

static void watch_once(void)
{
    struct hl_end end;
    uint64_t seen = 0;

    begin();
    open_scope("a");
    uint64_t scope = hl_version_scope(read_latest(&record->frames[0].version));
    model_be(MODEL_MONITOR);
    model_learn_all();
    model_be(MODEL_OWNER);
    arm_amid(end_and_go_on, &record->watch[0], scope << 1);
    uint64_t version = hl_acquire(&record->frames[0].version);
    bool sees_end = !hl_version_is_live(version) || hl_version_scope(version) != scope;
    bool is_told = read_latest(&record->ended_count) > 0;
    if (!sees_end && !is_told)
        model_fail("an armed scope ended, and nobody was told");
    model_learn_all();
    while (hl_snapshot_next_end(record, &seen, &end))
        if (end.scope != scope || end.frame != 0 || end.ended_ns <= 1000)
            model_fail("an end is told that was not asked for");
}

static void watch(const struct scenario *scenario)
{
    (void)scenario;
    executions += model_explore(watch_once);
}

static void push_one(void)
{
    open_scope("b");
}

static void sign_once(void)
{
    begin();
    open_scope("a");
    model_be(MODEL_MONITOR);
    model_learn_all();
    model_be(MODEL_OWNER);
    arm_amid(push_one, &record->reported, 7);
    bool sees_push = atomic_load_explicit(&record->depth, memory_order_acquire) == 2;
    if (!sees_push && read_latest(&record->sign_epoch) != 7)
        model_fail("a thread went on, and nobody was told");
    if (hl_acquire(&record->sign_epoch) == 7 &&
        hl_acquire(&record->sign_ns) != read_latest(&record->frames[1].pushed_ns))
        model_fail("a sign has another time");
}

static void sign(const struct scenario *scenario)
{
    (void)scenario;
    executions += model_explore(sign_once);
}

/* ---- ends are read ----------------------------------------------------------------------------------- */

#define ENDS 5

static struct hl_end ends[ENDS];
static uint64_t first_seen;

static void end_watched(const char *label)
{
    open_scope(label);
    hl_word *version = &record->frames[0].version, *watched = &record->watch[0];
    model_be(MODEL_MONITOR);
    hl_release(watched, hl_version_scope(read_latest(version)) << 1);
    model_be(MODEL_OWNER);
    model_learn_all();
    close_scope();
}

static void read_end_once(void)
{
    struct hl_end end;
    uint64_t seen = first_seen;

    model_be(MODEL_MONITOR);
    model_know(instants[known].view);
    if (!hl_snapshot_next_end(record, &seen, &end))
        return;
    const struct hl_end *truth = &ends[seen - 1];
    if (end.scope != truth->scope || end.frame != truth->frame || end.by_exit != truth->by_exit ||
        end.ended_ns != truth->ended_ns || end.quiet_since_ns != truth->quiet_since_ns ||
        end.limit_since_ns != truth->limit_since_ns || end.progress != truth->progress)
        model_fail("an end is told that was never so");
}

static void tell_ends(const struct scenario *scenario)
{
    (void)scenario;
    begin();
    begin_instants();
    for (uint64_t i = 0, seen = 0; i < ENDS; i++) {
        end_watched("a");
        model_look_on(true);
        if (!hl_snapshot_next_end(record, &seen, &ends[i]))
            abort();
        model_look_on(false);
    }
    model_stored_hook = NULL;
    for (known = 0; known < instants_count && !model_failure(); known++)
        for (first_seen = 0; first_seen < ENDS; first_seen++)
            executions += model_explore(read_end_once);
    model_be(MODEL_OWNER);
}

/* ---- an end that a handler brings about amid another one --------------------------------------------------- */

static void watch_innermost(uint32_t frame)
{
    model_be(MODEL_MONITOR);
    hl_release(&record->watch[frame], hl_version_scope(read_latest(&record->frames[frame].version))
                                          << 1);
    model_be(MODEL_OWNER);
    model_learn_all();
}

static void end_another(void)
{
    uint32_t frame = atomic_load_explicit(&record->depth, memory_order_relaxed);
    open_scope("h");
    watch_innermost(frame);
    monitor_scope_pop(&stack_frame, "owner");
}

static size_t ends_told;

static void note_ends(void)
{
    uint64_t seen = 0;

    ends_told = 0;
    model_look_on(true);
    while (ends_told < ENDS && hl_snapshot_next_end(record, &seen, &ends[ends_told]))
        ends_told++;
    model_look_on(false);
}

static bool is_an_end(const struct hl_end *end)
{
    for (size_t i = 0; i < ends_told; i++)
        if (end->scope == ends[i].scope && end->frame == ends[i].frame &&
            end->ended_ns == ends[i].ended_ns && end->quiet_since_ns == ends[i].quiet_since_ns)
            return true;
    return false;
}

static void read_any_end_once(void)
{
    struct hl_end end;
    uint64_t seen = first_seen;

    model_be(MODEL_MONITOR);
    model_know(instants[known].view);
    if (hl_snapshot_next_end(record, &seen, &end) && !is_an_end(&end))
        model_fail("an end is told that was never so");
}

static void end_amid_end(const struct scenario *scenario)
{
    bool goes_on = true;

    (void)scenario;
    handler = end_another;
    for (handler_at = 0; goes_on && !model_failure(); handler_at++) {
        begin();
        open_scope("a");
        watch_innermost(0);
        begin_instants();
        step = 0;
        model_step_hook = handle;
        close_scope();
        goes_on = model_step_hook == NULL;
        model_step_hook = NULL;
        model_stored_hook = NULL;
        note_ends();
        if (ends_told != (goes_on ? 2 : 1) ||
            (goes_on && ends[0].scope == ends[1].scope && ends[0].frame == ends[1].frame))
            model_fail("an end is lost");
        for (known = 0; known < instants_count && !model_failure(); known++)
            for (first_seen = 0; first_seen < 2; first_seen++)
                executions += model_explore(read_any_end_once);
        model_be(MODEL_OWNER);
    }
}

/* ---- a counter that somebody else sets ------------------------------------------------------------------- */

static scope_progress counter;
static const struct model_view *since_open;
static bool is_set;

static void set_some_time(void)
{
    if (is_set || !model_choose(2))
        return;
    is_set = true;
    model_step_hook = NULL;
    model_be(MODEL_THIRD);
    model_know(since_open);
    monitor_progress_set(counter, 2, 100);
    model_be(MODEL_OWNER);
    model_step_hook = set_some_time;
}

static void set_once(void)
{
    struct hl_scope scope;

    begin();
    counter = monitor_scope_push_progress("a", 1, 100, &stack_frame, "owner");
    since_open = model_remember();
    is_set = false;
    model_step_hook = set_some_time;
    monitor_progress_add(counter, 5);
    monitor_progress_add(counter, 3);
    model_step_hook = NULL;
    model_be(MODEL_MONITOR);
    model_know(since_open);
    read_counter(record, (uint64_t)(counter.counter - record->counters) + 1, &scope);
    if (scope.current > 2 + 5 + 3)
        model_fail("a counter below zero");
}

static void set(const struct scenario *scenario)
{
    (void)scenario;
    executions += model_explore(set_once);
}

/* ---- a record goes to another thread ----------------------------------------------------------------------- */

static void read_thread_once(void)
{
    static struct hl_stack stack;

    model_be(MODEL_MONITOR);
    model_know(instants[known].view);
    stack.tid = hl_acquire(&record->tid); /* as hl_snapshot, with one try */
    if (stack.tid == 0)
        return;
    try_stack(record, &stack);
    if (hl_acquire(&record->tid) != stack.tid)
        return;
    for (uint32_t i = 0; i < stack.count; i++)
        if (stack.scopes[i].label[0] != (stack.tid == 100 + MODEL_OWNER ? 'a' : 'b'))
            model_fail("a thread is shown with another one's scope");
    if (stack.popped_ns && stack.tid == 100 + MODEL_THIRD)
        model_fail("a thread has another one's sign of life");
}

static void hand_over(const struct scenario *scenario)
{
    (void)scenario;
    begin();
    begin_instants();
    open_scope("a");
    open_scope("a");
    close_scope();
    hl_registry_reclaim(record); /* as its thread does at its end */
    model_be(MODEL_THIRD);
    model_learn_all(); /* as who takes it off the free list does */
    if (hl_registry_join() != record)
        abort();
    open_scope("b");
    model_stored_hook = NULL;
    for (known = 0; known < instants_count && !model_failure(); known++)
        executions += model_explore(read_thread_once);
    model_be(MODEL_OWNER);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static const struct scenario scenarios[] = {
    {"churn", read_all, NULL, churn, NULL},
    {"nest", read_all, NULL, nest, NULL},
    {"nest anew", read_all, NULL, nest_anew, NULL},
    {"limit", read_all, NULL, limit, NULL},
    {"progress", read_all, NULL, progress, NULL},
    {"repair", read_all, NULL, repair, NULL},
    {"handler in push", interrupt_and_read_all, prepare_push, push_c, use_scopes},
    {"handler in pop", interrupt_and_read_all, prepare_pop, close_scope, use_scopes},
    {"handler in limit", interrupt_and_read_all, prepare_pop, expect, use_scopes},
    {"handler in end", interrupt_and_read_all, prepare_end, end_outer, use_scopes},
    {"limit in push", interrupt_and_read_all, prepare_push, push_c, expect_for_others},
    {"limit in limit", interrupt_and_read_all, prepare_pop, expect, expect_for_others},
    {"limit in pop", interrupt_and_read_all, prepare_pop, close_scope, expect_for_others},
    {"watch", watch, NULL, NULL, NULL},
    {"sign", sign, NULL, NULL, NULL},
    {"ends", tell_ends, NULL, NULL, NULL},
    {"end amid an end", end_amid_end, NULL, NULL, NULL},
    {"set", set, NULL, NULL, NULL},
    {"hand over", hand_over, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct scenario *find_scenario(const char *name)
{
    const struct scenario *scenario = scenarios;

    while (scenario->name && name && strcmp(scenario->name, name) != 0)
        scenario++;
    return scenario;
}

const char *run_scenario(const struct scenario *scenario)
{
    executions = 0;
    model_forgive();
    scenario->meet(scenario);
    model_step_hook = model_stored_hook = NULL;
    return model_failure();
}
