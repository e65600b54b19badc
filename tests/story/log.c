/* See log.h. A story has a folder of its own under /tmp: `out` is the program's
 * standard output, `err` its standard error, `log` the monitor's file. Files, not
 * pipes, because nobody has to read them while the story is told. */
#define _GNU_SOURCE
#include "log.h"

#include "../sanitize/has.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_STORY_S 150

extern char **environ;

void *story_keep(void *memory)
{
    static void **kept;
    static size_t count;
    if ((count & (count + 1)) == 0) /* 0, 1, 3, 7, ... are there: twice as many */
        kept = realloc(kept, (2 * count + 1) * sizeof *kept);
    kept[count++] = memory;
    return memory;
}

int64_t story_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void story_sleep_ms(int64_t ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&pause, &pause) != 0)
        continue;
}

double story_tick_ms(void)
{
    struct timespec tick = {0, 10000000};
#ifdef CLOCK_MONOTONIC_COARSE
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
#endif
    return (double)tick.tv_nsec / 1e6;
}

bool story_is_sanitized(void)
{
    return HAS_SANITIZER;
}

char *story_read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    size_t capacity = 1 << 16, used = 0, got;
    char *text = malloc(capacity);
    while ((got = fread(text + used, 1, capacity - used - 1, file)) > 0) {
        used += got;
        if (capacity - used < 1 << 15)
            text = realloc(text, capacity *= 2);
    }
    fclose(file);
    text[used] = '\0';
    if (length)
        *length = used;
    return story_keep(text);
}

/* ---- starting -------------------------------------------------------------------- */

static char *with_folder(const char *text, const char *folder)
{
    const char *mark = strstr(text, "%D");
    char *all = NULL;
    if (!mark)
        return story_keep(strdup(text));
    if (asprintf(&all, "%.*s%s%s", (int)(mark - text), text, folder,
                 with_folder(mark + 2, folder)) < 0)
        abort();
    return story_keep(all);
}

/* One of ours, or of a job that the tests themselves are in. */
static bool is_setting(const char *variable)
{
    static const char *const begins[] = {"HEARTLINE",
                                         "OMPI_COMM_WORLD_RANK=", "PMI_RANK=", "SLURM_PROCID="};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(variable, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

/* The environment without what would change the story. */
static char **make_environment(const struct story *story, const char *folder)
{
    size_t count = 0;
    while (environ[count])
        count++;
    char **env = story_keep(calloc(count + 16, sizeof *env));
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_setting(environ[i]))
            env[used++] = environ[i];
    for (size_t i = 0; i < sizeof story->env / sizeof *story->env && story->env[i]; i++)
        env[used++] = with_folder(story->env[i], folder);
    if (story->log_to_file)
        env[used++] = with_folder("HEARTLINE_LOG=%D/log", folder);
    return env;
}

static int open_in(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

/* A descriptor that is not 0, 1 or 2 itself, so that putting one in place spoils no other. */
static void put_in_place(int descriptor, int number)
{
    if (descriptor < 0)
        close(number);
    else
        dup2(descriptor, number);
}

static void become(const char *program, char *const *args, char *const *env, int in, int out,
                   int error)
{
    sigset_t none;
    sigemptyset(&none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    alarm(LONGEST_STORY_S);
    put_in_place(in, 0);
    put_in_place(out, 1);
    put_in_place(error, 2);
    for (int i = 3; i < 1024; i++)
        close(i);
    execve(program, args, env);
    _exit(127);
}

struct story_run *story_start(const struct story *story)
{
    struct story_run *run = story_keep(calloc(1, sizeof *run));
    const char *temporary = getenv("TMPDIR");
    snprintf(run->folder, sizeof run->folder, "%s/story-XXXXXX", temporary ? temporary : "/tmp");
    if (story->folder)
        snprintf(run->folder, sizeof run->folder, "%s", story->folder);
    else
        cr_assert(mkdtemp(run->folder) != NULL && chmod(run->folder, 0777) == 0);
    run->keep_folder = story->folder != NULL;
    run->log_to_file = story->log_to_file;
    char *args[sizeof story->args / sizeof *story->args] = {0}, program[512];
    for (size_t i = 0; story->args[i]; i++)
        args[i] = with_folder(story->args[i], run->folder);
    const char *programs = getenv("STORY_PROGRAMS"); /* of a build under ThreadSanitizer, say */
    snprintf(program, sizeof program, "%s%s%s",
             args[0][0] == '/' ? ""
             : programs        ? programs
                               : STORY_PROGRAMS,
             args[0][0] == '/' ? "" : "/", args[0]);
    args[0] = program;
    char **env = make_environment(story, run->folder);

    int in[2], error[2] = {-1, -1}, out = open_in(run->folder, "out");
    cr_assert(pipe2(in, O_CLOEXEC) == 0 && out >= 0);
    if (story->error == ERROR_TO_FILE)
        error[1] = open_in(run->folder, "err");
    if (story->error == ERROR_TO_PIPE)
        cr_assert(pipe2(error, O_CLOEXEC) == 0);
    if (story->pipe_size)
        cr_assert(fcntl(error[1], F_SETPIPE_SZ, story->pipe_size) >= 0);
    run->pid = fork();
    if (run->pid == 0)
        become(program, args, env, in[0], out, error[1]);
    cr_assert(run->pid > 0);
    close(in[0]);
    close(out);
    close(error[1]);
    run->tell = in[1];
    run->error = error[0];
    return run;
}

/* ---- while it runs ----------------------------------------------------------------- */

static char *read_in(const char *folder, const char *name, size_t *length)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return story_read_file(path, length);
}

/* The n-th line that begins with the name and a blank, behind them; NULL: none. */
static const char *find_fact(const char *facts, const char *name, size_t n)
{
    size_t length = strlen(name);
    for (const char *line = facts; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ' ' && n-- == 0)
            return line + length + 1;
    }
    return NULL;
}

void story_await(struct story_run *run, const char *fact)
{
    int64_t end = story_now_ns() + LONGEST_STORY_S * INT64_C(1000000000);
    for (;;) {
        size_t length;
        char *facts = read_in(run->folder, "out", &length);
        bool found = facts && find_fact(facts, fact, 0);
        if (found)
            return;
        siginfo_t ended = {0};
        waitid(P_PID, (id_t)run->pid, &ended, WEXITED | WNOHANG | WNOWAIT);
        if (ended.si_pid != 0 || story_now_ns() > end)
            break;
        story_sleep_ms(2);
    }
    log_print(story_end(run));
    cr_assert_fail("it never told %s", fact);
}

void story_tell(struct story_run *run)
{
    cr_assert(write(run->tell, "", 1) == 1);
}

static void append(struct story_run *run, const char *bytes, size_t count)
{
    run->read = realloc(run->read, run->read_length + count + 1);
    memcpy(run->read + run->read_length, bytes, count);
    run->read_length += count;
    run->read[run->read_length] = '\0';
}

static bool drain_once(struct story_run *run)
{
    char bytes[4096];
    ssize_t got = read(run->error, bytes, sizeof bytes);
    if (got > 0)
        append(run, bytes, (size_t)got);
    return got > 0;
}

void story_drain(struct story_run *run)
{
    fcntl(run->error, F_SETFL, O_NONBLOCK);
    while (drain_once(run))
        continue;
    fcntl(run->error, F_SETFL, 0);
}

/* ---- reading its lines --------------------------------------------------------------- */

static bool is_ours(const char *line)
{
    return *line == '{' || strstr(line, "[heartline ") != NULL;
}

/* Only the first is kept: what comes after may be its consequence. */
__attribute__((format(printf, 3, 4))) static void note_trouble(struct log *log, bool is_trouble,
                                                               const char *format, ...)
{
    va_list arguments;
    if (!is_trouble || log->trouble)
        return;
    va_start(arguments, format);
    if (vasprintf(&log->trouble, format, arguments) < 0)
        abort();
    va_end(arguments);
}

static void add_record(struct log *log, int64_t at_ns, const char *line, size_t length)
{
    log->records = realloc(log->records, (log->count + 1) * sizeof *log->records);
    struct record *record = &log->records[log->count++];
    const char *trouble = record_read(record, at_ns, line, length);
    note_trouble(log, trouble != NULL, "%s: %s", trouble, record->line);
}

static void add_other(struct log *log, const char *line, size_t length)
{
    size_t before = log->other ? strlen(log->other) : 0;
    log->other = realloc(log->other, before + length + 2);
    memcpy(log->other + before, line, length);
    memcpy(log->other + before + length, "\n", 2);
}

static void read_lines(struct log *log, const char *text, size_t length)
{
    while (length > 0) {
        const char *end = memchr(text, '\n', length);
        note_trouble(log, !end, "the last line has no end: %.*s", (int)length, text);
        if (!end)
            return;
        size_t line = (size_t)(end - text);
        char *copy = strndup(text, line);
        if (is_ours(copy))
            add_record(log, 0, text, line);
        else
            add_other(log, text, line);
        free(copy);
        text += line + 1;
        length -= line + 1;
    }
}

/* Lines behind an @ came through a callback. */
static void read_callback(struct log *log)
{
    for (const char *line = log->facts, *end; line && *line; line = end + 1) {
        end = strchr(line, '\n');
        note_trouble(log, !end, "the last fact has no end: %s", line);
        if (!end)
            return;
        if (*line != '@')
            continue;
        char *text;
        int64_t at_ns = strtoll(line + 1, &text, 10);
        add_record(log, at_ns, text + 1, (size_t)(end - text - 1));
    }
}

struct log *log_read(const char *text, size_t length)
{
    struct log *log = story_keep(calloc(1, sizeof *log));
    read_lines(log, text, length);
    SAYS(log, !log->trouble, "%s", log->trouble);
    return log;
}

/* ---- the end --------------------------------------------------------------------------- */

static void remove_folder(const char *folder)
{
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (entry->d_name[0] != '.' && unlinkat(dirfd(directory), entry->d_name, 0) != 0)
            unlinkat(dirfd(directory), entry->d_name, AT_REMOVEDIR);
    if (directory)
        closedir(directory);
    rmdir(folder);
}

struct log *story_end_anyway(struct story_run *run)
{
    struct log *log = story_keep(calloc(1, sizeof *log));
    int status;
    close(run->tell);
    while (run->error >= 0 && drain_once(run))
        continue;
    close(run->error);
    cr_assert(waitpid(run->pid, &status, 0) == run->pid);
    log->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    log->pid = run->pid;
    snprintf(log->folder, sizeof log->folder, "%s", run->folder);
    size_t length = 0, error_length = 0;
    log->facts = read_in(run->folder, "out", &length);
    char *error = run->error >= 0 ? run->read : read_in(run->folder, "err", &error_length);
    char *file = run->log_to_file ? read_in(run->folder, "log", &length) : NULL;
    if (!run->keep_folder)
        remove_folder(run->folder);
    read_callback(log);
    if (error)
        read_lines(log, error, run->error >= 0 ? run->read_length : error_length);
    if (file)
        read_lines(log, file, length);
    note_trouble(log, log->other && strstr(log->other, "act: "), "the story is mistold");
    return log;
}

struct log *story_end(struct story_run *run)
{
    struct log *log = story_end_anyway(run);
    SAYS(log, !log->trouble, "%s", log->trouble);
    return log;
}

struct log *story_tell_all(const struct story *story)
{
    return story_end(story_start(story));
}

void log_print(const struct log *log)
{
    fprintf(stderr, "---- the program ended with %d and said:\n%s", log->status,
            log->facts ? log->facts : "");
    fprintf(stderr, "---- its log:\n");
    for (size_t i = 0; i < log->count; i++)
        fprintf(stderr, "%s\n", log->records[i].line);
    fprintf(stderr, "---- anything else on standard error:\n%s----\n",
            log->other ? log->other : "");
}

/* ---- asking ------------------------------------------------------------------------------ */

size_t log_count(const struct log *log, const char *word)
{
    size_t count = 0;
    for (size_t i = 0; i < log->count; i++)
        count += strcmp(log->records[i].word, word) == 0;
    return count;
}

const struct record *log_find(const struct log *log, const char *word, size_t n)
{
    for (size_t i = 0; i < log->count; i++)
        if (strcmp(log->records[i].word, word) == 0 && n-- == 0)
            return &log->records[i];
    SAYS(log, false, "there is no such %s", word);
    return NULL;
}

long long log_fact(const struct log *log, const char *name, size_t n)
{
    const char *fact = find_fact(log->facts, name, n);
    SAYS(log, fact != NULL, "it did not tell %s (the %zu.)", name, n + 1);
    return strtoll(fact, NULL, 10);
}

const char *log_fact_text(const struct log *log, const char *name, size_t n)
{
    const char *fact = log->facts ? find_fact(log->facts, name, n) : NULL;
    return fact ? story_keep(strndup(fact, strcspn(fact, "\n"))) : NULL;
}

size_t log_fact_count(const struct log *log, const char *name)
{
    size_t count = 0;
    while (log->facts && find_fact(log->facts, name, count))
        count++;
    return count;
}

size_t log_stalls(const struct log *log, const char *phase, const struct record **first)
{
    size_t count = 0;
    for (size_t i = 0; i < log->count; i++) {
        const struct record *record = &log->records[i];
        if (strcmp(record->word, "STALL") != 0 || !record_is(record, "phase", phase) ||
            record_has(record, "reminder"))
            continue;
        if (count++ == 0)
            *first = record;
    }
    return count;
}
