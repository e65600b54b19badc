/* See fakes.h. The linker turns the platform's calls into __wrap_, as in fakes.c. */
#define _GNU_SOURCE
#include "fakes.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { REFUSALS = 32 };

/* ---- calls --------------------------------------------------------------------- */

static struct refusal {
    const char *call;
    unsigned after, times, uses;
    int error;
    long result;
} refusals[REFUSALS];
static size_t refusals_count;
/* The pupil and the teacher of learn.c call, too. */
static pthread_mutex_t refusals_lock = PTHREAD_MUTEX_INITIALIZER;

static void refuse(struct refusal refusal)
{
    cr_assert_lt(refusals_count, REFUSALS);
    refusals[refusals_count++] = refusal;
}

void fake_failure(const char *call, unsigned after, unsigned times, int error)
{
    refuse((struct refusal){
        .call = call, .after = after, .times = times, .error = error, .result = -1});
}

void fake_result(const char *call, unsigned after, unsigned times, long result)
{
    refuse((struct refusal){.call = call, .after = after, .times = times, .result = result});
}

unsigned fake_uses(const char *call)
{
    unsigned uses = 0;

    for (size_t i = 0; i < refusals_count; i++)
        uses += strcmp(refusals[i].call, call) == 0 ? refusals[i].uses : 0;
    return uses;
}

static bool is_turn(struct refusal *refusal)
{
    if (refusal->after > 0) {
        refusal->after--;
        return false;
    }
    if (refusal->times == 0)
        return false;
    refusal->times -= refusal->times != FAKE_ALWAYS;
    refusal->uses++;
    return true;
}

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);

/* Sets errno, where there is one, and *result. */
static bool is_refused(const char *call, long *result)
{
    bool refused = false;

    __real_pthread_mutex_lock(&refusals_lock);
    for (size_t i = refusals_count; !refused && i-- > 0;)
        if (strcmp(refusals[i].call, call) == 0 && is_turn(&refusals[i])) {
            refused = true;
            *result = refusals[i].result;
            if (refusals[i].error)
                errno = refusals[i].error;
        }
    pthread_mutex_unlock(&refusals_lock);
    return refused;
}

/* Those that return their error. */
static bool is_error(const char *call, int *error)
{
    int saved = errno;
    long result;
    bool refused = is_refused(call, &result);

    *error = result < 0 ? errno : (int)result;
    errno = saved;
    return refused;
}

/* A call with its parameters, and the names of these. */
#define WRAP(type, name, parameters, arguments)                                     \
    type __real_##name parameters;                                                  \
    type __wrap_##name parameters;                                                  \
    type __wrap_##name parameters                                                   \
    {                                                                               \
        long result = 0;                                                            \
        return is_refused(#name, &result) ? (type)result : __real_##name arguments; \
    }
#define WRAP_WITH_ERROR(name, parameters, arguments)                      \
    int __real_##name parameters;                                         \
    int __wrap_##name parameters;                                         \
    int __wrap_##name parameters                                          \
    {                                                                     \
        int error = 0;                                                    \
        return is_error(#name, &error) ? error : __real_##name arguments; \
    }

bool (*fake_clock)(clockid_t clock, struct timespec *now);

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    long result;
    if (is_refused("clock_gettime", &result))
        return (int)result;
    return fake_clock && fake_clock(clock, now) ? 0 : __real_clock_gettime(clock, now);
}

WRAP(int, clock_getres, (clockid_t clock, struct timespec *step), (clock, step))
WRAP(int, gethostname, (char *name, size_t size), (name, size))
WRAP(int, getpeername, (int socket, struct sockaddr *address, socklen_t *size),
     (socket, address, size))
WRAP(int, getsockname, (int socket, struct sockaddr *address, socklen_t *size),
     (socket, address, size))
WRAP(int, getrusage, (int who, struct rusage *usage), (who, usage))
WRAP(int, nanosleep, (const struct timespec *time, struct timespec *rest), (time, rest))
WRAP(int, pipe2, (int ends[2], int flags), (ends, flags))
WRAP(int, sem_wait, (sem_t * semaphore), (semaphore))
WRAP(long, sysconf, (int name), (name))
WRAP(ssize_t, process_vm_readv,
     (pid_t pid, const struct iovec *to, unsigned long to_count, const struct iovec *from,
      unsigned long from_count, unsigned long flags),
     (pid, to, to_count, from, from_count, flags))
WRAP_WITH_ERROR(pthread_create,
                (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *),
                 void *argument),
                (thread, attributes, run, argument))
WRAP_WITH_ERROR(pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
WRAP_WITH_ERROR(pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))

const char *__real_inet_ntop(int family, const void *address, char *text, socklen_t capacity);
const char *__wrap_inet_ntop(int family, const void *address, char *text, socklen_t capacity);
const char *__wrap_inet_ntop(int family, const void *address, char *text, socklen_t capacity)
{
    long result;
    return is_refused("inet_ntop", &result) ? NULL
                                            : __real_inet_ntop(family, address, text, capacity);
}

/* Those with two names, as above. */
void (*fake_stat)(struct stat *is);

static int stat_or_fake(int result, struct stat *is)
{
    if (result == 0 && fake_stat)
        fake_stat(is);
    return result;
}

#define WRAP_STAT(name, call, type, with)                                             \
    int __real_##name(type with, struct stat *is);                                    \
    int __wrap_##name(type with, struct stat *is);                                    \
    int __wrap_##name(type with, struct stat *is)                                     \
    {                                                                                 \
        long result = 0;                                                              \
        return is_refused(call, &result) ? (int)result                                \
                                         : stat_or_fake(__real_##name(with, is), is); \
    }
#define WRAP_FCNTL(name)                                                                    \
    int __real_##name(int descriptor, int command, ...);                                    \
    int __wrap_##name(int descriptor, int command, ...);                                    \
    int __wrap_##name(int descriptor, int command, ...)                                     \
    {                                                                                       \
        long result = 0;                                                                    \
        va_list rest;                                                                       \
        va_start(rest, command);                                                            \
        long argument = va_arg(rest, long);                                                 \
        va_end(rest);                                                                       \
        return is_refused("fcntl", &result) ? (int)result                                   \
                                            : __real_##name(descriptor, command, argument); \
    }
WRAP(int, prctl, (int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d),
     (option, a, b, c, d))

#define WRAP_LSEEK(name)                                                                        \
    off_t __real_##name(int descriptor, off_t offset, int from);                                \
    off_t __wrap_##name(int descriptor, off_t offset, int from);                                \
    off_t __wrap_##name(int descriptor, off_t offset, int from)                                 \
    {                                                                                           \
        long result = 0;                                                                        \
        return is_refused("lseek", &result) ? result : __real_##name(descriptor, offset, from); \
    }
#define WRAP_GETRLIMIT(name)                                                                    \
    int __real_##name(int resource, struct rlimit *limit);                                      \
    int __wrap_##name(int resource, struct rlimit *limit);                                      \
    int __wrap_##name(int resource, struct rlimit *limit)                                       \
    {                                                                                           \
        long result = 0;                                                                        \
        return is_refused("getrlimit", &result) ? (int)result : __real_##name(resource, limit); \
    }
#define WRAP_MMAP(name)                                                                          \
    void *__real_##name(void *at, size_t size, int rights, int flags, int file, off_t from);     \
    void *__wrap_##name(void *at, size_t size, int rights, int flags, int file, off_t from);     \
    void *__wrap_##name(void *at, size_t size, int rights, int flags, int file, off_t from)      \
    {                                                                                            \
        long result = 0;                                                                         \
        return is_refused("mmap", &result) ? MAP_FAILED                                          \
                                           : __real_##name(at, size, rights, flags, file, from); \
    }

WRAP_STAT(fstat, "fstat", int, descriptor)
WRAP_STAT(fstat64, "fstat", int, descriptor)
WRAP_STAT(stat, "stat", const char *, path)
WRAP_STAT(stat64, "stat", const char *, path)
WRAP_FCNTL(fcntl)
WRAP_FCNTL(fcntl64)
WRAP_LSEEK(lseek)
WRAP_LSEEK(lseek64)
WRAP_GETRLIMIT(getrlimit)
WRAP_GETRLIMIT(getrlimit64)
WRAP_MMAP(mmap)
WRAP_MMAP(mmap64)

static const char *name_of(long number)
{
    switch (number) {
    case SYS_getdents64:
        return "getdents64";
    case SYS_ppoll:
        return "ppoll";
    case SYS_sched_getaffinity:
        return "sched_getaffinity";
    default:
        return "another";
    }
}

/* ---- what is read -------------------------------------------------------------- */

ssize_t (*fake_reading)(char *text, ssize_t size);

static ssize_t read_or_fake(char *text, ssize_t size)
{
    return size >= 0 && fake_reading ? fake_reading(text, size) : size;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long given[6], result;
    va_list rest;

    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        given[i] = va_arg(rest, long);
    va_end(rest);
    if (is_refused(name_of(number), &result))
        return result;
    result = __real_syscall(number, given[0], given[1], given[2], given[3], given[4], given[5]);
    return number == SYS_getdents64 ? read_or_fake((char *)given[1], result) : result;
}

ssize_t __real_read(int descriptor, void *text, size_t capacity);
ssize_t __wrap_read(int descriptor, void *text, size_t capacity);
ssize_t __wrap_read(int descriptor, void *text, size_t capacity)
{
    long result;
    if (is_refused("read", &result))
        return result;
    return read_or_fake(text, __real_read(descriptor, text, capacity));
}

#define WRAP_PREAD(name)                                                            \
    ssize_t __real_##name(int descriptor, void *text, size_t capacity, off_t from); \
    ssize_t __wrap_##name(int descriptor, void *text, size_t capacity, off_t from); \
    ssize_t __wrap_##name(int descriptor, void *text, size_t capacity, off_t from)  \
    {                                                                               \
        long result;                                                                \
        if (is_refused("pread", &result))                                           \
            return result;                                                          \
        return read_or_fake(text, __real_##name(descriptor, text, capacity, from)); \
    }
WRAP_PREAD(pread)
WRAP_PREAD(pread64)

static bool is_fake_link(const char *path, char *bytes, size_t capacity, ssize_t *size)
{
    struct fake_file file;

    if (!fake_find(path, &file))
        return false;
    if (file.error) {
        errno = file.error;
        *size = -1;
        return true;
    }
    *size = (ssize_t)(file.size < capacity ? file.size : capacity);
    memcpy(bytes, file.bytes, (size_t)*size);
    return true;
}

ssize_t __real_readlink(const char *path, char *bytes, size_t capacity);
ssize_t __wrap_readlink(const char *path, char *bytes, size_t capacity);
ssize_t __wrap_readlink(const char *path, char *bytes, size_t capacity)
{
    ssize_t size;
    return is_fake_link(path, bytes, capacity, &size) ? size
                                                      : __real_readlink(path, bytes, capacity);
}

ssize_t __real_readlinkat(int directory, const char *path, char *bytes, size_t capacity);
ssize_t __wrap_readlinkat(int directory, const char *path, char *bytes, size_t capacity);
ssize_t __wrap_readlinkat(int directory, const char *path, char *bytes, size_t capacity)
{
    ssize_t size;
    return is_fake_link(path, bytes, capacity, &size)
               ? size
               : __real_readlinkat(directory, path, bytes, capacity);
}
