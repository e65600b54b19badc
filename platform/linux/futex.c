/* platform/linux/futex.c - what a thread in a futex call waits for. */
#define _GNU_SOURCE
#include "plat.h"
#include "parse.h"

void hl_plat_look_at_futex(struct hl_plat *plat, const struct hl_plat_call *call,
                           struct hl_plat_look *look)
{
    look->waits_for = HL_PLAT_FOR_FUTEX;
    look->address = call->arguments[0];
    look->known |= HL_KNOWN(HL_PLAT_WAIT);
    hl_plat_miss_because(plat, HL_PLAT_HOLDER, "not asked for yet");
}
