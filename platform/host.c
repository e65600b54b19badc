/* platform/host.c - the machine's name: every system is asked for it in the same way. */
#define _POSIX_C_SOURCE 200809L
#include "platform.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* One that is cut need not be terminated, and may be an error, with its beginning there. */
bool hl_plat_host_name(char name[HL_PLAT_HOST_BYTES])
{
    int saved = errno;

    memset(name, 0, HL_PLAT_HOST_BYTES);
    if (gethostname(name, HL_PLAT_HOST_BYTES - 1) != 0 && errno != ENAMETOOLONG)
        name[0] = 0;
    errno = saved;
    return name[0] != 0;
}
