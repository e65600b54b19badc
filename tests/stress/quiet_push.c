/* After a thread's first push, scopes allocate nothing, lock nothing and make no
 * system call. The first two are counted here by taking the functions' names;
 * for the third, the kernel is told to kill a process that makes one.
 */
#define _GNU_SOURCE
#include "../../monitor/registry.h"
#include "../sanitize/has.h"

#include <heartline/scope.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__GLIBC__) || HAS_SANITIZER

int main(void)
{
    printf("needs glibc, and no sanitizer that has these names already\n");
    return 77;
}

#else

#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 100000

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static volatile unsigned long allocations, frees, locks;

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    allocations++;
    return __libc_realloc(old, size);
}

void free(void *memory)
{
    frees++;
    __libc_free(memory);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*real)(pthread_mutex_t *);
    locks++;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    return real(mutex);
}

static jmp_buf jump;
static volatile int jumps = 1;

static __attribute__((noinline)) void jump_out_of_a_scope(void)
{
    SCOPE("dead");
    if (jumps)
        longjmp(jump, 1);
}

static __attribute__((noinline)) void use_everything(unsigned i)
{
    scope_push("plain");
    scope_wait("waiting");
    scope_pop();
    scope_pushf("%s %u", "formatted", i);
    {
        SCOPE("block");
        SCOPEF("block %u of %lu", i, 7ul);
        SCOPE_WAIT("waiting block");
        SCOPE_PROGRESS(done, "progress", 100);
        scope_progress_add(done, 1);
        scope_progress_set(done, 5, 50);
        scope_expect(i);
        if (setjmp(jump) == 0)
            jump_out_of_a_scope();
    }
    scope_pop();
    scope_pop();
    scope_pop();
}

static void use_everything_often(void)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        use_everything(i);
    for (int i = 0; i < 40; i++)
        scope_push("deep");
    for (int i = 0; i < 40; i++)
        scope_pop();
}

static unsigned long first_cost;

static void *count_calls(void *counted)
{
    unsigned long *count = counted;
    unsigned long before = allocations + frees + locks;
    use_everything(0);
    first_cost = allocations + frees + locks - before;
    before = allocations + frees + locks;
    use_everything_often();
    *count = allocations + frees + locks - before;
    return NULL;
}

/* From here on the kernel lets this thread do nothing but exit. (Not by strict mode:
 * that takes the time stamp counter away, too, which clocks are read from.) */
static int forbid_system_calls(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof rules / sizeof rules[0], rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
               ? -1
               : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* 0 = it lived. */
static int run_without_system_calls(void)
{
    pid_t child = fork();
    if (child == 0) {
        use_everything(0); /* the stack's bounds are looked up once */
        if (forbid_system_calls() != 0)
            syscall(SYS_exit, 77);
        use_everything_often();
        syscall(SYS_exit, 0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int counting_works(void)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    unsigned long allocations_before = allocations, frees_before = frees, locks_before = locks;
    void *(*volatile allocate)(size_t) = malloc;
    free(allocate(7));
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    return allocations == allocations_before + 1 && frees == frees_before + 1 &&
           locks == locks_before + 1;
}

int main(void)
{
    unsigned long here = 0, elsewhere = 0;
    if (!counting_works()) {
        printf("the counting itself does not work\n");
        return 1;
    }
    count_calls(&here);
    printf("first thread: first use %lu, then %lu allocations, frees and locks\n", first_cost,
           here);
    pthread_t thread;
    pthread_create(&thread, NULL, count_calls, &elsewhere);
    pthread_join(thread, NULL);
    printf("second thread: first use %lu, then %lu\n", first_cost, elsewhere);
    int status = run_without_system_calls();
    printf("without system calls: %s\n", status == 0    ? "well"
                                         : status == 77 ? "cannot be tried here"
                                                        : "killed");
    if (here || elsewhere || (status != 0 && status != 77))
        return 1;
    return status;
}

#endif
