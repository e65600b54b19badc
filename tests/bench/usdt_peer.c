/* See peers.h. */
#include "peers.h"
#include "scope_cases.h"

#include <sys/sdt.h>

void usdt_pairs(uint64_t times)
{
    while (times--) {
        DTRACE_PROBE1(heartline_bench, begin, LABEL);
        DTRACE_PROBE(heartline_bench, end);
    }
}
