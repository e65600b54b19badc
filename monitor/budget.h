/* monitor/budget.h - how many STALL lines a minute may have, and what is merged
 * beyond that. A minute begins with its first line. Pure. */
#ifndef HL_BUDGET_H
#define HL_BUDGET_H

#include "event.h"

struct hl_budget {
    uint64_t lines; /* a minute */
    uint64_t minute_ns, used;
    struct hl_merged_event merged;                     /* held back until the minute is over */
    struct hl_merged_recovered_event merged_recovered; /* likewise; count 0 = none */
};

/* True: a line may be written, and is counted. Reminders may use half of the
 * minute's lines, so that a new stall is not kept waiting by old ones. */
bool hl_budget_take(struct hl_budget *budget, bool reminder);

void hl_budget_merge(struct hl_budget *budget, uint64_t id, const char *label, uint64_t stuck_ns);
void hl_budget_merge_recovery(struct hl_budget *budget, uint64_t id, uint64_t stuck_ns);

/* When what is held back is to be said; HL_UNKNOWN = nothing is. */
uint64_t hl_budget_due_ns(const struct hl_budget *budget);
/* True: the present minute goes on. Otherwise what is held back is to be said,
 * and then hl_budget_begin called. */
bool hl_budget_minute_goes_on(const struct hl_budget *budget, uint64_t now_ns);
void hl_budget_begin(struct hl_budget *budget, uint64_t now_ns);

#endif
