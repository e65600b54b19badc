/* platform/frames.h - from the registers of a thread that does not run to the frames of its stack.
 *
 * The same on every system and processor: a platform brings the registers and a way
 * to read memory that fails instead of faulting, the processors differ in data (struct
 * hl_frames_rules). Nothing here allocates, locks, logs or calls anything but that
 * reader, so it may run while the thread is kept from running.
 *
 * What is followed is the chain of frame pointers: at each of them lie the one of the
 * caller and the address to return to. Nothing of that is trusted, because code built
 * without frame pointers keeps anything in that register: a frame has to be aligned, at
 * or above the stack pointer, and above the one before it, which ends every cycle. The
 * bounds of the stack are a hint: they are held to when the first frame lies in them (a
 * handler on its own stack, or a coroutine, lies elsewhere), and it is the reader who
 * decides what exists. Tables for unwinding are not used.
 *
 * The reader may be a system call, so memory is fetched in bulk, into a window that the
 * caller has prepared. Cost: one call where the bounds are known and the frames lie
 * within one window; where they are not known and less is left of the stack than a
 * window, one more call that fails, and then one a page; for frames far apart one a
 * frame. So never more than HL_PLAT_FRAMES + 4.
 *
 * A function may have no frame (yet): the leaf ones of arm64, and on all processors the
 * few instructions around a system call, where most stuck threads are. Then the chain
 * begins at its caller's frame, and the caller itself is missing. Its address is in the
 * link register, or at the stack pointer; but in a function with a frame these hold what
 * was left there, and no look at the thread can tell. hl_frames_add_caller adds it where
 * it follows a call instruction and is not in the chain already; on x86-64, where leaf
 * functions have frames and the top of the stack may be anything, only in a system call.
 * Known to be weak: in an arm64 function with a frame that has called something before,
 * this adds a place in that same function, as if it had called itself.
 */
#ifndef HL_PLAT_FRAMES_H
#define HL_PLAT_FRAMES_H

#include "platform.h"

/* The four bytes (or as many as there are) that begin `back` before an address, read as
 * a little-endian number, have these bits. A mask of 0 fits everything. */
struct hl_frames_code {
    unsigned back; /* at most 8 */
    uint32_t mask, value;
};

#define HL_FRAMES_CALLS 7
struct hl_frames_rules {
    uintptr_t alignment; /* of a frame pointer; a power of two */
    bool has_link_register;
    struct hl_frames_code calls[HL_FRAMES_CALLS]; /* `back` 0 = no more */
    struct hl_frames_code
        system_call; /* has to be before pc, or at it, for the caller to be added */
};
extern const struct hl_frames_rules hl_frames_arm64, hl_frames_x86_64;

struct hl_frames_walker {
    const struct hl_frames_rules *rules;
    unsigned address_bits; /* of user space: what is above is a signature or a tag. From the
                              register's width on: addresses have neither */
    /* All of it, or false. */
    bool (*read)(void *context, uintptr_t address, void *to, size_t size);
    void *context;
    void *window; /* prepared: writing to it must neither fault nor allocate */
    size_t window_bytes;
    size_t page_bytes; /* a power of two */
    /* The walker's own. */
    uintptr_t held_at; /* what the window holds */
    size_t held_bytes;
    bool is_narrow; /* a whole window could not be read: a page at a time from here on */
};

struct hl_frames_registers {
    uintptr_t pc, fp, sp;
    uintptr_t link; /* where there is no such register, hl_frames_walk leaves here what lies at sp;
                       0 = nothing */
};

/* The address without its signature. */
uintptr_t hl_frames_strip(uintptr_t address, unsigned address_bits);

/* The last of these bytes are a call instruction: what follows may be returned to. */
#define HL_FRAMES_CODE_BYTES 8
bool hl_frames_ends_with_call(const struct hl_frames_rules *rules,
                              const unsigned char code[HL_FRAMES_CODE_BYTES]);

/* Fills count, truncated and pc. The stack's bounds are [low, high); 0, 0 = not known.
 * `truncated` is false only where the chain was followed to its beginning, a frame
 * pointer or return address of 0: also the registers of a thread whose frame pointer is
 * 0 prove nothing. */
void hl_frames_walk(struct hl_frames_walker *walker, struct hl_frames_registers *registers,
                    uintptr_t low, uintptr_t high, struct hl_plat_frames *frames);

/* Adds the caller of a function without a frame (see above), by up to three reads of code. After
 * hl_frames_walk, and the thread may run again meanwhile. */
void hl_frames_add_caller(struct hl_frames_walker *walker,
                          const struct hl_frames_registers *registers,
                          struct hl_plat_frames *frames);

#endif
