/* tests/harm/torture_log.c - reads a log of the tortured library, strictly.
 *
 * Whatever failed, each line is a whole record; a figure is right, or null, and then an
 * `unavailable` line of the same log names its key. Nothing is 0 that cannot be.
 */
#define _GNU_SOURCE
#include "torture.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_MS 600000 /* no life is as long */
#define FEW 2          /* lines about a thread may lack a figure by chance */

/* A figure, and the keys of the lines that say why it is missing: one of them must be there.
 * NULL: of this one none is. What is missing of one thread for a moment is not explained,
 * only what is missing more often than not; and without its state nothing is known of a thread. */
struct figure {
    const char *record, *key, *reasons;
    bool is_never_0;
    double most; /* that is possible; 0 = anything is */
};

static const struct figure figures[] = {
    {"start", "cores", " cores ", true, 1e6},
    {"beat", "cpu_cores", " cpu ", false, 1e6},
    {"beat", "cpu_limit_cores", " cores ", true, 1e6},
    {"beat", "rss_bytes", " rss ", true, 1e15},
    {"beat", "peak_rss_bytes", " peak_rss ", true, 1e15},
    {"beat", "vm_bytes", " vm ", true, 1e18},
    {"beat", "threads", " threads ", true, 1e6},
    {"beat", "read_bytes", " read ", false, 0},
    {"beat", "written_bytes", " written ", false, 0},
    {"beat", "stalled", " stalled ", false, 1e6},
    {"beat", "elapsed_ms", NULL, false, MOST_MS},
    {"beat", "window_ms", NULL, false, MOST_MS},
    {"beat", "late_ms", NULL, false, MOST_MS},
    {"phase", "cpu", " thread_cpu busy ", false, 1e6},
    {"phase", "state", " state ", false, 0},
    {"phase", "in_ms", NULL, false, MOST_MS},
    {"phase", "updated_ms", NULL, false, MOST_MS},
    {"busy", "cpu", NULL, false, 1e6}, /* these may have gone meanwhile */
    {"STALL", "cpu", " thread_cpu state ", false, 1},
    {"STALL", "run_delay", " run_delay thread_cpu state ", false, 1},
    {"STALL", "state", " state ", false, 0},
    {"STALL", "syscall", " syscall state ", false, 0},
    {"STALL", "wait", " wait syscall state ", false, 0},
    {"STALL", "wchan", " wchan state ", false, 0},
    {"STALL", "holder_tid", " holder ", true, 0},
    {"STALL", "stuck_ms", NULL, true, MOST_MS},
    {"RECOVERED", "stuck_ms", NULL, false, MOST_MS},
    {"PAUSED", "gap_ms", NULL, true, MOST_MS},
    {"QUIET", "for_ms", NULL, true, MOST_MS},
    {"QUIET", "threads", NULL, true, 1e6},
    {"QUIET", "waits", " wait syscall state ", false, 0},
    {"stop", "cpu_seconds", " cpu ", false, MOST_MS},
    {"stop", "peak_rss_bytes", " peak_rss ", true, 1e15},
    {"stop", "self_cpu_ms", " thread_cpu ", false, MOST_MS},
};
enum { FIGURES = sizeof figures / sizeof figures[0] };

struct reader {
    struct torture_log *log;
    void (*wrong)(const char *what, const char *line);
    const char *line;
    unsigned unknown[FIGURES], known[FIGURES];
    bool is_explained[FIGURES];
};

static const char *text_of(const json_t *record, const char *key)
{
    const char *text = json_string_value(json_object_get(record, key));
    return text ? text : "";
}

static void tell(const struct reader *reader, const char *what)
{
    reader->wrong(what, reader->line);
}

static void check_figure(struct reader *reader, size_t i, const json_t *value)
{
    double number = json_number_value(value);
    bool is_unknown = json_is_null(value);
    reader->unknown[i] += is_unknown;
    reader->known[i] += !is_unknown;
    if (is_unknown)
        return;
    if (figures[i].is_never_0 && number == 0)
        tell(reader, "0 for what cannot be 0");
    if (number < 0 || (figures[i].most > 0 && number > figures[i].most))
        tell(reader, "an impossible value");
}

static void explain(struct reader *reader, const char *key)
{
    char word[80];
    snprintf(word, sizeof word, " %s ", key);
    for (size_t i = 0; i < FIGURES; i++)
        if (figures[i].reasons && strstr(figures[i].reasons, word))
            reader->is_explained[i] = true;
}

static void check_figures(struct reader *reader, const json_t *record, const char *word)
{
    for (size_t i = 0; i < FIGURES; i++) {
        const json_t *value =
            strcmp(figures[i].record, word) == 0 ? json_object_get(record, figures[i].key) : NULL;
        if (value)
            check_figure(reader, i, value);
    }
}

static void check_record(struct reader *reader, const json_t *record)
{
    struct torture_log *log = reader->log;
    const char *word = text_of(record, "record");
    log->starts += strcmp(word, "start") == 0;
    log->beats += strcmp(word, "beat") == 0;
    log->stalls += strcmp(word, "STALL") == 0;
    log->recoveries += strcmp(word, "RECOVERED") == 0;
    log->stops += strcmp(word, "stop") == 0;
    if (!json_is_true(json_object_get(record, "ended"))) /* too late to be observed */
        check_figures(reader, record, word);
    if (strcmp(word, "unavailable") == 0 && text_of(record, "reason")[0])
        explain(reader, text_of(record, "key"));
    if (strcmp(word, "unavailable") == 0 && strcmp(text_of(record, "key"), "stalled") == 0)
        log->lacks_memory = true;
    if (json_integer_value(json_object_get(record, "overflow")) > 0) /* scopes without a record */
        log->lacks_memory = true;
    if (strcmp(word, "PAUSED") == 0 && strcmp(text_of(record, "reason"), "stopped") != 0)
        tell(reader, "nobody suspended or traced it");
}

static void check_line(struct reader *reader, char *line)
{
    json_t *record = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    reader->line = line;
    if (json_is_object(record))
        check_record(reader, record);
    else
        tell(reader, "no whole record");
    json_decref(record);
}

/* The beats say of the whole process; the others of one thread, which may just end. */
static bool is_missing(const struct reader *reader, size_t i)
{
    bool is_of_thread =
        strcmp(figures[i].record, "phase") == 0 || strcmp(figures[i].record, "STALL") == 0;
    if (!is_of_thread)
        return reader->unknown[i] > 0;
    return reader->unknown[i] > reader->known[i] && reader->unknown[i] > FEW;
}

static void check_reasons(struct reader *reader)
{
    for (size_t i = 0; i < FIGURES; i++)
        if (figures[i].reasons && is_missing(reader, i) && !reader->is_explained[i]) {
            reader->line = figures[i].record;
            tell(reader, figures[i].key);
        }
}

void torture_read_log(const char *text, struct torture_log *log,
                      void (*wrong)(const char *what, const char *line))
{
    struct reader reader = {.log = log, .wrong = wrong};
    char *copy = strdup(text), *stop;
    if (!copy)
        abort();
    *log = (struct torture_log){0};
    char *line = copy;
    for (; (stop = strchr(line, '\n')); line = stop + 1) {
        *stop = '\0';
        check_line(&reader, line);
    }
    reader.line = line;
    if (*line)
        tell(&reader, "the last line has no end");
    check_reasons(&reader);
    free(copy);
}
