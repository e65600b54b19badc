/* tests/platform/test_faked_calls.c - system calls with arguments that no well-behaved thread
 * passes, or that are rare: the kernel's text about them is the test's. The memory is real.
 */
#define _GNU_SOURCE
#include "../../platform/linux/plat.h"
#include "fakes.h"
#include "helper.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define NOT_THERE UINT64_C(8) /* an address without memory */
#define NO_MEMORY "its memory is not there"

static struct hl_plat *plat;
static _Atomic uint64_t sleeper;
static struct hl_plat_look look;

static void *sleep_on(void *unused)
{
    (void)unused;
    atomic_store(&sleeper, hl_plat_thread_id());
    nap(3600 * S);
    return NULL;
}

/* A first look with the kernel's own text: whether it is to be believed is asked once. */
static void begin(void)
{
    pthread_t thread;

    plat = hl_plat_open();
    cr_assert_eq(pthread_create(&thread, NULL, sleep_on, NULL), 0);
    pthread_detach(thread);
    while (atomic_load(&sleeper) == 0)
        nap(MS);
    cr_assert(hl_plat_look(plat, atomic_load(&sleeper), &look));
    fake("/stat", "1 (x) S 1 1 0 0 -1 4194560 107 0 0 0 0 0 0 0 20 0 1 0 77 1\n");
}

TestSuite(faked_calls, .init = begin);

static void look_at(void)
{
    cr_assert(hl_plat_look(plat, atomic_load(&sleeper), &look));
}

static bool knows(enum hl_plat_key key)
{
    return look.known & HL_KNOWN(key);
}

static void assert_why(enum hl_plat_key key, const char *why)
{
    cr_assert_not(knows(key));
    cr_assert_str_eq(hl_plat_why(plat, key), why);
}

/* Looks at the thread as if it were in that call. */
static void in_call(uint64_t number, uint64_t first, uint64_t second, uint64_t third)
{
    static char text[256];

    snprintf(text, sizeof text,
             "%" PRIu64 " 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64 " 0x0 0x0 0x0 0x7000 0x8000\n",
             number, first, second, third);
    fake("/syscall", text);
    look_at();
    cr_assert(knows(HL_PLAT_SYSCALL));
}

static void assert_object(const char *object)
{
    cr_assert(knows(HL_PLAT_WAIT), "%s", hl_plat_why(plat, HL_PLAT_WAIT));
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_OBJECT);
    cr_assert_str_eq(look.object, object, "%s", look.object);
}

#define AT(thing) ((uint64_t)(uintptr_t)(thing))

/* ---- the text itself ------------------------------------------------------------------ */

Test(faked_calls, one_that_no_table_has_is_shown_by_its_number)
{
    in_call(9999, 0, 0, 0);
    cr_assert_str_eq(look.call, "syscall_9999");
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_CALL);
}

Test(faked_calls, a_text_that_is_not_understood_leaves_nothing_known)
{
    fake("/syscall", "garbage\n");
    look_at();
    assert_why(HL_PLAT_SYSCALL, "the text in /proc was not understood");
    assert_why(HL_PLAT_WAIT, "the text in /proc was not understood");
    assert_why(HL_PLAT_HOLDER, "the text in /proc was not understood");
    cr_assert_str_eq(look.call, "");
    cr_assert_not(look.steady);
    cr_assert_eq(hl_plat_waits_for(plat, atomic_load(&sleeper)), HL_PLAT_SOMEBODY);
}

Test(faked_calls, one_that_must_not_be_read_says_so)
{
    fake_error("/syscall", EACCES);
    look_at();
    assert_why(HL_PLAT_SYSCALL, "permission denied");
    assert_why(HL_PLAT_WAIT, "permission denied");
    cr_assert_eq(prctl(PR_SET_DUMPABLE, 0), 0);
    look_at();
    assert_why(HL_PLAT_SYSCALL, "permission denied (process is not dumpable)");
    fake_result("prctl", 0, 1, 2);
    look_at();
    assert_why(HL_PLAT_SYSCALL, "permission denied (process is not dumpable)");
    fake_failure("prctl", 0, 1, EPERM);
    look_at();
    assert_why(HL_PLAT_SYSCALL, "permission denied");
    fake_error("/syscall", ENOENT);
    look_at();
    assert_why(HL_PLAT_SYSCALL, "the thread has ended");
    cr_assert_eq(hl_plat_waits_for(plat, atomic_load(&sleeper)), HL_PLAT_SOMEBODY);
}

Test(faked_calls, a_thread_between_two_calls_waits_for_nothing)
{
    fake("/syscall", "running\n");
    look_at();
    cr_assert(knows(HL_PLAT_SYSCALL) && knows(HL_PLAT_WAIT));
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_NOTHING);
    cr_assert_eq(hl_plat_waits_for(plat, atomic_load(&sleeper)), 0);
    cr_assert_not(look.steady);
}

Test(faked_calls, a_thread_whose_state_is_unknown_is_not_looked_into)
{
    fake("/stat", "garbage\n");
    cr_assert_not(hl_plat_look(plat, atomic_load(&sleeper), &look));
    cr_assert_eq(look.known, 0);
    assert_why(HL_PLAT_SYSCALL, "the text in /proc was not understood");
    assert_why(HL_PLAT_CHANNEL, "the text in /proc was not understood");
}

/* ---- the channel ---------------------------------------------------------------------- */

Test(faked_calls, a_channel_is_one_word_or_hidden_or_none)
{
    fake("/wchan", "do_nanosleep and more\n");
    look_at();
    cr_assert(knows(HL_PLAT_CHANNEL));
    cr_assert_str_eq(look.channel, "do_nanosleep");
    fake("/wchan", "0");
    look_at();
    assert_why(HL_PLAT_CHANNEL, "hidden by the kernel");
    cr_assert_str_eq(look.channel, "");
    fake("/stat", "1 (x) R 1 1 0 0 -1 4194560 107 0 0 0 0 0 0 0 20 0 1 0 77 1\n");
    look_at();
    cr_assert(knows(HL_PLAT_CHANNEL), "one that runs has none");
    cr_assert_str_eq(look.channel, "");
    fake_error("/wchan", EACCES);
    look_at();
    assert_why(HL_PLAT_CHANNEL, "permission denied");
    cr_assert_str_eq(look.channel, "");
}

/* ---- connect -------------------------------------------------------------------------- */

Test(faked_calls, the_peer_of_a_connect_is_read_from_its_argument)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(443), .sin6_scope_id = 7};
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/x"};

    cr_assert_eq(inet_pton(AF_INET, "10.0.0.7", &in.sin_addr), 1);
    cr_assert_eq(inet_pton(AF_INET6, "fe80::1", &in6.sin6_addr), 1);
    in_call(SYS_connect, 999, AT(&in), sizeof in);
    assert_object("socket 10.0.0.7:80");
    cr_assert_eq(look.descriptor, 999);
    in_call(SYS_connect, 999, AT(&in6), sizeof in6);
    assert_object("socket [fe80::1%7]:443");
    in6.sin6_scope_id = 0;
    in_call(SYS_connect, 999, AT(&in6), sizeof in6);
    assert_object("socket [fe80::1]:443");
    in_call(SYS_connect, 999, AT(&un), sizeof un);
    assert_object("socket /run/x");
    in_call(SYS_connect, 999, AT(&un), offsetof(struct sockaddr_un, sun_path));
    assert_object("socket unix");
    memcpy(un.sun_path, "\0abc\0d", 6);
    in_call(SYS_connect, 999, AT(&un), offsetof(struct sockaddr_un, sun_path) + 6);
    assert_object("socket @abc@d");
}

Test(faked_calls, a_peer_that_is_cut_or_strange_is_its_family)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct {
        struct sockaddr_storage storage;
        char beyond[200];
    } large = {.storage = {.ss_family = 77}};

    in_call(SYS_connect, 3, AT(&in6), sizeof in6 - 1);
    assert_object("socket inet6");
    in6.sin6_family = AF_INET;
    in_call(SYS_connect, 3, AT(&in6), 4);
    assert_object("socket inet");
    in_call(SYS_connect, 3, AT(&large), sizeof large);
    assert_object("socket family 77");
    large.storage.ss_family = AF_NETLINK;
    in_call(SYS_connect, 3, AT(&large), sizeof large);
    assert_object("socket netlink");
}

Test(faked_calls, a_peer_that_is_not_there_is_unknown)
{
    struct sockaddr_in in = {.sin_family = AF_INET};

    in_call(SYS_connect, 3, NOT_THERE, sizeof in);
    assert_why(HL_PLAT_WAIT, NO_MEMORY);
    in_call(SYS_connect, 3, AT(&in), 1);
    assert_why(HL_PLAT_WAIT, NO_MEMORY);
    in_call(SYS_connect, 3, AT(&in), 0);
    assert_why(HL_PLAT_WAIT, NO_MEMORY);
}

/* ---- paths ---------------------------------------------------------------------------- */

Test(faked_calls, a_path_is_read_no_further_than_its_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq(memory, MAP_FAILED);
    cr_assert_eq(mprotect(memory + 2 * page, page, PROT_NONE), 0);
    memset(memory, 'x', 2 * page);
    strcpy(memory + 2 * page - 9, "/tmp/abc");
    in_call(SYS_openat, (uint64_t)AT_FDCWD, AT(memory + 2 * page - 9), 0);
    assert_object("/tmp/abc");
    memory[2 * page - 1] = 'd';
    in_call(SYS_openat, (uint64_t)AT_FDCWD, AT(memory + 2 * page - 9), 0);
    assert_why(HL_PLAT_WAIT, NO_MEMORY);
    in_call(SYS_openat, (uint64_t)AT_FDCWD, NOT_THERE, 0);
    assert_why(HL_PLAT_WAIT, NO_MEMORY);
}

Test(faked_calls, a_path_that_never_ends_is_shortened)
{
    static char endless[3 * 4096];

    memset(endless, 'x', sizeof endless - 1);
    in_call(SYS_openat, (uint64_t)AT_FDCWD, AT(endless + 1), 0);
    cr_assert(knows(HL_PLAT_WAIT));
    cr_assert_not_null(strstr(look.object, "x\xE2\x80\xA6x"));
    cr_assert_eq(strlen(look.object), sizeof look.object - 1);
}

Test(faked_calls, an_empty_path_is_the_descriptor_beside_it)
{
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    in_call(SYS_newfstatat, (uint64_t)ends[0], AT(""), 0);
    assert_object("pipe");
    cr_assert_eq(look.descriptor, ends[0]);
    in_call(SYS_newfstatat, (uint64_t)ends[0], 0, 0);
    assert_object("pipe");
    in_call(SYS_newfstatat, (uint64_t)AT_FDCWD, AT(""), 0);
    assert_object("");
    in_call(SYS_newfstatat, 999, AT(""), 0);
    assert_why(HL_PLAT_WAIT, "its descriptor is closed");
}

/* ---- sets of descriptors ---------------------------------------------------------------- */

Test(faked_calls, a_set_that_is_not_there_is_unknown)
{
    in_call(SYS_ppoll, NOT_THERE, 2, 0);
    assert_why(HL_PLAT_WAIT, NO_MEMORY);
    in_call(SYS_pselect6, 10, NOT_THERE, 0);
    assert_why(HL_PLAT_WAIT, NO_MEMORY);
    in_call(SYS_pselect6, 10, 0, NOT_THERE);
    assert_why(HL_PLAT_WAIT, NO_MEMORY);
}

Test(faked_calls, an_empty_set_waits_for_time_or_for_a_signal)
{
    struct pollfd ignored = {.fd = -1};
    fd_set none;

    FD_ZERO(&none);
    in_call(SYS_ppoll, AT(&ignored), 1, 0);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_SIGNAL);
    in_call(SYS_ppoll, AT(&ignored), 1, AT(&none));
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_TIMER);
    cr_assert_null(look.verb);
    in_call(SYS_pselect6, 10, AT(&none), 0);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_SIGNAL);
    in_call(SYS_pselect6, 0, AT(&none), 0);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_SIGNAL);
}

Test(faked_calls, the_sets_of_a_select_are_one)
{
    int ends[2];
    fd_set first, second;

    cr_assert_eq(pipe(ends), 0);
    FD_ZERO(&first);
    FD_ZERO(&second);
    FD_SET(ends[0], &first);
    FD_SET(ends[0], &second);
    in_call(SYS_pselect6, (uint64_t)ends[1] + 1, AT(&first), AT(&second));
    assert_object("pipe");
    cr_assert_eq(look.descriptor, ends[0]);
    FD_SET(ends[1], &second);
    in_call(SYS_pselect6, (uint64_t)ends[1] + 1, AT(&first), AT(&second));
    assert_object("pipe, pipe");
    in_call(SYS_pselect6, (uint64_t)ends[1], AT(&first), AT(&second));
    assert_object("pipe");
}

Test(faked_calls, of_many_the_first_are_named_and_the_rest_is_counted)
{
    static struct pollfd many[5000];
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    for (size_t i = 0; i < 5000; i++)
        many[i].fd = i == 1 ? 999 : ends[0];
    in_call(SYS_ppoll, AT(many), 9, 0);
    cr_assert(knows(HL_PLAT_WAIT));
    cr_assert_eq(strncmp(look.object, "pipe, descriptor 999, pipe", 26), 0, "%s", look.object);
    cr_assert_not_null(strstr(look.object, " more"));
    in_call(SYS_ppoll, AT(many), 5000, 0);
    cr_assert(knows(HL_PLAT_WAIT));
    cr_assert_not_null(strstr(look.object, " and more"));
}

static void in_epoll(const char *info)
{
    fake("/fdinfo/5", info);
    in_call(SYS_epoll_pwait, 5, 0, 0);
    cr_assert_eq(look.descriptor, 5);
}

Test(faked_calls, what_an_epoll_watches_is_listed)
{
    int ends[2];
    char info[64];

    cr_assert_eq(pipe(ends), 0);
    in_epoll("pos:\t0\nflags:\t02\n");
    assert_object("nothing");
    snprintf(info, sizeof info, "pos:\t0\ntfd: %8d events: 19\n", ends[0]);
    in_epoll(info);
    assert_object("pipe");
    snprintf(info, sizeof info, "tfd: %8d events: 19\ntfd:      999 events: 19\n", ends[0]);
    in_epoll(info);
    assert_object("pipe, descriptor 999");
    fake_error("/fdinfo/5", ENOENT);
    in_call(SYS_epoll_pwait, 5, 0, 0);
    assert_why(HL_PLAT_WAIT, "its descriptor is closed");
}

/* ---- calls that wait for no object ---------------------------------------------------------- */

Test(faked_calls, a_clone_waits_for_its_child_when_it_shares_the_memory_till_then)
{
    uint64_t flags = CLONE_VM | CLONE_VFORK;

    in_call(435 /* clone3 */, AT(&flags), 88, 0);
    cr_assert(knows(HL_PLAT_WAIT));
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_CHILD);
    flags = CLONE_VM;
    in_call(435, AT(&flags), 88, 0);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_CALL);
    in_call(435, NOT_THERE, 88, 0);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_CALL);
    assert_why(HL_PLAT_WAIT, NO_MEMORY);
}

Test(faked_calls, a_call_that_was_begun_anew_is_told_by_its_channel)
{
    fake("/wchan", "hrtimer_nanosleep");
    in_call(SYS_restart_syscall, 0, 0, 0);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_TIMER);
    fake("/wchan", "do_sys_poll");
    in_call(SYS_restart_syscall, 0, 0, 0);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_CALL);
}

Test(faked_calls, of_several_words_the_first_is_shown)
{
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } words[2] = {{.address = 0x1234}, {.address = 0x5678}};

    in_call(449 /* futex_waitv */, AT(words), 2, 0);
    cr_assert(knows(HL_PLAT_WAIT));
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_FUTEX);
    cr_assert_eq(look.address, 0x1234);
    in_call(449, NOT_THERE, 2, 0);
    cr_assert_eq(look.waits_for, HL_PLAT_FOR_FUTEX);
    cr_assert_eq(look.address, 0);
    assert_why(HL_PLAT_WAIT, NO_MEMORY);
}

/* ---- what is refused or changes meanwhile ------------------------------------------------------ */

static const char *own_link(int descriptor)
{
    return fake_name("thread-self/fd", descriptor);
}

static const char *own_path(int descriptor)
{
    static char path[64];

    snprintf(path, sizeof path, "/proc/%s", own_link(descriptor));
    return path;
}

static int listening_socket(void)
{
    struct sockaddr_in own = {.sin_family = AF_INET};
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(inet_pton(AF_INET, "127.0.0.1", &own.sin_addr), 1);
    cr_assert_eq(bind(descriptor, (struct sockaddr *)&own, sizeof own), 0);
    return descriptor;
}

#define IN_STATE(letter) "1 (x) " letter " 1 1 0 0 -1 4194560 107 0 0 0 0 0 0 0 20 0 1 0 77 1\n"

Test(faked_calls, a_socket_is_asked_only_where_its_lock_is_free_and_it_is_ours)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(80)};
    uint64_t descriptor = (uint64_t)listening_socket();

    in_call(SYS_connect, descriptor, AT(&peer), sizeof peer);
    cr_assert_eq(strncmp(look.local, "127.0.0.1:", 10), 0, "%s", look.local);
    in_call(SYS_read, descriptor, 0, 0);
    cr_assert_eq(strncmp(look.object, "socket 127.0.0.1:", 17), 0, "%s", look.object);
    fake_failure("getsockname", 0, 1, ENOBUFS);
    in_call(SYS_read, descriptor, 0, 0);
    assert_object("socket");
    fake("/stat", IN_STATE("D"));
    in_call(SYS_connect, descriptor, AT(&peer), sizeof peer);
    cr_assert_str_eq(look.local, "");
    in_call(SYS_read, descriptor, 0, 0);
    assert_object("socket");
    fake("/stat", IN_STATE("S"));
    static char other[64];
    ssize_t size = readlink(own_path((int)descriptor), other, sizeof other - 1);
    cr_assert_gt(size, 9);
    other[size - 2] = other[size - 2] == '1' ? '2' : '1';
    fake(own_link((int)descriptor), other);
    in_call(SYS_connect, descriptor, AT(&peer), sizeof peer);
    cr_assert_str_eq(look.local, "", "it is another socket's number here");
    fake_error(own_link((int)descriptor), ENOENT);
    in_call(SYS_read, descriptor, 0, 0);
    assert_object("socket");
}

Test(faked_calls, a_fifo_is_called_one_only_where_it_may_be_asked)
{
    char folder[] = "/tmp/heartline-faked-XXXXXX", path[64];

    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/fifo", folder);
    int made = mkfifo(path, 0600), descriptor = open(path, O_RDWR | O_NONBLOCK);
    unlink(path);
    rmdir(folder);
    cr_assert(made == 0 && descriptor >= 0);
    in_call(SYS_read, (uint64_t)descriptor, 0, 0);
    cr_assert_eq(strncmp(look.object, "fifo /tmp/", 10), 0, "%s", look.object);
    fake(own_link(descriptor), "/tmp/another");
    in_call(SYS_read, (uint64_t)descriptor, 0, 0);
    cr_assert_eq(strncmp(look.object, "/tmp/", 5), 0, "%s", look.object);
    fake("/stat", IN_STATE("D"));
    in_call(SYS_read, (uint64_t)descriptor, 0, 0);
    cr_assert_eq(strncmp(look.object, "/tmp/", 5), 0, "%s", look.object);
}

Test(faked_calls, no_more_is_written_than_there_is_room)
{
    char text[8] = "1234567", local[HL_PLAT_ADDRESS_BYTES];
    uint64_t tid = atomic_load(&sleeper);
    int descriptor = listening_socket();

    cr_assert_eq(hl_plat_object(plat, tid, descriptor, true, text, 7, local), 0);
    cr_assert_str_eq(text, "socket");
    cr_assert_eq(text[7], 0);
    fake("/fd/999", "/dev/pts/7");
    cr_assert_eq(hl_plat_object(plat, tid, 999, true, text, 5, local), 0);
    cr_assert_str_eq(text, "term");
}

Test(faked_calls, an_address_that_cannot_be_written_is_left_out)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr_in in = {.sin_family = AF_INET};

    fake_failure("inet_ntop", 0, 2, ENOSPC);
    in_call(SYS_connect, 3, AT(&in6), sizeof in6);
    assert_object("socket ");
    in_call(SYS_connect, 3, AT(&in), sizeof in);
    assert_object("socket ");
}

Test(faked_calls, of_a_set_that_is_cut_more_may_be_meant)
{
    static struct pollfd many[100];
    static fd_set none;
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    for (size_t i = 0; i < 100; i++)
        many[i].fd = -1;
    in_call(SYS_ppoll, AT(many), 100, 0);
    assert_object(" and more");
    many[7].fd = ends[0];
    in_call(SYS_ppoll, AT(many), 100, 0);
    assert_object("pipe and more");
    in_call(SYS_pselect6, 5000, AT(&none), 0);
    assert_object(" and more");
}

/* How many are open, as the folder of descriptors tells it. */
static off_t folder_size;

static void have_folder_size(struct stat *is)
{
    is->st_size = folder_size;
}

static void assert_listed(off_t size, bool is_listed)
{
    folder_size = size;
    fake_stat = have_folder_size;
    in_call(SYS_epoll_pwait, 5, 0, 0);
    fake_stat = NULL;
    cr_assert_eq(strcmp(look.object, "descriptor 999, descriptor 998") == 0, is_listed, "%s",
                 look.object);
}

static void have_status(const char *text)
{
    fake("/status", text);
    plat = hl_plat_open();
}

Test(faked_calls, a_large_set_is_not_listed)
{
    fake("/fdinfo/5", "tfd:      999 events: 19\ntfd:      998 events: 19\n");
    have_status("FDSize:\t256\n");
    assert_listed(32, true);
    assert_listed(33, false);
    assert_listed(0, true); /* an older kernel: its table counts */
    have_status("FDSize:\t512\n");
    assert_listed(32, true);
    assert_listed(0, false);
    fake_error("/status", EMFILE);
    plat = hl_plat_open();
    assert_listed(0, false);
    assert_listed(32, true);
    fake_failure("stat", 0, 1, EACCES);
    assert_listed(32, false);
}

Test(faked_calls, an_empty_list_that_is_cut_is_not_nothing)
{
    static char info[HL_PLAT_BUFFER_BYTES + 100];

    memset(info, 'x', sizeof info - 1);
    in_epoll(info);
    assert_object(" and more");
}

/* Two readings of its call, with another between. */
static void call_twice(const char *first, const char *second, int error)
{
    if (second)
        fake("/syscall", second);
    else
        fake_error("/syscall", error);
    fake_for(1, "/syscall", first);
    look_at();
    cr_assert(knows(HL_PLAT_SYSCALL));
}

Test(faked_calls, one_that_ends_meanwhile_is_not_steady)
{
    static char nap_call[64], path_call[64];

    snprintf(nap_call, sizeof nap_call, "%d 0x0 0x0 0x0 0x0 0x0 0x0 0x7000 0x8000\n",
             SYS_clock_nanosleep);
    snprintf(path_call, sizeof path_call, "%d 0x3 0x8 0x0 0x0 0x0 0x0 0x7000 0x8000\n", SYS_openat);
    fake("/schedstat", "1 2 3\n");
    call_twice(nap_call, nap_call, 0);
    cr_assert(look.steady);
    call_twice(nap_call, path_call, 0);
    cr_assert_not(look.steady);
    call_twice(nap_call, NULL, ENOENT);
    cr_assert_not(look.steady);
    cr_assert(knows(HL_PLAT_WAIT), "that much is known");
    call_twice(path_call, NULL, ENOENT);
    cr_assert_not(look.steady);
    assert_why(HL_PLAT_WAIT, "the thread has ended"); /* not: "its memory is not there" */
}

Test(faked_calls, one_whose_run_count_is_not_known_is_not_steady)
{
    static char nap_call[64];

    snprintf(nap_call, sizeof nap_call, "%d 0x0 0x0 0x0 0x0 0x0 0x0 0x7000 0x8000\n",
             SYS_clock_nanosleep);
    fake("/syscall", nap_call);
    fake("/schedstat", "1 2 3\n");
    look_at();
    cr_assert(look.steady);
    fake_for(1, "/schedstat", "garbage\n");
    look_at();
    cr_assert_not(look.steady, "before");
    fake_error("/schedstat", EMFILE);
    fake_for(1, "/schedstat", "1 2 3\n");
    look_at();
    cr_assert_not(look.steady, "after");
    fake("/schedstat", "1 2 4\n");
    fake_for(1, "/schedstat", "1 2 3\n");
    look_at();
    cr_assert_not(look.steady, "it has run");
}
