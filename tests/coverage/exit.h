/* tests/coverage/exit.h - comes first in every file of the build that counts branches:
 * what ends with _exit, as forked children do, writes its counters too.
 */
#ifndef TESTS_COVERAGE_EXIT_H
#define TESTS_COVERAGE_EXIT_H

void __gcov_dump(void);
_Noreturn void coverage_real_exit(int status) __asm__("_exit");

__attribute__((unused)) _Noreturn static void coverage_exit(int status)
{
    __gcov_dump();
    coverage_real_exit(status);
}

#define _exit coverage_exit

#endif
