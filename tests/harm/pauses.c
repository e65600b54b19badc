/* Time that the process did not have, or that only seems to have passed (check 9):
 * a program that is never stuck (programs/paused.c) is stopped, has its wall clock set and
 * its machine suspended, and its monitor is kept from every core; the same once more,
 * with jumps of hours, under a scripted clock (jumps.c).
 */
#define _GNU_SOURCE
#include "harm.h"
#include "jumps.h"
#include "lines.h"
#include "programs/paused.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 60000 /* for what comes in some milliseconds on a machine that is idle */
#define STALL_MS 200      /* below the shortest stop */
#define SHORTEST_STOP_MS 250
#define UNSURE_MS 50 /* when exactly a stop began is not known better, from outside */
#define SIGNS_MS 20  /* between two signs, and from a sign to what is noted of it */
#define MOST 1000

static uint64_t below(uint64_t n)
{
    return (uint64_t)lrand48() % n;
}

/* ---- the program that is watched -------------------- */

struct span {
    int64_t began_ns, ended_ns;
};

struct watched {
    int pid, hold;
    const char *said;
    struct paused_clocks *clocks;
    struct lines log;
    struct span stops[MOST]; /* it surely stood still */
    size_t stop_count;
    double most_off_ms;
};

static struct paused_clocks *share_clocks(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct paused_clocks *clocks = MAP_FAILED;
    if (file >= 0 && ftruncate(file, sizeof *clocks) == 0)
        clocks = mmap(NULL, sizeof *clocks, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (clocks == MAP_FAILED)
        harm_broken("%s: %s", path, strerror(errno));
    close(file);
    return clocks;
}

static const char *path_of(const char *run, const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%s-%s", run, what);
    return harm_path(name);
}

static void become_paused(const char *run, int in, const char *log, const char *clocks,
                          const char *interval_ms)
{
    char stall_ms[16];
    snprintf(stall_ms, sizeof stall_ms, "%d", STALL_MS);
    int out = open(path_of(run, "said"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    execl(HARM_PROGRAMS "/paused", "paused", log, clocks, stall_ms, interval_ms, NULL);
    _exit(127);
}

static bool has_said(const char *path, const char *word)
{
    char *text = harm_read(path, NULL);
    bool has = text && harm_lines_with(text, word) > 0;
    free(text);
    return has;
}

static void begin(struct watched *watched, const char *run, const char *interval_ms)
{
    int ends[2];
    const char *log = path_of(run, "log"), *clocks = path_of(run, "clocks");
    *watched = (struct watched){.said = path_of(run, "said"), .clocks = share_clocks(clocks)};
    if (pipe2(ends, O_CLOEXEC) != 0)
        harm_broken("no pipe: %s", strerror(errno));
    watched->pid = fork();
    if (watched->pid == 0)
        become_paused(run, ends[0], log, clocks, interval_ms);
    close(ends[0]);
    watched->hold = ends[1];
    lines_open(&watched->log, log, watched->pid);
    uint64_t until = harm_now_ns() + PATIENCE_MS * UINT64_C(1000000);
    while (!has_said(watched->said, "ready")) {
        if (harm_now_ns() > until || waitpid(watched->pid, NULL, WNOHANG) != 0)
            harm_broken("%s/paused does not begin", HARM_PROGRAMS);
        harm_sleep_ms(5);
    }
}

/* Until there are so many lines of that word. */
static bool await_lines(struct watched *watched, const char *word, size_t count)
{
    uint64_t until = harm_now_ns() + PATIENCE_MS * UINT64_C(1000000);
    for (;;) {
        lines_take(&watched->log);
        if (lines_count(&watched->log, word) >= count)
            return true;
        if (harm_now_ns() > until)
            break;
        harm_sleep_ms(2);
    }
    harm_wrong("there is no %s line number %zu", word, count);
    return false;
}

static int64_t overlap(const struct span *a, const struct span *b)
{
    int64_t began = a->began_ns > b->began_ns ? a->began_ns : b->began_ns;
    int64_t ended = a->ended_ns < b->ended_ns ? a->ended_ns : b->ended_ns;
    return ended > began ? ended - began : 0;
}

/* How often a thread of it did show no sign for the limit, of the time that it had: the
 * machine did not let it. */
static size_t count_true_stalls(const struct watched *watched)
{
    char *text = harm_read(watched->said, NULL);
    size_t count = 0;
    for (char *at = text; at && *at; at = strchr(at, '\n') + 1) {
        struct span quiet;
        if (sscanf(at, "quiet %" SCNd64 " %" SCNd64, &quiet.began_ns, &quiet.ended_ns) != 2)
            continue;
        int64_t active = quiet.ended_ns - quiet.began_ns;
        for (size_t i = 0; i < watched->stop_count; i++)
            active -= overlap(&quiet, &watched->stops[i]);
        count += active >= (STALL_MS - SIGNS_MS) * INT64_C(1000000);
    }
    free(text);
    return count;
}

struct verdict {
    size_t false_stalls, true_stalls;
};

static double sum_of(const struct lines *log, const char *word, const char *key)
{
    double sum = 0;
    for (size_t i = 0; i < log->count; i++) {
        double number = line_is(log->line[i], word) ? line_number(log->line[i], key) : 0;
        sum += number > 0 ? number : 0;
    }
    return sum;
}

/* All the time there was: what it says to have been active, and what it says it was not. */
static void check_elapsed(const struct watched *watched)
{
    struct span ran = {0, 0};
    char *text = harm_read(watched->said, NULL);
    const char *at = text ? strstr(text, "ran ") : NULL;
    if (!at || sscanf(at, "ran %" SCNd64 " %" SCNd64, &ran.began_ns, &ran.ended_ns) != 2)
        harm_wrong("the program told no time");
    free(text);
    double truth = (double)(ran.ended_ns - ran.began_ns) / 1e6, gaps = 0;
    for (size_t i = 0; i < lines_count(&watched->log, "PAUSED"); i++) {
        const json_t *line = lines_find(&watched->log, "PAUSED", i);
        gaps += strcmp(line_text(line, "reason"), "suspend") == 0 ? 0 : line_number(line, "gap_ms");
    }
    double said = sum_of(&watched->log, "stop", "elapsed_ms") + gaps;
    /* Whole milliseconds of each gap; the thread begins and ends a little apart. */
    double unsure = UNSURE_MS + (double)watched->stop_count;
    if (said < truth - unsure || said > truth + unsure + sum_of(&watched->log, "beat", "late_ms"))
        harm_wrong("elapsed and gaps are %.0f ms, and %.0f ms went by", said, truth);
}

static struct verdict end(struct watched *watched)
{
    struct verdict verdict = {0};
    close(watched->hold);
    int status = harm_wait(watched->pid, PATIENCE_MS);
    if (status != 0)
        harm_wrong("the program ended with %d", status);
    lines_end(&watched->log);
    size_t stalls = 0;
    for (size_t i = 0; i < watched->log.count; i++)
        stalls += line_is(watched->log.line[i], "STALL") &&
                  line_number(watched->log.line[i], "reminder") < 0;
    verdict.true_stalls = count_true_stalls(watched);
    verdict.false_stalls = stalls > verdict.true_stalls ? stalls - verdict.true_stalls : 0;
    if (verdict.false_stalls)
        harm_wrong("%zu STALLs, and only %zu times a thread showed no sign", stalls,
                   verdict.true_stalls);
    check_elapsed(watched);
    lines_free(&watched->log);
    munmap(watched->clocks, sizeof *watched->clocks);
    return verdict;
}

/* ---- stops -------------------- */

static void check_gap(struct watched *watched, size_t n, double least, double most)
{
    const json_t *line = lines_find(&watched->log, "PAUSED", n);
    double gap = line_number(line, "gap_ms");
    double off = gap < least ? least - gap : gap > most ? gap - most : 0;
    watched->most_off_ms = off > watched->most_off_ms ? off : watched->most_off_ms;
    if (off > UNSURE_MS || strcmp(line_text(line, "reason"), "stopped") != 0)
        harm_wrong("a stop of %.1f to %.1f ms is told as %.0f ms, %s", least, most, gap,
                   line_text(line, "reason"));
}

static bool stop_once(struct watched *watched)
{
    siginfo_t stopped;
    struct span outside, *inside = &watched->stops[watched->stop_count];
    outside.began_ns = (int64_t)harm_now_ns();
    kill(watched->pid, SIGSTOP);
    if (waitid(P_PID, (id_t)watched->pid, &stopped, WSTOPPED) != 0)
        harm_broken("it cannot be stopped: %s", strerror(errno));
    inside->began_ns = (int64_t)harm_now_ns();
    harm_sleep_ms(SHORTEST_STOP_MS + below(100));
    inside->ended_ns = (int64_t)harm_now_ns();
    kill(watched->pid, SIGCONT);
    outside.ended_ns = (int64_t)harm_now_ns();
    if (!await_lines(watched, "PAUSED", ++watched->stop_count))
        return false;
    check_gap(watched, watched->stop_count - 1, (double)(inside->ended_ns - inside->began_ns) / 1e6,
              (double)(outside.ended_ns - outside.began_ns) / 1e6);
    harm_sleep_ms(below(STALL_MS / 2)); /* it is caught asleep and awake */
    return true;
}

static char *stops(uint64_t count)
{
    struct watched *watched = calloc(1, sizeof *watched);
    char *said = NULL;
    begin(watched, "stops", "1000");
    for (uint64_t i = 0; i < count && stop_once(watched); i++)
        continue;
    size_t stops = watched->stop_count, paused = lines_count(&watched->log, "PAUSED");
    double off = watched->most_off_ms;
    struct verdict verdict = end(watched);
    if (paused != count)
        harm_wrong("%zu stops, %zu PAUSED lines", stops, paused);
    if (asprintf(
            &said,
            "%zu real stops: %zu PAUSED (length off by at most %.0f ms), %zu false STALLs (and %zu "
            "true: no core)",
            stops, paused, off, verdict.false_stalls, verdict.true_stalls) < 0)
        abort();
    free(watched);
    return said;
}

/* ---- clocks of a real program -------------------- */

static int64_t real_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Its time stamps follow, and nothing else does. */
static bool set_wall_clock(struct watched *watched)
{
    int64_t step_ms = (int64_t)below(INT64_C(10) * 365 * 86400) * 1000 * (below(2) ? 1 : -1);
    uint64_t until = harm_now_ns() + PATIENCE_MS * UINT64_C(1000000);
    watched->clocks->wall_ns = step_ms * 1000000;
    while (harm_now_ns() < until) {
        lines_take(&watched->log);
        const json_t *last = watched->log.count ? watched->log.line[watched->log.count - 1] : NULL;
        int64_t off_ms = last ? line_wall_ms(last) - real_wall_ms() - step_ms : INT64_MAX;
        if (off_ms > -PATIENCE_MS && off_ms < 1000)
            return true;
        harm_sleep_ms(5);
    }
    harm_wrong("its time stamps do not follow the wall clock");
    return false;
}

static bool suspend(struct watched *watched, size_t n)
{
    int64_t gap_ms = 100 + (int64_t)below(8 * 3600 * 1000);
    atomic_fetch_add(n % 2 ? &watched->clocks->boot_ns : &watched->clocks->boot_at_work_ns,
                     gap_ms * 1000000);
    if (!await_lines(watched, "PAUSED", n + 1))
        return false;
    const json_t *line = lines_find(&watched->log, "PAUSED", n);
    double off = line_number(line, "gap_ms") - (double)gap_ms;
    if (off < -UNSURE_MS || off > UNSURE_MS || strcmp(line_text(line, "reason"), "suspend") != 0)
        harm_wrong("a suspend of %" PRId64 " ms is told as %.0f ms, %s", gap_ms,
                   line_number(line, "gap_ms"), line_text(line, "reason"));
    harm_sleep_ms(below(STALL_MS / 4));
    return true;
}

static char *clocks(uint64_t count)
{
    struct watched *watched = calloc(1, sizeof *watched);
    char *said = NULL;
    uint64_t steps = 0, suspends = 0;
    begin(watched, "clocks", "50");
    while (steps < count && set_wall_clock(watched))
        steps++;
    while (suspends < count && suspend(watched, suspends))
        suspends++;
    size_t paused = lines_count(&watched->log, "PAUSED");
    struct verdict verdict = end(watched);
    if (paused != suspends)
        harm_wrong("%zu PAUSED lines for %" PRIu64 " suspends", paused, suspends);
    if (asprintf(&said,
                 "%" PRIu64 " steps of the real program's wall clock and %" PRIu64
                 " of its boot clock: %zu PAUSED, %zu false STALLs",
                 steps, suspends, paused, verdict.false_stalls) < 0)
        abort();
    free(watched);
    return said;
}

/* ---- a monitor without a core -------------------- */

/* How many threads have the monitor's name, and one of them. */
static int count_monitors(int pid, int *tid)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        char comm[400];
        snprintf(comm, sizeof comm, "%s/%s/comm", path, entry->d_name);
        char *name = entry->d_name[0] == '.' ? NULL : harm_read(comm, NULL);
        if (name && strcmp(name, "heartline\n") == 0) {
            count++;
            *tid = atoi(entry->d_name);
        }
        free(name);
    }
    if (tasks)
        closedir(tasks);
    return count;
}

/* Those that learn, of the same name, end soon after the start. */
static int monitor_of(int pid)
{
    uint64_t until = harm_now_ns() + PATIENCE_MS * UINT64_C(1000000);
    int tid = 0;
    while (count_monitors(pid, &tid) != 1) {
        if (harm_now_ns() > until)
            harm_broken("no thread alone is called heartline");
        harm_sleep_ms(5);
    }
    return tid;
}

static double run_delay_ms(int pid, int tid)
{
    char path[64];
    unsigned long long delay = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", pid, tid);
    char *text = harm_read(path, NULL);
    if (!text || sscanf(text, "%*u %llu", &delay) != 1)
        harm_broken("%s says nothing", path);
    free(text);
    return (double)delay / 1e6;
}

static int spin_on(const cpu_set_t *core)
{
    int pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sched_setaffinity(0, sizeof *core, core);
    for (;;)
        continue;
}

/* The first core that may be used. */
static cpu_set_t some_core(void)
{
    cpu_set_t all, one;
    int core = 0;
    CPU_ZERO(&one);
    sched_getaffinity(0, sizeof all, &all);
    while (core < CPU_SETSIZE - 1 && !CPU_ISSET(core, &all))
        core++;
    CPU_SET(core, &one);
    return one;
}

/* SCHED_IDLE beside two that spin: it comes to run a few times in a second at most, and
 * nobody needs to be root for that. */
static bool starve(int tid, int spinners[2])
{
    struct sched_param none = {0};
    cpu_set_t core = some_core();
    if (sched_setaffinity(tid, sizeof core, &core) != 0 ||
        sched_setscheduler(tid, SCHED_IDLE, &none) != 0)
        return false;
    for (int i = 0; i < 2; i++)
        spinners[i] = spin_on(&core);
    return true;
}

static void check_late(double late, double delay)
{
    if (late <= 0)
        harm_wrong("it was kept from its core, and no late_ms says so");
    if (late > 1.2 * delay + UNSURE_MS)
        harm_wrong("late by %.0f ms, of which only %.0f ms for want of a core", late, delay);
}

static char *starvation(void)
{
    struct watched *watched = calloc(1, sizeof *watched);
    int spinners[2] = {0, 0};
    double late = 0, wanted = (double)harm_count(2000, 500);
    char *said = NULL;
    begin(watched, "starvation", "100");
    int tid = monitor_of(watched->pid);
    double before = run_delay_ms(watched->pid, tid);
    bool is_starved = starve(tid, spinners);
    uint64_t until = harm_now_ns() + PATIENCE_MS * UINT64_C(1000000);
    while (is_starved && late < wanted && harm_now_ns() < until) {
        harm_sleep_ms(10);
        lines_take(&watched->log);
        late = sum_of(&watched->log, "beat", "late_ms");
    }
    for (int i = 0; i < 2; i++)
        if (spinners[i] > 0) {
            kill(spinners[i], SIGKILL);
            waitpid(spinners[i], NULL, 0);
        }
    double delay = run_delay_ms(watched->pid, tid) - before;
    size_t paused = lines_count(&watched->log, "PAUSED");
    struct verdict verdict = end(watched);
    free(watched);
    if (!is_starved) {
        harm_not_run("a monitor without a core", "SCHED_IDLE is refused");
        return strdup("no starvation");
    }
    check_late(late, delay);
    if (paused)
        harm_wrong("want of a core is said to be a pause, %zu times", paused);
    if (asprintf(&said, "a starved monitor: late=%.1fs, %zu PAUSED, %zu false STALLs", late / 1e3,
                 paused, verdict.false_stalls) < 0)
        abort();
    return said;
}

/* ---- all -------------------- */

static void check_jumps(const char *what, const struct jumps *jumps, uint64_t paused)
{
    if (jumps->stalls)
        harm_wrong("%s: %" PRIu64 " false STALLs", what, jumps->stalls);
    if (jumps->paused != paused || jumps->unasked)
        harm_wrong("%s: %" PRIu64 " PAUSED lines that are right, %" PRIu64 " that are not", what,
                   jumps->paused, jumps->unasked);
}

static void pauses(void)
{
    uint64_t count = harm_count(100, 10);
    char *of_stops = stops(count), *of_clocks = clocks(count), *of_starvation = starvation();
    jumps_set_up();
    struct jumps stopped = jumps_stop(100), suspended = jumps_suspend(100),
                 set = jumps_set_wall_clock(100);
    check_jumps("stops", &stopped, 100);
    check_jumps("suspends", &suspended, 100);
    check_jumps("steps of the wall clock", &set, 0);
    harm_not_run("a suspend of the machine itself",
                 "it would take everybody's; staged by its clock");
    harm_figure("%s; %s; %s; scripted: %" PRIu64 " stops, %" PRIu64 " suspends, %" PRIu64
                " steps: %" PRIu64 " PAUSED, %" PRIu64 " false STALLs",
                of_stops, of_clocks, of_starvation, stopped.stories, suspended.stories, set.stories,
                stopped.paused + suspended.paused, stopped.stalls + suspended.stalls + set.stalls);
    free(of_stops);
    free(of_clocks);
    free(of_starvation);
}

int main(int argc, char **argv)
{
    static const struct harm_check checks[] = {{"all", pauses}, {NULL, NULL}};
    return harm_main(argc, argv, checks);
}
