/* tests/selftest/nomach.c - where there is no Mach: Linux, and whatever else has gettid. */
#include "selftest.h"

#include <sys/syscall.h>
#include <unistd.h>

const size_t longest_name = 15;
const char *const loadable_library = "libcrypt.so.1";

uint64_t own_thread_id(void)
{
    return (uint64_t)syscall(SYS_gettid);
}

void name_own_thread(const char *name)
{
    pthread_setname_np(pthread_self(), name);
}

bool is_translated(void)
{
    return false;
}

bool count_rights(const pthread_t *threads, size_t count, uint64_t *references, uint64_t *names)
{
    (void)threads, (void)count, (void)references, (void)names;
    return false;
}
