/* monitor/snapshot.h - the safe reading of another thread's scopes. */
#ifndef HL_SNAPSHOT_H
#define HL_SNAPSHOT_H

#include "record.h"

struct hl_scope {
    uint64_t scope; /* with record and frame number, names this scope for ever */
    uint64_t pushed_ns;
    bool waiting;
    bool has_limit;
    uint64_t limit_ns; /* own limit; 0 = never */
    uint64_t limit_since_ns;
    bool has_counter;
    uint64_t generation; /* of the counter */
    uint64_t current, total;
    char label[HL_LABEL_BYTES];
};

/* One thread's stack at one instant. */
struct hl_stack {
    uint32_t record;
    uint64_t tid;
    uint64_t popped_ns;
    uint32_t depth;           /* the true one */
    uint32_t count;           /* scopes below: the outermost ones, at most HL_DEPTH */
    uint32_t frame[HL_DEPTH]; /* which frame each of them is */
    bool whole; /* true: all of them, at one instant. false: the thread churned; what is
                          here is true, and there is more */
    struct hl_scope scopes[HL_DEPTH];
};

/* false: the record is free. Bounded; never waits for the thread. */
bool hl_snapshot(const struct hl_record *record, uint32_t index, struct hl_stack *stack);

/* Asks for the memory that a snapshot of a shallow stack will read, and does not
 * wait for it: ten thousand records lie in as many pages, and none is in a cache
 * when a heartbeat comes. The counter of its outermost scope is known only when the
 * record is there. */
void hl_snapshot_fetch(const struct hl_record *record);
void hl_snapshot_fetch_counter(const struct hl_record *record);

/* An end that was left for a watched scope. Reads entries from *seen on and
 * moves it; entries that were overwritten meanwhile are passed over. */
struct hl_end {
    uint64_t scope;
    uint32_t frame;
    bool by_exit;
    uint64_t ended_ns, quiet_since_ns, limit_since_ns, progress; /* as in hl_ended */
};
bool hl_snapshot_next_end(const struct hl_record *record, uint64_t *seen, struct hl_end *end);

/* It declared that it waits, in its innermost scope. */
static inline bool hl_stack_is_waiting(const struct hl_stack *stack)
{
    return stack->whole && stack->count > 0 && stack->scopes[stack->count - 1].waiting;
}

#endif
