/* See vdso.h. The vDSO is a small shared library that no loader has touched:
 * what its dynamic section calls addresses are offsets yet. Newer kernels leave
 * out one or the other of the two hash tables, which are needed here for the
 * number of symbols only. */
#include "vdso.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

struct symbols {
    uintptr_t base;
    const ElfW(Sym) * all;
    const char *names;
    const uint32_t *hash, *gnu_hash; /* either may be NULL */
};

static void take(struct symbols *symbols, const ElfW(Dyn) * entry)
{
    const void *table = (const void *)(symbols->base + entry->d_un.d_ptr);
    switch (entry->d_tag) {
    case DT_SYMTAB:
        symbols->all = table;
        break;
    case DT_STRTAB:
        symbols->names = table;
        break;
    case DT_HASH:
        symbols->hash = table;
        break;
    case DT_GNU_HASH:
        symbols->gnu_hash = table;
        break;
    default:
        break;
    }
}

/* It is mapped in one piece, so one difference holds for all of it. */
static const ElfW(Dyn) * find_dynamic(uintptr_t image, struct symbols *symbols)
{
    const ElfW(Ehdr) *elf = (const void *)image;
    const ElfW(Phdr) *parts = (const void *)(image + elf->e_phoff);
    uintptr_t dynamic = 0;
    for (unsigned i = 0; i < elf->e_phnum; i++) {
        if (parts[i].p_type == PT_LOAD && parts[i].p_offset == 0)
            symbols->base = image - parts[i].p_vaddr;
        if (parts[i].p_type == PT_DYNAMIC)
            dynamic = image + parts[i].p_offset;
    }
    return (const void *)dynamic;
}

/* The hash table of GNU does not say how many there are: the last one ends the
 * chain of the highest bucket. */
static uint32_t count_gnu(const uint32_t *table)
{
    uint32_t buckets = table[0], first = table[1], filters = table[2], last = 0;
    const uint32_t *bucket = table + 4 + filters * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t *chain = bucket + buckets;
    for (uint32_t i = 0; i < buckets; i++)
        last = bucket[i] > last ? bucket[i] : last;
    if (last < first)
        return 0;
    while (!(chain[last - first] & 1))
        last++;
    return last + 1;
}

static uint32_t count(const struct symbols *symbols)
{
    if (symbols->hash)
        return symbols->hash[1];
    return symbols->gnu_hash ? count_gnu(symbols->gnu_hash) : 0;
}

void *hl_plat_vdso(const char *name)
{
    uintptr_t image = getauxval(AT_SYSINFO_EHDR);
    struct symbols symbols = {0};
    const ElfW(Dyn) *dynamic = image ? find_dynamic(image, &symbols) : NULL;
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++)
        take(&symbols, dynamic);
    if (!symbols.all || !symbols.names)
        return NULL;
    for (uint32_t i = 0, n = count(&symbols); i < n; i++) {
        const ElfW(Sym) *symbol = &symbols.all[i];
        if (symbol->st_shndx != SHN_UNDEF && strcmp(symbols.names + symbol->st_name, name) == 0)
            return (void *)(symbols.base + symbol->st_value);
    }
    return NULL;
}
