/* tests/doubles/scripted_platform.c - platform.h, answered out of `scripted`.
 *
 * One mutex guards the thread table, the environment, the results and the log;
 * the clock and the counters are atomics, because signal handlers ask for them.
 */
#define _GNU_SOURCE
#include "scripted_platform.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

struct scripted scripted;
const char hl_plat_name[] = "scripted";
const char hl_plat_preload_variable[] = "LD_PRELOAD";
const char hl_plat_preload_separators[] = ": ";

struct hl_plat {
    int unused;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct scripted_thread threads[SCRIPTED_THREADS];
static size_t thread_count;
static struct {
    const char *name, *value;
} variables[SCRIPTED_VARIABLES];
static _Atomic bool wake_pending;
static _Atomic uint64_t sleeping_until; /* 0 = nobody sleeps */
static _Thread_local uint64_t thread_id_override;

/* ---- the test's side ----------------------------------------------------- */

__attribute__((constructor)) void scripted_reset(void)
{
    pthread_mutex_lock(&lock);
    memset(&scripted, 0, sizeof scripted);
    scripted.now_ns = SCRIPTED_START_NS;
    scripted.coarse_tick_ns = 4 * SCRIPTED_MS;
    scripted.wall_ms = SCRIPTED_WALL_MS;
    scripted.limits = (struct hl_plat_limits){.cores_milli = 8000};
    scripted.most_cores = HL_PLAT_MOST_CORES;
    scripted.writes.preset = SCRIPTED_ALL;
    scripted.host_name = "node7";
    scripted.log_device = 1;
    scripted.log_inode = 7;
    scripted.log_is_file = true;
    memset(variables, 0, sizeof variables);
    thread_count = 0;
    wake_pending = false;
    sleeping_until = 0;
    pthread_mutex_unlock(&lock);
}

static uint64_t share(uint64_t ns, uint64_t milli)
{
    return ns / 1000 * milli + ns % 1000 * milli / 1000;
}

void scripted_advance(uint64_t ns)
{
    pthread_mutex_lock(&lock);
    scripted.process.cpu_ns += share(ns, scripted.busy_milli);
    for (size_t i = 0; i < thread_count; i++) {
        struct scripted_thread *thread = &threads[i];
        thread->cpu_ns += share(ns, thread->busy_milli);
        thread->state.on_core_ns += share(ns, thread->busy_milli);
        thread->state.run_delay_ns += share(ns, thread->delay_milli);
        thread->state.age_ns += ns;
    }
    uint64_t now = scripted.now_ns;
    scripted.now_ns = ns > UINT64_MAX - now ? UINT64_MAX : now + ns;
    pthread_mutex_unlock(&lock);
}

static void nap_really(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

bool scripted_await_sleeper(void)
{
    for (int i = 0; i < 200000; i++) {
        if (sleeping_until > scripted.now_ns && !wake_pending)
            return true;
        nap_really();
    }
    return false;
}

void scripted_missing(enum hl_plat_key key, const char *reason)
{
    pthread_mutex_lock(&lock);
    scripted.missing[key] = reason;
    pthread_mutex_unlock(&lock);
}

static bool is_missing(enum hl_plat_key key)
{
    pthread_mutex_lock(&lock);
    bool missing = scripted.missing[key] != NULL;
    pthread_mutex_unlock(&lock);
    return missing;
}

/* With the lock held. */
static struct scripted_thread *find(uint64_t tid)
{
    for (size_t i = 0; i < thread_count; i++)
        if (threads[i].tid == tid)
            return &threads[i];
    return NULL;
}

struct scripted_thread *scripted_thread(uint64_t tid)
{
    pthread_mutex_lock(&lock);
    struct scripted_thread *thread = find(tid);
    if (thread == NULL) {
        if (thread_count == SCRIPTED_THREADS)
            abort();
        thread = &threads[thread_count++];
        *thread = (struct scripted_thread){
            .tid = tid,
            .state = {.state = 'R',
                      .start_known = true,
                      .start = tid,
                      .age_ns = 3600 * SCRIPTED_S,
                      .times_known = true},
            .sleeps = UINT64_MAX,
            .look = {.descriptor = -1},
        };
    }
    pthread_mutex_unlock(&lock);
    return thread;
}

void scripted_thread_gone(uint64_t tid)
{
    pthread_mutex_lock(&lock);
    struct scripted_thread *thread = find(tid);
    if (thread != NULL)
        *thread = threads[--thread_count];
    pthread_mutex_unlock(&lock);
}

void scripted_be_thread(uint64_t tid)
{
    thread_id_override = tid;
}

void scripted_setenv(const char *name, const char *value)
{
    pthread_mutex_lock(&lock);
    size_t i = 0;
    while (variables[i].name != NULL && strcmp(variables[i].name, name) != 0)
        if (++i == SCRIPTED_VARIABLES)
            abort();
    variables[i].name = name;
    variables[i].value = value;
    pthread_mutex_unlock(&lock);
}

static void append_result(struct scripted_results *results, ptrdiff_t result)
{
    pthread_mutex_lock(&lock);
    if (results->count == SCRIPTED_RESULTS)
        abort();
    results->list[results->count++] = result;
    pthread_mutex_unlock(&lock);
}

void scripted_next_write(ptrdiff_t result)
{
    append_result(&scripted.writes, result);
}

void scripted_next_open(ptrdiff_t result)
{
    append_result(&scripted.opens, result);
}

size_t scripted_log_copy(char *text, size_t size)
{
    pthread_mutex_lock(&lock);
    size_t length = scripted.log_length < size ? scripted.log_length : size - 1;
    memcpy(text, scripted.log, length);
    text[length] = '\0';
    pthread_mutex_unlock(&lock);
    return length;
}

void scripted_log_clear(void)
{
    pthread_mutex_lock(&lock);
    scripted.log_length = 0;
    scripted.log[0] = '\0';
    pthread_mutex_unlock(&lock);
}

/* ---- time ---------------------------------------------------------------- */

uint64_t hl_plat_now_ns(void)
{
    return scripted.now_ns;
}

uint64_t hl_plat_coarse_ns(void)
{
    return scripted.now_ns - scripted.coarse_lag_ns;
}

static int read_scripted(clockid_t clock, struct timespec *now)
{
    uint64_t ns = clock == CLOCK_MONOTONIC ? hl_plat_now_ns() : hl_plat_coarse_ns();
    *now = (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    return 0;
}

#define COARSE CLOCK_REALTIME /* any other than the precise one */
struct hl_plat_scope_clock hl_plat_scope_clock = {read_scripted, COARSE};

void hl_plat_time_scopes_precisely(bool precisely)
{
    hl_plat_scope_clock.clock = precisely ? CLOCK_MONOTONIC : COARSE;
}

uint64_t hl_plat_coarse_tick_ns(void)
{
    return scripted.coarse_tick_ns;
}

uint64_t hl_plat_wall_ms(void)
{
    return scripted.wall_ms + (scripted.now_ns - SCRIPTED_START_NS) / SCRIPTED_MS;
}

/* ---- memory and ordering -------------------------------------------------- */

static void *map(size_t size, int visibility)
{
    if (scripted.map_hook)
        scripted.map_hook();
    unsigned call = atomic_fetch_add(&scripted.maps, 1) + 1;
    unsigned fails = scripted.map_fails_at;
    if (fails != 0 && (call == fails || (scripted.map_fails_on && call > fails)))
        return NULL;
    int saved = errno;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, visibility | MAP_ANONYMOUS, -1, 0);
    errno = saved;
    if (memory == MAP_FAILED)
        return NULL;
    scripted.mapped++;
    return memory;
}

void *hl_plat_map(size_t size)
{
    return map(size, MAP_PRIVATE);
}

void *hl_plat_map_shared(size_t size)
{
    return map(size, MAP_SHARED);
}

void hl_plat_unmap(void *memory, size_t size)
{
    scripted.mapped--;
    munmap(memory, size);
}

bool hl_plat_barrier_prepare(void)
{
    return !scripted.barrier_missing;
}

/* On one machine with sequentially consistent atomics in the tests, counting is
 * enough: it orders the caller. A test of the real barrier belongs to tests/platform. */
bool hl_plat_barrier(void)
{
    if (scripted.barrier_missing)
        return false;
    scripted.barriers++;
    return true;
}

/* ---- this process and thread ----------------------------------------------- */

uint64_t hl_plat_main_thread_id(void)
{
    return scripted.main_thread_id;
}

const struct hl_plat_copy *hl_plat_find_copy(size_t n)
{
    return n == 0 ? scripted.first_copy : NULL;
}

uint64_t hl_plat_process_start(void)
{
    return scripted.process_start;
}

uint64_t hl_plat_process_id(void)
{
    return scripted.process_id != 0 ? scripted.process_id : (uint64_t)getpid();
}

bool hl_plat_host_name(char name[HL_PLAT_HOST_BYTES])
{
    bool is_known = scripted.host_name != NULL;
    snprintf(name, HL_PLAT_HOST_BYTES, "%s", is_known ? scripted.host_name : "");
    return is_known;
}

void hl_plat_program_name(struct hl_plat *plat, char name[HL_PLAT_NAME_BYTES])
{
    (void)plat;
    snprintf(name, HL_PLAT_NAME_BYTES, "%s", scripted.program_name ? scripted.program_name : "");
}

static uint64_t real_thread_id(void)
{
#if defined(__linux__)
    return (uint64_t)syscall(SYS_gettid);
#else
    return (uint64_t)(uintptr_t)pthread_self();
#endif
}

uint64_t hl_plat_thread_id(void)
{
    return thread_id_override != 0 ? thread_id_override : real_thread_id();
}

const char *hl_plat_getenv(const char *name)
{
    scripted.env_reads++;
    if (scripted.env_untrusted)
        return NULL;
    const char *value = NULL;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < SCRIPTED_VARIABLES && variables[i].name != NULL; i++)
        if (strcmp(variables[i].name, name) == 0)
            value = variables[i].value;
    pthread_mutex_unlock(&lock);
    return value;
}

bool hl_plat_env_is_trusted(void)
{
    return !scripted.env_untrusted;
}

static bool real_stack(uintptr_t *low, uintptr_t *high)
{
#if defined(__linux__)
    static _Thread_local uintptr_t known_low, known_high;
    if (known_high == 0) {
        pthread_attr_t attributes;
        void *base;
        size_t size;
        if (pthread_getattr_np(pthread_self(), &attributes) != 0)
            return false;
        pthread_attr_getstack(&attributes, &base, &size);
        pthread_attr_destroy(&attributes);
        known_low = (uintptr_t)base;
        known_high = known_low + size;
    }
    *low = known_low;
    *high = known_high;
    return true;
#else
    (void)low;
    (void)high;
    return false;
#endif
}

bool hl_plat_stack_bounds(const void *address, uintptr_t *low, uintptr_t *high)
{
    int saved = errno;
    bool known = true;
    if (scripted.stack_scripted) {
        *low = scripted.stack_low;
        *high = scripted.stack_high;
    } else {
        known = real_stack(low, high);
    }
    errno = saved;
    return known && (uintptr_t)address >= *low && (uintptr_t)address < *high;
}

bool hl_plat_key_is_signal_safe(pthread_key_t key)
{
    (void)key;
    return !scripted.key_unsafe;
}

void hl_plat_name_self(const char *name)
{
    pthread_mutex_lock(&lock);
    strncpy(scripted.self_name, name, sizeof scripted.self_name - 1);
    pthread_mutex_unlock(&lock);
}

void hl_plat_own_name(char name[HL_PLAT_NAME_BYTES])
{
    if (scripted.own_name_hook)
        scripted.own_name_hook();
    memset(name, 0, HL_PLAT_NAME_BYTES);
    hl_plat_thread_name(NULL, hl_plat_thread_id(), name);
}

/* In real time: what it waits for is a real thread. */
bool hl_plat_join(pthread_t thread, uint64_t timeout_ns)
{
    if (scripted.join_fails)
        return false;
#if defined(__linux__)
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + timeout_ns % SCRIPTED_S;
    until.tv_sec += (time_t)(timeout_ns / SCRIPTED_S + ns / SCRIPTED_S);
    until.tv_nsec = (long)(ns % SCRIPTED_S);
    return pthread_timedjoin_np(thread, NULL, &until) == 0;
#else
    (void)timeout_ns;
    return pthread_join(thread, NULL) == 0;
#endif
}

/* ---- an open platform, and waiting ------------------------------------------ */

struct hl_plat *hl_plat_open(void)
{
    if (scripted.open_fails)
        return NULL;
    struct hl_plat *plat = calloc(1, sizeof *plat);
    if (plat != NULL)
        scripted.handles++;
    return plat;
}

void hl_plat_close(struct hl_plat *plat)
{
    if (plat == NULL)
        return;
    scripted.handles--;
    free(plat);
}

void hl_plat_abandon_in_child(struct hl_plat *plat)
{
    hl_plat_close(plat);
}

static struct scripted_nap take_nap(void)
{
    pthread_mutex_lock(&lock);
    struct scripted_nap nap = scripted.nap;
    scripted.nap = (struct scripted_nap){0};
    pthread_mutex_unlock(&lock);
    return nap;
}

static uint64_t later(uint64_t ns, uint64_t by_ns)
{
    return by_ns > UINT64_MAX - ns ? UINT64_MAX : ns + by_ns;
}

static bool wait_really(uint64_t until_ns)
{
    sleeping_until = until_ns;
    bool woken;
    while (!(woken = atomic_exchange(&wake_pending, false)) && scripted.now_ns < until_ns)
        nap_really();
    sleeping_until = 0;
    return woken;
}

static void pass_time(uint64_t timeout_ns, struct hl_plat_wait *wait)
{
    struct scripted_nap nap = take_nap();
    wait->stopped_ns = nap.stopped_ns;
    wait->stopped_by = nap.stopped_by;
    wait->suspended_ns = nap.suspended_ns;
    wait->starved_ns = nap.starved_ns;
    scripted.wall_ms += nap.suspended_ns / SCRIPTED_MS;
    if (atomic_exchange(&wake_pending, false)) {
        wait->woken = true;
    } else if (nap.woken) {
        wait->woken = true;
        scripted_advance(nap.woken_after_ns);
    } else if (scripted.real_waits) {
        wait->woken = wait_really(later(wait->began_ns, timeout_ns));
    } else {
        scripted_advance(later(later(timeout_ns, nap.late_ns), nap.stopped_ns));
    }
}

void hl_plat_wait(struct hl_plat *plat, uint64_t timeout_ns, struct hl_plat_wait *wait)
{
    (void)plat;
    int saved = errno;
    *wait = (struct hl_plat_wait){.began_ns = scripted.now_ns};
    scripted.last_timeout_ns = timeout_ns;
    scripted.waits++;
    if (scripted.wait_hook != NULL)
        scripted.wait_hook(scripted.wait_data, timeout_ns, wait);
    else
        pass_time(timeout_ns, wait);
    wait->ended_ns = scripted.now_ns;
    errno = saved;
}

uint64_t hl_plat_stopped_awake(struct hl_plat *plat, uint64_t since_ns, uint64_t elsewhere_ns,
                               const char **by)
{
    (void)plat, (void)since_ns, (void)elsewhere_ns;
    uint64_t stopped_ns = scripted.stopped_awake_ns;
    scripted.stopped_awake_ns = 0;
    *by = scripted.stopped_awake_by;
    return stopped_ns;
}

void hl_plat_wake(struct hl_plat *plat)
{
    (void)plat;
    scripted.wakes++;
    wake_pending = true;
}

/* ---- figures ---------------------------------------------------------------- */

const char *hl_plat_why(const struct hl_plat *plat, enum hl_plat_key key)
{
    (void)plat;
    pthread_mutex_lock(&lock);
    const char *reason = scripted.missing[key];
    pthread_mutex_unlock(&lock);
    return reason != NULL ? reason : "not asked for yet";
}

static uint32_t known_of(uint32_t wanted)
{
    for (int key = 0; key < HL_PLAT_KEYS; key++)
        if (scripted.missing[key] != NULL)
            wanted &= ~HL_KNOWN(key);
    return wanted;
}

void hl_plat_process(struct hl_plat *plat, uint32_t wanted, struct hl_plat_process *process)
{
    (void)plat;
    pthread_mutex_lock(&lock);
    *process = scripted.process;
    process->known = known_of(wanted);
    pthread_mutex_unlock(&lock);
}

uint64_t hl_plat_most_cores(struct hl_plat *plat)
{
    (void)plat;
    return scripted.most_cores;
}

void hl_plat_limits(struct hl_plat *plat, struct hl_plat_limits *limits)
{
    (void)plat;
    pthread_mutex_lock(&lock);
    *limits = scripted.limits;
    limits->known = known_of(HL_KNOWN(HL_PLAT_CORES) | HL_KNOWN(HL_PLAT_MEMORY));
    pthread_mutex_unlock(&lock);
}

bool hl_plat_others(struct hl_plat *plat, struct hl_plat_others *others)
{
    (void)plat;
    scripted.others_readings++;
    if (scripted.others_hook != NULL)
        scripted.others_hook();
    *others = scripted.others;
    return scripted.has_others;
}

bool hl_plat_threads(struct hl_plat *plat, struct hl_plat_thread *list, size_t capacity,
                     size_t *total)
{
    (void)plat;
    if (scripted.list_hook != NULL)
        scripted.list_hook();
    scripted.lists++;
    if (is_missing(HL_PLAT_THREAD_LIST)) {
        *total = 0;
        return false;
    }
    bool cpu_missing = is_missing(HL_PLAT_THREAD_CPU);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < thread_count && i < capacity; i++) {
        bool unknown = cpu_missing || threads[i].cpu_unknown;
        list[i].tid = threads[i].tid;
        list[i].cpu_ns = unknown ? UINT64_MAX : threads[i].cpu_ns;
    }
    *total = scripted.list_total != 0 ? scripted.list_total : thread_count;
    pthread_mutex_unlock(&lock);
    return true;
}

/* With a list that is scripted beyond its threads, it is the list that is asked for. */
bool hl_plat_threads_again(struct hl_plat *plat, struct hl_plat_thread *list, size_t count)
{
    (void)plat;
    bool is_special = scripted.list_hook != NULL || scripted.list_total != 0 ||
                      is_missing(HL_PLAT_THREAD_LIST) || is_missing(HL_PLAT_THREAD_CPU);
    pthread_mutex_lock(&lock);
    bool is_all = !is_special && count == thread_count;
    for (size_t i = 0; is_all && i < count; i++) {
        is_all = list[i].tid == threads[i].tid && !threads[i].cpu_unknown;
        list[i].cpu_ns = threads[i].cpu_ns;
    }
    pthread_mutex_unlock(&lock);
    return is_all;
}

/* A copy of the thread; false: gone, or `key` is missing altogether. */
static bool look_up(uint64_t tid, enum hl_plat_key key, struct scripted_thread *copy)
{
    pthread_mutex_lock(&lock);
    struct scripted_thread *thread = scripted.missing[key] == NULL ? find(tid) : NULL;
    if (thread != NULL)
        *copy = *thread;
    pthread_mutex_unlock(&lock);
    return thread != NULL;
}

bool hl_plat_thread_cpu(struct hl_plat *plat, uint64_t tid, uint64_t *cpu_ns)
{
    (void)plat;
    struct scripted_thread thread;
    if (!look_up(tid, HL_PLAT_THREAD_CPU, &thread) || thread.cpu_unknown)
        return false;
    *cpu_ns = thread.cpu_ns;
    return true;
}

bool hl_plat_thread_name(struct hl_plat *plat, uint64_t tid, char name[HL_PLAT_NAME_BYTES])
{
    (void)plat;
    struct scripted_thread thread;
    if (!look_up(tid, HL_PLAT_THREAD_NAME, &thread) || thread.name_unknown)
        return false;
    memcpy(name, thread.name, HL_PLAT_NAME_BYTES);
    return true;
}

static void count_reading(uint64_t tid)
{
    pthread_mutex_lock(&lock);
    struct scripted_thread *thread = find(tid);
    if (thread != NULL)
        thread->readings++;
    pthread_mutex_unlock(&lock);
}

bool hl_plat_thread_state(struct hl_plat *plat, uint64_t tid, struct hl_plat_thread_state *state)
{
    (void)plat;
    struct scripted_thread thread;
    count_reading(tid);
    if (!look_up(tid, HL_PLAT_THREAD_STATE, &thread) || thread.state_unknown)
        return false;
    *state = thread.state;
    if (is_missing(HL_PLAT_RUN_DELAY))
        state->times_known = false;
    return true;
}

void hl_plat_thread_glance(struct hl_plat *plat, uint64_t tid, char name[HL_PLAT_NAME_BYTES],
                           char *state, uint64_t *age_ns)
{
    struct scripted_thread thread;
    if (!hl_plat_thread_name(plat, tid, name))
        name[0] = 0;
    bool is_known = look_up(tid, HL_PLAT_THREAD_STATE, &thread) && !thread.state_unknown;
    *state = is_known ? thread.state.state : 0;
    *age_ns = is_known ? thread.state.age_ns : 0;
}

bool hl_plat_thread_sleeps(struct hl_plat *plat, uint64_t tid, uint64_t *sleeps)
{
    (void)plat;
    struct scripted_thread thread;
    if (!look_up(tid, HL_PLAT_THREAD_STATE, &thread) || thread.sleeps == UINT64_MAX)
        return false;
    *sleeps = thread.sleeps;
    return true;
}

static void run_look_hook(uint64_t tid)
{
    pthread_mutex_lock(&lock);
    struct scripted_thread *thread = find(tid);
    pthread_mutex_unlock(&lock);
    if (thread == NULL)
        return;
    thread->looks++;
    if (thread->look_hook)
        thread->look_hook(thread);
}

bool hl_plat_look(struct hl_plat *plat, uint64_t tid, struct hl_plat_look *look)
{
    (void)plat;
    struct scripted_thread thread;
    run_look_hook(tid);
    if (!look_up(tid, HL_PLAT_THREAD_STATE, &thread) || thread.state_unknown) {
        *look = (struct hl_plat_look){.descriptor = -1};
        return false;
    }
    *look = thread.look;
    look->state = thread.state;
    if (is_missing(HL_PLAT_RUN_DELAY))
        look->state.times_known = false;
    for (int key = HL_PLAT_SYSCALL; key <= HL_PLAT_HOLDER; key++)
        if (is_missing((enum hl_plat_key)key))
            look->known &= ~HL_KNOWN(key);
    return true;
}

static uint64_t whom(const struct hl_plat_look *look)
{
    bool is_told = look->known & HL_KNOWN(HL_PLAT_SYSCALL) && !look->is_vague;
    uint64_t owner = look->known & HL_KNOWN(HL_PLAT_HOLDER) ? look->mutex.owner : 0;
    if (look->waits_for == HL_PLAT_FOR_JOIN)
        return look->awaited;
    if (look->waits_for == HL_PLAT_FOR_MUTEX && owner != 0)
        return owner;
    return is_told && look->waits_for != HL_PLAT_FOR_MUTEX ? 0 : HL_PLAT_SOMEBODY;
}

/* As the look that is scripted tells. */
uint64_t hl_plat_waits_for(struct hl_plat *plat, uint64_t tid)
{
    (void)plat;
    pthread_mutex_lock(&lock);
    struct scripted_thread *thread = find(tid);
    if (thread != NULL)
        thread->questions++;
    bool is_hidden =
        scripted.missing[HL_PLAT_SYSCALL] != NULL || thread == NULL || thread->state_unknown;
    uint64_t other = is_hidden ? HL_PLAT_SOMEBODY : whom(&thread->look);
    pthread_mutex_unlock(&lock);
    return other;
}

bool hl_plat_thread_frames(struct hl_plat *plat, uint64_t tid, bool may_interrupt,
                           struct hl_plat_frames *frames)
{
    (void)plat;
    *frames = (struct hl_plat_frames){0};
    pthread_mutex_lock(&lock);
    struct scripted_thread *thread = find(tid);
    if (thread != NULL)
        thread->captures++;
    bool is_had = thread != NULL && scripted.missing[HL_PLAT_STACK] == NULL &&
                  thread->frames.count > 0 && (may_interrupt || !thread->is_untouchable);
    if (is_had)
        *frames = thread->frames;
    else if (thread != NULL)
        frames->try_again = thread->frames.try_again;
    pthread_mutex_unlock(&lock);
    return is_had;
}

bool hl_plat_place_of(struct hl_plat *plat, uintptr_t address, char module[HL_PLAT_MODULE_BYTES],
                      uint64_t *offset)
{
    (void)plat;
    *offset = address - scripted.module.start;
    bool is_there = *offset < scripted.module.size;
    snprintf(module, HL_PLAT_MODULE_BYTES, "%s", is_there ? scripted.module.name : "");
    return is_there;
}

bool hl_plat_throttled(struct hl_plat *plat, uint64_t *throttled_ns)
{
    (void)plat;
    if (scripted.limits.quota_milli == 0 || is_missing(HL_PLAT_THROTTLED))
        return false;
    *throttled_ns = scripted.throttled_ns;
    return true;
}

void hl_plat_learn(void) {}

bool hl_plat_is_learning(void)
{
    return scripted.is_learning;
}

/* ---- where lines go ----------------------------------------------------------- */

/* With the lock held. */
static ptrdiff_t next_result(struct scripted_results *results)
{
    return results->next < results->count ? results->list[results->next++] : results->preset;
}

static int open_log(struct hl_plat_log *log, int descriptor, const char *path)
{
    pthread_mutex_lock(&lock);
    scripted.log_opens++;
    scripted.log_descriptor = descriptor;
    strncpy(scripted.log_path, path, sizeof scripted.log_path - 1);
    int result = (int)next_result(&scripted.opens);
    *log = (struct hl_plat_log){0};
    if (result == 0) {
        scripted.logs_open++;
        *log = (struct hl_plat_log){.descriptor = 10 + (int)scripted.log_opens,
                                    .kind = 1,
                                    .device = scripted.log_device,
                                    .inode = scripted.log_inode};
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int hl_plat_log_open_descriptor(struct hl_plat_log *log, int descriptor)
{
    return open_log(log, descriptor, "");
}

int hl_plat_log_open_path(struct hl_plat_log *log, const char *path)
{
    return open_log(log, -1, path);
}

/* With the lock held. */
static void capture(const char *bytes, size_t size)
{
    size_t room = sizeof scripted.log - 1 - scripted.log_length;
    size_t taken = size < room ? size : room;
    memcpy(scripted.log + scripted.log_length, bytes, taken);
    scripted.log_length += taken;
    scripted.log[scripted.log_length] = '\0';
}

ptrdiff_t hl_plat_log_write(struct hl_plat_log *log, const char *bytes, size_t size)
{
    if (log->kind == 0)
        return -EBADF;
    pthread_mutex_lock(&lock);
    scripted.log_writes++;
    ptrdiff_t result = next_result(&scripted.writes);
    if (result > (ptrdiff_t)size)
        result = (ptrdiff_t)size;
    if (result > 0) {
        capture(bytes, (size_t)result);
        scripted.log_size += (uint64_t)result;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

bool hl_plat_log_size(const struct hl_plat_log *log, uint64_t *size)
{
    pthread_mutex_lock(&lock);
    bool is_known = log->kind != 0 && scripted.log_is_file;
    *size = is_known ? scripted.log_size : 0;
    pthread_mutex_unlock(&lock);
    return is_known;
}

void hl_plat_log_close(struct hl_plat_log *log)
{
    pthread_mutex_lock(&lock);
    if (log->kind != 0)
        scripted.logs_open--;
    pthread_mutex_unlock(&lock);
    *log = (struct hl_plat_log){0};
}
