#!/usr/bin/env bash
# Programs with a running monitor, and threads that race it, under helgrind.
#
#     tests/valgrind/helgrind.sh BUILD [--short]
#
# BUILD was configured with -Dc_args='-include .../tests/valgrind/atomics.h', which says why.
# Ends with 1 on any report, 77 without valgrind. beat_stress is not among them: valgrind runs one
# thread at a time, and its eight busy ones hardly let another have a turn.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tool=helgrind
build=$1
short=${2-}
. "$here/suites.sh"

suite minimal "$build/docs/examples/minimal"
suite scope "$build/tests/stress/stress-scope_stress" --scopes 1000
suite churn "$build/tests/stress/stress-churn_stress" 2
restarts=()
for _ in 1 2 3; do
    restarts+=(thread '{' start push x beat stop start pop stop start stop start beat stop '}')
done
suite restarts "$build/tests/story/act" "${restarts[@]}" start stop start beat join stop
[ ! -x "$build/tests/harm/lifecycle" ] || suite lifecycle "$build/tests/harm/lifecycle" race --short
if [ "$short" != --short ]; then
    suite progress "$build/docs/examples/progress"
fi
exit $status
