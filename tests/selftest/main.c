/* heartline-selftest - settles on this very machine what no model of it can.
 *
 *     heartline-selftest            all checks, under two minutes: PASS, FAIL or SKIP each
 *     heartline-selftest NUMBER     one of them ("iii"), in this process, without a watchdog
 *
 * Meant for a person with a Mac (docs/macos-verification.md says what each failure
 * means), and true on Linux, where the checks apply. The library is linked as a
 * user links it, and what it says is compared with what the system says on
 * another way.
 *
 * Each check runs in a process of its own, this program started again with the
 * check's number. So one that hangs is killed, one that the system kills (a Mach
 * port released twice does that) is a failure with its signal, what one has left
 * behind is not there for the next, and no forked child goes on without an exec.
 *
 * Exit status: 0 when nothing failed and something passed.
 */
#include "selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALL_SECONDS 115.0 /* for all checks together, whatever hangs */

extern char **environ;
const char *self_path;

struct check {
    const char *number, *title;
    double seconds; /* after which it counts as hung; several times what it needs */
    enum outcome (*run)(void);
};

/* A new check is one line here. */
static const struct check checks[] = {
    {"i", "threads that burn and stay alive", 20, check_burning},
    {"ii", "threads that end: no spike, no dip", 20, check_leaving},
    {"iii", "10,000 samples leave nothing behind", 60, check_soak},
    {"iv", "a named thread is found by its id", 20, check_names},
    {"v", "the stack of a parked thread", 20, check_stack},
    {"vi", "1,000 stacks of threads that rage", 35, check_storms},
    {"vii", "CPU time agrees with getrusage", 20, check_ticks},
    {"viii", "no stacks under Rosetta", 20, check_rosetta},
    {"ix", "a stopped process is no stall", 30, check_pauses},
    {"x", "the CPU time of a heartbeat", 30, check_heartbeats},
    {"xi", "memory and uptime", 20, check_memory},
};
#define CHECKS (sizeof checks / sizeof *checks)

enum outcome say(enum outcome outcome, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    fflush(stdout);
    return outcome;
}

/* ---- one check, in this process ------------------------------------------------- */

/* The caller's own settings for Heartline would change what is measured. */
static void forget_settings(void)
{
    static const char prefix[] = "HEARTLINE";

    for (size_t i = 0; environ[i];) {
        const char *end = strchr(environ[i], '=');
        char name[256];
        size_t length = end ? (size_t)(end - environ[i]) : 0;
        if (strncmp(environ[i], prefix, sizeof prefix - 1) != 0 || length >= sizeof name) {
            i++;
            continue;
        }
        memcpy(name, environ[i], length);
        name[length] = '\0';
        if (unsetenv(name) != 0)
            i++;
    }
}

static int run_here(const char *number)
{
    for (size_t i = 0; i < CHECKS; i++)
        if (strcmp(checks[i].number, number) == 0) {
            forget_settings();
            _exit((int)checks[i].run()); /* its threads may still rage */
        }
    fprintf(stderr, "heartline-selftest: there is no check %s\n", number);
    return 2;
}

/* ---- one check, in a process of its own ------------------------------------------ */

struct result {
    enum outcome outcome;
    char words[512];
};

static pid_t start(const struct check *check, int *output)
{
    int ends[2];

    if (pipe(ends) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execlp(self_path, self_path, check->number, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *output = ends[0];
    if (child < 0)
        close(ends[0]);
    return child;
}

/* Reads until nobody can write any more, or it is `until`. true: all was read. */
static bool read_words(int output, double until, char *words, size_t size)
{
    size_t length = 0;
    ssize_t count = 1;

    while (count > 0 && now() < until) {
        struct pollfd ready = {.fd = output, .events = POLLIN};
        char rest[256];
        if (poll(&ready, 1, 100) <= 0)
            continue;
        bool has_room = length + 1 < size;
        count = has_room ? read(output, words + length, size - 1 - length)
                         : read(output, rest, sizeof rest);
        if (count > 0 && has_room)
            length += (size_t)count;
    }
    words[length] = '\0';
    return count <= 0;
}

static void judge(int status, struct result *result)
{
    size_t used = strlen(result->words);
    char *end = result->words + used;
    size_t room = sizeof result->words - used;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

    result->outcome = code == PASS || code == SKIP ? (enum outcome)code : FAIL;
    if (WIFSIGNALED(status))
        snprintf(end, room, "%skilled by signal %d", used ? ": " : "", WTERMSIG(status));
    else if (code == 127 && !used)
        snprintf(end, room, "could not start itself again");
    else if (code != PASS && code != FAIL && code != SKIP)
        snprintf(end, room, "%sended with status %d", used ? ": " : "", code);
}

static void run_apart(const struct check *check, double seconds, struct result *result)
{
    int output, status = 0;
    pid_t child = start(check, &output);

    *result = (struct result){.outcome = FAIL};
    if (child < 0) {
        snprintf(result->words, sizeof result->words, "no process: %s", strerror(errno));
        return;
    }
    bool has_ended = read_words(output, now() + seconds, result->words, sizeof result->words);
    if (!has_ended)
        kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    close(output);
    if (has_ended)
        judge(status, result);
    else
        snprintf(result->words, sizeof result->words, "hangs: killed after %.0f s", seconds);
}

/* ---- all of them ------------------------------------------------------------------- */

static void print_machine(void)
{
    struct utsname system;
    monitor_metrics metrics;
    const char *platform = monitor_sample(0, &metrics) == 0 ? metrics.platform : "?";

    monitor_metrics_release(&metrics);
    memset(&system, 0, sizeof system);
    uname(&system);
    printf("heartline-selftest %s, platform %s, %s build%s, on %s %s %s, %u cores\n\n",
           monitor_version_string(), platform,
#if defined(__aarch64__)
           "arm64",
#elif defined(__x86_64__)
           "x86_64",
#else
           "other",
#endif
           is_translated() ? " (translated)" : "", system.sysname, system.release, system.machine,
           usable_cores());
    fflush(stdout);
}

static void print_result(const struct check *check, const struct result *result)
{
    const char *word = result->outcome == PASS ? "PASS" : result->outcome == SKIP ? "SKIP" : "FAIL";
    char number[8];

    snprintf(number, sizeof number, "(%s)", check->number);
    printf("%s  %-6s %-36s %s\n", word, number, check->title, result->words);
    fflush(stdout);
}

static int run_all(void)
{
    unsigned passed = 0, failed = 0, skipped = 0;
    double began = now();

    print_machine();
    for (size_t i = 0; i < CHECKS; i++) {
        struct result result;
        double left = began + ALL_SECONDS - now();
        run_apart(&checks[i], left < checks[i].seconds ? left : checks[i].seconds, &result);
        print_result(&checks[i], &result);
        passed += result.outcome == PASS;
        skipped += result.outcome == SKIP;
        failed += result.outcome == FAIL;
    }
    printf("\n%u passed, %u failed, %u skipped, %.0f s\n", passed, failed, skipped, now() - began);
    return failed == 0 && passed > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    self_path = argv[0];
    return argc > 1 ? run_here(argv[1]) : run_all();
}
