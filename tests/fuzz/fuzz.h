/* tests/fuzz/fuzz.h - what the fuzzers share: bytes that become values, and saying what broke.
 *
 * Each fuzz_NAME.c has the entry point of libFuzzer. It is built twice: with libFuzzer
 * and the sanitizers of clang (fuzz.sh), and with replay.c as a plain program that any
 * compiler builds, which runs files through it. One input is one life: nothing that it
 * did may show in the next.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program: the input is kept by whoever runs it. */
_Noreturn void fuzz_broken(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define MUST(condition, ...)                              \
    do {                                                  \
        if (!(condition))                                 \
            fuzz_broken(__FILE__, __LINE__, __VA_ARGS__); \
    } while (0)

/* ---- values out of an input; when it has ended they are 0, "" and false ---- */

struct fuzz_input {
    const uint8_t *at, *end;
};

struct fuzz_input fuzz_over(const uint8_t *data, size_t size);
size_t fuzz_left(const struct fuzz_input *input);
uint8_t fuzz_byte(struct fuzz_input *input);
bool fuzz_bool(struct fuzz_input *input);
/* 0 to most - 1 */
unsigned fuzz_below(struct fuzz_input *input, unsigned most);
/* A byte says how large, so that small ones, powers of two and their neighbours,
 * and the largest are as likely as any. */
uint64_t fuzz_number(struct fuzz_input *input);
/* At most capacity - 1 bytes up to a NUL, which is consumed, terminated. Returns its length. */
size_t fuzz_text(struct fuzz_input *input, char *text, size_t capacity);
/* The same in a block of its own of exactly that size; to be freed. */
char *fuzz_new_text(struct fuzz_input *input, size_t most);

static inline size_t fuzz_at_most(size_t size, size_t most)
{
    return size < most ? size : most;
}

/* ---- UTF-8, by a reader of its own ---- */

/* The bytes of the character at `text`, 0 where it is none, by the table of the Unicode
 * standard (3-7). */
size_t fuzz_character(const char *text, size_t length, uint32_t *code);
bool fuzz_is_utf8(const char *text, size_t length);
/* What acts on a terminal or turns the direction of writing: C0, DEL, C1, line and
 * paragraph separators, bidirectional controls, the byte order mark. */
bool fuzz_is_control(uint32_t code);

#endif
