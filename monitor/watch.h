/* monitor/watch.h - what the judge notes about scopes. Its two halves share it,
 * nobody else: stall.c judges and reports, recovery.c takes ends and says that a
 * stall is over.
 *
 * A watch is one scope that is being judged; its track holds the watches of one
 * record. A watch that was reported has an open stall.
 */
#ifndef HL_WATCH_H
#define HL_WATCH_H

#include "clock.h"
#include "stall.h"

struct hl_track {
    uint32_t watches; /* list */
    uint32_t stalled; /* reported ones in it */
    uint64_t ends_seen;
};

struct hl_watch {
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

struct hl_open_stall {
    uint32_t next;
    uint32_t reminders;
    uint64_t id;
    uint64_t epoch;     /* names the report to the thread; ids begin anew at each start, this not */
    uint64_t remind_ns; /* age at which to remind */
    bool merged;        /* its STALL was merged, so is its RECOVERED */
    struct hl_thread_ref thread;
    struct hl_samples samples;
};

static inline struct hl_track *hl_track_at(const struct hl_stalls *stalls, uint32_t record)
{
    return (struct hl_track *)stalls->tracks.memory + record;
}

static inline struct hl_watch *hl_watch_at(const struct hl_stalls *stalls, uint32_t number)
{
    return hl_pool_item(&stalls->watches, number);
}

static inline struct hl_open_stall *hl_stall_of(const struct hl_stalls *stalls,
                                                const struct hl_watch *watch)
{
    return hl_pool_item(&stalls->open, watch->open);
}

/* A thread that was stopped begins anew when it is seen to run again. */
static inline uint64_t hl_watch_age(const struct hl_stalls *stalls, const struct hl_watch *watch,
                                    uint64_t at_ns)
{
    return hl_clock_age(stalls->clock, hl_later(watch->since_ns, watch->held_ns), at_ns);
}

/* The age at which the limit has passed for certain. */
static inline uint64_t hl_watch_certain_age(const struct hl_stalls *stalls,
                                            const struct hl_watch *watch)
{
    bool is_exact = watch->since_ns >= stalls->exact_from_ns;
    return watch->limit_ns + (is_exact ? 0 : stalls->tick_ns);
}

static inline void hl_stalls_add_total(struct hl_stalls *stalls, uint64_t stuck_ns)
{
    stalls->totals.total_ns += stuck_ns;
    stalls->totals.longest_ns = hl_later(stalls->totals.longest_ns, stuck_ns);
}

/* ---- recovery.c ------------------------------------------------------------------ */

/* The link that leads to the watch, or to 0. */
uint32_t *hl_watch_link(struct hl_stalls *stalls, struct hl_track *track, uint32_t frame,
                        uint64_t scope);

/* A reported stall is over by a sign of life. The first push after the report left its
 * time; else all that is known is that it was over by `by_ns`. */
void hl_recover_by_sign(struct hl_stalls *stalls, struct hl_record *record, struct hl_track *track,
                        struct hl_watch *watch, uint64_t by_ns);

/* Takes the ends that the thread has left. What has ended after the snapshot was taken is
 * still in it: its watch stays until this wake-up is over, so that it is not judged once
 * more. */
void hl_recover_by_ends(struct hl_stalls *stalls, struct hl_record *record, struct hl_track *track);

/* What was not judged at this wake-up has ended, or is no longer the innermost. */
void hl_recover_unjudged(struct hl_stalls *stalls, struct hl_record *record,
                         struct hl_track *track);

#endif
