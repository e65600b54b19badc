/* platform/linux/calls.c - see calls.h.
 *
 * The names are the kernel's. A verb is what the application would say: pread64
 * and readv are both "read". close() and dup2() have none: by the time that
 * they wait, their descriptor leads nowhere, or elsewhere.
 */
#define _GNU_SOURCE
#include "calls.h"

#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#undef prlimit64 /* a macro in musl, which would spoil the name below */

struct row {
    uint32_t number;
    uint8_t kind;
    uint8_t at;     /* which argument is the path */
    bool in_folder; /* the argument before is the descriptor of the folder */
    const char *name, *verb;
};

#define ROW(number, call, kind, at, in_folder, verb)            \
    {                                                           \
        number, HL_PLAT_CALL_##kind, at, in_folder, #call, verb \
    }
/* By number, for calls that headers may not know yet. */
#define NEW(number, call, kind, verb) ROW(number, call, kind, 0, false, verb)
#define NEW_PLAIN(number, call) NEW(number, call, PLAIN, NULL)
#define NEW_PATH_AT(number, call, verb) ROW(number, call, PATH, 1, true, verb)

#define OF(call, kind, verb) NEW(__NR_##call, call, kind, verb)
#define PLAIN(call) OF(call, PLAIN, NULL)
#define PLAIN4(a, b, c, d) PLAIN(a), PLAIN(b), PLAIN(c), PLAIN(d)
#define FD(call, verb) OF(call, DESCRIPTOR, verb)
#define PATH(call, at, verb) ROW(__NR_##call, call, PATH, at, false, verb)
#define PATH_AT(call, at, verb) ROW(__NR_##call, call, PATH, at, true, verb)

static const struct row rows[] = {
/* These processors have exactly these; for others there are numbers without names. */
#if defined(__x86_64__) || defined(__aarch64__)
    FD(read, "read"),
    FD(readv, "read"),
    FD(pread64, "read"),
    FD(preadv, "read"),
    FD(preadv2, "read"),
    FD(write, "write"),
    FD(writev, "write"),
    FD(pwrite64, "write"),
    FD(pwritev, "write"),
    FD(pwritev2, "write"),
    FD(recvfrom, "recv"),
    FD(recvmsg, "recv"),
    FD(recvmmsg, "recv"),
    FD(sendto, "send"),
    FD(sendmsg, "send"),
    FD(sendmmsg, "send"),
    FD(accept, "accept"),
    FD(accept4, "accept"),
    FD(flock, "flock"),
    FD(fcntl, "fcntl"),
    FD(fsync, "fsync"),
    FD(fdatasync, "fdatasync"),
    FD(sync_file_range, "sync_file_range"),
    FD(syncfs, "syncfs"),
    FD(ioctl, "ioctl"),
    FD(getdents64, "getdents"),
    FD(splice, "splice"),
    FD(tee, "tee"),
    FD(vmsplice, "vmsplice"),
    FD(sendfile, "sendfile"),
    FD(copy_file_range, "copy_file_range"),
    FD(fallocate, "fallocate"),
    FD(ftruncate, "ftruncate"),
    FD(fstat, "stat"),
    FD(fstatfs, "statfs"),
    FD(fchdir, "chdir"),
    FD(fchmod, "chmod"),
    FD(fchown, "chown"),
    FD(lseek, "lseek"),
    FD(readahead, "readahead"),
    FD(fsetxattr, "setxattr"),
    FD(fgetxattr, "getxattr"),
    FD(flistxattr, "listxattr"),
    FD(fremovexattr, "removexattr"),
    FD(open_by_handle_at, "open"),
    PATH(execve, 0, "exec"),
    PATH(chdir, 0, "chdir"),
    PATH(chroot, 0, "chroot"),
    PATH(truncate, 0, "truncate"),
    PATH(statfs, 0, "statfs"),
    PATH(mount, 1, "mount"),
    PATH(umount2, 0, "umount"),
    PATH(pivot_root, 0, "pivot_root"),
    PATH(swapon, 0, "swapon"),
    PATH(swapoff, 0, "swapoff"),
    PATH(acct, 0, "acct"),
    PATH(getxattr, 0, "getxattr"),
    PATH(lgetxattr, 0, "getxattr"),
    PATH(setxattr, 0, "setxattr"),
    PATH(lsetxattr, 0, "setxattr"),
    PATH(listxattr, 0, "listxattr"),
    PATH(llistxattr, 0, "listxattr"),
    PATH(removexattr, 0, "removexattr"),
    PATH(lremovexattr, 0, "removexattr"),
    PATH(inotify_add_watch, 1, "inotify_add_watch"),
    PATH_AT(openat, 1, "open"),
    PATH_AT(newfstatat, 1, "stat"),
    PATH_AT(statx, 1, "stat"),
    PATH_AT(faccessat, 1, "access"),
    PATH_AT(readlinkat, 1, "readlink"),
    PATH_AT(unlinkat, 1, "unlink"),
    PATH_AT(renameat, 1, "rename"),
    PATH_AT(renameat2, 1, "rename"),
    PATH_AT(mkdirat, 1, "mkdir"),
    PATH_AT(mknodat, 1, "mknod"),
    PATH_AT(linkat, 1, "link"),
    PATH_AT(symlinkat, 2, "symlink"),
    PATH_AT(fchmodat, 1, "chmod"),
    PATH_AT(fchownat, 1, "chown"),
    PATH_AT(utimensat, 1, "utime"),
    PATH_AT(execveat, 1, "exec"),
    PATH_AT(name_to_handle_at, 1, "name_to_handle"),
    OF(futex, FUTEX, NULL),
    OF(connect, CONNECT, "connect"),
    OF(epoll_pwait, EPOLL, "epoll_wait"),
    OF(ppoll, POLL, "poll"),
    OF(pselect6, SELECT, "select"),
    OF(wait4, CHILD, NULL),
    OF(waitid, CHILD, NULL),
    OF(nanosleep, TIMER, NULL),
    OF(clock_nanosleep, TIMER, NULL),
    OF(rt_sigsuspend, SIGNAL, NULL),
    OF(rt_sigtimedwait, SIGNAL, NULL),
    OF(restart_syscall, RESTARTED, NULL),
    PLAIN4(add_key, adjtimex, bind, bpf),
    PLAIN4(brk, capget, capset, clock_adjtime),
    PLAIN4(clock_getres, clock_gettime, clock_settime, clone),
    PLAIN4(close, delete_module, dup, dup3),
    PLAIN4(epoll_create1, epoll_ctl, eventfd2, exit),
    PLAIN4(exit_group, fadvise64, fanotify_init, fanotify_mark),
    PLAIN4(finit_module, get_mempolicy, get_robust_list, getcpu),
    PLAIN4(getcwd, getegid, geteuid, getgid),
    PLAIN4(getgroups, getitimer, getpeername, getpgid),
    PLAIN4(getpid, getppid, getpriority, getrandom),
    PLAIN4(getresgid, getresuid, getrlimit, getrusage),
    PLAIN4(getsid, getsockname, getsockopt, gettid),
    PLAIN4(gettimeofday, getuid, init_module, inotify_init1),
    PLAIN4(inotify_rm_watch, io_cancel, io_destroy, io_getevents),
    PLAIN4(io_setup, io_submit, ioprio_get, ioprio_set),
    PLAIN4(kcmp, kexec_load, keyctl, kill),
    PLAIN4(listen, madvise, mbind, membarrier),
    PLAIN4(memfd_create, migrate_pages, mincore, mlock),
    PLAIN4(mlock2, mlockall, mmap, move_pages),
    PLAIN4(mprotect, mq_getsetattr, mq_notify, mq_open),
    PLAIN4(mq_timedreceive, mq_timedsend, mq_unlink, mremap),
    PLAIN4(msgctl, msgget, msgrcv, msgsnd),
    PLAIN4(msync, munlock, munlockall, munmap),
    PLAIN4(perf_event_open, personality, pipe2, pkey_alloc),
    PLAIN4(pkey_free, pkey_mprotect, prctl, prlimit64),
    PLAIN4(process_vm_readv, process_vm_writev, ptrace, quotactl),
    PLAIN4(reboot, remap_file_pages, request_key, rt_sigaction),
    PLAIN4(rt_sigpending, rt_sigprocmask, rt_sigqueueinfo, rt_sigreturn),
    PLAIN4(rt_tgsigqueueinfo, sched_get_priority_max, sched_get_priority_min, sched_getaffinity),
    PLAIN4(sched_getattr, sched_getparam, sched_getscheduler, sched_rr_get_interval),
    PLAIN4(sched_setaffinity, sched_setattr, sched_setparam, sched_setscheduler),
    PLAIN4(sched_yield, seccomp, semctl, semget),
    PLAIN4(semop, semtimedop, set_mempolicy, set_robust_list),
    PLAIN4(set_tid_address, setdomainname, setfsgid, setfsuid),
    PLAIN4(setgid, setgroups, sethostname, setitimer),
    PLAIN4(setns, setpgid, setpriority, setregid),
    PLAIN4(setresgid, setresuid, setreuid, setrlimit),
    PLAIN4(setsid, setsockopt, settimeofday, setuid),
    PLAIN4(shmat, shmctl, shmdt, shmget),
    PLAIN4(shutdown, sigaltstack, signalfd4, socket),
    PLAIN4(socketpair, sync, sysinfo, syslog),
    PLAIN4(tgkill, timer_create, timer_delete, timer_getoverrun),
    PLAIN4(timer_gettime, timer_settime, timerfd_create, timerfd_gettime),
    PLAIN4(timerfd_settime, times, tkill, umask),
    PLAIN4(uname, unshare, userfaultfd, vhangup),
#ifdef __NR_io_pgetevents
    PLAIN(io_pgetevents),
#endif
#ifdef __x86_64__ /* what newer processors were not given any more */
    FD(getdents, "getdents"),
    PATH(open, 0, "open"),
    PATH(creat, 0, "open"),
    PATH(stat, 0, "stat"),
    PATH(lstat, 0, "stat"),
    PATH(access, 0, "access"),
    PATH(readlink, 0, "readlink"),
    PATH(unlink, 0, "unlink"),
    PATH(rename, 0, "rename"),
    PATH(mkdir, 0, "mkdir"),
    PATH(rmdir, 0, "rmdir"),
    PATH(mknod, 0, "mknod"),
    PATH(link, 0, "link"),
    PATH(symlink, 1, "symlink"),
    PATH(chmod, 0, "chmod"),
    PATH(chown, 0, "chown"),
    PATH(lchown, 0, "chown"),
    PATH(utime, 0, "utime"),
    PATH(utimes, 0, "utime"),
    PATH_AT(futimesat, 1, "utime"),
    OF(poll, POLL, "poll"),
    OF(select, SELECT, "select"),
    OF(epoll_wait, EPOLL, "epoll_wait"),
    OF(pause, SIGNAL, NULL),
    OF(vfork, CHILD, NULL),
    PLAIN4(alarm, arch_prctl, dup2, epoll_create),
    PLAIN4(eventfd, fork, getpgrp, inotify_init),
    PLAIN4(ioperm, iopl, modify_ldt, pipe),
    PLAIN4(signalfd, sysfs, time, uselib),
    PLAIN(ustat),
#endif
#endif
    /* From here on the numbers are the same everywhere, so headers need not know them yet. */
    NEW_PLAIN(424, pidfd_send_signal),
    NEW_PLAIN(425, io_uring_setup),
    NEW(426, io_uring_enter, DESCRIPTOR, "io_uring_enter"),
    NEW_PLAIN(427, io_uring_register),
    NEW_PATH_AT(428, open_tree, "open_tree"),
    NEW_PATH_AT(429, move_mount, "move_mount"),
    NEW_PLAIN(430, fsopen),
    NEW_PLAIN(431, fsconfig),
    NEW_PLAIN(432, fsmount),
    NEW_PATH_AT(433, fspick, "fspick"),
    NEW_PLAIN(434, pidfd_open),
    NEW(435, clone3, CLONE3, NULL),
    NEW_PLAIN(436, close_range),
    NEW_PATH_AT(437, openat2, "open"),
    NEW_PLAIN(438, pidfd_getfd),
    NEW_PATH_AT(439, faccessat2, "access"),
    NEW_PLAIN(440, process_madvise),
    NEW(441, epoll_pwait2, EPOLL, "epoll_wait"),
    NEW_PATH_AT(442, mount_setattr, "mount_setattr"),
    NEW_PLAIN(443, quotactl_fd),
    NEW_PLAIN(444, landlock_create_ruleset),
    NEW_PLAIN(445, landlock_add_rule),
    NEW_PLAIN(446, landlock_restrict_self),
    NEW_PLAIN(447, memfd_secret),
    NEW_PLAIN(448, process_mrelease),
    NEW(449, futex_waitv, WORDS, NULL),
    NEW_PLAIN(450, set_mempolicy_home_node),
    NEW_PLAIN(451, cachestat),
    NEW_PATH_AT(452, fchmodat2, "chmod"),
    NEW_PLAIN(453, map_shadow_stack),
    NEW_PLAIN(454, futex_wake),
    NEW(455, futex_wait, WORD, NULL),
    NEW_PLAIN(456, futex_requeue),
    NEW_PLAIN(457, statmount),
    NEW_PLAIN(458, listmount),
    NEW_PLAIN(459, lsm_get_self_attr),
    NEW_PLAIN(460, lsm_set_self_attr),
    NEW_PLAIN(461, lsm_list_modules),
    NEW_PLAIN(462, mseal),
    NEW_PATH_AT(463, setxattrat, "setxattr"),
    NEW_PATH_AT(464, getxattrat, "getxattr"),
    NEW_PATH_AT(465, listxattrat, "listxattr"),
    NEW_PATH_AT(466, removexattrat, "removexattr"),
    NEW_PATH_AT(467, open_tree_attr, "open_tree"),
};

static const struct row *find(uint64_t number)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].number == number)
            return &rows[i];
    return NULL;
}

/* Arguments that are an int have rubbish above it. */
static int64_t as_int(uint64_t argument)
{
    return (int32_t)(uint32_t)argument;
}

static void be_plain(struct hl_plat_meaning *meaning)
{
    *meaning = (struct hl_plat_meaning){.name = meaning->name, .descriptor = -1};
}

static void explain_by_number(const struct hl_plat_call *call, struct hl_plat_meaning *meaning)
{
    const uint64_t *arguments = call->arguments;

    switch (call->number) {
    case __NR_fcntl:
        if (as_int(arguments[1]) != F_SETLKW && as_int(arguments[1]) != F_OFD_SETLKW)
            be_plain(meaning);
        break;
    case __NR_wait4:
        meaning->awaited = as_int(arguments[0]) > 0 ? (uint64_t)as_int(arguments[0]) : 0;
        break;
    case __NR_waitid:
        meaning->awaited = as_int(arguments[0]) == P_PID ? (uint64_t)as_int(arguments[1]) : 0;
        if (as_int(arguments[0]) == 3) { /* P_PIDFD, which old headers lack */
            meaning->kind = HL_PLAT_CALL_DESCRIPTOR;
            meaning->verb = "waitid";
            meaning->descriptor = as_int(arguments[1]);
        }
        break;
    case __NR_clone:
        if (arguments[0] & CLONE_VFORK)
            meaning->kind = HL_PLAT_CALL_CHILD;
        break;
    default:
        break;
    }
}

static void explain_poll(const struct hl_plat_call *call, struct hl_plat_meaning *meaning)
{
    meaning->count = (uint32_t)call->arguments[1];
    meaning->is_endless = call->arguments[2] == 0;
#ifdef __NR_poll
    if (call->number == __NR_poll)
        meaning->is_endless = as_int(call->arguments[2]) < 0;
#endif
}

static void explain_select(const struct hl_plat_call *call, struct hl_plat_meaning *meaning)
{
    int64_t count = as_int(call->arguments[0]);

    meaning->count = count > 0 ? (uint64_t)count : 0;
    meaning->is_endless = call->arguments[4] == 0;
}

static void fill_in(const struct row *row, const struct hl_plat_call *call,
                    struct hl_plat_meaning *meaning)
{
    const uint64_t *arguments = call->arguments;

    switch (meaning->kind) {
    case HL_PLAT_CALL_CONNECT:
        meaning->address = arguments[1];
        meaning->count = (uint32_t)arguments[2];
        meaning->descriptor = as_int(arguments[0]);
        break;
    case HL_PLAT_CALL_DESCRIPTOR:
    case HL_PLAT_CALL_EPOLL:
        meaning->descriptor = as_int(arguments[0]);
        break;
    case HL_PLAT_CALL_PATH:
        meaning->address = arguments[row->at];
        if (row->in_folder)
            meaning->descriptor = as_int(arguments[row->at - 1]);
        break;
    case HL_PLAT_CALL_POLL:
        meaning->address = arguments[0];
        explain_poll(call, meaning);
        break;
    case HL_PLAT_CALL_SELECT:
        explain_select(call, meaning);
        break;
    case HL_PLAT_CALL_WORDS:
        meaning->count = (uint32_t)arguments[1];
        meaning->address = arguments[0];
        break;
    default:
        meaning->address = arguments[0];
        break;
    }
}

void hl_plat_explain_call(const struct hl_plat_call *call, struct hl_plat_meaning *meaning)
{
    const struct row *row = find(call->number);

    *meaning = (struct hl_plat_meaning){.descriptor = -1};
    if (!row)
        return;
    meaning->kind = (enum hl_plat_call_kind)row->kind;
    meaning->name = row->name;
    meaning->verb = row->verb;
    fill_in(row, call, meaning);
    explain_by_number(call, meaning);
}
