/* monitor/encoding.h - what a log format has to provide, and what it can build on.
 *
 * A format (text.c, json.c) says how each kind of value looks, nothing else:
 * line.c calls it for one pair at a time and takes the pair back when it did not
 * fit. Below are the pieces that both formats are made of. Quoted texts are the
 * same in both: logfmt readers decode JSON's escapes.
 */
#ifndef HL_ENCODING_H
#define HL_ENCODING_H

#include "line.h"

typedef void hl_write_number(struct hl_line *line, const char *key, uint64_t n);
typedef void hl_write_text(struct hl_line *line, const char *key, const char *text);
typedef void hl_write_key(struct hl_line *line, const char *key);

/* Each member writes what the hl_line_ function of the same name promises. */
struct hl_encoding {
    void (*begin)(struct hl_line *line, const struct hl_line_head *head, const char *record);
    void (*end)(struct hl_line *line); /* all but the line feed */
    hl_write_number *count, *duration, *duration_at_most, *setting, *eta, *plain_seconds, *bytes,
        *share, *cores, *rate, *microseconds;
    hl_write_text *text, *label;
    hl_write_key *none, *flag, *yes;
    void (*seconds)(struct hl_line *line, const char *key, uint64_t ns, unsigned places);
    void (*bytes_of)(struct hl_line *line, const char *key, uint64_t bytes, uint64_t limit);
    void (*cores_of)(struct hl_line *line, const char *key, uint64_t milli, uint64_t limit_milli);
    void (*steps)(struct hl_line *line, uint64_t current, uint64_t total);   /* total 0 = unknown */
    void (*percent)(struct hl_line *line, uint64_t current, uint64_t total); /* total is not 0 */
    void (*letter)(struct hl_line *line, const char *key, char letter);      /* 0 = unknown */
    void (*thread)(struct hl_line *line, const char *key, const struct hl_thread_ref *thread);
    void (*labels)(struct hl_line *line, const char *key, const char (*labels)[HL_LABEL_BYTES],
                   size_t count, const char *between, size_t reserve);
    void (*frames)(struct hl_line *line, const char *key, const char (*frames)[HL_FRAME_BYTES],
                   size_t count, size_t reserve);
    void (*part)(struct hl_line *line, const char *key, uint64_t n, uint64_t of);
};

extern const struct hl_encoding hl_text_encoding, hl_json_encoding;

/* As they are: our own words. */
void hl_put(struct hl_line *line, const char *text);
void hl_put_number(struct hl_line *line, uint64_t n);
void hl_put_padded(struct hl_line *line, uint64_t n, unsigned digits);
/* n / 10^places, with exactly that many decimals. */
void hl_put_decimal(struct hl_line *line, uint64_t n, unsigned places);
/* The same without zeros at the end: 6.8, 8, 0.125. */
void hl_put_shortest(struct hl_line *line, uint64_t n, unsigned places);
/* current of total in percent, rounded down, exact for all values; total is not 0. */
void hl_put_percent(struct hl_line *line, uint64_t current, uint64_t total);
/* 2026-11-21T01:35:00.123Z; later than the year 9999 stays at its last millisecond. */
void hl_put_time(struct hl_line *line, uint64_t wall_ms);

/* n / unit rounded up, rounded to nearest: without overflow for any n. */
uint64_t hl_divide_up(uint64_t n, uint64_t unit);
uint64_t hl_divide_nearest(uint64_t n, uint64_t unit);

/* Somebody else's text, escaped for use between quotes (or bare, if it needs none),
 * at most `most` bytes of it, cut with an ellipsis where there is little room. */
void hl_put_text(struct hl_line *line, const char *text, size_t most);
bool hl_text_needs_quotes(const char *text, size_t most);
/* Labels joined, escaped as above, see hl_line_labels; and frames. */
void hl_put_labels(struct hl_line *line, const char (*labels)[HL_LABEL_BYTES], size_t count,
                   const char *between, size_t reserve);
void hl_put_frames(struct hl_line *line, const char (*frames)[HL_FRAME_BYTES], size_t count,
                   const char *between, size_t reserve);

/* The first character of `text` (at least one byte) as it is written between
 * quotes, not terminated; returns its size and says how many bytes of the text
 * it stands for. A byte that is not UTF-8 stands alone and becomes \ufffd. */
#define HL_ESCAPED_BYTES 12
size_t hl_escape(const char *text, size_t length, char escaped[HL_ESCAPED_BYTES], size_t *taken);

#endif
