/* tests/harm/lines.h - a log in JSON, read strictly, also while it is being written.
 *
 * A line that is not whole, no JSON, longer than 4,096 bytes or without what every line
 * has is said as wrong. json_t is jansson's.
 */
#ifndef HARM_LINES_H
#define HARM_LINES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct lines {
    FILE *file;
    long pid;         /* that every line must name */
    bool is_timeless; /* through a callback: without time stamps */
    size_t count, room;
    json_t **line;
};

/* The log need not be there yet. */
void lines_open(struct lines *lines, const char *path, long pid);
/* Takes what was written since. */
void lines_take(struct lines *lines);
/* The last time: what is left must be whole. */
void lines_end(struct lines *lines);
void lines_free(struct lines *lines);

/* One after the other, and none is kept: for logs that are long, or of several processes. */
void lines_each(const char *path,
                void (*take)(void *context, const json_t *line, const char *record), void *context);

bool line_is(const json_t *line, const char *word);
/* The text at the key; NULL: there is none. */
const char *line_text(const json_t *line, const char *key);
/* -1: there is none. */
double line_number(const json_t *line, const char *key);
/* 0: there is none. */
uint64_t line_amount(const json_t *line, const char *key);
/* The key is there, and null. */
bool line_is_unknown(const json_t *line, const char *key);
/* Its time stamp, in milliseconds since 1970. */
int64_t line_wall_ms(const json_t *line);

size_t lines_count(const struct lines *lines, const char *word);
/* The n-th from 0, or NULL. */
const json_t *lines_find(const struct lines *lines, const char *word, size_t n);

#endif
