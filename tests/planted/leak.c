/* Planted: eleven bytes are lost. LeakSanitizer must say so. */
#include <stdlib.h>
#include <string.h>

static char *volatile kept;

int main(void)
{
    kept = malloc(11);
    if (kept != NULL)
        memset(kept, 1, 11);
    kept = NULL;
    return 0;
}
