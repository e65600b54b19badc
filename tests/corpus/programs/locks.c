/* Locks that one thread holds and another one waits for. */
#define _GNU_SOURCE
#include "situations.h"

#include <heartline/scope.h>

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* ---- mutexes of every kind -------------------------------------------------------------- */

static pthread_mutex_t *mutex; /* in memory that a child shares */
static mtx_t standard;
static bool is_standard, is_timed;

static void make_mutex(const char *kind)
{
    static const struct {
        const char *name;
        int type, robust, shared, protocol;
    } kinds[] = {
        {"recursive", PTHREAD_MUTEX_RECURSIVE, 0, 0, 0},
        {"errorcheck", PTHREAD_MUTEX_ERRORCHECK, 0, 0, 0},
        {"adaptive", PTHREAD_MUTEX_ADAPTIVE_NP, 0, 0, 0},
        {"robust", PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, 0, 0},
        {"shared", PTHREAD_MUTEX_NORMAL, 0, PTHREAD_PROCESS_SHARED, 0},
        {"pi", PTHREAD_MUTEX_NORMAL, 0, 0, PTHREAD_PRIO_INHERIT},
    };
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kind, kinds[i].name) != 0)
            continue;
        pthread_mutexattr_settype(&attributes, kinds[i].type);
        pthread_mutexattr_setrobust(&attributes, kinds[i].robust);
        pthread_mutexattr_setpshared(&attributes, kinds[i].shared);
        pthread_mutexattr_setprotocol(&attributes, kinds[i].protocol);
    }
    mutex = mmap(NULL, sizeof *mutex, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    stage_needs(mutex != MAP_FAILED, "mmap");
    errno = pthread_mutex_init(mutex, &attributes);
    stage_needs(errno == 0, "pthread_mutex_init");
    mtx_init(&standard, mtx_plain);
    is_standard = strcmp(kind, "c11") == 0;
    is_timed = strcmp(kind, "timed") == 0;
    if (is_standard)
        fact_address("lock", &standard);
    else
        fact_address("lock", mutex);
}

static void lock(void)
{
    if (is_standard)
        mtx_lock(&standard);
    else
        pthread_mutex_lock(mutex);
}

static void lock_patiently(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    if (is_timed)
        pthread_mutex_timedlock(mutex, &until);
    else
        lock();
}

static void unlock(void)
{
    if (is_standard)
        mtx_unlock(&standard);
    else
        pthread_mutex_unlock(mutex);
}

/* ---- what the holder does meanwhile --------------------------------------------------------- */

static struct gate gate;
static atomic_bool is_held, is_over;

static void read_gate(void)
{
    gate_wait(&gate);
}

static void spin(void)
{
    while (!is_over)
        continue;
}

static void nap(void)
{
    nanosleep(&(struct timespec){60, 0}, NULL);
}

struct hold {
    const char *name;
    const char *label;       /* NULL: outside any scope */
    void (*meanwhile)(void); /* NULL: it ends, and keeps the lock */
};

static const struct hold holds[] = {
    {"reads", "hold the lock", read_gate},
    {"outside", NULL, read_gate},
    {"spins", "spin with the lock", spin},
    {"naps", "nap with the lock", nap},
    {"goes", NULL, NULL},
};

static void play_holder(void *with)
{
    const struct hold *hold = with;
    if (hold->label) {
        scope_push(hold->label);
        scope_expect(0);
    }
    lock();
    is_held = true;
    if (!hold->meanwhile)
        return;
    hold->meanwhile();
    unlock();
    if (hold->label)
        scope_pop();
}

/* In the parent's shared memory, as a process of its own. */
static void hold_elsewhere(void *held)
{
    lock();
    *(atomic_bool *)held = true;
    for (;;)
        pause();
}

static void wait_for_lock(void *with)
{
    (void)with;
    scope_push("wait for the lock");
    lock_patiently();
    unlock();
    scope_pop();
}

/* mutex KIND [HOLD] */
static void stage_mutex(char **arguments)
{
    const struct hold *hold = holds;
    for (size_t i = 0; arguments[1] && i < sizeof holds / sizeof *holds; i++)
        if (strcmp(arguments[1], holds[i].name) == 0)
            hold = &holds[i];
    gate_make(&gate);
    make_mutex(arguments[0]);
    begin();
    struct actor *holder = enter("holder", play_holder, (void *)(uintptr_t)hold);
    await(&is_held);
    struct actor *waiter = enter("waiter", wait_for_lock, NULL);
    hear_stall_of(NULL);
    if (!hold->meanwhile)
        end();
    gate_open(&gate);
    is_over = true;
    interrupt(holder);
    leave(waiter);
    hear_recovered(1);
    end();
}

/* The holder is another process. */
static void stage_foreign_mutex(char **arguments)
{
    (void)arguments;
    make_mutex("shared");
    atomic_bool *held =
        mmap(NULL, sizeof *held, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    stage_needs(held != MAP_FAILED, "mmap");
    fact("elsewhere", "%d", (int)fork_helper(hold_elsewhere, held));
    await(held);
    begin();
    enter("waiter", wait_for_lock, NULL);
    hear_stall_of("/waiter");
    end();
}

/* ---- two locks away --------------------------------------------------------------------------- */

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool has_first, has_second;

static void play_reader(void *with)
{
    (void)with;
    scope_push("read the answer");
    pthread_mutex_lock(&second);
    has_second = true;
    gate_wait(&gate);
    pthread_mutex_unlock(&second);
    scope_pop();
}

static void play_middle(void *with)
{
    (void)with;
    scope_push("merge");
    pthread_mutex_lock(&first);
    has_first = true;
    pthread_mutex_lock(&second);
    pthread_mutex_unlock(&second);
    pthread_mutex_unlock(&first);
    scope_pop();
}

static void play_far(void *with)
{
    (void)with;
    scope_push("write");
    pthread_mutex_lock(&first);
    pthread_mutex_unlock(&first);
    scope_pop();
}

static void stage_chain(char **arguments)
{
    (void)arguments;
    gate_make(&gate);
    fact_address("first", &first);
    fact_address("second", &second);
    fact("fd", "%d", gate.out);
    begin();
    struct actor *reader = enter("reader", play_reader, NULL);
    await(&has_second);
    struct actor *middle = enter("middle", play_middle, NULL);
    await(&has_first);
    struct actor *far = enter("far", play_far, NULL);
    hear_stall_of("/reader");
    hear_stall_of("/middle");
    hear_stall_of("/far");
    gate_open(&gate);
    leave(reader);
    leave(middle);
    leave(far);
    hear_recovered(3);
    end();
}

/* ---- imitators ----------------------------------------------------------------------------------- */

static FILE *file;

static void hold_file(void *with)
{
    (void)with;
    scope_push("hold the stream");
    scope_expect(0);
    flockfile(file);
    is_held = true;
    gate_wait(&gate);
    funlockfile(file);
    scope_pop();
}

static void write_file(void *with)
{
    (void)with;
    scope_push("write a line");
    fputs("line\n", file);
    scope_pop();
}

static void stage_stdio(char **arguments)
{
    (void)arguments;
    file = fopen("/dev/null", "we");
    stage_needs(file != NULL, "/dev/null");
    gate_make(&gate);
    begin();
    struct actor *holder = enter("holder", hold_file, NULL);
    await(&is_held);
    struct actor *waiter = enter("waiter", write_file, NULL);
    hear_stall_of("/waiter");
    end_wait(&gate, holder, waiter);
}

/* The memory behind the first block is taken away, so that malloc faults while it
 * holds its lock; the handler gives it back, and stays. */
static char *forbidden;
static size_t forbidden_size;

static void stay_inside_malloc(int number)
{
    (void)number;
    mprotect(forbidden, forbidden_size, PROT_READ | PROT_WRITE);
    is_held = true;
    gate_wait(&gate);
}

static void hold_arena(void *with)
{
    (void)with;
    scope_push("hold the arena");
    scope_expect(0);
    char *block = malloc(100000);
    size_t page = 4096;
    forbidden = (char *)(((uintptr_t)block + 100000 + 4 * page) & ~(uintptr_t)(page - 1));
    forbidden_size = 16 * page;
    mprotect(forbidden, forbidden_size, PROT_NONE);
    char *volatile next = malloc(50000); /* volatile: or the compiler sees that nobody needs it */
    mprotect(forbidden, forbidden_size, PROT_READ | PROT_WRITE);
    free(next);
    free(block);
    scope_pop();
}

static void use_arena(void *with)
{
    (void)with;
    await(&is_held);
    scope_push("allocate");
    char *volatile block = malloc(60000);
    free(block);
    scope_pop();
}

static void stage_arena(char **arguments)
{
    struct sigaction action = {.sa_handler = stay_inside_malloc};
    (void)arguments;
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TOP_PAD, 1 << 20);
    sigaction(SIGSEGV, &action, NULL);
    gate_make(&gate);
    begin();
    struct actor *waiter = enter("waiter", use_arena, NULL); /* to make a thread takes memory */
    struct actor *holder = enter("holder", hold_arena, NULL);
    if (!await(&is_held))
        not_staged("this malloc does not touch the memory behind a block");
    hear_stall_of("/waiter");
    end_wait(&gate, holder, waiter);
}

/* Looks as a mutex of pthreads does that `holder` has, word for word. */
static struct {
    _Atomic int word;
    unsigned count;
    int owner;
    unsigned users;
    int kind;
    int rest[5];
} hand_made = {.word = 2, .users = 1};

static void play_owner(void *with)
{
    (void)with;
    hand_made.owner = gettid();
    is_held = true;
    gate_wait(&gate);
}

static void wait_by_hand(void *with)
{
    (void)with;
    scope_push("lock by hand");
    while (hand_made.word == 2)
        syscall(SYS_futex, &hand_made.word, 128 /* FUTEX_WAIT | FUTEX_PRIVATE_FLAG */, 2, NULL);
    scope_pop();
}

static void stage_hand_made(char **arguments)
{
    (void)arguments;
    gate_make(&gate);
    fact_address("lock", &hand_made);
    begin();
    struct actor *owner = enter("owner", play_owner, NULL);
    await(&is_held);
    struct actor *waiter = enter("waiter", wait_by_hand, NULL);
    hear_stall_of("/waiter");
    hand_made.word = 0;
    gate_open(&gate);
    interrupt(waiter);
    leave(owner);
    hear_recovered(1);
    end();
}

const struct situation lock_situations[] = {
    {"mutex", stage_mutex}, {"foreign-mutex", stage_foreign_mutex},
    {"chain", stage_chain}, {"stdio", stage_stdio},
    {"arena", stage_arena}, {"hand-made", stage_hand_made},
    {NULL, NULL},
};
