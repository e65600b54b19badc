/* heartline/monitor.h - start and stop the monitor: the manual of the library.
 *
 * monitor_start() starts one daemon thread. From then on the process's log
 * says, every interval, what the program is doing and what it costs, and, at
 * the moment it happens, that a thread is stuck and why. Threads say what they
 * do through heartline/scope.h; without a single scope there are still
 * heartbeats with the busiest threads.
 *
 *     #include <heartline/monitor.h>
 *     int main(void)
 *     {
 *         monitor_start();
 *         ...
 *     }
 *
 * The operator has the last word through the environment: HEARTLINE=off,
 * HEARTLINE_INTERVAL=10s, HEARTLINE_STALL=2m, HEARTLINE_LOG=run.log,
 * HEARTLINE_FORMAT=json and one variable for each further option. The
 * environment is read in monitor_start, in the caller's thread, and is ignored
 * in setuid programs.
 *
 * All functions may be called from any thread. Errors are negative errno
 * values; errno itself is never changed. Nothing here aborts, exits, or writes
 * to standard output. The thread blocks all signals, takes no lock that an
 * application thread can wait for, and holds at most a few descriptors, all
 * close-on-exec. In a forked child the monitor is off.
 */
#ifndef HEARTLINE_MONITOR_H
#define HEARTLINE_MONITOR_H

#include <stddef.h>
#include <stdint.h>

#if !defined(MONITOR_API)
#define MONITOR_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define MONITOR_VERSION_MAJOR 0
#define MONITOR_VERSION_MINOR 1
#define MONITOR_VERSION_PATCH 0
#define MONITOR_VERSION \
    (MONITOR_VERSION_MAJOR * 10000 + MONITOR_VERSION_MINOR * 100 + MONITOR_VERSION_PATCH)

enum monitor_format {
    MONITOR_TEXT, /* logfmt: for people, and for every log reader */
    MONITOR_JSON  /* JSON Lines, the same facts as plain numbers */
};

enum monitor_level {
    MONITOR_INFO,
    MONITOR_WARNING /* STALL and DEADLOCK */
};

/* The clock that scope_push and scope_pop read. */
enum monitor_clock {
    MONITOR_CLOCK_COARSE, /* one scheduler tick (1 to 10 ms): the default, 4 to 5 times cheaper */
    MONITOR_CLOCK_PRECISE /* nanoseconds */
};

/* What a forked child does. */
enum monitor_fork {
    MONITOR_FORK_OFF,    /* not monitored; the parent's log says so, once */
    MONITOR_FORK_RESTART /* starts a monitor of its own, with the same options */
};

/* What may be done to a stuck thread to learn where it is (STACK lines, at most
 * three over one stall). To interrupt means: the thread is stopped wherever it is,
 * also inside malloc or with a lock held; its stack is read with nothing but system
 * calls; it goes on. That should take some tens of microseconds; how long it took
 * is on the line (suspended=), and the longest in the stop line. The risk is that the
 * monitor's thread loses its core in between: then the stuck thread stands still
 * for as long, with all that it holds. After one such stop of more than a
 * millisecond no thread is stopped again. What each system can do is in
 * docs/configuration.md. */
enum monitor_stacks {
    MONITOR_STACKS_PASSIVE,   /* read the stack only where the thread need not be touched */
    MONITOR_STACKS_INTERRUPT, /* also by stopping the thread for a moment */
    MONITOR_STACKS_OFF        /* no STACK lines */
};

/* Receives each line, without a line feed or time stamp, on the monitor's
 * thread. `line` is valid during the call, is terminated, and is `length`
 * bytes long (at most 4095). The callback may be slow, which delays later
 * lines and nothing else, and may use scopes; monitor_stop called in it
 * returns -EDEADLK. */
typedef void (*monitor_sink)(void *data, enum monitor_level level, const char *line, size_t length);

/* Fill with monitor_options_default first, then change what you need: fields
 * that a later version adds then have their defaults. */
typedef struct {
    size_t size; /* sizeof(monitor_options) of the caller; set by monitor_options_default */

    uint64_t interval_ms; /* between heartbeats; 60,000; 10 ms to 24 h */
    uint64_t stall_ms;    /* no sign of life for this long is a stall; 120,000; 10 ms to 30 days,
                             0 = never (limits set with scope_expect still hold) */
    uint32_t phase_lines; /* phase lines in a heartbeat; 8; 0 to 10,000. The main thread and
                             stalled threads are always shown */
    uint32_t busy_lines;  /* busy threads outside any scope in a heartbeat; 3; 0 to 10,000 */
    uint32_t stall_lines; /* STALL lines a minute, beyond which they merge; 10; 1 to 10,000 */

    enum monitor_format format; /* MONITOR_TEXT */
    enum monitor_clock clock;   /* MONITOR_CLOCK_COARSE */
    enum monitor_fork fork;     /* MONITOR_FORK_OFF */

    const char *log_path; /* NULL = standard error; else a file, appended, mode 0600; in it %p is
                             the process id, %h the host's name, %% a percent sign. Copied */
    const char *tag;      /* up to 63 bytes shown as tag= on every line. Copied. NULL: the rank in
                             a parallel job ("rank:3") where a launcher tells it, else none */
    int beat_signal;      /* 0, or a signal number that asks for a full heartbeat, as monitor_beat
                             does; taken only over the default disposition, with SA_RESTART */

    monitor_sink sink; /* NULL, or receives the lines instead of log_path and standard error */
    void *sink_data;   /* first argument of sink; must outlive the monitor */

    enum monitor_stacks stacks; /* MONITOR_STACKS_PASSIVE */
} monitor_options;

/* Sets every field to its default, and size. NULL is ignored. */
MONITOR_API void monitor_options_default(monitor_options *options);

/* Starts the monitor with the defaults and the environment on top.
 * Returns 0 when it runs: also when it was running already (the first start
 * wins; one by `heartline run` is taken over), and when HEARTLINE=off (then it
 * does nothing at all). Errors:
 *   -EBADF   there is no standard error to log to;
 *   -EBUSY   an earlier monitor is still stuck in its sink, see monitor_stop;
 *   -ENOMEM, -EAGAIN, ...  what the system said when the thread was started;
 *   also what open(2) gave for log_path.
 * The program goes on unmonitored then, and may try again. Costs about 10 ms,
 * most of it once per process. The first start has two more threads for some
 * milliseconds, which learn what locks look like from outside, and end. */
MONITOR_API int monitor_start(void);

/* The same with the caller's options, under the environment. -EINVAL: options
 * is NULL, of an unknown size, or a field is outside its range. An unreadable
 * value in the environment is a `note` in the log that names the variable, the
 * value and what is accepted; the caller's value is used instead. A monitor
 * that `heartline run` has started is stopped first; the options of that command
 * stand above the environment. */
MONITOR_API int monitor_start_with(const monitor_options *options);

/* Writes the final line, ends the thread and waits for it. It can be started
 * again. Returns 0, also when it was not running. Never waits longer than
 * 250 ms (50 ms at exit): -ETIMEDOUT means that the thread is stuck in the
 * sink; until it has gone, monitor_start gives -EBUSY. -EDEADLK when called
 * from the sink. A program that returns from main or calls exit gets the final
 * line without calling this; one that is killed by a signal does not. */
MONITOR_API int monitor_stop(void);

/* Asks for a full heartbeat now, with every phase line. Returns 0 once it is
 * asked for, -ESRCH when the monitor does not run. Resets no window, counter
 * or schedule. May be called in a signal handler. */
MONITOR_API int monitor_beat(void);

/* Where another thread of this process is: its frames, innermost first, so that the
 * first is the address of its next instruction and the others are return addresses.
 * `tid` is the number that the log shows (gettid on Linux, pthread_threadid_np on
 * macOS). Returns how many frames were stored, at least 1, at most max and 64; a
 * stack that cannot be followed to its beginning gives those that could. Errors:
 *   -EINVAL   frames is NULL, or max is 0;
 *   -EDEADLK  tid is the calling thread;
 *   -ESRCH    there is no such thread, or it has just ended;
 *   -EAGAIN   not at this moment: the process forks, or another thread asks as well;
 *   -ENOTSUP  it cannot be had: on Linux this is not written yet, on macOS not under
 *             Rosetta, nor once a thread was stopped for more than a millisecond;
 *   -ENOMEM.
 * From any thread, but not in a signal handler; needs no monitor, and none of its
 * options: whoever calls this has asked, so the thread may be stopped for a moment,
 * as for MONITOR_STACKS_INTERRUPT. Costs some system calls to open and close the
 * platform, on macOS four more and one or two for each 16 KiB of stack: some tens of
 * microseconds (estimated). */
MONITOR_API int monitor_stack(uint64_t tid, uintptr_t *frames, size_t max);

/* The version of the library that is linked: MONITOR_VERSION of its own time. */
MONITOR_API unsigned monitor_version(void);
MONITOR_API const char *monitor_version_string(void);

#ifdef __cplusplus
}
#endif
#endif
