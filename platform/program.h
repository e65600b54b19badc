/* platform/program.h - what has to be known of a program before a library is preloaded into it.
 *
 * For the command-line tool alone: nothing of this is in the library. A loader that does not
 * preload says nothing about it, and the program runs unmonitored; so it is asked before.
 */
#ifndef HL_PROGRAM_H
#define HL_PROGRAM_H

#include <stdbool.h>
#include <limits.h>

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
    char why[2 * PATH_MAX]; /* what stands in the way: "it is statically linked" */
    const char *remedy;     /* what can be done about it */
};

/* Looks for `name` as execvp does, and at what it would execute. */
void hl_program_examine(const char *name, struct hl_program *program);

/* The path of the calling program. false: it cannot be told. */
bool hl_program_own_path(char path[PATH_MAX]);

#endif
