/* platform/linux/frames.c - the stack of another thread: not implemented yet. */
#define _GNU_SOURCE
#include "plat.h"

bool hl_plat_thread_frames(struct hl_plat *plat, uint64_t tid, bool may_interrupt,
                           struct hl_plat_frames *frames)
{
    (void)tid, (void)may_interrupt;
    *frames = (struct hl_plat_frames){0};
    hl_plat_miss_because(plat, HL_PLAT_STACK, "not implemented yet");
    return false;
}

bool hl_plat_place_of(struct hl_plat *plat, uintptr_t address, char module[HL_PLAT_MODULE_BYTES],
                      uint64_t *offset)
{
    (void)plat, (void)address;
    module[0] = 0;
    *offset = 0;
    return false;
}
