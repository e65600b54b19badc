/* platform/none/plat.h - what the files of this folder share.
 *
 * To port Heartline, copy this folder and make it know more: figures.c is where
 * every figure is refused, name.c says with which words. The rule that the
 * linux folder follows holds here, too: a descriptor is compared with what it
 * was before each use, since the application may have closed it and got its
 * number for itself.
 */
#ifndef HL_PLAT_NONE_PLAT_H
#define HL_PLAT_NONE_PLAT_H

#include "../platform.h"

#include <stdatomic.h>

/* A descriptor and the file it must lead to; number -1 = none. The number is
 * withdrawn first and published last: hl_plat_wake reads it in any thread. */
struct hl_plat_kept {
    atomic_int number;
    _Atomic uint64_t device, inode;
};

#define HL_PLAT_LOWEST_DESCRIPTOR 10

struct hl_plat {
    struct hl_plat_kept hear, call; /* the two ends of the wake pipe */
    atomic_bool woken;
};

/* ---- wait.c --------------------------------------------------------------- */

void hl_plat_open_wake(struct hl_plat *plat);
void hl_plat_close_wake(struct hl_plat *plat);

/* ---- name.c --------------------------------------------------------------- */

/* Why every figure is missing. */
extern const char hl_plat_refusal[];

#endif
