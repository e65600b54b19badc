/* Threads that end, are replaced, or change their name while they are stuck. */
#define _GNU_SOURCE
#include "situations.h"

#include <heartline/scope.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct gate gate;

static void play_doomed(void *with)
{
    (void)with;
    scope_push("last words");
    gate_wait(&gate);
}

static void stage_exit(char **arguments)
{
    (void)arguments;
    gate_make(&gate);
    begin();
    struct actor *doomed = enter("doomed", play_doomed, NULL);
    hear_stall_of("/doomed");
    gate_open(&gate);
    leave(doomed);
    hear_recovered(1);
    end();
}

/* ---- the same tid again --------------------------------------------------------------------- */

static pid_t wanted;
static pthread_t heir;
static atomic_bool is_found;

static void *play_heir(void *with)
{
    (void)with;
    if (gettid() != wanted)
        return NULL;
    pthread_setname_np(pthread_self(), "heir");
    is_found = true;
    sleep_ms(1000); /* in no scope: three times the limit */
    scope_push("work of the heir");
    heard("STALL", 1, "/heir");
    scope_pop();
    return NULL;
}

/* Most machines count on from the last tid that they gave: they can be told another, or
 * the number comes round. */
static bool find_heir(void)
{
    char text[32], most[32];
    snprintf(text, sizeof text, "%d", (int)wanted - 1);
    bool can_choose = write_text("/proc/sys/kernel/ns_last_pid", text);
    read_text("/proc/sys/kernel/pid_max", most, sizeof most);
    int tries = can_choose ? 200 : atoi(most) <= 65536 ? atoi(most) * 2 : 0;
    for (int i = 0; i < tries && !is_found; i++) {
        if (can_choose)
            write_text("/proc/sys/kernel/ns_last_pid", text);
        if (pthread_create(&heir, NULL, play_heir, NULL) != 0)
            return false;
        sleep_ms(can_choose ? 1 : 0);
        if (!is_found)
            pthread_join(heir, NULL);
    }
    return is_found;
}

static void stage_reuse(char **arguments)
{
    (void)arguments;
    gate_make(&gate);
    begin();
    struct actor *doomed = enter("doomed", play_doomed, NULL);
    wanted = actor_tid(doomed);
    heard("STALL", 1, "/doomed");
    gate_open(&gate);
    leave(doomed);
    if (!find_heir())
        not_staged("no thread gets the tid of another one on this machine");
    pthread_join(heir, NULL);
    hear_recovered(2);
    end();
}

/* ---- another name --------------------------------------------------------------------------------- */

static void play_renamed(void *with)
{
    *(_Atomic pthread_t *)with = pthread_self();
    scope_push("work");
    gate_wait(&gate);
    scope_pop();
}

static void stage_rename(char **arguments)
{
    static _Atomic pthread_t thread;
    (void)arguments;
    gate_make(&gate);
    begin();
    struct actor *actor = enter("caterpillar", play_renamed, &thread);
    heard("STALL", 1, "/caterpillar");
    pthread_setname_np(thread, "butterfly");
    heard("STALL", 2, NULL);
    gate_open(&gate);
    leave(actor);
    hear_recovered(1);
    end();
}

const struct situation life_situations[] = {
    {"exit", stage_exit},
    {"reuse", stage_reuse},
    {"rename", stage_rename},
    {NULL, NULL},
};
