/* tests/unit/test_futex.c - naming a futex wait, from scripted calls, stacks and mutexes.
 *
 * The places are those of a glibc 2.36, where the plain mutex waits at a place of
 * its own, and the timed one shares its place with the rwlock.
 */
#define _GNU_SOURCE
#include "../../platform/linux/shape.h"

#include <criterion/criterion.h>

#include <string.h>

enum {
    MUTEX_PC = 0x8612b,
    ROBUST_PC = 0x8c043,
    PI_PC = 0x85f95,
    COMMON_PC = 0x85e96,
    CANCELLABLE_PC = 0x85f16,
    STDIO_PC = 0x860d6
};
enum {
    PRIVATE = 128,
    WAIT = 0,
    WAKE = 1,
    LOCK_PI = 6,
    WAIT_BITSET = 9,
    WAIT_REQUEUE_PI = 11,
    LOCK_PI2 = 13
};
enum { REALTIME = 256 };
#define WAITERS 0x80000000u

static struct hl_shape shape(enum hl_plat_wait_for kind, uint64_t pc, uint32_t distance,
                             uint64_t low, uint64_t high)
{
    struct hl_shape shape = {.kind = kind, .pc = pc, .is_pi = pc == PI_PC};
    if (high) {
        shape.callers[0] = (struct hl_shape_caller){distance, low, high};
        shape.callers_count = 1;
    }
    return shape;
}

static struct hl_shape own_place(enum hl_plat_wait_for kind, uint64_t pc)
{
    struct hl_shape own = shape(kind, pc, 0, 0x8c370, 0x8c650);
    own.any_caller = true;
    return own;
}

static struct hl_shapes glibc(void)
{
    struct hl_shapes shapes = {
        .count = 8,
        .shapes = {own_place(HL_PLAT_FOR_MUTEX, MUTEX_PC), own_place(HL_PLAT_FOR_MUTEX, ROBUST_PC),
                   own_place(HL_PLAT_FOR_MUTEX, PI_PC),
                   shape(HL_PLAT_FOR_MUTEX, COMMON_PC, 56, 0x8c840, 0x8d1f0),
                   shape(HL_PLAT_FOR_RWLOCK, COMMON_PC, 56, 0x8e7b0, 0x8e990),
                   shape(HL_PLAT_FOR_CONDVAR, CANCELLABLE_PC, 56, 0x883f0, 0x886a0),
                   shape(HL_PLAT_FOR_SEMAPHORE, CANCELLABLE_PC, 56, 0x90d00, 0x90dd0),
                   shape(HL_PLAT_FOR_JOIN, CANCELLABLE_PC, 56, 0x8abb0, 0x8ad50)}};
    hl_shapes_settle(&shapes);
    return shapes;
}

static struct hl_plat_call call_of(uint64_t pc, uint64_t operation, uint64_t value)
{
    return (struct hl_plat_call){.is_in_call = true,
                                 .number = 202,
                                 .arguments = {0x5000, operation, value},
                                 .sp = 0x7000,
                                 .pc = pc};
}

/* Named with a stack that holds `caller` at +56 and nothing else. */
static enum hl_plat_wait_for named(uint64_t pc, uint64_t operation, uintptr_t caller)
{
    struct hl_shapes shapes = glibc();
    struct hl_plat_call call = call_of(pc, operation, 2);
    char stack[64] = {0};
    memcpy(stack + 56, &caller, sizeof caller);
    return hl_shapes_name(&shapes, &call, stack, sizeof stack);
}

/* ---- which kind ------------------------------------------------------------------- */

Test(futex_name, what_waits_at_a_place_of_its_own_is_told_by_the_place)
{
    cr_assert_eq(named(MUTEX_PC, WAIT | PRIVATE, 0), HL_PLAT_FOR_MUTEX);
    cr_assert_eq(named(MUTEX_PC, WAIT, 0x1234), HL_PLAT_FOR_MUTEX, "process-shared");
    cr_assert_eq(named(ROBUST_PC, WAIT, 0), HL_PLAT_FOR_MUTEX);
    cr_assert_eq(named(PI_PC, LOCK_PI | PRIVATE, 0), HL_PLAT_FOR_MUTEX);
    cr_assert_eq(named(PI_PC, LOCK_PI2 | PRIVATE, 0), HL_PLAT_FOR_MUTEX);
}

Test(futex_name, what_shares_a_place_is_told_by_the_function_that_called)
{
    uint64_t operation = WAIT_BITSET | PRIVATE | REALTIME;

    cr_assert_eq(named(COMMON_PC, operation, 0x8c9d3), HL_PLAT_FOR_MUTEX);
    cr_assert_eq(named(COMMON_PC, operation, 0x8d05c), HL_PLAT_FOR_MUTEX, "another of its lines");
    cr_assert_eq(named(COMMON_PC, operation, 0x8e956), HL_PLAT_FOR_RWLOCK);
    cr_assert_eq(named(CANCELLABLE_PC, operation, 0x885d8), HL_PLAT_FOR_CONDVAR);
    cr_assert_eq(named(CANCELLABLE_PC, operation, 0x90d90), HL_PLAT_FOR_SEMAPHORE);
    cr_assert_eq(named(CANCELLABLE_PC, WAIT_BITSET | REALTIME, 0x8ace3), HL_PLAT_FOR_JOIN);
}

Test(futex_name, who_merely_acts_like_one_stays_a_futex)
{
    cr_assert_eq(named(STDIO_PC, WAIT | PRIVATE, 0x8c9d3), HL_PLAT_FOR_FUTEX);
    cr_assert_eq(named(0x400123, WAIT, 0), HL_PLAT_FOR_FUTEX);
    cr_assert_eq(named(0x400123, LOCK_PI | PRIVATE, 0), HL_PLAT_FOR_FUTEX);
    cr_assert_eq(named(COMMON_PC, WAIT_BITSET | PRIVATE, 0), HL_PLAT_FOR_FUTEX);
    cr_assert_eq(named(COMMON_PC, WAIT_BITSET | PRIVATE, 0x8d1f0), HL_PLAT_FOR_FUTEX, "one past");
    cr_assert_eq(named(COMMON_PC, WAIT_BITSET | PRIVATE, 0x90d90), HL_PLAT_FOR_FUTEX,
                 "a caller from the other place");
    cr_assert_eq(named(MUTEX_PC, LOCK_PI | PRIVATE, 0), HL_PLAT_FOR_FUTEX);
    cr_assert_eq(named(PI_PC, WAIT | PRIVATE, 0), HL_PLAT_FOR_FUTEX);
    cr_assert_eq(named(0x400123, WAIT_REQUEUE_PI | PRIVATE, 0), HL_PLAT_FOR_FUTEX);
}

Test(futex_name, who_wakes_others_does_not_wait)
{
    cr_assert_eq(named(MUTEX_PC, WAKE | PRIVATE, 0), HL_PLAT_FOR_CALL);
    cr_assert_eq(named(0x400123, 3, 0), HL_PLAT_FOR_CALL, "requeue");
}

Test(futex_name, the_kernels_view_of_an_operation_has_32_bits)
{
    cr_assert_eq(named(MUTEX_PC, 0xffffffff00000000u | WAIT | PRIVATE, 0), HL_PLAT_FOR_MUTEX);
}

Test(futex_name, a_stack_that_was_not_read_far_enough_tells_nothing)
{
    struct hl_shapes shapes = glibc();
    struct hl_plat_call call = call_of(COMMON_PC, WAIT_BITSET | PRIVATE, 2);
    char stack[64] = {0};
    uintptr_t caller = 0x8c9d3;

    memcpy(stack + 56, &caller, sizeof caller);
    for (size_t size = 0; size < 56 + sizeof caller; size++)
        cr_assert_eq(hl_shapes_name(&shapes, &call, stack, size), HL_PLAT_FOR_FUTEX);
    cr_assert_eq(hl_shapes_name(&shapes, &call, stack, 56 + sizeof caller), HL_PLAT_FOR_MUTEX);
}

Test(futex_name, only_as_much_stack_is_wanted_as_decides)
{
    struct hl_shapes shapes = glibc();

    cr_assert_eq(hl_shapes_span(&shapes, MUTEX_PC), 0);
    cr_assert_eq(hl_shapes_span(&shapes, STDIO_PC), 0);
    cr_assert_eq(hl_shapes_span(&shapes, COMMON_PC), 56 + sizeof(uintptr_t));
}

Test(futex_name, with_nothing_learnt_everything_is_a_futex)
{
    struct hl_shapes none = {0};
    struct hl_plat_call call = call_of(MUTEX_PC, WAIT | PRIVATE, 2);

    cr_assert_eq(hl_shapes_name(&none, &call, NULL, 0), HL_PLAT_FOR_FUTEX);
}

/* ---- settling ------------------------------------------------------------------------ */

Test(futex_settle, a_place_that_others_share_is_nobodys_own)
{
    struct hl_shapes shapes = {.count = 3,
                               .shapes = {own_place(HL_PLAT_FOR_MUTEX, COMMON_PC),
                                          own_place(HL_PLAT_FOR_BARRIER, COMMON_PC),
                                          own_place(HL_PLAT_FOR_ONCE, MUTEX_PC)}};

    shapes.shapes[1].callers_count = 0; /* not to be told from the mutex: it goes */
    hl_shapes_settle(&shapes);
    cr_assert_eq(shapes.count, 2);
    cr_assert_not(shapes.shapes[0].any_caller);
    cr_assert(shapes.shapes[1].any_caller);
}

Test(futex_settle, kinds_that_look_the_same_are_not_guessed)
{
    struct hl_shapes shapes = {
        .count = 2,
        .shapes = {shape(HL_PLAT_FOR_MUTEX, COMMON_PC, 56, 0x8c840, 0x8d1f0),
                   shape(HL_PLAT_FOR_CONDVAR, COMMON_PC, 56, 0x8c840, 0x8d1f0)}};
    struct hl_plat_call call = call_of(COMMON_PC, WAIT_BITSET | PRIVATE, 2);
    char stack[64] = {0};
    uintptr_t caller = 0x8c9d3;

    hl_shapes_settle(&shapes);
    memcpy(stack + 56, &caller, sizeof caller);
    cr_assert_eq(hl_shapes_name(&shapes, &call, stack, sizeof stack), HL_PLAT_FOR_FUTEX);
    shapes.shapes[1].kind = HL_PLAT_FOR_MUTEX;
    cr_assert_eq(hl_shapes_name(&shapes, &call, stack, sizeof stack), HL_PLAT_FOR_MUTEX);
}

Test(futex_settle, all_learnt_callers_must_be_there)
{
    struct hl_shapes shapes = {
        .count = 1, .shapes = {shape(HL_PLAT_FOR_CONDVAR, COMMON_PC, 8, 0x1000, 0x2000)}};
    struct hl_plat_call call = call_of(COMMON_PC, WAIT_BITSET | PRIVATE, 0);
    uintptr_t stack[4] = {0, 0x1800, 0, 0x3800};

    shapes.shapes[0].callers[1] =
        (struct hl_shape_caller){3 * (uint32_t)sizeof(uintptr_t), 0x3000, 0x4000};
    shapes.shapes[0].callers[0].distance = sizeof(uintptr_t);
    shapes.shapes[0].callers_count = 2;
    cr_assert_eq(hl_shapes_span(&shapes, COMMON_PC), sizeof stack);
    cr_assert_eq(hl_shapes_name(&shapes, &call, stack, sizeof stack), HL_PLAT_FOR_CONDVAR);
    stack[3] = 0x4800;
    cr_assert_eq(hl_shapes_name(&shapes, &call, stack, sizeof stack), HL_PLAT_FOR_FUTEX);
}

/* ---- what a mutex says ------------------------------------------------------------------ */

#ifdef __GLIBC__

enum { RECURSIVE = 1, ERRORCHECK = 2, ADAPTIVE = 3, ROBUST = 16, PI = 32, PP = 64, SHARED = 128 };
enum { OWNER = 4711 };

struct asked {
    uint64_t pc, operation, value;
    int kind;
    unsigned word;
    int owner;
    unsigned users;
};

static struct hl_plat_mutex answer(struct asked asked)
{
    struct hl_plat_mutex mutex = {0};
    struct hl_plat_call call = call_of(asked.pc, asked.operation, asked.value);
    pthread_mutex_t copy = {0};

    copy.__data.__lock = (int)asked.word;
    copy.__data.__owner = asked.owner;
    copy.__data.__nusers = asked.users;
    copy.__data.__kind = asked.kind;
    cr_assert(hl_shape_mutex(&call, &copy, &mutex));
    return mutex;
}

static struct asked plain(int kind)
{
    return (struct asked){MUTEX_PC, WAIT | PRIVATE, 2, kind, 2, OWNER, 1};
}

static struct asked robust(int kind)
{
    return (struct asked){ROBUST_PC, WAIT, OWNER | WAITERS, kind | ROBUST | SHARED, OWNER | WAITERS,
                          OWNER,     1};
}

static struct asked pi(int kind)
{
    return (struct asked){PI_PC, LOCK_PI | PRIVATE, 0, kind | PI, OWNER | WAITERS, OWNER, 1};
}

Test(futex_mutex, names_the_owner_whatever_its_kind)
{
    const struct asked all[] = {
        plain(0),  plain(RECURSIVE), plain(ERRORCHECK), plain(ADAPTIVE), plain(512),    plain(256),
        robust(0), robust(1),        robust(2 | 512),   pi(0),           pi(RECURSIVE), pi(512)};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct hl_plat_mutex mutex = answer(all[i]);
        cr_assert_eq(mutex.owner, OWNER, "%zu", i);
        cr_assert(mutex.contended && mutex.is_sound, "%zu", i);
    }
}

Test(futex_mutex, a_shared_one_is_waited_for_without_the_private_bit)
{
    struct asked asked = plain(SHARED);

    cr_assert_not(answer(asked).is_sound);
    asked.operation = WAIT;
    cr_assert(answer(asked).is_sound);
    asked.kind = 0;
    cr_assert_not(answer(asked).is_sound);
}

Test(futex_mutex, only_some_kinds_hang_their_owner)
{
    cr_assert(answer(plain(0)).hangs_its_owner);
    cr_assert(answer(plain(ADAPTIVE)).hangs_its_owner);
    cr_assert(answer(robust(0)).hangs_its_owner);
    cr_assert_not(answer(plain(RECURSIVE)).hangs_its_owner);
    cr_assert_not(answer(plain(ERRORCHECK)).hangs_its_owner);
    cr_assert_not(answer(robust(RECURSIVE)).hangs_its_owner);
    cr_assert_not(answer(pi(0)).hangs_its_owner);
}

Test(futex_mutex, what_is_not_waited_for_is_not_contended)
{
    struct asked asked = plain(0);

    asked.word = 1;
    cr_assert_not(answer(asked).contended);
    asked.word = 0;
    cr_assert_not(answer(asked).contended);
    asked = robust(0);
    asked.word = OWNER;
    cr_assert_not(answer(asked).contended);
    asked = pi(0);
    asked.word = OWNER;
    cr_assert_not(answer(asked).contended);
}

Test(futex_mutex, while_word_and_owner_differ_it_is_nobodys)
{
    struct asked asked = pi(0);

    asked.owner = OWNER + 1;
    cr_assert_eq(answer(asked).owner, 0);
    asked = robust(0);
    asked.word = (OWNER + 1) | WAITERS;
    cr_assert_eq(answer(asked).owner, 0);
    asked.word = WAITERS | 0x40000000; /* its owner died */
    cr_assert_eq(answer(asked).owner, 0);
}

Test(futex_mutex, what_does_not_count_users_or_has_no_known_kind_is_none)
{
    struct asked asked = plain(0);

    asked.users = 0;
    cr_assert_not(answer(asked).is_sound);
    for (int bit = 1024; bit > 0 && bit < 1 << 30; bit <<= 1)
        cr_assert_not(answer(plain(bit)).is_sound, "%#x", (unsigned)bit);
    cr_assert_not(answer(plain(4)).is_sound);
    cr_assert_not(answer(plain(8)).is_sound);
}

Test(futex_mutex, kind_and_wait_must_agree)
{
    struct asked asked = plain(PI);

    cr_assert_not(answer(asked).is_sound, "a PI mutex is not waited for like that");
    asked = pi(0);
    asked.kind = 0;
    cr_assert_not(answer(asked).is_sound);
    asked = plain(ROBUST | SHARED);
    asked.operation = WAIT;
    cr_assert_not(answer(asked).is_sound, "the value is no tid");
    asked = robust(0);
    asked.kind = SHARED;
    cr_assert_not(answer(asked).is_sound, "the value is not 2");
}

Test(futex_mutex, one_with_a_ceiling_has_it_in_its_word)
{
    struct asked asked = plain(PP);

    asked.word = 10u << 19 | 2;
    asked.value = asked.word;
    cr_assert(answer(asked).is_sound && answer(asked).contended);
    asked.kind = 0;
    cr_assert_not(answer(asked).contended);
}

/* Of a plain mutex, of any type, the low bits of the word are more than a flag. */
Test(futex_mutex, a_ceiling_is_taken_from_no_other_word)
{
    for (int type = 0; type <= ADAPTIVE; type++) {
        struct asked asked = plain(type);
        asked.word = 10u << 19 | 2;
        cr_assert_not(answer(asked).contended, "type %d", type);
    }
}

#endif

/* ---- at the edges ------------------------------------------------------------------- */

Test(futex_name, a_function_begins_with_its_first_byte)
{
    cr_assert_eq(named(COMMON_PC, WAIT_BITSET | PRIVATE, 0x8c840), HL_PLAT_FOR_MUTEX);
    cr_assert_eq(named(COMMON_PC, WAIT_BITSET | PRIVATE, 0x8c83f), HL_PLAT_FOR_FUTEX);
}

Test(futex_name, one_word_of_stack_may_be_enough)
{
    struct hl_shapes shapes = {
        .count = 1, .shapes = {shape(HL_PLAT_FOR_CONDVAR, COMMON_PC, 0, 0x1000, 0x2000)}};
    struct hl_plat_call call = call_of(COMMON_PC, WAIT_BITSET | PRIVATE, 0);
    uintptr_t stack = 0x1800;

    cr_assert_eq(hl_shapes_name(&shapes, &call, &stack, sizeof stack), HL_PLAT_FOR_CONDVAR);
}

Test(futex_settle, what_stands_behind_the_count_was_not_learnt)
{
    struct hl_shapes shapes = {.count = 1,
                               .shapes = {own_place(HL_PLAT_FOR_MUTEX, MUTEX_PC),
                                          shape(HL_PLAT_FOR_RWLOCK, MUTEX_PC, 56, 0x1000, 0x2000),
                                          own_place(HL_PLAT_FOR_BARRIER, COMMON_PC)}};
    struct hl_plat_call call = call_of(MUTEX_PC, WAIT | PRIVATE, 2);
    uintptr_t stack[8] = {0};

    stack[7] = 0x1800;
    cr_assert_eq(hl_shapes_name(&shapes, &call, stack, sizeof stack), HL_PLAT_FOR_MUTEX);
    cr_assert_eq(hl_shapes_span(&shapes, MUTEX_PC), 0);
    hl_shapes_settle(&shapes);
    cr_assert_eq(shapes.count, 1);
    cr_assert(shapes.shapes[0].any_caller);
    cr_assert_eq(hl_shapes_name(&shapes, &call, NULL, 0), HL_PLAT_FOR_MUTEX);
}
