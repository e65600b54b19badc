/* A watch is one scope that is being judged: the innermost one of each thread,
 * and every one with a limit of its own. Each scope that is seen open is armed
 * (record.h), so its end carries its time and nothing depends on when the
 * monitor looks next. A watch that was reported has an open stall.
 *
 * Lifecycle: STALL; a reminder each time the limit's multiple has doubled (2x,
 * 4x, ...); RECOVERED (recovery.c). STALL lines have a budget per minute, reminders may
 * use half of it; stalls beyond it keep their ids and are merged into one line
 * when the minute is over, and so are their recoveries.
 */
#include "watch.h"

#include <string.h>

#define SOON 10000000ull   /* as soon as the monitor may look again */
#define LOOKS_PER_LIMIT 4  /* at a suspect's evidence */
#define LOOKS_AT_ONCE 1000 /* into suspects, at one wake-up: some 10 ms */
#define ENOUGH_OBSERVED 100000000ull

/* What a scope is judged by. */
struct rule {
    bool own_limit;
    uint64_t limit_ns;
    uint64_t since_ns; /* the last sign of life, or when its own limit's clock began */
    const struct hl_progress_watch *counter; /* whose movement extends it, or NULL */
};

static _Atomic uint64_t last_epoch;

void hl_stalls_init(struct hl_stalls *stalls, const struct hl_stall_hooks *hooks,
                    const struct hl_clock *clock, const struct hl_progress *progress,
                    uint64_t limit_ns, uint64_t tick_ns, uint64_t exact_from_ns, uint64_t lines)
{
    *stalls = (struct hl_stalls){
        .hooks = *hooks,
        .clock = clock,
        .progress = progress,
        .limit_ns = limit_ns,
        .tick_ns = tick_ns,
        .exact_from_ns = exact_from_ns,
        .budget = {.lines = lines},
        .tracks = {.element = sizeof(struct hl_track)},
        .watches = {.items = {.element = sizeof(struct hl_watch)}},
        .open = {.items = {.element = sizeof(struct hl_open_stall)}},
    };
}

void hl_stalls_free(struct hl_stalls *stalls)
{
    hl_array_free(&stalls->tracks);
    hl_array_free(&stalls->watches.items);
    hl_array_free(&stalls->open.items);
}

void hl_stalls_fetch(const struct hl_stalls *stalls, uint32_t record)
{
    if (record < stalls->tracks.capacity)
        hl_pool_fetch(&stalls->watches, hl_track_at(stalls, record)->watches,
                      offsetof(struct hl_watch, base));
}

/* ---- the budget of lines --------------------------------------------------- */

static void say_merged(struct hl_stalls *stalls)
{
    const struct hl_budget *budget = &stalls->budget;
    if (budget->merged.count)
        stalls->hooks.merged(stalls->hooks.context, &budget->merged);
    if (budget->merged_recovered.count)
        stalls->hooks.merged_recovered(stalls->hooks.context, &budget->merged_recovered);
}

static void turn_minute(struct hl_stalls *stalls)
{
    if (hl_budget_minute_goes_on(&stalls->budget, stalls->now_ns))
        return;
    say_merged(stalls);
    hl_budget_begin(&stalls->budget, stalls->now_ns);
}

/* ---- a stall ------------------------------------------------------------------- */

static uint64_t first_reminder(uint64_t limit_ns, uint64_t stuck_ns)
{
    uint64_t at = limit_ns * 2;
    while (at <= stuck_ns)
        at *= 2;
    return at;
}

static void fill_event(struct hl_stalls *stalls, const struct hl_watch *watch,
                       const struct hl_stack *stack, uint32_t position,
                       const struct hl_evidence *evidence, struct hl_stall_event *event)
{
    memcpy(event->phase, watch->label, sizeof event->phase);
    for (uint32_t i = 0; i <= position; i++)
        memcpy(stalls->path[i], stack->scopes[i].label, HL_LABEL_BYTES);
    event->path = (const char(*)[HL_LABEL_BYTES])stalls->path;
    event->path_count = position + 1;
    event->limit_ns = watch->limit_ns;
    hl_progress_view_stuck(stalls->progress, stack, position, stalls->clock, stalls->now_ns,
                           &event->progress);
    uint64_t observed = hl_clock_age(stalls->clock, watch->base.at_ns, evidence->at_ns);
    hl_verdict(&watch->base, evidence, observed, &event->evidence);
    stalls->hooks.explain(stalls->hooks.context, watch->tid, watch->since_ns, &event->evidence);
}

uint64_t hl_stalls_take_id(struct hl_stalls *stalls)
{
    return ++stalls->last_id;
}

static void report(struct hl_stalls *stalls, struct hl_track *track, struct hl_watch *watch,
                   const struct hl_stack *stack, uint32_t position, uint64_t stuck_ns,
                   const struct hl_evidence *evidence)
{
    watch->open = hl_pool_take(&stalls->open);
    if (!watch->open) {
        stalls->lacks_memory = true; /* tried again at the next look */
        return;
    }
    track->stalled++;
    stalls->totals.count++;
    stalls->reported = true;
    struct hl_open_stall *open = hl_stall_of(stalls, watch);
    open->id = hl_stalls_take_id(stalls);
    open->epoch = atomic_fetch_add_explicit(&last_epoch, 1, memory_order_relaxed) + 1;
    open->remind_ns = first_reminder(watch->limit_ns, stuck_ns);
    stalls->hooks.thread(stalls->hooks.context, watch->tid, &open->thread);
    open->merged = !hl_budget_take(&stalls->budget, false);
    if (open->merged) {
        hl_budget_merge(&stalls->budget, open->id, watch->label, stuck_ns);
        return;
    }
    struct hl_stall_event event = {.id = open->id, .thread = open->thread, .stuck_ns = stuck_ns};
    fill_event(stalls, watch, stack, position, evidence, &event);
    stalls->hooks.stalled(stalls->hooks.context, &event, &open->samples);
}

static void remind(struct hl_stalls *stalls, struct hl_watch *watch, const struct hl_stack *stack,
                   uint32_t position, uint64_t stuck_ns)
{
    struct hl_open_stall *open = hl_stall_of(stalls, watch);
    while (open->remind_ns <= stuck_ns) {
        open->remind_ns *= 2;
        open->reminders++;
    }
    struct hl_evidence evidence;
    stalls->hooks.evidence(stalls->hooks.context, watch->tid, stalls->now_ns, &evidence);
    if (hl_evidence_is_stopped(&evidence) || !hl_budget_take(&stalls->budget, true))
        return;
    open->merged = false; /* it has a line of its own now */
    stalls->hooks.thread(stalls->hooks.context, watch->tid, &open->thread);
    struct hl_stall_event event = {
        .id = open->id, .thread = open->thread, .stuck_ns = stuck_ns, .reminder = open->reminders};
    fill_event(stalls, watch, stack, position, &evidence, &event);
    stalls->hooks.stalled(stalls->hooks.context, &event, &open->samples);
}

/* ---- judging one scope --------------------------------------------------------- */

static void arm(struct hl_stalls *stalls, struct hl_record *record, const struct hl_watch *watch)
{
    hl_word *word = &record->watch[watch->frame];
    uint64_t wanted = watch->scope << 1 | (watch->open != 0);
    if (hl_get(word) != wanted) {
        hl_release(word, wanted);
        stalls->armed = true;
    }
    if (watch->open && !watch->own_limit) {
        uint64_t epoch = hl_stall_of(stalls, watch)->epoch;
        if (hl_get(&record->reported) != epoch && hl_get(&record->sign_epoch) != epoch) {
            hl_release(&record->reported, epoch);
            stalls->armed = true;
        }
    }
}

static void plan(struct hl_stalls *stalls, uint64_t in_ns)
{
    stalls->due_ns = hl_earlier(stalls->due_ns, stalls->now_ns + in_ns);
}

/* First evidence when a quarter of the limit has passed, or the next look comes
 * after it; again at every quarter, because a stopped thread is noticed by that. */
static bool is_due_for_evidence(const struct hl_stalls *stalls, const struct hl_watch *watch,
                                uint64_t age, uint64_t certain)
{
    uint64_t quarter = watch->limit_ns / LOOKS_PER_LIMIT;
    if (age >= certain || watch->is_held)
        return true;
    bool is_suspect = age >= quarter || certain - age <= SOON;
    return is_suspect && (!watch->looked_ns || stalls->now_ns - watch->looked_ns >= quarter);
}

static void get_evidence(struct hl_stalls *stalls, struct hl_watch *watch,
                         struct hl_evidence *evidence)
{
    stalls->hooks.evidence(stalls->hooks.context, watch->tid, stalls->now_ns, evidence);
    watch->looked_ns = stalls->now_ns;
}

/* True when the thread is stopped, or was until just now. */
static bool is_held(struct hl_stalls *stalls, struct hl_watch *watch,
                    const struct hl_evidence *evidence)
{
    bool was_held = watch->is_held;
    watch->is_held = hl_evidence_is_stopped(evidence);
    if (!watch->is_held && !was_held)
        return false;
    watch->held_ns = stalls->now_ns;
    watch->base.known = false;
    return true;
}

/* A scheduler's slice, or a quota's period, is no picture of a stall. */
static uint64_t enough(const struct hl_watch *watch)
{
    return hl_earlier(watch->limit_ns / 8, ENOUGH_OBSERVED);
}

/* Overdue when first seen (the monitor was late, or has just begun): from too short
 * an observation there would be no verdict, or a wrong one. */
static bool can_tell_more_soon(const struct hl_stalls *stalls, const struct hl_watch *watch,
                               const struct hl_evidence *evidence)
{
    if (!evidence->known || evidence->on_core_ns == HL_UNKNOWN)
        return false;
    return !watch->base.known || stalls->now_ns - watch->base.at_ns < enough(watch);
}

/* Ten thousand threads may fall silent at once: those whose limit has passed are not to
 * wait for all the others. */
static bool must_wait(struct hl_stalls *stalls, uint64_t age, uint64_t certain)
{
    return age < certain && ++stalls->looks > LOOKS_AT_ONCE;
}

/* What is in its first wait is looked into from the second look on, once if there is
 * nothing to be found. */
static void suspect(struct hl_stalls *stalls, struct hl_watch *watch)
{
    if (!watch->is_settled)
        watch->is_settled =
            !stalls->hooks.suspect(stalls->hooks.context, watch->tid, watch->since_ns);
}

/* Before the limit that is as good as the whole evidence. */
static bool sleeps_on(struct hl_stalls *stalls, struct hl_watch *watch)
{
    if (!watch->base.known || watch->is_held ||
        !stalls->hooks.sleeps_on(stalls->hooks.context, watch->tid, &watch->base))
        return false;
    watch->looked_ns = stalls->now_ns;
    return true;
}

static void observe(struct hl_stalls *stalls, struct hl_watch *watch,
                    const struct hl_evidence *evidence)
{
    if (!watch->base.known) {
        watch->base = *evidence;
        watch->is_settled = false;
    } else if (hl_evidence_is_same_wait(&watch->base, evidence)) {
        suspect(stalls, watch);
    }
}

/* Nothing new is to be had from it at this wake-up. */
static bool is_left_alone(struct hl_stalls *stalls, struct hl_watch *watch, uint64_t age,
                          uint64_t certain)
{
    if (!is_due_for_evidence(stalls, watch, age, certain)) {
        plan(stalls, certain - age);
    } else if (must_wait(stalls, age, certain)) {
        plan(stalls, SOON);
    } else if (age < certain && sleeps_on(stalls, watch)) {
        suspect(stalls, watch);
        plan(stalls, certain - age);
    } else {
        return false;
    }
    return true;
}

static void judge_unreported(struct hl_stalls *stalls, struct hl_track *track,
                             struct hl_watch *watch, const struct hl_stack *stack,
                             uint32_t position)
{
    uint64_t age = hl_watch_age(stalls, watch, stalls->now_ns);
    uint64_t certain = hl_watch_certain_age(stalls, watch);
    struct hl_evidence evidence;
    if (is_left_alone(stalls, watch, age, certain))
        return;
    get_evidence(stalls, watch, &evidence);
    if (is_held(stalls, watch, &evidence))
        return; /* asked again at the next look */
    if (age < certain || can_tell_more_soon(stalls, watch, &evidence)) {
        observe(stalls, watch, &evidence);
        plan(stalls, age < certain ? certain - age : hl_later(SOON, enough(watch)));
    } else {
        report(stalls, track, watch, stack, position, age, &evidence);
        if (watch->open)
            plan(stalls, hl_stall_of(stalls, watch)->remind_ns - age);
    }
}

static void judge_reported(struct hl_stalls *stalls, struct hl_watch *watch,
                           const struct hl_stack *stack, uint32_t position)
{
    uint64_t age = hl_watch_age(stalls, watch, stalls->now_ns);
    if (age >= hl_stall_of(stalls, watch)->remind_ns)
        remind(stalls, watch, stack, position, age);
    plan(stalls, hl_stall_of(stalls, watch)->remind_ns - age);
}

static struct hl_watch *find_or_begin(struct hl_stalls *stalls, struct hl_track *track,
                                      uint32_t frame, const struct hl_stack *stack,
                                      uint32_t position)
{
    const struct hl_scope *scope = &stack->scopes[position];
    uint32_t number = *hl_watch_link(stalls, track, frame, scope->scope);
    if (number)
        return hl_watch_at(stalls, number);
    number = hl_pool_take(&stalls->watches);
    if (!number) {
        stalls->lacks_memory = true;
        return NULL;
    }
    struct hl_watch *watch = hl_watch_at(stalls, number);
    watch->frame = frame;
    watch->scope = scope->scope;
    watch->tid = stack->tid;
    memcpy(watch->label, scope->label, sizeof watch->label);
    watch->next = track->watches;
    track->watches = number;
    return watch;
}

static void apply(struct hl_watch *watch, const struct rule *rule)
{
    if (rule->since_ns > watch->since_ns)
        watch->base.known = false;
    watch->since_ns = rule->since_ns;
    watch->limit_ns = rule->limit_ns;
    watch->own_limit = rule->own_limit;
    watch->progress = rule->counter ? rule->counter->value : HL_UNKNOWN;
}

static void judge_scope(struct hl_stalls *stalls, struct hl_record *record, struct hl_track *track,
                        const struct hl_stack *stack, uint32_t position, const struct rule *rule)
{
    struct hl_watch *watch = find_or_begin(stalls, track, stack->frame[position], stack, position);
    if (!watch || watch->is_over)
        return;
    if (watch->open && rule->since_ns > watch->since_ns)
        hl_recover_by_sign(stalls, record, track, watch, rule->since_ns);
    apply(watch, rule);
    watch->pass = stalls->pass;
    stalls->shortest_limit_ns = hl_earlier(stalls->shortest_limit_ns, rule->limit_ns);
    if (watch->open)
        judge_reported(stalls, watch, stack, position);
    else
        judge_unreported(stalls, track, watch, stack, position);
    arm(stalls, record, watch);
}

/* The limit was taken back: that was a sign of life, too. */
static void end_by_cancelling(struct hl_stalls *stalls, struct hl_record *record,
                              struct hl_track *track, const struct hl_stack *stack,
                              uint32_t position)
{
    const struct hl_scope *scope = &stack->scopes[position];
    uint32_t number = *hl_watch_link(stalls, track, stack->frame[position], scope->scope);
    if (number && hl_watch_at(stalls, number)->open)
        hl_recover_by_sign(stalls, record, track, hl_watch_at(stalls, number),
                           scope->limit_since_ns);
}

static void judge_by_own_limit(struct hl_stalls *stalls, struct hl_record *record,
                               struct hl_track *track, const struct hl_stack *stack,
                               uint32_t position)
{
    const struct hl_scope *scope = &stack->scopes[position];
    if (!scope->has_limit)
        return;
    if (scope->limit_ns == 0) {
        end_by_cancelling(stalls, record, track, stack, position);
        return;
    }
    struct rule rule = {
        .own_limit = true,
        .limit_ns = scope->limit_ns,
        .since_ns = scope->limit_since_ns,
        .counter = hl_progress_covering(stalls->progress, stack, position, true),
    };
    if (rule.counter)
        rule.since_ns = hl_later(rule.since_ns, rule.counter->moved_ns);
    judge_scope(stalls, record, track, stack, position, &rule);
}

/* A stack that did not hold still belongs to a thread that shows signs of life. */
static void judge_innermost(struct hl_stalls *stalls, struct hl_record *record,
                            struct hl_track *track, const struct hl_stack *stack)
{
    if (!stack->whole || stack->count == 0 || stalls->limit_ns == 0)
        return;
    uint32_t position = stack->count - 1;
    const struct hl_scope *scope = &stack->scopes[position];
    if (scope->waiting || scope->has_limit)
        return;
    struct rule rule = {
        .limit_ns = stalls->limit_ns,
        .since_ns = hl_later(scope->pushed_ns, stack->popped_ns),
        .counter = hl_progress_covering(stalls->progress, stack, position, false),
    };
    if (rule.counter)
        rule.since_ns = hl_later(rule.since_ns, rule.counter->moved_ns);
    judge_scope(stalls, record, track, stack, position, &rule);
}

/* Scopes with a limit of their own that lie deeper than what held still. */
static void keep_unseen(struct hl_stalls *stalls, struct hl_track *track,
                        const struct hl_stack *stack)
{
    if (stack->whole)
        return;
    for (uint32_t number = track->watches; number; number = hl_watch_at(stalls, number)->next) {
        struct hl_watch *watch = hl_watch_at(stalls, number);
        bool beyond = stack->count == 0 || watch->frame > stack->frame[stack->count - 1];
        if (!watch->own_limit || !beyond)
            continue;
        watch->pass = stalls->pass;
        stalls->shortest_limit_ns = hl_earlier(stalls->shortest_limit_ns, watch->limit_ns);
        plan(stalls, SOON);
    }
}

/* ---- one wake-up ------------------------------------------------------------------ */

void hl_stalls_begin(struct hl_stalls *stalls, uint64_t now_ns)
{
    stalls->pass++;
    stalls->now_ns = now_ns;
    stalls->due_ns = HL_UNKNOWN;
    stalls->shortest_limit_ns = stalls->limit_ns ? stalls->limit_ns : HL_UNKNOWN;
    stalls->stalled_threads = 0;
    stalls->looks = 0;
    stalls->armed = stalls->reported = stalls->lacks_memory = false;
    turn_minute(stalls);
}

void hl_stalls_visit(struct hl_stalls *stalls, struct hl_record *record,
                     const struct hl_stack *stack)
{
    if (!hl_array_reserve(&stalls->tracks, (size_t)stack->record + 1)) {
        stalls->lacks_memory = true;
        return;
    }
    struct hl_track *track = hl_track_at(stalls, stack->record);
    hl_recover_by_ends(stalls, record, track);
    for (uint32_t i = 0; i < stack->count; i++)
        judge_by_own_limit(stalls, record, track, stack, i);
    judge_innermost(stalls, record, track, stack);
    keep_unseen(stalls, track, stack);
    hl_recover_unjudged(stalls, record, track);
    stalls->stalled_threads += track->stalled > 0;
}

void hl_stalls_end(struct hl_stalls *stalls)
{
    stalls->due_ns = hl_earlier(stalls->due_ns, hl_budget_due_ns(&stalls->budget));
}

bool hl_stalls_is_stalled(const struct hl_stalls *stalls, uint32_t record)
{
    return record < stalls->tracks.capacity && hl_track_at(stalls, record)->stalled > 0;
}

void hl_stalls_finish(struct hl_stalls *stalls, uint64_t now_ns)
{
    say_merged(stalls);
    for (size_t i = 0; i < stalls->tracks.capacity; i++) {
        uint32_t number = hl_track_at(stalls, (uint32_t)i)->watches;
        for (; number; number = hl_watch_at(stalls, number)->next) {
            const struct hl_watch *watch = hl_watch_at(stalls, number);
            if (watch->open)
                hl_stalls_add_total(stalls, hl_watch_age(stalls, watch, now_ns));
        }
    }
}
