/* platform/linux/others.c - what all threads but the caller have done.
 *
 * The kernel counts the same things for the whole process and for one thread, so the
 * caller's own share is taken off exactly, as long as it kept its core in between. It
 * counts a switch when it is over: who is on a core all along shows in CPU time alone,
 * and one that wakes up and ends only in how many there are.
 */
#define _GNU_SOURCE
#include "plat.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/time.h>

#define TRIES 8 /* with ten thousand threads, one takes more than a millisecond */

static uint64_t switches(const struct rusage *usage)
{
    return (uint64_t)usage->ru_nvcsw + (uint64_t)usage->ru_nivcsw;
}

static uint64_t blocks(const struct rusage *usage)
{
    return (uint64_t)usage->ru_inblock + (uint64_t)usage->ru_oublock;
}

static uint64_t nanoseconds(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_usec * 1000u;
}

static uint64_t cpu(const struct rusage *usage)
{
    return nanoseconds(&usage->ru_utime) + nanoseconds(&usage->ru_stime);
}

static uint64_t without(uint64_t all, uint64_t own)
{
    return all > own ? all - own : 0;
}

/* false: refused, or the caller lost its core meanwhile. */
static bool read_both(struct rusage *all, struct rusage *own)
{
    struct rusage before = {.ru_nvcsw = 0};

    return getrusage(RUSAGE_THREAD, &before) == 0 && getrusage(RUSAGE_SELF, all) == 0 &&
           getrusage(RUSAGE_THREAD, own) == 0 && switches(&before) == switches(own);
}

bool hl_plat_others(struct hl_plat *plat, struct hl_plat_others *others)
{
    struct rusage all = {.ru_nvcsw = 0}, own = {.ru_nvcsw = 0};
    int saved = errno;
    uint64_t threads = hl_plat_count_threads(plat);
    bool is_read = false;

    for (int i = 0; threads > 0 && i < TRIES && !is_read; i++)
        is_read = read_both(&all, &own);
    errno = saved;
    if (!is_read || switches(&all) == 0) /* a kernel that does not count them */
        return false;
    others->threads = threads - 1;
    others->switches = without(switches(&all), switches(&own));
    others->blocks = without(blocks(&all), blocks(&own));
    others->cpu_ns = without(cpu(&all), cpu(&own));
    return true;
}
