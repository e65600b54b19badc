/* tests/doubles/mach/layouts.c - what both Apple's headers and the fake's must agree on.
 *
 * Compiled against either: a struct of the fake that is laid out otherwise than Apple's
 * would let sources pass here that read nonsense there (phys_footprint once lay at 136
 * instead of 144, and every test passed). So nothing of the fake may be named in here.
 */
#include <libproc.h>
#include <mach-o/dyld.h>
#include <mach-o/loader.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/proc_info.h>
#include <sys/resource.h>
#include <sys/sysctl.h>
#include <time.h>
#include <unistd.h>

#define SAYS(condition) _Static_assert(condition, #condition)
#define LIES_AT(type, field, offset) \
    _Static_assert(offsetof(type, field) == (offset), #type "." #field " lies elsewhere")
#define HAS_BYTES(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " has another size")

/* ---- plain types ------------------------------------------------------------------- */

HAS_BYTES(natural_t, 4);
HAS_BYTES(integer_t, 4);
HAS_BYTES(kern_return_t, 4);
HAS_BYTES(mach_port_t, 4);
HAS_BYTES(mach_port_name_t, 4);
HAS_BYTES(thread_act_t, 4);
HAS_BYTES(mach_msg_type_number_t, 4);
HAS_BYTES(vm_address_t, 8);
HAS_BYTES(vm_size_t, 8);
HAS_BYTES(mach_vm_size_t, 8);
HAS_BYTES(time_value_t, 8);
HAS_BYTES(*(thread_act_array_t)0, 4);
HAS_BYTES(*(thread_state_t)0, 4);

/* ---- codes --------------------------------------------------------------------------- */

SAYS(KERN_SUCCESS == 0);
SAYS(KERN_INVALID_ADDRESS == 1);
SAYS(KERN_INVALID_ARGUMENT == 4);
SAYS(KERN_FAILURE == 5);
SAYS(KERN_RESOURCE_SHORTAGE == 6);
SAYS(KERN_ABORTED == 14);
SAYS(KERN_INVALID_NAME == 15);
SAYS(KERN_INVALID_TASK == 16);
SAYS(KERN_INVALID_RIGHT == 17);
SAYS(KERN_TERMINATED == 37);
SAYS(MACH_SEND_INVALID_DEST == 0x10000003);
SAYS(MACH_PORT_NULL == 0);
SAYS((mach_port_name_t)MACH_PORT_DEAD == 0xffffffffu);
SAYS(MACH_PORT_RIGHT_SEND == 0);
SAYS(MACH_PORT_RIGHT_DEAD_NAME == 4);
SAYS(MACH_PORT_TYPE_SEND == 1u << 16);
SAYS(MACH_PORT_TYPE_DEAD_NAME == 1u << 20);

/* ---- the task -------------------------------------------------------------------------- */

SAYS(TASK_ABSOLUTETIME_INFO == 1);
SAYS(TASK_ABSOLUTETIME_INFO_COUNT == 8);
LIES_AT(struct task_absolutetime_info, total_user, 0);
LIES_AT(struct task_absolutetime_info, total_system, 8);
LIES_AT(struct task_absolutetime_info, threads_user, 16);
LIES_AT(struct task_absolutetime_info, threads_system, 24);

SAYS(TASK_THREAD_TIMES_INFO == 3);
SAYS(TASK_THREAD_TIMES_INFO_COUNT == 4);
LIES_AT(struct task_thread_times_info, user_time, 0);
LIES_AT(struct task_thread_times_info, system_time, 8);

SAYS(MACH_TASK_BASIC_INFO == 20);
SAYS(MACH_TASK_BASIC_INFO_COUNT == 12);
LIES_AT(struct mach_task_basic_info, virtual_size, 0);
LIES_AT(struct mach_task_basic_info, resident_size, 8);
LIES_AT(struct mach_task_basic_info, resident_size_max, 16);
LIES_AT(struct mach_task_basic_info, user_time, 24);
LIES_AT(struct mach_task_basic_info, system_time, 32);
LIES_AT(struct mach_task_basic_info, policy, 40);
LIES_AT(struct mach_task_basic_info, suspend_count, 44);

SAYS(TASK_POWER_INFO == 21);
SAYS(TASK_POWER_INFO_COUNT == 12);
LIES_AT(struct task_power_info, total_user, 0);
LIES_AT(struct task_power_info, total_system, 8);

/* It grows with every system: what lies before revision 1 stays. */
SAYS(TASK_VM_INFO == 22);
SAYS(TASK_VM_INFO_REV0_COUNT == 36);
SAYS(TASK_VM_INFO_REV1_COUNT == 38);
SAYS(TASK_VM_INFO_REV2_COUNT == 42);
SAYS(TASK_VM_INFO_REV3_COUNT == 84);
SAYS(TASK_VM_INFO_COUNT >= TASK_VM_INFO_REV3_COUNT);
LIES_AT(struct task_vm_info, virtual_size, 0);
LIES_AT(struct task_vm_info, region_count, 8);
LIES_AT(struct task_vm_info, page_size, 12);
LIES_AT(struct task_vm_info, resident_size, 16);
LIES_AT(struct task_vm_info, resident_size_peak, 24);
LIES_AT(struct task_vm_info, compressed, 120);
LIES_AT(struct task_vm_info, phys_footprint, 144);
LIES_AT(struct task_vm_info, min_address, 152);
LIES_AT(struct task_vm_info, ledger_phys_footprint_peak, 168);
LIES_AT(struct task_vm_info, limit_bytes_remaining, 336);

/* ---- threads ------------------------------------------------------------------------------ */

SAYS(THREAD_BASIC_INFO == 3);
SAYS(THREAD_BASIC_INFO_COUNT == 10);
LIES_AT(struct thread_basic_info, user_time, 0);
LIES_AT(struct thread_basic_info, system_time, 8);
LIES_AT(struct thread_basic_info, cpu_usage, 16);
LIES_AT(struct thread_basic_info, policy, 20);
LIES_AT(struct thread_basic_info, run_state, 24);
LIES_AT(struct thread_basic_info, flags, 28);
LIES_AT(struct thread_basic_info, suspend_count, 32);
LIES_AT(struct thread_basic_info, sleep_time, 36);

SAYS(THREAD_IDENTIFIER_INFO == 4);
SAYS(THREAD_IDENTIFIER_INFO_COUNT == 6);
LIES_AT(struct thread_identifier_info, thread_id, 0);
LIES_AT(struct thread_identifier_info, thread_handle, 8);
LIES_AT(struct thread_identifier_info, dispatch_qaddr, 16);

SAYS(THREAD_EXTENDED_INFO == 5);
SAYS(THREAD_EXTENDED_INFO_COUNT == 28);
HAS_BYTES(struct thread_extended_info, 112);
LIES_AT(struct thread_extended_info, pth_user_time, 0);
LIES_AT(struct thread_extended_info, pth_system_time, 8);
LIES_AT(struct thread_extended_info, pth_run_state, 24);
LIES_AT(struct thread_extended_info, pth_flags, 28);
LIES_AT(struct thread_extended_info, pth_name, 48);
SAYS(sizeof((struct thread_extended_info *)0)->pth_name == 64);

SAYS(TH_STATE_RUNNING == 1);
SAYS(TH_STATE_STOPPED == 2);
SAYS(TH_STATE_WAITING == 3);
SAYS(TH_STATE_UNINTERRUPTIBLE == 4);
SAYS(TH_STATE_HALTED == 5);
SAYS(TH_FLAGS_SWAPPED == 1);
SAYS(TH_FLAGS_IDLE == 2);

/* ---- registers -------------------------------------------------------------------------- */

#if defined(__x86_64__)
SAYS(x86_THREAD_STATE64 == 4);
SAYS(x86_THREAD_STATE64_COUNT == 42);
HAS_BYTES(x86_thread_state64_t, 168);
LIES_AT(x86_thread_state64_t, __rax, 0);
LIES_AT(x86_thread_state64_t, __rbp, 48);
LIES_AT(x86_thread_state64_t, __rsp, 56);
LIES_AT(x86_thread_state64_t, __rip, 128);
#else
SAYS(ARM_THREAD_STATE64 == 6);
SAYS(ARM_THREAD_STATE64_COUNT == 68);
HAS_BYTES(arm_thread_state64_t, 272);
LIES_AT(arm_thread_state64_t, __fp, 232);
LIES_AT(arm_thread_state64_t, __lr, 240);
LIES_AT(arm_thread_state64_t, __sp, 248);
LIES_AT(arm_thread_state64_t, __pc, 256);
#endif

/* ---- the process by its number ------------------------------------------------------------- */

SAYS(PROC_PIDTBSDINFO == 3);
HAS_BYTES(struct proc_bsdinfo, 136);
LIES_AT(struct proc_bsdinfo, pbi_flags, 0);
LIES_AT(struct proc_bsdinfo, pbi_pid, 12);
LIES_AT(struct proc_bsdinfo, pbi_comm, 48);
LIES_AT(struct proc_bsdinfo, pbi_name, 64);
LIES_AT(struct proc_bsdinfo, pbi_start_tvsec, 120);
LIES_AT(struct proc_bsdinfo, pbi_start_tvusec, 128);
SAYS(PROC_FLAG_TRACED == 2);

SAYS(PROC_PIDTASKINFO == 4);
HAS_BYTES(struct proc_taskinfo, 96);
LIES_AT(struct proc_taskinfo, pti_total_user, 16);
LIES_AT(struct proc_taskinfo, pti_total_system, 24);
LIES_AT(struct proc_taskinfo, pti_threadnum, 84);

SAYS(PROC_PIDTHREADID64INFO == 15);
HAS_BYTES(struct proc_threadinfo, 112);
LIES_AT(struct proc_threadinfo, pth_name, 48);

SAYS(RUSAGE_INFO_V2 == 2);
SAYS(RUSAGE_INFO_V4 == 4);
HAS_BYTES(struct rusage_info_v4, 296);
LIES_AT(struct rusage_info_v4, ri_user_time, 16);
LIES_AT(struct rusage_info_v4, ri_system_time, 24);
LIES_AT(struct rusage_info_v4, ri_resident_size, 64);
LIES_AT(struct rusage_info_v4, ri_phys_footprint, 72);
LIES_AT(struct rusage_info_v4, ri_proc_start_abstime, 80);
LIES_AT(struct rusage_info_v4, ri_diskio_bytesread, 144);
LIES_AT(struct rusage_info_v4, ri_diskio_byteswritten, 152);
LIES_AT(struct rusage_info_v4, ri_logical_writes, 232);

/* ---- time and files ------------------------------------------------------------------------ */

HAS_BYTES(struct mach_timebase_info, 8);
LIES_AT(struct mach_timebase_info, denom, 4);

HAS_BYTES(struct mach_header_64, 32);
LIES_AT(struct mach_header_64, ncmds, 16);
LIES_AT(struct mach_header_64, sizeofcmds, 20);
HAS_BYTES(struct load_command, 8);
HAS_BYTES(struct segment_command_64, 72);
LIES_AT(struct segment_command_64, segname, 8);
LIES_AT(struct segment_command_64, vmaddr, 24);
LIES_AT(struct segment_command_64, vmsize, 32);
SAYS(MH_MAGIC_64 == 0xfeedfacf);
SAYS(LC_SEGMENT_64 == 0x19);

/* ---- calls: each pointer fits only a function of exactly this shape -------------------------- */

typedef kern_return_t task_info_shape(mach_port_t, task_flavor_t, task_info_t,
                                      mach_msg_type_number_t *);
typedef kern_return_t thread_info_shape(mach_port_t, thread_flavor_t, thread_info_t,
                                        mach_msg_type_number_t *);
typedef kern_return_t get_state_shape(mach_port_t, thread_state_flavor_t, thread_state_t,
                                      mach_msg_type_number_t *);
#define FITS(function, shape)                                                 \
    _Static_assert(_Generic(&function, __typeof__(shape) * : 1, default : 0), \
                   #function " has another shape")

FITS(task_info, task_info_shape);
FITS(thread_info, thread_info_shape);
FITS(thread_get_state, get_state_shape);
FITS(task_threads, kern_return_t(mach_port_t, thread_act_array_t *, mach_msg_type_number_t *));
FITS(thread_suspend, kern_return_t(mach_port_t));
FITS(thread_resume, kern_return_t(mach_port_t));
FITS(vm_read_overwrite,
     kern_return_t(mach_port_t, vm_address_t, vm_size_t, vm_address_t, vm_size_t *));
FITS(vm_deallocate, kern_return_t(mach_port_t, vm_address_t, vm_size_t));
FITS(mach_port_deallocate, kern_return_t(mach_port_t, mach_port_name_t));
FITS(mach_port_get_refs,
     kern_return_t(mach_port_t, mach_port_name_t, mach_port_right_t, mach_port_urefs_t *));
FITS(mach_port_names, kern_return_t(mach_port_t, mach_port_name_array_t *, mach_msg_type_number_t *,
                                    mach_port_type_array_t *, mach_msg_type_number_t *));
FITS(mach_thread_self, mach_port_t(void));
FITS(mach_absolute_time, uint64_t(void));
FITS(mach_timebase_info, kern_return_t(mach_timebase_info_t));
FITS(proc_pidinfo, int(int, int, uint64_t, void *, int));
FITS(proc_pid_rusage, int(int, int, rusage_info_t *));
FITS(sysctlbyname, int(const char *, void *, size_t *, void *, size_t));
FITS(pthread_mach_thread_np, mach_port_t(pthread_t));
FITS(pthread_get_stackaddr_np, void *(pthread_t));
FITS(pthread_get_stacksize_np, size_t(pthread_t));
FITS(pthread_setname_np, int(const char *));
FITS(pthread_main_np, int(void));
FITS(_dyld_get_image_header, const struct mach_header *(uint32_t));
FITS(_dyld_get_image_vmaddr_slide, intptr_t(uint32_t));
FITS(_NSGetExecutablePath, int(char *, uint32_t *));
FITS(clock_gettime_nsec_np, uint64_t(clockid_t));
