/* tests/harm/written.h - a log that is read to the last byte, for checks of what is lost.
 *
 * The crowd is threads that stay in a scope, so that each heartbeat has a known number
 * of lines; a label has the number of its thread in it, so that a line which was put
 * together of two is seen. With nothing else in the log (no stalls, no busy threads,
 * no heartbeats that somebody asked for)
 *
 *     what was written + what the stop line says was dropped = what was due
 *
 * holds to the line.
 */
#ifndef WRITTEN_H
#define WRITTEN_H

#include <heartline/monitor.h>

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Ten heartbeats in 100 ms, in JSON, and nothing that nobody could foresee. */
void crowd_options(monitor_options *options);
/* Returns when all are in their scopes. Their threads touch no descriptor. */
void crowd_gather(unsigned threads);
void crowd_dismiss(void);
/* Waits until the monitor has slept so many times more, which is at least so many
 * heartbeats where nothing wakes it; 60 s without one is an end of the program. */
void crowd_await_turns(uint64_t turns);
/* How often it has slept, and its number; 0 = there is none. */
uint64_t monitor_turns(void);
pid_t monitor_tid(void);

struct written {
    uint64_t lines; /* whole ones of ours; all of the following are some of them */
    uint64_t starts, beats, phases, stops;
    uint64_t loss_notes, others;
    uint64_t torn;                     /* what is none of ours, or not whole */
    uint64_t lossy_beats;              /* that say something was dropped: a note follows each */
    uint64_t dropped;                  /* as they say, together */
    uint64_t stop_beats, stop_dropped; /* as the stop line says */
};

/* Lines that begin with this are the check's own. */
#define WRITTEN_FILLER '.'
/* Adds what is in `text`; of one process, or 0: of all. Each torn line is said. */
void written_add(struct written *written, const char *text, size_t size, uint64_t pid);
void written_add_file(struct written *written, const char *path, uint64_t pid);
/* Of a crowd of so many, to its last stop line. */
uint64_t written_due(const struct written *written, unsigned threads);
/* Says what is torn, or does not add up. `what`: of which log. */
void written_judge(const struct written *written, unsigned threads, const char *what);

#endif
