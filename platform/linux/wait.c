/* platform/linux/wait.c - one sleep of the monitor thread, measured, and what ends it early.
 *
 * Measuring. When a stop (SIGSTOP, debugger, frozen cgroup) interrupts a raw
 * ppoll with a relative timeout, the kernel writes back the time that remained
 * at that instant and restarts with it. So requested - remaining is the time
 * slept in active life, and
 *     stopped = elapsed - slept - time spent runnable without a core.
 * glibc's ppoll hides the remainder, hence the raw call. An undisturbed sleep is
 * one voluntary switch and a stop adds two (one where it hit outside the sleep):
 * without that sign a remainder is lateness, not a stop. Of the time between two
 * sleeps, the thread's own accounts tell how long it ran or wanted to; when they
 * leave much of it open, a voluntary switch says that it did neither, and no page
 * came from a disk, then it was stopped.
 *
 * Waking. A flag says it, and a byte in a pipe ends the sleep. Not an eventfd:
 * all of them share one inode, so a number that the application has taken over
 * could not be told from ours. The pipe is opened once more through /proc for
 * reading and writing at once: one descriptor instead of two. The flag is raised
 * before the descriptor is looked up, and lowered after a new descriptor was
 * published: whoever finds an old one leaves a flag that the sleeper still sees.
 * Without any descriptor the sleep goes in slices and looks at the flag. What is
 * left: when the application closes our pipe amid a sleep, a call is heard only
 * at the end of that sleep.
 */
#define _GNU_SOURCE
#include "plat.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLICE_NS 50000000u         /* of a sleep that no descriptor can end */
#define LONGEST_NS 86400000000000u /* of one system call */
#define SUSPENSION_NS 10000000u    /* less is noise of reading two clocks */
#define SHORTEST_AWAKE_NS 100000000u
#define REBUILDS 3 /* of the pipe within one wait */

/* ---- the pipe ------------------------------------------------------------ */

static void close_wake(struct hl_plat *plat)
{
    if (atomic_load(&plat->call.number) == atomic_load(&plat->hear.number))
        atomic_store(&plat->call.number, -1);
    hl_plat_let_go(&plat->call);
    hl_plat_let_go(&plat->hear);
}

/* Publishes one end; false when there is no descriptor for it. */
static bool keep_end(struct hl_plat_kept *end, int descriptor)
{
    descriptor = descriptor < 0 ? descriptor : hl_plat_raise(descriptor);
    return descriptor >= 0 && hl_plat_keep(end, descriptor);
}

void hl_plat_open_wake(struct hl_plat *plat)
{
    int ends[2];
    char name[32];

    close_wake(plat);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return;
    snprintf(name, sizeof name, "fd/%d", ends[0]);
    int both = hl_plat_open_own(name, O_RDWR | O_NONBLOCK);
    if (both >= 0) {
        close(ends[0]);
        close(ends[1]);
        if (keep_end(&plat->hear, both) &&
            !hl_plat_keep(&plat->call, atomic_load(&plat->hear.number)))
            atomic_store(&plat->hear.number, -1);
        return;
    }
    bool has_hear = keep_end(&plat->hear, ends[0]);
    if (!keep_end(&plat->call, ends[1]) || !has_hear)
        close_wake(plat);
}

/* The descriptor to sleep on, made again when the application has closed it, or -1. */
static int wake_descriptor(struct hl_plat *plat, int *rebuilds)
{
    int hear = hl_plat_ours(&plat->hear);

    if ((hear < 0 || hl_plat_ours(&plat->call) < 0) && *rebuilds < REBUILDS) {
        ++*rebuilds;
        hl_plat_open_wake(plat);
        hear = hl_plat_ours(&plat->hear);
    }
    return hear;
}

static void drain(int descriptor)
{
    char bytes[512];

    while (read(descriptor, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        continue;
}

void hl_plat_wake(struct hl_plat *plat)
{
    int saved = errno;

    /* Sequentially consistent, as everything here: pairs with the exchange in sleep_active. */
    atomic_store(&plat->woken, true);
    int call = hl_plat_ours(&plat->call);
    if (call >= 0) {
        ssize_t written = write(call, "", 1);
        (void)written; /* a full pipe ends the sleep just as well */
    }
    errno = saved;
}

/* ---- one sleep ------------------------------------------------------------ */

#ifdef SYS_ppoll_time64 /* 32-bit systems: the older call has 32 bits of seconds */
#define PPOLL SYS_ppoll_time64
#else
#define PPOLL SYS_ppoll
#endif
struct kernel_time {
    long long seconds, nanoseconds;
};

/* Sleeps once, at most `ns`, until `descriptor` (or nothing, if -1) can be read.
 * Returns how long of it the process was in active life. */
static uint64_t sleep_once(int descriptor, uint64_t ns)
{
    struct pollfd hear = {descriptor, POLLIN, 0};
    struct kernel_time left = {(long long)(ns / 1000000000u), (long long)(ns % 1000000000u)};
    long result =
        syscall(PPOLL, descriptor < 0 ? NULL : &hear, descriptor < 0 ? 0L : 1L, &left, NULL, 0L);

    if (result == 0)
        return ns;
    if (result < 0 && errno != EINTR) { /* refused: a limit of 0 descriptors, seccomp */
        uint64_t slice = ns < SLICE_NS ? ns : SLICE_NS;
        struct timespec pause = {0, (long)slice};
        return nanosleep(&pause, NULL) == 0 ? slice : 0;
    }
    /* Woken or, with STICKY_TIMEOUTS where nothing is written back, interrupted by a stop. */
    uint64_t rest = (uint64_t)left.seconds * 1000000000u + (uint64_t)left.nanoseconds;
    return rest < ns ? ns - rest : 0;
}

struct slept {
    bool woken;
    uint64_t active_ns;
    uint64_t sleeps;
};

static void sleep_active(struct hl_plat *plat, uint64_t timeout_ns, struct slept *slept)
{
    int rebuilds = 0;

    for (;;) {
        int hear = wake_descriptor(plat, &rebuilds);
        if (hear >= 0)
            drain(hear);
        if (atomic_exchange(&plat->woken, false)) {
            slept->woken = true;
            return;
        }
        if (slept->active_ns >= timeout_ns)
            return;
        uint64_t left = timeout_ns - slept->active_ns;
        uint64_t longest = hear < 0 ? SLICE_NS : LONGEST_NS;
        slept->active_ns += sleep_once(hear, left < longest ? left : longest);
        slept->sleeps++;
    }
}

/* ---- what happened meanwhile ------------------------------------------------ */

static struct hl_plat_lead boot_lead(void)
{
    struct hl_plat_lead best = {0, UINT64_MAX};

    for (int tries = 0; tries < 5 && best.width_ns > 1000000; tries++) {
        uint64_t before, boot, after;
        bool is_read = hl_plat_read_clock(CLOCK_MONOTONIC, &before) &&
                       hl_plat_read_clock(CLOCK_BOOTTIME, &boot) &&
                       hl_plat_read_clock(CLOCK_MONOTONIC, &after);
        if (is_read && after - before < best.width_ns && boot >= before)
            best = (struct hl_plat_lead){boot - before, after - before};
    }
    return best;
}

/* Since it was last asked, so also for what came between two sleeps. */
static uint64_t suspended_meanwhile(struct hl_plat *plat)
{
    struct hl_plat_lead before = plat->lead, after = boot_lead();

    plat->lead = after;
    if (before.width_ns == UINT64_MAX || after.width_ns == UINT64_MAX)
        return 0;
    /* The true lead lies between ns - width and ns. */
    uint64_t unsure = after.width_ns + before.ns;
    uint64_t slept = after.ns > unsure ? after.ns - unsure : 0;
    return slept >= SUSPENSION_NS ? slept : 0;
}

/* What the kernel does not say is 0. */
static struct hl_plat_own_use read_own_use(struct hl_plat *plat)
{
    char text[96];
    struct hl_plat_own_use use = {0};
    struct hl_plat_schedstat own;
    struct rusage usage;

    ssize_t size = hl_plat_read_own(plat, "schedstat", text, sizeof text);
    if (size >= 0 && hl_plat_parse_schedstat(text, (size_t)size, &own)) {
        use.on_core_ns = own.on_core_ns;
        use.run_delay_ns = own.run_delay_ns;
    }
    if (getrusage(RUSAGE_THREAD, &usage) == 0) {
        use.switches = (uint64_t)usage.ru_nvcsw;
        use.major_faults = (uint64_t)usage.ru_majflt;
    }
    return use;
}

static const char *who_stopped_us(struct hl_plat *plat)
{
    struct hl_plat_status status;
    bool is_traced = hl_plat_read_status(plat, &status) == 0 && status.tracer != HL_PLAT_UNKNOWN &&
                     status.tracer != 0;

    return is_traced ? "debugger" : "stopped";
}

static uint64_t without(uint64_t whole, uint64_t part)
{
    return whole > part ? whole - part : 0;
}

void hl_plat_wait(struct hl_plat *plat, uint64_t timeout_ns, struct hl_plat_wait *wait)
{
    int saved = errno;
    struct slept slept = {0};

    *wait = (struct hl_plat_wait){0};
    if (plat->lead.ns == 0 || plat->lead.width_ns > SUSPENSION_NS)
        plat->lead = boot_lead();
    struct hl_plat_own_use before = read_own_use(plat);
    wait->began_ns = hl_plat_now_ns();

    sleep_active(plat, timeout_ns, &slept);

    wait->ended_ns = hl_plat_now_ns();
    plat->awoke = read_own_use(plat);
    wait->woken = slept.woken;
    wait->starved_ns = without(plat->awoke.run_delay_ns, before.run_delay_ns);
    wait->suspended_ns = suspended_meanwhile(plat);
    if (plat->awoke.switches - before.switches > slept.sleeps)
        wait->stopped_ns =
            without(wait->ended_ns - wait->began_ns, slept.active_ns + wait->starved_ns);
    if (wait->stopped_ns > 0)
        wait->stopped_by = who_stopped_us(plat);
    errno = saved;
}

uint64_t hl_plat_stopped_awake(struct hl_plat *plat, uint64_t since_ns, uint64_t elsewhere_ns,
                               const char **by)
{
    int saved = errno;
    const struct hl_plat_own_use *then = &plat->awoke;
    uint64_t open = without(without(hl_plat_now_ns(), since_ns), elsewhere_ns);

    if (open < SHORTEST_AWAKE_NS)
        return 0;
    struct hl_plat_own_use now = read_own_use(plat);
    errno = saved;
    if (now.switches == then->switches || now.major_faults != then->major_faults)
        return 0;
    open = without(open, without(now.on_core_ns, then->on_core_ns) +
                             without(now.run_delay_ns, then->run_delay_ns));
    if (open < SHORTEST_AWAKE_NS)
        return 0;
    *by = who_stopped_us(plat);
    errno = saved;
    return open;
}
