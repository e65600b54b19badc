/* tests/mach/torture.h - what the long tests of platform/darwin share. */
#ifndef TESTS_MACH_TORTURE_H
#define TESTS_MACH_TORTURE_H

#include "../sanitize/has.h"
#include "scenario.h"

#include <errno.h>
#include <mach/mach.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)
/* Both a whole number of ticks, on every machine of the model, and of microseconds. */
#define EXACT_NS UINT64_C(125000)

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Passes on the line of what a function found untrue. */
#define MUST_ALL(call)      \
    do {                    \
        int line_ = (call); \
        if (line_ != 0)     \
            return line_;   \
    } while (0)

/* ---- failing ------------------------------------------------------------------- */

static const int mach_codes[] = {KERN_TERMINATED,        KERN_INVALID_ARGUMENT,
                                 MACH_SEND_INVALID_DEST, KERN_RESOURCE_SHORTAGE,
                                 KERN_FAILURE,           KERN_NO_ACCESS};
static const int errno_codes[] = {EPERM, EACCES, ENOENT, EINVAL, ENOMEM, ESRCH};
#define CODES COUNT_OF(mach_codes)
_Static_assert(COUNT_OF(errno_codes) == CODES, "as many of each");

static inline bool answers_by_errno(enum fake_call call)
{
    return call == FAKE_SYSCTL || call == FAKE_PIDINFO || call == FAKE_PID_RUSAGE ||
           call == FAKE_RUSAGE || call == FAKE_THREADID || call == FAKE_SETNAME ||
           call == FAKE_GETNAME;
}

static inline int code_of(enum fake_call call, size_t i)
{
    return answers_by_errno(call) ? errno_codes[i] : mach_codes[i];
}

/* Of an answer about one thread: it has ended. */
static inline bool says_gone(int code)
{
    return code == KERN_TERMINATED || code == KERN_INVALID_ARGUMENT ||
           code == MACH_SEND_INVALID_DEST;
}

struct failure {
    enum fake_call call;
    uint64_t k;
    int code;
    bool lasting;
};

#endif
