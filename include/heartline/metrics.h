/* heartline/metrics.h - what the process costs right now, for a bug report.
 *
 *     monitor_metrics metrics;
 *     char json[65536];
 *     if (monitor_sample(2000, &metrics) == 0) {
 *         monitor_metrics_json(&metrics, json, sizeof json);
 *         puts(json);
 *         monitor_metrics_release(&metrics);
 *     }
 *
 * Independent of the monitor thread: it need not run.
 */
#ifndef HEARTLINE_METRICS_H
#define HEARTLINE_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if !defined(MONITOR_API)
#define MONITOR_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint64_t tid;
    char name[64];      /* as the thread was named; "" = unnamed. Any bytes but NUL */
    bool cpu_known;     /* false: cpu_percent could not be had */
    double cpu_percent; /* of one core, over the window */
} monitor_thread_metrics;

/* A figure that could not be had has its _known false; it is never a 0 that
 * stands for nothing. */
typedef struct {
    const char *platform; /* "linux", "macos", "none": a constant */
    const char *reason;   /* NULL, or why nothing at all could be measured: a constant */
    uint64_t window_ms;   /* the time that really passed between the two readings */

    bool cpu_known, rss_known, vm_size_known, uptime_known;
    double cpu_percent; /* of one core: two busy cores = 200 */
    uint64_t rss_bytes;
    uint64_t vm_size_bytes;
    double uptime_s; /* since the real start of the process */

    bool threads_known;
    size_t thread_count;
    monitor_thread_metrics *threads; /* sorted by tid; owned, see monitor_metrics_release */
} monitor_metrics;

/* Takes two readings window_ms milliseconds apart (0 to 24 h) and blocks in
 * between. A thread that began inside the window shows what it used in it; one
 * that ended inside it is absent. Returns 0 and fills *out, also where nothing
 * can be measured (then reason is set); -EINVAL: out is NULL or the window is
 * too long; -ENOMEM. */
MONITOR_API int monitor_sample(uint64_t window_ms, monitor_metrics *out);

/* Gives back what monitor_sample took. NULL and a second call are harmless. */
MONITOR_API void monitor_metrics_release(monitor_metrics *metrics);

/* Writes one JSON object, as snprintf: at most size bytes with the terminator,
 * returns the length it would have without bounds. The shape, the same on
 * every platform (one line in reality):
 *   {"sample_window_ms":2000,
 *    "process":{"cpu_percent":612.4,"rss_kb":1234,"vm_size_kb":5678,"uptime_secs":90},
 *    "threads":[{"tid":1,"name":"worker","cpu_percent":99.8}],
 *    "platform":"linux"}
 * or {"platform":"none","available":false,"reason":"..."}. A figure that could
 * not be had is null. Needs no locale; allocates nothing. */
MONITOR_API size_t monitor_metrics_json(const monitor_metrics *metrics, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif
#endif
