/* tests/bench/peers.h - tracers that mark where a scope begins and ends, as Debian has them.
 *
 * Each pair of calls is what such a program would write for push and pop: the
 * label goes along with the first.
 */
#ifndef PEERS_H
#define PEERS_H

#include <stdint.h>

/* USDT probes to which nobody is attached. Only where <sys/sdt.h> was found. */
void usdt_pairs(uint64_t times);

/* LTTng-UST, in two equal pairs of tracepoints: no session wants the one, ours
 * records the other. Where there is a reason, `run` is not to be called. */
struct lttng_pairs {
    void (*run)(uint64_t times);
    const char *absent; /* NULL = it is there */
};
struct lttng_peer {
    struct lttng_pairs off, on;
};

/* Starts a session daemon and a session of our own, then brings LTTng into this process. */
void lttng_begin(struct lttng_peer *peer);
/* After it no process of ours is left, and no file. */
void lttng_end(void);

#endif
