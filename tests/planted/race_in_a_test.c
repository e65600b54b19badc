/* Planted: a race inside a Criterion test, which passes with status 0. Only the report in a
 * file tells. With tests/sanitize/arena.c, without which Criterion does not start here. */
#include <criterion/criterion.h>
#include <pthread.h>

static long sum;

static void *add(void *unused)
{
    for (int i = 0; i < 1000; i++)
        sum++;
    return unused;
}

Test(planted, a_race_that_the_runner_does_not_count)
{
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        cr_assert(pthread_create(&threads[i], NULL, add, NULL) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}
