#!/usr/bin/env bash
# The shapes in arm64/ by the official model of the processor, where herd7 is installed
# (herdtools7; Debian has no package of it). A file's name says what must come out.
set -u
cd "$(dirname "$0")/arm64" || exit 2
command -v herd7 >/dev/null || {
    echo "needs herd7"
    exit 77
}
status=0 count=0
for file in *.litmus; do
    found=$(herd7 "$file" | sed -n 's/^Observation [^ ]* \([A-Za-z]*\) .*/\1/p')
    count=$((count + 1))
    [ "${file%%-*}" = "${found,,}" ] && continue
    echo "$file: ${found:-no answer}"
    status=1
done
echo "$count shapes"
exit $status
