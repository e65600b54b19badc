/* monitor/wake.h - the one way from an application thread to the monitor's. */
#ifndef HL_WAKE_H
#define HL_WAKE_H

#include "../platform/platform.h"

/* Ends the monitor's sleep, if there is a monitor. Any thread; lock-free and
 * async-signal-safe; one system call. */
void hl_wake(void);

/* Between these two a monitor that stops meanwhile is not freed. */
bool hl_wake_enter(void); /* false: there is no monitor; leave all the same */
void hl_wake_leave(void);

/* hl_wake, but only when the monitor does not plan to be awake by `due_ns`
 * (hl_plat_now_ns) anyway. */
void hl_wake_by(uint64_t due_ns);

/* Of the monitor: whom to wake (NULL = nobody), and when it will be awake;
 * HL_WAKE_AWAKE while it looks around, so that nothing that happens then is
 * missed: it makes the next sleep end at once. */
#define HL_WAKE_AWAKE UINT64_MAX
void hl_wake_target(struct hl_plat *plat);
void hl_wake_planned(uint64_t at_ns);
/* After hl_wake_target(NULL): true once nobody can be inside hl_plat_wake any more. */
bool hl_wake_is_quiet(void);
void hl_wake_after_fork_child(void);

#endif
