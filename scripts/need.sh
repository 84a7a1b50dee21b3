#!/bin/sh
# Makes sure that commands (or files) are there: `need.sh cc:gcc curl` wants `cc`, of Debian's package gcc, and `curl`.
# Installs what is missing where that can be done without asking; says what to do where it cannot.
set -eu

missing=
packages=
for want in "$@"; do
    command -v "${want%%:*}" >/dev/null 2>&1 || [ -e "${want%%:*}" ] || {
        missing="$missing ${want%%:*}"
        packages="$packages ${want#*:}"
    }
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "need: not found:$missing. Install that, then try again. (Debian has it in:$packages)" >&2
    exit 1
fi
command="apt-get install --no-install-recommends$packages"
if [ "$(id -u)" != 0 ]; then
    echo "need: not found:$missing. Install that, then try again: sudo $command" >&2
    exit 1
fi
echo "need: installing$packages" >&2
# A machine that was set up long ago may know only packages that are gone: then its lists are renewed.
# shellcheck disable=SC2086 # a list of packages
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages >&2; }
install || { apt-get update -q >&2 && install; } || {
    echo "need: not found:$missing, and this failed: $command" >&2
    exit 1
}
