/* monitor/report.c - what each record says, key by key.
 *
 * The order of the keys and the question which of them is left out are decided
 * here and nowhere else, for both formats at once. Programs rely on the names:
 * a new key goes behind the ones that are there.
 */
#include "report.h"

#include <stdio.h>
#include <string.h>

/* For what follows a path or a list of labels: more than the figures of a STALL
 * line and what every text keeps free for those after it. */
#define AFTER_LABELS 1024
#define AFTER_LABELS_MOST 2560
#define AFTER_FRAMES 0 /* they are the last */

static void count_unless_zero(struct hl_line *line, const char *key, uint64_t n)
{
    if (n > 0)
        hl_line_count(line, key, n);
}

static void text_unless_empty(struct hl_line *line, const char *key, const char *text)
{
    if (text && text[0])
        hl_line_text(line, key, text);
}

static void flag_unless_empty(struct hl_line *line, const char *word)
{
    if (word && word[0])
        hl_line_flag(line, word);
}

static void yes_if(struct hl_line *line, const char *key, bool is_so)
{
    if (is_so)
        hl_line_yes(line, key);
}

/* ---- start, stop ---- */

void hl_report_start(struct hl_line *line, const struct hl_line_head *head,
                     const struct hl_start_event *start)
{
    hl_line_begin(line, head, "start");
    hl_line_text(line, "version", start->version);
    hl_line_text(line, "platform", start->platform);
    text_unless_empty(line, "program", start->program);
    hl_line_setting(line, "interval", start->interval_ns);
    hl_line_setting(line, "stall", start->stall_ns);
    hl_line_text(line, "format", start->format);
    hl_line_cores(line, "cores", start->cores_milli);
    hl_line_count(line, "phase_lines", start->phase_lines);
    hl_line_count(line, "busy_lines", start->busy_lines);
    hl_line_count(line, "stall_lines", start->stall_lines);
    hl_line_text(line, "clock", start->clock);
    hl_line_text(line, "fork", start->fork);
    hl_line_text(line, "log", start->log);
    count_unless_zero(line, "signal", start->signal);
    if (start->env_ignored)
        hl_line_text(line, "environment", "ignored");
    hl_line_text(line, "stacks", start->stacks);
    hl_line_end(line);
}

static void put_stacks(struct hl_line *line, const struct hl_stop_event *stop)
{
    if (stop->stacks == 0 && stop->stacks_failed == 0)
        return;
    hl_line_count(line, "stacks", stop->stacks);
    hl_line_count(line, "stacks_failed", stop->stacks_failed);
    if (stop->longest_suspension_ns > 0)
        hl_line_microseconds(line, "longest_suspension", stop->longest_suspension_ns);
}

void hl_report_stop(struct hl_line *line, const struct hl_line_head *head,
                    const struct hl_stop_event *stop)
{
    hl_line_begin(line, head, "stop");
    hl_line_duration(line, "elapsed", stop->elapsed_ns);
    hl_line_plain_seconds(line, "cpu_seconds", stop->cpu_ns);
    hl_line_bytes(line, "peak_rss", stop->peak_rss_bytes);
    hl_line_count(line, "beats", stop->beats);
    hl_line_count(line, "stalls", stop->stalls);
    hl_line_duration(line, "stalled_total", stop->stalled_total_ns);
    hl_line_duration(line, "longest_stall", stop->longest_stall_ns);
    hl_line_count(line, "dropped", stop->dropped);
    hl_line_seconds(line, "self_cpu", stop->self_cpu_ns, 2);
    count_unless_zero(line, "deadlocks", stop->deadlocks);
    put_stacks(line, stop);
    hl_line_end(line);
}

/* ---- The heartbeat and its lines ---- */

static void put_costs(struct hl_line *line, const struct hl_beat_event *beat)
{
    hl_line_duration(line, "elapsed", beat->elapsed_ns);
    hl_line_cores_of(line, "cpu", beat->cpu_milli, beat->cores_milli);
    hl_line_duration(line, "window", beat->window_ns);
    hl_line_bytes_of(line, "rss", beat->rss_bytes, beat->rss_limit_bytes);
    hl_line_bytes(line, "peak_rss", beat->peak_rss_bytes);
    hl_line_bytes(line, "vm", beat->vm_bytes);
    hl_line_count(line, "threads", beat->threads);
    hl_line_bytes(line, "read", beat->read_bytes);
    hl_line_bytes(line, "written", beat->written_bytes);
}

static void put_headline(struct hl_line *line, const struct hl_beat_event *beat)
{
    if (!beat->active) {
        hl_line_none(line, "active");
        return;
    }
    hl_line_label(line, "active", beat->label);
    hl_line_duration(line, "for", beat->for_ns);
    hl_line_progress(line, &beat->progress);
}

static void put_losses(struct hl_line *line, const struct hl_beat_event *beat)
{
    count_unless_zero(line, "dropped", beat->dropped);
    count_unless_zero(line, "overflow", beat->overflow);
    count_unless_zero(line, "unbalanced", beat->unbalanced);
    count_unless_zero(line, "repaired", beat->repaired);
    count_unless_zero(line, "vanished", beat->vanished);
    if (beat->late_ns > 0)
        hl_line_duration(line, "late", beat->late_ns);
    count_unless_zero(line, "gone", beat->gone);
    if (beat->sampling_ns > 0)
        hl_line_duration(line, "sampling", beat->sampling_ns);
}

void hl_report_beat(struct hl_line *line, const struct hl_line_head *head,
                    const struct hl_beat_event *beat)
{
    hl_line_begin(line, head, "beat");
    put_costs(line, beat);
    hl_line_count(line, "instrumented", beat->instrumented);
    count_unless_zero(line, "waiting", beat->waiting);
    hl_line_count(line, "stalled", beat->stalled);
    put_headline(line, beat);
    put_losses(line, beat);
    hl_line_end(line);
}

void hl_report_phase(struct hl_line *line, const struct hl_line_head *head,
                     const struct hl_phase_event *phase)
{
    hl_line_begin(line, head, "phase");
    hl_line_thread(line, "thread", &phase->thread);
    hl_line_count(line, "depth", phase->depth);
    hl_line_duration(line, "in", phase->in_ns);
    hl_line_duration(line, "updated", phase->updated_ns);
    hl_line_share(line, "cpu", phase->cpu_milli);
    hl_line_letter(line, "state", phase->state);
    if (phase->churning && !phase->innermost[0])
        hl_line_none(line, "innermost");
    else
        hl_line_label(line, "innermost", phase->innermost);
    hl_line_progress(line, &phase->progress);
    yes_if(line, "waiting", phase->waiting);
    yes_if(line, "churning", phase->churning);
    hl_line_end(line);
}

void hl_report_phases_omitted(struct hl_line *line, const struct hl_line_head *head,
                              uint64_t omitted)
{
    hl_line_begin(line, head, "phase");
    hl_line_count(line, "omitted", omitted);
    hl_line_end(line);
}

void hl_report_busy(struct hl_line *line, const struct hl_line_head *head,
                    const struct hl_busy_event *busy)
{
    hl_line_begin(line, head, "busy");
    hl_line_thread(line, "thread", &busy->thread);
    hl_line_share(line, "cpu", busy->cpu_milli);
    hl_line_letter(line, "state", busy->state);
    hl_line_end(line);
}

/* ---- Stalls ---- */

static const char *verdict_word(enum hl_verdict verdict)
{
    static const char *const words[] = {[HL_VERDICT_UNKNOWN] = NULL,
                                        [HL_BUSY] = "busy",
                                        [HL_STARVED] = "starved",
                                        [HL_BLOCKED] = "blocked",
                                        [HL_MIXED] = "mixed"};
    return words[verdict];
}

static void put_shares(struct hl_line *line, const struct hl_evidence_view *evidence)
{
    hl_line_text(line, "verdict", verdict_word(evidence->verdict));
    hl_line_share(line, "cpu", evidence->cpu_milli);
    hl_line_share(line, "run_delay", evidence->run_delay_milli);
    if (evidence->quota_milli > 0) {
        hl_line_cores(line, "quota", evidence->quota_milli);
        hl_line_duration(line, "throttled", evidence->throttled_ns);
    }
    hl_line_letter(line, "state", evidence->state);
}

static void text_or_unknown(struct hl_line *line, const char *key, const char *text, bool unknown)
{
    if (unknown)
        hl_line_text(line, key, NULL);
    else
        text_unless_empty(line, key, text);
}

static void put_wait(struct hl_line *line, const struct hl_evidence_view *evidence)
{
    text_or_unknown(line, "syscall", evidence->call, evidence->call_unknown);
    if (evidence->has_descriptor)
        hl_line_count(line, "fd", evidence->descriptor);
    text_or_unknown(line, "wait", evidence->wait, evidence->wait_unknown);
    text_unless_empty(line, "local", evidence->local);
}

static void label_or_none(struct hl_line *line, const char *key, bool there, const char *label)
{
    if (there)
        hl_line_label(line, key, label);
    else
        hl_line_none(line, key);
}

static void put_holder(struct hl_line *line, const struct hl_evidence_view *evidence)
{
    const struct hl_other_view *holder = &evidence->holder;
    if (evidence->holder_is == HL_NO_HOLDER)
        return;
    hl_line_thread(line, "holder", &holder->thread);
    if (evidence->holder_is == HL_HOLDER_UNKNOWN)
        return;
    label_or_none(line, "holder_phase", holder->in_phase, holder->phase);
    if (holder->in_phase)
        hl_line_duration(line, "holder_for", holder->for_ns);
}

/* The phase of a root that is the holder has been said. */
static void put_root(struct hl_line *line, const struct hl_evidence_view *evidence)
{
    const struct hl_other_view *root = &evidence->root;
    bool is_holder =
        evidence->holder_is == HL_HOLDER_KNOWN && evidence->holder.thread.tid == root->thread.tid;
    if (!evidence->has_root)
        return;
    hl_line_thread(line, "root", &root->thread);
    if (!is_holder)
        label_or_none(line, "root_phase", root->in_phase, root->phase);
    hl_line_text(line, "root_verdict", verdict_word(evidence->root_verdict));
    text_unless_empty(line, "root_wait", evidence->root_wait);
}

static void put_evidence(struct hl_line *line, const struct hl_evidence_view *evidence)
{
    put_shares(line, evidence);
    put_wait(line, evidence);
    put_holder(line, evidence);
    put_root(line, evidence);
    text_or_unknown(line, "wchan", evidence->channel, evidence->channel_unknown);
}

/* Where the counter stands and since when; how fast it went no longer matters. */
static void put_standstill(struct hl_line *line, const struct hl_progress_view *progress)
{
    if (!progress->present)
        return;
    hl_line_steps(line, progress);
    if (progress->idle_ns != HL_UNKNOWN)
        hl_line_duration(line, "idle_for", progress->idle_ns);
}

/* A path makes room for what is found out about the stall, up to a point. */
static size_t after_path(const struct hl_evidence_view *evidence)
{
    size_t texts = strlen(evidence->wait) + strlen(evidence->local) + strlen(evidence->root_wait) +
                   strlen(evidence->holder.phase) + strlen(evidence->root.phase);
    size_t reserve = AFTER_LABELS + 2 * texts;
    return reserve < AFTER_LABELS_MOST ? reserve : AFTER_LABELS_MOST;
}

void hl_report_stall(struct hl_line *line, const struct hl_line_head *head,
                     const struct hl_stall_event *stall)
{
    hl_line_begin(line, head, "STALL");
    hl_line_count(line, "id", stall->id);
    hl_line_thread(line, "thread", &stall->thread);
    hl_line_label(line, "phase", stall->phase);
    if (stall->path && stall->path_count > 0)
        hl_line_labels(line, "path", stall->path, stall->path_count, " > ",
                       after_path(&stall->evidence));
    hl_line_duration(line, "stuck", stall->stuck_ns);
    hl_line_duration(line, "limit", stall->limit_ns);
    count_unless_zero(line, "reminder", stall->reminder);
    yes_if(line, "ended", stall->ended);
    put_standstill(line, &stall->progress);
    put_evidence(line, &stall->evidence);
    hl_line_end(line);
}

/* One key says that frames are missing: the oldest ones, which were not found, or
 * those in the middle, for which there was no room. */
void hl_report_stack(struct hl_line *line, const struct hl_line_head *head,
                     const struct hl_stack_event *stack)
{
    hl_line_begin(line, head, "STACK");
    hl_line_count(line, "id", stack->id);
    hl_line_thread(line, "thread", &stack->thread);
    hl_line_part(line, "sample", stack->sample, HL_SAMPLES);
    if (stack->had > 1)
        hl_line_part(line, "same", stack->same, stack->had);
    if (stack->suspended_ns > 0)
        hl_line_microseconds(line, "suspended", stack->suspended_ns);
    hl_line_frames(line, "frames", stack->frames, stack->frames_count, AFTER_FRAMES);
    if (stack->truncated)
        line->truncated = true;
    hl_line_end(line);
}

static void put_member(struct hl_line *line, size_t number, const struct hl_deadlock_member *member)
{
    char key[32];
    snprintf(key, sizeof key, "thread%zu", number);
    hl_line_thread(line, key, &member->who.thread);
    snprintf(key, sizeof key, "lock%zu", number);
    hl_line_text(line, key, member->lock[0] ? member->lock : NULL);
    snprintf(key, sizeof key, "phase%zu", number);
    label_or_none(line, key, member->who.in_phase, member->who.phase);
}

void hl_report_deadlock(struct hl_line *line, const struct hl_line_head *head,
                        const struct hl_deadlock_event *deadlock)
{
    hl_line_begin(line, head, "DEADLOCK");
    hl_line_count(line, "id", deadlock->id);
    hl_line_count(line, "members", deadlock->count);
    for (size_t i = 0; i < deadlock->count; i++)
        put_member(line, i + 1, &deadlock->members[i]);
    hl_line_end(line);
}

static void put_merged(struct hl_line *line, uint64_t count, uint64_t first_id, uint64_t last_id,
                       uint64_t longest_ns)
{
    hl_line_count(line, "merged", count);
    hl_line_count(line, "first_id", first_id);
    hl_line_count(line, "last_id", last_id);
    hl_line_duration(line, "longest", longest_ns);
}

static void put_phases(struct hl_line *line, const struct hl_merged_event *merged)
{
    char phases[HL_MERGED_SHOWN + 1][HL_LABEL_BYTES];
    size_t count = merged->phases_count;
    memcpy(phases, merged->phases, sizeof merged->phases);
    if (merged->more_phases)
        memcpy(phases[count++], "…", sizeof "…");
    hl_line_labels(line, "phases", (const char(*)[HL_LABEL_BYTES])phases, count, "; ",
                   AFTER_LABELS);
}

void hl_report_merged(struct hl_line *line, const struct hl_line_head *head,
                      const struct hl_merged_event *merged)
{
    hl_line_begin(line, head, "STALL");
    put_merged(line, merged->count, merged->first_id, merged->last_id, merged->longest_ns);
    put_phases(line, merged);
    hl_line_end(line);
}

void hl_report_recovered(struct hl_line *line, const struct hl_line_head *head,
                         const struct hl_recovered_event *recovered)
{
    hl_line_begin(line, head, "RECOVERED");
    hl_line_count(line, "id", recovered->id);
    hl_line_thread(line, "thread", &recovered->thread);
    hl_line_label(line, "phase", recovered->phase);
    if (recovered->at_most)
        hl_line_duration_at_most(line, "stuck", recovered->stuck_ns);
    else
        hl_line_duration(line, "stuck", recovered->stuck_ns);
    text_unless_empty(line, "reason", recovered->reason);
    hl_line_end(line);
}

void hl_report_merged_recovered(struct hl_line *line, const struct hl_line_head *head,
                                const struct hl_merged_recovered_event *merged)
{
    hl_line_begin(line, head, "RECOVERED");
    put_merged(line, merged->count, merged->first_id, merged->last_id, merged->longest_ns);
    hl_line_end(line);
}

/* ---- The rest ---- */

void hl_report_quiet(struct hl_line *line, const struct hl_line_head *head,
                     const struct hl_quiet_event *quiet)
{
    hl_line_begin(line, head, "QUIET");
    hl_line_duration(line, "for", quiet->for_ns);
    hl_line_count(line, "threads", quiet->threads);
    hl_line_text(line, "waits", quiet->waits);
    hl_line_end(line);
}

void hl_report_paused(struct hl_line *line, const struct hl_line_head *head,
                      const struct hl_paused_event *paused)
{
    hl_line_begin(line, head, "PAUSED");
    hl_line_duration(line, "gap", paused->gap_ns);
    hl_line_text(line, "reason", paused->reason);
    hl_line_end(line);
}

void hl_report_unavailable(struct hl_line *line, const struct hl_line_head *head,
                           const struct hl_unavailable_event *unavailable)
{
    hl_line_begin(line, head, "unavailable");
    hl_line_text(line, "key", unavailable->key);
    hl_line_text(line, "reason", unavailable->reason);
    hl_line_end(line);
}

void hl_report_note(struct hl_line *line, const struct hl_line_head *head,
                    const struct hl_note_event *note)
{
    hl_line_begin(line, head, "note");
    flag_unless_empty(line, note->flag);
    if (note->thread)
        hl_line_thread(line, "thread", note->thread);
    count_unless_zero(line, "depth", note->depth);
    if (note->innermost)
        hl_line_label(line, "innermost", note->innermost);
    text_unless_empty(line, "key", note->key);
    text_unless_empty(line, "variable", note->variable);
    /* A variable that is set to nothing: value="" says what is wrong. */
    if (note->value)
        hl_line_text(line, "value", note->value);
    text_unless_empty(line, "accepted", note->accepted);
    text_unless_empty(line, "used", note->used);
    count_unless_zero(line, "child", note->child);
    flag_unless_empty(line, note->last_flag);
    count_unless_zero(line, "dropped", note->dropped);
    text_unless_empty(line, "reason", note->reason);
    hl_line_end(line);
}
