/* Progress that several threads share: the main thread opens the scope, the
 * workers copy the counter and add to it. Heartbeats then show how far it is,
 * how fast it goes, and when it will be done. Runs for a few seconds. */
#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define WORKERS 2
#define LIMIT 12000000u /* primes below this are counted */
#define ROUND 10000u    /* numbers in one piece of work */

struct job {
    scope_progress done;
    _Atomic uint64_t next; /* the first number of the next piece */
    _Atomic uint64_t primes;
};

static int is_prime(uint64_t n)
{
    for (uint64_t d = 2; d * d <= n; d++)
        if (n % d == 0)
            return 0;
    return n >= 2;
}

static void *work(void *argument)
{
    struct job *job = argument;
    uint64_t first;

    while ((first = atomic_fetch_add(&job->next, ROUND)) < LIMIT) {
        SCOPEF("primes from %" PRIu64, first);
        for (uint64_t n = first; n < first + ROUND; n++)
            if (is_prime(n))
                atomic_fetch_add(&job->primes, 1);
        scope_progress_add(job->done, 1);
    }
    return NULL;
}

int main(void)
{
    monitor_options options;
    struct job job = {.next = 0};
    pthread_t threads[WORKERS];

    monitor_options_default(&options);
    options.interval_ms = 1000;
    monitor_start_with(&options);

    SCOPE_PROGRESS(done, "count primes", LIMIT / ROUND);
    job.done = done;
    for (int i = 0; i < WORKERS; i++)
        if (pthread_create(&threads[i], NULL, work, &job) != 0)
            return 1;
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    printf("%" PRIu64 " primes below %u\n", (uint64_t)job.primes, LIMIT);
    return 0;
}
