/* monitor/verdict.h - evidence about a stuck thread -> what kind of stuck it is.
 * Pure: two readings in, shares and a word out. What it waits for is put into
 * words in wait_words.c, who holds it is decided in owner.c. */
#ifndef HL_VERDICT_H
#define HL_VERDICT_H

#include "event.h"

/* One look at a thread. */
struct hl_evidence {
    bool known;
    char state; /* 0 = unknown */
    uint64_t at_ns;
    uint64_t on_core_ns;   /* cumulative; HL_UNKNOWN */
    uint64_t run_delay_ns; /* runnable without a core, cumulative; HL_UNKNOWN */
    uint64_t switches;     /* times it got onto a core, cumulative; HL_UNKNOWN */
    uint64_t sleeps;       /* times it gave one up to wait; HL_UNKNOWN, also while it sleeps */
    uint64_t throttled_ns; /* all threads together, by a CPU quota, cumulative; HL_UNKNOWN = none */
};

/* The shares between the two looks, which lie `observed_ns` of active time apart,
 * and the verdict they give. */
void hl_verdict(const struct hl_evidence *then, const struct hl_evidence *now, uint64_t observed_ns,
                struct hl_evidence_view *view);

/* It sleeps, and has not run since `then`: the same wait at both looks. */
bool hl_evidence_is_same_wait(const struct hl_evidence *then, const struct hl_evidence *now);

/* The thread is stopped (by a debugger, or SIGSTOP): it cannot be judged. */
bool hl_evidence_is_stopped(const struct hl_evidence *evidence);

#endif
