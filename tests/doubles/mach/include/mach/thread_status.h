/* mach/thread_status.h of the fake: the registers of the processor that this is built for. */
#ifndef FAKE_MACH_THREAD_STATUS_H
#define FAKE_MACH_THREAD_STATUS_H

#include <mach/message.h>
#include <stdint.h>

typedef natural_t *thread_state_t;
typedef int thread_state_flavor_t;

#if defined(__x86_64__)

struct __darwin_x86_thread_state64 {
    uint64_t __rax, __rbx, __rcx, __rdx, __rdi, __rsi, __rbp, __rsp;
    uint64_t __r8, __r9, __r10, __r11, __r12, __r13, __r14, __r15;
    uint64_t __rip, __rflags, __cs, __fs, __gs;
};
typedef struct __darwin_x86_thread_state64 x86_thread_state64_t;
#define x86_THREAD_STATE64 4
#define x86_THREAD_STATE64_COUNT \
    ((mach_msg_type_number_t)(sizeof(x86_thread_state64_t) / sizeof(int)))
#define MACHINE_THREAD_STATE x86_THREAD_STATE64
#define MACHINE_THREAD_STATE_COUNT x86_THREAD_STATE64_COUNT

#elif defined(__aarch64__)

struct __darwin_arm_thread_state64 {
    uint64_t __x[29];
    uint64_t __fp;
    uint64_t __lr;
    uint64_t __sp;
    uint64_t __pc;
    uint32_t __cpsr;
    uint32_t __pad;
};
typedef struct __darwin_arm_thread_state64 arm_thread_state64_t;
#define ARM_THREAD_STATE64 6
#define ARM_THREAD_STATE64_COUNT \
    ((mach_msg_type_number_t)(sizeof(arm_thread_state64_t) / sizeof(uint32_t)))
#define MACHINE_THREAD_STATE ARM_THREAD_STATE64
#define MACHINE_THREAD_STATE_COUNT ARM_THREAD_STATE64_COUNT

/* As on plain arm64: nothing is signed. */
#define arm_thread_state64_get_pc(state) ((state).__pc)
#define arm_thread_state64_get_lr(state) ((state).__lr)
#define arm_thread_state64_get_sp(state) ((state).__sp)
#define arm_thread_state64_get_fp(state) ((state).__fp)
#define arm_thread_state64_ptrauth_strip(state) ((void)(state))

#endif
#endif
