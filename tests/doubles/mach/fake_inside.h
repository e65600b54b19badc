/* tests/doubles/mach/fake_inside.h - what the files of the model share.
 *
 * Every call goes through fake_enter and fake_leave, which count it, fail it, and hold the
 * one lock. The thread that suspends another keeps that lock until it resumes it: so
 * nobody can be stopped while holding it.
 *
 * Nothing here allocates or lets errno show what the model did: real calls would not.
 */
#ifndef TESTS_FAKE_INSIDE_H
#define TESTS_FAKE_INSIDE_H

#define FAKE_MACH_INSIDE
#include "fake_mach.h"

#include <libproc.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <pthread.h>
#include <sys/types.h>

#define FAKE_THREADS 4096 /* of a scripted world */
#define FAKE_NAMES 32768
#define FAKE_NO_CODE INT32_MIN

_Noreturn void fake_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- calls.c --------------------------------------------------------------- */

/* Before a call: FAKE_NO_CODE, or with which code it has to fail. The lock is held then. */
int fake_enter(enum fake_call call);
void fake_leave(void);
/* For what is no call: a test's hand. */
void fake_lock(void);
void fake_unlock(void);

uint64_t fake_own_tid(void); /* the real one */
/* By the thread that called: from now on, until _ends_, only some calls are allowed. */
void fake_suspension_begins(void);
void fake_suspension_ends(void);
/* Before a clock is read. Takes no lock. */
void fake_enter_clock(void);
void fake_calls_reset(void);

/* ---- world.c ---------------------------------------------------------------- */

struct fake_thread {
    uint64_t id;
    uint64_t user_ns, system_ns;
    int run_state, flags;
    char name[64];
    size_t name_length;
    uintptr_t pc, fp, sp, lr;
    bool is_live, is_foreign;
    bool exits_in_list;
    mach_port_name_t place_in_list;
};

struct fake_world {
    bool is_scripted;
    struct fake_machine machine;
    struct fake_process process;
    int gone_code;
    uint64_t ended_user_ns, ended_system_ns;
    size_t thread_count;
    struct fake_thread threads[FAKE_THREADS];
};
extern struct fake_world fake_world;

struct fake_thread *fake_find(uint64_t id); /* of the script; NULL = gone */
uint64_t fake_self(void);                   /* the caller's id, in either mode */

/* ---- rights.c --------------------------------------------------------------- */

void fake_rights_reset(void);
/* The thread of a name that the caller may use. Dies where it may not; 0 = dead. */
uint64_t fake_thread_of(mach_port_name_t name, const char *function);
/* The name, without a reference; made when there is none yet. */
mach_port_name_t fake_name_of(uint64_t id, bool is_kept);
mach_port_name_t fake_copy_out(uint64_t id, bool is_kept); /* with one more reference */
void fake_thread_ended(uint64_t id);                       /* its name dies */
void fake_check_task(mach_port_t task, const char *function);
void *fake_array(size_t bytes); /* memory that vm_deallocate takes back */

/* ---- threads.c -------------------------------------------------------------- */

void fake_suspension_reset(void);
uint64_t fake_suspended(void); /* 0 or 1 */

/* What both modes know of a thread. */
struct fake_facts {
    uint64_t id, user_ns, system_ns;
    int run_state, flags;
    const char *name;
    size_t name_length; /* 64 = without a terminator */
};
bool fake_facts_of(uint64_t id, struct fake_facts *facts); /* false: gone */
void fake_fill_extended(const struct fake_facts *facts, struct thread_extended_info *info);

/* ---- task.c ----------------------------------------------------------------- */

void fake_clocks_reset(void);

/* ---- live.c: the real process ------------------------------------------------- */

struct fake_live_thread {
    uint64_t user_ns, system_ns;
    int run_state;
    char name[64];
};
size_t fake_live_list(uint64_t *tids, size_t capacity); /* how many there are */
bool fake_live_exists(uint64_t tid);
bool fake_live_thread(uint64_t tid, struct fake_live_thread *thread);
uint64_t fake_live_cpu(uint64_t tid);                         /* 0 where it is gone */
void fake_live_times(uint64_t *user_ns, uint64_t *system_ns); /* of all, also ended */
void fake_live_process(struct fake_process *process);
unsigned fake_live_cores(void);
bool fake_live_blocks_signal(uint64_t tid, int signal);
/* Reads a small file: its length, -1 when it cannot be read. Always terminated. */
ssize_t fake_read_file(const char *path, char *text, size_t size);
/* The mapping in which an address lies. */
bool fake_live_mapping(uintptr_t address, uintptr_t *low, uintptr_t *high);

/* Times in the kernel's ticks. */
uint64_t fake_ticks(uint64_t ns);
/* Of the living and of those that ended, in either mode. */
struct fake_times {
    uint64_t living_user_ns, living_system_ns, ended_user_ns, ended_system_ns;
    uint64_t threads;
};
struct fake_times fake_times(void);

#endif
