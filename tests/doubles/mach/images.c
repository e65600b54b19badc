/* tests/doubles/mach/images.c - the loaded files, as dyld would list them.
 *
 * Each real file gets a made-up head: one segment of code, linked for 4 GiB as a Mac's
 * are and moved to where the file really lies. A program has an empty page zero before it.
 */
#include "fake_inside.h"

#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mach-o/dyld.h>

#define IMAGES 256
#define LISTENERS 8
#define LINKED_FOR (UINT64_C(4) << 30)

static struct image {
    struct {
        struct mach_header_64 header;
        struct segment_command_64 segments[2];
    } head;
    char path[512];
    intptr_t slide;
} images[IMAGES];
static uint32_t image_count;
static bool is_listed;

typedef void (*listener)(const struct mach_header *header, intptr_t slide);
static listener added[LISTENERS], removed[LISTENERS];
static int added_count, removed_count;

static const struct mach_header *header_of(const struct image *image)
{
    return (const struct mach_header *)&image->head.header;
}

static struct segment_command_64 segment(const char *name, uint64_t address, uint64_t size)
{
    struct segment_command_64 segment = {
        .cmd = LC_SEGMENT_64, .cmdsize = sizeof segment, .vmaddr = address, .vmsize = size};

    memcpy(segment.segname, name, strlen(name));
    return segment;
}

static struct image *append(const char *path, uintptr_t address, size_t size, bool is_program)
{
    if (image_count == IMAGES)
        return NULL;
    struct image *image = &images[image_count++];
    uint32_t count = 0;
    *image = (struct image){.slide = (intptr_t)(address - LINKED_FOR)};
    snprintf(image->path, sizeof image->path, "%s", path);
    if (is_program)
        image->head.segments[count++] = segment(SEG_PAGEZERO, 0, LINKED_FOR);
    image->head.segments[count++] = segment(SEG_TEXT, LINKED_FOR, size);
    image->head.header = (struct mach_header_64){
        .magic = MH_MAGIC_64,
        .filetype = is_program ? MH_EXECUTE : MH_DYLIB,
        .ncmds = count,
        .sizeofcmds = count * (uint32_t)sizeof(struct segment_command_64),
    };
    return image;
}

/* From its first byte to the end of its code. */
static int list_one(struct dl_phdr_info *info, size_t size, void *unused)
{
    char program[512];
    uint64_t low = UINT64_MAX, high = 0;
    bool is_program = image_count == 0;

    (void)size, (void)unused;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && part->p_vaddr < low)
            low = part->p_vaddr;
        if (part->p_type == PT_LOAD && (part->p_flags & PF_X) &&
            part->p_vaddr + part->p_memsz > high)
            high = part->p_vaddr + part->p_memsz;
    }
    if (low >= high)
        return 0;
    ssize_t length = is_program ? readlink("/proc/self/exe", program, sizeof program - 1) : -1;
    if (length > 0)
        program[length] = 0;
    append(length > 0 ? program : info->dlpi_name, info->dlpi_addr + low, high - low, is_program);
    return 0;
}

static void list_once(void)
{
    if (is_listed)
        return;
    is_listed = true;
    dl_iterate_phdr(list_one, NULL);
}

/* ---- what a program may ask ------------------------------------------------------- */

static struct image *image_at(uint32_t index)
{
    list_once();
    return index < image_count ? &images[index] : NULL;
}

/* As Apple's: with whatever the caller of the program said in it. */
int _NSGetExecutablePath(char *path, uint32_t *size)
{
    char own[512];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    int whole;

    if (length < 0)
        return -1;
    own[length] = '\0';
    whole = snprintf(NULL, 0, "/.%s", own);
    if (whole < 0 || *size < (uint32_t)whole + 1) {
        *size = (uint32_t)whole + 1;
        return -1;
    }
    snprintf(path, *size, "/.%s", own);
    return 0;
}

uint32_t _dyld_image_count(void)
{
    fake_enter(FAKE_DYLD);
    list_once();
    uint32_t count = image_count;
    fake_leave();
    return count;
}

const struct mach_header *_dyld_get_image_header(uint32_t index)
{
    fake_enter(FAKE_DYLD);
    struct image *image = image_at(index);
    fake_leave();
    return image ? header_of(image) : NULL;
}

intptr_t _dyld_get_image_vmaddr_slide(uint32_t index)
{
    fake_enter(FAKE_DYLD);
    struct image *image = image_at(index);
    fake_leave();
    return image ? image->slide : 0;
}

const char *_dyld_get_image_name(uint32_t index)
{
    fake_enter(FAKE_DYLD);
    struct image *image = image_at(index);
    fake_leave();
    return image ? image->path : NULL;
}

/* There is no way to take that back: what is registered must stay loaded. */
void _dyld_register_func_for_add_image(listener function)
{
    fake_enter(FAKE_DYLD);
    list_once();
    if (added_count == LISTENERS)
        fake_die("too many listeners for images");
    added[added_count++] = function;
    fake_leave();
    for (uint32_t i = 0; i < image_count; i++)
        function(header_of(&images[i]), images[i].slide);
}

void _dyld_register_func_for_remove_image(listener function)
{
    fake_enter(FAKE_DYLD);
    if (removed_count == LISTENERS)
        fake_die("too many listeners for images");
    removed[removed_count++] = function;
    fake_leave();
}

/* As dlfcn.h of the fake declares it. */
struct fake_dl_info {
    const char *path;
    void *base;
    const char *name;
    void *address;
};
int fake_dladdr(const void *address, struct fake_dl_info *info);

int fake_dladdr(const void *address, struct fake_dl_info *info)
{
    int is_found = 0;

    fake_enter(FAKE_DYLD);
    list_once();
    for (uint32_t i = 0; i < image_count && !is_found; i++) {
        struct image *image = &images[i];
        uint32_t last = image->head.header.ncmds - 1;
        uintptr_t base = (uintptr_t)LINKED_FOR + (uintptr_t)image->slide;
        is_found = address == (const void *)header_of(image) ||
                   (uintptr_t)address - base < image->head.segments[last].vmsize;
        if (is_found)
            *info = (struct fake_dl_info){.path = image->path, .base = (void *)base};
    }
    fake_leave();
    return is_found;
}

/* ---- a test's hand ------------------------------------------------------------------- */

void fake_image_add(const char *path, uintptr_t address, size_t size)
{
    fake_lock();
    list_once();
    struct image *image = append(path, address, size, false);
    fake_unlock();
    if (!image)
        fake_die("there is room for %d images", IMAGES);
    for (int i = 0; i < added_count; i++)
        added[i](header_of(image), image->slide);
}

/* Later images keep their place, as a head must not move while it is loaded: the last one
 * is the only one that can go. */
void fake_image_remove(const char *path)
{
    fake_lock();
    list_once();
    struct image *image = image_count ? &images[image_count - 1] : NULL;
    if (!image || strcmp(image->path, path) != 0)
        fake_die("%s is not the image that was added last", path);
    image_count--;
    fake_unlock();
    for (int i = 0; i < removed_count; i++)
        removed[i](header_of(image), image->slide);
}
