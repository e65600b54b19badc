/* Little memory: a limit on address space, and small stacks. */
#define _GNU_SOURCE
#include "log.h"

#include <criterion/criterion.h>

#define NEEDS_PLAIN_MEMORY(why)                   \
    do {                                          \
        ONLY_ON_LINUX("the program reads /proc"); \
        if (story_is_sanitized())                 \
            cr_skip_test("a sanitizer " why);     \
    } while (0)

Test(memory, with_too_little_address_space_start_is_refused_and_the_program_runs_on)
{
    NEEDS_PLAIN_MEMORY("has mapped terabytes");
    struct log *log =
        TELL(.args = {"memory", "space"}, .env = {"HEARTLINE_INTERVAL=10ms"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "died", 0) == 0, "a program died");
    SAYS(log, log_fact(log, "wrong", 0) == 0, "no clear answer, or it cannot be started later");
    SAYS(log, log_fact(log, "refused", 0) > 0, "there was always enough: nothing was tried");
    SAYS(log, log_fact(log, "started", 0) > 0, "there was never enough: nothing was tried");
}

Test(memory, a_running_monitor_goes_on_when_no_more_can_be_had)
{
    NEEDS_PLAIN_MEMORY("has mapped terabytes");
    struct log *log =
        TELL(.args = {"memory", "running"},
             .env = {"HEARTLINE_INTERVAL=10ms", "HEARTLINE_STALL=50ms"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    const struct record *stall;
    size_t stalls = log_stalls(log, "with none left", &stall);
    SAYS(log, stalls == 1, "%zu stalls", stalls);
    SAYS(log, record_number(log_find(log, "stop", 0), "stalls") == 2, "in all");
    SAYS(log, log_fact(log, "stop", 0) == 0 && log_fact(log, "stop", 1) == 0, "stop");
    SAYS(log, log_fact(log, "again", 0) == 0, "it cannot be started again");
}

Test(memory, a_monitor_that_cannot_judge_for_want_of_memory_says_so)
{
    NEEDS_PLAIN_MEMORY("has mapped terabytes");
    struct log *log =
        TELL(.args = {"memory", "early"},
             .env = {"HEARTLINE_INTERVAL=10ms", "HEARTLINE_STALL=50ms"}, .log_to_file = true);
    const struct record *stall;
    ENDS_WITH(log, 0);
    bool is_said = false, is_unknown = false;
    for (size_t i = 0; i < log_count(log, "unavailable"); i++)
        is_said |= record_is(log_find(log, "unavailable", i), "key", "stalled");
    for (size_t i = 0; i < log_count(log, "beat"); i++)
        is_unknown |= record_number(log_find(log, "beat", i), "stalled") < 0;
    SAYS(log, is_said && is_unknown, "it is not said, or not unknown");
    SAYS(log, log_stalls(log, "too much", &stall) == 1, "not judged when there was memory again");
}

/* It has said everything that it has words for, and half of its stack is left. */
static void check_stack(const char *how)
{
    struct log *log = TELL(.args = {"memory", how},
                           .env = {"HEARTLINE_INTERVAL=10ms", "HEARTLINE_STALL=50ms",
                                   "HEARTLINE_STACKS=interrupt"},
                           .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS(log, log_count(log, "STALL") >= 3 && log_count(log, "DEADLOCK") >= 1, "too little said");
    if (log_fact_count(log, "touched_kb") == 0)
        cr_skip_test("the system does not say where a thread's stack is");
    long long size = log_fact(log, "stack_kb", 0), touched = log_fact(log, "touched_kb", 0);
    SAYS(log, size == 256, "its stack has %lld KiB", size);
    SAYS(log, touched > 0 && touched <= size / 2, "%lld of %lld KiB", touched, size);
}

Test(memory, its_stack_is_its_own_choice_where_the_limit_is_small)
{
    NEEDS_PLAIN_MEMORY("takes more of it");
    check_stack("limited");
}

Test(memory, its_stack_is_its_own_choice_where_the_default_is_small)
{
    NEEDS_PLAIN_MEMORY("takes more of it");
    check_stack("default");
}
