/* platform/none/log.c - writing lines without waiting for their reader, as far as POSIX goes.
 *
 * O_NONBLOCK belongs to the open file that the application shares with us, so
 * it must not be set on a duplicate of its descriptor. So a pipe is asked with
 * poll first, and gets at most PIPE_BUF bytes, which then fit. Known to be weak:
 * another writer may fill the pipe in between, and then the write waits; only a
 * system of its own can do better. A path is opened by us alone and O_NONBLOCK.
 */
#define _DEFAULT_SOURCE /* MSG_DONTWAIT, S_ISVTX */
#define _DARWIN_C_SOURCE
#include "../log_file.h"
#include "plat.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: the thread blocks SIGPIPE */
#endif

enum { BY_WRITE = 1, BY_SEND, BY_POLL };

/* ---- opening -------------------------------------------------------------------- */

/* Takes over `descriptor`, whatever comes of it. 0 or a negative errno. */
static int take(struct hl_plat_log *log, int descriptor, int kind)
{
    struct stat is;
    int raised = fcntl(descriptor, F_DUPFD_CLOEXEC, HL_PLAT_LOWEST_DESCRIPTOR);
    int error = errno == EINVAL ? EMFILE : errno;

    close(descriptor);
    if (raised < 0)
        return -error;
    if (fstat(raised, &is) != 0) {
        error = errno;
        close(raised);
        return -error;
    }
    *log = (struct hl_plat_log){raised, kind, (uint64_t)is.st_dev, (uint64_t)is.st_ino};
    return 0;
}

static int open_descriptor(struct hl_plat_log *log, int descriptor)
{
    struct stat is;
    int flags = fcntl(descriptor, F_GETFL);

    if (flags < 0 || fstat(descriptor, &is) != 0)
        return -errno;
    if ((flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (S_ISDIR(is.st_mode) || S_ISBLK(is.st_mode))
        return -EINVAL;
    int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, HL_PLAT_LOWEST_DESCRIPTOR);
    if (copy < 0)
        return errno == EINVAL ? -EMFILE : -errno;
    return take(log, copy,
                S_ISREG(is.st_mode)    ? BY_WRITE
                : S_ISSOCK(is.st_mode) ? BY_SEND
                                       : BY_POLL);
}

int hl_plat_log_open_descriptor(struct hl_plat_log *log, int descriptor)
{
    int saved = errno;

    *log = (struct hl_plat_log){0};
    int result = open_descriptor(log, descriptor);
    errno = saved;
    return result;
}

/* The number in "/dev/fd/3" and its relatives, or -1. */
static int descriptor_named(const char *path)
{
    static const char folder[] = "/dev/fd/";
    char *end;

    if (strcmp(path, "/dev/stdout") == 0)
        return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0)
        return STDERR_FILENO;
    if (strncmp(path, folder, sizeof folder - 1) != 0 || path[sizeof folder - 1] < '0' ||
        path[sizeof folder - 1] > '9')
        return -1;
    long number = strtol(path + sizeof folder - 1, &end, 10);
    return *end == 0 && number <= INT_MAX ? (int)number : -1;
}

/* Where everybody may put files, a link may have been put there for us to follow. */
static int link_flag(int folder)
{
    struct stat is;

    return fstat(folder, &is) == 0 && is.st_mode & S_ISVTX ? O_NOFOLLOW : 0;
}

static int open_file(const char *path)
{
    char folder_path[4096];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    const char *name = path[length] ? path + length : ".";

    if (length >= sizeof folder_path)
        return -ENAMETOOLONG;
    memcpy(folder_path, path, length);
    folder_path[length] = 0;
    int folder = open(length ? folder_path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -errno;
    int descriptor = openat(folder, name,
                            O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
                                link_flag(folder),
                            0600);
    int error = errno;
    close(folder);
    return descriptor < 0 ? -error : descriptor;
}

static int open_path(struct hl_plat_log *log, const char *path)
{
    struct stat is;
    int named = descriptor_named(path);

    if (!*path)
        return -ENOENT;
    if (named >= 0)
        return open_descriptor(log, named);
    int descriptor = open_file(path);
    if (descriptor < 0)
        return descriptor;
    if (fstat(descriptor, &is) == 0 && S_ISBLK(is.st_mode)) {
        close(descriptor);
        return -EINVAL;
    }
    return take(log, descriptor, BY_WRITE);
}

int hl_plat_log_open_path(struct hl_plat_log *log, const char *path)
{
    int saved = errno;

    *log = (struct hl_plat_log){0};
    int result = open_path(log, path);
    errno = saved;
    return result;
}

/* ---- writing -------------------------------------------------------------------- */

static ssize_t write_if_ready(int descriptor, const char *bytes, size_t size)
{
    struct pollfd reader = {.fd = descriptor, .events = POLLOUT};

    if (poll(&reader, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(descriptor, bytes, size < PIPE_BUF ? size : PIPE_BUF);
}

static ssize_t write_once(const struct hl_plat_log *log, const char *bytes, size_t size)
{
    if (log->kind == BY_SEND)
        return send(log->descriptor, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (log->kind == BY_POLL)
        return write_if_ready(log->descriptor, bytes, size);
    return write(log->descriptor, bytes, size);
}

ptrdiff_t hl_plat_log_write(struct hl_plat_log *log, const char *bytes, size_t size)
{
    int saved = errno;
    ssize_t written;

    if (!hl_log_is_ours(log)) {
        errno = saved;
        return -EBADF;
    }
    do
        written = write_once(log, bytes, size);
    while (written < 0 && errno == EINTR);
    ptrdiff_t result = written < 0 ? -errno : written;
    errno = saved;
    return result;
}

void hl_plat_log_close(struct hl_plat_log *log)
{
    int saved = errno;

    if (hl_log_is_ours(log))
        close(log->descriptor);
    *log = (struct hl_plat_log){0};
    errno = saved;
}
