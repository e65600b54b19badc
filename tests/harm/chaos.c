/* See chaos.h. */
#define _GNU_SOURCE
#include "chaos.h"
#include "harm.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic bool is_on, is_refusing;
static bool may_fail;
static dev_t log_device;
static ino_t log_inode;
static struct chaos count; /* only the monitor's thread writes */
static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

/* ---- what is passed on ------------------------------------------------------------ */

#define NEXT(name)                                                                \
    static __typeof__(&name) next;                                                \
    if (!next && !(next = (__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))) \
    harm_broken("no %s in libc", #name)

static ssize_t really_write(int descriptor, const void *bytes, size_t size)
{
    NEXT(write);
    return next(descriptor, bytes, size);
}

static ssize_t really_send(int descriptor, const void *bytes, size_t size, int flags)
{
    NEXT(send);
    return next(descriptor, bytes, size, flags);
}

static long really_call(long number, const long *with)
{
    NEXT(syscall);
    return next(number, with[0], with[1], with[2], with[3], with[4], with[5]);
}

static int really_open(const char *path, int flags, mode_t mode)
{
    NEXT(open64);
    return next(path, flags, mode);
}

/* ---- chance ------------------------------------------------------------------------- */

/* Marsaglia's xorshift. */
static uint64_t any(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static bool is_log(int descriptor)
{
    struct stat is;
    int saved = errno;
    bool is_it =
        is_on && fstat(descriptor, &is) == 0 && is.st_dev == log_device && is.st_ino == log_inode;
    errno = saved;
    return is_it;
}

/* How many of `size` bytes are taken; 0 = none, and errno says why. */
static size_t taken_of(size_t size)
{
    uint64_t what = any(100);
    if (what < 8) {
        count.again++;
        errno = EAGAIN;
        return 0;
    }
    if (what < 20) {
        count.interrupted++;
        errno = EINTR;
        return 0;
    }
    if (what < 22 && may_fail) {
        count.failed++;
        errno = what == 20 ? ENOSPC : EIO;
        return 0;
    }
    size_t some = what < 30 ? 1 : what < 80 ? 1 + any(size) : size;
    count.whole += some == size;
    count.shortened += some < size;
    return some;
}

/* ---- what stands before ------------------------------------------------------------- */

ssize_t write(int descriptor, const void *bytes, size_t size)
{
    if (size == 0 || !is_log(descriptor))
        return really_write(descriptor, bytes, size);
    size_t some = taken_of(size);
    return some ? really_write(descriptor, bytes, some) : -1;
}

ssize_t send(int descriptor, const void *bytes, size_t size, int flags)
{
    if (size == 0 || !is_log(descriptor))
        return really_send(descriptor, bytes, size, flags);
    size_t some = taken_of(size);
    return some ? really_send(descriptor, bytes, some, flags) : -1;
}

static long write_piece(long *with)
{
    struct iovec piece = *(const struct iovec *)(uintptr_t)with[1];
    piece.iov_len = taken_of(piece.iov_len);
    with[1] = (long)(uintptr_t)&piece;
    return piece.iov_len ? really_call(SYS_pwritev2, with) : -1;
}

/* No system call has more than six. */
long syscall(long number, ...)
{
    long with[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        with[i] = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_pwritev2 && with[2] == 1 && is_log((int)with[0]))
        return write_piece(with);
    return really_call(number, with);
}

/* The name that the library calls where files may be large. */
int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (is_refusing && strncmp(path, "/proc/", 6) == 0 && strstr(path, "/fd/")) {
        errno = EACCES;
        return -1;
    }
    return really_open(path, flags, mode);
}

/* ---- from outside ----------------------------------------------------------------------- */

void chaos_begin(int descriptor, bool has_errors)
{
    struct stat is;
    if (fstat(descriptor, &is) != 0)
        harm_broken("no log for the chaos: %s", strerror(errno));
    log_device = is.st_dev;
    log_inode = is.st_ino;
    may_fail = has_errors;
    count = (struct chaos){0};
    is_on = true;
}

struct chaos chaos_end(void)
{
    is_on = false;
    return count;
}

bool chaos_refuse_reopening(bool refuses)
{
    return atomic_exchange(&is_refusing, refuses);
}
