/* tests/unit/test_scope.c - a thread's own stack of scopes: what a reader sees
 * after each call, and after each way in which a program can forget one. */
#define _GNU_SOURCE
#include "../../monitor/registry.h"
#include "../../monitor/snapshot.h"
#include "../../monitor/wake.h"
#include "../doubles/scripted_platform.h"

#include <heartline/scope.h>

#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define DAY_NS (24 * 3600 * SCRIPTED_S)

static struct hl_stack stack;
static struct hl_losses losses;

/* The calling thread's own stack, as the monitor would read it. */
static void look(void)
{
    const struct hl_record *record = hl_registry_self();
    memset(&stack, 0, sizeof stack);
    if (hl_is_record(record))
        hl_snapshot(record, record->index, &stack);
    hl_registry_losses(&losses);
}

static void expect_path_at(int line, size_t count, ...)
{
    look();
    cr_expect(count == 0 || stack.whole, "line %d: the stack is not whole", line);
    cr_expect_eq(stack.count, count, "line %d: %u scopes instead of %zu", line,
                 (unsigned)stack.count, count);
    va_list labels;
    va_start(labels, count);
    for (size_t i = 0; i < count && i < stack.count; i++) {
        const char *label = va_arg(labels, const char *);
        cr_expect_str_eq(stack.scopes[i].label, label, "line %d, scope %zu", line, i);
    }
    va_end(labels);
}
#define expect_empty() expect_path_at(__LINE__, 0)
#define expect_path(...) \
    expect_path_at(__LINE__, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), __VA_ARGS__)

static void expect_losses_at(int line, uint64_t unbalanced, uint64_t repaired)
{
    hl_registry_losses(&losses);
    cr_expect_eq(losses.unbalanced, unbalanced, "line %d: unbalanced %lu", line,
                 (unsigned long)losses.unbalanced);
    cr_expect_eq(losses.repaired, repaired, "line %d: repaired %lu", line,
                 (unsigned long)losses.repaired);
}
#define expect_losses(unbalanced, repaired) expect_losses_at(__LINE__, unbalanced, repaired)

static const struct hl_scope *innermost(void)
{
    look();
    cr_assert(stack.count > 0);
    return &stack.scopes[stack.count - 1];
}

static void in_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, body, argument), 0);
    pthread_join(thread, NULL);
}

/* ---- pushing and popping ------------------------------------------------------- */

Test(scope, a_push_is_seen_and_a_pop_takes_it_away)
{
    scope_push("load");
    expect_path("load");
    scope_pop();
    expect_empty();
    expect_losses(0, 0);
}

Test(scope, scopes_nest)
{
    scope_push("outer");
    {
        SCOPE("middle");
        scope_wait("inner");
        expect_path("outer", "middle", "inner");
        cr_expect(stack.scopes[2].waiting);
        cr_expect_not(stack.scopes[1].waiting);
        scope_pop();
        expect_path("outer", "middle");
    }
    expect_path("outer");
    scope_pop();
    expect_empty();
}

Test(scope, two_block_scopes_of_one_block_end_in_reverse_order)
{
    {
        SCOPE("first");
        SCOPE("second");
        SCOPE_WAIT("third");
        expect_path("first", "second", "third");
        cr_expect(innermost()->waiting);
    }
    expect_empty();
    expect_losses(0, 0);
}

Test(scope, a_push_carries_its_time_and_a_pop_that_leaves_a_scope_open_too)
{
    scope_push("outer");
    scripted_advance(5 * SCRIPTED_S);
    scope_push("inner");
    cr_expect_eq(innermost()->pushed_ns, SCRIPTED_START_NS + 5 * SCRIPTED_S);
    scripted_advance(SCRIPTED_S);
    scope_pop();
    look();
    cr_expect_eq(stack.popped_ns, SCRIPTED_START_NS + 6 * SCRIPTED_S);
    cr_expect_eq(stack.scopes[0].pushed_ns, SCRIPTED_START_NS);
}

Test(scope, scopes_are_timed_with_the_coarse_clock_unless_told_otherwise)
{
    scripted.coarse_lag_ns = 3 * SCRIPTED_MS;
    scope_push("coarse");
    cr_expect_eq(innermost()->pushed_ns, SCRIPTED_START_NS - 3 * SCRIPTED_MS);
    hl_plat_time_scopes_precisely(true);
    scope_push("precise");
    cr_expect_eq(innermost()->pushed_ns, SCRIPTED_START_NS);
}

Test(scope, a_push_beyond_what_is_kept_is_a_sign_of_life)
{
    for (int i = 0; i < HL_DEPTH; i++)
        scope_push("kept");
    scripted_advance(5 * SCRIPTED_S);
    scope_push("counted");
    look();
    cr_expect_eq(stack.depth, HL_DEPTH + 1);
    cr_expect_eq(stack.popped_ns, SCRIPTED_START_NS + 5 * SCRIPTED_S);
}

Test(scope, the_same_frame_used_again_is_another_scope)
{
    scope_push("same");
    uint64_t first = innermost()->scope;
    scope_pop();
    scope_push("same");
    cr_expect_neq(innermost()->scope, first);
}

Test(scope, errno_is_left_alone)
{
    errno = 4711;
    scope_push("first push of the thread");
    scope_pushf("%s %ls %f", "x", L"\xdcml\xe4ut", 1.5); /* fails in the C locale: EILSEQ */
    scope_expect(5);
    scope_progress progress = scope_push_progress("p", 3);
    scope_progress_add(progress, 1);
    scope_pop(), scope_pop(), scope_pop(), scope_pop();
    cr_expect_eq(errno, 4711);
}

/* ---- labels ---------------------------------------------------------------------- */

static const char *label_of(const char *label)
{
    scope_push(label);
    static char seen[HL_LABEL_BYTES];
    memcpy(seen, innermost()->label, sizeof seen);
    scope_pop();
    return seen;
}

static char *text_of(char byte, size_t length)
{
    char *text = malloc(length + 1); /* of exactly that size: ASan sees a byte too many */
    memset(text, byte, length);
    text[length] = '\0';
    return text;
}

Test(scope, every_length_up_to_79_is_kept_whole)
{
    for (size_t length = 0; length < HL_LABEL_BYTES; length++) {
        char *text = text_of('x', length);
        for (size_t i = 0; i < length; i++)
            text[i] = (char)('0' + i);
        cr_expect_str_eq(label_of(text), text, "length %zu", length);
        free(text);
    }
}

Test(scope, of_a_label_whose_length_is_known_no_other_byte_is_read)
{
    const char alphabet[HL_LABEL_BYTES + 1] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghi";
    for (size_t length = 0; length < HL_LABEL_BYTES; length++) {
        char *text = malloc(length + 1), seen[HL_LABEL_BYTES] = "";
        memcpy(text, alphabet, length); /* no terminator: under ASan, nothing there to read */
        char *exact = realloc(text, length ? length : 1);
        monitor_scope_push(exact, length, MONITOR_SCOPE_PLAIN, __builtin_frame_address(0),
                           __func__);
        memcpy(seen, innermost()->label, sizeof seen);
        scope_pop();
        cr_expect_eq(strlen(seen), length);
        cr_expect(memcmp(seen, alphabet, length) == 0, "length %zu: %s", length, seen);
        free(exact);
    }
}

Test(scope, eighty_bytes_are_cut_and_marked)
{
    char *text = text_of('x', 80);
    const char *label = label_of(text);
    cr_expect_eq(strlen(label), 79);
    cr_expect_eq(strspn(label, "x"), 76);
    cr_expect_str_eq(label + 76, "\xe2\x80\xa6");
    free(text);
}

Test(scope, a_label_is_measured_no_further_than_it_can_be_kept)
{
    char text[80]; /* no terminator in it */
    memset(text, 'x', sizeof text);
    cr_expect_eq(strlen(label_of(text)), 79);
}

Test(scope, a_label_of_one_megabyte_is_cut_on_a_character_boundary)
{
    static const char *const characters[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x8c"};
    for (size_t kind = 0; kind < 3; kind++) {
        size_t width = strlen(characters[kind]);
        for (size_t shift = 0; shift < width; shift++) {
            char *text = text_of('x', 1 << 20);
            for (size_t at = shift; at + width < 1 << 20; at += width)
                memcpy(text + at, characters[kind], width);
            const char *label = label_of(text);
            size_t kept = strlen(label) - 3;
            cr_expect(kept <= 76 && kept > 76 - width && (kept - shift) % width == 0,
                      "%zu bytes kept of characters of %zu after %zu", kept, width, shift);
            cr_expect(memcmp(label, text, kept) == 0);
            cr_expect_str_eq(label + kept, "\xe2\x80\xa6");
            free(text);
        }
    }
}

Test(scope, a_long_label_that_is_not_utf_8_is_cut_anywhere)
{
    char *text = text_of('\x80', 200);
    const char *label = label_of(text);
    cr_expect_eq(strlen(label), 79);
    cr_expect_eq((unsigned char)label[75], 0x80);
    cr_expect_str_eq(label + 76, "\xe2\x80\xa6");
    free(text);
}

Test(scope, a_long_literal_is_cut_too)
{
    scope_push("0123456789012345678901234567890123456789012345678901234567890123456789012345678"
               "9 and more");
    cr_expect_str_eq(innermost()->label, "012345678901234567890123456789012345678901234567890123456"
                                         "7890123456789012345\xe2\x80\xa6");
}

Test(scope, a_null_label_is_an_empty_one)
{
    const void *here = __builtin_frame_address(0);
    monitor_scope_push(NULL, SIZE_MAX, MONITOR_SCOPE_PLAIN, here, __func__);
    monitor_scope_push(NULL, 7, MONITOR_SCOPE_PLAIN, here, __func__);
    monitor_scope_pushf(here, __func__, NULL);
    expect_path("", "", "");
}

Test(scope, a_label_may_die_at_once)
{
    char *text = strdup("short-lived");
    scope_push(text);
    memset(text, '!', strlen(text));
    free(text);
    expect_path("short-lived");
}

Test(scope, a_shorter_label_leaves_nothing_of_a_longer_one)
{
    cr_expect_eq(strlen(label_of("a label that is rather long and fills many words")), 48);
    cr_expect_str_eq(label_of("short"), "short");
    cr_expect_str_eq(label_of(""), "");
}

Test(scope, formatted_labels)
{
    scope_pushf("%s %d of %d", "file", 3, 7);
    {
        SCOPEF("row %u", 12u);
        expect_path("file 3 of 7", "row 12");
    }
    scope_pushf("%500d", 1);
    cr_expect_eq(strlen(innermost()->label), 79);
    scope_pop();
    expect_path("file 3 of 7");
}

/* ---- limits ------------------------------------------------------------------------ */

Test(scope, an_expectation_is_of_the_innermost_scope)
{
    scope_push("outer");
    scope_push("inner");
    scripted_advance(SCRIPTED_S);
    scope_expect(250);
    look();
    cr_expect_not(stack.scopes[0].has_limit);
    cr_expect(stack.scopes[1].has_limit);
    cr_expect_eq(stack.scopes[1].limit_ns, 250 * SCRIPTED_MS);
    cr_expect_eq(stack.scopes[1].limit_since_ns, SCRIPTED_START_NS + SCRIPTED_S);
}

Test(scope, expecting_again_restarts_the_clock_of_the_same_scope)
{
    scope_push("x");
    scope_expect(250);
    uint64_t scope = innermost()->scope;
    scripted_advance(SCRIPTED_S);
    scope_expect(500);
    cr_expect_eq(innermost()->limit_ns, 500 * SCRIPTED_MS);
    cr_expect_eq(innermost()->limit_since_ns, SCRIPTED_START_NS + SCRIPTED_S);
    cr_expect_eq(innermost()->scope, scope);
}

Test(scope, a_scope_may_expect_a_hundred_thousand_times)
{
    scope_push("x");
    uint64_t scope = innermost()->scope;
    for (uint64_t i = 1; i <= 100000; i++) {
        scope_expect(i);
        if (i % 1000 == 0 || i < 10)
            cr_assert(innermost()->scope == scope && innermost()->limit_ns == i * SCRIPTED_MS);
    }
    scope_pop();
    scope_push("y");
    expect_path("y");
    cr_expect_not(innermost()->has_limit);
    cr_expect_eq(innermost()->scope, scope + 1);
}

Test(scope, zero_means_never_and_thirty_days_are_the_most)
{
    scope_wait("x");
    scope_expect(0);
    cr_expect(innermost()->has_limit && innermost()->waiting);
    cr_expect_eq(innermost()->limit_ns, 0);
    scope_expect(UINT64_MAX);
    cr_expect_eq(innermost()->limit_ns, 30 * DAY_NS);
    scope_expect(30ull * 24 * 3600 * 1000);
    cr_expect_eq(innermost()->limit_ns, 30 * DAY_NS);
}

Test(scope, an_expectation_without_a_scope_does_nothing)
{
    scope_expect(5);
    scope_push("x");
    scope_pop();
    scope_expect(5);
    scope_push("x");
    cr_expect_not(innermost()->has_limit);
}

/* ---- progress ------------------------------------------------------------------------ */

Test(scope, progress_is_added_and_set)
{
    scope_progress done = scope_push_progress("index files", 10);
    scope_progress_add(done, 3);
    cr_expect(innermost()->has_counter);
    cr_expect_eq(innermost()->current, 3);
    cr_expect_eq(innermost()->total, 10);
    scope_progress_set(done, 7, 20);
    cr_expect_eq(innermost()->current, 7);
    cr_expect_eq(innermost()->total, 20);
    scope_progress_add(done, 1);
    cr_expect_eq(innermost()->current, 8);
    scope_progress_set(done, 0, 0);
    cr_expect_eq(innermost()->current, 0);
    cr_expect_eq(innermost()->total, 0);
}

static void *add_seven(void *progress)
{
    scope_progress_add(*(scope_progress *)progress, 7);
    return NULL;
}

Test(scope, the_owner_adds_to_a_cell_of_its_own)
{
    scope_progress done = scope_push_progress("x", 0);
    pthread_t other;
    scope_progress_add(done, 5);
    pthread_create(&other, NULL, add_seven, &done);
    pthread_join(other, NULL);
    cr_expect_eq(done.counter->own, 5);
    cr_expect_eq(done.counter->shared, 7);
    cr_expect_eq(innermost()->current, 12);
}

Test(scope, a_thread_is_named_by_a_number_of_its_own)
{
    cr_expect_eq(monitor_thread_() % 2, 0, "generations are odd, so no owner's word is 0");
    cr_expect_eq(monitor_scope_thread() % 2, 0);
    scope_progress done = scope_push_progress("x", 0);
    cr_expect_eq(done.generation % 2, 1);
    cr_expect_eq(done.counter->owner, done.generation ^ monitor_thread_());
    scope_pop();
    cr_expect_eq(done.counter->owner, 0);
    cr_expect_eq(done.counter->generation, 0);
}

Test(scope, block_progress_ends_with_its_block)
{
    scope_progress leaked;
    {
        SCOPE_PROGRESS(done, "index files", 2);
        scope_progress_add(done, 1);
        expect_path("index files");
        cr_expect_eq(innermost()->current, 1);
        leaked = done;
    }
    expect_empty();
    scope_progress_add(leaked, 1);
    scope_progress_set(leaked, 5, 5);
    expect_losses(0, 0);
}

Test(scope, a_handle_of_zero_is_no_counter)
{
    scope_progress none = {0};
    scope_progress_add(none, 1);
    scope_progress_set(none, 1, 2);
}

Test(scope, a_bump_after_the_end_is_not_seen_on_the_next_63_counters)
{
    scope_progress old = scope_push_progress("old", 5);
    scope_pop();
    for (int i = 0; i < 63; i++) {
        SCOPE_PROGRESS(done, "new", 5);
        scope_progress_add(old, 100);
        scope_progress_set(old, 200, 300);
        cr_assert(innermost()->current == 0 && innermost()->total == 5);
        scope_progress_add(done, 1);
        cr_assert_eq(innermost()->current, 1);
    }
}

Test(scope, a_bump_after_the_end_is_never_seen_when_the_counter_is_used_again)
{
    scope_progress old = scope_push_progress("old", 5);
    scope_pop();
    for (int i = 0; i < 1000; i++) {
        SCOPE_PROGRESS(done, "new", 5);
        scope_progress_add(old, 100);
        cr_assert_eq(innermost()->current, 0);
    }
}

Test(scope, a_counter_rests_while_64_others_are_opened_even_with_31_open)
{
    for (int i = 0; i < HL_DEPTH - 1; i++)
        scope_push_progress("stays", 0);
    struct monitor_progress *first = scope_push_progress("one", 0).counter;
    scope_pop();
    for (int i = 0; i < 64; i++) {
        struct monitor_progress *other = scope_push_progress("other", 0).counter;
        cr_assert(other != NULL && other != first);
        scope_pop();
    }
}

Test(scope, a_push_beyond_what_is_kept_has_no_counter)
{
    for (int i = 0; i < HL_DEPTH; i++)
        scope_push("x");
    scope_progress none = scope_push_progress("too deep", 3);
    cr_expect_null(none.counter);
    scope_progress_add(none, 1);
}

Test(scope, counters_that_nobody_can_close_any_more_do_not_hang_the_thread)
{
    scope_push_progress("x", 0);
    struct hl_record *record = hl_registry_self();
    for (size_t i = 0; i < HL_COUNTERS; i++)
        hl_counter_release(&record->counters[i].generation, 99);
    scope_progress none = scope_push_progress("y", 0);
    cr_expect_null(none.counter);
    expect_path("x", "y");
}

Test(scope, without_memory_for_counters_progress_is_a_plain_scope)
{
    scripted.map_fails_at = 2;
    scope_progress none = scope_push_progress("x", 3);
    cr_expect_null(none.counter);
    expect_path("x");
    cr_expect_not(innermost()->has_counter);
    scope_pop();
    expect_empty();
}

struct bumping {
    scope_progress progress;
    uint64_t times, n;
};

static void *bump(void *argument)
{
    const struct bumping *bumping = argument;
    for (uint64_t i = 0; i < bumping->times; i++)
        scope_progress_add(bumping->progress, bumping->n);
    return NULL;
}

Test(scope, the_owners_additions_and_everybody_elses_make_one_sum)
{
    SCOPE_PROGRESS(done, "sum", 0);
    struct bumping bumping = {done, 100000, 3};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, bump, &bumping);
    for (int i = 0; i < 100000; i++)
        scope_progress_add(done, 2);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(innermost()->current, 4 * 100000 * 3 + 100000 * 2);
}

static void *set_far(void *argument)
{
    const struct bumping *bumping = argument;
    for (uint64_t i = 0; i < bumping->times; i++)
        scope_progress_set(bumping->progress, bumping->n, bumping->n);
    return NULL;
}

Test(scope, of_several_setters_one_wins)
{
    SCOPE_PROGRESS(done, "set", 0);
    scope_progress_add(done, 17);
    for (int round = 0; round < 200; round++) {
        struct bumping first = {done, 100, 1000}, second = {done, 100, 2000000};
        pthread_t threads[2];
        pthread_create(&threads[0], NULL, set_far, &first);
        pthread_create(&threads[1], NULL, set_far, &second);
        for (int i = 0; i < 100; i++)
            scope_progress_set(done, 30, 30);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        uint64_t current = innermost()->current;
        cr_assert(current == 1000 || current == 2000000 || current == 30, "%lu",
                  (unsigned long)current);
    }
}

static _Atomic bool reading_is_over;

static void *set_back_and_forth(void *argument)
{
    scope_progress done = scope_push_progress("back and forth", 100);
    *(_Atomic(struct hl_record *) *)argument = hl_registry_self();
    while (!reading_is_over) {
        scope_progress_add(done, 50);
        scope_progress_set(done, 0, 100);
    }
    scope_pop();
    return NULL;
}

Test(scope, a_value_that_is_set_back_is_never_read_below_zero)
{
    static _Atomic(struct hl_record *) record;
    pthread_t thread;
    pthread_create(&thread, NULL, set_back_and_forth, (void *)&record);
    while (!record)
        sched_yield();
    uint64_t most = 0;
    for (int i = 0; i < 1000000; i++) {
        hl_snapshot(record, 0, &stack);
        if (stack.scopes[0].current > most)
            most = stack.scopes[0].current;
    }
    reading_is_over = true;
    pthread_join(thread, NULL);
    cr_expect(most < UINT64_C(1) << 63, "%lu", (unsigned long)most);
}

/* ---- what does not match ---------------------------------------------------------------- */

Test(scope, unmatched_pops_are_counted_and_change_nothing)
{
    scope_pop();
    scope_pop();
    expect_losses(2, 0);
    scope_push("x");
    scope_pop();
    scope_pop();
    expect_losses(3, 0);
    scope_push("y");
    expect_path("y");
}

Test(scope, a_pop_does_not_end_a_block_scope)
{
    SCOPE("block");
    scope_pop();
    expect_path("block");
    expect_losses(1, 0);
}

Test(scope, beyond_32_the_depth_is_still_exact)
{
    for (int i = 0; i < 100; i++)
        scope_push("x");
    look();
    cr_expect(stack.whole);
    cr_expect_eq(stack.depth, 100);
    cr_expect_eq(stack.count, HL_DEPTH);
    cr_expect_eq(losses.overflow, 68);
    for (int i = 0; i < 99; i++)
        scope_pop();
    expect_path("x");
    scope_pop();
    scope_pop();
    expect_losses(1, 0);
    cr_expect_eq(losses.overflow, 68);
}

static NOINLINE void nest_blocks(int levels)
{
    SCOPE("block");
    if (levels > 1)
        nest_blocks(levels - 1);
    else
        look();
}

Test(scope, block_scopes_beyond_32_end_where_they_began)
{
    nest_blocks(50);
    cr_expect_eq(stack.depth, 50);
    expect_empty();
    expect_losses(0, 0);
    cr_expect_eq(losses.overflow, 18);
}

Test(scope, a_block_beyond_32_repairs_what_was_left_inside_it)
{
    for (int i = 0; i < 40; i++)
        scope_push("x");
    {
        SCOPE("block");
        scope_push("forgotten");
        scope_push("forgotten");
    }
    look();
    cr_expect_eq(stack.depth, 40);
    expect_losses(0, 2);
}

static monitor_scope_token foreign_token;

static void *end_foreign_token(void *unused)
{
    scope_push("mine");
    monitor_scope_end(&foreign_token);
    look();
    scope_pop();
    return unused;
}

Test(scope, a_block_that_ends_on_another_thread_leaves_that_threads_scopes_alone)
{
    foreign_token = monitor_scope_begin_("here", MONITOR_SCOPE_PLAIN, __builtin_frame_address(0));
    in_thread(end_foreign_token, NULL);
    cr_expect_eq(stack.count, 1);
    cr_expect_str_eq(stack.scopes[0].label, "mine");
    expect_path("here");
    monitor_scope_end(&foreign_token);
    expect_empty();
    expect_losses(1, 0);
}

/* ---- repair ------------------------------------------------------------------------------ */

static jmp_buf jump;
static volatile bool jumps = true; /* what the compiler must not see through */

static NOINLINE void jump_out_of_blocks(int levels)
{
    SCOPE("dead");
    if (levels > 1)
        jump_out_of_blocks(levels - 1);
    else if (jumps)
        longjmp(jump, 1);
}

static NOINLINE void jump_out_of_plain(void)
{
    scope_push("dead plain");
    longjmp(jump, 1);
}

Test(scope, longjmp_over_block_scopes_is_repaired_at_the_next_push)
{
    scope_push("outer");
    if (setjmp(jump) == 0)
        jump_out_of_blocks(3);
    look();
    cr_expect_eq(stack.count, 4);
    scope_push("next");
    expect_path("outer", "next");
    expect_losses(0, 3);
}

Test(scope, longjmp_is_repaired_at_the_end_of_the_enclosing_block)
{
    {
        SCOPE("enclosing");
        if (setjmp(jump) == 0)
            jump_out_of_blocks(2);
    }
    expect_empty();
    expect_losses(0, 2);
}

Test(scope, longjmp_over_a_plain_scope_is_repaired_at_the_end_of_the_enclosing_block)
{
    {
        SCOPE("enclosing");
        if (setjmp(jump) == 0)
            jump_out_of_plain();
        scope_push("next");
        expect_path("enclosing", "dead plain", "next");
        scope_pop();
    }
    expect_empty();
    expect_losses(0, 1);
}

Test(scope, longjmp_over_progress_closes_the_counter)
{
    scope_progress done = {0};
    scope_progress *volatile kept = &done;
    if (setjmp(jump) == 0) {
        *kept = scope_push_progress("outer", 5);
        jump_out_of_blocks(1);
    }
    scope_push("next");
    expect_path("outer", "next");
    scope_progress_add(*kept, 2);
    cr_expect_eq(stack.scopes[0].current, 0);
    look();
    cr_expect_eq(stack.scopes[0].current, 2);
}

static NOINLINE void jump_out_of_a_counter(void)
{
    SCOPE_PROGRESS(done, "dead", 5);
    scope_progress_add(done, 1);
    longjmp(jump, 1);
}

Test(scope, counters_of_dead_scopes_are_given_back)
{
    for (volatile int i = 0; i < 500; i++)
        if (setjmp(jump) == 0)
            jump_out_of_a_counter();
    scope_progress done = scope_push_progress("next", 0);
    cr_expect_not_null(done.counter);
    expect_path("next");
    expect_losses(0, 500);
}

static NOINLINE void begin(const char *label)
{
    scope_push(label);
}

static NOINLINE void end(void)
{
    scope_pop();
}

Test(scope, helpers_that_begin_and_end_are_never_pruned)
{
    begin("a");
    begin("b");
    {
        SCOPE("block");
        begin("c");
        expect_path("a", "b", "block", "c");
        end();
    }
    scope_push("d");
    expect_path("a", "b", "d");
    scope_pop();
    end();
    expect_path("a");
    end();
    expect_empty();
    expect_losses(0, 0);
}

static NOINLINE void work_and_jump(void)
{
    char room[64];
    memset(room, 0, sizeof room);
    __asm__ volatile("" ::"r"(room) : "memory");
    jump_out_of_blocks(2);
    __asm__ volatile("" ::"r"(room) : "memory");
}

Test(scope, a_helper_that_ends_hits_its_scope_also_below_dead_blocks)
{
    begin("work");
    if (setjmp(jump) == 0)
        work_and_jump();
    end();
    expect_empty();
    expect_losses(0, 2);
}

static NOINLINE void forget_one(void)
{
    scope_push("forgotten");
}

static NOINLINE void open_forget_close(void)
{
    scope_push("mine");
    forget_one();
    forget_one();
    expect_path("outer", "mine", "forgotten", "forgotten");
    scope_pop();
}

Test(scope, a_pop_in_the_openers_function_truncates_what_is_dead)
{
    scope_push("outer");
    open_forget_close();
    expect_path("outer");
    expect_losses(0, 2);
}

static NOINLINE void pop_a_live_one(void)
{
    SCOPE("deeper");
    end();
}

Test(scope, a_pop_never_removes_a_live_block)
{
    begin("a");
    pop_a_live_one();
    expect_path("a");
    expect_losses(1, 0);
}

/* A coroutine on a stack of its own, at addresses above or below the thread's. */
static ucontext_t caller_context, coroutine_context;

static void run_coroutine(void)
{
    SCOPE("in the coroutine");
    swapcontext(&coroutine_context, &caller_context);
    scope_push("again in it");
    expect_path("thread", "in the coroutine", "outside", "again in it");
    scope_pop();
    swapcontext(&coroutine_context, &caller_context);
}

Test(scope, a_coroutines_stack_is_never_taken_for_a_dead_one)
{
    size_t size = 256 << 10;
    char *memory = malloc(size);
    getcontext(&coroutine_context);
    coroutine_context.uc_stack.ss_sp = memory;
    coroutine_context.uc_stack.ss_size = size;
    coroutine_context.uc_link = NULL;
    makecontext(&coroutine_context, run_coroutine, 0);
    {
        SCOPE("thread");
        swapcontext(&caller_context, &coroutine_context);
        expect_path("thread", "in the coroutine");
        scope_push("outside");
        expect_path("thread", "in the coroutine", "outside");
        swapcontext(&caller_context, &coroutine_context);
        scope_pop();
        expect_path("thread", "in the coroutine");
        expect_losses(0, 0);
    }
    expect_empty();
    expect_losses(0, 1);
    free(memory);
}

Test(scope, where_the_stack_cannot_be_told_nothing_is_pruned_at_a_push)
{
    scripted.stack_scripted = true;
    if (setjmp(jump) == 0)
        jump_out_of_blocks(1);
    scope_push("next");
    expect_path("dead", "next");
    scope_pop();
    expect_losses(0, 0);
}

/* ---- what signal handlers may do ------------------------------------------------------------ */

static sigjmp_buf out_of_handler;

static void leave_handler(int number)
{
    (void)number;
    SCOPE("in the handler");
    siglongjmp(out_of_handler, 1);
}

Test(scope, siglongjmp_out_of_a_handler_is_repaired)
{
    scope_push("outer");
    struct sigaction action = {.sa_handler = leave_handler};
    sigaction(SIGUSR1, &action, NULL);
    if (sigsetjmp(out_of_handler, 1) == 0)
        raise(SIGUSR1);
    scope_push("next");
    expect_path("outer", "next");
    expect_losses(0, 1);
}

/* As when a handler leaves with longjmp while a push is at work: the depth is
 * counted, the frame still holds the words of an earlier scope. */
Test(scope, a_push_that_was_left_halfway_harms_no_other_scopes_counter)
{
    scope_push("outer");
    scope_progress old = scope_push_progress("old", 1);
    scope_pop();
    struct hl_record *record = hl_registry_self();
    {
        SCOPE("block");
        atomic_store(&record->depth, 3); /* frame 2 was never used */
        look();
        cr_expect_not(stack.whole);
        cr_expect_eq(stack.count, 2);
    }
    atomic_store(&record->depth, 2); /* frame 1 holds "block", which has ended */
    hl_release(&record->frames[1].kind, UINT64_C(1) << HL_KIND_COUNTER_SHIFT);
    uint64_t generation = hl_counter_get(&old.counter->generation);
    monitor_scope_pop(__builtin_frame_address(0), __func__);
    hl_scope_clear(record, false);
    cr_expect_eq(hl_counter_get(&record->counters[0].generation), generation);
    expect_empty();
}

/* ---- ends of threads --------------------------------------------------------------------------- */

static struct hl_record *thread_record;

static NOINLINE void exit_from_inside(void)
{
    SCOPE("inner");
    pthread_exit(NULL);
}

static void *exit_in_a_scope(void *unused)
{
    scope_push("outer");
    thread_record = hl_registry_self();
    exit_from_inside();
    return unused;
}

Test(scope, pthread_exit_in_a_scope_is_cleared_and_counted)
{
    in_thread(exit_in_a_scope, NULL);
    cr_expect_not(hl_snapshot(thread_record, thread_record->index, &stack));
    cr_expect_eq(atomic_load(&thread_record->depth), 0);
    hl_registry_losses(&losses);
    cr_expect_eq(losses.vanished, 1);
}

static _Atomic bool cleanup_ran, waits_for_cancel;

static void note_cleanup(int *unused)
{
    (void)unused;
    cleanup_ran = true;
}

static void *wait_for_cancel(void *unused)
{
    __attribute__((cleanup(note_cleanup))) int noted = 0;
    (void)noted;
    SCOPE("cancelled");
    thread_record = hl_registry_self();
    waits_for_cancel = true;
    for (;;)
        pause();
    return unused;
}

/* With -fexceptions the cleanup ends the scope, without it the thread's end does. */
Test(scope, pthread_cancel_in_a_scope_leaves_nothing_behind)
{
    pthread_t thread;
    pthread_create(&thread, NULL, wait_for_cancel, NULL);
    while (!waits_for_cancel)
        sched_yield();
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    cr_expect_not(hl_snapshot(thread_record, thread_record->index, &stack));
    hl_registry_losses(&losses);
    cr_expect_eq(losses.vanished, cleanup_ran ? 0 : 1);
}

static void end_scope(void *token)
{
    monitor_scope_end(token);
}

static void *wait_for_cancel_with_cleanup(void *unused)
{
    monitor_scope_token token =
        monitor_scope_begin_("cancelled", MONITOR_SCOPE_PLAIN, __builtin_frame_address(0));
    pthread_cleanup_push(end_scope, &token);
    waits_for_cancel = true;
    for (;;)
        pause();
    pthread_cleanup_pop(1);
    return unused;
}

Test(scope, a_cleanup_that_runs_in_a_cancelled_thread_ends_its_scope)
{
    pthread_t thread;
    pthread_create(&thread, NULL, wait_for_cancel_with_cleanup, NULL);
    while (!waits_for_cancel)
        sched_yield();
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    hl_registry_losses(&losses);
    cr_expect_eq(losses.vanished, 0);
    expect_losses(0, 0);
}

/* ---- a random walk beside a simple stack ---------------------------------------------------------- */

#define WALK_STEPS 100000
#define WALK_LEVELS 24
#define MODEL_DEEPEST 1024

/* What the documentation says, done the slow way. */
static struct {
    struct model_scope {
        uint64_t serial;
        bool block;
        uintptr_t address;
        const char *function;
    } scopes[MODEL_DEEPEST];
    uint32_t depth;
    uint64_t overflow, unbalanced, repaired;
} model;

static struct {
    uint64_t random, serial;
    int steps_left;
    uint32_t deepest, room;
    jmp_buf jumps[WALK_LEVELS + 1];
    const char *wrong;
} walking;

static uint64_t next_random(void)
{
    walking.random ^= walking.random << 13;
    walking.random ^= walking.random >> 7;
    walking.random ^= walking.random << 17;
    return walking.random >> 11;
}

static void model_truncate(uint32_t depth)
{
    model.repaired += model.depth - depth;
    model.depth = depth;
}

static uint32_t model_kept(void)
{
    return model.depth < HL_DEPTH ? model.depth : HL_DEPTH;
}

static void model_prune(uintptr_t caller)
{
    uint32_t keep = model_kept();
    while (keep > 0 && model.scopes[keep - 1].block && model.scopes[keep - 1].address < caller)
        keep--;
    if (keep < model_kept())
        model_truncate(keep);
}

static void model_push(bool block, uintptr_t caller, const char *function)
{
    model_prune(caller);
    if (model.depth >= HL_DEPTH)
        model.overflow++;
    model.scopes[model.depth++] = (struct model_scope){walking.serial, block, caller, function};
}

static bool model_all_dead(uint32_t from, uintptr_t caller)
{
    for (uint32_t i = from; i < model.depth; i++)
        if (model.scopes[i].address >= caller)
            return false;
    return true;
}

static void model_pop(uintptr_t caller, const char *function)
{
    if (model.depth > HL_DEPTH) {
        model.depth--;
        return;
    }
    model_prune(caller);
    for (uint32_t i = model.depth; i-- > 0;) {
        const struct model_scope *scope = &model.scopes[i];
        if (scope->block || scope->address != caller || scope->function != function)
            continue;
        if (!model_all_dead(i + 1, caller))
            break;
        model_truncate(i + 1);
        model.depth--;
        return;
    }
    if (model.depth > 0 && !model.scopes[model.depth - 1].block)
        model.depth--;
    else
        model.unbalanced++;
}

struct mark {
    uint32_t index;
    uint64_t serial;
};

static void model_end(struct mark mark)
{
    if (model.depth <= mark.index)
        return;
    if (mark.index < HL_DEPTH && model.scopes[mark.index].serial != mark.serial)
        return;
    model_truncate(mark.index + 1);
    model.depth--;
}

static void compare(void)
{
    look();
    if (model.depth > walking.deepest)
        walking.deepest = model.depth;
    const char *wrong = NULL;
    if (stack.depth != model.depth || stack.count != model_kept() || !stack.whole)
        wrong = "depth";
    else if (losses.overflow != model.overflow)
        wrong = "overflow";
    else if (losses.unbalanced != model.unbalanced)
        wrong = "unbalanced";
    else if (losses.repaired != model.repaired)
        wrong = "repaired";
    for (uint32_t i = 0; !wrong && i < stack.count; i++)
        if (strtoull(stack.scopes[i].label, NULL, 10) != model.scopes[i].serial)
            wrong = "labels";
    if (wrong && !walking.wrong) {
        walking.wrong = wrong;
        walking.steps_left = 0;
    }
}

static const char *next_label(void)
{
    static char label[32];
    snprintf(label, sizeof label, "%llu", (unsigned long long)++walking.serial);
    return label;
}

#define HERE ((uintptr_t)__builtin_frame_address(0))

static NOINLINE void begin_in_walk(void)
{
    const char *label = next_label();
    model_push(false, HERE, __func__);
    scope_push(label);
}

static NOINLINE void end_in_walk(void)
{
    model_pop(HERE, __func__);
    scope_pop();
}

static void walk(int level);

static NOINLINE struct mark walk_in_scope(int level)
{
    const char *label = next_label();
    model_push(true, HERE, NULL);
    struct mark mark = {model.depth - 1, walking.serial};
    SCOPE(label);
    walk(level);
    return mark;
}

static NOINLINE struct mark walk_in_progress(int level)
{
    const char *label = next_label();
    model_push(true, HERE, NULL);
    struct mark mark = {model.depth - 1, walking.serial};
    SCOPE_PROGRESS(done, label, 3);
    scope_progress_add(done, 1);
    walk(level);
    return mark;
}

static NOINLINE void walk(int level)
{
    setjmp(walking.jumps[level]);
    while (walking.steps_left-- > 0) {
        compare();
        if (walking.steps_left % 256 == 0)
            walking.room = 1 + (uint32_t)next_random() % 60;
        const char *label;
        switch (next_random() % (level == 0 ? 18 : 20)) {
        case 0:
        case 1:
        case 2:
            if (model.depth >= walking.room)
                break;
            label = next_label();
            model_push(false, HERE, __func__);
            scope_push(label);
            break;
        case 3:
        case 4:
        case 5:
        case 14:
        case 15:
        case 16:
        case 17:
            model_pop(HERE, __func__);
            scope_pop();
            break;
        case 6:
            if (model.depth < walking.room)
                begin_in_walk();
            break;
        case 7:
            end_in_walk();
            break;
        case 8:
        case 9:
        case 10:
            if (level < WALK_LEVELS)
                model_end(walk_in_scope(level + 1));
            break;
        case 11:
            if (level < WALK_LEVELS)
                model_end(walk_in_progress(level + 1));
            break;
        case 12:
            if (level < WALK_LEVELS)
                walk(level + 1);
            break;
        case 13:
            if (next_random() % 4 == 0)
                longjmp(walking.jumps[next_random() % (uint64_t)(level + 1)], 1);
            break;
        default:
            return;
        }
    }
}

Test(scope, a_random_walk_agrees_with_a_simple_stack)
{
    static const uint64_t seeds[] = {1, 4711, 0x9e3779b97f4a7c15};
    scope_push("first");
    scope_pop();
    for (size_t i = 0; i < 3; i++) {
        walking.random = seeds[i];
        walking.steps_left = WALK_STEPS;
        walk(0);
        cr_assert_null(walking.wrong, "seed %zu: %s differ after %llu scopes", i, walking.wrong,
                       (unsigned long long)walking.serial);
        model.depth = 0;
        hl_scope_clear(hl_registry_self(), false);
    }
    cr_expect(model.repaired > 1000 && model.unbalanced > 1000 && model.overflow > 1000 &&
                  walking.deepest > HL_DEPTH + 4,
              "the walk was too tame: %lu repaired, %lu unbalanced, %lu overflow, %u deep",
              (unsigned long)model.repaired, (unsigned long)model.unbalanced,
              (unsigned long)model.overflow, (unsigned)walking.deepest);
    const struct hl_record *record = hl_registry_self();
    for (size_t i = 0; i < HL_COUNTERS; i++)
        cr_assert_eq(hl_counter_get(&record->counters[i].generation), 0, "counter %zu is open", i);
}

/* ---- at the edges ----------------------------------------------------------------- */

Test(scope, all_counters_take_turns)
{
    struct monitor_progress *seen[HL_COUNTERS];
    for (size_t i = 0; i < HL_COUNTERS; i++) {
        seen[i] = scope_push_progress("x", 0).counter;
        scope_pop();
        for (size_t other = 0; other < i; other++)
            cr_assert_neq(seen[i], seen[other]);
    }
    cr_expect_eq(scope_push_progress("x", 0).counter, seen[0]);
}

Test(scope, what_could_not_be_opened_has_a_token_of_nothing)
{
    scripted.map_fails_at = 1;
    scripted.map_fails_on = true;
    monitor_scope_token token =
        monitor_scope_begin("x", 1, MONITOR_SCOPE_PLAIN, __builtin_frame_address(0));
    cr_expect_eq(token.id, 0);
    monitor_scope_end(&token);
    scripted.map_fails_on = false;
    scope_push("y");
    expect_losses(0, 0);
    expect_path("y");
}

Test(scope, a_scope_with_progress_is_work_and_not_waiting)
{
    scope_push_progress("counted", 3);
    cr_expect_not(innermost()->waiting);
    {
        SCOPE_PROGRESS(done, "in a block", 3);
        (void)done;
        cr_expect_not(innermost()->waiting);
    }
}

/* ---- what comes too early, too late, or in between ---------------------------------------- */

static int refuse_to_read(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){77, 77};
    return -1;
}

Test(scope, a_clock_that_cannot_be_read_is_no_time)
{
    hl_plat_scope_clock.read = refuse_to_read;
    scope_push("outer");
    cr_expect_eq(innermost()->pushed_ns, 0);
    scope_push("inner");
    scope_pop();
    expect_path("outer");
    cr_expect_eq(stack.popped_ns, 0);
}

Test(scope, the_function_that_adds_is_the_macro_that_adds)
{
    scope_progress progress = scope_push_progress("counted", 10);
    (monitor_progress_add)(progress, 3);
    scope_progress_add(progress, 4);
    cr_expect_eq(innermost()->current, 7);
    scope_pop();
    (monitor_progress_add)(progress, 3);
    (monitor_progress_add)((scope_progress){0}, 3);
    scope_push_progress("another", 10);
    cr_expect_eq(innermost()->current, 0);
}

Test(scope, a_block_that_was_lost_ends_nothing)
{
    scripted.map_fails_at = 1;
    {
        SCOPE("lost");
        expect_empty();
        {
            SCOPE_PROGRESS(progress, "kept", 1);
            expect_path("kept");
        }
        scope_push("plain");
        expect_path("plain");
    }
    expect_path("plain");
    expect_losses(0, 0);
}

static void *lose_a_block(void *unused)
{
    scripted.map_fails_at = scripted.maps + 1;
    {
        SCOPE("lost");
    }
    cr_expect_not(hl_is_record(hl_registry_self()));
    return unused;
}

Test(scope, a_block_of_a_thread_without_a_record_ends_nothing)
{
    in_thread(lose_a_block, NULL);
    cr_expect_eq(hl_registry_count(), 0);
    expect_losses(0, 0);
}

/* As when a longjmp has passed by the block, and the next scope took its frame. */
Test(scope, a_block_whose_frame_is_anothers_now_leaves_it_alone)
{
    {
        SCOPE("block");
        struct hl_record *record = hl_registry_self();
        hl_scope_clear(record, false);
        scope_push("next");
        expect_path("next");
    }
    expect_path("next");
    expect_losses(0, 0);
}

static void jump_out_and_push(void)
{
    if (setjmp(jump) == 0)
        jump_out_of_blocks(1);
    scope_push("next");
}

Test(scope, where_the_stack_cannot_be_told_it_is_not_asked_for_ever)
{
    scripted.stack_scripted = true;
    for (int i = 0; i < 3; i++)
        jump_out_and_push();
    uint32_t tries = hl_registry_self()->stack_tries;
    cr_expect_leq(tries, 4);
    scripted.stack_low = 1;
    scripted.stack_high = UINTPTR_MAX;
    for (int i = 0; i < 10; i++)
        jump_out_and_push();
    cr_expect_eq(hl_registry_self()->stack_tries, 4);
}

static void *count_stack_tries(void *tries)
{
    scope_push("first");
    *(uint32_t *)tries = hl_registry_self()->stack_tries;
    hl_registry_self()->stack_tries = 4;
    return NULL;
}

Test(scope, who_gets_a_record_that_was_used_may_ask_for_its_own_stack)
{
    uint32_t tries;
    for (int i = 0; i < 2; i++) {
        in_thread(count_stack_tries, &tries);
        cr_expect_eq(tries, 0);
    }
    cr_expect_eq(hl_registry_count(), 1);
}
