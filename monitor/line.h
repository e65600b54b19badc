/* monitor/line.h - one log line under construction, in either format.
 *
 * report.c says what a record contains, once; text.c and json.c say how each
 * kind of value looks. A line is at most HL_LINE_BYTES with its line feed, is
 * valid UTF-8 without control characters, and stays valid when something had
 * to be cut: then it says truncated=yes. Texts are cut, numbers never; a pair
 * that does not fit at all is left out whole. Pure: no clock, no I/O, no
 * locale, no allocation.
 */
#ifndef HL_LINE_H
#define HL_LINE_H

#include "event.h"

#include <heartline/monitor.h>

#define HL_LINE_BYTES 4096 /* PIPE_BUF on Linux: one write of this is never mixed with another */

struct hl_encoding;

struct hl_line {
    const struct hl_encoding *encoding;
    size_t length;
    size_t limit;    /* length may grow up to here; the rest is kept for the end of the line */
    bool overflowed; /* the pair being written does not fit, and will be taken back */
    bool truncated;
    char bytes[HL_LINE_BYTES + 1];
};

/* What every line of a process has in common. */
struct hl_line_head {
    enum monitor_format format;
    bool has_time;    /* a callback sink gets lines without a time stamp */
    uint64_t wall_ms; /* milliseconds since 1970, UTC */
    uint64_t pid;
    const char *tag; /* NULL or "" = none */
};

void hl_line_begin(struct hl_line *line, const struct hl_line_head *head, const char *record);
/* Ends the line with a line feed and a terminator; returns the length without
 * the terminator. */
size_t hl_line_end(struct hl_line *line);

/* clang-format off: a table */
/* One pair each. The key is that of text; JSON adds the unit as named here.
 * HL_UNKNOWN gives `?` or null.
 *                                       text                      JSON                        */
void hl_line_count(struct hl_line *line, const char *key, uint64_t n);
/* threads=12                "threads":12                */
void hl_line_duration(struct hl_line *line, const char *key, uint64_t ns);
/* for=2m22s                 "for_ms":142000             */
void hl_line_duration_at_most(struct hl_line *line, const char *key, uint64_t ns);
/* stuck<=5m20s              "stuck_ms":320000,"stuck_at_most":true
                                         rounded up, all other durations down: each stays true */
void hl_line_setting(struct hl_line *line, const char *key, uint64_t ns);
/* stall=1m00s, stall=50ms   "stall_ms":60000; exact to the millisecond,
                                         as the environment accepts it; 0: stall=never, "stall_ms":0 */
void hl_line_eta(struct hl_line *line, const char *key, uint64_t ns);
/* eta=1m18s, eta=>1d        "eta_ms":78000 (at most 86400000) */
void hl_line_seconds(struct hl_line *line, const char *key, uint64_t ns, unsigned places);
/* self_cpu=0.21s            "self_cpu_ms":210           */
void hl_line_plain_seconds(struct hl_line *line, const char *key, uint64_t ns);
/* cpu_seconds=51210.4       "cpu_seconds":51210.4       */
void hl_line_bytes(struct hl_line *line, const char *key, uint64_t bytes);
/* vm=9.8GiB                 "vm_bytes":10522669876      */
void hl_line_bytes_of(struct hl_line *line, const char *key, uint64_t bytes, uint64_t limit);
/* rss=1.2GiB/4.0GiB         "rss_bytes":..,"rss_limit_bytes":.. ; limit 0 = none, left out */
void hl_line_cores_of(struct hl_line *line, const char *key, uint64_t milli, uint64_t limit_milli);
/* cpu=6.8/8, cpu=0.3/1.5    "cpu_cores":6.8,"cpu_limit_cores":8 */
void hl_line_share(struct hl_line *line, const char *key, uint64_t milli);
/* cpu=0.99                  "cpu":0.99                  */
void hl_line_cores(struct hl_line *line, const char *key, uint64_t milli);
/* cores=8                   "cores":8                   */
void hl_line_rate(struct hl_line *line, const char *key, uint64_t milli);
/* rate=8.3/s                "rate_per_s":8.3            */
void hl_line_progress(struct hl_line *line, const struct hl_progress_view *progress);
/* progress=350/1000 percent=35 rate=8.3/s eta=1m18s
                       "progress_current":350,"progress_total":1000,"percent":35,"rate_per_s":..,"eta_ms":..
                       unknown total: progress=350/? and "progress_total":null; nothing when not present */
void hl_line_steps(struct hl_line *line, const struct hl_progress_view *progress);
/* its first part alone: progress=350/1000                                 */
void hl_line_text(struct hl_line *line, const char *key, const char *text);
/* reason="no such file", reason=exit   "reason":"..."
                                         NULL = unknown: verdict=?            "verdict":null   */
void hl_line_label(struct hl_line *line, const char *key, const char *label);
/* active="checkpoint" (always quoted)  "active":"..."   */
void hl_line_none(struct hl_line *line, const char *key);
/* active=none               "active":null               */
void hl_line_letter(struct hl_line *line, const char *key, char letter);
/* state=S; 0 = unknown      "state":"S"                 */
void hl_line_thread(struct hl_line *line, const char *key, const struct hl_thread_ref *thread);
/* thread=4250/writer, thread="4250/my thread", unnamed: thread=4250/
                       "thread_tid":4250,"thread_name":"writer"                                */
void hl_line_labels(struct hl_line *line, const char *key, const char (*labels)[HL_LABEL_BYTES],
                    size_t count, const char *between, size_t reserve);
/* path="epoch 3 > write checkpoint"   "path":"epoch 3 > write checkpoint"
                       with `reserve` bytes kept free for what follows: labels in the middle go
                       first, a "…" in their place, and the line says truncated=yes            */
void hl_line_frames(struct hl_line *line, const char *key, const char (*frames)[HL_FRAME_BYTES],
                    size_t count, size_t reserve);
/* frames="app+0x1f3 < libc.so.6+0x22"  "frames":["app+0x1f3","libc.so.6+0x22"]
                       cut in the middle like labels                                           */
void hl_line_part(struct hl_line *line, const char *key, uint64_t n, uint64_t of);
/* sample=1/3                "sample":1,"sample_of":3    */
void hl_line_microseconds(struct hl_line *line, const char *key, uint64_t ns);
/* suspended=12us            "suspended_us":12; rounded up: what was measured is never 0 */
void hl_line_flag(struct hl_line *line, const char *word);
/* forked                    "forked":true               */
void hl_line_yes(struct hl_line *line, const char *key);
/* ended=yes                 "ended":true                */
/* clang-format on */

#endif
