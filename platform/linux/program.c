/* platform/linux/program.c - would the loader preload a library into this program?
 *
 * It does where it runs at all (the program names it: PT_INTERP), is the one that the
 * library was built for, and trusts its environment. So the file is read as the kernel and
 * the loader would, and compared with the calling program's own.
 */
#define _GNU_SOURCE
#include "../platform.h"
#include "../program.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

const int hl_program_scripts = 5;

/* ---- as ELF ------------------------------------------------------------------------------- */

bool hl_program_is_binary(const struct hl_image *image)
{
    return image->size >= EI_NIDENT && memcmp(image->bytes, ELFMAG, SELFMAG) == 0;
}

static const ElfW(Ehdr) * header_of(const struct hl_image *image)
{
    return hl_image_at(image, 0, sizeof(ElfW(Ehdr)));
}

/* The next segment of that type, from the *from-th on. Copied, as a file may have it anywhere. */
static bool segment(const struct hl_image *image, uint32_t type, size_t *from, ElfW(Phdr) * segment)
{
    const ElfW(Ehdr) *header = header_of(image);

    while (header && *from < header->e_phnum) {
        const void *one =
            hl_image_at(image, header->e_phoff + *from * sizeof *segment, sizeof *segment);
        if (!one)
            return false;
        memcpy(segment, one, sizeof *segment);
        ++*from;
        if (segment->p_type == type)
            return true;
    }
    return false;
}

static bool first_segment(const struct hl_image *image, uint32_t type, ElfW(Phdr) * first)
{
    size_t from = 0;

    return segment(image, type, &from, first);
}

/* The loader that it names, or NULL: it needs none. */
static const char *loader_of(const struct hl_image *image)
{
    ElfW(Phdr) one;

    return first_segment(image, PT_INTERP, &one) ? hl_image_text(image, one.p_offset) : NULL;
}

/* Where in the file an address of the loaded program is; UINT64_MAX = nowhere. */
static uint64_t offset_of(const struct hl_image *image, uint64_t address)
{
    ElfW(Phdr) one;

    for (size_t from = 0; segment(image, PT_LOAD, &from, &one);)
        if (address >= one.p_vaddr && address - one.p_vaddr < one.p_filesz)
            return one.p_offset + (address - one.p_vaddr);
    return UINT64_MAX;
}

/* The i-th entry of the dynamic section; false behind the last. */
static bool entry(const struct hl_image *image, const ElfW(Phdr) * dynamic, size_t i,
                  ElfW(Dyn) * entry)
{
    const void *one = (i + 1) * sizeof *entry <= dynamic->p_filesz
                          ? hl_image_at(image, dynamic->p_offset + i * sizeof *entry, sizeof *entry)
                          : NULL;

    if (!one)
        return false;
    memcpy(entry, one, sizeof *entry);
    return entry->d_tag != DT_NULL;
}

static bool is_sanitizer(const char *library)
{
    static const char *const names[] = {"libasan.so",   "libtsan.so",       "liblsan.so",
                                        "libhwasan.so", "libclang_rt.asan", "libclang_rt.tsan"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(library, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static uint64_t offset_of_names(const struct hl_image *image, const ElfW(Phdr) * dynamic)
{
    ElfW(Dyn) one;

    for (size_t i = 0; entry(image, dynamic, i, &one); i++)
        if (one.d_tag == DT_STRTAB)
            return offset_of(image, one.d_un.d_ptr);
    return UINT64_MAX;
}

/* Its runtime wants to be the first library of all. */
static void find_sanitizer(const struct hl_image *image, struct hl_program *program)
{
    ElfW(Phdr) dynamic;
    ElfW(Dyn) one;

    if (!first_segment(image, PT_DYNAMIC, &dynamic))
        return;
    uint64_t names = offset_of_names(image, &dynamic);
    for (size_t i = 0; names != UINT64_MAX && entry(image, &dynamic, i, &one); i++) {
        const char *name =
            one.d_tag == DT_NEEDED ? hl_image_text(image, names + one.d_un.d_val) : NULL;
        bool is_one_name = name && !name[strcspn(name, hl_plat_preload_separators)];
        if (is_one_name && is_sanitizer(name) && strlen(name) < sizeof program->preload_first)
            strcpy(program->preload_first, name);
    }
}

static bool is_same_loader(const char *loader, const char *ours)
{
    struct stat a, b;

    return strcmp(loader, ours) == 0 || (stat(loader, &a) == 0 && stat(ours, &b) == 0 &&
                                         a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

static void examine_elf(const struct hl_image *image, const struct hl_image *own, const char *what,
                        struct hl_program *program)
{
    const ElfW(Ehdr) *header = header_of(image), *ours = header_of(own);
    const char *loader, *our_loader = loader_of(own);

    if (image->bytes[EI_CLASS] != own->bytes[EI_CLASS] || !header ||
        header->e_machine != ours->e_machine) {
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, "use a Heartline that was built for it",
                          "%s is built for another processor than Heartline", what);
        return;
    }
    loader = loader_of(image);
    if (!loader)
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, HL_PROGRAM_LINK_IT,
                          "%s is statically linked, and only a dynamic loader preloads", what);
    else if (our_loader && !is_same_loader(loader, our_loader))
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN,
                          "use a Heartline that was built for that one",
                          "%s is for another C library: its loader is %s, Heartline's is %s", what,
                          loader, our_loader);
    else
        find_sanitizer(image, program);
}

/* ---- rights --------------------------------------------------------------------------------- */

/* Where the kernel gives it more rights than its caller has, the loader ignores the variable. */
static bool has_more_rights(const char *path, const char **which)
{
    struct stat is;

    if (stat(path, &is) != 0)
        return false;
    if (is.st_mode & S_ISUID && is.st_uid != getuid())
        *which = "it is setuid";
    else if (is.st_mode & S_ISGID && is.st_mode & S_IXGRP && is.st_gid != getgid())
        *which = "it is setgid";
    else if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
        *which = "it carries capabilities";
    else
        return false;
    return true;
}

/* ---- a program -------------------------------------------------------------------------------- */

void hl_program_examine_binary(const struct hl_binary *binary, struct hl_program *program)
{
    struct hl_image own;
    const char *which;

    if (has_more_rights(binary->path, &which)) { /* the kernel gives none to scripts */
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, HL_PROGRAM_LINK_IT,
                          "%s: %s, so its loader preloads nothing for whoever calls it",
                          binary->path, which);
    } else if (!hl_image_open("/proc/self/exe", &own)) {
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, "mount /proc",
                          "Heartline's own program cannot be read: %s", strerror(errno));
    } else {
        examine_elf(&binary->image, &own, binary->path, program);
        hl_image_close(&own);
    }
}

bool hl_program_own_path(char path[PATH_MAX])
{
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);

    if (size <= 0)
        return false;
    path[size] = 0;
    return true;
}
