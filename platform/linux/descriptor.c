/* platform/linux/descriptor.c - descriptors in a table that belongs to somebody else.
 *
 * The idea is in plat.h. Numbers below 10 are left to the application: a
 * program that closes 2 expects its next open() to return 2.
 */
#define _GNU_SOURCE
#include "plat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int hl_plat_raise(int descriptor)
{
    if (descriptor >= HL_PLAT_LOWEST_DESCRIPTOR)
        return descriptor;
    int raised = fcntl(descriptor, F_DUPFD_CLOEXEC, HL_PLAT_LOWEST_DESCRIPTOR);
    /* EINVAL: the limit on descriptors is itself below 10 */
    int error = errno == EINVAL ? EMFILE : errno;
    close(descriptor);
    return raised < 0 ? -error : raised;
}

bool hl_plat_keep(struct hl_plat_kept *kept, int descriptor)
{
    struct stat is;

    atomic_store(&kept->number, -1);
    if (fstat(descriptor, &is) != 0) {
        if (errno != EBADF)
            close(descriptor);
        return false;
    }
    atomic_store(&kept->device, (uint64_t)is.st_dev);
    atomic_store(&kept->inode, (uint64_t)is.st_ino);
    atomic_store(&kept->number, descriptor);
    return true;
}

int hl_plat_ours(const struct hl_plat_kept *kept)
{
    int number = atomic_load(&kept->number);
    struct stat is;

    if (number < 0 || fstat(number, &is) != 0 ||
        (uint64_t)is.st_dev != atomic_load(&kept->device) ||
        (uint64_t)is.st_ino != atomic_load(&kept->inode))
        return -1;
    return number;
}

void hl_plat_let_go(struct hl_plat_kept *kept)
{
    int number = hl_plat_ours(kept);

    atomic_store(&kept->number, -1);
    if (number >= 0)
        close(number);
}

int hl_plat_open_own(const char *name, int flags)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/thread-self/%s", name);
    int descriptor = open(path, flags | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0 && errno == ENOENT) { /* before Linux 3.17 */
        snprintf(path, sizeof path, "/proc/self/%s", name);
        descriptor = open(path, flags | O_CLOEXEC | O_NOCTTY);
    }
    return descriptor < 0 ? -errno : descriptor;
}

/* Nobody else reads with flags that are for writing. */
#define MARKS (O_APPEND | O_DSYNC | O_NONBLOCK)

/* The largest number that any of these had. */
static atomic_int highest_passing = -1;

static void note_number(int descriptor)
{
    int highest = atomic_load(&highest_passing);

    while (descriptor > highest &&
           !atomic_compare_exchange_weak(&highest_passing, &highest, descriptor))
        continue;
}

void hl_plat_close_marked(void)
{
    for (int i = 0, highest = atomic_load(&highest_passing); i <= highest; i++) {
        int flags = fcntl(i, F_GETFL);
        if (flags >= 0 && (flags & (O_ACCMODE | MARKS)) == (O_RDONLY | MARKS))
            close(i);
    }
}

static int pass(struct hl_plat_kept *passing, int descriptor)
{
    if (descriptor < 0)
        return descriptor;
    if (!hl_plat_keep(passing, descriptor))
        return -EBADF;
    note_number(descriptor);
    return descriptor;
}

int hl_plat_open_passing(struct hl_plat *plat, int directory, const char *path)
{
    int descriptor = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | MARKS);

    return pass(&plat->passing, descriptor < 0 ? -errno : descriptor);
}

int hl_plat_open_own_marked(struct hl_plat_kept *passing, const char *name)
{
    return pass(passing, hl_plat_open_own(name, O_RDONLY | MARKS));
}

int hl_plat_open_own_passing(struct hl_plat *plat, const char *name)
{
    return hl_plat_open_own_marked(&plat->passing, name);
}

void hl_plat_close_passing(struct hl_plat *plat)
{
    hl_plat_let_go(&plat->passing);
}

static ssize_t read_passing(struct hl_plat *plat, int descriptor, char *text, size_t capacity)
{
    if (descriptor < 0)
        return descriptor;
    ssize_t size = read(descriptor, text, capacity);
    int error = errno;
    hl_plat_close_passing(plat);
    return size < 0 ? -error : size;
}

ssize_t hl_plat_read_file(struct hl_plat *plat, int directory, const char *path, char *text,
                          size_t capacity)
{
    return read_passing(plat, hl_plat_open_passing(plat, directory, path), text, capacity);
}

ssize_t hl_plat_read_own(struct hl_plat *plat, const char *name, char *text, size_t capacity)
{
    return read_passing(plat, hl_plat_open_own_passing(plat, name), text, capacity);
}
