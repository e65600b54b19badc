/* mach/policy.h of the fake: scheduling policies. */
#ifndef FAKE_MACH_POLICY_H
#define FAKE_MACH_POLICY_H

typedef int policy_t;

#define POLICY_TIMESHARE 1
#define POLICY_RR 2
#define POLICY_FIFO 4

#endif
