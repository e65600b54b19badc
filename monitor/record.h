/* monitor/record.h - the memory that a thread and the monitor share.
 *
 * One record per thread that ever pushed a scope. It is written by its thread
 * alone (the words marked M by the monitor alone), read by the monitor without
 * stopping anyone, self-contained (labels are copied in, there is no pointer
 * into the application) and never unmapped, so a late reader reads old truth
 * and never faults.
 *
 * The protocol, frame by frame. Each frame has a version: even = live, odd =
 * not live (being written, or popped). Its upper 48 bits count the pushes to
 * this frame, so a version names one scope for ever; bits 15..1 count changes
 * of the scope's limit.
 *
 *   push   depth = d+1; data...; version = next even
 *   pop    popped_ns = now; version |= 1; (what else there is to do;) depth = d
 *   read   depth; for each frame: version, data..., version again; then depth,
 *          popped_ns and every version once more
 *
 * All stores are release, all loads of the reader are acquire, there is no
 * fence and no read-modify-write. Why a frame is never read torn: data of a
 * later push is stored after the version went odd; a reader that sees such data
 * (acquire) sees the odd or a later version when it looks again. Data of an
 * earlier push cannot be seen once the even version is, since that was stored
 * last. Why the whole stack is true at one instant: the second reading of depth
 * lies after every first and before every second reading of a version; when that
 * depth was stored, or, if that was the innermost frame's own push, when its
 * version was, all those frames were live (depth is stored before version in a
 * push, so depth is never older than the frames). docs/weak-memory.md has the
 * argument claim by claim, and tests/litmus tries it.
 * A thread that churns too fast to be caught whole still yields its outer
 * frames: those whose version did not change.
 *
 * Signal handlers: a push reserves its frame by storing depth before it loads
 * anything else of the frame, and a pop stores depth after everything else, so
 * a handler that pushes and pops in the middle works on the frames above and
 * leaves everything as it was. scope_expect leaves a frame alone that is not live,
 * and takes the version in one step: a handler may have been there first. Ends take
 * their place in `ended` in one step, and are counted when none is in work.
 *
 * Arming: to learn when a scope ended, the monitor writes its name into the
 * frame's word in `watch`, passes a barrier on all threads, and looks at the version
 * again. pop stores the version first and loads `watch` then, so either the
 * monitor sees the end, or the pop sees the watch and leaves the time in
 * `ended`. (Where there is no barrier on all threads, both may miss each other: then
 * the end is seen at the next look, without its time.)
 */
#ifndef HL_RECORD_H
#define HL_RECORD_H

#include "event.h"

#include <heartline/scope.h>

#include <stdatomic.h>
#include <string.h>

typedef _Atomic uint64_t hl_word;

#define HL_LABEL_WORDS (HL_LABEL_BYTES / 8)
#define HL_ENDED 4     /* ends of watched scopes that are kept */
#define HL_COUNTERS 96 /* 32 can be live at once; 64 others pass before one is used again */

/* A version's parts. */
#define HL_NOT_LIVE 1u
#define HL_VERSION_MINOR 0xffffu
static inline uint64_t hl_version_scope(uint64_t version)
{
    return version >> 16;
}
static inline bool hl_version_is_live(uint64_t version)
{
    return version != 0 && !(version & HL_NOT_LIVE);
}

/* `kind` of a frame: flags, the counter's number + 1 from bit 8 on, and from
 * bit 32 on its own limit in milliseconds (HL_KIND_LIMIT; 0 = never). */
#define HL_KIND_WAITING 1u
#define HL_KIND_LIMIT 2u
#define HL_KIND_COUNTER_SHIFT 8
#define HL_KIND_COUNTER (UINT64_C(0xff) << HL_KIND_COUNTER_SHIFT)
#define HL_KIND_LIMIT_SHIFT 32
static inline uint64_t hl_kind_counter(uint64_t kind)
{
    return (kind & HL_KIND_COUNTER) >> HL_KIND_COUNTER_SHIFT;
}
static inline uint64_t hl_kind_limit_ms(uint64_t kind)
{
    return kind >> HL_KIND_LIMIT_SHIFT;
}

/* 128 bytes, so that its place is found by a shift. */
struct hl_frame {
    hl_word version;
    hl_word pushed_ns;
    hl_word kind;
    /* Of the owner alone. `function` is NULL for a block scope. */
    uintptr_t address;
    const char *function;
    hl_word limit_since_ns; /* when the clock of its own limit began */
    hl_word label[HL_LABEL_WORDS];
};

/* How a watched scope ended. */
struct hl_ended {
    hl_word scope; /* (version >> 16) << 8 | frame << 1 | by the thread's exit */
    hl_word ended_ns;
    hl_word quiet_since_ns; /* the last push or pop on the thread before that end */
    hl_word limit_since_ns; /* when the clock of its own limit began; 0 = it had none */
    hl_word progress;       /* of the counter that covered it; HL_UNKNOWN = none */
};

/* The first bytes and the first frame are all that a look needs of a thread in one scope. */
#define HL_RECORD_HOT 128
struct hl_record {
    _Alignas(64) _Atomic uint32_t depth; /* the true one, may exceed HL_DEPTH */
    uint32_t index;                      /* in the registry; constant */
    hl_word popped_ns;                   /* last pop that left a scope open */
    hl_word reported;                    /* M: a number when a stall was reported, to be cleared by
                                            the next push */
    hl_word tid;                         /* 0 = free */
    hl_word sign_epoch, sign_ns;         /* that number, and the time of that push */
    _Atomic uint32_t next_free;          /* index + 1 */
    _Atomic uint32_t fork_epoch;
    struct monitor_progress *counters;      /* HL_COUNTERS of them, or NULL; constant */
    hl_word overflow, unbalanced, repaired; /* cumulative, also over the threads that had this */
    hl_word ends_begun;                     /* how many entries of `ended` were ever begun */
    hl_word ended_count;                    /* and how many of them, from the first on, are whole */
    hl_word watch[HL_DEPTH]; /* M: by frame, the scope (version >> 16) << 1 | reported; 0 = none */
    struct hl_ended ended[HL_ENDED];
    hl_word joined_ns; /* when its thread had its first push, or was forked */
    /* Of the owner alone. */
    uint32_t next_counter;
    uint32_t ends_in_work; /* more than one: in a handler amid another end */
    uint32_t exit_rounds;
    uint32_t stack_tries;
    uintptr_t stack_low, stack_high; /* 0 = not known yet */
    _Alignas(64) struct hl_frame frames[HL_DEPTH];
};

static inline uint64_t hl_get(const hl_word *word)
{
    return atomic_load_explicit((hl_word *)(uintptr_t)word, memory_order_relaxed);
}
static inline uint64_t hl_acquire(const hl_word *word)
{
    return atomic_load_explicit((hl_word *)(uintptr_t)word, memory_order_acquire);
}
static inline void hl_release(hl_word *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}
static inline void hl_frame_label(const struct hl_frame *frame, char label[HL_LABEL_BYTES])
{
    for (size_t i = 0; i < HL_LABEL_WORDS; i++) {
        uint64_t word = hl_acquire(&frame->label[i]);
        memcpy(label + i * 8, &word, 8);
    }
    label[HL_LABEL_BYTES - 1] = '\0';
}
/* The same for a counter's words (struct monitor_progress), which C++ reads too. */
static inline uint64_t hl_counter_get(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}
static inline uint64_t hl_counter_acquire(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static inline void hl_counter_release(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
/* A counter of rare things. In one step: a signal handler of its writer may come between. */
static inline void hl_add(hl_word *word, uint64_t n)
{
    atomic_fetch_add_explicit(word, n, memory_order_relaxed);
}

#endif
