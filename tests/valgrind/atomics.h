/* tests/valgrind/atomics.h - tells helgrind of atomics, and of a join that it does not know.
 *
 * To helgrind an atomic access is a plain one: it would report the whole protocol of record.h,
 * and suppressing that would hide races that are none of an atomic's. So in a build with
 * -include of this file every atomic operation says what it is: the object that it touches is
 * no longer watched, and what it orders is ordered (before: release, after: acquire; a relaxed
 * operation orders nothing). All other memory is watched as ever.
 */
#ifndef TESTS_VALGRIND_ATOMICS_H
#define TESTS_VALGRIND_ATOMICS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* as the files that are compiled, which come later */
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <valgrind/helgrind.h>

#define HG_RELEASES(order) \
    ((order) == __ATOMIC_RELEASE || (order) == __ATOMIC_ACQ_REL || (order) == __ATOMIC_SEQ_CST)
#define HG_ACQUIRES(order) ((order) != __ATOMIC_RELAXED && (order) != __ATOMIC_RELEASE)

#define HG_BEFORE(order)                                              \
    do {                                                              \
        VALGRIND_HG_DISABLE_CHECKING(hg_object, sizeof *(hg_object)); \
        if (HG_RELEASES(order))                                       \
            ANNOTATE_HAPPENS_BEFORE(hg_object);                       \
    } while (0)
#define HG_AFTER(order)                        \
    do {                                       \
        if (HG_ACQUIRES(order))                \
            ANNOTATE_HAPPENS_AFTER(hg_object); \
    } while (0)

/* ---- the builtins, which the public headers use ---- */

#define __atomic_load_n(object, order)                                                   \
    __extension__({                                                                      \
        __auto_type hg_object = (object);                                                \
        HG_BEFORE(order);                                                                \
        __typeof__((void)0, *hg_object) hg_loaded = __atomic_load_n(hg_object, (order)); \
        HG_AFTER(order);                                                                 \
        hg_loaded;                                                                       \
    })
#define __atomic_store_n(object, value, order)             \
    __extension__({                                        \
        __typeof__((void)0, *(object)) hg_value = (value); \
        __auto_type hg_object = (object);                  \
        HG_BEFORE(order);                                  \
        __atomic_store_n(hg_object, hg_value, (order));    \
    })
#define HG_CHANGE(object, value, order, change)                                           \
    __extension__({                                                                       \
        __auto_type hg_value = (value);                                                   \
        __auto_type hg_object = (object);                                                 \
        HG_BEFORE(order);                                                                 \
        __typeof__((void)0, *hg_object) hg_before = change(hg_object, hg_value, (order)); \
        HG_AFTER(order);                                                                  \
        hg_before;                                                                        \
    })
#define __atomic_exchange_n(object, value, order) \
    HG_CHANGE(object, value, order, __atomic_exchange_n)
#define __atomic_fetch_add(object, value, order) HG_CHANGE(object, value, order, __atomic_fetch_add)
#define __atomic_fetch_sub(object, value, order) HG_CHANGE(object, value, order, __atomic_fetch_sub)
#define HG_COMPARE(object, expected, value, is_weak, order, otherwise)                         \
    __extension__({                                                                            \
        __auto_type hg_expected = (expected);                                                  \
        __typeof__((void)0, *(object)) hg_value = (value);                                     \
        __auto_type hg_object = (object);                                                      \
        HG_BEFORE(order);                                                                      \
        _Bool hg_done = __atomic_compare_exchange_n(hg_object, hg_expected, hg_value, is_weak, \
                                                    (order), (otherwise));                     \
        HG_AFTER(order);                                                                       \
        hg_done;                                                                               \
    })

/* ---- what stdatomic.h makes of them ---- */

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit

#define atomic_load(object) __atomic_load_n(object, __ATOMIC_SEQ_CST)
#define atomic_load_explicit(object, order) __atomic_load_n(object, order)
#define atomic_store(object, value) __atomic_store_n(object, value, __ATOMIC_SEQ_CST)
#define atomic_store_explicit(object, value, order) __atomic_store_n(object, value, order)
#define atomic_exchange(object, value) __atomic_exchange_n(object, value, __ATOMIC_SEQ_CST)
#define atomic_exchange_explicit(object, value, order) __atomic_exchange_n(object, value, order)
#define atomic_fetch_add(object, value) __atomic_fetch_add(object, value, __ATOMIC_SEQ_CST)
#define atomic_fetch_add_explicit(object, value, order) __atomic_fetch_add(object, value, order)
#define atomic_fetch_sub(object, value) __atomic_fetch_sub(object, value, __ATOMIC_SEQ_CST)
#define atomic_fetch_sub_explicit(object, value, order) __atomic_fetch_sub(object, value, order)
#define atomic_compare_exchange_weak(object, expected, value) \
    HG_COMPARE(object, expected, value, 1, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define atomic_compare_exchange_weak_explicit(object, expected, value, order, otherwise) \
    HG_COMPARE(object, expected, value, 1, order, otherwise)
#define atomic_compare_exchange_strong(object, expected, value) \
    HG_COMPARE(object, expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define atomic_compare_exchange_strong_explicit(object, expected, value, order, otherwise) \
    HG_COMPARE(object, expected, value, 0, order, otherwise)

/* ---- helgrind knows pthread_join alone ---- */

#define HG_JOIN(other, join)                                                                       \
    __extension__({                                                                                \
        int hg_error = (join);                                                                     \
        if (hg_error == 0)                                                                         \
            VALGRIND_DO_CLIENT_REQUEST_STMT(_VG_USERREQ__HG_PTHREAD_JOIN_POST, other, 0, 0, 0, 0); \
        hg_error;                                                                                  \
    })
#define pthread_timedjoin_np(other, result, until) \
    HG_JOIN(other, pthread_timedjoin_np(other, result, until))
#define pthread_clockjoin_np(other, result, clock, until) \
    HG_JOIN(other, pthread_clockjoin_np(other, result, clock, until))
#define pthread_tryjoin_np(other, result) HG_JOIN(other, pthread_tryjoin_np(other, result))

#endif
