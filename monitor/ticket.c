/* See ticket.h. Read before main, in the program's own thread: no allocation, no locale. */
#include "ticket.h"

#include "../platform/platform.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VERSION 1
#define PREFIX "HEARTLINE_"

/* ---- reading --------------------------------------------------------------------- */

static bool take_number(const char **at, uint64_t *number)
{
    const char *begin = *at;
    for (*number = 0; **at >= '0' && **at <= '9'; ++*at) {
        if (*number > (UINT64_MAX - 9) / 10)
            return false;
        *number = *number * 10 + (uint64_t)(**at - '0');
    }
    return *at > begin;
}

static bool take_word(const char **at, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*at, word, length) != 0)
        return false;
    *at += length;
    return true;
}

static bool take_whom(const char **at, bool *is_for_all)
{
    *is_for_all = take_word(at, " all ");
    return *is_for_all || take_word(at, " first ");
}

static bool read_ticket(const char *at, struct hl_ticket *ticket)
{
    uint64_t version;
    if (!take_number(&at, &version) || version != VERSION || !take_word(&at, " ") ||
        !take_number(&at, &ticket->pid) || !take_word(&at, " ") ||
        !take_number(&at, &ticket->start) || !take_whom(&at, &ticket->is_for_all))
        return false;
    ticket->preloaded = at;
    ticket->preloaded_length = strcspn(at, "\n");
    at += ticket->preloaded_length;
    ticket->settings = *at ? at + 1 : at;
    return ticket->preloaded_length > 0;
}

bool hl_ticket_find(struct hl_ticket *ticket)
{
    const char *text = hl_plat_getenv(HL_TICKET);
    return text && read_ticket(text, ticket);
}

bool hl_ticket_is_for_us(const struct hl_ticket *ticket)
{
    return ticket->is_for_all ||
           (ticket->pid == hl_plat_process_id() && ticket->start == hl_plat_process_start());
}

const char *hl_ticket_setting(const struct hl_ticket *ticket, const char *variable, size_t *length)
{
    if (!take_word(&variable, PREFIX))
        return NULL;
    for (const char *at = ticket->settings; *at;) {
        const char *line = at;
        size_t size = strcspn(line, "\n");
        at += size + (line[size] != '\0');
        if (!take_word(&line, variable) || !take_word(&line, "="))
            continue;
        *length = strcspn(line, "\n");
        return line;
    }
    return NULL;
}

/* ---- writing ----------------------------------------------------------------------- */

int hl_ticket_write(char *text, size_t size, const struct hl_ticket *ticket)
{
    return snprintf(text, size, "%d %" PRIu64 " %" PRIu64 " %s %.*s\n%s", VERSION, ticket->pid,
                    ticket->start, ticket->is_for_all ? "all" : "first",
                    (int)ticket->preloaded_length, ticket->preloaded, ticket->settings);
}
