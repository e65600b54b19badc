/* platform/linux/log.c - writing lines without ever waiting for their reader.
 *
 * O_NONBLOCK belongs to the open file that the application shares with us, so
 * it must not be set on its descriptor. What to do instead depends on what the
 * descriptor leads to:
 *   pipe, FIFO, terminal, device: opened again through /proc, non-blocking; the
 *     new open file is ours alone. A pipe that may not be opened again (made by
 *     root before the rights were dropped, or no /proc): pwritev2 with
 *     RWF_NOWAIT, which pipes obey and terminals refuse;
 *   socket: cannot be opened again, but send takes MSG_DONTWAIT;
 *   regular file: a duplicate. Opened again it would have its own position, and
 *     an application that writes without O_APPEND would overwrite our lines.
 * A terminal that may not be opened again (after su) is an error of opening:
 * every way to write to it can block.
 */
#define _GNU_SOURCE
#include "../log_file.h"
#include "plat.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

enum { BY_WRITE = 1, BY_SEND, BY_PWRITEV };

/* ---- opening ------------------------------------------------------------------ */

/* Takes over `descriptor`, whatever comes of it. 0 or a negative errno. */
static int take(struct hl_plat_log *log, int descriptor, int kind)
{
    struct stat is;

    descriptor = hl_plat_raise(descriptor);
    if (descriptor < 0)
        return descriptor;
    if (fstat(descriptor, &is) != 0) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    *log = (struct hl_plat_log){descriptor, kind, (uint64_t)is.st_dev, (uint64_t)is.st_ino};
    return 0;
}

static int take_duplicate(struct hl_plat_log *log, int descriptor, int kind)
{
    int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, HL_PLAT_LOWEST_DESCRIPTOR);

    if (copy < 0)
        return errno == EINVAL ? -EMFILE : -errno;
    return take(log, copy, kind);
}

static int take_reopened(struct hl_plat_log *log, int descriptor, bool is_pipe)
{
    char name[32];

    snprintf(name, sizeof name, "fd/%d", descriptor);
    int again = hl_plat_open_own(name, O_WRONLY | O_NONBLOCK);
    if (again >= 0)
        return take(log, again, BY_WRITE);
    if (is_pipe && (again == -EACCES || again == -EPERM || again == -ENOENT))
        return take_duplicate(log, descriptor, BY_PWRITEV);
    return again;
}

static int open_descriptor(struct hl_plat_log *log, int descriptor)
{
    struct stat is;
    int flags = fcntl(descriptor, F_GETFL);

    if (flags < 0 || fstat(descriptor, &is) != 0)
        return -errno;
    if ((flags & O_ACCMODE) == O_RDONLY) /* which O_PATH is, too */
        return -EBADF; /* as write(2) would say, but of a descriptor that nobody else got */
    switch (is.st_mode & S_IFMT) {
    case S_IFREG:
        return take_duplicate(log, descriptor, BY_WRITE);
    case S_IFSOCK:
        return take_duplicate(log, descriptor, BY_SEND);
    case S_IFIFO:
        return take_reopened(log, descriptor, true);
    case S_IFCHR:
        return take_reopened(log, descriptor, false);
    default:
        return -EINVAL; /* a disk, for one */
    }
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
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/"};
    uint64_t number;

    if (strcmp(path, "/dev/stdout") == 0)
        return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0)
        return STDERR_FILENO;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        size_t length = strlen(folders[i]);
        if (strncmp(path, folders[i], length) == 0 &&
            hl_plat_parse_tid(path + length, strlen(path + length), &number) && number <= INT_MAX)
            return (int)number;
    }
    return -1;
}

/* The folder that `path` lies in, as a descriptor, and the name in it. */
static int open_folder(const char *path, const char **name)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;

    *name = path + length;
    if (length >= sizeof folder)
        return -ENAMETOOLONG;
    memcpy(folder, path, length);
    folder[length] = 0;
    int descriptor = open(length ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

/* Where everybody may put files, a link may have been put there for us to follow. */
static bool is_sticky(int folder)
{
    struct stat is;

    return fstat(folder, &is) == 0 && is.st_mode & S_ISVTX;
}

static int open_file(const char *path)
{
    const char *name;
    int folder = open_folder(path, &name);

    if (folder < 0)
        return folder;
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int descriptor =
        openat(folder, *name ? name : ".", flags | (is_sticky(folder) ? O_NOFOLLOW : 0), 0600);
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

/* ---- writing ------------------------------------------------------------------ */

static ssize_t write_once(const struct hl_plat_log *log, const char *bytes, size_t size)
{
    struct iovec piece = {(void *)(uintptr_t)bytes, size};

    switch (log->kind) {
    case BY_SEND:
        return send(log->descriptor, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    case BY_PWRITEV: /* -1: at the current position; musl has no function for it */
        return syscall(SYS_pwritev2, log->descriptor, &piece, 1L, -1L, -1L, (long)RWF_NOWAIT);
    default:
        return write(log->descriptor, bytes, size);
    }
}

ptrdiff_t hl_plat_log_write(struct hl_plat_log *log, const char *bytes, size_t size)
{
    int saved = errno;

    if (!hl_log_is_ours(log)) {
        errno = saved;
        return -EBADF;
    }
    ssize_t written = write_once(log, bytes, size);
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
