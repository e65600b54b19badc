#!/usr/bin/env bash
# Every test that docs/do-no-harm.md names must be there: `unit stall/a_name` and its like
# for Criterion's, `harm forks storm` for a check of tests/harm, `stress scope_stress`.
#
#     tests/checks/promises.sh ROOT
set -u
cd "$1" || exit 1
document=docs/do-no-harm.md
status=0 count=0

# has KIND NAME [CHECK]
has() {
    local kind=$1 name=$2 check=${3-}
    case $kind in
    harm) [ -f "tests/harm/$name.c" ] && grep -qF "{\"${check:-all}\", " "tests/harm/$name.c" ;;
    stress) [ -f "tests/stress/$name.c" ] ;;
    *) cat tests/"$kind"/*.c | tr -s '[:space:]' ' ' | grep -qE "Test\( ?${name%%/*}, ?${name#*/}[,)]" ;;
    esac
}

while read -ra words; do
    count=$((count + 1))
    if ! has "${words[@]}"; then
        echo "$document names a test that is not there: ${words[*]}"
        status=1
    fi
done < <(grep -oE '`(unit|platform|story|mach|harm|stress) [a-z_]+(/[a-z_0-9]+)?( [a-z_]+)?`' "$document" | tr -d '`')
if [ "$count" -lt 50 ]; then
    echo "$document names $count tests only: is it still read rightly?"
    status=1
fi
echo "$count tests"
exit $status
