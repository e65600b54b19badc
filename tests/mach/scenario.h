/* tests/mach/scenario.h - what scenarios on the model share that are played in a child,
 * because what they do may hold for the rest of a process. One reports the line of the
 * first thing that was not true, 0 = all was.
 */
#ifndef TESTS_MACH_SCENARIO_H
#define TESTS_MACH_SCENARIO_H

#include "../../platform/platform.h"
#include "fake_mach.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(condition)      \
    do {                     \
        if (!(condition))    \
            return __LINE__; \
    } while (0)

/* exit statuses have eight bits, lines more */
static inline int play_in_child(int (*scenario)(void *data), void *data)
{
    int *line = mmap(NULL, sizeof *line, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status, result;
    pid_t child = fork();

    if (child == 0) {
        *line = scenario(data);
        _exit(0);
    }
    waitpid(child, &status, 0);
    result = status == 0 ? *line : -status;
    munmap(line, sizeof *line);
    return result;
}

static inline bool nothing_is_outstanding(void)
{
    struct fake_outstanding left = fake_outstanding();

    return left.rights == 0 && left.names == 0 && left.arrays == 0 && left.suspensions == 0;
}

/* ---- a stack to be captured -------------------------------------------------------- */

/* Three frames and the function that has none: pc and four returns, of the right kind
 * of memory for any processor. */
#define FRAMES 3
static _Alignas(16) uintptr_t stack[8 * (FRAMES + 1)];

static inline uintptr_t code_at(size_t frame)
{
    return 0x104000000 + 0x100 * frame;
}

static inline void fill_stack(void)
{
    for (size_t i = 0; i < FRAMES; i++) {
        stack[8 * (i + 1)] = i + 1 < FRAMES ? (uintptr_t)&stack[8 * (i + 2)] : 0;
        stack[8 * (i + 1) + 1] = code_at(i + 1);
    }
}

static inline void give_stack(uint64_t id)
{
    fake_thread_registers(id, code_at(0), (uintptr_t)&stack[8], (uintptr_t)stack, 0);
}

static inline bool is_that_stack(const struct hl_plat_frames *frames)
{
    if (frames->count != FRAMES + 1 || frames->truncated)
        return false;
    for (size_t i = 0; i <= FRAMES; i++)
        if (frames->pc[i] != code_at(i))
            return false;
    return true;
}

#endif
