/* platform/darwin/images.c - which loaded file an address lies in, without dyld's lock.
 *
 * Who asks dyld (dladdr, _dyld_get_image_header) takes a lock which a thread that is
 * stuck in an initializer may hold. So dyld is asked to tell: it calls us for every image
 * there is and for each that comes or goes, in the thread that loads it and under its
 * own lock, and what it says is copied into a table that is read without any. Its
 * entries are versioned, odd while one is written; all stores to it are releases and
 * all loads acquires, as in monitor/record.h. That dyld calls one at a time is not
 * relied on: who writes an entry first takes it by its version.
 *
 * An image is where its __TEXT segment is, which begins with its header: offsets count
 * from there, as `atos -l` has them. The files of the system lie in one shared cache,
 * their segments torn apart and sorted by kind, __TEXT to __TEXT; each of them is
 * still an image with a header and a segment of its own, so they are told like all
 * others. dyld itself is none of them, and code made at run time is in none.
 *
 * An image that is unloaded leaves the table at once: frames captured in it before are
 * in no file then, or, when another was loaded to the same place since, in that one.
 *
 * Its name is looked up by its number in dyld's list, as dyld does not tell it; dladdr
 * would search the symbols of the image too, which takes longer than all the rest.
 */
#define _DARWIN_C_SOURCE
#define _DEFAULT_SOURCE
#include "images.h"
#include "plat.h"

#include <mach-o/dyld.h>
#include <stdatomic.h>
#include <string.h>

#define TRIES 4
#define NAME_WORDS (HL_PLAT_MODULE_BYTES / sizeof(uint64_t))

/* Apart from what is needed once an image is found: all of these may be looked at. */
static struct place {
    _Atomic uint64_t version;
    _Atomic uintptr_t low, high; /* both 0 = free */
} places[HL_IMAGES];

static struct label {
    _Atomic uintptr_t key;
    _Atomic uint64_t name[NAME_WORDS];
} labels[HL_IMAGES];

static _Atomic uint32_t used; /* no image lies beyond */
static _Atomic uint64_t lost;

/* ---- writing ------------------------------------------------------------------- */

/* Takes the entry that `version` was read of, unless another writer was there since.
 * Pairs with the acquire loads of version in read_entry. */
static bool take(struct place *place, uint64_t version)
{
    return version % 2 == 0 &&
           atomic_compare_exchange_strong(&place->version, &version, version + 1);
}

static void release(struct place *place)
{
    atomic_fetch_add(&place->version, 1);
}

static void write_entry(uint32_t index, uintptr_t key, uintptr_t low, uintptr_t high,
                        const char *name)
{
    uint64_t words[NAME_WORDS] = {0};
    size_t length = strnlen(name, sizeof words - 1);

    memcpy(words, name, length);
    for (size_t i = 0; i < NAME_WORDS; i++)
        atomic_store_explicit(&labels[index].name[i], words[i], memory_order_release);
    atomic_store_explicit(&labels[index].key, key, memory_order_release);
    atomic_store_explicit(&places[index].high, high, memory_order_release);
    atomic_store_explicit(&places[index].low, low, memory_order_release);
}

static void count_as_used(uint32_t index)
{
    uint32_t seen = atomic_load(&used);

    while (seen <= index && !atomic_compare_exchange_weak(&used, &seen, index + 1))
        continue;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

bool hl_images_add(uintptr_t key, uintptr_t low, uintptr_t high, const char *path)
{
    for (uint32_t i = 0; i < HL_IMAGES; i++) {
        uint64_t version = atomic_load(&places[i].version);
        if (atomic_load(&places[i].low) != 0 || !take(&places[i], version))
            continue;
        write_entry(i, key, low, high, base_of(path));
        release(&places[i]);
        count_as_used(i);
        return true;
    }
    atomic_fetch_add(&lost, 1);
    return false;
}

void hl_images_remove(uintptr_t key)
{
    uint32_t count = atomic_load(&used);

    for (uint32_t i = 0; i < count; i++) {
        uint64_t version = atomic_load(&places[i].version);
        if (atomic_load(&places[i].low) == 0 || atomic_load(&labels[i].key) != key ||
            !take(&places[i], version))
            continue;
        write_entry(i, 0, 0, 0, "");
        release(&places[i]);
        return;
    }
}

uint64_t hl_images_lost(void)
{
    return atomic_load(&lost);
}

/* ---- reading ------------------------------------------------------------------- */

struct entry {
    uintptr_t low, high;
    uint64_t name[NAME_WORDS];
};

static bool read_once(uint32_t index, struct entry *entry)
{
    struct place *place = &places[index];
    uint64_t version = atomic_load_explicit(&place->version, memory_order_acquire);

    entry->low = atomic_load_explicit(&place->low, memory_order_acquire);
    entry->high = atomic_load_explicit(&place->high, memory_order_acquire);
    for (size_t i = 0; i < NAME_WORDS; i++)
        entry->name[i] = atomic_load_explicit(&labels[index].name[i], memory_order_acquire);
    return version % 2 == 0 &&
           version == atomic_load_explicit(&place->version, memory_order_relaxed);
}

/* false: it changes all the time, or its writer is gone for good (in a forked child). */
static bool read_entry(uint32_t index, struct entry *entry)
{
    for (int i = 0; i < TRIES; i++)
        if (read_once(index, entry))
            return true;
    return false;
}

static bool may_hold(uint32_t index, uintptr_t address)
{
    return atomic_load_explicit(&places[index].low, memory_order_relaxed) <= address &&
           address < atomic_load_explicit(&places[index].high, memory_order_relaxed);
}

bool hl_plat_place_of(struct hl_plat *plat, uintptr_t address, char module[HL_PLAT_MODULE_BYTES],
                      uint64_t *offset)
{
    uint32_t count = atomic_load(&used);

    (void)plat;
    for (uint32_t i = 0; i < count; i++) {
        struct entry entry;
        if (!may_hold(i, address) || !read_entry(i, &entry) || address < entry.low ||
            address >= entry.high)
            continue;
        memcpy(module, entry.name, HL_PLAT_MODULE_BYTES);
        *offset = address - entry.low;
        return true;
    }
    module[0] = 0;
    *offset = 0;
    return false;
}

/* ---- what dyld tells --------------------------------------------------------------- */

/* The command at *at, and *at moved behind it. NULL: there is none, or not a whole one. */
static const struct load_command *next_command(const char **at, const char *end)
{
    const struct load_command *command = (const void *)*at;
    size_t left = (size_t)(end - *at);

    if (left < sizeof *command || command->cmdsize < sizeof *command || command->cmdsize > left)
        return NULL;
    *at += command->cmdsize;
    return command;
}

static bool is_text(const struct load_command *command)
{
    const struct segment_command_64 *segment = (const void *)command;

    return command->cmd == LC_SEGMENT_64 && command->cmdsize >= sizeof *segment &&
           strncmp(segment->segname, SEG_TEXT, sizeof segment->segname) == 0;
}

bool hl_images_text(const struct mach_header_64 *header, intptr_t slide, uintptr_t *low,
                    uintptr_t *high)
{
    const char *at = (const char *)(header + 1), *end = at + header->sizeofcmds;
    const struct load_command *command;

    if (header->magic != MH_MAGIC_64)
        return false;
    while ((command = next_command(&at, end)) != NULL && !is_text(command))
        continue;
    if (!command)
        return false;
    const struct segment_command_64 *text = (const void *)command;
    *low = (uintptr_t)text->vmaddr + (uintptr_t)slide;
    *high = *low + (uintptr_t)text->vmsize;
    return *low != 0 && *high > *low;
}

/* dyld tells of its images in the order of its list, so the search begins behind the last. */
static const char *path_of(const struct mach_header *header)
{
    static _Atomic uint32_t expected;
    uint32_t count = _dyld_image_count();
    uint32_t first = atomic_load(&expected);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = (first + i) % count;
        if (_dyld_get_image_header(index) == header) {
            atomic_store(&expected, index + 1);
            return _dyld_get_image_name(index);
        }
    }
    return NULL;
}

static void added(const struct mach_header *header, intptr_t slide)
{
    uintptr_t low, high;
    const char *path;

    if (hl_images_text((const void *)header, slide, &low, &high) &&
        (path = path_of(header)) != NULL)
        hl_images_add((uintptr_t)header, low, high, path);
}

static void removed(const struct mach_header *header, intptr_t slide)
{
    (void)slide;
    hl_images_remove((uintptr_t)header);
}

static void watch(void)
{
    _dyld_register_func_for_remove_image(removed); /* first: none may go unnoticed */
    _dyld_register_func_for_add_image(added);
}

void hl_images_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, watch);
}
