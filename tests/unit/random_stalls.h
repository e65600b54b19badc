/* tests/unit/random_stalls.h - scopes at random, of which two in three get stuck.
 *
 * Twelve threads with four scopes each, of random limits, beneath a random heartbeat
 * and a random coarse clock, story after story, until so many have been stuck. Each
 * must be reported once, within a tick of its limit, and its end exactly; the others
 * must not be. Told by test_stall.c and by tests/harm/stalls.c.
 */
#ifndef HL_RANDOM_STALLS_H
#define HL_RANDOM_STALLS_H

#include "story.h"

enum { SCOPES_OF_ONE = 4, SCOPES = 12 * SCOPES_OF_ONE };

struct random_stalls {
    uint64_t stalls, others; /* scopes that were stuck, and that were not */
    uint64_t missed;         /* no report, an early one, or one more than a tick late */
    uint64_t false_ones;     /* of a scope that was not stuck, or a second of one that was */
    uint64_t inexact;        /* RECOVERED is not there once, or its time is wrong */
    double latest_ticks;     /* the longest from a limit to its report */
};

static uint64_t random_seed = 88172645463325252ull;
static uint64_t below(uint64_t n)
{
    random_seed ^= random_seed << 13;
    random_seed ^= random_seed >> 7;
    random_seed ^= random_seed << 17;
    return random_seed % n;
}

struct truth {
    char label[16];
    uint64_t since_ns, limit_ns, ended_ns;
    bool stalls;
};
static struct truth truths[SCOPES];

static uint64_t one_scope(uint64_t at_ns, unsigned who, struct truth *truth, uint64_t limit,
                          uint64_t tick, bool stalls)
{
    uint64_t pushed = at_ns + below(limit) + 1;
    *truth = (struct truth){.since_ns = pushed, .limit_ns = limit, .stalls = stalls};
    snprintf(truth->label, sizeof truth->label, "s%zu.", (size_t)(truth - truths));
    story_push(pushed, who, truth->label);
    if (below(3) == 0) {
        truth->limit_ns = limit / 2 + below(limit) + 10 * MS;
        truth->limit_ns -= truth->limit_ns % MS;
        truth->since_ns += below(limit / 4);
        story_expect(truth->since_ns, who, truth->limit_ns);
    }
    uint64_t lasts =
        stalls ? truth->limit_ns + tick + 1 + below(3 * limit) : below(truth->limit_ns - tick);
    truth->ended_ns = truth->since_ns + lasts;
    story_pop(truth->ended_ns, who);
    return truth->ended_ns;
}

static void check_report(const struct truth *truth, uint64_t tick, const struct story_line *stall,
                         struct random_stalls *told)
{
    uint64_t due = truth->since_ns + truth->limit_ns;
    bool on_time = stall && stall->at_ns > due - (tick == 0) && stall->at_ns <= due + tick;
    told->missed += !on_time;
    double ticks = on_time && tick ? (double)(stall->at_ns - due) / (double)tick : 0;
    told->latest_ticks = ticks > told->latest_ticks ? ticks : told->latest_ticks;
}

static void check_truth(const struct truth *truth, uint64_t tick, struct random_stalls *told)
{
    char phase[64];
    snprintf(phase, sizeof phase, "\"phase\":\"%.15s\"", truth->label);
    size_t reports = story_count_with("STALL", phase);
    told->stalls += truth->stalls;
    told->others += !truth->stalls;
    told->false_ones += !truth->stalls && reports;
    if (!truth->stalls)
        return;
    check_report(truth, tick, story_find_with("STALL", phase, 0), told);
    for (size_t i = 1; i < reports; i++)
        told->false_ones +=
            story_number(story_find_with("STALL", phase, i), "reminder") == STORY_NONE;
    uint64_t true_ms = (truth->ended_ns - truth->since_ns) / MS;
    uint64_t stuck = story_number(story_find_with("RECOVERED", phase, 0), "stuck_ms");
    told->inexact += story_count_with("RECOVERED", phase) != 1 || stuck + tick / MS + 1 < true_ms ||
                     stuck > true_ms + tick / MS + 1;
}

static void tell_random_story(struct random_stalls *told)
{
    uint64_t limit = (10 + below(below(2) ? 200 : 300000)) * MS, last = 0;
    uint64_t tick = (uint64_t[]){0, 4 * MS, 10 * MS}[below(3)];
    if (tick * 2 > limit)
        tick = 4 * MS;
    story.options.interval_ms = 10 + below(below(2) ? 500 : 10 * limit / MS);
    story.options.stall_ms = limit / MS;
    story.clock = (enum story_clock)below(3);
    scripted.coarse_tick_ns = tick;
    uint64_t at = 0;
    for (unsigned i = 0; i < SCOPES; i++) {
        at = i % SCOPES_OF_ONE == 0 ? 0 : at;
        at = one_scope(at, 1 + i / SCOPES_OF_ONE, &truths[i], limit, tick, below(3) > 0);
        last = at > last ? at : last;
    }
    story_run(last + limit);
    for (size_t i = 0; i < SCOPES; i++)
        check_truth(&truths[i], tick, told);
}

/* Ends with the first story that is wrong. */
static struct random_stalls tell_random_stalls(uint64_t at_least)
{
    struct random_stalls told = {0};
    story.options.stall_lines = 10000;
    story.without_beats = true;
    while (told.stalls < at_least && !told.missed && !told.false_ones && !told.inexact)
        tell_random_story(&told);
    return told;
}

#endif
