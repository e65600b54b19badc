/* tests/corpus/corpus.h - a row of the corpus, and how it is judged.
 *
 * What a row's log must and must not say are patterns:
 *
 *     "STALL thread=* /waiter | verdict=blocked wait=mutex:{lock} holder={holder}/holder"
 *
 * There is a STALL of which the part before the bar holds, and for all of those the
 * part behind it holds. A number in front ("1 DEADLOCK members=2") is how many there
 * are; without a bar the pattern only says that there are some. In `never`, no record
 * is such.
 *
 * key=value   equal, or as a file name pattern (fnmatch); key!=value  not so
 * key>=n      at least, key<=n at most; `n` in ms for a duration
 * key, !key   is there, is not there
 *
 * {name} is the fact that the program told, {name.1} the second of that name; quotes
 * 'around blanks'.
 */
#ifndef CORPUS_H
#define CORPUS_H

#include "../story/log.h"

struct row {
    const char *name, *situation;
    const char *args[6]; /* %D is the story's own folder */
    const char *env[6];  /* instead of, or besides, a limit of 300 ms */
    const char *says[6], *never[6];
    /* What a pattern cannot say: NULL = right, else what is wrong. */
    const char *(*check)(const struct log *log);
    const char *also;       /* that, in words */
    const char *not_staged; /* why no program stages it */
    bool hangs;             /* its stalls are open at the end */
};

enum judgement { IS_RIGHT, IS_WRONG, IS_NOT_STAGED };

struct judged {
    enum judgement judgement;
    const char *expected, *got;
    const char *why; /* it is wrong, or not staged */
    const struct log *log;
};

/* Everything here is kept (story_keep) and never given back. */
const char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A check that returns this says that the machine did not let it be staged. */
#define NOT_STAGED(...) text_of("~" __VA_ARGS__)

struct story_run *row_start(const struct row *row);
struct judged row_judge(const struct row *row, struct story_run *run);
struct judged row_run(const struct row *row);

/* The rows in their order, ended by NULL. */
extern const struct row *rows[];
void row_add(const struct row *row);
void row_assert(const struct row *row);

/* A row of the table and, of the same name, a test. */
#define ROW(row_name, ...)                                                     \
    static const struct row row_##row_name = {.name = #row_name, __VA_ARGS__}; \
    __attribute__((constructor)) static void row_add_##row_name(void)          \
    {                                                                          \
        row_add(&row_##row_name);                                              \
    }                                                                          \
    Test(corpus, row_name, .timeout = 170)                                     \
    {                                                                          \
        row_assert(&row_##row_name);                                           \
    }

#endif
