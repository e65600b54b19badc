/* tests/litmus/classic.h - the model of memory, asked what is known. */
#ifndef TESTS_LITMUS_CLASSIC_H
#define TESTS_LITMUS_CLASSIC_H

#include <stdbool.h>

bool classic_is_right(void);

#endif
