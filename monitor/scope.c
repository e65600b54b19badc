/* A thread's own side of its record: push, pop, limits, and the repair of what
 * was forgotten. The protocol and its argument stand in record.h; this file is
 * the writer. Nothing here locks, allocates (after the first push) or makes a
 * system call on the usual path; the unusual ones are functions of their own,
 * out of the way of the usual ones.
 *
 * Repair. longjmp, pthread_cancel and exceptions leave scopes behind. A block
 * scope (SCOPE) lives exactly as long as its frame, so one whose frame lies
 * below the caller's on the thread's own stack is dead: the next push prunes
 * it, and the end of an enclosing block truncates to what it found. A plain
 * scope may be opened in one function and closed in another, so it is never
 * dead by its address; a pop removes it together with its opener's when the
 * frame *and* the function are the opener's and all above is dead. A pop that
 * meets dead block scopes prunes them first, so that it hits what it means.
 *
 * What a push is made of (gcc 12, -O2; ./dev bench scope has the nanoseconds).
 * No instruction in it is locked or exclusive, and there is no fence: stores of
 * x86-64 are releases by nature, on arm64 each is an stlr.
 *
 *                                      x86-64               arm64
 *   what lives over the clock's call   push, pop (3)        stp, str, ldp, ldr
 *   the thread's record                mov, mov %fs:        adrp, ldr, mrs, add, ldr
 *   is one; label there and short      3 (cmp, jcc)         cmp, b; cmp, ccmp, b
 *   depth; room for one more           mov, cmp, ja         ldr, cmp, b
 *   the frame; that below is not dead  mov, shl, lea, cmp   ubfiz, add, add, ldur, cbz
 *   depth + 1                          add, mov             add, stlr
 *   the frame's version is odd         mov, test, je        ldr, tbz
 *   address and function               mov, mov             stp
 *   label, each 8 bytes                mov, lea, mov, sub   ldur, add, add, stlr, sub, cbnz
 *   label, its end                     mov, shr, shr, mov   ldur, lsr, lsr, stlr
 *   kind                               mov                  add, stlr
 *   time, in the vDSO                  call *, test         blr, cbnz
 *   as nanoseconds                     imul, add, mov       ldp, madd, stlr
 *   version                            or, add, mov         orr, add, stlr
 *   is a stall reported                mov, test, jne       ldr, cbnz
 *
 * A pop that empties the stack: record, depth, the frame's address and function
 * (load and compare each), version (load, or, store), watch and kind (load and
 * test), depth (store). Any other pop reads the time as well and stores it.
 */
#include "counters.h"
#include "registry.h"
#include "wake.h"

#include <heartline/scope.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COLD __attribute__((noinline, cold))
#define NOINLINE __attribute__((noinline))
/* At the beginning of a line of the cache: what it costs does not hang on what lies before it. */
#define AT_LINE __attribute__((aligned(64)))
#ifndef ALWAYS_INLINE /* tests/coverage: each branch once, not once for each function that has it */
#define ALWAYS_INLINE inline __attribute__((always_inline))
#endif
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define LONGEST_LIMIT_MS (30ull * 24 * 3600 * 1000)
#define ELLIPSIS "\xe2\x80\xa6"

/* ---- the clock ----------------------------------------------------------- */

static inline uint64_t now_ns(void)
{
    struct timespec now;
    if (UNLIKELY(hl_plat_scope_clock.read(
            atomic_load_explicit(&hl_plat_scope_clock.clock, memory_order_relaxed), &now)))
        return 0;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- labels --------------------------------------------------------------- */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define PLACED(piece, at) ((uint64_t)(piece) << 8 * (at))
#define LAST(word, bytes) ((word) >> 8 >> (56 - 8 * (bytes)))
#else
#define PLACED(piece, at) ((uint64_t)(piece) << 8 * (8 - sizeof(piece) - (at)))
#define LAST(word, bytes) ((word) << 8 << (56 - 8 * (bytes)))
#endif

static inline uint64_t load_word(const char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof word);
    return word;
}

/* Up to seven bytes and zeros. Put together in a register: a copy of unknown
 * length would go through memory byte by byte, and wait for it. */
static inline uint64_t short_word(const char *text, size_t length)
{
    uint64_t word = 0;
    size_t at = 0;
    if (length & 4) {
        uint32_t four;
        memcpy(&four, text, 4);
        word = PLACED(four, 0);
        at = 4;
    }
    if (length & 2) {
        uint16_t two;
        memcpy(&two, text + at, 2);
        word |= PLACED(two, at);
        at += 2;
    }
    if (length & 1) {
        uint8_t one = (uint8_t)text[at];
        word |= PLACED(one, at);
    }
    return word;
}

/* The last word has what is left and the terminator: of a label with a word in
 * it, what is left are the last bytes of its last eight. */
static inline void store_label(struct hl_frame *frame, const char *label, size_t length)
{
    size_t words = length / 8;
    for (size_t i = words; i > 0; i--) {
        __asm__("" : "+r"(i)); /* else gcc sets up two pointers and an end for a word or two */
        hl_release(&frame->label[i - 1], load_word(label + i * 8 - 8));
    }
    uint64_t last =
        words ? LAST(load_word(label + length - 8), length % 8) : short_word(label, length);
    hl_release(&frame->label[words], last);
}

/* The longest cut of at most `room` bytes that ends between two characters. */
static size_t cut_between_characters(const char *label, size_t room)
{
    size_t end = room;
    while (end > 0 && ((unsigned char)label[end] & 0xc0) == 0x80)
        end--;
    return end > 0 && room - end < 4 ? end : room; /* not UTF-8: cut anywhere */
}

/* Of a label that does not fit: what does, marked. Returns its length. */
static COLD size_t cut(char text[HL_LABEL_BYTES], const char *label)
{
    size_t length = cut_between_characters(label, HL_LABEL_BYTES - sizeof ELLIPSIS);
    memcpy(text, label, length);
    memcpy(text + length, ELLIPSIS, sizeof ELLIPSIS);
    return length + sizeof ELLIPSIS - 1;
}

/* ---- ends that somebody waits for ----------------------------------------- */

static uint64_t covering_progress(const struct hl_record *record, uint32_t index)
{
    for (uint32_t i = index + 1; i-- > 0;) {
        uint64_t number = hl_kind_counter(hl_get(&record->frames[i].kind));
        if (number)
            return hl_counter_value(&record->counters[number - 1]);
    }
    return HL_UNKNOWN;
}

/* This end tells of the recovery: the next push need not wake the monitor once more. */
static void forget_report(struct hl_record *record)
{
    uint64_t epoch = hl_get(&record->reported);
    if (epoch)
        atomic_compare_exchange_strong(&record->reported, &epoch, 0);
}

/* A handler that came amid an end leaves the counting to it. */
static void count_ends(struct hl_record *record)
{
    atomic_signal_fence(memory_order_seq_cst);
    if (--record->ends_in_work > 0)
        return;
    uint64_t begun;
    do {
        begun = hl_get(&record->ends_begun);
        hl_release(&record->ended_count, begun);
        atomic_signal_fence(memory_order_seq_cst);
    } while (hl_get(&record->ends_begun) != begun);
}

/* true: the monitor wants to be woken for it. */
static COLD bool leave_end(struct hl_record *record, uint32_t index, uint64_t quiet_since,
                           bool by_exit)
{
    struct hl_frame *frame = &record->frames[index];
    uint64_t scope = hl_version_scope(hl_get(&frame->version));
    uint64_t watch = hl_get(&record->watch[index]);
    if (watch >> 1 != scope) { /* meant for an earlier scope in this frame */
        atomic_compare_exchange_strong(&record->watch[index], &watch, 0);
        return false;
    }
    record->ends_in_work++;
    atomic_signal_fence(memory_order_seq_cst);
    uint64_t number = atomic_fetch_add_explicit(&record->ends_begun, 1, memory_order_release);
    struct hl_ended *ended = &record->ended[number % HL_ENDED];
    uint64_t pushed = hl_get(&frame->pushed_ns);
    hl_release(&ended->scope, 0);
    hl_release(&ended->ended_ns, now_ns());
    hl_release(&ended->quiet_since_ns, pushed > quiet_since ? pushed : quiet_since);
    bool has_limit = hl_get(&frame->kind) & HL_KIND_LIMIT;
    hl_release(&ended->limit_since_ns, has_limit ? hl_get(&frame->limit_since_ns) : 0);
    hl_release(&ended->progress, covering_progress(record, index));
    hl_release(&ended->scope, scope << 8 | (uint64_t)index << 1 | by_exit);
    count_ends(record);
    bool wakes = watch & 1;
    if (wakes)
        forget_report(record);
    atomic_compare_exchange_strong(&record->watch[index], &watch, 0);
    return wakes;
}

/* The first push after a stall was reported: the thread goes on. */
static COLD void leave_sign(struct hl_record *record, uint64_t epoch, uint64_t now)
{
    hl_release(&record->sign_ns, now);
    hl_release(&record->sign_epoch, epoch);
    atomic_compare_exchange_strong(&record->reported, &epoch, 0);
    hl_wake();
}

/* ---- taking frames off ----------------------------------------------------- */

static inline void set_depth(struct hl_record *record, uint32_t depth)
{
    atomic_store_explicit(&record->depth, depth, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void close_counter_of(struct hl_record *record, const struct hl_frame *frame)
{
    uint64_t kind = hl_get(&frame->kind);
    if (UNLIKELY(kind & HL_KIND_COUNTER))
        hl_counter_close(&record->counters[hl_kind_counter(kind) - 1]);
}

/* In one register: gcc would work out parts of the address again and again, and keep
 * them over the call of the clock. */
static ALWAYS_INLINE struct hl_frame *frame_at(struct hl_record *record, uint32_t depth)
{
    struct hl_frame *frame = &record->frames[depth];
    __asm__("" : "+r"(frame));
    return frame;
}

static COLD void take_off_watched(struct hl_record *record, uint32_t index, uint64_t quiet_since)
{
    bool wakes = leave_end(record, index, quiet_since, false);
    close_counter_of(record, &record->frames[index]);
    set_depth(record, index);
    if (wakes)
        hl_wake();
}

/* The frame goes. The watch after the version, see record.h. Depth last: a signal
 * handler that pushes after it uses the frame. */
static ALWAYS_INLINE void take_off_at(struct hl_record *record, uint32_t index,
                                      uint64_t quiet_since)
{
    struct hl_frame *frame = frame_at(record, index);
    hl_release(&frame->version, hl_get(&frame->version) | HL_NOT_LIVE);
    atomic_signal_fence(memory_order_seq_cst);
    if (UNLIKELY(hl_get(&record->watch[index]) != 0)) {
        take_off_watched(record, index, quiet_since);
        return;
    }
    close_counter_of(record, frame);
    set_depth(record, index);
}

/* A scope stays open. popped_ns first: a reader that sees the new depth sees a
 * sign of life that is at least as new. */
static NOINLINE AT_LINE void take_off_inner(struct hl_record *record, uint32_t index)
{
    uint64_t now = now_ns();
    uint64_t quiet_since = hl_get(&record->popped_ns);
    hl_release(&record->popped_ns, now);
    take_off_at(record, index, quiet_since);
}

/* The last frame goes; apart, because only one of the two needs a stack. */
static ALWAYS_INLINE void take_off(struct hl_record *record, uint32_t index)
{
    if (index > 0)
        take_off_inner(record, index);
    else
        take_off_at(record, index, hl_get(&record->popped_ns));
}

/* The last push or pop on the thread, whose topmost kept frame is given. */
static uint64_t last_sign_ns(const struct hl_record *record, const struct hl_frame *top)
{
    uint64_t pushed = hl_get(&top->pushed_ns), popped = hl_get(&record->popped_ns);
    return pushed > popped ? pushed : popped;
}

/* A frame that is not live was abandoned in mid-push: what its words say is
 * from an earlier scope. */
static bool truncate_frame(struct hl_record *record, uint32_t index, uint64_t quiet_since,
                           bool by_exit)
{
    struct hl_frame *frame = &record->frames[index];
    uint64_t version = hl_get(&frame->version);
    if (!hl_version_is_live(version))
        return false;
    hl_release(&frame->version, version | HL_NOT_LIVE);
    atomic_signal_fence(memory_order_seq_cst);
    bool wakes =
        hl_get(&record->watch[index]) != 0 && leave_end(record, index, quiet_since, by_exit);
    close_counter_of(record, frame);
    return wakes;
}

static COLD void truncate_to(struct hl_record *record, uint32_t depth, bool by_exit)
{
    uint32_t count = atomic_load_explicit(&record->depth, memory_order_relaxed);
    if (count > HL_DEPTH)
        count = HL_DEPTH;
    uint64_t quiet_since = count > 0 ? last_sign_ns(record, &record->frames[count - 1]) : 0;
    if (depth > 0)
        hl_release(&record->popped_ns, now_ns());
    bool wakes = false;
    for (uint32_t i = count; i-- > depth;)
        wakes |= truncate_frame(record, i, quiet_since, by_exit);
    set_depth(record, depth);
    if (wakes)
        hl_wake();
}

void hl_scope_clear(struct hl_record *record, bool by_exit)
{
    truncate_to(record, 0, by_exit);
}

static COLD void repair_to(struct hl_record *record, uint32_t depth)
{
    hl_add(&record->repaired, atomic_load_explicit(&record->depth, memory_order_relaxed) - depth);
    truncate_to(record, depth, false);
}

/* ---- which frames are dead -------------------------------------------------- */

/* A coroutine's or a signal's stack is not the thread's own: nothing can be
 * concluded from addresses there. Asked for only when something looks dead. */
static bool is_on_own_stack(struct hl_record *record, uintptr_t address)
{
    if (record->stack_high == 0 && record->stack_tries < 4) {
        record->stack_tries++;
        uintptr_t low, high;
        if (hl_plat_stack_bounds((const void *)address, &low, &high)) {
            record->stack_low = low;
            record->stack_high = high;
        }
    }
    return record->stack_low <= address && address < record->stack_high;
}

static bool frame_is_dead(struct hl_record *record, const struct hl_frame *frame, uintptr_t caller)
{
    return frame->address < caller && is_on_own_stack(record, caller) &&
           is_on_own_stack(record, frame->address);
}

/* Returns the depth that is left. */
static COLD uint32_t prune(struct hl_record *record, uintptr_t caller)
{
    uint32_t depth = atomic_load_explicit(&record->depth, memory_order_relaxed);
    uint32_t kept = depth < HL_DEPTH ? depth : HL_DEPTH;
    uint32_t keep = kept;
    while (keep > 0 && !record->frames[keep - 1].function &&
           frame_is_dead(record, &record->frames[keep - 1], caller))
        keep--;
    if (keep == kept)
        return depth;
    repair_to(record, keep);
    return keep;
}

/* ---- push -------------------------------------------------------------------- */

static COLD monitor_scope_token push_beyond(struct hl_record *record, uint32_t depth)
{
    set_depth(record, depth + 1);
    hl_add(&record->overflow, 1);
    hl_release(&record->popped_ns, now_ns()); /* a sign of life, if nothing else */
    return (monitor_scope_token){.id = UINT64_MAX, .index = depth, .record = record->index};
}

static COLD monitor_scope_token push_nothing(void)
{
    return (monitor_scope_token){0};
}

/* On a record with room at `depth`, whose frame is given, a label that fits; `total` of
 * a counter, or NULL. The clock is read last of all that takes time, so that little has
 * to be kept over the call. */
static ALWAYS_INLINE monitor_scope_token push_usual(struct hl_record *record, uint32_t depth,
                                                    struct hl_frame *frame, const char *label,
                                                    size_t length, uint64_t kind,
                                                    const void *address, const char *function,
                                                    const uint64_t *total)
{
    set_depth(record, depth + 1);
    uint64_t version = hl_get(&frame->version);
    if (UNLIKELY(!(version & HL_NOT_LIVE)))
        hl_release(&frame->version, version | HL_NOT_LIVE);
    frame->address = (uintptr_t)address; /* first: a push that a handler leaves with longjmp is */
    frame->function = function;          /* repaired like any other scope */
    store_label(frame, label, length);
    if (total)
        kind |= hl_counter_open(record, *total) << HL_KIND_COUNTER_SHIFT;
    hl_release(&frame->kind, kind);
    uint64_t now = now_ns();
    hl_release(&frame->pushed_ns, now);
    version = (version | HL_VERSION_MINOR) + 1;
    hl_release(&frame->version, version);
    atomic_signal_fence(memory_order_seq_cst);
    uint64_t reported = hl_get(&record->reported);
    if (UNLIKELY(reported != 0))
        leave_sign(record, reported, now);
    return (monitor_scope_token){
        .id = hl_version_scope(version), .index = depth, .record = record->index};
}

static NOINLINE monitor_scope_token push_unusual(const char *label, size_t length, uint64_t kind,
                                                 const void *address, const char *function,
                                                 const uint64_t *total);

/* A block scope whose function has returned, or seems to. */
static ALWAYS_INLINE bool looks_dead(const struct hl_frame *top, const void *caller)
{
    return !top->function && top->address < (uintptr_t)caller;
}

static ALWAYS_INLINE monitor_scope_token push(const char *label, size_t length, uint64_t kind,
                                              const void *address, const char *function,
                                              const uint64_t *total)
{
    struct hl_record *record = hl_registry_self();
    if (UNLIKELY(!hl_is_record(record) || length >= HL_LABEL_BYTES || !label))
        return push_unusual(label, length, kind, address, function, total);
    uint32_t depth = atomic_load_explicit(&record->depth, memory_order_relaxed);
    if (UNLIKELY(depth >= HL_DEPTH))
        return push_unusual(label, length, kind, address, function, total);
    struct hl_frame *frame = frame_at(record, depth);
    if (depth > 0 && UNLIKELY(looks_dead(frame - 1, address)))
        return push_unusual(label, length, kind, address, function, total);
    return push_usual(record, depth, frame, label, length, kind, address, function, total);
}

/* A thread's first push, a label that has to be measured or cut, frames to be
 * pruned, too deep a stack: whatever it is, it is made usual here. */
static NOINLINE monitor_scope_token push_unusual(const char *label, size_t length, uint64_t kind,
                                                 const void *address, const char *function,
                                                 const uint64_t *total)
{
    char text[HL_LABEL_BYTES];
    if (!label)
        return push("", 0, kind, address, function, total);
    if (length == SIZE_MAX) /* measured, never past what fits */
        return push(label, strnlen(label, sizeof text), kind, address, function, total);
    struct hl_record *record = hl_registry_join();
    if (!record)
        return push_nothing();
    uint32_t depth = prune(record, (uintptr_t)address);
    if (depth >= HL_DEPTH)
        return push_beyond(record, depth);
    if (length >= HL_LABEL_BYTES) {
        length = cut(text, label);
        label = text;
    }
    return push_usual(record, depth, frame_at(record, depth), label, length, kind, address,
                      function, total);
}

/* The handle of the counter that a push has just opened. */
static scope_progress handle_of(monitor_scope_token token)
{
    struct hl_record *record = hl_registry_self();
    if (!hl_is_record(record) || token.id == 0 || token.index >= HL_DEPTH)
        return (scope_progress){NULL, 0};
    uint64_t number = hl_kind_counter(hl_get(&record->frames[token.index].kind));
    if (number == 0)
        return (scope_progress){NULL, 0};
    return hl_counter_handle(&record->counters[number - 1]);
}

AT_LINE void monitor_scope_push(const char *label, size_t length, unsigned kind, const void *frame,
                                const char *function)
{
    push(label, length, kind, frame, function, NULL);
}

AT_LINE monitor_scope_token monitor_scope_begin(const char *label, size_t length, unsigned kind,
                                                const void *frame)
{
    return push(label, length, kind, frame, NULL, NULL);
}

scope_progress monitor_scope_push_progress(const char *label, size_t length, uint64_t total,
                                           const void *frame, const char *function)
{
    return handle_of(push(label, length, MONITOR_SCOPE_PLAIN, frame, function, &total));
}

monitor_progress_token monitor_scope_begin_progress(const char *label, size_t length,
                                                    uint64_t total, const void *frame)
{
    monitor_scope_token token = push(label, length, MONITOR_SCOPE_PLAIN, frame, NULL, &total);
    return (monitor_progress_token){token, handle_of(token)};
}

/* Twice a label's size, so that what does not fit is cut in store_label, which
 * knows where. */
static void format_label(char text[2 * HL_LABEL_BYTES], const char *format, va_list arguments)
{
    int saved = errno;
    if (!format || vsnprintf(text, 2 * HL_LABEL_BYTES, format, arguments) < 0)
        text[0] = '\0';
    errno = saved;
}

static bool scopes_are_off(void)
{
    return !hl_is_record(hl_registry_self()) && hl_registry_is_off();
}

void monitor_scope_pushf(const void *frame, const char *function, const char *format, ...)
{
    if (scopes_are_off())
        return;
    char text[2 * HL_LABEL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    format_label(text, format, arguments);
    va_end(arguments);
    push(text, SIZE_MAX, 0, frame, function, NULL);
}

monitor_scope_token monitor_scope_beginf(const void *frame, const char *format, ...)
{
    if (scopes_are_off())
        return push_nothing();
    char text[2 * HL_LABEL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    format_label(text, format, arguments);
    va_end(arguments);
    return push(text, SIZE_MAX, 0, frame, NULL, NULL);
}

/* ---- pop --------------------------------------------------------------------- */

/* After the thread's last destructor its push was counted already. */
static COLD void pop_without_record(void)
{
    if (hl_registry_self() == HL_LEFT)
        return;
    struct hl_record *record = hl_registry_join();
    if (record)
        hl_add(&record->unbalanced, 1);
}

/* The nearest plain scope that this very call of this function opened, from the
 * top; HL_DEPTH = none. */
static uint32_t find_opener(const struct hl_record *record, uint32_t depth, uintptr_t caller,
                            const char *function)
{
    for (uint32_t i = depth; i-- > 0;) {
        const struct hl_frame *frame = &record->frames[i];
        if (frame->function && frame->function == function && frame->address == caller)
            return i;
    }
    return HL_DEPTH;
}

static bool all_above_are_dead(struct hl_record *record, uint32_t index, uint32_t depth,
                               uintptr_t caller)
{
    for (uint32_t i = index + 1; i < depth; i++)
        if (!frame_is_dead(record, &record->frames[i], caller))
            return false;
    return true;
}

static COLD void pop_other(struct hl_record *record, uint32_t depth, uintptr_t caller,
                           const char *function)
{
    if (depth > HL_DEPTH) { /* frames that were counted, not kept */
        hl_release(&record->popped_ns, now_ns());
        set_depth(record, depth - 1);
        return;
    }
    prune(record, caller);
    depth = atomic_load_explicit(&record->depth, memory_order_relaxed);
    uint32_t opener = find_opener(record, depth, caller, function);
    if (opener < HL_DEPTH && all_above_are_dead(record, opener, depth, caller)) {
        repair_to(record, opener + 1);
        take_off(record, opener);
    } else if (depth > 0 && record->frames[depth - 1].function) {
        take_off(record, depth - 1);
    } else {
        hl_add(&record->unbalanced, 1); /* a block scope ends by itself */
    }
}

AT_LINE void monitor_scope_pop(const void *frame, const char *function)
{
    struct hl_record *record = hl_registry_self();
    if (UNLIKELY(!hl_is_record(record))) {
        pop_without_record();
        return;
    }
    uint32_t depth = atomic_load_explicit(&record->depth, memory_order_relaxed);
    if (UNLIKELY(depth == 0)) {
        hl_add(&record->unbalanced, 1);
        return;
    }
    struct hl_frame *top = &record->frames[(depth - 1) % HL_DEPTH];
    if (UNLIKELY(depth > HL_DEPTH || top->address != (uintptr_t)frame || top->function != function))
        pop_other(record, depth, (uintptr_t)frame, function);
    else
        take_off(record, depth - 1);
}

static COLD void end_beyond(struct hl_record *record, uint32_t depth, uint32_t index)
{
    if (depth > index + 1)
        hl_add(&record->repaired, depth - index - 1);
    hl_release(&record->popped_ns, now_ns());
    set_depth(record, index);
}

AT_LINE void monitor_scope_end(const monitor_scope_token *token)
{
    struct hl_record *record = hl_registry_self();
    if (UNLIKELY(!hl_is_record(record) || token->id == 0))
        return;
    if (UNLIKELY(token->record != record->index)) {
        hl_add(&record->unbalanced, 1); /* another thread's, as when a coroutine moves */
        return;
    }
    uint32_t depth = atomic_load_explicit(&record->depth, memory_order_relaxed);
    uint32_t index = token->index;
    if (UNLIKELY(depth <= index))
        return; /* repaired already */
    if (UNLIKELY(index >= HL_DEPTH)) {
        end_beyond(record, depth, index);
        return;
    }
    struct hl_frame *frame = &record->frames[index];
    if (UNLIKELY(hl_version_scope(hl_get(&frame->version)) != token->id))
        return;
    if (UNLIKELY(depth != index + 1))
        repair_to(record, index + 1);
    take_off(record, index);
}

/* ---- limits -------------------------------------------------------------------- */

void monitor_scope_expect(uint64_t limit_ms)
{
    struct hl_record *record = hl_registry_self();
    if (!hl_is_record(record))
        return;
    uint32_t depth = atomic_load_explicit(&record->depth, memory_order_relaxed);
    if (depth == 0 || depth > HL_DEPTH)
        return;
    if (limit_ms > LONGEST_LIMIT_MS)
        limit_ms = LONGEST_LIMIT_MS;
    struct hl_frame *frame = &record->frames[depth - 1];
    uint64_t now = now_ns();
    uint64_t version = hl_get(&frame->version);
    do {
        if (!hl_version_is_live(version))
            return; /* a handler, amid a push or another limit of what it interrupted */
    } while (!atomic_compare_exchange_strong(&frame->version, &version, version | HL_NOT_LIVE));
    uint64_t kind = (uint32_t)hl_get(&frame->kind) | HL_KIND_LIMIT;
    hl_release(&frame->limit_since_ns, now);
    hl_release(&frame->kind, kind | limit_ms << HL_KIND_LIMIT_SHIFT);
    hl_release(&frame->version,
               (version & ~(uint64_t)HL_VERSION_MINOR) | ((version + 2) & (HL_VERSION_MINOR - 1)));
    if (limit_ms)
        hl_wake_by(now + limit_ms * 1000000);
}
