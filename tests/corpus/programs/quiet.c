/* Programs without a scope in which nobody moves, or hardly anybody. Whoever waited here
 * for the log would move: it is the line itself that goes on with the situation. */
#define _GNU_SOURCE
#include "situations.h"

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define WAITERS 3

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static atomic_bool is_held;

/* ---- a server and who connects to it ------------------------------------------------- */

static struct sockaddr_in address;
static int server;

static void listen_to_all(void)
{
    struct timeval patience = {10, 0};
    socklen_t size = sizeof address;
    server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    stage_needs(bind(server, (struct sockaddr *)&address, size) == 0 && listen(server, 1) == 0 &&
                    getsockname(server, (struct sockaddr *)&address, &size) == 0,
                "a socket that listens");
    setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    fact("port", "%d", ntohs(address.sin_port));
}

static int new_client(void)
{
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    stage_needs(connect(client, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    return client;
}

/* ---- all wait -------------------------------------------------------------------------- */

static int peer;

static void answer(void)
{
    send(peer, "", 1, MSG_NOSIGNAL);
}

/* Until the log says that all is quiet. */
static void await_answer(void)
{
    char byte;
    listen_to_all();
    int client = new_client();
    peer = accept(server, NULL, NULL);
    struct timeval patience = {10, 0};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (recv(client, &byte, 1, 0) != 1)
        fact("unheard", "QUIET");
    end();
}

static void play_idler(void *with)
{
    (void)with;
    pthread_mutex_lock(&mutex);
    for (;;)
        pthread_cond_wait(&condition, &mutex);
}

static void stage_waits(void)
{
    on_record("QUIET", answer);
    begin();
    for (int i = 0; i < WAITERS; i++)
        enter("idler", play_idler, NULL);
    await_answer();
}

static void play_holder(void *with)
{
    pthread_mutex_lock(&mutex);
    is_held = true;
    gate_wait(with);
}

static void play_waiter(void *with)
{
    (void)with;
    pthread_mutex_lock(&mutex);
}

static void stage_lock(void)
{
    struct gate gate;
    gate_make(&gate);
    fact_address("lock", &mutex);
    on_record("QUIET", answer);
    begin();
    enter("holder", play_holder, &gate);
    await(&is_held);
    for (int i = 0; i < WAITERS; i++)
        enter("waiter", play_waiter, NULL);
    await_answer();
}

/* ---- a request now and then --------------------------------------------------------------- */

static struct gate bell;
static int quiets_until_visit[] = {1, 2, 1}; /* 2: a reminder */
static const size_t visits = sizeof quiets_until_visit / sizeof quiets_until_visit[0];

static void visit(void *with)
{
    char byte;
    (void)with;
    while (read(bell.out, &byte, 1) == 1)
        close(new_client());
}

static void ring(void)
{
    static size_t rung;
    if (rung < visits && --quiets_until_visit[rung] == 0)
        rung += write(bell.in, "", 1) == 1;
}

static void stage_server(void)
{
    gate_make(&bell);
    listen_to_all();
    fork_helper(visit, NULL);
    on_record("QUIET", ring);
    begin();
    fact("woke", "%lld", (long long)now_ns());
    for (size_t i = 0; i < visits; i++) {
        int visitor = accept(server, NULL, NULL);
        if (visitor < 0) {
            fact("unheard", "QUIET");
            end();
        }
        fact("woke", "%lld", (long long)now_ns());
        close(visitor);
    }
    end();
}

/* ---- hardly anybody -------------------------------------------------------------------------- */

#define TICKS 25
#define TICK_MS 100

static void stage_ticks(void)
{
    int64_t longest_ns = 0;
    begin();
    for (int i = 0; i < WAITERS; i++)
        enter("idler", play_idler, NULL);
    int64_t before = now_ns();
    for (int i = 0; i < TICKS; i++) {
        sleep_ms(TICK_MS);
        int64_t now = now_ns();
        longest_ns = now - before > longest_ns ? now - before : longest_ns;
        before = now;
    }
    fact("longest_ms", "%lld", (long long)longest_ns / 1000000);
    end();
}

/* quiet KIND */
static void stage_quiet(char **arguments)
{
    static const struct {
        const char *name;
        void (*stage)(void);
    } kinds[] = {{"waits", stage_waits},
                 {"lock", stage_lock},
                 {"server", stage_server},
                 {"ticks", stage_ticks}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, arguments[0]) == 0)
            kinds[i].stage();
}

const struct situation quiet_situations[] = {{"quiet", stage_quiet}, {NULL, NULL}};
