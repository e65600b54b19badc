/* tests/unit/test_sink.c - lines go out whole, or are dropped and counted. */
#define _POSIX_C_SOURCE 200809L /* symlink */
#include "../../monitor/sink.h"
#include "../doubles/scripted_platform.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct hl_sink sink;

static int open_to(const char *path)
{
    monitor_options options;
    monitor_options_default(&options);
    options.log_path = path;
    return hl_sink_open(&sink, &options);
}

static bool say(const char *line)
{
    return hl_sink_write(&sink, MONITOR_INFO, line, strlen(line));
}

static void expect_lost(uint64_t lines, int why)
{
    cr_expect_eq(sink.dropped, lines, "dropped %lu", (unsigned long)sink.dropped);
    cr_expect_eq(sink.last_error, why, "last error %d", (int)sink.last_error);
}

/* Three bytes are taken, and then nothing. */
static void begin_line(ptrdiff_t error)
{
    scripted_next_write(3);
    scripted_next_write(error);
    cr_assert(say("first line\n"));
}

/* ---- opening ------------------------------------------------------------- */

Test(sink, without_a_path_it_is_standard_error)
{
    cr_assert_eq(open_to(NULL), 0);
    cr_expect_eq(scripted.log_descriptor, 2);
    cr_expect(say("one\n"));
    cr_expect(say("two\n"));
    cr_expect_str_eq(scripted.log, "one\ntwo\n");
    expect_lost(0, 0);
    hl_sink_close(&sink);
    cr_expect_eq(scripted.logs_open, 0);
}

Test(sink, what_cannot_be_opened_is_the_answer)
{
    scripted.opens.preset = -EACCES;
    cr_expect_eq(open_to("/var/log/run.log"), -EACCES);
    scripted.opens.preset = -EBADF;
    cr_expect_eq(open_to(NULL), -EBADF);
}

Test(sink, a_relative_path_is_bound_to_the_directory_of_the_start)
{
    cr_assert_eq(chdir("/tmp"), 0);
    cr_assert_eq(open_to("run.log"), 0);
    cr_expect_str_eq(scripted.log_path, "/tmp/run.log");
    cr_assert_eq(chdir("/"), 0);
    scripted_next_write(-EIO);
    say("lost\n");
    say("found\n");
    cr_expect_str_eq(scripted.log_path, "/tmp/run.log");
    cr_assert_eq(open_to("run.log"), 0);
    cr_expect_str_eq(scripted.log_path, "/run.log");
}

Test(sink, a_directory_that_is_gone_leaves_the_path_as_it_is)
{
    char folder[64];
    snprintf(folder, sizeof folder, "/tmp/heartline-test-sink-%ld", (long)getpid());
    cr_assert_eq(mkdir(folder, 0700), 0);
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(rmdir(folder), 0);
    errno = 42;
    cr_assert_eq(open_to("run.log"), 0);
    cr_expect_eq(errno, 42);
    cr_expect_str_eq(scripted.log_path, "run.log");
}

Test(sink, a_path_can_name_the_process)
{
    scripted.process_id = 4242;
    cr_assert_eq(open_to("/tmp/run-%p-%p.%x%"), 0);
    cr_expect_str_eq(scripted.log_path, "/tmp/run-4242-4242.%x%");
}

Test(sink, a_path_can_name_the_host)
{
    scripted.process_id = 4242;
    cr_assert_eq(open_to("/tmp/run-%h-%p.%h"), 0);
    cr_expect_str_eq(scripted.log_path, "/tmp/run-node7-4242.node7");
}

Test(sink, a_host_without_a_name_is_unknown)
{
    scripted.host_name = NULL;
    cr_assert_eq(open_to("/tmp/run-%h.log"), 0);
    cr_expect_str_eq(scripted.log_path, "/tmp/run-unknown.log");
}

Test(sink, whatever_a_host_is_called_it_is_one_name_in_the_path)
{
    static const char *const hosts[][2] = {
        {"../../etc/x", "_._.._etc_x"},
        {"..", "_."},
        {"a\n\x1b[31m\x7f", "a__[31m_"},
        {"%p%h%%", "%p%h%%"},
        {"n\xc3\xb6rd.example.org", "n\xc3\xb6rd.example.org"},
    };
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        char wanted[64];
        scripted.host_name = hosts[i][0];
        cr_assert_eq(open_to("/tmp/%h"), 0);
        snprintf(wanted, sizeof wanted, "/tmp/%s", hosts[i][1]);
        cr_expect_str_eq(scripted.log_path, wanted);
    }
}

Test(sink, two_percent_signs_are_one_and_others_stand_for_themselves)
{
    scripted.process_id = 4242;
    cr_assert_eq(open_to("/tmp/%%p-%%%p-%d%%%"), 0);
    cr_expect_str_eq(scripted.log_path, "/tmp/%p-%4242-%d%%");
}

Test(sink, a_path_that_grows_too_long_is_refused)
{
    static char path[HL_PATH_BYTES];
    memset(path, 'x', HL_PATH_BYTES - 1);
    path[0] = '/';
    cr_expect_eq(open_to(path), 0);
    memcpy(path + HL_PATH_BYTES - 3, "%p", 2);
    scripted.process_id = 4242;
    cr_expect_eq(open_to(path), -ENAMETOOLONG);
    memcpy(path + HL_PATH_BYTES - 3, "%h", 2);
    cr_expect_eq(open_to(path), -ENAMETOOLONG);
    memcpy(path + HL_PATH_BYTES - 3, "%%", 2);
    cr_expect_eq(open_to(path), 0);
}

/* ---- whole lines ----------------------------------------------------------- */

Test(sink, a_slow_reader_costs_lines_and_nothing_else)
{
    open_to(NULL);
    for (int i = 0; i < 60; i++) {
        scripted_next_write(-EAGAIN);
        cr_expect_not(say("lost\n"));
    }
    expect_lost(60, EAGAIN);
    cr_expect(say("again\n"));
    cr_expect_str_eq(scripted.log, "again\n");
    cr_expect_eq(scripted.log_writes, 61);
}

Test(sink, a_write_of_nothing_is_a_slow_reader)
{
    open_to(NULL);
    scripted_next_write(0);
    cr_expect_not(say("lost\n"));
    expect_lost(1, EAGAIN);
}

Test(sink, a_line_taken_in_part_is_finished_before_the_next)
{
    open_to(NULL);
    begin_line(-EAGAIN);
    cr_expect_str_eq(scripted.log, "fir");
    cr_expect(say("second line\n"));
    cr_expect_str_eq(scripted.log, "first line\nsecond line\n");
    expect_lost(0, EAGAIN);
}

Test(sink, while_the_rest_of_a_line_waits_new_lines_are_dropped)
{
    open_to(NULL);
    begin_line(-EAGAIN);
    scripted_next_write(-EAGAIN);
    cr_expect_not(say("second\n"));
    scripted_next_write(2);
    scripted_next_write(-EAGAIN);
    cr_expect_not(say("third\n"));
    cr_expect_str_eq(scripted.log, "first");
    cr_expect(say("fourth\n"));
    cr_expect_str_eq(scripted.log, "first line\nfourth\n");
    expect_lost(2, EAGAIN);
}

Test(sink, short_writes_of_any_size_never_tear_a_line)
{
    static char line[HL_LINE_BYTES + 1], text[HL_LINE_BYTES * 2];
    open_to(NULL);
    for (ptrdiff_t n = 1; n < 40; n++) {
        scripted_log_clear();
        scripted.writes.preset = n;
        memset(line, 'a' + (int)(n % 26), 4095);
        line[4095] = '\n';
        cr_assert(say(line));
        cr_assert_eq(scripted_log_copy(text, sizeof text), 4096);
        cr_assert_str_eq(text, line);
    }
    expect_lost(0, 0);
}

Test(sink, random_refusals_leave_only_whole_lines)
{
    static const ptrdiff_t outcomes[] = {SCRIPTED_ALL, 1, 2, 5, -EAGAIN, -EINTR, -EIO, 0};
    unsigned seed = 20261121, taken = 0;
    open_to("/tmp/run.log");
    for (unsigned i = 0; i < 100000; i++) {
        char line[32];
        seed = seed * 1103515245 + 12345;
        scripted.writes.preset = outcomes[seed >> 16 & 7];
        snprintf(line, sizeof line, "<%u>\n", i);
        taken += say(line);
    }
    scripted.writes.preset = SCRIPTED_ALL;
    hl_sink_close(&sink);
    unsigned lines = 0;
    for (char *at = scripted.log; *at != '\0'; lines++) {
        char *end = strchr(at, '\n');
        cr_assert_not_null(end);
        cr_assert(at[0] == '<' && end[-1] == '>' && memchr(at + 1, '<', end - at - 1) == NULL);
        at = end + 1;
    }
    cr_expect_eq(lines, taken);
    cr_expect_eq(sink.dropped, 100000 - taken);
}

Test(sink, an_interrupted_write_is_tried_again_but_not_for_ever)
{
    open_to(NULL);
    scripted_next_write(-EINTR);
    scripted_next_write(-EINTR);
    cr_expect(say("one\n"));
    expect_lost(0, 0);
    scripted.writes.preset = -EINTR;
    cr_expect_not(say("two\n"));
    expect_lost(1, EINTR);
    cr_expect_eq(scripted.log_opens, 1);
}

/* ---- standard error that goes away ------------------------------------------ */

Test(sink, standard_error_that_is_no_longer_ours_is_never_opened_again)
{
    open_to(NULL);
    scripted_next_write(-EBADF);
    cr_expect_not(say("one\n"));
    cr_expect_eq(scripted.logs_open, 0);
    for (int i = 0; i < 100; i++) {
        scripted_advance(SCRIPTED_S);
        cr_expect_not(say("two\n"));
    }
    expect_lost(101, EBADF);
    cr_expect_eq(scripted.log_opens, 1);
    cr_expect_eq(scripted.log_writes, 1);
    cr_expect_str_eq(scripted.log, "");
}

Test(sink, a_line_cut_by_the_loss_of_standard_error_counts_once)
{
    open_to(NULL);
    scripted_next_write(3);
    scripted_next_write(-EBADF);
    cr_expect_not(say("first line\n"));
    expect_lost(1, EBADF);
    cr_expect_not(say("second\n"));
    expect_lost(2, EBADF);
}

Test(sink, names_of_descriptors_are_opened_only_once)
{
    static const char *const paths[] = {"/dev/stderr", "/dev/fd/2", "/proc/self/fd/2",
                                        /* not links here, as they are on other systems */
                                        "/dev/stdnone", "/dev/fd/none", "/proc/none"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        scripted_reset();
        cr_assert_eq(open_to(paths[i]), 0);
        cr_expect_str_eq(scripted.log_path, paths[i]);
        scripted_advance(10 * SCRIPTED_S);
        cr_expect(say("one\n"));
        scripted_next_write(-EBADF);
        say("two\n");
        say("three\n");
        cr_expect_eq(scripted.log_opens, 1);
        expect_lost(2, EBADF);
    }
}

Test(sink, a_link_is_followed_only_once)
{
    char link[64];
    snprintf(link, sizeof link, "/tmp/heartline-test-sink-%ld", (long)getpid());
    cr_assert_eq(symlink("/dev/stderr", link), 0);
    errno = 42;
    cr_assert_eq(open_to(link), 0);
    cr_expect_eq(errno, 42);
    unlink(link);
    scripted.log_inode = 8;
    scripted_advance(SCRIPTED_S);
    scripted_next_write(-ENOSPC);
    cr_expect_not(say("one\n"));
    cr_expect(say("two\n"));
    scripted_next_write(-EBADF);
    cr_expect_not(say("three\n"));
    cr_expect_not(say("four\n"));
    cr_expect_eq(scripted.log_opens, 1);
}

Test(sink, a_reader_that_has_gone_costs_lines_and_nothing_else)
{
    open_to(NULL);
    scripted.writes.preset = -EPIPE;
    cr_expect_not(say("one\n"));
    cr_expect_not(say("two\n"));
    expect_lost(2, EPIPE);
    cr_expect_eq(scripted.logs_open, 1);
}

Test(sink, standard_error_on_a_full_disk_is_kept_and_tried_again)
{
    open_to(NULL);
    begin_line(-ENOSPC);
    scripted_next_write(-ENOSPC);
    cr_expect_not(say("second\n"));
    cr_expect(say("third\n"));
    cr_expect_str_eq(scripted.log, "first line\nthird\n");
    expect_lost(1, ENOSPC);
    cr_expect_eq(scripted.log_opens, 1);
}

/* ---- a file that fails, and comes back ---------------------------------------- */

Test(sink, a_file_is_opened_again_after_an_error)
{
    static const int errors[] = {ENOSPC, EIO, EBADF, EROFS, EPIPE};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        scripted_reset();
        open_to("/tmp/run.log");
        scripted_next_write(-errors[i]);
        cr_expect_not(say("one\n"));
        cr_expect_eq(scripted.logs_open, 0);
        cr_expect(say("two\n"));
        cr_expect_eq(scripted.log_opens, 2);
        cr_expect_str_eq(scripted.log, "two\n");
        expect_lost(1, errors[i]);
        hl_sink_close(&sink);
        cr_expect_eq(scripted.logs_open, 0);
    }
}

Test(sink, while_a_file_cannot_be_opened_lines_are_dropped_for_that_reason)
{
    open_to("/tmp/run.log");
    scripted_next_write(-EIO);
    say("one\n");
    scripted.opens.preset = -EMFILE;
    cr_expect_not(say("two\n"));
    cr_expect_not(say("three\n"));
    expect_lost(3, EMFILE);
    cr_expect_eq(scripted.log_opens, 3);
    scripted.opens.preset = 0;
    cr_expect(say("four\n"));
    cr_expect_str_eq(scripted.log, "four\n");
}

Test(sink, a_line_cut_by_a_full_disk_is_finished_in_the_same_file)
{
    open_to("/tmp/run.log");
    begin_line(-ENOSPC);
    scripted_next_write(-ENOSPC);
    cr_expect_not(say("second\n"));
    cr_expect(say("third\n"));
    cr_expect_str_eq(scripted.log, "first line\nthird\n");
    expect_lost(1, ENOSPC);
    cr_expect_eq(scripted.log_opens, 3);
}

Test(sink, the_rest_of_a_line_never_goes_into_another_file)
{
    open_to("/tmp/run.log");
    begin_line(-EIO);
    scripted_log_clear();
    scripted.log_inode = 8;
    cr_expect(say("second\n"));
    cr_expect_str_eq(scripted.log, "second\n");
    expect_lost(1, EIO);
}

Test(sink, the_rest_of_a_line_never_goes_to_the_next_reader_of_a_fifo)
{
    open_to("/tmp/fifo");
    begin_line(-EAGAIN);
    scripted_next_write(-EPIPE);
    cr_expect_not(say("second\n"));
    scripted_log_clear();
    cr_expect(say("third\n"));
    cr_expect_str_eq(scripted.log, "third\n");
    expect_lost(2, EPIPE);
}

/* ---- rotation ------------------------------------------------------------------ */

Test(sink, a_rotated_file_is_left_for_the_new_one_within_a_second)
{
    open_to("/tmp/run.log");
    say("one\n");
    scripted.log_inode = 8;
    say("two\n");
    cr_expect_eq(scripted.log_opens, 1);
    scripted_advance(SCRIPTED_S);
    say("three\n");
    cr_expect_eq(sink.log.inode, 8);
    cr_expect_eq(scripted.logs_open, 1);
    expect_lost(0, 0);
}

Test(sink, a_file_that_stayed_is_looked_at_and_kept)
{
    open_to("/tmp/run.log");
    int descriptor = sink.log.descriptor;
    for (int i = 0; i < 10; i++) {
        scripted_advance(SCRIPTED_S / 2);
        cr_expect(say("line\n"));
    }
    cr_expect_eq(scripted.log_opens, 1 + 5);
    cr_expect_eq(scripted.logs_open, 1);
    cr_expect_eq(sink.log.descriptor, descriptor);
}

Test(sink, a_second_file_on_another_device_is_another_file)
{
    open_to("/tmp/run.log");
    scripted.log_device = 2;
    scripted_advance(SCRIPTED_S);
    say("line\n");
    cr_expect_eq(sink.log.device, 2);
}

Test(sink, a_file_that_cannot_be_looked_at_is_kept)
{
    open_to("/tmp/run.log");
    scripted.opens.preset = -EACCES;
    scripted_advance(SCRIPTED_S);
    cr_expect(say("line\n"));
    expect_lost(0, 0);
    cr_expect_eq(scripted.logs_open, 1);
}

Test(sink, a_line_begun_in_the_old_file_is_finished_there)
{
    open_to("/tmp/run.log");
    begin_line(-EAGAIN);
    scripted.log_inode = 8;
    scripted_advance(SCRIPTED_S);
    cr_expect(say("second\n"));
    cr_expect_str_eq(scripted.log, "first line\nsecond\n");
    expect_lost(0, EAGAIN);
}

Test(sink, a_line_that_cannot_be_finished_in_the_old_file_is_given_up)
{
    open_to("/tmp/run.log");
    begin_line(-EAGAIN);
    scripted_next_write(-EAGAIN);
    scripted.log_inode = 8;
    scripted_advance(SCRIPTED_S);
    scripted_log_clear();
    cr_expect(say("second\n"));
    cr_expect_str_eq(scripted.log, "second\n");
    expect_lost(1, EAGAIN);
}

/* ---- a file that is emptied in place ----------------------------------------------- */

static void empty_file(void)
{
    scripted_log_clear();
    scripted.log_size = 0;
}

Test(sink, an_emptied_file_is_written_to_as_before)
{
    open_to("/tmp/run.log");
    say("one\n");
    empty_file();
    say("two\n");
    cr_expect_str_eq(scripted.log, "two\n");
    cr_expect_eq(scripted.log_opens, 1);
    expect_lost(0, 0);
}

Test(sink, the_rest_of_a_line_is_not_the_beginning_of_an_emptied_file)
{
    static const int errors[] = {EAGAIN, ENOSPC}; /* after the second it is opened again */
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        scripted_reset();
        open_to("/tmp/run.log");
        say("zero\n");
        begin_line(-errors[i]);
        empty_file();
        cr_expect(say("second\n"));
        cr_expect(say("third\n"));
        cr_expect_str_eq(scripted.log, "second\nthird\n");
        expect_lost(1, errors[i]);
    }
}

Test(sink, nor_is_its_last_byte)
{
    open_to("/tmp/run.log");
    scripted_next_write((ptrdiff_t)strlen("first line"));
    scripted_next_write(-ENOSPC);
    cr_assert(say("first line\n"));
    empty_file();
    cr_expect(say("second\n"));
    cr_expect_str_eq(scripted.log, "second\n");
}

Test(sink, standard_error_in_a_file_that_was_emptied_begins_with_a_whole_line)
{
    open_to(NULL);
    begin_line(-ENOSPC);
    empty_file();
    cr_expect(say("second\n"));
    cr_expect_str_eq(scripted.log, "second\n");
    expect_lost(1, ENOSPC);
}

Test(sink, an_emptied_file_that_has_grown_again_is_still_shorter)
{
    open_to("/tmp/run.log");
    say("a line of some length\n");
    begin_line(-EAGAIN);
    empty_file();
    scripted.log_size = 10; /* another process writes there, too */
    cr_expect(say("second\n"));
    cr_expect_str_eq(scripted.log, "second\n");
    expect_lost(1, EAGAIN);
}

Test(sink, a_file_that_others_made_longer_gets_the_rest_of_the_line)
{
    open_to("/tmp/run.log");
    begin_line(-EAGAIN);
    scripted.log_size += 4096;
    cr_expect(say("second\n"));
    cr_expect_str_eq(scripted.log, "first line\nsecond\n");
    expect_lost(0, EAGAIN);
}

Test(sink, each_part_of_the_rest_is_looked_at_anew)
{
    open_to("/tmp/run.log");
    begin_line(-EAGAIN);
    scripted_next_write(2);
    scripted_next_write(-EAGAIN);
    cr_expect_not(say("second\n"));
    scripted_log_clear();
    scripted.log_size = 4; /* longer than the first part, shorter than both */
    cr_expect(say("third\n"));
    cr_expect_str_eq(scripted.log, "third\n");
    expect_lost(2, EAGAIN);
}

Test(sink, what_is_no_file_has_no_length_to_lose)
{
    scripted.log_is_file = false;
    open_to("/tmp/fifo");
    begin_line(-EAGAIN);
    scripted.log_size = 0;
    cr_expect(say("second\n"));
    cr_expect_str_eq(scripted.log, "first line\nsecond\n");
}

Test(sink, closing_leaves_no_rest_in_an_emptied_file)
{
    open_to("/tmp/run.log");
    begin_line(-EAGAIN);
    empty_file();
    hl_sink_close(&sink);
    cr_expect_str_eq(scripted.log, "");
    expect_lost(1, EAGAIN);
}

/* ---- a callback ------------------------------------------------------------------ */

static char heard[HL_LINE_BYTES + 1];
static size_t heard_length, heard_lines;
static enum monitor_level heard_level;

static void hear(void *data, enum monitor_level level, const char *line, size_t length)
{
    cr_assert_eq(data, &heard_lines);
    cr_assert_eq(strlen(line), length);
    memcpy(heard, line, length + 1);
    heard_length = length;
    heard_level = level;
    heard_lines++;
}

static void hear_slowly(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)line, (void)length;
    scripted_advance(7);
}

Test(sink, the_time_in_a_callback_is_added_up)
{
    monitor_options options;
    monitor_options_default(&options);
    options.sink = hear_slowly;
    cr_assert_eq(hl_sink_open(&sink, &options), 0);
    cr_expect(say("one\n"));
    cr_expect(say("two\n"));
    cr_expect_eq(sink.spent_ns, 14);
    hl_sink_close(&sink);
}

Test(sink, a_callback_gets_lines_without_their_line_feed)
{
    static char longest[HL_LINE_BYTES + 1];
    monitor_options options;
    monitor_options_default(&options);
    options.sink = hear;
    options.sink_data = &heard_lines;
    options.log_path = "/tmp/not.used";
    cr_assert_eq(hl_sink_open(&sink, &options), 0);
    cr_expect(hl_sink_write(&sink, MONITOR_WARNING, "STALL id=1\n", 11));
    cr_expect_str_eq(heard, "STALL id=1");
    cr_expect_eq(heard_level, MONITOR_WARNING);
    memset(longest, 'x', 4095);
    longest[4095] = '\n';
    cr_expect(hl_sink_write(&sink, MONITOR_INFO, longest, 4096));
    cr_expect_eq(heard_length, 4095);
    cr_expect_eq(heard_level, MONITOR_INFO);
    hl_sink_close(&sink);
    cr_expect_eq(heard_lines, 2);
    cr_expect_eq(scripted.log_opens, 0);
    expect_lost(0, 0);
}

/* ---- closing ------------------------------------------------------------------------ */

Test(sink, closing_finishes_what_was_taken_in_part)
{
    open_to(NULL);
    scripted_next_write(3);
    scripted_next_write(-EAGAIN);
    say("last line\n");
    hl_sink_close(&sink);
    cr_expect_str_eq(scripted.log, "last line\n");
    cr_expect_eq(scripted.logs_open, 0);
    expect_lost(0, EAGAIN);
}

Test(sink, closing_does_not_wait_for_a_reader)
{
    open_to(NULL);
    scripted_next_write(3);
    scripted.writes.preset = -EAGAIN;
    say("last line\n");
    hl_sink_close(&sink);
    cr_expect_str_eq(scripted.log, "las");
    cr_expect_eq(scripted.logs_open, 0);
    expect_lost(1, EAGAIN);
}

Test(sink, closing_what_is_closed_already_is_harmless)
{
    open_to("/tmp/run.log");
    scripted_next_write(3);
    scripted_next_write(-EIO);
    say("last line\n");
    hl_sink_close(&sink);
    hl_sink_close(&sink);
    cr_expect_eq(scripted.logs_open, 0);
    expect_lost(1, EIO);
}

Test(sink, a_forked_child_gives_back_and_writes_nothing)
{
    open_to(NULL);
    scripted_next_write(3);
    scripted_next_write(-EAGAIN);
    say("line of the parent\n");
    unsigned writes = scripted.log_writes;
    hl_sink_abandon(&sink);
    hl_sink_close(&sink);
    cr_expect_eq(scripted.log_writes, writes);
    cr_expect_eq(scripted.logs_open, 0);
}

Test(sink, every_error_has_a_reason_in_constant_words)
{
    for (int error = 0; error < 200; error++) {
        const char *reason = hl_sink_reason(error);
        cr_assert_not_null(reason);
        cr_expect(strlen(reason) > 0);
        cr_expect_eq(reason, hl_sink_reason(error));
    }
    cr_expect_str_eq(hl_sink_reason(EAGAIN), "the reader is too slow");
    cr_expect_str_eq(hl_sink_reason(ENOSPC), "no space left on the device");
}

Test(sink, what_usually_goes_wrong_has_words_of_its_own)
{
    static const int usual[] = {EAGAIN, EPIPE,  EBADF,  ENOSPC, EDQUOT, EFBIG,
                                EIO,    ENOENT, EACCES, EPERM,  EISDIR, ENOTDIR,
                                EROFS,  ENXIO,  EMFILE, ENFILE, ELOOP,  ENAMETOOLONG};
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        cr_expect_str_neq(hl_sink_reason(usual[i]), hl_sink_reason(EINVAL), "%d", usual[i]);
    cr_expect_str_eq(hl_sink_reason(EINVAL), hl_sink_reason(0));
}

Test(sink, a_file_is_kept_when_a_write_was_interrupted_for_good)
{
    open_to("/tmp/run.log");
    scripted.writes.preset = -EINTR;
    cr_expect_not(say("one\n"));
    scripted.writes.preset = SCRIPTED_ALL;
    cr_expect(say("two\n"));
    cr_expect_eq(scripted.log_opens, 1);
    expect_lost(1, EINTR);
    hl_sink_close(&sink);
}
