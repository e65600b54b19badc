#!/usr/bin/env bash
# Debian packages of this tree, with the version that its headers have.
#
#     .debian/build.sh FOLDER   they are in FOLDER then, which is emptied before
#
# The folder debian/ that Debian's tools want is made of this one, in a copy of the tree.
set -eu
cd "$(dirname "$0")/.."
folder=$1
version=$(awk '/^#define MONITOR_VERSION_(MAJOR|MINOR|PATCH) / { v = v dot $3; dot = "." } END { print v }' \
    include/heartline/monitor.h)
# The same tree gives the same packages: their time is that of the change log's last change.
changed=$(git log -1 --format=%ct -- CHANGELOG.md 2>/dev/null) || changed=
[ -n "$changed" ] || changed=$(stat -c %Y CHANGELOG.md)

rm -rf "$folder"
mkdir -p "$folder/heartline-$version"
folder=$(cd "$folder" && pwd)
tree=$folder/heartline-$version
tar -c --exclude=./build --exclude=./.git . | tar -x -C "$tree"
mv "$tree/.debian" "$tree/debian"
{
    printf 'Files: *\nCopyright: 2026 The Heartline authors\nLicense: Expat\n'
    sed 's/^$/./; s/^/ /' LICENSE
} | sed '1i Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n' >"$tree/debian/copyright"
cat >"$tree/debian/changelog" <<CHANGES
heartline ($version) unstable; urgency=medium

  * See CHANGELOG.md.

 -- Heartline developers <heartline@localhost>  $(LC_ALL=C date -u -d "@$changed" '+%a, %d %b %Y %H:%M:%S +0000')
CHANGES
cd "$tree"
dpkg-buildpackage --build=binary --no-sign
rm -r "$tree"
ls "$folder"
