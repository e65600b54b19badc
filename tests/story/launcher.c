/* heartline run: programs that know nothing of us, monitored, and otherwise as they are. */
#define _GNU_SOURCE
#include "log.h"

#include <criterion/criterion.h>

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef STORY_TOOL
#define STORY_TOOL ""
#endif
#define PLAIN STORY_PROGRAMS "/plain"
#define NEEDS_TOOL                                                                 \
    do {                                                                           \
        if (STORY_TOOL[0] == '\0')                                                 \
            cr_skip_test("there is no launcher on this platform");                 \
        if (story_is_sanitized())                                                  \
            cr_skip_test("a library with a sanitizer goes into no plain program"); \
    } while (0)

#define RUN(...) TELL(.args = {STORY_TOOL, "run", __VA_ARGS__})
#define CANNOT_RUN 126
#define NOT_FOUND 127

static bool has_line(const char *text, const char *line)
{
    size_t length = strlen(line);
    for (const char *at = text; at && (at = strstr(at, line)) != NULL; at += length)
        if ((at == text || at[-1] == '\n') && at[length] == '\n')
            return true;
    return false;
}

/* ---- what it runs ------------------------------------------------------------------------ */

Test(launcher, output_status_and_pid_are_the_programs_own)
{
    NEEDS_TOOL;
    struct log *log = RUN("--", "sh", "-c", "echo pid $$; cat; exit 7");
    ENDS_WITH(log, 7);
    SAYS(log, log_fact(log, "pid", 0) == log->pid, "it is another process");
    SAYS(log, !log->other, "it said something");
    log = RUN(PLAIN, "sleep", "50");
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "start", 1);
    SAYS_COUNT(log, "stop", 1);
    SAYS(log, log_find(log, "start", 0)->pid == (uint64_t)log->pid, "the pid of its log");
    SAYS(log, !log->other && !log->facts[0], "it said something");
}

Test(launcher, arguments_are_the_programs_own)
{
    NEEDS_TOOL;
    struct log *log = RUN(PLAIN, "arguments", "", "a  b", "--", "--interval", "-x", "\xff");
    ENDS_WITH(log, 0);
    cr_assert_str_eq(log->facts, PLAIN "\narguments\n\na  b\n--\n--interval\n-x\n\xff\n");
    log = TELL(.args = {"/usr/bin/env", "PATH=/no/such/folder:" STORY_PROGRAMS, STORY_TOOL, "run",
                        "plain", "arguments", "x"});
    cr_assert_str_eq(log->facts, "plain\narguments\nx\n");
}

Test(launcher, settings_are_those_of_the_command_line_before_those_of_the_environment)
{
    NEEDS_TOOL;
    struct log *log = TELL(.args = {STORY_TOOL, "run", "--interval", "7s", "--tag=a b",
                                    "--phase-lines", "3", PLAIN, "sleep", "1"},
                           .env = {"HEARTLINE_INTERVAL=5s", "HEARTLINE_STALL=9s"});
    ENDS_WITH(log, 0);
    const struct record *start = log_find(log, "start", 0);
    SAYS(log, record_is(start, "interval", "7s") || record_is(start, "interval", "7.0s"),
         "interval");
    SAYS(log, record_is(start, "stall", "9s") || record_is(start, "stall", "9.0s"), "stall");
    SAYS(log, record_is(start, "tag", "a b"), "tag");
    SAYS(log, record_is(start, "phase_lines", "3"), "phase lines");
}

Test(launcher, a_log_is_the_same_file_wherever_the_program_goes)
{
    NEEDS_TOOL;
    struct log *log =
        TELL(.args = {"/bin/sh", "-c",
                      "cd %D && \"$0\" run --log run.log sh -c 'cd / && sleep 0.2 && exec \"$0\" "
                      "sleep 1' \"$1\"; cat run.log >&2",
                      STORY_TOOL, PLAIN});
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "start", 2);
    SAYS_COUNT(log, "stop", 1);
}

/* The shells are gone before their monitors have said a word, perhaps. */
Test(launcher, the_first_process_is_monitored_through_whatever_it_executes)
{
    NEEDS_TOOL;
    struct log *log =
        RUN("--interval", "50ms", "sh", "-c", "exec sh -c 'exec \"$0\" exec \"$@\"' \"$@\"", "sh",
            PLAIN, PLAIN, "sleep", "300");
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "stop", 1);
    SAYS(log, log_count(log, "beat") >= 1, "no heartbeat of what it became");
    for (size_t i = 0; i < log->count; i++)
        SAYS(log, log->records[i].pid == (uint64_t)log->pid, "another process");
}

Test(launcher, its_children_are_not_and_find_the_environment_as_it_was)
{
    NEEDS_TOOL;
    struct log *log = TELL(.args = {STORY_TOOL, "run", PLAIN, "spawn", PLAIN, "env"},
                           .env = {"LD_PRELOAD=libm.so.6", "MINE=stays"});
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "start", 1);
    SAYS(log, has_line(log->facts, "LD_PRELOAD=libm.so.6"), "the program's own entry is gone");
    SAYS(log, has_line(log->facts, "MINE=stays"), "a variable of the program is gone");
    SAYS(log, !strstr(log->facts, "HEARTLINE") && !strstr(log->facts, "libheartline"),
         "something of ours is left");
    log = RUN(PLAIN, "spawn", PLAIN, "env");
    SAYS(log, !strstr(log->facts, "LD_PRELOAD"), "a variable is left that was not there");
    log = RUN(PLAIN, "spawn", PLAIN, "spawn", PLAIN, "env");
    SAYS(log, !strstr(log->facts, "libheartline"), "something of ours is left further down");
}

/* Two variables are more, and all others as they were, in their order. */
Test(launcher, the_rest_of_the_programs_environment_is_as_it_was)
{
    NEEDS_TOOL;
    const struct log *with = RUN(PLAIN, "env"), *without = TELL(.args = {PLAIN, "env"});
    const char *line = with->facts;
    char *rest = story_keep(calloc(1, strlen(line) + 1));
    bool is_ours = false;
    for (; *line; line += strcspn(line, "\n") + 1) {
        bool goes_on = is_ours && !strchr("LHPABCDEFGIJKMNOQRSTUVWXYZ_", *line);
        is_ours = goes_on || strncmp(line, "LD_PRELOAD=", 11) == 0 ||
                  strncmp(line, "HEARTLINE_RUN=", 14) == 0;
        if (!is_ours)
            strncat(rest, line, strcspn(line, "\n") + 1);
    }
    cr_assert_str_eq(rest, without->facts);
}

Test(launcher, with_children_each_has_a_log_of_its_own)
{
    NEEDS_TOOL;
    struct log *log = TELL(.args = {"/bin/sh", "-c",
                                    "\"$0\" run --children --log %D/run-%p.log \"$1\" spawn \"$1\" "
                                    "fork 300; ls %D | grep -c run-; cat %D/run-*.log >&2",
                                    STORY_TOOL, PLAIN});
    ENDS_WITH(log, 0);
    SAYS(log, log_fact(log, "child", 0) != log_fact(log, "child", 1), "two children");
    SAYS(log, strstr(log->facts, "\n3\n"), "the first, its child, and the one that forked");
    for (size_t i = 0; i < 2; i++) {
        uint64_t child = (uint64_t)log_fact(log, "child", i);
        size_t starts = 0, stops = 0;
        for (size_t j = 0; j < log->count; j++) {
            starts += log->records[j].pid == child && strcmp(log->records[j].word, "start") == 0 &&
                      record_is(&log->records[j], "program", "plain");
            stops += log->records[j].pid == child && strcmp(log->records[j].word, "stop") == 0;
        }
        SAYS(log, starts >= 1 && stops <= 1, "child %zu: %zu starts, %zu stops", i, starts, stops);
    }
}

Test(launcher, without_children_a_forked_one_is_noted_and_silent)
{
    NEEDS_TOOL;
    struct log *log = RUN(PLAIN, "fork", "100");
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "start", 1);
    SAYS_COUNT(log, "note", 1);
    SAYS(log, record_has(log_find(log, "note", 0), "unmonitored"), "which note");
}

static void expect_the_deadlock(const struct log *log)
{
    SAYS_COUNT(log, "DEADLOCK", 1);
    const struct record *deadlock = log_find(log, "DEADLOCK", 0);
    SAYS(log, record_number(deadlock, "members") == 2, "members");
    const char *threads[] = {record_text(deadlock, "thread1"), record_text(deadlock, "thread2")};
    bool is_left_first = strstr(threads[0], "/left") != NULL;
    SAYS(log, strstr(threads[is_left_first ? 0 : 1], "/left"), "no thread left");
    SAYS(log, strstr(threads[is_left_first ? 1 : 0], "/right"), "no thread right");
    for (int i = 0; i < 2; i++) { /* each waits for the other's */
        char lock[64];
        const char *key = (i == 0) == is_left_first ? "lock1" : "lock2";
        snprintf(lock, sizeof lock, "mutex:0x%llx", log_fact(log, i == 0 ? "second" : "first", 0));
        SAYS(log, record_is(deadlock, key, lock), "%s is not %s", key, lock);
    }
}

Test(launcher, a_deadlock_in_a_plain_program_is_named_with_threads_and_locks)
{
    NEEDS_TOOL;
    struct log *log = RUN("--interval", "100ms", "--stall", "200ms", PLAIN, "deadlock", "3000");
    ENDS_WITH(log, 0);
    expect_the_deadlock(log);
}

static struct log *run_deadlock_without(const char *what)
{
    struct log *log = RUN("--interval", "100ms", "--stall", "200ms", PLAIN, "forbid", what, PLAIN,
                          "deadlock", "3000");
    ENDS_WITH(log, 0);
    return log;
}

Test(launcher, a_deadlock_is_named_where_process_vm_readv_is_forbidden)
{
    NEEDS_TOOL;
    struct log *log = run_deadlock_without("call");
    expect_the_deadlock(log);
    SAYS_COUNT(log, "unavailable", 0);
}

Test(launcher, where_a_deadlock_cannot_be_seen_there_is_a_reason)
{
    NEEDS_TOOL;
    struct log *log = run_deadlock_without("memory");
    SAYS_COUNT(log, "DEADLOCK", 0);
    SAYS_COUNT(log, "STALL", 0);
    SAYS_COUNT(log, "unavailable", 1);
    const struct record *why = log_find(log, "unavailable", 0);
    SAYS(log, record_is(why, "key", "holder"), "of what");
    SAYS(log, strstr(record_text(why, "reason"), "copying memory is not permitted"), "why");
}

/* ---- programs that are linked with the library ----------------------------------------------- */

static struct log *run_instrumented(bool is_static, const char *how)
{
    struct log *log =
        RUN("--interval", "100ms",
            is_static ? STORY_PROGRAMS "/instrumented-static" : STORY_PROGRAMS "/instrumented", how,
            "350");
    ENDS_WITH(log, 0);
    return log;
}

/* Its heartbeats tell of its scope, and each comes once. */
static void expect_its_scope(const struct log *log)
{
    size_t beats = log_count(log, "beat");
    size_t phases = log_count(log, "phase"); /* the last heartbeat may come after the scope */
    SAYS(log, phases >= 1 && phases <= beats, "%zu of %zu heartbeats", phases, beats);
    SAYS(log, record_is(log_find(log, "phase", 0), "innermost", "own work"), "not its scope");
    SAYS(log, log_count(log, "start") == log_count(log, "stop"), "two monitors");
}

Test(launcher, a_program_that_is_linked_with_the_library_has_one_monitor_with_its_scopes)
{
    NEEDS_TOOL;
    for (int is_static = 0; is_static < 2; is_static++) {
        struct log *log = run_instrumented(is_static, "never");
        expect_its_scope(log);
        SAYS_COUNT(log, "start", 1);
        log = run_instrumented(is_static, "plainly");
        expect_its_scope(log);
        SAYS_COUNT(log, "start", 1);
        log = run_instrumented(is_static, "again");
        expect_its_scope(log);
        SAYS_COUNT(log, "start", 2);
    }
}

/* Its options hold where the command line says nothing: its callback gets the lines. */
Test(launcher, a_program_that_starts_a_monitor_with_its_options_has_that_one)
{
    NEEDS_TOOL;
    for (int is_static = 0; is_static < 2; is_static++) {
        struct log *log = run_instrumented(is_static, "own");
        SAYS_COUNT(log, "start", 1);
        SAYS_COUNT(log, "stop", 1);
        SAYS_COUNT(log, "beat", 0);
        SAYS(log,
             strstr(log->facts, "start tag=own version") && strstr(log->facts, " interval=100ms "),
             "its own tag, and the interval of the command line");
        SAYS(log, strstr(log->facts, "innermost=\"own work\""), "its scope");
    }
}

/* It is found only when it starts: the scopes before that are in nobody's log. */
Test(launcher, a_copy_in_a_module_takes_the_place_of_the_preloaded_one)
{
    NEEDS_TOOL;
    const char *module = STORY_PROGRAMS "/instrumented-module.so";
    if (access(module, R_OK) != 0)
        cr_skip_test("this linker hides no library");
    struct log *log = RUN("--interval", "100ms", PLAIN, "load", module, "never", "250");
    SAYS_COUNT(log, "start", 1);
    SAYS_COUNT(log, "phase", 0);
    log = RUN("--interval", "100ms", PLAIN, "load", module, "plainly", "350");
    SAYS_COUNT(log, "start", 2);
    expect_its_scope(log);
    SAYS(log, strcmp(log->records[1].word, "stop") == 0, "two monitors at once");
}

Test(launcher, options_that_are_refused_leave_the_program_monitored)
{
    NEEDS_TOOL;
    for (int is_static = 0; is_static < 2; is_static++) {
        struct log *log = TELL(.args = {STORY_TOOL, "run",
                                        is_static ? STORY_PROGRAMS "/instrumented-static"
                                                  : STORY_PROGRAMS "/instrumented",
                                        "wrongly", "350"},
                               .env = {"HEARTLINE_STALL=9s"});
        SAYS(log, log_fact(log, "started", 0) == -EINVAL, "it was not refused");
        SAYS(log, log_count(log, "start") == log_count(log, "stop"), "two monitors");
        SAYS_COUNT(log, "start", 2);
    }
}

Test(launcher, a_signal_ends_it_as_ever)
{
    NEEDS_TOOL;
    ENDS_WITH(RUN("sh", "-c", "kill -TERM $$"), -SIGTERM);
    ENDS_WITH(RUN("sh", "-c", "kill -KILL $$"), -SIGKILL);
    ENDS_WITH(RUN("sh", "-c", "kill -SEGV $$"), -SIGSEGV);
}

Test(launcher, a_sanitizers_runtime_is_still_the_first_library)
{
    NEEDS_TOOL;
    const char *program = STORY_PROGRAMS "/plain-address";
    if (access(program, X_OK) != 0)
        cr_skip_test("this compiler has no such sanitizer");
    struct log *log = TELL(.args = {STORY_TOOL, "run", program, "sleep", "100"},
                           .env = {"ASAN_OPTIONS=verify_asan_link_order=1"});
    ENDS_WITH(log, 0);
    SAYS_COUNT(log, "start", 1);
    SAYS_COUNT(log, "stop", 1);
    SAYS(log, !log->other, "it said something");
}

Test(launcher, a_script_without_a_first_line_is_run_by_the_shell)
{
    NEEDS_TOOL;
    struct log *log = TELL(.args = {"/bin/sh", "-c",
                                    "echo 'echo said $1; sleep 0.3; exit 3' >%D/script; "
                                    "chmod +x %D/script; \"$0\" run %D/script hello",
                                    STORY_TOOL});
    ENDS_WITH(log, 3);
    cr_assert_str_eq(log->facts, "said hello\n");
    SAYS_COUNT(log, "start", 1);
}

/* A user with as many processes as allowed gets no thread. */
Test(launcher, a_program_that_cannot_be_monitored_says_why_and_runs_on)
{
    NEEDS_TOOL;
    if (geteuid() != 0)
        cr_skip_test("only root can become a user without processes");
    struct log *log = TELL(.args = {PLAIN, "nobody", "1", STORY_TOOL, "run", "--log", "%D/run.log",
                                    PLAIN, "arguments", "x"});
    if (log->status == 95 || log->status == 96)
        cr_skip_test("others may not read this build");
    ENDS_WITH(log, 0);
    cr_assert_str_eq(log->facts, PLAIN "\narguments\nx\n");
    SAYS_COUNT(log, "start", 0);
    SAYS(log, log->other && strstr(log->other, "/run.log: the system gives no more threads\n"),
         "no reason");
    SAYS(log, strchr(log->other, '\n') == strrchr(log->other, '\n'), "more than a line");
}

/* ---- what it does not run -------------------------------------------------------------------- */

static void expect_refusal(const struct log *log, int status, const char *why)
{
    ENDS_WITH(log, status);
    SAYS_COUNT(log, "start", 0);
    SAYS(log, log->other && strncmp(log->other, "heartline: ", 11) == 0, "no reason");
    SAYS(log, strstr(log->other, why), "no word of \"%s\"", why);
    SAYS(log, strchr(log->other, '\n') == strrchr(log->other, '\n'), "more than a line");
}

Test(launcher, what_is_not_there_or_no_program_is_refused_as_by_a_shell)
{
    NEEDS_TOOL;
    expect_refusal(RUN("no-such-program"), NOT_FOUND, "no-such-program is in none of the folders");
    expect_refusal(RUN("/no/such/program"), NOT_FOUND, "/no/such/program is not there");
    expect_refusal(RUN(""), NOT_FOUND, "\"\"");
    expect_refusal(RUN("/tmp"), CANNOT_RUN, "/tmp is a folder");
    expect_refusal(RUN("/etc/passwd"), CANNOT_RUN, "/etc/passwd is not executable");
}

/* A copy of a program with other bytes somewhere, in a new folder. */
static char *patched(const char *program, long at, const char *bytes, size_t count)
{
    size_t length;
    char *all = story_read_file(program, &length), *path = NULL;
    cr_assert(all && (size_t)at + count <= length);
    memcpy(all + at, bytes, count);
    char folder[] = "/tmp/story-XXXXXX";
    cr_assert(mkdtemp(folder) && chmod(folder, 0755) == 0);
    cr_assert_gt(asprintf(&path, "%s/program", folder), 0);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    cr_assert(write(file, all, length) == (ssize_t)length && fchmod(file, 0755) == 0);
    close(file);
    return story_keep(path);
}

static void remove_patched(const char *path)
{
    char *folder = story_keep(strdup(path));
    unlink(path);
    *strrchr(folder, '/') = '\0';
    rmdir(folder);
}

static const Elf64_Phdr *loader_in(const char *program, const char **bytes)
{
    *bytes = story_read_file(program, NULL);
    const Elf64_Ehdr *header = (const void *)*bytes;
    const Elf64_Phdr *segments = (const void *)(*bytes + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == PT_INTERP)
            return &segments[i];
    cr_assert_fail("%s names no loader", program);
    return NULL;
}

static void refuse_patched(long at, const char *bytes, size_t count, const char *why)
{
    char *program = patched(PLAIN, at, bytes, count);
    struct log *log = RUN(program, "sleep", "1");
    expect_refusal(log, CANNOT_RUN, why);
    SAYS(log, strstr(log->other, program), "the program is not named");
    remove_patched(program);
}

Test(launcher, what_a_loader_would_not_preload_is_refused_with_the_reason)
{
    NEEDS_TOOL;
    const char *bytes, none[4] = {PT_NULL}, riscv[2] = {(char)0xf3}, narrow[1] = {ELFCLASS32};
    const Elf64_Phdr *loader = loader_in(PLAIN, &bytes);
    refuse_patched((const char *)loader - bytes, none, 4, "statically linked");
    refuse_patched((long)loader->p_offset, "/lib/ld-musl-x.so.1", 20,
                   "its loader is /lib/ld-musl-x.so.1");
    refuse_patched(offsetof(Elf64_Ehdr, e_machine), riscv, 2, "another processor");
    refuse_patched(EI_CLASS, narrow, 1, "another processor");
    refuse_patched(0, "\0", 1, "neither a program nor a script");
}

/* By somebody who would get more rights by it. */
static void expect_more_rights(const char *program, const char *why)
{
    struct log *log =
        TELL(.args = {PLAIN, "nobody", "1000", STORY_TOOL, "run", program, "sleep", "1"});
    expect_refusal(log, CANNOT_RUN, why);
    SAYS(log, strstr(log->other, program), "the program is not named");
    remove_patched(program);
}

Test(launcher, what_has_more_rights_than_its_caller_is_refused)
{
    NEEDS_TOOL;
    if (geteuid() != 0)
        cr_skip_test("only root can make such a program");
    if (TELL(.args = {PLAIN, "nobody", "1000", STORY_TOOL, "version"})->status != 0)
        cr_skip_test("others may not read this build");
    char *program = patched(PLAIN, 0, "\x7f", 1);
    cr_assert_eq(chmod(program, 04755), 0);
    ENDS_WITH(RUN(program, "sleep", "1"), 0); /* root gets none */
    expect_more_rights(program, "it is setuid");
    program = patched(PLAIN, 0, "\x7f", 1);
    cr_assert_eq(chmod(program, 02755), 0);
    expect_more_rights(program, "it is setgid");
    program = patched(PLAIN, 0, "\x7f", 1);
    static const uint32_t net_raw[] = {0x02000001, 1 << 13, 0, 0, 0}; /* version 2, effective */
    if (setxattr(program, "security.capability", net_raw, sizeof net_raw, 0) != 0)
        cr_skip_test("this file system keeps no capabilities");
    expect_more_rights(program, "it carries capabilities");
}

static struct log *run_script(const char *first_line)
{
    char *command = NULL;
    cr_assert_gt(asprintf(&command,
                          "printf '%%s\\n' '%s' >%%D/script; chmod +x %%D/script; "
                          "\"$0\" run %%D/script",
                          first_line),
                 0);
    return TELL(.args = {"/bin/sh", "-c", story_keep(command), STORY_TOOL});
}

Test(launcher, a_script_is_refused_for_what_runs_it)
{
    NEEDS_TOOL;
    expect_refusal(run_script("#!/no/such/shell"), NOT_FOUND, "/no/such/shell, which runs");
    expect_refusal(run_script("#! /tmp"), CANNOT_RUN, "/tmp is a folder");
    expect_refusal(run_script("#!"), CANNOT_RUN, "does not say what runs it");
    expect_refusal(run_script("#! " PLAIN "-is-not-there"), NOT_FOUND, "which runs the script");
    expect_refusal(run_script("#!/bin/sh\r"), NOT_FOUND, "/bin/sh\\r, which runs");
    expect_refusal(run_script("#!/bin/sh\r"), NOT_FOUND, "carriage returns");
    ENDS_WITH(run_script("#!/bin/true"), 0);
    ENDS_WITH(run_script("#! /usr/bin/env -S true"), 0);
}

/* A file may have been made to be refused. */
Test(launcher, no_byte_of_a_refusal_acts_on_a_terminal)
{
    NEEDS_TOOL;
    expect_refusal(run_script("#!/no/\033]0;owned\007\x9b\xff\xe2\x80\xae"), NOT_FOUND,
                   "/no/\\u001b]0;owned\\u0007\\ufffd\\ufffd\\u202e, which runs");
    expect_refusal(RUN("/no/such\nprogram \"x\""), NOT_FOUND, "/no/such\\nprogram \"x\" is not");
}

/* What would be left of it might be another program. */
Test(launcher, a_name_that_is_too_long_is_not_cut)
{
    NEEDS_TOOL;
    static char name[PATH_MAX + 16];
    memset(name, '/', sizeof name);
    strcpy(name + PATH_MAX - 1 - strlen("/bin/echo"), "/bin/echo");
    ENDS_WITH(RUN(name, "said"), 0);
    strcat(name, "x");
    expect_refusal(RUN(name, "said"), CANNOT_RUN, "a path of 4096 bytes");
}

Test(launcher, options_that_are_not_understood_are_refused_with_what_is)
{
    NEEDS_TOOL;
    expect_refusal(RUN("--interval", "banana", "true"), 2, "10ms to 24h");
    expect_refusal(RUN("--format=xml", "true"), 2, "text or json");
    expect_refusal(RUN("--no-such-thing", "true"), 2, "--no-such-thing is no option");
    expect_refusal(RUN("--interval"), 2, "--interval wants a value");
    expect_refusal(RUN("--"), 2, "which program");
    expect_refusal(TELL(.args = {STORY_TOOL, "walk"}), 2, "no command \"walk\"");
}

Test(launcher, options_behind_the_program_are_the_programs)
{
    NEEDS_TOOL;
    struct log *log = RUN("echo", "--interval", "--help", "-x");
    ENDS_WITH(log, 0);
    cr_assert_str_eq(log->facts, "--interval --help -x\n");
}

/* ---- help --------------------------------------------------------------------------------------- */

Test(launcher, its_help_fits_a_screen)
{
    NEEDS_TOOL;
    const struct log *helps[] = {RUN("--help"), TELL(.args = {STORY_TOOL, "--help"})};
    for (size_t i = 0; i < 2; i++) {
        size_t lines = 0;
        ENDS_WITH(helps[i], 0);
        for (const char *line = helps[i]->facts; *line; line = strchr(line, '\n') + 1, lines++)
            cr_assert_leq(strcspn(line, "\n"), 80);
        cr_assert_leq(lines, 24, "%zu lines", lines);
    }
}
