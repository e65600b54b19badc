/* Bad settings: a note that names them, and a program that runs on. */
#define _GNU_SOURCE
#include "log.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct log *tell_with(const char *setting)
{
    return TELL(.args = {"act", "start", "push", "work", "sleep", "30", "pop", "exit", "7"},
                .env = {setting});
}

static void check_note(const struct log *log, const char *variable, const char *value)
{
    SAYS_COUNT(log, "note", 1);
    const struct record *note = log_find(log, "note", 0);
    SAYS(log, record_is(note, "variable", variable), "which variable");
    SAYS(log, record_is(note, "value", value), "which value");
    SAYS(log, record_text(note, "accepted") && *record_text(note, "accepted"), "what is accepted");
    SAYS(log, record_text(note, "used") && *record_text(note, "used"), "what is used instead");
}

Test(settings, a_value_that_is_not_understood_is_noted_and_the_default_is_used)
{
    static const char *const bad[][2] = {
        {"HEARTLINE_INTERVAL", "banana"}, {"HEARTLINE_INTERVAL", "-5s"},
        {"HEARTLINE_INTERVAL", "0"},      {"HEARTLINE_INTERVAL", "1ms"},
        {"HEARTLINE_INTERVAL", "25h"},    {"HEARTLINE_INTERVAL", " 1s"},
        {"HEARTLINE_INTERVAL", "1e3"},    {"HEARTLINE_INTERVAL", "99999999999999999999999"},
        {"HEARTLINE_STALL", "banana"},    {"HEARTLINE_STALL", "1ms"},
        {"HEARTLINE_FORMAT", "xml"},      {"HEARTLINE", "maybe\n\x1b[31m"},
        {"HEARTLINE_PHASE_LINES", "-1"},  {"HEARTLINE_STALL_LINES", "0"},
        {"HEARTLINE_SIGNAL", "KILL"},     {"HEARTLINE_FORK", "yes"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char setting[128];
        snprintf(setting, sizeof setting, "%s=%s", bad[i][0], bad[i][1]);
        struct log *log = tell_with(setting);
        ENDS_WITH(log, 7);
        const struct record *start = log_find(log, "start", 0);
        SAYS(log, record_is(start, "interval", "1m00s"), "interval");
        SAYS(log, record_is(start, "stall", "2m00s"), "stall");
        if (strcmp(bad[i][0], "HEARTLINE") == 0)
            SAYS_COUNT(log, "note", 1);
        else
            check_note(log, bad[i][0], bad[i][1]);
        SAYS_COUNT(log, "stop", 1);
    }
}

Test(settings, a_good_value_is_taken_without_a_word)
{
    static const struct {
        const char *setting, *key, *shown;
    } good[] = {
        {"HEARTLINE_STALL=never", "stall", "never"},
        {"HEARTLINE_STALL=0", "stall", "never"},
        {"HEARTLINE_STALL=1h30m", "stall", "1h30m00s"},
        {"HEARTLINE_INTERVAL=500ms", "interval", "500ms"},
        {"HEARTLINE_INTERVAL=3", "interval", "3s"},
        {"HEARTLINE_INTERVAL=", "interval", "1m00s"},
        {"HEARTLINE=on", "interval", "1m00s"},
        {"HEARTLINE_TAG=a b", "tag", "a b"},
        {"OMPI_COMM_WORLD_RANK=3", "tag", "rank:3"},
        {"PMI_RANK=0", "tag", "rank:0"},
        {"SLURM_PROCID=12", "tag", "rank:12"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct log *log = tell_with(good[i].setting);
        ENDS_WITH(log, 7);
        SAYS_COUNT(log, "note", 0);
        SAYS(log, record_is(log_find(log, "start", 0), good[i].key, good[i].shown), "%s",
             good[i].setting);
    }
}

Test(settings, a_rank_is_on_every_line_in_either_format)
{
    static const char *const formats[] = {"HEARTLINE_FORMAT=text", "HEARTLINE_FORMAT=json"};
    for (size_t i = 0; i < 2; i++) {
        struct log *log =
            TELL(.args = {"act", "start", "push", "work", "sleep", "100", "pop", "stop"},
                 .env = {"PMI_RANK=3", "HEARTLINE_INTERVAL=20ms", "HEARTLINE_STALL=30ms",
                         "HEARTLINE_PHASE_LINES=x", formats[i]});
        ENDS_WITH(log, 0);
        SAYS_COUNT(log, "note", 1);
        SAYS(log, log_count(log, "STALL") > 0 && log_count(log, "beat") > 0, "too little");
        for (size_t n = 0; n < log->count; n++)
            SAYS(log, record_is(&log->records[n], "tag", "rank:3"), "line %zu", n + 1);
    }
}

Test(settings, a_rank_that_is_none_is_noted_and_the_next_is_used)
{
    struct log *log = TELL(.args = {"act", "start", "stop"},
                           .env = {"OMPI_COMM_WORLD_RANK=banana", "SLURM_PROCID=2"});
    ENDS_WITH(log, 0);
    check_note(log, "OMPI_COMM_WORLD_RANK", "banana");
    SAYS(log, record_is(log_find(log, "note", 0), "used", "rank:2"), "what is used instead");
    SAYS(log, record_is(log_find(log, "start", 0), "tag", "rank:2"), "start");
}

/* The log that was asked for cannot be had: standard error takes its place. */
static void check_refused(const char *path)
{
    char setting[256];
    snprintf(setting, sizeof setting, "HEARTLINE_LOG=%s", path);
    struct log *log =
        TELL(.args = {"act", "start", "push", "work", "sleep", "60", "pop", "exit", "7"},
             .env = {setting, "HEARTLINE_INTERVAL=20ms"});
    ENDS_WITH(log, 7);
    SAYS(log, log_fact(log, "start", 0) == 0, "start");
    SAYS_COUNT(log, "note", 1);
    const struct record *note = log_find(log, "note", 0);
    SAYS(log, record_is(note, "variable", "HEARTLINE_LOG"), "which variable");
    SAYS(log, strstr(record_text(note, "value"), path + (path[0] == '%' ? 2 : 0)), "which value");
    SAYS(log, record_text(note, "accepted") && record_text(note, "reason"), "why");
    SAYS(log, record_is(note, "used", "stderr"), "what instead");
    SAYS(log, record_is(log_find(log, "start", 0), "log", "stderr"), "what instead");
    SAYS_COUNT(log, "stop", 1);
}

Test(settings, a_log_that_cannot_be_opened_is_noted_on_standard_error)
{
    char folder[] = "/tmp/story-XXXXXX", fifo[64];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    cr_assert_eq(mkfifo(fifo, 0666), 0);
    check_refused("%D/there/is/none");
    check_refused(folder);
    check_refused("/");
    check_refused(fifo);
    unlink(fifo);
    rmdir(folder);
}

Test(settings, a_log_without_permission_is_noted_on_standard_error)
{
    char path[] = "/tmp/story-XXXXXX", setting[64];
    int file = mkstemp(path);
    cr_assert(file >= 0 && fchmod(file, 0400) == 0);
    close(file);
    snprintf(setting, sizeof setting, "HEARTLINE_LOG=%s", path);
    struct log *log =
        geteuid() == 0
            ? TELL(.args = {"act", "uid", "65534", "start", "exit", "7"}, .env = {setting})
            : TELL(.args = {"act", "start", "exit", "7"}, .env = {setting});
    unlink(path);
    ENDS_WITH(log, 7);
    SAYS_COUNT(log, "note", 1);
    SAYS(log, record_is(log_find(log, "note", 0), "reason", "permission denied"), "why");
}

Test(settings, a_full_disk_costs_lines_and_nothing_else)
{
    struct log *log = TELL(.args = {"act", "start", "push", "work", "sleep", "100", "pop", "beat",
                                    "stop", "exit", "7"},
                           .env = {"HEARTLINE_LOG=/dev/full", "HEARTLINE_INTERVAL=10ms"});
    ENDS_WITH(log, 7);
    SAYS(log, log_fact(log, "start", 0) == 0 && log_fact(log, "stop", 0) == 0, "start and stop");
}

Test(settings, the_programs_own_path_that_cannot_be_opened_is_its_error)
{
    struct log *log = TELL(.args = {"act", "set", "log_path", "%D/there/is/none", "start",
                                    "threads", "exit", "7"});
    ENDS_WITH(log, 7);
    SAYS(log, log_fact(log, "start", 0) == -ENOENT, "start");
    SAYS(log, log_fact(log, "threads", 0) == 1, "a thread");
    SAYS(log, log->count == 0, "a line");
}

Test(settings, bad_options_are_refused_and_good_ones_taken)
{
    struct log *log = TELL(.args = {"options"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    for (size_t i = 0; i < log_fact_count(log, "refused"); i++)
        SAYS(log, log_fact(log, "refused", i) == -EINVAL, "the %zu. was not refused", i + 1);
    cr_assert_eq(log_fact_count(log, "refused"), 21);
    for (size_t i = 0; i < log_fact_count(log, "taken"); i++)
        SAYS(log, log_fact(log, "taken", i) == 0, "the %zu. was not taken", i + 1);
    SAYS_COUNT(log, "start", 4);
    SAYS(log, record_is(log_find(log, "start", 3), "tag", "a \"quoted\" tag\n"), "the tag");
}

Test(settings, a_path_is_bound_to_the_folder_of_the_start_and_knows_the_process)
{
    struct log *log = TELL(.args = {"act", "chdir", "%D", "start", "chdir", "/", "stop"},
                           .env = {"HEARTLINE_LOG=run-%p.log"});
    ENDS_WITH(log, 0);
    SAYS(log, log->count == 0, "it went to standard error");
}
