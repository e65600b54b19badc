/* monitor/json.c - a line as one JSON object: the same facts as plain numbers.
 *
 *     {"schema":1,"ts":"2026-11-21T01:35:00.123Z","pid":4242,"record":"beat","elapsed_ms":60000,...}
 *
 * The unit is part of the key: milliseconds (rounded down), bytes, cores and
 * shares in thousandths. An unknown figure is null, never 0, never a text.
 */
#include "encoding.h"

#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_US UINT64_C(1000)
#define DAY_NS (24 * 60 * 60 * 1000 * NS_PER_MS)

static void member(struct hl_line *line, const char *key, const char *unit)
{
    hl_put(line, ",\"");
    hl_put(line, key);
    hl_put(line, unit);
    hl_put(line, "\":");
}

/* Puts null in the place of a figure that is not known. */
static bool is_known(struct hl_line *line, uint64_t n)
{
    if (n != HL_UNKNOWN)
        return true;
    hl_put(line, "null");
    return false;
}

/* A reader with integers of 64 bits has them with a sign, and refuses the whole line. */
static void mark_as_real(struct hl_line *line, bool is_too_large)
{
    if (is_too_large)
        hl_put(line, ".0");
}

static void integer(struct hl_line *line, uint64_t n)
{
    hl_put_number(line, n);
    mark_as_real(line, n > INT64_MAX);
}

static void begin(struct hl_line *line, const struct hl_line_head *head, const char *record)
{
    hl_put(line, "{\"schema\":1");
    if (head->has_time) {
        hl_put(line, ",\"ts\":\"");
        hl_put_time(line, head->wall_ms);
        hl_put(line, "\"");
    }
    hl_put(line, ",\"pid\":");
    integer(line, head->pid);
    hl_put(line, ",\"record\":\"");
    hl_put(line, record);
    hl_put(line, "\"");
}

static void end(struct hl_line *line)
{
    hl_put(line, "}");
}

/* ---- Numbers ---- */

static void number(struct hl_line *line, const char *key, const char *unit, uint64_t n)
{
    member(line, key, unit);
    if (is_known(line, n))
        integer(line, n);
}

static void thousandths(struct hl_line *line, const char *key, const char *unit, uint64_t milli)
{
    member(line, key, unit);
    if (is_known(line, milli))
        hl_put_shortest(line, milli, 3);
}

static void count(struct hl_line *line, const char *key, uint64_t n)
{
    number(line, key, "", n);
}

static void part(struct hl_line *line, const char *key, uint64_t n, uint64_t of)
{
    number(line, key, "", n);
    number(line, key, "_of", of);
}

static void microseconds(struct hl_line *line, const char *key, uint64_t ns)
{
    number(line, key, "_us", ns == HL_UNKNOWN ? ns : hl_divide_up(ns, NS_PER_US));
}

static void duration(struct hl_line *line, const char *key, uint64_t ns)
{
    number(line, key, "_ms", ns == HL_UNKNOWN ? ns : ns / NS_PER_MS);
}

static void yes(struct hl_line *line, const char *key)
{
    member(line, key, "");
    hl_put(line, "true");
}

static void duration_at_most(struct hl_line *line, const char *key, uint64_t ns)
{
    number(line, key, "_ms", ns == HL_UNKNOWN ? ns : hl_divide_up(ns, NS_PER_MS));
    member(line, key, "_at_most");
    hl_put(line, "true");
}

static void eta(struct hl_line *line, const char *key, uint64_t ns)
{
    const bool beyond = ns != HL_UNKNOWN && ns > DAY_NS;
    duration(line, key, beyond ? DAY_NS : ns);
}

static void seconds(struct hl_line *line, const char *key, uint64_t ns, unsigned places)
{
    (void)places;
    duration(line, key, ns);
}

static void plain_seconds(struct hl_line *line, const char *key, uint64_t ns)
{
    thousandths(line, key, "", ns == HL_UNKNOWN ? ns : ns / NS_PER_MS);
}

static void bytes(struct hl_line *line, const char *key, uint64_t n)
{
    number(line, key, "_bytes", n);
}

static void bytes_of(struct hl_line *line, const char *key, uint64_t n, uint64_t limit)
{
    bytes(line, key, n);
    if (limit > 0)
        number(line, key, "_limit_bytes", limit);
}

static void share(struct hl_line *line, const char *key, uint64_t milli)
{
    thousandths(line, key, "", milli);
}

static void cores_of(struct hl_line *line, const char *key, uint64_t milli, uint64_t limit_milli)
{
    thousandths(line, key, "_cores", milli);
    thousandths(line, key, "_limit_cores", limit_milli);
}

static void rate(struct hl_line *line, const char *key, uint64_t milli)
{
    thousandths(line, key, "_per_s", milli);
}

/* ---- Progress ---- */

static void steps(struct hl_line *line, uint64_t current, uint64_t total)
{
    member(line, "progress", "_current");
    integer(line, current);
    member(line, "progress", "_total");
    if (total > 0)
        integer(line, total);
    else
        hl_put(line, "null");
}

static void percent(struct hl_line *line, uint64_t current, uint64_t total)
{
    member(line, "percent", "");
    hl_put_percent(line, current, total);
    mark_as_real(line, current / total >= INT64_MAX / 100);
}

/* ---- Words and texts ---- */

static void none(struct hl_line *line, const char *key)
{
    member(line, key, "");
    hl_put(line, "null");
}

static void string(struct hl_line *line, const char *value, size_t most)
{
    hl_put(line, "\"");
    hl_put_text(line, value, most);
    hl_put(line, "\"");
}

static void label(struct hl_line *line, const char *key, const char *value)
{
    member(line, key, "");
    string(line, value, SIZE_MAX);
}

static void text(struct hl_line *line, const char *key, const char *value)
{
    if (value)
        label(line, key, value);
    else
        none(line, key);
}

static void letter(struct hl_line *line, const char *key, char value)
{
    const char word[] = {value, 0};
    text(line, key, value ? word : NULL);
}

static void thread(struct hl_line *line, const char *key, const struct hl_thread_ref *ref)
{
    number(line, key, "_tid", ref->tid);
    member(line, key, "_name");
    if (ref->tid == HL_UNKNOWN)
        hl_put(line, "null");
    else
        string(line, ref->name, HL_NAME_BYTES);
}

static void labels(struct hl_line *line, const char *key, const char (*values)[HL_LABEL_BYTES],
                   size_t values_count, const char *between, size_t reserve)
{
    member(line, key, "");
    hl_put(line, "\"");
    hl_put_labels(line, values, values_count, between, reserve);
    hl_put(line, "\"");
}

static void frames(struct hl_line *line, const char *key, const char (*values)[HL_FRAME_BYTES],
                   size_t values_count, size_t reserve)
{
    member(line, key, "");
    hl_put(line, "[\"");
    hl_put_frames(line, values, values_count, "\",\"", reserve);
    hl_put(line, "\"]");
}

const struct hl_encoding hl_json_encoding = {
    .begin = begin,
    .end = end,
    .count = count,
    .duration = duration,
    .duration_at_most = duration_at_most,
    .setting = duration,
    .eta = eta,
    .plain_seconds = plain_seconds,
    .bytes = bytes,
    .share = share,
    .cores = share,
    .rate = rate,
    .microseconds = microseconds,
    .text = text,
    .label = label,
    .none = none,
    .flag = yes,
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
