/* platform/darwin/machine.c - what only the machine itself can tell of a program.
 *
 * For the command-line tool alone. Whether System Integrity Protection is switched off nothing
 * public tells, so it is taken to be on.
 */
#define _DARWIN_C_SOURCE
#define _DEFAULT_SOURCE
#include "machine.h"
#include "../program.h"

#include <mach-o/dyld.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysctl.h>

#if defined(__aarch64__)
#define IS_NATIVE true
#else
#define IS_NATIVE false
#endif

enum hl_machine hl_machine(void)
{
    int is_translated = 0;
    size_t size = sizeof is_translated;

    if (IS_NATIVE)
        return HL_MACHINE_APPLE;
    if (sysctlbyname("sysctl.proc_translated", &is_translated, &size, NULL, 0) == 0 &&
        is_translated)
        return HL_MACHINE_ROSETTA;
    return HL_MACHINE_INTEL;
}

bool hl_machine_protects(const char *path)
{
    struct stat is;

    return stat(path, &is) == 0 && is.st_flags & SF_RESTRICTED;
}

bool hl_program_own_path(char path[PATH_MAX])
{
    char said[PATH_MAX]; /* with symbolic links and dots in it */
    uint32_t size = sizeof said;

    return _NSGetExecutablePath(said, &size) == 0 && realpath(said, path);
}
