/* Runs Criterion tests without Criterion's own runner, each in a forked child; linked in its place.
 *
 *     unit-forked [PATTERN...] [!PATTERN...]
 *
 * PATTERN is "suite/test" as of fnmatch(3): with one only such tests are run; !PATTERN leaves
 * some out. Criterion starts its program anew for each test, which takes valgrind more than a
 * second every time. A forked child goes on with what valgrind has translated already, so
 * the tests of a whole program take about as long as eighty such starts.
 * There is what Heartline's tests use of Criterion, and no more.
 */
#include <criterion/criterion.h>
#include <criterion/options.h>
#include <criterion/parameterized.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A test that runs so long hangs. */
#define LIMIT_S 900

enum { PASSED = 0, FAILED = 1, SKIPPED = 77 };

/* What CR_SECTION_ has collected; the linker names its ends, where there is any. */
#define COLLECTED __attribute__((weak))
extern struct criterion_test *__start_cr_tst[] COLLECTED, *__stop_cr_tst[] COLLECTED;
extern struct criterion_suite *__start_cr_sts[] COLLECTED, *__stop_cr_sts[] COLLECTED;

struct criterion_options criterion_options;

/* ---- of the test that this process runs ---- */

static const struct criterion_test *test;
static const struct criterion_test_extra_data *suite;
static void *parameter;
static bool has_failed;

static const struct criterion_test_extra_data *suite_of(const char *name)
{
    for (struct criterion_suite **each = __start_cr_sts; each < __stop_cr_sts; each++)
        if (*each && strcmp((*each)->name, name) == 0)
            return (*each)->data;
    return NULL;
}

void criterion_internal_test_setup(void)
{
    if (suite && suite->init)
        suite->init();
    if (test->data->init)
        test->data->init();
}

void criterion_internal_test_main(void (*body)(void))
{
    if (test->data->kind_ == CR_TEST_PARAMETERIZED)
        ((void (*)(void *))body)(parameter);
    else
        body();
}

void criterion_internal_test_teardown(void)
{
    if (test->data->fini)
        test->data->fini();
    if (suite && suite->fini)
        suite->fini();
}

_Noreturn static void run_as_child(void)
{
    alarm(LIMIT_S);
    test->test();
    exit(has_failed ? FAILED : PASSED);
}

/* ---- what assertions call ---- */

void cri_asserts_passed_incr(void) {}

void criterion_send_assert(struct criterion_assert_stats *assertion)
{
    if (assertion->passed)
        return;
    has_failed = true;
    fprintf(stderr, "%s:%u: %s\n", assertion->file, assertion->line, assertion->message);
}

void criterion_continue_test(void) {}

/* _exit: an assertion may have failed anywhere, and what it leaves behind is no leak. */
void criterion_abort_test(void)
{
    _exit(FAILED);
}

static char *text_of(const char *format, va_list values)
{
    char *text = NULL;

    return vasprintf(&text, format, values) < 0 ? NULL : text;
}

void criterion_skip_test(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    char *why = text_of(format, values);
    va_end(values);
    printf("not run: %s/%s (%s)\n", test->category, test->name, why ? why : "");
    fflush(stdout);
    _exit(SKIPPED);
}

int cr_asprintf(char **text, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    *text = text_of(format, values);
    va_end(values);
    return *text ? (int)strlen(*text) : -1;
}

void cr_asprintf_free(char *text)
{
    free(text);
}

/* The first value of each kind of assertion is the text of its condition. */
char *cr_translate_assert_msg(int kind, ...)
{
    va_list values;

    va_start(values, kind);
    char *text = strdup(va_arg(values, const char *));
    va_end(values);
    return text;
}

/* ---- the runner ---- */

static unsigned tested, passing, skipped;

static void count(int status)
{
    tested++;
    if (WIFEXITED(status) && WEXITSTATUS(status) == PASSED) {
        passing++;
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
        skipped++;
    } else {
        printf("failed: %s/%s (%s %d)\n", test->category, test->name,
               WIFSIGNALED(status) ? "signal" : "status",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
}

static void run_in_child(void)
{
    int status;

    printf("%s/%s\n", test->category, test->name);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        run_as_child();
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("fork, waitpid");
        exit(2);
    }
    count(status);
}

static void run_each_parameter(void)
{
    struct criterion_test_params parameters = test->data->param_();

    for (size_t i = 0; i < parameters.length; i++) {
        parameter = (char *)parameters.params + i * parameters.size;
        run_in_child();
    }
    if (parameters.cleanup)
        parameters.cleanup(&parameters);
}

static bool is_wanted(char **patterns)
{
    bool is_wanted = true, is_named = false, names_some = false;
    char name[512];

    snprintf(name, sizeof name, "%s/%s", test->category, test->name);
    for (; *patterns; patterns++) {
        if (**patterns == '!') {
            is_wanted = is_wanted && fnmatch(*patterns + 1, name, 0) != 0;
        } else {
            names_some = true;
            is_named = is_named || fnmatch(*patterns, name, 0) == 0;
        }
    }
    return is_wanted && (is_named || !names_some);
}

int main(int argc, char **argv)
{
    (void)argc;
    for (struct criterion_test **each = __start_cr_tst; each < __stop_cr_tst; each++) {
        test = *each;
        if (!test || !is_wanted(argv + 1))
            continue;
        suite = suite_of(test->category);
        if (test->data->param_)
            run_each_parameter();
        else
            run_in_child();
    }
    printf("tested: %u, passing: %u, skipped: %u\n", tested, passing, skipped);
    return tested > 0 && passing + skipped == tested ? 0 : 1;
}
