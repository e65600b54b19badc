/* See reference.h. */
#define _GNU_SOURCE
#include "reference.h"

#include "../../../monitor/registry.h"
#include "../../../monitor/snapshot.h"
#include "../harm.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct reference reference;

/* The bounds that the C library tells; the library under test finds them by itself. */
void reference_begin(void)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        harm_broken("the bounds of the stack are not known");
    pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    reference.stack_low = (uintptr_t)low;
    reference.stack_high = (uintptr_t)low + size;
    reference.depth = 0;
}

void reference_end_thread(void)
{
    reference.counts.vanished += reference.depth > 0;
    reference.depth = 0;
}

const char *reference_label(void)
{
    static char label[32];
    snprintf(label, sizeof label, "%llu", (unsigned long long)++reference.serial);
    return label;
}

/* ---- what each step does ------------------------------------------------------------- */

static uint32_t kept(void)
{
    return reference.depth < HL_DEPTH ? reference.depth : HL_DEPTH;
}

static bool is_on_own_stack(uintptr_t address)
{
    return reference.stack_low <= address && address < reference.stack_high;
}

static bool is_dead(const struct reference_scope *scope, uintptr_t caller)
{
    return scope->address < caller && is_on_own_stack(caller) && is_on_own_stack(scope->address);
}

static void truncate_to(uint32_t depth)
{
    reference.counts.repaired += reference.depth - depth;
    reference.depth = depth;
}

static void prune(uintptr_t caller)
{
    uint32_t keep = kept();
    while (keep > 0 && reference.scopes[keep - 1].is_block &&
           is_dead(&reference.scopes[keep - 1], caller))
        keep--;
    if (keep < kept())
        truncate_to(keep);
}

void reference_push(bool is_block, uintptr_t address, const char *function)
{
    prune(address);
    if (reference.depth >= HL_DEPTH)
        reference.counts.overflow++;
    if (reference.depth >= REFERENCE_DEEPEST)
        harm_broken("deeper than the reference");
    reference.scopes[reference.depth++] =
        (struct reference_scope){reference.serial, is_block, address, is_block ? NULL : function};
    if (reference.depth > reference.deepest)
        reference.deepest = reference.depth;
}

static bool all_are_dead(uint32_t from, uintptr_t caller)
{
    for (uint32_t i = from; i < reference.depth; i++)
        if (!is_dead(&reference.scopes[i], caller))
            return false;
    return true;
}

/* true: the caller's own scope was found, and ended with all that it had left above. */
static bool pop_own(uintptr_t address, const char *function)
{
    for (uint32_t i = reference.depth; i-- > 0;) {
        const struct reference_scope *scope = &reference.scopes[i];
        if (scope->is_block || scope->address != address || scope->function != function)
            continue;
        if (!all_are_dead(i + 1, address))
            return false;
        truncate_to(i + 1);
        reference.depth--;
        return true;
    }
    return false;
}

void reference_pop(uintptr_t address, const char *function)
{
    if (reference.depth > HL_DEPTH) {
        reference.depth--;
        return;
    }
    prune(address);
    if (pop_own(address, function))
        return;
    if (reference.depth > 0 && !reference.scopes[reference.depth - 1].is_block)
        reference.depth--;
    else
        reference.counts.unbalanced++;
}

struct reference_mark reference_pushed(void)
{
    return (struct reference_mark){reference.depth - 1, reference.serial};
}

void reference_end(const struct reference_mark *mark)
{
    if (reference.depth <= mark->index)
        return;
    if (mark->index < HL_DEPTH && reference.scopes[mark->index].serial != mark->serial)
        return;
    truncate_to(mark->index + 1);
    reference.depth--;
}

/* ---- comparing -------------------------------------------------------------------------- */

static const char *what_differs(void)
{
    static struct hl_stack stack;
    struct hl_losses losses;
    const struct hl_record *record = hl_registry_self();
    hl_registry_losses(&losses);
    if (losses.overflow != reference.counts.overflow)
        return "overflow";
    if (losses.unbalanced != reference.counts.unbalanced)
        return "unbalanced";
    if (losses.repaired != reference.counts.repaired)
        return "repaired";
    if (losses.vanished != reference.counts.vanished)
        return "vanished";
    if (!hl_is_record(record))
        return reference.depth == 0 ? NULL : "depth (there is no record)";
    if (!hl_snapshot(record, record->index, &stack) || !stack.whole)
        return "the reading of the record";
    if (stack.depth != reference.depth || stack.count != kept())
        return "depth";
    for (uint32_t i = 0; i < stack.count; i++)
        if (strtoull(stack.scopes[i].label, NULL, 10) != reference.scopes[i].serial)
            return "the labels";
    return NULL;
}

/* After the first difference everything differs. */
void reference_check(const char *step)
{
    const char *wrong = reference.wrong ? NULL : what_differs();
    reference.checks++;
    if (!wrong)
        return;
    const struct hl_record *record = hl_registry_self();
    reference.wrong++;
    harm_wrong("after %s (check %llu) %s: the depth is %u, the reference's %u", step,
               (unsigned long long)reference.checks, wrong,
               hl_is_record(record) ? (unsigned)record->depth : 0, reference.depth);
}
