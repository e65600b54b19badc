/* See pool.h. Arrays double, so that a program with ever more threads costs a
 * logarithmic number of mappings. */
#include "pool.h"

#include "../platform/platform.h"

#include <string.h>

#define FIRST_BYTES 16384

bool hl_array_reserve(struct hl_array *array, size_t needed)
{
    if (needed <= array->capacity)
        return true;
    size_t capacity = array->capacity ? array->capacity : FIRST_BYTES / array->element + 1;
    while (capacity < needed)
        capacity *= 2;
    void *memory = hl_plat_map(capacity * array->element);
    if (!memory)
        return false;
    size_t old = array->capacity;
    if (old)
        memcpy(memory, array->memory, old * array->element);
    hl_array_free(array);
    array->memory = memory;
    array->capacity = capacity;
    return true;
}

void hl_array_free(struct hl_array *array)
{
    if (array->memory)
        hl_plat_unmap(array->memory, array->capacity * array->element);
    array->memory = NULL;
    array->capacity = 0;
}

void *hl_pool_item(const struct hl_pool *pool, uint32_t number)
{
    return (char *)pool->items.memory + (size_t)(number - 1) * pool->items.element;
}

void hl_pool_fetch(const struct hl_pool *pool, uint32_t number, size_t size)
{
    if (number)
        hl_fetch(hl_pool_item(pool, number), size);
}

uint32_t hl_pool_take(struct hl_pool *pool)
{
    uint32_t number = pool->free;
    if (number) {
        memcpy(&pool->free, hl_pool_item(pool, number), sizeof pool->free);
    } else {
        if (!hl_array_reserve(&pool->items, (size_t)pool->used + 1))
            return 0;
        number = ++pool->used;
    }
    memset(hl_pool_item(pool, number), 0, pool->items.element);
    return number;
}

void hl_pool_give(struct hl_pool *pool, uint32_t number)
{
    memcpy(hl_pool_item(pool, number), &pool->free, sizeof pool->free);
    pool->free = number;
}
