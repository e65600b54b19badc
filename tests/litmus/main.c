/* Runs the scenarios, then the mutants.
 *
 *     litmus [--catch]
 *
 * A mutant is one kind of access that is made relaxed. Those that the protocol needs
 * must be caught, or all of this proves nothing; of the others it is known that
 * nothing here needs them. --catch: linked with a reader that does not look twice
 * (-DHL_SNAPSHOT_LOOKS_TWICE=0), it must be caught by the first scenario.
 */
#include "classic.h"
#include "model.h"
#include "scenarios.h"
#include "../../monitor/record.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- kinds of accesses -------------------------------------------------------------- */

enum kind {
    ELSEWHERE,
    DEPTH,
    POPPED,
    VERSION_LIVE,
    VERSION_NOT_LIVE,
    PUSHED,
    KIND,
    LABEL,
    LIMIT, /* own limit, and since when */
    WATCH,
    REPORTED,
    SIGN_EPOCH,
    SIGN_NS,
    TID,
    ENDED_SCOPE,
    ENDED_DATA,
    ENDED_COUNT,
    ENDS_BEGUN,
    GENERATION,
    OWNER,
    TOTAL,
    OWN,
    SHARED
};

/* Whether `at` lies in that field of something that begins at 0. */
#define IN(at, type, field) ((at)-offsetof(type, field) < sizeof((type *)0)->field)

static enum kind kind_in_frame(size_t at, uint64_t value)
{
    if (IN(at, struct hl_frame, version))
        return value & HL_NOT_LIVE ? VERSION_NOT_LIVE : VERSION_LIVE;
    if (IN(at, struct hl_frame, pushed_ns))
        return PUSHED;
    if (IN(at, struct hl_frame, kind))
        return KIND;
    return IN(at, struct hl_frame, label) ? LABEL : LIMIT;
}

static enum kind kind_in_ended(size_t at)
{
    return IN(at, struct hl_ended, scope) ? ENDED_SCOPE : ENDED_DATA;
}

static enum kind kind_in_record(size_t at, uint64_t value)
{
    static const struct {
        size_t at;
        enum kind kind;
    } plain[] = {
        {offsetof(struct hl_record, depth), DEPTH},
        {offsetof(struct hl_record, popped_ns), POPPED},
        {offsetof(struct hl_record, reported), REPORTED},
        {offsetof(struct hl_record, sign_epoch), SIGN_EPOCH},
        {offsetof(struct hl_record, sign_ns), SIGN_NS},
        {offsetof(struct hl_record, tid), TID},
        {offsetof(struct hl_record, ended_count), ENDED_COUNT},
        {offsetof(struct hl_record, ends_begun), ENDS_BEGUN},
    };

    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (at == plain[i].at)
            return plain[i].kind;
    if (IN(at, struct hl_record, frames))
        return kind_in_frame((at - offsetof(struct hl_record, frames)) % sizeof(struct hl_frame),
                             value);
    if (IN(at, struct hl_record, watch))
        return WATCH;
    if (IN(at, struct hl_record, ended))
        return kind_in_ended((at - offsetof(struct hl_record, ended)) % sizeof(struct hl_ended));
    return ELSEWHERE;
}

static enum kind kind_in_counter(size_t at)
{
    if (IN(at, struct monitor_progress, generation))
        return GENERATION;
    if (IN(at, struct monitor_progress, owner))
        return OWNER;
    if (IN(at, struct monitor_progress, total))
        return TOTAL;
    if (IN(at, struct monitor_progress, own))
        return OWN;
    return IN(at, struct monitor_progress, shared) ? SHARED : ELSEWHERE;
}

static enum kind kind_of(const void *word, uint64_t value)
{
    uintptr_t at = (uintptr_t)word;

    if (!record)
        return ELSEWHERE;
    if (at - (uintptr_t)record < sizeof *record)
        return kind_in_record(at - (uintptr_t)record, value);
    at -= (uintptr_t)record->counters;
    if (record->counters && at < HL_COUNTERS * sizeof *record->counters)
        return kind_in_counter(at % sizeof *record->counters);
    return ELSEWHERE;
}

/* ---- mutants ----------------------------------------------------------------------------- */

static enum kind weak_kind;
static bool weak_stores;

static bool is_weakened(const void *at, bool is_store, uint64_t value)
{
    return is_store == weak_stores && kind_of(at, value) == weak_kind;
}

/* Which scenario must catch it, when the stores or the loads are relaxed; NULL = none does. */
static const struct mutant {
    enum kind kind;
    const char *name, *stores, *loads;
} mutants[] = {
    {DEPTH, "depth", "nest", "nest"},
    {POPPED, "popped_ns", "handler in pop", "handler in pop"},
    {VERSION_LIVE, "version, live", "churn", "churn"},
    {VERSION_NOT_LIVE, "version, not live", NULL, NULL},
    {PUSHED, "pushed_ns", "churn", "churn"},
    {KIND, "kind", "limit", "limit"},
    {LABEL, "label", "churn", "churn"},
    {LIMIT, "limit", "limit", "limit"},
    {WATCH, "watch", NULL, NULL},
    {REPORTED, "reported", NULL, NULL},
    {SIGN_EPOCH, "sign_epoch", "sign", "sign"},
    {SIGN_NS, "sign_ns", NULL, NULL},
    {TID, "tid", "hand over", "hand over"},
    {ENDED_SCOPE, "ended.scope", "ends", "ends"},
    {ENDED_DATA, "ended, the rest", "ends", "ends"},
    {ENDED_COUNT, "ended_count", "ends", "ends"},
    {ENDS_BEGUN, "ends_begun", NULL, NULL},
    {GENERATION, "generation", "progress", "progress"},
    {TOTAL, "total", "progress", "progress"},
    {OWN, "own", "progress", "progress"},
    {SHARED, "shared", "set", "set"},
};
enum { MUTANTS = sizeof mutants / sizeof mutants[0] };

static const char *caught_by(const char *expected)
{
    const struct scenario *scenario = find_scenario(expected);

    if (expected)
        return run_scenario(scenario) ? expected : NULL;
    for (; scenario->name; scenario++)
        if (run_scenario(scenario))
            return scenario->name;
    return NULL;
}

static bool is_as_expected(const char *name, const char *what, const char *expected)
{
    const char *by = caught_by(expected);

    printf("%-18s %-15s %s%s\n", name, what, by ? "caught by " : "not needed", by ? by : "");
    if (!by == !expected)
        return true;
    printf("that was expected to be %s\n", expected ? "caught" : "not needed");
    return false;
}

static bool mutants_are_caught(void)
{
    bool all = true;

    has_barrier = false;
    all = is_as_expected("barrier", "left out", "watch") && all;
    all = is_as_expected("barrier", "left out", "sign") && all;
    has_barrier = true;
    model_is_weakened = is_weakened;
    for (int i = 0; i < MUTANTS; i++) {
        weak_kind = mutants[i].kind;
        weak_stores = true;
        all = is_as_expected(mutants[i].name, "stores relaxed", mutants[i].stores) && all;
        weak_stores = false;
        all = is_as_expected(mutants[i].name, "loads relaxed", mutants[i].loads) && all;
    }
    model_is_weakened = NULL;
    return all;
}

/* ---- all of it -------------------------------------------------------------------------------- */

static bool nothing_is_false(void)
{
    bool all = true;

    for (const struct scenario *scenario = find_scenario(NULL); scenario->name; scenario++) {
        const char *why = run_scenario(scenario);
        printf("%-16s %9llu executions  %s\n", scenario->name, (unsigned long long)executions,
               why ? why : "well");
        all = all && !why;
    }
    return all;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--catch") == 0)
        return run_scenario(find_scenario(NULL)) ? 0 : 1;
    if (!classic_is_right() || !nothing_is_false())
        return 1;
    return mutants_are_caught() ? 0 : 1;
}
