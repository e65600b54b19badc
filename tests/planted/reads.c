/* Planted for memcheck: with an argument a value that nobody set decides, without one a byte
 * beyond the block is read. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    volatile size_t index = argc > 1 ? 3 : 8;
    char *volatile block = malloc(8);

    (void)argv;
    if (block == NULL)
        return 2;
    if (block[index] == 'x')
        puts("x");
    free(block);
    return 0;
}
