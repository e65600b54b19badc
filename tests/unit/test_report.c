/* tests/unit/test_report.c - what each record says, key by key, and that no
 * content whatsoever breaks a line.
 *
 * The last part renders some 20,000 records of random numbers and hostile
 * strings in both formats, reads them back with jansson and with a small logfmt
 * reader of its own, and compares the two fact by fact.
 */
#include "../../monitor/chain.h"
#include "../../monitor/report.h"

#include <criterion/criterion.h>
#include <jansson.h>

#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define S UINT64_C(1000000000)
#define MINUTE (60 * S)
#define HOUR (60 * MINUTE)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static struct hl_line text, json;

static const struct hl_line_head text_head = {.format = MONITOR_TEXT, .pid = 4242};
static const struct hl_line_head json_head = {.format = MONITOR_JSON, .pid = 4242};

static void expect_pairs(const char *text_pairs, const char *json_pairs)
{
    char wanted[2 * HL_LINE_BYTES];
    snprintf(wanted, sizeof wanted, "[heartline 4242] %s\n", text_pairs);
    cr_assert_str_eq(text.bytes, wanted);
    snprintf(wanted, sizeof wanted, "{\"schema\":1,\"pid\":4242,\"record\":%s}\n", json_pairs);
    cr_assert_str_eq(json.bytes, wanted);
    cr_assert_eq(text.length, strlen(text.bytes));
    cr_assert_eq(json.length, strlen(json.bytes));
}

#define RECORD(report, event, text_pairs, json_pairs) \
    do {                                              \
        report(&text, &text_head, event);             \
        report(&json, &json_head, event);             \
        expect_pairs(text_pairs, json_pairs);         \
    } while (0)

/* A counter that has not moved for 1m58s: of the example in the specification. */
#define STUCK_PROGRESS                                                            \
    {                                                                             \
        .present = true, .current = 350, .total = 1000, .rate_milli = HL_UNKNOWN, \
        .eta_ns = HL_UNKNOWN, .idle_ns = 118 * S                                  \
    }

static const struct hl_start_event plain_start = {.version = "0.1.0",
                                                  .platform = "linux",
                                                  .interval_ns = MINUTE,
                                                  .stall_ns = 2 * MINUTE,
                                                  .format = "text",
                                                  .cores_milli = 8000,
                                                  .phase_lines = 8,
                                                  .busy_lines = 3,
                                                  .stall_lines = 10,
                                                  .clock = "coarse",
                                                  .fork = "off",
                                                  .log = "stderr",
                                                  .stacks = "passive"};

static const struct hl_beat_event plain_beat = {.elapsed_ns = 3 * MINUTE,
                                                .cpu_milli = 1000,
                                                .cores_milli = 8000,
                                                .window_ns = MINUTE,
                                                .rss_bytes = 1229 * MIB,
                                                .peak_rss_bytes = 1536 * MIB,
                                                .vm_bytes = 10036 * MIB,
                                                .threads = 12,
                                                .read_bytes = 3175 * MIB,
                                                .instrumented = 2};

/* The thread of the example in the specification. */
static struct hl_beat_event stuck_beat(void)
{
    struct hl_beat_event beat = plain_beat;
    beat.active = true;
    strcpy(beat.label, "write checkpoint");
    beat.for_ns = 118 * S;
    beat.progress = (struct hl_progress_view)STUCK_PROGRESS;
    return beat;
}

static const struct hl_phase_event stuck_phase = {.thread = {4250, "writer"},
                                                  .depth = 2,
                                                  .in_ns = 118 * S,
                                                  .updated_ns = 118 * S,
                                                  .state = 'S',
                                                  .innermost = "write checkpoint",
                                                  .progress = STUCK_PROGRESS};

static const char stuck_path[2][HL_LABEL_BYTES] = {"epoch 3", "write checkpoint"};

static const struct hl_stall_event plain_stall = {
    .id = 1,
    .thread = {4250, "writer"},
    .phase = "write checkpoint",
    .path = stuck_path,
    .path_count = 2,
    .stuck_ns = 2 * MINUTE,
    .limit_ns = 2 * MINUTE,
    .progress = STUCK_PROGRESS,
    .evidence = {.verdict = HL_BLOCKED, .state = 'S'}};

static const struct hl_recovered_event plain_recovered = {
    .id = 1, .thread = {4250, "writer"}, .phase = "write checkpoint", .stuck_ns = 320 * S};

static const struct hl_stop_event plain_stop = {.elapsed_ns = 2 * HOUR + 3 * MINUTE + 10 * S,
                                                .cpu_ns = UINT64_C(51210400000000),
                                                .peak_rss_bytes = 1536 * MIB,
                                                .beats = 123,
                                                .stalls = 1,
                                                .stalled_total_ns = 320 * S,
                                                .longest_stall_ns = 320 * S,
                                                .self_cpu_ns = 210000000};

/* ---- The story of the specification ---- */

static void tell(char *story, size_t size)
{
    strncat(story, text.bytes, size - strlen(story) - 1);
}

Test(report, the_story_of_the_specification_reads_as_it_does_there)
{
    const struct hl_line_head head = {
        .has_time = true, .wall_ms = UINT64_C(1795224900123), .pid = 4242};
    const struct hl_phase_event indexer = {.thread = {4251, "indexer"},
                                           .depth = 1,
                                           .in_ns = 40 * S,
                                           .updated_ns = 40 * S,
                                           .cpu_milli = 990,
                                           .state = 'R',
                                           .innermost = "merge segments"};
    const struct hl_beat_event beat = stuck_beat();
    struct hl_stall_event stall = plain_stall;
    char story[4 * HL_LINE_BYTES] = "";
    stall.progress.idle_ns = HL_UNKNOWN;
    hl_report_start(&text, &head, &plain_start);
    tell(story, sizeof story);
    hl_report_beat(&text, &head, &beat);
    tell(story, sizeof story);
    hl_report_phase(&text, &head, &stuck_phase);
    tell(story, sizeof story);
    hl_report_phase(&text, &head, &indexer);
    tell(story, sizeof story);
    hl_report_stall(&text, &head, &stall);
    tell(story, sizeof story);
    hl_report_recovered(&text, &head, &plain_recovered);
    tell(story, sizeof story);
    hl_report_stop(&text, &head, &plain_stop);
    tell(story, sizeof story);
#define AT "2026-11-21T01:35:00.123Z [heartline 4242] "
    cr_assert_str_eq(
        story,
        AT "start version=0.1.0 platform=linux interval=1m00s stall=2m00s format=text cores=8 "
           "phase_lines=8 busy_lines=3 stall_lines=10 clock=coarse fork=off log=stderr "
           "stacks=passive\n" AT
           "beat elapsed=3m00s cpu=1.0/8 window=1m00s rss=1.2GiB peak_rss=1.5GiB vm=9.8GiB "
           "threads=12 read=3.1GiB written=0B instrumented=2 stalled=0 "
           "active=\"write checkpoint\" for=1m58s progress=350/1000 percent=35 "
           "idle_for=1m58s\n" AT
           "phase thread=4250/writer depth=2 in=1m58s updated=1m58s cpu=0.00 state=S "
           "innermost=\"write checkpoint\" progress=350/1000 percent=35 idle_for=1m58s\n" AT
           "phase thread=4251/indexer depth=1 in=40s updated=40s cpu=0.99 state=R "
           "innermost=\"merge segments\"\n" AT
           "STALL id=1 thread=4250/writer phase=\"write checkpoint\" "
           "path=\"epoch 3 > write checkpoint\" stuck=2m00s limit=2m00s progress=350/1000 "
           "verdict=blocked cpu=0.00 run_delay=0.00 state=S\n" AT
           "RECOVERED id=1 thread=4250/writer phase=\"write checkpoint\" stuck=5m20s\n" AT
           "stop elapsed=2h03m10s cpu_seconds=51210.4 peak_rss=1.5GiB beats=123 stalls=1 "
           "stalled_total=5m20s longest_stall=5m20s dropped=0 self_cpu=0.21s\n");
}

/* ---- Record by record ---- */

Test(report, start_says_every_setting)
{
    RECORD(hl_report_start, &plain_start,
           "start version=0.1.0 platform=linux interval=1m00s stall=2m00s format=text cores=8 "
           "phase_lines=8 busy_lines=3 stall_lines=10 clock=coarse fork=off log=stderr "
           "stacks=passive",
           "\"start\",\"version\":\"0.1.0\",\"platform\":\"linux\",\"interval_ms\":60000,"
           "\"stall_ms\":120000,\"format\":\"text\",\"cores\":8,\"phase_lines\":8,"
           "\"busy_lines\":3,\"stall_lines\":10,\"clock\":\"coarse\",\"fork\":\"off\","
           "\"log\":\"stderr\",\"stacks\":\"passive\"");
}

Test(report, start_says_what_is_unusual_only_when_it_is)
{
    struct hl_start_event start = plain_start;
    start.stall_ns = 0;
    start.interval_ns = S / 20;
    start.log = "/var/log/my app.log";
    start.signal = 10;
    start.env_ignored = true;
    start.stacks = "interrupt";
    start.program = "my app";
    RECORD(
        hl_report_start, &start,
        "start version=0.1.0 platform=linux program=\"my app\" interval=50ms stall=never "
        "format=text cores=8 phase_lines=8 busy_lines=3 stall_lines=10 clock=coarse fork=off "
        "log=\"/var/log/my app.log\" signal=10 environment=ignored stacks=interrupt",
        "\"start\",\"version\":\"0.1.0\",\"platform\":\"linux\",\"program\":\"my app\",\"interval_ms\":50,"
        "\"stall_ms\":0,\"format\":\"text\",\"cores\":8,\"phase_lines\":8,"
        "\"busy_lines\":3,\"stall_lines\":10,\"clock\":\"coarse\",\"fork\":\"off\","
        "\"log\":\"/var/log/my app.log\",\"signal\":10,\"environment\":\"ignored\","
        "\"stacks\":\"interrupt\"");
}

Test(report, a_heartbeat_outside_any_scope_has_no_headline)
{
    RECORD(hl_report_beat, &plain_beat,
           "beat elapsed=3m00s cpu=1.0/8 window=1m00s rss=1.2GiB peak_rss=1.5GiB vm=9.8GiB "
           "threads=12 read=3.1GiB written=0B instrumented=2 stalled=0 active=none",
           "\"beat\",\"elapsed_ms\":180000,\"cpu_cores\":1,\"cpu_limit_cores\":8,"
           "\"window_ms\":60000,\"rss_bytes\":1288699904,\"peak_rss_bytes\":1610612736,"
           "\"vm_bytes\":10523508736,\"threads\":12,\"read_bytes\":3329228800,"
           "\"written_bytes\":0,\"instrumented\":2,\"stalled\":0,\"active\":null");
}

Test(report, a_heartbeat_says_everything_in_the_order_of_the_table)
{
    struct hl_beat_event beat = stuck_beat();
    beat.cpu_milli = 300;
    beat.cores_milli = 1500;
    beat.rss_limit_bytes = 4 * GIB;
    beat.waiting = 1;
    beat.stalled = 1;
    beat.progress.idle_ns = HL_UNKNOWN;
    beat.progress.rate_milli = 8300;
    beat.progress.eta_ns = 78 * S;
    beat.progress.total_grew = true;
    beat.dropped = 1;
    beat.overflow = 2;
    beat.unbalanced = 3;
    beat.repaired = 4;
    beat.vanished = 5;
    beat.late_ns = 3200000000;
    RECORD(hl_report_beat, &beat,
           "beat elapsed=3m00s cpu=0.3/1.5 window=1m00s rss=1.2GiB/4.0GiB peak_rss=1.5GiB "
           "vm=9.8GiB threads=12 read=3.1GiB written=0B instrumented=2 waiting=1 stalled=1 "
           "active=\"write checkpoint\" for=1m58s progress=350/1000 percent=35 rate=8.3/s "
           "eta=1m18s total_grew=yes dropped=1 overflow=2 unbalanced=3 repaired=4 vanished=5 "
           "late=3.2s",
           "\"beat\",\"elapsed_ms\":180000,\"cpu_cores\":0.3,\"cpu_limit_cores\":1.5,"
           "\"window_ms\":60000,\"rss_bytes\":1288699904,\"rss_limit_bytes\":4294967296,"
           "\"peak_rss_bytes\":1610612736,\"vm_bytes\":10523508736,\"threads\":12,"
           "\"read_bytes\":3329228800,\"written_bytes\":0,\"instrumented\":2,\"waiting\":1,"
           "\"stalled\":1,\"active\":\"write checkpoint\",\"for_ms\":118000,"
           "\"progress_current\":350,\"progress_total\":1000,\"percent\":35,\"rate_per_s\":8.3,"
           "\"eta_ms\":78000,\"total_grew\":true,\"dropped\":1,\"overflow\":2,\"unbalanced\":3,"
           "\"repaired\":4,\"vanished\":5,\"late_ms\":3200");
}

Test(report, what_could_not_be_measured_is_unknown_and_not_zero)
{
    const uint64_t no = HL_UNKNOWN;
    const struct hl_beat_event beat = {.elapsed_ns = S,
                                       .cpu_milli = no,
                                       .cores_milli = 8000,
                                       .window_ns = S,
                                       .rss_bytes = no,
                                       .peak_rss_bytes = no,
                                       .vm_bytes = no,
                                       .threads = no,
                                       .read_bytes = no,
                                       .written_bytes = no};
    RECORD(hl_report_beat, &beat,
           "beat elapsed=1.0s cpu=?/8 window=1.0s rss=? peak_rss=? vm=? threads=? read=? "
           "written=? instrumented=0 stalled=0 active=none",
           "\"beat\",\"elapsed_ms\":1000,\"cpu_cores\":null,\"cpu_limit_cores\":8,"
           "\"window_ms\":1000,\"rss_bytes\":null,\"peak_rss_bytes\":null,\"vm_bytes\":null,"
           "\"threads\":null,\"read_bytes\":null,\"written_bytes\":null,\"instrumented\":0,"
           "\"stalled\":0,\"active\":null");
}

Test(report, a_phase_line_says_where_a_thread_is)
{
    RECORD(hl_report_phase, &stuck_phase,
           "phase thread=4250/writer depth=2 in=1m58s updated=1m58s cpu=0.00 state=S "
           "innermost=\"write checkpoint\" progress=350/1000 percent=35 idle_for=1m58s",
           "\"phase\",\"thread_tid\":4250,\"thread_name\":\"writer\",\"depth\":2,"
           "\"in_ms\":118000,\"updated_ms\":118000,\"cpu\":0,\"state\":\"S\","
           "\"innermost\":\"write checkpoint\",\"progress_current\":350,"
           "\"progress_total\":1000,\"percent\":35,\"idle_for_ms\":118000");
}

Test(report, a_waiting_thread_says_so)
{
    const struct hl_phase_event phase = {
        .thread = {5, "w"}, .depth = 1, .cpu_milli = HL_UNKNOWN, .innermost = "idle", .waiting = 1};
    RECORD(hl_report_phase, &phase,
           "phase thread=5/w depth=1 in=0.0s updated=0.0s cpu=? state=? innermost=\"idle\" "
           "waiting=yes",
           "\"phase\",\"thread_tid\":5,\"thread_name\":\"w\",\"depth\":1,\"in_ms\":0,"
           "\"updated_ms\":0,\"cpu\":null,\"state\":null,\"innermost\":\"idle\","
           "\"waiting\":true");
}

Test(report, a_churning_thread_shows_an_outer_scope_or_none)
{
    struct hl_phase_event phase = {.thread = {5, ""}, .depth = 3, .state = 'R', .churning = true};
    RECORD(hl_report_phase, &phase,
           "phase thread=5/ depth=3 in=0.0s updated=0.0s cpu=0.00 state=R innermost=none "
           "churning=yes",
           "\"phase\",\"thread_tid\":5,\"thread_name\":\"\",\"depth\":3,\"in_ms\":0,"
           "\"updated_ms\":0,\"cpu\":0,\"state\":\"R\",\"innermost\":null,\"churning\":true");
    strcpy(phase.innermost, "outer");
    hl_report_phase(&text, &text_head, &phase);
    cr_assert(strstr(text.bytes, " innermost=\"outer\" churning=yes\n"));
    phase.churning = false;
    phase.innermost[0] = 0;
    hl_report_phase(&text, &text_head, &phase);
    cr_assert(strstr(text.bytes, " innermost=\"\"\n"));
}

Test(report, omitted_phases_are_counted)
{
    RECORD(hl_report_phases_omitted, 37, "phase omitted=37", "\"phase\",\"omitted\":37");
}

Test(report, a_busy_line_names_a_thread_outside_any_scope)
{
    const struct hl_busy_event busy = {.thread = {4252, "hash"}, .cpu_milli = 970, .state = 'R'};
    RECORD(hl_report_busy, &busy, "busy thread=4252/hash cpu=0.97 state=R",
           "\"busy\",\"thread_tid\":4252,\"thread_name\":\"hash\",\"cpu\":0.97,\"state\":\"R\"");
}

Test(report, a_stall_says_where_how_long_and_why)
{
    RECORD(hl_report_stall, &plain_stall,
           "STALL id=1 thread=4250/writer phase=\"write checkpoint\" "
           "path=\"epoch 3 > write checkpoint\" stuck=2m00s limit=2m00s progress=350/1000 "
           "idle_for=1m58s verdict=blocked cpu=0.00 run_delay=0.00 state=S",
           "\"STALL\",\"id\":1,\"thread_tid\":4250,\"thread_name\":\"writer\","
           "\"phase\":\"write checkpoint\",\"path\":\"epoch 3 > write checkpoint\","
           "\"stuck_ms\":120000,\"limit_ms\":120000,\"progress_current\":350,"
           "\"progress_total\":1000,\"idle_for_ms\":118000,\"verdict\":\"blocked\",\"cpu\":0,"
           "\"run_delay\":0,\"state\":\"S\"");
}

Test(report, a_reminder_and_a_stall_that_is_over_say_so)
{
    struct hl_stall_event stall = plain_stall;
    stall.path = NULL;
    stall.reminder = 2;
    stall.ended = true;
    stall.progress.present = false;
    stall.evidence =
        (struct hl_evidence_view){.cpu_milli = HL_UNKNOWN, .run_delay_milli = HL_UNKNOWN};
    RECORD(hl_report_stall, &stall,
           "STALL id=1 thread=4250/writer phase=\"write checkpoint\" stuck=2m00s limit=2m00s "
           "reminder=2 ended=yes verdict=? cpu=? run_delay=? state=?",
           "\"STALL\",\"id\":1,\"thread_tid\":4250,\"thread_name\":\"writer\","
           "\"phase\":\"write checkpoint\",\"stuck_ms\":120000,\"limit_ms\":120000,"
           "\"reminder\":2,\"ended\":true,\"verdict\":null,\"cpu\":null,\"run_delay\":null,"
           "\"state\":null");
    stall.path = stuck_path;
    stall.path_count = 0;
    hl_report_stall(&text, &text_head, &stall);
    cr_assert_not(strstr(text.bytes, "path="));
}

static struct hl_stall_event waiting_stall(void)
{
    struct hl_stall_event stall = plain_stall;
    stall.path = NULL;
    stall.progress.present = false;
    stall.evidence = (struct hl_evidence_view){
        .verdict = HL_BLOCKED,
        .state = 'S',
        .call = "futex",
        .wait = "mutex:0x55e5f0daf0a0",
        .channel = "futex_do_wait",
        .holder_is = HL_HOLDER_KNOWN,
        .holder = {.thread = {4251, "indexer"}, .in_phase = true, .phase = "merge", .for_ns = S},
        .has_root = true,
        .root = {.thread = {4252, "reader"}, .in_phase = true, .phase = "read index"},
        .root_verdict = HL_BLOCKED,
        .root_wait = "read:/mnt/x"};
    return stall;
}

#define WAITING_TEXT                                                                    \
    "STALL id=1 thread=4250/writer phase=\"write checkpoint\" stuck=2m00s limit=2m00s " \
    "verdict=blocked cpu=0.00 run_delay=0.00 "
#define WAITING_JSON                                                          \
    "\"STALL\",\"id\":1,\"thread_tid\":4250,\"thread_name\":\"writer\","      \
    "\"phase\":\"write checkpoint\",\"stuck_ms\":120000,\"limit_ms\":120000," \
    "\"verdict\":\"blocked\",\"cpu\":0,\"run_delay\":0,"

Test(report, a_stall_says_what_it_waits_for_and_on_whom_it_depends)
{
    struct hl_stall_event stall = waiting_stall();
    RECORD(hl_report_stall, &stall,
           WAITING_TEXT "state=S syscall=futex wait=mutex:0x55e5f0daf0a0 holder=4251/indexer "
                        "holder_phase=\"merge\" holder_for=1.0s root=4252/reader "
                        "root_phase=\"read index\" root_verdict=blocked root_wait=read:/mnt/x "
                        "wchan=futex_do_wait",
           WAITING_JSON
           "\"state\":\"S\",\"syscall\":\"futex\",\"wait\":\"mutex:0x55e5f0daf0a0\","
           "\"holder_tid\":4251,\"holder_name\":\"indexer\",\"holder_phase\":\"merge\","
           "\"holder_for_ms\":1000,\"root_tid\":4252,\"root_name\":\"reader\","
           "\"root_phase\":\"read index\",\"root_verdict\":\"blocked\","
           "\"root_wait\":\"read:/mnt/x\",\"wchan\":\"futex_do_wait\"");
    stall.evidence.root.thread = stall.evidence.holder.thread;
    stall.evidence.holder.in_phase = false;
    stall.evidence.root_verdict = HL_VERDICT_UNKNOWN;
    stall.evidence.root_wait[0] = 0;
    RECORD(hl_report_stall, &stall,
           WAITING_TEXT "state=S syscall=futex wait=mutex:0x55e5f0daf0a0 holder=4251/indexer "
                        "holder_phase=none root=4251/indexer root_verdict=? wchan=futex_do_wait",
           WAITING_JSON "\"state\":\"S\",\"syscall\":\"futex\",\"wait\":\"mutex:0x55e5f0daf0a0\","
                        "\"holder_tid\":4251,\"holder_name\":\"indexer\",\"holder_phase\":null,"
                        "\"root_tid\":4251,\"root_name\":\"indexer\",\"root_verdict\":null,"
                        "\"wchan\":\"futex_do_wait\"");
}

Test(report, what_cannot_be_told_about_a_wait_is_unknown_and_what_there_is_none_of_left_out)
{
    struct hl_stall_event stall = waiting_stall();
    stall.evidence = (struct hl_evidence_view){.verdict = HL_BLOCKED,
                                               .state = 'S',
                                               .call_unknown = true,
                                               .wait_unknown = true,
                                               .channel_unknown = true,
                                               .call = "read",
                                               .holder_is = HL_HOLDER_UNKNOWN,
                                               .holder.thread.tid = HL_UNKNOWN};
    RECORD(hl_report_stall, &stall, WAITING_TEXT "state=S syscall=? wait=? holder=? wchan=?",
           WAITING_JSON "\"state\":\"S\",\"syscall\":null,\"wait\":null,\"holder_tid\":null,"
                        "\"holder_name\":null,\"wchan\":null");
    stall.evidence = (struct hl_evidence_view){.verdict = HL_BLOCKED, .state = 'S'};
    RECORD(hl_report_stall, &stall, WAITING_TEXT "state=S", WAITING_JSON "\"state\":\"S\"");
}

Test(report, a_stall_names_descriptor_address_and_quota_where_there_are_any)
{
    struct hl_stall_event stall = waiting_stall();
    stall.evidence = (struct hl_evidence_view){.verdict = HL_BLOCKED,
                                               .state = 'S',
                                               .quota_milli = 1500,
                                               .throttled_ns = 41 * S,
                                               .call = "recvfrom",
                                               .has_descriptor = true,
                                               .wait = "recv:socket 10.0.0.2:5432",
                                               .local = "10.0.0.1:40022"};
    RECORD(hl_report_stall, &stall,
           WAITING_TEXT "quota=1.5 throttled=41s state=S syscall=recvfrom fd=0 "
                        "wait=\"recv:socket 10.0.0.2:5432\" local=10.0.0.1:40022",
           WAITING_JSON "\"quota\":1.5,\"throttled_ms\":41000,\"state\":\"S\","
                        "\"syscall\":\"recvfrom\",\"fd\":0,"
                        "\"wait\":\"recv:socket 10.0.0.2:5432\",\"local\":\"10.0.0.1:40022\"");
}

Test(report, a_deadlock_names_every_member_its_lock_and_where_it_is)
{
    const struct hl_deadlock_member members[] = {
        {.who = {.thread = {4250, "writer"}, .in_phase = true, .phase = "save"},
         .lock = "mutex:0x10"},
        {.who = {.thread = {4251, ""}}, .lock = "join:4252"},
        {.who = {.thread = {4252, "c"}, .in_phase = true}}};
    RECORD(hl_report_deadlock, (&(struct hl_deadlock_event){7, 3, members}),
           "DEADLOCK id=7 members=3 thread1=4250/writer lock1=mutex:0x10 phase1=\"save\" "
           "thread2=4251/ lock2=join:4252 phase2=none thread3=4252/c lock3=? phase3=\"\"",
           "\"DEADLOCK\",\"id\":7,\"members\":3,\"thread1_tid\":4250,"
           "\"thread1_name\":\"writer\",\"lock1\":\"mutex:0x10\",\"phase1\":\"save\","
           "\"thread2_tid\":4251,\"thread2_name\":\"\",\"lock2\":\"join:4252\","
           "\"phase2\":null,\"thread3_tid\":4252,\"thread3_name\":\"c\",\"lock3\":null,"
           "\"phase3\":\"\"");
}

Test(report, a_stall_without_an_idle_time_shows_the_count_alone)
{
    struct hl_stall_event stall = plain_stall;
    stall.progress.idle_ns = HL_UNKNOWN;
    stall.progress.rate_milli = 1;
    hl_report_stall(&text, &text_head, &stall);
    cr_assert(strstr(text.bytes, " limit=2m00s progress=350/1000 verdict=blocked "));
}

Test(report, every_verdict_has_its_word)
{
    static const struct {
        enum hl_verdict verdict;
        const char *word;
    } words[] = {{HL_BUSY, " verdict=busy "},
                 {HL_STARVED, " verdict=starved "},
                 {HL_BLOCKED, " verdict=blocked "},
                 {HL_MIXED, " verdict=mixed "},
                 {HL_VERDICT_UNKNOWN, " verdict=? "}};
    struct hl_stall_event stall = plain_stall;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        stall.evidence.verdict = words[i].verdict;
        hl_report_stall(&text, &text_head, &stall);
        cr_assert(strstr(text.bytes, words[i].word));
    }
}

Test(report, merged_stalls_keep_their_ids_and_labels)
{
    struct hl_merged_event merged = {.count = 12,
                                     .first_id = 11,
                                     .last_id = 22,
                                     .longest_ns = 250 * S,
                                     .phases = {"a", "b"},
                                     .phases_count = 2};
    RECORD(hl_report_merged, &merged,
           "STALL merged=12 first_id=11 last_id=22 longest=4m10s phases=\"a; b\"",
           "\"STALL\",\"merged\":12,\"first_id\":11,\"last_id\":22,\"longest_ms\":250000,"
           "\"phases\":\"a; b\"");
    merged.more_phases = true;
    RECORD(hl_report_merged, &merged,
           "STALL merged=12 first_id=11 last_id=22 longest=4m10s phases=\"a; b; …\"",
           "\"STALL\",\"merged\":12,\"first_id\":11,\"last_id\":22,\"longest_ms\":250000,"
           "\"phases\":\"a; b; …\"");
}

Test(report, a_recovery_says_how_long_it_took)
{
    struct hl_recovered_event recovered = plain_recovered;
    RECORD(hl_report_recovered, &recovered,
           "RECOVERED id=1 thread=4250/writer phase=\"write checkpoint\" stuck=5m20s",
           "\"RECOVERED\",\"id\":1,\"thread_tid\":4250,\"thread_name\":\"writer\","
           "\"phase\":\"write checkpoint\",\"stuck_ms\":320000");
    recovered.at_most = true;
    recovered.reason = "exit";
    RECORD(hl_report_recovered, &recovered,
           "RECOVERED id=1 thread=4250/writer phase=\"write checkpoint\" stuck<=5m20s reason=exit",
           "\"RECOVERED\",\"id\":1,\"thread_tid\":4250,\"thread_name\":\"writer\","
           "\"phase\":\"write checkpoint\",\"stuck_ms\":320000,\"stuck_at_most\":true,"
           "\"reason\":\"exit\"");
}

Test(report, merged_recoveries_are_one_line)
{
    const struct hl_merged_recovered_event merged = {12, 11, 22, 250 * S};
    RECORD(hl_report_merged_recovered, &merged,
           "RECOVERED merged=12 first_id=11 last_id=22 longest=4m10s",
           "\"RECOVERED\",\"merged\":12,\"first_id\":11,\"last_id\":22,\"longest_ms\":250000");
}

Test(report, a_quiet_process_says_for_how_long_and_what_its_threads_wait_for)
{
    struct hl_quiet_event quiet = {
        .for_ns = 300 * S, .threads = 13, .waits = "12 condvar; 1 recv:socket 10.0.0.2:5432"};
    RECORD(hl_report_quiet, &quiet,
           "QUIET for=5m00s threads=13 waits=\"12 condvar; 1 recv:socket 10.0.0.2:5432\"",
           "\"QUIET\",\"for_ms\":300000,\"threads\":13,"
           "\"waits\":\"12 condvar; 1 recv:socket 10.0.0.2:5432\"");
    quiet.waits = NULL;
    RECORD(hl_report_quiet, &quiet, "QUIET for=5m00s threads=13 waits=?",
           "\"QUIET\",\"for_ms\":300000,\"threads\":13,\"waits\":null");
}

Test(report, a_pause_has_a_length_and_a_reason)
{
    const struct hl_paused_event paused = {3500000000, "stopped"};
    RECORD(hl_report_paused, &paused, "PAUSED gap=3.5s reason=stopped",
           "\"PAUSED\",\"gap_ms\":3500,\"reason\":\"stopped\"");
}

Test(report, what_is_unavailable_has_a_reason)
{
    const struct hl_unavailable_event unavailable = {"read", "no permission"};
    RECORD(hl_report_unavailable, &unavailable, "unavailable key=read reason=\"no permission\"",
           "\"unavailable\",\"key\":\"read\",\"reason\":\"no permission\"");
}

Test(report, a_note_on_a_setting_says_what_would_have_been_understood)
{
    struct hl_note_event note = {.variable = "HEARTLINE_INTERVAL",
                                 .value = "banana",
                                 .accepted = "10ms to 24h",
                                 .used = "1m00s"};
    RECORD(hl_report_note, &note,
           "note variable=HEARTLINE_INTERVAL value=banana accepted=\"10ms to 24h\" used=1m00s",
           "\"note\",\"variable\":\"HEARTLINE_INTERVAL\",\"value\":\"banana\","
           "\"accepted\":\"10ms to 24h\",\"used\":\"1m00s\"");
    note.value = "";
    hl_report_note(&text, &text_head, &note);
    cr_assert(strstr(text.bytes, "variable=HEARTLINE_INTERVAL value=\"\" accepted="));
}

Test(report, a_note_on_a_second_best_figure_names_it)
{
    const struct hl_note_event note = {.flag = "approximate", .key = "cpu", .reason = "odd"};
    RECORD(hl_report_note, &note, "note approximate key=cpu reason=odd",
           "\"note\",\"approximate\":true,\"key\":\"cpu\",\"reason\":\"odd\"");
}

Test(report, a_note_on_a_fork_names_the_child)
{
    const struct hl_note_event note = {.flag = "forked", .child = 4711, .last_flag = "unmonitored"};
    RECORD(hl_report_note, &note, "note forked child=4711 unmonitored",
           "\"note\",\"forked\":true,\"child\":4711,\"unmonitored\":true");
}

Test(report, a_note_on_a_thread_that_ended_in_a_scope_names_both)
{
    const struct hl_thread_ref thread = {4250, "writer"};
    const struct hl_note_event note = {
        .flag = "ended_in_scope", .thread = &thread, .depth = 2, .innermost = "flush"};
    RECORD(hl_report_note, &note,
           "note ended_in_scope thread=4250/writer depth=2 innermost=\"flush\"",
           "\"note\",\"ended_in_scope\":true,\"thread_tid\":4250,\"thread_name\":\"writer\","
           "\"depth\":2,\"innermost\":\"flush\"");
}

Test(report, a_note_on_lost_lines_says_why)
{
    const struct hl_note_event note = {.flag = "",
                                       .variable = "",
                                       .accepted = "",
                                       .used = "",
                                       .last_flag = "",
                                       .dropped = 12,
                                       .reason = "disk full"};
    RECORD(hl_report_note, &note, "note dropped=12 reason=\"disk full\"",
           "\"note\",\"dropped\":12,\"reason\":\"disk full\"");
}

Test(report, stop_says_the_totals)
{
    RECORD(hl_report_stop, &plain_stop,
           "stop elapsed=2h03m10s cpu_seconds=51210.4 peak_rss=1.5GiB beats=123 stalls=1 "
           "stalled_total=5m20s longest_stall=5m20s dropped=0 self_cpu=0.21s",
           "\"stop\",\"elapsed_ms\":7390000,\"cpu_seconds\":51210.4,"
           "\"peak_rss_bytes\":1610612736,\"beats\":123,\"stalls\":1,"
           "\"stalled_total_ms\":320000,\"longest_stall_ms\":320000,\"dropped\":0,"
           "\"self_cpu_ms\":210");
}

Test(report, stacks_are_in_the_totals_when_any_was_tried)
{
    struct hl_stop_event stop = plain_stop;
    stop.stacks_failed = 2;
    hl_report_stop(&text, &text_head, &stop);
    cr_assert(strstr(text.bytes, " self_cpu=0.21s stacks=0 stacks_failed=2\n"));
    stop.stacks = 7;
    stop.stacks_failed = 0;
    stop.longest_suspension_ns = 41999;
    hl_report_stop(&text, &text_head, &stop);
    hl_report_stop(&json, &json_head, &stop);
    cr_assert(
        strstr(text.bytes, " self_cpu=0.21s stacks=7 stacks_failed=0 longest_suspension=42us\n"));
    cr_assert(
        strstr(json.bytes, ",\"stacks\":7,\"stacks_failed\":0,\"longest_suspension_us\":42}"));
}

Test(report, a_stack_says_what_there_is_to_say_about_it)
{
    static const char frames[2][HL_FRAME_BYTES] = {"libc.so.6+0x1f3", "my app+0x22"};
    struct hl_stack_event stack = {.id = 3,
                                   .thread = {4250, "writer"},
                                   .sample = 1,
                                   .same = 1,
                                   .had = 1,
                                   .frames = frames,
                                   .frames_count = 2};
    RECORD(hl_report_stack, &stack,
           "STACK id=3 thread=4250/writer sample=1/3 frames=\"libc.so.6+0x1f3 < my app+0x22\"",
           "\"STACK\",\"id\":3,\"thread_tid\":4250,\"thread_name\":\"writer\",\"sample\":1,"
           "\"sample_of\":3,\"frames\":[\"libc.so.6+0x1f3\",\"my app+0x22\"]");
    stack.sample = stack.had = 2;
    stack.suspended_ns = 1;
    stack.truncated = true;
    RECORD(hl_report_stack, &stack,
           "STACK id=3 thread=4250/writer sample=2/3 same=1/2 suspended=1us "
           "frames=\"libc.so.6+0x1f3 < my app+0x22\" truncated=yes",
           "\"STACK\",\"id\":3,\"thread_tid\":4250,\"thread_name\":\"writer\",\"sample\":2,"
           "\"sample_of\":3,\"same\":1,\"same_of\":2,\"suspended_us\":1,"
           "\"frames\":[\"libc.so.6+0x1f3\",\"my app+0x22\"],\"truncated\":true");
}

Test(report, deadlocks_are_in_the_totals_when_there_were_any)
{
    struct hl_stop_event stop = plain_stop;
    stop.deadlocks = 2;
    hl_report_stop(&text, &text_head, &stop);
    hl_report_stop(&json, &json_head, &stop);
    cr_assert(strstr(text.bytes, " self_cpu=0.21s deadlocks=2\n"));
    cr_assert(strstr(json.bytes, ",\"self_cpu_ms\":210,\"deadlocks\":2}\n"));
}

Test(report, the_locale_changes_nothing)
{
    static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "C.UTF-8"};
    for (size_t i = 0; i < sizeof commas / sizeof commas[0]; i++) {
        if (setlocale(LC_ALL, commas[i]))
            break;
    }
    hl_report_stop(&text, &text_head, &plain_stop);
    cr_assert(strstr(text.bytes, " cpu_seconds=51210.4 "));
}

/* ---- A small logfmt reader ---- */

struct fact {
    char key[64];
    bool is_flag, was_quoted;
    char value[3 * HL_LINE_BYTES];
};

static size_t put_utf8(char *out, unsigned long code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    const unsigned extra = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    out[0] = (char)((0xff00 >> (extra + 1) & 0xff) | code >> (6 * extra));
    for (unsigned i = 1; i <= extra; i++)
        out[i] = (char)(0x80 | (code >> (6 * (extra - i)) & 0x3f));
    return extra + 1;
}

static unsigned long read_hex(const char **at)
{
    char digits[5] = "", *end;
    memcpy(digits, *at, 4);
    const unsigned long unit = strtoul(digits, &end, 16);
    cr_assert(end == digits + 4, "bad escape: %s", digits);
    *at += 4;
    return unit;
}

static size_t read_escape(const char **at, char *out)
{
    static const char letters[] = "\"\\ntrbf", meant[] = "\"\\\n\t\r\b\f";
    const char letter = *(*at)++;
    if (letter != 'u') {
        const char *found = strchr(letters, letter);
        cr_assert(found && letter, "unknown escape %c", letter);
        out[0] = meant[found - letters];
        return 1;
    }
    unsigned long code = read_hex(at);
    if (code >= 0xd800 && code < 0xdc00) {
        cr_assert(memcmp(*at, "\\u", 2) == 0);
        *at += 2;
        code = 0x10000 + ((code - 0xd800) << 10) + (read_hex(at) - 0xdc00);
    }
    return put_utf8(out, code);
}

static const char *read_quoted(const char *at, char *out)
{
    while (*at != '"') {
        cr_assert(*at && *at != '\n', "a quoted value without an end");
        if (*at == '\\') {
            at++;
            out += read_escape(&at, out);
        } else {
            *out++ = *at++;
        }
    }
    *out = 0;
    return at + 1;
}

static const char *read_bare(const char *at, char *out)
{
    const size_t length = strcspn(at, " \n");
    cr_assert_gt(length, 0, "an empty bare value");
    memcpy(out, at, length);
    out[length] = 0;
    cr_assert_not(strpbrk(out, "\"\\"), "%s", out);
    return at + length;
}

/* ` key=value` or ` flag`; returns what follows. */
static const char *read_fact(const char *at, struct fact *fact)
{
    cr_assert_eq(*at, ' ', "no blank before: %s", at);
    const size_t length = strcspn(++at, "= \n");
    cr_assert(length > 0 && length < sizeof fact->key);
    memcpy(fact->key, at, length);
    fact->key[length] = 0;
    at += length;
    fact->is_flag = *at != '=';
    fact->value[0] = 0;
    if (fact->is_flag)
        return at;
    at++;
    fact->was_quoted = *at == '"';
    return fact->was_quoted ? read_quoted(at + 1, fact->value) : read_bare(at, fact->value);
}

/* ---- Comparing the two formats ---- */

/* The members of the JSON object are walked in step with the text. */
struct walk {
    json_t *object;
    void *at;
    const char *record;
    bool truncated; /* either of the two: their texts may differ */
};

static json_t *next_member(struct walk *walk, const char *key, const char *unit)
{
    char wanted[80];
    snprintf(wanted, sizeof wanted, "%s%s", key, unit);
    cr_assert(walk->at, "%s is missing in %s", wanted, json.bytes);
    cr_assert_str_eq(json_object_iter_key(walk->at), wanted, "%s in %s%s", wanted, text.bytes,
                     json.bytes);
    json_t *value = json_object_iter_value(walk->at);
    walk->at = json_object_iter_next(walk->object, walk->at);
    return value;
}

/* json_is_true evaluates its argument twice. */
static void expect_true(json_t *value)
{
    cr_assert(json_is_true(value));
}

static void expect_between(json_t *value, double low, double high, const char *shown)
{
    const double slack = high * 1e-9 + 1e-9;
    cr_assert(json_is_number(value));
    const double number = json_number_value(value);
    cr_assert(number >= low - slack && number <= high + slack, "%f is not %s", number, shown);
}

static bool both_unknown(json_t *value, const char *shown)
{
    cr_assert_eq(json_is_null(value), strcmp(shown, "?") == 0, "%s", shown);
    return json_is_null(value);
}

static void expect_count(json_t *value, const char *shown)
{
    char number[32];
    if (both_unknown(value, shown))
        return;
    if (json_is_real(value)) { /* beyond 63 bits */
        cr_assert_eq(json_real_value(value), strtod(shown, NULL), "%s", shown);
        cr_assert_geq(json_real_value(value), 0x1p63);
        return;
    }
    cr_assert(json_is_integer(value));
    snprintf(number, sizeof number, "%" PRId64, (int64_t)json_integer_value(value));
    cr_assert_str_eq(shown, number);
}

static double power(double base, int exponent)
{
    double product = 1;
    for (int i = 0; i < exponent; i++)
        product *= base;
    return product;
}

static int decimals(const char *number, const char *end)
{
    const char *point = memchr(number, '.', (size_t)(end - number));
    return point ? (int)(end - point) - 1 : 0;
}

/* "1h02m03s", "9.0s", "50ms" in milliseconds, and how long one unit of it is. */
static double read_duration(const char *shown, double *resolution)
{
    double total = 0;
    *resolution = 1000;
    while (*shown) {
        char *end;
        const double n = strtod(shown, &end);
        cr_assert(end != shown, "%s", shown);
        if (strcmp(end, "ms") == 0) {
            *resolution = 0;
            return n;
        }
        total += n * (*end == 'h' ? 3600e3 : *end == 'm' ? 60e3 : 1e3);
        if (decimals(shown, end) > 0)
            *resolution = 1000 / power(10, decimals(shown, end));
        shown = end + 1;
    }
    return total;
}

static void expect_duration(json_t *value, const char *shown)
{
    double resolution;
    if (both_unknown(value, shown))
        return;
    if (strcmp(shown, ">1d") == 0 || strcmp(shown, "never") == 0) {
        cr_assert_eq(json_integer_value(value), *shown == '>' ? 86400000 : 0);
        return;
    }
    const double near = read_duration(shown, &resolution);
    expect_between(value, near - resolution / 2 - 1, near + resolution / 2, shown);
}

static void expect_duration_at_most(struct walk *walk, const char *shown)
{
    double resolution;
    json_t *value = next_member(walk, "stuck", "_ms");
    expect_true(next_member(walk, "stuck", "_at_most"));
    if (both_unknown(value, shown))
        return;
    const double high = read_duration(shown, &resolution);
    expect_between(value, high - resolution, high, shown);
}

static void expect_bytes(json_t *value, const char *shown)
{
    char *unit;
    if (both_unknown(value, shown))
        return;
    const double n = strtod(shown, &unit);
    const int step = *unit == 'B' ? 0 : (int)(strchr("KMGTPE", *unit) - "KMGTPE") + 1;
    const double one = power(1024, step);
    cr_assert(step == 0 || (n >= 1 && n < 1024), "%s", shown);
    expect_between(value, n * one, (n + (step ? 0.1 : 0)) * one, shown);
}

static void expect_rounded(json_t *value, const char *shown)
{
    char *end;
    if (both_unknown(value, shown))
        return;
    const double n = strtod(shown, &end);
    const double half = 0.5 / power(10, decimals(shown, end));
    expect_between(value, n - half, n + half, shown);
}

static void expect_tenths(json_t *value, const char *shown)
{
    if (both_unknown(value, shown))
        return;
    const double n = strtod(shown, NULL);
    expect_between(value, n - 0.05, n + 0.05, shown);
}

/* "a/b" in two. */
static char *split(char *value)
{
    char *slash = strchr(value, '/');
    cr_assert(slash, "%s", value);
    *slash = 0;
    return slash + 1;
}

static void expect_string(const struct walk *walk, json_t *value, const struct fact *fact,
                          const char *shown)
{
    if (json_is_null(value)) {
        cr_assert(!fact->was_quoted && (!strcmp(shown, "?") || !strcmp(shown, "none")));
        return;
    }
    cr_assert(json_is_string(value));
    if (!walk->truncated)
        cr_assert_str_eq(shown, json_string_value(value));
}

/* "lock12" is a "lock#". */
static bool is_key(const char *key, const char *wanted)
{
    const size_t length = strcspn(wanted, "#");
    if (!wanted[length])
        return strcmp(key, wanted) == 0;
    return strncmp(key, wanted, length) == 0 && key[length] &&
           strspn(key + length, "0123456789") == strlen(key + length);
}

static bool is_one_of(const char *key, const char *const *keys)
{
    for (; *keys; keys++) {
        if (is_key(key, *keys))
            return true;
    }
    return false;
}

static bool is_boolean(const struct walk *walk, const struct fact *fact)
{
    static const char *const keys[] = {"ended", "churning", "total_grew", "truncated", NULL};
    return is_one_of(fact->key, keys) ||
           (!strcmp(fact->key, "waiting") && !strcmp(walk->record, "phase"));
}

static void compare_pair(struct walk *walk, struct fact *fact)
{
    static const char *const durations[] = {
        "elapsed",       "window",        "for",       "in",         "updated",
        "stuck",         "limit",         "gap",       "longest",    "late",
        "stalled_total", "longest_stall", "idle_for",  "eta",        "self_cpu",
        "interval",      "stall",         "throttled", "holder_for", NULL};
    static const char *const bytes[] = {"peak_rss", "vm", "read", "written", NULL};
    static const char *const roundeds[] = {"cpu", "run_delay", "cores", "quota", NULL};
    static const char *const strings[] = {
        "tag",       "waits",    "version", "platform",     "program",    "format",
        "clock",     "fork",     "log",     "environment",  "active",     "innermost",
        "phase",     "path",     "phases",  "verdict",      "state",      "reason",
        "key",       "variable", "value",   "accepted",     "used",       "syscall",
        "wait",      "local",    "wchan",   "holder_phase", "root_phase", "root_verdict",
        "root_wait", "lock#",    "phase#",  "stacks",       NULL};
    const char *key = fact->key;
    if (is_one_of(key, durations))
        expect_duration(next_member(walk, key, "_ms"), fact->value);
    else if (is_one_of(key, bytes))
        expect_bytes(next_member(walk, key, "_bytes"), fact->value);
    else if (is_one_of(key, roundeds))
        expect_rounded(next_member(walk, key, ""), fact->value);
    else if (is_one_of(key, strings) &&
             !(strcmp(key, "stacks") == 0 && strcmp(walk->record, "stop") == 0))
        expect_string(walk, next_member(walk, key, ""), fact, fact->value);
    else
        expect_count(next_member(walk, key, ""), fact->value);
}

static void compare_progress(struct walk *walk, struct fact *fact)
{
    const char *total = split(fact->value);
    expect_count(next_member(walk, "progress", "_current"), fact->value);
    expect_count(next_member(walk, "progress", "_total"), total);
}

static void compare_thread(struct walk *walk, struct fact *fact)
{
    const bool is_known = strcmp(fact->value, "?") != 0;
    const char *name = is_known ? split(fact->value) : "?";
    expect_count(next_member(walk, fact->key, "_tid"), fact->value);
    expect_string(walk, next_member(walk, fact->key, "_name"), fact, name);
}

static void compare_part(struct walk *walk, struct fact *fact)
{
    const char *of = split(fact->value);
    expect_count(next_member(walk, fact->key, ""), fact->value);
    expect_count(next_member(walk, fact->key, "_of"), of);
}

static void expect_microseconds(json_t *value, char *shown)
{
    if (both_unknown(value, shown))
        return;
    const size_t length = strlen(shown);
    cr_assert(length > 2 && !strcmp(shown + length - 2, "us"), "%s", shown);
    shown[length - 2] = 0;
    expect_count(value, shown);
}

/* An array here, one text there. */
static void join_frames(const json_t *frames, char *joined, size_t size)
{
    joined[0] = 0;
    for (size_t i = 0; i < json_array_size(frames); i++) {
        const size_t length = strlen(joined);
        const char *frame = json_string_value(json_array_get(frames, i));
        cr_assert(frame);
        snprintf(joined + length, size - length, "%s%s", i ? " < " : "", frame);
    }
}

static void compare_frames(struct walk *walk, struct fact *fact)
{
    static char joined[3 * HL_LINE_BYTES];
    json_t *frames = next_member(walk, "frames", "");
    cr_assert(json_is_array(frames) && fact->was_quoted);
    join_frames(frames, joined, sizeof joined);
    if (!walk->truncated)
        cr_assert_str_eq(fact->value, joined);
}

static void compare_memory(struct walk *walk, struct fact *fact)
{
    const char *limit = strchr(fact->value, '/') ? split(fact->value) : NULL;
    expect_bytes(next_member(walk, "rss", "_bytes"), fact->value);
    if (limit)
        expect_bytes(next_member(walk, "rss", "_limit_bytes"), limit);
}

static void compare_cores(struct walk *walk, struct fact *fact)
{
    const char *limit = split(fact->value);
    expect_rounded(next_member(walk, "cpu", "_cores"), fact->value);
    expect_rounded(next_member(walk, "cpu", "_limit_cores"), limit);
}

static void compare_fact(struct walk *walk, struct fact *fact)
{
    static const char *const threads[] = {"thread", "thread#", "holder", "root", NULL};
    static const char *const parts[] = {"sample", "same", NULL};
    static const char *const microseconds[] = {"suspended", "longest_suspension", NULL};
    const char *key = fact->key;
    if (fact->is_flag)
        expect_true(next_member(walk, key, ""));
    else if (is_boolean(walk, fact)) {
        cr_assert_str_eq(fact->value, "yes");
        expect_true(next_member(walk, key, ""));
    } else if (!strcmp(key, "progress"))
        compare_progress(walk, fact);
    else if (is_one_of(key, threads))
        compare_thread(walk, fact);
    else if (is_one_of(key, parts))
        compare_part(walk, fact);
    else if (is_one_of(key, microseconds))
        expect_microseconds(next_member(walk, key, "_us"), fact->value);
    else if (!strcmp(key, "frames"))
        compare_frames(walk, fact);
    else if (!strcmp(key, "rss"))
        compare_memory(walk, fact);
    else if (!strcmp(key, "cpu") && !strcmp(walk->record, "beat"))
        compare_cores(walk, fact);
    else if (!strcmp(key, "stuck<"))
        expect_duration_at_most(walk, fact->value);
    else if (!strcmp(key, "cpu_seconds"))
        expect_tenths(next_member(walk, key, ""), fact->value);
    else if (!strcmp(key, "rate"))
        expect_rounded(next_member(walk, key, "_per_s"), fact->value);
    else
        compare_pair(walk, fact);
}

static const char *compare_heads(struct walk *walk)
{
    const char *at = text.bytes;
    char head[128];
    cr_assert_eq(json_integer_value(next_member(walk, "schema", "")), 1);
    const char *ts = json_string_value(next_member(walk, "ts", ""));
    const long long pid = json_integer_value(next_member(walk, "pid", ""));
    walk->record = json_string_value(next_member(walk, "record", ""));
    snprintf(head, sizeof head, "%s [heartline %lld] %s", ts, pid, walk->record);
    cr_assert(memcmp(at, head, strlen(head)) == 0, "%s", at);
    return at + strlen(head);
}

/* JSON's escapes take no more room here than there, but its keys are longer: a
 * JSON line may be cut where the text is not. Only then do the two differ. */
static void compare_formats(void)
{
    static struct fact fact;
    json_error_t error;
    json_t *object = json_loadb(json.bytes, json.length, JSON_REJECT_DUPLICATES, &error);
    cr_assert(object, "%s: %s", error.text, json.bytes);
    struct walk walk = {.object = object, .at = json_object_iter(object)};
    const bool json_cut = json_object_get(object, "truncated") != NULL;
    cr_assert_eq(json_cut, json.truncated);
    walk.truncated = json_cut || text.truncated;
    const char *at = compare_heads(&walk);
    while (*at != '\n') {
        at = read_fact(at, &fact);
        if (strcmp(fact.key, "truncated") || json_cut)
            compare_fact(&walk, &fact);
    }
    if (walk.at && json_cut && !text.truncated)
        expect_true(next_member(&walk, "truncated", ""));
    cr_assert_null(walk.at, "only in JSON: %s", json.bytes);
    json_decref(object);
}

/* The same of a line in which pairs may be missing, other ones in either format. */
static void expect_readable(void)
{
    static struct fact fact;
    json_error_t error;
    json_t *object = json_loadb(json.bytes, json.length, JSON_REJECT_DUPLICATES, &error);
    cr_assert(object, "%s: %s", error.text, json.bytes);
    struct walk walk = {.object = object, .at = json_object_iter(object)};
    const char *at = compare_heads(&walk);
    while (*at != '\n')
        at = read_fact(at, &fact);
    cr_assert_eq(text.truncated, !strcmp(fact.key, "truncated") && !strcmp(fact.value, "yes"));
    cr_assert_eq(json.truncated, json_is_true(json_object_get(object, "truncated")) != 0);
    json_decref(object);
}

/* ---- What holds for every line ---- */

static void expect_sound(const struct hl_line *line)
{
    static const char *const hidden[] = {"\xc2\x80",     "\xc2\x9b",     "\xd8\x9c",
                                         "\xe2\x80\x8b", "\xe2\x80\xa8", "\xe2\x80\xae",
                                         "\xe2\x81\xa6", "\xef\xbb\xbf", "\xf3\xa0\x81\x81"};
    cr_assert_leq(line->length, HL_LINE_BYTES);
    cr_assert_eq(line->bytes[line->length], 0);
    cr_assert_eq(strlen(line->bytes), line->length);
    for (size_t i = 0; i + 1 < line->length; i++) {
        const unsigned char byte = (unsigned char)line->bytes[i];
        cr_assert(byte >= 0x20 && byte != 0x7f, "control byte %d: %s", byte, line->bytes);
    }
    cr_assert_eq(line->bytes[line->length - 1], '\n');
    json_t *valid_utf8 = json_stringn(line->bytes, line->length);
    cr_assert(valid_utf8, "not UTF-8: %s", line->bytes);
    json_decref(valid_utf8);
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        cr_assert_not(strstr(line->bytes, hidden[i]));
}

/* ---- Hostile records ---- */

static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t dice(uint64_t sides)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % sides;
}

/* Each ends so that it can't grow together with the next. */
static const struct piece {
    const char *bytes, *decoded;
} pieces[] = {
#define SAME(text) \
    {              \
        text, text \
    }
    SAME("a"),
    SAME("checkpoint"),
    SAME(" "),
    SAME("\""),
    SAME("\\"),
    SAME("="),
    SAME("\n"),
    SAME("\r\n"),
    SAME("\t\b\f"),
    SAME("\x01"),
    SAME("\x1b[2J"),
    SAME("\x7f"),
    SAME("\xc2\x80"),
    SAME("\xc2\x9b"),
    SAME("\xc2\xa0"),
    SAME("\xd8\x9c"),
    SAME("\xe2\x80\x8b"),
    SAME("\xe2\x80\xa8"),
    SAME("\xe2\x80\xae"),
    SAME("\xe2\x81\xa6"),
    SAME("\xe3\x80\x80"),
    SAME("\xef\xbb\xbf"),
    SAME("\xf3\xa0\x81\x81"),
    SAME("ü"),
    SAME("進捗"),
    SAME("😀"),
    SAME("…"),
    SAME("\\u0041"),
    SAME(" > "),
    SAME("\" truncated=yes"),
    SAME("?"),
    SAME("none"),
    {"\x80", "\xef\xbf\xbd"},
    {"\xff", "\xef\xbf\xbd"},
    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xe2\x80x", "\xef\xbf\xbd\xef\xbf\xbdx"},
    {"\xf0\x9f\x98 ", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "},
};

/* A string of at most `most` bytes, and what a reader must get. */
struct hostile {
    char bytes[4096], decoded[3 * 4096];
};

static const char *make_hostile(struct hostile *h, size_t most)
{
    const size_t kinds = sizeof pieces / sizeof pieces[0];
    const size_t wanted = dice(3) ? most : dice(most + 1), only = dice(kinds);
    const bool is_monotonous = dice(3) == 0, is_plain = dice(4) == 0;
    size_t length = 0, decoded = 0;
    for (;;) {
        const struct piece *p = &pieces[is_plain ? 0 : is_monotonous ? only : dice(kinds)];
        if (length + strlen(p->bytes) > wanted)
            break;
        memcpy(h->bytes + length, p->bytes, strlen(p->bytes));
        memcpy(h->decoded + decoded, p->decoded, strlen(p->decoded));
        length += strlen(p->bytes);
        decoded += strlen(p->decoded);
    }
    h->bytes[length] = h->decoded[decoded] = 0;
    return h->bytes;
}

/* What the strings of the record must decode to. */
static struct expectation {
    char key[32]; /* in JSON */
    struct hostile text;
} expectations[3 * HL_CHAIN_LINKS];
static size_t expected_count;

static struct expectation *expect_key(const char *key)
{
    cr_assert_lt(expected_count, sizeof expectations / sizeof expectations[0]);
    struct expectation *e = &expectations[expected_count++];
    strcpy(e->key, key);
    return e;
}

static const char *hostile(const char *key, size_t most)
{
    return make_hostile(&expect_key(key)->text, most);
}

static void hostile_label(char *label, const char *key)
{
    strcpy(label, hostile(key, HL_LABEL_BYTES - 1));
}

/* An unknown thread has no name to be shown. */
static struct hl_thread_ref hostile_thread_as(const char *key)
{
    char name_key[32];
    struct hl_thread_ref thread = {.tid = dice(5) ? dice(1 << 22) : HL_UNKNOWN};
    snprintf(name_key, sizeof name_key, "%s_name", key);
    strcpy(thread.name, hostile(name_key, HL_NAME_BYTES - 1));
    if (thread.tid == HL_UNKNOWN)
        expectations[expected_count - 1].text.decoded[0] = 0;
    return thread;
}

static struct hl_thread_ref hostile_thread(void)
{
    return hostile_thread_as("thread");
}

static uint64_t number(void)
{
    switch (dice(6)) {
    case 0:
        return 0;
    case 1:
        return HL_UNKNOWN;
    case 2:
        return dice(UINT64_C(1) << 62);
    case 3:
        return dice(100000);
    default:
        return UINT64_C(1) << dice(62);
    }
}

static uint64_t known_number(void)
{
    const uint64_t n = number();
    return n == HL_UNKNOWN ? 1 : n;
}

static struct hl_progress_view hostile_progress(void)
{
    struct hl_progress_view p = {.present = dice(3) > 0,
                                 .total_grew = dice(2),
                                 .current = known_number(),
                                 .total = known_number(),
                                 .rate_milli = number(),
                                 .eta_ns = number(),
                                 .idle_ns = dice(2) ? HL_UNKNOWN : number()};
    return p;
}

static char letter(void)
{
    return (char)(dice(4) ? 'A' + (int)dice(26) : (int)dice(128));
}

static struct hl_line_head hostile_head;
static bool loses_pairs; /* a record that may be too long for its numbers alone */

static void render_start(struct hl_line *line)
{
    static struct hl_start_event start;
    if (line == &text) {
        start = plain_start;
        start.interval_ns = (known_number() >> 20) * 1000000;
        start.stall_ns = (known_number() >> 20) * 1000000;
        start.cores_milli = number();
        start.log = hostile("log", 4095);
        start.signal = dice(2);
        start.env_ignored = dice(2);
    }
    hl_report_start(line, &hostile_head, &start);
}

static void render_beat(struct hl_line *line)
{
    static struct hl_beat_event b;
    if (line == &text) {
        b = (struct hl_beat_event){.elapsed_ns = number(),
                                   .cpu_milli = number(),
                                   .cores_milli = number(),
                                   .window_ns = number(),
                                   .rss_bytes = number(),
                                   .rss_limit_bytes = number(),
                                   .peak_rss_bytes = number(),
                                   .vm_bytes = number(),
                                   .threads = number(),
                                   .read_bytes = number(),
                                   .written_bytes = number(),
                                   .instrumented = number(),
                                   .waiting = number(),
                                   .stalled = number(),
                                   .active = dice(3) > 0,
                                   .for_ns = number(),
                                   .progress = hostile_progress(),
                                   .dropped = number(),
                                   .overflow = number(),
                                   .unbalanced = number(),
                                   .repaired = number(),
                                   .vanished = number(),
                                   .late_ns = number()};
        if (b.active)
            hostile_label(b.label, "active");
    }
    hl_report_beat(line, &hostile_head, &b);
}

static void render_phase(struct hl_line *line)
{
    static struct hl_phase_event p;
    if (line == &text) {
        p = (struct hl_phase_event){.thread = hostile_thread(),
                                    .depth = number(),
                                    .in_ns = number(),
                                    .updated_ns = number(),
                                    .cpu_milli = number(),
                                    .state = letter(),
                                    .waiting = dice(2),
                                    .progress = hostile_progress()};
        hostile_label(p.innermost, "innermost");
        p.churning = p.innermost[0] && dice(2);
    }
    hl_report_phase(line, &hostile_head, &p);
}

static void render_omitted(struct hl_line *line)
{
    hl_report_phases_omitted(line, &hostile_head, 12);
}

static void render_busy(struct hl_line *line)
{
    static struct hl_busy_event busy;
    if (line == &text)
        busy = (struct hl_busy_event){hostile_thread(), number(), letter()};
    hl_report_busy(line, &hostile_head, &busy);
}

/* Joined as a reader must see them. */
static void hostile_labels(char (*labels)[HL_LABEL_BYTES], size_t count, const char *between,
                           const char *key)
{
    static struct hostile one;
    struct expectation *joined = expect_key(key);
    joined->text.decoded[0] = 0;
    for (size_t i = 0; i < count; i++) {
        strcpy(labels[i], make_hostile(&one, HL_LABEL_BYTES - 1));
        if (i > 0)
            strcat(joined->text.decoded, between);
        strcat(joined->text.decoded, one.decoded);
    }
}

static void hostile_wait(struct hl_evidence_view *e)
{
    strcpy(e->call, hostile("syscall", HL_CALL_BYTES - 1));
    strcpy(e->wait, hostile("wait", HL_WAIT_BYTES - 1));
    strcpy(e->local, hostile("local", HL_ADDRESS_BYTES - 1));
    strcpy(e->channel, hostile("wchan", HL_CHANNEL_BYTES - 1));
    e->has_descriptor = dice(2);
    e->descriptor = number();
}

static void hostile_holder(struct hl_evidence_view *e)
{
    e->holder_is = dice(3) ? HL_HOLDER_KNOWN : HL_HOLDER_UNKNOWN;
    e->holder = (struct hl_other_view){
        .thread = hostile_thread_as("holder"), .in_phase = dice(2), .for_ns = number()};
    if (e->holder_is == HL_HOLDER_KNOWN && e->holder.in_phase)
        hostile_label(e->holder.phase, "holder_phase");
}

static void hostile_root(struct hl_evidence_view *e)
{
    e->has_root = true;
    e->root_verdict = (enum hl_verdict)dice(5);
    e->root = (struct hl_other_view){.thread = hostile_thread_as("root"), .in_phase = dice(2)};
    bool is_holder = e->holder_is == HL_HOLDER_KNOWN && e->holder.thread.tid == e->root.thread.tid;
    if (e->root.in_phase && !is_holder)
        hostile_label(e->root.phase, "root_phase");
    strcpy(e->root_wait, hostile("root_wait", HL_WAIT_BYTES - 1));
}

static struct hl_evidence_view hostile_evidence(void)
{
    struct hl_evidence_view e = {.verdict = (enum hl_verdict)dice(5),
                                 .cpu_milli = number(),
                                 .run_delay_milli = number(),
                                 .quota_milli = dice(2) * (1 + dice(1 << 20)),
                                 .throttled_ns = number(),
                                 .state = letter()};
    if (dice(2))
        hostile_wait(&e);
    else
        e.call_unknown = e.wait_unknown = e.channel_unknown = dice(2);
    if (dice(2))
        hostile_holder(&e);
    if (dice(2))
        hostile_root(&e);
    return e;
}

static void render_stall(struct hl_line *line)
{
    static char path[HL_DEPTH][HL_LABEL_BYTES];
    static struct hl_stall_event s;
    if (line == &text) {
        s = (struct hl_stall_event){.id = known_number(),
                                    .thread = hostile_thread(),
                                    .path = (const char(*)[HL_LABEL_BYTES])path,
                                    .path_count = 1 + dice(HL_DEPTH),
                                    .stuck_ns = number(),
                                    .limit_ns = number(),
                                    .progress = hostile_progress(),
                                    .reminder = dice(3),
                                    .ended = dice(2),
                                    .evidence = hostile_evidence()};
        hostile_label(s.phase, "phase");
        hostile_labels(path, s.path_count, " > ", "path");
    }
    hl_report_stall(line, &hostile_head, &s);
}

static void render_stack(struct hl_line *line)
{
    static char frames[64][HL_FRAME_BYTES];
    static struct hostile one;
    static struct hl_stack_event s;
    if (line == &text) {
        s = (struct hl_stack_event){.id = known_number(),
                                    .thread = hostile_thread(),
                                    .sample = 1 + dice(HL_SAMPLES),
                                    .same = 1 + dice(3),
                                    .had = dice(4),
                                    .suspended_ns = dice(2) * known_number(),
                                    .frames = (const char(*)[HL_FRAME_BYTES])frames,
                                    .frames_count = 1 + dice(64),
                                    .truncated = dice(4) == 0};
        for (size_t i = 0; i < s.frames_count; i++)
            strcpy(frames[i], make_hostile(&one, HL_FRAME_BYTES - 1));
    }
    hl_report_stack(line, &hostile_head, &s);
}

static void hostile_member(struct hl_deadlock_member *member, size_t i)
{
    char key[32];
    snprintf(key, sizeof key, "thread%zu", i + 1);
    *member =
        (struct hl_deadlock_member){.who = {.thread = hostile_thread_as(key), .in_phase = dice(2)}};
    snprintf(key, sizeof key, "lock%zu", i + 1);
    strcpy(member->lock, hostile(key, HL_WAIT_BYTES - 1));
    snprintf(key, sizeof key, "phase%zu", i + 1);
    if (member->who.in_phase)
        hostile_label(member->who.phase, key);
}

static void render_deadlock(struct hl_line *line)
{
    static struct hl_deadlock_member members[HL_CHAIN_LINKS];
    static struct hl_deadlock_event d = {.members = members};
    if (line == &text) {
        d.id = known_number();
        d.count = 1 + (dice(2) ? dice(3) : dice(HL_CHAIN_LINKS));
        for (size_t i = 0; i < d.count; i++)
            hostile_member(&members[i], i);
    }
    hl_report_deadlock(line, &hostile_head, &d);
}

static void render_merged(struct hl_line *line)
{
    static struct hl_merged_event m;
    if (line == &text) {
        m = (struct hl_merged_event){.count = number(),
                                     .first_id = number(),
                                     .last_id = number(),
                                     .longest_ns = number(),
                                     .phases_count = 1 + dice(HL_MERGED_SHOWN),
                                     .more_phases = dice(2)};
        hostile_labels(m.phases, m.phases_count, "; ", "phases");
        if (m.more_phases)
            strcat(expectations[expected_count - 1].text.decoded, "; …");
    }
    hl_report_merged(line, &hostile_head, &m);
}

static void render_recovered(struct hl_line *line)
{
    static struct hl_recovered_event r;
    if (line == &text) {
        r = (struct hl_recovered_event){.id = known_number(),
                                        .thread = hostile_thread(),
                                        .stuck_ns = number(),
                                        .at_most = dice(2),
                                        .reason = dice(2) ? "exit" : NULL};
        hostile_label(r.phase, "phase");
    }
    hl_report_recovered(line, &hostile_head, &r);
}

static void render_merged_recovered(struct hl_line *line)
{
    static struct hl_merged_recovered_event m;
    if (line == &text)
        m = (struct hl_merged_recovered_event){number(), number(), number(), number()};
    hl_report_merged_recovered(line, &hostile_head, &m);
}

static void render_quiet(struct hl_line *line)
{
    static struct hl_quiet_event quiet;
    if (line == &text)
        quiet = (struct hl_quiet_event){
            .for_ns = number(), .threads = number(), .waits = hostile("waits", 4095)};
    hl_report_quiet(line, &hostile_head, &quiet);
}

static void render_paused(struct hl_line *line)
{
    static struct hl_paused_event paused;
    if (line == &text)
        paused = (struct hl_paused_event){number(), "suspend"};
    hl_report_paused(line, &hostile_head, &paused);
}

static void render_unavailable(struct hl_line *line)
{
    static struct hl_unavailable_event u;
    if (line == &text) {
        u.key = hostile("key", 300);
        u.reason = hostile("reason", 4095);
    }
    hl_report_unavailable(line, &hostile_head, &u);
}

static void render_note(struct hl_line *line)
{
    static struct hl_note_event n;
    if (line == &text) {
        const size_t most = dice(4) ? 127 : 4095;
        n = (struct hl_note_event){.flag = dice(2) ? "forked" : NULL,
                                   .value = hostile("value", most),
                                   .child = known_number(),
                                   .last_flag = dice(2) ? "unmonitored" : NULL,
                                   .dropped = number()};
        n.variable = hostile("variable", most);
        n.accepted = hostile("accepted", most);
        n.used = hostile("used", most);
        n.reason = hostile("reason", most);
    }
    hl_report_note(line, &hostile_head, &n);
}

static void render_stop(struct hl_line *line)
{
    static struct hl_stop_event s;
    if (line == &text)
        s = (struct hl_stop_event){number(),
                                   number(),
                                   number(),
                                   number(),
                                   number(),
                                   number(),
                                   number(),
                                   number(),
                                   number(),
                                   dice(2) * known_number(),
                                   dice(2) * known_number(),
                                   known_number(),
                                   dice(2) * known_number()};
    hl_report_stop(line, &hostile_head, &s);
}

static void (*const renderers[])(struct hl_line *) = {
    render_start,       render_beat,   render_phase,     render_omitted,          render_busy,
    render_stall,       render_merged, render_recovered, render_merged_recovered, render_paused,
    render_unavailable, render_note,   render_stop,      render_deadlock,         render_stack,
    render_quiet};

static void expect_prefix(const char *shown, const char *whole)
{
    const size_t ellipsis = sizeof "…" - 1, length = strlen(shown);
    cr_assert(length >= ellipsis && !strcmp(shown + length - ellipsis, "…"), "%s", shown);
    cr_assert(!memcmp(shown, whole, length - ellipsis), "%s", shown);
}

static void expect_strings(void)
{
    json_t *object = json_loadb(json.bytes, json.length, 0, NULL);
    for (size_t i = 0; i < expected_count; i++) {
        const struct expectation *e = &expectations[i];
        const char *shown = json_string_value(json_object_get(object, e->key));
        if (!shown && json.truncated && loses_pairs)
            continue;
        if (!shown)
            cr_assert_str_empty(e->text.decoded, "%s is missing", e->key);
        else if (!json.truncated)
            cr_assert_str_eq(shown, e->text.decoded);
        else if (strcmp(shown, e->text.decoded) && strcmp(e->key, "path") &&
                 strcmp(e->key, "phases"))
            expect_prefix(shown, e->text.decoded);
    }
    json_decref(object);
}

static void render_hostile(void (*render)(struct hl_line *))
{
    static struct hostile tag;
    expected_count = 0;
    loses_pairs = render == render_deadlock;
    hostile_head = (struct hl_line_head){.has_time = true,
                                         .wall_ms = dice(UINT64_C(253402300800000)),
                                         .pid = dice(1 << 22),
                                         .tag = dice(2) ? make_hostile(&tag, 63) : NULL};
    hostile_head.format = MONITOR_TEXT;
    render(&text);
    hostile_head.format = MONITOR_JSON;
    render(&json);
}

Test(report, no_content_whatsoever_breaks_a_line, .timeout = 900)
{
    size_t whole = 0, cut = 0;
    for (int round = 0; round < 800; round++) {
        for (size_t i = 0; i < sizeof renderers / sizeof renderers[0]; i++) {
            render_hostile(renderers[i]);
            expect_sound(&text);
            expect_sound(&json);
            if (json.truncated && loses_pairs)
                expect_readable();
            else
                compare_formats();
            expect_strings();
            *(json.truncated ? &cut : &whole) += 2;
        }
    }
    cr_assert_gt(whole, 10000);
    cr_assert_gt(cut, 1000);
}

Test(report, what_a_heartbeat_or_a_stall_says_is_cut_in_its_path_alone)
{
    static char path[HL_DEPTH][HL_LABEL_BYTES];
    struct hl_stall_event stall = plain_stall;
    struct hl_line_head head = {.has_time = true, .format = MONITOR_JSON, .pid = UINT32_MAX};
    char tag[64], label[6 * HL_LABEL_BYTES];
    memset(tag, 1, 63);
    tag[63] = 0;
    head.tag = tag;
    memset(path, 0, sizeof path);
    for (size_t i = 0; i < HL_DEPTH; i++)
        memset(path[i], 1, HL_LABEL_BYTES - 1);
    memcpy(stall.phase, path[0], HL_LABEL_BYTES);
    memset(stall.thread.name, 1, HL_NAME_BYTES - 1);
    stall.path = (const char(*)[HL_LABEL_BYTES])path;
    stall.path_count = HL_DEPTH;
    stall.reminder = stall.progress.total = stall.progress.current = UINT64_MAX - 1;
    stall.evidence.cpu_milli = stall.evidence.run_delay_milli = UINT64_MAX - 1;
    hl_report_stall(&json, &head, &stall);
    expect_sound(&json);
    for (size_t i = 0; i < HL_LABEL_BYTES - 1; i++)
        memcpy(label + 6 * i, "\\u0001", 7);
    char phase[sizeof label + 16];
    snprintf(phase, sizeof phase, "\"phase\":\"%s\",", label);
    cr_assert(strstr(json.bytes, phase));
    cr_assert(strstr(json.bytes, " > … > "));
    cr_assert(strstr(json.bytes, ",\"state\":\"S\",\"truncated\":true}\n"));
}

/* Everything that can be found out about a wait, each text `fill` to its end. */
static struct hl_evidence_view longest_evidence(char fill)
{
    struct hl_evidence_view e = {.verdict = HL_STARVED,
                                 .cpu_milli = UINT64_MAX - 1,
                                 .run_delay_milli = UINT64_MAX - 1,
                                 .quota_milli = UINT64_MAX - 1,
                                 .throttled_ns = UINT64_MAX - 1,
                                 .state = 'S',
                                 .has_descriptor = true,
                                 .descriptor = UINT64_MAX - 1,
                                 .holder_is = HL_HOLDER_KNOWN,
                                 .has_root = true,
                                 .root_verdict = HL_BLOCKED};
    e.holder = (struct hl_other_view){
        .thread.tid = UINT64_MAX - 1, .in_phase = true, .for_ns = UINT64_MAX - 1};
    e.root = (struct hl_other_view){.thread.tid = UINT64_MAX - 2, .in_phase = true};
    memset(e.call, fill, sizeof e.call - 1);
    memset(e.wait, fill, sizeof e.wait - 1);
    memset(e.local, fill, sizeof e.local - 1);
    memset(e.channel, fill, sizeof e.channel - 1);
    memset(e.holder.thread.name, fill, HL_NAME_BYTES - 1);
    memset(e.holder.phase, fill, HL_LABEL_BYTES - 1);
    memset(e.root.thread.name, fill, HL_NAME_BYTES - 1);
    memset(e.root.phase, fill, HL_LABEL_BYTES - 1);
    memset(e.root_wait, fill, sizeof e.root_wait - 1);
    return e;
}

static struct hl_stall_event longest_stall(char fill)
{
    static char path[HL_DEPTH][HL_LABEL_BYTES];
    struct hl_stall_event stall = plain_stall;
    memset(path, 0, sizeof path);
    for (size_t i = 0; i < HL_DEPTH; i++)
        memset(path[i], fill, HL_LABEL_BYTES - 1);
    memcpy(stall.phase, path[0], HL_LABEL_BYTES);
    memset(stall.thread.name, fill, HL_NAME_BYTES - 1);
    stall.id = stall.thread.tid = stall.stuck_ns = stall.limit_ns = UINT64_MAX - 1;
    stall.path = (const char(*)[HL_LABEL_BYTES])path;
    stall.path_count = HL_DEPTH;
    stall.reminder = stall.progress.total = stall.progress.current = UINT64_MAX - 1;
    stall.progress.idle_ns = UINT64_MAX - 1;
    stall.ended = true;
    stall.evidence = longest_evidence(fill);
    return stall;
}

static char longest_tag[64];

static struct hl_line_head longest_head(enum monitor_format format)
{
    memset(longest_tag, 1, sizeof longest_tag - 1);
    return (struct hl_line_head){
        .has_time = true, .format = format, .pid = UINT32_MAX, .tag = longest_tag};
}

Test(report, of_the_longest_stall_texts_are_cut_and_nothing_is_left_out)
{
    static const char *const keys[] = {"tag",
                                       "id",
                                       "thread_tid",
                                       "thread_name",
                                       "phase",
                                       "path",
                                       "stuck_ms",
                                       "limit_ms",
                                       "reminder",
                                       "ended",
                                       "progress_current",
                                       "progress_total",
                                       "idle_for_ms",
                                       "verdict",
                                       "cpu",
                                       "run_delay",
                                       "quota",
                                       "throttled_ms",
                                       "state",
                                       "syscall",
                                       "fd",
                                       "wait",
                                       "local",
                                       "holder_tid",
                                       "holder_name",
                                       "holder_phase",
                                       "holder_for_ms",
                                       "root_tid",
                                       "root_name",
                                       "root_phase",
                                       "root_verdict",
                                       "root_wait",
                                       "wchan",
                                       "truncated"};
    const struct hl_line_head as_text = longest_head(MONITOR_TEXT);
    const struct hl_line_head as_json = longest_head(MONITOR_JSON);
    const struct hl_stall_event stall = longest_stall(1);
    hl_report_stall(&text, &as_text, &stall);
    hl_report_stall(&json, &as_json, &stall);
    expect_sound(&text);
    expect_sound(&json);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char key[64];
        snprintf(key, sizeof key, ",\"%s\":", keys[i]);
        cr_expect(strstr(json.bytes, key), "%s is missing", keys[i]);
    }
    cr_expect(strstr(json.bytes, ",\"truncated\":true}\n"));
    cr_expect(strstr(text.bytes, " truncated=yes\n"));
}

Test(report, a_path_gives_way_to_what_is_found_out_about_the_stall)
{
    const struct hl_line_head head = longest_head(MONITOR_JSON);
    struct hl_stall_event stall = longest_stall('x');
    stall.evidence.wait[100] = stall.evidence.root_wait[100] = 0;
    hl_report_stall(&json, &head, &stall);
    expect_sound(&json);
    json_t *object = json_loadb(json.bytes, json.length, 0, NULL);
    const struct hl_evidence_view *e = &stall.evidence;
    const struct {
        const char *key, *whole;
    } texts[] = {{"syscall", e->call},
                 {"wait", e->wait},
                 {"local", e->local},
                 {"holder_name", e->holder.thread.name},
                 {"holder_phase", e->holder.phase},
                 {"root_name", e->root.thread.name},
                 {"root_phase", e->root.phase},
                 {"root_wait", e->root_wait},
                 {"wchan", e->channel}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *shown = json_string_value(json_object_get(object, texts[i].key));
        cr_assert(shown, "%s is missing", texts[i].key);
        cr_expect_str_eq(shown, texts[i].whole, "%s was cut", texts[i].key);
    }
    cr_expect(strstr(json_string_value(json_object_get(object, "path")), " > … > "));
    json_decref(object);
}

Test(report, the_longest_deadlock_is_one_sound_line)
{
    static struct hl_deadlock_member members[HL_CHAIN_LINKS];
    const struct hl_line_head as_text = longest_head(MONITOR_TEXT);
    const struct hl_line_head as_json = longest_head(MONITOR_JSON);
    const struct hl_deadlock_event deadlock = {INT64_MAX, HL_CHAIN_LINKS, members};
    for (size_t i = 0; i < HL_CHAIN_LINKS; i++) {
        members[i].who.thread.tid = (uint64_t)INT64_MAX - i;
        members[i].who.in_phase = true;
        memset(members[i].who.thread.name, 1, HL_NAME_BYTES - 1);
        memset(members[i].lock, 1, HL_WAIT_BYTES - 1);
        memset(members[i].who.phase, 1, HL_LABEL_BYTES - 1);
    }
    hl_report_deadlock(&text, &as_text, &deadlock);
    hl_report_deadlock(&json, &as_json, &deadlock);
    expect_sound(&text);
    expect_sound(&json);
    expect_readable();
    cr_expect(strstr(json.bytes, ",\"members\":32,\"thread1_tid\":9223372036854775807,"));
    cr_expect(strstr(json.bytes, ",\"truncated\":true}\n"));
    cr_expect(strstr(text.bytes, " truncated=yes\n"));
}

/* As long as they usually are. */
Test(report, a_deadlock_of_twelve_ordinary_members_is_said_whole)
{
    static struct hl_deadlock_member members[12];
    for (size_t i = 0; i < 12; i++)
        members[i] =
            (struct hl_deadlock_member){.who = {.thread = {4194304 - i, "connection-pool"},
                                                .in_phase = true,
                                                .phase = "write the 12th segment of the index"},
                                        .lock = "mutex:0x7f5e5f0daf0a0"};
    hl_report_deadlock(&text, &text_head, &(struct hl_deadlock_event){1, 12, members});
    hl_report_deadlock(&json, &json_head, &(struct hl_deadlock_event){1, 12, members});
    cr_expect_not(text.truncated);
    cr_expect_not(json.truncated);
}
