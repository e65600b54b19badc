/* tests/fuzz/fuzz_scope.c - a thread's scopes against a small reference stack.
 *
 * Bytes are operations: pushes of all kinds, pops (also wrong ones, and of other
 * functions), ends of block scopes (also late ones, and twice), limits, progress, deep
 * nesting, scopes that the monitor watches, and time. The frames of the functions are
 * numbers, some on the thread's own stack and some on another, so every order of calls,
 * returns, longjmps and coroutines can happen. The reference knows the rules of the
 * manual (include/heartline/scope.h, the head of scope.c) and nothing of versions. After
 * each operation the whole stack is read as the monitor does it, and compared.
 */
#define _GNU_SOURCE
#include "../../monitor/registry.h"
#include "../../monitor/snapshot.h"
#include "../doubles/scripted_platform.h"
#include "fuzz.h"

#include <heartline/scope.h>

#include <stdlib.h>
#include <string.h>

#define STACK_LOW 0x10000u
#define STACK_HIGH 0x20000u
#define LONGEST_LIMIT_MS (UINT64_C(30) * 24 * 3600 * 1000)
#define HANDLES 48
#define TOKENS 48
#define NONE SIZE_MAX

/* ---- the reference -------------------------------------------------------------------- */

struct scope {
    const char *function; /* NULL: a block scope */
    uintptr_t frame;
    bool waiting, has_limit, is_watched;
    uint64_t pushed_ns, limit_ms, limit_since_ns;
    size_t counter; /* in `counters`, NONE = it has none */
    uint64_t name;  /* which scope it is, as it was read first; 0 = not read yet */
    char *label;
};

struct counter {
    scope_progress handle;
    bool is_open;
    uint64_t value, total;
};

struct token {
    monitor_scope_token token;
    uint64_t name; /* of its scope; 0 = it was too deep */
};

static struct {
    struct scope scopes[HL_DEPTH];
    size_t depth; /* the true one */
    uint64_t popped_ns;
    bool knows_its_stack;
    struct hl_losses losses;
    struct counter counters[HANDLES];
    size_t counters_count;
    struct token tokens[TOKENS];
    size_t tokens_count;
    uint64_t last_name[HL_DEPTH];
    struct hl_end ends[HL_DEPTH]; /* that watched scopes must have left */
    size_t ends_count;
} model;

static size_t kept(void)
{
    return model.depth < HL_DEPTH ? model.depth : HL_DEPTH;
}

static bool is_on_stack(uintptr_t frame)
{
    return model.knows_its_stack && frame >= STACK_LOW && frame < STACK_HIGH;
}

/* Its function has returned: frames of callers lie higher. */
static bool is_dead(const struct scope *scope, uintptr_t caller)
{
    return scope->frame < caller && is_on_stack(caller) && is_on_stack(scope->frame);
}

static uint64_t progress_over(size_t index)
{
    for (size_t i = index + 1; i-- > 0;)
        if (model.scopes[i].counter != NONE)
            return model.counters[model.scopes[i].counter].value;
    return HL_UNKNOWN;
}

static void remove_top(uint64_t now)
{
    size_t index = --model.depth;
    struct scope *scope = &model.scopes[index];
    if (scope->is_watched)
        model.ends[model.ends_count++] = (struct hl_end){
            .scope = scope->name,
            .frame = (uint32_t)index,
            .ended_ns = now,
            .limit_since_ns = scope->has_limit ? scope->limit_since_ns : 0,
            .progress = progress_over(index),
        };
    if (scope->counter != NONE)
        model.counters[scope->counter].is_open = false;
    free(scope->label);
    scope->label = NULL;
}

static void pop_top(uint64_t now)
{
    if (model.depth > 1)
        model.popped_ns = now;
    remove_top(now);
}

/* Forgotten scopes above `depth` go. */
static void repair_to(size_t depth, uint64_t now)
{
    model.losses.repaired += model.depth - depth;
    if (depth > 0)
        model.popped_ns = now;
    model.depth = kept();
    while (model.depth > depth)
        remove_top(now);
}

static void prune(uintptr_t caller, uint64_t now)
{
    size_t keep = kept();
    while (keep > 0 && !model.scopes[keep - 1].function && is_dead(&model.scopes[keep - 1], caller))
        keep--;
    if (keep < kept())
        repair_to(keep, now);
}

/* NULL: too deep. */
static struct scope *expect_push(const char *label, uintptr_t frame, const char *function,
                                 bool waiting, uint64_t now)
{
    prune(frame, now);
    if (model.depth >= HL_DEPTH) {
        model.depth++;
        model.losses.overflow++;
        model.popped_ns = now;
        return NULL;
    }
    struct scope *scope = &model.scopes[model.depth++];
    *scope = (struct scope){.function = function,
                            .frame = frame,
                            .waiting = waiting,
                            .pushed_ns = now,
                            .counter = NONE,
                            .label = strdup(label)};
    return scope;
}

/* The scope that this call of this function has opened last; NONE. */
static size_t opener(uintptr_t frame, const char *function)
{
    for (size_t i = model.depth; i-- > 0;)
        if (model.scopes[i].function == function && model.scopes[i].frame == frame)
            return i;
    return NONE;
}

static bool all_above_are_dead(size_t index, uintptr_t caller)
{
    for (size_t i = index + 1; i < model.depth; i++)
        if (!is_dead(&model.scopes[i], caller))
            return false;
    return true;
}

static bool is_top(uintptr_t frame, const char *function)
{
    const struct scope *top = &model.scopes[model.depth - 1];
    return top->function == function && top->frame == frame;
}

static void expect_pop(uintptr_t frame, const char *function, uint64_t now)
{
    if (model.depth > HL_DEPTH) {
        model.depth--;
        model.popped_ns = now;
        return;
    }
    if (model.depth > 0 && !is_top(frame, function))
        prune(frame, now);
    size_t index = opener(frame, function);
    if (index != NONE && index + 1 < model.depth && all_above_are_dead(index, frame))
        repair_to(index + 1, now);
    if (model.depth > 0 && model.scopes[model.depth - 1].function)
        pop_top(now);
    else
        model.losses.unbalanced++;
}

static void expect_end(const struct token *token, uint64_t now)
{
    size_t index = token->token.index;
    if (token->token.id == 0 || model.depth <= index)
        return;
    if (index >= HL_DEPTH) {
        model.losses.repaired += model.depth - index - 1;
        model.depth = index;
        model.popped_ns = now;
        return;
    }
    if (model.scopes[index].name != token->name)
        return; /* ended already, and another took its place */
    if (model.depth > index + 1)
        repair_to(index + 1, now);
    pop_top(now);
}

/* ---- what is read --------------------------------------------------------------------- */

static struct hl_record *record;
static struct hl_losses before;

/* 79 bytes; longer is cut between characters and marked. */
static void meet_label(const char *seen, const char *label)
{
    size_t length = strlen(label);
    if (length < HL_LABEL_BYTES) {
        MUST(strcmp(seen, label) == 0, "label %s, not %s", seen, label);
        return;
    }
    size_t left = strlen(seen);
    MUST(left > 3 && strcmp(seen + left - 3, "\xe2\x80\xa6") == 0, "label %s is not marked", seen);
    left -= 3;
    MUST(left >= 73 && left <= 76 && memcmp(seen, label, left) == 0, "label %s, not %s", seen,
         label);
    uint32_t code;
    if (fuzz_is_utf8(label, length))
        MUST(fuzz_is_utf8(seen, left) &&
                 left + fuzz_character(label + left, length - left, &code) > 76,
             "label %s is cut in the wrong place", seen);
}

static void meet_counter(const struct hl_scope *seen, size_t index)
{
    MUST(seen->has_counter == (index != NONE), "a counter, or none");
    if (index == NONE)
        return;
    const struct counter *counter = &model.counters[index];
    MUST(seen->current == counter->value && seen->total == counter->total,
         "progress %llu/%llu, not %llu/%llu", (unsigned long long)seen->current,
         (unsigned long long)seen->total, (unsigned long long)counter->value,
         (unsigned long long)counter->total);
}

static void meet_scope(const struct hl_scope *seen, struct scope *scope, size_t index)
{
    meet_label(seen->label, scope->label);
    MUST(seen->waiting == scope->waiting, "waiting");
    MUST(seen->pushed_ns == scope->pushed_ns, "pushed");
    MUST(seen->has_limit == scope->has_limit, "a limit, or none");
    if (scope->has_limit)
        MUST(seen->limit_ns == scope->limit_ms * 1000000 &&
                 seen->limit_since_ns == scope->limit_since_ns,
             "limit %llu", (unsigned long long)seen->limit_ns);
    meet_counter(seen, scope->counter);
    if (scope->name == 0) { /* new: no scope in this frame had this name before */
        MUST(seen->scope > model.last_name[index], "a name that was used before");
        scope->name = model.last_name[index] = seen->scope;
    }
    MUST(seen->scope == scope->name, "another name");
}

static void meet_losses(void)
{
    struct hl_losses now;
    hl_registry_losses(&now);
    MUST(now.overflow - before.overflow == model.losses.overflow, "overflow %llu, not %llu",
         (unsigned long long)(now.overflow - before.overflow),
         (unsigned long long)model.losses.overflow);
    MUST(now.unbalanced - before.unbalanced == model.losses.unbalanced, "unbalanced %llu, not %llu",
         (unsigned long long)(now.unbalanced - before.unbalanced),
         (unsigned long long)model.losses.unbalanced);
    MUST(now.repaired - before.repaired == model.losses.repaired, "repaired %llu, not %llu",
         (unsigned long long)(now.repaired - before.repaired),
         (unsigned long long)model.losses.repaired);
}

static bool is_same_end(const struct hl_end *seen, const struct hl_end *end)
{
    return seen->scope == end->scope && seen->frame == end->frame &&
           seen->ended_ns == end->ended_ns && seen->limit_since_ns == end->limit_since_ns &&
           seen->progress == end->progress && !seen->by_exit;
}

/* The last three are there at least; older ones may have been overwritten. */
static void meet_ends(void)
{
    static uint64_t seen;
    struct hl_end end;
    size_t first = model.ends_count > 3 ? model.ends_count - 3 : 0;
    for (size_t i = first; i < model.ends_count; i++) {
        MUST(hl_snapshot_next_end(record, &seen, &end), "%zu of %zu ends are missing",
             model.ends_count - i, model.ends_count);
        MUST(is_same_end(&end, &model.ends[i]), "another end: frame %u of scope %llu", end.frame,
             (unsigned long long)end.scope);
    }
    MUST(!hl_snapshot_next_end(record, &seen, &end), "an end of nothing");
    model.ends_count = 0;
}

static void meet(void)
{
    static struct hl_stack stack;
    MUST(hl_snapshot(record, record->index, &stack) && stack.whole, "not read whole");
    MUST(stack.depth == model.depth, "depth %u, not %zu", stack.depth, model.depth);
    MUST(stack.count == kept(), "%u scopes, not %zu", stack.count, kept());
    for (size_t i = 0; i < stack.count; i++) {
        MUST(stack.frame[i] == i, "frame %u, not %zu", stack.frame[i], i);
        meet_scope(&stack.scopes[i], &model.scopes[i], i);
    }
    MUST(stack.popped_ns == model.popped_ns, "popped %llu, not %llu",
         (unsigned long long)stack.popped_ns, (unsigned long long)model.popped_ns);
    meet_losses();
    meet_ends();
}

/* ---- operations ------------------------------------------------------------------------- */

static struct fuzz_input input;

static uint64_t now(void)
{
    return scripted.now_ns;
}

/* Six frames of the thread's own stack, two of another. */
static uintptr_t some_frame(void)
{
    static const uintptr_t frames[] = {STACK_LOW,        STACK_LOW + 16,   STACK_LOW + 32,
                                       STACK_LOW + 4096, STACK_HIGH - 32,  STACK_HIGH - 16,
                                       STACK_LOW - 4096, STACK_HIGH + 4096};
    return frames[fuzz_below(&input, 8)];
}

static const char *some_function(void)
{
    static const char *const functions[] = {"f", "g", "h"};
    return functions[fuzz_below(&input, 3)];
}

/* In a block of its own, so that a byte read beyond it is seen; NULL now and then. */
static char *some_label(size_t *length)
{
    static const size_t most[] = {0, 7, 8, 15, 78, 79, 80, 200};
    unsigned how = fuzz_byte(&input);
    *length = SIZE_MAX;
    if (how == 0xff)
        return NULL;
    char *label = fuzz_new_text(&input, most[how & 7]);
    if (how & 8)
        *length = strlen(label);
    return label;
}

static void remember_token(monitor_scope_token token, bool is_kept)
{
    if (model.tokens_count == TOKENS)
        model.tokens_count = 0;
    meet();
    model.tokens[model.tokens_count++] =
        (struct token){token, is_kept ? model.scopes[model.depth - 1].name : 0};
}

/* `scope` NULL: it was too deep, and so there is no counter. */
static void remember_counter(scope_progress handle, struct scope *scope, uint64_t total)
{
    MUST((handle.counter != NULL) == (scope != NULL), "a handle, or none");
    if (!scope)
        return;
    size_t index;
    do
        index = model.counters_count++ % HANDLES;
    while (model.counters[index].is_open);
    model.counters[index] = (struct counter){handle, true, 0, total};
    scope->counter = index;
}

static void push(void)
{
    size_t length;
    char *label = some_label(&length);
    uintptr_t frame = some_frame();
    const char *function = some_function();
    bool waiting = fuzz_bool(&input);
    expect_push(label ? label : "", frame, function, waiting, now());
    monitor_scope_push(label, length, waiting, (void *)frame, function);
    free(label);
}

static void pushf(void)
{
    size_t length;
    char *label = some_label(&length);
    uintptr_t frame = some_frame();
    const char *function = some_function();
    expect_push(label ? label : "(null)", frame, function, false, now());
    monitor_scope_pushf((void *)frame, function, "%s", label ? label : "(null)");
    free(label);
}

static void begin(void)
{
    size_t length;
    char *label = some_label(&length);
    uintptr_t frame = some_frame();
    bool waiting = fuzz_bool(&input);
    bool is_kept = expect_push(label ? label : "", frame, NULL, waiting, now());
    remember_token(monitor_scope_begin(label, length, waiting, (void *)frame), is_kept);
    free(label);
}

static void beginf(void)
{
    size_t length;
    char *label = some_label(&length);
    uintptr_t frame = some_frame();
    bool is_kept = expect_push(label ? label : "", frame, NULL, false, now());
    remember_token(monitor_scope_beginf((void *)frame, "%s", label ? label : ""), is_kept);
    free(label);
}

static void push_progress(void)
{
    size_t length;
    char *label = some_label(&length);
    uintptr_t frame = some_frame();
    const char *function = some_function();
    uint64_t total = fuzz_number(&input);
    struct scope *scope = expect_push(label ? label : "", frame, function, false, now());
    remember_counter(monitor_scope_push_progress(label, length, total, (void *)frame, function),
                     scope, total);
    free(label);
}

static void begin_progress(void)
{
    size_t length;
    char *label = some_label(&length);
    uintptr_t frame = some_frame();
    uint64_t total = fuzz_number(&input);
    struct scope *scope = expect_push(label ? label : "", frame, NULL, false, now());
    monitor_progress_token token =
        monitor_scope_begin_progress(label, length, total, (void *)frame);
    remember_counter(token.progress, scope, total);
    remember_token(token.token, scope != NULL);
    free(label);
}

static void pop(void)
{
    uintptr_t frame = some_frame();
    const char *function = some_function();
    expect_pop(frame, function, now());
    monitor_scope_pop((void *)frame, function);
}

/* The pop that belongs to the innermost scope. */
static void pop_rightly(void)
{
    const struct scope *top = model.depth > 0 ? &model.scopes[kept() - 1] : NULL;
    uintptr_t frame = top ? top->frame : some_frame();
    const char *function = top && top->function ? top->function : "f";
    expect_pop(frame, function, now());
    monitor_scope_pop((void *)frame, function);
}

/* Mostly the last one. */
static void end(void)
{
    if (model.tokens_count == 0)
        return;
    size_t back = fuzz_byte(&input);
    back = back < 128 ? 0 : back % model.tokens_count;
    struct token *token = &model.tokens[model.tokens_count - 1 - back];
    expect_end(token, now());
    monitor_scope_end(&token->token);
    if (back == 0)
        model.tokens_count--;
}

static void expect(void)
{
    uint64_t limit_ms = fuzz_number(&input);
    if (model.depth > 0 && model.depth <= HL_DEPTH) {
        struct scope *top = &model.scopes[model.depth - 1];
        top->has_limit = true;
        top->limit_ms = limit_ms < LONGEST_LIMIT_MS ? limit_ms : LONGEST_LIMIT_MS;
        top->limit_since_ns = now();
    }
    monitor_scope_expect(limit_ms);
}

/* Also of one whose scope has ended: then nothing may happen. */
static void move_progress(void)
{
    struct counter *counter = &model.counters[fuzz_below(&input, HANDLES)];
    uint64_t n = fuzz_number(&input);
    if (fuzz_bool(&input)) {
        scope_progress_add(counter->handle, n);
        counter->value += n;
    } else {
        uint64_t total = fuzz_number(&input);
        scope_progress_set(counter->handle, n, total);
        counter->value = n;
        counter->total = total;
    }
}

/* As if all counters had had their turn: the next one to be opened was in use before. */
static void reuse_counters(void)
{
    record->next_counter = 0;
}

static void pass_time(void)
{
    scripted_advance(fuzz_number(&input) >> 8);
}

static void nest(void)
{
    uintptr_t frame = some_frame();
    for (unsigned i = fuzz_below(&input, 40); i > 0; i--) {
        expect_push("deep", frame, "f", false, now());
        monitor_scope_push("deep", 4, MONITOR_SCOPE_PLAIN, (void *)frame, "f");
    }
}

/* As the monitor does it. */
static void watch(void)
{
    if (kept() == 0)
        return;
    size_t index = fuzz_below(&input, (unsigned)kept());
    model.scopes[index].is_watched = true;
    hl_release(&record->watch[index], model.scopes[index].name << 1);
}

/* ---- one input ---------------------------------------------------------------------------- */

/* Nothing is left of what ran before, but for the numbers that never come again. */
static void begin_life(void)
{
    if (!record)
        record = hl_registry_join();
    MUST(record, "no record");
    for (size_t i = 0; i < kept(); i++)
        free(model.scopes[i].label);
    memset(&model, 0, sizeof model);
    for (size_t i = 0; i < HL_DEPTH; i++)
        hl_release(&record->watch[i], 0);
    hl_scope_clear(record, false);
    for (size_t i = 0; i < HL_DEPTH; i++)
        model.last_name[i] = hl_version_scope(hl_get(&record->frames[i].version));
    hl_release(&record->popped_ns, 0);
    scripted.now_ns = SCRIPTED_START_NS;
    hl_registry_losses(&before);
    record->next_counter = 0;
    model.knows_its_stack = fuzz_byte(&input) < 0xe0;
    record->stack_tries = 4;
    record->stack_low = model.knows_its_stack ? STACK_LOW : 0;
    record->stack_high = model.knows_its_stack ? STACK_HIGH : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const operations[])(void) = {
        push,          reuse_counters, pushf, begin,       begin, beginf,
        push_progress, begin_progress, pop,   pop_rightly, end,   expect,
        move_progress, pass_time,      nest,  watch,
    };
    input = fuzz_over(data, size);
    begin_life();
    while (fuzz_left(&input) > 0) {
        operations[fuzz_below(&input, sizeof operations / sizeof operations[0])]();
        meet();
    }
    return 0;
}
