/* tests/platform/test_learn.c - what a wait looks like is learnt, once, and every kind is recognised.
 *
 * Each test process learns for itself. Whatever waits, waits in a thread that is
 * left behind: the process ends with the test.
 */
#define _GNU_SOURCE
#include "../sanitize/has.h"
#include "helper.h"

#include <dirent.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static int threads_now(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;

    while (tasks && (task = readdir(tasks)))
        count += task->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return count;
}

/* A thread that has told that it ended may still be there for a moment. */
static void wait_for_threads(int count)
{
    for (int i = 0; i < 1000 && threads_now() != count; i++)
        nap(MS);
    cr_assert_eq(threads_now(), count);
}

/* ---- one thread that waits -------------------------------------------------------- */

struct waiter {
    void (*wait)(void *thing);
    void *thing;
    _Atomic uint64_t tid;
    pthread_t thread;
};

static void *run_waiter(void *argument)
{
    struct waiter *waiter = argument;

    atomic_store(&waiter->tid, hl_plat_thread_id());
    waiter->wait(waiter->thing);
    return NULL;
}

static void start(struct waiter *waiter, void (*wait)(void *), void *thing)
{
    *waiter = (struct waiter){.wait = wait, .thing = thing};
    cr_assert_eq(pthread_create(&waiter->thread, NULL, run_waiter, waiter), 0);
    while (atomic_load(&waiter->tid) == 0)
        nap(MS);
}

static bool is_settled(const struct hl_plat_look *look)
{
    return look->waits_for > HL_PLAT_FOR_CALL && look->steady;
}

/* Looks until it waits and is met twice in the same wait. */
static struct hl_plat_look look_into(struct hl_plat *plat, uint64_t tid)
{
    struct hl_plat_look look = {0};

    for (int i = 0; i < 2000; i++) {
        bool lives = hl_plat_look(plat, tid, &look);
        cr_assert(lives);
        if (is_settled(&look))
            return look;
        nap(MS);
    }
    cr_assert_fail("it never waited: in %s", look.call);
    return look;
}

static struct hl_plat_look look_at(void (*wait)(void *), void *thing)
{
    static struct waiter waiters[64];
    static unsigned used;
    struct waiter *waiter = &waiters[used++];
    static struct hl_plat *plat;

    if (!plat) {
        plat = hl_plat_open();
        learn_within(30 * S);
    }
    start(waiter, wait, thing);
    nap(2 * MS); /* on its way it may wait for something else, in malloc say */
    struct hl_plat_look look = look_into(plat, waiter->tid);
    assert_asked_the_same(plat, waiter->tid, &look);
    return look;
}

static void expect(enum hl_plat_wait_for kind, void (*wait)(void *), void *thing, size_t size)
{
    struct hl_plat_look look = look_at(wait, thing);

    cr_assert_eq(look.waits_for, kind, "%d instead of %d", look.waits_for, kind);
    cr_assert(look.known & HL_KNOWN(HL_PLAT_WAIT));
    cr_assert(look.address >= (uintptr_t)thing && look.address < (uintptr_t)thing + size);
    cr_assert((kind == HL_PLAT_FOR_MUTEX) == ((look.known & HL_KNOWN(HL_PLAT_HOLDER)) != 0));
}

/* What a sanitizer runs itself, and other C libraries, need not be recognised. */
#if !defined(__GLIBC__) || HAS_THREAD_SANITIZER
#define NEEDS_LEARNING() cr_skip("only glibc's own waits must be recognised")
#else
#define NEEDS_LEARNING() ONLY_ON_LINUX("this platform does not learn")
#endif

/* ---- mutexes ----------------------------------------------------------------------- */

static void lock(void *mutex)
{
    pthread_mutex_lock(mutex);
}

static void lock_timed(void *mutex)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 1000;
    pthread_mutex_timedlock(mutex, &end);
}

static pthread_mutex_t *held(int type, int robustness, int protocol, int sharing)
{
    pthread_mutex_t *mutex = calloc(1, sizeof *mutex);
    pthread_mutexattr_t kind;

    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, type);
    pthread_mutexattr_setrobust(&kind, robustness);
    pthread_mutexattr_setprotocol(&kind, protocol);
    pthread_mutexattr_setpshared(&kind, sharing);
    cr_assert_eq(pthread_mutex_init(mutex, &kind), 0);
    cr_assert_eq(pthread_mutex_lock(mutex), 0);
    return mutex;
}

static void expect_me_as_owner(void (*wait)(void *), pthread_mutex_t *mutex, bool hangs_its_owner)
{
    struct hl_plat_look look = look_at(wait, mutex);

    cr_assert_eq(look.waits_for, HL_PLAT_FOR_MUTEX, "%d", look.waits_for);
    cr_assert_eq(look.address, (uintptr_t)mutex);
    cr_assert(look.known & HL_KNOWN(HL_PLAT_HOLDER));
    cr_assert_eq(look.mutex.owner, hl_plat_thread_id());
    cr_assert(look.mutex.contended);
    cr_assert(look.mutex.is_sound);
    cr_assert_eq(look.mutex.hangs_its_owner, hangs_its_owner);
}

Test(learn, every_kind_of_mutex_names_its_owner)
{
    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                                PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP};

    NEEDS_LEARNING();
    for (int i = 0; i < 4; i++)
        for (int robust = 0; robust < 2; robust++)
            for (int pi = 0; pi < 2; pi++) {
                bool hangs = (i == 0 || i == 3) && !pi;
                expect_me_as_owner(lock, held(types[i], robust, pi, i % 2), hangs);
                expect_me_as_owner(lock_timed, held(types[i], robust, pi, i % 2), hangs);
            }
}

#ifdef __GLIBC__
#define HAS_CLOCK_WAITS __GLIBC_PREREQ(2, 30)
#else
#define HAS_CLOCK_WAITS 0
#endif

#if HAS_CLOCK_WAITS

static void lock_clock(void *mutex)
{
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += 1000;
    (void)pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &end);
}

static void wait_clock(void *condition)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += 1000;
    pthread_mutex_lock(&mutex);
    pthread_cond_clockwait(condition, &mutex, CLOCK_MONOTONIC, &end);
    pthread_mutex_unlock(&mutex);
}

Test(learn, waits_by_a_chosen_clock_are_recognised)
{
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

    NEEDS_LEARNING();
    expect_me_as_owner(lock_clock, held(PTHREAD_MUTEX_NORMAL, 0, 0, 0), true);
    expect_me_as_owner(lock_clock, held(PTHREAD_MUTEX_RECURSIVE, 1, 0, 0), false);
    expect_me_as_owner(lock_clock, held(PTHREAD_MUTEX_NORMAL, 0, 1, 0), false);
    expect(HL_PLAT_FOR_CONDVAR, wait_clock, &condition, sizeof condition);
}

#endif

static pthread_mutex_t beside_condition = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool is_there;

static void wait_condition(void *condition)
{
    pthread_mutex_lock(&beside_condition);
    atomic_store(&is_there, true);
    pthread_cond_wait(condition, &beside_condition);
    pthread_mutex_unlock(&beside_condition);
}

Test(learn, after_a_condition_its_mutex_is_waited_for)
{
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    struct hl_plat *plat = hl_plat_open();
    static struct waiter waiter;

    NEEDS_LEARNING();
    learn_within(30 * S);
    start(&waiter, wait_condition, &condition);
    while (!atomic_load(&is_there))
        nap(MS);
    pthread_mutex_lock(&beside_condition); /* given back by the wait */
    cr_assert_eq(look_into(plat, waiter.tid).waits_for, HL_PLAT_FOR_CONDVAR);
    pthread_cond_signal(&condition);
    struct hl_plat_look look = {0};
    for (int i = 0; i < 2000 && look.waits_for != HL_PLAT_FOR_MUTEX; i++) {
        nap(MS);
        look = look_into(plat, waiter.tid);
    }
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_MUTEX);
    cr_assert_eq(look.address, (uintptr_t)&beside_condition);
    cr_assert_eq(look.mutex.owner, hl_plat_thread_id());
}

/* ---- other locks --------------------------------------------------------------------- */

static void wait_semaphore(void *semaphore)
{
    sem_wait(semaphore);
}

static void wait_semaphore_timed(void *semaphore)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 1000;
    sem_timedwait(semaphore, &end);
}

static void read_lock(void *rwlock)
{
    pthread_rwlock_rdlock(rwlock);
}

static void write_lock(void *rwlock)
{
    pthread_rwlock_wrlock(rwlock);
}

static void wait_condition_timed(void *condition)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 1000;
    pthread_mutex_lock(&mutex);
    pthread_cond_timedwait(condition, &mutex, &end);
    pthread_mutex_unlock(&mutex);
}

static void pass_barrier(void *barrier)
{
    pthread_barrier_wait(barrier);
}

Test(learn, conditions_and_semaphores_are_told_apart)
{
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    static sem_t semaphore, shared;

    NEEDS_LEARNING();
    sem_init(&semaphore, 0, 0);
    sem_init(&shared, 1, 0);
    expect(HL_PLAT_FOR_CONDVAR, wait_condition, &condition, sizeof condition);
    expect(HL_PLAT_FOR_CONDVAR, wait_condition_timed, &condition, sizeof condition);
    expect(HL_PLAT_FOR_SEMAPHORE, wait_semaphore, &semaphore, sizeof semaphore);
    expect(HL_PLAT_FOR_SEMAPHORE, wait_semaphore_timed, &semaphore, sizeof semaphore);
    expect(HL_PLAT_FOR_SEMAPHORE, wait_semaphore, &shared, sizeof shared);
}

/* Each of these waits in another line of the function than the one that was learnt. */
Test(learn, a_rwlock_is_one_whoever_holds_it)
{
    static pthread_rwlock_t written, read, queue;

    NEEDS_LEARNING();
    pthread_rwlock_wrlock(&written);
    expect(HL_PLAT_FOR_RWLOCK, read_lock, &written, sizeof written);
    expect(HL_PLAT_FOR_RWLOCK, write_lock, &written, sizeof written);
    pthread_rwlock_rdlock(&read);
    expect(HL_PLAT_FOR_RWLOCK, write_lock, &read, sizeof read);
    expect(HL_PLAT_FOR_RWLOCK, write_lock, &read, sizeof read);
    pthread_rwlockattr_t prefers_writers;
    pthread_rwlockattr_init(&prefers_writers);
    pthread_rwlockattr_setkind_np(&prefers_writers, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&queue, &prefers_writers);
    pthread_rwlock_rdlock(&queue);
    expect(HL_PLAT_FOR_RWLOCK, write_lock, &queue, sizeof queue);
    expect(HL_PLAT_FOR_RWLOCK, read_lock, &queue, sizeof queue);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void for_long(void)
{
    nap(1000 * S);
}

static void run_once(void *unused)
{
    (void)unused;
    pthread_once(&once, for_long);
}

static void join(void *thread)
{
    pthread_join(*(pthread_t *)thread, NULL);
}

static void sleep_long(void *unused)
{
    (void)unused;
    for_long();
}

Test(learn, barrier_once_and_join_are_recognised)
{
    static pthread_barrier_t barrier;
    static struct waiter sleeper, initializer;

    NEEDS_LEARNING();
    pthread_barrier_init(&barrier, NULL, 2);
    expect(HL_PLAT_FOR_BARRIER, pass_barrier, &barrier, sizeof barrier);
    start(&initializer, run_once, NULL);
    nap(20 * MS);
    cr_assert_eq(look_at(run_once, NULL).waits_for, HL_PLAT_FOR_ONCE);
    start(&sleeper, sleep_long, NULL);
    struct hl_plat_look look = look_at(join, &sleeper.thread);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_JOIN);
    cr_assert_eq(look.awaited, atomic_load(&sleeper.tid));
}

/* ---- what merely acts like one ------------------------------------------------------------ */

static void wait_by_hand(void *word)
{
    syscall(SYS_futex, word, 128, 2, NULL, NULL, 0);
}

static void wait_by_hand_pi(void *word)
{
    syscall(SYS_futex, word, 6 | 128, 0, NULL, NULL, 0);
}

static void lock_file(void *file)
{
    flockfile(file);
}

Test(learn, no_imitator_is_a_mutex)
{
    static int by_hand[10] = {2, 0, 1, 1};
    static int by_hand_pi[10];

    NEEDS_LEARNING();
    by_hand[2] = by_hand_pi[0] = by_hand_pi[2] = (int)hl_plat_thread_id();
    by_hand_pi[3] = 1;
    expect(HL_PLAT_FOR_FUTEX, wait_by_hand, by_hand, sizeof by_hand);
    expect(HL_PLAT_FOR_FUTEX, wait_by_hand_pi, by_hand_pi, sizeof by_hand_pi);
    FILE *file = tmpfile();
    flockfile(file);
    cr_assert_eq(look_at(lock_file, file).waits_for, HL_PLAT_FOR_FUTEX);
}

/* ---- when and where it is learnt ------------------------------------------------------------ */

Test(learn, leaves_nothing_behind)
{
    int threads = threads_now(), descriptors = open_descriptors();

    ONLY_ON_LINUX("this platform does not learn");
    errno = EDOM;
    learn_within(30 * S);
    cr_assert_eq(errno, EDOM);
    wait_for_threads(threads);
    cr_assert_eq(open_descriptors(), descriptors);
}

Test(learn, happens_once)
{
    struct hl_plat *plat = hl_plat_open();
    int threads = threads_now();

    ONLY_ON_LINUX("this platform does not learn");
    NEEDS_LEARNING();
    learn_within(30 * S);
    wait_for_threads(threads);
    hl_plat_close(plat);
    for (int i = 0; i < 1000; i++) {
        plat = hl_plat_open();
        hl_plat_learn();
        cr_assert_not(hl_plat_is_learning());
        hl_plat_close(plat);
    }
    cr_assert_eq(threads_now(), threads);
}

Test(learn, goes_on_when_whoever_asked_for_it_is_gone)
{
    int threads = threads_now();

    ONLY_ON_LINUX("this platform does not learn");
    for (int i = 0; i < 100; i++) {
        struct hl_plat *plat = hl_plat_open();
        hl_plat_learn();
        (void)hl_plat_is_learning();
        hl_plat_close(plat);
    }
    wait_for_threads(threads);
}

/* In a child: what was told about a thread that waits for a mutex of ours. */
struct told {
    enum hl_plat_wait_for waits_for;
    uint64_t owner, self;
    char why[100];
};

static void tell(struct hl_plat *plat, struct told *told)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static struct waiter waiter;

    pthread_mutex_lock(&mutex);
    waiter = (struct waiter){.wait = lock, .thing = &mutex};
    pthread_create(&waiter.thread, NULL, run_waiter, &waiter);
    while (atomic_load(&waiter.tid) == 0)
        nap(MS);
    struct hl_plat_look look = {0};
    for (int i = 0; i < 1000 && !is_settled(&look); i++) {
        nap(MS);
        hl_plat_look(plat, waiter.tid, &look);
    }
    told->waits_for = look.waits_for;
    told->owner = look.mutex.owner;
    told->self = hl_plat_thread_id();
    snprintf(told->why, sizeof told->why, "%s", hl_plat_why(plat, HL_PLAT_HOLDER));
}

static void tell_as_heir(void *told)
{
    struct hl_plat *plat = hl_plat_open();

    hl_plat_learn();
    if (hl_plat_is_learning())
        _exit(1); /* it was learnt before the fork */
    tell(plat, told);
}

static void tell_as_beginner(void *told)
{
    struct hl_plat *plat = hl_plat_open();

    if (hl_plat_is_learning())
        _exit(1); /* nobody does */
    hl_plat_learn();
    while (hl_plat_is_learning())
        nap(MS);
    tell(plat, told);
}

Test(learn, a_forked_child_keeps_what_was_known)
{
    struct told *told = hl_plat_map_shared(sizeof *told);

    NEEDS_FORK();
    NEEDS_LEARNING();
    learn_within(30 * S);
    in_child(tell_as_heir, told);
    cr_assert_eq(told->waits_for, HL_PLAT_FOR_MUTEX);
    cr_assert_eq(told->owner, told->self);
}

Test(learn, a_child_forked_amid_the_lessons_starts_anew, .timeout = 120)
{
    enum { CHILDREN = 8 };
    struct told *told = hl_plat_map_shared(CHILDREN * sizeof *told);
    pid_t children[CHILDREN];
    int amid = 0;

    NEEDS_FORK();
    NEEDS_LEARNING();
    hl_plat_learn();
    for (int i = 0; i < CHILDREN; i++) {
        bool is_amid = hl_plat_is_learning();
        children[i] = start_child(is_amid ? tell_as_beginner : tell_as_heir, &told[i]);
        amid += is_amid;
        nap(MS / 5);
    }
    cr_assert_gt(amid, 0);
    for (int i = 0; i < CHILDREN; i++) {
        end_child(children[i]);
        cr_assert_eq(told[i].waits_for, HL_PLAT_FOR_MUTEX, "child %d: %s", i, told[i].why);
        cr_assert_eq(told[i].owner, told[i].self);
    }
}

/* A leak checker misses the parent's threads in a forked child, and says so. */
static void end_amid_the_lessons(void *unused)
{
    (void)unused;
    hl_plat_learn();
    if (HAS_SANITIZER)
        _exit(0);
    exit(0);
}

Test(learn, the_end_of_the_process_does_not_wait_for_it)
{
    NEEDS_FORK();
    ONLY_ON_LINUX("this platform does not learn");
    for (int i = 0; i < 20; i++) {
        uint64_t began = hl_plat_now_ns();
        in_child(end_amid_the_lessons, NULL);
        cr_assert_lt(hl_plat_now_ns() - began, 5 * S);
    }
}

static void tell_without_threads(void *told)
{
    struct hl_plat *plat = hl_plat_open();
    struct rlimit before;

    getrlimit(RLIMIT_NPROC, &before);
    setrlimit(RLIMIT_NPROC, &(struct rlimit){0, before.rlim_max});
    if (setresuid(65534, 65534, 0) != 0)
        _exit(1);
    prctl(PR_SET_DUMPABLE, 1);
    hl_plat_learn();
    if (hl_plat_is_learning())
        _exit(2);
    if (setresuid(0, 0, 0) != 0)
        _exit(3);
    setrlimit(RLIMIT_NPROC, &before);
    tell(plat, told);
}

Test(learn, without_a_thread_there_is_a_reason)
{
    struct told *told = hl_plat_map_shared(sizeof *told);

    NEEDS_FORK();
    ONLY_ON_LINUX("this platform does not learn");
    if (geteuid() != 0)
        cr_skip("only root can take threads from itself for a while");
    in_child(tell_without_threads, told);
    cr_assert_eq(told->waits_for, HL_PLAT_FOR_FUTEX);
    cr_assert_str_eq(told->why,
                     "what a lock looks like could not be learnt (no thread could be started)");
}

static void tell_undumpable(void *told)
{
    struct hl_plat *plat = hl_plat_open();

    if (setresuid(65534, 65534, 0) != 0)
        _exit(1);
    prctl(PR_SET_DUMPABLE, 0);
    hl_plat_learn();
    for (int i = 0; i < 3000 && hl_plat_is_learning(); i++)
        nap(MS);
    if (setresuid(0, 0, 0) != 0)
        _exit(3);
    tell(plat, told);
}

Test(learn, where_system_calls_cannot_be_read_there_is_a_reason)
{
    struct told *told = hl_plat_map_shared(sizeof *told);

    NEEDS_FORK();
    ONLY_ON_LINUX("this platform does not learn");
    if (geteuid() != 0)
        cr_skip("only root can look again afterwards");
    in_child(tell_undumpable, told);
    cr_assert_eq(told->waits_for, HL_PLAT_FOR_FUTEX);
    cr_assert_str_eq(told->why, "what a lock looks like could not be learnt (permission denied: "
                                "the process is not dumpable)");
}
