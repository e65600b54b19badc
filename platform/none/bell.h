/* platform/none/bell.h - a sleep that any thread can end, with what every POSIX system has.
 *
 * A flag says that somebody rang, and a byte in a socket ends the sleep. A descriptor
 * is compared with what it was before each use, since the application may have
 * closed it and got its number for itself.
 */
#ifndef HL_PLAT_NONE_BELL_H
#define HL_PLAT_NONE_BELL_H

#include "../platform.h"

#include <stdatomic.h>

/* A descriptor and the file it must lead to; number -1 = none. The number is
 * withdrawn first and published last: it is read in any thread. */
struct hl_plat_kept {
    atomic_int number;
    _Atomic uint64_t device, inode;
};

struct hl_plat_bell {
    struct hl_plat_kept hear, call; /* the two ends of a pair of sockets */
    atomic_bool rung;
};

#define HL_PLAT_LOWEST_DESCRIPTOR 10

void hl_plat_bell_open(struct hl_plat_bell *bell);
/* Takes no lock and trusts no half-written entry: also in the child of a fork. */
void hl_plat_bell_close(struct hl_plat_bell *bell);
/* Any thread; async-signal-safe. */
void hl_plat_bell_ring(struct hl_plat_bell *bell);
/* woken, began_ns and ended_ns of *wait; the rest is 0. */
void hl_plat_bell_sleep(struct hl_plat_bell *bell, uint64_t timeout_ns, struct hl_plat_wait *wait);

#endif
