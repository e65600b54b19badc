/* tests/coverage/exit.h - comes first in every file of the build that counts branches:
 * what ends with _exit, as forked children do, writes its counters too.
 *
 * Where that cannot be done (no descriptor is left, other rights), gcov says so on standard
 * error, which may be the log that a test reads. So that leads to where nothing can be written.
 */
#ifndef TESTS_COVERAGE_EXIT_H
#define TESTS_COVERAGE_EXIT_H

void __gcov_dump(void);
int coverage_dup2(int from, int to) __asm__("dup2");
_Noreturn void coverage_real_exit(int status) __asm__("_exit");

_Noreturn static inline void coverage_exit(int status)
{
    coverage_dup2(0, 2);
    __gcov_dump();
    coverage_real_exit(status);
}

#define _exit coverage_exit

#endif
