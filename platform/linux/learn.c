/* platform/linux/learn.c - what a wait for a lock looks like, learnt by waiting. */
#define _GNU_SOURCE
#include "plat.h"

void hl_plat_learn_begin(struct hl_plat *plat)
{
    (void)plat;
}

bool hl_plat_learn(struct hl_plat *plat)
{
    (void)plat;
    return false;
}
