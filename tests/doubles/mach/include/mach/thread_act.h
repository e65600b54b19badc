/* mach/thread_act.h of the fake: mach/mach.h has it all. */
#ifndef FAKE_MACH_THREAD_ACT_H
#define FAKE_MACH_THREAD_ACT_H

#include <mach/mach.h>

#endif
