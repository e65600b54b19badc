/* tests/platform/test_log.c - lines go out without waiting, and only where they should. */
#define _GNU_SOURCE
#include "helper.h"

#include <sys/socket.h>

static struct hl_plat_log logged;

static ptrdiff_t put(const char *text)
{
    return hl_plat_log_write(&logged, text, strlen(text));
}

/* Writes lines until one is refused; gives up after far more than any buffer holds. */
static ptrdiff_t fill(void)
{
    static const char line[1000] = "x";
    ptrdiff_t taken = 0;

    for (int i = 0; i < 20000 && taken >= 0; i++)
        taken = hl_plat_log_write(&logged, line, sizeof line);
    return taken;
}

/* ---- descriptors ------------------------------------------------------------------------- */

static void open_on(int descriptor)
{
    int flags = fcntl(descriptor, F_GETFL), own = fcntl(descriptor, F_GETFD);

    cr_assert_eq(hl_plat_log_open_descriptor(&logged, descriptor), 0);
    cr_assert_eq(fcntl(descriptor, F_GETFL), flags, "the application's flags changed");
    cr_assert_eq(fcntl(descriptor, F_GETFD), own);
    cr_assert_geq(logged.descriptor, 10);
    cr_assert_neq(logged.descriptor, descriptor);
    cr_assert(fcntl(logged.descriptor, F_GETFD) & FD_CLOEXEC);
}

Test(log, a_full_pipe_is_told_and_never_waited_for)
{
    int ends[2];
    char bytes[4096];

    cr_assert_eq(pipe(ends), 0);
    int flags = fcntl(ends[1], F_GETFL);
    open_on(ends[1]);
    cr_assert_eq(put("line\n"), 5);
    cr_assert_eq(read(ends[0], bytes, sizeof bytes), 5);
    uint64_t before = hl_plat_now_ns();
    cr_assert_eq(fill(), -EAGAIN);
    cr_assert_eq(fill(), -EAGAIN);
    cr_assert_lt(hl_plat_now_ns() - before, S);
    cr_assert_eq(fcntl(ends[1], F_GETFL), flags);
    for (int i = 0; i < 4; i++)
        cr_assert_gt(read(ends[0], bytes, sizeof bytes), 0);
    cr_assert_eq(put("line\n"), 5, "it recovers when the reader does");
    hl_plat_log_close(&logged);
}

Test(log, a_reader_that_has_gone_is_an_error_and_not_the_end)
{
    int ends[2];
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    cr_assert_eq(pipe(ends), 0);
    open_on(ends[1]);
    close(ends[0]);
    cr_assert_eq(put("line\n"), -EPIPE);
    cr_assert_eq(put("line\n"), -EPIPE);
}

Test(log, a_socket_neither_waits_nor_kills)
{
    int ends[2];
    char bytes[16];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    open_on(ends[1]);
    cr_assert_eq(put("line\n"), 5);
    cr_assert_eq(read(ends[0], bytes, sizeof bytes), 5);
    cr_assert_eq(fill(), -EAGAIN);
    close(ends[0]);
    cr_assert_eq(put("line\n"), -EPIPE); /* SIGPIPE is not blocked here */
}

Test(log, a_file_is_shared_with_the_application_as_it_is)
{
    char path[] = "heartline-test-XXXXXX", bytes[32] = {0};
    int file = mkstemp(path);

    unlink(path);
    open_on(file);
    cr_assert_eq(write(file, "one\n", 4), 4);
    cr_assert_eq(put("two\n"), 4);
    cr_assert_eq(write(file, "three\n", 6), 6);
    cr_assert_eq(pread(file, bytes, sizeof bytes, 0), 14);
    cr_assert_str_eq(bytes, "one\ntwo\nthree\n");
}

Test(log, a_terminal_whose_output_is_stopped_is_not_waited_for)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);

    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        cr_skip("no terminals here");
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    cr_assert_geq(terminal, 0);
    open_on(terminal);
    ptrdiff_t taken = 0;
    uint64_t before = hl_plat_now_ns();
    if (!is_linux()) {
        cr_assert_eq(put("line\n"), 5);
        cr_skip("this platform may wait for a terminal");
    }
    taken = fill();
    cr_assert_eq(taken, -EAGAIN);
    cr_assert_lt(hl_plat_now_ns() - before, S);
}

Test(log, what_cannot_be_written_to_is_refused_when_it_is_opened)
{
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(hl_plat_log_open_descriptor(&logged, ends[0]), -EBADF);
    cr_assert_eq(hl_plat_log_open_descriptor(&logged, -1), -EBADF);
    cr_assert_eq(hl_plat_log_open_descriptor(&logged, 999), -EBADF);
    cr_assert_lt(hl_plat_log_open_descriptor(&logged, open("/", O_RDONLY)), 0);
    cr_assert_lt(hl_plat_log_open_descriptor(&logged, open("/dev/null", O_RDONLY)), 0);
    cr_assert_eq(logged.kind, 0);
    cr_assert_eq(put("line\n"), -EBADF);
    hl_plat_log_close(&logged);
}

Test(log, a_number_that_the_application_took_over_gets_nothing)
{
    char path[] = "heartline-test-XXXXXX";
    int ends[2], file = mkstemp(path);
    struct stat is;

    unlink(path);
    cr_assert_eq(pipe(ends), 0);
    open_on(ends[1]);
    cr_assert_eq(dup2(file, logged.descriptor), logged.descriptor);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(put("line\n"), -EBADF);
    fstat(file, &is);
    cr_assert_eq(is.st_size, 0);
    int number = logged.descriptor;
    hl_plat_log_close(&logged);
    cr_assert_geq(fcntl(number, F_GETFD), 0, "closed what was not ours");
    cr_assert_eq(logged.kind, 0);
}

Test(log, closing_it_leaves_the_applications_descriptor_open)
{
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    open_on(ends[1]);
    int number = logged.descriptor;
    hl_plat_log_close(&logged);
    hl_plat_log_close(&logged);
    cr_assert_lt(fcntl(number, F_GETFD), 0);
    cr_assert_eq(write(ends[1], "x", 1), 1);
}

/* ---- a pipe made by somebody else, after the rights were dropped ------------------------------- */

struct dropped {
    int opened;
    ptrdiff_t first, full;
    bool flags_kept;
};

static int parents_pipe[2];

static void write_without_rights(void *shared)
{
    struct dropped *dropped = shared;

    if (setgid(65534) != 0 || setuid(65534) != 0)
        return;
    int flags = fcntl(parents_pipe[1], F_GETFL);
    dropped->opened = hl_plat_log_open_descriptor(&logged, parents_pipe[1]);
    if (dropped->opened < 0)
        return;
    dropped->first = put("line\n");
    dropped->full = fill();
    dropped->flags_kept = fcntl(parents_pipe[1], F_GETFL) == flags;
}

Test(log, a_pipe_that_may_not_be_opened_again_still_does_not_block)
{
    struct dropped *dropped = hl_plat_map_shared(sizeof *dropped);

    if (geteuid() != 0)
        cr_skip("only root can give up its rights");
    cr_assert_eq(pipe(parents_pipe), 0);
    in_child(write_without_rights, dropped);
    cr_assert_eq(dropped->opened, 0, "%d", dropped->opened);
    cr_assert_eq(dropped->first, 5);
    cr_assert_eq(dropped->full, -EAGAIN);
    cr_assert(dropped->flags_kept);
}

/* ---- paths ------------------------------------------------------------------------------------ */

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void make_folder(void)
{
    strcpy(folder, "/tmp/heartline-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    umask(0);
}

static void remove_folder(void)
{
    static const char *const names[] = {"file", "fifo", "link", "folder"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (unlink(in_folder(names[i])) != 0)
            rmdir(in_folder(names[i]));
    rmdir(folder);
}

TestSuite(path, .init = make_folder, .fini = remove_folder);

static int open_path(const char *name)
{
    return hl_plat_log_open_path(&logged, in_folder(name));
}

Test(path, a_file_is_made_for_its_owner_and_appended_to)
{
    struct stat is;
    char bytes[32] = {0};

    for (int i = 0; i < 2; i++) {
        cr_assert_eq(open_path("file"), 0);
        cr_assert_geq(logged.descriptor, 10);
        cr_assert(fcntl(logged.descriptor, F_GETFD) & FD_CLOEXEC);
        cr_assert_eq(put("line\n"), 5);
        hl_plat_log_close(&logged);
    }
    cr_assert_eq(stat(in_folder("file"), &is), 0);
    cr_assert_eq(is.st_mode & 07777, 0600);
    int file = open(in_folder("file"), O_RDONLY);
    cr_assert_eq(read(file, bytes, sizeof bytes), 10);
    cr_assert_str_eq(bytes, "line\nline\n");
}

Test(path, an_emptied_file_is_appended_to_at_its_new_end)
{
    uint64_t size;
    char bytes[32] = {0};

    cr_assert_eq(open_path("file"), 0);
    cr_assert_eq(put("the first line\n"), 15);
    cr_assert(hl_plat_log_size(&logged, &size));
    cr_assert_eq(size, 15);
    cr_assert_eq(truncate(in_folder("file"), 0), 0);
    cr_assert(hl_plat_log_size(&logged, &size));
    cr_assert_eq(size, 0);
    cr_assert_eq(put("line\n"), 5);
    int file = open(in_folder("file"), O_RDONLY);
    cr_assert_eq(read(file, bytes, sizeof bytes), 5);
    cr_assert_str_eq(bytes, "line\n");
}

Test(path, only_a_file_that_is_ours_has_a_length)
{
    uint64_t size;
    int ends[2];

    cr_assert_not(hl_plat_log_size(&(struct hl_plat_log){0}, &size));
    cr_assert_eq(pipe(ends), 0);
    open_on(ends[1]);
    cr_assert_eq(put("line\n"), 5);
    cr_assert_not(hl_plat_log_size(&logged, &size));
    hl_plat_log_close(&logged);
    cr_assert_eq(open_path("file"), 0);
    cr_assert_eq(dup2(ends[1], logged.descriptor), logged.descriptor);
    cr_assert_not(hl_plat_log_size(&logged, &size), "the number is the program's by now");
}

Test(path, in_the_working_folder_needs_no_slash)
{
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(hl_plat_log_open_path(&logged, "file"), 0);
    cr_assert_eq(put("line\n"), 5);
    cr_assert_eq(access(in_folder("file"), W_OK), 0);
}

Test(path, a_fifo_without_a_reader_is_an_error_at_once)
{
    cr_assert_eq(mkfifo(in_folder("fifo"), 0600), 0);
    cr_assert_eq(open_path("fifo"), -ENXIO);
    int reader = open(in_folder("fifo"), O_RDONLY | O_NONBLOCK);
    cr_assert_eq(open_path("fifo"), 0);
    cr_assert_eq(put("line\n"), 5);
    cr_assert_eq(fill(), -EAGAIN);
    close(reader);
}

Test(path, what_is_no_file_is_refused)
{
    static char long_path[5000];

    cr_assert_eq(mkdir(in_folder("folder"), 0700), 0);
    cr_assert_eq(open_path("folder"), -EISDIR);
    cr_assert_eq(hl_plat_log_open_path(&logged, "/"), -EISDIR);
    cr_assert_eq(hl_plat_log_open_path(&logged, ""), -ENOENT);
    cr_assert_eq(hl_plat_log_open_path(&logged, "/no/such/file"), -ENOENT);
    memset(long_path, 'x', sizeof long_path - 1);
    cr_assert_eq(hl_plat_log_open_path(&logged, long_path), -ENAMETOOLONG);
    cr_assert_eq(logged.kind, 0);
}

Test(path, a_link_is_followed_but_not_where_anybody_can_put_one)
{
    cr_assert_eq(symlink("file", in_folder("link")), 0);
    cr_assert_eq(open_path("link"), 0);
    hl_plat_log_close(&logged);
    cr_assert_eq(chmod(folder, 01777), 0);
    cr_assert_eq(open_path("link"), -ELOOP);
    cr_assert_eq(open_path("file"), 0);
}

Test(path, a_full_device_says_so)
{
    cr_assert_eq(hl_plat_log_open_path(&logged, "/dev/full"), 0);
    cr_assert_eq(put("line\n"), -ENOSPC);
    hl_plat_log_close(&logged);
    cr_assert_eq(hl_plat_log_open_path(&logged, "/dev/null"), 0);
    cr_assert_eq(put("line\n"), 5);
    hl_plat_log_close(&logged);
    int full = open("/dev/full", O_WRONLY);
    open_on(full);
    cr_assert_eq(put("line\n"), -ENOSPC);
}

Test(path, of_a_descriptor_leads_to_what_it_leads_to)
{
    static const char *const paths[] = {"/dev/stderr", "/dev/fd/2"};
    int ends[2];
    char bytes[16];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    int kept = dup(2);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
            dup2(ends[1], 2);
            int opened = hl_plat_log_open_path(&logged, paths[i]);
            dup2(kept, 2);
            cr_assert_eq(opened, 0, "%s", paths[i]);
            cr_assert_eq(put("line\n"), 5);
            cr_assert_eq(read(ends[0], bytes, sizeof bytes), 5);
            hl_plat_log_close(&logged);
        }
        cr_assert_eq(pipe(ends), 0); /* and now through a pipe */
    }
}
