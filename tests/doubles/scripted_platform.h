/* tests/doubles/scripted_platform.h - a platform that says what the test tells it to.
 *
 * Linked instead of platform/linux and its siblings. It answers all of platform.h
 * out of one global, `scripted`: a clock that moves only when told, figures and
 * threads that the test fills in, outputs that are captured and can refuse.
 *
 *     scripted.process.rss_bytes = 5 << 20;
 *     scripted_missing(HL_PLAT_IO, "not readable");
 *     scripted_thread(41)->busy_milli = 1000;   // on a core while the clock moves
 *     scripted_advance(60 * SCRIPTED_S);
 *     scripted_next_write(-EAGAIN);
 *
 * Threads: the clock, hl_plat_wake and everything reached through a function may
 * be used by several threads at once. Plain fields are set before other threads
 * look at them. Criterion gives every test a process, so nothing needs a reset;
 * scripted_reset is for loops inside one test, benchmarks and fuzzers.
 */
#ifndef HL_SCRIPTED_PLATFORM_H
#define HL_SCRIPTED_PLATFORM_H

#include "../../platform/platform.h"

#include <stdatomic.h>

#define SCRIPTED_MS UINT64_C(1000000)
#define SCRIPTED_S (1000 * SCRIPTED_MS)

#define SCRIPTED_START_NS (1000 * SCRIPTED_S)    /* the clock at first */
#define SCRIPTED_WALL_MS UINT64_C(1795224900123) /* 2026-11-21T01:35:00.123Z, at that moment */
#define SCRIPTED_ALL PTRDIFF_MAX                 /* a write that takes everything */

enum {
    SCRIPTED_THREADS = 12000,
    SCRIPTED_VARIABLES = 32,
    SCRIPTED_RESULTS = 256,
    SCRIPTED_LOG_BYTES = 1 << 20
};

struct scripted_thread {
    uint64_t tid;
    uint64_t cpu_ns;
    char name[HL_PLAT_NAME_BYTES];
    struct hl_plat_thread_state state; /* at first: R, start known, times known */
    uint64_t busy_milli, delay_milli;  /* thousandths of the time on a core, and runnable without
                                          one, while scripted_advance moves the clock */
    bool cpu_unknown, name_unknown, state_unknown; /* "gone", for that question alone */
    uint64_t sleeps;                               /* UINT64_MAX = not known, as it is at first */
    struct hl_plat_look look; /* what hl_plat_look adds to `state`; at first: nothing is known */
    void (*look_hook)(struct scripted_thread *thread); /* runs before each hl_plat_look of it */
    struct hl_plat_frames frames; /* of its stack; count 0, as at first: cannot be had */
    bool is_untouchable;          /* these can be had only by interrupting it */
    unsigned captures;            /* calls of hl_plat_thread_frames */
    unsigned looks;               /* calls of hl_plat_look */
    unsigned questions;           /* of hl_plat_waits_for */
    unsigned readings;            /* of hl_plat_thread_state */
};

/* What happens in the next hl_plat_wait, once. */
struct scripted_nap {
    bool woken; /* ends after woken_after_ns as if by hl_plat_wake */
    uint64_t woken_after_ns;
    uint64_t late_ns;    /* ends this much later than asked for */
    uint64_t starved_ns; /* and that much of it was the lack of a core */
    uint64_t stopped_ns; /* the process was stopped: passes on the clock, not for the timeout */
    const char *stopped_by;
    uint64_t suspended_ns; /* passes on the wall clock only */
};

/* Outcomes of successive calls: the list first, `preset` after it. */
struct scripted_results {
    ptrdiff_t list[SCRIPTED_RESULTS];
    size_t count, next;
    ptrdiff_t preset;
};

struct scripted {
    /* time; moved by scripted_advance, or set */
    _Atomic uint64_t now_ns;
    _Atomic uint64_t coarse_lag_ns; /* the coarse clock is behind by this; below the tick */
    uint64_t coarse_tick_ns;        /* 4 ms */
    _Atomic uint64_t wall_ms;       /* at SCRIPTED_START_NS; move it for a clock that is set */

    /* waiting. As it is, hl_plat_wait returns at once with the clock moved to the deadline. */
    struct scripted_nap nap;
    bool real_waits; /* instead: waits, in real time, until others have moved the clock to the
                        deadline or woken it. For tests with a live monitor thread */
    void (*wait_hook)(void *data, uint64_t timeout_ns, struct hl_plat_wait *wait);
    void *wait_data;           /* instead of both: the hook moves the clock and fills what it likes;
                        began_ns and ended_ns are filled for it */
    uint64_t stopped_awake_ns; /* what hl_plat_stopped_awake says, once; the clock moved already */
    const char *stopped_awake_by;
    _Atomic uint64_t waits, wakes; /* calls so far */
    _Atomic uint64_t last_timeout_ns;

    /* figures; all known at first */
    struct hl_plat_process process; /* `known` is ignored: see scripted_missing */
    uint64_t busy_milli;            /* of process.cpu_ns, in thousandths of a core; threads apart */
    struct hl_plat_limits limits;   /* 8 cores, no memory limit */
    uint64_t most_cores;            /* 65,536 */
    const char *missing[HL_PLAT_KEYS];
    struct { /* where hl_plat_place_of finds addresses; size 0 = nowhere */
        uintptr_t start, size;
        const char *name;
    } module;
    bool has_others; /* of hl_plat_others, which is not known at first: */
    struct hl_plat_others others;
    void (*others_hook)(void);   /* runs at the start of each call */
    unsigned others_readings;    /* calls */
    uint64_t throttled_ns;       /* cumulative; there is none without limits.quota_milli */
    void (*list_hook)(void);     /* runs at the start of hl_plat_threads, without the lock */
    void (*own_name_hook)(void); /* likewise, of hl_plat_own_name */
    unsigned lists;              /* calls of hl_plat_threads */
    size_t list_total;           /* not 0: what hl_plat_threads claims, whatever there is */

    /* this process and thread */
    uint64_t process_id; /* 0 = the real one */
    uint64_t process_start;
    const struct hl_plat_copy *first_copy; /* NULL = none can be found */
    uint64_t main_thread_id;               /* 0 = not known */
    const char *host_name;                 /* NULL = cannot be told; at first "node7" */
    const char *program_name;              /* NULL = cannot be told; at first it is so */
    bool env_untrusted;
    _Atomic uint64_t env_reads;
    bool barrier_missing;
    _Atomic uint64_t barriers;
    bool stack_scripted; /* bounds are those below, on every thread; else the real ones */
    uintptr_t stack_low, stack_high; /* both 0 = cannot be told */
    bool key_unsafe;
    bool is_learning;
    bool join_fails;    /* as if the thread did not end in time */
    char self_name[16]; /* last hl_plat_name_self */

    /* memory and handles */
    bool open_fails;
    _Atomic int handles;    /* open, not yet closed or abandoned */
    void (*map_hook)(void); /* runs at the start of each call, as a signal's handler might */
    unsigned map_fails_at;  /* the k-th call, counted from 1; 0 = none */
    bool map_fails_on;      /* and every one after it */
    _Atomic unsigned maps;  /* calls */
    _Atomic int mapped;     /* not yet unmapped */

    /* outputs; all of them go into one text */
    struct scripted_results writes; /* SCRIPTED_ALL, n = at most n bytes, or a negative errno */
    struct scripted_results opens;  /* 0 or a negative errno */
    uint64_t log_device, log_inode; /* of what is opened next; 1 and 7 */
    char log_path[4096];            /* last opened; "" = a descriptor */
    int log_descriptor;
    unsigned log_opens, log_writes; /* calls */
    int logs_open;                  /* now */
    char log[SCRIPTED_LOG_BYTES];   /* always terminated; what does not fit is lost */
    size_t log_length;
    uint64_t log_size; /* of the file: grows with what is written, may be set */
    bool log_is_file;  /* true at first; false: hl_plat_log_size is not known */
};

extern struct scripted scripted;

void scripted_reset(void);

/* Moves the clock, and all CPU times along with it. */
void scripted_advance(uint64_t ns);
/* With real_waits: until some thread sleeps in hl_plat_wait with its deadline
 * ahead. false: 10 real seconds have passed. */
bool scripted_await_sleeper(void);

/* NULL = known again. */
void scripted_missing(enum hl_plat_key key, const char *reason);

/* The thread with this tid, made when there is none. The pointer holds until a
 * thread is removed. */
struct scripted_thread *scripted_thread(uint64_t tid);
void scripted_thread_gone(uint64_t tid);
/* What hl_plat_thread_id says on the calling thread from now on; 0 = the truth. */
void scripted_be_thread(uint64_t tid);

void scripted_setenv(const char *name, const char *value); /* kept by pointer; NULL removes */

void scripted_next_write(ptrdiff_t result);
void scripted_next_open(ptrdiff_t result);
/* A copy of what was written so far, terminated; for use beside a live writer. */
size_t scripted_log_copy(char *text, size_t size);
void scripted_log_clear(void);

#endif
