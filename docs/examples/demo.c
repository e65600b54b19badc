/* The program behind ./dev demo: real work, watched by Heartline.
 *
 *     demo [FOLDER]
 *
 * The main thread lists the files of FOLDER (else /usr) and has them hashed by
 * a few workers, for about fifteen seconds. Four kinds of thread can be seen in
 * the log, on standard error:
 *
 *   hash-N   says with a scope which file it hashes, and adds to the progress
 *            counter that the main thread has opened;
 *   writer   puts digests into the index, under the index lock; says that it
 *            waits when there is nothing to do, so that waiting is no stall;
 *   indexer  once, holds the index lock for about seven seconds, because it
 *            writes the index slowly to spare the disk. The writer has to wait
 *            for the lock all that time: that is the STALL, and its RECOVERED;
 *   sorter   has no scope at all: it looks for equal files, and is seen as
 *            busy all the same.
 *
 * What an own program needs is in start_monitor and in the lines with SCOPE.
 */
#define _GNU_SOURCE /* nftw, pthread_setname_np */
#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST_FILES 200000
#define MOST_BYTES ((off_t)16 << 20) /* larger files are left out: progress would be too uneven */
#define MOST_WORKERS 4
#define LIST_SECONDS 5.0
#define MEASURE_SECONDS 1.0
#define HASH_SECONDS 13.0  /* the work is planned to take this long ... */
#define PATIENCE 2.0       /* ... and is given up after so many times that */
#define WRITE_SECONDS 0.05 /* between two looks of the writer */
#define INDEX_AFTER 3.0    /* seconds of hashing, then the index is written */
#define INDEX_PARTS 40
#define INDEX_PART_SECONDS 0.175
#define INDEX_MOST_SECONDS 9.0 /* on a very slow disk */

struct file {
    char *path;
    _Atomic uint64_t digest; /* 0 = not known yet */
};

struct files {
    struct file *item;
    size_t count;
};

/* What the writer makes of them. */
struct index {
    pthread_mutex_t lock; /* the one that the indexer holds for so long */
    uint64_t *digest;     /* one for each file, 0 = not known yet */
    size_t known;
};

/* Job number j is file j % count: a small folder is hashed more than once. */
struct work {
    struct files *files;
    size_t jobs;
    _Atomic unsigned workers; /* started so far */
    _Atomic size_t next;
    _Atomic size_t done;
    _Atomic uint64_t bytes;
    double began, deadline;
    scope_progress progress;
    struct index *index;
    _Atomic bool finished;
    _Atomic size_t equal_files, changed_files;
};

/* ---- Heartline ----------------------------------------------------------- */

static void start_monitor(void)
{
    monitor_options options;
    int error;

    monitor_options_default(&options);
    options.interval_ms = 1000;
    options.stall_ms = 3000;
    error = monitor_start_with(&options);
    if (error != 0)
        fprintf(stderr, "demo: goes on without a monitor: %s\n", strerror(-error));
}

/* ---- small helpers ------------------------------------------------------- */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void sleep_until(double end)
{
    double left;

    while ((left = end - now()) > 0) {
        struct timespec time = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};

        nanosleep(&time, NULL);
    }
}

static void *need(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "demo: out of memory\n");
        exit(1);
    }
    return memory;
}

static void name_thread(const char *name)
{
#ifdef __APPLE__
    pthread_setname_np(name);
#else
    pthread_setname_np(pthread_self(), name);
#endif
}

static pthread_t start_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, body, argument);

    if (error != 0) {
        fprintf(stderr, "demo: no thread: %s\n", strerror(error));
        exit(1);
    }
    return thread;
}

/* ---- listing ------------------------------------------------------------- */

/* nftw gives its callback nothing of ours. */
static struct {
    struct files files;
    double deadline;
    scope_progress progress;
} listing;

static int list_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)where;
    if (now() > listing.deadline || listing.files.count == MOST_FILES)
        return 1;
    if (type != FTW_F || !S_ISREG(status->st_mode) || status->st_size == 0 ||
        status->st_size > MOST_BYTES || access(path, R_OK) != 0)
        return 0;
    listing.files.item[listing.files.count++].path = need(strdup(path));
    scope_progress_add(listing.progress, 1);
    return 0;
}

static struct files list_files(const char *folder)
{
    SCOPE_PROGRESS(found, "list files", 0); /* 0: how many there will be is not known */

    if (listing.files.item == NULL)
        listing.files.item = need(calloc(MOST_FILES, sizeof *listing.files.item));
    listing.progress = found;
    listing.deadline = now() + LIST_SECONDS;
    nftw(folder, list_one, 32, FTW_PHYS | FTW_MOUNT);
    return listing.files;
}

/* Neighbours in a folder are alike; mixed, the progress is even. */
static void shuffle(struct files *files)
{
    uint64_t random = 88172645463325252u;

    for (size_t i = files->count; i > 1; i--) {
        size_t other;
        char *path = files->item[i - 1].path;

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        other = random % i;
        files->item[i - 1].path = files->item[other].path;
        files->item[other].path = path;
    }
}

/* ---- hashing ------------------------------------------------------------- */

/* FNV-1a, 64 bits; never 0. A file that cannot be read to its end has the hash
 * of what could be read. */
static uint64_t hash_file(const char *path, uint64_t *bytes)
{
    unsigned char block[65536];
    uint64_t hash = 14695981039346656037u;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t length;

    *bytes = 0;
    if (file < 0)
        return 1;
    while ((length = read(file, block, sizeof block)) > 0) {
        for (ssize_t i = 0; i < length; i++)
            hash = (hash ^ block[i]) * 1099511628211u;
        *bytes += (uint64_t)length;
    }
    close(file);
    return hash != 0 ? hash : 1;
}

static void *hash_files(void *argument)
{
    struct work *work = argument;
    char name[16];
    size_t job;

    snprintf(name, sizeof name, "hash-%u", atomic_fetch_add(&work->workers, 1) + 1);
    name_thread(name);
    while ((job = atomic_fetch_add(&work->next, 1)) < work->jobs && now() < work->deadline) {
        struct file *file = &work->files->item[job % work->files->count];
        uint64_t bytes, digest, before;
        SCOPEF("hash %s", file->path);

        digest = hash_file(file->path, &bytes);
        before = atomic_exchange(&file->digest, digest);
        if (before != 0 && before != digest)
            atomic_fetch_add(&work->changed_files, 1);
        atomic_fetch_add(&work->bytes, bytes);
        atomic_fetch_add(&work->done, 1);
        scope_progress_add(work->progress, 1);
    }
    return NULL;
}

static void run_workers(struct work *work)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int count = cores < 2 ? 2 : cores > MOST_WORKERS ? MOST_WORKERS : (int)cores;
    pthread_t threads[MOST_WORKERS];

    for (int i = 0; i < count; i++)
        threads[i] = start_thread(hash_files, work);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* How many files to hash, so that it takes about HASH_SECONDS on this machine. */
static size_t measure_speed(struct files *files)
{
    SCOPE("measure speed");
    struct work work = {.files = files, .jobs = SIZE_MAX / 2, .deadline = now() + MEASURE_SECONDS};
    double jobs;

    run_workers(&work);
    jobs = (double)work.done / MEASURE_SECONDS * HASH_SECONDS;
    /* Two more threads will want a core soon. */
    jobs *= 0.7;
    return jobs < 10 ? 10 : jobs > 1e8 ? (size_t)1e8 : (size_t)jobs;
}

/* ---- the index: where it gets stuck -------------------------------------- */

static void add_to_index(struct index *index, const struct files *files)
{
    SCOPE("add to index");

    pthread_mutex_lock(&index->lock); /* the writer is stuck here */
    for (size_t i = 0; i < files->count; i++) {
        uint64_t digest = files->item[i].digest;

        index->known += digest != 0 && index->digest[i] == 0;
        index->digest[i] = digest;
    }
    pthread_mutex_unlock(&index->lock);
}

static void *write_digests(void *argument)
{
    struct work *work = argument;
    bool last;

    name_thread("writer");
    do {
        {
            SCOPE_WAIT("wait for digests");
            sleep_until(now() + WRITE_SECONDS);
            last = work->finished;
        }
        add_to_index(work->index, work->files);
    } while (!last);
    return NULL;
}

static void write_part(FILE *file, const struct index *index, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        fprintf(file, "%016llx\n", (unsigned long long)index->digest[i]);
    fflush(file);
    fsync(fileno(file));
}

static void *write_index(void *argument)
{
    struct work *work = argument;
    struct index *index = work->index;
    size_t files = work->files->count;
    FILE *file = tmpfile();
    double began;

    name_thread("indexer");
    {
        SCOPE_WAIT("wait until there is an index");
        sleep_until(work->began + INDEX_AFTER);
    }
    if (file == NULL) {
        fprintf(stderr, "demo: no temporary file: %s\n", strerror(errno));
        return NULL;
    }
    pthread_mutex_lock(&index->lock);
    {
        SCOPE_PROGRESS(parts, "write index", INDEX_PARTS);
        began = now();
        for (size_t i = 0; i < INDEX_PARTS && now() < began + INDEX_MOST_SECONDS; i++) {
            write_part(file, index, files * i / INDEX_PARTS, files * (i + 1) / INDEX_PARTS);
            sleep_until(began + INDEX_PART_SECONDS * (double)(i + 1));
            scope_progress_add(parts, 1);
        }
    }
    pthread_mutex_unlock(&index->lock);
    fclose(file);
    return NULL;
}

/* ---- no scope at all ----------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void *find_equal_files(void *argument)
{
    struct work *work = argument;
    size_t files = work->files->count;
    uint64_t *digests = need(malloc(files * sizeof *digests));

    name_thread("sorter");
    while (!work->finished) {
        size_t equal = 0;

        for (size_t i = 0; i < files; i++)
            digests[i] = work->files->item[i].digest;
        qsort(digests, files, sizeof *digests, compare);
        for (size_t i = 1; i < files; i++)
            equal += digests[i] > 1 && digests[i] == digests[i - 1];
        work->equal_files = equal;
    }
    free(digests);
    return NULL;
}

/* ---- all together -------------------------------------------------------- */

/* The speed was guessed; when the work is done far too early, there is more. */
static bool plan_more(struct work *work)
{
    double seconds = now() - work->began;

    if (seconds > HASH_SECONDS * 0.85)
        return false;
    work->jobs = work->jobs + 1 + (size_t)((double)work->done / seconds * (HASH_SECONDS - seconds));
    work->next = work->done;
    work->workers = 0;
    scope_progress_set(work->progress, work->done, work->jobs);
    return true;
}

static void hash_everything(struct work *work)
{
    SCOPE_PROGRESS(done, "hash files", work->jobs);
    pthread_t sorter, writer, indexer;

    work->progress = done;
    work->began = now();
    work->deadline = work->began + HASH_SECONDS * PATIENCE;
    sorter = start_thread(find_equal_files, work);
    writer = start_thread(write_digests, work);
    indexer = start_thread(write_index, work);
    do
        run_workers(work);
    while (plan_more(work));

    pthread_join(indexer, NULL);
    work->finished = true;
    pthread_join(writer, NULL);
    pthread_join(sorter, NULL);
}

static struct files list_somewhere(const char *folder)
{
    static const char *const others[] = {"/usr", "/lib", "/etc", "."};
    struct files files = {NULL, 0};

    if (folder != NULL)
        return list_files(folder);
    for (size_t i = 0; i < sizeof others / sizeof *others && files.count == 0; i++)
        files = list_files(others[i]);
    return files;
}

int main(int argc, char **argv)
{
    struct index index = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct work work = {.index = &index};
    struct files files;

    printf(
        "Hashes files for about twenty seconds. In the middle, the thread \"indexer\" holds a lock\n"
        "for seven seconds and \"writer\" waits for it: watch for STALL and RECOVERED.\n\n");
    fflush(stdout);
    start_monitor();

    files = list_somewhere(argc > 1 ? argv[1] : NULL);
    if (files.count == 0) {
        fprintf(stderr, "demo: found no readable file in %s\n", argc > 1 ? argv[1] : "/usr");
        return 2;
    }
    shuffle(&files);
    work.files = &files;
    work.jobs = measure_speed(&files);
    index.digest = need(calloc(files.count, sizeof *index.digest));
    hash_everything(&work);

    monitor_stop(); /* not needed: here it only puts the final line before the next one */
    printf(
        "\n%zu files known, %zu hashed, %.1f GiB read; %zu equal to another, %zu changed meanwhile.\n",
        index.known, (size_t)work.done, (double)work.bytes / (1 << 30), (size_t)work.equal_files,
        (size_t)work.changed_files);
    return 0;
}
