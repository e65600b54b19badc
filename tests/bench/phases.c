/* See phases.h. The order in a turn, which the stop watch relies on: hl_plat_wait,
 * [hl_plat_process, ..., hl_stalls_begin, ..., hl_picture_finish, hl_sink_write
 * ...,] hl_wake_planned; what is in brackets is a heartbeat. Lines that come
 * before the heartbeat's own (a STALL) are taken for judging. */
#include "phases.h"

#include "../../monitor/session.h"
#include "../../monitor/wake.h"

#include <time.h>

#define KEPT 256

enum mark { WOKEN, ASKED, COLLECTED, JUDGED, MARKS };

/* Of the monitor's thread; read when it has ended. */
static double marks[MARKS]; /* of the present turn; 0 = not come to yet */
static double written_ns;
static struct phases_beat beats[KEPT];
static unsigned beats_count;

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void begin_turn(void)
{
    for (int i = 0; i < MARKS; i++)
        marks[i] = 0;
    written_ns = 0;
    marks[WOKEN] = now_ns();
}

/* The first time counts, and only after the one before. */
static void pass(enum mark mark)
{
    if (marks[mark - 1] && !marks[mark])
        marks[mark] = now_ns();
}

static void end_turn(void)
{
    if (!marks[JUDGED])
        return;
    beats[beats_count++ % KEPT] = (struct phases_beat){
        .collect = marks[COLLECTED] - marks[WOKEN],
        .judge = marks[JUDGED] - marks[COLLECTED],
        .render = now_ns() - marks[JUDGED] - written_ns,
        .write = written_ns,
    };
}

/* ---- the functions that calls pass through: __real_X is the product's X ------------------- */

void __real_hl_plat_wait(struct hl_plat *plat, uint64_t timeout_ns, struct hl_plat_wait *wait);
void __wrap_hl_plat_wait(struct hl_plat *plat, uint64_t timeout_ns, struct hl_plat_wait *wait);
void __wrap_hl_plat_wait(struct hl_plat *plat, uint64_t timeout_ns, struct hl_plat_wait *wait)
{
    __real_hl_plat_wait(plat, timeout_ns, wait);
    begin_turn();
}

void __real_hl_plat_process(struct hl_plat *plat, uint32_t wanted, struct hl_plat_process *process);
void __wrap_hl_plat_process(struct hl_plat *plat, uint32_t wanted, struct hl_plat_process *process);
void __wrap_hl_plat_process(struct hl_plat *plat, uint32_t wanted, struct hl_plat_process *process)
{
    pass(ASKED);
    __real_hl_plat_process(plat, wanted, process);
}

void __real_hl_stalls_begin(struct hl_stalls *stalls, uint64_t now);
void __wrap_hl_stalls_begin(struct hl_stalls *stalls, uint64_t now);
void __wrap_hl_stalls_begin(struct hl_stalls *stalls, uint64_t now)
{
    pass(COLLECTED);
    __real_hl_stalls_begin(stalls, now);
}

void __real_hl_picture_finish(struct hl_picture *picture);
void __wrap_hl_picture_finish(struct hl_picture *picture);
void __wrap_hl_picture_finish(struct hl_picture *picture)
{
    pass(JUDGED);
    __real_hl_picture_finish(picture);
}

bool __real_hl_sink_write(struct hl_sink *sink, enum monitor_level level, const char *line,
                          size_t length);
bool __wrap_hl_sink_write(struct hl_sink *sink, enum monitor_level level, const char *line,
                          size_t length);
bool __wrap_hl_sink_write(struct hl_sink *sink, enum monitor_level level, const char *line,
                          size_t length)
{
    double began = now_ns();
    bool taken = __real_hl_sink_write(sink, level, line, length);
    if (marks[JUDGED])
        written_ns += now_ns() - began;
    return taken;
}

void __real_hl_wake_planned(uint64_t at_ns);
void __wrap_hl_wake_planned(uint64_t at_ns);
void __wrap_hl_wake_planned(uint64_t at_ns)
{
    if (at_ns != HL_WAKE_AWAKE)
        end_turn();
    __real_hl_wake_planned(at_ns);
}

/* ---- from outside ------------------------------------------------------------------------------ */

int phases_start(const monitor_options *options)
{
    beats_count = 0;
    return monitor_start_with(options);
}

unsigned phases_stop(struct phases_beat *latest, unsigned most)
{
    monitor_stop();
    unsigned count = beats_count < most ? beats_count : most;
    for (unsigned i = 0; i < count; i++)
        latest[i] = beats[(beats_count - count + i) % KEPT];
    return count;
}

void phases_push(const char *label)
{
    scope_push(label);
}

scope_progress phases_push_progress(const char *label)
{
    return scope_push_progress(label, 1000);
}

void phases_pop(void)
{
    scope_pop();
}
