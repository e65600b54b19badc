/* Planted for helgrind with tests/valgrind/atomics.h: `published` is guarded by an atomic, and no
 * report may name it; without an argument `forgotten` is plain and guarded by nothing. */
#include <pthread.h>
#include <stdatomic.h>

static _Atomic int is_published, is_done;
static long published, forgotten;
static int is_good;

static void *publish(void *unused)
{
    (void)unused;
    published = 7;
    atomic_store_explicit(&is_published, 1, memory_order_release);
    if (!is_good)
        forgotten++;
    atomic_store_explicit(&is_done, 1, memory_order_relaxed);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    long seen;

    (void)argv;
    is_good = argc > 1;
    if (pthread_create(&thread, NULL, publish, NULL) != 0)
        return 2;
    while (!atomic_load_explicit(&is_published, memory_order_acquire))
        continue;
    seen = published;
    while (!atomic_load_explicit(&is_done, memory_order_relaxed))
        continue;
    if (!is_good)
        forgotten++;
    pthread_join(thread, NULL);
    return seen == 7 ? 0 : 1;
}
