/* monitor/reasons.h - why a figure cannot be had, or is not exact: a line for each key, once, and
 * again when the reason changes. Whoever says a line with an unknown value calls one of these
 * for it. Of the monitor thread alone. */
#ifndef HL_REASONS_H
#define HL_REASONS_H

#include "say.h"

/* The platform's own reason. */
void hl_reasons_missing(struct hl_session *session, enum hl_plat_key key);

/* Where it is unknown of a thread in general, and not only of one that has just gone. */
void hl_reasons_of_threads(struct hl_session *session, bool cpu_unknown, bool state_unknown);
void hl_reasons_of_waits(struct hl_session *session, bool call_unknown, bool wait_unknown);
/* That one may be missing, where holders cannot be told because of `why`; NULL = they can. */
void hl_reasons_of_deadlocks(struct hl_session *session, const char *why);
void hl_reasons_of_stall(struct hl_session *session, const struct hl_evidence_view *view);
void hl_reasons_of_no_stack(struct hl_session *session, uint64_t tid);

/* Of all that a heartbeat says of the process, and of what the stop line does. */
void hl_reasons_at_beat(struct hl_session *session);
void hl_reasons_at_stop(struct hl_session *session, const struct hl_plat_process *process,
                        uint64_t own_cpu_ns);

#endif
