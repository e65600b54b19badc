/* The reader of the protocol in record.h. A stack that does not hold still is
 * tried a few times; then what held still is taken: the outer frames, which a
 * churning thread leaves alone. */
#include "snapshot.h"

#include "pool.h"

#include <string.h>

#define TRIES 8

/* Tests compile this file with the second look taken out, and must notice. */
#ifndef HL_SNAPSHOT_LOOKS_TWICE
#define HL_SNAPSHOT_LOOKS_TWICE 1
#endif

static void read_counter(const struct hl_record *record, uint64_t number, struct hl_scope *scope)
{
    const struct monitor_progress *counter = &record->counters[number - 1];
    scope->has_counter = true;
    scope->generation = hl_counter_acquire(&counter->generation);
    /* In this order: `shared` may be negative, by what the setter saw in `own`. */
    uint64_t shared = hl_counter_acquire(&counter->shared);
    scope->current = shared + hl_counter_acquire(&counter->own);
    scope->total = hl_counter_acquire(&counter->total);
}

static void read_data(const struct hl_record *record, const struct hl_frame *frame,
                      struct hl_scope *scope)
{
    scope->pushed_ns = hl_acquire(&frame->pushed_ns);
    uint64_t kind = hl_acquire(&frame->kind);
    scope->waiting = kind & HL_KIND_WAITING;
    scope->has_limit = kind & HL_KIND_LIMIT;
    scope->limit_ns = hl_kind_limit_ms(kind) * 1000000;
    scope->limit_since_ns = hl_acquire(&frame->limit_since_ns);
    scope->has_counter = false;
    if (hl_kind_counter(kind))
        read_counter(record, hl_kind_counter(kind), scope);
    hl_frame_label(frame, scope->label);
}

/* The version under which the frame was read whole; 0 = it is not live or changed. */
static uint64_t read_frame(const struct hl_record *record, uint32_t number, struct hl_scope *scope)
{
    const struct hl_frame *frame = &record->frames[number];
    uint64_t version = hl_acquire(&frame->version);
    if (!hl_version_is_live(version))
        return 0;
    read_data(record, frame, scope);
    if (HL_SNAPSHOT_LOOKS_TWICE && hl_acquire(&frame->version) != version)
        return 0;
    scope->scope = hl_version_scope(version);
    return version;
}

static uint32_t at_most_kept(uint32_t depth)
{
    return depth < HL_DEPTH ? depth : HL_DEPTH;
}

/* True when everything read was live at one instant and was everything. */
static bool try_stack(const struct hl_record *record, struct hl_stack *stack)
{
    uint64_t versions[HL_DEPTH];
    uint32_t depth = atomic_load_explicit(&record->depth, memory_order_acquire);
    uint32_t kept = at_most_kept(depth);
    stack->count = 0;
    for (uint32_t i = 0; i < kept; i++) {
        versions[stack->count] = read_frame(record, i, &stack->scopes[stack->count]);
        if (versions[stack->count])
            stack->frame[stack->count++] = i;
    }
    stack->depth = atomic_load_explicit(&record->depth, memory_order_acquire);
    stack->popped_ns = hl_acquire(&record->popped_ns); /* at least as new as that depth */
    if (HL_SNAPSHOT_LOOKS_TWICE) {
        uint32_t stable = 0;
        while (stable < stack->count && stack->frame[stable] < stack->depth &&
               hl_acquire(&record->frames[stack->frame[stable]].version) == versions[stable])
            stable++;
        bool held_still = stable == stack->count;
        stack->count = stable;
        return held_still && stack->depth == depth && stack->count == kept;
    }
    return true;
}

bool hl_snapshot(const struct hl_record *record, uint32_t index, struct hl_stack *stack)
{
    stack->record = index;
    stack->tid = hl_acquire(&record->tid);
    if (stack->tid == 0)
        return false;
    stack->whole = false;
    for (int i = 0; i < TRIES && !stack->whole; i++)
        stack->whole = try_stack(record, stack);
    return hl_acquire(&record->tid) == stack->tid;
}

void hl_snapshot_fetch(const struct hl_record *record)
{
    hl_fetch(record, HL_RECORD_HOT);
    hl_fetch(&record->frames[0], sizeof record->frames[0]);
}

void hl_snapshot_fetch_counter(const struct hl_record *record)
{
    uint64_t number = hl_kind_counter(hl_get(&record->frames[0].kind));
    if (number)
        hl_fetch(&record->counters[number - 1], sizeof record->counters[0]);
}

static void read_end(const struct hl_ended *ended, struct hl_end *end)
{
    uint64_t scope = hl_acquire(&ended->scope);
    end->scope = scope >> 8;
    end->frame = (uint32_t)(scope & 0xff) >> 1;
    end->by_exit = scope & 1;
    end->ended_ns = hl_acquire(&ended->ended_ns);
    end->quiet_since_ns = hl_acquire(&ended->quiet_since_ns);
    end->limit_since_ns = hl_acquire(&ended->limit_since_ns);
    end->progress = hl_acquire(&ended->progress);
}

bool hl_snapshot_next_end(const struct hl_record *record, uint64_t *seen, struct hl_end *end)
{
    for (uint64_t count = hl_acquire(&record->ended_count); *seen < count;
         count = hl_acquire(&record->ended_count)) {
        if (count - *seen >= HL_ENDED)
            *seen = count - HL_ENDED + 1;
        uint64_t number = (*seen)++;
        read_end(&record->ended[number % HL_ENDED], end);
        /* The entry that takes its place is begun before it is written. */
        if (hl_acquire(&record->ends_begun) - number <= HL_ENDED && end->scope)
            return true;
    }
    return false;
}
