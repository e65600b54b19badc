/* tests/mach/test_live.c - the model over this very process. */
#define _GNU_SOURCE
#include "helper.h"

#include <libproc.h>
#include <stdatomic.h>
#include <sys/sysctl.h>
#include <time.h>

static atomic_bool may_end;
static atomic_uint_fast64_t worker_tid, turns;

static void nap_ms(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
        continue;
}

static void *spin(void *name)
{
    uint64_t id;

    pthread_setname_np(name);
    pthread_threadid_np(pthread_self(), &id);
    atomic_store(&worker_tid, id);
    while (!atomic_load(&may_end))
        atomic_fetch_add(&turns, 1);
    return NULL;
}

static pthread_t start_spinner(void)
{
    static char name[] = "spinner";
    pthread_t thread;

    pthread_create(&thread, NULL, spin, name);
    while (!atomic_load(&worker_tid))
        nap_ms(1);
    return thread;
}

static void end_spinner(pthread_t thread)
{
    atomic_store(&may_end, true);
    pthread_join(thread, NULL);
}

static mach_port_t find(uint64_t tid)
{
    struct list list = list_now();
    mach_port_t found = MACH_PORT_NULL;

    for (mach_msg_type_number_t i = 0; i < list.count; i++) {
        uint64_t id;
        if (found == MACH_PORT_NULL && identify(list.names[i], &id) == KERN_SUCCESS && id == tid)
            found = list.names[i];
        else
            drop(list.names[i]);
    }
    give_back_array(list);
    return found;
}

Test(live, a_thread_is_listed_with_its_name_time_and_state)
{
    pthread_t thread = start_spinner();
    mach_port_t right = find(worker_tid);
    thread_extended_info_data_t before = {0}, after = {0};

    cr_assert_neq(right, MACH_PORT_NULL);
    cr_assert_eq(extended(right, &before), KERN_SUCCESS);
    nap_ms(200);
    cr_assert_eq(extended(right, &after), KERN_SUCCESS);
    cr_assert_str_eq(after.pth_name, "spinner");
    cr_assert_eq(after.pth_run_state, TH_STATE_RUNNING);
    uint64_t used =
        after.pth_user_time + after.pth_system_time - before.pth_user_time - before.pth_system_time;
    cr_assert_gt(used, 20 * MS);
    cr_assert_lt(used, 2000 * MS);
    end_spinner(thread);
    cr_assert_neq(extended(right, &after), KERN_SUCCESS, "it has ended");
    drop(right);
    assert_nothing_outstanding();
}

Test(live, a_suspended_thread_stands_still_and_goes_on)
{
    pthread_t thread = start_spinner();
    mach_port_t right = find(worker_tid);
    registers state;

    for (int i = 0; i < 200; i++) {
        kern_return_t suspended = thread_suspend(right);
        uint64_t before = atomic_load(&turns);
        kern_return_t read = read_registers(right, &state);
        if (i % 50 == 0)
            nap_ms(5);
        uint64_t after = atomic_load(&turns);
        kern_return_t resumed = thread_resume(right);
        cr_assert(suspended == KERN_SUCCESS && read == KERN_SUCCESS && resumed == KERN_SUCCESS);
        cr_assert_eq(before, after, "it went on");
        cr_assert_neq(pc_of(&state), 0);
    }
    uint64_t last = atomic_load(&turns);
    for (int i = 0; i < 2000 && atomic_load(&turns) == last; i++)
        nap_ms(1);
    cr_assert_gt(atomic_load(&turns), last);
    end_spinner(thread);
    drop(right);
    assert_nothing_outstanding();
}

static void *block_all_and_wait(void *unused)
{
    sigset_t all;
    uint64_t id;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    pthread_threadid_np(pthread_self(), &id);
    atomic_store(&worker_tid, id);
    while (!atomic_load(&may_end))
        nap_ms(1);
    return unused;
}

Test(live, a_thread_that_blocks_signals_cannot_be_stopped_which_is_said)
{
    pthread_t thread;

    pthread_create(&thread, NULL, block_all_and_wait, NULL);
    while (!atomic_load(&worker_tid))
        nap_ms(1);
    mach_port_t right = find(worker_tid);
    cr_assert_eq(thread_suspend(right), KERN_FAILURE);
    end_spinner(thread);
    drop(right);
    assert_nothing_outstanding();
}

static struct task_absolutetime_info absolute(void)
{
    struct task_absolutetime_info info = {0};
    mach_msg_type_number_t count = TASK_ABSOLUTETIME_INFO_COUNT;

    task_info(mach_task_self(), TASK_ABSOLUTETIME_INFO, (task_info_t)&info, &count);
    return info;
}

static uint64_t ended_ms(void)
{
    struct mach_task_basic_info info = {0};
    mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;

    task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &count);
    return (uint64_t)(info.user_time.seconds + info.system_time.seconds) * 1000 +
           (uint64_t)(info.user_time.microseconds + info.system_time.microseconds) / 1000;
}

Test(live, time_of_a_thread_goes_to_those_that_ended)
{
    pthread_t thread = start_spinner();

    nap_ms(200);
    uint64_t before = ended_ms();
    cr_assert_lt(before, 20);
    end_spinner(thread);
    struct task_absolutetime_info all = absolute();
    cr_assert_gt(ended_ms(), before + 20);
    cr_assert_gt(all.total_user + all.total_system, 24000 * 20);
}

Test(live, those_that_ended_use_nothing_more)
{
    pthread_t thread = start_spinner();

    end_spinner(thread);
    uint64_t first = ended_ms();
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(ended_ms(), first);
}

Test(live, figures_of_the_process_are_its_own)
{
    struct proc_bsdinfo bsd;
    struct proc_taskinfo task;
    struct task_vm_info memory;
    mach_msg_type_number_t count = TASK_VM_INFO_COUNT;
    uint32_t cores = 0;
    size_t size = sizeof cores;

    cr_assert_eq(proc_pidinfo(getpid(), PROC_PIDTBSDINFO, 0, &bsd, sizeof bsd), (int)sizeof bsd);
    cr_assert_leq((uint64_t)time(NULL) - bsd.pbi_start_tvsec, 60);
    cr_assert_eq(proc_pidinfo(getpid(), PROC_PIDTASKINFO, 0, &task, sizeof task), (int)sizeof task);
    struct list list = list_now();
    cr_assert_eq((unsigned)task.pti_threadnum, list.count);
    give_back(list);
    cr_assert_eq(task_info(mach_task_self(), TASK_VM_INFO, (task_info_t)&memory, &count),
                 KERN_SUCCESS);
    cr_assert_gt(memory.resident_size, 100000);
    cr_assert_leq(memory.resident_size, memory.resident_size_peak);
    cr_assert_lt(memory.resident_size, memory.virtual_size);
    cr_assert_eq(sysctlbyname("hw.logicalcpu", &cores, &size, NULL, 0), 0);
    cr_assert_eq(cores, (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
}

static void *has_its_stack(void *unused)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t high = (uintptr_t)pthread_get_stackaddr_np(pthread_self());
    size_t size = pthread_get_stacksize_np(pthread_self());

    (void)unused;
    return (void *)(uintptr_t)(here < high && here > high - size);
}

Test(live, a_stack_is_where_its_thread_runs)
{
    pthread_t thread;
    void *is_within;

    cr_assert_not_null(has_its_stack(NULL));
    pthread_create(&thread, NULL, has_its_stack, NULL);
    pthread_join(thread, &is_within);
    cr_assert_not_null(is_within);
}

static void *end_at_once(void *unused)
{
    return unused;
}

Test(live, one_that_has_ended_and_was_not_joined_has_a_number_that_nobody_has)
{
    struct proc_threadinfo info;
    pthread_t thread;
    uint64_t id = 0;

    pthread_create(&thread, NULL, end_at_once, NULL);
    nap_ms(100);
    cr_assert_eq(pthread_threadid_np(thread, &id), 0);
    errno = 0;
    cr_assert_eq(proc_pidinfo(getpid(), PROC_PIDTHREADID64INFO, id, &info, sizeof info), 0);
    cr_assert_eq(errno, ESRCH);
    pthread_join(thread, NULL);
}

/* Two threads that list at once while others come and go: nobody waits for ever, and
 * no right is lost. */
static void *list_much(void *unused)
{
    while (!atomic_load(&may_end)) {
        struct list list = list_now();
        uint64_t id;
        for (mach_msg_type_number_t i = 0; i < list.count; i++)
            identify(list.names[i], &id);
        give_back(list);
    }
    return unused;
}

Test(live, several_may_ask_at_once_while_threads_come_and_go)
{
    pthread_t askers[2], passer;

    for (int i = 0; i < 2; i++)
        pthread_create(&askers[i], NULL, list_much, NULL);
    for (int i = 0; i < 300; i++) {
        pthread_create(&passer, NULL, end_at_once, NULL);
        pthread_join(passer, NULL);
    }
    atomic_store(&may_end, true);
    for (int i = 0; i < 2; i++)
        pthread_join(askers[i], NULL);
    assert_nothing_outstanding();
}

Test(live, the_child_of_a_fork_has_rights_of_its_own_even_when_the_lock_was_held)
{
    pthread_t asker;
    int status;

    pthread_create(&asker, NULL, list_much, NULL);
    for (int i = 0; i < 100; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            bool is_new = fake_uses_of_all() == 0 && fake_outstanding().rights == 0;
            struct list list = list_now();
            _exit(is_new && list.count == 1 ? 0 : 1);
        }
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(status, 0, "the child ended with %#x", (unsigned)status);
    }
    atomic_store(&may_end, true);
    pthread_join(asker, NULL);
}
