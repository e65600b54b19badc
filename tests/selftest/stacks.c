/* tests/selftest/stacks.c - the frames of another thread, asked for again and again.
 *
 * (v) A parked thread has noted an address that its stack must contain: where the
 * function that parks will return to. (vi) Captures while threads hold the locks of
 * malloc, of the loader and of fork most of the time: a capture that takes one of
 * them with a thread stopped hangs, and is killed from outside. (viii) An x86_64
 * program that Rosetta translates is refused, since stopping its threads can hang.
 *
 * Built with frame pointers, which Apple's compiler leaves in by default.
 */
#include "selftest.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_FRAMES 64
#define PARKED_SECONDS 60.0
#define CAPTURES 1000
#define STORM_SECONDS 20.0 /* then it is not settled */

/* ---- a parked thread -------------------------------------------------------------- */

struct parked {
    _Atomic uint64_t tid;
    _Atomic uintptr_t returns_to; /* 0 = not there yet */
};

__attribute__((noinline)) static void stand(struct parked *parked)
{
    atomic_store(&parked->returns_to, (uintptr_t)__builtin_return_address(0));
    sleep_until(now() + PARKED_SECONDS);
    atomic_store(&parked->returns_to, 0);
}

__attribute__((noinline)) static void go_in(struct parked *parked)
{
    stand(parked);
    atomic_store(&parked->tid, 0);
}

static void *park(void *argument)
{
    struct parked *parked = argument;

    atomic_store(&parked->tid, own_thread_id());
    go_in(parked);
    return NULL;
}

static void start_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, body, argument) != 0)
        exit(say(FAIL, "no thread"));
    pthread_detach(thread);
}

static void start_parked(struct parked *parked)
{
    start_thread(park, parked);
    while (atomic_load(&parked->returns_to) == 0)
        sleep_until(now() + 0.001);
    sleep_until(now() + 0.05); /* it sleeps by now */
}

/* Where in the frames this address is, or -1. */
static int position(const uintptr_t *frames, int count, uintptr_t address)
{
    for (int i = 0; i < count; i++)
        if (frames[i] == address)
            return i;
    return -1;
}

/* Where the answer is -ENOTSUP from the first. */
static enum outcome say_unavailable(void)
{
    if (is_translated())
        return say(PASS, "not available, as it must be under Rosetta");
    return say(is_on_platform("macos") ? FAIL : SKIP, "not available");
}

/* ---- (v) ----------------------------------------------------------------------------- */

enum outcome check_stack(void)
{
    static struct parked parked;
    uintptr_t frames[MOST_FRAMES];

    start_parked(&parked);
    int count = monitor_stack(atomic_load(&parked.tid), frames, MOST_FRAMES);
    if (count == -ENOTSUP)
        return say_unavailable();
    if (count < 0)
        return say(FAIL, "monitor_stack: %s", strerror(-count));
    int at = position(frames, count, atomic_load(&parked.returns_to));
    return say(at >= 0 ? PASS : FAIL, "%d frames of a parked thread, its own function %s", count,
               at >= 0 ? "among them" : "not among them");
}

/* ---- (vi) ---------------------------------------------------------------------------- */

struct storm {
    const char *name;
    void (*turn)(void);
    _Atomic uint64_t tid, turns;
};

static void allocate(void)
{
    void *memory[32];

    for (size_t i = 0; i < 32; i++)
        memory[i] = malloc((i * 977 + 13) % 20000 + 1);
    for (size_t i = 0; i < 32; i++)
        free(memory[i]);
}

static void load(void)
{
    void *library = dlopen(loadable_library, RTLD_NOW | RTLD_LOCAL);

    if (library)
        dlclose(library);
}

static void fork_once(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    if (child > 0)
        waitpid(child, NULL, 0);
}

static void *rage(void *argument)
{
    struct storm *storm = argument;

    atomic_store(&storm->tid, own_thread_id());
    for (;;) {
        storm->turn();
        atomic_fetch_add(&storm->turns, 1);
    }
    return NULL;
}

/* NULL, or the storm that does not move on within a few seconds. */
static const char *stuck_storm(struct storm *storms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t turns = atomic_load(&storms[i].turns);
        double until = now() + 3;
        while (atomic_load(&storms[i].turns) == turns && now() < until)
            sleep_until(now() + 0.01);
        if (atomic_load(&storms[i].turns) == turns)
            return storms[i].name;
    }
    return NULL;
}

/* What came of the captures so far, also of those in earlier processes. */
struct captures {
    double began;
    unsigned got, refused, gone, failed, given_up;
    unsigned longest_us;
};
static const char kept_in[] = "SELFTEST_CAPTURES"; /* across an exec */

static struct captures take_up(void)
{
    struct captures captures = {.began = now()};
    const char *kept = getenv(kept_in);

    if (kept)
        sscanf(kept, "%lf %u %u %u %u %u %u", &captures.began, &captures.got, &captures.refused,
               &captures.gone, &captures.failed, &captures.given_up, &captures.longest_us);
    while (waitpid(-1, NULL, WNOHANG) > 0) /* left behind by the exec */
        continue;
    return captures;
}

/* Once a thread was stopped for more than a millisecond, a process stops none again. A
 * new one does, and this one becomes it. */
static void begin_anew(struct captures *captures)
{
    char kept[160];

    captures->given_up++;
    snprintf(kept, sizeof kept, "%f %u %u %u %u %u %u", captures->began, captures->got,
             captures->refused, captures->gone, captures->failed, captures->given_up,
             captures->longest_us);
    setenv(kept_in, kept, 1);
    execlp(self_path, self_path, "vi", (char *)NULL);
    exit(say(FAIL, "could not start itself again"));
}

/* false: refused for good. */
static bool capture(uint64_t tid, struct captures *captures)
{
    uintptr_t frames[MOST_FRAMES];
    double began = now();
    int count = monitor_stack(tid, frames, MOST_FRAMES);
    unsigned took_us = (unsigned)((now() - began) * 1e6);

    if (took_us > captures->longest_us)
        captures->longest_us = took_us;
    captures->got += count > 0;
    captures->refused += count == -EAGAIN;
    captures->gone += count == -ESRCH;
    captures->failed += count <= 0 && count != -ENOTSUP && count != -ESRCH && count != -EAGAIN;
    return count != -ENOTSUP;
}

static enum outcome judge_captures(const struct captures *captures, const char *stuck)
{
    if (stuck || captures->gone > 0 || captures->failed > 0)
        return FAIL;
    return captures->got >= CAPTURES ? PASS : SKIP;
}

enum outcome check_storms(void)
{
    static struct storm storms[] = {
        {"malloc", allocate, 0, 0}, {"dlopen", load, 0, 0}, {"fork", fork_once, 0, 0}};
    const size_t count = sizeof storms / sizeof *storms;
    struct captures captures = take_up();

    for (size_t i = 0; i < count; i++) {
        start_thread(rage, &storms[i]);
        while (atomic_load(&storms[i].turns) == 0)
            sleep_until(now() + 0.001);
    }
    while (captures.got < CAPTURES && now() < captures.began + STORM_SECONDS) {
        if (!capture(atomic_load(&storms[captures.got % count].tid), &captures)) {
            if (captures.got == 0)
                return say_unavailable();
            begin_anew(&captures);
        }
        sleep_until(now() + 0.002);
    }
    const char *stuck = stuck_storm(storms, count);
    enum outcome outcome = judge_captures(&captures, stuck);
    return say(outcome,
               "%s%u stacks of threads in malloc, dlopen and fork, %u refused, %u gone, %u failed; "
               "the slowest call took %u us; %u times a suspension above 1 ms ended them for a "
               "process; %s%s",
               outcome == SKIP ? "too busy a machine for 1,000: " : "", captures.got,
               captures.refused, captures.gone, captures.failed, captures.longest_us,
               captures.given_up, stuck ? stuck : "all go on", stuck ? " hangs" : "");
}

/* ---- (viii) -------------------------------------------------------------------------- */

enum outcome check_rosetta(void)
{
    static struct parked parked;
    uintptr_t frames[MOST_FRAMES];

    if (!is_translated())
        return say(SKIP,
                   "not translated: on a Mac with Apple's processor, run the x86_64 build too");
    start_parked(&parked);
    int count = monitor_stack(atomic_load(&parked.tid), frames, MOST_FRAMES);
    return say(count == -ENOTSUP ? PASS : FAIL, "translated: monitor_stack answers %d, expected %d",
               count, -ENOTSUP);
}
