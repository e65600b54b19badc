/* monitor/sink.c - lines go out whole or not at all, and nobody waits for a reader.
 *
 * Each line is tried at once. Not taken: dropped and counted. Taken in part: the
 * rest is kept and goes out before the next line. What an error means depends on
 * what we write to. A file is opened again by its path at the next line; when it
 * is still the same file, a kept rest is finished there, and in another one
 * (rotated, or a FIFO with a new reader) it would be a torn line, so it is given
 * up. Standard error has no second way in: once its descriptor is not ours any
 * more, number 2 may be the application's data, and we stay silent and count.
 * A file that was renamed by a log rotation takes writes without an error, so the
 * path is looked at again at most once a second. One that was emptied in place needs
 * nothing, as the next line goes to its end wherever that is; but a kept rest would
 * be its first line, without a beginning, so it is given up there, too.
 */
#include "sink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOOK_EVERY_NS UINT64_C(1000000000)
#define INTERRUPTIONS 8 /* our thread blocks all signals: more would be a fault elsewhere */

/* ---- opening -------------------------------------------------------------------- */

static bool append(char path[HL_PATH_BYTES], size_t *length, const char *text, size_t count)
{
    if (count >= HL_PATH_BYTES - *length)
        return false;
    memcpy(path + *length, text, count);
    *length += count;
    path[*length] = '\0';
    return true;
}

/* The working directory, to be followed by a name; 0 = it has none. */
static size_t start_with_directory(char path[HL_PATH_BYTES])
{
    int saved = errno;
    bool known = getcwd(path, HL_PATH_BYTES) != NULL;
    errno = saved;
    size_t length = known ? strlen(path) : 0;
    if (length > 1)
        append(path, &length, "/", 1);
    return length;
}

/* As a part of one name in a path: no folder, and nothing that a terminal obeys. */
static void name_host(char host[HL_PLAT_HOST_BYTES])
{
    if (!hl_plat_host_name(host))
        strcpy(host, "unknown");
    if (host[0] == '.')
        host[0] = '_';
    for (char *at = host; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == '/' || *at == 0x7f)
            *at = '_';
}

/* What the two characters at `given` stand for, in `room`; NULL: for themselves. */
static const char *stands_for(const char *given, char room[HL_PLAT_HOST_BYTES])
{
    if (given[0] != '%')
        return NULL;
    switch (given[1]) {
    case 'p':
        snprintf(room, HL_PLAT_HOST_BYTES, "%" PRIu64, hl_plat_process_id());
        return room;
    case 'h':
        name_host(room);
        return room;
    case '%':
        return "%";
    default:
        return NULL;
    }
}

/* Absolute, because a daemon changes its directory after the start, and with the
 * process id for %p, which a forked child's monitor finds anew, as it does the host. */
static int make_path(char path[HL_PATH_BYTES], const char *given)
{
    char room[HL_PLAT_HOST_BYTES];
    size_t length = given[0] == '/' ? 0 : start_with_directory(path);
    while (*given != '\0') {
        const char *text = stands_for(given, room);
        if (!append(path, &length, text ? text : given, text ? strlen(text) : 1))
            return -ENAMETOOLONG;
        given += text ? 2 : 1;
    }
    return 0;
}

/* A name for one of the application's descriptors, which by the time of a second
 * look may lead to the application's data; or a link, which may lead to such a
 * name: containers have run.log -> /dev/stderr. */
static bool is_for_one_use(const char *path)
{
    char byte;
    int saved = errno;
    bool is_link = readlink(path, &byte, 1) >= 0;
    errno = saved;
    return is_link || strncmp(path, "/dev/std", 8) == 0 || strncmp(path, "/dev/fd/", 8) == 0 ||
           strncmp(path, "/proc/", 6) == 0;
}

static int open_path(struct hl_sink *sink, const char *given)
{
    int error = make_path(sink->path, given);
    if (error == 0)
        error = hl_plat_log_open_path(&sink->log, sink->path);
    if (is_for_one_use(sink->path))
        sink->path[0] = '\0';
    return error;
}

int hl_sink_open(struct hl_sink *sink, const monitor_options *options)
{
    memset(sink, 0, sizeof *sink);
    sink->looked_ns = hl_plat_coarse_ns();
    sink->callback = options->sink;
    sink->callback_data = options->sink_data;
    if (sink->callback != NULL)
        return 0;
    if (options->log_path == NULL)
        return hl_plat_log_open_descriptor(&sink->log, STDERR_FILENO);
    return open_path(sink, options->log_path);
}

/* ---- writing -------------------------------------------------------------------- */

static void count_lost(struct hl_sink *sink)
{
    atomic_fetch_add_explicit(&sink->dropped, 1, memory_order_relaxed);
}

static void lose_tail(struct hl_sink *sink)
{
    if (sink->tail_length == 0)
        return;
    sink->tail_length = 0;
    count_lost(sink);
}

static ptrdiff_t write_once(struct hl_sink *sink, const char *bytes, size_t size)
{
    ptrdiff_t taken = -EINTR;
    for (int i = 0; i < INTERRUPTIONS && taken == -EINTR; i++)
        taken = hl_plat_log_write(&sink->log, bytes, size);
    return taken == 0 ? -EAGAIN : taken;
}

/* As much as is taken without waiting: 0 when that was all, else why it ended. */
static int write_out(struct hl_sink *sink, const char *bytes, size_t size, size_t *done)
{
    *done = 0;
    while (*done < size) {
        ptrdiff_t taken = write_once(sink, bytes + *done, size - *done);
        if (taken < 0)
            return (int)taken;
        *done += (size_t)taken;
    }
    return 0;
}

static void keep_tail(struct hl_sink *sink, const char *bytes, size_t size)
{
    memmove(sink->tail, bytes, size);
    sink->tail_length = size;
    if (size > 0)
        sink->has_size = hl_plat_log_size(&sink->log, &sink->size);
}

/* Others may have made it longer meanwhile, but only one way makes it shorter. */
static bool was_emptied(const struct hl_sink *sink)
{
    uint64_t size;
    return sink->has_size && hl_plat_log_size(&sink->log, &size) && size < sink->size;
}

static int finish_tail(struct hl_sink *sink)
{
    size_t done;
    if (sink->tail_length == 0)
        return 0;
    if (was_emptied(sink)) {
        lose_tail(sink);
        return 0;
    }
    int error = write_out(sink, sink->tail, sink->tail_length, &done);
    keep_tail(sink, sink->tail + done, sink->tail_length - done);
    return error;
}

static bool is_same_file(const struct hl_plat_log *a, const struct hl_plat_log *b)
{
    return a->device == b->device && a->inode == b->inode;
}

/* Remembers which file it was: a kept rest belongs to that one only. */
static void shut(struct hl_sink *sink)
{
    struct hl_plat_log was = sink->log;
    hl_plat_log_close(&sink->log);
    sink->log.device = was.device;
    sink->log.inode = was.inode;
}

/* `fresh` is what the path leads to now. */
static void take_over(struct hl_sink *sink, struct hl_plat_log *fresh)
{
    bool is_open = sink->log.kind != 0;
    if (is_open && is_same_file(&sink->log, fresh)) {
        hl_plat_log_close(fresh);
        return;
    }
    if (is_open)
        finish_tail(sink); /* in the old file, where its line began */
    if (!is_same_file(&sink->log, fresh))
        lose_tail(sink);
    hl_plat_log_close(&sink->log);
    sink->log = *fresh;
}

static bool is_time_to_look(struct hl_sink *sink)
{
    uint64_t now = hl_plat_coarse_ns();
    if (now - sink->looked_ns < LOOK_EVERY_NS)
        return false;
    sink->looked_ns = now;
    return true;
}

/* Something open to write to. 0 or a negative errno. */
static int make_ready(struct hl_sink *sink)
{
    bool is_open = sink->log.kind != 0;
    if (sink->path[0] == '\0')
        return is_open ? 0 : -EBADF;
    if (is_open && !is_time_to_look(sink))
        return 0;
    struct hl_plat_log fresh = {0};
    int error = hl_plat_log_open_path(&fresh, sink->path);
    if (error != 0)
        return is_open ? 0 : error;
    take_over(sink, &fresh);
    return 0;
}

static void react(struct hl_sink *sink, int error)
{
    bool has_path = sink->path[0] != '\0';
    atomic_store_explicit(&sink->last_error, -error, memory_order_relaxed);
    if (error == -EAGAIN || error == -EINTR)
        return;
    if (error == -EPIPE || (error == -EBADF && !has_path))
        lose_tail(sink); /* its reader, or our way to it, has gone for good */
    if (error == -EBADF || has_path)
        shut(sink);
}

static int write_line(struct hl_sink *sink, const char *line, size_t length, size_t *done)
{
    *done = 0;
    int error = make_ready(sink);
    if (error == 0)
        error = finish_tail(sink);
    if (error == 0)
        error = write_out(sink, line, length, done);
    return error;
}

/* Without the line feed. The tail is free in a sink with a callback. */
static void call_back(struct hl_sink *sink, enum monitor_level level, const char *line,
                      size_t length)
{
    memcpy(sink->tail, line, length - 1);
    sink->tail[length - 1] = '\0';
    sink->callback(sink->callback_data, level, sink->tail, length - 1);
}

static bool hand_out(struct hl_sink *sink, enum monitor_level level, const char *line,
                     size_t length)
{
    if (sink->callback != NULL) {
        call_back(sink, level, line, length);
        return true;
    }
    size_t done;
    int error = write_line(sink, line, length, &done);
    if (error == 0)
        return true;
    if (done > 0)
        keep_tail(sink, line + done, length - done);
    else
        count_lost(sink);
    react(sink, error);
    return done > 0 && sink->tail_length > 0;
}

bool hl_sink_write(struct hl_sink *sink, enum monitor_level level, const char *line, size_t length)
{
    uint64_t began = hl_plat_now_ns();
    bool was_taken = hand_out(sink, level, line, length);
    sink->spent_ns += hl_plat_now_ns() - began;
    return was_taken;
}

/* ---- closing -------------------------------------------------------------------- */

void hl_sink_close(struct hl_sink *sink)
{
    if (sink->log.kind != 0)
        finish_tail(sink);
    lose_tail(sink);
    hl_plat_log_close(&sink->log);
}

void hl_sink_abandon(struct hl_sink *sink)
{
    sink->tail_length = 0;
    hl_plat_log_close(&sink->log);
}

/* strerror may allocate and follows the locale. */
const char *hl_sink_reason(int error)
{
    switch (error) {
    case EAGAIN:
        return "the reader is too slow";
    case EPIPE:
    case ECONNRESET:
        return "the reader has gone";
    case EBADF:
        return "the descriptor was closed or used for something else";
    case ENOSPC:
    case EDQUOT:
        return "no space left on the device";
    case EFBIG:
        return "the file has reached its size limit";
    case EIO:
        return "input/output error";
    case ENOENT:
        return "no such file or directory";
    case EACCES:
    case EPERM:
        return "permission denied";
    case EISDIR:
        return "it is a directory";
    case ENOTDIR:
        return "a part of the path is not a directory";
    case EROFS:
        return "the file system is read-only";
    case ENXIO:
        return "nobody reads it";
    case EMFILE:
    case ENFILE:
        return "too many open files";
    case ELOOP:
        return "it is a symbolic link";
    case ENAMETOOLONG:
        return "the name is too long";
    default:
        return "it could not be written";
    }
}
