/* The same question as scope_stress, asked from outside: eight threads push and
 * pop at full speed, another asks for heartbeats in a loop, and every phase line
 * that the monitor writes must be true.
 *
 *     beat_stress [--catch] [SECONDS]
 *
 * A label says its own depth and a checksum over that and a filler of random
 * length, so a line with a torn label, or with a label at another depth than the
 * line claims, is seen. --catch: linked with a reader that does not look twice,
 * it must find such a line.
 */
#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORKERS 8
#define DEEPEST 6
#define LONGEST 60 /* bytes of filler */
#define ENOUGH 1000

static atomic_bool over;
static _Atomic uint64_t whole, partial, wrong;
static char first_wrong[512];

/* FNV-1a, 32 bits. */
static uint32_t checksum(unsigned depth, const char *filler, size_t length)
{
    uint32_t sum = (2166136261u ^ depth) * 16777619u;
    for (size_t i = 0; i < length; i++)
        sum = (sum ^ (unsigned char)filler[i]) * 16777619u;
    return sum;
}

/* ---- the workers ----------------------------------------------------------------- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void make_label(char label[80], unsigned depth, uint32_t *state)
{
    char filler[LONGEST + 1];
    size_t length = next_random(state) % (LONGEST + 1);
    for (size_t i = 0; i < length; i++)
        filler[i] = (char)('a' + next_random(state) % 26);
    filler[length] = '\0';
    snprintf(label, 80, "%u:%08x:%s", depth, (unsigned)checksum(depth, filler, length), filler);
}

static void go_down(unsigned depth, uint32_t *state)
{
    char label[80];
    make_label(label, depth, state);
    scope_push(label);
    if (depth < DEEPEST && next_random(state) % 2)
        go_down(depth + 1, state);
    scope_pop();
}

static void *work(void *seed)
{
    uint32_t state = (uint32_t)(uintptr_t)seed;
    char label[80];
    make_label(label, 1, &state);
    scope_push(label);
    while (!atomic_load_explicit(&over, memory_order_relaxed))
        go_down(2, &state);
    scope_pop();
    return NULL;
}

/* ---- the reader -------------------------------------------------------------------- */

static bool label_is_whole(const char *label, unsigned *depth)
{
    unsigned sum;
    int at = 0;
    if (sscanf(label, "%u:%8x:%n", depth, &sum, &at) != 2 || at == 0)
        return false;
    const char *end = strchr(label + at, '"');
    return end && checksum(*depth, label + at, (size_t)(end - label) - (size_t)at) == sum;
}

/* An outer scope is shown, by its own depth, when the thread was too fast. */
static bool line_is_true(const char *line, bool is_partial)
{
    const char *shown = strstr(line, " depth="), *label = strstr(line, " innermost=\"");
    unsigned depth, own;
    if (!shown || sscanf(shown, " depth=%u", &depth) != 1)
        return false;
    if (!label)
        return is_partial && strstr(line, " innermost=none") != NULL;
    if (!label_is_whole(label + strlen(" innermost=\""), &own))
        return false;
    return is_partial ? own <= DEEPEST : own == depth;
}

static void look_at(void *data, enum monitor_level level, const char *line, size_t length)
{
    (void)data, (void)level;
    const char *record = strstr(line, "] ");
    if (!record || strncmp(record + 2, "phase thread=", 13) != 0)
        return;
    bool is_partial = strstr(line, " churning=yes") != NULL;
    atomic_fetch_add(is_partial ? &partial : &whole, 1);
    if (line_is_true(line, is_partial))
        return;
    if (atomic_fetch_add(&wrong, 1) == 0)
        memcpy(first_wrong, line, length < sizeof first_wrong ? length : sizeof first_wrong - 1);
}

static void *ask(void *unused)
{
    while (!atomic_load_explicit(&over, memory_order_relaxed)) {
        const struct timespec nap = {0, 20000};
        monitor_beat();
        nanosleep(&nap, NULL);
    }
    return unused;
}

/* ---- all together -------------------------------------------------------------------- */

static void run_for(unsigned seconds, bool until_wrong)
{
    for (unsigned i = 0; i < seconds * 100 && !(until_wrong && atomic_load(&wrong)); i++) {
        const struct timespec nap = {0, 10000000};
        nanosleep(&nap, NULL);
    }
    atomic_store(&over, true);
}

static int judge(bool must_catch)
{
    printf("%llu phase lines whole, %llu partial, %llu false\n", (unsigned long long)whole,
           (unsigned long long)partial, (unsigned long long)wrong);
    if (wrong)
        printf("the first: %s\n", first_wrong);
    if (must_catch)
        return wrong ? 0 : 1;
    if (whole < ENOUGH) {
        printf("fewer than %d whole ones prove nothing\n", ENOUGH);
        return 1;
    }
    return wrong ? 1 : 0;
}

int main(int count, char **arguments)
{
    bool must_catch = count > 1 && strcmp(arguments[1], "--catch") == 0;
    const char *given = count > 1 + must_catch ? arguments[1 + must_catch] : "10";
    pthread_t threads[WORKERS + 1];
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = 1000;
    options.sink = look_at;
    if (monitor_start_with(&options) != 0)
        return 2;
    for (uintptr_t i = 0; i < WORKERS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)(i * 7919 + 1)) != 0)
            return 2;
    if (pthread_create(&threads[WORKERS], NULL, ask, NULL) != 0)
        return 2;
    run_for((unsigned)strtoul(given, NULL, 10), must_catch);
    for (int i = 0; i <= WORKERS; i++)
        pthread_join(threads[i], NULL);
    monitor_stop();
    return judge(must_catch);
}
