#!/usr/bin/env bash
# The unit tests, and programs with a running monitor, under memcheck.
#
#     tests/valgrind/memcheck.sh BUILD [--short]
#
# --short leaves out the tests named in many_times. Ends with 1 on any report, 77 without valgrind.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tool=memcheck
build=$1
short=${2-}
. "$here/suites.sh"

without_memory=monitor/without_memory_there_is_no_start_and_errno_is_as_it_was
echo "not run: $without_memory (valgrind has no memory then, either)"
left_out=("!$without_memory")
if [ "$short" = --short ]; then
    mapfile -t long < <(grep -v '^#' "$here/many_times")
    printf 'not run: %s (long, and more of the same)\n' "${long[@]}"
    left_out+=("${long[@]/#/!}")
else
    export VALGRIND_OPTS=--max-threads=10100 # one test has ten thousand
fi
suite unit "$build/tests/valgrind/unit-forked" "${left_out[@]}"
suite minimal "$build/docs/examples/minimal"
suite storm "$build/tests/story/storm" 4 5
if [ "$short" != --short ]; then
    suite progress "$build/docs/examples/progress"
    suite churn "$build/tests/stress/stress-churn_stress" 20
fi
exit $status
