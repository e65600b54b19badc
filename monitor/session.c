/* See session.h. Time is read once per turn, at the wake-up, and handed down:
 * what is judged and what is printed belong to the same moment. */
#include "session.h"

#include "departures.h"
#include "reasons.h"
#include "say.h"
#include "wake.h"

#include <errno.h>
#include <string.h>

#define MILLISECOND 1000000ull
#define SECOND (1000 * MILLISECOND)
#define SHORTEST_LOOK (10 * MILLISECOND)
#define LIMITS_AGE (60 * SECOND) /* cores and memory limit are read again after this */
#define LOOKS_PER_LIMIT 4
#define MISSES_UNTIL_GONE 2
#define FETCHED_AHEAD 4 /* records; what is found through them comes two later */

struct missing {
    uint64_t tid;
    uint32_t times;
};

/* ---- what the judge asks and tells ---------------------------------------------- */

static void get_evidence(void *context, uint64_t tid, uint64_t now_ns, struct hl_evidence *evidence)
{
    struct hl_session *session = context;
    hl_inquiry_evidence(&session->inquiry, tid, now_ns, evidence);
}

static bool sleeps_on(void *context, uint64_t tid, const struct hl_evidence *then)
{
    struct hl_session *session = context;
    return hl_inquiry_sleeps_on(&session->inquiry, tid, then);
}

static bool suspect(void *context, uint64_t tid, uint64_t since_ns)
{
    struct hl_session *session = context;
    return hl_inquiry_suspect(&session->inquiry, tid, since_ns);
}

static void explain(void *context, uint64_t tid, uint64_t since_ns, struct hl_evidence_view *view)
{
    struct hl_session *session = context;
    hl_inquiry_explain(&session->inquiry, tid, since_ns, view);
    hl_say_whereabouts(session, &view->holder);
    if (view->root.thread.tid == view->holder.thread.tid)
        view->root = view->holder;
    else
        hl_say_whereabouts(session, &view->root);
}

/* ---- opening and closing ----------------------------------------------------------- */

static const uint32_t every_figure = HL_KNOWN(HL_PLAT_CPU) | HL_KNOWN(HL_PLAT_RSS) |
                                     HL_KNOWN(HL_PLAT_PEAK_RSS) | HL_KNOWN(HL_PLAT_VM) |
                                     HL_KNOWN(HL_PLAT_THREADS) | HL_KNOWN(HL_PLAT_IO);

static void take_baseline(struct hl_session *session)
{
    hl_plat_process(session->plat, every_figure, &session->process);
    hl_plat_limits(session->plat, &session->limits);
    hl_threads_sample(&session->threads, session->plat, hl_plat_now_ns());
    hl_threads_keep(&session->threads);
    hl_registry_losses(&session->losses);
    hl_departures_forget(); /* what ended before the start is counted nowhere either */
    uint64_t now = hl_plat_now_ns();
    uint64_t interval = session->config.options.interval_ms * MILLISECOND;
    session->started_ns = session->limits_read_ns = session->window_began_ns = now;
    session->awoke_ns = now;
    session->cpu_at_start_ns = session->window_cpu_ns = hl_cpu_if_known(&session->process);
    session->next_beat_ns = session->planned_ns = now + interval;
}

static void prepare(struct hl_session *session)
{
    const monitor_options *options = &session->config.options;
    const struct hl_stall_hooks hooks = {
        .context = session,
        .evidence = get_evidence,
        .sleeps_on = sleeps_on,
        .suspect = suspect,
        .explain = explain,
        .thread = hl_say_thread,
        .stalled = hl_say_stalled,
        .merged = hl_say_merged,
        .recovered = hl_say_recovered,
        .merged_recovered = hl_say_merged_recovered,
    };
    session->pid = hl_plat_process_id();
    session->main_tid = hl_plat_main_thread_id();
    hl_plat_time_scopes_precisely(options->clock == MONITOR_CLOCK_PRECISE);
    hl_progress_init(&session->progress);
    hl_threads_init(&session->threads);
    session->busy.element = sizeof(struct hl_busy_event);
    session->missing.element = sizeof(struct missing);
    hl_stalls_init(&session->stalls, &hooks, &session->clock, &session->progress,
                   options->stall_ms * MILLISECOND, hl_plat_coarse_tick_ns(),
                   options->clock == MONITOR_CLOCK_PRECISE ? hl_plat_now_ns() : HL_UNKNOWN,
                   options->stall_lines);
    hl_inquiry_init(&session->inquiry, session->plat, &session->clock, &session->limits);
    hl_stacks_init(&session->stacks, session->plat, options->stacks);
    hl_quiet_init(&session->quiet, session->plat, &session->clock, options->stall_ms * MILLISECOND,
                  hl_plat_coarse_tick_ns());
    session->forked_child = hl_plat_map_shared(sizeof *session->forked_child);
    take_baseline(session);
}

/* A log that the operator asked for and that cannot be had is a note, not a
 * reason to run without a monitor: then the program's own choice is used. */
static int open_sink(struct hl_session *session, const monitor_options *callers)
{
    int error = hl_sink_open(&session->sink, &session->config.options);
    if (error == 0 || !session->config.log_from_env || !callers)
        return error;
    memcpy(session->refused_log, session->config.log_path, sizeof session->refused_log);
    session->refused_error = error;
    session->config.log_from_env = false;
    session->config.options.sink = callers->sink;
    session->config.options.sink_data = callers->sink_data;
    session->config.options.log_path = NULL;
    if (callers->log_path) {
        strncpy(session->config.log_path, callers->log_path, sizeof session->config.log_path - 1);
        session->config.options.log_path = session->config.log_path;
    }
    return hl_sink_open(&session->sink, &session->config.options);
}

static int open_rest(struct hl_session *session, const monitor_options *callers)
{
    int error = open_sink(session, callers);
    if (error)
        return error;
    session->plat = hl_plat_open();
    if (!session->plat) {
        hl_sink_close(&session->sink);
        return -ENOMEM;
    }
    hl_plat_barrier_prepare();
    hl_plat_learn();
    prepare(session);
    return 0;
}

int hl_session_open(struct hl_session *session, const monitor_options *options)
{
    int error = hl_config_resolve(&session->config, options);
    if (error || session->config.off)
        return error;
    return open_rest(session, options);
}

int hl_session_open_again(struct hl_session *session, const struct hl_config *config)
{
    session->config = *config;
    session->config.bad_count = 0;
    if (config->options.log_path)
        session->config.options.log_path = session->config.log_path;
    if (config->options.tag)
        session->config.options.tag = session->config.tag;
    return open_rest(session, NULL);
}

static void free_arrays(struct hl_session *session)
{
    hl_array_free(&session->busy);
    hl_array_free(&session->missing);
    hl_array_free(&session->picture.rows);
    hl_threads_free(&session->threads);
    hl_stalls_free(&session->stalls);
    hl_inquiry_free(&session->inquiry);
    hl_progress_free(&session->progress);
    if (session->forked_child)
        hl_plat_unmap((void *)session->forked_child, sizeof *session->forked_child);
}

void hl_session_close(struct hl_session *session)
{
    hl_sink_close(&session->sink);
    hl_plat_close(session->plat);
    free_arrays(session);
}

void hl_session_abandon(struct hl_session *session)
{
    if (session->forked_child && atomic_load(session->forked_child) == 0)
        atomic_store(session->forked_child, hl_plat_process_id());
    hl_sink_abandon(&session->sink);
    hl_plat_abandon_in_child(session->plat);
    free_arrays(session);
}

/* ---- collect ---------------------------------------------------------------------------- */

/* A counter that leapt is believed from there on; what it says of the window and of the
 * whole run is not. */
static void judge_cpu(struct hl_session *session)
{
    uint64_t used = hl_rate_difference(session->window_cpu_ns, hl_cpu_if_known(&session->process));
    session->cpu_leapt = !hl_rate_is_possible(used, hl_plat_now_ns() - session->window_began_ns,
                                              hl_plat_most_cores(session->plat));
    session->window_used_ns = session->cpu_leapt ? HL_UNKNOWN : used;
    if (!session->cpu_leapt)
        return;
    session->cpu_has_leapt = true;
    session->cpu_at_start_ns = HL_UNKNOWN;
}

/* The list counts only when it is whole and shows ourselves: a foreign /proc
 * numbers threads differently. */
static void collect(struct hl_session *session, uint64_t now)
{
    hl_plat_process(session->plat, every_figure, &session->process);
    judge_cpu(session);
    hl_threads_sample(&session->threads, session->plat, now);
    session->list_is_proof = hl_threads_are_complete(&session->threads) &&
                             hl_threads_find(&session->threads, session->tid) != NULL;
    if (now - session->limits_read_ns >= LIMITS_AGE) {
        hl_plat_limits(session->plat, &session->limits);
        session->limits_read_ns = now;
    }
    session->sampling_ns = hl_plat_now_ns() - now;
}

/* NULL: there is no memory, or nobody was ever missing. */
static struct missing *missing_at(struct hl_session *session, uint32_t index, bool is_listed)
{
    struct hl_array *missing = &session->missing;
    if (index >= missing->capacity && (is_listed || !hl_array_reserve(missing, (size_t)index + 1)))
        return NULL;
    return (struct missing *)missing->memory + index;
}

void hl_session_disown(struct hl_session *session, uint32_t index, uint64_t tid)
{
    struct hl_record *record = hl_registry_record(index);
    if (hl_get(&record->tid) != tid)
        return;
    hl_stalls_vanished(&session->stalls, record, index);
    hl_registry_reclaim(record);
}

/* A thread that ended without its destructors (raw clone, a last destructor that
 * pushed) is missing from the list, twice in a row to be sure. */
static void reclaim_if_gone(struct hl_session *session, uint32_t index, uint64_t tid,
                            bool is_listed)
{
    if (!session->list_is_proof)
        return;
    struct missing *missing = missing_at(session, index, is_listed);
    if (missing && (is_listed || missing->tid != tid))
        *missing = (struct missing){.tid = tid};
    if (!missing || is_listed || ++missing->times < MISSES_UNTIL_GONE)
        return;
    missing->times = 0;
    hl_session_disown(session, index, tid);
}

static bool is_always_shown(const struct hl_session *session, const struct hl_stack *stack)
{
    return stack->tid == session->main_tid || hl_stalls_is_stalled(&session->stalls, stack->record);
}

static void add_to_picture(struct hl_session *session, const struct hl_stack *stack, uint64_t now)
{
    const struct hl_picture_time time = {&session->clock, &session->progress, now};
    hl_picture_add(&session->picture, &time, stack, is_always_shown(session, stack));
}

/* The search is for deadlocks of threads outside any scope: at heartbeats, and when nobody moves. */
enum look { LOOK_ONLY, LOOK_AND_SEARCH, LOOK_AND_BEAT, LOOK_AND_EXTRA_BEAT };

static void look_at_record(struct hl_session *session, uint32_t index, enum look kind, uint64_t now)
{
    struct hl_record *record = hl_registry_record(index);
    struct hl_stack *stack = &session->stack;
    if (!hl_snapshot(record, index, stack)) {
        hl_progress_forget(&session->progress, index);
        hl_stalls_gone(&session->stalls, record, index);
        return;
    }
    hl_progress_observe(&session->progress, stack, now);
    hl_stalls_visit(&session->stalls, record, stack);
    session->accounted_for +=
        hl_stalls_is_stalled(&session->stalls, index) || hl_stack_is_waiting(stack);
    if (kind == LOOK_ONLY)
        return;
    if (kind == LOOK_AND_BEAT)
        hl_progress_sample(&session->progress, index,
                           hl_clock_age(&session->clock, session->started_ns, now));
    struct hl_thread_use *use = hl_threads_find(&session->threads, stack->tid);
    if (use)
        use->instrumented = stack->depth > 0;
    if (stack->depth > 0)
        add_to_picture(session, stack, now);
    reclaim_if_gone(session, index, stack->tid, use != NULL);
}

/* What the next records hold is on its way while this one is judged. */
static void fetch_ahead(const struct hl_session *session, uint32_t index, uint32_t count)
{
    uint32_t far = index + FETCHED_AHEAD, near = index + FETCHED_AHEAD / 2;
    if (far < count)
        hl_snapshot_fetch(hl_registry_record(far));
    if (near >= count)
        return;
    hl_snapshot_fetch_counter(hl_registry_record(near));
    hl_progress_fetch(&session->progress, near);
    hl_stalls_fetch(&session->stalls, near);
}

static void look_at_all(struct hl_session *session, enum look kind, uint64_t now)
{
    hl_inquiry_begin(&session->inquiry, now);
    hl_stalls_begin(&session->stalls, now);
    session->accounted_for = 0;
    for (uint32_t i = 0, count = hl_registry_count(); i < count; i++) {
        fetch_ahead(session, i, count);
        look_at_record(session, i, kind, now);
    }
    hl_stalls_end(&session->stalls);
    if (session->stalls.armed)
        hl_plat_barrier();
}

static void look_at_the_idle(struct hl_session *session, bool is_quiet)
{
    hl_inquiry_forget_dissolved(&session->inquiry);
    if (is_quiet)
        hl_threads_idle_since(&session->threads, session->quiet.since_ns);
    if (session->stalls.limit_ns)
        hl_reasons_of_deadlocks(session, hl_inquiry_idle(&session->inquiry, &session->threads,
                                                         session->tid, session->stalls.limit_ns));
}

static void say_that_all_is_quiet(struct hl_session *session)
{
    struct hl_quiet_event event;
    if (hl_quiet_tell(&session->quiet, session->tid, session->accounted_for, &event))
        hl_say_quiet(session, &event);
}

/* A thread that went on while its stall was being reported did not know that it
 * had to say so: hence the second look, after the barrier. */
static void look_around(struct hl_session *session, enum look kind, size_t cap, uint64_t now)
{
    bool is_quiet = hl_quiet_look(&session->quiet, now);
    if (is_quiet && kind == LOOK_ONLY)
        kind = LOOK_AND_SEARCH;
    if (kind != LOOK_ONLY) {
        collect(session, now);
        hl_picture_begin(&session->picture, cap);
    }
    look_at_all(session, kind, now);
    if (kind == LOOK_AND_BEAT || is_quiet)
        look_at_the_idle(session, is_quiet);
    hl_say_deadlocks(session);
    if (session->stalls.reported)
        look_at_all(session, LOOK_ONLY, hl_plat_now_ns());
    if (is_quiet)
        say_that_all_is_quiet(session);
}

/* ---- heartbeat ---------------------------------------------------------------------------- */

/* They have been said: what follows counts from here. */
static void settle_losses(struct hl_session *session, const struct hl_losses *losses,
                          uint64_t dropped)
{
    session->losses = *losses;
    session->dropped = dropped;
    session->late_ns = 0;
}

static void begin_window(struct hl_session *session, uint64_t now)
{
    hl_threads_keep(&session->threads);
    for (uint32_t i = 0, count = hl_registry_count(); i < count; i++)
        hl_progress_next_window(&session->progress, i);
    session->window_began_ns = now;
    session->window_cpu_ns = hl_cpu_if_known(&session->process);
    session->departures_said = 0;
    session->beats++;
}

/* A loss is said until the heartbeat that says it gets through. */
static void heartbeat(struct hl_session *session, enum look kind, uint64_t now)
{
    struct hl_losses losses;
    hl_registry_losses(&losses);
    hl_picture_finish(&session->picture);
    hl_reasons_at_beat(session);
    uint64_t dropped = atomic_load(&session->sink.dropped);
    bool was_heard = hl_say_beat(session, &losses, dropped, now);
    hl_say_phases(session, now - session->window_began_ns, now);
    hl_say_busy(session, now - session->window_began_ns);
    if (kind == LOOK_AND_EXTRA_BEAT)
        return;
    if (was_heard) {
        hl_say_dropped(session, dropped);
        settle_losses(session, &losses, dropped);
    }
    begin_window(session, now);
}

/* ---- time ---------------------------------------------------------------------------------- */

/* What is planned moves with a stop: the program had no time in it. */
static void note_stop(struct hl_session *session, uint64_t from_ns, uint64_t to_ns,
                      uint64_t stopped_ns, const char *by)
{
    if (stopped_ns == 0)
        return;
    hl_clock_note_gap(&session->clock, from_ns, to_ns, stopped_ns);
    session->next_beat_ns += stopped_ns;
    session->planned_ns += stopped_ns;
    hl_say_paused(session, stopped_ns, by);
}

/* Between two waits. Nothing was judged by it yet: the time is read once a turn,
 * at its beginning. */
static void account_awake(struct hl_session *session)
{
    const char *by = NULL;
    uint64_t elsewhere = session->sink.spent_ns - session->spent_at_wake_ns;
    uint64_t stopped = hl_plat_stopped_awake(session->plat, session->awoke_ns, elsewhere, &by);
    note_stop(session, session->awoke_ns, hl_plat_now_ns(), stopped, by);
}

static void account(struct hl_session *session, const struct hl_plat_wait *wait)
{
    session->awoke_ns = wait->ended_ns;
    session->spent_at_wake_ns = session->sink.spent_ns;
    note_stop(session, wait->began_ns, wait->ended_ns, wait->stopped_ns, wait->stopped_by);
    hl_say_paused(session, wait->suspended_ns, "suspend");
    uint64_t interval = session->config.options.interval_ms * MILLISECOND;
    uint64_t late = wait->ended_ns > session->planned_ns ? wait->ended_ns - session->planned_ns : 0;
    if (late >= hl_earlier(HL_WORTH_SAYING_NS, interval))
        session->late_ns += late;
}

/* Never faster than every 10 ms; not at all where nothing can become a stall. */
static uint64_t look_period(const struct hl_session *session)
{
    uint64_t shortest = session->stalls.shortest_limit_ns;
    if (shortest == HL_UNKNOWN)
        return HL_UNKNOWN;
    uint64_t period =
        hl_earlier(session->config.options.interval_ms * MILLISECOND, shortest / LOOKS_PER_LIMIT);
    return period > SHORTEST_LOOK ? period : SHORTEST_LOOK;
}

static void plan(struct hl_session *session, uint64_t now)
{
    uint64_t interval = session->config.options.interval_ms * MILLISECOND;
    if (session->next_beat_ns <= now)
        session->next_beat_ns += interval * ((now - session->next_beat_ns) / interval + 1);
    uint64_t period = look_period(session);
    uint64_t next_look = period == HL_UNKNOWN ? HL_UNKNOWN : now + period;
    session->planned_ns = hl_earlier(session->next_beat_ns, next_look);
    session->planned_ns = hl_earlier(session->planned_ns, session->stalls.due_ns);
    session->planned_ns = hl_earlier(session->planned_ns, hl_inquiry_due_ns(&session->inquiry));
    session->planned_ns = hl_earlier(session->planned_ns, session->quiet.due_ns);
}

static uint64_t wait(struct hl_session *session)
{
    account_awake(session);
    uint64_t now = hl_plat_now_ns();
    uint64_t timeout = session->planned_ns > now ? session->planned_ns - now : 0;
    struct hl_plat_wait wait;
    hl_wake_planned(session->planned_ns);
    hl_plat_wait(session->plat, timeout, &wait);
    hl_wake_planned(HL_WAKE_AWAKE);
    account(session, &wait);
    return wait.ended_ns;
}

/* The last turn looks as well: what ended a moment ago has a line to come. */
bool hl_session_turn(struct hl_session *session)
{
    uint64_t now = wait(session);
    bool goes_on = !atomic_load(&session->stop_requested);
    bool asked = atomic_exchange(&session->beat_requested, false);
    bool due = session->next_beat_ns <= now;
    enum look kind = due ? LOOK_AND_BEAT : asked ? LOOK_AND_EXTRA_BEAT : LOOK_ONLY;
    look_around(session, kind, asked ? SIZE_MAX : session->config.options.phase_lines, now);
    hl_say_forked(session);
    hl_say_departures(session);
    if (kind != LOOK_ONLY)
        heartbeat(session, kind, now);
    plan(session, now);
    return goes_on;
}

/* The first look is taken at once: scopes may have been open for long. */
void hl_session_begin(struct hl_session *session)
{
    session->tid = hl_plat_thread_id();
    hl_say_start(session);
    hl_say_bad_values(session);
    hl_say_refusals(session);
    look_around(session, LOOK_ONLY, 0, session->started_ns);
    plan(session, session->started_ns);
}

void hl_session_end(struct hl_session *session)
{
    uint64_t now = hl_plat_now_ns();
    hl_stalls_finish(&session->stalls, now);
    hl_say_stop(session, now);
}
