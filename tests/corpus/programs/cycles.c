/* Deadlocks: each member has a lock and wants the next one's. */
#define _GNU_SOURCE
#include "situations.h"

#include <heartline/scope.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS 8

struct member {
    char name[16], phase[32];
    pthread_mutex_t lock;
    struct member *next;
    bool has_scope;
};

static struct member members[MEMBERS];
static int member_count;
static atomic_int ready;

static void play_member(void *with)
{
    struct member *member = with;
    pthread_mutex_lock(&member->lock);
    ready++;
    while (ready < member_count)
        sleep_ms(1);
    if (member->has_scope)
        scope_push(member->phase);
    pthread_mutex_lock(&member->next->lock);
}

static void play_bystander(void *with)
{
    struct member *member = with;
    while (ready < member_count)
        sleep_ms(1);
    scope_push("stand by");
    pthread_mutex_lock(&member->lock);
}

static void make_cycle(int cycle, int size, bool has_scopes)
{
    struct member *mine = &members[member_count];
    for (int i = 0; i < size; i++) {
        struct member *member = &mine[i];
        snprintf(member->name, sizeof member->name, "clerk-%d-%d", cycle, i);
        snprintf(member->phase, sizeof member->phase, "post ledger %d.%d", cycle, i);
        pthread_mutex_init(&member->lock, NULL);
        member->next = &mine[(i + 1) % size];
        member->has_scope = has_scopes;
    }
    member_count += size;
}

/* cycles SIZE... [outside] [bystander]: a cycle of each size */
static void stage_cycles(char **arguments)
{
    int sizes[MEMBERS], cycles = 0, of_cycle[MEMBERS];
    bool has_bystander = false, has_scopes = true;
    for (; *arguments; arguments++) {
        if (strcmp(*arguments, "bystander") == 0)
            has_bystander = true;
        else if (strcmp(*arguments, "outside") == 0)
            has_scopes = false;
        else
            sizes[cycles++] = atoi(*arguments);
    }
    for (int i = 0, k = 0; i < cycles; i++) {
        for (int j = 0; j < sizes[i]; j++)
            of_cycle[k++] = i;
        make_cycle(i, sizes[i], has_scopes);
    }
    begin();
    for (int i = 0; i < member_count; i++) {
        struct member *member = &members[i];
        struct actor *actor = enter(member->name, play_member, member);
        fact("member", "%d %d/%s 0x%llx %s", of_cycle[i], (int)actor_tid(actor), member->name,
             (unsigned long long)(uintptr_t)&member->next->lock,
             has_scopes ? member->phase : "none");
    }
    if (has_bystander) {
        fact("lock", "0x%llx", (unsigned long long)(uintptr_t)&members[0].lock);
        enter("bystander", play_bystander, &members[0]);
    }
    heard("DEADLOCK", (size_t)cycles, NULL);
    for (int i = 0; has_scopes && i < member_count; i++)
        heard("STALL", 4, members[i].name); /* to the third reminder */
    if (has_bystander)
        hear_stall_of("/bystander");
    if (!has_scopes)
        sleep_ms(1500);
    end();
}

const struct situation cycle_situations[] = {{"cycles", stage_cycles}, {NULL, NULL}};
