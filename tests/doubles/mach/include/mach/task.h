/* mach/task.h of the fake: mach/mach.h has it all. */
#ifndef FAKE_MACH_TASK_H
#define FAKE_MACH_TASK_H

#include <mach/mach.h>

#endif
