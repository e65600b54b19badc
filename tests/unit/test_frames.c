/* tests/unit/test_frames.c - the walk along a stack, on stacks made by hand.
 *
 * Their addresses are numbers, not places in this process: a walker that followed a
 * pointer itself would crash. The window is a block of its own, so that a sanitizer
 * sees every byte that is written beside it.
 */
#define _POSIX_C_SOURCE 200809L
#include "../../platform/frames.h"

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#define BASE ((uintptr_t)0x16f000000000)
#define CODE ((uintptr_t)0x100004000)
#define PAGE ((size_t)4096)
#define WINDOW ((size_t)16384)
#define STACK_BYTES ((size_t)1 << 18)
#define MACOS_BITS 47

/* ---- a thread ------------------------------------------------------------------- */

struct thread {
    uintptr_t words[STACK_BYTES / sizeof(uintptr_t)]; /* at BASE */
    unsigned char code[PAGE];                         /* at CODE */
    size_t hole_at, hole_bytes;                       /* of the stack, that cannot be read */
    unsigned reads, reads_of_code;
    size_t read_bytes;
    struct hl_frames_walker walker;
    struct hl_frames_registers registers;
    uintptr_t low, high;
    struct hl_plat_frames frames;
};

static bool is_in(uintptr_t address, size_t size, uintptr_t low, size_t bytes)
{
    return address >= low && bytes >= size && address - low <= bytes - size;
}

static bool is_in_hole(const struct thread *thread, uintptr_t address, size_t size)
{
    uintptr_t hole = BASE + thread->hole_at;

    return thread->hole_bytes && address < hole + thread->hole_bytes && address + size > hole;
}

static bool read_thread(void *context, uintptr_t address, void *to, size_t size)
{
    struct thread *thread = context;

    cr_assert(size > 0 && size <= UINTPTR_MAX - address, "asked for %zu at %#zx", size,
              (size_t)address);
    if (is_in(address, size, CODE, sizeof thread->code)) {
        thread->reads_of_code++;
        memcpy(to, thread->code + (address - CODE), size);
        return true;
    }
    thread->reads++;
    if (!is_in(address, size, BASE, STACK_BYTES) || is_in_hole(thread, address, size)) {
        memset(to, 0xee, size); /* what was copied before it failed */
        return false;
    }
    thread->read_bytes += size;
    memcpy(to, (const char *)thread->words + (address - BASE), size);
    return true;
}

static struct thread *make(const struct hl_frames_rules *rules)
{
    struct thread *thread = calloc(1, sizeof *thread);

    thread->walker = (struct hl_frames_walker){.rules = rules,
                                               .address_bits = MACOS_BITS,
                                               .read = read_thread,
                                               .context = thread,
                                               .window = malloc(WINDOW),
                                               .window_bytes = WINDOW,
                                               .page_bytes = PAGE};
    thread->registers = (struct hl_frames_registers){.pc = CODE + 0x10, .sp = BASE, .fp = BASE};
    return thread;
}

static void drop(struct thread *thread)
{
    free(thread->walker.window);
    free(thread);
}

static uintptr_t *word_at(struct thread *thread, size_t offset)
{
    return &thread->words[offset / sizeof(uintptr_t)];
}

static void put_frame(struct thread *thread, size_t offset, uintptr_t caller, uintptr_t back)
{
    word_at(thread, offset)[0] = caller;
    word_at(thread, offset)[1] = back;
}

static uintptr_t return_of(size_t frame)
{
    return CODE + 0x100 + 0x10 * frame;
}

/* `count` frames, `apart` bytes from each other; the last one is the beginning. */
static void put_chain(struct thread *thread, size_t at, size_t apart, size_t count)
{
    thread->registers.fp = BASE + at;
    for (size_t i = 0; i < count; i++) {
        bool is_last = i + 1 == count;
        put_frame(thread, at + i * apart, is_last ? 0 : BASE + at + (i + 1) * apart, return_of(i));
    }
}

static void know_bounds(struct thread *thread, size_t from, size_t to)
{
    thread->low = BASE + from;
    thread->high = BASE + to;
}

static const struct hl_plat_frames *walk(struct thread *thread)
{
    struct hl_plat_frames *frames = &thread->frames;

    hl_frames_walk(&thread->walker, &thread->registers, thread->low, thread->high, frames);
    return frames;
}

/* pc and the first `returns` of put_chain, and no more. */
static void expect(const struct hl_plat_frames *frames, size_t returns, bool truncated)
{
    cr_assert_eq(frames->count, returns + 1, "%u frames instead of %zu", frames->count,
                 returns + 1);
    cr_assert_eq(frames->pc[0], CODE + 0x10);
    for (size_t i = 0; i < returns; i++)
        cr_assert_eq(frames->pc[i + 1], return_of(i), "frame %zu", i + 1);
    cr_assert_eq(frames->truncated, truncated);
}

/* ---- what it finds --------------------------------------------------------------- */

Test(frames, a_chain_is_followed_to_its_beginning)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x40, 0x60, 5);
    expect(walk(thread), 5, false);
    drop(thread);
}

Test(frames, a_return_address_of_0_is_the_beginning_as_well)
{
    struct thread *thread = make(&hl_frames_x86_64);

    put_chain(thread, 0x40, 0x60, 5);
    put_frame(thread, 0x40 + 2 * 0x60, BASE + 0x40 + 3 * 0x60, 0);
    expect(walk(thread), 2, false);
    drop(thread);
}

Test(frames, a_beginning_is_seen_only_when_one_frame_was)
{
    struct thread *thread = make(&hl_frames_arm64);

    thread->registers.fp = 0;
    expect(walk(thread), 0, true);
    cr_assert_eq(thread->reads, 0);
    drop(thread);
}

Test(frames, the_frame_pointer_may_be_the_stack_pointer)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0, 0x20, 3);
    cr_assert_eq(thread->registers.fp, thread->registers.sp);
    expect(walk(thread), 3, false);
    drop(thread);
}

/* ---- what it does not believe ------------------------------------------------------ */

Test(frames, a_frame_has_to_be_aligned_as_its_processor_has_it)
{
    struct thread *arm = make(&hl_frames_arm64), *x86 = make(&hl_frames_x86_64);

    put_chain(arm, 0x40, 0x28, 4); /* 0x40, 0x68, ... */
    put_chain(x86, 0x40, 0x28, 4);
    expect(walk(arm), 1, true);
    expect(walk(x86), 4, false);
    x86->registers.fp += 4;
    expect(walk(x86), 0, true);
    drop(arm);
    drop(x86);
}

Test(frames, a_chain_only_goes_up)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x400, 0x40, 4);
    put_frame(thread, 0x400 + 0x40, BASE + 0x100, return_of(1));
    put_frame(thread, 0x100, 0, return_of(9));
    expect(walk(thread), 2, true);
    drop(thread);
}

Test(frames, a_frame_that_points_to_itself_ends_it)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x400, 0x40, 4);
    put_frame(thread, 0x480, BASE + 0x480, return_of(2));
    expect(walk(thread), 3, true);
    drop(thread);
}

Test(frames, frames_do_not_overlap)
{
    struct thread *thread = make(&hl_frames_x86_64);

    put_chain(thread, 0x400, 8, 1);
    put_frame(thread, 0x400, BASE + 0x408, return_of(0));
    expect(walk(thread), 1, true);
    drop(thread);
}

Test(frames, a_cycle_is_gone_round_once)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x400, 0x40, 4);
    put_frame(thread, 0x4c0, BASE + 0x400, return_of(3));
    expect(walk(thread), 4, true);
    drop(thread);
}

Test(frames, no_frame_lies_below_the_stack_pointer)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x40, 0x40, 4);
    thread->registers.sp = BASE + 0x50;
    expect(walk(thread), 0, true);
    drop(thread);
}

Test(frames, bounds_that_hold_for_the_first_frame_hold_for_all)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x40, 0x1000, 6);
    know_bounds(thread, 0, 0x3000);
    expect(walk(thread), 3, true);
    know_bounds(thread, 0, 0x2050); /* the third just fits */
    expect(walk(thread), 3, true);
    know_bounds(thread, 0, 0x204f);
    expect(walk(thread), 2, true);
    drop(thread);
}

Test(frames, bounds_of_another_stack_are_no_bounds)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x8040, 0x60, 5);
    know_bounds(thread, 0, 0x8000);
    expect(walk(thread), 5, false);
    know_bounds(thread, 0x10000, 0x20000);
    expect(walk(thread), 5, false);
    drop(thread);
}

Test(frames, what_cannot_be_read_ends_it)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x40, 0x800, 8);
    thread->hole_at = 2 * PAGE;
    thread->hole_bytes = PAGE;
    expect(walk(thread), 4, true);
    drop(thread);
}

Test(frames, a_hole_between_two_frames_hides_neither)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x40, 2 * PAGE, 4);
    thread->hole_at = PAGE;
    thread->hole_bytes = PAGE;
    expect(walk(thread), 4, false);
    drop(thread);
}

Test(frames, a_frame_may_touch_the_last_byte_of_the_stack_but_not_pass_it)
{
    struct thread *thread = make(&hl_frames_x86_64);

    put_chain(thread, STACK_BYTES - 0x50, 0x40, 2);
    expect(walk(thread), 2, false);
    put_frame(thread, STACK_BYTES - 0x50, BASE + STACK_BYTES - 8, return_of(0));
    expect(walk(thread), 1, true);
    drop(thread);
}

Test(frames, a_frame_across_two_windows_is_read_whole)
{
    struct thread *thread = make(&hl_frames_x86_64);

    put_chain(thread, 0x40, 0x40, 3);
    put_frame(thread, 0x80, BASE + WINDOW - 8, return_of(1));
    put_frame(thread, WINDOW - 8, 0, return_of(2));
    expect(walk(thread), 3, false);
    cr_assert_eq(thread->reads, 2);
    drop(thread);
}

Test(frames, a_frame_across_two_pages_is_read_whole)
{
    struct thread *thread = make(&hl_frames_x86_64);

    thread->hole_at = 3 * PAGE; /* so no window can be read */
    thread->hole_bytes = PAGE;
    put_chain(thread, 0x40, 0x40, 2);
    put_frame(thread, 0x80, BASE + PAGE - 8, return_of(1));
    put_frame(thread, PAGE - 8, BASE + 2 * PAGE - 8, return_of(2));
    put_frame(thread, 2 * PAGE - 8, 0, return_of(3));
    expect(walk(thread), 4, false);
    drop(thread);
}

Test(frames, nothing_is_kept_from_one_walk_to_the_next)
{
    struct thread *thread = make(&hl_frames_x86_64);

    put_chain(thread, 0x40, 0x60, 5);
    *word_at(thread, 0) = CODE;
    expect(walk(thread), 5, false);
    cr_assert_eq(thread->registers.link, CODE);
    put_chain(thread, 0x40, 0x60, 3);
    expect(walk(thread), 3, false);
    thread->hole_at = 0;
    thread->hole_bytes = WINDOW;
    expect(walk(thread), 0, true);
    cr_assert_eq(thread->registers.link, 0);
    thread->hole_bytes = 0;
    thread->reads = 0;
    expect(walk(thread), 3, false);
    cr_assert_eq(thread->reads, 1);
    drop(thread);
}

Test(frames, a_register_with_anything_in_it_costs_nothing_but_the_chain)
{
    static const uintptr_t garbage[] = {1,
                                        8,
                                        16,
                                        0x80,
                                        0xfffffffffffffe00,
                                        UINTPTR_MAX - 15,
                                        UINTPTR_MAX,
                                        (uintptr_t)1 << 46,
                                        BASE + STACK_BYTES,
                                        BASE + STACK_BYTES - 8,
                                        BASE - 16};

    for (int bits = MACOS_BITS; bits <= 64; bits += 17)
        for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
            struct thread *thread = make(&hl_frames_x86_64);
            thread->walker.address_bits = (unsigned)bits;
            thread->registers.fp = garbage[i];
            expect(walk(thread), 0, true);
            thread->registers.sp = garbage[i];
            expect(walk(thread), 0, true);
            drop(thread);
        }
}

/* A thread of glibc blocked in a system call: rbp is a counter, a flag, a pointer to data. */
Test(frames, data_that_is_taken_for_a_frame_is_not_told_as_code)
{
    struct thread *thread = make(&hl_frames_x86_64);

    thread->registers.fp = BASE + 0x100;
    put_frame(thread, 0x100, BASE + 0x200, 42);
    put_frame(thread, 0x200, 0, return_of(1));
    expect(walk(thread), 0, true);
    drop(thread);
}

/* ---- how many ----------------------------------------------------------------------- */

Test(frames, as_many_frames_as_fit_are_whole)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x40, 0x20, HL_PLAT_FRAMES - 1);
    expect(walk(thread), HL_PLAT_FRAMES - 1, false);
    drop(thread);
}

Test(frames, as_many_frames_as_fit_are_whole_also_when_one_that_returns_nowhere_follows)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x40, 0x20, HL_PLAT_FRAMES);
    *(word_at(thread, 0x40 + 0x20 * (HL_PLAT_FRAMES - 1)) + 1) = 0;
    expect(walk(thread), HL_PLAT_FRAMES - 1, false);
    drop(thread);
}

Test(frames, what_does_not_fit_is_cut_off_and_said)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x40, 0x20, HL_PLAT_FRAMES);
    expect(walk(thread), HL_PLAT_FRAMES - 1, true);
    put_chain(thread, 0x40, 0x20, 1000);
    expect(walk(thread), HL_PLAT_FRAMES - 1, true);
    drop(thread);
}

/* ---- what it costs --------------------------------------------------------------------- */

Test(frames, frames_within_one_window_are_one_read)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x40, 0xf0, HL_PLAT_FRAMES - 1);
    expect(walk(thread), HL_PLAT_FRAMES - 1, false);
    cr_assert_eq(thread->reads, 1);
    drop(thread);
}

Test(frames, the_top_of_the_stack_and_the_chain_share_a_read)
{
    struct thread *thread = make(&hl_frames_x86_64);

    put_chain(thread, 0x400, 0x80, HL_PLAT_FRAMES - 1);
    expect(walk(thread), HL_PLAT_FRAMES - 1, false);
    cr_assert_eq(thread->reads, 1);
    drop(thread);
}

Test(frames, known_bounds_spare_the_read_that_fails)
{
    struct thread *thread = make(&hl_frames_arm64);
    size_t top = STACK_BYTES - 3 * PAGE;

    put_chain(thread, top, 0x80, HL_PLAT_FRAMES - 1);
    expect(walk(thread), HL_PLAT_FRAMES - 1, false);
    cr_assert_eq(thread->reads, 1 + 2, "%u reads", thread->reads);
    thread->reads = 0;
    know_bounds(thread, 0, STACK_BYTES);
    expect(walk(thread), HL_PLAT_FRAMES - 1, false);
    cr_assert_eq(thread->reads, 1, "%u reads", thread->reads);
    drop(thread);
}

Test(frames, frames_far_apart_cost_a_read_each)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x40, PAGE - 16, HL_PLAT_FRAMES - 1);
    thread->walker.window_bytes = 256;
    expect(walk(thread), HL_PLAT_FRAMES - 1, false);
    cr_assert_eq(thread->reads, HL_PLAT_FRAMES - 1);
    drop(thread);
}

/* ---- signed addresses --------------------------------------------------------------------- */

Test(frames, a_signature_is_what_lies_above_the_addresses)
{
    cr_assert_eq(hl_frames_strip(0xa5a5800100004123, 47), 0x000000100004123);
    cr_assert_eq(hl_frames_strip(0x00007fffffffffff, 47), 0x00007fffffffffff);
    cr_assert_eq(hl_frames_strip(0x0000800000000000, 47), 0);
    cr_assert_eq(hl_frames_strip(0xbf00ffffa1b2c3d4, 48), 0x0000ffffa1b2c3d4);
    cr_assert_eq(hl_frames_strip(0xfff1234500001000, 52), 0x0001234500001000);
    cr_assert_eq(hl_frames_strip(0xffffffffffffffff, 64), 0xffffffffffffffff);
    cr_assert_eq(hl_frames_strip(0xffffffffffffffff, 200), 0xffffffffffffffff);
    for (unsigned bits = 32; bits <= 64; bits++) {
        uintptr_t once = hl_frames_strip(0xdeadbeefcafef00d, bits);
        cr_assert_eq(hl_frames_strip(once, bits), once);
    }
}

Test(frames, every_address_that_is_read_is_stripped)
{
    struct thread *thread = make(&hl_frames_arm64);
    const uintptr_t signature = (uintptr_t)0x3a9c8 << 46 & ~(((uintptr_t)1 << 47) - 1);

    put_chain(thread, 0x40, 0x60, 5);
    for (size_t i = 0; i < 5; i++) {
        uintptr_t *record = word_at(thread, 0x40 + i * 0x60);
        record[0] |= (uintptr_t)1 << 60; /* also the last, which is 0 */
        record[1] |= signature;
    }
    thread->registers.fp |= (uintptr_t)1 << 60;
    thread->registers.pc |= signature;
    expect(walk(thread), 5, false);
    drop(thread);
}

Test(frames, without_signatures_every_bit_counts)
{
    struct thread *thread = make(&hl_frames_x86_64);

    thread->walker.address_bits = 64;
    put_chain(thread, 0x40, 0x60, 5);
    put_frame(thread, 0xa0, (BASE + 0x100) | (uintptr_t)1 << 60, return_of(1));
    expect(walk(thread), 2, true);
    drop(thread);
}

/* ---- functions without a frame ---------------------------------------------------------------- */

static void put_code(struct thread *thread, uintptr_t before, const void *code, size_t size)
{
    memcpy(thread->code + (before - CODE) - size, code, size);
}

static void put_word(struct thread *thread, uintptr_t before, uint32_t word)
{
    unsigned char bytes[4] = {word & 255, word >> 8 & 255, word >> 16 & 255, word >> 24};

    put_code(thread, before, bytes, sizeof bytes);
}

static const struct hl_plat_frames *walk_and_add(struct thread *thread)
{
    walk(thread);
    hl_frames_add_caller(&thread->walker, &thread->registers, &thread->frames);
    return &thread->frames;
}

#define CALLER (CODE + 0x80)

static void expect_caller(const struct hl_plat_frames *frames, size_t returns)
{
    cr_assert_eq(frames->count, returns + 2);
    cr_assert_eq(frames->pc[0], CODE + 0x10);
    cr_assert_eq(frames->pc[1], CALLER);
    for (size_t i = 0; i < returns; i++)
        cr_assert_eq(frames->pc[i + 2], return_of(i));
}

static struct thread *arm_in_a_leaf(uint32_t call)
{
    struct thread *thread = make(&hl_frames_arm64);

    put_chain(thread, 0x40, 0x60, 3);
    thread->registers.link = CALLER;
    put_word(thread, CALLER, call);
    return thread;
}

Test(frames, the_caller_of_a_leaf_is_in_the_link_register)
{
    static const uint32_t calls[] = {
        0x94000001, 0x97ffffff, /* bl forwards, backwards */
        0xd63f0000, 0xd63f03c0, /* blr x0, x30 */
        0xd63f081f, 0xd73f0801, /* blraaz x0, blraa x0, x1 */
    };

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct thread *thread = arm_in_a_leaf(calls[i]);
        expect_caller(walk_and_add(thread), 3);
        cr_assert_not(thread->frames.truncated);
        drop(thread);
    }
}

Test(frames, a_signed_link_register_is_stripped)
{
    struct thread *thread = arm_in_a_leaf(0x94000001);

    thread->registers.link |= (uintptr_t)0x5a5a << 48;
    expect_caller(walk_and_add(thread), 3);
    drop(thread);
}

Test(frames, a_link_register_that_follows_no_call_is_not_believed)
{
    static const uint32_t others[] = {0, 0x14000001, 0xd61f0000, 0xd65f03c0, 0xd503201f};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct thread *thread = arm_in_a_leaf(others[i]);
        expect(walk_and_add(thread), 3, false);
        drop(thread);
    }
}

Test(frames, a_link_register_with_anything_in_it_is_not_believed)
{
    static const uintptr_t garbage[] = {0, 1, 8, 4095, 4096, (uintptr_t)-1, BASE - 1};

    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        struct thread *thread = arm_in_a_leaf(0x94000001);
        thread->registers.link = garbage[i];
        expect(walk_and_add(thread), 3, false);
        drop(thread);
    }
}

Test(frames, a_caller_that_the_chain_has_is_not_told_twice)
{
    struct thread *thread = arm_in_a_leaf(0x94000001);

    thread->registers.link = return_of(0);
    put_word(thread, return_of(0), 0x94000001);
    expect(walk_and_add(thread), 3, false);
    drop(thread);
}

Test(frames, a_caller_is_added_also_where_the_chain_is_broken_or_full)
{
    struct thread *thread = arm_in_a_leaf(0x94000001);

    thread->registers.fp = 0;
    expect_caller(walk_and_add(thread), 0);
    cr_assert(thread->frames.truncated);
    put_chain(thread, 0x40, 0x20, HL_PLAT_FRAMES - 1);
    expect_caller(walk_and_add(thread), HL_PLAT_FRAMES - 2);
    cr_assert(thread->frames.truncated);
    drop(thread);
}

static const unsigned char syscall_code[] = {0x0f, 0x05};

static struct thread *x86_in_a_call(const void *call, size_t size)
{
    struct thread *thread = make(&hl_frames_x86_64);

    put_chain(thread, 0x40, 0x60, 3);
    *word_at(thread, 0) = CALLER;
    put_code(thread, thread->registers.pc, syscall_code, sizeof syscall_code);
    put_code(thread, CALLER, call, size);
    return thread;
}

Test(frames, the_caller_of_a_system_call_is_on_top_of_the_stack)
{
    static const struct {
        unsigned char bytes[7];
        size_t size;
    } calls[] = {
        {{0xe8, 1, 2, 3, 4}, 5},                      /* call rel32 */
        {{0xff, 0xd0}, 2},                            /* call *%rax */
        {{0xff, 0x50, 0x18}, 3},                      /* call *0x18(%rax) */
        {{0xff, 0x15, 1, 2, 3, 4}, 6},                /* call *x(%rip) */
        {{0xff, 0x94, 0xc8, 0x88, 0x77, 0x66, 0}, 7}, /* call *x(%rax,%rcx,8) */
    };

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct thread *thread = x86_in_a_call(calls[i].bytes, calls[i].size);
        expect_caller(walk_and_add(thread), 3);
        drop(thread);
    }
}

Test(frames, a_system_call_that_will_be_made_again_is_one)
{
    static const unsigned char call[] = {0xe8, 1, 2, 3, 4};
    struct thread *thread = x86_in_a_call(call, sizeof call);

    thread->registers.pc -= sizeof syscall_code;
    walk_and_add(thread);
    cr_assert_eq(thread->frames.count, 5);
    cr_assert_eq(thread->frames.pc[1], CALLER);
    drop(thread);
}

Test(frames, on_x86_64_the_top_of_the_stack_is_believed_in_a_system_call_only)
{
    static const unsigned char call[] = {0xe8, 1, 2, 3, 4}, jump[] = {0xe9, 1, 2, 3, 4};
    struct thread *outside = x86_in_a_call(call, sizeof call);
    struct thread *no_call = x86_in_a_call(jump, sizeof jump);

    put_code(outside, outside->registers.pc, "\x90\x90", 2);
    expect(walk_and_add(outside), 3, false);
    expect(walk_and_add(no_call), 3, false);
    drop(outside);
    drop(no_call);
}

/* ---- any memory --------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Mostly what can be followed for a while, and all that is nearly right. */
static uintptr_t random_word(uint64_t *state, uintptr_t here)
{
    uint64_t random = next_random(state);

    switch (random >> 60) {
    case 0:
        return (uintptr_t)random;
    case 1:
        return BASE + random % STACK_BYTES;
    case 2:
        return here - random % 256;
    case 3:
        return random % 64 == 0 ? 0 : random % 8192;
    case 4:
    case 5:
        return CODE + random % PAGE;
    case 6:
        return (BASE + STACK_BYTES - random % 64) | random << 60;
    default:
        return here + 16 + (random % 512 & ~(uint64_t)15);
    }
}

static void scramble(struct thread *thread, uint64_t *state)
{
    size_t words = STACK_BYTES / sizeof(uintptr_t);

    for (size_t i = 0; i < words; i++)
        thread->words[i] = random_word(state, BASE + i * sizeof(uintptr_t));
    thread->hole_at = next_random(state) % STACK_BYTES & ~(PAGE - 1);
    thread->hole_bytes = PAGE * (next_random(state) % 3);
}

static void start_anywhere(struct thread *thread, uint64_t *state)
{
    uint64_t random = next_random(state);
    uintptr_t near_top = BASE + STACK_BYTES - 16 - random % (2 * WINDOW);

    thread->registers.sp = random_word(state, near_top) & ~(uintptr_t)7;
    thread->registers.fp = random_word(state, thread->registers.sp);
    thread->registers.link = random_word(state, near_top);
    thread->walker.window_bytes = (random >> 40) % 8 ? WINDOW : 16 + (random >> 44) % 512;
    thread->walker.address_bits = random >> 63 ? 64 : MACOS_BITS;
    thread->low = thread->high = 0;
    if (random >> 62 & 1) {
        thread->low = random_word(state, BASE);
        thread->high = random_word(state, near_top);
    }
}

/* How a chain is followed, without a window, a bound or a cap on reads. */
static uint32_t count_by_hand(struct thread *thread)
{
    unsigned bits = thread->walker.address_bits;
    uintptr_t fp = hl_frames_strip(thread->registers.fp, bits), low = thread->registers.sp;
    uintptr_t mask = thread->walker.rules->alignment - 1, record[2];
    uint32_t count = 1;

    while (count < HL_PLAT_FRAMES && fp >= low && fp != 0 && (fp & mask) == 0 &&
           fp <= UINTPTR_MAX - sizeof record && read_thread(thread, fp, record, sizeof record)) {
        if (hl_frames_strip(record[1], bits) < 4096)
            break;
        count++;
        low = fp + sizeof record;
        fp = hl_frames_strip(record[0], bits);
    }
    return count;
}

Test(frames, any_memory_is_walked_in_bounded_time_and_as_by_hand)
{
    uint64_t state = 0x9e3779b97f4a7c15, long_ones = 0, whole_ones = 0;

    for (int round = 0; round < 20; round++) {
        struct thread *thread = make(round % 2 ? &hl_frames_arm64 : &hl_frames_x86_64);
        scramble(thread, &state);
        for (int start = 0; start < 5000; start++) {
            start_anywhere(thread, &state);
            thread->reads = 0;
            struct hl_frames_registers registers = thread->registers;
            const struct hl_plat_frames *frames = walk(thread);
            cr_assert(frames->count >= 1 && frames->count <= HL_PLAT_FRAMES);
            cr_assert_leq(thread->reads, HL_PLAT_FRAMES + 4);
            thread->registers = registers;
            uint32_t by_hand = count_by_hand(thread);
            if (thread->low == 0 && thread->high == 0)
                cr_assert_eq(frames->count, by_hand, "round %d, start %d", round, start);
            else
                cr_assert_leq(frames->count, by_hand);
            long_ones += frames->count > 4;
            whole_ones += !frames->truncated;
            hl_frames_add_caller(&thread->walker, &thread->registers, &thread->frames);
            cr_assert(frames->count >= 1 && frames->count <= HL_PLAT_FRAMES);
        }
        drop(thread);
    }
    cr_assert(long_ones > 1000 && whole_ones > 100, "%zu long, %zu whole", (size_t)long_ones,
              (size_t)whole_ones);
}
