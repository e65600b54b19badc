/* See jumps.h. The whole monitor beneath the scripted platform; in each story a scope that
 * ends within its limit of active time, counting that never stops, and one jump. */
#define _GNU_SOURCE
#include "jumps.h"

#include "harm.h"

#define story_assert(condition, ...) ((condition) ? (void)0 : harm_broken(__VA_ARGS__))
#include "../unit/story.h"

#define LIMIT (120 * S)
#define STEP (LIMIT / 3) /* of the counting */
#define LONGEST (10 * HOUR)

static uint64_t below(uint64_t n)
{
    return (((uint64_t)lrand48() << 31) + (uint64_t)lrand48()) % n;
}

void jumps_set_up(void)
{
    story_set_up();
}

/* A time within a scope that is open for almost its limit. */
static uint64_t write_down_a_life(uint64_t *whole_ns)
{
    uint64_t tick = scripted.coarse_tick_ns, pushed = 1 * S + below(LIMIT);
    uint64_t lasts = LIMIT - tick - below(below(2) ? 10 * MS : LIMIT / 2);
    *whole_ns = pushed + lasts + S;
    story_push(pushed, 1, "almost too long");
    story_pop(pushed + lasts, 1);
    story_progress(0, 2, "counting", 0);
    for (uint64_t at = STEP; at < *whole_ns; at += STEP)
        story_add(at, 2, 2, 1);
    story_pop(*whole_ns, 2);
    return pushed + below(lasts);
}

static void check_end(struct jumps *jumps, uint64_t whole_ns)
{
    uint64_t elapsed_ms = story_number(story_find("stop", 0), "elapsed_ms");
    if (elapsed_ms != whole_ns / MS)
        harm_wrong("elapsed is %llu ms, not %llu", (unsigned long long)elapsed_ms,
                   (unsigned long long)(whole_ns / MS));
    if (story_count_with("beat", "\"late_ms\"") > 0)
        harm_wrong("a jump is said to be lateness");
    jumps->stories++;
    jumps->stalls += story_count("STALL");
}

static void check_paused(struct jumps *jumps, uint64_t gap_ns, const char *by)
{
    const struct story_line *line = story_find_with("PAUSED", "", 0);
    char reason[64];
    snprintf(reason, sizeof reason, "\"reason\":\"%s\"", by);
    bool is_right = line && story_number(line, "gap_ms") == gap_ns / MS && story_has(line, reason);
    jumps->paused += is_right;
    jumps->unasked += story_count("PAUSED") - is_right;
    if (!is_right)
        harm_wrong("%s for %llu ms, and said: %s", by, (unsigned long long)(gap_ns / MS),
                   line ? line->text : "nothing");
}

/* ---- stops ---------------------------------------------------------------------------- */

static struct story_event awake_stop;

static void stop_in_a_beat(void *data, enum monitor_level level, const char *line, size_t length)
{
    story_keep_line(data, level, line, length);
    if (awake_stop.value == 0 || !strstr(line, "\"record\":\"beat\""))
        return;
    story_do_stop(&awake_stop);
    awake_stop.value = 0;
}

struct jumps jumps_stop(uint64_t stories)
{
    struct jumps jumps = {0};
    while (jumps.stories < stories) {
        uint64_t whole, at = write_down_a_life(&whole), gap = 100 * MS + below(LONGEST);
        const char *by = below(2) ? "stopped" : "debugger";
        bool is_awake = below(3) == 0;
        story.options.sink = stop_in_a_beat;
        awake_stop = (struct story_event){.value = is_awake ? gap : 0, .label = by};
        if (!is_awake)
            story_stopped(at, gap, by);
        story_run(whole);
        check_paused(&jumps, gap, by);
        check_end(&jumps, whole);
    }
    return jumps;
}

/* ---- suspends, and the wall clock --------------------------------------------------------- */

struct jumps jumps_suspend(uint64_t stories)
{
    struct jumps jumps = {0};
    story.options.sink = story_keep_line;
    while (jumps.stories < stories) {
        uint64_t whole, at = write_down_a_life(&whole), gap = 100 * MS + below(LONGEST);
        story_suspended(at, gap);
        story_run(whole);
        check_paused(&jumps, gap, "suspend");
        check_end(&jumps, whole);
    }
    return jumps;
}

static void set_wall_clock(uintptr_t ms)
{
    scripted.wall_ms += ms; /* backwards as well: it wraps */
}

struct jumps jumps_set_wall_clock(uint64_t stories)
{
    struct jumps jumps = {0};
    story.options.sink = story_keep_line;
    while (jumps.stories < stories) {
        uint64_t whole, at = write_down_a_life(&whole), step = below(10 * 365 * 24 * HOUR) / MS;
        bool is_back = jumps.stories % 2;
        story_call(at, set_wall_clock, is_back ? 0 - step : step);
        story_run(whole);
        scripted.wall_ms = SCRIPTED_WALL_MS;
        jumps.unasked += story_count("PAUSED");
        check_end(&jumps, whole);
    }
    return jumps;
}
