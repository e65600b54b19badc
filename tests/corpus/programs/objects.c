/* System calls that wait, for a file, a socket, a child, a signal or a time. Each
 * is ended by a signal that interrupts it. */
#define _GNU_SOURCE
#include "situations.h"

#include <heartline/scope.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct gate gate;
static int descriptor = -1;
static const char *folder;
static char path[256];
static pid_t helper;

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    fact("path", "%s", path);
    return path;
}

static void use(int opened, const char *what)
{
    stage_needs(opened >= 0, what);
    descriptor = opened;
    fact("fd", "%d", descriptor);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void prepare_pipe(void)
{
    use(gate.out, "pipe");
}

static void prepare_fifo(void)
{
    mkfifo(in_folder("fifo"), 0600);
    use(open(path, O_RDWR | O_CLOEXEC), "mkfifo");
}

static void prepare_terminal(void)
{
    int control = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    stage_needs(control >= 0 && grantpt(control) == 0 && unlockpt(control) == 0, "posix_openpt");
    snprintf(path, sizeof path, "%s", ptsname(control));
    fact("path", "%s", path);
    use(open(path, O_RDWR | O_NOCTTY | O_CLOEXEC), path);
}

static void call_read(void)
{
    char byte;
    if (read(descriptor, &byte, 1) > 0)
        fact("surprise", "something could be read");
}

static void prepare_full_pipe(void)
{
    char bytes[4096] = {0};
    int ends[2];
    stage_needs(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, "pipe2");
    while (write(ends[1], bytes, sizeof bytes) > 0)
        continue;
    fcntl(ends[1], F_SETFL, 0);
    use(ends[1], "pipe2");
}

static void call_write(void)
{
    char bytes[4096] = {0};
    if (write(descriptor, bytes, sizeof bytes) > 0)
        fact("surprise", "something could be written");
}

static void prepare_nobody(void)
{
    mkfifo(in_folder("nobody"), 0600);
}

static void call_open(void)
{
    if (open(path, O_RDONLY | O_CLOEXEC) >= 0)
        fact("surprise", "somebody writes to it");
}

static void prepare_flock(void)
{
    int other = open(in_folder("locked"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    stage_needs(other >= 0 && flock(other, LOCK_EX) == 0, "flock");
    use(open(path, O_RDWR | O_CLOEXEC), "open");
}

static void call_flock(void)
{
    flock(descriptor, LOCK_EX);
}

/* Such a lock belongs to a process: another one must have it. */
static void lock_file(void *with)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct gate *is_locked = with;
    if (fcntl(open(path, O_RDWR | O_CLOEXEC), F_SETLK, &whole) == 0)
        gate_open(is_locked);
    for (;;)
        pause();
}

static void prepare_fcntl(void)
{
    struct gate is_locked;
    use(open(in_folder("locked"), O_RDWR | O_CREAT | O_CLOEXEC, 0600), "open");
    gate_make(&is_locked);
    fork_helper(lock_file, &is_locked);
    gate_open(&is_locked);
    gate_wait(&is_locked);
}

static void call_fcntl(void)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    fcntl(descriptor, F_SETLKW, &whole);
}

/* ---- sockets ---------------------------------------------------------------------------------- */

static struct sockaddr_in tcp_address;
static struct sockaddr_un unix_address;

static int port_of(int socket, int (*name)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    stage_needs(name(socket, (struct sockaddr *)&address, &size) == 0, "a socket's name");
    return ntohs(address.sin_port);
}

static int tcp_name(int socket, struct sockaddr *address, socklen_t *size)
{
    return getsockname(socket, address, size);
}

static int listen_tcp(int backlog)
{
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tcp_address.sin_family = AF_INET;
    tcp_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    stage_needs(bind(server, (struct sockaddr *)&tcp_address, sizeof tcp_address) == 0 &&
                    listen(server, backlog) == 0,
                "a socket that listens");
    tcp_address.sin_port = htons((uint16_t)port_of(server, tcp_name));
    fact("port", "%d", ntohs(tcp_address.sin_port));
    return server;
}

static int connect_tcp(int more)
{
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | more, 0);
    int result = connect(client, (struct sockaddr *)&tcp_address, sizeof tcp_address);
    stage_needs(result == 0 || errno == EINPROGRESS, "connect");
    return client;
}

static void prepare_tcp(void)
{
    listen_tcp(1);
    use(connect_tcp(0), "socket");
    fact("local", "%d", port_of(descriptor, tcp_name));
}

static void call_recv(void)
{
    char byte;
    if (recv(descriptor, &byte, 1, 0) > 0)
        fact("surprise", "something was received");
}

static int listen_unix(int backlog)
{
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unix_address.sun_family = AF_UNIX;
    size_t length = strlen(in_folder("server.sock"));
    errno = ENAMETOOLONG;
    stage_needs(length < sizeof unix_address.sun_path, path);
    memcpy(unix_address.sun_path, path, length + 1);
    stage_needs(bind(server, (struct sockaddr *)&unix_address, sizeof unix_address) == 0 &&
                    listen(server, backlog) == 0,
                "a socket that listens");
    return server;
}

static int connect_unix(int more)
{
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | more, 0);
    int result = connect(client, (struct sockaddr *)&unix_address, sizeof unix_address);
    if (result != 0 && errno == EAGAIN) {
        close(client);
        return -1;
    }
    stage_needs(result == 0, "connect");
    return client;
}

static void prepare_unix(void)
{
    listen_unix(1);
    use(connect_unix(0), "socket");
}

static void prepare_unix_pair(void)
{
    int both[2];
    stage_needs(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) == 0, "socketpair");
    use(both[0], "socketpair");
}

static void prepare_accept(void)
{
    use(listen_tcp(1), "listen");
}

static void prepare_accept_unix(void)
{
    use(listen_unix(1), "listen");
}

static void call_accept(void)
{
    accept(descriptor, NULL, NULL);
}

/* A queue that takes no more: what comes now is not answered. */
static void prepare_connect(void)
{
    listen_tcp(0);
    for (int i = 0; i < 4; i++)
        connect_tcp(SOCK_NONBLOCK);
    sleep_ms(50);
    use(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
}

static void call_connect(void)
{
    if (connect(descriptor, (struct sockaddr *)&tcp_address, sizeof tcp_address) == 0)
        not_staged("this machine takes connections though the queue is full");
}

static void prepare_connect_unix(void)
{
    listen_unix(0);
    while (connect_unix(SOCK_NONBLOCK) >= 0)
        continue;
    use(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
}

static void call_connect_unix(void)
{
    connect(descriptor, (struct sockaddr *)&unix_address, sizeof unix_address);
}

/* ---- several at once ----------------------------------------------------------------------------- */

static int event;

static void prepare_poll(void)
{
    prepare_unix_pair();
    event = eventfd(0, EFD_CLOEXEC);
}

static void call_poll_one(void)
{
    struct pollfd one = {gate.out, POLLIN, 0};
    poll(&one, 1, -1);
}

static void call_poll(void)
{
    struct pollfd all[5] = {{gate.out, POLLIN, 0}, {event, POLLIN, 0}, {descriptor, POLLIN, 0}};
    all[3] = all[4] = all[1];
    poll(all, 5, -1);
}

static void call_poll_none(void)
{
    poll(NULL, 0, 60000);
}

static void call_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(gate.out, &set);
    select(gate.out + 1, &set, NULL, NULL, NULL);
}

static void prepare_epoll(void)
{
    use(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    struct epoll_event in = {.events = EPOLLIN};
    stage_needs(epoll_ctl(descriptor, EPOLL_CTL_ADD, gate.out, &in) == 0, "epoll_ctl");
}

static void call_epoll(void)
{
    struct epoll_event ready;
    epoll_wait(descriptor, &ready, 1, -1);
}

/* ---- children, signals, time ------------------------------------------------------------------------ */

static void do_nothing(void *with)
{
    (void)with;
    for (;;)
        pause();
}

static void prepare_child(void)
{
    helper = fork_helper(do_nothing, NULL);
    fact("child", "%d", (int)helper);
}

static void call_wait_for_one(void)
{
    waitpid(helper, NULL, 0);
}

static void call_wait_for_any(void)
{
    waitpid(-1, NULL, 0);
}

static void call_waitid(void)
{
    siginfo_t info;
    waitid(P_PID, (id_t)helper, &info, WEXITED);
}

static void call_nanosleep(void)
{
    struct timespec long_time = {60, 0};
    nanosleep(&long_time, NULL);
}

static void call_clock_nanosleep(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += 60;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void call_pause(void)
{
    pause();
}

static void call_sigwait(void)
{
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    sigwait(&set, &number);
}

/* The parent of a vfork stands still until its child is gone, and no signal wakes it. */
static void call_vfork(void)
{
    char byte;
    pid_t child = vfork();
    if (child == 0) {
        close(gate.in);
        if (read(gate.out, &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static const struct kind {
    const char *name;
    void (*prepare)(void);
    void (*call)(void);
} kinds[] = {
    {"pipe", prepare_pipe, call_read},
    {"full-pipe", prepare_full_pipe, call_write},
    {"fifo", prepare_fifo, call_read},
    {"terminal", prepare_terminal, call_read},
    {"open", prepare_nobody, call_open},
    {"flock", prepare_flock, call_flock},
    {"fcntl", prepare_fcntl, call_fcntl},
    {"tcp", prepare_tcp, call_recv},
    {"unix", prepare_unix, call_recv},
    {"unix-pair", prepare_unix_pair, call_recv},
    {"accept", prepare_accept, call_accept},
    {"accept-unix", prepare_accept_unix, call_accept},
    {"connect", prepare_connect, call_connect},
    {"connect-unix", prepare_connect_unix, call_connect_unix},
    {"poll-one", NULL, call_poll_one},
    {"poll", prepare_poll, call_poll},
    {"poll-none", NULL, call_poll_none},
    {"select", NULL, call_select},
    {"epoll", prepare_epoll, call_epoll},
    {"child", prepare_child, call_wait_for_one},
    {"children", prepare_child, call_wait_for_any},
    {"waitid", prepare_child, call_waitid},
    {"nanosleep", NULL, call_nanosleep},
    {"clock-nanosleep", NULL, call_clock_nanosleep},
    {"pause", NULL, call_pause},
    {"sigwait", NULL, call_sigwait},
    {"vfork", NULL, call_vfork},
};

static void play_waiter(void *with)
{
    const struct kind *kind = with;
    scope_push("wait");
    kind->call();
    scope_pop();
}

/* object KIND FOLDER */
static void stage_object(char **arguments)
{
    const struct kind *kind = kinds;
    while (strcmp(kind->name, arguments[0]) != 0)
        kind++;
    folder = arguments[1];
    gate_make(&gate);
    if (kind->prepare)
        kind->prepare();
    begin();
    struct actor *waiter = enter("waiter", play_waiter, (void *)(uintptr_t)kind);
    hear_stall_of("/waiter");
    gate_open(&gate);
    interrupt(waiter);
    hear_recovered(1);
    end();
}

const struct situation object_situations[] = {{"object", stage_object}, {NULL, NULL}};
