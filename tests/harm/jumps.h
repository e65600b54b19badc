/* tests/harm/jumps.h - stops, clock steps and suspends under a scripted clock. */
#ifndef HARM_JUMPS_H
#define HARM_JUMPS_H

#include <stdint.h>

struct jumps {
    uint64_t stories;
    uint64_t stalls;  /* all of them false */
    uint64_t paused;  /* lines with the right length and reason */
    uint64_t unasked; /* lines too many, or wrong ones */
};

/* Once, before the others. */
void jumps_set_up(void);
/* So many of each, of random length at a random time: stops of the process (in its sleep
 * and at its work), suspends of the machine, steps of the wall clock. */
struct jumps jumps_stop(uint64_t stories);
struct jumps jumps_suspend(uint64_t stories);
struct jumps jumps_set_wall_clock(uint64_t stories);

#endif
