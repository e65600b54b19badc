/* tests/platform/test_faked_calls.c - system calls with arguments that no well-behaved thread
 * passes, or that are rare: the kernel's text about them is the test's. The memory is real.
 */
#define _GNU_SOURCE
#include "fakes.h"
#include "helper.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
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
    assert_why(HL_PLAT_SYSCALL, "permission denied (process is not dumpable)");
    assert_why(HL_PLAT_WAIT, "permission denied (process is not dumpable)");
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
    assert_why(HL_PLAT_CHANNEL, "permission denied (process is not dumpable)");
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
