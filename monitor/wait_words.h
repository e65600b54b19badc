/* monitor/wait_words.h - what a thread waits for, in words. Pure. */
#ifndef HL_WAIT_WORDS_H
#define HL_WAIT_WORDS_H

#include "event.h"

#include "../platform/platform.h"

/* "mutex:0x55e5f0daf0a0", "join:4251", "read:pipe", "recv:socket 10.0.0.2:5432",
 * "child:17", "timer"; the call's name where no more is known, "" where it waits
 * for nothing. false, and "": it cannot be told. */
bool hl_wait_words(const struct hl_plat_look *look, char words[HL_WAIT_BYTES]);
/* The same as one of many that are counted: of a lock that each may have its own of, the
 * kind alone, "condvar"; a mutex is one that many want. */
bool hl_wait_words_of_many(const struct hl_plat_look *look, char words[HL_WAIT_BYTES]);

#endif
