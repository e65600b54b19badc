/* platform/linux/process.c - figures of the whole process.
 *
 * Memory and the number of threads come from one read of `status`, whose cost
 * does not grow with the process. CPU time and `io` are summed over all threads
 * by the kernel, so they are read only when wanted. `stat` is summed twice, so
 * it is read once: the start of a process does not change.
 */
#define _GNU_SOURCE
#include "plat.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define FROM_STATUS                                                              \
    (HL_KNOWN(HL_PLAT_RSS) | HL_KNOWN(HL_PLAT_PEAK_RSS) | HL_KNOWN(HL_PLAT_VM) | \
     HL_KNOWN(HL_PLAT_THREADS))

void hl_plat_open_status(struct hl_plat *plat)
{
    hl_plat_let_go(&plat->status);
    int descriptor = hl_plat_open_own("status", O_RDONLY);
    if (descriptor >= 0)
        descriptor = hl_plat_raise(descriptor);
    if (descriptor >= 0 && hl_plat_keep(&plat->status, descriptor))
        plat->status_tid = hl_plat_thread_id();
}

/* 0 or a negative errno. */
static int read_kept_status(struct hl_plat *plat, struct hl_plat_status *status)
{
    int descriptor = hl_plat_ours(&plat->status);
    if (descriptor < 0)
        return -EBADF;
    ssize_t size = pread(descriptor, plat->buffer, sizeof plat->buffer, 0);
    if (size < 0)
        return -errno;
    hl_plat_parse_status(plat->buffer, (size_t)size, status);
    return 0;
}

static int read_new_status(struct hl_plat *plat, struct hl_plat_status *status)
{
    hl_plat_open_status(plat);
    if (hl_plat_ours(&plat->status) >= 0)
        return read_kept_status(plat, status);
    /* No room for one to keep; perhaps for one to pass. */
    ssize_t size = hl_plat_read_own(plat, "status", plat->buffer, sizeof plat->buffer);
    if (size < 0)
        return (int)size;
    hl_plat_parse_status(plat->buffer, (size_t)size, status);
    return 0;
}

int hl_plat_read_status(struct hl_plat *plat, struct hl_plat_status *status)
{
    int result = read_kept_status(plat, status);

    /* A thread that has ended leaves ESRCH, or, if it was the first, a text without memory. */
    bool is_stale = result == 0 && status->rss_bytes == HL_PLAT_UNKNOWN &&
                    plat->status_tid != hl_plat_thread_id();
    if (result < 0 || is_stale)
        result = read_new_status(plat, status);
    return result;
}

static void set(struct hl_plat *plat, struct hl_plat_process *process, enum hl_plat_key key,
                uint64_t *field, uint64_t value)
{
    if (value == HL_PLAT_UNKNOWN) {
        hl_plat_miss_because(plat, key, hl_plat_not_understood);
        return;
    }
    *field = value;
    process->known |= HL_KNOWN(key);
}

static void add_status(struct hl_plat *plat, struct hl_plat_process *process)
{
    struct hl_plat_status status;
    int result = hl_plat_read_status(plat, &status);

    if (result < 0) {
        hl_plat_miss(plat, HL_PLAT_RSS, -result);
        hl_plat_miss(plat, HL_PLAT_PEAK_RSS, -result);
        hl_plat_miss(plat, HL_PLAT_VM, -result);
        hl_plat_miss(plat, HL_PLAT_THREADS, -result);
        return;
    }
    set(plat, process, HL_PLAT_RSS, &process->rss_bytes, status.rss_bytes);
    set(plat, process, HL_PLAT_PEAK_RSS, &process->peak_rss_bytes, status.peak_rss_bytes);
    set(plat, process, HL_PLAT_VM, &process->vm_bytes, status.vm_bytes);
    set(plat, process, HL_PLAT_THREADS, &process->threads, status.threads);
}

static void add_cpu(struct hl_plat *plat, struct hl_plat_process *process)
{
    if (!hl_plat_read_clock(CLOCK_PROCESS_CPUTIME_ID, &process->cpu_ns)) {
        hl_plat_miss(plat, HL_PLAT_CPU, errno);
        return;
    }
    process->known |= HL_KNOWN(HL_PLAT_CPU);
}

static void add_io(struct hl_plat *plat, struct hl_plat_process *process)
{
    char text[512];
    ssize_t size = hl_plat_read_file(plat, AT_FDCWD, "/proc/self/io", text, sizeof text);

    if (size < 0) {
        hl_plat_miss(plat, HL_PLAT_IO, (int)-size);
        return;
    }
    if (!hl_plat_parse_io(text, (size_t)size, &process->read_bytes, &process->written_bytes)) {
        process->read_bytes = process->written_bytes = 0;
        hl_plat_miss_because(plat, HL_PLAT_IO, hl_plat_not_understood);
        return;
    }
    process->known |= HL_KNOWN(HL_PLAT_IO);
}

uint64_t hl_plat_ticks_to_ns(uint64_t ticks)
{
    long per_second = sysconf(_SC_CLK_TCK);
    uint64_t rate = per_second > 0 ? (uint64_t)per_second : 0;

    if (rate == 0 || rate > 1000000000u || ticks / rate > UINT64_MAX / 2 / 1000000000u)
        return HL_PLAT_UNKNOWN;
    return ticks / rate * 1000000000u + ticks % rate * 1000000000u / rate;
}

/* Reads when the process started. false: why is noted. */
static bool find_start(struct hl_plat *plat)
{
    char text[1024], state;
    uint64_t ticks = HL_PLAT_UNKNOWN;
    ssize_t size = hl_plat_read_file(plat, AT_FDCWD, "/proc/self/stat", text, sizeof text);

    if (size < 0) {
        hl_plat_miss(plat, HL_PLAT_START, (int)-size);
        return false;
    }
    hl_plat_parse_stat(text, (size_t)size, &state, &ticks);
    uint64_t start = ticks == HL_PLAT_UNKNOWN ? HL_PLAT_UNKNOWN : hl_plat_ticks_to_ns(ticks);
    if (start == HL_PLAT_UNKNOWN) {
        hl_plat_miss_because(plat, HL_PLAT_START, hl_plat_not_understood);
        return false;
    }
    plat->start_ns = start;
    return true;
}

static void add_age(struct hl_plat *plat, struct hl_plat_process *process)
{
    uint64_t now_ns;

    if (plat->start_ns == 0 && !find_start(plat))
        return;
    if (!hl_plat_read_clock(CLOCK_BOOTTIME, &now_ns)) {
        hl_plat_miss(plat, HL_PLAT_START, errno);
        return;
    }
    if (now_ns < plat->start_ns) {
        hl_plat_miss_because(plat, HL_PLAT_START, "the process seems to start in the future");
        return;
    }
    process->age_ns = now_ns - plat->start_ns;
    process->known |= HL_KNOWN(HL_PLAT_START);
}

void hl_plat_process(struct hl_plat *plat, uint32_t wanted, struct hl_plat_process *process)
{
    int saved = errno;

    *process = (struct hl_plat_process){0};
    if (wanted & HL_KNOWN(HL_PLAT_CPU))
        add_cpu(plat, process);
    if (wanted & FROM_STATUS)
        add_status(plat, process);
    if (wanted & HL_KNOWN(HL_PLAT_IO))
        add_io(plat, process);
    if (wanted & HL_KNOWN(HL_PLAT_START))
        add_age(plat, process);
    errno = saved;
}
