/* tests/bench/sample_bench.c - what it costs to read the CPU time of every thread, and the
 * figures of the process.
 *
 * Heartline's answers are asked of the platform that the library is made of, as the
 * monitor asks them at each heartbeat; so its own bookkeeping is not in them, nor
 * is that of a peer that is a library. Peers that are programs come with their start
 * and with what they print (to nowhere): what an operator pays who asks them.
 *
 * All figures are CPU time of whoever takes the sample, so that spinning threads
 * beside it do not count. Programs say with wait4 what they used, psutil times
 * its own calls. One round has a sample by each of a table, in a new order; a quick sample
 * is repeated until a millisecond is used.
 */
#include "bench.h"
#include "child.h"
#include "crowd.h"
#include "sample_peers.h"

#include "../../platform/platform.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WORTH_NS MS /* what is measured at once */
#define ROOM 64
#define MOST_THREADS 10000

static struct hl_plat *plat;
static size_t crowd; /* how many threads wait */
static unsigned rounds;
static char failure[160]; /* why the last sample could not be taken */

/* ---- in this process ------------------------------------------------------------------ */

static double cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

static double cost_of(bool (*sample)(void))
{
    for (unsigned times = 1; sample(); times *= 2) {
        double began = cpu_ns();
        for (unsigned i = 0; i < times; i++)
            sample();
        double used = cpu_ns() - began;
        if (used >= WORTH_NS)
            return used / times;
    }
    snprintf(failure, sizeof failure, "does not see all that there is");
    return NAN;
}

static struct hl_plat_thread threads[2 * MOST_THREADS];
static size_t listed;

static bool list_threads(void)
{
    size_t capacity = sizeof threads / sizeof threads[0];
    return hl_plat_threads(plat, threads, capacity, &listed) && listed > crowd;
}

/* As the monitor does: the list is not read again while it holds. */
static bool sample_threads(void)
{
    return (listed > crowd && hl_plat_threads_again(plat, threads, listed)) || list_threads();
}

static bool read_threads(void)
{
    return proc_threads() > crowd;
}

static bool sample_process(void)
{
    static const uint32_t every_figure = HL_KNOWN(HL_PLAT_CPU) | HL_KNOWN(HL_PLAT_RSS) |
                                         HL_KNOWN(HL_PLAT_PEAK_RSS) | HL_KNOWN(HL_PLAT_VM) |
                                         HL_KNOWN(HL_PLAT_THREADS) | HL_KNOWN(HL_PLAT_IO);
    struct hl_plat_process process;
    hl_plat_process(plat, every_figure, &process);
    return process.known == every_figure;
}

static double cost_of_ours(void)
{
    return cost_of(sample_threads);
}

static double cost_of_our_list(void)
{
    return cost_of(list_threads);
}

static double cost_of_files(void)
{
    return cost_of(read_threads);
}

static double cost_of_our_process(void)
{
    return cost_of(sample_process);
}

static double cost_of_process_files(void)
{
    return cost_of(proc_process);
}

#ifdef LIBPROC2_WAS_THERE
static bool ask_libproc2(void)
{
    return libproc2_threads() > crowd;
}

static double cost_of_libproc2(void)
{
    return cost_of(ask_libproc2);
}
#else
static double cost_of_libproc2(void)
{
    snprintf(failure, sizeof failure, "absent: libproc2-dev was not there when this was built");
    return NAN;
}
#endif

/* ---- programs ------------------------------------------------------------------------- */

static const char *own_pid(void)
{
    static char text[24];
    snprintf(text, sizeof text, "%ld", (long)getpid());
    return text;
}

static double fail(const char *program, const char *package, int status)
{
    if (status == 127)
        snprintf(failure, sizeof failure, "absent: %s", package);
    else
        snprintf(failure, sizeof failure, "%s ended with status %d", program, status);
    return NAN;
}

static double cost_of_program(const char *package, const char *const *arguments)
{
    struct bench_child child = bench_child_run(arguments);
    return child.status == 0 ? child.cpu_ns : fail(arguments[0], package, child.status);
}

#define COST_OF_PROGRAM(package, ...) \
    cost_of_program(package, (const char *const[]){__VA_ARGS__, NULL})

static double cost_of_ps(void)
{
    return COST_OF_PROGRAM("procps", "ps", "-L", "-p", own_pid());
}

static double cost_of_top(void)
{
    return COST_OF_PROGRAM("procps", "top", "-H", "-b", "-n1", "-p", own_pid());
}

static double cost_of_pidstat(void)
{
    return COST_OF_PROGRAM("sysstat", "pidstat", "-t", "-p", own_pid());
}

/* The system's own first: another that is before it in PATH rarely has psutil. NULL: none has. */
static const char *find_python(void)
{
    static const char *const pythons[] = {"/usr/bin/python3", "python3"};
    for (size_t i = 0; i < sizeof pythons / sizeof pythons[0]; i++) {
        const char *const arguments[] = {pythons[i], "-c", "import psutil", NULL};
        if (bench_child_run(arguments).status == 0)
            return pythons[i];
    }
    return NULL;
}

static double cost_of_psutil(void)
{
    static const char script[] = "import sys, time, psutil\n"
                                 "process, times = psutil.Process(int(sys.argv[1])), "
                                 "int(sys.argv[2])\n"
                                 "process.threads()\n"
                                 "began = time.process_time_ns()\n"
                                 "for _ in range(times): process.threads()\n"
                                 "print((time.process_time_ns() - began) / times)\n";
    static const char *python;
    char times[24];
    if (!python && !(python = find_python()))
        return fail("python3", "python3-psutil", 127);
    snprintf(times, sizeof times, "%zu", 1 + 1000 / crowd);
    const char *const arguments[] = {python, "-c", script, own_pid(), times, NULL};
    struct bench_child child = bench_child_ask(arguments);
    return child.status == 0 ? strtod(child.last_line, NULL)
                             : fail(python, "python3-psutil", child.status);
}

/* ---- all of them ---------------------------------------------------------------------------- */

enum {
    OURS,
    OUR_LIST,
    FILES,
    LIBPROC2,
    PSUTIL,
    PS,
    TOP,
    PIDSTAT,
    OUR_PROCESS,
    PROCESS_FILES,
    METHODS,
};

static struct method {
    const char *key, *name;
    double (*cost_ns)(void);
    char absent[160]; /* "": it is there */
    struct bench_spread ns;
} methods[METHODS] = {
    [OURS] = {"threads.ours", "Heartline, no thread has come or gone", .cost_ns = cost_of_ours},
    [OUR_LIST] = {"threads.listed", "Heartline, when one has", .cost_ns = cost_of_our_list},
    [FILES] = {"threads.files", "open, read, close stat and comm of each",
               .cost_ns = cost_of_files},
    [LIBPROC2] = {"threads.libproc2", "libproc2", .cost_ns = cost_of_libproc2},
    [PSUTIL] = {"threads.psutil", "psutil threads()", .cost_ns = cost_of_psutil},
    [PS] = {"threads.ps", "ps -L -p, a process: it reads all of the machine",
            .cost_ns = cost_of_ps},
    [TOP] = {"threads.top", "top -H -b -n1 -p, a process", .cost_ns = cost_of_top},
    [PIDSTAT] = {"threads.pidstat", "pidstat -t -p, a process", .cost_ns = cost_of_pidstat},
    [OUR_PROCESS] = {"process.ours", "figures of the process: Heartline",
                     .cost_ns = cost_of_our_process},
    [PROCESS_FILES] = {"process.files",
                       "figures of the process: status, io, stat by file, affinity",
                       .cost_ns = cost_of_process_files},
};

/* Which are there; warms up, too. */
static void try_all(void)
{
    for (int i = 0; i < METHODS; i++)
        if (!methods[i].absent[0] && isnan(methods[i].cost_ns()))
            snprintf(methods[i].absent, sizeof methods[i].absent, "%s", failure);
}

static void measure_some(int first, int end, unsigned times)
{
    struct bench_case present[METHODS];
    size_t count = 0;
    for (int i = first; i < end; i++)
        if (!methods[i].absent[0])
            present[count++] = (struct bench_case){.cost_ns = methods[i].cost_ns};
    bench_take_rounds(times);
    bench_measure(present, count);
    count = 0;
    for (int i = first; i < end; i++)
        if (!methods[i].absent[0])
            methods[i].ns = present[count++].ns;
}

/* The two of the process have rounds of their own: they are quick and not far apart, and what
 * a program leaves in the caches would be in whichever comes after it. */
static void measure(void)
{
    measure_some(OURS, OUR_PROCESS, rounds);
    measure_some(OUR_PROCESS, METHODS, 4 * rounds);
}

/* ---- what came of it -------------------------------------------------------------------------- */

static void show_one(const struct method *method, const struct method *unit, const char *size)
{
    char key[64];
    struct bench_spread us = {method->ns.low / 1000, method->ns.median / 1000,
                              method->ns.high / 1000};
    if (method->absent[0]) {
        printf("%-58s %s\n", method->name, method->absent);
        return;
    }
    printf("%-58s %9.1f  %8.1f .. %-8.1f %8.1f\n", method->name, us.median, us.low, us.high,
           method->ns.median / unit->ns.median);
    snprintf(key, sizeof key, "sample.%s.%s", method->key, size);
    bench_figure(key, "us", us);
}

static void show(size_t spinning)
{
    char size[32];
    snprintf(size, sizeof size, "%zu%s", crowd, spinning ? ".busy" : "");
    printf("\nOne sample of %zu waiting", crowd);
    if (spinning)
        printf(" and %zu spinning", spinning);
    printf(" threads: CPU time of whoever takes it\n%-58s %9s  %19s %9s\n", "", "median us",
           "middle half of runs", "x ours");
    for (int i = 0; i < METHODS; i++)
        show_one(&methods[i], &methods[i < OUR_PROCESS ? OURS : OUR_PROCESS], size);
}

static void judge_one(const char *id, const char *against, enum bench_form form, int one, int other,
                      double limit)
{
    char what[96];
    snprintf(what, sizeof what, "%s sample, %zu threads / %s", id[1] == '7' ? "thread" : "process",
             crowd, against);
    if (methods[one].absent[0] || methods[other].absent[0])
        printf("goal %s, %s: not measured\n", id, what);
    else
        bench_goal(id, what, form, methods[one].ns.median / methods[other].ns.median, limit);
}

static void judge(void)
{
    judge_one("P7", "stat and comm by file", BENCH_FRACTION, OURS, FILES,
              crowd <= 1000 ? 1.0 / 8 : 1.0 / 5);
    judge_one("P7", "psutil threads()", BENCH_FRACTION, OURS, PSUTIL, 1.0 / 10);
    judge_one("P8", "status, io, stat by file, affinity", BENCH_TIMES, OUR_PROCESS, PROCESS_FILES,
              0.75);
}

/* How many there are: where a limit was hit, programs are to be started beside them. */
static size_t gather(unsigned wanted)
{
    unsigned started = crowd_start(wanted);
    if (started == wanted)
        return started;
    crowd_end();
    return started > ROOM ? crowd_start(started - ROOM) : 0;
}

/* false: there cannot be so many threads. */
static bool sample(unsigned waiting, unsigned spinning)
{
    crowd = gather(waiting);
    if (crowd < waiting)
        printf("\n%u threads were wanted; this machine allows %zu\n", waiting, crowd);
    if (crowd == 0)
        return false;
    if (spinning)
        bench_burn();
    try_all();
    measure();
    if (spinning)
        bench_stop_burning();
    crowd_end();
    show(spinning);
    if (!spinning)
        judge();
    return crowd == waiting;
}

static void sample_crowds(bool quick)
{
    rounds = quick ? 2 : 11;
    if (!sample(10, 0) || !sample(100, 0) || !sample(100, bench_burners()) || quick ||
        !sample(1000, 0))
        return;
    rounds = 5; /* one takes 3 s */
    sample(MOST_THREADS, 0);
}

int sample_bench(bool quick)
{
    plat = hl_plat_open();
    if (!plat) {
        printf("out of memory\n");
        return 1;
    }
    if (!sample_threads()) {
        printf("\nSample: not available on this platform\n");
        hl_plat_close(plat);
        return 0;
    }
    sample_crowds(quick);
    hl_plat_close(plat);
    return 0;
}
