/* The process is stopped from outside, inside one sleep of the monitor: no
 * deadline is missed, and still the time does not count. */
#define _GNU_SOURCE
#include "log.h"

#include <criterion/criterion.h>

#include <stdlib.h>
#include <sys/wait.h>

/* Stops it for that long. The truth is between *least and *most. */
static void stop_for(const struct story_run *run, int64_t ms, double *least, double *most)
{
    siginfo_t stopped;
    int64_t asked = story_now_ns();
    kill(run->pid, SIGSTOP);
    cr_assert(waitid(P_PID, (id_t)run->pid, &stopped, WSTOPPED) == 0);
    int64_t began = story_now_ns();
    story_sleep_ms(ms);
    int64_t ended = story_now_ns();
    kill(run->pid, SIGCONT);
    int64_t over = story_now_ns();
    *least += (double)(ended - began) / 1e6;
    *most += (double)(over - asked) / 1e6;
}

static void check_gap(const struct log *log, double least, double most)
{
    SAYS_COUNT(log, "PAUSED", 1);
    const struct record *paused = log_find(log, "PAUSED", 0);
    double gap = record_number(paused, "gap_ms");
    SAYS(log, gap >= least - 50 && gap <= most + 50, "gap %g ms, truth %.1f to %.1f ms", gap, least,
         most);
    SAYS(log, record_is(paused, "reason", "stopped"), "reason");
}

Test(pauses, two_seconds_inside_one_sleep_are_told_and_do_not_count)
{
    ONLY_ON_LINUX("this platform cannot measure a stop");
    struct story_run *run =
        BEGIN(.args = {"act", "start", "push", "work", "say", "ready", "sleep", "4200", "pop",
                       "stop"},
              .env = {"HEARTLINE_STALL=3s", "HEARTLINE_INTERVAL=20s", "HEARTLINE_FORMAT=json"});
    double least = 0, most = 0;
    story_await(run, "ready");
    story_sleep_ms(500);
    stop_for(run, 2000, &least, &most);
    struct log *log = story_end(run);
    ENDS_WITH(log, 0);
    check_gap(log, least, most);
    /* In scope for 4.2 s of which 2 were stopped: only a machine that stood still makes it 3. */
    for (size_t i = 0; i < log_count(log, "STALL"); i++)
        SAYS(log, record_number(log_find(log, "STALL", i), "stuck_ms") >= 3000, "an early STALL");
    double elapsed = record_number(log_find(log, "stop", 0), "elapsed_ms");
    SAYS(log, elapsed >= 4200 - most - 50, "elapsed says %g ms", elapsed);
}

Test(pauses, a_true_stall_around_a_stop_comes_after_its_limit_of_active_time)
{
    ONLY_ON_LINUX("this platform cannot measure a stop");
    struct story_run *run =
        BEGIN(.args = {"act", "sink", "start", "stamp", "pushed", "push", "work", "say", "ready",
                       "sleep", "2400", "stop"},
              .env = {"HEARTLINE_STALL=800ms", "HEARTLINE_INTERVAL=20s", "HEARTLINE_FORMAT=json"});
    double least = 0, most = 0;
    story_await(run, "ready");
    story_sleep_ms(50);
    stop_for(run, 1000, &least, &most);
    struct log *log = story_end(run);
    ENDS_WITH(log, 0);
    check_gap(log, least, most);
    const struct record *stall = NULL;
    SAYS(log, log_stalls(log, "work", &stall) == 1, "not exactly one STALL");
    double age = (double)(stall->at_ns - log_fact(log, "pushed", 0)) / 1e6;
    SAYS(log, age >= 800 + least - 50, "STALL after %.1f ms with a stop of %.1f", age, least);
}

Test(pauses, five_short_stops_in_one_sleep_are_one_pause)
{
    ONLY_ON_LINUX("this platform cannot measure a stop");
    struct story_run *run =
        BEGIN(.args = {"act", "start", "say", "ready", "hear", "stop"},
              .env = {"HEARTLINE_STALL=never", "HEARTLINE_INTERVAL=1h", "HEARTLINE_FORMAT=json"});
    double least = 0, most = 0;
    story_await(run, "ready");
    for (int i = 0; i < 5; i++) {
        story_sleep_ms(60);
        stop_for(run, 150, &least, &most);
    }
    story_sleep_ms(60);
    story_tell(run);
    struct log *log = story_end(run);
    ENDS_WITH(log, 0);
    check_gap(log, least, most);
}

Test(pauses, a_program_without_scopes_is_told_too)
{
    ONLY_ON_LINUX("this platform cannot measure a stop");
    struct story_run *run = BEGIN(.args = {"act", "start", "say", "ready", "sleep", "1200", "stop"},
                                  .env = {"HEARTLINE_INTERVAL=20s", "HEARTLINE_FORMAT=json"});
    double least = 0, most = 0;
    story_await(run, "ready");
    story_sleep_ms(100);
    stop_for(run, 500, &least, &most);
    struct log *log = story_end(run);
    ENDS_WITH(log, 0);
    check_gap(log, least, most);
}

Test(pauses, an_undisturbed_program_is_never_said_to_have_paused)
{
    struct log *log = TELL(.args = {"act", "start", "crowd", "4", "{", "spin", "700", "}", "stop"},
                           .env = {"HEARTLINE_INTERVAL=10ms"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "PAUSED", 0);
}
