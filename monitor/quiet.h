/* monitor/quiet.h - whether the whole process stands still, and what it waits for then.
 *
 * A program that says nothing about itself can hang where no scope is, and a server that
 * has nothing to do looks the same from outside. So this is information: said when no
 * thread but the monitor's has run for the stall limit, and again when that time has
 * doubled. Whoever runs, if only for a moment, begins the time anew. Of the monitor
 * thread alone.
 */
#ifndef HL_QUIET_H
#define HL_QUIET_H

#include "clock.h"
#include "tally.h"

#include "../platform/platform.h"

struct hl_quiet {
    struct hl_plat *plat;
    const struct hl_clock *clock;
    uint64_t limit_ns; /* 0 = never */
    uint64_t
        tick_ns; /* added to it once: a stall of the same moment is judged so, and said first */
    bool has_base;
    struct hl_plat_others base; /* what the other threads had done then, and since */
    uint64_t since_ns;
    uint64_t next_ns;                                  /* no reading before */
    uint64_t age_ns;                                   /* at the last one */
    uint64_t say_ns;                                   /* at which age it is to be said next */
    uint64_t due_ns;                                   /* when that is; HL_UNKNOWN = not planned */
    struct hl_plat_thread threads[HL_TALLY_KINDS + 1]; /* that are asked, and ourselves */
    struct hl_tally tally;
    char waits[HL_TALLY_BYTES];
};

void hl_quiet_init(struct hl_quiet *quiet, struct hl_plat *plat, const struct hl_clock *clock,
                   uint64_t limit_ns, uint64_t tick_ns);

/* At every wake-up, which was at now_ns. true: it is to be said, see hl_quiet_tell. */
bool hl_quiet_look(struct hl_quiet *quiet, uint64_t now_ns);

/* Then: asks the threads what they wait for. `accounted_for`: so many of them need no such
 * line. false: nothing is to be said after all. The event's texts hold until the next call.
 * Cost on Linux: 25 us for each of the first HL_TALLY_KINDS threads. */
bool hl_quiet_tell(struct hl_quiet *quiet, uint64_t self_tid, uint64_t accounted_for,
                   struct hl_quiet_event *event);

#endif
