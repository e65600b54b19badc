/* See files.h. */
#define _GNU_SOURCE
#include "files.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { FILES = 64, MOST_BYTES = 100000 };

static struct fuzz_file files[FILES];
static size_t files_count;

/* Takes "KEY123" off the end of the name; false: it does not end so. */
static bool take_number(char *name, char key, uint64_t *number)
{
    size_t length = strlen(name), at = length;
    while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9')
        at--;
    if (at == 0 || at == length || length - at > 6 || name[at - 1] != key)
        return false;
    *number = strtoull(name + at, NULL, 10);
    name[at - 1] = '\0';
    return true;
}

static bool take_byte(char *name, char key)
{
    size_t length = strlen(name);
    if (length == 0 || name[length - 1] != key)
        return false;
    name[length - 1] = '\0';
    return true;
}

/* end: it ends with a line feed that is not repeated. */
static void fill(struct fuzz_file *file, const char *content, size_t size, uint64_t times, bool end)
{
    if (size > 0 && times > MOST_BYTES / size)
        times = MOST_BYTES / size;
    file->size = size * (size_t)times;
    file->bytes = malloc(file->size + 1);
    if (!file->bytes)
        abort();
    for (size_t i = 0; i < file->size; i += size)
        memcpy(file->bytes + i, content, size);
    if (end)
        file->bytes[file->size++] = '\n';
    file->bytes = realloc(file->bytes, file->size ? file->size : 1);
}

/* One file, without its `=`. */
static void add(const char *text, size_t size)
{
    struct fuzz_file *file = &files[files_count++];
    const char *end = memchr(text, '\n', size);
    size_t length = end ? (size_t)(end - text) : size;
    const char *content = text + length + (end != NULL);
    uint64_t times = 1, error = 0;
    bool is_bare = false;
    *file = (struct fuzz_file){.size = 0};
    memcpy(file->name, text, length < sizeof file->name ? length : sizeof file->name - 1);
    for (;;)
        if (take_byte(file->name, '~'))
            is_bare = true;
        else if (!take_number(file->name, '*', &times) && !take_number(file->name, '!', &error))
            break;
    file->error = (int)(error % 134);
    size -= (size_t)(content - text);
    if (is_bare && size > 0 && content[size - 1] == '\n')
        size--;
    fill(file, content, size, times, is_bare && times > 1);
}

void fuzz_files_begin(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_over(data, size);
    const char *at = (const char *)input.at, *end = (const char *)input.end;
    if (at < end && *at == '=')
        at++;
    while (at < end && files_count < FILES) {
        const char *next = memmem(at, (size_t)(end - at), "\n=", 2);
        const char *stop = next ? next + 1 : end;
        add(at, (size_t)(stop - at));
        at = next ? next + 2 : end;
    }
}

void fuzz_files_end(void)
{
    while (files_count > 0)
        free(files[--files_count].bytes);
}

static bool is_named(const struct fuzz_file *file, const char *path)
{
    size_t length = strlen(path), name_length = strlen(file->name);
    if (name_length == 0 || length < name_length ||
        strcmp(path + length - name_length, file->name) != 0)
        return false;
    return length == name_length || file->name[0] == '/' || path[length - name_length - 1] == '/';
}

const struct fuzz_file *fuzz_file(const char *path)
{
    for (size_t i = 0; i < files_count; i++)
        if (is_named(&files[i], path))
            return &files[i];
    return NULL;
}

const struct fuzz_file *fuzz_file_read(const char *path)
{
    struct fuzz_file *last = NULL;
    for (size_t i = 0; i < files_count && !(last && !last->is_read); i++)
        if (is_named(&files[i], path))
            last = &files[i];
    if (last)
        last->is_read = true;
    return last;
}

void fuzz_files_reread(void)
{
    for (size_t i = 0; i < files_count; i++)
        files[i].is_read = false;
}

const struct fuzz_file *fuzz_file_at(size_t i)
{
    return i < files_count ? &files[i] : NULL;
}
