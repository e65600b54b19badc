/* tests/fuzz/fuzz_look.c - what a thread waits for: look.c, futex.c, object.c and all below.
 *
 * The input is what the kernel would show of thread 7 (files.h): its files in /proc, the
 * links in its `fd`, and besides
 *
 *     =memory/7f0000100000    the process's memory from that address on
 *     =sockname/3, peername/3 what a socket says; =pipe/3: descriptor 3 is a FIFO
 *     =open                   has as many bytes as descriptors are open
 *     =unlearnt, =lacks_some, =emulated
 *
 * Nothing else can be opened or read. What the look says is compared with what follows from
 * the call's meaning (calls.c) and from single objects, whose words are found a second time.
 */
#define _GNU_SOURCE
#include "../../platform/linux/calls.h"
#include "../../platform/linux/learn.h"
#include "../../platform/linux/parse.h"
#include "../../platform/linux/plat.h"
#include "../platform/fakes.h"
#include "files.h"
#include "fuzz.h"
#include "words.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TID 7
#define BEFORE 12345 /* errno */

static struct hl_plat *plat;
static bool is_faked; /* else the calls below are the system's */
static size_t peeked, peeks;

/* ---- files ----------------------------------------------------------------------------------- */

/* Of the thread, or what the caller asks about itself. */
static bool may_open(const char *path)
{
    static const char *const own[] = {"7/",
                                      "/proc/self/task/7/",
                                      "/proc/thread-self/schedstat",
                                      "/proc/thread-self/status",
                                      "/proc/self/schedstat",
                                      "/proc/self/status"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strncmp(path, own[i], strlen(own[i])) == 0)
            return !strstr(path, "/fd/");
    return false;
}

static bool answer(const char *path, struct fake_file *fake)
{
    MUST(may_open(path), "%s is opened", path);
    const struct fuzz_file *file = fuzz_file_read(path);
    if (strcmp(path, "7/syscall") != 0 && strcmp(path, "7/schedstat") != 0)
        file = fuzz_file(path); /* the others are the same for ever */
    *fake = (struct fake_file){.error = ENOENT};
    if (file)
        *fake = (struct fake_file){file->bytes, file->size, file->error};
    return true;
}

/* The file "KIND/DESCRIPTOR", or NULL and errno. */
static const struct fuzz_file *of_descriptor(const char *kind, int64_t descriptor, int error)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%" PRId64, kind, descriptor);
    const struct fuzz_file *file = fuzz_file(path);
    errno = file ? file->error : error;
    return file && !file->error ? file : NULL;
}

/* ---- system calls ---------------------------------------------------------------------------- */

/* "…/fd/5": 5 */
static int64_t descriptor_in(const char *path)
{
    const char *number = strrchr(path, '/');
    MUST(number && strstr(path, "fd/"), "%s is no descriptor", path);
    return strtoll(number + 1, NULL, 10);
}

static ssize_t give_link(const struct fuzz_file *file, char *bytes, size_t size)
{
    if (!file)
        return -1;
    memcpy(bytes, file->bytes, fuzz_at_most(file->size, size));
    return (ssize_t)fuzz_at_most(file->size, size);
}

/* What the thread's own link says; the caller's is the same where nothing else is said. No
 * link has a NUL in it. */
static const struct fuzz_file *link_of(int64_t descriptor, bool is_own)
{
    const struct fuzz_file *file = is_own ? of_descriptor("own", descriptor, ENOENT) : NULL;
    if (!file)
        file = of_descriptor("fd", descriptor, ENOENT);
    if (!file || !memchr(file->bytes, '\0', file->size))
        return file;
    errno = EINVAL;
    return NULL;
}

ssize_t __real_readlinkat(int directory, const char *path, char *bytes, size_t size);
ssize_t __wrap_readlinkat(int directory, const char *path, char *bytes, size_t size);
ssize_t __wrap_readlinkat(int directory, const char *path, char *bytes, size_t size)
{
    if (!is_faked)
        return __real_readlinkat(directory, path, bytes, size);
    return give_link(link_of(descriptor_in(path), false), bytes, size);
}

ssize_t __real_readlink(const char *path, char *bytes, size_t size);
ssize_t __wrap_readlink(const char *path, char *bytes, size_t size);
ssize_t __wrap_readlink(const char *path, char *bytes, size_t size)
{
    if (!is_faked)
        return __real_readlink(path, bytes, size);
    return give_link(link_of(descriptor_in(path), true), bytes, size);
}

/* As the kernel: the whole length, also of what did not fit. */
static int give_address(const struct fuzz_file *file, struct sockaddr *address, socklen_t *size)
{
    if (!file)
        return -1;
    memcpy(address, file->bytes, fuzz_at_most(file->size, *size));
    *size = (socklen_t)file->size;
    return 0;
}

#define WRAP_ADDRESS(name, kind, error)                                             \
    int __real_##name(int descriptor, struct sockaddr *address, socklen_t *size);   \
    int __wrap_##name(int descriptor, struct sockaddr *address, socklen_t *size);   \
    int __wrap_##name(int descriptor, struct sockaddr *address, socklen_t *size)    \
    {                                                                               \
        if (!is_faked)                                                              \
            return __real_##name(descriptor, address, size);                        \
        return give_address(of_descriptor(kind, descriptor, error), address, size); \
    }
WRAP_ADDRESS(getsockname, "sockname", EBADF)
WRAP_ADDRESS(getpeername, "peername", ENOTCONN)

/* Both names of each, as in fakes.c. */
#define WRAP_FCNTL(name)                                                          \
    int __real_##name(int descriptor, int command, ...);                          \
    int __wrap_##name(int descriptor, int command, ...);                          \
    int __wrap_##name(int descriptor, int command, ...)                           \
    {                                                                             \
        va_list rest;                                                             \
        va_start(rest, command);                                                  \
        void *argument = va_arg(rest, void *); /* as the C library itself does */ \
        va_end(rest);                                                             \
        if (is_faked && command == F_GETPIPE_SZ)                                  \
            return of_descriptor("pipe", descriptor, EBADF) ? 65536 : -1;         \
        return __real_##name(descriptor, command, argument);                      \
    }
WRAP_FCNTL(fcntl)
WRAP_FCNTL(fcntl64)

#define WRAP_STAT(name, type)                                                       \
    int __real_##name(const char *path, struct type *is);                           \
    int __wrap_##name(const char *path, struct type *is);                           \
    int __wrap_##name(const char *path, struct type *is)                            \
    {                                                                               \
        if (!is_faked)                                                              \
            return __real_##name(path, is);                                         \
        MUST(strcmp(path, "/proc/thread-self/fd") == 0, "%s is asked about", path); \
        const struct fuzz_file *file = fuzz_file("open");                           \
        is->st_size = file ? (off_t)file->size : 0;                                 \
        return 0;                                                                   \
    }
WRAP_STAT(stat, stat)
WRAP_STAT(stat64, stat64)

/* ---- memory ---------------------------------------------------------------------------------- */

/* NULL: there is none. */
static const char *byte_at(uint64_t at)
{
    const struct fuzz_file *file;
    for (size_t i = 0; (file = fuzz_file_at(i)); i++) {
        if (strncmp(file->name, "memory/", 7) != 0)
            continue;
        uint64_t from = strtoull(file->name + 7, NULL, 16);
        if (at >= from && at - from < file->size)
            return file->bytes + (at - from);
    }
    return NULL;
}

static bool copy_memory(uint64_t at, void *copy, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const char *byte = byte_at(at + i);
        if (!byte)
            return false;
        ((char *)copy)[i] = *byte;
    }
    return true;
}

/* Instead of peek.c. */
int hl_plat_peek(uint64_t address, void *copy, size_t size)
{
    peeks++;
    peeked += size;
    memset(copy, 0xaa, size); /* what is not there may be anything */
    return copy_memory(address, copy, size) ? 0 : -EFAULT;
}

/* ---- what was learnt --------------------------------------------------------------------------- */

#define LEARNT_PC UINT64_C(0x7f0000000000)
#define CALLER(distance) .callers_count = 1, .callers = {{distance, 0x5000, 0x6000}}

static struct hl_shapes learnt = {
    .count = 8,
    .shapes = {{.kind = HL_PLAT_FOR_MUTEX, .pc = LEARNT_PC, .any_caller = true},
               {.kind = HL_PLAT_FOR_CONDVAR, .pc = LEARNT_PC + 1, CALLER(8)},
               {.kind = HL_PLAT_FOR_RWLOCK, .pc = LEARNT_PC + 1, CALLER(16)},
               {.kind = HL_PLAT_FOR_SEMAPHORE, .pc = LEARNT_PC + 1, CALLER(1016)},
               {.kind = HL_PLAT_FOR_BARRIER, .pc = LEARNT_PC + 2, .any_caller = true},
               {.kind = HL_PLAT_FOR_ONCE, .pc = LEARNT_PC + 3, .any_caller = true},
               {.kind = HL_PLAT_FOR_JOIN, .pc = LEARNT_PC + 4, .any_caller = true},
               {.kind = HL_PLAT_FOR_MUTEX, .pc = LEARNT_PC + 5, .any_caller = true, .is_pi = true}},
};

const struct hl_shapes *__wrap_hl_plat_learnt(const char **why);
const struct hl_shapes *__wrap_hl_plat_learnt(const char **why)
{
    *why = "nothing was learnt";
    learnt.lacks_some = fuzz_file("lacks_some") != NULL;
    return fuzz_file("unlearnt") ? NULL : &learnt;
}

bool __real_hl_plat_is_emulated(struct hl_plat *handle);
bool __wrap_hl_plat_is_emulated(struct hl_plat *handle);
bool __wrap_hl_plat_is_emulated(struct hl_plat *handle)
{
    return is_faked ? fuzz_file("emulated") != NULL : __real_hl_plat_is_emulated(handle);
}

/* ---- the words of one object, once more -------------------------------------------------------- */

/* As much room as any text here needs. */
#define ROOM 8192

static size_t write_un(const char *path, size_t size, char *text)
{
    if (path[0])
        size = strnlen(path, size);
    for (size_t i = 0; i < size; i++)
        text[i] = path[i];
    for (size_t i = 0; i < size && !path[0]; i++)
        text[i] = path[i] ? path[i] : '@';
    text[size] = '\0';
    return size;
}

/* "" = it has no name. */
static void write_name(const uint8_t *bytes, size_t size, char *text)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    char name[64], scope[16] = "";
    sa_family_t family = AF_UNSPEC;
    memcpy(&family, bytes, fuzz_at_most(size, sizeof family));
    text[0] = '\0';
    if (family == AF_UNIX && size > 2) {
        write_un((const char *)bytes + 2, fuzz_at_most(size, sizeof(struct sockaddr_un)) - 2, text);
    } else if (family == AF_INET && size >= sizeof in) {
        memcpy(&in, bytes, sizeof in);
        snprintf(text, ROOM, "%s:%u", inet_ntop(AF_INET, &in.sin_addr, name, sizeof name),
                 ntohs(in.sin_port));
    } else if (family == AF_INET6 && size >= sizeof in6) {
        memcpy(&in6, bytes, sizeof in6);
        if (in6.sin6_scope_id)
            snprintf(scope, sizeof scope, "%%%u", in6.sin6_scope_id);
        snprintf(text, ROOM, "[%s%s]:%u", inet_ntop(AF_INET6, &in6.sin6_addr, name, sizeof name),
                 scope, ntohs(in6.sin6_port));
    }
}

/* The name, or the family by the platform's own table, which is not written down twice. */
static void write_address(const uint8_t *bytes, size_t size, char *text)
{
    write_name(bytes, size, text);
    if (!text[0])
        hl_plat_write_address(bytes, fuzz_at_most(size, 2), text, ROOM);
}

struct object {
    int error;
    char text[ROOM], local[ROOM];
};

static bool is_same_link(int64_t descriptor)
{
    const struct fuzz_file *own = link_of(descriptor, true), *theirs = link_of(descriptor, false);
    size_t size = theirs ? fuzz_at_most(theirs->size, PATH_MAX) : 0;
    return own && theirs && fuzz_at_most(own->size, PATH_MAX) == size &&
           memcmp(own->bytes, theirs->bytes, size) == 0;
}

static void ask_socket(int64_t descriptor, struct object *object)
{
    const struct fuzz_file *peer = of_descriptor("peername", (int)descriptor, 0);
    const struct fuzz_file *own = of_descriptor("sockname", (int)descriptor, 0);
    const struct fuzz_file *shown = peer ? peer : own;
    if (peer && own)
        write_name((const uint8_t *)own->bytes, own->size, object->local);
    if (!shown)
        return;
    strcpy(object->text, "socket ");
    write_address((const uint8_t *)shown->bytes, shown->size, object->text + 7);
}

static const struct object *object_of(int64_t descriptor, bool may_ask)
{
    static struct object object;
    static const char *const kinds[] = {[HL_PLAT_LINK_NAMED] = "",
                                        [HL_PLAT_LINK_SOCKET] = "socket",
                                        [HL_PLAT_LINK_TERMINAL] = "terminal ",
                                        [HL_PLAT_LINK_PATH] = ""};
    struct hl_plat_piece name;
    const struct fuzz_file *file = link_of(descriptor, false);
    object.error = file ? 0 : -errno;
    object.text[0] = object.local[0] = '\0';
    if (!file)
        return &object;
    enum hl_plat_link link =
        hl_plat_parse_link(file->bytes, fuzz_at_most(file->size, PATH_MAX), &name);
    may_ask = may_ask && is_same_link(descriptor);
    bool is_fifo = link == HL_PLAT_LINK_PATH && may_ask && of_descriptor("pipe", descriptor, 0);
    char *end = stpcpy(object.text, is_fifo ? "fifo " : kinds[link]);
    if (name.size)
        memcpy(end, name.text, name.size);
    end[name.size] = '\0';
    if (link == HL_PLAT_LINK_SOCKET && may_ask)
        ask_socket(descriptor, &object);
    return &object;
}

/* Its whole, or its beginning and its end with a mark between them, as much as there is room for. */
static void meet_cut(const char *seen, const char *whole, size_t capacity)
{
    static const char mark[] = "\xe2\x80\xa6";
    size_t length = strnlen(seen, capacity), whole_length = strlen(whole);
    MUST(length < capacity, "no end in %zu bytes", capacity);
    if (whole_length < capacity) {
        MUST(strcmp(seen, whole) == 0, "%s, not %s", seen, whole);
        return;
    }
    MUST(!fuzz_is_utf8(whole, whole_length) || fuzz_is_utf8(seen, length),
         "cut inside a character");
    if (capacity < 72)
        return; /* an address of numbers is not made for less */
    MUST(length + 7 >= capacity, "%zu of %zu bytes", length, capacity);
    size_t head = 0, tail = 0;
    while (head < length && seen[head] == whole[head])
        head++;
    while (tail < length && seen[length - 1 - tail] == whole[whole_length - 1 - tail])
        tail++;
    const char *gap = memmem(seen, length, mark, 3);
    MUST(gap && head + tail + 3 >= length, "%s, not %s", seen, whole);
}

/* ---- what the call waits for, once more ---------------------------------------------------------- */

#define SET 20000
static struct {
    int64_t descriptors[SET];
    size_t count;
    bool is_cut, is_there;
} set;

static void add_to_set(int64_t descriptor)
{
    MUST(set.count < SET, "too many descriptors");
    set.descriptors[set.count++] = descriptor;
}

static void take_polled(const struct hl_plat_meaning *meaning)
{
    struct pollfd polled[64];
    size_t count = fuzz_at_most(meaning->count, 64);
    set.is_cut = meaning->count > 64;
    set.is_there = count == 0 || copy_memory(meaning->address, polled, count * sizeof polled[0]);
    for (size_t i = 0; i < count && set.is_there; i++)
        if (polled[i].fd >= 0)
            add_to_set(polled[i].fd);
}

static void take_selected(const struct hl_plat_meaning *meaning, const struct hl_plat_call *call)
{
    fd_set sets[3];
    size_t count = fuzz_at_most(meaning->count, 1024), size = (count + 63) / 64 * 8;
    memset(sets, 0, sizeof sets);
    set.is_cut = meaning->count > 1024;
    set.is_there = true;
    for (int i = 0; i < 3 && size > 0; i++)
        if (call->arguments[i + 1])
            set.is_there = copy_memory(call->arguments[i + 1], &sets[i], size) && set.is_there;
    for (int fd = 0; fd < (int)count && set.is_there; fd++)
        if (FD_ISSET(fd, &sets[0]) || FD_ISSET(fd, &sets[1]) || FD_ISSET(fd, &sets[2]))
            add_to_set(fd);
}

static void take_watched(const struct hl_plat_meaning *meaning)
{
    const struct fuzz_file *file = of_descriptor("7/fdinfo", meaning->descriptor, ENOENT);
    uint64_t descriptor;
    set.is_there = file != NULL;
    if (!file)
        return;
    size_t size = fuzz_at_most(file->size, HL_PLAT_BUFFER_BYTES);
    const char *at = file->bytes, *end = at + size, *stop;
    set.is_cut = size == HL_PLAT_BUFFER_BYTES;
    for (; at < end && (stop = memchr(at, '\n', (size_t)(end - at))); at = stop + 1)
        if (hl_plat_parse_watched(at, (size_t)(stop + 1 - at), &descriptor))
            add_to_set((int64_t)descriptor);
}

static void meet_set(const struct hl_plat_look *look, bool may_ask)
{
    char whole[1024], *end = whole;
    for (size_t i = 0; i < 3 && i < set.count; i++) {
        char one[72], local[HL_PLAT_ADDRESS_BYTES];
        if (hl_plat_object(plat, TID, set.descriptors[i], may_ask, one, sizeof one, local) != 0)
            snprintf(one, sizeof one, "descriptor %" PRId64, set.descriptors[i]);
        end += sprintf(end, "%s%s", i ? ", " : "", one);
    }
    if (set.is_cut)
        sprintf(end, " and more");
    else if (set.count > 3)
        sprintf(end, " +%zu more", set.count - 3);
    MUST(strcmp(look->object, whole) == 0, "%s, not %s", look->object, whole);
}

static bool knows(const struct hl_plat_look *look, enum hl_plat_key key)
{
    return look->known & HL_KNOWN(key);
}

static void meet_object(const struct hl_plat_look *look, int64_t descriptor, bool may_ask)
{
    const struct object *object = object_of(descriptor, may_ask);
    MUST(knows(look, HL_PLAT_WAIT) == !object->error, "known: %x", look->known);
    MUST(look->waits_for == HL_PLAT_FOR_OBJECT && look->verb, "no object");
    if (object->error)
        return;
    meet_cut(look->object, object->text, sizeof look->object);
    meet_cut(look->local, object->local, sizeof look->local);
}

/* `empty`: what a set without descriptors is. */
static void meet_sets(const struct hl_plat_look *look, bool may_ask, enum hl_plat_wait_for empty)
{
    MUST(set.is_there || !knows(look, HL_PLAT_WAIT), "known, but not there");
    if (!set.is_there)
        return;
    if (set.count == 1 && !set.is_cut) {
        meet_object(look, set.descriptors[0], may_ask);
        return;
    }
    MUST(knows(look, HL_PLAT_WAIT), "%zu descriptors", set.count);
    bool is_empty = set.count == 0 && !set.is_cut;
    MUST(look->waits_for == (is_empty ? empty : HL_PLAT_FOR_OBJECT), "waits for %d",
         look->waits_for);
    if (!is_empty)
        meet_set(look, may_ask);
}

static bool may_list(void)
{
    const struct fuzz_file *open = fuzz_file("open");
    struct hl_plat_status status;
    if (open && open->size > 0)
        return open->size <= 32;
    return hl_plat_read_status(plat, &status) == 0 && status.descriptors <= 256;
}

static void meet_epoll(const struct hl_plat_look *look, int64_t descriptor, bool may_ask)
{
    MUST(look->descriptor == descriptor, "descriptor %lld", (long long)look->descriptor);
    if (!may_list()) {
        meet_object(look, descriptor, may_ask);
        return;
    }
    if (set.is_there && set.count == 0 && !set.is_cut)
        MUST(strcmp(look->object, "nothing") == 0, "%s", look->object);
    else
        meet_sets(look, may_ask, HL_PLAT_FOR_OBJECT);
}

/* The text up to its end, or all that a path may be; false: some of it is not there. */
static bool take_path(uint64_t address, char text[PATH_MAX + 1])
{
    size_t length = 0;
    while (length < PATH_MAX && copy_memory(address + length, text + length, 1) && text[length])
        length++;
    bool is_there = length == PATH_MAX || copy_memory(address + length, text + length, 1);
    text[length] = '\0';
    return is_there;
}

/* It is read in pieces, the last of which may go beyond what is there. */
static void meet_path(const struct hl_plat_look *look, const struct hl_plat_meaning *meaning,
                      bool may_ask)
{
    static char text[PATH_MAX + 1];
    bool is_there = meaning->address == 0 || take_path(meaning->address, text);
    if (meaning->address == 0)
        text[0] = '\0';
    MUST(is_there || !knows(look, HL_PLAT_WAIT), "a path that is not there");
    if (text[0] == '\0' && is_there && look->descriptor >= 0)
        meet_object(look, meaning->descriptor, may_ask);
    else if (knows(look, HL_PLAT_WAIT))
        meet_cut(look->object, text, sizeof look->object);
}

static void meet_connect(const struct hl_plat_look *look, const struct hl_plat_meaning *meaning,
                         bool may_ask)
{
    uint8_t bytes[sizeof(struct sockaddr_storage)];
    static char text[ROOM];
    size_t size = fuzz_at_most(meaning->count, sizeof bytes);
    bool is_there = size >= 2 && copy_memory(meaning->address, bytes, size);
    MUST(knows(look, HL_PLAT_WAIT) == is_there, "an address that is not there");
    if (!is_there)
        return;
    strcpy(text, "socket ");
    write_address(bytes, size, text + 7);
    meet_cut(look->object, text, sizeof look->object);
    const struct object *object = object_of(meaning->descriptor, may_ask);
    if (!may_ask || strncmp(object->text, "socket", 6) != 0)
        MUST(!look->local[0], "%s", look->local);
}

static void meet_futex(const struct hl_plat_look *look, const struct hl_plat_call *call)
{
    bool is_mutex = look->waits_for == HL_PLAT_FOR_MUTEX;
    MUST(look->waits_for >= HL_PLAT_FOR_CALL && look->waits_for <= HL_PLAT_FOR_FUTEX,
         "a futex is waited for as %d", look->waits_for);
    MUST(!knows(look, HL_PLAT_HOLDER) || is_mutex, "the holder of no mutex");
    MUST(!is_mutex || call->pc == LEARNT_PC || call->pc == LEARNT_PC + 5, "a mutex elsewhere");
    MUST(!look->is_vague || look->waits_for == HL_PLAT_FOR_FUTEX, "vague: %d", look->waits_for);
    if (look->waits_for == HL_PLAT_FOR_CALL)
        return;
    MUST(knows(look, HL_PLAT_WAIT) && look->address == call->arguments[0], "another word");
    MUST((look->waits_for == HL_PLAT_FOR_JOIN) == (look->awaited > 0), "awaits %" PRIu64,
         look->awaited);
    MUST(look->mutex.owner <= UINT32_MAX, "owner %" PRIu64, look->mutex.owner);
}

static void meet_restarted(const struct hl_plat_look *look)
{
    bool is_nap = strstr(look->channel, "nanosleep") != NULL;
    MUST(look->waits_for == (is_nap ? HL_PLAT_FOR_TIMER : HL_PLAT_FOR_CALL), "%s", look->channel);
}

static void meet_meaning(const struct hl_plat_look *look, const struct hl_plat_call *call)
{
    struct hl_plat_meaning meaning;
    bool may_ask = look->state.state == 'S';
    uint64_t words[2];
    hl_plat_explain_call(call, &meaning);
    enum hl_plat_wait_for empty = meaning.is_endless ? HL_PLAT_FOR_SIGNAL : HL_PLAT_FOR_TIMER;
    set.count = 0;
    set.is_cut = false;
    switch (meaning.kind) {
    case HL_PLAT_CALL_FUTEX:
        meet_futex(look, call);
        break;
    case HL_PLAT_CALL_WORDS:
        MUST(knows(look, HL_PLAT_WAIT) == copy_memory(meaning.address, words, 16), "words");
        MUST(!knows(look, HL_PLAT_WAIT) || look->address == words[1], "another word");
        break;
    case HL_PLAT_CALL_DESCRIPTOR:
        meet_object(look, meaning.descriptor, may_ask);
        break;
    case HL_PLAT_CALL_CONNECT:
        meet_connect(look, &meaning, may_ask);
        break;
    case HL_PLAT_CALL_PATH:
        meet_path(look, &meaning, may_ask);
        break;
    case HL_PLAT_CALL_POLL:
        take_polled(&meaning);
        meet_sets(look, may_ask, empty);
        break;
    case HL_PLAT_CALL_SELECT:
        take_selected(&meaning, call);
        meet_sets(look, may_ask, empty);
        break;
    case HL_PLAT_CALL_EPOLL:
        take_watched(&meaning);
        meet_epoll(look, meaning.descriptor, may_ask);
        break;
    case HL_PLAT_CALL_CHILD:
        MUST(look->waits_for == HL_PLAT_FOR_CHILD && look->awaited <= INT32_MAX, "a child");
        break;
    case HL_PLAT_CALL_RESTARTED:
        meet_restarted(look);
        break;
    default:
        MUST(look->waits_for != HL_PLAT_FOR_UNKNOWN, "nothing is known");
        break;
    }
}

/* ---- one look ------------------------------------------------------------------------------------ */

static const char *nth(const char *path, int n, size_t most, size_t *size)
{
    const struct fuzz_file *file = NULL;
    fuzz_files_reread();
    for (int i = 0; i < n; i++)
        file = fuzz_file_read(path);
    fuzz_files_reread();
    *size = file && !file->error ? fuzz_at_most(file->size, most) : 0;
    return file && !file->error ? file->bytes : NULL;
}

/* Nothing moved between the first reading and the last. */
static bool is_still(const struct hl_plat_thread_state *state)
{
    struct hl_plat_schedstat now;
    size_t size, last_size, times_size;
    const char *first = nth("7/syscall", 1, 256, &size),
               *last = nth("7/syscall", 2, 256, &last_size);
    const char *times = nth("7/schedstat", 2, 96, &times_size);
    return first && last && size == last_size && memcmp(first, last, size) == 0 &&
           state->times_known && times && hl_plat_parse_schedstat(times, times_size, &now) &&
           now.switches == state->switches;
}

static void forget_reasons(void)
{
    for (int key = 0; key < HL_PLAT_KEYS; key++)
        hl_plat_miss_because(plat, (enum hl_plat_key)key, "before");
}

static bool has_reason(enum hl_plat_key key)
{
    return strcmp(hl_plat_why(plat, key), "before") != 0;
}

static void meet_texts(const struct hl_plat_look *look)
{
    MUST(memchr(look->call, '\0', sizeof look->call), "no end of call");
    MUST(memchr(look->channel, '\0', sizeof look->channel), "no end of channel");
    MUST(memchr(look->object, '\0', sizeof look->object), "no end of object");
    MUST(memchr(look->local, '\0', sizeof look->local), "no end of local");
    MUST(!strpbrk(look->channel, " \n"), "channel %s", look->channel);
}

/* What is missing says why, and nothing follows from it. */
static void meet_known(const struct hl_plat_look *look)
{
    static const enum hl_plat_key keys[] = {HL_PLAT_SYSCALL, HL_PLAT_CHANNEL, HL_PLAT_WAIT,
                                            HL_PLAT_HOLDER};
    uint32_t all = 0;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        all |= HL_KNOWN(keys[i]);
        MUST(knows(look, keys[i]) || has_reason(keys[i]), "no reason for %d", keys[i]);
    }
    MUST((look->known & ~all) == 0, "known %x", look->known);
    MUST(look->state.times_known || has_reason(HL_PLAT_RUN_DELAY) || !look->state.state,
         "no reason for the times");
    if (!knows(look, HL_PLAT_SYSCALL))
        MUST(!knows(look, HL_PLAT_WAIT) && look->waits_for == HL_PLAT_FOR_UNKNOWN &&
                 !look->call[0] && !look->steady,
             "known without the call");
    MUST(knows(look, HL_PLAT_CHANNEL) || !look->channel[0], "channel %s", look->channel);
    MUST(look->descriptor >= -1 || look->waits_for == HL_PLAT_FOR_OBJECT, "descriptor");
}

static void meet_look(const struct hl_plat_look *look)
{
    struct hl_plat_call call;
    size_t size;
    const char *text = nth("7/syscall", 1, 256, &size);
    bool is_understood = text && hl_plat_parse_syscall(text, size, &call) && !fuzz_file("emulated");
    MUST(knows(look, HL_PLAT_SYSCALL) == is_understood, "the call is known: %x", look->known);
    if (!is_understood)
        return;
    MUST(call.is_in_call == (look->waits_for != HL_PLAT_FOR_NOTHING), "in a call");
    MUST(call.is_in_call == (look->call[0] != '\0'), "call %s", look->call);
    MUST(look->steady ==
             (call.is_in_call && hl_plat_is_asleep(look->state.state) && is_still(&look->state)),
         "steady: %d", look->steady);
    if (call.is_in_call)
        meet_meaning(look, &call);
}

static void look_once(void)
{
    struct hl_plat_look *look = malloc(sizeof *look);
    if (!look)
        abort();
    memset(look, 'x', sizeof *look);
    forget_reasons();
    fuzz_files_reread();
    peeks = peeked = 0;
    errno = BEFORE;
    bool is_known = hl_plat_look(plat, TID, look);
    MUST(errno == BEFORE, "errno is %d", errno);
    MUST(peeks <= 20 && peeked <= 8192, "%zu bytes of memory in %zu pieces", peeked, peeks);
    meet_texts(look);
    meet_known(look);
    if (is_known)
        meet_look(look);
    else
        MUST(look->known == 0 && has_reason(HL_PLAT_THREAD_STATE), "known %x", look->known);
    words_meet(look);
    free(look);
}

static void ask_for_whom(void)
{
    struct hl_plat_call call;
    size_t size;
    const char *text = nth("7/syscall", 1, 256, &size);
    errno = BEFORE;
    uint64_t tid = hl_plat_waits_for(plat, TID);
    MUST(errno == BEFORE, "errno is %d", errno);
    MUST(tid <= UINT32_MAX || tid == HL_PLAT_SOMEBODY, "for %" PRIu64, tid);
    bool is_understood = text && hl_plat_parse_syscall(text, size, &call);
    MUST(is_understood || tid == HL_PLAT_SOMEBODY, "for %" PRIu64 " out of nothing", tid);
    MUST(!is_understood || call.is_in_call || tid == 0, "without a call for %" PRIu64, tid);
}

/* Each descriptor that is there, in every room. */
static void ask_objects(void)
{
    static const size_t rooms[] = {1, 2, 7, 8, 12, 33, 72, HL_PLAT_OBJECT_BYTES, ROOM};
    const struct fuzz_file *file;
    char local[HL_PLAT_ADDRESS_BYTES];
    for (size_t i = 0; (file = fuzz_file_at(i)); i++) {
        if (strncmp(file->name, "fd/", 3) != 0)
            continue;
        int64_t descriptor = strtoll(file->name + 3, NULL, 10);
        for (size_t j = 0; j < 2 * sizeof rooms / sizeof rooms[0]; j++) {
            size_t room = rooms[j / 2];
            char *text = malloc(room);
            if (!text)
                abort();
            memset(text, 'x', room);
            memset(local, 'x', sizeof local);
            const struct object *object = object_of(descriptor, j % 2);
            int error = hl_plat_object(plat, TID, descriptor, j % 2, text, room, local);
            MUST(error == object->error, "error %d, not %d", error, object->error);
            if (error)
                MUST(!text[0] && !local[0], "%s", text);
            else
                meet_cut(text, object->text, room);
            free(text);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!plat)
        plat = hl_plat_open();
    MUST(plat, "no platform");
    fuzz_files_begin(data, size);
    hl_plat_let_go(&plat->status); /* of the input before */
    fake_by(answer);
    is_faked = true;
    look_once();
    ask_for_whom();
    ask_objects();
    is_faked = false;
    fake_by(NULL);
    MUST(atomic_load(&plat->passing.number) == -1, "a file is still open");
    fuzz_files_end();
    return 0;
}
