/* tests/fuzz/fuzz_parse.c - what reads the kernel's texts and other people's memory.
 *
 * The first byte says who reads the rest. What each parser must say is written down a
 * second time, as a regular expression over the format; whoever reads memory (stacks,
 * tables of a module) gets it from the input, and must come to an end. Nobody may look
 * beyond the input: libFuzzer and replay.c put it where that is seen.
 */
#define _GNU_SOURCE
#include "../../platform/frames.h"
#include "../../platform/linux/calls.h"
#include "../../platform/linux/module.h"
#include "../../platform/linux/parse.h"
#include "../../platform/linux/plat.h"
#include "../../platform/linux/shape.h"
#include "fuzz.h"

#include <elf.h>
#include <link.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

/* ---- regular expressions ------------------------------------------------------------- */

#define GROUPS 12
struct match {
    const char *text;
    regmatch_t groups[GROUPS];
};

/* Compiled once; over bytes, NUL among them. */
static const regex_t *regex_of(const char *pattern)
{
    static struct {
        const char *pattern;
        regex_t regex;
    } known[64];
    size_t i = 0;
    while (known[i].pattern && known[i].pattern != pattern)
        i++;
    if (!known[i].pattern) {
        MUST(regcomp(&known[i].regex, pattern, REG_EXTENDED) == 0, "%s", pattern);
        known[i].pattern = pattern;
    }
    return &known[i].regex;
}

static bool matches(const char *pattern, const char *text, size_t size, struct match *match)
{
    static char copy[1 << 16]; /* it may look at a terminator, which the input does not have */
    MUST(size < sizeof copy, "%zu bytes", size);
    memcpy(copy, text, size);
    copy[size] = '\0';
    match->text = text;
    match->groups[0] = (regmatch_t){0, (regoff_t)size};
    return regexec(regex_of(pattern), copy, GROUPS, match->groups, REG_STARTEND) == 0;
}

static size_t group_size(const struct match *match, int group)
{
    return (size_t)(match->groups[group].rm_eo - match->groups[group].rm_so);
}

static bool is_group(const struct match *match, int group, struct hl_plat_piece piece)
{
    return piece.size == group_size(match, group) &&
           (piece.size == 0 ||
            memcmp(piece.text, match->text + match->groups[group].rm_so, piece.size) == 0);
}

/* A group as a number; false: it was not there, or has more than 64 bits. */
static bool group_number(const struct match *match, int group, unsigned base, uint64_t *number)
{
    *number = 0;
    if (match->groups[group].rm_so < 0)
        return false;
    for (regoff_t i = match->groups[group].rm_so; i < match->groups[group].rm_eo; i++) {
        char byte = match->text[i];
        unsigned digit = (unsigned)(byte >= 'a' ? byte - 'a' + 10 : byte - '0');
        if (*number > (UINT64_MAX - digit) / base)
            return false;
        *number = *number * base + digit;
    }
    return true;
}

/* ---- files of lines ---------------------------------------------------------------------- */

/* The number in the first line that has one for this pattern; only whole lines count. */
static uint64_t labelled(const char *pattern, uint64_t unit, const char *text, size_t size)
{
    const char *end;
    struct match match;
    uint64_t number;
    for (; size > 0 && (end = memchr(text, '\n', size));
         size -= (size_t)(end + 1 - text), text = end + 1)
        if (matches(pattern, text, (size_t)(end + 1 - text), &match) &&
            group_number(&match, 1, 10, &number) && number <= (UINT64_MAX - 1) / unit)
            return number * unit;
    return HL_PLAT_UNKNOWN;
}

#define NUMBER "[ \t]*([0-9]+)"
#define KIB(label) "^" label NUMBER "([^0-9]([^x]|x)*)? kB\n$"
#define PLAIN(label) "^" label NUMBER "[^0-9]"

/* UINT64_MAX itself cannot be told from "unknown". */
#define SAME(seen, wanted)                                                            \
    MUST((seen) == (wanted), "%s: %llu, not %llu", #seen, (unsigned long long)(seen), \
         (unsigned long long)(wanted))

static void status(const char *text, size_t size)
{
    struct hl_plat_status status;
    hl_plat_parse_status(text, size, &status);
    SAME(status.rss_bytes, labelled(KIB("VmRSS:"), 1024, text, size));
    SAME(status.peak_rss_bytes, labelled(KIB("VmHWM:"), 1024, text, size));
    SAME(status.vm_bytes, labelled(KIB("VmSize:"), 1024, text, size));
    SAME(status.threads, labelled(PLAIN("Threads:"), 1, text, size));
    SAME(status.tracer, labelled(PLAIN("TracerPid:"), 1, text, size));
    SAME(status.descriptors, labelled(PLAIN("FDSize:"), 1, text, size));
    SAME(hl_plat_parse_sleeps(text, size),
         labelled(PLAIN("voluntary_ctxt_switches:"), 1, text, size));
}

static void io(const char *text, size_t size)
{
    uint64_t read, written;
    bool is_read = hl_plat_parse_io(text, size, &read, &written);
    SAME(read, labelled(PLAIN("read_bytes:"), 1, text, size));
    SAME(written, labelled(PLAIN("write_bytes:"), 1, text, size));
    SAME(is_read, read != HL_PLAT_UNKNOWN && written != HL_PLAT_UNKNOWN);
}

static void throttled(const char *text, size_t size)
{
    uint64_t seen, us = labelled(PLAIN("throttled_usec "), 1, text, size);
    uint64_t ns = labelled(PLAIN("throttled_time "), 1, text, size);
    bool is_read = hl_plat_parse_throttled(text, size, &seen);
    if (ns == HL_PLAT_UNKNOWN && us < HL_PLAT_UNKNOWN / 1000)
        ns = us * 1000;
    SAME(seen, ns);
    SAME(is_read, ns != HL_PLAT_UNKNOWN);
}

static void watched(const char *text, size_t size)
{
    struct match match;
    uint64_t seen, wanted;
    bool is_good = matches(PLAIN("tfd:"), text, size, &match) &&
                   group_number(&match, 1, 10, &wanted) && wanted != HL_PLAT_UNKNOWN;
    SAME(hl_plat_parse_watched(text, size, &seen), is_good);
    if (is_good)
        SAME(seen, wanted);
}

/* ---- single lines ------------------------------------------------------------------------ */

/* What follows the last bracket, which a name may hold any number of. */
static void stat(const char *text, size_t size)
{
    struct match match;
    struct hl_plat_piece name;
    uint64_t start, wanted = HL_PLAT_UNKNOWN;
    char state, letter = 0;
    hl_plat_parse_stat(text, size, &state, &start);
    if (matches("\\) ([A-Za-z]) [^)]*$", text, size, &match))
        letter = text[match.groups[1].rm_so];
    if (letter && matches("\\) [A-Za-z] ([^ )]+ ){18}([0-9]+)[^0-9)][^)]*$", text, size, &match) &&
        !group_number(&match, 2, 10, &wanted))
        wanted = HL_PLAT_UNKNOWN;
    SAME(state, letter);
    SAME(start, wanted);
    const char *first = memchr(text, '(', size), *last = memrchr(text, ')', size);
    bool is_name = first && last > first && !memchr(first, '\\', (size_t)(last - first));
    SAME(hl_plat_parse_stat_name(text, size, &name), is_name);
    if (is_name)
        MUST(name.text == first + 1 && name.text + name.size == last, "not the whole name");
}

static void schedstat(const char *text, size_t size)
{
    struct match match;
    struct hl_plat_schedstat seen = {0};
    uint64_t a, b, c;
    bool is_good = matches("^([0-9]+) ([0-9]+) ([0-9]+)[^0-9]", text, size, &match) &&
                   group_number(&match, 1, 10, &a) && group_number(&match, 2, 10, &b) &&
                   group_number(&match, 3, 10, &c);
    SAME(hl_plat_parse_schedstat(text, size, &seen), is_good);
    if (is_good)
        MUST(seen.on_core_ns == a && seen.run_delay_ns == b && seen.switches == c, "schedstat");
}

static void meet_meaning(const struct hl_plat_call *call)
{
    struct hl_plat_meaning meaning;
    hl_plat_explain_call(call, &meaning);
    MUST(meaning.kind <= HL_PLAT_CALL_RESTARTED, "kind %d", meaning.kind);
    MUST(meaning.name || (meaning.kind == HL_PLAT_CALL_PLAIN && !meaning.verb),
         "more than a number that has no name");
    MUST(meaning.descriptor >= INT32_MIN && meaning.descriptor <= INT32_MAX, "descriptor %lld",
         (long long)meaning.descriptor);
    MUST(meaning.awaited <= INT32_MAX, "awaited %llu", (unsigned long long)meaning.awaited);
    MUST(!meaning.name || strlen(meaning.name) < HL_PLAT_CALL_BYTES + 16, "%s", meaning.name);
}

#define HEX " 0x([0-9a-f]+)"
static void syscall_(const char *text, size_t size)
{
    struct match match;
    struct hl_plat_call call;
    bool is_read = hl_plat_parse_syscall(text, size, &call);
    bool is_in = matches("^([0-9]+)" HEX HEX HEX HEX HEX HEX HEX HEX "\n", text, size, &match);
    uint64_t words[9] = {0};
    bool is_good = is_in;
    for (int i = 0; i < 9 && is_good; i++)
        is_good = group_number(&match, i + 1, i == 0 ? 10 : 16, &words[i]);
    if (!is_in && matches("^-(0*1)" HEX HEX "\n", text, size, &match))
        is_good = group_number(&match, 2, 16, &words[7]) && group_number(&match, 3, 16, &words[8]);
    bool is_running = size == strlen("running\n") && memcmp(text, "running\n", size) == 0;
    SAME(is_read, is_good || is_running);
    if (!is_read)
        return;
    SAME(call.is_running, is_running);
    SAME(call.is_in_call, is_in);
    SAME(call.sp, words[7]);
    SAME(call.pc, words[8]);
    for (int i = 0; i < 6; i++)
        SAME(call.arguments[i], words[i + 1]);
    if (is_in) {
        SAME(call.number, words[0]);
        meet_meaning(&call);
    }
}

static void link_(const char *text, size_t size)
{
    struct match match;
    struct hl_plat_piece name;
    enum hl_plat_link kind = hl_plat_parse_link(text, size, &name);
    enum hl_plat_link wanted = HL_PLAT_LINK_NAMED;
    if (matches("^/dev/(pts/[0-9]|tty|console$)", text, size, &match))
        wanted = HL_PLAT_LINK_TERMINAL;
    else if (matches("^/", text, size, &match))
        wanted = HL_PLAT_LINK_PATH;
    else if (matches("^socket:\\[", text, size, &match))
        wanted = HL_PLAT_LINK_SOCKET;
    SAME(kind, wanted);
    if (wanted == HL_PLAT_LINK_SOCKET)
        SAME(name.size, 0u);
    else if (wanted != HL_PLAT_LINK_NAMED)
        MUST(name.text == text && name.size == size, "not the whole path");
    else if (hl_plat_piece_is(name, "epoll") &&
             matches("^anon_inode:\\[?eventpoll\\]?$", text, size, &match))
        return;
    else
        MUST(name.size <= size && memmem(text, size, name.text, name.size),
             "a name out of nothing");
}

static void cgroup(const char *text, size_t size)
{
    struct match match;
    struct hl_plat_cgroup seen;
    uint64_t hierarchy;
    bool is_good = matches("^([0-9]+):([^:]*):(/[^\n]*)", text, size, &match) &&
                   group_number(&match, 1, 10, &hierarchy);
    SAME(hl_plat_parse_cgroup_line(text, size, &seen), is_good);
    if (!is_good)
        return;
    SAME(seen.hierarchy, hierarchy);
    MUST(is_group(&match, 2, seen.controllers) && is_group(&match, 3, seen.path), "a group");
    bool lists =
        matches("^([^,]*,)*cpu(,|\n|$)", seen.controllers.text, seen.controllers.size, &match);
    bool has_line_feed =
        seen.controllers.size && memchr(seen.controllers.text, '\n', seen.controllers.size);
    if (!has_line_feed)
        SAME(hl_plat_piece_lists(seen.controllers, "cpu"), lists);
}

#define WORD "([^ ]*) "
static void mount(const char *text, size_t size)
{
    struct match match;
    struct hl_plat_mount seen;
    bool is_good = matches("^" WORD WORD WORD "([^ ]+) (/[^ ]*) ([^ ]* )*- ([^ ]*) ([^ ]*) ", text,
                           size, &match);
    bool is_read = hl_plat_parse_mount_line(text, size, &seen);
    SAME(is_read, is_good);
    if (!is_good)
        return;
    MUST(is_group(&match, 4, seen.root) && is_group(&match, 5, seen.point), "a mount");
    const char *end = text + size;
    MUST(seen.type.text >= text && seen.type.text + seen.type.size <= end, "a type elsewhere");
    MUST(seen.options.text >= text && seen.options.text + seen.options.size <= end,
         "options elsewhere");
}

static void mapping(const char *text, size_t size)
{
    struct match match;
    struct hl_plat_mapping seen;
    uint64_t low = 0, high = 0;
    bool is_good =
        matches("^([0-9a-f]+)-([0-9a-f]+) ([^ ]{4}[^ ]*) ([^ ]*) ([^ ]*) ", text, size, &match) &&
        group_number(&match, 1, 16, &low) && group_number(&match, 2, 16, &high) && low < high;
    SAME(hl_plat_parse_mapping(text, size, &seen), is_good);
    if (!is_good)
        return;
    SAME(seen.low, low);
    SAME(seen.high, high);
    SAME(seen.is_writable, text[match.groups[3].rm_so + 1] == 'w');
    SAME(seen.is_main_stack, matches("^([^ ]* ){5}[ \t]*\\[stack\\](\n|$)", text, size, &match));
}

static void numbers(const char *text, size_t size)
{
    struct match match;
    uint64_t a = 0, b = 0, quota, period, number, tid;
    bool is_max = matches("^([0-9]+) ([0-9]+)[^0-9]", text, size, &match) &&
                  group_number(&match, 1, 10, &a) && group_number(&match, 2, 10, &b) && b > 0;
    SAME(hl_plat_parse_cpu_max(text, size, &quota, &period), is_max);
    if (is_max)
        MUST(quota == a && period == b, "cpu.max");
    bool is_number = matches("^([0-9]+)\n", text, size, &match) && group_number(&match, 1, 10, &a);
    SAME(hl_plat_parse_number(text, size, &number), is_number);
    if (is_number)
        SAME(number, a);
    bool is_tid = matches("^([0-9]{1,10})$", text, size, &match) &&
                  group_number(&match, 1, 10, &a) && a > 0 && !memchr(text, '\n', size);
    SAME(hl_plat_parse_tid(text, size, &tid), is_tid);
    if (is_tid)
        SAME(tid, a);
}

/* ---- texts that are changed --------------------------------------------------------------- */

/* Terminated in its room, and all that is left is of the whole. */
static void shorten(const char *text, size_t size)
{
    static const size_t rooms[] = {0, 1, 2, 3, 4, 5, 8, 24, 64, 256};
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        size_t room = rooms[i];
        char *copy = malloc(room ? room : 1);
        if (!copy)
            abort();
        hl_plat_shorten((struct hl_plat_piece){text, size}, copy, room);
        size_t left = room ? strnlen(copy, room) : 0;
        MUST(room == 0 || left < room, "no end in %zu bytes", room);
        bool is_plain = !memchr(text, 0, size);
        if (room > 0 && size < room)
            MUST(memcmp(copy, text, size) == 0 && copy[size] == 0, "not the whole");
        else if (room > 4 && is_plain) {
            const char *gap = strstr(copy, "\xe2\x80\xa6");
            MUST(gap, "no mark");
            MUST(left + 7 >= room, "%zu bytes of %zu", left, room);
            if (fuzz_is_utf8(text, size))
                MUST(fuzz_is_utf8(copy, left), "cut inside a character");
        }
        free(copy);
    }
}

/* \ooo is a byte, everything else itself: so it must come out as it went in. */
static void unescape(const char *text, size_t size)
{
    size_t room = 4 * size + 1;
    char *escaped = malloc(room), *seen = malloc(size + 1), *few = malloc(size ? size : 1);
    size_t used = 0;
    if (!escaped || !seen || !few)
        abort();
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '\\' || byte == ' ' || byte == '\n' || byte > 0x7e) {
            escaped[used++] = '\\';
            escaped[used++] = (char)('0' + (byte >> 6));
            escaped[used++] = (char)('0' + (byte >> 3 & 7));
            escaped[used++] = (char)('0' + (byte & 7));
        } else {
            escaped[used++] = text[i];
        }
    }
    MUST(hl_plat_unescape((struct hl_plat_piece){escaped, used}, seen, size + 1), "no room");
    MUST(memcmp(seen, text, size) == 0 && seen[size] == 0, "not what was escaped");
    if (size > 0)
        MUST(!hl_plat_unescape((struct hl_plat_piece){escaped, used}, few, size) && few[0] == 0,
             "in too little room");
    hl_plat_unescape((struct hl_plat_piece){text, size}, seen, size + 1); /* as it comes */
    free(escaped);
    free(seen);
    free(few);
}

static void address(const char *text, size_t size)
{
    static const size_t rooms[] = {1, 8, 24, HL_PLAT_ADDRESS_BYTES, HL_PLAT_OBJECT_BYTES};
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        char *words = malloc(rooms[i]);
        if (!words)
            abort();
        memset(words, 'x', rooms[i]);
        hl_plat_write_address(text, size, words, rooms[i]);
        MUST(memchr(words, 0, rooms[i]), "no end in %zu bytes", rooms[i]);
        free(words);
    }
}

/* ---- other people's memory ------------------------------------------------------------------ */

#define BASE UINT64_C(0x7f0000100000)
static const char *memory;
static size_t memory_size;
static unsigned reads;

static bool read_memory(uint64_t at, void *copy, size_t size)
{
    reads++;
    if (at < BASE || at - BASE > memory_size || size > memory_size - (size_t)(at - BASE))
        return false;
    memcpy(copy, memory + (at - BASE), size);
    return true;
}

/* Instead of peek.c: all that the platform reads of the process is the input. */
int hl_plat_peek(uint64_t at, void *copy, size_t size)
{
    return read_memory(at, copy, size) ? 0 : -14;
}

static bool read_for_walker(void *context, uintptr_t at, void *to, size_t size)
{
    (void)context;
    MUST(size > 0 && size <= UINTPTR_MAX - at, "%zu bytes at %#zx", size, (size_t)at);
    return read_memory(at, to, size);
}

/* A place in the input or near it, or anywhere. */
static uint64_t some_place(struct fuzz_input *input)
{
    uint64_t number = fuzz_number(input);
    return fuzz_bool(input) ? number : BASE + number % (memory_size + 64);
}

static void meet_frames(const struct hl_frames_walker *walker, const struct hl_plat_frames *frames)
{
    MUST(frames->count >= 1 && frames->count <= HL_PLAT_FRAMES, "%u frames", frames->count);
    for (uint32_t i = 0; i < frames->count; i++)
        MUST(frames->pc[i] == hl_frames_strip(frames->pc[i], walker->address_bits), "a signature");
    for (uint32_t i = 1; i < frames->count; i++)
        MUST(frames->pc[i] >= 4096, "a return address on the first page");
}

static void walk(const char *text, size_t size)
{
    struct fuzz_input input = fuzz_over((const uint8_t *)text, size);
    static const unsigned bits[] = {47, 48, 64, 39};
    char window[256];
    struct hl_plat_frames frames = {0};
    bool is_arm = fuzz_bool(&input);
    struct hl_frames_walker walker = {.rules = is_arm ? &hl_frames_arm64 : &hl_frames_x86_64,
                                      .address_bits = bits[fuzz_below(&input, 4)],
                                      .read = read_for_walker,
                                      .window = window,
                                      .window_bytes = 16u << fuzz_below(&input, 5),
                                      .page_bytes = 64};
    memory_size = fuzz_left(&input);
    struct hl_frames_registers registers = {.pc = some_place(&input),
                                            .fp = some_place(&input),
                                            .sp = some_place(&input),
                                            .link = some_place(&input)};
    uintptr_t low = some_place(&input), high = some_place(&input);
    memory = (const char *)input.at;
    memory_size = fuzz_left(&input);
    reads = 0;
    hl_frames_walk(&walker, &registers, low, high, &frames);
    meet_frames(&walker, &frames);
    MUST(frames.count <= 1 + memory_size / (2 * sizeof(uintptr_t)), "%u frames in %zu bytes",
         frames.count, memory_size);
    MUST(reads <= 2 * HL_PLAT_FRAMES + 4, "%u reads", reads);
    reads = 0;
    hl_frames_add_caller(&walker, &registers, &frames);
    meet_frames(&walker, &frames);
    MUST(reads <= 3, "%u reads for a caller", reads);
}

/* A module that is found has the place in it; bounds of a function are around the address. */
static void module(const char *text, size_t size)
{
    struct fuzz_input input = fuzz_over((const uint8_t *)text, size);
    struct hl_module module = {0};
    uint64_t low, high;
    memory_size = size;
    uint64_t pc = some_place(&input), other = some_place(&input);
    memory = (const char *)input.at;
    memory_size = fuzz_left(&input);
    if (!hl_module_find(pc, &module)) /* one that nobody would find, then */
        module = (struct hl_module){BASE, BASE + 4096, BASE + fuzz_byte(&input),
                                    (uint32_t)fuzz_number(&input)};
    else
        MUST(module.low <= pc && pc < module.high, "found where it is not");
    const uint64_t places[] = {pc, other};
    for (int i = 0; i < 2; i++) {
        uint64_t at = places[i];
        reads = 0;
        hl_module_function(&module, at, &low, &high);
        MUST((low == at && high == at + 1) || (low < at && at <= high && high - low <= 32768),
             "a function elsewhere");
        MUST(reads <= 40, "%u reads for a function", reads);
        bool is_return = hl_module_is_return(&module, at);
        MUST(!is_return || (at >= module.low && at < module.high), "a return address elsewhere");
    }
}

/* ---- what a wait looks like -------------------------------------------------------------------- */

static void fill_shapes(struct fuzz_input *input, struct hl_shapes *shapes)
{
    *shapes = (struct hl_shapes){.count = fuzz_below(input, HL_SHAPES + 1)};
    for (uint32_t i = 0; i < shapes->count; i++) {
        struct hl_shape *shape = &shapes->shapes[i];
        shape->kind = (enum hl_plat_wait_for)(HL_PLAT_FOR_MUTEX + fuzz_below(input, 7));
        shape->pc = fuzz_below(input, 4);
        shape->is_pi = fuzz_bool(input);
        shape->any_caller = fuzz_bool(input);
        shape->callers_count = fuzz_below(input, HL_SHAPE_CALLERS + 1);
        for (uint32_t j = 0, distance = 0; j < shape->callers_count; j++) {
            distance += fuzz_byte(input);
            shape->callers[j] =
                (struct hl_shape_caller){distance, fuzz_number(input), fuzz_number(input)};
        }
    }
}

static bool has_shape(const struct hl_shapes *shapes, enum hl_plat_wait_for kind, uint64_t pc)
{
    for (uint32_t i = 0; i < shapes->count; i++)
        if (shapes->shapes[i].kind == kind && shapes->shapes[i].pc == pc)
            return true;
    return false;
}

static void shapes(const char *text, size_t size)
{
    struct fuzz_input input = fuzz_over((const uint8_t *)text, size);
    struct hl_shapes shapes;
    struct hl_plat_call call = {.is_in_call = true, .number = SYS_futex};
    struct hl_plat_mutex mutex = {0};
    pthread_mutex_t copy;
    fill_shapes(&input, &shapes);
    hl_shapes_settle(&shapes);
    MUST(shapes.count <= HL_SHAPES, "%u shapes", shapes.count);
    call.pc = fuzz_below(&input, 4);
    call.arguments[1] = fuzz_number(&input);
    call.arguments[2] = fuzz_number(&input);
    for (size_t i = 0; i < sizeof copy; i++)
        ((unsigned char *)&copy)[i] = fuzz_byte(&input);
    if (hl_shape_mutex(&call, &copy, &mutex))
        MUST(mutex.owner <= UINT32_MAX, "owner %llu", (unsigned long long)mutex.owner);
    size_t span = hl_shapes_span(&shapes, call.pc), left = fuzz_left(&input);
    MUST(span <= HL_SHAPE_SPAN + sizeof(uintptr_t), "span %zu", span);
    enum hl_plat_wait_for kind = hl_shapes_name(&shapes, &call, input.at, left);
    if (kind != HL_PLAT_FOR_CALL && kind != HL_PLAT_FOR_FUTEX)
        MUST(has_shape(&shapes, kind, call.pc), "a kind out of nothing");
    if (left > span) /* what lies farther decides nothing */
        SAME(hl_shapes_name(&shapes, &call, input.at, span), kind);
}

/* ---- one input ------------------------------------------------------------------------------------ */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        char letter;
        void (*read)(const char *text, size_t size);
    } readers[] = {
        {'s', status},  {'t', stat},      {'d', schedstat}, {'y', syscall_}, {'w', watched},
        {'l', link_},   {'i', io},        {'c', cgroup},    {'m', mount},    {'p', mapping},
        {'n', numbers}, {'q', throttled}, {'u', unescape},  {'e', shorten},  {'a', address},
        {'f', walk},    {'o', module},    {'h', shapes},
    };
    if (size == 0)
        return 0;
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++)
        if (readers[i].letter == (char)data[0])
            readers[i].read((const char *)data + 1, size - 1);
    return 0;
}
