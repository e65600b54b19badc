/* Names and labels from the program, and its locale: whatever they hold, the log
 * stays a log. The reader checks every line; here is what must be in them. */
#define _GNU_SOURCE
#include "log.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const formats[] = {"HEARTLINE_FORMAT=text", "HEARTLINE_FORMAT=json"};

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
        /* The turn of the writing direction is escaped, not passed on. */
        for (size_t j = 0; j < log->count; j++)
            SAYS(log,
                 !strstr(log->records[j].line, "\xe2\x80\xae") &&
                     !strstr(log->records[j].line, "\xc2\x85"),
                 "it turns the terminal");
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
        SAYS(log, log_fact(log, "mapped", 0) == 0, "the plugin is still there");
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
