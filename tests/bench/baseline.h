/* tests/bench/baseline.h - the heartbeat monitor that one would write in an afternoon. */
#ifndef BASELINE_H
#define BASELINE_H

void baseline_push(const char *label);
void baseline_pop(void);

#endif
