/* The heartbeat's figures against the system's own, over the same windows.
 * A line comes a moment after its figures were read, and on a loaded machine
 * that moment may be long: the median of several windows is what has to agree. */
#include "log.h"

#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define BEATS 8

struct beside {
    long long time_us, cpu_us, rss_kb, threads;
};

static struct beside beside(const struct log *log, size_t n)
{
    struct beside figures = {0};
    const char *line = log->facts;
    for (size_t i = 0; line; i++) {
        line = strstr(line, "\nbeside ");
        line = line ? line + 1 : NULL;
        if (i == n)
            break;
    }
    SAYS(log,
         line && sscanf(line, "beside %lld %lld %lld %lld", &figures.time_us, &figures.cpu_us,
                        &figures.rss_kb, &figures.threads) == 4,
         "nothing beside heartbeat %zu", n);
    return figures;
}

static struct log *tell(const char *load)
{
    struct log *log = TELL(.args = {"figures", load, "8"});
    ENDS_WITH(log, 0);
    SAYS(log, log_count(log, "beat") >= BEATS, "too few heartbeats");
    return log;
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_size);
    return values[count / 2];
}

/* Cores of the n-th heartbeat: what it says, and what the system says. */
static double said(const struct log *log, size_t n)
{
    return record_number(log_find(log, "beat", n), "cpu_cores");
}

static double measured(const struct log *log, size_t n)
{
    struct beside before = beside(log, n - 1), after = beside(log, n);
    return (double)(after.cpu_us - before.cpu_us) / (double)(after.time_us - before.time_us);
}

static void check_cpu(const char *load)
{
    struct log *log = tell(load);
    double off[BEATS - 1];
    for (size_t n = 1; n < BEATS; n++)
        off[n - 1] = fabs(said(log, n) / measured(log, n) - 1);
    double typical = median(off, BEATS - 1);
    SAYS(log, typical <= 0.02, "%s: off by %.1f %%", load, typical * 100);
    SAYS(log, beside(log, BEATS - 1).cpu_us > 50000, "%s: the test itself had no CPU", load);
}

Test(figures, one_busy_core_is_what_the_system_says)
{
    NEEDS_FIGURES;
    check_cpu("one");
}

Test(figures, one_and_a_half_cores_are_what_the_system_says)
{
    NEEDS_FIGURES;
    check_cpu("one-and-half");
}

Test(figures, threads_that_burnt_cpu_and_ended_are_counted)
{
    NEEDS_FIGURES;
    check_cpu("churn");
}

Test(figures, an_idle_program_is_idle)
{
    NEEDS_FIGURES;
    struct log *log = tell("idle");
    double cores[BEATS - 1];
    for (size_t n = 1; n < BEATS; n++)
        cores[n - 1] = said(log, n);
    SAYS(log, median(cores, BEATS - 1) < 0.05, "not idle");
    SAYS_COUNT(log, "busy", 0);
}

Test(figures, the_first_heartbeat_has_figures_too)
{
    NEEDS_FIGURES;
    struct log *log = tell("one");
    SAYS(log, said(log, 0) > 0.1, "cpu");
    const struct record *beat = log_find(log, "beat", 0);
    SAYS(log, record_number(beat, "window_ms") >= 400, "a window shorter than the interval");
    SAYS(log, record_number(beat, "elapsed_ms") >= 400, "elapsed");
}

Test(figures, memory_and_threads_are_what_the_system_says)
{
    NEEDS_FIGURES;
    struct log *log = tell("one-and-half");
    double off[BEATS];
    for (size_t n = 0; n < BEATS; n++) {
        const struct record *beat = log_find(log, "beat", n);
        double rss_kb = record_number(beat, "rss_bytes") / 1024;
        off[n] = fabs(rss_kb / (double)beside(log, n).rss_kb - 1);
        SAYS(log, record_number(beat, "peak_rss_bytes") >= record_number(beat, "rss_bytes"),
             "peak");
        SAYS(log, record_number(beat, "threads") == (double)beside(log, n).threads, "threads");
        SAYS(log, beside(log, n).threads == 4, "the test itself has other threads");
    }
    double typical = median(off, BEATS);
    SAYS(log, typical <= 0.05, "rss is off by %.1f %%", typical * 100);
}

Test(figures, a_program_without_scopes_shows_its_busiest_threads)
{
    NEEDS_FIGURES;
    struct log *log = tell("one");
    SAYS(log, log_count(log, "busy") >= BEATS / 2, "too few busy lines");
    double cores[BEATS];
    size_t count = 0;
    for (size_t i = 0; i < log_count(log, "busy") && count < BEATS; i++) {
        const struct record *busy = log_find(log, "busy", i);
        if (strcmp(record_thread_name(busy), "cruncher") == 0)
            cores[count++] = record_number(busy, "cpu");
    }
    SAYS(log, count >= BEATS / 2, "the thread is not called by its name");
    SAYS(log, median(cores, count) <= 1.02, "more than a core");
    for (size_t n = 0; n < BEATS; n++)
        SAYS(log, record_number(log_find(log, "beat", n), "instrumented") == 0, "instrumented");
    SAYS_COUNT(log, "phase", 0);
}

Test(figures, what_cannot_be_had_is_said_once_and_never_zero)
{
    if (HAS_FIGURES)
        cr_skip_test("this platform has figures");
    struct log *log =
        TELL(.args = {"act", "start", "push", "work", "sleep", "300", "pop", "stop"},
             .env = {"HEARTLINE_INTERVAL=20ms", "HEARTLINE_FORMAT=json"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    size_t count = log_count(log, "unavailable");
    SAYS(log, count >= 1, "nothing is said to be unavailable");
    for (size_t i = 0; i < count; i++) {
        const char *key = record_text(log_find(log, "unavailable", i), "key");
        SAYS(log, key && record_text(log_find(log, "unavailable", i), "reason"), "why");
        for (size_t j = 0; j < i; j++)
            SAYS(log, strcmp(record_text(log_find(log, "unavailable", j), "key"), key) != 0,
                 "said twice: %s", key);
    }
    const struct record *beat = log_find(log, "beat", 0);
    SAYS(log, json_is_null(json_object_get(beat->json, "cpu_cores")), "cpu");
    SAYS(log, json_is_null(json_object_get(beat->json, "rss_bytes")), "rss");
    SAYS(log, json_is_null(json_object_get(beat->json, "threads")), "threads");
    SAYS(log, record_is(beat, "active", "work"), "the scope");
}
