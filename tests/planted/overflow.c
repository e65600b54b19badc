/* Planted: with an argument a signed sum overflows (UndefinedBehaviorSanitizer),
 * without one a byte beyond the block is read (AddressSanitizer). */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    volatile int top = INT_MAX;
    char *volatile block = malloc(8);
    volatile size_t index = 8;
    volatile int result;

    (void)argv;
    if (block == NULL)
        return 2;
    memset(block, 0, 8);
    result = argc > 1 ? top + argc : block[index];
    free(block);
    (void)result;
    return 0;
}
