/* tests/bench/crowd.h - many threads that wait, and do at once what they are told to. */
#ifndef CROWD_H
#define CROWD_H

#include <heartline/scope.h>

#include <time.h>

struct crowd_member {
    scope_progress progress; /* whatever the work wants to remember */
};
typedef void crowd_work(struct crowd_member *member);

/* Starts so many threads with small stacks, or as many as there may be. How many. */
unsigned crowd_start(unsigned count);
void crowd_end(void);

/* Each thread does the work once. Returns when all have, and wait again. */
void crowd_all(crowd_work *work);
/* The same for work that does not return soon: returns when all have begun. */
void crowd_begin(crowd_work *work);
/* Returns when all wait again. */
void crowd_wait(void);

/* The CPU clock of one of them. */
clockid_t crowd_clock(unsigned i);

#endif
