/* Children: silent, unhurt, and able to start a monitor of their own. */
#include "log.h"

#include <criterion/criterion.h>

#include <stdlib.h>

/* Platform none counts its threads itself. */
#define HAS_TIDS HAS_FIGURES

static size_t count_of(const struct log *log, uint64_t pid, const char *word)
{
    size_t count = 0;
    for (size_t i = 0; i < log->count; i++)
        count += log->records[i].pid == pid && (!word || strcmp(log->records[i].word, word) == 0);
    return count;
}

static uint64_t child_of(const struct log *log, size_t n)
{
    return (uint64_t)log_fact(log, "child", n);
}

Test(forks, a_child_is_silent_and_the_parent_says_so_once)
{
    struct log *log =
        TELL(.args = {"act",  "start", "push",  "parent", "fork", "{",     "threads",
                      "push", "child", "pop",   "pop",    "beat", "stop",  "sleep",
                      "60",   "}",     "reap",  "fork",   "{",    "sleep", "20",
                      "}",    "reap",  "sleep", "100",    "stop"},
             .env = {"HEARTLINE_INTERVAL=10ms", "HEARTLINE_STALL=20ms"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "threads", 0) == 1, "the child has a thread more");
    SAYS(log, log_fact(log, "beat", 0) == -ESRCH && log_fact(log, "stop", 0) == 0, "in the child");
    for (size_t i = 0; i < 2; i++) {
        SAYS(log, log_fact(log, "reaped", i) == 0, "the %zu. child failed", i + 1);
        SAYS(log, count_of(log, child_of(log, i), NULL) == 0, "the child said something");
    }
    SAYS_COUNT(log, "note", 1);
    const struct record *note = log_find(log, "note", 0);
    SAYS(log, record_has(note, "forked") && record_has(note, "unmonitored"), "the note");
    SAYS(log, (uint64_t)record_number(note, "child") == child_of(log, 0), "which child");
}

Test(forks, a_short_program_still_says_that_it_forked)
{
    struct log *log = TELL(.args = {"act", "start", "fork", "{", "sleep", "20", "}", "reap"},
                           .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "note", 1);
}

/* Seen in a debugger: a thread that a forked child starts waits for a lock of the
 * sanitizer's, which another thread of the parent held at the fork. */
#define NEEDS_THREADS_IN_A_CHILD                                                              \
    do {                                                                                      \
        if (story_is_sanitized())                                                             \
            cr_skip_test("the sanitizer's locks do not survive a fork beside other threads"); \
    } while (0)

Test(forks, a_child_can_start_a_monitor_with_its_own_pid_and_figures)
{
    NEEDS_THREADS_IN_A_CHILD;
    struct log *log =
        TELL(.args =
                 {"act",  "start", "push",  "mine",  "thread", "{",     "push", "not the child's",
                  "burn", "400",   "sleep", "300",   "}",      "sleep", "50",   "burn",
                  "300",  "fork",  "{",     "start", "burn",   "200",   "beat", "sleep",
                  "200",  "stop",  "}",     "join",  "reap",   "stop"},
             .env = {"HEARTLINE_INTERVAL=1h", "HEARTLINE_FORMAT=json"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    uint64_t child = child_of(log, 0);
    SAYS(log, log_fact(log, "start", 1) == 0 && log_fact(log, "reaped", 0) == 0, "the child");
    SAYS(log, count_of(log, child, "start") == 1, "its start");
    SAYS(log, count_of(log, child, "beat") == 1, "its heartbeat");
    for (size_t i = 0; i < log->count; i++) {
        const struct record *record = &log->records[i];
        if (record->pid != child || strcmp(record->word, "phase") != 0)
            continue;
        SAYS(log, record_is(record, "innermost", "mine"), "another thread's scope");
        SAYS(log, !HAS_TIDS || record_thread_tid(record) == child, "another thread's id");
    }
    SAYS(log, count_of(log, child, "phase") == 1, "its own scope is gone");
    if (!HAS_FIGURES)
        return;
    for (size_t i = 0; i < log_count(log, "stop"); i++) {
        const struct record *stop = log_find(log, "stop", i);
        double seconds = record_number(stop, "cpu_seconds");
        if (stop->pid == child)
            SAYS(log, seconds >= 0.19 && seconds < 0.29, "its CPU: %g", seconds);
    }
}

Test(forks, a_child_restarts_where_it_is_told_to)
{
    NEEDS_THREADS_IN_A_CHILD;
    struct log *log =
        TELL(.args = {"act", "start", "push", "mine", "fork", "{", "sleep", "100", "threads",
                      "beat", "sleep", "20", "exit", "0", "}", "reap", "stop"},
             .env = {"HEARTLINE_INTERVAL=10ms", "HEARTLINE_FORK=restart"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    uint64_t child = child_of(log, 0);
    SAYS(log, log_fact(log, "beat", 0) == 0 && log_fact(log, "threads", 0) == 2, "no monitor");
    SAYS(log, count_of(log, child, "start") == 1, "its start");
    SAYS(log, count_of(log, child, "beat") >= 1, "its heartbeats");
    SAYS(log, count_of(log, child, "stop") == 1, "its stop");
    SAYS_COUNT(log, "note", 0);
}

Test(forks, a_child_of_a_program_that_had_not_started_is_itself)
{
    NEEDS_THREADS_IN_A_CHILD;
    struct log *log =
        TELL(.args = {"act",   "push",  "master", "thread", "{",     "push", "master's thread",
                      "sleep", "400",   "}",      "sleep",  "50",    "fork", "{",
                      "start", "sleep", "60",     "push",   "serve", "beat", "sleep",
                      "200",   "stop",  "}",      "join",   "reap"},
             .env = {"HEARTLINE_INTERVAL=20ms"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS(log, log_count(log, "phase") >= 1, "no phase");
    for (size_t i = 0; i < log_count(log, "phase"); i++) {
        const struct record *phase = log_find(log, "phase", i);
        SAYS(log, !HAS_TIDS || record_thread_tid(phase) == child_of(log, 0), "the master's id");
        SAYS(log, !record_is(phase, "innermost", "master's thread"), "the master's thread");
    }
    const struct record *last = log_find(log, "phase", log_count(log, "phase") - 1);
    SAYS(log, record_is(last, "innermost", "serve"), "its scope was taken from it");
}

Test(forks, a_fork_handler_of_the_program_may_start_and_stop)
{
    NEEDS_THREADS_IN_A_CHILD;
    struct log *log = TELL(.args = {"act", "atfork-start", "start", "fork", "{", "sleep", "100",
                                    "beat", "stop", "}", "reap", "stop"},
                           .env = {"HEARTLINE_INTERVAL=10ms"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "atfork_start", 0) == 0, "start in the handler");
    SAYS(log, log_fact(log, "beat", 0) == 0, "it does not run in the child");
    SAYS(log, count_of(log, child_of(log, 0), "start") == 1, "the child's start");
    log = TELL(.args = {"act", "atfork-stop", "start", "fork", "{", "sleep", "10", "}", "reap",
                        "beat", "stop"},
               .env = {"HEARTLINE_INTERVAL=10ms"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "beat", 0) == 0, "it does not run again in the parent");
    SAYS_COUNT(log, "stop", 2);
}

Test(forks, a_fork_handler_of_the_program_may_fork)
{
    static const char *const orders[][2] = {{"atfork-fork", "start"}, {"start", "atfork-fork"}};
    for (size_t i = 0; i < 2; i++) {
        struct log *log = TELL(.args = {"act", orders[i][0], orders[i][1], "fork", "{", "beat", "}",
                                        "reap", "beat", "stop"},
                               .env = {"HEARTLINE_INTERVAL=10ms"}, .log_to_file = true);
        ENDS_WITH(log, 0);
        SAYS(log, log_fact_count(log, "within") == 3, "a handler did not come back");
        for (size_t n = 0; n < 3; n++)
            SAYS(log, log_fact(log, "within", n) == 0, "the child of a handler");
        SAYS(log, log_fact(log, "beat", 0) == -ESRCH, "the monitor runs in the child");
        SAYS(log, log_fact(log, "reaped", 0) == 0, "the child");
        SAYS(log, log_fact(log, "beat", 1) == 0, "the monitor does not run in the parent");
        SAYS(log, count_of(log, (uint64_t)log->pid, NULL) == log->count, "a child said something");
    }
}

Test(forks, five_hundred_forks_from_four_threads_hang_no_child)
{
    NEEDS_THREADS_IN_A_CHILD;
    struct log *log = TELL(.args = {"storm", "4", "500"}, .env = {"HEARTLINE_INTERVAL=10ms"},
                           .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "forked", 0) == 500, "forks");
    SAYS(log, log_fact(log, "hung", 0) == 0, "hung children");
    SAYS(log, log_fact(log, "failed", 0) == 0, "a child failed: %lld", log_fact(log, "failed", 0));
    SAYS(log, log_count(log, "note") == 1, "the note");
    /* 64 of the children start monitors of their own; of the others there is nothing. */
    SAYS(log, log_count(log, "start") == 65, "%zu starts", log_count(log, "start"));
    for (size_t i = 0; i < log->count; i++)
        SAYS(log,
             log->records[i].pid == (uint64_t)log->pid ||
                 count_of(log, log->records[i].pid, "start") >= 1,
             "a child that has no monitor said something");
}

Test(forks, restarting_children_survive_a_storm_too)
{
    NEEDS_THREADS_IN_A_CHILD;
    struct log *log =
        TELL(.args = {"storm", "4", "100"},
             .env = {"HEARTLINE_INTERVAL=10ms", "HEARTLINE_FORK=restart"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "hung", 0) == 0, "hung children");
}

Test(forks, what_is_spawned_sees_none_of_our_descriptors)
{
    struct log *log = TELL(.args = {"act", "start", "sleep", "30", "spawn", "{", "descriptors", "}",
                                    "reap", "fork", "{", "descriptors", "}", "reap", "stop"},
                           .env = {"HEARTLINE_INTERVAL=10ms"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "descriptors", 0) == 0, "the spawned program has some");
    SAYS(log, log_fact(log, "descriptors", 1) == 0, "the forked child has some");
}

Test(forks, a_sink_may_fork)
{
    struct log *log = TELL(.args = {"sinks", "fork"});
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "child_ended", 0) == 0, "the child");
    SAYS(log, log_fact(log, "stop", 0) == 0, "stop");
}

Test(forks, a_fork_after_a_stop_hurts_neither)
{
    static const char *const settings[] = {NULL, "HEARTLINE_FORK=restart"};
    for (size_t i = 0; i < 2; i++) {
        struct log *log = TELL(.args = {"act", "start", "stop", "fork", "{", "stop", "fork", "{",
                                        "beat", "}", "reap", "}", "reap", "stop"},
                               .env = {settings[i]}, .log_to_file = true);
        ENDS_WITH(log, 0);
        SAYS(log, log_fact(log, "reaped", 0) == 0, "the child's child");
        SAYS(log, log_fact(log, "reaped", 1) == 0, "the child");
        SAYS(log, log_fact(log, "beat", 0) == -ESRCH, "there is a monitor");
        SAYS(log, count_of(log, (uint64_t)log->pid, NULL) == log->count, "a child said something");
    }
}

Test(forks, a_fork_after_a_start_that_failed_hurts_neither)
{
    struct log *log = TELL(.args = {"act", "start", "stop", "set", "interval_ms", "1", "start",
                                    "fork", "{", "beat", "}", "reap", "stop"});
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "start", 1) == -EINVAL, "too short an interval was taken");
    SAYS(log, log_fact(log, "reaped", 0) == 0, "the child");
}

Test(forks, a_childs_child_is_hurt_no_more_than_the_child)
{
    struct log *log = TELL(.args = {"act", "start", "fork", "{", "fork", "{", "beat", "}", "reap",
                                    "stop", "}", "reap", "beat", "stop"},
                           .log_to_file = true);
    ENDS_WITH(log, 0);
    for (size_t i = 0; i < 2; i++)
        SAYS(log, log_fact(log, "reaped", i) == 0, "a child");
    SAYS(log, log_fact(log, "beat", 0) == -ESRCH, "a monitor in the child's child");
    SAYS(log, log_fact(log, "beat", 1) == 0, "none in the parent");
    SAYS_COUNT(log, "start", 1);
    SAYS_COUNT(log, "stop", 1);
}
