/* tests/unit/test_rates.c - two readings into a rate. */
#include "../../monitor/rates.h"

#include <criterion/criterion.h>

#define SECOND 1000000000ull
#define DAY (86400 * SECOND)

Test(rates, cores_are_cpu_time_over_real_time)
{
    cr_expect_eq(hl_rate_cores_milli(3 * SECOND, 2 * SECOND), 1500);
    cr_expect_eq(hl_rate_cores_milli(0, 2 * SECOND), 0);
    cr_expect_eq(hl_rate_cores_milli(999, 1000), 999);
    cr_expect_eq(hl_rate_cores_milli(64 * DAY, DAY), 64000);
}

Test(rates, unknown_or_no_window_is_unknown_and_not_zero)
{
    cr_expect_eq(hl_rate_cores_milli(HL_UNKNOWN, SECOND), HL_UNKNOWN);
    cr_expect_eq(hl_rate_cores_milli(SECOND, 0), HL_UNKNOWN);
}

Test(rates, a_difference_is_never_negative)
{
    cr_expect_eq(hl_rate_difference(5, 9), 4);
    cr_expect_eq(hl_rate_difference(9, 5), 0);
    cr_expect_eq(hl_rate_difference(9, 9), 0);
    cr_expect_eq(hl_rate_difference(HL_UNKNOWN, 5), HL_UNKNOWN);
    cr_expect_eq(hl_rate_difference(5, HL_UNKNOWN), HL_UNKNOWN);
}

Test(rates, scaling_does_not_overflow_and_is_never_taken_for_unknown)
{
    cr_expect_eq(hl_rate_scale(UINT64_MAX - 1, 1000, 1000), UINT64_MAX - 1);
    cr_expect_eq(hl_rate_scale(UINT64_MAX, UINT64_MAX, 1), HL_UNKNOWN - 1);
    cr_expect_eq(hl_rate_scale(UINT64_MAX, 1, 1), HL_UNKNOWN - 1);
    cr_expect_eq(hl_rate_scale(7, 3, 2), 10);
}

Test(rates, a_rate_needs_three_samples)
{
    struct hl_history history = {0};
    cr_expect_eq(hl_history_rate_milli(&history), HL_UNKNOWN);
    hl_history_add(&history, 60 * SECOND, 100);
    cr_expect_eq(hl_history_rate_milli(&history), HL_UNKNOWN);
    hl_history_add(&history, 120 * SECOND, 400);
    cr_expect_eq(hl_history_rate_milli(&history), HL_UNKNOWN);
    hl_history_add(&history, 180 * SECOND, 700);
    cr_expect_eq(hl_history_rate_milli(&history), 5000);
}

Test(rates, it_is_taken_over_the_last_five)
{
    struct hl_history history = {0};
    for (uint64_t i = 0; i < 10; i++)
        hl_history_add(&history, i * SECOND, 1000 * i);
    cr_expect_eq(hl_history_rate_milli(&history), 1000000);
    for (uint64_t i = 10; i < 14; i++)
        hl_history_add(&history, i * SECOND, 9000 + i - 9);
    cr_expect_eq(hl_history_rate_milli(&history), 1000, "of the fast ones only the last is left");
}

Test(rates, a_counter_that_was_set_back_begins_anew)
{
    struct hl_history history = {0};
    for (uint64_t i = 0; i < 5; i++)
        hl_history_add(&history, i * SECOND, 1000 * i);
    hl_history_add(&history, 5 * SECOND, 10);
    cr_expect_eq(hl_history_rate_milli(&history), HL_UNKNOWN);
    hl_history_add(&history, 6 * SECOND, 20);
    hl_history_add(&history, 7 * SECOND, 30);
    cr_expect_eq(hl_history_rate_milli(&history), 10000);
}

Test(rates, samples_of_one_moment_have_no_rate)
{
    struct hl_history history = {0};
    for (int i = 0; i < 3; i++)
        hl_history_add(&history, SECOND, (uint64_t)i);
    cr_expect_eq(hl_history_rate_milli(&history), HL_UNKNOWN);
}

Test(rates, the_time_that_is_left)
{
    cr_expect_eq(hl_history_eta_ns(8300, 350, 1000), 78313253012ull);
    cr_expect_eq(hl_history_eta_ns(1000, 1000, 1000), 0);
    cr_expect_eq(hl_history_eta_ns(1000, 1001, 1000), 0, "more was done than was planned");
    cr_expect_eq(hl_history_eta_ns(1000, 5, 0), HL_UNKNOWN, "the total is not known");
    cr_expect_eq(hl_history_eta_ns(HL_UNKNOWN, 5, 10), HL_UNKNOWN);
    cr_expect_eq(hl_history_eta_ns(0, 5, 10), HL_UNKNOWN);
    cr_expect_eq(hl_history_eta_ns(1, 0, UINT64_MAX), HL_UNKNOWN - 1);
}

Test(rates, no_more_time_is_used_than_there_is)
{
    cr_expect(hl_rate_is_possible(8 * SECOND, SECOND, 8));
    cr_expect(hl_rate_is_possible(HL_UNKNOWN, SECOND, 8));
    cr_expect(hl_rate_is_possible(40 * SECOND / 1000, 0, 1), "a tick or two");
    cr_expect_not(hl_rate_is_possible(60 * SECOND / 1000, 0, 1));
    cr_expect_not(hl_rate_is_possible(10 * SECOND, SECOND, 8));
    cr_expect_not(hl_rate_is_possible(HL_UNKNOWN - 1, SECOND, 65536));
    cr_expect(hl_rate_is_possible(HL_UNKNOWN - 1, HL_UNKNOWN / 4, 65536), "nothing overflows");
}
