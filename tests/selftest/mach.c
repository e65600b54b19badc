/* tests/selftest/mach.c - what only Mach can tell.
 *
 * References, not names: a right that is not given back to a living thread's
 * port makes no new name, it counts up the one that is there.
 */
#include "selftest.h"

#include <mach/mach.h>
#include <sys/sysctl.h>

#ifdef __APPLE__
const size_t longest_name = 63;
#else
const size_t longest_name = 15; /* of the threads that the model plays with */
#endif
const char *const loadable_library = "/usr/lib/libsqlite3.dylib";

uint64_t own_thread_id(void)
{
    uint64_t id = 0;

    pthread_threadid_np(NULL, &id);
    return id;
}

void name_own_thread(const char *name)
{
    pthread_setname_np(name);
}

bool is_translated(void)
{
    int translated = 0;
    size_t size = sizeof translated;

    return sysctlbyname("sysctl.proc_translated", &translated, &size, NULL, 0) == 0 && translated;
}

static bool count_references(const pthread_t *threads, size_t count, uint64_t *references)
{
    *references = 0;
    for (size_t i = 0; i < count; i++) {
        mach_port_urefs_t held = 0;
        mach_port_t port = pthread_mach_thread_np(threads[i]);
        if (mach_port_get_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, &held) != KERN_SUCCESS)
            return false;
        *references += held;
    }
    return true;
}

static bool count_names(uint64_t *count)
{
    mach_port_name_array_t names = NULL;
    mach_port_type_array_t types = NULL;
    mach_msg_type_number_t name_count = 0, type_count = 0;

    if (mach_port_names(mach_task_self(), &names, &name_count, &types, &type_count) != KERN_SUCCESS)
        return false;
    *count = name_count;
    vm_deallocate(mach_task_self(), (vm_address_t)names, name_count * sizeof *names);
    vm_deallocate(mach_task_self(), (vm_address_t)types, type_count * sizeof *types);
    return true;
}

bool count_rights(const pthread_t *threads, size_t count, uint64_t *references, uint64_t *names)
{
    return count_references(threads, count, references) && count_names(names);
}
