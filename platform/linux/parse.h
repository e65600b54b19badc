/* platform/linux/parse.h - the texts of /proc and of cgroups, read without touching the system.
 *
 * Every function takes a buffer and its length, which need not end in NUL, and
 * believes nothing: thread names hold any byte, values may be missing, cut
 * short or larger than 64 bits. What cannot be read is "unknown", never 0. A
 * number that touches the end of the buffer was perhaps cut short, so it is
 * unknown too.
 */
#ifndef HL_PLAT_LINUX_PARSE_H
#define HL_PLAT_LINUX_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HL_PLAT_UNKNOWN UINT64_MAX

/* A piece of somebody else's buffer. */
struct hl_plat_piece {
    const char *text;
    size_t size;
};

bool hl_plat_piece_is(struct hl_plat_piece piece, const char *text);
/* Copies the bytes, terminated; what does not fit is cut out of the middle and
 * "…" stands for it, never inside a character of UTF-8. */
void hl_plat_shorten(struct hl_plat_piece whole, char *text, size_t capacity);
/* True when `word` is one of the comma-separated words. */
bool hl_plat_piece_lists(struct hl_plat_piece piece, const char *word);

/* /proc/PID/status; each HL_PLAT_UNKNOWN when it is not there. */
struct hl_plat_status {
    uint64_t rss_bytes, peak_rss_bytes, vm_bytes, threads, tracer;
    uint64_t descriptors; /* room in the table, which only grows */
};
void hl_plat_parse_status(const char *text, size_t size, struct hl_plat_status *status);
/* From the same file: voluntary switches, of the thread that it is about. */
uint64_t hl_plat_parse_sleeps(const char *text, size_t size);

/* /proc/PID/stat: the scheduler's letter (0 = unknown) and field 22 (HL_PLAT_UNKNOWN). */
void hl_plat_parse_stat(const char *text, size_t size, char *state, uint64_t *start_ticks);
/* The name in it; false: newer kernels write some of its bytes otherwise. */
bool hl_plat_parse_stat_name(const char *text, size_t size, struct hl_plat_piece *name);

struct hl_plat_schedstat {
    uint64_t on_core_ns, run_delay_ns, switches;
};
bool hl_plat_parse_schedstat(const char *text, size_t size, struct hl_plat_schedstat *schedstat);

/* /proc/PID/task/TID/syscall: false for what is not understood. */
struct hl_plat_call {
    bool is_running; /* on a core or about to be: nothing else is known */
    bool is_in_call; /* else it sleeps without one, in a page fault say; sp and pc are known */
    uint64_t number;
    uint64_t arguments[6];
    uint64_t sp, pc;
};
bool hl_plat_parse_syscall(const char *text, size_t size, struct hl_plat_call *call);

/* One line of /proc/PID/fdinfo/N of an epoll: a descriptor in its set. false: another line. */
bool hl_plat_parse_watched(const char *line, size_t size, uint64_t *descriptor);

/* What a link in /proc/PID/fd leads to. */
enum hl_plat_link {
    HL_PLAT_LINK_NAMED, /* nothing with a path; its name says all: "pipe", "eventfd" */
    HL_PLAT_LINK_SOCKET,
    HL_PLAT_LINK_TERMINAL,
    HL_PLAT_LINK_PATH
};
/* The name is a piece of the link or a constant, and empty for a socket. */
enum hl_plat_link hl_plat_parse_link(const char *link, size_t size, struct hl_plat_piece *name);

/* /proc/PID/io */
bool hl_plat_parse_io(const char *text, size_t size, uint64_t *read_bytes, uint64_t *written_bytes);

/* One line of /proc/PID/cgroup. `controllers` is empty in cgroup v2. */
struct hl_plat_cgroup {
    uint64_t hierarchy;
    struct hl_plat_piece controllers, path;
};
bool hl_plat_parse_cgroup_line(const char *line, size_t size, struct hl_plat_cgroup *cgroup);

/* One line of /proc/PID/mountinfo; root and point still carry their escapes. */
struct hl_plat_mount {
    struct hl_plat_piece root, point, type, options;
};
bool hl_plat_parse_mount_line(const char *line, size_t size, struct hl_plat_mount *mount);
/* \040 and the like become bytes. false when it does not fit. Always terminated. */
bool hl_plat_unescape(struct hl_plat_piece escaped, char *text, size_t capacity);

/* cpu.max of cgroup v2. false: no quota, or not understood. */
bool hl_plat_parse_cpu_max(const char *text, size_t size, uint64_t *quota, uint64_t *period);
/* cpu.stat of cgroup v1 and v2. false: it does not count throttled time, or is not understood. */
bool hl_plat_parse_throttled(const char *text, size_t size, uint64_t *throttled_ns);
/* A file that is one number: memory.max, cpu.cfs_quota_us. false for "max", "-1" and nonsense. */
bool hl_plat_parse_number(const char *text, size_t size, uint64_t *number);

/* The last number of a list like "0-3,8-11", which is its highest. false: it is no such list. */
bool hl_plat_parse_highest(const char *text, size_t size, uint64_t *highest);

/* The head of one line of /proc/PID/maps. */
struct hl_plat_mapping {
    uintptr_t low, high;
    bool is_writable;
    bool is_main_stack;
};
bool hl_plat_parse_mapping(const char *line, size_t size, struct hl_plat_mapping *mapping);

/* A directory name that is a number and nothing else. */
bool hl_plat_parse_tid(const char *name, size_t size, uint64_t *tid);

#endif
