/* tests/mach/helper.h - what the tests of the model share.
 *
 * What the model does not allow ends the program, so it is tried in a child, whose last
 * words are read.
 */
#ifndef TESTS_MACH_HELPER_H
#define TESTS_MACH_HELPER_H

#include "fake_mach.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <mach/mach.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

static inline void assert_dies_saying(const char *words, void (*body)(void))
{
    char text[1024] = "";
    size_t length = 0;
    ssize_t got;
    int ends[2], status;

    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        alarm(20);
        signal(SIGABRT, SIG_DFL); /* Criterion's own would report it */
        body();
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "it ended with %#x, saying: %s",
              (unsigned)status, text);
    cr_assert(strstr(text, words), "not \"%s\", but: %s", words, text);
}

struct list {
    thread_act_array_t names;
    mach_msg_type_number_t count;
};

static inline struct list list_now(void)
{
    struct list list;

    cr_assert_eq(task_threads(mach_task_self(), &list.names, &list.count), KERN_SUCCESS);
    return list;
}

static inline void give_back_array(struct list list)
{
    cr_assert_eq(
        vm_deallocate(mach_task_self(), (vm_address_t)list.names, list.count * sizeof *list.names),
        KERN_SUCCESS);
}

static inline void give_back(struct list list)
{
    for (mach_msg_type_number_t i = 0; i < list.count; i++)
        if (MACH_PORT_VALID(list.names[i]))
            cr_assert_eq(mach_port_deallocate(mach_task_self(), list.names[i]), KERN_SUCCESS);
    give_back_array(list);
}

static inline void assert_nothing_outstanding(void)
{
    struct fake_outstanding left = fake_outstanding();

    cr_assert_eq(left.rights, 0);
    cr_assert_eq(left.names, 0);
    cr_assert_eq(left.arrays, 0);
    cr_assert_eq(left.suspensions, 0);
}

/* A right to that thread, taken from a list of which all else is given back. */
static inline mach_port_t right_to(uint64_t id)
{
    struct list list = list_now();
    mach_port_t wanted = fake_thread_port(id);

    for (mach_msg_type_number_t i = 0; i < list.count; i++)
        if (list.names[i] != wanted)
            mach_port_deallocate(mach_task_self(), list.names[i]);
    give_back_array(list);
    return wanted;
}

static inline void drop(mach_port_t name)
{
    cr_assert_eq(mach_port_deallocate(mach_task_self(), name), KERN_SUCCESS);
}

static inline kern_return_t identify(mach_port_t name, uint64_t *id)
{
    thread_identifier_info_data_t info;
    mach_msg_type_number_t count = THREAD_IDENTIFIER_INFO_COUNT;
    kern_return_t result = thread_info(name, THREAD_IDENTIFIER_INFO, (thread_info_t)&info, &count);

    *id = result == KERN_SUCCESS ? info.thread_id : 0;
    return result;
}

static inline kern_return_t extended(mach_port_t name, thread_extended_info_data_t *info)
{
    mach_msg_type_number_t count = THREAD_EXTENDED_INFO_COUNT;

    return thread_info(name, THREAD_EXTENDED_INFO, (thread_info_t)info, &count);
}

#if defined(__x86_64__)
typedef x86_thread_state64_t registers;
#define REGISTERS x86_THREAD_STATE64
#define REGISTERS_COUNT x86_THREAD_STATE64_COUNT
static inline uintptr_t pc_of(const registers *state)
{
    return state->__rip;
}
static inline uintptr_t fp_of(const registers *state)
{
    return state->__rbp;
}
#else
typedef arm_thread_state64_t registers;
#define REGISTERS ARM_THREAD_STATE64
#define REGISTERS_COUNT ARM_THREAD_STATE64_COUNT
static inline uintptr_t pc_of(const registers *state)
{
    return state->__pc;
}
static inline uintptr_t fp_of(const registers *state)
{
    return state->__fp;
}
#endif

static inline kern_return_t read_registers(mach_port_t name, registers *state)
{
    mach_msg_type_number_t count = REGISTERS_COUNT;

    return thread_get_state(name, REGISTERS, (thread_state_t)state, &count);
}

#endif
