/* tests/fuzz/fuzz_config.c - options and the environment, against a reading of their own.
 *
 * The first lines of an input are the values of the variables below, in that order; an
 * empty one is not set. What follows them fills the caller's options. What must come out
 * is worked out from what the documentation says: which values are accepted, that a
 * caller's wrong option refuses all, that a variable's wrong value is noted, and that
 * everything in force can be said and read again.
 */
#define _GNU_SOURCE
#include "../../monitor/config.h"
#include "../doubles/scripted_platform.h"
#include "fuzz.h"

#include <errno.h>
#include <regex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define FIRST_SIZE (offsetof(monitor_options, sink_data) + sizeof(void *))

static const struct rule {
    const char *variable;
    enum { OFF_OR_ON, DURATION, COUNT, WORD, TEXT, SIGNAL } kind;
    uint64_t least, most; /* of a text: of its bytes */
    bool may_be_never;
    size_t offset;
    const char *words[4];
} rules[] = {
#define FIELD(name) .offset = offsetof(monitor_options, name)
    {.variable = "HEARTLINE", .kind = OFF_OR_ON, .words = {"on", "off"}},
    {"HEARTLINE_INTERVAL", DURATION, .least = 10, .most = DAY, FIELD(interval_ms)},
    {"HEARTLINE_STALL", DURATION, .least = 10, .most = 30 * DAY, .may_be_never = true,
     FIELD(stall_ms)},
    {"HEARTLINE_PHASE_LINES", COUNT, .most = 10000, FIELD(phase_lines)},
    {"HEARTLINE_BUSY_LINES", COUNT, .most = 10000, FIELD(busy_lines)},
    {"HEARTLINE_STALL_LINES", COUNT, .least = 1, .most = 10000, FIELD(stall_lines)},
    {"HEARTLINE_FORMAT", WORD, FIELD(format), .words = {"text", "json"}},
    {"HEARTLINE_CLOCK", WORD, FIELD(clock), .words = {"coarse", "precise"}},
    {"HEARTLINE_FORK", WORD, FIELD(fork), .words = {"off", "restart"}},
    {"HEARTLINE_LOG", TEXT, .most = 4095, FIELD(log_path)},
    {"HEARTLINE_TAG", TEXT, .most = 63, FIELD(tag)},
    {"HEARTLINE_SIGNAL", SIGNAL, FIELD(beat_signal)},
    {"HEARTLINE_STACKS", WORD, FIELD(stacks), .words = {"passive", "interrupt", "off"}},
};
#define RULES (sizeof rules / sizeof rules[0])

/* ---- what a text means ------------------------------------------------------------ */

static const regex_t *compiled(regex_t *regex, const char *pattern)
{
    MUST(regcomp(regex, pattern, REG_EXTENDED) == 0, "%s", pattern);
    return regex;
}

/* A run of digits as 64 bits; false: more. */
static bool digits(const char *text, size_t length, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < length; i++)
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(text[i] - '0'), number))
            return false;
    return true;
}

static bool whole_number(const char *text, uint64_t *number)
{
    size_t length = strspn(text, "0123456789");
    return length > 0 && text[length] == '\0' && digits(text, length, number);
}

/* NUMBER or NUMBER.FRACTION in a unit, as milliseconds. */
static bool one_part(const char *text, const regmatch_t *number, const regmatch_t *fraction,
                     uint64_t unit, unsigned __int128 *sum)
{
    uint64_t whole, part = 0, scale = 1;
    if (!digits(text + number->rm_so, (size_t)(number->rm_eo - number->rm_so), &whole))
        return false;
    if (fraction->rm_so >= 0) {
        size_t length = (size_t)(fraction->rm_eo - fraction->rm_so) - 1;
        digits(text + fraction->rm_so + 1, length, &part);
        for (size_t i = 0; i < length; i++)
            scale *= 10;
    }
    *sum += (unsigned __int128)whole * unit + part * unit / scale;
    return part * unit % scale == 0;
}

#define NUMBER "([0-9]+)(\\.[0-9]{1,9})?"
static bool duration(const char *text, uint64_t *ms)
{
    static const uint64_t units[] = {DAY, HOUR, MINUTE, SECOND, 1};
    static regex_t with_units, bare;
    static const regex_t *ready;
    regmatch_t found[16];
    unsigned __int128 sum = 0;
    if (!ready) {
        compiled(&bare, "^" NUMBER "$");
        ready = compiled(&with_units, "^(" NUMBER "d)?(" NUMBER "h)?(" NUMBER "m)?(" NUMBER
                                      "s)?(" NUMBER "ms)?$");
    }
    if (regexec(&bare, text, 3, found, 0) == 0) {
        if (!one_part(text, &found[1], &found[2], SECOND, &sum))
            return false;
    } else {
        bool had_fraction = false;
        if (*text == '\0' || regexec(&with_units, text, 16, found, 0) != 0)
            return false;
        for (int i = 0; i < 5; i++) {
            const regmatch_t *part = &found[1 + 3 * i];
            if (part->rm_so < 0)
                continue;
            if (had_fraction || !one_part(text, part + 1, part + 2, units[i], &sum))
                return false;
            had_fraction = part[2].rm_so >= 0;
        }
    }
    *ms = (uint64_t)sum;
    return sum <= UINT64_MAX;
}

static bool is_signal(uint64_t number)
{
    static const int good[] = {SIGUSR1,   SIGUSR2, SIGHUP, SIGQUIT,  SIGALRM,
                               SIGVTALRM, SIGPROF, SIGURG, SIGWINCH, SIGIO};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (number == (uint64_t)good[i])
            return true;
    return number == 0 || (number >= (uint64_t)SIGRTMIN && number <= (uint64_t)SIGRTMAX);
}

static bool signal_of(const char *text, uint64_t *number)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"none", 0},       {"USR1", SIGUSR1}, {"USR2", SIGUSR2},     {"HUP", SIGHUP},
                 {"QUIT", SIGQUIT}, {"ALRM", SIGALRM}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF},
                 {"URG", SIGURG},   {"IO", SIGIO},     {"WINCH", SIGWINCH}};
    bool is_long = strncmp(text, "SIG", 3) == 0;
    for (size_t i = is_long ? 1 : 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text + (is_long ? 3 : 0), names[i].name) == 0) {
            *number = (uint64_t)names[i].number;
            return true;
        }
    return whole_number(text + (is_long ? 3 : 0), number);
}

static bool word_of(const struct rule *rule, const char *text, uint64_t *number)
{
    for (*number = 0; *number < 4 && rule->words[*number]; ++*number)
        if (strcmp(rule->words[*number], text) == 0)
            return true;
    return false;
}

static bool is_allowed(const struct rule *rule, uint64_t number)
{
    switch (rule->kind) {
    case DURATION:
    case COUNT:
        return (number == 0 && rule->may_be_never) ||
               (number >= rule->least && number <= rule->most);
    case SIGNAL:
        return is_signal(number);
    default:
        return number < 4 && rule->words[number];
    }
}

static bool means(const struct rule *rule, const char *text, uint64_t *number)
{
    switch (rule->kind) {
    case DURATION:
        *number = 0;
        return (rule->may_be_never && strcmp(text, "never") == 0) || duration(text, number);
    case COUNT:
        return whole_number(text, number);
    case SIGNAL:
        return signal_of(text, number);
    default:
        return word_of(rule, text, number);
    }
}

/* ---- values in the options ----------------------------------------------------------- */

static uint64_t number_in(const struct rule *rule, const monitor_options *options)
{
    const char *field = (const char *)options + rule->offset;
    uint64_t wide;
    uint32_t narrow;
    if (rule->kind == DURATION) {
        memcpy(&wide, field, sizeof wide);
        return wide;
    }
    memcpy(&narrow, field, sizeof narrow);
    return narrow;
}

static void put_number(const struct rule *rule, monitor_options *options, uint64_t number)
{
    char *field = (char *)options + rule->offset;
    uint32_t narrow = (uint32_t)number;
    if (rule->kind == DURATION)
        memcpy(field, &number, sizeof number);
    else
        memcpy(field, &narrow, sizeof narrow);
}

static const char *text_in(const struct rule *rule, const monitor_options *options)
{
    const char *text;
    memcpy(&text, (const char *)options + rule->offset, sizeof text);
    return text;
}

static void put_text(const struct rule *rule, monitor_options *options, const char *text)
{
    memcpy((char *)options + rule->offset, &text, sizeof text);
}

/* ---- an input -------------------------------------------------------------------------- */

static char *values[RULES]; /* of the variables; NULL = not set */
static char *texts[RULES];  /* of the options */

static char *line_of(struct fuzz_input *input)
{
    const uint8_t *end = memchr(input->at, '\n', fuzz_left(input));
    size_t length = end ? (size_t)(end - input->at) : fuzz_left(input);
    struct fuzz_input line = {input->at, input->at + length};
    char *text = length > 0 ? fuzz_new_text(&line, length) : NULL;
    input->at += length + (end != NULL);
    return text;
}

/* A struct of a size of its own, so that what is read beyond it is seen. */
static monitor_options *some_options(struct fuzz_input *input, bool *is_good)
{
    static const size_t sizes[] = {sizeof(monitor_options),
                                   sizeof(monitor_options),
                                   FIRST_SIZE,
                                   sizeof(monitor_options) + 24,
                                   4096,
                                   0,
                                   FIRST_SIZE - 1,
                                   4097};
    monitor_options preset;
    size_t size = sizes[fuzz_below(input, 8)], room = size > FIRST_SIZE ? size : FIRST_SIZE;
    *is_good = size >= FIRST_SIZE && size <= 4096;
    room = room < 4096 ? room : 4096;
    char *memory = calloc(1, room);
    if (!memory)
        abort();
    monitor_options_default(&preset);
    for (uint16_t i = 0, which = (uint16_t)(fuzz_byte(input) << 8 | fuzz_byte(input)); i < RULES;
         i++) {
        const struct rule *rule = &rules[i];
        if (!(which >> i & 1) || rule->kind == OFF_OR_ON)
            continue;
        if (rule->kind == TEXT)
            put_text(rule, &preset, texts[i] = fuzz_new_text(input, 5000));
        else
            put_number(rule, &preset, fuzz_number(input));
        bool is_there = rule->offset < size;
        *is_good &= !is_there || (rule->kind == TEXT ? strlen(texts[i]) <= rule->most
                                                     : is_allowed(rule, number_in(rule, &preset)));
    }
    preset.size = size;
    memcpy(memory, &preset, room < sizeof preset ? room : sizeof preset);
    if (room > sizeof preset && fuzz_bool(input)) {
        memory[room - 1] = 1; /* a field that only a later version knows */
        *is_good = false;
    }
    return (monitor_options *)memory;
}

/* ---- what must come out -------------------------------------------------------------------- */

static const struct hl_bad_value *noted(const struct hl_config *config, const struct rule *rule)
{
    for (size_t i = 0; i < config->bad_count; i++)
        if (strcmp(config->bad[i].variable, rule->variable) == 0)
            return &config->bad[i];
    return NULL;
}

static void meet_note(const struct hl_bad_value *bad, const char *value)
{
    static const char ellipsis[] = "\xe2\x80\xa6";
    size_t length = strlen(value), seen = strnlen(bad->value, sizeof bad->value);
    MUST(seen < sizeof bad->value && bad->accepted[0], "a note without an end");
    if (length < sizeof bad->value) {
        MUST(strcmp(bad->value, value) == 0, "%s, not %s", bad->value, value);
        return;
    }
    MUST(seen >= 3 && strcmp(bad->value + seen - 3, ellipsis) == 0, "%s: no mark", bad->value);
    MUST(memcmp(bad->value, value, seen - 3) == 0, "%s, not %s", bad->value, value);
    MUST(!fuzz_is_utf8(value, length) || (fuzz_is_utf8(bad->value, seen) && seen >= 124),
         "%s: cut badly", bad->value);
}

static void meet_text(const struct rule *rule, const struct hl_config *config, const char *wanted)
{
    const char *seen = text_in(rule, &config->options);
    bool is_none = wanted == NULL || wanted[0] == '\0';
    MUST(is_none == (seen == NULL), "%s: %s", rule->variable, seen);
    if (is_none)
        return;
    MUST(strcmp(seen, wanted) == 0, "%s: %s, not %s", rule->variable, seen, wanted);
    MUST(seen == config->log_path || seen == config->tag, "%s is not its own", rule->variable);
}

static void meet_one(const struct rule *rule, const struct hl_config *config, const char *value,
                     const monitor_options *base)
{
    const struct hl_bad_value *bad = noted(config, rule);
    uint64_t number = 0;
    bool is_good =
        value && (rule->kind == TEXT ? strlen(value) <= rule->most
                                     : means(rule, value, &number) && is_allowed(rule, number));
    MUST((bad != NULL) == (value && !is_good), "%s=%s: %s", rule->variable, value,
         bad ? "noted" : "not noted");
    if (bad)
        meet_note(bad, value);
    if (rule->kind == OFF_OR_ON)
        MUST(config->off == (is_good && number == 1), "%s=%s", rule->variable, value);
    else if (rule->kind == TEXT)
        meet_text(rule, config, is_good ? value : text_in(rule, base));
    else
        MUST(number_in(rule, &config->options) == (is_good ? number : number_in(rule, base)),
             "%s=%s: %llu", rule->variable, value,
             (unsigned long long)number_in(rule, &config->options));
}

/* What is shown of a setting is understood as the same. */
static void meet_shown(const struct rule *rule, const struct hl_config *config)
{
    static char shown[HL_PATH_BYTES];
    uint64_t number = 0;
    const struct hl_setting *setting = hl_settings;
    if (rule->kind == OFF_OR_ON || rule->kind == TEXT)
        return;
    while (strcmp(setting->variable, rule->variable) != 0)
        setting++;
    hl_config_show(setting, &config->options, shown, sizeof shown);
    MUST(means(rule, shown, &number) && number == number_in(rule, &config->options), "%s: %s",
         rule->variable, shown);
}

static void meet(const struct hl_config *config, const monitor_options *options)
{
    monitor_options base;
    size_t size = options->size < sizeof base ? options->size : sizeof base, bad = 0;
    monitor_options_default(&base);
    memcpy(&base, options, size);
    for (size_t i = 0; i < RULES; i++) {
        meet_one(&rules[i], config, values[i], &base);
        meet_shown(&rules[i], config);
        bad += noted(config, &rules[i]) != NULL;
    }
    MUST(bad == config->bad_count, "%zu notes, not %zu", config->bad_count, bad);
    MUST(config->options.size == sizeof config->options, "size");
}

static void meet_duration(const char *text)
{
    uint64_t seen = 0, wanted = 0;
    bool is_read = hl_config_duration(text, &seen), is_good = duration(text, &wanted);
    MUST(is_read == is_good && (!is_good || seen == wanted), "%s: %d %llu, not %d %llu", text,
         is_read, (unsigned long long)seen, is_good, (unsigned long long)wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hl_config config;
    struct fuzz_input input = fuzz_over(data, size);
    bool is_good;
    MUST(RULES == hl_settings_count, "an option that is not fuzzed");
    for (size_t i = 0; i < RULES; i++) {
        values[i] = line_of(&input);
        if (values[i] && !values[i][0]) {
            free(values[i]);
            values[i] = NULL;
        }
        if (values[i])
            meet_duration(values[i]);
        scripted_setenv(rules[i].variable, values[i]);
    }
    monitor_options *options = some_options(&input, &is_good);
    int result = hl_config_resolve(&config, options);
    MUST(result == (is_good ? 0 : -EINVAL), "%d, but the options are %s", result,
         is_good ? "good" : "bad");
    if (result == 0)
        meet(&config, options);
    free(options);
    for (size_t i = 0; i < RULES; i++) {
        free(values[i]);
        free(texts[i]);
        values[i] = texts[i] = NULL;
    }
    return 0;
}
