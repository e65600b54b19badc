/* tests/doubles/mach/fake_mach.h - what a test can do to the Mach that Linux plays.
 *
 * Platform darwin, its sources unchanged, is linked with this model instead of macOS. It
 * proves our bookkeeping, not Apple's semantics: it knows only what docs and kernel
 * sources say, and the parts of that which are easy to get wrong are in it on purpose.
 *
 * It plays in two ways. *Live*, which is how every process begins: the threads, times,
 * names and memory are those of the real Linux process, so that the whole library runs on
 * it; thread_suspend really stops a thread. *Scripted*, after fake_reset: a world of model
 * threads in which only the test moves anything.
 *
 *     fake_reset();
 *     uint64_t worker = fake_thread_add("worker");
 *     fake_thread_burn(worker, 2 * S, 1 * S);
 *     fake_fail(FAKE_THREAD_INFO, 3, KERN_TERMINATED, false);
 *     hl_plat_threads(plat, list, 8, &total);          // the third question fails
 *     cr_assert(fake_outstanding().rights == 0);        // and no right was lost
 *
 * What would harm a real program is not answered with an error but ends this one, with a
 * message: see "it aborts on" below.
 *
 *   rights      A thread has one name as long as it lives. Every list, and every
 *               mach_thread_self, adds a user reference to it, and mach_port_deallocate
 *               takes one. libpthread holds one of its own ("kept"), which nobody else may
 *               give back. When the thread ends, references that are left make it a dead
 *               name; a name without any is given to the next thread at once.
 *   times       A thread's time moves from the living to the ended when it exits. Flavors
 *               cover what the kernel's do: MACH_TASK_BASIC_INFO the ended ones only,
 *               TASK_THREAD_TIMES_INFO the living only, TASK_ABSOLUTETIME_INFO all in its
 *               total_*; its threads_system is added to what the caller's buffer held.
 *   failing     Any call, at its k-th use, with any code. What a call that failed hands
 *               out is garbage; a mach_port_deallocate or vm_deallocate that is made to
 *               fail counts as given back (`refused`), so that a sweep over all calls can
 *               ask for no leak.
 *   suspension  Only one at a time, and until it is resumed the thread that did it may
 *               call nothing but thread_get_state, vm_read_overwrite, thread_resume and
 *               the clocks; a thread_resume that was made to fail ends that rule.
 *   it aborts   on: a name without a right, giving back what one does not own, resuming
 *               what is not suspended, suspending oneself or a second one, registers of a
 *               running thread, sizes that are wrong, any other call or any malloc during
 *               a suspension (where the program is linked with allocations.c).
 *
 * Left out: messages, ports that are no threads', suspension counts above one, the pinning
 * of references at their maximum. Live: a thread that blocks all signals cannot be stopped
 * (KERN_FAILURE), a stop ends sleeps with EINTR, and files loaded later are not noticed.
 *
 * All functions are for any thread.
 */
#ifndef TESTS_FAKE_MACH_H
#define TESTS_FAKE_MACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the world ---------------------------------------------------------------- */

/* A new scripted world: an Apple Silicon machine, a process with one thread, the caller,
 * nothing outstanding, nothing failing, no use counted. fake_live goes back. */
void fake_reset(void);
void fake_live(void);

struct fake_machine {
    uint64_t tick_hz;     /* of the kernel's accounts */
    bool hides_tick_hz;   /* there is no hw.tbfrequency */
    bool is_translated;   /* Rosetta: mach_timebase_info says 1/1 whatever the ticks are */
    unsigned cores;       /* hw.logicalcpu; 0 = it is not there */
    unsigned vm_revision; /* how much of TASK_VM_INFO this kernel knows, 0 to 6 */
    bool runs_setuid;     /* issetugid */
};
#define FAKE_APPLE_SILICON ((struct fake_machine){24000000, false, false, 8, 6, false})
#define FAKE_INTEL ((struct fake_machine){1000000000, false, false, 4, 6, false})
#define FAKE_ROSETTA ((struct fake_machine){24000000, false, true, 8, 6, false})
void fake_machine(struct fake_machine machine); /* in either mode */

/* Scripted only. */
struct fake_process {
    uint64_t resident_bytes, peak_bytes, virtual_bytes, footprint_bytes;
    uint64_t read_bytes, written_bytes;
    uint64_t started_s, started_us; /* wall clock; 0 = when the world was made */
    bool is_traced;
    char short_name[16], name[32]; /* full ones have no terminator */
};
void fake_process(struct fake_process process);

/* ---- threads (scripted only) ---------------------------------------------------- */

/* They are numbered from 1000; the first one is fake_main(). NULL = unnamed. */
uint64_t fake_main(void);
uint64_t fake_thread_add(const char *name);
/* One that libpthread does not know, as Rosetta has: nobody keeps its name for it. */
uint64_t fake_thread_add_foreign(const char *name);
void fake_thread_exit(uint64_t id);
/* It exits while the next list is made, where its place will have this name: 0 or ~0. */
void fake_thread_exit_in_list(uint64_t id, unsigned name);
void fake_thread_burn(uint64_t id, uint64_t user_ns, uint64_t system_ns);
void fake_thread_state(uint64_t id, int run_state); /* TH_STATE_... */
void fake_thread_flags(uint64_t id, int flags);     /* TH_FLAGS_... */
/* As the kernel keeps it, up to 64 bytes: 64 have no terminator. 0 = unnamed. */
void fake_thread_name(uint64_t id, const char *bytes, size_t length);
void fake_thread_registers(uint64_t id, uintptr_t pc, uintptr_t fp, uintptr_t sp, uintptr_t lr);
/* The calling (real) thread is that one of the world from now on. */
void fake_thread_is_me(uint64_t id);
/* Its name while it has one, else 0. Takes no reference. */
unsigned fake_thread_port(uint64_t id);

/* ---- calls ---------------------------------------------------------------------- */

#define FAKE_EACH_CALL(X)                                                 \
    X(TASK_INFO, task_info)                                               \
    X(TASK_THREADS, task_threads)                                         \
    X(THREAD_INFO, thread_info)                                           \
    X(THREAD_SUSPEND, thread_suspend)                                     \
    X(THREAD_RESUME, thread_resume)                                       \
    X(THREAD_GET_STATE, thread_get_state)                                 \
    X(VM_READ_OVERWRITE, vm_read_overwrite)                               \
    X(VM_DEALLOCATE, vm_deallocate)                                       \
    X(PORT_DEALLOCATE, mach_port_deallocate)                              \
    X(PORT_MOD_REFS, mach_port_mod_refs)                                  \
    X(PORT_GET_REFS, mach_port_get_refs)                                  \
    X(PORT_TYPE, mach_port_type)                                          \
    X(PORT_NAMES, mach_port_names)                                        \
    X(TIMEBASE_INFO, mach_timebase_info)                                  \
    X(SYSCTL, sysctlbyname)                                               \
    X(PIDINFO, proc_pidinfo)                                              \
    X(PID_RUSAGE, proc_pid_rusage)                                        \
    X(RUSAGE, getrusage)                                                  \
    X(THREADID, pthread_threadid_np)                                      \
    X(SETNAME, pthread_setname_np)                                        \
    X(GETNAME, pthread_getname_np)                                        \
    /* These cannot fail. */                                              \
    X(THREAD_SELF, mach_thread_self)                                      \
    X(HOST_SELF, mach_host_self)                                          \
    X(MACH_THREAD, pthread_mach_thread_np)                                \
    X(STACK, pthread_get_stackaddr_np)                                    \
    X(MAIN, pthread_main_np)                                              \
    X(ISSETUGID, issetugid)                                               \
    X(DYLD, dyld)                                                         \
    /* Allowed during a suspension: they are no calls into the kernel. */ \
    X(CLOCK, mach_absolute_time)

enum fake_call {
#define FAKE_CALL_NUMBER(name, function) FAKE_##name,
    FAKE_EACH_CALL(FAKE_CALL_NUMBER)
#undef FAKE_CALL_NUMBER
        FAKE_CALLS
};
#define FAKE_CAN_FAIL(call) ((call) <= FAKE_GETNAME)

/* The k-th use from now fails with this code, and if it is lasting every later one.
 * 1 = the next one, 0 = none after all. The code of what answers by errno is that. */
void fake_fail(enum fake_call call, uint64_t k, int code, bool lasting);
/* The same, counted over all calls that can fail. */
void fake_fail_any(uint64_t k, int code, bool lasting);

/* What a call on a name whose thread has ended gives; MACH_SEND_INVALID_DEST at first. */
void fake_gone_code(int code);

/* Called before every call does anything, also before it is counted; it may do to the
 * world what a test may. NULL = none. */
void fake_before_each(void (*hook)(enum fake_call call, void *data), void *data);

/* Since fake_reset or fake_live; in the child of a fork, since the fork. */
uint64_t fake_uses(enum fake_call call);
uint64_t fake_uses_of_all(void); /* that can fail */
const char *fake_call_text(enum fake_call call);

/* ---- time (either mode) ----------------------------------------------------------- */

/* So much of it passes at once, and stays passed: while the machine is awake, and in sleep. */
void fake_time_passes(uint64_t awake_ns, uint64_t asleep_ns);
/* Nothing else moves the clocks from now on, until fake_reset or fake_live. */
void fake_hold_clocks(void);
/* Called before every reading of a clock; it may let time pass. NULL = none. */
void fake_before_clock(void (*hook)(void));

/* ---- what is outstanding --------------------------------------------------------- */

struct fake_outstanding {
    uint64_t rights;      /* user references that somebody has to give back, dead names too */
    uint64_t names;       /* under so many names */
    uint64_t arrays;      /* lists and the like not given to vm_deallocate */
    uint64_t suspensions; /* threads not resumed */
    uint64_t refused;     /* tries to give back that were made to fail; not among the above */
};
struct fake_outstanding fake_outstanding(void);
uint64_t fake_references(uint64_t id); /* of these, to that thread; either mode */

/* Dies when the calling thread has another one suspended. `what` it was going to do. */
void fake_allocates(const char *what);

/* ---- files (either mode) ---------------------------------------------------------- */

/* As if it had just been loaded; those that asked for it are told. */
void fake_image_add(const char *path, uintptr_t address, size_t size);
void fake_image_remove(const char *path);

#endif
