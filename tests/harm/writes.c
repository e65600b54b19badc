/* Writing to a log that does not take it, has been taken away, or takes it in pieces:
 * checks 5, 6 and 7. What must hold each time: nobody waits, nobody dies, no byte goes
 * anywhere else, no line is torn, and each line that is lost is counted. How the last
 * two are judged is in written.h.
 *
 * The log is most often named as a descriptor, /dev/fd/N, which is written to as
 * standard error is and leaves 2 to what the check itself has to say.
 */
#define _GNU_SOURCE
#include "chaos.h"
#include "harm.h"
#include "written.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pty.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 600000 /* with what takes some seconds, on a machine that has no time */

static int start_at(const char *path)
{
    monitor_options options;
    crowd_options(&options);
    options.log_path = path;
    return monitor_start_with(&options);
}

static void must_start_at(const char *path)
{
    int error = start_at(path);
    if (error)
        harm_broken("the monitor does not start on %s: %s", path ? path : "standard error",
                    strerror(-error));
}

static void must_start_on(int descriptor)
{
    char path[32];
    snprintf(path, sizeof path, "/dev/fd/%d", descriptor);
    must_start_at(path);
}

/* On a machine that has no time for the monitor's thread, a stop that gives up in time is
 * right, and can be asked for again. */
static int stop_patiently(void)
{
    uint64_t until = harm_now_ns() + PATIENCE_MS * UINT64_C(1000000);
    int error;
    while ((error = monitor_stop()) == -ETIMEDOUT && harm_now_ns() < until)
        harm_sleep_ms(5);
    return error;
}

static void must_stop(const char *what)
{
    int error = stop_patiently();
    if (error)
        harm_wrong("%s: stop says %s", what, strerror(-error));
}

static int must_open(const char *path, int flags)
{
    int descriptor = open(path, flags | O_CLOEXEC, 0600);
    if (descriptor < 0)
        harm_broken("%s: %s", path, strerror(errno));
    return descriptor;
}

/* In a child; `body` says what is wrong, and the child's end says whether. */
static pid_t begin_child(void (*body)(const void *), const void *argument)
{
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        harm_broken("fork: %s", strerror(errno));
    if (child > 0)
        return child;
    unsigned before = harm_wrongs();
    body(argument);
    _exit(harm_wrongs() > before);
}

static bool end_child(pid_t child, const char *what)
{
    int status = harm_wait(child, PATIENCE_MS);
    if (status == HARM_HUNG)
        harm_wrong("%s: hangs", what);
    else if (status < 0)
        harm_wrong("%s: killed by signal %d", what, -status);
    else if (status > 1)
        harm_wrong("%s: ended with %d", what, status);
    else if (status == 1)
        harm_wrong("%s: as said above", what);
    return status == 0;
}

/* ---- logs that can be read while they are written -------------------------------- */

struct channel {
    int log, reader; /* what the monitor writes to, and where it comes out, without waiting */
    char *text;
    size_t size, room;
};

static void set_nonblocking(int descriptor)
{
    if (fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) != 0)
        harm_broken("O_NONBLOCK: %s", strerror(errno));
}

static struct channel open_pipe(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        harm_broken("no pipe: %s", strerror(errno));
    set_nonblocking(ends[0]);
    return (struct channel){.log = ends[1], .reader = ends[0]};
}

/* For the library it is as one of another user. */
static struct channel open_refused_pipe(void)
{
    chaos_refuse_reopening(true);
    return open_pipe();
}

static struct channel open_socket(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        harm_broken("no socket: %s", strerror(errno));
    set_nonblocking(ends[0]);
    return (struct channel){.log = ends[1], .reader = ends[0]};
}

static struct channel open_terminal(void)
{
    struct termios raw;
    int master, slave;
    if (openpty(&master, &slave, NULL, NULL, NULL) != 0)
        harm_broken("no terminal: %s", strerror(errno));
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    set_nonblocking(master);
    return (struct channel){.log = slave, .reader = master};
}

static struct channel open_file(const char *name)
{
    const char *path = harm_path(name);
    int log = must_open(path, O_WRONLY | O_CREAT | O_APPEND);
    return (struct channel){.log = log, .reader = must_open(path, O_RDONLY)};
}

static void close_channel(struct channel *channel)
{
    close(channel->log);
    close(channel->reader);
    chaos_refuse_reopening(false);
    free(channel->text);
}

static void grow(struct channel *channel)
{
    if (channel->size + 1 < channel->room) /* for a terminator */
        return;
    channel->room = channel->room ? 2 * channel->room : 1 << 20;
    channel->text = realloc(channel->text, channel->room);
    if (!channel->text)
        harm_broken("no memory");
}

/* What is there now. */
static void drain(struct channel *channel)
{
    for (ssize_t got = 1; got > 0;) {
        grow(channel);
        got =
            read(channel->reader, channel->text + channel->size, channel->room - channel->size - 1);
        channel->size += got > 0 ? (size_t)got : 0;
    }
}

static size_t count_beats(const char *text)
{
    return harm_lines_with(text, "\"record\":\"beat\"");
}

/* So many more heartbeats that came through. */
static void await_beats_through(struct channel *channel, size_t beats)
{
    size_t from = channel->size, seen = 0;
    for (uint64_t until = harm_now_ns() + PATIENCE_MS * UINT64_C(1000000); seen < beats;) {
        harm_sleep_ms(1);
        drain(channel);
        channel->text[channel->size] = '\0';
        seen = count_beats(channel->text + from);
        if (harm_now_ns() > until)
            harm_broken("only %zu heartbeats came through", seen);
    }
}

static struct written read_channel(struct channel *channel)
{
    struct written written = {0};
    drain(channel);
    written_add(&written, channel->text, channel->size, 0);
    return written;
}

/* ---- check 5: a log that blocks ---------------------------------------------------- */

#define PIPE_SIZE (1 << 18) /* has room for all that an idle window brings */
#define WINDOW_BEATS 60
#define WINDOW_NS (WINDOW_BEATS * UINT64_C(10000000))
#define CHUNK_NS UINT64_C(50000000)
#define SLOWEST_NS 65536
#define MOST_WINDOWS 100

/* Lines of the check's own, until nothing is taken any more. */
static void fill(const struct channel *channel)
{
    static char lines[4096];
    char name[32];
    memset(lines, WRITTEN_FILLER, sizeof lines - 1);
    lines[sizeof lines - 1] = '\n';
    snprintf(name, sizeof name, "/proc/self/fd/%d", channel->log);
    bool was_refused = chaos_refuse_reopening(false);
    int own = must_open(name, O_WRONLY | O_NONBLOCK);
    chaos_refuse_reopening(was_refused);
    while (write(own, lines, sizeof lines) == (ssize_t)sizeof lines)
        continue;
    close(own);
}

static void fill_socket(const struct channel *channel)
{
    static const char line[] = {WRITTEN_FILLER, '\n'};
    while (send(channel->log, line, sizeof line, MSG_DONTWAIT) == sizeof line)
        continue;
}

static void stop_terminal(const struct channel *channel)
{
    if (tcflow(channel->log, TCOOFF) != 0)
        harm_broken("tcflow: %s", strerror(errno));
}

static void go_on_with_terminal(const struct channel *channel)
{
    if (tcflow(channel->log, TCOON) != 0)
        harm_broken("tcflow: %s", strerror(errno));
}

static uint64_t waits_of_this_thread(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (uint64_t)usage.ru_nvcsw;
}

struct latency {
    uint32_t counts[SLOWEST_NS + 1];
    uint64_t count;
    uint64_t waits; /* how often the thread gave up its core by itself */
};

/* A pair lasts from the reading of the clock before it to the next: no delay falls between. */
static void push_and_pop(struct latency *latency, const char *label, uint64_t for_ns)
{
    uint64_t waits = waits_of_this_thread();
    uint64_t before = harm_now_ns(), until = before + for_ns;
    while (before < until) {
        scope_push(label);
        scope_pop();
        uint64_t now = harm_now_ns();
        latency->counts[now - before < SLOWEST_NS ? now - before : SLOWEST_NS]++;
        latency->count++;
        before = now;
    }
    latency->waits += waits_of_this_thread() - waits;
}

static unsigned percentile_ns(const struct latency *latency, unsigned per_mille)
{
    uint64_t seen = 0;
    unsigned ns = 0;
    while ((seen += latency->counts[ns]) * 1000 < latency->count * per_mille)
        ns++;
    return ns;
}

static struct latency *push_for_a_window(const char *label)
{
    static struct latency latency;
    memset(&latency, 0, sizeof latency);
    uint64_t turns = monitor_turns(), began = harm_now_ns(), passed;
    do {
        push_and_pop(&latency, label, CHUNK_NS);
        passed = harm_now_ns() - began;
    } while (passed < WINDOW_NS ||
             (monitor_turns() - turns < WINDOW_BEATS && passed < 100 * WINDOW_NS));
    if (passed >= 100 * WINDOW_NS)
        harm_broken("the monitor does not go on");
    return &latency;
}

struct windows {
    double idle_ns[MOST_WINDOWS], blocked_ns[MOST_WINDOWS], ratio; /* p99.9 of each */
    size_t count;
    uint64_t waits;
};

/* A machine with other things to do is given more windows, to a limit. */
static void push_in_windows(struct windows *windows, struct channel *channel, const char *label)
{
    size_t least = harm_count(20, 3), most = harm_count(MOST_WINDOWS, 30);
    do {
        drain(channel);
        struct latency *latency = push_for_a_window(label);
        windows->idle_ns[windows->count] = percentile_ns(latency, 999);
        fill(channel);
        latency = push_for_a_window(label);
        windows->blocked_ns[windows->count] = percentile_ns(latency, 999);
        windows->waits += latency->waits;
        windows->count++;
        windows->ratio = harm_median(windows->blocked_ns, windows->count) /
                         harm_median(windows->idle_ns, windows->count);
    } while (windows->count < least || (windows->ratio > 1.05 && windows->count < most));
    drain(channel);
}

static void judge_losses(const struct written *written, unsigned threads, const char *what)
{
    written_judge(written, threads, what);
    if (written->stop_dropped == 0)
        harm_wrong("%s: nothing was dropped, so nothing was shown", what);
    if (written->dropped != written->stop_dropped || written->loss_notes != written->lossy_beats)
        harm_wrong("%s: heartbeats say %" PRIu64 " dropped, the stop line %" PRIu64 "; %" PRIu64
                   " say so, and %" PRIu64 " notes",
                   what, written->dropped, written->stop_dropped, written->lossy_beats,
                   written->loss_notes);
}

/* The main thread is the crowd: it stays in a scope, and pushes and pops in it. */
static struct written push_beside_a_full_pipe(struct windows *windows)
{
    struct channel channel = open_pipe();
    char label[32];
    if (fcntl(channel.log, F_SETPIPE_SZ, PIPE_SIZE) < PIPE_SIZE)
        harm_broken("no larger pipe: %s", strerror(errno));
    snprintf(label, sizeof label, "%d work", (int)gettid());
    scope_push(label);
    must_start_on(channel.log);
    await_beats_through(&channel, 3);
    push_in_windows(windows, &channel, label);
    await_beats_through(&channel, 3);
    must_stop("pipe");
    scope_pop();
    struct written written = read_channel(&channel);
    judge_losses(&written, 1, "pipe");
    if (written.lossy_beats < windows->count)
        harm_wrong("it recovered %" PRIu64 " times of %zu", written.lossy_beats, windows->count);
    close_channel(&channel);
    return written;
}

/* ---- stopping ---- */

struct blocker {
    const char *name;
    struct channel (*open)(void);
    void (*block)(const struct channel *);
    void (*release)(const struct channel *);
};

static const struct blocker blockers[] = {
    {"full pipe", open_pipe, fill, NULL},
    {"full pipe of somebody else", open_refused_pipe, fill, NULL},
    {"full socket", open_socket, fill_socket, NULL},
    {"stopped terminal", open_terminal, stop_terminal, go_on_with_terminal},
};
#define BLOCKERS (sizeof blockers / sizeof *blockers)

/* What the machine does to somebody who naps as a stop does: the longest that one lasted. */
static _Atomic bool is_watching;
static _Atomic uint64_t longest_nap_ns;

static void *nap_again_and_again(void *nothing)
{
    while (is_watching) {
        uint64_t began = harm_now_ns();
        harm_sleep_ms(1);
        uint64_t took = harm_now_ns() - began;
        if (took > longest_nap_ns)
            longest_nap_ns = took;
    }
    return nothing;
}

static void watch_naps(pthread_t *napper)
{
    is_watching = true;
    longest_nap_ns = 0;
    if (pthread_create(napper, NULL, nap_again_and_again, NULL) != 0)
        harm_broken("no thread");
}

static double end_watch(pthread_t napper)
{
    is_watching = false;
    pthread_join(napper, NULL);
    return (double)longest_nap_ns / 1e6;
}

/* A stop that was late because nobody had a core is none to be judged: its time is
 * what it took beyond a nap and the milliseconds of its own. */
static void judge_stop(const char *what, double took_ms, double longest_nap_ms)
{
    if (took_ms > 250 + 10 + 10 * longest_nap_ms)
        harm_wrong("%s: stop took %.1f ms, and a nap %.1f", what, took_ms, longest_nap_ms);
}

static double time_stop(const char *what)
{
    pthread_t napper;
    watch_naps(&napper);
    uint64_t began = harm_now_ns();
    int error = monitor_stop();
    double took_ms = (double)(harm_now_ns() - began) / 1e6;
    judge_stop(what, took_ms, end_watch(napper));
    if (error)
        must_stop(what);
    return took_ms;
}

static double stop_beside_a_blocked(const struct blocker *blocker)
{
    struct channel channel = blocker->open();
    blocker->block(&channel);
    must_start_on(channel.log);
    crowd_await_turns(3);
    double took = time_stop(blocker->name);
    if (blocker->release)
        blocker->release(&channel);
    close_channel(&channel);
    return took;
}

static double stop_beside_an_idle(void)
{
    must_start_at("/dev/null");
    crowd_await_turns(3);
    return time_stop("idle");
}

/* Blocked, released, and blocked again: exact also where lines can be taken in part. */
static void count_losses_of(const struct blocker *blocker)
{
    struct channel channel = blocker->open();
    crowd_gather(3);
    must_start_on(channel.log);
    for (int i = 0; i < 3; i++) {
        await_beats_through(&channel, 3);
        blocker->block(&channel);
        crowd_await_turns(20);
        if (blocker->release)
            blocker->release(&channel);
        await_beats_through(&channel, 3);
    }
    must_stop(blocker->name);
    struct written written = read_channel(&channel);
    judge_losses(&written, 3, blocker->name);
    crowd_dismiss();
    close_channel(&channel);
}

struct stops {
    double blocked_ms[MOST_WINDOWS], worst_ms, idle_worst_ms;
    size_t count;
};

static void stop_again_and_again(struct stops *stops)
{
    size_t rounds = harm_count(30, 3);
    while (stops->count < rounds) {
        double idle = stop_beside_an_idle();
        double blocked = stop_beside_a_blocked(&blockers[stops->count % BLOCKERS]);
        stops->blocked_ms[stops->count++] = blocked;
        stops->worst_ms = blocked > stops->worst_ms ? blocked : stops->worst_ms;
        stops->idle_worst_ms = idle > stops->idle_worst_ms ? idle : stops->idle_worst_ms;
    }
    if (harm_median(stops->blocked_ms, rounds) > 250)
        harm_wrong("half of the stops took more than 250 ms");
}

/* ---- a callback that does not return ---- */

static _Atomic bool is_in_callback;
static int release_callback[2];

static void hang(void *data, enum monitor_level level, const char *line, size_t length)
{
    char byte;
    (void)data, (void)level, (void)line, (void)length;
    is_in_callback = true;
    while (read(release_callback[0], &byte, 1) < 0 && errno == EINTR)
        continue;
}

static void start_after_it_has_gone(void)
{
    uint64_t until = harm_now_ns() + UINT64_C(60000000000);
    int error;
    while ((error = start_at("/dev/null")) == -EBUSY && harm_now_ns() < until)
        harm_sleep_ms(1);
    if (error)
        harm_wrong("no start after the callback returned: %s", strerror(-error));
    must_stop("after the callback returned");
}

/* How long stop waited for it, in ms. */
static double stop_beside_a_hanging_callback(uint64_t *waits)
{
    static struct latency latency;
    monitor_options options;
    crowd_options(&options);
    options.sink = hang;
    if (pipe2(release_callback, O_CLOEXEC) != 0 || monitor_start_with(&options) != 0)
        harm_broken("no monitor with a callback");
    scope_push("outside");
    for (int i = 0; i < PATIENCE_MS && !is_in_callback; i++)
        harm_sleep_ms(1);
    push_and_pop(&latency, "beside a callback", WINDOW_NS);
    *waits += latency.waits;
    scope_pop();
    pthread_t napper;
    watch_naps(&napper);
    uint64_t began = harm_now_ns();
    int error = monitor_stop();
    double took_ms = (double)(harm_now_ns() - began) / 1e6;
    judge_stop("a callback that hangs", took_ms, end_watch(napper));
    if (error != -ETIMEDOUT)
        harm_wrong("stop beside a callback that hangs says %d", error);
    if (start_at("/dev/null") != -EBUSY)
        harm_wrong("a start while the callback hangs");
    close(release_callback[1]);
    start_after_it_has_gone();
    close(release_callback[0]);
    return took_ms;
}

static void blocked(void)
{
    static struct windows windows;
    static struct stops stops;
    struct written written = push_beside_a_full_pipe(&windows);
    for (size_t i = 0; i < BLOCKERS; i++)
        count_losses_of(&blockers[i]);
    stop_again_and_again(&stops);
    double timeout_ms = stop_beside_a_hanging_callback(&windows.waits);
    if (windows.ratio > 1.05)
        harm_wrong("push+pop p99.9 is %.3f of that beside an idle log", windows.ratio);
    if (windows.waits)
        harm_wrong("a push or pop waited %" PRIu64 " times", windows.waits);
    harm_figure("push+pop p99.9 %.0f ns, %.3f of that beside an idle log (medians of %zu windows "
                "of each), 0 waits; stop at most %.1f ms (%.1f idle), %.0f beside a callback that "
                "hangs; %" PRIu64 " written + %" PRIu64 " dropped = %" PRIu64 " due",
                harm_median(windows.blocked_ns, windows.count), windows.ratio, windows.count,
                stops.worst_ms, stops.idle_worst_ms, timeout_ms, written.lines,
                written.stop_dropped, written_due(&written, 1));
}

/* ---- check 6: descriptors that the application has taken over ------------------------ */

#define NUMBERS 160
#define CROWD 3

/* What the application has behind a number: nobody else may read, write or change it. */
struct mine {
    enum { MY_FILE, MY_PIPE, MY_SOCKET, MY_COUNTER } kind;
    int flags;
    dev_t device;
    ino_t inode;
};

static struct mine mine[1024];

static void take(int descriptor, int kind)
{
    struct stat is;
    if (descriptor < 0 || descriptor >= 1024 || fstat(descriptor, &is) != 0)
        _exit(2);
    mine[descriptor] = (struct mine){kind, fcntl(descriptor, F_GETFL), is.st_dev, is.st_ino};
}

static void take_file(const char *folder, unsigned number)
{
    char path[128];
    snprintf(path, sizeof path, "%s/mine-%d-%u", folder, (int)getpid(), number);
    int file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (write(file, "mine", 4) != 4 || lseek(file, 2, SEEK_SET) != 2)
        _exit(3);
    take(file, MY_FILE);
}

static void take_pair(int ends[2], int kind)
{
    if (write(ends[1], "mine", 4) != 4 || (kind == MY_SOCKET && write(ends[0], "mine", 4) != 4))
        _exit(4);
    take(ends[0], kind);
    take(ends[1], kind);
}

/* All the numbers that are free, with what could swallow bytes or lose them. */
static void take_numbers(const char *folder)
{
    for (unsigned i = 0; i < NUMBERS / 6; i++) {
        int ends[2];
        take_file(folder, i);
        if (pipe(ends) != 0)
            _exit(5);
        take_pair(ends, MY_PIPE);
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
            _exit(6);
        take_pair(ends, MY_SOCKET);
        take(eventfd(4, EFD_NONBLOCK), MY_COUNTER);
    }
}

static bool is_as_it_was(int descriptor, const struct mine *was)
{
    char text[16] = "";
    uint64_t counter = 0;
    int waiting = 0;
    struct stat is;
    if (fstat(descriptor, &is) != 0 || is.st_dev != was->device || is.st_ino != was->inode ||
        fcntl(descriptor, F_GETFL) != was->flags)
        return false;
    switch (was->kind) {
    case MY_FILE:
        return is.st_size == 4 && lseek(descriptor, 0, SEEK_CUR) == 2 &&
               pread(descriptor, text, sizeof text, 0) == 4 && memcmp(text, "mine", 4) == 0;
    case MY_COUNTER:
        return read(descriptor, &counter, sizeof counter) == sizeof counter && counter == 4;
    default: /* of a pipe, both ends */
        return ioctl(descriptor, FIONREAD, &waiting) == 0 && waiting == 4;
    }
}

/* Standard error may be one of them, so what is found goes to the parent in memory. */
struct found {
    unsigned ours, taken, changed, kept, closed;
    int stop, changed_number, changed_kind;
};
static struct found *found;

/* The numbers that the monitor has: those that were not there before its start. */
static void list_descriptors(bool open_ones[1024])
{
    for (int i = 0; i < 1024; i++)
        open_ones[i] = fcntl(i, F_GETFD) >= 0;
}

static void look_at_mine(void)
{
    for (int i = 0; i < 1024; i++) {
        if (mine[i].inode == 0)
            continue;
        found->kept++;
        if (is_as_it_was(i, &mine[i]))
            continue;
        found->changed++;
        found->changed_number = i;
        found->changed_kind = mine[i].kind;
    }
}

struct reuse {
    const char *name;
    struct channel (*open)(void); /* standard error; NULL: the log is a file with a path */
    bool only_two;                /* the application closes 2 alone */
};

static const struct reuse reuses[] = {
    {"standard error, a file", NULL, false}, /* opened below */
    {"standard error, a pipe", open_pipe, false},
    {"standard error, a socket", open_socket, false},
    {"standard error, a terminal", open_terminal, false},
    {"number 2 alone", NULL, true},
    {"a file with a path", NULL, false},
};
#define REUSES (sizeof reuses / sizeof *reuses)
#define REUSE_OF_PATH (REUSES - 1)

struct reuse_run {
    const struct reuse *reuse;
    struct channel channel;
    const char *path, *folder;
    bool has_path;
};

static void close_and_take(const struct reuse_run *run, const bool before[1024])
{
    bool after[1024];
    list_descriptors(after);
    for (int i = run->reuse->only_two ? 2 : 0; i < (run->reuse->only_two ? 3 : 1024); i++)
        close(i);
    take_numbers(run->folder);
    for (int i = 0; i < 1024; i++) {
        bool is_ours = after[i] && !before[i];
        found->ours += is_ours;
        found->closed += before[i] && !after[i];
        found->taken += (is_ours && mine[i].inode != 0) || (i == 2 && run->reuse->only_two);
    }
}

static void await_beats(const char *path, size_t beats)
{
    size_t seen = 0;
    while (seen < beats) {
        crowd_await_turns(1);
        char *text = harm_read(path, NULL);
        seen = text ? count_beats(text) : 0;
        free(text);
    }
}

/* The heartbeat that was awaited is over when the thread sleeps: the numbers are taken
 * while it does. A heartbeat that somebody asks for goes through the pipe that wakes;
 * where lines are counted there is none. */
static void be_robbed(const void *argument)
{
    const struct reuse_run *run = argument;
    bool before[1024];
    bool counts = run->has_path || run->reuse->only_two;
    if (!run->has_path)
        dup2(run->channel.log, STDERR_FILENO);
    list_descriptors(before);
    crowd_gather(CROWD);
    must_start_at(run->has_path ? run->path : NULL);
    crowd_await_turns(5);
    close_and_take(run, before);
    if (counts)
        await_beats(run->path, 110);
    for (unsigned i = 0; i < 110 && !counts; i++) {
        crowd_await_turns(1);
        monitor_beat();
    }
    found->stop = stop_patiently();
    look_at_mine();
}

static void judge_robbed(const struct reuse *reuse)
{
    if (found->changed)
        harm_wrong("%s: %u of the application's %u descriptors were touched, as number %d (%d)",
                   reuse->name, found->changed, found->kept, found->changed_number,
                   found->changed_kind);
    if (found->closed)
        harm_wrong("%s: the start closed %u of the application's descriptors", reuse->name,
                   found->closed);
    if (found->stop != 0)
        harm_wrong("%s: stop says %s", reuse->name, strerror(-found->stop));
    if (found->taken == 0 || found->ours == 0)
        harm_broken("%s: none of our numbers was taken", reuse->name);
}

/* What the library could still write has to be whole; where it can go on, and say so,
 * all of it has to be there or counted. */
static struct written judge_robbed_log(struct reuse_run *run)
{
    struct written written = read_channel(&run->channel);
    if (run->has_path || run->reuse->only_two)
        written_judge(&written, CROWD, run->reuse->name);
    if (run->has_path && written.stop_dropped == 0)
        harm_wrong("%s: the line that met the closed descriptor is not counted", run->reuse->name);
    if ((run->has_path || run->reuse->only_two) && written.beats < 100)
        harm_wrong("%s: only %" PRIu64 " heartbeats", run->reuse->name, written.beats);
    if (written.torn || written.beats == 0)
        harm_wrong("%s: %" PRIu64 " torn lines, %" PRIu64 " heartbeats", run->reuse->name,
                   written.torn, written.beats);
    return written;
}

struct robbery {
    unsigned runs, taken, descriptors;
    uint64_t written, dropped;
};

static void rob(const struct reuse *reuse, struct robbery *sum)
{
    static unsigned number;
    char name[32];
    snprintf(name, sizeof name, "log-%u", number++);
    struct reuse_run run = {
        reuse, {0}, harm_path(name), harm_folder(), reuse == &reuses[REUSE_OF_PATH]};
    run.channel = reuse->open ? reuse->open() : open_file(name);
    *found = (struct found){0};
    if (end_child(begin_child(be_robbed, &run), reuse->name))
        judge_robbed(reuse);
    struct written written = judge_robbed_log(&run);
    close_channel(&run.channel);
    sum->runs++;
    bool goes_on = run.has_path || reuse->only_two;
    sum->taken += found->taken;
    sum->descriptors += found->kept;
    sum->written += goes_on ? written.lines : 0;
    sum->dropped += written.stop_dropped;
}

static void reused(void)
{
    struct robbery sum = {0};
    found = mmap(NULL, sizeof *found, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED)
        harm_broken("no shared memory");
    for (uint64_t i = 0; i < harm_count(3, 1); i++)
        for (size_t j = 0; j < REUSES; j++)
            rob(&reuses[j], &sum);
    harm_figure("0 bytes in, or out of, %u descriptors of the application over 100 heartbeats "
                "each, in %u programs; %u of them had been ours; where the log went on %" PRIu64
                " lines written, %" PRIu64 " counted as dropped",
                sum.descriptors, sum.runs, sum.taken, sum.written, sum.dropped);
}

/* ---- check 7: a log that breaks ----------------------------------------------------- */

static struct {
    unsigned alive, programs;
    uint64_t lines, torn, dropped;
    struct chaos chaos;
} sum;

static void add_to_sum(const struct written *written)
{
    sum.lines += written->lines;
    sum.torn += written->torn;
    sum.dropped += written->stop_dropped;
}

static void survive(void (*body)(const void *), const void *argument, const char *what)
{
    sum.programs++;
    sum.alive += end_child(begin_child(body, argument), what);
}

/* ---- nobody reads it any more ---- */

static _Atomic unsigned handled;

static void count_signal(int number)
{
    (void)number;
    handled++;
}

static const struct disposition {
    const char *name;
    void (*handler)(int);
} dispositions[] = {
    {"SIGPIPE as it is", SIG_DFL}, {"SIGPIPE ignored", SIG_IGN}, {"SIGPIPE handled", count_signal}};

static struct channel open_fifo(void)
{
    const char *path = harm_path("fifo");
    unlink(path);
    if (mkfifo(path, 0600) != 0)
        harm_broken("no FIFO: %s", strerror(errno));
    int reader = must_open(path, O_RDONLY | O_NONBLOCK);
    return (struct channel){.log = must_open(path, O_WRONLY), .reader = reader};
}

static struct channel (*const readable[])(void) = {open_pipe, open_socket, open_fifo};

struct breakage {
    const struct disposition *disposition;
    size_t kind; /* of readable */
};

static void lose_reader(const void *argument)
{
    const struct breakage *breakage = argument;
    struct sigaction action = {.sa_handler = breakage->disposition->handler}, now;
    bool is_fifo = readable[breakage->kind] == open_fifo;
    sigaction(SIGPIPE, &action, NULL);
    struct channel channel = readable[breakage->kind]();
    if (is_fifo)
        must_start_at(harm_path("fifo"));
    else
        must_start_on(channel.log);
    crowd_await_turns(2);
    close(channel.reader);
    crowd_await_turns(5);
    monitor_beat();
    crowd_await_turns(2);
    must_stop(breakage->disposition->name);
    sigaction(SIGPIPE, NULL, &now);
    if (handled || now.sa_handler != breakage->disposition->handler)
        harm_wrong("%s: %u were handled, and the handler is %s", breakage->disposition->name,
                   handled, now.sa_handler == action.sa_handler ? "the same" : "another");
}

static void break_pipes(void)
{
    uint64_t runs = harm_count(100, 18);
    for (uint64_t i = 0; i < runs; i++) {
        struct breakage breakage = {&dispositions[i % 3], i / 3 % 3};
        survive(lose_reader, &breakage, breakage.disposition->name);
    }
}

/* ---- no room ---- */

static void fill_device(const void *path)
{
    if (path)
        must_start_at(path);
    else
        must_start_on(must_open("/dev/full", O_WRONLY));
    crowd_await_turns(10);
    must_stop("/dev/full");
}

static void write_text(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, text, strlen(text)) != (ssize_t)strlen(text))
        _exit(77);
    close(file);
}

/* The files on a new file system belong to somebody there. */
static void map_to_root(unsigned user, unsigned group)
{
    char map[32];
    snprintf(map, sizeof map, "0 %u 1", user);
    write_text("/proc/self/uid_map", map);
    write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", group);
    write_text("/proc/self/gid_map", map);
}

/* Ends the child with 77 where it may not. */
static void mount_small(const char *path, const char *options)
{
    unsigned user = getuid(), group = getgid();
    if (unshare(CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWNS | CLONE_NEWUSER) != 0)
            _exit(77);
        map_to_root(user, group);
    }
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", path, "tmpfs", 0, options) != 0)
        _exit(77);
}

static bool is_full(const char *path)
{
    struct statvfs is;
    return statvfs(path, &is) == 0 && is.f_bfree == 0;
}

/* A log on a disk that is full for a time: the last page of a file takes a part of a
 * line, and the rest of the line comes when there is room again. */
static void fill_disk(const void *argument)
{
    const char *folder = argument;
    char ballast[128], log[128];
    snprintf(ballast, sizeof ballast, "%s/ballast", folder);
    snprintf(log, sizeof log, "%s/log", folder);
    mount_small(folder, "size=1m,mode=0700");
    int file = must_open(ballast, O_WRONLY | O_CREAT);
    if (posix_fallocate(file, 0, (1 << 20) - (64 << 10)) != 0)
        harm_broken("no ballast");
    close(file);
    crowd_gather(CROWD);
    must_start_at(log);
    for (int i = 0; i < 6000 && !is_full(folder); i++)
        crowd_await_turns(1);
    crowd_await_turns(20);
    unlink(ballast);
    crowd_await_turns(10);
    must_stop("a full disk");
    struct written written = {0};
    written_add_file(&written, log, 0);
    judge_losses(&written, CROWD, "a full disk");
}

/* Mounted read-only while it is written to: an open file can still be. */
static void write_protect(const void *argument)
{
    const char *folder = argument;
    char log[128];
    snprintf(log, sizeof log, "%s/log", folder);
    mount_small(folder, "size=8m,mode=0700");
    crowd_gather(CROWD);
    must_start_at(log);
    crowd_await_turns(5);
    if (mount(folder, folder, NULL, MS_BIND, NULL) != 0 ||
        mount("none", folder, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0)
        harm_broken("not mounted read-only: %s", strerror(errno));
    uint64_t began = harm_now_ns(); /* the path is looked at once a second */
    while (harm_now_ns() - began < UINT64_C(2500000000))
        crowd_await_turns(10);
    must_stop("a file system that became read-only");
    struct written written = {0};
    written_add_file(&written, log, 0);
    written_judge(&written, CROWD, "a file system that became read-only");
    if (written.stop_dropped)
        harm_wrong("read-only: %" PRIu64 " lines dropped", written.stop_dropped);
    int error = start_at(log);
    if (error != -EROFS)
        harm_wrong("a start on a read-only file system says %d", error);
}

static void survive_mounted(void (*body)(const void *), const char *what)
{
    const char *folder = harm_path("mounted");
    mkdir(folder, 0700);
    pid_t child = begin_child(body, folder);
    int status = harm_wait(child, PATIENCE_MS);
    if (status == 77) {
        harm_not_run(what, "no file system may be mounted here");
        return;
    }
    sum.programs++;
    sum.alive += status == 0;
    if (status != 0)
        harm_wrong("%s: ended with %d", what, status);
}

static void run_out_of_room(void)
{
    survive(fill_device, "/dev/full", "/dev/full by its path");
    survive(fill_device, NULL, "/dev/full as a descriptor");
    survive_mounted(fill_disk, "a disk that fills up");
    survive_mounted(write_protect, "a file system that becomes read-only");
}

/* ---- files that go away ---- */

/* It looks once a second, which is 100 heartbeats. */
static void await_new_file(const char *log)
{
    for (int i = 0; i < 600 && access(log, F_OK) != 0; i++)
        crowd_await_turns(5);
    if (access(log, F_OK) != 0)
        harm_broken("a rotated file: there is no new one after 3,000 heartbeats");
}

static void rotate(void)
{
    struct written written = {0};
    const char *log = harm_path("rotated");
    crowd_gather(CROWD);
    must_start_at(log);
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "rotated.%d", i);
        crowd_await_turns(5);
        if (rename(log, harm_path(name)) != 0)
            harm_broken("rename: %s", strerror(errno));
        await_new_file(log);
    }
    must_stop("a rotated file");
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "rotated.%d", i);
        written_add_file(&written, harm_path(name), 0);
    }
    written_add_file(&written, log, 0);
    written_judge(&written, CROWD, "a rotated file");
    add_to_sum(&written);
    crowd_dismiss();
}

/* What was written before is lost by the one who cut it; what comes after is whole. */
static void cut(void)
{
    struct written written = {0};
    const char *log = harm_path("cut");
    crowd_gather(CROWD);
    must_start_at(log);
    for (int i = 0; i < 20; i++) {
        crowd_await_turns(2);
        if (truncate(log, 0) != 0)
            harm_broken("truncate: %s", strerror(errno));
    }
    crowd_await_turns(3);
    must_stop("a file that is cut");
    written_add_file(&written, log, 0);
    if (written.torn || written.stops != 1 || written.stop_dropped || written.beats == 0)
        harm_wrong("a file that is cut: %" PRIu64 " torn, %" PRIu64 " stop lines, %" PRIu64
                   " dropped, %" PRIu64 " heartbeats",
                   written.torn, written.stops, written.stop_dropped, written.beats);
    add_to_sum(&written);
    crowd_dismiss();
}

/* ---- pieces ---- */

/* Reads what comes until there are so many lines. */
static void read_lines(struct channel *channel, uint64_t lines)
{
    uint64_t until = harm_now_ns() + UINT64_C(300000000000), seen = 0;
    size_t counted = 0;
    while (seen < lines) {
        drain(channel);
        while (counted < channel->size)
            seen += channel->text[counted++] == '\n';
        if (harm_now_ns() > until)
            harm_broken("only %" PRIu64 " lines came", seen);
        harm_sleep_ms(1);
    }
}

static _Atomic bool is_draining;

static void *go_on_draining(void *channel)
{
    while (is_draining) {
        drain(channel);
        harm_sleep_ms(1);
    }
    return NULL;
}

/* The last heartbeat of a large crowd fills a pipe by itself, and the stop line has to
 * find room in it. */
static struct written end_of(struct channel *channel, unsigned threads, const char *what)
{
    pthread_t drainer;
    await_beats_through(channel, 2);
    is_draining = true;
    if (pthread_create(&drainer, NULL, go_on_draining, channel) != 0)
        harm_broken("no thread");
    must_stop(what);
    is_draining = false;
    pthread_join(drainer, NULL);
    struct written written = read_channel(channel);
    written_judge(&written, threads, what);
    add_to_sum(&written);
    return written;
}

static struct channel open_plain_file(void)
{
    unlink(harm_path("pieces"));
    return open_file("pieces");
}

static const struct {
    const char *name;
    struct channel (*open)(void);
    bool by_path;
} piecewise[] = {
    {"a file by its path, in pieces", open_plain_file, true},
    {"a file by its descriptor, in pieces", open_plain_file, false},
    {"a pipe, in pieces", open_pipe, false},
    {"a pipe of somebody else, in pieces", open_refused_pipe, false},
    {"a socket, in pieces", open_socket, false},
};
#define PIECEWISE (sizeof piecewise / sizeof *piecewise)

static void add_chaos(const struct chaos *chaos, const char *what)
{
    sum.chaos.whole += chaos->whole;
    sum.chaos.shortened += chaos->shortened;
    sum.chaos.again += chaos->again;
    sum.chaos.interrupted += chaos->interrupted;
    sum.chaos.failed += chaos->failed;
    if (!chaos->whole || !chaos->shortened || !chaos->again || !chaos->interrupted ||
        !chaos->failed)
        harm_broken("%s: not everything happened", what);
}

static void take_in_pieces(size_t kind, unsigned threads, uint64_t lines)
{
    struct channel channel = piecewise[kind].open();
    crowd_gather(threads);
    chaos_begin(channel.log, true);
    if (piecewise[kind].by_path)
        must_start_at(harm_path("pieces"));
    else
        must_start_on(channel.log);
    read_lines(&channel, lines);
    struct chaos chaos = chaos_end();
    add_chaos(&chaos, piecewise[kind].name);
    end_of(&channel, threads, piecewise[kind].name);
    crowd_dismiss();
    close_channel(&channel);
}

/* ---- signals ---- */

static _Atomic unsigned on_our_thread;
static _Atomic pid_t our_thread;

static void note_signal(int number)
{
    (void)number;
    handled++;
    on_our_thread += gettid() == our_thread;
}

/* The handler has no SA_RESTART: whoever is interrupted in a call sees EINTR. */
static void interrupt(unsigned threads, uint64_t lines)
{
    struct sigaction action = {.sa_handler = note_signal};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec often = {{0, 100000}, {0, 100000}};
    timer_t timer;
    struct channel channel = open_pipe();
    crowd_gather(threads);
    must_start_on(channel.log);
    our_thread = monitor_tid();
    sigaction(SIGUSR1, &action, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
        timer_settime(timer, 0, &often, NULL) != 0)
        harm_broken("no timer: %s", strerror(errno));
    read_lines(&channel, lines);
    while (handled < 1000)
        harm_sleep_ms(1);
    timer_delete(timer);
    end_of(&channel, threads, "amid signals");
    if (on_our_thread)
        harm_wrong("%u signals ran on the monitor's thread", on_our_thread);
    crowd_dismiss();
    close_channel(&channel);
}

/* ---- eight processes ---- */

#define PROCESSES 8

struct shared_log {
    const char *path;
    unsigned threads;
    uint64_t lines;
};

static uint64_t own_lines(const char *path)
{
    struct written written = {0};
    written_add_file(&written, path, (uint64_t)getpid());
    return written.lines;
}

/* A turn may be a wait for the file, which others append to, and no heartbeat. */
static void write_beside_others(const void *argument)
{
    const struct shared_log *log = argument;
    crowd_gather(log->threads);
    must_start_at(log->path);
    for (uint64_t had = 0; had < log->lines; had = own_lines(log->path))
        crowd_await_turns((log->lines - had) / (log->threads + 1) + 5);
    must_stop("one of eight");
}

static void write_side_by_side(unsigned threads, uint64_t lines)
{
    struct shared_log log = {harm_path("shared"), threads, lines};
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++)
        children[i] = begin_child(write_beside_others, &log);
    for (int i = 0; i < PROCESSES; i++) {
        struct written written = {0};
        sum.programs++;
        sum.alive += end_child(children[i], "one of eight processes");
        written_add_file(&written, log.path, (uint64_t)children[i]);
        written_judge(&written, threads, "one of eight processes");
        add_to_sum(&written);
        if (written.lines < lines || written.stop_dropped)
            harm_wrong("one of eight processes: %" PRIu64 " lines, %" PRIu64 " dropped",
                       written.lines, written.stop_dropped);
    }
}

static void broken(void)
{
    unsigned threads = (unsigned)harm_count(200, 50);
    break_pipes();
    run_out_of_room();
    rotate();
    cut();
    for (size_t i = 0; i < PIECEWISE; i++)
        take_in_pieces(i, threads, harm_count(100000, 5000) / PIECEWISE);
    interrupt(threads, harm_count(20000, 1000));
    write_side_by_side(50, harm_count(10000, 500));
    harm_figure("alive %u of %u; %" PRIu64 " torn of %" PRIu64 " lines, %" PRIu64
                " more counted as dropped, of writes %" PRIu64 " whole, %" PRIu64 " short, %" PRIu64
                " EAGAIN, %" PRIu64 " EINTR, %" PRIu64 " errors",
                sum.alive, sum.programs, sum.torn, sum.lines, sum.dropped, sum.chaos.whole,
                sum.chaos.shortened, sum.chaos.again, sum.chaos.interrupted, sum.chaos.failed);
}

int main(int argc, char **argv)
{
    static const struct harm_check checks[] = {
        {"blocked", blocked}, {"reused", reused}, {"broken", broken}, {NULL, NULL}};
    return harm_main(argc, argv, checks);
}
