/* tests/mach/test_suspension.c - stopping a thread, and all that may not be done meanwhile. */
#define _GNU_SOURCE
#include "helper.h"

#include <mach/mach_time.h>
#include <stdlib.h>

static mach_port_t suspended_worker(void)
{
    fake_reset();
    uint64_t worker = fake_thread_add("worker");
    fake_thread_registers(worker, 0x1111, 0x2222, 0x3333, 0x4444);
    mach_port_t right = right_to(worker);
    cr_assert_eq(thread_suspend(right), KERN_SUCCESS);
    return right;
}

Test(suspension, registers_and_memory_can_be_read_until_it_is_resumed)
{
    mach_port_t right = suspended_worker();
    registers state;
    uint64_t word = 42, copy = 0;
    vm_size_t read = 0;

    kern_return_t got = read_registers(right, &state);
    kern_return_t saw = vm_read_overwrite(mach_task_self(), (vm_address_t)&word, sizeof word,
                                          (vm_address_t)&copy, &read);
    kern_return_t missed =
        vm_read_overwrite(mach_task_self(), 8, sizeof word, (vm_address_t)&copy, &read);
    mach_absolute_time();
    cr_assert_eq(fake_outstanding().suspensions, 1);
    cr_assert_eq(thread_resume(right), KERN_SUCCESS);
    cr_assert_eq(got, KERN_SUCCESS);
    cr_assert_eq(pc_of(&state), 0x1111);
    cr_assert_eq(fp_of(&state), 0x2222);
    cr_assert_eq(saw, KERN_SUCCESS);
    cr_assert_eq(copy, 42);
    cr_assert_eq(read, sizeof word);
    cr_assert_eq(missed, KERN_INVALID_ADDRESS);
    drop(right);
    assert_nothing_outstanding();
}

Test(suspension, shows_in_the_state_of_the_thread)
{
    mach_port_t right = suspended_worker();
    cr_assert_eq(thread_resume(right), KERN_SUCCESS);
    thread_extended_info_data_t info;
    cr_assert_eq(extended(right, &info), KERN_SUCCESS);
    cr_assert_eq(info.pth_run_state, TH_STATE_WAITING);
    drop(right);
}

Test(suspension, that_failed_suspends_nobody)
{
    fake_reset();
    mach_port_t right = right_to(fake_thread_add("worker"));
    fake_fail(FAKE_THREAD_SUSPEND, 1, KERN_FAILURE, false);
    cr_assert_eq(thread_suspend(right), KERN_FAILURE);
    cr_assert_eq(fake_outstanding().suspensions, 0);
    drop(right);
}

Test(suspension, goes_on_when_the_resume_fails_and_ends_with_the_next)
{
    mach_port_t right = suspended_worker();
    fake_fail(FAKE_THREAD_RESUME, 1, KERN_FAILURE, false);
    cr_assert_eq(thread_resume(right), KERN_FAILURE);
    cr_assert_eq(fake_outstanding().suspensions, 1);
    give_back(list_now()); /* whoever gave up has to live on */
    cr_assert_eq(thread_resume(right), KERN_SUCCESS);
    cr_assert_eq(fake_outstanding().suspensions, 0);
    drop(right);
}

static uint64_t goes_next;
static enum fake_call goes_at;

static void exit_at(enum fake_call call, void *unused)
{
    (void)unused;
    if (call == goes_at && goes_next) {
        fake_thread_exit(goes_next);
        goes_next = 0;
    }
}

Test(suspension, of_a_thread_that_ended_meanwhile_says_so_at_each_step)
{
    static const enum fake_call steps[] = {FAKE_THREAD_SUSPEND, FAKE_THREAD_GET_STATE,
                                           FAKE_THREAD_RESUME};
    registers state;

    for (size_t i = 0; i < 3; i++) {
        fake_reset();
        goes_next = fake_thread_add("worker");
        goes_at = steps[i];
        mach_port_t right = right_to(goes_next);
        fake_before_each(exit_at, NULL);
        kern_return_t suspended = thread_suspend(right);
        cr_assert_eq(suspended, i == 0 ? MACH_SEND_INVALID_DEST : KERN_SUCCESS);
        if (suspended == KERN_SUCCESS) {
            kern_return_t read = read_registers(right, &state), resumed = thread_resume(right);
            cr_assert_eq(read, i == 1 ? MACH_SEND_INVALID_DEST : KERN_SUCCESS);
            cr_assert_eq(resumed, MACH_SEND_INVALID_DEST);
        }
        drop(right);
        assert_nothing_outstanding();
    }
}

/* ---- what kills ------------------------------------------------------------------- */

static void suspend_self(void)
{
    fake_reset();
    thread_suspend(mach_thread_self());
}

Test(suspension, of_oneself_kills)
{
    assert_dies_saying("the caller itself", suspend_self);
}

static void suspend_two(void)
{
    fake_reset();
    mach_port_t first = right_to(fake_thread_add("first"));
    mach_port_t second = right_to(fake_thread_add("second"));
    thread_suspend(first);
    thread_suspend(second);
}

Test(suspension, of_two_kills)
{
    assert_dies_saying("thread_suspend while", suspend_two);
}

static void *suspend_it(void *right)
{
    thread_suspend(*(mach_port_t *)right);
    return NULL;
}

static void suspend_two_from_two(void)
{
    fake_reset();
    mach_port_t first = right_to(fake_thread_add("first"));
    mach_port_t second = right_to(fake_thread_add("second"));
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    thread_suspend(first);
    /* what pthread_create allocates goes past the wrappers: it is the C library's own */
    pthread_create(&thread, &attributes, suspend_it, &second);
    pthread_join(thread, NULL);
}

Test(suspension, of_two_by_different_threads_kills)
{
    assert_dies_saying("another caller", suspend_two_from_two);
}

static void suspend_translated(void)
{
    fake_reset();
    fake_machine(FAKE_ROSETTA);
    thread_suspend(right_to(fake_thread_add("worker")));
}

Test(suspension, under_rosetta_kills)
{
    assert_dies_saying("Rosetta", suspend_translated);
}

static void resume_twice(void)
{
    mach_port_t right = suspended_worker();
    thread_resume(right);
    thread_resume(right);
}

Test(suspension, one_resume_too_many_kills)
{
    assert_dies_saying("not suspended", resume_twice);
}

static void read_running(void)
{
    registers state;

    fake_reset();
    read_registers(right_to(fake_thread_add("worker")), &state);
}

Test(suspension, reading_registers_of_a_running_thread_kills)
{
    assert_dies_saying("which is running", read_running);
}

static void ask_meanwhile(void)
{
    mach_port_t right = suspended_worker();
    uint64_t id;
    identify(right, &id);
}

Test(suspension, any_other_call_meanwhile_kills)
{
    assert_dies_saying("thread_info while a thread is suspended", ask_meanwhile);
}

static void release_meanwhile(void)
{
    mach_port_t right = suspended_worker();
    mach_port_deallocate(mach_task_self(), right);
}

Test(suspension, giving_back_meanwhile_kills)
{
    assert_dies_saying("mach_port_deallocate while a thread is suspended", release_meanwhile);
}

static void *volatile memory;

static void allocate_meanwhile(void)
{
    suspended_worker();
    memory = malloc(1);
}

static void zero_meanwhile(void)
{
    suspended_worker();
    memory = calloc(1, 1);
}

static void grow_meanwhile(void)
{
    memory = malloc(1);
    suspended_worker();
    memory = realloc(memory, 2);
}

static void free_meanwhile(void)
{
    memory = malloc(1);
    suspended_worker();
    free(memory);
}

Test(suspension, touching_the_heap_meanwhile_kills)
{
    assert_dies_saying("malloc while a thread is suspended", allocate_meanwhile);
    assert_dies_saying("calloc while a thread is suspended", zero_meanwhile);
    assert_dies_saying("realloc while a thread is suspended", grow_meanwhile);
    assert_dies_saying("free while a thread is suspended", free_meanwhile);
}
