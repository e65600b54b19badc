/* tests/platform/fakes.c - see fakes.h. */
#define _GNU_SOURCE
#include "fakes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FAKES = 32 };

static struct {
    const char *name;
    struct fake_file file;
    unsigned times;
} fakes[FAKES];
static size_t fakes_count;
static fake_answer *answerer;

/* Also without Criterion. */
static void need(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "fakes: %s\n", what);
    abort();
}

static void add(unsigned times, const char *name, struct fake_file file)
{
    need(fakes_count < FAKES, "too many files");
    fakes[fakes_count].name = name;
    fakes[fakes_count].file = file;
    fakes[fakes_count++].times = times;
}

void fake(const char *name, const char *text)
{
    fake_for(FAKE_ALWAYS, name, text);
}

void fake_error(const char *name, int error)
{
    fake_error_for(FAKE_ALWAYS, name, error);
}

void fake_for(unsigned times, const char *name, const char *text)
{
    add(times, name, (struct fake_file){.bytes = text, .size = strlen(text)});
}

void fake_error_for(unsigned times, const char *name, int error)
{
    add(times, name, (struct fake_file){.error = error});
}

void fake_nothing(void)
{
    fakes_count = 0;
}

void fake_by(fake_answer *answer)
{
    answerer = answer;
}

static bool ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), end_length = strlen(end);

    return length >= end_length && strcmp(path + length - end_length, end) == 0;
}

static int open_file(const struct fake_file *file, int flags)
{
    int descriptor = memfd_create("fake", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);

    need(descriptor >= 0 && write(descriptor, file->bytes, file->size) == (ssize_t)file->size,
         "no memory for a file");
    lseek(descriptor, 0, SEEK_SET);
    return descriptor;
}

bool fake_find(const char *path, struct fake_file *file)
{
    if (answerer)
        return answerer(path, file);
    for (size_t i = fakes_count; i-- > 0;) {
        if (fakes[i].times == 0 || !ends_with(path, fakes[i].name))
            continue;
        fakes[i].times -= fakes[i].times != FAKE_ALWAYS;
        *file = fakes[i].file;
        return true;
    }
    return false;
}

/* Sets *descriptor; false: there is no fake of this name. */
static bool is_fake(const char *path, int flags, int *descriptor)
{
    struct fake_file file;

    if (!fake_find(path, &file))
        return false;
    *descriptor = file.error ? -1 : open_file(&file, flags);
    if (file.error)
        errno = file.error;
    return true;
}

/* The linker turns the platform's calls into __wrap_, and __real_ into the C library's.
 * Both names of each: which one is called follows from the size of its offsets. */
#define WRAP(name, parameters, arguments)                   \
    int __real_##name parameters;                           \
    int __wrap_##name parameters;                           \
    int __wrap_##name parameters                            \
    {                                                       \
        int descriptor;                                     \
        va_list rest;                                       \
        va_start(rest, flags);                              \
        int mode = flags & O_CREAT ? va_arg(rest, int) : 0; \
        va_end(rest);                                       \
        if (is_fake(path, flags, &descriptor))              \
            return descriptor;                              \
        return __real_##name arguments;                     \
    }

WRAP(open, (const char *path, int flags, ...), (path, flags, mode))
WRAP(open64, (const char *path, int flags, ...), (path, flags, mode))
WRAP(openat, (int directory, const char *path, int flags, ...), (directory, path, flags, mode))
WRAP(openat64, (int directory, const char *path, int flags, ...), (directory, path, flags, mode))

/* ---- names --------------------------------------------------------------------------- */

const char *fake_name(const char *folder, int descriptor)
{
    static char names[8][64];
    static unsigned used;
    char *name = names[used++ % 8];

    snprintf(name, sizeof names[0], "%s/%d", folder, descriptor);
    return name;
}
