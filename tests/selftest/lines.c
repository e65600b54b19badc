/* tests/selftest/lines.c - what the monitor says, kept as it came.
 *
 * Lines come as JSON, whose figures have three decimals where text has one. They
 * are looked into for one key at a time; nothing here has to be a JSON parser.
 */
#include "selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void keep(void *data, enum monitor_level level, const char *line, size_t length)
{
    struct lines *lines = data;

    (void)level;
    pthread_mutex_lock(&lines->lock);
    if (lines->count < LINES_MOST) {
        size_t kept = length < LINE_BYTES ? length : LINE_BYTES - 1;
        memcpy(lines->text[lines->count], line, kept);
        lines->text[lines->count][kept] = '\0';
        lines->at[lines->count++] = now();
    }
    pthread_mutex_unlock(&lines->lock);
}

int start_recording(struct lines *lines, uint64_t interval_ms, uint64_t stall_ms)
{
    monitor_options options;

    memset(lines, 0, sizeof *lines);
    pthread_mutex_init(&lines->lock, NULL);
    monitor_options_default(&options);
    options.interval_ms = interval_ms;
    options.stall_ms = stall_ms;
    options.format = MONITOR_JSON;
    options.sink = keep;
    options.sink_data = lines;
    return monitor_start_with(&options);
}

bool is_record(const char *line, const char *record)
{
    char member[64];

    snprintf(member, sizeof member, "\"record\":\"%s\"", record);
    return strstr(line, member) != NULL;
}

size_t count_records(struct lines *lines, const char *record)
{
    size_t count = 0;

    pthread_mutex_lock(&lines->lock);
    for (size_t i = 0; i < lines->count; i++)
        count += is_record(lines->text[i], record);
    pthread_mutex_unlock(&lines->lock);
    return count;
}

const char *last_record(struct lines *lines, const char *record)
{
    for (size_t i = lines->count; i > 0; i--)
        if (is_record(lines->text[i - 1], record))
            return lines->text[i - 1];
    return NULL;
}

bool number_in(const char *line, const char *key, double *number)
{
    char member[64];
    char *end;

    snprintf(member, sizeof member, "\"%s\":", key);
    const char *at = strstr(line, member);
    if (!at)
        return false;
    at += strlen(member);
    *number = strtod(at, &end);
    return end != at;
}
