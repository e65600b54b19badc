/* See picture.h. While it is filled, rows holds at most `cap` ordinary rows (a
 * younger one makes room for an older) and all that are shown always. */
#include "picture.h"

#include <string.h>

#define BUSY_MILLI 50   /* thousandths of a core: below this a thread is idle for a reader */
#define SEARCHED_CAP 64 /* beyond this all rows are kept, and cut at the end */

struct hl_picture_row *hl_picture_row(const struct hl_picture *picture, size_t position)
{
    return (struct hl_picture_row *)picture->rows.memory + position;
}

void hl_picture_begin(struct hl_picture *picture, size_t cap)
{
    picture->rows.element = sizeof(struct hl_picture_row);
    picture->count = 0;
    picture->cap = cap;
    picture->omitted = 0;
    picture->instrumented = picture->waiting = 0;
    picture->active = false;
}

static const struct hl_scope *innermost_of(const struct hl_stack *stack)
{
    return stack->count ? &stack->scopes[stack->count - 1] : NULL;
}

/* A thread in the midst of its first push or last pop may have left no time yet: that
 * is its sign. */
static uint64_t last_sign(const struct hl_stack *stack, const struct hl_progress *progress,
                          uint64_t now_ns)
{
    uint64_t sign = stack->popped_ns;
    if (stack->count == 0)
        return sign ? sign : now_ns;
    if (innermost_of(stack)->pushed_ns > sign)
        sign = innermost_of(stack)->pushed_ns;
    const struct hl_progress_watch *counter =
        hl_progress_covering(progress, stack, stack->count - 1, false);
    return counter && counter->moved_ns > sign ? counter->moved_ns : sign;
}

static uint64_t time_in_innermost(const struct hl_stack *stack, const struct hl_picture_time *time)
{
    const struct hl_scope *innermost = innermost_of(stack);
    return innermost ? hl_clock_age(time->clock, innermost->pushed_ns, time->now_ns) : 0;
}

static void describe(struct hl_phase_event *phase, const struct hl_picture_time *time,
                     const struct hl_stack *stack)
{
    *phase = (struct hl_phase_event){
        .thread = {.tid = stack->tid},
        .depth = stack->depth,
        .in_ns = time_in_innermost(stack, time),
        .waiting = hl_stack_is_waiting(stack),
        .churning = !stack->whole,
        .cpu_milli = HL_UNKNOWN,
        .updated_ns =
            hl_clock_age(time->clock, last_sign(stack, time->progress, time->now_ns), time->now_ns),
    };
    if (stack->count > 0)
        memcpy(phase->innermost, innermost_of(stack)->label, sizeof phase->innermost);
    hl_progress_view(time->progress, stack, stack->count ? stack->count - 1 : 0, time->clock,
                     time->now_ns, &phase->progress);
}

static struct hl_picture_row *next_place(struct hl_picture *picture)
{
    if (hl_array_reserve(&picture->rows, picture->count + 1))
        return hl_picture_row(picture, picture->count++);
    picture->omitted++;
    return NULL;
}

/* An ordinary row: takes the place of the youngest ordinary one when all are taken. */
static struct hl_picture_row *place_for(struct hl_picture *picture, uint64_t in_ns)
{
    struct hl_picture_row *youngest = NULL;
    size_t ordinary = 0;
    for (size_t i = 0; i < picture->count; i++) {
        struct hl_picture_row *row = hl_picture_row(picture, i);
        if (row->always)
            continue;
        ordinary++;
        if (!youngest || row->phase.in_ns < youngest->phase.in_ns)
            youngest = row;
    }
    if (ordinary < picture->cap)
        return next_place(picture);
    picture->omitted++;
    return youngest && youngest->phase.in_ns < in_ns ? youngest : NULL;
}

static struct hl_picture_row *place(struct hl_picture *picture, uint64_t in_ns, bool always)
{
    bool keep_all = always || picture->cap > SEARCHED_CAP;
    return keep_all ? next_place(picture) : place_for(picture, in_ns);
}

/* Of ten thousand threads few are shown: only those are described. */
void hl_picture_add(struct hl_picture *picture, const struct hl_picture_time *time,
                    const struct hl_stack *stack, bool always)
{
    uint64_t in_ns = time_in_innermost(stack, time);
    bool is_work = stack->whole && !hl_stack_is_waiting(stack);
    bool is_headline = is_work && (!picture->active || in_ns > picture->headline.in_ns);
    picture->instrumented++;
    picture->waiting += hl_stack_is_waiting(stack);
    struct hl_picture_row *row = place(picture, in_ns, always);
    if (!is_headline && !row)
        return;
    struct hl_phase_event phase;
    describe(&phase, time, stack);
    if (row)
        *row = (struct hl_picture_row){.phase = phase, .record = stack->record, .always = always};
    if (is_headline) {
        picture->active = true;
        picture->headline = phase;
    }
}

/* Heap sort: in place, and the library's qsort may allocate. */
static void sift(struct hl_picture *picture, size_t root, size_t count)
{
    for (;;) {
        size_t smallest = root;
        for (size_t child = 2 * root + 1; child <= 2 * root + 2 && child < count; child++)
            if (hl_picture_row(picture, child)->phase.in_ns <
                hl_picture_row(picture, smallest)->phase.in_ns)
                smallest = child;
        if (smallest == root)
            return;
        struct hl_picture_row row = *hl_picture_row(picture, root);
        *hl_picture_row(picture, root) = *hl_picture_row(picture, smallest);
        *hl_picture_row(picture, smallest) = row;
        root = smallest;
    }
}

static void sort_oldest_first(struct hl_picture *picture)
{
    for (size_t i = picture->count / 2; i-- > 0;)
        sift(picture, i, picture->count);
    for (size_t last = picture->count; last > 1; last--) {
        struct hl_picture_row row = *hl_picture_row(picture, 0);
        *hl_picture_row(picture, 0) = *hl_picture_row(picture, last - 1);
        *hl_picture_row(picture, last - 1) = row;
        sift(picture, 0, last - 1);
    }
}

/* Rows that are always shown count towards the cap where they are among the oldest. */
void hl_picture_finish(struct hl_picture *picture)
{
    sort_oldest_first(picture);
    size_t kept = 0;
    for (size_t i = 0; i < picture->count; i++) {
        if (i >= picture->cap && !hl_picture_row(picture, i)->always)
            picture->omitted++;
        else
            *hl_picture_row(picture, kept++) = *hl_picture_row(picture, i);
    }
    picture->count = kept;
}

/* ---- busy threads ------------------------------------------------------------ */

static size_t insert_busy(struct hl_busy_event *busy, size_t count, size_t cap,
                          const struct hl_busy_event *new)
{
    size_t at = count;
    while (at > 0 && busy[at - 1].cpu_milli < new->cpu_milli)
        at--;
    if (at == cap)
        return count;
    size_t last = count < cap ? count : cap - 1;
    memmove(&busy[at + 1], &busy[at], (last - at) * sizeof busy[0]);
    busy[at] = *new;
    return count < cap ? count + 1 : cap;
}

size_t hl_picture_busiest(const struct hl_threads *threads, uint64_t window_ns,
                          struct hl_busy_event *busy, size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < hl_threads_count(threads); i++) {
        const struct hl_thread_use *use = hl_threads_at(threads, i);
        uint64_t milli = hl_rate_cores_milli(use->used_ns, window_ns);
        if (use->instrumented || milli == HL_UNKNOWN || milli < BUSY_MILLI)
            continue;
        struct hl_busy_event new = {.thread = {.tid = use->tid}, .cpu_milli = milli};
        count = insert_busy(busy, count, cap, &new);
    }
    return count;
}
