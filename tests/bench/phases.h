/* tests/bench/phases.h - what each part of a heartbeat costs.
 *
 * A second Heartline, in a shared library of its own, with the very objects of
 * the first. Only the linker does something to it: calls to a few functions that
 * lie where one part ends and the next begins pass through a stop watch
 * (--wrap). So the heartbeats are those that a user has, on the monitor's own
 * thread, and the product knows nothing of it.
 */
#ifndef PHASES_H
#define PHASES_H

#include <heartline/monitor.h>
#include <heartline/scope.h>

#define PHASES_API __attribute__((visibility("default")))

/* Nanoseconds; together they are the whole heartbeat, from wake-up to plan. */
struct phases_beat {
    double collect; /* figures of the process and its threads */
    double judge;   /* every record: its stack, progress, stalls, what will be shown */
    double render;  /* into words, with what is asked about threads that are shown */
    double write;   /* lines into the sink */
};

/* monitor_start_with and monitor_stop of that second one. The latter returns how
 * many heartbeats it left in `beats`, the latest ones. */
PHASES_API int phases_start(const monitor_options *options);
PHASES_API unsigned phases_stop(struct phases_beat *beats, unsigned most);

/* Its scopes. */
PHASES_API void phases_push(const char *label);
PHASES_API scope_progress phases_push_progress(const char *label);
PHASES_API void phases_pop(void);

#endif
