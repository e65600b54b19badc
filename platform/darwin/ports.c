/* platform/darwin/ports.c - the one place that takes rights to threads, and gives them back.
 *
 * task_threads hands over a send right for each entry and the memory of the list.
 * Rights to one thread coalesce: a second list only raises the count of references
 * behind the same name, so a release that is missing does not show in the number of
 * ports. One too many is worse: releasing the last reference of a pthread's pinned
 * port, or a name that is no right, raises a guard exception, which kills the process
 * (XNU, osfmk/ipc/ipc_right.c and task_exc_guard_default in osfmk/kern/task.c). So
 * each entry is given back once, whatever became of its thread.
 */
#define _DARWIN_C_SOURCE
#define _DEFAULT_SOURCE
#include "plat.h"

bool hl_plat_take_threads(struct hl_plat_ports *ports, kern_return_t *result)
{
    *ports = (struct hl_plat_ports){NULL, 0};
    *result = task_threads(mach_task_self(), &ports->names, &ports->count);
    if (*result == KERN_SUCCESS)
        return true;
    *ports = (struct hl_plat_ports){NULL, 0}; /* what it may have written is not ours */
    return false;
}

/* Nothing can be done about a release that fails; repeating it could be one too many. */
void hl_plat_give_back(struct hl_plat_ports *ports)
{
    for (mach_msg_type_number_t i = 0; i < ports->count; i++)
        if (MACH_PORT_VALID(ports->names[i]))
            mach_port_deallocate(mach_task_self(), ports->names[i]);
    if (ports->names)
        vm_deallocate(mach_task_self(), (vm_address_t)ports->names,
                      ports->count * sizeof *ports->names);
    *ports = (struct hl_plat_ports){NULL, 0};
}

bool hl_plat_is_gone(kern_return_t result)
{
    return result == KERN_TERMINATED || result == KERN_INVALID_ARGUMENT ||
           result == MACH_SEND_INVALID_DEST;
}

thread_act_t hl_plat_port_of(const struct hl_plat_ports *ports, uint64_t tid, kern_return_t *why)
{
    *why = KERN_SUCCESS;
    for (mach_msg_type_number_t i = 0; i < ports->count; i++) {
        thread_identifier_info_data_t identity = {0};
        mach_msg_type_number_t count = THREAD_IDENTIFIER_INFO_COUNT;
        if (!MACH_PORT_VALID(ports->names[i]))
            continue;
        kern_return_t result =
            thread_info(ports->names[i], THREAD_IDENTIFIER_INFO, (thread_info_t)&identity, &count);
        if (result == KERN_SUCCESS && identity.thread_id == tid)
            return ports->names[i];
        if (result != KERN_SUCCESS && !hl_plat_is_gone(result))
            *why = result;
    }
    return MACH_PORT_NULL;
}
