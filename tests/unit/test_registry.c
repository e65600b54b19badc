/* tests/unit/test_registry.c - who has a record: joining, leaving, forking. */
#define _GNU_SOURCE
#include "../../monitor/departures.h"
#include "../../monitor/registry.h"
#include "../../monitor/snapshot.h"
#include "../doubles/scripted_platform.h"

#include <heartline/scope.h>

#include <criterion/criterion.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct hl_stack stack;
static struct hl_losses losses;

static void in_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, body, argument), 0);
    pthread_join(thread, NULL);
}

static bool is_taken(const struct hl_record *record)
{
    return hl_snapshot(record, record->index, &stack);
}

static const struct hl_stack *stack_of(uint32_t index)
{
    cr_assert(is_taken(hl_registry_record(index)));
    return &stack;
}

static uint32_t taken(void)
{
    uint32_t n = 0;
    for (uint32_t i = 0, count = hl_registry_count(); i < count; i++)
        n += hl_snapshot(hl_registry_record(i), i, &stack); /* its own index may not be there yet */
    return n;
}

static void *push_and_pop(void *record)
{
    scope_push("x");
    *(struct hl_record **)record = hl_registry_self();
    scope_pop();
    return NULL;
}

static sem_t may_end;

static void *wait_in_a_scope(void *unused)
{
    scope_push("waits");
    sem_wait(&may_end);
    return unused;
}

/* ---- joining and leaving ------------------------------------------------------- */

Test(registry, a_thread_without_a_push_costs_nothing)
{
    cr_expect_eq(hl_registry_count(), 0);
    cr_expect_eq(scripted.maps, 0);
    cr_expect_null(hl_registry_self());
    scope_progress_add((scope_progress){0}, 1);
    scope_expect(1);
    cr_expect_eq(hl_registry_count(), 0);
}

Test(registry, a_record_is_made_at_the_first_push_and_knows_its_thread)
{
    scripted_be_thread(4251);
    scope_push("x");
    cr_expect_eq(hl_registry_count(), 1);
    cr_assert(is_taken(hl_registry_record(0)));
    cr_expect_eq(stack.tid, 4251);
    cr_expect_eq(stack.record, 0);
    cr_expect_eq(hl_registry_join(), hl_registry_record(0));
}

Test(registry, the_record_of_a_thread_is_found_by_its_number)
{
    struct hl_record *record;
    scripted_be_thread(4251);
    cr_expect_eq(hl_registry_find(4251), HL_NO_RECORD, "there is none at all");
    in_thread(push_and_pop, &record); /* the first one, free again */
    scripted_be_thread(4252);
    pthread_t thread;
    sem_init(&may_end, 0, 0);
    cr_assert_eq(pthread_create(&thread, NULL, wait_in_a_scope, NULL), 0);
    while (taken() < 1)
        sched_yield();
    scope_push("x");
    cr_expect_eq(hl_registry_find(4252), 1);
    cr_expect_eq(hl_registry_find(stack_of(0)->tid), 0);
    cr_expect_eq(hl_registry_find(4251), HL_NO_RECORD);
    sem_post(&may_end);
    pthread_join(thread, NULL);
    cr_expect_eq(hl_registry_find(stack.tid), HL_NO_RECORD, "it has gone");
}

Test(registry, a_record_is_used_again_after_its_thread)
{
    struct hl_record *first, *second;
    in_thread(push_and_pop, &first);
    cr_expect_not(is_taken(first));
    in_thread(push_and_pop, &second);
    cr_expect_eq(first, second);
    cr_expect_eq(hl_registry_count(), 1);
}

Test(registry, a_new_thread_inherits_nothing)
{
    struct hl_record *record;
    scope_push("main");
    in_thread(push_and_pop, &record);
    hl_release(&record->popped_ns, 77);
    scripted_advance(SCRIPTED_S);
    struct hl_record *again;
    in_thread(push_and_pop, &again);
    cr_assert_eq(record, again);
    cr_expect_eq(hl_get(&record->popped_ns), 0);
}

Test(registry, hundreds_of_threads_have_a_record_each_and_leave_them_all)
{
    enum { THREADS = 300 }; /* more than four chunks */
    static pthread_t threads[THREADS];
    sem_init(&may_end, 0, 0);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, wait_in_a_scope, NULL), 0);
    while (taken() < THREADS)
        sched_yield();
    cr_expect_eq(hl_registry_count(), THREADS);
    for (int i = 0; i < THREADS; i++)
        sem_post(&may_end);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(taken(), 0);
    cr_expect_eq(hl_registry_count(), THREADS);
    hl_registry_losses(&losses);
    cr_expect_eq(losses.vanished, THREADS);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, wait_in_a_scope, NULL), 0);
    while (taken() < THREADS)
        sched_yield();
    cr_expect_eq(hl_registry_count(), THREADS, "each is used again");
    for (int i = 0; i < THREADS; i++)
        sem_post(&may_end);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

Test(registry, without_memory_a_push_is_counted_as_lost_and_tried_again_later)
{
    scripted.map_fails_at = 1;
    errno = 4711;
    scope_push("lost");
    {
        SCOPE("lost too");
    }
    scope_pop();
    hl_registry_losses(&losses);
    cr_expect_eq(losses.overflow, 1);
    cr_expect_eq(errno, 4711);
    cr_expect_eq(losses.unbalanced, 1);
    cr_expect_eq(hl_registry_count(), 1);
}

Test(registry, switched_off_nobody_joins)
{
    hl_registry_switch_off(true);
    scope_push("x");
    scope_pushf("%d", 1);
    {
        SCOPEF("%d", 2);
        SCOPE_PROGRESS(done, "y", 1);
        scope_progress_add(done, 1);
    }
    scope_pop();
    cr_expect(hl_registry_is_off());
    cr_expect_eq(hl_registry_count(), 0);
    hl_registry_losses(&losses);
    cr_expect_eq(losses.overflow + losses.unbalanced, 0);
    hl_registry_switch_off(false);
    scope_push("x");
    cr_expect_eq(hl_registry_count(), 1);
}

Test(registry, switched_off_before_anybody_joined_nothing_is_called)
{
    hl_registry_switch_off(true);
    cr_expect_eq(monitor_scopes_off, 1);
    hl_registry_switch_off(false);
    cr_expect_eq(monitor_scopes_off, 0);
}

Test(registry, scopes_that_were_open_when_switched_off_are_still_closed)
{
    scope_push("open");
    hl_registry_switch_off(true);
    cr_expect_eq(monitor_scopes_off, 0);
    scope_pop();
    cr_expect_eq(atomic_load(&hl_registry_self()->depth), 0);
}

/* ---- destructors ---------------------------------------------------------------------- */

static pthread_key_t late_key;
static _Atomic int rounds, pushes_seen;

static void push_in_destructor(void *value)
{
    rounds++;
    scope_push("in a destructor");
    const struct hl_record *record = hl_registry_self();
    if (hl_is_record(record) && atomic_load(&record->depth) == 1)
        pushes_seen++;
    scope_pop();
    pthread_setspecific(late_key, value);
}

static void *live_with_a_destructor(void *record)
{
    push_and_pop(record);
    pthread_setspecific(late_key, &rounds);
    return NULL;
}

/* The record leaves in the last round; whoever pushes after that is counted as lost. */
Test(registry, pushes_in_destructors_work_until_the_last_round_and_are_then_lost)
{
    struct hl_record *record;
    pthread_key_create(&late_key, push_in_destructor);
    in_thread(live_with_a_destructor, &record);
    cr_expect_eq(rounds, PTHREAD_DESTRUCTOR_ITERATIONS);
    cr_expect_eq(pushes_seen, rounds - 1);
    cr_expect_not(is_taken(record));
    hl_registry_losses(&losses);
    cr_expect_eq(losses.overflow, 1);
    cr_expect_eq(losses.unbalanced, 0);
    cr_expect_eq(losses.vanished, 0);
}

static void first_push_in_destructor(void *record)
{
    push_and_pop(record);
}

static void *push_in_destructor_only(void *record)
{
    pthread_setspecific(late_key, record);
    return NULL;
}

Test(registry, a_thread_whose_hook_came_too_late_is_reclaimed_when_it_is_known_to_be_gone)
{
    struct hl_record *record = NULL, *next;
    pthread_key_create(&late_key, first_push_in_destructor);
    in_thread(push_in_destructor_only, &record);
    cr_assert_not_null(record);
    cr_expect(is_taken(record), "no longer needed?");
    hl_registry_reclaim(record);
    hl_registry_reclaim(record); /* free already: nothing happens */
    cr_expect_not(is_taken(record));
    in_thread(push_and_pop, &next);
    cr_expect_eq(record, next);
    hl_registry_losses(&losses);
    cr_expect_eq(losses.vanished, 0);
}

#ifndef HL_OWN_BY_KEY
static void *leave_a_scope_open(void *record)
{
    push_and_pop(record);
    scope_push_progress("open", 1);
    return NULL;
}

/* A key of a high number would allocate when it is set. */
Test(registry, without_the_hook_a_gone_thread_is_reclaimed_and_counted)
{
    struct hl_record *record, *next;
    scripted.key_unsafe = true;
    in_thread(leave_a_scope_open, &record);
    cr_assert(is_taken(record));
    cr_expect_eq(stack.count, 1);
    hl_registry_reclaim(record);
    cr_expect_not(is_taken(record));
    hl_registry_losses(&losses);
    cr_expect_eq(losses.vanished, 1);
    struct hl_departure departure;
    cr_expect(hl_departures_take(&departure));
    cr_expect_eq(departure.depth, 1);
    cr_expect_str_eq(departure.innermost, "open");
    cr_expect_str_eq(departure.thread.name, "", "it cannot be asked any more");
    in_thread(push_and_pop, &next);
    cr_expect_eq(record, next);
    for (size_t i = 0; i < HL_COUNTERS; i++)
        cr_expect_eq(hl_counter_get(&record->counters[i].generation), 0);
}
#endif

#ifndef HL_OWN_BY_KEY
static void *find_a_value_of_another(void *record)
{
    pthread_setspecific(hl_own_key, record);
    return NULL;
}

/* As where a thread that made the system call exit has had its stack: the C library gives
 * it to the next thread as it is. */
Test(registry, a_thread_that_finds_anothers_record_gives_nothing_back)
{
    scope_push("mine");
    struct hl_record *record = hl_registry_self();
    in_thread(find_a_value_of_another, record);
    cr_expect(is_taken(record));
    cr_expect_eq(stack.count, 1);
    hl_registry_losses(&losses);
    cr_expect_eq(losses.vanished, 0);
}
#endif

/* ---- signal handlers -------------------------------------------------------------------- */

static _Atomic int joined_in_handler;

static void push_in_handler(int number)
{
    (void)number;
    bool is_first = hl_registry_self() == NULL;
    scope_push("in the handler");
    scope_pop();
    joined_in_handler += is_first;
}

static _Atomic bool storm_is_over;

static void *aim_signals(void *target)
{
    while (!storm_is_over)
        pthread_kill(*(pthread_t *)target, SIGUSR1);
    return NULL;
}

static void *first_push_in_a_storm(void *unused)
{
    pthread_t self = pthread_self(), storm;
    pthread_create(&storm, NULL, aim_signals, &self);
    scope_push("first");
    scope_pop();
    storm_is_over = true;
    pthread_join(storm, NULL);
    return unused;
}

Test(registry, first_pushes_that_interrupt_a_first_push_leave_one_record)
{
    struct sigaction action = {.sa_handler = push_in_handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 300; i++) {
        storm_is_over = false;
        in_thread(first_push_in_a_storm, NULL);
        cr_assert_eq(taken(), 0, "round %d: a record was forgotten", i);
    }
    cr_expect_leq(hl_registry_count(), 3);
    hl_registry_losses(&losses);
    cr_expect_eq(losses.vanished + losses.overflow, 0);
}

/* ---- a record that is found by key ----------------------------------------------------------- */

#ifdef HL_OWN_BY_KEY

/* A signal that comes right before one of these, once: the build calls them by these names. */
static bool before_set, before_mask;

#ifdef pthread_setspecific

static void interrupt(bool *here)
{
    bool is_here = *here;
    *here = false;
    if (is_here)
        raise(SIGUSR1);
}

#undef pthread_setspecific
#undef pthread_sigmask
int pthread_setspecific(pthread_key_t key, const void *value);
int pthread_sigmask(int how, const sigset_t *set, sigset_t *old);

int interrupted_setspecific(pthread_key_t key, const void *value)
{
    interrupt(&before_set);
    return pthread_setspecific(key, value);
}

int interrupted_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    interrupt(&before_mask);
    return pthread_sigmask(how, set, old);
}
#define NEEDS_INTERRUPTIONS() ((void)0)
#else
#define NEEDS_INTERRUPTIONS() cr_skip("not built for it")
#endif

static void push_in_handlers(void)
{
    struct sigaction action = {.sa_handler = push_in_handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
}

static void *first_push_interrupted(void *here)
{
    *(bool *)here = true;
    scope_push("first");
    cr_expect_not(*(bool *)here, "there was no signal");
    cr_expect_eq(taken(), 1, "two records");
    scope_pop();
    return NULL;
}

Test(registry, a_handlers_push_amid_the_first_push_leaves_one_record)
{
    NEEDS_INTERRUPTIONS();
    push_in_handlers();
    in_thread(first_push_interrupted, &before_set);
    cr_expect_eq(taken(), 0);
    in_thread(first_push_interrupted, &before_mask);
    cr_expect_eq(taken(), 0);
    hl_registry_losses(&losses);
    cr_expect_eq(losses.vanished + losses.overflow, 0);
}

static void *end_interrupted(void *unused)
{
    scope_push("x");
    scope_pop();
    before_mask = true;
    return unused;
}

/* The key is empty while its destructor runs. */
Test(registry, a_handlers_push_when_the_thread_ends_leaves_no_record_behind)
{
    NEEDS_INTERRUPTIONS();
    push_in_handlers();
    in_thread(end_interrupted, NULL);
    cr_expect_not(before_mask, "there was no signal");
    cr_expect_eq(hl_registry_count(), 2, "it got one of its own");
    cr_expect_eq(taken(), 0);
    hl_registry_losses(&losses);
    cr_expect_eq(losses.vanished + losses.overflow, 0);
}

Test(registry, a_key_that_is_not_ready_holds_nothing)
{
    scope_push("x");
    cr_expect(hl_is_record(hl_registry_self()));
    hl_own_key_state = HL_KEY_BEING_MADE;
    cr_expect_null(hl_registry_self());
}

Test(registry, the_first_push_of_all_makes_the_key)
{
    hl_own_key_state = HL_KEY_NONE; /* the constructors of others run before ours */
    cr_expect_null(hl_registry_self());
    scope_push("x");
    cr_expect_eq(hl_own_key_state, HL_KEY_GOOD);
    cr_expect(is_taken(hl_registry_self()));
}

static void push_without_a_key(int state)
{
    hl_own_key_state = state;
    errno = 4711;
    scope_push("lost");
    scope_progress progress = scope_push_progress("lost, too", 3);
    scope_progress_add(progress, 1);
    scope_expect(1);
    scope_pop();
    cr_expect_eq(errno, 4711);
    cr_expect_null(hl_registry_self());
    cr_expect_eq(hl_registry_count(), 0, "a record that nobody finds");
}

Test(registry, without_a_key_pushes_are_lost_and_counted)
{
    push_without_a_key(HL_KEY_BEING_MADE);
    push_without_a_key(HL_KEY_REFUSED);
    hl_registry_losses(&losses);
    cr_expect_eq(losses.overflow, 2 * 3, "the pop, too, has nowhere to be counted");
}

Test(registry, a_key_that_may_not_be_set_in_a_handler_is_never_set)
{
    scripted.key_unsafe = true;
    push_without_a_key(HL_KEY_GOOD);
    scripted.key_unsafe = false;
    scope_push("x");
    cr_expect(is_taken(hl_registry_self()));
}

static void *name_of_thread(void *name)
{
    *(uintptr_t *)name = hl_own_name();
    return NULL;
}

Test(registry, threads_are_named_before_they_have_a_record_and_go_on_to_be)
{
    uintptr_t name = hl_own_name(), other = 0;
    scope_push("x");
    cr_expect_eq(hl_own_name(), name);
    in_thread(name_of_thread, &other);
    cr_expect_neq(other, name);
    cr_expect_eq((name | other) % 2, 0);
}

#endif

/* ---- fork ---------------------------------------------------------------------------------- */

/* What the child finds, as its exit status; 0 = as it should be. */
static int in_child(int (*body)(void))
{
    pid_t child = fork();
    if (child == 0) {
        alarm(10);
        _exit(body());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static uint64_t own_tid(void)
{
    return hl_get(&hl_registry_self()->tid);
}

static int look_as_child(void)
{
    if (taken() != 2)
        return 1;
    if (own_tid() != (uint64_t)getpid())
        return 2; /* no monitor was ever started: the registry itself must notice */
    hl_registry_forget_parents_threads();
    if (taken() != 1 || !is_taken(hl_registry_self()))
        return 3;
    if (stack.count != 1 || strcmp(stack.scopes[0].label, "forks") != 0)
        return 4;
    scope_push("child");
    if (!is_taken(hl_registry_self()) || stack.count != 2)
        return 5;
    struct hl_record *record = NULL;
    pthread_t thread;
    pthread_create(&thread, NULL, push_and_pop, &record);
    pthread_join(thread, NULL);
    hl_registry_forget_parents_threads();
    return hl_registry_count() == 2 && taken() == 1 && record != hl_registry_self() ? 0 : 6;
}

static void *fork_from_a_scope(void *status)
{
    scope_push("forks");
    *(int *)status = in_child(look_as_child);
    return NULL;
}

Test(registry, a_forked_child_keeps_its_own_stack_and_frees_the_others)
{
    int status = -1;
    scope_push("main");
    in_thread(fork_from_a_scope, &status);
    cr_expect_eq(status, 0, "step %d", status);
    cr_assert(is_taken(hl_registry_self()));
    cr_expect_str_eq(stack.scopes[0].label, "main");
    hl_registry_forget_parents_threads();
    cr_expect(is_taken(hl_registry_self()), "the parent's records are its own");
}

static int look_as_grandchild(void)
{
    hl_registry_forget_parents_threads();
    return taken() == 1 && own_tid() == (uint64_t)getpid() ? 0 : 1;
}

static int fork_again(void)
{
    return in_child(look_as_grandchild);
}

Test(registry, a_child_of_a_child_knows_itself)
{
    scope_push("x");
    cr_expect_eq(in_child(fork_again), 0);
}

static int end_threads_as_child(void)
{
    hl_registry_forget_parents_threads();
    static sem_t never;
    sem_init(&never, 0, 0);
    may_end = never;
    pthread_t threads[20];
    for (int i = 0; i < 20; i++)
        pthread_create(&threads[i], NULL, wait_in_a_scope, NULL);
    while (taken() < 21)
        hl_registry_forget_parents_threads(); /* beside threads that join: frees none of them */
    hl_registry_forget_parents_threads();
    return taken() == 21 ? 0 : 1;
}

Test(registry, forgetting_the_parents_threads_frees_none_that_join_meanwhile)
{
    enum { THREADS = 40 };
    static pthread_t threads[THREADS];
    sem_init(&may_end, 0, 0);
    scope_push("main");
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, wait_in_a_scope, NULL);
    while (taken() < THREADS + 1)
        sched_yield();
    for (int i = 0; i < 20; i++)
        cr_assert_eq(in_child(end_threads_as_child), 0);
    for (int i = 0; i < THREADS; i++)
        sem_post(&may_end);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- departures ------------------------------------------------------------------ */

struct leaver {
    uint64_t tid;
    int depth;
};

static void *leave_scopes_open(void *argument)
{
    const struct leaver *leaver = argument;
    scripted_be_thread(leaver->tid);
    for (int i = 1; i <= leaver->depth; i++)
        scope_pushf("scope %d", i);
    return NULL;
}

static void leave(uint64_t tid, int depth)
{
    in_thread(leave_scopes_open, &(struct leaver){tid, depth});
}

Test(registry, a_thread_that_ends_in_a_scope_leaves_word)
{
    struct hl_departure departure;
    strcpy(scripted_thread(4250)->name, "writer");
    leave(4250, 0);
    cr_expect_not(hl_departures_take(&departure), "it had none open");
    leave(4250, 3);
    cr_assert(hl_departures_take(&departure));
    cr_expect_eq(departure.thread.tid, 4250);
    cr_expect_str_eq(departure.thread.name, "writer");
    cr_expect_eq(departure.depth, 3);
    cr_expect_str_eq(departure.innermost, "scope 3");
    cr_expect_not(hl_departures_take(&departure), "each is taken once");
}

Test(registry, what_was_deeper_than_is_kept_has_no_label)
{
    struct hl_departure departure;
    leave(4250, HL_DEPTH);
    cr_assert(hl_departures_take(&departure));
    cr_expect_str_eq(departure.innermost, "scope 32");
    leave(4250, HL_DEPTH + 1);
    cr_assert(hl_departures_take(&departure));
    cr_expect_eq(departure.depth, HL_DEPTH + 1);
    cr_expect_str_eq(departure.innermost, "");
}

Test(registry, of_many_that_nobody_takes_a_few_are_kept_and_all_are_counted)
{
    struct hl_departure departure;
    for (uint64_t i = 0; i < 20; i++)
        leave(100 + i, 1);
    uint32_t taken = 0;
    while (hl_departures_take(&departure))
        cr_expect_eq(departure.thread.tid, 100 + taken++, "the first ones");
    cr_expect_eq(taken, HL_DEPARTURES);
    hl_registry_losses(&losses);
    cr_expect_eq(losses.vanished, 20);
    leave(200, 1);
    cr_assert(hl_departures_take(&departure), "there is room again");
    cr_expect_eq(departure.thread.tid, 200);
}

Test(registry, word_that_was_left_can_be_forgotten)
{
    struct hl_departure departure;
    for (uint64_t i = 0; i < HL_DEPARTURES; i++)
        leave(4250 + i, 1);
    hl_departures_forget();
    cr_expect_not(hl_departures_take(&departure));
}

static void forget_and_leave(void)
{
    scripted.own_name_hook = NULL;
    hl_departures_forget();
    leave(4251, 2);
}

Test(registry, word_that_is_being_left_is_not_forgotten)
{
    struct hl_departure departure;
    scripted.own_name_hook = forget_and_leave;
    leave(4250, 1);
    cr_assert(hl_departures_take(&departure));
    cr_expect_eq(departure.thread.tid, 4250);
    cr_expect_str_eq(departure.innermost, "scope 1");
    cr_assert(hl_departures_take(&departure), "both have a place");
    cr_expect_eq(departure.thread.tid, 4251);
    cr_expect_str_eq(departure.innermost, "scope 2");
}

Test(registry, a_child_says_nothing_of_its_parents_threads)
{
    leave(4250, 1);
    pid_t child = fork();
    if (child == 0) {
        struct hl_departure departure;
        hl_registry_forget_parents_threads();
        _exit(hl_departures_take(&departure));
    }
    int status;
    waitpid(child, &status, 0);
    cr_expect_eq(status, 0);
}

/* ---- a handler while memory is asked for ------------------------------------------------- */

static void push_and_pop_once(void)
{
    scope_push("in a handler");
    scope_pop();
}

static unsigned pushes_at; /* the call at which the handler comes */

static void push_while_mapping(void)
{
    if (--pushes_at > 0)
        return;
    scripted.map_hook = NULL;
    push_and_pop_once();
    scripted.map_fails_at = scripted.maps + 1; /* what was asked for meanwhile cannot be had */
}

static void expect_one_whole_record(void)
{
    cr_expect_eq(taken(), 1);
    cr_expect_eq(stack_of(0)->count, 1);
    cr_expect_str_eq(stack.scopes[0].label, "first");
    hl_registry_losses(&losses);
    cr_expect_eq(losses.overflow, 0, "it is not lost");
    cr_expect_eq(scripted.mapped, 2, "the records and their counters, once");
    scope_progress progress = scope_push_progress("counted", 1);
    cr_expect_not_null(progress.counter);
}

Test(registry, what_a_handler_got_is_used_where_there_is_no_more)
{
    pushes_at = 1;
    scripted.map_hook = push_while_mapping;
    scope_push("first");
    expect_one_whole_record();
}

Test(registry, what_a_handler_was_quicker_to_get_is_used_and_the_other_given_back)
{
    pushes_at = 2; /* the records are there, and their counters are asked for */
    scripted.map_hook = push_while_mapping;
    scope_push("first");
    expect_one_whole_record();
}
