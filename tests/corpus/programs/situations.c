/* situations NAME [ARGUMENT...]: stages one of them, see stage.h. */
#include "situations.h"

static const struct situation *const all[] = {
    lock_situations, cycle_situations, wait_situations, object_situations, core_situations,
    sign_situations, life_situations,  stop_situations, blind_situations,  quiet_situations,
};

int main(int count, char **arguments)
{
    return stage_named(all, sizeof all / sizeof *all, arguments + (count > 0));
}
