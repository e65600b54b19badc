/* monitor/tally.h - what many threads wait for, in one text: "12 condvar; 1 read:pipe".
 *
 * Words are counted as they come, and written most frequent first. What does not fit,
 * and who was not asked, is in the last one, "87 other": the numbers always add up to the
 * threads that there are. Pure.
 */
#ifndef HL_TALLY_H
#define HL_TALLY_H

#include "event.h"

#define HL_TALLY_KINDS 256 /* told apart */
#define HL_TALLY_BYTES 2048

struct hl_tally {
    size_t kinds;
    uint64_t count[HL_TALLY_KINDS]; /* 0: it has been written */
    char words[HL_TALLY_KINDS][HL_WAIT_BYTES];
};

void hl_tally_begin(struct hl_tally *tally);
void hl_tally_add(struct hl_tally *tally, const char words[HL_WAIT_BYTES]);
/* These words, and none besides. */
bool hl_tally_is_all(const struct hl_tally *tally, const char *words);
/* Uses it up. `all`: of how many threads, those that were not asked included. */
void hl_tally_write(struct hl_tally *tally, uint64_t all, char text[HL_TALLY_BYTES]);

#endif
