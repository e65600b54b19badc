/* monitor/counters.h - the progress counters of a thread, as its scopes open and close them.
 *
 * A record has HL_COUNTERS of them. What the application has of one is its address and the
 * generation that it was opened with: so a bump after its scope has ended does nothing, and
 * is not seen on another scope. Additions are made in <heartline/scope.h>.
 */
#ifndef HL_COUNTERS_H
#define HL_COUNTERS_H

#include "record.h"

/* By the record's own thread. Returns its number + 1, for the kind of a frame; 0 = none to
 * be had. */
uint64_t hl_counter_open(struct hl_record *record, uint64_t total);

/* What the application is given of one that was just opened. */
static inline scope_progress hl_counter_handle(struct monitor_progress *counter)
{
    return (scope_progress){counter, hl_counter_get(&counter->generation)};
}

static inline void hl_counter_close(struct monitor_progress *counter)
{
    hl_counter_release(&counter->owner, 0);
    hl_counter_release(&counter->generation, 0);
}

static inline uint64_t hl_counter_value(const struct monitor_progress *counter)
{
    return hl_counter_get(&counter->own) + hl_counter_get(&counter->shared);
}

#endif
