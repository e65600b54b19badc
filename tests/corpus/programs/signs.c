/* Signs of life, declared waiting, and limits of their own: what is no stall, and
 * what is one by exactly which limit. */
#define _GNU_SOURCE
#include "situations.h"

#include <heartline/scope.h>

#include <string.h>

/* The longest time without the sign that a row relies on: above `most`, the machine
 * stood still, and a STALL would be the truth. */
static int64_t longest_ns, last_ns;

static void sign(void)
{
    int64_t now = now_ns();
    if (last_ns != 0 && now - last_ns > longest_ns)
        longest_ns = now - last_ns;
    last_ns = now;
}

static void must_be_below(int64_t most_ms)
{
    sign();
    fact("longest_ms", "%lld", (long long)(longest_ns / 1000000));
    if (longest_ns / 1000000 >= most_ms)
        not_staged("the machine stood still for %lld ms", (long long)(longest_ns / 1000000));
}

/* No STALL may come before so many milliseconds have passed from now. */
static void not_before(int64_t ms)
{
    fact("earliest", "%lld", (long long)(now_ns() + ms * 1000000));
}

/* ---- progress ------------------------------------------------------------------------------- */

static void stage_progress(char **arguments)
{
    (void)arguments;
    begin();
    sign();
    scope_progress done = scope_push_progress("index files", 1000);
    for (int i = 0; i < 60; i++) {
        scope_progress_add(done, 1);
        sign();
        sleep_ms(25);
    }
    must_be_below(250);
    scope_pop();
    end();
}

static void play_copy(void *with)
{
    const struct gate *gate = with;
    scope_progress done = scope_push_progress("copy", 1000);
    scope_progress_add(done, 350);
    gate_wait(gate);
    scope_pop();
}

static void stage_frozen(char **arguments)
{
    struct gate gate;
    (void)arguments;
    gate_make(&gate);
    begin();
    struct actor *copier = enter("copier", play_copy, &gate);
    hear_stall_of("/copier");
    gate_open(&gate);
    leave(copier);
    hear_recovered(1);
    end();
}

/* ---- waiting -------------------------------------------------------------------------------------- */

/* Twice the limit, in which nothing may be said. */
static void stage_waiting(char **arguments)
{
    (void)arguments;
    begin();
    scope_wait("for a client");
    sleep_ms(800);
    scope_pop();
    end();
}

/* The pop is a sign of life, from which the outer scope is judged again. */
static void stage_waiting_in_work(char **arguments)
{
    (void)arguments;
    begin();
    sign();
    scope_push("work");
    scope_wait("for an answer");
    must_be_below(250);
    sleep_ms(800);
    not_before(300);
    scope_pop();
    heard("STALL", 2, NULL);
    scope_pop();
    hear_recovered(1);
    end();
}

static void stage_work_in_waiting(char **arguments)
{
    (void)arguments;
    begin();
    scope_wait("for a job");
    scope_push("job");
    heard("STALL", 2, NULL);
    scope_pop();
    hear_recovered(1);
    sleep_ms(800);
    scope_pop();
    end();
}

/* ---- limits of their own ----------------------------------------------------------------------------- */

static void stage_longer(char **arguments)
{
    (void)arguments;
    begin();
    sign();
    scope_push("long work");
    scope_expect(60000);
    must_be_below(250);
    sleep_ms(800);
    scope_pop();
    end();
}

static void stage_shorter(char **arguments)
{
    bool is_waiting = *arguments && strcmp(*arguments, "waiting") == 0;
    begin();
    if (is_waiting)
        scope_wait("short work");
    else
        scope_push("short work");
    not_before(200);
    scope_expect(200);
    heard("STALL", 2, NULL);
    scope_pop();
    hear_recovered(1);
    end();
}

static void stage_cancelled(char **arguments)
{
    (void)arguments;
    begin();
    sign();
    scope_push("any work");
    scope_expect(200);
    scope_expect(0);
    must_be_below(200);
    sleep_ms(800);
    scope_pop();
    end();
}

static void stage_cancelled_late(char **arguments)
{
    (void)arguments;
    begin();
    scope_push("any work");
    scope_expect(200);
    heard("STALL", 1, NULL);
    scope_expect(0);
    hear_recovered(1);
    sleep_ms(800);
    scope_pop();
    end();
}

static void stage_restarted(char **arguments)
{
    (void)arguments;
    begin();
    sign();
    scope_push("batch");
    for (int i = 0; i < 12; i++) {
        scope_expect(400);
        sign();
        sleep_ms(80);
    }
    must_be_below(350);
    not_before(400);
    scope_expect(400);
    heard("STALL", 1, NULL);
    scope_pop();
    hear_recovered(1);
    end();
}

/* outer [own]: inner scopes come and go all the time */
static void stage_outer(char **arguments)
{
    bool has_limit = *arguments != NULL;
    begin();
    not_before(400);
    scope_push("batch");
    if (has_limit)
        scope_expect(400);
    for (int64_t until = now_ns() + 1000000000; now_ns() < until;) {
        scope_push("item");
        sign();
        scope_pop();
        sleep_ms(1);
    }
    must_be_below(250);
    if (has_limit)
        heard("STALL", 1, NULL);
    scope_pop();
    if (has_limit)
        hear_recovered(1);
    end();
}

const struct situation sign_situations[] = {
    {"progress", stage_progress},
    {"frozen", stage_frozen},
    {"waiting", stage_waiting},
    {"waiting-in-work", stage_waiting_in_work},
    {"work-in-waiting", stage_work_in_waiting},
    {"longer", stage_longer},
    {"shorter", stage_shorter},
    {"cancelled", stage_cancelled},
    {"cancelled-late", stage_cancelled_late},
    {"restarted", stage_restarted},
    {"outer", stage_outer},
    {NULL, NULL},
};
