/* monitor/metrics.c - two readings, the difference between them, and its JSON.
 *
 * Needs neither the monitor thread nor the monitor's platform handle: it opens
 * one of its own and takes memory in the caller's thread. Threads come in no
 * order and may begin, end or pass their tid on between the readings, so both
 * lists are sorted and walked side by side. Figures are written by hand, because
 * printf takes its decimal point from the locale.
 */
#include <heartline/metrics.h>

#include "encoding.h"
#include "rates.h"

#include "../platform/platform.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
#define LONGEST_WINDOW_MS (UINT64_C(24) * 60 * 60 * 1000)
#define UNKNOWN_CPU UINT64_MAX
#define SIZES_AND_AGE (HL_KNOWN(HL_PLAT_RSS) | HL_KNOWN(HL_PLAT_VM) | HL_KNOWN(HL_PLAT_START))

static_assert(HL_PLAT_NAME_BYTES == sizeof((monitor_thread_metrics *)0)->name,
              "names are read where they are kept");

struct reading {
    uint64_t at_ns; /* taken beside cpu, so that short windows are not all skew */
    struct hl_plat_process cpu, process;
    bool has_threads;
    struct hl_plat_thread *threads; /* sorted by tid */
    size_t count;
};

/* ---- one reading ------------------------------------------------------------------ */

static int by_tid(const void *left, const void *right)
{
    uint64_t a = ((const struct hl_plat_thread *)left)->tid;
    uint64_t b = ((const struct hl_plat_thread *)right)->tid;
    return (a > b) - (a < b);
}

/* Asks again with more room while threads are born faster than we can list them. */
static int list_threads(struct hl_plat *plat, struct reading *reading)
{
    size_t capacity = 64, total = 0;
    for (;;) {
        if (capacity > SIZE_MAX / sizeof *reading->threads / 2)
            return -ENOMEM;
        struct hl_plat_thread *threads = malloc(capacity * sizeof *threads);
        if (threads == NULL)
            return -ENOMEM;
        reading->threads = threads;
        reading->has_threads = hl_plat_threads(plat, threads, capacity, &total);
        if (!reading->has_threads || total <= capacity)
            break;
        free(threads);
        reading->threads = NULL;
        capacity = total > SIZE_MAX / 2 ? total : total + total / 4;
    }
    reading->count = reading->has_threads ? total : 0;
    qsort(reading->threads, reading->count, sizeof *reading->threads, by_tid);
    return 0;
}

static int take_reading(struct hl_plat *plat, struct reading *reading)
{
    hl_plat_process(plat, SIZES_AND_AGE, &reading->process);
    hl_plat_process(plat, HL_KNOWN(HL_PLAT_CPU), &reading->cpu);
    reading->at_ns = hl_plat_now_ns();
    return list_threads(plat, reading);
}

static void wait_until(struct hl_plat *plat, uint64_t until_ns)
{
    struct hl_plat_wait wait;
    for (uint64_t now = hl_plat_now_ns(); now < until_ns; now = hl_plat_now_ns())
        hl_plat_wait(plat, until_ns - now, &wait);
}

/* ---- the difference ----------------------------------------------------------------- */

static double percent(uint64_t used_ns, uint64_t elapsed_ns)
{
    return elapsed_ns == 0 ? 0.0 : 100.0 * (double)used_ns / (double)elapsed_ns;
}

static uint64_t difference(uint64_t before, uint64_t after)
{
    return after > before ? after - before : 0;
}

/* What the thread used in the window. `before` is NULL for one that began in it.
 * Less than before means that another thread has the tid now, and that all of it
 * is new, unless that is more than the window holds: then it is a broken counter. */
static uint64_t used_in_window(const struct hl_plat_thread *before,
                               const struct hl_plat_thread *after, uint64_t elapsed_ns)
{
    if (after->cpu_ns == UNKNOWN_CPU || (before != NULL && before->cpu_ns == UNKNOWN_CPU))
        return UNKNOWN_CPU;
    if (before == NULL)
        return after->cpu_ns;
    if (after->cpu_ns < before->cpu_ns)
        return after->cpu_ns <= elapsed_ns ? after->cpu_ns : 0;
    return after->cpu_ns - before->cpu_ns;
}

/* A thread has at most one core; a short window and a counter that moves in
 * ticks would say otherwise. */
static double thread_percent(uint64_t used_ns, uint64_t elapsed_ns)
{
    return percent(used_ns < elapsed_ns ? used_ns : elapsed_ns, elapsed_ns);
}

static void compare_threads(struct hl_plat *plat, const struct reading *before,
                            const struct reading *after, monitor_metrics *out)
{
    uint64_t elapsed_ns = difference(before->at_ns, after->at_ns);
    for (size_t i = 0, old = 0; i < after->count; i++) {
        const struct hl_plat_thread *now = &after->threads[i], *was = NULL;
        monitor_thread_metrics *thread = &out->threads[i];
        while (old < before->count && before->threads[old].tid < now->tid)
            old++;
        if (old < before->count && before->threads[old].tid == now->tid)
            was = &before->threads[old];
        uint64_t used_ns = used_in_window(was, now, elapsed_ns);
        thread->tid = now->tid;
        if (!hl_plat_thread_name(plat, now->tid, thread->name))
            thread->name[0] = '\0';
        thread->cpu_known = before->has_threads && used_ns != UNKNOWN_CPU;
        thread->cpu_percent = thread->cpu_known ? thread_percent(used_ns, elapsed_ns) : 0.0;
    }
}

static int compare_thread_lists(struct hl_plat *plat, const struct reading *before,
                                const struct reading *after, monitor_metrics *out)
{
    if (!after->has_threads)
        return 0;
    out->threads = calloc(after->count + 1, sizeof *out->threads);
    if (out->threads == NULL)
        return -ENOMEM;
    out->threads_known = true;
    out->thread_count = after->count;
    compare_threads(plat, before, after, out);
    return 0;
}

static void compare_process(struct hl_plat *plat, const struct reading *before,
                            const struct reading *after, monitor_metrics *out)
{
    const struct hl_plat_process *was = &before->cpu, *now_cpu = &after->cpu;
    const struct hl_plat_process *now = &after->process;
    uint64_t elapsed_ns = difference(before->at_ns, after->at_ns);
    out->window_ms = elapsed_ns / NS_PER_MS;
    uint64_t used_ns = difference(was->cpu_ns, now_cpu->cpu_ns);
    out->cpu_known = (was->known & now_cpu->known & HL_KNOWN(HL_PLAT_CPU)) != 0 &&
                     hl_rate_is_possible(used_ns, elapsed_ns, hl_plat_most_cores(plat));
    out->rss_known = (now->known & HL_KNOWN(HL_PLAT_RSS)) != 0;
    out->vm_size_known = (now->known & HL_KNOWN(HL_PLAT_VM)) != 0;
    out->uptime_known = (now->known & HL_KNOWN(HL_PLAT_START)) != 0;
    if (out->cpu_known)
        out->cpu_percent = percent(used_ns, elapsed_ns);
    if (out->rss_known)
        out->rss_bytes = now->rss_bytes;
    if (out->vm_size_known)
        out->vm_size_bytes = now->vm_bytes;
    if (out->uptime_known)
        out->uptime_s = (double)now->age_ns / 1e9;
}

/* ---- sampling ----------------------------------------------------------------------- */

static int compare(struct hl_plat *plat, const struct reading *before, const struct reading *after,
                   monitor_metrics *out)
{
    compare_process(plat, before, after, out);
    int error = compare_thread_lists(plat, before, after, out);
    if (!out->cpu_known && !out->rss_known && !out->vm_size_known && !out->uptime_known &&
        !after->has_threads)
        out->reason = hl_plat_why(plat, HL_PLAT_CPU);
    return error;
}

static int sample(uint64_t window_ms, monitor_metrics *out)
{
    struct hl_plat *plat = hl_plat_open();
    if (plat == NULL)
        return -ENOMEM;
    struct reading before = {0}, after = {0};
    int error = take_reading(plat, &before);
    if (error == 0) {
        wait_until(plat, before.at_ns + window_ms * NS_PER_MS);
        error = take_reading(plat, &after);
    }
    if (error == 0)
        error = compare(plat, &before, &after, out);
    free(before.threads);
    free(after.threads);
    hl_plat_close(plat);
    return error;
}

int monitor_sample(uint64_t window_ms, monitor_metrics *out)
{
    if (out == NULL || window_ms > LONGEST_WINDOW_MS)
        return -EINVAL;
    int saved = errno;
    *out = (monitor_metrics){.platform = hl_plat_name};
    int error = sample(window_ms, out);
    errno = saved;
    return error;
}

void monitor_metrics_release(monitor_metrics *metrics)
{
    if (metrics == NULL)
        return;
    int saved = errno;
    free(metrics->threads);
    errno = saved;
    metrics->threads = NULL;
    metrics->thread_count = 0;
    metrics->threads_known = false;
}

/* ---- JSON ----------------------------------------------------------------------------- */

/* Counts everything, keeps what fits. */
struct output {
    char *buffer;
    size_t size, length;
};

static void put_bytes(struct output *output, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++, output->length++)
        if (output->length + 1 < output->size)
            output->buffer[output->length] = bytes[i];
}

static void put(struct output *output, const char *text)
{
    put_bytes(output, text, strlen(text));
}

static void put_number(struct output *output, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    put_bytes(output, digits + at, sizeof digits - at);
}

/* Not negative, not NaN, and small enough for an integer, whatever the caller put there. */
static uint64_t to_integer(double value)
{
    if (!(value > 0.0))
        return 0;
    return value < 1e18 ? (uint64_t)value : UINT64_C(1000000000000000000);
}

static void put_percent(struct output *output, double value)
{
    uint64_t tenths = to_integer(value * 10.0 + 0.5);
    put_number(output, tenths / 10);
    put(output, ".");
    put_number(output, tenths % 10);
}

static void put_text(struct output *output, const char *text, size_t most)
{
    const char *end = memchr(text, 0, most);
    size_t length = end != NULL ? (size_t)(end - text) : most;
    char escaped[HL_ESCAPED_BYTES];
    put(output, "\"");
    for (size_t at = 0, taken; at < length; at += taken)
        put_bytes(output, escaped, hl_escape(text + at, length - at, escaped, &taken));
    put(output, "\"");
}

static void put_constant(struct output *output, const char *text)
{
    if (text == NULL)
        put(output, "null");
    else
        put_text(output, text, strlen(text));
}

static void put_known_number(struct output *output, bool known, uint64_t n)
{
    if (known)
        put_number(output, n);
    else
        put(output, "null");
}

static void put_known_percent(struct output *output, bool known, double value)
{
    if (known)
        put_percent(output, value);
    else
        put(output, "null");
}

static void put_process(struct output *output, const monitor_metrics *metrics)
{
    put(output, "{\"cpu_percent\":");
    put_known_percent(output, metrics->cpu_known, metrics->cpu_percent);
    put(output, ",\"rss_kb\":");
    put_known_number(output, metrics->rss_known, metrics->rss_bytes / 1024);
    put(output, ",\"vm_size_kb\":");
    put_known_number(output, metrics->vm_size_known, metrics->vm_size_bytes / 1024);
    put(output, ",\"uptime_secs\":");
    put_known_number(output, metrics->uptime_known, to_integer(metrics->uptime_s));
    put(output, "}");
}

static void put_thread(struct output *output, const monitor_thread_metrics *thread)
{
    put(output, "{\"tid\":");
    put_number(output, thread->tid);
    put(output, ",\"name\":");
    put_text(output, thread->name, sizeof thread->name);
    put(output, ",\"cpu_percent\":");
    put_known_percent(output, thread->cpu_known, thread->cpu_percent);
    put(output, "}");
}

static void put_threads(struct output *output, const monitor_metrics *metrics)
{
    if (!metrics->threads_known) {
        put(output, "null");
        return;
    }
    put(output, "[");
    for (size_t i = 0; i < metrics->thread_count; i++) {
        if (i > 0)
            put(output, ",");
        put_thread(output, &metrics->threads[i]);
    }
    put(output, "]");
}

static void put_available(struct output *output, const monitor_metrics *metrics)
{
    put(output, "{\"sample_window_ms\":");
    put_number(output, metrics->window_ms);
    put(output, ",\"process\":");
    put_process(output, metrics);
    put(output, ",\"threads\":");
    put_threads(output, metrics);
    put(output, ",\"platform\":");
    put_constant(output, metrics->platform);
    put(output, "}");
}

static void put_unavailable(struct output *output, const monitor_metrics *metrics)
{
    put(output, "{\"platform\":");
    put_constant(output, metrics->platform);
    put(output, ",\"available\":false,\"reason\":");
    put_constant(output, metrics->reason);
    put(output, "}");
}

size_t monitor_metrics_json(const monitor_metrics *metrics, char *buffer, size_t size)
{
    struct output output = {.buffer = buffer, .size = buffer != NULL ? size : 0};
    if (metrics == NULL)
        put(&output, "null");
    else if (metrics->reason != NULL)
        put_unavailable(&output, metrics);
    else
        put_available(&output, metrics);
    if (output.size > 0)
        buffer[output.length < output.size ? output.length : output.size - 1] = '\0';
    return output.length;
}
