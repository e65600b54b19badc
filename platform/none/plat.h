/* platform/none/plat.h - what the files of this folder share.
 *
 * To port Heartline, copy this folder and make it know more: figures.c is where
 * every figure is refused, name.c says with which words.
 */
#ifndef HL_PLAT_NONE_PLAT_H
#define HL_PLAT_NONE_PLAT_H

#include "bell.h"

struct hl_plat {
    struct hl_plat_bell bell;
};

/* ---- name.c --------------------------------------------------------------- */

/* Why every figure is missing. */
extern const char hl_plat_refusal[];

#endif
