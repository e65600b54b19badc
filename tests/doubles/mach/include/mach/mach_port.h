/* mach/mach_port.h of the fake: mach/mach.h has it all. */
#ifndef FAKE_MACH_MACH_PORT_H
#define FAKE_MACH_MACH_PORT_H

#include <mach/mach.h>

#endif
