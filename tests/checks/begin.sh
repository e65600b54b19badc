# How a check begins that runs programs: without the caller's settings, and with a folder that goes
# when it ends. Sourced; sets `work`.
for variable in $(compgen -e | grep '^HEARTLINE'); do
    unset "$variable"
done
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
