#!/usr/bin/env bash
# The check of the sanitizer harness: each planted fault must be caught, and a
# faultless program must pass. planted.sh WORK_FOLDER
# With clang, as in ./dev check: gcc 12 with both sanitizers in one program does
# not write the reports of the undefined one into files.
set -u
compiler=clang
. "$(dirname "$0")/planting.sh"

# caught NAME KIND ARGUMENT...
caught() {
    local name=$1 kind=$2 reports=$work/reports-$1
    shift 2
    expect_caught "$name $*" "$reports" "$kind" "$here/../sanitize.sh" "$reports" "$work/$name" "$@"
}

build leak leak.c -fsanitize=address
build leak_in_a_test leak_in_a_test.c -fsanitize=address -lcriterion
build overflow overflow.c -fsanitize=address,undefined -fno-sanitize-recover=all
build race race.c -fsanitize=thread
build race_in_a_test race_in_a_test.c "$here/../sanitize/arena.c" -fsanitize=thread -lcriterion
build leak_in_a_child leak_in_a_child.c -fsanitize=address
build_faultless -fsanitize=address,undefined

caught leak 'detected memory leaks'
caught leak_in_a_test 'detected memory leaks'
caught overflow 'heap-buffer-overflow'
caught overflow 'signed integer overflow' now
caught race 'data race'
caught race_in_a_test "data race"
caught leak_in_a_child "detected memory leaks"
expect_pass faultless "$here/../sanitize.sh" "$work/reports-faultless" "$work/faultless"
conclude
