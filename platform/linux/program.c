/* platform/linux/program.c - would the loader preload a library into this program?
 *
 * It does where it runs at all (the program names it: PT_INTERP), is the one that the
 * library was built for, and trusts its environment. So the file is read as the kernel and
 * the loader would, and compared with the calling program's own.
 */
#define _GNU_SOURCE
#include "../program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MOST_INTERPRETERS 5 /* scripts of scripts, as the kernel allows */
#define LINK_IT "link it with libheartline instead"

/* A file in memory. */
struct image {
    const unsigned char *bytes;
    size_t size;
};

static void refuse(struct hl_program *program, int status, const char *remedy, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));

static void refuse(struct hl_program *program, int status, const char *remedy, const char *format,
                   ...)
{
    va_list arguments;

    program->status = status;
    program->remedy = remedy;
    va_start(arguments, format);
    vsnprintf(program->why, sizeof program->why, format, arguments);
    va_end(arguments);
}

/* ---- the file ------------------------------------------------------------------------ */

static bool open_image(const char *path, struct image *image)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat is;
    void *bytes = MAP_FAILED;
    int error;

    *image = (struct image){(const unsigned char *)"", 0};
    if (descriptor < 0)
        return false;
    bool is_empty = fstat(descriptor, &is) == 0 && is.st_size == 0;
    if (!is_empty)
        bytes = mmap(NULL, (size_t)is.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    error = errno;
    close(descriptor);
    errno = error;
    if (bytes != MAP_FAILED)
        *image = (struct image){bytes, (size_t)is.st_size};
    return is_empty || bytes != MAP_FAILED;
}

static void close_image(struct image *image)
{
    if (image->size > 0)
        munmap((void *)(uintptr_t)image->bytes, image->size);
}

/* A piece of it, or NULL where it has none there. */
static const void *at(const struct image *image, uint64_t offset, uint64_t size)
{
    return offset <= image->size && size <= image->size - offset ? image->bytes + offset : NULL;
}

/* A text in it that ends before its end, or NULL. */
static const char *text_at(const struct image *image, uint64_t offset)
{
    const char *text = at(image, offset, 1);

    return text && memchr(text, 0, image->size - offset) ? text : NULL;
}

/* ---- as ELF ------------------------------------------------------------------------------- */

static bool is_elf(const struct image *image)
{
    return image->size >= EI_NIDENT && memcmp(image->bytes, ELFMAG, SELFMAG) == 0;
}

static const ElfW(Ehdr) * header_of(const struct image *image)
{
    return at(image, 0, sizeof(ElfW(Ehdr)));
}

/* The next segment of that type, from the *from-th on. Copied, as a file may have it anywhere. */
static bool segment(const struct image *image, uint32_t type, size_t *from, ElfW(Phdr) * segment)
{
    const ElfW(Ehdr) *header = header_of(image);

    while (header && *from < header->e_phnum) {
        const void *one = at(image, header->e_phoff + *from * sizeof *segment, sizeof *segment);
        if (!one)
            return false;
        memcpy(segment, one, sizeof *segment);
        ++*from;
        if (segment->p_type == type)
            return true;
    }
    return false;
}

static bool first_segment(const struct image *image, uint32_t type, ElfW(Phdr) * first)
{
    size_t from = 0;

    return segment(image, type, &from, first);
}

/* The loader that it names, or NULL: it needs none. */
static const char *loader_of(const struct image *image)
{
    ElfW(Phdr) one;

    return first_segment(image, PT_INTERP, &one) ? text_at(image, one.p_offset) : NULL;
}

/* Where in the file an address of the loaded program is; UINT64_MAX = nowhere. */
static uint64_t offset_of(const struct image *image, uint64_t address)
{
    ElfW(Phdr) one;

    for (size_t from = 0; segment(image, PT_LOAD, &from, &one);)
        if (address >= one.p_vaddr && address - one.p_vaddr < one.p_filesz)
            return one.p_offset + (address - one.p_vaddr);
    return UINT64_MAX;
}

/* The i-th entry of the dynamic section; false behind the last. */
static bool entry(const struct image *image, const ElfW(Phdr) * dynamic, size_t i,
                  ElfW(Dyn) * entry)
{
    const void *one = (i + 1) * sizeof *entry <= dynamic->p_filesz
                          ? at(image, dynamic->p_offset + i * sizeof *entry, sizeof *entry)
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

static uint64_t offset_of_names(const struct image *image, const ElfW(Phdr) * dynamic)
{
    ElfW(Dyn) one;

    for (size_t i = 0; entry(image, dynamic, i, &one); i++)
        if (one.d_tag == DT_STRTAB)
            return offset_of(image, one.d_un.d_ptr);
    return UINT64_MAX;
}

/* Its runtime wants to be the first library of all. */
static void find_sanitizer(const struct image *image, struct hl_program *program)
{
    ElfW(Phdr) dynamic;
    ElfW(Dyn) one;

    if (!first_segment(image, PT_DYNAMIC, &dynamic))
        return;
    uint64_t names = offset_of_names(image, &dynamic);
    for (size_t i = 0; names != UINT64_MAX && entry(image, &dynamic, i, &one); i++) {
        const char *name = one.d_tag == DT_NEEDED ? text_at(image, names + one.d_un.d_val) : NULL;
        if (name && is_sanitizer(name) && strlen(name) < sizeof program->preload_first)
            strcpy(program->preload_first, name);
    }
}

static bool is_same_loader(const char *loader, const char *ours)
{
    struct stat a, b;

    return strcmp(loader, ours) == 0 || (stat(loader, &a) == 0 && stat(ours, &b) == 0 &&
                                         a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

static void examine_elf(const struct image *image, const struct image *own, const char *what,
                        struct hl_program *program)
{
    const ElfW(Ehdr) *header = header_of(image), *ours = header_of(own);
    const char *loader, *our_loader = loader_of(own);

    if (image->bytes[EI_CLASS] != own->bytes[EI_CLASS] || !header ||
        header->e_machine != ours->e_machine) {
        refuse(program, HL_PROGRAM_CANNOT_RUN, "use a Heartline that was built for it",
               "%s is built for another processor than Heartline", what);
        return;
    }
    loader = loader_of(image);
    if (!loader)
        refuse(program, HL_PROGRAM_CANNOT_RUN, LINK_IT,
               "%s is statically linked, and only a dynamic loader preloads", what);
    else if (our_loader && !is_same_loader(loader, our_loader))
        refuse(program, HL_PROGRAM_CANNOT_RUN, "use a Heartline that was built for that one",
               "%s is for another C library: its loader is %s, Heartline's is %s", what, loader,
               our_loader);
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

/* ---- any file --------------------------------------------------------------------------------- */

static void examine_file(const char *path, const struct image *own, int depth,
                         struct hl_program *program);

/* #! and what stands behind it. */
static void examine_script(const struct image *image, const char *path, const struct image *own,
                           int depth, struct hl_program *program)
{
    char interpreter[PATH_MAX];
    const char *begin = (const char *)image->bytes + 2;
    const char *end = (const char *)image->bytes + image->size;

    while (begin < end && (*begin == ' ' || *begin == '\t'))
        begin++;
    size_t length = 0;
    while (begin + length < end && !strchr(" \t\n", begin[length]) && begin[length])
        length++;
    if (length == 0 || length >= sizeof interpreter) {
        refuse(program, HL_PROGRAM_CANNOT_RUN, "name it behind #!",
               "%s is a script that does not say what runs it", path);
        return;
    }
    memcpy(interpreter, begin, length);
    interpreter[length] = 0;
    if (depth == MOST_INTERPRETERS)
        refuse(program, HL_PROGRAM_CANNOT_RUN, "name a program behind #!",
               "%s is a script of a script of a script: the kernel runs no more than %d", path,
               MOST_INTERPRETERS);
    else
        examine_file(interpreter, own, depth + 1, program);
}

static bool looks_like_text(const struct image *image)
{
    return !memchr(image->bytes, 0, image->size < 256 ? image->size : 256);
}

static void say_unreadable(const char *path, struct hl_program *program)
{
    int status = errno == ENOENT ? HL_PROGRAM_NOT_FOUND : HL_PROGRAM_CANNOT_RUN;

    refuse(program, status, "its file has to be readable", "%s cannot be read: %s", path,
           strerror(errno));
}

static void examine_image(const struct image *image, const char *path, const struct image *own,
                          int depth, struct hl_program *program)
{
    const char *which;

    if (is_elf(image) && has_more_rights(path, &which)) /* the kernel gives none to scripts */
        refuse(program, HL_PROGRAM_CANNOT_RUN, LINK_IT,
               "%s: %s, so its loader preloads nothing for whoever calls it", path, which);
    else if (is_elf(image))
        examine_elf(image, own, path, program);
    else if (image->size >= 2 && memcmp(image->bytes, "#!", 2) == 0)
        examine_script(image, path, own, depth, program);
    else if (depth == 0 && looks_like_text(image))
        program->needs_shell = true;
    else
        refuse(program, HL_PROGRAM_CANNOT_RUN, "run a program or a script",
               "%s is neither a program nor a script", path);
}

static void examine_file(const char *path, const struct image *own, int depth,
                         struct hl_program *program)
{
    struct image image;
    struct stat is;

    if (stat(path, &is) != 0)
        refuse(program, errno == ENOENT ? HL_PROGRAM_NOT_FOUND : HL_PROGRAM_CANNOT_RUN,
               "look for a typing error",
               depth ? "%s, which runs the script, is not there: %s" : "%s is not there: %s", path,
               strerror(errno));
    else if (S_ISDIR(is.st_mode))
        refuse(program, HL_PROGRAM_CANNOT_RUN, "name a program in it", "%s is a folder", path);
    else if (!S_ISREG(is.st_mode) || access(path, X_OK) != 0)
        refuse(program, HL_PROGRAM_CANNOT_RUN, "chmod +x makes a file executable",
               "%s is not executable", path);
    else if (!open_image(path, &image)) {
        say_unreadable(path, program);
    } else {
        examine_image(&image, path, own, depth, program);
        close_image(&image);
    }
}

/* ---- looking for it ------------------------------------------------------------------------------ */

static bool is_executable_file(const char *path)
{
    struct stat is;

    return stat(path, &is) == 0 && S_ISREG(is.st_mode) && access(path, X_OK) == 0;
}

/* In PATH, as execvp does: one that may not be executed counts where there is no better one. */
static bool find_in_path(const char *name, char found[PATH_MAX])
{
    const char *path = getenv("PATH");
    bool is_there = false;

    if (!path)
        path = "/bin:/usr/bin";
    for (const char *from = path;; from++) {
        size_t length = strcspn(from, ":");
        char candidate[PATH_MAX];
        int size = snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)length, from,
                            length ? "/" : "./", name);
        if (size > 0 && (size_t)size < sizeof candidate) {
            bool is_best = is_executable_file(candidate);
            if (is_best || (!is_there && access(candidate, F_OK) == 0)) {
                memcpy(found, candidate, (size_t)size + 1);
                is_there = true;
            }
            if (is_best)
                return true;
        }
        from += length;
        if (!*from)
            return is_there;
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

void hl_program_examine(const char *name, struct hl_program *program)
{
    struct image own;

    *program = (struct hl_program){0};
    if (strchr(name, '/')) {
        snprintf(program->path, sizeof program->path, "%s", name);
    } else if (!*name || !find_in_path(name, program->path)) {
        refuse(program, HL_PROGRAM_NOT_FOUND, "look for a typing error, or name its path",
               "%s is in none of the folders of PATH", *name ? name : "\"\"");
        return;
    }
    if (!open_image("/proc/self/exe", &own)) {
        refuse(program, HL_PROGRAM_CANNOT_RUN, "mount /proc",
               "Heartline's own program cannot be read: %s", strerror(errno));
        return;
    }
    examine_file(program->path, &own, 0, program);
    close_image(&own);
}
