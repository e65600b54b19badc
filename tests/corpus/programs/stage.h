/* stage.h - what every situation is made of.
 *
 * A situation lasts until the log has said what can be said about it (heard), or
 * ten seconds; nothing relies on how long a step takes. What it knows to be true
 * it tells on standard output, a line `name value` for each fact; the monitor's
 * lines go there too, behind an @ and the time.
 */
#ifndef CORPUS_STAGE_H
#define CORPUS_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct situation {
    const char *name;
    void (*stage)(char **arguments); /* ended by NULL */
};

/* Stages the one that the arguments name, of `count` lists each ended by one without a
 * name. The program's exit status, when there is none. */
int stage_named(const struct situation *const *lists, size_t count, char **arguments);

void fact(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fact_address(const char *name, const void *address);
/* It cannot be had on this machine. Ends the program. */
void not_staged(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* not_staged, with errno, unless `done`. */
void stage_needs(bool done, const char *what);

int64_t now_ns(void);
void sleep_ms(int64_t ms);

/* The monitor, with a callback. Signal USR1 interrupts system calls from here on. */
void begin(void);
/* The final line, and the program's end, whatever threads are stuck. */
void end(void) __attribute__((noreturn));

/* Waits until the log has that many such records that contain `part` (NULL: any).
 * Tells `unheard` after ten seconds. */
bool heard(const char *record, size_t count, const char *part);
/* A stall of that thread, and its first reminder. */
void hear_stall_of(const char *thread);
/* `count` recoveries. */
void hear_recovered(size_t count);
/* To be called before `begin`: at each such line `act` is, by the monitor's thread, so that
 * no other one has to be awake to hear it. */
void on_record(const char *record, void (*act)(void));

/* A thread. Its tid is a fact by its name, and told before `enter` returns. */
struct actor;
struct actor *enter(const char *name, void (*play)(void *with), void *with);
pid_t actor_tid(const struct actor *actor);
/* Waits until it sleeps in the kernel. */
void await_asleep(pid_t tid);
void leave(struct actor *actor);
/* Interrupts its system calls until it is through. */
void interrupt(struct actor *actor);

/* Something to sleep at: a read from a pipe, until it is opened to all. */
struct gate {
    int out, in;
};
void gate_make(struct gate *gate);
void gate_wait(const struct gate *gate);
void gate_open(struct gate *gate);

/* What the holder sleeps at is opened, so that the waiter recovers; the program ends. */
void end_wait(struct gate *gate, struct actor *holder, struct actor *waiter)
    __attribute__((noreturn));

/* Called by a thread all the time, from its push on: each STALL about it is followed by
 * the fact `truth LEAST MOST`, what share of the time it was on a core, in thousandths. */
void watch_me(void);

/* The scheduler's letter of a thread (of any process); 0: it is gone. */
char state_of(pid_t pid, pid_t tid);
/* The whole of a small file, or false. Without malloc. */
bool read_text(const char *path, char *text, size_t size);
bool write_text(const char *path, const char *text);

#ifdef __cplusplus
}
#else

#include <stdatomic.h>

/* Waits, asleep for the most part. Ten seconds at most. */
bool await(const atomic_bool *flag);
/* A child process, forked before the monitor starts, so that nothing is logged about it.
 * It lives no longer than its parent. */
pid_t fork_helper(void (*play)(void *with), void *with);

#endif
#endif
