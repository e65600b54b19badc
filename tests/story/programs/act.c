/* A program that does what its arguments say, one after another, so that a story
 * can be read in its test:
 *
 *     act start push "write checkpoint" sleep 500 pop stop exit 3
 *     act start thread { name worker push x sleep 100 pop } join
 *
 * What it learns goes to standard output, a line `name number` for each fact,
 * and with `sink` the monitor's lines go there too, behind an @ and the time.
 */
#define _GNU_SOURCE
#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MISUSED 99
#define THREADS 64

extern char **environ;

static const char *self_path;
static monitor_options options;
static bool has_options;
static _Atomic int handled;

static _Thread_local scope_progress counter;
static _Thread_local int thread_count; /* made by this one */

static void run(char **at, char **end);

static void fact(const char *name, long long value)
{
    char text[128];
    int length = snprintf(text, sizeof text, "%s %lld\n", name, value);
    if (write(STDOUT_FILENO, text, (size_t)length) != length)
        _exit(MISUSED);
}

static void misused(const char *what)
{
    fprintf(stderr, "act: %s\n", what);
    _exit(MISUSED);
}

/* ---- time ---------------------------------------------------------------------- */

static long long clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void sleep_ms(long long ms)
{
    long long until = clock_ns(CLOCK_MONOTONIC) + ms * 1000000;
    struct timespec at = {until / 1000000000, until % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

/* Uses a core for a time of the clock on the wall; says what share of it was had. */
static void spin(long long ms)
{
    long long began = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    long long now;
    do
        now = clock_ns(CLOCK_MONOTONIC);
    while (now < began + ms * 1000000);
    fact("spin_share", (clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu) * 1000 / (now - began));
}

static void burn(long long ms)
{
    long long until = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ms * 1000000;
    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until)
        continue;
}

/* Counts on steadily; says the longest time between two steps. */
static void tick(long long times, long long ms)
{
    long long longest = 0, last = clock_ns(CLOCK_MONOTONIC);
    for (long long i = 0; i < times; i++) {
        scope_progress_add(counter, 1);
        long long now = clock_ns(CLOCK_MONOTONIC);
        longest = now - last > longest ? now - last : longest;
        last = now;
        sleep_ms(ms);
    }
    fact("longest_gap_ms", (longest + 999999) / 1000000);
}

/* ---- what the monitor says ------------------------------------------------------ */

static void print_line(void *data, enum monitor_level level, const char *line, size_t length)
{
    char text[4096 + 64];
    (void)data, (void)level;
    int all =
        snprintf(text, sizeof text, "@%lld %.*s\n", clock_ns(CLOCK_MONOTONIC), (int)length, line);
    if (write(STDOUT_FILENO, text, (size_t)all) != all)
        _exit(MISUSED);
}

static void set_option(const char *name, const char *value)
{
    has_options = true;
    uint64_t number = strtoull(value, NULL, 10);
    if (strcmp(name, "interval_ms") == 0)
        options.interval_ms = number;
    else if (strcmp(name, "stall_ms") == 0)
        options.stall_ms = number;
    else if (strcmp(name, "phase_lines") == 0)
        options.phase_lines = (uint32_t)number;
    else if (strcmp(name, "log_path") == 0)
        options.log_path = value;
    else if (strcmp(name, "tag") == 0)
        options.tag = value;
    else
        misused(name);
}

static int start(void)
{
    return has_options ? monitor_start_with(&options) : monitor_start();
}

/* As 1 MB of the worst: an end of line, an escape sequence, a turn of the direction,
 * bytes that are no characters. */
static void push_huge(void)
{
    static const char worst[] = "a\nb\r\x1b[31m\"\\=\xe2\x80\xae\xc3\x28\xff\x01\x7f\xc2\x85 ";
    size_t size = 1 << 20;
    char *label = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        label[i] = worst[i % (sizeof worst - 1)];
    label[size] = '\0';
    scope_push(label);
    scope_pushf("%s", label);
    scope_push_progress(label, 7);
    memset(label, 'x', size);
    free(label);
}

/* ---- what the process looks like -------------------------------------------------- */

static int count_threads(int *named)
{
    DIR *tasks = opendir("/proc/self/task");
    int all = 0;
    *named = 0;
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        char path[300], name[32] = "";
        if (entry->d_name[0] == '.')
            continue;
        all++;
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0 && read(file, name, sizeof name - 1) > 0)
            *named += strcmp(name, "heartline\n") == 0;
        close(file);
    }
    if (tasks)
        closedir(tasks);
    return all;
}

static void tell_threads(void)
{
    int named, all = count_threads(&named);
    fact("threads", all);
    fact("named", named);
}

/* The thread names itself a moment after the start, and those that learn what locks
 * look like, of the same name, end a moment later. */
static void wait_for_name(void)
{
    int named = 0, all = 0;
    for (int i = 0; i < 5000 && (named != 1 || all > thread_count + 2); i++) {
        sleep_ms(2);
        all = count_threads(&named);
    }
}

static void list_descriptors(void)
{
    int count = 0, below_ten = 0, inherited = 0;
    for (int i = 3; i < 1024; i++) {
        int flags = fcntl(i, F_GETFD);
        if (flags < 0)
            continue;
        count++;
        below_ten += i < 10;
        inherited += !(flags & FD_CLOEXEC);
    }
    fact("descriptors", count);
    fact("below_ten", below_ten);
    fact("inherited", inherited);
}

static void tell_memory(void)
{
    long long pages = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm && fscanf(statm, "%lld %lld", &pages, &resident) == 2) {
        fact("vm_kb", pages * (sysconf(_SC_PAGESIZE) / 1024));
        fact("rss_kb", resident * (sysconf(_SC_PAGESIZE) / 1024));
    }
    if (statm)
        fclose(statm);
}

static void tell_cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    fact("cpu_ms", (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000LL +
                       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
}

/* ---- files and signals ---------------------------------------------------------------- */

static void open_file(const char *path)
{
    fact("opened", open(path, O_WRONLY | O_CREAT | O_APPEND, 0600));
}

static void open_many(long long count, const char *path)
{
    for (long long i = 0; i < count; i++)
        if (open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) < 0)
            misused("open-many");
}

static void close_from(long long lowest)
{
    for (long long i = lowest; i < 1024; i++)
        close((int)i);
}

static int signal_named(const char *name)
{
    return strcmp(name, "USR1") == 0   ? SIGUSR1
           : strcmp(name, "TERM") == 0 ? SIGTERM
           : strcmp(name, "KILL") == 0 ? SIGKILL
                                       : (misused(name), 0);
}

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
}

static void handle(const char *name)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
    sigaction(signal_named(name), &action, NULL);
}

static void hear(void)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
        continue;
}

static void use_locale(const char *name)
{
    char text[16];
    bool is_set = setlocale(LC_ALL, name) != NULL;
    snprintf(text, sizeof text, "%.1f", 0.5);
    fact("locale", is_set && strchr(text, ',') != NULL);
}

/* ---- threads and processes -------------------------------------------------------------- */

struct block {
    char **begin, **end;
    pthread_barrier_t *together;
    pthread_t thread;
};

static _Thread_local struct block threads[THREADS];

static void *run_block(void *argument)
{
    struct block *block = argument;
    if (block->together)
        pthread_barrier_wait(block->together);
    run(block->begin, block->end);
    return NULL;
}

static void begin_thread(char **begin, char **end, pthread_barrier_t *together)
{
    if (thread_count == THREADS)
        misused("too many threads");
    struct block *block = &threads[thread_count++];
    *block = (struct block){begin, end, together, 0};
    if (pthread_create(&block->thread, NULL, run_block, block) != 0)
        misused("pthread_create");
}

static void join(void)
{
    while (thread_count > 0)
        pthread_join(threads[--thread_count].thread, NULL);
}

static void crowd(long long count, char **begin, char **end)
{
    pthread_barrier_t together;
    pthread_barrier_init(&together, NULL, (unsigned)count);
    for (long long i = 0; i < count; i++)
        begin_thread(begin, end, &together);
    join();
    pthread_barrier_destroy(&together);
}

static void fork_block(char **begin, char **end)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        thread_count = 0;
        run(begin, end);
        _exit(0);
    }
    fact("child", child);
}

static void spawn_block(char **begin, char **end)
{
    char *arguments[32] = {(char *)self_path};
    pid_t child;
    memcpy(arguments + 1, begin, (size_t)(end - begin) * sizeof *begin);
    if (posix_spawn(&child, self_path, NULL, NULL, arguments, environ) != 0)
        misused("posix_spawn");
    fact("child", child);
}

static void reap(void)
{
    int status;
    while (waitpid(-1, &status, 0) > 0)
        fact("reaped", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

/* On a condition variable, until somebody says `release`. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static bool is_released;

static void await(void)
{
    pthread_mutex_lock(&mutex);
    while (!is_released)
        pthread_cond_wait(&condition, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void release(void)
{
    pthread_mutex_lock(&mutex);
    is_released = true;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
}

/* Waits until so many threads have come here. */
static void gather(long long count)
{
    static _Atomic long long here;
    here++;
    while (here < count)
        sleep_ms(1);
}

static void start_in_child(void)
{
    fact("atfork_start", start());
}

/* A handler of fork that forks: a child of its own, which ends. */
static void fork_within(void)
{
    static bool is_within;
    int status;
    if (is_within)
        return;
    is_within = true;
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        scope_push("within");
        scope_pop();
        _exit(monitor_beat() == -ESRCH ? 0 : 1);
    }
    waitpid(child, &status, 0);
    fact("within", status);
    is_within = false;
}

/* ---- the language --------------------------------------------------------------------- */

static void do_without_argument(const char *verb)
{
    if (strcmp(verb, "start") == 0)
        fact("start", start());
    else if (strcmp(verb, "stop") == 0)
        fact("stop", monitor_stop());
    else if (strcmp(verb, "beat") == 0)
        fact("beat", monitor_beat());
    else if (strcmp(verb, "sink") == 0)
        has_options = true, options.sink = print_line;
    else if (strcmp(verb, "pop") == 0)
        scope_pop();
    else if (strcmp(verb, "huge") == 0)
        push_huge();
    else if (strcmp(verb, "threads") == 0)
        tell_threads();
    else if (strcmp(verb, "until-named") == 0)
        wait_for_name();
    else if (strcmp(verb, "descriptors") == 0)
        list_descriptors();
    else if (strcmp(verb, "memory") == 0)
        tell_memory();
    else if (strcmp(verb, "cpu") == 0)
        tell_cpu();
    else if (strcmp(verb, "handled") == 0)
        fact("handled", handled);
    else if (strcmp(verb, "hear") == 0)
        hear();
    else if (strcmp(verb, "await") == 0)
        await();
    else if (strcmp(verb, "release") == 0)
        release();
    else if (strcmp(verb, "join") == 0)
        join();
    else if (strcmp(verb, "reap") == 0)
        reap();
    else if (strcmp(verb, "atfork-start") == 0)
        pthread_atfork(NULL, NULL, start_in_child);
    else if (strcmp(verb, "atfork-fork") == 0)
        pthread_atfork(fork_within, fork_within, fork_within);
    else if (strcmp(verb, "atfork-stop") == 0)
        pthread_atfork((void (*)(void))monitor_stop, (void (*)(void))monitor_start, NULL);
    else if (strcmp(verb, "abort") == 0)
        abort();
    else
        misused(verb);
}

static bool do_with_argument(const char *verb, const char *argument)
{
    long long number = atoll(argument);
    if (strcmp(verb, "push") == 0)
        scope_push(argument);
    else if (strcmp(verb, "wait") == 0)
        scope_wait(argument);
    else if (strcmp(verb, "expect") == 0)
        scope_expect((uint64_t)number);
    else if (strcmp(verb, "add") == 0)
        scope_progress_add(counter, (uint64_t)number);
    else if (strcmp(verb, "sleep") == 0)
        sleep_ms(number);
    else if (strcmp(verb, "spin") == 0)
        spin(number);
    else if (strcmp(verb, "burn") == 0)
        burn(number);
    else if (strcmp(verb, "stamp") == 0)
        fact(argument, clock_ns(CLOCK_MONOTONIC));
    else if (strcmp(verb, "say") == 0)
        fact(argument, getpid());
    else if (strcmp(verb, "name") == 0)
        prctl(PR_SET_NAME, argument);
    else if (strcmp(verb, "close") == 0)
        close((int)number);
    else if (strcmp(verb, "closefrom") == 0)
        close_from(number);
    else if (strcmp(verb, "open") == 0)
        open_file(argument);
    else if (strcmp(verb, "uid") == 0)
        fact("uid", setuid((uid_t)number));
    else if (strcmp(verb, "umask") == 0)
        umask((mode_t)strtol(argument, NULL, 8));
    else if (strcmp(verb, "chdir") == 0)
        fact("chdir", chdir(argument));
    else if (strcmp(verb, "locale") == 0)
        use_locale(argument);
    else if (strcmp(verb, "gather") == 0)
        gather(number);
    else if (strcmp(verb, "handle") == 0)
        handle(argument);
    else if (strcmp(verb, "kill") == 0)
        kill(getpid(), signal_named(argument));
    else if (strcmp(verb, "exit") == 0)
        exit((int)number);
    else if (strcmp(verb, "_exit") == 0)
        _exit((int)number);
    else
        return false;
    return true;
}

static bool do_with_two(const char *verb, const char *first, const char *second)
{
    if (strcmp(verb, "set") == 0)
        set_option(first, second);
    else if (strcmp(verb, "count") == 0)
        counter = scope_push_progress(first, strtoull(second, NULL, 10));
    else if (strcmp(verb, "tick") == 0)
        tick(atoll(first), atoll(second));
    else if (strcmp(verb, "open-many") == 0)
        open_many(atoll(first), second);
    else if (strcmp(verb, "write") == 0)
        fact("wrote", write(atoi(first), second, strlen(second)));
    else
        return false;
    return true;
}

/* What stands behind `{`, up to its `}`. */
static char **end_of_block(char **at, char **end)
{
    for (int depth = 1; at < end; at++) {
        depth += strcmp(*at, "{") == 0;
        depth -= strcmp(*at, "}") == 0;
        if (depth == 0)
            return at;
    }
    misused("no }");
    return end;
}

static bool do_block(const char *verb, long long number, char **begin, char **end)
{
    if (strcmp(verb, "thread") == 0)
        begin_thread(begin, end, NULL);
    else if (strcmp(verb, "fork") == 0)
        fork_block(begin, end);
    else if (strcmp(verb, "spawn") == 0)
        spawn_block(begin, end);
    else if (strcmp(verb, "crowd") == 0)
        crowd(number, begin, end);
    else if (strcmp(verb, "repeat") == 0)
        for (long long i = 0; i < number; i++)
            run(begin, end);
    else
        return false;
    return true;
}

static void run(char **at, char **end)
{
    while (at < end) {
        const char *verb = *at++;
        bool is_counted = strcmp(verb, "crowd") == 0 || strcmp(verb, "repeat") == 0;
        if (end - at > is_counted && strcmp(at[is_counted], "{") == 0) {
            long long number = is_counted ? atoll(*at++) : 1;
            char **close_of_block = end_of_block(at + 1, end);
            if (!do_block(verb, number, at + 1, close_of_block))
                misused(verb);
            at = close_of_block + 1;
        } else if (end - at >= 2 && do_with_two(verb, at[0], at[1])) {
            at += 2;
        } else if (at < end && do_with_argument(verb, *at)) {
            at++;
        } else {
            do_without_argument(verb);
        }
    }
}

int main(int count, char **arguments)
{
    self_path = arguments[0];
    monitor_options_default(&options);
    run(arguments + 1, arguments + count);
    return 0;
}
