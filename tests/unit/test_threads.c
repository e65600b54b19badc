/* tests/unit/test_threads.c - what each thread used since the last heartbeat. */
#include "../../monitor/threads.h"
#include "../doubles/scripted_platform.h"

#include <criterion/criterion.h>

static struct hl_threads threads;
static struct hl_plat *plat;

static void begin(void)
{
    plat = hl_plat_open();
    hl_threads_init(&threads);
}

static void end(void)
{
    hl_threads_free(&threads);
    hl_plat_close(plat);
    cr_expect_eq(scripted.mapped, 0);
}

TestSuite(threads, .init = begin, .fini = end);

static void sample_after(uint64_t ns)
{
    hl_threads_keep(&threads);
    scripted_advance(ns);
    hl_threads_sample(&threads, plat, scripted.now_ns);
}

static uint64_t used(uint64_t tid)
{
    const struct hl_thread_use *use = hl_threads_find(&threads, tid);
    cr_assert_not_null(use, "no thread %d", (int)tid);
    cr_expect_eq(use->tid, tid);
    return use->used_ns;
}

Test(threads, each_shows_what_it_used_between_two_readings)
{
    scripted_thread(10)->busy_milli = 500;
    scripted_thread(11)->cpu_ns = 777 * SCRIPTED_S;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    sample_after(10 * SCRIPTED_S);
    cr_expect(threads.known);
    cr_expect(hl_threads_are_complete(&threads));
    cr_expect_eq(hl_threads_count(&threads), 2);
    cr_expect_eq(used(10), 5 * SCRIPTED_S);
    cr_expect_eq(used(11), 0);
    cr_expect_null(hl_threads_find(&threads, 12));
}

Test(threads, without_keeping_the_baseline_stays)
{
    scripted_thread(10)->busy_milli = 1000;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    sample_after(1 * SCRIPTED_S);
    scripted_advance(1 * SCRIPTED_S);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    cr_expect_eq(used(10), 2 * SCRIPTED_S);
}

Test(threads, one_that_began_meanwhile_shows_all_it_used)
{
    scripted_thread(10);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    scripted_thread(11)->cpu_ns = 3 * SCRIPTED_S;
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(used(11), 3 * SCRIPTED_S);
}

Test(threads, one_whose_time_ran_backwards_is_a_new_one_with_an_old_number)
{
    scripted_thread(10)->cpu_ns = 100 * SCRIPTED_S;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    scripted_thread(10)->cpu_ns = 2 * SCRIPTED_S;
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(used(10), 2 * SCRIPTED_S);
}

Test(threads, one_that_ended_is_absent)
{
    scripted_thread(10);
    scripted_thread(11);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    scripted_thread_gone(10);
    sample_after(1);
    cr_expect_null(hl_threads_find(&threads, 10));
    cr_expect_eq(hl_threads_count(&threads), 1);
}

Test(threads, an_unknown_time_is_unknown_before_and_after)
{
    scripted_thread(10)->cpu_unknown = true;
    scripted_thread(11)->cpu_ns = 50 * SCRIPTED_S;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    scripted_thread(10)->cpu_unknown = false;
    scripted_thread(10)->cpu_ns = 70 * SCRIPTED_S;
    scripted_thread(11)->cpu_unknown = true;
    sample_after(1);
    cr_expect_eq(used(10), HL_UNKNOWN, "its time so far is not of this window");
    cr_expect_eq(used(11), HL_UNKNOWN);
}

Test(threads, without_a_baseline_nothing_is_known_of_the_window)
{
    scripted_thread(10)->cpu_ns = 50 * SCRIPTED_S;
    scripted_missing(HL_PLAT_THREAD_LIST, "too many open files");
    hl_threads_sample(&threads, plat, scripted.now_ns);
    cr_expect_not(threads.known);
    cr_expect_not(hl_threads_are_complete(&threads));
    cr_expect_eq(hl_threads_count(&threads), 0);
    scripted_missing(HL_PLAT_THREAD_LIST, NULL);
    sample_after(1);
    cr_expect_eq(used(10), HL_UNKNOWN);
    scripted_thread(10)->cpu_ns += 4;
    sample_after(1);
    cr_expect_eq(used(10), 4);
}

Test(threads, while_none_begins_and_none_ends_the_list_is_read_once)
{
    for (uint64_t tid = 1; tid <= 3; tid++)
        scripted_thread(tid)->busy_milli = 100 * tid;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    for (int i = 0; i < 5; i++) {
        sample_after(10 * SCRIPTED_S);
        cr_expect_eq(used(1), 1 * SCRIPTED_S);
        cr_expect_eq(used(3), 3 * SCRIPTED_S);
        cr_expect(hl_threads_are_complete(&threads));
        cr_expect_null(hl_threads_find(&threads, 4));
    }
    cr_expect_eq(scripted.lists, 1);
    scripted_thread(4)->cpu_ns = 7;
    scripted_thread_gone(1);
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(scripted.lists, 2);
    cr_expect_eq(used(2), 2 * SCRIPTED_S);
    cr_expect_eq(used(4), 7);
    cr_expect_null(hl_threads_find(&threads, 1));
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(scripted.lists, 2);
}

/* An extra heartbeat keeps nothing: the next one goes by the older list again. */
Test(threads, a_list_that_was_not_kept_changes_nothing)
{
    for (uint64_t tid = 1; tid <= 3; tid++)
        scripted_thread(tid)->busy_milli = 1000;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    hl_threads_keep(&threads);
    scripted_thread_gone(2);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    scripted_thread(4);
    scripted_advance(1 * SCRIPTED_S);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    cr_expect_eq(used(1), 1 * SCRIPTED_S);
    cr_expect_eq(used(3), 1 * SCRIPTED_S);
    cr_expect_eq(used(4), 0);
    cr_expect_null(hl_threads_find(&threads, 2));
    sample_after(2 * SCRIPTED_S);
    cr_expect_eq(used(3), 2 * SCRIPTED_S);
    cr_expect_eq(used(4), 0);
}

Test(threads, thousands_are_found_again)
{
    for (uint64_t tid = 1; tid <= 10000; tid++)
        scripted_thread(tid * 7)->cpu_ns = tid;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    hl_threads_keep(&threads);
    for (uint64_t tid = 1; tid <= 10000; tid += 500)
        scripted_thread(tid * 7)->cpu_ns += tid;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    cr_expect_eq(hl_threads_count(&threads), 10000);
    for (uint64_t tid = 1; tid <= 10000; tid++)
        cr_assert_eq(used(tid * 7), tid % 500 == 1 ? tid : 0);
    cr_expect_null(hl_threads_find(&threads, 3));
}

Test(threads, a_list_that_grows_while_it_is_read_is_read_again)
{
    for (uint64_t tid = 1; tid <= 5000; tid++)
        scripted_thread(tid);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    cr_expect_eq(hl_threads_count(&threads), 5000);
    cr_expect(hl_threads_are_complete(&threads));
}

Test(threads, without_memory_what_fits_is_taken_and_the_rest_is_unknown)
{
    for (uint64_t tid = 1; tid <= 5000; tid++)
        scripted_thread(tid)->cpu_ns = 9 * SCRIPTED_S;
    for (unsigned fails_at = 1; fails_at <= 4; fails_at++) {
        hl_threads_free(&threads);
        hl_threads_init(&threads);
        scripted.maps = 0;
        scripted.map_fails_at = fails_at;
        scripted.map_fails_on = true;
        hl_threads_sample(&threads, plat, scripted.now_ns);
        cr_expect_not(hl_threads_are_complete(&threads), "%u", fails_at);
        cr_expect_leq(hl_threads_count(&threads), 5000);
        scripted.map_fails_at = 0;
        sample_after(1);
        cr_expect_eq(hl_threads_count(&threads), 5000);
        cr_expect_eq(used(5000), HL_UNKNOWN, "not new, only not seen: %u", fails_at);
    }
}

/* ---- since when a thread is idle ----------------------------------------------------- */

static struct hl_thread_mark *mark(uint64_t tid)
{
    for (size_t i = 0; i < hl_threads_count(&threads); i++)
        if (hl_threads_at(&threads, i)->tid == tid)
            return hl_threads_mark(&threads, i);
    cr_assert_fail("no thread %d", (int)tid);
    return NULL;
}

static uint64_t idle(uint64_t tid)
{
    return scripted.now_ns - mark(tid)->idle_since_ns;
}

Test(threads, one_is_idle_since_the_first_reading_that_showed_its_time)
{
    scripted_thread(10);
    scripted_thread(11)->busy_milli = 1;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    cr_expect_eq(idle(10), 0);
    for (uint64_t i = 1; i <= 5; i++) {
        sample_after(10 * SCRIPTED_S);
        cr_expect_eq(idle(10), i * 10 * SCRIPTED_S);
        cr_expect_eq(idle(11), 0);
    }
    scripted_thread(10)->cpu_ns++;
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(idle(10), 0);
    scripted_thread(12);
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(idle(10), 10 * SCRIPTED_S);
    cr_expect_eq(idle(12), 0);
}

Test(threads, what_was_counted_while_it_is_idle_stays_with_it)
{
    scripted_thread(10);
    scripted_thread(11);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    mark(11)->looks = 2;
    scripted_thread_gone(10); /* 11 stands elsewhere in the list now */
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(mark(11)->looks, 2);
    scripted_thread(11)->cpu_ns++;
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(mark(11)->looks, 0);
}

Test(threads, without_keeping_one_is_as_idle_as_against_the_baseline)
{
    scripted_thread(10);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    sample_after(10 * SCRIPTED_S);
    scripted_advance(5 * SCRIPTED_S);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    cr_expect_eq(idle(10), 15 * SCRIPTED_S);
}

Test(threads, what_is_not_known_to_be_idle_is_not)
{
    scripted_thread(10)->cpu_unknown = true;
    scripted_thread(11);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    for (int i = 0; i < 3; i++) {
        sample_after(10 * SCRIPTED_S);
        cr_expect_eq(idle(10), 0);
    }
    scripted_missing(HL_PLAT_THREAD_LIST, "too many open files");
    sample_after(10 * SCRIPTED_S);
    scripted_missing(HL_PLAT_THREAD_LIST, NULL);
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(idle(11), 0, "who knows what it did meanwhile");
}

Test(threads, one_that_used_more_than_there_was_has_a_counter_that_leapt)
{
    scripted_thread(10)->cpu_ns = 5;
    scripted_thread(11)->busy_milli = 1000;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    scripted_thread(10)->cpu_ns += 584 * UINT64_C(365) * 86400 * SCRIPTED_S;
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(used(10), HL_UNKNOWN);
    cr_expect_eq(used(11), 10 * SCRIPTED_S, "that is all there was");
    cr_expect(threads.leapt);
    scripted_thread(10)->busy_milli = 500;
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(used(10), 5 * SCRIPTED_S, "it counts on from there");
    cr_expect_not(threads.leapt);
}

static void let_a_second_pass(void)
{
    scripted_advance(SCRIPTED_S);
}

Test(threads, time_that_passed_while_the_list_was_read_is_time_there_was)
{
    scripted_thread(10)->busy_milli = 1000;
    scripted.list_hook = let_a_second_pass;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    scripted_thread(11);
    sample_after(10 * SCRIPTED_MS);
    cr_expect_eq(used(10), SCRIPTED_S + 10 * SCRIPTED_MS);
}

Test(threads, those_that_ended_since_the_last_heartbeat_are_counted)
{
    for (uint64_t tid = 10; tid < 20; tid++)
        scripted_thread(tid);
    hl_threads_sample(&threads, plat, scripted.now_ns);
    cr_expect_eq(threads.gone, 0);
    scripted_thread_gone(11);
    scripted_thread_gone(15);
    scripted_thread(30);
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(threads.gone, 2);
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(threads.gone, 0, "the list is the same");
    scripted_thread_gone(12);
    scripted_missing(HL_PLAT_THREAD_LIST, "too many open files");
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(threads.gone, 0, "that is not known");
}

Test(threads, our_own_that_live_for_a_moment_are_not_counted_as_gone)
{
    scripted_thread(10);
    scripted_thread(11);
    scripted.is_learning = true;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    scripted.is_learning = false;
    scripted_thread_gone(11);
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(threads.gone, 0);
    scripted_thread_gone(10);
    sample_after(10 * SCRIPTED_S);
    cr_expect_eq(threads.gone, 1);
}

/* ---- without memory for a part ------------------------------------------------------------ */

static void sample_twice_without(unsigned nth_mapping)
{
    scripted_thread(10)->busy_milli = 500;
    hl_threads_sample(&threads, plat, scripted.now_ns);
    cr_assert(hl_threads_are_complete(&threads));
    scripted.map_fails_at = scripted.maps + nth_mapping;
    sample_after(10 * SCRIPTED_S);
    cr_expect_geq(scripted.maps, scripted.map_fails_at, "it was not asked for");
}

Test(threads, without_memory_to_read_a_list_again_it_is_listed_anew)
{
    unsigned lists = scripted.lists;
    sample_twice_without(1);
    cr_expect_eq(scripted.lists, lists + 2);
    cr_expect(hl_threads_are_complete(&threads));
    cr_expect_eq(used(10), 5 * SCRIPTED_S);
}

Test(threads, without_memory_for_what_is_known_of_each_nothing_is_found)
{
    sample_twice_without(2);
    cr_expect_not(hl_threads_are_complete(&threads));
    cr_expect_eq(hl_threads_count(&threads), 0);
    cr_expect_null(hl_threads_find(&threads, 10));
    sample_after(10 * SCRIPTED_S);
    cr_expect(hl_threads_are_complete(&threads));
    cr_expect_eq(used(10), HL_UNKNOWN, "the reading before was not whole");
}
