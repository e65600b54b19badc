/* monitor/departures.h - threads that ended in a scope, until the monitor says so.
 *
 * A few places, filled by whoever takes a record back and emptied by the monitor. Who
 * finds all of them taken leaves nothing: it is counted like every other (`vanished`).
 */
#ifndef HL_DEPARTURES_H
#define HL_DEPARTURES_H

#include "record.h"

#define HL_DEPARTURES 4

struct hl_departure {
    struct hl_thread_ref thread;
    uint64_t depth;
    char innermost[HL_LABEL_BYTES]; /* "" = it was abandoned in mid-push, or beyond HL_DEPTH */
};

/* Of a record with scopes on it, whose thread ends (`by_itself`: it is the caller) or has
 * ended. Lock-free. */
void hl_departures_leave(const struct hl_record *record, bool by_itself);

/* Takes one out. false: there is none. Of the monitor thread alone. */
bool hl_departures_take(struct hl_departure *departure);

/* Empties all that are filled; whoever fills one meanwhile is not disturbed. (Of a place that
 * was being filled at a fork nobody is left in the child to finish it: it has one less.) */
void hl_departures_forget(void);

#endif
