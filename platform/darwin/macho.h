/* platform/darwin/macho.h - what the kernel and dyld read of a program's file; see macho.c. */
#ifndef HL_PLAT_DARWIN_MACHO_H
#define HL_PLAT_DARWIN_MACHO_H

#include "../program.h"

/* For which processor a file, or a part of one, is built. */
enum hl_macho_processor {
    HL_MACHO_X86_64,
    HL_MACHO_X86_64H,
    HL_MACHO_ARM64,
    HL_MACHO_ARM64_V8,
    HL_MACHO_ARM64E,
    HL_MACHO_PROCESSORS
};
const char *hl_macho_name(enum hl_macho_processor processor); /* as lipo and arch have it */

bool hl_macho_is_one(const struct hl_image *file);
/* Several parts whose places are numbers of 64 bits: dyld loads such, the kernel runs none. */
bool hl_macho_is_wide(const struct hl_image *file);

enum hl_macho_answer { HL_MACHO_FOUND, HL_MACHO_NONE, HL_MACHO_DAMAGED };

/* The part for the first of these processors that the file has one for. */
enum hl_macho_answer hl_macho_find(const struct hl_image *file,
                                   const enum hl_macho_processor *processors, size_t count,
                                   struct hl_image *part);

/* As in the flags of a code signature. */
#define HL_MACHO_RESTRICTED 0x800u
#define HL_MACHO_VALIDATES_LIBRARIES 0x2000u
#define HL_MACHO_HARDENED 0x10000u

struct hl_macho {
    enum hl_macho_processor processor;
    bool is_program;    /* no library, no object file */
    bool has_loader;    /* dyld runs it */
    bool has_restrict;  /* the segment that bids dyld ignore its variables */
    uint32_t signature; /* the flags, 0 = it is not signed */
    bool allows_dyld;   /* these two: an entitlement */
    bool takes_foreign; /* libraries of other signers */
    const char *team;   /* who has signed it, in the file; NULL = nobody in particular */
};

/* Of a part that was found. false: it is damaged. */
bool hl_macho_read(const struct hl_image *part, struct hl_macho *macho);

#endif
