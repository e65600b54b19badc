/* corpus-tests: the rows as Criterion's tests.
 * corpus-tests --table [--times N] [--busy] [PATTERN]: the rows as a table. */
#define _GNU_SOURCE
#include "corpus.h"

#include <criterion/criterion.h>

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROWS 256

const struct row *rows[ROWS + 1];

void row_add(const struct row *row)
{
    size_t count = 0;
    while (rows[count])
        count++;
    if (count < ROWS)
        rows[count] = row;
}

/* ---- as a test ------------------------------------------------------------------------------ */

void row_assert(const struct row *row)
{
    struct judged judged = row_run(row);
    if (judged.judgement == IS_NOT_STAGED)
        cr_skip_test("not staged: %s", judged.why);
    SAYS(judged.log, judged.judgement == IS_RIGHT, "%s", judged.why);
}

/* ---- as a table ------------------------------------------------------------------------------- */

struct cell {
    const char *text;
    int width;
};

/* As much as fits into the width, broken at a blank where there is one; what is left. */
static int fitting(const struct cell *cell)
{
    int length = (int)strlen(cell->text);
    if (length <= cell->width)
        return length;
    for (int i = cell->width; i > cell->width / 2; i--)
        if (cell->text[i] == ' ')
            return i;
    return cell->width;
}

static void print_cells(struct cell *cells, size_t count)
{
    bool is_more = true;
    while (is_more) {
        is_more = false;
        for (size_t i = 0; i < count; i++) {
            int length = fitting(&cells[i]);
            printf("%-*.*s%s", i + 1 < count ? cells[i].width : 0, length, cells[i].text,
                   i + 1 < count ? " | " : "\n");
            cells[i].text += length;
            while (*cells[i].text == ' ')
                cells[i].text++;
            is_more |= *cells[i].text != '\0';
        }
    }
}

static void print_row(const char *situation, const char *expected, const char *got,
                      const char *result)
{
    struct cell cells[] = {{situation, 34}, {expected, 46}, {got, 46}, {result, 24}};
    print_cells(cells, sizeof cells / sizeof *cells);
    fflush(stdout);
}

static const char *result_text(const struct judged *judged)
{
    return judged->judgement == IS_RIGHT   ? "ok"
           : judged->judgement == IS_WRONG ? "WRONG"
                                           : text_of("not staged: %s", judged->why);
}

static void print_log(const struct log *log)
{
    for (const char *at = log->facts; at && *at; at = strchr(at, '\n') + 1)
        if (*at != '@')
            printf("    %.*s\n", (int)strcspn(at, "\n"), at);
    for (size_t i = 0; i < log->count; i++)
        printf("    %s\n", log->records[i].line);
    if (log->other)
        printf("    on standard error: %s\n", log->other);
}

static size_t tally[3];

static void tell_row(const struct row *row, bool is_first_time)
{
    struct judged judged = row_run(row);
    tally[judged.judgement]++;
    if (is_first_time || judged.judgement == IS_WRONG)
        print_row(row->situation, judged.expected, judged.got, result_text(&judged));
    if (judged.judgement == IS_WRONG) {
        printf("    %s: %s\n", row->name, judged.why);
        print_log(judged.log);
    }
}

/* ---- all cores busy ----------------------------------------------------------------------------- */

static pid_t spinners[256];
static size_t spinner_count;

static void keep_cores_busy(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    for (; (long)spinner_count < cores && spinner_count < 256; spinner_count++) {
        pid_t child = fork();
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (volatile unsigned i = 0;; i++)
                continue;
        }
        spinners[spinner_count] = child;
    }
}

static void let_cores_rest(void)
{
    for (size_t i = 0; i < spinner_count; i++) {
        kill(spinners[i], SIGKILL);
        waitpid(spinners[i], NULL, 0);
    }
}

/* ---- from the command line ------------------------------------------------------------------------ */

static int misused(void)
{
    fprintf(stderr, "corpus: [--times N] [--busy] [PATTERN]\n");
    return 2;
}

static int tell_table(char **arguments)
{
    long times = 1;
    bool is_busy = false;
    const char *pattern = "*";
    for (; *arguments; arguments++) {
        if (strcmp(*arguments, "--busy") == 0)
            is_busy = true;
        else if (strcmp(*arguments, "--times") == 0 && arguments[1])
            times = atol(*++arguments);
        else if (**arguments != '-')
            pattern = *arguments;
        else
            return misused();
    }
    int64_t began = story_now_ns();
    print_row("situation", "expected", "got", "");
    if (is_busy)
        keep_cores_busy();
    for (long i = 0; i < times; i++)
        for (size_t j = 0; rows[j]; j++)
            if (fnmatch(pattern, rows[j]->name, 0) == 0)
                tell_row(rows[j], i == 0);
    let_cores_rest();
    size_t all = tally[IS_RIGHT] + tally[IS_WRONG] + tally[IS_NOT_STAGED];
    printf("\ncorpus: %zu rows%s, %zu ok, %zu WRONG, %zu not staged, %.0f s\n", all,
           is_busy ? " with all cores busy" : "", tally[IS_RIGHT], tally[IS_WRONG],
           tally[IS_NOT_STAGED], (double)(story_now_ns() - began) / 1e9);
    return tally[IS_WRONG] != 0 || tally[IS_RIGHT] == 0;
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "--table") == 0)
        return tell_table(arguments + 2);
    struct criterion_test_set *tests = criterion_initialize();
    int result = 0;
    if (criterion_handle_args(count, arguments, true))
        result = !criterion_run_all_tests(tests);
    criterion_finalize(tests);
    return result;
}
