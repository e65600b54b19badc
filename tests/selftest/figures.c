/* tests/selftest/figures.c - names, memory and uptime: figures with a known true value. */
#include "selftest.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- (iv) ------------------------------------------------------------------------------ */

/* NULL, or what is wrong with it. */
static const char *look_for(const monitor_metrics *metrics, const struct worker *worker)
{
    const monitor_thread_metrics *thread = find_thread(metrics, atomic_load(&worker->tid));

    if (!thread)
        return "it is not in the list";
    return strcmp(thread->name, worker->name) == 0 ? NULL : "it has another name";
}

static bool has_name(const monitor_metrics *metrics, const char *name)
{
    for (size_t i = 0; i < metrics->thread_count; i++)
        if (strcmp(metrics->threads[i].name, name) == 0)
            return true;
    return false;
}

enum outcome check_names(void)
{
    static struct lines lines;
    char longest[64] = "";
    struct worker burner = {.name = "selftest-burns"}, sleeper = {.name = longest};
    monitor_metrics metrics;
    int error = start_recording(&lines, 60000, 0);

    if (error)
        return say(FAIL, "monitor_start: %s", strerror(-error));
    memset(longest, 'n', longest_name);
    burner.burn_until = burner.leave_at = sleeper.leave_at = now() + 1.0;
    start_worker(&burner);
    start_worker(&sleeper);
    double began = now(), used = workers_cpu_seconds(&burner, 1);
    if (monitor_sample(500, &metrics) != 0)
        return say(FAIL, "monitor_sample failed");
    double own = 100 * (workers_cpu_seconds(&burner, 1) - used) / (now() - began);
    join_workers(&burner, 1);
    join_workers(&sleeper, 1);
    if (metrics.reason)
        return say(SKIP, "%s", metrics.reason);
    if (!metrics.threads_known)
        return say(FAIL, "the threads are not known, and no reason is given");

    const monitor_thread_metrics *thread = find_thread(&metrics, atomic_load(&burner.tid));
    const char *burner_is = look_for(&metrics, &burner), *sleeper_is = look_for(&metrics, &sleeper);
    double percent = thread && thread->cpu_known ? thread->cpu_percent : NAN;
    bool has_own = has_name(&metrics, "heartline");
    bool is_well = !burner_is && !sleeper_is && has_own && fabs(percent - own) <= 12.5;
    return say(is_well ? PASS : FAIL,
               "%s by id %llu: %s; %.0f %% of a core, %.0f by its own clock; one of %zu bytes: %s; "
               "the monitor's own: %s",
               burner.name, (unsigned long long)atomic_load(&burner.tid),
               burner_is ? burner_is : "found", percent, own, longest_name,
               sleeper_is ? sleeper_is : "found", has_own ? "found" : "missing");
}

/* ---- (xi) ------------------------------------------------------------------------------ */

#define TOUCHED (UINT64_C(64) << 20)
#define MARGIN (UINT64_C(8) << 20)

static bool is_about(uint64_t before, uint64_t after, uint64_t grown)
{
    return after + MARGIN >= before + grown && after <= before + grown + MARGIN;
}

enum outcome check_memory(void)
{
    monitor_metrics before, touched, given_back;
    double began = now();

    if (monitor_sample(0, &before) != 0)
        return say(FAIL, "monitor_sample failed");
    if (before.reason)
        return say(SKIP, "%s", before.reason);
    char *memory = mmap(NULL, TOUCHED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (memory == MAP_FAILED)
        return say(SKIP, "no memory to touch");
    memset(memory, 1, TOUCHED);
    int error = monitor_sample(0, &touched);
    munmap(memory, TOUCHED);
    sleep_until(began + 1);
    if (error != 0 || monitor_sample(0, &given_back) != 0)
        return say(FAIL, "monitor_sample failed");

    double aged = given_back.uptime_s - before.uptime_s, passed = now() - began;
    bool is_well = before.rss_known && before.vm_size_known && before.uptime_known &&
                   is_about(before.rss_bytes, touched.rss_bytes, TOUCHED) &&
                   is_about(before.rss_bytes, given_back.rss_bytes, 0) &&
                   touched.vm_size_bytes >= before.vm_size_bytes + TOUCHED - MARGIN &&
                   before.uptime_s < 5 && fabs(aged - passed) < 0.2;
    return say(is_well ? PASS : FAIL,
               "64 MiB touched: resident %+lld MiB, then %+lld MiB; uptime %.2f s at first, and "
               "%.2f s later %.2f s more",
               (long long)(touched.rss_bytes - before.rss_bytes) >> 20,
               (long long)(given_back.rss_bytes - touched.rss_bytes) >> 20, before.uptime_s, passed,
               aged);
}
