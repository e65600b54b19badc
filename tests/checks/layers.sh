#!/usr/bin/env bash
# The direction of dependencies, read from the sources. layers.sh PROJECT_ROOT
set -u
cd "$1" || exit 2
status=0

# forbid WHY FOLDERS PATTERN: no line under FOLDERS matches
forbid() {
    local found
    # shellcheck disable=SC2086
    found=$(grep -rnE --include='*.[ch]' --include='*.hpp' -- "$3" $2)
    [ -z "$found" ] && return
    echo "$1:"
    echo "$found"
    status=1
}

forbid 'an operating-system conditional outside platform/' 'monitor include platform/frames.h platform/frames.c platform/host.c platform/log_file.c platform/program.h platform/program.c' \
    '__linux|linux__|__APPLE__|__MACH__|_WIN32|_WIN64|__FreeBSD|__NetBSD|__OpenBSD|__sun\b|__ANDROID__|__GLIBC__|__unix'
forbid 'a system header that only one system has, outside platform/' 'monitor include' \
    '#[[:space:]]*include[[:space:]]*<(linux|mach|asm|sys/(syscall|prctl|epoll|eventfd|timerfd|sysinfo|event))[/.]'
forbid 'platform/ includes something of monitor/ or include/' 'platform' \
    '#[[:space:]]*include.*(monitor/|heartline/)'
forbid 'monitor/ or include/ includes one platform' 'monitor include' \
    '#[[:space:]]*include.*platform/(linux|darwin|none)/'
forbid 'a public header includes something internal' 'include' \
    '#[[:space:]]*include[[:space:]]*("|<(monitor|platform)/)'

# A header of monitor/ that platform/ finds without a folder in front would pass
# unseen: the names must be its own.
for header in $(grep -rhoE --include='*.[ch]' '#[[:space:]]*include[[:space:]]*"[^"]+"' platform |
    sed 's/.*"\(.*\)"/\1/' | sort -u); do
    case $header in
    ../platform.h | ../program.h | program.h | platform.h | frames.h | ../log_file.h | log_file.h) continue ;;
    esac
    ls platform/*/"$header" >/dev/null 2>&1 && continue
    echo "platform/ includes \"$header\", which is not beside it"
    status=1
done

# What is committed must not know where it was made.
if command -v git >/dev/null && git rev-parse --git-dir >/dev/null 2>&1; then
    found=$(git grep -InE '(^|[^A-Za-z0-9_.<-])/(home|work|Users|root)/[A-Za-z0-9_.-]+' -- \
        ':!tests/data' ':!tests/checks/layers.sh' 2>/dev/null)
    if [ -n "$found" ]; then
        echo "a path of one machine:"
        echo "$found"
        status=1
    fi
fi
exit $status
