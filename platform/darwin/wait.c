/* platform/darwin/wait.c - the monitor's sleep, and for how long the machine slept.
 *
 * The clock of all ages stands still while the machine sleeps, CLOCK_MONOTONIC_RAW
 * (mach_continuous_time) does not: what it gains on the other from the end of one wait to
 * the end of the next is the sleep, whatever the monitor did meanwhile.
 * A stop of the process is not told from lateness: nothing public counts the switches
 * of a thread or for how long it wanted a core.
 */
#define _DARWIN_C_SOURCE
#define _DEFAULT_SOURCE
#include "plat.h"

#include <time.h>

#define SUSPENSION_NS 10000000u /* less is noise of reading two clocks */
#define PRECISE_NS 1000000u     /* such a reading needs no other */
#define TRIES 5

/* How far that clock is ahead, and how unsure that is: the thread may lose its core
 * between two readings. */
struct lead {
    uint64_t ns, width_ns;
};

/* As a difference of two clocks of their own it may wrap; only how it grows counts. */
static struct lead read_lead(void)
{
    struct lead best = {0, UINT64_MAX};

    for (int i = 0; i < TRIES && best.width_ns > PRECISE_NS; i++) {
        uint64_t before = hl_plat_now_ns();
        uint64_t continuous = hl_plat_read_clock(CLOCK_MONOTONIC_RAW);
        uint64_t width = hl_plat_now_ns() - before;
        if (width < best.width_ns)
            best = (struct lead){continuous - before, width};
    }
    return best;
}

/* The most that it can have been when the last wait ended. It never shrinks: a later reading
 * that says less is the better one. Before the first wait: when this one begins. */
static uint64_t last_lead_ns(const struct hl_plat *plat)
{
    uint64_t now_ns = read_lead().ns;

    return plat->has_waited && (int64_t)(now_ns - plat->lead_ns) > 0 ? plat->lead_ns : now_ns;
}

/* The true lead lies between ns - width and ns. */
static uint64_t suspended_since(uint64_t before_ns, struct lead after)
{
    int64_t grown = (int64_t)(after.ns - before_ns) - (int64_t)after.width_ns;

    return grown >= (int64_t)SUSPENSION_NS ? (uint64_t)grown : 0;
}

void hl_plat_wait(struct hl_plat *plat, uint64_t timeout_ns, struct hl_plat_wait *wait)
{
    uint64_t before_ns = last_lead_ns(plat);

    hl_plat_bell_sleep(&plat->bell, timeout_ns, wait);
    struct lead after = read_lead();
    wait->suspended_ns = suspended_since(before_ns, after);
    plat->lead_ns = after.ns;
    plat->has_waited = true;
}

void hl_plat_wake(struct hl_plat *plat)
{
    hl_plat_bell_ring(&plat->bell);
}

uint64_t hl_plat_stopped_awake(struct hl_plat *plat, uint64_t since_ns, uint64_t elsewhere_ns,
                               const char **by)
{
    (void)plat, (void)since_ns, (void)elsewhere_ns, (void)by;
    return 0;
}
