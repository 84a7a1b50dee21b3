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

# Whether something failed within a day: it is not tried again at each build.
failed_lately() { [ -n "$(find "$cache/failed-$1" -mtime -1 2>/dev/null)" ]; }
failed() { mkdir -p "$cache" && touch "$cache/failed-$1"; }

# Selects a sysroot with a small std for the compiler of this one, made where there is none yet; false if it cannot be.
small() {
    [ "$kind" = small ] || return 1
    [ -f "$1/lib/rustlib/src/rust/library/Cargo.lock" ] || { log "no sources of std"; return 1; }
    version=$("$1/bin/rustc" -vV | sed -n 's/^release: //p; s/^commit-hash: \(.\{9\}\).*/\1/p' | paste -s -d - -)
    sysroot=$cache/sysroot-$version-small-$target
    # Flags among which cargo tells builds with this std from others.
    flags='-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none'
    if ! has_target "$sysroot/bin/rustc"; then
        ! failed_lately "$version-small-$target" || return 1
        log "building a small std from its sources (about a minute, once)"
        timeout "${SYSROOT_TIMEOUT:-600}" "$here/mk-sysroot.sh" "$sysroot" "$target" "$1" "$2" "$flags" >&2 || true
        has_target "$sysroot/bin/rustc" || { failed "$version-small-$target" && log "it did not build"; return 1; }
    fi
    log "small std of $version"
    echo "export RUSTC='$sysroot/bin/rustc' RUSTFLAGS='${RUSTFLAGS:-} $flags'"
}

# Whoever says how std is to be, or sets flags that ours would not be heard beside, gets the one there is.
if [ "${SHELFMQ_STD:-small}" != small ] || [ -n "${CARGO_ENCODED_RUSTFLAGS:-}" ]; then kind=; fi

if [ "$kind" = small ] && command -v "${RUSTC:-rustc}" >/dev/null 2>&1; then
    own=$("${RUSTC:-rustc}" --print sysroot)
    if ! [ -d "$own/lib/rustlib/src/rust/library" ] && command -v rustup >/dev/null 2>&1 && ! failed_lately rust-src; then
        log "rustup component add rust-src"
        timeout "${RUSTUP_TIMEOUT:-60}" rustup component add rust-src >&2 || failed rust-src
    fi
    if small "$own" cargo; then exit 0; fi
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
if small /usr /usr/bin/cargo; then exit 0; fi
version=$(/usr/bin/rustc -vV | sed -n 's/^release: //p')
sysroot=$cache/sysroot-$version-$target
if ! has_target "$sysroot/bin/rustc"; then
    log "building a sysroot from Debian's sources (about a minute, once)"
    "$here/mk-sysroot.sh" "$sysroot" "$target" >&2
fi
has_target "$sysroot/bin/rustc" || { log "the sysroot did not build"; exit 1; }
log "Debian's rustc $version"
echo "export RUSTC='$sysroot/bin/rustc'"
