/* tests/platform/fakes.c - see fakes.h. */
#define _GNU_SOURCE
#include "fakes.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FAKES = 32 };

static struct {
    const char *name, *text;
    int error;
} fakes[FAKES];
static size_t fakes_count;

static void add(const char *name, const char *text, int error)
{
    cr_assert_lt(fakes_count, FAKES);
    fakes[fakes_count].name = name;
    fakes[fakes_count].text = text;
    fakes[fakes_count++].error = error;
}

void fake(const char *name, const char *text)
{
    add(name, text, 0);
}

void fake_error(const char *name, int error)
{
    add(name, NULL, error);
}

void fake_nothing(void)
{
    fakes_count = 0;
}

static bool ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), end_length = strlen(end);

    return length >= end_length && strcmp(path + length - end_length, end) == 0;
}

static int open_text(const char *text, int flags)
{
    int descriptor = memfd_create("fake", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
    size_t size = strlen(text);

    cr_assert(descriptor >= 0 && write(descriptor, text, size) == (ssize_t)size);
    lseek(descriptor, 0, SEEK_SET);
    return descriptor;
}

/* Sets *descriptor; false: there is no fake of this name. */
static bool is_fake(const char *path, int flags, int *descriptor)
{
    for (size_t i = fakes_count; i-- > 0;) {
        if (!ends_with(path, fakes[i].name))
            continue;
        *descriptor = fakes[i].error ? -1 : open_text(fakes[i].text, flags);
        if (fakes[i].error)
            errno = fakes[i].error;
        return true;
    }
    return false;
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

/* ---- the vDSO ------------------------------------------------------------------ */

unsigned long __real_getauxval(unsigned long type);
unsigned long __wrap_getauxval(unsigned long type);

static bool has_vdso;
static unsigned long vdso;

void fake_vdso(unsigned long address)
{
    has_vdso = true;
    vdso = address;
}

unsigned long __wrap_getauxval(unsigned long type)
{
    return has_vdso && type == AT_SYSINFO_EHDR ? vdso : __real_getauxval(type);
}
