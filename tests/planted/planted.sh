#!/usr/bin/env bash
# The check of the sanitizer harness: each planted fault must be caught, and a
# faultless program must pass. planted.sh WORK_FOLDER
# With clang, as in ./dev check: gcc 12 with both sanitizers in one program does
# not write the reports of the undefined one into files.
set -u
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
status=0 planted=0 caught=0

# build NAME SOURCE FLAG...
build() {
    local name=$1 source=$2
    shift 2
    "${CC:-clang}" -g -O1 "$here/$source" -o "$work/$name" -pthread "$@" || exit 1
}

# caught NAME KIND ARGUMENT...: the harness fails, and because of a report
caught() {
    local name=$1 kind=$2
    shift 2
    planted=$((planted + 1))
    if "$here/../sanitize.sh" "$work/reports-$name" "$work/$name" "$@" >"$work/$name.log" 2>&1; then
        echo "not caught: $name $*"
        status=1
    elif ! find "$work/reports-$name" -type f -size +0 -exec cat {} + | grep -qE "$kind"; then
        echo "failed without a report of '$kind': $name $*"
        cat "$work/$name.log"
        status=1
    else
        echo "caught: $name $*"
        caught=$((caught + 1))
    fi
}

build leak leak.c -fsanitize=address
build leak_in_a_test leak_in_a_test.c -fsanitize=address -lcriterion
build overflow overflow.c -fsanitize=address,undefined -fno-sanitize-recover=all
build race race.c -fsanitize=thread
build race_in_a_test race_in_a_test.c "$here/../sanitize/arena.c" -fsanitize=thread -lcriterion
build leak_in_a_child leak_in_a_child.c -fsanitize=address
echo 'int main(void) { return 0; }' >"$work/faultless.c"
"${CC:-clang}" "$work/faultless.c" -o "$work/faultless" -fsanitize=address,undefined || exit 1

caught leak 'detected memory leaks'
caught leak_in_a_test 'detected memory leaks'
caught overflow 'heap-buffer-overflow'
caught overflow 'signed integer overflow' now
caught race 'data race'
caught race_in_a_test "data race"
caught leak_in_a_child "detected memory leaks"
if ! "$here/../sanitize.sh" "$work/reports-faultless" "$work/faultless"; then
    echo "a faultless program did not pass"
    status=1
fi
echo "planted: $caught of $planted caught"
exit $status
