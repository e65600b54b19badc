#include "chain.h"

#include "owner.h"

static bool joins(const struct hl_plat_look *look)
{
    const uint32_t needed = HL_KNOWN(HL_PLAT_SYSCALL) | HL_KNOWN(HL_PLAT_WAIT);
    return (look->known & needed) == needed && look->waits_for == HL_PLAT_FOR_JOIN;
}

/* The thread on which this one's wait depends, if any; not yet certain. */
static uint64_t next_tid(const struct hl_link *link)
{
    const struct hl_plat_look *look = &link->look;
    if (joins(look) && look->steady)
        return look->awaited;
    return hl_owner_is_asked(look) ? look->mutex.owner : 0;
}

static bool is_certain(const struct hl_link *link, const struct hl_link *next)
{
    if (joins(&link->look))
        return next->tid != link->tid;
    const struct hl_owner_facts facts = {
        .waiter = link->tid,
        .look = &link->look,
        .waited_ns = link->waited_ns,
        .owner_lives = true,
        .owner_age_ns = next->look.state.age_ns,
    };
    return hl_owner_is_certain(&facts);
}

static struct hl_link *find(struct hl_chain *chain, uint64_t tid)
{
    for (size_t i = 0; i < chain->count; i++)
        if (chain->links[i].tid == tid)
            return &chain->links[i];
    return NULL;
}

/* true: the chain closes with the thread that `last` waits for. */
static bool close_cycle(struct hl_chain *chain, const struct hl_link *last, uint64_t tid)
{
    struct hl_link *seen = find(chain, tid);
    if (!seen)
        return false;
    chain->is_cycle = is_certain(last, seen);
    chain->cycle_at = (size_t)(seen - chain->links);
    return true;
}

bool hl_chain_follow(struct hl_chain *chain, uint64_t tid, hl_look_into *look_into, void *context)
{
    chain->count = 0;
    chain->is_cycle = false;
    if (!look_into(context, tid, &chain->links[0]))
        return false;
    chain->count = 1;
    for (;;) {
        const struct hl_link *last = &chain->links[chain->count - 1];
        uint64_t next = next_tid(last);
        if (next == 0 || close_cycle(chain, last, next) || chain->count == HL_CHAIN_LINKS)
            return true;
        struct hl_link *link = &chain->links[chain->count];
        if (!look_into(context, next, link) || !is_certain(last, link))
            return true;
        chain->count++;
    }
}
