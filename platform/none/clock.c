/* platform/none/clock.c - the one monotonic clock that POSIX has, for both precisions. */
#define _POSIX_C_SOURCE 200809L
#include "../platform.h"

#include <errno.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
    int saved = errno;
    struct timespec now = {0, 0};

    clock_gettime(clock, &now);
    errno = saved;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t hl_plat_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t hl_plat_coarse_ns(void)
{
    return hl_plat_now_ns();
}

uint64_t hl_plat_coarse_tick_ns(void)
{
    int saved = errno;
    struct timespec tick;
    bool known = clock_getres(CLOCK_MONOTONIC, &tick) == 0;

    errno = saved;
    return known ? (uint64_t)tick.tv_sec * 1000000000u + (uint64_t)tick.tv_nsec : 10000000;
}

uint64_t hl_plat_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME) / 1000000u;
}
