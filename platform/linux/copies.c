/* platform/linux/copies.c - the copies of the library in this process.
 *
 * Each has a note in its module, which the linker puts into a segment of notes, and the
 * loader lists the modules. So a copy is found before any code of it has run, whatever
 * symbols its module shows, and whoever is linked statically has none but its own.
 *
 *     n_type   HL_NOTE: the form of what is behind it, and of struct hl_plat_copy
 *     n_desc   how far hl_copy lies behind n_desc, four bytes
 */
#define _GNU_SOURCE
#include "../platform.h"

#include <link.h>
#include <string.h>

#define OWNER "Heartline"
#define HL_NOTE 1

__asm__(".pushsection .note.heartline,\"a\",%note\n"
        ".balign 4\n"
        ".long 10, 4, 1\n" /* with OWNER's end; n_desc; HL_NOTE */
        ".asciz \"Heartline\"\n"
        ".balign 4\n"
        ".long hl_copy - .\n"
        ".popsection\n");

struct search {
    size_t left; /* to be passed over */
    const struct hl_plat_copy *found;
};

static const struct hl_plat_copy *copy_in(const ElfW(Nhdr) * note, const char *description)
{
    int32_t distance;

    if (note->n_type != HL_NOTE || note->n_namesz != sizeof OWNER ||
        note->n_descsz != sizeof distance || memcmp(note + 1, OWNER, sizeof OWNER) != 0)
        return NULL;
    memcpy(&distance, description, sizeof distance);
    return (const void *)(description + distance);
}

/* Offsets within the segment, whose notes are aligned as it is. */
static size_t up(size_t offset, size_t alignment)
{
    return (offset + alignment - 1) / alignment * alignment;
}

static bool search_notes(const char *notes, size_t size, size_t alignment, struct search *search)
{
    for (size_t at = 0; size - at >= sizeof(ElfW(Nhdr));) {
        const ElfW(Nhdr) *note = (const void *)(notes + at);
        size_t description = up(at + sizeof *note + note->n_namesz, alignment);
        size_t next = up(description + note->n_descsz, alignment);
        if (next > size)
            return false;
        const struct hl_plat_copy *copy = copy_in(note, notes + description);
        if (copy && search->left-- == 0) {
            search->found = copy;
            return true;
        }
        at = next;
    }
    return false;
}

static int search_module(struct dl_phdr_info *module, size_t size, void *data)
{
    struct search *search = data;

    (void)size;
    for (unsigned i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &module->dlpi_phdr[i];
        const char *notes = (const char *)(uintptr_t)(module->dlpi_addr + part->p_vaddr);
        if (part->p_type == PT_NOTE &&
            search_notes(notes, part->p_memsz, part->p_align == 8 ? 8 : 4, search))
            return 1;
    }
    return 0;
}

const struct hl_plat_copy *hl_plat_find_copy(size_t n)
{
    struct search search = {n, NULL};

    dl_iterate_phdr(search_module, &search);
    return search.found;
}
