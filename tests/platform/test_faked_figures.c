/* tests/platform/test_faked_figures.c - figures from files of kernels that are not at hand:
 * old ones, containers, ones that were not meant to exist. What is not known must say why.
 */
#include "../../platform/linux/plat.h"
#include "fakes.h"
#include "helper.h"

#define NOT_UNDERSTOOD "the text in /proc was not understood"

static struct hl_plat *plat;

/* Whatever group it is, it is there. */
static void begin(void)
{
    fake("/cgroup.procs", "");
    plat = hl_plat_open();
    cr_assert_not_null(plat);
}

static void assert_why(enum hl_plat_key key, const char *why)
{
    cr_assert_str_eq(hl_plat_why(plat, key), why);
}

/* ---- limits ------------------------------------------------------------------------- */

TestSuite(faked_limits, .init = begin);

#define CGROUP2 "30 23 0:26 / /fake rw,nosuid shared:9 - cgroup2 none rw\n"
#define CGROUP1                                               \
    "31 23 0:27 / /fake1 rw - cgroup cgroup rw,cpu,cpuacct\n" \
    "32 23 0:28 / /fake2 rw - cgroup cgroup rw,memory\n"

#define BOTH (HL_KNOWN(HL_PLAT_CORES) | HL_KNOWN(HL_PLAT_MEMORY))
#define HIDDEN "its cgroup cannot be seen from here"

static struct hl_plat_limits read_limits(const char *cgroup, const char *mounts)
{
    struct hl_plat_limits limits;

    fake("self/cgroup", cgroup);
    fake("self/mountinfo", mounts);
    hl_plat_limits(plat, &limits);
    return limits;
}

static struct hl_plat_limits limits_of(const char *cgroup, const char *mounts)
{
    struct hl_plat_limits limits = read_limits(cgroup, mounts);

    cr_assert_eq(limits.known, BOTH);
    cr_assert_gt(limits.cores_milli, 0);
    return limits;
}

static uint64_t throttled(void)
{
    uint64_t ns;

    return hl_plat_throttled(plat, &ns) ? ns : UINT64_MAX;
}

Test(faked_limits, of_all_groups_above_the_smallest_counts)
{
    fake("/fake/a/b/cpu.max", "150000 100000\n");
    fake("/fake/a/cpu.max", "50000 100000\n");
    fake("/fake/cpu.max", "max 100000\n");
    fake("/fake/a/b/memory.max", "8192\n");
    fake("/fake/a/memory.max", "16384\n");
    fake("/fake/memory.max", "max\n");
    fake("/fake/a/cpu.stat", "usage_usec 5\nthrottled_usec 7\n");
    fake("/fake/a/b/cpu.stat", "throttled_usec 9\n");

    struct hl_plat_limits limits = limits_of("0::/a/b\n", CGROUP2);
    cr_assert_eq(limits.quota_milli, 500);
    cr_assert_eq(limits.cores_milli, 500);
    cr_assert_eq(limits.memory_bytes, 8192);
    cr_assert_eq(throttled(), 7000, "of the group with the smallest quota");
}

Test(faked_limits, of_the_first_version_each_has_a_tree_of_its_own)
{
    fake("/fake1/x/cpu.cfs_quota_us", "20000\n");
    fake("/fake1/x/cpu.cfs_period_us", "100000\n");
    fake("/fake1/cpu.cfs_quota_us", "-1\n");
    fake("/fake1/cpu.cfs_period_us", "100000\n");
    fake("/fake2/y/memory.limit_in_bytes", "4096\n");
    fake("/fake2/memory.limit_in_bytes", "9223372036854771712\n");
    fake("/fake1/x/cpu.stat", "nr_throttled 1\nthrottled_time 12345\n");

    struct hl_plat_limits limits =
        limits_of("4:cpu,cpuacct:/x\n3:memory:/y\n1:name=systemd:/z\n", CGROUP1);
    cr_assert_eq(limits.quota_milli, 200);
    cr_assert_eq(limits.memory_bytes, 4096);
    cr_assert_eq(throttled(), 12345);
}

Test(faked_limits, a_quota_without_a_period_is_none)
{
    fake("/fake1/x/cpu.cfs_quota_us", "20000\n");
    fake_error("/fake1/x/cpu.cfs_period_us", ENOENT);
    cr_assert_eq(limits_of("4:cpu:/x\n", CGROUP1).quota_milli, 0);
    fake("/fake1/x/cpu.cfs_period_us", "0\n");
    cr_assert_eq(limits_of("4:cpu:/x\n", CGROUP1).quota_milli, 0);
    fake("/fake2/memory.limit_in_bytes", "9223372036854771712\n");
    cr_assert_eq(limits_of("3:memory:/\n", CGROUP1).memory_bytes, 0, "the largest is no limit");
}

Test(faked_limits, without_a_quota_it_is_said_that_there_is_none)
{
    fake("/fake/cpu.max", "max 100000\n");
    fake("/fake/memory.max", "max\n");

    struct hl_plat_limits limits = limits_of("0::/\n", CGROUP2);
    cr_assert_eq(limits.quota_milli, 0);
    cr_assert_eq(limits.memory_bytes, 0);
    cr_assert_eq(throttled(), UINT64_MAX);
    assert_why(HL_PLAT_THROTTLED, "there is no CPU quota");
}

Test(faked_limits, a_quota_is_never_zero_and_never_wraps)
{
    fake("/fake/cpu.max", "1 100000000\n");
    cr_assert_eq(limits_of("0::/\n", CGROUP2).quota_milli, 1);
    fake("/fake/cpu.max", "18446744073709551615 100000\n");
    cr_assert_eq(limits_of("0::/\n", CGROUP2).quota_milli, 0);
    fake("/fake/cpu.max", "18446744073709551 1\n");
    struct hl_plat_limits limits = limits_of("0::/\n", CGROUP2);
    cr_assert_eq(limits.quota_milli, 0, "more than a number of cores can be");
    cr_assert_geq(limits.cores_milli, 1000);
}

Test(faked_limits, of_groups_with_as_little_the_innermost_says_how_long_it_took)
{
    fake("/fake/a/cpu.max", "1000 10000000\n");
    fake("/fake/cpu.max", "2000 10000000\n");
    fake("/fake/a/cpu.stat", "throttled_usec 7\n");
    fake("/fake/cpu.stat", "throttled_usec 9\n");
    cr_assert_eq(limits_of("0::/a\n", CGROUP2).quota_milli, 1, "both are less than that");
    cr_assert_eq(throttled(), 7000);
    fake("/fake/a/cpu.max", "150000 100000\n");
    fake("/fake/cpu.max", "150000 100000\n");
    cr_assert_eq(limits_of("0::/a\n", CGROUP2).quota_milli, 1500);
    cr_assert_eq(throttled(), 7000);
}

Test(faked_limits, time_taken_that_is_not_told_says_why)
{
    fake("/fake/cpu.max", "50000 100000\n");
    fake("/fake/cpu.stat", "usage_usec 5\n");
    limits_of("0::/\n", CGROUP2);
    cr_assert_eq(throttled(), UINT64_MAX);
    assert_why(HL_PLAT_THROTTLED, "this kernel does not offer it");
    fake_error("/fake/cpu.stat", EMFILE);
    cr_assert_eq(throttled(), UINT64_MAX);
    assert_why(HL_PLAT_THROTTLED, "too many open files");
    fake("/fake/cpu.stat", "");
    cr_assert_eq(throttled(), UINT64_MAX);
    assert_why(HL_PLAT_THROTTLED, "this kernel does not offer it");
}

#define CONTAINER "30 23 0:26 /docker/x /fake rw - cgroup2 none rw\n"

Test(faked_limits, a_container_sees_its_part_of_the_tree)
{
    fake("/fake/y/cpu.max", "30000 100000\n");
    fake("/fake/cpu.max", "60000 100000\n");
    cr_assert_eq(limits_of("0::/docker/x/y\n", CONTAINER).quota_milli, 300);
    cr_assert_eq(limits_of("0::/docker/x\n", CONTAINER).quota_milli, 600);
}

static void assert_hidden(const char *cgroup, const char *mounts)
{
    struct hl_plat_limits limits = read_limits(cgroup, mounts);

    cr_assert_eq(limits.known, 0, "%s", cgroup);
    cr_assert_eq(limits.cores_milli + limits.quota_milli + limits.memory_bytes, 0, "%s", cgroup);
    assert_why(HL_PLAT_CORES, HIDDEN);
    assert_why(HL_PLAT_MEMORY, HIDDEN);
    cr_assert_eq(throttled(), UINT64_MAX);
    assert_why(HL_PLAT_THROTTLED, HIDDEN);
}

Test(faked_limits, what_lies_outside_of_what_is_shown_is_not_ours)
{
    fake("/fake/cpu.max", "60000 100000\n");
    fake("/fakey/cpu.max", "60000 100000\n");
    assert_hidden("0::/docker/xy\n", CONTAINER);
    assert_hidden("0::/other\n", CONTAINER);
    assert_hidden("0::/../other\n", CGROUP2);
    assert_hidden("0::/a/..\n", CGROUP2);
}

Test(faked_limits, a_group_may_have_a_name_that_begins_with_dots)
{
    fake("/fake/..x/cpu.max", "60000 100000\n");
    cr_assert_eq(limits_of("0::/..x\n", CGROUP2).quota_milli, 600);
}

Test(faked_limits, a_group_that_cannot_be_seen_may_have_any_limit)
{
    assert_hidden("0::/system.slice/x.service\n", "");
    assert_hidden("4:cpu:/x\n3:memory:/y\n0::/\n", CGROUP2);
    fake_error("/cgroup.procs", ENOENT);
    assert_hidden("0::/system.slice/x.service\n", CGROUP2);
    assert_hidden("4:cpu:/x\n3:memory:/y\n", CGROUP1);
    fake_error("/cgroup.procs", EACCES);
    fake_error("/fake/x/cpu.max", EACCES);
    fake_error("/fake/x/memory.max", EACCES);
    assert_hidden("0::/x\n", CGROUP2);
}

Test(faked_limits, nor_is_the_smallest_known_when_one_above_cannot_be_seen)
{
    fake("/fake/a/cpu.max", "1 1000\n");
    fake_error("/fake/cpu.max", EMFILE);
    fake("/fake/cpu.stat", "");
    fake("/fake/a/cpu.stat", "throttled_usec 7\n");
    struct hl_plat_limits limits = read_limits("0::/a\n", CGROUP2);
    cr_assert_eq(limits.known, HL_KNOWN(HL_PLAT_MEMORY));
    assert_why(HL_PLAT_CORES, "too many open files");
    cr_assert_eq(limits.quota_milli, 1, "that one there is, all the same");
    cr_assert_eq(throttled(), 7000);
}

Test(faked_limits, each_controller_may_be_hidden_alone)
{
    const char *memory = "32 23 0:28 / /fake2 rw - cgroup cgroup rw,memory\n";
    fake("/fake2/y/memory.limit_in_bytes", "4096\n");
    struct hl_plat_limits limits = read_limits("4:cpu:/x\n3:memory:/y\n", memory);
    cr_assert_eq(limits.known, HL_KNOWN(HL_PLAT_MEMORY));
    cr_assert_eq(limits.memory_bytes, 4096);
    assert_why(HL_PLAT_CORES, HIDDEN);
}

Test(faked_limits, the_unified_hierarchy_does_not_matter_to_what_the_first_version_has)
{
    fake("/fake1/cpu.cfs_quota_us", "-1\n");
    cr_assert_eq(limits_of("4:cpu:/\n3:memory:/\n0::/system.slice/x\n", CGROUP1).quota_milli, 0);
}

Test(faked_limits, the_first_group_has_none_whether_it_can_be_seen_or_not)
{
    fake_error("/cgroup.procs", ENOENT);
    cr_assert_eq(limits_of("0::/\n", "").quota_milli, 0);
    cr_assert_eq(limits_of("0::/\n", CGROUP2).quota_milli, 0);
    cr_assert_eq(limits_of("4:cpu:/\n3:memory:/\n0::/\n", "").quota_milli, 0);
    cr_assert_eq(limits_of("4:cpu:/\n3:memory:/\n", CGROUP1).quota_milli, 0);
    cr_assert_eq(limits_of("0::/\n", "30 23 0:26 /../.. /fake rw - cgroup2 none rw\n").quota_milli,
                 0);
}

Test(faked_limits, a_controller_that_is_not_enabled_sets_no_limit)
{
    fake("/fake/cpu.max", "60000 100000\n");
    struct hl_plat_limits limits = limits_of("0::/a/b\n", CGROUP2);
    cr_assert_eq(limits.quota_milli, 600);
    cr_assert_eq(limits.memory_bytes, 0);
}

Test(faked_limits, a_process_in_no_group_has_no_limit)
{
    fake("/fake/cpu.max", "60000 100000\n");
    cr_assert_eq(limits_of("", CGROUP2).quota_milli, 0);
    cr_assert_eq(limits_of("garbage\n9:other:/\n", "garbage\n" CGROUP2).quota_milli, 0);
    cr_assert_eq(limits_of("0::/\n", "30 23 0:26 / /fake rw - tmpfs none rw\n").quota_milli, 0);
}

Test(faked_limits, the_first_mount_counts)
{
    fake("/fake/cpu.max", "60000 100000\n");
    fake("/later/cpu.max", "10000 100000\n");
    cr_assert_eq(limits_of("garbage\n0::/\n",
                           "garbage\n" CGROUP2 "31 23 0:26 / /later rw - cgroup2 none rw\n")
                     .quota_milli,
                 600);
}

/* `count` bytes between two texts; never given back, as the fakes keep it. */
static const char *stretched(const char *before, size_t count, const char *after)
{
    char *text = malloc(strlen(before) + count + strlen(after) + 1);

    cr_assert_not_null(text);
    strcpy(text, before);
    memset(text + strlen(before), 'x', count);
    strcpy(text + strlen(before) + count, after);
    return text;
}

Test(faked_limits, a_line_that_no_buffer_holds_hides_no_other)
{
    fake("/fake/cpu.max", "60000 100000\n");
    cr_assert_eq(limits_of("0::/\n", stretched("1 2 0:1 / /", 1 << 20, "\n" CGROUP2)).quota_milli,
                 600);
    cr_assert_eq(limits_of(stretched("9:a:/", 1 << 20, "\n0::/\n"), CGROUP2).quota_milli, 600);
}

Test(faked_limits, the_rest_of_a_line_that_no_buffer_holds_is_no_line)
{
    fake("/fake/cpu.max", "60000 100000\n");
    fake("/fake/rest/cpu.max", "10000 100000\n");
    const char *cut = stretched("0::/\n", HL_PLAT_BUFFER_BYTES, "0::/rest\n");
    cr_assert_eq(limits_of(cut, CGROUP2).quota_milli, 600);
}

Test(faked_limits, a_path_that_no_buffer_holds_leads_nowhere)
{
    fake("/fake/cpu.max", "60000 100000\n");
    assert_hidden(stretched("0::/", 4096, "\n"), CGROUP2);
    cr_assert_eq(limits_of("0::/\n", stretched("1 2 0:1 /", 4096, " /fake rw - cgroup2 none rw\n"))
                     .quota_milli,
                 0);
    cr_assert_eq(
        limits_of("0::/\n", stretched("1 2 0:1 / /", 4096, " rw - cgroup2 none rw\n")).quota_milli,
        0);
    /* the longest: its directory and the file's name have no room together */
    const char *longest = stretched("1 2 0:1 / /", 4094, " rw - cgroup2 none rw\n");
    cr_assert_eq(read_limits(stretched("0::/", 4094, "\n"), longest).known, 0);
    assert_why(HL_PLAT_CORES, "the system call failed");
}

Test(faked_limits, where_nothing_tells_the_cores_are_known)
{
    struct hl_plat_limits limits;

    fake_error("self/cgroup", ENOENT);
    fake_error("self/mountinfo", EACCES);
    hl_plat_limits(plat, &limits);
    cr_assert_eq(limits.quota_milli, 0);
    cr_assert_eq(limits.memory_bytes, 0);
    cr_assert_eq(limits.known, BOTH);
}

/* ---- the process -------------------------------------------------------------------- */

TestSuite(faked_process);

/* Opened anew, as a status is kept. */
static struct hl_plat_process process_now(void)
{
    struct hl_plat_process process;

    plat = hl_plat_open();
    hl_plat_process(plat, UINT32_MAX, &process);
    return process;
}

#define MEMORY_KEYS (HL_KNOWN(HL_PLAT_RSS) | HL_KNOWN(HL_PLAT_PEAK_RSS) | HL_KNOWN(HL_PLAT_VM))

Test(faked_process, what_status_lacks_is_unknown_and_not_nothing)
{
    fake("/status", "VmSize:\t 8 kB\nVmRSS:\t 4 kB\n");
    struct hl_plat_process process = process_now();
    cr_assert_eq(process.rss_bytes, 4096);
    cr_assert_eq(process.vm_bytes, 8192);
    cr_assert_eq(process.known & (MEMORY_KEYS | HL_KNOWN(HL_PLAT_THREADS)),
                 HL_KNOWN(HL_PLAT_RSS) | HL_KNOWN(HL_PLAT_VM));
    assert_why(HL_PLAT_PEAK_RSS, NOT_UNDERSTOOD);
    assert_why(HL_PLAT_THREADS, NOT_UNDERSTOOD);
}

Test(faked_process, a_status_that_cannot_be_opened_says_why_for_each_figure)
{
    fake_error("/status", EMFILE);
    struct hl_plat_process process = process_now();
    cr_assert_eq(process.known & (MEMORY_KEYS | HL_KNOWN(HL_PLAT_THREADS)), 0);
    cr_assert(process.known & HL_KNOWN(HL_PLAT_CPU), "it needs no file");
    for (int key = 0; key < HL_PLAT_KEYS; key++)
        if (HL_KNOWN(key) & (MEMORY_KEYS | HL_KNOWN(HL_PLAT_THREADS)))
            assert_why((enum hl_plat_key)key, "too many open files");
}

static void assert_io(const char *text, const char *why)
{
    fake("/io", text);
    struct hl_plat_process process = process_now();
    cr_assert_eq((process.known & HL_KNOWN(HL_PLAT_IO)) == 0, why != NULL, "%s", text);
    if (!why)
        return;
    assert_why(HL_PLAT_IO, why);
    cr_assert(process.read_bytes == 0 && process.written_bytes == 0);
}

Test(faked_process, half_of_its_io_is_none)
{
    assert_io("read_bytes: 1\nwrite_bytes: 2\n", NULL);
    assert_io("read_bytes: 1\n", NOT_UNDERSTOOD);
    assert_io("write_bytes: 1\n", NOT_UNDERSTOOD);
    assert_io("read_bytes: 1\nwrite_bytes: -2\n", NOT_UNDERSTOOD);
    assert_io("", NOT_UNDERSTOOD);
    fake_error("/io", EACCES);
    process_now();
    assert_why(HL_PLAT_IO, "permission denied");
}

#define STAT(start) "1 (x) S 1 1 0 0 -1 4194560 107 0 0 0 0 0 0 0 20 0 1 0 " start " 1\n"

static void assert_no_age(const char *stat, const char *why)
{
    fake("self/stat", stat);
    struct hl_plat_process process = process_now();
    cr_assert_eq(process.known & HL_KNOWN(HL_PLAT_START), 0);
    cr_assert_eq(process.age_ns, 0);
    assert_why(HL_PLAT_START, why);
}

Test(faked_process, an_age_that_cannot_be_is_none)
{
    fake("self/stat", STAT("0"));
    cr_assert_gt(process_now().age_ns, 0);
    assert_no_age("1 (x) S", NOT_UNDERSTOOD);
    assert_no_age(STAT("18446744073709551614"), NOT_UNDERSTOOD);
    assert_no_age(STAT("900000000000"), "the process seems to start in the future");
    fake_error("self/stat", ENOENT);
    assert_no_age("", NOT_UNDERSTOOD);
    fake_error("self/stat", ESRCH);
    process_now();
    assert_why(HL_PLAT_START, "the thread has ended");
}

static void assert_reason(int error, const char *why)
{
    fake_error("/io", error);
    process_now();
    assert_why(HL_PLAT_IO, why);
}

Test(faked_process, each_error_has_words)
{
    assert_reason(EPERM, "not permitted (seccomp or a security module)");
    assert_reason(ENFILE, "too many open files in the system");
    assert_reason(ENOMEM, "out of memory");
    assert_reason(ENOSYS, "this kernel does not offer it");
    assert_reason(EBADF, "its descriptor was closed by the application");
    assert_reason(ENOENT, "this kernel does not offer it");
    assert_reason(ENOTDIR, "this kernel does not offer it");
    assert_reason(EIO, "the system call failed");
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_KEYS), "there is no such figure");
}

/* ---- a thread ------------------------------------------------------------------------- */

TestSuite(faked_threads, .init = begin);

static struct hl_plat_thread_state state_now(bool expected)
{
    struct hl_plat_thread_state state;

    cr_assert_eq(hl_plat_thread_state(plat, hl_plat_thread_id(), &state), expected);
    return state;
}

Test(faked_threads, a_kernel_that_does_not_count_is_told_from_a_thread_that_never_ran)
{
    fake("/schedstat", "0 0 0\n");
    struct hl_plat_thread_state state = state_now(true);
    cr_assert_not(state.times_known);
    assert_why(HL_PLAT_RUN_DELAY, "this kernel does not offer it");
    fake("self/schedstat", "5 6 7\n");
    state = state_now(true);
    cr_assert(state.times_known, "the caller has run, so this kernel counts");
    cr_assert(state.on_core_ns == 0 && state.run_delay_ns == 0 && state.switches == 0);
    fake_error("self/schedstat", ENOENT);
    cr_assert_not(state_now(true).times_known);
    fake("self/schedstat", "garbage\n");
    cr_assert_not(state_now(true).times_known);
}

Test(faked_threads, times_that_are_not_understood_are_unknown)
{
    fake("/schedstat", "1 2\n");
    cr_assert_not(state_now(true).times_known);
    assert_why(HL_PLAT_RUN_DELAY, NOT_UNDERSTOOD);
    fake_error("/schedstat", EMFILE);
    cr_assert_not(state_now(true).times_known);
    assert_why(HL_PLAT_RUN_DELAY, "too many open files");
    fake_error("/schedstat", ENOENT);
    cr_assert_not(state_now(true).times_known);
    assert_why(HL_PLAT_RUN_DELAY, "the thread has ended");
}

Test(faked_threads, a_stat_that_is_not_understood_is_no_state)
{
    fake("/stat", "garbage");
    struct hl_plat_thread_state state = state_now(false);
    cr_assert(state.state == 0 && !state.start_known && state.start == 0 && state.age_ns == 0);
    assert_why(HL_PLAT_THREAD_STATE, NOT_UNDERSTOOD);
    fake("/stat", "1 (x) D 1 2 3\n");
    state = state_now(true);
    cr_assert(state.state == 'D' && !state.start_known);
    fake("/stat", STAT("77"));
    state = state_now(true);
    cr_assert(state.state == 'S' && state.start_known && state.start == 77);
    cr_assert_gt(state.age_ns, 0);
}

Test(faked_threads, one_of_a_restored_container_that_starts_in_the_future_has_no_age)
{
    fake("/stat", STAT("900000000000"));
    struct hl_plat_thread_state state = state_now(true);
    cr_assert(state.start_known && state.start == 900000000000u);
    cr_assert_eq(state.age_ns, 0);
    fake("/stat", STAT("18446744073709551614"));
    cr_assert_eq(state_now(true).age_ns, 0);
}

Test(faked_threads, a_name_without_an_end_is_whole)
{
    char name[HL_PLAT_NAME_BYTES];

    fake("/comm", "worker");
    cr_assert(hl_plat_thread_name(plat, hl_plat_thread_id(), name));
    cr_assert_str_eq(name, "worker");
    fake("/comm", "");
    cr_assert(hl_plat_thread_name(plat, hl_plat_thread_id(), name));
    cr_assert_str_eq(name, "");
    fake("/comm", "a\n\n");
    cr_assert(hl_plat_thread_name(plat, hl_plat_thread_id(), name));
    cr_assert_str_eq(name, "a\n", "one of them is its own");
    fake("/comm", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789\n");
    cr_assert(hl_plat_thread_name(plat, hl_plat_thread_id(), name));
    cr_assert_eq(strlen(name), HL_PLAT_NAME_BYTES - 1);
}

static void assert_glance(const char *stat, const char *expected, char expected_state)
{
    char name[HL_PLAT_NAME_BYTES], state;
    uint64_t age_ns;

    fake("/stat", stat);
    hl_plat_thread_glance(plat, hl_plat_thread_id(), name, &state, &age_ns);
    cr_assert_str_eq(name, expected, "%s of %s", name, stat);
    cr_assert_eq(state, expected_state);
}

Test(faked_threads, a_name_that_stat_may_write_otherwise_is_read_elsewhere)
{
    fake("/comm", "elsewhere\n");
    assert_glance("1 (here) R 1", "here", 'R');
    assert_glance("1 (a\\nb) R 1", "elsewhere", 'R');
    assert_glance("garbage", "elsewhere", 0);
    assert_glance(
        "1 (0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567) S 1",
        "elsewhere", 'S');
}

Test(faked_threads, sleeps_that_are_not_counted_are_unknown)
{
    uint64_t sleeps;

    fake("/status", "voluntary_ctxt_switches:\t12\n");
    cr_assert(hl_plat_thread_sleeps(plat, hl_plat_thread_id(), &sleeps));
    cr_assert_eq(sleeps, 12);
    fake("/status", "Name:\tx\n");
    cr_assert_not(hl_plat_thread_sleeps(plat, hl_plat_thread_id(), &sleeps));
    fake_error("/status", ESRCH);
    cr_assert_not(hl_plat_thread_sleeps(plat, hl_plat_thread_id(), &sleeps));
    cr_assert_eq(sleeps, UINT64_MAX);
}

/* ---- calls that are refused ------------------------------------------------------------- */

static void assert_no_cores(const char *why)
{
    struct hl_plat_limits limits;

    hl_plat_limits(plat, &limits);
    cr_assert_not(limits.known & HL_KNOWN(HL_PLAT_CORES));
    cr_assert_eq(limits.cores_milli, 0);
    assert_why(HL_PLAT_CORES, why);
}

Test(faked_limits, cores_that_cannot_be_asked_for_are_unknown)
{
    fake_failure("sched_getaffinity", 0, 2, EPERM);
    assert_no_cores("not permitted (seccomp or a security module)");
    fake_result("sched_getaffinity", 0, 2, 0);
    assert_no_cores("this kernel does not offer it"); /* none at all */
    fake_result("sched_getaffinity", 0, 1, 0);
    fake_failure("sched_getaffinity", 1, 1, ENOMEM);
    assert_no_cores("out of memory");
}

Test(faked_limits, the_second_mask_alone_will_do)
{
    struct hl_plat_limits limits;

    fake_failure("sched_getaffinity", 0, 1, ESRCH);
    hl_plat_limits(plat, &limits);
    cr_assert(limits.known & HL_KNOWN(HL_PLAT_CORES));
    cr_assert_geq(limits.cores_milli, 1000);
}

Test(faked_limits, only_a_group_without_controllers_is_the_unified_one)
{
    fake("/fake/x/cpu.max", "60000 100000\n");
    cr_assert_eq(read_limits("0:cpu:/x\n", CGROUP2).quota_milli, 0);
    cr_assert_eq(limits_of("1::/x\n", CGROUP2).quota_milli, 0);
    cr_assert_eq(limits_of("0::/x\n", CGROUP2).quota_milli, 600);
}

/* Room for one name in its directory, and none for those that are longer. */
Test(faked_limits, of_a_path_that_has_just_room_all_that_can_be_read_counts)
{
    const char *mount = stretched("1 2 0:1 / /", 4094, " rw - cgroup2 none rw\n");
    const char *group = stretched("0::/", 2 * PATH_MAX - 10 - 4095, "\n");

    fake("/cpu.max", "60000 100000\n");
    fake("/cpu.stat", "throttled_usec 9\n");
    struct hl_plat_limits limits = read_limits(group, mount);
    cr_assert_eq(limits.known, HL_KNOWN(HL_PLAT_CORES));
    cr_assert_eq(limits.quota_milli, 600);
    cr_assert_eq(throttled(), 9000);
    assert_why(HL_PLAT_MEMORY, "the system call failed");
}

Test(faked_process, a_status_without_memory_is_not_opened_again_and_again)
{
    fake("/status", "Threads:\t1\n");
    struct hl_plat_process process = process_now();
    int kept = atomic_load(&plat->status.number);
    cr_assert_eq(process.known & MEMORY_KEYS, 0);
    cr_assert(process.known & HL_KNOWN(HL_PLAT_THREADS));
    hl_plat_process(plat, UINT32_MAX, &process);
    cr_assert_eq(atomic_load(&plat->status.number), kept);
    fake("/status", "VmRSS:\t 4 kB\n");
    hl_plat_process(plat, UINT32_MAX, &process);
    cr_assert_eq(process.known & MEMORY_KEYS, 0, "it is its own thread's, so it is what there is");
    plat->status_tid++; /* as if it were of one that has ended */
    hl_plat_process(plat, UINT32_MAX, &process);
    cr_assert(process.known & HL_KNOWN(HL_PLAT_RSS));
}

static void assert_no_rate(long per_second)
{
    fake_result("sysconf", 0, 1, per_second);
    cr_assert_eq(hl_plat_ticks_to_ns(100), UINT64_MAX, "%ld ticks a second", per_second);
}

Test(faked_process, ticks_of_a_rate_that_cannot_be_are_unknown)
{
    assert_no_rate(-1);
    assert_no_rate(0);
    assert_no_rate(2000000000);
    cr_assert_eq(hl_plat_ticks_to_ns(UINT64_MAX / 4), UINT64_MAX);
    fake_result("sysconf", 0, 1, 1000000000);
    cr_assert_eq(hl_plat_ticks_to_ns(7), 7);
}

Test(faked_process, clocks_that_are_refused_say_why)
{
    struct hl_plat_process process;

    begin();
    fake_failure("clock_gettime", 0, 1, EPERM);
    hl_plat_process(plat, HL_KNOWN(HL_PLAT_CPU), &process);
    cr_assert_eq(process.known, 0);
    assert_why(HL_PLAT_CPU, "not permitted (seccomp or a security module)");
    fake_failure("clock_gettime", 0, 1, EINVAL);
    hl_plat_process(plat, HL_KNOWN(HL_PLAT_START), &process);
    cr_assert_eq(process.known, 0);
    assert_why(HL_PLAT_START, "the system call failed");
}
