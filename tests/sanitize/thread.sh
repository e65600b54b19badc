#!/usr/bin/env bash
# The unit and platform tests under ThreadSanitizer. The stress programs are run beside.
#
#     tests/sanitize/thread.sh BUILD
#
# BUILD was configured with -Db_sanitize=thread. What cannot be run is in not_under_thread; each
# of these is said, with the reason. Ends with 1 on any report.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$1
status=0
list=$here/not_under_thread

# left_out PROGRAM: says so, and prints the pattern for --filter as the last line
left_out() {
    awk -F ' [|] ' -v program="$1" '
        $1 == program { printf "not run: %s (%s)\n", $2, $3; all = all (all == "" ? "" : "|") $2 }
        END { print all == "" ? "*" : "!(" all ")" }' "$list"
}

# A name in the list that no test has would leave out nothing, unnoticed.
check_names() {
    local program=$1 suite='' line names='' wanted
    while read -r line; do
        case $line in
        *': '*' test'*) suite=${line%%:*} ;;
        *) names+="$suite/${line##*[─ ]}"$'\n' ;;
        esac
    done < <("$build/tests/$program/$program-tests" --list)
    while read -r wanted; do
        grep -qE "^${wanted//\*/.*}\$" <<<"$names" || { echo "no test is called $wanted"; status=1; }
    done < <(awk -F ' [|] ' -v program="$program" '$1 == program { print $2 }' "$list")
}

for program in unit platform; do
    words=$build/thread-$program.txt
    left_out "$program" >"$words.left"
    check_names "$program"
    grep '^not run' "$words.left"
    jobs=-j$([ $program = unit ] && nproc || echo 1)
    "$here/../sanitize.sh" "$build/reports-$program" timeout -k 5 1500 \
        "$build/tests/$program/$program-tests" "$jobs" --filter "$(tail -n 1 "$words.left")" >"$words" 2>&1 </dev/null
    result=$?
    line=$(sed 's/\x1b\[[0-9;]*m//g' "$words" | grep -a 'Synthesis: Tested:' | tail -n 1)
    if [ $result -ne 0 ] || ! [[ $line =~ Tested:\ ([1-9][0-9]*)\ .*Passing:\ ([0-9]+) ]] ||
        [ "${BASH_REMATCH[1]}" -ne "${BASH_REMATCH[2]}" ]; then
        tail -n 80 "$words"
        echo "thread: $program failed with $result"
        status=1
    else
        echo "suite: thread $program (${BASH_REMATCH[1]} tests)"
    fi
done
exit $status
