/* platform/none/join_never.c - where no join has a limit.
 *
 * pthread_join may wait for ever (a log on a hung disk), and nothing in POSIX
 * tells whether a thread has ended: pthread_kill with 0 succeeds for one that
 * was not joined yet. So the answer is always "not joined", at once, and the
 * caller detaches the thread.
 */
#include "../platform.h"

bool hl_plat_join(pthread_t thread, uint64_t timeout_ns)
{
    (void)thread;
    (void)timeout_ns;
    return false;
}
