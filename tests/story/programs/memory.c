/* A program that has little memory, or little stack:
 *
 *     memory space      the monitor is started with less and less address space left,
 *                       each time in a process of its own
 *     memory running    it runs already when no more can be had
 *     memory early      likewise, before it has seen a scope
 *     memory limited    threads get a small stack by RLIMIT_STACK
 *     memory default    ... by the default of the threads' library
 *
 * The last two keep threads stuck, so that the monitor's thread does all that it can,
 * and tell how large its stack is and how much of that it has ever touched.
 */
#define _GNU_SOURCE
#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MISUSED 99
#define STEP_KB 64
#define STEPS 128 /* up to what is enough */
#define SMALL_KB 128

static void fact(const char *name, long long value)
{
    printf("%s %lld\n", name, value);
    fflush(stdout);
}

static void sleep_ms(long ms)
{
    struct timespec rest = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&rest, &rest) != 0)
        continue;
}

/* ---- address space ---------------------------------------------------------------- */

static void limit_space(long more_kb)
{
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (!statm || fscanf(statm, "%ld", &pages) != 1)
        _exit(MISUSED);
    fclose(statm);
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (rlim_t)more_kb * 1024;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        _exit(MISUSED);
}

static void lift_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_AS, &limit);
}

static void push_and_pop(void)
{
    for (int i = 0; i < 100; i++) {
        SCOPE("with little memory");
        scope_progress progress = scope_push_progress("some", 10);
        scope_progress_add(progress, 1);
        scope_pop();
    }
}

enum { STARTED = 10, REFUSED, WRONG };

/* A start that was refused can be tried again. */
static int start_with_little(long more_kb)
{
    alarm(60);
    limit_space(more_kb);
    push_and_pop();
    int error = monitor_start();
    push_and_pop();
    bool is_clear = error == 0 || error == -ENOMEM || error == -EAGAIN;
    if (!is_clear || monitor_stop() != 0)
        return WRONG;
    push_and_pop();
    lift_limit();
    if (monitor_start() != 0)
        return WRONG;
    push_and_pop();
    return monitor_stop() != 0 ? WRONG : error ? REFUSED : STARTED;
}

static void start_with_less_and_less(void)
{
    int counts[3] = {0}, died = 0;
    for (int i = 0; i < STEPS; i++) {
        int status;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            _exit(start_with_little(i * STEP_KB));
        if (child < 0 || waitpid(child, &status, 0) != child)
            _exit(MISUSED);
        bool is_known =
            WIFEXITED(status) && WEXITSTATUS(status) >= STARTED && WEXITSTATUS(status) <= WRONG;
        died += !is_known;
        counts[is_known ? WEXITSTATUS(status) - STARTED : 0] += is_known;
    }
    fact("started", counts[0]);
    fact("refused", counts[1]);
    fact("wrong", counts[2]);
    fact("died", died);
}

/* ---- what there is to say ------------------------------------------------------------ */

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;

static void *lock_in_turn(void *which)
{
    bool is_one = which != NULL;
    SCOPE("transfer");
    pthread_mutex_lock(is_one ? &first : &second);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(is_one ? &second : &first);
    return NULL;
}

static void *hold(void *nothing)
{
    SCOPE("hold \x1b[31m and sleep");
    pthread_mutex_lock(&held);
    pthread_barrier_wait(&both);
    sleep_ms(600000);
    return nothing;
}

static void *want(void *nothing)
{
    SCOPE("outer");
    SCOPE_PROGRESS(progress, "want what another one holds", 100);
    scope_progress_add(progress, 3);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(&held);
    return nothing;
}

static void begin(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t roomy;
    pthread_attr_init(&roomy);
    pthread_attr_setstacksize(&roomy, 1 << 20);
    if (pthread_create(&thread, &roomy, body, argument) != 0)
        _exit(MISUSED);
    pthread_attr_destroy(&roomy);
}

/* Until the log has it, or for a minute. */
static void await_line(const char *word)
{
    char line[4200];
    bool found = false;
    for (int i = 0; i < 3000 && !found; i++) {
        FILE *log = fopen(getenv("HEARTLINE_LOG"), "re");
        while (log && !found && fgets(line, sizeof line, log))
            found = strstr(line, word) != NULL;
        if (log)
            fclose(log);
        sleep_ms(20);
    }
}

static void get_stuck(void)
{
    pthread_barrier_init(&both, NULL, 4);
    begin(lock_in_turn, NULL);
    begin(lock_in_turn, &first);
    begin(hold, NULL);
    begin(want, NULL);
    await_line("] DEADLOCK ");
    await_line("] STALL ");
    await_line("want what another one holds\" stuck=");
}

/* Those that learn what locks look like give their memory back when they end. */
static void await_the_monitor_alone(void)
{
    int threads = 0;
    for (int i = 0; i < 5000 && threads != 2; i++) {
        DIR *tasks = opendir("/proc/self/task");
        threads = -2; /* the folder itself, and the one above */
        while (tasks && readdir(tasks))
            threads++;
        if (tasks)
            closedir(tasks);
        sleep_ms(2);
    }
}

/* There is a record, and no memory for what the first scope needs beyond it. */
static void go_without_any(void)
{
    push_and_pop();
    if (monitor_start() != 0)
        _exit(MISUSED);
    await_the_monitor_alone();
    limit_space(0);
    scope_push("too much");
    await_line("unavailable key=stalled");
    lift_limit();
    await_line("phase=\"too much\"");
    scope_pop();
    fact("stop", monitor_stop());
}

static void go_without_more(void)
{
    if (monitor_start() != 0)
        _exit(MISUSED);
    scope_push("with some left");
    await_line("phase=\"with some left\"");
    scope_pop();
    limit_space(0);
    scope_push("with none left");
    await_line("phase=\"with none left\"");
    scope_pop();
    push_and_pop();
    fact("stop", monitor_stop());
    lift_limit();
    fact("again", monitor_start());
    fact("stop", monitor_stop());
}

/* ---- its stack ------------------------------------------------------------------------ */

static bool is_monitor(const char *tid)
{
    char path[300], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", tid);
    FILE *comm = fopen(path, "re");
    bool is = comm && fgets(name, sizeof name, comm) && strcmp(name, "heartline\n") == 0;
    if (comm)
        fclose(comm);
    return is;
}

/* Of a thread that sleeps, the system says where its stack is. 0 = it does not. */
static uintptr_t place_on_stack(const char *tid)
{
    char path[300], text[256] = "";
    uintptr_t place = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/syscall", tid);
    for (int i = 0; i < 1000 && place == 0; i++) {
        FILE *call = fopen(path, "re");
        if (call && fgets(text, sizeof text, call)) {
            char *last = strrchr(text, ' ');
            if (last)
                *last = '\0';
            const char *before = last ? strrchr(text, ' ') : NULL;
            place = before ? (uintptr_t)strtoull(before, NULL, 16) : 0;
        }
        if (call)
            fclose(call);
        sleep_ms(1);
    }
    return place;
}

/* The first is the mapping that has it; what was touched stays. */
static void tell_mapping(uintptr_t place)
{
    char line[512];
    bool is_it = false;
    FILE *maps = fopen("/proc/self/smaps", "re");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long low, high;
        long long kb;
        if (sscanf(line, "%lx-%lx ", &low, &high) == 2)
            is_it = low <= place && place < high;
        else if (is_it && sscanf(line, "Size: %lld kB", &kb) == 1)
            fact("stack_kb", kb);
        else if (is_it && sscanf(line, "Anonymous: %lld kB", &kb) == 1)
            fact("touched_kb", kb);
    }
    if (maps)
        fclose(maps);
}

static void tell_stack(void)
{
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks && (entry = readdir(tasks));)
        if (entry->d_name[0] != '.' && is_monitor(entry->d_name))
            tell_mapping(place_on_stack(entry->d_name));
    if (tasks)
        closedir(tasks);
}

static void say_all_on_a_stack_of_its_own(void)
{
    fact("start", monitor_start());
    get_stuck();
    monitor_beat();
    sleep_ms(1500); /* once a second it looks at the path of its log */
    tell_stack();
    fact("stop", monitor_stop());
    fflush(stdout);
    _exit(0); /* some threads never end */
}

static void limit_stacks(const char *self)
{
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = SMALL_KB * 1024;
    if (setrlimit(RLIMIT_STACK, &limit) != 0)
        _exit(MISUSED);
    execl(self, self, "again", (char *)NULL);
    _exit(MISUSED);
}

static void make_default_small(void)
{
#ifdef __GLIBC__
    pthread_attr_t small;
    pthread_attr_init(&small);
    if (pthread_attr_setstacksize(&small, (size_t)PTHREAD_STACK_MIN) != 0 ||
        pthread_setattr_default_np(&small) != 0)
        _exit(MISUSED);
    pthread_attr_destroy(&small);
#endif
}

int main(int count, char **arguments)
{
    const char *verb = count == 2 ? arguments[1] : "";
    if (strcmp(verb, "space") == 0)
        start_with_less_and_less();
    else if (strcmp(verb, "running") == 0)
        go_without_more();
    else if (strcmp(verb, "early") == 0)
        go_without_any();
    else if (strcmp(verb, "limited") == 0)
        limit_stacks(arguments[0]);
    else if (strcmp(verb, "default") == 0 || strcmp(verb, "again") == 0) {
        if (strcmp(verb, "default") == 0)
            make_default_small();
        say_all_on_a_stack_of_its_own();
    } else
        return MISUSED;
    return 0;
}
