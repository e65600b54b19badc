/* platform/linux/look.c - what one thread waits for. */
#define _GNU_SOURCE
#include "plat.h"

bool hl_plat_look(struct hl_plat *plat, uint64_t tid, struct hl_plat_look *look)
{
    *look = (struct hl_plat_look){.descriptor = -1};
    return hl_plat_thread_state(plat, tid, &look->state);
}

bool hl_plat_throttled(struct hl_plat *plat, uint64_t *throttled_ns)
{
    (void)throttled_ns;
    hl_plat_miss_because(plat, HL_PLAT_THROTTLED, "there is no CPU quota");
    return false;
}
