/* platform/darwin/threads.c - which threads there are, their CPU time, state and name.
 *
 * One list (task_threads) and two questions about each of its entries. Not the road
 * through pthread_from_mach_thread_np and pthread_getname_np: that walks libpthread's
 * list under its lock, for each thread anew, and compares names of ports, which are
 * recycled. THREAD_EXTENDED_INFO (XNU, osfmk/kern/thread.c) has times in nanoseconds
 * (in steps of microseconds), state and name at one moment; for an unnamed thread it
 * writes a single byte of the name. A thread that ends meanwhile answers with any of
 * three codes and is left out.
 *
 * There is no question about one thread by its number that would not search a list
 * somewhere. So what a list said is kept, as values, and answers what is asked about
 * other threads right after it: a wake-up costs one list, however many suspects it
 * has. It is good for a millisecond, or for four times as long as it took, so that
 * lists are never more than a fifth of what the monitor does. Of more threads than
 * are kept the others are looked for in a list of their own.
 *
 * hl_plat_threads_again always says no: the list is what the times come with.
 */
#define _DARWIN_C_SOURCE
#define _DEFAULT_SOURCE
#include "plat.h"

#include <errno.h>
#include <string.h>

#define GOOD_FOR_NS 1000000u
#define GOOD_FOR_TIMES 4

/* ---- one thread ------------------------------------------------------------ */

enum answer {
    READ,
    GONE,   /* or none of the application's: a processor's idle thread */
    FAILED, /* the reason is noted */
};

static char letter_of(integer_t run_state)
{
    switch (run_state) {
    case TH_STATE_RUNNING: /* or runnable */
        return 'R';
    case TH_STATE_WAITING:
        return 'S';
    case TH_STATE_UNINTERRUPTIBLE:
        return 'D';
    case TH_STATE_STOPPED:
        return 'T';
    case TH_STATE_HALTED: /* it is being terminated */
        return 'X';
    default:
        return 0;
    }
}

/* Zeros first, and one at the end: not all of the bytes are written, and while a name
 * is being set they may be any. */
static void copy_name(char name[HL_PLAT_NAME_BYTES], const char *from, size_t size)
{
    size_t length = strnlen(from, size < HL_PLAT_NAME_BYTES ? size : HL_PLAT_NAME_BYTES - 1);

    memset(name, 0, HL_PLAT_NAME_BYTES);
    memcpy(name, from, length);
}

static enum answer read_id(struct hl_plat *plat, thread_act_t thread, uint64_t *tid)
{
    thread_identifier_info_data_t info = {0};
    mach_msg_type_number_t count = THREAD_IDENTIFIER_INFO_COUNT;
    kern_return_t result =
        thread_info(thread, THREAD_IDENTIFIER_INFO, (thread_info_t)&info, &count);

    *tid = info.thread_id;
    if (result == KERN_SUCCESS)
        return READ;
    if (hl_plat_is_gone(result))
        return GONE;
    hl_plat_miss_call(plat, HL_PLAT_THREAD_LIST, "thread_info(THREAD_IDENTIFIER_INFO)", result);
    return FAILED;
}

static void miss_what_is_extended(struct hl_plat *plat, kern_return_t result)
{
    static const enum hl_plat_key keys[] = {HL_PLAT_THREAD_CPU, HL_PLAT_THREAD_NAME,
                                            HL_PLAT_THREAD_STATE};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        hl_plat_miss_call(plat, keys[i], "thread_info(THREAD_EXTENDED_INFO)", result);
}

/* What is not known of a thread that is there is noted, and it is there. */
static enum answer read_extended(struct hl_plat *plat, thread_act_t thread,
                                 struct hl_plat_seen *seen)
{
    thread_extended_info_data_t info;
    mach_msg_type_number_t count = THREAD_EXTENDED_INFO_COUNT;

    memset(&info, 0, sizeof info);
    kern_return_t result = thread_info(thread, THREAD_EXTENDED_INFO, (thread_info_t)&info, &count);
    if (hl_plat_is_gone(result) || info.pth_flags & TH_FLAGS_IDLE)
        return GONE;
    if (result != KERN_SUCCESS) {
        miss_what_is_extended(plat, result);
        return READ;
    }
    seen->cpu_ns = info.pth_user_time + info.pth_system_time;
    seen->state = letter_of(info.pth_run_state);
    copy_name(seen->name, info.pth_name, sizeof info.pth_name);
    return READ;
}

static enum answer read_thread(struct hl_plat *plat, thread_act_t thread, struct hl_plat_seen *seen)
{
    *seen = (struct hl_plat_seen){.cpu_ns = UINT64_MAX};
    if (!MACH_PORT_VALID(thread))
        return GONE;
    enum answer answer = read_id(plat, thread, &seen->tid);
    return answer == READ ? read_extended(plat, thread, seen) : answer;
}

/* ---- the list ----------------------------------------------------------------- */

struct listing {
    struct hl_plat_thread *threads;
    size_t capacity, total;
    uint64_t wanted; /* a thread that is looked for; 0 = none */
    struct hl_plat_seen found;
    uint64_t caller;
    bool has_caller;
};

static void keep(struct hl_plat *plat, const struct hl_plat_seen *seen)
{
    if (plat->seen_count == HL_PLAT_SEEN)
        return;
    if (plat->seen_count > 0 && plat->seen[plat->seen_count - 1].tid >= seen->tid)
        plat->seen_in_order = false;
    plat->seen[plat->seen_count++] = *seen;
}

static void add(struct hl_plat *plat, struct listing *listing, const struct hl_plat_seen *seen)
{
    if (listing->total < listing->capacity)
        listing->threads[listing->total] = (struct hl_plat_thread){seen->tid, seen->cpu_ns};
    if (seen->tid == listing->wanted)
        listing->found = *seen;
    if (seen->tid == listing->caller)
        listing->has_caller = true;
    listing->total++;
    keep(plat, seen);
}

/* A list without a thread that lives would tell that it has ended: so it is none. (One of
 * the codes of those that have ended also means a question that this kernel does not
 * know; but whoever asks lives.) */
static bool add_all(struct hl_plat *plat, struct listing *listing,
                    const struct hl_plat_ports *ports)
{
    for (mach_msg_type_number_t i = 0; i < ports->count; i++) {
        struct hl_plat_seen seen;
        switch (read_thread(plat, ports->names[i], &seen)) {
        case READ:
            add(plat, listing, &seen);
            break;
        case GONE:
            break;
        case FAILED:
            return false;
        }
    }
    if (!listing->has_caller)
        hl_plat_miss_because(plat, HL_PLAT_THREAD_LIST,
                             listing->caller ? "the kernel says of each thread that it has ended"
                                             : "pthread_threadid_np does not say who asks");
    return listing->has_caller;
}

static void forget(struct hl_plat *plat)
{
    plat->seen_count = 0;
    plat->seen_in_order = true;
    plat->seen_until_ns = 0;
}

static bool list(struct hl_plat *plat, struct listing *listing)
{
    struct hl_plat_ports ports;
    kern_return_t result;
    uint64_t began = hl_plat_now_ns();

    listing->caller = hl_plat_thread_id();
    forget(plat);
    if (!hl_plat_take_threads(&ports, &result)) {
        hl_plat_miss_call(plat, HL_PLAT_THREAD_LIST, "task_threads", result);
        return false;
    }
    bool is_whole = add_all(plat, listing, &ports);
    hl_plat_give_back(&ports);
    if (!is_whole) {
        forget(plat);
        return false;
    }
    uint64_t now = hl_plat_now_ns(), good_for = (now - began) * GOOD_FOR_TIMES;
    plat->seen_until_ns = now + (good_for > GOOD_FOR_NS ? good_for : GOOD_FOR_NS);
    return true;
}

bool hl_plat_threads(struct hl_plat *plat, struct hl_plat_thread *threads, size_t capacity,
                     size_t *total)
{
    int saved = errno;
    struct listing listing = {.threads = threads, .capacity = capacity};
    bool is_listed = list(plat, &listing);

    *total = is_listed ? listing.total : 0;
    errno = saved;
    return is_listed;
}

bool hl_plat_threads_again(struct hl_plat *plat, struct hl_plat_thread *threads, size_t count)
{
    (void)plat, (void)threads, (void)count;
    return false;
}

/* ---- questions about one ---------------------------------------------------------- */

static const struct hl_plat_seen *search_in_order(const struct hl_plat *plat, uint64_t tid)
{
    size_t low = 0, high = plat->seen_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (plat->seen[middle].tid == tid)
            return &plat->seen[middle];
        if (plat->seen[middle].tid < tid)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const struct hl_plat_seen *search(const struct hl_plat *plat, uint64_t tid)
{
    if (plat->seen_in_order)
        return search_in_order(plat, tid);
    for (size_t i = 0; i < plat->seen_count; i++)
        if (plat->seen[i].tid == tid)
            return &plat->seen[i];
    return NULL;
}

/* Anew also where a good list does not have it: it may be younger. */
static bool find(struct hl_plat *plat, uint64_t tid, struct hl_plat_seen *seen)
{
    const struct hl_plat_seen *known =
        hl_plat_now_ns() < plat->seen_until_ns ? search(plat, tid) : NULL;
    struct listing listing = {.wanted = tid};

    if (known) {
        *seen = *known;
        return true;
    }
    if (tid == 0 || !list(plat, &listing))
        return false;
    *seen = listing.found;
    return listing.found.tid == tid;
}

/* false, with the reason noted: gone, or not all of it is known. */
static bool ask(struct hl_plat *plat, uint64_t tid, enum hl_plat_key key, struct hl_plat_seen *seen)
{
    int saved = errno;
    const char *why_no_list = plat->why[HL_PLAT_THREAD_LIST];

    plat->why[HL_PLAT_THREAD_LIST] = NULL;
    bool is_found = find(plat, tid, seen);
    const char *why = plat->why[HL_PLAT_THREAD_LIST];
    if (!is_found)
        hl_plat_miss_because(plat, key, why ? why : "the thread has ended");
    if (!why)
        plat->why[HL_PLAT_THREAD_LIST] = why_no_list;
    errno = saved;
    return is_found && seen->cpu_ns != UINT64_MAX;
}

bool hl_plat_thread_cpu(struct hl_plat *plat, uint64_t tid, uint64_t *cpu_ns)
{
    struct hl_plat_seen seen;

    if (!ask(plat, tid, HL_PLAT_THREAD_CPU, &seen))
        return false;
    *cpu_ns = seen.cpu_ns;
    return true;
}

bool hl_plat_thread_name(struct hl_plat *plat, uint64_t tid, char name[HL_PLAT_NAME_BYTES])
{
    struct hl_plat_seen seen;

    name[0] = 0;
    if (!ask(plat, tid, HL_PLAT_THREAD_NAME, &seen))
        return false;
    memcpy(name, seen.name, HL_PLAT_NAME_BYTES);
    return true;
}

void hl_plat_thread_glance(struct hl_plat *plat, uint64_t tid, char name[HL_PLAT_NAME_BYTES],
                           char *state, uint64_t *age_ns)
{
    struct hl_plat_seen seen;

    name[0] = *state = 0;
    *age_ns = 0;
    if (!ask(plat, tid, HL_PLAT_THREAD_STATE, &seen))
        return;
    memcpy(name, seen.name, HL_PLAT_NAME_BYTES);
    *state = seen.state;
}

/* A thread_id is never used again, so it is what tells one thread from all later ones.
 * For how long one wanted a core, and how often it got one, is not told of it. */
bool hl_plat_thread_state(struct hl_plat *plat, uint64_t tid, struct hl_plat_thread_state *state)
{
    struct hl_plat_seen seen;

    *state = (struct hl_plat_thread_state){0};
    if (!ask(plat, tid, HL_PLAT_THREAD_STATE, &seen))
        return false;
    state->state = seen.state;
    state->start_known = true;
    state->start = tid;
    hl_plat_miss_because(plat, HL_PLAT_RUN_DELAY, "macOS does not tell it of a thread");
    if (seen.state == 0)
        hl_plat_miss_because(plat, HL_PLAT_THREAD_STATE,
                             "the kernel tells a state of no known kind");
    return true;
}

bool hl_plat_thread_sleeps(struct hl_plat *plat, uint64_t tid, uint64_t *sleeps)
{
    (void)plat, (void)tid, (void)sleeps;
    return false;
}
