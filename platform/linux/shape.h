/* platform/linux/shape.h - what a thread that waits for a lock looks like from outside. Pure.
 *
 * All there is to see is the futex call, the place in the C library that made
 * it, and the stack above. A kind of wait is told by what a wait of that kind
 * looked like when it was made on purpose (learn.c). Locks that are waited for at
 * one place of their own are told by that place, whoever called; most others
 * share a place and are told by who called it: frames of the C library have
 * fixed sizes at a given place, so the return address lies at a fixed distance
 * from the stack pointer. It may be any in the same function: a lock has several
 * lines in which it waits.
 *
 * What merely acts like one (a stdio lock, malloc's, a lock made by hand with
 * the same value in its word) waits at a place of its own, and stays a futex.
 */
#ifndef HL_PLAT_LINUX_SHAPE_H
#define HL_PLAT_LINUX_SHAPE_H

#include "../platform.h"
#include "parse.h"

#define HL_SHAPE_CALLERS 4
#define HL_SHAPES 24
#define HL_SHAPE_SPAN 1024 /* callers farther from the stack pointer are not looked for */

/* A function of the C library that is about to be returned to. */
struct hl_shape_caller {
    uint32_t distance;  /* of the return address from the stack pointer */
    uint64_t low, high; /* where the function lies */
};

struct hl_shape {
    enum hl_plat_wait_for kind;
    uint64_t pc;
    bool is_pi;      /* the kernel itself hands it over */
    bool any_caller; /* pc alone tells it */
    uint32_t callers_count;
    struct hl_shape_caller callers[HL_SHAPE_CALLERS]; /* nearest first */
};

struct hl_shapes {
    uint32_t count;
    bool lacks_some; /* a kind could not be learnt, so what is not recognised may be one */
    struct hl_shape shapes[HL_SHAPES];
};

/* To be called once, when all are learnt: those that cannot be told apart go. */
void hl_shapes_settle(struct hl_shapes *shapes);

/* How many bytes above the stack pointer decide about a thread at `pc`. */
size_t hl_shapes_span(const struct hl_shapes *shapes, uint64_t pc);

/* What a thread in a futex call waits for; HL_PLAT_FOR_FUTEX when it looks like
 * nothing that is known, HL_PLAT_FOR_CALL when that call is not a wait. `stack` holds
 * the first `size` bytes from its stack pointer. */
enum hl_plat_wait_for hl_shapes_name(const struct hl_shapes *shapes,
                                     const struct hl_plat_call *call, const void *stack,
                                     size_t size);

/* A wait in which the kernel hands the lock over itself. */
bool hl_shape_is_pi_wait(const struct hl_plat_call *call);

/* What a mutex says, to the thread in `call` that waits for it. false: in this C
 * library, mutexes do not name their owners. */
bool hl_shape_mutex(const struct hl_plat_call *call, const pthread_mutex_t *copy,
                    struct hl_plat_mutex *mutex);

/* A return address as it lies on a stack, without what the processor adds to sign it. */
static inline uint64_t hl_shape_return_address(uintptr_t word)
{
#ifdef __aarch64__
    return word & (((uint64_t)1 << 48) - 1);
#else
    return word;
#endif
}

#endif
