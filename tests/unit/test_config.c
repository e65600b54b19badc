/* tests/unit/test_config.c - options, the environment on top, and what is refused. */
#include "../../monitor/config.h"
#include "../doubles/scripted_platform.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct hl_config config;

static monitor_options defaults(void)
{
    monitor_options options;
    monitor_options_default(&options);
    return options;
}

static int resolve_defaults(void)
{
    monitor_options options = defaults();
    return hl_config_resolve(&config, &options);
}

static int resolve_with(const char *variable, const char *value)
{
    scripted_setenv(variable, value);
    return resolve_defaults();
}

static const struct hl_setting *setting(const char *variable)
{
    for (size_t i = 0; i < hl_settings_count; i++)
        if (strcmp(hl_settings[i].variable, variable) == 0)
            return &hl_settings[i];
    cr_assert_fail("no setting %s", variable);
    return NULL;
}

static const char *shown(const char *variable)
{
    static char text[HL_PATH_BYTES];
    hl_config_show(setting(variable), &config.options, text, sizeof text);
    return text;
}

static void expect_bad(const char *variable, const char *value)
{
    cr_assert_eq(config.bad_count, 1, "%s=%s was taken", variable, value);
    cr_expect_str_eq(config.bad[0].variable, variable);
    cr_expect_str_eq(config.bad[0].value, value);
    cr_expect_str_eq(config.bad[0].accepted, setting(variable)->accepted);
    cr_expect_eq(config.bad[0].setting, setting(variable));
}

/* ---- the table ---------------------------------------------------------- */

Test(config, the_defaults_are_those_of_the_manual)
{
    monitor_options options = defaults();
    cr_expect_eq(options.size, sizeof options);
    cr_expect_eq(options.interval_ms, 60000);
    cr_expect_eq(options.stall_ms, 120000);
    cr_expect_eq(options.phase_lines, 8);
    cr_expect_eq(options.busy_lines, 3);
    cr_expect_eq(options.stall_lines, 10);
    cr_expect_eq(options.format, MONITOR_TEXT);
    cr_expect_eq(options.clock, MONITOR_CLOCK_COARSE);
    cr_expect_eq(options.fork, MONITOR_FORK_OFF);
    cr_expect_null(options.log_path);
    cr_expect_null(options.tag);
    cr_expect_eq(options.beat_signal, 0);
    cr_expect_null(options.sink);
    cr_expect_null(options.sink_data);
    cr_expect_eq(options.stacks, MONITOR_STACKS_PASSIVE);
    monitor_options_default(NULL);
}

Test(config, each_row_of_the_table_is_complete_and_has_names_of_its_own)
{
    for (size_t i = 0; i < hl_settings_count; i++) {
        const struct hl_setting *row = &hl_settings[i];
        cr_expect(strncmp(row->variable, "HEARTLINE", 9) == 0);
        cr_expect(row->accepted[0] != '\0' && row->help[0] != '\0');
        cr_expect_eq(row->kind == HL_SETTING_CHOICE, row->choices != NULL);
        for (size_t j = 0; j < i; j++) {
            cr_expect_str_neq(row->variable, hl_settings[j].variable);
            cr_expect_neq(row->offset, hl_settings[j].offset);
        }
    }
}

Test(config, the_defaults_resolve_to_themselves)
{
    cr_assert_eq(resolve_defaults(), 0);
    monitor_options expected = defaults();
    cr_expect_arr_eq(&config.options, &expected, sizeof expected);
    cr_expect_not(config.off);
    cr_expect_not(config.env_ignored);
    cr_expect_not(config.log_from_env);
    cr_expect_eq(config.bad_count, 0);
}

/* ---- durations ---------------------------------------------------------- */

struct duration_case {
    char text[32];
    bool understood;
    uint64_t ms;
};

static struct duration_case durations[] = {
    {"500ms", true, 500},
    {"10s", true, 10000},
    {"2m", true, 120000},
    {"1h30m", true, 5400000},
    {"2d", true, 172800000},
    {"90", true, 90000},
    {"0", true, 0},
    {"0s", true, 0},
    {"007", true, 7000},
    {"2m05s", true, 125000},
    {"1d2h3m4s5ms", true, 93784005},
    {"1h90m", true, 9000000},
    {"1.5s", true, 1500},
    {"1.5", true, 1500},
    {"0.25h", true, 900000},
    {"1m1.5s", true, 61500},
    {"1.000s", true, 1000},
    {"1.0ms", true, 1},
    {"18446744073709551615ms", true, UINT64_MAX},
    {"18446744073709551s", true, UINT64_C(18446744073709551000)},
    {"18446744073709551616ms", false, 0},
    {"18446744073709552s", false, 0},
    {"18446744073709551.999s", false, 0},
    {"213503982334d14400000m", false, 0},
    {"99999999999999999999999", false, 0},
    {"1d18446744073709551615ms", false, 0},
    {"", false, 0},
    {"banana", false, 0},
    {"s", false, 0},
    {"10x", false, 0},
    {"10sec", false, 0},
    {"10 s", false, 0},
    {" 10s", false, 0},
    {"10s ", false, 0},
    {"-1s", false, 0},
    {"+1s", false, 0},
    {"10S", false, 0},
    {"1h30", false, 0},
    {"5s1m", false, 0},
    {"1s1s", false, 0},
    {"1.s", false, 0},
    {".5s", false, 0},
    {"1.5ms", false, 0},
    {"1.0005s", false, 0},
    {"1.5h30m", false, 0},
    {"1.5s0ms", false, 0},
    {"1.0000000000s", false, 0},
    {"1.99999999999999999999999s", false, 0},
    {"1,5s", false, 0},
    {"0x10", false, 0},
    {"1e3", false, 0},
    {"inf", false, 0},
};

ParameterizedTestParameters(config, durations_are_read_exactly_or_not_at_all)
{
    return cr_make_param_array(struct duration_case, durations,
                               sizeof durations / sizeof durations[0]);
}

ParameterizedTest(struct duration_case *given, config, durations_are_read_exactly_or_not_at_all)
{
    uint64_t ms = 4711;
    cr_assert_eq(hl_config_duration(given->text, &ms), given->understood, "\"%s\"", given->text);
    cr_expect_eq(ms, given->understood ? given->ms : 4711, "\"%s\" is %llu", given->text,
                 (unsigned long long)ms);
}

/* ---- the environment ---------------------------------------------------- */

struct variable_case {
    char variable[32], value[32];
    char shown[32]; /* "" = refused */
};

static struct variable_case variables[] = {
    {"HEARTLINE_INTERVAL", "10s", "10s"},
    {"HEARTLINE_INTERVAL", "10ms", "10ms"},
    {"HEARTLINE_INTERVAL", "24h", "24h00m00s"},
    {"HEARTLINE_INTERVAL", "1250ms", "1250ms"},
    {"HEARTLINE_INTERVAL", "9ms", ""},
    {"HEARTLINE_INTERVAL", "86400001ms", ""},
    {"HEARTLINE_INTERVAL", "0", ""},
    {"HEARTLINE_INTERVAL", "never", ""},
    {"HEARTLINE_INTERVAL", "banana", ""},
    {"HEARTLINE_STALL", "5m", "5m00s"},
    {"HEARTLINE_STALL", "0", "never"},
    {"HEARTLINE_STALL", "never", "never"},
    {"HEARTLINE_STALL", "30d", "720h00m00s"},
    {"HEARTLINE_STALL", "31d", ""},
    {"HEARTLINE_STALL", "9ms", ""},
    {"HEARTLINE_PHASE_LINES", "0", "0"},
    {"HEARTLINE_PHASE_LINES", "10000", "10000"},
    {"HEARTLINE_PHASE_LINES", "10001", ""},
    {"HEARTLINE_PHASE_LINES", "4294967296", ""},
    {"HEARTLINE_PHASE_LINES", "18446744073709551616", ""},
    {"HEARTLINE_PHASE_LINES", "-1", ""},
    {"HEARTLINE_PHASE_LINES", "8x", ""},
    {"HEARTLINE_BUSY_LINES", "12", "12"},
    {"HEARTLINE_BUSY_LINES", "many", ""},
    {"HEARTLINE_STALL_LINES", "1", "1"},
    {"HEARTLINE_STALL_LINES", "0", ""},
    {"HEARTLINE_FORMAT", "text", "text"},
    {"HEARTLINE_FORMAT", "json", "json"},
    {"HEARTLINE_FORMAT", "JSON", ""},
    {"HEARTLINE_FORMAT", "1", ""},
    {"HEARTLINE_FORMAT", "jsonl", ""},
    {"HEARTLINE_CLOCK", "precise", "precise"},
    {"HEARTLINE_CLOCK", "fast", ""},
    {"HEARTLINE_FORK", "restart", "restart"},
    {"HEARTLINE_FORK", "on", ""},
    {"HEARTLINE_LOG", "run.log", "run.log"},
    {"HEARTLINE_TAG", "blue", "blue"},
    {"HEARTLINE_SIGNAL", "USR1", "USR1"},
    {"HEARTLINE_SIGNAL", "SIGUSR2", "USR2"},
    {"HEARTLINE_SIGNAL", "QUIT", "QUIT"},
    {"HEARTLINE_SIGNAL", "WINCH", "WINCH"},
    {"HEARTLINE_SIGNAL", "IO", "IO"},
    {"HEARTLINE_SIGNAL", "none", "none"},
    {"HEARTLINE_SIGNAL", "0", "none"},
    {"HEARTLINE_SIGNAL", "KILL", ""},
    {"HEARTLINE_SIGNAL", "SIGSEGV", ""},
    {"HEARTLINE_SIGNAL", "9", ""},
    {"HEARTLINE_SIGNAL", "SIG", ""},
    {"HEARTLINE_SIGNAL", "SIGSIGUSR1", ""},
    {"HEARTLINE_SIGNAL", "1000", ""},
    {"HEARTLINE_SIGNAL", "4294967306", ""},
    {"HEARTLINE_STACKS", "passive", "passive"},
    {"HEARTLINE_STACKS", "interrupt", "interrupt"},
    {"HEARTLINE_STACKS", "off", "off"},
    {"HEARTLINE_STACKS", "on", ""},
    {"HEARTLINE", "off", "off"},
    {"HEARTLINE", "on", "on"},
    {"HEARTLINE", "0", ""},
    {"HEARTLINE", "OFF", ""},
};

ParameterizedTestParameters(config, a_variable_is_taken_or_named_and_skipped)
{
    return cr_make_param_array(struct variable_case, variables,
                               sizeof variables / sizeof variables[0]);
}

ParameterizedTest(struct variable_case *given, config, a_variable_is_taken_or_named_and_skipped)
{
    cr_assert_eq(resolve_with(given->variable, given->value), 0);
    if (given->shown[0] == '\0') {
        expect_bad(given->variable, given->value);
        monitor_options expected = defaults();
        cr_expect_arr_eq(&config.options, &expected, sizeof expected);
        cr_expect_not(config.off);
        return;
    }
    cr_assert_eq(config.bad_count, 0, "%s=%s was refused", given->variable, given->value);
    if (strcmp(given->variable, "HEARTLINE") == 0)
        cr_expect_eq(config.off, strcmp(given->value, "off") == 0);
    else
        cr_expect_str_eq(shown(given->variable), given->shown);
}

Test(config, an_interval_of_banana_is_named_and_the_default_used)
{
    cr_assert_eq(resolve_with("HEARTLINE_INTERVAL", "banana"), 0);
    expect_bad("HEARTLINE_INTERVAL", "banana");
    cr_expect_eq(config.options.interval_ms, 60000);
    cr_expect_str_eq(shown("HEARTLINE_INTERVAL"), "1m00s");
}

Test(config, beside_a_bad_variable_the_callers_value_stands)
{
    monitor_options options = defaults();
    options.interval_ms = 5000;
    scripted_setenv("HEARTLINE_INTERVAL", "soon");
    cr_assert_eq(hl_config_resolve(&config, &options), 0);
    expect_bad("HEARTLINE_INTERVAL", "soon");
    cr_expect_eq(config.options.interval_ms, 5000);
}

Test(config, the_operator_has_the_last_word)
{
    monitor_options options = defaults();
    options.interval_ms = 5000;
    options.tag = "from the program";
    scripted_setenv("HEARTLINE_INTERVAL", "1s");
    scripted_setenv("HEARTLINE_TAG", "from the operator");
    cr_assert_eq(hl_config_resolve(&config, &options), 0);
    cr_expect_eq(config.options.interval_ms, 1000);
    cr_expect_str_eq(config.options.tag, "from the operator");
}

Test(config, an_empty_variable_counts_as_unset)
{
    for (size_t i = 0; i < hl_settings_count; i++)
        scripted_setenv(hl_settings[i].variable, "");
    cr_assert_eq(resolve_defaults(), 0);
    cr_expect_eq(config.bad_count, 0);
    cr_expect_not(config.off);
    cr_expect_not(config.log_from_env);
    cr_expect_null(config.options.log_path);
}

Test(config, every_variable_can_be_bad_at_once)
{
    static char long_text[5000];
    memset(long_text, 'x', sizeof long_text - 1);
    for (size_t i = 0; i < hl_settings_count; i++)
        scripted_setenv(hl_settings[i].variable, long_text);
    scripted_setenv("OMPI_COMM_WORLD_RANK", long_text);
    scripted_setenv("PMI_RANK", long_text);
    scripted_setenv("SLURM_PROCID", long_text);
    cr_assert_eq(resolve_defaults(), 0);
    cr_expect_eq(config.bad_count, hl_settings_count + 3);
    cr_expect_null(config.options.log_path);
}

Test(config, the_environment_of_a_setuid_program_is_not_read)
{
    scripted.env_untrusted = true;
    scripted_setenv("HEARTLINE_INTERVAL", "1s");
    scripted_setenv("HEARTLINE", "off");
    cr_assert_eq(resolve_defaults(), 0);
    cr_expect(config.env_ignored);
    cr_expect_not(config.off);
    cr_expect_eq(config.options.interval_ms, 60000);
    cr_expect_eq(scripted.env_reads, 0);
}

Test(config, a_long_bad_value_is_cut_between_characters)
{
    /* 123 bytes and then "ä": its second byte would be the 125th, beyond the cut. */
    char value[200] = "";
    memset(value, 'x', 123);
    strcpy(value + 123, "\xc3\xa4yyyyyyyyyy");
    cr_assert_eq(resolve_with("HEARTLINE_STALL", value), 0);
    cr_assert_eq(config.bad_count, 1);
    cr_expect_eq(strlen(config.bad[0].value), 126);
    cr_expect_eq(memcmp(config.bad[0].value, value, 123), 0);
    cr_expect_str_eq(config.bad[0].value + 123, "\xe2\x80\xa6");
}

Test(config, a_bad_value_that_just_fits_is_whole)
{
    char value[200] = "";
    memset(value, 'x', 127);
    cr_assert_eq(resolve_with("HEARTLINE_STALL", value), 0);
    cr_expect_str_eq(config.bad[0].value, value);
}

Test(config, a_bad_value_of_continuation_bytes_alone_leaves_the_ellipsis)
{
    char value[200] = "";
    memset(value, 0x80, 199);
    cr_assert_eq(resolve_with("HEARTLINE_STALL", value), 0);
    cr_expect_str_eq(config.bad[0].value, "\xe2\x80\xa6");
}

Test(config, bad_values_of_continuation_bytes_are_noted_whole_and_each_by_itself)
{
    char longest[128] = "";
    memset(longest, 0xbf, sizeof longest - 1);
    scripted_setenv("HEARTLINE_INTERVAL", "\x80");
    scripted_setenv("HEARTLINE_STALL", longest);
    scripted_setenv("HEARTLINE_FORMAT", "json");
    cr_assert_eq(resolve_defaults(), 0);
    cr_assert_eq(config.bad_count, 2);
    cr_expect_str_eq(config.bad[0].variable, "HEARTLINE_INTERVAL");
    cr_expect_str_eq(config.bad[0].value, "\x80");
    cr_expect_str_eq(config.bad[1].variable, "HEARTLINE_STALL");
    cr_expect_str_eq(config.bad[1].value, longest);
    cr_expect_eq(config.options.interval_ms, 60000);
    cr_expect_eq(config.options.stall_ms, 120000);
    cr_expect_eq(config.options.format, MONITOR_JSON, "what is good beside them counts");
}

Test(config, a_log_from_the_environment_takes_the_place_of_the_programs_sink)
{
    monitor_options options = defaults();
    options.sink = (monitor_sink)abort;
    options.sink_data = &options;
    cr_assert_eq(hl_config_resolve(&config, &options), 0);
    cr_expect_eq(config.options.sink, options.sink);
    cr_expect_str_eq(shown("HEARTLINE_LOG"), "callback");

    scripted_setenv("HEARTLINE_LOG", "run.log");
    cr_assert_eq(hl_config_resolve(&config, &options), 0);
    cr_expect_null(config.options.sink);
    cr_expect_null(config.options.sink_data);
    cr_expect(config.log_from_env);
    cr_expect_str_eq(config.options.log_path, "run.log");
}

Test(config, a_tag_and_a_path_from_the_environment_may_be_as_long_as_they_fit)
{
    static char text[HL_PATH_BYTES + 1];
    memset(text, 'x', HL_TAG_BYTES - 1);
    resolve_with("HEARTLINE_TAG", text);
    cr_expect_str_eq(config.options.tag, text);
    text[HL_TAG_BYTES - 1] = 'x';
    resolve_with("HEARTLINE_TAG", text);
    expect_bad("HEARTLINE_TAG", text);
    scripted_setenv("HEARTLINE_TAG", NULL);
    memset(text, 'x', HL_PATH_BYTES - 1);
    resolve_with("HEARTLINE_LOG", text);
    cr_expect_str_eq(config.options.log_path, text);
    text[HL_PATH_BYTES - 1] = 'x';
    resolve_with("HEARTLINE_LOG", text);
    cr_expect_eq(config.bad_count, 1);
    cr_expect_null(config.options.log_path);
    cr_expect_not(config.log_from_env);
}

/* ---- the rank in a parallel job ------------------------------------------ */

struct rank_case {
    char variable[32], value[32];
    char tag[32]; /* "" = refused */
};

static struct rank_case ranks[] = {
    {"OMPI_COMM_WORLD_RANK", "3", "rank:3"},
    {"PMI_RANK", "0", "rank:0"},
    {"SLURM_PROCID", "1023", "rank:1023"},
    {"SLURM_PROCID", "007", "rank:7"},
    {"SLURM_PROCID", "2147483647", "rank:2147483647"},
    {"SLURM_PROCID", "2147483648", ""},
    {"SLURM_PROCID", "18446744073709551616", ""},
    {"PMI_RANK", "99999999999999999999999999999", ""},
    {"PMI_RANK", "-1", ""},
    {"PMI_RANK", " 1", ""},
    {"PMI_RANK", "1 ", ""},
    {"OMPI_COMM_WORLD_RANK", "three", ""},
    {"OMPI_COMM_WORLD_RANK", "3\n\x1b[31m", ""},
};

ParameterizedTestParameters(config, a_rank_is_the_tag_or_named_and_skipped)
{
    return cr_make_param_array(struct rank_case, ranks, sizeof ranks / sizeof ranks[0]);
}

ParameterizedTest(struct rank_case *given, config, a_rank_is_the_tag_or_named_and_skipped)
{
    cr_assert_eq(resolve_with(given->variable, given->value), 0);
    if (given->tag[0] != '\0') {
        cr_assert_not_null(config.options.tag);
        cr_expect_str_eq(config.options.tag, given->tag);
        cr_expect_eq(config.options.tag, config.tag);
        cr_expect_str_eq(shown("HEARTLINE_TAG"), given->tag);
        cr_expect_eq(config.bad_count, 0);
        return;
    }
    cr_expect_null(config.options.tag);
    cr_assert_eq(config.bad_count, 1);
    cr_expect_str_eq(config.bad[0].variable, given->variable);
    cr_expect_str_eq(config.bad[0].value, given->value);
    cr_expect_str_eq(config.bad[0].accepted, "0 to 2147483647");
    cr_expect_eq(config.bad[0].setting, setting("HEARTLINE_TAG"));
}

static const char *tag_in_force(void)
{
    return config.options.tag ? config.options.tag : "(none)";
}

Test(config, a_launcher_inside_of_another_knows_the_rank_better)
{
    scripted_setenv("SLURM_PROCID", "0");
    scripted_setenv("PMI_RANK", "2");
    resolve_defaults();
    cr_expect_str_eq(tag_in_force(), "rank:2");
    scripted_setenv("OMPI_COMM_WORLD_RANK", "3");
    resolve_defaults();
    cr_expect_str_eq(tag_in_force(), "rank:3");
}

Test(config, what_comes_after_a_rank_that_is_empty_or_not_understood_counts)
{
    scripted_setenv("OMPI_COMM_WORLD_RANK", "");
    scripted_setenv("PMI_RANK", "first");
    scripted_setenv("SLURM_PROCID", "5");
    resolve_defaults();
    cr_expect_str_eq(tag_in_force(), "rank:5");
    cr_assert_eq(config.bad_count, 1);
    cr_expect_str_eq(config.bad[0].variable, "PMI_RANK");
}

Test(config, a_tag_that_somebody_gave_stands_above_the_rank)
{
    monitor_options options = defaults();
    scripted_setenv("SLURM_PROCID", "many");
    options.tag = "from the program";
    cr_assert_eq(hl_config_resolve(&config, &options), 0);
    cr_expect_str_eq(tag_in_force(), "from the program");
    cr_expect_eq(config.bad_count, 0, "the rank is not asked for");
    scripted_setenv("SLURM_PROCID", "5");
    resolve_with("HEARTLINE_TAG", "from the operator");
    cr_expect_str_eq(tag_in_force(), "from the operator");
    options.tag = "";
    scripted_setenv("HEARTLINE_TAG", "");
    cr_assert_eq(hl_config_resolve(&config, &options), 0);
    cr_expect_str_eq(tag_in_force(), "rank:5", "empty is none");
}

Test(config, beside_a_tag_that_is_too_long_the_rank_stands)
{
    char text[HL_TAG_BYTES + 1] = "";
    memset(text, 'x', HL_TAG_BYTES);
    scripted_setenv("PMI_RANK", "5");
    resolve_with("HEARTLINE_TAG", text);
    expect_bad("HEARTLINE_TAG", text);
    cr_expect_str_eq(tag_in_force(), "rank:5");
}

Test(config, the_rank_of_a_setuid_program_is_not_read)
{
    scripted.env_untrusted = true;
    resolve_with("PMI_RANK", "5");
    cr_expect_null(config.options.tag);
    cr_expect_eq(scripted.env_reads, 0);
}

Test(config, signals_are_taken_by_number_too)
{
    char number[16];
    snprintf(number, sizeof number, "%d", SIGHUP);
    resolve_with("HEARTLINE_SIGNAL", number);
    cr_expect_eq(config.options.beat_signal, SIGHUP);
    cr_expect_str_eq(shown("HEARTLINE_SIGNAL"), "HUP");
#ifdef SIGRTMIN
    const int good[] = {SIGRTMIN, SIGRTMIN + 1, SIGRTMAX}, bad[] = {SIGRTMIN - 1, SIGRTMAX + 1};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(number, sizeof number, "%d", good[i]);
        resolve_with("HEARTLINE_SIGNAL", number);
        cr_expect_eq(config.options.beat_signal, good[i]);
        cr_expect_str_eq(shown("HEARTLINE_SIGNAL"), number);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(number, sizeof number, "%d", bad[i]);
        resolve_with("HEARTLINE_SIGNAL", number);
        expect_bad("HEARTLINE_SIGNAL", number);
    }
#endif
}

/* ---- from code ---------------------------------------------------------- */

Test(config, options_out_of_range_are_refused)
{
    char long_tag[HL_TAG_BYTES + 1] = "";
    static char long_path[HL_PATH_BYTES + 1];
    memset(long_tag, 't', HL_TAG_BYTES);
    memset(long_path, 'p', HL_PATH_BYTES);
    monitor_options bad[23];
    size_t n = sizeof bad / sizeof bad[0];
    for (size_t i = 0; i < n; i++)
        bad[i] = defaults();
    bad[0].interval_ms = 9;
    bad[1].interval_ms = 86400001;
    bad[2].interval_ms = 0;
    bad[3].stall_ms = 9;
    bad[4].stall_ms = UINT64_MAX;
    bad[5].phase_lines = 10001;
    bad[6].busy_lines = UINT32_MAX;
    bad[7].stall_lines = 0;
    bad[8].stall_lines = 10001;
    bad[9].format = (enum monitor_format)2;
    bad[10].clock = (enum monitor_clock)7;
    bad[11].fork = (enum monitor_fork) - 1;
    bad[12].log_path = long_path;
    bad[13].tag = long_tag;
    bad[14].beat_signal = SIGKILL;
    bad[15].beat_signal = SIGSTOP;
    bad[16].beat_signal = SIGSEGV;
    bad[17].beat_signal = SIGTERM;
    bad[18].beat_signal = -1;
    bad[19].beat_signal = 100000;
    bad[20].beat_signal = SIGCHLD;
    bad[21].beat_signal = SIGINT;
    bad[22].stacks = (enum monitor_stacks)3;
    for (size_t i = 0; i < n; i++)
        cr_expect_eq(hl_config_resolve(&config, &bad[i]), -EINVAL, "case %zu", i);
}

Test(config, options_at_the_ends_of_their_ranges_are_taken)
{
    monitor_options low = defaults(), high = defaults();
    low.interval_ms = 10;
    low.stall_ms = 0;
    low.phase_lines = low.busy_lines = 0;
    low.stall_lines = 1;
    high.interval_ms = 86400000;
    high.stall_ms = UINT64_C(2592000000);
    high.phase_lines = high.busy_lines = high.stall_lines = 10000;
    high.format = MONITOR_JSON;
    high.clock = MONITOR_CLOCK_PRECISE;
    high.fork = MONITOR_FORK_RESTART;
    high.beat_signal = SIGUSR2;
    high.stacks = MONITOR_STACKS_OFF;
    cr_expect_eq(hl_config_resolve(&config, &low), 0);
    cr_expect_eq(config.options.stall_ms, 0);
    cr_expect_eq(hl_config_resolve(&config, &high), 0);
    cr_expect_eq(config.options.stall_ms, UINT64_C(2592000000));
    cr_expect_eq(config.options.beat_signal, SIGUSR2);
}

Test(config, no_options_and_options_of_no_known_size_are_refused)
{
    cr_expect_eq(hl_config_resolve(&config, NULL), -EINVAL);
    monitor_options options = defaults();
    for (size_t size = 0; size < offsetof(monitor_options, stacks); size += 8) {
        options.size = size;
        cr_expect_eq(hl_config_resolve(&config, &options), -EINVAL);
    }
    options.size = SIZE_MAX;
    cr_expect_eq(hl_config_resolve(&config, &options), -EINVAL);
}

Test(config, options_of_the_first_header_have_the_default_of_what_it_lacks)
{
    monitor_options options = defaults();
    options.size = offsetof(monitor_options, stacks);
    options.interval_ms = 1000;
    options.stacks = (enum monitor_stacks)99; /* the caller has something else there */
    cr_assert_eq(hl_config_resolve(&config, &options), 0);
    cr_expect_eq(config.options.interval_ms, 1000);
    cr_expect_eq(config.options.stacks, MONITOR_STACKS_PASSIVE);
    cr_expect_eq(config.options.size, sizeof(monitor_options));
}

Test(config, options_of_a_newer_header_are_taken_when_its_new_fields_are_zero)
{
    struct {
        monitor_options options;
        uint64_t field_of_the_future[4];
    } newer = {.options = defaults()};
    newer.options.size = sizeof newer;
    newer.options.interval_ms = 1000;
    cr_assert_eq(hl_config_resolve(&config, &newer.options), 0);
    cr_expect_eq(config.options.interval_ms, 1000);
    cr_expect_eq(config.options.size, sizeof(monitor_options));
    newer.field_of_the_future[3] = 1;
    cr_expect_eq(hl_config_resolve(&config, &newer.options), -EINVAL);
    newer.options.size -= sizeof(uint64_t);
    cr_expect_eq(hl_config_resolve(&config, &newer.options), 0, "what lies behind it is not its");
    newer.field_of_the_future[0] = 1;
    cr_expect_eq(hl_config_resolve(&config, &newer.options), -EINVAL);
}

Test(config, texts_are_copied)
{
    char path[] = "run.log", tag[] = "blue";
    monitor_options options = defaults();
    options.log_path = path;
    options.tag = tag;
    cr_assert_eq(hl_config_resolve(&config, &options), 0);
    memset(path, '#', sizeof path - 1);
    memset(tag, '#', sizeof tag - 1);
    cr_expect_eq(config.options.log_path, config.log_path);
    cr_expect_eq(config.options.tag, config.tag);
    cr_expect_str_eq(config.log_path, "run.log");
    cr_expect_str_eq(config.tag, "blue");
    cr_expect_not(config.log_from_env);
}

Test(config, empty_texts_are_none)
{
    monitor_options options = defaults();
    options.log_path = options.tag = "";
    cr_assert_eq(hl_config_resolve(&config, &options), 0);
    cr_expect_null(config.options.log_path);
    cr_expect_null(config.options.tag);
}

Test(config, resolving_leaves_errno_alone)
{
    scripted_setenv("HEARTLINE_INTERVAL", "99999999999999999999999999");
    errno = 42;
    resolve_defaults();
    cr_expect_eq(errno, 42);
}

/* ---- as a person would write it ------------------------------------------ */

Test(config, values_in_force_are_shown_as_the_environment_takes_them)
{
    cr_assert_eq(resolve_defaults(), 0);
    cr_expect_str_eq(shown("HEARTLINE"), "on");
    cr_expect_str_eq(shown("HEARTLINE_INTERVAL"), "1m00s");
    cr_expect_str_eq(shown("HEARTLINE_STALL"), "2m00s");
    cr_expect_str_eq(shown("HEARTLINE_PHASE_LINES"), "8");
    cr_expect_str_eq(shown("HEARTLINE_FORMAT"), "text");
    cr_expect_str_eq(shown("HEARTLINE_CLOCK"), "coarse");
    cr_expect_str_eq(shown("HEARTLINE_FORK"), "off");
    cr_expect_str_eq(shown("HEARTLINE_LOG"), "stderr");
    cr_expect_str_eq(shown("HEARTLINE_TAG"), "none");
    cr_expect_str_eq(shown("HEARTLINE_SIGNAL"), "none");
    config.options.interval_ms = 3661000;
    cr_expect_str_eq(shown("HEARTLINE_INTERVAL"), "1h01m01s");
    config.options.interval_ms = 61001;
    cr_expect_str_eq(shown("HEARTLINE_INTERVAL"), "61001ms");
}

Test(config, every_shown_duration_can_be_read_back)
{
    static const uint64_t some[] = {10,    999,   1000,    1500,    9999,     10000,
                                    59999, 60000, 3599000, 3600000, 86399999, 86400000};
    resolve_defaults();
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        uint64_t ms = 0;
        config.options.interval_ms = some[i];
        cr_expect(hl_config_duration(shown("HEARTLINE_INTERVAL"), &ms));
        cr_expect_eq(ms, some[i]);
    }
}

Test(config, a_value_that_is_too_long_to_show_is_cut)
{
    char text[4];
    resolve_with("HEARTLINE_TAG", "blue");
    hl_config_show(setting("HEARTLINE_TAG"), &config.options, text, sizeof text);
    cr_expect_str_eq(text, "blu");
}
