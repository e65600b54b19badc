/* tests/mach/test_threads.c - what is told of one thread. */
#define _GNU_SOURCE
#include "helper.h"

#include <libproc.h>

Test(threads, times_are_nanoseconds_and_those_of_the_older_flavor_are_not)
{
    thread_extended_info_data_t info;
    thread_basic_info_data_t basic;
    mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;

    fake_reset();
    fake_thread_burn(fake_main(), 1 * S + 2 * MS, 7000);
    fake_thread_state(fake_main(), TH_STATE_UNINTERRUPTIBLE);
    fake_thread_flags(fake_main(), TH_FLAGS_IDLE);
    mach_port_t self = mach_thread_self();
    cr_assert_eq(extended(self, &info), KERN_SUCCESS);
    cr_assert_eq(info.pth_user_time, 1 * S + 2 * MS);
    cr_assert_eq(info.pth_system_time, 7000);
    cr_assert_eq(info.pth_run_state, TH_STATE_UNINTERRUPTIBLE);
    cr_assert_eq(info.pth_flags, TH_FLAGS_IDLE);
    cr_assert_eq(thread_info(self, THREAD_BASIC_INFO, (thread_info_t)&basic, &count), KERN_SUCCESS);
    cr_assert_eq(basic.user_time.seconds, 1);
    cr_assert_eq(basic.user_time.microseconds, 2000);
    drop(self);
}

Test(threads, of_an_unnamed_one_a_single_byte_of_the_name_is_written)
{
    thread_extended_info_data_t info;

    fake_reset();
    mach_port_t self = mach_thread_self();
    memset(&info, 'x', sizeof info);
    cr_assert_eq(extended(self, &info), KERN_SUCCESS);
    cr_assert_eq(info.pth_name[0], 0);
    cr_assert_eq(info.pth_name[1], 'x');
    fake_thread_name(fake_main(), "io", 2);
    memset(&info, 'x', sizeof info);
    extended(self, &info);
    cr_assert_str_eq(info.pth_name, "io");
    cr_assert_eq(info.pth_name[3], 'x');
    drop(self);
}

Test(threads, a_name_may_have_no_terminator)
{
    thread_extended_info_data_t info = {0};
    char name[64];

    fake_reset();
    memset(name, 'n', sizeof name);
    fake_thread_name(fake_main(), name, sizeof name);
    mach_port_t self = mach_thread_self();
    cr_assert_eq(extended(self, &info), KERN_SUCCESS);
    cr_assert_eq(info.pth_name[63], 'n');
    drop(self);
}

Test(threads, name_only_themselves_and_with_63_bytes_at_most)
{
    char name[65], read[64];

    fake_reset();
    memset(name, 'n', sizeof name);
    name[64] = 0;
    cr_assert_eq(pthread_setname_np(name), ENAMETOOLONG);
    name[63] = 0;
    cr_assert_eq(pthread_setname_np(name), 0);
    cr_assert_eq(pthread_getname_np(pthread_self(), read, sizeof read), 0);
    cr_assert_str_eq(read, name);
}

Test(threads, are_found_by_number_without_a_right_until_they_end)
{
    struct proc_threadinfo info = {0};

    fake_reset();
    uint64_t worker = fake_thread_add("worker");
    fake_thread_burn(worker, 5, 0);
    cr_assert_eq(proc_pidinfo(getpid(), PROC_PIDTHREADID64INFO, worker, &info, sizeof info),
                 (int)sizeof info);
    cr_assert_eq(info.pth_user_time, 5);
    cr_assert_str_eq(info.pth_name, "worker");
    fake_thread_exit(worker);
    errno = 0;
    cr_assert_eq(proc_pidinfo(getpid(), PROC_PIDTHREADID64INFO, worker, &info, sizeof info), 0);
    cr_assert_eq(errno, ESRCH);
    assert_nothing_outstanding();
}

static void *be_the_worker(void *worker)
{
    uint64_t *id = worker;

    fake_thread_is_me(*id);
    pthread_threadid_np(pthread_self(), id);
    return (void *)(uintptr_t)pthread_main_np();
}

Test(threads, a_real_one_may_play_any_of_the_script)
{
    pthread_t thread;
    void *is_main;
    uint64_t id;

    fake_reset();
    uint64_t worker = fake_thread_add("worker"), told = worker;
    pthread_create(&thread, NULL, be_the_worker, &told);
    pthread_join(thread, &is_main);
    cr_assert_eq(told, worker);
    cr_assert_null(is_main);
    cr_assert_eq(pthread_threadid_np(NULL, &id), 0);
    cr_assert_eq(id, fake_main());
    cr_assert(pthread_main_np());
}

static void ask_too_much(void)
{
    thread_extended_info_data_t info;
    mach_msg_type_number_t count = sizeof info;

    fake_reset();
    thread_info(mach_thread_self(), THREAD_EXTENDED_INFO, (thread_info_t)&info, &count);
}

Test(threads, bytes_instead_of_words_kill)
{
    assert_dies_saying("a count of 112", ask_too_much);
}
