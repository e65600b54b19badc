/* platform/linux/learn.h - what has been learnt about waits, for those who look at one. */
#ifndef HL_PLAT_LINUX_LEARN_H
#define HL_PLAT_LINUX_LEARN_H

#include "shape.h"

/* NULL when nothing has been learnt (yet); then *why says why. */
const struct hl_shapes *hl_plat_learnt(const char **why);

#endif
