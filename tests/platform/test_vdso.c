/* tests/platform/test_vdso.c - the functions that the kernel maps into every process. */
#define _GNU_SOURCE
#include "../../platform/linux/vdso.h"
#include "../../platform/platform.h"

#include <criterion/criterion.h>

#include <sys/auxv.h>

static const char *const names[] = {"__vdso_clock_gettime", "__kernel_clock_gettime"};

Test(vdso, has_the_clock)
{
    if (!getauxval(AT_SYSINFO_EHDR))
        cr_skip_test("this process has no vDSO");
    cr_expect(hl_plat_vdso(names[0]) || hl_plat_vdso(names[1]));
}

Test(vdso, what_is_not_there_is_null)
{
    cr_expect_null(hl_plat_vdso("no_such_function"));
    cr_expect_null(hl_plat_vdso(""));
}

static uint64_t by_libc(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

Test(vdso, tells_the_time_that_libc_tells)
{
    for (int i = 0; i < 1000; i++) {
        uint64_t before = by_libc(CLOCK_MONOTONIC), coarse_before = by_libc(CLOCK_MONOTONIC_COARSE);
        uint64_t now = hl_plat_now_ns(), coarse = hl_plat_coarse_ns();
        cr_assert(before <= now && now <= by_libc(CLOCK_MONOTONIC));
        cr_assert(coarse_before <= coarse && coarse <= by_libc(CLOCK_MONOTONIC_COARSE));
    }
}

Test(vdso, scopes_are_timed_with_either_clock)
{
    struct timespec now;
    uint64_t before = by_libc(CLOCK_MONOTONIC_COARSE);
    cr_assert_eq(hl_plat_scope_clock.read(hl_plat_scope_clock.clock, &now), 0);
    uint64_t told = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    cr_expect(before <= told && told <= by_libc(CLOCK_MONOTONIC_COARSE));
    hl_plat_time_scopes_precisely(true);
    cr_expect_eq(hl_plat_scope_clock.clock, CLOCK_MONOTONIC);
    hl_plat_time_scopes_precisely(false);
    cr_expect_eq(hl_plat_scope_clock.clock, CLOCK_MONOTONIC_COARSE);
}
