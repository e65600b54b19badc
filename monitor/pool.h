/* monitor/pool.h - the monitor thread's own memory: growing arrays, straight
 * from the system. malloc is out of bounds for that thread: an application
 * thread may hold its lock. What has been taken is given back at the end. */
#ifndef HL_POOL_H
#define HL_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed elements that keep their number, not their address. */
struct hl_array {
    void *memory;
    size_t capacity; /* elements */
    size_t element;  /* bytes of one */
};

/* Makes room for `needed` elements; false: no memory, nothing changed. */
bool hl_array_reserve(struct hl_array *array, size_t needed);
void hl_array_free(struct hl_array *array);

/* Equal items, linked by number + 1 (0 = none). Every item begins with its
 * uint32_t link. */
struct hl_pool {
    struct hl_array items;
    uint32_t used;
    uint32_t free;
};

/* A zeroed item's number + 1, or 0 when there is no memory. */
uint32_t hl_pool_take(struct hl_pool *pool);
void hl_pool_give(struct hl_pool *pool, uint32_t number);
void *hl_pool_item(const struct hl_pool *pool, uint32_t number);

/* Asks for memory that is read soon, and does not wait for it. */
static inline void hl_fetch(const void *memory, size_t size)
{
    for (size_t at = 0; at < size; at += 64)
        __builtin_prefetch((const char *)memory + at);
}
/* The first bytes of an item; number 0 = none. */
void hl_pool_fetch(const struct hl_pool *pool, uint32_t number, size_t size);

#endif
