/* See peers.h.
 *
 * The session keeps the newest events in memory and writes nothing (a "snapshot"
 * session, LTTng's flight recorder): the consumer daemon sleeps, so the figure is
 * that of the tracepoints alone. The daemon has a home of its own, so one that
 * the machine has already is left in peace; for root it runs as nobody, because
 * the places of a root daemon are fixed. It gets SIGTERM when this process ends,
 * however that comes about, and takes its consumer with it.
 */
#include "bench.h"
#include "child.h"
#include "peers.h"

#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_WAIT (5000 * MS) /* for the daemon to be ready */

static const char *home;
static char why[320];
static pid_t session_daemon = -1;

/* ---- whose ------------------------------------------------------------------------ */

/* NULL: that of the caller. */
static const struct passwd *user_of_daemon(void)
{
    return geteuid() == 0 ? getpwnam("nobody") : NULL;
}

/* setpriv is in Debian's base system. */
static const char **as_user(const char *const *command)
{
    static const char *all[24];
    static char user[32], group[32];
    size_t count = 0;
    const struct passwd *other = user_of_daemon();
    all[count++] = "setpriv";
    all[count++] = "--pdeathsig=TERM";
    if (other) {
        snprintf(user, sizeof user, "--reuid=%u", (unsigned)other->pw_uid);
        snprintf(group, sizeof group, "--regid=%u", (unsigned)other->pw_gid);
        all[count++] = user;
        all[count++] = group;
        all[count++] = "--clear-groups";
    }
    while (*command)
        all[count++] = *command++;
    all[count] = NULL;
    return all;
}

#define AS_USER(...) as_user((const char *const[]){__VA_ARGS__, NULL})

/* ---- its home ------------------------------------------------------------------------ */

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about, (void)kind, (void)where;
    return remove(path);
}

/* As soon as daemon, consumer and tracepoints have found each other in it: so
 * nothing is left, however this ends. */
static void remove_home(void)
{
    if (home)
        nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static bool make_home(void)
{
    static char path[] = "/tmp/heartline-XXXXXX"; /* short: sockets lie below it */
    const struct passwd *other = user_of_daemon();
    home = mkdtemp(path);
    if (home && (!other || chown(home, other->pw_uid, other->pw_gid) == 0))
        return setenv("LTTNG_HOME", home, 1) == 0;
    snprintf(why, sizeof why, "%s: %s", path, strerror(errno));
    return false;
}

/* ---- the session ----------------------------------------------------------------------- */

/* false: why is noted. */
static bool tell(const char *what, const char *const *command)
{
    struct bench_child child = bench_child_ask(command);
    snprintf(why, sizeof why, "%s: %s", what, child.last_line);
    return child.status == 0;
}

static bool create_session(void)
{
    double until = bench_now_ns() + MOST_WAIT;
    const char **create = AS_USER("lttng", "--no-sessiond", "create", "heartline", "--snapshot");
    while (!tell("lttng create", create)) {
        if (bench_now_ns() > until)
            return false;
        bench_sleep(20 * MS);
    }
    return true;
}

static bool start_session(void)
{
    if (bench_child_run(AS_USER("lttng", "--version")).status != 0) {
        snprintf(why, sizeof why, "lttng-tools is not installed");
        return false;
    }
    if (!make_home())
        return false;
    session_daemon = bench_child_start(AS_USER("lttng-sessiond", "--no-kernel"));
    return create_session() &&
           tell("lttng enable-event", AS_USER("lttng", "--no-sessiond", "enable-event",
                                              "--userspace", "heartline_bench:*_on")) &&
           tell("lttng start", AS_USER("lttng", "--no-sessiond", "start"));
}

/* ---- together ----------------------------------------------------------------------------- */

static bool load(struct lttng_peer *peer, bool (**is_on)(void))
{
    void *module = dlopen(LTTNG_MODULE, RTLD_NOW);
    if (!module)
        return false;
    *(void **)&peer->off.run = dlsym(module, "lttng_pairs_off");
    *(void **)&peer->on.run = dlsym(module, "lttng_pairs_on");
    *(void **)is_on = dlsym(module, "lttng_is_on");
    return peer->off.run && peer->on.run && *is_on;
}

void lttng_begin(struct lttng_peer *peer)
{
    bool (*is_on)(void);
    peer->off.absent = NULL;
    peer->on.absent = start_session() ? NULL : why;
    if (!load(peer, &is_on))
        peer->on.absent = peer->off.absent = "its module cannot be loaded";
    else if (!peer->on.absent && !is_on())
        peer->on.absent = "our session did not turn on what it should";
    remove_home();
}

void lttng_end(void)
{
    bench_child_end(session_daemon);
}
