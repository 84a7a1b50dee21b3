#!/bin/sh
# Finds or makes a Rust toolchain for a target, and prints the shell lines that select it:
#
#     eval "$(scripts/toolchain.sh thumbv7em-none-eabi)" && cargo build --target thumbv7em-none-eabi
#
# In this order: the target is installed; rustup adds it; Debian's sources of std are built into a sysroot, once.
set -eu

target=$1
here=$(cd "$(dirname "$0")" && pwd)
cache=${SHELFMQ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shelfmq}
# macOS has no timeout.
command -v timeout >/dev/null 2>&1 || timeout() { shift && "$@"; }
log() { echo "toolchain: $target: $*" >&2; }

# `--print target-libdir` succeeds for targets that are not installed: only libcore tells.
has_target() {
    libdir=$("$1" --print target-libdir --target "$target" 2>/dev/null) && ls "$libdir"/libcore-*.rlib >/dev/null 2>&1
}

if has_target "${RUSTC:-rustc}"; then
    log "installed"
    exit 0
fi

# Where rustup's server does not answer, rustup waits for ever.
if command -v rustup >/dev/null 2>&1; then
    log "rustup target add"
    if timeout "${RUSTUP_TIMEOUT:-60}" rustup target add "$target" >&2 && has_target rustc; then exit 0; fi
    log "rustup could not add it"
fi

if ! command -v apt-get >/dev/null 2>&1; then
    log "missing, and only rustup (or a Debian system) can supply it: rustup target add $target"
    exit 1
fi
sources=/usr/lib/rustlib/src/rust/library/core
if ! [ -x /usr/bin/cargo ] || ! [ -d "$sources" ] || ! command -v lld-22 >/dev/null 2>&1; then
    # Old package lists have an older Rust, and no rust-web-llvm.
    [ "$(id -u)" != 0 ] || apt-get update -q >&2 || log "apt-get update failed; trying with the lists there are"
    "$here/need.sh" /usr/bin/rustc:rustc-web /usr/bin/cargo:cargo-web "$sources:rust-web-src" \
        /usr/bin/rust-lld:rust-web-llvm lld-22
fi
version=$(/usr/bin/rustc -vV | sed -n 's/^release: //p')
sysroot=$cache/sysroot-$version-$target
if ! has_target "$sysroot/bin/rustc"; then
    log "building a sysroot from Debian's sources (about a minute, once)"
    "$here/mk-sysroot.sh" "$sysroot" "$target" >&2
fi
has_target "$sysroot/bin/rustc" || { log "the sysroot did not build"; exit 1; }
log "Debian's rustc $version"
echo "export RUSTC='$sysroot/bin/rustc'"
