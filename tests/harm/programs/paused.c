/* A program that is never stuck: a thread that pushes and pops and one that counts, both
 * each few milliseconds, one whose scopes live for half of their limit, and one that waits
 * by declaration. Whatever STALL its log has is false, but for those of the times in which
 * they truly did not come to it, which they print:
 *
 *     paused LOG CLOCKS STALL_MS INTERVAL_MS
 *
 *     ready 0 0
 *     quiet BEGAN ENDED       a thread was out of touch for half of the limit; CLOCK_MONOTONIC
 *     ran BEGAN ENDED         from the start of the monitor to its end
 *
 * It ends when its standard input does. The clocks that the library reads, of which two
 * are moved from outside (paused.h), are this program's: platform.h has a pointer for one
 * way of reading, the other is the C library's function.
 */
#define _GNU_SOURCE
#include "paused.h"

#include "../../../platform/platform.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REST_NS 4000000

static struct paused_clocks *clocks;
static _Atomic bool is_over;
static int64_t stall_ns;

/* ---- its clocks ---------------------------------------------------------------------- */

/* Nobody but the monitor at its work asks for the wall clock. */
static int64_t moved_by(clockid_t clock)
{
    if (!clocks || (clock != CLOCK_REALTIME && clock != CLOCK_BOOTTIME))
        return 0;
    if (clock == CLOCK_BOOTTIME)
        return clocks->boot_ns;
    clocks->boot_ns += atomic_exchange(&clocks->boot_at_work_ns, 0);
    return clocks->wall_ns;
}

static int read_moved(clockid_t clock, struct timespec *now)
{
    if (syscall(SYS_clock_gettime, clock, now) != 0)
        return -1;
    int64_t all = now->tv_sec * INT64_C(1000000000) + now->tv_nsec + moved_by(clock);
    now->tv_sec = all / 1000000000;
    now->tv_nsec = all % 1000000000;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    return read_moved(clock, now);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static bool take_clocks(const char *path)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    void *memory = mmap(NULL, sizeof *clocks, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    clocks = memory == MAP_FAILED ? NULL : memory;
    hl_plat_scope_clock.read = read_moved;
    return clocks != NULL;
}

/* ---- signs of life -------------------------------------------------------------------- */

static void say(const char *what, int64_t began, int64_t ended)
{
    dprintf(STDOUT_FILENO, "%s %lld %lld\n", what, (long long)began, (long long)ended);
}

/* One was given: notes when the one before is long ago. */
static void note_sign(int64_t *last)
{
    int64_t now = now_ns();
    if (now - *last >= stall_ns / 2)
        say("quiet", *last, now);
    *last = now;
}

static void rest(void)
{
    struct timespec nap = {0, REST_NS};
    nanosleep(&nap, NULL);
}

static void *push_and_pop(void *nothing)
{
    int64_t last = now_ns();
    scope_push("steps");
    while (!is_over) {
        scope_push("a step");
        note_sign(&last);
        rest();
        scope_pop();
    }
    scope_pop();
    return nothing;
}

static void *count_on(void *nothing)
{
    scope_progress progress = scope_push_progress("counting", 0);
    for (int64_t last = now_ns(); !is_over; rest()) {
        scope_progress_add(progress, 1);
        note_sign(&last);
    }
    scope_pop();
    return nothing;
}

/* Half of the limit in small steps: after a stop it is still there to be judged. */
static void *live_bounded(void *nothing)
{
    while (!is_over) {
        int64_t began = now_ns();
        scope_push("bounded");
        scope_expect((uint64_t)stall_ns / 1000000);
        for (int64_t steps = stall_ns / 2 / REST_NS; steps > 0 && !is_over; steps--)
            rest();
        scope_pop();
        note_sign(&began);
    }
    return nothing;
}

static void *wait_for_it(void *nothing)
{
    scope_wait("waiting");
    while (!is_over)
        rest();
    scope_pop();
    return nothing;
}

/* ---- its life --------------------------------------------------------------------------- */

static int start(char **arguments)
{
    monitor_options options;
    monitor_options_default(&options);
    options.format = MONITOR_JSON;
    options.log_path = arguments[1];
    options.stall_ms = strtoull(arguments[3], NULL, 10);
    options.interval_ms = strtoull(arguments[4], NULL, 10);
    options.stall_lines = 10000;
    stall_ns = (int64_t)options.stall_ms * 1000000;
    return monitor_start_with(&options);
}

static void live(void)
{
    void *(*const lives[])(void *) = {push_and_pop, count_on, live_bounded, wait_for_it};
    pthread_t threads[4];
    char byte;
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, lives[i], NULL) != 0)
            abort();
    say("ready", 0, 0);
    while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
        continue;
    is_over = true;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

int main(int count, char **arguments)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (count != 5 || !take_clocks(arguments[2]) || start(arguments) != 0)
        return 1;
    int64_t began = now_ns();
    live();
    int64_t ended = now_ns();
    monitor_stop();
    say("ran", began, ended);
    return 0;
}
