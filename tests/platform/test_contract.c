/* tests/platform/test_contract.c - clocks, memory, threads' ends, and the rules for all answers. */
#define _GNU_SOURCE
#include "helper.h"

#include <sys/utsname.h>

/* ---- time ------------------------------------------------------------------------ */

Test(clocks, neither_runs_backwards_and_the_coarse_one_keeps_up)
{
    uint64_t tick = hl_plat_coarse_tick_ns();
    uint64_t last = 0, last_coarse = 0;
    int behind = 0;

    cr_assert_gt(tick, 0);
    cr_assert_leq(tick, 20 * MS); /* HZ=100 */
    for (int i = 0; i < 200000; i++) {
        uint64_t before = hl_plat_now_ns();
        uint64_t coarse = hl_plat_coarse_ns();
        uint64_t after = hl_plat_now_ns();
        cr_assert_geq(before, last);
        cr_assert_geq(coarse, last_coarse);
        cr_assert_leq(coarse, after, "the coarse clock is ahead");
        behind += before > coarse && before - coarse >= tick;
        last = after;
        last_coarse = coarse;
    }
    /* A virtual machine that is not run for a while loses ticks. */
    cr_assert_lt(behind, 10000, "%d of 200000 readings too far behind", behind);
}

Test(clocks, a_nap_takes_as_long_on_both)
{
    uint64_t before = hl_plat_now_ns();
    uint64_t wall = hl_plat_wall_ms();

    nap(50 * MS);
    cr_assert_geq(hl_plat_now_ns() - before, 50 * MS);
    cr_assert_geq(hl_plat_wall_ms() - wall, 45);
    cr_assert_leq(hl_plat_wall_ms() / 1000 - (uint64_t)time(NULL) + 1, 2);
}

/* ---- memory ------------------------------------------------------------------------ */

Test(memory, is_zeroed_and_may_be_given_back)
{
    size_t size = 1 << 20;
    char *memory = hl_plat_map(size);

    cr_assert_not_null(memory);
    for (size_t i = 0; i < size; i++)
        cr_assert_eq(memory[i], 0);
    memset(memory, 1, size);
    hl_plat_unmap(memory, size);
    hl_plat_unmap(NULL, size);
}

Test(memory, more_than_there_is_gives_null)
{
    cr_assert_null(hl_plat_map(SIZE_MAX / 2));
    cr_assert_null(hl_plat_map_shared(SIZE_MAX / 2));
}

Test(memory, costs_nothing_until_it_is_touched)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_process before, after;

    hl_plat_process(plat, HL_KNOWN(HL_PLAT_RSS), &before);
    void *memory = hl_plat_map((size_t)256 << 20);
    cr_assert_not_null(memory);
    hl_plat_process(plat, HL_KNOWN(HL_PLAT_RSS), &after);
    if (!(before.known & after.known & HL_KNOWN(HL_PLAT_RSS)))
        cr_skip("this platform does not know how much memory is in use");
    cr_assert_lt(after.rss_bytes, before.rss_bytes + (1 << 20));
}

static void write_number(void *shared)
{
    *(_Atomic int *)shared = 42;
}

Test(memory, shared_pages_are_seen_by_the_parent_and_private_ones_are_not)
{
    _Atomic int *shared = hl_plat_map_shared(sizeof *shared);
    _Atomic int *own = hl_plat_map(sizeof *own);

    in_child(write_number, (void *)shared);
    in_child(write_number, (void *)own);
    cr_assert_eq(*shared, 42);
    cr_assert_eq(*own, 0);
}

/* The store-then-load pattern that only a barrier on the other side orders: one
 * side must see the other's store. */
static _Atomic int their_flag, our_flag, round_begun, round_done;
static _Atomic int seen_by_them;

static void *store_then_load(void *rounds)
{
    for (int i = 1; i <= *(int *)rounds; i++) {
        while (atomic_load(&round_begun) != i)
            continue;
        atomic_store_explicit(&their_flag, 1, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        int seen = atomic_load_explicit(&our_flag, memory_order_relaxed);
        atomic_store(&seen_by_them, seen);
        atomic_store(&round_done, i);
    }
    return NULL;
}

Test(memory, a_barrier_orders_the_other_threads_too)
{
    int rounds = 20000;
    pthread_t thread;

    if (!hl_plat_barrier_prepare()) {
        cr_assert_not(hl_plat_barrier());
        cr_skip("this platform has no barrier");
    }
    cr_assert(hl_plat_barrier_prepare(), "twice does no harm");
    pthread_create(&thread, NULL, store_then_load, &rounds);
    for (int i = 1; i <= rounds; i++) {
        atomic_store(&their_flag, 0);
        atomic_store(&our_flag, 0);
        atomic_store(&round_begun, i);
        atomic_store_explicit(&our_flag, 1, memory_order_relaxed);
        cr_assert(hl_plat_barrier());
        int seen = atomic_load_explicit(&their_flag, memory_order_relaxed);
        while (atomic_load(&round_done) != i)
            continue;
        cr_assert(seen || atomic_load(&seen_by_them), "round %d: neither saw the other", i);
    }
    pthread_join(thread, NULL);
}

/* ---- this process and thread ---------------------------------------------------------- */

static void *own_id(void *id)
{
    *(uint64_t *)id = hl_plat_thread_id();
    return hl_plat_thread_id() == *(uint64_t *)id ? id : NULL;
}

Test(self, threads_that_live_together_have_different_numbers)
{
    pthread_t threads[2];
    uint64_t ids[2] = {0};
    void *same;

    cr_assert_eq(hl_plat_process_id(), (uint64_t)getpid());
    cr_assert_eq(hl_plat_thread_id(), hl_plat_thread_id());
    if (hl_plat_main_thread_id() != 0) /* Criterion calls a test in the first thread */
        cr_assert_eq(hl_plat_main_thread_id(), hl_plat_thread_id());
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, own_id, &ids[i]);
        pthread_join(threads[i], &same);
        cr_assert_not_null(same);
        cr_assert_neq(ids[i], 0);
        cr_assert_neq(ids[i], hl_plat_thread_id());
    }
}

Test(self, the_environment_is_read_where_it_is_trusted)
{
    cr_assert(hl_plat_env_is_trusted());
    setenv("HEARTLINE_TEST", "yes", 1);
    cr_assert_str_eq(hl_plat_getenv("HEARTLINE_TEST"), "yes");
    cr_assert_null(hl_plat_getenv("HEARTLINE_TEST_NOT_SET"));
}

Test(self, a_late_key_is_never_safe_where_an_early_one_may_not_be)
{
    pthread_key_t key, last = 0;
    bool was_safe = true;

    for (int i = 0; i < 100 && pthread_key_create(&key, NULL) == 0; i++, last = key) {
        bool is_safe = hl_plat_key_is_signal_safe(key);
        cr_assert(was_safe || !is_safe || key < last);
        was_safe = is_safe;
    }
#ifdef __GLIBC__
    if (!is_model())
        cr_assert_not(hl_plat_key_is_signal_safe(32));
#endif
}

Test(self, a_name_is_cut_rather_than_refused)
{
    struct hl_plat *plat = hl_plat_open();
    char name[HL_PLAT_NAME_BYTES];

    hl_plat_name_self("heartline-monitor-with-a-long-name");
    if (!hl_plat_thread_name(plat, hl_plat_thread_id(), name))
        cr_skip("this platform does not know names");
    cr_assert_str_eq(name, "heartline-monit");
    char own[HL_PLAT_NAME_BYTES];
    hl_plat_own_name(own);
    cr_assert_str_eq(own, name);
}

Test(self, the_program_is_called_what_ps_calls_it)
{
    struct hl_plat *plat = hl_plat_open();
    char name[HL_PLAT_NAME_BYTES], shown[HL_PLAT_NAME_BYTES] = "";

    memset(name, 'x', sizeof name);
    hl_plat_program_name(plat, name);
    cr_assert_not_null(memchr(name, 0, sizeof name));
    if (!name[0])
        cr_skip("this platform does not know names");
    FILE *comm = fopen("/proc/self/comm", "r");
    cr_assert_not_null(comm);
    cr_assert_not_null(fgets(shown, sizeof shown, comm));
    fclose(comm);
    shown[strcspn(shown, "\n")] = 0;
    cr_assert_str_eq(name, shown);
}

Test(self, the_host_is_called_what_the_system_calls_it)
{
    struct utsname system;
    char name[HL_PLAT_HOST_BYTES];

    cr_assert_eq(uname(&system), 0);
    memset(name, 'x', sizeof name);
    cr_assert_eq(hl_plat_host_name(name), system.nodename[0] != 0);
    cr_assert_str_eq(name, system.nodename);
}

Test(self, there_are_at_least_as_many_cores_as_the_process_may_use)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_limits limits;

    hl_plat_limits(plat, &limits);
    uint64_t most = hl_plat_most_cores(plat);
    cr_assert_geq(most * 1000, limits.cores_milli);
    cr_assert_leq(most, HL_PLAT_MOST_CORES);
    cr_assert_eq(hl_plat_most_cores(plat), most);
    hl_plat_close(plat);
}

/* ---- join ------------------------------------------------------------------------------- */

static void *end_when_told(void *told)
{
    while (!atomic_load((atomic_bool *)told))
        nap(MS);
    return NULL;
}

Test(join, waits_as_long_as_it_may_and_joins_what_has_ended)
{
    atomic_bool told = false;
    pthread_t thread;

    pthread_create(&thread, NULL, end_when_told, &told);
    uint64_t before = hl_plat_now_ns();
    cr_assert_not(hl_plat_join(thread, 0));
    cr_assert_lt(hl_plat_now_ns() - before, 400 * MS);
    cr_assert_not(hl_plat_join(thread, 100 * MS));
    uint64_t passed = hl_plat_now_ns() - before;
    cr_assert_geq(passed, 100 * MS);
    cr_assert_lt(passed, 500 * MS);
    atomic_store(&told, true);
    before = hl_plat_now_ns();
    cr_assert(hl_plat_join(thread, 5 * S));
    cr_assert_lt(hl_plat_now_ns() - before, 400 * MS);
}

/* ---- rules for all answers ------------------------------------------------------------- */

Test(rules, there_is_always_a_reason)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_process process;
    struct hl_plat_limits limits;

    for (int key = 0; key < HL_PLAT_KEYS; key++)
        cr_assert_not_null(hl_plat_why(plat, (enum hl_plat_key)key));
    hl_plat_process(plat, ~0u, &process);
    hl_plat_limits(plat, &limits);
    cr_assert_eq(process.known & ~(HL_KNOWN(HL_PLAT_START + 1) - 1), 0, "bits of others");
    for (int key = 0; key <= HL_PLAT_START; key++)
        if (!(process.known & HL_KNOWN(key)))
            cr_assert_str_neq(hl_plat_why(plat, (enum hl_plat_key)key), "not asked for yet");
    hl_plat_close(plat);
}

Test(rules, a_look_at_what_is_no_thread_shows_nothing)
{
    static const uint64_t numbers[] = {0, UINT32_MAX, (uint64_t)1 << 32, UINT64_MAX};
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_look look;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        memset(&look, 0xff, sizeof look);
        cr_assert_not(hl_plat_look(plat, numbers[i], &look));
        cr_assert_eq(look.known, 0);
        cr_assert_eq(look.waits_for, HL_PLAT_FOR_UNKNOWN);
        cr_assert_eq(look.descriptor, -1);
        cr_assert_not(look.steady);
        for (int key = HL_PLAT_SYSCALL; key <= HL_PLAT_HOLDER; key++)
            cr_assert_str_neq(hl_plat_why(plat, (enum hl_plat_key)key), "not asked for yet");
    }
    hl_plat_close(plat);
}

Test(rules, a_look_at_oneself_sees_all_or_nothing)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_look look;

    if (hl_plat_look(plat, hl_plat_thread_id(), &look)) {
        cr_assert_neq(look.state.state, 0);
        cr_assert_not(look.steady, "it is looking");
    } else {
        cr_assert_eq(look.known, 0);
        cr_assert_eq(look.state.state, 0);
    }
    hl_plat_close(plat);
}

Test(rules, without_a_quota_nothing_is_throttled)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_limits limits;
    uint64_t throttled_ns;

    cr_assert_not(hl_plat_throttled(plat, &throttled_ns), "no quota was looked for yet");
    hl_plat_limits(plat, &limits);
    if (limits.quota_milli == 0) {
        cr_assert_not(hl_plat_throttled(plat, &throttled_ns));
        cr_assert_str_neq(hl_plat_why(plat, HL_PLAT_THROTTLED), "not asked for yet");
    }
    hl_plat_close(plat);
}

#define KEEPS_ERRNO(call)                                \
    do {                                                 \
        errno = 77;                                      \
        call;                                            \
        cr_expect_eq(errno, 77, #call " changed errno"); \
    } while (0)

Test(rules, no_function_changes_errno)
{
    struct hl_plat *plat;
    struct hl_plat_wait wait;
    struct hl_plat_process process;
    struct hl_plat_limits limits;
    struct hl_plat_thread threads[4];
    struct hl_plat_thread_state state;
    struct hl_plat_look look;
    struct hl_plat_log log;
    char name[HL_PLAT_NAME_BYTES], host[HL_PLAT_HOST_BYTES];
    uint64_t cpu_ns, throttled_ns, size, self = hl_plat_thread_id();
    uintptr_t low, high;
    size_t total;
    atomic_bool told = false;
    pthread_t thread;

    pthread_create(&thread, NULL, end_when_told, &told);
    KEEPS_ERRNO(plat = hl_plat_open());
    KEEPS_ERRNO(hl_plat_now_ns());
    KEEPS_ERRNO(hl_plat_coarse_ns());
    KEEPS_ERRNO(hl_plat_coarse_tick_ns());
    KEEPS_ERRNO(hl_plat_wall_ms());
    KEEPS_ERRNO(hl_plat_map(SIZE_MAX / 2));
    KEEPS_ERRNO(hl_plat_map_shared(SIZE_MAX / 2));
    KEEPS_ERRNO(hl_plat_unmap(name + 1, 1));
    KEEPS_ERRNO(hl_plat_barrier());
    KEEPS_ERRNO(hl_plat_barrier_prepare());
    KEEPS_ERRNO(hl_plat_process_id());
    KEEPS_ERRNO(hl_plat_thread_id());
    KEEPS_ERRNO(hl_plat_main_thread_id());
    KEEPS_ERRNO(hl_plat_host_name(host));
    KEEPS_ERRNO(hl_plat_getenv("HEARTLINE_TEST_NOT_SET"));
    KEEPS_ERRNO(hl_plat_env_is_trusted());
    KEEPS_ERRNO(hl_plat_stack_bounds(&low, &low, &high));
    KEEPS_ERRNO(hl_plat_stack_bounds(plat, &low, &high));
    KEEPS_ERRNO(hl_plat_key_is_signal_safe(1));
    KEEPS_ERRNO(hl_plat_name_self("name"));
    KEEPS_ERRNO(hl_plat_own_name(name));
    KEEPS_ERRNO(hl_plat_program_name(plat, name));
    KEEPS_ERRNO(hl_plat_join(thread, MS));
    KEEPS_ERRNO(hl_plat_wait(plat, MS, &wait));
    KEEPS_ERRNO(hl_plat_wake(plat));
    KEEPS_ERRNO(hl_plat_why(plat, HL_PLAT_IO));
    KEEPS_ERRNO(hl_plat_process(plat, ~0u, &process));
    KEEPS_ERRNO(hl_plat_limits(plat, &limits));
    KEEPS_ERRNO(hl_plat_most_cores(plat));
    KEEPS_ERRNO(hl_plat_threads(plat, threads, 4, &total));
    KEEPS_ERRNO(hl_plat_threads_again(plat, threads, 0));
    KEEPS_ERRNO(hl_plat_threads_again(plat, threads, total < 4 ? total : 4));
    KEEPS_ERRNO(hl_plat_thread_cpu(plat, self, &cpu_ns));
    KEEPS_ERRNO(hl_plat_thread_name(plat, self, name));
    KEEPS_ERRNO(hl_plat_thread_state(plat, self, &state));
    KEEPS_ERRNO(hl_plat_thread_cpu(plat, 1u << 31, &cpu_ns));
    KEEPS_ERRNO(hl_plat_thread_name(plat, 1u << 31, name));
    KEEPS_ERRNO(hl_plat_thread_state(plat, 1u << 31, &state));
    KEEPS_ERRNO(hl_plat_thread_glance(plat, self, name, &state.state, &(uint64_t){0}));
    KEEPS_ERRNO(hl_plat_thread_glance(plat, 1u << 31, name, &state.state, &(uint64_t){0}));
    KEEPS_ERRNO(hl_plat_thread_sleeps(plat, self, &cpu_ns));
    KEEPS_ERRNO(hl_plat_thread_sleeps(plat, 1u << 31, &cpu_ns));
    KEEPS_ERRNO(hl_plat_look(plat, self, &look));
    KEEPS_ERRNO(hl_plat_look(plat, 1u << 31, &look));
    KEEPS_ERRNO(hl_plat_waits_for(plat, self));
    KEEPS_ERRNO(hl_plat_waits_for(plat, 1u << 31));
    KEEPS_ERRNO(hl_plat_throttled(plat, &throttled_ns));
    KEEPS_ERRNO(hl_plat_others(plat, &(struct hl_plat_others){0}));
    KEEPS_ERRNO(hl_plat_log_open_descriptor(&log, -1));
    KEEPS_ERRNO(hl_plat_log_write(&log, "x", 1));
    KEEPS_ERRNO(hl_plat_log_size(&log, &size));
    KEEPS_ERRNO(hl_plat_log_close(&log));
    KEEPS_ERRNO(hl_plat_log_open_path(&log, "/no/such/folder"));
    KEEPS_ERRNO(hl_plat_log_open_path(&log, "/dev/full"));
    KEEPS_ERRNO(hl_plat_log_write(&log, "x", 1));
    KEEPS_ERRNO(hl_plat_log_size(&log, &size));
    KEEPS_ERRNO(hl_plat_log_close(&log));
    KEEPS_ERRNO(hl_plat_close(plat));
    atomic_store(&told, true);
    KEEPS_ERRNO(hl_plat_join(thread, S));
}

struct counts {
    int at_first, open, not_cloexec, too_low, closed, abandoned;
};

static void count_descriptors(void *shared)
{
    struct counts *counts = shared;

    close_from(3);
    counts->at_first = open_descriptors();
    struct hl_plat *plat = hl_plat_open();
    counts->open = open_descriptors();
    for (int descriptor = 3; descriptor < 1024; descriptor++) {
        int flags = fcntl(descriptor, F_GETFD);
        counts->not_cloexec += flags >= 0 && !(flags & FD_CLOEXEC);
        counts->too_low += flags >= 0 && descriptor < 10;
    }
    pid_t child = fork();
    if (child == 0) {
        hl_plat_abandon_in_child(plat);
        counts->abandoned = open_descriptors();
        _exit(0);
    }
    waitpid(child, NULL, 0);
    hl_plat_close(plat);
    counts->closed = open_descriptors();
}

Test(rules, descriptors_are_few_high_and_never_left_behind)
{
    struct counts *counts = hl_plat_map_shared(sizeof *counts);

    in_child(count_descriptors, counts);
    cr_assert_leq(counts->open, counts->at_first + 3);
    cr_assert_eq(counts->not_cloexec, 0);
    cr_assert_eq(counts->too_low, 0);
    cr_assert_eq(counts->closed, counts->at_first);
    cr_assert_eq(counts->abandoned, counts->at_first);
}

/* Forks while another thread reads everything, so that the child inherits the
 * platform in the middle of its work. */
static atomic_bool is_over;

static void *read_everything(void *opened)
{
    struct hl_plat *plat = opened;
    struct hl_plat_process process;
    struct hl_plat_limits limits;
    struct hl_plat_wait wait;

    while (!atomic_load(&is_over)) {
        hl_plat_process(plat, ~0u, &process);
        hl_plat_limits(plat, &limits);
        hl_plat_wait(plat, 0, &wait);
    }
    return NULL;
}

static void fork_often(void *shared)
{
    int *left_behind = shared;
    pthread_t thread;

    close_from(3);
    int at_first = open_descriptors();
    struct hl_plat *plat = hl_plat_open();
    pthread_create(&thread, NULL, read_everything, plat);
    for (int i = 0; i < 500; i++) {
        pid_t child = fork();
        if (child == 0) {
            hl_plat_abandon_in_child(plat);
            _exit(open_descriptors() - at_first);
        }
        int status;
        waitpid(child, &status, 0);
        *left_behind += status != 0;
    }
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
}

Test(rules, a_child_forked_amid_a_reading_can_abandon_the_platform)
{
    int *left_behind = hl_plat_map_shared(sizeof *left_behind);

    if (is_model())
        cr_skip("what is left behind is the model's");
    in_child(fork_often, left_behind);
    /* The instant between an open() and noting its result cannot be closed. */
    cr_assert_leq(*left_behind, 5, "%d of 500 children kept a descriptor", *left_behind);
}
