/* platform/linux/plat.c - opening, closing, and the reasons for what is missing.
 *
 * The kept descriptors are opened here and not at first use, so that a program
 * which calls chroot or drops its rights right after the start does not lose
 * its figures to a race. The memory comes straight from the system: after this
 * nothing is allocated.
 */
#define _GNU_SOURCE
#include "plat.h"

#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

const char hl_plat_name[] = "linux";
const char hl_plat_preload_variable[] = "LD_PRELOAD";
const char hl_plat_preload_separators[] = ": ";
const char hl_plat_not_understood[] = "the text in /proc was not understood";
const char hl_plat_emulated[] = "the system calls in /proc are an emulator's";

struct hl_plat *hl_plat_open(void)
{
    int saved = errno;
    struct hl_plat *plat = hl_plat_map(sizeof *plat);

    if (plat) {
        atomic_init(&plat->hear.number, -1);
        atomic_init(&plat->call.number, -1);
        atomic_init(&plat->tasks.number, -1);
        atomic_init(&plat->status.number, -1);
        atomic_init(&plat->passing.number, -1);
        for (int key = 0; key < HL_PLAT_KEYS; key++)
            plat->why[key] = "not asked for yet";
        hl_plat_open_wake(plat);
        hl_plat_open_status(plat);
        (void)hl_plat_task_directory(plat);
        (void)hl_plat_is_emulated(plat);
    }
    errno = saved;
    return plat;
}

static void close_all(struct hl_plat *plat)
{
    if (atomic_load(&plat->call.number) != atomic_load(&plat->hear.number))
        hl_plat_let_go(&plat->call);
    hl_plat_let_go(&plat->hear);
    hl_plat_let_go(&plat->tasks);
    hl_plat_let_go(&plat->status);
    hl_plat_let_go(&plat->passing);
}

void hl_plat_close(struct hl_plat *plat)
{
    int saved = errno;

    if (plat) {
        close_all(plat);
        hl_plat_unmap(plat, sizeof *plat);
    }
    errno = saved;
}

/* Takes no lock and trusts no half-written entry, so it is closing and a little more. */
void hl_plat_abandon_in_child(struct hl_plat *plat)
{
    int saved = errno;

    hl_plat_close_marked();
    hl_plat_learn_in_child();
    hl_plat_close(plat);
    errno = saved;
}

static bool proc_is_there(void)
{
    return access("/proc/self/stat", F_OK) == 0;
}

bool hl_plat_is_opaque(void)
{
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);

    return dumpable == 0 || dumpable == 2; /* 2: for root alone */
}

static const char *reason(int error)
{
    switch (error) {
    case EACCES:
        return hl_plat_is_opaque() ? "permission denied (process is not dumpable)"
                                   : "permission denied";
    case EPERM:
        return "not permitted (seccomp or a security module)";
    case EMFILE:
        return "too many open files";
    case ENFILE:
        return "too many open files in the system";
    case ENOMEM:
        return "out of memory";
    case ESRCH:
        return "the thread has ended";
    case ENOSYS:
        return "this kernel does not offer it";
    case EBADF:
        return "its descriptor was closed by the application";
    case ENOENT:
    case ENOTDIR:
        return proc_is_there() ? "this kernel does not offer it" : "/proc is not mounted";
    default:
        return "the system call failed";
    }
}

void hl_plat_miss(struct hl_plat *plat, enum hl_plat_key key, int error)
{
    hl_plat_miss_because(plat, key, reason(error));
}

void hl_plat_miss_because(struct hl_plat *plat, enum hl_plat_key key, const char *text)
{
    plat->why[key] = text;
}

const char *hl_plat_why(const struct hl_plat *plat, enum hl_plat_key key)
{
    if ((unsigned)key >= HL_PLAT_KEYS)
        return "there is no such figure";
    return plat->why[key];
}
