/* tests/harm/torture_calls.c - the library's calls, and how they fail.
 *
 * Each does what it stands for, unless the plan says that this use fails. What the
 * system would leave undefined then is filled with a pattern, so that whoever uses it
 * shows. A close that fails has closed, as on Linux; an munmap has not unmapped.
 */
#define _GNU_SOURCE
#include "torture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define TEXT_OF_NAME(name, ...) #name,
const char *const torture_names[CALLS] = {TORTURE_CALLS(TEXT_OF_NAME)};

/* ---- the plan -------------------------------------------------------------------- */

static struct torture_plan plan = {.call = CALLS};
static struct torture_tally own_tally; /* where nobody asked for it */
static struct torture_tally *tally;
struct torture_debt torture_debt;

static enum torture_call call_named(const char *name)
{
    enum torture_call call = 0;
    while (call < CALLS && strcmp(torture_names[call], name) != 0)
        call++;
    return call;
}

static void read_plan(void)
{
    char name[64], mode[16];
    const char *text = getenv(TORTURE_PLAN);
    unsigned long long n;
    int way;
    if (!text || sscanf(text, "%63s %d %llu %15s", name, &way, &n, mode) != 4)
        return;
    plan = (struct torture_plan){call_named(name), way, n, strcmp(mode, "lasting") == 0};
}

/* The library's constructors call before any thread is there. */
static void prepare(void)
{
    const char *number = getenv(TORTURE_TALLY);
    read_plan();
    tally = &own_tally;
    if (!number)
        return;
    int file = atoi(number);
    void *shared = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared == MAP_FAILED)
        abort();
    close(file);
    tally = shared;
}

const struct torture_plan *torture_plan(void)
{
    if (!tally)
        prepare();
    return &plan;
}

struct torture_tally *torture_tally(void)
{
    if (!tally)
        prepare();
    return tally;
}

/* Counts this use. 0 = it goes on as always; else the way in which it fails, with errno set. */
static int fails(enum torture_call call)
{
    uint64_t n = torture_tally()->uses[call]++ + 1;
    if (plan.call != call || n < plan.n || (n > plan.n && !plan.is_lasting))
        return 0;
    tally->failures++;
    if (plan.way > 0)
        errno = plan.way;
    return plan.way;
}

/* What is only used where another call fails as well. */
static bool fails_beside(enum torture_call call, const char *path)
{
    bool is_refused = false;
    if (plan.call == CALL_pwritev2 && call == CALL_open && strstr(path, "/fd/")) {
        errno = EACCES;
        is_refused = true;
    }
    if (plan.call == CALL_access && strstr(path, "/proc/self/io")) {
        errno = ENOENT;
        is_refused = true;
    }
    return is_refused;
}

static void spoil(void *memory, size_t size)
{
    memset(memory, 0x5a, size);
}

/* ---- memory ------------------------------------------------------------------------ */

void *torture_malloc(size_t size);
void *torture_malloc(size_t size)
{
    if (fails(CALL_malloc))
        return NULL;
    void *block = malloc(size);
    torture_debt.blocks += block != NULL;
    return block;
}

void *torture_calloc(size_t count, size_t size);
void *torture_calloc(size_t count, size_t size)
{
    if (fails(CALL_calloc))
        return NULL;
    void *block = calloc(count, size);
    torture_debt.blocks += block != NULL;
    return block;
}

void torture_free(void *block);
void torture_free(void *block)
{
    torture_debt.blocks -= block != NULL;
    free(block);
}

void *torture_mmap(void *at, size_t size, int rights, int flags, int file, off_t offset);
void *torture_mmap(void *at, size_t size, int rights, int flags, int file, off_t offset)
{
    if (fails(CALL_mmap))
        return MAP_FAILED;
    void *memory = mmap(at, size, rights, flags, file, offset);
    torture_debt.mappings += memory != MAP_FAILED;
    return memory;
}

int torture_munmap(void *memory, size_t size);
int torture_munmap(void *memory, size_t size)
{
    torture_debt.mappings--;
    return fails(CALL_munmap) ? -1 : munmap(memory, size);
}

/* ---- files ------------------------------------------------------------------------- */

int torture_access(const char *path, int mode);
int torture_access(const char *path, int mode)
{
    return fails(CALL_access) ? -1 : access(path, mode);
}

static int rights_of(int flags, va_list arguments)
{
    return flags & O_CREAT ? va_arg(arguments, int) : 0;
}

int torture_open(const char *path, int flags, ...);
int torture_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int rights = rights_of(flags, arguments);
    va_end(arguments);
    if (fails(CALL_open) || fails_beside(CALL_open, path))
        return -1;
    return open(path, flags, rights);
}

int torture_openat(int folder, const char *path, int flags, ...);
int torture_openat(int folder, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int rights = rights_of(flags, arguments);
    va_end(arguments);
    if (fails(CALL_openat) || fails_beside(CALL_openat, path))
        return -1;
    return openat(folder, path, flags, rights);
}

int torture_close(int file);
int torture_close(int file)
{
    int way = fails(CALL_close);
    int result = close(file);
    if (way)
        errno = way;
    return way ? -1 : result;
}

int torture_fcntl(int file, int command, ...);
int torture_fcntl(int file, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    int argument = va_arg(arguments, int); /* none is also an int here: the calls ignore it */
    va_end(arguments);
    return fails(CALL_fcntl) ? -1 : fcntl(file, command, argument);
}

int torture_fstat(int file, struct stat *is);
int torture_fstat(int file, struct stat *is)
{
    if (!fails(CALL_fstat))
        return fstat(file, is);
    spoil(is, sizeof *is);
    return -1;
}

int torture_stat(const char *path, struct stat *is);
int torture_stat(const char *path, struct stat *is)
{
    if (!fails(CALL_stat))
        return stat(path, is);
    spoil(is, sizeof *is);
    return -1;
}

char *torture_getcwd(char *path, size_t size);
char *torture_getcwd(char *path, size_t size)
{
    if (!fails(CALL_getcwd))
        return getcwd(path, size);
    spoil(path, size);
    return NULL;
}

off_t torture_lseek(int file, off_t offset, int from);
off_t torture_lseek(int file, off_t offset, int from)
{
    return fails(CALL_lseek) ? -1 : lseek(file, offset, from);
}

int torture_pipe2(int ends[2], int flags);
int torture_pipe2(int ends[2], int flags)
{
    return fails(CALL_pipe2) ? -1 : pipe2(ends, flags);
}

ssize_t torture_readlink(const char *path, char *text, size_t size);
ssize_t torture_readlink(const char *path, char *text, size_t size)
{
    return fails(CALL_readlink) ? -1 : readlink(path, text, size);
}

ssize_t torture_readlinkat(int folder, const char *path, char *text, size_t size);
ssize_t torture_readlinkat(int folder, const char *path, char *text, size_t size)
{
    return fails(CALL_readlinkat) ? -1 : readlinkat(folder, path, text, size);
}

/* How much of `size` is asked for; 0 with *result set: nothing is. */
static size_t as_planned(int way, size_t size, ssize_t *result)
{
    *result = way == NOTHING ? 0 : -1;
    if (way == SHORT)
        return size > 0;
    return way ? 0 : size;
}

ssize_t torture_read(int file, void *bytes, size_t size);
ssize_t torture_read(int file, void *bytes, size_t size)
{
    ssize_t result;
    size_t part = as_planned(fails(CALL_read), size, &result);
    return part ? read(file, bytes, part) : result;
}

ssize_t torture_pread(int file, void *bytes, size_t size, off_t offset);
ssize_t torture_pread(int file, void *bytes, size_t size, off_t offset)
{
    ssize_t result;
    size_t part = as_planned(fails(CALL_pread), size, &result);
    return part ? pread(file, bytes, part, offset) : result;
}

ssize_t torture_write(int file, const void *bytes, size_t size);
ssize_t torture_write(int file, const void *bytes, size_t size)
{
    ssize_t result;
    size_t part = as_planned(fails(CALL_write), size, &result);
    return part ? write(file, bytes, part) : result;
}

ssize_t torture_send(int file, const void *bytes, size_t size, int flags);
ssize_t torture_send(int file, const void *bytes, size_t size, int flags)
{
    ssize_t result;
    size_t part = as_planned(fails(CALL_send), size, &result);
    return part ? send(file, bytes, part, flags) : result;
}

ssize_t torture_process_vm_readv(pid_t pid, const struct iovec *to, unsigned long pieces,
                                 const struct iovec *from, unsigned long others,
                                 unsigned long flags);
ssize_t torture_process_vm_readv(pid_t pid, const struct iovec *to, unsigned long pieces,
                                 const struct iovec *from, unsigned long others,
                                 unsigned long flags)
{
    int way = fails(CALL_process_vm_readv);
    struct iovec first = {to->iov_base, 1};
    if (way == SHORT)
        return process_vm_readv(pid, &first, 1, from, others, flags);
    return way ? -1 : process_vm_readv(pid, to, pieces, from, others, flags);
}

/* ---- sockets ----------------------------------------------------------------------- */

int torture_getpeername(int file, struct sockaddr *address, socklen_t *size);
int torture_getpeername(int file, struct sockaddr *address, socklen_t *size)
{
    return fails(CALL_getpeername) ? -1 : getpeername(file, address, size);
}

int torture_getsockname(int file, struct sockaddr *address, socklen_t *size);
int torture_getsockname(int file, struct sockaddr *address, socklen_t *size)
{
    return fails(CALL_getsockname) ? -1 : getsockname(file, address, size);
}

const char *torture_inet_ntop(int family, const void *address, char *text, socklen_t size);
const char *torture_inet_ntop(int family, const void *address, char *text, socklen_t size)
{
    return fails(CALL_inet_ntop) ? NULL : inet_ntop(family, address, text, size);
}

/* ---- time, process ----------------------------------------------------------------- */

int torture_clock_gettime(clockid_t clock, struct timespec *now);
int torture_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!fails(CALL_clock_gettime))
        return clock_gettime(clock, now);
    spoil(now, sizeof *now);
    return -1;
}

int torture_clock_getres(clockid_t clock, struct timespec *tick);
int torture_clock_getres(clockid_t clock, struct timespec *tick)
{
    if (!fails(CALL_clock_getres))
        return clock_getres(clock, tick);
    spoil(tick, sizeof *tick);
    return -1;
}

int torture_nanosleep(const struct timespec *pause, struct timespec *rest);
int torture_nanosleep(const struct timespec *pause, struct timespec *rest)
{
    if (!fails(CALL_nanosleep))
        return nanosleep(pause, rest);
    if (rest)
        *rest = *pause;
    return -1;
}

int torture_gethostname(char *name, size_t size);
int torture_gethostname(char *name, size_t size)
{
    if (!fails(CALL_gethostname))
        return gethostname(name, size);
    return -1;
}

int torture_getrlimit(int which, struct rlimit *limit);
int torture_getrlimit(int which, struct rlimit *limit)
{
    if (!fails(CALL_getrlimit))
        return getrlimit((__rlimit_resource_t)which, limit);
    spoil(limit, sizeof *limit);
    return -1;
}

int torture_getrusage(int who, struct rusage *usage);
int torture_getrusage(int who, struct rusage *usage)
{
    if (!fails(CALL_getrusage))
        return getrusage((__rusage_who_t)who, usage);
    spoil(usage, sizeof *usage);
    return -1;
}

unsigned long torture_getauxval(unsigned long which);
unsigned long torture_getauxval(unsigned long which)
{
    return fails(CALL_getauxval) ? 0 : getauxval(which);
}

long torture_sysconf(int which);
long torture_sysconf(int which)
{
    return fails(CALL_sysconf) ? -1 : sysconf(which);
}

int torture_prctl(int option, unsigned long argument);
int torture_prctl(int option, unsigned long argument)
{
    return fails(CALL_prctl) ? -1 : prctl(option, argument);
}

int torture_atexit(void (*function)(void));
int torture_atexit(void (*function)(void))
{
    return fails(CALL_atexit) ? -1 : atexit(function);
}

int torture_sigaction(int number, const struct sigaction *set, struct sigaction *was);
int torture_sigaction(int number, const struct sigaction *set, struct sigaction *was)
{
    return fails(CALL_sigaction) ? -1 : sigaction(number, set, was);
}

/* ---- system calls without a function ------------------------------------------------ */

static long count_call(long number)
{
    switch (number) {
    case SYS_getdents64:
        return fails(CALL_getdents64);
    case SYS_membarrier:
        return fails(CALL_membarrier);
    case SYS_ppoll:
        return fails(CALL_ppoll);
    case SYS_pwritev2:
        return fails(CALL_pwritev2);
    case SYS_sched_getaffinity:
        return fails(CALL_sched_getaffinity);
    case SYS_gettid: /* cannot fail */
        return 0;
    default:
        dprintf(STDOUT_FILENO, "wrong: system call %ld is not among those that are failed\n",
                number);
        abort();
    }
}

long torture_syscall(long number, ...);
long torture_syscall(long number, ...)
{
    long all[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) /* the kernel reads as many as it needs */
        all[i] = va_arg(arguments, long);
    va_end(arguments);
    long way = count_call(number);
    if (way == SHORT) {
        const struct iovec *piece = (const struct iovec *)all[1]; /* of pwritev2 */
        struct iovec first = {piece->iov_base, 1};
        return syscall(number, all[0], &first, 1L, all[3], all[4], all[5]);
    }
    return way ? -1 : syscall(number, all[0], all[1], all[2], all[3], all[4], all[5]);
}

/* ---- threads and locks --------------------------------------------------------------- */

/* These return the error, and leave errno alone. */
static int error_of(enum torture_call call)
{
    int saved = errno;
    int way = fails(call);
    errno = saved;
    return way;
}

#define OR_ERROR(call, real)                \
    do {                                    \
        int error_ = error_of(CALL_##call); \
        return error_ ? error_ : (real);    \
    } while (0)

int torture_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                           void *(*run)(void *), void *argument);
int torture_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                           void *(*run)(void *), void *argument)
{
    OR_ERROR(pthread_create, pthread_create(thread, attributes, run, argument));
}

int torture_pthread_attr_init(pthread_attr_t *attributes);
int torture_pthread_attr_init(pthread_attr_t *attributes)
{
    OR_ERROR(pthread_attr_init, pthread_attr_init(attributes));
}

int torture_pthread_attr_setdetachstate(pthread_attr_t *attributes, int detach);
int torture_pthread_attr_setdetachstate(pthread_attr_t *attributes, int detach)
{
    OR_ERROR(pthread_attr_setdetachstate, pthread_attr_setdetachstate(attributes, detach));
}

int torture_pthread_attr_setstacksize(pthread_attr_t *attributes, size_t size);
int torture_pthread_attr_setstacksize(pthread_attr_t *attributes, size_t size)
{
    OR_ERROR(pthread_attr_setstacksize, pthread_attr_setstacksize(attributes, size));
}

int torture_pthread_atfork(void (*before)(void), void (*parent)(void), void (*child)(void));
int torture_pthread_atfork(void (*before)(void), void (*parent)(void), void (*child)(void))
{
    OR_ERROR(pthread_atfork, pthread_atfork(before, parent, child));
}

int torture_pthread_key_create(pthread_key_t *key, void (*end)(void *));
int torture_pthread_key_create(pthread_key_t *key, void (*end)(void *))
{
    OR_ERROR(pthread_key_create, pthread_key_create(key, end));
}

int torture_pthread_setspecific(pthread_key_t key, const void *value);
int torture_pthread_setspecific(pthread_key_t key, const void *value)
{
    OR_ERROR(pthread_setspecific, pthread_setspecific(key, value));
}

int torture_pthread_tryjoin_np(pthread_t thread, void **result);
int torture_pthread_tryjoin_np(pthread_t thread, void **result)
{
    OR_ERROR(pthread_tryjoin_np, pthread_tryjoin_np(thread, result));
}

int torture_pthread_mutexattr_init(pthread_mutexattr_t *kind);
int torture_pthread_mutexattr_init(pthread_mutexattr_t *kind)
{
    int way = error_of(CALL_pthread_mutexattr_init);
    if (way)
        spoil(kind, sizeof *kind);
    return way ? way : pthread_mutexattr_init(kind);
}

int torture_pthread_mutexattr_setprotocol(pthread_mutexattr_t *kind, int protocol);
int torture_pthread_mutexattr_setprotocol(pthread_mutexattr_t *kind, int protocol)
{
    OR_ERROR(pthread_mutexattr_setprotocol, pthread_mutexattr_setprotocol(kind, protocol));
}

int torture_pthread_mutexattr_setrobust(pthread_mutexattr_t *kind, int robust);
int torture_pthread_mutexattr_setrobust(pthread_mutexattr_t *kind, int robust)
{
    OR_ERROR(pthread_mutexattr_setrobust, pthread_mutexattr_setrobust(kind, robust));
}

int torture_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *kind);
int torture_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *kind)
{
    OR_ERROR(pthread_mutex_init, pthread_mutex_init(mutex, kind));
}

/* The usual kind cannot fail. */
int torture_pthread_mutex_lock(pthread_mutex_t *mutex);
int torture_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    if (mutex->__data.__kind == PTHREAD_MUTEX_TIMED_NP)
        return pthread_mutex_lock(mutex);
    OR_ERROR(pthread_mutex_lock, pthread_mutex_lock(mutex));
}

int torture_pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *end);
int torture_pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *end)
{
    OR_ERROR(pthread_mutex_timedlock, pthread_mutex_timedlock(mutex, end));
}

int torture_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
                                    const struct timespec *end);
int torture_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
                                    const struct timespec *end)
{
    OR_ERROR(pthread_mutex_clocklock, pthread_mutex_clocklock(mutex, clock, end));
}

int torture_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *kind);
int torture_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *kind)
{
    OR_ERROR(pthread_cond_init, pthread_cond_init(condition, kind));
}

/* Early: whoever is waited for gets the lock all the same. */
static int wait_early(pthread_mutex_t *mutex)
{
    pthread_mutex_unlock(mutex);
    pthread_mutex_lock(mutex);
    return 0;
}

int torture_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int torture_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    return error_of(CALL_pthread_cond_wait) ? wait_early(mutex)
                                            : pthread_cond_wait(condition, mutex);
}

int torture_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                   const struct timespec *end);
int torture_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                   const struct timespec *end)
{
    int way = error_of(CALL_pthread_cond_timedwait);
    if (way == EARLY)
        return wait_early(mutex);
    return way ? way : pthread_cond_timedwait(condition, mutex, end);
}

int torture_pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                   clockid_t clock, const struct timespec *end);
int torture_pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                   clockid_t clock, const struct timespec *end)
{
    int way = error_of(CALL_pthread_cond_clockwait);
    if (way == EARLY)
        return wait_early(mutex);
    return way ? way : pthread_cond_clockwait(condition, mutex, clock, end);
}

int torture_pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *kind);
int torture_pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *kind)
{
    OR_ERROR(pthread_rwlock_init, pthread_rwlock_init(lock, kind));
}

int torture_pthread_rwlock_rdlock(pthread_rwlock_t *lock);
int torture_pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    OR_ERROR(pthread_rwlock_rdlock, pthread_rwlock_rdlock(lock));
}

int torture_pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int torture_pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    OR_ERROR(pthread_rwlock_wrlock, pthread_rwlock_wrlock(lock));
}

int torture_pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *end);
int torture_pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *end)
{
    OR_ERROR(pthread_rwlock_timedrdlock, pthread_rwlock_timedrdlock(lock, end));
}

int torture_pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *end);
int torture_pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *end)
{
    OR_ERROR(pthread_rwlock_timedwrlock, pthread_rwlock_timedwrlock(lock, end));
}

int torture_pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock,
                                       const struct timespec *end);
int torture_pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock,
                                       const struct timespec *end)
{
    OR_ERROR(pthread_rwlock_clockrdlock, pthread_rwlock_clockrdlock(lock, clock, end));
}

int torture_pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock,
                                       const struct timespec *end);
int torture_pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock,
                                       const struct timespec *end)
{
    OR_ERROR(pthread_rwlock_clockwrlock, pthread_rwlock_clockwrlock(lock, clock, end));
}

int torture_pthread_barrier_init(pthread_barrier_t *barrier, const pthread_barrierattr_t *kind,
                                 unsigned count);
int torture_pthread_barrier_init(pthread_barrier_t *barrier, const pthread_barrierattr_t *kind,
                                 unsigned count)
{
    OR_ERROR(pthread_barrier_init, pthread_barrier_init(barrier, kind, count));
}

int torture_sem_init(sem_t *semaphore, int shared, unsigned value);
int torture_sem_init(sem_t *semaphore, int shared, unsigned value)
{
    if (!fails(CALL_sem_init))
        return sem_init(semaphore, shared, value);
    return -1;
}

int torture_sem_wait(sem_t *semaphore);
int torture_sem_wait(sem_t *semaphore)
{
    return fails(CALL_sem_wait) ? -1 : sem_wait(semaphore);
}

int torture_sem_timedwait(sem_t *semaphore, const struct timespec *end);
int torture_sem_timedwait(sem_t *semaphore, const struct timespec *end)
{
    return fails(CALL_sem_timedwait) ? -1 : sem_timedwait(semaphore, end);
}

int torture_sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *end);
int torture_sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *end)
{
    return fails(CALL_sem_clockwait) ? -1 : sem_clockwait(semaphore, clock, end);
}
