/* mach/mach_error.h of the fake: mach/mach.h has it all. */
#ifndef FAKE_MACH_MACH_ERROR_H
#define FAKE_MACH_MACH_ERROR_H

#include <mach/mach.h>

#endif
