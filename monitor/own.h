/* monitor/own.h - where a thread keeps the pointer to its record, in either of two forms.
 *
 * On ELF systems eight bytes of initial-exec storage: found by one instruction, no
 * allocation at the first touch, also in a library loaded with dlopen. Atomic against
 * the thread's own signal handlers.
 *
 * Elsewhere (HL_OWN_BY_KEY, set by the build) thread-local variables are allocated at
 * their first touch, which may be in a signal handler. So there the pointer is the value
 * of the pthread key whose destructor tells of the thread's end. Two things differ: a
 * key must have been made, and constructors of others may push before ours made it; and
 * a value cannot be exchanged in one step, nor is it there while its destructor runs, so
 * those two places keep signal handlers out (registry.c).
 */
#ifndef HL_OWN_H
#define HL_OWN_H

#include "record.h"

#include <pthread.h>

/* What the thread has after its last destructor. */
#define HL_LEFT ((struct hl_record *)1)

/* The key whose destructor tells of the thread's end. */
enum { HL_KEY_NONE, HL_KEY_BEING_MADE, HL_KEY_GOOD, HL_KEY_REFUSED };
extern pthread_key_t hl_own_key;
extern _Atomic int hl_own_key_state; /* acquire; pairs with the release when it was made */

#ifdef HL_OWN_BY_KEY

static inline struct hl_record *hl_own(void)
{
    bool is_there = atomic_load_explicit(&hl_own_key_state, memory_order_acquire) == HL_KEY_GOOD;
    return is_there ? pthread_getspecific(hl_own_key) : NULL;
}

/* Names the calling thread among those that live: an even number. */
static inline uintptr_t hl_own_name(void)
{
    return (uintptr_t)pthread_self();
}

#else

extern _Thread_local _Atomic(struct hl_record *) hl_self;

static inline struct hl_record *hl_own(void)
{
    return atomic_load_explicit(&hl_self, memory_order_relaxed);
}

static inline uintptr_t hl_own_name(void)
{
    return (uintptr_t)&hl_self;
}

#endif
#endif
