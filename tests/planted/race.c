/* Planted: two threads add to one plain variable. ThreadSanitizer must say so. */
#include <pthread.h>
#include <stdio.h>

static long sum;

static void *add(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100000; i++)
        sum++;
    return NULL;
}

int main(void)
{
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, add, NULL) != 0)
            return 2;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%ld\n", sum);
    return 0;
}
