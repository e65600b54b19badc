/* tests/doubles/mach/calls.c - the way into every call: counted, failed, and refused while
 * the caller has a thread suspended. */
#include "fake_inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const pthread_mutex_t open_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static _Thread_local uint64_t own_tid;
static _Thread_local bool is_in_hook;
static _Thread_local int saved_errno;

static _Atomic uint64_t suspender; /* the thread that may call little; 0 = nobody */

static void (*hook)(enum fake_call call, void *data);
static void *hook_data;
static void (*_Atomic clock_hook)(void);

struct plan {
    uint64_t at; /* number of the use; 0 = none */
    int code;
    bool lasting;
};
static struct plan plans[FAKE_CALLS], plan_of_any;
static _Atomic uint64_t uses[FAKE_CALLS];
static uint64_t uses_of_all;

_Noreturn void fake_die(const char *format, ...)
{
    char text[512] = "fake Mach: ";
    size_t length = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + length, sizeof text - length - 1, format, arguments);
    va_end(arguments);
    strcat(text, "\n");
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        abort();
    abort();
}

const char *fake_call_text(enum fake_call call)
{
    static const char *const texts[] = {
#define TEXT(name, function) #function,
        FAKE_EACH_CALL(TEXT)
#undef TEXT
    };
    return texts[call];
}

uint64_t fake_own_tid(void)
{
    if (own_tid == 0)
        own_tid = (uint64_t)syscall(SYS_gettid);
    return own_tid;
}

/* ---- the lock ---------------------------------------------------------------- */

void fake_lock(void)
{
    pthread_mutex_lock(&lock);
}

void fake_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* Whoever held the lock is not in the child, and may have been in the middle of anything. */
static void begin_child(void)
{
    lock = open_lock;
    own_tid = 0;
    is_in_hook = false;
    atomic_store(&suspender, 0);
    for (int call = 0; call < FAKE_CALLS; call++)
        atomic_store(&uses[call], 0);
    uses_of_all = 0;
    memset(plans, 0, sizeof plans);
    plan_of_any = (struct plan){0};
    fake_suspension_reset();
    fake_rights_reset();
    for (size_t i = 0; i < fake_world.thread_count; i++)
        if (fake_world.threads[i].id != fake_self())
            fake_world.threads[i].is_live = false;
}

/* Before the library's own handlers, so that in the child theirs find this done: hence the
 * priority, as constructors run in the order in which files are linked. */
static __attribute__((constructor(101))) void watch_forks(void)
{
    pthread_atfork(NULL, NULL, begin_child);
}

/* ---- failing ------------------------------------------------------------------ */

static bool is_due(const struct plan *plan, uint64_t use)
{
    return plan->at != 0 && (plan->lasting ? use >= plan->at : use == plan->at);
}

static int planned(enum fake_call call)
{
    uint64_t use = atomic_fetch_add(&uses[call], 1) + 1;

    if (!FAKE_CAN_FAIL(call))
        return FAKE_NO_CODE;
    uses_of_all++;
    if (is_due(&plans[call], use))
        return plans[call].code;
    return is_due(&plan_of_any, uses_of_all) ? plan_of_any.code : FAKE_NO_CODE;
}

void fake_fail(enum fake_call call, uint64_t k, int code, bool lasting)
{
    fake_lock();
    if (!FAKE_CAN_FAIL(call))
        fake_die("%s cannot fail", fake_call_text(call));
    plans[call] = (struct plan){k ? atomic_load(&uses[call]) + k : 0, code, lasting};
    fake_unlock();
}

void fake_fail_any(uint64_t k, int code, bool lasting)
{
    fake_lock();
    plan_of_any = (struct plan){k ? uses_of_all + k : 0, code, lasting};
    fake_unlock();
}

void fake_before_each(void (*function)(enum fake_call call, void *data), void *data)
{
    fake_lock();
    hook = function;
    hook_data = data;
    fake_unlock();
}

void fake_before_clock(void (*function)(void))
{
    atomic_store(&clock_hook, function);
}

uint64_t fake_uses(enum fake_call call)
{
    return atomic_load(&uses[call]);
}

uint64_t fake_uses_of_all(void)
{
    fake_lock();
    uint64_t all = uses_of_all;
    fake_unlock();
    return all;
}

/* ---- suspensions ----------------------------------------------------------------- */

static bool is_allowed_in_suspension(enum fake_call call)
{
    return call == FAKE_THREAD_GET_STATE || call == FAKE_VM_READ_OVERWRITE ||
           call == FAKE_THREAD_RESUME || call == FAKE_CLOCK;
}

static bool is_suspender(void)
{
    return atomic_load(&suspender) == fake_own_tid();
}

static bool somebody_suspends(void)
{
    return atomic_load(&suspender) != 0;
}

void fake_suspension_begins(void)
{
    fake_lock(); /* kept until it ends */
    atomic_store(&suspender, fake_own_tid());
}

void fake_suspension_ends(void)
{
    if (!is_suspender())
        return;
    atomic_store(&suspender, 0);
    fake_unlock();
}

void fake_allocates(const char *what)
{
    if (is_suspender())
        fake_die("%s while a thread is suspended", what);
}

static void check_suspension(enum fake_call call)
{
    if (is_suspender() && !is_allowed_in_suspension(call))
        fake_die("%s while a thread is suspended", fake_call_text(call));
    if (call == FAKE_THREAD_SUSPEND && somebody_suspends())
        fake_die("thread_suspend while another caller has a thread suspended");
}

/* ---- in and out -------------------------------------------------------------------- */

static void run_hook(enum fake_call call)
{
    if (is_in_hook)
        return;
    fake_lock();
    void (*function)(enum fake_call call, void *data) = hook;
    void *data = hook_data;
    fake_unlock();
    if (!function)
        return;
    is_in_hook = true;
    function(call, data);
    is_in_hook = false;
}

int fake_enter(enum fake_call call)
{
    int error = errno;

    check_suspension(call);
    run_hook(call);
    fake_lock();
    saved_errno = error;
    return planned(call);
}

void fake_leave(void)
{
    errno = saved_errno;
    fake_unlock();
}

/* Not fake_enter: reading the clock is no call into the kernel, and takes no lock. */
void fake_enter_clock(void)
{
    void (*function)(void) = atomic_load(&clock_hook);

    if (function && !is_in_hook) {
        is_in_hook = true;
        function();
        is_in_hook = false;
    }
    atomic_fetch_add_explicit(&uses[FAKE_CLOCK], 1, memory_order_relaxed);
}

void fake_calls_reset(void)
{
    hook = NULL;
    atomic_store(&clock_hook, NULL);
    memset(plans, 0, sizeof plans);
    plan_of_any = (struct plan){0};
    for (int call = 0; call < FAKE_CALLS; call++)
        atomic_store(&uses[call], 0);
    uses_of_all = 0;
    fake_suspension_ends();
}
