/* tests/mach/test_images.c - loaded files: made-up heads of real ones, and made-up ones. */
#define _GNU_SOURCE
#include "helper.h"

#include <mach-o/dyld.h>

static bool is_in(const struct mach_header *header, intptr_t slide, uintptr_t address)
{
    const struct mach_header_64 *head = (const struct mach_header_64 *)header;
    const char *at = (const char *)(head + 1);

    for (uint32_t i = 0; i < head->ncmds; i++) {
        const struct segment_command_64 *segment = (const struct segment_command_64 *)at;
        uintptr_t low = (uintptr_t)segment->vmaddr + (uintptr_t)slide;
        if (strcmp(segment->segname, SEG_TEXT) == 0 && low <= address &&
            address < low + segment->vmsize)
            return true;
        at += segment->cmdsize;
    }
    return false;
}

Test(images, code_of_this_program_lies_in_the_first)
{
    cr_assert_gt(_dyld_image_count(), 1);
    const struct mach_header *program = _dyld_get_image_header(0);
    cr_assert_eq(program->magic, MH_MAGIC_64);
    cr_assert_eq(program->filetype, MH_EXECUTE);
    cr_assert(is_in(program, _dyld_get_image_vmaddr_slide(0), (uintptr_t)&is_in));
    cr_assert(strstr(_dyld_get_image_name(0), "mach-tests"));
    cr_assert_not(is_in(program, _dyld_get_image_vmaddr_slide(0), 0x1000));
    cr_assert_null(_dyld_get_image_header(_dyld_image_count()));
}

static uint32_t images_told, images_gone;
static const struct mach_header *last_told;

static void note_added(const struct mach_header *header, intptr_t slide)
{
    (void)slide;
    images_told++;
    last_told = header;
}

static void note_removed(const struct mach_header *header, intptr_t slide)
{
    (void)slide;
    images_gone += header == last_told;
}

Test(images, who_asks_is_told_of_all_and_of_later_ones)
{
    _dyld_register_func_for_add_image(note_added);
    _dyld_register_func_for_remove_image(note_removed);
    uint32_t before = _dyld_image_count();
    cr_assert_eq(images_told, before);
    fake_image_add("/usr/lib/libnew.dylib", 0x7000000000, 0x4000);
    cr_assert_eq(images_told, before + 1);
    cr_assert_str_eq(_dyld_get_image_name(before), "/usr/lib/libnew.dylib");
    cr_assert(is_in(last_told, _dyld_get_image_vmaddr_slide(before), 0x7000000000));
    cr_assert(is_in(last_told, _dyld_get_image_vmaddr_slide(before), 0x7000003fff));
    cr_assert_not(is_in(last_told, _dyld_get_image_vmaddr_slide(before), 0x7000004000));
    fake_image_remove("/usr/lib/libnew.dylib");
    cr_assert_eq(images_gone, 1);
    cr_assert_eq(_dyld_image_count(), before);
}
