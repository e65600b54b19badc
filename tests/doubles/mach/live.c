/* tests/doubles/mach/live.c - the real process, read without an allocation. */
#include "fake_inside.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

ssize_t fake_read_file(const char *path, char *text, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got = 1;

    while (file >= 0 && got > 0 && length < size - 1) {
        got = read(file, text + length, size - 1 - length);
        length += got > 0 ? (size_t)got : 0;
    }
    text[length] = 0;
    if (file < 0)
        return -1;
    close(file);
    return got < 0 ? -1 : (ssize_t)length;
}

/* ---- threads -------------------------------------------------------------------- */

struct entry { /* of a folder, as the kernel writes it */
    uint64_t inode, offset;
    uint16_t size;
    unsigned char type;
    char name[];
};

size_t fake_live_list(uint64_t *tids, size_t capacity)
{
    _Alignas(struct entry) char bytes[4096];
    int folder = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t count = 0;
    long got;

    while (folder >= 0 && (got = syscall(SYS_getdents64, folder, bytes, sizeof bytes)) > 0)
        for (long at = 0; at < got;) {
            struct entry *entry = (struct entry *)(bytes + at);
            if (entry->name[0] != '.' && count++ < capacity)
                tids[count - 1] = strtoull(entry->name, NULL, 10);
            at += entry->size;
        }
    if (folder >= 0)
        close(folder);
    return count;
}

static ssize_t read_of_thread(uint64_t tid, const char *file, char *text, size_t size)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%llu/%s", (unsigned long long)tid, file);
    return fake_read_file(path, text, size);
}

bool fake_live_exists(uint64_t tid)
{
    return tid <= INT32_MAX && syscall(SYS_tgkill, getpid(), (pid_t)tid, 0) == 0;
}

static int state_of(char letter)
{
    switch (letter) {
    case 'R':
        return TH_STATE_RUNNING;
    case 'D':
        return TH_STATE_UNINTERRUPTIBLE;
    case 'T':
    case 't':
        return TH_STATE_STOPPED;
    case 'Z':
    case 'X':
        return TH_STATE_HALTED;
    default:
        return TH_STATE_WAITING;
    }
}

static bool clock_ns(clockid_t clock, uint64_t *ns)
{
    struct timespec time;

    if (clock_gettime(clock, &time) != 0)
        return false;
    *ns = (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
    return true;
}

/* Parted as the ticks say, which are too coarse for the sum. */
static void part(uint64_t ns, uint64_t user, uint64_t system, uint64_t *user_ns,
                 uint64_t *system_ns)
{
    *system_ns =
        user + system ? (uint64_t)((double)ns * (double)system / (double)(user + system)) : 0;
    *user_ns = ns - *system_ns;
}

/* The number of another thread's CPU clock is a part of Linux's interface. */
static clockid_t clock_of(uint64_t tid)
{
    return (clockid_t)((~(unsigned)tid << 3) | 6);
}

uint64_t fake_live_cpu(uint64_t tid)
{
    uint64_t ns;

    return clock_ns(clock_of(tid), &ns) ? ns : 0;
}

bool fake_live_thread(uint64_t tid, struct fake_live_thread *thread)
{
    char text[1024], letter;
    unsigned long long user, system;
    uint64_t ns;

    if (read_of_thread(tid, "stat", text, sizeof text) <= 0 || !clock_ns(clock_of(tid), &ns))
        return false;
    char *name = strchr(text, '('), *rest = strrchr(text, ')');
    if (!name || !rest ||
        sscanf(rest + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu", &letter, &user,
               &system) != 3)
        return false;
    *rest = 0;
    memset(thread, 0, sizeof *thread);
    snprintf(thread->name, sizeof thread->name, "%.63s", name + 1);
    thread->run_state = state_of(letter);
    part(ns, user, system, &thread->user_ns, &thread->system_ns);
    return true;
}

bool fake_live_blocks_signal(uint64_t tid, int signal)
{
    char text[4096];
    const char *line;

    if (read_of_thread(tid, "status", text, sizeof text) <= 0 ||
        !(line = strstr(text, "\nSigBlk:")))
        return true;
    return strtoull(line + sizeof "\nSigBlk:" - 1, NULL, 16) >> (signal - 1) & 1;
}

/* ---- the process ------------------------------------------------------------------- */

void fake_live_times(uint64_t *user_ns, uint64_t *system_ns)
{
    struct rusage usage;
    uint64_t ns = 0;

    getrusage(RUSAGE_SELF, &usage);
    clock_ns(CLOCK_PROCESS_CPUTIME_ID, &ns);
    part(ns, (uint64_t)usage.ru_utime.tv_sec * 1000000u + (uint64_t)usage.ru_utime.tv_usec,
         (uint64_t)usage.ru_stime.tv_sec * 1000000u + (uint64_t)usage.ru_stime.tv_usec, user_ns,
         system_ns);
}

/* The number behind "\nkey:" in a text, 0 where there is none. */
static uint64_t number(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void read_start(struct fake_process *process)
{
    char text[1024];
    unsigned long long start;
    struct timespec wall, boot;

    if (fake_read_file("/proc/self/stat", text, sizeof text) <= 0)
        return;
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1,
                        " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                        "%*s %llu",
                        &start) != 1)
        return;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
    uint64_t start_ns = start / ticks * NS_PER_S + start % ticks * NS_PER_S / ticks;
    uint64_t now_ns = (uint64_t)boot.tv_sec * NS_PER_S + (uint64_t)boot.tv_nsec;
    uint64_t wall_ns = (uint64_t)wall.tv_sec * NS_PER_S + (uint64_t)wall.tv_nsec;
    uint64_t started_ns = wall_ns - (now_ns - start_ns);
    process->started_s = started_ns / NS_PER_S;
    process->started_us = started_ns % NS_PER_S / 1000;
}

/* As XNU keeps it: the beginning of it, and more of it. */
static void read_name(struct fake_process *process)
{
    char text[64] = "";

    if (fake_read_file("/proc/self/comm", text, sizeof text) <= 0)
        return;
    text[strcspn(text, "\n")] = 0;
    snprintf(process->short_name, sizeof process->short_name, "%.15s", text);
    snprintf(process->name, sizeof process->name, "%.31s", text);
}

void fake_live_process(struct fake_process *process)
{
    char text[4096];

    *process = (struct fake_process){0};
    read_name(process);
    if (fake_read_file("/proc/self/status", text, sizeof text) > 0) {
        process->virtual_bytes = number(text, "\nVmSize:") * 1024;
        process->resident_bytes = number(text, "\nVmRSS:") * 1024;
        process->peak_bytes = number(text, "\nVmHWM:") * 1024;
        process->footprint_bytes = (number(text, "\nRssAnon:") + number(text, "\nVmSwap:")) * 1024;
        process->is_traced = number(text, "\nTracerPid:") != 0;
    }
    if (fake_read_file("/proc/self/io", text, sizeof text) > 0) {
        process->read_bytes = number(text, "\nread_bytes:");
        process->written_bytes = number(text, "\nwrite_bytes:");
    }
    read_start(process);
}

unsigned fake_live_cores(void)
{
    return (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
}

/* ---- memory --------------------------------------------------------------------------- */

/* The beginning of a line of maps. */
static bool is_in_line(const char *line, uintptr_t address, uintptr_t *low, uintptr_t *high)
{
    char *end;

    *low = (uintptr_t)strtoull(line, &end, 16);
    *high = *end == '-' ? (uintptr_t)strtoull(end + 1, NULL, 16) : 0;
    return *low <= address && address < *high;
}

/* Line by line with little stack: it may be asked for in a signal handler. */
bool fake_live_mapping(uintptr_t address, uintptr_t *low, uintptr_t *high)
{
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    char line[64], bytes[512];
    size_t length = 0;
    ssize_t got;
    bool is_found = false;

    while (file >= 0 && !is_found && (got = read(file, bytes, sizeof bytes)) > 0)
        for (ssize_t i = 0; i < got && !is_found; i++) {
            if (bytes[i] != '\n') {
                if (length < sizeof line - 1)
                    line[length++] = bytes[i];
                continue;
            }
            line[length] = 0;
            length = 0;
            is_found = is_in_line(line, address, low, high);
        }
    if (file >= 0)
        close(file);
    return is_found;
}
