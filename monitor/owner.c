#include "owner.h"

#ifndef HL_OWNER_ASKS_STEADY /* 0 is for tests/stress/owner_stress.c */
#define HL_OWNER_ASKS_STEADY 1
#endif

bool hl_owner_is_asked(const struct hl_plat_look *look)
{
    return look->known & HL_KNOWN(HL_PLAT_SYSCALL) && look->waits_for == HL_PLAT_FOR_MUTEX;
}

bool hl_owner_is_hidden(const struct hl_plat_look *look)
{
    bool is_read = look->known & HL_KNOWN(HL_PLAT_HOLDER);
    return look->is_vague || (hl_owner_is_asked(look) && !is_read);
}

static bool names_somebody(const struct hl_plat_look *look)
{
    const struct hl_plat_mutex *mutex = &look->mutex;
    bool is_read = look->known & HL_KNOWN(HL_PLAT_HOLDER);
    return is_read && mutex->is_sound && mutex->contended && mutex->owner != 0;
}

/* On its way out of the wait a thread is the owner already: hence twice. */
static bool hangs_itself(const struct hl_owner_facts *facts)
{
    return facts->look->mutex.hangs_its_owner && facts->waited_ns > 0;
}

bool hl_owner_is_certain(const struct hl_owner_facts *facts)
{
    const struct hl_plat_look *look = facts->look;
    bool is_steady = look->steady || !HL_OWNER_ASKS_STEADY;
    if (!hl_owner_is_asked(look) || !is_steady || !names_somebody(look))
        return false;
    if (look->mutex.owner == facts->waiter)
        return hangs_itself(facts);
    return facts->owner_lives && facts->owner_age_ns > facts->waited_ns;
}
