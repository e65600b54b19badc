/* situations.h - all situations, by file. */
#ifndef CORPUS_SITUATIONS_H
#define CORPUS_SITUATIONS_H

#include "stage.h"

extern const struct situation lock_situations[];
extern const struct situation cycle_situations[];
extern const struct situation wait_situations[];
extern const struct situation object_situations[];
extern const struct situation core_situations[];
extern const struct situation sign_situations[];
extern const struct situation life_situations[];
extern const struct situation stop_situations[];
extern const struct situation blind_situations[];
extern const struct situation quiet_situations[];

#endif
