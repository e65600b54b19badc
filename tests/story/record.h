/* tests/story/record.h - one line of a log, read by a reader of its own.
 *
 * Strictly: at most 4,096 bytes, UTF-8 without control characters, and all of it
 * understood by a logfmt reader, or by jansson.
 */
#ifndef TESTS_STORY_RECORD_H
#define TESTS_STORY_RECORD_H

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct field {
    char *key;
    char *value;  /* decoded; NULL: a bare word */
    bool at_most; /* key<=value */
};

struct record {
    char *line;
    int64_t at_ns; /* CLOCK_MONOTONIC when a callback got it; 0 = it went elsewhere */
    uint64_t pid;
    char word[24];
    json_t *json; /* or, as text: */
    struct field *fields;
    size_t field_count;
};

/* A line without its line feed. Returns what is wrong with it, or NULL. A callback gets
 * lines without a time stamp: then at_ns is not 0. */
const char *record_read(struct record *record, int64_t at_ns, const char *line, size_t length);
void record_free(struct record *record);

bool record_has(const struct record *record, const char *key);
/* NULL: it is not there, or is not a text. */
const char *record_text(const struct record *record, const char *key);
bool record_is(const struct record *record, const char *key, const char *value);
/* -1: it is not there, or not known. */
double record_number(const struct record *record, const char *key);
/* Between which two values a duration lies, as far as the line says; false: not there. */
bool record_ms(const struct record *record, const char *key, double *low, double *high);
double record_ms_low(const struct record *record, const char *key);
double record_ms_high(const struct record *record, const char *key);
const char *record_thread_name(const struct record *record);
uint64_t record_thread_tid(const struct record *record);

#endif
