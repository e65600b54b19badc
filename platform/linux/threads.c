/* platform/linux/threads.c - which threads there are, and their CPU time.
 *
 * The kept task directory is read with a large buffer, and a CPU clock is made
 * from each number in it: one cheap call a thread, in nanoseconds, without a
 * file. (Reading `stat` of each thread costs 7 to 16 times as much; keeping a
 * descriptor for each used up the process's limit at 10,000 threads.)
 *
 * The directory is most of that: the kernel makes an inode of every entry. Where
 * there are as many threads as in the last list, and all of those still live, that
 * list is what there is, and the clocks are enough. (One that ends and one that
 * begins in just that moment are seen the next time.)
 */
#define _GNU_SOURCE
#include "plat.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In a container that sees another one's /proc, the numbers in it are not those
 * that the system calls take. */
static bool proc_speaks_our_numbers(void)
{
    char text[24], expected[24];
    ssize_t size = readlink("/proc/self", text, sizeof text);
    int length = snprintf(expected, sizeof expected, "%ld", (long)getpid());

    return size == length && memcmp(text, expected, (size_t)size) == 0;
}

int hl_plat_task_directory(struct hl_plat *plat)
{
    int directory = hl_plat_ours(&plat->tasks);

    if (directory >= 0)
        return directory;
    directory = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -errno;
    if (!proc_speaks_our_numbers()) {
        close(directory);
        return -EXDEV;
    }
    directory = hl_plat_raise(directory);
    if (directory < 0)
        return directory;
    return hl_plat_keep(&plat->tasks, directory) ? directory : -EBADF;
}

/* The kernel's number of a thread's CPU clock: pid_t in the upper bits, 4 = of a
 * thread, 2 = as the scheduler counts. */
static clockid_t cpu_clock(uint64_t tid)
{
    return (clockid_t)(~(uint32_t)tid << 3 | 4 | 2);
}

/* 0 or an errno; EINVAL = there is no such thread in this process. */
static int read_cpu(uint64_t tid, uint64_t *cpu_ns)
{
    if (tid == 0 || tid > INT32_MAX / 8)
        return EINVAL;
    return hl_plat_read_clock(cpu_clock(tid), cpu_ns) ? 0 : errno;
}

struct listing {
    struct hl_plat_thread *threads;
    size_t capacity, filled, total;
    bool has_clocks;
};

static void add_thread(struct listing *listing, uint64_t tid)
{
    uint64_t cpu_ns = UINT64_MAX;

    if (listing->filled < listing->capacity) {
        if (listing->has_clocks) {
            int error = read_cpu(tid, &cpu_ns);
            if (error == EINVAL || error == ESRCH)
                return; /* gone since the directory was read */
        }
        listing->threads[listing->filled++] = (struct hl_plat_thread){tid, cpu_ns};
    }
    listing->total++;
}

/* What getdents64 writes: u64 inode, s64 offset, u16 length, u8 type, name. */
enum { LENGTH_AT = 16, NAME_AT = 19 };

static void add_entries(struct listing *listing, const char *entries, size_t size)
{
    for (size_t at = 0; at + NAME_AT < size;) {
        uint16_t length;
        uint64_t tid;
        memcpy(&length, entries + at + LENGTH_AT, sizeof length);
        if (length <= NAME_AT || length > size - at)
            return;
        const char *name = entries + at + NAME_AT;
        if (hl_plat_parse_tid(name, strnlen(name, length - NAME_AT), &tid))
            add_thread(listing, tid);
        at += length;
    }
}

static void miss_list(struct hl_plat *plat, int error)
{
    if (error == EXDEV)
        hl_plat_miss_because(plat, HL_PLAT_THREAD_LIST, "/proc belongs to another container");
    else
        hl_plat_miss(plat, HL_PLAT_THREAD_LIST, error);
}

/* 0 or an errno. */
static int list(struct hl_plat *plat, struct listing *listing)
{
    int directory = hl_plat_task_directory(plat);

    if (directory < 0)
        return -directory;
    if (lseek(directory, 0, SEEK_SET) != 0)
        return errno;
    for (;;) {
        long size = syscall(SYS_getdents64, directory, plat->buffer, sizeof plat->buffer);
        if (size < 0)
            return errno;
        if (size == 0)
            return 0;
        add_entries(listing, plat->buffer, (size_t)size);
    }
}

bool hl_plat_threads(struct hl_plat *plat, struct hl_plat_thread *threads, size_t capacity,
                     size_t *total)
{
    int saved = errno;
    uint64_t own_ns;
    /* EINVAL means "gone" only where the caller's own clock can be read. */
    int clock_error = read_cpu(hl_plat_thread_id(), &own_ns);
    struct listing listing = {threads, capacity, 0, 0, clock_error == 0};
    int error = list(plat, &listing);

    if (clock_error)
        hl_plat_miss(plat, HL_PLAT_THREAD_CPU, clock_error);
    if (error)
        miss_list(plat, error);
    *total = error ? 0 : listing.total;
    errno = saved;
    return error == 0;
}

/* A directory has a link from itself, one from above, and here one from each thread. */
uint64_t hl_plat_count_threads(struct hl_plat *plat)
{
    int directory = hl_plat_task_directory(plat);
    struct stat is;

    return directory >= 0 && fstat(directory, &is) == 0 && is.st_nlink > 2 ? is.st_nlink - 2 : 0;
}

bool hl_plat_threads_again(struct hl_plat *plat, struct hl_plat_thread *threads, size_t count)
{
    int saved = errno;
    bool is_all = count > 0 && hl_plat_count_threads(plat) == count;

    for (size_t i = 0; is_all && i < count; i++)
        is_all = read_cpu(threads[i].tid, &threads[i].cpu_ns) == 0;
    errno = saved;
    return is_all;
}

bool hl_plat_thread_cpu(struct hl_plat *plat, uint64_t tid, uint64_t *cpu_ns)
{
    int saved = errno;
    int error = read_cpu(tid, cpu_ns);

    if (error)
        hl_plat_miss(plat, HL_PLAT_THREAD_CPU, error == EINVAL ? ESRCH : error);
    errno = saved;
    return error == 0;
}
