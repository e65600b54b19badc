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
    uint8_t at;     /* which argument is the descriptor, path, array ... */
    bool in_folder; /* the argument before is the descriptor of the folder */
    const char *name, *verb;
};

#define NEW(number, call, kind, at, in_folder, verb)            \
    {                                                           \
        number, HL_PLAT_CALL_##kind, at, in_folder, #call, verb \
    }
#define OF(call, kind, at, in_folder, verb) NEW(__NR_##call, call, kind, at, in_folder, verb)
#define PLAIN(call) OF(call, PLAIN, 0, false, NULL)
#define PLAIN4(a, b, c, d) PLAIN(a), PLAIN(b), PLAIN(c), PLAIN(d)
#define FD(call, verb) OF(call, DESCRIPTOR, 0, false, verb)
#define PATH(call, at, verb) OF(call, PATH, at, false, verb)
#define PATH_AT(call, at, verb) OF(call, PATH, at, true, verb)

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
    OF(futex, FUTEX, 0, false, NULL),
    OF(connect, CONNECT, 0, false, "connect"),
    OF(epoll_pwait, EPOLL, 0, false, "epoll_wait"),
    OF(ppoll, POLL, 0, false, "poll"),
    OF(pselect6, SELECT, 0, false, "select"),
    OF(wait4, CHILD, 0, false, NULL),
    OF(waitid, CHILD, 0, false, NULL),
    OF(nanosleep, TIMER, 0, false, NULL),
    OF(clock_nanosleep, TIMER, 0, false, NULL),
    OF(rt_sigsuspend, SIGNAL, 0, false, NULL),
    OF(rt_sigtimedwait, SIGNAL, 0, false, NULL),
    OF(restart_syscall, RESTARTED, 0, false, NULL),
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
    OF(poll, POLL, 0, false, "poll"),
    OF(select, SELECT, 0, false, "select"),
    OF(epoll_wait, EPOLL, 0, false, "epoll_wait"),
    OF(pause, SIGNAL, 0, false, NULL),
    OF(vfork, CHILD, 0, false, NULL),
    PLAIN4(alarm, arch_prctl, dup2, epoll_create),
    PLAIN4(eventfd, fork, getpgrp, inotify_init),
    PLAIN4(ioperm, iopl, modify_ldt, pipe),
    PLAIN4(signalfd, sysfs, time, uselib),
    PLAIN(ustat),
#endif
#endif
    /* From here on the numbers are the same everywhere, so headers need not know them yet. */
    NEW(424, pidfd_send_signal, PLAIN, 0, false, NULL),
    NEW(425, io_uring_setup, PLAIN, 0, false, NULL),
    NEW(426, io_uring_enter, DESCRIPTOR, 0, false, "io_uring_enter"),
    NEW(427, io_uring_register, PLAIN, 0, false, NULL),
    NEW(428, open_tree, PATH, 1, true, "open_tree"),
    NEW(429, move_mount, PATH, 1, true, "move_mount"),
    NEW(430, fsopen, PLAIN, 0, false, NULL),
    NEW(431, fsconfig, PLAIN, 0, false, NULL),
    NEW(432, fsmount, PLAIN, 0, false, NULL),
    NEW(433, fspick, PATH, 1, true, "fspick"),
    NEW(434, pidfd_open, PLAIN, 0, false, NULL),
    NEW(435, clone3, CLONE3, 0, false, NULL),
    NEW(436, close_range, PLAIN, 0, false, NULL),
    NEW(437, openat2, PATH, 1, true, "open"),
    NEW(438, pidfd_getfd, PLAIN, 0, false, NULL),
    NEW(439, faccessat2, PATH, 1, true, "access"),
    NEW(440, process_madvise, PLAIN, 0, false, NULL),
    NEW(441, epoll_pwait2, EPOLL, 0, false, "epoll_wait"),
    NEW(442, mount_setattr, PATH, 1, true, "mount_setattr"),
    NEW(443, quotactl_fd, PLAIN, 0, false, NULL),
    NEW(444, landlock_create_ruleset, PLAIN, 0, false, NULL),
    NEW(445, landlock_add_rule, PLAIN, 0, false, NULL),
    NEW(446, landlock_restrict_self, PLAIN, 0, false, NULL),
    NEW(447, memfd_secret, PLAIN, 0, false, NULL),
    NEW(448, process_mrelease, PLAIN, 0, false, NULL),
    NEW(449, futex_waitv, WORDS, 0, false, NULL),
    NEW(450, set_mempolicy_home_node, PLAIN, 0, false, NULL),
    NEW(451, cachestat, PLAIN, 0, false, NULL),
    NEW(452, fchmodat2, PATH, 1, true, "chmod"),
    NEW(453, map_shadow_stack, PLAIN, 0, false, NULL),
    NEW(454, futex_wake, PLAIN, 0, false, NULL),
    NEW(455, futex_wait, WORD, 0, false, NULL),
    NEW(456, futex_requeue, PLAIN, 0, false, NULL),
    NEW(457, statmount, PLAIN, 0, false, NULL),
    NEW(458, listmount, PLAIN, 0, false, NULL),
    NEW(459, lsm_get_self_attr, PLAIN, 0, false, NULL),
    NEW(460, lsm_set_self_attr, PLAIN, 0, false, NULL),
    NEW(461, lsm_list_modules, PLAIN, 0, false, NULL),
    NEW(462, mseal, PLAIN, 0, false, NULL),
    NEW(463, setxattrat, PATH, 1, true, "setxattr"),
    NEW(464, getxattrat, PATH, 1, true, "getxattr"),
    NEW(465, listxattrat, PATH, 1, true, "listxattr"),
    NEW(466, removexattrat, PATH, 1, true, "removexattr"),
    NEW(467, open_tree_attr, PATH, 1, true, "open_tree"),
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
        meaning->descriptor = as_int(arguments[row->at]);
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
        meaning->address = arguments[row->at];
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
