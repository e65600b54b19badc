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
 *
 * A group whose files cannot be read may have any limit, so none is known then. The
 * first group has none, and what is called that may be a namespace's. A file that is
 * missing from a group that is there is no limit: its controller is not enabled there.
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

static const char hidden[] = "its cgroup cannot be seen from here";

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

/* A path that has no room leads to nothing that can be seen, as one out of the mount does. */
static void note_place(struct hl_plat_group *group, struct hl_plat_piece path)
{
    if (path.size >= sizeof group->inside)
        path = (struct hl_plat_piece){"/..", 3};
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

/* By ".."; a group may be called "..x". */
static bool leads_out(const char *path)
{
    while ((path = strstr(path, "/.."))) {
        path += strlen("/..");
        if (*path == '/' || *path == 0)
            return true;
    }
    return false;
}

/* The part of `inside` below `root`, NULL when it does not lie there. */
static const char *below_root(const char *inside, const char *root)
{
    size_t length = strlen(root);

    if (leads_out(inside))
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

static bool name_file(struct hl_plat *plat, struct hl_plat_piece directory, const char *file)
{
    int length = snprintf(plat->path, sizeof plat->path, "%.*s/%s", (int)directory.size,
                          directory.text, file);

    return (size_t)length < sizeof plat->path;
}

/* Every group has this file. */
static bool is_there(struct hl_plat *plat, struct hl_plat_piece directory)
{
    bool is_open = name_file(plat, directory, "cgroup.procs") &&
                   hl_plat_open_passing(plat, AT_FDCWD, plat->path) >= 0;

    hl_plat_close_passing(plat);
    return is_open;
}

/* Bytes read, 0 where a group has no such file, or a negative errno. */
static ssize_t read_in(struct hl_plat *plat, struct hl_plat_piece directory, const char *file,
                       char *text, size_t capacity)
{
    if (!name_file(plat, directory, file))
        return -ENAMETOOLONG;
    ssize_t size = hl_plat_read_file(plat, AT_FDCWD, plat->path, text, capacity);
    return size == -ENOENT && is_there(plat, directory) ? 0 : size;
}

/* 0 or a negative errno; without a number in it, *number is UINT64_MAX. */
static int number_in(struct hl_plat *plat, struct hl_plat_piece directory, const char *file,
                     uint64_t *number)
{
    char text[64];
    ssize_t size = read_in(plat, directory, file, text, sizeof text);

    if (size <= 0 || !hl_plat_parse_number(text, (size_t)size, number))
        *number = UINT64_MAX;
    return size < 0 ? (int)size : 0;
}

static void add_quota(struct hl_plat *plat, struct hl_plat_piece directory, uint64_t quota,
                      uint64_t period, struct smallest *smallest)
{
    if (period == 0 || quota > UINT64_MAX / 1000)
        return;
    uint64_t milli = quota * 1000 / period;
    milli = milli > 0 ? milli : 1;
    if (milli >= smallest->quota_milli)
        return;
    smallest->quota_milli = milli;
    snprintf(plat->throttled, sizeof plat->throttled, "%.*s/cpu.stat", (int)directory.size,
             directory.text);
}

/* Of one group: 0, or a negative errno when its limit is not known. */
typedef int group_reader(struct hl_plat *plat, struct hl_plat_piece directory,
                         struct smallest *smallest);

static int read_cpu(struct hl_plat *plat, struct hl_plat_piece directory, struct smallest *smallest)
{
    char text[64];
    uint64_t quota, period;
    ssize_t size = read_in(plat, directory, "cpu.max", text, sizeof text);

    if (size > 0 && hl_plat_parse_cpu_max(text, (size_t)size, &quota, &period))
        add_quota(plat, directory, quota, period, smallest);
    return size < 0 ? (int)size : 0;
}

static int read_memory(struct hl_plat *plat, struct hl_plat_piece directory,
                       struct smallest *smallest)
{
    uint64_t bytes;
    int error = number_in(plat, directory, "memory.max", &bytes);

    lower(&smallest->memory_bytes, bytes);
    return error;
}

static int read_cpu_v1(struct hl_plat *plat, struct hl_plat_piece directory,
                       struct smallest *smallest)
{
    uint64_t quota, period;
    int error = number_in(plat, directory, "cpu.cfs_quota_us", &quota);

    if (quota == UINT64_MAX)
        return error;
    error = number_in(plat, directory, "cpu.cfs_period_us", &period);
    if (period != UINT64_MAX)
        add_quota(plat, directory, quota, period, smallest);
    return error;
}

static int read_memory_v1(struct hl_plat *plat, struct hl_plat_piece directory,
                          struct smallest *smallest)
{
    uint64_t bytes;
    int error = number_in(plat, directory, "memory.limit_in_bytes", &bytes);

    if (bytes < UINT64_MAX / 4) /* "no limit" is the largest number of whole pages in a long */
        lower(&smallest->memory_bytes, bytes);
    return error;
}

static int climb(struct hl_plat *plat, const struct hl_plat_group *group, group_reader *reader,
                 struct smallest *smallest)
{
    struct hl_plat_piece level = {group->directory, strlen(group->directory)};
    int error = group->top > 0 ? 0 : -ENOENT;

    while (group->top > 0 && level.size >= group->top) {
        int result = reader(plat, level, smallest);
        error = error ? error : result;
        do
            level.size--;
        while (level.text[level.size] != '/');
    }
    return strlen(group->inside) > 1 ? error : 0; /* "/", or the process is in none */
}

/* A controller is either in a hierarchy of the first version or in the unified one. */
static int climb_either(struct hl_plat *plat, int group_v1, group_reader *reader_v1,
                        group_reader *reader, struct smallest *smallest)
{
    const struct hl_plat_group *group = &plat->groups[group_v1];

    return group->inside[0] ? climb(plat, group, reader_v1, smallest)
                            : climb(plat, &plat->groups[UNIFIED], reader, smallest);
}

static void miss_limit(struct hl_plat *plat, enum hl_plat_key key, int error)
{
    if (error == -ENOENT || error == -EACCES)
        hl_plat_miss_because(plat, key, hidden);
    else
        hl_plat_miss(plat, key, -error);
}

static void set_memory(struct hl_plat *plat, struct hl_plat_limits *limits, uint64_t bytes,
                       int error)
{
    if (error) {
        miss_limit(plat, HL_PLAT_MEMORY, error);
        return;
    }
    limits->known |= HL_KNOWN(HL_PLAT_MEMORY);
    limits->memory_bytes = bytes != UINT64_MAX ? bytes : 0;
}

/* The quota that was found may still be told when a smaller one may be hidden. */
static void set_cores(struct hl_plat *plat, struct hl_plat_limits *limits, uint64_t quota_milli,
                      int error)
{
    uint64_t cores;
    int cores_error = count_cores(plat, &cores);

    if (quota_milli <= UINT32_MAX)
        limits->quota_milli = (uint32_t)quota_milli;
    hl_plat_miss_because(plat, HL_PLAT_THROTTLED, "there is no CPU quota");
    if (cores_error)
        hl_plat_miss(plat, HL_PLAT_CORES, cores_error);
    if (error) {
        miss_limit(plat, HL_PLAT_CORES, error);
        miss_limit(plat, HL_PLAT_THROTTLED, error);
    }
    if (cores_error || error)
        return;
    cores *= 1000;
    lower(&cores, quota_milli);
    limits->cores_milli = (uint32_t)cores;
    limits->known |= HL_KNOWN(HL_PLAT_CORES);
}

void hl_plat_limits(struct hl_plat *plat, struct hl_plat_limits *limits)
{
    int saved = errno;
    struct smallest smallest = {UINT64_MAX, UINT64_MAX};

    *limits = (struct hl_plat_limits){0};
    plat->throttled[0] = 0;
    find_groups(plat);
    int quota = climb_either(plat, CPU_V1, read_cpu_v1, read_cpu, &smallest);
    int memory = climb_either(plat, MEMORY_V1, read_memory_v1, read_memory, &smallest);
    set_memory(plat, limits, smallest.memory_bytes, memory);
    set_cores(plat, limits, smallest.quota_milli, quota);
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
