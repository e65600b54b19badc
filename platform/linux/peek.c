/* platform/linux/peek.c - reading memory that may not be there any more.
 *
 * The addresses come from another thread's registers and from the application's
 * own structures, so none of them is trusted: the kernel copies, and says EFAULT
 * where a load of ours would end the program.
 *
 * Some containers and services forbid the call that copies. The file of our own
 * memory does the same with five calls. Nothing is remembered: to be refused is the
 * cheapest of them, and what is refused to one thread may be allowed to another.
 */
#define _GNU_SOURCE
#include "plat.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

static int result_of(ssize_t copied, size_t size)
{
    return (size_t)copied == size ? 0 : -EFAULT;
}

/* What was read counts only when the file was ours to the end: the application may have
 * closed it, and opened another one under its number. */
static int copy_from_file(uint64_t address, void *copy, size_t size, int refusal)
{
    struct hl_plat_kept file = {.number = -1};
    int descriptor = hl_plat_open_own_marked(&file, "mem");

    if (descriptor < 0)
        return refusal;
    ssize_t copied = pread(descriptor, copy, size, (off_t)address);
    bool is_absent = copied < 0 && (errno == EIO || errno == EINVAL);
    if (hl_plat_ours(&file) < 0)
        return refusal;
    close(descriptor);
    return copied < 0 && !is_absent ? refusal : result_of(copied, size);
}

int hl_plat_peek(uint64_t address, void *copy, size_t size)
{
    struct iovec to = {copy, size};
    struct iovec from = {(void *)(uintptr_t)address, size};
    ssize_t copied = process_vm_readv(getpid(), &to, 1, &from, 1, 0);

    if (copied >= 0)
        return result_of(copied, size);
    return errno == EFAULT ? -EFAULT : copy_from_file(address, copy, size, -errno);
}
