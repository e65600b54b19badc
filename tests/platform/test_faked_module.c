/* tests/platform/test_faked_module.c - modules that the test wrote into memory: other linkers',
 * damaged ones, ones that are not whole. Whatever they say, nothing beyond them is believed.
 */
#define _GNU_SOURCE
#include "../../platform/linux/module.h"
#include "helper.h"

#include <elf.h>
#include <link.h>
#include <sys/mman.h>

enum { PAGE = 4096, CODE = PAGE, CODE_SIZE = 16 * PAGE, TABLE = CODE + CODE_SIZE, MOST = 40 };

struct image {
    ElfW(Ehdr) elf;
    ElfW(Phdr) parts[MOST];
};

struct table {
    unsigned char form[4];
    int32_t frames;
    uint32_t count;
    struct {
        int32_t begin, description;
    } rows[4];
};

static struct image *image;
static char *memory; /* with nothing behind the page of its table */
static struct table *table;
static struct hl_module module;

static uint64_t at(size_t offset)
{
    return (uintptr_t)memory + offset;
}

static ElfW(Phdr) * add_part(uint32_t type, size_t offset, size_t size, uint32_t flags)
{
    ElfW(Phdr) *part = &image->parts[image->elf.e_phnum++];

    *part = (ElfW(Phdr)){
        .p_type = type, .p_offset = offset, .p_vaddr = offset, .p_memsz = size, .p_flags = flags};
    return part;
}

static int32_t from_table(size_t offset)
{
    return (int32_t)((intptr_t)at(offset) - (intptr_t)table);
}

/* Headers, code with three functions at 16, 64 and 128, and their table. */
static void write_module(void)
{
    memory =
        mmap(NULL, TABLE + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(memory, MAP_FAILED);
    cr_assert_eq(mprotect(memory + TABLE + PAGE, PAGE, PROT_NONE), 0);
    image = (struct image *)memory;
    memcpy(image->elf.e_ident, ELFMAG, SELFMAG);
    image->elf.e_phentsize = sizeof image->parts[0];
    image->elf.e_phoff = offsetof(struct image, parts);
    add_part(PT_NOTE, 0, 0, PF_R);
    add_part(PT_LOAD, 0, CODE, PF_R);
    add_part(PT_LOAD, CODE, CODE_SIZE, PF_R | PF_X);
    add_part(PT_GNU_EH_FRAME, TABLE, PAGE, PF_R);
    table = (struct table *)(memory + TABLE);
    *table = (struct table){.form = {1, 0x1b, 0x03, 0x3b}, .count = 3};
    table->rows[0].begin = from_table(CODE + 16);
    table->rows[1].begin = from_table(CODE + 64);
    table->rows[2].begin = from_table(CODE + 128);
}

TestSuite(faked_module, .init = write_module);

static bool find(void)
{
    return hl_module_find(at(CODE + 100), &module);
}

static void assert_function(uint64_t address, uint64_t expected_low, uint64_t expected_high)
{
    uint64_t low, high;

    hl_module_function(&module, address, &low, &high);
    cr_assert_eq(low, expected_low, "%#llx begins at %#llx", (unsigned long long)address,
                 (unsigned long long)low);
    cr_assert_eq(high, expected_high, "%#llx ends at %#llx", (unsigned long long)address,
                 (unsigned long long)high);
}

static void assert_no_function(uint64_t address)
{
    assert_function(address, address, address + 1);
}

Test(faked_module, its_functions_end_where_the_next_one_begins)
{
    cr_assert(find());
    cr_assert_eq(module.low, at(CODE));
    cr_assert_eq(module.high, at(CODE + CODE_SIZE));
    assert_function(at(CODE + 17), at(CODE + 16), at(CODE + 64));
    assert_function(at(CODE + 64), at(CODE + 16), at(CODE + 64)); /* after a last call */
    assert_function(at(CODE + 65), at(CODE + 64), at(CODE + 128));
    assert_no_function(at(CODE + 16)); /* nothing is before the first */
    assert_no_function(at(CODE));
}

Test(faked_module, one_that_is_too_long_is_none)
{
    cr_assert(find());
    assert_no_function(at(CODE + 129)); /* 60 KiB up to the end of the code */
    table->rows[2].begin = from_table(CODE + CODE_SIZE - 8);
    assert_function(at(CODE + CODE_SIZE - 1), at(CODE + CODE_SIZE - 8), at(CODE + CODE_SIZE));
    assert_no_function(at(CODE + CODE_SIZE + 1)); /* beyond the last */
}

Test(faked_module, a_table_that_is_not_as_usual_is_none)
{
    table->form[1] = 0;
    cr_assert(find());
    cr_assert_eq(module.functions_at, 0);
    assert_no_function(at(CODE + 17));
    table->form[1] = 0x1b;
    table->count = 0;
    cr_assert(find());
    cr_assert_eq(module.functions_at, 0, "an empty one");
    table->count = 3;
    image->parts[3].p_vaddr = TABLE + PAGE;
    cr_assert(find());
    cr_assert_eq(module.functions_at, 0, "one that cannot be read");
    image->parts[3].p_type = PT_NULL;
    cr_assert(find());
    assert_no_function(at(CODE + 17));
}

/* The table is cut after some of its rows, as where a file was truncated. */
static void cut_table(size_t rows)
{
    size_t offset = TABLE + PAGE - offsetof(struct table, rows) - rows * sizeof table->rows[0];

    memmove(memory + offset, table, offsetof(struct table, rows) + rows * sizeof table->rows[0]);
    image->parts[3].p_vaddr = offset;
    cr_assert(find());
    cr_assert_eq(module.functions_at, at(offset));
}

Test(faked_module, a_table_that_is_not_all_there_tells_nothing)
{
    cut_table(1);
    assert_no_function(at(CODE + 17));
    table->count = 1;
    cut_table(0);
    assert_no_function(at(CODE + 17));
}

Test(faked_module, code_is_looked_for_where_it_says_it_is)
{
    cr_assert_not(hl_module_find(at(TABLE), &module), "behind its code");
    cr_assert_not(hl_module_find(at(16), &module), "before it");
    image->parts[2].p_flags = PF_R;
    cr_assert_not(find(), "it cannot be run");
    image->parts[2].p_flags = PF_R | PF_X;
    image->parts[2].p_type = PT_NOTE;
    cr_assert_not(find(), "it is not loaded");
    cr_assert_not(hl_module_find(3 * PAGE, &module), "there is nothing");
}

Test(faked_module, headers_that_are_not_sound_are_not_believed)
{
    cr_assert(find());
    image->elf.e_phentsize--;
    cr_assert_not(find(), "of another size");
    image->elf.e_phentsize++;
    image->elf.e_phnum = 33;
    cr_assert_not(find(), "more than fit");
    image->elf.e_phnum = 4;
    image->elf.e_phoff = TABLE + PAGE;
    cr_assert_not(find(), "not there");
    image->elf.e_phoff = offsetof(struct image, parts);
    image->parts[1].p_offset = PAGE;
    cr_assert_not(find(), "not at the beginning of the file");
    image->elf.e_phnum = 1;
    cr_assert_not(find(), "nothing is loaded");
    image->elf.e_phnum = 4;
    image->parts[1].p_offset = 0;
    cr_assert(find());
    image->elf.e_ident[0] = 0;
    cr_assert_not(find(), "no module at all");
}

Test(faked_module, only_what_follows_a_call_is_returned_to)
{
#if defined(__x86_64__)
    static const unsigned char call[] = {0xe8, 1, 2, 3, 4};
#elif defined(__aarch64__)
    static const unsigned char call[] = {1, 2, 3, 0x94};
#else
    cr_skip("what a call looks like here is not known");
    static const unsigned char call[] = {0};
#endif
    cr_assert(find());
    memcpy(memory + CODE + 100 - sizeof call, call, sizeof call);
    cr_assert(hl_module_is_return(&module, at(CODE + 100)));
    cr_assert_not(hl_module_is_return(&module, at(CODE + 101)));
    cr_assert_not(hl_module_is_return(&module, at(CODE)), "before its code");
    cr_assert_not(hl_module_is_return(&module, at(CODE + CODE_SIZE)), "behind it");
    cr_assert_eq(mprotect(memory + CODE, PAGE, PROT_NONE), 0);
    cr_assert_not(hl_module_is_return(&module, at(CODE + 100)), "it is gone");
}
