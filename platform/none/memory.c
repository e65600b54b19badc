/* platform/none/memory.c - pages straight from the system; no barrier on other threads. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS came to POSIX in 2024, and to systems long before */
#define _DARWIN_C_SOURCE
#include "../platform.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

static void *map(size_t size, int sharing)
{
    int saved = errno;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);

    errno = saved;
    return memory == MAP_FAILED ? NULL : memory;
}

void *hl_plat_map(size_t size)
{
    return map(size, MAP_PRIVATE);
}

void *hl_plat_map_shared(size_t size)
{
    return map(size, MAP_SHARED);
}

void hl_plat_unmap(void *memory, size_t size)
{
    int saved = errno;

    if (memory)
        munmap(memory, size);
    errno = saved;
}

bool hl_plat_barrier_prepare(void)
{
    return false;
}

bool hl_plat_barrier(void)
{
    return false;
}
