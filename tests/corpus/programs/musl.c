/* situations-musl NAME [ARGUMENT...]: those that do not need glibc, see situations.c. */
#include "situations.h"

static const struct situation *const all[] = {wait_situations, blind_situations};

int main(int count, char **arguments)
{
    return stage_named(all, sizeof all / sizeof *all, arguments + (count > 0));
}
