/* dlfcn.h of the fake: the C library's, and dladdr without asking for GNU's extensions. */
#ifndef FAKE_DLFCN_H
#define FAKE_DLFCN_H

#include_next <dlfcn.h>
#include <fake_names.h>

#ifndef FAKE_MACH_INSIDE
#define dladdr fake_dladdr
#ifndef _GNU_SOURCE
typedef struct {
    const char *dli_fname;
    void *dli_fbase;
    const char *dli_sname;
    void *dli_saddr;
} Dl_info;
#endif
int dladdr(const void *address, Dl_info *info);
#endif

#endif
