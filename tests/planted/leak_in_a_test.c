/* Planted: a leak inside a Criterion test, which passes with status 0. Only the
 * report in a file tells. */
#include <criterion/criterion.h>
#include <stdlib.h>

static char *volatile kept;

Test(planted, a_leak_that_the_runner_does_not_count)
{
    kept = malloc(11);
    cr_assert(kept != NULL);
    kept = NULL;
}
