/* Cases are kept in a table of fixed size, a few for each hash of the tid; where
 * it is full, the one that was looked at least recently makes room, and what is
 * lost is only the memory of earlier looks. A base is used for a suspicion that
 * is younger than it, or taken anew. */
#include "inquiry.h"

#include "owner.h"
#include "wait_words.h"

#include <string.h>

#define SETS 256
#define WAYS 4
#define QUESTIONS 40      /* about threads outside any scope, at one heartbeat, */
#define HEARTBEATS 32     /* or so many that each has its turn within these */
#define LOOK_COST 4       /* a look into a thread is worth so many */
#define FRESH 1000000ull  /* a look is not taken twice within this */
#define AGAIN 10000000ull /* what may be a deadlock is looked at again */

/* Texts of a look are copied into a view as they are. */
_Static_assert(HL_CALL_BYTES == HL_PLAT_CALL_BYTES && HL_CHANNEL_BYTES == HL_PLAT_CHANNEL_BYTES &&
                   HL_ADDRESS_BYTES == HL_PLAT_ADDRESS_BYTES,
               "event.h knows no platform");

struct hl_case {
    uint64_t tid, start;
    uint64_t switches;     /* when it was last seen, HL_UNKNOWN = not known */
    uint64_t wait_seen_ns; /* when it was first seen with that many */
    uint64_t looked_ns;
    struct hl_evidence base; /* of a thread at the end of a chain */
};

void hl_inquiry_init(struct hl_inquiry *inquiry, struct hl_plat *plat, const struct hl_clock *clock,
                     const struct hl_plat_limits *limits)
{
    *inquiry = (struct hl_inquiry){.plat = plat,
                                   .clock = clock,
                                   .limits = limits,
                                   .cases = {.element = sizeof(struct hl_case)}};
    hl_deadlocks_init(&inquiry->deadlocks);
}

void hl_inquiry_free(struct hl_inquiry *inquiry)
{
    hl_array_free(&inquiry->cases);
    hl_deadlocks_free(&inquiry->deadlocks);
}

void hl_inquiry_begin(struct hl_inquiry *inquiry, uint64_t now_ns)
{
    inquiry->now_ns = now_ns;
    inquiry->throttled_is_read = false;
    for (size_t i = 0; i < HL_LOOKS_KEPT; i++)
        inquiry->looks[i].tid = 0;
}

/* ---- the cheap part -------------------------------------------------------------- */

static uint64_t throttled(struct hl_inquiry *inquiry)
{
    if (inquiry->limits->quota_milli == 0)
        return HL_UNKNOWN;
    if (!inquiry->throttled_is_read) {
        inquiry->throttled_is_read = true;
        if (!hl_plat_throttled(inquiry->plat, &inquiry->throttled_ns))
            inquiry->throttled_ns = HL_UNKNOWN;
    }
    return inquiry->throttled_ns;
}

static void fill_evidence(struct hl_inquiry *inquiry, uint64_t tid, uint64_t now_ns,
                          const struct hl_plat_thread_state *state, struct hl_evidence *evidence)
{
    *evidence = (struct hl_evidence){.known = state != NULL,
                                     .at_ns = now_ns,
                                     .on_core_ns = HL_UNKNOWN,
                                     .run_delay_ns = HL_UNKNOWN,
                                     .switches = HL_UNKNOWN,
                                     .sleeps = HL_UNKNOWN,
                                     .throttled_ns = throttled(inquiry)};
    if (!state)
        return;
    evidence->state = state->state;
    if (state->times_known) {
        evidence->on_core_ns = state->on_core_ns;
        evidence->run_delay_ns = state->run_delay_ns;
        evidence->switches = state->switches;
    }
    if (state->state != 'R' || !hl_plat_thread_sleeps(inquiry->plat, tid, &evidence->sleeps))
        evidence->sleeps = HL_UNKNOWN;
    uint64_t cpu_ns; /* up to the moment, where the scheduler's own figure lags by a tick */
    if (hl_plat_thread_cpu(inquiry->plat, tid, &cpu_ns))
        evidence->on_core_ns = cpu_ns;
}

void hl_inquiry_evidence(struct hl_inquiry *inquiry, uint64_t tid, uint64_t now_ns,
                         struct hl_evidence *evidence)
{
    struct hl_plat_thread_state state;
    bool known = hl_plat_thread_state(inquiry->plat, tid, &state);
    fill_evidence(inquiry, tid, now_ns, known ? &state : NULL, evidence);
}

bool hl_inquiry_sleeps_on(struct hl_inquiry *inquiry, uint64_t tid, const struct hl_evidence *then)
{
    uint64_t cpu_ns;
    return hl_plat_is_asleep(then->state) && hl_plat_thread_cpu(inquiry->plat, tid, &cpu_ns) &&
           cpu_ns == then->on_core_ns;
}

/* ---- memory of earlier looks ------------------------------------------------------- */

/* The thread's own, or the one that makes room for it. */
static struct hl_case *place_of(struct hl_inquiry *inquiry, uint64_t tid)
{
    size_t set = (size_t)(tid * 0x9e3779b97f4a7c15ull >> 56) % SETS;
    struct hl_case *cases = (struct hl_case *)inquiry->cases.memory + set * WAYS;
    struct hl_case *place = cases;
    for (size_t i = 0; i < WAYS; i++) {
        if (cases[i].tid == tid)
            return &cases[i];
        if (cases[i].looked_ns < place->looked_ns)
            place = &cases[i];
    }
    return place;
}

/* NULL: there is no memory. */
static struct hl_case *case_of(struct hl_inquiry *inquiry, uint64_t tid,
                               const struct hl_plat_thread_state *state)
{
    if (!hl_array_reserve(&inquiry->cases, (size_t)SETS * WAYS))
        return NULL;
    struct hl_case *file = place_of(inquiry, tid);
    if (file->tid != tid || file->start != state->start)
        *file = (struct hl_case){.tid = tid, .start = state->start, .switches = HL_UNKNOWN};
    file->looked_ns = inquiry->now_ns;
    return file;
}

/* For how long it has been seen without having run in between. */
static uint64_t note_wait(struct hl_inquiry *inquiry, uint64_t tid,
                          const struct hl_plat_thread_state *state)
{
    struct hl_case *file = state->start_known ? case_of(inquiry, tid, state) : NULL;
    if (!file || !state->times_known)
        return 0;
    if (file->switches != state->switches) {
        file->switches = state->switches;
        file->wait_seen_ns = inquiry->now_ns;
    }
    return inquiry->now_ns - file->wait_seen_ns;
}

/* ---- chains --------------------------------------------------------------------------- */

static bool look_into(void *context, uint64_t tid, struct hl_link *link)
{
    struct hl_inquiry *inquiry = context;
    size_t place = tid % HL_LOOKS_KEPT;
    struct hl_link *kept = &inquiry->looks[place];
    uint64_t now = hl_plat_now_ns();
    if (kept->tid != tid || now - inquiry->looked_ns[place] > FRESH) {
        kept->tid = 0;
        if (!hl_plat_look(inquiry->plat, tid, &kept->look))
            return false;
        kept->tid = tid;
        kept->holder_why = hl_plat_why(inquiry->plat, HL_PLAT_HOLDER);
        kept->waited_ns = note_wait(inquiry, tid, &kept->look.state);
        inquiry->looked_ns[place] = now;
    }
    *link = *kept;
    return true;
}

static bool follow(struct hl_inquiry *inquiry, uint64_t tid)
{
    struct hl_chain *chain = &inquiry->chain;
    if (!hl_chain_follow(chain, tid, look_into, inquiry))
        return false;
    if (chain->is_cycle)
        hl_deadlocks_see(&inquiry->deadlocks, chain, 0, inquiry->now_ns);
    return true;
}

static const struct hl_link *root_of(const struct hl_chain *chain)
{
    return chain->is_cycle || chain->count < 2 ? NULL : &chain->links[chain->count - 1];
}

/* Its first evidence since then; the present one when there is none. */
static void take_base(struct hl_inquiry *inquiry, const struct hl_link *root, uint64_t since_ns,
                      const struct hl_evidence *now, struct hl_evidence *base)
{
    struct hl_case *file = case_of(inquiry, root->tid, &root->look.state);
    *base = *now;
    if (!file)
        return;
    if (!file->base.known || file->base.at_ns < since_ns)
        file->base = *now;
    *base = file->base;
}

static enum hl_verdict judge_root(struct hl_inquiry *inquiry, const struct hl_link *root,
                                  uint64_t since_ns)
{
    struct hl_evidence now, base;
    struct hl_evidence_view view;
    fill_evidence(inquiry, root->tid, inquiry->now_ns, &root->look.state, &now);
    take_base(inquiry, root, since_ns, &now, &base);
    hl_verdict(&base, &now, hl_clock_age(inquiry->clock, base.at_ns, now.at_ns), &view);
    return view.verdict;
}

bool hl_inquiry_suspect(struct hl_inquiry *inquiry, uint64_t tid, uint64_t since_ns)
{
    if (hl_plat_waits_for(inquiry->plat, tid) == 0)
        return false;
    const struct hl_link *root = follow(inquiry, tid) ? root_of(&inquiry->chain) : NULL;
    if (root)
        judge_root(inquiry, root, since_ns);
    return true;
}

/* ---- explaining ------------------------------------------------------------------------- */

static void explain_wait(const struct hl_plat_look *look, struct hl_evidence_view *view)
{
    view->wait_unknown = !hl_wait_words(look, view->wait);
    view->channel_unknown = !(look->known & HL_KNOWN(HL_PLAT_CHANNEL));
    memcpy(view->channel, look->channel, sizeof view->channel);
    if (look->waits_for != HL_PLAT_FOR_OBJECT || view->wait_unknown)
        return;
    memcpy(view->local, look->local, sizeof view->local);
    view->has_descriptor = look->descriptor >= 0;
    view->descriptor = view->has_descriptor ? (uint64_t)look->descriptor : 0;
}

static const char *why_no_holder(const struct hl_link *link)
{
    return hl_owner_is_hidden(&link->look) ? link->holder_why : "not certain beyond doubt";
}

/* What cannot be told from a mutex may have a holder, too. */
static void explain_holder(const struct hl_inquiry *inquiry, struct hl_evidence_view *view)
{
    const struct hl_chain *chain = &inquiry->chain;
    const struct hl_plat_look *look = &chain->links[0].look;
    bool is_self = chain->is_cycle && chain->count == 1;
    if (!hl_owner_is_asked(look) && !look->is_vague)
        return;
    bool is_known = hl_owner_is_asked(look) && (chain->count > 1 || is_self);
    view->holder_is = is_known ? HL_HOLDER_KNOWN : HL_HOLDER_UNKNOWN;
    view->holder.thread.tid = is_known ? chain->links[is_self ? 0 : 1].tid : HL_UNKNOWN;
    view->holder_why = is_known ? NULL : why_no_holder(&chain->links[0]);
}

static void explain_root(struct hl_inquiry *inquiry, uint64_t since_ns,
                         struct hl_evidence_view *view)
{
    const struct hl_link *root = root_of(&inquiry->chain);
    if (!root)
        return;
    view->has_root = true;
    view->root.thread.tid = root->tid;
    view->root_verdict = judge_root(inquiry, root, since_ns);
    if (view->root_verdict != HL_BUSY && hl_plat_is_asleep(root->look.state.state))
        hl_wait_words(&root->look, view->root_wait);
}

/* What is said of those that sleep, and this one may. */
static void explain_nothing(struct hl_evidence_view *view)
{
    bool may_sleep = view->verdict != HL_BUSY && (!view->state || hl_plat_is_asleep(view->state));
    view->call_unknown = view->wait_unknown = view->channel_unknown = may_sleep;
}

void hl_inquiry_explain(struct hl_inquiry *inquiry, uint64_t tid, uint64_t since_ns,
                        struct hl_evidence_view *view)
{
    if (view->throttled_ns)
        view->quota_milli = inquiry->limits->quota_milli;
    if (!follow(inquiry, tid)) {
        explain_nothing(view);
        return;
    }
    const struct hl_plat_look *look = &inquiry->chain.links[0].look;
    bool call_is_known = look->known & HL_KNOWN(HL_PLAT_SYSCALL);
    if (call_is_known)
        memcpy(view->call, look->call, sizeof view->call);
    if (view->verdict == HL_BUSY || !hl_plat_is_asleep(look->state.state))
        return;
    view->call_unknown = !call_is_known;
    explain_wait(look, view);
    explain_holder(inquiry, view);
    explain_root(inquiry, since_ns, view);
}

/* ---- threads outside any scope ---------------------------------------------------------- */

/* A search among the threads of a heartbeat. */
struct idlers {
    struct hl_threads *threads;
    uint64_t limit_ns; /* for so long one of them must have been idle */
    size_t questions;  /* asked so far */
    const char *holder_why;
};

static uint64_t idle_time(const struct hl_inquiry *inquiry, const struct hl_thread_mark *mark)
{
    return hl_clock_age(inquiry->clock, mark->idle_since_ns, inquiry->now_ns);
}

static bool is_idle(const struct hl_inquiry *inquiry, const struct idlers *idlers, uint64_t tid)
{
    const struct hl_thread_use *use = hl_threads_find(idlers->threads, tid);
    if (!use || use->instrumented)
        return false;
    size_t position = (size_t)(use - hl_threads_at(idlers->threads, 0));
    return idle_time(inquiry, hl_threads_mark(idlers->threads, position)) >= idlers->limit_ns;
}

/* Of the cycle that was found; 0 = none. Whoever waits for one of them leads there. */
static uint64_t idle_member(const struct hl_inquiry *inquiry, const struct idlers *idlers)
{
    const struct hl_chain *chain = &inquiry->chain;
    for (size_t i = chain->cycle_at; i < chain->count; i++)
        if (is_idle(inquiry, idlers, chain->links[i].tid))
            return chain->links[i].tid;
    return 0;
}

/* Goes from each thread to the one that it seems to wait for, back to this one or not.
 * true: it is in no cycle; *settled: nor will it be, before it runs. */
static bool is_free(struct hl_inquiry *inquiry, uint64_t tid, bool *settled, size_t *questions)
{
    uint64_t next = tid;
    for (size_t i = 0; i < HL_CHAIN_LINKS && next != HL_PLAT_SOMEBODY; i++) {
        next = hl_plat_waits_for(inquiry->plat, next);
        ++*questions;
        *settled = i == 0 && next == 0;
        if (next == 0 || next == tid)
            return next == 0;
    }
    return false;
}

/* Most wait for work, the others for somebody who works: cheap questions are enough to
 * tell. What may be a cycle is looked into. */
static void look_into_idle(struct hl_inquiry *inquiry, struct idlers *idlers, uint64_t tid,
                           struct hl_thread_mark *mark)
{
    struct hl_chain *chain = &inquiry->chain;
    mark->looks++;
    if (is_free(inquiry, tid, &mark->is_settled, &idlers->questions) ||
        !hl_chain_follow(chain, tid, look_into, inquiry))
        return;
    idlers->questions += LOOK_COST * chain->count;
    const struct hl_link *last = &chain->links[chain->count - 1];
    if (hl_owner_is_hidden(&last->look))
        idlers->holder_why = last->holder_why;
    if (chain->is_cycle)
        hl_deadlocks_see(&inquiry->deadlocks, chain, idle_member(inquiry, idlers), inquiry->now_ns);
}

/* Looked into at the limit, once more soon (what a thread that locks its own mutex
 * again waits for is certain only when it was seen in that wait before), then when
 * the idle time has doubled: somebody else may have closed a cycle meanwhile. */
static bool is_due(const struct hl_thread_mark *mark, uint64_t idle_ns, uint64_t limit_ns)
{
    unsigned doubled = mark->looks < 2 ? 0 : mark->looks - 1;
    return !mark->is_settled && doubled < 32 && idle_ns >> doubled >= limit_ns;
}

/* Of ten thousand threads more than of ten, as the rest of a heartbeat costs more. */
static size_t questions_allowed(size_t threads)
{
    return threads / HEARTBEATS < QUESTIONS ? QUESTIONS : threads / HEARTBEATS;
}

const char *hl_inquiry_idle(struct hl_inquiry *inquiry, struct hl_threads *threads,
                            uint64_t self_tid, uint64_t limit_ns)
{
    struct idlers idlers = {.threads = threads, .limit_ns = limit_ns};
    size_t count = hl_threads_count(threads);
    for (size_t i = 0; i < count && idlers.questions < questions_allowed(count); i++) {
        size_t position = inquiry->idle_next++ % count; /* everybody has a turn */
        const struct hl_thread_use *use = hl_threads_at(threads, position);
        struct hl_thread_mark *mark = hl_threads_mark(threads, position);
        if (!use->instrumented && use->tid != self_tid &&
            is_due(mark, idle_time(inquiry, mark), limit_ns))
            look_into_idle(inquiry, &idlers, use->tid, mark);
    }
    return idlers.holder_why;
}

/* ---- deadlocks ------------------------------------------------------------------------------ */

static bool has_suspect(const struct hl_cycle *cycle, hl_is_stalled *is_stalled, void *context)
{
    for (size_t i = 0; i < cycle->count; i++)
        if (is_stalled(context, cycle->members[i].tid))
            return true;
    return cycle->has_idle;
}

static bool is_seen_now(const struct hl_inquiry *inquiry, const struct hl_cycle *cycle)
{
    return cycle->seen_ns == inquiry->now_ns;
}

/* Looked for once more, so that what is said is true now. */
static bool is_still_there(struct hl_inquiry *inquiry, const struct hl_cycle *cycle)
{
    if (!is_seen_now(inquiry, cycle))
        follow(inquiry, cycle->members[0].tid);
    return is_seen_now(inquiry, cycle);
}

/* One that was seen once is looked at again to be sure, one that is sure to be said. */
static bool is_to_be_looked_at(const struct hl_inquiry *inquiry, const struct hl_cycle *cycle,
                               bool is_suspect)
{
    uint64_t apart = inquiry->now_ns - cycle->counted_ns;
    if (is_seen_now(inquiry, cycle))
        return true;
    return cycle->sightings < 2 ? apart >= HL_SIGHTINGS_APART_NS : is_suspect;
}

static void put_members(struct hl_inquiry *inquiry, const struct hl_cycle *cycle,
                        struct hl_deadlock_member members[HL_CHAIN_LINKS])
{
    for (size_t i = 0; i < cycle->count; i++) {
        struct hl_link link;
        members[i] = (struct hl_deadlock_member){.who.thread.tid = cycle->members[i].tid};
        if (look_into(inquiry, cycle->members[i].tid, &link))
            hl_wait_words(&link.look, members[i].lock);
    }
}

bool hl_inquiry_deadlock(struct hl_inquiry *inquiry, hl_is_stalled *is_stalled, void *context,
                         struct hl_deadlock_member members[HL_CHAIN_LINKS], size_t *count)
{
    struct hl_cycle *cycle;
    for (size_t i = 0; (cycle = hl_deadlocks_find(&inquiry->deadlocks, false, i)) != NULL; i++) {
        bool is_suspect = has_suspect(cycle, is_stalled, context);
        if (!is_to_be_looked_at(inquiry, cycle, is_suspect))
            continue;
        if (!is_still_there(inquiry, cycle)) {
            hl_deadlocks_forget(&inquiry->deadlocks, cycle);
            i--;
            continue;
        }
        if (!is_suspect || cycle->sightings < 2)
            continue;
        put_members(inquiry, cycle, members);
        *count = cycle->count;
        hl_deadlocks_say(&inquiry->deadlocks, cycle);
        return true;
    }
    return false;
}

/* Missing twice: a signal may just have made a member wait anew. */
void hl_inquiry_forget_dissolved(struct hl_inquiry *inquiry)
{
    struct hl_cycle *cycle;
    for (size_t i = 0; (cycle = hl_deadlocks_find(&inquiry->deadlocks, true, i)) != NULL; i++) {
        if (is_still_there(inquiry, cycle) || ++cycle->misses < 2)
            continue;
        hl_deadlocks_forget(&inquiry->deadlocks, cycle);
        i--;
    }
}

uint64_t hl_inquiry_due_ns(const struct hl_inquiry *inquiry)
{
    uint64_t due = HL_UNKNOWN;
    const struct hl_cycle *cycle;
    for (size_t i = 0; (cycle = hl_deadlocks_find(&inquiry->deadlocks, false, i)) != NULL; i++)
        if (cycle->sightings < 2 && cycle->counted_ns + AGAIN < due)
            due = cycle->counted_ns + AGAIN;
    return due;
}
