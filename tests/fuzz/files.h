/* tests/fuzz/files.h - an input that is a small tree of files.
 *
 *     =self/cgroup
 *     0::/a
 *     =/sys/fs/cgroup/a/cpu.max
 *     50000 100000
 *
 * A line that begins with `=` names a file, what follows is its content up to the next such
 * line. A name is a whole path, or the end of one. After it may stand: `~`, the content's last
 * line feed is none of its own; `*300`, it is so often there, and with `~` as one line;
 * `!13`, the file gives this error.
 * A name may be there several times: what is said when the file is opened again.
 */
#ifndef TESTS_FUZZ_FILES_H
#define TESTS_FUZZ_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuzz_file {
    char name[128];
    char *bytes; /* a block of its own, of exactly that size */
    size_t size;
    int error; /* 0 = none */
    bool is_read;
};

void fuzz_files_begin(const uint8_t *data, size_t size);
void fuzz_files_end(void);

/* The first of this path, NULL without one. */
const struct fuzz_file *fuzz_file(const char *path);
/* The first that was not read yet, or the last; from now on it is read. */
const struct fuzz_file *fuzz_file_read(const char *path);
/* All are unread again. */
void fuzz_files_reread(void);
/* One after another; NULL after the last. */
const struct fuzz_file *fuzz_file_at(size_t i);

#endif
