/* tests/bench/sample_peers.h - other ways to read what a heartbeat wants to know of this process. */
#ifndef SAMPLE_PEERS_H
#define SAMPLE_PEERS_H

#include <stdbool.h>
#include <stddef.h>

/* Each returns how many threads it has read; 0 = it could not.
 *
 * proc_: the folder is listed, `stat` and `comm` of each thread are opened, read
 * and closed. libproc2_: only where the library was found. */
size_t proc_threads(void);
size_t libproc2_threads(void);

/* `status`, `io` and `stat` are opened, read and closed, the affinity is asked for. */
bool proc_process(void);

#endif
