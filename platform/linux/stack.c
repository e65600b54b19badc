/* platform/linux/stack.c - the bounds of the caller's own stack, found in a signal handler if need be.
 *
 * pthread_getattr_np allocates and locks, so the list of mappings is read with
 * bare system calls through a small window. glibc and musl put a thread's
 * descriptor (the address that pthread_self returns) at the top of its stack:
 * the stack is what lies below it in the same mapping. Above it may be another
 * thread's, as the kernel merges neighbours. (A stack that the application
 * supplied has no guard page, so what lies below it in its mapping counts, too.)
 *
 * The first thread's stack is the mapping called [stack], and nothing else: its
 * descriptor lies among ordinary mappings, below which an application may have
 * put a coroutine. (So in the child of another thread's fork no bounds are known.)
 * It grows by faults, so everything it may still grow into counts: as far as
 * RLIMIT_STACK and the 128 MiB which the kernel leaves free for it, and down to
 * the mapping below.
 */
#define _GNU_SOURCE
#include "../platform.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROWTH_BYTES ((uintptr_t)128 << 20)

struct search {
    uintptr_t address;
    uintptr_t below; /* end of the mapping before the one found */
    struct hl_plat_mapping mapping;
    bool found;
};

static void look_at(struct search *search, const char *line, size_t size)
{
    struct hl_plat_mapping mapping;

    if (search->found || !hl_plat_parse_mapping(line, size, &mapping))
        return;
    if (search->address < mapping.low || search->address >= mapping.high) {
        if (mapping.high <= search->address)
            search->below = mapping.high;
        return;
    }
    search->mapping = mapping;
    search->found = true;
}

/* Calls look_at with the head of each line; a long path is cut off. */
static void scan(int descriptor, struct search *search)
{
    char window[512], head[160];
    size_t used = 0;
    ssize_t size;

    while (!search->found && (size = read(descriptor, window, sizeof window)) > 0)
        for (ssize_t i = 0; i < size; i++) {
            if (used < sizeof head)
                head[used++] = window[i];
            if (window[i] == '\n') {
                look_at(search, head, used);
                used = 0;
            }
        }
}

static int open_maps(void)
{
    int descriptor = open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC);

    return descriptor >= 0 ? descriptor : open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
}

static uintptr_t lowest_growth(const struct search *search)
{
    struct rlimit limit;
    uintptr_t growth = GROWTH_BYTES;

    if (getrlimit(RLIMIT_STACK, &limit) != 0)
        return search->mapping.low;
    if (limit.rlim_cur < growth)
        growth = (uintptr_t)limit.rlim_cur;
    uintptr_t low = search->mapping.high > growth ? search->mapping.high - growth : 0;
    if (low < search->below)
        low = search->below;
    return low < search->mapping.low ? low : search->mapping.low;
}

static bool is_first_thread(void)
{
    return syscall(SYS_gettid) == getpid();
}

bool hl_plat_stack_bounds(const void *address, uintptr_t *low, uintptr_t *high)
{
    int saved = errno;
    uintptr_t self = (uintptr_t)pthread_self();
    struct search search = {.address = (uintptr_t)address};
    int descriptor = open_maps();

    if (descriptor >= 0) {
        scan(descriptor, &search);
        close(descriptor);
    }
    errno = saved;
    if (!search.found || !search.mapping.is_writable)
        return false;
    if (is_first_thread()) {
        *low = lowest_growth(&search);
        *high = search.mapping.high;
        return search.mapping.is_main_stack;
    }
    *low = search.mapping.low;
    *high = self;
    return self > search.address && self < search.mapping.high;
}
