/* Threads that are really stuck, for fractions of a second. The program writes
 * down its own times, and the callback when a line came, so that nothing here
 * depends on how fast the machine is. */
#include "log.h"

#include <criterion/criterion.h>

static const char *const formats[] = {"HEARTLINE_FORMAT=text", "HEARTLINE_FORMAT=json"};
#define IN_EACH_FORMAT(format) \
    for (const char *const *format = formats; format < formats + 2; format++)

/* The truth lies between these two. */
static double shortest_ms(const struct log *log, const char *from, const char *to)
{
    return (double)(log_fact(log, to, 0) - log_fact(log, from, 0)) / 1e6;
}

static void check_never_early(const struct log *log, const struct record *stall, double limit_ms)
{
    double age = (double)(stall->at_ns - log_fact(log, "before_push", 0)) / 1e6;
    SAYS(log, age >= limit_ms, "STALL after %.3f ms, the limit is %.0f", age, limit_ms);
    double low, high;
    SAYS(log,
         record_ms(stall, "stuck", &low, &high) && high >= limit_ms &&
             low <= age + 2 * story_tick_ms(),
         "stuck");
    SAYS(log, record_ms(stall, "limit", &low, &high) && low <= limit_ms && limit_ms <= high,
         "limit");
}

static void check_recovered(const struct log *log, const struct record *stall)
{
    SAYS_COUNT(log, "RECOVERED", 1);
    const struct record *recovered = log_find(log, "RECOVERED", 0);
    double low, high, ticks = 2 * story_tick_ms(); /* the clock lags up to two behind */
    SAYS(log, record_number(recovered, "id") == record_number(stall, "id"), "its id");
    SAYS(log, record_ms(recovered, "stuck", &low, &high), "no duration");
    SAYS(log, high >= shortest_ms(log, "after_push", "before_pop") - ticks, "too short");
    SAYS(log, low <= shortest_ms(log, "before_push", "after_pop") + ticks, "too long");
}

/* Coarse times may be two ticks old, which only the first line makes up for. */
static void check_reminders(const struct log *log, double limit_ms)
{
    for (size_t i = 0; i < log->count; i++) {
        const struct record *record = &log->records[i];
        if (strcmp(record->word, "STALL") != 0 || !record_has(record, "reminder"))
            continue;
        double times = record_number(record, "reminder");
        double age = (double)(record->at_ns - log_fact(log, "before_push", 0)) / 1e6;
        SAYS(log, age >= limit_ms * (double)(1 << (int)times) - 2 * story_tick_ms(),
             "reminder %g after %.1f ms", times, age);
    }
}

Test(stalls, a_sleeper_is_blocked_and_recovers)
{
    IN_EACH_FORMAT(format)
    {
        struct log *log =
            TELL(.args = {"act",         "sink",       "start",
                          "push",        "outer",      "stamp",
                          "before_push", "push",       "write checkpoint",
                          "stamp",       "after_push", "sleep",
                          "700",         "stamp",      "before_pop",
                          "pop",         "stamp",      "after_pop",
                          "sleep",       "200",        "stop"},
                 .env = {"HEARTLINE_STALL=300ms", "HEARTLINE_INTERVAL=100ms", *format});
        ENDS_WITH(log, 0);
        const struct record *stall = NULL;
        SAYS(log, log_stalls(log, "write checkpoint", &stall) == 1, "not exactly one STALL");
        check_never_early(log, stall, 300);
        check_reminders(log, 300);
        check_recovered(log, stall);
        SAYS(log, record_is(stall, "path", "outer > write checkpoint"), "path");
        if (HAS_FIGURES) {
            SAYS(log, record_thread_tid(stall) == (uint64_t)log->pid, "thread");
            SAYS(log, record_is(stall, "verdict", "blocked"), "verdict");
        }
        SAYS(log, record_number(log_find(log, "stop", 0), "stalls") >= 1, "stalls at stop");
    }
}

/* The program's clock is exact, that of its scopes is not. */
Test(stalls, a_short_limit_is_never_cut_shorter_by_a_coarse_clock)
{
    struct log *log =
        TELL(.args = {"act", "sink", "start", "repeat", "100", "{", "stamp", "pushed", "push",
                      "short", "sleep", "23", "pop", "sleep", "2", "}", "stop"},
             .env = {"HEARTLINE_STALL=10ms", "HEARTLINE_INTERVAL=1h",
                     "HEARTLINE_STALL_LINES=10000"});
    ENDS_WITH(log, 0);
    size_t stalls = 0, push = 0;
    for (size_t i = 0; i < log->count; i++) {
        const struct record *record = &log->records[i];
        if (strcmp(record->word, "STALL") != 0 || record_has(record, "reminder") ||
            record_has(record, "ended"))
            continue;
        while (push + 1 < 100 && log_fact(log, "pushed", push + 1) < record->at_ns)
            push++;
        double age = (double)(record->at_ns - log_fact(log, "pushed", push)) / 1e6;
        SAYS(log, age >= 10, "STALL after %.3f ms, the limit is 10 ms", age);
        stalls++;
    }
    SAYS(log, stalls > 0, "no STALL at all");
}

Test(stalls, a_spinner_is_busy)
{
    struct log *log = TELL(.args = {"act", "sink", "start", "stamp", "before_push", "push", "loop",
                                    "stamp", "after_push", "spin", "600", "stamp", "before_pop",
                                    "pop", "stamp", "after_pop", "sleep", "100", "stop"},
                           .env = {"HEARTLINE_STALL=300ms", "HEARTLINE_INTERVAL=100ms"});
    ENDS_WITH(log, 0);
    const struct record *stall = NULL;
    SAYS(log, log_stalls(log, "loop", &stall) == 1, "not exactly one STALL");
    check_never_early(log, stall, 300);
    check_recovered(log, stall);
    if (!HAS_FIGURES)
        return;
    SAYS(log, !record_is(stall, "verdict", "blocked"), "a spinner is not blocked");
    /* Less than that, and the machine is so loaded that another verdict may be the truth. */
    if (log_fact(log, "spin_share", 0) >= 900)
        SAYS(log, record_is(stall, "verdict", "busy"), "a spinner is busy");
}

Test(stalls, a_thread_that_ends_in_its_stall_has_recovered_by_its_exit)
{
    IN_EACH_FORMAT(format)
    {
        struct log *log =
            TELL(.args = {"act", "sink", "start", "thread", "{", "name", "doomed", "stamp",
                          "before_push", "push", "last words", "sleep", "500", "}", "join", "sleep",
                          "200", "stop"},
                 .env = {"HEARTLINE_STALL=200ms", "HEARTLINE_INTERVAL=100ms", *format});
        ENDS_WITH(log, 0);
        const struct record *stall = NULL;
        SAYS(log, log_stalls(log, "last words", &stall) == 1, "not exactly one STALL");
        check_never_early(log, stall, 200);
        SAYS_COUNT(log, "RECOVERED", 1);
        const struct record *recovered = log_find(log, "RECOVERED", 0);
        SAYS(log, record_is(recovered, "reason", "exit"), "the reason");
        SAYS(log, !HAS_FIGURES || strcmp(record_thread_name(stall), "doomed") == 0, "the name");
        double vanished = 0;
        for (size_t i = 0; i < log_count(log, "beat"); i++)
            if (record_has(log_find(log, "beat", i), "vanished"))
                vanished += record_number(log_find(log, "beat", i), "vanished");
        SAYS(log, vanished == 1, "vanished=%g", vanished);
    }
}

Test(stalls, a_stall_that_ends_right_before_the_stop_is_not_left_open)
{
    struct log *log =
        TELL(.args = {"act", "sink", "start", "push", "slow", "sleep", "400", "pop", "stop"},
             .env = {"HEARTLINE_STALL=200ms", "HEARTLINE_INTERVAL=10s"});
    ENDS_WITH(log, 0);
    const struct record *stall = NULL;
    SAYS(log, log_stalls(log, "slow", &stall) == 1, "not exactly one STALL");
    SAYS_COUNT(log, "RECOVERED", 1);
}

Test(stalls, declared_waiting_is_never_a_stall_nor_the_headline)
{
    struct log *log =
        TELL(.args = {"act", "sink", "start", "wait", "for work", "sleep", "600", "pop", "stop"},
             .env = {"HEARTLINE_STALL=100ms", "HEARTLINE_INTERVAL=100ms"});
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "STALL", 0);
    for (size_t i = 0; i < log_count(log, "beat"); i++) {
        const struct record *beat = log_find(log, "beat", i);
        SAYS(log, record_is(beat, "active", "none"), "it is the headline");
        SAYS(log, i != 0 || record_number(beat, "waiting") == 1, "waiting");
    }
}

Test(stalls, a_shorter_limit_of_its_own_holds_also_for_waiting)
{
    static const char *const kinds[] = {"push", "wait"};
    for (size_t i = 0; i < 2; i++) {
        struct log *log =
            TELL(.args = {"act", "sink", "start", kinds[i], "soon", "stamp", "before_push",
                          "expect", "150", "sleep", "500", "pop", "sleep", "50", "stop"},
                 .env = {"HEARTLINE_STALL=30s", "HEARTLINE_INTERVAL=10s"});
        ENDS_WITH(log, 0);
        const struct record *stall = NULL;
        SAYS(log, log_stalls(log, "soon", &stall) == 1, "not exactly one STALL");
        check_never_early(log, stall, 150);
        SAYS_COUNT(log, "RECOVERED", 1);
    }
}

Test(stalls, a_longer_limit_or_none_keeps_it_quiet)
{
    static const char *const limits[] = {"60000", "0"};
    for (size_t i = 0; i < 2; i++) {
        struct log *log = TELL(.args = {"act", "sink", "start", "push", "slow", "expect", limits[i],
                                        "sleep", "500", "pop", "stop"},
                               .env = {"HEARTLINE_STALL=100ms", "HEARTLINE_INTERVAL=100ms"});
        ENDS_WITH(log, 0);
        /* Between the push and its expect the machine may have stood still. */
        for (size_t j = 0; j < log_count(log, "STALL"); j++)
            SAYS(log, record_ms_low(log_find(log, "STALL", j), "stuck") > 1000, "a STALL");
    }
}

Test(stalls, progress_that_moves_is_never_a_stall)
{
    struct log *log = TELL(.args = {"act", "sink", "start", "count", "index files", "100", "push",
                                    "one file", "tick", "30", "40", "pop", "pop", "stop"},
                           .env = {"HEARTLINE_STALL=300ms", "HEARTLINE_INTERVAL=100ms"});
    ENDS_WITH(log, 0);
    if (log_fact(log, "longest_gap_ms", 0) < 300)
        SAYS_COUNT(log, "STALL", 0);
    SAYS(log, record_has(log_find(log, "beat", 1), "progress"), "progress");
}

Test(stalls, progress_that_stands_still_says_for_how_long)
{
    struct log *log =
        TELL(.args = {"act", "sink", "start", "count", "copy", "10", "add", "3", "stamp",
                      "before_push", "sleep", "700", "pop", "sleep", "100", "stop"},
             .env = {"HEARTLINE_STALL=200ms", "HEARTLINE_INTERVAL=250ms", "HEARTLINE_FORMAT=json"});
    ENDS_WITH(log, 0);
    const struct record *stall = NULL;
    SAYS(log, log_stalls(log, "copy", &stall) == 1, "not exactly one STALL");
    check_never_early(log, stall, 200);
    SAYS(log, record_number(stall, "progress_current") == 3, "progress");
    SAYS(log, record_number(stall, "progress_total") == 10, "total");
    SAYS(log, record_ms_high(stall, "idle_for") >= 200, "idle_for");
    const struct record *second = log_find(log, "beat", 1);
    SAYS(log, record_has(second, "idle_for_ms") && !record_has(second, "eta_ms"), "the heartbeat");
}

Test(stalls, a_thread_outside_any_scope_is_none_and_many_stalls_are_all_told)
{
    struct log *log = TELL(.args = {"act", "sink", "start", "crowd", "6", "{", "push", "stuck",
                                    "sleep", "500", "pop", "}", "sleep", "300", "stop"},
                           .env = {"HEARTLINE_STALL=200ms", "HEARTLINE_INTERVAL=10s"});
    ENDS_WITH(log, 0);
    const struct record *stall = NULL;
    SAYS(log, log_stalls(log, "stuck", &stall) == 6, "six threads, six STALLs");
    SAYS_COUNT(log, "RECOVERED", 6);
    SAYS(log, record_number(log_find(log, "stop", 0), "stalls") == 6, "the total");
}

/* Programs outside this repository read these. */
static void check_keys(const struct record *record, const char *const *keys)
{
    for (; *keys; keys++)
        cr_assert(json_object_get(record->json, *keys), "no %s in %s", *keys, record->line);
}

Test(stalls, a_json_log_has_the_keys_that_programs_rely_on)
{
    struct log *log =
        TELL(.args = {"act", "start", "push", "epoch", "count", "write", "10", "add", "3", "sleep",
                      "500", "pop", "pop", "sleep", "50", "stop"},
             .env = {"HEARTLINE_STALL=200ms", "HEARTLINE_INTERVAL=150ms", "HEARTLINE_FORMAT=json"},
             .log_to_file = true);
    ENDS_WITH(log, 0);
    for (size_t i = 0; i < log->count; i++)
        check_keys(&log->records[i], (const char *const[]){"schema", "ts", "pid", "record", NULL});
    check_keys(log_find(log, "start", 0),
               (const char *const[]){"version", "platform", "interval_ms", "stall_ms", NULL});
    check_keys(log_find(log, "beat", 0),
               (const char *const[]){"elapsed_ms", "window_ms", "cpu_cores", "cpu_limit_cores",
                                     "rss_bytes", "peak_rss_bytes", "vm_bytes", "threads",
                                     "read_bytes", "written_bytes", "instrumented", "stalled",
                                     "active", "for_ms", "progress_current", "progress_total",
                                     "percent", NULL});
    check_keys(log_find(log, "phase", 0),
               (const char *const[]){"thread_tid", "thread_name", "depth", "in_ms", "updated_ms",
                                     "cpu", "state", "innermost", "progress_current", NULL});
    check_keys(log_find(log, "STALL", 0),
               (const char *const[]){"id", "thread_tid", "thread_name", "phase", "path", "stuck_ms",
                                     "limit_ms", "progress_current", "progress_total", "verdict",
                                     "cpu", "run_delay", "state", NULL});
    check_keys(log_find(log, "RECOVERED", 0),
               (const char *const[]){"id", "thread_tid", "thread_name", "phase", "stuck_ms", NULL});
    check_keys(log_find(log, "stop", 0),
               (const char *const[]){"elapsed_ms", "cpu_seconds", "peak_rss_bytes", "beats",
                                     "stalls", "stalled_total_ms", "longest_stall_ms", "dropped",
                                     "self_cpu_ms", NULL});
}
