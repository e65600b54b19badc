/* situations NAME [ARGUMENT...]: stages one of them, see stage.h. */
#include "situations.h"

#include <stdio.h>
#include <string.h>

static const struct situation *const all[] = {
    lock_situations, cycle_situations, wait_situations, object_situations, core_situations,
    sign_situations, life_situations,  stop_situations, blind_situations,
};

int main(int count, char **arguments)
{
    for (size_t i = 0; count > 1 && i < sizeof all / sizeof *all; i++)
        for (const struct situation *situation = all[i]; situation->name; situation++)
            if (strcmp(situation->name, arguments[1]) == 0)
                situation->stage(arguments + 2);
    fprintf(stderr, "situations: there is no such situation\n");
    return 99;
}
