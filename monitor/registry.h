/* monitor/registry.h - which threads have a record: joining, leaving, visiting. */
#ifndef HL_REGISTRY_H
#define HL_REGISTRY_H

#include "own.h"

/* The calling thread's record; NULL before its first push, HL_LEFT after its last
 * destructor. */
static inline struct hl_record *hl_registry_self(void)
{
    return hl_own();
}
static inline bool hl_is_record(const struct hl_record *record)
{
    return (uintptr_t)record > 1;
}

/* The calling thread's record, made at need. NULL: scopes are switched off, the
 * thread is past its last destructor, or there is no memory (the last two are
 * counted). Lock-free and async-signal-safe. */
struct hl_record *hl_registry_join(void);

/* HEARTLINE=off: threads that have no record get none. */
void hl_registry_switch_off(bool off);
bool hl_registry_is_off(void);

/* Records are numbered 0 .. count-1; a number is a thread's as long as tid is. */
uint32_t hl_registry_count(void);
struct hl_record *hl_registry_record(uint32_t index);

/* The number of the record that belongs to a thread; HL_NO_RECORD = it has none. */
#define HL_NO_RECORD UINT32_MAX
uint32_t hl_registry_find(uint64_t tid);

/* Since when a thread has that record; its tid was read before. */
uint64_t hl_registry_joined_ns(uint32_t index);

/* Frees the record of a thread that ended without its destructors. To be
 * called only when the thread is known to be gone. */
void hl_registry_reclaim(struct hl_record *record);

/* Losses since the start of the process. */
struct hl_losses {
    uint64_t overflow, unbalanced, repaired, vanished;
};
void hl_registry_losses(struct hl_losses *losses);

/* In the child of a fork, on its only thread: cheap, async-signal-safe. Done by
 * itself; doing it again is harmless. */
void hl_registry_after_fork_child(void);
/* Frees the records of threads that did not survive the fork. */
void hl_registry_forget_parents_threads(void);

/* scope.c: empties a record's stack; `by_exit` marks the ends of watched scopes. */
void hl_scope_clear(struct hl_record *record, bool by_exit);

#endif
