/* platform/linux/futex.c - what a thread in a futex call waits for: fetches what shape.c decides on. */
#define _GNU_SOURCE
#include "learn.h"
#include "parse.h"
#include "plat.h"

#include <errno.h>

/* It waits for its word to become 0, which the kernel sees to when the thread ends. */
static enum hl_plat_wait_for check_join(const struct hl_plat_call *call, struct hl_plat_look *look)
{
    uint32_t word;

    if (hl_plat_peek(look->address, &word, sizeof word) != 0 ||
        word != (uint32_t)call->arguments[2] || word == 0)
        return HL_PLAT_FOR_FUTEX;
    look->awaited = word;
    return HL_PLAT_FOR_JOIN;
}

static void add_mutex(struct hl_plat *plat, const struct hl_plat_call *call,
                      struct hl_plat_look *look)
{
    pthread_mutex_t copy;
    int error = hl_plat_peek(look->address, &copy, sizeof copy);

    if (error)
        hl_plat_miss(plat, HL_PLAT_HOLDER, -error);
    else if (!hl_shape_mutex(call, &copy, &look->mutex))
        hl_plat_miss_because(plat, HL_PLAT_HOLDER,
                             "this C library's mutexes do not name their owners");
    else
        look->known |= HL_KNOWN(HL_PLAT_HOLDER);
}

static enum hl_plat_wait_for name(struct hl_plat *plat, const struct hl_plat_call *call,
                                  bool *is_vague)
{
    char stack[HL_SHAPE_SPAN];
    const char *why;
    const struct hl_shapes *shapes = hl_plat_learnt(&why);

    *is_vague = !shapes;
    if (!shapes) {
        static const struct hl_shapes none;
        hl_plat_miss_because(plat, HL_PLAT_HOLDER, why);
        return hl_shapes_name(&none, call, stack, 0);
    }
    size_t size = hl_shapes_span(shapes, call->pc);
    int error = size == 0 ? 0 : hl_plat_peek(call->sp, stack, size);
    *is_vague = error != 0 || shapes->lacks_some;
    if (error)
        hl_plat_miss(plat, HL_PLAT_HOLDER, -error);
    else if (shapes->lacks_some)
        hl_plat_miss_because(plat, HL_PLAT_HOLDER, "what some locks look like was not learnt");
    else
        hl_plat_miss_because(plat, HL_PLAT_HOLDER, "it is no mutex that was recognised");
    return hl_shapes_name(shapes, call, stack, error ? 0 : size);
}

void hl_plat_look_at_futex(struct hl_plat *plat, const struct hl_plat_call *call,
                           struct hl_plat_look *look)
{
    int saved = errno;

    bool is_vague;

    look->waits_for = name(plat, call, &is_vague);
    look->is_vague = is_vague && look->waits_for == HL_PLAT_FOR_FUTEX;
    if (look->waits_for == HL_PLAT_FOR_CALL) {
        hl_plat_miss_because(plat, HL_PLAT_WAIT, "it wakes others and does not wait");
    } else {
        look->address = call->arguments[0];
        look->known |= HL_KNOWN(HL_PLAT_WAIT);
    }
    if (look->waits_for == HL_PLAT_FOR_JOIN)
        look->waits_for = check_join(call, look);
    if (look->waits_for == HL_PLAT_FOR_MUTEX)
        add_mutex(plat, call, look);
    errno = saved;
}
