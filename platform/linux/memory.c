/* platform/linux/memory.c - pages straight from the system, and a barrier on other threads. */
#define _GNU_SOURCE
#include "../platform.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

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

static bool membarrier(int command)
{
    int saved = errno;
    bool done = syscall(SYS_membarrier, command, 0, 0) == 0;

    errno = saved;
    return done;
}

bool hl_plat_barrier_prepare(void)
{
    return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

bool hl_plat_barrier(void)
{
    return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}
