/* platform/darwin/stack.c - the stack of another thread: not implemented yet. */
#include "plat.h"

void hl_plat_capture_open(struct hl_plat *plat)
{
    hl_plat_miss_because(plat, HL_PLAT_STACK, "not implemented yet");
}

void hl_plat_capture_close(struct hl_plat *plat)
{
    (void)plat;
}

bool hl_plat_thread_frames(struct hl_plat *plat, uint64_t tid, bool may_interrupt,
                           struct hl_plat_frames *frames)
{
    (void)plat, (void)tid, (void)may_interrupt;
    *frames = (struct hl_plat_frames){0};
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
