/* platform/frames.c - see frames.h. */
#define _POSIX_C_SOURCE 200809L
#include "frames.h"

#include <limits.h>
#include <string.h>

/* No code lies below, so a return address there is none. */
#define FIRST_PAGE 4096u

/* bl; blr and its authenticating forms. A frame is as aligned as the stack pointer. */
const struct hl_frames_rules hl_frames_arm64 = {
    .alignment = 16,
    .has_link_register = true,
    .calls = {{4, 0xfc000000, 0x94000000}, {4, 0xfefff000, 0xd63f0000}},
};

/* call rel32; call through a register or memory: ff /2 with 0 to 5 bytes of operand.
 * Code written by hand is not always as aligned as the ABI asks: hence 8. */
const struct hl_frames_rules hl_frames_x86_64 = {
    .alignment = 8,
    .calls = {{5, 0xff, 0xe8},
              {2, 0x38ff, 0x10ff},
              {3, 0x38ff, 0x10ff},
              {4, 0x38ff, 0x10ff},
              {5, 0x38ff, 0x10ff},
              {6, 0x38ff, 0x10ff},
              {7, 0x38ff, 0x10ff}},
    .system_call = {2, 0xffff, 0x050f},
};

uintptr_t hl_frames_strip(uintptr_t address, unsigned address_bits)
{
    if (address_bits >= sizeof address * CHAR_BIT)
        return address;
    return address & (((uintptr_t)1 << address_bits) - 1);
}

/* ---- memory, through the window ------------------------------------------------ */

static bool fill(struct hl_frames_walker *walker, uintptr_t address, size_t size)
{
    walker->held_bytes = 0;
    if (!walker->read(walker->context, address, walker->window, size))
        return false;
    walker->held_at = address;
    walker->held_bytes = size;
    return true;
}

static size_t least(uintptr_t a, uintptr_t b)
{
    return (size_t)(a < b ? a : b);
}

/* From `address` on, as much as can be had below `high` in one piece, at least `size`. */
static bool fetch(struct hl_frames_walker *walker, uintptr_t address, uintptr_t high, size_t size)
{
    size_t most = least(walker->window_bytes, high - address);
    size_t page = least(most, walker->page_bytes - (address & (walker->page_bytes - 1)));

    if (!walker->is_narrow && fill(walker, address, most))
        return true;
    walker->is_narrow = true;
    return fill(walker, address, page < size ? size : page); /* a frame may lie across two */
}

static bool holds(const struct hl_frames_walker *walker, uintptr_t address, size_t size)
{
    return walker->held_bytes >= size && address >= walker->held_at &&
           address - walker->held_at <= walker->held_bytes - size;
}

static bool look_up(struct hl_frames_walker *walker, uintptr_t address, uintptr_t high, void *copy,
                    size_t size)
{
    if (high < size || address > high - size || size > walker->window_bytes)
        return false;
    if (!holds(walker, address, size) && !fetch(walker, address, high, size))
        return false;
    memcpy(copy, (const char *)walker->window + (address - walker->held_at), size);
    return true;
}

/* ---- the chain ----------------------------------------------------------------- */

struct record {
    uintptr_t fp, back; /* of the caller, and to where it is returned */
};

struct chain {
    struct hl_frames_walker *walker;
    uintptr_t low, high; /* where the next record may lie */
};

static bool read_record(const struct chain *chain, uintptr_t fp, struct record *record)
{
    struct hl_frames_walker *walker = chain->walker;

    if (fp < chain->low || (fp & (walker->rules->alignment - 1)) != 0 ||
        !look_up(walker, fp, chain->high, record, sizeof *record))
        return false;
    /* The frame pointer, too: Swift marks its asynchronous frames in it (bit 60). */
    record->fp = hl_frames_strip(record->fp, walker->address_bits);
    record->back = hl_frames_strip(record->back, walker->address_bits);
    return true;
}

/* Before the chain, so that one window may hold both. */
static void note_top(struct hl_frames_walker *walker, struct hl_frames_registers *registers,
                     uintptr_t high)
{
    if (walker->rules->has_link_register)
        return;
    if (!look_up(walker, registers->sp, high, &registers->link, sizeof registers->link))
        registers->link = 0;
}

/* The bounds hold for what begins within them. */
static uintptr_t end_for(uintptr_t address, uintptr_t low, uintptr_t high)
{
    return low <= address && address < high ? high : UINTPTR_MAX;
}

void hl_frames_walk(struct hl_frames_walker *walker, struct hl_frames_registers *registers,
                    uintptr_t low, uintptr_t high, struct hl_plat_frames *frames)
{
    uintptr_t fp = hl_frames_strip(registers->fp, walker->address_bits);
    struct chain chain = {walker, registers->sp, end_for(fp, low, high)};
    struct record record;

    walker->held_bytes = 0; /* it may be of another walk, and old */
    walker->is_narrow = false;
    frames->pc[0] = hl_frames_strip(registers->pc, walker->address_bits);
    frames->count = 1;
    frames->truncated = true;
    note_top(walker, registers, end_for(registers->sp, low, high));
    while (frames->truncated && read_record(&chain, fp, &record)) {
        bool is_whole = frames->count == HL_PLAT_FRAMES;
        if (record.back != 0 && (is_whole || record.back < FIRST_PAGE))
            return;
        if (record.back != 0)
            frames->pc[frames->count++] = record.back;
        frames->truncated = record.back != 0 && record.fp != 0;
        chain.low = fp + sizeof record;
        fp = record.fp;
    }
}

/* ---- a function without a frame ------------------------------------------------- */

static bool fits(const struct hl_frames_code *pattern,
                 const unsigned char code[HL_FRAMES_CODE_BYTES])
{
    uint32_t word = 0;

    for (unsigned i = 0; i < 4 && i < pattern->back; i++)
        word |= (uint32_t)code[HL_FRAMES_CODE_BYTES - pattern->back + i] << 8 * i;
    return (word & pattern->mask) == pattern->value;
}

bool hl_frames_ends_with_call(const struct hl_frames_rules *rules,
                              const unsigned char code[HL_FRAMES_CODE_BYTES])
{
    for (int i = 0; i < HL_FRAMES_CALLS && rules->calls[i].back != 0; i++)
        if (fits(&rules->calls[i], code))
            return true;
    return false;
}

static bool read_code_before(struct hl_frames_walker *walker, uintptr_t address,
                             unsigned char code[HL_FRAMES_CODE_BYTES])
{
    return address >= FIRST_PAGE && walker->read(walker->context, address - HL_FRAMES_CODE_BYTES,
                                                 code, HL_FRAMES_CODE_BYTES);
}

static bool follows_a_call(struct hl_frames_walker *walker, uintptr_t address)
{
    unsigned char code[HL_FRAMES_CODE_BYTES];

    return read_code_before(walker, address, code) && hl_frames_ends_with_call(walker->rules, code);
}

static bool may_lack_a_frame(struct hl_frames_walker *walker, uintptr_t pc)
{
    const struct hl_frames_code *call = &walker->rules->system_call;
    unsigned char code[HL_FRAMES_CODE_BYTES];

    if (call->mask == 0)
        return true;
    /* At pc where a signal has stopped it, and the call will be made again. */
    return (read_code_before(walker, pc, code) && fits(call, code)) ||
           (read_code_before(walker, pc + call->back, code) && fits(call, code));
}

void hl_frames_add_caller(struct hl_frames_walker *walker,
                          const struct hl_frames_registers *registers,
                          struct hl_plat_frames *frames)
{
    uintptr_t caller = hl_frames_strip(registers->link, walker->address_bits);

    if ((frames->count > 1 && frames->pc[1] == caller) ||
        !may_lack_a_frame(walker, frames->pc[0]) || !follows_a_call(walker, caller))
        return;
    if (frames->count == HL_PLAT_FRAMES) {
        frames->truncated = true; /* the outermost makes room */
        frames->count--;
    }
    memmove(&frames->pc[2], &frames->pc[1], (frames->count - 1) * sizeof frames->pc[0]);
    frames->pc[1] = caller;
    frames->count++;
}
