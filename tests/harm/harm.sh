#!/usr/bin/env bash
# Prints the 20 checks of docs/do-no-harm.md as a table, with figure and pass mark.
#
#     tests/harm/harm.sh BUILD [--short] [NUMBER...]
#
# BUILD is a build folder. --short: only the programs of this folder, with smaller counts.
# Ends with 1 when a check failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
shift
short=
[ "${1-}" = --short ] && short=--short && shift
words=$(mktemp)
trap 'rm -f "$words"' EXIT
passed=0 failed=0 not_run=0

# wanted NUMBER: among those that were asked for
wanted() {
    local number=$1
    shift
    [ $# -eq 0 ] && return
    [[ " $* " == *" $number "* ]]
}

# last WORD: what the check said last under it
last() { sed -n "s/^$1: //p" "$words" | tail -n 1; }

# trim TEXT: without blanks around
trim() {
    local text=$1
    text=${text#"${text%%[![:space:]]*}"}
    printf '%s' "${text%"${text##*[![:space:]]}"}"
}

check() {
    local number=$1 what=$2 mark=$3 began=$SECONDS status result
    local -a command
    read -ra command <<<"$4"
    if [ -f "tests/harm/${command[0]}.c" ]; then
        command=("$build/tests/harm/${command[0]}" "${command[1]-all}" $short)
    elif [ -n "$short" ]; then
        return
    else
        command=(bash "${command[@]}" "$build")
    fi
    "${command[@]}" >"$words" 2>&1 </dev/null
    status=$?
    case $status in
    0) result=passed passed=$((passed + 1)) ;;
    77) result='not run' not_run=$((not_run + 1)) ;;
    *) result=FAILED failed=$((failed + 1)) ;;
    esac
    printf '%2d  %-8s %s\n' "$number" "$result" "$what"
    printf '             must be  %s\n' "$mark"
    if [ $status -eq 77 ]; then
        printf '             reason   %s\n' "$(last reason)"
    else
        printf '             figure   %s  (%d s)\n' "$(last figure)" $((SECONDS - began))
    fi
    sed -n 's/^not run: /             not run  /p' "$words"
    [ "$result" = FAILED ] && tail -n 30 "$words" | sed 's/^/    | /'
}

while IFS='|' read -r number what mark command; do
    number=$(trim "$number")
    case $number in '' | '#'*) continue ;; esac
    wanted "$number" "$@" && check "$number" "$(trim "$what")" "$(trim "$mark")" "$(trim "$command")"
done <tests/harm/table

printf '\nchecks: %d passed, %d failed, %d not run\n' $passed $failed $not_run
[ $failed -eq 0 ] && [ $((passed + not_run)) -gt 0 ]
