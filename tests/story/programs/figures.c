/* Uses CPU in a known way, and sets the system's own figures beside each heartbeat:
 *
 *     figures LOAD BEATS      LOAD: one, one-and-half, idle, churn (threads that end)
 *
 * After the monitor's line (as act prints it) comes `beside TIME_US CPU_US RSS_KB THREADS`.
 */
#define _GNU_SOURCE
#include <heartline/monitor.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static _Atomic bool is_over;
static _Atomic int beats;

static long long clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000LL + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

static long long rss_kb(void)
{
    char text[64] = "";
    long long size, resident = 0;
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (read(file, text, sizeof text - 1) > 0)
        sscanf(text, "%lld %lld", &size, &resident);
    close(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static long long thread_count(void)
{
    char text[4096] = "";
    int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t got = read(file, text, sizeof text - 1);
    close(file);
    const char *line = got > 0 ? strstr(text, "\nThreads:") : NULL;
    return line ? atoll(line + 9) : -1;
}

static void print_line(void *data, enum monitor_level level, const char *line, size_t length)
{
    char text[8192];
    (void)data, (void)level;
    long long now = clock_ns(CLOCK_MONOTONIC), cpu = cpu_us();
    int all = snprintf(text, sizeof text, "@%lld %.*s\n", now, (int)length, line);
    if (strstr(line, "\"beat\"")) {
        all += snprintf(text + all, sizeof text - (size_t)all, "beside %lld %lld %lld %lld\n",
                        now / 1000, cpu, rss_kb(), thread_count());
        beats++;
    }
    if (write(STDOUT_FILENO, text, (size_t)all) != all)
        _exit(99);
}

static void nap(long ns)
{
    struct timespec pause = {0, ns};
    nanosleep(&pause, NULL);
}

static void burn(long long ns)
{
    long long until = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;
    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until)
        continue;
}

static void *whole(void *unused)
{
    prctl(PR_SET_NAME, "cruncher");
    while (!is_over)
        burn(1000000);
    return unused;
}

static void *half(void *unused)
{
    while (!is_over) {
        burn(5000000);
        nap(5000000);
    }
    return unused;
}

static void *brief(void *unused)
{
    burn(3000000);
    return unused;
}

static void *churn(void *unused)
{
    pthread_t thread;
    while (!is_over) {
        pthread_create(&thread, NULL, brief, NULL);
        pthread_join(thread, NULL);
    }
    return unused;
}

int main(int count, char **arguments)
{
    monitor_options options;
    pthread_t threads[2];
    int started = 0;
    if (count != 3)
        return 99;
    monitor_options_default(&options);
    options.interval_ms = 400;
    options.format = MONITOR_JSON;
    options.sink = print_line;
    const char *load = arguments[1];
    if (monitor_start_with(&options) != 0)
        return 98;
    if (strncmp(load, "one", 3) == 0)
        pthread_create(&threads[started++], NULL, whole, NULL);
    if (strcmp(load, "one-and-half") == 0)
        pthread_create(&threads[started++], NULL, half, NULL);
    if (strcmp(load, "churn") == 0)
        pthread_create(&threads[started++], NULL, churn, NULL);
    while (beats < atoi(arguments[2]))
        nap(20000000);
    is_over = true;
    while (started > 0)
        pthread_join(threads[--started], NULL);
    monitor_stop();
    return 0;
}
