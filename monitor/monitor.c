/* Start once, the thread, stop, exit and fork: the only file with a thread in
 * it. What the thread does at each wake-up is session.c.
 *
 * One lock guards starting and stopping. Only threads that call those functions
 * ever take it, never the monitor's; it is not held while stop waits for the
 * thread, so a fork meanwhile waits for nobody. A thread that does not end in
 * time (a sink that hangs) is left behind with all its memory; start tries to
 * collect it first. Threads that are cancelled in here would leave the lock
 * behind, so cancellation is off meanwhile. A fork takes the lock, and its other
 * handlers, the application's, may start and stop all the same.
 *
 * A monitor that `heartline run` has started is a substitute until the program starts one:
 * that one has the program's options and, where the program is linked with the static
 * library, its scopes. So it takes the substitute's place, in this copy of the library or
 * in another one (hl_plat_copy).
 *
 * Considered and dropped: starting from scope_push (a library must not create
 * threads from a macro), pthread_cancel for a stuck thread (it may hold the
 * application's lock in its callback).
 */
#include "registry.h"
#include "session.h"
#include "ticket.h"
#include "wake.h"

#include <heartline/monitor.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MILLISECOND 1000000ull
#define STOP_WAITS (250 * MILLISECOND)
#define EXIT_WAITS (50 * MILLISECOND)
#define NAP_NS 1000000 /* while another thread stops */
/* The thread's own need is under 32 KiB; the rest is for a callback sink and the
 * application's thread-local storage. */
#define STACK_SIZE (256 * 1024)

enum state {
    STOPPED,
    RUNNING,
    STOPPING, /* somebody waits for the thread */
    STUCK     /* it did not end in time */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum state state;
static struct hl_session *session; /* NULL when STOPPED */
static pthread_t thread;
static bool forks_are_noticed, exit_is_noticed;
static bool is_substitute; /* for one that the program starts */

/* For monitor_beat, which may run in a signal handler. It is never freed while
 * a waker can be in it, see stop_waking. */
static _Atomic(struct hl_session *) beating;

static _Atomic uint64_t monitor_tid; /* 0 = no such thread */

/* A fork under way: lock is its thread's, and the child still has to be told. */
static _Atomic uintptr_t forking_thread; /* 0 = none */
static unsigned forks_within;            /* by that fork's other handlers */
static uint64_t home_process;            /* whose state this is: another one's in a new child */
static bool forked_by_monitor;           /* the sink's callback forked */

static bool is_monitor_thread(void)
{
    return atomic_load(&monitor_tid) == hl_plat_thread_id();
}

/* ---- the lock ---------------------------------------------------------------------- */

static void become_child(void);

/* pthread_self, not the thread's id: a forked child has its parent's. */
static bool is_forking(void)
{
    return atomic_load(&forking_thread) == (uintptr_t)pthread_self();
}

static void take_lock(void)
{
    if (!is_forking())
        pthread_mutex_lock(&lock);
}

static void give_lock(void)
{
    if (!is_forking())
        pthread_mutex_unlock(&lock);
}

/* A handler of fork that runs in the child before ours has to find a child's state. */
static void become_child_early(void)
{
    if (is_forking() && hl_plat_process_id() != home_process)
        become_child();
}

/* Returns what leave needs. In a handler of fork the lock is ours already. */
static int enter(void)
{
    int cancel_state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    become_child_early();
    take_lock();
    return cancel_state;
}

static void leave(int cancel_state)
{
    give_lock();
    pthread_setcancelstate(cancel_state, NULL);
}

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)

unsigned monitor_version(void)
{
    return MONITOR_VERSION;
}

const char *monitor_version_string(void)
{
    return TEXT(MONITOR_VERSION_MAJOR) "." TEXT(MONITOR_VERSION_MINOR) "." TEXT(
        MONITOR_VERSION_PATCH);
}

/* ---- the thread ------------------------------------------------------------------ */

static void *run(void *argument)
{
    struct hl_session *own = argument;
    atomic_store(&monitor_tid, hl_plat_thread_id());
    hl_plat_name_self("heartline");
    hl_session_begin(own);
    while (hl_session_turn(own))
        continue;
    hl_session_end(own);
    atomic_store(&monitor_tid, 0);
    return NULL;
}

static int create_thread(size_t stack_size)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error)
        return error;
    if (stack_size)
        pthread_attr_setstacksize(&attributes, stack_size);
    error = pthread_create(&thread, &attributes, run, session);
    pthread_attr_destroy(&attributes);
    return error;
}

/* With all signals blocked, so that none is ever delivered to it. The second
 * try is for programs whose thread-local storage alone exceeds our stack. */
static int start_thread(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = create_thread(STACK_SIZE);
    if (error == EINVAL)
        error = create_thread(0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

/* ---- the signal that asks for a heartbeat --------------------------------------------- */

static void on_signal(int number)
{
    (void)number;
    monitor_beat();
}

/* Returns NULL, or why it was not taken. Our handler stays after a stop: the
 * default would kill the program. */
static const char *take_signal(int number)
{
    struct sigaction now;
    if (sigaction(number, NULL, &now) != 0)
        return "the system does not allow a handler for this signal";
    bool has_info = now.sa_flags & SA_SIGINFO;
    if (!has_info && now.sa_handler == on_signal)
        return NULL;
    if (has_info || now.sa_handler != SIG_DFL)
        return "the program handles this signal itself";
    struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&ours.sa_mask);
    return sigaction(number, &ours, NULL) == 0
               ? NULL
               : "the system does not allow a handler for this signal";
}

/* ---- stopping ---------------------------------------------------------------------------- */

/* Where a waker may still be in it, it is leaked. */
static void discard_session(void)
{
    if (hl_wake_is_quiet()) {
        hl_session_close(session);
        hl_plat_unmap(session, sizeof *session);
    }
    session = NULL;
    state = STOPPED;
    is_substitute = false;
}

/* After this nobody is inside hl_plat_wake or reads `beating`'s session. Bounded:
 * a waker that lost its core is waited for, but not for ever. */
static void stop_waking(void)
{
    atomic_store(&beating, NULL);
    hl_wake_target(NULL);
    for (int i = 0; i < 10000 && !hl_wake_is_quiet(); i++)
        sched_yield();
}

static int stop_within(uint64_t timeout_ns)
{
    state = STOPPING;
    atomic_store(&session->stop_requested, true);
    hl_wake();
    give_lock();
    bool joined = hl_plat_join(thread, timeout_ns);
    take_lock();
    stop_waking();
    if (joined)
        discard_session();
    else
        state = STUCK;
    return joined ? 0 : -ETIMEDOUT;
}

/* false: somebody else still waits for the thread. */
static bool wait_while_stopping(uint64_t timeout_ns)
{
    uint64_t began = hl_plat_now_ns();
    while (state == STOPPING && hl_plat_now_ns() - began < timeout_ns) {
        const struct timespec nap = {0, NAP_NS};
        give_lock();
        nanosleep(&nap, NULL);
        take_lock();
    }
    return state != STOPPING;
}

/* A thread that was left behind and has gone since. */
static void collect_stuck(void)
{
    if (state == STUCK && hl_plat_join(thread, 0))
        discard_session();
}

static int stop_locked(uint64_t timeout_ns)
{
    if (!wait_while_stopping(timeout_ns))
        return -ETIMEDOUT;
    collect_stuck();
    if (state == STUCK)
        return -ETIMEDOUT;
    return state == RUNNING ? stop_within(timeout_ns) : 0;
}

static int stop(uint64_t timeout_ns)
{
    if (is_monitor_thread())
        return -EDEADLK;
    int saved = errno;
    int cancel_state = enter();
    int result = stop_locked(timeout_ns);
    leave(cancel_state);
    errno = saved;
    return result;
}

int monitor_stop(void)
{
    return stop(STOP_WAITS);
}

static void at_exit(void)
{
    stop(EXIT_WAITS);
}

/* ---- starting ------------------------------------------------------------------------------ */

static int set_hooks(void);

static int begin_running(void)
{
    const monitor_options *options = &session->config.options;
    if (options->beat_signal)
        session->signal_note = take_signal(options->beat_signal);
    hl_wake_target(session->plat);
    hl_wake_planned(HL_WAKE_AWAKE);
    atomic_store(&beating, session);
    int error = start_thread();
    if (error) {
        stop_waking();
        discard_session();
        return error;
    }
    state = RUNNING;
    return 0;
}

/* `again` is a configuration to reuse, or NULL to resolve `options`. */
static int start_new(const monitor_options *options, const struct hl_config *again)
{
    session = hl_plat_map(sizeof *session);
    if (!session)
        return -ENOMEM;
    int error = again ? hl_session_open_again(session, again) : hl_session_open(session, options);
    bool is_off = session->config.off;
    if (error || is_off) {
        hl_plat_unmap(session, sizeof *session);
        session = NULL;
        hl_registry_switch_off(!error && is_off);
        return error;
    }
    hl_registry_switch_off(false);
    hl_registry_forget_parents_threads();
    error = set_hooks();
    if (error) {
        discard_session();
        return error;
    }
    return begin_running();
}

static int start_if_stopped(const monitor_options *options)
{
    if (!wait_while_stopping(STOP_WAITS))
        return -EBUSY;
    collect_stuck();
    if (state == STUCK)
        return -EBUSY;
    return state == RUNNING ? 0 : start_new(options, NULL);
}

/* Always with the defaults, above which the command line's options stand. */
static int launch_locked(const monitor_options *defaults)
{
    bool is_first = state == STOPPED;
    int error = start_if_stopped(defaults);
    is_substitute = is_substitute || (is_first && state == RUNNING);
    return error;
}

/* Options that are refused leave the substitute as it was, but for a gap. */
static int start_locked(const monitor_options *options)
{
    bool is_relief = is_substitute;
    if (is_relief && stop_locked(STOP_WAITS) != 0)
        return -EBUSY;
    int error = start_if_stopped(options);
    if (error && is_relief) {
        monitor_options defaults;
        monitor_options_default(&defaults);
        launch_locked(&defaults);
    }
    return error;
}

/* One of the two above. */
static int start(int (*locked)(const monitor_options *options), const monitor_options *options)
{
    int saved = errno;
    int cancel_state = enter();
    int result = locked(options);
    leave(cancel_state);
    errno = saved;
    return result;
}

/* `ends` it being one: what the program asked for has the same options. */
static bool is_running_substitute(bool ends)
{
    int cancel_state = enter();
    bool was = is_substitute;
    is_substitute = was && !ends;
    leave(cancel_state);
    return was;
}

static int launch(void)
{
    monitor_options defaults;
    monitor_options_default(&defaults);
    return start(launch_locked, &defaults);
}

static void yield(void)
{
    if (is_running_substitute(false))
        stop(STOP_WAITS);
}

const struct hl_plat_copy hl_copy __attribute__((used)) = {launch, yield};

/* Only where there may be some: the loader's list has a lock. */
static void make_others_yield(void)
{
    struct hl_ticket ticket;
    const struct hl_plat_copy *other;
    bool may_be_there = hl_ticket_find(&ticket);
    for (size_t i = 0; may_be_there && (other = hl_plat_find_copy(i)) != NULL; i++)
        if (other != &hl_copy)
            other->yield();
}

int monitor_start_with(const monitor_options *options)
{
    if (!options)
        return -EINVAL;
    if (is_monitor_thread())
        return 0; /* from the sink: it is running */
    make_others_yield();
    return start(start_locked, options);
}

int monitor_start(void)
{
    monitor_options options;
    if (!is_monitor_thread() && is_running_substitute(true))
        return 0;
    monitor_options_default(&options);
    return monitor_start_with(&options);
}

/* Announced to hl_wake first, so that the session outlives this call. */
int monitor_beat(void)
{
    int saved = errno;
    bool running = hl_wake_enter();
    struct hl_session *now = running ? atomic_load(&beating) : NULL;
    if (now) {
        atomic_store(&now->beat_requested, true);
        hl_wake();
    }
    hl_wake_leave();
    errno = saved;
    return now ? 0 : -ESRCH;
}

/* ---- fork ------------------------------------------------------------------------------------ */

/* Handlers fork, too: the lock is taken and given once, by the outermost fork. */
static void before_fork(void)
{
    become_child_early();
    if (is_forking()) {
        forks_within++;
        return;
    }
    pthread_mutex_lock(&lock);
    forked_by_monitor = is_monitor_thread();
    home_process = hl_plat_process_id();
    atomic_store(&forking_thread, (uintptr_t)pthread_self());
}

/* Also in the child of a fork within, where the outer fork goes on: nothing is held there. */
static void after_fork_parent(void)
{
    if (!is_forking())
        return;
    if (forks_within > 0) {
        forks_within--;
        return;
    }
    atomic_store(&forking_thread, 0);
    pthread_mutex_unlock(&lock);
}

/* Its parent's session is closed, but not freed where a sink that forked is still
 * running on top of it. */
static void leave_parents_session(struct hl_session *old, bool was_running)
{
    if (forked_by_monitor) {
        atomic_store(&old->stop_requested, true);
        return;
    }
    hl_session_abandon(old);
    if (was_running && old->config.options.fork == MONITOR_FORK_RESTART)
        start_new(NULL, &old->config);
    hl_plat_unmap(old, sizeof *old);
}

/* The child has one thread and none of ours. */
static void become_child(void)
{
    int saved = errno, cancel_state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    struct hl_session *old = session;
    bool was_running = state == RUNNING || state == STOPPING;
    atomic_store(&monitor_tid, forked_by_monitor ? hl_plat_thread_id() : 0);
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    atomic_store(&forking_thread, 0);
    forks_within = 0;
    home_process = hl_plat_process_id();
    atomic_store(&beating, NULL);
    hl_wake_after_fork_child();
    hl_registry_after_fork_child(); /* its own handler may come later, see enter */
    state = STOPPED;
    session = NULL;
    if (old)
        leave_parents_session(old, was_running);
    is_substitute = is_substitute && state == RUNNING;
    pthread_setcancelstate(cancel_state, NULL);
    errno = saved;
}

static void after_fork_child(void)
{
    /* Else a start, stop or fork in an earlier handler came first. */
    if (is_forking() || hl_plat_process_id() != home_process)
        become_child();
}

/* Without the first, a child would wait for a thread that it does not have; without the
 * second, the final line would be missing. Each is set once, by the start that can. */
static int set_hooks(void)
{
    if (!forks_are_noticed)
        forks_are_noticed = pthread_atfork(before_fork, after_fork_parent, after_fork_child) == 0;
    if (forks_are_noticed && !exit_is_noticed)
        exit_is_noticed = atexit(at_exit) == 0;
    return forks_are_noticed && exit_is_noticed ? 0 : -ENOMEM;
}
