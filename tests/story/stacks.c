/* STACK lines and monitor_stack on the real platform, whatever it can: what it cannot
 * is said, and nothing is made up. */
#include "log.h"

static struct log *one_that_is_stuck(const char *setting)
{
    struct log *log = TELL(.args = {"act", "start", "push", "work", "sleep", "300", "pop", "stop"},
                           .env = {"HEARTLINE_STALL=100ms", "HEARTLINE_INTERVAL=1h", setting});
    ENDS_WITH(log, 0);
    SAYS(log, log_count(log, "STALL") > 0, "no STALL");
    return log;
}

static size_t complaints(const struct log *log)
{
    size_t count = 0;
    for (size_t i = 0; i < log_count(log, "unavailable"); i++)
        count += record_is(log_find(log, "unavailable", i), "key", "stack");
    return count;
}

Test(stacks, whoever_asks_gets_one_or_the_reason_once)
{
    struct log *log = one_that_is_stuck("HEARTLINE_STACKS=interrupt");
    SAYS(log, record_is(log_find(log, "start", 0), "stacks", "interrupt"), "the setting");
    SAYS(log, log_count(log, "STACK") + complaints(log) > 0, "neither");
    SAYS(log, complaints(log) <= 1, "again and again");
    const struct record *stop = log_find(log, "stop", 0);
    SAYS(log, record_number(stop, "stacks") == (double)log_count(log, "STACK"), "the total");
}

Test(stacks, whoever_does_not_ask_is_not_bothered)
{
    struct log *log = one_that_is_stuck("HEARTLINE_STACKS=off");
    SAYS(log, complaints(log) == 0, "nobody asked");
    SAYS_COUNT(log, "STACK", 0);
    log = one_that_is_stuck("HEARTLINE_STACKS=passive");
    SAYS(log, complaints(log) == 0, "nobody asked");
}

Test(stacks, of_other_threads_can_be_asked_for)
{
    ONLY_ON_LINUX("the program tells its threads by gettid");
    struct log *log = TELL(.args = {"frames"});
    ENDS_WITH(log, 0);
    long long waits = log_fact(log, "waits", 0);
    SAYS(log, waits == -ENOTSUP || (waits > 0 && waits <= 64), "a thread that waits");
    SAYS(log, log_fact(log, "without_room", 0) == -EINVAL, "without room");
    SAYS(log, log_fact(log, "gone", 0) == -ESRCH, "one that has gone");
    SAYS(log, log_fact(log, "oneself", 0) == -EDEADLK, "oneself");
}
