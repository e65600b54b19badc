/* See baseline.h. It behaves as the monitor of performance.md, section 1a, does:
 * one mutex for the process, a map from thread to a stack of heap strings, and
 * at each push and each pop a fresh copy of the whole stack for whoever reads,
 * with the time of the change. Nothing in it is slower than it needs to be for
 * that: the map is a plain hash table with a cheap hash, and there is no system
 * call but what a heartbeat's sink does. */
#include "baseline.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUCKETS 256
#define MOST_THREADS_SHOWN 8

struct scope {
    char *label;
    uint64_t since_ns;
};

struct stack {
    struct scope *scopes;
    size_t count, capacity;
};

struct entry {
    pthread_t thread;
    struct stack live;  /* what the thread is in */
    struct stack shown; /* the copy for readers */
    uint64_t updated_ns;
    struct entry *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *buckets[BUCKETS];

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *need(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static char *copy_label(const char *label)
{
    size_t size = strlen(label) + 1;
    return memcpy(need(malloc(size)), label, size);
}

/* ---- the map ---- */

static struct entry *entry_of(pthread_t thread)
{
    struct entry **bucket = &buckets[((uintptr_t)thread * 0x9e3779b97f4a7c15u >> 32) % BUCKETS];
    for (struct entry *entry = *bucket; entry; entry = entry->next)
        if (pthread_equal(entry->thread, thread))
            return entry;
    struct entry *entry = need(calloc(1, sizeof *entry));
    entry->thread = thread;
    entry->next = *bucket;
    *bucket = entry;
    return entry;
}

/* ---- stacks ---- */

static void append(struct stack *stack, struct scope scope)
{
    if (stack->count == stack->capacity) {
        stack->capacity = stack->capacity ? 2 * stack->capacity : 4;
        stack->scopes = need(realloc(stack->scopes, stack->capacity * sizeof *stack->scopes));
    }
    stack->scopes[stack->count++] = scope;
}

static void clear(struct stack *stack)
{
    for (size_t i = 0; i < stack->count; i++)
        free(stack->scopes[i].label);
    free(stack->scopes);
    *stack = (struct stack){0};
}

static struct stack copy_of(const struct stack *stack)
{
    if (stack->count == 0)
        return (struct stack){0};
    struct stack copy = {need(malloc(stack->count * sizeof *stack->scopes)), stack->count,
                         stack->count};
    for (size_t i = 0; i < stack->count; i++)
        copy.scopes[i] =
            (struct scope){copy_label(stack->scopes[i].label), stack->scopes[i].since_ns};
    return copy;
}

static void publish(struct entry *entry)
{
    struct stack before = entry->shown;
    entry->shown = copy_of(&entry->live);
    entry->updated_ns = now_ns();
    clear(&before);
}

/* ---- what is called ---- */

void baseline_push(const char *label)
{
    pthread_mutex_lock(&lock);
    struct entry *entry = entry_of(pthread_self());
    append(&entry->live, (struct scope){copy_label(label), now_ns()});
    publish(entry);
    pthread_mutex_unlock(&lock);
}

void baseline_pop(void)
{
    pthread_mutex_lock(&lock);
    struct entry *entry = entry_of(pthread_self());
    if (entry->live.count > 0) {
        free(entry->live.scopes[--entry->live.count].label);
        publish(entry);
    }
    pthread_mutex_unlock(&lock);
}

/* ---- a heartbeat ---- */

static void say_thread(const struct entry *entry, void (*sink)(const char *line))
{
    char line[256];
    const struct scope *innermost = &entry->shown.scopes[entry->shown.count - 1];
    snprintf(line, sizeof line, "phase %s for %llu ms", innermost->label,
             (unsigned long long)((now_ns() - innermost->since_ns) / 1000000));
    sink(line);
}

/* Under the lock to its end, sink and all: that is what is shown with it. */
void baseline_beat(void (*sink)(const char *line))
{
    unsigned shown = 0;
    pthread_mutex_lock(&lock);
    sink("heartbeat");
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct entry *entry = buckets[i]; entry; entry = entry->next)
            if (entry->shown.count > 0 && shown++ < MOST_THREADS_SHOWN)
                say_thread(entry, sink);
    pthread_mutex_unlock(&lock);
}
