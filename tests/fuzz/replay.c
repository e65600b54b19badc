/* Runs inputs through a fuzzer without libFuzzer: files, and the files of folders.
 *
 *     replay-NAME FILE|FOLDER...
 *
 * Each input ends where the next page cannot be read, so that a fuzzer without
 * sanitizers is also caught reading beyond it. A fault ends the program; the last
 * line then names the file. Having run nothing is a failure.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t count;
static char running[4200];

static _Noreturn void stop(const char *path, const char *why)
{
    fprintf(stderr, "%s: %s\n", path, why);
    exit(2);
}

/* The last `size` bytes before a page that cannot be read; *map, *mapped: to unmap. */
static uint8_t *guarded(size_t size, void **map, size_t *mapped)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (size + page - 1) / page * page;
    *mapped = room + page;
    *map = mmap(NULL, *mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*map == MAP_FAILED || mprotect((char *)*map + room, page, PROT_NONE) != 0)
        stop("memory", strerror(errno));
    return (uint8_t *)*map + room - size;
}

static void run_file(const char *path, size_t size)
{
    void *map;
    size_t mapped;
    uint8_t *data = guarded(size, &map, &mapped);
    FILE *file = fopen(path, "rb");
    if (!file)
        stop(path, strerror(errno));
    size_t got = fread(data, 1, size, file);
    fclose(file);
    if (got != size)
        stop(path, "cannot be read whole");
    snprintf(running, sizeof running, "while running %s\n", path);
    LLVMFuzzerTestOneInput(data, size);
    running[0] = '\0';
    munmap(map, mapped);
    count++;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void run(const char *path)
{
    struct stat is;
    struct dirent **entries;
    if (stat(path, &is) != 0)
        stop(path, strerror(errno));
    if (!S_ISDIR(is.st_mode)) {
        run_file(path, (size_t)is.st_size);
        return;
    }
    int entries_count = scandir(path, &entries, NULL, by_name);
    for (int i = 0; i < entries_count; i++) {
        char inner[4096];
        snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            run(inner);
        free(entries[i]);
    }
    if (entries_count >= 0)
        free(entries);
}

/* Also under a sanitizer, which has said its part by then. */
static void say_which(int signal_number)
{
    if (write(STDERR_FILENO, running, strlen(running)) < 0)
        _exit(1);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

int main(int argc, char **argv)
{
    static const int deaths[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++)
        signal(deaths[i], say_which);
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    printf("%zu inputs\n", count);
    return count == 0;
}
