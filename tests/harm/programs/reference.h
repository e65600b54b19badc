/* tests/harm/programs/reference.h - a stack of scopes as the documentation tells it, done the
 * slow way, beside the record of the thread that does the same.
 *
 * Whoever walks says each step to both. reference_check then compares depth, labels and
 * counters. A label is the serial number that reference_label gave.
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REFERENCE_DEEPEST 256

struct reference_scope {
    uint64_t serial;
    bool is_block;
    uintptr_t address;
    const char *function;
};

struct reference_counts {
    uint64_t overflow, unbalanced, repaired, vanished;
};

/* Of the thread that walks; one walks at a time. */
struct reference {
    struct reference_scope scopes[REFERENCE_DEEPEST];
    uint32_t depth;
    uint32_t deepest;
    uintptr_t stack_low, stack_high; /* its own stack */
    uint64_t serial;
    uint64_t checks, wrong;
    struct reference_counts counts; /* of all that walked */
};
extern struct reference reference;

/* The calling thread is the one that walks from here on, with an empty stack. */
void reference_begin(void);
/* It is about to end: what is open vanishes. */
void reference_end_thread(void);

/* The label of the next push. */
const char *reference_label(void);
void reference_push(bool is_block, uintptr_t address, const char *function);
void reference_pop(uintptr_t address, const char *function);

/* Names the scope that was just pushed, as a block's token does. */
struct reference_mark {
    uint32_t index;
    uint64_t serial;
};
struct reference_mark reference_pushed(void);
/* The end of a block: for attribute cleanup, before the block's own SCOPE, so that both
 * happen or neither. */
void reference_end(const struct reference_mark *mark);

/* Says what differs, and `step`. */
void reference_check(const char *step);

#ifdef __cplusplus
}
#endif
#endif
