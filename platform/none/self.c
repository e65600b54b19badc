/* platform/none/self.c - who is calling, and what it may trust.
 *
 * POSIX has no number for a thread, so each one that asks gets the next: unlike
 * a pthread_t it is short, and never used twice. The variable is initial-exec:
 * the first touch of an ordinary one may allocate, in a signal handler, too.
 */
#define _POSIX_C_SOURCE 200809L
#include "../platform.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __ELF__
#define AT_FIXED_PLACE __attribute__((tls_model("initial-exec")))
#else
#define AT_FIXED_PLACE
#endif

static _Atomic uint64_t threads_seen;
static _Thread_local uint64_t own_id AT_FIXED_PLACE;

const struct hl_plat_copy *hl_plat_find_copy(size_t n)
{
    (void)n;
    return NULL;
}

uint64_t hl_plat_process_id(void)
{
    return (uint64_t)getpid();
}

uint64_t hl_plat_process_start(void)
{
    return 0;
}

uint64_t hl_plat_thread_id(void)
{
    /* A signal handler that comes in between takes a number that is lost. */
    if (own_id == 0)
        own_id = atomic_fetch_add(&threads_seen, 1) + 1;
    return own_id;
}

bool hl_plat_env_is_trusted(void)
{
    return getuid() == geteuid() && getgid() == getegid();
}

uint64_t hl_plat_main_thread_id(void)
{
    return 0;
}

const char *hl_plat_getenv(const char *name)
{
    return hl_plat_env_is_trusted() ? getenv(name) : NULL;
}

bool hl_plat_stack_bounds(const void *address, uintptr_t *low, uintptr_t *high)
{
    (void)address;
    (void)low;
    (void)high;
    return false;
}

/* A guess from what libraries are known to do: early keys lie in the thread's own
 * memory. A no would mean that no thread's end is ever noticed, as threads cannot
 * be listed here either. */
bool hl_plat_key_is_signal_safe(pthread_key_t key)
{
    return key < 32;
}

void hl_plat_name_self(const char *name)
{
    (void)name;
}

void hl_plat_own_name(char name[HL_PLAT_NAME_BYTES])
{
    name[0] = 0;
}
