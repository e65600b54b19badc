/* tests/mach/test_torture.c - platform/darwin asked very often, and with every call failing.
 *
 * Under sanitizers 100,000 samples are taken of a process whose threads come and go, are
 * renamed, burn and end at any moment, also between two calls of one sample; elsewhere a
 * tenth of that. What the library says is compared with what the test did to the world,
 * to the nanosecond, and in the end nobody may be owed anything.
 *
 * Then each call is made to fail, at each of its uses, once and for good, with each code:
 * every figure is right, or missing for a reason that names the call.
 */
#define _DEFAULT_SOURCE
#include "torture.h"

#include "../../monitor/rates.h"
#include "../../platform/darwin/plat.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#define EVERYTHING ((1u << HL_PLAT_KEYS) - 1)
#define SAMPLES (HAS_ADDRESS_SANITIZER ? 100000 : 10000)
#define RUNS 20
#define CROWD 24

/* ---- captures ---------------------------------------------------------------- */

static bool has_given_up_as_slow(const struct hl_plat *plat)
{
    return strcmp(hl_plat_why(plat, HL_PLAT_STACK),
                  "given up: a thread was stopped for more than 1 ms") == 0;
}

/* ---- a crowd ----------------------------------------------------------------------- */

struct member {
    uint64_t id, cpu_ns;
    char name[64]; /* as it must be told: at most 63 bytes */
    int state;
    bool is_idle, leaves; /* a processor's own; exits in the next list */
};

static struct crowd {
    uint64_t random;
    struct member members[CROWD]; /* the first is the caller, which stays */
    size_t size;
    uint64_t cpu_ns; /* of all that ever were */
    struct fake_process process;
    uint64_t gone;     /* one that has ended */
    unsigned exits_in; /* so many calls; 0 = nobody */
    struct hl_plat *plat;
} crowd;

static unsigned below(unsigned limit)
{
    crowd.random ^= crowd.random << 13;
    crowd.random ^= crowd.random >> 7;
    crowd.random ^= crowd.random << 17;
    return (unsigned)(crowd.random >> 33) % limit;
}

static struct member *anyone(void)
{
    return &crowd.members[below((unsigned)crowd.size)];
}

/* Not the caller, who stays. NULL = the caller is alone. */
static struct member *anyone_else(void)
{
    return crowd.size > 1 ? &crowd.members[1 + below((unsigned)crowd.size - 1)] : NULL;
}

static struct member *member_of(uint64_t id)
{
    for (size_t i = 0; i < crowd.size; i++)
        if (crowd.members[i].id == id)
            return &crowd.members[i];
    return NULL;
}

static void rename_member(struct member *member)
{
    char bytes[64];
    size_t length = below(3) ? below(20) : below(65);

    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(1 + below(255));
    fake_thread_name(member->id, bytes, length);
    memset(member->name, 0, sizeof member->name);
    memcpy(member->name, bytes, length < 63 ? length : 63);
}

static void come(void)
{
    if (crowd.size == CROWD)
        return;
    struct member *member = &crowd.members[crowd.size++];
    *member =
        (struct member){.id = below(8) ? fake_thread_add(NULL) : fake_thread_add_foreign(NULL),
                        .state = TH_STATE_WAITING};
    give_stack(member->id);
    if (below(4))
        rename_member(member);
}

static void strike_off(struct member *member)
{
    crowd.gone = member->id;
    *member = crowd.members[--crowd.size];
}

static void go(struct member *member)
{
    if (!member || member->leaves)
        return;
    fake_thread_exit(member->id);
    strike_off(member);
}

static void burn(struct member *member)
{
    uint64_t user = below(4000) * EXACT_NS, system = below(4000) * EXACT_NS;

    fake_thread_burn(member->id, user, system);
    member->cpu_ns += user + system;
    crowd.cpu_ns += user + system;
}

static void change_state(struct member *member)
{
    member->state = 1 + (int)below(5);
    fake_thread_state(member->id, member->state);
    member->is_idle = member != crowd.members && below(8) == 0;
    fake_thread_flags(member->id, member->is_idle ? 2 : 0);
}

static void change_figures(void)
{
    crowd.process.resident_bytes = (1 + below(1000)) * 16384;
    crowd.process.peak_bytes = crowd.process.resident_bytes + below(1000) * 16384;
    crowd.process.virtual_bytes = UINT64_C(400) << 30;
    crowd.process.footprint_bytes = (1 + below(1000)) * 16384;
    crowd.process.read_bytes += below(1 << 20);
    crowd.process.written_bytes += below(1 << 20);
    fake_process(crowd.process);
}

static void leave_in_list(struct member *member)
{
    if (!member || member->leaves)
        return;
    member->leaves = true;
    fake_thread_exit_in_list(member->id, below(2) ? 0 : ~0u);
}

static void live_a_little(void)
{
    static const int codes[] = {KERN_TERMINATED, KERN_INVALID_ARGUMENT, MACH_SEND_INVALID_DEST};

    for (unsigned i = 1 + below(4); i > 0; i--)
        switch (below(8)) {
        case 0:
        case 1:
            come();
            break;
        case 2:
            go(anyone_else());
            break;
        case 3:
            rename_member(anyone());
            break;
        case 4:
            change_state(anyone());
            break;
        case 5:
            change_figures();
            break;
        default:
            burn(anyone());
        }
    if (below(16) == 0)
        leave_in_list(anyone_else());
    fake_gone_code(codes[below(3)]);
    crowd.exits_in = below(3) ? 0 : 1 + below(60);
}

/* Before any call of a sample, also between two that belong together. */
static void exit_amid(enum fake_call call, void *unused)
{
    (void)unused;
    if (call != FAKE_CLOCK && crowd.exits_in > 0 && --crowd.exits_in == 0)
        go(anyone_else());
}

static void begin_crowd(uint64_t seed)
{
    static const struct fake_machine machines[] = {FAKE_APPLE_SILICON, FAKE_INTEL, FAKE_ROSETTA};

    fake_reset();
    fake_machine(machines[seed % 3]);
    fill_stack();
    crowd = (struct crowd){.random = seed * UINT64_C(0x9e3779b97f4a7c15), .size = 1};
    crowd.members[0] = (struct member){.id = fake_main(), .state = TH_STATE_WAITING};
    change_figures();
    fake_before_each(exit_amid, NULL);
}

/* ---- a sample of it ------------------------------------------------------------------ */

static int sample_process(void)
{
    struct hl_plat_process process;
    size_t most = crowd.size;
    hl_plat_process(crowd.plat, EVERYTHING, &process);

    MUST(process.known ==
         (HL_KNOWN(HL_PLAT_CPU) | HL_KNOWN(HL_PLAT_RSS) | HL_KNOWN(HL_PLAT_PEAK_RSS) |
          HL_KNOWN(HL_PLAT_VM) | HL_KNOWN(HL_PLAT_THREADS) | HL_KNOWN(HL_PLAT_IO) |
          HL_KNOWN(HL_PLAT_START)));
    MUST(process.approximate == 0);
    MUST(process.cpu_ns == crowd.cpu_ns);
    MUST(process.rss_bytes == crowd.process.resident_bytes);
    MUST(process.peak_rss_bytes == crowd.process.peak_bytes);
    MUST(process.vm_bytes == crowd.process.virtual_bytes);
    MUST(process.threads == crowd.size || process.threads == most);
    MUST(process.read_bytes == crowd.process.read_bytes);
    MUST(process.written_bytes == crowd.process.written_bytes);
    return 0;
}

static int sample_threads(void)
{
    struct hl_plat_thread list[CROWD];
    struct crowd before = crowd;
    size_t total, found = 0;
    MUST(hl_plat_threads(crowd.plat, list, CROWD, &total));
    MUST(total <= before.size);

    for (size_t i = 0; i < total; i++) {
        const struct member *member = NULL;
        for (size_t j = 0; j < before.size; j++)
            if (before.members[j].id == list[i].tid)
                member = &before.members[j];
        MUST(member && list[i].cpu_ns == member->cpu_ns && !member->is_idle && !member->leaves);
        found += member_of(list[i].tid) != NULL;
    }
    for (size_t i = 0; i < crowd.size; i++)
        if (crowd.members[i].leaves)
            strike_off(&crowd.members[i--]);
    for (size_t i = 0; i < crowd.size; i++)
        found += crowd.members[i].is_idle;
    MUST(found == crowd.size);
    return 0;
}

/* It is gone, or none of the application's. */
static bool may_be_unknown(uint64_t id)
{
    const struct member *member = member_of(id);

    return !member || member->is_idle;
}

static char letter_of(int state)
{
    return " RTSDX"[state];
}

static int ask_about_one(uint64_t id)
{
    struct member was = member_of(id) ? *member_of(id) : (struct member){.id = 0};
    struct hl_plat_thread_state state;
    char name[HL_PLAT_NAME_BYTES], letter;
    uint64_t cpu_ns;

    if (hl_plat_thread_cpu(crowd.plat, id, &cpu_ns))
        MUST(was.id && cpu_ns == was.cpu_ns);
    else
        MUST(may_be_unknown(id));
    crowd.plat->seen_until_ns = 0; /* so that each is a list of its own */
    if (hl_plat_thread_name(crowd.plat, id, name))
        MUST(was.id && memcmp(name, was.name, sizeof name) == 0);
    else
        MUST(may_be_unknown(id));
    crowd.plat->seen_until_ns = 0;
    if (hl_plat_thread_state(crowd.plat, id, &state))
        MUST(was.id && state.start == id && state.state == letter_of(was.state));
    else
        MUST(may_be_unknown(id));
    hl_plat_thread_glance(crowd.plat, id, name, &letter, &(uint64_t){0});
    MUST(letter == 0 || (was.id && letter == letter_of(was.state)));
    crowd.plat->seen_until_ns = 0;
    return 0;
}

static int capture_one(uint64_t id, bool is_translated)
{
    struct hl_plat_frames frames;
    const char *why;

    if (hl_plat_thread_frames(crowd.plat, id, true, &frames)) {
        MUST(!is_translated && is_that_stack(&frames));
        return 0;
    }
    why = hl_plat_why(crowd.plat, HL_PLAT_STACK);
    MUST(is_translated ? strcmp(why, "running under Rosetta") == 0
                       : has_given_up_as_slow(crowd.plat) ||
                             (strcmp(why, "the thread is gone") == 0 && !member_of(id)));
    return 0;
}

static int sample_one_by_one(unsigned i, uint64_t seed)
{
    uint64_t id = i % 3 ? anyone()->id : crowd.gone;
    const struct member *other = anyone_else();

    crowd.plat->seen_until_ns = 0;
    MUST_ALL(ask_about_one(id));
    if (i % 4 == 0 && other)
        MUST_ALL(capture_one(other->id, seed % 3 == 2));
    return 0;
}

static int sample_often(void *data)
{
    uint64_t seed = *(uint64_t *)data;

    begin_crowd(seed);
    crowd.plat = hl_plat_open();
    MUST(crowd.plat);
    for (unsigned i = 0; i < SAMPLES / RUNS; i++) {
        live_a_little();
        MUST_ALL(sample_process());
        MUST_ALL(sample_threads());
        if (i % 8 == 0)
            MUST_ALL(sample_one_by_one(i / 8, seed));
        MUST(nothing_is_outstanding());
    }
    fake_before_each(NULL, NULL);
    for (size_t i = 0; i < crowd.size; i++)
        MUST(fake_references(crowd.members[i].id) == 0);
    hl_plat_close(crowd.plat);
    MUST(nothing_is_outstanding());
    return 0;
}

Test(torture, a_crowd_that_comes_and_goes_is_told_truly_and_owed_nothing, .timeout = 300)
{
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        int line = play_in_child(sample_often, &seed);
        cr_assert_eq(line, 0, "line %d, seed %d", line, (int)seed);
    }
}

/* ---- every call fails ---------------------------------------------------------------- */

#define WORKER_NS (9 * S + 3 * EXACT_NS)
static const struct fake_process truth = {.resident_bytes = 10 << 20,
                                          .peak_bytes = 12 << 20,
                                          .virtual_bytes = UINT64_C(400) << 30,
                                          .footprint_bytes = 8 << 20,
                                          .read_bytes = 4711,
                                          .written_bytes = 815};

/* Which call a figure is got by. Whatever else fails, it is there. */
static enum fake_call source_of(enum hl_plat_key key)
{
    switch (key) {
    case HL_PLAT_THREADS:
    case HL_PLAT_START:
        return FAKE_PIDINFO;
    case HL_PLAT_IO:
        return FAKE_PID_RUSAGE;
    case HL_PLAT_CORES:
        return FAKE_SYSCTL;
    default:
        return FAKE_TASK_INFO;
    }
}

static bool names(const struct hl_plat *plat, enum hl_plat_key key, enum fake_call call)
{
    const char *text = call == FAKE_SYSCTL ? "sysctl" : fake_call_text(call);

    return strstr(hl_plat_why(plat, key), text) != NULL;
}

static bool is_excused(const struct hl_plat *plat, enum hl_plat_key key,
                       const struct failure *failure)
{
    return failure->call == source_of(key) && names(plat, key, failure->call);
}

static int check_process(struct hl_plat *plat, const struct failure *failure)
{
    struct hl_plat_process process;
    struct hl_plat_limits limits;
    hl_plat_process(plat, EVERYTHING, &process);
    hl_plat_limits(plat, &limits);
    const uint64_t figures[][3] = {{HL_PLAT_CPU, process.cpu_ns, WORKER_NS},
                                   {HL_PLAT_RSS, process.rss_bytes, truth.resident_bytes},
                                   {HL_PLAT_PEAK_RSS, process.peak_rss_bytes, truth.peak_bytes},
                                   {HL_PLAT_VM, process.vm_bytes, truth.virtual_bytes},
                                   {HL_PLAT_THREADS, process.threads, 3},
                                   {HL_PLAT_IO, process.read_bytes, truth.read_bytes},
                                   {HL_PLAT_IO, process.written_bytes, truth.written_bytes},
                                   {HL_PLAT_CORES, limits.cores_milli, 8000}};

    for (size_t i = 0; i < COUNT_OF(figures); i++) {
        enum hl_plat_key key = (enum hl_plat_key)figures[i][0];
        if ((process.known | limits.known) & HL_KNOWN(key))
            MUST(figures[i][1] == figures[i][2]);
        else
            MUST(figures[i][1] == 0 && is_excused(plat, key, failure));
    }
    if (process.known & HL_KNOWN(HL_PLAT_START))
        MUST(process.age_ns < 60 * S);
    else
        MUST(process.age_ns == 0 && is_excused(plat, HL_PLAT_START, failure));
    return 0;
}

struct pair {
    uint64_t worker, other;
};

/* A code that says a thread has ended is believed of all but the one who asks. */
static bool is_told_gone(const struct failure *failure)
{
    return failure->call == FAKE_THREAD_INFO && says_gone(failure->code);
}

static bool fails_a_list(const struct failure *failure)
{
    return failure->call == FAKE_TASK_THREADS || failure->call == FAKE_THREAD_INFO ||
           failure->call == FAKE_THREADID;
}

static int check_list(struct hl_plat *plat, const struct pair *pair, const struct failure *failure)
{
    struct hl_plat_thread list[8];
    size_t total;

    if (!hl_plat_threads(plat, list, 8, &total)) {
        MUST(total == 0 && fails_a_list(failure));
        MUST(names(plat, HL_PLAT_THREAD_LIST, failure->call) || is_told_gone(failure));
        return 0;
    }
    MUST(total == 3 || (total < 3 && is_told_gone(failure)));
    for (size_t i = 0; i < total; i++)
        if (list[i].cpu_ns == UINT64_MAX)
            MUST(failure->call == FAKE_THREAD_INFO &&
                 names(plat, HL_PLAT_THREAD_CPU, failure->call));
        else
            MUST(list[i].cpu_ns == (list[i].tid == pair->worker ? WORKER_NS : 0));
    return 0;
}

static int check_refusal(struct hl_plat *plat, enum hl_plat_key key, const struct failure *failure)
{
    MUST(fails_a_list(failure));
    MUST(names(plat, key, failure->call) || is_told_gone(failure));
    return 0;
}

static int check_questions(struct hl_plat *plat, const struct pair *pair,
                           const struct failure *failure)
{
    struct hl_plat_thread_state state;
    struct hl_plat_look look;
    char name[HL_PLAT_NAME_BYTES];
    uint64_t cpu_ns;

    plat->seen_until_ns = 0;
    if (hl_plat_thread_cpu(plat, pair->worker, &cpu_ns))
        MUST(cpu_ns == WORKER_NS);
    else
        MUST_ALL(check_refusal(plat, HL_PLAT_THREAD_CPU, failure));
    plat->seen_until_ns = 0;
    if (hl_plat_thread_name(plat, pair->worker, name))
        MUST(strcmp(name, "worker") == 0);
    else
        MUST_ALL(check_refusal(plat, HL_PLAT_THREAD_NAME, failure));
    plat->seen_until_ns = 0;
    if (hl_plat_thread_state(plat, pair->worker, &state))
        MUST(state.state == 'R' && state.start == pair->worker);
    else
        MUST_ALL(check_refusal(plat, HL_PLAT_THREAD_STATE, failure));
    plat->seen_until_ns = 0;
    if (hl_plat_look(plat, pair->worker, &look))
        MUST(look.state.state == 'R');
    else
        MUST_ALL(check_refusal(plat, HL_PLAT_THREAD_STATE, failure));
    plat->seen_until_ns = 0;
    return 0;
}

static int check_capture(struct hl_plat *plat, const struct pair *pair,
                         const struct failure *failure)
{
    struct hl_plat_frames frames;

    if (hl_plat_thread_frames(plat, pair->worker, true, &frames)) {
        MUST(is_that_stack(&frames) || failure->call == FAKE_VM_READ_OVERWRITE);
        MUST(frames.count >= 1 && frames.pc[0] == code_at(0));
        MUST(is_that_stack(&frames) || frames.truncated);
        return 0;
    }
    bool is_about_a_thread = failure->call == FAKE_THREAD_INFO ||
                             failure->call == FAKE_THREAD_SUSPEND ||
                             failure->call == FAKE_THREAD_GET_STATE;
    MUST(failure->call == FAKE_TASK_THREADS || is_about_a_thread || failure->call == FAKE_SYSCTL ||
         failure->call == FAKE_TIMEBASE_INFO || has_given_up_as_slow(plat));
    if (is_about_a_thread && says_gone(failure->code) && !has_given_up_as_slow(plat))
        MUST(strcmp(hl_plat_why(plat, HL_PLAT_STACK), "the thread is gone") == 0);
    else if (is_about_a_thread || failure->call == FAKE_TASK_THREADS)
        MUST(names(plat, HL_PLAT_STACK, failure->call) || has_given_up_as_slow(plat));
    return 0;
}

static int check_all(struct hl_plat *plat, const struct pair *pair, const struct failure *failure)
{
    MUST_ALL(check_process(plat, failure));
    MUST_ALL(check_list(plat, pair, failure));
    MUST_ALL(check_questions(plat, pair, failure));
    return check_capture(plat, pair, failure);
}

static struct pair begin_pair(void)
{
    fake_reset();
    fake_process(truth);
    fill_stack();
    struct pair pair = {fake_thread_add("worker"), fake_thread_add("other")};
    fake_thread_burn(pair.worker, WORKER_NS, 0);
    fake_thread_state(pair.worker, TH_STATE_RUNNING);
    give_stack(pair.worker);
    return pair;
}

#define THAT_WAS_ALL (-1000)

/* From opening to closing. A thread that was never resumed is the one thing that may stay. */
static int fail_at(const struct failure *failure)
{
    struct pair pair = begin_pair();
    static const struct failure none = {.call = FAKE_CALLS};
    fake_fail(failure->call, failure->k, failure->code, failure->lasting);
    struct hl_plat *plat = hl_plat_open();
    MUST(plat);
    MUST_ALL(check_all(plat, &pair, failure));
    bool is_over = fake_uses(failure->call) < failure->k;
    bool is_stuck = failure->call == FAKE_THREAD_RESUME && failure->lasting && !is_over;
    struct fake_outstanding left = fake_outstanding();
    MUST(left.rights == 0 && left.names == 0 && left.arrays == 0);
    MUST(left.suspensions == 0 || is_stuck);
    fake_fail(failure->call, 0, 0, false);
    if (!is_stuck) {
        MUST_ALL(check_process(plat, &none)); /* it goes on as if nothing had been */
        MUST_ALL(check_list(plat, &pair, &none));
        MUST_ALL(check_questions(plat, &pair, &none));
        MUST(nothing_is_outstanding());
    }
    hl_plat_close(plat);
    return is_over ? THAT_WAS_ALL : 0;
}

static int fail_once(void *data)
{
    const struct failure *failure = data;
    int line = fail_at(failure);

    if (line > 0)
        fprintf(stderr, "line %d: %s, use %u, code %#x, %s\n", line, fake_call_text(failure->call),
                (unsigned)failure->k, (unsigned)failure->code,
                failure->lasting ? "for good" : "once");
    return line;
}

static int fail_at_each(void *data)
{
    struct failure *failure = data;
    int line = 0;

    for (; line == 0; failure->k++)
        line = fail_once(failure);
    return line;
}

/* No thread is stopped any more in a process in which one could not be resumed. */
static bool needs_a_child_each(enum fake_call call)
{
    return call == FAKE_THREAD_RESUME;
}

Test(torture, whatever_fails_each_figure_is_right_or_missing_for_a_reason, .timeout = 300)
{
    for (int call = 0; FAKE_CAN_FAIL(call); call++)
        for (size_t i = 0; i < 2 * CODES; i++) {
            struct failure failure = {(enum fake_call)call, 1, code_of((enum fake_call)call, i / 2),
                                      i % 2};
            int (*scenario)(void *) = needs_a_child_each(failure.call) ? fail_once : fail_at_each;
            int line = 0;
            for (; line == 0; failure.k++)
                line = play_in_child(scenario, &failure);
            cr_expect_eq(line, THAT_WAS_ALL);
        }
}

/* ---- four threads ---------------------------------------------------------------------- */

#define BURNERS 4
static struct burners {
    uint64_t ids[BURNERS];
    unsigned call, exits_at;
    size_t living;
    struct hl_plat *plat;
} burners;

/* They have lived for ten minutes. */
static void begin_burners(struct fake_machine machine)
{
    hl_plat_close(burners.plat);
    fake_reset();
    fake_machine(machine);
    burners = (struct burners){.living = BURNERS};
    for (size_t i = 0; i < BURNERS; i++) {
        burners.ids[i] = fake_thread_add("burner");
        fake_thread_burn(burners.ids[i], 300 * S, 300 * S);
    }
    burners.plat = hl_plat_open();
}

static uint64_t cpu_now(void)
{
    struct hl_plat_process process;

    hl_plat_process(burners.plat, HL_KNOWN(HL_PLAT_CPU), &process);
    cr_assert_eq(process.known, HL_KNOWN(HL_PLAT_CPU), "%s",
                 hl_plat_why(burners.plat, HL_PLAT_CPU));
    return process.cpu_ns;
}

static void burn_a_minute(void)
{
    for (size_t i = BURNERS - burners.living; i < BURNERS; i++)
        fake_thread_burn(burners.ids[i], 59 * S, 1 * S);
}

static uint64_t cores_of_a_minute(uint64_t *then)
{
    uint64_t before = *then;

    burn_a_minute();
    *then = cpu_now();
    return hl_rate_cores_milli(hl_rate_difference(before, *then), 60 * S);
}

Test(torture, four_threads_that_burn_and_stay_are_four_cores)
{
    begin_burners(FAKE_APPLE_SILICON);
    uint64_t then = cpu_now();
    cr_assert_eq(then, BURNERS * 600 * S);
    for (int minute = 0; minute < 5; minute++)
        cr_assert_eq(cores_of_a_minute(&then), 4000);
    hl_plat_close(burners.plat);
}

static void exit_burner(enum fake_call call, void *unused)
{
    (void)call, (void)unused;
    if (++burners.call == burners.exits_at)
        fake_thread_exit(burners.ids[BURNERS - burners.living--]);
}

/* Each of them, one a minute, before the call of that number. false: so many there are not. */
static bool shows_no_exit_before(unsigned at, struct fake_machine machine)
{
    begin_burners(machine);
    uint64_t then = cpu_now();
    bool was_reached = true;
    for (uint64_t left = BURNERS; left > 0 && was_reached; left--) {
        burners.call = 0;
        burners.exits_at = at;
        fake_before_each(exit_burner, NULL);
        uint64_t cores = cores_of_a_minute(&then);
        fake_before_each(NULL, NULL);
        was_reached = burners.call >= at;
        cr_assert_eq(cores, left * 1000, "%zu of 1000 cores, when one of %zu exits before call %u",
                     (size_t)cores, (size_t)left, at);
    }
    return was_reached;
}

Test(torture, four_threads_that_exit_amid_a_reading_are_neither_a_spike_nor_a_dip)
{
    struct fake_machine without_ticks = FAKE_APPLE_SILICON;
    unsigned at = 1;

    while (shows_no_exit_before(at, FAKE_APPLE_SILICON))
        at++;
    cr_assert_gt(at, 1u);
    without_ticks.hides_tick_hz = true;
    for (at = 1; shows_no_exit_before(at, without_ticks);)
        at++;
    cr_assert_gt(at, 3u, "a sum takes three calls at least");
    hl_plat_close(burners.plat);
}

/* ---- older kernels ------------------------------------------------------------------------ */

Test(torture, memory_is_what_is_resident_on_every_kernel)
{
    static const struct failure none = {.call = FAKE_CALLS};

    for (unsigned revision = 0; revision <= 6; revision++) {
        struct fake_machine machine = FAKE_APPLE_SILICON;
        begin_pair();
        machine.vm_revision = revision;
        fake_machine(machine);
        struct hl_plat *plat = hl_plat_open();
        cr_assert_eq(check_process(plat, &none), 0);
        hl_plat_close(plat);
    }
}

/* ---- names that were another's ------------------------------------------------------------ */

static int take_over_a_name(void *unused)
{
    struct hl_plat_frames frames;
    char name[HL_PLAT_NAME_BYTES];

    (void)unused;
    fake_reset();
    fill_stack();
    struct hl_plat *plat = hl_plat_open();
    uint64_t old = fake_thread_add("old");
    give_stack(old);
    unsigned port = fake_thread_port(old);
    MUST(hl_plat_thread_name(plat, old, name) && strcmp(name, "old") == 0);
    MUST(hl_plat_thread_frames(plat, old, true, &frames) || has_given_up_as_slow(plat));
    fake_thread_exit(old);
    uint64_t new = fake_thread_add("new");
    give_stack(new);
    MUST(fake_thread_port(new) == port);
    plat->seen_until_ns = 0;
    MUST(hl_plat_thread_name(plat, new, name) && strcmp(name, "new") == 0);
    plat->seen_until_ns = 0;
    MUST(!hl_plat_thread_name(plat, old, name));
    uint64_t before = fake_uses(FAKE_THREAD_SUSPEND);
    MUST(!hl_plat_thread_frames(plat, old, true, &frames));
    MUST(fake_uses(FAKE_THREAD_SUSPEND) == before);
    hl_plat_close(plat);
    return 0;
}

Test(torture, a_name_of_a_port_that_another_thread_has_now_is_not_that_thread)
{
    cr_assert_eq(play_in_child(take_over_a_name, NULL), 0);
}
