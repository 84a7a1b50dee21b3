#!/bin/sh
# Proves that the core needs no operating system: it builds for a target that has none, where std does not exist.
# (wasm32-unknown-unknown has a std of stubs, and proves nothing.)
set -eu

target=thumbv7em-none-eabi
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
selected=$("$here/toolchain.sh" "$target")
eval "$selected"

# The proof is worth what it refuses: a crate that uses std must fail here, and for that reason.
refusal=$(echo 'pub fn now() -> std::time::Instant { std::time::Instant::now() }' |
    "${RUSTC:-rustc}" --target "$target" --crate-type lib --emit metadata -o /dev/null - 2>&1) && {
    echo "bare-metal: a crate that uses std builds for $target: this target proves nothing" >&2
    exit 1
}
case $refusal in
    *E0463*) ;;
    *) echo "bare-metal: $refusal" >&2 && exit 1 ;;
esac

cargo build --locked --package shelfmq-core --lib --example bare_metal --target "$target"
echo "bare-metal: shelfmq-core and a program with it build for $target, and a crate that uses std does not"
