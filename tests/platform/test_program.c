/* What is read of a file before a library is preloaded into it: a foreign file, so any bytes. */
#define _GNU_SOURCE
#include "../../platform/program.h"
#include "helper.h"

#include <elf.h>
#include <limits.h>
#include <link.h>

#define LIBRARY "/usr/lib/libheartline.so.0" /* not read: the calling program is */

static char folder[] = "/tmp/program-XXXXXX";
static char path[64];
static unsigned char *own;
static size_t own_size;
static struct hl_program program;

static void read_own(void)
{
    FILE *file = fopen("/proc/self/exe", "re");
    cr_assert_not_null(file);
    fseek(file, 0, SEEK_END);
    own_size = (size_t)ftell(file);
    rewind(file);
    own = malloc(own_size);
    cr_assert_eq(fread(own, 1, own_size, file), own_size);
    fclose(file);
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/program", folder);
}

static void remove_file(void)
{
    unlink(path);
    rmdir(folder);
    free(own);
}

TestSuite(program, .init = read_own, .fini = remove_file);

static int examine(const void *bytes, size_t size)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    cr_assert(write(file, bytes, size) == (ssize_t)size && fchmod(file, 0755) == 0);
    close(file);
    hl_program_examine(path, LIBRARY, &program);
    cr_assert(program.status == 0 || program.status == HL_PROGRAM_CANNOT_RUN ||
              program.status == HL_PROGRAM_NOT_FOUND);
    cr_assert(program.status == 0 || (program.why[0] && program.remedy));
    return program.status;
}

static int examine_text(const char *text)
{
    return examine(text, strlen(text));
}

static ElfW(Ehdr) * header(void)
{
    return (void *)own;
}

static ElfW(Phdr) * segment(unsigned type)
{
    ElfW(Phdr) *all = (void *)(own + header()->e_phoff);
    for (unsigned i = 0; i < header()->e_phnum; i++)
        if (all[i].p_type == type)
            return &all[i];
    cr_assert_fail("no segment %u", type);
    return NULL;
}

static ElfW(Dyn) * dynamic(long tag)
{
    ElfW(Dyn) *all = (void *)(own + segment(PT_DYNAMIC)->p_offset);
    while (all->d_tag != tag && all->d_tag != DT_NULL)
        all++;
    return all;
}

Test(program, this_one_can_be_preloaded)
{
    cr_assert_eq(examine(own, own_size), 0, "%s", program.why);
    cr_assert_str_eq(program.path, path);
    cr_assert_not(program.needs_shell);
}

Test(program, of_a_file_that_ends_too_early_nothing_is_read_beyond)
{
    for (size_t size = 0; size < own_size && size < 4096; size += size < 256 ? 1 : 61)
        examine(own, size);
    for (size_t size = own_size; size > own_size / 2; size -= own_size / 40 + 1)
        examine(own, size);
}

Test(program, places_beyond_the_end_and_huge_counts_are_no_places)
{
    static const uint64_t values[] = {0,         1, 3, UINT32_MAX, UINT64_MAX / 2, UINT64_MAX - 1,
                                      UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        ElfW(Ehdr) saved = *header();
        header()->e_phoff = values[i];
        header()->e_phnum = UINT16_MAX;
        cr_expect_neq(examine(own, own_size), 0, "no segment can be read");
        *header() = saved;
        ElfW(Phdr) *loader = segment(PT_INTERP), kept = *loader;
        loader->p_offset = values[i];
        examine(own, own_size);
        *loader = kept;
        ElfW(Phdr) *table = segment(PT_DYNAMIC);
        kept = *table;
        table->p_offset = values[i] - 7;
        table->p_filesz = UINT64_MAX;
        examine(own, own_size);
        *table = kept;
        ElfW(Dyn) *names = dynamic(DT_STRTAB), entry = *names;
        names->d_un.d_ptr = values[i];
        examine(own, own_size);
        *names = entry;
        ElfW(Dyn) *needed = dynamic(DT_NEEDED);
        entry = *needed;
        needed->d_un.d_val = values[i];
        cr_expect_eq(examine(own, own_size), 0);
        *needed = entry;
    }
}

Test(program, any_byte_of_its_tables_may_be_wrong)
{
    uint64_t state = 88172645463325252u; /* xorshift: the same bytes each time */
    size_t tables = header()->e_phoff + header()->e_phnum * sizeof(ElfW(Phdr));
    size_t entries = segment(PT_DYNAMIC)->p_offset;
    for (int i = 0; i < 1500; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        size_t at = i % 2 ? state % tables : entries + state % segment(PT_DYNAMIC)->p_filesz;
        unsigned char kept = own[at];
        own[at] ^= (unsigned char)(state >> 40 | 1);
        examine(own, own_size);
        own[at] = kept;
    }
}

Test(program, a_sanitizers_runtime_comes_first)
{
    ElfW(Dyn) *needed = dynamic(DT_NEEDED), *names = dynamic(DT_STRTAB);
    cr_assert(needed->d_tag == DT_NEEDED && names->d_tag == DT_STRTAB);
    ElfW(Phdr) *all = (void *)(own + header()->e_phoff);
    uint64_t place = 0;
    for (unsigned i = 0; i < header()->e_phnum; i++)
        if (all[i].p_type == PT_LOAD && names->d_un.d_ptr - all[i].p_vaddr < all[i].p_filesz)
            place = names->d_un.d_ptr - all[i].p_vaddr + all[i].p_offset;
    cr_assert_neq(place, 0);
    memcpy(own + place + needed->d_un.d_val, "libasan.so.8", 13);
    cr_assert_eq(examine(own, own_size), 0);
    cr_assert_str_eq(program.preload_first, "libasan.so.8");
}

Test(program, a_script_is_what_runs_it)
{
    cr_expect_eq(examine_text("#!/bin/sh\n"), 0);
    cr_expect_eq(examine_text("#! \t/bin/sh -e\n"), 0);
    cr_expect_eq(examine_text("#!/bin/sh"), 0, "without an end");
    cr_expect_eq(examine_text("#!"), HL_PROGRAM_CANNOT_RUN);
    cr_expect_eq(examine_text("#! \n"), HL_PROGRAM_CANNOT_RUN);
    cr_expect_eq(examine_text("#!/no/such/shell\n"), HL_PROGRAM_NOT_FOUND);
    cr_expect_eq(examine_text("#!/tmp\n"), HL_PROGRAM_CANNOT_RUN);
    char line[2 * PATH_MAX + 8] = "#!";
    memset(line + 2, '/', sizeof line - 3);
    cr_expect_neq(examine(line, sizeof line - 1), 0, "too long a path");
    snprintf(line, sizeof line, "#!%s\n", path);
    cr_expect_eq(examine_text(line), HL_PROGRAM_CANNOT_RUN, "it runs itself");
}

Test(program, text_is_for_the_shell_and_other_bytes_for_nobody)
{
    cr_expect_eq(examine_text("echo hello\n"), 0);
    cr_expect(program.needs_shell);
    cr_expect_eq(examine("", 0), 0);
    cr_expect(program.needs_shell);
    cr_expect_eq(examine("\0\1\2", 3), HL_PROGRAM_CANNOT_RUN);
}

Test(program, a_name_without_a_slash_is_looked_for_in_path)
{
    char both[128];
    examine(own, own_size);
    snprintf(both, sizeof both, "/no/such/folder::%s", folder);
    setenv("PATH", both, 1);
    hl_program_examine("program", LIBRARY, &program);
    cr_expect(program.status == 0 && strcmp(program.path, path) == 0, "%s", program.why);
    chmod(path, 0644);
    hl_program_examine("program", LIBRARY, &program);
    cr_expect_eq(program.status, HL_PROGRAM_CANNOT_RUN);
    hl_program_examine("no-program", LIBRARY, &program);
    cr_expect_eq(program.status, HL_PROGRAM_NOT_FOUND);
    hl_program_examine("", LIBRARY, &program);
    cr_expect_eq(program.status, HL_PROGRAM_NOT_FOUND);
    char long_name[PATH_MAX + 2];
    memset(long_name, '/', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    hl_program_examine(long_name, LIBRARY, &program);
    cr_expect_neq(program.status, 0);
}
