/* See budget.h. A thousand threads that hang on one lock are one fact, not a
 * thousand lines; yet each keeps its id, so that nothing is lost from the count. */
#include "budget.h"

#include <string.h>

#define MINUTE 60000000000ull

bool hl_budget_take(struct hl_budget *budget, bool reminder)
{
    uint64_t room = reminder ? (budget->lines + 1) / 2 : budget->lines;
    if (budget->used >= room)
        return false;
    budget->used++;
    return true;
}

static void merge_phase(struct hl_merged_event *merged, const char *label)
{
    for (size_t i = 0; i < merged->phases_count; i++)
        if (strcmp(merged->phases[i], label) == 0)
            return;
    if (merged->phases_count == HL_MERGED_SHOWN)
        merged->more_phases = true;
    else
        memcpy(merged->phases[merged->phases_count++], label, HL_LABEL_BYTES);
}

void hl_budget_merge(struct hl_budget *budget, uint64_t id, const char *label, uint64_t stuck_ns)
{
    struct hl_merged_event *merged = &budget->merged;
    if (merged->count++ == 0)
        *merged = (struct hl_merged_event){.count = 1, .first_id = id};
    merged->last_id = id;
    if (stuck_ns > merged->longest_ns)
        merged->longest_ns = stuck_ns;
    merge_phase(merged, label);
}

void hl_budget_merge_recovery(struct hl_budget *budget, uint64_t id, uint64_t stuck_ns)
{
    struct hl_merged_recovered_event *merged = &budget->merged_recovered;
    if (merged->count++ == 0)
        *merged = (struct hl_merged_recovered_event){.count = 1, .first_id = id};
    if (id < merged->first_id)
        merged->first_id = id;
    if (id > merged->last_id)
        merged->last_id = id;
    if (stuck_ns > merged->longest_ns)
        merged->longest_ns = stuck_ns;
}

static bool holds_something_back(const struct hl_budget *budget)
{
    return budget->merged.count || budget->merged_recovered.count;
}

uint64_t hl_budget_due_ns(const struct hl_budget *budget)
{
    return holds_something_back(budget) ? budget->minute_ns + MINUTE : HL_UNKNOWN;
}

bool hl_budget_minute_goes_on(const struct hl_budget *budget, uint64_t now_ns)
{
    bool has_begun = budget->used || holds_something_back(budget);
    return has_begun && now_ns - budget->minute_ns < MINUTE;
}

void hl_budget_begin(struct hl_budget *budget, uint64_t now_ns)
{
    budget->minute_ns = now_ns;
    budget->used = 0;
    budget->merged.count = budget->merged_recovered.count = 0;
}
