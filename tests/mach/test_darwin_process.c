/* tests/mach/test_darwin_process.c - figures of the process, as platform/darwin reads them. */
#define _DEFAULT_SOURCE
#include "../../platform/darwin/plat.h"
#include "fake_mach.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define S UINT64_C(1000000000)

static struct hl_plat *plat;

static void begin(void)
{
    fake_reset();
    plat = hl_plat_open();
    cr_assert_not_null(plat);
}

static void end(void)
{
    fake_before_each(NULL, NULL);
    hl_plat_close(plat);
    struct fake_outstanding left = fake_outstanding();
    cr_assert_eq(left.rights + left.arrays + left.suspensions, 0);
    fake_live();
}

TestSuite(darwin_process, .init = begin, .fini = end);

static void open_again(void)
{
    hl_plat_close(plat);
    plat = hl_plat_open();
}

static struct hl_plat_process read_all(uint32_t wanted)
{
    struct hl_plat_process process;

    hl_plat_process(plat, wanted, &process);
    return process;
}

static uint64_t cpu_now(void)
{
    struct hl_plat_process process = read_all(HL_KNOWN(HL_PLAT_CPU));

    cr_assert(process.known & HL_KNOWN(HL_PLAT_CPU), "%s", hl_plat_why(plat, HL_PLAT_CPU));
    return process.cpu_ns;
}

static bool is_approximate(void)
{
    return read_all(HL_KNOWN(HL_PLAT_CPU)).approximate & HL_KNOWN(HL_PLAT_CPU);
}

/* ---- CPU time -------------------------------------------------------------------- */

static uint64_t workers[4];

static void add_workers(uint64_t each_ns)
{
    for (int i = 0; i < 4; i++) {
        workers[i] = fake_thread_add("worker");
        fake_thread_burn(workers[i], each_ns / 2, each_ns / 2);
    }
}

Test(darwin_process, threads_that_live_count)
{
    cr_assert_eq(cpu_now(), 0);
    add_workers(2 * S);
    cr_assert_eq(cpu_now(), 8 * S);
    cr_assert_not(is_approximate());
}

static const struct fake_machine machines[] = {FAKE_APPLE_SILICON, FAKE_INTEL, FAKE_ROSETTA};

Test(darwin_process, a_tick_is_as_long_as_the_kernel_counts_it)
{
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        fake_reset();
        fake_machine(machines[i]);
        open_again();
        fake_thread_burn(fake_main(), 3 * S, S);
        cr_assert_eq(cpu_now(), 4 * S);
        fake_thread_burn(fake_main(), 125000, 0);
        cr_assert_eq(cpu_now(), 4 * S + 125000);
        fake_thread_burn(fake_main(), 200000000 * S / 1000 * 10, 0); /* 63 years, of many cores */
        cr_assert_eq(cpu_now(), 4 * S + 125000 + 2000000 * S);
        cr_assert_not(is_approximate());
    }
}

/* Right before the call of that number one of them exits. */
static int calls_seen, exiting_at;

static void exit_at(enum fake_call call, void *unused)
{
    (void)unused;
    if (call == FAKE_TASK_INFO && ++calls_seen == exiting_at)
        fake_thread_exit(workers[0]);
}

static uint64_t cpu_while_one_exits(int at)
{
    calls_seen = 0;
    exiting_at = at;
    fake_before_each(exit_at, NULL);
    uint64_t cpu = cpu_now();
    fake_before_each(NULL, NULL);
    return cpu;
}

static void assert_no_exit_shows(const char *how)
{
    for (int at = 1; at < 8; at++) {
        fake_reset();
        fake_machine((struct fake_machine){.tick_hz = 24000000, .cores = 8, .vm_revision = 6});
        open_again();
        add_workers(how[0] == 'u' ? S / 1000 : 600 * S);
        if (how[0] == 'w')
            plat->ticks = HL_PLAT_TICKS_WRONG;
        uint64_t before = cpu_now();
        cr_assert_eq(cpu_while_one_exits(at), before, "%s, at call %d", how, at);
        cr_assert_eq(cpu_now(), before, "%s, after it", how);
    }
}

Test(darwin_process, a_thread_that_exits_amid_a_reading_is_neither_a_spike_nor_a_dip)
{
    assert_no_exit_shows("right");
    assert_no_exit_shows("unsure");
    assert_no_exit_shows("wrong");
}

static void exit_at_each(enum fake_call call, void *unused)
{
    (void)unused;
    if (call == FAKE_TASK_INFO) {
        uint64_t id = fake_thread_add("short-lived");
        fake_thread_burn(id, S, 0);
        fake_thread_exit(id);
    }
}

Test(darwin_process, what_cannot_be_read_in_one_piece_is_unknown)
{
    plat->ticks = HL_PLAT_TICKS_WRONG;
    fake_before_each(exit_at_each, NULL);
    struct hl_plat_process process = read_all(HL_KNOWN(HL_PLAT_CPU));
    fake_before_each(NULL, NULL);
    cr_assert_eq(process.known, 0);
    cr_assert_eq(process.cpu_ns, 0);
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_CPU),
                     "threads end faster than their time can be read");
}

Test(darwin_process, ticks_that_do_not_fit_the_microseconds_are_not_used)
{
    static const uint64_t lengths[] = {1000000000, 576000, 20000000, 30000000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        fake_reset();
        open_again(); /* it learns of 24 MHz */
        fake_machine((struct fake_machine){.tick_hz = lengths[i], .cores = 8, .vm_revision = 6});
        fake_thread_burn(fake_main(), S / 20, 0);
        cr_assert_eq(cpu_now(), S / 20, "too little to tell, and right all the same");
        fake_thread_burn(fake_main(), 20 * S, 0);
        cr_assert_eq(cpu_now(), 20 * S + S / 20);
        cr_assert(is_approximate());
        cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_CPU),
                         "the kernel's totals do not fit its own microseconds, which are used");
    }
}

Test(darwin_process, of_a_process_that_has_run_long_it_is_known_when_opened)
{
    fake_thread_burn(fake_main(), 5 * S, 0);
    open_again();
    cr_assert_eq(plat->ticks, HL_PLAT_TICKS_RIGHT);
    uint64_t before = fake_uses(FAKE_TASK_INFO);
    cr_assert_eq(cpu_now(), 5 * S);
    cr_assert_eq(fake_uses(FAKE_TASK_INFO), before + 1, "one call is enough");
}

Test(darwin_process, without_the_length_of_a_tick_microseconds_do)
{
    struct fake_machine machine = FAKE_APPLE_SILICON;
    machine.hides_tick_hz = true;
    fake_machine(machine);
    open_again();
    fake_thread_burn(fake_main(), 2 * S + 1000, 0);
    cr_assert_eq(cpu_now(), 2 * S + 1000);
    cr_assert(is_approximate());
    cr_assert(strstr(hl_plat_why(plat, HL_PLAT_CPU), "hw.tbfrequency"));
}

Test(darwin_process, cpu_time_never_runs_backwards)
{
    fake_thread_burn(fake_main(), 5 * S, 999);
    uint64_t before = cpu_now();
    cr_assert_gt(before, 5 * S);
    plat->ticks = HL_PLAT_TICKS_WRONG; /* microseconds know less */
    cr_assert_eq(cpu_now(), before);
}

Test(darwin_process, where_the_ticks_cannot_be_had_this_once_microseconds_are_second_best)
{
    fake_thread_burn(fake_main(), 5 * S, 0);
    open_again();
    cr_assert_eq(plat->ticks, HL_PLAT_TICKS_RIGHT);
    fake_fail(FAKE_TASK_INFO, 1, KERN_FAILURE, false);
    struct hl_plat_process process = read_all(HL_KNOWN(HL_PLAT_CPU));
    cr_assert_eq(process.cpu_ns, 5 * S);
    cr_assert_eq(process.approximate, HL_KNOWN(HL_PLAT_CPU));
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_CPU),
                     "task_info(TASK_ABSOLUTETIME_INFO): failure (5)");
    cr_assert_not(is_approximate(), "only this once");
}

/* ---- the rest ---------------------------------------------------------------------- */

static const struct fake_process figures = {.resident_bytes = 3 << 20,
                                            .peak_bytes = 5 << 20,
                                            .virtual_bytes = UINT64_C(400) << 30,
                                            .footprint_bytes = 7 << 20,
                                            .read_bytes = 12345,
                                            .written_bytes = 678};

#define EVERYTHING (HL_KNOWN(HL_PLAT_START + 1) - 1 - HL_KNOWN(HL_PLAT_CORES))

Test(darwin_process, everything_has_its_figure)
{
    fake_process(figures);
    fake_thread_add("worker");
    struct hl_plat_process process = read_all(EVERYTHING);
    for (int key = 0; key <= HL_PLAT_START; key++)
        cr_assert(process.known & HL_KNOWN(key) || key == HL_PLAT_CORES, "%d: %s", key,
                  hl_plat_why(plat, (enum hl_plat_key)key));
    cr_assert_eq(process.rss_bytes, 3 << 20, "resident, not the footprint");
    cr_assert_eq(process.peak_rss_bytes, 5 << 20);
    cr_assert_eq(process.vm_bytes, UINT64_C(400) << 30);
    cr_assert_eq(process.read_bytes, 12345);
    cr_assert_eq(process.written_bytes, 678);
    cr_assert_eq(process.threads, 2);
    cr_assert_lt(process.age_ns, 10 * S, "the world was made just now");
}

Test(darwin_process, an_older_kernel_tells_the_same_of_memory)
{
    for (unsigned revision = 0; revision <= 6; revision++) {
        struct fake_machine machine = FAKE_INTEL;
        machine.vm_revision = revision;
        fake_machine(machine);
        fake_process(figures);
        cr_assert_eq(read_all(HL_KNOWN(HL_PLAT_PEAK_RSS)).peak_rss_bytes, 5 << 20, "%u", revision);
    }
}

Test(darwin_process, its_age_counts_from_its_real_start)
{
    struct fake_process process = figures;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    process.started_s = (uint64_t)now.tv_sec - 3600;
    process.started_us = 500000;
    fake_process(process);
    uint64_t age = read_all(HL_KNOWN(HL_PLAT_START)).age_ns;
    cr_assert_geq(age, 3599 * S);
    cr_assert_lt(age, 3603 * S);
    process.started_s += 7200; /* the clock was set back since */
    fake_process(process);
    cr_assert_geq(read_all(HL_KNOWN(HL_PLAT_START)).age_ns, age, "known once is known");
    open_again();
    cr_assert_eq(read_all(HL_KNOWN(HL_PLAT_START)).known, 0);
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_START), "the process seems to start in the future");
}

static const char *program_name(void)
{
    static char name[HL_PLAT_NAME_BYTES];
    hl_plat_program_name(plat, name);
    return name;
}

Test(darwin_process, its_name_is_the_longer_one_where_there_is_one)
{
    struct fake_process process = figures;
    fake_process(process);
    cr_assert_str_eq(program_name(), "");
    memcpy(process.short_name, "sixteen bytes!!!", 16);
    fake_process(process);
    cr_assert_str_eq(program_name(), "sixteen bytes!!!");
    memcpy(process.name, "thirty-two bytes, and no longer!", 32);
    fake_process(process);
    cr_assert_str_eq(program_name(), "thirty-two bytes, and no longer!");
    fake_fail(FAKE_PIDINFO, 1, EPERM, false);
    cr_assert_str_eq(program_name(), "");
}

Test(darwin_process, only_what_is_wanted_is_paid_for)
{
    static const struct {
        uint32_t wanted;
        enum fake_call call;
        uint64_t uses;
    } costs[] = {
        {0, FAKE_TASK_INFO, 0},
        {HL_KNOWN(HL_PLAT_RSS) | HL_KNOWN(HL_PLAT_VM) | HL_KNOWN(HL_PLAT_PEAK_RSS), FAKE_TASK_INFO,
         1},
        {HL_KNOWN(HL_PLAT_THREADS), FAKE_PIDINFO, 1},
        {HL_KNOWN(HL_PLAT_IO), FAKE_PID_RUSAGE, 1},
        {HL_KNOWN(HL_PLAT_START), FAKE_PIDINFO, 1},
        {HL_KNOWN(HL_PLAT_START), FAKE_PIDINFO, 0}, /* it does not change */
    };
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
        uint64_t before = fake_uses(costs[i].call), all = fake_uses_of_all();
        read_all(costs[i].wanted);
        cr_assert_eq(fake_uses(costs[i].call) - before, costs[i].uses, "%zu", i);
        cr_assert_eq(fake_uses_of_all() - all, costs[i].uses, "%zu: and nothing else", i);
    }
}

Test(darwin_process, cores_are_all_there_are)
{
    struct hl_plat_limits limits;
    uint64_t throttled;
    hl_plat_limits(plat, &limits);
    cr_assert_eq(limits.known, HL_KNOWN(HL_PLAT_CORES) | HL_KNOWN(HL_PLAT_MEMORY));
    cr_assert_eq(limits.cores_milli, 8000);
    cr_assert_eq(limits.quota_milli + limits.memory_bytes, 0);
    cr_assert_not(hl_plat_throttled(plat, &throttled));
    fake_fail(FAKE_SYSCTL, 1, EPERM, false);
    hl_plat_limits(plat, &limits);
    cr_assert_eq(limits.known, HL_KNOWN(HL_PLAT_MEMORY));
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_CORES),
                     "sysctl hw.logicalcpu: not permitted (sandbox) (errno 1)");
}

Test(darwin_process, what_the_other_threads_did_cannot_be_told_from_ours)
{
    struct hl_plat_others others;
    cr_assert_not(hl_plat_others(plat, &others));
}

/* ---- failures ------------------------------------------------------------------------ */

static const int codes[] = {KERN_INVALID_ARGUMENT, KERN_FAILURE,    KERN_RESOURCE_SHORTAGE,
                            KERN_NO_ACCESS,        KERN_TERMINATED, MACH_SEND_INVALID_DEST};

static void assert_true_or_unknown(const struct hl_plat_process *process)
{
    struct hl_plat_process truth = {.cpu_ns = 9 * S,
                                    .rss_bytes = figures.resident_bytes,
                                    .peak_rss_bytes = figures.peak_bytes,
                                    .vm_bytes = figures.virtual_bytes,
                                    .threads = 2,
                                    .read_bytes = figures.read_bytes,
                                    .written_bytes = figures.written_bytes};
    const uint64_t pairs[][3] = {
        {HL_PLAT_CPU, process->cpu_ns, truth.cpu_ns},
        {HL_PLAT_RSS, process->rss_bytes, truth.rss_bytes},
        {HL_PLAT_PEAK_RSS, process->peak_rss_bytes, truth.peak_rss_bytes},
        {HL_PLAT_VM, process->vm_bytes, truth.vm_bytes},
        {HL_PLAT_THREADS, process->threads, truth.threads},
        {HL_PLAT_IO, process->read_bytes, truth.read_bytes},
        {HL_PLAT_IO, process->written_bytes, truth.written_bytes},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        enum hl_plat_key key = (enum hl_plat_key)pairs[i][0];
        bool is_known = process->known & HL_KNOWN(key);
        cr_assert_eq(pairs[i][1], is_known ? pairs[i][2] : 0, "%u", key);
        if (!is_known)
            cr_assert_str_neq(hl_plat_why(plat, key), "not asked for yet");
    }
}

/* Every call of a session, failing once and for good, with each code. */
Test(darwin_process, whatever_fails_no_figure_is_wrong_and_each_that_is_missing_has_a_reason)
{
    for (size_t code = 0; code < sizeof codes / sizeof *codes; code++)
        for (int lasting = 0; lasting < 2; lasting++)
            for (uint64_t k = 1; k < 20; k++) {
                fake_reset();
                fake_process(figures);
                fake_thread_burn(fake_thread_add("worker"), 9 * S, 0);
                fake_fail_any(k, codes[code], lasting);
                open_again();
                for (int i = 0; i < 3; i++) {
                    struct hl_plat_process process = read_all(EVERYTHING);
                    assert_true_or_unknown(&process);
                }
                fake_fail_any(0, 0, false);
            }
}

Test(darwin_process, different_failures_have_different_texts_and_the_same_one_has_one)
{
    const char *first, *second;
    fake_fail(FAKE_TASK_INFO, 1, KERN_FAILURE, false);
    read_all(HL_KNOWN(HL_PLAT_RSS));
    first = hl_plat_why(plat, HL_PLAT_RSS);
    cr_assert_str_eq(first, "task_info(TASK_VM_INFO): failure (5)");
    fake_fail(FAKE_TASK_INFO, 1, 4711, false);
    read_all(HL_KNOWN(HL_PLAT_RSS));
    second = hl_plat_why(plat, HL_PLAT_RSS);
    cr_assert_str_eq(second, "task_info(TASK_VM_INFO): an error (4711)");
    fake_fail(FAKE_TASK_INFO, 1, KERN_FAILURE, false);
    read_all(HL_KNOWN(HL_PLAT_RSS));
    cr_assert_eq(hl_plat_why(plat, HL_PLAT_RSS), first, "a constant");
    for (int code = 5000; code < 5100; code++) { /* more than are kept */
        fake_fail(FAKE_TASK_INFO, 1, code, false);
        read_all(HL_KNOWN(HL_PLAT_RSS));
    }
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_RSS), "task_info(TASK_VM_INFO)");
    cr_assert_str_eq(first, "task_info(TASK_VM_INFO): failure (5)");
}

/* ---- fork ------------------------------------------------------------------------------ */

Test(darwin_process, a_child_of_a_fork_lets_go_without_a_call)
{
    read_all(EVERYTHING);
    int status;
    pid_t child = fork();
    if (child == 0) {
        hl_plat_abandon_in_child(plat);
        _exit(fake_uses_of_all() == 0 ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}
