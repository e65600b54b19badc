/* Nobody but the monitor has run while what the others have done is the same to the last
 * switch. A missed reading does no harm: counts do not forget. CPU time is compared with
 * some tolerance, because it is read a moment apart for all and for ourselves; it only has
 * to show who kept a core the whole time, and so was never switched. Who has just got one
 * is seen when asked, and another reading after all were asked makes sure of the rest. */
#include "quiet.h"

#include "rates.h"
#include "wait_words.h"

#include <stdio.h>
#include <string.h>

#define JITTER_NS 1000000u   /* of reading CPU time, with ten thousand threads */
#define READINGS_PER_LIMIT 8 /* at most; looks are more frequent where a scope's limit is short */
static const char not_known[HL_WAIT_BYTES] = "?";

void hl_quiet_init(struct hl_quiet *quiet, struct hl_plat *plat, const struct hl_clock *clock,
                   uint64_t limit_ns, uint64_t tick_ns)
{
    quiet->plat = plat;
    quiet->clock = clock;
    quiet->limit_ns = limit_ns;
    quiet->tick_ns = tick_ns;
    quiet->has_base = false;
    quiet->next_ns = 0;
    quiet->due_ns = HL_UNKNOWN;
}

/* ---- since when ------------------------------------------------------------------------ */

static bool is_same(const struct hl_quiet *quiet, const struct hl_plat_others *now,
                    uint64_t elapsed_ns)
{
    const struct hl_plat_others *base = &quiet->base;
    return now->threads == base->threads && now->switches == base->switches &&
           now->blocks == base->blocks &&
           hl_rate_difference(base->cpu_ns, now->cpu_ns) <= elapsed_ns / 8 + JITTER_NS;
}

/* They were read before this moment, so it is never called longer than it is. */
static void begin(struct hl_quiet *quiet, const struct hl_plat_others *now)
{
    quiet->has_base = true;
    quiet->base = *now;
    quiet->since_ns = hl_plat_now_ns();
    quiet->say_ns = quiet->limit_ns + quiet->tick_ns;
}

bool hl_quiet_look(struct hl_quiet *quiet, uint64_t now_ns)
{
    struct hl_plat_others now;
    if (quiet->limit_ns == 0 || now_ns < quiet->next_ns)
        return false;
    quiet->next_ns = now_ns + quiet->limit_ns / READINGS_PER_LIMIT;
    quiet->due_ns = HL_UNKNOWN;
    if (!hl_plat_others(quiet->plat, &now))
        return false;
    if (!quiet->has_base || !is_same(quiet, &now, now_ns - quiet->since_ns))
        begin(quiet, &now);
    quiet->age_ns = hl_clock_age(quiet->clock, quiet->since_ns, now_ns);
    if (quiet->age_ns >= quiet->say_ns)
        return true;
    quiet->due_ns = now_ns + quiet->say_ns - quiet->age_ns;
    quiet->next_ns = hl_earlier(quiet->next_ns, quiet->due_ns);
    return false;
}

/* ---- what for ---------------------------------------------------------------------------- */

/* What is no system call: a page that does not come, a first thread that has ended. */
static void describe_no_call(const struct hl_plat_look *look, char words[HL_WAIT_BYTES])
{
    if (look->state.state == 'Z')
        snprintf(words, HL_WAIT_BYTES, "ended");
    else if (look->channel[0])
        snprintf(words, HL_WAIT_BYTES, "wchan:%s", look->channel);
    else
        memcpy(words, not_known, sizeof not_known);
}

/* It runs, wants to, or somebody keeps it from doing so. */
static bool is_up(char state)
{
    return state == 'R' || state == 'T' || state == 't';
}

/* What it waits for, of one that is neither up nor gone. */
static void note(struct hl_quiet *quiet, const struct hl_plat_look *look,
                 struct hl_quiet_event *event)
{
    char words[HL_WAIT_BYTES];
    bool is_known = hl_wait_words_of_many(look, words);
    bool call_is_known = look->known & HL_KNOWN(HL_PLAT_SYSCALL);
    if (is_known && !words[0])
        describe_no_call(look, words);
    event->call_unknown |= !call_is_known;
    event->wait_unknown |= call_is_known && !is_known;
    hl_tally_add(&quiet->tally, is_known ? words : not_known);
}

/* false: not all is quiet. */
static bool ask(struct hl_quiet *quiet, uint64_t tid, struct hl_quiet_event *event)
{
    struct hl_plat_look look;
    if (!hl_plat_look(quiet->plat, tid, &look)) {
        event->state_unknown = true;
        hl_tally_add(&quiet->tally, not_known);
        return true;
    }
    if (is_up(look.state.state))
        return false;
    note(quiet, &look, event);
    return true;
}

static bool ask_all(struct hl_quiet *quiet, size_t count, uint64_t self_tid,
                    struct hl_quiet_event *event)
{
    size_t asked = 0;
    hl_tally_begin(&quiet->tally);
    for (size_t i = 0; i < count && asked < HL_TALLY_KINDS; i++) {
        if (quiet->threads[i].tid == self_tid)
            continue;
        asked++;
        if (!ask(quiet, quiet->threads[i].tid, event))
            return false;
    }
    return true;
}

/* Nobody ran while they were asked; false also where that cannot be told. */
static bool is_still(const struct hl_quiet *quiet)
{
    struct hl_plat_others now;
    return hl_plat_others(quiet->plat, &now) &&
           is_same(quiet, &now, hl_plat_now_ns() - quiet->since_ns);
}

static bool look_closely(struct hl_quiet *quiet, uint64_t self_tid, struct hl_quiet_event *event)
{
    size_t most = sizeof quiet->threads / sizeof quiet->threads[0], count;
    return hl_plat_threads(quiet->plat, quiet->threads, most, &count) &&
           ask_all(quiet, count < most ? count : most, self_tid, event) && is_still(quiet);
}

/* The next look, long before it, plans for it. */
static void set_reminder(struct hl_quiet *quiet)
{
    quiet->say_ns = quiet->limit_ns;
    while (quiet->say_ns <= quiet->age_ns)
        quiet->say_ns *= 2;
}

bool hl_quiet_tell(struct hl_quiet *quiet, uint64_t self_tid, uint64_t accounted_for,
                   struct hl_quiet_event *event)
{
    uint64_t threads = quiet->base.threads;
    *event = (struct hl_quiet_event){.for_ns = quiet->age_ns, .threads = threads};
    if (accounted_for < threads && !look_closely(quiet, self_tid, event)) {
        quiet->has_base = false;
        return false;
    }
    set_reminder(quiet);
    if (accounted_for >= threads)
        return false;
    if (!hl_tally_is_all(&quiet->tally, not_known)) {
        hl_tally_write(&quiet->tally, threads, quiet->waits);
        event->waits = quiet->waits;
    }
    return true;
}
