/* Takes the place of the compiler's <stdatomic.h>: what is compiled with it runs on the
 * memory of model.h. Only what the library uses. */
#ifndef TESTS_LITMUS_STDATOMIC_H
#define TESTS_LITMUS_STDATOMIC_H

#include "../model.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    memory_order_relaxed = MODEL_RELAXED,
    memory_order_acquire = MODEL_ACQUIRE,
    memory_order_release = MODEL_RELEASE,
    memory_order_acq_rel = MODEL_ACQUIRE | MODEL_RELEASE,
    memory_order_seq_cst = MODEL_ACQUIRE | MODEL_RELEASE | MODEL_TOTAL
} memory_order;

typedef _Atomic(int) atomic_int;
typedef _Atomic(bool) atomic_bool;

#define MODEL_AT(at) ((void *)(uintptr_t)(at)), sizeof *(at)
#define MODEL_TO(value) ((uint64_t)(uintptr_t)(value))
#define MODEL_FROM(at, value) ((MODEL_TYPE(at))(uintptr_t)(value))
/* Of what `at` points to, without _Atomic: clang does not cast to that. */
#define MODEL_TYPE(at) __typeof__((void)0, *(at))

#define atomic_load_explicit(at, order) MODEL_FROM(at, model_load(MODEL_AT(at), (order)))
#define atomic_store_explicit(at, value, order) model_store(MODEL_AT(at), MODEL_TO(value), (order))
#define atomic_exchange_explicit(at, value, order) \
    MODEL_FROM(at, model_change(MODEL_AT(at), MODEL_SET, MODEL_TO(value), (order)))
#define atomic_fetch_add_explicit(at, n, order) \
    MODEL_FROM(at, model_change(MODEL_AT(at), MODEL_ADD, MODEL_TO(n), (order)))
#define atomic_compare_exchange_strong(at, expected, value)                                    \
    __extension__({                                                                            \
        uint64_t model_found_ = MODEL_TO(*(expected));                                         \
        bool model_done_ =                                                                     \
            model_replace(MODEL_AT(at), &model_found_, MODEL_TO(value), memory_order_seq_cst); \
        *(expected) = (__typeof__(*(expected)))(uintptr_t)model_found_;                        \
        model_done_;                                                                           \
    })

#define atomic_load(at) atomic_load_explicit(at, memory_order_seq_cst)
#define atomic_store(at, value) atomic_store_explicit(at, value, memory_order_seq_cst)
#define atomic_exchange(at, value) atomic_exchange_explicit(at, value, memory_order_seq_cst)
#define atomic_fetch_add(at, n) atomic_fetch_add_explicit(at, n, memory_order_seq_cst)
#define atomic_fetch_sub(at, n) atomic_fetch_add(at, -(n))
#define atomic_compare_exchange_weak(at, expected, value) \
    atomic_compare_exchange_strong(at, expected, value)
/* The public header, and what touches a counter, use the compiler's own. */
#define MODEL_ORDER(order)                                     \
    ((order) == __ATOMIC_RELAXED   ? (int)memory_order_relaxed \
     : (order) == __ATOMIC_ACQUIRE ? (int)memory_order_acquire \
                                   : (int)memory_order_release)
#define __atomic_load_n(at, order) atomic_load_explicit(at, MODEL_ORDER(order))
#define __atomic_store_n(at, value, order) atomic_store_explicit(at, value, MODEL_ORDER(order))
#define __atomic_fetch_add(at, n, order) atomic_fetch_add_explicit(at, n, MODEL_ORDER(order))

#define atomic_thread_fence(order) model_fence(order)
#define atomic_signal_fence(order) ((void)(order)) /* a handler runs on its own thread's memory */

#endif
