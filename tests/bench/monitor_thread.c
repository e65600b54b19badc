/* See monitor_thread.h. The thread is told by its name, "heartline". */
#include "monitor_thread.h"

#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool file_begins(const char *path, const char *text)
{
    char line[64] = "";
    FILE *file = fopen(path, "r");
    bool begins = file && fgets(line, sizeof line, file) && strncmp(line, text, strlen(text)) == 0;
    if (file)
        fclose(file);
    return begins;
}

long monitor_thread_find(void)
{
    char path[300];
    long tid = 0;
    struct dirent *entry;
    DIR *folder = opendir("/proc/self/task");
    while (folder && !tid && (entry = readdir(folder))) {
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        if (file_begins(path, "heartline\n"))
            tid = atol(entry->d_name);
    }
    if (folder)
        closedir(folder);
    return tid;
}

double monitor_thread_voluntary_switches(long tid)
{
    static const char key[] = "voluntary_ctxt_switches:";
    char path[64], line[128];
    double switches = NAN;
    snprintf(path, sizeof path, "/proc/self/task/%ld/status", tid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            switches = atof(line + strlen(key));
    if (file)
        fclose(file);
    return switches;
}

/* Linux makes a clock of every thread: its number, inverted, above the bits that
 * say "of a thread" and "as scheduled" (pthread_getcpuclockid(3) does the same). */
double monitor_thread_cpu_ns(long tid)
{
    struct timespec used;
    clockid_t clock = (clockid_t)(~(unsigned)tid << 3 | 6);
    if (clock_gettime(clock, &used) != 0)
        return NAN;
    return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}
