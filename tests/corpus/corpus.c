/* The corpus: situations staged in real programs, and what their logs must and must
 * not say. A row is read in corpus.h; programs/ stages them. */
#include "corpus.h"

#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define JSON "HEARTLINE_FORMAT=json"

/* What a thread that waits for the lock says, and who else it must not name. */
#define OF_WAITER "STALL thread=*/waiter phase='wait for the lock' | "
#define HELD "verdict=blocked state=S syscall=futex wait=mutex:{lock} holder={holder}/holder "
#define NOBODY_ELSE "STALL thread=*/waiter holder!={holder}/holder", "DEADLOCK"
/* A monitor that comes late sees a root for the first time: its verdict is ? once. */
#define ROOT_IS_BLOCKED "STALL root reminder | root_verdict=blocked"
#define NO_OTHER_ROOT "STALL root_verdict=[ms]*", "STALL root_verdict=busy"
#define NO_HOLDER "STALL holder", "STALL root", "DEADLOCK"

/* ---- running ---------------------------------------------------------------------------------- */

/* A spinner wants to run all the time: what it got, it says itself, and the rest it waited
 * for. What the line says must be that, and its verdict must follow from it. */
static const char *judge_shares(const struct record *stall, double least, double most)
{
    double cpu = record_number(stall, "cpu"), delay = record_number(stall, "run_delay");
    if (cpu < least - 0.10 || cpu > most + 0.10 || delay < 1 - most - 0.10 ||
        delay > 1 - least + 0.10)
        return text_of("the truth is cpu=%.2f to %.2f: %s", least, most, stall->line);
    const char *verdict = cpu >= 0.6 ? "busy" : delay >= 0.6 ? "starved" : "mixed";
    /* What is shown is rounded. */
    bool is_near = fabs(cpu - 0.6) < 0.006 || fabs(delay - 0.6) < 0.006;
    if (!is_near && !record_is(stall, "verdict", verdict))
        return text_of("by its shares it is %s: %s", verdict, stall->line);
    return NULL;
}

static const char *check_shares(const struct log *log)
{
    size_t n = 0;
    const char *wrong = NULL;
    for (size_t i = 0; !wrong && i < log->count; i++) {
        if (strcmp(log->records[i].word, "STALL") != 0)
            continue;
        double least, most;
        const char *truth = log_fact_text(log, "truth", n++);
        if (!truth || sscanf(truth, "%lf %lf", &least, &most) != 2)
            return "the program told no truth";
        wrong = judge_shares(&log->records[i], least / 1000, most / 1000);
    }
    return wrong;
}

#define SHARES "cpu and run_delay within 0.10 of its own clocks"

/* With other things to run, it gets less: then the truth is another, and is what is checked. */
static const char *check_busy(const struct log *log)
{
    const char *wrong = check_shares(log);
    for (size_t i = 0; !wrong && i < log_fact_count(log, "truth"); i++)
        if (log_fact(log, "truth", i) >= 700 &&
            !record_is(log_find(log, "STALL", i), "verdict", "busy"))
            wrong = text_of("it ran, and is not busy: %s", log_find(log, "STALL", i)->line);
    return wrong;
}

ROW(spin, .situation = "spinning in its own code", .args = {"situations", "spin"},
    .env = {"HEARTLINE_STALL=1s"}, .says = {"STALL thread=*/suspect | state=R"},
    .never = {"STALL verdict=blocked", "STALL wait", "STALL holder"}, .check = check_busy,
    .also = "busy, " SHARES)

ROW(spin_in_calls, .situation = "spinning in system calls", .args = {"situations", "spin", "calls"},
    .env = {"HEARTLINE_STALL=1s"}, .says = {"STALL thread=*/suspect | state=R"},
    .never = {"STALL verdict=blocked", "STALL wait=mutex*", "STALL holder"}, .check = check_busy,
    .also = "busy, " SHARES)

ROW(crowd, .situation = "six spinners on one core", .args = {"situations", "crowd"},
    .env = {"HEARTLINE_STALL=1s"}, .says = {"STALL thread=*/suspect | state=R verdict=starved"},
    .never = {"STALL verdict=blocked", "STALL holder"}, .check = check_shares, .also = SHARES)

ROW(nice, .situation = "nice 19 on a core that another thread keeps busy",
    .args = {"situations", "nice"}, .env = {"HEARTLINE_STALL=1s"},
    .says = {"STALL thread=*/suspect | state=R verdict=starved"},
    .never = {"STALL verdict=blocked", "STALL holder"}, .check = check_shares, .also = SHARES)

ROW(quota, .situation = "a cgroup's quota of a fifth of a core", .args = {"situations", "quota"},
    .env = {"HEARTLINE_STALL=1s"},
    .says = {"STALL thread=*/suspect | state=R verdict=starved quota=0.2 throttled"},
    .never = {"STALL verdict=blocked", "STALL holder"}, .check = check_shares, .also = SHARES)

/* It sleeps as long as it runs, so it waits for a core when it runs for less than 40 %. */
static const char *check_half(const struct log *log)
{
    for (size_t i = 0; i < log_fact_count(log, "truth"); i++)
        if (log_fact(log, "truth", i) >= 400 &&
            !record_is(log_find(log, "STALL", i), "verdict", "mixed"))
            return text_of("it is mixed: %s", log_find(log, "STALL", i)->line);
    return log_fact_count(log, "truth") > 0 ? NULL : "the program told no truth";
}

ROW(half, .situation = "half of the time asleep, half on a core", .args = {"situations", "half"},
    .says = {"STALL thread=*/suspect"},
    .never = {"STALL verdict=busy", "STALL verdict=blocked", "STALL holder"}, .check = check_half,
    .also = "mixed")

/* ---- mutexes -------------------------------------------------------------------------------------- */

#define MUTEX_ROW(row_name, words, ...)                                                    \
    ROW(row_name, .situation = "a mutex held by a sleeper: " words, .args = {__VA_ARGS__}, \
        .says = {OF_WAITER HELD "holder_phase='hold the lock' holder_for>=300ms"},         \
        .never = {NOBODY_ELSE})

MUTEX_ROW(mutex_normal, "normal", "situations", "mutex", "normal")
MUTEX_ROW(mutex_recursive, "recursive", "situations", "mutex", "recursive")
MUTEX_ROW(mutex_errorcheck, "error-checking", "situations", "mutex", "errorcheck")
MUTEX_ROW(mutex_adaptive, "adaptive", "situations", "mutex", "adaptive")
MUTEX_ROW(mutex_robust, "robust", "situations", "mutex", "robust")
MUTEX_ROW(mutex_shared, "process-shared", "situations", "mutex", "shared")
MUTEX_ROW(mutex_pi, "priority inheritance", "situations", "mutex", "pi")
MUTEX_ROW(mutex_timed, "pthread_mutex_timedlock", "situations", "mutex", "timed")
MUTEX_ROW(mutex_c11, "mtx_t of C11", "situations", "mutex", "c11")
MUTEX_ROW(mutex_std, "std::mutex", "situations-cxx", "mutex")

ROW(mutex_json, .situation = "the same as JSON", .args = {"situations", "mutex", "normal"},
    .env = {JSON},
    .says = {"STALL thread_name=waiter | verdict=blocked syscall=futex wait=mutex:{lock} "
             "holder_tid={holder} holder_name=holder holder_phase='hold the lock' "
             "holder_for>=300ms"},
    .never = {"STALL holder_tid!={holder}", "DEADLOCK"})

ROW(mutex_root, .situation = "its holder reads from a pipe",
    .args = {"situations", "mutex", "normal", "reads"},
    .says = {OF_WAITER HELD "root={holder}/holder root_wait=read:pipe", ROOT_IS_BLOCKED},
    .never = {NOBODY_ELSE, NO_OTHER_ROOT})

ROW(mutex_naps, .situation = "its holder is in nanosleep",
    .args = {"situations", "mutex", "normal", "naps"},
    .says = {OF_WAITER HELD "holder_phase='nap with the lock' root={holder}/holder "
                            "root_wait=timer",
             ROOT_IS_BLOCKED},
    .never = {NOBODY_ELSE, NO_OTHER_ROOT})

ROW(mutex_spins, .situation = "its holder spins",
    .args = {"situations", "mutex", "normal", "spins"},
    .says = {OF_WAITER HELD "holder_phase='spin with the lock' root={holder}/holder "
                            "root_verdict!=blocked !root_wait"},
    .never = {NOBODY_ELSE})

ROW(mutex_outside, .situation = "its holder is in no scope",
    .args = {"situations", "mutex", "normal", "outside"},
    .says = {OF_WAITER HELD "holder_phase=none !holder_for"}, .never = {NOBODY_ELSE})

ROW(mutex_gone, .situation = "its holder has ended without unlocking",
    .args = {"situations", "mutex", "normal", "goes"},
    .says = {OF_WAITER "verdict=blocked wait=mutex:{lock}"},
    .never = {"STALL holder=*/*", "STALL root", "DEADLOCK"}, .hangs = true)

ROW(mutex_elsewhere, .situation = "its holder is another process",
    .args = {"situations", "foreign-mutex"}, .says = {OF_WAITER "verdict=blocked wait=*:{lock}"},
    .never = {"STALL holder=*/*", "STALL root", "DEADLOCK"}, .hangs = true)

ROW(mutex_after_condvar, .situation = "a condition variable that takes its mutex again",
    .args = {"situations", "condvar-mutex"},
    .says = {"STALL thread=*/waiter | " HELD "holder_phase='hold the lock'"},
    .never = {NOBODY_ELSE})

ROW(chain, .situation = "two locks away from one who reads a pipe", .args = {"situations", "chain"},
    .says = {"STALL thread=*/far | verdict=blocked wait=mutex:{first} holder={middle}/middle "
             "holder_phase=merge root={reader}/reader root_phase='read the answer' "
             "root_wait=read:pipe",
             ROOT_IS_BLOCKED,
             "STALL thread=*/middle | verdict=blocked wait=mutex:{second} holder={reader}/reader "
             "holder_phase='read the answer' root={reader}/reader root_wait=read:pipe",
             "STALL thread=*/reader | verdict=blocked syscall=read fd={fd} wait=read:pipe !holder"},
    .never = {"DEADLOCK", NO_OTHER_ROOT})

/* ---- deadlocks --------------------------------------------------------------------------------------- */

struct member {
    int cycle;
    char thread[64], lock[32], phase[64];
};

static bool read_member(const struct log *log, size_t n, struct member *member)
{
    const char *text = log_fact_text(log, "member", n);
    return text && sscanf(text, "%d %63s %31s %63[^\n]", &member->cycle, member->thread,
                          member->lock, member->phase) == 4;
}

/* Wherever the line begins to go round. */
static bool is_told(const struct record *line, const struct member *members, int size, int turn)
{
    for (int i = 0; i < size; i++) {
        const struct member *member = &members[(i + turn) % size];
        struct {
            const char *key, *value;
        } keys[] = {{"thread", member->thread}, {"lock", member->lock}, {"phase", member->phase}};
        for (int j = 0; j < 3; j++) {
            char key[16], value[80];
            snprintf(key, sizeof key, "%s%d", keys[j].key, i + 1);
            snprintf(value, sizeof value, "%s%s", j == 1 ? "mutex:" : "", keys[j].value);
            if (!record_is(line, key, value))
                return false;
        }
    }
    return record_number(line, "members") == size;
}

static size_t count_told(const struct log *log, const struct member *members, int size)
{
    size_t count = 0;
    for (size_t i = 0; i < log_count(log, "DEADLOCK"); i++) {
        bool is_it = false;
        for (int turn = 0; turn < size; turn++)
            is_it |= is_told(log_find(log, "DEADLOCK", i), members, size, turn);
        count += is_it;
    }
    return count;
}

static const char *check_cycles(const struct log *log)
{
    struct member members[16];
    size_t count = 0, cycles = 0;
    while (count < 16 && read_member(log, count, &members[count]))
        count++;
    for (size_t i = 0, size = 1; i < count; i += size, size = 1) {
        while (i + size < count && members[i + size].cycle == members[i].cycle)
            size++;
        size_t told = count_told(log, &members[i], (int)size);
        if (told != 1)
            return text_of("the cycle of %s is told %zu times", members[i].thread, told);
        cycles++;
    }
    if (cycles == 0 || log_count(log, "DEADLOCK") != cycles)
        return text_of("%zu DEADLOCK lines, %zu cycles", log_count(log, "DEADLOCK"), cycles);
    return NULL;
}

#define EXACT "each thread, lock and phase exact, one line for each cycle"
#define CLERKS "STALL thread=*/clerk* | verdict=blocked wait=mutex:* holder=*/clerk* !root"
#define SHORT "HEARTLINE_STALL=200ms"

ROW(deadlock, .situation = "AB-BA", .args = {"situations", "cycles", "2"}, .env = {SHORT},
    .says = {"1 DEADLOCK members=2", CLERKS}, .check = check_cycles, .also = EXACT, .hangs = true)

ROW(deadlock_of_three, .situation = "three in a ring", .args = {"situations", "cycles", "3"},
    .env = {SHORT}, .says = {"1 DEADLOCK members=3", CLERKS}, .check = check_cycles, .also = EXACT,
    .hangs = true)

ROW(deadlocks, .situation = "two rings at once", .args = {"situations", "cycles", "2", "3"},
    .env = {SHORT}, .says = {"1 DEADLOCK members=2", "1 DEADLOCK members=3", CLERKS},
    .check = check_cycles, .also = EXACT, .hangs = true)

ROW(deadlock_of_one, .situation = "a normal mutex locked twice by its owner",
    .args = {"situations", "cycles", "1"}, .env = {SHORT}, .says = {"1 DEADLOCK members=1", CLERKS},
    .check = check_cycles, .also = EXACT, .hangs = true)

ROW(deadlock_outside, .situation = "AB-BA outside any scope",
    .args = {"situations", "cycles", "2", "outside"}, .env = {SHORT, "HEARTLINE_INTERVAL=200ms"},
    .says = {"1 DEADLOCK members=2 phase1=none phase2=none"}, .never = {"STALL"},
    .check = check_cycles, .also = EXACT, .hangs = true)

ROW(deadlock_bystander, .situation = "AB-BA, and a third who waits for A",
    .args = {"situations", "cycles", "2", "bystander"}, .env = {SHORT},
    .says = {"1 DEADLOCK members=2", CLERKS,
             "STALL thread=*/bystander | verdict=blocked wait=mutex:{lock} "
             "holder={clerk-0-0}/clerk-0-0"},
    .check = check_cycles, .also = EXACT, .hangs = true)

ROW(deadlock_json, .situation = "AB-BA as JSON", .args = {"situations", "cycles", "2"},
    .env = {SHORT, JSON},
    .says = {"1 DEADLOCK members=2 | thread1_tid thread2_tid thread1_name=clerk-0-* "
             "thread2_name=clerk-0-* lock1=mutex:0x* lock2=mutex:0x* phase1='post ledger 0.*' "
             "phase2='post ledger 0.*'"},
    .hangs = true)

ROW(deadlock_run, .situation = "AB-BA in a program that knows nothing of Heartline",
    .args = {CORPUS_TOOL, "run", STORY_PROGRAMS "/stranger", "deadlock"},
    .env = {SHORT, "HEARTLINE_INTERVAL=200ms"},
    .says = {"1 DEADLOCK members=2 phase1=none phase2=none"}, .never = {"STALL"},
    .check = check_cycles, .also = EXACT, .hangs = true)

/* ---- what looks like a mutex --------------------------------------------------------------------------- */

#define BY_NOBODY "verdict=blocked state=S syscall=futex wait=futex* "

ROW(stdio, .situation = "a stream that another thread has locked (flockfile)",
    .args = {"situations", "stdio"}, .says = {"STALL thread=*/waiter | " BY_NOBODY},
    .never = {NO_HOLDER})

ROW(arena, .situation = "malloc's arena, held by a thread inside malloc",
    .args = {"situations", "arena"}, .says = {"STALL thread=*/waiter | " BY_NOBODY},
    .never = {NO_HOLDER})

ROW(hand_made, .situation = "a lock made by hand that looks like a held mutex",
    .args = {"situations", "hand-made"}, .says = {"STALL thread=*/waiter | " BY_NOBODY},
    .never = {NO_HOLDER})

ROW(atomic_wait, .situation = "std::atomic<int>::wait(2)", .args = {"situations-cxx", "atomic"},
    .says = {"STALL thread=*/waiter | " BY_NOBODY}, .never = {NO_HOLDER})

/* ---- what nobody holds ----------------------------------------------------------------------------------- */

static const char *check_inside(const struct log *log)
{
    const char *from = log_fact_text(log, "object", 0),
               *size = log_fact_text(log, "object_size", 0);
    for (size_t i = 0; from && size && i < log_count(log, "STALL"); i++) {
        const struct record *stall = log_find(log, "STALL", i);
        const char *wait = record_text(stall, "wait"), *hex = wait ? strchr(wait, ':') : NULL;
        unsigned long long at = hex ? strtoull(hex + 1, NULL, 16) : 0;
        unsigned long long first = strtoull(from, NULL, 16);
        if (at < first || at >= first + strtoull(size, NULL, 10))
            return text_of("the object is at %s: %s", from, stall->line);
    }
    return NULL;
}

#define WAIT_ROW(row_name, words, kind, what)                                               \
    ROW(row_name, .situation = words, .args = {"situations", "wait", kind},                 \
        .says = {"STALL thread=*/waiter | verdict=blocked state=S syscall=futex wait=" what \
                 ":0x*"},                                                                   \
        .never = {NO_HOLDER}, .check = check_inside, .also = "its own address")

WAIT_ROW(condvar, "a condition variable", "condvar", "condvar")
WAIT_ROW(semaphore, "a semaphore", "semaphore", "semaphore")
WAIT_ROW(rwlock_reader, "a read lock while another one writes", "read-lock", "rwlock")
WAIT_ROW(rwlock_writer, "a write lock while another one reads", "write-lock", "rwlock")
WAIT_ROW(barrier, "a barrier", "barrier", "barrier")
WAIT_ROW(once, "pthread_once while another thread is in it", "once", "once")

ROW(join, .situation = "pthread_join of a thread that reads from a pipe",
    .args = {"situations", "wait", "join"},
    .says = {"STALL thread=*/waiter | verdict=blocked syscall=futex wait=join:{joined} "
             "root={joined}/joined root_wait=read:pipe",
             ROOT_IS_BLOCKED},
    .never = {"STALL holder", "DEADLOCK", NO_OTHER_ROOT})

/* ---- files, sockets, children, time -------------------------------------------------------------------------- */

#define OBJECT_ROW(row_name, words, kind, claims)                                   \
    ROW(row_name, .situation = words, .args = {"situations", "object", kind, "%D"}, \
        .says = {"STALL thread=*/waiter | verdict=blocked state=S " claims}, .never = {NO_HOLDER})

OBJECT_ROW(read_pipe, "read from a pipe", "pipe", "syscall=read fd={fd} wait=read:pipe")
OBJECT_ROW(write_pipe, "write into a full pipe", "full-pipe",
           "syscall=write fd={fd} wait=write:pipe")
OBJECT_ROW(read_fifo, "read from a FIFO", "fifo", "syscall=read fd={fd} wait='read:fifo {path}'")
OBJECT_ROW(read_terminal, "read from a terminal", "terminal",
           "syscall=read fd={fd} wait='read:terminal {path}'")
OBJECT_ROW(open_fifo, "open of a FIFO that nobody writes to", "open", "wait='open:{path}'")
OBJECT_ROW(flock, "flock", "flock", "syscall=flock fd={fd} wait=flock:{path}")
OBJECT_ROW(fcntl, "fcntl lock of another process", "fcntl",
           "syscall=fcntl fd={fd} wait=fcntl:{path}")
OBJECT_ROW(recv_tcp, "recv from a TCP peer", "tcp",
           "fd={fd} wait='recv:socket 127.0.0.1:{port}' local=127.0.0.1:{local}")
OBJECT_ROW(recv_unix, "recv from a Unix socket with a path", "unix",
           "fd={fd} wait='recv:socket {path}'")
OBJECT_ROW(recv_unix_pair, "recv from a socketpair", "unix-pair", "fd={fd} wait='recv:socket unix'")
OBJECT_ROW(accept, "accept", "accept", "fd={fd} wait='accept:socket 127.0.0.1:{port}'")
OBJECT_ROW(accept_unix, "accept on a Unix socket", "accept-unix",
           "fd={fd} wait='accept:socket {path}'")
OBJECT_ROW(connect, "connect while the queue is full", "connect",
           "syscall=connect fd={fd} wait='connect:socket 127.0.0.1:{port}'")
OBJECT_ROW(connect_unix, "connect to a Unix socket whose queue is full", "connect-unix",
           "syscall=connect fd={fd} wait='connect:socket {path}'")
OBJECT_ROW(poll_one, "poll of a pipe", "poll-one", "wait=poll:pipe")
OBJECT_ROW(poll, "poll of five descriptors", "poll",
           "wait='poll:pipe, eventfd, socket unix +2 more'")
OBJECT_ROW(poll_none, "poll of nothing, with a timeout", "poll-none", "syscall=poll")
OBJECT_ROW(select, "select", "select", "wait=select:pipe")
OBJECT_ROW(epoll, "epoll_wait", "epoll", "wait=epoll_wait:*")
OBJECT_ROW(child, "waitpid of a child", "child", "syscall=wait4 wait=child:{child}")
OBJECT_ROW(children, "waitpid of any child", "children", "syscall=wait4 wait=child:any")
OBJECT_ROW(waitid, "waitid of a child", "waitid", "syscall=waitid wait=child:{child}")
OBJECT_ROW(nanosleep, "nanosleep", "nanosleep", "wait=timer")
OBJECT_ROW(clock_nanosleep, "clock_nanosleep until a time", "clock-nanosleep", "wait=timer")
OBJECT_ROW(pause, "pause", "pause", "syscall=pause wait=signal")
OBJECT_ROW(sigwait, "sigwait", "sigwait", "wait=signal")

ROW(disk_sleep, .situation = "a sleep that no signal ends (the parent of a vfork)",
    .args = {"situations", "object", "vfork", "%D"},
    .says = {"STALL thread=*/waiter | verdict=blocked state=D"}, .never = {NO_HOLDER})

/* ---- signs of life, waiting, limits ----------------------------------------------------------------------------- */

/* The program says from when on a STALL may be told. */
static const char *check_earliest(const struct log *log)
{
    for (size_t i = 0; i < log->count; i++) {
        const struct record *record = &log->records[i];
        if (strcmp(record->word, "STALL") == 0 && record->at_ns < log_fact(log, "earliest", 0))
            return text_of("%.0f ms early: %s",
                           (double)(log_fact(log, "earliest", 0) - record->at_ns) / 1e6,
                           record->line);
    }
    return NULL;
}

#define NOT_EARLY .check = check_earliest, .also = "not before its time"

ROW(progress, .situation = "a counter that moves", .args = {"situations", "progress"},
    .never = {"STALL"})

ROW(progress_frozen, .situation = "a counter that has frozen", .args = {"situations", "frozen"},
    .says = {"STALL thread=*/copier phase=copy | verdict=blocked progress=350/1000 "
             "idle_for>=300ms"},
    .never = {"STALL rate", "STALL eta"})

ROW(waiting, .situation = "declared waiting", .args = {"situations", "waiting"}, .never = {"STALL"})

ROW(waiting_in_work, .situation = "waiting inside work, then the work goes on",
    .args = {"situations", "waiting-in-work"}, .says = {"1 STALL !reminder phase=work"},
    .never = {"STALL phase!=work"}, NOT_EARLY)

ROW(work_in_waiting, .situation = "stuck work inside waiting, then waiting again",
    .args = {"situations", "work-in-waiting"},
    .says = {"1 STALL !reminder phase=job path='for a job > job'", "1 RECOVERED phase=job"},
    .never = {"STALL phase!=job"})

ROW(expect_longer, .situation = "a longer limit of its own", .args = {"situations", "longer"},
    .never = {"STALL"})

ROW(expect_shorter, .situation = "a shorter limit of its own", .args = {"situations", "shorter"},
    .env = {"HEARTLINE_STALL=60s"}, .says = {"STALL phase='short work' | limit=0.2s"}, NOT_EARLY)

ROW(expect_waiting, .situation = "a limit of its own on declared waiting",
    .args = {"situations", "shorter", "waiting"}, .says = {"STALL phase='short work' | limit=0.2s"},
    NOT_EARLY)

ROW(expect_cancelled, .situation = "a limit that was cancelled",
    .args = {"situations", "cancelled"}, .never = {"STALL"})

ROW(expect_cancelled_late, .situation = "a limit cancelled after the STALL",
    .args = {"situations", "cancelled-late"},
    .says = {"1 STALL !reminder phase='any work' limit=0.2s", "1 RECOVERED phase='any work'"})

ROW(expect_restarted, .situation = "a limit restarted again and again, then no more",
    .args = {"situations", "restarted"}, .says = {"1 STALL phase=batch limit=0.4s"}, NOT_EARLY)

ROW(outer_limit, .situation = "an outer scope with a limit above churning ones",
    .args = {"situations", "outer", "own"}, .says = {"1 STALL !reminder phase=batch limit=0.4s"},
    .never = {"STALL phase!=batch"}, NOT_EARLY)

ROW(outer_without, .situation = "the same without a limit of its own",
    .args = {"situations", "outer"}, .never = {"STALL"})

/* ---- nobody moves ------------------------------------------------------------------------------------------------------ */

/* The last time before that moment that anybody moved, as far as the program told. */
static long long woken_before(const struct log *log, int64_t at_ns)
{
    long long last = 0;
    for (size_t i = 0; i < log_fact_count(log, "woke"); i++)
        if (log_fact(log, "woke", i) <= at_ns)
            last = log_fact(log, "woke", i);
    return last;
}

/* Each is said when it is due, and none is older than the truth. */
static const char *check_quiet_ages(const struct log *log)
{
    double due_ms = 0, low, high;
    long long before = -1;
    for (size_t i = 0; i < log_count(log, "QUIET"); i++) {
        const struct record *quiet = log_find(log, "QUIET", i);
        long long woken = woken_before(log, quiet->at_ns);
        due_ms = woken == before ? 2 * due_ms : 300;
        before = woken;
        if (!record_ms(quiet, "for", &low, &high) || high < due_ms)
            return text_of("before %.0f ms: %s", due_ms, quiet->line);
        if (woken > 0 && low > (double)(quiet->at_ns - woken) / 1e6)
            return text_of("the truth is %.0f ms: %s", (double)(quiet->at_ns - woken) / 1e6,
                           quiet->line);
    }
    return NULL;
}

#define QUIET_AGES .check = check_quiet_ages, .also = "when it is due, and no older than the truth"

ROW(quiet, .situation = "three wait for a signal, the first thread for a socket",
    .args = {"situations", "quiet", "waits"}, .env = {JSON},
    .says = {"1 QUIET | threads=4 waits='3 condvar; 1 recv:socket 127.0.0.1:{port}'"},
    .never = {"STALL", "DEADLOCK"}, QUIET_AGES)

ROW(quiet_lock,
    .situation = "three wait for a mutex, its holder for a pipe, the first for a socket",
    .args = {"situations", "quiet", "lock"},
    .says = {"1 QUIET | threads=5 waits='3 mutex:{lock}; 1 recv:socket "
             "127.0.0.1:{port}; 1 read:pipe'"},
    .never = {"STALL", "DEADLOCK"}, QUIET_AGES)

ROW(quiet_run, .situation = "a program that knows nothing of Heartline, and waits",
    .args = {CORPUS_TOOL, "run", STORY_PROGRAMS "/stranger", "waits"},
    .says = {"QUIET | threads=4 waits='3 condvar; 1 recv:socket 127.0.0.1:{port}'"},
    .never = {"STALL", "DEADLOCK"}, QUIET_AGES)

ROW(quiet_server, .situation = "a server that gets a request now and then",
    .args = {"situations", "quiet", "server"}, .env = {JSON},
    .says = {"QUIET | threads=1 waits='1 accept:socket 127.0.0.1:{port}'"},
    .never = {"STALL", "DEADLOCK"}, QUIET_AGES)

/* Where it was kept from its ticks, nobody moved, and it is right to say so. */
static const char *check_ticks(const struct log *log)
{
    if (log_count(log, "QUIET") == 0)
        return NULL;
    long long longest = log_fact(log, "longest_ms", 0);
    return longest >= 300 ? NOT_STAGED("it was kept from running for %lld ms", longest)
                          : text_of("it must not say: %s", log_find(log, "QUIET", 0)->line);
}

ROW(quiet_ticks, .situation = "three wait, and one runs for a moment each 100 ms",
    .args = {"situations", "quiet", "ticks"}, .never = {"STALL", "DEADLOCK"}, .check = check_ticks,
    .also = "no QUIET")

/* ---- the process is stopped ------------------------------------------------------------------------------------------ */

/* The helper knows how long; it has not gone by for any limit. */
static const char *check_gaps(const struct log *log)
{
    double least = 0, most = 0, sum = 0;
    for (size_t i = 0; i < log_fact_count(log, "gap"); i++) {
        double one, other;
        if (sscanf(log_fact_text(log, "gap", i), "%lf %lf", &one, &other) != 2)
            return "the helper told no gap";
        least += one;
        most += other;
    }
    double active = (double)log_fact(log, "all_ms", 0) - least;
    if (active >= (double)log_fact(log, "shortest_ms", 0))
        return NOT_STAGED("it took %.0f ms beside the stop", active);
    if (log_count(log, "STALL") > 0)
        return text_of("it must not say: %s", log_find(log, "STALL", 0)->line);
    for (size_t i = 0; i < log_count(log, "PAUSED"); i++)
        sum += record_number(log_find(log, "PAUSED", i), "gap_ms");
    if (sum < least - 50 || sum > most + 50)
        return text_of("PAUSED for %.0f ms, the truth is %.0f to %.0f ms", sum, least, most);
    return NULL;
}

#define STOP_ROW(row_name, words, kind, said)                                              \
    ROW(row_name, .situation = words, .args = {"situations", "stop", kind}, .env = {JSON}, \
        .says = {"PAUSED | reason=" said}, .never = {"DEADLOCK"}, .check = check_gaps,     \
        .also = "the gap within 50 ms, and no STALL")

STOP_ROW(stop, "SIGSTOP inside one sleep", "signal", "stopped")
STOP_ROW(stop_across_deadlines, "SIGSTOP across three deadlines", "deadlines", "stopped")
STOP_ROW(stop_often, "SIGSTOP five times, for 0.15 s", "often", "stopped")
STOP_ROW(stop_ptrace, "a tracer stops all threads", "ptrace", "*")
STOP_ROW(stop_gdb, "gdb attaches and detaches", "gdb", "*")
STOP_ROW(stop_freeze, "a frozen cgroup", "freeze", "stopped")

ROW(stop_of_one_thread, .situation = "a tracer stops one thread alone",
    .args = {"situations", "stop", "alone"}, .never = {"STALL", "PAUSED"})

ROW(wall_clock, .situation = "the wall clock is set by an hour",
    .not_staged = "it is the whole machine's; tests/unit moves a scripted one")

/* ---- threads that come and go ------------------------------------------------------------------------------------------ */

ROW(thread_exit, .situation = "a thread that ends while it is stuck",
    .args = {"situations", "exit"},
    .says = {"STALL thread={doomed}/doomed | verdict=blocked wait=read:pipe",
             "1 RECOVERED thread={doomed}/doomed | reason=exit"})

ROW(thread_reuse, .situation = "its tid is given to another thread",
    .args = {"situations", "reuse"},
    .says = {"STALL thread={doomed}/doomed phase='last words' !reminder",
             "1 RECOVERED phase='last words' | reason=exit",
             "1 STALL thread={doomed}/heir !reminder | phase='work of the heir' stuck<=1000ms",
             "1 RECOVERED thread={doomed}/heir | !reason"},
    .never = {"STALL thread=*/heir phase='last words'"})

ROW(thread_rename, .situation = "a thread that is renamed while it is stuck",
    .args = {"situations", "rename"},
    .says = {"1 STALL !reminder | thread={caterpillar}/caterpillar",
             "STALL reminder | thread={caterpillar}/butterfly",
             "RECOVERED | thread={caterpillar}/butterfly"})

/* ---- what may not be seen ------------------------------------------------------------------------------------------------ */

#define NEVER_NOBODY "STALL holder=0*", "STALL holder=1/*", "STALL wait=*:0x0"

ROW(blind_dumpable, .situation = "a mutex, PR_SET_DUMPABLE=0 and not root",
    .args = {"situations", "blind", "dumpable"},
    .says = {"STALL phase='wait for the lock' | verdict=blocked state=S syscall=\\? wait=\\?",
             "unavailable key=syscall | reason"},
    .never = {NEVER_NOBODY, "STALL holder=*/*"})

ROW(blind_copying, .situation = "a mutex, process_vm_readv forbidden by seccomp",
    .args = {"situations", "blind", "copying"},
    .says = {"STALL phase='wait for the lock' | verdict=blocked wait=mutex:{lock} "
             "holder={holder}/holder"},
    .never = {"unavailable"})

ROW(blind_memory, .situation = "a mutex, /proc/self/mem forbidden too",
    .args = {"situations", "blind", "memory"},
    .says = {"STALL phase='wait for the lock' | verdict=blocked state=S syscall=futex holder=\\?",
             "unavailable key=holder | reason=*'copying memory is not permitted'*"},
    .never = {NEVER_NOBODY, "STALL holder=*/*"})

ROW(blind_proc, .situation = "a mutex, /proc not mounted", .args = {"situations", "blind", "proc"},
    .says = {"STALL phase='wait for the lock' | verdict=\\? cpu=\\? run_delay=\\? state=\\?",
             "unavailable key=state | reason='/proc is not mounted'"},
    .never = {NEVER_NOBODY, "STALL holder=*/*"})

#ifdef CORPUS_HAS_MUSL
#define WITHOUT_MUSL NULL
#else
#define WITHOUT_MUSL "musl-gcc (package musl-tools) was not there when this was built"
#endif

#define MUSL_ROW(row_name, words, stage, kind, what, ...)                                  \
    ROW(row_name, .situation = words, .args = {"situations-musl", stage, kind},            \
        .not_staged = WITHOUT_MUSL,                                                        \
        .says = {"STALL | verdict=blocked state=S syscall=futex wait=" what, __VA_ARGS__}, \
        .never = {NEVER_NOBODY, "STALL holder=*/*", "DEADLOCK"})

MUSL_ROW(musl_mutex, "a mutex under musl", "blind", "nothing", "mutex:0x* holder=\\?",
         "unavailable key=holder | reason=*'do not name their owners'")
MUSL_ROW(musl_condvar, "a condition variable under musl", "wait", "condvar", "condvar:*")
