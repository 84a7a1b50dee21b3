#!/bin/sh
# Makes sure that cargo and those of its components that are named are there: `rust.sh fmt clippy`.
set -eu
# macOS has no timeout.
command -v timeout >/dev/null 2>&1 || timeout() { shift && "$@"; }

if ! command -v cargo >/dev/null 2>&1; then
    echo "rust: no cargo. Install Rust from https://rustup.rs, then open a new shell." >&2
    exit 1
fi
for component in "$@"; do
    cargo "$component" --version >/dev/null 2>&1 && continue
    case $component in fmt) name=rustfmt ;; *) name=$component ;; esac
    # Without a network rustup may wait for ever.
    if command -v rustup >/dev/null 2>&1 && timeout 120 rustup component add "$name" >&2; then continue; fi
    echo "rust: no cargo-$component. Install it: rustup component add $name (or your system's package of that name)." >&2
    exit 1
done
