/* monitor/deadlock.h - the memory of cycles: which one is certain, and which was said.
 *
 * A cycle of owners is a deadlock when two looks, some milliseconds apart, show
 * the same threads in the same waits, and one of them is a suspect: stalled, or
 * outside any scope and idle for the limit. It is said once, also when a signal
 * made a member wait anew in between. Pure: no clock, no I/O. Of the monitor
 * thread alone.
 */
#ifndef HL_DEADLOCK_H
#define HL_DEADLOCK_H

#include "chain.h"
#include "pool.h"

/* Two sightings; a lock that changes hands does so faster. */
#define HL_SIGHTINGS_APART_NS 5000000ull

struct hl_cycle_member {
    uint64_t tid, start;
    uint64_t lock;     /* address; what is joined has none */
    uint64_t switches; /* of this wait */
};

struct hl_cycle {
    size_t count;
    struct hl_cycle_member members[HL_CHAIN_LINKS]; /* the smallest tid first */
    uint64_t seen_ns;                               /* last */
    unsigned sightings;                             /* of exactly these waits, apart */
    uint64_t counted_ns;                            /* the last of them */
    bool has_idle;                                  /* a member is a suspect outside any scope */
    bool is_said;
    unsigned misses; /* it was looked for and not seen; once said, counted by the caller */
};

struct hl_deadlocks {
    struct hl_array cycles; /* struct hl_cycle */
    size_t count;
    uint64_t said;
};

void hl_deadlocks_init(struct hl_deadlocks *deadlocks);
void hl_deadlocks_free(struct hl_deadlocks *deadlocks);

/* A chain that ends in a cycle was seen. `idle_tid`: a suspect outside any scope
 * whose chain it is; 0 = none. */
void hl_deadlocks_see(struct hl_deadlocks *deadlocks, const struct hl_chain *chain,
                      uint64_t idle_tid, uint64_t now_ns);

/* The i-th cycle that was said, or was not yet; NULL = no more. */
struct hl_cycle *hl_deadlocks_find(const struct hl_deadlocks *deadlocks, bool said, size_t i);

/* One that has dissolved. */
void hl_deadlocks_forget(struct hl_deadlocks *deadlocks, struct hl_cycle *cycle);
void hl_deadlocks_say(struct hl_deadlocks *deadlocks, struct hl_cycle *cycle);

#endif
