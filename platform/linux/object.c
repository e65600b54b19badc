/* platform/linux/object.c - what a descriptor of the application leads to.
 *
 * The link in /proc says it, and is made from memory: nothing is opened, and
 * fstat would ask the server of a file on a network, which may be what hangs.
 * Only sockets and FIFOs are asked themselves, through their number in our own
 * table. That takes their lock, which a thread that waits for memory in the
 * middle of send() or write() holds for as long (state D): then they are not.
 *
 * A descriptor that another thread closes while this one waits stays what it was
 * for the wait, but its number may already lead elsewhere: that cannot be seen.
 */
#define _GNU_SOURCE
#include "plat.h"
#include "parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The link of a thread's descriptor in plat->path, not terminated. Its size or a negative errno. */
static ssize_t read_link(struct hl_plat *plat, uint64_t tid, int64_t descriptor)
{
    char file[32], path[HL_PLAT_THREAD_PATH_BYTES];

    snprintf(file, sizeof file, "fd/%" PRId64, descriptor);
    int directory = hl_plat_thread_path(plat, tid, file, path);
    if (directory == -EXDEV)
        return directory;
    ssize_t size = readlinkat(directory, path, plat->path, PATH_MAX);
    return size < 0 ? -errno : size;
}

/* A thread may have left the table of the process (CLONE_FILES): then the number is not ours. */
static bool is_ours_too(struct hl_plat *plat, size_t size, int64_t descriptor)
{
    char file[32], path[64], *own = plat->path + PATH_MAX;

    snprintf(file, sizeof file, "fd/%" PRId64, descriptor);
    snprintf(path, sizeof path, "/proc/thread-self/%s", file);
    ssize_t own_size = readlink(path, own, PATH_MAX);
    return own_size >= 0 && (size_t)own_size == size && memcmp(own, plat->path, size) == 0;
}

/* ---- addresses ------------------------------------------------------------- */

union address {
    struct sockaddr_storage storage;
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

static void write_family(unsigned family, char *text, size_t capacity)
{
    static const struct {
        unsigned family;
        const char *name;
    } families[] = {{AF_UNIX, "unix"},       {AF_INET, "inet"},           {AF_INET6, "inet6"},
                    {AF_NETLINK, "netlink"}, {AF_PACKET, "packet"},       {AF_VSOCK, "vsock"},
                    {AF_ALG, "alg"},         {AF_BLUETOOTH, "bluetooth"}, {AF_CAN, "can"},
                    {AF_KEY, "key"},         {AF_TIPC, "tipc"},           {44 /* AF_XDP */, "xdp"}};

    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (families[i].family == family) {
            snprintf(text, capacity, "%s", families[i].name);
            return;
        }
    snprintf(text, capacity, "family %u", family);
}

static void write_in6(const struct sockaddr_in6 *in6, char *text, size_t capacity)
{
    char name[INET6_ADDRSTRLEN], scope[16] = "";

    if (in6->sin6_scope_id)
        snprintf(scope, sizeof scope, "%%%" PRIu32, (uint32_t)in6->sin6_scope_id);
    if (inet_ntop(AF_INET6, &in6->sin6_addr, name, sizeof name))
        snprintf(text, capacity, "[%s%s]:%u", name, scope, ntohs(in6->sin6_port));
}

static void write_in(const struct sockaddr_in *in, char *text, size_t capacity)
{
    char name[INET_ADDRSTRLEN];

    if (inet_ntop(AF_INET, &in->sin_addr, name, sizeof name))
        snprintf(text, capacity, "%s:%u", name, ntohs(in->sin_port));
}

static void write_un(struct sockaddr_un *un, size_t size, char *text, size_t capacity)
{
    size_t length = size - offsetof(struct sockaddr_un, sun_path);

    if (un->sun_path[0] != 0)
        length = strnlen(un->sun_path, length);
    else /* an abstract name may hold NUL */
        for (size_t i = 0; i < length; i++)
            un->sun_path[i] = un->sun_path[i] ? un->sun_path[i] : '@';
    hl_plat_shorten((struct hl_plat_piece){un->sun_path, length}, text, capacity);
}

static bool has_name(const union address *address, size_t size)
{
    switch (address->any.sa_family) {
    case AF_INET:
        return size >= sizeof address->in;
    case AF_INET6:
        return size >= sizeof address->in6;
    case AF_UNIX:
        return size > offsetof(struct sockaddr_un, sun_path);
    default:
        return false;
    }
}

void hl_plat_write_address(const void *bytes, size_t size, char *text, size_t capacity)
{
    union address address = {.any = {.sa_family = AF_UNSPEC}};

    if (size > sizeof address.un)
        size = sizeof address.un; /* the longest that is looked at */
    memcpy(&address, bytes, size);
    text[0] = 0;
    if (!has_name(&address, size))
        write_family(address.any.sa_family, text, capacity);
    else if (address.any.sa_family == AF_INET)
        write_in(&address.in, text, capacity);
    else if (address.any.sa_family == AF_INET6)
        write_in6(&address.in6, text, capacity);
    else
        write_un(&address.un, size, text, capacity);
}

/* ---- sockets ---------------------------------------------------------------- */

static bool own_address(int64_t descriptor, union address *address, socklen_t *size)
{
    *size = sizeof *address;
    return getsockname((int)descriptor, &address->any, size) == 0;
}

static void write_local(int64_t descriptor, char local[HL_PLAT_ADDRESS_BYTES])
{
    union address address;
    socklen_t size;

    if (own_address(descriptor, &address, &size) && has_name(&address, size))
        hl_plat_write_address(&address, size, local, HL_PLAT_ADDRESS_BYTES);
}

/* Its peer, or without one its own address. */
static void write_socket(int64_t descriptor, char *text, size_t capacity,
                         char local[HL_PLAT_ADDRESS_BYTES])
{
    union address address;
    socklen_t size = sizeof address;

    if (getpeername((int)descriptor, &address.any, &size) == 0)
        write_local(descriptor, local);
    else if (!own_address(descriptor, &address, &size))
        return;
    size_t used = strlen(text);
    if (used + 1 < capacity) {
        text[used++] = ' ';
        hl_plat_write_address(&address, size, text + used, capacity - used);
    }
}

void hl_plat_own_address(struct hl_plat *plat, uint64_t tid, int64_t descriptor,
                         char local[HL_PLAT_ADDRESS_BYTES])
{
    struct hl_plat_piece name;
    ssize_t size = read_link(plat, tid, descriptor);

    local[0] = 0;
    if (size >= 0 && hl_plat_parse_link(plat->path, (size_t)size, &name) == HL_PLAT_LINK_SOCKET &&
        is_ours_too(plat, (size_t)size, descriptor))
        write_local(descriptor, local);
}

/* ---- everything ---------------------------------------------------------------- */

/* Only a FIFO has a capacity; for others the question touches nothing. */
static bool is_fifo(struct hl_plat *plat, size_t size, int64_t descriptor)
{
    return fcntl((int)descriptor, F_GETPIPE_SZ) > 0 && is_ours_too(plat, size, descriptor);
}

static void write_named(const char *kind, struct hl_plat_piece name, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(text, capacity, "%s", kind);

    if (used < capacity)
        hl_plat_shorten(name, text + used, capacity - used);
}

int hl_plat_object(struct hl_plat *plat, uint64_t tid, int64_t descriptor, bool may_ask, char *text,
                   size_t capacity, char local[HL_PLAT_ADDRESS_BYTES])
{
    struct hl_plat_piece name;
    ssize_t size = read_link(plat, tid, descriptor);

    text[0] = local[0] = 0;
    if (size < 0)
        return (int)size;
    switch (hl_plat_parse_link(plat->path, (size_t)size, &name)) {
    case HL_PLAT_LINK_SOCKET:
        snprintf(text, capacity, "socket");
        if (may_ask && is_ours_too(plat, (size_t)size, descriptor))
            write_socket(descriptor, text, capacity, local);
        break;
    case HL_PLAT_LINK_TERMINAL:
        write_named("terminal ", name, text, capacity);
        break;
    case HL_PLAT_LINK_PATH:
        may_ask = may_ask && is_fifo(plat, (size_t)size, descriptor);
        write_named(may_ask ? "fifo " : "", name, text, capacity);
        break;
    default: /* HL_PLAT_LINK_NAMED */
        write_named("", name, text, capacity);
        break;
    }
    return 0;
}
