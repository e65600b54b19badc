/* tests/unit/test_pool.c - the monitor's own memory. */
#include "../../monitor/pool.h"
#include "../doubles/scripted_platform.h"

#include <criterion/criterion.h>

struct item {
    uint32_t link;
    uint64_t value;
};

Test(pool, an_array_grows_and_keeps_what_it_held)
{
    struct hl_array array = {.element = sizeof(uint64_t)};
    cr_assert(hl_array_reserve(&array, 1));
    size_t first = array.capacity;
    for (size_t i = 0; i < first; i++)
        ((uint64_t *)array.memory)[i] = i + 1;
    cr_assert(hl_array_reserve(&array, first * 5));
    cr_expect_geq(array.capacity, first * 5);
    for (size_t i = 0; i < first; i++)
        cr_assert_eq(((uint64_t *)array.memory)[i], i + 1);
    for (size_t i = first; i < array.capacity; i++)
        cr_assert_eq(((uint64_t *)array.memory)[i], 0, "new elements are zero");
    cr_expect_eq(scripted.mapped, 1, "the old memory was given back");
    hl_array_free(&array);
    cr_expect_eq(scripted.mapped, 0);
    cr_expect_null(array.memory);
    hl_array_free(&array);
    cr_expect_eq(scripted.mapped, 0);
}

Test(pool, room_that_is_there_costs_nothing)
{
    struct hl_array array = {.element = 8};
    cr_expect(hl_array_reserve(&array, 0));
    cr_expect_eq(scripted.maps, 0);
    hl_array_reserve(&array, 10);
    hl_array_reserve(&array, 10);
    hl_array_reserve(&array, 3);
    cr_expect_eq(scripted.maps, 1);
    hl_array_free(&array);
}

Test(pool, without_memory_nothing_changes)
{
    struct hl_array array = {.element = 8};
    hl_array_reserve(&array, 1);
    *(uint64_t *)array.memory = 42;
    size_t capacity = array.capacity;
    scripted.map_fails_at = scripted.maps + 1;
    cr_expect_not(hl_array_reserve(&array, capacity + 1));
    cr_expect_eq(array.capacity, capacity);
    cr_expect_eq(*(uint64_t *)array.memory, 42);
    hl_array_free(&array);
}

Test(pool, elements_may_be_larger_than_the_first_piece)
{
    struct hl_array array = {.element = 100000};
    cr_expect(hl_array_reserve(&array, 3));
    cr_expect_geq(array.capacity, 3);
    hl_array_free(&array);
}

Test(pool, items_are_zeroed_numbered_from_one_and_used_again)
{
    struct hl_pool pool = {.items = {.element = sizeof(struct item)}};
    uint32_t a = hl_pool_take(&pool), b = hl_pool_take(&pool);
    cr_expect_eq(a, 1);
    cr_expect_eq(b, 2);
    struct item *item = hl_pool_item(&pool, a);
    cr_expect_eq(item->value, 0);
    item->value = 7;
    hl_pool_give(&pool, a);
    hl_pool_give(&pool, b);
    cr_expect_eq(hl_pool_take(&pool), b);
    cr_expect_eq(hl_pool_take(&pool), a);
    cr_expect_eq(((struct item *)hl_pool_item(&pool, a))->value, 0);
    cr_expect_eq(hl_pool_take(&pool), 3);
    hl_array_free(&pool.items);
}

Test(pool, numbers_hold_when_the_memory_moves)
{
    struct hl_pool pool = {.items = {.element = sizeof(struct item)}};
    for (uint32_t i = 1; i <= 20000; i++) {
        cr_assert_eq(hl_pool_take(&pool), i);
        ((struct item *)hl_pool_item(&pool, i))->value = i;
    }
    for (uint32_t i = 1; i <= 20000; i++)
        cr_assert_eq(((struct item *)hl_pool_item(&pool, i))->value, i);
    hl_array_free(&pool.items);
}

Test(pool, without_memory_there_is_no_item_and_later_there_may_be)
{
    struct hl_pool pool = {.items = {.element = sizeof(struct item)}};
    scripted.map_fails_at = 1;
    cr_expect_eq(hl_pool_take(&pool), 0);
    cr_expect_eq(hl_pool_take(&pool), 1);
    hl_array_free(&pool.items);
}
