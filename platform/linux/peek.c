/* platform/linux/peek.c - reading memory that may not be there any more.
 *
 * The addresses come from another thread's registers and from the application's
 * own structures, so none of them is trusted: the kernel copies, and says EFAULT
 * where a load of ours would end the program.
 */
#define _GNU_SOURCE
#include "plat.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

int hl_plat_peek(uint64_t address, void *copy, size_t size)
{
    struct iovec to = {copy, size};
    struct iovec from = {(void *)(uintptr_t)address, size};
    ssize_t copied = process_vm_readv(getpid(), &to, 1, &from, 1, 0);

    if (copied < 0)
        return -errno;
    return (size_t)copied == size ? 0 : -EFAULT;
}
