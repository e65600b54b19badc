/* See counters.h. */
#include "counters.h"
#include "own.h"

static bool is_open(const struct monitor_progress *counter)
{
    return hl_counter_get(&counter->generation) != 0;
}

/* Odd, so neither 0 nor the name of a thread; and spread over all bits, so that no
 * two of them differ by just what two threads' names differ by. */
static uint64_t generation_of(uint64_t number)
{
    return (2 * number + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Takes turns, so that a counter rests for 64 others before it is used again. */
uint64_t hl_counter_open(struct hl_record *record, uint64_t total)
{
    if (!record->counters)
        return 0;
    uint32_t number = record->next_counter;
    for (int open = 0; is_open(&record->counters[number]); open++) {
        if (open == HL_COUNTERS)
            return 0; /* lost by pushes that a signal handler left with longjmp */
        number = (number + 1) % HL_COUNTERS;
    }
    record->next_counter = (number + 1) % HL_COUNTERS;
    struct monitor_progress *counter = &record->counters[number];
    uint64_t generation = generation_of(counter->opened++);
    hl_counter_release(&counter->own, 0);
    hl_counter_release(&counter->shared, 0);
    hl_counter_release(&counter->total, total);
    hl_counter_release(&counter->owner, generation ^ monitor_thread_());
    hl_counter_release(&counter->generation, generation);
    return number + 1;
}

/* ---- what the application calls ---------------------------------------------- */

uintptr_t monitor_scope_thread(void)
{
    return hl_own_name();
}

void monitor_progress_add(scope_progress progress, uint64_t n)
{
    monitor_progress_add_(progress, n);
}

/* Always through `shared`, also by the owner: two setters at once then leave
 * the value of one of them, not a mixture. */
void monitor_progress_set(scope_progress progress, uint64_t current, uint64_t total)
{
    struct monitor_progress *counter = progress.counter;
    if (!counter || hl_counter_acquire(&counter->generation) != progress.generation)
        return;
    hl_counter_release(&counter->shared, current - hl_counter_get(&counter->own));
    hl_counter_release(&counter->total, total);
}
