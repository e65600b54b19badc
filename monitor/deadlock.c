#include "deadlock.h"

#include <string.h>

#define MOST 256 /* remembered; a program with more of them is beyond help */

void hl_deadlocks_init(struct hl_deadlocks *deadlocks)
{
    *deadlocks = (struct hl_deadlocks){.cycles = {.element = sizeof(struct hl_cycle)}};
}

void hl_deadlocks_free(struct hl_deadlocks *deadlocks)
{
    hl_array_free(&deadlocks->cycles);
}

static struct hl_cycle *cycle_at(const struct hl_deadlocks *deadlocks, size_t i)
{
    return (struct hl_cycle *)deadlocks->cycles.memory + i;
}

static struct hl_cycle_member member_of(const struct hl_link *link)
{
    const struct hl_plat_thread_state *state = &link->look.state;
    return (struct hl_cycle_member){.tid = link->tid,
                                    .start = state->start,
                                    .lock = link->look.address,
                                    .switches = state->switches};
}

/* Where a chain enters a cycle is chance: the smallest tid comes first. */
static void take_members(const struct hl_chain *chain, struct hl_cycle *cycle)
{
    const struct hl_link *links = chain->links + chain->cycle_at;
    size_t smallest = 0;
    cycle->count = chain->count - chain->cycle_at;
    for (size_t i = 1; i < cycle->count; i++)
        if (links[i].tid < links[smallest].tid)
            smallest = i;
    for (size_t i = 0; i < cycle->count; i++)
        cycle->members[i] = member_of(&links[(smallest + i) % cycle->count]);
}

/* The same threads and locks. */
static bool is_same(const struct hl_cycle *a, const struct hl_cycle *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct hl_cycle_member *one = &a->members[i], *other = &b->members[i];
        if (one->tid != other->tid || one->start != other->start || one->lock != other->lock)
            return false;
    }
    return true;
}

static bool is_same_wait(const struct hl_cycle *a, const struct hl_cycle *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->members[i].switches != b->members[i].switches)
            return false;
    return true;
}

static struct hl_cycle *find(const struct hl_deadlocks *deadlocks, const struct hl_cycle *wanted)
{
    for (size_t i = 0; i < deadlocks->count; i++)
        if (is_same(cycle_at(deadlocks, i), wanted))
            return cycle_at(deadlocks, i);
    return NULL;
}

/* The one that was not seen for longest. */
static struct hl_cycle *oldest(const struct hl_deadlocks *deadlocks)
{
    struct hl_cycle *found = cycle_at(deadlocks, 0);
    for (size_t i = 1; i < deadlocks->count; i++)
        if (cycle_at(deadlocks, i)->seen_ns < found->seen_ns)
            found = cycle_at(deadlocks, i);
    return found;
}

static void remember(struct hl_deadlocks *deadlocks, const struct hl_cycle *cycle)
{
    if (deadlocks->count == MOST)
        *oldest(deadlocks) = *cycle;
    else if (hl_array_reserve(&deadlocks->cycles, MOST)) /* at once: none ever moves */
        *cycle_at(deadlocks, deadlocks->count++) = *cycle;
}

static void see_again(struct hl_cycle *known, const struct hl_cycle *now)
{
    bool same_wait = is_same_wait(known, now);
    known->has_idle |= now->has_idle;
    known->seen_ns = now->seen_ns;
    known->misses = 0;
    if (same_wait && now->seen_ns - known->counted_ns < HL_SIGHTINGS_APART_NS)
        return;
    known->sightings = same_wait ? known->sightings + 1 : 1;
    known->counted_ns = now->seen_ns;
    memcpy(known->members, now->members, sizeof known->members);
}

static bool is_member(const struct hl_cycle *cycle, uint64_t tid)
{
    for (size_t i = 0; i < cycle->count; i++)
        if (cycle->members[i].tid == tid)
            return true;
    return false;
}

void hl_deadlocks_see(struct hl_deadlocks *deadlocks, const struct hl_chain *chain,
                      uint64_t idle_tid, uint64_t now_ns)
{
    struct hl_cycle now = {.seen_ns = now_ns, .sightings = 1, .counted_ns = now_ns};
    take_members(chain, &now);
    now.has_idle = idle_tid != 0 && is_member(&now, idle_tid);
    struct hl_cycle *known = find(deadlocks, &now);
    if (known)
        see_again(known, &now);
    else
        remember(deadlocks, &now);
}

struct hl_cycle *hl_deadlocks_find(const struct hl_deadlocks *deadlocks, bool said, size_t i)
{
    for (size_t at = 0; at < deadlocks->count; at++) {
        struct hl_cycle *cycle = cycle_at(deadlocks, at);
        if (cycle->is_said == said && i-- == 0)
            return cycle;
    }
    return NULL;
}

void hl_deadlocks_forget(struct hl_deadlocks *deadlocks, struct hl_cycle *cycle)
{
    *cycle = *cycle_at(deadlocks, --deadlocks->count);
}

void hl_deadlocks_say(struct hl_deadlocks *deadlocks, struct hl_cycle *cycle)
{
    cycle->is_said = true;
    deadlocks->said++;
}
