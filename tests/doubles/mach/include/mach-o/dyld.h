/* mach-o/dyld.h of the fake: the loaded files.
 *
 * The header of an image is made up and lies in memory of the fake, not at the image's
 * beginning: an address belongs to the image in whose segments, moved by the slide, it
 * lies. A source that compares addresses with the header's would find nothing here.
 */
#ifndef FAKE_MACH_O_DYLD_H
#define FAKE_MACH_O_DYLD_H

#include <fake_names.h>
#include <mach-o/loader.h>
#include <stdbool.h>
#include <stdint.h>

uint32_t _dyld_image_count(void);
const struct mach_header *_dyld_get_image_header(uint32_t index);
intptr_t _dyld_get_image_vmaddr_slide(uint32_t index);
const char *_dyld_get_image_name(uint32_t index);
void _dyld_register_func_for_add_image(void (*added)(const struct mach_header *header,
                                                     intptr_t slide));
void _dyld_register_func_for_remove_image(void (*removed)(const struct mach_header *header,
                                                          intptr_t slide));
int _NSGetExecutablePath(char *path, uint32_t *size);

#endif
