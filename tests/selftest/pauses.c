/* tests/selftest/pauses.c - a process that is stopped for longer than the limit.
 *
 * A child stops this process with SIGSTOP, lets it go on with SIGCONT, twice. The
 * scope had shown life right before, so what passed while nothing could run must not
 * count: a STALL would be false. Where the platform cannot tell a stop from lateness
 * (macOS, none), that is known and documented, and is shown but not held against it.
 */
#include "selftest.h"

#include <heartline/scope.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 1000
#define STOPPED_SECONDS 2.5
#define STOPS 2

/* In the child: after a fork in a program with threads, nothing but system calls. */
static void stop_parent(pid_t parent)
{
    struct timespec awake = {1, 0};
    struct timespec stopped = {(time_t)STOPPED_SECONDS,
                               (long)((STOPPED_SECONDS - (double)(time_t)STOPPED_SECONDS) * 1e9)};

    for (int i = 0; i < STOPS; i++) {
        nanosleep(&awake, NULL);
        if (getppid() != parent)
            break; /* it has ended, and another may have its number */
        kill(parent, SIGSTOP);
        nanosleep(&stopped, NULL);
        kill(parent, SIGCONT);
    }
    _exit(0);
}

/* Shows life three times a second, until the child has done its work and a while more. */
static double live_on(pid_t child)
{
    double longest = 0, last = now(), until = 0;

    while (until == 0 || last < until) {
        scope_push("alive");
        scope_pop();
        sleep_until(last + 0.3);
        double gap = now() - last;
        longest = gap > longest ? gap : longest;
        last += gap;
        if (until == 0 && waitpid(child, NULL, WNOHANG) != 0)
            until = last + 1.5;
    }
    return longest;
}

enum outcome check_pauses(void)
{
    static struct lines lines;
    int error = start_recording(&lines, 200, LIMIT_MS);

    if (error)
        return say(FAIL, "monitor_start: %s", strerror(-error));
    SCOPE("held");
    pid_t parent = getpid(), child = fork();
    if (child == 0)
        stop_parent(parent);
    if (child < 0)
        return say(FAIL, "no child");
    double longest = live_on(child);
    monitor_stop();
    size_t stalls = count_records(&lines, "STALL"), pauses = count_records(&lines, "PAUSED");
    bool can_tell = is_on_platform("linux") || pauses > 0;
    if (longest < STOPPED_SECONDS - 0.5)
        return say(SKIP, "the process was not stopped");
    return say(stalls == 0 ? PASS
               : can_tell  ? FAIL
                           : SKIP,
               "stopped %d times for %.1f s, limit %.1f s: %zu STALL, %zu PAUSED%s", STOPS,
               STOPPED_SECONDS, LIMIT_MS / 1000.0, stalls, pauses,
               stalls > 0 && !can_tell ? " (known: a stop cannot be told here)" : "");
}
