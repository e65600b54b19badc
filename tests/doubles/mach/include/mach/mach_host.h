/* mach/mach_host.h of the fake: mach/mach.h has it all. */
#ifndef FAKE_MACH_MACH_HOST_H
#define FAKE_MACH_MACH_HOST_H

#include <mach/mach.h>

#endif
