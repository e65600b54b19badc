/* monitor/picture.h - one heartbeat's picture: readings and scopes, merged.
 *
 * Filled while the monitor goes over the threads, then read by the report. It
 * holds only what will be shown: of ten thousand threads the oldest few are
 * kept, not all. Of the monitor thread alone.
 */
#ifndef HL_PICTURE_H
#define HL_PICTURE_H

#include "pool.h"
#include "progress.h"
#include "threads.h"

/* One thread with open scopes, as it may be shown. */
struct hl_picture_row {
    struct hl_phase_event phase; /* thread name, cpu and state are filled in for shown ones only */
    uint32_t record;             /* where its scopes are */
    bool always;                 /* the main thread, or stalled: shown beyond the cap */
};

struct hl_picture {
    struct hl_array rows; /* struct hl_picture_row, oldest innermost scope first once finished */
    size_t count;
    size_t cap; /* rows that are shown without being `always` */
    uint64_t omitted;
    uint64_t instrumented, waiting;
    bool active; /* the headline */
    struct hl_phase_event headline;
};

/* What is needed to tell ages. */
struct hl_picture_time {
    const struct hl_clock *clock;
    const struct hl_progress *progress;
    uint64_t now_ns;
};

void hl_picture_begin(struct hl_picture *picture, size_t cap);
void hl_picture_add(struct hl_picture *picture, const struct hl_picture_time *time,
                    const struct hl_stack *stack, bool always);
/* Sorts and cuts to what is shown. */
void hl_picture_finish(struct hl_picture *picture);
struct hl_picture_row *hl_picture_row(const struct hl_picture *picture, size_t position);

/* The busiest threads without an open scope, busiest first; at least 0.05
 * cores. Returns how many of at most `cap` there are. */
size_t hl_picture_busiest(const struct hl_threads *threads, uint64_t window_ns,
                          struct hl_busy_event *busy, size_t cap);

#endif
