/* Everything that a session says: facts are put into an event, report.c makes the
 * line of it, sink.c takes it or counts it. What is to be said once is said until
 * it gets through. */
#include "say.h"

#include "departures.h"
#include "reasons.h"

#include <string.h>

#define MILLISECOND 1000000ull

_Static_assert(HL_NAME_BYTES == HL_PLAT_NAME_BYTES, "event.h knows no platform");

/* The kernel counts pages in batches per processor and sums up what has been
 * handed in: its peak can come out lower than before, or than the present. */
static uint64_t highest_rss(struct hl_session *session, const struct hl_plat_process *process)
{
    if (!hl_is_known(process->known, HL_PLAT_PEAK_RSS))
        return HL_UNKNOWN;
    uint64_t peak = process->peak_rss_bytes;
    if (hl_is_known(process->known, HL_PLAT_RSS) && process->rss_bytes > peak)
        peak = process->rss_bytes;
    if (peak > session->peak_rss_bytes)
        session->peak_rss_bytes = peak;
    return session->peak_rss_bytes;
}

/* ---- lines -------------------------------------------------------------------- */

struct hl_line_head hl_say_head(const struct hl_session *session)
{
    return (struct hl_line_head){
        .format = session->config.options.format,
        .has_time = session->sink.callback == NULL,
        .wall_ms = hl_plat_wall_ms(),
        .pid = session->pid,
        .tag = session->config.options.tag,
    };
}

/* One that was forked in the sink runs on in the middle of a turn; it is not monitored
 * and says nothing. */
static bool is_forked_child(const struct hl_session *session)
{
    return hl_plat_process_id() != session->pid;
}

bool hl_say_line(struct hl_session *session, enum monitor_level level)
{
    if (is_forked_child(session))
        return true;
    return hl_sink_write(&session->sink, level, session->line.bytes, session->line.length);
}

static bool say_note(struct hl_session *session, const struct hl_note_event *event)
{
    struct hl_line_head head = hl_say_head(session);
    hl_report_note(&session->line, &head, event);
    return hl_say_line(session, MONITOR_INFO);
}

void hl_say_thread(void *context, uint64_t tid, struct hl_thread_ref *thread)
{
    struct hl_session *session = context;
    char name[HL_PLAT_NAME_BYTES];
    thread->tid = tid;
    if (hl_plat_thread_name(session->plat, tid, name))
        memcpy(thread->name, name, sizeof thread->name);
}

/* ---- stalls ------------------------------------------------------------------- */

static void say_stack(struct hl_session *session, const struct hl_stall_event *stall,
                      struct hl_samples *samples)
{
    struct hl_stack_event event = {.id = stall->id, .thread = stall->thread};
    if (is_forked_child(session) || !hl_stacks_is_due(&session->stacks, samples))
        return;
    if (!hl_stacks_sample(&session->stacks, samples, &event)) {
        hl_reasons_of_no_stack(session, event.thread.tid);
        return;
    }
    struct hl_line_head head = hl_say_head(session);
    hl_report_stack(&session->line, &head, &event);
    hl_say_line(session, MONITOR_INFO);
}

void hl_say_stalled(void *context, const struct hl_stall_event *event, struct hl_samples *samples)
{
    struct hl_session *session = context;
    struct hl_line_head head = hl_say_head(session);
    hl_report_stall(&session->line, &head, event);
    if (hl_say_line(session, MONITOR_WARNING) && samples)
        say_stack(session, event, samples);
    hl_reasons_of_stall(session, &event->evidence);
}

/* The innermost scope, or the innermost that held still; NULL = none is open. */
static const struct hl_scope *scope_of(struct hl_session *session, uint64_t tid)
{
    struct hl_stack *stack = &session->other_stack;
    uint32_t index = hl_registry_find(tid);
    if (index == HL_NO_RECORD || !hl_snapshot(hl_registry_record(index), index, stack) ||
        stack->tid != tid || stack->count == 0)
        return NULL;
    return &stack->scopes[stack->count - 1];
}

void hl_say_whereabouts(struct hl_session *session, struct hl_other_view *other)
{
    uint64_t tid = other->thread.tid;
    if (tid == 0 || tid == HL_UNKNOWN)
        return;
    hl_say_thread(session, tid, &other->thread);
    const struct hl_scope *scope = scope_of(session, tid);
    other->in_phase = scope != NULL;
    if (!scope)
        return;
    memcpy(other->phase, scope->label, sizeof other->phase);
    other->for_ns = hl_clock_age(&session->clock, scope->pushed_ns, session->stalls.now_ns);
}

static bool is_stalled(void *context, uint64_t tid)
{
    struct hl_session *session = context;
    uint32_t index = hl_registry_find(tid);
    return index != HL_NO_RECORD && hl_stalls_is_stalled(&session->stalls, index);
}

static void say_deadlock(struct hl_session *session, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hl_say_whereabouts(session, &session->members[i].who);
    struct hl_line_head head = hl_say_head(session);
    hl_report_deadlock(&session->line, &head,
                       &(struct hl_deadlock_event){.id = hl_stalls_take_id(&session->stalls),
                                                   .count = count,
                                                   .members = session->members});
    hl_say_line(session, MONITOR_WARNING);
}

void hl_say_deadlocks(struct hl_session *session)
{
    size_t count;
    while (hl_inquiry_deadlock(&session->inquiry, is_stalled, session, session->members, &count))
        say_deadlock(session, count);
}

void hl_say_quiet(struct hl_session *session, const struct hl_quiet_event *event)
{
    struct hl_line_head head = hl_say_head(session);
    hl_report_quiet(&session->line, &head, event);
    hl_say_line(session, MONITOR_INFO);
    hl_reasons_of_threads(session, false, event->state_unknown);
    hl_reasons_of_waits(session, event->call_unknown, event->wait_unknown);
}

void hl_say_merged(void *context, const struct hl_merged_event *event)
{
    struct hl_session *session = context;
    struct hl_line_head head = hl_say_head(session);
    hl_report_merged(&session->line, &head, event);
    hl_say_line(session, MONITOR_WARNING);
}

void hl_say_recovered(void *context, const struct hl_recovered_event *event)
{
    struct hl_session *session = context;
    struct hl_line_head head = hl_say_head(session);
    hl_report_recovered(&session->line, &head, event);
    hl_say_line(session, MONITOR_INFO);
}

void hl_say_merged_recovered(void *context, const struct hl_merged_recovered_event *event)
{
    struct hl_session *session = context;
    struct hl_line_head head = hl_say_head(session);
    hl_report_merged_recovered(&session->line, &head, event);
    hl_say_line(session, MONITOR_INFO);
}

/* ---- start and stop lines ------------------------------------------------------------ */

static uint64_t cores_milli(const struct hl_session *session)
{
    return hl_if_known(session->limits.known, HL_PLAT_CORES, session->limits.cores_milli);
}

static const char *log_name(const struct hl_session *session)
{
    if (session->sink.callback)
        return "callback";
    if (session->sink.path[0])
        return session->sink.path;
    return session->config.options.log_path ? session->config.options.log_path : "stderr";
}

#define CHOICE(options, field) hl_config_choice((options), offsetof(monitor_options, field))

void hl_say_start(struct hl_session *session)
{
    const monitor_options *options = &session->config.options;
    char program[HL_PLAT_NAME_BYTES];
    hl_plat_program_name(session->plat, program);
    struct hl_start_event event = {
        .version = monitor_version_string(),
        .platform = hl_plat_name,
        .program = program,
        .interval_ns = options->interval_ms * MILLISECOND,
        .stall_ns = options->stall_ms * MILLISECOND,
        .format = CHOICE(options, format),
        .cores_milli = cores_milli(session),
        .phase_lines = options->phase_lines,
        .busy_lines = options->busy_lines,
        .stall_lines = options->stall_lines,
        .clock = CHOICE(options, clock),
        .fork = CHOICE(options, fork),
        .log = log_name(session),
        .signal = (uint64_t)options->beat_signal,
        .env_ignored = session->config.env_ignored,
        .stacks = CHOICE(options, stacks),
    };
    struct hl_line_head head = hl_say_head(session);
    hl_report_start(&session->line, &head, &event);
    hl_say_line(session, MONITOR_INFO);
    if (event.cores_milli == HL_UNKNOWN)
        hl_reasons_missing(session, HL_PLAT_CORES);
}

void hl_say_bad_values(struct hl_session *session)
{
    for (size_t i = 0; i < session->config.bad_count; i++) {
        const struct hl_bad_value *bad = &session->config.bad[i];
        char used[64] = "";
        if (bad->setting)
            hl_config_show(bad->setting, &session->config.options, used, sizeof used);
        say_note(session, &(struct hl_note_event){.variable = bad->variable,
                                                  .value = bad->value,
                                                  .accepted = bad->accepted,
                                                  .used = used[0] ? used : NULL});
    }
}

void hl_say_refusals(struct hl_session *session)
{
    if (session->refused_error)
        say_note(session,
                 &(struct hl_note_event){.variable = "HEARTLINE_LOG",
                                         .value = session->refused_log,
                                         .accepted = "a file that can be opened for appending",
                                         .used = log_name(session),
                                         .reason = hl_sink_reason(-session->refused_error)});
    if (session->signal_note)
        say_note(session, &(struct hl_note_event){.variable = "HEARTLINE_SIGNAL",
                                                  .reason = session->signal_note});
}

static uint64_t self_cpu(struct hl_session *session)
{
    uint64_t cpu_ns;
    return hl_plat_thread_cpu(session->plat, session->tid, &cpu_ns) ? cpu_ns : HL_UNKNOWN;
}

/* What was only taken where it costs nothing has not failed where it does. */
static void fill_stacks(const struct hl_session *session, struct hl_stop_event *event)
{
    const struct hl_stacks *stacks = &session->stacks;
    if (stacks->captured == 0 && !hl_stacks_are_asked_for(stacks))
        return;
    event->stacks = stacks->captured;
    event->stacks_failed = stacks->failed;
    event->longest_suspension_ns = stacks->longest_ns;
}

void hl_say_stop(struct hl_session *session, uint64_t now)
{
    struct hl_plat_process process;
    hl_plat_process(session->plat, HL_KNOWN(HL_PLAT_CPU) | HL_KNOWN(HL_PLAT_PEAK_RSS), &process);
    uint64_t own_cpu = self_cpu(session);
    hl_reasons_at_stop(session, &process, own_cpu);
    struct hl_stop_event event = {
        .elapsed_ns = hl_clock_age(&session->clock, session->started_ns, now),
        .cpu_ns = hl_rate_difference(session->cpu_at_start_ns, hl_cpu_if_known(&process)),
        .peak_rss_bytes = highest_rss(session, &process),
        .beats = session->beats,
        .stalls = session->stalls.totals.count,
        .stalled_total_ns = session->stalls.totals.total_ns,
        .longest_stall_ns = session->stalls.totals.longest_ns,
        .dropped = atomic_load(&session->sink.dropped),
        .self_cpu_ns = own_cpu,
        .deadlocks = session->inquiry.deadlocks.said,
    };
    fill_stacks(session, &event);
    struct hl_line_head head = hl_say_head(session);
    hl_report_stop(&session->line, &head, &event);
    hl_say_line(session, MONITOR_INFO);
}

/* ---- a heartbeat's lines -------------------------------------------------------------- */

/* `since` is the total at the last heartbeat. */
static void fill_losses(const struct hl_session *session, const struct hl_losses *losses,
                        uint64_t dropped, struct hl_beat_event *event)
{
    event->dropped = dropped - session->dropped;
    event->overflow = losses->overflow - session->losses.overflow;
    event->unbalanced = losses->unbalanced - session->losses.unbalanced;
    event->repaired = losses->repaired - session->losses.repaired;
    event->vanished = losses->vanished - session->losses.vanished;
    event->late_ns = session->late_ns;
    event->gone = session->threads.gone;
    event->sampling_ns = session->sampling_ns >= HL_WORTH_SAYING_NS ? session->sampling_ns : 0;
}

static void fill_process(struct hl_session *session, uint64_t now, struct hl_beat_event *event)
{
    const struct hl_plat_process *process = &session->process;
    uint32_t known = process->known;
    event->elapsed_ns = hl_clock_age(&session->clock, session->started_ns, now);
    event->window_ns = now - session->window_began_ns;
    event->cpu_milli = hl_rate_cores_milli(session->window_used_ns, event->window_ns);
    event->cores_milli = cores_milli(session);
    event->rss_bytes = hl_if_known(known, HL_PLAT_RSS, process->rss_bytes);
    event->rss_limit_bytes =
        hl_if_known(session->limits.known, HL_PLAT_MEMORY, session->limits.memory_bytes);
    event->peak_rss_bytes = highest_rss(session, process);
    event->vm_bytes = hl_if_known(known, HL_PLAT_VM, process->vm_bytes);
    event->threads = hl_if_known(known, HL_PLAT_THREADS, process->threads);
    event->read_bytes = hl_if_known(known, HL_PLAT_IO, process->read_bytes);
    event->written_bytes = hl_if_known(known, HL_PLAT_IO, process->written_bytes);
}

static void fill_picture(const struct hl_session *session, struct hl_beat_event *event)
{
    const struct hl_picture *picture = &session->picture;
    event->instrumented = picture->instrumented;
    event->waiting = picture->waiting;
    event->stalled = session->stalls.lacks_memory ? HL_UNKNOWN : session->stalls.stalled_threads;
    event->active = picture->active;
    if (!picture->active)
        return;
    memcpy(event->label, picture->headline.innermost, sizeof event->label);
    event->for_ns = picture->headline.in_ns;
    event->progress = picture->headline.progress;
}

bool hl_say_beat(struct hl_session *session, const struct hl_losses *losses, uint64_t dropped,
                 uint64_t now)
{
    struct hl_beat_event event = {0};
    fill_process(session, now, &event);
    fill_picture(session, &event);
    fill_losses(session, losses, dropped, &event);
    struct hl_line_head head = hl_say_head(session);
    hl_report_beat(&session->line, &head, &event);
    return hl_say_line(session, MONITOR_INFO);
}

/* Whether a thread of that age, as far as it is known, was born less than so long ago. */
static bool is_younger(uint64_t age_ns, uint64_t ns)
{
    return age_ns > 0 && age_ns + HL_PLAT_AGE_STEP_NS < ns;
}

/* What a thread had used at the last heartbeat that has its number is another one's where
 * it was born since. */
static uint64_t thread_cores(const struct hl_session *session, uint64_t tid, uint64_t age_ns,
                             uint64_t window_ns)
{
    const struct hl_thread_use *use = hl_threads_find(&session->threads, tid);
    uint64_t used_ns = HL_UNKNOWN;
    if (use)
        used_ns = is_younger(age_ns, window_ns) ? use->all_ns : use->used_ns;
    bool is_possible = hl_rate_is_possible(used_ns, session->threads.elapsed_ns, 1);
    return hl_rate_cores_milli(is_possible ? used_ns : HL_UNKNOWN, window_ns);
}

static void glance(const struct hl_session *session, struct hl_thread_ref *thread, char *state,
                   uint64_t *cpu_milli, uint64_t *age_ns, uint64_t window_ns)
{
    hl_plat_thread_glance(session->plat, thread->tid, thread->name, state, age_ns);
    *cpu_milli = thread_cores(session, thread->tid, *age_ns, window_ns);
}

static void say_phase(struct hl_session *session, struct hl_phase_event *phase)
{
    hl_reasons_of_threads(session, phase->cpu_milli == HL_UNKNOWN, !phase->state);
    struct hl_line_head head = hl_say_head(session);
    hl_report_phase(&session->line, &head, phase);
    hl_say_line(session, MONITOR_INFO);
}

/* A record that is older than the thread with its number was left behind by another one. */
void hl_say_phases(struct hl_session *session, uint64_t window_ns, uint64_t now)
{
    for (size_t i = 0; i < session->picture.count; i++) {
        struct hl_picture_row *row = hl_picture_row(&session->picture, i);
        struct hl_phase_event *phase = &row->phase;
        uint64_t age_ns, since_ns = hl_registry_joined_ns(row->record);
        glance(session, &phase->thread, &phase->state, &phase->cpu_milli, &age_ns, window_ns);
        if (since_ns < now && is_younger(age_ns, now - since_ns))
            hl_session_disown(session, row->record, phase->thread.tid);
        else
            say_phase(session, phase);
    }
    if (session->picture.omitted == 0)
        return;
    struct hl_line_head head = hl_say_head(session);
    hl_report_phases_omitted(&session->line, &head, session->picture.omitted);
    hl_say_line(session, MONITOR_INFO);
}

void hl_say_busy(struct hl_session *session, uint64_t window_ns)
{
    size_t cap = session->config.options.busy_lines;
    if (cap == 0 || !hl_array_reserve(&session->busy, cap))
        return;
    struct hl_busy_event *busy = session->busy.memory;
    size_t count = hl_picture_busiest(&session->threads, window_ns, busy, cap);
    for (size_t i = 0; i < count; i++) {
        uint64_t age_ns;
        glance(session, &busy[i].thread, &busy[i].state, &busy[i].cpu_milli, &age_ns, window_ns);
        struct hl_line_head head = hl_say_head(session);
        hl_report_busy(&session->line, &head, &busy[i]);
        hl_say_line(session, MONITOR_INFO);
    }
}

void hl_say_dropped(struct hl_session *session, uint64_t dropped)
{
    if (dropped > session->dropped)
        say_note(session, &(struct hl_note_event){
                              .reason = hl_sink_reason(atomic_load(&session->sink.last_error)),
                              .dropped = dropped - session->dropped});
}

void hl_say_forked(struct hl_session *session)
{
    uint64_t child = session->forked_child ? atomic_load(session->forked_child) : 0;
    bool restarts = session->config.options.fork == MONITOR_FORK_RESTART;
    if (child == 0 || restarts || session->forked_child_noted)
        return;
    session->forked_child_noted = say_note(
        session,
        &(struct hl_note_event){.flag = "forked", .child = child, .last_flag = "unmonitored"});
}

void hl_say_departures(struct hl_session *session)
{
    struct hl_departure departure;
    for (int i = 0; i < HL_DEPARTURES && hl_departures_take(&departure); i++)
        if (session->departures_said++ < HL_DEPARTURES)
            say_note(session, &(struct hl_note_event){.flag = "ended_in_scope",
                                                      .thread = &departure.thread,
                                                      .depth = departure.depth,
                                                      .innermost = departure.innermost});
}

/* ---- pauses --------------------------------------------------------------------- */

void hl_say_paused(struct hl_session *session, uint64_t gap_ns, const char *reason)
{
    if (gap_ns < HL_WORTH_SAYING_NS)
        return;
    struct hl_line_head head = hl_say_head(session);
    hl_report_paused(&session->line, &head, &(struct hl_paused_event){gap_ns, reason});
    hl_say_line(session, MONITOR_INFO);
}
