/* The real registry. Each run of the model is a new process to it, which would make a key. */
#include <pthread.h>

static int make_no_key(pthread_key_t *key, void (*destroy)(void *))
{
    (void)key, (void)destroy;
    return -1;
}
#define pthread_key_create make_no_key

#include "../../monitor/registry.c"
