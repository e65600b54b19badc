/* Blocks in C: compiled twice, WALK_BLOCKS is the name of the table that it makes.
 * The reference's mark goes before the SCOPE: at the end of the block both are run, or,
 * where nothing runs at all, neither.
 */
#include "reference.h"
#include "walk.h"

#include <heartline/scope.h>

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)
#define MARK __attribute__((cleanup(reference_end), unused)) const struct reference_mark

static WALK_APART void in_scope(int level)
{
    const char *label = reference_label();
    reference_push(true, WALK_HERE, NULL);
    MARK mark = reference_pushed();
    SCOPE(label);
    reference_check("SCOPE");
    walk(level);
}

static WALK_APART void in_progress(int level)
{
    const char *label = reference_label();
    reference_push(true, WALK_HERE, NULL);
    MARK mark = reference_pushed();
    SCOPE_PROGRESS(done, label, 3);
    reference_check("SCOPE_PROGRESS");
    scope_progress_add(done, 1);
    walk(level);
}

static WALK_APART void in_blocks(int level)
{
    for (int i = 0; i < 3; i++) {
        const char *label = reference_label();
        reference_push(true, WALK_HERE, NULL);
        MARK mark = reference_pushed();
        SCOPEF("%s", label);
        if (walk_chance(2))
            continue;
        const char *inner = reference_label();
        reference_push(true, WALK_HERE, NULL);
        MARK inner_mark = reference_pushed();
        SCOPE_WAIT(inner);
        reference_check("SCOPE_WAIT");
        walk(level);
        if (walk_chance(2))
            return;
    }
}

static WALK_APART void begin(void)
{
    const char *label = reference_label();
    reference_push(false, WALK_HERE, __func__);
    scope_push(label);
}

static WALK_APART void end(void)
{
    reference_pop(WALK_HERE, __func__);
    scope_pop();
}

const struct walk_blocks WALK_BLOCKS = {TEXT(WALK_BLOCKS), in_scope, in_progress,
                                        in_blocks,         begin,    end};
