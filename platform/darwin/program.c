/* platform/darwin/program.c - would dyld load our library into this program?
 *
 * It does where the program's file and its signature say nothing against it, and the library
 * has a part for the processor that the program runs on. Where it does not, it either ignores
 * DYLD_INSERT_LIBRARIES without a word, or ends the program. So the file is read as the kernel
 * and dyld would.
 *
 * Which part of a file for several processors runs is the kernel's choice: the machine's own,
 * but below a translated program (Rosetta) the one for Intel.
 */
#define _XOPEN_SOURCE 700
#include "../program.h"
#include "machine.h"
#include "macho.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IGNORES "dyld ignores DYLD_INSERT_LIBRARIES"
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

const int hl_program_scripts = 1;

bool hl_program_is_binary(const struct hl_image *image)
{
    return hl_macho_is_one(image);
}

static void refuse_damaged(const char *path, struct hl_program *program)
{
    hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, "build or install it again",
                      "%s is damaged: its headers or its signature cannot be read", path);
}

/* ---- processors ---------------------------------------------------------------------------- */

static enum hl_macho_answer find_what_runs(const struct hl_image *file, struct hl_image *part)
{
    const enum hl_macho_processor intel[] = {HL_MACHO_X86_64H, HL_MACHO_X86_64};
    const enum hl_macho_processor apple[] = {HL_MACHO_ARM64E, HL_MACHO_ARM64_V8, HL_MACHO_ARM64,
                                             HL_MACHO_X86_64};
    const enum hl_macho_processor rosetta[] = {HL_MACHO_X86_64, HL_MACHO_ARM64E, HL_MACHO_ARM64_V8,
                                               HL_MACHO_ARM64};

    switch (hl_machine()) {
    case HL_MACHINE_INTEL:
        return hl_macho_find(file, intel, COUNT(intel), part);
    case HL_MACHINE_APPLE:
        return hl_macho_find(file, apple, COUNT(apple), part);
    default:
        return hl_macho_find(file, rosetta, COUNT(rosetta), part);
    }
}

/* What dyld takes into a process that runs on this one: arm64e and arm64 do not mix. */
static enum hl_macho_answer find_for(const struct hl_image *library,
                                     enum hl_macho_processor processor, struct hl_image *part)
{
    const enum hl_macho_processor plain[] = {HL_MACHO_ARM64, HL_MACHO_ARM64_V8};
    const enum hl_macho_processor intel[] = {processor, HL_MACHO_X86_64};

    if (processor == HL_MACHO_X86_64 || processor == HL_MACHO_X86_64H)
        return hl_macho_find(library, intel, COUNT(intel), part);
    if (processor == HL_MACHO_ARM64E)
        return hl_macho_find(library, &processor, 1, part);
    return hl_macho_find(library, plain, COUNT(plain), part);
}

/* "x86_64 arm64" */
static void name_parts(const struct hl_image *file, char text[64])
{
    struct hl_image part;
    size_t length = 0;

    strcpy(text, "none");
    for (enum hl_macho_processor i = 0; i < HL_MACHO_PROCESSORS; i++)
        if (hl_macho_find(file, &i, 1, &part) == HL_MACHO_FOUND)
            length += (size_t)snprintf(text + length, 64 - length, "%s%s", length ? " " : "",
                                       hl_macho_name(i));
}

/* ---- against the library --------------------------------------------------------------------- */

static bool validates_libraries(const struct hl_macho *macho)
{
    return macho->signature & (HL_MACHO_VALIDATES_LIBRARIES | HL_MACHO_HARDENED) &&
           !macho->takes_foreign;
}

static bool has_same_signer(const struct hl_macho *one, const struct hl_macho *other)
{
    return one->team && other->team && strcmp(one->team, other->team) == 0;
}

static void compare(const struct hl_macho *macho, const struct hl_image *library,
                    const struct hl_binary *binary, struct hl_program *program)
{
    struct hl_image part;
    struct hl_macho ours;
    char has[64];
    enum hl_macho_answer answer = find_for(library, macho->processor, &part);

    if (answer == HL_MACHO_NONE) {
        name_parts(library, has);
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN,
                          macho->processor == HL_MACHO_ARM64E
                              ? "use one for arm64 (lipo -thin arm64 takes it out of one for both)"
                              : "use a Heartline that was built for it, or for both",
                          "%s runs as %s, and %s is built for %s", binary->path,
                          hl_macho_name(macho->processor), binary->library, has);
    } else if (answer == HL_MACHO_DAMAGED || !hl_macho_read(&part, &ours)) {
        refuse_damaged(binary->library, program);
    } else if (validates_libraries(macho) && !has_same_signer(macho, &ours)) {
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN,
                          "sign a copy with the entitlement "
                          "com.apple.security.cs.disable-library-validation",
                          "%s is signed to load no library of another signer", binary->path);
    }
}

static void compare_with_library(const struct hl_macho *macho, const struct hl_binary *binary,
                                 struct hl_program *program)
{
    struct hl_image library;

    if (!hl_image_open(binary->library, &library)) {
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, "install Heartline as a whole",
                          "%s cannot be read: %s", binary->library, strerror(errno));
        return;
    }
    compare(macho, &library, binary, program);
    hl_image_close(&library);
}

/* ---- the program ------------------------------------------------------------------------------ */

static void examine_part(const struct hl_macho *macho, const struct hl_binary *binary,
                         struct hl_program *program)
{
    const char *path = binary->path;

    if (!macho->is_program)
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, "run a program or a script",
                          "%s is no program, but a library or a piece of one", path);
    else if (!macho->has_loader)
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, HL_PROGRAM_LINK_IT,
                          "%s is statically linked, and only a dynamic loader preloads", path);
    else if (macho->has_restrict)
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, HL_PROGRAM_LINK_IT,
                          "%s has a __RESTRICT segment, so " IGNORES, path);
    else if (macho->signature & HL_MACHO_RESTRICTED)
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN,
                          "sign a copy anew, without that: codesign -f -s - COPY",
                          "%s is signed as restricted, so " IGNORES, path);
    else if (macho->signature & HL_MACHO_HARDENED && !macho->allows_dyld)
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN,
                          "sign a copy with the entitlement "
                          "com.apple.security.cs.allow-dyld-environment-variables",
                          "%s is signed for the hardened runtime, so " IGNORES, path);
    else
        compare_with_library(macho, binary, program);
}

static void examine_parts(const struct hl_binary *binary, struct hl_program *program)
{
    struct hl_image part;
    struct hl_macho macho;
    enum hl_macho_answer answer = find_what_runs(&binary->image, &part);

    if (hl_macho_is_wide(&binary->image))
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, "make it anew: lipo without -fat64",
                          "%s has parts at places of 64 bits, and the kernel runs no such program",
                          binary->path);
    else if (answer == HL_MACHO_NONE)
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, "use one that is built for this machine",
                          "%s is built for another processor", binary->path);
    else if (answer == HL_MACHO_DAMAGED || !hl_macho_read(&part, &macho))
        refuse_damaged(binary->path, program);
    else
        examine_part(&macho, binary, program);
}

/* The kernel gives none to scripts. Root, too, becomes somebody else by them. */
static bool has_more_rights(const char *path, const char **which)
{
    struct stat is;

    if (stat(path, &is) != 0)
        return false;
    if (is.st_mode & S_ISUID && is.st_uid != geteuid())
        *which = "it is setuid";
    else if (is.st_mode & S_ISGID && is.st_gid != getegid())
        *which = "it is setgid";
    else
        return false;
    return true;
}

void hl_program_examine_binary(const struct hl_binary *binary, struct hl_program *program)
{
    const char *which;

    if (hl_machine_protects(binary->path) && binary->is_interpreter)
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN,
                          "run the script by another one: heartline run /opt/homebrew/bin/bash "
                          "SCRIPT",
                          "%s, which runs the script, is part of macOS, so " IGNORES, binary->path);
    else if (hl_machine_protects(binary->path))
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN,
                          "name what it would run, or use one that is not (of Homebrew, say)",
                          "%s is part of macOS, so " IGNORES, binary->path);
    else if (has_more_rights(binary->path, &which))
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, HL_PROGRAM_LINK_IT, "%s: %s, so " IGNORES,
                          binary->path, which);
    else
        examine_parts(binary, program);
}
