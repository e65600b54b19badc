/* monitor/frames.c - monitor_stack: where a thread is, for whoever asks.
 *
 * Needs neither the monitor thread nor its platform handle, as monitor_sample does
 * not. A platform says only that it could not: whether the thread is there is asked
 * afterwards, and where not even the caller can be seen, it is not the thread that is
 * missing.
 */
#include <heartline/monitor.h>

#include "../platform/platform.h"

#include <errno.h>
#include <string.h>

static bool is_visible(struct hl_plat *plat, uint64_t tid)
{
    struct hl_plat_thread_state state;
    return hl_plat_thread_state(plat, tid, &state);
}

static int why_not(struct hl_plat *plat, uint64_t tid, const struct hl_plat_frames *frames)
{
    if (frames->try_again)
        return -EAGAIN;
    bool has_gone = !is_visible(plat, tid) && is_visible(plat, hl_plat_thread_id());
    return has_gone ? -ESRCH : -ENOTSUP;
}

static int capture(uint64_t tid, uintptr_t *pcs, size_t max)
{
    struct hl_plat_frames frames;
    struct hl_plat *plat = hl_plat_open();
    if (plat == NULL)
        return -ENOMEM;
    bool is_had = hl_plat_thread_frames(plat, tid, true, &frames);
    int error = is_had ? 0 : why_not(plat, tid, &frames);
    hl_plat_close(plat);
    if (!is_had)
        return error;
    size_t count = frames.count < max ? frames.count : max;
    memcpy(pcs, frames.pc, count * sizeof *pcs);
    return (int)count;
}

int monitor_stack(uint64_t tid, uintptr_t *frames, size_t max)
{
    if (frames == NULL || max == 0)
        return -EINVAL;
    if (tid == hl_plat_thread_id())
        return -EDEADLK;
    return capture(tid, frames, max);
}
