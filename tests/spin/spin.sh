#!/usr/bin/env bash
# Checks the model of the scope protocol, and that each of its mutants is rejected.
#
#     tests/spin/spin.sh FOLDER
#
# Prints "figure: ..." (tests/harm/harm.h). Builds in FOLDER.
set -u
mkdir -p "$1" && folder=$(cd "$1" && pwd) || exit 1
model=$(cd "$(dirname "$0")" && pwd)/scope.pml
# model: its mutants
declare -A mutants=(
    [NO_WATCHER]='ONE_LOOK NO_LAST_LOOK EVEN_BEFORE_DATA DEPTH_LAST NEVER_ODD POPPED_AFTER_DEPTH'
    [NO_READER]='WATCH_BEFORE_VERSION ARMS_LAST'
)
if ! command -v spin >/dev/null; then
    echo "reason: there is no spin here"
    exit 77
fi
cd "$folder" || exit 1

# verify NAME [OPTION...]: sets errors and states, of the caller
verify() {
    local name=$1
    shift
    mkdir -p "$name" && pushd "$name" >/dev/null || exit 1
    # -DSAFETY: there are only assertions; -m: deeper than any run is long
    if ! { spin "$@" -a "$model" >words 2>&1 && ! grep -q 'Error' words &&
        "${CC:-cc}" -O2 -DSAFETY -w -o pan pan.c && ./pan -m100000 >words 2>&1; }; then
        cat words
        echo "$name: spin does not get through"
        exit 1
    fi
    if grep -qE 'max search depth too small|out of memory|interrupted' words; then
        cat words
        echo "$name: not all of it was searched"
        exit 1
    fi
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' words)
    states=$(sed -n 's/ *\([0-9]*\) states, stored.*/\1/p' words)
    popd >/dev/null || exit 1
}

status=0 all_errors=0 all_states=0 count=0 caught=0
for model_of in "${!mutants[@]}"; do
    verify "$model_of" "-D$model_of"
    all_errors=$((all_errors + errors)) all_states=$((all_states + states))
    if [ "$errors" != 0 ]; then
        cat "$model_of/words"
        status=1
    fi
    # What no process ever gets to would be claimed, not shown. (No end is left where nobody
    # arms, nor for frame 0 by a handler above it; that one is left, the watcher asserts.)
    if grep -E 'scope.pml:[0-9]+, state' "$model_of/words" | grep -vE 'end-|end_is_left'; then
        echo "these steps are never reached"
        status=1
    fi
    for mutant in ${mutants[$model_of]}; do
        count=$((count + 1))
        verify "$mutant" "-D$model_of" "-D$mutant"
        if [ "$errors" = 0 ]; then
            echo "$mutant: not rejected ($states states)"
            status=1
        else
            caught=$((caught + 1))
        fi
    done
done
echo "figure: $all_errors errors in $all_states states; $caught of $count mutants rejected"
exit $status
