/* monitor/session.h - one run of the monitor, from its start line to its stop line.
 *
 * Everything that happens at a wake-up, without a thread in it: monitor.c gives
 * it one, a test turns it by hand under a fake clock. Reading order: a turn is
 * wait -> account for time -> look (collect, judge) -> heartbeat (picture, say.c)
 * -> plan.
 */
#ifndef HL_SESSION_H
#define HL_SESSION_H

#include "clock.h"
#include "config.h"
#include "inquiry.h"
#include "picture.h"
#include "quiet.h"
#include "registry.h"
#include "report.h"
#include "sink.h"
#include "stacks.h"
#include "stall.h"

#include "../platform/platform.h"

#define HL_SHOWN_KEYS 18 /* that an `unavailable` line may name */

struct hl_session {
    struct hl_config config;
    char refused_log[HL_PATH_BYTES]; /* of the environment, when it could not be opened */
    int refused_error;               /* 0 = nothing was refused */
    const char *signal_note;         /* NULL, or why the signal was not taken */
    struct hl_plat *plat;
    struct hl_sink sink;
    uint64_t pid, tid, main_tid;

    /* Asked for from other threads. */
    _Atomic bool stop_requested;
    _Atomic bool beat_requested;
    _Atomic uint64_t *forked_child; /* shared with forked children: the first one's pid */
    bool forked_child_noted;

    struct hl_clock clock;
    struct hl_progress progress;
    struct hl_stalls stalls;
    struct hl_inquiry inquiry;
    struct hl_stacks stacks;
    struct hl_quiet quiet;
    uint64_t accounted_for; /* threads that are stalled or declared waiting, at this look */
    struct hl_threads threads;
    struct hl_picture picture;
    struct hl_array busy;    /* struct hl_busy_event */
    struct hl_array missing; /* by record: a thread that the list does not show */
    bool list_is_proof;      /* who is not in the list of threads has ended */

    uint64_t started_ns;
    uint64_t cpu_at_start_ns; /* HL_UNKNOWN once the counter has leapt */
    uint64_t next_beat_ns, planned_ns;
    uint64_t awoke_ns;         /* the end of the last wait */
    uint64_t spent_at_wake_ns; /* sink.spent_ns then */
    uint64_t window_began_ns, window_cpu_ns;
    uint64_t peak_rss_bytes;        /* the highest ever seen */
    struct hl_plat_process process; /* at the last heartbeat */
    uint64_t sampling_ns;           /* that it took to read that, and the threads */
    uint64_t window_used_ns;        /* CPU time, from window_cpu_ns to that */
    bool cpu_leapt;                 /* it cannot be so much, and is HL_UNKNOWN */
    bool cpu_has_leapt;             /* ever */
    struct hl_plat_limits limits;
    uint64_t limits_read_ns;
    struct hl_losses losses; /* at the last heartbeat */
    uint64_t dropped;        /* likewise */
    uint64_t late_ns;        /* since the last heartbeat */
    uint64_t beats;
    unsigned departures_said;        /* since the last heartbeat */
    bool said_memory;                /* that there is too little to judge all threads */
    const char *said[HL_SHOWN_KEYS]; /* why a key was unavailable, when it was last said */

    struct hl_line line;
    struct hl_stack stack;       /* of the thread that is being looked at */
    struct hl_stack other_stack; /* of one that it depends on */
    struct hl_deadlock_member members[HL_CHAIN_LINKS];
};

/* In the caller's thread: resolves the options, opens what is needed and takes
 * the baseline. `session` is zeroed memory. 0 or a negative errno, then nothing
 * is open; also 0 with config.off. */
int hl_session_open(struct hl_session *session, const monitor_options *options);
/* The same with options that were resolved before (a forked child). */
int hl_session_open_again(struct hl_session *session, const struct hl_config *config);
void hl_session_close(struct hl_session *session);
/* In a forked child: closes what was inherited, says nothing. */
void hl_session_abandon(struct hl_session *session);

/* On the monitor's thread: the start line; turns, until one returns false; the
 * stop line. */
void hl_session_begin(struct hl_session *session);
bool hl_session_turn(struct hl_session *session);
void hl_session_end(struct hl_session *session);

/* Frees a record whose thread is gone, if it is still that thread's. */
void hl_session_disown(struct hl_session *session, uint32_t index, uint64_t tid);

#endif
