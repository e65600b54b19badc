/* tests/unit/story.h - a program's life in simulated time, watched by a session.
 *
 *     story_push(1 * S, 1, "write checkpoint");   // thread 1, a second after the start
 *     story_pop(200 * S, 1);
 *     story_run(300 * S);
 *     cr_expect_not_null(strstr(story_line("STALL", 0), "stuck=2m00s"));
 *
 * A story is written down first: what which thread does when. Then the session
 * is turned by hand, and whenever it sleeps, what is due meanwhile happens, on
 * the thread that it belongs to, with the clock at that moment. Nothing waits for
 * real time. Times are active time since the start; story_stopped moves all that
 * comes after it.
 *
 * Thread 0 is the test's own and the program's main thread; 1 to STORY_WORKERS are
 * real threads with tids 5001 and up, made at need. The lines go to a callback
 * and are kept with the time at which they were written.
 */
#ifndef HL_STORY_H
#define HL_STORY_H

#define _POSIX_C_SOURCE 200809L
#include "../../monitor/session.h"
#include "../../monitor/wake.h"
#include "../doubles/scripted_platform.h"

#include <heartline/scope.h>

#ifndef story_assert /* a program that is no Criterion test brings its own */
#include <criterion/criterion.h>
#define story_assert cr_assert
#endif

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS SCRIPTED_MS
#define S SCRIPTED_S
#define MINUTE (60 * S)
#define HOUR (60 * MINUTE)

enum {
    STORY_WORKERS = 40,
    STORY_EVENTS = 40000,
    STORY_LINES = 20000,
    STORY_TEXT = 2000,
    STORY_MONITOR_TID = 99,
    STORY_MAIN_TID = 100,
    STORY_FIRST_TID = 5000
};

#define STORY_FUNCTION static __attribute__((unused))

struct story_event {
    uint64_t at_ns;
    size_t number;
    unsigned who;
    void (*act)(struct story_event *event);
    const char *label;
    uint64_t value, other;
    void (*call)(uintptr_t with);
};

struct story_line {
    uint64_t at_ns; /* active time since the start */
    uint64_t raw_ns;
    enum monitor_level level;
    char text[STORY_TEXT];
};

enum story_clock {
    STORY_EXACT,   /* the coarse clock is right */
    STORY_TICKING, /* it steps */
    STORY_LAGGING  /* it is behind by almost a tick all the time */
};

struct story_worker {
    pthread_t thread;
    bool is_there;
    sem_t go, done;
    struct story_event *event; /* NULL: end */
    scope_progress progress;
    monitor_scope_token block;
};

static struct {
    monitor_options options;
    bool is_set_up;
    bool without_beats; /* only what is said between heartbeats is kept */
    enum story_clock clock;
    uint64_t began_ns, shift_ns; /* shift: how long the process was stopped so far */
    uint64_t wakes;
    struct hl_plat_wait *wait; /* while the session sleeps */
    uint64_t until_ns;
    bool is_starved;
    size_t turns;

    struct story_event events[STORY_EVENTS];
    size_t event_count, next_event;
    struct story_line lines[STORY_LINES];
    size_t line_count;
    struct story_worker workers[STORY_WORKERS + 1];
} story;

static struct hl_session story_session;

/* ---- time ------------------------------------------------------------------- */

STORY_FUNCTION void story_move_to(uint64_t raw_ns)
{
    if (raw_ns > scripted.now_ns)
        scripted_advance(raw_ns - scripted.now_ns);
    uint64_t tick = scripted.coarse_tick_ns;
    scripted.coarse_lag_ns = tick == 0 || story.clock == STORY_EXACT ? 0
                             : story.clock == STORY_TICKING          ? scripted.now_ns % tick
                                                                     : tick - 1;
}

STORY_FUNCTION uint64_t story_now(void)
{
    return scripted.now_ns - story.began_ns - story.shift_ns;
}

/* ---- what threads do ---------------------------------------------------------- */

STORY_FUNCTION void story_act_on_worker(struct story_worker *worker, struct story_event *event)
{
    if (!worker->is_there) {
        event->act(event);
        return;
    }
    worker->event = event;
    sem_post(&worker->go);
    sem_wait(&worker->done);
}

STORY_FUNCTION void *story_worker_life(void *argument)
{
    struct story_worker *worker = argument;
    scripted_be_thread(STORY_FIRST_TID + (uint64_t)(worker - story.workers));
    for (;;) {
        sem_wait(&worker->go);
        if (!worker->event)
            return NULL;
        worker->event->act(worker->event);
        sem_post(&worker->done);
    }
}

STORY_FUNCTION uint64_t story_tid(unsigned who)
{
    return who ? STORY_FIRST_TID + who : STORY_MAIN_TID;
}

STORY_FUNCTION void story_hire(unsigned who)
{
    struct story_worker *worker = &story.workers[who];
    if (who == 0 || worker->is_there)
        return;
    struct scripted_thread *thread = scripted_thread(story_tid(who));
    snprintf(thread->name, sizeof thread->name, "worker-%u", who);
    thread->state.state = 'S';
    sem_init(&worker->go, 0, 0);
    sem_init(&worker->done, 0, 0);
    worker->is_there = pthread_create(&worker->thread, NULL, story_worker_life, worker) == 0;
    story_assert(worker->is_there, "no thread");
}

STORY_FUNCTION void story_dismiss(unsigned who)
{
    struct story_worker *worker = &story.workers[who];
    if (!worker->is_there)
        return;
    worker->event = NULL;
    sem_post(&worker->go);
    pthread_join(worker->thread, NULL);
    sem_destroy(&worker->go);
    sem_destroy(&worker->done);
    worker->is_there = false;
    scripted_thread_gone(story_tid(who));
}

#define STORY_BEYOND ((const void *)UINTPTR_MAX) /* a frame that never looks dead */

STORY_FUNCTION void story_do_push(struct story_event *event)
{
    scope_push(event->label);
}
STORY_FUNCTION void story_do_wait(struct story_event *event)
{
    scope_wait(event->label);
}
STORY_FUNCTION void story_do_pop(struct story_event *event)
{
    (void)event;
    scope_pop();
}
STORY_FUNCTION void story_do_expect(struct story_event *event)
{
    scope_expect(event->value / MS);
}
STORY_FUNCTION void story_do_progress(struct story_event *event)
{
    story.workers[event->who].progress = scope_push_progress(event->label, event->value);
}
STORY_FUNCTION void story_do_add(struct story_event *event)
{
    scope_progress_add(story.workers[event->other].progress, event->value);
}
STORY_FUNCTION void story_do_set(struct story_event *event)
{
    scope_progress_set(story.workers[event->who].progress, event->value, event->other);
}
STORY_FUNCTION void story_do_block(struct story_event *event)
{
    story.workers[event->who].block =
        monitor_scope_begin(event->label, SIZE_MAX, MONITOR_SCOPE_PLAIN, STORY_BEYOND);
}
STORY_FUNCTION void story_do_end_block(struct story_event *event)
{
    monitor_scope_end(&story.workers[event->who].block);
}
STORY_FUNCTION void story_do_call(struct story_event *event)
{
    event->call(event->value);
}
STORY_FUNCTION void story_do_exit(struct story_event *event)
{
    story_dismiss((unsigned)event->value);
}
STORY_FUNCTION void story_do_stop(struct story_event *event)
{
    story_move_to(scripted.now_ns + event->value);
    story.shift_ns += event->value;
    if (!story.wait) {
        scripted.stopped_awake_ns += event->value;
        scripted.stopped_awake_by = event->label;
        return;
    }
    story.until_ns += event->value;
    story.wait->stopped_ns += event->value;
    story.wait->stopped_by = event->label;
}
STORY_FUNCTION void story_do_suspend(struct story_event *event)
{
    scripted.wall_ms += event->value / MS;
    if (story.wait)
        story.wait->suspended_ns += event->value;
}
STORY_FUNCTION void story_do_starve(struct story_event *event)
{
    story.is_starved = true;
    story.until_ns = scripted.now_ns + event->value;
    if (story.wait)
        story.wait->starved_ns += event->value;
}
STORY_FUNCTION void story_do_end(struct story_event *event)
{
    (void)event;
    story_session.stop_requested = true;
    hl_plat_wake(story_session.plat);
}

/* ---- writing it down ------------------------------------------------------------- */

STORY_FUNCTION struct story_event *story_at(uint64_t at_ns, unsigned who,
                                            void (*act)(struct story_event *))
{
    story_assert(story.event_count < STORY_EVENTS, "too many events");
    story_hire(who);
    struct story_event *event = &story.events[story.event_count];
    *event =
        (struct story_event){.at_ns = at_ns, .number = story.event_count++, .who = who, .act = act};
    return event;
}

STORY_FUNCTION void story_push(uint64_t at_ns, unsigned who, const char *label)
{
    story_at(at_ns, who, story_do_push)->label = label;
}
/* Declared waiting. */
STORY_FUNCTION void story_idle(uint64_t at_ns, unsigned who, const char *label)
{
    story_at(at_ns, who, story_do_wait)->label = label;
}
STORY_FUNCTION void story_pop(uint64_t at_ns, unsigned who)
{
    story_at(at_ns, who, story_do_pop);
}
STORY_FUNCTION void story_block(uint64_t at_ns, unsigned who, const char *label)
{
    story_at(at_ns, who, story_do_block)->label = label;
}
STORY_FUNCTION void story_end_block(uint64_t at_ns, unsigned who)
{
    story_at(at_ns, who, story_do_end_block);
}
STORY_FUNCTION void story_expect(uint64_t at_ns, unsigned who, uint64_t limit_ns)
{
    story_at(at_ns, who, story_do_expect)->value = limit_ns;
}
STORY_FUNCTION void story_progress(uint64_t at_ns, unsigned who, const char *label, uint64_t total)
{
    struct story_event *event = story_at(at_ns, who, story_do_progress);
    event->label = label;
    event->value = total;
}
/* `who` adds to the last counter that `whose` opened. */
STORY_FUNCTION void story_add(uint64_t at_ns, unsigned who, unsigned whose, uint64_t n)
{
    struct story_event *event = story_at(at_ns, who, story_do_add);
    event->value = n;
    event->other = whose;
}
STORY_FUNCTION void story_set(uint64_t at_ns, unsigned who, uint64_t current, uint64_t total)
{
    struct story_event *event = story_at(at_ns, who, story_do_set);
    event->value = current;
    event->other = total;
}
STORY_FUNCTION void story_exit(uint64_t at_ns, unsigned who)
{
    story_at(at_ns, 0, story_do_exit)->value = who;
}
STORY_FUNCTION void story_call_on(uint64_t at_ns, unsigned who, void (*call)(uintptr_t),
                                  uintptr_t with)
{
    struct story_event *event = story_at(at_ns, who, story_do_call);
    event->call = call;
    event->value = with;
}
/* On the test's own thread: it may assert. */
STORY_FUNCTION void story_call(uint64_t at_ns, void (*call)(uintptr_t), uintptr_t with)
{
    story_call_on(at_ns, 0, call, with);
}
/* The whole process, for that long. */
STORY_FUNCTION void story_stopped(uint64_t at_ns, uint64_t for_ns, const char *by)
{
    struct story_event *event = story_at(at_ns, 0, story_do_stop);
    event->value = for_ns;
    event->label = by;
}
STORY_FUNCTION void story_suspended(uint64_t at_ns, uint64_t for_ns)
{
    story_at(at_ns, 0, story_do_suspend)->value = for_ns;
}
/* The monitor alone gets no core for that long, whatever wakes it. */
STORY_FUNCTION void story_starved(uint64_t at_ns, uint64_t for_ns)
{
    story_at(at_ns, 0, story_do_starve)->value = for_ns;
}

/* ---- telling it ------------------------------------------------------------------- */

STORY_FUNCTION void story_keep_line(void *data, enum monitor_level level, const char *line,
                                    size_t length)
{
    (void)data;
    bool is_of_a_beat = strstr(line, "\"beat\"") || strstr(line, "\"phase\",");
    if (story.without_beats && is_of_a_beat)
        return;
    story_assert(story.line_count < STORY_LINES, "too many lines");
    struct story_line *kept = &story.lines[story.line_count++];
    kept->at_ns = story_now();
    kept->raw_ns = scripted.now_ns;
    kept->level = level;
    size_t taken = length < STORY_TEXT ? length : STORY_TEXT - 1;
    memcpy(kept->text, line, taken);
    kept->text[taken] = '\0';
}

STORY_FUNCTION bool story_was_woken(void)
{
    bool woken = scripted.wakes != story.wakes;
    story.wakes = scripted.wakes;
    return woken;
}

STORY_FUNCTION struct story_event *story_next_event(void)
{
    if (story.next_event == story.event_count)
        return NULL;
    struct story_event *event = &story.events[story.next_event];
    uint64_t raw_ns = story.began_ns + event->at_ns + story.shift_ns;
    if (raw_ns > story.until_ns)
        return NULL;
    story_move_to(raw_ns);
    story.next_event++;
    return event;
}

STORY_FUNCTION void story_sleep(void *data, uint64_t timeout_ns, struct hl_plat_wait *wait)
{
    (void)data;
    story.wait = wait;
    story.until_ns = scripted.now_ns + timeout_ns;
    story.turns++;
    struct story_event *event;
    while (!(wait->woken = story_was_woken() && !story.is_starved) &&
           (event = story_next_event()) != NULL)
        story_act_on_worker(&story.workers[event->who], event);
    if (!wait->woken)
        story_move_to(story.until_ns);
    story.is_starved = false;
    story.wait = NULL;
}

STORY_FUNCTION int story_earlier(const void *a, const void *b)
{
    const struct story_event *first = a, *second = b;
    if (first->at_ns != second->at_ns)
        return first->at_ns < second->at_ns ? -1 : 1;
    return first->number < second->number ? -1 : 1;
}

/* The defaults of a story: JSON (exact to the millisecond), a heartbeat a minute,
 * stalls after two. To be called before anything is written down. */
STORY_FUNCTION void story_set_up(void)
{
    story.is_set_up = true;
    scripted.main_thread_id = STORY_MAIN_TID;
    strcpy(scripted_thread(STORY_MONITOR_TID)->name, "heartline");
    strcpy(scripted_thread(STORY_MAIN_TID)->name, "main");
    scripted_thread(STORY_MAIN_TID)->state.state = 'S';
    scripted_be_thread(STORY_MAIN_TID);
    monitor_options_default(&story.options);
    story.options.format = MONITOR_JSON;
    story.options.sink = story_keep_line;
}

STORY_FUNCTION void story_open(void)
{
    story_assert(story.is_set_up, "story_set_up comes first");
    story.began_ns = scripted.now_ns;
    story.shift_ns = 0;
    story.line_count = story.next_event = story.turns = 0;
    memset(&story_session, 0, sizeof story_session);
    story_assert(hl_session_open(&story_session, &story.options) == 0, "it does not open");
    qsort(story.events, story.event_count, sizeof story.events[0], story_earlier);
    scripted.wait_hook = story_sleep;
    story_was_woken();
    hl_wake_target(story_session.plat);
    scripted_be_thread(STORY_MONITOR_TID);
    hl_session_begin(&story_session);
    scripted_be_thread(STORY_MAIN_TID);
}

STORY_FUNCTION void story_close(void)
{
    hl_session_end(&story_session);
    hl_wake_target(NULL);
    hl_session_close(&story_session);
    story.event_count = 0;
}

/* From the start line to the stop line; what was written down is used up. */
STORY_FUNCTION void story_run(uint64_t for_ns)
{
    story_at(for_ns, 0, story_do_end);
    story_open();
    while (hl_session_turn(&story_session))
        continue;
    story_close();
}

/* ---- looking at the lines ------------------------------------------------------------ */

STORY_FUNCTION bool story_is_record(const struct story_line *line, const char *record)
{
    char json[64], text[64];
    snprintf(json, sizeof json, "\"record\":\"%s\"", record);
    snprintf(text, sizeof text, "] %s ", record);
    return strstr(line->text, json) || strstr(line->text, text);
}

/* The n-th line (from 0) that is such a record and contains `part`, or NULL. */
STORY_FUNCTION const struct story_line *story_find_with(const char *record, const char *part,
                                                        size_t n)
{
    for (size_t i = 0; i < story.line_count; i++)
        if (story_is_record(&story.lines[i], record) && strstr(story.lines[i].text, part) &&
            n-- == 0)
            return &story.lines[i];
    return NULL;
}

STORY_FUNCTION const struct story_line *story_find(const char *record, size_t n)
{
    const struct story_line *line = story_find_with(record, "", n);
    story_assert(line != NULL, "there is no %s line number %zu", record, n);
    return line;
}

STORY_FUNCTION size_t story_count_with(const char *record, const char *part)
{
    size_t count = 0;
    while (story_find_with(record, part, count))
        count++;
    return count;
}

STORY_FUNCTION size_t story_count(const char *record)
{
    return story_count_with(record, "");
}

STORY_FUNCTION bool story_has(const struct story_line *line, const char *part)
{
    return line && strstr(line->text, part);
}

#define STORY_NONE UINT64_MAX
/* A number in a JSON line; STORY_NONE = the key is not there, or null. */
STORY_FUNCTION uint64_t story_number(const struct story_line *line, const char *key)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":", key);
    const char *found = line ? strstr(line->text, wanted) : NULL;
    if (!found || found[strlen(wanted)] < '0' || found[strlen(wanted)] > '9')
        return STORY_NONE;
    return strtoull(found + strlen(wanted), NULL, 10);
}

#define story_expect_has(line, part) \
    cr_expect(story_has((line), (part)), "%s is not in: %s", (part), (line) ? (line)->text : "-")
#define story_expect_lacks(line, part) \
    cr_expect(!story_has((line), (part)), "%s is in: %s", (part), (line)->text)
#define story_expect_number(line, key, expected)                                                 \
    cr_expect_eq(story_number((line), (key)), (uint64_t)(expected), "%s is not %llu: %s", (key), \
                 (unsigned long long)(expected), (line) ? (line)->text : "no line")
#define story_expect_count(record, expected)                                          \
    cr_expect_eq(story_count(record), (size_t)(expected), "%zu lines of %s, not %zu", \
                 story_count(record), (record), (size_t)(expected))

#endif
