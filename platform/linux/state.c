/* platform/linux/state.c - what one thread is called and what it is doing.
 *
 * Opened below the kept task directory, read once and closed: a descriptor for
 * each thread would use up the process's limit. That the thread is gone is a
 * normal answer at the opening and at the reading.
 */
#define _GNU_SOURCE
#include "plat.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int hl_plat_thread_path(struct hl_plat *plat, uint64_t tid, const char *file,
                        char path[HL_PLAT_THREAD_PATH_BYTES])
{
    int directory = hl_plat_task_directory(plat);
    bool is_kept = directory >= 0;

    if (directory == -EXDEV)
        return directory;
    /* none could be kept: the whole path may still do */
    snprintf(path, HL_PLAT_THREAD_PATH_BYTES, "%s%" PRIu64 "/%s", is_kept ? "" : "/proc/self/task/",
             tid, file);
    return is_kept ? directory : AT_FDCWD;
}

ssize_t hl_plat_read_of_thread(struct hl_plat *plat, uint64_t tid, const char *file, char *text,
                               size_t capacity)
{
    char path[HL_PLAT_THREAD_PATH_BYTES];
    int directory = hl_plat_thread_path(plat, tid, file, path);

    if (directory == -EXDEV)
        return directory;
    return hl_plat_read_file(plat, directory, path, text, capacity);
}

void hl_plat_miss_of_thread(struct hl_plat *plat, enum hl_plat_key key, ssize_t error)
{
    if (error == -EXDEV)
        hl_plat_miss_because(plat, key, "/proc belongs to another container");
    else if (error == -ENOENT && hl_plat_ours(&plat->tasks) >= 0)
        hl_plat_miss(plat, key, ESRCH);
    else
        hl_plat_miss(plat, key, (int)-error);
}

/* The process has the name of its first thread. */
void hl_plat_program_name(struct hl_plat *plat, char name[HL_PLAT_NAME_BYTES])
{
    (void)hl_plat_thread_name(plat, hl_plat_process_id(), name);
}

bool hl_plat_thread_name(struct hl_plat *plat, uint64_t tid, char name[HL_PLAT_NAME_BYTES])
{
    int saved = errno;
    ssize_t size = hl_plat_read_of_thread(plat, tid, "comm", name, HL_PLAT_NAME_BYTES - 1);

    if (size < 0) {
        hl_plat_miss_of_thread(plat, HL_PLAT_THREAD_NAME, size);
        size = 0;
        name[0] = 0;
        errno = saved;
        return false;
    }
    if (size > 0 && name[size - 1] == '\n') /* the kernel's; the name's own ones stay */
        size--;
    name[size] = 0;
    errno = saved;
    return true;
}

static bool copy_name(const char *stat, size_t size, char name[HL_PLAT_NAME_BYTES])
{
    struct hl_plat_piece piece;

    if (!hl_plat_parse_stat_name(stat, size, &piece) || piece.size >= HL_PLAT_NAME_BYTES)
        return false;
    memcpy(name, piece.text, piece.size);
    name[piece.size] = 0;
    return true;
}

/* At least so old: the kernel rounds the start down to a tick. 0 = cannot be told. */
static uint64_t age_of(uint64_t start_ticks)
{
    uint64_t now_ns;
    uint64_t latest = hl_plat_ticks_to_ns(start_ticks + 1); /* of what is known: no overflow */

    if (!hl_plat_read_clock(CLOCK_BOOTTIME, &now_ns))
        return 0;
    return now_ns > latest ? now_ns - latest : 0; /* a restored container may start in the future */
}

void hl_plat_thread_glance(struct hl_plat *plat, uint64_t tid, char name[HL_PLAT_NAME_BYTES],
                           char *state, uint64_t *age_ns)
{
    char text[1024];
    uint64_t start = HL_PLAT_UNKNOWN;
    int saved = errno;
    ssize_t size = hl_plat_read_of_thread(plat, tid, "stat", text, sizeof text);

    name[0] = *state = 0;
    if (size < 0)
        hl_plat_miss_of_thread(plat, HL_PLAT_THREAD_STATE, size);
    else
        hl_plat_parse_stat(text, (size_t)size, state, &start);
    *age_ns = start == HL_PLAT_UNKNOWN ? 0 : age_of(start);
    if (size < 0 || !copy_name(text, (size_t)size, name))
        (void)hl_plat_thread_name(plat, tid, name);
    errno = saved;
}

/* Kernels that do not count write "0 0 0". A thread that never ran has this too,
 * but the caller's own has run. */
static bool kernel_counts(struct hl_plat *plat)
{
    char text[96];
    struct hl_plat_schedstat own;
    ssize_t size = hl_plat_read_own(plat, "schedstat", text, sizeof text);

    return size > 0 && hl_plat_parse_schedstat(text, (size_t)size, &own) && own.switches > 0;
}

void hl_plat_thread_times(struct hl_plat *plat, uint64_t tid, struct hl_plat_thread_state *state)
{
    char text[96];
    struct hl_plat_schedstat times;
    ssize_t size = hl_plat_read_of_thread(plat, tid, "schedstat", text, sizeof text);

    if (size < 0) {
        hl_plat_miss_of_thread(plat, HL_PLAT_RUN_DELAY, size);
        return;
    }
    if (!hl_plat_parse_schedstat(text, (size_t)size, &times)) {
        hl_plat_miss_because(plat, HL_PLAT_RUN_DELAY, hl_plat_not_understood);
        return;
    }
    if (times.switches == 0 && !kernel_counts(plat)) {
        hl_plat_miss_because(plat, HL_PLAT_RUN_DELAY, "this kernel does not offer it");
        return;
    }
    state->times_known = true;
    state->on_core_ns = times.on_core_ns;
    state->run_delay_ns = times.run_delay_ns;
    state->switches = times.switches;
}

static bool add_stat(struct hl_plat *plat, uint64_t tid, struct hl_plat_thread_state *state)
{
    char text[1024];
    uint64_t start;
    ssize_t size = hl_plat_read_of_thread(plat, tid, "stat", text, sizeof text);

    if (size < 0) {
        hl_plat_miss_of_thread(plat, HL_PLAT_THREAD_STATE, size);
        return false;
    }
    hl_plat_parse_stat(text, (size_t)size, &state->state, &start);
    state->start_known = start != HL_PLAT_UNKNOWN;
    state->start = state->start_known ? start : 0;
    state->age_ns = state->start_known ? age_of(start) : 0;
    if (!state->start_known)
        hl_plat_miss_because(plat, HL_PLAT_THREAD_STATE, hl_plat_not_understood);
    return state->state != 0; /* which comes before the start */
}

bool hl_plat_thread_state(struct hl_plat *plat, uint64_t tid, struct hl_plat_thread_state *state)
{
    int saved = errno;

    *state = (struct hl_plat_thread_state){0};
    bool known = add_stat(plat, tid, state);
    if (known)
        hl_plat_thread_times(plat, tid, state);
    errno = saved;
    return known;
}

bool hl_plat_thread_sleeps(struct hl_plat *plat, uint64_t tid, uint64_t *sleeps)
{
    int saved = errno;
    ssize_t size = hl_plat_read_of_thread(plat, tid, "status", plat->buffer, sizeof plat->buffer);

    *sleeps = size > 0 ? hl_plat_parse_sleeps(plat->buffer, (size_t)size) : HL_PLAT_UNKNOWN;
    errno = saved;
    return *sleeps != HL_PLAT_UNKNOWN;
}
