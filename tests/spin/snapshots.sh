#!/usr/bin/env bash
# Check 11 of docs/do-no-harm.md: a thousand million scopes read beside eight threads that
# write them, with checksummed labels, and spin's verdict on the protocol.
#
#     tests/spin/snapshots.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
words=$(mktemp)
trap 'rm -f "$words"' EXIT
status=0
"$build/tests/stress/stress-scope_stress" --scopes 1000000000 | tee "$words" || status=1
read_line=$(tail -n 1 "$words")
tests/spin/spin.sh "$build/spin" | tee "$words"
[ "${PIPESTATUS[0]}" -eq 0 ] || status=1
echo "figure: $read_line; spin: $(sed -n 's/^figure: //p' "$words")"
exit $status
