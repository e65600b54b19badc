/* mach/vm_types.h of the fake: addresses and sizes. */
#ifndef FAKE_MACH_VM_TYPES_H
#define FAKE_MACH_VM_TYPES_H

#include <mach/port.h>
#include <stdint.h>

typedef uintptr_t vm_offset_t;
typedef uintptr_t vm_address_t;
typedef uintptr_t vm_size_t;
typedef uint64_t mach_vm_address_t;
typedef uint64_t mach_vm_offset_t;
typedef uint64_t mach_vm_size_t;

typedef mach_port_t vm_map_t;
typedef mach_port_t vm_map_read_t;

#endif
