/* A program with a scope, linked with the shared library, and once more with the static one.
 *
 *     instrumented HOW MS
 *
 * HOW: `never` starts no monitor, `plainly` starts one, `own` starts one with a tag, a
 * short interval and a callback that prints, `wrongly` tries to with options that are none,
 * `again` stops it and starts it plainly. */
#define _POSIX_C_SOURCE 200809L
#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void print(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level;
    printf("own %.*s\n", (int)length, line);
}

static int start_with(unsigned interval_ms)
{
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = interval_ms;
    options.tag = "own";
    options.sink = print;
    return monitor_start_with(&options);
}

static int start(const char *how)
{
    if (strcmp(how, "plainly") == 0)
        return monitor_start();
    if (strcmp(how, "own") == 0)
        return start_with(50);
    if (strcmp(how, "wrongly") == 0)
        return start_with(1);
    if (strcmp(how, "again") == 0)
        return monitor_stop() ? 1 : monitor_start();
    return 0;
}

int main(int count, char **arguments)
{
    if (count != 3)
        return 99;
    SCOPE("own work");
    long ms = atol(arguments[2]);
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    printf("started %d\n", start(arguments[1]));
    nanosleep(&pause, NULL);
    return 0;
}
