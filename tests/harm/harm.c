/* See harm.h. */
#define _GNU_SOURCE
#include "harm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool is_short;
static bool has_figure;
static char parts[1024];
static _Atomic unsigned wrong;
static char folder[64];
static pid_t folder_of;

/* ---- what a check says ------------------------------------------------------ */

uint64_t harm_count(uint64_t full, uint64_t brief)
{
    return is_short ? brief : full;
}

static void say(FILE *file, const char *word, const char *format, va_list arguments)
{
    flockfile(file);
    fprintf(file, "%s: ", word);
    vfprintf(file, format, arguments);
    fputc('\n', file);
    fflush(file);
    funlockfile(file);
}

void harm_wrong(const char *format, ...)
{
    va_list arguments;
    if (atomic_fetch_add(&wrong, 1) >= 20) /* enough to see what it is about */
        return;
    va_start(arguments, format);
    say(stderr, "wrong", format, arguments);
    va_end(arguments);
}

unsigned harm_wrongs(void)
{
    return wrong;
}

void harm_figure(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(stdout, "figure", format, arguments);
    va_end(arguments);
    has_figure = true;
}

void harm_part(const char *format, ...)
{
    size_t length = strlen(parts);
    va_list arguments;
    if (length > 0)
        length += (size_t)snprintf(parts + length, sizeof parts - length, "; ");
    va_start(arguments, format);
    vsnprintf(parts + length, sizeof parts - length, format, arguments);
    va_end(arguments);
}

void harm_figure_of_parts(void)
{
    harm_figure("%s", parts);
}

void harm_not_run(const char *what, const char *why)
{
    printf("not run: %s (%s)\n", what, why);
    fflush(stdout);
}

void harm_cannot_run(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(stdout, "reason", format, arguments);
    va_end(arguments);
    exit(77);
}

void harm_broken(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(stderr, "the check itself", format, arguments);
    va_end(arguments);
    exit(1);
}

static int usage(const char *program, const struct harm_check *checks)
{
    fprintf(stderr, "usage: %s CHECK [--short]; CHECK is one of", program);
    for (; checks->name; checks++)
        fprintf(stderr, " %s", checks->name);
    fputc('\n', stderr);
    return 2;
}

int harm_main(int argc, char **argv, const struct harm_check *checks)
{
    const struct harm_check *check = checks;
    is_short = argc == 3 && strcmp(argv[2], "--short") == 0;
    if (argc < 2 || argc > 3 || (argc == 3 && !is_short))
        return usage(argv[0], checks);
    while (check->name && strcmp(check->name, argv[1]) != 0)
        check++;
    if (!check->name)
        return usage(argv[0], checks);
    check->run();
    if (!has_figure)
        harm_wrong("no figure was shown");
    return wrong > 0;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double harm_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* ---- time, children, files ------------------------------------------------------ */

uint64_t harm_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void harm_sleep_ms(uint64_t ms)
{
    struct timespec rest = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    while (nanosleep(&rest, &rest) != 0)
        continue;
}

int harm_wait(int pid, uint64_t at_most_ms)
{
    uint64_t until = harm_now_ns() + at_most_ms * 1000000;
    int status;
    for (;;) {
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        if (ended < 0)
            harm_broken("waitpid(%d): %s", pid, strerror(errno));
        if (harm_now_ns() > until)
            break;
        harm_sleep_ms(1);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return HARM_HUNG;
}

static int remove_one(const char *path, const struct stat *is, int kind, struct FTW *where)
{
    (void)is, (void)kind, (void)where;
    return remove(path);
}

static void remove_folder(void)
{
    if (getpid() == folder_of)
        nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *harm_folder(void)
{
    if (folder[0])
        return folder;
    snprintf(folder, sizeof folder, "/tmp/heartline-harm-XXXXXX");
    if (!mkdtemp(folder))
        harm_broken("no folder %s: %s", folder, strerror(errno));
    folder_of = getpid();
    atexit(remove_folder);
    return folder;
}

/* Kept in a list, for the eyes of a leak checker. */
const char *harm_path(const char *name)
{
    static struct kept {
        struct kept *before;
        char *path;
    } * latest;
    struct kept *kept = malloc(sizeof *kept);
    if (!kept || asprintf(&kept->path, "%s/%s", harm_folder(), name) < 0)
        abort();
    kept->before = latest;
    latest = kept;
    return kept->path;
}

char *harm_read(const char *path, size_t *size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t filled = 0, room = 1 << 16;
    if (file < 0)
        return NULL;
    char *text = malloc(room + 1);
    for (ssize_t got = 1; text && got > 0;) {
        if (filled == room)
            text = realloc(text, (room *= 2) + 1);
        if (!text)
            break;
        got = read(file, text + filled, room - filled);
        filled += got > 0 ? (size_t)got : 0;
    }
    close(file);
    if (!text)
        abort();
    text[filled] = '\0';
    if (size)
        *size = filled;
    return text;
}

unsigned harm_entries(const char *path)
{
    unsigned entries = 0;
    DIR *folder = opendir(path);
    if (!folder)
        harm_broken("%s: %s", path, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(folder));)
        entries += entry->d_name[0] != '.';
    closedir(folder);
    return entries;
}

size_t harm_lines_with(const char *text, const char *piece)
{
    size_t lines = 0;
    for (const char *at = strstr(text, piece); at; at = strstr(at, piece)) {
        lines++;
        at = strchr(at, '\n');
        if (!at)
            break;
    }
    return lines;
}
