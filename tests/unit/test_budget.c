/* monitor/budget.c: a minute's STALL lines, and what is merged beyond them. */
#include "../../monitor/budget.h"

#include <criterion/criterion.h>

#include <stdio.h>

#define S UINT64_C(1000000000)

Test(budget, a_minute_has_so_many_lines_and_reminders_half_of_them)
{
    struct hl_budget budget = {.lines = 5};
    for (int i = 0; i < 3; i++)
        cr_expect(hl_budget_take(&budget, true));
    cr_expect_not(hl_budget_take(&budget, true), "a new stall still finds room");
    for (int i = 0; i < 2; i++)
        cr_expect(hl_budget_take(&budget, false));
    cr_expect_not(hl_budget_take(&budget, false));
}

Test(budget, one_line_a_minute_may_be_a_reminder)
{
    struct hl_budget budget = {.lines = 1};
    cr_expect(hl_budget_take(&budget, true));
    cr_expect_not(hl_budget_take(&budget, false));
}

Test(budget, a_minute_begins_with_its_first_line)
{
    struct hl_budget budget = {.lines = 1};
    cr_expect_not(hl_budget_minute_goes_on(&budget, 7 * S), "nothing was said yet");
    hl_budget_begin(&budget, 7 * S);
    hl_budget_take(&budget, false);
    cr_expect(hl_budget_minute_goes_on(&budget, 67 * S - 1));
    cr_expect_not(hl_budget_minute_goes_on(&budget, 67 * S));
    hl_budget_begin(&budget, 67 * S);
    cr_expect(hl_budget_take(&budget, false));
}

Test(budget, what_is_merged_keeps_its_ids_and_its_different_labels)
{
    struct hl_budget budget = {.lines = 1};
    char label[HL_LABEL_BYTES] = {0};
    hl_budget_begin(&budget, 5 * S);
    cr_expect_eq(hl_budget_due_ns(&budget), HL_UNKNOWN);
    for (uint64_t id = 11; id <= 30; id++) {
        snprintf(label, sizeof label, "step %d", (int)(id % 10));
        hl_budget_merge(&budget, id, label, id * S);
    }
    cr_expect_eq(budget.merged.count, 20);
    cr_expect_eq(budget.merged.first_id, 11);
    cr_expect_eq(budget.merged.last_id, 30);
    cr_expect_eq(budget.merged.longest_ns, 30 * S);
    cr_expect_eq(budget.merged.phases_count, HL_MERGED_SHOWN);
    cr_expect_str_eq(budget.merged.phases[0], "step 1");
    cr_expect(budget.merged.more_phases);
    cr_expect_eq(hl_budget_due_ns(&budget), 65 * S);
    hl_budget_begin(&budget, 65 * S);
    cr_expect_eq(hl_budget_due_ns(&budget), HL_UNKNOWN);
}

Test(budget, merged_recoveries_come_in_any_order)
{
    struct hl_budget budget = {.lines = 1};
    static const uint64_t ids[] = {20, 12, 31};
    for (int i = 0; i < 3; i++)
        hl_budget_merge_recovery(&budget, ids[i], ids[i] * S);
    cr_expect_eq(budget.merged_recovered.count, 3);
    cr_expect_eq(budget.merged_recovered.first_id, 12);
    cr_expect_eq(budget.merged_recovered.last_id, 31);
    cr_expect_eq(budget.merged_recovered.longest_ns, 31 * S);
    cr_expect(hl_budget_minute_goes_on(&budget, 59 * S));
}
