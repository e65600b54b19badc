/* platform/darwin/look.c - what a thread waits for: its state, and that is all.
 *
 * Nothing public tells in which system call a thread of one's own process is, or at
 * which address it sleeps. So a look is the state, from the list that is at hand, and
 * costs next to nothing after any other question at the same wake-up: that whom a
 * thread waits for is always "somebody" (it cannot be told, and 0 would be a promise)
 * makes the monitor look where a question would have done, for nothing and at no cost.
 */
#include "plat.h"

static const char not_told[] = "macOS does not tell what a thread waits for";

bool hl_plat_look(struct hl_plat *plat, uint64_t tid, struct hl_plat_look *look)
{
    static const enum hl_plat_key keys[] = {HL_PLAT_SYSCALL, HL_PLAT_CHANNEL, HL_PLAT_WAIT,
                                            HL_PLAT_HOLDER};

    *look = (struct hl_plat_look){.descriptor = -1};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        hl_plat_miss_because(plat, keys[i], not_told);
    return hl_plat_thread_state(plat, tid, &look->state);
}

uint64_t hl_plat_waits_for(struct hl_plat *plat, uint64_t tid)
{
    (void)plat, (void)tid;
    return HL_PLAT_SOMEBODY;
}

void hl_plat_learn(void) {}

bool hl_plat_is_learning(void)
{
    return false;
}
