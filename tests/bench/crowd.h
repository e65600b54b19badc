/* tests/bench/crowd.h - many threads that only are there. */
#ifndef CROWD_H
#define CROWD_H

#include <stddef.h>

/* Starts `waiting` threads that wait for a mutex, on small stacks, and `spinning`
 * ones that use a core each. Returns how many of the waiting there are: fewer where
 * the machine does not allow so many, with room left for some processes. */
size_t crowd_start(size_t waiting, size_t spinning);
void crowd_end(void);

#endif
