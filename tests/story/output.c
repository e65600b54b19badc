/* Where lines go: files, pipes that nobody reads, descriptors that are not ours. */
#define _GNU_SOURCE
#include "log.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Two pages, of which one is being filled while the reader has the other: of one alone poll says
 * that it is full from the first byte on. */
#define SMALL 8192

static char *new_folder(char *folder)
{
    cr_assert(mkdtemp(folder) != NULL && chmod(folder, 0777) == 0);
    return folder;
}

static void remove_all(const char *folder)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

Test(output, a_file_is_made_for_its_owner_and_appended_to)
{
    char folder[] = "/tmp/story-XXXXXX", path[64];
    struct stat is;
    new_folder(folder);
    snprintf(path, sizeof path, "%s/log", folder);
    TELL(.args = {"act", "umask", "0", "start", "stop"}, .folder = folder, .log_to_file = true);
    cr_assert_eq(stat(path, &is), 0);
    cr_assert_eq(is.st_mode & 07777, 0600);
    struct log *log = TELL(.args = {"act", "start", "stop"}, .folder = folder, .log_to_file = true);
    SAYS_COUNT(log, "start", 2);
    SAYS_COUNT(log, "stop", 2);
    remove_all(folder);
}

Test(output, several_processes_on_one_file_write_whole_lines)
{
    char folder[] = "/tmp/story-XXXXXX", own[4][64], setting[64];
    struct story_run *runs[4];
    new_folder(folder);
    snprintf(setting, sizeof setting, "HEARTLINE_LOG=%s/shared", folder);
    for (size_t i = 0; i < 4; i++) {
        snprintf(own[i], sizeof own[i], "%s/%zu", folder, i);
        mkdir(own[i], 0777);
        runs[i] = BEGIN(.args = {"act", "start", "push", "a", "crowd", "4", "{", "push", "b",
                                 "sleep", "500", "pop", "}", "stop"},
                        .env = {setting, "HEARTLINE_INTERVAL=10ms",
                                i % 2 ? "HEARTLINE_FORMAT=json" : NULL},
                        .folder = own[i]);
    }
    for (size_t i = 0; i < 4; i++)
        ENDS_WITH(story_end(runs[i]), 0);
    size_t length;
    char *text = NULL, path[64];
    snprintf(path, sizeof path, "%s/shared", folder);
    text = story_read_file(path, &length);
    struct log *log = log_read(text, length);
    SAYS_COUNT(log, "start", 4);
    SAYS_COUNT(log, "stop", 4);
    SAYS(log, !log->other, "a line that is torn");
    remove_all(folder);
}

/* ---- a pipe ---------------------------------------------------------------------- */

Test(output, a_full_pipe_delays_nobody_and_what_was_lost_is_said)
{
    static const char *const work[] = {"act",    "start", "push",  "work",  "stamp", "began",
                                       "repeat", "20000", "{",     "push",  "x",     "pop",
                                       "}",      "stamp", "ended", "sleep", "400",   "say",
                                       "full",   "hear",  "sleep", "300",   "stop"};
    struct story story = {
        .env = {"HEARTLINE_INTERVAL=10ms"}, .error = ERROR_TO_PIPE, .pipe_size = SMALL};
    memcpy(story.args, work, sizeof work);
    struct story_run *run = story_start(&story);
    story_await(run, "full");
    story_drain(run);
    story_tell(run);
    struct log *log = story_end(run);
    ENDS_WITH(log, 0);
    double dropped = 0;
    for (size_t i = 0; i < log_count(log, "beat"); i++)
        if (record_has(log_find(log, "beat", i), "dropped"))
            dropped += record_number(log_find(log, "beat", i), "dropped");
    SAYS(log, dropped > 0, "no heartbeat says what was lost");
    SAYS(log, dropped <= record_number(log_find(log, "stop", 0), "dropped"), "more than in all");
    bool is_noted = false;
    for (size_t i = 0; i < log_count(log, "note"); i++)
        is_noted |= record_has(log_find(log, "note", i), "dropped") &&
                    record_is(log_find(log, "note", i), "reason", "the reader is too slow");
    SAYS(log, is_noted, "no note");
    SAYS(log, !log->other, "a torn line");
    /* 20,000 pushes and pops take 1 ms; one that waited for the reader would never end. */
    double took = (double)(log_fact(log, "ended", 0) - log_fact(log, "began", 0)) / 1e6;
    SAYS(log, took < 2000, "the program was delayed: %.1f ms", took);
}

Test(output, stop_and_exit_do_not_wait_for_a_full_pipe)
{
    struct story_run *run =
        BEGIN(.args = {"act", "start", "push", "work", "sleep", "400", "stamp", "before", "stop",
                       "stamp", "after", "start", "exit", "7"},
              .env = {"HEARTLINE_INTERVAL=10ms"}, .error = ERROR_TO_PIPE, .pipe_size = SMALL);
    story_await(run, "after");
    struct log *log = story_end(run);
    ENDS_WITH(log, 7);
    SAYS(log, log_fact(log, "stop", 0) == 0, "stop");
    double took = (double)(log_fact(log, "after", 0) - log_fact(log, "before", 0)) / 1e6;
    SAYS(log, took < 2000, "stop took %.1f ms", took);
}

Test(output, a_reader_that_has_gone_does_not_kill_the_program)
{
    struct story_run *run = BEGIN(.args = {"act", "start", "say", "ready", "hear", "sleep", "200",
                                           "beat", "stop", "exit", "7"},
                                  .env = {"HEARTLINE_INTERVAL=10ms"}, .error = ERROR_TO_PIPE);
    story_await(run, "ready");
    close(run->error);
    run->error = -1;
    story_tell(run);
    struct log *log = story_end(run);
    ENDS_WITH(log, 7);
    SAYS(log, log_fact(log, "stop", 0) == 0, "stop");
}

/* ---- descriptors ------------------------------------------------------------------ */

Test(output, a_monitor_has_at_most_four_descriptors_far_up_and_close_on_exec)
{
    struct log *log = TELL(.args = {"act", "descriptors", "start", "sleep", "200", "descriptors",
                                    "stop", "descriptors"},
                           .env = {"HEARTLINE_INTERVAL=50s"}, .log_to_file = true);
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "descriptors", 0) == 0, "the program had some before");
    SAYS(log, log_fact(log, "descriptors", 1) <= 4, "too many");
    SAYS(log, log_fact(log, "descriptors", 1) >= 1, "none at all?");
    SAYS(log, log_fact(log, "below_ten", 1) == 0, "one below 10");
    SAYS(log, log_fact(log, "inherited", 1) == 0, "one is not close-on-exec");
    SAYS(log, log_fact(log, "descriptors", 2) == 0, "one is left");
}

Test(output, without_standard_error_start_says_so_and_the_program_runs_on)
{
    static const char *const close_by_program[] = {"2", "9"};
    for (size_t i = 0; i < 2; i++) {
        struct log *log = TELL(.args = {"act", "close", close_by_program[i], "start", "threads",
                                        "push", "a", "open", "%D/mine", "sleep", "50", "write", "2",
                                        "mine", "pop", "start", "exit", "7"},
                               .error = i == 0 ? ERROR_TO_FILE : ERROR_CLOSED,
                               .env = {"HEARTLINE_INTERVAL=10ms"});
        ENDS_WITH(log, 7);
        SAYS(log, log_fact(log, "start", 0) == -EBADF, "start");
        SAYS(log, log_fact(log, "threads", 0) == 1, "a thread");
        SAYS(log, log_fact(log, "opened", 0) == 2, "the test's own file is not number 2");
    }
}

/* The program's file has taken number 2 over: not a byte of ours in it. */
static void check_foreign_two(bool to_pipe)
{
    char folder[] = "/tmp/story-XXXXXX", path[64];
    new_folder(folder);
    struct log *log = TELL(.args = {"act", "start", "close", "2", "open", "%D/mine", "write", "2",
                                    "mine", "sleep", "300", "beat", "write", "2", "mine", "stop"},
                           .env = {"HEARTLINE_INTERVAL=10ms"}, .folder = folder,
                           .error = to_pipe ? ERROR_TO_PIPE : ERROR_TO_FILE);
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "opened", 0) == 2, "the test's own file is not number 2");
    snprintf(path, sizeof path, "%s/mine", folder);
    size_t length;
    char *mine = story_read_file(path, &length);
    SAYS(log, length == 8 && strcmp(mine, "minemine") == 0, "in the program's file: %s", mine);
    remove_all(folder);
}

Test(output, a_number_that_the_program_has_taken_over_is_never_written_to)
{
    check_foreign_two(false);
    check_foreign_two(true);
}

Test(output, a_program_that_closes_everything_gets_no_byte_of_ours)
{
    for (int to_file = 0; to_file < 2; to_file++) {
        char folder[] = "/tmp/story-XXXXXX", path[64];
        new_folder(folder);
        struct log *log =
            TELL(.args = {"act",       "start", "sleep",   "50",        "closefrom", "2",
                          "open-many", "60",    "%D/mine", "sleep",     "300",       "beat",
                          "sleep",     "50",    "stop",    "closefrom", "100",       "start",
                          "sleep",     "50",    "stop",    "exit",      "7"},
                 .env = {"HEARTLINE_INTERVAL=10ms"}, .folder = folder, .log_to_file = to_file == 1);
        ENDS_WITH(log, 7);
        snprintf(path, sizeof path, "%s/mine", folder);
        size_t length;
        char *mine = story_read_file(path, &length);
        /* The second start finds the program's file as standard error: that is its log then. */
        SAYS(log, to_file == 0 || length == 0, "in the program's file: %s", mine);
        SAYS(log, to_file == 1 || !strstr(mine, " beat ") || strstr(mine, "] start "), "%s", mine);
        SAYS(log, to_file == 0 || log_count(log, "stop") == 2, "the path was not opened again");
        remove_all(folder);
    }
}

Test(output, a_rotated_file_is_left_for_the_new_one)
{
    char folder[] = "/tmp/story-XXXXXX", path[64], old[64];
    new_folder(folder);
    snprintf(path, sizeof path, "%s/log", folder);
    snprintf(old, sizeof old, "%s/log.1", folder);
    struct story_run *run =
        BEGIN(.args = {"act", "start", "say", "ready", "hear", "sleep", "1500", "stop"},
              .env = {"HEARTLINE_INTERVAL=20ms"}, .folder = folder, .log_to_file = true);
    story_await(run, "ready");
    cr_assert_eq(rename(path, old), 0);
    story_tell(run);
    struct log *log = story_end(run);
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "stop", 1);
    SAYS_COUNT(log, "start", 0);
    remove_all(folder);
}

/* A line that was cut by a limit on the file's size stays unfinished while the file is emptied. */
Test(output, a_file_that_is_emptied_begins_with_a_whole_line)
{
    char folder[] = "/tmp/story-XXXXXX", path[64];
    struct stat is = {0};
    struct rlimit old, low = {.rlim_cur = 16384, .rlim_max = RLIM_INFINITY};
    new_folder(folder);
    snprintf(path, sizeof path, "%s/log", folder);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    low.rlim_max = old.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &low), 0);
    struct story_run *run =
        BEGIN(.args = {"act", "start", "push", "work", "hear", "sleep", "100", "pop", "stop"},
              .env = {"HEARTLINE_INTERVAL=10ms"}, .folder = folder, .log_to_file = true);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    for (int i = 0; i < 3000 && is.st_size < (off_t)low.rlim_cur; i++) {
        story_sleep_ms(5);
        stat(path, &is);
    }
    cr_assert_eq((rlim_t)is.st_size, low.rlim_cur, "its last line is not cut");
    cr_assert_eq(truncate(path, 0), 0);
    cr_assert_eq(prlimit(run->pid, RLIMIT_FSIZE, &old, NULL), 0);
    story_tell(run);
    struct log *log = story_end(run);
    ENDS_WITH(log, 0);
    SAYS(log, !log->other, "it begins with the rest of a line");
    SAYS_COUNT(log, "start", 0);
    SAYS_COUNT(log, "stop", 1);
    SAYS(log, record_number(log_find(log, "stop", 0), "dropped") >= 1, "nothing was lost");
    remove_all(folder);
}

/* The file that a process of this number has by its host and number. */
static struct log *read_own(const char *folder, long long pid)
{
    struct utsname system;
    char path[512];
    size_t length;
    cr_assert_eq(uname(&system), 0);
    snprintf(path, sizeof path, "%s/run-%s-%lld-%%", folder, system.nodename, pid);
    char *text = story_read_file(path, &length);
    cr_assert_not_null(text, "there is no %s", path);
    return log_read(text, length);
}

Test(output, each_process_can_have_a_file_of_its_own_by_host_and_number)
{
    char folder[] = "/tmp/story-XXXXXX", setting[64];
    if (story_is_sanitized())
        cr_skip_test("the sanitizer's locks do not survive a fork beside other threads");
    new_folder(folder);
    snprintf(setting, sizeof setting, "HEARTLINE_LOG=%s/run-%%h-%%p-%%%%", folder);
    struct log *program = TELL(.args = {"act", "start", "fork", "{", "sleep", "100", "exit", "0",
                                        "}", "reap", "stop"},
                               .env = {setting, "HEARTLINE_FORK=restart"}, .folder = folder);
    ENDS_WITH(program, 0);
    long long both[] = {program->pid, log_fact(program, "child", 0)};
    for (size_t i = 0; i < 2; i++) {
        struct log *log = read_own(folder, both[i]);
        SAYS_COUNT(log, "start", 1);
        SAYS_COUNT(log, "stop", 1);
        SAYS(log, log_find(log, "start", 0)->pid == (uint64_t)both[i], "of another process");
    }
    remove_all(folder);
}
