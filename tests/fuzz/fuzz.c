/* See fuzz.h. */
#include "fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_broken(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

/* ---- values ---------------------------------------------------------------------- */

struct fuzz_input fuzz_over(const uint8_t *data, size_t size)
{
    static const uint8_t nothing[1];
    if (size == 0)
        data = nothing; /* C has no NULL + 0 */
    return (struct fuzz_input){data, data + size};
}

size_t fuzz_left(const struct fuzz_input *input)
{
    return (size_t)(input->end - input->at);
}

uint8_t fuzz_byte(struct fuzz_input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

bool fuzz_bool(struct fuzz_input *input)
{
    return fuzz_byte(input) & 1;
}

unsigned fuzz_below(struct fuzz_input *input, unsigned most)
{
    return fuzz_byte(input) % most;
}

static uint64_t some_bytes(struct fuzz_input *input, unsigned count)
{
    uint64_t number = 0;
    while (count-- > 0)
        number = number << 8 | fuzz_byte(input);
    return number;
}

uint64_t fuzz_number(struct fuzz_input *input)
{
    uint8_t how = fuzz_byte(input);
    if (how < 0x80)
        return how;
    if (how < 0xc0) /* a power of two, or beside one */
        return (UINT64_C(1) << (how & 0x3f)) + (uint64_t)(int64_t)(int8_t)fuzz_byte(input);
    if (how >= 0xf0) /* the largest, which stands for "unknown", and those beside it */
        return UINT64_MAX - (how < 0xf8 ? how & 7 : 0);
    return some_bytes(input, 1 + (how & 7));
}

size_t fuzz_text(struct fuzz_input *input, char *text, size_t capacity)
{
    size_t most = fuzz_left(input) < capacity - 1 ? fuzz_left(input) : capacity - 1;
    const uint8_t *nul = memchr(input->at, 0, most);
    size_t length = nul ? (size_t)(nul - input->at) : most;
    memcpy(text, input->at, length);
    text[length] = '\0';
    input->at += length;
    if (nul || (fuzz_left(input) > 0 && *input->at == 0))
        input->at++;
    return length;
}

char *fuzz_new_text(struct fuzz_input *input, size_t most)
{
    size_t room = (fuzz_left(input) < most ? fuzz_left(input) : most) + 1;
    char *long_enough = malloc(room);
    if (!long_enough)
        abort();
    size_t length = fuzz_text(input, long_enough, room);
    char *text = realloc(long_enough, length + 1);
    return text ? text : long_enough;
}

/* ---- UTF-8 ------------------------------------------------------------------------- */

struct form {
    uint8_t first, last;           /* of the first byte */
    uint8_t next_first, next_last; /* of the second; all others are 80 to bf */
    uint8_t bytes;
};

static const struct form *form_of(uint8_t first)
{
    static const struct form forms[] = {
        {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (first >= forms[i].first && first <= forms[i].last)
            return &forms[i];
    return NULL;
}

size_t fuzz_character(const char *text, size_t length, uint32_t *code)
{
    const uint8_t *bytes = (const uint8_t *)text;
    const struct form *form = length > 0 ? form_of(bytes[0]) : NULL;
    if (!form || form->bytes > length)
        return 0;
    *code = form->bytes == 1 ? bytes[0] : bytes[0] & (0xffu >> (form->bytes + 1));
    for (size_t i = 1; i < form->bytes; i++) {
        uint8_t first = i == 1 ? form->next_first : 0x80, last = i == 1 ? form->next_last : 0xbf;
        if (bytes[i] < first || bytes[i] > last)
            return 0;
        *code = *code << 6 | (bytes[i] & 0x3fu);
    }
    return form->bytes;
}

bool fuzz_is_utf8(const char *text, size_t length)
{
    uint32_t code;
    for (size_t at = 0, bytes; at < length; at += bytes) {
        bytes = fuzz_character(text + at, length - at, &code);
        if (bytes == 0)
            return false;
    }
    return true;
}

bool fuzz_is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x061c ||
           (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}
