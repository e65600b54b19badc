/* Starting, stopping and ending: what a program must be able to rely on. */
#include "log.h"

#include <criterion/criterion.h>

#define SLACK_US 2000000 /* a loaded machine may add this to any wait */

/* The thread names itself, where it can, a moment after the start. */
#define UNTIL_NAMED (HAS_FIGURES ? "until-named" : "join")

Test(lifecycle, sixteen_threads_that_start_at_once_start_one_monitor)
{
    struct log *log = TELL(.args = {"act", "repeat", "20", "{", "crowd", "16", "{", "start", "}",
                                    UNTIL_NAMED, "threads", "stop", "}"},
                           .log_to_file = true);
    ENDS_WITH(log, 0);
    for (size_t i = 0; i < 20 * 16; i++)
        SAYS(log, log_fact(log, "start", i) == 0, "a start failed");
    for (size_t i = 0; i < 20; i++) {
        SAYS(log, log_fact(log, "threads", i) == 2, "not one thread more");
        SAYS(log, !HAS_FIGURES || log_fact(log, "named", i) == 1, "not one thread named heartline");
    }
    SAYS_COUNT(log, "start", 20);
    SAYS_COUNT(log, "stop", 20);
}

Test(lifecycle, a_thousand_starts_and_stops_leave_nothing_behind)
{
    struct log *log = TELL(.args = {"act", "repeat", "100", "{", "start", "stop", "}", "threads",
                                    "descriptors", "memory", "repeat", "1000", "{", "start", "stop",
                                    "}", "threads", "descriptors", "memory"},
                           .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "start", 1100);
    SAYS_COUNT(log, "stop", 1100);
    SAYS(log, log_fact(log, "threads", 1) == 1, "a thread is left");
    SAYS(log, log_fact(log, "descriptors", 1) == 0, "a descriptor is left");
    if (story_is_sanitized())
        return;
    SAYS(log, log_fact(log, "vm_kb", 1) == log_fact(log, "vm_kb", 0), "address space grew");
    SAYS(log, log_fact(log, "rss_kb", 1) <= log_fact(log, "rss_kb", 0) + 64, "memory grew");
}

Test(lifecycle, off_means_no_thread_no_descriptor_no_line_and_harmless_scopes)
{
    struct log *log = TELL(.args = {"act",   "set",     "log_path",    "%D/file", "descriptors",
                                    "start", "threads", "descriptors", "push",    "a",
                                    "count", "b",       "3",           "add",     "1",
                                    "wait",  "c",       "expect",      "10",      "pop",
                                    "pop",   "pop",     "pop",         "sleep",   "30",
                                    "beat",  "stop",    "exit",        "3"},
                           .env = {"HEARTLINE=off", "HEARTLINE_INTERVAL=10ms"});
    ENDS_WITH(log, 3);
    SAYS(log, log_fact(log, "start", 0) == 0 && log_fact(log, "stop", 0) == 0, "an error");
    SAYS(log, log_fact(log, "beat", 0) == -ESRCH, "a beat was promised");
    SAYS(log, log_fact(log, "threads", 0) == 1, "there is a thread");
    SAYS(log, log_fact(log, "descriptors", 1) == log_fact(log, "descriptors", 0), "a descriptor");
    SAYS(log, log->count == 0 && !log->other, "it said something");
}

Test(lifecycle, starting_twice_and_stopping_what_does_not_run_are_no_errors)
{
    struct log *log = TELL(.args = {"act", "beat", "stop", "start", "start", "until-named", "beat",
                                    "threads", "stop", "stop", "beat"});
    ENDS_WITH(log, 0);
    for (size_t i = 0; i < 2; i++)
        SAYS(log, log_fact(log, "start", i) == 0, "start");
    for (size_t i = 0; i < 3; i++)
        SAYS(log, log_fact(log, "stop", i) == 0, "stop");
    SAYS(log, log_fact(log, "beat", 0) == -ESRCH, "beat before the start");
    SAYS(log, log_fact(log, "beat", 1) == 0, "beat");
    SAYS(log, log_fact(log, "beat", 2) == -ESRCH, "beat after the stop");
    SAYS(log, log_fact(log, "threads", 0) == 2, "threads");
    SAYS_COUNT(log, "start", 1);
    SAYS_COUNT(log, "stop", 1);
}

Test(lifecycle, ids_and_totals_begin_anew_and_open_scopes_keep_their_ages)
{
    struct log *log =
        TELL(.args = {"act", "sink", "set", "stall_ms", "50", "set", "interval_ms", "1000", "start",
                      "push", "old", "sleep", "400", "stop", "start", "sleep", "300", "stop"});
    ENDS_WITH(log, 0);
    const struct record *first = NULL;
    SAYS(log, log_stalls(log, "old", &first) == 2, "one STALL in each run");
    for (size_t i = 0; i < 2; i++)
        SAYS(log, record_number(log_find(log, "stop", i), "stalls") == 1, "totals");
    for (size_t i = 0; i < log->count; i++)
        if (strcmp(log->records[i].word, "STALL") == 0)
            SAYS(log, record_number(&log->records[i], "id") == 1, "ids begin anew");
    double low, high;
    const struct record *again = NULL;
    for (size_t i = 0, starts = 0; i < log->count; i++) {
        starts += strcmp(log->records[i].word, "start") == 0;
        if (starts == 2 && strcmp(log->records[i].word, "STALL") == 0 && !again)
            again = &log->records[i];
    }
    SAYS(log, again && record_ms(again, "stuck", &low, &high) && high >= 400,
         "the open scope lost its age");
}

Test(lifecycle, stop_in_the_sink_is_a_deadlock_that_is_said_not_had)
{
    struct log *log = TELL(.args = {"sinks", "deadlock"});
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "stop_in_sink", 0) == -EDEADLK, "stop in the sink");
    SAYS(log, log_fact(log, "start_in_sink", 0) == 0, "start in the sink");
    SAYS(log, log_fact(log, "beat_in_sink", 0) == 0, "beat in the sink");
    SAYS(log, log_fact(log, "stop", 0) == 0, "stop");
}

Test(lifecycle, a_sink_that_hangs_costs_stop_a_quarter_of_a_second_and_start_nothing)
{
    struct log *log = TELL(.args = {"sinks", "blocked"});
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "stop", 0) == -ETIMEDOUT, "the first stop");
    SAYS(log, log_fact(log, "stop_us", 0) >= 250000, "it gave up early");
    SAYS(log, log_fact(log, "stop_us", 0) < 250000 + SLACK_US, "it waited for long");
    SAYS(log, log_fact(log, "start", 1) == -EBUSY, "start while it hangs");
    SAYS(log, log_fact(log, "beat", 0) == -ESRCH, "beat while it hangs");
    SAYS(log, log_fact(log, "stop", 1) == -ETIMEDOUT, "stop once more");
    SAYS(log, log_fact(log, "again", 0) == 0, "start when it has gone");
    SAYS(log, log_fact(log, "again_stop", 0) == 0, "the last stop");
}

/* From the fact exit_ns to the end that we see. */
static double exit_took_ms(const char *mode, int status)
{
    struct log *log = TELL(.args = {"sinks", mode});
    double took = (double)(story_now_ns() - log_fact(log, "exit_ns", 0)) / 1e6;
    ENDS_WITH(log, status);
    return took;
}

Test(lifecycle, exit_waits_a_twentieth_of_a_second_for_a_sink_that_hangs)
{
    double took = exit_took_ms("exit", 5);
    cr_assert(took >= 50 && took < 50 + SLACK_US / 1000, "%.1f ms", took);
}

Test(lifecycle, exit_is_not_held_up_by_another_threads_stop)
{
    double took = exit_took_ms("exit-beside-stop", 6);
    cr_assert_lt(took, 250 + SLACK_US / 1000, "%.1f ms", took);
}

Test(lifecycle, a_thread_cancelled_in_stop_leaves_nothing_locked)
{
    double took = exit_took_ms("cancel", 0);
    cr_assert_lt(took, 250 + SLACK_US / 1000, "%.1f ms", took);
}

Test(lifecycle, a_thread_is_never_cancelled_in_a_scope_call)
{
    struct log *log = TELL(.args = {"sinks", "cancel-in-scope"});
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "popped", 0) == 1, "it was cancelled in a scope call");
    SAYS(log, log_fact(log, "stop", 0) == 0, "stop");
}

Test(lifecycle, exit_in_the_sink_ends_the_program)
{
    struct log *log = TELL(.args = {"sinks", "exit-in-sink"});
    ENDS_WITH(log, 8);
}

Test(lifecycle, returning_from_main_writes_the_last_line)
{
    struct log *log = TELL(.args = {"act", "start", "push", "open", "sleep", "50"},
                           .env = {"HEARTLINE_INTERVAL=10ms"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "stop", 1);
    SAYS(log, strcmp(log->records[log->count - 1].word, "stop") == 0, "it is not the last line");
    SAYS(log, record_number(log_find(log, "stop", 0), "beats") >= 1, "beats");
    SAYS(log, record_number(log_find(log, "stop", 0), "dropped") == 0, "dropped");
}

Test(lifecycle, exit_writes_the_last_line_from_any_thread)
{
    struct log *log = TELL(.args = {"act",   "start", "thread", "{", "repeat", "1000000", "{",
                                    "push",  "busy",  "pop",    "}", "}",      "thread",  "{",
                                    "sleep", "50",    "exit",   "3", "}",      "sleep",   "60000"},
                           .env = {"HEARTLINE_INTERVAL=10ms"}, .log_to_file = true);
    ENDS_WITH(log, 3);
    SAYS_COUNT(log, "stop", 1);
}

Test(lifecycle, underscore_exit_and_signals_end_the_program_as_ever)
{
    static const struct {
        const char *verb, *argument;
        int status;
    } ends[] = {{"_exit", "4", 4}, {"kill", "TERM", -SIGTERM}, {"kill", "KILL", -SIGKILL}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct log *log =
            TELL(.args = {"act", "start", "sleep", "50", ends[i].verb, ends[i].argument},
                 .env = {"HEARTLINE_INTERVAL=10ms"}, .log_to_file = true);
        ENDS_WITH(log, ends[i].status);
        SAYS_COUNT(log, "stop", 0);
    }
}

Test(lifecycle, unloading_the_library_stops_nothing)
{
    struct log *log = TELL(.args = {"loader", STORY_LIBRARY, "20"},
                           .env = {"HEARTLINE_INTERVAL=20ms"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "start", 1);
    SAYS(log, log_count(log, "beat") >= 2, "it did not go on");
    SAYS_COUNT(log, "stop", 1);
}

Test(lifecycle, the_first_start_wins)
{
    struct log *log =
        TELL(.args = {"act", "start", "set", "tag", "second", "sink", "start", "stop"});
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "start", 1);
    SAYS(log, !record_has(log_find(log, "start", 0), "tag"), "the second options were taken");
    SAYS(log, record_is(log_find(log, "start", 0), "platform", STORY_PLATFORM), "platform");
}
