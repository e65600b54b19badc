/* See wants.h. */
#define _GNU_SOURCE
#include "wants.h"

#include "../story/record.h"
#include "fuzz.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_NS 1000000u
#define S_NS UINT64_C(1000000000)
#define DAY_NS (24 * 3600 * S_NS)
#define ELLIPSIS "\xe2\x80\xa6"

/* ---- writing down ----------------------------------------------------------------- */

void wants_begin(struct wants *wants, const char *record)
{
    wants->record = record;
    wants->count = 0;
    wants->may_lack_numbers = wants->may_say_truncated = false;
}

static struct want *add(struct wants *wants, enum want_kind kind, const char *key)
{
    MUST(wants->count < sizeof wants->all / sizeof wants->all[0], "too many wants");
    struct want *want = &wants->all[wants->count++];
    *want = (struct want){.kind = kind};
    snprintf(want->key, sizeof want->key, "%s", key);
    return want;
}

void want_number(struct wants *wants, enum want_kind kind, const char *key, uint64_t n, uint64_t m)
{
    struct want *want = add(wants, kind, key);
    want->n = n;
    want->m = m;
}

void want_text(struct wants *wants, const char *key, const char *text)
{
    struct want *want = add(wants, WANT_TEXT, key);
    want->text = text;
    want->most = SIZE_MAX;
}

void want_thread(struct wants *wants, const char *key, const struct hl_thread_ref *thread)
{
    struct want *want = add(wants, WANT_THREAD, key);
    want->n = thread->tid;
    want->text = thread->name;
    want->most = sizeof thread->name;
}

void want_many(struct wants *wants, enum want_kind kind, const char *key, const void *many,
               size_t each, size_t count, const char *between)
{
    struct want *want = add(wants, kind, key);
    want->many = many;
    want->most = each;
    want->count = count;
    want->between = between;
}

void want_word(struct wants *wants, enum want_kind kind, const char *key)
{
    add(wants, kind, key);
}

/* ---- texts ------------------------------------------------------------------------- */

char *want_readable(const char *text, size_t most)
{
    size_t length = strnlen(text, most), used = 0;
    char *readable = malloc(3 * length + 1);
    uint32_t code;
    if (!readable)
        abort();
    for (size_t at = 0, bytes; at < length; at += bytes) {
        bytes = fuzz_character(text + at, length - at, &code);
        const char *from = bytes ? text + at : "\xef\xbf\xbd";
        size_t size = bytes ? bytes : 3;
        memcpy(readable + used, from, size);
        used += size;
        bytes = bytes ? bytes : 1;
    }
    readable[used] = '\0';
    return readable;
}

static bool is_cut_of(const char *seen, const char *wanted)
{
    size_t length = strlen(seen), mark = strlen(ELLIPSIS);
    return length >= mark && strcmp(seen + length - mark, ELLIPSIS) == 0 &&
           strncmp(seen, wanted, length - mark) == 0;
}

static void meet_text(const struct want *want, const char *seen, bool truncated)
{
    MUST((seen == NULL) == (want->text == NULL), "%s: known, or not", want->key);
    if (!seen)
        return;
    char *wanted = want_readable(want->text, want->most);
    MUST(strcmp(seen, wanted) == 0 || (truncated && is_cut_of(seen, wanted)), "%s: %s, not %s",
         want->key, seen, wanted);
    free(wanted);
}

static char *join(const struct want *want, const char *between)
{
    char *joined = NULL;
    size_t size;
    FILE *file = open_memstream(&joined, &size);
    for (size_t i = 0; i < want->count; i++) {
        char *one = want_readable(want->many + i * want->most, want->most);
        fprintf(file, "%s%s", i ? between : "", one);
        free(one);
    }
    fclose(file);
    return joined;
}

static void meet_joined(const struct want *want, const char *between, const char *seen,
                        bool truncated)
{
    char *wanted = join(want, between);
    MUST(seen && (strcmp(seen, wanted) == 0 || (truncated && strstr(seen, ELLIPSIS))),
         "%s: %s, not %s", want->key, seen ? seen : "no text", wanted);
    free(wanted);
}

/* ---- numbers -------------------------------------------------------------------------- */

static uint64_t up(uint64_t n, uint64_t unit)
{
    return n / unit + (n % unit != 0);
}

static double percent_of(uint64_t current, uint64_t total)
{
    return (double)((unsigned __int128)current * 100 / total);
}

/* As far as a double tells, and `below`, `above`. */
static bool is_about(double seen, double wanted, double below, double above)
{
    double blur = fabs(wanted) * 1e-9 + 1e-9;
    return seen >= wanted - below - blur && seen <= wanted + above + blur;
}

/* A number at the beginning, and what must follow it. */
static double leading(const struct want *want, const char **text)
{
    char *end;
    double number = strtod(*text, &end);
    MUST(end != *text, "%s: no number in %s", want->key, *text);
    *text = end;
    return number;
}

static bool skip(const char **text, const char *what)
{
    size_t length = strlen(what);
    if (strncmp(*text, what, length) != 0)
        return false;
    *text += length;
    return true;
}

/* A `?` where the figure is not known. */
static bool is_known(const struct want *want, uint64_t n, const char **text)
{
    if (n != HL_UNKNOWN)
        return true;
    MUST(skip(text, "?"), "%s: %s, but it is not known", want->key, *text);
    return false;
}

static void meet_exactly(const struct want *want, uint64_t n, const char **text)
{
    char wanted[24];
    snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)n);
    MUST(skip(text, wanted), "%s: %s, not %s", want->key, *text, wanted);
}

static void meet_count(const struct want *want, uint64_t n, const char **text)
{
    if (is_known(want, n, text))
        meet_exactly(want, n, text);
}

static void meet_about(const struct want *want, uint64_t n, double unit, double below, double above,
                       const char *after, const char **text)
{
    const char *all = *text;
    if (!is_known(want, n, text))
        return;
    MUST(is_about(leading(want, text), (double)n / unit, below, above) && skip(text, after),
         "%s: %s, not %g%s", want->key, all, (double)n / unit, after);
}

static void meet_bytes(const struct want *want, uint64_t n, const char **text)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    const char *all = *text;
    if (!is_known(want, n, text))
        return;
    double seen = leading(want, text);
    for (int i = 6; i >= 0; i--) {
        double unit = pow(1024, i);
        if (!skip(text, units[i]))
            continue;
        MUST(seen < 1024 || i == 6, "%s: %s in too small a unit", want->key, all);
        MUST(is_about(seen, (double)n / unit, 0.1, 0), "%s: %s, not %g", want->key, all,
             (double)n / unit);
        return;
    }
    MUST(false, "%s: no unit in %s", want->key, all);
}

/* At most a tenth, or what is as exact as it gets. */
static void meet_cores(const struct want *want, uint64_t milli, const char **text)
{
    meet_about(want, milli, 1000, milli < 100 ? 0 : 0.05, milli < 100 ? 0 : 0.05, "", text);
}

static void meet_rate(const struct want *want, const char **text)
{
    double off = want->n < 100 ? 0 : want->n < 99950 ? 0.05 : 0.5;
    meet_about(want, want->n, 1000, off, off, "/s", text);
}

static void meet_duration(const struct want *want, const struct record *record, const char **text)
{
    double low, high, ms = (double)want->n / MS_NS;
    if (!is_known(want, want->n, text))
        return;
    bool is_read = record_ms(record, want->key, &low, &high);
    double blur = ms * 1e-9 + 1e-6, slack = want->kind == WANT_AT_MOST ? (high - low) : 0;
    MUST(is_read && ms >= low - slack - blur && ms <= high + blur, "%s: %s, not %g ms", want->key,
         *text, ms);
    *text += strlen(*text);
}

static void meet_special_duration(const struct want *want, const struct record *record,
                                  const char **text)
{
    bool is_never = want->kind == WANT_SETTING && want->n == 0;
    bool is_long = want->kind == WANT_ETA && want->n != HL_UNKNOWN && want->n > DAY_NS;
    if (is_never || is_long)
        MUST(skip(text, is_never ? "never" : ">1d"), "%s: %s", want->key, *text);
    else
        meet_duration(want, record, text);
}

/* ---- a pair of text ------------------------------------------------------------------- */

static void meet_slash(const struct want *want, const char **text)
{
    MUST(skip(text, "/"), "%s: no / before %s", want->key, *text);
}

static void meet_bytes_of(const struct want *want, const char **text)
{
    meet_bytes(want, want->n, text);
    if (want->m == 0)
        return;
    meet_slash(want, text);
    meet_bytes(want, want->m, text);
}

static void meet_cores_of(const struct want *want, const char **text)
{
    meet_about(want, want->n, 1000, 0.05, 0.05, "", text);
    meet_slash(want, text);
    meet_cores(want, want->m, text);
}

/* A counter is known whatever it is; a total of 0 is not. */
static void meet_steps(const struct want *want, const char **text)
{
    meet_exactly(want, want->n, text);
    meet_slash(want, text);
    if (want->m > 0)
        meet_exactly(want, want->m, text);
    else
        MUST(skip(text, "?"), "%s: a total: %s", want->key, *text);
}

static void meet_part(const struct want *want, const char **text)
{
    meet_count(want, want->n, text);
    meet_slash(want, text);
    meet_count(want, want->m, text);
}

static void meet_number(const struct want *want, const struct record *record, const char *seen)
{
    const char *text = seen;
    MUST(text, "%s has no value", want->key);
    switch (want->kind) {
    case WANT_COUNT:
        meet_count(want, want->n, &text);
        break;
    case WANT_DURATION:
    case WANT_AT_MOST:
    case WANT_SETTING:
    case WANT_ETA:
        meet_special_duration(want, record, &text);
        break;
    case WANT_SECONDS:
        meet_about(want, want->n, 1e9, 0.005, 0.005, "s", &text);
        break;
    case WANT_PLAIN_SECONDS:
        meet_about(want, want->n, 1e9, 0.05, 0.05, "", &text);
        break;
    case WANT_MICROSECONDS:
        meet_about(want, want->n, 1000, 0, 1, "us", &text);
        break;
    case WANT_BYTES:
        meet_bytes(want, want->n, &text);
        break;
    case WANT_CORES:
        meet_cores(want, want->n, &text);
        break;
    case WANT_SHARE:
        meet_about(want, want->n, 1000, 0.005, 0.005, "", &text);
        break;
    case WANT_RATE:
        meet_rate(want, &text);
        break;
    case WANT_PERCENT:
        MUST(is_about(leading(want, &text), percent_of(want->n, want->m), 0, 0), "%s: %s",
             want->key, seen);
        break;
    case WANT_BYTES_OF:
        meet_bytes_of(want, &text);
        break;
    case WANT_CORES_OF:
        meet_cores_of(want, &text);
        break;
    case WANT_STEPS:
        meet_steps(want, &text);
        break;
    default:
        meet_part(want, &text);
    }
    MUST(*text == '\0', "%s: more than a number: %s", want->key, seen);
}

static void meet_thread(const struct want *want, const char *seen, bool truncated)
{
    struct want name = *want;
    const char *text = seen;
    MUST(text, "%s has no value", want->key);
    if (!is_known(want, want->n, &text))
        return;
    meet_count(want, want->n, &text);
    MUST(skip(&text, "/"), "%s: no / in %s", want->key, seen);
    meet_text(&name, text, truncated);
}

static void meet_word(const struct want *want, const char *seen)
{
    const char *wanted = want->kind == WANT_YES ? "yes" : want->kind == WANT_NONE ? "none" : NULL;
    MUST(wanted ? seen && strcmp(seen, wanted) == 0 : !seen, "%s: %s", want->key,
         seen ? seen : "a bare word");
}

static void meet_in_text(const struct want *want, const struct record *record, bool truncated)
{
    const char *seen = record_text(record, want->key);
    switch (want->kind) {
    case WANT_TEXT:
        /* A bare ? stands for what is not known, and a text that says so looks the same. */
        if (!want->text)
            MUST(seen && strcmp(seen, "?") == 0, "%s: not ?", want->key);
        else
            meet_text(want, seen, truncated);
        break;
    case WANT_THREAD:
        meet_thread(want, seen, truncated);
        break;
    case WANT_JOINED:
    case WANT_FRAMES:
        meet_joined(want, want->between, seen, truncated);
        break;
    case WANT_YES:
    case WANT_NONE:
    case WANT_FLAG:
        meet_word(want, seen);
        break;
    default:
        meet_number(want, record, seen);
    }
}

/* ---- the same in JSON ------------------------------------------------------------------- */

static const json_t *member(const struct want *want, const struct record *record, const char *unit)
{
    char key[64];
    snprintf(key, sizeof key, "%s%s", want->key, unit);
    const json_t *value = json_object_get(record->json, key);
    MUST(value, "there is no %s", key);
    return value;
}

static void meet_json_known(const struct want *want, const struct record *record, const char *unit,
                            uint64_t n, double scale)
{
    const json_t *value = member(want, record, unit);
    if (scale == 1 && json_is_integer(value))
        MUST((uint64_t)json_integer_value(value) == n, "%s%s: %lld, not %llu", want->key, unit,
             (long long)json_integer_value(value), (unsigned long long)n);
    else
        MUST(json_is_number(value) &&
                 is_about(json_number_value(value), (double)n / scale, 5e-10, 5e-10),
             "%s%s: %g, not %g", want->key, unit, json_number_value(value), (double)n / scale);
}

static void meet_json_number(const struct want *want, const struct record *record, const char *unit,
                             uint64_t n, double scale)
{
    if (n == HL_UNKNOWN)
        MUST(json_is_null(member(want, record, unit)), "%s is not known", want->key);
    else
        meet_json_known(want, record, unit, n, scale);
}

static uint64_t known_part(uint64_t ns, uint64_t unit, bool rounds_up)
{
    return ns == HL_UNKNOWN ? ns : rounds_up ? up(ns, unit) : ns / unit;
}

static void meet_json_duration(const struct want *want, const struct record *record)
{
    bool is_long = want->kind == WANT_ETA && want->n != HL_UNKNOWN && want->n > DAY_NS;
    uint64_t ns = is_long ? DAY_NS : want->n;
    meet_json_number(want, record, "_ms", known_part(ns, MS_NS, want->kind == WANT_AT_MOST), 1);
    if (want->kind == WANT_AT_MOST)
        MUST(json_is_true(member(want, record, "_at_most")), "%s: no bound", want->key);
}

static void meet_json_frames(const struct want *want, const struct record *record, bool truncated)
{
    const json_t *all = member(want, record, "");
    MUST(json_is_array(all), "%s: no array", want->key);
    if (truncated)
        return; /* which ones are left is seen in the text */
    MUST(json_array_size(all) == (want->count ? want->count : 1), "%s: %zu, not %zu", want->key,
         json_array_size(all), want->count);
    for (size_t i = 0; i < want->count; i++) {
        struct want one = *want;
        one.text = want->many + i * want->most;
        meet_text(&one, json_string_value(json_array_get(all, i)), false);
    }
}

static void meet_json_thread(const struct want *want, const struct record *record, bool truncated)
{
    struct want name = *want;
    meet_json_number(want, record, "_tid", want->n, 1);
    if (want->n == HL_UNKNOWN)
        name.text = NULL;
    meet_text(&name, json_string_value(member(want, record, "_name")), truncated);
}

static void meet_json_steps(const struct want *want, const struct record *record)
{
    meet_json_known(want, record, "_current", want->n, 1);
    if (want->m > 0)
        meet_json_known(want, record, "_total", want->m, 1);
    else
        MUST(json_is_null(member(want, record, "_total")), "%s: a total", want->key);
}

static void meet_in_json(const struct want *want, const struct record *record, bool truncated)
{
    switch (want->kind) {
    case WANT_COUNT:
        meet_json_number(want, record, "", want->n, 1);
        break;
    case WANT_DURATION:
    case WANT_AT_MOST:
    case WANT_SETTING:
    case WANT_ETA:
    case WANT_SECONDS:
        meet_json_duration(want, record);
        break;
    case WANT_PLAIN_SECONDS:
        meet_json_number(want, record, "", known_part(want->n, MS_NS, false), 1000);
        break;
    case WANT_MICROSECONDS:
        meet_json_number(want, record, "_us", known_part(want->n, 1000, true), 1);
        break;
    case WANT_BYTES:
    case WANT_BYTES_OF:
        meet_json_number(want, record, "_bytes", want->n, 1);
        if (want->kind == WANT_BYTES_OF && want->m > 0)
            meet_json_number(want, record, "_limit_bytes", want->m, 1);
        break;
    case WANT_CORES:
    case WANT_SHARE:
        meet_json_number(want, record, "", want->n, 1000);
        break;
    case WANT_CORES_OF:
        meet_json_number(want, record, "_cores", want->n, 1000);
        meet_json_number(want, record, "_limit_cores", want->m, 1000);
        break;
    case WANT_RATE:
        meet_json_number(want, record, "_per_s", want->n, 1000);
        break;
    case WANT_STEPS:
        meet_json_steps(want, record);
        break;
    case WANT_PERCENT:
        MUST(is_about(json_number_value(member(want, record, "")), percent_of(want->n, want->m), 0,
                      0),
             "percent");
        break;
    case WANT_PART:
        meet_json_number(want, record, "", want->n, 1);
        meet_json_number(want, record, "_of", want->m, 1);
        break;
    case WANT_YES:
    case WANT_FLAG:
        MUST(json_is_true(member(want, record, "")), "%s is not true", want->key);
        break;
    case WANT_NONE:
        MUST(json_is_null(member(want, record, "")), "%s is not null", want->key);
        break;
    case WANT_TEXT:
        meet_text(want, json_string_value(member(want, record, "")), truncated);
        break;
    case WANT_THREAD:
        meet_json_thread(want, record, truncated);
        break;
    case WANT_JOINED:
        meet_joined(want, want->between, json_string_value(member(want, record, "")), truncated);
        break;
    case WANT_FRAMES:
        meet_json_frames(want, record, truncated);
        break;
    }
}

/* ---- the line --------------------------------------------------------------------------- */

static size_t members_of(const struct want *want)
{
    switch (want->kind) {
    case WANT_AT_MOST:
    case WANT_CORES_OF:
    case WANT_STEPS:
    case WANT_PART:
    case WANT_THREAD:
        return 2;
    case WANT_BYTES_OF:
        return want->m > 0 ? 2 : 1;
    default:
        return 1;
    }
}

static const char *first_unit(const struct want *want)
{
    switch (want->kind) {
    case WANT_DURATION:
    case WANT_AT_MOST:
    case WANT_SETTING:
    case WANT_ETA:
    case WANT_SECONDS:
        return "_ms";
    case WANT_MICROSECONDS:
        return "_us";
    case WANT_BYTES:
    case WANT_BYTES_OF:
        return "_bytes";
    case WANT_CORES_OF:
        return "_cores";
    case WANT_RATE:
        return "_per_s";
    case WANT_STEPS:
        return "_current";
    case WANT_THREAD:
        return "_tid";
    default:
        return "";
    }
}

static bool is_there(const struct want *want, const struct record *record)
{
    char key[64];
    snprintf(key, sizeof key, "%s%s", want->key, record->json ? first_unit(want) : "");
    return record_has(record, key);
}

static bool may_be_missing(const struct wants *wants, const struct want *want)
{
    return want->kind >= WANT_TEXT || wants->may_lack_numbers;
}

static bool says_truncated(const struct record *record)
{
    return record->json ? json_is_true(json_object_get(record->json, "truncated"))
                        : record_is(record, "truncated", "yes");
}

static size_t pairs_in(const struct record *record, const struct hl_line_head *head)
{
    return record->json ? json_object_size(record->json) - 3 - head->has_time : record->field_count;
}

static void meet_tag(const struct hl_line_head *head, const struct record *record, bool truncated)
{
    struct want want = {.kind = WANT_TEXT, .key = "tag", .text = head->tag, .most = SIZE_MAX};
    if (head->tag && head->tag[0])
        meet_text(&want, record_text(record, "tag"), truncated);
}

static void meet_record(const struct wants *wants, const struct hl_line_head *head,
                        const struct record *record)
{
    bool truncated = says_truncated(record);
    size_t pairs = truncated + (head->tag && head->tag[0]);
    MUST(strcmp(record->word, wants->record) == 0, "record %s", record->word);
    meet_tag(head, record, truncated);
    for (size_t i = 0; i < wants->count; i++) {
        const struct want *want = &wants->all[i];
        if (truncated && may_be_missing(wants, want) && !is_there(want, record))
            continue;
        MUST(is_there(want, record), "there is no %s", want->key);
        pairs += record->json ? members_of(want) : 1;
        if (record->json)
            meet_in_json(want, record, truncated);
        else
            meet_in_text(want, record, truncated);
    }
    MUST(pairs == pairs_in(record, head), "%zu pairs, not %zu", pairs_in(record, head), pairs);
}

static void meet_line(const struct hl_line *line)
{
    uint32_t code;
    MUST(line->length > 0 && line->length <= 4096, "%zu bytes", line->length);
    MUST(line->bytes[line->length] == '\0' && strlen(line->bytes) == line->length, "a NUL");
    MUST(line->bytes[line->length - 1] == '\n', "no line feed");
    for (size_t at = 0, bytes; at < line->length - 1; at += bytes) {
        bytes = fuzz_character(line->bytes + at, line->length - 1 - at, &code);
        MUST(bytes > 0, "not UTF-8 at %zu", at);
        MUST(!fuzz_is_control(code), "U+%04X at %zu", (unsigned)code, at);
    }
}

void wants_meet(const struct wants *wants, const struct hl_line_head *head,
                const struct hl_line *line)
{
    struct record record;
    meet_line(line);
    const char *trouble = record_read(&record, !head->has_time, line->bytes, line->length - 1);
    MUST(!trouble, "%s: %s", trouble, line->bytes);
    MUST(!says_truncated(&record) || wants->may_say_truncated || line->length > 500,
         "cut, and there was room: %s", line->bytes);
    meet_record(wants, head, &record);
    record_free(&record);
}
