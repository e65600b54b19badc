/* platform/platform.h - everything that Heartline asks of an operating system.
 *
 * One body per build: Meson compiles exactly one of the folders beside this
 * file, and every folder answers every question below. monitor/ contains no
 * operating-system conditional; a platform includes nothing from monitor/ or
 * include/. To port Heartline, copy platform/none and make it know more.
 *
 * Rules for all answers, said once:
 *  - Counters are cumulative since the start of what they count, in
 *    nanoseconds and bytes. Rates are made elsewhere.
 *  - Missing is never 0. An answer that may be missing carries a bit in
 *    `known`; for each bit that is not set, hl_plat_why gives a constant text
 *    that says why.
 *  - Functions that take a struct hl_plat are for one thread at a time, the one
 *    that opened it or was handed it. Those without one are for any thread.
 *  - After hl_plat_open nothing allocates. Nothing logs, and nothing changes errno.
 *  - System handles (descriptors, ports) never leave the file that got them,
 *    and are close-on-exec. Before one is used, it is checked to be still
 *    ours: the application may have closed it and got the number for itself.
 *  - A list call fills what fits and returns how many there were.
 *  - "Gone" is a normal answer for a thread, at every step.
 */
#ifndef HL_PLATFORM_H
#define HL_PLATFORM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* The name in `start` lines and metrics: "linux", "macos", "none". */
extern const char hl_plat_name[];

/* The variable that names libraries to load before all others, and the bytes between them. */
extern const char hl_plat_preload_variable[], hl_plat_preload_separators[];

/* ---- time -------------------------------------------------------------- */

/* Monotonic time, precise, and coarse (never ahead of it, behind by less than
 * hl_plat_coarse_tick_ns). Neither counts the time that the machine sleeps.
 * Async-signal-safe. Cost on Linux: 25 ns and 6 ns. */
uint64_t hl_plat_now_ns(void);
uint64_t hl_plat_coarse_ns(void);
uint64_t hl_plat_coarse_tick_ns(void);

/* The clock that scopes are timed with: the coarse one, until told otherwise.
 * It is data, so that a push gets the time by one call, the system's own. */
struct hl_plat_scope_clock {
    int (*read)(clockid_t clock, struct timespec *now); /* 0: both fields are set; no errno */
    _Atomic clockid_t clock;
};
extern struct hl_plat_scope_clock hl_plat_scope_clock;
void hl_plat_time_scopes_precisely(bool precisely);

/* Wall clock, milliseconds since 1970 (UTC). Only for time stamps. */
uint64_t hl_plat_wall_ms(void);

/* ---- memory and ordering ----------------------------------------------- */

/* Zeroed pages, straight from the system, NULL when there are none. Costs no
 * physical memory until it is touched. Async-signal-safe. */
void *hl_plat_map(size_t size);
void hl_plat_unmap(void *memory, size_t size);
/* The same, but shared with the children that the process forks. */
void *hl_plat_map_shared(size_t size);

/* A barrier on every running thread of the process: what each of them stored
 * before it is visible after it, and each sees after it what the caller stored
 * before. prepare is called once and may take milliseconds; the barrier then
 * costs microseconds. false: not available here. */
bool hl_plat_barrier_prepare(void);
bool hl_plat_barrier(void);

/* ---- this process and thread ------------------------------------------- */

uint64_t hl_plat_process_id(void);
/* Tells this process from any other that has, or had, its id; stays through exec. No unit;
 * 0 = it cannot be told. */
uint64_t hl_plat_process_start(void);
uint64_t hl_plat_thread_id(void);      /* of the caller; async-signal-safe */
uint64_t hl_plat_main_thread_id(void); /* 0 = not known */

/* The machine's name on its network, any bytes but NUL, terminated; cut where it is
 * longer. false: it cannot be told or is empty, and `name` is "". */
#define HL_PLAT_HOST_BYTES 256
bool hl_plat_host_name(char name[HL_PLAT_HOST_BYTES]);

/* getenv, or NULL for everything in a program that must not trust its
 * environment (setuid); then hl_plat_env_is_trusted is false. */
const char *hl_plat_getenv(const char *name);
bool hl_plat_env_is_trusted(void);

/* The part of the caller's own thread stack that is known to belong to it:
 * [*low, *high). false when `address` (in the caller's current frame) is not on
 * it (coroutine, signal stack) or it cannot be told. Slow (a list of all
 * mappings is read), so only for rare paths, and to be remembered by the
 * caller. Async-signal-safe. */
bool hl_plat_stack_bounds(const void *address, uintptr_t *low, uintptr_t *high);

/* True when pthread_setspecific with this key can never allocate, so that a
 * signal handler may call it. */
bool hl_plat_key_is_signal_safe(pthread_key_t key);

/* Names the calling thread (at most 15 bytes). */
void hl_plat_name_self(const char *name);
#define HL_PLAT_NAME_BYTES 64
/* The calling thread's name, any bytes but NUL, terminated; "" = unnamed or unknown. */
void hl_plat_own_name(char name[HL_PLAT_NAME_BYTES]);

/* What one copy of the library in a process can do for another one: a program that is linked
 * with the static library has a second one when `heartline run` has preloaded the shared one.
 * Every copy defines its own, for the platform to show to the others. */
struct hl_plat_copy {
    int (*launch)(void); /* starts its monitor, as `heartline run` wants: 0 or a negative errno */
    void (*yield)(void); /* stops it, unless the program itself has started it */
};
extern const struct hl_plat_copy hl_copy;
/* The n-th copy, from 0, in the loader's order: the program's own, one that was preloaded, those
 * of its libraries. NULL: there are no more, or the platform cannot find them. */
const struct hl_plat_copy *hl_plat_find_copy(size_t n);

/* Waits for a thread to end, at most timeout_ns. true: it has, and was joined. */
bool hl_plat_join(pthread_t thread, uint64_t timeout_ns);

/* ---- an open platform --------------------------------------------------- */

struct hl_plat;

/* NULL only when memory is short. What else cannot be opened is reported as
 * unknown figures later. */
struct hl_plat *hl_plat_open(void);
void hl_plat_close(struct hl_plat *plat);

/* In the child of a fork: closes what was inherited, and frees *plat. Safe
 * while the vanished thread was in the middle of using it. */
void hl_plat_abandon_in_child(struct hl_plat *plat);

/* ---- waiting ------------------------------------------------------------ */

/* One sleep of the monitor thread, measured. */
struct hl_plat_wait {
    bool woken;        /* by hl_plat_wake, before the time was over */
    uint64_t began_ns; /* hl_plat_now_ns before and after */
    uint64_t ended_ns;
    uint64_t stopped_ns;    /* time in which the whole process was stopped: exact length, somewhere
                              inside the sleep; 0 = none, or the platform cannot tell */
    const char *stopped_by; /* "stopped" or "debugger", where stopped_ns is not 0 */
    uint64_t suspended_ns;  /* the machine slept since the last wait ended; not part of
                              began..ended */
    uint64_t starved_ns;    /* the thread was runnable and got no core */
};

/* Sleeps until hl_plat_now_ns() is timeout_ns later or somebody calls
 * hl_plat_wake, whichever is first. Time in which the process was stopped does
 * not count towards the timeout where the platform can tell. */
void hl_plat_wait(struct hl_plat *plat, uint64_t timeout_ns, struct hl_plat_wait *wait);

/* For how long the process was stopped while the thread that waits was awake:
 * since `since_ns`, the end of its last wait or the beginning of its life. Of
 * that it spent `elsewhere_ns` where it may have slept of its own accord (in a
 * sink). 0 = not for 100 ms, or the platform cannot tell. `by` as stopped_by. To
 * be asked right before hl_plat_wait; costs nothing while little time has passed. */
uint64_t hl_plat_stopped_awake(struct hl_plat *plat, uint64_t since_ns, uint64_t elsewhere_ns,
                               const char **by);

/* Ends the present or the next hl_plat_wait. Any thread; async-signal-safe. */
void hl_plat_wake(struct hl_plat *plat);

/* ---- the process -------------------------------------------------------- */

/* Bits of `known`, and arguments of hl_plat_why. */
enum hl_plat_key {
    HL_PLAT_CPU,
    HL_PLAT_RSS,
    HL_PLAT_PEAK_RSS,
    HL_PLAT_VM,
    HL_PLAT_THREADS,     /* how many there are */
    HL_PLAT_IO,          /* read and written bytes */
    HL_PLAT_START,       /* since when the process runs */
    HL_PLAT_CORES,       /* how many the process may use */
    HL_PLAT_MEMORY,      /* how much of it the process may use */
    HL_PLAT_THREAD_LIST, /* which threads there are */
    HL_PLAT_THREAD_CPU,
    HL_PLAT_THREAD_NAME,
    HL_PLAT_THREAD_STATE, /* with when it began */
    HL_PLAT_RUN_DELAY,    /* its on-core and runnable time, and how often it ran */
    HL_PLAT_THROTTLED,    /* time that a CPU quota took */
    HL_PLAT_SYSCALL,      /* in which system call a thread is */
    HL_PLAT_CHANNEL,      /* where in the kernel it sleeps */
    HL_PLAT_WAIT,         /* what that call waits for */
    HL_PLAT_HOLDER,       /* what a mutex says about its owner */
    HL_PLAT_STACK,        /* the frames of its stack */
    HL_PLAT_KEYS
};
#define HL_KNOWN(key) (1u << (key))

/* Why a figure was missing when it was last asked for; a constant text, never
 * NULL ("not asked for yet"). */
const char *hl_plat_why(const struct hl_plat *plat, enum hl_plat_key key);

struct hl_plat_process {
    uint32_t known;
    uint32_t approximate; /* of those, what had to be got in a second-best way: hl_plat_why says
                             which and why */
    uint64_t cpu_ns;      /* all threads, also those that have ended */
    uint64_t rss_bytes;
    uint64_t peak_rss_bytes;
    uint64_t vm_bytes;
    uint64_t threads;
    uint64_t read_bytes; /* storage, not page cache */
    uint64_t written_bytes;
    uint64_t age_ns; /* since the real start of the process (HL_PLAT_START) */
};
/* `wanted` is a set of HL_KNOWN bits: only what is wanted is paid for. */
void hl_plat_process(struct hl_plat *plat, uint32_t wanted, struct hl_plat_process *process);

/* What the process may use. Slow (some files are read): at start, and now and then. */
struct hl_plat_limits {
    uint32_t known;        /* HL_PLAT_CORES, HL_PLAT_MEMORY */
    uint32_t cores_milli;  /* 8000 = eight cores: the smaller of affinity and CPU quota */
    uint64_t memory_bytes; /* 0 = no limit */
    uint32_t quota_milli;  /* the CPU quota alone, thousandths of a core; 0 = none known */
};
void hl_plat_limits(struct hl_plat *plat, struct hl_plat_limits *limits);

/* On how many cores at once the process can run at the very most: as many as the machine
 * may ever have. Where that cannot be told, more than any machine has. */
#define HL_PLAT_MOST_CORES 65536
uint64_t hl_plat_most_cores(struct hl_plat *plat);

/* How long the quota found by the last hl_plat_limits has kept threads off their
 * cores, cumulative. false: there is no quota, or it cannot be told. */
bool hl_plat_throttled(struct hl_plat *plat, uint64_t *throttled_ns);

/* What all threads of the process but the caller have done so far, also those that have
 * ended. Whoever wakes up changes it: by a switch when it sleeps again, by one thread less
 * when it ends, by its CPU time as long as it stays on its core. */
struct hl_plat_others {
    uint64_t threads;  /* that there are, now */
    uint64_t switches; /* how often one of them got off a core, whether it wanted to or not */
    uint64_t blocks;   /* read from storage and written to it, of 512 bytes */
    uint64_t cpu_ns;   /* a scheduler's tick behind for each that runs, and less by what this
                          very reading takes */
};
/* false: it cannot be told, or not at this moment. All but the CPU time are exact.
 * Cost on Linux: 4 us, and 0.05 to 0.15 us a thread. */
bool hl_plat_others(struct hl_plat *plat, struct hl_plat_others *others);

/* ---- its threads --------------------------------------------------------- */

struct hl_plat_thread {
    uint64_t tid;
    uint64_t cpu_ns; /* UINT64_MAX = unknown */
};
/* Fills up to `capacity` entries and sets *total to how many threads there are.
 * false when they cannot be listed. A thread that goes meanwhile is left out. */
bool hl_plat_threads(struct hl_plat *plat, struct hl_plat_thread *threads, size_t capacity,
                     size_t *total);

/* Reads the CPU times of a list anew that was whole when it was read. false: it is
 * not what there is any more, or that cannot be told; its times are worth nothing
 * then. Cost on Linux: a third of reading the list. */
bool hl_plat_threads_again(struct hl_plat *plat, struct hl_plat_thread *threads, size_t count);

/* The CPU time of one thread. false: gone, or unknown. */
bool hl_plat_thread_cpu(struct hl_plat *plat, uint64_t tid, uint64_t *cpu_ns);

/* What the system calls the process, as ps shows it: the file that was executed, cut where it
 * is long, or what the program has called itself since. Any bytes but NUL, terminated; "" = unknown. */
void hl_plat_program_name(struct hl_plat *plat, char name[HL_PLAT_NAME_BYTES]);

/* The thread's own name, any bytes but NUL, terminated; "" = unnamed. false: gone or unknown. */
bool hl_plat_thread_name(struct hl_plat *plat, uint64_t tid, char name[HL_PLAT_NAME_BYTES]);

/* Its name, "" = unnamed or unknown, and the scheduler's letter, 0 = unknown, as a line
 * shows them; and its age, as below. Cheaper than to ask for each. */
void hl_plat_thread_glance(struct hl_plat *plat, uint64_t tid, char name[HL_PLAT_NAME_BYTES],
                           char *state, uint64_t *age_ns);

#define HL_PLAT_AGE_STEP_NS 10000000u
struct hl_plat_thread_state {
    char state; /* scheduler's letter: R S D T t Z X I; 0 = unknown */
    bool start_known;
    uint64_t start;  /* tells this thread from a later one with the same tid; no unit */
    uint64_t age_ns; /* it is at least so old, and up to HL_PLAT_AGE_STEP_NS more; 0 = not known */
    bool times_known;
    uint64_t on_core_ns;
    uint64_t run_delay_ns; /* runnable, waiting for a core */
    uint64_t switches;     /* times it got onto a core */
};
/* It waits for something, interruptibly or not. */
static inline bool hl_plat_is_asleep(char state)
{
    return state == 'S' || state == 'D';
}

/* false: gone, or unknown. */
bool hl_plat_thread_state(struct hl_plat *plat, uint64_t tid, struct hl_plat_thread_state *state);

/* How often it gave up its core to wait for something. false: gone, or unknown. */
bool hl_plat_thread_sleeps(struct hl_plat *plat, uint64_t tid, uint64_t *sleeps);

/* ---- what a thread waits for ---------------------------------------------- */

enum hl_plat_wait_for {
    HL_PLAT_FOR_UNKNOWN = 0, /* cannot be told: see HL_PLAT_SYSCALL, HL_PLAT_WAIT */
    HL_PLAT_FOR_NOTHING,     /* it is in no system call */
    HL_PLAT_FOR_CALL,        /* in a call about which no more is known than its name */
    HL_PLAT_FOR_MUTEX,
    HL_PLAT_FOR_CONDVAR,
    HL_PLAT_FOR_RWLOCK,
    HL_PLAT_FOR_SEMAPHORE,
    HL_PLAT_FOR_BARRIER,
    HL_PLAT_FOR_ONCE,
    HL_PLAT_FOR_JOIN,   /* the end of thread `awaited` */
    HL_PLAT_FOR_FUTEX,  /* a lock or the like, made by hand or not recognised */
    HL_PLAT_FOR_OBJECT, /* a file, socket or the like: `verb` and `object` */
    HL_PLAT_FOR_CHILD,  /* the end (or exec) of process `awaited`, 0 = of any */
    HL_PLAT_FOR_TIMER,
    HL_PLAT_FOR_SIGNAL
};

/* What the memory of a mutex says. */
struct hl_plat_mutex {
    uint64_t owner;       /* tid; 0 = nobody's just now */
    bool contended;       /* its word says that somebody waits for it */
    bool is_sound;        /* its kind is one that exists, and it counts users: it is a mutex */
    bool hangs_its_owner; /* of a kind that its owner waits for in vain when it locks it again */
};

#define HL_PLAT_CALL_BYTES 24
#define HL_PLAT_CHANNEL_BYTES 48
#define HL_PLAT_OBJECT_BYTES 256
#define HL_PLAT_ADDRESS_BYTES 128

/* One look into a thread, without touching it. All texts are terminated; object
 * and local hold any bytes but NUL. */
struct hl_plat_look {
    struct hl_plat_thread_state state; /* the first thing that is read */
    uint32_t known; /* HL_PLAT_SYSCALL: waits_for, call. _CHANNEL: channel. _WAIT: all that its
                       kind has of the rest, but for: _HOLDER: mutex */
    enum hl_plat_wait_for waits_for;
    char call[HL_PLAT_CALL_BYTES];       /* "futex", "read"; "" = it is in none */
    char channel[HL_PLAT_CHANNEL_BYTES]; /* "futex_do_wait"; "" = it does not sleep */
    const char *verb;                    /* "read", "recv", "flock", "poll"; constant */
    char object[HL_PLAT_OBJECT_BYTES];   /* "pipe", "socket 10.0.0.2:5432", "/path" */
    char local[HL_PLAT_ADDRESS_BYTES];   /* a socket's own address; "" = it has none */
    int64_t descriptor;                  /* -1 = none, or several */
    uint64_t address;                    /* of the lock or futex word */
    bool is_vague;                       /* HL_PLAT_FOR_FUTEX: it may as well be one of the locks
                                            above; HL_PLAT_HOLDER says why that cannot be told */
    uint64_t awaited;                    /* thread or process, see above */
    struct hl_plat_mutex mutex;
    bool steady; /* it sat in one and the same wait from the first reading to the last; never
                    where its run count is not known */
};
/* false: gone, or not even its state is known. Cost on Linux: 25 us. */
bool hl_plat_look(struct hl_plat *plat, uint64_t tid, struct hl_plat_look *look);

/* The thread that this one seems to wait for: the owner of the mutex it wants, or the
 * one it joins. A hint that looks have to confirm; but 0 is certain: just now it waits
 * neither for a mutex nor for a thread's end, so it can be in no deadlock that would
 * be found, and in none before it runs. Cost on Linux: a quarter of a look. */
#define HL_PLAT_SOMEBODY UINT64_MAX /* whom, or whether at all, cannot be told */
uint64_t hl_plat_waits_for(struct hl_plat *plat, uint64_t tid);

/* ---- the stack of a thread ------------------------------------------------- */

#define HL_PLAT_FRAMES 64
struct hl_plat_frames {
    uint32_t count;               /* at least 1 */
    bool truncated;               /* the beginning of the stack was not reached */
    bool try_again;               /* where there are none: refused for this moment only */
    uint64_t suspended_ns;        /* it was kept from running for so long; 0 = it was not touched */
    uintptr_t pc[HL_PLAT_FRAMES]; /* innermost first; all but the first are return addresses */
};

/* The frames of another thread of this process, never the caller's. Where it can be
 * had only by stopping the thread for a moment, `may_interrupt` must allow that. Takes no
 * lock while the thread is stopped, and allocates nothing; once it was stopped for more
 * than a millisecond, no thread of the process is stopped again. false: gone, refused, or
 * not known how: HL_PLAT_STACK says why; suspended_ns and try_again hold then, too. Cost on
 * macOS, not measured yet: four system calls, and one or two for each 16 KiB of stack. */
bool hl_plat_thread_frames(struct hl_plat *plat, uint64_t tid, bool may_interrupt,
                           struct hl_plat_frames *frames);

#define HL_PLAT_MODULE_BYTES 64
/* In which loaded file an address lies, and how far from its beginning. Takes no lock.
 * false: in none that is known. */
bool hl_plat_place_of(struct hl_plat *plat, uintptr_t address, char module[HL_PLAT_MODULE_BYTES],
                      uint64_t *offset);

/* What a wait for a lock looks like from outside is not documented anywhere: it is
 * learnt, once per process, by waiting for some on purpose, in threads that live
 * for that alone. Starts them (which allocates: to be called by the thread that
 * starts the monitor), waits for nothing. Cost on Linux: 0.1 ms, and 2 ms in those. */
void hl_plat_learn(void);
bool hl_plat_is_learning(void);

/* ---- where lines go ------------------------------------------------------ */

/* An output that can be written without ever waiting for its reader. Plain
 * data, owned by the caller; zeroed = closed. */
struct hl_plat_log {
    int descriptor;         /* private to us, at or above 10; valid when kind is not 0 */
    int kind;               /* the platform's own; 0 = closed */
    uint64_t device, inode; /* what the descriptor must still be */
};

/* A private way to what an application's descriptor (2) leads to: the
 * descriptor itself and its flags are left alone. 0 or a negative errno. */
int hl_plat_log_open_descriptor(struct hl_plat_log *log, int descriptor);
/* A file to append to, made with mode 0600; also a FIFO, a terminal or a device
 * such as /dev/stderr. Never waits. 0 or a negative errno. */
int hl_plat_log_open_path(struct hl_plat_log *log, const char *path);
/* One system call. Returns how many bytes were taken, or a negative errno:
 * -EAGAIN the reader is slow; -EBADF the descriptor is no longer ours (nothing
 * was written, nor will be); others as from write(2). Never raises SIGPIPE in a
 * thread that blocks signals, nor on a socket. */
ptrdiff_t hl_plat_log_write(struct hl_plat_log *log, const char *bytes, size_t size);
/* How long the file is now, in bytes. false: it is none, or no longer ours. */
bool hl_plat_log_size(const struct hl_plat_log *log, uint64_t *size);
void hl_plat_log_close(struct hl_plat_log *log);

#endif
