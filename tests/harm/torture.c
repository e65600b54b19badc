/* tests/harm/torture.c - each call that may fail fails at its N-th use, once and for good.
 *
 * For each call of torture_calls.h, in each way: a life (torture_life.c) in a process of
 * its own in which the first use fails, one in which the second one does, and so on, until
 * one ends before it got that far; the same with all later uses failing too. No life may
 * crash, hang, leak, or leave a gap in its log without a reason.
 *
 *     torture all [--short]
 *     TORTURE_CALL=fstat torture one
 *     TORTURE_PLAN="fstat 5 12 once" torture --live      one life, in the present folder
 *
 * What the library calls is not believed from a list: its undefined symbols are read, and
 * each must be renamed in torture.syms or be one of those that cannot fail.
 */
#define _GNU_SOURCE
#include "harm.h"
#include "torture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_AT_ONCE 16
#define LIFE_MS 60000 /* a life is far shorter; what lives longer hangs */

/* ---- the list cannot fall behind --------------------------------------------------- */

/* By their contract, or as the library uses them: on its own valid locks and threads. */
static const char *const cannot_fail[] = {
    "memchr", "memcmp", "memcpy", "memmove", "memset", "bcmp", "strchr", "strcmp", "strcpy",
    "strcspn", "strlen", "strncmp", "strncpy", "strnlen", "strrchr", "strspn", "strstr", "snprintf",
    "vsnprintf", "ntohs", "qsort", "abort", "getpid", "sched_yield", "sigemptyset", "sigfillset",
    "pthread_attr_destroy", "pthread_barrier_wait", "pthread_cond_broadcast", "pthread_getspecific",
    "pthread_join", "pthread_mutex_unlock", "pthread_mutexattr_destroy", "pthread_once",
    "pthread_rwlock_unlock", "pthread_self", "pthread_setcancelstate", "pthread_sigmask",
    "sem_post", "dl_iterate_phdr", "environ",
    /* is there or not: a variable that is not set */
    "secure_getenv"};

/* Of the compiler, the linker and the sanitizers; and of the C library for its own. */
static const char *const own_names[] = {"torture_", "hl_", "monitor_", "scope_", "_"};

static bool is_known(const char *symbol)
{
    for (size_t i = 0; i < sizeof own_names / sizeof *own_names; i++)
        if (strncmp(symbol, own_names[i], strlen(own_names[i])) == 0)
            return true;
    for (size_t i = 0; i < sizeof cannot_fail / sizeof *cannot_fail; i++)
        if (strcmp(symbol, cannot_fail[i]) == 0)
            return true;
    return false;
}

static void check_symbols(void)
{
    char symbol[256], type;
    size_t seen = 0;
    FILE *symbols = popen("nm -u -P '" TORTURE_LIBRARY "' 2>&1", "r");
    if (!symbols)
        harm_broken("nm could not be started: %s", strerror(errno));
    for (char line[512]; fgets(line, sizeof line, symbols);) {
        if (sscanf(line, "%255s %c", symbol, &type) != 2 || type != 'U')
            continue;
        seen++;
        if (!is_known(symbol))
            harm_wrong("%s is neither failed (torture.syms) nor known not to fail", symbol);
    }
    if (pclose(symbols) != 0 || seen == 0)
        harm_wrong("nm could not read " TORTURE_LIBRARY);
}

/* ---- what is to be tried --------------------------------------------------------------- */

#define WAYS_OF(name, ...) {__VA_ARGS__},
static const int ways[CALLS][8] = {TORTURE_CALLS(WAYS_OF)};

/* One call that fails, once or for good: at its first use, its second, ... At the first
 * few in each way, at the others in one way after the other. */
struct series {
    enum torture_call call;
    bool is_lasting, is_over;
    uint64_t n;
    int way; /* which */
    unsigned lives;
};
#define IN_EACH_WAY 16
#define SHORT_LIVES 2 /* of each series in a short run: the first use, and one amid the others */

static struct series all_series[CALLS * 2];
static size_t series_count;

static int ways_of(enum torture_call call)
{
    int count = 0;
    while (ways[call][count])
        count++;
    return count;
}

static bool may_last(int way)
{
    return way < 0 || !(way & ONCE);
}

static void plan_call(enum torture_call call)
{
    all_series[series_count++] = (struct series){.call = call, .n = 1};
    if (may_last(ways[call][0]))
        all_series[series_count++] = (struct series){.call = call, .n = 1, .is_lasting = true};
}

static void plan_calls(const char *only)
{
    for (enum torture_call call = 0; call < CALLS; call++)
        if (!only || strcmp(only, torture_names[call]) == 0)
            plan_call(call);
    if (series_count == 0)
        harm_broken("there is no call %s", only);
}

static struct torture_plan next_plan(struct series *series)
{
    int way = ways[series->call][series->way], count = ways_of(series->call);
    if (series->is_lasting && !may_last(way))
        way = ways[series->call][0];
    const struct torture_plan plan = {series->call, way < 0 ? way : way & ~ONCE, series->n,
                                      series->is_lasting};
    series->way = (series->way + 1) % count;
    series->lives++;
    if (series->n > IN_EACH_WAY || series->way == 0)
        series->n++;
    return plan;
}

/* ---- a life in a child ------------------------------------------------------------------- */

struct life {
    pid_t pid; /* 0 = none */
    struct series *series;
    struct torture_plan plan;
    uint64_t until_ns;
    struct torture_tally *tally;
    int tally_file;
    const char *folder;
};

static struct life lives[MOST_AT_ONCE];
static uint64_t crashed, hung, leaked, gaps, failed_calls;
static bool has_failed[CALLS];
static bool was_way[ONCE]; /* each errno, from 8 on; below it what is none */
static uint64_t most_uses[CALLS];

static void prepare_lives(void)
{
    char name[32];
    for (size_t i = 0; i < MOST_AT_ONCE; i++) {
        snprintf(name, sizeof name, "life%zu", i);
        lives[i].folder = harm_path(name);
        if (mkdir(lives[i].folder, 0700) != 0)
            harm_broken("%s: %s", lives[i].folder, strerror(errno));
        lives[i].tally_file = memfd_create("tally", 0);
        if (lives[i].tally_file < 0 || ftruncate(lives[i].tally_file, sizeof *lives[i].tally) != 0)
            harm_broken("no shared memory: %s", strerror(errno));
        lives[i].tally = mmap(NULL, sizeof *lives[i].tally, PROT_READ | PROT_WRITE, MAP_SHARED,
                              lives[i].tally_file, 0);
        if (lives[i].tally == MAP_FAILED)
            harm_broken("no shared memory: %s", strerror(errno));
        fcntl(lives[i].tally_file, F_SETFD, FD_CLOEXEC);
    }
}

static const char *way_text(int way)
{
    switch (way) {
    case SHORT:
        return "one byte";
    case NOTHING:
        return "nothing";
    case EARLY:
        return "early";
    default:
        return strerrorname_np(way);
    }
}

static void show_plan(const struct torture_plan *plan, char *text, size_t size)
{
    snprintf(text, size, "%s %s at use %llu %s",
             plan->call < CALLS ? torture_names[plan->call] : "nothing", way_text(plan->way),
             (unsigned long long)plan->n, plan->is_lasting ? "for good" : "once");
}

/* In the child. Its folder is new and its own, its words go to a file. */
static _Noreturn void become(const struct life *life)
{
    char plan[128], tally[16];
    snprintf(plan, sizeof plan, "%s %d %llu %s",
             life->plan.call < CALLS ? torture_names[life->plan.call] : "none", life->plan.way,
             (unsigned long long)life->plan.n, life->plan.is_lasting ? "lasting" : "once");
    snprintf(tally, sizeof tally, "%d", life->tally_file);
    int words = chdir(life->folder) == 0 ? open("words", O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
    if (words < 0 || dup2(words, STDOUT_FILENO) < 0 || dup2(words, STDERR_FILENO) < 0)
        _exit(99);
    close(words);
    fcntl(life->tally_file, F_SETFD, 0);
    setenv(TORTURE_PLAN, plan, 1);
    setenv(TORTURE_TALLY, tally, 1);
    execl("/proc/self/exe", "torture", "--live", NULL);
    _exit(98);
}

static void begin_life(struct life *life, struct series *series, const struct torture_plan *plan)
{
    memset(life->tally, 0, sizeof *life->tally);
    life->series = series;
    life->plan = *plan;
    life->until_ns = harm_now_ns() + (uint64_t)LIFE_MS * 1000000;
    fflush(NULL);
    life->pid = fork();
    if (life->pid == 0)
        become(life);
    if (life->pid < 0)
        harm_broken("no child: %s", strerror(errno));
}

static void count_fault(int status, const char *words)
{
    if (status == HARM_HUNG)
        hung++;
    else if (status != 0 && status != 1)
        crashed++;
    else if (status != 0 && words && strstr(words, "given back"))
        leaked++;
    else if (status != 0)
        gaps++;
}

static void judge_life(const struct life *life, int status)
{
    char plan[128], name[64];
    show_plan(&life->plan, plan, sizeof plan);
    snprintf(name, sizeof name, "%s/words", life->folder);
    char *words = harm_read(name, NULL);
    count_fault(status, words);
    if (status != 0)
        harm_wrong("%s: %s %d\n%s", plan, status == HARM_HUNG ? "hung" : "ended with", status,
                   words ? words : "");
    free(words);
}

/* The series goes on as long as its lives get as far as the use that is to fail. */
static void end_life(struct life *life, int status)
{
    enum torture_call call = life->plan.call;
    judge_life(life, status);
    for (int i = 0; i < CALLS; i++)
        if (most_uses[i] < life->tally->uses[i])
            most_uses[i] = life->tally->uses[i];
    if (life->tally->failures > 0) {
        failed_calls++;
        has_failed[call] = true;
        was_way[life->plan.way < 0 ? 0 : life->plan.way] = true;
    } else if (life->series) {
        life->series->is_over = true;
    }
    life->pid = 0;
}

/* The child's status as harm_wait gives it; false: it lives. */
static bool has_ended(const struct life *life, int *result)
{
    int status;
    pid_t ended = waitpid(life->pid, &status, WNOHANG);
    if (ended == 0 && harm_now_ns() < life->until_ns)
        return false;
    if (ended == 0) {
        kill(life->pid, SIGKILL);
        waitpid(life->pid, &status, 0);
        *result = HARM_HUNG;
    } else {
        *result = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    return true;
}

/* How many live on. */
static size_t look_after(size_t slots)
{
    size_t alive = 0;
    for (size_t i = 0; i < slots; i++) {
        int status;
        if (lives[i].pid && has_ended(&lives[i], &status))
            end_life(&lives[i], status);
        alive += lives[i].pid != 0;
    }
    return alive;
}

static struct life *free_slot(size_t slots)
{
    for (;;) {
        look_after(slots);
        for (size_t i = 0; i < slots; i++)
            if (!lives[i].pid)
                return &lives[i];
        harm_sleep_ms(1);
    }
}

static void wait_for_all(size_t slots)
{
    while (look_after(slots) > 0)
        harm_sleep_ms(1);
}

static size_t slots_here(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t slots = cores > 0 ? (size_t)cores * 4 : 4;
    return slots < MOST_AT_ONCE ? slots : MOST_AT_ONCE;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Without a failure, to see that the life itself is right and how often each call is used. */
static void live_unharmed(void)
{
    const struct torture_plan none = {.call = CALLS};
    begin_life(&lives[0], NULL, &none);
    wait_for_all(1);
}

/* The whole of a series goes on until a life does not get as far. */
static bool goes_on(struct series *series)
{
    bool is_short = harm_count(0, 1) == 1;
    if (is_short && series->lives == 1 && most_uses[series->call] > 1)
        series->n = most_uses[series->call] / 2 + 1;
    if (is_short && series->lives == SHORT_LIVES)
        series->is_over = true;
    return !series->is_over;
}

/* In turn, so that series which are much longer than others run beside them. */
static void live_all(size_t slots)
{
    for (bool is_over = false; !is_over;) {
        is_over = true;
        for (size_t i = 0; i < series_count; i++) {
            struct life *life = free_slot(slots);
            if (!goes_on(&all_series[i]))
                continue;
            const struct torture_plan plan = next_plan(&all_series[i]);
            begin_life(life, &all_series[i], &plan);
            is_over = false;
        }
    }
    wait_for_all(slots);
}

static void say_what_was_not_used(void)
{
    char what[96];
    for (int call = 0; call < CALLS; call++)
        if (!has_failed[call]) {
            snprintf(what, sizeof what, "%s fails", torture_names[call]);
            harm_not_run(what, "no life here uses it");
        }
}

static size_t count_set(const bool *set, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += set[i];
    return count;
}

/* `only` = of this call alone. */
static void torture(const char *only)
{
    size_t slots = slots_here();
    check_symbols();
    prepare_lives();
    live_unharmed();
    plan_calls(only);
    live_all(slots);
    if (!only)
        say_what_was_not_used();
    harm_figure("%llu failures of %zu kinds of calls, once and for good, with %zu errnos: "
                "%llu crashes, %llu leaks, %llu hangs, %llu gaps in the log",
                (unsigned long long)failed_calls, count_set(has_failed, CALLS),
                count_set(was_way + 1, ONCE - 1), (unsigned long long)crashed,
                (unsigned long long)leaked, (unsigned long long)hung, (unsigned long long)gaps);
}

static void all(void)
{
    torture(NULL);
}

static void one(void)
{
    const char *call = getenv("TORTURE_CALL");
    if (!call)
        harm_broken("TORTURE_CALL does not say which");
    torture(call);
}

int main(int argc, char **argv)
{
    static const struct harm_check checks[] = {{"all", all}, {"one", one}, {NULL, NULL}};
    if (argc == 2 && strcmp(argv[1], "--live") == 0)
        return torture_live();
    return harm_main(argc, argv, checks);
}
