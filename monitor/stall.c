/* A watch is one scope that is being judged: the innermost one of each thread,
 * and every one with a limit of its own. Each scope that is seen open is armed
 * (record.h), so its end carries its time and nothing depends on when the
 * monitor looks next. A watch that was reported has an open stall.
 *
 * Lifecycle: STALL; a reminder each time the limit's multiple has doubled (2x,
 * 4x, ...); RECOVERED. A scope that overran and ended between two looks is told
 * once, in the past tense. STALL lines have a budget per minute, reminders may
 * use half of it; stalls beyond it keep their ids and are merged into one line
 * when the minute is over, and so are their recoveries.
 */
#include "stall.h"

#include "rates.h"

#include <string.h>

#define SOON 10000000ull   /* as soon as the monitor may look again */
#define LOOKS_PER_LIMIT 4  /* at a suspect's evidence */
#define LOOKS_AT_ONCE 1000 /* into suspects, at one wake-up: some 10 ms */
#define ENOUGH_OBSERVED 100000000ull

struct track {
    uint32_t watches; /* list */
    uint32_t stalled; /* reported ones in it */
    uint64_t ends_seen;
};

struct watch {
    uint32_t next;
    uint32_t frame;
    uint64_t scope;
    uint64_t tid;
    uint64_t since_ns; /* the last sign of life, or when its own limit's clock began */
    uint64_t held_ns;  /* it could not be judged until then (stopped thread) */
    uint64_t limit_ns;
    uint64_t progress; /* what the counter that extends it showed; HL_UNKNOWN = none */
    uint32_t pass;     /* last wake-up at which it was judged */
    uint32_t open;     /* its stall, 0 = not reported */
    bool own_limit;
    bool is_held;            /* its thread was stopped when last looked at */
    bool is_over;            /* its end has been taken; a snapshot may still show it */
    bool is_settled;         /* there is nothing to be found in the wait of its first evidence */
    uint64_t looked_ns;      /* last look at the suspect; 0 = none yet */
    struct hl_evidence base; /* the first one */
    char label[HL_LABEL_BYTES];
};

struct open_stall {
    uint32_t next;
    uint32_t reminders;
    uint64_t id;
    uint64_t epoch;     /* names the report to the thread; ids begin anew at each start, this not */
    uint64_t remind_ns; /* age at which to remind */
    bool merged;        /* its STALL was merged, so is its RECOVERED */
    struct hl_thread_ref thread;
};

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
        .tracks = {.element = sizeof(struct track)},
        .watches = {.items = {.element = sizeof(struct watch)}},
        .open = {.items = {.element = sizeof(struct open_stall)}},
    };
}

void hl_stalls_free(struct hl_stalls *stalls)
{
    hl_array_free(&stalls->tracks);
    hl_array_free(&stalls->watches.items);
    hl_array_free(&stalls->open.items);
}

static struct track *track_at(const struct hl_stalls *stalls, uint32_t record)
{
    return (struct track *)stalls->tracks.memory + record;
}

static struct watch *watch_at(const struct hl_stalls *stalls, uint32_t number)
{
    return hl_pool_item(&stalls->watches, number);
}

void hl_stalls_fetch(const struct hl_stalls *stalls, uint32_t record)
{
    if (record < stalls->tracks.capacity)
        hl_pool_fetch(&stalls->watches, track_at(stalls, record)->watches,
                      offsetof(struct watch, base));
}

static struct open_stall *stall_of(const struct hl_stalls *stalls, const struct watch *watch)
{
    return hl_pool_item(&stalls->open, watch->open);
}

/* A thread that was stopped begins anew when it is seen to run again. */
static uint64_t age_at(const struct hl_stalls *stalls, const struct watch *watch, uint64_t at_ns)
{
    return hl_clock_age(stalls->clock, hl_later(watch->since_ns, watch->held_ns), at_ns);
}

/* The age at which the limit has passed for certain. */
static uint64_t certain_age(const struct hl_stalls *stalls, const struct watch *watch)
{
    bool is_exact = watch->since_ns >= stalls->exact_from_ns;
    return watch->limit_ns + (is_exact ? 0 : stalls->tick_ns);
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

static void add_to_totals(struct hl_stalls *stalls, uint64_t stuck_ns)
{
    stalls->totals.total_ns += stuck_ns;
    stalls->totals.longest_ns = hl_later(stalls->totals.longest_ns, stuck_ns);
}

/* ---- recovery ---------------------------------------------------------------- */

static void recover(struct hl_stalls *stalls, struct track *track, struct watch *watch,
                    uint64_t until_ns, bool at_most, const char *reason)
{
    struct open_stall *open = stall_of(stalls, watch);
    struct hl_recovered_event event = {
        .id = open->id,
        .thread = open->thread,
        .stuck_ns = age_at(stalls, watch, until_ns),
        .at_most = at_most,
        .reason = reason,
    };
    memcpy(event.phase, watch->label, sizeof event.phase);
    add_to_totals(stalls, event.stuck_ns);
    if (open->merged)
        hl_budget_merge_recovery(&stalls->budget, open->id, event.stuck_ns);
    else
        stalls->hooks.recovered(stalls->hooks.context, &event);
    hl_pool_give(&stalls->open, watch->open);
    watch->open = 0;
    track->stalled--;
}

static bool sign_was_left(const struct hl_stalls *stalls, const struct hl_record *record,
                          const struct watch *watch)
{
    return !watch->own_limit && hl_acquire(&record->sign_epoch) == stall_of(stalls, watch)->epoch;
}

/* The first push after the report left its time; else all that is known is that
 * it was over by `by_ns`. */
static void recover_by_sign(struct hl_stalls *stalls, struct hl_record *record, struct track *track,
                            struct watch *watch, uint64_t by_ns)
{
    bool timed = sign_was_left(stalls, record, watch);
    uint64_t until = timed ? hl_earlier(hl_acquire(&record->sign_ns), by_ns) : by_ns;
    recover(stalls, track, watch, until, !timed, NULL);
}

/* ---- a stall ------------------------------------------------------------------- */

static uint64_t first_reminder(uint64_t limit_ns, uint64_t stuck_ns)
{
    uint64_t at = limit_ns * 2;
    while (at <= stuck_ns)
        at *= 2;
    return at;
}

static void fill_event(struct hl_stalls *stalls, const struct watch *watch,
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

static void report(struct hl_stalls *stalls, struct track *track, struct watch *watch,
                   const struct hl_stack *stack, uint32_t position, uint64_t stuck_ns,
                   const struct hl_evidence *evidence)
{
    watch->open = hl_pool_take(&stalls->open);
    if (!watch->open)
        return; /* no memory: tried again at the next look */
    track->stalled++;
    stalls->totals.count++;
    stalls->reported = true;
    struct open_stall *open = stall_of(stalls, watch);
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
    stalls->hooks.stalled(stalls->hooks.context, &event);
}

static void remind(struct hl_stalls *stalls, struct watch *watch, const struct hl_stack *stack,
                   uint32_t position, uint64_t stuck_ns)
{
    struct open_stall *open = stall_of(stalls, watch);
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
    stalls->hooks.stalled(stalls->hooks.context, &event);
}

/* It overran and ended while the monitor was late: told once, as past. */
static void report_past(struct hl_stalls *stalls, const struct watch *watch, uint64_t stuck_ns)
{
    uint64_t id = hl_stalls_take_id(stalls);
    stalls->totals.count++;
    add_to_totals(stalls, stuck_ns);
    if (!hl_budget_take(&stalls->budget, false)) {
        hl_budget_merge(&stalls->budget, id, watch->label, stuck_ns);
        return;
    }
    struct hl_stall_event event = {
        .id = id,
        .stuck_ns = stuck_ns,
        .limit_ns = watch->limit_ns,
        .ended = true,
        .evidence = {.cpu_milli = HL_UNKNOWN, .run_delay_milli = HL_UNKNOWN}};
    memcpy(event.phase, watch->label, sizeof event.phase);
    stalls->hooks.thread(stalls->hooks.context, watch->tid, &event.thread);
    stalls->hooks.stalled(stalls->hooks.context, &event);
}

/* ---- ends ------------------------------------------------------------------------ */

static bool counter_moved(const struct watch *watch, const struct hl_end *end)
{
    return watch->progress != HL_UNKNOWN && end->progress != watch->progress;
}

/* scope_expect was called since the last look, with a limit that nobody saw. */
static bool was_expected_anew(const struct watch *watch, const struct hl_end *end)
{
    return end->limit_since_ns > (watch->own_limit ? watch->since_ns : 0);
}

/* How long it was quiet before it ended; 0 where that is not certain. */
static uint64_t quiet_before_end(const struct hl_stalls *stalls, const struct watch *watch,
                                 const struct hl_end *end)
{
    if (watch->is_held || counter_moved(watch, end) || was_expected_anew(watch, end))
        return 0;
    uint64_t since = hl_later(watch->since_ns, watch->held_ns);
    if (!watch->own_limit)
        since = hl_later(since, end->quiet_since_ns);
    return hl_clock_age(stalls->clock, since, end->ended_ns);
}

static void recover_by_end(struct hl_stalls *stalls, struct track *track, struct watch *watch,
                           const struct hl_end *end)
{
    if (was_expected_anew(watch, end))
        recover(stalls, track, watch, end->limit_since_ns, true, NULL);
    else
        recover(stalls, track, watch, end->ended_ns, counter_moved(watch, end),
                end->by_exit ? "exit" : NULL);
}

static void judge_end(struct hl_stalls *stalls, struct hl_record *record, struct track *track,
                      struct watch *watch, const struct hl_end *end)
{
    if (!watch->open) {
        uint64_t quiet = quiet_before_end(stalls, watch, end);
        if (quiet > certain_age(stalls, watch))
            report_past(stalls, watch, quiet);
    } else if (sign_was_left(stalls, record, watch) &&
               hl_acquire(&record->sign_ns) < end->ended_ns) {
        recover_by_sign(stalls, record, track, watch, end->ended_ns);
    } else {
        recover_by_end(stalls, track, watch, end);
    }
}

/* The link that leads to the watch, or to 0. */
static uint32_t *find_link(struct hl_stalls *stalls, struct track *track, uint32_t frame,
                           uint64_t scope)
{
    uint32_t *link = &track->watches;
    while (*link) {
        struct watch *watch = watch_at(stalls, *link);
        if (watch->frame == frame && watch->scope == scope)
            break;
        link = &watch->next;
    }
    return link;
}

/* Its end no longer matters, and must not push out of `ended` one that does. */
static void disarm(struct hl_record *record, const struct watch *watch)
{
    hl_word *word = &record->watch[watch->frame];
    uint64_t armed = hl_get(word);
    if (armed >> 1 == watch->scope)
        atomic_compare_exchange_strong(word, &armed, 0);
}

static void drop(struct hl_stalls *stalls, struct hl_record *record, uint32_t *link)
{
    uint32_t number = *link;
    disarm(record, watch_at(stalls, number));
    *link = watch_at(stalls, number)->next;
    hl_pool_give(&stalls->watches, number);
}

/* What has ended after the snapshot was taken is still in it: its watch stays
 * until this wake-up is over, so that it is not judged once more. */
static void take_ends(struct hl_stalls *stalls, struct hl_record *record, struct track *track)
{
    struct hl_end end;
    while (hl_snapshot_next_end(record, &track->ends_seen, &end)) {
        uint32_t number = *find_link(stalls, track, end.frame, end.scope);
        if (!number)
            continue;
        judge_end(stalls, record, track, watch_at(stalls, number), &end);
        watch_at(stalls, number)->is_over = true;
    }
}

/* What was not judged at this wake-up has ended, or is no longer the innermost. */
static void drop_unjudged(struct hl_stalls *stalls, struct hl_record *record, struct track *track)
{
    uint32_t *link = &track->watches;
    while (*link) {
        struct watch *watch = watch_at(stalls, *link);
        if (watch->pass == stalls->pass && !watch->is_over) {
            link = &watch->next;
            continue;
        }
        if (watch->open)
            recover_by_sign(stalls, record, track, watch, stalls->now_ns);
        drop(stalls, record, link);
    }
}

/* ---- judging one scope --------------------------------------------------------- */

static void arm(struct hl_stalls *stalls, struct hl_record *record, const struct watch *watch)
{
    hl_word *word = &record->watch[watch->frame];
    uint64_t wanted = watch->scope << 1 | (watch->open != 0);
    if (hl_get(word) != wanted) {
        hl_release(word, wanted);
        stalls->armed = true;
    }
    if (watch->open && !watch->own_limit) {
        uint64_t epoch = stall_of(stalls, watch)->epoch;
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
static bool is_due_for_evidence(const struct hl_stalls *stalls, const struct watch *watch,
                                uint64_t age, uint64_t certain)
{
    uint64_t quarter = watch->limit_ns / LOOKS_PER_LIMIT;
    if (age >= certain || watch->is_held)
        return true;
    bool is_suspect = age >= quarter || certain - age <= SOON;
    return is_suspect && (!watch->looked_ns || stalls->now_ns - watch->looked_ns >= quarter);
}

static void get_evidence(struct hl_stalls *stalls, struct watch *watch,
                         struct hl_evidence *evidence)
{
    stalls->hooks.evidence(stalls->hooks.context, watch->tid, stalls->now_ns, evidence);
    watch->looked_ns = stalls->now_ns;
}

/* True when the thread is stopped, or was until just now. */
static bool is_held(struct hl_stalls *stalls, struct watch *watch,
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
static uint64_t enough(const struct watch *watch)
{
    return hl_earlier(watch->limit_ns / 8, ENOUGH_OBSERVED);
}

/* Overdue when first seen (the monitor was late, or has just begun): from too short
 * an observation there would be no verdict, or a wrong one. */
static bool can_tell_more_soon(const struct hl_stalls *stalls, const struct watch *watch,
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
static void suspect(struct hl_stalls *stalls, struct watch *watch)
{
    if (!watch->is_settled)
        watch->is_settled =
            !stalls->hooks.suspect(stalls->hooks.context, watch->tid, watch->since_ns);
}

/* Before the limit that is as good as the whole evidence. */
static bool sleeps_on(struct hl_stalls *stalls, struct watch *watch)
{
    if (!watch->base.known || watch->is_held ||
        !stalls->hooks.sleeps_on(stalls->hooks.context, watch->tid, &watch->base))
        return false;
    watch->looked_ns = stalls->now_ns;
    return true;
}

static void observe(struct hl_stalls *stalls, struct watch *watch,
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
static bool is_left_alone(struct hl_stalls *stalls, struct watch *watch, uint64_t age,
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

static void judge_unreported(struct hl_stalls *stalls, struct track *track, struct watch *watch,
                             const struct hl_stack *stack, uint32_t position)
{
    uint64_t age = age_at(stalls, watch, stalls->now_ns);
    uint64_t certain = certain_age(stalls, watch);
    struct hl_evidence evidence;
    if (is_left_alone(stalls, watch, age, certain))
        return;
    get_evidence(stalls, watch, &evidence);
    if (is_held(stalls, watch, &evidence)) {
        plan(stalls, certain);
    } else if (age < certain || can_tell_more_soon(stalls, watch, &evidence)) {
        observe(stalls, watch, &evidence);
        plan(stalls, age < certain ? certain - age : hl_later(SOON, enough(watch)));
    } else {
        report(stalls, track, watch, stack, position, age, &evidence);
        if (watch->open)
            plan(stalls, stall_of(stalls, watch)->remind_ns - age);
    }
}

static void judge_reported(struct hl_stalls *stalls, struct watch *watch,
                           const struct hl_stack *stack, uint32_t position)
{
    uint64_t age = age_at(stalls, watch, stalls->now_ns);
    if (age >= stall_of(stalls, watch)->remind_ns)
        remind(stalls, watch, stack, position, age);
    plan(stalls, stall_of(stalls, watch)->remind_ns - age);
}

static struct watch *find_or_begin(struct hl_stalls *stalls, struct track *track, uint32_t frame,
                                   const struct hl_stack *stack, uint32_t position)
{
    const struct hl_scope *scope = &stack->scopes[position];
    uint32_t number = *find_link(stalls, track, frame, scope->scope);
    if (number)
        return watch_at(stalls, number);
    number = hl_pool_take(&stalls->watches);
    if (!number)
        return NULL;
    struct watch *watch = watch_at(stalls, number);
    watch->frame = frame;
    watch->scope = scope->scope;
    watch->tid = stack->tid;
    memcpy(watch->label, scope->label, sizeof watch->label);
    watch->next = track->watches;
    track->watches = number;
    return watch;
}

static void apply(struct watch *watch, const struct rule *rule)
{
    if (rule->since_ns > watch->since_ns) {
        watch->base.known = false;
        watch->looked_ns = 0;
    }
    watch->since_ns = rule->since_ns;
    watch->limit_ns = rule->limit_ns;
    watch->own_limit = rule->own_limit;
    watch->progress = rule->counter ? rule->counter->value : HL_UNKNOWN;
}

static void judge_scope(struct hl_stalls *stalls, struct hl_record *record, struct track *track,
                        const struct hl_stack *stack, uint32_t position, const struct rule *rule)
{
    struct watch *watch = find_or_begin(stalls, track, stack->frame[position], stack, position);
    if (!watch || watch->is_over)
        return;
    if (watch->open && rule->since_ns > watch->since_ns)
        recover_by_sign(stalls, record, track, watch, rule->since_ns);
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
                              struct track *track, const struct hl_stack *stack, uint32_t position)
{
    const struct hl_scope *scope = &stack->scopes[position];
    uint32_t number = *find_link(stalls, track, stack->frame[position], scope->scope);
    if (number && watch_at(stalls, number)->open)
        recover_by_sign(stalls, record, track, watch_at(stalls, number), scope->limit_since_ns);
}

static void judge_by_own_limit(struct hl_stalls *stalls, struct hl_record *record,
                               struct track *track, const struct hl_stack *stack, uint32_t position)
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
static void judge_innermost(struct hl_stalls *stalls, struct hl_record *record, struct track *track,
                            const struct hl_stack *stack)
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
static void keep_unseen(struct hl_stalls *stalls, struct track *track, const struct hl_stack *stack)
{
    if (stack->whole)
        return;
    for (uint32_t number = track->watches; number; number = watch_at(stalls, number)->next) {
        struct watch *watch = watch_at(stalls, number);
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
    stalls->armed = stalls->reported = false;
    turn_minute(stalls);
}

void hl_stalls_visit(struct hl_stalls *stalls, struct hl_record *record,
                     const struct hl_stack *stack)
{
    if (!hl_array_reserve(&stalls->tracks, (size_t)stack->record + 1))
        return;
    struct track *track = track_at(stalls, stack->record);
    take_ends(stalls, record, track);
    for (uint32_t i = 0; i < stack->count; i++)
        judge_by_own_limit(stalls, record, track, stack, i);
    judge_innermost(stalls, record, track, stack);
    keep_unseen(stalls, track, stack);
    drop_unjudged(stalls, record, track);
    stalls->stalled_threads += track->stalled > 0;
}

void hl_stalls_gone(struct hl_stalls *stalls, struct hl_record *record, uint32_t index)
{
    if (index >= stalls->tracks.capacity)
        return;
    struct track *track = track_at(stalls, index);
    take_ends(stalls, record, track);
    drop_unjudged(stalls, record, track);
}

void hl_stalls_vanished(struct hl_stalls *stalls, struct hl_record *record, uint32_t index)
{
    if (index >= stalls->tracks.capacity)
        return;
    struct track *track = track_at(stalls, index);
    while (track->watches) {
        struct watch *watch = watch_at(stalls, track->watches);
        if (watch->open)
            recover(stalls, track, watch, stalls->now_ns, true, "exit");
        drop(stalls, record, &track->watches);
    }
}

void hl_stalls_end(struct hl_stalls *stalls)
{
    stalls->due_ns = hl_earlier(stalls->due_ns, hl_budget_due_ns(&stalls->budget));
}

bool hl_stalls_is_stalled(const struct hl_stalls *stalls, uint32_t record)
{
    return record < stalls->tracks.capacity && track_at(stalls, record)->stalled > 0;
}

void hl_stalls_finish(struct hl_stalls *stalls, uint64_t now_ns)
{
    say_merged(stalls);
    for (size_t i = 0; i < stalls->tracks.capacity; i++) {
        uint32_t number = track_at(stalls, (uint32_t)i)->watches;
        for (; number; number = watch_at(stalls, number)->next) {
            const struct watch *watch = watch_at(stalls, number);
            if (watch->open)
                add_to_totals(stalls, age_at(stalls, watch, now_ns));
        }
    }
}
