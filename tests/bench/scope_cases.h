/* tests/bench/scope_cases.h - what scope_bench.c measures and other parts set theirs beside. */
#ifndef SCOPE_CASES_H
#define SCOPE_CASES_H

#include <stdbool.h>
#include <stdint.h>

#define LABEL "write checkpoint"

/* Starts the monitor with its defaults, its lines go nowhere. false: it says why not. */
bool start_monitor(void);

void lock_and_unlock(uint64_t times);

void heartline_open(unsigned depth);
void heartline_close(unsigned depth);
void heartline_pairs(uint64_t times);

void floor_pointer_pairs(uint64_t times);

#endif
