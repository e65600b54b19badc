/* monitor/config.c - the table of options, and how values get into effect.
 *
 * Everything about an option stands in one row: defaults, ranges, variables and
 * help are nowhere else. The order is: default, then the caller's options, which
 * are refused as a whole when one is wrong (a programmer can mend them), then the
 * environment, where a wrong value is noted and skipped (an operator must not
 * lose the program over a typing error). A job that nobody gave a tag has its rank
 * as one, out of variables that are not ours. Parsing is by hand: strtod and strtoul
 * follow the locale, take signs and spaces, and set errno.
 */
#include "config.h"

#include "ticket.h"

#include "../platform/platform.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* What the first version of the options ended with; a smaller struct never existed. */
#define FIRST_SIZE (offsetof(monitor_options, sink_data) + sizeof(void *))
/* More is not a later version but a field that nobody set. */
#define LARGEST_SIZE 4096

static_assert(sizeof(enum monitor_format) == sizeof(int), "choices are read and written as int");
static_assert(sizeof(enum monitor_clock) == sizeof(int), "choices are read and written as int");
static_assert(sizeof(enum monitor_fork) == sizeof(int), "choices are read and written as int");
static_assert(sizeof(enum monitor_stacks) == sizeof(int), "choices are read and written as int");

/* ---- the table ------------------------------------------------------------- */

static const char *const switches[] = {"on", "off", NULL};
static const char *const formats[] = {"text", "json", NULL};
static const char *const clocks[] = {"coarse", "precise", NULL};
static const char *const forks[] = {"off", "restart", NULL};
static const char *const stacks[] = {"passive", "interrupt", "off", NULL};

/* clang-format off */
const struct hl_setting hl_settings[] = {
    {.variable = "HEARTLINE", .kind = HL_SETTING_CHOICE, .choices = switches,
     .accepted = "off or on",
     .help = "`off`: no monitor is started, and monitor_start succeeds all the same."},
    {.name = "interval_ms", .variable = "HEARTLINE_INTERVAL", .kind = HL_SETTING_DURATION,
     .offset = offsetof(monitor_options, interval_ms),
     .preset = MINUTE, .minimum = 10, .maximum = DAY,
     .accepted = "10ms to 24h, as 500ms, 10s, 2m or 1h30m; a bare number is seconds",
     .help = "Time between two heartbeats.",
     .brief = "time between heartbeats, 10ms to 24h"},
    {.name = "stall_ms", .variable = "HEARTLINE_STALL", .kind = HL_SETTING_DURATION,
     .offset = offsetof(monitor_options, stall_ms),
     .preset = 2 * MINUTE, .minimum = 10, .maximum = 30 * DAY, .zero_is_never = true,
     .accepted = "10ms to 30d, as 500ms, 10s, 2m or 1h30m, a bare number is seconds; never or 0",
     .help = "A thread without a sign of life for this long is stalled. "
             "A process in which no thread moves for so long is QUIET. "
             "Limits set with scope_expect hold besides.",
     .brief = "quiet for so long is a stall: 10ms to 30d or 0"},
    {.name = "phase_lines", .variable = "HEARTLINE_PHASE_LINES", .kind = HL_SETTING_COUNT,
     .offset = offsetof(monitor_options, phase_lines),
     .preset = 8, .minimum = 0, .maximum = 10000,
     .accepted = "0 to 10000",
     .help = "Phase lines in a heartbeat. The main thread and stalled threads are always shown.",
     .brief = "phase lines in a heartbeat, 0 to 10000"},
    {.name = "busy_lines", .variable = "HEARTLINE_BUSY_LINES", .kind = HL_SETTING_COUNT,
     .offset = offsetof(monitor_options, busy_lines),
     .preset = 3, .minimum = 0, .maximum = 10000,
     .accepted = "0 to 10000",
     .help = "Lines about busy threads outside any scope in a heartbeat.",
     .brief = "busy threads in a heartbeat, 0 to 10000"},
    {.name = "stall_lines", .variable = "HEARTLINE_STALL_LINES", .kind = HL_SETTING_COUNT,
     .offset = offsetof(monitor_options, stall_lines),
     .preset = 10, .minimum = 1, .maximum = 10000,
     .accepted = "1 to 10000",
     .help = "STALL lines a minute; beyond it new stalls are merged into one line.",
     .brief = "STALL lines a minute, 1 to 10000"},
    {.name = "format", .variable = "HEARTLINE_FORMAT", .kind = HL_SETTING_CHOICE,
     .offset = offsetof(monitor_options, format), .choices = formats,
     .accepted = "text or json",
     .help = "How lines are written: for people, or as JSON Lines.",
     .brief = "text or json"},
    {.name = "clock", .variable = "HEARTLINE_CLOCK", .kind = HL_SETTING_CHOICE,
     .offset = offsetof(monitor_options, clock), .choices = clocks,
     .accepted = "coarse or precise",
     .help = "The clock that scopes read: to a scheduler tick, or to nanoseconds at "
             "4 to 5 times the cost.",
     .brief = "of scopes: coarse or precise"},
    {.name = "fork", .variable = "HEARTLINE_FORK", .kind = HL_SETTING_CHOICE,
     .offset = offsetof(monitor_options, fork), .choices = forks,
     .accepted = "off or restart",
     .help = "What a forked child does: it is not monitored, or starts a monitor of its own."},
    {.name = "log_path", .variable = "HEARTLINE_LOG", .kind = HL_SETTING_TEXT,
     .offset = offsetof(monitor_options, log_path), .maximum = HL_PATH_BYTES - 1,
     .accepted = "a path of up to 4095 bytes",
     .help = "A file to append to, made with mode 0600, instead of standard error. In it %p stands "
             "for the process id, %h for the host's name, %% for a percent sign. From the "
             "environment it also takes the place of a `sink` that the program has set.",
     .brief = "file to append to; %p in it is the process id"},
    {.name = "tag", .variable = "HEARTLINE_TAG", .kind = HL_SETTING_TEXT,
     .offset = offsetof(monitor_options, tag), .maximum = HL_TAG_BYTES - 1,
     .accepted = "a text of up to 63 bytes",
     .help = "Shown as tag= on every line, to tell runs or roles apart. Without one, the process's "
             "rank in a parallel job, where a launcher has told it.",
     .brief = "text shown on every line, up to 63 bytes"},
    {.name = "beat_signal", .variable = "HEARTLINE_SIGNAL", .kind = HL_SETTING_SIGNAL,
     .offset = offsetof(monitor_options, beat_signal), .zero_is_never = true,
     .accepted = "USR1, USR2, HUP, QUIT, ALRM, VTALRM, PROF, URG, WINCH, IO, their numbers, the "
                 "number of a real-time signal; none or 0",
     .help = "A signal that asks for a full heartbeat. Taken only over its default disposition.",
     .brief = "asks for a heartbeat: USR1, HUP or another one"},
    {.name = "stacks", .variable = "HEARTLINE_STACKS", .kind = HL_SETTING_CHOICE,
     .offset = offsetof(monitor_options, stacks), .choices = stacks,
     .accepted = "passive, interrupt or off",
     .help = "What may be done to a stuck thread to say where it is (STACK lines): its stack is "
             "read only where the thread need not be touched, also by stopping it for a moment, "
             "or not at all.",
     .brief = "of stuck threads: passive, interrupt or off"},
};
/* clang-format on */
const size_t hl_settings_count = sizeof hl_settings / sizeof hl_settings[0];

/* What tells a process its rank, for want of a tag. One launcher may run inside of another, so the
 * inner ones come first: all that mpirun starts in a job script of Slurm has the script's own
 * SLURM_PROCID, which is 0. */
static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"};
#define RANKS (sizeof ranks / sizeof ranks[0])
#define LARGEST_RANK INT32_MAX /* MPI's are of type int */
#define ACCEPTED_RANK "0 to 2147483647"

static_assert(2 * sizeof hl_settings / sizeof hl_settings[0] + RANKS <= HL_BAD_VALUES,
              "each can be bad as a variable and in a ticket");

/* Left out: what cannot be handled, what reports a fault of the program, job
 * control, and what people and systems end programs with (INT, TERM). */
static const struct {
    const char *name;
    int number;
} signals[] = {
    {"USR1", SIGUSR1},   {"USR2", SIGUSR2},     {"HUP", SIGHUP},   {"QUIT", SIGQUIT},
    {"ALRM", SIGALRM},   {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"URG", SIGURG},
#ifdef SIGWINCH
    {"WINCH", SIGWINCH},
#endif
#ifdef SIGIO
    {"IO", SIGIO},
#endif
};
#define SIGNALS (sizeof signals / sizeof signals[0])

/* ---- values in monitor_options ---------------------------------------------- */

/* One value of any kind on its way between text, table and options. */
struct value {
    uint64_t number;
    const char *text;
};

static const struct hl_setting *setting_at(size_t offset)
{
    const struct hl_setting *setting = hl_settings;
    while (setting->name == NULL || setting->offset != offset)
        setting++;
    return setting;
}

static struct value get(const struct hl_setting *setting, const monitor_options *options)
{
    const char *field = (const char *)options + setting->offset;
    struct value value = {0, NULL};
    uint32_t count;
    int number;
    if (setting->kind == HL_SETTING_DURATION) {
        memcpy(&value.number, field, sizeof value.number);
    } else if (setting->kind == HL_SETTING_COUNT) {
        memcpy(&count, field, sizeof count);
        value.number = count;
    } else if (setting->kind == HL_SETTING_TEXT) {
        memcpy(&value.text, field, sizeof value.text);
    } else { /* a negative int becomes huge, and so is out of range */
        memcpy(&number, field, sizeof number);
        value.number = (uint64_t)number;
    }
    return value;
}

static void set(const struct hl_setting *setting, monitor_options *options, struct value value)
{
    char *field = (char *)options + setting->offset;
    uint32_t count = (uint32_t)value.number;
    int number = (int)value.number;
    if (setting->kind == HL_SETTING_DURATION)
        memcpy(field, &value.number, sizeof value.number);
    else if (setting->kind == HL_SETTING_COUNT)
        memcpy(field, &count, sizeof count);
    else if (setting->kind == HL_SETTING_TEXT)
        memcpy(field, &value.text, sizeof value.text);
    else
        memcpy(field, &number, sizeof number);
}

static bool is_choice(const struct hl_setting *setting, uint64_t index)
{
    for (uint64_t i = 0; setting->choices[i] != NULL; i++)
        if (i == index)
            return true;
    return false;
}

static bool is_real_time_signal(uint64_t number)
{
#ifdef SIGRTMIN
    return number >= (uint64_t)SIGRTMIN && number <= (uint64_t)SIGRTMAX;
#else
    (void)number;
    return false;
#endif
}

static bool is_beat_signal(uint64_t number)
{
    for (size_t i = 0; i < SIGNALS; i++)
        if ((uint64_t)signals[i].number == number)
            return true;
    return is_real_time_signal(number);
}

static bool is_in_range(const struct hl_setting *setting, struct value value)
{
    if (setting->kind == HL_SETTING_TEXT)
        return value.text == NULL || strlen(value.text) <= setting->maximum;
    if (value.number == 0 && setting->zero_is_never)
        return true;
    if (setting->kind == HL_SETTING_CHOICE)
        return is_choice(setting, value.number);
    if (setting->kind == HL_SETTING_SIGNAL)
        return is_beat_signal(value.number);
    return value.number >= setting->minimum && value.number <= setting->maximum;
}

void monitor_options_default(monitor_options *options)
{
    if (options == NULL)
        return;
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
    for (size_t i = 0; i < hl_settings_count; i++)
        if (hl_settings[i].name != NULL)
            set(&hl_settings[i], options, (struct value){hl_settings[i].preset, NULL});
}

/* ---- from text ---------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* *sum * factor + term, unless it does not fit; factor is not 0. */
static bool multiply_add(uint64_t *sum, uint64_t factor, uint64_t term)
{
    if (*sum > (UINT64_MAX - term) / factor)
        return false;
    *sum = *sum * factor + term;
    return true;
}

/* One or more digits. */
static bool read_number(const char **text, uint64_t *number)
{
    *number = 0;
    if (!is_digit(**text))
        return false;
    for (; is_digit(**text); (*text)++)
        if (!multiply_add(number, 10, (uint64_t)(**text - '0')))
            return false;
    return true;
}

/* The digits after a point, as fraction / scale; nine are enough for anyone. */
static bool read_fraction(const char **text, uint64_t *fraction, uint64_t *scale)
{
    *fraction = 0;
    *scale = 1;
    if (**text != '.')
        return true;
    const char *begin = ++*text;
    if (!read_number(text, fraction) || *text - begin > 9)
        return false;
    for (; begin < *text; begin++)
        *scale *= 10;
    return true;
}

static const struct {
    const char *name;
    uint64_t ms;
} units[] = {{"d", DAY}, {"h", HOUR}, {"ms", 1}, {"m", MINUTE}, {"s", SECOND}};

/* A unit's milliseconds; 0 = there is none. "ms" stands before "m" in the list. */
static uint64_t read_unit(const char **text)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t length = strlen(units[i].name);
        if (strncmp(*text, units[i].name, length) == 0) {
            *text += length;
            return units[i].ms;
        }
    }
    return 0;
}

/* One number with its unit, added to *ms. *unit: that of the one before, which
 * must be larger; 1 after a fraction, which must be the last. */
static bool add_part(const char **text, bool is_first, uint64_t *unit, uint64_t *ms)
{
    uint64_t number, fraction, scale;
    if (!read_number(text, &number) || !read_fraction(text, &fraction, &scale))
        return false;
    uint64_t ms_each = read_unit(text);
    if (ms_each == 0 && is_first && **text == '\0')
        ms_each = SECOND;
    if (ms_each == 0 || ms_each >= *unit || fraction * ms_each % scale != 0)
        return false;
    *unit = scale == 1 ? ms_each : 1;
    return multiply_add(&number, ms_each, fraction * ms_each / scale) &&
           multiply_add(ms, 1, number);
}

bool hl_config_duration(const char *text, uint64_t *ms)
{
    uint64_t unit = UINT64_MAX, sum = 0;
    const char *at = text;
    do {
        if (!add_part(&at, at == text, &unit, &sum))
            return false;
    } while (*at != '\0');
    *ms = sum;
    return true;
}

static bool read_choice(const struct hl_setting *setting, const char *text, uint64_t *index)
{
    for (*index = 0; setting->choices[*index] != NULL; ++*index)
        if (strcmp(text, setting->choices[*index]) == 0)
            return true;
    return false;
}

static bool read_whole_number(const char *text, uint64_t *number)
{
    return read_number(&text, number) && *text == '\0';
}

static bool read_signal(const char *text, uint64_t *number)
{
    *number = 0;
    if (strcmp(text, "none") == 0)
        return true;
    if (strncmp(text, "SIG", 3) == 0)
        text += 3;
    for (size_t i = 0; i < SIGNALS; i++) {
        if (strcmp(text, signals[i].name) == 0) {
            *number = (uint64_t)signals[i].number;
            return true;
        }
    }
    return read_whole_number(text, number);
}

static bool read_duration(const struct hl_setting *setting, const char *text, uint64_t *ms)
{
    *ms = 0;
    return (setting->zero_is_never && strcmp(text, "never") == 0) || hl_config_duration(text, ms);
}

static bool read_value(const struct hl_setting *setting, const char *text, struct value *value)
{
    value->text = text;
    if (setting->kind == HL_SETTING_DURATION)
        return read_duration(setting, text, &value->number);
    if (setting->kind == HL_SETTING_COUNT)
        return read_whole_number(text, &value->number);
    if (setting->kind == HL_SETTING_CHOICE)
        return read_choice(setting, text, &value->number);
    if (setting->kind == HL_SETTING_SIGNAL)
        return read_signal(text, &value->number);
    return true;
}

/* ---- what is in force ------------------------------------------------------------ */

static bool is_zero_from(size_t first, const char *bytes, size_t size)
{
    for (size_t i = first; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* A caller's struct that is longer than ours comes from a newer header. When it
 * uses nothing that we do not know, all is well. */
static bool is_known_size(const monitor_options *options)
{
    size_t size = options->size;
    if (size < FIRST_SIZE || size > LARGEST_SIZE)
        return false;
    return is_zero_from(sizeof *options, (const char *)options, size);
}

/* The text that a field points to, in the struct's own memory; empty = none. */
static const char *keep(char *room, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return NULL;
    return text == room ? room : strcpy(room, text); /* its length was checked */
}

static void keep_texts(struct hl_config *config)
{
    config->options.log_path = keep(config->log_path, config->options.log_path);
    config->options.tag = keep(config->tag, config->options.tag);
}

static int take_options(struct hl_config *config, const monitor_options *options)
{
    if (options == NULL || !is_known_size(options))
        return -EINVAL;
    size_t size = options->size < sizeof *options ? options->size : sizeof *options;
    monitor_options_default(&config->options);
    memcpy(&config->options, options, size);
    config->options.size = sizeof config->options;
    for (size_t i = 0; i < hl_settings_count; i++)
        if (hl_settings[i].name != NULL &&
            !is_in_range(&hl_settings[i], get(&hl_settings[i], &config->options)))
            return -EINVAL;
    return 0;
}

static void cut(char *copy, size_t size, const char *text)
{
    static const char ellipsis[] = "\xe2\x80\xa6";
    size_t length = strlen(text);
    if (length < size) {
        memcpy(copy, text, length + 1);
        return;
    }
    length = size - sizeof ellipsis;
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    memcpy(copy, text, length);
    memcpy(copy + length, ellipsis, sizeof ellipsis);
}

/* `setting`: what the variable would have set. */
static void note_bad(struct hl_config *config, const struct hl_setting *setting,
                     const char *variable, const char *accepted, const char *text)
{
    struct hl_bad_value *bad = &config->bad[config->bad_count++];
    bad->setting = setting;
    bad->variable = variable;
    bad->accepted = accepted;
    cut(bad->value, sizeof bad->value, text);
}

/* The operator has the last word about where the log goes. */
static void log_to_file(struct hl_config *config)
{
    config->log_from_env = true;
    config->options.sink = NULL;
    config->options.sink_data = NULL;
}

static bool read_good_value(const struct hl_setting *setting, const char *text, struct value *value)
{
    *value = (struct value){0, NULL};
    return read_value(setting, text, value) && is_in_range(setting, *value);
}

bool hl_config_accepts(const struct hl_setting *setting, const char *text)
{
    struct value value;
    return read_good_value(setting, text, &value);
}

static void take_value(struct hl_config *config, const struct hl_setting *setting, const char *text)
{
    struct value value;
    if (text == NULL || text[0] == '\0')
        return;
    if (!read_good_value(setting, text, &value)) {
        note_bad(config, setting, setting->variable, setting->accepted, text);
        return;
    }
    if (setting->name == NULL) {
        config->off = value.number != 0;
        return;
    }
    set(setting, &config->options, value);
    if (setting->offset == offsetof(monitor_options, log_path))
        log_to_file(config);
}

static void take_rank(struct hl_config *config)
{
    const struct hl_setting *setting = setting_at(offsetof(monitor_options, tag));
    for (size_t i = 0; i < RANKS && config->options.tag == NULL; i++) {
        const char *text = hl_plat_getenv(ranks[i]);
        uint64_t rank;
        if (text == NULL || text[0] == '\0')
            continue;
        if (read_whole_number(text, &rank) && rank <= LARGEST_RANK) {
            snprintf(config->tag, sizeof config->tag, "rank:%" PRIu64, rank);
            config->options.tag = config->tag;
        } else {
            note_bad(config, setting, ranks[i], ACCEPTED_RANK, text);
        }
    }
}

/* What `heartline run` was told, above what was set before. */
static void take_ticket(struct hl_config *config, const struct hl_ticket *ticket)
{
    if (ticket->is_for_all)
        config->options.fork = MONITOR_FORK_RESTART;
    for (size_t i = 0; i < hl_settings_count; i++) {
        char text[HL_PATH_BYTES];
        size_t length;
        const char *value = hl_ticket_setting(ticket, hl_settings[i].variable, &length);
        if (value == NULL || length >= sizeof text)
            continue;
        memcpy(text, value, length);
        text[length] = '\0';
        take_value(config, &hl_settings[i], text);
        keep_texts(config);
    }
}

static void take_environment(struct hl_config *config)
{
    struct hl_ticket ticket;
    for (size_t i = 0; i < hl_settings_count; i++)
        take_value(config, &hl_settings[i], hl_plat_getenv(hl_settings[i].variable));
    keep_texts(config);
    if (hl_ticket_find(&ticket) && hl_ticket_is_for_us(&ticket))
        take_ticket(config, &ticket);
    take_rank(config);
}

int hl_config_resolve(struct hl_config *config, const monitor_options *options)
{
    memset(config, 0, sizeof *config);
    int error = take_options(config, options);
    if (error != 0)
        return error;
    keep_texts(config);
    config->env_ignored = !hl_plat_env_is_trusted();
    if (!config->env_ignored)
        take_environment(config);
    return 0;
}

/* ---- back to text ------------------------------------------------------------------ */

/* As hl_line_setting writes it: exact to the millisecond. */
static void show_duration(uint64_t ms, char *text, size_t size)
{
    unsigned long hours = (unsigned long)(ms / HOUR), minutes = (unsigned long)(ms / MINUTE % 60);
    unsigned long seconds = (unsigned long)(ms / SECOND % 60);
    if (ms % SECOND != 0)
        snprintf(text, size, "%llums", (unsigned long long)ms);
    else if (ms < MINUTE)
        snprintf(text, size, "%lus", seconds);
    else if (ms < HOUR)
        snprintf(text, size, "%lum%02lus", minutes, seconds);
    else
        snprintf(text, size, "%luh%02lum%02lus", hours, minutes, seconds);
}

static void show_signal(uint64_t number, char *text, size_t size)
{
    for (size_t i = 0; i < SIGNALS; i++) {
        if ((uint64_t)signals[i].number == number) {
            snprintf(text, size, "%s", signals[i].name);
            return;
        }
    }
    snprintf(text, size, "%d", (int)number);
}

/* What a setting without a value comes to; NULL: it has one. */
static const char *word_for_none(const struct hl_setting *setting, struct value value,
                                 const monitor_options *options)
{
    if (setting->offset == offsetof(monitor_options, log_path))
        return options->sink != NULL ? "callback" : value.text == NULL ? "stderr" : NULL;
    if (setting->kind == HL_SETTING_TEXT)
        return value.text == NULL ? "none" : NULL;
    if (value.number == 0 && setting->zero_is_never)
        return setting->kind == HL_SETTING_SIGNAL ? "none" : "never";
    return NULL;
}

void hl_config_show(const struct hl_setting *setting, const monitor_options *options, char *text,
                    size_t size)
{
    bool is_option = setting->name != NULL;
    struct value value = is_option ? get(setting, options) : (struct value){0, NULL};
    const char *word = is_option ? word_for_none(setting, value, options) : NULL;
    if (word != NULL)
        snprintf(text, size, "%s", word);
    else if (setting->kind == HL_SETTING_DURATION)
        show_duration(value.number, text, size);
    else if (setting->kind == HL_SETTING_COUNT)
        snprintf(text, size, "%lu", (unsigned long)value.number);
    else if (setting->kind == HL_SETTING_CHOICE)
        snprintf(text, size, "%s", setting->choices[value.number]);
    else if (setting->kind == HL_SETTING_SIGNAL)
        show_signal(value.number, text, size);
    else
        snprintf(text, size, "%s", value.text);
}

const char *hl_config_choice(const monitor_options *options, size_t offset)
{
    const struct hl_setting *setting = setting_at(offset);
    return setting->choices[get(setting, options).number];
}
