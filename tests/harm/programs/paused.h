/* tests/harm/programs/paused.h - what paused.c shares with whoever watches it: a file
 * that both map. It adds these to what its clocks say. */
#ifndef HARM_PAUSED_H
#define HARM_PAUSED_H

#include <stdatomic.h>
#include <stdint.h>

struct paused_clocks {
    _Atomic int64_t wall_ns;         /* CLOCK_REALTIME */
    _Atomic int64_t boot_ns;         /* CLOCK_BOOTTIME: runs on while the machine sleeps */
    _Atomic int64_t boot_at_work_ns; /* moves to boot_ns while the monitor writes its next line */
};

#endif
