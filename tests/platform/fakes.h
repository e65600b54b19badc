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

#include <stdbool.h>
#include <stddef.h>

/* Both are kept by pointer. The newest of a name counts. */
void fake(const char *name, const char *text);
void fake_error(const char *name, int error);
void fake_nothing(void);

/* Who is asked about every path instead of the above. false: it is not faked. */
struct fake_file {
    const char *bytes;
    size_t size;
    int error; /* instead; 0 = none */
};
typedef bool fake_answer(const char *path, struct fake_file *file);
void fake_by(fake_answer *answer);

#endif
