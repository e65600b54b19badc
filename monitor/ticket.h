/* monitor/ticket.h - what `heartline run` tells the library that it has preloaded.
 *
 * One environment variable, so that one thing has to be taken out of it again:
 *
 *     HEARTLINE_RUN=1 4242 88123 first /opt/lib/libheartline.so.0
 *     INTERVAL=10s
 *     LOG=/var/log/job.log
 *
 * The first line: the version of this form; the pid and the start of the first process;
 * `first` or `all`, whom to monitor; what was put before LD_PRELOAD. Then settings, a line
 * each, by the names of their variables without HEARTLINE_.
 *
 * The first process keeps it through whatever it executes: it is known by its pid and
 * start. Any other one finds that it is not meant, and takes both out of its environment.
 */
#ifndef HL_TICKET_H
#define HL_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HL_TICKET "HEARTLINE_RUN"

struct hl_ticket {
    uint64_t pid, start; /* hl_plat_process_id, hl_plat_process_start */
    bool is_for_all;
    const char *preloaded; /* separated as in LD_PRELOAD; not terminated where it was read: */
    size_t preloaded_length;
    const char *settings; /* what follows the first line; "" = none */
};

/* The ticket in this process's environment, in which it points. false: there is none that
 * is understood, or the environment is not to be trusted. */
bool hl_ticket_find(struct hl_ticket *ticket);
/* Whether the calling process is to be monitored. */
bool hl_ticket_is_for_us(const struct hl_ticket *ticket);
/* The value of a setting ("HEARTLINE_INTERVAL"), ended by a line feed or by the end. NULL: none. */
const char *hl_ticket_setting(const struct hl_ticket *ticket, const char *variable, size_t *length);

/* In the process that is about to be the first one. `settings` as above. Returns the length
 * without the terminator, as snprintf does. */
int hl_ticket_write(char *text, size_t size, const struct hl_ticket *ticket);

#endif
