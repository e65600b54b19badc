/* platform/darwin/macho.c - what the kernel and dyld read of a program's file.
 *
 * Pure: bytes in, facts out, on any system. Mach-O is little-endian; what lies around it (the
 * table of the parts of a file for several processors) and in its signature is big-endian.
 *
 * What the kernel would not run for a defect in these tables counts as damaged. It looks at
 * more than this does; what passes here and not there it refuses itself, and says so.
 */
#include "macho.h"

#include <string.h>

#define MAGIC 0xfeedfacfu
#define HEADER_BYTES 32
#define PROGRAM 2 /* type of file */

/* ---- numbers and pieces -------------------------------------------------------------- */

static uint32_t little(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint32_t big(const unsigned char *at)
{
    return at[3] | (uint32_t)at[2] << 8 | (uint32_t)at[1] << 16 | (uint32_t)at[0] << 24;
}

static uint64_t big_64(const unsigned char *at)
{
    return (uint64_t)big(at) << 32 | big(at + 4);
}

static bool cut(const struct hl_image *from, uint64_t offset, uint64_t size, struct hl_image *piece)
{
    *piece = (struct hl_image){hl_image_at(from, offset, size), (size_t)size};
    return piece->bytes;
}

static bool has_text_at(const struct hl_image *image, uint64_t offset, const char *text)
{
    size_t length = strlen(text);
    const void *there = hl_image_at(image, offset, length);

    return there && memcmp(there, text, length) == 0;
}

/* ---- parts for several processors ------------------------------------------------------ */

static uint32_t magic_of(const struct hl_image *file)
{
    const void *magic = hl_image_at(file, 0, 4);

    return magic ? big(magic) : 0;
}

bool hl_macho_is_wide(const struct hl_image *file)
{
    return magic_of(file) == 0xcafebabf;
}

static bool has_parts(const struct hl_image *file)
{
    return magic_of(file) == 0xcafebabe || hl_macho_is_wide(file);
}

/* Also those of other times, for 32 bits or big-endian: of programs, too. */
bool hl_macho_is_one(const struct hl_image *file)
{
    uint32_t magic = magic_of(file);

    return has_parts(file) || magic == 0xcffaedfe || magic == 0xcefaedfe || magic == 0xfeedfacf ||
           magic == 0xfeedface;
}

static const struct {
    uint32_t type, variant; /* without its features */
    const char *name;
} processors[HL_MACHO_PROCESSORS] = {
    [HL_MACHO_X86_64] = {0x01000007, 3, "x86_64"}, [HL_MACHO_X86_64H] = {0x01000007, 8, "x86_64h"},
    [HL_MACHO_ARM64] = {0x0100000c, 0, "arm64"},   [HL_MACHO_ARM64_V8] = {0x0100000c, 1, "arm64"},
    [HL_MACHO_ARM64E] = {0x0100000c, 2, "arm64e"},
};

const char *hl_macho_name(enum hl_macho_processor processor)
{
    return processors[processor].name;
}

/* HL_MACHO_PROCESSORS: none of those. */
static enum hl_macho_processor processor_of(uint32_t type, uint32_t variant)
{
    enum hl_macho_processor i = 0;

    while (i < HL_MACHO_PROCESSORS &&
           (type != processors[i].type || (variant & 0xffffff) != processors[i].variant))
        i++;
    return i;
}

/* The kernel goes by the table, and then wants the part's own header to say the same. */
static enum hl_macho_answer check_part(const struct hl_image *part, uint32_t type, uint32_t variant)
{
    const unsigned char *header = hl_image_at(part, 0, HEADER_BYTES);

    return header && little(header) == MAGIC && little(header + 4) == type &&
                   little(header + 8) == variant
               ? HL_MACHO_FOUND
               : HL_MACHO_DAMAGED;
}

static enum hl_macho_answer find_in_table(const struct hl_image *file,
                                          enum hl_macho_processor processor, struct hl_image *part)
{
    bool is_wide = hl_macho_is_wide(file);
    const unsigned char *count = hl_image_at(file, 4, 4);
    uint64_t size = is_wide ? 32 : 20;

    for (uint64_t i = 0; count && i < big(count); i++) {
        const unsigned char *one = hl_image_at(file, 8 + i * size, size);
        if (!one)
            return HL_MACHO_DAMAGED;
        if (processor_of(big(one), big(one + 4)) != processor)
            continue;
        if (!cut(file, is_wide ? big_64(one + 8) : big(one + 8),
                 is_wide ? big_64(one + 16) : big(one + 12), part))
            return HL_MACHO_DAMAGED;
        return check_part(part, big(one), big(one + 4));
    }
    return HL_MACHO_NONE;
}

static enum hl_macho_answer find_one(const struct hl_image *file, enum hl_macho_processor processor,
                                     struct hl_image *part)
{
    if (has_parts(file))
        return find_in_table(file, processor, part);
    const unsigned char *header = hl_image_at(file, 0, HEADER_BYTES);
    if (!header)
        return HL_MACHO_DAMAGED;
    *part = *file;
    return little(header) == MAGIC &&
                   processor_of(little(header + 4), little(header + 8)) == processor
               ? HL_MACHO_FOUND
               : HL_MACHO_NONE;
}

enum hl_macho_answer hl_macho_find(const struct hl_image *file,
                                   const enum hl_macho_processor *wanted, size_t count,
                                   struct hl_image *part)
{
    enum hl_macho_answer answer = HL_MACHO_NONE;

    for (size_t i = 0; i < count && answer == HL_MACHO_NONE; i++)
        answer = find_one(file, wanted[i], part);
    return answer;
}

/* ---- entitlements ----------------------------------------------------------------------- */

#define ALLOWS_DYLD "com.apple.security.cs.allow-dyld-environment-variables"
#define TAKES_FOREIGN "com.apple.security.cs.disable-library-validation"

static uint64_t behind_space(const struct hl_image *text, uint64_t at)
{
    while (at < text->size && strchr(" \t\r\n", text->bytes[at]) && text->bytes[at])
        at++;
    return at;
}

/* Behind the end of the comment that begins there. */
static uint64_t behind_comment(const struct hl_image *text, uint64_t at)
{
    while (at < text->size && !has_text_at(text, at, "-->"))
        at++;
    return at;
}

/* <key>NAME</key> and <true/> behind it, in no comment. */
static bool is_true_in_list(const struct hl_image *list, const char *name)
{
    size_t length = strlen(name);

    for (uint64_t at = 0; at < list->size; at++) {
        if (has_text_at(list, at, "<!--")) {
            at = behind_comment(list, at);
        } else if (has_text_at(list, at, "<key>") && has_text_at(list, at + 5, name) &&
                   has_text_at(list, at + 5 + length, "</key>")) {
            at = behind_space(list, at + 5 + length + 6);
            return has_text_at(list, at, "<true/>") || has_text_at(list, at, "<true />");
        }
    }
    return false;
}

/* The same as DER: a text of less than 128 bytes, and the boolean behind it. */
static bool is_true_in_der(const struct hl_image *der, const char *name)
{
    size_t length = strlen(name);

    for (uint64_t at = 2; at < der->size; at++)
        if (has_text_at(der, at, name) && der->bytes[at - 2] == 0x0c &&
            der->bytes[at - 1] == length && has_text_at(der, at + length, "\x01\x01\xff"))
            return true;
    return false;
}

/* ---- signature ---------------------------------------------------------------------------- */

enum { DIRECTORY = 0, ENTITLEMENTS = 5, DER_ENTITLEMENTS = 7, OTHER_DIRECTORIES = 0x1000 };
#define MOST_DIRECTORIES 6 /* each with another hash */

struct signature {
    struct hl_image entitlements, der;
    unsigned directories;
};

/* All are for the same code and say the same: the kernel takes the one with the best hash. */
static bool read_directory(const struct hl_image *directory, struct hl_macho *macho)
{
    const unsigned char *head = hl_image_at(directory, 0, 44);

    if (!head || big(head) != 0xfade0c02)
        return false;
    macho->signature |= big(head + 12);
    if (big(head + 8) < 0x20200) /* of its format; older ones have no team */
        return true;
    const unsigned char *team = hl_image_at(directory, 48, 4);
    if (!team)
        return false;
    if (big(team))
        macho->team = hl_image_text(directory, big(team));
    return !big(team) || macho->team;
}

/* false: the kernel takes one of each. */
static bool keep_once(struct hl_image *place, const struct hl_image *blob, uint32_t magic)
{
    bool is_first = !place->bytes;

    *place = (struct hl_image){blob->bytes + 8, blob->size - 8};
    return is_first && big(blob->bytes) == magic;
}

static bool read_blob(const struct hl_image *all, const unsigned char *entry,
                      struct signature *signature, struct hl_macho *macho)
{
    uint32_t kind = big(entry), offset = big(entry + 4);
    const unsigned char *head = hl_image_at(all, offset, 8);
    struct hl_image blob;

    if (!head || big(head + 4) < 8 || !cut(all, offset, big(head + 4), &blob))
        return false;
    if (kind == ENTITLEMENTS)
        return keep_once(&signature->entitlements, &blob, 0xfade7171);
    if (kind == DER_ENTITLEMENTS)
        return keep_once(&signature->der, &blob, 0xfade7172);
    if (kind == DIRECTORY || (kind >= OTHER_DIRECTORIES && kind < OTHER_DIRECTORIES + 5))
        return signature->directories++ < MOST_DIRECTORIES && read_directory(&blob, macho);
    return true;
}

static bool has_entitlement(const struct signature *signature, const char *name)
{
    return signature->entitlements.bytes ? is_true_in_list(&signature->entitlements, name)
                                         : is_true_in_der(&signature->der, name);
}

static bool read_signature(const struct hl_image *place, struct hl_macho *macho)
{
    const unsigned char *head = hl_image_at(place, 0, 12);
    struct signature signature = {0};
    struct hl_image all;

    if (!head || !cut(place, 0, big(head + 4), &all))
        return false;
    if (big(head) == 0xfade0c02)
        return read_directory(&all, macho);
    if (big(head) != 0xfade0cc0)
        return false;
    for (uint64_t i = 0; i < big(head + 8); i++) {
        const unsigned char *entry = hl_image_at(&all, 12 + i * 8, 8);
        if (!entry || !read_blob(&all, entry, &signature, macho))
            return false;
    }
    macho->allows_dyld = has_entitlement(&signature, ALLOWS_DYLD);
    macho->takes_foreign = has_entitlement(&signature, TAKES_FOREIGN);
    return signature.directories > 0;
}

/* ---- load commands -------------------------------------------------------------------------- */

enum { LOADER = 0xe, SEGMENT = 0x19, SIGNATURE = 0x1d };
#define SEGMENT_BYTES 72
#define SECTION_BYTES 80

/* Names are 16 bytes, filled up with 0. A section may leave it to the segment to have one. */
static bool is_restrict(const unsigned char *segment, const unsigned char *section)
{
    const unsigned char *name = section[16] ? section + 16 : segment + 8;

    return memcmp(section, "__restrict\0\0\0\0\0", 16) == 0 &&
           memcmp(name, "__RESTRICT\0\0\0\0\0", 16) == 0;
}

static bool read_segment(const struct hl_image *command, struct hl_macho *macho)
{
    const unsigned char *segment = hl_image_at(command, 0, SEGMENT_BYTES);

    for (uint64_t i = 0; segment && i < little(segment + 64); i++) {
        const void *section =
            hl_image_at(command, SEGMENT_BYTES + i * SECTION_BYTES, SECTION_BYTES);
        if (!section)
            return false;
        macho->has_restrict |= is_restrict(segment, section);
    }
    return segment;
}

static bool find_signature(const struct hl_image *part, const struct hl_image *command,
                           struct hl_macho *macho)
{
    const unsigned char *place = hl_image_at(command, 0, 16);
    struct hl_image signature;

    return place && cut(part, little(place + 8), little(place + 12), &signature) &&
           read_signature(&signature, macho);
}

static bool read_command(const struct hl_image *part, const struct hl_image *command,
                         struct hl_macho *macho)
{
    switch (little(command->bytes)) {
    case LOADER:
        macho->has_loader = true;
        return true;
    case SEGMENT:
        return read_segment(command, macho);
    case SIGNATURE:
        return find_signature(part, command, macho);
    default:
        return true;
    }
}

bool hl_macho_read(const struct hl_image *part, struct hl_macho *macho)
{
    const unsigned char *header = hl_image_at(part, 0, HEADER_BYTES);
    struct hl_image commands, command;
    uint64_t at = 0;

    *macho = (struct hl_macho){0};
    if (!header || !cut(part, HEADER_BYTES, little(header + 20), &commands))
        return false;
    macho->processor = processor_of(little(header + 4), little(header + 8));
    macho->is_program = little(header + 12) == PROGRAM;
    for (uint32_t i = 0; i < little(header + 16); i++) {
        const unsigned char *head = hl_image_at(&commands, at, 8);
        if (!head || little(head + 4) < 8 || !cut(&commands, at, little(head + 4), &command) ||
            !read_command(part, &command, macho))
            return false;
        at += command.size;
    }
    return true;
}
