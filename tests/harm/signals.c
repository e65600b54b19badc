/* Signals. A timer of 10 kHz interrupts a thread that pushes and pops; its handler
 * pushes and pops too, and in the second half of the pushes leaves by siglongjmp, from
 * wherever it came in. Another thread reads the record all the while: no label is torn,
 * and the depth is right afterwards.
 *
 * Then signals of all kinds are sent to the process while a monitor runs, for half of
 * the time with all threads of the program closed to them: none may be delivered on a
 * thread of ours, and whoever waits with sigwait gets what he waits for.
 */
#define _GNU_SOURCE
#include "harm.h"

#include "../../monitor/registry.h"
#include "../../monitor/snapshot.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define TICK_NS 100000 /* 10 kHz */
#define BATCH 64       /* pushes and pops between two places that may be jumped to */
#define LABELS 256
/* Less would prove nothing; a run goes on until there is so much. */
#define ENOUGH_READS 1000
#define ENOUGH_SIGNALS 100
#define ENOUGH_JUMPS 50

/* ---- labels that say whether they are whole ---------------------------------------- */

#define SEED_DIGITS 16
#define SHORTEST (SEED_DIGITS + 8)

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The seed, and what follows from it: as many letters as it says. Returns the length. */
static size_t write_label(char label[HL_LABEL_BYTES], uint64_t seed)
{
    uint64_t random = seed;
    size_t length = SHORTEST + seed % (HL_LABEL_BYTES - SHORTEST);
    for (int i = 0; i < SEED_DIGITS; i++)
        label[i] = "0123456789abcdef"[seed >> 4 * i & 15];
    for (size_t i = SEED_DIGITS; i < length; i++) {
        if (i % 8 == 0)
            next_random(&random);
        label[i] = (char)('a' + (random >> 8 * (i % 8) & 15));
    }
    label[length] = '\0';
    return length;
}

static bool label_is_whole(const char *label)
{
    uint64_t seed = 0;
    char expected[HL_LABEL_BYTES];
    for (int i = 0; i < SEED_DIGITS && label[i]; i++) {
        uint64_t digit = (uint64_t)(label[i] <= '9' ? label[i] - '0' : label[i] - 'a' + 10);
        seed |= (digit & 15) << 4 * i;
    }
    write_label(expected, seed);
    return strcmp(label, expected) == 0;
}

static struct {
    _Atomic uint64_t scopes;
    uint64_t torn;
} seen; /* by the reader */

/* ---- the thread that is interrupted -------------------------------------------------- */

static struct {
    struct hl_record *record;
    uint64_t random, random_in_handler;
    sigjmp_buf out;
    uint64_t pushes, handled, jumped, amid, depth_wrong;
    _Atomic bool is_ready, is_over;
} pusher = {.random = 0x1234567, .random_in_handler = 0x7654321};

static volatile sig_atomic_t may_jump;
static volatile sig_atomic_t has_jumped; /* what was left behind may be pruned at any push */

static uint32_t depth_now(void)
{
    return atomic_load_explicit(&pusher.record->depth, memory_order_relaxed);
}

static void check_depth(uint32_t expected, const char *where)
{
    if (depth_now() == expected || has_jumped)
        return;
    pusher.depth_wrong++;
    harm_wrong("%s the depth is %u, not %u", where, depth_now(), expected);
}

static __attribute__((noinline)) void push_in_handler(int levels)
{
    char label[HL_LABEL_BYTES];
    uint32_t before = depth_now();
    write_label(label, next_random(&pusher.random_in_handler));
    if (levels % 2) {
        SCOPE(label);
        memset(label, '!', sizeof label);
        if (levels > 1)
            push_in_handler(levels - 1);
    } else {
        scope_push(label);
        memset(label, '!', sizeof label);
        push_in_handler(levels - 1);
        scope_pop();
    }
    check_depth(before, "after a handler's pop");
}

/* Leaves scopes behind, of the handler and of what it interrupted. */
static void leave_by_jump(void)
{
    char label[HL_LABEL_BYTES];
    write_label(label, next_random(&pusher.random_in_handler));
    SCOPE(label);
    pusher.jumped++;
    may_jump = 0;
    has_jumped = 1;
    siglongjmp(pusher.out, 1);
}

static void handle(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    int saved = errno;
    uint32_t depth = depth_now();
    pusher.handled++;
    /* amid a push: the frame is reserved, its version not given yet */
    pusher.amid += depth > 0 && depth <= HL_DEPTH &&
                   !hl_version_is_live(hl_get(&pusher.record->frames[depth - 1].version));
    push_in_handler(3);
    if (may_jump && pusher.handled % 2)
        leave_by_jump();
    errno = saved;
}

/* Made before: the frame has to be written again while a reader is at it. */
static char labels[LABELS][HL_LABEL_BYTES];

static void make_labels(void)
{
    for (int i = 0; i < LABELS; i++)
        write_label(labels[i], next_random(&pusher.random));
}

static __attribute__((noinline)) void nest(uint32_t levels)
{
    const char *label = labels[pusher.pushes++ % LABELS];
    uint32_t before = depth_now();
    if (levels % 3 == 0) {
        scope_push(label);
        if (levels > 0)
            nest(levels - 1);
        scope_pop();
    } else {
        SCOPE(label);
        nest(levels - 1);
    }
    check_depth(before, "after a pop");
}

static __attribute__((noinline)) void push_often(void)
{
    for (int i = 0; i < BATCH; i++)
        nest((uint32_t)(next_random(&pusher.random) >> 40) % 6);
}

/* What a jump leaves behind is gone at the end of the block around it. */
static __attribute__((noinline)) void push_and_be_thrown_out(void)
{
    char label[HL_LABEL_BYTES];
    write_label(label, next_random(&pusher.random));
    SCOPE(label);
    pusher.pushes++;
    if (sigsetjmp(pusher.out, 1) == 0) {
        may_jump = 1;
        push_often();
    }
    may_jump = 0;
}

static timer_t start_timer(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    struct itimerspec period = {{0, TICK_NS}, {0, TICK_NS}};
    timer_t timer;
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
        timer_settime(timer, 0, &period, NULL) != 0)
        harm_broken("no timer: %s", strerror(errno));
    return timer;
}

static void *push_amid_signals(void *count)
{
    uint64_t half = *(uint64_t *)count / 2;
    SCOPE("0000000000000000");
    pusher.record = hl_registry_self();
    pusher.is_ready = true;
    timer_t timer = start_timer();
    while (pusher.pushes < half || pusher.handled < ENOUGH_SIGNALS || seen.scopes < ENOUGH_READS) {
        push_often();
        check_depth(1, "after all pops");
    }
    while (pusher.pushes < 2 * half || pusher.jumped < ENOUGH_JUMPS) {
        push_and_be_thrown_out();
        has_jumped = 0;
        check_depth(1, "after the block around a jump");
    }
    timer_delete(timer);
    pusher.is_over = true;
    return NULL;
}

/* ---- the reader ------------------------------------------------------------------------ */

static void read_stack(void)
{
    static struct hl_stack stack;
    struct hl_record *record = pusher.record;
    if (!hl_snapshot(record, record->index, &stack))
        return;
    seen.scopes += stack.count;
    for (uint32_t i = 1; i < stack.count; i++)
        if (!label_is_whole(stack.scopes[i].label)) {
            seen.torn++;
            harm_wrong("torn: '%s'", stack.scopes[i].label);
        }
}

static void handle_with(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, NULL) != 0)
        harm_broken("sigaction(%d): %s", number, strerror(errno));
}

static void push_in_a_storm(void)
{
    uint64_t count = harm_count(10000000, 400000);
    pthread_t thread;
    struct hl_losses losses;
    make_labels();
    handle_with(SIGRTMIN, handle);
    if (pthread_create(&thread, NULL, push_amid_signals, &count) != 0)
        harm_broken("no thread");
    while (!pusher.is_ready)
        sched_yield();
    while (!pusher.is_over)
        read_stack();
    pthread_join(thread, NULL);
    hl_registry_losses(&losses);
    if (losses.unbalanced || losses.overflow || losses.vanished)
        harm_wrong("unbalanced %llu, overflow %llu, vanished %llu",
                   (unsigned long long)losses.unbalanced, (unsigned long long)losses.overflow,
                   (unsigned long long)losses.vanished);
    if (losses.repaired < pusher.jumped)
        harm_wrong("%llu jumps, but only %llu scopes repaired", (unsigned long long)pusher.jumped,
                   (unsigned long long)losses.repaired);
}

/* ---- signals at the process -------------------------------------------------------------- */

#define OPEN_THREADS 2
#define KNOWN_THREADS (OPEN_THREADS + 2) /* with the first and the one that starts the monitor */

static struct {
    _Atomic uint64_t sent, handled, foreign, waited;
    _Atomic int tids[KNOWN_THREADS];
    _Atomic bool is_closed, is_over;
    _Atomic int closed; /* threads that are */
} storm;

static void note_thread(int number, siginfo_t *info, void *context)
{
    int self = (int)syscall(SYS_gettid);
    bool is_ours = false;
    (void)number, (void)info, (void)context;
    for (int i = 0; i < KNOWN_THREADS; i++)
        is_ours |= storm.tids[i] == self;
    storm.handled++;
    storm.foreign += !is_ours;
}

/* All that may be handled, and that the C library does not keep to itself. */
static bool is_for_handlers(int number)
{
    sigset_t all;
    sigfillset(&all);
    return number != SIGKILL && number != SIGSTOP && sigismember(&all, number) == 1;
}

static void close_to_all(bool is_closed)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(is_closed ? SIG_BLOCK : SIG_UNBLOCK, &all, NULL);
}

static void *be_open(void *number)
{
    bool was_closed = true;
    storm.tids[(uintptr_t)number] = (int)syscall(SYS_gettid);
    while (!storm.is_over) {
        bool is_closed = storm.is_closed;
        if (is_closed != was_closed) {
            close_to_all(is_closed);
            storm.closed += is_closed ? 1 : -1;
            was_closed = is_closed;
        }
        SCOPE("open");
        sched_yield();
    }
    close_to_all(true);
    return NULL;
}

static void close_threads(bool is_closed)
{
    storm.is_closed = is_closed;
    while (storm.closed != (is_closed ? OPEN_THREADS : 0))
        sched_yield();
}

static void send_random(uint64_t count, uint64_t *random)
{
    for (uint64_t sent = 0; sent < count;) {
        int number = 1 + (int)(next_random(random) >> 20) % SIGRTMAX;
        if (!is_for_handlers(number))
            continue;
        if (kill(getpid(), number) != 0)
            harm_broken("kill(%d): %s", number, strerror(errno));
        sent++;
    }
    storm.sent += count;
}

/* One after the other: who has not got the last is not sent the next. */
static void *wait_for_signals(void *count)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    sigaddset(&wanted, SIGUSR2);
    for (uint64_t i = 0; i < *(uint64_t *)count; i++) {
        int number = 0;
        if (sigwait(&wanted, &number) != 0 || number != (i % 2 ? SIGUSR1 : SIGUSR2))
            harm_wrong("sigwait gave %d", number);
        storm.waited++;
    }
    return NULL;
}

static void serve_sigwait(uint64_t count)
{
    pthread_t thread;
    close_threads(true);
    if (pthread_create(&thread, NULL, wait_for_signals, &count) != 0)
        harm_broken("no thread");
    uint64_t until = harm_now_ns() + 300000000000u;
    for (uint64_t i = 0; i < count; i++) {
        kill(getpid(), i % 2 ? SIGUSR1 : SIGUSR2);
        while (storm.waited <= i) {
            if (harm_now_ns() > until) {
                harm_wrong("sigwait got %llu of %llu signals", (unsigned long long)storm.waited,
                           (unsigned long long)count);
                exit(1); /* it waits for ever */
            }
            sched_yield();
        }
    }
    pthread_join(thread, NULL);
}

static _Atomic int monitor_tid;
static _Atomic uint64_t beats;

static void note_line(void *nothing, enum monitor_level level, const char *line, size_t length)
{
    (void)nothing, (void)level, (void)length;
    monitor_tid = (int)syscall(SYS_gettid);
    beats += strstr(line, " beat ") || strncmp(line, "beat ", 5) == 0;
}

/* On a thread that is open to all signals, as most programs' are. */
static void *start_monitor(void *nothing)
{
    monitor_options options;
    storm.tids[OPEN_THREADS + 1] = (int)syscall(SYS_gettid);
    close_to_all(false);
    monitor_options_default(&options);
    options.interval_ms = 10;
    options.stall_ms = 10;
    options.sink = note_line;
    int error = monitor_start_with(&options);
    if (error)
        harm_broken("no monitor: %s", strerror(-error));
    return nothing;
}

/* What its status says that it blocks. */
static uint64_t blocked_by(int tid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
    char *text = harm_read(path, NULL);
    const char *line = text ? strstr(text, "\nSigBlk:") : NULL;
    if (!line)
        harm_broken("%s has no SigBlk", path);
    uint64_t blocked = strtoull(line + strlen("\nSigBlk:"), NULL, 16);
    free(text);
    return blocked;
}

static void check_mask(void)
{
    uint64_t blocked = blocked_by(monitor_tid);
    for (int number = 1; number <= SIGRTMAX; number++)
        if (is_for_handlers(number) && !(blocked >> (number - 1) & 1))
            harm_wrong("the monitor's thread does not block signal %d: %016llx", number,
                       (unsigned long long)blocked);
}

/* The first start has two more threads for a moment, so the storm begins before. */
static void send_all(uint64_t count)
{
    uint64_t random = 0xfedcba98;
    uint64_t batch = count / 20;
    pthread_t starter;
    for (int i = 0; i < 20; i++) {
        close_threads(i % 2 == 1);
        if (i == 1 && pthread_create(&starter, NULL, start_monitor, NULL) != 0)
            harm_broken("no thread");
        send_random(batch, &random);
        if (i == 1)
            pthread_join(starter, NULL);
        uint64_t before = beats;
        for (int wait = 0; i > 1 && wait < 5000 && beats == before; wait++)
            harm_sleep_ms(1); /* it had time to take one */
    }
    close_threads(false);
}

static void storm_the_process(void)
{
    pthread_t threads[OPEN_THREADS];
    storm.tids[OPEN_THREADS] = getpid();
    storm.is_closed = true;
    storm.closed = OPEN_THREADS;
    close_to_all(true);
    for (int number = 1; number <= SIGRTMAX; number++)
        if (is_for_handlers(number))
            handle_with(number, note_thread);
    for (uintptr_t i = 0; i < OPEN_THREADS; i++)
        if (pthread_create(&threads[i], NULL, be_open, (void *)i) != 0)
            harm_broken("no thread");
    send_all(harm_count(100000, 20000));
    check_mask();
    for (int wait = 0; wait < 60000 && storm.handled == 0; wait++)
        harm_sleep_ms(1);
    serve_sigwait(harm_count(10000, 1000));
    storm.is_over = true;
    for (int i = 0; i < OPEN_THREADS; i++)
        pthread_join(threads[i], NULL);
    monitor_stop();
    if (storm.foreign)
        harm_wrong("%llu signals ran on a thread of ours", (unsigned long long)storm.foreign);
    if (storm.handled < 1000 || beats == 0)
        harm_wrong("too little happened: %llu handled, %llu heartbeats",
                   (unsigned long long)storm.handled, (unsigned long long)beats);
}

static void signals(void)
{
    push_in_a_storm();
    storm_the_process();
    harm_figure("%llu pushes, %llu signals amid them (%llu amid a push or pop), %llu left by "
                "siglongjmp: %llu torn of %llu scopes read, depth wrong %llu times; %llu random "
                "signals, %llu handled, %llu on our thread; sigwait got %llu",
                (unsigned long long)pusher.pushes, (unsigned long long)pusher.handled,
                (unsigned long long)pusher.amid, (unsigned long long)pusher.jumped,
                (unsigned long long)seen.torn, (unsigned long long)seen.scopes,
                (unsigned long long)pusher.depth_wrong, (unsigned long long)storm.sent,
                (unsigned long long)storm.handled, (unsigned long long)storm.foreign,
                (unsigned long long)storm.waited);
}

int main(int argc, char **argv)
{
    static const struct harm_check checks[] = {{"all", signals}, {NULL, NULL}};
    return harm_main(argc, argv, checks);
}
