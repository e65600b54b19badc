/* tests/bench/evidence_bench.c - what it costs to look into one suspect thread.
 *
 * Threads sit in the waits that users meet: a mutex (whose owner is read), a pipe,
 * a socket, poll. A look is all that the monitor asks about one of them when its
 * STALL line is written; beside it stands the cheap question after state and CPU
 * time alone. Asked below the public interface, of the platform that the library
 * is made of: there is no other way to ask it alone.
 */
#include "bench.h"

#include "../../platform/platform.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_LOOKS 4000
#define LIMIT_US 50

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int pipe_ends[2], socket_ends[2];

static void wait_for_mutex(void)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}

static void wait_for_pipe(void)
{
    char byte;
    ssize_t got = read(pipe_ends[0], &byte, 1);
    (void)got;
}

static void wait_for_socket(void)
{
    char byte;
    ssize_t got = recv(socket_ends[0], &byte, 1, 0);
    (void)got;
}

static void wait_in_poll(void)
{
    struct pollfd files[2] = {{.fd = pipe_ends[0], .events = POLLIN},
                              {.fd = socket_ends[0], .events = POLLIN}};
    poll(files, 2, -1);
}

static struct suspect {
    const char *key, *name;
    void (*wait)(void);
    pthread_t thread;
    _Atomic uint64_t tid;
} suspects[] = {
    {.key = "mutex", .name = "a mutex, its owner read", .wait = wait_for_mutex},
    {.key = "pipe", .name = "read on a pipe", .wait = wait_for_pipe},
    {.key = "socket", .name = "recv on a TCP socket", .wait = wait_for_socket},
    {.key = "poll", .name = "poll of two files", .wait = wait_in_poll},
};
#define SUSPECTS (sizeof suspects / sizeof suspects[0])

static void *be_suspect(void *argument)
{
    struct suspect *suspect = argument;
    suspect->tid = hl_plat_thread_id();
    suspect->wait();
    return NULL;
}

/* A connection of the machine with itself. */
static bool connect_sockets(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    socket_ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    bool connected = bind(listener, (struct sockaddr *)&address, size) == 0 &&
                     listen(listener, 1) == 0 &&
                     getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
                     connect(socket_ends[1], (struct sockaddr *)&address, size) == 0;
    socket_ends[0] = connected ? accept(listener, NULL, NULL) : -1;
    close(listener);
    return socket_ends[0] >= 0;
}

static bool start_suspects(struct hl_plat *plat)
{
    if (pipe(pipe_ends) != 0 || !connect_sockets())
        return false;
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < SUSPECTS; i++)
        if (pthread_create(&suspects[i].thread, NULL, be_suspect, &suspects[i]) != 0)
            return false;
    for (size_t i = 0; i < SUSPECTS; i++) {
        struct hl_plat_thread_state state = {0};
        while (suspects[i].tid == 0 || !hl_plat_thread_state(plat, suspects[i].tid, &state) ||
               state.state != 'S')
            bench_sleep(MS);
    }
    return true;
}

static void end_suspects(void)
{
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 2; i++)
        if (write(pipe_ends[1], "x", 1) != 1 || send(socket_ends[1], "x", 1, 0) != 1)
            return;
    for (size_t i = 0; i < SUSPECTS; i++)
        pthread_join(suspects[i].thread, NULL);
}

static void learn(void)
{
    hl_plat_learn();
    for (int i = 0; i < 10000 && hl_plat_is_learning(); i++)
        bench_sleep(0.1 * MS);
}

static double cost_us(void (*ask)(struct hl_plat *, uint64_t), struct hl_plat *plat, uint64_t tid)
{
    double began = bench_now_ns();
    ask(plat, tid);
    return (bench_now_ns() - began) / 1000;
}

static void ask_state(struct hl_plat *plat, uint64_t tid)
{
    struct hl_plat_thread_state state;
    BENCH_USE(hl_plat_thread_state(plat, tid, &state));
}

static void ask_all(struct hl_plat *plat, uint64_t tid)
{
    static struct hl_plat_look look;
    BENCH_USE(hl_plat_look(plat, tid, &look));
}

static void show(const char *key, const char *name, struct bench_spread us, double p99)
{
    char figure[64];
    printf("  %-28s %7.1f  (%.1f to %.1f)   p99 %.1f\n", name, us.median, us.low, us.high, p99);
    snprintf(figure, sizeof figure, "evidence.%s", key);
    bench_figure(figure, "us", us);
}

/* The median of a look into the dearest of them. */
static double measure(struct hl_plat *plat, size_t looks)
{
    static double us[SUSPECTS + 1][MOST_LOOKS];
    double dearest = 0;
    for (size_t i = 0; i < looks; i++) {
        for (size_t j = 0; j < SUSPECTS; j++)
            us[j][i] = cost_us(ask_all, plat, suspects[j].tid);
        us[SUSPECTS][i] = cost_us(ask_state, plat, suspects[0].tid);
    }
    for (size_t j = 0; j < SUSPECTS; j++) {
        struct bench_spread spread = bench_spread_of(us[j], looks);
        show(suspects[j].key, suspects[j].name, spread, bench_percentile(us[j], looks, 99));
        dearest = spread.median > dearest ? spread.median : dearest;
    }
    show("state", "state and CPU time alone", bench_spread_of(us[SUSPECTS], looks),
         bench_percentile(us[SUSPECTS], looks, 99));
    return dearest;
}

int evidence_bench(bool quick)
{
    struct hl_plat *plat = hl_plat_open();
    if (!plat) {
        printf("out of memory\n");
        return 1;
    }
    learn();
    if (!start_suspects(plat)) {
        printf("\nEvidence: no threads or sockets to look into\n");
        return 1;
    }
    struct hl_plat_look look;
    if (!hl_plat_look(plat, suspects[0].tid, &look)) {
        printf("\nEvidence: not available on this platform\n");
        return 0;
    }
    printf("\nEvidence about one suspect thread that waits for ..., us (quartiles)\n");
    double dearest = measure(plat, quick ? 50 : MOST_LOOKS);
    bench_goal("E1", "evidence for one suspect, dearest", BENCH_NS, dearest * 1000,
               LIMIT_US * 1000);
    end_suspects();
    hl_plat_close(plat);
    return 0;
}
