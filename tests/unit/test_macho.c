/* What is read of a program's file on macOS before our library is inserted into it: made-up
 * files, as any bytes may come. What only a Mac can tell is said by the test. */
#define _GNU_SOURCE
#include "../../platform/darwin/machine.h"
#include "../../platform/darwin/macho.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the machine ------------------------------------------------------------------------- */

static enum hl_machine machine;
static const char *protected_path = "";

enum hl_machine hl_machine(void)
{
    return machine;
}

bool hl_machine_protects(const char *path)
{
    return strcmp(path, protected_path) == 0;
}

/* ---- files --------------------------------------------------------------------------------- */

#define X86_64 .type = 0x01000007, .variant = 3
#define X86_64H .type = 0x01000007, .variant = 8
#define ARM64 .type = 0x0100000c, .variant = 0
#define ARM64_V8 .type = 0x0100000c, .variant = 1
#define ARM64E .type = 0x0100000c, .variant = 0x80000002 /* with its features, as Apple's own */
#define I386 .type = 7, .variant = 3
#define LIBRARY .kind = 6

#define RESTRICTED 0x800u
#define VALIDATES 0x2000u
#define HARDENED 0x10000u
#define LINKER_SIGNED 0x20002u

#define ALLOWS "com.apple.security.cs.allow-dyld-environment-variables"
#define FOREIGN "com.apple.security.cs.disable-library-validation"
#define KEY(name, value) "<key>" name "</key>\n\t" value
#define LIST(entries) "<?xml version=\"1.0\"?>\n<plist><dict>" entries "</dict></plist>"

struct recipe {
    uint32_t type, variant;
    uint32_t kind;                        /* 0 = a program */
    bool is_static, is_unsigned, is_bare; /* bare: a directory without anything around it */
    const char *segment, *section, *section_segment; /* NULL = __TEXT,__text */
    uint32_t flags, other_flags; /* the second in another directory of the same code */
    const char *team, *list, *der;
    bool has_two_lists;
};

struct bytes {
    unsigned char at[8192];
    size_t size;
};

static void little(struct bytes *to, uint32_t number)
{
    for (int i = 0; i < 4; i++, number >>= 8)
        to->at[to->size++] = (unsigned char)number;
}

static void put_big(unsigned char *at, uint32_t number)
{
    for (int i = 3; i >= 0; i--, number >>= 8)
        at[i] = (unsigned char)number;
}

static void big(struct bytes *to, uint32_t number)
{
    put_big(to->at + to->size, number);
    to->size += 4;
}

static void big_64(struct bytes *to, uint64_t number)
{
    big(to, (uint32_t)(number >> 32));
    big(to, (uint32_t)number);
}

static void raw(struct bytes *to, const void *bytes, size_t count)
{
    memcpy(to->at + to->size, bytes, count);
    to->size += count;
}

static void name_16(struct bytes *to, const char *name)
{
    strncpy((char *)to->at + to->size, name, 16);
    to->size += 16;
}

static void fill(struct bytes *to, size_t count)
{
    memset(to->at + to->size, 0, count);
    to->size += count;
}

static void put_segment(struct bytes *to, const struct recipe *of)
{
    const char *segment = of->segment ? of->segment : "__TEXT";

    little(to, 0x19);
    little(to, 72 + 2 * 80);
    name_16(to, segment);
    fill(to, 4 * 8 + 2 * 4);
    little(to, 2);
    little(to, 0);
    name_16(to, "__text");
    name_16(to, "__TEXT");
    fill(to, 48);
    name_16(to, of->section ? of->section : "__const");
    name_16(to, of->section_segment ? of->section_segment : segment);
    fill(to, 48);
}

static void put_directory(struct bytes *to, uint32_t flags, const char *team)
{
    size_t length = team ? strlen(team) + 1 : 0;

    big(to, 0xfade0c02);
    big(to, (uint32_t)(52 + length));
    big(to, team ? 0x20200 : 0x20100);
    big(to, flags);
    fill(to, 32);
    big(to, team ? 52 : 0xffffffff); /* before that version it is something else */
    raw(to, team ? team : "", length);
}

static void put_blob(struct bytes *to, uint32_t magic, const char *text)
{
    big(to, magic);
    big(to, (uint32_t)(8 + strlen(text)));
    raw(to, text, strlen(text));
}

/* The index entry is written when the blob is. */
static void index_blob(struct bytes *to, size_t start, uint32_t kind)
{
    unsigned char *count = to->at + start + 8, *entry = count + 4 + 8 * (size_t)count[3];

    put_big(entry, kind);
    put_big(entry + 4, (uint32_t)(to->size - start));
    count[3]++;
}

#define BLOBS 7
#define BLOBS_AT (12 + 8 * BLOBS)
#define DIRECTORY_AT (BLOBS_AT + 12) /* behind the first one */

static void put_signature(struct bytes *to, const struct recipe *of)
{
    size_t start = to->size;

    if (of->is_bare) {
        put_directory(to, of->flags, of->team);
        return;
    }
    big(to, 0xfade0cc0);
    fill(to, BLOBS_AT - 4);
    index_blob(to, start, 2); /* requirements, which nobody reads */
    put_blob(to, 0xfade0c01, "none");
    index_blob(to, start, 0);
    put_directory(to, of->flags, of->team);
    if (of->other_flags) {
        index_blob(to, start, 0x1000);
        put_directory(to, of->other_flags, NULL);
    }
    for (int i = 0; of->list && i < 1 + of->has_two_lists; i++) {
        index_blob(to, start, 5);
        put_blob(to, 0xfade7171, of->list);
    }
    if (of->der) {
        index_blob(to, start, 7);
        put_blob(to, 0xfade7172, of->der);
    }
    index_blob(to, start, 0x10000); /* who vouches for it */
    put_blob(to, 0xfade0b01, "nobody");
    put_big(to->at + start + 4, (uint32_t)(to->size - start));
}

#define COMMANDS_AT 32
#define SIGNATURE_AT (COMMANDS_AT + 232 + 32 + 16)

/* It ends with the signature, if it has one. */
static void put_part(struct bytes *to, const struct recipe *of)
{
    size_t start = to->size, size = 72 + 2 * 80 + !of->is_static * 32 + !of->is_unsigned * 16;
    struct bytes signature = {.size = 0};

    little(to, 0xfeedfacf);
    little(to, of->type);
    little(to, of->variant);
    little(to, of->kind ? of->kind : 2);
    little(to, 1 + !of->is_static + !of->is_unsigned);
    little(to, (uint32_t)size);
    fill(to, 8);
    put_segment(to, of);
    if (!of->is_static) {
        little(to, 0xe);
        little(to, 32);
        little(to, 12);
        raw(to, "/usr/lib/dyld\0\0\0\0\0\0", 20);
    }
    if (of->is_unsigned)
        return;
    put_signature(&signature, of);
    little(to, 0x1d);
    little(to, 16);
    little(to, (uint32_t)(to->size + 8 - start));
    little(to, (uint32_t)signature.size);
    raw(to, signature.at, signature.size);
}

static struct bytes thin(struct recipe of)
{
    struct bytes all = {.size = 0};

    put_part(&all, &of);
    return all;
}

static struct bytes table_of(const struct recipe *parts, size_t count, bool is_wide)
{
    struct bytes all = {.size = 0}, part;
    uint32_t place = (uint32_t)(8 + count * 32);

    big(&all, is_wide ? 0xcafebabf : 0xcafebabe);
    big(&all, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        part = thin(parts[i]);
        big(&all, parts[i].type);
        big(&all, parts[i].variant);
        if (is_wide) {
            big_64(&all, place);
            big_64(&all, part.size);
        } else {
            big(&all, place);
            big(&all, (uint32_t)part.size);
        }
        fill(&all, is_wide ? 8 : 4);
        place += (uint32_t)part.size;
    }
    fill(&all, 8 + count * 32 - all.size);
    for (size_t i = 0; i < count; i++)
        put_part(&all, &parts[i]);
    return all;
}

#define FAT(...)                             \
    table_of((struct recipe[]){__VA_ARGS__}, \
             sizeof((struct recipe[]){__VA_ARGS__}) / sizeof(struct recipe), false)
#define WIDE(...)                            \
    table_of((struct recipe[]){__VA_ARGS__}, \
             sizeof((struct recipe[]){__VA_ARGS__}) / sizeof(struct recipe), true)

/* ---- examining them -------------------------------------------------------------------------- */

static char folder[32], path[64], library[64];
static struct hl_program program;

static void write_file(const char *at, const void *bytes, size_t size)
{
    int file = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    cr_assert(write(file, bytes, size) == (ssize_t)size && fchmod(file, 0755) == 0);
    close(file);
}

static void set_library(struct bytes bytes)
{
    write_file(library, bytes.at, bytes.size);
}

static void begin(void)
{
    strcpy(folder, "/tmp/macho-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/program", folder);
    snprintf(library, sizeof library, "%s/library", folder);
    machine = HL_MACHINE_APPLE;
    set_library(FAT({X86_64, LIBRARY}, {ARM64, LIBRARY}));
}

static void end(void)
{
    unlink(path);
    unlink(library);
    rmdir(folder);
}

TestSuite(macho, .init = begin, .fini = end);

static int examine_text(const char *text)
{
    write_file(path, text, strlen(text));
    hl_program_examine(path, library, &program);
    return program.status;
}

static void check_answer(void)
{
    cr_assert(program.status == 0 || program.status == HL_PROGRAM_CANNOT_RUN);
    cr_assert(program.status == 0 ||
              (strlen(program.why) < sizeof program.why - 1 && strstr(program.why, "/") &&
               program.remedy && program.remedy[0]));
}

static int examine(struct bytes bytes)
{
    write_file(path, bytes.at, bytes.size);
    hl_program_examine(path, library, &program);
    check_answer();
    return program.status;
}

#define RUNS(bytes) cr_expect_eq(examine(bytes), 0, "%s", program.why)
#define REFUSED(bytes, word)                                                   \
    do {                                                                       \
        cr_expect_eq(examine(bytes), HL_PROGRAM_CANNOT_RUN);                   \
        cr_expect(strstr(program.why, word), "%s: \"%s\"", program.why, word); \
    } while (0)
#define SAYS(word) cr_expect(strstr(program.remedy, word), "%s: \"%s\"", program.remedy, word)

/* ---- processors -------------------------------------------------------------------------------- */

Test(macho, a_program_for_the_machine_can_be_monitored)
{
    RUNS(thin((struct recipe){ARM64}));
    cr_expect_str_eq(program.path, path);
    RUNS(thin((struct recipe){ARM64_V8}));
    RUNS(thin((struct recipe){ARM64, .is_unsigned = true}));
    RUNS(thin((struct recipe){ARM64, .flags = LINKER_SIGNED}));
    machine = HL_MACHINE_INTEL;
    RUNS(thin((struct recipe){X86_64}));
    RUNS(thin((struct recipe){X86_64H}));
    cr_expect_eq(program.preload_first[0], 0);
}

Test(macho, one_for_another_processor_is_refused)
{
    REFUSED(thin((struct recipe){I386}), "built for another processor");
    REFUSED(FAT({I386}, {.type = 0x12}), "built for another processor");
    struct bytes one = thin((struct recipe){ARM64});
    static const uint32_t others[] = {0xfeedfacf, 0xfeedface, 0xcefaedfe};
    for (size_t i = 0; i < 3; i++) {
        put_big(one.at, others[i]);
        REFUSED(one, "built for another processor");
    }
    REFUSED(thin((struct recipe){X86_64H}), "built for another processor");
    machine = HL_MACHINE_INTEL;
    REFUSED(thin((struct recipe){ARM64}), "built for another processor");
    REFUSED(FAT({ARM64}, {ARM64E}), "built for another processor");
    SAYS("built for this machine");
}

/* Only the one that runs is static, so whether it is refused tells which one that is. */
static void expect_choice(enum hl_machine of, struct recipe chosen, struct recipe other)
{
    machine = of;
    chosen.is_static = true;
    REFUSED(FAT(chosen, other), "statically linked");
    REFUSED(FAT(other, chosen), "statically linked");
    REFUSED(thin(chosen), "statically linked");
}

Test(macho, of_several_parts_that_is_examined_which_would_run)
{
    expect_choice(HL_MACHINE_APPLE, (struct recipe){ARM64}, (struct recipe){X86_64});
    expect_choice(HL_MACHINE_APPLE, (struct recipe){ARM64_V8}, (struct recipe){ARM64});
    expect_choice(HL_MACHINE_APPLE, (struct recipe){ARM64E}, (struct recipe){ARM64_V8});
    expect_choice(HL_MACHINE_APPLE, (struct recipe){X86_64}, (struct recipe){I386});
    expect_choice(HL_MACHINE_ROSETTA, (struct recipe){X86_64}, (struct recipe){ARM64E});
    expect_choice(HL_MACHINE_ROSETTA, (struct recipe){ARM64}, (struct recipe){I386});
    expect_choice(HL_MACHINE_INTEL, (struct recipe){X86_64}, (struct recipe){ARM64});
    expect_choice(HL_MACHINE_INTEL, (struct recipe){X86_64H}, (struct recipe){X86_64});
}

Test(macho, the_library_has_to_have_a_part_for_what_runs)
{
    RUNS(thin((struct recipe){X86_64}));
    set_library(thin((struct recipe){ARM64, LIBRARY}));
    RUNS(FAT({X86_64}, {ARM64}));
    REFUSED(thin((struct recipe){X86_64}), "/program runs as x86_64");
    cr_expect(strstr(program.why, "/library is built for arm64"), "%s", program.why);
    SAYS("a Heartline that was built for it");
    machine = HL_MACHINE_ROSETTA;
    REFUSED(FAT({X86_64}, {ARM64}), "runs as x86_64");
    RUNS(thin((struct recipe){ARM64}));
    set_library(thin((struct recipe){X86_64, LIBRARY}));
    REFUSED(thin((struct recipe){ARM64}), "/library is built for x86_64");
    RUNS(FAT({X86_64}, {ARM64}));
    machine = HL_MACHINE_INTEL;
    RUNS(thin((struct recipe){X86_64H}));
    set_library(thin((struct recipe){X86_64H, LIBRARY}));
    RUNS(thin((struct recipe){X86_64H}));
    REFUSED(thin((struct recipe){X86_64}), "/library is built for x86_64h");
    set_library(FAT({X86_64, LIBRARY}, {ARM64, LIBRARY}));
    machine = HL_MACHINE_APPLE;
    REFUSED(thin((struct recipe){ARM64E}), "/library is built for x86_64 arm64");
}

Test(macho, arm64e_takes_no_library_for_arm64_and_the_other_way_round)
{
    REFUSED(thin((struct recipe){ARM64E}), "runs as arm64e");
    SAYS("lipo -thin arm64");
    REFUSED(FAT({ARM64E}, {ARM64}, {X86_64}), "runs as arm64e");
    set_library(thin((struct recipe){ARM64E, LIBRARY}));
    RUNS(thin((struct recipe){ARM64E}));
    REFUSED(thin((struct recipe){ARM64}), "/library is built for arm64e");
}

Test(macho, the_kernel_runs_no_file_with_places_of_64_bits_but_dyld_loads_them)
{
    REFUSED(WIDE({ARM64}, {X86_64}), "places of 64 bits");
    SAYS("-fat64");
    set_library(WIDE({X86_64, LIBRARY}, {ARM64, LIBRARY}));
    RUNS(thin((struct recipe){ARM64}));
    RUNS(thin((struct recipe){X86_64}));
    REFUSED(thin((struct recipe){ARM64E}), "/library is built for x86_64 arm64");
}

Test(macho, a_library_that_is_not_there_or_none_is_named)
{
    set_library((struct bytes){.at = "hello", .size = 5});
    REFUSED(thin((struct recipe){ARM64}), "/library is damaged");
    struct bytes other = {.size = 0};
    fill(&other, 100);
    set_library(other);
    REFUSED(thin((struct recipe){ARM64}), "/library is built for none");
    unlink(library);
    REFUSED(thin((struct recipe){ARM64}), "/library cannot be read: No such file");
}

/* ---- what dyld heeds ------------------------------------------------------------------------------ */

Test(macho, what_dyld_does_not_run_is_refused)
{
    REFUSED(thin((struct recipe){ARM64, .is_static = true}), "statically linked");
    SAYS("link it with libheartline");
    REFUSED(thin((struct recipe){ARM64, LIBRARY}), "is no program, but a library");
}

Test(macho, a_restricted_segment_is_refused)
{
    REFUSED(thin((struct recipe){ARM64, .segment = "__RESTRICT", .section = "__restrict"}),
            "__RESTRICT segment");
    REFUSED(thin((struct recipe){ARM64, .segment = "__RESTRICT", .section = "__restrict",
                                 .section_segment = ""}),
            "__RESTRICT segment");
    REFUSED(thin((struct recipe){ARM64, .section = "__restrict", .section_segment = "__RESTRICT"}),
            "__RESTRICT segment");
    RUNS(thin((struct recipe){ARM64, .segment = "__RESTRICT", .section = "__restricted"}));
    RUNS(thin((struct recipe){ARM64, .segment = "__RESTRICT", .section = "__const"}));
    RUNS(thin((struct recipe){ARM64, .segment = "__RESTRICTED", .section = "__restrict"}));
    RUNS(thin((struct recipe){ARM64, .section = "__restrict"}));
}

/* All combinations of flags and entitlements. */
Test(macho, a_signature_is_heeded_with_its_entitlements)
{
    static const char *const lists[] = {NULL, LIST(KEY(ALLOWS, "<true/>")),
                                        LIST(KEY(FOREIGN, "<true />")),
                                        LIST(KEY(ALLOWS, "<true/>") KEY(FOREIGN, "<true/>"))};
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned j = 0; j < 4; j++) {
            bool is_restricted = i & 1, validates = i & 2, is_hardened = i & 4;
            bool allows = j & 1, takes_foreign = j & 2;
            struct bytes one = thin((struct recipe){
                ARM64,
                .flags = is_restricted * RESTRICTED | validates * VALIDATES |
                         is_hardened * HARDENED | LINKER_SIGNED,
                .list = lists[j],
            });
            if (is_restricted) {
                REFUSED(one, "signed as restricted");
                SAYS("codesign -f");
            } else if (is_hardened && !allows) {
                REFUSED(one, "hardened runtime");
                SAYS(ALLOWS);
            } else if ((is_hardened || validates) && !takes_foreign) {
                REFUSED(one, "no library of another signer");
                SAYS(FOREIGN);
            } else {
                RUNS(one);
            }
        }
    }
}

Test(macho, an_entitlement_has_to_be_true_and_no_comment)
{
    static const char *const not_true[] = {
        "",
        LIST(""),
        LIST(KEY(ALLOWS, "<false/>")),
        LIST(KEY(ALLOWS, "<string>true</string>")),
        LIST(KEY(ALLOWS, "")),
        LIST(KEY(ALLOWS "s", "<true/>")),
        LIST(KEY("x" ALLOWS, "<true/>")),
        LIST("<!-- " KEY(ALLOWS, "<true/>") " -->"),
        LIST("<!-- " KEY(ALLOWS, "<true/>")),
        LIST("<key>" ALLOWS "-other<true/>"),
        LIST("<string>" ALLOWS "</string><true/>"),
        LIST(KEY(FOREIGN, "<true/>")),
    };
    for (size_t i = 0; i < sizeof not_true / sizeof not_true[0]; i++)
        REFUSED(thin((struct recipe){ARM64, .flags = HARDENED, .list = not_true[i]}),
                "hardened runtime");
    REFUSED(thin((struct recipe){ARM64, .flags = HARDENED,
                                 .list = LIST("<!-- no --><!---->" KEY(ALLOWS, "<true/>"))}),
            "no library of another signer");
}

#define DER(length, name) "\x70\x50\x02\x01\x01\x30\x40\x0c" length name

Test(macho, entitlements_may_be_there_as_der_alone)
{
    RUNS(thin((struct recipe){ARM64, .flags = VALIDATES, .der = DER("\x30", FOREIGN "\1\1\xff")}));
    static const char *const not_true[] = {
        "",
        DER("\x30", FOREIGN),
        DER("\x30", FOREIGN "\1\1"),
        DER("\x31", FOREIGN "\1\1\xff"),
        DER("\x30", FOREIGN "\2\1\xff"),
        "\x0d\x30" FOREIGN "\1\1\xff",
        FOREIGN "\1\1\xff",
    };
    for (size_t i = 0; i < sizeof not_true / sizeof not_true[0]; i++)
        REFUSED(thin((struct recipe){ARM64, .flags = VALIDATES, .der = not_true[i]}),
                "no library of another signer");
    REFUSED(thin((struct recipe){ARM64, .flags = VALIDATES, .der = DER("\x30", FOREIGN "\1\1\xff"),
                                 .list = LIST("")}),
            "no library of another signer");
}

Test(macho, who_has_signed_both_may_load_one_into_the_other)
{
    struct recipe one = {ARM64, .flags = VALIDATES, .team = "ABCDE12345"};
    REFUSED(thin(one), "no library of another signer");
    set_library(thin((struct recipe){ARM64, LIBRARY, .team = "ABCDE12345"}));
    RUNS(thin(one));
    set_library(thin((struct recipe){ARM64, LIBRARY, .team = "ABCDE12346"}));
    REFUSED(thin(one), "no library of another signer");
    one.team = NULL;
    REFUSED(thin(one), "no library of another signer");
    set_library(thin((struct recipe){ARM64, LIBRARY}));
    REFUSED(thin(one), "no library of another signer");
}

Test(macho, any_form_of_a_signature_is_read)
{
    REFUSED(thin((struct recipe){ARM64, .flags = HARDENED, .is_bare = true}), "hardened runtime");
    RUNS(thin((struct recipe){ARM64, .is_bare = true}));
    REFUSED(thin((struct recipe){ARM64, .flags = LINKER_SIGNED, .other_flags = HARDENED}),
            "hardened runtime");
    REFUSED(thin((struct recipe){ARM64, .flags = HARDENED, .other_flags = LINKER_SIGNED}),
            "hardened runtime");
    REFUSED(thin((struct recipe){ARM64, .list = LIST(""), .has_two_lists = true}), "is damaged");
}

/* ---- rights ------------------------------------------------------------------------------------------ */

Test(macho, what_is_part_of_macos_is_refused_as_a_program_and_as_what_runs_a_script)
{
    protected_path = path;
    REFUSED(thin((struct recipe){ARM64E}), "/program is part of macOS");
    REFUSED(thin((struct recipe){ARM64}), "/program is part of macOS");
    SAYS("use one that is not");
    char script[80], text[160];
    snprintf(script, sizeof script, "%s/script", folder);
    snprintf(text, sizeof text, "#! %s -x\n", path);
    write_file(script, text, strlen(text));
    hl_program_examine(script, library, &program);
    cr_expect_eq(program.status, HL_PROGRAM_CANNOT_RUN);
    cr_expect(strstr(program.why, "/program, which runs the script, is part of macOS"), "%s",
              program.why);
    SAYS("heartline run /opt/homebrew/bin/bash SCRIPT");
    protected_path = "";
    hl_program_examine(script, library, &program);
    cr_expect_eq(program.status, 0, "%s", program.why);
    protected_path = script; /* the kernel goes by what runs it */
    hl_program_examine(script, library, &program);
    cr_expect_eq(program.status, 0, "%s", program.why);
    unlink(script);
}

Test(macho, text_is_what_the_shell_is)
{
    cr_expect_neq(examine_text("echo hello\n"), 0, "there is no such shell here");
    cr_expect(!program.needs_shell && strncmp(program.why, "/bin/sh ", 8) == 0, "%s", program.why);
}

Test(macho, the_kernel_runs_no_script_by_a_script)
{
    char text[160];
    snprintf(text, sizeof text, "#!%s\n", path);
    cr_expect_eq(examine_text(text), HL_PROGRAM_CANNOT_RUN);
    cr_expect(strstr(program.why, "no more than 1"), "%s", program.why);
}

Test(macho, what_has_more_rights_than_its_caller_is_refused)
{
    if (geteuid() != 0)
        cr_skip_test("only root can make such a program");
    RUNS(thin((struct recipe){ARM64}));
    cr_assert(chmod(path, 04755) == 0);
    hl_program_examine(path, library, &program);
    cr_expect_eq(program.status, 0, "its owner's: %s", program.why);
    cr_assert(chown(path, 1, 0) == 0 && chmod(path, 04755) == 0);
    hl_program_examine(path, library, &program);
    cr_expect(program.status && strstr(program.why, "it is setuid"), "%s", program.why);
    cr_assert(chown(path, 0, 1) == 0 && chmod(path, 02755) == 0);
    hl_program_examine(path, library, &program);
    cr_expect(program.status && strstr(program.why, "it is setgid"), "%s", program.why);
}

/* ---- any bytes -------------------------------------------------------------------------------------- */

static unsigned char *fence; /* behind the last byte that may be read */

/* In place, at the very end of what may be read. */
static int judge(const unsigned char *bytes, size_t size)
{
    if (!fence) {
        unsigned char *pages =
            mmap(NULL, 3 * 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        cr_assert(pages != MAP_FAILED && mprotect(pages + 2 * 8192, 8192, PROT_NONE) == 0);
        fence = pages + 2 * 8192;
    }
    memcpy(fence - size, bytes, size);
    const struct hl_binary binary = {{fence - size, size}, path, library, false};
    program.status = 0;
    if (hl_program_is_binary(&binary.image))
        hl_program_examine_binary(&binary, &program);
    else
        program.status = -1;
    cr_assert(program.status == -1 || program.status == 0 ||
              (program.status == HL_PROGRAM_CANNOT_RUN && program.why[0] && program.remedy));
    return program.status;
}

static const struct recipe whole = {
    ARM64,
    .flags = HARDENED,
    .other_flags = HARDENED | VALIDATES,
    .team = "ABCDE12345",
    .list = LIST(KEY(ALLOWS, "<true/>") KEY(FOREIGN, "<true/>")),
    .der = DER("\x30", FOREIGN "\1\1\xff"),
};

static struct bytes sample(size_t n)
{
    struct recipe bare = whole, plain = {X86_64};
    bare.is_bare = true;
    bare.flags = 0;
    return n == 0 ? thin(whole) : n == 1 ? FAT(plain, whole) : n == 2 ? thin(bare) : WIDE(whole);
}
#define SAMPLES 4 /* the last one is for nobody to run */

Test(macho, a_file_that_ends_too_early_is_damaged_and_nothing_is_read_beyond)
{
    for (size_t n = 0; n < SAMPLES; n++) {
        struct bytes one = sample(n);
        cr_assert_eq(judge(one.at, one.size), n < 3 ? 0 : HL_PROGRAM_CANNOT_RUN, "%s", program.why);
        for (size_t size = 0; size < one.size; size++)
            cr_assert_neq(judge(one.at, size), 0, "sample %zu, the first %zu bytes", n, size);
    }
}

static void expect_damaged(const struct bytes *one, size_t size)
{
    cr_expect_eq(judge(one->at, size), HL_PROGRAM_CANNOT_RUN);
    cr_expect(strstr(program.why, "is damaged"), "%s", program.why);
}

static void little_at(struct bytes *to, size_t at, uint32_t number)
{
    put_big(to->at + at, __builtin_bswap32(number));
}

Test(macho, a_piece_at_the_end_that_is_shorter_than_its_head_is_damaged)
{
    struct bytes one = thin(whole); /* a signature: 12 bytes at least */
    little_at(&one, SIGNATURE_AT - 4, 8);
    put_big(one.at + SIGNATURE_AT + 4, 8);
    expect_damaged(&one, SIGNATURE_AT + 8);
    one = thin((struct recipe){ARM64, .is_bare = true}); /* a directory with a team: 52 */
    expect_damaged(&one, SIGNATURE_AT + 44);
    little_at(&one, SIGNATURE_AT - 4, 44);
    put_big(one.at + SIGNATURE_AT + 4, 44);
    cr_expect_eq(judge(one.at, SIGNATURE_AT + 44), 0, "%s", program.why);
    put_big(one.at + SIGNATURE_AT + 8, 0x20200);
    expect_damaged(&one, SIGNATURE_AT + 44);
    one = thin((struct recipe){ARM64, .is_unsigned = true}); /* a segment: 72 */
    little_at(&one, COMMANDS_AT + 232, 0x19);
    expect_damaged(&one, one.size);
}

Test(macho, a_piece_lies_in_the_file_whatever_its_place_and_size)
{
    static const unsigned char bytes[12] = "text\0untext";
    const struct hl_image image = {bytes, 11};
    cr_expect_eq(hl_image_at(&image, 0, 11), bytes);
    cr_expect_eq(hl_image_at(&image, 11, 0), bytes + 11);
    cr_expect_null(hl_image_at(&image, 0, 12));
    cr_expect_null(hl_image_at(&image, 12, 0));
    cr_expect_null(hl_image_at(&image, 6, 6));
    cr_expect_null(hl_image_at(&image, UINT64_MAX, 1));
    cr_expect_null(hl_image_at(&image, UINT64_MAX - 3, 10));
    cr_expect_null(hl_image_at(&image, 5, UINT64_MAX - 2));
    cr_expect_eq(hl_image_text(&image, 1), (const char *)bytes + 1);
    cr_expect_null(hl_image_text(&image, 5));
    cr_expect_null(hl_image_text(&image, 11));
}

Test(macho, a_library_that_ends_too_early_is_damaged)
{
    struct bytes one = thin((struct recipe){ARM64, LIBRARY, .team = "ABCDE12345"});
    for (size_t size = 0; size < one.size; size++) {
        set_library((struct bytes){.size = 0});
        write_file(library, one.at, size);
        cr_assert_eq(examine(thin((struct recipe){ARM64})), HL_PROGRAM_CANNOT_RUN);
        cr_assert(strstr(program.why, "/library is damaged"), "%zu: %s", size, program.why);
    }
}

Test(macho, any_byte_may_be_wrong)
{
    static const unsigned char wrong[] = {0x01, 0x80, 0xff, 0x7f, 0x10};
    for (size_t n = 0; n < SAMPLES; n++) {
        struct bytes one = sample(n);
        for (size_t at = 0; at < one.size; at++) {
            for (size_t i = 0; i < sizeof wrong; i++) {
                one.at[at] ^= wrong[i];
                judge(one.at, one.size);
                one.at[at] ^= wrong[i];
            }
        }
        cr_assert_eq(judge(one.at, one.size), n < 3 ? 0 : HL_PROGRAM_CANNOT_RUN);
    }
}

Test(macho, places_beyond_the_end_and_huge_counts_are_no_places)
{
    static const uint32_t values[] = {0,          1,          3,          0x7fffffff,
                                      0x80000000, 0xfffffff8, 0xfffffffe, 0xffffffff};
    for (size_t n = 0; n < SAMPLES; n++) {
        struct bytes one = sample(n);
        for (size_t at = 0; at + 4 <= one.size; at++) {
            unsigned char kept[4];
            memcpy(kept, one.at + at, 4);
            for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
                put_big(one.at + at, values[i]);
                judge(one.at, one.size);
                put_big(one.at + at, __builtin_bswap32(values[i]));
                judge(one.at, one.size);
            }
            memcpy(one.at + at, kept, 4);
        }
    }
}

/* Each of these alone makes the file one that the kernel or dyld does not take. */
Test(macho, a_table_that_does_not_fit_is_damaged)
{
    static const struct {
        size_t at;
        uint32_t value;
    } little_ends[] = {
        {16, 4},                            /* more commands than there are */
        {20, 232 + 32 + 8},                 /* room for half of the last command */
        {20, 0xffffffff},                   /* commands beyond the end */
        {COMMANDS_AT + 4, 7},               /* a command that is shorter than its head */
        {COMMANDS_AT + 232 + 4, 0},         /* one of no length at all */
        {COMMANDS_AT + 4, 0xffffffff},      /* one that goes beyond them */
        {COMMANDS_AT + 4, 72},              /* one that its sections do not fit into */
        {COMMANDS_AT + 64, 3},              /* a section that is not there */
        {COMMANDS_AT + 232 + 32 + 8, 8000}, /* a signature beyond the end */
        {COMMANDS_AT + 232 + 32 + 12, 8},   /* one that is shorter than its head */
    };
    struct bytes one = thin(whole);
    for (size_t i = 0; i < sizeof little_ends / sizeof little_ends[0]; i++) {
        struct bytes other = one;
        little_at(&other, little_ends[i].at, little_ends[i].value);
        REFUSED(other, "is damaged");
    }
    const struct {
        size_t at;
        uint32_t value;
    } big_ends[] = {
        {0, 0xfade0cc1},            /* no signature */
        {4, 0xffffffff},            /* longer than its place */
        {8, 0},                     /* nothing in it */
        {8, 0xffffffff},            /* more in it than there can be */
        {12 + 4, 0xffffffff},       /* a piece beyond its end */
        {20, 5},                    /* a directory in the place of entitlements */
        {BLOBS_AT + 4, 7},          /* a piece that is shorter than its head */
        {DIRECTORY_AT, 0xfade0c01}, /* no directory */
        {DIRECTORY_AT + 4, 43},     /* one that is shorter than its head */
        {DIRECTORY_AT + 48, 63},    /* a team's name beyond its end */
        {DIRECTORY_AT + 48, 0xffffffff},
    };
    for (size_t i = 0; i < sizeof big_ends / sizeof big_ends[0]; i++) {
        struct bytes other = one;
        put_big(other.at + SIGNATURE_AT + big_ends[i].at, big_ends[i].value);
        REFUSED(other, "is damaged");
    }
    one = thin(whole); /* the last command, for a signature, says not where */
    little_at(&one, 20, 232 + 32 + 8);
    little_at(&one, SIGNATURE_AT - 12, 8);
    REFUSED(one, "is damaged");
    one = thin((struct recipe){ARM64}); /* nothing behind the shortest head of a directory */
    put_big(one.at + SIGNATURE_AT + DIRECTORY_AT + 4, 44);
    RUNS(one);
    put_big(one.at + SIGNATURE_AT + DIRECTORY_AT + 4, 43);
    REFUSED(one, "is damaged");
}

Test(macho, a_signature_has_one_of_each)
{
    struct bytes one = thin((struct recipe){ARM64, .other_flags = LINKER_SIGNED});
    unsigned char *entries = one.at + SIGNATURE_AT + 12;
    RUNS(one);
    put_big(entries + 8, 5); /* a directory in the place of entitlements, which are not there */
    REFUSED(one, "is damaged");
    put_big(entries + 8, 7);
    REFUSED(one, "is damaged");
    for (size_t i = 0; i < BLOBS; i++) {
        put_big(entries + 8 * i, 0x1000 + (uint32_t)i % 5);
        put_big(entries + 8 * i + 4, DIRECTORY_AT);
    }
    entries[-1] = BLOBS - 1; /* as many as there are hashes */
    RUNS(one);
    entries[-1] = BLOBS;
    REFUSED(one, "is damaged");
}

Test(macho, a_part_has_to_be_what_the_table_says)
{
    struct bytes one = FAT({X86_64}, {ARM64});
    size_t second = 8 + 2 * 32 + thin((struct recipe){X86_64}).size;
    RUNS(one);
    one.at[second + 8] = 1; /* another variant */
    REFUSED(one, "is damaged");
    one.at[second + 8] = 0;
    RUNS(one);
    one.at[second] = 0xce; /* one of 32 bits */
    REFUSED(one, "is damaged");
    one = FAT({X86_64}, {ARM64});
    put_big(one.at + 28 + 12, 31);
    REFUSED(one, "is damaged");
    one = FAT({I386});
    put_big(one.at + 4, 0xffffffff); /* a table that ends behind the file's end */
    REFUSED(one, "is damaged");
}
