/* platform/linux/clock.c - what time it is. None of the four makes a system call.
 *
 * The kernel's function is called where it lies: libc's clock_gettime, found
 * through two tables of pointers, would cost a push and its pop a sixth of their
 * time. (And a library that is preloaded to tell a program another time would
 * tell it to the ages of scopes as well.)
 */
#define _GNU_SOURCE
#include "../platform.h"
#include "vdso.h"

#include <errno.h>
#include <time.h>

#if defined(__x86_64__) && defined(__LP64__)
#define IN_VDSO "__vdso_clock_gettime"
#elif defined(__aarch64__) && defined(__LP64__)
#define IN_VDSO "__kernel_clock_gettime"
#endif

struct hl_plat_scope_clock hl_plat_scope_clock = {clock_gettime, CLOCK_MONOTONIC_COARSE};

#ifdef IN_VDSO
/* Before any thread of the program can call us. */
__attribute__((constructor)) static void find_in_vdso(void)
{
    struct timespec now;
    union {
        void *address;
        int (*read)(clockid_t clock, struct timespec *now);
    } found = {hl_plat_vdso(IN_VDSO)};
    if (found.address && found.read(CLOCK_MONOTONIC, &now) == 0)
        hl_plat_scope_clock.read = found.read;
}
#endif

void hl_plat_time_scopes_precisely(bool precisely)
{
    hl_plat_scope_clock.clock = precisely ? CLOCK_MONOTONIC : CLOCK_MONOTONIC_COARSE;
}

static uint64_t read_ns(clockid_t clock)
{
    struct timespec now;

    if (hl_plat_scope_clock.read(clock, &now) != 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t hl_plat_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t hl_plat_coarse_ns(void)
{
    return read_ns(CLOCK_MONOTONIC_COARSE);
}

/* Twice the resolution: the kernel moves this clock at a tick, but only by whole
 * ticks, and the tick itself comes anywhere within one. Measured: 5.07 ms behind
 * every 4 ms. */
uint64_t hl_plat_coarse_tick_ns(void)
{
    int saved = errno;
    struct timespec tick;
    bool known = clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0;

    errno = saved;
    return known ? 2 * ((uint64_t)tick.tv_sec * 1000000000u + (uint64_t)tick.tv_nsec) : 20000000;
}

uint64_t hl_plat_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000u;
}
