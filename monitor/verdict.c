/* The kernel charges run delay only when the thread next gets a core: one that
 * has been starved all along shows no change in either time. So when it was
 * runnable at both ends and never slept in between (it never got onto a core, or
 * never gave one up to wait), what its CPU time does not explain is run delay.
 *
 * Where the system tells no run delay at all, one that used no CPU stayed what it
 * was: asleep, or in want of a core. One that used little and slept at both ends is
 * taken to have slept; of anything else the rest of its time is not known. */
#include "verdict.h"

#include "rates.h"

#include "../platform/platform.h"

#define DOMINANT 600 /* thousandths of the observed time */
#define LITTLE 100

static uint64_t share(uint64_t then, uint64_t now, uint64_t observed_ns)
{
    uint64_t difference = hl_rate_difference(then, now);
    if (difference == HL_UNKNOWN || observed_ns == 0)
        return HL_UNKNOWN;
    uint64_t milli = hl_rate_scale(difference, 1000, observed_ns);
    return milli < 1000 ? milli : 1000;
}

static enum hl_verdict judge(uint64_t cpu, uint64_t run_delay, bool slept)
{
    if (cpu == HL_UNKNOWN)
        return HL_VERDICT_UNKNOWN;
    if (cpu >= DOMINANT)
        return HL_BUSY;
    if (run_delay == HL_UNKNOWN)
        return slept && cpu <= LITTLE ? HL_BLOCKED : HL_VERDICT_UNKNOWN;
    if (run_delay >= DOMINANT)
        return HL_STARVED;
    return cpu + run_delay <= 1000 - DOMINANT ? HL_BLOCKED : HL_MIXED;
}

static uint64_t throttled(const struct hl_evidence *then, const struct hl_evidence *now)
{
    uint64_t difference = hl_rate_difference(then->throttled_ns, now->throttled_ns);
    return difference == HL_UNKNOWN ? 0 : difference;
}

static bool is_same(uint64_t then, uint64_t now)
{
    return now != HL_UNKNOWN && then == now;
}

static bool never_slept(const struct hl_evidence *then, const struct hl_evidence *now)
{
    return then->state == 'R' && now->state == 'R' &&
           (is_same(then->switches, now->switches) || is_same(then->sleeps, now->sleeps));
}

static bool slept(const struct hl_evidence *then, const struct hl_evidence *now)
{
    return hl_plat_is_asleep(then->state) && hl_plat_is_asleep(now->state);
}

/* Of a thread that did not run, where it is not told. */
static uint64_t only_run_delay(const struct hl_evidence *then, const struct hl_evidence *now)
{
    if (!is_same(then->on_core_ns, now->on_core_ns))
        return HL_UNKNOWN;
    if (then->state == 'R' && now->state == 'R')
        return 1000;
    return slept(then, now) ? 0 : HL_UNKNOWN;
}

/* What was charged late may have been waited before the first look. */
static uint64_t charge(const struct hl_evidence_view *view, bool never_slept)
{
    uint64_t rest = 1000 - view->cpu_milli;
    return never_slept || view->run_delay_milli > rest ? rest : view->run_delay_milli;
}

void hl_verdict(const struct hl_evidence *then, const struct hl_evidence *now, uint64_t observed_ns,
                struct hl_evidence_view *view)
{
    *view = (struct hl_evidence_view){
        .verdict = HL_VERDICT_UNKNOWN,
        .cpu_milli = HL_UNKNOWN,
        .run_delay_milli = HL_UNKNOWN,
        .state = now->known ? now->state : 0,
    };
    if (!then->known || !now->known)
        return;
    view->cpu_milli = share(then->on_core_ns, now->on_core_ns, observed_ns);
    view->run_delay_milli = share(then->run_delay_ns, now->run_delay_ns, observed_ns);
    if (view->cpu_milli != HL_UNKNOWN && view->run_delay_milli != HL_UNKNOWN)
        view->run_delay_milli = charge(view, never_slept(then, now));
    else if (view->cpu_milli != HL_UNKNOWN)
        view->run_delay_milli = only_run_delay(then, now);
    view->verdict = judge(view->cpu_milli, view->run_delay_milli, slept(then, now));
    if (view->verdict == HL_STARVED || view->verdict == HL_MIXED)
        view->throttled_ns = throttled(then, now);
}

bool hl_evidence_is_same_wait(const struct hl_evidence *then, const struct hl_evidence *now)
{
    return then->known && now->known && hl_plat_is_asleep(now->state) &&
           is_same(then->switches, now->switches);
}

bool hl_evidence_is_stopped(const struct hl_evidence *evidence)
{
    return evidence->known && (evidence->state == 't' || evidence->state == 'T');
}
