/* platform/darwin/self.c - who is calling, and what it may trust.
 *
 * A thread's number is its thread_id, unique in the system and never used again;
 * pthread_threadid_np gives the caller's own from its own memory. A port name is not
 * one: names are recycled.
 *
 * libpthread has no join with a limit, and pthread_kill with 0 may meet a stranger
 * under a recycled name. So a join asks the kernel by thread_id whether the thread is
 * still there: it is taken off the list of its task after whoever joins it was told.
 */
#define _DARWIN_C_SOURCE
#define _DEFAULT_SOURCE
#include "plat.h"

#include <errno.h>
#include <libproc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME_BYTES 16 /* what every platform can keep of a name */
#define LONGEST_NAP_NS 1000000u

const struct hl_plat_copy *hl_plat_find_copy(size_t n)
{
    (void)n;
    return NULL;
}

uint64_t hl_plat_process_id(void)
{
    return (uint64_t)getpid();
}

uint64_t hl_plat_thread_id(void)
{
    uint64_t id = 0;

    pthread_threadid_np(NULL, &id);
    return id;
}

/* ---- the main thread -------------------------------------------------------- */

static _Atomic uint64_t main_thread, main_process;

/* No thread can ask for another: so whenever this is called by the one that it is,
 * it is remembered. In the child of a fork that is another one. */
uint64_t hl_plat_main_thread_id(void)
{
    if (pthread_main_np()) {
        atomic_store(&main_thread, hl_plat_thread_id());
        atomic_store(&main_process, hl_plat_process_id());
    }
    return atomic_load(&main_process) == hl_plat_process_id() ? atomic_load(&main_thread) : 0;
}

/* A program that links the library loads it in its main thread. */
__attribute__((constructor)) static void meet_the_main_thread(void)
{
    hl_plat_main_thread_id();
}

/* ---- trust ------------------------------------------------------------------- */

bool hl_plat_env_is_trusted(void)
{
    return !issetugid(); /* true also for one that has given up the rights since */
}

const char *hl_plat_getenv(const char *name)
{
    return hl_plat_env_is_trusted() ? getenv(name) : NULL;
}

/* ---- its stack, its keys, its name --------------------------------------------- */

/* For the caller libpthread answers from the caller's own memory; about other threads
 * it would take a lock, and answer 3 (ESRCH) where it knows none. The address is the
 * high end. The size of the main thread's is RLIMIT_STACK, of which not all need be
 * mapped yet. */
bool hl_plat_stack_bounds(const void *address, uintptr_t *low, uintptr_t *high)
{
    uintptr_t here = (uintptr_t)address;
    uintptr_t top = (uintptr_t)pthread_get_stackaddr_np(pthread_self());
    size_t size = pthread_get_stacksize_np(pthread_self());

    if (size == 0 || size >= top || here >= top || here < top - size)
        return false;
    *low = top - size;
    *high = top;
    return true;
}

/* The values of all keys lie in the thread's own structure (libpthread, pthread_tsd.c). */
bool hl_plat_key_is_signal_safe(pthread_key_t key)
{
    (void)key;
    return true;
}

void hl_plat_name_self(const char *name)
{
    char cut[NAME_BYTES] = "";
    int saved = errno;

    memcpy(cut, name, strnlen(name, sizeof cut - 1));
    pthread_setname_np(cut);
    hl_plat_capture_spare(hl_plat_thread_id()); /* only our own threads name themselves */
    errno = saved;
}

void hl_plat_own_name(char name[HL_PLAT_NAME_BYTES])
{
    int saved = errno;

    name[0] = 0;
    pthread_getname_np(pthread_self(), name, HL_PLAT_NAME_BYTES);
    errno = saved;
}

/* ---- join ------------------------------------------------------------------------ */

static bool has_ended(uint64_t id)
{
    struct proc_threadinfo info;

    errno = 0;
    return proc_pidinfo(getpid(), PROC_PIDTHREADID64INFO, id, &info, sizeof info) <= 0 &&
           errno == ESRCH;
}

static bool ends_within(uint64_t id, uint64_t timeout_ns)
{
    uint64_t began = hl_plat_now_ns();
    uint64_t nap = 20000;

    while (!has_ended(id)) {
        uint64_t passed = hl_plat_now_ns() - began;
        if (passed >= timeout_ns)
            return false;
        uint64_t left = timeout_ns - passed;
        struct timespec pause = {0, (long)(nap < left ? nap : left)};
        nanosleep(&pause, NULL);
        nap = nap < LONGEST_NAP_NS ? nap * 2 : nap;
    }
    return true;
}

bool hl_plat_join(pthread_t thread, uint64_t timeout_ns)
{
    int saved = errno;
    uint64_t id = 0;
    bool joined = pthread_threadid_np(thread, &id) == 0 && ends_within(id, timeout_ns) &&
                  pthread_join(thread, NULL) == 0;

    errno = saved;
    return joined;
}
