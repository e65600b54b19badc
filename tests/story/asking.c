/* Heartbeats that somebody asked for. */
#include "log.h"

#include <criterion/criterion.h>

#include <stdlib.h>

Test(asking, a_signal_gets_a_full_heartbeat_now)
{
    struct story_run *run =
        BEGIN(.args = {"act", "start", "push", "work", "say", "ready", "hear", "sleep", "300",
                       "stop"},
              .env = {"HEARTLINE_SIGNAL=USR1", "HEARTLINE_INTERVAL=1h"}, .log_to_file = true);
    story_await(run, "ready");
    kill(run->pid, SIGUSR1);
    story_sleep_ms(50);
    story_tell(run);
    struct log *log = story_end(run);
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "beat", 1);
    SAYS_COUNT(log, "phase", 1);
    SAYS_COUNT(log, "note", 0);
    SAYS(log, record_number(log_find(log, "start", 0), "signal") == SIGUSR1, "the start line");
    SAYS(log, record_number(log_find(log, "stop", 0), "beats") == 0, "it counted as a regular one");
}

Test(asking, a_signal_that_the_program_handles_stays_its_own)
{
    struct log *log =
        TELL(.args = {"act", "handle", "USR1", "start", "kill", "USR1", "sleep", "100", "handled",
                      "stop"},
             .env = {"HEARTLINE_SIGNAL=USR1", "HEARTLINE_INTERVAL=1h"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "handled", 0) == 1, "the program's handler was not called");
    SAYS_COUNT(log, "beat", 0);
    SAYS_COUNT(log, "note", 1);
    SAYS(log, record_is(log_find(log, "note", 0), "variable", "HEARTLINE_SIGNAL"), "which");
    SAYS(log, record_text(log_find(log, "note", 0), "reason"), "why");
}

Test(asking, the_signal_is_harmless_after_a_stop)
{
    struct log *log =
        TELL(.args = {"act", "start", "stop", "kill", "USR1", "sleep", "20", "start", "kill",
                      "USR1", "sleep", "300", "stop", "exit", "7"},
             .env = {"HEARTLINE_SIGNAL=USR1", "HEARTLINE_INTERVAL=1h"}, .log_to_file = true);
    ENDS_WITH(log, 7);
    SAYS_COUNT(log, "beat", 1);
    SAYS_COUNT(log, "note", 0);
}

/* Each window begins where a regular heartbeat ended, or at the start. Returns
 * how many of them were begun. */
static size_t check_windows(const struct log *log, double interval_ms)
{
    double began = 0;
    size_t windows = 0;
    for (size_t i = 0; i < log_count(log, "beat"); i++) {
        const struct record *beat = log_find(log, "beat", i);
        double elapsed = record_number(beat, "elapsed_ms");
        double from = elapsed - record_number(beat, "window_ms");
        if (from > began + 2) { /* the one before was a regular one */
            const struct record *before = log_find(log, "beat", i - 1);
            began = record_number(before, "elapsed_ms");
            windows++;
            SAYS(log, began >= (double)windows * interval_ms, "%g ms: ahead of the schedule",
                 began);
        }
        SAYS(log, from >= began - 2 && from <= began + 2, "a window begins at %g ms, not %g", from,
             began);
    }
    return windows;
}

Test(asking, asking_changes_neither_schedule_nor_window)
{
    struct log *log =
        TELL(.args = {"act", "start", "repeat", "20", "{", "sleep", "47", "beat", "}", "stop"},
             .env = {"HEARTLINE_INTERVAL=200ms", "HEARTLINE_FORMAT=json"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    size_t windows = check_windows(log, 200);
    double regular = record_number(log_find(log, "stop", 0), "beats");
    SAYS(log, (double)windows == regular || (double)windows + 1 == regular, "%zu windows, %g beats",
         windows, regular);
    SAYS(log, log_count(log, "beat") > (size_t)regular, "nothing was asked for");
}

Test(asking, an_asked_heartbeat_shows_every_thread)
{
    struct log *log =
        TELL(.args = {"act", "start",  "push",   "main",   "thread", "{",     "crowd", "4",
                      "{",   "push",   "worker", "gather", "5",      "sleep", "900",   "}",
                      "}",   "gather", "5",      "beat",   "join",   "stop"},
             .env = {"HEARTLINE_INTERVAL=300ms", "HEARTLINE_PHASE_LINES=2"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    size_t shown = 0, most = 0;
    bool has_cap = false;
    for (size_t i = 0; i < log->count; i++) {
        const struct record *record = &log->records[i];
        bool is_phase = strcmp(record->word, "phase") == 0;
        has_cap |= is_phase && record_has(record, "omitted") && shown <= 3;
        shown = is_phase ? shown + 1 : 0;
        most = shown > most ? shown : most;
    }
    SAYS(log, most == 5, "%zu threads shown", most);
    SAYS(log, has_cap, "the regular ones have no cap");
}
