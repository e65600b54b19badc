/* tests/platform/test_stack.c - the bounds of one's own stack: inside, outside, and beside it. */
#define _GNU_SOURCE
#include "helper.h"

#include <ucontext.h>

struct bounds {
    bool known;
    uintptr_t here, low, high;
};

static struct bounds bounds_here(void)
{
    struct bounds bounds = {0};

    bounds.here = (uintptr_t)__builtin_frame_address(0);
    bounds.known = hl_plat_stack_bounds((void *)bounds.here, &bounds.low, &bounds.high);
    return bounds;
}

static bool is_within(const struct bounds *bounds, uintptr_t address)
{
    return bounds->low <= address && address < bounds->high;
}

static uintptr_t deeper(size_t bytes)
{
    volatile char room[4096];

    room[0] = 1;
    uintptr_t at =
        bytes <= sizeof room ? (uintptr_t)__builtin_frame_address(0) : deeper(bytes - sizeof room);
    return at + (uintptr_t)room[0] - 1;
}

static void *bounds_of_thread(void *bounds)
{
    *(struct bounds *)bounds = bounds_here();
    return NULL;
}

#define NEEDS_STACKS(bounds)                                         \
    do {                                                             \
        if (!(bounds).known && !is_linux())                          \
            cr_skip("this platform does not know stacks");           \
        cr_assert((bounds).known, "the stack should be known here"); \
    } while (0)

Test(stack, of_the_first_thread_has_room_to_grow)
{
    struct bounds bounds = bounds_here();

    NEEDS_STACKS(bounds);
    cr_assert(is_within(&bounds, bounds.here));
    cr_assert(is_within(&bounds, deeper(1 << 20)), "a frame 1 MiB deeper");
    struct bounds later = bounds_here();
    cr_assert_eq(later.high, bounds.high);
    cr_assert_lt(bounds.high - bounds.low, (uintptr_t)1 << 30);
}

static struct bounds both[2];
static pthread_barrier_t both_live;

static void *meet(void *bounds)
{
    *(struct bounds *)bounds = bounds_here();
    pthread_barrier_wait(&both_live);
    return NULL;
}

Test(stack, of_two_threads_do_not_overlap)
{
    pthread_t threads[2];

    pthread_barrier_init(&both_live, NULL, 2);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, meet, &both[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    NEEDS_STACKS(both[0]);
    NEEDS_STACKS(both[1]);
    for (int i = 0; i < 2; i++) {
        cr_assert(is_within(&both[i], both[i].here));
        cr_assert_not(is_within(&both[i], both[!i].here));
        cr_assert_not(is_within(&both[i], (uintptr_t)__builtin_frame_address(0)));
    }
}

Test(stack, neither_the_heap_nor_another_stack_nor_nothing_is_ours)
{
    uintptr_t low, high;
    void *heap = calloc(1, 1 << 20);
    struct bounds other;
    pthread_t thread;

    cr_assert_not(hl_plat_stack_bounds(heap, &low, &high));
    cr_assert_not(
        hl_plat_stack_bounds((void *)((uintptr_t)&low + ((uintptr_t)1 << 40)), &low, &high));
    cr_assert_not(hl_plat_stack_bounds(NULL, &low, &high));
    cr_assert_not(hl_plat_stack_bounds(&both, &low, &high));
    pthread_create(&thread, NULL, bounds_of_thread, &other);
    nap(20 * MS);
    cr_assert_not(hl_plat_stack_bounds((void *)other.here, &low, &high));
    pthread_join(thread, NULL);
    free(heap);
}

static struct bounds in_coroutine, in_handler;
static ucontext_t outside, inside;

static void coroutine(void)
{
    in_coroutine = bounds_here();
}

static void run_coroutine(void)
{
    size_t size = 256 << 10;
    void *stack = hl_plat_map(size);

    getcontext(&inside);
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = size;
    inside.uc_link = &outside;
    makecontext(&inside, coroutine, 0);
    swapcontext(&outside, &inside);
}

static void handler(int signal)
{
    (void)signal;
    in_handler = bounds_here();
}

static void run_handler(void)
{
    stack_t stack = {.ss_sp = hl_plat_map(1 << 16), .ss_size = 1 << 16};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};

    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}

Test(stack, of_a_coroutine_or_a_signal_is_not_the_threads_own)
{
    run_coroutine();
    run_handler();
    cr_assert_neq(in_coroutine.here, 0);
    cr_assert_neq(in_handler.here, 0);
    cr_assert_not(in_coroutine.known);
    cr_assert_not(in_handler.known);
}

static void *coroutine_in_thread(void *unused)
{
    run_coroutine();
    run_handler();
    return unused;
}

Test(stack, of_a_coroutine_in_a_thread_is_not_the_threads_own)
{
    pthread_t thread;

    pthread_create(&thread, NULL, coroutine_in_thread, NULL);
    pthread_join(thread, NULL);
    cr_assert_neq(in_coroutine.here, 0);
    cr_assert_neq(in_handler.here, 0);
    cr_assert_not(in_coroutine.known);
    cr_assert_not(in_handler.known);
}

Test(stack, is_found_in_a_signal_handler_that_runs_on_it)
{
    struct sigaction action = {.sa_handler = handler};
    struct bounds bounds = bounds_here();

    NEEDS_STACKS(bounds);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    cr_assert(in_handler.known);
    cr_assert_eq(in_handler.high, bounds.high);
}
