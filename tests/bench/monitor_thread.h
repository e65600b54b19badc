/* tests/bench/monitor_thread.h - the monitor's own thread, seen from outside. */
#ifndef MONITOR_THREAD_H
#define MONITOR_THREAD_H

/* Its number; 0 = there is none, or this is not Linux. */
long monitor_thread_find(void);

/* Of that thread, so far; NaN = cannot be told. */
double monitor_thread_cpu_ns(long tid);
double monitor_thread_voluntary_switches(long tid);

#endif
