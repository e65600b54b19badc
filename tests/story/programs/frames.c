/* monitor_stack of a thread that waits, of one that has ended, of none and of oneself:
 * prints what it returned as facts. */
#define _GNU_SOURCE
#include <heartline/monitor.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static sem_t is_there, may_go;
static _Atomic uint64_t tid;

static void *wait_there(void *unused)
{
    tid = (uint64_t)gettid();
    sem_post(&is_there);
    sem_wait(&may_go);
    return unused;
}

/* A thread that was joined is to be seen for a moment yet. */
static int of_the_joined(uintptr_t frames[64])
{
    int result = 0;
    for (int i = 0; i < 5000 && result != -ESRCH; i++) {
        result = monitor_stack(tid, frames, 64);
        usleep(1000);
    }
    return result;
}

int main(void)
{
    uintptr_t frames[64];
    pthread_t thread;
    sem_init(&is_there, 0, 0);
    sem_init(&may_go, 0, 0);
    pthread_create(&thread, NULL, wait_there, NULL);
    sem_wait(&is_there);
    printf("waits %d\n", monitor_stack(tid, frames, 64));
    printf("without_room %d\n", monitor_stack(tid, frames, 0));
    sem_post(&may_go);
    pthread_join(thread, NULL);
    printf("gone %d\n", of_the_joined(frames));
    printf("oneself %d\n", monitor_stack((uint64_t)gettid(), frames, 64));
    return 0;
}
