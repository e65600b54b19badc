/* Threads wait, each in its own known way, until a STALL line has been written for
 * every one: what it says of the wait must be so, or "?".
 *
 *     true_waits
 *
 * The corpus asks more, where Criterion is; this runs everywhere, also under an
 * emulator, where /proc shows calls that the program never made.
 */
#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STALL_MS 300
#define LONGEST_S 20

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t free_one = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t empty;
static int silent[2];
static char holder[64]; /* " holder=TID/", as it must be written */

static void wait_mutex(void)
{
    pthread_mutex_lock(&held);
}

static void wait_condition(void)
{
    pthread_mutex_lock(&free_one);
    for (;;)
        pthread_cond_wait(&never, &free_one);
}

static void wait_semaphore(void)
{
    while (sem_wait(&empty) != 0)
        continue;
}

static void wait_pipe(void)
{
    char byte;
    ssize_t size = read(silent[0], &byte, 1);
    (void)size;
}

static void wait_timer(void)
{
    nanosleep(&(struct timespec){1000, 0}, NULL);
}

struct row {
    const char *label;
    void (*wait)(void);
    const char *calls[4]; /* what may be said of it, besides "?" */
    const char *waits[4];
    atomic_int told;
};

static struct row rows[] = {
    {"for a mutex", wait_mutex, {"futex"}, {"mutex:", "futex:"}, 0},
    {"for a condition", wait_condition, {"futex"}, {"condvar:", "futex:"}, 0},
    {"for a semaphore", wait_semaphore, {"futex"}, {"semaphore:", "futex:"}, 0},
    {"for a pipe", wait_pipe, {"read"}, {"read:pipe"}, 0},
    {"for the time",
     wait_timer,
     {"nanosleep", "clock_nanosleep", "restart_syscall"},
     {"timer", "restart_syscall"},
     0},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static atomic_int wrong, unknown;

static void *wait_in_scope(void *row)
{
    SCOPE(((struct row *)row)->label);
    ((struct row *)row)->wait();
    return NULL;
}

/* ---- what is said ------------------------------------------------------------------ */

static const struct row *row_of(const char *line)
{
    for (size_t i = 0; i < ROWS; i++) {
        char phase[64];
        snprintf(phase, sizeof phase, " phase=\"%s\"", rows[i].label);
        if (strstr(line, phase))
            return &rows[i];
    }
    return NULL;
}

static bool begins_with_one(const char *value, const char *const allowed[4])
{
    for (int i = 0; i < 4 && allowed[i]; i++)
        if (strncmp(value, allowed[i], strlen(allowed[i])) == 0)
            return true;
    return false;
}

static bool is_allowed(const char *line, const char *key, const char *const allowed[4])
{
    const char *at = strstr(line, key);
    if (!at || at[strlen(key)] == '?') {
        atomic_fetch_add(&unknown, 1);
        return true;
    }
    return begins_with_one(at + strlen(key), allowed);
}

static bool holder_is_true(const char *line)
{
    const char *at = strstr(line, " holder=");
    return !at || at[strlen(" holder=")] == '?' || strncmp(at, holder, strlen(holder)) == 0;
}

static bool is_true(const char *line, const struct row *row)
{
    static const char *const verdicts[4] = {"blocked"};
    return is_allowed(line, " syscall=", row->calls) && is_allowed(line, " wait=", row->waits) &&
           is_allowed(line, " verdict=", verdicts) && holder_is_true(line);
}

static void hear(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level, (void)length;
    const char *record = strstr(line, "] ");
    if (!record)
        return;
    bool is_stall = strncmp(record + 2, "STALL ", 6) == 0;
    const struct row *row = is_stall ? row_of(line) : NULL;
    if (row)
        atomic_fetch_add(&rows[row - rows].told, 1);
    if (strncmp(record + 2, "DEADLOCK ", 9) != 0 && (!is_stall || (row && is_true(line, row))))
        return;
    printf("not so: %s\n", line);
    atomic_fetch_add(&wrong, 1);
}

/* ---- all of it ------------------------------------------------------------------------ */

static size_t told(void)
{
    size_t count = 0;
    for (size_t i = 0; i < ROWS; i++)
        count += atomic_load(&rows[i].told) > 0;
    return count;
}

static bool start(void)
{
    pthread_t thread;
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = 1000;
    options.stall_ms = STALL_MS;
    options.sink = hear;
    if (pipe(silent) != 0 || sem_init(&empty, 0, 0) != 0 || monitor_start_with(&options) != 0)
        return false;
    snprintf(holder, sizeof holder, " holder=%ld/", (long)getpid());
    pthread_mutex_lock(&held);
    for (size_t i = 0; i < ROWS; i++)
        if (pthread_create(&thread, NULL, wait_in_scope, &rows[i]) != 0)
            return false;
    return true;
}

int main(void)
{
    if (!start())
        return 2;
    for (int i = 0; i < LONGEST_S * 100 && told() < ROWS; i++)
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    monitor_stop();
    printf("%d of %d waits told, %d things not known, %d false\n", (int)told(), ROWS, unknown,
           wrong);
    return told() == ROWS && wrong == 0 ? 0 : 1;
}
