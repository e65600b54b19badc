/* monitor/rates.h - two readings into a rate; nothing but arithmetic.
 * A counter that ran backwards gives 0, a window of nothing gives unknown, and
 * nothing overflows. Pure. */
#ifndef HL_RATES_H
#define HL_RATES_H

#include "event.h"

/* Cores kept busy over a window, in thousandths. HL_UNKNOWN in, or a window of 0: HL_UNKNOWN out. */
uint64_t hl_rate_cores_milli(uint64_t used_ns, uint64_t window_ns);
/* now - then; 0 when it ran backwards; HL_UNKNOWN when either is. */
uint64_t hl_rate_difference(uint64_t then, uint64_t now);
/* Whether so much CPU time can have been used by so many cores in that time: more means that
 * the system's counter leapt. Room is left for counters that move in ticks, and for clocks that
 * run apart. HL_UNKNOWN: true. */
bool hl_rate_is_possible(uint64_t used_ns, uint64_t elapsed_ns, uint64_t cores);
/* a * b / c without overflow in between, capped below HL_UNKNOWN; c != 0. */
uint64_t hl_rate_scale(uint64_t a, uint64_t b, uint64_t c);

/* What a progress counter showed at the last heartbeats. */
#define HL_HISTORY 5
struct hl_history {
    uint64_t at_ns[HL_HISTORY]; /* active time */
    uint64_t value[HL_HISTORY];
    uint32_t count, next;
};

/* A counter that was set back begins a new history. */
void hl_history_add(struct hl_history *history, uint64_t at_ns, uint64_t value);
/* Thousandths of a step per second over the history; HL_UNKNOWN below 3 samples. */
uint64_t hl_history_rate_milli(const struct hl_history *history);
/* Time until `total` at that rate; HL_UNKNOWN when there is none. */
uint64_t hl_history_eta_ns(uint64_t rate_milli, uint64_t current, uint64_t total);

#endif
