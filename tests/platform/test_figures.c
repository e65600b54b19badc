/* tests/platform/test_figures.c - figures of the process and its threads, by relations:
 * what a burnt core, a new thread or a revoked right must change. */
#define _GNU_SOURCE
#include "helper.h"

#include <semaphore.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define EVERYTHING (HL_KNOWN(HL_PLAT_START + 1) - 1)

static bool knows(const struct hl_plat_process *process, enum hl_plat_key key)
{
    return process->known & HL_KNOWN(key);
}

static struct hl_plat_process process_now(struct hl_plat *plat)
{
    struct hl_plat_process process;

    hl_plat_process(plat, EVERYTHING, &process);
    return process;
}

/* ---- the process ------------------------------------------------------------------ */

Test(process, linux_knows_everything)
{
    ONLY_ON_LINUX("another platform may know less");
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_process process = process_now(plat);
    for (int key = 0; key <= HL_PLAT_START; key++)
        if (key != HL_PLAT_IO) /* not every kernel counts it */
            cr_expect(knows(&process, (enum hl_plat_key)key), "%d: %s", key,
                      hl_plat_why(plat, (enum hl_plat_key)key));
    cr_assert_gt(process.rss_bytes, 100000);
    cr_assert_leq(process.rss_bytes, process.peak_rss_bytes);
    cr_assert_leq(process.rss_bytes, process.vm_bytes);
    cr_assert_geq(process.threads, 1);
}

Test(process, only_what_is_wanted_is_answered)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_process process;

    for (int key = 0; key <= HL_PLAT_START; key++) {
        hl_plat_process(plat, HL_KNOWN(key), &process);
        if (key == HL_PLAT_CPU || key == HL_PLAT_IO || key == HL_PLAT_START)
            cr_assert_eq(process.known & ~HL_KNOWN(key), 0);
    }
    hl_plat_process(plat, 0, &process);
    cr_assert_eq(process.known, 0);
}

Test(process, burning_a_core_is_seen_and_cpu_time_never_shrinks)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_process before = process_now(plat), after;

    if (!knows(&before, HL_PLAT_CPU))
        cr_skip("this platform does not know CPU time");
    burn(300 * MS);
    after = process_now(plat);
    cr_assert_geq(after.cpu_ns - before.cpu_ns, 295 * MS);
    cr_assert_leq(after.cpu_ns - before.cpu_ns, 360 * MS); /* Criterion's thread, too */
    for (int i = 0; i < 1000; i++) {
        before = after;
        hl_plat_process(plat, HL_KNOWN(HL_PLAT_CPU), &after);
        cr_assert_geq(after.cpu_ns, before.cpu_ns);
    }
}

static void *burn_a_little(void *unused)
{
    burn(100 * MS);
    return unused;
}

Test(process, the_cpu_time_of_ended_threads_stays)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_process before = process_now(plat);
    pthread_t thread;

    if (!knows(&before, HL_PLAT_CPU))
        cr_skip("this platform does not know CPU time");
    pthread_create(&thread, NULL, burn_a_little, NULL);
    pthread_join(thread, NULL);
    cr_assert_geq(process_now(plat).cpu_ns - before.cpu_ns, 98 * MS);
}

Test(process, touched_memory_is_seen_and_its_peak_stays)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_process before = process_now(plat), with, after;
    size_t size = (size_t)64 << 20;

    if (!knows(&before, HL_PLAT_RSS) || !knows(&before, HL_PLAT_PEAK_RSS))
        cr_skip("this platform does not know memory");
    char *memory = hl_plat_map(size);
    memset(memory, 1, size);
    with = process_now(plat);
    hl_plat_unmap(memory, size);
    after = process_now(plat);
    cr_assert_geq(with.rss_bytes, before.rss_bytes + size - (1 << 20));
    cr_assert_geq(with.vm_bytes, before.vm_bytes + size);
    cr_assert_lt(after.rss_bytes, with.rss_bytes - size / 2);
    cr_assert_geq(after.peak_rss_bytes + (1 << 20), with.rss_bytes);
}

Test(process, grows_older_as_time_passes)
{
    struct hl_plat *plat = hl_plat_open();
    uint64_t began = hl_plat_now_ns();
    struct hl_plat_process before = process_now(plat);

    if (!knows(&before, HL_PLAT_START))
        cr_skip("this platform does not know when the process started");
    cr_assert_lt(before.age_ns, 120 * S, "a test is young");
    nap(100 * MS);
    uint64_t aged = process_now(plat).age_ns - before.age_ns;
    cr_assert_geq(aged, 100 * MS - MS);
    cr_assert_leq(aged, hl_plat_now_ns() - began + MS);
}

Test(process, written_bytes_are_seen)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_process before = process_now(plat), after;
    char path[] = "heartline-test-XXXXXX";
    static char bytes[1 << 20];

    if (!knows(&before, HL_PLAT_IO))
        cr_skip("this platform does not know I/O");
    int file = mkstemp(path);
    cr_assert_geq(file, 0);
    unlink(path);
    cr_assert_eq(write(file, bytes, sizeof bytes), (ssize_t)sizeof bytes);
    fsync(file);
    after = process_now(plat);
    close(file);
    cr_assert_geq(after.read_bytes, before.read_bytes);
    if (after.written_bytes == before.written_bytes)
        cr_skip("this file system writes to no storage");
    cr_assert_geq(after.written_bytes, before.written_bytes + sizeof bytes);
}

/* ---- the process under hard conditions ---------------------------------------------- */

struct hard {
    bool rss_known, io_known, threads_listed, woken, log_works;
    char io_why[80], list_why[80];
    uint64_t wait_ns;
};

static void look(struct hl_plat *plat, struct hard *hard)
{
    struct hl_plat_process process = process_now(plat);
    size_t total;

    hard->rss_known = knows(&process, HL_PLAT_RSS);
    hard->io_known = knows(&process, HL_PLAT_IO);
    hard->threads_listed = hl_plat_threads(plat, NULL, 0, &total);
    snprintf(hard->io_why, sizeof hard->io_why, "%s", hl_plat_why(plat, HL_PLAT_IO));
    snprintf(hard->list_why, sizeof hard->list_why, "%s", hl_plat_why(plat, HL_PLAT_THREAD_LIST));
}

static void lose_rights(void *shared)
{
    if (setgid(65534) == 0 && setuid(65534) == 0)
        prctl(PR_SET_DUMPABLE, 0);
    look(hl_plat_open(), shared);
}

Test(hard, a_process_that_is_not_dumpable_loses_io_and_nothing_else)
{
    struct hard *hard = hl_plat_map_shared(sizeof *hard);

    ONLY_ON_LINUX("about /proc");
    if (geteuid() != 0)
        cr_skip("only root can give up its rights");
    in_child(lose_rights, hard);
    cr_assert(hard->rss_known && hard->threads_listed);
    cr_assert_not(hard->io_known);
    cr_assert_str_eq(hard->io_why, "permission denied (process is not dumpable)");
}

static void run_out_of_descriptors(void *shared)
{
    close_from(3);
    struct hl_plat *plat = hl_plat_open();
    while (dup(0) >= 0)
        continue;
    look(plat, shared);
}

Test(hard, kept_descriptors_go_on_when_there_are_no_more)
{
    struct hard *hard = hl_plat_map_shared(sizeof *hard);

    ONLY_ON_LINUX("about /proc");
    in_child(run_out_of_descriptors, hard);
    cr_assert(hard->rss_known && hard->threads_listed);
    cr_assert_not(hard->io_known);
    cr_assert_str_eq(hard->io_why, "too many open files");
}

static void *wake_later(void *plat)
{
    nap(100 * MS);
    hl_plat_wake(plat);
    return NULL;
}

static void live_on_eight_descriptors(void *shared)
{
    struct rlimit eight = {8, 8};
    struct hard *hard = shared;
    struct hl_plat_wait wait;
    pthread_t thread;

    close_from(3);
    setrlimit(RLIMIT_NOFILE, &eight);
    struct hl_plat *plat = hl_plat_open();
    look(plat, hard);
    pthread_create(&thread, NULL, wake_later, plat);
    hl_plat_wait(plat, 5 * S, &wait);
    pthread_join(thread, NULL);
    hard->woken = wait.woken;
    hard->wait_ns = wait.ended_ns - wait.began_ns;
}

Test(hard, a_limit_of_eight_descriptors_leaves_what_needs_none_for_long)
{
    struct hard *hard = hl_plat_map_shared(sizeof *hard);

    in_child(live_on_eight_descriptors, hard);
    cr_assert(hard->woken);
    cr_assert_geq(hard->wait_ns, 90 * MS);
    cr_assert_lt(hard->wait_ns, 500 * MS);
    ONLY_ON_LINUX("about /proc");
    cr_assert(hard->rss_known && hard->io_known);
    cr_assert_not(hard->threads_listed);
    cr_assert_str_eq(hard->list_why, "too many open files");
}

static struct hl_plat *early_plat;

static void *outlive_main(void *shared)
{
    struct hard *hard = shared;
    struct hl_plat_log log;
    int ends[2];

    nap(100 * MS); /* the first thread is gone by then, and was the one that opened it */
    look(early_plat, hard);
    hard->log_works = pipe(ends) == 0 && hl_plat_log_open_descriptor(&log, ends[1]) == 0 &&
                      hl_plat_log_write(&log, "x", 1) == 1;
    _exit(0);
}

static void end_main_early(void *shared)
{
    pthread_t thread;

    early_plat = hl_plat_open();
    pthread_create(&thread, NULL, outlive_main, shared);
    pthread_exit(NULL);
}

Test(hard, figures_survive_the_end_of_the_first_thread)
{
    struct hard *hard = hl_plat_map_shared(sizeof *hard);

    in_child(end_main_early, hard);
    cr_assert(hard->log_works);
    ONLY_ON_LINUX("about /proc");
    cr_assert(hard->rss_known, "memory of a process without its first thread");
    cr_assert(hard->threads_listed);
}

static void lose_everything(void *shared)
{
    close_from(3);
    struct hl_plat *plat = hl_plat_open();
    close_from(3);
    for (int i = 0; i < 40; i++)
        (void)!open("/dev/null", O_RDWR);
    look(plat, shared);
}

Test(hard, figures_come_back_after_the_application_closed_everything)
{
    struct hard *hard = hl_plat_map_shared(sizeof *hard);

    ONLY_ON_LINUX("about /proc");
    in_child(lose_everything, hard);
    cr_assert(hard->rss_known && hard->threads_listed);
}

/* ---- limits --------------------------------------------------------------------------- */

Test(limits, cores_are_not_more_than_the_machine_has)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_limits limits;

    hl_plat_limits(plat, &limits);
    if (!(limits.known & HL_KNOWN(HL_PLAT_CORES)))
        cr_skip("this platform does not know its cores");
    cr_assert_gt(limits.cores_milli, 0);
    cr_assert_leq(limits.cores_milli, 1000u * (uint32_t)sysconf(_SC_NPROCESSORS_CONF));
    cr_assert(limits.memory_bytes == 0 || limits.memory_bytes > 4096);
}

static bool write_file(const char *folder, const char *name, const char *text)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool written = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0)
        close(file);
    return written;
}

static char group[256];

struct limited {
    struct hl_plat_limits limits;
    bool has_throttled;
    uint64_t throttled_before_ns, throttled_ns;
};

/* 50 ms at 30 ms in each 100 ms; on a busy machine others take what a quota would have. */
static void burn_until_throttled(struct hl_plat *plat, struct limited *limited)
{
    limited->throttled_ns = limited->throttled_before_ns;
    for (int i = 0; i < 40 && limited->throttled_ns - limited->throttled_before_ns <= 100 * MS;
         i++) {
        burn(50 * MS);
        hl_plat_throttled(plat, &limited->throttled_ns);
    }
}

static void limits_in_group(void *shared)
{
    struct limited *limited = shared;
    struct hl_plat *plat = hl_plat_open();
    char inner[300], pid[16];

    snprintf(inner, sizeof inner, "%s/inner", group);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    if (!write_file(inner, "cgroup.procs", pid))
        return;
    hl_plat_limits(plat, &limited->limits);
    hl_plat_throttled(plat, &limited->throttled_before_ns);
    if (limited->limits.quota_milli > 0)
        burn_until_throttled(plat, limited);
    limited->has_throttled = hl_plat_throttled(plat, &limited->throttled_ns);
}

/* Limits the outer of two groups and runs a child in the inner one. false: not allowed. */
static bool ask_in_group(const char *where, const char *file, const char *text,
                         struct limited *limited)
{
    char inner[300];

    snprintf(group, sizeof group, "%s/heartline-test-%ld", where, (long)getpid());
    snprintf(inner, sizeof inner, "%s/inner", group);
    bool made = mkdir(group, 0700) == 0 && write_file(group, file, text) && mkdir(inner, 0700) == 0;
    if (made)
        in_child(limits_in_group, limited);
    rmdir(inner);
    rmdir(group);
    return made;
}

Test(limits, a_cpu_quota_on_a_parent_group_counts)
{
    struct limited *limited = hl_plat_map_shared(sizeof *limited);

    ONLY_ON_LINUX("about cgroups");
    if (!ask_in_group("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "30000", limited) &&
        !ask_in_group("/sys/fs/cgroup", "cpu.max", "30000 100000", limited))
        cr_skip("groups cannot be made here");
    cr_assert_eq(limited->limits.known, HL_KNOWN(HL_PLAT_CORES) | HL_KNOWN(HL_PLAT_MEMORY));
    cr_assert_eq(limited->limits.cores_milli, 300);
    cr_assert_eq(limited->limits.quota_milli, 300);
    cr_assert(limited->has_throttled);
    cr_assert_gt(limited->throttled_ns - limited->throttled_before_ns, 100 * MS);
    cr_assert_lt(limited->throttled_ns - limited->throttled_before_ns, 5 * S);
}

Test(limits, a_memory_limit_on_a_parent_group_counts)
{
    struct limited *limited = hl_plat_map_shared(sizeof *limited);

    ONLY_ON_LINUX("about cgroups");
    if (!ask_in_group("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "67108864", limited) &&
        !ask_in_group("/sys/fs/cgroup", "memory.max", "67108864", limited))
        cr_skip("groups cannot be made here");
    cr_assert_eq(limited->limits.memory_bytes, 67108864);
}

/* ---- threads ----------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    const char *name;
    _Atomic uint64_t tid;
    atomic_bool told;
    bool spins;
};

static void *work(void *argument)
{
    struct worker *worker = argument;

    if (worker->name)
        prctl(PR_SET_NAME, worker->name);
    atomic_store(&worker->tid, hl_plat_thread_id());
    while (!atomic_load(&worker->told))
        if (!worker->spins)
            nap(MS);
    return NULL;
}

static void begin_work(struct worker *worker)
{
    pthread_create(&worker->thread, NULL, work, worker);
    while (atomic_load(&worker->tid) == 0)
        nap(MS / 10);
}

static void end_work(struct worker *worker)
{
    atomic_store(&worker->told, true);
    pthread_join(worker->thread, NULL);
}

static size_t count_threads(struct hl_plat *plat)
{
    size_t total = 99;

    if (!hl_plat_threads(plat, NULL, 0, &total)) {
        cr_assert_eq(total, 0);
        cr_assert_str_neq(hl_plat_why(plat, HL_PLAT_THREAD_LIST), "not asked for yet");
        cr_skip("this platform does not list threads");
    }
    return total;
}

static const struct hl_plat_thread *find(const struct hl_plat_thread *threads, size_t count,
                                         uint64_t tid)
{
    for (size_t i = 0; i < count; i++)
        if (threads[i].tid == tid)
            return &threads[i];
    return NULL;
}

/* ---- what the others did ------------------------------------------------------------------ */

static sem_t errand, done;
static void (*errand_is)(void);

static void *run_errands(void *unused)
{
    while (sem_wait(&errand) == 0 && errand_is) {
        errand_is();
        sem_post(&done);
    }
    return unused;
}

static void send_on(void (*what)(void))
{
    errand_is = what;
    sem_post(&errand);
    if (what)
        sem_wait(&done);
    nap(20 * MS); /* it sleeps again */
}

static struct hl_plat_others others_now(struct hl_plat *plat)
{
    struct hl_plat_others others = {0};

    for (int i = 0; i < 100 && !hl_plat_others(plat, &others); i++)
        nap(MS);
    return others;
}

static void do_nothing(void) {}

static void burn_some(void)
{
    burn(100 * MS);
}

/* What was seen before and after each. */
struct seen {
    bool is_told;
    struct hl_plat_others at_first, after_our_own, after_nothing, after_burning, after_its_end;
};

static void write_much(const char *path)
{
    static char bytes[1 << 20];
    int file = open(path, O_WRONLY | O_CREAT, 0600);

    for (int i = 0; i < 4 && write(file, bytes, sizeof bytes) > 0; i++)
        fsync(file);
    close(file);
    unlink(path);
}

static void watch_another(void *shared)
{
    struct hl_plat *plat = hl_plat_open();
    struct seen *seen = shared;
    pthread_t thread;

    sem_init(&errand, 0, 0);
    sem_init(&done, 0, 0);
    pthread_create(&thread, NULL, run_errands, NULL);
    nap(50 * MS);
    seen->is_told = hl_plat_others(plat, &seen->at_first);
    seen->at_first = others_now(plat);
    burn(100 * MS);
    for (int i = 0; i < 20; i++)
        nap(MS);
    write_much("heartline-test-others");
    seen->after_our_own = others_now(plat);
    send_on(do_nothing);
    seen->after_nothing = others_now(plat);
    send_on(burn_some);
    seen->after_burning = others_now(plat);
    send_on(NULL);
    pthread_join(thread, NULL);
    seen->after_its_end = others_now(plat);
}

Test(others, one_that_sleeps_does_nothing_and_what_the_caller_does_is_not_in_it)
{
    NEEDS_FORK();
    struct seen *seen = hl_plat_map_shared(sizeof *seen);

    in_child(watch_another, seen);
    if (!seen->is_told && !is_linux())
        cr_skip("this platform does not tell");
    cr_assert(seen->at_first.switches > 0);
    cr_expect_eq(seen->after_our_own.switches, seen->at_first.switches);
    cr_expect_eq(seen->after_our_own.blocks, seen->at_first.blocks);
    cr_expect_lt(seen->after_our_own.cpu_ns, seen->at_first.cpu_ns + 5 * MS);
}

Test(others, one_that_ran_for_a_moment_is_seen_and_one_that_ended_stays_counted)
{
    NEEDS_FORK();
    struct seen *seen = hl_plat_map_shared(sizeof *seen);

    in_child(watch_another, seen);
    if (!seen->is_told && !is_linux())
        cr_skip("this platform does not tell");
    cr_expect_gt(seen->after_nothing.switches, seen->after_our_own.switches);
    cr_expect_geq(seen->after_burning.cpu_ns, seen->after_nothing.cpu_ns + 90 * MS);
    cr_expect_eq(seen->after_burning.threads, 1);
    cr_expect_eq(seen->after_its_end.threads, 0);
    cr_expect_geq(seen->after_its_end.switches, seen->after_burning.switches);
    cr_expect_geq(seen->after_its_end.cpu_ns + 5 * MS, seen->after_burning.cpu_ns);
}

Test(threads, a_list_fills_what_fits_and_says_how_many_there_are)
{
    struct hl_plat *plat = hl_plat_open();
    struct worker workers[5] = {0};
    struct hl_plat_thread threads[100] = {{.tid = 0}};
    size_t before = count_threads(plat), total = 0;

    for (int i = 0; i < 5; i++)
        begin_work(&workers[i]);
    cr_assert_eq(count_threads(plat), before + 5);
    cr_assert(hl_plat_threads(plat, threads, 1, &total));
    cr_assert_eq(total, before + 5);
    cr_assert_neq(threads[0].tid, 0);
    cr_assert_eq(threads[1].tid, 0, "written beyond the capacity");
    cr_assert(hl_plat_threads(plat, threads, 100, &total));
    cr_assert_eq(total, before + 5);
    cr_assert_not_null(find(threads, total, hl_plat_thread_id()));
    for (size_t i = 0; i < total; i++)
        cr_assert_eq(find(threads, total, threads[i].tid), &threads[i], "one thread twice");
    for (int i = 0; i < 5; i++) {
        cr_assert_not_null(find(threads, total, workers[i].tid));
        end_work(&workers[i]);
    }
}

Test(threads, who_burns_a_core_is_seen)
{
    struct hl_plat *plat = hl_plat_open();
    struct worker spinner = {.spins = true}, sleeper = {0};
    struct hl_plat_thread threads[100];
    uint64_t before, after, slept;
    size_t total;

    count_threads(plat);
    begin_work(&spinner);
    begin_work(&sleeper);
    cr_assert(hl_plat_thread_cpu(plat, spinner.tid, &before));
    nap(300 * MS);
    cr_assert(hl_plat_threads(plat, threads, 100, &total));
    cr_assert(hl_plat_thread_cpu(plat, spinner.tid, &after));
    cr_assert(hl_plat_thread_cpu(plat, sleeper.tid, &slept));
    cr_assert_gt(after - before, 100 * MS);
    cr_assert_lt(after - before, 2 * S);
    cr_assert_lt(slept, 100 * MS);
    cr_assert_leq(find(threads, total, spinner.tid)->cpu_ns, after);
    cr_assert_geq(find(threads, total, spinner.tid)->cpu_ns, before);
    end_work(&spinner);
    end_work(&sleeper);
}

static bool again(struct hl_plat *plat, struct hl_plat_thread *threads, size_t count)
{
    for (int i = 0; i < 1000; i++, nap(MS)) /* the kernel counts one that ended a little longer */
        if (hl_plat_threads_again(plat, threads, count))
            return true;
    return false;
}

Test(threads, a_list_that_still_holds_is_read_anew_without_listing)
{
    ONLY_ON_LINUX("others have to list");
    struct hl_plat *plat = hl_plat_open();
    struct worker spinner = {.spins = true}, one = {0}, other = {0};
    struct hl_plat_thread threads[100], then[100];
    size_t total;

    begin_work(&spinner);
    begin_work(&one);
    cr_assert(hl_plat_threads(plat, threads, 100, &total));
    memcpy(then, threads, sizeof then);
    nap(100 * MS);
    cr_assert(again(plat, threads, total));
    for (size_t i = 0; i < total; i++)
        cr_assert_eq(threads[i].tid, then[i].tid);
    cr_assert_gt(find(threads, total, spinner.tid)->cpu_ns, find(then, total, spinner.tid)->cpu_ns);
    cr_assert_not(hl_plat_threads_again(plat, threads, total - 1), "not all of them");

    begin_work(&other);
    cr_assert_not(hl_plat_threads_again(plat, threads, total), "one has begun");
    end_work(&one);
    for (int i = 0; i < 100; i++, nap(MS))
        cr_assert_not(hl_plat_threads_again(plat, threads, total), "one has ended, too");
    end_work(&spinner);
    end_work(&other);
}

Test(threads, one_that_is_gone_is_a_normal_answer)
{
    struct hl_plat *plat = hl_plat_open();
    struct worker worker = {0};
    struct hl_plat_thread_state state;
    char name[HL_PLAT_NAME_BYTES] = "x";
    uint64_t cpu_ns;

    begin_work(&worker);
    end_work(&worker);
    /* The kernel removes it a little after it can be joined. */
    for (int i = 0; i < 1000 && hl_plat_thread_cpu(plat, worker.tid, &cpu_ns); i++)
        nap(MS);
    cr_assert_not(hl_plat_thread_cpu(plat, worker.tid, &cpu_ns));
    cr_assert_not(hl_plat_thread_name(plat, worker.tid, name));
    cr_assert_str_eq(name, "");
    cr_assert_not(hl_plat_thread_state(plat, worker.tid, &state));
    name[0] = state.state = 'x';
    hl_plat_thread_glance(plat, worker.tid, name, &state.state, &(uint64_t){0});
    cr_assert_str_eq(name, "");
    cr_assert_eq(state.state, 0);
    if (is_linux()) {
        cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_THREAD_NAME), "the thread has ended");
        cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_THREAD_STATE), "the thread has ended");
    }
}

Test(threads, impossible_numbers_are_gone_too)
{
    static const uint64_t numbers[] = {0, UINT32_MAX, (uint64_t)1 << 29, (uint64_t)1 << 32,
                                       UINT64_MAX};
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_thread_state state;
    char name[HL_PLAT_NAME_BYTES];
    uint64_t cpu_ns;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        cr_expect_not(hl_plat_thread_cpu(plat, numbers[i], &cpu_ns));
        cr_expect_not(hl_plat_thread_name(plat, numbers[i], name));
        cr_expect_not(hl_plat_thread_state(plat, numbers[i], &state));
    }
    cr_expect_not(hl_plat_thread_cpu(plat, 1, &cpu_ns), "a thread of another process");
    cr_expect_not(hl_plat_thread_name(plat, 1, name));
}

Test(threads, names_may_hold_anything)
{
    static const char *const names[] = {"worker", "a) (b",        "x\ny\n",          "\n",
                                        "",       "\xff\x1b[31m", "123456789012345", "a\\nb"};
    struct hl_plat *plat = hl_plat_open();
    char name[HL_PLAT_NAME_BYTES], glanced[HL_PLAT_NAME_BYTES], letter;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct worker worker = {.name = names[i]};
        struct hl_plat_thread_state state;
        begin_work(&worker);
        bool known = hl_plat_thread_name(plat, worker.tid, name);
        bool has_state = hl_plat_thread_state(plat, worker.tid, &state);
        hl_plat_thread_glance(plat, worker.tid, glanced, &letter, &(uint64_t){0});
        end_work(&worker);
        if (!known)
            cr_skip("this platform does not know names");
        cr_assert_str_eq(name, names[i]);
        cr_assert_str_eq(glanced, names[i]);
        cr_assert_neq(letter, 0);
        cr_assert(has_state && state.start_known && state.state != 0);
    }
}

Test(threads, states_tell_a_sleeper_from_a_spinner)
{
    struct hl_plat *plat = hl_plat_open();
    struct worker spinner = {.spins = true}, sleeper = {0};
    struct hl_plat_thread_state first, second, slept;

    begin_work(&spinner);
    begin_work(&sleeper);
    if (!hl_plat_thread_state(plat, spinner.tid, &first)) {
        end_work(&spinner);
        end_work(&sleeper);
        cr_skip("this platform does not know states");
    }
    nap(200 * MS);
    cr_assert(hl_plat_thread_state(plat, spinner.tid, &second));
    cr_assert(hl_plat_thread_state(plat, sleeper.tid, &slept));
    for (int i = 0; i < 200 && slept.state != 'S'; i++) { /* it may be seen while it looks around */
        nap(370000);
        hl_plat_thread_state(plat, sleeper.tid, &slept);
    }
    cr_assert_eq(second.state, 'R');
    cr_assert_eq(slept.state, 'S');
    cr_assert(first.start_known && second.start_known);
    cr_assert_eq(first.start, second.start);
    if (!first.times_known) {
        cr_assert_str_neq(hl_plat_why(plat, HL_PLAT_RUN_DELAY), "not asked for yet");
        end_work(&spinner);
        end_work(&sleeper);
        cr_skip("this platform does not know run delay");
    }
    cr_assert(first.times_known && second.times_known && slept.times_known);
    uint64_t passed =
        second.on_core_ns - first.on_core_ns + second.run_delay_ns - first.run_delay_ns;
    cr_assert_gt(passed, 100 * MS);
    cr_assert_lt(slept.on_core_ns, 100 * MS);
    cr_assert_gt(slept.switches, 20);
    uint64_t spinners, sleepers;
    cr_assert(hl_plat_thread_sleeps(plat, spinner.tid, &spinners));
    cr_assert(hl_plat_thread_sleeps(plat, sleeper.tid, &sleepers));
    cr_assert_gt(sleepers, 20);
    cr_assert_lt(spinners, 20, "it is taken off its core and does not leave it");
    end_work(&spinner);
    end_work(&sleeper);
}

static atomic_bool churn_is_over;

static void *nothing(void *unused)
{
    return unused;
}

static void *churn(void *unused)
{
    pthread_t thread;

    while (!atomic_load(&churn_is_over))
        if (pthread_create(&thread, NULL, nothing, NULL) == 0)
            pthread_join(thread, NULL);
    return unused;
}

Test(threads, a_list_made_while_threads_come_and_go_holds_only_whole_answers)
{
    struct hl_plat *plat = hl_plat_open();
    struct hl_plat_thread threads[64];
    struct hl_plat_thread_state state;
    char name[HL_PLAT_NAME_BYTES];
    size_t before = count_threads(plat), total;
    pthread_t thread;

    pthread_create(&thread, NULL, churn, NULL);
    for (int i = 0; i < 5000; i++) {
        cr_assert(hl_plat_threads(plat, threads, 64, &total));
        cr_assert_geq(total, before);
        cr_assert_leq(total, before + 4);
        for (size_t k = 0; k < total; k++) {
            cr_assert_neq(threads[k].cpu_ns, UINT64_MAX);
            if (hl_plat_thread_state(plat, threads[k].tid, &state))
                cr_assert_neq(state.state, 0);
            (void)hl_plat_thread_name(plat, threads[k].tid, name);
        }
    }
    atomic_store(&churn_is_over, true);
    pthread_join(thread, NULL);
}
