/* tests/mach/test_failing.c - calls that fail when they are told to. */
#define _GNU_SOURCE
#include "helper.h"

#include <libproc.h>
#include <sys/sysctl.h>

Test(failing, is_the_kth_use_once)
{
    uint64_t id;

    fake_reset();
    mach_port_t self = mach_thread_self();
    identify(self, &id);
    fake_fail(FAKE_THREAD_INFO, 2, 37, false);
    cr_assert_eq(identify(self, &id), KERN_SUCCESS);
    cr_assert_eq(identify(self, &id), 37);
    cr_assert_eq(identify(self, &id), KERN_SUCCESS);
    cr_assert_eq(fake_uses(FAKE_THREAD_INFO), 4);
    drop(self);
}

Test(failing, lasts_when_it_shall)
{
    uint64_t id;

    fake_reset();
    mach_port_t self = mach_thread_self();
    fake_fail(FAKE_THREAD_INFO, 2, 5, true);
    cr_assert_eq(identify(self, &id), KERN_SUCCESS);
    cr_assert_eq(identify(self, &id), 5);
    cr_assert_eq(identify(self, &id), 5);
    fake_fail(FAKE_THREAD_INFO, 0, 0, false);
    cr_assert_eq(identify(self, &id), KERN_SUCCESS);
    drop(self);
}

Test(failing, can_be_counted_over_all_calls)
{
    uint64_t id;

    fake_reset();
    mach_port_t self = mach_thread_self(); /* cannot fail, and does not count */
    fake_fail_any(2, 6, false);
    cr_assert_eq(identify(self, &id), KERN_SUCCESS);
    struct list list;
    cr_assert_eq(task_threads(mach_task_self(), &list.names, &list.count), 6);
    cr_assert_eq(identify(self, &id), KERN_SUCCESS);
    cr_assert_eq(fake_uses_of_all(), 3);
    drop(self);
    assert_nothing_outstanding();
}

Test(failing, hands_out_nothing_of_use)
{
    struct list list = {NULL, 0};

    fake_reset();
    fake_fail(FAKE_TASK_THREADS, 1, 6, false);
    cr_assert_eq(task_threads(mach_task_self(), &list.names, &list.count), 6);
    cr_assert_not_null(list.names, "whoever frees this is told");
    assert_nothing_outstanding();
}

Test(failing, of_what_gives_back_counts_as_given_back)
{
    fake_reset();
    struct list list = list_now();
    fake_fail(FAKE_PORT_DEALLOCATE, 1, KERN_FAILURE, false);
    fake_fail(FAKE_VM_DEALLOCATE, 1, KERN_FAILURE, false);
    cr_assert_eq(mach_port_deallocate(mach_task_self(), list.names[0]), KERN_FAILURE);
    cr_assert_eq(
        vm_deallocate(mach_task_self(), (vm_address_t)list.names, list.count * sizeof *list.names),
        KERN_FAILURE);
    assert_nothing_outstanding();
    cr_assert_eq(fake_outstanding().refused, 2);
}

Test(failing, by_errno_where_that_is_how_it_is_told)
{
    struct proc_taskinfo task;
    struct rusage_info_v4 usage;
    uint64_t value;
    size_t size = sizeof value;

    fake_reset();
    fake_fail_any(1, EPERM, true);
    errno = 0;
    cr_assert_eq(proc_pidinfo(getpid(), PROC_PIDTASKINFO, 0, &task, sizeof task), 0);
    cr_assert_eq(errno, EPERM);
    errno = 0;
    cr_assert_eq(proc_pid_rusage(getpid(), RUSAGE_INFO_V4, (rusage_info_t *)&usage), -1);
    cr_assert_eq(errno, EPERM);
    errno = 0;
    cr_assert_eq(sysctlbyname("hw.logicalcpu", &value, &size, NULL, 0), -1);
    cr_assert_eq(errno, EPERM);
    errno = 0;
    cr_assert_eq(pthread_threadid_np(NULL, &value), EPERM);
    cr_assert_eq(errno, 0);
}

static void count(enum fake_call call, void *counts)
{
    ((int *)counts)[call]++;
}

Test(hooks, come_before_each_call)
{
    int counts[FAKE_CALLS] = {0};

    fake_reset();
    fake_before_each(count, counts);
    give_back(list_now());
    fake_before_each(NULL, NULL);
    give_back(list_now());
    cr_assert_eq(counts[FAKE_TASK_THREADS], 1);
    cr_assert_eq(counts[FAKE_PORT_DEALLOCATE], 1);
    cr_assert_eq(counts[FAKE_VM_DEALLOCATE], 1);
    cr_assert_eq(fake_uses(FAKE_TASK_THREADS), 2);
}

static void exit_once(enum fake_call call, void *id)
{
    if (call != FAKE_THREAD_INFO || *(uint64_t *)id == 0)
        return;
    fake_thread_exit(*(uint64_t *)id);
    *(uint64_t *)id = 0;
}

Test(hooks, may_end_a_thread_between_two_calls)
{
    fake_reset();
    uint64_t worker = fake_thread_add("worker"), id;
    mach_port_t right = right_to(worker);
    fake_before_each(exit_once, &worker);
    cr_assert_eq(identify(right, &id), MACH_SEND_INVALID_DEST);
    drop(right);
    assert_nothing_outstanding();
}
