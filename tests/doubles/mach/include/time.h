/* time.h of the fake: the C library's, with the clock that stands still in sleep.
 *
 * Apple's CLOCK_MONOTONIC goes on in sleep, this one's does not: a source that takes it
 * for the time of a stall is wrong there, and nothing here can notice.
 */
#include_next <time.h>

/* The C library includes <time.h> in pieces, so this part is guarded by what it needs. */
#if !defined(FAKE_TIME_H) && defined(CLOCK_MONOTONIC)
#define FAKE_TIME_H

#include <fake_names.h>
#include <stdint.h>

#define CLOCK_UPTIME_RAW CLOCK_MONOTONIC
#define CLOCK_UPTIME_RAW_APPROX 6 /* the coarse one */

uint64_t clock_gettime_nsec_np(clockid_t clock);

#endif
