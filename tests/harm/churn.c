/* Churn. Ten thousand threads live in a scope each, and others are born and die as fast as
 * the machine can, while a monitor beats. Each label carries its thread's number, so a
 * line that shows one thread the scope of another is seen. Records are used again.
 *
 * Before that, threads that the C library knows nothing of, or that go without its
 * destructors; and, in a container of its own where the next number can be chosen, threads
 * that get the number of one that has gone.
 */
#define _GNU_SOURCE
#include "harm.h"

#include "../../monitor/registry.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CROWD 10000
#define CROWD_STACK (64 * 1024)
#define SPAWNERS 4
#define BATCH 6
#define SAMPLE_MS 150           /* the pass mark */
#define GROWTH_BYTES (1u << 20) /* a byte for each of a million threads */
#define VANISHING 100
#define BIRTH_STEP_MS 10 /* so exactly the kernel tells when a thread was born */
#define PATIENCE_NS 120000000000u

static int own_tid(void)
{
    return (int)syscall(SYS_gettid);
}

static uint64_t cpu_ns_of_thread(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static void burn_ms(uint64_t ms)
{
    uint64_t until = cpu_ns_of_thread() + ms * 1000000;
    while (cpu_ns_of_thread() < until)
        continue;
}

/* ---- the lines ---------------------------------------------------------------------------- */

static struct {
    _Atomic uint64_t beats, full; /* full: with more than a thousand phase lines */
    _Atomic uint64_t phases, wrong;
    _Atomic uint64_t sample_ns, samples, longest_sample_ns;
    _Atomic bool is_measured;
    _Atomic int awaited_tid;
    _Atomic uint64_t awaited; /* lines about that thread */
    uint64_t phases_then, cpu_then;
    char about[4096]; /* those lines */
    double used_ms;   /* that the last of them says */
    double window_ms;
} seen;

static const char *value_of(const char *line, const char *key)
{
    const char *at = strstr(line, key);
    return at ? at + strlen(key) : "";
}

/* What the thread has used between the last line and this one: its sleep and the sample. */
static void take_beat(const char *line)
{
    uint64_t used = cpu_ns_of_thread() - seen.cpu_then;
    seen.window_ms = atof(value_of(line, "\"window_ms\":"));
    seen.full += seen.phases - seen.phases_then > 1000;
    seen.phases_then = seen.phases;
    seen.beats++;
    if (!seen.is_measured)
        return;
    seen.samples++;
    seen.sample_ns += used;
    if (used > seen.longest_sample_ns)
        seen.longest_sample_ns = used;
}

static void take_phase(const char *line)
{
    long tid = atol(value_of(line, "\"thread_tid\":"));
    const char *innermost = value_of(line, "\"innermost\":");
    if (tid == 0) /* how many were omitted */
        return;
    seen.phases++;
    if (strncmp(innermost, "\"tid=", 5) == 0 && atol(innermost + 5) != tid) {
        seen.wrong++;
        harm_wrong("%s", line);
    }
}

static void take_line(void *nothing, enum monitor_level level, const char *line, size_t length)
{
    (void)nothing, (void)level, (void)length;
    bool is_phase = strstr(line, "\"record\":\"phase\"");
    if (strstr(line, "\"record\":\"beat\""))
        take_beat(line);
    if (is_phase)
        take_phase(line);
    if ((is_phase || strstr(line, "\"record\":\"busy\"")) && seen.awaited_tid &&
        atoi(value_of(line, "\"thread_tid\":")) == seen.awaited_tid) {
        size_t used = strlen(seen.about);
        snprintf(seen.about + used, sizeof seen.about - used, "%s\n", line);
        seen.used_ms = atof(value_of(line, "\"cpu\":")) * seen.window_ms;
        seen.awaited++;
    }
    seen.cpu_then = cpu_ns_of_thread();
}

static void start_monitor(uint64_t interval_ms)
{
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = interval_ms;
    options.stall_ms = 0;
    options.format = MONITOR_JSON;
    options.sink = take_line;
    int error = monitor_start_with(&options);
    if (error)
        harm_broken("no monitor: %s", strerror(-error));
}

static bool is_late(uint64_t since_ns)
{
    return harm_now_ns() - since_ns > PATIENCE_NS;
}

/* So many heartbeats that began after this call: the one under way does not count. */
static void await_beats(uint64_t count)
{
    uint64_t began = harm_now_ns();
    for (uint64_t due = seen.beats + count + 1; seen.beats < due;) {
        if (is_late(began))
            harm_broken("no heartbeats come");
        monitor_beat();
        harm_sleep_ms(1);
    }
}

/* ---- threads that nobody told us of ---------------------------------------------------------- */

static _Atomic bool raw_is_over;
static _Atomic int raw_ended;

/* It shares the thread-local storage of its parent: nothing of the C library. */
static int spin_raw(void *nothing)
{
    (void)nothing;
    while (!raw_is_over)
        continue;
    raw_ended = 1;
    return 0;
}

/* It is seen while it uses a core. */
static void list_raw_thread(void)
{
    enum { STACK = 64 * 1024 };
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    uint64_t began = harm_now_ns();
    int tid = stack == MAP_FAILED ? -1 : clone(spin_raw, stack + STACK, flags, NULL);
    if (tid < 0)
        harm_broken("clone: %s", strerror(errno));
    seen.awaited = 0;
    seen.awaited_tid = tid;
    while (seen.awaited == 0 && !is_late(began))
        harm_sleep_ms(1);
    if (seen.awaited == 0)
        harm_wrong("a thread made by clone is never listed");
    seen.awaited_tid = 0;
    raw_is_over = true;
    while (!raw_ended)
        sched_yield();
}

static void *vanish(void *nothing)
{
    scope_pushf("tid=%d vanishes", own_tid());
    scope_push_progress("with a counter", 3);
    syscall(SYS_exit, 0);
    return nothing;
}

static uint32_t taken_records(void)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < hl_registry_count(); i++)
        taken += hl_get(&hl_registry_record(i)->tid) != 0;
    return taken;
}

/* Two heartbeats in which they are missing. */
static void reclaim_vanished(void)
{
    pthread_t threads[VANISHING];
    struct hl_losses losses;
    for (int i = 0; i < VANISHING; i++)
        if (pthread_create(&threads[i], NULL, vanish, NULL) != 0)
            harm_broken("no thread");
    for (int i = 0; i < VANISHING; i++)
        pthread_join(threads[i], NULL);
    await_beats(2);
    hl_registry_losses(&losses);
    if (losses.vanished != VANISHING || taken_records() != 0)
        harm_wrong("of %d threads that went without a word %llu are counted, %u records still "
                   "taken",
                   VANISHING, (unsigned long long)losses.vanished, taken_records());
}

/* ---- the same number again --------------------------------------------------------------------- */

enum departure { BY_RETURN, WITHOUT_A_WORD };

struct heir {
    pthread_t thread;
    uint64_t burns_ms;
    const char *label; /* NULL = it has no scope */
    int wanted;        /* 0 = any number will do */
    _Atomic int tid;
    _Atomic bool has_burnt, may_go;
    enum departure departure;
};

static void *inherit(void *argument)
{
    struct heir *heir = argument;
    heir->tid = own_tid();
    if (heir->wanted && heir->tid != heir->wanted)
        return NULL;
    if (heir->label)
        scope_push(heir->label);
    burn_ms(heir->burns_ms);
    heir->has_burnt = true;
    while (!heir->may_go)
        harm_sleep_ms(1);
    if (heir->departure == WITHOUT_A_WORD)
        syscall(SYS_exit, 0);
    return NULL;
}

static void choose_next(int tid)
{
    char text[16];
    int file = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    int length = snprintf(text, sizeof text, "%d", tid - 1);
    if (file < 0 || write(file, text, (size_t)length) != length) {
        printf("ns_last_pid: %s\n", strerror(errno));
        exit(77);
    }
    close(file);
}

static void be_born(struct heir *heir)
{
    if (pthread_create(&heir->thread, NULL, inherit, heir) != 0)
        harm_broken("no thread");
    while (heir->tid == 0)
        sched_yield();
    while (!heir->has_burnt && (!heir->wanted || heir->tid == heir->wanted))
        harm_sleep_ms(1);
}

static void go(struct heir *heir)
{
    heir->may_go = true;
    pthread_join(heir->thread, NULL);
}

/* A number is free only some time after its thread was joined. */
static void be_born_as(struct heir *heir, int tid)
{
    heir->wanted = tid;
    for (int i = 0; i < 1000 && !heir->has_burnt; i++) {
        heir->tid = 0;
        choose_next(tid);
        be_born(heir);
        if (heir->has_burnt)
            return;
        pthread_join(heir->thread, NULL);
        harm_sleep_ms(1);
    }
    harm_broken("no thread gets the number %d again", tid);
}

/* The one thread is part of what the monitor starts from, the other takes its number before
 * the first heartbeat. */
static void replace(struct heir *one, struct heir *other)
{
    be_born(one);
    start_monitor(24 * 3600 * 1000);
    go(one);
    harm_sleep_ms(5 * BIRTH_STEP_MS);
    seen.awaited = 0;
    seen.about[0] = '\0';
    seen.awaited_tid = one->tid;
    be_born_as(other, one->tid);
    harm_sleep_ms(5 * BIRTH_STEP_MS);
    await_beats(1);
}

static void end_replacing(struct heir *other)
{
    go(other);
    monitor_stop();
    seen.awaited_tid = 0;
}

/* More than the old one had used, so that the difference would look like a figure. */
static void inherit_no_cpu(const char *label)
{
    struct heir one = {.burns_ms = harm_count(300, 100), .label = "old"};
    struct heir other = {.burns_ms = harm_count(800, 250), .label = label};
    replace(&one, &other);
    double least_ms = (double)other.burns_ms - (double)one.burns_ms / 2;
    if (seen.used_ms < least_ms || seen.used_ms > 2 * (double)other.burns_ms)
        harm_wrong("a thread with an old number used %llu ms, not %.0f: %s",
                   (unsigned long long)other.burns_ms, seen.used_ms, seen.about);
    end_replacing(&other);
}

static void inherit_no_scope(enum departure departure, const char *label)
{
    struct heir one = {.label = "old", .departure = departure};
    struct heir other = {.label = label};
    replace(&one, &other);
    if (strstr(seen.about, "old") || (label && !strstr(seen.about, label)))
        harm_wrong("a thread with an old number is shown as: %s", seen.about);
    end_replacing(&other);
}

static void reuse_numbers(void)
{
    inherit_no_cpu("new");
    inherit_no_cpu(NULL);
    inherit_no_scope(BY_RETURN, NULL);
    inherit_no_scope(BY_RETURN, "new");
    inherit_no_scope(WITHOUT_A_WORD, NULL);
    inherit_no_scope(WITHOUT_A_WORD, "new");
}

/* As the first process of a container of its own. Returns as an exit status does. */
static int reuse_in_container(void)
{
    unsigned before = harm_wrongs();
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("proc", "/proc", "proc", 0, NULL) != 0)
        return 77;
    reuse_numbers();
    return harm_wrongs() > before;
}

static const char *reuse(void)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int flags = CLONE_NEWPID | CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0);
        if (unshare(flags) != 0)
            _exit(77);
        pid_t first = fork();
        if (first == 0)
            exit(reuse_in_container());
        int status = first < 0 ? 77 : harm_wait(first, 300000);
        _exit(status < 0 ? 1 : status);
    }
    int status = child < 0 ? 77 : harm_wait(child, 310000);
    if (status == 77) {
        harm_not_run("thread numbers used again", "no right to a container of its own");
        return "not tried";
    }
    if (status != 0)
        harm_wrong("threads with an old number: status %d", status);
    return status ? "wrong" : "right";
}

/* ---- the crowd ------------------------------------------------------------------------------------ */

static pthread_t crowd[CROWD];
static _Atomic unsigned crowd_ready;
static unsigned crowd_most;
static int crowd_gate[2];

static void *live_on(void *nothing)
{
    char byte;
    scope_pushf("tid=%d lives on", own_tid());
    crowd_ready++;
    while (read(crowd_gate[0], &byte, 1) < 0)
        continue;
    scope_pop();
    return nothing;
}

static pthread_attr_t small_stack(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, CROWD_STACK);
    return attributes;
}

static unsigned gather(unsigned wanted)
{
    pthread_attr_t attributes = small_stack();
    unsigned made = 0;
    crowd_ready = 0;
    if (pipe2(crowd_gate, O_CLOEXEC) != 0)
        harm_broken("no pipe");
    while (made < wanted && pthread_create(&crowd[made], &attributes, live_on, NULL) == 0)
        made++;
    while (crowd_ready < made)
        harm_sleep_ms(1);
    return made;
}

static void dismiss(unsigned count)
{
    close(crowd_gate[1]);
    for (unsigned i = 0; i < count; i++)
        pthread_join(crowd[i], NULL);
    close(crowd_gate[0]);
}

/* Half of what this machine allows, where that is less: the others need threads, too. */
static unsigned gather_if_allowed(unsigned wanted)
{
    unsigned made = gather(wanted);
    crowd_most = made;
    if (made == wanted)
        return made;
    harm_not_run("so many live threads", "this machine does not allow them");
    dismiss(made);
    return gather(made / 2);
}

/* ---- those who live short -------------------------------------------------------------------------- */

static _Atomic bool stopping;
static _Atomic uint64_t born, left_open;

static __attribute__((noinline)) void leave_from_inside(int tid)
{
    SCOPEF("tid=%d leaves from inside", tid);
    left_open++;
    pthread_exit(NULL);
}

static void *live_short(void *number)
{
    int tid = own_tid();
    scope_pushf("tid=%d lives short", tid);
    if ((uintptr_t)number % 4 == 0)
        leave_from_inside(tid);
    {
        SCOPEF("tid=%d inside", tid);
    }
    scope_pop();
    return NULL;
}

static void *spawn(void *nothing)
{
    pthread_attr_t attributes = small_stack();
    for (uintptr_t round = 0; !stopping; round++) {
        pthread_t threads[BATCH];
        unsigned made = 0;
        while (made < BATCH &&
               pthread_create(&threads[made], &attributes, live_short, (void *)(round + made)) == 0)
            made++;
        for (unsigned i = 0; i < made; i++)
            pthread_join(threads[i], NULL);
        born += made;
    }
    return nothing;
}

/* Walked by the kernel; what its other counters say is in batches. */
static uint64_t anonymous_bytes(void)
{
    char *text = harm_read("/proc/self/smaps_rollup", NULL);
    const char *line = text ? strstr(text, "\nAnonymous:") : NULL;
    if (!line)
        harm_broken("smaps_rollup has no Anonymous");
    uint64_t bytes = strtoull(line + strlen("\nAnonymous:"), NULL, 10) * 1024;
    free(text);
    return bytes;
}

static struct {
    uint64_t births, ns;
    uint64_t early_bytes, late_bytes; /* the most: in the first half after a tenth, in the rest */
} churned;

static void note_memory(double part)
{
    uint64_t *bytes = part < 0.55 ? &churned.early_bytes : &churned.late_bytes;
    uint64_t now = part < 0.1 ? 0 : anonymous_bytes();
    if (now > *bytes)
        *bytes = now;
}

static double done(uint64_t is, uint64_t wanted)
{
    return (double)is / (double)wanted;
}

static pthread_t spawners[SPAWNERS];

static void start_spawners(void)
{
    stopping = false;
    for (int i = 0; i < SPAWNERS; i++)
        if (pthread_create(&spawners[i], NULL, spawn, NULL) != 0)
            harm_broken("no thread");
}

static void stop_spawners(void)
{
    stopping = true;
    for (int i = 0; i < SPAWNERS; i++)
        pthread_join(spawners[i], NULL);
}

/* One heartbeat after the other, so that records change hands while they are read. */
static void churn_alone(uint64_t wanted)
{
    start_monitor(10);
    start_spawners();
    while (born < wanted) {
        uint64_t beats = seen.beats;
        monitor_beat();
        while (seen.beats == beats)
            sched_yield();
    }
    stop_spawners();
    monitor_stop();
}

/* At least so long, and so many; now and then all threads are shown. */
static void churn_beside_crowd(uint64_t ns, uint64_t wanted)
{
    uint64_t born_before = born;
    start_monitor(100);
    seen.is_measured = true;
    uint64_t began = harm_now_ns();
    start_spawners();
    for (double part = 0, next_full = 0; part < 1; harm_sleep_ms(20)) {
        double of_time = done(harm_now_ns() - began, ns);
        double of_births = done(born - born_before, wanted);
        part = of_time < of_births ? of_time : of_births;
        note_memory(part);
        if (part < next_full)
            continue;
        monitor_beat();
        next_full = part + 0.02;
    }
    stop_spawners();
    churned.births = born - born_before;
    churned.ns = harm_now_ns() - began;
    seen.is_measured = false;
    monitor_stop();
}

static void judge(unsigned threads)
{
    struct hl_losses losses;
    hl_registry_losses(&losses);
    /* One for each that was alive at once: how many those were is up to the scheduler, even late. */
    uint32_t most = crowd_most + SPAWNERS * BATCH + VANISHING;
    if (hl_registry_count() > most)
        harm_wrong("%u records for at most %u threads", hl_registry_count(), most);
    if (losses.vanished != left_open + VANISHING || losses.unbalanced || losses.overflow)
        harm_wrong("vanished %llu instead of %llu, unbalanced %llu, overflow %llu",
                   (unsigned long long)losses.vanished, (unsigned long long)left_open + VANISHING,
                   (unsigned long long)losses.unbalanced, (unsigned long long)losses.overflow);
    if (churned.late_bytes > churned.early_bytes + GROWTH_BYTES)
        harm_wrong("memory grew from %llu to %llu bytes", (unsigned long long)churned.early_bytes,
                   (unsigned long long)churned.late_bytes);
    if (seen.longest_sample_ns > SAMPLE_MS * 1000000u)
        harm_wrong("a sample took %.1f ms of CPU", (double)seen.longest_sample_ns / 1e6);
    if (seen.full == 0 && threads > 1000)
        harm_wrong("no heartbeat showed all threads");
}

static void churn(void)
{
    const char *numbers = reuse();
    start_monitor(10);
    list_raw_thread();
    reclaim_vanished();
    monitor_stop();
    churn_alone(harm_count(100000, 3000));
    unsigned threads = gather_if_allowed((unsigned)harm_count(CROWD, 2000));
    churn_beside_crowd(harm_count(10, 1) * 1000000000u, harm_count(1000000, 10000));
    dismiss(threads);
    judge(threads);
    harm_figure(
        "%llu threads in %.1f s (%.0f a second) beside %u: %llu wrong of %llu lines; a sample %.1f "
        "ms of CPU on average, %.1f at most; %u records, memory %+lld KiB; a used number: %s",
        (unsigned long long)churned.births, (double)churned.ns / 1e9,
        (double)churned.births * 1e9 / (double)churned.ns, threads, (unsigned long long)seen.wrong,
        (unsigned long long)seen.phases,
        seen.samples ? (double)seen.sample_ns / 1e6 / (double)seen.samples : 0,
        (double)seen.longest_sample_ns / 1e6, hl_registry_count(),
        (long long)(churned.late_bytes - churned.early_bytes) / 1024, numbers);
}

int main(int argc, char **argv)
{
    static const struct harm_check checks[] = {{"all", churn}, {NULL, NULL}};
    return harm_main(argc, argv, checks);
}
