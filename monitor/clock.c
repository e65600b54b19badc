/* See clock.h. Two neighbours merged make one gap whose place is less certain,
 * which again errs towards a smaller age: by at most the first one's length for
 * what began after it. So the shortest gives way: a long stop keeps its place
 * among any number of short ones. */
#include "clock.h"

#include <string.h>

/* The oldest of the shortest, the newest aside. */
static size_t shortest(const struct hl_clock *clock)
{
    size_t found = 0;
    for (size_t i = 1; i + 1 < clock->count; i++)
        if (clock->gaps[i].gap_ns < clock->gaps[found].gap_ns)
            found = i;
    return found;
}

static void merge_with_next(struct hl_clock *clock, size_t i)
{
    struct hl_gap *gap = &clock->gaps[i];
    gap[1].began_ns = gap[0].began_ns;
    gap[1].gap_ns += gap[0].gap_ns;
    memmove(gap, gap + 1, (clock->count - i - 1) * sizeof *gap);
    clock->count--;
}

void hl_clock_note_gap(struct hl_clock *clock, uint64_t began_ns, uint64_t ended_ns,
                       uint64_t gap_ns)
{
    if (gap_ns == 0 || ended_ns <= began_ns)
        return;
    if (gap_ns > ended_ns - began_ns)
        gap_ns = ended_ns - began_ns;
    if (clock->count == HL_GAPS)
        merge_with_next(clock, shortest(clock));
    clock->gaps[clock->count++] = (struct hl_gap){began_ns, ended_ns, gap_ns};
}

/* As much of a gap as may lie between the two times. */
static uint64_t part_of(const struct hl_gap *gap, uint64_t since_ns, uint64_t now_ns)
{
    uint64_t from = hl_later(since_ns, gap->began_ns);
    uint64_t to = hl_earlier(now_ns, gap->ended_ns);
    return to > from ? hl_earlier(gap->gap_ns, to - from) : 0;
}

uint64_t hl_clock_age(const struct hl_clock *clock, uint64_t since_ns, uint64_t now_ns)
{
    if (now_ns <= since_ns)
        return 0;
    uint64_t stopped = 0;
    for (size_t i = 0; i < clock->count; i++)
        stopped += part_of(&clock->gaps[i], since_ns, now_ns);
    uint64_t age = now_ns - since_ns;
    return age > stopped ? age - stopped : 0;
}
