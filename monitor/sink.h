/* monitor/sink.h - where a line goes, and what happens when it cannot.
 *
 * Three kinds: standard error, a file, a callback. Never waits for a reader: a
 * line that cannot be taken at once is dropped and counted; one that was taken
 * in part is finished before the next one begins, so a reader never sees a torn
 * line. Used by the monitor thread alone, except for the counters.
 */
#ifndef HL_SINK_H
#define HL_SINK_H

#include "config.h"
#include "line.h"

#include "../platform/platform.h"

#include <stdatomic.h>

struct hl_sink {
    monitor_sink callback; /* NULL: to log */
    void *callback_data;
    struct hl_plat_log log;
    char path[HL_PATH_BYTES]; /* "" = standard error: opened again after an error */
    char tail[HL_LINE_BYTES]; /* the rest of a line that was taken in part */
    size_t tail_length;
    bool has_size;            /* the rest belongs to a file, which had `size` bytes */
    uint64_t size;            /* when it was kept: a shorter one was emptied since */
    uint64_t spent_ns;        /* in writing and in the callback, since the start */
    uint64_t looked_ns;       /* when the path was last seen to lead to the open file */
    _Atomic uint64_t dropped; /* lines lost since the start */
    _Atomic int last_error;   /* why the last one was lost: errno, 0 = none yet */
};

/* Opens what the options name. 0 or a negative errno. */
int hl_sink_open(struct hl_sink *sink, const monitor_options *options);
/* `line` ends with a line feed. true: it was taken (perhaps its end is still to
 * be written); false: it was dropped and counted. */
bool hl_sink_write(struct hl_sink *sink, enum monitor_level level, const char *line, size_t length);
/* Why a line was lost, as a constant text. `error`: errno. */
const char *hl_sink_reason(int error);
/* Tries to finish what was taken in part, then gives back what is open. */
void hl_sink_close(struct hl_sink *sink);
/* In a forked child: gives back what is open and writes nothing. */
void hl_sink_abandon(struct hl_sink *sink);

#endif
