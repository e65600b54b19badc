/* See lines.h. */
#define _GNU_SOURCE
#include "lines.h"

#include "harm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_LINE 4096

void lines_open(struct lines *lines, const char *path, long pid)
{
    int file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0666);
    *lines = (struct lines){.pid = pid, .file = file < 0 ? NULL : fdopen(file, "r")};
    if (!lines->file)
        harm_broken("%s: %s", path, strerror(errno));
}

static const char *what_is_wrong(const struct lines *lines, const json_t *line, size_t length)
{
    if (!line)
        return "no JSON";
    if (length > LONGEST_LINE)
        return "too long";
    if (line_number(line, "schema") != 1)
        return "without its schema";
    if (line_number(line, "pid") != (double)lines->pid)
        return "of another process";
    if (!line_text(line, "record"))
        return "no record";
    return line_wall_ms(line) < 0 && !lines->is_timeless ? "without its time" : NULL;
}

static void add(struct lines *lines, const char *text, size_t length)
{
    json_t *line = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    const char *wrong = what_is_wrong(lines, line, length);
    if (wrong) {
        harm_wrong("a line is %s: %.200s", wrong, text);
        json_decref(line);
        return;
    }
    if (lines->count == lines->room) {
        lines->room = lines->room ? 2 * lines->room : 64;
        lines->line = realloc(lines->line, lines->room * sizeof(json_t *));
        if (!lines->line)
            abort();
    }
    lines->line[lines->count++] = line;
}

/* How many bytes of a last line have no end. */
static size_t take(struct lines *lines)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t length;
    clearerr(lines->file);
    while ((length = getline(&text, &room, lines->file)) > 0 && text[length - 1] == '\n')
        add(lines, text, (size_t)length);
    free(text);
    if (length > 0 && fseek(lines->file, -length, SEEK_CUR) != 0)
        abort();
    return length > 0 ? (size_t)length : 0;
}

void lines_take(struct lines *lines)
{
    take(lines);
}

void lines_end(struct lines *lines)
{
    if (take(lines) > 0)
        harm_wrong("the last line has no end");
}

void lines_free(struct lines *lines)
{
    fclose(lines->file);
    for (size_t i = 0; i < lines->count; i++)
        json_decref(lines->line[i]);
    free(lines->line);
}

void lines_each(const char *path,
                void (*take)(void *context, const json_t *line, const char *record), void *context)
{
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        harm_broken("%s: %s", path, strerror(errno));
    while (getline(&line, &room, file) > 0) {
        json_t *json = json_loads(line, 0, NULL);
        const char *record = line_text(json, "record");
        if (record)
            take(context, json, record);
        else
            harm_wrong("not a line of JSON: %.100s", line);
        json_decref(json);
    }
    free(line);
    fclose(file);
}

bool line_is(const json_t *line, const char *word)
{
    return strcmp(line_text(line, "record"), word) == 0;
}

const char *line_text(const json_t *line, const char *key)
{
    return json_string_value(json_object_get(line, key));
}

double line_number(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);
    return json_is_number(value) ? json_number_value(value) : -1;
}

uint64_t line_amount(const json_t *line, const char *key)
{
    return (uint64_t)json_number_value(json_object_get(line, key));
}

bool line_is_unknown(const json_t *line, const char *key)
{
    return json_is_null(json_object_get(line, key));
}

int64_t line_wall_ms(const json_t *line)
{
    struct tm time = {0};
    const char *text = line_text(line, "ts");
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S.", &time) : NULL;
    char *end;
    long ms = rest ? strtol(rest, &end, 10) : -1;
    if (!rest || end != rest + 3 || strcmp(end, "Z") != 0)
        return -1;
    return (int64_t)timegm(&time) * 1000 + ms;
}

size_t lines_count(const struct lines *lines, const char *word)
{
    size_t count = 0;
    for (size_t i = 0; i < lines->count; i++)
        count += line_is(lines->line[i], word);
    return count;
}

const json_t *lines_find(const struct lines *lines, const char *word, size_t n)
{
    for (size_t i = 0; i < lines->count; i++)
        if (line_is(lines->line[i], word) && n-- == 0)
            return lines->line[i];
    return NULL;
}
