/* tests/story/log.h - tells a story: starts a program, collects its log, and reads it.
 *
 * Every line of every log is read strictly (record.h): one that is wrong fails the test
 * whatever it is about. Each check prints the whole log when it fails.
 */
#ifndef TESTS_STORY_LOG_H
#define TESTS_STORY_LOG_H

#include "record.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

enum story_error {
    ERROR_TO_FILE, /* standard error is a file that is read at the end */
    ERROR_TO_PIPE, /* a pipe; nobody reads it before story_end, or story_drain */
    ERROR_CLOSED
};

struct story {
    const char *args[96]; /* the program's name, or its path, and its arguments; %D is the story's
                             own folder */
    const char *env[12];  /* "NAME=value", likewise */
    enum story_error error;
    bool log_to_file;   /* the log is %D/log (HEARTLINE_LOG) instead of standard error */
    const char *folder; /* NULL = a new one, removed at the end */
    int pipe_size;      /* of standard error; 0 = as it comes */
};

struct story_run {
    pid_t pid;
    int tell;  /* its standard input */
    int error; /* the pipe's end that can be read, or -1 */
    bool log_to_file, keep_folder;
    char folder[128];
    char *read; /* what came through the pipe so far */
    size_t read_length;
};

struct log {
    struct record *records;
    size_t count;
    char *facts;   /* what the program itself printed */
    char *other;   /* lines on standard error that are not ours */
    char *trouble; /* what was wrong with the first line that could not be read, or NULL */
    int status;    /* as exit status; -N = killed by signal N */
    pid_t pid;
    char folder[128];
};

/* Starts it; waits until it has told the fact; gives it a sign (`hear`). */
struct story_run *story_start(const struct story *story);
void story_await(struct story_run *run, const char *fact);
void story_tell(struct story_run *run);
/* Reads what is in the pipe now. */
void story_drain(struct story_run *run);
/* Waits for its end and reads everything. */
struct log *story_end(struct story_run *run);
/* The same where a log that cannot be read is no failure: see its trouble. */
struct log *story_end_anyway(struct story_run *run);
/* All at once. */
struct log *story_tell_all(const struct story *story);
#define TELL(...) story_tell_all(&(const struct story){__VA_ARGS__})
#define BEGIN(...) story_start(&(const struct story){__VA_ARGS__})

/* Reads text as a log, for the test of the reader. */
struct log *log_read(const char *text, size_t length);
void log_print(const struct log *log);

size_t log_count(const struct log *log, const char *word);
/* The n-th of that word, from 0. Fails when there is none. */
const struct record *log_find(const struct log *log, const char *word, size_t n);
/* The n-th fact of that name; fails when there is none. */
long long log_fact(const struct log *log, const char *name, size_t n);
size_t log_fact_count(const struct log *log, const char *name);
/* The same as text, to the end of its line; NULL: there is none. */
const char *log_fact_text(const struct log *log, const char *name, size_t n);

/* The log's first STALL about this phase that is no reminder, and how many there are. */
size_t log_stalls(const struct log *log, const char *phase, const struct record **first);

#define SAYS(log, condition, ...)        \
    do {                                 \
        if (!(condition)) {              \
            log_print(log);              \
            cr_assert_fail(__VA_ARGS__); \
        }                                \
    } while (0)
#define SAYS_COUNT(log, word, expected)                                                \
    SAYS(log, log_count(log, word) == (expected), "%zu lines " word " instead of %zu", \
         log_count(log, word), (size_t)(expected))
#define ENDS_WITH(log, expected) \
    SAYS(log, (log)->status == (expected), "it ended with %d, not %d", (log)->status, (expected))

/* Of the process and its threads: times, states, names, ids that the system knows. */
#define HAS_FIGURES (strcmp(STORY_PLATFORM, "none") != 0)
#define NEEDS_FIGURES                                     \
    do {                                                  \
        if (!HAS_FIGURES)                                 \
            cr_skip_test("platform none has no figures"); \
    } while (0)
#define ONLY_ON_LINUX(why)                        \
    do {                                          \
        if (strcmp(STORY_PLATFORM, "linux") != 0) \
            cr_skip_test(why);                    \
    } while (0)

/* A test is a process of its own and ends soon, so nothing is given back. What is
 * kept here is no leak in a leak checker's eyes. */
void *story_keep(void *memory);

int64_t story_now_ns(void);
void story_sleep_ms(int64_t ms);
/* The file's content, with a terminator; NULL: there is none. */
char *story_read_file(const char *path, size_t *length);
/* How long one tick of the clock that scopes read is. */
double story_tick_ms(void);
/* Under a sanitizer memory is kept, and everything takes longer. */
bool story_is_sanitized(void);

#endif
