/* See departures.h. */
#include "departures.h"

#include "../platform/platform.h"

enum { FREE, BEING_FILLED, FULL };

static struct place {
    _Atomic int state;
    struct hl_departure departure;
} places[HL_DEPARTURES];

static struct place *take_free_place(void)
{
    for (size_t i = 0; i < HL_DEPARTURES; i++) {
        int expected = FREE;
        if (atomic_compare_exchange_strong(&places[i].state, &expected, BEING_FILLED))
            return &places[i];
    }
    return NULL;
}

static bool innermost_is_kept(const struct hl_record *record, uint64_t depth)
{
    return depth <= HL_DEPTH && hl_version_is_live(hl_get(&record->frames[depth - 1].version));
}

void hl_departures_leave(const struct hl_record *record, bool by_itself)
{
    uint64_t depth = atomic_load_explicit(&record->depth, memory_order_relaxed);
    struct place *place = take_free_place();
    if (!place)
        return;
    struct hl_departure *departure = &place->departure;
    *departure = (struct hl_departure){.thread.tid = hl_get(&record->tid), .depth = depth};
    if (by_itself)
        hl_plat_own_name(departure->thread.name);
    if (innermost_is_kept(record, depth))
        hl_frame_label(&record->frames[depth - 1], departure->innermost);
    atomic_store_explicit(&place->state, FULL, memory_order_release);
}

bool hl_departures_take(struct hl_departure *departure)
{
    for (size_t i = 0; i < HL_DEPARTURES; i++) {
        struct place *place = &places[i];
        if (atomic_load_explicit(&place->state, memory_order_acquire) != FULL)
            continue;
        *departure = place->departure;
        atomic_store_explicit(&place->state, FREE, memory_order_release);
        return true;
    }
    return false;
}

void hl_departures_forget(void)
{
    for (size_t i = 0; i < HL_DEPARTURES; i++) {
        int expected = FULL;
        atomic_compare_exchange_strong(&places[i].state, &expected, FREE);
    }
}
