/* tests/fuzz/fuzz_program.c - what is read of a program before a library is loaded into it.
 *
 * The input is some files (files.h). The first is examined, by its path: /proc/self/fd/100,
 * by which the others can name it; the second is /proc/self/fd/101, and so on. One with an
 * error (`!13`) is not executable. Two are none of these: `name` is examined instead of
 * the first, and looked for in `PATH`.
 *
 * What comes out is found a second time, unless a file of the system is what decides. A
 * mapping can be read to the end of its page; each file is given as a block of exactly its
 * size instead, so that a reading beyond it is noticed.
 */
#define _GNU_SOURCE
#include "../../platform/program.h"
#include "files.h"
#include "fuzz.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_DESCRIPTOR 100
#define OF_DESCRIPTOR "/proc/self/fd/"
enum { PROGRAMS = 8, MAPS = 2 * PROGRAMS, DEEPEST = 5 };

/* ---- the files of an input ------------------------------------------------------------------ */

static const struct fuzz_file *programs[PROGRAMS];
static int program_count;

static void open_program(const struct fuzz_file *file)
{
    int descriptor = memfd_create("program", MFD_CLOEXEC);
    int number = FIRST_DESCRIPTOR + program_count;
    MUST(descriptor >= 0 && fchmod(descriptor, file->error ? 0644 : 0755) == 0, "no file");
    MUST(write(descriptor, file->bytes, file->size) == (ssize_t)file->size, "no room");
    MUST(dup3(descriptor, number, O_CLOEXEC) == number, "no descriptor %d", number);
    close(descriptor);
    programs[program_count++] = file;
}

static void open_programs(void)
{
    const struct fuzz_file *file;
    for (size_t i = 0; (file = fuzz_file_at(i)) && program_count < PROGRAMS; i++)
        if (strcmp(file->name, "name") != 0 && strcmp(file->name, "PATH") != 0)
            open_program(file);
}

static void close_programs(void)
{
    while (program_count > 0)
        close(FIRST_DESCRIPTOR + --program_count);
}

/* NULL: it is none of ours. */
static const struct fuzz_file *program_at(const char *path)
{
    char own[32];
    for (int i = 0; i < program_count; i++) {
        snprintf(own, sizeof own, OF_DESCRIPTOR "%d", FIRST_DESCRIPTOR + i);
        if (strcmp(path, own) == 0)
            return programs[i];
    }
    return NULL;
}

/* ---- in memory -------------------------------------------------------------------------------- */

static struct map {
    void *at;
    size_t size;
    bool is_block;
} maps[MAPS];
static bool is_examining;
static int maps_open;

static const struct fuzz_file *program_open_as(int descriptor)
{
    struct stat is, ours;
    MUST(fstat(descriptor, &is) == 0, "no descriptor %d is mapped", descriptor);
    for (int i = 0; i < program_count; i++)
        if (fstat(FIRST_DESCRIPTOR + i, &ours) == 0 && ours.st_ino == is.st_ino &&
            ours.st_dev == is.st_dev)
            return programs[i];
    return NULL;
}

static void *new_block(const struct fuzz_file *file, size_t size)
{
    MUST(size == file->size, "%zu bytes of %zu", size, file->size);
    void *block = malloc(size);
    if (!block)
        abort();
    return memcpy(block, file->bytes, size);
}

static void note_map(void *at, size_t size, bool is_block)
{
    struct map *map = maps;
    while (map < maps + MAPS && map->at)
        map++;
    MUST(map < maps + MAPS, "more files are read than there are");
    *map = (struct map){at, size, is_block};
    maps_open++;
}

#define WRAP_MMAP(name)                                                                     \
    void *__real_##name(void *, size_t, int, int, int, off_t);                              \
    void *__wrap_##name(void *, size_t, int, int, int, off_t);                              \
    void *__wrap_##name(void *at, size_t size, int rights, int how, int file, off_t offset) \
    {                                                                                       \
        bool is_ours = is_examining && file >= 0;                                           \
        const struct fuzz_file *program = is_ours ? program_open_as(file) : NULL;           \
        void *map = program ? new_block(program, size)                                      \
                            : __real_##name(at, size, rights, how, file, offset);           \
        if (is_ours && map != MAP_FAILED)                                                   \
            note_map(map, size, program != NULL);                                           \
        return map;                                                                         \
    }

WRAP_MMAP(mmap)
WRAP_MMAP(mmap64)

int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size)
{
    for (struct map *map = maps; map < maps + MAPS; map++) {
        if (map->at != at)
            continue;
        bool is_block = map->is_block;
        MUST(map->size == size, "%zu of %zu bytes are given back", size, map->size);
        *map = (struct map){NULL, 0, false};
        maps_open--;
        if (is_block)
            free(at);
        return is_block ? 0 : __real_munmap(at, size);
    }
    return __real_munmap(at, size);
}

/* ---- what must come out ------------------------------------------------------------------------- */

#define NOT_KNOWN (-1)

struct want {
    int status;
    bool needs_shell;
    char preload_first[sizeof((struct hl_program *)NULL)->preload_first];
};

extern const char __ehdr_start[]; /* by the linker: this program, as it was loaded */

static const ElfW(Ehdr) * own(void)
{
    return (const void *)__ehdr_start;
}

static bool copy(const struct fuzz_file *file, uint64_t from, void *to, size_t size)
{
    if (size > file->size || from > file->size - size)
        return false;
    memcpy(to, file->bytes + from, size);
    return true;
}

static const char *text_in(const struct fuzz_file *file, uint64_t from)
{
    bool is_whole = from < file->size && memchr(file->bytes + from, '\0', file->size - from);
    return is_whole ? file->bytes + from : NULL;
}

/* The n-th segment, of the header's count; those behind the file's end are none. */
static bool segment_at(const struct fuzz_file *file, unsigned n, ElfW(Phdr) * segment)
{
    ElfW(Ehdr) header;
    return copy(file, 0, &header, sizeof header) && n < header.e_phnum &&
           copy(file, header.e_phoff + n * sizeof *segment, segment, sizeof *segment);
}

static bool first_of(const struct fuzz_file *file, unsigned type, ElfW(Phdr) * segment)
{
    unsigned n = 0;
    while (segment_at(file, n, segment) && segment->p_type != type)
        n++;
    return segment_at(file, n, segment);
}

static const char *own_loader(void)
{
    const ElfW(Phdr) *segment = (const void *)(__ehdr_start + own()->e_phoff);
    while (segment->p_type != PT_INTERP)
        segment++;
    return __ehdr_start + segment->p_offset;
}

static bool is_own_loader(const char *loader)
{
    struct stat is, ours;
    return stat(loader, &is) == 0 && stat(own_loader(), &ours) == 0 && is.st_ino == ours.st_ino &&
           is.st_dev == ours.st_dev;
}

static bool is_runtime(const char *name)
{
    return strncmp(name, "libasan.so", 10) == 0 || strncmp(name, "libtsan.so", 10) == 0 ||
           strncmp(name, "liblsan.so", 10) == 0 || strncmp(name, "libhwasan.so", 12) == 0 ||
           strncmp(name, "libclang_rt.asan", 16) == 0 || strncmp(name, "libclang_rt.tsan", 16) == 0;
}

static bool entry_at(const struct fuzz_file *file, const ElfW(Phdr) * table, size_t n,
                     ElfW(Dyn) * entry)
{
    return n < table->p_filesz / sizeof *entry &&
           copy(file, table->p_offset + n * sizeof *entry, entry, sizeof *entry) &&
           entry->d_tag != DT_NULL;
}

static bool find_names(const struct fuzz_file *file, const ElfW(Phdr) * table, uint64_t *names)
{
    ElfW(Phdr) segment;
    ElfW(Dyn) entry = {0};
    for (size_t n = 0; entry.d_tag != DT_STRTAB; n++)
        if (!entry_at(file, table, n, &entry))
            return false;
    for (unsigned n = 0; segment_at(file, n, &segment); n++) {
        *names = entry.d_un.d_ptr - segment.p_vaddr + segment.p_offset;
        if (segment.p_type == PT_LOAD && entry.d_un.d_ptr >= segment.p_vaddr &&
            entry.d_un.d_ptr - segment.p_vaddr < segment.p_filesz)
            return true;
    }
    return false;
}

static void want_runtime(const struct fuzz_file *file, struct want *want)
{
    ElfW(Phdr) table;
    ElfW(Dyn) entry;
    uint64_t names;
    if (!first_of(file, PT_DYNAMIC, &table) || !find_names(file, &table, &names))
        return;
    for (size_t n = 0; entry_at(file, &table, n, &entry); n++) {
        const char *name =
            entry.d_tag == DT_NEEDED ? text_in(file, names + entry.d_un.d_val) : NULL;
        bool is_one_name = name && !strpbrk(name, " :");
        if (is_one_name && is_runtime(name) && strlen(name) < sizeof want->preload_first)
            strcpy(want->preload_first, name);
    }
}

static void want_elf(const struct fuzz_file *file, struct want *want)
{
    ElfW(Ehdr) header;
    ElfW(Phdr) loader;
    if (!copy(file, 0, &header, sizeof header) || header.e_machine != own()->e_machine ||
        header.e_ident[EI_CLASS] != own()->e_ident[EI_CLASS])
        return;
    const char *path = first_of(file, PT_INTERP, &loader) ? text_in(file, loader.p_offset) : NULL;
    if (!path || !is_own_loader(path))
        return;
    want->status = 0;
    want_runtime(file, want);
}

static void want_of(const struct fuzz_file *file, int depth, struct want *want);

static void want_script(const struct fuzz_file *file, int depth, struct want *want)
{
    char path[PATH_MAX];
    size_t from = 2, length = 0;
    while (from < file->size && (file->bytes[from] == ' ' || file->bytes[from] == '\t'))
        from++;
    while (from + length < file->size && !memchr(" \t\n", file->bytes[from + length], 4))
        length++;
    if (length == 0 || length >= sizeof path || depth == DEEPEST)
        return;
    memcpy(path, file->bytes + from, length);
    path[length] = '\0';
    const struct fuzz_file *by = program_at(path);
    if (by)
        want_of(by, depth + 1, want);
    else
        want->status = NOT_KNOWN;
}

static void want_of(const struct fuzz_file *file, int depth, struct want *want)
{
    bool is_elf = file->size >= EI_NIDENT && memcmp(file->bytes, ELFMAG, SELFMAG) == 0;
    bool is_text = !memchr(file->bytes, '\0', fuzz_at_most(file->size, 256));
    *want = (struct want){.status = HL_PROGRAM_CANNOT_RUN};
    if (file->error)
        return;
    if (is_elf) {
        want_elf(file, want);
    } else if (file->size >= 2 && memcmp(file->bytes, "#!", 2) == 0) {
        want_script(file, depth, want);
    } else if (depth == 0 && is_text) {
        want->status = 0;
        want->needs_shell = true;
    }
}

/* ---- one input ------------------------------------------------------------------------------------ */

static bool is_ended(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

/* What is no character of a line can only be of a name that the input gave. */
static void meet_line(const char *text, const struct fuzz_input *input)
{
    uint32_t code;
    for (size_t left = strlen(text), size; left > 0; text += size, left -= size) {
        size = fuzz_character(text, left, &code);
        bool is_good = size > 0 && !fuzz_is_control(code);
        size += size == 0;
        for (size_t i = 0; !is_good && i < size; i++)
            MUST(memchr(input->at, text[i], fuzz_left(input)), "byte %02x", (unsigned char)text[i]);
    }
}

static void meet_texts(const struct hl_program *program, const struct fuzz_input *input)
{
    MUST(is_ended(program->path, sizeof program->path), "no end of the path");
    MUST(is_ended(program->preload_first, sizeof program->preload_first), "no end of a library");
    MUST(is_ended(program->why, sizeof program->why), "no end of the reason");
    MUST(program->status == 0 || program->status == HL_PROGRAM_CANNOT_RUN ||
             program->status == HL_PROGRAM_NOT_FOUND,
         "status %d", program->status);
    MUST((program->status != 0) == (program->why[0] != '\0'), "%d: %s", program->status,
         program->why);
    MUST((program->status != 0) == (program->remedy != NULL && program->remedy[0] != '\0'),
         "%d: what to do", program->status);
    MUST(program->status == 0 || (!program->needs_shell && !program->preload_first[0]),
         "it is refused, and how it is run is said");
    meet_line(program->why, input);
}

static bool is_in_path(const char *name)
{
    char folders[PATH_MAX], path[2 * PATH_MAX], *next = folders, *folder;
    strcpy(folders, getenv("PATH"));
    while ((folder = strsep(&next, ":"))) {
        snprintf(path, sizeof path, "%s/%s", folder[0] ? folder : ".", name);
        if (strlen(path) < PATH_MAX && access(path, F_OK) == 0)
            return true;
    }
    return false;
}

/* It is what was named, or lies where it was looked for. */
static void meet_path(const struct hl_program *program, const char *name)
{
    size_t length = strlen(program->path), tail = strlen(name);
    bool is_end = length >= tail && strcmp(program->path + length - tail, name) == 0;
    if (tail >= PATH_MAX)
        MUST(program->status == HL_PROGRAM_CANNOT_RUN && length == 0, "%d: %s", program->status,
             program->path);
    else if (strchr(name, '/'))
        MUST(strcmp(program->path, name) == 0, "%s, not %s", program->path, name);
    else if (program->path[0])
        MUST(is_end && length > tail && program->path[length - tail - 1] == '/',
             "%s is found for %s", program->path, name);
    else
        MUST(program->status == HL_PROGRAM_NOT_FOUND && (!name[0] || !is_in_path(name)),
             "%s is not found: %d", name, program->status);
}

static void meet_wanted(const struct hl_program *program)
{
    struct want want;
    const struct fuzz_file *file = program_at(program->path);
    if (file)
        want_of(file, 0, &want);
    if (!file || want.status == NOT_KNOWN)
        return;
    MUST(program->status == want.status, "%d, not %d: %s", program->status, want.status,
         program->why);
    MUST(program->needs_shell == want.needs_shell, "by a shell: %d", program->needs_shell);
    MUST(strcmp(program->preload_first, want.preload_first) == 0, "before all: %s, not %s",
         program->preload_first, want.preload_first);
}

static int lowest_free_descriptor(void)
{
    int descriptor = open("/", O_PATH | O_CLOEXEC);
    close(descriptor);
    return descriptor;
}

static void examine(const char *name, const struct fuzz_input *input)
{
    struct hl_program *program = malloc(sizeof *program);
    if (!program)
        abort();
    memset(program, 'x', sizeof *program);
    int free_before = lowest_free_descriptor();
    is_examining = true;
    hl_program_examine(name, "/no/such/library", program);
    is_examining = false;
    MUST(maps_open == 0, "%d files are still in memory", maps_open);
    MUST(lowest_free_descriptor() == free_before, "a file is still open");
    meet_texts(program, input);
    meet_path(program, name);
    meet_wanted(program);
    free(program);
}

/* The text of that file, or without one the other text. */
static void fill_text(char *text, size_t capacity, const char *file_name, const char *other)
{
    const struct fuzz_file *file = fuzz_file(file_name);
    struct fuzz_input bytes =
        fuzz_over(file ? (const uint8_t *)file->bytes : NULL, file ? file->size : 0);
    fuzz_text(&bytes, text, capacity);
    if (!file)
        strcpy(text, other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char variable[5 + PATH_MAX] = "PATH=";
    char name[PATH_MAX + 100]; /* it may be too long */
    struct fuzz_input input = fuzz_over(data, size);
    fuzz_files_begin(data, size);
    open_programs();
    putenv(variable);
    fill_text(variable + strlen("PATH="), PATH_MAX, "PATH", "/no/such/folder");
    fill_text(name, sizeof name, "name", OF_DESCRIPTOR "100");
    examine(name, &input);
    close_programs();
    fuzz_files_end();
    return 0;
}
