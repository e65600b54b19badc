/* platform/linux/learn.c - what a wait for a lock looks like, learnt by waiting.
 *
 * A teacher and a pupil, two threads of a few milliseconds. For each kind of lock
 * the teacher takes one, lets the pupil run into it, sees from outside what that
 * looks like, and releases it: every lock is taken and given back by those who
 * may, with the functions that everybody uses. Nobody waits for the two, and they
 * wait for nobody else: to give up is to go on without looking. The last lesson
 * is a join of the teacher, so the pupil is alone in the end and frees what they
 * shared.
 *
 * It is learnt once per process. A forked child keeps what its parent knew; one
 * that was forked amid the lessons has none of their threads and starts anew.
 *
 * Considered and dropped: the monitor's thread as the teacher. It would have to
 * wake up for every lesson, and to be there to release what it holds when it is
 * told to stop.
 */
#define _GNU_SOURCE
#include "learn.h"
#include "module.h"
#include "plat.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE ((size_t)256 * 1024)
#define CLEAN 8192     /* bytes of stack without anything on them, when a wait begins */
#define DEEPEST 131072 /* from a wait up to the pupil's own frame, a sanitizer's frames included */
#define LOOKS 100      /* at a pupil that does not wait; then that lesson is skipped */
#define FIRST_NAP_NS 20000 /* between two of them */
#define LONGEST_NAP_NS 4000000
#define A_DAY 86400

/* ---- what came of it ------------------------------------------------------------- */

enum state { NOT_BEGUN, LEARNING, LEARNT, GAVE_UP };

static _Atomic int state;
static _Atomic uint64_t learner;           /* LEARNING: the process whose threads do */
static _Atomic(const char *) why_gave_up;  /* GAVE_UP */
static struct hl_shapes learnt;            /* LEARNT: does not change any more */
static struct school *_Atomic school_open; /* LEARNING */
/* The pupil's file in /proc. It is not withdrawn when it is closed, see plat.h. */
static struct hl_plat_kept reading = {.number = -1};

#define COULD_NOT(reason) "what a lock looks like could not be learnt (" reason ")"

static bool is_learning(void)
{
    return atomic_load(&state) == LEARNING && atomic_load(&learner) == hl_plat_process_id();
}

const struct hl_shapes *hl_plat_learnt(const char **why)
{
    int now = atomic_load(&state);

    if (now == LEARNT)
        return &learnt;
    *why = now == GAVE_UP  ? atomic_load(&why_gave_up)
           : is_learning() ? "what a lock looks like is just being learnt"
                           : "what a lock looks like was not learnt";
    return NULL;
}

static void give_up(const char *why)
{
    atomic_store(&why_gave_up, why);
    atomic_store(&state, GAVE_UP);
}

/* ---- the lessons ------------------------------------------------------------------- */

struct thing {
    struct timespec end, clock_end; /* of a timed wait, by CLOCK_REALTIME and _MONOTONIC */
    union {
        pthread_mutex_t mutex;
        pthread_rwlock_t rwlock;
        sem_t semaphore;
        pthread_barrier_t barrier;
        pthread_once_t once;
        pthread_t teacher;
        struct {
            pthread_cond_t changed;
            pthread_mutex_t mutex;
            bool is_met;
        } condition;
    };
};

struct lesson {
    enum hl_plat_wait_for kind;
    bool has_own_place;                   /* in glibc: see any_caller in shape.h */
    bool (*prepare)(struct thing *thing); /* teacher: so that one has to wait for it */
    void (*wait)(struct thing *thing);    /* pupil */
    void (*release)(struct thing *thing); /* teacher; NULL = it just goes on */
};

/* What the pupil runs lies in one piece, so that it can be told from the C library
 * where all is linked into one program. The linker gives the bounds. */
#define PUPILS __attribute__((noinline, section("heartline_pupil")))
extern const char __start_heartline_pupil[] __attribute__((visibility("hidden")));
extern const char __stop_heartline_pupil[] __attribute__((visibility("hidden")));

static bool is_pupils(uint64_t address)
{
    return address >= (uintptr_t)__start_heartline_pupil &&
           address <= (uintptr_t)__stop_heartline_pupil;
}

static bool prepare_mutex_with(struct thing *thing, int robustness, int protocol)
{
    pthread_mutexattr_t kind;

    pthread_mutexattr_init(&kind);
    bool exists = pthread_mutexattr_setrobust(&kind, robustness) == 0 &&
                  pthread_mutexattr_setprotocol(&kind, protocol) == 0 &&
                  pthread_mutex_init(&thing->mutex, &kind) == 0;
    pthread_mutexattr_destroy(&kind);
    return exists && pthread_mutex_lock(&thing->mutex) == 0;
}

static bool prepare_mutex(struct thing *thing)
{
    return prepare_mutex_with(thing, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
}

static bool prepare_robust(struct thing *thing)
{
    return prepare_mutex_with(thing, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
}

static bool prepare_pi(struct thing *thing)
{
    return prepare_mutex_with(thing, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT);
}

static PUPILS void wait_mutex(struct thing *thing)
{
    if (pthread_mutex_lock(&thing->mutex) == 0)
        pthread_mutex_unlock(&thing->mutex);
}

static PUPILS void wait_mutex_timed(struct thing *thing)
{
    if (pthread_mutex_timedlock(&thing->mutex, &thing->end) == 0)
        pthread_mutex_unlock(&thing->mutex);
}

static void release_mutex(struct thing *thing)
{
    pthread_mutex_unlock(&thing->mutex);
}

static bool prepare_condition(struct thing *thing)
{
    return pthread_cond_init(&thing->condition.changed, NULL) == 0 &&
           pthread_mutex_init(&thing->condition.mutex, NULL) == 0;
}

static PUPILS void wait_condition(struct thing *thing)
{
    pthread_mutex_lock(&thing->condition.mutex);
    while (!thing->condition.is_met)
        pthread_cond_wait(&thing->condition.changed, &thing->condition.mutex);
    pthread_mutex_unlock(&thing->condition.mutex);
}

static PUPILS void wait_condition_timed(struct thing *thing)
{
    int error = 0;
    pthread_mutex_lock(&thing->condition.mutex);
    while (!thing->condition.is_met && error == 0)
        error =
            pthread_cond_timedwait(&thing->condition.changed, &thing->condition.mutex, &thing->end);
    pthread_mutex_unlock(&thing->condition.mutex);
}

static void release_condition(struct thing *thing)
{
    pthread_mutex_lock(&thing->condition.mutex);
    thing->condition.is_met = true;
    pthread_cond_broadcast(&thing->condition.changed);
    pthread_mutex_unlock(&thing->condition.mutex);
}

static bool prepare_semaphore(struct thing *thing)
{
    return sem_init(&thing->semaphore, 0, 0) == 0;
}

static PUPILS void wait_semaphore(struct thing *thing)
{
    while (sem_wait(&thing->semaphore) != 0)
        continue;
}

static PUPILS void wait_semaphore_timed(struct thing *thing)
{
    sem_timedwait(&thing->semaphore, &thing->end);
}

static void release_semaphore(struct thing *thing)
{
    sem_post(&thing->semaphore);
}

static bool prepare_rwlock(struct thing *thing)
{
    return pthread_rwlock_init(&thing->rwlock, NULL) == 0 &&
           pthread_rwlock_wrlock(&thing->rwlock) == 0;
}

static PUPILS void wait_read(struct thing *thing)
{
    if (pthread_rwlock_rdlock(&thing->rwlock) == 0)
        pthread_rwlock_unlock(&thing->rwlock);
}

static PUPILS void wait_write(struct thing *thing)
{
    if (pthread_rwlock_wrlock(&thing->rwlock) == 0)
        pthread_rwlock_unlock(&thing->rwlock);
}

static PUPILS void wait_read_timed(struct thing *thing)
{
    if (pthread_rwlock_timedrdlock(&thing->rwlock, &thing->end) == 0)
        pthread_rwlock_unlock(&thing->rwlock);
}

static PUPILS void wait_write_timed(struct thing *thing)
{
    if (pthread_rwlock_timedwrlock(&thing->rwlock, &thing->end) == 0)
        pthread_rwlock_unlock(&thing->rwlock);
}

static void release_rwlock(struct thing *thing)
{
    pthread_rwlock_unlock(&thing->rwlock);
}

static bool prepare_barrier(struct thing *thing)
{
    return pthread_barrier_init(&thing->barrier, NULL, 2) == 0;
}

static PUPILS void pass_barrier(struct thing *thing)
{
    pthread_barrier_wait(&thing->barrier);
}

static bool prepare_once(struct thing *thing)
{
    thing->once = (pthread_once_t)PTHREAD_ONCE_INIT;
    return true;
}

static void nothing(void) {}

static PUPILS void wait_once(struct thing *thing)
{
    pthread_once(&thing->once, nothing);
}

static bool prepare_join(struct thing *thing)
{
    thing->teacher = pthread_self();
    return true;
}

static PUPILS void wait_join(struct thing *thing)
{
    pthread_join(thing->teacher, NULL);
}

#ifdef __GLIBC__
#define IS_GLIBC true
#define HAS_CLOCK_WAITS __GLIBC_PREREQ(2, 30)
#else
#define IS_GLIBC false
#define HAS_CLOCK_WAITS 0
#endif

#if HAS_CLOCK_WAITS

/* What these get is not given back: a sanitizer that does not know them would
 * take that for a mistake. */
static PUPILS void wait_mutex_clock(struct thing *thing)
{
    (void)pthread_mutex_clocklock(&thing->mutex, CLOCK_MONOTONIC, &thing->clock_end);
}

static PUPILS void wait_read_clock(struct thing *thing)
{
    (void)pthread_rwlock_clockrdlock(&thing->rwlock, CLOCK_MONOTONIC, &thing->clock_end);
}

static PUPILS void wait_write_clock(struct thing *thing)
{
    (void)pthread_rwlock_clockwrlock(&thing->rwlock, CLOCK_MONOTONIC, &thing->clock_end);
}

static PUPILS void wait_condition_clock(struct thing *thing)
{
    int error = 0;
    pthread_mutex_lock(&thing->condition.mutex);
    while (!thing->condition.is_met && error == 0)
        error = pthread_cond_clockwait(&thing->condition.changed, &thing->condition.mutex,
                                       CLOCK_MONOTONIC, &thing->clock_end);
    pthread_mutex_unlock(&thing->condition.mutex);
}

static PUPILS void wait_semaphore_clock(struct thing *thing)
{
    sem_clockwait(&thing->semaphore, CLOCK_MONOTONIC, &thing->clock_end);
}
#endif

static const struct lesson lessons[] = {
    {HL_PLAT_FOR_MUTEX, true, prepare_mutex, wait_mutex, release_mutex},
    {HL_PLAT_FOR_MUTEX, true, prepare_robust, wait_mutex, release_mutex},
    {HL_PLAT_FOR_MUTEX, true, prepare_pi, wait_mutex, release_mutex},
    {HL_PLAT_FOR_MUTEX, false, prepare_mutex, wait_mutex_timed, release_mutex},
    {HL_PLAT_FOR_MUTEX, true, prepare_pi, wait_mutex_timed, release_mutex},
    {HL_PLAT_FOR_CONDVAR, false, prepare_condition, wait_condition, release_condition},
    {HL_PLAT_FOR_CONDVAR, false, prepare_condition, wait_condition_timed, release_condition},
    {HL_PLAT_FOR_SEMAPHORE, false, prepare_semaphore, wait_semaphore, release_semaphore},
    {HL_PLAT_FOR_SEMAPHORE, false, prepare_semaphore, wait_semaphore_timed, release_semaphore},
    {HL_PLAT_FOR_RWLOCK, false, prepare_rwlock, wait_read, release_rwlock},
    {HL_PLAT_FOR_RWLOCK, false, prepare_rwlock, wait_write, release_rwlock},
    {HL_PLAT_FOR_RWLOCK, false, prepare_rwlock, wait_read_timed, release_rwlock},
    {HL_PLAT_FOR_RWLOCK, false, prepare_rwlock, wait_write_timed, release_rwlock},
#if HAS_CLOCK_WAITS
    {HL_PLAT_FOR_MUTEX, false, prepare_mutex, wait_mutex_clock, release_mutex},
    {HL_PLAT_FOR_CONDVAR, false, prepare_condition, wait_condition_clock, release_condition},
    {HL_PLAT_FOR_SEMAPHORE, false, prepare_semaphore, wait_semaphore_clock, release_semaphore},
    {HL_PLAT_FOR_RWLOCK, false, prepare_rwlock, wait_read_clock, release_rwlock},
    {HL_PLAT_FOR_RWLOCK, false, prepare_rwlock, wait_write_clock, release_rwlock},
#endif
    {HL_PLAT_FOR_BARRIER, true, prepare_barrier, pass_barrier, pass_barrier},
    {HL_PLAT_FOR_ONCE, true, prepare_once, wait_once, NULL},
    {HL_PLAT_FOR_JOIN, false, prepare_join, wait_join, NULL}, /* must be the last */
};

enum { LESSONS = sizeof lessons / sizeof lessons[0] };
_Static_assert((int)LESSONS <= (int)HL_SHAPES, "each lesson needs room for its shape");

/* ---- the school ---------------------------------------------------------------------- */

struct school {
    uint64_t pupil, teacher; /* tids */
    sem_t gate;              /* the teacher is ready for the next lesson */
    int lesson;              /* of the teacher */
    struct thing things[LESSONS];
    bool exists[LESSONS];    /* that kind of lock, here */
    _Atomic uintptr_t frame; /* the pupil's: what lies below belongs to the wait */
    const char *given_up;    /* why; NULL = not */
    struct hl_module library;
    bool has_library;
    struct hl_shapes shapes;
    char stack[HL_SHAPE_SPAN];
};

static int create(pthread_t *thread, void *(*run)(void *), struct school *school, int detach,
                  size_t stack_size)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);

    if (error)
        return error;
    pthread_attr_setdetachstate(&attributes, detach);
    if (stack_size)
        pthread_attr_setstacksize(&attributes, stack_size);
    error = pthread_create(thread, &attributes, run, school);
    pthread_attr_destroy(&attributes);
    return error;
}

/* With all signals blocked. The second try is for programs whose thread-local
 * storage alone exceeds our stack. */
static int create_quiet(void *(*run)(void *), struct school *school, int detach)
{
    pthread_t thread;
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = create(&thread, run, school, detach, STACK_SIZE);
    if (error == EINVAL)
        error = create(&thread, run, school, detach, 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

/* ---- the teacher looks ------------------------------------------------------------------ */

static int open_pupils_file(uint64_t pupil)
{
    char path[64];
    int descriptor = hl_plat_ours(&reading);

    if (descriptor >= 0)
        return descriptor;
    snprintf(path, sizeof path, "/proc/self/task/%" PRIu64 "/syscall", pupil);
    descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return -errno;
    descriptor = hl_plat_raise(descriptor);
    if (descriptor < 0)
        return descriptor;
    return hl_plat_keep(&reading, descriptor) ? descriptor : -EBADF;
}

static void close_pupils_file(void)
{
    int descriptor = hl_plat_ours(&reading);

    if (descriptor >= 0)
        close(descriptor);
}

static bool read_call(struct school *school, struct hl_plat_call *call)
{
    char text[256];
    int descriptor = open_pupils_file(school->pupil);
    ssize_t size = descriptor < 0 ? descriptor : pread(descriptor, text, sizeof text, 0);

    if (size < 0 && descriptor >= 0)
        size = -errno;
    if (size == -EACCES || size == -EPERM)
        school->given_up = hl_plat_is_opaque()
                               ? COULD_NOT("permission denied: the process is not dumpable")
                               : COULD_NOT("permission denied");
    else if (size < 0)
        school->given_up = COULD_NOT("system calls cannot be read here");
    else if (!hl_plat_parse_syscall(text, (size_t)size, call))
        school->given_up = hl_plat_not_understood;
    return school->given_up == NULL;
}

static bool is_futex(const struct hl_plat_call *call)
{
    if (call->is_running || !call->is_in_call)
        return false;
#ifdef SYS_futex_time64
    if (call->number == SYS_futex_time64)
        return true;
#endif
#ifdef SYS_futex
    if (call->number == SYS_futex)
        return true;
#endif
    return false;
}

static bool lies_in(uint64_t address, const void *memory, size_t size)
{
    return address >= (uintptr_t)memory && address < (uintptr_t)memory + size;
}

/* In glibc a join waits for the tid to go. In others it does not tell whom it waits for. */
static bool is_its_join(const struct school *school, const struct hl_plat_call *call)
{
    return !lies_in(call->arguments[0], school, sizeof *school) &&
           (uint32_t)call->arguments[2] == school->teacher;
}

/* At the lock, or (musl) at a note on the waiter's stack. */
static bool is_its_wait(const struct school *school, const struct hl_plat_call *call)
{
    uint64_t address = call->arguments[0];

    if (!is_futex(call))
        return false;
    if (lessons[school->lesson].kind == HL_PLAT_FOR_JOIN)
        return is_its_join(school, call);
    return lies_in(address, &school->things[school->lesson], sizeof(struct thing)) ||
           (address >= call->sp && address < atomic_load(&school->frame));
}

static uint64_t word_at(const struct school *school, size_t distance)
{
    uintptr_t word;

    memcpy(&word, school->stack + distance, sizeof word);
    return hl_shape_return_address(word);
}

/* Up to the pupil's own functions, where the wait began. */
static void take_callers(const struct school *school, struct hl_shape *shape, size_t size)
{
    for (size_t at = 0; at + sizeof(uintptr_t) <= size; at += sizeof(uintptr_t)) {
        uint64_t address = word_at(school, at);
        if (is_pupils(address) || shape->callers_count == HL_SHAPE_CALLERS)
            return;
        if (!hl_module_is_return(&school->library, address))
            continue;
        struct hl_shape_caller *caller = &shape->callers[shape->callers_count++];
        caller->distance = (uint32_t)at;
        hl_module_function(&school->library, address, &caller->low, &caller->high);
    }
}

static bool is_same_wait(const struct hl_plat_call *a, const struct hl_plat_call *b)
{
    return is_futex(b) && a->pc == b->pc && a->sp == b->sp && a->arguments[0] == b->arguments[0] &&
           a->arguments[2] == b->arguments[2];
}

/* It is where the first lesson waited. What waits elsewhere later is not the C
 * library but a sanitizer, say, that has its own pthread_once. */
static bool find_library(struct school *school, uint64_t pc)
{
    if (!school->has_library)
        school->has_library = hl_module_find(pc, &school->library);
    return school->has_library;
}

static bool is_code_of(const struct hl_module *module, uint64_t pc)
{
    return module->low <= pc && pc < module->high;
}

static void take_shape(struct school *school, const struct hl_plat_call *call, size_t size)
{
    const struct lesson *lesson = &lessons[school->lesson];
    struct hl_shape *shape = &school->shapes.shapes[school->shapes.count];

    *shape = (struct hl_shape){.kind = lesson->kind,
                               .pc = call->pc,
                               .is_pi = hl_shape_is_pi_wait(call),
                               .any_caller = IS_GLIBC && lesson->has_own_place};
    take_callers(school, shape, size);
    school->shapes.count++;
}

enum sight { DONE, NOT_YET, NEVER };

static enum sight look_strange(struct school *school)
{
    school->given_up = COULD_NOT("threads do not look from outside as they are");
    return NEVER;
}

static enum sight look_once(struct school *school)
{
    struct hl_plat_call call, again;
    uintptr_t frame = atomic_load(&school->frame);

    if (!read_call(school, &call))
        return NEVER;
    if (!is_its_wait(school, &call))
        return NOT_YET;
    if (call.sp >= frame || frame - call.sp > DEEPEST)
        return look_strange(school);
    size_t size = (size_t)(frame - call.sp);
    size = size < sizeof school->stack ? size : sizeof school->stack;
    int error = hl_plat_peek(call.sp, school->stack, size);
    if (error && error != -EFAULT) {
        school->given_up = COULD_NOT("copying memory is not permitted");
        return NEVER;
    }
    if (error || !find_library(school, call.pc))
        return look_strange(school);
    if (!is_code_of(&school->library, call.pc))
        return DONE;
    if (!read_call(school, &again))
        return NEVER;
    if (!is_same_wait(&call, &again))
        return NOT_YET;
    take_shape(school, &call, size);
    return DONE;
}

static void look(struct school *school)
{
    struct timespec nap = {0, FIRST_NAP_NS};
    enum sight sight = NOT_YET;

    for (int i = 0; i < LOOKS && sight == NOT_YET && !school->given_up; i++) {
        nanosleep(&nap, NULL);
        sight = look_once(school);
        nap.tv_nsec = nap.tv_nsec < LONGEST_NAP_NS ? nap.tv_nsec * 5 / 4 : LONGEST_NAP_NS;
    }
    school->shapes.lacks_some |= sight == NOT_YET;
    if (sight == NOT_YET && school->shapes.count == 0 && !school->given_up)
        school->given_up = COULD_NOT("no thread was seen to wait");
}

/* ---- lessons are given and attended ------------------------------------------------------- */

static void let_in_and_look(struct school *school)
{
    bool is_told = IS_GLIBC || lessons[school->lesson].kind != HL_PLAT_FOR_JOIN;

    sem_post(&school->gate);
    if (school->exists[school->lesson] && is_told)
        look(school);
}

static void amid_once(void)
{
    let_in_and_look(atomic_load(&school_open));
}

static struct timespec far_away(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    time.tv_sec += A_DAY;
    return time;
}

static void give_lesson(struct school *school, int number)
{
    const struct lesson *lesson = &lessons[number];
    struct thing *thing = &school->things[number];

    school->lesson = number;
    thing->end = far_away(CLOCK_REALTIME);
    thing->clock_end = far_away(CLOCK_MONOTONIC);
    school->exists[number] = lesson->prepare(thing);
    if (lesson->kind == HL_PLAT_FOR_ONCE)
        pthread_once(&thing->once, amid_once);
    else
        let_in_and_look(school);
    if (lesson->release && school->exists[number])
        lesson->release(thing);
}

static void *teach(void *argument)
{
    struct school *school = argument;

    hl_plat_name_self("heartline");
    school->teacher = hl_plat_thread_id();
    for (int i = 0; i < LESSONS; i++)
        give_lesson(school, i);
    close_pupils_file();
    return NULL;
}

/* What this leaves on the stack lies deeper than any wait, and above it is nothing:
 * else it might be taken for the callers of the next wait. */
static PUPILS __attribute__((no_sanitize_address)) void pass_gate(struct school *school)
{
    char room[CLEAN];

    memset(room, 0, sizeof room);
    __asm__ volatile("" : : "r"(room) : "memory");
    while (sem_wait(&school->gate) != 0)
        continue;
    __asm__ volatile("" : : "r"(room) : "memory");
}

static PUPILS void attend_lesson(struct school *school, int number)
{
    atomic_store(&school->frame, (uintptr_t)__builtin_frame_address(0));
    pass_gate(school);
    if (school->exists[number])
        lessons[number].wait(&school->things[number]);
    __asm__ volatile("" : : : "memory"); /* no tail call: the frame must stay */
}

static void close_school(struct school *school, const char *given_up)
{
    hl_shapes_settle(&school->shapes);
    learnt = school->shapes;
    atomic_store(&school_open, NULL);
    hl_plat_unmap(school, sizeof *school);
    if (given_up)
        give_up(given_up);
    else
        atomic_store(&state, LEARNT);
}

static void *attend(void *argument)
{
    struct school *school = argument;

    hl_plat_name_self("heartline");
    school->pupil = hl_plat_thread_id();
    sem_init(&school->gate, 0, 0);
    if (create_quiet(teach, school, PTHREAD_CREATE_JOINABLE) != 0) {
        close_school(school, COULD_NOT("no thread could be started"));
        return NULL;
    }
    for (int i = 0; i < LESSONS; i++)
        attend_lesson(school, i);
    close_school(school, school->given_up);
    return NULL;
}

/* ---- the platform's answers ------------------------------------------------------------------ */

static void open_school(void)
{
    hl_plat_let_go(&reading); /* a parent's pupil */
    if (hl_plat_is_emulated(NULL)) {
        give_up(hl_plat_emulated);
        return;
    }
    struct school *school = hl_plat_map(sizeof *school);
    if (!school) {
        give_up(COULD_NOT("out of memory"));
        return;
    }
    atomic_store(&school_open, school);
    atomic_store(&learner, hl_plat_process_id());
    atomic_store(&state, LEARNING);
    if (create_quiet(attend, school, PTHREAD_CREATE_DETACHED) != 0)
        close_school(school, COULD_NOT("no thread could be started"));
}

void hl_plat_learn(void)
{
    int saved = errno;

    if (!is_learning() && atomic_load(&state) != LEARNT) {
        struct school *parents = atomic_exchange(&school_open, NULL);
        if (parents)
            hl_plat_unmap(parents, sizeof *parents);
        open_school();
    }
    errno = saved;
}

bool hl_plat_is_learning(void)
{
    return is_learning();
}

void hl_plat_learn_in_child(void)
{
    atomic_store(&learner, 0); /* in a new pid namespace, the child may have its parent's number */
    hl_plat_let_go(&reading);
}
