/* monitor/say.h - every line of a session: what is known becomes an event, and
 * the event a line. Of the monitor thread alone; session.c decides when. */
#ifndef HL_SAY_H
#define HL_SAY_H

#include "session.h"

#define HL_WORTH_SAYING_NS 100000000ull /* pauses and lateness from here on */

static inline bool hl_is_known(uint32_t known, enum hl_plat_key key)
{
    return known & HL_KNOWN(key);
}
static inline uint64_t hl_if_known(uint32_t known, enum hl_plat_key key, uint64_t value)
{
    return hl_is_known(known, key) ? value : HL_UNKNOWN;
}
static inline uint64_t hl_cpu_if_known(const struct hl_plat_process *process)
{
    return hl_if_known(process->known, HL_PLAT_CPU, process->cpu_ns);
}

/* What each line begins with; and session->line, out. false: it was dropped, and counted. */
struct hl_line_head hl_say_head(const struct hl_session *session);
bool hl_say_line(struct hl_session *session, enum monitor_level level);

/* The judge's hooks (stall.h); `context` is the session. */
void hl_say_thread(void *context, uint64_t tid, struct hl_thread_ref *thread);
void hl_say_stalled(void *context, const struct hl_stall_event *event, struct hl_samples *samples);
void hl_say_merged(void *context, const struct hl_merged_event *event);
void hl_say_recovered(void *context, const struct hl_recovered_event *event);
void hl_say_merged_recovered(void *context, const struct hl_merged_recovered_event *event);

/* Where a thread is that another one depends on: name, innermost scope, its age. */
void hl_say_whereabouts(struct hl_session *session, struct hl_other_view *other);
/* Those that are certain and were not said yet. */
void hl_say_deadlocks(struct hl_session *session);
void hl_say_quiet(struct hl_session *session, const struct hl_quiet_event *event);

/* The start line, and what was wrong with the settings; the stop line. */
void hl_say_start(struct hl_session *session);
void hl_say_bad_values(struct hl_session *session);
void hl_say_refusals(struct hl_session *session);
void hl_say_stop(struct hl_session *session, uint64_t now_ns);

/* A heartbeat. hl_say_beat returns whether the line was taken. */
bool hl_say_beat(struct hl_session *session, const struct hl_losses *losses, uint64_t dropped,
                 uint64_t now_ns);
void hl_say_phases(struct hl_session *session, uint64_t window_ns, uint64_t now);
void hl_say_busy(struct hl_session *session, uint64_t window_ns);
void hl_say_dropped(struct hl_session *session, uint64_t dropped);

/* Threads that ended in a scope: at most HL_DEPARTURES between two heartbeats. */
void hl_say_departures(struct hl_session *session);
/* Once; and pauses that are long enough. */
void hl_say_forked(struct hl_session *session);
void hl_say_paused(struct hl_session *session, uint64_t gap_ns, const char *reason);

#endif
