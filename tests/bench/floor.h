/* tests/bench/floor.h - the least that a scope stack in a shared library can cost. */
#ifndef FLOOR_H
#define FLOOR_H

#include <stddef.h>
#include <time.h>

/* An array per thread with a copied label, and the time read where Heartline reads
 * it, in the same way: at a push and at a pop that leaves a scope open. */
void floor_take_clock(int (*read)(clockid_t clock, struct timespec *now), clockid_t clock);
void floor_push(const char *label, size_t length);
void floor_pop(void);

/* The shape of Firefox's profiling stack: a pointer to the label and no time. */
void floor_push_pointer(const char *label);
void floor_pop_pointer(void);

/* What a call alone costs. */
void floor_nothing(void);

#endif
