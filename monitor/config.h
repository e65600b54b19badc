/* monitor/config.h - every option once: its name, variable, range and help.
 *
 * The table in config.c is the only home of these facts; docs/configuration.md
 * is checked against it by a test.
 */
#ifndef HL_CONFIG_H
#define HL_CONFIG_H

#include "event.h"

#include <heartline/monitor.h>

#define HL_TAG_BYTES 64
#define HL_PATH_BYTES 4096

enum hl_setting_kind {
    HL_SETTING_DURATION, /* uint64_t milliseconds */
    HL_SETTING_COUNT,    /* uint32_t */
    HL_SETTING_CHOICE,   /* enum (int): one of `choices` */
    HL_SETTING_TEXT,     /* const char * */
    HL_SETTING_SIGNAL    /* int: USR1, SIGUSR1 or 10 */
};

struct hl_setting {
    const char
        *name; /* as in monitor_options, "interval_ms"; NULL where only the environment has it */
    const char *variable; /* "HEARTLINE_INTERVAL" */
    enum hl_setting_kind kind;
    size_t offset; /* in monitor_options */
    uint64_t preset, minimum, maximum;
    bool zero_is_never;         /* 0 is allowed besides the range */
    const char *const *choices; /* NULL-terminated; the index is the value */
    const char *accepted;       /* for the note: "10ms to 24h, as 500ms, 10s, 2m or 1h30m; ..." */
    const char *help;           /* one sentence for the documentation */
    const char *brief;          /* the same and what is accepted, for a screen: up to 48 bytes */
};

extern const struct hl_setting hl_settings[];
extern const size_t hl_settings_count;

/* A value in the environment that was not understood. */
struct hl_bad_value {
    const struct hl_setting *setting;
    const char *variable; /* also one that is not ours: of a rank */
    const char *accepted;
    char value[128]; /* cut with an ellipsis when longer */
};
#define HL_BAD_VALUES 32

/* What is in force, self-contained: it points at nothing of the caller's. */
struct hl_config {
    monitor_options options; /* log_path and tag point into this struct, or are NULL */
    char log_path[HL_PATH_BYTES];
    char tag[HL_TAG_BYTES];
    bool off;          /* HEARTLINE=off */
    bool env_ignored;  /* the environment is not to be trusted and was not read */
    bool log_from_env; /* log_path came from HEARTLINE_LOG */
    struct hl_bad_value bad[HL_BAD_VALUES];
    size_t bad_count;
};

/* The caller's options, checked, then the environment on top. 0, or -EINVAL when
 * `options` is NULL, has an unknown size or a value out of range. `config` is
 * large (a path): not for a small stack. */
int hl_config_resolve(struct hl_config *config, const monitor_options *options);

/* "500ms", "10s", "2m", "1h30m", "2d", "90" (seconds) -> milliseconds. false: not
 * understood, or does not fit. */
bool hl_config_duration(const char *text, uint64_t *ms);

/* Whether a variable may have this value. */
bool hl_config_accepts(const struct hl_setting *setting, const char *text);

/* A setting's value as a person would write it ("1m00s", "text"), for notes. */
void hl_config_show(const struct hl_setting *setting, const monitor_options *options, char *text,
                    size_t size);

/* The word for what was chosen in an option of kind HL_SETTING_CHOICE; `offset`: of its field. */
const char *hl_config_choice(const monitor_options *options, size_t offset);

#endif
