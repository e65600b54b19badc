/* platform/none/clock.c - the one monotonic clock that POSIX has, for both precisions. */
#define _POSIX_C_SOURCE 200809L
#include "../platform.h"

#include <errno.h>
#include <time.h>

static int read_clock(clockid_t clock, struct timespec *now)
{
    int saved = errno;
    int result = clock_gettime(clock, now);

    errno = saved;
    return result;
}

struct hl_plat_scope_clock hl_plat_scope_clock = {read_clock, CLOCK_MONOTONIC};

void hl_plat_time_scopes_precisely(bool precisely)
{
    (void)precisely;
}

static uint64_t read_ns(clockid_t clock)
{
    struct timespec now = {0, 0};

    read_clock(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t hl_plat_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
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
    return read_ns(CLOCK_REALTIME) / 1000000u;
}
