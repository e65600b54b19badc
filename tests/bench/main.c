/* tests/bench/main.c - heartline-bench: where Heartline stands.
 *
 *     heartline-bench [--quick] [--json FILE] [PART...]
 *
 * Runs the parts that are named, else all, each in a child of its own, and
 * prints one report. --quick only shows that everything runs: its figures mean
 * little. The exit status says whether the parts ran, and whether a STALL was
 * too early; a goal that was missed is printed and is no failure.
 */
#include "bench.h"

#include <heartline/monitor.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_PART_S 300
#define MOST_FOR_OTHERS 10 /* percent of the machine; the kernel's own work is among it */

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

extern char **environ;

struct part {
    const char *name;
    int (*run)(bool quick);
    bool wanted;
};

static struct part parts[] = {
    {"scope", scope_bench, false}, {"off", off_bench, false},
    {"stall", stall_bench, false}, {"beat", beat_bench, false},
    {"idle", idle_bench, false},   {"evidence", evidence_bench, false},
    {"peers", peers_bench, false}, {"sample", sample_bench, false},
    {"block", block_bench, false}, {"scale", scale_bench, false},
    {"cost", cost_bench, false},   {"footprint", footprint_bench, false},
};
#define PARTS (sizeof parts / sizeof parts[0])

static bool quick;
static const char *json_path;

/* ---- arguments --------------------------------------------------------------------- */

static void usage(void)
{
    fputs("usage: heartline-bench [--quick] [--json FILE]", stderr);
    for (size_t i = 0; i < PARTS; i++)
        fprintf(stderr, " [%s]", parts[i].name);
    fputc('\n', stderr);
    exit(2);
}

static bool want(const char *name)
{
    for (size_t i = 0; i < PARTS; i++)
        if (strcmp(parts[i].name, name) == 0)
            return parts[i].wanted = true;
    return false;
}

static void read_arguments(char **arguments)
{
    bool any = false;
    for (; *arguments; arguments++) {
        if (strcmp(*arguments, "--quick") == 0)
            quick = true;
        else if (strcmp(*arguments, "--json") == 0 && arguments[1])
            json_path = *++arguments;
        else if (want(*arguments))
            any = true;
        else
            usage();
    }
    for (size_t i = 0; i < PARTS && !any; i++)
        parts[i].wanted = true;
}

/* The caller's own settings would change what is measured. */
static void forget_settings(void)
{
    static const char prefix[] = "HEARTLINE";
    char name[256];
    for (char **variable = environ; *variable;) {
        size_t length = strcspn(*variable, "=");
        if (strncmp(*variable, prefix, strlen(prefix)) != 0 || length >= sizeof name) {
            variable++;
            continue;
        }
        memcpy(name, *variable, length);
        name[length] = '\0';
        unsetenv(name);
        variable = environ;
    }
}

/* ---- the machine ----------------------------------------------------------------------- */

static void print_processor(void)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        printf("processor  %s", colon + 2);
        break;
    }
    if (file)
        fclose(file);
}

static void print_head(void)
{
    struct utsname system;
    char date[64];
    double load[1] = {-1};
    time_t now = time(NULL);
    uname(&system);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    getloadavg(load, 1);
    printf("Heartline %s, benchmark%s\n", monitor_version_string(),
           quick ? " (--quick: shows that it runs, its figures mean little)" : "");
    printf("date       %s\nmachine    %s, %s %s, %u CPUs, tick %.0f ms\n", date, system.machine,
           system.sysname, system.release, bench_cpus(), bench_tick_ns() / MS);
    print_processor();
    printf("compiler   %s\nload       %.2f%s\n", __VERSION__, load[0],
           load[0] > 0.5 ? " (NOT IDLE: read two-thread and lateness figures with care)" : "");
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* CPU time that everybody used since the machine started, and what other machines
 * took from this one, in seconds; 0 = this system does not say. */
static double machine_cpu_s(void)
{
    double user, nice, system, idle, io, irq, soft, stolen, used = 0;
    FILE *file = fopen("/proc/stat", "r");
    if (file && fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &system, &idle,
                       &io, &irq, &soft, &stolen) == 8)
        used = (user + nice + system + irq + soft + stolen) / (double)sysconf(_SC_CLK_TCK);
    if (file)
        fclose(file);
    return used;
}

static double own_cpu_s(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

/* Lateness and the latency of the slowest are worth nothing beside others that run. */
static void show_others(const struct part *part, double others_s, double seconds)
{
    char key[64];
    double percent = others_s > 0 ? 100 * others_s / seconds / bench_cpus() : 0;
    printf("(%s: %.0f s; other programs used %.0f %% of the machine%s)\n", part->name, seconds,
           percent, percent > MOST_FOR_OTHERS ? ": DISTURBED" : "");
    snprintf(key, sizeof key, "%s.others", part->name);
    bench_number(key, "percent", percent);
}

/* 0, or what went wrong, in words that were printed. */
static int run_part(const struct part *part)
{
    int status;
    struct rusage usage;
    double began = bench_now_ns(), used_before = machine_cpu_s();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(LONGEST_PART_S);
        exit(part->run(quick));
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child) {
        perror("fork");
        return 1;
    }
    if (used_before > 0)
        show_others(part, machine_cpu_s() - used_before - own_cpu_s(&usage),
                    (bench_now_ns() - began) / 1e9);
    if (WIFSIGNALED(status))
        printf("\nTHE PART %s WAS KILLED BY SIGNAL %d\n", part->name, WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        printf("\nTHE PART %s FAILED\n", part->name);
    return status != 0;
}

int main(int count, char **arguments)
{
    (void)count;
    int failed = 0;
    read_arguments(arguments + 1);
    forget_settings();
    bench_report =
        mmap(NULL, sizeof *bench_report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (bench_report == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    print_head();
    for (size_t i = 0; i < PARTS; i++)
        if (parts[i].wanted)
            failed += run_part(&parts[i]);
    bench_print_goals();
    if (json_path)
        bench_write_json(json_path, quick);
    return failed > 0;
}
