/* monitor/threads.h - how much CPU each thread used since the last heartbeat.
 *
 * Two readings of the platform's thread list, joined by tid. A thread that
 * began in between shows all it has used; one whose time ran backwards is a new
 * one with an old tid; one that used more than the time there was has a counter
 * that leapt. What an incomplete baseline does not tell is unknown. As a rule no
 * thread has begun or ended: then there is nothing to join. Of the monitor thread
 * alone.
 */
#ifndef HL_THREADS_H
#define HL_THREADS_H

#include "event.h"
#include "pool.h"

#include "../platform/platform.h"

struct hl_thread_use {
    uint64_t tid;
    uint64_t used_ns;  /* since the baseline; HL_UNKNOWN */
    uint64_t all_ns;   /* since its birth; HL_UNKNOWN */
    bool instrumented; /* marked by the caller: it has an open scope */
};

/* Goes from reading to reading. */
struct hl_thread_mark {
    uint64_t idle_since_ns; /* the first reading that showed the CPU time it has now */
    unsigned looks;         /* counted by the caller: into it, while it is idle */
    bool is_settled;        /* the caller's word: there is nothing to find until it runs */
};

struct hl_thread_reading {
    uint64_t began_ns;     /* it was read then or later */
    struct hl_array list;  /* struct hl_plat_thread */
    struct hl_array marks; /* struct hl_thread_mark, beside list */
    size_t count;
    bool complete;    /* no thread is missing: one that is not found was not there */
    bool has_passing; /* perhaps with threads of our own that live for a moment */
};

struct hl_threads {
    struct hl_thread_reading then, now;
    struct hl_array use;   /* struct hl_thread_use, beside now.list */
    struct hl_array index; /* uint32_t: hash of tid -> position + 1; a power of two */
    size_t slots;
    const struct hl_thread_reading *indexed; /* whose positions these are; NULL = nobody's */
    bool known;                              /* the list could be had */
    uint64_t gone;       /* of the baseline's threads, by now; 0 also where that cannot be told */
    uint64_t elapsed_ns; /* from before the baseline was read until now */
    bool leapt;          /* a thread's time grew by more than that: it is unknown */
};

void hl_threads_init(struct hl_threads *threads);
void hl_threads_free(struct hl_threads *threads);

/* Reads the list, at `now_ns` or later. When there is no memory for a longer one, what fits
 * is taken. */
void hl_threads_sample(struct hl_threads *threads, struct hl_plat *plat, uint64_t now_ns);
/* What was just read has been idle for longer than the readings show. */
void hl_threads_idle_since(struct hl_threads *threads, uint64_t since_ns);
/* What was just read becomes the baseline. */
void hl_threads_keep(struct hl_threads *threads);

/* What was last read is the whole list. */
bool hl_threads_are_complete(const struct hl_threads *threads);
size_t hl_threads_count(const struct hl_threads *threads);
struct hl_thread_use *hl_threads_at(const struct hl_threads *threads, size_t position);
struct hl_thread_mark *hl_threads_mark(const struct hl_threads *threads, size_t position);
/* NULL: not in the list. */
struct hl_thread_use *hl_threads_find(const struct hl_threads *threads, uint64_t tid);

#endif
