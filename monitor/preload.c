/* monitor/preload.c - what happens when `heartline run` has preloaded the library.
 *
 * It runs before the program's own constructors. A program that is linked with the static
 * library has a copy with its scopes, so that one is told to start (hl_plat_copy). Nothing
 * refers to this file, so it is not in that copy as a rule; where it is, it finds that one as
 * well, and it runs already.
 *
 * Who is not meant, a child of the first process as a rule, takes our entries out of its
 * environment before anybody reads it, in place: what it starts does not even load us.
 */
#include "sink.h"
#include "ticket.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

extern char **environ;

/* ---- the environment -------------------------------------------------------------- */

/* Where NAME=... stands in environ, or NULL. */
static char **find_variable(const char *name)
{
    size_t length = strlen(name);
    for (char **variable = environ; variable && *variable; variable++)
        if (strncmp(*variable, name, length) == 0 && (*variable)[length] == '=')
            return variable;
    return NULL;
}

static void remove_variable(char **variable)
{
    do
        variable[0] = variable[1];
    while (*variable++);
}

/* Of the two, without what lies before `end`: an entry and the separator behind it. */
static void cut_out(char *entry, char *end)
{
    memmove(entry, end, strlen(end) + 1);
}

/* The list without `entry`, once. */
static void remove_entry(char *list, const char *entry, size_t length)
{
    for (char *at = list; *at;) {
        size_t size = strcspn(at, hl_plat_preload_separators);
        char *next = at + size + (at[size] != '\0');
        if (size == length && memcmp(at, entry, length) == 0) {
            cut_out(at, next);
            return;
        }
        at = next;
    }
}

static void remove_entries(char *list, const char *entries, size_t length)
{
    for (size_t at = 0; at < length;) {
        size_t size = 0;
        while (at + size < length && !strchr(hl_plat_preload_separators, entries[at + size]))
            size++;
        remove_entry(list, entries + at, size);
        at += size + 1;
    }
}

static bool is_empty_list(const char *list)
{
    return list[strspn(list, hl_plat_preload_separators)] == '\0';
}

static void leave_environment(const struct hl_ticket *ticket)
{
    char **list = find_variable(hl_plat_preload_variable);
    if (list) {
        char *value = *list + strlen(hl_plat_preload_variable) + 1;
        remove_entries(value, ticket->preloaded, ticket->preloaded_length);
        if (is_empty_list(value))
            remove_variable(list);
    }
    remove_variable(find_variable(HL_TICKET));
}

/* ---- before main ----------------------------------------------------------------------- */

/* What the system says of threads has another meaning for logs. */
static const char *reason(int error)
{
    return error == EAGAIN   ? "the system gives no more threads"
           : error == ENOMEM ? "there is no memory"
                             : hl_sink_reason(error);
}

/* To standard error: there is no log. */
static void say_why(const struct hl_ticket *ticket, int error)
{
    static struct hl_sink sink;
    monitor_options options;
    char text[512];
    size_t length = 0;
    const char *log = hl_ticket_setting(ticket, "HEARTLINE_LOG", &length);
    int size =
        snprintf(text, sizeof text, "heartline: process %" PRIu64 " is not monitored%s%.*s: %s\n",
                 hl_plat_process_id(), log ? ", log " : "", (int)(length < 256 ? length : 256),
                 log ? log : "", reason(-error));
    monitor_options_default(&options);
    if (hl_sink_open(&sink, &options) != 0)
        return;
    hl_sink_write(&sink, MONITOR_WARNING, text, (size_t)size);
    hl_sink_close(&sink);
}

static void launch(const struct hl_ticket *ticket)
{
    const struct hl_plat_copy *first = hl_plat_find_copy(0);
    int error = first ? first->launch() : hl_copy.launch();
    if (error)
        say_why(ticket, error);
}

__attribute__((constructor)) static void begin(void)
{
    struct hl_ticket ticket;
    if (!hl_ticket_find(&ticket))
        return;
    if (hl_ticket_is_for_us(&ticket))
        launch(&ticket);
    else
        leave_environment(&ticket);
}
