/* Starting, stopping and ending, often: matrix rows 5 to 7.
 *
 * race: sixteen threads start and stop together, and so does the sink. Nothing is
 * left behind, and every monitor that said that it starts said that it stops.
 * stops: stop beside a sink that hangs, against a sleep of as long as it may take.
 * exits: programs/exits.cpp ends in eight ways, in turns with and without the monitor:
 * the status and the order of destructors must be the same, and the time that it takes
 * to end is compared.
 * unload: programs/unload.c.
 */
#define _GNU_SOURCE
#include "harm.h"
#include "patience.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define STANDSTILL_MS 60000 /* for so long nothing at all: it hangs */

/* The kernel lists a thread a moment longer than it can be joined. */
static bool await_entries(const char *path, unsigned count)
{
    for (int i = 0; i < 5000 && harm_entries(path) != count; i++)
        harm_sleep_ms(1);
    return harm_entries(path) == count;
}

/* ---- race -------------------------------------------------------------------------- */

#define RACERS 16

/* Of the child that races; its parent reads it. */
static struct race {
    uint64_t rounds; /* of each thread */
    _Atomic uint64_t calls, busy, late, starts, stops, from_sink, wrong;
} * race;

__attribute__((format(printf, 2, 3))) static void race_must(bool condition, const char *format, ...)
{
    char text[256];
    va_list arguments;
    if (condition)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    race->wrong++;
    harm_wrong("%s", text);
}

static void take_line(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)length;
    SCOPE("in the sink");
    race->starts += strstr(line, "] start ") != NULL;
    race->stops += strstr(line, "] stop ") != NULL;
    int error = monitor_stop();
    race_must(error == -EDEADLK, "stop in the sink: %d", error);
    error = monitor_start();
    race_must(error == 0, "start in the sink: %d", error);
    race->from_sink++;
}

static int start_racing(void)
{
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = 10;
    options.sink = take_line;
    return monitor_start_with(&options);
}

/* Busy: for 250 ms others were stopping, or a monitor had not ended in time. */
static void start_and_stop(void)
{
    int error;
    while ((error = start_racing()) == -EBUSY) {
        race->busy++;
        harm_sleep_ms(1);
    }
    race_must(error == 0, "start: %d", error);
    scope_push("between");
    error = monitor_beat();
    race_must(error == 0 || error == -ESRCH, "beat: %d", error);
    scope_pop();
    error = monitor_stop();
    race->late += error == -ETIMEDOUT;
    race_must(error == 0 || error == -ETIMEDOUT, "stop: %d", error);
    race->calls += 2;
}

static void *race_on(void *nothing)
{
    SCOPE("race");
    for (uint64_t i = 0; i < race->rounds && race->wrong < 20; i++)
        start_and_stop();
    return nothing;
}

static void settle(void)
{
    int error = stop_at_last(monitor_stop);
    race_must(error == 0, "the last stop: %d", error);
    race_must(monitor_beat() == -ESRCH, "a monitor is left");
}

static void run_race(void)
{
    pthread_t threads[RACERS];
    unsigned tasks = harm_entries("/proc/self/task");
    unsigned descriptors = harm_entries("/proc/self/fd");
    for (int i = 0; i < RACERS; i++)
        if (pthread_create(&threads[i], NULL, race_on, NULL) != 0)
            harm_broken("no thread");
    for (int i = 0; i < RACERS; i++)
        pthread_join(threads[i], NULL);
    settle();
    race_must(race->starts == race->stops && race->starts > 1,
              "%llu monitors started, %llu stopped", (unsigned long long)race->starts,
              (unsigned long long)race->stops);
    race_must(await_entries("/proc/self/task", tasks), "a thread is left");
    race_must(await_entries("/proc/self/fd", descriptors), "a descriptor is left");
}

/* Waits for as long as it gets on. */
static void watch_race(pid_t racer)
{
    uint64_t before = UINT64_MAX;
    for (;;) {
        uint64_t until = harm_now_ns() + STANDSTILL_MS * UINT64_C(1000000);
        siginfo_t ended = {0};
        while (ended.si_pid == 0 && harm_now_ns() < until) {
            waitid(P_PID, (id_t)racer, &ended, WEXITED | WNOHANG | WNOWAIT);
            harm_sleep_ms(10);
        }
        if (ended.si_pid != 0 || race->calls == before)
            break;
        before = race->calls;
    }
    int status = harm_wait(racer, 0);
    if (status == HARM_HUNG)
        harm_wrong("the race hangs after %llu calls", (unsigned long long)race->calls);
    else if (status != 0)
        harm_wrong("the race ended with %d", status);
}

static void race_part(void)
{
    race = mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (race == MAP_FAILED)
        harm_broken("no memory");
    race->rounds = harm_count(10000, 100);
    pid_t racer = fork();
    if (racer == 0) {
        run_race();
        _exit(race->wrong > 0);
    }
    watch_race(racer);
    if (race->wrong == 0 && race->calls != 2 * RACERS * race->rounds)
        harm_wrong("only %llu calls", (unsigned long long)race->calls);
    harm_part("%d threads x %llu start/stop: %llu monitors, %llu busy, %llu late, %llu stops "
              "from the sink refused",
              RACERS, (unsigned long long)race->rounds, (unsigned long long)race->starts,
              (unsigned long long)race->busy, (unsigned long long)race->late,
              (unsigned long long)race->from_sink);
}

/* ---- stops ---------------------------------------------------------------------------- */

#define STOP_MS 250

static sem_t entered, released;

static void hang_once(void *is_to_hang, enum monitor_level level, const char *line, size_t length)
{
    (void)level, (void)line, (void)length;
    if (!atomic_exchange((_Atomic bool *)is_to_hang, false))
        return;
    sem_post(&entered);
    while (sem_wait(&released) != 0)
        continue;
}

static int start_hanging(_Atomic bool *is_to_hang)
{
    monitor_options options;
    monitor_options_default(&options);
    options.sink = hang_once;
    options.sink_data = is_to_hang;
    return monitor_start_with(&options);
}

static double milliseconds_since(uint64_t began)
{
    return (double)(harm_now_ns() - began) / 1e6;
}

static double stop_while_it_hangs(void)
{
    static _Atomic bool is_to_hang;
    is_to_hang = true;
    int error = start_hanging(&is_to_hang);
    if (error)
        harm_broken("start: %d", error);
    sem_wait(&entered);
    uint64_t began = harm_now_ns();
    error = monitor_stop();
    double took = milliseconds_since(began);
    if (error != -ETIMEDOUT || took < STOP_MS)
        harm_wrong("stop beside a sink that hangs: %d after %.0f ms", error, took);
    if ((error = start_hanging(&is_to_hang)) != -EBUSY)
        harm_wrong("start beside a sink that hangs: %d", error);
    sem_post(&released);
    if ((error = stop_at_last(monitor_stop)) != 0)
        harm_wrong("stop when it hangs no more: %d", error);
    return took;
}

static double sleep_as_long(void)
{
    uint64_t began = harm_now_ns();
    harm_sleep_ms(STOP_MS);
    return milliseconds_since(began);
}

static void stops_part(void)
{
    double stops[20], sleeps[20];
    size_t count = (size_t)harm_count(20, 3);
    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    for (size_t i = 0; i < count; i++) {
        stops[i] = stop_while_it_hangs();
        sleeps[i] = sleep_as_long();
    }
    double stop = harm_median(stops, count), sleep = harm_median(sleeps, count);
    if (stop > sleep + STOP_MS)
        harm_wrong("stop took %.0f ms where a sleep of %d ms took %.0f", stop, STOP_MS, sleep);
    harm_part("stop beside a sink that hangs %.1f ms (a sleep of %d ms: %.1f)", stop, STOP_MS,
              sleep);
}

/* ---- exits ------------------------------------------------------------------------------ */

#define MOST_ADDED_MS 50

/* The letters are those of exits.cpp, in the order that the languages promise. */
static const struct way {
    const char *name;
    int status;
    const char *letters;
} ways[] = {
    {"return", 3, "bfa"},   {"stop", 4, "bfa"},     {"exit", 5, "bfa"}, {"thread", 7, "fa"},
    {"atexit", 3, "bfcda"}, {"quick_exit", 8, "e"}, {"_exit", 6, ""},   {"abort", -SIGABRT, ""},
};
#define WAYS (sizeof ways / sizeof *ways)

struct end {
    int status;
    double took_ms;
    char letters[32];
};

static _Noreturn void become_exits(const struct way *way, const char *log, int output)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    setenv("HEARTLINE", log ? "on" : "off", 1);
    setenv("HEARTLINE_INTERVAL", "10ms", 1);
    setenv("HEARTLINE_LOG", log ? log : "", 1);
    dup2(output, STDOUT_FILENO);
    execl(HARM_PROGRAMS "/harm-exits", "harm-exits", way->name, (char *)NULL);
    _exit(127);
}

static struct end end_once(const struct way *way, const char *log)
{
    struct end end = {0};
    char text[128] = "", *letters;
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC) != 0)
        harm_broken("pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        become_exits(way, log, ends[1]);
    close(ends[1]);
    while (waitpid(pid, &status, 0) < 0)
        continue;
    uint64_t ended = harm_now_ns();
    if (read(ends[0], text, sizeof text - 1) < 0)
        harm_broken("read: %s", strerror(errno));
    close(ends[0]);
    uint64_t began = strtoull(text, &letters, 10);
    if (*letters == '\n')
        letters++;
    end.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    end.took_ms = began ? (double)(int64_t)(ended - began) / 1e6 : 0;
    snprintf(end.letters, sizeof end.letters, "%s", letters);
    return end;
}

static void judge_end(const struct way *way, const struct end *end, bool is_on)
{
    if (end->status != way->status)
        harm_wrong("%s ended with %d, not %d%s", way->name, end->status, way->status,
                   is_on ? "" : ", without the monitor");
    if (strcmp(end->letters, way->letters) != 0)
        harm_wrong("%s: destructors and handlers ran as '%s', not '%s'%s", way->name, end->letters,
                   way->letters, is_on ? "" : ", without the monitor");
}

static sem_t asked, answered;
static double slowest_hand;

static void *answer(void *nothing)
{
    while (sem_wait(&asked) != 0)
        continue;
    sem_post(&answered);
    return nothing;
}

/* What it takes here that a thread which sleeps does something for another one. */
static double handshake(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, answer, NULL) != 0)
        harm_broken("no thread");
    harm_sleep_ms(1);
    uint64_t began = harm_now_ns();
    sem_post(&asked);
    while (sem_wait(&answered) != 0)
        continue;
    double took = milliseconds_since(began);
    pthread_join(thread, NULL);
    return took;
}

/* Returns by how much longer it takes with the monitor. An end that waits for its thread
 * needs two handshakes with it. */
static double compare_way(const struct way *way, const char *log, size_t count)
{
    double on[128], off[128], hands[128];
    for (size_t i = 0; i < count; i++) {
        hands[i] = handshake();
        struct end without = end_once(way, NULL), with = end_once(way, log);
        judge_end(way, &without, false);
        judge_end(way, &with, true);
        off[i] = without.took_ms;
        on[i] = with.took_ms;
    }
    double added = harm_median(on, count) - harm_median(off, count),
           hand = harm_median(hands, count);
    slowest_hand = hand > slowest_hand ? hand : slowest_hand;
    if (added > MOST_ADDED_MS + 2 * hand)
        harm_wrong("%s takes %.1f ms longer, where a handshake takes %.1f", way->name, added, hand);
    return added;
}

/* Two of the ways wait for the monitor, which has said everything then. */
static void judge_log(const char *log, size_t count)
{
    char *text = harm_read(log, NULL);
    size_t starts = text ? harm_lines_with(text, "] start ") : 0;
    if (starts < 2 * count)
        harm_wrong("only %zu programs were monitored", starts);
    free(text);
}

static void exits_part(void)
{
    const char *log = harm_path("exits.log");
    size_t count = (size_t)harm_count(1000 / WAYS, 5);
    double worst = 0;
    sem_init(&asked, 0, 0);
    sem_init(&answered, 0, 0);
    const char *worst_name = ways[0].name;
    for (size_t i = 0; i < WAYS; i++) {
        double added = compare_way(&ways[i], log, count);
        if (added > worst) {
            worst = added;
            worst_name = ways[i].name;
        }
    }
    judge_log(log, count);
    harm_part("%zu exits in %zu ways: at most %.1f ms longer (%s; a handshake of threads: %.1f)",
              WAYS * count, WAYS, worst, worst_name, slowest_hand);
}

/* ---- unload ------------------------------------------------------------------------------ */

static void unload_part(void)
{
    const char *log = harm_path("unload.log");
    char times[16];
    snprintf(times, sizeof times, "%llu", (unsigned long long)harm_count(100, 10));
    pid_t pid = fork();
    if (pid == 0) {
        setenv("HEARTLINE_LOG", log, 1);
        setenv("HEARTLINE_INTERVAL", "10ms", 1);
        execl(HARM_PROGRAMS "/harm-unload", "harm-unload", HARM_LIBRARY, log, times, (char *)NULL);
        _exit(127);
    }
    int status = harm_wait(pid, 20 * STANDSTILL_MS);
    if (status != 0)
        harm_wrong("unload ended with %d", status);
    char *text = harm_read(log, NULL);
    harm_part("%s dlcloses: %zu monitors, %zu heartbeats, ended with %d", times,
              text ? harm_lines_with(text, "] start ") : 0,
              text ? harm_lines_with(text, "] beat ") : 0, status);
    free(text);
}

/* ---- all ----------------------------------------------------------------------------------- */

static void race_alone(void)
{
    race_part();
    harm_figure_of_parts();
}

static void stops_alone(void)
{
    stops_part();
    harm_figure_of_parts();
}

static void exits_alone(void)
{
    exits_part();
    harm_figure_of_parts();
}

static void unload_alone(void)
{
    unload_part();
    harm_figure_of_parts();
}

static void all(void)
{
    race_part();
    stops_part();
    exits_part();
    unload_part();
    harm_figure_of_parts();
}

int main(int argc, char **argv)
{
    static const struct harm_check checks[] = {
        {"all", all},           {"race", race_alone},     {"stops", stops_alone},
        {"exits", exits_alone}, {"unload", unload_alone}, {NULL, NULL}};
    return harm_main(argc, argv, checks);
}
