/* platform/darwin/images.h - which loaded file an address lies in; see images.c. */
#ifndef HL_PLAT_DARWIN_IMAGES_H
#define HL_PLAT_DARWIN_IMAGES_H

#include <mach-o/loader.h>
#include <stdbool.h>
#include <stdint.h>

/* Has dyld tell of all images, now and later. The first call does it, the others nothing.
 * Takes dyld's lock, and allocates. Cost: about a microsecond an image. */
void hl_images_watch(void);

/* ---- what is done with what dyld tells, any thread ------------------------------------ */

/* Where the code of an image lies: [*low, *high). false: this is no image, or has none. */
bool hl_images_text(const struct mach_header_64 *header, intptr_t slide, uintptr_t *low,
                    uintptr_t *high);
/* `key` is told again to remove it. false: there is no room, which is counted. */
bool hl_images_add(uintptr_t key, uintptr_t low, uintptr_t high, const char *path);
void hl_images_remove(uintptr_t key);
uint64_t hl_images_lost(void);

#define HL_IMAGES 4096

#endif
