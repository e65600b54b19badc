/* mach/mach_types.h of the fake: what the names of ports stand for. */
#ifndef FAKE_MACH_MACH_TYPES_H
#define FAKE_MACH_MACH_TYPES_H

#include <mach/message.h>
#include <mach/task_info.h>
#include <mach/thread_info.h>
#include <mach/thread_status.h>
#include <mach/vm_types.h>

typedef mach_port_t host_t;
typedef mach_port_t ipc_space_t;
typedef mach_port_t ipc_space_read_t;
typedef mach_port_t task_t;
typedef mach_port_t task_name_t;
typedef mach_port_t task_inspect_t;
typedef mach_port_t task_read_t;
typedef mach_port_t thread_t;
typedef mach_port_t thread_act_t;
typedef mach_port_t thread_inspect_t;
typedef mach_port_t thread_read_t;
typedef thread_act_t *thread_act_array_t;
typedef thread_act_t *thread_act_port_array_t;

#define TASK_NULL ((task_t)0)
#define THREAD_NULL ((thread_t)0)

#endif
