/* Names and labels from the program, and its locale: whatever they hold, the log
 * stays a log. The reader checks every line; here is what must be in them. */
#define _GNU_SOURCE
#include "log.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const formats[] = {"HEARTLINE_FORMAT=text", "HEARTLINE_FORMAT=json"};

/* Control characters and turns of the writing direction are escaped, not passed on. */
static void leaves_the_terminal_alone(const struct log *log)
{
    static const char *const turns[] = {"\xd8\x9c",     "\xe2\x80\x8e", "\xe2\x80\x8f",
                                        "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac",
                                        "\xe2\x80\xad", "\xe2\x80\xae", "\xe2\x81\xa6",
                                        "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9"};
    for (size_t i = 0; i < log->count; i++) {
        const unsigned char *line = (const unsigned char *)log->records[i].line;
        for (size_t j = 0; line[j]; j++) {
            bool is_second_set = line[j] == 0xc2 && line[j + 1] < 0xa0;
            SAYS(log, line[j] >= ' ' && line[j] != 0x7f && !is_second_set, "a control character");
        }
        for (size_t j = 0; j < sizeof turns / sizeof *turns; j++)
            SAYS(log, !strstr((const char *)line, turns[j]), "it turns the direction");
    }
}

Test(labels, a_megabyte_of_the_worst_is_eighty_bytes_on_one_line)
{
    for (size_t i = 0; i < 2; i++) {
        struct log *log =
            TELL(.args = {"act", "start", "huge", "sleep", "200", "beat", "stop"},
                 .env = {formats[i], "HEARTLINE_INTERVAL=30ms", "HEARTLINE_STALL=50ms"},
                 .log_to_file = true);
        ENDS_WITH(log, 0);
        SAYS(log, log_count(log, "phase") >= 1 && log_count(log, "STALL") >= 1, "too little said");
        const char *label = record_text(log_find(log, "phase", 0), "innermost");
        SAYS(log, label && strncmp(label, "a\nb\r\x1b[31m\"\\=", 12) == 0, "the text");
        SAYS(log, strstr(label, "\xe2\x80\xa6"), "it is not marked as cut");
        SAYS(log, record_has(log_find(log, "STALL", 0), "path"), "path");
        leaves_the_terminal_alone(log);
    }
}

Test(labels, freed_unmapped_and_unloaded_they_are_shown_as_they_were)
{
    for (size_t i = 0; i < 2; i++) {
        struct log *log =
            TELL(.args = {"unloaded", STORY_PROGRAMS "/plugin.so"},
                 .env = {formats[i], "HEARTLINE_INTERVAL=20ms", "HEARTLINE_STALL=50ms"},
                 .log_to_file = true);
        ENDS_WITH(log, 0);
        SAYS(log, log_fact(log, "loaded", 0) == 0, "the plugin is still there");
        const struct record *stall;
        SAYS(log, log_stalls(log, "label of a plugin", &stall) == 1, "the stall");
        SAYS(log,
             record_is(stall, "path", "label on the heap > label in a page > label of a plugin"),
             "the path");
        for (size_t j = 0; j < log_count(log, "beat"); j++)
            SAYS(log, !record_has(log_find(log, "beat", j), "unbalanced"), "the pops");
    }
}

Test(labels, a_thread_may_be_called_anything)
{
    NEEDS_FIGURES;
    for (size_t i = 0; i < 2; i++) {
        struct log *log = TELL(.args = {"act", "start", "thread", "{", "name", "a b) (] \"x\ny",
                                        "push", "odd", "sleep", "200", "pop", "}", "join", "stop"},
                               .env = {formats[i], "HEARTLINE_INTERVAL=30ms"}, .log_to_file = true);
        ENDS_WITH(log, 0);
        bool found = false;
        for (size_t j = 0; j < log_count(log, "phase"); j++)
            found |= strcmp(record_thread_name(log_find(log, "phase", j)), "a b) (] \"x\ny") == 0;
        SAYS(log, found, "the name is not there as it is");
    }
}

#define WORST "\n\x1b[2J\x7f\xe2\x80\xae\xd8\x9c\xc2\x85\xff"
#define WORST_READ "\n\x1b[2J\x7f\xe2\x80\xae\xd8\x9c\xc2\x85\xef\xbf\xbd"

static bool is_phase(const struct record *phase, const char *name, const char *label)
{
    return strcmp(record_thread_name(phase), name) == 0 && record_is(phase, "innermost", label);
}

/* The third name is cut by the system amid a character. */
Test(labels, names_waits_progress_and_the_tag_may_be_the_worst)
{
    NEEDS_FIGURES;
    for (size_t i = 0; i < 2; i++) {
        struct log *log =
            TELL(.args =
                     {"act",    "start",
                      "thread", "{",
                      "name",   WORST,
                      "push",   "work",
                      "sleep",  "300",
                      "pop",    "}",
                      "thread", "{",
                      "name",   "waits",
                      "wait",   "w" WORST,
                      "sleep",  "300",
                      "pop",    "}",
                      "thread", "{",
                      "name",   "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
                      "count",  "c" WORST,
                      "7",      "sleep",
                      "300",    "pop",
                      "}",      "join",
                      "stop"},
                 .env = {formats[i], "HEARTLINE_INTERVAL=30ms", "HEARTLINE_TAG=t" WORST},
                 .log_to_file = true);
        ENDS_WITH(log, 0);
        unsigned found = 0;
        for (size_t j = 0; j < log_count(log, "phase"); j++) {
            const struct record *phase = log_find(log, "phase", j);
            found |= is_phase(phase, WORST_READ, "work") ? 1 : 0;
            found |= is_phase(phase, "waits", "w" WORST_READ) ? 2 : 0;
            found |=
                is_phase(phase,
                         "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xef\xbf\xbd",
                         "c" WORST_READ)
                    ? 4
                    : 0;
        }
        SAYS(log, found == 7, "not all of them are there as they are: %u", found);
        SAYS(log, record_is(log_find(log, "beat", 0), "tag", "t" WORST_READ), "the tag");
        leaves_the_terminal_alone(log);
    }
}

Test(labels, an_early_rename_shows)
{
    NEEDS_FIGURES;
    struct log *log = TELL(.args = {"act", "start", "thread", "{", "push", "work", "sleep", "100",
                                    "name", "renamed", "sleep", "300", "pop", "}", "join", "stop"},
                           .env = {"HEARTLINE_INTERVAL=20ms"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    size_t count = log_count(log, "phase");
    const struct record *last = log_find(log, "phase", count - 1);
    SAYS(log, strcmp(record_thread_name(last), "renamed") == 0, "the old name");
}

/* Makes the locale in a folder of its own, as the system's one may not have it. */
static bool make_german(char *folder)
{
    char command[256];
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1",
             folder);
    return mkdtemp(folder) != NULL && system(command) == 0;
}

Test(labels, a_german_locale_changes_no_figure)
{
    char folder[] = "/tmp/story-XXXXXX", setting[64], command[64];
    bool is_made = make_german(folder);
    if (!is_made)
        rmdir(folder);
    if (!is_made)
        cr_skip_test("localedef cannot make de_DE.UTF-8 here");
    snprintf(setting, sizeof setting, "LOCPATH=%s", folder);
    for (size_t i = 0; i < 2; i++) {
        struct log *log =
            TELL(.args = {"act", "locale", "de_DE.UTF-8", "start", "count", "copy", "3", "add", "1",
                          "sleep", "200", "stop"},
                 .env = {setting, formats[i], "HEARTLINE_INTERVAL=30ms"}, .log_to_file = true);
        ENDS_WITH(log, 0);
        SAYS(log, log_fact(log, "locale", 0) == 1, "the locale is not in force");
        const struct record *beat = log_find(log, "beat", log_count(log, "beat") - 1);
        for (size_t j = 0; i == 0 && j < beat->field_count; j++)
            SAYS(log, !beat->fields[j].value || !strchr(beat->fields[j].value, ','), "a comma");
        SAYS(log, record_number(beat, "percent") == 33, "percent");
    }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}
