/* pthread.h of the fake: the C library's, with Apple's additions in place of GNU's.
 *
 * A pthread_t is a pointer there, so NULL may stand for the caller in
 * pthread_threadid_np; the macro lets that pass here, where it is a number.
 */
#ifndef FAKE_PTHREAD_H
#define FAKE_PTHREAD_H

#include_next <pthread.h>
#include <fake_names.h>
#include <mach/port.h>
#include <stddef.h>
#include <stdint.h>

int fake_pthread_threadid_np(pthread_t thread, uint64_t *id);
#define pthread_threadid_np(thread, id) fake_pthread_threadid_np((pthread_t)(thread), id)

mach_port_t pthread_mach_thread_np(pthread_t thread);
void *pthread_get_stackaddr_np(pthread_t thread); /* the high end */
size_t pthread_get_stacksize_np(pthread_t thread);
int pthread_main_np(void);

int fake_pthread_setname_np(const char *name); /* only the caller's own */
int fake_pthread_getname_np(pthread_t thread, char *name, size_t size);
#ifndef FAKE_MACH_INSIDE
#define pthread_setname_np fake_pthread_setname_np
#define pthread_getname_np fake_pthread_getname_np
#endif

#endif
