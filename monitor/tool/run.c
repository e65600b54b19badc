/* monitor/tool/run.c - heartline run: becomes a program, with the library loaded into it.
 *
 * Everything is checked first, because nothing can be said afterwards: a loader that does
 * not preload is silent about it. Then this process becomes the program, so that its pid,
 * signals, terminal and exit status are what they would be.
 *
 * Every option but --children and --help is a setting of the library (config.h), with the
 * name and the values that its variable has.
 */
#define _XOPEN_SOURCE 700
#include "tool.h"

#include "../config.h"
#include "../ticket.h"

#include "../../platform/platform.h"
#include "../../platform/program.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTINGS 64
#define OPTION_BYTES 32
#define SETTINGS_BYTES (2 * HL_PATH_BYTES)

extern char **environ;

/* ---- options ------------------------------------------------------------------------- */

enum { CHILDREN = SETTINGS, HELP }; /* what getopt_long returns besides a setting's number */

static struct {
    char names[SETTINGS][OPTION_BYTES];
    struct option options[SETTINGS + 3];
    char settings[SETTINGS_BYTES]; /* as in a ticket */
    bool is_for_all;
} run;

/* "HEARTLINE_PHASE_LINES" -> "phase-lines". */
static void name_option(const char *variable, char name[OPTION_BYTES])
{
    size_t i = 0;
    for (const char *at = variable + strlen("HEARTLINE_"); *at && i < OPTION_BYTES - 1; at++)
        name[i++] = *at == '_' ? '-' : *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    name[i] = '\0';
}

/* Not whether to monitor at all, nor what forked children do: that is --children. */
static bool is_option(const struct hl_setting *setting)
{
    return setting->name && strcmp(setting->name, "fork") != 0;
}

static void make_options(void)
{
    size_t count = 0;
    for (size_t i = 0; i < hl_settings_count && i < SETTINGS; i++) {
        if (!is_option(&hl_settings[i]))
            continue;
        name_option(hl_settings[i].variable, run.names[i]);
        run.options[count++] = (struct option){run.names[i], required_argument, NULL, (int)i};
    }
    run.options[count++] = (struct option){"children", no_argument, NULL, CHILDREN};
    run.options[count] = (struct option){"help", no_argument, NULL, HELP};
}

static void show_option(const struct option *option)
{
    const struct hl_setting *setting = &hl_settings[option->val];
    monitor_options options;
    char preset[64];
    monitor_options_default(&options);
    hl_config_show(setting, &options, preset, sizeof preset);
    printf("  --%-12s %s (%s)\n", option->name, setting->brief, preset);
}

static int help(void)
{
    printf("usage: heartline run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
           "\n"
           "Runs the program as ever, and logs what it does: heartbeats, deadlocks, what it\n"
           "waits for when it hangs. Options, as --NAME VALUE, with what holds without them:\n"
           "\n");
    for (const struct option *option = run.options; option->name; option++)
        if (option->val < SETTINGS)
            show_option(option);
    printf("  --children     monitor all processes that it starts, too: --log run-%%p.log\n"
           "\n"
           "Ends as the program does; with 127 when there is none, 126 when it cannot be\n"
           "monitored, 2 when an option is not understood. man heartline says more.\n");
    return ferror(stdout) ? 1 : 0;
}

/* A line of the ticket; what `folder` has goes before the value. */
static bool add_line(const char *name, const char *folder, const char *value)
{
    size_t length = strlen(run.settings);
    int size = snprintf(run.settings + length, sizeof run.settings - length, "%s=%s%s%s\n", name,
                        folder, folder[0] ? "/" : "", value);
    if (size >= 0 && (size_t)size < sizeof run.settings - length)
        return true;
    hl_tool_complain("these options are too long together");
    return false;
}

/* Otherwise the program would start, and only then say that it is not monitored. */
static bool can_be_log(const char *path)
{
    char folder[HL_PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        strcpy(folder, ".");
    else
        slash[slash == folder] = '\0';
    struct stat is;
    bool is_folder = stat(path, &is) == 0 && S_ISDIR(is.st_mode);
    if (!is_folder && (access(folder, W_OK | X_OK) == 0 || access(path, W_OK) == 0))
        return true;
    hl_tool_complain("--log %s cannot be written: %s; it takes a file in a folder that is there",
                     path, strerror(is_folder ? EISDIR : errno));
    return false;
}

/* The program may go to another folder before it becomes another one. */
static bool add_path(const char *name, const char *path)
{
    char folder[HL_PATH_BYTES];
    if (path[0] == '/')
        return add_line(name, "", path);
    if (!getcwd(folder, sizeof folder)) {
        hl_tool_complain("--log %s: the present folder cannot be told: %s", path, strerror(errno));
        return false;
    }
    if (strchr(folder, '\n')) {
        hl_tool_complain("--log %s: the present folder has a line feed in its name (%s); give the "
                         "path from another one",
                         path, folder);
        return false;
    }
    return add_line(name, folder, path);
}

static bool add_setting(const struct hl_setting *setting, const char *option, const char *value)
{
    const char *name = setting->variable + strlen("HEARTLINE_");
    if (!*value || strchr(value, '\n') || !hl_config_accepts(setting, value)) {
        hl_tool_complain("--%s \"%s\" is not understood; it takes %s", option, value,
                         setting->accepted);
        return false;
    }
    if (setting->offset == offsetof(monitor_options, log_path))
        return can_be_log(value) && add_path(name, value);
    return add_line(name, "", value);
}

/* Returns the number of the first argument that is no option, 0 = help was asked for, or -1. */
static int read_options(int count, char **arguments)
{
    int chosen, place;
    opterr = 0;
    while ((chosen = getopt_long(count, arguments, "+:", run.options, &place)) != -1) {
        if (chosen == HELP)
            return 0;
        if (chosen == CHILDREN) {
            run.is_for_all = true;
        } else if (chosen == ':' || chosen == '?') {
            hl_tool_complain("run: %s %s; heartline run --help shows the options",
                             arguments[optind - 1],
                             chosen == ':' ? "wants a value" : "is no option");
            return -1;
        } else if (!add_setting(&hl_settings[chosen], run.options[place].name, optarg)) {
            return -1;
        }
    }
    if (optind < count)
        return optind;
    hl_tool_complain("run: which program? heartline run --help says more");
    return -1;
}

/* ---- the library ------------------------------------------------------------------------- */

static bool is_file(const char *path)
{
    struct stat is;
    return stat(path, &is) == 0 && S_ISREG(is.st_mode);
}

/* From the tool's own place, so that a prefix may be moved and a build tree need none. */
static bool find_library(char found[PATH_MAX])
{
    char own[PATH_MAX], path[2 * PATH_MAX];
    if (!hl_program_own_path(own)) {
        hl_tool_complain("the path of this program cannot be told; on Linux that takes /proc");
        return false;
    }
    *strrchr(own, '/') = '\0';
    size_t length = strlen(own), tail = strlen(HL_TOOL_BUILT);
    bool is_built = length > tail && strcmp(own + length - tail, HL_TOOL_BUILT) == 0;
    const char *place = is_built ? HL_LIBRARY_BUILT : HL_LIBRARY_INSTALLED;
    bool is_absolute = place[0] == '/';
    snprintf(path, sizeof path, "%s%s%s", is_absolute ? "" : own, is_absolute ? "" : "/", place);
    if (is_file(path) && realpath(path, found))
        return true;
    hl_tool_complain("there is no library at %s; install Heartline as a whole", path);
    return false;
}

/* A ticket has lines. */
static bool can_be_preloaded(const char *library)
{
    size_t good = strcspn(library, hl_plat_preload_separators), line = strcspn(library, "\n");
    if (!library[good] && !library[line])
        return true;
    hl_tool_complain(
        "%s cannot be preloaded: its path has a '%c', which separates paths; install it "
        "elsewhere",
        library, library[good < line ? good : line]);
    return false;
}

/* ---- becoming it ------------------------------------------------------------------------------ */

static bool set_preload(const char *ours)
{
    const char *theirs = getenv(hl_plat_preload_variable);
    size_t size = strlen(ours) + (theirs ? strlen(theirs) : 0) + 2;
    char *list = malloc(size);
    if (!list)
        return false;
    snprintf(list, size, "%s%s%s", ours, theirs && *theirs ? ":" : "", theirs ? theirs : "");
    bool is_set = setenv(hl_plat_preload_variable, list, 1) == 0;
    free(list);
    return is_set;
}

static bool set_ticket(const char *preloaded)
{
    static char text[SETTINGS_BYTES + 2 * PATH_MAX];
    const struct hl_ticket ticket = {
        .pid = hl_plat_process_id(),
        .start = hl_plat_process_start(),
        .is_for_all = run.is_for_all,
        .preloaded = preloaded,
        .preloaded_length = strlen(preloaded),
        .settings = run.settings,
    };
    hl_ticket_write(text, sizeof text, &ticket);
    return setenv(HL_TICKET, text, 1) == 0;
}

static bool set_environment(const struct hl_program *program, const char *library)
{
    char preloaded[PATH_MAX + sizeof program->preload_first];
    snprintf(preloaded, sizeof preloaded, "%s%s%s", program->preload_first,
             program->preload_first[0] ? ":" : "", library);
    if (set_preload(preloaded) && set_ticket(preloaded))
        return true;
    hl_tool_complain("out of memory");
    return false;
}

static int become(const struct hl_program *program, int count, char **arguments)
{
    if (program->needs_shell) {
        char **by_shell = calloc((size_t)count + 2, sizeof *by_shell);
        if (!by_shell) {
            hl_tool_complain("out of memory");
            return HL_PROGRAM_CANNOT_RUN;
        }
        by_shell[0] = (char *)(uintptr_t) "sh";
        by_shell[1] = (char *)(uintptr_t)program->path;
        memcpy(by_shell + 2, arguments + 1, (size_t)count * sizeof *by_shell);
        execve("/bin/sh", by_shell, environ);
    } else {
        execve(program->path, arguments, environ);
    }
    int status = errno == ENOENT ? HL_PROGRAM_NOT_FOUND : HL_PROGRAM_CANNOT_RUN;
    hl_tool_complain("%s cannot be run: %s; try it without heartline run", program->path,
                     strerror(errno));
    return status;
}

int hl_tool_run(int count, char **arguments)
{
    static struct hl_program program;
    char library[PATH_MAX];
    make_options();
    int first = read_options(count, arguments);
    if (first <= 0)
        return first == 0 ? help() : HL_TOOL_USAGE;
    if (!find_library(library) || !can_be_preloaded(library))
        return HL_PROGRAM_CANNOT_RUN;
    hl_program_examine(arguments[first], library, &program);
    if (program.status) {
        hl_tool_complain("%s; %s", program.why, program.remedy);
        return program.status;
    }
    if (!set_environment(&program, library))
        return HL_PROGRAM_CANNOT_RUN;
    return become(&program, count - first, arguments + first);
}
