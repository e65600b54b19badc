/* tests/unit/test_deadlock.c - which cycle is certain, and which was said. */
#include "../../monitor/deadlock.h"
#include "../doubles/scripted_platform.h"

#include <criterion/criterion.h>

#define MS SCRIPTED_MS
#define APART HL_SIGHTINGS_APART_NS

static struct hl_deadlocks deadlocks;

static void begin(void)
{
    hl_deadlocks_init(&deadlocks);
}

static void end(void)
{
    hl_deadlocks_free(&deadlocks);
    cr_expect_eq(scripted.mapped, 0);
}

TestSuite(deadlock, .init = begin, .fini = end);

/* `count` threads, the first of them `first`, behind `outside` others that wait for
 * one of them. Each waits for lock 1000 + its tid. */
static struct hl_chain *cycle_of(uint64_t first, size_t count, size_t outside)
{
    static struct hl_chain chain;
    chain = (struct hl_chain){.count = outside + count, .is_cycle = true, .cycle_at = outside};
    for (size_t i = 0; i < chain.count; i++) {
        struct hl_link *link = &chain.links[i];
        link->tid = i < outside ? 1 + i : first + i - outside;
        link->look.address = 1000 + link->tid;
        link->look.state = (struct hl_plat_thread_state){.start = link->tid, .switches = 7};
    }
    return &chain;
}

/* The same cycle, entered elsewhere. */
static struct hl_chain *entered_at(size_t by)
{
    struct hl_chain *chain = cycle_of(10, 3, 0);
    const struct hl_chain straight = *chain;
    for (size_t i = 0; i < 3; i++)
        chain->links[i] = straight.links[(i + by) % 3];
    return chain;
}

static const struct hl_cycle *only(void)
{
    cr_assert_eq(deadlocks.count, 1, "%zu cycles", deadlocks.count);
    return deadlocks.cycles.memory;
}

Test(deadlock, where_a_chain_enters_its_cycle_does_not_matter)
{
    for (size_t i = 0; i < 3; i++)
        hl_deadlocks_see(&deadlocks, entered_at(i), 0, 10 * MS * (i + 1));
    cr_expect_eq(only()->sightings, 3);
    cr_expect_eq(only()->count, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(only()->members[i].tid, 10 + i, "the smallest comes first");
        cr_expect_eq(only()->members[i].lock, 1010 + i);
    }
}

Test(deadlock, what_leads_into_a_cycle_is_no_part_of_it)
{
    hl_deadlocks_see(&deadlocks, cycle_of(10, 3, 2), 1, 10 * MS);
    hl_deadlocks_see(&deadlocks, cycle_of(10, 3, 0), 0, 20 * MS);
    cr_expect_eq(only()->count, 3);
    cr_expect_eq(only()->sightings, 2);
    cr_expect_not(only()->has_idle, "thread 1 is outside");
}

Test(deadlock, two_sightings_are_some_milliseconds_apart)
{
    hl_deadlocks_see(&deadlocks, cycle_of(10, 2, 0), 0, 10 * MS);
    hl_deadlocks_see(&deadlocks, cycle_of(10, 2, 0), 0, 10 * MS);
    hl_deadlocks_see(&deadlocks, cycle_of(10, 2, 0), 0, 10 * MS + APART - 1);
    cr_expect_eq(only()->sightings, 1);
    cr_expect_eq(only()->counted_ns, 10 * MS, "or looking often would put it off for ever");
    cr_expect_eq(only()->seen_ns, 10 * MS + APART - 1);
    hl_deadlocks_see(&deadlocks, cycle_of(10, 2, 0), 0, 10 * MS + APART);
    cr_expect_eq(only()->sightings, 2);
    cr_expect_eq(only()->counted_ns, 10 * MS + APART);
}

Test(deadlock, a_wait_made_anew_starts_over)
{
    struct hl_chain *chain = cycle_of(10, 2, 0);
    hl_deadlocks_see(&deadlocks, chain, 0, 10 * MS);
    chain->links[1].look.state.switches++;
    hl_deadlocks_see(&deadlocks, chain, 0, 11 * MS);
    cr_expect_eq(only()->sightings, 1);
    cr_expect_eq(only()->counted_ns, 11 * MS);
    hl_deadlocks_see(&deadlocks, chain, 0, 21 * MS);
    cr_expect_eq(only()->sightings, 2);
    chain->links[0].look.state.switches++;
    hl_deadlocks_see(&deadlocks, chain, 0, 31 * MS);
    cr_expect_eq(only()->sightings, 1);
}

Test(deadlock, it_stays_said_though_a_member_waits_anew)
{
    struct hl_chain *chain = cycle_of(10, 2, 0);
    hl_deadlocks_see(&deadlocks, chain, 0, 10 * MS);
    hl_deadlocks_say(&deadlocks, hl_deadlocks_find(&deadlocks, false, 0));
    cr_expect_eq(deadlocks.said, 1);
    chain->links[0].look.state.switches++;
    hl_deadlocks_see(&deadlocks, chain, 0, 20 * MS);
    cr_expect(only()->is_said);
    cr_expect_null(hl_deadlocks_find(&deadlocks, false, 0));
}

Test(deadlock, other_threads_or_locks_are_another_cycle)
{
    struct hl_chain *chain = cycle_of(10, 2, 0);
    hl_deadlocks_see(&deadlocks, chain, 0, 10 * MS);
    chain->links[0].look.address++;
    hl_deadlocks_see(&deadlocks, chain, 0, 20 * MS);
    cr_expect_eq(deadlocks.count, 2, "another lock");
    chain->links[1].look.state.start++;
    hl_deadlocks_see(&deadlocks, chain, 0, 30 * MS);
    cr_expect_eq(deadlocks.count, 3, "another thread with an old number");
    hl_deadlocks_see(&deadlocks, cycle_of(10, 3, 0), 0, 40 * MS);
    cr_expect_eq(deadlocks.count, 4, "one more member");
    hl_deadlocks_see(&deadlocks, cycle_of(20, 2, 0), 0, 50 * MS);
    cr_expect_eq(deadlocks.count, 5, "other threads");
    for (size_t i = 0; i < 5; i++)
        cr_expect_eq(hl_deadlocks_find(&deadlocks, false, i)->sightings, 1);
}

Test(deadlock, that_one_member_is_idle_is_remembered)
{
    hl_deadlocks_see(&deadlocks, cycle_of(10, 3, 0), 0, 10 * MS);
    cr_expect_not(only()->has_idle);
    hl_deadlocks_see(&deadlocks, cycle_of(10, 3, 0), 11, 10 * MS);
    cr_expect(only()->has_idle, "also at a sighting that does not count");
    hl_deadlocks_see(&deadlocks, cycle_of(10, 3, 0), 0, 20 * MS);
    cr_expect(only()->has_idle);
}

Test(deadlock, the_unsaid_ones_are_counted_without_the_others)
{
    for (uint64_t i = 0; i < 4; i++)
        hl_deadlocks_see(&deadlocks, cycle_of(10 * (i + 1), 2, 0), 0, (10 + i) * MS);
    hl_deadlocks_say(&deadlocks, hl_deadlocks_find(&deadlocks, false, 1));
    cr_expect_eq(hl_deadlocks_find(&deadlocks, false, 0)->members[0].tid, 10);
    cr_expect_eq(hl_deadlocks_find(&deadlocks, false, 1)->members[0].tid, 30);
    cr_expect_eq(hl_deadlocks_find(&deadlocks, false, 2)->members[0].tid, 40);
    cr_expect_null(hl_deadlocks_find(&deadlocks, false, 3));
}

Test(deadlock, one_that_was_forgotten_is_new_when_it_comes_back)
{
    for (uint64_t i = 0; i < 3; i++)
        hl_deadlocks_see(&deadlocks, cycle_of(10 * (i + 1), 2, 0), 0, 10 * MS);
    hl_deadlocks_see(&deadlocks, cycle_of(10, 2, 0), 0, 20 * MS);
    hl_deadlocks_forget(&deadlocks, hl_deadlocks_find(&deadlocks, false, 0));
    cr_expect_eq(deadlocks.count, 2);
    cr_expect_eq(hl_deadlocks_find(&deadlocks, false, 0)->members[0].tid, 30);
    cr_expect_eq(hl_deadlocks_find(&deadlocks, false, 1)->members[0].tid, 20);
    hl_deadlocks_forget(&deadlocks, hl_deadlocks_find(&deadlocks, false, 1));
    hl_deadlocks_see(&deadlocks, cycle_of(10, 2, 0), 0, 30 * MS);
    cr_expect_eq(hl_deadlocks_find(&deadlocks, false, 1)->members[0].tid, 10);
    cr_expect_eq(hl_deadlocks_find(&deadlocks, false, 1)->sightings, 1);
}

Test(deadlock, beyond_256_the_one_that_was_not_seen_for_longest_makes_room)
{
    for (uint64_t i = 0; i < 256; i++)
        hl_deadlocks_see(&deadlocks, cycle_of(10 * (i + 1), 2, 0), 0, (10 + i) * MS);
    const struct hl_cycle *first = hl_deadlocks_find(&deadlocks, false, 0);
    const unsigned maps = scripted.maps;
    hl_deadlocks_see(&deadlocks, cycle_of(10, 2, 0), 0, 1000 * MS); /* the second is oldest now */
    hl_deadlocks_see(&deadlocks, cycle_of(7000, 2, 0), 0, 1001 * MS);
    cr_expect_eq(deadlocks.count, 256);
    cr_expect_eq(hl_deadlocks_find(&deadlocks, false, 0), first, "none ever moves");
    cr_expect_eq(hl_deadlocks_find(&deadlocks, false, 0)->sightings, 2);
    cr_expect_eq(hl_deadlocks_find(&deadlocks, false, 1)->members[0].tid, 7000);
    cr_expect_eq(scripted.maps, maps);
}

Test(deadlock, without_memory_none_is_remembered_until_there_is_some)
{
    scripted.map_fails_at = 1;
    hl_deadlocks_see(&deadlocks, cycle_of(10, 2, 0), 0, 10 * MS);
    cr_expect_eq(deadlocks.count, 0);
    cr_expect_null(hl_deadlocks_find(&deadlocks, false, 0));
    hl_deadlocks_see(&deadlocks, cycle_of(10, 2, 0), 0, 20 * MS);
    cr_expect_eq(only()->sightings, 1);
}

Test(deadlock, the_longest_cycle_is_kept_whole)
{
    hl_deadlocks_see(&deadlocks, cycle_of(10, HL_CHAIN_LINKS, 0), 0, 10 * MS);
    cr_expect_eq(only()->count, HL_CHAIN_LINKS);
    cr_expect_eq(only()->members[HL_CHAIN_LINKS - 1].tid, 10 + HL_CHAIN_LINKS - 1);
}
