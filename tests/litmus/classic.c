/* Is the memory of model.h that of C11? The textbook's small programs, of which it is
 * known which outcome may happen and which never does. */
#include "classic.h"
#include "model.h"

#include <stdio.h>

enum op { NOTHING, WRITE, READ, ADD, FENCE, BARRIER };
enum { RLX = MODEL_RELAXED, ACQ = MODEL_ACQUIRE, REL = MODEL_RELEASE, SC = 7 };

struct step {
    enum op op;
    int word;
    uint64_t value; /* that is written, or must be read for the outcome */
    int order;
};

#define STEPS 4

struct program {
    const char *name;
    bool may_happen;
    struct step steps[MODEL_THREADS][STEPS];
};

#define W(word, value, order)     \
    {                             \
        WRITE, word, value, order \
    }
#define R(word, value, order)    \
    {                            \
        READ, word, value, order \
    }
#define B                \
    {                    \
        BARRIER, 0, 0, 0 \
    }
#define F(order)           \
    {                      \
        FENCE, 0, 0, order \
    }

static const struct program programs[] = {
    {"message, release and acquire",
     false,
     {{W(0, 1, RLX), W(1, 1, REL)}, {R(1, 1, ACQ), R(0, 0, RLX)}}},
    {"message, relaxed store", true, {{W(0, 1, RLX), W(1, 1, RLX)}, {R(1, 1, ACQ), R(0, 0, RLX)}}},
    {"message, relaxed load", true, {{W(0, 1, RLX), W(1, 1, REL)}, {R(1, 1, RLX), R(0, 0, RLX)}}},
    {"message, release after", true, {{W(0, 1, REL), W(1, 1, RLX)}, {R(1, 1, ACQ), R(0, 0, ACQ)}}},
    {"message, fences",
     false,
     {{W(0, 1, RLX), F(REL), W(1, 1, RLX)}, {R(1, 1, RLX), F(ACQ), R(0, 0, RLX)}}},
    {"message, one fence",
     true,
     {{W(0, 1, RLX), F(REL), W(1, 1, RLX)}, {R(1, 1, RLX), R(0, 0, RLX)}}},
    {"store and look, release and acquire",
     true,
     {{W(0, 1, REL), R(1, 0, ACQ)}, {W(1, 1, REL), R(0, 0, ACQ)}}},
    {"store and look, fences",
     false,
     {{W(0, 1, RLX), F(SC), R(1, 0, RLX)}, {W(1, 1, RLX), F(SC), R(0, 0, RLX)}}},
    {"store and look, a barrier on all",
     false,
     {{W(0, 1, RLX), R(1, 0, RLX)}, {W(1, 1, RLX), B, R(0, 0, RLX)}}},
    {"the same word twice", false, {{W(0, 1, RLX)}, {R(0, 1, RLX), R(0, 0, RLX)}}},
    {"through a third, release and acquire",
     false,
     {{W(0, 1, RLX)}, {R(0, 1, RLX), W(1, 1, REL)}, {R(1, 1, ACQ), R(0, 0, RLX)}}},
    {"through a third, relaxed",
     true,
     {{W(0, 1, RLX)}, {R(0, 1, RLX), W(1, 1, RLX)}, {R(1, 1, ACQ), R(0, 0, RLX)}}},
    {"through a change in one step",
     false,
     {{W(0, 1, RLX), W(1, 1, REL)}, {{ADD, 1, 1, RLX}}, {R(1, 2, ACQ), R(0, 0, RLX)}}},
};
enum { PROGRAMS = sizeof programs / sizeof programs[0] };

static const struct program *program;
static bool has_happened;
static uint64_t words[2];

/* false: it read something else. */
static bool take(const struct step *step)
{
    uint64_t *word = &words[step->word];

    switch (step->op) {
    case WRITE:
        model_store(word, sizeof *word, step->value, step->order);
        return true;
    case READ:
        return model_load(word, sizeof *word, step->order) == step->value;
    case ADD:
        model_change(word, sizeof *word, MODEL_ADD, step->value, step->order);
        return true;
    case FENCE:
        model_fence(step->order);
        return true;
    case BARRIER:
        model_barrier();
        return true;
    default:
        return true;
    }
}

static bool is_at_end(enum model_thread thread, const unsigned done[MODEL_THREADS])
{
    return done[thread] == STEPS || program->steps[thread][done[thread]].op == NOTHING;
}

/* Any of those that are not at their end; MODEL_THREADS = all are. */
static enum model_thread choose_thread(const unsigned done[MODEL_THREADS])
{
    enum model_thread ready[MODEL_THREADS];
    unsigned count = 0;

    for (int i = 0; i < MODEL_THREADS; i++)
        if (!is_at_end((enum model_thread)i, done))
            ready[count++] = (enum model_thread)i;
    return count ? ready[model_choose(count)] : MODEL_THREADS;
}

static void run(void)
{
    unsigned done[MODEL_THREADS] = {0};
    enum model_thread thread;

    model_begin();
    while ((thread = choose_thread(done)) != MODEL_THREADS) {
        model_be(thread);
        if (!take(&program->steps[thread][done[thread]++]))
            return;
    }
    has_happened = true;
}

bool classic_is_right(void)
{
    bool is_right = true;

    for (program = programs; program < programs + PROGRAMS; program++) {
        has_happened = false;
        model_explore(run);
        if (has_happened != program->may_happen)
            printf("%s: %s\n", program->name, has_happened ? "happened" : "never happened");
        is_right = is_right && has_happened == program->may_happen;
    }
    if (is_right)
        printf("%d textbook programs behave as in C11\n", PROGRAMS);
    return is_right;
}
