/* platform/program.c - looks for a program as execvp does, and at what it would execute.
 *
 * The same on every system: PATH, scripts and what runs them. Whether a loader preloads into
 * a binary is the platform's part.
 */
#define _XOPEN_SOURCE 700
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void hl_program_refuse(struct hl_program *program, int status, const char *remedy,
                       const char *format, ...)
{
    va_list arguments;

    program->status = status;
    program->remedy = remedy;
    va_start(arguments, format);
    vsnprintf(program->why, sizeof program->why, format, arguments);
    va_end(arguments);
}

/* ---- a file ------------------------------------------------------------------------------ */

bool hl_image_open(const char *path, struct hl_image *image)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat is;
    void *bytes = MAP_FAILED;
    int error;

    *image = (struct hl_image){(const unsigned char *)"", 0};
    if (descriptor < 0)
        return false;
    bool is_empty = fstat(descriptor, &is) == 0 && is.st_size == 0;
    if (!is_empty)
        bytes = mmap(NULL, (size_t)is.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    error = errno;
    close(descriptor);
    errno = error;
    if (bytes != MAP_FAILED)
        *image = (struct hl_image){bytes, (size_t)is.st_size};
    return is_empty || bytes != MAP_FAILED;
}

void hl_image_close(struct hl_image *image)
{
    if (image->size > 0)
        munmap((void *)(uintptr_t)image->bytes, image->size);
}

const void *hl_image_at(const struct hl_image *image, uint64_t offset, uint64_t size)
{
    return offset <= image->size && size <= image->size - offset ? image->bytes + offset : NULL;
}

const char *hl_image_text(const struct hl_image *image, uint64_t offset)
{
    const char *text = hl_image_at(image, offset, 1);

    return text && memchr(text, 0, image->size - offset) ? text : NULL;
}

/* ---- any file ---------------------------------------------------------------------------- */

static void examine_file(const char *path, const char *library, int depth,
                         struct hl_program *program);

/* #! and what stands behind it. */
static void examine_script(const struct hl_image *image, const char *path, const char *library,
                           int depth, struct hl_program *program)
{
    char interpreter[PATH_MAX];
    const char *begin = (const char *)image->bytes + 2;
    const char *end = (const char *)image->bytes + image->size;

    while (begin < end && (*begin == ' ' || *begin == '\t'))
        begin++;
    size_t length = 0;
    while (begin + length < end && !strchr(" \t\n", begin[length]) && begin[length])
        length++;
    if (length == 0 || length >= sizeof interpreter) {
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, "name it behind #!",
                          "%s is a script that does not say what runs it", path);
        return;
    }
    memcpy(interpreter, begin, length);
    interpreter[length] = 0;
    if (depth == hl_program_scripts)
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, "name a program behind #!",
                          "%s is a script that runs a script: the kernel goes through no more "
                          "than %d",
                          path, hl_program_scripts);
    else
        examine_file(interpreter, library, depth + 1, program);
}

static bool looks_like_text(const struct hl_image *image)
{
    return !memchr(image->bytes, 0, image->size < 256 ? image->size : 256);
}

static void say_unreadable(const char *path, struct hl_program *program)
{
    int status = errno == ENOENT ? HL_PROGRAM_NOT_FOUND : HL_PROGRAM_CANNOT_RUN;

    hl_program_refuse(program, status, "its file has to be readable", "%s cannot be read: %s", path,
                      strerror(errno));
}

static void examine_image(const struct hl_image *image, const char *path, const char *library,
                          int depth, struct hl_program *program)
{
    const struct hl_binary binary = {*image, path, library, depth > 0};

    if (hl_program_is_binary(image)) {
        hl_program_examine_binary(&binary, program);
    } else if (image->size >= 2 && memcmp(image->bytes, "#!", 2) == 0) {
        examine_script(image, path, library, depth, program);
    } else if (depth == 0 && looks_like_text(image)) {
        examine_file("/bin/sh", library, 1, program);
        program->needs_shell = program->status == 0;
    } else {
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, "run a program or a script",
                          "%s is neither a program nor a script", path);
    }
}

static void examine_file(const char *path, const char *library, int depth,
                         struct hl_program *program)
{
    struct hl_image image;
    struct stat is;

    if (stat(path, &is) != 0)
        hl_program_refuse(program, errno == ENOENT ? HL_PROGRAM_NOT_FOUND : HL_PROGRAM_CANNOT_RUN,
                          depth && path[strlen(path) - 1] == '\r'
                              ? "its lines end with carriage returns: take them out (dos2unix)"
                              : "look for a typing error",
                          depth ? "%s, which runs the script, is not there: %s"
                                : "%s is not there: %s",
                          path, strerror(errno));
    else if (S_ISDIR(is.st_mode))
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, "name a program in it", "%s is a folder",
                          path);
    else if (!S_ISREG(is.st_mode) || access(path, X_OK) != 0)
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN, "chmod +x makes a file executable",
                          "%s is not executable", path);
    else if (!hl_image_open(path, &image)) {
        say_unreadable(path, program);
    } else {
        examine_image(&image, path, library, depth, program);
        hl_image_close(&image);
    }
}

/* ---- looking for it ------------------------------------------------------------------------ */

static bool is_executable_file(const char *path)
{
    struct stat is;

    return stat(path, &is) == 0 && S_ISREG(is.st_mode) && access(path, X_OK) == 0;
}

/* In PATH, as execvp does: one that may not be executed counts where there is no better one. */
static bool find_in_path(const char *name, char found[PATH_MAX])
{
    const char *path = getenv("PATH");
    bool is_there = false;

    if (!path)
        path = "/bin:/usr/bin";
    for (const char *from = path;; from++) {
        size_t length = strcspn(from, ":");
        char candidate[PATH_MAX];
        int size = snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)length, from,
                            length ? "/" : "./", name);
        if (size > 0 && (size_t)size < sizeof candidate) {
            bool is_best = is_executable_file(candidate);
            if (is_best || (!is_there && access(candidate, F_OK) == 0)) {
                memcpy(found, candidate, (size_t)size + 1);
                is_there = true;
            }
            if (is_best)
                return true;
        }
        from += length;
        if (!*from)
            return is_there;
    }
}

void hl_program_examine(const char *name, const char *library, struct hl_program *program)
{
    *program = (struct hl_program){0};
    if (strlen(name) >= sizeof program->path) {
        hl_program_refuse(program, HL_PROGRAM_CANNOT_RUN,
                          "go to its folder, and name it from there",
                          "%.64s… is a path of %zu bytes, and the system takes no more than %zu",
                          name, strlen(name), sizeof program->path - 1);
        return;
    }
    if (strchr(name, '/')) {
        strcpy(program->path, name);
    } else if (!*name || !find_in_path(name, program->path)) {
        hl_program_refuse(program, HL_PROGRAM_NOT_FOUND,
                          "look for a typing error, or name its path",
                          "%s is in none of the folders of PATH", *name ? name : "\"\"");
        return;
    }
    examine_file(program->path, library, 0, program);
}
