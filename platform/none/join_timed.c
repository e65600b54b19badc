/* platform/none/join_timed.c - a join with a limit, where the system has one that POSIX lacks.
 *
 * Its limit is a time of day, which may be set back by hours meanwhile, so it
 * is asked for short whiles and the monotonic clock decides.
 */
#define _GNU_SOURCE
#include "../platform.h"

#include <errno.h>
#include <time.h>

#define WHILE_NS 2000000u

bool hl_plat_join(pthread_t thread, uint64_t timeout_ns)
{
    int saved = errno;
    uint64_t began = hl_plat_now_ns();
    bool joined = false, is_over = false;

    while (!joined && !is_over) {
        struct timespec until;
        uint64_t passed = hl_plat_now_ns() - began;
        uint64_t left = passed < timeout_ns ? timeout_ns - passed : 0;
        is_over = left <= WHILE_NS; /* this is the last round */
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += (long)(is_over ? left : WHILE_NS);
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        joined = pthread_timedjoin_np(thread, NULL, &until) == 0;
    }
    errno = saved;
    return joined;
}
