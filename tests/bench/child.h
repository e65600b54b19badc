/* tests/bench/child.h - programs that run beside the benchmark, and what they cost. */
#ifndef CHILD_H
#define CHILD_H

#include <sys/types.h>

struct bench_child {
    int status;          /* its exit status; 127: there is no such program; 128 + n: signal n */
    double cpu_ns;       /* user and system time, its own children included */
    char last_line[200]; /* of what it wrote; only after bench_child_ask */
};

/* Arguments end with NULL, the first is looked for in PATH. All wait for the end. */
struct bench_child bench_child_run(const char *const *arguments); /* what it writes is lost */
struct bench_child bench_child_ask(const char *const *arguments);

/* One that is there until it is ended; -1 = there is none. */
pid_t bench_child_start(const char *const *arguments);
void bench_child_end(pid_t child);

#endif
