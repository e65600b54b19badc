/* sys/sysctl.h of the fake; glibc has none any more. */
#ifndef FAKE_SYS_SYSCTL_H
#define FAKE_SYS_SYSCTL_H

#include <fake_names.h>
#include <stddef.h>
#include <sys/types.h>

int sysctlbyname(const char *name, void *old, size_t *old_size, void *new_value, size_t new_size);

#endif
