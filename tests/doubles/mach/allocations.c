/* tests/doubles/mach/allocations.c - an allocation while a thread is suspended ends the test.
 *
 * The target may hold malloc's lock, so on a Mac that is a deadlock sooner or later. Linked
 * into test programs with --wrap for each of these functions.
 */
#include "fake_mach.h"

#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t size)
{
    fake_allocates("malloc");
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    fake_allocates("calloc");
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    fake_allocates("realloc");
    return __real_realloc(memory, size);
}

void __wrap_free(void *memory)
{
    fake_allocates("free");
    __real_free(memory);
}
