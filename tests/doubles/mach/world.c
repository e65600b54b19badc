/* tests/doubles/mach/world.c - the threads and figures of a scripted world. */
#include "fake_inside.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define FIRST_ID 1000

struct fake_world fake_world = {.machine = {24000000, false, false, 0, 6, false},
                                .gone_code = MACH_SEND_INVALID_DEST};

static uint64_t next_id = FIRST_ID;
static uint64_t generation; /* of the world: who a thread is ends with it */
static _Thread_local struct {
    uint64_t generation, id;
} me;

/* ---- the world as a whole -------------------------------------------------------- */

static void empty(bool is_scripted)
{
    fake_calls_reset();
    fake_suspension_reset();
    fake_rights_reset();
    fake_clocks_reset();
    memset(&fake_world, 0, sizeof fake_world);
    fake_world.is_scripted = is_scripted;
    fake_world.gone_code = MACH_SEND_INVALID_DEST;
    next_id = FIRST_ID;
    generation++;
}

void fake_live(void)
{
    fake_lock();
    empty(false);
    fake_world.machine = FAKE_APPLE_SILICON;
    fake_world.machine.cores = 0; /* as many as there really are */
    fake_unlock();
}

void fake_reset(void)
{
    struct timespec now;

    fake_lock();
    empty(true);
    fake_world.machine = FAKE_APPLE_SILICON;
    fake_clock_gettime(CLOCK_REALTIME, &now);
    fake_world.process = (struct fake_process){.resident_bytes = 10 << 20,
                                               .peak_bytes = 12 << 20,
                                               .virtual_bytes = UINT64_C(400) << 30,
                                               .footprint_bytes = 8 << 20,
                                               .started_s = (uint64_t)now.tv_sec,
                                               .started_us = (uint64_t)now.tv_nsec / 1000};
    fake_thread_add(NULL);
    fake_unlock();
}

void fake_machine(struct fake_machine machine)
{
    fake_lock();
    fake_world.machine = machine;
    fake_unlock();
}

static void need_script(const char *function)
{
    if (!fake_world.is_scripted)
        fake_die("%s: there is no script, see fake_reset", function);
}

void fake_process(struct fake_process process)
{
    fake_lock();
    need_script(__func__);
    if (process.started_s == 0) {
        process.started_s = fake_world.process.started_s;
        process.started_us = fake_world.process.started_us;
    }
    fake_world.process = process;
    fake_unlock();
}

void fake_gone_code(int code)
{
    fake_lock();
    fake_world.gone_code = code;
    fake_unlock();
}

/* ---- threads ------------------------------------------------------------------------ */

struct fake_thread *fake_find(uint64_t id)
{
    for (size_t i = 0; i < fake_world.thread_count; i++)
        if (fake_world.threads[i].id == id && fake_world.threads[i].is_live)
            return &fake_world.threads[i];
    return NULL;
}

static struct fake_thread *found(uint64_t id, const char *function)
{
    need_script(function);
    struct fake_thread *thread = fake_find(id);
    if (!thread)
        fake_die("%s: there is no thread %llu", function, (unsigned long long)id);
    return thread;
}

uint64_t fake_main(void)
{
    return FIRST_ID;
}

uint64_t fake_self(void)
{
    if (!fake_world.is_scripted)
        return fake_own_tid();
    return me.generation == generation ? me.id : FIRST_ID;
}

void fake_thread_is_me(uint64_t id)
{
    fake_lock();
    found(id, __func__);
    me.generation = generation;
    me.id = id;
    fake_unlock();
}

/* The place of one that has ended, or a new one: the list keeps the order of birth only
 * until then, as the kernel promises none. */
static struct fake_thread *place(void)
{
    for (size_t i = 0; i < fake_world.thread_count; i++)
        if (!fake_world.threads[i].is_live)
            return &fake_world.threads[i];
    if (fake_world.thread_count == FAKE_THREADS)
        fake_die("a scripted world has room for %d threads", FAKE_THREADS);
    return &fake_world.threads[fake_world.thread_count++];
}

static void set_name(struct fake_thread *thread, const char *bytes, size_t length)
{
    if (length > sizeof thread->name)
        fake_die("a name has at most %zu bytes", sizeof thread->name);
    if (length > 0)
        memcpy(thread->name, bytes, length);
    thread->name_length = length;
}

static uint64_t add(const char *name, bool is_foreign)
{
    fake_lock();
    need_script("fake_thread_add");
    struct fake_thread *thread = place();
    *thread = (struct fake_thread){
        .id = next_id++, .run_state = TH_STATE_WAITING, .is_live = true, .is_foreign = is_foreign};
    set_name(thread, name, name ? strlen(name) : 0);
    if (!is_foreign)
        fake_name_of(thread->id, true);
    uint64_t id = thread->id;
    fake_unlock();
    return id;
}

uint64_t fake_thread_add(const char *name)
{
    return add(name, false);
}

uint64_t fake_thread_add_foreign(const char *name)
{
    return add(name, true);
}

void fake_thread_exit(uint64_t id)
{
    fake_lock();
    struct fake_thread *thread = found(id, __func__);
    fake_world.ended_user_ns += thread->user_ns;
    fake_world.ended_system_ns += thread->system_ns;
    thread->is_live = false;
    fake_thread_ended(id);
    fake_unlock();
}

void fake_thread_exit_in_list(uint64_t id, unsigned name)
{
    fake_lock();
    struct fake_thread *thread = found(id, __func__);
    thread->exits_in_list = true;
    thread->place_in_list = name;
    fake_unlock();
}

void fake_thread_burn(uint64_t id, uint64_t user_ns, uint64_t system_ns)
{
    fake_lock();
    struct fake_thread *thread = found(id, __func__);
    thread->user_ns += user_ns;
    thread->system_ns += system_ns;
    fake_unlock();
}

void fake_thread_state(uint64_t id, int run_state)
{
    fake_lock();
    found(id, __func__)->run_state = run_state;
    fake_unlock();
}

void fake_thread_flags(uint64_t id, int flags)
{
    fake_lock();
    found(id, __func__)->flags = flags;
    fake_unlock();
}

void fake_thread_name(uint64_t id, const char *bytes, size_t length)
{
    fake_lock();
    set_name(found(id, __func__), bytes, length);
    fake_unlock();
}

void fake_thread_registers(uint64_t id, uintptr_t pc, uintptr_t fp, uintptr_t sp, uintptr_t lr)
{
    fake_lock();
    struct fake_thread *thread = found(id, __func__);
    thread->pc = pc;
    thread->fp = fp;
    thread->sp = sp;
    thread->lr = lr;
    fake_unlock();
}

/* ---- times -------------------------------------------------------------------------- */

uint64_t fake_ticks(uint64_t ns)
{
    uint64_t hz = fake_world.machine.tick_hz;

    return ns / 1000000000u * hz + ns % 1000000000u * hz / 1000000000u;
}

static struct fake_times scripted_times(void)
{
    struct fake_times times = {.ended_user_ns = fake_world.ended_user_ns,
                               .ended_system_ns = fake_world.ended_system_ns};

    for (size_t i = 0; i < fake_world.thread_count; i++) {
        const struct fake_thread *thread = &fake_world.threads[i];
        if (!thread->is_live)
            continue;
        times.living_user_ns += thread->user_ns;
        times.living_system_ns += thread->system_ns;
        times.threads++;
    }
    return times;
}

static uint64_t portion(uint64_t ns, uint64_t part, uint64_t all)
{
    return all ? (uint64_t)((double)ns * (double)part / (double)all) : 0;
}

/* What the process had used and none of its living threads has is of those that ended. The
 * clocks are read one after the other, the process's first: so it is never too much. It is
 * read anew only when it grew by more than that can be: it must not move while nobody ends. */
#define SLACK_NS UINT64_C(2000000)

static uint64_t live_ended(uint64_t all_ns, uint64_t living_ns)
{
    static uint64_t ended_ns, last_process;
    uint64_t process = (uint64_t)getpid(), left_ns = all_ns > living_ns ? all_ns - living_ns : 0;

    if (process != last_process) /* the child of a fork */
        ended_ns = 0;
    last_process = process;
    if (left_ns > ended_ns + SLACK_NS)
        ended_ns = left_ns;
    return ended_ns;
}

static struct fake_times live_times(void)
{
    static uint64_t tids[FAKE_NAMES]; /* the lock is held */
    uint64_t living_ns = 0, user_ns, system_ns;

    fake_live_times(&user_ns, &system_ns);
    struct fake_times times = {.threads = fake_live_list(tids, FAKE_NAMES)};
    for (uint64_t i = 0; i < times.threads && i < FAKE_NAMES; i++)
        living_ns += fake_live_cpu(tids[i]);
    uint64_t all_ns = user_ns + system_ns;
    times.living_system_ns = portion(living_ns, system_ns, all_ns);
    times.living_user_ns = living_ns - times.living_system_ns;
    times.ended_user_ns = live_ended(all_ns, living_ns); /* who knows which part was the kernel's */
    return times;
}

struct fake_times fake_times(void)
{
    return fake_world.is_scripted ? scripted_times() : live_times();
}
