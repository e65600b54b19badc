/* tests/unit/test_parse.c - the texts of /proc and cgroups, also as an enemy would write them.
 *
 * Each text is copied to a block of exactly its size, so that a sanitizer sees
 * a look past its end.
 */
#define _DEFAULT_SOURCE
#include "../../platform/linux/parse.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define UNKNOWN HL_PLAT_UNKNOWN

struct text {
    char *bytes;
    size_t size;
};

static struct text exactly(const char *bytes, size_t size)
{
    struct text text = {malloc(size ? size : 1), size};

    memcpy(text.bytes, bytes, size);
    if (size == 0) {
        free(text.bytes);
        text.bytes = NULL;
    }
    return text;
}

/* ---- status --------------------------------------------------------------- */

static struct hl_plat_status status_of(const char *bytes, size_t size)
{
    struct hl_plat_status status;
    struct text text = exactly(bytes, size);

    hl_plat_parse_status(text.bytes, text.size, &status);
    free(text.bytes);
    return status;
}
#define STATUS(literal) status_of(literal, sizeof(literal) - 1)

Test(parse_status, reads_what_a_kernel_writes)
{
    struct hl_plat_status status = STATUS(
        "Name:\tcat\nUmask:\t0022\nTracerPid:\t77\nFDSize:\t256\nGroups:\t \nVmPeak:\t    3000 kB\n"
        "VmSize:\t    2764 kB\nVmHWM:\t    1000 kB\nVmRSS:\t     996 kB\nThreads:\t12\n"
        "voluntary_ctxt_switches:\t31\nnonvoluntary_ctxt_switches:\t5\n");

    cr_assert_eq(status.vm_bytes, 2764u * 1024);
    cr_assert_eq(status.peak_rss_bytes, 1000u * 1024);
    cr_assert_eq(status.rss_bytes, 996u * 1024);
    cr_assert_eq(status.threads, 12);
    cr_assert_eq(status.tracer, 77);
    cr_assert_eq(status.descriptors, 256);
}

Test(parse_status, in_whatever_order_the_lines_come)
{
    struct hl_plat_status status =
        STATUS("Threads:\t12\nVmRSS:\t 996 kB\nVmHWM:\t 1000 kB\nTgid:\t3\nFDSize:\t64\n"
               "TracerPid:\t0\nVmSize:\t 2764 kB\nThreads:\t99\n");

    cr_assert_eq(status.threads, 12, "the first of its kind");
    cr_assert_eq(status.rss_bytes, 996u * 1024);
    cr_assert_eq(status.vm_bytes, 2764u * 1024);
    cr_assert_eq(status.descriptors, 64);
    cr_assert_eq(status.tracer, 0);
}

static uint64_t sleeps_of(const char *bytes, size_t size)
{
    struct text text = exactly(bytes, size);
    uint64_t sleeps = hl_plat_parse_sleeps(text.bytes, text.size);

    free(text.bytes);
    return sleeps;
}
#define SLEEPS(literal) sleeps_of(literal, sizeof(literal) - 1)

Test(parse_status, voluntary_switches)
{
    cr_assert_eq(SLEEPS("Name:\tx\nvoluntary_ctxt_switches:\t31\n"
                        "nonvoluntary_ctxt_switches:\t5\n"),
                 31);
    cr_assert_eq(SLEEPS("nonvoluntary_ctxt_switches:\t5\n"), UNKNOWN);
    cr_assert_eq(SLEEPS("voluntary_ctxt_switches:\t31"), UNKNOWN);
    cr_assert_eq(SLEEPS(""), UNKNOWN);
}

Test(parse_status, what_is_not_there_is_unknown)
{
    struct hl_plat_status status = STATUS("");

    cr_assert(status.rss_bytes == UNKNOWN && status.peak_rss_bytes == UNKNOWN &&
              status.vm_bytes == UNKNOWN && status.threads == UNKNOWN && status.tracer == UNKNOWN &&
              status.descriptors == UNKNOWN);
    status = STATUS("VmRSS:\t 1 kB\n");
    cr_assert_eq(status.rss_bytes, 1024);
    cr_assert_eq(status.vm_bytes, UNKNOWN);
}

Test(parse_status, a_number_that_may_have_been_cut_is_unknown)
{
    cr_assert_eq(STATUS("VmRSS:\t 12").rss_bytes, UNKNOWN);
    cr_assert_eq(STATUS("VmRSS:\t 12 kB").rss_bytes, UNKNOWN);
    cr_assert_eq(STATUS("VmRSS:\t 12 k\n").rss_bytes, UNKNOWN);
    cr_assert_eq(STATUS("VmR\n").rss_bytes, UNKNOWN);
    cr_assert_eq(STATUS("VmRSS:\t12\n").rss_bytes, UNKNOWN);
    cr_assert_eq(STATUS("VmRSS:12 kB\n").rss_bytes, 12 * 1024);
    cr_assert_eq(STATUS("Threads:\t4").threads, UNKNOWN);
    cr_assert_eq(STATUS("Threads:").threads, UNKNOWN);
    cr_assert_eq(STATUS("Threads:\n").threads, UNKNOWN);
}

Test(parse_status, numbers_never_wrap)
{
    cr_assert_eq(STATUS("VmRSS:\t18446744073709551615 kB\n").rss_bytes, UNKNOWN);
    cr_assert_eq(STATUS("VmRSS:\t18014398509481984 kB\n").rss_bytes, UNKNOWN);
    cr_assert_eq(STATUS("VmRSS:\t18014398509481983 kB\n").rss_bytes, UINT64_MAX - 1023);
    cr_assert_eq(STATUS("Threads:\t18446744073709551616\n").threads, UNKNOWN);
    cr_assert_eq(STATUS("Threads:\t99999999999999999999999999999999\n").threads, UNKNOWN);
    cr_assert_eq(STATUS("Threads:\t-1\n").threads, UNKNOWN);
}

Test(parse_status, only_the_start_of_a_line_is_a_label)
{
    struct hl_plat_status status = STATUS("Name:\tVmRSS:\t5 kB\nxThreads:\t3\nThreads :\t3\n");

    cr_assert_eq(status.rss_bytes, UNKNOWN);
    cr_assert_eq(status.threads, UNKNOWN);
    status = STATUS("\0VmRSS:\t5 kB\n\n\n\0\0VmRSS:\n");
    cr_assert_eq(status.rss_bytes, UNKNOWN);
}

/* ---- stat ------------------------------------------------------------------- */

static uint64_t start_of(const char *bytes, size_t size, char *state)
{
    uint64_t start;
    struct text text = exactly(bytes, size);

    hl_plat_parse_stat(text.bytes, text.size, state, &start);
    free(text.bytes);
    return start;
}
#define START(literal) start_of(literal, sizeof(literal) - 1, &state)
#define BEFORE_START " 1 1 0 0 -1 4194560 107 0 0 0 0 0 0 0 20 0 1 0 "

Test(parse_stat, reads_what_a_kernel_writes)
{
    char state;

    cr_assert_eq(START("4711 (cat) R" BEFORE_START "123456 2830336 249\n"), 123456);
    cr_assert_eq(state, 'R');
}

Test(parse_stat, a_name_may_hold_brackets_spaces_and_line_ends)
{
    char state;

    cr_assert_eq(START("1 (a) Z 9 9 (b) () T" BEFORE_START "77 1\n"), 77);
    cr_assert_eq(state, 'T');
    cr_assert_eq(START("1 () (x) S) t" BEFORE_START "78 1\n"), 78);
    cr_assert_eq(state, 't');
    cr_assert_eq(START("1 (a\nb) R 1 2)\n) S" BEFORE_START "79 1\n"), 79);
    cr_assert_eq(state, 'S');
    cr_assert_eq(START("1 ()))))) D" BEFORE_START "80 1\n"), 80);
    cr_assert_eq(state, 'D');
}

static bool name_is(const char *stat, const char *expected)
{
    struct text text = exactly(stat, strlen(stat));
    struct hl_plat_piece name;
    bool is_so =
        hl_plat_parse_stat_name(text.bytes, text.size, &name) && hl_plat_piece_is(name, expected);

    free(text.bytes);
    return is_so;
}

Test(parse_stat, the_name_is_what_lies_between_the_first_and_the_last_bracket)
{
    cr_expect(name_is("4711 (cat) R" BEFORE_START, "cat"));
    cr_expect(name_is("1 (a) Z 9 9 (b) () T" BEFORE_START, "a) Z 9 9 (b) ("));
    cr_expect(name_is("1 () R" BEFORE_START, ""));
    cr_expect(name_is("1 ((()) R" BEFORE_START, "(()"));
    cr_expect(name_is("1 (x)", "x"));
}

Test(parse_stat, a_name_that_may_be_written_otherwise_is_not_read_here)
{
    struct hl_plat_piece name;
    static const char *const texts[] = {"1 (a\\nb) R 1", "1 (\\\\) R 1", "", "1", ")",
                                        "1 x) R",        "1 (cat"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct text text = exactly(texts[i], strlen(texts[i]));
        cr_expect_not(hl_plat_parse_stat_name(text.bytes, text.size, &name), "%s", texts[i]);
        free(text.bytes);
    }
}

Test(parse_stat, missing_fields_are_unknown)
{
    char state;

    cr_assert_eq(START(""), UNKNOWN);
    cr_assert_eq(state, 0);
    cr_assert_eq(START("1 (cat"), UNKNOWN);
    cr_assert_eq(START("1 (cat)"), UNKNOWN);
    cr_assert_eq(START("1 (cat) "), UNKNOWN);
    cr_assert_eq(START(")"), UNKNOWN);
    cr_assert_eq(START(") "), UNKNOWN);
    cr_assert_eq(START("1 (cat) S"), UNKNOWN);
    cr_assert_eq(state, 0);
    cr_assert_eq(START("1 (cat) S 1 2 3\n"), UNKNOWN);
    cr_assert_eq(state, 'S');
    cr_assert_eq(START("1 (cat) S" BEFORE_START), UNKNOWN);
    cr_assert_eq(START("1 (cat) S" BEFORE_START "12345"), UNKNOWN, "perhaps cut short");
    cr_assert_eq(START("1 (cat) S" BEFORE_START "-5 1\n"), UNKNOWN);
    cr_assert_eq(START("1 (cat) S" BEFORE_START "99999999999999999999 1\n"), UNKNOWN);
    cr_assert_eq(START("1 (cat) 7" BEFORE_START "5 1\n"), UNKNOWN);
    cr_assert_eq(START("1 (cat) SS" BEFORE_START "5 1\n"), UNKNOWN);
    cr_assert_eq(START("1 (cat) S  1 1 0 0 -1 4194560 107 0 0 0 0 0 0 0 20 0 1 5 1\n"), UNKNOWN);
    cr_assert_eq(START("\0\0\0)\0S\0\0"), UNKNOWN);
}

/* ---- schedstat, io ---------------------------------------------------------- */

static bool schedstat_of(const char *bytes, size_t size, struct hl_plat_schedstat *schedstat)
{
    struct text text = exactly(bytes, size);
    bool read = hl_plat_parse_schedstat(text.bytes, text.size, schedstat);

    free(text.bytes);
    return read;
}
#define SCHEDSTAT(literal) schedstat_of(literal, sizeof(literal) - 1, &schedstat)

Test(parse_schedstat, reads_three_numbers_or_nothing)
{
    struct hl_plat_schedstat schedstat;

    cr_assert(SCHEDSTAT("1234 56 7\n"));
    cr_assert(schedstat.on_core_ns == 1234 && schedstat.run_delay_ns == 56 &&
              schedstat.switches == 7);
    cr_assert(SCHEDSTAT("18446744073709551615 0 1\n"));
    cr_assert_eq(schedstat.on_core_ns, UINT64_MAX);
    cr_assert_not(SCHEDSTAT(""));
    cr_assert_not(SCHEDSTAT("1234"));
    cr_assert_not(SCHEDSTAT("1234 56\n"));
    cr_assert_not(SCHEDSTAT("1234 56 7"));
    cr_assert_not(SCHEDSTAT("18446744073709551616 0 1\n"));
    cr_assert_not(SCHEDSTAT("-1 0 1\n"));
    cr_assert_not(SCHEDSTAT("a b c\n"));
    cr_assert_not(SCHEDSTAT("1\0002 3\n"));
}

static bool io_of(const char *bytes, size_t size, uint64_t *in, uint64_t *out)
{
    struct text text = exactly(bytes, size);
    bool read = hl_plat_parse_io(text.bytes, text.size, in, out);

    free(text.bytes);
    return read;
}
#define IO(literal) io_of(literal, sizeof(literal) - 1, &in, &out)

Test(parse_io, reads_storage_and_not_the_page_cache)
{
    uint64_t in, out;

    cr_assert(IO("rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\n"
                 "cancelled_write_bytes: 7\n"));
    cr_assert(in == 5 && out == 6);
    cr_assert_not(IO(""));
    cr_assert_not(IO("read_bytes: 5\n"));
    cr_assert_not(IO("read_bytes: 5\nwrite_bytes: 6"));
    cr_assert_not(IO("read_bytes: 5\ncancelled_write_bytes: 6\n"));
    cr_assert_not(IO("read_bytes: x\nwrite_bytes: 99999999999999999999\n"));
}

/* ---- cgroups ---------------------------------------------------------------- */

static bool is(struct hl_plat_piece piece, const char *text)
{
    return hl_plat_piece_is(piece, text);
}

Test(parse_cgroup, reads_both_versions)
{
    struct hl_plat_cgroup cgroup;
    static const char v2[] = "0::/user.slice/a:b c";
    static const char v1[] = "4:cpuacct,cpu:/docker/0";

    cr_assert(hl_plat_parse_cgroup_line(v2, strlen(v2), &cgroup));
    cr_assert(cgroup.hierarchy == 0 && is(cgroup.controllers, ""));
    cr_assert(is(cgroup.path, "/user.slice/a:b c"));
    cr_assert(hl_plat_parse_cgroup_line(v1, strlen(v1), &cgroup));
    cr_assert(cgroup.hierarchy == 4 && is(cgroup.path, "/docker/0"));
    cr_assert(hl_plat_piece_lists(cgroup.controllers, "cpu"));
    cr_assert(hl_plat_piece_lists(cgroup.controllers, "cpuacct"));
    cr_assert_not(hl_plat_piece_lists(cgroup.controllers, "cpuset"));
    cr_assert_not(hl_plat_piece_lists(cgroup.controllers, "cpuacct,cpu"));
}

Test(parse_cgroup, refuses_what_is_none)
{
    static const char *const lines[] = {
        "", "0", "0:", "0::", "::/", "x::/a", "0:cpu", "0::relative", "99999999999999999999::/"};
    struct hl_plat_cgroup cgroup;

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct text text = exactly(lines[i], strlen(lines[i]));
        cr_expect_not(hl_plat_parse_cgroup_line(text.bytes, text.size, &cgroup), "%s", lines[i]);
        free(text.bytes);
    }
}

static bool mount_of(const char *line, struct hl_plat_mount *mount)
{
    return hl_plat_parse_mount_line(line, strlen(line), mount);
}

Test(parse_mountinfo, reads_lines_with_and_without_optional_fields)
{
    struct hl_plat_mount mount;

    cr_assert(mount_of("30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 master:1 - cgroup2 none rw",
                       &mount));
    cr_assert(is(mount.root, "/") && is(mount.point, "/sys/fs/cgroup"));
    cr_assert(is(mount.type, "cgroup2") && is(mount.options, "rw"));
    cr_assert(
        mount_of("32 31 0:29 /docker/a\\040b /a\\040b rw - cgroup cgroup rw,cpu,cpuacct", &mount));
    cr_assert(is(mount.root, "/docker/a\\040b") && is(mount.type, "cgroup"));
    cr_assert(hl_plat_piece_lists(mount.options, "cpu"));
}

Test(parse_mountinfo, refuses_what_is_none)
{
    static const char *const lines[] = {
        "",
        "-",
        " - ",
        "30 23 0:26 / /sys",
        "30 23 0:26 / /sys rw cgroup2 none rw",
        "30 23 0:26 / /sys rw -",
        "30 23 0:26 / /sys rw - cgroup2",
        "30 23 0:26 / relative rw - cgroup2 none rw",
        "30 23 0:26   rw - cgroup2 none rw",
        "30 23 0:26 /  rw - cgroup2 none rw",
        "30 23 0:26  /sys rw - cgroup2 none rw",
    };
    struct hl_plat_mount mount;

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct text text = exactly(lines[i], strlen(lines[i]));
        cr_expect_not(hl_plat_parse_mount_line(text.bytes, text.size, &mount), "%s", lines[i]);
        free(text.bytes);
    }
}

static const char *unescaped(const char *escaped, size_t capacity)
{
    static char out[64];
    struct hl_plat_piece piece = {escaped, strlen(escaped)};

    memset(out, 'x', sizeof out);
    bool fits = hl_plat_unescape(piece, out, capacity);
    cr_assert_eq(out[capacity], 'x');
    return fits ? out : NULL;
}

Test(parse_mountinfo, escapes_become_bytes)
{
    cr_assert_str_eq(unescaped("/a\\040b\\134", 60), "/a b\\");
    cr_assert_str_eq(unescaped("", 60), "");
    cr_assert_str_eq(unescaped("\\04", 60), "\\04");
    cr_assert_str_eq(unescaped("\\", 60), "\\");
    cr_assert_str_eq(unescaped("\\999", 60), "\\999");
    cr_assert_str_eq(unescaped("\\777", 60), "\\777");
    cr_assert_str_eq(unescaped("\\377\\300\\070\\007", 60), "\377\300\070\007");
    static const char *const not_octal[] = {"\\400", "\\380", "\\308", "\\/00", "\\0/0", "\\00/"};
    for (size_t i = 0; i < sizeof not_octal / sizeof not_octal[0]; i++)
        cr_assert_str_eq(unescaped(not_octal[i], 60), not_octal[i]);
    cr_assert_str_eq(unescaped("abc", 4), "abc");
    cr_assert_null(unescaped("abcd", 4));
    cr_assert_null(unescaped("a", 1));
    cr_assert_null(unescaped("a", 0));
    cr_assert_null(unescaped("", 0));
    cr_assert_str_eq(unescaped("", 1), "");
}

Test(parse_limits, quotas_and_numbers)
{
    uint64_t quota, period, number;

    cr_assert(hl_plat_parse_cpu_max("150000 100000\n", 14, &quota, &period));
    cr_assert(quota == 150000 && period == 100000);
    cr_assert_not(hl_plat_parse_cpu_max("max 100000\n", 11, &quota, &period));
    cr_assert_not(hl_plat_parse_cpu_max("1 0\n", 4, &quota, &period));
    cr_assert_not(hl_plat_parse_cpu_max("1 10", 4, &quota, &period));
    cr_assert_not(hl_plat_parse_cpu_max("", 0, &quota, &period));
    cr_assert(hl_plat_parse_number("0\n", 2, &number) && number == 0);
    cr_assert(hl_plat_parse_number("18446744073709551615\n", 21, &number) && number == UINT64_MAX);
    cr_assert_not(hl_plat_parse_number("18446744073709551616\n", 21, &number));
    cr_assert_not(hl_plat_parse_number("-1\n", 3, &number));
    cr_assert_not(hl_plat_parse_number("max\n", 4, &number));
    cr_assert_not(hl_plat_parse_number("12", 2, &number));
    cr_assert_not(hl_plat_parse_number("", 0, &number));
}

static bool throttled_of(const char *bytes, uint64_t *ns)
{
    struct text text = exactly(bytes, strlen(bytes));
    bool read = hl_plat_parse_throttled(text.bytes, text.size, ns);

    free(text.bytes);
    return read;
}

Test(parse_limits, throttled_time_of_both_versions)
{
    uint64_t ns;

    cr_assert(throttled_of("nr_periods 9\nnr_throttled 2\nthrottled_time 123456789\n", &ns));
    cr_assert_eq(ns, 123456789);
    cr_assert(throttled_of("usage_usec 1\nnr_throttled 2\nthrottled_usec 77\nnr_bursts 0\n", &ns));
    cr_assert_eq(ns, 77000);
    cr_assert(throttled_of("throttled_usec 0\n", &ns) && ns == 0);
    cr_assert_not(throttled_of("", &ns));
    cr_assert_not(throttled_of("usage_usec 1\nuser_usec 2\n", &ns));
    cr_assert_not(throttled_of("throttled_usec 7", &ns), "perhaps cut short");
    cr_assert_not(throttled_of("throttled_usec -7\n", &ns));
    cr_assert_not(throttled_of("throttled_usecs 7\n", &ns));
    cr_assert_not(throttled_of("throttled_usec 18446744073709551\n", &ns), "does not fit");
    cr_assert_not(throttled_of("throttled_time 18446744073709551616\n", &ns));
}

/* ---- what a thread does --------------------------------------------------------- */

static bool call_of(const char *bytes, struct hl_plat_call *call)
{
    struct text text = exactly(bytes, strlen(bytes));
    bool read = hl_plat_parse_syscall(text.bytes, text.size, call);

    free(text.bytes);
    return read;
}

Test(parse_syscall, reads_what_a_kernel_writes)
{
    struct hl_plat_call call;

    cr_assert(call_of("running\n", &call));
    cr_assert(call.is_running && !call.is_in_call);
    cr_assert(call_of("-1 0x7ffd12 0xffffffffffffffff\n", &call));
    cr_assert(!call.is_running && !call.is_in_call);
    cr_assert(call.sp == 0x7ffd12 && call.pc == UINT64_MAX);
    cr_assert(call_of("202 0x1 0x80 0x2 0x0 0x0 0xffffffffffffffff 0x7f00 0x7f01\n", &call));
    cr_assert(call.is_in_call && !call.is_running);
    cr_assert_eq(call.number, 202);
    cr_assert(call.arguments[0] == 1 && call.arguments[1] == 0x80 && call.arguments[2] == 2);
    cr_assert(call.arguments[4] == 0 && call.arguments[5] == UINT64_MAX);
    cr_assert(call.sp == 0x7f00 && call.pc == 0x7f01);
    cr_assert(call_of("0 0x3 0x0 0x0 0x0 0x0 0x0 0x7f00 0x7f01\n", &call));
    cr_assert(call.is_in_call && call.number == 0);
}

Test(parse_syscall, refuses_what_is_none)
{
    static const char *const texts[] = {
        "",
        "\n",
        "running",
        "running ",
        "-1\n",
        "-1 0x1\n",
        "-1 0x1 0x2",
        "-2 0x1 0x2\n",
        "--1 0x1 0x2\n",
        "-1 0x1 0x2 0x3\n",
        "0\n",
        "0 0x3 0x0 0x0 0x0 0x0 0x0 0x7f00\n",
        "0 0x3 0x0 0x0 0x0 0x0 0x0 0x7f00 0x7f01",
        "0 0x3 0x0 0x0 0x0 0x0 0x0 0x7f00 0x7f01 0x1\n",
        "0 3 0x0 0x0 0x0 0x0 0x0 0x7f00 0x7f01\n",
        "0 0x3 0x0 0x0 0x0 0x0 0x0 0x7f00 0x\n",
        "0 0x3 0x0 0x0 0x0 0x0 0x0 0x7f00 0x10000000000000000\n",
        "0  0x3 0x0 0x0 0x0 0x0 0x0 0x7f00 0x7f01\n",
        "18446744073709551616 0x3 0x0 0x0 0x0 0x0 0x0 0x7f00 0x7f01\n",
    };
    struct hl_plat_call call;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_expect_not(call_of(texts[i], &call), "%s", texts[i]);
}

static enum hl_plat_link link_of(const char *link, char name[64])
{
    struct hl_plat_piece piece;
    struct text text = exactly(link, strlen(link));
    enum hl_plat_link kind = hl_plat_parse_link(text.bytes, text.size, &piece);

    snprintf(name, 64, "%.*s", (int)piece.size, piece.text);
    free(text.bytes);
    return kind;
}

Test(parse_link, tells_what_has_a_path_from_what_has_none)
{
    static const struct {
        const char *link, *name;
        enum hl_plat_link kind;
    } cases[] = {
        {"pipe:[123]", "pipe", HL_PLAT_LINK_NAMED},
        {"socket:[123]", "", HL_PLAT_LINK_SOCKET},
        {"pidfd:[1]", "pidfd", HL_PLAT_LINK_NAMED},
        {"anon_inode:[eventfd]", "eventfd", HL_PLAT_LINK_NAMED},
        {"anon_inode:[eventpoll]", "epoll", HL_PLAT_LINK_NAMED},
        {"anon_inode:inotify", "inotify", HL_PLAT_LINK_NAMED},
        {"anon_inode:[]", "[]", HL_PLAT_LINK_NAMED},
        {"anon_inode:", "", HL_PLAT_LINK_NAMED},
        {"strange", "strange", HL_PLAT_LINK_NAMED},
        {"x", "x", HL_PLAT_LINK_NAMED},
        {"", "", HL_PLAT_LINK_NAMED},
        {"/a: b (deleted)", "/a: b (deleted)", HL_PLAT_LINK_PATH},
        {"/dev/null", "/dev/null", HL_PLAT_LINK_PATH},
        {"/dev/pts/3", "/dev/pts/3", HL_PLAT_LINK_TERMINAL},
        {"/dev/pts/", "/dev/pts/", HL_PLAT_LINK_PATH},
        {"/dev/pts/ptmx", "/dev/pts/ptmx", HL_PLAT_LINK_PATH},
        {"/dev/tty", "/dev/tty", HL_PLAT_LINK_TERMINAL},
        {"/dev/ttyS0", "/dev/ttyS0", HL_PLAT_LINK_TERMINAL},
        {"/dev/console", "/dev/console", HL_PLAT_LINK_TERMINAL},
    };
    char name[64];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(link_of(cases[i].link, name), cases[i].kind, "%s", cases[i].link);
        cr_expect_str_eq(name, cases[i].name);
    }
}

Test(parse_watched, finds_descriptors_in_the_lines_of_an_epoll)
{
    static const char line[] = "tfd:        7 events:       19 data:   7  pos:0 ino:400 sdev:9\n";
    uint64_t descriptor;

    cr_assert(hl_plat_parse_watched(line, strlen(line), &descriptor) && descriptor == 7);
    cr_assert_not(hl_plat_parse_watched("pos:\t0\n", 7, &descriptor));
    cr_assert_not(hl_plat_parse_watched("tfd:   7", 8, &descriptor), "perhaps cut short");
    cr_assert_not(hl_plat_parse_watched("tfd:   x \n", 10, &descriptor));
    cr_assert_not(hl_plat_parse_watched("", 0, &descriptor));
}

#define GAP "\xE2\x80\xA6"

static const char *shortened(const char *whole, size_t capacity)
{
    static char out[64];
    struct text text = exactly(whole, strlen(whole));

    memset(out, 'x', sizeof out);
    hl_plat_shorten((struct hl_plat_piece){text.bytes, text.size}, out, capacity);
    cr_assert_eq(out[capacity], 'x');
    free(text.bytes);
    return out;
}

Test(shorten, leaves_both_ends_and_no_half_characters)
{
    cr_assert_str_eq(shortened("", 1), "");
    cr_assert_str_eq(shortened("abc", 4), "abc");
    cr_assert_str_eq(shortened("0123456789", 10), "012" GAP "789");
    cr_assert_str_eq(shortened("0123456789", 9), "01" GAP "789");
    cr_assert_str_eq(shortened("0123456789", 5), GAP "9");
    cr_assert_str_eq(shortened("0123456789", 4), GAP);
    cr_assert_str_eq(shortened("0123456789", 3), "");
    cr_assert_str_eq(shortened("0123456789", 1), "");
    shortened("0123456789", 0);
    /* two bytes each: neither is cut through */
    cr_assert_str_eq(shortened("\xC3\xA4\xC3\xB6\xC3\xBC\xC3\xA4\xC3\xB6\xC3\xBC", 10),
                     "\xC3\xA4" GAP "\xC3\xBC");
    /* nonsense that looks like the middle of a character */
    cr_assert_leq(strlen(shortened("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 10)), 9);
}

/* ---- maps, task names --------------------------------------------------------- */

static bool mapping_of(const char *line, struct hl_plat_mapping *mapping)
{
    struct text text = exactly(line, strlen(line));
    bool read = hl_plat_parse_mapping(text.bytes, text.size, mapping);

    free(text.bytes);
    return read;
}

Test(parse_maps, reads_named_and_nameless_mappings)
{
    struct hl_plat_mapping mapping;

    cr_assert(mapping_of("7ffd1000-7ffd3000 rw-p 00000000 00:00 0                    [stack]\n",
                         &mapping));
    cr_assert(mapping.low == 0x7ffd1000 && mapping.high == 0x7ffd3000);
    cr_assert(mapping.is_writable && mapping.is_main_stack);
    cr_assert(mapping_of("7f0000000000-7f0000001000 ---p 00000000 00:00 0 \n", &mapping));
    cr_assert(!mapping.is_writable && !mapping.is_main_stack);
    cr_assert(mapping_of("7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n", &mapping));
    cr_assert(mapping.is_writable);
    cr_assert(mapping_of("1000-2000 r-xp 00000000 fe:01 1234      /tmp/x [stack]\n", &mapping));
    cr_assert_not(mapping.is_main_stack);
    cr_assert(mapping_of("1000-2000 rw-p 00000000 fe:01 1234      [stack]x\n", &mapping));
    cr_assert_not(mapping.is_main_stack);
}

Test(parse_maps, refuses_what_is_none)
{
    static const char *const lines[] = {
        "",
        "\n",
        "1000",
        "1000-",
        "1000-2000",
        "1000-2000 rw",
        "1000-2000 rw-p 0 0",
        "1000-2000 rw- 0 00:00 0 \n",
        "2000-1000 rw-p 0 00:00 0 \n",
        "1000-1000 rw-p 0 00:00 0 \n",
        "1000-11112222333344445555 rw-p 0 00:00 0 \n",
        "x-y rw-p 0 00:00 0 \n",
        "FFFF-10000 rw-p 0 00:00 0 \n",
    };
    struct hl_plat_mapping mapping;

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        cr_expect_not(mapping_of(lines[i], &mapping), "%s", lines[i]);
}

Test(parse_tid, is_a_number_and_nothing_else)
{
    uint64_t tid;

    cr_assert(hl_plat_parse_tid("4194304", 7, &tid) && tid == 4194304);
    cr_assert(hl_plat_parse_tid("1", 1, &tid) && tid == 1);
    cr_assert_not(hl_plat_parse_tid("", 0, &tid));
    cr_assert_not(hl_plat_parse_tid(".", 1, &tid));
    cr_assert_not(hl_plat_parse_tid("..", 2, &tid));
    cr_assert_not(hl_plat_parse_tid("12a", 3, &tid));
    cr_assert_not(hl_plat_parse_tid("-12", 3, &tid));
    cr_assert_not(hl_plat_parse_tid("0", 1, &tid));
    cr_assert_not(hl_plat_parse_tid("12345678901", 11, &tid));
}

/* ---- everything cut and everything garbled ---------------------------------------- */

static void feed(struct text text)
{
    size_t size = text.size;
    struct hl_plat_status status;
    struct hl_plat_schedstat schedstat;
    struct hl_plat_cgroup cgroup;
    struct hl_plat_mount mount;
    struct hl_plat_mapping mapping;
    struct hl_plat_call call;
    struct hl_plat_piece piece;
    uint64_t one, two;
    char state, out[16];

    hl_plat_parse_status(text.bytes, size, &status);
    hl_plat_parse_stat(text.bytes, size, &state, &one);
    hl_plat_parse_stat_name(text.bytes, size, &piece);
    hl_plat_parse_schedstat(text.bytes, size, &schedstat);
    hl_plat_parse_io(text.bytes, size, &one, &two);
    hl_plat_parse_cgroup_line(text.bytes, size, &cgroup);
    if (hl_plat_parse_mount_line(text.bytes, size, &mount))
        hl_plat_unescape(mount.point, out, sizeof out);
    hl_plat_parse_cpu_max(text.bytes, size, &one, &two);
    hl_plat_parse_number(text.bytes, size, &one);
    hl_plat_parse_throttled(text.bytes, size, &one);
    hl_plat_parse_syscall(text.bytes, size, &call);
    hl_plat_parse_watched(text.bytes, size, &one);
    hl_plat_parse_link(text.bytes, size, &piece);
    hl_plat_shorten(piece, out, sizeof out);
    hl_plat_parse_mapping(text.bytes, size, &mapping);
    hl_plat_parse_tid(text.bytes, size, &one);
}

static void feed_all(const char *bytes, size_t size)
{
    struct text text = exactly(bytes, size);

    feed(text);
    free(text.bytes);
}

Test(parse, no_text_cut_or_garbled_makes_a_parser_look_outside_it)
{
    static const char *const samples[] = {
        "Name:\tcat\nTracerPid:\t0\nVmSize:\t2764 kB\nVmHWM:\t1000 kB\nVmRSS:\t996 kB\nThreads:\t1\n",
        "4711 (c) (t) R" BEFORE_START "123456 2830336 249\n",
        "1234 56 7\n",
        "read_bytes: 5\nwrite_bytes: 6\n",
        "4:cpuacct,cpu:/docker/0\n",
        "30 23 0:26 / /sys\\040x rw shared:9 - cgroup2 none rw\n",
        "7ffd1000-7ffd3000 rw-p 00000000 00:00 0      [stack]\n",
        "202 0x1 0x80 0x2 0x0 0x0 0xffffffffffffffff 0x7f00 0x7f01\n",
        "-1 0x7f00 0x7f01\n",
        "running\n",
        "nr_throttled 2\nthrottled_usec 77\nthrottled_time 77\n",
        "tfd:        7 events:       19 data:   7\n",
        "anon_inode:[eventpoll]",
        "/dev/pts/3 \xC3\xA4 and a long name",
    };
    char garbled[512];
    unsigned random = 1;

    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        for (size_t size = 0; size <= strlen(samples[i]); size++) {
            feed_all(samples[i], size);
            for (int round = 0; round < 50 && size > 0; round++) {
                memcpy(garbled, samples[i], size);
                for (int changes = 0; changes < 3; changes++) {
                    random = random * 1103515245u + 12345u;
                    garbled[(random >> 8) % size] = (char)(random >> 20);
                }
                feed_all(garbled, size);
            }
        }
}

static bool highest_of(const char *text, uint64_t *highest)
{
    return hl_plat_parse_highest(text, strlen(text), highest);
}

Test(parse, the_highest_of_a_list_is_its_last)
{
    uint64_t highest;
    cr_assert(highest_of("0\n", &highest) && highest == 0);
    cr_assert(highest_of("0-127\n", &highest) && highest == 127);
    cr_assert(highest_of("0-3,8-11\n", &highest) && highest == 11);
    cr_assert(highest_of("0,2,4\n", &highest) && highest == 4);
    cr_assert_not(highest_of("", &highest));
    cr_assert_not(highest_of("\n", &highest));
    cr_assert_not(highest_of("0-1", &highest), "perhaps it was cut");
    cr_assert_not(highest_of("0-\n", &highest));
    cr_assert_not(highest_of("0-3;5\n", &highest));
    cr_assert_not(highest_of("0-18446744073709551616\n", &highest));
}

/* ---- without a sanitizer ---------------------------------------------------------- */

/* At the end of a page behind which nothing may be touched. */
static struct text fenced(const char *bytes, size_t size)
{
    static char *fence;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (!fence) {
        char *pages =
            mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        cr_assert(pages != MAP_FAILED && mprotect(pages + page, page, PROT_NONE) == 0);
        fence = pages + page;
    }
    memcpy(fence - size, bytes, size);
    return (struct text){fence - size, size};
}

Test(parse, nothing_reads_behind_the_end_of_its_text)
{
    static const char *const texts[] = {
        "VmRSS:\t12 kB\n",
        "1 (cat) S" BEFORE_START "1 2\n",
        "0::/a",
        "30 23 0:26 / /sys rw - cgroup2 none rw",
        "1000-2000 rw-p 00000000 00:00 0 [stack]\n",
        "/dev/pts/3",
        "anon_inode:[x]",
        "\n\n\n",
        "1 2 3 4",
    };
    static const char *const escapes[] = {"\\", "\\0", "\\04", "\\040", "a\\1"};
    char out[16];

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t size = 0; size <= strlen(texts[i]); size++)
            feed(fenced(texts[i], size));
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        struct text text = fenced(escapes[i], strlen(escapes[i]));
        hl_plat_unescape((struct hl_plat_piece){text.bytes, text.size}, out, sizeof out);
    }
}

Test(shorten, of_nonsense_three_bytes_are_given_up_at_most)
{
    cr_assert_str_eq(shortened("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"
                               "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
                               20),
                     "\x80\x80\x80\x80\x80" GAP "\x80\x80\x80\x80\x80");
}

Test(shorten, one_byte_is_a_text_too_and_none_is_left_of_it_where_none_fits)
{
    cr_assert_str_eq(shortened("a", 2), "a");
    cr_assert_str_eq(shortened("a", 1), "");
    cr_assert_str_eq(shortened("abc", 3), "");
}

Test(parse_schedstat, a_number_has_the_digits_of_its_base_and_no_others)
{
    static const char not_digits[] = "/:;@AZYX[`abfgz~\x80\xff";
    struct hl_plat_schedstat schedstat;
    struct hl_plat_call call;
    char text[32];

    for (size_t i = 0; i < sizeof not_digits - 1; i++) {
        snprintf(text, sizeof text, "1%c 2 3\n", not_digits[i]);
        cr_expect_not(schedstat_of(text, strlen(text), &schedstat), "%s", text);
    }
    cr_assert(call_of("-1 0x9abcdef0 0xa\n", &call));
    cr_assert(call.sp == 0x9abcdef0 && call.pc == 0xa);
    cr_assert_not(call_of("-1 0x9g 0xa\n", &call));
    cr_assert_not(call_of("-1 0x9` 0xa\n", &call));
}
