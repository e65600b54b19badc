/* platform/linux/calls.h - what a thread in a system call waits for, by number and arguments.
 *
 * Pure: nothing is asked of the system, and what an argument points to is left
 * to the caller.
 */
#ifndef HL_PLAT_LINUX_CALLS_H
#define HL_PLAT_LINUX_CALLS_H

#include "parse.h"

enum hl_plat_call_kind {
    HL_PLAT_CALL_PLAIN = 0,  /* no more is known than its name */
    HL_PLAT_CALL_FUTEX,      /* futex(2), with all it can mean */
    HL_PLAT_CALL_WORD,       /* waits for the futex at `address` */
    HL_PLAT_CALL_WORDS,      /* for `count` futexes: struct futex_waitv at `address` */
    HL_PLAT_CALL_DESCRIPTOR, /* for what `descriptor` leads to */
    HL_PLAT_CALL_CONNECT,    /* as above, and to `count` bytes of socket address at `address` */
    HL_PLAT_CALL_PATH,       /* for a file whose name is at `address`; none or "": `descriptor` */
    HL_PLAT_CALL_POLL,       /* for `count` struct pollfd at `address` */
    HL_PLAT_CALL_SELECT,     /* for descriptors below `count` in the fd_sets in arguments 1 to 3 */
    HL_PLAT_CALL_EPOLL,      /* for what is in the set `descriptor` */
    HL_PLAT_CALL_CHILD,      /* for process `awaited`, 0 = for any */
    HL_PLAT_CALL_CLONE3,     /* for a child, if struct clone_args at `address` has CLONE_VFORK */
    HL_PLAT_CALL_TIMER,
    HL_PLAT_CALL_SIGNAL,
    HL_PLAT_CALL_RESTARTED /* goes on with one that a stop of the process interrupted */
};

struct hl_plat_meaning {
    enum hl_plat_call_kind kind;
    const char *name; /* constant; NULL = the number has none here */
    const char *verb; /* constant; NULL where `name` is not followed by an object */
    int64_t descriptor;
    uint64_t address, count;
    uint64_t awaited;
    bool is_endless; /* poll and select without a timeout */
};
/* Of a call that is_in_call. */
void hl_plat_explain_call(const struct hl_plat_call *call, struct hl_plat_meaning *meaning);

#endif
