/* mach/vm_map.h of the fake: mach/mach.h has it all. */
#ifndef FAKE_MACH_VM_MAP_H
#define FAKE_MACH_VM_MAP_H

#include <mach/mach.h>

#endif
