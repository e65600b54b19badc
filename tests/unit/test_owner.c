/* tests/unit/test_owner.c - when a mutex's owner is believed: the rule, condition by
 * condition. */
#include "../../monitor/owner.h"

#include <criterion/criterion.h>

enum { WAITER = 41, OWNER = 42 };

static struct hl_plat_look look;
static struct hl_owner_facts facts;

/* Beyond doubt. */
static void begin(void)
{
    look = (struct hl_plat_look){
        .known = HL_KNOWN(HL_PLAT_SYSCALL) | HL_KNOWN(HL_PLAT_WAIT) | HL_KNOWN(HL_PLAT_HOLDER),
        .waits_for = HL_PLAT_FOR_MUTEX,
        .mutex = {.owner = OWNER, .contended = true, .is_sound = true},
        .steady = true,
    };
    facts = (struct hl_owner_facts){
        .waiter = WAITER, .look = &look, .owner_lives = true, .owner_age_ns = 1};
}

TestSuite(owner, .init = begin);

#define CERTAIN(change)                                        \
    do {                                                       \
        begin();                                               \
        change;                                                \
        cr_expect(hl_owner_is_certain(&facts), "%s", #change); \
    } while (0)
#define DOUBTFUL(change)                                           \
    do {                                                           \
        begin();                                                   \
        change;                                                    \
        cr_expect_not(hl_owner_is_certain(&facts), "%s", #change); \
    } while (0)

Test(owner, it_is_named_when_every_condition_holds)
{
    CERTAIN(;);
    CERTAIN(look.mutex.hangs_its_owner = true);
    CERTAIN((facts.waited_ns = 99, facts.owner_age_ns = 100));
}

Test(owner, each_condition_alone_makes_it_doubtful)
{
    DOUBTFUL(look.steady = false);
    DOUBTFUL(look.mutex.contended = false);
    DOUBTFUL(look.mutex.is_sound = false);
    DOUBTFUL(look.mutex.owner = 0);
    DOUBTFUL(look.known &= ~HL_KNOWN(HL_PLAT_SYSCALL));
    DOUBTFUL(look.known &= ~HL_KNOWN(HL_PLAT_HOLDER));
    DOUBTFUL(facts.owner_lives = false);
    DOUBTFUL(facts.owner_age_ns = 0);
    DOUBTFUL((facts.waited_ns = 100, facts.owner_age_ns = 100));
    DOUBTFUL((facts.waited_ns = 101, facts.owner_age_ns = 100));
}

Test(owner, only_a_mutex_has_one)
{
    for (int kind = HL_PLAT_FOR_UNKNOWN; kind <= HL_PLAT_FOR_SIGNAL; kind++) {
        look.waits_for = (enum hl_plat_wait_for)kind;
        cr_expect_eq(hl_owner_is_asked(&look), kind == HL_PLAT_FOR_MUTEX, "%d", kind);
        cr_expect_eq(hl_owner_is_certain(&facts), kind == HL_PLAT_FOR_MUTEX, "%d", kind);
    }
}

/* On its way out of a wait a thread is the owner already. */
Test(owner, a_thread_waits_for_itself_only_where_that_hangs_and_at_the_second_look)
{
    look.mutex.owner = WAITER;
    for (int i = 0; i < 4; i++) {
        look.mutex.hangs_its_owner = i & 1;
        facts.waited_ns = i & 2 ? 5000000 : 0;
        facts.owner_age_ns = 3600000000000;
        cr_expect_eq(hl_owner_is_certain(&facts), i == 3, "%d", i);
    }
}

Test(owner, a_thread_waits_for_itself_only_beyond_doubt)
{
#define ITSELF look.mutex.owner = WAITER, look.mutex.hangs_its_owner = true, facts.waited_ns = 1
    CERTAIN((ITSELF));
    CERTAIN((ITSELF, facts.owner_age_ns = 0)); /* it is as old as it must be: it waits */
    DOUBTFUL((ITSELF, look.steady = false));
    DOUBTFUL((ITSELF, look.mutex.contended = false));
    DOUBTFUL((ITSELF, look.mutex.is_sound = false));
    DOUBTFUL((ITSELF, look.known &= ~HL_KNOWN(HL_PLAT_HOLDER)));
}
