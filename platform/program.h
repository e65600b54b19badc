/* platform/program.h - what has to be known of a program before a library is preloaded into it.
 *
 * For the command-line tool alone: nothing of this is in the library. A loader that does not
 * preload says nothing about it, and the program runs unmonitored; so it is asked before.
 */
#ifndef HL_PROGRAM_H
#define HL_PROGRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

/* As a shell would end for it. */
#define HL_PROGRAM_CANNOT_RUN 126
#define HL_PROGRAM_NOT_FOUND 127

struct hl_program {
    char path[PATH_MAX]; /* what is to be executed */
    bool needs_shell;    /* it is a script without a first line that says by what */
    char preload_first
        [256];  /* a sanitizer's runtime, which must come before all others; "" = none */
    int status; /* 0 = it can be monitored, or one of the above */
    char why[4 * PATH_MAX]; /* what stands in the way: "it is statically linked" */
    const char *remedy;     /* what can be done about it */
};

/* Looks for `name` as execvp does, and at what it would execute, with `library` preloaded. */
void hl_program_examine(const char *name, const char *library, struct hl_program *program);

/* The path of the calling program. false: it cannot be told. */
bool hl_program_own_path(char path[PATH_MAX]);

/* ---- for the platform's part ------------------------------------------------------------ */

/* A file in memory, or a piece of one: foreign, so any bytes. */
struct hl_image {
    const unsigned char *bytes;
    size_t size;
};

/* false: errno says why. */
bool hl_image_open(const char *path, struct hl_image *image);
void hl_image_close(struct hl_image *image);
/* A piece of it, or NULL where it has none there. */
const void *hl_image_at(const struct hl_image *image, uint64_t offset, uint64_t size);
/* A text in it that ends before its end, or NULL. */
const char *hl_image_text(const struct hl_image *image, uint64_t offset);

#define HL_PROGRAM_LINK_IT "link it with libheartline instead"
void hl_program_refuse(struct hl_program *program, int status, const char *remedy,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- the platform's part ------------------------------------------------------------------ */

struct hl_binary {
    struct hl_image image;
    const char *path;
    const char *library;
    bool is_interpreter; /* of the script that is to be run */
};

extern const int hl_program_scripts; /* so many, each run by the next, the kernel goes through */

/* Is it a program, in the form of this system? */
bool hl_program_is_binary(const struct hl_image *image);
void hl_program_examine_binary(const struct hl_binary *binary, struct hl_program *program);

#endif
