/* See threads.h. Open addressing with linear probing, at most half full; tids
 * are spread by a multiplicative hash because they come in runs. */
#include "threads.h"

#include "clock.h"
#include "rates.h"

#include <string.h>

static void init_reading(struct hl_thread_reading *reading)
{
    *reading = (struct hl_thread_reading){
        .list = {.element = sizeof(struct hl_plat_thread)},
        .marks = {.element = sizeof(struct hl_thread_mark)},
    };
}

void hl_threads_init(struct hl_threads *threads)
{
    *threads = (struct hl_threads){
        .use = {.element = sizeof(struct hl_thread_use)},
        .index = {.element = sizeof(uint32_t)},
    };
    init_reading(&threads->then);
    init_reading(&threads->now);
}

static void free_reading(struct hl_thread_reading *reading)
{
    hl_array_free(&reading->list);
    hl_array_free(&reading->marks);
}

void hl_threads_free(struct hl_threads *threads)
{
    free_reading(&threads->then);
    free_reading(&threads->now);
    hl_array_free(&threads->use);
    hl_array_free(&threads->index);
}

static struct hl_plat_thread *thread_at(const struct hl_thread_reading *reading, size_t position)
{
    return (struct hl_plat_thread *)reading->list.memory + position;
}

/* The slot that holds the tid, or the empty one where it would be. */
static uint32_t *slot_of(const struct hl_threads *threads, const struct hl_thread_reading *reading,
                         uint64_t tid)
{
    uint32_t *slots = threads->index.memory;
    size_t slot = (size_t)((tid * 0x9e3779b97f4a7c15ull) >> 32) & (threads->slots - 1);
    while (slots[slot] && thread_at(reading, slots[slot] - 1)->tid != tid)
        slot = (slot + 1) & (threads->slots - 1);
    return &slots[slot];
}

static const struct hl_plat_thread *find_thread(const struct hl_threads *threads,
                                                const struct hl_thread_reading *reading,
                                                uint64_t tid)
{
    uint32_t position = threads->indexed == reading ? *slot_of(threads, reading, tid) : 0;
    return position ? thread_at(reading, position - 1) : NULL;
}

static void build_index(struct hl_threads *threads, struct hl_thread_reading *reading)
{
    if (threads->indexed == reading)
        return;
    size_t slots = 64;
    while (slots < reading->count * 2)
        slots *= 2;
    if (!hl_array_reserve(&threads->index, slots)) {
        threads->indexed = NULL;
        reading->complete = false;
        return;
    }
    threads->indexed = reading;
    threads->slots = slots;
    memset(threads->index.memory, 0, slots * sizeof(uint32_t));
    for (size_t i = 0; i < reading->count; i++)
        *slot_of(threads, reading, thread_at(reading, i)->tid) = (uint32_t)i + 1;
}

/* Again with more room while there are more threads than fit. */
static bool read_list(struct hl_thread_reading *reading, struct hl_plat *plat)
{
    reading->complete = false;
    hl_array_reserve(&reading->list, 64);
    for (;;) {
        size_t total = 0;
        if (!hl_plat_threads(plat, reading->list.memory, reading->list.capacity, &total)) {
            reading->count = 0;
            return false;
        }
        bool fits = total <= reading->list.capacity;
        reading->count = fits ? total : reading->list.capacity;
        reading->complete = fits;
        if (fits || !hl_array_reserve(&reading->list, total + total / 8))
            return true;
    }
}

static struct hl_thread_mark *mark_at(const struct hl_thread_reading *reading, size_t position)
{
    return (struct hl_thread_mark *)reading->marks.memory + position;
}

/* What is not known to be idle is not. */
static struct hl_thread_mark mark_of(const struct hl_thread_reading *then,
                                     const struct hl_plat_thread *before,
                                     const struct hl_plat_thread *now, uint64_t now_ns)
{
    bool is_idle = before && now->cpu_ns != UINT64_MAX && before->cpu_ns == now->cpu_ns;
    return is_idle ? *mark_at(then, (size_t)(before - thread_at(then, 0)))
                   : (struct hl_thread_mark){.idle_since_ns = now_ns};
}

static uint64_t used_since(const struct hl_thread_reading *then,
                           const struct hl_plat_thread *before, const struct hl_plat_thread *now)
{
    bool is_new = !before && then->complete;
    bool was_unknown = before ? before->cpu_ns == UINT64_MAX : !is_new;
    if (now->cpu_ns == UINT64_MAX || was_unknown)
        return HL_UNKNOWN;
    bool counts_anew = is_new || before->cpu_ns > now->cpu_ns;
    return counts_anew ? now->cpu_ns : now->cpu_ns - before->cpu_ns;
}

static void make_room(struct hl_array *array, struct hl_thread_reading *reading)
{
    if (hl_array_reserve(array, reading->count))
        return;
    reading->count = array->capacity;
    reading->complete = false;
}

/* The same threads as then, in the same places. */
static bool read_again(struct hl_threads *threads, struct hl_plat *plat)
{
    const struct hl_thread_reading *then = &threads->then;
    struct hl_thread_reading *now = &threads->now;
    if (!then->complete || then->count == 0 || !hl_array_reserve(&now->list, then->count))
        return false;
    memcpy(now->list.memory, then->list.memory, then->count * sizeof(struct hl_plat_thread));
    if (!hl_plat_threads_again(plat, now->list.memory, then->count))
        return false;
    now->count = then->count;
    now->complete = true;
    return true;
}

static void compare(struct hl_threads *threads, size_t i, const struct hl_plat_thread *before,
                    uint64_t now_ns)
{
    const struct hl_thread_reading *then = &threads->then;
    const struct hl_plat_thread *now = thread_at(&threads->now, i);
    uint64_t used_ns = used_since(then, before, now);
    bool leapt = !hl_rate_is_possible(used_ns, threads->elapsed_ns, 1);
    *hl_threads_at(threads, i) =
        (struct hl_thread_use){.tid = now->tid,
                               .used_ns = leapt ? HL_UNKNOWN : used_ns,
                               .all_ns = now->cpu_ns == UINT64_MAX ? HL_UNKNOWN : now->cpu_ns};
    *mark_at(&threads->now, i) = mark_of(then, before, now, now_ns);
    threads->leapt |= leapt;
    threads->gone -= before && threads->gone > 0;
}

void hl_threads_sample(struct hl_threads *threads, struct hl_plat *plat, uint64_t now_ns)
{
    struct hl_thread_reading *then = &threads->then, *now = &threads->now;
    bool is_same_list = read_again(threads, plat);
    threads->known = is_same_list || read_list(now, plat);
    now->began_ns = now_ns;
    make_room(&threads->use, now);
    make_room(&now->marks, now);
    build_index(threads, then);
    threads->elapsed_ns = hl_plat_now_ns() - then->began_ns;
    threads->leapt = false;
    now->has_passing = hl_plat_is_learning();
    threads->gone = then->complete && now->complete && !then->has_passing ? then->count : 0;
    for (size_t i = 0; i < now->count; i++)
        compare(threads, i,
                is_same_list ? thread_at(then, i)
                             : find_thread(threads, then, thread_at(now, i)->tid),
                now_ns);
    if (is_same_list && threads->indexed == then && now->count == then->count)
        threads->indexed = now;
    build_index(threads, now);
}

void hl_threads_idle_since(struct hl_threads *threads, uint64_t since_ns)
{
    for (size_t i = 0; i < threads->now.count; i++) {
        struct hl_thread_mark *mark = hl_threads_mark(threads, i);
        mark->idle_since_ns = hl_earlier(mark->idle_since_ns, since_ns);
    }
}

void hl_threads_keep(struct hl_threads *threads)
{
    struct hl_thread_reading old = threads->then;
    threads->then = threads->now;
    threads->now = old;
    threads->now.count = 0;
    threads->indexed = threads->indexed == &threads->now ? &threads->then : NULL;
}

bool hl_threads_are_complete(const struct hl_threads *threads)
{
    return threads->now.complete;
}

size_t hl_threads_count(const struct hl_threads *threads)
{
    return threads->now.count;
}

struct hl_thread_use *hl_threads_at(const struct hl_threads *threads, size_t position)
{
    return (struct hl_thread_use *)threads->use.memory + position;
}

struct hl_thread_mark *hl_threads_mark(const struct hl_threads *threads, size_t position)
{
    return mark_at(&threads->now, position);
}

struct hl_thread_use *hl_threads_find(const struct hl_threads *threads, uint64_t tid)
{
    const struct hl_plat_thread *now = find_thread(threads, &threads->now, tid);
    return now ? hl_threads_at(threads, (size_t)(now - thread_at(&threads->now, 0))) : NULL;
}
