/* mach/mach.h of the fake: the calls. */
#ifndef FAKE_MACH_MACH_H
#define FAKE_MACH_MACH_H

#include <fake_names.h>
#include <mach/mach_types.h>

extern mach_port_t mach_task_self_;
#define mach_task_self() mach_task_self_
#define current_task() mach_task_self()
extern vm_size_t vm_page_size;

kern_return_t task_info(task_name_t task, task_flavor_t flavor, task_info_t info,
                        mach_msg_type_number_t *count);
kern_return_t task_threads(task_inspect_t task, thread_act_array_t *threads,
                           mach_msg_type_number_t *count);

kern_return_t thread_info(thread_inspect_t thread, thread_flavor_t flavor, thread_info_t info,
                          mach_msg_type_number_t *count);
kern_return_t thread_suspend(thread_act_t thread);
kern_return_t thread_resume(thread_act_t thread);
kern_return_t thread_get_state(thread_read_t thread, thread_state_flavor_t flavor,
                               thread_state_t state, mach_msg_type_number_t *count);

kern_return_t vm_read_overwrite(vm_map_read_t task, vm_address_t address, vm_size_t size,
                                vm_address_t data, vm_size_t *read);
kern_return_t vm_deallocate(vm_map_t task, vm_address_t address, vm_size_t size);

kern_return_t mach_port_deallocate(ipc_space_t task, mach_port_name_t name);
kern_return_t mach_port_mod_refs(ipc_space_t task, mach_port_name_t name, mach_port_right_t right,
                                 mach_port_delta_t delta);
kern_return_t mach_port_get_refs(ipc_space_read_t task, mach_port_name_t name,
                                 mach_port_right_t right, mach_port_urefs_t *references);
kern_return_t mach_port_type(ipc_space_read_t task, mach_port_name_t name, mach_port_type_t *type);
kern_return_t mach_port_names(ipc_space_t task, mach_port_name_array_t *names,
                              mach_msg_type_number_t *name_count, mach_port_type_array_t *types,
                              mach_msg_type_number_t *type_count);

mach_port_t mach_thread_self(void);
mach_port_t mach_host_self(void);
char *mach_error_string(kern_return_t code);

#endif
