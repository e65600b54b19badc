/* platform/darwin/stack.c - the stack of a stuck thread, by stopping it for some microseconds.
 *
 * The thread is found anew by its id among the threads of this moment, whose rights are
 * held until it is over: a name kept from an earlier list may belong to another thread
 * by now, and suspending that one would succeed. Then:
 *
 *     suspend, read registers, walk, resume
 *
 * and nothing else. The thread may hold any lock of the process, those of malloc, of dyld
 * and of libpthread among them, and if we wait for one, both wait for ever. So all memory
 * is there and touched before, every function is bound before (`calls`, and a walk in
 * hl_plat_capture_open), and the walk calls nothing but vm_read_overwrite, which fails
 * where a load of ours would end the program. Names are looked up, errors noted and
 * rights given back when the thread runs again. Each suspension that succeeded is
 * resumed once, on the only path there is; where the kernel refuses even that, it is
 * tried once more, and never is a thread suspended again.
 *
 * What a capture never does, and where that is seen to:
 *  - It stops nobody who was not meant to be stopped (may_interrupt), neither the caller
 *    nor a thread of the monitor's own (hl_plat_capture_spare).
 *  - It is alone: a thread is never stopped while it has another one stopped, and no
 *    signal handler runs meanwhile.
 *  - Under Rosetta it is refused: thread_suspend and thread_get_state may hang there.
 *  - It never meets a fork, whose locks cannot be told from outside. A fork that begins
 *    waits until the capture is over, but not longer than some milliseconds: should the
 *    capture hang, the application shall not. A capture gives way at once.
 *  - It is not slow twice: once a thread was kept from running for more than a
 *    millisecond, no thread of the process is stopped again.
 *
 * The time that is told is from before the call that suspends to after the one that
 * resumes, so the thread was stopped for no longer. Cost, not measured on a Mac: to find
 * the thread, two calls for each one there is; while it is stopped two system calls, and
 * one or two a window of 16 KiB (frames.h). The kernel copies up to 32 KiB at once
 * without sharing pages with the copy (XNU, msg_ool_size_small), so the thread finds its
 * stack as it was, and takes no faults for it.
 *
 * A registry of threads filled by pthread_introspection_hook is not needed, and would be
 * worse: threads that were there before it are never told of, so the list has to be
 * asked for anyway; the hook is one for the whole process and cannot be chained without a
 * gap, nor taken back; Apple asks not to rely on it; and what it would save us, finding
 * a thread by its id, is exactly what has to be done anew each time. Nor are the bounds
 * of the stack asked for: pthread_get_stackaddr_np takes libpthread's lock, and what it
 * says of the first thread is more than what is mapped. vm_read_overwrite decides.
 */
#define _DARWIN_C_SOURCE
#define _DEFAULT_SOURCE
#include "../frames.h"
#include "images.h"
#include "plat.h"

#include <errno.h>
#include <mach/mach_time.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/sysctl.h>
#include <time.h>

#define LONGEST_NS 1000000u
#define WINDOW_BYTES 16384u
#define SMALLEST_PAGE 4096u
/* Of user space, on both processors: what lies above in a pointer is a signature (XNU,
 * MACH_VM_MAX_ADDRESS_RAW), or the mark of a Swift frame. */
#define ADDRESS_BITS 47

static const char not_allowed[] = "threads may not be interrupted";
static const char is_caller[] = "a thread cannot be stopped by itself";
static const char is_ours[] = "a thread of the monitor is not stopped";
static const char is_gone[] = "the thread is gone";
static const char has_company[] = "another capture is going on";
static const char meets_fork[] = "a fork is going on";
static const char is_translated[] = "running under Rosetta";
static const char may_be_translated[] = "it cannot be told whether this runs under Rosetta";
static const char has_no_memory[] = "no memory for it";
static const char has_no_clock[] = "a suspension could not be timed";
static const char was_slow[] = "given up: a thread was stopped for more than 1 ms";
static const char was_stuck[] = "given up: a thread could not be resumed";

/* ---- registers ------------------------------------------------------------------- */

#if defined(__aarch64__)

#define RULES hl_frames_arm64
#define FLAVOR ARM_THREAD_STATE64
#define FLAVOR_COUNT ARM_THREAD_STATE64_COUNT
typedef arm_thread_state64_t thread_registers;

/* On arm64e the accessors authenticate, which kills the process when it fails: hence
 * strip, which makes them plain. */
static struct hl_frames_registers registers_of(thread_registers *state)
{
    arm_thread_state64_ptrauth_strip(*state);
    return (struct hl_frames_registers){.pc = (uintptr_t)arm_thread_state64_get_pc(*state),
                                        .fp = (uintptr_t)arm_thread_state64_get_fp(*state),
                                        .sp = (uintptr_t)arm_thread_state64_get_sp(*state),
                                        .link = (uintptr_t)arm_thread_state64_get_lr(*state)};
}

#elif defined(__x86_64__)

#define RULES hl_frames_x86_64
#define FLAVOR x86_THREAD_STATE64
#define FLAVOR_COUNT x86_THREAD_STATE64_COUNT
typedef x86_thread_state64_t thread_registers;

static struct hl_frames_registers registers_of(thread_registers *state)
{
    return (struct hl_frames_registers){.pc = (uintptr_t)state->__rip,
                                        .fp = (uintptr_t)state->__rbp,
                                        .sp = (uintptr_t)state->__rsp};
}

#endif

/* ---- one at a time, and not while the process forks -------------------------------- */

#define SPARED 16

static struct {
    atomic_bool is_capturing;
    atomic_uint forks;          /* going on */
    _Atomic(const char *) over; /* why no thread is stopped any more; NULL = it is not over */
    _Atomic uint64_t spared[SPARED];
    atomic_uint spared_count;
} guard;

static bool is_fork_going_on(void)
{
    return atomic_load(&guard.forks) != 0;
}

/* Both sides say what they are about to do before they look what the other one does, with
 * sequentially consistent operations: at least one of them sees the other. */
static const char *enter(void)
{
    bool nobody = false;

    if (!atomic_compare_exchange_strong(&guard.is_capturing, &nobody, true))
        return has_company;
    if (!is_fork_going_on())
        return NULL;
    atomic_store(&guard.is_capturing, false);
    return meets_fork;
}

static void leave(void)
{
    atomic_store(&guard.is_capturing, false);
}

#define PATIENCE 100
#define PAUSE_NS 50000 /* so 5 ms, and what the sleeps are late */

static void before_fork(void)
{
    int saved = errno;
    struct timespec pause = {0, PAUSE_NS};

    atomic_fetch_add(&guard.forks, 1);
    for (int i = 0; i < PATIENCE && atomic_load(&guard.is_capturing); i++)
        nanosleep(&pause, NULL);
    errno = saved;
}

static void after_fork_in_parent(void)
{
    atomic_fetch_sub(&guard.forks, 1);
}

/* Of the threads that captured, were stuck, or forked at the same time, none is here. */
static void after_fork_in_child(void)
{
    atomic_store(&guard.over, NULL);
    atomic_store(&guard.forks, 0);
    atomic_store(&guard.is_capturing, false);
}

static bool heeds_forks;

static void heed_forks(void)
{
    heeds_forks = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
}

/* Ids are never used again, so those of threads that have ended do no harm in the ring. */
void hl_plat_capture_spare(uint64_t tid)
{
    unsigned next = atomic_fetch_add(&guard.spared_count, 1);

    atomic_store(&guard.spared[next % SPARED], tid);
}

static bool is_spared(uint64_t tid)
{
    for (int i = 0; i < SPARED; i++)
        if (atomic_load(&guard.spared[i]) == tid)
            return true;
    return false;
}

/* ---- what is prepared --------------------------------------------------------------- */

struct hl_plat_capture {
    char window[WINDOW_BYTES];
    struct hl_frames_walker walker;
    thread_registers state;
    mach_timebase_info_data_t timebase;
    const char *refusal; /* for good; NULL = none */
};

/* Data that points to functions is bound when a library is loaded, not at the first call;
 * volatile, or compilers call the functions themselves after all. */
static struct {
    kern_return_t (*volatile suspend)(thread_act_t thread);
    kern_return_t (*volatile get_state)(thread_act_t thread, thread_state_flavor_t flavor,
                                        thread_state_t state, mach_msg_type_number_t *count);
    kern_return_t (*volatile read)(vm_map_t task, vm_address_t address, vm_size_t size,
                                   vm_address_t to, vm_size_t *copied);
    kern_return_t (*volatile resume)(thread_act_t thread);
    uint64_t (*volatile now)(void);
} calls = {thread_suspend, thread_get_state, vm_read_overwrite, thread_resume, mach_absolute_time};

static bool read_memory(void *context, uintptr_t address, void *to, size_t size)
{
    vm_size_t copied = 0;

    (void)context;
    return calls.read(mach_task_self(), (vm_address_t)address, (vm_size_t)size, (vm_address_t)to,
                      &copied) == KERN_SUCCESS &&
           copied == size;
}

/* Everything that runs during a suspension has run before: the first call of a function
 * may take dyld's lock. */
static void warm_up(struct hl_plat_capture *capture)
{
    struct hl_plat_frames frames;
    _Alignas(16) uintptr_t stack[4] = {(uintptr_t)&stack[2], (uintptr_t)&warm_up, 0, 0};
    struct hl_frames_registers registers = {
        .pc = (uintptr_t)&warm_up, .fp = (uintptr_t)stack, .sp = (uintptr_t)stack};

    hl_frames_walk(&capture->walker, &registers, 0, 0, &frames);
    calls.now();
}

/* Known since macOS 11; a system without it translates nothing. */
static const char *translation(void)
{
    int saved = errno, is = 0;
    size_t size = sizeof is;
    bool known = sysctlbyname("sysctl.proc_translated", &is, &size, NULL, 0) == 0;
    bool exists = known || errno != ENOENT;

    errno = saved;
    if (exists && !known)
        return may_be_translated;
    return is ? is_translated : NULL;
}

static const char *find_refusal(struct hl_plat_capture *capture)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, heed_forks);
    if (!heeds_forks)
        return has_no_memory;
    if (mach_timebase_info(&capture->timebase) != KERN_SUCCESS || capture->timebase.denom == 0)
        return has_no_clock;
    return translation();
}

void hl_plat_capture_open(struct hl_plat *plat)
{
    struct hl_plat_capture *capture = hl_plat_map(sizeof *capture);

    plat->capture = capture;
    if (!capture)
        return;
    capture->walker = (struct hl_frames_walker){.rules = &RULES,
                                                .address_bits = ADDRESS_BITS,
                                                .read = read_memory,
                                                .window = capture->window,
                                                .window_bytes = sizeof capture->window,
                                                .page_bytes = SMALLEST_PAGE};
    capture->refusal = find_refusal(capture);
    hl_images_watch();
    warm_up(capture);
}

void hl_plat_capture_close(struct hl_plat *plat)
{
    hl_plat_unmap(plat->capture, sizeof *plat->capture);
    plat->capture = NULL;
}

/* ---- a suspension --------------------------------------------------------------------- */

struct suspension {
    const char *refusal; /* it never was suspended; NULL = it was, or that failed */
    const char *call;    /* that failed; NULL = none */
    kern_return_t result;
    bool is_resumed; /* or never was suspended */
    struct hl_frames_registers registers;
    uint64_t began, ended; /* ticks */
};

static bool resume(thread_act_t thread)
{
    return calls.resume(thread) == KERN_SUCCESS || calls.resume(thread) == KERN_SUCCESS;
}

/* Between suspend and resume there is nothing but the rules at the head of this file. */
static struct suspension suspend_and_walk(struct hl_plat_capture *capture, thread_act_t thread,
                                          struct hl_plat_frames *frames)
{
    struct suspension this = {.is_resumed = true};
    mach_msg_type_number_t count = FLAVOR_COUNT;

    if (is_fork_going_on()) { /* it has lost its patience while we looked for the thread */
        this.refusal = meets_fork;
        return this;
    }
    this.began = calls.now();
    this.result = calls.suspend(thread);
    if (this.result != KERN_SUCCESS) {
        this.call = "thread_suspend";
        return this;
    }
    this.result = calls.get_state(thread, FLAVOR, (thread_state_t)&capture->state, &count);
    if (this.result == KERN_SUCCESS) {
        this.registers = registers_of(&capture->state);
        hl_frames_walk(&capture->walker, &this.registers, 0, 0, frames);
    } else {
        this.call = "thread_get_state";
    }
    this.is_resumed = resume(thread);
    this.ended = calls.now();
    return this;
}

/* So that no write into it waits for a page while a thread is stopped. */
static void touch(struct hl_plat_capture *capture)
{
    volatile char *window = capture->window;

    for (size_t i = 0; i < sizeof capture->window; i += SMALLEST_PAGE)
        window[i] = 0;
    window[sizeof capture->window - 1] = 0;
    memset(&capture->state, 0, sizeof capture->state);
}

static uint64_t to_ns(const struct hl_plat_capture *capture, uint64_t ticks)
{
    uint64_t numer = capture->timebase.numer, denom = capture->timebase.denom;

    return ticks / denom * numer + ticks % denom * numer / denom;
}

static void judge(const struct suspension *this, uint64_t ns)
{
    if (!this->is_resumed)
        atomic_store(&guard.over, was_stuck);
    else if (ns > LONGEST_NS)
        atomic_store(&guard.over, was_slow);
}

static void miss(struct hl_plat *plat, const struct suspension *this)
{
    if (this->refusal)
        hl_plat_miss_because(plat, HL_PLAT_STACK, this->refusal);
    else if (hl_plat_is_gone(this->result))
        hl_plat_miss_because(plat, HL_PLAT_STACK, is_gone);
    else
        hl_plat_miss_call(plat, HL_PLAT_STACK, this->call, this->result);
}

static bool capture_thread(struct hl_plat *plat, thread_act_t thread, struct hl_plat_frames *frames)
{
    touch(plat->capture);
    struct suspension this = suspend_and_walk(plat->capture, thread, frames);
    uint64_t ns = this.ended ? to_ns(plat->capture, this.ended - this.began) : 0;
    judge(&this, ns);
    frames->suspended_ns = ns;
    if (!this.refusal && !this.call) {
        hl_frames_add_caller(&plat->capture->walker, &this.registers, frames);
        return true;
    }
    miss(plat, &this);
    return false;
}

/* ---- the question ------------------------------------------------------------------------ */

static const char *why_not(const struct hl_plat *plat, uint64_t tid, bool may_interrupt)
{
    const char *over = atomic_load(&guard.over);

    if (!plat->capture)
        return has_no_memory;
    if (plat->capture->refusal)
        return plat->capture->refusal;
    if (!may_interrupt)
        return not_allowed;
    if (tid == hl_plat_thread_id())
        return is_caller;
    if (tid != 0 && is_spared(tid))
        return is_ours;
    return over;
}

static void miss_thread(struct hl_plat *plat, kern_return_t why)
{
    if (why == KERN_SUCCESS)
        hl_plat_miss_because(plat, HL_PLAT_STACK, is_gone);
    else
        hl_plat_miss_call(plat, HL_PLAT_STACK, "thread_info(THREAD_IDENTIFIER_INFO)", why);
}

static bool find_and_capture(struct hl_plat *plat, uint64_t tid, struct hl_plat_frames *frames)
{
    struct hl_plat_ports ports;
    kern_return_t result;
    bool is_captured = false;

    if (!hl_plat_take_threads(&ports, &result)) {
        hl_plat_miss_call(plat, HL_PLAT_STACK, "task_threads", result);
        return false;
    }
    thread_act_t thread = hl_plat_port_of(&ports, tid, &result);
    if (thread == MACH_PORT_NULL)
        miss_thread(plat, result);
    else
        is_captured = capture_thread(plat, thread, frames);
    hl_plat_give_back(&ports);
    return is_captured;
}

/* Alone, and with signals blocked: a handler could wait for a lock, or fork. */
static bool attempt(struct hl_plat *plat, uint64_t tid, bool may_interrupt,
                    struct hl_plat_frames *frames)
{
    const char *why = why_not(plat, tid, may_interrupt);
    sigset_t all, before;

    if (!why)
        why = enter();
    if (why) {
        hl_plat_miss_because(plat, HL_PLAT_STACK, why);
        return false;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool is_captured = find_and_capture(plat, tid, frames);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    leave();
    return is_captured;
}

static bool is_for_now(const char *why)
{
    return why == meets_fork || why == has_company;
}

bool hl_plat_thread_frames(struct hl_plat *plat, uint64_t tid, bool may_interrupt,
                           struct hl_plat_frames *frames)
{
    *frames = (struct hl_plat_frames){0};
    bool is_captured = attempt(plat, tid, may_interrupt, frames);
    frames->try_again = !is_captured && is_for_now(plat->why[HL_PLAT_STACK]);
    return is_captured;
}
