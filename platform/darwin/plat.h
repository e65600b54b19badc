/* platform/darwin/plat.h - what the files of this folder share.
 *
 * The kernel hands out rights: a send right for each thread in a list, and the
 * memory that the list lies in. A right that is given back twice kills the process
 * (the default guard policy is fatal), one that is never given back leaks where
 * nobody counts: rights to a thread that lives coalesce under one name. So there is
 * one place that takes them and gives them back (ports.c), none is kept from one
 * question to the next, and what is remembered of threads are values, by thread_id:
 * names of ports are recycled.
 *
 * The sources use nothing but Apple's interface, so that they compile unchanged for
 * macOS and, on other systems, against a model of it. "XNU" in this folder is
 * apple-oss-distributions/xnu, xnu-11417.101.15.
 */
#ifndef HL_PLAT_DARWIN_PLAT_H
#define HL_PLAT_DARWIN_PLAT_H

#include "../none/bell.h"
#include "../platform.h"

#include <mach/mach.h>

/* One thread as a list showed it. */
struct hl_plat_seen {
    uint64_t tid;
    uint64_t cpu_ns; /* UINT64_MAX = unknown, and so is all that follows */
    char state;      /* 0 = unknown */
    char name[HL_PLAT_NAME_BYTES];
};
#define HL_PLAT_SEEN 16384 /* address space; what is not used costs no memory */

struct hl_plat_capture;

struct hl_plat {
    struct hl_plat_bell bell;
    struct hl_plat_capture *capture; /* stack.c; NULL = no memory for it */
    const char *why[HL_PLAT_KEYS];
    /* wait.c */
    bool has_waited;
    uint64_t lead_ns; /* at the end of the last wait: of the clock that goes on in sleep */
    /* process.c */
    enum { HL_PLAT_TICKS_UNSURE, HL_PLAT_TICKS_RIGHT, HL_PLAT_TICKS_WRONG } ticks;
    const char *why_not_ticks; /* a constant text where they are wrong */
    uint64_t ticks_per_s;
    uint64_t cpu_ns; /* the most that was ever said */
    bool age_is_known;
    uint64_t age_ns, age_at_ns; /* of the process; on the clock that goes on in sleep */
    /* threads.c: the last list */
    uint64_t seen_ns, seen_until_ns; /* when it was read, and how long it is good for; 0 = none */
    size_t seen_count;
    bool seen_in_order; /* by tid, as the kernel has them */
    struct hl_plat_seen seen[HL_PLAT_SEEN];
};

/* ---- plat.c ------------------------------------------------------------- */

/* Why `key` is missing: a constant text, or the call that failed and what it returned.
 * Not while a thread is suspended. */
void hl_plat_miss_because(struct hl_plat *plat, enum hl_plat_key key, const char *text);
void hl_plat_miss_call(struct hl_plat *plat, enum hl_plat_key key, const char *call,
                       kern_return_t result);
void hl_plat_miss_errno(struct hl_plat *plat, enum hl_plat_key key, const char *call, int error);

/* ---- clock.c ------------------------------------------------------------ */

/* In nanoseconds. Of clocks that cannot fail, so errno is left alone. Any thread. */
uint64_t hl_plat_read_clock(clockid_t clock);

/* ---- process.c ---------------------------------------------------------- */

void hl_plat_cpu_open(struct hl_plat *plat);

/* ---- ports.c ------------------------------------------------------------ */

/* The threads of this task, with a right to each. */
struct hl_plat_ports {
    thread_act_array_t names; /* some may be MACH_PORT_NULL or MACH_PORT_DEAD: gone already */
    mach_msg_type_number_t count;
};
/* false: nothing was taken, nothing is to be given back, and *result says why. */
bool hl_plat_take_threads(struct hl_plat_ports *ports, kern_return_t *result);
/* Gives back every right and the list, once; the names are worth nothing then. */
void hl_plat_give_back(struct hl_plat_ports *ports);
/* The thread with that id among them. Its right is still one of `ports`, which has to be
 * held as long as the name is used. MACH_PORT_NULL: gone, or, where *why is not
 * KERN_SUCCESS, one that did not tell its id may be it. */
thread_act_t hl_plat_port_of(const struct hl_plat_ports *ports, uint64_t tid, kern_return_t *why);
/* The thread has ended, in any of the ways that the kernel says so. */
bool hl_plat_is_gone(kern_return_t result);

/* ---- stack.c ------------------------------------------------------------ */

/* All that a capture needs is prepared here, plat->capture = NULL where it cannot be
 * had. Closing makes no Mach call: it is also done in the child of a fork. */
void hl_plat_capture_open(struct hl_plat *plat);
void hl_plat_capture_close(struct hl_plat *plat);
/* A thread of our own, which must never be stopped. */
void hl_plat_capture_spare(uint64_t tid);

#endif
