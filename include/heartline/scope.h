/* heartline/scope.h - what a thread is doing, said by the thread itself.
 *
 * The only header that a worker file includes. It says nothing about logs or
 * intervals: a scope is a label on the calling thread's own stack of labels,
 * and whoever watches (heartline/monitor.h) reads it without stopping anyone.
 *
 *     void index_files(struct files *files)
 *     {
 *         SCOPE_PROGRESS(done, "index files", files->count);
 *         for (size_t i = 0; i < files->count; i++) {
 *             index_one(&files->item[i]);
 *             scope_progress_add(done, 1);
 *         }
 *     }
 *
 * Everything here works before monitor_start, after monitor_stop, in every
 * thread and in a signal handler; takes no lock, allocates nothing after a
 * thread's first push, makes no system call (but for the two named below) and
 * leaves errno alone. A push and its pop together cost less than an uncontended
 * mutex lock and unlock, an addition to one's own counter about a nanosecond, and
 * with HEARTLINE=off all of it is one test of a byte (docs/performance.md).
 *
 * Compile with -DHEARTLINE_DISABLE and every macro here becomes nothing.
 */
#ifndef HEARTLINE_SCOPE_H
#define HEARTLINE_SCOPE_H

#include <stddef.h>
#include <stdint.h>

#if !defined(MONITOR_API)
#define MONITOR_API __attribute__((visibility("default")))
#endif

/* A call straight through the table of addresses, not by way of a stub: a jump
 * less on the paths that are run most. */
#if defined(__has_attribute)
#if __has_attribute(noplt)
#define MONITOR_HOT __attribute__((noplt))
#endif
#endif
#if !defined(MONITOR_HOT)
#define MONITOR_HOT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A progress counter, as a plain value: copy it into as many workers as you
 * like. It outlives its scope harmlessly: a bump after the scope has ended
 * does nothing and is not seen on any other scope. All zero is "no counter".
 * (One exception, inherent in a scheme without locks: a thread that is
 * suspended inside the call while the owner opens 64 further progress scopes.) */
typedef struct {
    struct monitor_progress *counter;
    uint64_t generation;
} scope_progress;

/* What a block scope must remember to be ended exactly once. Opaque. */
typedef struct {
    uint64_t id;
    uint32_t index;
    uint32_t record;
} monitor_scope_token;

/* A block scope together with its counter, for SCOPE_PROGRESS. Opaque. */
typedef struct {
    monitor_scope_token token;
    scope_progress progress;
} monitor_progress_token;

/* What a handle points to: memory of the library, never unmapped, written by the
 * functions below alone. `generation` names one opening for ever; 0 = closed. A
 * handle is good while the generation is the one it was made with. Three cache
 * lines, because three parties write: everybody reads the first, the owner bumps
 * the second, all others the third. It is known here because an addition is
 * inline: a call would cost more than the addition. */
struct monitor_progress {
    uint64_t generation __attribute__((aligned(64)));
    uint64_t owner; /* generation ^ the owner's monitor_thread_; 0 = closed */
    uint64_t total;
    uint64_t opened; /* so many times */
    uint64_t own __attribute__((aligned(64)));
    uint64_t shared __attribute__((aligned(64)));
};

/* 1 = HEARTLINE=off, and nobody will ever look. */
MONITOR_API extern unsigned char monitor_scopes_off;

/* The calling thread, a number that no other living thread has. */
MONITOR_API uintptr_t monitor_scope_thread(void);

/* The functions under the macros. Use the macros: they add the caller's frame
 * and function, which is how forgotten scopes are told from open ones.
 * `length` is that of the label without its terminator, or SIZE_MAX when it is
 * not known at compile time. */
#define MONITOR_SCOPE_PLAIN 0u
#define MONITOR_SCOPE_WAITING 1u
MONITOR_API MONITOR_HOT void monitor_scope_push(const char *label, size_t length, unsigned kind,
                                                const void *frame, const char *function);
MONITOR_API void monitor_scope_pushf(const void *frame, const char *function, const char *format,
                                     ...) __attribute__((format(printf, 3, 4)));
MONITOR_API MONITOR_HOT void monitor_scope_pop(const void *frame, const char *function);
MONITOR_API void monitor_scope_expect(uint64_t limit_ms);
MONITOR_API scope_progress monitor_scope_push_progress(const char *label, size_t length,
                                                       uint64_t total, const void *frame,
                                                       const char *function);
MONITOR_API MONITOR_HOT monitor_scope_token monitor_scope_begin(const char *label, size_t length,
                                                                unsigned kind, const void *frame);
MONITOR_API monitor_scope_token monitor_scope_beginf(const void *frame, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
MONITOR_API monitor_progress_token monitor_scope_begin_progress(const char *label, size_t length,
                                                                uint64_t total, const void *frame);
MONITOR_API MONITOR_HOT void monitor_scope_end(const monitor_scope_token *token);
MONITOR_API void monitor_progress_add(scope_progress progress, uint64_t n);
MONITOR_API void monitor_progress_set(scope_progress progress, uint64_t current, uint64_t total);

#ifdef __cplusplus
}
#endif

/* The length of a literal is known here; any other string is measured inside,
 * and never beyond what a label can hold. */
#define MONITOR_LABEL_(label) \
    (label), (__builtin_constant_p(__builtin_strlen(label)) ? __builtin_strlen(label) : SIZE_MAX)
#define MONITOR_FRAME_ __builtin_frame_address(0)
#define MONITOR_JOIN2_(a, b) a##b
#define MONITOR_JOIN_(a, b) MONITOR_JOIN2_(a, b)
#define MONITOR_GUARD_                                                                            \
    __attribute__((cleanup(monitor_scope_end_), unused)) const monitor_scope_token MONITOR_JOIN_( \
        monitor_scope_, __COUNTER__)
#define MONITOR_INLINE_ static inline __attribute__((always_inline, unused))

#ifndef HEARTLINE_DISABLE

/* Opens a scope on the calling thread. The text is copied (79 bytes; longer is
 * cut on a character boundary and marked), so it may die at once. Up to 32
 * deep is kept; deeper is counted and shown as a number. */
#define scope_push(label) monitor_scope_push_(label, MONITOR_SCOPE_PLAIN, MONITOR_FRAME_, __func__)

/* The same, with a label formatted as by printf. */
#define scope_pushf(...) monitor_scope_pushf(MONITOR_FRAME_, __func__, __VA_ARGS__)

/* Closes the innermost scope of the calling thread. It may be called in
 * another function than the push. A pop without a scope is counted and does
 * nothing. */
#define scope_pop() monitor_scope_pop_(MONITOR_FRAME_, __func__)

/* A scope to the end of the enclosing block. In C, compile with -fexceptions
 * if threads are cancelled inside one; it is repaired at thread end anyway. */
#define SCOPE(label) \
    MONITOR_GUARD_ = monitor_scope_begin_(label, MONITOR_SCOPE_PLAIN, MONITOR_FRAME_)
#define SCOPEF(...) MONITOR_GUARD_ = monitor_scope_beginf(MONITOR_FRAME_, __VA_ARGS__)

/* Legitimate waiting: an idle worker, a server waiting for a client. Not a
 * stall by the default limit, and never the headline. Ended like any scope. */
#define scope_wait(label) \
    monitor_scope_push_(label, MONITOR_SCOPE_WAITING, MONITOR_FRAME_, __func__)
#define SCOPE_WAIT(label) \
    MONITOR_GUARD_ = monitor_scope_begin_(label, MONITOR_SCOPE_WAITING, MONITOR_FRAME_)

/* The innermost scope's own stall limit in milliseconds, instead of the
 * default one, also for a waiting scope; 0 = never. Calling it again restarts
 * its clock. Over 30 days is taken as 30 days. May wake the monitor (one
 * system call) when the new deadline is earlier than all it knows of. */
#define scope_expect(limit_ms) monitor_scope_expect(limit_ms)

/* A scope with a counter. total 0 = unknown. Any number of threads may add and
 * set at once; the owner's own additions cost least. set gives the counter a
 * new value and a new total. */
#define scope_push_progress(label, total) \
    monitor_scope_push_progress_(label, total, MONITOR_FRAME_, __func__)
#define scope_progress_add(progress, n) monitor_progress_add_((progress), (n))
#define scope_progress_set(progress, current, total) \
    monitor_progress_set((progress), (current), (total))

/* Declares `name`, a scope_progress, with a scope to the end of the block. */
#define SCOPE_PROGRESS(name, label, total) \
    SCOPE_PROGRESS_(name, label, total, MONITOR_JOIN_(monitor_progress_, __COUNTER__))
#define SCOPE_PROGRESS_(name, label, total, both)                    \
    const monitor_progress_token both =                              \
        monitor_scope_begin_progress_(label, total, MONITOR_FRAME_); \
    MONITOR_GUARD_ = both.token;                                     \
    const scope_progress name __attribute__((unused)) = both.progress

MONITOR_INLINE_ long monitor_scopes_are_off_(void)
{
    return __builtin_expect(__atomic_load_n(&monitor_scopes_off, __ATOMIC_RELAXED), 0);
}

/* Where a register points to what a thread has for itself, that names it: one
 * instruction, and out of a loop none. An even number. */
MONITOR_INLINE_ uintptr_t monitor_thread_(void)
{
#if defined(__x86_64__) && defined(__LP64__) && defined(__ELF__)
    uintptr_t self;
    __asm__("movq %%fs:0, %0" : "=r"(self));
    return self;
#elif defined(__aarch64__) && defined(__LP64__) && defined(__ELF__)
    uintptr_t self;
    __asm__("mrs %0, tpidr_el0" : "=r"(self));
    return self;
#else
    return monitor_scope_thread();
#endif
}

/* The label is evaluated once; after inlining, a literal's length is a constant. */
MONITOR_INLINE_ void monitor_scope_push_(const char *label, unsigned kind, const void *frame,
                                         const char *function)
{
    if (!monitor_scopes_are_off_())
        monitor_scope_push(MONITOR_LABEL_(label), kind, frame, function);
}
MONITOR_INLINE_ void monitor_scope_pop_(const void *frame, const char *function)
{
    if (!monitor_scopes_are_off_())
        monitor_scope_pop(frame, function);
}
MONITOR_INLINE_ scope_progress monitor_scope_push_progress_(const char *label, uint64_t total,
                                                            const void *frame, const char *function)
{
    return monitor_scope_push_progress(MONITOR_LABEL_(label), total, frame, function);
}
MONITOR_INLINE_ monitor_scope_token monitor_scope_begin_(const char *label, unsigned kind,
                                                         const void *frame)
{
    const monitor_scope_token nothing = {0, 0, 0};
    return monitor_scopes_are_off_() ? nothing
                                     : monitor_scope_begin(MONITOR_LABEL_(label), kind, frame);
}
MONITOR_INLINE_ void monitor_scope_end_(const monitor_scope_token *token)
{
    if (token->id != 0)
        monitor_scope_end(token);
}
MONITOR_INLINE_ monitor_progress_token monitor_scope_begin_progress_(const char *label,
                                                                     uint64_t total,
                                                                     const void *frame)
{
    return monitor_scope_begin_progress(MONITOR_LABEL_(label), total, frame);
}

/* The owner alone writes `own`, so it needs no locked instruction. One word tells
 * both that the handle is good and that its owner is calling: every further load
 * in the loop of a caller can make its additions wait for each other. */
MONITOR_INLINE_ void monitor_progress_add_(scope_progress progress, uint64_t n)
{
    struct monitor_progress *counter = progress.counter;
    if (!counter)
        return;
    const uint64_t mine = progress.generation ^ monitor_thread_();
    if (__builtin_expect(__atomic_load_n(&counter->owner, __ATOMIC_ACQUIRE) == mine, 1))
        __atomic_store_n(&counter->own, __atomic_load_n(&counter->own, __ATOMIC_RELAXED) + n,
                         __ATOMIC_RELEASE);
    else if (__atomic_load_n(&counter->generation, __ATOMIC_ACQUIRE) == progress.generation)
        __atomic_fetch_add(&counter->shared, n, __ATOMIC_RELAXED);
}

#else /* HEARTLINE_DISABLE: nothing is evaluated, the code is the same as without the macros */

#define MONITOR_UNUSED_(x) ((void)sizeof(x))
#define scope_push(label) MONITOR_UNUSED_(label)
#define scope_pushf(...) ((void)0)
#define scope_pop() ((void)0)
#define SCOPE(label) MONITOR_UNUSED_(label)
#define SCOPEF(...) ((void)0)
#define scope_wait(label) MONITOR_UNUSED_(label)
#define SCOPE_WAIT(label) MONITOR_UNUSED_(label)
#define scope_expect(limit_ms) MONITOR_UNUSED_(limit_ms)
#define scope_push_progress(label, total) \
    (MONITOR_UNUSED_(label), MONITOR_UNUSED_(total), monitor_no_progress_())
#define scope_progress_add(progress, n) (MONITOR_UNUSED_(progress), MONITOR_UNUSED_(n))
#define scope_progress_set(progress, current, total) \
    (MONITOR_UNUSED_(progress), MONITOR_UNUSED_(current), MONITOR_UNUSED_(total))
#define SCOPE_PROGRESS(name, label, total) \
    const scope_progress name __attribute__((unused)) = scope_push_progress(label, total)
static inline __attribute__((always_inline, unused)) scope_progress monitor_no_progress_(void)
{
    const scope_progress none = {0, 0};
    return none;
}

#endif
#endif
