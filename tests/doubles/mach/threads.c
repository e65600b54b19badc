/* tests/doubles/mach/threads.c - what is asked of one thread, and stopping it.
 *
 * Live, a thread is stopped by a signal whose handler hands out its registers and sleeps
 * until it is told to go on.
 */
#include "fake_inside.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
#define PATIENCE 10 /* times 10 ms */

struct registers {
    uintptr_t pc, fp, sp, lr;
};

static uint64_t suspended; /* whom, 0 = nobody */

/* ---- stopping a real thread -------------------------------------------------------- */

enum { GOES, IS_ASKED, IS_PARKED, MAY_GO };
static atomic_uint parking;
static _Atomic uint64_t parked_tid;
static struct registers parked;

static void futex(int operation, unsigned value)
{
    const struct timespec patience = {0, 10000000};

    syscall(SYS_futex, &parking, operation | FUTEX_PRIVATE_FLAG, value,
            operation == FUTEX_WAIT ? &patience : NULL, NULL, 0);
}

static void change_to(unsigned state)
{
    atomic_store(&parking, state);
    futex(FUTEX_WAKE, INT32_MAX);
}

static void wait_while(unsigned state)
{
    while (atomic_load(&parking) == state)
        futex(FUTEX_WAIT, state);
}

static struct registers registers_of(const ucontext_t *context)
{
#if defined(__x86_64__)
    const greg_t *general = context->uc_mcontext.gregs;
    return (struct registers){(uintptr_t)general[REG_RIP], (uintptr_t)general[REG_RBP],
                              (uintptr_t)general[REG_RSP], 0};
#elif defined(__aarch64__)
    const mcontext_t *machine = &context->uc_mcontext;
    return (struct registers){machine->pc, machine->regs[29], machine->sp, machine->regs[30]};
#else
#error "no Mac has this processor"
#endif
}

static void park(int signal, siginfo_t *info, void *context)
{
    int saved = errno;

    (void)signal, (void)info;
    if (atomic_load(&parking) == IS_ASKED && atomic_load(&parked_tid) == fake_own_tid()) {
        parked = registers_of(context);
        change_to(IS_PARKED);
        wait_while(IS_PARKED);
        change_to(GOES);
    }
    errno = saved;
}

static int parking_signal(void)
{
    return SIGRTMIN + 7;
}

static void install(void)
{
    static bool is_installed;
    struct sigaction action = {.sa_sigaction = park, .sa_flags = SA_SIGINFO | SA_RESTART};

    if (is_installed)
        return;
    sigfillset(&action.sa_mask);
    sigaction(parking_signal(), &action, NULL);
    is_installed = true;
}

/* Takes back what was asked, unless it is done just now. */
static bool is_taken_back(void)
{
    unsigned asked = IS_ASKED;

    return atomic_compare_exchange_strong(&parking, &asked, GOES);
}

/* One that blocks all signals would be waited for in vain; but for a moment everyone does
 * who leaves the handler. */
static bool stop_thread(uint64_t tid)
{
    int rounds = 0;

    install();
    atomic_store(&parked_tid, tid);
    atomic_store(&parking, IS_ASKED);
    bool is_there = syscall(SYS_tgkill, getpid(), (pid_t)tid, parking_signal()) == 0;
    while (atomic_load(&parking) == IS_ASKED) {
        bool is_hopeless = !is_there || !fake_live_exists(tid) ||
                           (++rounds > PATIENCE && fake_live_blocks_signal(tid, parking_signal()));
        if (is_hopeless && is_taken_back())
            return false;
        futex(FUTEX_WAIT, IS_ASKED);
    }
    return true;
}

static void continue_thread(void)
{
    change_to(MAY_GO);
    wait_while(MAY_GO);
}

/* In the child of a fork nobody is parked, whatever the parent left here. */
void fake_suspension_reset(void)
{
    if (suspended && !fake_world.is_scripted && atomic_load(&parking) == IS_PARKED &&
        fake_live_exists(suspended))
        continue_thread();
    suspended = 0;
    atomic_store(&parking, GOES);
}

uint64_t fake_suspended(void)
{
    return suspended != 0;
}

/* ---- suspend and resume --------------------------------------------------------------- */

kern_return_t thread_suspend(thread_act_t name)
{
    int code = fake_enter(FAKE_THREAD_SUSPEND);
    uint64_t thread = fake_thread_of(name, "thread_suspend");

    if (thread != 0 && thread == fake_self())
        fake_die("thread_suspend of the caller itself");
    if (fake_world.machine.is_translated)
        fake_die("thread_suspend under Rosetta may never return");
    if (suspended)
        fake_die("thread_suspend while thread %llu was never resumed",
                 (unsigned long long)suspended);
    if (code == FAKE_NO_CODE)
        code = thread == 0                                     ? fake_world.gone_code
               : fake_world.is_scripted || stop_thread(thread) ? KERN_SUCCESS
               : fake_live_exists(thread)                      ? KERN_FAILURE
                                                               : KERN_TERMINATED;
    if (code == KERN_SUCCESS) {
        suspended = thread;
        fake_suspension_begins();
    }
    fake_leave();
    return code;
}

static kern_return_t resume(uint64_t thread)
{
    if (thread == 0) { /* it ended meanwhile */
        suspended = 0;
        return fake_world.gone_code;
    }
    if (thread != suspended)
        fake_die("thread_resume of thread %llu, which is not suspended",
                 (unsigned long long)thread);
    if (!fake_world.is_scripted)
        continue_thread();
    suspended = 0;
    return KERN_SUCCESS;
}

kern_return_t thread_resume(thread_act_t name)
{
    int code = fake_enter(FAKE_THREAD_RESUME);
    uint64_t thread = fake_thread_of(name, "thread_resume");

    if (code == FAKE_NO_CODE)
        code = resume(thread);
    fake_suspension_ends(); /* also where it failed: what comes then is the caller's to choose */
    fake_leave();
    return code;
}

/* ---- registers and memory ---------------------------------------------------------------- */

static struct registers registers_now(uint64_t thread)
{
    const struct fake_thread *script;

    if (!fake_world.is_scripted)
        return parked;
    script = fake_find(thread);
    return (struct registers){script->pc, script->fp, script->sp, script->lr};
}

static void fill_state(struct registers registers, thread_state_t state)
{
#if defined(__x86_64__)
    *(x86_thread_state64_t *)state =
        (x86_thread_state64_t){.__rip = registers.pc, .__rbp = registers.fp, .__rsp = registers.sp};
#elif defined(__aarch64__)
    *(arm_thread_state64_t *)state = (arm_thread_state64_t){
        .__pc = registers.pc, .__fp = registers.fp, .__sp = registers.sp, .__lr = registers.lr};
#endif
}

kern_return_t thread_get_state(thread_read_t name, thread_state_flavor_t flavor,
                               thread_state_t state, mach_msg_type_number_t *count)
{
    int code = fake_enter(FAKE_THREAD_GET_STATE);
    uint64_t thread = fake_thread_of(name, "thread_get_state");

    if (flavor != MACHINE_THREAD_STATE)
        fake_die("thread_get_state: flavor %d is not that of this processor", flavor);
    if (*count > MACHINE_THREAD_STATE_COUNT)
        fake_die("thread_get_state: a count of %u, not of %u", *count, MACHINE_THREAD_STATE_COUNT);
    if (thread != 0 && thread != suspended)
        fake_die("thread_get_state of thread %llu, which is running", (unsigned long long)thread);
    if (code == FAKE_NO_CODE)
        code = thread == 0                           ? fake_world.gone_code
               : *count < MACHINE_THREAD_STATE_COUNT ? KERN_INVALID_ARGUMENT
                                                     : KERN_SUCCESS;
    if (code == KERN_SUCCESS) {
        fill_state(registers_now(thread), state);
        *count = MACHINE_THREAD_STATE_COUNT;
    }
    fake_leave();
    return code;
}

kern_return_t vm_read_overwrite(vm_map_read_t task, vm_address_t address, vm_size_t size,
                                vm_address_t data, vm_size_t *read)
{
    int code = fake_enter(FAKE_VM_READ_OVERWRITE);
    struct iovec here = {(void *)data, size}, there = {(void *)address, size};

    fake_check_task(task, "vm_read_overwrite");
    if (code == FAKE_NO_CODE)
        code = process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)size
                   ? KERN_SUCCESS
                   : KERN_INVALID_ADDRESS;
    if (code == KERN_SUCCESS)
        *read = size;
    fake_leave();
    return code;
}

/* ---- thread_info ---------------------------------------------------------------------------- */

bool fake_facts_of(uint64_t id, struct fake_facts *facts)
{
    static struct fake_live_thread real; /* the lock is held */
    const struct fake_thread *script = fake_world.is_scripted ? fake_find(id) : NULL;

    if (script) {
        *facts = (struct fake_facts){
            id,           script->user_ns,    script->system_ns, script->run_state, script->flags,
            script->name, script->name_length};
        return true;
    }
    if (fake_world.is_scripted || !fake_live_thread(id, &real))
        return false;
    *facts = (struct fake_facts){id, real.user_ns, real.system_ns,   real.run_state,
                                 0,  real.name,    strlen(real.name)};
    return true;
}

static int state_of(const struct fake_facts *facts)
{
    return facts->id == suspended ? TH_STATE_STOPPED : facts->run_state;
}

static time_value_t time_value(uint64_t ns)
{
    return (time_value_t){(integer_t)(ns / NS_PER_S), (integer_t)(ns % NS_PER_S / 1000)};
}

static void fill_basic(const struct fake_facts *facts, struct thread_basic_info *info)
{
    *info = (struct thread_basic_info){
        .user_time = time_value(facts->user_ns),
        .system_time = time_value(facts->system_ns),
        .policy = POLICY_TIMESHARE,
        .run_state = state_of(facts),
        .flags = facts->flags,
        .suspend_count = facts->id == suspended,
    };
}

static void fill_identifier(const struct fake_facts *facts, struct thread_identifier_info *info)
{
    *info = (struct thread_identifier_info){
        .thread_id = facts->id,
        .thread_handle = 0x700000000000 + facts->id * 0x1000,
    };
}

/* The name's bytes and its terminator are written, nothing behind them; of a thread
 * without a name only the first byte. */
void fake_fill_extended(const struct fake_facts *facts, struct thread_extended_info *info)
{
    info->pth_user_time = facts->user_ns;
    info->pth_system_time = facts->system_ns;
    info->pth_cpu_usage = 0;
    info->pth_policy = POLICY_TIMESHARE;
    info->pth_run_state = state_of(facts);
    info->pth_flags = facts->flags;
    info->pth_sleep_time = 0;
    info->pth_curpri = info->pth_priority = 31;
    info->pth_maxpriority = 63;
    memcpy(info->pth_name, facts->name, facts->name_length);
    if (facts->name_length < sizeof info->pth_name)
        info->pth_name[facts->name_length] = 0;
}

static kern_return_t fill_flavor(const struct fake_facts *facts, thread_flavor_t flavor,
                                 thread_info_t info, mach_msg_type_number_t *count)
{
    mach_msg_type_number_t words = flavor == THREAD_BASIC_INFO        ? THREAD_BASIC_INFO_COUNT
                                   : flavor == THREAD_IDENTIFIER_INFO ? THREAD_IDENTIFIER_INFO_COUNT
                                   : flavor == THREAD_EXTENDED_INFO   ? THREAD_EXTENDED_INFO_COUNT
                                                                      : 0;
    if (words == 0)
        fake_die("thread_info: flavor %u is not in the model", flavor);
    if (*count > words)
        fake_die("thread_info: a count of %u for a flavor of %u words", *count, words);
    if (*count < words)
        return KERN_INVALID_ARGUMENT;
    if (flavor == THREAD_BASIC_INFO)
        fill_basic(facts, (struct thread_basic_info *)info);
    else if (flavor == THREAD_IDENTIFIER_INFO)
        fill_identifier(facts, (struct thread_identifier_info *)info);
    else
        fake_fill_extended(facts, (struct thread_extended_info *)info);
    return KERN_SUCCESS;
}

kern_return_t thread_info(thread_inspect_t name, thread_flavor_t flavor, thread_info_t info,
                          mach_msg_type_number_t *count)
{
    int code = fake_enter(FAKE_THREAD_INFO);
    uint64_t thread = fake_thread_of(name, "thread_info");
    struct fake_facts facts;

    if (code == FAKE_NO_CODE)
        code = thread != 0 && fake_facts_of(thread, &facts)
                   ? fill_flavor(&facts, flavor, info, count)
                   : fake_world.gone_code;
    fake_leave();
    return code;
}
