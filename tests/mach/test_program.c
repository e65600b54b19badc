/* tests/mach/test_program.c - what the tool asks of the machine before it inserts the library. All
 * that is read of files is tested by tests/unit/test_macho.c, on every system. */
#define _GNU_SOURCE
#include "helper.h"

#include "../../platform/darwin/machine.h"
#include "../../platform/program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

Test(program, the_path_of_the_tool_is_whole_and_plain)
{
    char path[PATH_MAX], expected[PATH_MAX] = "";
    cr_assert(hl_program_own_path(path));
    cr_assert_gt(readlink("/proc/self/exe", expected, sizeof expected - 1), 0);
    cr_assert_str_eq(path, expected);
}

Test(program, the_machine_is_told_from_what_this_was_built_for_and_from_rosetta)
{
#if defined(__aarch64__)
    fake_machine(FAKE_APPLE_SILICON);
    cr_assert_eq(hl_machine(), HL_MACHINE_APPLE);
#else
    fake_machine(FAKE_INTEL); /* has no such answer */
    cr_assert_eq(hl_machine(), HL_MACHINE_INTEL);
    fake_machine(FAKE_ROSETTA);
    cr_assert_eq(hl_machine(), HL_MACHINE_ROSETTA);
    fake_machine(FAKE_APPLE_SILICON); /* has one, which is no */
    cr_assert_eq(hl_machine(), HL_MACHINE_INTEL);
#endif
}

/* The head of a program alone: enough to be one. */
static const unsigned char head[32] = {0xcf, 0xfa, 0xed, 0xfe};

Test(program, what_the_system_protects_is_refused_before_all_else)
{
    static struct hl_program program;
    char path[] = "/tmp/program-XXXXXX";
    int file = mkostemp(path, O_CLOEXEC);
    cr_assert(write(file, head, sizeof head) == sizeof head && fchmod(file, 0755) == 0);
    cr_expect_not(hl_machine_protects(path));
    hl_program_examine(path, "/no/such/library", &program);
    cr_expect(program.status == HL_PROGRAM_CANNOT_RUN && !strstr(program.why, "part of macOS"),
              "%s", program.why);
    cr_assert_eq(fchmod(file, S_ISVTX | 0755), 0);
    cr_expect(hl_machine_protects(path));
    hl_program_examine(path, "/no/such/library", &program);
    cr_expect(program.status == HL_PROGRAM_CANNOT_RUN && strstr(program.why, "part of macOS"), "%s",
              program.why);
    close(file);
    unlink(path);
    cr_expect_not(hl_machine_protects(path), "it is gone");
}
