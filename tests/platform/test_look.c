/* tests/platform/test_look.c - what is seen of threads that really wait, each in its own way. */
#define _GNU_SOURCE
#include "../forbid.h"
#include "helper.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>

static bool knows(const struct hl_plat_look *look, enum hl_plat_key key)
{
    return look->known & HL_KNOWN(key);
}

/* A thread that is left waiting: the test's process ends soon. */
struct waiter {
    void (*wait)(struct waiter *waiter);
    int descriptor;
    const void *argument;
    pid_t awaited;
    _Atomic uint64_t tid;
};

static void *wait_as_told(void *argument)
{
    struct waiter *waiter = argument;

    atomic_store(&waiter->tid, hl_plat_thread_id());
    waiter->wait(waiter);
    return NULL;
}

static void begin(struct waiter *waiter)
{
    pthread_t thread;

    cr_assert_eq(pthread_create(&thread, NULL, wait_as_told, waiter), 0);
    pthread_detach(thread);
    while (atomic_load(&waiter->tid) == 0)
        nap(MS / 10);
}

static struct hl_plat *plat;

/* Looks until the thread sits in the call, as `call` names it. */
static struct hl_plat_look look_until(uint64_t tid, const char *call)
{
    struct hl_plat_look look;

    if (!plat)
        plat = hl_plat_open();
    for (int i = 0; i < 3000; i++) {
        cr_assert(hl_plat_look(plat, tid, &look), "%s", hl_plat_why(plat, HL_PLAT_THREAD_STATE));
        if (look.steady && (!call || strcmp(look.call, call) == 0))
            break;
        nap(MS);
    }
    cr_assert(look.steady, "still not in %s: %s", call, look.call);
    if (call)
        cr_assert_str_eq(look.call, call);
    cr_assert(knows(&look, HL_PLAT_SYSCALL));
    cr_assert(look.state.state == 'S' || look.state.state == 'D');
    if (knows(&look, HL_PLAT_CHANNEL))
        cr_assert_str_neq(look.channel, "");
    else
        cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_CHANNEL), "hidden by the kernel");
    assert_asked_the_same(plat, tid, &look);
    return look;
}

static struct hl_plat_look look_at(struct waiter *waiter, const char *call)
{
    begin(waiter);
    return look_until(waiter->tid, call);
}

static void assert_object(const struct hl_plat_look *look, const char *verb, const char *object)
{
    cr_assert_eq(look->waits_for, HL_PLAT_FOR_OBJECT, "%s waits for %d", look->call,
                 look->waits_for);
    cr_assert(knows(look, HL_PLAT_WAIT), "%s: %s", look->call, hl_plat_why(plat, HL_PLAT_WAIT));
    cr_assert_str_eq(look->verb, verb);
    cr_assert_str_eq(look->object, object);
}

static void assert_waits_for(const struct hl_plat_look *look, enum hl_plat_wait_for waits_for)
{
    cr_assert_eq(look->waits_for, waits_for, "%s waits for %d", look->call, look->waits_for);
    cr_assert(knows(look, HL_PLAT_WAIT));
    cr_assert_null(look->verb);
    cr_assert_str_eq(look->object, "");
    cr_assert_eq(look->descriptor, -1);
}

static const char *folder(void)
{
    static char path[64];

    if (path[0] == 0) {
        snprintf(path, sizeof path, "/tmp/heartline-look-XXXXXX");
        cr_assert_not_null(mkdtemp(path));
    }
    return path;
}

static const char *in_folder(const char *name)
{
    static char path[100];

    snprintf(path, sizeof path, "%s/%s", folder(), name);
    return path;
}

static int new_file(const char *name)
{
    int file = open(in_folder(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    cr_assert_geq(file, 0);
    return file;
}

static void clean_up(void)
{
    static const char *const names[] = {"fifo", "lock", "other"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    rmdir(folder());
}

/* ---- descriptors -------------------------------------------------------------------- */

static void wait_in_read(struct waiter *waiter)
{
    uint64_t bytes; /* an eventfd gives no less */

    (void)!read(waiter->descriptor, &bytes, sizeof bytes);
}

static void wait_in_write(struct waiter *waiter)
{
    static char bytes[1 << 20];

    (void)!write(waiter->descriptor, bytes, sizeof bytes);
}

Test(look, a_reader_and_a_writer_of_a_pipe)
{
    ONLY_ON_LINUX("about system calls");
    int empty[2], full[2];
    cr_assert(pipe(empty) == 0 && pipe(full) == 0);
    struct waiter reader = {.wait = wait_in_read, .descriptor = empty[0]};
    struct waiter writer = {.wait = wait_in_write, .descriptor = full[1]};

    struct hl_plat_look look = look_at(&reader, "read");
    assert_object(&look, "read", "pipe");
    cr_assert_eq(look.descriptor, empty[0]);
    cr_assert_str_eq(look.local, "");
    look = look_at(&writer, "write");
    assert_object(&look, "write", "pipe");
    cr_assert_eq(look.descriptor, full[1]);
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_HOLDER), "it waits for no mutex");
}

static void wait_in_open(struct waiter *waiter)
{
    (void)!open(waiter->argument, O_RDONLY | O_CLOEXEC);
}

Test(look, a_fifo_has_a_name, .fini = clean_up)
{
    ONLY_ON_LINUX("about system calls");
    char path[128], expected[160];
    snprintf(path, sizeof path, "%s", in_folder("fifo"));
    cr_assert_eq(mkfifo(path, 0600), 0);
    struct waiter opener = {.wait = wait_in_open, .argument = path};

    struct hl_plat_look look = look_at(&opener, "openat");
    assert_object(&look, "open", path);
    cr_assert_eq(look.descriptor, -1);
    struct waiter reader = {.wait = wait_in_read, .descriptor = open(path, O_RDWR | O_CLOEXEC)};
    look = look_at(&reader, "read");
    snprintf(expected, sizeof expected, "fifo %s", path);
    assert_object(&look, "read", expected);
}

Test(look, a_path_may_end_where_its_memory_does, .fini = clean_up)
{
    ONLY_ON_LINUX("about system calls");
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_eq(mprotect(pages, 2 * page, PROT_READ | PROT_WRITE), 0);
    cr_assert_eq(mkfifo(in_folder("fifo"), 0600), 0);
    size_t length = strlen(in_folder("fifo"));
    char *path = pages + 2 * page - length - 1;
    memcpy(path, in_folder("fifo"), length + 1);
    struct waiter at_end = {.wait = wait_in_open, .argument = path};

    struct hl_plat_look look = look_at(&at_end, "openat");
    assert_object(&look, "open", path);
    path = pages + page - length / 2;
    memcpy(path, in_folder("fifo"), length + 1);
    struct waiter across = {.wait = wait_in_open, .argument = path};
    look = look_at(&across, "openat");
    assert_object(&look, "open", path);
}

Test(look, a_terminal)
{
    ONLY_ON_LINUX("about system calls");
    char expected[80];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        cr_skip("there are no terminals here");
    struct waiter reader = {.wait = wait_in_read,
                            .descriptor = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC)};
    cr_assert_geq(reader.descriptor, 0);

    struct hl_plat_look look = look_at(&reader, "read");
    snprintf(expected, sizeof expected, "terminal %s", ptsname(master));
    assert_object(&look, "read", expected);
}

Test(look, what_has_no_path_is_called_by_its_kind)
{
    ONLY_ON_LINUX("about system calls");
    struct waiter events = {.wait = wait_in_read, .descriptor = eventfd(0, EFD_CLOEXEC)};
    struct waiter time = {.wait = wait_in_read,
                          .descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)};

    struct hl_plat_look look = look_at(&events, "read");
    assert_object(&look, "read", "eventfd");
    look = look_at(&time, "read");
    assert_object(&look, "read", "timerfd");
}

Test(look, a_descriptor_that_was_closed_is_unknown_with_a_reason)
{
    ONLY_ON_LINUX("about system calls");
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    struct waiter reader = {.wait = wait_in_read, .descriptor = ends[0]};

    look_at(&reader, "read");
    close(ends[0]);
    struct hl_plat_look look = look_until(reader.tid, "read");
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_OBJECT);
    cr_assert_not(knows(&look, HL_PLAT_WAIT));
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_WAIT), "its descriptor is closed");
    cr_assert_eq(look.descriptor, ends[0]);
}

static void wait_with_own_table(struct waiter *waiter)
{
    if (unshare(CLONE_FILES) == 0)
        wait_in_read(waiter);
}

Test(look, a_thread_may_have_descriptors_of_its_own)
{
    ONLY_ON_LINUX("about system calls");
    int ends[2], pair[2];
    cr_assert(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    struct waiter of_pipe = {.wait = wait_with_own_table, .descriptor = ends[0]};
    struct waiter of_socket = {.wait = wait_with_own_table, .descriptor = pair[0]};

    look_at(&of_pipe, "read");
    look_at(&of_socket, "read");
    close(ends[0]); /* ours; theirs stay open */
    cr_assert_eq(dup2(ends[1], pair[0]), pair[0]);
    struct hl_plat_look look = look_until(of_pipe.tid, "read");
    assert_object(&look, "read", "pipe");
    look = look_until(of_socket.tid, "read");
    assert_object(&look, "read", "socket");
}

/* ---- locks of files ------------------------------------------------------------------- */

static void wait_in_flock(struct waiter *waiter)
{
    flock(waiter->descriptor, LOCK_EX);
}

static void wait_in_fcntl(struct waiter *waiter)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    fcntl(waiter->descriptor, F_OFD_SETLKW, &lock);
}

Test(look, locks_of_files, .fini = clean_up)
{
    ONLY_ON_LINUX("about system calls");
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[128], deleted[160];
    cr_assert_eq(flock(new_file("lock"), LOCK_EX), 0);
    snprintf(path, sizeof path, "%s", in_folder("lock"));
    struct waiter flocker = {.wait = wait_in_flock, .descriptor = new_file("lock")};

    struct hl_plat_look look = look_at(&flocker, "flock");
    assert_object(&look, "flock", path);
    unlink(path);
    look = look_until(flocker.tid, "flock");
    snprintf(deleted, sizeof deleted, "%s (deleted)", path);
    assert_object(&look, "flock", deleted);
    cr_assert_eq(fcntl(new_file("other"), F_OFD_SETLK, &lock), 0);
    struct waiter fcntler = {.wait = wait_in_fcntl, .descriptor = new_file("other")};
    look = look_at(&fcntler, "fcntl");
    assert_object(&look, "fcntl", in_folder("other"));
}

Test(look, a_long_path_is_cut_in_its_middle, .fini = clean_up)
{
    ONLY_ON_LINUX("about system calls");
    char outer[512], file[1024];
    snprintf(outer, sizeof outer, "%s/%0200d", folder(), 0);
    snprintf(file, sizeof file, "%s/%0200d", outer, 1);
    cr_assert_eq(mkdir(outer, 0700), 0);
    int first = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(flock(first, LOCK_EX), 0);
    struct waiter flocker = {.wait = wait_in_flock, .descriptor = open(file, O_RDWR | O_CLOEXEC)};

    struct hl_plat_look look = look_at(&flocker, "flock");
    unlink(file);
    rmdir(outer);
    cr_assert_eq(strlen(look.object), HL_PLAT_OBJECT_BYTES - 1);
    cr_assert_eq(strncmp(look.object, outer, 100), 0);
    cr_assert_not_null(strstr(look.object, "0\xE2\x80\xA6"
                                           "0"));
    cr_assert_str_eq(look.object + HL_PLAT_OBJECT_BYTES - 4, "001");
}

/* ---- sockets -------------------------------------------------------------------------- */

static void wait_in_recv(struct waiter *waiter)
{
    char byte;

    recv(waiter->descriptor, &byte, 1, 0);
}

static void wait_in_accept(struct waiter *waiter)
{
    accept(waiter->descriptor, NULL, NULL);
}

static void wait_in_connect(struct waiter *waiter)
{
    const struct sockaddr *address = waiter->argument;

    connect(waiter->descriptor, address,
            address->sa_family == AF_UNIX ? sizeof(struct sockaddr_un)
                                          : sizeof(struct sockaddr_in));
}

static struct sockaddr_in address_of(int descriptor, char text[80], const char *kind)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    cr_assert_eq(getsockname(descriptor, (struct sockaddr *)&address, &size), 0);
    snprintf(text, 80, "%s127.0.0.1:%u", kind, ntohs(address.sin_port));
    return address;
}

static int new_listener(int backlog)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *)&any, sizeof any) != 0 ||
        listen(listener, backlog) != 0)
        cr_skip("there is no network here");
    return listener;
}

Test(look, tcp)
{
    ONLY_ON_LINUX("about system calls");
    char listening[80], connected[80], local[80];
    int listener = new_listener(5);
    struct sockaddr_in address = address_of(listener, listening, "socket ");
    struct waiter accepter = {.wait = wait_in_accept, .descriptor = listener};

    struct hl_plat_look look = look_at(&accepter, "accept");
    assert_object(&look, "accept", listening);
    cr_assert_eq(look.descriptor, listener);
    cr_assert_str_eq(look.local, "");

    int second = new_listener(5), client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address = address_of(second, connected, "socket ");
    cr_assert_eq(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    address_of(client, local, "");
    struct waiter receiver = {.wait = wait_in_recv, .descriptor = client};
    look = look_at(&receiver, "recvfrom");
    assert_object(&look, "recv", connected);
    cr_assert_str_eq(look.local, local);
}

Test(look, a_connect_names_where_it_goes)
{
    ONLY_ON_LINUX("about system calls");
    char expected[80];
    int listener = new_listener(0);
    struct sockaddr_in address = address_of(listener, expected, "socket ");

    for (int i = 0; i < 8; i++) { /* one may wait to be accepted; the others are never answered */
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(client, (struct sockaddr *)&address, sizeof address);
    }
    struct waiter connecter = {.wait = wait_in_connect,
                               .descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                               .argument = &address};
    struct hl_plat_look look = look_at(&connecter, "connect");
    assert_object(&look, "connect", expected);
    cr_assert_eq(strncmp(look.local, "127.0.0.1:", 10), 0, "%s", look.local);
}

Test(look, udp_without_a_peer_says_where_it_listens)
{
    ONLY_ON_LINUX("about system calls");
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t size = sizeof any6;
    char expected[80];
    struct waiter four = {.wait = wait_in_recv,
                          .descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    struct waiter six = {.wait = wait_in_recv,
                         .descriptor = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)};

    if (bind(four.descriptor, (struct sockaddr *)&any, sizeof any) != 0)
        cr_skip("there is no network here");
    address_of(four.descriptor, expected, "socket ");
    struct hl_plat_look look = look_at(&four, "recvfrom");
    assert_object(&look, "recv", expected);
    if (bind(six.descriptor, (struct sockaddr *)&any6, sizeof any6) != 0)
        cr_skip("there is no IPv6 here");
    getsockname(six.descriptor, (struct sockaddr *)&any6, &size);
    snprintf(expected, sizeof expected, "socket [::1]:%u", ntohs(any6.sin6_port));
    look = look_at(&six, "recvfrom");
    assert_object(&look, "recv", expected);
}

Test(look, unix_sockets_by_path_abstract_and_without_a_name, .fini = clean_up)
{
    ONLY_ON_LINUX("about system calls");
    struct sockaddr_un path = {.sun_family = AF_UNIX}, abstract = {.sun_family = AF_UNIX};
    char expected[160];
    int pair[2], named = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int nowhere = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(path.sun_path, sizeof path.sun_path, "%s", in_folder("other"));
    int length = snprintf(abstract.sun_path + 1, 90, "heartline-%ld", (long)getpid());
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    cr_assert_eq(bind(named, (struct sockaddr *)&path, sizeof path), 0);
    cr_assert_eq(bind(nowhere, (struct sockaddr *)&abstract,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)),
                 0);
    cr_assert(listen(named, 0) == 0 && listen(nowhere, 0) == 0);
    struct waiter receiver = {.wait = wait_in_recv, .descriptor = pair[0]};
    struct waiter accepter = {.wait = wait_in_accept, .descriptor = nowhere};

    struct hl_plat_look look = look_at(&receiver, "recvfrom");
    assert_object(&look, "recv", "socket unix");
    cr_assert_str_eq(look.local, "");
    look = look_at(&accepter, "accept");
    snprintf(expected, sizeof expected, "socket @%s", abstract.sun_path + 1);
    assert_object(&look, "accept", expected);

    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&path, sizeof path), 0);
    snprintf(expected, sizeof expected, "socket %s", path.sun_path);
    struct waiter connected = {.wait = wait_in_recv, .descriptor = client};
    look = look_at(&connected, "recvfrom");
    assert_object(&look, "recv", expected);
    struct waiter connecter = {.wait = wait_in_connect,
                               .descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                               .argument = &path};
    look = look_at(&connecter, "connect"); /* the one that may wait is waiting already */
    assert_object(&look, "connect", expected);
}

Test(look, other_families_are_named)
{
    ONLY_ON_LINUX("about system calls");
    struct waiter receiver = {.wait = wait_in_recv,
                              .descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)};

    if (receiver.descriptor < 0)
        cr_skip("there is no netlink here");
    struct hl_plat_look look = look_at(&receiver, "recvfrom");
    assert_object(&look, "recv", "socket netlink");
}

/* ---- several at once ---------------------------------------------------------------------- */

struct polled {
    struct pollfd *entries;
    nfds_t count;
    int timeout;
};

static void wait_in_poll(struct waiter *waiter)
{
    const struct polled *polled = waiter->argument;

    poll(polled->entries, polled->count, polled->timeout);
}

#ifdef __NR_poll
#define POLL "poll"
#else
#define POLL "ppoll"
#endif

static struct hl_plat_look look_at_poll(struct pollfd *entries, nfds_t count, int timeout)
{
    struct polled polled = {entries, count, timeout};
    struct waiter waiter = {.wait = wait_in_poll, .argument = &polled};

    return look_at(&waiter, POLL);
}

Test(look, poll_lists_what_is_polled)
{
    ONLY_ON_LINUX("about system calls");
    int ends[2];
    struct pollfd many[100];
    cr_assert_eq(pipe(ends), 0);
    for (int i = 0; i < 100; i++)
        many[i] = (struct pollfd){.fd = ends[0], .events = POLLIN};

    struct hl_plat_look look = look_at_poll(many, 1, -1);
    assert_object(&look, "poll", "pipe");
    cr_assert_eq(look.descriptor, ends[0]);
    many[1].fd = eventfd(0, EFD_CLOEXEC);
    look = look_at_poll(many, 2, 60000);
    assert_object(&look, "poll", "pipe, eventfd");
    cr_assert_eq(look.descriptor, -1);
    many[0].fd = -1;
    look = look_at_poll(many, 2, -1);
    assert_object(&look, "poll", "eventfd");
    look = look_at_poll(many, 9, -1);
    assert_object(&look, "poll", "eventfd, pipe, pipe +5 more");
    look = look_at_poll(many, 100, -1);
    assert_object(&look, "poll", "eventfd, pipe, pipe and more");
}

Test(look, a_poll_of_nothing_is_a_nap)
{
    ONLY_ON_LINUX("about system calls");
    struct pollfd none = {.fd = -1};

    struct hl_plat_look look = look_at_poll(NULL, 0, 60000);
    assert_waits_for(&look, HL_PLAT_FOR_TIMER);
    look = look_at_poll(&none, 1, 60000);
    assert_waits_for(&look, HL_PLAT_FOR_TIMER);
    look = look_at_poll(&none, 1, -1);
    assert_waits_for(&look, HL_PLAT_FOR_SIGNAL);
}

static void wait_in_select(struct waiter *waiter)
{
    const int *descriptors = waiter->argument;
    struct timeval minute = {60, 0};
    fd_set in, out;

    FD_ZERO(&in);
    FD_ZERO(&out);
    int highest = -1;
    for (; *descriptors >= 0; descriptors++) {
        FD_SET(*descriptors, *descriptors % 2 ? &in : &out);
        highest = *descriptors > highest ? *descriptors : highest;
    }
    select(highest + 1, &in, &out, NULL, waiter->descriptor < 0 ? NULL : &minute);
}

static struct hl_plat_look look_at_select(const int *descriptors, bool has_timeout)
{
    struct waiter waiter = {
        .wait = wait_in_select, .argument = descriptors, .descriptor = has_timeout ? 0 : -1};

    begin(&waiter);
    return look_until(waiter.tid, NULL);
}

Test(look, select_lists_what_is_selected)
{
    ONLY_ON_LINUX("about system calls");
    int ends[2], full[2], set[5] = {-1, -1, -1, -1, -1};
    static char page[4096];
    cr_assert(pipe(ends) == 0 && pipe2(full, O_NONBLOCK) == 0);
    while (write(full[1], page, sizeof page) > 0)
        continue;
    /* odd ones are read from, even ones written to: neither is ready */
    int in = fcntl(ends[0], F_DUPFD_CLOEXEC, 201), out = dup3(full[1], 300, O_CLOEXEC);
    in = in % 2 ? in : fcntl(ends[0], F_DUPFD_CLOEXEC, in + 1);

    struct hl_plat_look look = look_at_select(set, true);
    assert_waits_for(&look, HL_PLAT_FOR_TIMER);
    set[0] = in;
    look = look_at_select(set, false);
    assert_object(&look, "select", "pipe");
    cr_assert_eq(look.descriptor, in);
    set[1] = out;
    look = look_at_select(set, true);
    assert_object(&look, "select", "pipe, pipe");
    cr_assert_eq(look.descriptor, -1);
}

static void wait_in_epoll(struct waiter *waiter)
{
    struct epoll_event event;

    epoll_wait(waiter->descriptor, &event, 1, -1);
}

Test(look, epoll_lists_what_is_in_the_set)
{
    ONLY_ON_LINUX("about system calls");
    int ends[2], pair[2], set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    cr_assert(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    struct waiter waiter = {.wait = wait_in_epoll, .descriptor = set};

    begin(&waiter);
    struct hl_plat_look look = look_until(waiter.tid, NULL);
    assert_object(&look, "epoll_wait", "nothing");
    cr_assert_eq(look.descriptor, set);
    epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event);
    look = look_until(waiter.tid, NULL);
    assert_object(&look, "epoll_wait", "pipe");
    cr_assert_eq(look.descriptor, set);
    epoll_ctl(set, EPOLL_CTL_ADD, pair[0], &event);
    look = look_until(waiter.tid, NULL); /* in the kernel's order, which is that of addresses */
    cr_assert(strcmp(look.object, "pipe, socket unix") == 0 ||
                  strcmp(look.object, "socket unix, pipe") == 0,
              "%s", look.object);
    epoll_ctl(set, EPOLL_CTL_DEL, ends[0], &event);
    for (int i = 0; i < 5; i++)
        epoll_ctl(set, EPOLL_CTL_ADD, dup(pair[0]), &event);
    look = look_until(waiter.tid, NULL);
    assert_object(&look, "epoll_wait", "socket unix, socket unix, socket unix +3 more");
}

Test(look, the_epoll_of_a_large_server_is_not_listed)
{
    ONLY_ON_LINUX("about system calls");
    int ends[2], set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    cr_assert(pipe(ends) == 0 && epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
    struct waiter waiter = {.wait = wait_in_epoll, .descriptor = set};

    for (int i = 0; i < 300; i++)
        cr_assert_geq(fcntl(ends[0], F_DUPFD_CLOEXEC, 600), 600);
    begin(&waiter);
    struct hl_plat_look look = look_until(waiter.tid, NULL);
    assert_object(&look, "epoll_wait", "epoll");
    cr_assert_eq(look.descriptor, set);
}

/* ---- children, time, signals, locks -------------------------------------------------------- */

static void wait_in_wait(struct waiter *waiter)
{
    waitpid(waiter->awaited, NULL, 0);
}

static void wait_in_waitid(struct waiter *waiter)
{
    siginfo_t how;

    waitid(P_PID, (id_t)waiter->awaited, &how, WEXITED | WNOWAIT);
}

#ifdef SYS_pidfd_open
static void wait_for_pidfd(struct waiter *waiter)
{
    siginfo_t how;

    waitid((idtype_t)3, (id_t)waiter->descriptor, &how, WEXITED | WNOWAIT);
}
#endif

static pid_t sleeping_child(void)
{
    pid_t child = fork();

    if (child == 0) {
        alarm(60);
        pause();
        _exit(0);
    }
    return child;
}

Test(look, children)
{
    ONLY_ON_LINUX("about system calls");
    pid_t child = sleeping_child();
    struct waiter of_one = {.wait = wait_in_wait, .awaited = child};
    struct waiter of_any = {.wait = wait_in_wait, .awaited = -1};
    struct waiter by_id = {.wait = wait_in_waitid, .awaited = child};

    struct hl_plat_look look = look_at(&of_one, "wait4");
    assert_waits_for(&look, HL_PLAT_FOR_CHILD);
    cr_assert_eq(look.awaited, (uint64_t)child);
    look = look_at(&of_any, "wait4");
    assert_waits_for(&look, HL_PLAT_FOR_CHILD);
    cr_assert_eq(look.awaited, 0);
    look = look_at(&by_id, "waitid");
    assert_waits_for(&look, HL_PLAT_FOR_CHILD);
    cr_assert_eq(look.awaited, (uint64_t)child);
#ifdef SYS_pidfd_open
    struct waiter by_descriptor = {.wait = wait_for_pidfd,
                                   .descriptor = (int)syscall(SYS_pidfd_open, child, 0)};
    if (by_descriptor.descriptor >= 0) {
        look = look_at(&by_descriptor, "waitid");
        assert_object(&look, "waitid", "pidfd");
    }
#endif
    kill(child, SIGKILL);
}

/* The child may come late, when the test and its waiter are gone: it ends with them. */
static void wait_in_vfork(struct waiter *waiter)
{
    int ends[2];
    char byte;

    memcpy(ends, waiter->argument, sizeof ends);
    if (vfork() == 0) {
        close(ends[1]);
        (void)!read(ends[0], &byte, 1);
        _exit(0);
    }
}

Test(look, a_vfork_is_over_when_its_child_is)
{
    ONLY_ON_LINUX("about system calls");
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    struct waiter parent = {.wait = wait_in_vfork, .argument = ends};

    begin(&parent);
    struct hl_plat_look look = look_until(parent.tid, NULL);
    bool written = write(ends[1], "x", 1) == 1;
    assert_waits_for(&look, HL_PLAT_FOR_CHILD);
    cr_assert_eq(look.state.state, 'D');
    cr_assert_eq(look.awaited, 0);
    cr_assert(written);
}

static void wait_in_nap(struct waiter *waiter)
{
    (void)waiter;
    nap(60 * S);
}

static void wait_for_signal(struct waiter *waiter)
{
    sigset_t none;

    (void)waiter;
    sigfillset(&none);
    sigsuspend(&none);
}

static void wait_with_sigwait(struct waiter *waiter)
{
    sigset_t one;
    int which;

    (void)waiter;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    sigwait(&one, &which);
}

Test(look, time_and_signals)
{
    ONLY_ON_LINUX("about system calls");
    struct waiter sleeper = {.wait = wait_in_nap};
    struct waiter suspended = {.wait = wait_for_signal};
    struct waiter patient = {.wait = wait_with_sigwait};

    begin(&sleeper);
    struct hl_plat_look look = look_until(sleeper.tid, NULL);
    assert_waits_for(&look, HL_PLAT_FOR_TIMER);
    look = look_at(&suspended, "rt_sigsuspend");
    assert_waits_for(&look, HL_PLAT_FOR_SIGNAL);
    look = look_at(&patient, "rt_sigtimedwait");
    assert_waits_for(&look, HL_PLAT_FOR_SIGNAL);
}

static void look_after_a_stop(void *shared)
{
    struct waiter sleeper = {.wait = wait_in_nap};
    pid_t self = getpid(), helper;

    begin(&sleeper);
    look_until(sleeper.tid, NULL);
    helper = fork();
    if (helper == 0) {
        kill(self, SIGSTOP);
        nap(100 * MS);
        kill(self, SIGCONT);
        _exit(0);
    }
    waitpid(helper, NULL, 0);
    *(struct hl_plat_look *)shared = look_until(sleeper.tid, NULL);
}

Test(look, after_a_stop_of_the_process_not_more_is_said_than_is_known)
{
    ONLY_ON_LINUX("about system calls");
    struct hl_plat_look *look = hl_plat_map_shared(sizeof *look);

    in_child(look_after_a_stop, look);
    cr_assert(knows(look, HL_PLAT_WAIT));
    if (strcmp(look->call, "restart_syscall") != 0 || strstr(look->channel, "nanosleep"))
        cr_assert_eq(look->waits_for, HL_PLAT_FOR_TIMER, "%s in %s", look->call, look->channel);
    else
        cr_assert_eq(look->waits_for, HL_PLAT_FOR_CALL);
}

static void wait_for_mutex(struct waiter *waiter)
{
    pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)waiter->argument);
}

Test(look, a_lock)
{
    ONLY_ON_LINUX("about system calls");
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    struct waiter locker = {.wait = wait_for_mutex, .argument = &mutex};

    struct hl_plat_look look = look_at(&locker, "futex");
    cr_assert(look.waits_for == HL_PLAT_FOR_MUTEX || look.waits_for == HL_PLAT_FOR_FUTEX);
    cr_assert(knows(&look, HL_PLAT_WAIT));
    cr_assert_eq(look.address, (uintptr_t)&mutex);
}

static void wait_for_words(struct waiter *waiter)
{
    static uint32_t word;
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } one = {0, (uintptr_t)&word, 2 | 128, 0}; /* FUTEX2_SIZE_U32 | FUTEX2_PRIVATE */

    waiter->argument = &word;
    syscall(449, &one, 1, 0, NULL, 0);
    nap(60 * S);
}

Test(look, locks_of_a_newer_kind)
{
    ONLY_ON_LINUX("about system calls");
    struct waiter locker = {.wait = wait_for_words};

    begin(&locker);
    struct hl_plat_look look = look_until(locker.tid, NULL);
    if (strcmp(look.call, "futex_waitv") != 0)
        cr_skip("this kernel does not offer it");
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_FUTEX);
    cr_assert_eq(look.address, (uintptr_t)locker.argument);
}

/* ---- threads that do not sit still ----------------------------------------------------------- */

static atomic_bool is_over;

static void spin(struct waiter *waiter)
{
    (void)waiter;
    while (!atomic_load(&is_over))
        continue;
}

static void nap_shortly(struct waiter *waiter)
{
    (void)waiter;
    prctl(PR_SET_TIMERSLACK, 1);
    while (!atomic_load(&is_over))
        nap(1000);
}

static int count_steady(uint64_t tid, int rounds)
{
    struct hl_plat_look look;
    int steady = 0;

    for (int i = 0; i < rounds; i++) {
        cr_assert(hl_plat_look(plat, tid, &look));
        steady += look.steady;
    }
    return steady;
}

Test(look, one_that_runs_is_in_no_call)
{
    ONLY_ON_LINUX("about system calls");
    struct waiter spinner = {.wait = spin};
    struct hl_plat_look look;
    plat = hl_plat_open();

    begin(&spinner);
    cr_assert(hl_plat_look(plat, spinner.tid, &look));
    assert_waits_for(&look, HL_PLAT_FOR_NOTHING);
    cr_assert(knows(&look, HL_PLAT_SYSCALL) && knows(&look, HL_PLAT_CHANNEL));
    cr_assert_str_eq(look.call, "");
    cr_assert_str_eq(look.channel, "");
    cr_assert_eq(look.state.state, 'R');
    cr_assert_eq(count_steady(spinner.tid, 300), 0);
    cr_assert(hl_plat_look(plat, hl_plat_thread_id(), &look), "the caller itself");
    cr_assert_not(look.steady);
    cr_assert_eq(hl_plat_waits_for(plat, spinner.tid), 0);
    atomic_store(&is_over, true);
}

Test(look, one_that_moves_on_is_not_steady)
{
    ONLY_ON_LINUX("about system calls");
    struct waiter sleeper = {.wait = nap_shortly};
    plat = hl_plat_open();

    begin(&sleeper);
    int steady = count_steady(sleeper.tid, 1000);
    atomic_store(&is_over, true);
    /* A virtual machine may not be run for longer than a look takes. */
    cr_assert_lt(steady, 200, "%d of 1000 looks", steady);
}

static void end_at_once(struct waiter *waiter)
{
    (void)waiter;
}

Test(look, one_that_is_gone)
{
    ONLY_ON_LINUX("about system calls");
    struct waiter waiter = {.wait = end_at_once};
    struct hl_plat_look look;
    plat = hl_plat_open();

    begin(&waiter);
    for (int i = 0; i < 1000 && hl_plat_look(plat, waiter.tid, &look); i++)
        nap(MS);
    cr_assert_not(hl_plat_look(plat, waiter.tid, &look));
    for (int key = HL_PLAT_SYSCALL; key <= HL_PLAT_HOLDER; key++)
        cr_assert_str_eq(hl_plat_why(plat, (enum hl_plat_key)key), "the thread has ended");
}

static atomic_bool churn_is_over;

static void *nothing(void *tid)
{
    atomic_store((_Atomic uint64_t *)tid, hl_plat_thread_id());
    return NULL;
}

static void *churn(void *tid)
{
    pthread_t thread;

    while (!atomic_load(&churn_is_over))
        if (pthread_create(&thread, NULL, nothing, tid) == 0)
            pthread_join(thread, NULL);
    return NULL;
}

Test(look, threads_that_end_meanwhile_do_no_harm)
{
    _Atomic uint64_t tid = 0;
    struct hl_plat_look look;
    pthread_t thread;
    plat = hl_plat_open();

    pthread_create(&thread, NULL, churn, &tid);
    for (int i = 0; i < 5000; i++)
        if (!hl_plat_look(plat, atomic_load(&tid), &look))
            cr_assert_eq(look.known, 0);
    atomic_store(&churn_is_over, true);
    pthread_join(thread, NULL);
}

/* ---- its age ------------------------------------------------------------------------------- */

Test(look, the_age_of_a_thread_is_never_said_too_high)
{
    ONLY_ON_LINUX("about /proc");
    struct waiter sleeper = {.wait = wait_in_nap};
    struct hl_plat_thread_state state;
    plat = hl_plat_open();

    uint64_t before = hl_plat_now_ns();
    begin(&sleeper);
    cr_assert(hl_plat_thread_state(plat, sleeper.tid, &state));
    cr_assert_leq(state.age_ns, hl_plat_now_ns() - before);
    uint64_t born = hl_plat_now_ns();
    nap(150 * MS);
    cr_assert(hl_plat_thread_state(plat, sleeper.tid, &state));
    cr_assert_leq(state.age_ns, hl_plat_now_ns() - before);
    cr_assert_geq(state.age_ns + 20 * MS, hl_plat_now_ns() - born - 100 * MS);
    cr_assert_geq(state.age_ns, 100 * MS);
    char name[HL_PLAT_NAME_BYTES], letter;
    uint64_t age;
    hl_plat_thread_glance(plat, sleeper.tid, name, &letter, &age);
    cr_assert_geq(age, state.age_ns);
    cr_assert_leq(age, hl_plat_now_ns() - before);
}

/* ---- under hard conditions -------------------------------------------------------------------- */

struct hard {
    bool seen;
    uint64_t waits_for;
    struct hl_plat_look reader, opener;
    char syscall_why[80], wait_why[80], opener_why[80];
};

static void look_into(struct hard *hard)
{
    int ends[2];
    struct waiter reader = {.wait = wait_in_read}, poller = {.wait = wait_in_poll};
    struct pollfd entry = {.events = POLLIN};
    struct polled polled = {&entry, 1, -1};

    plat = hl_plat_open();
    if (pipe(ends) != 0)
        return;
    entry.fd = reader.descriptor = ends[0];
    poller.argument = &polled;
    begin(&reader);
    begin(&poller);
    nap(300 * MS);
    hard->seen = hl_plat_look(plat, reader.tid, &hard->reader);
    hard->waits_for = hl_plat_waits_for(plat, reader.tid);
    snprintf(hard->syscall_why, sizeof hard->syscall_why, "%s", hl_plat_why(plat, HL_PLAT_SYSCALL));
    snprintf(hard->wait_why, sizeof hard->wait_why, "%s", hl_plat_why(plat, HL_PLAT_WAIT));
    hard->seen = hard->seen && hl_plat_look(plat, poller.tid, &hard->opener);
    snprintf(hard->opener_why, sizeof hard->opener_why, "%s", hl_plat_why(plat, HL_PLAT_WAIT));
}

static void lose_rights(void *shared)
{
    if (setgid(65534) == 0 && setuid(65534) == 0)
        prctl(PR_SET_DUMPABLE, 0);
    look_into(shared);
}

static struct hard *in_hard_child(void (*live)(void *shared))
{
    struct hard *hard = hl_plat_map_shared(sizeof *hard);

    in_child(live, hard);
    return hard;
}

Test(look, a_process_that_is_not_dumpable_says_why)
{
    ONLY_ON_LINUX("about /proc");
    if (geteuid() != 0)
        cr_skip("only root can give up its rights");
    struct hard *hard = in_hard_child(lose_rights);
    cr_assert(hard->seen);
    cr_assert_eq(hard->reader.state.state, 'S');
    cr_assert_not(knows(&hard->reader, HL_PLAT_SYSCALL));
    cr_assert_not(knows(&hard->reader, HL_PLAT_WAIT));
    cr_assert_eq(hard->reader.waits_for, HL_PLAT_FOR_UNKNOWN);
    cr_assert_not(hard->reader.steady);
    cr_assert_eq(hard->waits_for, HL_PLAT_SOMEBODY);
    cr_assert_str_eq(hard->syscall_why, "permission denied (process is not dumpable)");
    cr_assert_str_eq(hard->wait_why, "permission denied (process is not dumpable)");
    if (knows(&hard->reader, HL_PLAT_CHANNEL))
        cr_assert_str_neq(hard->reader.channel, "");
}

static void deny_peeking(void *shared)
{
    if (forbid(SYS_process_vm_readv, EPERM) && forbid_memory_file(EPERM))
        look_into(shared);
}

Test(look, without_the_right_to_copy_memory_only_that_is_unknown)
{
    ONLY_ON_LINUX("about seccomp");
    struct hard *hard = in_hard_child(deny_peeking);
    cr_assert(hard->seen);
    assert_object(&hard->reader, "read", "pipe");
    cr_assert(hard->reader.steady && hard->opener.steady);
    cr_assert_eq(hard->opener.waits_for, HL_PLAT_FOR_OBJECT);
    cr_assert_str_eq(hard->opener.verb, "poll");
    cr_assert_not(knows(&hard->opener, HL_PLAT_WAIT));
    cr_assert_str_eq(hard->opener_why, "not permitted (seccomp or a security module)");
}

static void deny_the_call(void *shared)
{
    if (forbid(SYS_process_vm_readv, EPERM))
        look_into(shared);
}

Test(look, memory_is_copied_from_its_file_where_the_call_is_forbidden)
{
    ONLY_ON_LINUX("about seccomp");
    struct hard *hard = in_hard_child(deny_the_call);
    cr_assert(hard->seen);
    assert_object(&hard->opener, "poll", "pipe");
    cr_assert(hard->opener.steady);
}

static void without_descriptors(void *shared)
{
    struct hard *hard = shared;
    struct waiter sleeper = {.wait = wait_in_nap};

    plat = hl_plat_open();
    begin(&sleeper);
    nap(100 * MS);
    while (dup(0) >= 0)
        continue;
    hard->seen = hl_plat_look(plat, sleeper.tid, &hard->reader);
    snprintf(hard->wait_why, sizeof hard->wait_why, "%s", hl_plat_why(plat, HL_PLAT_WAIT));
}

Test(look, without_a_free_descriptor_nothing_is_known)
{
    ONLY_ON_LINUX("about /proc");
    struct hard *hard = in_hard_child(without_descriptors);
    cr_assert_not(hard->seen);
    cr_assert_str_eq(hard->wait_why, "too many open files");
}

Test(look, no_descriptor_is_left_behind)
{
    ONLY_ON_LINUX("about system calls");
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    struct waiter reader = {.wait = wait_in_read, .descriptor = ends[0]};
    struct waiter poller = {.wait = wait_in_epoll, .descriptor = epoll_create1(EPOLL_CLOEXEC)};
    struct hl_plat_look look;

    look_at(&reader, "read");
    begin(&poller);
    look_until(poller.tid, NULL);
    int before = open_descriptors();
    for (int i = 0; i < 100; i++) {
        errno = 77;
        cr_assert(hl_plat_look(plat, reader.tid, &look));
        cr_assert(hl_plat_look(plat, poller.tid, &look));
        cr_assert_eq(errno, 77);
    }
    cr_assert_eq(open_descriptors(), before);
}
