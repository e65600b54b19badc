/* platform/linux/self.c - who is calling, and what it may trust. */
#define _GNU_SOURCE
#include "../platform.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint64_t hl_plat_process_id(void)
{
    return (uint64_t)getpid();
}

/* In ticks since the system's start. Asked before main, too: without a struct hl_plat. */
uint64_t hl_plat_process_start(void)
{
    int saved = errno;
    char text[1024], state;
    uint64_t ticks = HL_PLAT_UNKNOWN;
    int descriptor = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t size = descriptor >= 0 ? read(descriptor, text, sizeof text) : -1;

    if (descriptor >= 0)
        close(descriptor);
    if (size > 0)
        hl_plat_parse_stat(text, (size_t)size, &state, &ticks);
    errno = saved;
    return ticks == HL_PLAT_UNKNOWN ? 0 : ticks;
}

uint64_t hl_plat_thread_id(void)
{
    return (uint64_t)syscall(SYS_gettid);
}

uint64_t hl_plat_main_thread_id(void)
{
    return (uint64_t)getpid();
}

const char *hl_plat_getenv(const char *name)
{
    return secure_getenv(name);
}

bool hl_plat_env_is_trusted(void)
{
    int saved = errno;
    bool trusted = getauxval(AT_SECURE) == 0;

    errno = saved;
    return trusted;
}

bool hl_plat_key_is_signal_safe(pthread_key_t key)
{
#ifdef __GLIBC__
    return key < 32; /* these lie in the thread's descriptor; the next block comes from calloc */
#else
    (void)key;
    return true; /* musl: all of them lie in the thread's own memory */
#endif
}

void hl_plat_name_self(const char *name)
{
    int saved = errno;

    prctl(PR_SET_NAME, name); /* cuts at 15 bytes; pthread_setname_np refuses instead */
    errno = saved;
}

void hl_plat_own_name(char name[HL_PLAT_NAME_BYTES])
{
    int saved = errno;

    memset(name, 0, HL_PLAT_NAME_BYTES);
    prctl(PR_GET_NAME, name); /* 16 bytes at most, terminated */
    errno = saved;
}

/* The joins with a limit take a time of CLOCK_REALTIME, which may be set back
 * by hours meanwhile, or do not exist in musl. So it is asked again and again,
 * ever more rarely. */
bool hl_plat_join(pthread_t thread, uint64_t timeout_ns)
{
    int saved = errno;
    uint64_t began = hl_plat_now_ns();
    uint64_t nap = 20000;
    bool joined;

    while (!(joined = pthread_tryjoin_np(thread, NULL) == 0)) {
        uint64_t passed = hl_plat_now_ns() - began;
        if (passed >= timeout_ns)
            break;
        uint64_t left = timeout_ns - passed;
        struct timespec pause = {0, (long)(nap < left ? nap : left)};
        nanosleep(&pause, NULL);
        nap = nap < 1000000 ? nap * 2 : nap;
    }
    errno = saved;
    return joined;
}
