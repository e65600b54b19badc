/* time.h of the fake: the C library's, with Apple's clocks.
 *
 * The names mean what they mean there: CLOCK_UPTIME_RAW stands still while the machine
 * sleeps, CLOCK_MONOTONIC and CLOCK_MONOTONIC_RAW go on. The numbers are Linux's, and so
 * is the time, but for what a test lets pass.
 */
#include_next <time.h>

/* The C library includes <time.h> in pieces, so this part is guarded by what it needs. */
#if !defined(FAKE_TIME_H) && defined(CLOCK_MONOTONIC)
#define FAKE_TIME_H

#include <fake_names.h>
#include <stdint.h>

#define CLOCK_UPTIME_RAW 1        /* Linux's CLOCK_MONOTONIC */
#define CLOCK_UPTIME_RAW_APPROX 6 /* its coarse one */
#ifndef FAKE_MACH_INSIDE
#undef CLOCK_MONOTONIC
#undef CLOCK_MONOTONIC_RAW
#define CLOCK_MONOTONIC 7 /* CLOCK_BOOTTIME */
#define CLOCK_MONOTONIC_RAW 7
#define clock_gettime fake_clock_gettime
#endif

int fake_clock_gettime(clockid_t clock, struct timespec *now);

uint64_t clock_gettime_nsec_np(clockid_t clock);

#endif
