/* tests/platform/test_faked_learning.c - lessons that do not go as they do here: calls that are
 * refused, threads that look other than they are. What is learnt is right or it is not there.
 */
#define _GNU_SOURCE
#include "../../platform/linux/learn.h"
#include "../../platform/linux/plat.h"
#include "fakes.h"
#include "helper.h"

#include <inttypes.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define NOT_LEARNT(reason) "what a lock looks like could not be learnt (" reason ")"
#define NONE_WAITED NOT_LEARNT("no thread was seen to wait")
#define STRANGE NOT_LEARNT("threads do not look from outside as they are")

static const struct hl_shapes *learn_something(void)
{
    const char *why = NULL;

    learn_within(60 * S);
    const struct hl_shapes *shapes = hl_plat_learnt(&why);
    cr_assert_not_null(shapes, "%s", why);
    return shapes;
}

static void learn_nothing(const char *expected)
{
    const char *why = NULL;

    learn_within(60 * S);
    cr_assert_null(hl_plat_learnt(&why));
    cr_assert_str_eq(why, expected, "%s", why);
}

/* ---- calls that are refused ------------------------------------------------------------ */

Test(faked_learning, a_stack_that_is_too_small_for_the_program_is_asked_for_anew)
{
    fake_failure("pthread_create", 0, 1, EINVAL);
    fake_failure("pthread_create", 2, 1, EINVAL);
    cr_assert_gt(learn_something()->count, 5);
    cr_assert_eq(fake_uses("pthread_create"), 2, "neither the pupil's nor the teacher's was");
}

Test(faked_learning, without_a_teacher_there_is_a_reason)
{
    fake_failure("pthread_create", 1, FAKE_ALWAYS, EAGAIN);
    learn_nothing(NOT_LEARNT("no thread could be started"));
}

Test(faked_learning, without_memory_there_is_a_reason)
{
    fake_failure("mmap", 0, FAKE_ALWAYS, ENOMEM);
    learn_nothing(NOT_LEARNT("out of memory"));
}

Test(faked_learning, an_emulators_calls_teach_nothing)
{
    fake("self/syscall", "running\n");
    cr_assert_not_null(hl_plat_open());
    learn_nothing(hl_plat_emulated);
}

Test(faked_learning, a_wait_that_a_signal_ends_is_begun_again)
{
    fake_failure("sem_wait", 8, 1, EINTR); /* the lesson's own, after eight at the gate */
    cr_assert_not(learn_something()->lacks_some);
    cr_assert_eq(fake_uses("sem_wait"), 1);
}

static size_t count_kind(const struct hl_shapes *shapes, enum hl_plat_wait_for kind)
{
    size_t count = 0;

    for (uint32_t i = 0; i < shapes->count; i++)
        count += shapes->shapes[i].kind == kind;
    return count;
}

Test(faked_learning, a_lock_that_the_pupil_cannot_have_is_lacking)
{
    fake_failure("pthread_rwlock_wrlock", 2, 1, EDEADLK); /* two are the teacher's */
    const struct hl_shapes *shapes = learn_something();
    cr_assert(shapes->lacks_some);
    cr_assert_gt(count_kind(shapes, HL_PLAT_FOR_MUTEX), 0);
}

Test(faked_learning, a_first_lock_that_the_pupil_cannot_have_teaches_nothing)
{
    fake_failure("pthread_mutex_lock", 1, 1, EOWNERDEAD);
    learn_nothing(NONE_WAITED);
}

Test(faked_learning, without_a_descriptor_for_it_nothing_is_learnt)
{
    close(STDIN_FILENO);
    fake_failure("fcntl", 0, FAKE_ALWAYS, EMFILE);
    learn_nothing(NOT_LEARNT("system calls cannot be read here"));
    cr_assert_eq(open("/dev/null", O_RDONLY), STDIN_FILENO, "the low one is closed again");
}

Test(faked_learning, a_descriptor_that_cannot_be_asked_what_it_is_is_not_used)
{
    fake_failure("fstat", 0, FAKE_ALWAYS, EIO);
    learn_nothing(NOT_LEARNT("system calls cannot be read here"));
}

Test(faked_learning, calls_that_must_not_be_read_say_so)
{
    fake_error("/syscall", EPERM);
    learn_nothing(NOT_LEARNT("permission denied"));
}

Test(faked_learning, calls_that_are_not_understood_say_so)
{
    fake("/syscall", "garbage\n");
    learn_nothing(hl_plat_not_understood);
}

Test(faked_learning, a_pupil_that_never_waits_teaches_nothing)
{
    fake("/syscall", "running\n");
    learn_nothing(NONE_WAITED);
}

Test(faked_learning, nor_does_one_that_sleeps_without_a_call)
{
    fake("/syscall", "-1 0x7000 0x8000\n");
    learn_nothing(NONE_WAITED);
}

/* ---- a pupil that looks other than it is -------------------------------------------------- */

static void (*change)(struct hl_plat_call *call);

/* Whatever the pupil's file says of a futex call goes through `change`, in the teacher. */
static ssize_t change_call(char *text, ssize_t size)
{
    struct hl_plat_call call;
    uint64_t *with = call.arguments;

    if (!hl_plat_parse_syscall(text, (size_t)size, &call) || !call.is_in_call ||
        call.number != SYS_futex)
        return size;
    change(&call);
    return snprintf(text, 256,
                    "%" PRIu64 " 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64
                    " 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64 "\n",
                    call.number, with[0], with[1], with[2], with[3], with[4], with[5], call.sp,
                    call.pc);
}

static void change_with(void (*changer)(struct hl_plat_call *call))
{
    change = changer;
    fake_reading = change_call;
}

static struct hl_shapes *truth; /* as it is learnt here, when nothing is changed */

static void learn_in_child(void *shared)
{
    const char *why;

    learn_within(60 * S);
    const struct hl_shapes *shapes = hl_plat_learnt(&why);
    if (shapes)
        *(struct hl_shapes *)shared = *shapes;
}

#define NEEDS_TRUTH()                                                                             \
    do {                                                                                          \
        NEEDS_FORK();                                                                             \
        truth =                                                                                   \
            mmap(NULL, sizeof *truth, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); \
        cr_assert_neq(truth, MAP_FAILED);                                                         \
        in_child(learn_in_child, truth);                                                          \
        cr_assert_gt(truth->count, 5);                                                            \
        cr_assert(truth->shapes[0].any_caller, "the first has a place of its own");               \
    } while (0)

static void assert_same(const struct hl_shape *a, const struct hl_shape *b)
{
    cr_assert(a->kind == b->kind && a->pc == b->pc && a->is_pi == b->is_pi);
    cr_assert(a->any_caller == b->any_caller && a->callers_count == b->callers_count);
    for (uint32_t i = 0; i < a->callers_count; i++) {
        cr_assert_eq(a->callers[i].distance, b->callers[i].distance);
        cr_assert_eq(a->callers[i].low, b->callers[i].low);
        cr_assert_eq(a->callers[i].high, b->callers[i].high);
    }
}

static unsigned spoilt;

/* The second of two readings; for a join, where it is, too. */
static void spoil_some(struct hl_plat_call *call)
{
    static struct hl_plat_call last;
    static uint64_t in_school;
    static unsigned agains;
    bool is_again = call->pc == last.pc && call->arguments[0] == last.arguments[0];
    bool is_join = (uint32_t)call->arguments[2] == hl_plat_thread_id();

    last = *call;
    if (!is_join)
        in_school = call->arguments[0];
    else if (spoilt < 1000) {
        call->arguments[0] = spoilt % 2 ? in_school : call->arguments[0];
        call->arguments[2] += spoilt % 2 ? 0 : 1;
        spoilt += spoilt % 2 ? 1000 : 1;
    }
    if (!is_again || is_join || spoilt >= 30 || ++agains % 2 == 0)
        return;
    switch (spoilt++ % 5) {
    case 0:
        call->number++;
        break;
    case 1:
        call->pc++;
        break;
    case 2:
        call->sp += sizeof(uintptr_t);
        break;
    case 3:
        call->arguments[0] += 4;
        break;
    default:
        call->arguments[2]++;
        break;
    }
}

Test(faked_learning, one_that_moved_between_two_readings_is_read_again)
{
    NEEDS_TRUTH();
    change_with(spoil_some);
    const struct hl_shapes *shapes = learn_something();
    cr_assert_geq(spoilt, 1000);
    cr_assert_not(shapes->lacks_some);
    cr_assert_eq(shapes->count, truth->count);
    for (uint32_t i = 0; i < shapes->count; i++)
        assert_same(&shapes->shapes[i], &truth->shapes[i]);
}

static void never_sit_still(struct hl_plat_call *call)
{
    static uint64_t value;

    call->arguments[2] = ++value;
}

Test(faked_learning, one_that_moves_all_the_time_teaches_nothing)
{
    change_with(never_sit_still);
    learn_nothing(NONE_WAITED);
}

static void wait_nowhere(struct hl_plat_call *call)
{
    call->arguments[0] = 8;
}

static void wait_beyond(struct hl_plat_call *call)
{
    call->arguments[0] = UINT64_MAX;
}

Test(faked_learning, a_wait_for_something_else_is_not_the_lessons)
{
    change_with(wait_nowhere);
    learn_nothing(NONE_WAITED);
}

Test(faked_learning, nor_is_one_beyond_its_stack)
{
    change_with(wait_beyond);
    learn_nothing(NONE_WAITED);
}

static void wait_on_stack(struct hl_plat_call *call)
{
    call->arguments[0] = call->sp;
}

Test(faked_learning, a_note_on_the_waiters_stack_is_its_lock)
{
    change_with(wait_on_stack);
    cr_assert_gt(count_kind(learn_something(), HL_PLAT_FOR_MUTEX), 0);
}

static void be_above(struct hl_plat_call *call)
{
    call->sp = UINT64_MAX - 4096;
}

static void be_far_below(struct hl_plat_call *call)
{
    call->sp -= 1 << 20;
}

static void be_nowhere(struct hl_plat_call *call)
{
    call->pc = 8;
}

Test(faked_learning, a_stack_that_is_not_the_pupils_is_not_read)
{
    change_with(be_above);
    learn_nothing(STRANGE);
}

Test(faked_learning, nor_one_that_is_too_deep)
{
    change_with(be_far_below);
    learn_nothing(STRANGE);
}

Test(faked_learning, code_that_no_module_has_is_not_believed)
{
    change_with(be_nowhere);
    learn_nothing(STRANGE);
}

static void be_elsewhere(struct hl_plat_call *call)
{
    static char on_heap_or_below;

    if (call->pc != truth->shapes[0].pc)
        call->pc = call->arguments[0] % 16 ? UINT64_MAX / 2 : (uintptr_t)&on_heap_or_below;
}

Test(faked_learning, what_waits_outside_of_the_c_library_is_none_of_its_locks)
{
    uint32_t there = 0;

    NEEDS_TRUTH();
    for (uint32_t i = 0; i < truth->count; i++)
        there += truth->shapes[i].pc == truth->shapes[0].pc;
    change_with(be_elsewhere);
    const struct hl_shapes *shapes = learn_something();
    cr_assert_eq(shapes->count, there);
    cr_assert_not(shapes->lacks_some, "they were seen to wait");
}

static void forbid_copying(struct hl_plat_call *call)
{
    static bool is_forbidden;

    if (call->pc == truth->shapes[0].pc || is_forbidden)
        return;
    is_forbidden = true;
    fake_failure("process_vm_readv", 0, FAKE_ALWAYS, EPERM);
    fake_error("/mem", EACCES);
}

#define NO_COPYING NOT_LEARNT("copying memory is not permitted")

Test(faked_learning, without_the_right_to_copy_memory_there_is_a_reason)
{
    NEEDS_TRUTH();
    change_with(forbid_copying);
    learn_nothing(NO_COPYING);
}

Test(faked_learning, nor_is_another_reason_said_when_it_was_never_permitted)
{
    fake_failure("process_vm_readv", 0, FAKE_ALWAYS, EPERM);
    fake_error("/mem", EACCES);
    learn_nothing(NO_COPYING);
}

Test(faked_learning, a_stack_that_is_not_there_is_no_thread_that_is_understood)
{
    fake_failure("process_vm_readv", 0, FAKE_ALWAYS, EFAULT);
    learn_nothing(STRANGE);
}

Test(faked_learning, the_file_of_the_memory_teaches_the_same)
{
    NEEDS_TRUTH();
    int before = open_descriptors();
    fake_failure("process_vm_readv", 0, FAKE_ALWAYS, ENOSYS);
    const struct hl_shapes *shapes = learn_something();
    cr_assert_eq(shapes->count, truth->count);
    for (uint32_t i = 0; i < shapes->count; i++) {
        cr_assert_eq(shapes->shapes[i].kind, truth->shapes[i].kind);
        cr_assert_eq(shapes->shapes[i].pc, truth->shapes[i].pc);
        cr_assert_eq(shapes->shapes[i].callers_count, truth->shapes[i].callers_count);
    }
    cr_assert_gt(fake_uses("process_vm_readv"), 0);
    cr_assert_eq(open_descriptors(), before, "something was left open");
}

static void be_garbled_again(struct hl_plat_call *call)
{
    (void)call;
    fake_reading = NULL;
    fake_failure("pread", 0, FAKE_ALWAYS, EIO);
}

Test(faked_learning, calls_that_cannot_be_read_any_more_end_it)
{
    change_with(be_garbled_again);
    learn_nothing(NOT_LEARNT("system calls cannot be read here"));
}

#define DEEPER 2048

static void be_deeper(struct hl_plat_call *call)
{
    call->sp -= DEEPER;
}

/* Memory of the pupil's stack that was clean when its wait began. */
Test(faked_learning, callers_too_far_from_the_stack_pointer_are_not_looked_for)
{
    NEEDS_TRUTH();
    change_with(be_deeper);
    const struct hl_shapes *shapes = learn_something();
    cr_assert_lt(shapes->count, truth->count, "most are told by their callers");
    for (uint32_t i = 0; i < shapes->count; i++)
        cr_assert(shapes->shapes[i].any_caller && shapes->shapes[i].callers_count == 0);
}

/* More return addresses than are kept, in memory that the pupil does not use now. */
static void have_many_callers(struct hl_plat_call *call)
{
    const struct hl_shape *told = &truth->shapes[truth->count - 1];
    uintptr_t *words = (uintptr_t *)(uintptr_t)(call->sp - DEEPER); /* NOLINT: it is its stack */

    if (call->pc == told->pc)
        for (int i = 0; i < HL_SHAPE_CALLERS + 2; i++)
            words[i] = *(uintptr_t *)(uintptr_t)(call->sp + told->callers[0].distance);
    be_deeper(call);
}

Test(faked_learning, of_many_callers_the_nearest_are_kept)
{
    NEEDS_TRUTH();
    cr_assert_gt(truth->shapes[truth->count - 1].callers_count, 0);
    change_with(have_many_callers);
    const struct hl_shapes *shapes = learn_something();
    const struct hl_shape *last = &shapes->shapes[shapes->count - 1];
    cr_assert_eq(last->kind, truth->shapes[truth->count - 1].kind);
    cr_assert_eq(last->callers_count, HL_SHAPE_CALLERS);
    for (uint32_t i = 0; i < HL_SHAPE_CALLERS; i++)
        cr_assert_eq(last->callers[i].distance, i * sizeof(uintptr_t));
}

/* ---- what was learnt is looked for ---------------------------------------------------------- */

static struct hl_plat *plat;
static struct hl_plat_look look;
static char stack[HL_SHAPE_SPAN]; /* of the thread that is looked at; all zero */
static pthread_mutex_t mutex;     /* that it waits for; nobody has it */

static const struct hl_shape *shape_of(enum hl_plat_wait_for kind, bool any_caller)
{
    const struct hl_shapes *shapes = learn_something();

    for (uint32_t i = 0; i < shapes->count; i++)
        if (shapes->shapes[i].kind == kind && shapes->shapes[i].any_caller == any_caller)
            return &shapes->shapes[i];
    cr_skip("this C library has no such shape");
    return NULL;
}

static struct hl_plat_call call_at(uint64_t pc, const void *address, uint64_t operation,
                                   uint64_t value)
{
    if (!plat)
        plat = hl_plat_open();
    return (struct hl_plat_call){.is_in_call = true,
                                 .number = SYS_futex,
                                 .arguments = {(uintptr_t)address, operation, value},
                                 .sp = (uintptr_t)stack,
                                 .pc = pc};
}

static void look_at(const struct hl_plat_call *call)
{
    look = (struct hl_plat_look){.known = 0};
    hl_plat_look_at_futex(plat, call, &look);
}

static void assert_why(enum hl_plat_key key, const char *why)
{
    cr_assert_not(look.known & HL_KNOWN(key));
    cr_assert_str_eq(hl_plat_why(plat, key), why, "%s", hl_plat_why(plat, key));
}

Test(faked_futex, one_that_wakes_others_waits_for_nothing)
{
    struct hl_plat_call call = call_at(0x1000, &mutex, FUTEX_WAKE_PRIVATE, 1);

    look_at(&call);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_CALL);
    cr_assert_not(look.is_vague);
    assert_why(HL_PLAT_WAIT, "it wakes others and does not wait");
}

Test(faked_futex, a_mutex_that_is_nobodys_just_now_leads_to_somebody)
{
    static char text[256];
    const struct hl_shape *shape = shape_of(HL_PLAT_FOR_MUTEX, true);
    struct hl_plat_call call = call_at(shape->pc, &mutex, FUTEX_WAIT_PRIVATE, 2);

    look_at(&call);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_MUTEX);
    cr_assert(look.known & HL_KNOWN(HL_PLAT_HOLDER));
    cr_assert_eq(look.mutex.owner, 0);
    snprintf(text, sizeof text,
             "%d 0x%" PRIxPTR " 0x80 0x2 0x0 0x0 0x0 0x%" PRIxPTR " 0x%" PRIx64 "\n", SYS_futex,
             (uintptr_t)&mutex, (uintptr_t)stack, shape->pc);
    fake("/syscall", text);
    cr_assert_eq(hl_plat_waits_for(plat, hl_plat_thread_id()), HL_PLAT_SOMEBODY);
}

Test(faked_futex, a_mutex_that_is_not_there_names_no_owner)
{
    struct hl_plat_call call =
        call_at(shape_of(HL_PLAT_FOR_MUTEX, true)->pc, (void *)8, FUTEX_WAIT_PRIVATE, 2);

    look_at(&call);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_MUTEX);
    assert_why(HL_PLAT_HOLDER, "the system call failed");
}

/* With the return address that a join has on its stack. */
static struct hl_plat_call join_of(const void *word, uint64_t value)
{
    const struct hl_shape *shape = shape_of(HL_PLAT_FOR_JOIN, false);

    for (uint32_t i = 0; i < shape->callers_count; i++)
        memcpy(stack + shape->callers[i].distance, &(uintptr_t){(uintptr_t)shape->callers[i].low},
               sizeof(uintptr_t));
    return call_at(shape->pc, word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, value);
}

Test(faked_futex, a_join_is_one_while_its_word_is_the_thread)
{
    uint32_t word = 4711;
    struct hl_plat_call call = join_of(&word, 4711);

    look_at(&call);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_JOIN);
    cr_assert_eq(look.awaited, 4711);
    word = 4712;
    look_at(&call);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_FUTEX, "the word has changed");
    cr_assert_eq(look.awaited, 0);
    word = 0;
    call.arguments[2] = 0;
    look_at(&call);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_FUTEX, "nobody is thread 0");
    call = join_of((void *)8, 4711);
    look_at(&call);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_FUTEX, "it is not there");
}

Test(faked_futex, a_stack_that_is_not_there_makes_it_vague)
{
    struct hl_plat_call call = join_of(&mutex, 0);

    call.sp = 8;
    look_at(&call);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_FUTEX);
    cr_assert(look.is_vague, "it may be a join");
    cr_assert(look.known & HL_KNOWN(HL_PLAT_WAIT));
    assert_why(HL_PLAT_HOLDER, "the system call failed");
}

Test(faked_futex, what_is_not_recognised_may_be_what_was_not_learnt)
{
    fake_failure("pthread_rwlock_wrlock", 2, 1, EDEADLK);
    cr_assert(learn_something()->lacks_some);
    struct hl_plat_call call = call_at(0x1000, &mutex, FUTEX_WAIT_PRIVATE, 2);
    look_at(&call);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_FUTEX);
    cr_assert(look.is_vague);
    assert_why(HL_PLAT_HOLDER, "what some locks look like was not learnt");
}
