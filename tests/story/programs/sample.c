/* monitor_sample beside the system's own figures.
 *     sample WINDOW_MS TIMES
 * Prints, for each sample, its JSON behind `json`, `beside WALL_US CPU_US` around
 * it, and the ids of two threads: `born` began inside the window, `gone` ended there. */
#define _GNU_SOURCE
#include <heartline/metrics.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static _Atomic bool is_over;
static _Atomic long born_tid, gone_tid;
static long window_ms;

static long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static long long cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000LL + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

static void nap(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static void *spin(void *unused)
{
    prctl(PR_SET_NAME, "spin \"1\"\n");
    while (!is_over)
        continue;
    return unused;
}

static void *be_born(void *unused)
{
    born_tid = gettid();
    for (volatile long i = 0; !is_over; i++)
        continue;
    return unused;
}

static void *midwife(void *unused)
{
    pthread_t thread;
    nap(window_ms / 2);
    pthread_create(&thread, NULL, be_born, NULL);
    pthread_join(thread, NULL);
    return unused;
}

static void *go(void *unused)
{
    gone_tid = gettid();
    nap(window_ms / 2);
    return unused;
}

static int sample(void)
{
    static char json[1 << 16];
    monitor_metrics metrics;
    long long wall = now_us(), cpu = cpu_us();
    int result = monitor_sample((uint64_t)window_ms, &metrics);
    cpu = cpu_us() - cpu;
    wall = now_us() - wall;
    if (result != 0)
        return result;
    size_t length = monitor_metrics_json(&metrics, json, sizeof json);
    printf("json %.*s\n", (int)length, json);
    printf("beside %lld %lld\nborn %ld\ngone %ld\n", wall, cpu, born_tid, gone_tid);
    monitor_metrics_release(&metrics);
    monitor_metrics_release(&metrics);
    return 0;
}

int main(int count, char **arguments)
{
    pthread_t spinner, woman, leaver;
    if (count != 3)
        return 99;
    window_ms = atol(arguments[1]);
    pthread_create(&spinner, NULL, spin, NULL);
    pthread_create(&woman, NULL, midwife, NULL);
    pthread_create(&leaver, NULL, go, NULL);
    while (gone_tid == 0)
        nap(1);
    for (int i = 0; i < atoi(arguments[2]); i++)
        if (sample() != 0)
            return 98;
    is_over = true;
    pthread_join(spinner, NULL);
    pthread_join(woman, NULL);
    pthread_join(leaver, NULL);
    return 0;
}
