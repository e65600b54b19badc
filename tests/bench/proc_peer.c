/* See sample_peers.h. What is read is not even parsed. */
#include "sample_peers.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static bool read_file(int folder, const char *path)
{
    char text[4096];
    int file = openat(folder, path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t size = read(file, text, sizeof text);
    close(file);
    return size > 0;
}

static bool read_thread(int folder, const char *tid)
{
    char path[64];
    snprintf(path, sizeof path, "%.20s/stat", tid);
    if (!read_file(folder, path))
        return false;
    snprintf(path, sizeof path, "%.20s/comm", tid);
    return read_file(folder, path);
}

size_t proc_threads(void)
{
    size_t count = 0;
    struct dirent *entry;
    DIR *folder = opendir("/proc/self/task");
    if (!folder)
        return 0;
    while ((entry = readdir(folder)))
        count += entry->d_name[0] != '.' && read_thread(dirfd(folder), entry->d_name);
    closedir(folder);
    return count;
}

bool proc_process(void)
{
    bool has_all = read_file(AT_FDCWD, "/proc/self/status") &&
                   read_file(AT_FDCWD, "/proc/self/io") && read_file(AT_FDCWD, "/proc/self/stat");
#ifdef CPU_SETSIZE
    cpu_set_t cpus;
    has_all = has_all && sched_getaffinity(0, sizeof cpus, &cpus) == 0;
#endif
    return has_all;
}
