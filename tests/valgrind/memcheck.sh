#!/usr/bin/env bash
# The unit tests, and programs with a running monitor, under memcheck.
#
#     tests/valgrind/memcheck.sh BUILD [--short]
#
# --short leaves out the tests named in many_times. Ends with 1 on any report, 77 without valgrind.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$1
short=${2-}
status=0
command -v valgrind >/dev/null || { echo "reason: there is no valgrind"; exit 77; }
export HEARTLINE_INTERVAL=1s HEARTLINE_STALL=off

# suite NAME COMMAND...
suite() {
    local name=$1 result
    shift
    "$here/valgrind.sh" memcheck "$build/memcheck/$name" "$@"
    result=$?
    if [ $result -eq 0 ]; then
        echo "suite: memcheck $name"
    else
        echo "memcheck: $name failed with $result"
        status=1
    fi
}

left_out=()
if [ "$short" = --short ]; then
    mapfile -t left_out < <(grep -v '^#' "$here/many_times" | sed 's/^/!/')
    printf 'not run: %s (long, and more of the same)\n' "${left_out[@]#!}"
fi
suite unit "$build/tests/valgrind/unit-forked" "${left_out[@]}"
suite minimal "$build/docs/examples/minimal"
suite storm "$build/tests/story/storm" 4 5
if [ "$short" != --short ]; then
    suite progress "$build/docs/examples/progress"
    suite churn "$build/tests/stress/stress-churn_stress" 20
fi
exit $status
