/* tests/mach/test_darwin_wait.c - what the machine slept, as the waits of platform/darwin tell it.
 *
 * The clocks move only where a test says so: every length is exact.
 */
#define _DEFAULT_SOURCE
#include "../../monitor/session.h"
#include "../../platform/platform.h"
#include "fake_mach.h"

#include <criterion/criterion.h>

#include <string.h>

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)
#define HOUR (3600 * S)

static struct hl_plat *plat;

static void begin(void)
{
    fake_reset();
    fake_hold_clocks();
    plat = hl_plat_open();
    cr_assert_not_null(plat);
}

static void end(void)
{
    hl_plat_close(plat);
    fake_live();
}

TestSuite(darwin_wait, .init = begin, .fini = end);

/* What the next wait tells. */
static uint64_t told(void)
{
    struct hl_plat_wait wait;

    hl_plat_wait(plat, 0, &wait);
    cr_assert_eq(wait.stopped_ns, 0);
    return wait.suspended_ns;
}

Test(darwin_wait, tells_a_sleep_since_the_last_one_ended)
{
    cr_assert_eq(told(), 0);
    fake_time_passes(0, 2 * HOUR);
    cr_assert_eq(told(), 2 * HOUR);
    cr_assert_eq(told(), 0, "once");
    fake_time_passes(5 * HOUR, HOUR);
    cr_assert_eq(told(), HOUR);
}

Test(darwin_wait, tells_none_that_came_before_the_first_one)
{
    fake_time_passes(0, 2 * HOUR);
    cr_assert_eq(told(), 0);
    fake_time_passes(0, HOUR);
    cr_assert_eq(told(), HOUR);
}

Test(darwin_wait, takes_a_moment_for_none)
{
    cr_assert_eq(told(), 0);
    fake_time_passes(0, 10 * MS - 1);
    cr_assert_eq(told(), 0);
    fake_time_passes(0, 10 * MS);
    cr_assert_eq(told(), 10 * MS);
}

/* ---- amid it ------------------------------------------------------------------------- */

static unsigned readings, sleeps_at; /* 0 = not */

static void sleep_at_that_reading(void)
{
    if (++readings == sleeps_at)
        fake_time_passes(0, 2 * HOUR);
}

static void sleep_before_reading(unsigned number)
{
    readings = 0;
    sleeps_at = number;
    fake_before_clock(sleep_at_that_reading);
}

Test(darwin_wait, tells_one_before_any_reading_of_a_clock_exactly_once)
{
    unsigned of_a_wait;

    cr_assert_eq(told(), 0);
    sleep_before_reading(0);
    cr_assert_eq(told(), 0);
    of_a_wait = readings;
    for (unsigned number = 1; number <= 2 * of_a_wait; number++) {
        sleep_before_reading(number);
        uint64_t first = told(), second = told(), third = told();
        cr_assert_geq(readings, number);
        cr_assert_eq(first + second + third, 2 * HOUR, "before reading %u: %llu %llu %llu", number,
                     (unsigned long long)first, (unsigned long long)second,
                     (unsigned long long)third);
    }
}

/* ---- by a thread that has no core -------------------------------------------------------- */

static void wait_for_a_core(void)
{
    fake_time_passes(60 * S, 0);
}

/* A wait whose readings of how far the clocks are apart are minutes wide. */
static void wait_hungry(void)
{
    fake_before_clock(wait_for_a_core);
    cr_assert_eq(told(), 0, "want of a core is no sleep");
    fake_before_clock(NULL);
}

Test(darwin_wait, tells_one_after_a_wait_that_could_hardly_read_the_clocks)
{
    wait_hungry();
    cr_assert_eq(told(), 0);
    wait_hungry();
    fake_time_passes(0, 2 * HOUR);
    uint64_t slept = told();
    cr_assert_leq(slept, 2 * HOUR);
    cr_assert_geq(slept, 2 * HOUR - 120 * S);
    cr_assert_eq(told(), 0);
}

/* The first three readings are those of how far they are apart at its beginning. */
Test(darwin_wait, knows_at_its_beginning_better_what_the_last_one_could_hardly_read)
{
    wait_hungry();
    sleep_before_reading(4);
    cr_assert_eq(told(), 2 * HOUR);
}

/* ---- in the log ---------------------------------------------------------------------------- */

static struct hl_session session;
static char log_text[16384];

/* The machine sleeps while a heartbeat is being written. */
static void sleep_over_a_heartbeat(void *data, enum monitor_level level, const char *line,
                                   size_t length)
{
    (void)data, (void)level;
    size_t used = strlen(log_text);
    cr_assert_lt(used + length + 2, sizeof log_text);
    memcpy(log_text + used, line, length);
    memcpy(log_text + used + length, "\n", 2);
    if (strstr(log_text + used, "] beat "))
        fake_time_passes(0, 2 * HOUR);
}

static void beat(void)
{
    atomic_store(&session.beat_requested, true);
    hl_plat_wake(session.plat);
    hl_session_turn(&session);
}

static unsigned count(const char *words)
{
    unsigned found = 0;

    for (const char *at = log_text; (at = strstr(at, words)) != NULL; at++)
        found++;
    return found;
}

Test(darwin_wait, has_a_line_for_one_that_came_while_another_was_written)
{
    monitor_options options;

    monitor_options_default(&options);
    options.sink = sleep_over_a_heartbeat;
    cr_assert_eq(hl_session_open(&session, &options), 0);
    hl_session_begin(&session);
    for (int i = 0; i < 3; i++)
        beat();
    hl_session_end(&session);
    hl_session_close(&session);
    cr_assert_eq(count("] beat "), 3, "%s", log_text);
    cr_assert_eq(count("] PAUSED gap=2h00m00s reason=suspend\n"), 2, "%s", log_text);
    cr_assert_eq(count("] PAUSED "), 2, "%s", log_text);
}
