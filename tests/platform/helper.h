/* tests/platform/helper.h - what the tests of the contract share.
 *
 * A test process of Criterion has a second thread and eleven descriptors of its
 * own, so whatever closes descriptors, counts threads, stops or limits itself
 * runs in a forked child, which answers through shared memory.
 */
#ifndef TESTS_PLATFORM_HELPER_H
#define TESTS_PLATFORM_HELPER_H

#include "../../platform/platform.h"
#include "../sanitize/has.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

static inline bool is_linux(void)
{
    return strcmp(hl_plat_name, "linux") == 0;
}

/* The platform of macOS on a model of it, which reads /proc and opens files for that. */
static inline bool is_model(void)
{
#ifdef __APPLE__
    return false;
#else
    return strcmp(hl_plat_name, "macos") == 0;
#endif
}

#define ONLY_ON_LINUX(why) \
    do {                   \
        if (!is_linux())   \
            cr_skip(why);  \
    } while (0)

/* Threads in a forked child may hang in a sanitizer, whose locks are not the child's. */
#define NEEDS_FORK()   \
    if (HAS_SANITIZER) \
    cr_skip("under a sanitizer, forked children have no threads")

static inline void nap(uint64_t ns)
{
    struct timespec pause = {(time_t)(ns / S), (long)(ns % S)};

    while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
        continue;
}

/* Uses a core until the calling thread has used `ns` of CPU time. */
static inline void burn(uint64_t ns)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    uint64_t end = (uint64_t)used.tv_sec * S + (uint64_t)used.tv_nsec + ns;
    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    while ((uint64_t)used.tv_sec * S + (uint64_t)used.tv_nsec < end);
}

/* The cheap question about a thread that sits in the wait that was seen. */
static inline void assert_asked_the_same(struct hl_plat *plat, uint64_t tid,
                                         const struct hl_plat_look *look)
{
    uint64_t other = hl_plat_waits_for(plat, tid);

    if (look->waits_for == HL_PLAT_FOR_JOIN)
        cr_assert_eq(other, look->awaited);
    else if (look->waits_for == HL_PLAT_FOR_MUTEX && look->mutex.owner)
        cr_assert_eq(other, look->mutex.owner);
    else if (look->waits_for == HL_PLAT_FOR_MUTEX || look->waits_for == HL_PLAT_FOR_UNKNOWN ||
             look->is_vague)
        cr_assert_eq(other, HL_PLAT_SOMEBODY, "%s waits for %d", look->call, look->waits_for);
    else
        cr_assert_eq(other, 0, "%s waits for %d", look->call, look->waits_for);
}

/* Starts a child that runs `body` with `shared` and ends. */
static inline pid_t start_child(void (*body)(void *shared), void *shared)
{
    pid_t child = fork();

    if (child == 0) {
        alarm(60);
        body(shared);
        _exit(0);
    }
    cr_assert_gt(child, 0);
    return child;
}

static inline void end_child(pid_t child)
{
    int status;

    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %#x", status);
}

static inline void in_child(void (*body)(void *shared), void *shared)
{
    end_child(start_child(body, shared));
}

static inline void close_from(int lowest)
{
    for (int descriptor = lowest; descriptor < 1024; descriptor++)
        close(descriptor);
}

static inline int open_descriptors(void)
{
    int count = 0;

    for (int descriptor = 0; descriptor < 1024; descriptor++)
        count += fcntl(descriptor, F_GETFD) >= 0;
    return count;
}

static inline void learn_within(uint64_t most_ns)
{
    uint64_t began = hl_plat_now_ns();

    hl_plat_learn();
    while (hl_plat_is_learning()) {
        cr_assert_lt(hl_plat_now_ns() - began, most_ns, "it does not end");
        nap(MS);
    }
}

#endif
