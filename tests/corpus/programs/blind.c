/* A process that may not look into itself: a mutex is waited for all the same. */
#define _GNU_SOURCE
#include "../../forbid.h"
#include "situations.h"

#include <heartline/scope.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct gate gate;
static atomic_bool is_held;

static void play_holder(void *with)
{
    (void)with;
    scope_push("hold the lock");
    scope_expect(0);
    pthread_mutex_lock(&mutex);
    is_held = true;
    gate_wait(&gate);
    pthread_mutex_unlock(&mutex);
    scope_pop();
}

static void play_waiter(void *with)
{
    (void)with;
    scope_push("wait for the lock");
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    scope_pop();
}

/* ---- what is forbidden ------------------------------------------------------------------------- */

/* Root could look all the same. */
static void become_opaque(void)
{
    if (geteuid() == 0)
        stage_needs(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0,
                    "setresuid");
    stage_needs(prctl(PR_SET_DUMPABLE, 0) == 0, "PR_SET_DUMPABLE");
}

static void forbid_copying_memory(void)
{
    stage_needs(forbid(SYS_process_vm_readv, EPERM), "seccomp");
}

static void forbid_reading_memory(void)
{
    forbid_copying_memory();
    stage_needs(forbid_memory_file(EPERM), "seccomp");
}

static void hide_proc(void)
{
    bool is_own = unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    stage_needs(is_own, "a mount namespace of its own");
    bool is_hidden = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                     mount("nothing", "/proc", "tmpfs", MS_RDONLY, NULL) == 0;
    stage_needs(is_hidden, "an empty /proc");
}

/* blind dumpable|copying|memory|proc|nothing */
static void stage_blind(char **arguments)
{
    gate_make(&gate);
    fact_address("lock", &mutex);
    if (strcmp(arguments[0], "dumpable") == 0)
        become_opaque();
    else if (strcmp(arguments[0], "copying") == 0)
        forbid_copying_memory();
    else if (strcmp(arguments[0], "memory") == 0)
        forbid_reading_memory();
    else if (strcmp(arguments[0], "proc") == 0)
        hide_proc();
    begin();
    struct actor *holder = enter("holder", play_holder, NULL);
    await(&is_held);
    struct actor *waiter = enter("waiter", play_waiter, NULL);
    heard("STALL", 2, NULL); /* perhaps without names */
    end_wait(&gate, holder, waiter);
}

const struct situation blind_situations[] = {{"blind", stage_blind}, {NULL, NULL}};
