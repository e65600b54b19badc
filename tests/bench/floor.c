/* See floor.h. Written for the comparison and for nothing else: no repair, no
 * limits, no progress, no end that anybody waits for, and a reader could read a
 * torn frame. Built as a shared library of its own, with the library's flags. */
#include "floor.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEPTH 32
#define LABEL_BYTES 80

struct frame {
    char label[LABEL_BYTES];
    uint64_t pushed_ns;
    void *progress;
    const char *pointer;
};

struct stack {
    _Alignas(64) _Atomic uint32_t depth;
    uint64_t popped_ns;
    struct frame frames[DEPTH];
};

static _Thread_local struct stack *self;

static int (*read_clock)(clockid_t clock, struct timespec *now) = clock_gettime;
static clockid_t clock_id = CLOCK_MONOTONIC;

void floor_take_clock(int (*read)(clockid_t clock, struct timespec *now), clockid_t clock)
{
    read_clock = read;
    clock_id = clock;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    read_clock(clock_id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static __attribute__((noinline, cold)) struct stack *join(void)
{
    self = aligned_alloc(64, (sizeof *self + 63) / 64 * 64);
    if (!self)
        abort();
    memset(self, 0, sizeof *self);
    return self;
}

static inline struct stack *mine(void)
{
    struct stack *stack = self;
    return __builtin_expect(!stack, 0) ? join() : stack;
}

void floor_push(const char *label, size_t length)
{
    struct stack *stack = mine();
    uint32_t depth = atomic_load_explicit(&stack->depth, memory_order_relaxed);
    if (depth < DEPTH && length < LABEL_BYTES) {
        struct frame *frame = &stack->frames[depth];
        memcpy(frame->label, label, length);
        frame->label[length] = '\0';
        frame->pushed_ns = now_ns();
        frame->progress = NULL;
    }
    atomic_store_explicit(&stack->depth, depth + 1, memory_order_release);
}

void floor_pop(void)
{
    struct stack *stack = mine();
    uint32_t depth = atomic_load_explicit(&stack->depth, memory_order_relaxed);
    if (depth == 0)
        return;
    if (depth > 1)
        stack->popped_ns = now_ns();
    atomic_store_explicit(&stack->depth, depth - 1, memory_order_release);
}

void floor_push_pointer(const char *label)
{
    struct stack *stack = mine();
    uint32_t depth = atomic_load_explicit(&stack->depth, memory_order_relaxed);
    if (depth < DEPTH) {
        stack->frames[depth].pointer = label;
        stack->frames[depth].progress = NULL;
    }
    atomic_store_explicit(&stack->depth, depth + 1, memory_order_release);
}

void floor_pop_pointer(void)
{
    struct stack *stack = mine();
    uint32_t depth = atomic_load_explicit(&stack->depth, memory_order_relaxed);
    if (depth > 0)
        atomic_store_explicit(&stack->depth, depth - 1, memory_order_release);
}

void floor_nothing(void) {}
