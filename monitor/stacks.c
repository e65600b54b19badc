/* See stacks.h. Equal frames down to the address within the innermost function mean
 * that the thread has not moved, or came back to the same place; the hash is 64-bit
 * FNV-1a over whole addresses, where a chance of one in 2^64 does no harm. */
#include "stacks.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static_assert(HL_FRAME_BYTES >= HL_PLAT_MODULE_BYTES + sizeof "+0x0123456789abcdef",
              "a frame in words is never cut");

void hl_stacks_init(struct hl_stacks *stacks, struct hl_plat *plat, enum monitor_stacks wanted)
{
    stacks->plat = plat;
    stacks->wanted = wanted;
    stacks->captured = stacks->failed = stacks->longest_ns = 0;
}

bool hl_stacks_is_due(const struct hl_stacks *stacks, const struct hl_samples *samples)
{
    return stacks->wanted != MONITOR_STACKS_OFF && samples->tried < HL_SAMPLES;
}

bool hl_stacks_are_asked_for(const struct hl_stacks *stacks)
{
    return stacks->wanted == MONITOR_STACKS_INTERRUPT;
}

static bool capture(struct hl_stacks *stacks, uint64_t tid)
{
    bool may_interrupt = stacks->wanted == MONITOR_STACKS_INTERRUPT;
    struct hl_plat_frames *frames = &stacks->frames;
    bool is_had = hl_plat_thread_frames(stacks->plat, tid, may_interrupt, frames);
    if (frames->suspended_ns > stacks->longest_ns)
        stacks->longest_ns = frames->suspended_ns;
    *(is_had ? &stacks->captured : &stacks->failed) += 1;
    return is_had;
}

static uint64_t hash(const struct hl_plat_frames *frames)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < frames->count; i++)
        sum = (sum ^ frames->pc[i]) * UINT64_C(0x100000001b3);
    return sum;
}

/* Keeps it; returns how many of those that were kept are the same. */
static uint64_t compare(struct hl_samples *samples, uint64_t seen)
{
    uint64_t same = 0;
    samples->seen[samples->had++] = seen;
    for (uint32_t i = 0; i < samples->had; i++)
        same += samples->seen[i] == seen;
    return same;
}

static void put_into_words(struct hl_stacks *stacks)
{
    const struct hl_plat_frames *frames = &stacks->frames;
    char module[HL_PLAT_MODULE_BYTES];
    uint64_t offset;
    for (uint32_t i = 0; i < frames->count; i++) {
        if (hl_plat_place_of(stacks->plat, frames->pc[i], module, &offset))
            snprintf(stacks->places[i], HL_FRAME_BYTES, "%s+0x%" PRIx64, module, offset);
        else
            snprintf(stacks->places[i], HL_FRAME_BYTES, "0x%" PRIxPTR, frames->pc[i]);
    }
}

bool hl_stacks_sample(struct hl_stacks *stacks, struct hl_samples *samples,
                      struct hl_stack_event *event)
{
    event->sample = ++samples->tried;
    if (!capture(stacks, event->thread.tid))
        return false;
    put_into_words(stacks);
    event->same = compare(samples, hash(&stacks->frames));
    event->had = samples->had;
    event->suspended_ns = stacks->frames.suspended_ns;
    event->frames = (const char(*)[HL_FRAME_BYTES])stacks->places;
    event->frames_count = stacks->frames.count;
    event->truncated = stacks->frames.truncated;
    return true;
}
