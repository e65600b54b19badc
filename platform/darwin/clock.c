/* platform/darwin/clock.c - one clock, precise, that stands still while the machine sleeps.
 *
 * That is CLOCK_UPTIME_RAW, mach_absolute_time in nanoseconds; it is read without a
 * system call. CLOCK_MONOTONIC is wrong here: it goes on in sleep, and a night would
 * be the age of a scope. Both precisions are this clock: Apple documents no bound by
 * which CLOCK_UPTIME_RAW_APPROX may lag, and deadlines carry the lag of the coarse
 * clock, so that a STALL is never early.
 */
#define _DARWIN_C_SOURCE
#define _DEFAULT_SOURCE
#include "plat.h"

#include <time.h>

struct hl_plat_scope_clock hl_plat_scope_clock = {clock_gettime, CLOCK_UPTIME_RAW};

void hl_plat_time_scopes_precisely(bool precisely)
{
    (void)precisely; /* they are */
}

uint64_t hl_plat_read_clock(clockid_t clock)
{
    struct timespec now = {0, 0};

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t hl_plat_now_ns(void)
{
    return hl_plat_read_clock(CLOCK_UPTIME_RAW);
}

uint64_t hl_plat_coarse_ns(void)
{
    return hl_plat_now_ns();
}

/* The least that it can be said to lag by less than. */
uint64_t hl_plat_coarse_tick_ns(void)
{
    return 1;
}

uint64_t hl_plat_wall_ms(void)
{
    return hl_plat_read_clock(CLOCK_REALTIME) / 1000000u;
}
