/* unistd.h of the fake: the C library's and one more. */
#ifndef FAKE_UNISTD_H
#define FAKE_UNISTD_H

#include_next <unistd.h>
#include <fake_names.h>

int issetugid(void);

#endif
