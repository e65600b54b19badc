/* tests/unit/test_clock.c - active time, with gaps of certain length and uncertain place. */
#include "../../monitor/clock.h"

#include <criterion/criterion.h>

static struct hl_clock hl_time;

Test(clock, without_gaps_it_is_plain_time)
{
    cr_expect_eq(hl_clock_age(&hl_time, 100, 350), 250);
    cr_expect_eq(hl_clock_age(&hl_time, 350, 350), 0);
    cr_expect_eq(hl_clock_age(&hl_time, 351, 350), 0, "what is yet to come has no age");
}

Test(clock, a_gap_between_two_times_is_subtracted)
{
    hl_clock_note_gap(&hl_time, 1000, 2000, 600);
    cr_expect_eq(hl_clock_age(&hl_time, 1000, 2000), 400);
    cr_expect_eq(hl_clock_age(&hl_time, 0, 3000), 2400);
}

Test(clock, a_gap_before_or_after_is_not)
{
    hl_clock_note_gap(&hl_time, 1000, 2000, 600);
    cr_expect_eq(hl_clock_age(&hl_time, 2000, 3000), 1000);
    cr_expect_eq(hl_clock_age(&hl_time, 0, 1000), 1000);
}

Test(clock, what_began_inside_the_sleep_loses_at_most_the_gap_and_never_more_than_it_lasted)
{
    hl_clock_note_gap(&hl_time, 1000, 2000, 600);
    cr_expect_eq(hl_clock_age(&hl_time, 1100, 3000), 1300);
    cr_expect_eq(hl_clock_age(&hl_time, 1900, 3000), 1000, "only the last 100 can be of the gap");
    cr_expect_eq(hl_clock_age(&hl_time, 1500, 1600), 0);
    cr_expect_eq(hl_clock_age(&hl_time, 500, 1100), 500);
}

Test(clock, gaps_add_up)
{
    for (uint64_t i = 0; i < 10; i++)
        hl_clock_note_gap(&hl_time, i * 100, i * 100 + 100, 10);
    cr_expect_eq(hl_clock_age(&hl_time, 0, 1000), 900);
    cr_expect_eq(hl_clock_age(&hl_time, 500, 1000), 450);
}

Test(clock, nonsense_is_no_gap)
{
    hl_clock_note_gap(&hl_time, 1000, 2000, 0);
    hl_clock_note_gap(&hl_time, 2000, 2000, 5);
    hl_clock_note_gap(&hl_time, 2000, 1000, 5);
    cr_expect_eq(hl_time.count, 0);
}

Test(clock, a_gap_longer_than_its_sleep_is_as_long_as_that)
{
    hl_clock_note_gap(&hl_time, 1000, 1500, 9999);
    cr_expect_eq(hl_clock_age(&hl_time, 0, 2000), 1500);
}

/* Where it is merged with the next one, its sleep is no longer known. */
Test(clock, nor_does_it_count_for_more_when_there_are_many)
{
    hl_clock_note_gap(&hl_time, 1000, 1500, 2000);
    for (uint64_t i = 1; i <= HL_GAPS; i++)
        hl_clock_note_gap(&hl_time, i * 10000, i * 10000 + 9000, 5000);
    uint64_t end = (HL_GAPS + 1) * 10000;
    cr_expect_eq(hl_clock_age(&hl_time, 0, end), end - 500 - HL_GAPS * 5000);
}

Test(clock, any_number_of_gaps_is_subtracted_from_what_saw_them_all)
{
    for (uint64_t i = 0; i < 1000; i++)
        hl_clock_note_gap(&hl_time, i * 100, i * 100 + 50, 7 + i % 3);
    cr_expect_eq(hl_time.count, HL_GAPS);
    cr_expect_eq(hl_clock_age(&hl_time, 0, 100000), 100000 - 7 * 334 - 8 * 333 - 9 * 333);
}

Test(clock, a_long_gap_keeps_its_place_among_many_short_ones)
{
    hl_clock_note_gap(&hl_time, 1000, 60000, 50000);
    for (uint64_t i = 0; i < 500; i++)
        hl_clock_note_gap(&hl_time, 60000 + i * 100, 60000 + i * 100 + 100, 1);
    uint64_t age = hl_clock_age(&hl_time, 60000, 110000);
    cr_expect_eq(age, 50000 - 500, "what began after it does not pay for it");
    cr_expect_eq(hl_clock_age(&hl_time, 0, 110000), 110000 - 50000 - 500);
}

/* Against the truth: gaps at known places, of which the clock knows the length only. */
Test(clock, an_age_is_never_too_large_and_too_small_by_at_most_the_gaps)
{
    enum { SLEEPS = 60, LENGTH = 100 };
    static unsigned char stopped[SLEEPS * LENGTH];
    uint64_t random = 12345, total = 0;
    for (uint64_t sleep = 0; sleep < SLEEPS; sleep++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        uint64_t gap = random >> 60, at = (random >> 40) % (LENGTH - 16);
        for (uint64_t i = 0; i < gap; i++)
            stopped[sleep * LENGTH + at + i] = 1;
        hl_clock_note_gap(&hl_time, sleep * LENGTH, (sleep + 1) * LENGTH, gap);
        total += gap;
    }
    for (uint64_t since = 0; since < SLEEPS * LENGTH; since += 7) {
        uint64_t truth = 0;
        for (uint64_t i = since; i < SLEEPS * LENGTH; i++)
            truth += !stopped[i];
        uint64_t age = hl_clock_age(&hl_time, since, SLEEPS * LENGTH);
        cr_assert_leq(age, truth, "since %d", (int)since);
        cr_assert_geq(age + total, truth);
    }
}
