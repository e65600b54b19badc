/* See rates.h. */
#include "rates.h"

#define SECOND 1000000000ull
#define TICKS_NS 50000000u

uint64_t hl_rate_scale(uint64_t a, uint64_t b, uint64_t c)
{
    __extension__ typedef unsigned __int128 wide;
    wide result = (wide)a * b / c;
    return result >= HL_UNKNOWN ? HL_UNKNOWN - 1 : (uint64_t)result;
}

uint64_t hl_rate_cores_milli(uint64_t used_ns, uint64_t window_ns)
{
    if (used_ns == HL_UNKNOWN || window_ns == 0)
        return HL_UNKNOWN;
    return hl_rate_scale(used_ns, 1000, window_ns);
}

uint64_t hl_rate_difference(uint64_t then, uint64_t now)
{
    if (then == HL_UNKNOWN || now == HL_UNKNOWN)
        return HL_UNKNOWN;
    return now > then ? now - then : 0;
}

bool hl_rate_is_possible(uint64_t used_ns, uint64_t elapsed_ns, uint64_t cores)
{
    return used_ns == HL_UNKNOWN ||
           used_ns <= hl_rate_scale(elapsed_ns + elapsed_ns / 8 + TICKS_NS, cores, 1);
}

static uint32_t newest(const struct hl_history *history)
{
    return (history->next + HL_HISTORY - 1) % HL_HISTORY;
}

void hl_history_add(struct hl_history *history, uint64_t at_ns, uint64_t value)
{
    if (history->count && value < history->value[newest(history)])
        history->count = 0;
    history->at_ns[history->next] = at_ns;
    history->value[history->next] = value;
    history->next = (history->next + 1) % HL_HISTORY;
    if (history->count < HL_HISTORY)
        history->count++;
}

uint64_t hl_history_rate_milli(const struct hl_history *history)
{
    if (history->count < 3)
        return HL_UNKNOWN;
    uint32_t last = newest(history);
    uint32_t first = (history->next + HL_HISTORY - history->count) % HL_HISTORY;
    if (history->at_ns[last] <= history->at_ns[first])
        return HL_UNKNOWN;
    return hl_rate_scale(history->value[last] - history->value[first], 1000 * SECOND,
                         history->at_ns[last] - history->at_ns[first]);
}

uint64_t hl_history_eta_ns(uint64_t rate_milli, uint64_t current, uint64_t total)
{
    if (total == 0 || rate_milli == HL_UNKNOWN || rate_milli == 0)
        return HL_UNKNOWN;
    uint64_t left = total > current ? total - current : 0;
    return hl_rate_scale(left, 1000 * SECOND, rate_milli);
}
