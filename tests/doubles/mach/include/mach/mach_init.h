/* mach/mach_init.h of the fake: mach/mach.h has it all. */
#ifndef FAKE_MACH_MACH_INIT_H
#define FAKE_MACH_MACH_INIT_H

#include <mach/mach.h>

#endif
