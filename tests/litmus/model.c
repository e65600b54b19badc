#include "model.h"

#include <stdlib.h>
#include <string.h>

#define WORDS 256
#define VALUES 128 /* of one word */
#define MESSAGES 2048
#define CHOICES 512
#define REMEMBERED 512

/* For each word, how many of its values the thread is past. */
struct model_view {
    uint8_t past[WORDS];
};

struct message {
    uint64_t value;
    struct model_view view;
};

struct word {
    const void *at;
    enum model_thread thread; /* whose, when it is private */
    unsigned count;
    uint16_t messages[VALUES];
};

struct thread {
    struct model_view view;
    struct model_view released; /* at its last release fence */
    struct model_view seen;     /* what an acquire fence would take over */
};

static struct word words[WORDS];
static unsigned words_count;
static struct message messages[MESSAGES];
static unsigned messages_count;
static struct thread threads[MODEL_THREADS];
static struct model_view fenced; /* by those that are seq_cst */
static struct model_view remembered[REMEMBERED];
static unsigned remembered_count;

static enum model_thread acting;
static bool looks_on;
static const void *private_word;

void (*model_step_hook)(void);
void (*model_stored_hook)(void);
bool (*model_is_weakened)(const void *at, bool is_store, uint64_t value);

static void give_in_unless(bool is_room)
{
    if (!is_room)
        abort();
}

/* ---- words ---------------------------------------------------------------------- */

/* All of it, used or not: that is a few instructions. */
static void join(struct model_view *view, const struct model_view *other)
{
    for (unsigned i = 0; i < WORDS; i++)
        view->past[i] = view->past[i] < other->past[i] ? other->past[i] : view->past[i];
}

static uint16_t new_message(uint64_t value, const struct model_view *view)
{
    give_in_unless(messages_count < MESSAGES);
    messages[messages_count].value = value;
    messages[messages_count].view = *view;
    return (uint16_t)messages_count++;
}

static struct word *add_word(const void *at, size_t size, enum model_thread thread)
{
    static const struct model_view nothing;
    uint64_t value = 0;

    give_in_unless(words_count < WORDS);
    memcpy(&value, at, size); /* little-endian */
    words[words_count] = (struct word){.at = at, .thread = thread, .count = 1};
    words[words_count].messages[0] = new_message(value, &nothing);
    return &words[words_count++];
}

/* Nearly every look-up is for one of those that were used last. */
static struct word *find(const void *at, size_t size)
{
    static uint8_t guesses[1024];
    enum model_thread thread = at == private_word ? acting : MODEL_OWNER;
    uint8_t *guess = &guesses[((uintptr_t)at >> 2) % sizeof guesses];

    if (*guess < words_count && words[*guess].at == at && words[*guess].thread == thread)
        return &words[*guess];
    for (unsigned i = 0; i < words_count; i++)
        if (words[i].at == at && words[i].thread == thread) {
            *guess = (uint8_t)i;
            return &words[i];
        }
    return add_word(at, size, thread);
}

static struct message *latest(const struct word *word)
{
    return &messages[word->messages[word->count - 1]];
}

/* ---- accesses --------------------------------------------------------------------- */

static void call(void (*hook)(void))
{
    if (hook && !looks_on && acting != MODEL_MONITOR)
        hook();
}

static int weakened(const void *at, bool is_store, uint64_t value, int order)
{
    return model_is_weakened && model_is_weakened(at, is_store, value) ? MODEL_RELAXED : order;
}

static void take_over(struct thread *thread, const struct message *message, int order)
{
    join(order & MODEL_ACQUIRE ? &thread->view : &thread->seen, &message->view);
}

uint64_t model_load(void *at, size_t size, int order)
{
    struct thread *thread = &threads[acting];

    call(model_step_hook);
    struct word *word = find(at, size);
    if (looks_on)
        return latest(word)->value;
    uint8_t *past = &thread->view.past[word - words];
    *past = (uint8_t)(*past + model_choose(word->count - *past));
    const struct message *message = &messages[word->messages[*past]];
    take_over(thread, message, weakened(at, false, message->value, order));
    return message->value;
}

static void store(struct word *word, uint64_t value, int order, const struct message *continued)
{
    struct thread *thread = &threads[acting];

    give_in_unless(word->count < VALUES);
    uint16_t number = new_message(value, order & MODEL_RELEASE ? &thread->view : &thread->released);
    struct model_view *carried = &messages[number].view;
    if (continued)
        join(carried, &continued->view);
    word->messages[word->count] = number;
    thread->view.past[word - words] = (uint8_t)word->count;
    carried->past[word - words] = (uint8_t)word->count;
    word->count++;
}

void model_store(void *at, size_t size, uint64_t value, int order)
{
    call(model_step_hook);
    store(find(at, size), value, weakened(at, true, value, order), NULL);
    call(model_stored_hook);
}

static uint64_t read_latest(struct word *word, int order)
{
    struct thread *thread = &threads[acting];

    thread->view.past[word - words] = (uint8_t)(word->count - 1);
    take_over(thread, latest(word), order);
    return latest(word)->value;
}

static uint64_t cut(uint64_t value, size_t size)
{
    return size < 8 ? value & ((UINT64_C(1) << 8 * size) - 1) : value;
}

uint64_t model_change(void *at, size_t size, enum model_change change, uint64_t operand, int order)
{
    call(model_step_hook);
    struct word *word = find(at, size);
    uint64_t before = read_latest(word, order);
    uint64_t after = change == MODEL_ADD ? before + operand : operand;
    store(word, cut(after, size), order, latest(word));
    call(model_stored_hook);
    return before;
}

bool model_replace(void *at, size_t size, uint64_t *expected, uint64_t value, int order)
{
    call(model_step_hook);
    struct word *word = find(at, size);
    uint64_t before = read_latest(word, order);
    bool is_expected = before == cut(*expected, size);
    *expected = before;
    if (is_expected)
        store(word, cut(value, size), order, latest(word));
    call(model_stored_hook);
    return is_expected;
}

static void fence(struct thread *thread, int order)
{
    if (order & MODEL_ACQUIRE)
        join(&thread->view, &thread->seen);
    if (order & MODEL_TOTAL) {
        join(&thread->view, &fenced);
        join(&fenced, &thread->view);
    }
    if (order & MODEL_RELEASE)
        thread->released = thread->view;
}

void model_fence(int order)
{
    fence(&threads[acting], order);
}

/* Twice, so that the first of them learns from the last. */
void model_barrier(void)
{
    for (int i = 0; i < 2 * MODEL_THREADS; i++)
        fence(&threads[i % MODEL_THREADS], MODEL_ACQUIRE | MODEL_RELEASE | MODEL_TOTAL);
}

/* ---- executions ----------------------------------------------------------------------- */

static struct {
    unsigned taken, count;
} trail[CHOICES];
static unsigned trail_at, trail_length;
static bool explores;
static const char *failure;

void model_begin(void)
{
    words_count = messages_count = remembered_count = 0;
    memset(threads, 0, sizeof threads);
    memset(&fenced, 0, sizeof fenced);
    acting = MODEL_OWNER;
    looks_on = false;
}

void model_make_private(const void *at)
{
    private_word = at;
}

void model_be(enum model_thread thread)
{
    acting = thread;
}

enum model_thread model_acting(void)
{
    return acting;
}

void model_learn_all(void)
{
    for (unsigned i = 0; i < words_count; i++)
        threads[acting].view.past[i] = (uint8_t)(words[i].count - 1);
}

void model_look_on(bool on)
{
    looks_on = on;
}

unsigned model_choose(unsigned count)
{
    if (count <= 1)
        return 0;
    give_in_unless(explores && trail_at < CHOICES);
    if (trail_at == trail_length) {
        trail[trail_at].taken = 0;
        trail[trail_at].count = count;
        trail_length++;
    }
    give_in_unless(trail[trail_at].count == count); /* it runs the same way each time */
    return trail[trail_at++].taken;
}

static bool next_combination(void)
{
    while (trail_length > 0) {
        if (++trail[trail_length - 1].taken < trail[trail_length - 1].count)
            return true;
        trail_length--;
    }
    return false;
}

uint64_t model_explore(void (*run)(void))
{
    uint64_t executions = 0;

    trail_length = 0;
    explores = true;
    do {
        trail_at = 0;
        run();
        executions++;
    } while (!failure && next_combination());
    explores = false;
    return executions;
}

void model_fail(const char *why)
{
    if (!failure)
        failure = why;
}

const char *model_failure(void)
{
    return failure;
}

void model_forgive(void)
{
    failure = NULL;
}

struct model_view *model_remember(void)
{
    give_in_unless(remembered_count < REMEMBERED);
    remembered[remembered_count] = threads[acting].view;
    return &remembered[remembered_count++];
}

void model_know(const struct model_view *view)
{
    threads[acting].view = *view;
    memset(&threads[acting].seen, 0, sizeof threads[acting].seen);
}
