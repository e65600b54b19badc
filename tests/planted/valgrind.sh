#!/usr/bin/env bash
# The check of tests/valgrind: each planted fault must be caught, and what is faultless must pass.
#
#     tests/planted/valgrind.sh WORK_FOLDER
set -u
here=$(cd "$(dirname "$0")" && pwd)
command -v valgrind >/dev/null || { echo "reason: there is no valgrind"; exit 77; }
mkdir -p "$1"
work=$(cd "$1" && pwd)
status=0 planted=0 caught=0

# build NAME SOURCE FLAG...
build() {
    local name=$1 source=$2
    shift 2
    "${CC:-gcc}" -g -O1 "$here/$source" -o "$work/$name" -pthread "$@" || exit 1
}

# caught TOOL KIND NAME ARGUMENT...: the harness fails, and because of a report
caught() {
    local tool=$1 kind=$2 name=$3 reports=$work/reports-$3-$1
    shift 3
    planted=$((planted + 1))
    if "$here/../valgrind/valgrind.sh" "$tool" "$reports" "$work/$name" "$@" >"$work/$name.log" 2>&1; then
        echo "not caught by $tool: $name $*"
        status=1
    elif ! find "$reports" -type f -size +0 -exec cat {} + | grep -qE "$kind"; then
        echo "failed under $tool without a report of '$kind': $name $*"
        cat "$work/$name.log"
        status=1
    else
        echo "caught by $tool: $name $*"
        caught=$((caught + 1))
    fi
}

# passes TOOL NAME ARGUMENT...
passes() {
    local tool=$1 name=$2
    shift 2
    "$here/../valgrind/valgrind.sh" "$tool" "$work/reports-passes-$name-$tool" "$work/$name" "$@" && return
    echo "faultless, and did not pass $tool: $name $*"
    status=1
}

atomics=$here/../valgrind/atomics.h
build leak leak.c
build leak_in_a_child leak_in_a_child.c
build leak_in_a_test leak_in_a_test.c -lcriterion
build leak_in_a_forked_test leak_in_a_test.c "$here/../valgrind/forked.c" -D_GNU_SOURCE
build reads reads.c
build race race.c
build lock_order lock_order.c
build race_beside_atomics race_beside_atomics.c -include "$atomics"
echo 'int main(void) { return 0; }' >"$work/faultless.c"
"${CC:-gcc}" "$work/faultless.c" -o "$work/faultless" || exit 1

caught memcheck 'definitely lost' leak
caught memcheck 'definitely lost' leak_in_a_child
caught memcheck 'definitely lost' leak_in_a_test
caught memcheck 'definitely lost' leak_in_a_forked_test
caught memcheck 'Invalid read of size 1' reads
caught memcheck 'depends on uninitialised value' reads now
caught helgrind 'Possible data race' race
caught helgrind 'lock order' lock_order
caught helgrind 'Possible data race' race_beside_atomics
passes memcheck faultless
passes helgrind race_beside_atomics good
echo "planted: $caught of $planted caught"
exit $status
