/* platform/darwin/machine.h - what only the machine itself can tell of a program. */
#ifndef HL_PLAT_DARWIN_MACHINE_H
#define HL_PLAT_DARWIN_MACHINE_H

#include <stdbool.h>

enum hl_machine {
    HL_MACHINE_INTEL,
    HL_MACHINE_APPLE,
    HL_MACHINE_ROSETTA, /* Apple's processor, and this program is translated */
};
enum hl_machine hl_machine(void);

/* System Integrity Protection guards the file. */
bool hl_machine_protects(const char *path);

#endif
