/* tests/bench/baseline.h - the heartbeat monitor that one would write in an afternoon. */
#ifndef BASELINE_H
#define BASELINE_H

void baseline_push(const char *label);
void baseline_pop(void);

/* A heartbeat: a line for the process and one for each thread in a scope, 8 at most. */
void baseline_beat(void (*sink)(const char *line));

#endif
