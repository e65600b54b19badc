/* tests/harm/patience.h - a stop that a slow machine may delay. monitor_stop gives up
 * after 250 ms; on a machine with much else to do the thread may not have run by then. */
#ifndef HARM_PATIENCE_H
#define HARM_PATIENCE_H

#include <errno.h>
#include <time.h>

/* `stop` is monitor_stop; a minute at most. */
static inline int stop_at_last(int (*stop)(void))
{
    const struct timespec nap = {0, 1000000};
    int error = stop();
    for (int i = 0; i < 60000 && error == -ETIMEDOUT; i++) {
        nanosleep(&nap, NULL);
        error = stop();
    }
    return error;
}

#endif
