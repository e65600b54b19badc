/* tests/bench/footprint_bench.c - what Heartline takes of a process: memory and descriptors.
 *
 * Each situation has a process of its own. There the threads are started first,
 * and have run and touched their stacks; then memory is read, the monitor is
 * started, the threads open their scopes, some heartbeats pass, and memory is
 * read again: the difference is Heartline's alone. "Fixed" is that of a process
 * without further threads; what a thread takes is the rest, divided.
 *
 * Memory is what is resident and anonymous (smaps_rollup): all that was written
 * to. How much of the library's file is resident, which processes share and the
 * system may take back, is told beside it.
 */
#include "bench.h"
#include "crowd.h"

#include <heartline/monitor.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define INTERVAL_MS 50
#define HEARTBEATS 6
#define KIB 1024.0

struct taken {
    double written, file; /* bytes */
    double descriptors;
};

static double field(const char *line, const char *name)
{
    size_t length = strlen(name);
    return strncmp(line, name, length) == 0 ? atof(line + length) * KIB : NAN;
}

/* Sums are made by the kernel page by page: exact at that moment. NaN: not to be had. */
static double written_now(void)
{
    char line[256];
    double bytes = NAN;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file && fgets(line, sizeof line, file))
        bytes = fmax(bytes, field(line, "Anonymous:"));
    if (file)
        fclose(file);
    return bytes;
}

static bool is_mapping(const char *line)
{
    return strchr(line, ' ') && strcspn(line, "-") < strcspn(line, " ");
}

/* Of the library's file, as far as it was not written to. */
static double file_now(void)
{
    char line[512];
    bool is_ours = false;
    double bytes = 0;
    FILE *file = fopen("/proc/self/smaps", "r");
    while (file && fgets(line, sizeof line, file)) {
        if (is_mapping(line))
            is_ours = strstr(line, "libheartline") != NULL;
        if (is_ours)
            bytes += fmax(0, field(line, "Rss:")) - fmax(0, field(line, "Anonymous:"));
    }
    if (file)
        fclose(file);
    return bytes;
}

static double descriptors_now(void)
{
    double count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

static struct taken all_now(void)
{
    return (struct taken){written_now(), file_now(), descriptors_now()};
}

/* ---- what the threads do --------------------------------------------------------------- */

/* As deep as anything below goes: a thread's stack is not Heartline's memory. */
static void touch_stack(struct crowd_member *member)
{
    volatile char deep[12 * 1024];
    (void)member;
    for (size_t i = 0; i < sizeof deep; i += 256)
        deep[i] = 1;
}

static void open_scopes(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        scope_push("a label of some length");
}

static void open_1(struct crowd_member *member)
{
    (void)member;
    open_scopes(1);
}

static void open_8(struct crowd_member *member)
{
    (void)member;
    open_scopes(8);
}

static void open_32(struct crowd_member *member)
{
    (void)member;
    open_scopes(32);
}

static void open_progress(struct crowd_member *member)
{
    member->progress = scope_push_progress("a label of some length", 100);
    scope_progress_add(member->progress, 1);
}

static void open_200_progress(struct crowd_member *member)
{
    for (unsigned i = 0; i < 200; i++) {
        open_progress(member);
        scope_pop();
    }
    open_progress(member);
}

/* ---- one situation ----------------------------------------------------------------------- */

struct situation {
    const char *key, *name;
    crowd_work *work; /* NULL = the threads know nothing of Heartline */
};

static struct taken stay(crowd_work *work)
{
    monitor_options options;
    monitor_options_default(&options);
    options.interval_ms = INTERVAL_MS;
    options.log_path = "/dev/null";
    crowd_all(touch_stack);
    struct taken before = all_now();
    if (monitor_start_with(&options) != 0)
        _exit(1);
    if (work)
        crowd_all(work);
    bench_sleep((HEARTBEATS + 0.5) * INTERVAL_MS * MS);
    struct taken after = all_now();
    return (struct taken){after.written - before.written, after.file,
                          after.descriptors - before.descriptors};
}

/* In a process of its own. NaN: it did not come to an end. */
static struct taken measure(unsigned threads, crowd_work *work)
{
    const struct taken unknown = {NAN, NAN, NAN};
    struct taken taken = unknown;
    int ends[2];
    if (pipe(ends) != 0)
        return taken;
    pid_t child = fork();
    if (child == 0) {
        bool is_there = crowd_start(threads) == threads;
        taken = stay(work);
        _exit(is_there && write(ends[1], &taken, sizeof taken) == sizeof taken ? 0 : 1);
    }
    close(ends[1]);
    if (child > 0 && read(ends[0], &taken, sizeof taken) != sizeof taken)
        taken = unknown;
    close(ends[0]);
    if (child > 0)
        waitpid(child, NULL, 0);
    return taken;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct situation situations[] = {
    {"none", " that never had a scope", NULL},
    {"depth_1", " in 1 scope", open_1},
    {"depth_8", " in 8 scopes", open_8},
    {"depth_32", " in 32 scopes", open_32},
    {"progress", " in 1 scope with progress", open_progress},
    {"progress_200", ", its 201st scope with progress", open_200_progress},
};
#define SITUATIONS (sizeof situations / sizeof situations[0])

static double show_fixed(void)
{
    struct taken fixed = measure(0, NULL);
    printf("  fixed %44.1f KiB, and %.0f KiB of the library's file\n", fixed.written / KIB,
           fixed.file / KIB);
    bench_number("footprint.fixed", "bytes", fixed.written);
    bench_number("footprint.file", "bytes", fixed.file);
    return fixed.written;
}

static double show_situation(const struct situation *situation, unsigned threads, double fixed)
{
    char key[64];
    struct taken taken = measure(threads, situation->work);
    double each = (taken.written - fixed) / threads;
    printf("  each thread%-33s %6.2f KiB\n", situation->name, each / KIB);
    snprintf(key, sizeof key, "footprint.%s", situation->key);
    bench_number(key, "bytes", each);
    return each;
}

static double show_descriptors(unsigned threads)
{
    char key[64];
    double count = measure(threads, open_1).descriptors;
    printf("  descriptors with %u threads: %.0f\n", threads, count);
    snprintf(key, sizeof key, "footprint.descriptors.%u", threads);
    bench_number(key, "count", count);
    return count;
}

int footprint_bench(bool quick)
{
    unsigned threads = quick ? 100 : 1000;
    double deepest = NAN;
    if (isnan(written_now())) {
        printf("\nFootprint: not measured, there is no /proc/self/smaps_rollup here\n");
        return 0;
    }
    printf("\nFootprint, with %u threads\n", threads);
    double fixed = show_fixed();
    for (size_t i = 0; i < SITUATIONS; i++) {
        double each = show_situation(&situations[i], threads, fixed);
        if (situations[i].work == open_32)
            deepest = each;
    }
    double few = show_descriptors(10), many = show_descriptors(threads);
    bench_goal("P11", "memory, fixed, KiB", BENCH_COUNT, fixed / KIB, 256);
    bench_goal("P11", "memory of a thread in 32 scopes, bytes", BENCH_COUNT, deepest, 5 * KIB);
    bench_goal("P11", "descriptors", BENCH_COUNT, many, 4);
    bench_goal("P11", "descriptors of 1,000 threads more than of 10", BENCH_COUNT, many - few, 0);
    return 0;
}
