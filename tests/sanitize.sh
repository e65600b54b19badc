#!/usr/bin/env bash
# Runs a command so that no sanitizer report can be missed.
#
#     tests/sanitize.sh REPORT_FOLDER COMMAND [ARGUMENT...]
#
# A report inside a Criterion test is printed while the test still passes and
# the exit status is 0. So every report, of every child process, goes into a
# file, and any file is a failure, whatever the command's status says.
# tests/planted/planted.sh proves on each run of ./dev check that this works.
set -u
reports=$1
shift
rm -rf "$reports"
mkdir -p "$reports"
reports=$(cd "$reports" && pwd)

common="halt_on_error=1:abort_on_error=1:handle_abort=0:log_path=$reports"
export ASAN_OPTIONS="$common/address:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:exitcode=66${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export LSAN_OPTIONS="exitcode=66:log_path=$reports/leak"
export UBSAN_OPTIONS="$common/undefined:print_stacktrace=1:exitcode=66"
export TSAN_OPTIONS="$common/thread:second_deadlock_stack=1:exitcode=66${TSAN_OPTIONS:+:$TSAN_OPTIONS}"

# ThreadSanitizer's fixed memory layout collides with much address randomisation.
if setarch -R true 2>/dev/null; then
    setarch -R "$@"
else
    "$@"
fi
status=$?

# A word about coroutines is no report.
no_report='^==[0-9]+==WARNING: ASan doesn.t fully support makecontext/swapcontext'
found=$(find "$reports" -type f -size +0 -exec grep -lvE "$no_report" {} + | sort)
if [ -n "$found" ]; then
    echo "sanitizer reports in $reports:"
    # shellcheck disable=SC2046
    head -n 60 -v $(head -n 3 <<<"$found")
    exit 1
fi
exit $status
