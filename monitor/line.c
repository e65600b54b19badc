/* monitor/line.c - one log line under construction: the buffer, and what both
 * formats share.
 *
 * Nothing is ever written past `limit`, which keeps room for the end of the
 * line. A pair is written as a whole or not at all: one that runs out of room is
 * taken back, so a line is well-formed whatever happened. That is the safety
 * net; what really keeps a line short is that every text leaves TAIL bytes free
 * for the numbers after it, and that a path gives way before anything else.
 *
 * Texts come from the program: labels, thread names, paths. Whatever could end
 * a line, move the cursor, turn the direction of writing or hide itself is
 * escaped (CWE-117); other characters stay as they are, so that logs can be read
 * in any language.
 */
#include "line.h"

#include "encoding.h"

#include <string.h>

/* `,"truncated":true}` and the line feed, the longer one of the two formats. */
#define CLOSING 19
/* More than the numbers that follow a text in any record. */
#define TAIL 512

#define ELLIPSIS "…"

/* ---- The buffer ---- */

static void put_bytes(struct hl_line *line, const char *bytes, size_t count)
{
    if (count > line->limit - line->length) {
        line->overflowed = true;
        return;
    }
    memcpy(line->bytes + line->length, bytes, count);
    line->length += count;
}

void hl_put(struct hl_line *line, const char *text)
{
    put_bytes(line, text, strlen(text));
}

static size_t room(const struct hl_line *line, size_t reserve)
{
    size_t left = line->limit - line->length;
    return left > reserve ? left - reserve : 0;
}

/* Ends a pair that began at `mark`. */
static void keep_whole(struct hl_line *line, size_t mark)
{
    if (!line->overflowed)
        return;
    line->length = mark;
    line->overflowed = false;
    line->truncated = true;
}

/* ---- Numbers ---- */

#define DIGITS 20 /* of UINT64_MAX */

void hl_put_padded(struct hl_line *line, uint64_t n, unsigned digits)
{
    char reversed[DIGITS], text[DIGITS];
    size_t length = 0;
    do {
        reversed[length++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0 || length < digits);
    for (size_t i = 0; i < length; i++)
        text[i] = reversed[length - 1 - i];
    put_bytes(line, text, length);
}

void hl_put_number(struct hl_line *line, uint64_t n)
{
    hl_put_padded(line, n, 1);
}

void hl_put_decimal(struct hl_line *line, uint64_t n, unsigned places)
{
    uint64_t one = 1;
    for (unsigned i = 0; i < places; i++)
        one *= 10;
    hl_put_number(line, n / one);
    if (places == 0)
        return;
    hl_put(line, ".");
    hl_put_padded(line, n % one, places);
}

void hl_put_shortest(struct hl_line *line, uint64_t n, unsigned places)
{
    while (places > 0 && n % 10 == 0) {
        n /= 10;
        places--;
    }
    hl_put_decimal(line, n, places);
}

/* part * 100 / total for part < total, where the product may not fit: added up
 * a hundred times, counting how often the sum passes the total. */
static uint64_t hundredths(uint64_t part, uint64_t total)
{
    uint64_t passed = 0, sum = 0;
    for (int i = 0; i < 100; i++) {
        if (sum >= total - part) {
            sum -= total - part;
            passed++;
        } else {
            sum += part;
        }
    }
    return passed;
}

void hl_put_percent(struct hl_line *line, uint64_t current, uint64_t total)
{
    uint64_t whole = current / total, rest = hundredths(current % total, total);
    /* Digits side by side, since whole * 100 may not fit either. */
    if (whole > 0) {
        hl_put_number(line, whole);
        hl_put_padded(line, rest, 2);
    } else {
        hl_put_number(line, rest);
    }
}

uint64_t hl_divide_up(uint64_t n, uint64_t unit)
{
    return n / unit + (n % unit != 0);
}

uint64_t hl_divide_nearest(uint64_t n, uint64_t unit)
{
    return n / unit + (n % unit >= unit - unit / 2);
}

/* ---- Time stamps ---- */

struct civil_date {
    uint64_t year, month, day;
};

/* The Gregorian date of a day since 1970. Years are counted from 1 March, so that
 * the leap day is the last of its year (Howard Hinnant, "chrono-Compatible
 * Low-Level Date Algorithms"). */
static struct civil_date date_of(uint64_t day)
{
    uint64_t since_0000 = day + 719468;
    uint64_t era = since_0000 / 146097, in_era = since_0000 % 146097;
    uint64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    uint64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    uint64_t from_march = (5 * in_year + 2) / 153;
    struct civil_date date = {.day = in_year - (153 * from_march + 2) / 5 + 1};
    date.month = from_march < 10 ? from_march + 3 : from_march - 9;
    date.year = era * 400 + year + (date.month <= 2);
    return date;
}

static void put_part(struct hl_line *line, uint64_t n, unsigned digits, const char *after)
{
    hl_put_padded(line, n, digits);
    hl_put(line, after);
}

void hl_put_time(struct hl_line *line, uint64_t wall_ms)
{
    const uint64_t last_ms = 253402300799999; /* 9999-12-31T23:59:59.999Z */
    const uint64_t ms = wall_ms < last_ms ? wall_ms : last_ms;
    const struct civil_date date = date_of(ms / 86400000);
    put_part(line, date.year, 4, "-");
    put_part(line, date.month, 2, "-");
    put_part(line, date.day, 2, "T");
    put_part(line, ms / 3600000 % 24, 2, ":");
    put_part(line, ms / 60000 % 60, 2, ":");
    put_part(line, ms / 1000 % 60, 2, ".");
    put_part(line, ms % 1000, 3, "Z");
}

/* ---- Characters ---- */

struct character {
    uint32_t code;
    size_t bytes; /* in the text, at least 1 */
    bool valid;
};

static size_t sequence_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2)
        return 0;
    if (lead < 0xe0)
        return 2;
    if (lead < 0xf0)
        return 3;
    return lead < 0xf5 ? 4 : 0;
}

static bool is_scalar(uint32_t code, size_t bytes)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    return code >= least[bytes] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
}

/* RFC 3629: neither overlong forms, surrogates, nor half a character. */
static struct character next_character(const char *text, size_t length)
{
    const struct character invalid = {.bytes = 1};
    const unsigned char lead = (unsigned char)text[0];
    const size_t bytes = sequence_length(lead);
    if (bytes == 0 || bytes > length)
        return invalid;
    uint32_t code = bytes == 1 ? lead : lead & (0x7fU >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        const unsigned char next = (unsigned char)text[i];
        if ((next & 0xc0) != 0x80)
            return invalid;
        code = code << 6 | (next & 0x3f);
    }
    if (!is_scalar(code, bytes))
        return invalid;
    return (struct character){.code = code, .bytes = bytes, .valid = true};
}

struct range {
    uint32_t first, last;
};

static bool is_within(uint32_t code, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    }
    return false;
}

/* What acts on a terminal or a reader instead of being seen (Unicode 15: Cc, Zl,
 * Zp, and the format characters that are invisible or turn the direction). */
static bool is_hidden(uint32_t code)
{
    static const struct range hidden[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},
        {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
        {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
    };
    return is_within(code, hidden, sizeof hidden / sizeof hidden[0]);
}

static bool is_space(uint32_t code)
{
    static const struct range spaces[] = {
        {0x20, 0x20},     {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
        {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000},
    };
    return is_within(code, spaces, sizeof spaces / sizeof spaces[0]);
}

/* The letter after the backslash where JSON has a short escape, else 0. */
static char short_escape(uint32_t code)
{
    switch (code) {
    case '"':
        return '"';
    case '\\':
        return '\\';
    case '\n':
        return 'n';
    case '\t':
        return 't';
    case '\r':
        return 'r';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    default:
        return 0;
    }
}

static size_t write_hex_escape(char *out, uint32_t unit)
{
    static const char digits[] = "0123456789abcdef";
    out[0] = '\\';
    out[1] = 'u';
    for (unsigned i = 0; i < 4; i++)
        out[2 + i] = digits[unit >> (12 - 4 * i) & 0xf];
    return 6;
}

static size_t write_numeric_escape(char *out, uint32_t code)
{
    if (code < 0x10000)
        return write_hex_escape(out, code);
    /* JSON knows 16 bits only: a surrogate pair. */
    size_t size = write_hex_escape(out, 0xd800 + ((code - 0x10000) >> 10));
    return size + write_hex_escape(out + size, 0xdc00 + (code & 0x3ff));
}

size_t hl_escape(const char *text, size_t length, char escaped[HL_ESCAPED_BYTES], size_t *taken)
{
    const struct character c = next_character(text, length);
    const char letter = short_escape(c.code);
    *taken = c.bytes;
    if (!c.valid)
        return write_hex_escape(escaped, 0xfffd);
    if (letter) {
        escaped[0] = '\\';
        escaped[1] = letter;
        return 2;
    }
    if (is_hidden(c.code))
        return write_numeric_escape(escaped, c.code);
    memcpy(escaped, text, c.bytes);
    return c.bytes;
}

/* ---- Texts ---- */

static size_t bounded_length(const char *text, size_t most)
{
    const char *end = memchr(text, 0, most);
    return end ? (size_t)(end - text) : most;
}

static size_t escaped_size(const char *text, size_t length)
{
    char escaped[HL_ESCAPED_BYTES];
    size_t size = 0;
    for (size_t at = 0, taken; at < length; at += taken)
        size += hl_escape(text + at, length - at, escaped, &taken);
    return size;
}

/* As many whole characters as fit into `budget` bytes. */
static void put_escaped(struct hl_line *line, const char *text, size_t length, size_t budget)
{
    char escaped[HL_ESCAPED_BYTES];
    for (size_t at = 0, taken; at < length; at += taken) {
        const size_t size = hl_escape(text + at, length - at, escaped, &taken);
        if (size > budget)
            return;
        put_bytes(line, escaped, size);
        budget -= size;
    }
}

static void put_fitting(struct hl_line *line, const char *text, size_t length, size_t budget)
{
    const size_t mark = sizeof ELLIPSIS - 1;
    if (escaped_size(text, length) <= budget) {
        put_escaped(line, text, length, budget);
        return;
    }
    put_escaped(line, text, length, budget > mark ? budget - mark : 0);
    hl_put(line, ELLIPSIS);
    line->truncated = true;
}

/* A text longer than a line is cut anyway: no need to walk through a megabyte. */
static size_t useful_length(const char *text, size_t most)
{
    return bounded_length(text, most < HL_LINE_BYTES ? most : HL_LINE_BYTES);
}

void hl_put_text(struct hl_line *line, const char *text, size_t most)
{
    put_fitting(line, text, useful_length(text, most), room(line, TAIL));
}

static bool is_bare(const struct character *c)
{
    if (!c->valid || c->code == '=' || short_escape(c->code))
        return false;
    return !is_space(c->code) && !is_hidden(c->code);
}

bool hl_text_needs_quotes(const char *text, size_t most)
{
    const size_t length = useful_length(text, most);
    for (size_t at = 0; at < length;) {
        const struct character c = next_character(text + at, length - at);
        if (!is_bare(&c))
            return true;
        at += c.bytes;
    }
    return length == 0;
}

/* ---- Labels and frames, joined ---- */

struct joined {
    const char *labels; /* one every `each` bytes */
    size_t each, count;
    const char *between;
    size_t gap, gap_end; /* the labels from gap to gap_end are left out, "…" in their place */
};

static const char *label_at(const struct joined *j, size_t i, size_t *length)
{
    const char *label = j->labels + i * j->each;
    *length = bounded_length(label, j->each);
    return label;
}

static size_t label_size(const struct joined *j, size_t i)
{
    size_t length;
    const char *label = label_at(j, i, &length);
    return escaped_size(label, length);
}

static size_t joined_size(const struct joined *j)
{
    const size_t separator = strlen(j->between);
    size_t size = 0;
    for (size_t i = 0; i < j->count; i++) {
        if (i < j->gap || i >= j->gap_end)
            size += label_size(j, i) + separator;
    }
    if (j->gap < j->gap_end)
        size += sizeof ELLIPSIS - 1 + separator;
    return size - separator;
}

/* One more label out of the middle; the last one stays. */
static bool widen_gap(struct joined *j)
{
    const size_t head = j->gap, tail = j->count - j->gap_end;
    if (tail > 1 && tail > head)
        j->gap_end++;
    else if (head > 0)
        j->gap--;
    else
        return false;
    return true;
}

static void put_label(struct hl_line *line, const struct joined *j, size_t i, size_t reserve)
{
    size_t length;
    const char *label = label_at(j, i, &length);
    put_fitting(line, label, length, room(line, reserve));
    if (i + 1 < j->count)
        hl_put(line, j->between);
}

static void put_joined(struct hl_line *line, const struct joined *j, size_t reserve)
{
    for (size_t i = 0; i < j->gap; i++)
        put_label(line, j, i, reserve);
    if (j->gap < j->gap_end) {
        hl_put(line, ELLIPSIS);
        hl_put(line, j->between);
        line->truncated = true;
    }
    for (size_t i = j->gap_end; i < j->count; i++)
        put_label(line, j, i, reserve);
}

static void put_what_fits(struct hl_line *line, struct joined *j, size_t reserve)
{
    if (j->count == 0)
        return;
    while (joined_size(j) > room(line, reserve) && widen_gap(j))
        continue;
    put_joined(line, j, reserve);
}

void hl_put_labels(struct hl_line *line, const char (*labels)[HL_LABEL_BYTES], size_t count,
                   const char *between, size_t reserve)
{
    struct joined j = {(const char *)labels, HL_LABEL_BYTES, count, between, count / 2, count / 2};
    put_what_fits(line, &j, reserve + sizeof "\"" - 1);
}

void hl_put_frames(struct hl_line *line, const char (*frames)[HL_FRAME_BYTES], size_t count,
                   const char *between, size_t reserve)
{
    struct joined j = {(const char *)frames, HL_FRAME_BYTES, count, between, count / 2, count / 2};
    put_what_fits(line, &j, reserve + sizeof "\"]" - 1);
}

/* ---- The line ---- */

void hl_line_begin(struct hl_line *line, const struct hl_line_head *head, const char *record)
{
    line->encoding = head->format == MONITOR_JSON ? &hl_json_encoding : &hl_text_encoding;
    line->length = 0;
    line->limit = HL_LINE_BYTES - CLOSING;
    line->overflowed = false;
    line->truncated = false;
    line->encoding->begin(line, head, record);
    if (head->tag && head->tag[0])
        hl_line_text(line, "tag", head->tag);
}

size_t hl_line_end(struct hl_line *line)
{
    line->limit = HL_LINE_BYTES;
    if (line->truncated)
        line->encoding->yes(line, "truncated");
    line->encoding->end(line);
    hl_put(line, "\n");
    line->bytes[line->length] = 0;
    return line->length;
}

/* ---- Pairs ---- */

static void put_key(struct hl_line *line, hl_write_key *write, const char *key)
{
    const size_t mark = line->length;
    write(line, key);
    keep_whole(line, mark);
}

static void put_pair(struct hl_line *line, hl_write_number *write, const char *key, uint64_t n)
{
    const size_t mark = line->length;
    write(line, key, n);
    keep_whole(line, mark);
}

static void put_text_pair(struct hl_line *line, hl_write_text *write, const char *key,
                          const char *text)
{
    const size_t mark = line->length;
    write(line, key, text);
    keep_whole(line, mark);
}

void hl_line_count(struct hl_line *line, const char *key, uint64_t n)
{
    put_pair(line, line->encoding->count, key, n);
}

void hl_line_duration(struct hl_line *line, const char *key, uint64_t ns)
{
    put_pair(line, line->encoding->duration, key, ns);
}

void hl_line_duration_at_most(struct hl_line *line, const char *key, uint64_t ns)
{
    put_pair(line, line->encoding->duration_at_most, key, ns);
}

void hl_line_setting(struct hl_line *line, const char *key, uint64_t ns)
{
    put_pair(line, line->encoding->setting, key, ns);
}

void hl_line_eta(struct hl_line *line, const char *key, uint64_t ns)
{
    put_pair(line, line->encoding->eta, key, ns);
}

void hl_line_seconds(struct hl_line *line, const char *key, uint64_t ns, unsigned places)
{
    const size_t mark = line->length;
    line->encoding->seconds(line, key, ns, places);
    keep_whole(line, mark);
}

void hl_line_plain_seconds(struct hl_line *line, const char *key, uint64_t ns)
{
    put_pair(line, line->encoding->plain_seconds, key, ns);
}

void hl_line_bytes(struct hl_line *line, const char *key, uint64_t bytes)
{
    put_pair(line, line->encoding->bytes, key, bytes);
}

void hl_line_bytes_of(struct hl_line *line, const char *key, uint64_t bytes, uint64_t limit)
{
    const size_t mark = line->length;
    line->encoding->bytes_of(line, key, bytes, limit);
    keep_whole(line, mark);
}

void hl_line_cores_of(struct hl_line *line, const char *key, uint64_t milli, uint64_t limit_milli)
{
    const size_t mark = line->length;
    line->encoding->cores_of(line, key, milli, limit_milli);
    keep_whole(line, mark);
}

void hl_line_share(struct hl_line *line, const char *key, uint64_t milli)
{
    put_pair(line, line->encoding->share, key, milli);
}

void hl_line_cores(struct hl_line *line, const char *key, uint64_t milli)
{
    put_pair(line, line->encoding->cores, key, milli);
}

void hl_line_rate(struct hl_line *line, const char *key, uint64_t milli)
{
    put_pair(line, line->encoding->rate, key, milli);
}

void hl_line_steps(struct hl_line *line, const struct hl_progress_view *progress)
{
    const size_t mark = line->length;
    if (!progress->present)
        return;
    line->encoding->steps(line, progress->current, progress->total);
    keep_whole(line, mark);
}

static void put_percent(struct hl_line *line, const struct hl_progress_view *progress)
{
    const size_t mark = line->length;
    if (progress->total == 0)
        return;
    line->encoding->percent(line, progress->current, progress->total);
    keep_whole(line, mark);
}

static void put_pace(struct hl_line *line, const struct hl_progress_view *progress)
{
    if (progress->idle_ns != HL_UNKNOWN) {
        hl_line_duration(line, "idle_for", progress->idle_ns);
        return;
    }
    if (progress->rate_milli != HL_UNKNOWN)
        hl_line_rate(line, "rate", progress->rate_milli);
    if (progress->eta_ns != HL_UNKNOWN)
        hl_line_eta(line, "eta", progress->eta_ns);
}

void hl_line_progress(struct hl_line *line, const struct hl_progress_view *progress)
{
    if (!progress->present)
        return;
    hl_line_steps(line, progress);
    put_percent(line, progress);
    put_pace(line, progress);
    if (progress->total_grew)
        hl_line_yes(line, "total_grew");
}

void hl_line_text(struct hl_line *line, const char *key, const char *text)
{
    put_text_pair(line, line->encoding->text, key, text);
}

void hl_line_label(struct hl_line *line, const char *key, const char *label)
{
    put_text_pair(line, line->encoding->label, key, label);
}

void hl_line_none(struct hl_line *line, const char *key)
{
    put_key(line, line->encoding->none, key);
}

void hl_line_letter(struct hl_line *line, const char *key, char letter)
{
    const size_t mark = line->length;
    line->encoding->letter(line, key, letter);
    keep_whole(line, mark);
}

void hl_line_thread(struct hl_line *line, const char *key, const struct hl_thread_ref *thread)
{
    const size_t mark = line->length;
    line->encoding->thread(line, key, thread);
    keep_whole(line, mark);
}

void hl_line_labels(struct hl_line *line, const char *key, const char (*labels)[HL_LABEL_BYTES],
                    size_t count, const char *between, size_t reserve)
{
    const size_t mark = line->length;
    line->encoding->labels(line, key, labels, count, between, reserve);
    keep_whole(line, mark);
}

void hl_line_frames(struct hl_line *line, const char *key, const char (*frames)[HL_FRAME_BYTES],
                    size_t count, size_t reserve)
{
    const size_t mark = line->length;
    line->encoding->frames(line, key, frames, count, reserve);
    keep_whole(line, mark);
}

void hl_line_part(struct hl_line *line, const char *key, uint64_t n, uint64_t of)
{
    const size_t mark = line->length;
    line->encoding->part(line, key, n, of);
    keep_whole(line, mark);
}

void hl_line_microseconds(struct hl_line *line, const char *key, uint64_t ns)
{
    put_pair(line, line->encoding->microseconds, key, ns);
}

void hl_line_flag(struct hl_line *line, const char *word)
{
    put_key(line, line->encoding->flag, word);
}

void hl_line_yes(struct hl_line *line, const char *key)
{
    put_key(line, line->encoding->yes, key);
}
