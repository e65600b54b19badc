/* platform/log_file.h - what an open log is asked in the same way on every system. */
#ifndef HL_LOG_FILE_H
#define HL_LOG_FILE_H

#include "platform.h"

/* It is open, and its descriptor still leads to what was opened: the program may have closed
 * it, and opened a file of its own that got the number. Costs one system call; may set errno. */
bool hl_log_is_ours(const struct hl_plat_log *log);

#endif
