/* The monitor's platform handle is closed when the monitor stops, while some
 * thread may be about to wake it. So a waker announces itself before it reads
 * the target, and stop waits, bounded, until nobody is announced. Sequentially
 * consistent on both sides: this is the store-then-load pattern that weaker
 * orders do not order. Considered and dropped: a handle that is never closed
 * (it would keep descriptors after monitor_stop). */
#include "wake.h"

#include <pthread.h>
#include <stdatomic.h>

static _Atomic(struct hl_plat *) target;
static _Atomic uint32_t wakers;
static _Atomic uint64_t planned_ns;

bool hl_wake_enter(void)
{
    atomic_fetch_add(&wakers, 1);
    return atomic_load(&target) != NULL;
}

void hl_wake_leave(void)
{
    atomic_fetch_sub(&wakers, 1);
}

/* Writing is a cancellation point, and scopes must not be one: the program would
 * lose a thread where it never could, and we a waker that never leaves. */
void hl_wake(void)
{
    int cancel_state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    atomic_fetch_add(&wakers, 1);
    struct hl_plat *plat = atomic_load(&target);
    if (plat)
        hl_plat_wake(plat);
    hl_wake_leave();
    pthread_setcancelstate(cancel_state, NULL);
}

/* The thread stores its limit and then looks at the plan; the monitor stores
 * "awake" and then looks at the limits. Both touch the plan in one step that
 * reads and writes: whoever comes second sees all that the first stored before.
 * (With a plain load, the limit could still be on its way to memory.) */
void hl_wake_by(uint64_t due_ns)
{
    if (due_ns < atomic_fetch_add(&planned_ns, 0))
        hl_wake();
}

void hl_wake_target(struct hl_plat *plat)
{
    if (!plat)
        atomic_store(&planned_ns, 0);
    atomic_store(&target, plat);
}

void hl_wake_planned(uint64_t at_ns)
{
    atomic_exchange(&planned_ns, at_ns);
}

bool hl_wake_is_quiet(void)
{
    return atomic_load(&wakers) == 0;
}

void hl_wake_after_fork_child(void)
{
    atomic_store(&target, NULL);
    atomic_store(&planned_ns, 0);
    atomic_store(&wakers, 0);
}
