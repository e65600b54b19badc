/* monitor/event.h - the facts behind each log line, as plain structs.
 *
 * The judge (stall.c) and the picture (picture.c) fill them, report.c puts them
 * into words. Nothing here knows a format, and nobody who fills one in writes.
 */
#ifndef HL_EVENT_H
#define HL_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A figure that could not be had: `?` in text, null in JSON. */
#define HL_UNKNOWN UINT64_MAX

#define HL_LABEL_BYTES 80 /* with the terminator */
#define HL_NAME_BYTES 64
#define HL_DEPTH 32 /* scopes kept per thread */

struct hl_thread_ref {
    uint64_t tid;
    char name[HL_NAME_BYTES]; /* "" = unnamed or unknown; any bytes but NUL */
};

/* One progress counter, as shown. */
struct hl_progress_view {
    bool present;
    bool total_grew;
    uint64_t current;
    uint64_t total;      /* 0 = unknown */
    uint64_t rate_milli; /* thousandths of a step per second; HL_UNKNOWN = not shown yet */
    uint64_t eta_ns;     /* HL_UNKNOWN = not shown */
    uint64_t idle_ns;    /* since it last moved, instead of rate and eta; HL_UNKNOWN = it moves */
};

struct hl_start_event {
    const char *version, *platform;
    const char *program;            /* NULL or "" = unknown: left out */
    uint64_t interval_ns, stall_ns; /* stall 0 = never */
    const char *format;             /* "text", "json" */
    uint64_t cores_milli;
    uint64_t phase_lines, busy_lines, stall_lines;
    const char *clock;  /* "coarse", "precise" */
    const char *fork;   /* "off", "restart" */
    const char *log;    /* "stderr", "callback", or the path */
    uint64_t signal;    /* 0 = none */
    bool env_ignored;   /* a setuid program: the environment was not read */
    const char *stacks; /* "passive", "interrupt", "off" */
};

struct hl_beat_event {
    uint64_t elapsed_ns;
    uint64_t cpu_milli, cores_milli; /* thousandths of a core */
    uint64_t window_ns;
    uint64_t rss_bytes, rss_limit_bytes; /* limit 0 = none */
    uint64_t peak_rss_bytes, vm_bytes;
    uint64_t threads;
    uint64_t read_bytes, written_bytes;
    uint64_t instrumented, waiting, stalled;
    bool active;
    char label[HL_LABEL_BYTES];
    uint64_t for_ns;
    struct hl_progress_view progress;
    /* Each: 0 = left out. */
    uint64_t dropped, overflow, unbalanced, repaired, vanished, late_ns;
    uint64_t gone;        /* threads that have ended since the last heartbeat */
    uint64_t sampling_ns; /* that the figures took */
};

struct hl_phase_event {
    struct hl_thread_ref thread;
    uint64_t depth;
    uint64_t in_ns, updated_ns;
    uint64_t cpu_milli;
    char state; /* 0 = unknown */
    char innermost[HL_LABEL_BYTES];
    bool waiting;  /* the innermost scope is declared waiting */
    bool churning; /* the thread pushes and pops too fast: innermost is an outer scope */
    struct hl_progress_view progress;
};

struct hl_busy_event {
    struct hl_thread_ref thread;
    uint64_t cpu_milli;
    char state;
};

enum hl_verdict { HL_VERDICT_UNKNOWN, HL_BUSY, HL_STARVED, HL_BLOCKED, HL_MIXED };

/* What a thread waits for, in words: "mutex:0x55e5f0daf0a0", "read:/mnt/x". */
#define HL_WAIT_BYTES 320
#define HL_CALL_BYTES 24
#define HL_CHANNEL_BYTES 48
#define HL_ADDRESS_BYTES 128

/* Another thread that a suspect's fate depends on, and what it is at. */
struct hl_other_view {
    struct hl_thread_ref thread;
    bool in_phase; /* it has a scope open: */
    char phase[HL_LABEL_BYTES];
    uint64_t for_ns;
};

enum hl_holder { HL_NO_HOLDER, HL_HOLDER_UNKNOWN, HL_HOLDER_KNOWN };

/* What is known about a suspect thread; shares are of the observed part of the stall. */
struct hl_evidence_view {
    enum hl_verdict verdict;
    uint64_t cpu_milli;       /* thousandths: 1000 = on a core all the time */
    uint64_t run_delay_milli; /* runnable without a core */
    uint64_t quota_milli;     /* thousandths of a core, when it is a reason; 0 = left out */
    uint64_t throttled_ns;    /* by that quota, in the same time */
    char state;
    /* What it waits for. Empty texts are left out. */
    bool call_unknown, wait_unknown, channel_unknown;
    char call[HL_CALL_BYTES];
    bool has_descriptor;
    uint64_t descriptor;
    char wait[HL_WAIT_BYTES];
    char local[HL_ADDRESS_BYTES]; /* our end of a socket */
    char channel[HL_CHANNEL_BYTES];
    /* Who keeps it waiting. */
    enum hl_holder holder_is;
    const char *holder_why; /* HL_HOLDER_UNKNOWN: the reason */
    struct hl_other_view holder;
    bool has_root; /* where the chain of holders ends */
    struct hl_other_view root;
    enum hl_verdict root_verdict;
    char root_wait[HL_WAIT_BYTES];
};

struct hl_stall_event {
    uint64_t id;
    struct hl_thread_ref thread;
    char phase[HL_LABEL_BYTES];
    const char (*path)[HL_LABEL_BYTES]; /* outermost first, the phase last; may be NULL */
    size_t path_count;
    uint64_t stuck_ns, limit_ns;
    struct hl_progress_view progress;
    uint64_t reminder; /* 0 = first report; n = the time has doubled n times */
    bool ended;        /* it is over already: the monitor was late */
    struct hl_evidence_view evidence;
};

/* The stack of a stuck thread, as it was right after its STALL line. */
#define HL_SAMPLES 3      /* of one stall, at most */
#define HL_FRAME_BYTES 96 /* "libc.so.6+0x1f3", or "0x7f001234" where the module is not known */
struct hl_stack_event {
    uint64_t id; /* of the stall */
    struct hl_thread_ref thread;
    uint64_t sample;       /* it follows the n-th line about this stall, 1 to HL_SAMPLES */
    uint64_t same, had;    /* of the samples that were had, this one included, so many show these
                              same frames */
    uint64_t suspended_ns; /* the thread was stopped for so long; 0 = it was not touched */
    const char (*frames)[HL_FRAME_BYTES]; /* innermost first */
    size_t frames_count;
    bool truncated; /* the beginning of the stack was not reached */
};

/* What is kept of a stall's samples while it lasts. */
struct hl_samples {
    uint32_t tried, had;
    uint64_t seen[HL_SAMPLES]; /* a hash of the frames of each that was had */
};

/* Each member waits for a lock that the next one holds, the last one's is held by
 * the first. */
struct hl_deadlock_member {
    struct hl_other_view who;
    char lock[HL_WAIT_BYTES];
};
struct hl_deadlock_event {
    uint64_t id;
    size_t count;
    const struct hl_deadlock_member *members;
};

/* New stalls beyond the budget of lines: one line for many. */
#define HL_MERGED_SHOWN 8
struct hl_merged_event {
    uint64_t count;
    uint64_t first_id, last_id; /* of those merged; ids between may belong to lines of their own */
    uint64_t longest_ns;
    char phases[HL_MERGED_SHOWN][HL_LABEL_BYTES]; /* different labels, in order of appearance */
    size_t phases_count;
    bool more_phases;
};

struct hl_recovered_event {
    uint64_t id;
    struct hl_thread_ref thread;
    char phase[HL_LABEL_BYTES];
    uint64_t stuck_ns;
    bool at_most;       /* stuck is an upper bound: the end was seen, not timed */
    const char *reason; /* NULL, or "exit": the thread ended, ... */
};

struct hl_merged_recovered_event {
    uint64_t count;
    uint64_t first_id, last_id;
    uint64_t longest_ns;
};

/* No thread but the monitor's has run for that long. */
struct hl_quiet_event {
    uint64_t for_ns;
    uint64_t threads;  /* without the monitor's */
    const char *waits; /* what they wait for, most frequent first; NULL = unknown of each */
    bool state_unknown, call_unknown, wait_unknown; /* of some: why it is unknown of these */
};

struct hl_paused_event {
    uint64_t gap_ns;
    const char *reason; /* "stopped", "debugger", "suspend" */
};

struct hl_unavailable_event {
    const char *key, *reason;
};

/* Something that the user should know and that is none of the above. Empty
 * parts are left out, except an empty value: the variable was set to nothing. */
struct hl_note_event {
    const char *flag; /* a bare word: "forked", "approximate" */
    const struct hl_thread_ref *thread;
    uint64_t depth;        /* 0 = none: how many scopes it had open */
    const char *innermost; /* the label of the innermost of them */
    const char *key;       /* the figure that it is about */
    const char *variable;  /* the setting */
    const char *value;     /* what it was set to */
    const char *accepted;  /* what would have been understood */
    const char *used;      /* what is used instead */
    const char *reason;
    uint64_t child;        /* 0 = none: the forked child's pid */
    const char *last_flag; /* "unmonitored" */
    uint64_t dropped;      /* 0 = none: lines lost so far */
};

struct hl_stop_event {
    uint64_t elapsed_ns, cpu_ns, peak_rss_bytes;
    uint64_t beats, stalls, stalled_total_ns, longest_stall_ns, dropped, self_cpu_ns;
    uint64_t deadlocks;             /* 0 = left out */
    uint64_t stacks, stacks_failed; /* samples, and those that could not be had; both 0 = left
                                       out */
    uint64_t longest_suspension_ns; /* of a thread, for a sample; 0 = none was stopped */
};

#endif
