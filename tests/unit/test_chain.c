/* tests/unit/test_chain.c - who waits for whom, in a world of scripted looks. */
#include "../../monitor/chain.h"

#include <criterion/criterion.h>

#define SECOND 1000000000ull
#define KNOWN (HL_KNOWN(HL_PLAT_SYSCALL) | HL_KNOWN(HL_PLAT_WAIT) | HL_KNOWN(HL_PLAT_HOLDER))

enum { TIDS = 100 };

static struct hl_link world[TIDS]; /* by tid; a tid of 0 = there is no such thread */
static unsigned looks;
static struct hl_chain chain;

static struct hl_link *sits(uint64_t tid)
{
    world[tid] = (struct hl_link){
        .tid = tid, .look = {.known = KNOWN, .waits_for = HL_PLAT_FOR_TIMER, .steady = true}};
    world[tid].look.state.age_ns = 3600 * SECOND;
    return &world[tid];
}

static struct hl_link *wants_lock_of(uint64_t tid, uint64_t owner)
{
    struct hl_link *link = sits(tid);
    link->look.waits_for = HL_PLAT_FOR_MUTEX;
    link->look.mutex = (struct hl_plat_mutex){
        .owner = owner, .contended = true, .is_sound = true, .hangs_its_owner = true};
    return link;
}

static struct hl_link *joins(uint64_t tid, uint64_t awaited)
{
    struct hl_link *link = sits(tid);
    link->look.waits_for = HL_PLAT_FOR_JOIN;
    link->look.awaited = awaited;
    return link;
}

static bool look_into(void *context, uint64_t tid, struct hl_link *link)
{
    cr_assert_eq(context, &looks);
    looks++;
    *link = world[tid];
    return link->tid != 0;
}

static void expect_chain(uint64_t tid, size_t count, uint64_t last)
{
    looks = 0;
    cr_assert(hl_chain_follow(&chain, tid, look_into, &looks));
    cr_assert_eq(chain.count, count, "%zu links, not %zu", chain.count, count);
    cr_expect_eq(chain.links[0].tid, tid);
    cr_expect_eq(chain.links[count - 1].tid, last);
    cr_expect_leq(looks, HL_CHAIN_LINKS);
}

static void expect_root(uint64_t tid, size_t count, uint64_t root)
{
    expect_chain(tid, count, root);
    cr_expect_not(chain.is_cycle);
}

static void expect_cycle(uint64_t tid, size_t count, size_t cycle_at)
{
    looks = 0;
    cr_assert(hl_chain_follow(&chain, tid, look_into, &looks));
    cr_expect(chain.is_cycle);
    cr_expect_eq(chain.count, count, "%zu links, not %zu", chain.count, count);
    cr_expect_eq(chain.cycle_at, cycle_at);
    cr_expect_eq(looks, count, "each is looked into once");
}

Test(chain, a_thread_that_waits_for_no_other_is_its_own_root)
{
    sits(1);
    expect_root(1, 1, 1);
    cr_expect_eq(looks, 1);
}

Test(chain, it_is_followed_to_its_root)
{
    wants_lock_of(1, 2);
    wants_lock_of(2, 3);
    sits(3);
    expect_root(1, 3, 3);
    cr_expect_eq(chain.links[1].tid, 2);
    cr_expect_eq(looks, 3);
}

Test(chain, who_is_joined_is_a_link)
{
    wants_lock_of(1, 2);
    joins(2, 3);
    wants_lock_of(3, 4);
    sits(4);
    expect_root(1, 4, 4);
}

Test(chain, a_join_is_a_link_only_while_it_is_one)
{
    sits(2);
    joins(1, 2)->look.steady = false;
    expect_root(1, 1, 1);
    joins(1, 2)->look.known &= ~HL_KNOWN(HL_PLAT_WAIT);
    expect_root(1, 1, 1);
    joins(1, 2)->look.known &= ~HL_KNOWN(HL_PLAT_SYSCALL);
    expect_root(1, 1, 1);
    joins(1, 3);
    expect_root(1, 1, 1);
    joins(1, 1);
    expect_root(1, 1, 1);
    joins(1, 0);
    expect_root(1, 1, 1);
    cr_expect_eq(looks, 1);
}

Test(chain, it_ends_where_the_owner_is_not_certain)
{
    sits(2);
    wants_lock_of(1, 2)->look.steady = false;
    expect_root(1, 1, 1);
    wants_lock_of(1, 2)->look.mutex.contended = false;
    expect_root(1, 1, 1);
    wants_lock_of(1, 0);
    expect_root(1, 1, 1);
}

Test(chain, it_ends_where_the_owner_is_gone)
{
    wants_lock_of(1, 2);
    expect_root(1, 1, 1);
    cr_expect_eq(looks, 2, "it was looked for");
}

Test(chain, an_owner_that_is_younger_than_the_wait_is_another_with_its_number)
{
    wants_lock_of(1, 2)->waited_ns = 10 * SECOND;
    sits(2)->look.state.age_ns = 10 * SECOND;
    expect_root(1, 1, 1);
    world[2].look.state.age_ns++;
    expect_root(1, 2, 2);
}

Test(chain, a_cycle_closes_where_it_began)
{
    wants_lock_of(1, 2);
    wants_lock_of(2, 3);
    wants_lock_of(3, 1);
    expect_cycle(1, 3, 0);
    expect_cycle(2, 3, 0);
}

Test(chain, a_cycle_may_be_entered_from_outside)
{
    wants_lock_of(1, 2);
    wants_lock_of(2, 3);
    wants_lock_of(3, 4);
    wants_lock_of(4, 3);
    expect_cycle(1, 4, 2);
}

Test(chain, a_join_may_be_part_of_a_cycle)
{
    joins(1, 2);
    wants_lock_of(2, 1);
    expect_cycle(1, 2, 0);
    joins(2, 1);
    expect_cycle(1, 2, 0);
}

Test(chain, a_cycle_that_does_not_close_for_certain_is_none)
{
    wants_lock_of(1, 2);
    wants_lock_of(2, 1)->look.steady = false;
    expect_root(1, 2, 2);
    wants_lock_of(2, 1)->waited_ns = 10 * SECOND;
    world[1].look.state.age_ns = 9 * SECOND;
    expect_root(1, 2, 2);
}

Test(chain, one_that_waits_for_its_own_lock_is_a_cycle_of_one)
{
    wants_lock_of(1, 1);
    expect_root(1, 1, 1);
    world[1].waited_ns = 1;
    expect_cycle(1, 1, 0);
    wants_lock_of(2, 1);
    expect_cycle(2, 2, 1);
    world[1].look.mutex.hangs_its_owner = false;
    expect_root(2, 2, 1);
}

Test(chain, a_longer_one_ends_as_if_its_last_thread_were_the_root)
{
    for (uint64_t tid = 1; tid < TIDS - 1; tid++)
        wants_lock_of(tid, tid + 1);
    sits(TIDS - 1);
    expect_root(1, HL_CHAIN_LINKS, HL_CHAIN_LINKS);
    expect_root(TIDS - HL_CHAIN_LINKS, HL_CHAIN_LINKS, TIDS - 1);
}

Test(chain, the_longest_cycle_is_found_and_a_longer_one_is_none)
{
    for (uint64_t tid = 1; tid <= HL_CHAIN_LINKS; tid++)
        wants_lock_of(tid, tid % HL_CHAIN_LINKS + 1);
    expect_cycle(5, HL_CHAIN_LINKS, 0);
    wants_lock_of(HL_CHAIN_LINKS, HL_CHAIN_LINKS + 1);
    wants_lock_of(HL_CHAIN_LINKS + 1, 1);
    expect_root(1, HL_CHAIN_LINKS, HL_CHAIN_LINKS);
}

Test(chain, of_a_thread_that_is_gone_nothing_is_learnt)
{
    chain.is_cycle = true;
    cr_expect_not(hl_chain_follow(&chain, 7, look_into, &looks));
    cr_expect_eq(chain.count, 0);
    cr_expect_not(chain.is_cycle);
    cr_expect_eq(looks, 1);
}
