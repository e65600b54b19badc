/* Quiet. Scopes allocate nothing, lock nothing and make no system call once their thread
 * has pushed; a running monitor allocates nothing, through thousands of heartbeats with
 * stalls, their evidence and a deadlock among them.
 *
 * The functions that allocate, map and lock are taken by name here, and counted for each
 * thread; system calls are trapped by the kernel, and counted by the handler of its signal.
 * tests/stress/quiet_push.c asks the same of scopes alone, and kills who calls the system.
 */
#define _GNU_SOURCE
#include "../sanitize/has.h"
#include "harm.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__GLIBC__) || HAS_SANITIZER

static void quiet(void)
{
    harm_cannot_run("needs glibc, and no sanitizer that has these names already");
}

#else

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- what is counted, thread by thread ------------------------------------------------- */

enum { ALLOCATED, FREED, MAPPED, LOCKED, KINDS };
static const char *const kind_names[KINDS] = {"allocations", "frees", "mappings", "locks"};

#define THREADS_MOST 64

static struct counts {
    _Atomic int tid; /* 0 = not used yet */
    _Atomic uint64_t n[KINDS];
} table[THREADS_MOST];
static _Atomic unsigned entries;
static __thread struct counts *own;

static struct counts *own_counts(void)
{
    if (!own) {
        unsigned entry = atomic_fetch_add(&entries, 1);
        if (entry >= THREADS_MOST)
            abort();
        own = &table[entry];
        own->tid = (int)syscall(SYS_gettid);
    }
    return own;
}

static void count(int kind)
{
    own_counts()->n[kind]++;
}

static struct counts *counts_of(int tid)
{
    for (unsigned i = 0; i < entries; i++)
        if (table[i].tid == tid)
            return &table[i];
    return NULL;
}

/* ---- the names -------------------------------------------------------------------------- */

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

void *malloc(size_t size)
{
    count(ALLOCATED);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count(ALLOCATED);
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size)
{
    count(ALLOCATED);
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size)
{
    count(ALLOCATED);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    *memory = memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

void free(void *memory)
{
    count(FREED);
    __libc_free(memory);
}

/* The library's own, looked up before anything is measured. */
#define TAKEN(kind, type, name, parameters, arguments)        \
    static type(*real_##name) parameters;                     \
    type name parameters                                      \
    {                                                         \
        count(kind);                                          \
        if (!real_##name)                                     \
            *(void **)&real_##name = dlsym(RTLD_NEXT, #name); \
        return real_##name arguments;                         \
    }

TAKEN(MAPPED, void *, mmap,
      (void *at, size_t size, int protection, int flags, int file, off_t from),
      (at, size, protection, flags, file, from))
/* Its other name, which the header hides. */
void *mmap_by_its_name(void *at, size_t size, int protection, int flags, int file,
                       off_t from) __asm__("mmap");
void *mmap_by_its_name(void *at, size_t size, int protection, int flags, int file, off_t from)
{
    return mmap(at, size, protection, flags, file, from);
}
TAKEN(MAPPED, int, munmap, (void *at, size_t size), (at, size))
TAKEN(MAPPED, int, mprotect, (void *at, size_t size, int protection), (at, size, protection))
TAKEN(MAPPED, int, brk, (void *at), (at))
TAKEN(MAPPED, void *, sbrk, (intptr_t more), (more))
TAKEN(LOCKED, int, pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
TAKEN(LOCKED, int, pthread_mutex_trylock, (pthread_mutex_t * mutex), (mutex))
TAKEN(LOCKED, int, pthread_mutex_timedlock, (pthread_mutex_t * mutex, const struct timespec *until),
      (mutex, until))
TAKEN(LOCKED, int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
TAKEN(LOCKED, int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
TAKEN(LOCKED, int, pthread_spin_lock, (pthread_spinlock_t * lock), (lock))
TAKEN(LOCKED, int, pthread_cond_wait, (pthread_cond_t * condition, pthread_mutex_t *mutex),
      (condition, mutex))
TAKEN(LOCKED, int, pthread_cond_signal, (pthread_cond_t * condition), (condition))
TAKEN(LOCKED, int, pthread_cond_broadcast, (pthread_cond_t * condition), (condition))
TAKEN(LOCKED, int, pthread_once, (pthread_once_t * once, void (*routine)(void)), (once, routine))
TAKEN(LOCKED, int, sem_wait, (sem_t * semaphore), (semaphore))

/* As the library calls them: by way of its own table. */
static void check_counting(void)
{
    struct counts before = *own_counts();
    void *(*volatile allocate)(size_t) = malloc;
    void *(*volatile map)(void *, size_t, int, int, int, off_t) = mmap;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    free(allocate(7));
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    munmap(map(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);
    for (int kind = 0; kind < KINDS; kind++)
        if (own->n[kind] - before.n[kind] != (kind == MAPPED ? 2 : 1))
            harm_broken("%s are not counted", kind_names[kind]);
    if (dlsym(RTLD_DEFAULT, "mmap64") != (void *)map)
        harm_broken("the library does not see these functions");
}

/* How many since `before`; each kind that there is any of is wrong. */
static uint64_t expect_none(const struct counts *before, const struct counts *now, const char *who)
{
    uint64_t sum = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        uint64_t n = now->n[kind] - before->n[kind];
        sum += n;
        if (n)
            harm_wrong("%s: %llu %s", who, (unsigned long long)n, kind_names[kind]);
    }
    return sum;
}

/* ---- scopes ---------------------------------------------------------------------------------- */

static scope_progress shared;

static __attribute__((noinline)) void use_scopes(unsigned i)
{
    scope_push("plain");
    scope_pushf("%s %u", "formatted", i);
    {
        SCOPE("block");
        SCOPE_WAIT("waiting block");
        SCOPE_PROGRESS(done, "progress", 100);
        scope_progress_add(done, 1);
        scope_progress_set(done, 5, 50);
        scope_progress_add(shared, 1);
    }
    scope_pop();
    scope_pop();
    scope_pop(); /* one too many */
}

static void use_scopes_often(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++)
        use_scopes((unsigned)i);
    for (int i = 0; i < 40; i++)
        scope_push("deep");
    for (int i = 0; i < 40; i++)
        scope_pop();
}

static _Atomic uint64_t counted_in_scopes;

static void *count_scopes(void *rounds)
{
    use_scopes(0);
    struct counts before = *own_counts();
    use_scopes_often(*(uint64_t *)rounds);
    counted_in_scopes += expect_none(&before, own, "scopes");
    return NULL;
}

/* ---- system calls ------------------------------------------------------------------------------ */

static _Atomic uint64_t trapped;
static _Atomic int last_trapped;

static void note_call(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    trapped++;
    last_trapped = info->si_syscall;
}

/* From here on every call of this thread but the end of a handler and its own end is
 * refused and counted. */
static int trap_calls(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = {sizeof rules / sizeof rules[0], rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
               ? -1
               : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static struct {
    uint64_t rounds;
    bool cannot, counts_calls;
    uint64_t calls;
} without_calls;

static void *use_scopes_without_calls(void *nothing)
{
    use_scopes(0); /* the stack's bounds may be looked up once */
    if (trap_calls() != 0) {
        without_calls.cannot = true;
        return nothing;
    }
    syscall(SYS_getppid);
    without_calls.counts_calls = trapped == 1;
    trapped = 0;
    use_scopes_often(without_calls.rounds);
    without_calls.calls = trapped;
    syscall(SYS_exit, 0); /* all that it may still do */
    return nothing;
}

static void count_calls(uint64_t rounds)
{
    struct sigaction action = {.sa_sigaction = note_call, .sa_flags = SA_SIGINFO};
    pthread_t thread;
    without_calls.rounds = rounds;
    if (sigaction(SIGSYS, &action, NULL) != 0 ||
        pthread_create(&thread, NULL, use_scopes_without_calls, NULL) != 0)
        harm_broken("no handler or no thread");
    pthread_join(thread, NULL);
    if (without_calls.cannot)
        harm_not_run("system calls in scopes", "seccomp is refused here");
    else if (!without_calls.counts_calls)
        harm_broken("system calls are not counted");
    if (without_calls.calls)
        harm_wrong("%llu system calls in scopes, the last is number %d",
                   (unsigned long long)without_calls.calls, last_trapped);
}

/* ---- a program to be watched -------------------------------------------------------------------- */

#define STALL_MS 40
#define SCOPE_THREADS 4

static _Atomic bool is_over;
static pthread_mutex_t busy_lock = PTHREAD_MUTEX_INITIALIZER;

/* Stalls, recovers, and stalls again. */
static void *stall_and_recover(void *nothing)
{
    while (!is_over) {
        SCOPE("sleeps too long");
        harm_sleep_ms(3 * STALL_MS);
        scope_push("short");
        scope_pop();
    }
    return nothing;
}

static void *hold(void *nothing)
{
    while (!is_over) {
        SCOPE("holds the lock");
        pthread_mutex_lock(&busy_lock);
        harm_sleep_ms(3 * STALL_MS);
        pthread_mutex_unlock(&busy_lock);
        sched_yield();
    }
    return nothing;
}

static void *spin(void *nothing)
{
    SCOPE_PROGRESS(done, "spins", 0);
    while (!is_over) {
        for (int i = 0; i < 100000; i++)
            scope_progress_add(done, 1);
        sched_yield();
    }
    return nothing;
}

/* Two that wait for each other, and for the end of the program. */
static pthread_mutex_t first_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int have_one;

static void *lock_both(void *reverse)
{
    SCOPE("deadlock");
    pthread_mutex_lock(reverse ? &second_lock : &first_lock);
    have_one++;
    while (have_one < 2)
        sched_yield();
    pthread_mutex_lock(reverse ? &first_lock : &second_lock);
    return reverse;
}

static void start_threads(void)
{
    void *(*const bodies[])(void *) = {stall_and_recover, stall_and_recover, hold, hold, spin,
                                       lock_both,         lock_both};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        pthread_t thread;
        void *argument = i == 6 ? &second_lock : NULL;
        if (pthread_create(&thread, NULL, bodies[i], argument) != 0)
            harm_broken("no thread");
        pthread_detach(thread);
    }
}

/* ---- its monitor ---------------------------------------------------------------------------------- */

/* Of the lines, as they come. */
static struct lines {
    _Atomic uint64_t beats, stalls, recovered, deadlocks, waits;
} lines;
static _Atomic int callback_tid;

/* The first time it allocates on purpose, to see that this thread is counted. */
static void note_line(void *nothing, enum monitor_level level, const char *line, size_t length)
{
    (void)nothing, (void)level, (void)length;
    if (!callback_tid) {
        void *(*volatile allocate)(size_t) = malloc;
        free(allocate(7));
        callback_tid = (int)syscall(SYS_gettid);
    }
    if (strstr(line, "\"record\":\"beat\""))
        lines.beats++;
    else if (strstr(line, "\"record\":\"STALL\""))
        lines.stalls++;
    else if (strstr(line, "\"record\":\"RECOVERED\""))
        lines.recovered++;
    else if (strstr(line, "\"record\":\"DEADLOCK\""))
        lines.deadlocks++;
    if (strstr(line, "mutex:"))
        lines.waits++;
}

/* What a file has got so far, of text. */
static void note_file(const char *path)
{
    char *text = harm_read(path, NULL);
    if (!text)
        harm_broken("there is no %s", path);
    lines.beats = harm_lines_with(text, "] beat ");
    lines.stalls = harm_lines_with(text, "] STALL ");
    lines.recovered = harm_lines_with(text, "] RECOVERED ");
    lines.deadlocks = harm_lines_with(text, "] DEADLOCK ");
    lines.waits = harm_lines_with(text, "mutex:");
    free(text);
}

/* Asked for often, beside those that are due every 10 ms. */
static void let_it_beat(const char *path)
{
    for (int i = 0; i < 50; i++) {
        monitor_beat();
        harm_sleep_ms(1);
    }
    if (path)
        note_file(path);
}

/* By then it has all the memory that it needs. */
static void warm_up(const char *path)
{
    uint64_t until = harm_now_ns() + 120000000000u;
    while (lines.beats < 20 || lines.stalls < 10 || lines.recovered < 10 || lines.deadlocks == 0 ||
           lines.waits == 0) {
        if (harm_now_ns() > until)
            harm_broken("not everything was seen: %llu heartbeats, %llu stalls, %llu recovered, "
                        "%llu deadlocks, %llu lines about a mutex",
                        (unsigned long long)lines.beats, (unsigned long long)lines.stalls,
                        (unsigned long long)lines.recovered, (unsigned long long)lines.deadlocks,
                        (unsigned long long)lines.waits);
        let_it_beat(path);
    }
}

/* The name that the monitor gives its thread. */
static int find_monitor(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int found = 0;
    for (struct dirent *task; tasks && !found && (task = readdir(tasks));) {
        char path[300];
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        char *name = harm_read(path, NULL);
        if (name && strcmp(name, "heartline\n") == 0)
            found = atoi(task->d_name);
        free(name);
    }
    if (tasks)
        closedir(tasks);
    if (!found)
        harm_broken("the monitor's thread is not to be found");
    return found;
}

static void start_monitor(const char *path)
{
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = 10;
    options.stall_ms = STALL_MS;
    options.stall_lines = 10000;
    options.phase_lines = 100;
    options.format = path ? MONITOR_TEXT : MONITOR_JSON;
    options.log_path = path;
    options.sink = path ? NULL : note_line;
    memset(&lines, 0, sizeof lines);
    callback_tid = 0;
    int error = monitor_start_with(&options);
    if (error)
        harm_broken("no monitor: %s", strerror(-error));
}

static struct {
    uint64_t beats, stalls, waits, counted;
} watched;

/* As text to a file, or as JSON to a callback. */
static void watch(const char *path, uint64_t beats)
{
    static const struct counts nothing;
    start_monitor(path);
    warm_up(path);
    int tid = find_monitor();
    if (!path && (callback_tid != tid || !counts_of(tid)))
        harm_broken("the monitor's thread is not counted");
    const struct counts *counts = counts_of(tid);
    struct counts before = counts ? *counts : nothing;
    struct lines then = lines;
    while (lines.beats - then.beats < beats)
        let_it_beat(path);
    counts = counts_of(tid);
    watched.counted += expect_none(&before, counts ? counts : &nothing, "the monitor");
    watched.beats += lines.beats - then.beats;
    watched.stalls += lines.stalls - then.stalls;
    watched.waits += lines.waits - then.waits;
    if (lines.stalls == then.stalls || lines.waits == then.waits)
        harm_wrong("too little happened: no stall in all these heartbeats");
    monitor_stop();
}

static void count_monitor(void)
{
    uint64_t rounds = harm_count(100000, 10000);
    pthread_t threads[SCOPE_THREADS];
    start_threads();
    watch(harm_path("log"), harm_count(5000, 300));
    watch(NULL, harm_count(5000, 300));
    start_monitor(NULL);
    warm_up(NULL);
    for (int i = 0; i < SCOPE_THREADS; i++)
        if (pthread_create(&threads[i], NULL, count_scopes, &rounds) != 0)
            harm_broken("no thread");
    for (int i = 0; i < SCOPE_THREADS; i++)
        pthread_join(threads[i], NULL);
    count_calls(rounds);
    monitor_stop();
}

static void quiet(void)
{
    scope_progress mine = scope_push_progress("everybody adds", 0);
    shared = mine;
    check_counting();
    count_monitor();
    harm_figure(
        "%llu allocations, mappings and locks of %d threads in scopes, %s system calls; %llu "
        "of the monitor in %llu heartbeats with %llu STALL lines, %llu about a mutex",
        (unsigned long long)counted_in_scopes, SCOPE_THREADS,
        without_calls.cannot  ? "uncounted"
        : without_calls.calls ? "some"
                              : "0",
        (unsigned long long)watched.counted, (unsigned long long)watched.beats,
        (unsigned long long)watched.stalls, (unsigned long long)watched.waits);
}
#endif

int main(int argc, char **argv)
{
    static const struct harm_check checks[] = {{"all", quiet}, {NULL, NULL}};
    return harm_main(argc, argv, checks);
}
