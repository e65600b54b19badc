/* Options that must be refused, and some that must not. Prints a fact for each. */
#include <heartline/monitor.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static monitor_options options;

static void fresh(void)
{
    monitor_options_default(&options);
}

static void expect(const char *name, int result)
{
    printf("%s %d\n", name, result);
    if (result == 0)
        monitor_stop();
    fresh();
}

static int start(void)
{
    return monitor_start_with(&options);
}

#define REFUSED(name, assignment) (fresh(), assignment, expect("refused", start()), (void)name)
#define TAKEN(assignment) (fresh(), assignment, expect("taken", start()))

int main(void)
{
    static char long_text[5000];
    memset(long_text, 'x', sizeof long_text - 1);
    setvbuf(stdout, NULL, _IONBF, 0);
    expect("refused", monitor_start_with(NULL));
    REFUSED("no size", options.size = 0);
    REFUSED("small size", options.size = 8);
    REFUSED("huge size", options.size = 1 << 20);
    REFUSED("interval", options.interval_ms = 0);
    REFUSED("interval", options.interval_ms = 9);
    REFUSED("interval", options.interval_ms = 24 * 3600 * 1000ull + 1);
    REFUSED("interval", options.interval_ms = UINT64_MAX);
    REFUSED("stall", options.stall_ms = 9);
    REFUSED("stall", options.stall_ms = 30ull * 24 * 3600 * 1000 + 1);
    REFUSED("phase lines", options.phase_lines = 10001);
    REFUSED("busy lines", options.busy_lines = UINT32_MAX);
    REFUSED("stall lines", options.stall_lines = 0);
    REFUSED("format", options.format = (enum monitor_format)7);
    REFUSED("clock", options.clock = (enum monitor_clock)7);
    REFUSED("fork", options.fork = (enum monitor_fork)7);
    REFUSED("stacks", options.stacks = (enum monitor_stacks)7);
    REFUSED("signal", options.beat_signal = 9);
    REFUSED("signal", options.beat_signal = -1);
    REFUSED("path", options.log_path = long_text);
    REFUSED("tag", options.tag = long_text);
    TAKEN(options.interval_ms = 10);
    TAKEN(options.stall_ms = 0);
    TAKEN(options.phase_lines = 0);
    TAKEN(options.tag = "a \"quoted\" tag\n");
    return 0;
}
