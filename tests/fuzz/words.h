/* tests/fuzz/words.h - what a look says in words, found a second time, and how a line says it. */
#ifndef TESTS_FUZZ_WORDS_H
#define TESTS_FUZZ_WORDS_H

#include "../../platform/platform.h"

/* Ends the program where the words are not those of this look, are cut or not ended,
 * or where a line does not say them. */
void words_meet(const struct hl_plat_look *look);

#endif
