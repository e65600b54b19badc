#define _GNU_SOURCE
#include "shape.h"

#include <linux/futex.h>
#include <string.h>

/* ---- the call ------------------------------------------------------------------ */

/* futex(address, operation, value, ...): both numbers have 32 bits. */
static uint32_t operation(const struct hl_plat_call *call)
{
    return (uint32_t)call->arguments[1];
}

static uint32_t command(const struct hl_plat_call *call)
{
    return operation(call) & ~(uint32_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
}

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

bool hl_shape_is_pi_wait(const struct hl_plat_call *call)
{
    return command(call) == FUTEX_LOCK_PI || command(call) == FUTEX_LOCK_PI2;
}

static bool is_plain_wait(const struct hl_plat_call *call)
{
    return command(call) == FUTEX_WAIT || command(call) == FUTEX_WAIT_BITSET;
}

static bool is_wait(const struct hl_plat_call *call)
{
    return is_plain_wait(call) || hl_shape_is_pi_wait(call) ||
           command(call) == FUTEX_WAIT_REQUEUE_PI;
}

/* ---- what was learnt ------------------------------------------------------------- */

static bool is_shared_place(const struct hl_shapes *shapes, const struct hl_shape *shape)
{
    for (uint32_t i = 0; i < shapes->count; i++)
        if (shapes->shapes[i].pc == shape->pc && shapes->shapes[i].kind != shape->kind)
            return true;
    return false;
}

void hl_shapes_settle(struct hl_shapes *shapes)
{
    struct hl_shapes kept = {.lacks_some = shapes->lacks_some};

    for (uint32_t i = 0; i < shapes->count; i++) {
        struct hl_shape shape = shapes->shapes[i];
        shape.any_caller = shape.any_caller && !is_shared_place(shapes, &shape);
        if (shape.any_caller || shape.callers_count > 0)
            kept.shapes[kept.count++] = shape;
    }
    *shapes = kept;
}

size_t hl_shapes_span(const struct hl_shapes *shapes, uint64_t pc)
{
    size_t span = 0;

    for (uint32_t i = 0; i < shapes->count; i++) {
        const struct hl_shape *shape = &shapes->shapes[i];
        if (shape->pc != pc || shape->any_caller)
            continue;
        size_t end = shape->callers[shape->callers_count - 1].distance + sizeof(uintptr_t);
        span = end > span ? end : span;
    }
    return span;
}

static bool is_called_by(const struct hl_shape_caller *caller, const char *stack, size_t size)
{
    uintptr_t word;

    if (size < sizeof word || caller->distance > size - sizeof word)
        return false;
    memcpy(&word, stack + caller->distance, sizeof word);
    uint64_t address = hl_shape_return_address(word);
    return caller->low <= address && address < caller->high;
}

static bool looks_like(const struct hl_shape *shape, const struct hl_plat_call *call,
                       const char *stack, size_t size)
{
    if (shape->pc != call->pc || shape->is_pi != hl_shape_is_pi_wait(call))
        return false;
    for (uint32_t i = 0; !shape->any_caller && i < shape->callers_count; i++)
        if (!is_called_by(&shape->callers[i], stack, size))
            return false;
    return true;
}

enum hl_plat_wait_for hl_shapes_name(const struct hl_shapes *shapes,
                                     const struct hl_plat_call *call, const void *stack,
                                     size_t size)
{
    enum hl_plat_wait_for kind = HL_PLAT_FOR_FUTEX;

    if (!is_wait(call))
        return HL_PLAT_FOR_CALL;
    for (uint32_t i = 0; i < shapes->count; i++) {
        const struct hl_shape *shape = &shapes->shapes[i];
        if (!looks_like(shape, call, stack, size) || shape->kind == kind)
            continue;
        if (kind != HL_PLAT_FOR_FUTEX)
            return HL_PLAT_FOR_FUTEX;
        kind = shape->kind;
    }
    return kind;
}

/* ---- what a mutex says ------------------------------------------------------------- */

#ifdef __GLIBC__

/* __data.__kind: the type in the lowest two bits, and these (nptl/pthreadP.h). */
enum {
    TYPE = 3,
    RECURSIVE = 1,
    ERRORCHECK = 2,
    ROBUST = 16,
    PI = 32,
    PP = 64,
    SHARED = 128,
    ELISION = 3 << 8, /* asked for, and forbidden */
    ALL_BITS = TYPE | ROBUST | PI | PP | SHARED | ELISION
};

#define CEILING 0xfff80000u /* PP: the upper bits of the word */
#define LOCKED_AND_WAITED_FOR 2u

struct facts {
    uint32_t word, owner, users, kind;
};

static struct facts read_facts(const pthread_mutex_t *copy)
{
    struct facts facts = {(uint32_t)copy->__data.__lock, (uint32_t)copy->__data.__owner,
                          (uint32_t)copy->__data.__nusers, (uint32_t)copy->__data.__kind};
    return facts;
}

/* Their word holds the owner's tid, as the kernel hands them over. */
static bool has_tid_in_word(const struct facts *facts)
{
    return facts->kind & (ROBUST | PI);
}

static bool says_it_is_waited_for(const struct facts *facts, uint32_t word)
{
    if (has_tid_in_word(facts))
        return word & FUTEX_WAITERS;
    return (facts->kind & PP ? word & ~CEILING : word) == LOCKED_AND_WAITED_FOR;
}

/* A PI wait has no value; of a thread that waits otherwise it is the word that it found. */
static bool agrees(const struct facts *facts, const struct hl_plat_call *call)
{
    bool is_private = operation(call) & FUTEX_PRIVATE_FLAG;

    if (is_private == ((facts->kind & SHARED) != 0))
        return false;
    if (hl_shape_is_pi_wait(call) != ((facts->kind & PI) != 0))
        return false;
    return hl_shape_is_pi_wait(call) || says_it_is_waited_for(facts, (uint32_t)call->arguments[2]);
}

/* One that hands itself over has two owners to ask, and none while they differ. */
static uint64_t owner(const struct facts *facts)
{
    if (has_tid_in_word(facts) && (facts->word & FUTEX_TID_MASK) != facts->owner)
        return 0;
    return facts->owner;
}

bool hl_shape_mutex(const struct hl_plat_call *call, const pthread_mutex_t *copy,
                    struct hl_plat_mutex *mutex)
{
    struct facts facts = read_facts(copy);
    uint32_t type = facts.kind & TYPE;

    mutex->owner = owner(&facts);
    mutex->contended = says_it_is_waited_for(&facts, facts.word);
    mutex->is_sound =
        (facts.kind & ~(uint32_t)ALL_BITS) == 0 && facts.users > 0 && agrees(&facts, call);
    mutex->hangs_its_owner = type != RECURSIVE && type != ERRORCHECK && !(facts.kind & PI);
    return true;
}

#else

bool hl_shape_mutex(const struct hl_plat_call *call, const pthread_mutex_t *copy,
                    struct hl_plat_mutex *mutex)
{
    (void)call;
    (void)copy;
    (void)mutex;
    return false;
}

#endif
