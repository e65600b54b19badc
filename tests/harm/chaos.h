/* tests/harm/chaos.h - a log that takes what it likes.
 *
 * The program's own write, send, syscall and open64 stand before those of libc, also for
 * the library. Those that write to the log that is named here take some bytes or none,
 * at random, and give the errors that a log can give; all others are passed on.
 */
#ifndef CHAOS_H
#define CHAOS_H

#include <stdbool.h>
#include <stdint.h>

struct chaos {
    uint64_t whole, shortened, again, interrupted, failed;
};

/* From now on, until the end, for what `descriptor` leads to, by whatever number.
 * `has_errors`: a full disk and an input/output error are among what happens. */
void chaos_begin(int descriptor, bool has_errors);
struct chaos chaos_end(void);
/* As for a pipe of another user: it cannot be opened again through /proc. Returns what it was
 * before. */
bool chaos_refuse_reopening(bool refuses);

#endif
