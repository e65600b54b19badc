/* tests/platform/test_faked_refusals.c - calls that the kernel refuses, one at a time: logs,
 * descriptors, sleeps, stacks and threads. What is left must be right, and nothing left open.
 */
#define _GNU_SOURCE
#include "../../platform/linux/parse.h"
#include "../../platform/linux/plat.h"
#include "fakes.h"
#include "helper.h"

#include <inttypes.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

static struct hl_plat *plat;

static void begin(void)
{
    plat = hl_plat_open();
    cr_assert_not_null(plat);
}

static void assert_why(enum hl_plat_key key, const char *why)
{
    cr_assert_str_eq(hl_plat_why(plat, key), why, "%s", hl_plat_why(plat, key));
}

/* ---- the log ---------------------------------------------------------------------------- */

static struct hl_plat_log logged;

static int open_log(int descriptor)
{
    int open_before = open_descriptors();
    int result = hl_plat_log_open_descriptor(&logged, descriptor);

    cr_assert_eq(open_descriptors(), open_before + (result == 0), "something was left open");
    cr_assert_eq(logged.kind != 0, result == 0);
    return result;
}

Test(faked_log, a_file_that_cannot_be_duplicated_says_why)
{
    int file = memfd_create("log", 0), before = open_descriptors();

    fake_failure("fcntl", 1, 1, EINVAL); /* the first asks for its flags */
    cr_assert_eq(hl_plat_log_open_descriptor(&logged, file), -EMFILE, "the limit is low");
    fake_failure("fcntl", 1, 1, ENFILE);
    cr_assert_eq(hl_plat_log_open_descriptor(&logged, file), -ENFILE);
    cr_assert_eq(open_descriptors(), before);
    cr_assert_eq(open_log(file), 0);
}

Test(faked_log, a_file_that_cannot_be_asked_what_it_is_is_closed)
{
    int file = memfd_create("log", 0);

    fake_failure("fstat", 1, 1, EIO);
    cr_assert_eq(open_log(file), -EIO);
    cr_assert_eq(open_log(file), 0);
}

Test(faked_log, only_a_pipe_has_a_second_way)
{
    static const int refusals[] = {EACCES, EPERM, ENOENT};
    int ends[2], terminal = open("/dev/null", O_WRONLY);
    char text[8];

    cr_assert_eq(pipe(ends), 0);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        fake_error(fake_name("/fd", ends[1]), refusals[i]);
        cr_assert_eq(open_log(ends[1]), 0);
        cr_assert_eq(hl_plat_log_write(&logged, "line\n", 5), 5);
        cr_assert_eq(read(ends[0], text, sizeof text), 5);
        hl_plat_log_close(&logged);
        fake_error(fake_name("/fd", terminal), refusals[i]);
        cr_assert_eq(open_log(terminal), -refusals[i], "every other way may wait");
    }
    fake_error(fake_name("/fd", ends[1]), EMFILE);
    cr_assert_eq(open_log(ends[1]), -EMFILE);
}

static mode_t faked_mode;

static void have_faked_mode(struct stat *is)
{
    is->st_mode = faked_mode | 0600;
}

Test(faked_log, a_disk_is_refused_by_number_and_by_name)
{
    char path[] = "/tmp/heartline-faked-XXXXXX";
    int file = mkstemp(path);

    faked_mode = S_IFBLK;
    fake_stat = have_faked_mode;
    cr_expect_eq(open_log(file), -EINVAL);
    int open_before = open_descriptors();
    cr_expect_eq(hl_plat_log_open_path(&logged, path), -EINVAL);
    cr_expect_eq(open_descriptors(), open_before);
    fake_stat = NULL;
    cr_expect_eq(hl_plat_log_open_path(&logged, path), 0);
    unlink(path);
}

Test(faked_log, a_mere_place_in_the_tree_cannot_be_written_to)
{
    cr_assert_eq(open_log(open("/dev/null", O_PATH | O_WRONLY)), -EBADF);
}

Test(faked_log, names_of_descriptors_are_exact)
{
    struct stat is;

    cr_assert_eq(dup2(memfd_create("log", 0), STDOUT_FILENO), STDOUT_FILENO);
    cr_assert_eq(fstat(STDOUT_FILENO, &is), 0);
    cr_assert_eq(hl_plat_log_open_path(&logged, "/dev/stdout"), 0);
    cr_assert_eq(logged.inode, is.st_ino);
    cr_assert_eq(hl_plat_log_open_path(&logged, "/dev/fd/1"), 0);
    cr_assert_eq(logged.inode, is.st_ino);
    cr_assert_eq(hl_plat_log_open_path(&logged, "/dev/fd/1x"), -ENOENT);
    cr_assert_eq(hl_plat_log_open_path(&logged, "/dev/fd/4294967297"), -ENOENT, "it is not 1");
}

Test(faked_log, a_folder_that_no_buffer_holds_is_an_error)
{
    static char path[2 * PATH_MAX];

    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 3] = '/';
    cr_assert_eq(hl_plat_log_open_path(&logged, path), -ENAMETOOLONG);
    cr_assert_eq(hl_plat_log_write(&logged, "x", 1), -EBADF, "it is closed");
}

/* ---- an open platform -------------------------------------------------------------------- */

Test(faked_open, nothing_is_no_error_to_close)
{
    int before = open_descriptors();

    errno = 4711;
    hl_plat_close(NULL);
    hl_plat_abandon_in_child(NULL);
    cr_assert_eq(errno, 4711);
    cr_assert_eq(open_descriptors(), before);
}

Test(faked_open, memory_that_ends_amid_a_copy_is_not_there)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t copy;

    cr_assert_neq(memory, MAP_FAILED);
    cr_assert_eq(mprotect(memory + page, page, PROT_NONE), 0);
    memset(memory, 7, page);
    cr_assert_eq(hl_plat_peek((uintptr_t)memory + page - 8, &copy, 8), 0);
    cr_assert_eq(copy, UINT64_C(0x0707070707070707));
    cr_assert_eq(hl_plat_peek((uintptr_t)memory + page - 4, &copy, 8), -EFAULT);
}

/* Two pages; the second is not there. */
static char *half_there(size_t page)
{
    char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq(memory, MAP_FAILED);
    cr_assert_eq(munmap(memory + page, page), 0);
    memset(memory, 7, page);
    return memory;
}

Test(faked_open, memory_is_copied_from_its_file_where_the_call_is_refused)
{
    static const int refusals[] = {EPERM, ENOSYS, EACCES};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t end = (uintptr_t)half_there(page) + page;
    int before = open_descriptors();

    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        uint64_t copy = 0;
        fake_failure("process_vm_readv", 0, FAKE_ALWAYS, refusals[i]);
        cr_assert_eq(hl_plat_peek(end - 8, &copy, 8), 0);
        cr_assert_eq(copy, UINT64_C(0x0707070707070707));
        cr_assert_eq(hl_plat_peek(end - 4, &copy, 8), -EFAULT, "half of it");
        cr_assert_eq(hl_plat_peek(end, &copy, 8), -EFAULT, "all of it");
        cr_assert_eq(hl_plat_peek(8, &copy, 8), -EFAULT);
        cr_assert_eq(hl_plat_peek(UINT64_MAX - 15, &copy, 8), -EFAULT, "no offset of a file");
    }
    cr_assert_eq(open_descriptors(), before);
}

Test(faked_open, the_file_is_not_asked_where_the_call_says_that_memory_is_gone)
{
    uint64_t copy;

    fake_failure("process_vm_readv", 0, FAKE_ALWAYS, EFAULT);
    fake_failure("pread", 0, FAKE_ALWAYS, EIO);
    cr_assert_eq(hl_plat_peek((uintptr_t)&copy, &copy, sizeof copy), -EFAULT);
    cr_assert_eq(fake_uses("pread"), 0);
}

Test(faked_open, where_the_file_will_not_do_the_calls_refusal_is_the_reason)
{
    uint64_t word = 7, copy;
    int before = open_descriptors();

    fake_failure("process_vm_readv", 0, FAKE_ALWAYS, ENOSYS);
    fake_error_for(1, "/mem", EACCES);
    cr_assert_eq(hl_plat_peek((uintptr_t)&word, &copy, sizeof copy), -ENOSYS);
    fake_failure("pread", 0, 1, EPERM);
    cr_assert_eq(hl_plat_peek((uintptr_t)&word, &copy, sizeof copy), -ENOSYS);
    fake_failure("fstat", 0, 1, EIO);
    cr_assert_eq(hl_plat_peek((uintptr_t)&word, &copy, sizeof copy), -ENOSYS);
    cr_assert_eq(open_descriptors(), before);
    cr_assert_eq(hl_plat_peek((uintptr_t)&word, &copy, sizeof copy), 0, "once does not count");
}

static int others_file;

/* As an application does that closes what it does not know, and opens a file of its own. */
static ssize_t lose_the_file(char *text, ssize_t size)
{
    (void)text;
    for (int i = others_file + 1; i < 1024; i++)
        if (fcntl(i, F_GETFD) >= 0)
            cr_assert_eq(dup2(others_file, i), i);
    return size;
}

Test(faked_open, what_was_read_from_a_file_that_is_no_longer_ours_does_not_count)
{
    uint64_t word = 7, copy;

    others_file = memfd_create("others", 0);
    fake_failure("process_vm_readv", 0, FAKE_ALWAYS, EPERM);
    fake_reading = lose_the_file;
    cr_assert_eq(hl_plat_peek((uintptr_t)&word, &copy, sizeof copy), -EPERM);
    cr_assert_geq(fcntl(others_file + 1, F_GETFD), 0, "it is not ours to close");
}

Test(faked_open, a_forked_child_closes_the_file_of_its_parents_memory)
{
    struct hl_plat_kept file = {.number = -1};
    int before = open_descriptors();

    cr_assert_geq(hl_plat_open_own_marked(&file, "mem"), 0);
    cr_assert_eq(open_descriptors(), before + 1);
    hl_plat_abandon_in_child(NULL); /* as in a child: what was open at the fork is known by marks */
    cr_assert_eq(open_descriptors(), before);
}

/* ---- waiting ------------------------------------------------------------------------------- */

static int next_descriptor(void)
{
    int next = dup(STDERR_FILENO);

    close(next);
    return next;
}

/* As from hl_plat_wake while it is awake: it must not get lost. */
static void assert_wakes(void)
{
    struct hl_plat_wait wait;

    hl_plat_wake(plat);
    hl_plat_wait(plat, 3600 * S, &wait);
    cr_assert(wait.woken);
    hl_plat_wait(plat, 0, &wait);
    cr_assert_not(wait.woken, "once");
}

Test(faked_wait, a_pipe_that_cannot_be_opened_again_has_two_ends)
{
    struct hl_plat_wait wait;
    int before = open_descriptors();

    fake_error_for(1, fake_name("/fd", next_descriptor()), EACCES);
    begin();
    int hear = atomic_load(&plat->hear.number), call = atomic_load(&plat->call.number);
    cr_assert(hear >= 10 && call >= 10 && hear != call);
    assert_wakes();
    close(call); /* as the application may */
    hl_plat_wait(plat, 0, &wait);
    cr_assert_eq(hl_plat_ours(&plat->hear), hl_plat_ours(&plat->call), "it was made anew");
    assert_wakes();
    hl_plat_close(plat);
    cr_assert_eq(open_descriptors(), before);
}

/* Two ends, the `nth` of which cannot be kept. */
static void assert_wakes_without(unsigned nth)
{
    int before = open_descriptors();

    fake_error(fake_name("/fd", next_descriptor()), EACCES);
    fake_failure("fstat", nth, 1, EIO);
    begin();
    cr_assert_eq(atomic_load(&plat->hear.number), -1);
    cr_assert_eq(atomic_load(&plat->call.number), -1);
    assert_wakes();
    hl_plat_close(plat);
    cr_assert_eq(open_descriptors(), before);
}

Test(faked_wait, without_the_end_to_hear_there_is_none_to_call)
{
    assert_wakes_without(0);
}

Test(faked_wait, without_the_end_to_call_there_is_none_to_hear)
{
    assert_wakes_without(1);
}

Test(faked_wait, one_that_cannot_be_kept_twice_is_not_kept_at_all)
{
    int before = open_descriptors();

    fake_failure("fstat", 1, 1, EIO);
    begin();
    cr_assert_eq(atomic_load(&plat->hear.number), -1);
    assert_wakes();
    hl_plat_close(plat);
    cr_assert_eq(open_descriptors(), before);
}

Test(faked_wait, a_pipe_that_cannot_be_had_is_not_asked_for_for_ever)
{
    struct hl_plat_wait wait;

    fake_failure("pipe2", 0, FAKE_ALWAYS, EMFILE);
    fake_result("ppoll", 0, FAKE_ALWAYS, 0); /* each sleep is over at once */
    begin();
    hl_plat_wait(plat, S, &wait);
    cr_assert_not(wait.woken);
    cr_assert_eq(fake_uses("ppoll"), 20, "it slept in slices: %u", fake_uses("ppoll"));
    cr_assert_leq(fake_uses("pipe2"), 4, "%u", fake_uses("pipe2"));
}

Test(faked_wait, a_sleep_that_is_refused_is_slept_otherwise)
{
    struct hl_plat_wait wait;

    begin();
    fake_failure("ppoll", 0, FAKE_ALWAYS, EPERM);
    fake_failure("nanosleep", 0, 1, EINTR);
    hl_plat_wait(plat, 60 * MS, &wait);
    cr_assert_not(wait.woken);
    cr_assert_eq(fake_uses("ppoll"), 3, "one nap of the three did not count");
    cr_assert_geq(wait.ended_ns - wait.began_ns, 60 * MS);
}

Test(faked_wait, of_a_sleep_that_never_began_nothing_counts)
{
    struct hl_plat_wait wait;

    begin();
    fake_failure("ppoll", 0, 3, EINTR); /* with all its time left */
    hl_plat_wait(plat, 20 * MS, &wait);
    cr_assert_eq(fake_uses("ppoll"), 3);
    cr_assert_geq(wait.ended_ns - wait.began_ns, 20 * MS);
}

/* Clocks that the test moves: what each reading brings, the last one for ever. */
static uint64_t readings[32];
static size_t readings_count, next_reading;

static bool read_written_clock(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME)
        return false;
    uint64_t ns = readings[next_reading];
    next_reading += next_reading + 1 < readings_count;
    *now = (struct timespec){(time_t)(ns / S), (long)(ns % S)};
    return true;
}

static void read_next(uint64_t before, uint64_t boot, uint64_t after)
{
    readings[readings_count++] = before;
    readings[readings_count++] = boot;
    readings[readings_count++] = after;
}

/* What a wait tells after `before` was the lead. */
static uint64_t suspended_after(uint64_t lead_ns, uint64_t width_ns)
{
    struct hl_plat_wait wait;

    begin();
    plat->lead = (struct hl_plat_lead){lead_ns, width_ns};
    fake_clock = read_written_clock;
    hl_plat_wait(plat, 0, &wait);
    fake_clock = NULL;
    return wait.suspended_ns;
}

Test(faked_wait, a_clock_that_ran_on_alone_was_a_suspension)
{
    read_next(100 * S, 105 * S, 100 * S + 1000);
    cr_assert_eq(suspended_after(2 * S, 1000), 3 * S - 1000);
}

Test(faked_wait, less_than_a_hundredth_of_a_second_is_noise)
{
    read_next(100 * S, 105 * S, 100 * S + 1000);
    cr_assert_eq(suspended_after(5 * S - 9 * MS, 1000), 0);
}

Test(faked_wait, of_several_readings_the_tightest_counts)
{
    read_next(100 * S, 99 * S, 100 * S + 1000);    /* behind: cannot be */
    read_next(100 * S, 107 * S, 100 * S + 2 * MS); /* not tight */
    read_next(100 * S, 109 * S, 100 * S + 9 * MS); /* still less */
    read_next(100 * S, 104 * S, 100 * S + 1000);   /* tight */
    cr_assert_eq(suspended_after(1 * S, 1000), 3 * S - 1000);
}

Test(faked_wait, a_lead_that_was_not_known_is_no_suspension)
{
    read_next(100 * S, 105 * S, 100 * S + 1000); /* before the wait */
    read_next(100 * S, 105 * S, 100 * S + 1000);
    cr_assert_eq(suspended_after(2 * S, UINT64_MAX), 0);
    cr_assert_eq(plat->lead.ns, 5 * S, "from now on it is");
}

Test(faked_wait, a_clock_that_cannot_be_read_is_asked_again)
{
    struct hl_plat_wait wait;

    begin();
    fake_failure("clock_gettime", 0, 1, EPERM);
    fake_failure("clock_gettime", 1, 1, EPERM);
    fake_failure("clock_gettime", 4, 1, EPERM);
    hl_plat_wait(plat, 0, &wait);
    cr_assert_eq(fake_uses("clock_gettime"), 3);
    cr_assert_neq(plat->lead.width_ns, UINT64_MAX);
    fake_failure("clock_gettime", 0, FAKE_ALWAYS, EPERM);
    hl_plat_wait(plat, 0, &wait);
    cr_assert_eq(plat->lead.width_ns, UINT64_MAX);
    cr_assert_eq(wait.suspended_ns, 0);
}

Test(faked_wait, times_that_are_not_understood_are_no_want_of_a_core)
{
    struct hl_plat_wait wait;

    begin();
    fake_for(1, "/schedstat", "garbage\n");
    fake_for(1, "/schedstat", "1 5000000000 1\n"); /* the newest is the first */
    hl_plat_wait(plat, 0, &wait);
    cr_assert_eq(wait.starved_ns, 0);
    cr_assert_eq(plat->awoke.on_core_ns, 0);
}

/* A second since it awoke, of which nothing is known: a stop. */
static const char *who_stopped(void)
{
    struct hl_plat_wait wait;
    const char *by = "nobody";

    hl_plat_wait(plat, 0, &wait);
    nap(MS); /* a voluntary switch */
    uint64_t faults = plat->awoke.major_faults;
    uint64_t stopped = hl_plat_stopped_awake(plat, hl_plat_now_ns() - 60 * S, 0, &by);
    cr_assert(stopped > 50 * S || faults != plat->awoke.major_faults);
    return by;
}

Test(faked_wait, a_stop_is_a_debuggers_only_where_there_is_one)
{
    fake("/status", "TracerPid:\t7\n");
    begin();
    cr_assert_str_eq(who_stopped(), "debugger");
    fake("/status", "TracerPid:\t0\n");
    begin();
    cr_assert_str_eq(who_stopped(), "stopped");
    fake("/status", "Name:\tx\n");
    begin();
    cr_assert_str_eq(who_stopped(), "stopped", "it is not said");
    fake_error("/status", EACCES);
    begin();
    cr_assert_str_eq(who_stopped(), "stopped", "it cannot be read");
}

Test(faked_wait, a_page_from_a_disk_may_be_what_it_waited_for)
{
    struct hl_plat_wait wait;
    const char *by = "nobody";

    begin();
    hl_plat_wait(plat, 0, &wait);
    nap(MS);
    plat->awoke.major_faults++;
    cr_assert_eq(hl_plat_stopped_awake(plat, hl_plat_now_ns() - 60 * S, 0, &by), 0);
    cr_assert_str_eq(by, "nobody");
}

/* ---- the stack ------------------------------------------------------------------------------- */

static uintptr_t low, high;

static bool find_bounds(const char *maps, uintptr_t address)
{
    fake("/maps", maps);
    return hl_plat_stack_bounds((const void *)address, &low, &high); /* NOLINT: never followed */
}

Test(faked_stack, lines_that_are_not_understood_hide_no_other)
{
    static char maps[1024];

    cr_assert(find_bounds("garbage\n8000-9000 rw-p 0 0:0 0 [stack]\n", 0x8800));
    cr_assert_eq(high, 0x9000);
    memset(maps, 'x', 600);
    strcpy(maps, "1000-2000 rw-p 0 0:0 1 /");
    maps[strlen(maps)] = 'x';
    strcpy(maps + 600, "\n8000-9000 rw-p 0 0:0 0 [stack]\n");
    cr_assert(find_bounds(maps, 0x8800), "a path that is longer than what is looked at");
    cr_assert_eq(high, 0x9000);
}

Test(faked_stack, one_at_the_beginning_of_memory_grows_down_to_it)
{
    cr_assert(find_bounds("8000-9000 rw-p 0 0:0 0 [stack]\n", 0x8800));
    cr_assert_eq(low, 0);
    cr_assert(find_bounds("1000-3000 r--p 0 0:0 0\n8000-9000 rw-p 0 0:0 0 [stack]\n", 0x8800));
    cr_assert_eq(low, 0x3000, "what is there already is in its way");
}

Test(faked_stack, one_without_a_limit_grows_as_far_as_the_kernel_lets_it)
{
    static const char maps[] = "7f0000000000-7f0000001000 rw-p 0 0:0 0 [stack]\n";

    cr_assert_eq(setrlimit(RLIMIT_STACK, &(struct rlimit){8 << 20, RLIM_INFINITY}), 0);
    cr_assert(find_bounds(maps, 0x7f0000000800));
    cr_assert_eq(low, 0x7f0000001000 - (8 << 20));
    cr_assert_eq(setrlimit(RLIMIT_STACK, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}), 0);
    cr_assert(find_bounds(maps, 0x7f0000000800));
    cr_assert_eq(low, 0x7f0000001000 - (128 << 20));
    fake_failure("getrlimit", 0, 1, EFAULT);
    cr_assert(find_bounds(maps, 0x7f0000000800));
    cr_assert_eq(low, 0x7f0000000000, "only what is there");
}

Test(faked_stack, what_cannot_be_written_to_is_none)
{
    cr_assert_not(find_bounds("8000-9000 r--p 0 0:0 0 [stack]\n", 0x8800));
    cr_assert_not(find_bounds("8000-9000 rw-p 0 0:0 0\n", 0x8800), "nor another mapping");
}

static void *find_bounds_below(void *found)
{
    static char maps[128];
    uintptr_t page = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)4095;

    snprintf(maps, sizeof maps, "%" PRIxPTR "-%" PRIxPTR " rw-p 0 0:0 0\n", page, page + 4096);
    *(bool *)found = find_bounds(maps, page);
    snprintf(maps, sizeof maps, "%" PRIxPTR "-%" PRIxPTR " rw-p 0 0:0 0\n", page - 4096,
             (uintptr_t)pthread_self() + 1);
    *(bool *)found |= !find_bounds(maps, page) || low != page - 4096;
    return NULL;
}

Test(faked_stack, of_a_thread_without_its_descriptor_in_it_is_none)
{
    pthread_t thread;
    bool is_wrong = true;

    cr_assert_eq(pthread_create(&thread, NULL, find_bounds_below, &is_wrong), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_not(is_wrong);
}

/* ---- threads ---------------------------------------------------------------------------------- */

TestSuite(faked_list, .init = begin);

static struct hl_plat_thread list[64];
static size_t total;

static bool take_list(void)
{
    return hl_plat_threads(plat, list, 64, &total);
}

Test(faked_list, of_another_container_there_is_none)
{
    static char number[24];

    snprintf(number, sizeof number, "%ld", (long)getpid());
    number[0] = number[0] == '1' ? '2' : '1';
    fake("/proc/self", number);
    plat = hl_plat_open();
    cr_assert_not(take_list());
    cr_assert_eq(total, 0);
    assert_why(HL_PLAT_THREAD_LIST, "/proc belongs to another container");
    struct hl_plat_thread_state state;
    cr_assert_not(hl_plat_thread_state(plat, hl_plat_thread_id(), &state));
    assert_why(HL_PLAT_THREAD_STATE, "/proc belongs to another container");
    char text[64], local[HL_PLAT_ADDRESS_BYTES];
    cr_assert_eq(hl_plat_object(plat, hl_plat_thread_id(), 0, true, text, sizeof text, local),
                 -EXDEV);
    cr_assert_str_eq(text, "");
}

Test(faked_list, a_thread_that_has_gone_since_is_left_out)
{
    cr_assert(take_list());
    size_t before = total;
    fake_failure("clock_gettime", 1, 1, ESRCH); /* the first is the caller's own */
    cr_assert(take_list());
    cr_assert_eq(total, before - 1);
    fake_failure("clock_gettime", 1, 1, EPERM);
    cr_assert(take_list());
    cr_assert_eq(total, before, "only its time is unknown");
    cr_assert_eq(list[0].cpu_ns, UINT64_MAX);
}

static unsigned wrong_length;

/* The third entry: the first two are "." and "..". */
static ssize_t spoil_entries(char *text, ssize_t size)
{
    size_t at = 0;

    if (size == 0)
        return size;
    for (int i = 0; i < 2; i++)
        at += *(uint16_t *)(void *)(text + at + 16);
    uint16_t length = (uint16_t)(wrong_length ? wrong_length : (size_t)size);
    memcpy(text + at + 16, &length, sizeof length);
    return size;
}

Test(faked_list, entries_that_cannot_be_are_not_followed)
{
    fake_reading = spoil_entries;
    wrong_length = 19; /* of a name without room for its end */
    cr_assert(take_list());
    cr_assert_eq(total, 0);
    wrong_length = 0; /* beyond what was read */
    cr_assert(take_list());
    cr_assert_eq(total, 0);
    fake_reading = NULL;
    cr_assert(take_list());
    cr_assert_geq(total, 2);
}

Test(faked_self, a_host_that_cannot_be_told_has_no_name_and_a_long_one_is_cut)
{
    char name[HL_PLAT_HOST_BYTES];

    fake_failure("gethostname", 0, 1, EPERM);
    cr_expect_not(hl_plat_host_name(name));
    cr_expect_str_eq(name, "");
    fake_failure("gethostname", 0, 1, ENAMETOOLONG); /* and has not written its beginning */
    cr_expect_not(hl_plat_host_name(name));
    cr_expect(hl_plat_host_name(name));
}

Test(faked_list, one_that_cannot_be_counted_is_not_read_again)
{
    cr_assert(take_list());
    cr_assert(hl_plat_threads_again(plat, list, total));
    fake_failure("fstat", 1, 1, EIO);
    cr_assert_not(hl_plat_threads_again(plat, list, total));
    cr_assert(hl_plat_threads_again(plat, list, total));
    fake_error("self/task", EMFILE);
    plat = hl_plat_open();
    cr_assert_not(hl_plat_threads_again(plat, list, total));
}

Test(faked_list, without_its_directory_a_thread_is_read_by_its_whole_path)
{
    struct hl_plat_thread_state state;

    fake_error("self/task", EMFILE);
    plat = hl_plat_open();
    cr_assert(hl_plat_thread_state(plat, hl_plat_thread_id(), &state));
    cr_assert_not(hl_plat_thread_state(plat, INT32_MAX / 8, &state));
    assert_why(HL_PLAT_THREAD_STATE,
               "this kernel does not offer it"); /* it may be more than gone */
}

Test(faked_list, a_clock_that_is_refused_says_why)
{
    uint64_t cpu_ns;

    fake_failure("clock_gettime", 0, 1, EPERM);
    cr_assert_not(hl_plat_thread_cpu(plat, hl_plat_thread_id(), &cpu_ns));
    assert_why(HL_PLAT_THREAD_CPU, "not permitted (seccomp or a security module)");
    fake_failure("clock_gettime", 0, 1, EINVAL);
    cr_assert_not(hl_plat_thread_cpu(plat, hl_plat_thread_id(), &cpu_ns));
    assert_why(HL_PLAT_THREAD_CPU, "the thread has ended");
}

/* ---- what the others did ------------------------------------------------------------------ */

TestSuite(faked_others, .init = begin);

/* So that there are switches to be counted. */
static void sleep_a_little(void)
{
    nap(MS);
}

Test(faked_others, what_is_refused_is_not_told)
{
    struct hl_plat_others others;

    sleep_a_little();
    cr_assert(hl_plat_others(plat, &others));
    fake_failure("getrusage", 0, FAKE_ALWAYS, EPERM);
    cr_assert_not(hl_plat_others(plat, &others));
}

static void have_no_links(struct stat *is)
{
    is->st_nlink = 1;
}

Test(faked_others, without_a_list_of_threads_nothing_is_told)
{
    struct hl_plat_others others;

    sleep_a_little();
    cr_assert(hl_plat_others(plat, &others));
    fake_stat = have_no_links;
    cr_assert_not(hl_plat_others(plat, &others));
    fake_stat = NULL;
    fake_failure("fstat", 1, 1, EPERM); /* the first asks whether it is ours */
    cr_assert_not(hl_plat_others(plat, &others));
    fake_failure("fstat", 0, FAKE_ALWAYS, EPERM);
    cr_assert_not(hl_plat_others(plat, &others));
}

Test(faked_others, each_of_the_three_readings_is_tried_again)
{
    struct hl_plat_others others;

    sleep_a_little();
    for (unsigned after = 0; after < 3; after++) {
        fake_failure("getrusage", after, 1, EPERM);
        cr_assert(hl_plat_others(plat, &others));
    }
    fake_result("getrusage", 2, 1, 0); /* as if the caller had been switched in between */
    cr_assert(hl_plat_others(plat, &others));
    cr_expect_eq(fake_uses("getrusage"), 4);
}

Test(faked_others, a_kernel_that_counts_no_switches_does_not_tell)
{
    struct hl_plat_others others;

    sleep_a_little();
    fake_result("getrusage", 0, FAKE_ALWAYS, 0);
    cr_assert_not(hl_plat_others(plat, &others));
}
