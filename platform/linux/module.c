#define _GNU_SOURCE
#include "module.h"
#include "../frames.h"
#include "plat.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#define PAGE 4096u
#define FARTHEST ((uint64_t)32 << 20) /* code farther behind its header is not found */
#define MOST_HEADERS 32
#define LONGEST 32768 /* function; longer means that most are not in the table (musl) */

/* ---- the module ------------------------------------------------------------------ */

struct headers {
    uint64_t base; /* added to the addresses in them */
    unsigned count;
    ElfW(Phdr) all[MOST_HEADERS];
};

static const ElfW(Phdr) * first_load(const struct headers *headers)
{
    for (unsigned i = 0; i < headers->count; i++)
        if (headers->all[i].p_type == PT_LOAD)
            return &headers->all[i];
    return NULL;
}

static bool read_headers(uint64_t at, struct headers *headers)
{
    ElfW(Ehdr) elf;

    if (hl_plat_peek(at, &elf, sizeof elf) != 0 || memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0)
        return false;
    if (elf.e_phentsize != sizeof headers->all[0] || elf.e_phnum > MOST_HEADERS)
        return false;
    headers->count = elf.e_phnum;
    if (hl_plat_peek(at + elf.e_phoff, headers->all, elf.e_phnum * sizeof headers->all[0]) != 0)
        return false;
    const ElfW(Phdr) *first = first_load(headers);
    if (!first || first->p_offset != 0)
        return false;
    headers->base = at - first->p_vaddr;
    return true;
}

static bool find_code(const struct headers *headers, uint64_t pc, struct hl_module *module)
{
    for (unsigned i = 0; i < headers->count; i++) {
        const ElfW(Phdr) *part = &headers->all[i];
        module->low = headers->base + part->p_vaddr;
        module->high = module->low + part->p_memsz;
        bool is_code = part->p_type == PT_LOAD && part->p_flags & PF_X;
        if (is_code && module->low <= pc && pc < module->high)
            return true;
    }
    return false;
}

/* ---- its functions ------------------------------------------------------------------- */

/* .eh_frame_hdr as all linkers write it: four bytes that say so, where .eh_frame
 * is, how many functions, and a sorted table of where each begins. */
static const unsigned char usual_form[4] = {1, 0x1b, 0x03, 0x3b};

struct table_head {
    unsigned char form[4];
    int32_t frames;
    uint32_t count;
};

struct table_row {
    int32_t begin, description; /* counted from the head */
};

static void find_functions(const struct headers *headers, struct hl_module *module)
{
    struct table_head head;

    module->functions_at = 0;
    for (unsigned i = 0; i < headers->count; i++) {
        if (headers->all[i].p_type != PT_GNU_EH_FRAME)
            continue;
        uint64_t at = headers->base + headers->all[i].p_vaddr;
        if (hl_plat_peek(at, &head, sizeof head) != 0 ||
            memcmp(head.form, usual_form, sizeof usual_form) != 0 || head.count == 0)
            continue;
        module->functions_at = at;
        module->functions_count = head.count;
    }
}

bool hl_module_find(uint64_t pc, struct hl_module *module)
{
    struct headers headers;
    uint64_t at = pc & ~(uint64_t)(PAGE - 1);

    for (uint64_t lowest = at > FARTHEST ? at - FARTHEST : PAGE; at >= lowest; at -= PAGE)
        if (read_headers(at, &headers) && find_code(&headers, pc, module)) {
            find_functions(&headers, module);
            return true;
        }
    return false;
}

/* Where function `index` begins. */
static bool begin_of(const struct hl_module *module, uint32_t index, uint64_t *begin)
{
    struct table_row row;
    uint64_t rows = module->functions_at + sizeof(struct table_head);

    if (hl_plat_peek(rows + (uint64_t)index * sizeof row, &row, sizeof row) != 0)
        return false;
    *begin = module->functions_at + (uint64_t)(int64_t)row.begin;
    return true;
}

/* A call that never returns may be a function's last instruction: hence the byte before. */
static bool find_function(const struct hl_module *module, uint64_t address, uint64_t *low,
                          uint64_t *high)
{
    uint32_t first = 0, end = module->functions_count; /* it is in [first, end) */

    *high = module->high;
    if (module->functions_at == 0 || !begin_of(module, first, low))
        return false;
    while (end - first > 1) {
        uint32_t middle = first + (end - first) / 2;
        uint64_t begin;
        if (!begin_of(module, middle, &begin))
            return false;
        if (begin < address) {
            first = middle;
            *low = begin;
        } else {
            end = middle;
            *high = begin;
        }
    }
    return *low < address && address <= *high;
}

void hl_module_function(const struct hl_module *module, uint64_t address, uint64_t *low,
                        uint64_t *high)
{
    if (find_function(module, address, low, high) && *high - *low <= LONGEST)
        return;
    *low = address;
    *high = address + 1;
}

/* ---- return addresses ------------------------------------------------------------------ */

#if defined(__x86_64__)
#define RULES &hl_frames_x86_64
#elif defined(__aarch64__)
#define RULES &hl_frames_arm64
#else
#define RULES NULL /* what a call looks like there is not known: anything may be one */
#endif

bool hl_module_is_return(const struct hl_module *module, uint64_t address)
{
    static const struct hl_frames_rules *const rules = RULES;
    unsigned char code[HL_FRAMES_CODE_BYTES];

    if (address < module->low + sizeof code || address >= module->high)
        return false;
    return hl_plat_peek(address - sizeof code, code, sizeof code) == 0 &&
           (!rules || hl_frames_ends_with_call(rules, code));
}
