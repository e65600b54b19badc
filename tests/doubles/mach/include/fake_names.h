/* fake_names.h - every name of the fake's own that a linker sees, in one place.
 *
 * The sources of platform/darwin say task_info; what is linked is fake_task_info, hidden
 * inside libheartline.so. So the model build exports nothing that a program (or a real
 * Mach library on Linux) could trip over, and names that the C library has, too, keep
 * their meaning for everybody else. Included by every header of this folder. Those few that
 * the C library declares are renamed where its header has been read (pthread.h,
 * sys/resource.h, dlfcn.h), and not inside the model, which needs the real ones.
 */
#ifndef FAKE_NAMES_H
#define FAKE_NAMES_H

#define mach_task_self_ fake_mach_task_self_
#define vm_page_size fake_vm_page_size
#define task_info fake_task_info
#define task_threads fake_task_threads
#define thread_info fake_thread_info
#define thread_suspend fake_thread_suspend
#define thread_resume fake_thread_resume
#define thread_get_state fake_thread_get_state
#define vm_read_overwrite fake_vm_read_overwrite
#define vm_deallocate fake_vm_deallocate
#define mach_port_deallocate fake_mach_port_deallocate
#define mach_port_mod_refs fake_mach_port_mod_refs
#define mach_port_get_refs fake_mach_port_get_refs
#define mach_port_type fake_mach_port_type
#define mach_port_names fake_mach_port_names
#define mach_thread_self fake_mach_thread_self
#define mach_host_self fake_mach_host_self
#define mach_error_string fake_mach_error_string

#define mach_timebase_info fake_mach_timebase_info
#define mach_absolute_time fake_mach_absolute_time
#define mach_approximate_time fake_mach_approximate_time
#define mach_continuous_time fake_mach_continuous_time
#define mach_wait_until fake_mach_wait_until
#define clock_gettime_nsec_np fake_clock_gettime_nsec_np

#define sysctlbyname fake_sysctlbyname
#define proc_pidinfo fake_proc_pidinfo
#define proc_pid_rusage fake_proc_pid_rusage
#define issetugid fake_issetugid

#define _dyld_image_count fake_dyld_image_count
#define _dyld_get_image_header fake_dyld_get_image_header
#define _dyld_get_image_name fake_dyld_get_image_name
#define _dyld_get_image_vmaddr_slide fake_dyld_get_image_vmaddr_slide
#define _dyld_register_func_for_add_image fake_dyld_register_func_for_add_image
#define _dyld_register_func_for_remove_image fake_dyld_register_func_for_remove_image
#define _NSGetExecutablePath fake_NSGetExecutablePath

#define pthread_mach_thread_np fake_pthread_mach_thread_np
#define pthread_get_stackaddr_np fake_pthread_get_stackaddr_np
#define pthread_get_stacksize_np fake_pthread_get_stacksize_np
#define pthread_main_np fake_pthread_main_np

#endif
