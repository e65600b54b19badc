/* mach/time_value.h of the fake: a time as the older flavors give it. */
#ifndef FAKE_MACH_TIME_VALUE_H
#define FAKE_MACH_TIME_VALUE_H

#include <mach/port.h>

struct time_value {
    integer_t seconds;
    integer_t microseconds;
};
typedef struct time_value time_value_t;

#endif
