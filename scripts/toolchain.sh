#!/bin/sh
# Finds or makes a Rust toolchain for a target, and prints the shell lines that select it:
#
#     eval "$(scripts/toolchain.sh thumbv7em-none-eabi)" && cargo build --target thumbv7em-none-eabi
#
# In this order: the target is installed; rustup adds it; Debian's sources of std are built into a sysroot, once.
#
# With `small` as the second argument, std is built from its sources for size and without what a panic says, wherever
# that can be done (rustup's rust-src, Debian's sources): a tenth less to download. Where it cannot, it is as above.
set -eu

target=$1
kind=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
cache=${SHELFMQ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shelfmq}
# macOS has no timeout.
command -v timeout >/dev/null 2>&1 || timeout() { shift && "$@"; }
log() { echo "toolchain: $target: $*" >&2; }

# `--print target-libdir` succeeds for targets that are not installed: only libcore tells.
has_target() {
    libdir=$("$1" --print target-libdir --target "$target" 2>/dev/null) && ls "$libdir"/libcore-*.rlib >/dev/null 2>&1
}

# Selects a sysroot with a small std for this compiler, made where there is none yet; false if it cannot be had.
small() {
    rustc=$1/bin/rustc
    cargo=$2
    [ "$kind" = small ] && [ "${SHELFMQ_STD:-small}" = small ] && [ -z "${CARGO_ENCODED_RUSTFLAGS:-}" ] || return 1
    [ -f "$1/lib/rustlib/src/rust/library/Cargo.lock" ] || { log "no sources of std"; return 1; }
    version=$("$rustc" -vV | sed -n 's/^release: //p; s/^commit-hash: \(.\{9\}\).*/\1/p' | paste -s -d - -)
    small=$cache/sysroot-$version-small-$target
    # Flags among which cargo tells builds with this std from others.
    flags='-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none'
    if ! has_target "$small/bin/rustc"; then
        log "building a small std from its sources (about a minute, once)"
        timeout "${SYSROOT_TIMEOUT:-600}" "$here/mk-sysroot.sh" "$small" "$target" "$1" "$cargo" "$flags" >&2 || true
        has_target "$small/bin/rustc" || { log "it did not build"; return 1; }
    fi
    log "small std of $version"
    echo "export RUSTC='$small/bin/rustc' RUSTFLAGS='${RUSTFLAGS:-} $flags'"
}

if command -v "${RUSTC:-rustc}" >/dev/null 2>&1; then
    own=$("${RUSTC:-rustc}" --print sysroot)
    if [ "$kind" = small ] && ! [ -d "$own/lib/rustlib/src/rust/library" ] && command -v rustup >/dev/null 2>&1; then
        log "rustup component add rust-src"
        timeout "${RUSTUP_TIMEOUT:-60}" rustup component add rust-src >&2 || log "rustup could not add it"
    fi
    ! small "$own" cargo || exit 0
fi

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
! small /usr /usr/bin/cargo || exit 0
version=$(/usr/bin/rustc -vV | sed -n 's/^release: //p')
sysroot=$cache/sysroot-$version-$target
if ! has_target "$sysroot/bin/rustc"; then
    log "building a sysroot from Debian's sources (about a minute, once)"
    "$here/mk-sysroot.sh" "$sysroot" "$target" >&2
fi
has_target "$sysroot/bin/rustc" || { log "the sysroot did not build"; exit 1; }
log "Debian's rustc $version"
echo "export RUSTC='$sysroot/bin/rustc'"
