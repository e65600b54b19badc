/* situations-musl NAME [ARGUMENT...]: those that do not need glibc, see situations.c. */
#include "situations.h"

#include <stdio.h>
#include <string.h>

static const struct situation *const all[] = {wait_situations, blind_situations};

int main(int count, char **arguments)
{
    for (size_t i = 0; count > 1 && i < sizeof all / sizeof *all; i++)
        for (const struct situation *situation = all[i]; situation->name; situation++)
            if (strcmp(situation->name, arguments[1]) == 0)
                situation->stage(arguments + 2);
    fprintf(stderr, "situations-musl: there is no such situation\n");
    return 99;
}
