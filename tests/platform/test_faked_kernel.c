/* tests/platform/test_faked_kernel.c - what a kernel or an emulator of one puts in the place
 * of what is expected: other tables in its vDSO, other system calls in its texts.
 */
#define _GNU_SOURCE
#include "../../platform/linux/plat.h"
#include "../../platform/linux/vdso.h"
#include "fakes.h"
#include "helper.h"

#include <elf.h>
#include <inttypes.h>
#include <link.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

/* ---- the vDSO ----------------------------------------------------------------------------- */

unsigned long __real_getauxval(unsigned long type);
unsigned long __wrap_getauxval(unsigned long type);

static bool has_vdso;
static unsigned long vdso;

/* Where the kernel says that it mapped its functions; 0 = nowhere. */
static void fake_vdso(unsigned long address)
{
    has_vdso = true;
    vdso = address;
}

unsigned long __wrap_getauxval(unsigned long type)
{
    return has_vdso && type == AT_SYSINFO_EHDR ? vdso : __real_getauxval(type);
}

enum { SYMBOLS = 4, VADDR = 0x10000 };

static struct image {
    ElfW(Ehdr) elf;
    ElfW(Phdr) parts[4];
    ElfW(Dyn) dynamic[8];
    ElfW(Sym) symbols[SYMBOLS];
    char names[64];
    uint32_t hash[2];
    struct {
        uint32_t buckets_count, first, filters_count, shift;
        ElfW(Addr) filters[1];
        uint32_t buckets[2], chain[SYMBOLS];
    } gnu;
} image;

#define OFFSET(member) (offsetof(struct image, member))

static void add_part(uint32_t type, size_t offset)
{
    image.parts[image.elf.e_phnum++] =
        (ElfW(Phdr)){.p_type = type, .p_offset = offset, .p_vaddr = VADDR + offset};
}

static size_t tables;

static void add_table(ElfW(Sxword) tag, size_t offset)
{
    image.dynamic[tables].d_tag = tag;
    image.dynamic[tables++].d_un.d_ptr = VADDR + offset;
}

/* Symbols 1 to 3 are "one", "two", and "three", which is not defined here. */
static void begin_image(void)
{
    static const char names[] = "\0one\0two\0three";

    image.elf.e_phoff = OFFSET(parts);
    add_part(PT_NOTE, 0);
    add_part(PT_LOAD, 0);
    add_part(PT_DYNAMIC, OFFSET(dynamic));
    add_part(PT_LOAD, sizeof image); /* as where a file has more than one; it says no base */
    image.parts[3].p_vaddr = 7 * VADDR;
    memcpy(image.names, names, sizeof names);
    image.symbols[1] = (ElfW(Sym)){.st_name = 1, .st_shndx = 1, .st_value = VADDR + 0x100};
    image.symbols[2] = (ElfW(Sym)){.st_name = 5, .st_shndx = 1, .st_value = VADDR + 0x200};
    image.symbols[3] = (ElfW(Sym)){.st_name = 9, .st_shndx = SHN_UNDEF};
    image.hash[1] = SYMBOLS;
    image.gnu.buckets_count = 2;
    image.gnu.first = 1;
    image.gnu.filters_count = 1;
    image.gnu.buckets[0] = 2; /* with 3 behind it in its chain */
    image.gnu.buckets[1] = 1;
    image.gnu.chain[0] = 1;
    image.gnu.chain[1] = 0;
    image.gnu.chain[2] = 1;
    fake_vdso((unsigned long)(uintptr_t)&image);
}

TestSuite(faked_vdso, .init = begin_image);

static void *at(uintptr_t value)
{
    return (void *)((uintptr_t)&image + value);
}

static void add_symbols(void)
{
    add_table(DT_SONAME, 0);
    add_table(DT_SYMTAB, OFFSET(symbols));
    add_table(DT_STRTAB, OFFSET(names));
}

static void assert_found(void)
{
    cr_assert_eq(hl_plat_vdso("one"), at(0x100));
    cr_assert_eq(hl_plat_vdso("two"), at(0x200));
    cr_assert_null(hl_plat_vdso("three"), "it is not defined here");
    cr_assert_null(hl_plat_vdso("four"));
}

Test(faked_vdso, one_hash_table_is_enough)
{
    add_symbols();
    add_table(DT_HASH, OFFSET(hash));
    assert_found();
}

Test(faked_vdso, the_other_is_enough_as_well)
{
    add_symbols();
    add_table(DT_GNU_HASH, OFFSET(gnu));
    assert_found();
    image.gnu.chain[1] = 1; /* the chain ends before "three" */
    assert_found();
    image.gnu.buckets[0] = 0; /* and now there is only "one" */
    cr_assert_eq(hl_plat_vdso("one"), at(0x100));
    cr_assert_null(hl_plat_vdso("two"));
    image.gnu.buckets[1] = 0;
    cr_assert_null(hl_plat_vdso("one"), "no bucket has any");
}

Test(faked_vdso, without_a_table_nothing_is_found)
{
    cr_assert_null(hl_plat_vdso("one"));
    add_table(DT_SYMTAB, OFFSET(symbols));
    cr_assert_null(hl_plat_vdso("one"), "no names");
    add_table(DT_STRTAB, OFFSET(names));
    cr_assert_null(hl_plat_vdso("one"), "no number of symbols");
    add_table(DT_HASH, OFFSET(hash));
    cr_assert_eq(hl_plat_vdso("one"), at(0x100));
    image.dynamic[0].d_tag = DT_SONAME;
    cr_assert_null(hl_plat_vdso("one"), "no symbols");
    image.parts[2].p_type = PT_NOTE;
    cr_assert_null(hl_plat_vdso("one"), "no tables at all");
    fake_vdso(0);
    cr_assert_null(hl_plat_vdso("one"), "no vDSO");
}

/* ---- an emulator ---------------------------------------------------------------------------- */

static const char emulators_call[] = "0 0x3 0x7f0000000000 0x100 0x0 0x0 0x0 0x7000 0x8000\n";

/* It is asked when a handle is opened. */
static struct hl_plat *open_under(const char *own_call)
{
    fake("self/syscall", own_call);
    return hl_plat_open();
}

Test(faked_emulator, another_call_than_the_own_one_is_an_emulators)
{
    struct hl_plat *plat = open_under(emulators_call);
    struct hl_plat_look look;

    cr_assert(hl_plat_is_emulated(plat));
    cr_assert(hl_plat_look(plat, hl_plat_thread_id(), &look));
    cr_assert_not(look.known & HL_KNOWN(HL_PLAT_SYSCALL));
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_SYSCALL), hl_plat_emulated);
    cr_assert_str_eq(hl_plat_why(plat, HL_PLAT_WAIT), hl_plat_emulated);
    cr_assert(look.state.start_known, "states are true all the same");
    fake_nothing();
    cr_assert(hl_plat_is_emulated(plat), "it is asked once");
    cr_assert(hl_plat_is_emulated(NULL));
}

Test(faked_emulator, nor_is_one_from_the_same_stack_that_reads_elsewhere)
{
    static char call[128];

    snprintf(call, sizeof call, "0 0x3 0x7000 0x100 0x0 0x0 0x0 0x%" PRIxPTR " 0x8000\n",
             (uintptr_t)__builtin_frame_address(0));
    cr_assert(hl_plat_is_emulated(open_under(call)));
}

Test(faked_emulator, a_thread_that_is_between_calls_is_one_too)
{
    cr_assert(hl_plat_is_emulated(open_under("running\n")));
}

Test(faked_emulator, what_cannot_be_read_is_asked_again)
{
    struct hl_plat *plat = open_under("garbage\n");

    cr_assert_not(hl_plat_is_emulated(plat));
    fake("self/syscall", "");
    cr_assert_not(hl_plat_is_emulated(plat));
    fake_error("self/syscall", EACCES);
    cr_assert_not(hl_plat_is_emulated(plat));
    fake("self/syscall", emulators_call);
    cr_assert_not(hl_plat_is_emulated(NULL), "without a handle nobody is asked");
    cr_assert(hl_plat_is_emulated(plat));
}

Test(faked_emulator, the_kernel_itself_is_none)
{
    struct hl_plat *plat = hl_plat_open();

    cr_assert_not(hl_plat_is_emulated(plat));
    fake("self/syscall", emulators_call);
    cr_assert_not(hl_plat_is_emulated(plat), "it is asked once");
}

/* ---- what a call of our own looks like ---------------------------------------------------------- */

static struct {
    bool is_in_none;
    uint64_t number, size, depth;
} own;

/* The call that is being made, but for what the test changes. */
static ssize_t describe_call(char *text, ssize_t size)
{
    uintptr_t sp = (uintptr_t)__builtin_frame_address(0) - own.depth;

    if (size == 0 || strncmp(text, "own", 3) != 0)
        return size;
    if (own.is_in_none)
        return snprintf(text, 256, "-1 0x%" PRIxPTR " 0x8000\n", sp);
    return snprintf(text, 256,
                    "%" PRIu64 " 0x3 0x%" PRIxPTR " 0x%" PRIx64 " 0x0 0x0 0x0 0x%" PRIxPTR
                    " 0x8000\n",
                    own.number, (uintptr_t)text, own.size, sp);
}

static bool is_emulated_with(bool is_in_none, uint64_t number, uint64_t size, uint64_t depth)
{
    own.is_in_none = is_in_none;
    own.number = number;
    own.size = size;
    own.depth = depth;
    fake_reading = describe_call;
    return hl_plat_is_emulated(open_under("own"));
}

Test(faked_emulator, the_own_call_is_known_by_all_that_it_says)
{
    cr_assert_not(is_emulated_with(false, SYS_read, 256, 0));
}

Test(faked_emulator, one_of_another_size_is_another)
{
    cr_assert(is_emulated_with(false, SYS_read, 255, 0));
}

Test(faked_emulator, one_from_another_stack_is_another)
{
    cr_assert(is_emulated_with(false, SYS_read, 256, 1 << 20));
}

Test(faked_emulator, one_with_another_number_is_another)
{
    cr_assert(is_emulated_with(false, SYS_read + 1, 256, 0));
}

Test(faked_emulator, a_reader_that_is_in_no_call_is_an_emulators)
{
    cr_assert(is_emulated_with(true, SYS_read, 256, 0));
}

/* ---- the clock ---------------------------------------------------------------------------------- */

static int refuse_to_read(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){77, 77};
    return -1;
}

Test(faked_clock, a_time_that_cannot_be_read_is_0)
{
    cr_assert_gt(hl_plat_now_ns(), 0);
    hl_plat_scope_clock.read = refuse_to_read;
    cr_assert_eq(hl_plat_now_ns(), 0);
    cr_assert_eq(hl_plat_coarse_ns(), 0);
    cr_assert_eq(hl_plat_wall_ms(), 0);
}

Test(faked_clock, a_tick_that_cannot_be_asked_for_is_a_long_one)
{
    fake_failure("clock_getres", 0, 1, EINVAL);
    cr_assert_eq(hl_plat_coarse_tick_ns(), 20 * MS);
}
