/* See log_file.h. */
#define _POSIX_C_SOURCE 200809L
#include "log_file.h"

#include <errno.h>
#include <sys/stat.h>

static bool look(const struct hl_plat_log *log, struct stat *is)
{
    return log->kind != 0 && fstat(log->descriptor, is) == 0 &&
           (uint64_t)is->st_dev == log->device && (uint64_t)is->st_ino == log->inode;
}

bool hl_log_is_ours(const struct hl_plat_log *log)
{
    struct stat is;

    return look(log, &is);
}

bool hl_plat_log_size(const struct hl_plat_log *log, uint64_t *size)
{
    struct stat is;
    int saved = errno;
    bool is_known = look(log, &is) && S_ISREG(is.st_mode);

    *size = is_known ? (uint64_t)is.st_size : 0;
    errno = saved;
    return is_known;
}
