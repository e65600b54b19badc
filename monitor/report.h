/* monitor/report.h - what each record says, key by key: the only place where the
 * order and the presence of keys is decided (spec: "What a heartbeat says", "Lines").
 * Each call makes one whole line, ended with a line feed, in *line. */
#ifndef HL_REPORT_H
#define HL_REPORT_H

#include "event.h"
#include "line.h"

void hl_report_start(struct hl_line *, const struct hl_line_head *, const struct hl_start_event *);
void hl_report_beat(struct hl_line *, const struct hl_line_head *, const struct hl_beat_event *);
void hl_report_phase(struct hl_line *, const struct hl_line_head *, const struct hl_phase_event *);
void hl_report_phases_omitted(struct hl_line *, const struct hl_line_head *, uint64_t omitted);
void hl_report_busy(struct hl_line *, const struct hl_line_head *, const struct hl_busy_event *);
void hl_report_stall(struct hl_line *, const struct hl_line_head *, const struct hl_stall_event *);
void hl_report_stack(struct hl_line *, const struct hl_line_head *, const struct hl_stack_event *);
void hl_report_merged(struct hl_line *, const struct hl_line_head *,
                      const struct hl_merged_event *);
void hl_report_deadlock(struct hl_line *line, const struct hl_line_head *head,
                        const struct hl_deadlock_event *deadlock);
void hl_report_recovered(struct hl_line *, const struct hl_line_head *,
                         const struct hl_recovered_event *);
void hl_report_merged_recovered(struct hl_line *, const struct hl_line_head *,
                                const struct hl_merged_recovered_event *);
void hl_report_quiet(struct hl_line *, const struct hl_line_head *, const struct hl_quiet_event *);
void hl_report_paused(struct hl_line *, const struct hl_line_head *,
                      const struct hl_paused_event *);
void hl_report_unavailable(struct hl_line *, const struct hl_line_head *,
                           const struct hl_unavailable_event *);
void hl_report_note(struct hl_line *, const struct hl_line_head *, const struct hl_note_event *);
void hl_report_stop(struct hl_line *, const struct hl_line_head *, const struct hl_stop_event *);

#endif
