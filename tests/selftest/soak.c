/* tests/selftest/soak.c - what ten thousand samples leave behind: nothing.
 *
 * On macOS each sample is handed a reference to every thread's port and a piece
 * of memory, and has to give back both. A reference that is kept makes no new port
 * name while its thread lives, it counts up the one that is there: so references
 * are counted, of threads that live throughout, and names beside them. The memory
 * is a page a sample, so a sample that keeps it is seen by 40 MiB.
 *
 * Tolerances: references not one. Names a few, which the C library makes for
 * itself when something is first used. Memory 4 MiB (400 bytes a sample), because Linux
 * counts it by tens of pages per core.
 */
#include "selftest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SAMPLES 10000
#define WARM_UP 500
#define ROUNDS 50 /* of starting and stopping the monitor */
#define COMPANY 3 /* threads that live throughout */
#define MORE_NAMES 4
#define MORE_BYTES (UINT64_C(4) << 20)

/* What must not grow. */
struct holdings {
    uint64_t references, names, rss_bytes, vm_bytes;
    unsigned descriptors;
    bool has_rights, has_rss, has_vm;
    size_t threads;
};

static unsigned count_descriptors(void)
{
    struct rlimit limit;
    unsigned count = 0;
    int end = 4096;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 4096)
        end = (int)limit.rlim_cur;
    for (int i = 0; i < end; i++)
        count += fcntl(i, F_GETFD) >= 0;
    return count;
}

static void take_stock(const pthread_t *threads, struct holdings *holdings)
{
    monitor_metrics metrics;

    if (monitor_sample(0, &metrics) != 0)
        exit(say(FAIL, "monitor_sample failed"));
    *holdings = (struct holdings){
        .rss_bytes = metrics.rss_bytes,
        .vm_bytes = metrics.vm_size_bytes,
        .has_rss = metrics.rss_known,
        .has_vm = metrics.vm_size_known,
        .threads = metrics.thread_count,
        .descriptors = count_descriptors(),
    };
    monitor_metrics_release(&metrics);
    holdings->has_rights =
        count_rights(threads, COMPANY + 1, &holdings->references, &holdings->names);
}

static void take_samples(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        monitor_metrics metrics;
        if (monitor_sample(0, &metrics) != 0)
            exit(say(FAIL, "sample %u failed", i));
        monitor_metrics_release(&metrics);
    }
}

static void start_and_stop(unsigned rounds)
{
    static struct lines lines;

    for (unsigned i = 0; i < rounds; i++) {
        int error = start_recording(&lines, 10, 0);
        if (error)
            exit(say(FAIL, "start %u: %s", i, strerror(-error)));
        sleep_until(now() + 0.015);
        error = monitor_stop();
        if (error)
            exit(say(FAIL, "stop %u: %s", i, strerror(-error)));
    }
}

static bool has_grown(const struct holdings *before, const struct holdings *after)
{
    return after->descriptors != before->descriptors || after->threads != before->threads ||
           (before->has_rss && after->rss_bytes > before->rss_bytes + MORE_BYTES) ||
           (before->has_vm && after->vm_bytes > before->vm_bytes + 4 * MORE_BYTES) ||
           (before->has_rights &&
            (after->references != before->references || after->names > before->names + MORE_NAMES));
}

static long long growth(uint64_t before, uint64_t after)
{
    return (long long)(after - before);
}

enum outcome check_soak(void)
{
    struct worker company[COMPANY] = {0};
    pthread_t threads[COMPANY + 1] = {pthread_self()};
    struct holdings before, sampled, started;

    for (unsigned i = 0; i < COMPANY; i++) {
        company[i].leave_at = now() + 3600;
        start_worker(&company[i]);
        threads[i + 1] = company[i].thread;
    }
    take_samples(WARM_UP);
    start_and_stop(2);
    take_stock(threads, &before);
    take_samples(SAMPLES);
    take_stock(threads, &sampled);
    start_and_stop(ROUNDS);
    take_stock(threads, &started);

    char memory[96] = "unknown", rights[160] = "no Mach ports here";
    if (before.has_rss)
        snprintf(memory, sizeof memory, "%+lld KiB, %+lld KiB",
                 growth(before.rss_bytes, sampled.rss_bytes) / 1024,
                 growth(before.rss_bytes, started.rss_bytes) / 1024);
    if (before.has_rights)
        snprintf(rights, sizeof rights,
                 "references to %d threads' ports %llu, then %+lld, %+lld; port names %llu, then "
                 "%+lld, %+lld",
                 COMPANY + 1, (unsigned long long)before.references,
                 growth(before.references, sampled.references),
                 growth(before.references, started.references), (unsigned long long)before.names,
                 growth(before.names, sampled.names), growth(before.names, started.names));
    bool is_well = !has_grown(&before, &sampled) && !has_grown(&before, &started);
    return say(is_well ? PASS : FAIL,
               "after %d samples and %d starts: resident %s; descriptors %u, %u, %u; %s", SAMPLES,
               ROUNDS, memory, before.descriptors, sampled.descriptors, started.descriptors,
               rights);
}
