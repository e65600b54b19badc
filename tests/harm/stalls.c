/* True stalls at random (check 10): the story of tests/unit/random_stalls.h, with its
 * figure. The whole monitor beneath a scripted platform, whose clock moves only when told.
 */
#define _POSIX_C_SOURCE 200809L
#include "harm.h"

#define story_assert(condition, ...) ((condition) ? (void)0 : harm_broken(__VA_ARGS__))
#include "../unit/random_stalls.h"

static void stalls(void)
{
    uint64_t wanted = harm_count(1000, 200);

    story_set_up();
    struct random_stalls told = tell_random_stalls(wanted);
    if (told.missed)
        harm_wrong("%llu stalls were not reported within a tick", (unsigned long long)told.missed);
    if (told.false_ones)
        harm_wrong("%llu reports too many", (unsigned long long)told.false_ones);
    if (told.inexact)
        harm_wrong("%llu ends are not told exactly", (unsigned long long)told.inexact);
    if (told.stalls < wanted)
        harm_wrong("only %llu scopes were stuck", (unsigned long long)told.stalls);
    harm_figure(
        "%llu of %llu reported, each once, at most %.2f ticks after its limit; %llu missed, "
        "%llu false (%llu scopes were not stuck), %llu ends inexact",
        (unsigned long long)(told.stalls - told.missed), (unsigned long long)told.stalls,
        told.latest_ticks, (unsigned long long)told.missed, (unsigned long long)told.false_ones,
        (unsigned long long)told.others, (unsigned long long)told.inexact);
}

int main(int argc, char **argv)
{
    static const struct harm_check checks[] = {{"all", stalls}, {NULL, NULL}};
    return harm_main(argc, argv, checks);
}
