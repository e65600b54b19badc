/* Planted for helgrind: two mutexes, taken in one order and then in the other. It never blocks. */
#include <pthread.h>

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second = PTHREAD_MUTEX_INITIALIZER;

static void *take(void *is_reversed)
{
    pthread_mutex_t *outer = is_reversed ? &second : &first;
    pthread_mutex_t *inner = is_reversed ? &first : &second;

    pthread_mutex_lock(outer);
    pthread_mutex_lock(inner);
    pthread_mutex_unlock(inner);
    pthread_mutex_unlock(outer);
    return NULL;
}

int main(void)
{
    for (int i = 0; i < 2; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, take, i ? &first : NULL) != 0)
            return 2;
        pthread_join(thread, NULL);
    }
    return 0;
}
