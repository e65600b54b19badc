/* Programs that say nothing about themselves and stand still: QUIET lines, with what is
 * waited for. Where the machine was too busy to let a program be as idle or as busy as it
 * should have been, its own times say so. */
#include "log.h"

#define NEEDS_OTHERS                                                     \
    do {                                                                 \
        ONLY_ON_LINUX("what other threads did is known on Linux alone"); \
        if (story_is_sanitized())                                        \
            cr_skip_test("a sanitizer may have a thread of its own");    \
    } while (0)

static const char *const formats[] = {"HEARTLINE_FORMAT=text", "HEARTLINE_FORMAT=json"};

static void check_waits(const struct log *log)
{
    for (size_t i = 0; i < log_count(log, "QUIET"); i++) {
        const struct record *quiet = log_find(log, "QUIET", i);
        SAYS(log, record_number(quiet, "threads") == 4, "threads");
        SAYS(log, record_is(quiet, "waits", "3 condvar; 1 read:pipe"), "waits");
    }
}

static void check_ages(const struct log *log, double limit_ms)
{
    for (size_t i = 0; i < log_count(log, "QUIET"); i++) {
        const struct record *quiet = log_find(log, "QUIET", i);
        double low, high, lived = (double)(quiet->at_ns - log_fact(log, "began", 0)) / 1e6;
        SAYS(log, record_ms(quiet, "for", &low, &high), "no age");
        SAYS(log, high >= limit_ms * (double)(1 << i), "it is too young");
        SAYS(log, low <= lived, "it is older than the program");
    }
}

/* Three threads wait for a signal that nobody sends, the first one for a byte. */
Test(quiet, a_program_without_scopes_that_hangs_is_told_with_what_it_waits_for)
{
    NEEDS_OTHERS;
    for (size_t i = 0; i < 2; i++) {
        struct story_run *run =
            BEGIN(.args = {"act", "sink",   "stamp", "began", "start",   "thread", "{",   "await",
                           "}",   "thread", "{",     "await", "}",       "thread", "{",   "await",
                           "}",   "say",    "ready", "hear",  "release", "join",   "stop"},
                  .env = {"HEARTLINE_STALL=300ms", "HEARTLINE_INTERVAL=100ms", formats[i]});
        story_await(run, "ready");
        story_sleep_ms(1500);
        story_tell(run);
        struct log *log = story_end(run);
        ENDS_WITH(log, 0);
        SAYS(log, log_count(log, "QUIET") >= 1, "no QUIET");
        SAYS(log, log_count(log, "QUIET") <= 3, "reminders before the age has doubled");
        SAYS_COUNT(log, "STALL", 0);
        check_waits(log);
        check_ages(log, 300);
    }
}

Test(quiet, after_a_sign_of_life_its_age_begins_anew)
{
    NEEDS_OTHERS;
    struct story_run *run = BEGIN(.args = {"act", "sink", "stamp", "began", "start", "say", "ready",
                                           "hear", "stamp", "woke", "say", "again", "hear", "stop"},
                                  .env = {"HEARTLINE_STALL=300ms", "HEARTLINE_INTERVAL=10s"});
    story_await(run, "ready");
    story_sleep_ms(1000);
    story_tell(run);
    story_await(run, "again");
    story_sleep_ms(1000);
    story_tell(run);
    struct log *log = story_end(run);
    ENDS_WITH(log, 0);
    size_t count = log_count(log, "QUIET");
    SAYS(log, count >= 2, "not twice");
    const struct record *first = log_find(log, "QUIET", 0),
                        *last = log_find(log, "QUIET", count - 1);
    int64_t woke = log_fact(log, "woke", 0);
    SAYS(log, first->at_ns < woke && woke < last->at_ns, "not once before and once after");
    SAYS(log, record_ms_low(last, "for") <= (double)(last->at_ns - woke) / 1e6, "the age");
}

Test(quiet, one_that_moves_now_and_then_is_never_quiet)
{
    NEEDS_OTHERS;
    struct log *log = TELL(.args = {"act", "sink", "start", "count", "steps", "30", "tick", "30",
                                    "50", "pop", "stop"},
                           .env = {"HEARTLINE_STALL=300ms", "HEARTLINE_INTERVAL=100ms"});
    ENDS_WITH(log, 0);
    if (log_fact(log, "longest_gap_ms", 0) < 300)
        SAYS_COUNT(log, "QUIET", 0);
}

Test(quiet, one_that_works_is_never_quiet)
{
    struct log *log = TELL(.args = {"act", "sink", "start", "spin", "700", "stop"},
                           .env = {"HEARTLINE_STALL=100ms", "HEARTLINE_INTERVAL=100ms"});
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "QUIET", 0);
}

Test(quiet, who_is_declared_waiting_or_stalled_needs_no_such_line)
{
    static const char *const kinds[] = {"wait", "push"};
    for (size_t i = 0; i < 2; i++) {
        struct log *log = TELL(.args = {"act", "sink", "start", kinds[i], "for work", "sleep",
                                        "900", "pop", "stop"},
                               .env = {"HEARTLINE_STALL=200ms", "HEARTLINE_INTERVAL=100ms"});
        ENDS_WITH(log, 0);
        SAYS_COUNT(log, "QUIET", 0);
    }
}

Test(quiet, never_means_never)
{
    struct log *log = TELL(.args = {"act", "sink", "start", "sleep", "600", "stop"},
                           .env = {"HEARTLINE_STALL=never", "HEARTLINE_INTERVAL=50ms"});
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "QUIET", 0);
}

Test(quiet, time_in_which_it_was_stopped_does_not_count)
{
    NEEDS_OTHERS;
    struct story_run *run = BEGIN(.args = {"act", "sink", "stamp", "began", "start", "say", "ready",
                                           "hear", "stamp", "ended", "stop"},
                                  .env = {"HEARTLINE_STALL=800ms", "HEARTLINE_INTERVAL=100ms"});
    story_await(run, "ready");
    story_sleep_ms(200);
    kill(run->pid, SIGSTOP);
    story_sleep_ms(1200);
    kill(run->pid, SIGCONT);
    story_sleep_ms(200);
    story_tell(run);
    struct log *log = story_end(run);
    ENDS_WITH(log, 0);
    double lived = (double)(log_fact(log, "ended", 0) - log_fact(log, "began", 0)) / 1e6;
    if (lived < 1200 + 800)
        SAYS_COUNT(log, "QUIET", 0);
}
