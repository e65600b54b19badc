/* tests/doubles/mach/task.c - figures of the process, each flavor with the holes it has.
 *
 * Which flavor covers which threads, and in which unit, is what darwin sources get wrong
 * most easily; it is said in fake_mach.h, and every reply here is one short function.
 */
#include "fake_inside.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/sysctl.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
#define US_PER_S UINT64_C(1000000)

vm_size_t vm_page_size = 16384;

static struct fake_process figures(void)
{
    struct fake_process process = fake_world.process;

    if (!fake_world.is_scripted)
        fake_live_process(&process);
    return process;
}

static time_value_t time_value(uint64_t ns)
{
    return (time_value_t){(integer_t)(ns / NS_PER_S), (integer_t)(ns % NS_PER_S / 1000)};
}

/* ---- task_info ---------------------------------------------------------------------- */

static void fill_absolute(struct task_absolutetime_info *info)
{
    struct fake_times times = fake_times();

    info->total_user = fake_ticks(times.living_user_ns + times.ended_user_ns);
    info->total_system = fake_ticks(times.living_system_ns + times.ended_system_ns);
    info->threads_user = fake_ticks(times.living_user_ns);
    info->threads_system += fake_ticks(times.living_system_ns); /* the kernel's bug */
}

static void fill_living(struct task_thread_times_info *info)
{
    struct fake_times times = fake_times();

    info->user_time = time_value(times.living_user_ns);
    info->system_time = time_value(times.living_system_ns);
}

static void fill_basic(struct mach_task_basic_info *info)
{
    struct fake_process process = figures();
    struct fake_times times = fake_times();

    *info = (struct mach_task_basic_info){
        .virtual_size = process.virtual_bytes,
        .resident_size = process.resident_bytes,
        .resident_size_max = process.peak_bytes,
        .user_time = time_value(times.ended_user_ns),
        .system_time = time_value(times.ended_system_ns),
        .policy = POLICY_TIMESHARE,
    };
}

static void fill_power(struct task_power_info *info)
{
    struct fake_times times = fake_times();

    *info = (struct task_power_info){
        .total_user = fake_ticks(times.living_user_ns + times.ended_user_ns),
        .total_system = fake_ticks(times.living_system_ns + times.ended_system_ns),
    };
}

static const mach_msg_type_number_t vm_counts[] = {
    TASK_VM_INFO_REV0_COUNT, TASK_VM_INFO_REV1_COUNT, TASK_VM_INFO_REV2_COUNT,
    TASK_VM_INFO_REV3_COUNT, TASK_VM_INFO_REV4_COUNT, TASK_VM_INFO_REV5_COUNT,
    TASK_VM_INFO_REV6_COUNT,
};

/* As far as the kernel knows the struct and the caller has room for it, in whole revisions;
 * what lies behind stays as it was. */
static kern_return_t fill_vm(task_info_t info, mach_msg_type_number_t *count)
{
    struct fake_process process = figures();
    struct task_vm_info whole = {
        .virtual_size = process.virtual_bytes,
        .page_size = (integer_t)vm_page_size,
        .resident_size = process.resident_bytes,
        .resident_size_peak = process.peak_bytes,
        .phys_footprint = process.footprint_bytes,
    };
    unsigned revision = fake_world.machine.vm_revision;

    while (revision > 0 && vm_counts[revision] > *count)
        revision--;
    if (vm_counts[revision] > *count)
        return KERN_INVALID_ARGUMENT;
    *count = vm_counts[revision];
    memcpy(info, &whole, *count * sizeof(natural_t));
    return KERN_SUCCESS;
}

/* Bytes given instead of words make the kernel write beyond the caller's struct. */
static kern_return_t check_count(mach_msg_type_number_t *count, mach_msg_type_number_t words)
{
    if (*count > words)
        fake_die("task_info: a count of %u for a flavor of %u words", *count, words);
    if (*count < words)
        return KERN_INVALID_ARGUMENT;
    return KERN_SUCCESS;
}

static kern_return_t fill_flavor(task_flavor_t flavor, task_info_t info,
                                 mach_msg_type_number_t *count)
{
    mach_msg_type_number_t words = flavor == TASK_ABSOLUTETIME_INFO   ? TASK_ABSOLUTETIME_INFO_COUNT
                                   : flavor == TASK_THREAD_TIMES_INFO ? TASK_THREAD_TIMES_INFO_COUNT
                                   : flavor == MACH_TASK_BASIC_INFO   ? MACH_TASK_BASIC_INFO_COUNT
                                   : flavor == TASK_POWER_INFO        ? TASK_POWER_INFO_COUNT
                                   : flavor == TASK_VM_INFO           ? TASK_VM_INFO_COUNT
                                                                      : 0;
    if (words == 0)
        fake_die("task_info: flavor %u is not in the model", flavor);
    kern_return_t result = check_count(count, words);
    if (flavor == TASK_VM_INFO)
        return fill_vm(info, count);
    if (result != KERN_SUCCESS)
        return result;
    if (flavor == TASK_ABSOLUTETIME_INFO)
        fill_absolute((struct task_absolutetime_info *)info);
    else if (flavor == TASK_THREAD_TIMES_INFO)
        fill_living((struct task_thread_times_info *)info);
    else if (flavor == MACH_TASK_BASIC_INFO)
        fill_basic((struct mach_task_basic_info *)info);
    else
        fill_power((struct task_power_info *)info);
    return KERN_SUCCESS;
}

kern_return_t task_info(task_name_t task, task_flavor_t flavor, task_info_t info,
                        mach_msg_type_number_t *count)
{
    int code = fake_enter(FAKE_TASK_INFO);

    fake_check_task(task, "task_info");
    kern_return_t result = code == FAKE_NO_CODE ? fill_flavor(flavor, info, count) : code;
    fake_leave();
    return result;
}

/* ---- by process number ------------------------------------------------------------------ */

static void fill_bsd(struct proc_bsdinfo *info)
{
    struct fake_process process = figures();

    *info = (struct proc_bsdinfo){
        .pbi_flags = PROC_FLAG_LP64 | (process.is_traced ? PROC_FLAG_TRACED : 0),
        .pbi_pid = (uint32_t)getpid(),
        .pbi_ppid = (uint32_t)getppid(),
        .pbi_uid = geteuid(),
        .pbi_ruid = getuid(),
        .pbi_start_tvsec = process.started_s,
        .pbi_start_tvusec = process.started_us,
    };
    memcpy(info->pbi_comm, process.short_name, sizeof info->pbi_comm);
    memcpy(info->pbi_name, process.name, sizeof info->pbi_name);
}

static void fill_task(struct proc_taskinfo *info)
{
    struct fake_process process = figures();
    struct fake_times times = fake_times();

    *info = (struct proc_taskinfo){
        .pti_virtual_size = process.virtual_bytes,
        .pti_resident_size = process.resident_bytes,
        .pti_total_user = fake_ticks(times.living_user_ns + times.ended_user_ns),
        .pti_total_system = fake_ticks(times.living_system_ns + times.ended_system_ns),
        .pti_threads_user = fake_ticks(times.living_user_ns),
        .pti_threads_system = fake_ticks(times.living_system_ns),
        .pti_policy = POLICY_TIMESHARE,
        .pti_threadnum = (int32_t)times.threads,
    };
}

/* Needs no right: by the thread's number. The struct is that of THREAD_EXTENDED_INFO. */
static bool fill_thread(uint64_t id, struct proc_threadinfo *info)
{
    struct fake_facts facts;
    struct thread_extended_info extended;
    bool is_there = (fake_world.is_scripted || fake_live_exists(id)) && fake_facts_of(id, &facts);

    memcpy(&extended, info, sizeof extended);
    if (is_there)
        fake_fill_extended(&facts, &extended);
    memcpy(info, &extended, sizeof extended);
    return is_there;
}

/* How many bytes were filled in, or a negative errno. */
static int pidinfo(int pid, int flavor, uint64_t argument, void *buffer, int size)
{
    if (pid != getpid())
        return -ESRCH;
    size_t bytes = flavor == PROC_PIDTBSDINFO         ? sizeof(struct proc_bsdinfo)
                   : flavor == PROC_PIDTASKINFO       ? sizeof(struct proc_taskinfo)
                   : flavor == PROC_PIDTHREADID64INFO ? sizeof(struct proc_threadinfo)
                                                      : 0;
    if (bytes == 0)
        fake_die("proc_pidinfo: flavor %d is not in the model", flavor);
    if ((size_t)size < bytes)
        return -ENOMEM;
    if (flavor == PROC_PIDTBSDINFO)
        fill_bsd(buffer);
    else if (flavor == PROC_PIDTASKINFO)
        fill_task(buffer);
    else if (!fill_thread(argument, buffer))
        return -ESRCH;
    return (int)bytes;
}

int proc_pidinfo(int pid, int flavor, uint64_t argument, void *buffer, int size)
{
    int code = fake_enter(FAKE_PIDINFO);

    int filled = code == FAKE_NO_CODE ? pidinfo(pid, flavor, argument, buffer, size) : -code;
    fake_leave();
    if (filled >= 0)
        return filled;
    errno = -filled;
    return 0;
}

static void fill_usage(struct rusage_info_v4 *info)
{
    struct fake_process process = figures();
    struct fake_times times = fake_times();

    *info = (struct rusage_info_v4){
        .ri_user_time = fake_ticks(times.living_user_ns + times.ended_user_ns),
        .ri_system_time = fake_ticks(times.living_system_ns + times.ended_system_ns),
        .ri_resident_size = process.resident_bytes,
        .ri_phys_footprint = process.footprint_bytes,
        .ri_diskio_bytesread = process.read_bytes,
        .ri_diskio_byteswritten = process.written_bytes,
    };
}

int proc_pid_rusage(int pid, int flavor, rusage_info_t *buffer)
{
    struct rusage_info_v4 whole;
    int code = fake_enter(FAKE_PID_RUSAGE);
    int error = code != FAKE_NO_CODE ? code : pid != getpid() ? ESRCH : 0;

    if (error == 0 && flavor != RUSAGE_INFO_V2 && flavor != RUSAGE_INFO_V4)
        error = EINVAL;
    if (error == 0) {
        fill_usage(&whole);
        /* Declared as a pointer to a pointer, used as a pointer to the struct. */
        memcpy((void *)buffer, &whole,
               flavor == RUSAGE_INFO_V2 ? sizeof(struct rusage_info_v2) : sizeof whole);
    }
    fake_leave();
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

static struct timeval timeval(uint64_t ns)
{
    return (struct timeval){(time_t)(ns / NS_PER_S), (suseconds_t)(ns % NS_PER_S / 1000)};
}

/* Bytes in ru_maxrss, where Linux has KiB. */
int fake_getrusage(int who, struct rusage *usage)
{
    int code = fake_enter(FAKE_RUSAGE);
    int error = code != FAKE_NO_CODE ? code : who == RUSAGE_SELF ? 0 : EINVAL;

    if (error == 0) {
        struct fake_times times = fake_times();
        struct fake_process process = figures();
        memset(usage, 0, sizeof *usage);
        usage->ru_utime = timeval(times.living_user_ns + times.ended_user_ns);
        usage->ru_stime = timeval(times.living_system_ns + times.ended_system_ns);
        usage->ru_maxrss = (long)process.peak_bytes;
    }
    fake_leave();
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

/* ---- sysctl ------------------------------------------------------------------------------- */

static bool is_intel(void)
{
    return fake_world.machine.tick_hz == NS_PER_S;
}

/* How many bytes `value` has, or a negative errno. */
static int value_of(const char *name, uint64_t *value)
{
    unsigned cores = fake_world.machine.cores;

    if (!fake_world.is_scripted && cores == 0)
        cores = fake_live_cores();
    if (strcmp(name, "hw.tbfrequency") == 0) {
        *value = fake_world.machine.tick_hz;
        return fake_world.machine.hides_tick_hz ? -ENOENT : 8;
    }
    if (strcmp(name, "hw.logicalcpu") == 0 || strcmp(name, "hw.activecpu") == 0 ||
        strcmp(name, "hw.logicalcpu_max") == 0 || strcmp(name, "hw.ncpu") == 0) {
        *value = cores;
        return cores ? 4 : -ENOENT;
    }
    if (strcmp(name, "sysctl.proc_translated") == 0) {
        *value = fake_world.machine.is_translated;
        return is_intel() ? -ENOENT : 4;
    }
    if (strcmp(name, "hw.memsize") == 0) {
        *value = UINT64_C(16) << 30;
        return 8;
    }
    return -ENOENT;
}

static int copy_value(const char *name, void *old, size_t *old_size)
{
    uint64_t value = 0;
    int bytes = value_of(name, &value);

    if (bytes < 0)
        return -bytes;
    if (old && *old_size < (size_t)bytes)
        return ENOMEM;
    if (old)
        memcpy(old, &value, (size_t)bytes); /* both processors begin with the low byte */
    *old_size = (size_t)bytes;
    return 0;
}

int sysctlbyname(const char *name, void *old, size_t *old_size, void *new_value, size_t new_size)
{
    int code = fake_enter(FAKE_SYSCTL);

    if (new_value || new_size)
        fake_die("sysctlbyname: nothing of the machine is to be changed");
    int error = code != FAKE_NO_CODE ? code : copy_value(name, old, old_size);
    fake_leave();
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

int issetugid(void)
{
    fake_enter(FAKE_ISSETUGID);
    bool is_set =
        fake_world.is_scripted ? fake_world.machine.runs_setuid : getauxval(AT_SECURE) != 0;
    fake_leave();
    return is_set;
}

/* ---- clocks ------------------------------------------------------------------------------- */

/* What a tick of mach_absolute_time is: under Rosetta a nanosecond, whatever the kernel's
 * own accounts are in. */
static uint64_t clock_hz(void)
{
    return fake_world.machine.is_translated ? NS_PER_S : fake_world.machine.tick_hz;
}

static uint64_t greatest_divisor(uint64_t a, uint64_t b)
{
    return b == 0 ? a : greatest_divisor(b, a % b);
}

kern_return_t mach_timebase_info(mach_timebase_info_t info)
{
    int code = fake_enter(FAKE_TIMEBASE_INFO);

    if (code == FAKE_NO_CODE) {
        uint64_t divisor = greatest_divisor(NS_PER_S, clock_hz());
        info->numer = (uint32_t)(NS_PER_S / divisor);
        info->denom = (uint32_t)(clock_hz() / divisor);
        code = KERN_SUCCESS;
    }
    fake_leave();
    return code;
}

/* What a test let pass: the one on all clocks of the machine, the other on those that
 * go on in its sleep. */
static _Atomic uint64_t awake_ns, asleep_ns;
/* A test's hand alone moves the clocks; they stood like this when it began. */
static atomic_bool are_held;
static struct timespec held_uptime, held_continuous, held_wall;

void fake_hold_clocks(void)
{
    clock_gettime(CLOCK_MONOTONIC, &held_uptime);
    clock_gettime(CLOCK_BOOTTIME, &held_continuous);
    clock_gettime(CLOCK_REALTIME, &held_wall);
    atomic_store(&are_held, true);
}

void fake_clocks_reset(void)
{
    atomic_store(&are_held, false);
}

void fake_time_passes(uint64_t awake, uint64_t asleep)
{
    atomic_fetch_add(&awake_ns, awake);
    atomic_fetch_add(&asleep_ns, asleep);
}

static const struct timespec *held(clockid_t clock)
{
    switch (clock) {
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
        return &held_uptime;
    case CLOCK_BOOTTIME:
        return &held_continuous;
    case CLOCK_REALTIME:
        return &held_wall;
    default:
        return NULL; /* of CPU time */
    }
}

int fake_clock_gettime(clockid_t clock, struct timespec *now)
{
    const struct timespec *then = held(clock);

    fake_enter_clock();
    if (then && atomic_load(&are_held))
        *now = *then;
    else if (clock_gettime(clock, now) != 0)
        return -1;
    if (then) {
        uint64_t ns = (uint64_t)now->tv_nsec + atomic_load(&awake_ns);
        if (then != &held_uptime)
            ns += atomic_load(&asleep_ns);
        now->tv_sec += (time_t)(ns / NS_PER_S);
        now->tv_nsec = (long)(ns % NS_PER_S);
    }
    return 0;
}

static uint64_t read_ns(clockid_t clock)
{
    struct timespec now = {0, 0};

    fake_clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t clock_ticks(uint64_t ns)
{
    return ns / NS_PER_S * clock_hz() + ns % NS_PER_S * clock_hz() / NS_PER_S;
}

uint64_t mach_absolute_time(void)
{
    return clock_ticks(read_ns(CLOCK_MONOTONIC));
}

uint64_t mach_approximate_time(void)
{
    return clock_ticks(read_ns(CLOCK_MONOTONIC_COARSE));
}

uint64_t mach_continuous_time(void)
{
    return clock_ticks(read_ns(CLOCK_BOOTTIME));
}

uint64_t clock_gettime_nsec_np(clockid_t clock)
{
    return read_ns(clock);
}

kern_return_t mach_wait_until(uint64_t deadline)
{
    uint64_t hz = clock_hz();
    uint64_t ns = deadline / hz * NS_PER_S + deadline % hz * NS_PER_S / hz;
    uint64_t passed = atomic_load(&awake_ns);
    ns = ns > passed ? ns - passed : 0;
    struct timespec until = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};
    int result = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);

    return result == 0 ? KERN_SUCCESS : KERN_ABORTED;
}
