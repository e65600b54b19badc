/* platform/none/bell.c - see bell.h.
 *
 * The flag is raised before the sockets are looked up, and looked at after new ones
 * were published, so a pair that the application closes loses no call. Without
 * any the sleep goes in slices and looks at the flag.
 *
 * Not a pipe: on macOS its inode is made of an address in the kernel, which the next
 * pipe may get (XNU, bsd/kern/sys_pipe.c), so the application's could pass for ours;
 * sockets are counted (uipc_usrreq.c). And who rings when one end was closed would get
 * SIGPIPE, in a thread of the application.
 */
#define _DEFAULT_SOURCE
#define _DARWIN_C_SOURCE
#include "bell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SLICE_MS 50
#define LONGEST_MS 86400000 /* of one system call */
#define REBUILDS 3          /* of the pair within one wait */

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: set for the socket, see below */
#endif

/* ---- the two ends ---------------------------------------------------------------- */

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

static void keep_quiet(int number)
{
#ifdef SO_NOSIGPIPE
    int yes = 1;

    setsockopt(number, SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof yes);
#else
    (void)number;
#endif
}

/* Takes over one end of a new pair: moved up, never waiting, not inherited. */
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
    keep_quiet(number);
    atomic_store(&kept->device, (uint64_t)is.st_dev);
    atomic_store(&kept->inode, (uint64_t)is.st_ino);
    atomic_store(&kept->number, number);
    return true;
}

void hl_plat_bell_close(struct hl_plat_bell *bell)
{
    let_go(&bell->call);
    let_go(&bell->hear);
}

static void make_pair(struct hl_plat_bell *bell)
{
    int ends[2];

    hl_plat_bell_close(bell);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return;
    bool has_hear = keep(&bell->hear, ends[0]);
    if (!keep(&bell->call, ends[1]) || !has_hear)
        hl_plat_bell_close(bell);
}

void hl_plat_bell_open(struct hl_plat_bell *bell)
{
    int saved = errno;

    atomic_init(&bell->hear.number, -1);
    atomic_init(&bell->call.number, -1);
    make_pair(bell);
    errno = saved;
}

/* The end to sleep on, made again when the application has closed it, or -1. */
static int descriptor_to_sleep_on(struct hl_plat_bell *bell, int *rebuilds)
{
    int hear = ours(&bell->hear);

    if ((hear < 0 || ours(&bell->call) < 0) && *rebuilds < REBUILDS) {
        ++*rebuilds;
        make_pair(bell);
        hear = ours(&bell->hear);
    }
    return hear;
}

static void drain(int descriptor)
{
    char bytes[512];

    while (read(descriptor, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        continue;
}

void hl_plat_bell_ring(struct hl_plat_bell *bell)
{
    int saved = errno;

    /* Sequentially consistent; pairs with the exchange in hl_plat_bell_sleep. */
    atomic_store(&bell->rung, true);
    int call = ours(&bell->call);
    if (call >= 0) {
        ssize_t sent = send(call, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)sent; /* one that is full ends the sleep just as well */
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

void hl_plat_bell_sleep(struct hl_plat_bell *bell, uint64_t timeout_ns, struct hl_plat_wait *wait)
{
    int saved = errno;
    int rebuilds = 0;

    *wait = (struct hl_plat_wait){.began_ns = hl_plat_now_ns()};
    for (;;) {
        int hear = descriptor_to_sleep_on(bell, &rebuilds);
        if (hear >= 0)
            drain(hear);
        wait->woken = atomic_exchange(&bell->rung, false);
        wait->ended_ns = hl_plat_now_ns();
        uint64_t passed = wait->ended_ns - wait->began_ns;
        if (wait->woken || passed >= timeout_ns)
            break;
        sleep_once(hear, timeout_ns - passed);
    }
    errno = saved;
}
