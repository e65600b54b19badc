/* tests/fuzz/wants.h - what a line must say, and whether it does.
 *
 * The fuzzer writes down each pair that a record must have, as facts; then the line, as
 * text and as JSON, is read back by a reader that shares nothing with the writer
 * (tests/story/record.h, jansson), and every pair is compared. Nothing may be missing
 * and nothing may be there besides. Where the line says that it was cut, texts may be cut
 * at their end, marked, and pairs of texts may be missing: numbers never.
 */
#ifndef TESTS_FUZZ_WANTS_H
#define TESTS_FUZZ_WANTS_H

#include "../../monitor/line.h"

enum want_kind {
    WANT_COUNT,
    WANT_DURATION,
    WANT_AT_MOST,
    WANT_SETTING,
    WANT_ETA,
    WANT_SECONDS,
    WANT_PLAIN_SECONDS,
    WANT_MICROSECONDS,
    WANT_BYTES,
    WANT_BYTES_OF,
    WANT_CORES,
    WANT_CORES_OF,
    WANT_SHARE,
    WANT_RATE,
    WANT_STEPS,
    WANT_PERCENT,
    WANT_PART,
    WANT_YES,
    WANT_FLAG,
    WANT_NONE,
    WANT_TEXT,
    WANT_THREAD,
    WANT_JOINED,
    WANT_FRAMES
};

struct want {
    enum want_kind kind;
    char key[24];
    uint64_t n, m;
    const char *text; /* NULL = unknown */
    size_t most;      /* of its bytes */
    const char *many; /* for joined ones: `count` texts, one every `most` bytes */
    size_t count;
    const char *between;
};

struct wants {
    const char *record;
    struct want all[256];
    size_t count;
    bool may_lack_numbers; /* it is a list of any length */
    bool may_say_truncated;
};

void wants_begin(struct wants *wants, const char *record);
void want_number(struct wants *wants, enum want_kind kind, const char *key, uint64_t n, uint64_t m);
void want_text(struct wants *wants, const char *key, const char *text);
void want_thread(struct wants *wants, const char *key, const struct hl_thread_ref *thread);
void want_many(struct wants *wants, enum want_kind kind, const char *key, const void *many,
               size_t each, size_t count, const char *between);
void want_word(struct wants *wants, enum want_kind kind, const char *key);

/* Ends the program where the line is not what is wanted. */
void wants_meet(const struct wants *wants, const struct hl_line_head *head,
                const struct hl_line *line);

/* What a reader gets of a text: each byte that is not UTF-8 became U+FFFD. To be freed. */
char *want_readable(const char *text, size_t most);

#endif
