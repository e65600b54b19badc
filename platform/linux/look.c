/* platform/linux/look.c - what one thread waits for.
 *
 * The order of the readings is what makes the owner of a lock believable: state
 * and run count, system call, everything else, system call, run count. When the
 * two texts of the call are the same and the thread never got onto a core
 * meanwhile, then it sat in that one wait all the time. (Nothing less will do:
 * with the texts alone, contended locks gave wrong owners.)
 *
 * Memory of the application is only copied by the kernel (peek.c), its files are
 * never opened, and nothing here waits for what the thread waits for.
 */
#define _GNU_SOURCE
#include "plat.h"
#include "calls.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define SYSCALL_BYTES 256
#define SHOWN 3        /* of several descriptors, so many are described */
#define SHOWN_BYTES 72 /* each with so many bytes */
#define MAX_POLLED 64  /* entries that are read */
#define MAX_SELECTED 1024
#define MOST_OPEN 32      /* descriptors of a process whose epolls are listed */
#define MOST_IN_TABLE 256 /* or room for them; a program that a shell started has this already */

struct text {
    char bytes[SYSCALL_BYTES];
    ssize_t size; /* or a negative errno */
};

/* What is known about the thread so far. */
struct looking {
    struct hl_plat *plat;
    uint64_t tid;
    struct hl_plat_look *look;
    struct hl_plat_meaning meaning;
    bool may_ask; /* sockets and pipes: see object.c */
};

static void read_call(struct hl_plat *plat, uint64_t tid, struct text *text)
{
    text->size = hl_plat_read_of_thread(plat, tid, "syscall", text->bytes, sizeof text->bytes);
}

/* ---- the channel ------------------------------------------------------------ */

static void add_channel(struct hl_plat *plat, uint64_t tid, struct hl_plat_look *look)
{
    char *channel = look->channel;
    ssize_t size = hl_plat_read_of_thread(plat, tid, "wchan", channel, sizeof look->channel - 1);

    if (size < 0) {
        hl_plat_miss_of_thread(plat, HL_PLAT_CHANNEL, size);
        size = 0;
    } else {
        look->known |= HL_KNOWN(HL_PLAT_CHANNEL);
    }
    channel[size] = 0;
    channel[strcspn(channel, " \n")] = 0;
    if (strcmp(channel, "0") != 0)
        return;
    channel[0] = 0;
    if (hl_plat_is_asleep(look->state.state)) {
        look->known &= ~HL_KNOWN(HL_PLAT_CHANNEL);
        hl_plat_miss_because(plat, HL_PLAT_CHANNEL, "hidden by the kernel");
    }
}

/* ---- one object ---------------------------------------------------------------- */

static void know_wait(struct looking *looking)
{
    looking->look->known |= HL_KNOWN(HL_PLAT_WAIT);
}

static void miss_wait(struct looking *looking, int error)
{
    if (error == -ENOENT)
        hl_plat_miss_because(looking->plat, HL_PLAT_WAIT, "its descriptor is closed");
    else if (error == -EFAULT)
        hl_plat_miss_because(looking->plat, HL_PLAT_WAIT, "its memory is not there");
    else
        hl_plat_miss(looking->plat, HL_PLAT_WAIT, -error);
}

static void look_at_descriptor(struct looking *looking, int64_t descriptor)
{
    struct hl_plat_look *look = looking->look;

    look->descriptor = descriptor;
    int error = hl_plat_object(looking->plat, looking->tid, descriptor, looking->may_ask,
                               look->object, sizeof look->object, look->local);
    if (error)
        miss_wait(looking, error);
    else
        know_wait(looking);
}

/* The peer of a connect() is not the socket's before it succeeds. */
static void look_at_connect(struct looking *looking)
{
    struct sockaddr_storage address;
    struct hl_plat_look *look = looking->look;
    size_t size = looking->meaning.count;
    static const char kind[] = "socket ";

    look->descriptor = looking->meaning.descriptor;
    if (size > sizeof address)
        size = sizeof address;
    int error = size < sizeof address.ss_family ? -EFAULT : 0;
    if (!error)
        error = hl_plat_peek(looking->meaning.address, &address, size);
    if (error) {
        miss_wait(looking, error);
        return;
    }
    memcpy(look->object, kind, sizeof kind);
    hl_plat_write_address(&address, size, look->object + strlen(kind),
                          sizeof look->object - strlen(kind));
    if (looking->may_ask)
        hl_plat_own_address(looking->plat, looking->tid, look->descriptor, look->local);
    know_wait(looking);
}

/* Copies a terminated text into plat->path in pieces that lie within one page each:
 * the next one may not be there. Its length or a negative errno. */
static ssize_t read_path(struct hl_plat *plat, uint64_t address)
{
    enum { PIECE = 256 }; /* divides every page size */
    size_t used = 0;

    while (used < PATH_MAX) {
        size_t size = PIECE - (size_t)((address + used) % PIECE);
        if (size > PATH_MAX - used)
            size = PATH_MAX - used;
        int error = hl_plat_peek(address + used, plat->path + used, size);
        if (error)
            return error;
        size_t length = strnlen(plat->path + used, size);
        used += length;
        if (length < size)
            break;
    }
    return (ssize_t)used;
}

static void look_at_path(struct looking *looking)
{
    struct hl_plat_look *look = looking->look;
    const struct hl_plat_meaning *meaning = &looking->meaning;
    ssize_t size = meaning->address ? read_path(looking->plat, meaning->address) : 0;

    if (size < 0) {
        miss_wait(looking, (int)size);
    } else if (size == 0 && meaning->descriptor >= 0) { /* AT_EMPTY_PATH: fstat is such a call */
        look_at_descriptor(looking, meaning->descriptor);
    } else {
        hl_plat_shorten((struct hl_plat_piece){looking->plat->path, (size_t)size}, look->object,
                        sizeof look->object);
        know_wait(looking);
    }
}

/* ---- several objects ------------------------------------------------------------ */

/* Descriptors that are waited for together. */
struct set {
    int64_t first[SHOWN];
    uint64_t count;
    bool is_cut; /* there may be more */
};

static void add_to_set(struct set *set, int64_t descriptor)
{
    if (set->count < SHOWN)
        set->first[set->count] = descriptor;
    set->count++;
}

static void describe_set(struct looking *looking, const struct set *set)
{
    struct hl_plat_look *look = looking->look;
    char one[SHOWN_BYTES], local[HL_PLAT_ADDRESS_BYTES];
    size_t used = 0;

    for (size_t i = 0; i < SHOWN && i < set->count; i++) {
        if (hl_plat_object(looking->plat, looking->tid, set->first[i], looking->may_ask, one,
                           sizeof one, local) != 0)
            snprintf(one, sizeof one, "descriptor %" PRId64, set->first[i]);
        used += (size_t)snprintf(look->object + used, sizeof look->object - used, "%s%s",
                                 i ? ", " : "", one);
    }
    if (set->is_cut)
        snprintf(look->object + used, sizeof look->object - used, " and more");
    else if (set->count > SHOWN)
        snprintf(look->object + used, sizeof look->object - used, " +%" PRIu64 " more",
                 set->count - SHOWN);
    know_wait(looking);
}

static void look_at_set(struct looking *looking, const struct set *set)
{
    if (set->count == 1 && !set->is_cut) {
        look_at_descriptor(looking, set->first[0]);
    } else if (set->count == 0 && !set->is_cut) {
        looking->look->verb = NULL;
        looking->look->waits_for =
            looking->meaning.is_endless ? HL_PLAT_FOR_SIGNAL : HL_PLAT_FOR_TIMER;
        know_wait(looking);
    } else {
        describe_set(looking, set);
    }
}

static void look_at_poll(struct looking *looking)
{
    struct pollfd polled[MAX_POLLED];
    uint64_t count = looking->meaning.count;
    struct set set = {.is_cut = count > MAX_POLLED};

    if (set.is_cut)
        count = MAX_POLLED;
    int error = count ? hl_plat_peek(looking->meaning.address, polled, count * sizeof *polled) : 0;
    if (error) {
        miss_wait(looking, error);
        return;
    }
    for (uint64_t i = 0; i < count; i++)
        if (polled[i].fd >= 0)
            add_to_set(&set, polled[i].fd);
    look_at_set(looking, &set);
}

enum { LONG_BITS = 8 * sizeof(unsigned long), LONGS = MAX_SELECTED / LONG_BITS };

/* Adds an fd_set to the bits that are waited for. 0 or a negative errno. */
static int add_selected(uint64_t address, uint64_t count, unsigned long all[LONGS])
{
    unsigned long bits[LONGS] = {0};
    size_t longs = (size_t)(count + LONG_BITS - 1) / LONG_BITS;
    int error = address && longs ? hl_plat_peek(address, bits, longs * sizeof *bits) : 0;

    for (size_t i = 0; i < longs && !error; i++)
        all[i] |= bits[i];
    return error;
}

static void look_at_select(struct looking *looking, const struct hl_plat_call *call)
{
    unsigned long all[LONGS] = {0};
    uint64_t count = looking->meaning.count;
    struct set set = {.is_cut = count > MAX_SELECTED};
    int error = 0;

    if (set.is_cut)
        count = MAX_SELECTED;
    for (int i = 1; i <= 3 && !error; i++)
        error = add_selected(call->arguments[i], count, all);
    if (error) {
        miss_wait(looking, error);
        return;
    }
    for (uint64_t i = 0; i < count; i++)
        if (all[i / LONG_BITS] >> (i % LONG_BITS) & 1)
            add_to_set(&set, (int64_t)i);
    look_at_set(looking, &set);
}

/* The kernel lists the whole set or nothing, at 1 us an entry, under the lock that
 * epoll_ctl takes: a server with 10,000 connections would feel it. How large the
 * set is cannot be asked, but hardly larger than what is open, which the folder's
 * size tells since Linux 6.2; before, only how large the table is. */
static bool may_list(struct hl_plat *plat)
{
    struct hl_plat_status status;
    struct stat folder;

    if (stat("/proc/thread-self/fd", &folder) == 0 && folder.st_size > 0)
        return folder.st_size <= MOST_OPEN;
    return hl_plat_read_status(plat, &status) == 0 && status.descriptors <= MOST_IN_TABLE;
}

/* 0 or a negative errno. */
static int read_set(struct looking *looking, struct set *set)
{
    struct hl_plat *plat = looking->plat;
    char file[32];
    uint64_t descriptor;

    snprintf(file, sizeof file, "fdinfo/%" PRId64, looking->meaning.descriptor);
    ssize_t size =
        hl_plat_read_of_thread(plat, looking->tid, file, plat->buffer, sizeof plat->buffer);
    if (size < 0)
        return (int)size;
    set->is_cut = (size_t)size == sizeof plat->buffer;
    char *line = plat->buffer, *end = plat->buffer + size, *stop;
    for (; (stop = memchr(line, '\n', (size_t)(end - line))); line = stop + 1)
        if (hl_plat_parse_watched(line, (size_t)(stop + 1 - line), &descriptor))
            add_to_set(set, (int64_t)descriptor);
    return 0;
}

static void look_at_epoll(struct looking *looking)
{
    struct hl_plat_look *look = looking->look;
    struct set set = {.count = 0};

    if (!may_list(looking->plat)) {
        look_at_descriptor(looking, looking->meaning.descriptor);
        return;
    }
    int error = read_set(looking, &set);
    if (error) {
        miss_wait(looking, error);
    } else if (set.count == 0 && !set.is_cut) {
        snprintf(look->object, sizeof look->object, "nothing");
        know_wait(looking);
    } else {
        look_at_set(looking, &set);
    }
    look->descriptor = looking->meaning.descriptor;
}

/* ---- calls that wait for no object ------------------------------------------------- */

static void be(struct looking *looking, enum hl_plat_wait_for waits_for)
{
    looking->look->waits_for = waits_for;
    know_wait(looking);
}

static void look_at_words(struct looking *looking)
{
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } first; /* struct futex_waitv */
    int error = hl_plat_peek(looking->meaning.address, &first, sizeof first);

    looking->look->waits_for = HL_PLAT_FOR_FUTEX;
    if (error) {
        miss_wait(looking, error);
        return;
    }
    looking->look->address = first.address;
    know_wait(looking);
}

/* vfork and posix_spawn wait until the child has a memory of its own. */
static void look_at_clone3(struct looking *looking)
{
    uint64_t flags = 0; /* the first of struct clone_args */
    int error = hl_plat_peek(looking->meaning.address, &flags, sizeof flags);

    looking->look->waits_for = HL_PLAT_FOR_CALL;
    if (error)
        miss_wait(looking, error);
    else
        be(looking, flags & CLONE_VFORK ? HL_PLAT_FOR_CHILD : HL_PLAT_FOR_CALL);
}

/* Which call it was is not in its text any more, and not every kernel's channel tells. */
static void look_at_restarted(struct looking *looking)
{
    bool is_nap = strstr(looking->look->channel, "nanosleep") != NULL;

    be(looking, is_nap ? HL_PLAT_FOR_TIMER : HL_PLAT_FOR_CALL);
}

/* ---- the wait ---------------------------------------------------------------------- */

static void look_at_object(struct looking *looking, const struct hl_plat_call *call)
{
    looking->look->waits_for = HL_PLAT_FOR_OBJECT;
    looking->look->verb = looking->meaning.verb;
    switch (looking->meaning.kind) {
    case HL_PLAT_CALL_CONNECT:
        look_at_connect(looking);
        break;
    case HL_PLAT_CALL_PATH:
        look_at_path(looking);
        break;
    case HL_PLAT_CALL_POLL:
        look_at_poll(looking);
        break;
    case HL_PLAT_CALL_SELECT:
        look_at_select(looking, call);
        break;
    case HL_PLAT_CALL_EPOLL:
        look_at_epoll(looking);
        break;
    default:
        look_at_descriptor(looking, looking->meaning.descriptor);
        break;
    }
}

static void look_at_call(struct looking *looking, const struct hl_plat_call *call)
{
    struct hl_plat_look *look = looking->look;

    switch (looking->meaning.kind) {
    case HL_PLAT_CALL_FUTEX:
        hl_plat_look_at_futex(looking->plat, call, look);
        break;
    case HL_PLAT_CALL_WORD:
        look->address = looking->meaning.address;
        be(looking, HL_PLAT_FOR_FUTEX);
        break;
    case HL_PLAT_CALL_WORDS:
        look_at_words(looking);
        break;
    case HL_PLAT_CALL_CHILD:
        look->awaited = looking->meaning.awaited;
        be(looking, HL_PLAT_FOR_CHILD);
        break;
    case HL_PLAT_CALL_CLONE3:
        look_at_clone3(looking);
        break;
    case HL_PLAT_CALL_TIMER:
        be(looking, HL_PLAT_FOR_TIMER);
        break;
    case HL_PLAT_CALL_SIGNAL:
        be(looking, HL_PLAT_FOR_SIGNAL);
        break;
    case HL_PLAT_CALL_RESTARTED:
        look_at_restarted(looking);
        break;
    case HL_PLAT_CALL_PLAIN:
        be(looking, HL_PLAT_FOR_CALL);
        break;
    default:
        look_at_object(looking, call);
        break;
    }
}

static void add_wait(struct looking *looking, const struct hl_plat_call *call)
{
    struct hl_plat_look *look = looking->look;

    look->known |= HL_KNOWN(HL_PLAT_SYSCALL);
    if (!call->is_in_call) {
        be(looking, HL_PLAT_FOR_NOTHING);
        return;
    }
    hl_plat_explain_call(call, &looking->meaning);
    if (looking->meaning.name)
        snprintf(look->call, sizeof look->call, "%s", looking->meaning.name);
    else
        snprintf(look->call, sizeof look->call, "syscall_%" PRIu64, call->number % 1000000000u);
    look_at_call(looking, call);
}

static void miss_everything(struct hl_plat *plat, const char *why)
{
    hl_plat_miss_because(plat, HL_PLAT_SYSCALL, why);
    hl_plat_miss_because(plat, HL_PLAT_WAIT, why);
    hl_plat_miss_because(plat, HL_PLAT_HOLDER, why);
}

/* false: there is no call to ask about again. */
static bool understand(struct hl_plat *plat, const struct text *text, struct hl_plat_call *call)
{
    *call = (struct hl_plat_call){0};
    if (text->size < 0)
        hl_plat_miss_of_thread(plat, HL_PLAT_SYSCALL, text->size);
    else if (!hl_plat_parse_syscall(text->bytes, (size_t)text->size, call))
        hl_plat_miss_because(plat, HL_PLAT_SYSCALL, hl_plat_not_understood);
    else if (hl_plat_is_emulated(plat))
        hl_plat_miss_because(plat, HL_PLAT_SYSCALL, hl_plat_emulated);
    else
        return true;
    miss_everything(plat, hl_plat_why(plat, HL_PLAT_SYSCALL));
    return false;
}

/* The last two readings. */
static bool sat_still(struct looking *looking, const struct text *first)
{
    const struct hl_plat_thread_state *state = &looking->look->state;
    struct hl_plat_thread_state now = {0};
    struct text last;

    read_call(looking->plat, looking->tid, &last);
    if (last.size < 0 && !(looking->look->known & HL_KNOWN(HL_PLAT_WAIT)))
        hl_plat_miss_of_thread(looking->plat, HL_PLAT_WAIT, last.size);
    if (last.size != first->size || memcmp(last.bytes, first->bytes, (size_t)first->size) != 0)
        return false;
    hl_plat_thread_times(looking->plat, looking->tid, &now);
    return state->times_known && now.times_known && state->switches == now.switches;
}

static void look_closely(struct looking *looking)
{
    struct hl_plat_call call;
    struct text first;

    read_call(looking->plat, looking->tid, &first);
    bool is_understood = understand(looking->plat, &first, &call);
    add_channel(looking->plat, looking->tid, looking->look);
    if (!is_understood)
        return;
    add_wait(looking, &call);
    if (call.is_in_call && hl_plat_is_asleep(looking->look->state.state))
        looking->look->steady = sat_still(looking, &first);
}

bool hl_plat_look(struct hl_plat *plat, uint64_t tid, struct hl_plat_look *look)
{
    int saved = errno;

    *look = (struct hl_plat_look){.descriptor = -1};
    hl_plat_miss_because(plat, HL_PLAT_HOLDER, "it waits for no mutex");
    bool known = hl_plat_thread_state(plat, tid, &look->state);
    if (known) {
        struct looking looking = {
            .plat = plat, .tid = tid, .look = look, .may_ask = look->state.state == 'S'};
        look_closely(&looking);
    } else {
        const char *why = hl_plat_why(plat, HL_PLAT_THREAD_STATE);
        miss_everything(plat, why);
        hl_plat_miss_because(plat, HL_PLAT_CHANNEL, why);
    }
    errno = saved;
    return known;
}

static uint64_t waits_for_thread(const struct hl_plat_look *look)
{
    switch (look->waits_for) {
    case HL_PLAT_FOR_MUTEX:
        return look->mutex.owner ? look->mutex.owner : HL_PLAT_SOMEBODY;
    case HL_PLAT_FOR_JOIN:
        return look->awaited;
    default:
        return look->is_vague ? HL_PLAT_SOMEBODY : 0;
    }
}

uint64_t hl_plat_waits_for(struct hl_plat *plat, uint64_t tid)
{
    struct text text;
    struct hl_plat_call call;
    struct hl_plat_meaning meaning;
    struct hl_plat_look look = {.known = 0};
    int saved = errno;

    read_call(plat, tid, &text);
    errno = saved;
    if (text.size < 0 || !hl_plat_parse_syscall(text.bytes, (size_t)text.size, &call))
        return HL_PLAT_SOMEBODY;
    if (!call.is_in_call)
        return 0;
    hl_plat_explain_call(&call, &meaning);
    if (meaning.kind == HL_PLAT_CALL_FUTEX)
        hl_plat_look_at_futex(plat, &call, &look);
    return waits_for_thread(&look);
}
