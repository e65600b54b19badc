/* monitor/progress.h - what each open progress counter did, as the monitor saw it.
 *
 * A counter carries no time of its own (a bump must stay cheap), so movement is
 * dated by the wake-up that observes it. Of the monitor thread alone.
 */
#ifndef HL_PROGRESS_H
#define HL_PROGRESS_H

#include "clock.h"
#include "pool.h"
#include "rates.h"
#include "snapshot.h"

struct hl_progress_watch {
    uint32_t next;
    uint32_t frame;
    uint64_t scope;
    uint64_t value, total;
    uint64_t moved_ns;                   /* when it was seen to have moved; at first, the push */
    uint64_t window_value, window_total; /* when the present window began */
    struct hl_history history;
};

struct hl_progress {
    struct hl_array first; /* uint32_t by record: its list in the pool */
    struct hl_pool pool;
};

void hl_progress_init(struct hl_progress *progress);
void hl_progress_free(struct hl_progress *progress);

/* Asks for the memory of what is known of a record; see hl_snapshot_fetch. */
void hl_progress_fetch(const struct hl_progress *progress, uint32_t record);

/* Looks at every counter on the stack; forgets those whose scope has gone. */
void hl_progress_observe(struct hl_progress *progress, const struct hl_stack *stack,
                         uint64_t now_ns);
/* The record is free, or its stack is empty. */
void hl_progress_forget(struct hl_progress *progress, uint32_t record);

/* The watch of the counter at stack->scopes[position] or further out, the
 * innermost first; NULL = no counter covers that scope. `own` asks for the
 * scope's own counter only. */
const struct hl_progress_watch *hl_progress_covering(const struct hl_progress *progress,
                                                     const struct hl_stack *stack,
                                                     uint32_t position, bool own);

/* A heartbeat's sample of every counter of the record, for its rate. */
void hl_progress_sample(struct hl_progress *progress, uint32_t record, uint64_t active_ns);
/* The heartbeat has been written: a new window begins. */
void hl_progress_next_window(struct hl_progress *progress, uint32_t record);

/* How the counter that covers stack->scopes[position] is shown in a heartbeat. */
void hl_progress_view(const struct hl_progress *progress, const struct hl_stack *stack,
                      uint32_t position, const struct hl_clock *clock, uint64_t now_ns,
                      struct hl_progress_view *view);
/* The same in a STALL line: no rate, but for how long it has not moved. */
void hl_progress_view_stuck(const struct hl_progress *progress, const struct hl_stack *stack,
                            uint32_t position, const struct hl_clock *clock, uint64_t now_ns,
                            struct hl_progress_view *view);

#endif
