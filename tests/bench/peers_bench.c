/* tests/bench/peers_bench.c - what a scope costs beside what others charge for a mark.
 *
 * A part of its own, because LTTng-UST brings threads and a constructor into the
 * process that loads it, and the figures of scope_bench.c shall be those of a
 * program without. So our rows and the mutex are measured again here, in the same
 * rounds as the peers: read ratios from this table alone.
 *
 * None of them does the same job: a probe that nobody attached to keeps nothing,
 * a tracer keeps a history for later, and Firefox's shape has no time.
 */
#include "bench.h"
#include "peers.h"
#include "scope_cases.h"

#include <heartline/monitor.h>

#include <stdio.h>

enum {
    MUTEX,
    OURS_1,
    OURS_2,
    OURS_1_2T,
    OURS_2_2T,
    POINTER,
    POINTER_2T,
    USDT,
    USDT_2T,
    LTTNG_OFF,
    LTTNG_OFF_2T,
    LTTNG_ON,
    LTTNG_ON_2T,
    CASES
};

#define OURS(n) .open = heartline_open, .close = heartline_close, .depth = n, .run = heartline_pairs

static struct bench_case cases[CASES] = {
    [MUTEX] = {"peers.mutex", "mutex lock+unlock, uncontended, with threads",
               .run = lock_and_unlock},
    [OURS_1] = {"peers.scope.1", "Heartline, depth 1", OURS(1)},
    [OURS_2] = {"peers.scope.2", "Heartline, depth 2 (nested)", OURS(2)},
    [OURS_1_2T] = {"peers.scope.1.2t", "Heartline, depth 1, two threads", OURS(1), .threads = 2},
    [OURS_2_2T] = {"peers.scope.2.2t", "Heartline, depth 2, two threads", OURS(2), .threads = 2},
    [POINTER] = {"peers.pointer", "Firefox's shape: a label pointer and no time",
                 .run = floor_pointer_pairs},
    [POINTER_2T] = {"peers.pointer.2t", "Firefox's shape, two threads", .run = floor_pointer_pairs,
                    .threads = 2},
    [USDT] = {"peers.usdt", "USDT probes, nobody attached", .threads = 1},
    [USDT_2T] = {"peers.usdt.2t", "USDT probes, nobody attached, two threads", .threads = 2},
    [LTTNG_OFF] = {"peers.lttng.off", "LTTng-UST tracepoints, disabled", .threads = 1},
    [LTTNG_OFF_2T] = {"peers.lttng.off.2t", "LTTng-UST tracepoints, disabled, two threads",
                      .threads = 2},
    [LTTNG_ON] = {"peers.lttng.on", "LTTng-UST tracepoints, recorded in memory", .threads = 1},
    [LTTNG_ON_2T] = {"peers.lttng.on.2t", "LTTng-UST tracepoints, recorded, two threads",
                     .threads = 2},
};

static const char *absent[CASES]; /* why; NULL = it is there */

static void set(int one, void (*run)(uint64_t times), const char *why)
{
    for (int i = one; i <= one + 1; i++) { /* with one thread, and with two */
        cases[i].run = run;
        absent[i] = why;
    }
}

static void find_usdt(void)
{
#ifdef USDT_WAS_THERE
    set(USDT, usdt_pairs, NULL);
#else
    set(USDT, NULL, "systemtap-sdt-dev was not there when this was built");
#endif
}

static void find_lttng(void)
{
#ifdef LTTNG_MODULE
    struct lttng_peer lttng;
    lttng_begin(&lttng);
    set(LTTNG_OFF, lttng.off.run, lttng.off.absent);
    set(LTTNG_ON, lttng.on.run, lttng.on.absent);
#else
    static const char why[] = "liblttng-ust-dev was not there when this was built";
    set(LTTNG_OFF, NULL, why);
    set(LTTNG_ON, NULL, why);
#endif
}

static void leave_lttng(void)
{
#ifdef LTTNG_MODULE
    lttng_end();
#endif
}

static void measure_and_show(void)
{
    struct bench_case present[CASES];
    size_t count = 0;
    for (int i = 0; i < CASES; i++)
        if (!absent[i])
            present[count++] = cases[i];
    bench_measure(present, count);
    bench_show("A scope beside tracers' marks at its begin and end, monitor running", present,
               count, &present[MUTEX]);
    for (int i = 0; i < CASES; i++)
        if (absent[i])
            printf("%-58s absent: %s\n", cases[i].name, absent[i]);
}

int peers_bench(bool quick)
{
    bench_begin(quick);
    if (!start_monitor())
        return 1;
    find_usdt();
    find_lttng();
    measure_and_show();
    leave_lttng();
    monitor_stop();
    return 0;
}
