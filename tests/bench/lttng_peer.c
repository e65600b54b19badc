/* tests/bench/lttng_peer.c - what an application that uses LTTng-UST has in it.
 *
 * A shared module of its own, which lttng.c loads in the one process that wants
 * it: the constructor of LTTng-UST starts two threads, and looks for a session
 * daemon once.
 */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "lttng_events.h"

#include "scope_cases.h"

void lttng_pairs_off(uint64_t times);
void lttng_pairs_on(uint64_t times);
bool lttng_is_on(void);

void lttng_pairs_off(uint64_t times)
{
    while (times--) {
        lttng_ust_tracepoint(heartline_bench, begin_off, LABEL);
        lttng_ust_tracepoint(heartline_bench, end_off);
    }
}

void lttng_pairs_on(uint64_t times)
{
    while (times--) {
        lttng_ust_tracepoint(heartline_bench, begin_on, LABEL);
        lttng_ust_tracepoint(heartline_bench, end_on);
    }
}

bool lttng_is_on(void)
{
    return lttng_ust_tracepoint_enabled(heartline_bench, begin_on) &&
           lttng_ust_tracepoint_enabled(heartline_bench, end_on);
}
