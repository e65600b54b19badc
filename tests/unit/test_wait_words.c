/* tests/unit/test_wait_words.c - what a thread waits for, in words. */
#include "../../monitor/wait_words.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#define ALL (HL_KNOWN(HL_PLAT_SYSCALL) | HL_KNOWN(HL_PLAT_WAIT))

static char words[HL_WAIT_BYTES];

static void expect_words(const struct hl_plat_look *look, const char *expected)
{
    memset(words, 'x', sizeof words);
    cr_expect(hl_wait_words(look, words), "%s", expected);
    cr_expect_str_eq(words, expected);
}

static void expect_unknown(const struct hl_plat_look *look)
{
    memset(words, 'x', sizeof words);
    cr_expect_not(hl_wait_words(look, words));
    cr_expect_str_empty(words);
}

Test(wait_words, every_kind_has_its_words)
{
    static const struct {
        struct hl_plat_look look;
        const char *expected;
    } cases[] = {
#define LOOK(...) {.known = ALL, .call = "futex", .descriptor = -1, .waits_for = __VA_ARGS__}
        {LOOK(HL_PLAT_FOR_NOTHING), ""},
        {LOOK(HL_PLAT_FOR_CALL), "futex"},
        {LOOK(HL_PLAT_FOR_MUTEX, .address = 0x55e5f0daf0a0), "mutex:0x55e5f0daf0a0"},
        {LOOK(HL_PLAT_FOR_CONDVAR, .address = 0x10), "condvar:0x10"},
        {LOOK(HL_PLAT_FOR_RWLOCK, .address = 0x10), "rwlock:0x10"},
        {LOOK(HL_PLAT_FOR_SEMAPHORE, .address = 0x10), "semaphore:0x10"},
        {LOOK(HL_PLAT_FOR_BARRIER, .address = 0x10), "barrier:0x10"},
        {LOOK(HL_PLAT_FOR_ONCE, .address = 0x10), "once:0x10"},
        {LOOK(HL_PLAT_FOR_FUTEX, .address = UINT64_MAX), "futex:0xffffffffffffffff"},
        {LOOK(HL_PLAT_FOR_JOIN, .awaited = 4251), "join:4251"},
        {LOOK(HL_PLAT_FOR_OBJECT, .verb = "read", .object = "pipe"), "read:pipe"},
        {LOOK(HL_PLAT_FOR_OBJECT, .verb = "recv", .object = "socket 10.0.0.2:5432"),
         "recv:socket 10.0.0.2:5432"},
        {LOOK(HL_PLAT_FOR_CHILD, .awaited = 17), "child:17"},
        {LOOK(HL_PLAT_FOR_CHILD), "child:any"},
        {LOOK(HL_PLAT_FOR_TIMER), "timer"},
        {LOOK(HL_PLAT_FOR_SIGNAL), "signal"},
    };
    bool seen[HL_PLAT_FOR_SIGNAL + 1] = {[HL_PLAT_FOR_UNKNOWN] = true};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_words(&cases[i].look, cases[i].expected);
        seen[cases[i].look.waits_for] = true;
    }
    for (size_t kind = 0; kind <= HL_PLAT_FOR_SIGNAL; kind++)
        cr_expect(seen[kind], "kind %zu was not tried", kind);
}

Test(wait_words, without_the_call_nothing_can_be_told)
{
    struct hl_plat_look look = {.known = HL_KNOWN(HL_PLAT_WAIT), .call = "read"};
    for (int kind = HL_PLAT_FOR_UNKNOWN; kind <= HL_PLAT_FOR_SIGNAL; kind++) {
        look.waits_for = (enum hl_plat_wait_for)kind;
        expect_unknown(&look);
    }
}

Test(wait_words, what_the_call_waits_for_may_be_unknown)
{
    struct hl_plat_look look = {.known = HL_KNOWN(HL_PLAT_SYSCALL), .call = "nanosleep"};
    for (int kind = HL_PLAT_FOR_UNKNOWN; kind <= HL_PLAT_FOR_SIGNAL; kind++) {
        look.waits_for = (enum hl_plat_wait_for)kind;
        if (kind == HL_PLAT_FOR_NOTHING)
            expect_words(&look, "");
        else if (kind == HL_PLAT_FOR_CALL)
            expect_words(&look, "nanosleep");
        else
            expect_unknown(&look);
    }
    look.known = ALL;
    look.waits_for = HL_PLAT_FOR_UNKNOWN;
    expect_unknown(&look);
}

Test(wait_words, the_longest_texts_fit)
{
    struct hl_plat_look look = {
        .known = ALL, .waits_for = HL_PLAT_FOR_OBJECT, .verb = "a verb of twenty-two b"};
    char expected[2 * HL_WAIT_BYTES];
    memset(look.object, 'o', sizeof look.object - 1);
    snprintf(expected, sizeof expected, "%s:%s", look.verb, look.object);
    expect_words(&look, expected);
    look.waits_for = HL_PLAT_FOR_CALL;
    memset(look.call, 'c', sizeof look.call - 1);
    expect_words(&look, look.call);
    look.waits_for = HL_PLAT_FOR_JOIN;
    look.awaited = UINT64_MAX;
    expect_words(&look, "join:18446744073709551615");
}

Test(wait_words, a_longer_one_is_cut)
{
    static char verb[HL_WAIT_BYTES];
    struct {
        char words[HL_WAIT_BYTES];
        char after;
    } guarded = {.after = '!'};
    memset(verb, 'v', sizeof verb - 1);
    const struct hl_plat_look look = {
        .known = ALL, .waits_for = HL_PLAT_FOR_OBJECT, .verb = verb, .object = "pipe"};
    cr_expect(hl_wait_words(&look, guarded.words));
    cr_expect_eq(strlen(guarded.words), HL_WAIT_BYTES - 1);
    cr_expect_eq(guarded.after, '!');
}

Test(wait_words, one_of_many_says_which_kind_of_lock_and_which_mutex)
{
    static const struct {
        struct hl_plat_look look;
        const char *expected;
    } cases[] = {
        {LOOK(HL_PLAT_FOR_NOTHING), ""},
        {LOOK(HL_PLAT_FOR_CALL), "futex"},
        {LOOK(HL_PLAT_FOR_MUTEX, .address = 0x10), "mutex:0x10"},
        {LOOK(HL_PLAT_FOR_CONDVAR, .address = 0x10), "condvar"},
        {LOOK(HL_PLAT_FOR_RWLOCK, .address = 0x10), "rwlock"},
        {LOOK(HL_PLAT_FOR_SEMAPHORE, .address = 0x10), "semaphore"},
        {LOOK(HL_PLAT_FOR_BARRIER, .address = 0x10), "barrier"},
        {LOOK(HL_PLAT_FOR_ONCE, .address = 0x10), "once"},
        {LOOK(HL_PLAT_FOR_FUTEX, .address = 0x10), "futex"},
        {LOOK(HL_PLAT_FOR_JOIN, .awaited = 4251), "join:4251"},
        {LOOK(HL_PLAT_FOR_OBJECT, .verb = "read", .object = "pipe"), "read:pipe"},
        {LOOK(HL_PLAT_FOR_CHILD), "child:any"},
        {LOOK(HL_PLAT_FOR_SIGNAL), "signal"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect(hl_wait_words_of_many(&cases[i].look, words));
        cr_expect_str_eq(words, cases[i].expected);
    }
    const struct hl_plat_look hidden = {.waits_for = HL_PLAT_FOR_CONDVAR};
    cr_expect_not(hl_wait_words_of_many(&hidden, words));
    cr_expect_str_empty(words);
}
