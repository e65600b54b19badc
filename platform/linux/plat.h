/* platform/linux/plat.h - what the files of this folder share.
 *
 * Three descriptors are kept (the wake pipe is a fourth where it cannot be opened
 * again); all others are opened for one reading and closed again. Each is
 * remembered with the device and inode of its file, because an application
 * that closes everything above 2 takes ours with the rest, and its next open()
 * may get the same number. So a descriptor is compared before every use, and
 * one that is no longer ours is neither used nor closed, only opened again.
 *
 * A child inherits what was open at a fork, also the file that was just being
 * read, and closes it in hl_plat_abandon_in_child. The kernel copies the
 * descriptors first and the memory later (by 100 us, on a busy machine by much more),
 * so what the child finds written down is newer than what it inherited, and a file may
 * be open whose number is not written down yet. So what is open for one reading is
 * marked, with flags that reading ignores.
 */
#ifndef HL_PLAT_LINUX_PLAT_H
#define HL_PLAT_LINUX_PLAT_H

#include "../platform.h"

#include <limits.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

/* A descriptor and the file it must lead to; number -1 = none. Written by one
 * thread; hl_plat_wake reads it in any thread and a forked child at any moment,
 * so the number is withdrawn first and published last. */
struct hl_plat_kept {
    atomic_int number;
    _Atomic uint64_t device, inode;
};

#define HL_PLAT_BUFFER_BYTES 65536
#define HL_PLAT_LOWEST_DESCRIPTOR 10

struct hl_plat {
    struct hl_plat_kept hear, call; /* the wake pipe, normally one descriptor for both (wait.c) */
    struct hl_plat_kept tasks;      /* /proc/self/task */
    struct hl_plat_kept status;     /* /proc/thread-self/status of the thread status_tid */
    struct hl_plat_kept passing;    /* what is open for one reading */
    atomic_bool woken;
    struct hl_plat_own_use { /* of the thread that waits, since its start */
        uint64_t on_core_ns, run_delay_ns;
        uint64_t switches, major_faults;
    } awoke;              /* when it last awoke; zero before its first wait */
    struct hl_plat_lead { /* how far the clock that runs in suspension is ahead, and how unsure
                             that is: one may lose its core, or be stopped, between two readings */
        uint64_t ns, width_ns;
    } lead; /* at the end of the last wait */
    uint64_t status_tid;
    uint64_t most_cores; /* 0 = not read yet */
    uint64_t start_ns;   /* of the process, on CLOCK_BOOTTIME; 0 = not read yet */
    const char *why[HL_PLAT_KEYS];
    _Alignas(16) char buffer[HL_PLAT_BUFFER_BYTES];
    char path[2 * PATH_MAX];
    struct hl_plat_group {     /* where the process stands in a cgroup hierarchy (limits.c) */
        char inside[PATH_MAX]; /* as /proc/self/cgroup says; "" = not in it */
        char directory[2 * PATH_MAX];
        size_t top; /* length of the mount point in `directory`; 0 = not mounted */
    } groups[3];
    char throttled[2 * PATH_MAX + 16]; /* the file that counts what the quota took; "" = no quota */
};

/* ---- descriptor.c ------------------------------------------------------- */

/* Moves a descriptor to or above HL_PLAT_LOWEST_DESCRIPTOR. The new number, or a
 * negative errno; the old one is closed either way. */
int hl_plat_raise(int descriptor);

/* Remembers an open descriptor. false: it cannot be asked what it is, and is not open any more. */
bool hl_plat_keep(struct hl_plat_kept *kept, int descriptor);
/* Its number while it is still ours, else -1. Async-signal-safe but for errno. */
int hl_plat_ours(const struct hl_plat_kept *kept);
void hl_plat_let_go(struct hl_plat_kept *kept);

/* The file `name` of the calling thread in /proc. (/proc/self is the first thread,
 * which has no memory and no files any more after pthread_exit in main.) */
int hl_plat_open_own(const char *name, int flags);

/* For one reading: at most one at a time, closed with hl_plat_close_passing.
 * The number, or a negative errno. */
int hl_plat_open_passing(struct hl_plat *plat, int directory, const char *path);
int hl_plat_open_own_passing(struct hl_plat *plat, const char *name);
void hl_plat_close_passing(struct hl_plat *plat);
/* The same for those who have no plat, and let it go themselves. */
int hl_plat_open_own_marked(struct hl_plat_kept *passing, const char *name);
/* In a forked child: what was passing, by marks in its flags. */
void hl_plat_close_marked(void);

/* Open, one read, close. Bytes read, or a negative errno. */
ssize_t hl_plat_read_file(struct hl_plat *plat, int directory, const char *path, char *text,
                          size_t capacity);
ssize_t hl_plat_read_own(struct hl_plat *plat, const char *name, char *text, size_t capacity);

/* ---- clocks -------------------------------------------------------------- */

/* In nanoseconds. false: errno says why. */
static inline bool hl_plat_read_clock(clockid_t clock, uint64_t *ns)
{
    struct timespec now;

    if (clock_gettime(clock, &now) != 0)
        return false;
    *ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return true;
}

/* ---- plat.c ------------------------------------------------------------- */

/* Notes why `key` is missing: for an error number, or with a text. */
void hl_plat_miss(struct hl_plat *plat, enum hl_plat_key key, int error);
void hl_plat_miss_because(struct hl_plat *plat, enum hl_plat_key key, const char *text);
extern const char hl_plat_not_understood[];
/* What is not dumpable may not look into itself. */
bool hl_plat_is_opaque(void);

/* ---- state.c ------------------------------------------------------------- */

/* Where the files of the threads are, for the calls that take a directory and a
 * path: `path` becomes TID/FILE or the whole of it. The directory, or a negative errno. */
#define HL_PLAT_THREAD_PATH_BYTES 96
int hl_plat_thread_path(struct hl_plat *plat, uint64_t tid, const char *file,
                        char path[HL_PLAT_THREAD_PATH_BYTES]);
/* Bytes read from task/TID/FILE, or a negative errno; the latter is then noted
 * with hl_plat_miss_of_thread. */
ssize_t hl_plat_read_of_thread(struct hl_plat *plat, uint64_t tid, const char *file, char *text,
                               size_t capacity);
void hl_plat_miss_of_thread(struct hl_plat *plat, enum hl_plat_key key, ssize_t error);
/* Only what is counted: times_known and what depends on it. */
void hl_plat_thread_times(struct hl_plat *plat, uint64_t tid, struct hl_plat_thread_state *state);

/* ---- object.c ------------------------------------------------------------ */

/* What a descriptor of a thread leads to, as text; for a socket with a peer also
 * its own address. may_ask: sockets and pipes may be asked, which takes their
 * locks. 0 or a negative errno, -ENOENT: it is closed. Uses plat->path. */
int hl_plat_object(struct hl_plat *plat, uint64_t tid, int64_t descriptor, bool may_ask, char *text,
                   size_t capacity, char local[HL_PLAT_ADDRESS_BYTES]);
/* The own address of what is a socket, else "". */
void hl_plat_own_address(struct hl_plat *plat, uint64_t tid, int64_t descriptor,
                         char local[HL_PLAT_ADDRESS_BYTES]);
/* "10.0.0.2:5432", "[::1]:80", "/run/x.sock", "@abstract"; the family where it has no name. */
void hl_plat_write_address(const void *address, size_t size, char *text, size_t capacity);

/* ---- peek.c, look.c, futex.c --------------------------------------------- */

/* Copies memory of our own process that may be gone: 0, or a negative errno
 * (-EFAULT: it is; else it is not permitted). Never faults, never waits. */
int hl_plat_peek(uint64_t address, void *copy, size_t size);

struct hl_plat_call;
/* The part of a look that concerns a thread in a futex call: waits_for, address,
 * awaited, mutex, and the bits of `known` beyond HL_PLAT_SYSCALL. */
void hl_plat_look_at_futex(struct hl_plat *plat, const struct hl_plat_call *call,
                           struct hl_plat_look *look);

/* emulated.c: the calls that /proc shows are not those of the program. Found out with
 * the first `plat`; NULL only asks for what was found. */
bool hl_plat_is_emulated(struct hl_plat *plat);
extern const char hl_plat_emulated[];

/* learn.c: in the child of a fork, lets go of what was open for learning. */
void hl_plat_learn_in_child(void);

/* ---- process.c, threads.c, wait.c --------------------------------------- */

/* The kernel's ticks since boot in nanoseconds, HL_PLAT_UNKNOWN where that is not possible. */
uint64_t hl_plat_ticks_to_ns(uint64_t ticks);

struct hl_plat_status;
/* Reads /proc/thread-self/status. 0 or a negative errno. */
int hl_plat_read_status(struct hl_plat *plat, struct hl_plat_status *status);
void hl_plat_open_status(struct hl_plat *plat);
/* The kept /proc/self/task, opened again where needed, or a negative errno. */
int hl_plat_task_directory(struct hl_plat *plat);
/* How many threads there are; 0 = not known. Costs two calls. */
uint64_t hl_plat_count_threads(struct hl_plat *plat);
/* Makes the pipe for hl_plat_wake where there is none. */
void hl_plat_open_wake(struct hl_plat *plat);

#endif
