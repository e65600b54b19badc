/* platform/darwin/process.c - figures of the whole process.
 *
 * CPU time. The obvious call is wrong: MACH_TASK_BASIC_INFO covers the threads that
 * have ended and no others (XNU, osfmk/kern/task.c, _task_fill_times), so a pool of
 * threads that live shows nothing, and a spike when one of them ends. Adding
 * TASK_THREAD_TIMES_INFO (those that live) takes two calls: a thread that ends in
 * between is missed or counted twice, with all it ever used. getrusage adds the same
 * two in the kernel. TASK_ABSOLUTETIME_INFO has all threads under one lock; only its
 * total_* are read, as since xnu-8792 its threads_system is added to what the
 * caller's memory held.
 *
 * Those totals are ticks of the hardware. hw.tbfrequency says how many there are in a
 * second; mach_timebase_info does not: to a translated (Rosetta) process it says 1:1.
 * As neither could be tried everywhere, they are compared once with what the kernel
 * itself converts to microseconds, as soon as the process has used enough for that.
 * Until then, and for good where they disagree, the microseconds are used, both
 * halves read between two equal readings of the first, so that no thread ended
 * meanwhile.
 *
 * Memory is the resident size, as on other systems; Activity Monitor's "Memory" is
 * another figure (the footprint, which counts compressed pages as well). Bytes are
 * those of the disk, not of the page cache.
 */
#define _DARWIN_C_SOURCE
#define _DEFAULT_SOURCE
#include "plat.h"

#include <errno.h>
#include <libproc.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysctl.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000u

/* A number that sysctl knows by name, of 4 or 8 bytes. 0 or an errno. */
static int ask_sysctl(const char *name, uint64_t *value)
{
    union {
        uint32_t narrow;
        uint64_t wide;
    } answer = {.wide = 0};
    size_t size = sizeof answer;

    if (sysctlbyname(name, &answer, &size, NULL, 0) != 0)
        return errno;
    if (size != sizeof answer.narrow && size != sizeof answer.wide)
        return EINVAL;
    *value = size == sizeof answer.narrow ? answer.narrow : answer.wide;
    return 0;
}

/* ---- CPU time ---------------------------------------------------------------- */

#define COMPARABLE_NS 100000000u /* used by the process: enough to compare two readings */
#define SLACK_NS 30000000u       /* a scheduler's slice of the threads that run just now */
#define TRIES 4

/* Exact for 584 years, and for as many ticks a second as there are nanoseconds in 18. */
static uint64_t ticks_to_ns(uint64_t ticks, uint64_t per_s)
{
    return ticks / per_s * NS + ticks % per_s * NS / per_s;
}

static bool read_ticks(struct hl_plat *plat, uint64_t *ns)
{
    task_absolutetime_info_data_t info = {0};
    mach_msg_type_number_t count = TASK_ABSOLUTETIME_INFO_COUNT;
    kern_return_t result =
        task_info(mach_task_self(), TASK_ABSOLUTETIME_INFO, (task_info_t)&info, &count);

    if (result != KERN_SUCCESS) {
        hl_plat_miss_call(plat, HL_PLAT_CPU, "task_info(TASK_ABSOLUTETIME_INFO)", result);
        return false;
    }
    *ns = ticks_to_ns(info.total_user + info.total_system, plat->ticks_per_s);
    return true;
}

static uint64_t both_ns(time_value_t user, time_value_t system)
{
    uint64_t seconds = (uint64_t)user.seconds + (uint64_t)system.seconds;
    uint64_t micros = (uint64_t)user.microseconds + (uint64_t)system.microseconds;

    return seconds * NS + micros * 1000u;
}

static bool read_ended(struct hl_plat *plat, uint64_t *ns)
{
    mach_task_basic_info_data_t info = {0};
    mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
    kern_return_t result =
        task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &count);

    if (result != KERN_SUCCESS)
        hl_plat_miss_call(plat, HL_PLAT_CPU, "task_info(MACH_TASK_BASIC_INFO)", result);
    *ns = both_ns(info.user_time, info.system_time);
    return result == KERN_SUCCESS;
}

static bool read_living(struct hl_plat *plat, uint64_t *ns)
{
    task_thread_times_info_data_t info = {0};
    mach_msg_type_number_t count = TASK_THREAD_TIMES_INFO_COUNT;
    kern_return_t result =
        task_info(mach_task_self(), TASK_THREAD_TIMES_INFO, (task_info_t)&info, &count);

    if (result != KERN_SUCCESS)
        hl_plat_miss_call(plat, HL_PLAT_CPU, "task_info(TASK_THREAD_TIMES_INFO)", result);
    *ns = both_ns(info.user_time, info.system_time);
    return result == KERN_SUCCESS;
}

static bool read_micros(struct hl_plat *plat, uint64_t *ns)
{
    uint64_t ended, living, again;

    if (!read_ended(plat, &ended))
        return false;
    for (int i = 0; i < TRIES; i++, ended = again) {
        if (!read_living(plat, &living) || !read_ended(plat, &again))
            return false;
        *ns = ended + living;
        if (ended == again)
            return true;
    }
    hl_plat_miss_because(plat, HL_PLAT_CPU, "threads end faster than their time can be read");
    return false;
}

static void distrust_ticks(struct hl_plat *plat, const char *why)
{
    plat->ticks = HL_PLAT_TICKS_WRONG;
    plat->why_not_ticks = why;
}

/* Between two readings of the one there is one of the other: however long they took,
 * it lies between them. */
static void compare(struct hl_plat *plat)
{
    uint64_t before, after, micros;

    if (!read_ticks(plat, &before) || !read_micros(plat, &micros) || !read_ticks(plat, &after) ||
        (after < COMPARABLE_NS && micros < COMPARABLE_NS))
        return;
    uint64_t slack = SLACK_NS + micros / 10;
    if (micros + slack >= before && micros <= after + slack)
        plat->ticks = HL_PLAT_TICKS_RIGHT;
    else
        distrust_ticks(plat, "the kernel's totals do not fit its own microseconds, which are used");
}

void hl_plat_cpu_open(struct hl_plat *plat)
{
    if (ask_sysctl("hw.tbfrequency", &plat->ticks_per_s) != 0 || plat->ticks_per_s == 0 ||
        plat->ticks_per_s > UINT64_MAX / NS)
        distrust_ticks(plat,
                       "hw.tbfrequency does not say how long a tick is: microseconds are used");
    else
        compare(plat);
}

static bool read_cpu(struct hl_plat *plat, uint64_t *ns, bool *is_approximate)
{
    if (plat->ticks == HL_PLAT_TICKS_UNSURE)
        compare(plat);
    *is_approximate = plat->ticks != HL_PLAT_TICKS_UNSURE;
    if (plat->ticks == HL_PLAT_TICKS_RIGHT && read_ticks(plat, ns)) {
        *is_approximate = false;
        return true;
    }
    return read_micros(plat, ns) || (plat->ticks == HL_PLAT_TICKS_UNSURE && read_ticks(plat, ns));
}

/* What one way counted is not taken back by another. */
static void add_cpu(struct hl_plat *plat, struct hl_plat_process *process)
{
    bool is_approximate;
    uint64_t ns;

    if (!read_cpu(plat, &ns, &is_approximate))
        return;
    if (ns > plat->cpu_ns)
        plat->cpu_ns = ns;
    process->cpu_ns = plat->cpu_ns;
    process->known |= HL_KNOWN(HL_PLAT_CPU);
    if (!is_approximate)
        return;
    process->approximate |= HL_KNOWN(HL_PLAT_CPU);
    if (plat->ticks == HL_PLAT_TICKS_WRONG)
        hl_plat_miss_because(plat, HL_PLAT_CPU, plat->why_not_ticks);
}

/* ---- memory -------------------------------------------------------------------- */

/* How much of task_vm_info_data_t must be there. */
#define WORDS ((offsetof(task_vm_info_data_t, resident_size_peak) + 8) / sizeof(natural_t))
#define OF_MEMORY (HL_KNOWN(HL_PLAT_RSS) | HL_KNOWN(HL_PLAT_PEAK_RSS) | HL_KNOWN(HL_PLAT_VM))

static const char memory_call[] = "task_info(TASK_VM_INFO)";

/* The struct grows from system to system, and an older kernel fills in less of it. */
static void add_memory(struct hl_plat *plat, struct hl_plat_process *process)
{
    task_vm_info_data_t info = {0};
    mach_msg_type_number_t count = TASK_VM_INFO_COUNT;
    kern_return_t result = task_info(mach_task_self(), TASK_VM_INFO, (task_info_t)&info, &count);

    for (int key = HL_PLAT_RSS; key <= HL_PLAT_VM; key++)
        if (result != KERN_SUCCESS)
            hl_plat_miss_call(plat, (enum hl_plat_key)key, memory_call, result);
        else if (count < WORDS)
            hl_plat_miss_because(plat, (enum hl_plat_key)key, "this kernel does not tell it");
        else
            process->known |= HL_KNOWN(key);
    if (!(process->known & OF_MEMORY))
        return;
    process->rss_bytes = info.resident_size;
    process->peak_rss_bytes = info.resident_size_peak;
    process->vm_bytes = info.virtual_size;
}

/* ---- threads, disk, start --------------------------------------------------------- */

/* 0 or an errno. Both calls give the number of bytes that they filled in. */
static int ask_about_process(int flavor, void *info, int size)
{
    errno = 0;
    int filled = proc_pidinfo(getpid(), flavor, 0, info, size);

    if (filled == size)
        return 0;
    return filled <= 0 && errno != 0 ? errno : EINVAL;
}

static void add_threads(struct hl_plat *plat, struct hl_plat_process *process)
{
    struct proc_taskinfo info = {0};
    int error = ask_about_process(PROC_PIDTASKINFO, &info, (int)sizeof info);

    if (error) {
        hl_plat_miss_errno(plat, HL_PLAT_THREADS, "proc_pidinfo(PROC_PIDTASKINFO)", error);
        return;
    }
    process->threads = (uint64_t)info.pti_threadnum;
    process->known |= HL_KNOWN(HL_PLAT_THREADS);
}

/* V4 and not "current", which is a newer one than older kernels know. */
static void add_io(struct hl_plat *plat, struct hl_plat_process *process)
{
    struct rusage_info_v4 info = {0};

    if (proc_pid_rusage(getpid(), RUSAGE_INFO_V4, (rusage_info_t *)&info) != 0) {
        hl_plat_miss_errno(plat, HL_PLAT_IO, "proc_pid_rusage", errno);
        return;
    }
    process->read_bytes = info.ri_diskio_bytesread;
    process->written_bytes = info.ri_diskio_byteswritten;
    process->known |= HL_KNOWN(HL_PLAT_IO);
}

/* The short one is there always, and is cut to 15 bytes. */
void hl_plat_program_name(struct hl_plat *plat, char name[HL_PLAT_NAME_BYTES])
{
    struct proc_bsdinfo info = {0};
    int saved = errno;

    (void)plat;
    if (ask_about_process(PROC_PIDTBSDINFO, &info, (int)sizeof info) != 0)
        memset(&info, 0, sizeof info);
    const char *best = info.pbi_name[0] ? info.pbi_name : info.pbi_comm;
    size_t most = info.pbi_name[0] ? sizeof info.pbi_name : sizeof info.pbi_comm;
    snprintf(name, HL_PLAT_NAME_BYTES, "%.*s", (int)most, best);
    errno = saved;
}

/* As the time of day that it was. 0 or an errno. */
static int ask_start(uint64_t *started_ns)
{
    struct proc_bsdinfo info = {0};
    int error = ask_about_process(PROC_PIDTBSDINFO, &info, (int)sizeof info);

    *started_ns = info.pbi_start_tvsec * NS + info.pbi_start_tvusec * 1000u;
    return error;
}

uint64_t hl_plat_process_start(void)
{
    int saved = errno;
    uint64_t started;
    int error = ask_start(&started);

    errno = saved;
    return error ? 0 : started;
}

/* The time of day may be set while we run; so it is converted once, to the clock that
 * goes on in sleep and is never set. */
static bool find_start(struct hl_plat *plat)
{
    uint64_t started;
    int error = ask_start(&started);

    if (error) {
        hl_plat_miss_errno(plat, HL_PLAT_START, "proc_pidinfo(PROC_PIDTBSDINFO)", error);
        return false;
    }
    uint64_t wall = hl_plat_read_clock(CLOCK_REALTIME);
    if (wall < started) {
        hl_plat_miss_because(plat, HL_PLAT_START, "the process seems to start in the future");
        return false;
    }
    plat->age_ns = wall - started;
    plat->age_at_ns = hl_plat_read_clock(CLOCK_MONOTONIC_RAW);
    plat->age_is_known = true;
    return true;
}

static void add_age(struct hl_plat *plat, struct hl_plat_process *process)
{
    if (!plat->age_is_known && !find_start(plat))
        return;
    process->age_ns = plat->age_ns + (hl_plat_read_clock(CLOCK_MONOTONIC_RAW) - plat->age_at_ns);
    process->known |= HL_KNOWN(HL_PLAT_START);
}

void hl_plat_process(struct hl_plat *plat, uint32_t wanted, struct hl_plat_process *process)
{
    int saved = errno;

    *process = (struct hl_plat_process){0};
    if (wanted & HL_KNOWN(HL_PLAT_CPU))
        add_cpu(plat, process);
    if (wanted & OF_MEMORY)
        add_memory(plat, process);
    if (wanted & HL_KNOWN(HL_PLAT_THREADS))
        add_threads(plat, process);
    if (wanted & HL_KNOWN(HL_PLAT_IO))
        add_io(plat, process);
    if (wanted & HL_KNOWN(HL_PLAT_START))
        add_age(plat, process);
    errno = saved;
}

/* ---- limits ------------------------------------------------------------------------ */

/* Cores of all kinds: a busy efficiency core counts as one. There is no affinity and
 * no quota to subtract, nor a limit on memory. */
void hl_plat_limits(struct hl_plat *plat, struct hl_plat_limits *limits)
{
    int saved = errno;
    uint64_t cores = 0;
    int error = ask_sysctl("hw.logicalcpu", &cores);

    *limits = (struct hl_plat_limits){.known = HL_KNOWN(HL_PLAT_MEMORY)};
    if (error == 0 && cores > 0 && cores <= UINT32_MAX / 1000) {
        limits->cores_milli = (uint32_t)cores * 1000;
        limits->known |= HL_KNOWN(HL_PLAT_CORES);
    } else if (error) {
        hl_plat_miss_errno(plat, HL_PLAT_CORES, "sysctl hw.logicalcpu", error);
    } else {
        hl_plat_miss_because(plat, HL_PLAT_CORES, "hw.logicalcpu is no number of cores");
    }
    errno = saved;
}

uint64_t hl_plat_most_cores(struct hl_plat *plat)
{
    int saved = errno;
    uint64_t cores = 0;
    bool is_known = ask_sysctl("hw.logicalcpu_max", &cores) == 0;

    (void)plat;
    errno = saved;
    return is_known && cores > 0 && cores < HL_PLAT_MOST_CORES ? cores : HL_PLAT_MOST_CORES;
}

bool hl_plat_throttled(struct hl_plat *plat, uint64_t *throttled_ns)
{
    (void)throttled_ns;
    hl_plat_miss_because(plat, HL_PLAT_THROTTLED, "macOS has no CPU quotas");
    return false;
}

/* The task's switches are counted, those of one thread are not: our own cannot be taken off. */
bool hl_plat_others(struct hl_plat *plat, struct hl_plat_others *others)
{
    (void)plat;
    (void)others;
    return false;
}
