#!/usr/bin/env bash
# Check 12: every suite under every sanitizer and under valgrind, in full.
#
#     tests/harm/sanitizers.sh BUILD [STEP...]
#
# The steps of ./dev check, which build what they need beside BUILD. SANITIZED_IN_FULL makes
# those long that are short there. See harm.h for what is printed, and how it ends.
set -u
cd "$(dirname "$0")/../.." || exit 1
export SANITIZED_IN_FULL=1
unset HEARTLINE_INTERVAL HEARTLINE_STALL
shift
steps=(planted address mach thread memcheck helgrind)
[ $# -eq 0 ] || steps=("$@")
suites=0 reports=0 planted=0 caught=0 failed=0 ran=0

# count PATTERN FILE: lines with it
count() { grep -acE "$1" "$2"; }

# count_planted LOG: adds to planted and caught
count_planted() {
    local here there
    while read -r here there; do
        caught=$((caught + here)) planted=$((planted + there))
    done < <(sed -nE 's/^planted: ([0-9]+) of ([0-9]+) caught$/\1 \2/p' "$1")
}

# A meson suite says in one number how many of its programs were well.
count_suites() {
    local well
    well=$(sed -nE 's/^Ok: +([0-9]+).*/\1/p' "$1" | tail -n 1)
    suites=$((suites + $(count '^suite: |Synthesis: Tested:' "$1") + ${well:-0}))
}

step() {
    local name=$1 words log=build/log/$1.log
    rm -f "$log"
    words=$(./dev check "$name" 2>&1 </dev/null)
    if ! [ -f "$log" ] || ! grep -q '^check: ' <<<"$words"; then
        echo "$words" | tail -n 20
        echo "there is no step $name in ./dev check, or it did not begin"
        failed=$((failed + 1))
        return
    fi
    if grep -q '^check: .* 1 skipped' <<<"$words"; then
        echo "not run: $name ($(tail -n 1 "$log" | sed 's/^reason: //'))"
        return
    fi
    grep '^not run: ' "$log"
    ran=$((ran + 1))
    case $name in
    planted) count_planted "$log" ;;
    *) count_suites "$log" ;;
    esac
    reports=$((reports + $(count '^sanitizer reports in|processes have reports of' "$log")))
    if grep -q '^check: 1 passed, 0 failed' <<<"$words"; then
        return
    fi
    tail -n 40 "$log"
    echo "$name failed: $log"
    failed=$((failed + 1))
}

for name in "${steps[@]}"; do
    step "$name"
done
if [ $((ran + failed)) -eq 0 ]; then
    echo "reason: none of the steps ${steps[*]} can run here"
    exit 77
fi
echo "figure: $suites suites, $reports reports; $caught of $planted planted faults caught"
[ $failed -eq 0 ] && [ $reports -eq 0 ] && [ $caught -eq $planted ] && [ $((suites + planted)) -gt 0 ]
