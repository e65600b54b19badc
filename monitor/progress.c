/* See progress.h. A watch is found by its frame and scope in its record's short
 * list (as many entries as the thread has open counters). */
#include "progress.h"

void hl_progress_init(struct hl_progress *progress)
{
    *progress = (struct hl_progress){
        .first = {.element = sizeof(uint32_t)},
        .pool = {.items = {.element = sizeof(struct hl_progress_watch)}},
    };
}

void hl_progress_free(struct hl_progress *progress)
{
    hl_array_free(&progress->first);
    hl_array_free(&progress->pool.items);
}

static uint32_t *list_of(const struct hl_progress *progress, uint32_t record)
{
    return record < progress->first.capacity ? (uint32_t *)progress->first.memory + record : NULL;
}

static struct hl_progress_watch *watch_at(const struct hl_progress *progress, uint32_t number)
{
    return hl_pool_item(&progress->pool, number);
}

static struct hl_progress_watch *find(const struct hl_progress *progress, uint32_t record,
                                      uint32_t frame, uint64_t scope)
{
    const uint32_t *list = list_of(progress, record);
    for (uint32_t n = list ? *list : 0; n; n = watch_at(progress, n)->next)
        if (watch_at(progress, n)->frame == frame && watch_at(progress, n)->scope == scope)
            return watch_at(progress, n);
    return NULL;
}

void hl_progress_fetch(const struct hl_progress *progress, uint32_t record)
{
    const uint32_t *list = list_of(progress, record);
    hl_pool_fetch(&progress->pool, list ? *list : 0, sizeof(struct hl_progress_watch));
}

/* A scope that is not on the stack has gone, unless the stack could not be read to that depth. */
static bool has_gone(const struct hl_progress_watch *watch, const struct hl_stack *stack)
{
    for (uint32_t i = 0; i < stack->count; i++)
        if (stack->frame[i] == watch->frame)
            return stack->scopes[i].scope != watch->scope;
    return stack->whole;
}

static void forget_gone(struct hl_progress *progress, const struct hl_stack *stack)
{
    uint32_t *link = list_of(progress, stack->record);
    while (link && *link) {
        uint32_t number = *link;
        struct hl_progress_watch *watch = watch_at(progress, number);
        if (has_gone(watch, stack)) {
            *link = watch->next;
            hl_pool_give(&progress->pool, number);
        } else {
            link = &watch->next;
        }
    }
}

static void begin_watch(struct hl_progress *progress, uint32_t record, uint32_t frame,
                        const struct hl_scope *scope, uint64_t now_ns)
{
    if (!hl_array_reserve(&progress->first, (size_t)record + 1))
        return;
    uint32_t number = hl_pool_take(&progress->pool);
    if (!number)
        return;
    struct hl_progress_watch *watch = watch_at(progress, number);
    watch->frame = frame;
    watch->scope = scope->scope;
    watch->value = scope->current;
    watch->total = watch->window_total = scope->total;
    watch->moved_ns = scope->current ? now_ns : scope->pushed_ns;
    uint32_t *list = list_of(progress, record);
    watch->next = *list;
    *list = number;
}

static void look_at(struct hl_progress_watch *watch, const struct hl_scope *scope, uint64_t now_ns)
{
    if (scope->current != watch->value)
        watch->moved_ns = now_ns;
    watch->value = scope->current;
    watch->total = scope->total;
}

void hl_progress_observe(struct hl_progress *progress, const struct hl_stack *stack,
                         uint64_t now_ns)
{
    forget_gone(progress, stack);
    for (uint32_t i = 0; i < stack->count; i++) {
        const struct hl_scope *scope = &stack->scopes[i];
        if (!scope->has_counter)
            continue;
        struct hl_progress_watch *watch =
            find(progress, stack->record, stack->frame[i], scope->scope);
        if (watch)
            look_at(watch, scope, now_ns);
        else
            begin_watch(progress, stack->record, stack->frame[i], scope, now_ns);
    }
}

void hl_progress_forget(struct hl_progress *progress, uint32_t record)
{
    uint32_t *list = list_of(progress, record);
    while (list && *list) {
        uint32_t number = *list;
        *list = watch_at(progress, number)->next;
        hl_pool_give(&progress->pool, number);
    }
}

const struct hl_progress_watch *hl_progress_covering(const struct hl_progress *progress,
                                                     const struct hl_stack *stack,
                                                     uint32_t position, bool own)
{
    for (uint32_t i = position + 1; i-- > 0;) {
        if (stack->scopes[i].has_counter)
            return find(progress, stack->record, stack->frame[i], stack->scopes[i].scope);
        if (own)
            break;
    }
    return NULL;
}

void hl_progress_sample(struct hl_progress *progress, uint32_t record, uint64_t active_ns)
{
    const uint32_t *list = list_of(progress, record);
    for (uint32_t n = list ? *list : 0; n; n = watch_at(progress, n)->next)
        hl_history_add(&watch_at(progress, n)->history, active_ns, watch_at(progress, n)->value);
}

void hl_progress_next_window(struct hl_progress *progress, uint32_t record)
{
    const uint32_t *list = list_of(progress, record);
    for (uint32_t n = list ? *list : 0; n; n = watch_at(progress, n)->next) {
        struct hl_progress_watch *watch = watch_at(progress, n);
        watch->window_value = watch->value;
        watch->window_total = watch->total;
    }
}

/* NULL when no counter covers that scope. */
static const struct hl_progress_watch *begin_view(const struct hl_progress *progress,
                                                  const struct hl_stack *stack, uint32_t position,
                                                  struct hl_progress_view *view)
{
    *view = (struct hl_progress_view){
        .rate_milli = HL_UNKNOWN, .eta_ns = HL_UNKNOWN, .idle_ns = HL_UNKNOWN};
    if (position >= stack->count)
        return NULL;
    const struct hl_progress_watch *watch = hl_progress_covering(progress, stack, position, false);
    if (!watch)
        return NULL;
    view->present = true;
    view->current = watch->value;
    view->total = watch->total;
    return watch;
}

void hl_progress_view(const struct hl_progress *progress, const struct hl_stack *stack,
                      uint32_t position, const struct hl_clock *clock, uint64_t now_ns,
                      struct hl_progress_view *view)
{
    const struct hl_progress_watch *watch = begin_view(progress, stack, position, view);
    if (!watch)
        return;
    view->total_grew = watch->window_total && watch->total > watch->window_total;
    if (watch->value == watch->window_value) {
        view->idle_ns = hl_clock_age(clock, watch->moved_ns, now_ns);
        return;
    }
    view->rate_milli = hl_history_rate_milli(&watch->history);
    view->eta_ns = hl_history_eta_ns(view->rate_milli, watch->value, watch->total);
}

void hl_progress_view_stuck(const struct hl_progress *progress, const struct hl_stack *stack,
                            uint32_t position, const struct hl_clock *clock, uint64_t now_ns,
                            struct hl_progress_view *view)
{
    const struct hl_progress_watch *watch = begin_view(progress, stack, position, view);
    if (watch)
        view->idle_ns = hl_clock_age(clock, watch->moved_ns, now_ns);
}
