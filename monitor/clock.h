/* monitor/clock.h - active time: what has really passed for the program.
 *
 * Time in which the whole process was stopped does not make anything late. The
 * length of such a gap is known exactly, its place only as "somewhere inside
 * this sleep", so an age is reduced by as much of the gap as may lie in it:
 * never a false stall, possibly a late one. Pure.
 */
#ifndef HL_CLOCK_H
#define HL_CLOCK_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t hl_earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
static inline uint64_t hl_later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#define HL_GAPS 16

struct hl_gap {
    uint64_t began_ns, ended_ns; /* of the sleep that contains it */
    uint64_t gap_ns;
};

/* Zeroed, there is none yet. */
struct hl_clock {
    struct hl_gap gaps[HL_GAPS]; /* in order; when there is no room, the shortest is merged */
    size_t count;
};

void hl_clock_note_gap(struct hl_clock *clock, uint64_t began_ns, uint64_t ended_ns,
                       uint64_t gap_ns);

/* Active nanoseconds from `since` to `now`; 0 when since is later. */
uint64_t hl_clock_age(const struct hl_clock *clock, uint64_t since_ns, uint64_t now_ns);

#endif
