/* monitor/inquiry.h - looking into suspects: evidence, what they wait for, who holds it.
 *
 * The judge says which thread is a suspect, and when; this asks the platform,
 * remembers what earlier looks showed (so that it can tell for how long a thread
 * sits in one wait, and what a lock's holder did meanwhile), follows the chain of
 * holders and finds deadlocks. What it all means is decided by pure functions:
 * verdict.c, owner.c, chain.c, deadlock.c. Of the monitor thread alone.
 */
#ifndef HL_INQUIRY_H
#define HL_INQUIRY_H

#include "chain.h"
#include "clock.h"
#include "deadlock.h"
#include "pool.h"
#include "threads.h"
#include "verdict.h"

#define HL_LOOKS_KEPT 32

struct hl_inquiry {
    struct hl_plat *plat;
    const struct hl_clock *clock;
    const struct hl_plat_limits *limits; /* as last read */
    struct hl_array cases;               /* by a hash of the tid */
    struct hl_deadlocks deadlocks;
    size_t idle_next; /* where hl_inquiry_idle goes on */
    uint64_t now_ns;
    bool throttled_is_read; /* at this wake-up */
    uint64_t throttled_ns;
    struct hl_chain chain;
    struct hl_link looks[HL_LOOKS_KEPT]; /* of this wake-up, by tid */
    uint64_t looked_ns[HL_LOOKS_KEPT];
};

void hl_inquiry_init(struct hl_inquiry *inquiry, struct hl_plat *plat, const struct hl_clock *clock,
                     const struct hl_plat_limits *limits);
void hl_inquiry_free(struct hl_inquiry *inquiry);

/* A new wake-up. */
void hl_inquiry_begin(struct hl_inquiry *inquiry, uint64_t now_ns);

/* What a thread has done so far: the cheap part. */
void hl_inquiry_evidence(struct hl_inquiry *inquiry, uint64_t tid, uint64_t now_ns,
                         struct hl_evidence *evidence);

/* It slept then, and has used no CPU since. (What wakes up, if only to be stopped, runs.)
 * Cost on Linux: a microsecond, a tenth of the above. */
bool hl_inquiry_sleeps_on(struct hl_inquiry *inquiry, uint64_t tid, const struct hl_evidence *then);

/* A thread that slept in one wait since an earlier look: follows its chain and
 * remembers. `since_ns`: when what it is suspected of began. false: it waits for no
 * other thread, and there is nothing to be found until it runs. */
bool hl_inquiry_suspect(struct hl_inquiry *inquiry, uint64_t tid, uint64_t since_ns);

/* Adds what it waits for, and on whom it depends, to shares and verdict. */
void hl_inquiry_explain(struct hl_inquiry *inquiry, uint64_t tid, uint64_t since_ns,
                        struct hl_evidence_view *view);

/* Threads outside any scope that used no CPU for limit_ns: asks some of them at each
 * call whether they wait for another thread, and looks into those that do, into each
 * twice and then whenever that time has doubled. After a sample of all threads, at
 * heartbeats and when nobody moves.
 * NULL, or why it cannot be told who holds what one of them waits for. */
const char *hl_inquiry_idle(struct hl_inquiry *inquiry, struct hl_threads *threads,
                            uint64_t self_tid, uint64_t limit_ns);

/* The next deadlock that is certain and has a suspect in it, false = no more: fills
 * the members' tids and locks, and counts it as said. */
typedef bool hl_is_stalled(void *context, uint64_t tid);
bool hl_inquiry_deadlock(struct hl_inquiry *inquiry, hl_is_stalled *is_stalled, void *context,
                         struct hl_deadlock_member members[HL_CHAIN_LINKS], size_t *count);
/* Deadlocks that were said and are no more may be said again when they come back.
 * As often as the former. */
void hl_inquiry_forget_dissolved(struct hl_inquiry *inquiry);
/* When to look again at what may be one; HL_UNKNOWN = nothing. */
uint64_t hl_inquiry_due_ns(const struct hl_inquiry *inquiry);

#endif
