/* platform/linux/limits.c - how many cores and how much memory the process may use.
 *
 * Cores: the smaller of the affinity mask and the CPU quota. Quotas and memory
 * limits of cgroups hold for everything below them, so the whole path from the
 * process's group up to the mount point is read, in v2 and in both v1
 * hierarchies that matter, and the smallest counts. /proc/self/cgroup says where
 * the process stands, mountinfo where that can be seen: in a container the mount
 * shows only a part of the tree, its root.
 *
 * Where the smallest quota was found is remembered: the group beside it counts
 * for how long it kept threads off their cores.
 */
#define _GNU_SOURCE
#include "plat.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { UNIFIED, CPU_V1, MEMORY_V1, GROUPS };

struct smallest {
    uint64_t quota_milli, memory_bytes; /* UINT64_MAX = no limit */
};

/* ---- affinity ------------------------------------------------------------- */

#define MASK_BYTES 8192 /* 65,536 processors; cpu_set_t has 1,024 and fails beyond */

/* Adds the mask of a thread to plat->buffer; 0 or an errno. */
static int add_mask(struct hl_plat *plat, long tid)
{
    char *mask = plat->buffer + MASK_BYTES;
    long size = syscall(SYS_sched_getaffinity, tid, (long)MASK_BYTES, mask);

    if (size < 0)
        return errno;
    for (long i = 0; i < size; i++)
        plat->buffer[i] |= mask[i];
    return 0;
}

/* The first thread's cores and the caller's: one of the two is often pinned
 * after the other threads were made. 0 or an errno. */
static int count_cores(struct hl_plat *plat, uint64_t *cores)
{
    memset(plat->buffer, 0, MASK_BYTES);
    int error = add_mask(plat, 0);
    int other = add_mask(plat, (long)getpid());

    *cores = 0;
    for (size_t i = 0; i < MASK_BYTES; i++)
        *cores += (uint64_t)__builtin_popcount((unsigned char)plat->buffer[i]);
    return *cores > 0 ? 0 : error ? error : other ? other : ENOSYS;
}

static uint64_t read_possible_cores(struct hl_plat *plat)
{
    char text[256];
    uint64_t highest;
    ssize_t size =
        hl_plat_read_file(plat, AT_FDCWD, "/sys/devices/system/cpu/possible", text, sizeof text);

    if (size <= 0 || !hl_plat_parse_highest(text, (size_t)size, &highest))
        return HL_PLAT_MOST_CORES;
    return highest < HL_PLAT_MOST_CORES ? highest + 1 : HL_PLAT_MOST_CORES;
}

uint64_t hl_plat_most_cores(struct hl_plat *plat)
{
    int saved = errno;

    if (plat->most_cores == 0)
        plat->most_cores = read_possible_cores(plat);
    errno = saved;
    return plat->most_cores;
}

/* ---- where the process stands ----------------------------------------------- */

typedef void line_reader(struct hl_plat *plat, const char *line, size_t size);

/* Gives `reader` each line of a file of this thread, a line longer than the buffer not. */
static void read_lines(struct hl_plat *plat, const char *name, line_reader *reader)
{
    int descriptor = hl_plat_open_own_passing(plat, name);
    size_t used = 0;
    bool is_cut = false;
    ssize_t size;

    if (descriptor < 0)
        return;
    while ((size = read(descriptor, plat->buffer + used, sizeof plat->buffer - used)) > 0) {
        char *line = plat->buffer, *end = plat->buffer + used + (size_t)size, *stop;
        while ((stop = memchr(line, '\n', (size_t)(end - line)))) {
            if (!is_cut)
                reader(plat, line, (size_t)(stop - line));
            is_cut = false;
            line = stop + 1;
        }
        used = (size_t)(end - line);
        memmove(plat->buffer, line, used);
        if (used == sizeof plat->buffer) {
            is_cut = true;
            used = 0;
        }
    }
    hl_plat_close_passing(plat);
}

static void note_place(struct hl_plat_group *group, struct hl_plat_piece path)
{
    if (path.size >= sizeof group->inside)
        return;
    memcpy(group->inside, path.text, path.size);
    group->inside[path.size] = 0;
}

static void read_cgroup_line(struct hl_plat *plat, const char *line, size_t size)
{
    struct hl_plat_cgroup cgroup;

    if (!hl_plat_parse_cgroup_line(line, size, &cgroup))
        return;
    if (cgroup.hierarchy == 0 && cgroup.controllers.size == 0)
        note_place(&plat->groups[UNIFIED], cgroup.path);
    if (hl_plat_piece_lists(cgroup.controllers, "cpu"))
        note_place(&plat->groups[CPU_V1], cgroup.path);
    if (hl_plat_piece_lists(cgroup.controllers, "memory"))
        note_place(&plat->groups[MEMORY_V1], cgroup.path);
}

/* The part of `inside` below `root`, NULL when it does not lie there. A path with
 * ".." leads out of what the mount shows. */
static const char *below_root(const char *inside, const char *root)
{
    size_t length = strlen(root);

    if (strstr(inside, "/.."))
        return NULL;
    if (strcmp(root, "/") == 0)
        return strcmp(inside, "/") == 0 ? "" : inside;
    if (strncmp(inside, root, length) != 0 || (inside[length] != 0 && inside[length] != '/'))
        return NULL;
    return inside + length;
}

static void note_mount(struct hl_plat *plat, struct hl_plat_group *group,
                       const struct hl_plat_mount *mount)
{
    char *root = plat->path;
    char *point = plat->path + PATH_MAX;

    if (group->top > 0 || group->inside[0] == 0 || !hl_plat_unescape(mount->root, root, PATH_MAX) ||
        !hl_plat_unescape(mount->point, point, PATH_MAX))
        return;
    const char *rest = below_root(group->inside, root);
    if (!rest)
        return;
    snprintf(group->directory, sizeof group->directory, "%s%s", point, rest);
    group->top = strlen(point);
}

static void read_mount_line(struct hl_plat *plat, const char *line, size_t size)
{
    struct hl_plat_mount mount;

    if (!hl_plat_parse_mount_line(line, size, &mount))
        return;
    if (hl_plat_piece_is(mount.type, "cgroup2"))
        note_mount(plat, &plat->groups[UNIFIED], &mount);
    if (!hl_plat_piece_is(mount.type, "cgroup"))
        return;
    if (hl_plat_piece_lists(mount.options, "cpu"))
        note_mount(plat, &plat->groups[CPU_V1], &mount);
    if (hl_plat_piece_lists(mount.options, "memory"))
        note_mount(plat, &plat->groups[MEMORY_V1], &mount);
}

static void find_groups(struct hl_plat *plat)
{
    for (int i = 0; i < GROUPS; i++) {
        plat->groups[i].inside[0] = 0;
        plat->groups[i].top = 0;
    }
    read_lines(plat, "cgroup", read_cgroup_line);
    read_lines(plat, "mountinfo", read_mount_line);
}

/* ---- the limits on the way up -------------------------------------------------- */

static void lower(uint64_t *smallest, uint64_t value)
{
    if (value < *smallest)
        *smallest = value;
}

static ssize_t read_in(struct hl_plat *plat, const char *directory, const char *file, char *text,
                       size_t capacity)
{
    int length = snprintf(plat->path, sizeof plat->path, "%s/%s", directory, file);

    if ((size_t)length >= sizeof plat->path)
        return -ENAMETOOLONG;
    return hl_plat_read_file(plat, AT_FDCWD, plat->path, text, capacity);
}

static bool number_in(struct hl_plat *plat, const char *directory, const char *file,
                      uint64_t *number)
{
    char text[64];
    ssize_t size = read_in(plat, directory, file, text, sizeof text);

    return size > 0 && hl_plat_parse_number(text, (size_t)size, number);
}

static void add_quota(struct hl_plat *plat, const char *directory, uint64_t quota, uint64_t period,
                      struct smallest *smallest)
{
    if (period == 0 || quota > UINT64_MAX / 1000)
        return;
    uint64_t milli = quota * 1000 / period;
    milli = milli > 0 ? milli : 1;
    if (milli >= smallest->quota_milli)
        return;
    smallest->quota_milli = milli;
    int length = snprintf(plat->throttled, sizeof plat->throttled, "%s/cpu.stat", directory);
    if ((size_t)length >= sizeof plat->throttled)
        plat->throttled[0] = 0;
}

static void read_unified(struct hl_plat *plat, const char *directory, struct smallest *smallest)
{
    char text[64];
    uint64_t quota, period, bytes;
    ssize_t size = read_in(plat, directory, "cpu.max", text, sizeof text);

    if (size > 0 && hl_plat_parse_cpu_max(text, (size_t)size, &quota, &period))
        add_quota(plat, directory, quota, period, smallest);
    if (number_in(plat, directory, "memory.max", &bytes))
        lower(&smallest->memory_bytes, bytes);
}

static void read_cpu_v1(struct hl_plat *plat, const char *directory, struct smallest *smallest)
{
    uint64_t quota, period;

    if (number_in(plat, directory, "cpu.cfs_quota_us", &quota) &&
        number_in(plat, directory, "cpu.cfs_period_us", &period))
        add_quota(plat, directory, quota, period, smallest);
}

static void read_memory_v1(struct hl_plat *plat, const char *directory, struct smallest *smallest)
{
    uint64_t bytes;

    /* "No limit" is the largest number of whole pages in a long. */
    if (number_in(plat, directory, "memory.limit_in_bytes", &bytes) && bytes < UINT64_MAX / 4)
        lower(&smallest->memory_bytes, bytes);
}

typedef void group_reader(struct hl_plat *plat, const char *directory, struct smallest *smallest);

static void climb(struct hl_plat *plat, struct hl_plat_group *group, group_reader *reader,
                  struct smallest *smallest)
{
    while (group->top > 0) {
        reader(plat, group->directory, smallest);
        char *last = strrchr(group->directory, '/');
        if (!last || (size_t)(last - group->directory) < group->top)
            return;
        *last = 0;
    }
}

void hl_plat_limits(struct hl_plat *plat, struct hl_plat_limits *limits)
{
    int saved = errno;
    struct smallest smallest = {UINT64_MAX, UINT64_MAX};
    uint64_t cores;

    *limits = (struct hl_plat_limits){0};
    plat->throttled[0] = 0;
    hl_plat_miss_because(plat, HL_PLAT_THROTTLED, "there is no CPU quota");
    find_groups(plat);
    climb(plat, &plat->groups[UNIFIED], read_unified, &smallest);
    climb(plat, &plat->groups[CPU_V1], read_cpu_v1, &smallest);
    climb(plat, &plat->groups[MEMORY_V1], read_memory_v1, &smallest);
    if (smallest.memory_bytes != UINT64_MAX)
        limits->memory_bytes = smallest.memory_bytes;
    if (smallest.quota_milli <= UINT32_MAX)
        limits->quota_milli = (uint32_t)smallest.quota_milli;

    int error = count_cores(plat, &cores);
    if (error) {
        hl_plat_miss(plat, HL_PLAT_CORES, error);
    } else {
        cores *= 1000;
        lower(&cores, smallest.quota_milli);
        limits->cores_milli = (uint32_t)cores;
        limits->known = HL_KNOWN(HL_PLAT_CORES);
    }
    errno = saved;
}

bool hl_plat_throttled(struct hl_plat *plat, uint64_t *throttled_ns)
{
    int saved = errno;
    char text[1024];

    if (plat->throttled[0] == 0)
        return false; /* hl_plat_limits said why */
    ssize_t size = hl_plat_read_file(plat, AT_FDCWD, plat->throttled, text, sizeof text);
    bool known = size >= 0 && hl_plat_parse_throttled(text, (size_t)size, throttled_ns);
    if (size < 0)
        hl_plat_miss(plat, HL_PLAT_THROTTLED, (int)-size);
    else if (!known)
        hl_plat_miss_because(plat, HL_PLAT_THROTTLED, "this kernel does not offer it");
    errno = saved;
    return known;
}
