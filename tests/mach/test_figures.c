/* tests/mach/test_figures.c - which flavor covers what, and in which unit. */
#define _GNU_SOURCE
#include "helper.h"

#include <libproc.h>
#include <mach/mach_time.h>
#include <sys/sysctl.h>

static struct task_absolutetime_info absolute(void)
{
    struct task_absolutetime_info info = {0};
    mach_msg_type_number_t count = TASK_ABSOLUTETIME_INFO_COUNT;

    cr_assert_eq(task_info(mach_task_self(), TASK_ABSOLUTETIME_INFO, (task_info_t)&info, &count),
                 KERN_SUCCESS);
    return info;
}

static uint64_t us(time_value_t time)
{
    return (uint64_t)time.seconds * 1000000 + (uint64_t)time.microseconds;
}

static uint64_t ended_us(void)
{
    struct mach_task_basic_info info;
    mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;

    cr_assert_eq(task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &count),
                 KERN_SUCCESS);
    return us(info.user_time) + us(info.system_time);
}

static uint64_t living_us(void)
{
    struct task_thread_times_info info;
    mach_msg_type_number_t count = TASK_THREAD_TIMES_INFO_COUNT;

    cr_assert_eq(task_info(mach_task_self(), TASK_THREAD_TIMES_INFO, (task_info_t)&info, &count),
                 KERN_SUCCESS);
    return us(info.user_time) + us(info.system_time);
}

Test(times, of_the_living_and_of_those_that_ended_are_apart)
{
    fake_reset();
    uint64_t worker = fake_thread_add("worker");
    fake_thread_burn(worker, 3 * S, 1 * S);
    fake_thread_burn(fake_main(), 500 * MS, 0);
    cr_assert_eq(ended_us(), 0, "nobody has ended");
    cr_assert_eq(living_us(), 4500000);
    fake_thread_exit(worker);
    cr_assert_eq(ended_us(), 4000000);
    cr_assert_eq(living_us(), 500000);
}

Test(times, in_ticks_cover_all_threads_and_do_not_move_when_one_ends)
{
    fake_reset();
    uint64_t worker = fake_thread_add("worker");
    fake_thread_burn(worker, 3 * S, 1 * S);
    struct task_absolutetime_info before = absolute();
    cr_assert_eq(before.total_user, 3 * 24000000u);
    cr_assert_eq(before.total_system, 1 * 24000000u);
    cr_assert_eq(before.threads_user, before.total_user);
    fake_thread_exit(worker);
    struct task_absolutetime_info after = absolute();
    cr_assert_eq(after.total_user, before.total_user);
    cr_assert_eq(after.total_system, before.total_system);
    cr_assert_eq(after.threads_user, 0);
}

Test(times, of_the_living_in_the_system_are_added_to_what_was_there)
{
    struct task_absolutetime_info info = {.threads_system = 1000};
    mach_msg_type_number_t count = TASK_ABSOLUTETIME_INFO_COUNT;

    fake_reset();
    fake_thread_burn(fake_main(), 0, 1 * S);
    task_info(mach_task_self(), TASK_ABSOLUTETIME_INFO, (task_info_t)&info, &count);
    cr_assert_eq(info.threads_system, 24001000);
}

Test(times, that_are_added_from_two_calls_lose_or_double_a_thread_that_ends_between)
{
    fake_reset();
    uint64_t worker = fake_thread_add("worker");
    fake_thread_burn(worker, 600 * S, 0);
    uint64_t ended = ended_us();
    fake_thread_exit(worker);
    cr_assert_eq(ended + living_us(), 0, "ten minutes are lost");

    fake_reset();
    worker = fake_thread_add("worker");
    fake_thread_burn(worker, 600 * S, 0);
    uint64_t living = living_us();
    fake_thread_exit(worker);
    cr_assert_eq(living + ended_us(), 1200000000, "ten minutes too many");
}

Test(times, by_process_number_are_the_same_ticks)
{
    struct rusage_info_v4 usage;
    struct proc_taskinfo task;

    fake_reset();
    fake_thread_burn(fake_main(), 2 * S, 1 * S);
    cr_assert_eq(proc_pid_rusage(getpid(), RUSAGE_INFO_V4, (rusage_info_t *)&usage), 0);
    cr_assert_eq(usage.ri_user_time, 48000000);
    cr_assert_eq(proc_pidinfo(getpid(), PROC_PIDTASKINFO, 0, &task, sizeof task), (int)sizeof task);
    cr_assert_eq(task.pti_total_system, 24000000);
    cr_assert_eq(task.pti_threadnum, 1);
}

static uint64_t asked(const char *name, size_t *size)
{
    uint64_t value = 0;

    *size = sizeof value;
    return sysctlbyname(name, &value, size, NULL, 0) == 0 ? value : UINT64_MAX;
}

Test(machine, ticks_are_what_hw_tbfrequency_says_and_the_timebase_lies_under_rosetta)
{
    mach_timebase_info_data_t base;
    size_t size;

    fake_reset();
    cr_assert_eq(asked("hw.tbfrequency", &size), 24000000);
    cr_assert_eq(size, 8);
    cr_assert_eq(mach_timebase_info(&base), KERN_SUCCESS);
    cr_assert(base.numer == 125 && base.denom == 3);
    cr_assert_eq(asked("sysctl.proc_translated", &size), 0);

    fake_machine(FAKE_INTEL);
    fake_thread_burn(fake_main(), 1 * S, 0);
    cr_assert_eq(absolute().total_user, 1000000000);
    mach_timebase_info(&base);
    cr_assert(base.numer == 1 && base.denom == 1);
    errno = 0;
    cr_assert_eq(asked("sysctl.proc_translated", &size), UINT64_MAX);
    cr_assert_eq(errno, ENOENT);

    fake_machine(FAKE_ROSETTA);
    cr_assert_eq(absolute().total_user, 24000000);
    mach_timebase_info(&base);
    cr_assert(base.numer == 1 && base.denom == 1);
    cr_assert_eq(asked("sysctl.proc_translated", &size), 1);
    cr_assert_eq(size, 4);

    struct fake_machine secretive = FAKE_APPLE_SILICON;
    secretive.hides_tick_hz = true;
    fake_machine(secretive);
    cr_assert_eq(asked("hw.tbfrequency", &size), UINT64_MAX);
}

Test(machine, its_clock_runs_in_its_ticks)
{
    struct timespec pause = {0, 50 * 1000 * 1000};
    uint64_t before, passed;

    for (int i = 0; i < 2; i++) {
        fake_reset();
        fake_machine(i ? FAKE_ROSETTA : FAKE_APPLE_SILICON);
        uint64_t per_ms = i ? 1000000 : 24000;
        before = mach_absolute_time();
        nanosleep(&pause, NULL);
        passed = mach_absolute_time() - before;
        cr_assert_geq(passed, 50 * per_ms);
        cr_assert_leq(passed, 500 * per_ms);
    }
}

static uint64_t reading(clockid_t clock)
{
    struct timespec now;

    cr_assert_eq(clock_gettime(clock, &now), 0);
    return (uint64_t)now.tv_sec * S + (uint64_t)now.tv_nsec;
}

static void pass_two_seconds(void)
{
    fake_time_passes(2 * S, 0);
}

Test(machine, its_clocks_differ_by_what_it_slept)
{
    fake_reset();
    fake_hold_clocks();
    uint64_t up = reading(CLOCK_UPTIME_RAW), on = reading(CLOCK_MONOTONIC_RAW);
    uint64_t wall = reading(CLOCK_REALTIME), ticks = mach_continuous_time();
    fake_time_passes(3 * S, 5 * S);
    cr_assert_eq(reading(CLOCK_UPTIME_RAW), up + 3 * S);
    cr_assert_eq(reading(CLOCK_UPTIME_RAW_APPROX), up + 3 * S);
    cr_assert_eq(reading(CLOCK_MONOTONIC), on + 8 * S);
    cr_assert_eq(reading(CLOCK_MONOTONIC_RAW), on + 8 * S);
    cr_assert_eq(reading(CLOCK_REALTIME), wall + 8 * S);
    cr_assert_eq(mach_continuous_time(), ticks + 8 * UINT64_C(24000000));
    fake_before_clock(pass_two_seconds);
    cr_assert_eq(reading(CLOCK_UPTIME_RAW), up + 5 * S, "before the reading");

    fake_reset();
    cr_assert_geq(reading(CLOCK_UPTIME_RAW), up + 5 * S, "none runs backwards");
    cr_assert_lt(reading(CLOCK_UPTIME_RAW), up + 3600 * S);
    while (reading(CLOCK_UPTIME_RAW) == up + 5 * S)
        continue;
}

Test(memory, an_older_kernel_fills_in_less)
{
    static const mach_msg_type_number_t counts[] = {36, 38, 42, 84, 86, 87, 89};

    fake_reset();
    fake_process((struct fake_process){.resident_bytes = 111, .footprint_bytes = 222});
    for (unsigned revision = 0; revision <= 6; revision++) {
        struct fake_machine machine = FAKE_APPLE_SILICON;
        struct task_vm_info info;
        mach_msg_type_number_t count = TASK_VM_INFO_COUNT;

        machine.vm_revision = revision;
        fake_machine(machine);
        memset(&info, 0xee, sizeof info);
        cr_assert_eq(task_info(mach_task_self(), TASK_VM_INFO, (task_info_t)&info, &count),
                     KERN_SUCCESS);
        cr_assert_eq(count, counts[revision]);
        cr_assert_eq(info.resident_size, 111);
        cr_assert_eq(info.phys_footprint, revision > 0 ? 222 : 0xeeeeeeeeeeeeeeeeu);
    }
}

Test(memory, a_caller_with_less_room_gets_whole_revisions)
{
    struct task_vm_info info;
    mach_msg_type_number_t count = TASK_VM_INFO_REV1_COUNT + 1;

    fake_reset();
    memset(&info, 0xee, sizeof info);
    cr_assert_eq(task_info(mach_task_self(), TASK_VM_INFO, (task_info_t)&info, &count),
                 KERN_SUCCESS);
    cr_assert_eq(count, TASK_VM_INFO_REV1_COUNT);
    cr_assert_eq(info.min_address, 0xeeeeeeeeeeeeeeeeu);
    count = TASK_VM_INFO_REV0_COUNT - 1;
    cr_assert_eq(task_info(mach_task_self(), TASK_VM_INFO, (task_info_t)&info, &count),
                 KERN_INVALID_ARGUMENT);
}

static void give_bytes_for_words(void)
{
    struct task_absolutetime_info info;
    mach_msg_type_number_t count = sizeof info;

    fake_reset();
    task_info(mach_task_self(), TASK_ABSOLUTETIME_INFO, (task_info_t)&info, &count);
}

Test(memory, bytes_instead_of_words_kill)
{
    assert_dies_saying("a count of 32", give_bytes_for_words);
}

Test(process, of_another_number_is_not_told)
{
    struct proc_bsdinfo info;

    fake_reset();
    errno = 0;
    cr_assert_eq(proc_pidinfo(getpid() + 1, PROC_PIDTBSDINFO, 0, &info, sizeof info), 0);
    cr_assert_eq(errno, ESRCH);
    errno = 0;
    cr_assert_eq(proc_pidinfo(getpid(), PROC_PIDTBSDINFO, 0, &info, sizeof info - 1), 0);
    cr_assert_eq(errno, ENOMEM);
    fake_process((struct fake_process){.started_s = 1234, .started_us = 5});
    cr_assert_eq(proc_pidinfo(getpid(), PROC_PIDTBSDINFO, 0, &info, sizeof info), (int)sizeof info);
    cr_assert_eq(info.pbi_start_tvsec, 1234);
    cr_assert_eq(info.pbi_start_tvusec, 5);
}
