// Blocks in C++, exceptions, and objects that are destroyed when their thread ends.
#include "reference.h"
#include "walk.h"

#include <heartline/scope.hpp>

namespace
{

// Declared before a scope, so destroyed after it.
class mark
{
public:
    mark() : mark_(reference_pushed()) {}
    ~mark() { reference_end(&mark_); }
    mark(const mark &) = delete;
    mark &operator=(const mark &) = delete;

private:
    const reference_mark mark_;
};

const char *next_block(uintptr_t here)
{
    const char *label = reference_label();
    reference_push(true, here, nullptr);
    return label;
}

WALK_APART void in_scope(int level)
{
    const char *label = next_block(WALK_HERE);
    const mark same;
    const heartline::scope scope(label);
    reference_check("heartline::scope");
    walk(level);
}

WALK_APART void in_progress(int level)
{
    const char *label = next_block(WALK_HERE);
    const mark same;
    const heartline::progress done(label, 3);
    reference_check("heartline::progress");
    done.add(1);
    walk(level);
}

WALK_APART void in_blocks(int level)
{
    for (int i = 0; i < 3; i++) {
        const char *label = next_block(WALK_HERE);
        const mark same;
        SCOPE(label);
        if (walk_chance(2))
            continue;
        const char *inner = next_block(WALK_HERE);
        const mark inner_same;
        const heartline::wait wait(inner);
        reference_check("heartline::wait");
        walk(level);
        if (walk_chance(2))
            return;
    }
}

WALK_APART void begin()
{
    const char *label = reference_label();
    reference_push(false, WALK_HERE, __func__);
    scope_push(label);
}

WALK_APART void end()
{
    reference_pop(WALK_HERE, __func__);
    scope_pop();
}

struct thrown {
    int level;
};

struct late_object {
    bool is_wanted = false;
    ~late_object()
    {
        if (is_wanted)
            walk_one_step("a push in a thread_local's destructor");
    }
};

thread_local late_object late;

} // namespace

void walk_where_caught(int level)
{
    try {
        walk(level);
    } catch (const thrown &exception) {
        if (exception.level != level)
            throw;
        reference_check("an exception");
    }
}

void walk_throw(int level)
{
    throw thrown{level};
}

void walk_has_late_object()
{
    late.is_wanted = true;
}

extern "C" const walk_blocks walk_blocks_objects = {
    "walk_blocks_objects", in_scope, in_progress, in_blocks, begin, end};
