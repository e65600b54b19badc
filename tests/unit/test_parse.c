/* tests/unit/test_parse.c - the texts of /proc and cgroups, also as an enemy would write them.
 *
 * Each text is copied to a block of exactly its size, so that a sanitizer sees
 * a look past its end.
 */
#include "../../platform/linux/parse.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    struct hl_plat_status status =
        STATUS("Name:\tcat\nUmask:\t0022\nTracerPid:\t77\nGroups:\t \nVmPeak:\t    3000 kB\n"
               "VmSize:\t    2764 kB\nVmHWM:\t    1000 kB\nVmRSS:\t     996 kB\nThreads:\t12\n");

    cr_assert_eq(status.vm_bytes, 2764u * 1024);
    cr_assert_eq(status.peak_rss_bytes, 1000u * 1024);
    cr_assert_eq(status.rss_bytes, 996u * 1024);
    cr_assert_eq(status.threads, 12);
    cr_assert_eq(status.tracer, 77);
}

Test(parse_status, what_is_not_there_is_unknown)
{
    struct hl_plat_status status = STATUS("");

    cr_assert(status.rss_bytes == UNKNOWN && status.peak_rss_bytes == UNKNOWN &&
              status.vm_bytes == UNKNOWN && status.threads == UNKNOWN && status.tracer == UNKNOWN);
    status = STATUS("VmRSS:\t 1 kB\n");
    cr_assert_eq(status.rss_bytes, 1024);
    cr_assert_eq(status.vm_bytes, UNKNOWN);
}

Test(parse_status, a_number_that_may_have_been_cut_is_unknown)
{
    cr_assert_eq(STATUS("VmRSS:\t 12").rss_bytes, UNKNOWN);
    cr_assert_eq(STATUS("VmRSS:\t 12 kB").rss_bytes, UNKNOWN);
    cr_assert_eq(STATUS("VmRSS:\t 12 k\n").rss_bytes, UNKNOWN);
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
    cr_assert_str_eq(unescaped("abc", 4), "abc");
    cr_assert_null(unescaped("abcd", 4));
    cr_assert_null(unescaped("a", 1));
    cr_assert_null(unescaped("a", 0));
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

static void feed_all(const char *bytes, size_t size)
{
    struct text text = exactly(bytes, size);
    struct hl_plat_status status;
    struct hl_plat_schedstat schedstat;
    struct hl_plat_cgroup cgroup;
    struct hl_plat_mount mount;
    struct hl_plat_mapping mapping;
    uint64_t one, two;
    char state, out[16];

    hl_plat_parse_status(text.bytes, size, &status);
    hl_plat_parse_stat(text.bytes, size, &state, &one);
    hl_plat_parse_schedstat(text.bytes, size, &schedstat);
    hl_plat_parse_io(text.bytes, size, &one, &two);
    hl_plat_parse_cgroup_line(text.bytes, size, &cgroup);
    if (hl_plat_parse_mount_line(text.bytes, size, &mount))
        hl_plat_unescape(mount.point, out, sizeof out);
    hl_plat_parse_cpu_max(text.bytes, size, &one, &two);
    hl_plat_parse_number(text.bytes, size, &one);
    hl_plat_parse_mapping(text.bytes, size, &mapping);
    hl_plat_parse_tid(text.bytes, size, &one);
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
