/* tests/cross/examine.c - what the tool would say of a program on a Mac, said elsewhere.
 *
 *     examine intel|apple|rosetta LIBRARY PROGRAM
 */
#include "../../platform/darwin/machine.h"
#include "../../platform/program.h"

#include <stdio.h>
#include <string.h>

static const char *which;

enum hl_machine hl_machine(void)
{
    return strcmp(which, "intel") == 0   ? HL_MACHINE_INTEL
           : strcmp(which, "apple") == 0 ? HL_MACHINE_APPLE
                                         : HL_MACHINE_ROSETTA;
}

bool hl_machine_protects(const char *path)
{
    (void)path;
    return false;
}

int main(int count, char **arguments)
{
    static struct hl_program program;
    if (count != 4)
        return 2;
    which = arguments[1];
    hl_program_examine(arguments[3], arguments[2], &program);
    if (program.status)
        printf("%s; %s\n", program.why, program.remedy);
    else
        printf("can be monitored\n");
    return program.status;
}
