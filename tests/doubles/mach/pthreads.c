/* tests/doubles/mach/pthreads.c - Apple's additions to pthread. */
#include "fake_inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NAME_BYTES 64 /* with its terminator */
#define STACK_BYTES (8u << 20)

/* glibc packs a thread's number into the number of its CPU clock. One that has ended and
 * waits to be joined has lost it: Apple's would still tell, so it gets one that no thread has. */
static uint64_t tid_of(pthread_t thread)
{
    clockid_t clock;

    if (thread == 0 || pthread_equal(thread, pthread_self()))
        return fake_own_tid();
    if (pthread_getcpuclockid(thread, &clock) != 0)
        return (uint64_t)thread | UINT64_C(1) << 63;
    return (uint64_t)(uint32_t) ~(clock >> 3);
}

/* In a script there is no way from a real thread to one of its own but for the caller. */
static uint64_t id_of(pthread_t thread)
{
    if (!fake_world.is_scripted)
        return tid_of(thread);
    return thread == 0 || pthread_equal(thread, pthread_self()) ? fake_self() : 0;
}

int fake_pthread_threadid_np(pthread_t thread, uint64_t *id)
{
    int code = fake_enter(FAKE_THREADID);
    uint64_t found = id_of(thread);

    fake_leave();
    if (code != FAKE_NO_CODE)
        return code;
    if (found == 0)
        return ESRCH;
    *id = found;
    return 0;
}

mach_port_t pthread_mach_thread_np(pthread_t thread)
{
    fake_enter(FAKE_MACH_THREAD);
    uint64_t id = id_of(thread);
    mach_port_t name = id ? fake_name_of(id, true) : MACH_PORT_NULL;
    fake_leave();
    return name;
}

int pthread_main_np(void)
{
    fake_enter(FAKE_MAIN);
    bool is_main =
        fake_world.is_scripted ? fake_self() == fake_main() : fake_own_tid() == (uint64_t)getpid();
    fake_leave();
    return is_main;
}

/* ---- names ----------------------------------------------------------------------- */

static void name_self(const char *name)
{
    char cut[16];

    if (fake_world.is_scripted) {
        fake_thread_name(fake_self(), name, strlen(name));
        return;
    }
    snprintf(cut, sizeof cut, "%s", name); /* Linux keeps no more */
    prctl(PR_SET_NAME, cut);
}

int fake_pthread_setname_np(const char *name)
{
    int code = fake_enter(FAKE_SETNAME);

    if (code == FAKE_NO_CODE)
        code = strlen(name) >= NAME_BYTES ? ENAMETOOLONG : 0;
    if (code == 0)
        name_self(name);
    fake_leave();
    return code;
}

int fake_pthread_getname_np(pthread_t thread, char *name, size_t size)
{
    int code = fake_enter(FAKE_GETNAME);
    uint64_t id = id_of(thread);
    struct fake_live_thread real = {.name = ""};

    if (code == FAKE_NO_CODE) {
        const struct fake_thread *script = fake_world.is_scripted ? fake_find(id) : NULL;
        bool is_there = script || (!fake_world.is_scripted && fake_live_thread(id, &real));
        if (is_there)
            snprintf(name, size, "%.*s", (int)(script ? script->name_length : NAME_BYTES),
                     script ? script->name : real.name);
        code = is_there ? 0 : ESRCH;
    }
    fake_leave();
    return code;
}

/* ---- stacks ------------------------------------------------------------------------ */

/* Real ones in both modes. glibc keeps its own data at the high end of a thread's stack, and
 * that is where a pthread_t points; the first thread's is the mapping that the kernel made. */
static bool is_first(pthread_t thread)
{
    return tid_of(thread) == (uint64_t)getpid();
}

static uintptr_t first_stack(void)
{
    uintptr_t low, high;
    char text[1024];
    unsigned long long start;

    /* startstack, the 28th: within the topmost page or so, whoever asks */
    if (fake_read_file("/proc/self/stat", text, sizeof text) <= 0)
        return 0;
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1,
                        " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                        "%*s %*s %*s %*s %*s %*s %*s %llu",
                        &start) != 1)
        return 0;
    return fake_live_mapping((uintptr_t)start, &low, &high) ? high : 0;
}

void *pthread_get_stackaddr_np(pthread_t thread)
{
    fake_enter(FAKE_STACK);
    uint64_t tid = tid_of(thread);
    uintptr_t high = !fake_live_exists(tid) ? 0
                     : is_first(thread)     ? first_stack()
                                            : (uintptr_t)thread;
    fake_leave();
    return (void *)(high ? high : ESRCH); /* not NULL: so says libpthread */
}

/* Of the first thread as the limit says, whether or not that much is mapped; of one that
 * is not there, the size that new ones get. */
size_t pthread_get_stacksize_np(pthread_t thread)
{
    uintptr_t low, high;
    struct rlimit limit;
    size_t size = 512u << 10;

    fake_enter(FAKE_STACK);
    if (is_first(thread)) {
        size = getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
                   ? limit.rlim_cur
                   : STACK_BYTES;
    } else if (fake_live_mapping((uintptr_t)thread - 1, &low, &high)) {
        size = (uintptr_t)thread - low;
    }
    fake_leave();
    return size;
}
