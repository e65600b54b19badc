/* libproc.h of the fake. proc_pidinfo gives the bytes it filled in, 0 on failure. */
#ifndef FAKE_LIBPROC_H
#define FAKE_LIBPROC_H

#include <fake_names.h>
#include <stdint.h>
#include <sys/proc_info.h>
#include <sys/resource.h>
#include <sys/types.h>

int proc_pidinfo(int pid, int flavor, uint64_t argument, void *buffer, int size);
int proc_pid_rusage(int pid, int flavor, rusage_info_t *buffer);

#endif
