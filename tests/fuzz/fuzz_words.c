/* tests/fuzz/fuzz_words.c - wait_words.c, fed with any look that a platform may have had. */
#define _GNU_SOURCE
#include "fuzz.h"
#include "words.h"

static void fill_lock(struct fuzz_input *input, struct hl_plat_look *look)
{
    look->address = fuzz_number(input);
    look->is_vague = fuzz_bool(input);
    look->mutex.owner = fuzz_number(input);
    look->mutex.contended = fuzz_bool(input);
}

static void fill_object(struct fuzz_input *input, struct hl_plat_look *look)
{
    static const char *const verbs[] = {"read", "recv", "inotify_add_watch", "sync_file_range",
                                        "io_uring_enter"};
    look->verb = verbs[fuzz_below(input, sizeof verbs / sizeof verbs[0])];
    look->descriptor = (int64_t)fuzz_number(input);
    fuzz_text(input, look->object, sizeof look->object);
    fuzz_text(input, look->local, sizeof look->local);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hl_plat_look look;
    struct fuzz_input input = fuzz_over(data, size);
    look = (struct hl_plat_look){.descriptor = -1};
    look.waits_for = (enum hl_plat_wait_for)fuzz_below(&input, HL_PLAT_FOR_SIGNAL + 1);
    look.known = fuzz_byte(&input) & 1 ? HL_KNOWN(HL_PLAT_SYSCALL) : 0;
    look.known |= fuzz_byte(&input) & 1 ? HL_KNOWN(HL_PLAT_WAIT) : 0;
    look.awaited = fuzz_number(&input);
    fuzz_text(&input, look.call, sizeof look.call);
    if (look.waits_for == HL_PLAT_FOR_OBJECT)
        fill_object(&input, &look);
    else
        fill_lock(&input, &look);
    words_meet(&look);
    return 0;
}
