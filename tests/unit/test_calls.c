/* tests/unit/test_calls.c - what system calls wait for, by number and arguments alone. */
#define _GNU_SOURCE
#include "../../platform/linux/calls.h"
#include "../../platform/platform.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define RUBBISH UINT64_C(0xabcdef0100000000) /* may stand above an int */

static struct hl_plat_meaning explain(uint64_t number, uint64_t first, uint64_t second,
                                      uint64_t third)
{
    struct hl_plat_call call = {
        .is_in_call = true, .number = number, .arguments = {11, 12, 13, 14}};
    struct hl_plat_meaning meaning;

    call.arguments[0] = first;
    call.arguments[1] = second;
    call.arguments[2] = third;
    hl_plat_explain_call(&call, &meaning);
    return meaning;
}

static void assert_calls(struct hl_plat_meaning meaning, enum hl_plat_call_kind kind,
                         const char *name, const char *verb)
{
    cr_assert_str_eq(meaning.name, name);
    cr_assert_eq(meaning.kind, kind, "%s", name);
    if (verb)
        cr_assert_str_eq(meaning.verb, verb);
    else
        cr_assert_null(meaning.verb);
}

Test(calls, names_fit_and_objects_have_verbs)
{
    struct hl_plat_meaning meaning;
    int named = 0;

    for (uint64_t number = 0; number < 1024; number++) {
        meaning = explain(number, 0, 0, 0);
        if (!meaning.name)
            continue;
        named++;
        cr_assert_lt(strlen(meaning.name), HL_PLAT_CALL_BYTES, "%s", meaning.name);
        bool has_object = meaning.kind == HL_PLAT_CALL_DESCRIPTOR ||
                          meaning.kind == HL_PLAT_CALL_CONNECT ||
                          meaning.kind == HL_PLAT_CALL_PATH || meaning.kind == HL_PLAT_CALL_POLL ||
                          meaning.kind == HL_PLAT_CALL_SELECT || meaning.kind == HL_PLAT_CALL_EPOLL;
        cr_assert_eq(meaning.verb != NULL, has_object, "%s", meaning.name);
    }
#if defined(__x86_64__) || defined(__aarch64__)
    cr_assert_gt(named, 290);
#endif
}

Test(calls, a_number_without_a_name)
{
    cr_assert_null(explain(1000, 1, 2, 3).name);
    cr_assert_null(explain(UINT64_MAX, 1, 2, 3).name);
    cr_assert_null(explain(UINT64_C(1) << 32, 1, 2, 3).name);
    cr_assert_eq(explain(1000, 1, 2, 3).kind, HL_PLAT_CALL_PLAIN);
    cr_assert_eq(explain(1000, 1, 2, 3).descriptor, -1);
}

Test(calls, newer_numbers_are_the_same_everywhere)
{
    assert_calls(explain(426, 7, 0, 0), HL_PLAT_CALL_DESCRIPTOR, "io_uring_enter",
                 "io_uring_enter");
    assert_calls(explain(435, 0, 0, 0), HL_PLAT_CALL_CLONE3, "clone3", NULL);
    assert_calls(explain(437, 0, 0, 0), HL_PLAT_CALL_PATH, "openat2", "open");
    assert_calls(explain(441, 5, 0, 0), HL_PLAT_CALL_EPOLL, "epoll_pwait2", "epoll_wait");
    assert_calls(explain(449, 0, 0, 0), HL_PLAT_CALL_WORDS, "futex_waitv", NULL);
    assert_calls(explain(455, 77, 0, 0), HL_PLAT_CALL_WORD, "futex_wait", NULL);
    cr_assert_eq(explain(455, 77, 0, 0).address, 77);
    cr_assert_eq(explain(449, 77, RUBBISH | 3, 0).address, 77);
    cr_assert_eq(explain(449, 77, RUBBISH | 3, 0).count, 3);
#ifdef SYS_futex_waitv
    cr_assert_eq(SYS_futex_waitv, 449);
#endif
}

Test(calls, of_the_newer_numbers_each_has_a_name_of_its_own)
{
    for (uint64_t number = 424; number <= 467; number++) {
        const char *name = explain(number, 0, 0, 0).name;
        cr_assert_not_null(name, "%d", (int)number);
        for (uint64_t other = 424; other < number; other++)
            cr_assert_str_neq(name, explain(other, 0, 0, 0).name);
    }
    cr_assert_null(explain(423, 0, 0, 0).name);
    cr_assert_null(explain(468, 0, 0, 0).name);
}

#if defined(__x86_64__) || defined(__aarch64__)

Test(calls, descriptors_are_ints)
{
    struct hl_plat_meaning meaning = explain(SYS_read, RUBBISH | 5, 0, 0);

    assert_calls(meaning, HL_PLAT_CALL_DESCRIPTOR, "read", "read");
    cr_assert_eq(meaning.descriptor, 5);
    cr_assert_eq(explain(SYS_read, RUBBISH | 0xffffffff, 0, 0).descriptor, -1);
    assert_calls(explain(SYS_pwritev2, 3, 0, 0), HL_PLAT_CALL_DESCRIPTOR, "pwritev2", "write");
    assert_calls(explain(SYS_recvmmsg, 3, 0, 0), HL_PLAT_CALL_DESCRIPTOR, "recvmmsg", "recv");
    assert_calls(explain(SYS_accept4, 3, 0, 0), HL_PLAT_CALL_DESCRIPTOR, "accept4", "accept");
    meaning = explain(SYS_connect, 3, 4096, RUBBISH | 16);
    assert_calls(meaning, HL_PLAT_CALL_CONNECT, "connect", "connect");
    cr_assert(meaning.descriptor == 3 && meaning.address == 4096 && meaning.count == 16);
    assert_calls(explain(SYS_close, 3, 0, 0), HL_PLAT_CALL_PLAIN, "close", NULL);
}

Test(calls, only_two_commands_of_fcntl_wait)
{
    assert_calls(explain(SYS_fcntl, 3, RUBBISH | F_SETLKW, 0), HL_PLAT_CALL_DESCRIPTOR, "fcntl",
                 "fcntl");
    assert_calls(explain(SYS_fcntl, 3, F_OFD_SETLKW, 0), HL_PLAT_CALL_DESCRIPTOR, "fcntl", "fcntl");
    assert_calls(explain(SYS_fcntl, 3, F_SETLK, 0), HL_PLAT_CALL_PLAIN, "fcntl", NULL);
    cr_assert_eq(explain(SYS_fcntl, 3, F_GETFL, 0).descriptor, -1);
}

Test(calls, paths_and_the_folders_they_start_from)
{
    struct hl_plat_meaning meaning = explain(SYS_openat, RUBBISH | 9, 4096, 0);

    assert_calls(meaning, HL_PLAT_CALL_PATH, "openat", "open");
    cr_assert(meaning.address == 4096 && meaning.descriptor == 9);
    cr_assert_lt(explain(SYS_openat, (uint64_t)AT_FDCWD, 4096, 0).descriptor, 0);
    meaning = explain(SYS_symlinkat, 1, 9, 4096);
    cr_assert(meaning.address == 4096 && meaning.descriptor == 9);
    meaning = explain(SYS_execve, 4096, 9, 9);
    assert_calls(meaning, HL_PLAT_CALL_PATH, "execve", "exec");
    cr_assert(meaning.address == 4096 && meaning.descriptor == -1);
    assert_calls(explain(SYS_mount, 1, 4096, 0), HL_PLAT_CALL_PATH, "mount", "mount");
    cr_assert_eq(explain(SYS_mount, 1, 4096, 0).address, 4096);
    assert_calls(explain(SYS_newfstatat, 1, 4096, 0), HL_PLAT_CALL_PATH, "newfstatat", "stat");
}

static bool ends_with(const char *name, const char *end)
{
    return strlen(name) >= strlen(end) && strcmp(name + strlen(name) - strlen(end), end) == 0;
}

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

/* By their names: the kernel calls those that begin in a folder ...at. */
static void assert_path(const struct hl_plat_meaning *meaning)
{
    static const char *const in_folders[] = {
        "statx", "open_tree", "fspick", "move_mount", "mount_setattr", "open_tree_attr", NULL};
    static const char *const second[] = {"mount", "inotify_add_watch", "symlink", NULL};
    static const char *const words[] = {"creat", "stat", "lstat", NULL};
    bool is_at = ends_with(meaning->name, "at") || ends_with(meaning->name, "at2");
    bool is_in_folder =
        (is_at && !is_one_of(meaning->name, words)) || is_one_of(meaning->name, in_folders);

    if (strcmp(meaning->name, "symlinkat") == 0)
        cr_assert(meaning->address == 9 && meaning->descriptor == 8);
    else if (is_in_folder)
        cr_assert(meaning->address == 8 && meaning->descriptor == 7, "%s", meaning->name);
    else if (is_one_of(meaning->name, second))
        cr_assert(meaning->address == 8 && meaning->descriptor == -1, "%s", meaning->name);
    else
        cr_assert(meaning->address == 7 && meaning->descriptor == -1, "%s", meaning->name);
}

Test(calls, each_path_and_each_descriptor_stands_where_the_kernel_takes_it)
{
    int paths = 0, descriptors = 0;

    for (uint64_t number = 0; number < 1024; number++) {
        struct hl_plat_meaning meaning = explain(number, 7, 8, 9);
        if (meaning.kind == HL_PLAT_CALL_PATH) {
            paths++;
            assert_path(&meaning);
        } else if (meaning.kind == HL_PLAT_CALL_DESCRIPTOR) {
            descriptors++;
            cr_assert_eq(meaning.descriptor, 7, "%s", meaning.name);
        }
    }
    cr_assert_gt(paths, 40);
    cr_assert_gt(descriptors, 40);
}

Test(calls, sets_and_their_time)
{
    struct hl_plat_meaning meaning = explain(SYS_ppoll, 4096, RUBBISH | 3, 0);

    assert_calls(meaning, HL_PLAT_CALL_POLL, "ppoll", "poll");
    cr_assert(meaning.address == 4096 && meaning.count == 3 && meaning.is_endless);
    cr_assert_not(explain(SYS_ppoll, 4096, 3, 8192).is_endless);
    meaning = explain(SYS_pselect6, RUBBISH | 12, 0, 0);
    assert_calls(meaning, HL_PLAT_CALL_SELECT, "pselect6", "select");
    cr_assert(meaning.count == 12 && meaning.is_endless);
    cr_assert_eq(explain(SYS_pselect6, 1, 0, 0).count, 1);
    cr_assert_eq(explain(SYS_pselect6, (uint64_t)-1, 0, 0).count, 0);
    assert_calls(explain(SYS_epoll_pwait, 5, 0, 0), HL_PLAT_CALL_EPOLL, "epoll_pwait",
                 "epoll_wait");
    cr_assert_eq(explain(SYS_epoll_pwait, 5, 0, 0).descriptor, 5);
#ifdef __x86_64__
    cr_assert(explain(SYS_poll, 4096, 1, RUBBISH | 0xffffffff).is_endless);
    cr_assert_not(explain(SYS_poll, 4096, 1, RUBBISH).is_endless);
    assert_calls(explain(SYS_open, 4096, 0, 0), HL_PLAT_CALL_PATH, "open", "open");
#endif
}

Test(calls, children)
{
    assert_calls(explain(SYS_wait4, RUBBISH | 12, 0, 0), HL_PLAT_CALL_CHILD, "wait4", NULL);
    cr_assert_eq(explain(SYS_wait4, RUBBISH | 12, 0, 0).awaited, 12);
    cr_assert_eq(explain(SYS_wait4, 1, 0, 0).awaited, 1, "who looks after orphans, in a container");
    cr_assert_eq(explain(SYS_wait4, (uint64_t)-1, 0, 0).awaited, 0);
    cr_assert_eq(explain(SYS_wait4, (uint32_t)-12, 0, 0).awaited, 0, "a group");
    assert_calls(explain(SYS_waitid, P_PID, 12, 0), HL_PLAT_CALL_CHILD, "waitid", NULL);
    cr_assert_eq(explain(SYS_waitid, P_PID, RUBBISH | 12, 0).awaited, 12);
    cr_assert_eq(explain(SYS_waitid, P_ALL, 12, 0).awaited, 0);
    cr_assert_eq(explain(SYS_waitid, P_PGID, 12, 0).awaited, 0);
    assert_calls(explain(SYS_waitid, 3, 12, 0), HL_PLAT_CALL_DESCRIPTOR, "waitid", "waitid");
    cr_assert_eq(explain(SYS_waitid, 3, 12, 0).descriptor, 12);
    assert_calls(explain(SYS_clone, CLONE_VFORK | CLONE_VM | 17, 0, 0), HL_PLAT_CALL_CHILD, "clone",
                 NULL);
    assert_calls(explain(SYS_clone, 17, 0, 0), HL_PLAT_CALL_PLAIN, "clone", NULL);
}

Test(calls, time_signals_and_those_with_a_name_only)
{
    assert_calls(explain(SYS_clock_nanosleep, 0, 0, 0), HL_PLAT_CALL_TIMER, "clock_nanosleep",
                 NULL);
    assert_calls(explain(SYS_rt_sigsuspend, 0, 0, 0), HL_PLAT_CALL_SIGNAL, "rt_sigsuspend", NULL);
    assert_calls(explain(SYS_futex, 0, 0, 0), HL_PLAT_CALL_FUTEX, "futex", NULL);
    assert_calls(explain(SYS_restart_syscall, 0, 0, 0), HL_PLAT_CALL_RESTARTED, "restart_syscall",
                 NULL);
    assert_calls(explain(SYS_semtimedop, 0, 0, 0), HL_PLAT_CALL_PLAIN, "semtimedop", NULL);
    assert_calls(explain(SYS_mq_timedreceive, 0, 0, 0), HL_PLAT_CALL_PLAIN, "mq_timedreceive",
                 NULL);
    assert_calls(explain(SYS_membarrier, 0, 0, 0), HL_PLAT_CALL_PLAIN, "membarrier", NULL);
}

Test(calls, of_select_the_fifth_argument_is_its_time)
{
    struct hl_plat_call call = {
        .is_in_call = true, .number = SYS_pselect6, .arguments = {12, 4096, 0, 0, 8192, 0}};
    struct hl_plat_meaning meaning;

    hl_plat_explain_call(&call, &meaning);
    cr_assert_not(meaning.is_endless);
    call.arguments[4] = 0;
    call.arguments[5] = 8192; /* of signals */
    hl_plat_explain_call(&call, &meaning);
    cr_assert(meaning.is_endless);
}

#endif
