/* See record.h. */
#define _GNU_SOURCE
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_LINE 4096 /* with its line feed */

static bool is_utf8(const char *text, size_t length)
{
    json_t *string = json_stringn(text, length); /* jansson checks it */
    bool is_good = string != NULL;
    json_decref(string);
    return is_good;
}

/* C0, DEL, and C1 as UTF-8 has it. */
static bool has_control(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        unsigned char next = i + 1 < length ? (unsigned char)text[i + 1] : 0;
        if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && next >= 0x80 && next < 0xa0))
            return true;
    }
    return false;
}

static char *take_word(const char **at, const char *stops)
{
    size_t length = strcspn(*at, stops);
    char *word = strndup(*at, length);
    *at += length;
    return word;
}

/* Behind the opening quote is a string with JSON's escapes. */
static char *take_quoted(const char **at)
{
    const char *end = *at + 1;
    while (*end && *end != '"')
        end += end[0] == '\\' && end[1] ? 2 : 1;
    if (!*end)
        return NULL;
    json_t *string =
        json_loadb(*at, (size_t)(end + 1 - *at), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    char *value = json_is_string(string) ? strdup(json_string_value(string)) : NULL;
    json_decref(string);
    *at = end + 1;
    return value;
}

static bool take_field(const char **at, struct field *field)
{
    *field = (struct field){0};
    field->key = take_word(at, " =<\"");
    if (!*field->key)
        return false;
    if (**at == '<')
        field->at_most = *(*at)++ == '<' && **at == '=';
    if (**at == '=') {
        ++*at;
        field->value = **at == '"' ? take_quoted(at) : take_word(at, " \"");
        return field->value != NULL && (**at == ' ' || **at == '\0');
    }
    return **at == ' ' || **at == '\0';
}

static bool take_time(const char **at)
{
    int year, month, day, hour, minute, second, milli, used = 0;
    if (sscanf(*at, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &year, &month, &day, &hour, &minute, &second,
               &milli, &used) != 7 ||
        used != 25)
        return false;
    *at += used;
    return true;
}

static bool read_text(struct record *record, const char *at)
{
    int used = 0;
    unsigned long long pid;
    if (record->at_ns == 0 && !take_time(&at))
        return false;
    if (sscanf(at, "[heartline %llu] %23[A-Za-z]%n", &pid, record->word, &used) != 2)
        return false;
    record->pid = pid;
    for (at += used; *at == ' ';) {
        record->fields =
            realloc(record->fields, (record->field_count + 1) * sizeof *record->fields);
        at++;
        if (!take_field(&at, &record->fields[record->field_count++]))
            return false;
    }
    return *at == '\0';
}

static bool read_json(struct record *record, const char *line)
{
    record->json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    const char *word = json_string_value(json_object_get(record->json, "record"));
    if (!word || json_integer_value(json_object_get(record->json, "schema")) != 1)
        return false;
    if (record->at_ns == 0 && !json_is_string(json_object_get(record->json, "ts")))
        return false;
    snprintf(record->word, sizeof record->word, "%s", word);
    record->pid = (uint64_t)json_integer_value(json_object_get(record->json, "pid"));
    return record->pid != 0;
}

static bool is_understood(struct record *record)
{
    return *record->line == '{' ? read_json(record, record->line) : read_text(record, record->line);
}

const char *record_read(struct record *record, int64_t at_ns, const char *line, size_t length)
{
    *record = (struct record){.line = strndup(line, length), .at_ns = at_ns};
    bool is_read = is_understood(record);
    if (length + 1 > LONGEST_LINE)
        return "a line that is too long";
    if (!is_utf8(line, length))
        return "not UTF-8";
    if (has_control(line, length))
        return "a control byte";
    return is_read ? NULL : "cannot be read";
}

void record_free(struct record *record)
{
    for (size_t i = 0; i < record->field_count; i++) {
        free(record->fields[i].key);
        free(record->fields[i].value);
    }
    free(record->fields);
    free(record->line);
    json_decref(record->json);
}

/* ---- asking ------------------------------------------------------------------------------ */

static const struct field *find_field(const struct record *record, const char *key)
{
    for (size_t i = 0; i < record->field_count; i++)
        if (strcmp(record->fields[i].key, key) == 0)
            return &record->fields[i];
    return NULL;
}

bool record_has(const struct record *record, const char *key)
{
    return record->json ? json_object_get(record->json, key) != NULL
                        : find_field(record, key) != NULL;
}

const char *record_text(const struct record *record, const char *key)
{
    if (record->json)
        return json_string_value(json_object_get(record->json, key));
    const struct field *field = find_field(record, key);
    return field ? field->value : NULL;
}

bool record_is(const struct record *record, const char *key, const char *value)
{
    const char *text = record_text(record, key);
    return text && strcmp(text, value) == 0;
}

double record_number(const struct record *record, const char *key)
{
    if (record->json) {
        json_t *value = json_object_get(record->json, key);
        return json_is_number(value) ? json_number_value(value) : -1;
    }
    const char *text = record_text(record, key);
    char *end;
    double number = text ? strtod(text, &end) : -1;
    return text && end != text ? number : -1;
}

/* 9.0s, 42s, 2m05s, 1h02m03s, 300ms. Rounded down or to the nearest. */
static bool read_duration(const char *text, double *low, double *high)
{
    double sum = 0;
    bool has_point = strchr(text, '.') != NULL, is_ms = strstr(text, "ms") != NULL;
    while (*text) {
        char *unit;
        double number = strtod(text, &unit);
        if (unit == text)
            return false;
        double factor = strncmp(unit, "ms", 2) == 0 ? 1
                        : *unit == 's'              ? 1000
                        : *unit == 'm'              ? 60000
                        : *unit == 'h'              ? 3600000
                                                    : 0;
        if (factor == 0)
            return false;
        sum += number * factor;
        text = unit + (factor == 1 ? 2 : 1);
    }
    double unit = is_ms ? 0 : has_point ? 100 : 1000;
    *low = sum - unit / 2;
    *high = sum + unit;
    return true;
}

bool record_ms(const struct record *record, const char *key, double *low, double *high)
{
    if (record->json) {
        char name[64];
        snprintf(name, sizeof name, "%s_ms", key);
        json_t *value = json_object_get(record->json, name);
        *low = json_number_value(value);
        *high = *low + 1;
        return json_is_number(value);
    }
    const char *text = record_text(record, key);
    return text && read_duration(text, low, high);
}

double record_ms_low(const struct record *record, const char *key)
{
    double low, high;
    return record_ms(record, key, &low, &high) ? low : -1;
}

double record_ms_high(const struct record *record, const char *key)
{
    double low, high;
    return record_ms(record, key, &low, &high) ? high : -1;
}

const char *record_thread_name(const struct record *record)
{
    if (record->json)
        return record_text(record, "thread_name");
    const char *thread = record_text(record, "thread");
    const char *slash = thread ? strchr(thread, '/') : NULL;
    return slash ? slash + 1 : "";
}

uint64_t record_thread_tid(const struct record *record)
{
    double tid = record_number(record, record->json ? "thread_tid" : "thread");
    return tid > 0 ? (uint64_t)tid : 0;
}
