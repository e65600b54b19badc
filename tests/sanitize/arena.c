/* Lets Criterion start under ThreadSanitizer; linked into its programs where they are
 * built with that.
 *
 * Criterion's BoxFort maps what a test inherits anywhere in 0x2000'0000'0000 to
 * 0x6000'0000'0000, memory that ThreadSanitizer keeps for itself: all tries fail, and no
 * test is run. Here those two calls of BoxFort's get a place that is a program's own to
 * ThreadSanitizer and still below BoxFort's upper end.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BOXFORT_FIRST UINT64_C(0x200000000000)
#define BOXFORT_END UINT64_C(0x600000000000)
#define PLACES_FIRST UINT64_C(0x7e8000000000)
#define PLACE_BYTES (UINT64_C(1) << 24)
#define PLACES 0x4000u
#define TRIES 64

int arena_mincore(void *address, size_t length, unsigned char *pages) __asm__("mincore");
void *arena_mmap(void *address, size_t length, int protection, int flags, int file,
                 off64_t offset) __asm__("mmap64");

static int is_boxforts(uint64_t address)
{
    return address >= BOXFORT_FIRST && address < BOXFORT_END;
}

static void *map(uint64_t address, size_t length, int protection, int flags, int file,
                 off64_t offset)
{
    return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}

/* BoxFort asks so whether a page is taken. */
int arena_mincore(void *address, size_t length, unsigned char *pages)
{
    if (is_boxforts((uintptr_t)address)) {
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_mincore, address, length, pages);
}

void *arena_mmap(void *address, size_t length, int protection, int flags, int file, off64_t offset)
{
    uint64_t given = (uintptr_t)address;
    void *place = MAP_FAILED;

    if (!is_boxforts(given) || !(flags & MAP_FIXED))
        return map(given, length, protection, flags, file, offset);
    flags = (flags & ~MAP_FIXED) | MAP_FIXED_NOREPLACE;
    for (uint64_t i = 0; i < TRIES && place == MAP_FAILED; i++)
        place = map(PLACES_FIRST + (given / PLACE_BYTES + i) % PLACES * PLACE_BYTES, length,
                    protection, flags, file, offset);
    return place;
}
