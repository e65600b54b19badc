/* monitor/stall.h - the judge: which scopes are stuck, and the life of a stall.
 *
 * It is shown every thread's stack at every wake-up, knows what it saw before,
 * and tells stalls, reminders and recoveries through hooks. It has no clock and
 * does no I/O: time and evidence are handed in. Of the monitor thread alone.
 *
 * The rule. A thread's innermost scope is judged by the default limit, unless it
 * has one of its own or is declared waiting; its clock counts from the thread's
 * last push, pop or observed progress. A scope with its own limit is judged
 * wherever it lies in the stack, from its push or last scope_expect, extended
 * only by its own counter.
 */
#ifndef HL_STALL_H
#define HL_STALL_H

#include "budget.h"
#include "progress.h"
#include "verdict.h"

struct hl_stall_hooks {
    void *context;
    /* What the thread has done so far; known = false when it cannot be told. */
    void (*evidence)(void *context, uint64_t tid, uint64_t now_ns, struct hl_evidence *evidence);
    /* It slept at that look and has not run since, so that nothing about it has changed:
     * cheap to ask. false: it has, or that cannot be told. */
    bool (*sleeps_on)(void *context, uint64_t tid, const struct hl_evidence *then);
    /* It slept in one wait since its first evidence: to be looked into, for later.
     * false: not again, there is nothing to be found until it runs. */
    bool (*suspect)(void *context, uint64_t tid, uint64_t since_ns);
    /* Adds what it waits for to shares and verdict. Only for a line that is written. */
    void (*explain)(void *context, uint64_t tid, uint64_t since_ns, struct hl_evidence_view *view);
    void (*thread)(void *context, uint64_t tid, struct hl_thread_ref *thread);
    /* With what is known of its stack so far, NULL where it is over. */
    void (*stalled)(void *context, const struct hl_stall_event *event, struct hl_samples *samples);
    void (*merged)(void *context, const struct hl_merged_event *event);
    void (*recovered)(void *context, const struct hl_recovered_event *event);
    void (*merged_recovered)(void *context, const struct hl_merged_recovered_event *event);
};

struct hl_stall_totals {
    uint64_t count;
    uint64_t total_ns, longest_ns; /* of those that are over; see hl_stalls_finish */
};

struct hl_stalls {
    struct hl_stall_hooks hooks;
    const struct hl_clock *clock;
    const struct hl_progress *progress;
    uint64_t limit_ns;      /* default; 0 = never */
    uint64_t tick_ns;       /* how far a scope's time may lie before the true one */
    uint64_t exact_from_ns; /* times from here on are exact; HL_UNKNOWN = none are */

    struct hl_array tracks; /* by record */
    struct hl_pool watches; /* scopes that are being judged */
    struct hl_pool open;    /* reported stalls */
    uint64_t last_id;
    struct hl_stall_totals totals;

    struct hl_budget budget;

    /* Of the present wake-up. */
    uint32_t pass;
    uint64_t now_ns;
    uint64_t due_ns;            /* the next moment at which something may have to be said */
    uint64_t shortest_limit_ns; /* in force; HL_UNKNOWN = none */
    uint64_t stalled_threads;
    uint32_t looks;    /* into suspects */
    bool lacks_memory; /* not all could be judged */
    bool armed;        /* something was armed: a barrier on all threads is needed */
    bool reported;     /* a stall was: its thread may have gone on before it was armed */
    char path[HL_DEPTH][HL_LABEL_BYTES];
};

void hl_stalls_init(struct hl_stalls *stalls, const struct hl_stall_hooks *hooks,
                    const struct hl_clock *clock, const struct hl_progress *progress,
                    uint64_t limit_ns, uint64_t tick_ns, uint64_t exact_from_ns, uint64_t lines);
void hl_stalls_free(struct hl_stalls *stalls);

/* Asks for the memory of what is known of a record; see hl_snapshot_fetch. */
void hl_stalls_fetch(const struct hl_stalls *stalls, uint32_t record);

/* One wake-up: begin, every record once (visit where it has a stack, also an
 * empty one; gone where it is free), end. */
void hl_stalls_begin(struct hl_stalls *stalls, uint64_t now_ns);
void hl_stalls_visit(struct hl_stalls *stalls, struct hl_record *record,
                     const struct hl_stack *stack);
void hl_stalls_gone(struct hl_stalls *stalls, struct hl_record *record, uint32_t index);
void hl_stalls_end(struct hl_stalls *stalls);

/* The record's thread has gone without leaving the times of its ends: to be
 * called before the record is cleared, between begin and end. */
void hl_stalls_vanished(struct hl_stalls *stalls, struct hl_record *record, uint32_t index);

/* The next number for a STALL or DEADLOCK. */
uint64_t hl_stalls_take_id(struct hl_stalls *stalls);

bool hl_stalls_is_stalled(const struct hl_stalls *stalls, uint32_t record);

/* Says what is still held back, and counts the stalls that are still open into
 * the totals. */
void hl_stalls_finish(struct hl_stalls *stalls, uint64_t now_ns);

#endif
