/* A program that knows nothing of us, and is run by `heartline run`. Its standard error is
 * the log.
 *
 *     stranger waits      three threads wait for a signal, the first for another process
 *     stranger deadlock   two threads wait for each other
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { RIGHT, MISSED = 97, NOT_STAGED };

static void sleep_ms(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* Waits until the log has it; ten seconds at most. */
static bool await_line(const char *record)
{
    static char log[1 << 16];
    for (int i = 0; i < 1000; i++, sleep_ms(10)) {
        int file = open("/proc/self/fd/2", O_RDONLY | O_CLOEXEC);
        ssize_t size = file < 0 ? -1 : read(file, log, sizeof log - 1);
        close(file);
        log[size > 0 ? size : 0] = '\0';
        if (strstr(log, record))
            return true;
    }
    return false;
}

/* ---- all wait -------------------------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static void *idle(void *unused)
{
    pthread_mutex_lock(&mutex);
    for (;;)
        pthread_cond_wait(&condition, &mutex);
    return unused;
}

/* Two ends of a connection. */
static bool connect_ends(int *client, int *peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(server, (struct sockaddr *)&address, size) != 0 || listen(server, 1) != 0 ||
        getsockname(server, (struct sockaddr *)&address, &size) != 0 ||
        connect(*client, (struct sockaddr *)&address, size) != 0)
        return false;
    *peer = accept(server, NULL, NULL);
    printf("port %d\n", ntohs(address.sin_port));
    return *peer >= 0;
}

/* The other process: its end of the connection closes with it. */
static _Noreturn void be_peer(int client)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(client);
    await_line("] QUIET ");
    _exit(0);
}

static int wait_with_all(void)
{
    struct timeval patience = {15, 0};
    int client, peer;
    pthread_t thread;
    char byte;
    if (!connect_ends(&client, &peer))
        return NOT_STAGED;
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (int i = 0; i < 3; i++)
        if (pthread_create(&thread, NULL, idle, NULL) != 0)
            return NOT_STAGED;
    pid_t child = fork();
    if (child == 0)
        be_peer(client);
    close(peer);
    return child > 0 && recv(client, &byte, 1, 0) == 0 ? RIGHT : MISSED;
}

/* ---- deadlock -------------------------------------------------------------------------------- */

static struct clerk {
    const char *name;
    pthread_mutex_t lock;
    struct clerk *other;
} clerks[2] = {{"left", PTHREAD_MUTEX_INITIALIZER, &clerks[1]},
               {"right", PTHREAD_MUTEX_INITIALIZER, &clerks[0]}};
static pthread_barrier_t both_hold_one;

static void *lock_both(void *with)
{
    struct clerk *clerk = with;
    pthread_setname_np(pthread_self(), clerk->name);
    printf("member 0 %d/%s 0x%jx none\n", (int)gettid(), clerk->name,
           (uintmax_t)(uintptr_t)&clerk->other->lock);
    pthread_mutex_lock(&clerk->lock);
    pthread_barrier_wait(&both_hold_one);
    pthread_mutex_lock(&clerk->other->lock);
    return NULL;
}

static int hang(void)
{
    pthread_t thread;
    pthread_barrier_init(&both_hold_one, NULL, 2);
    for (int i = 0; i < 2; i++)
        if (pthread_create(&thread, NULL, lock_both, &clerks[i]) != 0)
            return NOT_STAGED;
    if (!await_line("] DEADLOCK "))
        return MISSED;
    sleep_ms(1000); /* it may be said again */
    return RIGHT;
}

int main(int count, char **arguments)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count == 2 && strcmp(arguments[1], "waits") == 0)
        return wait_with_all();
    if (count == 2 && strcmp(arguments[1], "deadlock") == 0)
        return hang();
    return NOT_STAGED;
}
