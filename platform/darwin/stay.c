/* platform/darwin/stay.c - the library stays loaded once it is, whatever dlclose is asked for.
 *
 * The monitor's thread, the handlers of pthread_atfork, the destructor of a key and what
 * dyld was told to call cannot be taken back. Where ELF has -z nodelete for that, there
 * is one more reference here, which nobody gives back. In a program that has the library
 * linked in statically this is about the program itself, and changes nothing.
 */
#define _GNU_SOURCE /* dladdr, where libc is glibc */
#define _DARWIN_C_SOURCE
#include "../platform.h"

#include <dlfcn.h>

__attribute__((constructor)) static void stay(void)
{
    Dl_info own;

    if (dladdr(hl_plat_name, &own) != 0 && own.dli_fname)
        dlopen(own.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
    dlerror(); /* one that failed is nobody's business */
}
