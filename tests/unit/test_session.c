/* tests/unit/test_session.c - whole runs of the monitor under a fake clock. */
#define _GNU_SOURCE
#include "../../monitor/departures.h"
#include "../sanitize/has.h"
#include "story.h"

#include <errno.h>
#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(session, .init = story_set_up);

static const struct story_line *beat(size_t n)
{
    return story_find("beat", n);
}

static double decimal(const struct story_line *line, const char *key)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":", key);
    const char *found = strstr(line->text, wanted);
    return found ? strtod(found + strlen(wanted), NULL) : NAN;
}

static void be_busy(uintptr_t milli)
{
    scripted.busy_milli = milli;
}

/* ---- start and stop ------------------------------------------------------------------ */

Test(session, a_run_begins_with_its_settings_and_ends_with_its_totals)
{
    story.options.format = MONITOR_TEXT;
    story.options.tag = "billing";
    scripted.process_id = 4242;
    scripted.program_name = "payroll";
    scripted.process.peak_rss_bytes = 1536 << 20;
    scripted.process.cpu_ns = 99 * S;
    scripted_thread(STORY_MONITOR_TID)->cpu_ns = 210 * MS;
    be_busy(2000);
    story_run(150 * S);
    const struct story_line *start = story_find("start", 0), *stop = story_find("stop", 0);
    story_expect_has(start, "[heartline 4242] start tag=billing version=");
    story_expect_has(
        start, "platform=scripted program=payroll interval=1m00s stall=2m00s format=text cores=8 "
               "phase_lines=8 busy_lines=3 stall_lines=10 clock=coarse fork=off "
               "log=callback stacks=passive");
    story_expect_has(stop, "elapsed=2m30s cpu_seconds=300.0 peak_rss=1.5GiB beats=2 stalls=0 "
                           "stalled_total=0.0s longest_stall=0.0s dropped=0 self_cpu=0.21s");
    cr_expect_eq(start, &story.lines[0]);
    cr_expect_eq(stop, &story.lines[story.line_count - 1]);
    cr_expect_eq(scripted.handles, 0);
    cr_expect_leq(scripted.mapped, 2, "only the records are left, which are never unmapped");
}

Test(session, what_it_took_is_given_back)
{
    story_push(0, 1, "work");
    story_progress(0, 2, "counts", 0);
    story_pop(500 * S, 2);
    story_pop(500 * S, 1);
    story_run(600 * S);
    int mapped = scripted.mapped;
    for (int i = 0; i < 5; i++) {
        story_push(0, 1, "work");
        story_pop(500 * S, 1);
        story_run(600 * S);
        cr_expect_eq(scripted.mapped, mapped);
    }
}

Test(session, settings_that_were_not_understood_are_notes)
{
    scripted_setenv("HEARTLINE_INTERVAL", "soon");
    story_run(1 * S);
    story_expect_has(story_find("note", 0), "\"variable\":\"HEARTLINE_INTERVAL\"");
    story_expect_has(story_find("note", 0), "\"value\":\"soon\"");
    story_expect_has(story_find("note", 0), "\"used\":\"1m00s\"");
    story_expect_has(story_find("note", 0), "24h");
}

Test(session, so_is_a_value_of_the_switch_itself)
{
    scripted_setenv("HEARTLINE", "perhaps");
    story_run(1 * S);
    story_expect_count("note", 1);
    story_expect_has(story_find("note", 0), "\"variable\":\"HEARTLINE\"");
    story_expect_has(story_find("note", 0), "\"used\":\"on\"");
}

Test(session, off_opens_nothing)
{
    scripted_setenv("HEARTLINE", "off");
    cr_expect_eq(hl_session_open(&story_session, &story.options), 0);
    cr_expect(story_session.config.off);
    cr_expect_eq(scripted.handles, 0);
    cr_expect_eq(scripted.mapped, 0);
}

Test(session, bad_options_are_an_error)
{
    story.options.interval_ms = 9;
    cr_expect_eq(hl_session_open(&story_session, &story.options), -EINVAL);
}

Test(session, without_a_platform_there_is_no_session)
{
    scripted.open_fails = true;
    story.options.sink = NULL;
    cr_expect_eq(hl_session_open(&story_session, &story.options), -ENOMEM);
    cr_expect_eq(scripted.logs_open, 0);
}

Test(session, a_log_that_cannot_be_had_is_an_error_when_the_program_asked_for_it)
{
    story.options.sink = NULL;
    story.options.log_path = "/nowhere/run.log";
    scripted.opens.preset = -ENOENT;
    cr_expect_eq(hl_session_open(&story_session, &story.options), -ENOENT);
}

Test(session, a_log_that_cannot_be_had_is_a_note_when_the_operator_asked_for_it)
{
    scripted_setenv("HEARTLINE_LOG", "/nowhere/run.log");
    scripted_next_open(-ENOENT);
    story_run(1 * S);
    const struct story_line *note = story_find("note", 0);
    story_expect_has(note, "\"variable\":\"HEARTLINE_LOG\"");
    story_expect_has(note, "\"value\":\"/nowhere/run.log\"");
    story_expect_has(note, "\"used\":\"callback\"");
    story_expect_has(note, "\"reason\":\"no such file or directory\"");
}

Test(session, then_the_programs_own_log_is_used)
{
    scripted_setenv("HEARTLINE_LOG", "/nowhere/run.log");
    story.options.sink = NULL;
    story.options.log_path = "/var/log/own.log";
    scripted_next_open(-ENOENT);
    story_run(1 * S);
    cr_expect_str_eq(scripted.log_path, "/var/log/own.log");
    cr_expect_not_null(strstr(scripted.log, "\"used\":\"/var/log/own.log\""));
    cr_expect_eq(scripted.logs_open, 0);
}

Test(session, a_signal_that_was_not_taken_is_a_note)
{
    story_at(1 * S, 0, story_do_end);
    story_open();
    story_session.signal_note = "the program handles this signal itself";
    hl_session_begin(&story_session);
    story_close();
    story_expect_has(story_find("note", 0), "HEARTLINE_SIGNAL");
}

Test(session, it_can_be_opened_again_with_what_was_resolved_before)
{
    static struct hl_session again;
    story.options.tag = "billing";
    story.options.sink = NULL;
    story.options.log_path = "/tmp/x.log";
    story_open();
    cr_expect_eq(hl_session_open_again(&again, &story_session.config), 0);
    cr_expect_eq(again.config.options.interval_ms, 60000);
    cr_expect_str_eq(again.config.tag, "billing");
    cr_expect_eq(again.config.options.tag, again.config.tag, "it points at nothing of the old one");
    cr_expect_eq(again.config.options.log_path, again.config.log_path);
    hl_session_abandon(&again);
    cr_expect_eq(scripted.logs_open, 1);
    story_close();
    cr_expect_eq(scripted.handles, 0);
    cr_expect_eq(scripted.logs_open, 0);
}

Test(session, scopes_read_the_clock_that_was_chosen)
{
    const int chosen[] = {MONITOR_CLOCK_COARSE, MONITOR_CLOCK_PRECISE};
    for (size_t i = 0; i < 2; i++) {
        hl_plat_time_scopes_precisely(i == 1);
        int wanted = hl_plat_scope_clock.clock;
        hl_plat_time_scopes_precisely(i != 1);
        story.options.clock = chosen[i];
        story_open();
        cr_expect_eq(hl_plat_scope_clock.clock, wanted);
        story_close();
    }
}

Test(session, a_child_without_a_log_has_no_session)
{
    static struct hl_session again;
    story_open();
    story_session.config.log_from_env = true;
    story_session.config.options.sink = NULL;
    scripted.opens.preset = -EACCES;
    cr_expect_eq(hl_session_open_again(&again, &story_session.config), -EACCES);
    cr_expect_eq(scripted.handles, 1);
    story_close();
}

/* ---- figures of a heartbeat --------------------------------------------------------------- */

Test(session, the_first_heartbeat_has_a_cpu_figure)
{
    be_busy(6800);
    scripted.process.cpu_ns = 12345 * S; /* before the start: not of this window */
    story_run(61 * S);
    cr_expect_float_eq(decimal(beat(0), "cpu_cores"), 6.8, 0.001);
    cr_expect_float_eq(decimal(beat(0), "cpu_limit_cores"), 8, 0.001);
    story_expect_number(beat(0), "window_ms", 60000);
    story_expect_number(beat(0), "elapsed_ms", 60000);
}

Test(session, the_window_is_the_one_that_really_passed)
{
    be_busy(1000);
    story_starved(59 * S, 31 * S);
    story_run(200 * S);
    story_expect_number(beat(0), "window_ms", 90000);
    cr_expect_float_eq(decimal(beat(0), "cpu_cores"), 1.0, 0.001);
    story_expect_number(beat(1), "window_ms", 30000);
    story_expect_number(beat(2), "window_ms", 60000);
}

Test(session, the_figures_of_the_process_are_shown)
{
    scripted.limits.cores_milli = 1500;
    scripted.limits.memory_bytes = 4096;
    scripted.process = (struct hl_plat_process){.rss_bytes = 1001,
                                                .peak_rss_bytes = 1002,
                                                .vm_bytes = 1003,
                                                .threads = 12,
                                                .read_bytes = 1004,
                                                .written_bytes = 1005};
    story_run(61 * S);
    story_expect_number(beat(0), "rss_bytes", 1001);
    story_expect_number(beat(0), "rss_limit_bytes", 4096);
    story_expect_number(beat(0), "peak_rss_bytes", 1002);
    story_expect_number(beat(0), "vm_bytes", 1003);
    story_expect_number(beat(0), "threads", 12);
    story_expect_number(beat(0), "read_bytes", 1004);
    story_expect_number(beat(0), "written_bytes", 1005);
    cr_expect_float_eq(decimal(beat(0), "cpu_limit_cores"), 1.5, 0.001);
    story_expect_count("unavailable", 0);
}

static void change_limits(uintptr_t cores_milli)
{
    scripted.limits.cores_milli = (uint32_t)cores_milli;
}

Test(session, limits_are_read_again_now_and_then)
{
    story_call(70 * S, change_limits, 2000);
    story_run(190 * S);
    cr_expect_float_eq(decimal(beat(0), "cpu_limit_cores"), 8, 0.001);
    cr_expect_float_eq(decimal(beat(1), "cpu_limit_cores"), 2, 0.001);
}

Test(session, an_unknown_figure_is_unknown_and_its_reason_is_said_once)
{
    for (int key = 0; key < HL_PLAT_KEYS; key++)
        scripted_missing((enum hl_plat_key)key, "no such thing here");
    story_push(0, 1, "work");
    story_run(601 * S);
    static const char *const keys[] = {"cpu_cores",       "cpu_limit_cores", "rss_bytes",
                                       "rss_limit_bytes", "peak_rss_bytes",  "vm_bytes",
                                       "threads",         "read_bytes",      "written_bytes"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char unknown[64];
        snprintf(unknown, sizeof unknown, "\"%s\":null", keys[i]);
        story_expect_has(beat(0), unknown);
        story_expect_has(beat(5), unknown);
    }
    static const char *const said[] = {"cpu",      "cores", "rss",        "rss_limit",
                                       "peak_rss", "vm",    "threads",    "read",
                                       "written",  "busy",  "thread_cpu", "state"};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        char key[64];
        snprintf(key, sizeof key, "\"key\":\"%s\"", said[i]);
        cr_expect_eq(story_count_with("unavailable", key), 1, "%s", key);
    }
    story_expect_count("unavailable", 12);
    story_expect_has(story_find("phase", 0), "\"cpu\":null");
    story_expect_has(story_find("phase", 0), "\"state\":null");
    story_expect_has(story_find("stop", 0), "\"cpu_seconds\":null");
    story_expect_has(story_find("stop", 0), "\"self_cpu_ms\":null");
}

Test(session, of_a_thread_whose_state_is_unknown_nothing_is_left_out_and_one_reason_will_do)
{
    scripted_missing(HL_PLAT_THREAD_STATE, "/proc is not mounted");
    scripted_missing(HL_PLAT_SYSCALL, "/proc is not mounted");
    story_push(0, 1, "work");
    story_run(150 * S);
    story_expect_has(story_find("STALL", 0), "\"state\":null,\"syscall\":null,\"wait\":null,");
    story_expect_has(story_find("STALL", 0), "\"wchan\":null");
    story_expect_count("unavailable", 1);
    story_expect_has(story_find("unavailable", 0), "\"key\":\"state\"");
}

Test(session, without_a_list_the_share_of_a_thread_has_a_reason_too)
{
    scripted_missing(HL_PLAT_THREAD_LIST, "no list here");
    story.options.stall_ms = 0;
    story_push(0, 1, "work");
    story_run(301 * S);
    story_expect_has(story_find("phase", 0), "\"cpu\":null");
    story_expect_count("unavailable", 2);
    story_expect_has(story_find_with("unavailable", "\"key\":\"busy\"", 0), "no list here");
    story_expect_has(story_find_with("unavailable", "\"key\":\"thread_cpu\"", 0), "no list here");
}

Test(session, a_second_best_figure_is_shown_and_a_note_says_so_once)
{
    scripted.process.approximate = HL_KNOWN(HL_PLAT_CPU);
    story_run(601 * S);
    story_expect_count("unavailable", 0);
    story_expect_count("note", 1);
    story_expect_has(story_find("note", 0), "\"approximate\":true,\"key\":\"cpu\",\"reason\":");
    story_expect_lacks(beat(0), "\"cpu_cores\":null");
}

static void miss_rss(uintptr_t reason)
{
    scripted_missing(HL_PLAT_RSS, (const char *)reason);
}

Test(session, a_new_reason_is_said_again)
{
    static const char first[] = "too many open files", second[] = "permission denied";
    story_call(70 * S, miss_rss, (uintptr_t)first);
    story_call(190 * S, miss_rss, 0);
    story_call(310 * S, miss_rss, (uintptr_t)second);
    story_run(600 * S);
    story_expect_count("unavailable", 2);
    story_expect_has(story_find("unavailable", 0), first);
    story_expect_has(story_find("unavailable", 1), second);
    story_expect_number(beat(0), "rss_bytes", 0);
    story_expect_has(beat(1), "\"rss_bytes\":null");
    story_expect_number(beat(3), "rss_bytes", 0);
}

Test(session, what_only_the_start_line_lacks_has_a_reason)
{
    scripted_missing(HL_PLAT_CORES, "no such thing here");
    story_run(10 * S);
    story_expect_count("beat", 0);
    story_expect_has(story_find("start", 0), "\"cores\":null");
    story_expect_count("unavailable", 1);
    story_expect_has(story_find("unavailable", 0), "\"key\":\"cores\"");
}

static void miss_peak(uintptr_t unused)
{
    (void)unused;
    scripted_missing(HL_PLAT_PEAK_RSS, "too many open files");
}

Test(session, what_only_the_stop_line_lacks_has_a_reason)
{
    story_call(130 * S, miss_peak, 0);
    story_run(150 * S);
    story_expect_count("unavailable", 1);
    story_expect_has(story_find("unavailable", 0), "\"key\":\"peak_rss\"");
}

Test(session, a_thread_that_has_just_gone_is_no_reason_to_call_its_figures_unavailable)
{
    story_push(0, 1, "work");
    story_call(10 * S, scripted_thread_gone, 5001);
    story_run(61 * S);
    story_expect_has(story_find("phase", 0), "\"cpu\":null");
    story_expect_count("unavailable", 0);
}

/* ---- schedule --------------------------------------------------------------------------------- */

Test(session, heartbeats_do_not_drift)
{
    story.options.interval_ms = 1000;
    story.options.stall_ms = 0;
    for (unsigned i = 0; i < 50; i++)
        story_starved(i * S + 900 * MS, 100 * MS + i * 7 * MS);
    story_run(100 * S + 1);
    story_expect_count("beat", 100);
    for (size_t i = 50; i < 100; i++)
        cr_expect_eq(beat(i)->at_ns, (i + 1) * S);
}

Test(session, heartbeats_that_were_missed_are_not_made_up)
{
    story_starved(30 * S, 10 * MINUTE);
    story_run(15 * MINUTE + 1);
    cr_expect_eq(beat(0)->at_ns, 10 * MINUTE + 30 * S);
    cr_expect_eq(beat(1)->at_ns, 11 * MINUTE);
    story_expect_count("beat", 6);
    story_expect_number(beat(0), "late_ms", 600000);
    story_expect_number(beat(1), "late_ms", STORY_NONE);
}

Test(session, the_schedule_is_in_active_time)
{
    story_stopped(30 * S, HOUR, "stopped");
    story_run(3 * MINUTE + 1);
    story_expect_count("beat", 3);
    cr_expect_eq(beat(0)->at_ns, 1 * MINUTE);
    cr_expect_eq(beat(2)->at_ns, 3 * MINUTE);
    story_expect_number(beat(0), "late_ms", STORY_NONE);
    story_expect_number(beat(0), "elapsed_ms", 60000);
}

Test(session, it_sleeps_until_something_is_due_and_does_not_poll)
{
    story_run(HOUR + 1);
    cr_expect_leq(story.turns, 122, "60 heartbeats, a look at every half minute, the end");
    story.options.stall_ms = 0;
    story_run(HOUR + 1);
    cr_expect_leq(story.turns, 62);
}

Test(session, it_looks_at_most_every_ten_milliseconds)
{
    story_push(0, 1, "short");
    story_expect(0, 1, 10 * MS);
    story_run(10 * S);
    cr_expect_leq(story.turns, 1020);
    cr_expect_geq(story.turns, 990, "a limit of 10 ms asks for a look at every 10 ms");
}

Test(session, a_starved_monitor_says_how_late_it_was)
{
    story_starved(59 * S, 4200 * MS);
    story_starved(100 * S, 21 * S); /* to 121 s: a second after what was planned */
    story_starved(149 * S, 1 * S + 50 * MS);
    story_run(400 * S);
    story_expect_number(beat(0), "late_ms", 3200);
    story_expect_number(beat(1), "late_ms", 1000);
    story_expect_number(beat(2), "late_ms", STORY_NONE);
}

static void write_slowly(void *data, enum monitor_level level, const char *line, size_t length)
{
    story_keep_line(data, level, line, length);
    if (strstr(line, "\"elapsed_ms\":60000"))
        story_move_to(scripted.now_ns + 90 * S);
}

Test(session, a_slow_reader_delays_the_monitor_and_nothing_else)
{
    story.options.sink = write_slowly;
    story_run(300 * S);
    cr_expect_eq(beat(0)->at_ns, 60 * S);
    cr_expect_eq(beat(1)->at_ns, 150 * S);
    cr_expect_eq(beat(2)->at_ns, 180 * S);
    story_expect_number(beat(1), "late_ms", 60000); /* it would have looked at 90 s */
    story_expect_number(beat(1), "window_ms", 90000);
}

/* ---- the extra heartbeat ------------------------------------------------------------------------- */

static void ask(uintptr_t unused)
{
    (void)unused;
    story_session.beat_requested = true;
    hl_plat_wake(story_session.plat);
}

Test(session, an_extra_heartbeat_comes_at_once_and_resets_nothing)
{
    be_busy(1000);
    scripted_thread(5001);
    story_pop(1 * S, 1);
    story_progress(2 * S, 2, "counts", 1000);
    for (unsigned i = 1; i <= 5; i++)
        story_set(i * 60 * S - 10 * S, 2, 100 * i, 1000);
    for (unsigned i = 0; i < 40; i++)
        story_call(61 * S + i * S, ask, 0);
    story_run(301 * S);
    story_expect_count("beat", 45);
    const struct story_line *first_extra = beat(1), *regular = beat(41);
    cr_expect_eq(first_extra->at_ns, 61 * S);
    story_expect_number(first_extra, "window_ms", 1000);
    story_expect_number(beat(40), "window_ms", 40000);
    cr_expect_float_eq(decimal(beat(40), "cpu_cores"), 1.0, 0.001);
    cr_expect_eq(regular->at_ns, 120 * S);
    story_expect_number(regular, "window_ms", 60000);
    story_expect_number(beat(0), "unbalanced", 1);
    story_expect_number(first_extra, "unbalanced", STORY_NONE);
    cr_expect_eq(story_number(regular, "rate_per_s"), STORY_NONE, "two samples, not forty");
    story_expect_number(beat(42), "rate_per_s", 1);
    story_expect_number(story_find("stop", 0), "beats", 5);
}

Test(session, losses_are_shown_in_an_extra_heartbeat_and_stay_for_the_regular_one)
{
    story_pop(1 * S, 1);
    story_call(2 * S, ask, 0);
    story_run(121 * S);
    story_expect_number(beat(0), "unbalanced", 1);
    story_expect_number(beat(1), "unbalanced", 1);
    story_expect_number(beat(2), "unbalanced", STORY_NONE);
}

Test(session, an_extra_heartbeat_has_every_phase_line)
{
    for (unsigned i = 1; i <= 20; i++)
        story_push(i * MS, i, "work");
    story_call(10 * S, ask, 0);
    story_call(60 * S, ask, 0); /* at the time of the regular one */
    story_run(61 * S);
    story_expect_count("beat", 2);
    story_expect_count("phase", 40);
    cr_expect_eq(story_count_with("phase", "omitted"), 0);
}

Test(session, one_that_was_asked_for_just_before_the_stop_is_written)
{
    story_call(10 * S, ask, 0);
    story_run(10 * S);
    story_expect_count("beat", 1);
}

/* ---- phases ------------------------------------------------------------------------------------------ */

Test(session, phase_lines_are_capped_but_for_the_main_thread_and_stalled_ones)
{
    for (unsigned i = 1; i <= 20; i++)
        story_push(i * S, i, "work");
    story_push(50 * S, 0, "main");
    story_push(21 * S, 21, "stalled");
    story_expect(21 * S, 21, 10 * S);
    story_run(61 * S);
    cr_expect_eq(story_count("phase"), 11);
    cr_expect_eq(story_count_with("phase", "\"work\""), 8);
    cr_expect_eq(story_count_with("phase", "main"), 1);
    cr_expect_eq(story_count_with("phase", "stalled"), 1);
    story_expect_number(story_find_with("phase", "omitted", 0), "omitted", 12);
    for (size_t i = 0; i < 8; i++)
        story_expect_number(story_find("phase", i), "thread_tid", 5001 + i);
    story_expect_number(beat(0), "instrumented", 22);
    story_expect_number(beat(0), "stalled", 1);
    story_expect_number(beat(0), "waiting", STORY_NONE);
}

Test(session, a_phase_line_says_what_its_thread_does)
{
    scripted_thread(5001)->busy_milli = 250;
    story_push(5 * S, 1, "outer");
    story_push(10 * S, 1, "gone");
    story_pop(55 * S, 1);
    story_progress(20 * S, 2, "counts", 40);
    story_set(21 * S, 2, 10, 40);
    story_run(61 * S);
    const struct story_line *phase = story_find("phase", 0);
    story_expect_has(phase, "\"innermost\":\"outer\"");
    story_expect_has(phase, "\"thread_name\":\"worker-1\"");
    story_expect_number(phase, "depth", 1);
    story_expect_number(phase, "in_ms", 55000);
    story_expect_number(phase, "updated_ms", 5000);
    cr_expect_float_eq(decimal(phase, "cpu"), 0.25, 0.001);
    story_expect_has(phase, "\"state\":\"S\"");
    story_expect_number(story_find("phase", 1), "progress_current", 10);
    story_expect_number(story_find("phase", 1), "percent", 25);
    story_expect_number(story_find("phase", 1), "updated_ms", 30000);
}

static void rename_worker(uintptr_t unused)
{
    (void)unused;
    strcpy(scripted_thread(5001)->name, "compactor");
}

Test(session, names_are_refreshed)
{
    story_push(0, 1, "work");
    story_call(70 * S, rename_worker, 0);
    story_run(121 * S);
    story_expect_has(story_find("phase", 0), "worker-1");
    story_expect_has(story_find("phase", 1), "compactor");
}

Test(session, the_headline_is_work_and_never_waiting)
{
    story_idle(0, 1, "waits for a client");
    story_push(10 * S, 2, "older");
    story_push(20 * S, 3, "younger");
    story_pop(65 * S, 2);
    story_pop(125 * S, 3);
    story_run(181 * S);
    story_expect_has(beat(0), "\"active\":\"older\",\"for_ms\":50000");
    story_expect_has(beat(1), "\"active\":\"younger\"");
    story_expect_has(beat(2), "\"active\":null");
    story_expect_lacks(beat(2), "for_ms");
    story_expect_number(beat(2), "instrumented", 1);
    story_expect_number(beat(2), "waiting", 1);
}

Test(session, busy_threads_outside_any_scope_are_shown)
{
    static const uint64_t milli[] = {900, 49, 60, 300, 400, 1000};
    for (unsigned i = 0; i < 6; i++)
        scripted_thread(300 + i)->busy_milli = milli[i];
    scripted_thread(300)->state.state = 'R';
    strcpy(scripted_thread(300)->name, "gzip");
    story_push(0, 1, "work");
    scripted_thread(5001)->busy_milli = 1000;
    story_run(61 * S);
    story_expect_count("busy", 3);
    story_expect_number(story_find("busy", 0), "thread_tid", 305);
    story_expect_number(story_find("busy", 1), "thread_tid", 300);
    story_expect_has(story_find("busy", 1), "\"thread_name\":\"gzip\"");
    story_expect_has(story_find("busy", 1), "\"state\":\"R\"");
    story_expect_number(story_find("busy", 2), "thread_tid", 304);
}

Test(session, busy_lines_can_be_switched_off)
{
    scripted_thread(300)->busy_milli = 1000;
    story.options.busy_lines = 0;
    story_run(61 * S);
    story_expect_count("busy", 0);
}

/* ---- progress ------------------------------------------------------------------------------------------- */

Test(session, a_rate_and_an_eta_come_from_three_samples_on)
{
    story_progress(0, 1, "copy", 1000);
    for (unsigned i = 1; i <= 5; i++)
        story_set(i * 60 * S - 1 * S, 1, 120 * i, i == 4 ? 1000 : 1000);
    story_run(361 * S);
    story_expect_number(beat(0), "progress_current", 120);
    story_expect_number(beat(0), "percent", 12);
    story_expect_number(beat(1), "rate_per_s", STORY_NONE);
    story_expect_number(beat(2), "rate_per_s", 2);
    story_expect_number(beat(2), "eta_ms", 320000);
    story_expect_number(beat(5), "rate_per_s", STORY_NONE);
    story_expect_number(beat(5), "eta_ms", STORY_NONE);
    story_expect_number(beat(5), "idle_for_ms", 60000);
}

Test(session, a_total_that_grew_is_said_once)
{
    story_progress(0, 1, "copy", 1000);
    story_set(50 * S, 1, 10, 1000);
    story_set(70 * S, 1, 20, 2000);
    story_set(130 * S, 1, 30, 2000);
    story_run(181 * S);
    story_expect_lacks(beat(0), "total_grew");
    story_expect_has(beat(1), "\"total_grew\":true");
    story_expect_lacks(beat(2), "total_grew");
}

/* ---- losses ------------------------------------------------------------------------------------------------ */

static void push_too_deep(uintptr_t unused)
{
    (void)unused;
    for (int i = 0; i < 35; i++)
        scope_push("deep");
    for (int i = 0; i < 35; i++)
        scope_pop();
}

Test(session, each_loss_is_said_once_and_left_out_when_there_is_none)
{
    story_pop(10 * S, 1);
    story_call_on(11 * S, 2, push_too_deep, 0);
    story_block(12 * S, 3, "block");
    story_push(12 * S, 3, "forgotten");
    story_end_block(13 * S, 3);
    story_push(14 * S, 4, "open at the exit");
    story_exit(15 * S, 4);
    story_starved(59 * S, 2 * S);
    story_run(181 * S);
    story_expect_number(beat(0), "unbalanced", 1);
    story_expect_number(beat(0), "overflow", 3);
    story_expect_number(beat(0), "repaired", 1);
    story_expect_number(beat(0), "vanished", 1);
    story_expect_number(beat(0), "late_ms", 1000);
    story_expect_number(beat(0), "gone", 1);
    story_expect_number(beat(0), "dropped", STORY_NONE);
    static const char *const keys[] = {"unbalanced", "overflow", "repaired",
                                       "vanished",   "late",     "gone"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        story_expect_lacks(beat(1), keys[i]);
}

static void refuse(uintptr_t how)
{
    scripted.writes.preset = how ? -(ptrdiff_t)how : SCRIPTED_ALL;
}

static char *log_line(const char *after, const char *what)
{
    char *found = strstr(after ? after : scripted.log, what);
    cr_assert_not_null(found, "no %s in %s", what, scripted.log);
    return found;
}

Test(session, dropped_lines_are_said_by_the_first_heartbeat_that_gets_through)
{
    story.options.sink = NULL;
    story.options.format = MONITOR_TEXT;
    story_call(10 * S, refuse, EAGAIN);
    story_pop(70 * S, 1);
    story_idle(70 * S, 1, "waiting");
    story_call(200 * S, refuse, 0); /* beats at 60, 120 and 180 s, phases at 120 and 180 are lost */
    story_run(301 * S);
    cr_expect_eq(story_count("beat"), 0);
    char *beats = log_line(NULL, " beat elapsed=4m00s");
    char *end = strchr(beats, '\n');
    *end = '\0';
    cr_expect_not_null(strstr(beats, "dropped=5 unbalanced=1"), "%s", beats);
    char *note = log_line(end + 1, " note ");
    cr_expect_not_null(strstr(note, "dropped=5 reason=\"the reader is too slow\""), "%s", note);
    char *next = log_line(end + 1, " beat elapsed=5m00s");
    cr_expect_null(strstr(next, "unbalanced"), "%s", next);
    cr_expect_not_null(strstr(next, "dropped=5 self_cpu"), "in all: %s", next);
}

static void miss_vm(uintptr_t unused)
{
    (void)unused;
    scripted_missing(HL_PLAT_VM, "not here");
}

Test(session, a_reason_that_was_dropped_is_said_again)
{
    story.options.sink = NULL;
    story.options.format = MONITOR_TEXT;
    story_call(10 * S, refuse, EAGAIN);
    story_call(10 * S, miss_vm, 0);
    story_call(100 * S, refuse, 0);
    story_run(300 * S);
    char *first = log_line(NULL, "unavailable key=vm");
    cr_expect_null(strstr(first + 1, "unavailable"));
}

/* ---- threads that go ------------------------------------------------------------------------------------------- */

Test(session, a_thread_that_is_missing_twice_gives_its_record_back)
{
    story_push(0, 1, "work");
    story_call(70 * S, scripted_thread_gone, 5001);
    story_run(301 * S);
    story_expect_number(beat(1), "instrumented", 1);
    story_expect_number(beat(2), "instrumented", 1);
    story_expect_number(beat(3), "instrumented", 0);
    story_expect_number(beat(2), "vanished", 1);
    story_expect_number(beat(3), "vanished", STORY_NONE);
}

Test(session, one_that_was_not_stalled_goes_quietly)
{
    story.options.stall_ms = HOUR / MS;
    story_push(0, 1, "work");
    story_call(70 * S, scripted_thread_gone, 5001);
    story_run(2 * HOUR);
    story_expect_number(beat(2), "vanished", 1);
    story_expect_count("STALL", 0);
    story_expect_count("RECOVERED", 0);
}

static void lose_monitor(uintptr_t unused)
{
    (void)unused;
    scripted_thread_gone(STORY_MONITOR_TID);
}

Test(session, a_list_that_does_not_show_ourselves_proves_nothing)
{
    story_push(0, 1, "work");
    story_call(10 * S, scripted_thread_gone, 5001);
    story_call(10 * S, lose_monitor, 0);
    story_run(601 * S);
    story_expect_number(beat(9), "instrumented", 1);
    story_expect_number(beat(9), "vanished", STORY_NONE);
}

static void cut_list(uintptr_t total)
{
    scripted_thread(6000);
    scripted_thread_gone(5001);
    scripted.list_total = total;
    scripted.map_fails_at = 1;
    scripted.map_fails_on = true;
}

Test(session, a_list_that_was_cut_proves_nothing)
{
    story_push(0, 1, "work");
    story_call(130 * S, cut_list, 100000);
    story_run(601 * S);
    cr_expect_null(story_find_with("beat", "vanished", 0));
}

static void come_back(uintptr_t tid)
{
    scripted_thread(tid);
}

Test(session, a_thread_that_was_missing_once_is_left_alone)
{
    story_push(0, 1, "work");
    for (unsigned i = 0; i < 4; i++) {
        story_call(i * 120 * S + 61 * S, scripted_thread_gone, 5001);
        story_call(i * 120 * S + 121 * S, come_back, 5001);
    }
    story_run(601 * S);
    cr_expect_null(story_find_with("beat", "vanished", 0));
}

/* A thread outside any scope has used 10 s at the second heartbeat, and the one with its
 * number at the third heartbeat 25 s. */
static void use_10_s(uintptr_t tid)
{
    scripted_thread(tid)->cpu_ns = 10 * S;
}

static void use_25_s(uintptr_t tid)
{
    scripted_thread(tid)->cpu_ns = 25 * S;
}

static void replace(uintptr_t tid)
{
    scripted_thread_gone(tid);
    scripted_thread(tid)->state.age_ns = 1 * S;
    use_25_s(tid);
}

static double cores_at_180_s(void (*change)(uintptr_t tid))
{
    story_call(10 * S, use_10_s, 7001);
    story_call(130 * S, change, 7001);
    story_run(181 * S);
    const struct story_line *busy = story_find("busy", story_count("busy") - 1);
    story_expect_number(busy, "thread_tid", 7001);
    return decimal(busy, "cpu");
}

Test(session, a_thread_with_an_old_number_shows_all_that_it_used_itself)
{
    cr_expect_float_eq(cores_at_180_s(replace), 25 / 60.0, 0.01);
}

Test(session, the_same_thread_shows_what_it_used_since_the_last_heartbeat)
{
    cr_expect_float_eq(cores_at_180_s(use_25_s), 15 / 60.0, 0.01);
}

/* It ended without its destructors, and before it was missed its number was given away. */
Test(session, a_record_that_is_older_than_its_thread_is_given_back_and_not_shown)
{
    story_push(0, 1, "left behind");
    story_call(130 * S, replace, 5001);
    story_run(301 * S);
    cr_expect_eq(story_count("phase"), 2);
    story_expect_number(beat(3), "instrumented", 0);
    story_expect_number(beat(3), "vanished", 1);
}

/* ---- forked children --------------------------------------------------------------------------------------------- */

static void fork_child(uintptr_t pid)
{
    if (*story_session.forked_child == 0)
        *story_session.forked_child = pid;
}

Test(session, a_forked_child_is_said_once)
{
    story.options.format = MONITOR_TEXT;
    story_call(10 * S, fork_child, 777);
    story_call(70 * S, fork_child, 778);
    story_run(301 * S);
    story_expect_count("note", 1);
    story_expect_has(story_find("note", 0), "note forked child=777 unmonitored");
}

Test(session, a_child_that_is_monitored_is_not_said)
{
    story.options.fork = MONITOR_FORK_RESTART;
    story_call(10 * S, fork_child, 777);
    story_run(301 * S);
    story_expect_count("note", 0);
}

static uint64_t fork_and_abandon(void)
{
    size_t lines = story.line_count;
    pid_t child = fork();
    if (child == 0) {
        hl_session_abandon(&story_session);
        _exit(story.line_count != lines || scripted.handles != 0);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0, "it wrote, or left something open");
    return (uint64_t)child;
}

Test(session, a_child_tells_its_parent_that_it_is_not_monitored_and_writes_nothing)
{
    story_open();
    uint64_t first = fork_and_abandon();
    cr_expect_eq(*story_session.forked_child, first);
    fork_and_abandon();
    cr_expect_eq(*story_session.forked_child, first, "one is told, the first");
    story_close();
}

static pid_t forked_child = -1;
static size_t lines_at_fork;

static void fork_in_the_sink(void *data, enum monitor_level level, const char *line, size_t length)
{
    story_keep_line(data, level, line, length);
    if (forked_child != -1 || !strstr(line, "\"beat\""))
        return;
    lines_at_fork = story.line_count;
    forked_child = fork();
}

Test(session, a_child_that_is_forked_in_the_sink_says_nothing_more)
{
    story.options.sink = fork_in_the_sink;
    story_push(0, 0, "work");
    story_at(200 * S, 0, story_do_end);
    story_open();
    while (hl_session_turn(&story_session) && forked_child != 0)
        continue;
    if (forked_child == 0) {
        hl_session_turn(&story_session);
        hl_session_end(&story_session);
        _exit(story.line_count != lines_at_fork);
    }
    story_close();
    int status;
    cr_assert_eq(waitpid(forked_child, &status, 0), forked_child);
    cr_expect_eq(status, 0, "it wrote");
    story_expect_count("phase", 3);
}

Test(session, without_shared_memory_forks_are_not_noticed)
{
    scripted.map_fails_at = 1;
    scripted.map_fails_on = true;
    story_run(61 * S);
    story_expect_count("beat", 1);
    scripted.map_fails_at = 0;
    scripted.maps = 0;
    story_open();
    hl_plat_unmap((void *)story_session.forked_child, sizeof *story_session.forked_child);
    story_session.forked_child = NULL;
    hl_session_abandon(&story_session);
}

/* ---- the whole story of the manual ----------------------------------------------------------------------------------- */

Test(session, the_story_of_the_manual_in_text)
{
    story.options.format = MONITOR_TEXT;
    scripted.process_id = 4242;
    be_busy(1000);
    story_push(1 * S, 1, "epoch 3");
    story_progress(2 * S, 1, "write checkpoint", 0);
    story_set(61 * S, 1, 350, 1000);
    story_pop(62 * S + 320 * S, 1);
    story_pop(62 * S + 320 * S, 1);
    story_run(500 * S);
    const struct story_line *stall = story_find("STALL", 0);
    story_expect_has(stall, "[heartline 4242] STALL id=1 thread=5001/worker-1 "
                            "phase=\"write checkpoint\" path=\"epoch 3 > write checkpoint\" "
                            "stuck=2m00s limit=2m00s progress=350/1000 idle_for=2m00s "
                            "verdict=blocked cpu=0.00 run_delay=0.00 state=S");
    story_expect_has(beat(2), "active=\"write checkpoint\" for=2m58s progress=350/1000 percent=35 "
                              "idle_for=1m30s");
    story_expect_has(story_find("RECOVERED", 0),
                     "RECOVERED id=1 thread=5001/worker-1 phase=\"write checkpoint\" stuck=4m52s");
    story_expect_has(story_find("stop", 0), "stalls=1 stalled_total=4m52s longest_stall=4m52s");
}

/* ---- the monitor allocates nothing ------------------------------------------------------------------------------------ */

static _Thread_local volatile bool counts_allocations;
static _Atomic uint64_t allocations;

#if HAS_ADDRESS_SANITIZER
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
static void on_malloc(const volatile void *memory, size_t size)
{
    (void)memory;
    (void)size;
    allocations += counts_allocations;
}
static void on_free(const volatile void *memory)
{
    (void)memory;
    allocations += counts_allocations;
}
static bool count_allocations(void)
{
    return __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0;
}
#elif defined(__GLIBC__) && !HAS_THREAD_SANITIZER
/* glibc uses these in place of its own when a program defines them. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *malloc(size_t size)
{
    allocations += counts_allocations;
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size)
{
    allocations += counts_allocations;
    return __libc_calloc(count, size);
}
void *realloc(void *memory, size_t size)
{
    allocations += counts_allocations;
    return __libc_realloc(memory, size);
}
static bool count_allocations(void)
{
    return true;
}
#else
static bool count_allocations(void)
{
    return false;
}
#endif

static void *volatile kept;

static void want_lock_of(uint64_t tid, uint64_t owner)
{
    struct scripted_thread *thread = scripted_thread(tid);
    thread->look = (struct hl_plat_look){
        .known = HL_KNOWN(HL_PLAT_SYSCALL) | HL_KNOWN(HL_PLAT_WAIT) | HL_KNOWN(HL_PLAT_HOLDER),
        .waits_for = HL_PLAT_FOR_MUTEX,
        .descriptor = -1,
        .mutex = {.owner = owner, .contended = true, .is_sound = true},
        .steady = true,
    };
}

Test(session, ten_thousand_turns_allocate_nothing, .timeout = 900)
{
    if (!count_allocations())
        cr_skip_test("allocations cannot be counted in this build");
    story.options.interval_ms = 50;
    story.options.stall_ms = 1000;
    story.options.stall_lines = 10000;
    story.without_beats = true;
    for (unsigned i = 0; i < 500; i++) {
        story_push(i * S, i % 8 + 1, "stuck");
        story_pop(i * S + 1500 * MS, i % 8 + 1);
        story_call(i * S + 500 * MS, ask, 0);
        if (i % 40 == 0)
            story_stopped(i * S + 700 * MS, 2 * S, "stopped");
    }
    for (uint64_t who = 1; who <= 8; who++)
        want_lock_of(story_tid((unsigned)who), story_tid((unsigned)(who ^ 1)));
    story_at(500 * S, 0, story_do_end);
    story_open();
    uint64_t maps = 0;
    for (bool goes_on = true; goes_on;) {
        counts_allocations = true;
        goes_on = hl_session_turn(&story_session);
        counts_allocations = false;
        if (story.turns == 1000)
            maps = scripted.maps;
    }
    cr_expect_geq(story.turns, 10000);
    cr_expect_eq(allocations, 0);
    cr_expect_eq(scripted.maps, maps, "nor is anything mapped any more");
    cr_expect_geq(story_count("STALL"), 100);
    cr_expect_geq(story_count("DEADLOCK"), 3);
    story_close();
    counts_allocations = true;
    kept = malloc(1);
    counts_allocations = false;
    free(kept);
    cr_expect_gt(allocations, 0, "the count itself works");
}

static void let_memory_shrink(uintptr_t unused)
{
    (void)unused;
    scripted.process.rss_bytes = 900;
    scripted.process.peak_rss_bytes = 950;
}

Test(session, the_peak_is_never_below_what_was_seen)
{
    story.options.interval_ms = 1000;
    scripted.process.rss_bytes = 1000;
    scripted.process.peak_rss_bytes = 990;
    story_call(1500 * MS, let_memory_shrink, 0);
    story_run(3 * S);
    story_expect_number(story_find("beat", 0), "peak_rss_bytes", 1000);
    story_expect_number(story_find("beat", 1), "peak_rss_bytes", 1000);
    story_expect_number(story_find("stop", 0), "peak_rss_bytes", 1000);
}

/* ---- threads that end in a scope ----------------------------------------------------- */

Test(session, a_thread_that_ends_in_a_scope_is_named_at_the_next_look)
{
    story_push(10 * S, 1, "flush");
    story_push(11 * S, 1, "write");
    story_exit(20 * S, 1);
    story_run(61 * S);
    story_expect_count("note", 1);
    const struct story_line *note = story_find("note", 0);
    story_expect_has(note, "\"ended_in_scope\":true,\"thread_tid\":5001,"
                           "\"thread_name\":\"worker-1\",\"depth\":2,\"innermost\":\"write\"");
    cr_expect_eq(note->at_ns, 30 * S, "at a look, long before the heartbeat");
    story_expect_number(beat(0), "vanished", 1);
}

Test(session, of_many_that_end_in_scopes_a_few_are_named_between_two_heartbeats)
{
    for (unsigned i = 1; i <= 12; i++) {
        story_push(S, i, "work");
        story_exit((5 * (i - 1) + 2) * S, i); /* up to 57 s */
    }
    story_push(70 * S, 13, "more");
    story_exit(71 * S, 13);
    story_run(121 * S);
    story_expect_count("note", HL_DEPARTURES + 1);
    story_expect_number(beat(0), "vanished", 12);
    story_expect_has(story_find("note", HL_DEPARTURES), "\"innermost\":\"more\"");
}

static void *end_in_a_scope(void *unused)
{
    scope_push("before the start");
    return unused;
}

Test(session, those_before_the_start_are_not)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, end_in_a_scope, NULL), 0);
    pthread_join(thread, NULL);
    story_run(61 * S);
    story_expect_count("note", 0);
    story_expect_number(beat(0), "vanished", STORY_NONE);
}

/* ---- figures that cannot be -------------------------------------------------------------- */

static void leap(uintptr_t years)
{
    scripted.process.cpu_ns += (uint64_t)years * 365 * 86400 * S;
}

Test(session, cpu_time_that_cannot_have_been_used_is_unknown_and_counts_for_nothing)
{
    scripted.most_cores = 8;
    be_busy(2000);
    story_call(70 * S, leap, 500);
    story_run(181 * S);
    cr_expect_float_eq(decimal(beat(0), "cpu_cores"), 2, 0.001);
    story_expect_has(beat(1), "\"cpu_cores\":null");
    cr_expect_float_eq(decimal(beat(2), "cpu_cores"), 2, 0.001);
    story_expect_has(story_find("stop", 0), "\"cpu_seconds\":null");
    story_expect_count("unavailable", 1);
    story_expect_has(story_find("unavailable", 0),
                     "\"key\":\"cpu\",\"reason\":\"the system's counter leapt\"");
}

Test(session, all_cores_busy_are_possible)
{
    scripted.most_cores = 8;
    be_busy(8000);
    story_run(121 * S);
    cr_expect_float_eq(decimal(beat(1), "cpu_cores"), 8, 0.001);
    story_expect_count("unavailable", 0);
}

static void leap_on_a_thread(uintptr_t tid)
{
    scripted_thread(tid)->cpu_ns += UINT64_MAX / 2;
}

Test(session, nor_can_a_thread_have_more_than_a_core)
{
    story_push(S, 1, "work");
    story_hire(2);
    story_call(70 * S, leap_on_a_thread, story_tid(1));
    story_call(70 * S, leap_on_a_thread, story_tid(2));
    story_run(121 * S);
    story_expect_has(story_find("phase", 1), "\"cpu\":null");
    story_expect_count("busy", 0);
    story_expect_count("unavailable", 1);
    story_expect_has(story_find("unavailable", 0),
                     "\"key\":\"thread_cpu\",\"reason\":\"the system's counter leapt\"");
}

static uint64_t while_ms;

static void take_a_while(void)
{
    scripted_advance(while_ms * MS);
}

static void be_slow_to_list(uintptr_t ms)
{
    while_ms = ms;
    scripted.list_hook = take_a_while;
    scripted_thread(20000 + ms); /* so that it is read */
}

Test(session, a_slow_reading_of_the_figures_is_said)
{
    story_call(70 * S, be_slow_to_list, 142);
    story_call(130 * S, be_slow_to_list, 99);
    story_call(190 * S, be_slow_to_list, 100);
    story_run(241 * S);
    story_expect_number(beat(0), "sampling_ms", STORY_NONE);
    story_expect_number(beat(1), "sampling_ms", 142);
    story_expect_number(beat(2), "sampling_ms", STORY_NONE);
    story_expect_number(beat(3), "sampling_ms", 100);
}
