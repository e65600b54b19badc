/* tests/harm/torture.h - what the parts of the check "torture" share.
 *
 *   torture.c        plans which call fails when, and lives a life for each plan
 *   torture_calls.c  the stand-ins that fail (linked in front of a copy of the library
 *                    whose calls are renamed, torture.syms: nobody else's calls fail)
 *   torture_life.c   a life: everything that the library does, and what must hold then
 *   torture_log.c    reads its log
 */
#ifndef TORTURE_H
#define TORTURE_H

#include <stdbool.h>
#include <stdint.h>

/* Instead of an errno: one byte is read or written; nothing is; it ends early without an
 * error. */
enum { SHORT = -1, NOTHING = -2, EARLY = -3 };
/* With an errno: not for good, because nobody could live with it. Not the first of them, but
 * where it is the only one. */
#define ONCE 0x1000

/* Each call that may fail, and in which ways. */
#define TORTURE_CALLS(X)                                 \
    X(access, ENOENT, EACCES)                            \
    X(atexit, ENOMEM)                                    \
    X(calloc, ENOMEM)                                    \
    X(clock_getres, EINVAL)                              \
    X(clock_gettime, EINVAL, EPERM)                      \
    X(close, EINTR, EIO)                                 \
    X(fcntl, EMFILE, EBADF, EINVAL)                      \
    X(fstat, EIO, EBADF, ENOMEM)                         \
    X(getauxval, ENOENT)                                 \
    X(getcwd, ENOENT, EACCES)                            \
    X(gethostname, EINVAL, ENAMETOOLONG)                 \
    X(getpeername, ENOTCONN, ENOBUFS)                    \
    X(getrlimit, EPERM)                                  \
    X(getrusage, EPERM)                                  \
    X(getsockname, ENOTSOCK, ENOBUFS)                    \
    X(inet_ntop, ENOSPC)                                 \
    X(lseek, EINVAL, EIO)                                \
    X(malloc, ENOMEM)                                    \
    X(mmap, ENOMEM, EPERM)                               \
    X(munmap, ENOMEM)                                    \
    X(nanosleep, EINTR, EPERM)                           \
    X(open, EMFILE, ENOENT, EACCES, EINTR)               \
    X(openat, EMFILE, ENOENT, EACCES, EINTR)             \
    X(pipe2, EMFILE, ENFILE)                             \
    X(prctl, EPERM)                                      \
    X(pread, ESRCH, EIO, EINTR, SHORT, NOTHING)          \
    X(process_vm_readv, EPERM, EFAULT, ENOSYS, SHORT)    \
    X(pthread_atfork, ENOMEM)                            \
    X(pthread_attr_init, ENOMEM)                         \
    X(pthread_attr_setdetachstate, EINVAL)               \
    X(pthread_attr_setstacksize, EINVAL)                 \
    X(pthread_barrier_init, EAGAIN)                      \
    X(pthread_cond_clockwait, ETIMEDOUT, EARLY)          \
    X(pthread_cond_init, EAGAIN)                         \
    X(pthread_cond_timedwait, ETIMEDOUT, EARLY)          \
    X(pthread_cond_wait, EARLY)                          \
    X(pthread_create, EAGAIN, EPERM, EINVAL)             \
    X(pthread_key_create, EAGAIN)                        \
    X(pthread_mutex_clocklock, ETIMEDOUT)                \
    X(pthread_mutex_init, EAGAIN)                        \
    X(pthread_mutex_lock, EAGAIN)                        \
    X(pthread_mutex_timedlock, ETIMEDOUT)                \
    X(pthread_mutexattr_init, ENOMEM)                    \
    X(pthread_mutexattr_setprotocol, ENOTSUP)            \
    X(pthread_mutexattr_setrobust, ENOTSUP)              \
    X(pthread_rwlock_clockrdlock, ETIMEDOUT)             \
    X(pthread_rwlock_clockwrlock, ETIMEDOUT)             \
    X(pthread_rwlock_init, EAGAIN)                       \
    X(pthread_rwlock_rdlock, EAGAIN)                     \
    X(pthread_rwlock_timedrdlock, ETIMEDOUT)             \
    X(pthread_rwlock_timedwrlock, ETIMEDOUT)             \
    X(pthread_rwlock_wrlock, EDEADLK)                    \
    X(pthread_setspecific, ENOMEM)                       \
    X(pthread_tryjoin_np, EBUSY)                         \
    X(read, EINTR, EIO, ESRCH, SHORT, NOTHING)           \
    X(readlink, EACCES, ENOENT)                          \
    X(readlinkat, EACCES, ENOENT)                        \
    X(sem_clockwait, ETIMEDOUT)                          \
    X(sem_init, EINVAL)                                  \
    X(sem_timedwait, ETIMEDOUT)                          \
    X(sem_wait, EINTR | ONCE)                            \
    X(send, EAGAIN, EINTR, EPIPE, SHORT)                 \
    X(sigaction, EINVAL)                                 \
    X(stat, EACCES, ENOENT)                              \
    X(sysconf, EINVAL)                                   \
    X(write, EINTR, EAGAIN, EIO, ENOSPC, EPIPE, SHORT)   \
    /* made with syscall(2) */                           \
    X(getdents64, ENOENT, EIO)                           \
    X(membarrier, EPERM, ENOSYS)                         \
    X(ppoll, ENOMEM, EPERM, EINTR | ONCE)                \
    X(pwritev2, EAGAIN, EINTR, EOPNOTSUPP, EPIPE, SHORT) \
    X(sched_getaffinity, EPERM, EINVAL)

#define TORTURE_NAME(name, ...) CALL_##name,
enum torture_call { TORTURE_CALLS(TORTURE_NAME) CALLS };

extern const char *const torture_names[CALLS];

/* "CALL WAY N once|lasting": the N-th use fails, and the later ones too. CALL "none": none
 * does. Read from the environment at the first call, which may be before main. */
#define TORTURE_PLAN "TORTURE_PLAN"
/* The descriptor of the file that holds a torture_tally: what a life and its child count. */
#define TORTURE_TALLY "TORTURE_TALLY"

struct torture_plan {
    enum torture_call call; /* CALLS = none */
    int way;
    uint64_t n;
    bool is_lasting;
};
const struct torture_plan *torture_plan(void);

struct torture_tally {
    _Atomic uint64_t uses[CALLS];
    _Atomic uint64_t failures;
};
struct torture_tally *torture_tally(void);

/* What this process took and has not given back. */
struct torture_debt {
    _Atomic int64_t blocks;   /* of malloc and calloc */
    _Atomic int64_t mappings; /* of mmap; giving back counts also where it fails */
};
extern struct torture_debt torture_debt;

/* Lives it, and returns the status of the program. */
int torture_live(void);

/* ---- the log ---- */

struct torture_log {
    unsigned starts, beats, stalls, recoveries, stops;
    bool lacks_memory; /* it says that not every scope could be judged */
};
/* Reads a log of JSON lines strictly. What is no whole record, a figure that is unknown
 * without a reason, 0 for unknown or no possible value is told to `wrong`. */
void torture_read_log(const char *text, struct torture_log *log,
                      void (*wrong)(const char *what, const char *line));

#endif
