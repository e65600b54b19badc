/* platform/none/wait.c - a sleep that a bell ends; POSIX cannot tell a stop from lateness. */
#include "plat.h"

void hl_plat_wait(struct hl_plat *plat, uint64_t timeout_ns, struct hl_plat_wait *wait)
{
    hl_plat_bell_sleep(&plat->bell, timeout_ns, wait);
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
