/* tests/unit/test_tally.c - what many threads wait for, in one text. */
#include "../../monitor/tally.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct hl_tally tally;
static char text[HL_TALLY_BYTES];

static void begin(void)
{
    hl_tally_begin(&tally);
}

TestSuite(tally, .init = begin);

static void add(const char *words, unsigned times)
{
    char exact[HL_WAIT_BYTES];
    snprintf(exact, sizeof exact, "%s", words);
    for (unsigned i = 0; i < times; i++)
        hl_tally_add(&tally, exact);
}

static void expect(uint64_t all, const char *expected)
{
    memset(text, 'x', sizeof text);
    hl_tally_write(&tally, all, text);
    cr_expect_str_eq(text, expected);
}

/* So many different ones, each of so many bytes. */
static void add_different(unsigned count, size_t bytes)
{
    char words[HL_WAIT_BYTES], number[16];
    memset(words, 'x', sizeof words);
    words[bytes] = '\0';
    for (unsigned i = 0; i < count; i++) {
        int digits = snprintf(number, sizeof number, "%03u", i);
        memcpy(words, number, (size_t)digits);
        add(words, 1);
    }
}

/* Of the items; each number that stands before its words. */
static uint64_t sum(void)
{
    uint64_t all = 0;
    for (char *at = text; at; at = strstr(at, "; ") ? strstr(at, "; ") + 2 : NULL)
        all += strtoull(at, NULL, 10);
    return all;
}

Test(tally, the_most_frequent_come_first)
{
    add("recv:socket 10.0.0.2:5432", 1);
    add("condvar", 12);
    add("child:17", 3);
    expect(16, "12 condvar; 3 child:17; 1 recv:socket 10.0.0.2:5432");
}

Test(tally, of_equals_the_first_one)
{
    add("timer", 2);
    add("read:pipe", 1);
    add("futex", 2);
    add("signal", 1);
    expect(6, "2 timer; 2 futex; 1 read:pipe; 1 signal");
}

Test(tally, who_was_not_asked_is_in_the_last_one)
{
    add("condvar", 3);
    expect(10000, "3 condvar; 9997 other");
}

Test(tally, of_nobody_there_is_nothing_to_say)
{
    expect(0, "");
    hl_tally_begin(&tally);
    expect(7, "7 other");
}

Test(tally, it_begins_anew)
{
    add("condvar", 3);
    hl_tally_begin(&tally);
    add("timer", 1);
    expect(1, "1 timer");
}

Test(tally, it_knows_whether_all_wait_for_the_same)
{
    cr_expect_not(hl_tally_is_all(&tally, "?"));
    add("?", 2);
    cr_expect(hl_tally_is_all(&tally, "?"));
    cr_expect_not(hl_tally_is_all(&tally, "timer"));
    add("timer", 1);
    cr_expect_not(hl_tally_is_all(&tally, "?"));
}

Test(tally, more_kinds_than_it_can_tell_apart_are_others)
{
    add_different(HL_TALLY_KINDS, 9);
    add("one too many", 40);
    add("000xxxxxx", 1);
    hl_tally_write(&tally, HL_TALLY_KINDS + 41, text);
    cr_expect_eq(strncmp(text, "2 000xxxxxx; 1 001xxxxxx; ", 26), 0, "%.40s", text);
    cr_expect_null(strstr(text, "one too many"));
    cr_expect_eq(sum(), HL_TALLY_KINDS + 41);
}

/* Whatever they are, nothing is cut within, and the numbers add up. */
Test(tally, words_without_room_are_others_and_the_numbers_add_up)
{
    for (size_t bytes = 8; bytes < HL_WAIT_BYTES; bytes += 3) {
        hl_tally_begin(&tally);
        add_different(HL_TALLY_KINDS, bytes);
        memset(text, 'x', sizeof text);
        hl_tally_write(&tally, HL_TALLY_KINDS, text);
        size_t length = strlen(text);
        cr_assert_lt(length, HL_TALLY_BYTES);
        cr_assert_eq(sum(), HL_TALLY_KINDS, "%zu: %s", bytes, text);
        bool is_cut = strstr(text, " other") != NULL;
        cr_assert(!is_cut || length + bytes + 40 > HL_TALLY_BYTES, "%zu: %zu", bytes, length);
    }
}

Test(tally, the_longest_remainder_has_room)
{
    add_different(HL_TALLY_KINDS, 9);
    hl_tally_write(&tally, UINT64_MAX, text);
    cr_expect(strstr(text, " other"));
    cr_expect_str_eq(text + strlen(text) - 6, " other");
}
