/* monitor/stacks.h - where a stuck thread is: samples of its stack, for STACK lines.
 *
 * A stall is sampled right after each of its first three lines that got through (the
 * STALL itself, or reminders): no line, no sample, so stacks never flood a log for
 * which the stalls alone were too many, and no thread is stopped for nothing. Samples
 * are compared by a hash of their frames. Of the monitor thread alone, which holds
 * nothing meanwhile.
 */
#ifndef HL_STACKS_H
#define HL_STACKS_H

#include "event.h"

#include <heartline/monitor.h>

#include "../platform/platform.h"

struct hl_stacks {
    struct hl_plat *plat;
    enum monitor_stacks wanted;
    uint64_t captured, failed, longest_ns; /* so far; longest: that a thread was stopped */
    struct hl_plat_frames frames;          /* the last sample, and the same in words */
    char places[HL_PLAT_FRAMES][HL_FRAME_BYTES];
};

void hl_stacks_init(struct hl_stacks *stacks, struct hl_plat *plat, enum monitor_stacks wanted);

/* A line about this stall got through: is it to be sampled? */
bool hl_stacks_is_due(const struct hl_stacks *stacks, const struct hl_samples *samples);

/* Takes the sample of event->thread and adds it to the event, which then points into
 * *stacks until the next one. false: the thread has gone, or it could not be had, see
 * hl_plat_why. */
bool hl_stacks_sample(struct hl_stacks *stacks, struct hl_samples *samples,
                      struct hl_stack_event *event);

/* Somebody wants to know why there are none: they were asked for, not merely taken
 * where they cost nothing. */
bool hl_stacks_are_asked_for(const struct hl_stacks *stacks);

#endif
