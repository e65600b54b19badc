/* monitor/chain.h - who waits for whom: from a waiter to the holder of its lock, to
 * what that one waits for, and so on. Pure: looks are handed in by the caller.
 *
 * A chain goes on only where the next thread is established beyond doubt
 * (owner.h), or is the one that is being joined. It ends at a root, a thread that
 * waits for no other (or not certainly), or in a cycle.
 */
#ifndef HL_CHAIN_H
#define HL_CHAIN_H

#include "../platform/platform.h"

#define HL_CHAIN_LINKS 32 /* a longer one ends as if its last thread were the root */

/* One thread, looked into at one moment. */
struct hl_link {
    uint64_t tid;
    uint64_t waited_ns; /* it was seen in this very wait that long ago; 0 = not before */
    struct hl_plat_look look;
    const char *holder_why; /* where the look does not tell one: the platform's reason */
};

struct hl_chain {
    size_t count; /* at least 1 unless the first look failed */
    bool is_cycle;
    size_t cycle_at; /* the last link waits for this one */
    struct hl_link links[HL_CHAIN_LINKS];
};

/* Looks into a thread. false: gone, or nothing is known. */
typedef bool hl_look_into(void *context, uint64_t tid, struct hl_link *link);

/* false: nothing could be learnt about the first thread. */
bool hl_chain_follow(struct hl_chain *chain, uint64_t tid, hl_look_into *look_into, void *context);

#endif
