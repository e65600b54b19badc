#!/usr/bin/env bash
# The check of tests/valgrind: each planted fault must be caught, and what is faultless must pass.
#
#     tests/planted/valgrind.sh WORK_FOLDER
set -u
compiler=gcc
command -v valgrind >/dev/null || { echo "reason: there is no valgrind"; exit 77; }
. "$(dirname "$0")/planting.sh"

# caught TOOL KIND NAME ARGUMENT...
caught() {
    local tool=$1 kind=$2 name=$3 reports=$work/reports-$3-$1
    shift 3
    expect_caught "$tool: $name $*" "$reports" "$kind" \
        "$here/../valgrind/valgrind.sh" "$tool" "$reports" "$work/$name" "$@"
}

# passes TOOL NAME ARGUMENT...
passes() {
    local tool=$1 name=$2
    shift 2
    expect_pass "$tool: $name $*" \
        "$here/../valgrind/valgrind.sh" "$tool" "$work/reports-passes-$name-$tool" "$work/$name" "$@"
}

build leak leak.c
build leak_in_a_child leak_in_a_child.c
build leak_in_a_test leak_in_a_test.c -lcriterion
build leak_in_a_forked_test leak_in_a_test.c "$here/../valgrind/forked.c" -D_GNU_SOURCE
build reads reads.c
build race race.c
build lock_order lock_order.c
build race_beside_atomics race_beside_atomics.c -include "$here/../valgrind/atomics.h"
build_faultless

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
conclude
