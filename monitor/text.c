/* monitor/text.c - a line as logfmt: for people first, and for every log reader.
 *
 *     2026-11-21T01:35:00.123Z [heartline 4242] beat elapsed=1m00s cpu=6.8/8 ...
 *
 * Figures are as exact as a person wants them: durations and shares are
 * rounded to the nearest, bytes down, an upper bound up. An unknown one is `?`.
 * The exact figures are in the JSON form.
 */
#include "encoding.h"

#include <stdint.h>

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_US UINT64_C(1000)
#define DAY_NS (24 * 60 * 60 * NS_PER_S)

static void pair(struct hl_line *line, const char *key)
{
    hl_put(line, " ");
    hl_put(line, key);
    hl_put(line, "=");
}

/* Puts `?` in the place of a figure that is not known. */
static bool is_known(struct hl_line *line, uint64_t n)
{
    if (n != HL_UNKNOWN)
        return true;
    hl_put(line, "?");
    return false;
}

static void begin(struct hl_line *line, const struct hl_line_head *head, const char *record)
{
    if (head->has_time) {
        hl_put_time(line, head->wall_ms);
        hl_put(line, " ");
    }
    hl_put(line, "[heartline ");
    hl_put_number(line, head->pid);
    hl_put(line, "] ");
    hl_put(line, record);
}

static void end(struct hl_line *line)
{
    (void)line;
}

static void count(struct hl_line *line, const char *key, uint64_t n)
{
    pair(line, key);
    if (is_known(line, n))
        hl_put_number(line, n);
}

static void part(struct hl_line *line, const char *key, uint64_t n, uint64_t of)
{
    count(line, key, n);
    hl_put(line, "/");
    if (is_known(line, of))
        hl_put_number(line, of);
}

/* ---- Durations ---- */

static void put_clock(struct hl_line *line, uint64_t seconds)
{
    const uint64_t hours = seconds / 3600, minutes = seconds / 60 % 60;
    if (hours > 0) {
        hl_put_number(line, hours);
        hl_put(line, "h");
    }
    if (hours > 0 || minutes > 0) {
        hl_put_padded(line, minutes, hours > 0 ? 2 : 1);
        hl_put(line, "m");
    }
    hl_put_padded(line, seconds % 60, seconds >= 60 ? 2 : 1);
    hl_put(line, "s");
}

static uint64_t divide_to_nearest(uint64_t ns, uint64_t unit)
{
    return ns / unit + (ns % unit >= unit / 2);
}

/* The same duration in both units. */
static void put_duration(struct hl_line *line, uint64_t tenths, uint64_t seconds)
{
    if (tenths >= 100) {
        put_clock(line, seconds);
        return;
    }
    hl_put_decimal(line, tenths, 1);
    hl_put(line, "s");
}

/* To the nearest: a wake-up some microseconds early or late must not turn a
 * window of one minute into 59 seconds. */
static void put_nearest(struct hl_line *line, uint64_t ns)
{
    put_duration(line, divide_to_nearest(ns, NS_PER_S / 10), divide_to_nearest(ns, NS_PER_S));
}

static void duration(struct hl_line *line, const char *key, uint64_t ns)
{
    pair(line, key);
    if (is_known(line, ns))
        put_nearest(line, ns);
}

static void duration_at_most(struct hl_line *line, const char *key, uint64_t ns)
{
    hl_put(line, " ");
    hl_put(line, key);
    hl_put(line, "<=");
    if (is_known(line, ns))
        put_duration(line, hl_divide_up(ns, NS_PER_S / 10), hl_divide_up(ns, NS_PER_S));
}

static void setting(struct hl_line *line, const char *key, uint64_t ns)
{
    pair(line, key);
    if (ns == 0) {
        hl_put(line, "never");
    } else if (ns % NS_PER_S == 0) {
        put_clock(line, ns / NS_PER_S);
    } else {
        hl_put_number(line, ns / NS_PER_MS);
        hl_put(line, "ms");
    }
}

static void eta(struct hl_line *line, const char *key, uint64_t ns)
{
    pair(line, key);
    if (!is_known(line, ns))
        return;
    if (ns > DAY_NS)
        hl_put(line, ">1d");
    else
        put_nearest(line, ns);
}

static void put_seconds(struct hl_line *line, uint64_t ns, unsigned places)
{
    uint64_t unit = NS_PER_S;
    for (unsigned i = 0; i < places; i++)
        unit /= 10;
    hl_put_decimal(line, divide_to_nearest(ns, unit), places);
}

static void seconds(struct hl_line *line, const char *key, uint64_t ns, unsigned places)
{
    pair(line, key);
    if (!is_known(line, ns))
        return;
    put_seconds(line, ns, places);
    hl_put(line, "s");
}

static void microseconds(struct hl_line *line, const char *key, uint64_t ns)
{
    pair(line, key);
    if (!is_known(line, ns))
        return;
    hl_put_number(line, hl_divide_up(ns, NS_PER_US));
    hl_put(line, "us");
}

static void plain_seconds(struct hl_line *line, const char *key, uint64_t ns)
{
    pair(line, key);
    if (is_known(line, ns))
        put_seconds(line, ns, 1);
}

/* ---- Bytes ---- */

static void put_bytes(struct hl_line *line, uint64_t n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    while (n >> (10 * unit) >= 1024) /* 64 bits are below 16 EiB */
        unit++;
    const uint64_t one = UINT64_C(1) << (10 * unit);
    hl_put_number(line, n / one);
    if (unit > 0) {
        hl_put(line, ".");
        hl_put_number(line, n % one * 10 / one);
    }
    hl_put(line, units[unit]);
}

static void bytes(struct hl_line *line, const char *key, uint64_t n)
{
    pair(line, key);
    if (is_known(line, n))
        put_bytes(line, n);
}

static void bytes_of(struct hl_line *line, const char *key, uint64_t n, uint64_t limit)
{
    bytes(line, key, n);
    if (limit == 0)
        return;
    hl_put(line, "/");
    if (is_known(line, limit))
        put_bytes(line, limit);
}

/* ---- Thousandths ---- */

static void put_cores(struct hl_line *line, uint64_t milli)
{
    /* A tenth of a core or less would look like none: 0.05 stays 0.05. */
    if (milli % 1000 == 0 || milli < 100)
        hl_put_shortest(line, milli, 3);
    else
        hl_put_decimal(line, hl_divide_nearest(milli, 100), 1);
}

static void cores(struct hl_line *line, const char *key, uint64_t milli)
{
    pair(line, key);
    if (is_known(line, milli))
        put_cores(line, milli);
}

static void cores_of(struct hl_line *line, const char *key, uint64_t milli, uint64_t limit_milli)
{
    pair(line, key);
    if (is_known(line, milli))
        hl_put_decimal(line, hl_divide_nearest(milli, 100), 1);
    hl_put(line, "/");
    if (is_known(line, limit_milli))
        put_cores(line, limit_milli);
}

static void share(struct hl_line *line, const char *key, uint64_t milli)
{
    pair(line, key);
    if (is_known(line, milli))
        hl_put_decimal(line, hl_divide_nearest(milli, 10), 2);
}

static void put_rate(struct hl_line *line, uint64_t milli)
{
    if (milli >= 99950) /* 100.0 to the nearest tenth */
        hl_put_number(line, hl_divide_nearest(milli, 1000));
    else if (milli > 0 && milli < 100)
        hl_put_decimal(line, milli, 3);
    else
        hl_put_decimal(line, hl_divide_nearest(milli, 100), 1);
    hl_put(line, "/s");
}

static void rate(struct hl_line *line, const char *key, uint64_t milli)
{
    pair(line, key);
    if (is_known(line, milli))
        put_rate(line, milli);
}

/* ---- Progress ---- */

static void steps(struct hl_line *line, uint64_t current, uint64_t total)
{
    pair(line, "progress");
    hl_put_number(line, current);
    hl_put(line, "/");
    if (total > 0)
        hl_put_number(line, total);
    else
        hl_put(line, "?");
}

static void percent(struct hl_line *line, uint64_t current, uint64_t total)
{
    pair(line, "percent");
    hl_put_percent(line, current, total);
}

/* ---- Words and texts ---- */

static void label(struct hl_line *line, const char *key, const char *value)
{
    pair(line, key);
    hl_put(line, "\"");
    hl_put_text(line, value, SIZE_MAX);
    hl_put(line, "\"");
}

static void text(struct hl_line *line, const char *key, const char *value)
{
    if (value && hl_text_needs_quotes(value, SIZE_MAX)) {
        label(line, key, value);
        return;
    }
    pair(line, key);
    if (value)
        hl_put_text(line, value, SIZE_MAX);
    else
        hl_put(line, "?");
}

static void none(struct hl_line *line, const char *key)
{
    pair(line, key);
    hl_put(line, "none");
}

static void flag(struct hl_line *line, const char *word)
{
    hl_put(line, " ");
    hl_put(line, word);
}

static void yes(struct hl_line *line, const char *key)
{
    pair(line, key);
    hl_put(line, "yes");
}

static void letter(struct hl_line *line, const char *key, char value)
{
    const char word[] = {value, 0};
    text(line, key, value ? word : NULL);
}

static void thread(struct hl_line *line, const char *key, const struct hl_thread_ref *ref)
{
    const bool quoted = ref->name[0] && hl_text_needs_quotes(ref->name, HL_NAME_BYTES);
    const char *quote = quoted ? "\"" : "";
    pair(line, key);
    if (!is_known(line, ref->tid))
        return;
    hl_put(line, quote);
    hl_put_number(line, ref->tid);
    hl_put(line, "/");
    hl_put_text(line, ref->name, HL_NAME_BYTES);
    hl_put(line, quote);
}

static void labels(struct hl_line *line, const char *key, const char (*values)[HL_LABEL_BYTES],
                   size_t values_count, const char *between, size_t reserve)
{
    pair(line, key);
    hl_put(line, "\"");
    hl_put_labels(line, values, values_count, between, reserve);
    hl_put(line, "\"");
}

static void frames(struct hl_line *line, const char *key, const char (*values)[HL_FRAME_BYTES],
                   size_t values_count, size_t reserve)
{
    pair(line, key);
    hl_put(line, "\"");
    hl_put_frames(line, values, values_count, " < ", reserve);
    hl_put(line, "\"");
}

const struct hl_encoding hl_text_encoding = {
    .begin = begin,
    .end = end,
    .count = count,
    .duration = duration,
    .duration_at_most = duration_at_most,
    .setting = setting,
    .eta = eta,
    .plain_seconds = plain_seconds,
    .bytes = bytes,
    .share = share,
    .cores = cores,
    .rate = rate,
    .microseconds = microseconds,
    .text = text,
    .label = label,
    .none = none,
    .flag = flag,
    .yes = yes,
    .seconds = seconds,
    .bytes_of = bytes_of,
    .cores_of = cores_of,
    .steps = steps,
    .percent = percent,
    .letter = letter,
    .thread = thread,
    .labels = labels,
    .frames = frames,
    .part = part,
};
