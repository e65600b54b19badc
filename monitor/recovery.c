/* monitor/recovery.c - how a watch ends, and the stall that was reported of it.
 *
 * Three things tell that a stall is over, from the most exact to the least: the end
 * that the armed scope left with its time (record.h); the sign that the first push
 * after the report left; and that the scope is not judged any more, or its counter
 * moved, which is true at the latest now. A scope that overran and ended between two
 * looks was never reported: that is made up for here, in the past tense.
 */
#include "watch.h"

#include <string.h>

/* ---- a stall is over ---------------------------------------------------------- */

static void recover(struct hl_stalls *stalls, struct hl_track *track, struct hl_watch *watch,
                    uint64_t until_ns, bool at_most, const char *reason)
{
    struct hl_open_stall *open = hl_stall_of(stalls, watch);
    struct hl_recovered_event event = {
        .id = open->id,
        .thread = open->thread,
        .stuck_ns = hl_watch_age(stalls, watch, until_ns),
        .at_most = at_most,
        .reason = reason,
    };
    memcpy(event.phase, watch->label, sizeof event.phase);
    hl_stalls_add_total(stalls, event.stuck_ns);
    if (open->merged)
        hl_budget_merge_recovery(&stalls->budget, open->id, event.stuck_ns);
    else
        stalls->hooks.recovered(stalls->hooks.context, &event);
    hl_pool_give(&stalls->open, watch->open);
    watch->open = 0;
    track->stalled--;
}

static bool sign_was_left(const struct hl_stalls *stalls, const struct hl_record *record,
                          const struct hl_watch *watch)
{
    return !watch->own_limit &&
           hl_acquire(&record->sign_epoch) == hl_stall_of(stalls, watch)->epoch;
}

void hl_recover_by_sign(struct hl_stalls *stalls, struct hl_record *record, struct hl_track *track,
                        struct hl_watch *watch, uint64_t by_ns)
{
    bool timed = sign_was_left(stalls, record, watch);
    uint64_t until = timed ? hl_earlier(hl_acquire(&record->sign_ns), by_ns) : by_ns;
    recover(stalls, track, watch, until, !timed, NULL);
}

/* ---- an end that was left -------------------------------------------------------- */

/* It overran and ended while the monitor was late: told once, as past. */
static void report_past(struct hl_stalls *stalls, const struct hl_watch *watch, uint64_t stuck_ns)
{
    uint64_t id = hl_stalls_take_id(stalls);
    stalls->totals.count++;
    hl_stalls_add_total(stalls, stuck_ns);
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
    stalls->hooks.stalled(stalls->hooks.context, &event, NULL);
}

static bool counter_moved(const struct hl_watch *watch, const struct hl_end *end)
{
    return watch->progress != HL_UNKNOWN && end->progress != watch->progress;
}

/* scope_expect was called since the last look, with a limit that nobody saw. */
static bool was_expected_anew(const struct hl_watch *watch, const struct hl_end *end)
{
    return end->limit_since_ns > (watch->own_limit ? watch->since_ns : 0);
}

/* How long it was quiet before it ended; 0 where that is not certain. */
static uint64_t quiet_before_end(const struct hl_stalls *stalls, const struct hl_watch *watch,
                                 const struct hl_end *end)
{
    if (watch->is_held || counter_moved(watch, end) || was_expected_anew(watch, end))
        return 0;
    uint64_t since = hl_later(watch->since_ns, watch->held_ns);
    if (!watch->own_limit)
        since = hl_later(since, end->quiet_since_ns);
    return hl_clock_age(stalls->clock, since, end->ended_ns);
}

static void recover_by_end(struct hl_stalls *stalls, struct hl_track *track, struct hl_watch *watch,
                           const struct hl_end *end)
{
    if (was_expected_anew(watch, end))
        recover(stalls, track, watch, end->limit_since_ns, true, NULL);
    else
        recover(stalls, track, watch, end->ended_ns, counter_moved(watch, end),
                end->by_exit ? "exit" : NULL);
}

static void judge_end(struct hl_stalls *stalls, struct hl_record *record, struct hl_track *track,
                      struct hl_watch *watch, const struct hl_end *end)
{
    if (!watch->open) {
        uint64_t quiet = quiet_before_end(stalls, watch, end);
        if (quiet > hl_watch_certain_age(stalls, watch))
            report_past(stalls, watch, quiet);
    } else if (sign_was_left(stalls, record, watch) &&
               hl_acquire(&record->sign_ns) < end->ended_ns) {
        hl_recover_by_sign(stalls, record, track, watch, end->ended_ns);
    } else {
        recover_by_end(stalls, track, watch, end);
    }
}

/* ---- finding a watch, and letting go of it ------------------------------------------ */

uint32_t *hl_watch_link(struct hl_stalls *stalls, struct hl_track *track, uint32_t frame,
                        uint64_t scope)
{
    uint32_t *link = &track->watches;
    while (*link) {
        struct hl_watch *watch = hl_watch_at(stalls, *link);
        if (watch->frame == frame && watch->scope == scope)
            break;
        link = &watch->next;
    }
    return link;
}

/* Its end no longer matters, and must not push out of `ended` one that does. */
static void disarm(struct hl_record *record, const struct hl_watch *watch)
{
    hl_word *word = &record->watch[watch->frame];
    uint64_t armed = hl_get(word);
    if (armed >> 1 == watch->scope)
        atomic_compare_exchange_strong(word, &armed, 0);
}

static void drop(struct hl_stalls *stalls, struct hl_record *record, uint32_t *link)
{
    uint32_t number = *link;
    disarm(record, hl_watch_at(stalls, number));
    *link = hl_watch_at(stalls, number)->next;
    hl_pool_give(&stalls->watches, number);
}

void hl_recover_by_ends(struct hl_stalls *stalls, struct hl_record *record, struct hl_track *track)
{
    struct hl_end end;
    while (hl_snapshot_next_end(record, &track->ends_seen, &end)) {
        uint32_t number = *hl_watch_link(stalls, track, end.frame, end.scope);
        if (!number)
            continue;
        judge_end(stalls, record, track, hl_watch_at(stalls, number), &end);
        hl_watch_at(stalls, number)->is_over = true;
    }
}

void hl_recover_unjudged(struct hl_stalls *stalls, struct hl_record *record, struct hl_track *track)
{
    uint32_t *link = &track->watches;
    while (*link) {
        struct hl_watch *watch = hl_watch_at(stalls, *link);
        if (watch->pass == stalls->pass && !watch->is_over) {
            link = &watch->next;
            continue;
        }
        if (watch->open)
            hl_recover_by_sign(stalls, record, track, watch, stalls->now_ns);
        drop(stalls, record, link);
    }
}

/* ---- a thread that has gone ---------------------------------------------------------- */

void hl_stalls_gone(struct hl_stalls *stalls, struct hl_record *record, uint32_t index)
{
    if (index >= stalls->tracks.capacity)
        return;
    struct hl_track *track = hl_track_at(stalls, index);
    hl_recover_by_ends(stalls, record, track);
    hl_recover_unjudged(stalls, record, track);
}

void hl_stalls_vanished(struct hl_stalls *stalls, struct hl_record *record, uint32_t index)
{
    if (index >= stalls->tracks.capacity)
        return;
    struct hl_track *track = hl_track_at(stalls, index);
    while (track->watches) {
        struct hl_watch *watch = hl_watch_at(stalls, track->watches);
        if (watch->open)
            recover(stalls, track, watch, stalls->now_ns, true, "exit");
        drop(stalls, record, &track->watches);
    }
}
