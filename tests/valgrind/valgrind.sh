#!/usr/bin/env bash
# Runs a command under valgrind so that no report can be missed, of any child either.
#
#     tests/valgrind/valgrind.sh memcheck|helgrind REPORT_FOLDER COMMAND [ARGUMENT...]
#
# A report in a Criterion test leaves the status at 0. So each process writes into a file of its
# own, and any file with something in it is a failure, whatever the command's status says.
# There are no suppressions. tests/planted/valgrind.sh proves on each run that this works.
set -u
tool=$1 reports=$2
shift 2
command -v valgrind >/dev/null || { echo "reason: there is no valgrind"; exit 77; }
rm -rf "$reports"
mkdir -p "$reports"
reports=$(cd "$reports" && pwd)
options=(--quiet --trace-children=yes --fair-sched=try --log-file="$reports/%p")
case $tool in
# Not "possibly lost": so it calls the stacks of threads that still run.
memcheck)
    kinds=definite,indirect
    options+=(--leak-check=full --show-leak-kinds="$kinds" --errors-for-leak-kinds="$kinds")
    ;;
helgrind) options+=(--history-level=approx) ;;
*) echo "no such tool: $tool"; exit 2 ;;
esac
valgrind --tool="$tool" "${options[@]}" "$@"
status=$?
if [ -z "$(find "$reports" -type f -print -quit)" ]; then
    echo "$tool did not start: it made no file in $reports"
    exit 1
fi
mapfile -t found < <(find "$reports" -type f -size +0 | sort)
if [ ${#found[@]} -gt 0 ]; then
    echo "${#found[@]} processes have reports of $tool in $reports:"
    head -n 60 -v "${found[@]:0:3}"
    exit 1
fi
exit $status
