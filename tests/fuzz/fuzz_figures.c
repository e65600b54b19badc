/* tests/fuzz/fuzz_figures.c - whole runs of the monitor over figures of any kind.
 *
 * Between two wake-ups of a session the input changes what the system says: counters
 * jump, wrap, run backwards or are missing, threads come, go and are renamed, the process
 * is stopped, the clock jumps, scopes open, end and stall. Whatever it is, each line must
 * be one that a reader understands, no number may be negative, time never runs back, a
 * counter that ran backwards is 0, a missing figure is never a number, and the run gives
 * back all that it took.
 */
#define _GNU_SOURCE
#include "../../monitor/session.h"
#include "../../monitor/wake.h"
#include "../doubles/scripted_platform.h"
#include "../story/record.h"
#include "fuzz.h"

#include <heartline/scope.h>

#include <stddef.h>
#include <string.h>

#define MONITOR_TID 99
#define MAIN_TID 100
#define FIRST_TID 200
#define THREADS 6
#define MOST_TURNS 200

static struct fuzz_input input;
static struct hl_session session;
static unsigned turns;
static int depth;
static scope_progress progress;

/* As the heartbeats tell it. */
static double elapsed;
static uint64_t least_cpu_ns; /* of the process, at any heartbeat so far */

/* ---- what the lines say ------------------------------------------------------------------ */

static void meet_numbers(const json_t *json)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
        MUST(!json_is_number(value) || json_number_value(value) >= 0, "%s is negative", key);
}

static bool is_missing(enum hl_plat_key key)
{
    return scripted.missing[key] != NULL;
}

static void meet_known(const struct record *record, enum hl_plat_key figure, const char *key)
{
    const json_t *value = json_object_get(record->json, key);
    MUST(value && (!is_missing(figure) || json_is_null(value)), "%s is missing, but said", key);
}

static void meet_beat(const struct record *record)
{
    double now = record_number(record, "elapsed_ms");
    MUST(now >= elapsed, "time runs back from %g to %g", elapsed, now);
    elapsed = now;
    meet_known(record, HL_PLAT_CPU, "cpu_cores");
    meet_known(record, HL_PLAT_RSS, "rss_bytes");
    meet_known(record, HL_PLAT_VM, "vm_bytes");
    meet_known(record, HL_PLAT_THREADS, "threads");
    meet_known(record, HL_PLAT_IO, "read_bytes");
    meet_known(record, HL_PLAT_IO, "written_bytes");
    uint64_t cpu_ns = scripted.process.cpu_ns;
    double cores = record_number(record, "cpu_cores");
    MUST(cpu_ns > least_cpu_ns || cores <= 0, "%g cores, but it ran backwards", cores);
    least_cpu_ns = cpu_ns < least_cpu_ns ? cpu_ns : least_cpu_ns;
}

static void take_line(void *data, enum monitor_level level, const char *line, size_t length)
{
    struct record record;
    (void)data, (void)level;
    MUST(strlen(line) == length, "not terminated at its length");
    const char *trouble = record_read(&record, 1, line, length);
    MUST(!trouble, "%s: %s", trouble, line);
    if (record.json) {
        meet_numbers(record.json);
        if (strcmp(record.word, "beat") == 0)
            meet_beat(&record);
    }
    record_free(&record);
}

/* ---- what happens between two wake-ups ------------------------------------------------------- */

static struct scripted_thread *some_thread(void)
{
    return scripted_thread(FIRST_TID + fuzz_below(&input, THREADS));
}

static void change_process(void)
{
    uint64_t *const figures[] = {
        &scripted.process.cpu_ns,         &scripted.process.rss_bytes,
        &scripted.process.peak_rss_bytes, &scripted.process.vm_bytes,
        &scripted.process.threads,        &scripted.process.read_bytes,
        &scripted.process.written_bytes,  &scripted.process.age_ns,
        &scripted.limits.memory_bytes,    &scripted.busy_milli,
        &scripted.throttled_ns,
    };
    *figures[fuzz_below(&input, sizeof figures / sizeof figures[0])] = fuzz_number(&input);
}

static void change_limits(void)
{
    scripted.limits.cores_milli = (uint32_t)fuzz_number(&input);
    scripted.limits.quota_milli = (uint32_t)fuzz_number(&input);
}

static void change_thread(void)
{
    struct scripted_thread *thread = some_thread();
    uint64_t *const figures[] = {&thread->cpu_ns,         &thread->state.on_core_ns,
                                 &thread->state.age_ns,   &thread->state.run_delay_ns,
                                 &thread->state.switches, &thread->state.start,
                                 &thread->busy_milli,     &thread->delay_milli,
                                 &thread->sleeps};
    *figures[fuzz_below(&input, sizeof figures / sizeof figures[0])] = fuzz_number(&input);
}

static void change_main(void)
{
    struct scripted_thread *thread = scripted_thread(MAIN_TID);
    static const char states[] = "RSDTtZXI";
    thread->state.state = states[fuzz_below(&input, 8)];
    thread->state.on_core_ns = fuzz_number(&input);
    thread->state.run_delay_ns = fuzz_number(&input);
    thread->cpu_ns = fuzz_number(&input);
}

static void rename_thread(void)
{
    struct scripted_thread *thread = some_thread();
    fuzz_text(&input, thread->name, sizeof thread->name);
    thread->state.state = (char)fuzz_byte(&input);
}

static void hide_or_show(void)
{
    enum hl_plat_key key = (enum hl_plat_key)fuzz_below(&input, HL_PLAT_KEYS);
    scripted_missing(key, fuzz_bool(&input) ? "not readable" : NULL);
}

static void hide_of_thread(void)
{
    struct scripted_thread *thread = some_thread();
    uint8_t which = fuzz_byte(&input);
    thread->cpu_unknown = which & 1;
    thread->name_unknown = which & 2;
    thread->state_unknown = which & 4;
    thread->state.times_known = which & 8;
    thread->state.start_known = which & 16;
}

static void end_thread(void)
{
    scripted_thread_gone(FIRST_TID + fuzz_below(&input, THREADS));
}

static void push(void)
{
    char label[HL_LABEL_BYTES];
    fuzz_text(&input, label, sizeof label);
    if (depth == HL_DEPTH + 4)
        return;
    depth++;
    scope_push(label);
}

static void push_progress(void)
{
    if (depth == HL_DEPTH + 4)
        return;
    depth++;
    progress = scope_push_progress("counted", fuzz_number(&input));
}

static void pop(void)
{
    depth -= depth > 0;
    scope_pop();
}

static void move_progress(void)
{
    uint64_t n = fuzz_number(&input);
    if (fuzz_bool(&input))
        scope_progress_add(progress, n);
    else
        scope_progress_set(progress, n, fuzz_number(&input));
}

static void set_limit(void)
{
    scope_expect(fuzz_number(&input));
}

static void ask_for_beat(void)
{
    session.beat_requested = true;
}

static void jump_wall_clock(void)
{
    scripted.wall_ms = fuzz_number(&input);
}

static void lag(void)
{
    scripted.coarse_lag_ns = fuzz_number(&input) % scripted.coarse_tick_ns;
}

/* The sleep: things happen, then time passes, perhaps more than was asked for. */
static void sleep_on(void *data, uint64_t timeout_ns, struct hl_plat_wait *wait)
{
    static void (*const changes[])(void) = {
        change_process,  change_process, change_limits, change_thread,
        change_main,     rename_thread,  hide_or_show,  hide_of_thread,
        end_thread,      push,           push_progress, pop,
        move_progress,   set_limit,      ask_for_beat,  lag,
        jump_wall_clock,
    };
    (void)data;
    for (unsigned i = fuzz_below(&input, 8); i > 0 && fuzz_left(&input) > 0; i--)
        changes[fuzz_below(&input, sizeof changes / sizeof changes[0])]();
    uint8_t how = fuzz_byte(&input);
    uint64_t more = how & 1 ? fuzz_number(&input) % (400 * SCRIPTED_S) : 0;
    scripted_advance(timeout_ns + more);
    if (how & 2) {
        wait->stopped_ns = more;
        wait->stopped_by = "stopped";
    } else if (how & 4) {
        wait->starved_ns = more;
    }
    if (++turns == MOST_TURNS || fuzz_left(&input) == 0)
        session.stop_requested = true;
}

/* ---- one input ---------------------------------------------------------------------------------- */

/* All but the text that its log would be in. */
static void reset_platform(void)
{
    static char first[offsetof(struct scripted, log)];
    static bool is_kept;
    if (!is_kept)
        memcpy(first, &scripted, sizeof first);
    is_kept = true;
    memcpy((void *)&scripted, first, sizeof first);
    for (uint64_t i = 0; i < THREADS; i++)
        scripted_thread_gone(FIRST_TID + i);
    scripted_thread_gone(MAIN_TID);
    scripted_thread_gone(MONITOR_TID);
    scripted.main_thread_id = MAIN_TID;
    scripted.process_id = 4242;
    scripted.wait_hook = sleep_on;
    scripted_thread(MONITOR_TID)->state.state = 'R';
    scripted_thread(MAIN_TID)->state.state = 'S';
}

static void end_all_scopes(void)
{
    struct hl_record *record = hl_registry_self();
    if (hl_is_record(record))
        hl_scope_clear(record, false);
    depth = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    monitor_options options;
    input = fuzz_over(data, size);
    reset_platform();
    monitor_options_default(&options);
    options.interval_ms = 10000;
    options.stall_ms = 20000;
    options.format = fuzz_bool(&input) ? MONITOR_TEXT : MONITOR_JSON;
    options.sink = take_line;
    elapsed = 0;
    turns = 0;
    least_cpu_ns = scripted.process.cpu_ns;
    progress = (scope_progress){0};
    scripted_be_thread(MAIN_TID);
    scope_push("main");
    depth = 1;
    int mapped = scripted.mapped;
    memset(&session, 0, sizeof session);
    MUST(hl_session_open(&session, &options) == 0, "no session");
    hl_wake_target(session.plat);
    hl_session_begin(&session);
    while (hl_session_turn(&session))
        continue;
    hl_session_end(&session);
    hl_wake_target(NULL);
    hl_session_close(&session);
    MUST(scripted.mapped == mapped && scripted.handles == 0, "%d mapped, not %d; %d handles",
         scripted.mapped, mapped, scripted.handles);
    end_all_scopes();
    return 0;
}
