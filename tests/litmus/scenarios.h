/* tests/litmus/scenarios.h - what owners and the monitor do to each other, and whether it may be. */
#ifndef TESTS_LITMUS_SCENARIOS_H
#define TESTS_LITMUS_SCENARIOS_H

#include <stdbool.h>
#include <stdint.h>

struct scenario {
    const char *name;
    void (*meet)(const struct scenario *scenario);
    void (*before)(void), (*owner)(void); /* what the owner does, where `meet` leaves that open */
    void (*handler)(void);                /* likewise */
};

/* The first one where name is NULL; its own name is NULL when there is none (more). */
const struct scenario *find_scenario(const char *name);
/* Why it failed, or NULL. */
const char *run_scenario(const struct scenario *scenario);

extern uint64_t executions;      /* of the latest */
extern struct hl_record *record; /* the only one, in all of them */
extern bool has_barrier;         /* false: the barrier on all threads does nothing */

#endif
