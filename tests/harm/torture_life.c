/* tests/harm/torture_life.c - a life: everything that the library does, with one call that fails.
 *
 * Threads open scopes, wait for a lock, a socket and events until they are reported
 * as stuck, and go on; one leaves its scopes by longjmp. Samples, stacks and
 * heartbeats are asked for, a child is forked and starts a monitor of its own, the
 * log is a file, then a pipe, then a socket. Nothing is timed: what is waited for is
 * a line of the log, and how long is counted in the monitor's own heartbeats.
 *
 * In the end everything must have been given back, and the log must be whole.
 */
#define _GNU_SOURCE
#include "harm.h"
#include "torture.h"

#include <heartline/metrics.h>
#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STALL_MS 20
#define BEATS 60        /* after so many more, a line that has not come does not come */
#define LOOKS 10000     /* at a log that nothing is written to any more */
#define LOOKS_LOST 150  /* where the log itself is what fails */
#define POOL_MAPPINGS 2 /* of the records, which are never unmapped */
#define CHILD_MS 30000

static bool is_wrong;

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void wrong(const char *format, ...)
{
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    dprintf(STDOUT_FILENO, "wrong: %s\n", text);
    is_wrong = true;
}

/* ---- what is known of the plan ------------------------------------------------------ */

static bool fails(enum torture_call call)
{
    return torture_plan()->call == call;
}

static bool nothing_failed(void)
{
    return torture_tally()->failures == 0;
}

/* Lines can be lost, and whatever says so with them. */
static bool log_may_fail(void)
{
    return fails(CALL_write) || fails(CALL_send) || fails(CALL_pwritev2) || fails(CALL_fstat) ||
           fails(CALL_open) || fails(CALL_openat) || fails(CALL_fcntl);
}

/* ---- the log ---------------------------------------------------------------------------- */

/* Where the host cannot be told it is unknown. */
static const char *log_name(void)
{
    static char name[512];
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, "log.%d.%s", getpid(), host);
    if (access(name, F_OK) != 0)
        snprintf(name, sizeof name, "log.%d.unknown", getpid());
    return name;
}

/* Some line has both. */
static bool has_line(const char *text, const char *first, const char *second)
{
    for (const char *at = strstr(text, first); at; at = strstr(at + 1, first)) {
        const char *end = strchr(at, '\n'), *found = strstr(at, second);
        if (end && found && found < end)
            return true;
    }
    return false;
}

#define RECORD(word) "\"record\":\"" word "\""

/* Waits for a line; false: the monitor lives on and does not write it. */
static bool await(const char *first, const char *second)
{
    bool is_lost = log_may_fail() && !nothing_failed();
    if (monitor_beat() == -ESRCH)
        return false; /* a child's could not be started */
    size_t beats = SIZE_MAX;
    for (int look = 0; look < (is_lost ? LOOKS_LOST : LOOKS); look++) {
        char *text = harm_read(log_name(), NULL);
        size_t now = text ? harm_lines_with(text, RECORD("beat")) : 0;
        bool is_there = text && has_line(text, first, second);
        free(text);
        beats = beats == SIZE_MAX ? now : beats;
        if (is_there)
            return true;
        if (now > beats + BEATS)
            return false;
        is_lost = log_may_fail() && !nothing_failed();
        harm_sleep_ms(2);
    }
    return false;
}

static void tell_line(const char *what, const char *line)
{
    wrong("%s: %.400s", what, line);
}

/* ---- start and stop ----------------------------------------------------------------------- */

static bool is_monitored; /* so we were told */

static bool is_error_of_start(int result)
{
    const struct torture_plan *plan = torture_plan();
    return result == -plan->way || result == -ENOMEM || result == -EBADF || result == -EMFILE ||
           result == -ENOENT || result == -EBUSY;
}

static int start_once(const monitor_options *options)
{
    errno = 4711;
    int result = monitor_start_with(options);
    if (errno != 4711)
        wrong("monitor_start changed errno to %d", errno);
    if (result != 0 && nothing_failed())
        wrong("nothing failed, but monitor_start gave %d", result);
    if (result != 0 && !is_error_of_start(result))
        wrong("monitor_start gave %d, of all errors", result);
    return result;
}

/* What failed once does not fail again. */
static void start(const monitor_options *options)
{
    int result = start_once(options);
    if (result != 0)
        result = start_once(options);
    if (result != 0 && !torture_plan()->is_lasting)
        wrong("the second start gave %d", result);
    is_monitored = result == 0;
}

static void stop(void)
{
    int result = monitor_stop();
    bool is_never_joined = fails(CALL_pthread_tryjoin_np) && torture_plan()->is_lasting;
    for (int tries = 0; result == -ETIMEDOUT && !is_never_joined && tries < LOOKS; tries++) {
        harm_sleep_ms(1); /* on a slow machine 250 ms are not enough */
        result = monitor_stop();
    }
    if (result != 0 && !(is_never_joined && result == -ETIMEDOUT))
        wrong("monitor_stop gave %d", result);
    is_monitored = false;
}

static monitor_options options_of(const char *path)
{
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = 10;
    options.stall_ms = STALL_MS;
    options.stall_lines = 10000;
    options.clock = MONITOR_CLOCK_PRECISE;
    options.format = MONITOR_JSON;
    options.fork = MONITOR_FORK_RESTART;
    options.beat_signal = SIGUSR1;
    options.log_path = path;
    options.tag = "torture";
    return options;
}

/* ---- threads ---------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t held;
    sem_t ready, end, leave;
    int socket[2]; /* the one that is read, and its peer */
    int events[2]; /* a pipe */
    uint64_t holder_tid;
} stage = {.held = PTHREAD_MUTEX_INITIALIZER};

static void hold(void)
{
    SCOPE("hold the lock");
    stage.holder_tid = (uint64_t)syscall(SYS_gettid);
    pthread_mutex_lock(&stage.held);
    sem_post(&stage.ready);
    {
        SCOPE_WAIT("until told");
        while (sem_wait(&stage.end) != 0)
            continue;
    }
    pthread_mutex_unlock(&stage.held);
}

static void wait_for_lock(void)
{
    SCOPE_PROGRESS(done, "wait for the lock", 10);
    scope_progress_add(done, 1);
    scope_expect(STALL_MS);
    pthread_mutex_lock(&stage.held);
    pthread_mutex_unlock(&stage.held);
}

static void wait_for_bytes(void)
{
    char byte;
    SCOPE("wait for bytes");
    while (recv(stage.socket[0], &byte, 1, 0) < 0 && errno == EINTR)
        continue;
}

static void wait_for_events(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(EPOLL_CLOEXEC);
    SCOPE("wait for events");
    if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, stage.events[0], &event) != 0)
        wrong("no epoll: %s", strerror(errno));
    else
        while (epoll_wait(set, &event, 1, -1) < 0 && errno == EINTR)
            continue;
    close(set);
}

static _Thread_local jmp_buf back;

static __attribute__((noinline)) void leave_by_jump(void)
{
    SCOPE("left by longjmp");
    longjmp(back, 1);
}

/* The depth is the outer one's again, after the next push at the latest. */
static void jump(void)
{
    SCOPE("before the jump");
    if (setjmp(back) == 0)
        leave_by_jump();
    SCOPE("after the jump");
}

/* They stay until the monitor has stopped: about a thread that has gone nothing is known,
 * and the log gives no reason for that. */
static void *play(void *part)
{
    void (*const *function)(void) = part;
    (*function)();
    while (sem_wait(&stage.leave) != 0)
        continue;
    return NULL;
}

static void (*const parts[])(void) = {hold, wait_for_lock, wait_for_bytes, wait_for_events, jump};
enum { PARTS = sizeof parts / sizeof parts[0] };
static pthread_t threads[PARTS];

static void run(int part)
{
    int error = pthread_create(&threads[part], NULL, play, (void *)(uintptr_t)&parts[part]);
    if (error)
        harm_broken("no thread: %s", strerror(error));
}

/* A connection to ourselves, with addresses; where there is no network, without. */
static void connect_socket(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *address = (struct sockaddr *)&here;
    socklen_t size = sizeof here;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    stage.socket[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_connected = listener >= 0 && stage.socket[1] >= 0 &&
                        bind(listener, address, size) == 0 && listen(listener, 1) == 0 &&
                        getsockname(listener, address, &size) == 0 &&
                        connect(stage.socket[1], address, size) == 0;
    stage.socket[0] = is_connected ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
    close(listener);
    if (stage.socket[0] >= 0)
        return;
    close(stage.socket[1]);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stage.socket) != 0)
        harm_broken("no sockets: %s", strerror(errno));
}

static void begin_waiting(void)
{
    connect_socket();
    if (pipe2(stage.events, O_CLOEXEC) != 0 || sem_init(&stage.ready, 0, 0) != 0 ||
        sem_init(&stage.end, 0, 0) != 0 || sem_init(&stage.leave, 0, 0) != 0)
        harm_broken("no pipe: %s", strerror(errno));
    run(0);
    while (sem_wait(&stage.ready) != 0)
        continue;
    for (int i = 1; i < PARTS; i++)
        run(i);
}

static void end_waiting(void)
{
    sem_post(&stage.end);
    if (write(stage.socket[1], "", 1) != 1 || write(stage.events[1], "", 1) != 1)
        wrong("nobody could be told to go on: %s", strerror(errno));
}

static void join_threads(void)
{
    for (int i = 0; i < PARTS; i++)
        sem_post(&stage.leave);
    for (int i = 0; i < PARTS; i++)
        pthread_join(threads[i], NULL);
    close(stage.socket[0]);
    close(stage.socket[1]);
    close(stage.events[0]);
    close(stage.events[1]);
}

/* ---- what can be asked -------------------------------------------------------------------------- */

static void check_metrics(const monitor_metrics *metrics)
{
    bool is_sane =
        (!metrics->rss_known || metrics->rss_bytes > 0) &&
        (!metrics->vm_size_known || metrics->vm_size_bytes > 0) &&
        (!metrics->uptime_known || (metrics->uptime_s >= 0 && metrics->uptime_s < 600)) &&
        (!metrics->cpu_known || (metrics->cpu_percent >= 0 && metrics->cpu_percent < 1e5)) &&
        (!metrics->threads_known || metrics->thread_count >= 1 || !nothing_failed());
    if (!is_sane)
        wrong("an impossible sample");
    if (nothing_failed() && !(metrics->cpu_known && metrics->rss_known && metrics->vm_size_known &&
                              metrics->uptime_known && metrics->threads_known))
        wrong("nothing failed, but the sample is incomplete");
    for (size_t i = 0; i < metrics->thread_count; i++)
        if (metrics->threads[i].tid == 0)
            wrong("a thread without a number");
}

static void sample(void)
{
    monitor_metrics metrics;
    char text[16384];
    int result = monitor_sample(1, &metrics);
    if (result != 0 && !(result == -ENOMEM && !nothing_failed()))
        wrong("monitor_sample gave %d", result);
    if (result == 0) {
        check_metrics(&metrics);
        monitor_metrics_json(&metrics, text, sizeof text);
    }
    monitor_metrics_release(&metrics);
}

static void ask_all(void)
{
    uintptr_t frames[8];
    sample();
    int result = monitor_stack(stage.holder_tid, frames, 8);
    if (result != -ENOTSUP && result != -ESRCH && result != -EAGAIN && nothing_failed())
        wrong("monitor_stack gave %d", result);
    result = monitor_beat();
    if (result != (is_monitored ? 0 : -ESRCH))
        wrong("monitor_beat gave %d", result);
    if (fails(CALL_sigaction) && !nothing_failed())
        return; /* then the signal is not taken, and would kill us */
    if (is_monitored)
        raise(SIGUSR1);
}

/* ---- the child ---------------------------------------------------------------------------------- */

/* The waiters are not here. */
static int live_as_child(void)
{
    is_wrong = false;
    SCOPE("in the child");
    await(RECORD("beat"), "in the child");
    sample();
    stop();
    char *text = harm_read(log_name(), NULL);
    struct torture_log log;
    if (text)
        torture_read_log(text, &log, tell_line);
    else if (nothing_failed())
        wrong("the child has no log");
    free(text);
    unlink(log_name());
    return is_wrong;
}

static void fork_amid(void)
{
    SCOPE("fork");
    pid_t child = fork();
    if (child == 0)
        _exit(live_as_child());
    if (child < 0)
        harm_broken("no child: %s", strerror(errno));
    int status = harm_wait(child, CHILD_MS);
    if (status != 0)
        wrong("the child ended with %d", status);
}

/* ---- the log of the first part -------------------------------------------------------------------- */

static void check_log(bool was_monitored)
{
    struct torture_log log = {0};
    char *text = harm_read(log_name(), NULL);
    bool may_be_lost = log_may_fail() && !nothing_failed();
    if (text)
        torture_read_log(text, &log, tell_line);
    if (was_monitored && !may_be_lost) {
        if (log.starts < 1 || log.stops < 1 || log.beats < 1)
            wrong("%u start lines, %u beats, %u stop lines", log.starts, log.beats, log.stops);
        if ((log.stalls < 1 || log.recoveries < 1) && !log.lacks_memory)
            wrong("%u STALL, %u RECOVERED", log.stalls, log.recoveries);
    }
    free(text);
    unlink(log_name());
}

static void live_with_file(void)
{
    monitor_options options = options_of("log.%p.%h");
    start(&options);
    bool was_monitored = is_monitored;
    SCOPE("a life");
    begin_waiting();
    if (is_monitored && !await(RECORD("STALL"), "wait for the lock") && nothing_failed())
        wrong("no STALL of the lock");
    if (is_monitored && !await(RECORD("STALL"), "wait for bytes") && nothing_failed())
        wrong("no STALL of the socket");
    if (is_monitored && !await(RECORD("STALL"), "wait for events") && nothing_failed())
        wrong("no STALL of the events");
    jump();
    ask_all();
    fork_amid();
    end_waiting();
    if (is_monitored && !await(RECORD("RECOVERED"), "wait for the lock") && nothing_failed())
        wrong("no RECOVERED");
    stop();
    join_threads();
    check_log(was_monitored);
}

/* ---- a pipe and a socket in place of standard error -------------------------------------------------- */

static void live_with(const int ends[2])
{
    static char text[1 << 16];
    monitor_options options = options_of(NULL);
    int error = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    options.stall_ms = 0;
    start(&options);
    bool was_monitored = is_monitored;
    stop();
    dup2(error, STDERR_FILENO);
    close(error);
    close(ends[1]);
    /* Where fstat fails for good, the library's end stays open, and nothing may have come. */
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    ssize_t size = read(ends[0], text, sizeof text - 1);
    text[size > 0 ? size : 0] = '\0';
    close(ends[0]);
    if (log_may_fail()) /* byte by byte a socket is soon full; a rest is counted as lost */
        text[strrchr(text, '\n') ? strrchr(text, '\n') + 1 - text : 0] = '\0';
    struct torture_log log = {0};
    torture_read_log(text, &log, tell_line);
    bool may_be_lost = log_may_fail() && !nothing_failed();
    if (was_monitored && !may_be_lost && (log.starts != 1 || log.stops != 1))
        wrong("on standard error: %u start lines, %u stop lines", log.starts, log.stops);
}

static void live_with_pipe(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        harm_broken("no pipe: %s", strerror(errno));
    live_with(ends);
}

static void live_with_socket(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        harm_broken("no sockets: %s", strerror(errno));
    live_with(ends);
}

/* ---- what must be given back --------------------------------------------------------------------------- */

/* Detached threads of the library end by themselves. */
static void await_threads(size_t before)
{
    size_t now = harm_entries("/proc/self/task");
    for (int look = 0; look < LOOKS && now > before; look++) {
        harm_sleep_ms(1);
        now = harm_entries("/proc/self/task");
    }
    if (now > before)
        wrong("%zu threads instead of %zu: not given back", now, before);
}

static void check_leaks(size_t threads_before, size_t files_before)
{
    bool is_left_behind = fails(CALL_pthread_tryjoin_np) && torture_plan()->is_lasting;
    await_threads(threads_before);
    size_t files = harm_entries("/proc/self/fd");
    /* What cannot be asked whether it is ours is not closed: it may be the application's. */
    size_t unsure = fails(CALL_fstat) ? torture_tally()->failures : 0;
    if (is_left_behind)
        return;
    if (files > files_before + unsure)
        wrong("%zu descriptors instead of %zu: not given back", files, files_before);
    if (torture_debt.blocks != 0)
        wrong("%d blocks of memory were not given back", (int)torture_debt.blocks);
    if (torture_debt.mappings > POOL_MAPPINGS)
        wrong("%d mappings were not given back", (int)torture_debt.mappings);
}

int torture_live(void)
{
    size_t threads_before = harm_entries("/proc/self/task");
    size_t files_before = harm_entries("/proc/self/fd");
    live_with_file();
    live_with_pipe();
    live_with_socket();
    check_leaks(threads_before, files_before);
    return is_wrong;
}
