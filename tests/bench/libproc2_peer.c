/* tests/bench/libproc2_peer.c - the library of ps and top (procps 4), asked for the threads of one
 * process: number, name and CPU time of each. */
#include "sample_peers.h"

#include <libproc2/pids.h>

#include <unistd.h>

size_t libproc2_threads(void)
{
    static enum pids_item items[] = {PIDS_ID_TID, PIDS_CMD, PIDS_TICS_ALL};
    static struct pids_info *info; /* kept, as top does */
    unsigned process = (unsigned)getpid();
    if (!info && procps_pids_new(&info, items, sizeof items / sizeof items[0]) < 0)
        return 0;
    struct pids_fetch *fetch = procps_pids_select(info, &process, 1, PIDS_SELECT_PID_THREADS);
    return fetch && fetch->counts->total > 0 ? (size_t)fetch->counts->total : 0;
}
