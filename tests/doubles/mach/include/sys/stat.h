/* sys/stat.h of the fake: the C library's, and the flags of files, of which Linux has none. Here
 * System Integrity Protection guards what has the sticky bit. */
#ifndef FAKE_SYS_STAT_H
#define FAKE_SYS_STAT_H

#include_next <sys/stat.h>

#define st_flags st_mode
#define SF_RESTRICTED S_ISVTX

#endif
