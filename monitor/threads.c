/* See threads.h. Open addressing with linear probing, at most half full; tids
 * are spread by a multiplicative hash because they come in runs. */
#include "threads.h"

#include <string.h>

static void init_reading(struct hl_thread_reading *reading)
{
    *reading = (struct hl_thread_reading){
        .list = {.element = sizeof(struct hl_plat_thread)},
        .marks = {.element = sizeof(struct hl_thread_mark)},
        .index = {.element = sizeof(uint32_t)},
    };
}

static void free_reading(struct hl_thread_reading *reading)
{
    hl_array_free(&reading->list);
    hl_array_free(&reading->marks);
    hl_array_free(&reading->index);
}

void hl_threads_init(struct hl_threads *threads)
{
    init_reading(&threads->then);
    init_reading(&threads->now);
    threads->use = (struct hl_array){.element = sizeof(struct hl_thread_use)};
    threads->known = false;
}

void hl_threads_free(struct hl_threads *threads)
{
    free_reading(&threads->then);
    free_reading(&threads->now);
    hl_array_free(&threads->use);
}

static struct hl_plat_thread *thread_at(const struct hl_thread_reading *reading, size_t position)
{
    return (struct hl_plat_thread *)reading->list.memory + position;
}

/* The slot that holds the tid, or the empty one where it would be. */
static uint32_t *slot_of(const struct hl_thread_reading *reading, uint64_t tid)
{
    uint32_t *slots = reading->index.memory;
    size_t slot = (size_t)((tid * 0x9e3779b97f4a7c15ull) >> 32) & (reading->slots - 1);
    while (slots[slot] && thread_at(reading, slots[slot] - 1)->tid != tid)
        slot = (slot + 1) & (reading->slots - 1);
    return &slots[slot];
}

static const struct hl_plat_thread *find_thread(const struct hl_thread_reading *reading,
                                                uint64_t tid)
{
    uint32_t position = reading->slots ? *slot_of(reading, tid) : 0;
    return position ? thread_at(reading, position - 1) : NULL;
}

static void build_index(struct hl_thread_reading *reading)
{
    size_t slots = 64;
    while (slots < reading->count * 2)
        slots *= 2;
    reading->slots = hl_array_reserve(&reading->index, slots) ? slots : 0;
    if (!reading->slots) {
        reading->complete = false;
        return;
    }
    memset(reading->index.memory, 0, slots * sizeof(uint32_t));
    for (size_t i = 0; i < reading->count; i++)
        *slot_of(reading, thread_at(reading, i)->tid) = (uint32_t)i + 1;
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

void hl_threads_sample(struct hl_threads *threads, struct hl_plat *plat, uint64_t now_ns)
{
    struct hl_thread_reading *then = &threads->then, *reading = &threads->now;
    threads->known = read_list(reading, plat);
    make_room(&threads->use, reading);
    make_room(&reading->marks, reading);
    build_index(reading);
    for (size_t i = 0; i < reading->count; i++) {
        const struct hl_plat_thread *now = thread_at(reading, i);
        const struct hl_plat_thread *before = find_thread(then, now->tid);
        *hl_threads_at(threads, i) =
            (struct hl_thread_use){.tid = now->tid, .used_ns = used_since(then, before, now)};
        *mark_at(reading, i) = mark_of(then, before, now, now_ns);
    }
}

void hl_threads_keep(struct hl_threads *threads)
{
    struct hl_thread_reading old = threads->then;
    threads->then = threads->now;
    threads->now = old;
    threads->now.count = 0;
    threads->now.slots = 0;
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
    const struct hl_plat_thread *now = find_thread(&threads->now, tid);
    return now ? hl_threads_at(threads, (size_t)(now - thread_at(&threads->now, 0))) : NULL;
}
