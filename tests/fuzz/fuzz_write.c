/* tests/fuzz/fuzz_write.c - the writers of lines: report.c, text.c, json.c, line.c and the
 * JSON of metrics.c, fed with any event that the structs of event.h can hold.
 *
 * The first byte says which record, the second what the head of the line is like, the
 * rest fills the event. Each goes out as text and as JSON, and is read back (wants.h).
 *
 * Where FUZZ_SAMPLES names a file, each line of JSON is appended to it, followed by a
 * line with what jansson made of it, for another parser (fuzz.sh).
 */
#define _GNU_SOURCE
#include "../../monitor/report.h"
#include "fuzz.h"
#include "wants.h"

#include <heartline/metrics.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fuzz_input input;
static struct wants wants;
static struct hl_line_head head;
static struct hl_line line;

/* Texts of the event at hand. */
#define MOST_TEXTS 12
static char *texts[MOST_TEXTS];
static size_t texts_count;

/* ---- values -------------------------------------------------------------------------- */

/* Now and then none, mostly short, now and then longer than a line. */
static const char *some_text(void)
{
    unsigned how = fuzz_below(&input, 8);
    if (how == 0)
        return NULL;
    char *text = fuzz_new_text(&input, how == 1 ? 6000 : how * 40);
    texts[texts_count++] = text;
    return text;
}

static const char *some_known_text(void)
{
    const char *text = some_text();
    return text ? text : "";
}

static void fill_text(char *text, size_t capacity)
{
    fuzz_text(&input, text, capacity);
}

/* As above, but it may fill its room, and then has no end. */
static void fill_room(char *room, size_t size)
{
    char text[128];
    MUST(size < sizeof text, "a room of %zu bytes", size);
    size_t length = fuzz_text(&input, text, size + 1);
    memset(room, 0, size);
    memcpy(room, text, length);
}

static void fill_thread(struct hl_thread_ref *thread)
{
    thread->tid = fuzz_number(&input);
    fill_room(thread->name, sizeof thread->name);
}

static uint64_t number(enum want_kind kind, const char *key)
{
    uint64_t n = fuzz_number(&input);
    want_number(&wants, kind, key, n, 0);
    return n;
}

/* A pair of two numbers; the second is returned through `m`. */
static uint64_t pair_of_numbers(enum want_kind kind, const char *key, uint64_t *m)
{
    uint64_t n = fuzz_number(&input);
    *m = fuzz_number(&input);
    want_number(&wants, kind, key, n, *m);
    return n;
}

static uint64_t number_unless_zero(enum want_kind kind, const char *key)
{
    uint64_t n = fuzz_number(&input);
    if (n > 0)
        want_number(&wants, kind, key, n, 0);
    return n;
}

static const char *text(const char *key)
{
    const char *value = some_text();
    want_text(&wants, key, value);
    return value;
}

static const char *text_unless_empty(const char *key)
{
    const char *value = some_text();
    if (value && value[0])
        want_text(&wants, key, value);
    return value;
}

static void label(char *room, size_t capacity, const char *key)
{
    fill_text(room, capacity);
    want_text(&wants, key, room);
}

static bool yes(const char *key)
{
    bool is_so = fuzz_bool(&input);
    if (is_so)
        want_word(&wants, WANT_YES, key);
    return is_so;
}

static char letter(const char *key, char room[2])
{
    room[0] = (char)fuzz_byte(&input);
    room[1] = '\0';
    want_text(&wants, key, room[0] ? room : NULL);
    return room[0];
}

static void thread(struct hl_thread_ref *ref, const char *key)
{
    fill_thread(ref);
    want_thread(&wants, key, ref);
}

static void progress(struct hl_progress_view *view, bool is_standstill)
{
    view->present = fuzz_bool(&input);
    view->total_grew = fuzz_bool(&input);
    view->current = fuzz_number(&input);
    view->total = fuzz_number(&input);
    view->rate_milli = fuzz_number(&input);
    view->eta_ns = fuzz_number(&input);
    view->idle_ns = fuzz_number(&input);
    if (!view->present)
        return;
    want_number(&wants, WANT_STEPS, "progress", view->current, view->total);
    if (view->total > 0 && !is_standstill)
        want_number(&wants, WANT_PERCENT, "percent", view->current, view->total);
    if (view->idle_ns != HL_UNKNOWN)
        want_number(&wants, WANT_DURATION, "idle_for", view->idle_ns, 0);
    if (is_standstill)
        return;
    if (view->idle_ns == HL_UNKNOWN && view->rate_milli != HL_UNKNOWN)
        want_number(&wants, WANT_RATE, "rate", view->rate_milli, 0);
    if (view->idle_ns == HL_UNKNOWN && view->eta_ns != HL_UNKNOWN)
        want_number(&wants, WANT_ETA, "eta", view->eta_ns, 0);
    if (view->total_grew)
        want_word(&wants, WANT_YES, "total_grew");
}

/* Out in both formats. */
#define OUT(report, event)                \
    do {                                  \
        head.format = MONITOR_TEXT;       \
        report(&line, &head, event);      \
        wants_meet(&wants, &head, &line); \
        head.format = MONITOR_JSON;       \
        report(&line, &head, event);      \
        wants_meet(&wants, &head, &line); \
    } while (0)

/* ---- records ------------------------------------------------------------------------- */

static void start(void)
{
    wants_begin(&wants, "start");
    struct hl_start_event event = {0};
    event.version = text("version");
    event.platform = text("platform");
    event.interval_ns = fuzz_number(&input) / 1000000 * 1000000;
    want_number(&wants, WANT_SETTING, "interval", event.interval_ns, 0);
    event.stall_ns = fuzz_number(&input) / 1000000 * 1000000;
    want_number(&wants, WANT_SETTING, "stall", event.stall_ns, 0);
    event.format = text("format");
    event.cores_milli = number(WANT_CORES, "cores");
    event.phase_lines = number(WANT_COUNT, "phase_lines");
    event.busy_lines = number(WANT_COUNT, "busy_lines");
    event.stall_lines = number(WANT_COUNT, "stall_lines");
    event.clock = text("clock");
    event.fork = text("fork");
    event.log = text("log");
    event.signal = number_unless_zero(WANT_COUNT, "signal");
    event.env_ignored = fuzz_bool(&input);
    if (event.env_ignored)
        want_text(&wants, "environment", "ignored");
    event.stacks = text("stacks");
    OUT(hl_report_start, &event);
}

static void stop(void)
{
    wants_begin(&wants, "stop");
    struct hl_stop_event event = {0};
    event.elapsed_ns = number(WANT_DURATION, "elapsed");
    event.cpu_ns = number(WANT_PLAIN_SECONDS, "cpu_seconds");
    event.peak_rss_bytes = number(WANT_BYTES, "peak_rss");
    event.beats = number(WANT_COUNT, "beats");
    event.stalls = number(WANT_COUNT, "stalls");
    event.stalled_total_ns = number(WANT_DURATION, "stalled_total");
    event.longest_stall_ns = number(WANT_DURATION, "longest_stall");
    event.dropped = number(WANT_COUNT, "dropped");
    event.self_cpu_ns = number(WANT_SECONDS, "self_cpu");
    event.deadlocks = number_unless_zero(WANT_COUNT, "deadlocks");
    event.stacks = fuzz_number(&input);
    event.stacks_failed = fuzz_number(&input);
    event.longest_suspension_ns = fuzz_number(&input);
    if (event.stacks > 0 || event.stacks_failed > 0) {
        want_number(&wants, WANT_COUNT, "stacks", event.stacks, 0);
        want_number(&wants, WANT_COUNT, "stacks_failed", event.stacks_failed, 0);
        if (event.longest_suspension_ns > 0)
            want_number(&wants, WANT_MICROSECONDS, "longest_suspension",
                        event.longest_suspension_ns, 0);
    }
    OUT(hl_report_stop, &event);
}

static void losses(struct hl_beat_event *event)
{
    event->dropped = number_unless_zero(WANT_COUNT, "dropped");
    event->overflow = number_unless_zero(WANT_COUNT, "overflow");
    event->unbalanced = number_unless_zero(WANT_COUNT, "unbalanced");
    event->repaired = number_unless_zero(WANT_COUNT, "repaired");
    event->vanished = number_unless_zero(WANT_COUNT, "vanished");
    event->late_ns = number_unless_zero(WANT_DURATION, "late");
}

static void beat(void)
{
    wants_begin(&wants, "beat");
    struct hl_beat_event event = {0};
    event.elapsed_ns = number(WANT_DURATION, "elapsed");
    event.cpu_milli = pair_of_numbers(WANT_CORES_OF, "cpu", &event.cores_milli);
    event.window_ns = number(WANT_DURATION, "window");
    event.rss_bytes = pair_of_numbers(WANT_BYTES_OF, "rss", &event.rss_limit_bytes);
    event.peak_rss_bytes = number(WANT_BYTES, "peak_rss");
    event.vm_bytes = number(WANT_BYTES, "vm");
    event.threads = number(WANT_COUNT, "threads");
    event.read_bytes = number(WANT_BYTES, "read");
    event.written_bytes = number(WANT_BYTES, "written");
    event.instrumented = number(WANT_COUNT, "instrumented");
    event.waiting = number_unless_zero(WANT_COUNT, "waiting");
    event.stalled = number(WANT_COUNT, "stalled");
    event.active = fuzz_bool(&input);
    if (event.active) {
        label(event.label, sizeof event.label, "active");
        event.for_ns = number(WANT_DURATION, "for");
        progress(&event.progress, false);
    } else {
        want_word(&wants, WANT_NONE, "active");
    }
    losses(&event);
    OUT(hl_report_beat, &event);
}

static void phase(void)
{
    wants_begin(&wants, "phase");
    struct hl_phase_event event = {0};
    char state[2];
    thread(&event.thread, "thread");
    event.depth = number(WANT_COUNT, "depth");
    event.in_ns = number(WANT_DURATION, "in");
    event.updated_ns = number(WANT_DURATION, "updated");
    event.cpu_milli = number(WANT_SHARE, "cpu");
    event.state = letter("state", state);
    fill_text(event.innermost, sizeof event.innermost);
    event.waiting = yes("waiting");
    event.churning = yes("churning");
    if (event.churning && !event.innermost[0])
        want_word(&wants, WANT_NONE, "innermost");
    else
        want_text(&wants, "innermost", event.innermost);
    progress(&event.progress, false);
    OUT(hl_report_phase, &event);
}

static void phases_omitted(void)
{
    wants_begin(&wants, "phase");
    uint64_t omitted = number(WANT_COUNT, "omitted");
    OUT(hl_report_phases_omitted, omitted);
}

static void busy(void)
{
    wants_begin(&wants, "busy");
    struct hl_busy_event event = {0};
    char state[2];
    thread(&event.thread, "thread");
    event.cpu_milli = number(WANT_SHARE, "cpu");
    event.state = letter("state", state);
    OUT(hl_report_busy, &event);
}

static enum hl_verdict verdict(const char *key, bool is_said)
{
    static const char *const words[] = {NULL, "busy", "starved", "blocked", "mixed"};
    unsigned which = fuzz_below(&input, 5);
    if (is_said)
        want_text(&wants, key, words[which]);
    return (enum hl_verdict)which;
}

static void fill_other(struct hl_other_view *other)
{
    fill_thread(&other->thread);
    other->in_phase = fuzz_bool(&input);
    fill_text(other->phase, sizeof other->phase);
    other->for_ns = fuzz_number(&input);
}

static void want_phase_of(const struct hl_other_view *other, const char *key)
{
    if (other->in_phase)
        want_text(&wants, key, other->phase);
    else
        want_word(&wants, WANT_NONE, key);
}

static void holder(struct hl_evidence_view *event)
{
    event->holder_is = (enum hl_holder)fuzz_below(&input, 3);
    fill_other(&event->holder);
    if (event->holder_is == HL_NO_HOLDER)
        return;
    want_thread(&wants, "holder", &event->holder.thread);
    if (event->holder_is == HL_HOLDER_UNKNOWN)
        return;
    want_phase_of(&event->holder, "holder_phase");
    if (event->holder.in_phase)
        want_number(&wants, WANT_DURATION, "holder_for", event->holder.for_ns, 0);
}

static void root(struct hl_evidence_view *event)
{
    event->has_root = fuzz_bool(&input);
    fill_other(&event->root);
    if (fuzz_bool(&input))
        event->root = event->holder;
    bool is_holder =
        event->holder_is == HL_HOLDER_KNOWN && event->root.thread.tid == event->holder.thread.tid;
    if (event->has_root) {
        want_thread(&wants, "root", &event->root.thread);
        if (!is_holder)
            want_phase_of(&event->root, "root_phase");
    }
    event->root_verdict = verdict("root_verdict", event->has_root);
    fill_text(event->root_wait, sizeof event->root_wait);
    if (event->has_root && event->root_wait[0])
        want_text(&wants, "root_wait", event->root_wait);
}

/* Said when it is there, `?` when it cannot be told. */
static bool text_or_unknown(char *room, size_t capacity, const char *key)
{
    bool is_unknown = fuzz_bool(&input);
    fill_text(room, capacity);
    if (is_unknown || room[0])
        want_text(&wants, key, is_unknown ? NULL : room);
    return is_unknown;
}

static void evidence(struct hl_evidence_view *event, char state[2])
{
    event->verdict = verdict("verdict", true);
    event->cpu_milli = number(WANT_SHARE, "cpu");
    event->run_delay_milli = number(WANT_SHARE, "run_delay");
    event->quota_milli = fuzz_number(&input);
    event->throttled_ns = fuzz_number(&input);
    if (event->quota_milli > 0) {
        want_number(&wants, WANT_CORES, "quota", event->quota_milli, 0);
        want_number(&wants, WANT_DURATION, "throttled", event->throttled_ns, 0);
    }
    event->state = letter("state", state);
    event->call_unknown = text_or_unknown(event->call, sizeof event->call, "syscall");
    event->has_descriptor = fuzz_bool(&input);
    event->descriptor = fuzz_number(&input);
    if (event->has_descriptor)
        want_number(&wants, WANT_COUNT, "fd", event->descriptor, 0);
    event->wait_unknown = text_or_unknown(event->wait, sizeof event->wait, "wait");
    fill_text(event->local, sizeof event->local);
    if (event->local[0])
        want_text(&wants, "local", event->local);
    holder(event);
    root(event);
    event->channel_unknown = text_or_unknown(event->channel, sizeof event->channel, "wchan");
}

static size_t fill_many(char *many, size_t each, size_t most)
{
    size_t count = fuzz_below(&input, (unsigned)most + 1);
    memset(many, 0, most * each);
    for (size_t i = 0; i < count; i++)
        fill_room(many + i * each, each);
    return count;
}

static void stall(void)
{
    static char path[HL_DEPTH][HL_LABEL_BYTES];
    wants_begin(&wants, "STALL");
    struct hl_stall_event event = {0};
    char state[2];
    event.id = number(WANT_COUNT, "id");
    thread(&event.thread, "thread");
    label(event.phase, sizeof event.phase, "phase");
    event.path_count = fill_many(path[0], HL_LABEL_BYTES, HL_DEPTH);
    event.path = fuzz_bool(&input) ? (const char(*)[HL_LABEL_BYTES])path : NULL;
    if (event.path && event.path_count > 0)
        want_many(&wants, WANT_JOINED, "path", path, HL_LABEL_BYTES, event.path_count, " > ");
    event.stuck_ns = number(WANT_DURATION, "stuck");
    event.limit_ns = number(WANT_DURATION, "limit");
    event.reminder = number_unless_zero(WANT_COUNT, "reminder");
    event.ended = yes("ended");
    progress(&event.progress, true);
    evidence(&event.evidence, state);
    OUT(hl_report_stall, &event);
}

static void stack(void)
{
    static char frames[HL_DEPTH][HL_FRAME_BYTES];
    wants_begin(&wants, "STACK");
    struct hl_stack_event event = {0};
    event.id = number(WANT_COUNT, "id");
    thread(&event.thread, "thread");
    event.sample = fuzz_number(&input);
    want_number(&wants, WANT_PART, "sample", event.sample, HL_SAMPLES);
    event.same = fuzz_number(&input);
    event.had = fuzz_number(&input);
    if (event.had > 1)
        want_number(&wants, WANT_PART, "same", event.same, event.had);
    event.suspended_ns = number_unless_zero(WANT_MICROSECONDS, "suspended");
    event.frames_count = fill_many(frames[0], HL_FRAME_BYTES, HL_DEPTH);
    event.frames = (const char(*)[HL_FRAME_BYTES])frames;
    want_many(&wants, WANT_FRAMES, "frames", frames, HL_FRAME_BYTES, event.frames_count, " < ");
    event.truncated = wants.may_say_truncated = fuzz_bool(&input);
    OUT(hl_report_stack, &event);
}

static void deadlock(void)
{
    static struct hl_deadlock_member members[48];
    wants_begin(&wants, "DEADLOCK");
    struct hl_deadlock_event event = {.members = members};
    char key[24];
    event.id = number(WANT_COUNT, "id");
    event.count = fuzz_below(&input, 49);
    want_number(&wants, WANT_COUNT, "members", event.count, 0);
    wants.may_lack_numbers = event.count > 4; /* their names alone may fill the line */
    for (size_t i = 0; i < event.count; i++) {
        fill_other(&members[i].who);
        fill_text(members[i].lock, sizeof members[i].lock);
        snprintf(key, sizeof key, "thread%zu", i + 1);
        want_thread(&wants, key, &members[i].who.thread);
        snprintf(key, sizeof key, "lock%zu", i + 1);
        want_text(&wants, key, members[i].lock[0] ? members[i].lock : NULL);
        snprintf(key, sizeof key, "phase%zu", i + 1);
        want_phase_of(&members[i].who, key);
    }
    OUT(hl_report_deadlock, &event);
}

static void merged(void)
{
    static char shown[HL_MERGED_SHOWN + 1][HL_LABEL_BYTES];
    wants_begin(&wants, "STALL");
    struct hl_merged_event event = {0};
    event.count = number(WANT_COUNT, "merged");
    event.first_id = number(WANT_COUNT, "first_id");
    event.last_id = number(WANT_COUNT, "last_id");
    event.longest_ns = number(WANT_DURATION, "longest");
    event.phases_count = fill_many(event.phases[0], HL_LABEL_BYTES, HL_MERGED_SHOWN);
    event.more_phases = fuzz_bool(&input);
    memcpy(shown, event.phases, sizeof event.phases);
    if (event.more_phases)
        strcpy(shown[event.phases_count], "\xe2\x80\xa6");
    want_many(&wants, WANT_JOINED, "phases", shown, HL_LABEL_BYTES,
              event.phases_count + event.more_phases, "; ");
    OUT(hl_report_merged, &event);
}

static void recovered(void)
{
    wants_begin(&wants, "RECOVERED");
    struct hl_recovered_event event = {0};
    event.id = number(WANT_COUNT, "id");
    thread(&event.thread, "thread");
    label(event.phase, sizeof event.phase, "phase");
    event.at_most = fuzz_bool(&input);
    event.stuck_ns = number(event.at_most ? WANT_AT_MOST : WANT_DURATION, "stuck");
    event.reason = text_unless_empty("reason");
    OUT(hl_report_recovered, &event);
}

static void merged_recovered(void)
{
    wants_begin(&wants, "RECOVERED");
    struct hl_merged_recovered_event event = {0};
    event.count = number(WANT_COUNT, "merged");
    event.first_id = number(WANT_COUNT, "first_id");
    event.last_id = number(WANT_COUNT, "last_id");
    event.longest_ns = number(WANT_DURATION, "longest");
    OUT(hl_report_merged_recovered, &event);
}

static void quiet(void)
{
    wants_begin(&wants, "QUIET");
    struct hl_quiet_event event = {0};
    event.for_ns = number(WANT_DURATION, "for");
    event.threads = number(WANT_COUNT, "threads");
    event.waits = text("waits");
    OUT(hl_report_quiet, &event);
}

static void paused(void)
{
    wants_begin(&wants, "PAUSED");
    struct hl_paused_event event = {0};
    event.gap_ns = number(WANT_DURATION, "gap");
    event.reason = text("reason");
    OUT(hl_report_paused, &event);
}

static void unavailable(void)
{
    wants_begin(&wants, "unavailable");
    struct hl_unavailable_event event = {0};
    event.key = text("key");
    event.reason = text("reason");
    OUT(hl_report_unavailable, &event);
}

static const char *flag(const char *word)
{
    switch (fuzz_below(&input, 3)) {
    case 0:
        return NULL;
    case 1:
        return "";
    default:
        want_word(&wants, WANT_FLAG, word);
        return word;
    }
}

static void note(void)
{
    wants_begin(&wants, "note");
    struct hl_note_event event = {0};
    event.flag = flag("forked");
    event.key = text_unless_empty("key");
    event.variable = text_unless_empty("variable");
    event.value = some_text();
    if (event.value)
        want_text(&wants, "value", event.value);
    event.accepted = text_unless_empty("accepted");
    event.used = text_unless_empty("used");
    event.child = number_unless_zero(WANT_COUNT, "child");
    event.last_flag = flag("unmonitored");
    event.dropped = number_unless_zero(WANT_COUNT, "dropped");
    event.reason = text_unless_empty("reason");
    OUT(hl_report_note, &event);
}

/* ---- metrics ---------------------------------------------------------------------------- */

static double some_double(void)
{
    uint64_t bits = 0;
    double value;
    if (fuzz_bool(&input))
        return (double)fuzz_number(&input) / 8;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | fuzz_byte(&input);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static size_t fill_metrics(monitor_metrics *metrics)
{
    static monitor_thread_metrics threads[8];
    *metrics = (monitor_metrics){.platform = some_known_text(), .reason = some_text()};
    metrics->window_ms = fuzz_number(&input);
    uint8_t known = fuzz_byte(&input);
    metrics->cpu_known = known & 1;
    metrics->rss_known = known & 2;
    metrics->vm_size_known = known & 4;
    metrics->uptime_known = known & 8;
    metrics->threads_known = known & 16;
    metrics->cpu_percent = some_double();
    metrics->rss_bytes = fuzz_number(&input);
    metrics->vm_size_bytes = fuzz_number(&input);
    metrics->uptime_s = some_double();
    metrics->threads = threads;
    metrics->thread_count = fuzz_below(&input, 9);
    for (size_t i = 0; i < metrics->thread_count; i++) {
        threads[i].tid = fuzz_number(&input);
        fill_room(threads[i].name, sizeof threads[i].name);
        threads[i].cpu_known = fuzz_bool(&input);
        threads[i].cpu_percent = some_double();
    }
    return metrics->thread_count;
}

static void meet_name(const json_t *value, const char *wanted, size_t most)
{
    char *readable = want_readable(wanted, most);
    MUST(json_is_string(value) && strcmp(json_string_value(value), readable) == 0, "%s, not %s",
         json_string_value(value), readable);
    free(readable);
}

static void meet_percent(const json_t *value, bool is_known, double wanted)
{
    double seen = json_number_value(value);
    MUST(json_is_null(value) == !is_known, "a percentage that is not known");
    if (!is_known)
        return;
    MUST(seen >= 0 && seen <= 1e18, "%g percent", seen);
    MUST(!(wanted >= 0 && wanted < 1e15) || fabs(seen - wanted) <= 0.0501 + wanted * 1e-9,
         "%g percent, not %g", seen, wanted);
}

static void meet_metrics(const json_t *json, const monitor_metrics *metrics)
{
    const json_t *process = json_object_get(json, "process");
    const json_t *threads = json_object_get(json, "threads");
    meet_name(json_object_get(json, "platform"), metrics->platform, SIZE_MAX);
    if (metrics->reason) {
        MUST(json_is_false(json_object_get(json, "available")), "available");
        meet_name(json_object_get(json, "reason"), metrics->reason, SIZE_MAX);
        return;
    }
    meet_percent(json_object_get(process, "cpu_percent"), metrics->cpu_known, metrics->cpu_percent);
    MUST(json_is_null(json_object_get(process, "rss_kb")) == !metrics->rss_known, "rss_kb");
    MUST(json_is_null(threads) == !metrics->threads_known, "threads");
    MUST(!threads ||
             json_array_size(threads) == (metrics->threads_known ? metrics->thread_count : 0),
         "%zu threads", json_array_size(threads));
    for (size_t i = 0; i < json_array_size(threads); i++) {
        const json_t *one = json_array_get(threads, i);
        const monitor_thread_metrics *wanted = &metrics->threads[i];
        meet_name(json_object_get(one, "name"), wanted->name, sizeof wanted->name);
        meet_percent(json_object_get(one, "cpu_percent"), wanted->cpu_known, wanted->cpu_percent);
    }
}

/* As snprintf: whatever the room, the same length, its beginning, and an end. */
static void meet_room(const monitor_metrics *metrics, const char *whole, size_t length, size_t room)
{
    char *part = malloc(room + 1);
    if (!part)
        abort();
    part[room] = 'x';
    MUST(monitor_metrics_json(metrics, part, room) == length, "another length");
    MUST(part[room] == 'x', "a byte beyond %zu", room);
    if (room > 0) {
        size_t kept = room - 1 < length ? room - 1 : length;
        MUST(strlen(part) == kept && memcmp(part, whole, kept) == 0, "another text in %zu", room);
    }
    free(part);
}

static void metrics(void)
{
    static char whole[65536];
    monitor_metrics metrics;
    fill_metrics(&metrics);
    size_t length = monitor_metrics_json(&metrics, whole, sizeof whole);
    MUST(length < sizeof whole && strlen(whole) == length, "%zu bytes", length);
    MUST(fuzz_is_utf8(whole, length), "not UTF-8: %s", whole);
    for (size_t i = 0; i < length; i++)
        MUST((unsigned char)whole[i] >= 0x20, "a control byte: %s", whole);
    json_t *json = json_loads(whole, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    MUST(json, "no JSON: %s", whole);
    meet_metrics(json, &metrics);
    json_decref(json);
    meet_room(&metrics, whole, length, length);
    meet_room(&metrics, whole, length, length + 1);
    meet_room(&metrics, whole, length, fuzz_number(&input) % length);
    memcpy(line.bytes, whole, length < HL_LINE_BYTES ? length + 1 : 1); /* a sample, if it fits */
}

/* ---- one input ---------------------------------------------------------------------------- */

static void keep_sample(const char *text)
{
    const char *path = getenv("FUZZ_SAMPLES");
    FILE *file = path ? fopen(path, "a") : NULL;
    json_t *json =
        file ? json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL) : NULL;
    char *dump = json ? json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    if (dump)
        fprintf(file, "%.*s\n%s\n", (int)strcspn(text, "\n"), text, dump);
    free(dump);
    json_decref(json);
    if (file)
        fclose(file);
}

static void begin_head(void)
{
    uint8_t how = fuzz_byte(&input);
    head = (struct hl_line_head){.has_time = how & 1};
    head.wall_ms = how & 2 ? fuzz_number(&input) : UINT64_C(1795224900123);
    head.pid = how & 4 ? fuzz_number(&input) >> 1 : 4242;
    head.pid += head.pid == 0;
    head.tag = how & 8 ? some_text() : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const records[])(void) = {
        start,  stop,        beat,     phase,   phases_omitted, busy,
        stall,  stack,       deadlock, merged,  recovered,      merged_recovered,
        paused, unavailable, note,     metrics, quiet,
    };
    input = fuzz_over(data, size);
    line.bytes[0] = '\0';
    unsigned which = fuzz_below(&input, sizeof records / sizeof records[0]);
    begin_head();
    records[which]();
    keep_sample(line.bytes);
    while (texts_count > 0)
        free(texts[--texts_count]);
    return 0;
}
