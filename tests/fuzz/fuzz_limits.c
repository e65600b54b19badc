/* tests/fuzz/fuzz_limits.c - how many cores and how much memory, from any tree of cgroups.
 *
 * The input is the tree (files.h): the process's `cgroup` and `mountinfo`, and what lies
 * below the mounts; `chunk`, as many bytes of the two as one read gives. Nothing else can be
 * opened, and nothing outside of a group of the process may be asked for. What must come
 * out is found a second time, from lists instead of on the way up; that a single line is
 * understood rightly is fuzz_parse.c's.
 */
#define _GNU_SOURCE
#include "../../platform/linux/parse.h"
#include "../../platform/linux/plat.h"
#include "../platform/fakes.h"
#include "files.h"
#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BEFORE 12345 /* errno */

static struct hl_plat *plat;

/* ---- where the process stands, once more --------------------------------------------------- */

enum { UNIFIED, CPU_V1, MEMORY_V1, GROUPS };

static struct place {
    char inside[PATH_MAX]; /* "" = in none */
    char directory[2 * PATH_MAX];
    size_t top; /* length of the mount point; 0 = not mounted */
} places[GROUPS];

typedef void line_reader(const char *line, size_t size);

static int error_of(const struct fuzz_file *file)
{
    return file ? file->error : ENOENT;
}

static const struct fuzz_file *own(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/thread-self/%s", name);
    const struct fuzz_file *file = fuzz_file(path);
    if (error_of(file) == ENOENT) {
        snprintf(path, sizeof path, "/proc/self/%s", name);
        file = fuzz_file(path);
    }
    return file;
}

static void each_line(const struct fuzz_file *file, line_reader *reader)
{
    file = error_of(file) ? NULL : file;
    const char *at = file ? file->bytes : NULL, *end = file ? at + file->size : NULL, *stop;
    for (; at < end && (stop = memchr(at, '\n', (size_t)(end - at))); at = stop + 1)
        if (stop - at < HL_PLAT_BUFFER_BYTES) /* no buffer holds a longer one */
            reader(at, (size_t)(stop - at));
}

static void stand(int group, struct hl_plat_piece path)
{
    if (path.size >= PATH_MAX)
        path = (struct hl_plat_piece){"/..", 3};
    memcpy(places[group].inside, path.text, path.size);
    places[group].inside[path.size] = '\0';
}

static void read_group(const char *line, size_t size)
{
    struct hl_plat_cgroup cgroup;
    if (!hl_plat_parse_cgroup_line(line, size, &cgroup))
        return;
    if (cgroup.controllers.size == 0 && cgroup.hierarchy == 0)
        stand(UNIFIED, cgroup.path);
    if (hl_plat_piece_lists(cgroup.controllers, "cpu"))
        stand(CPU_V1, cgroup.path);
    if (hl_plat_piece_lists(cgroup.controllers, "memory"))
        stand(MEMORY_V1, cgroup.path);
}

/* The part below `root` with its slash; NULL: it is not there, or nobody knows where. */
static const char *below(const char *inside, const char *root)
{
    size_t length = strlen(root);
    bool is_all = strcmp(root, "/") == 0;
    size_t size = strlen(inside);
    if (strstr(inside, "/../") || (size >= 3 && strcmp(inside + size - 3, "/..") == 0))
        return NULL;
    if (is_all)
        return inside[1] ? inside : "";
    if (strlen(inside) < length || memcmp(inside, root, length) != 0)
        return NULL;
    return inside[length] == '/' || inside[length] == '\0' ? inside + length : NULL;
}

static void mount(int group, const char *root, const char *point)
{
    struct place *place = &places[group];
    const char *rest = place->inside[0] && !place->top ? below(place->inside, root) : NULL;
    if (!rest)
        return;
    place->top = strlen(point);
    strcpy(stpcpy(place->directory, point), rest);
}

static void read_mount(const char *line, size_t size)
{
    static char root[PATH_MAX], point[PATH_MAX];
    struct hl_plat_mount seen;
    if (!hl_plat_parse_mount_line(line, size, &seen) ||
        !hl_plat_unescape(seen.root, root, sizeof root) ||
        !hl_plat_unescape(seen.point, point, sizeof point))
        return;
    bool is_v1 = hl_plat_piece_is(seen.type, "cgroup");
    if (hl_plat_piece_is(seen.type, "cgroup2"))
        mount(UNIFIED, root, point);
    if (is_v1 && hl_plat_piece_lists(seen.options, "cpu"))
        mount(CPU_V1, root, point);
    if (is_v1 && hl_plat_piece_lists(seen.options, "memory"))
        mount(MEMORY_V1, root, point);
}

/* ---- its limits, once more ------------------------------------------------------------------- */

static struct {
    uint64_t quota_milli, memory_bytes; /* UINT64_MAX = none */
    char throttled[2 * PATH_MAX + 16];
    bool quota_is_hidden, memory_is_hidden;
} wanted;

/* An errno; 0 and *file NULL: a group that is there has no such file. */
static int find_in(const char *directory, const char *name, const struct fuzz_file **file)
{
    static char path[2 * PATH_MAX + 64];
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= 2 * PATH_MAX)
        return ENAMETOOLONG;
    *file = fuzz_file(path);
    return error_of(*file);
}

static const struct fuzz_file *file_in(const char *directory, const char *name, bool *is_hidden)
{
    const struct fuzz_file *file = NULL, *list;
    int error = find_in(directory, name, &file);
    bool is_missing = error == ENOENT && find_in(directory, "cgroup.procs", &list) == 0;
    *is_hidden = *is_hidden || (error && !is_missing);
    return error ? NULL : file;
}

static bool number_in(const char *directory, const char *name, uint64_t *number, bool *is_hidden)
{
    const struct fuzz_file *file = file_in(directory, name, is_hidden);
    return file && hl_plat_parse_number(file->bytes, fuzz_at_most(file->size, 64), number);
}

static void want_quota(const char *directory, uint64_t quota, uint64_t period)
{
    if (period == 0 || quota > UINT64_MAX / 1000)
        return;
    uint64_t milli = quota * 1000 / period;
    milli += milli == 0;
    if (milli >= wanted.quota_milli)
        return;
    wanted.quota_milli = milli;
    snprintf(wanted.throttled, sizeof wanted.throttled, "%s/cpu.stat", directory);
}

static void want_memory(uint64_t bytes)
{
    if (bytes < wanted.memory_bytes)
        wanted.memory_bytes = bytes;
}

static void want_unified(const char *directory)
{
    uint64_t quota, period, bytes;
    const struct fuzz_file *file =
        places[CPU_V1].inside[0] ? NULL : file_in(directory, "cpu.max", &wanted.quota_is_hidden);
    if (file && hl_plat_parse_cpu_max(file->bytes, fuzz_at_most(file->size, 64), &quota, &period))
        want_quota(directory, quota, period);
    if (!places[MEMORY_V1].inside[0] &&
        number_in(directory, "memory.max", &bytes, &wanted.memory_is_hidden))
        want_memory(bytes);
}

static void want_limits(int group, const char *directory)
{
    uint64_t quota, period, bytes;
    if (group == UNIFIED)
        want_unified(directory);
    /* no quota, however it is written, has a period */
    if (group == CPU_V1 &&
        number_in(directory, "cpu.cfs_quota_us", &quota, &wanted.quota_is_hidden) &&
        quota != UINT64_MAX &&
        number_in(directory, "cpu.cfs_period_us", &period, &wanted.quota_is_hidden))
        want_quota(directory, quota, period);
    /* more than any machine has is how "none" is said */
    if (group == MEMORY_V1 &&
        number_in(directory, "memory.limit_in_bytes", &bytes, &wanted.memory_is_hidden) &&
        bytes < UINT64_MAX / 4)
        want_memory(bytes);
}

/* Every directory from the group's own to the mount point. */
static void want_all(int group)
{
    const struct place *place = &places[group];
    static char directory[2 * PATH_MAX];
    if (place->top == 0)
        return;
    for (size_t end = strlen(place->directory);; end--) {
        bool is_one = place->directory[end] == '/' || place->directory[end] == '\0';
        memcpy(directory, place->directory, end);
        directory[end] = '\0';
        if (is_one)
            want_limits(group, directory);
        if (end == place->top)
            return;
    }
}

/* The first group, or what is called so, has no limits. */
static bool is_hidden(int group_v1, bool is_unread)
{
    const struct place *place = &places[places[group_v1].inside[0] ? group_v1 : UNIFIED];
    return strlen(place->inside) > 1 && (place->top == 0 || is_unread);
}

static void want(void)
{
    for (int i = 0; i < GROUPS; i++)
        places[i].inside[0] = places[i].directory[0] = '\0', places[i].top = 0;
    wanted.quota_milli = wanted.memory_bytes = UINT64_MAX;
    wanted.throttled[0] = '\0';
    wanted.quota_is_hidden = wanted.memory_is_hidden = false;
    each_line(own("cgroup"), read_group);
    each_line(own("mountinfo"), read_mount);
    for (int i = 0; i < GROUPS; i++)
        want_all(i);
    wanted.quota_is_hidden = is_hidden(CPU_V1, wanted.quota_is_hidden);
    wanted.memory_is_hidden = is_hidden(MEMORY_V1, wanted.memory_is_hidden);
}

static uint64_t cores_of_mask(void)
{
    static unsigned char mask[8192];
    long size = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    uint64_t cores = 0;
    for (long i = 0; i < size; i++)
        cores += (uint64_t)__builtin_popcount(mask[i]);
    return cores;
}

/* ---- the files ------------------------------------------------------------------------------- */

/* A file right in a group of the process, or in one above it that its mount shows. */
static bool is_ours(const char *path)
{
    size_t length = (size_t)(strrchr(path, '/') - path);
    for (int i = 0; i < GROUPS; i++) {
        const struct place *place = &places[i];
        char after = strlen(place->directory) >= length ? place->directory[length] : 'x';
        if (place->top > 0 && length >= place->top && (after == '/' || after == '\0') &&
            memcmp(path, place->directory, length) == 0)
            return true;
    }
    return false;
}

static bool answer(const char *path, struct fake_file *fake)
{
    static const char *const own_paths[] = {"/proc/thread-self/cgroup", "/proc/self/cgroup",
                                            "/proc/thread-self/mountinfo", "/proc/self/mountinfo"};
    bool is_own = false;
    for (size_t i = 0; i < sizeof own_paths / sizeof own_paths[0]; i++)
        is_own = is_own || strcmp(path, own_paths[i]) == 0;
    MUST(is_own || is_ours(path), "%s is opened", path);
    const struct fuzz_file *file = fuzz_file(path);
    *fake = (struct fake_file){.error = ENOENT};
    if (file)
        *fake = (struct fake_file){file->bytes, file->size, file->error};
    return true;
}

/* A read of a long file may give less than is wanted, and there is more. */
static size_t chunk;

ssize_t __real_read(int descriptor, void *bytes, size_t size);
ssize_t __wrap_read(int descriptor, void *bytes, size_t size);
ssize_t __wrap_read(int descriptor, void *bytes, size_t size)
{
    bool is_long = size > 4096;
    return __real_read(descriptor, bytes, chunk && is_long ? fuzz_at_most(size, chunk) : size);
}

/* ---- one input --------------------------------------------------------------------------------- */

static void meet_cores(const struct hl_plat_limits *limits)
{
    uint64_t mask = cores_of_mask() * 1000;
    uint64_t quota = wanted.quota_milli <= UINT32_MAX ? wanted.quota_milli : 0;
    uint64_t cores = wanted.quota_is_hidden ? 0 : quota && quota < mask ? quota : mask;
    MUST(!(limits->known & HL_KNOWN(HL_PLAT_CORES)) == wanted.quota_is_hidden, "known %x",
         limits->known);
    MUST(limits->cores_milli == cores, "%u of %llu cores", limits->cores_milli,
         (unsigned long long)quota);
    MUST(limits->quota_milli == quota, "quota %u, not %llu", limits->quota_milli,
         (unsigned long long)quota);
}

static void meet_memory(const struct hl_plat_limits *limits)
{
    bool is_none = wanted.memory_is_hidden || wanted.memory_bytes == UINT64_MAX;
    MUST(!(limits->known & HL_KNOWN(HL_PLAT_MEMORY)) == wanted.memory_is_hidden, "known %x",
         limits->known);
    MUST(limits->memory_bytes == (is_none ? 0 : wanted.memory_bytes), "memory %llu, not %llu",
         (unsigned long long)limits->memory_bytes, (unsigned long long)wanted.memory_bytes);
}

static void meet_limits(void)
{
    struct hl_plat_limits limits;
    hl_plat_limits(plat, &limits);
    MUST(errno == BEFORE, "errno is %d", errno);
    meet_cores(&limits);
    meet_memory(&limits);
}

static void meet_throttled(void)
{
    uint64_t seen = 0, time = 0;
    hl_plat_miss_because(plat, HL_PLAT_THROTTLED, "before");
    const struct fuzz_file *file = wanted.throttled[0] ? fuzz_file(wanted.throttled) : NULL;
    bool is_there = file && !file->error &&
                    hl_plat_parse_throttled(file->bytes, fuzz_at_most(file->size, 1024), &time);
    bool is_known = hl_plat_throttled(plat, &seen);
    MUST(errno == BEFORE, "errno is %d", errno);
    MUST(is_known == is_there, "throttled: %s", wanted.throttled);
    if (is_known)
        MUST(seen == time && seen != UINT64_MAX, "throttled for %llu", (unsigned long long)seen);
    else if (wanted.throttled[0])
        MUST(strcmp(hl_plat_why(plat, HL_PLAT_THROTTLED), "before") != 0, "no reason");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!plat)
        plat = hl_plat_open();
    MUST(plat, "no platform");
    fuzz_files_begin(data, size);
    want();
    const struct fuzz_file *pieces = fuzz_file("chunk");
    fake_by(answer);
    chunk = pieces ? pieces->size : 0;
    errno = BEFORE;
    meet_limits();
    if (wanted.throttled[0] == '\0' && !wanted.quota_is_hidden)
        MUST(strcmp(hl_plat_why(plat, HL_PLAT_THROTTLED), "there is no CPU quota") == 0, "why");
    meet_throttled();
    chunk = 0;
    fake_by(NULL);
    MUST(atomic_load(&plat->passing.number) == -1, "a file is still open");
    fuzz_files_end();
    return 0;
}
