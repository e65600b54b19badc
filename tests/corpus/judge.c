/* See corpus.h. */
#define _GNU_SOURCE
#include "corpus.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TOKENS 24

const char *text_of(const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    return story_keep(text);
}

/* ---- patterns ----------------------------------------------------------------------------- */

struct token {
    char *key, *value;
    enum { EQUALS, DIFFERS, AT_LEAST, AT_MOST, IS_THERE, IS_NOT_THERE } operation;
};

struct pattern {
    long count; /* -1: any number but 0 */
    char word[24];
    struct token selects[TOKENS], claims[TOKENS];
    size_t select_count, claim_count;
    const char *missing; /* a fact that the program did not tell */
};

static const char *insert_facts(const struct log *log, const char *text, const char **missing)
{
    const char *open = strchr(text, '{'), *close = open ? strchr(open, '}') : NULL;
    if (!close)
        return text;
    char name[64];
    size_t n = 0, length = (size_t)(close - open - 1);
    snprintf(name, sizeof name, "%.*s", (int)length, open + 1);
    char *point = strchr(name, '.');
    if (point) {
        n = (size_t)atoi(point + 1);
        *point = '\0';
    }
    const char *value = log_fact_text(log, name, n);
    if (!value)
        *missing = text_of("%s", name);
    return insert_facts(
        log, text_of("%.*s%s%s", (int)(open - text), text, value ? value : "?", close + 1),
        missing);
}

static char *take_token(const char **at)
{
    char text[512];
    size_t length = 0;
    bool is_quoted = false;
    while (**at == ' ')
        ++*at;
    for (; **at && (is_quoted || **at != ' '); ++*at) {
        if (**at == '\'')
            is_quoted = !is_quoted;
        else if (length + 1 < sizeof text)
            text[length++] = **at;
    }
    text[length] = '\0';
    return length > 0 ? story_keep(strdup(text)) : NULL;
}

static struct token read_token(char *text)
{
    struct token token = {.key = text, .operation = IS_THERE};
    if (*text == '!') {
        token.key++;
        token.operation = IS_NOT_THERE;
        return token;
    }
    char *at = strpbrk(text, "=!<>");
    if (!at)
        return token;
    token.operation = *at == '=' ? EQUALS : *at == '!' ? DIFFERS : *at == '>' ? AT_LEAST : AT_MOST;
    token.value = at + (*at == '=' ? 1 : 2);
    *at = '\0';
    return token;
}

static struct pattern read_pattern(const struct log *log, const char *text)
{
    struct pattern pattern = {.count = -1};
    bool is_claim = false;
    char *token;
    text = insert_facts(log, text, &pattern.missing);
    if (isdigit((unsigned char)*text))
        pattern.count = strtol(text, (char **)(uintptr_t)&text, 10);
    snprintf(pattern.word, sizeof pattern.word, "%s", take_token(&text));
    while ((token = take_token(&text)) != NULL) {
        if (strcmp(token, "|") == 0)
            is_claim = true;
        else if (is_claim)
            pattern.claims[pattern.claim_count++] = read_token(token);
        else
            pattern.selects[pattern.select_count++] = read_token(token);
    }
    return pattern;
}

/* ---- records ----------------------------------------------------------------------------------- */

/* NULL: it is not there. */
static const char *value_of(const struct record *record, const char *key)
{
    if (!record_has(record, key))
        return NULL;
    json_t *value = record->json ? json_object_get(record->json, key) : NULL;
    if (json_is_integer(value))
        return text_of("%lld", (long long)json_integer_value(value));
    if (json_is_null(value))
        return "null";
    const char *text = record_text(record, key);
    return text ? text : "";
}

static bool compare(const struct record *record, const struct token *token)
{
    double bound = strtod(token->value, NULL), low, high;
    bool is_least = token->operation == AT_LEAST;
    if (strstr(token->value, "ms"))
        return record_ms(record, token->key, &low, &high) &&
               (is_least ? high >= bound : low <= bound);
    double number = record_number(record, token->key);
    return number >= 0 && (is_least ? number >= bound : number <= bound);
}

static bool holds(const struct record *record, const struct token *token)
{
    if (token->operation == AT_LEAST || token->operation == AT_MOST)
        return compare(record, token);
    const char *value = value_of(record, token->key);
    switch (token->operation) {
    case IS_THERE:
        return value != NULL;
    case IS_NOT_THERE:
        return value == NULL;
    case EQUALS:
        return value && (strcmp(value, token->value) == 0 || fnmatch(token->value, value, 0) == 0);
    default:
        return !value || fnmatch(token->value, value, 0) != 0;
    }
}

static bool is_selected(const struct record *record, const struct pattern *pattern)
{
    if (strcmp(record->word, pattern->word) != 0)
        return false;
    for (size_t i = 0; i < pattern->select_count; i++)
        if (!holds(record, &pattern->selects[i]))
            return false;
    return true;
}

static const char *token_text(const struct token *token)
{
    static const char *const signs[] = {"=", "!=", ">=", "<="};
    if (token->operation == IS_THERE)
        return token->key;
    if (token->operation == IS_NOT_THERE)
        return text_of("no %s", token->key);
    bool has_blank = strchr(token->value, ' ') != NULL;
    return text_of("%s%s%s%s%s", token->key, signs[token->operation], has_blank ? "\"" : "",
                   token->value, has_blank ? "\"" : "");
}

/* ---- what is wrong ------------------------------------------------------------------------------ */

static const char *find_unheld(const struct record *record, const struct pattern *pattern)
{
    for (size_t i = 0; i < pattern->claim_count; i++)
        if (!holds(record, &pattern->claims[i]))
            return text_of("not so: %s: %s", token_text(&pattern->claims[i]), record->line);
    return NULL;
}

static const char *judge_said(const struct log *log, const char *text)
{
    struct pattern pattern = read_pattern(log, text);
    long count = 0;
    if (pattern.missing)
        return text_of("the program did not tell %s", pattern.missing);
    for (size_t i = 0; i < log->count; i++) {
        const struct record *record = &log->records[i];
        if (!is_selected(record, &pattern))
            continue;
        count++;
        const char *unheld = find_unheld(record, &pattern);
        if (unheld)
            return unheld;
    }
    if (pattern.count < 0 ? count == 0 : count != pattern.count)
        return text_of("%ld of: %s", count, insert_facts(log, text, &pattern.missing));
    return NULL;
}

static const char *judge_never(const struct log *log, const char *text)
{
    struct pattern pattern = read_pattern(log, text);
    for (size_t i = 0; i < log->count; i++)
        if (is_selected(&log->records[i], &pattern))
            return text_of("it must not say: %s", log->records[i].line);
    return NULL;
}

/* Whatever the situation: what was told to be stuck is told to go on, once. */
static const char *judge_recoveries(const struct log *log)
{
    for (size_t i = 0; i < log->count; i++) {
        const struct record *stall = &log->records[i];
        size_t ends = 0;
        if (strcmp(stall->word, "STALL") != 0 || record_has(stall, "ended"))
            continue;
        for (size_t j = i; j < log->count; j++)
            ends += strcmp(log->records[j].word, "RECOVERED") == 0 &&
                    record_number(&log->records[j], "id") == record_number(stall, "id");
        if (ends != 1)
            return text_of("%zu times RECOVERED after: %s", ends, stall->line);
    }
    return NULL;
}

static const char *find_wrong(const struct row *row, const struct log *log)
{
    const char *wrong = NULL;
    if (log->trouble)
        return log->trouble;
    if (log->status != 0)
        return text_of("it ended with %d", log->status);
    if (log_fact_text(log, "surprise", 0))
        return log_fact_text(log, "surprise", 0);
    for (size_t i = 0; !wrong && row->says[i]; i++)
        wrong = judge_said(log, row->says[i]);
    for (size_t i = 0; !wrong && row->never[i]; i++)
        wrong = judge_never(log, row->never[i]);
    if (!wrong && log_fact_text(log, "unheard", 0))
        wrong = text_of("it waited in vain for %s", log_fact_text(log, "unheard", 0));
    if (!wrong && !row->hangs)
        wrong = judge_recoveries(log);
    if (!wrong && row->check)
        wrong = row->check(log);
    return wrong;
}

/* ---- in short ------------------------------------------------------------------------------------ */

static const char *join(const char *before, const char *separator, const char *more)
{
    return *before ? text_of("%s%s%s", before, separator, more) : more;
}

/* What a reader would look at first. The shares of one that sleeps are no news. */
static const char *summary(const struct record *record)
{
    static const char *const keys[] = {
        "verdict",   "cpu",    "run_delay",  "quota",       "throttled",    "ended", "members",
        "gap",       "gap_ms", "reason",     "progress",    "idle_for",     "state", "wait",
        "local",     "holder", "holder_tid", "holder_name", "holder_phase", "root",  "root_verdict",
        "root_wait", "lock1",  "lock2",      "lock3",       "threads",      "waits"};
    bool is_blocked = record_is(record, "verdict", "blocked");
    const char *text = record->word;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = value_of(record, keys[i]);
        bool is_share = i == 1 || i == 2, has_blank = value && strchr(value, ' ');
        if (!value || (is_blocked && is_share))
            continue;
        if (i > 0)
            value = text_of(has_blank ? "%s=\"%s\"" : "%s=%s", keys[i], value);
        text = join(text, " ", value);
    }
    return text;
}

static bool is_alike(const struct record *one, const struct record *other)
{
    static const char *const keys[] = {"id", "phase", "key"};
    if (strcmp(one->word, other->word) != 0)
        return false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *mine = value_of(one, keys[i]), *others = value_of(other, keys[i]);
        if (mine && others && strcmp(mine, others) != 0)
            return false;
    }
    return true;
}

static bool is_news(const struct log *log, size_t n)
{
    static const char *const words[] = {"STALL", "DEADLOCK", "PAUSED", "QUIET"};
    bool is_word = false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        is_word |= strcmp(log->records[n].word, words[i]) == 0;
    for (size_t i = 0; i < n; i++)
        if (is_word && is_alike(&log->records[i], &log->records[n]))
            return false;
    return is_word;
}

static const char *got(const struct log *log)
{
    const char *text = "", *unavailable = "";
    for (size_t i = 0; i < log->count; i++) {
        const struct record *record = &log->records[i];
        if (is_news(log, i))
            text = join(text, "; ", summary(record));
        if (strcmp(record->word, "unavailable") == 0)
            unavailable = join(unavailable, ",", value_of(record, "key"));
    }
    if (*unavailable)
        text = join(text, "; ", text_of("unavailable %s", unavailable));
    return *text ? text : "nothing";
}

static const char *expected(const struct row *row, const struct log *log)
{
    const char *text = "";
    for (size_t i = 0; row->says[i]; i++) {
        struct pattern pattern = read_pattern(log, row->says[i]);
        const char *one = pattern.count > 1 ? text_of("%ld %s", pattern.count, pattern.word)
                                            : text_of("%s", pattern.word);
        for (size_t j = 0; j < pattern.select_count; j++)
            if (pattern.claim_count == 0 || strcmp(pattern.selects[j].key, "reminder") != 0)
                one = join(one, " ", token_text(&pattern.selects[j]));
        for (size_t j = 0; j < pattern.claim_count; j++)
            one = join(one, " ", token_text(&pattern.claims[j]));
        text = join(text, "; ", one);
    }
    if (row->also)
        text = join(text, "; ", row->also);
    for (size_t i = 0; row->never[i]; i++)
        text =
            join(text, i == 0 ? "; " : ", ", text_of("%s%s", i == 0 ? "no " : "", row->never[i]));
    return text;
}

/* ---- a row ------------------------------------------------------------------------------------------ */

struct story_run *row_start(const struct row *row)
{
    static const char *const usual[] = {"HEARTLINE_STALL=300ms", "HEARTLINE_INTERVAL=10s",
                                        "HEARTLINE_STALL_LINES=1000"};
    struct story story = {0};
    size_t count = 0;
    memcpy(story.args, row->args, sizeof row->args);
    for (; row->env[count]; count++) /* the first of a name counts */
        story.env[count] = row->env[count];
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        story.env[count++] = usual[i];
    return row->not_staged ? NULL : story_start(&story);
}

struct judged row_judge(const struct row *row, struct story_run *run)
{
    static const struct log nothing = {.facts = (char *)(uintptr_t) ""};
    struct judged judged = {.log = run ? story_end_anyway(run) : &nothing};
    judged.why = run ? log_fact_text(judged.log, "not_staged", 0) : row->not_staged;
    judged.got = got(judged.log);
    judged.expected = expected(row, judged.log);
    if (judged.why) {
        judged.judgement = IS_NOT_STAGED;
        return judged;
    }
    judged.why = find_wrong(row, judged.log);
    bool is_staged = !judged.why || *judged.why != '~';
    judged.judgement = !is_staged ? IS_NOT_STAGED : judged.why ? IS_WRONG : IS_RIGHT;
    judged.why += !is_staged;
    return judged;
}

struct judged row_run(const struct row *row)
{
    return row_judge(row, row_start(row));
}
