/* tests/platform/fakes.h - files of the kernel that say what the test tells them to.
 *
 * Linked with --wrap, so that the platform opens these instead of the kernel's. A fake
 * stands for every path that ends with its name, of /proc as of /sys:
 *
 *     fake("/status", "VmRSS:\t12 kB\n");
 *     fake_error("/io", EACCES);
 *
 * Criterion gives each test a process, so nothing needs to be undone.
 */
#ifndef TESTS_PLATFORM_FAKES_H
#define TESTS_PLATFORM_FAKES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/* Both are kept by pointer. The newest of a name counts. A link has its text as well. */
void fake(const char *name, const char *text);
void fake_error(const char *name, int error);
/* For so many openings; after these the older ones of that name count again. */
#define FAKE_ALWAYS UINT_MAX
void fake_for(unsigned times, const char *name, const char *text);
void fake_error_for(unsigned times, const char *name, int error);
void fake_nothing(void);

/* Who is asked about every path instead of the above. false: it is not faked. */
struct fake_file {
    const char *bytes;
    size_t size;
    int error; /* instead; 0 = none */
};
typedef bool fake_answer(const char *path, struct fake_file *file);
void fake_by(fake_answer *answer);
bool fake_find(const char *path, struct fake_file *file);

/* "FOLDER/7", to be faked under; holds until the eighth next call. */
const char *fake_name(const char *folder, int descriptor);

/* ---- refusals.c ---------------------------------------------------------------- */

/* A call does nothing `times` times, after it was made `after` times more: it fails, or
 * returns something. What is made by syscall(2) has the name of that call. */
void fake_failure(const char *call, unsigned after, unsigned times, int error);
void fake_result(const char *call, unsigned after, unsigned times, long result);
unsigned fake_uses(const char *call); /* that did nothing */

/* What was read may be changed, and so may what a file is; a reading's size is returned. A
 * clock may be read here: false, it is not. */
extern ssize_t (*fake_reading)(char *text, ssize_t size);
extern void (*fake_stat)(struct stat *is);
extern bool (*fake_clock)(clockid_t clock, struct timespec *now);

#endif
