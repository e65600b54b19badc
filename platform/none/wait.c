/* platform/none/wait.c - a sleep that a pipe ends; POSIX cannot tell a stop from lateness.
 *
 * A flag says that somebody called, and a byte in a pipe ends the sleep. The
 * flag is raised before the pipe is looked up, and looked at after a new pipe
 * was published, so a pipe that the application closes loses no call. Without
 * any pipe the sleep goes in slices and looks at the flag.
 */
#define _POSIX_C_SOURCE 200809L
#include "plat.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SLICE_MS 50
#define LONGEST_MS 86400000 /* of one system call */
#define REBUILDS 3          /* of the pipe within one wait */

/* ---- the pipe ---------------------------------------------------------------- */

/* The number while it is still ours, else -1. */
static int ours(const struct hl_plat_kept *kept)
{
    int number = atomic_load(&kept->number);
    struct stat is;

    if (number < 0 || fstat(number, &is) != 0 ||
        (uint64_t)is.st_dev != atomic_load(&kept->device) ||
        (uint64_t)is.st_ino != atomic_load(&kept->inode))
        return -1;
    return number;
}

static void let_go(struct hl_plat_kept *kept)
{
    int number = ours(kept);

    atomic_store(&kept->number, -1);
    if (number >= 0)
        close(number);
}

/* Takes over one end of a new pipe: moved up, never waiting, not inherited. */
static bool keep(struct hl_plat_kept *kept, int end)
{
    struct stat is;
    int number = fcntl(end, F_DUPFD_CLOEXEC, HL_PLAT_LOWEST_DESCRIPTOR);

    close(end);
    if (number < 0)
        return false;
    int flags = fcntl(number, F_GETFL);
    if (flags < 0 || fcntl(number, F_SETFL, flags | O_NONBLOCK) != 0 || fstat(number, &is) != 0) {
        close(number);
        return false;
    }
    atomic_store(&kept->device, (uint64_t)is.st_dev);
    atomic_store(&kept->inode, (uint64_t)is.st_ino);
    atomic_store(&kept->number, number);
    return true;
}

void hl_plat_close_wake(struct hl_plat *plat)
{
    let_go(&plat->call);
    let_go(&plat->hear);
}

void hl_plat_open_wake(struct hl_plat *plat)
{
    int ends[2];

    hl_plat_close_wake(plat);
    if (pipe(ends) != 0)
        return;
    bool has_hear = keep(&plat->hear, ends[0]);
    if (!keep(&plat->call, ends[1]) || !has_hear)
        hl_plat_close_wake(plat);
}

/* The end to sleep on, made again when the application has closed it, or -1. */
static int wake_descriptor(struct hl_plat *plat, int *rebuilds)
{
    int hear = ours(&plat->hear);

    if ((hear < 0 || ours(&plat->call) < 0) && *rebuilds < REBUILDS) {
        ++*rebuilds;
        hl_plat_open_wake(plat);
        hear = ours(&plat->hear);
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

    /* Sequentially consistent; pairs with the exchange in hl_plat_wait. */
    atomic_store(&plat->woken, true);
    int call = ours(&plat->call);
    if (call >= 0) {
        ssize_t written = write(call, "", 1);
        (void)written; /* a full pipe ends the sleep just as well */
    }
    errno = saved;
}

/* ---- the sleep ---------------------------------------------------------------- */

static void sleep_once(int descriptor, uint64_t ns)
{
    struct pollfd hear = {.fd = descriptor, .events = POLLIN};
    uint64_t longest = descriptor < 0 ? SLICE_MS : LONGEST_MS;
    uint64_t ms = ns / 1000000u + 1; /* never early */

    if (poll(&hear, descriptor < 0 ? 0 : 1, (int)(ms < longest ? ms : longest)) < 0 &&
        errno != EINTR) {
        struct timespec pause = {0, 10000000};
        nanosleep(&pause, NULL);
    }
}

void hl_plat_wait(struct hl_plat *plat, uint64_t timeout_ns, struct hl_plat_wait *wait)
{
    int saved = errno;
    int rebuilds = 0;

    *wait = (struct hl_plat_wait){.began_ns = hl_plat_now_ns()};
    for (;;) {
        int hear = wake_descriptor(plat, &rebuilds);
        if (hear >= 0)
            drain(hear);
        wait->woken = atomic_exchange(&plat->woken, false);
        wait->ended_ns = hl_plat_now_ns();
        uint64_t passed = wait->ended_ns - wait->began_ns;
        if (wait->woken || passed >= timeout_ns)
            break;
        sleep_once(hear, timeout_ns - passed);
    }
    errno = saved;
}

uint64_t hl_plat_stopped_awake(struct hl_plat *plat, uint64_t since_ns, uint64_t elsewhere_ns,
                               const char **by)
{
    (void)plat, (void)since_ns, (void)elsewhere_ns, (void)by;
    return 0;
}
