#!/bin/sh
# Compiles a package for WebAssembly, as small as the toolchain can, and prints by which of two limits its module is to be
# measured: compile.sh PACKAGE LIMIT LIMIT_WITH_PREBUILT_STD [ARGUMENTS OF CARGO].
set -eu

package=$1
small=$2
larger=$3
shift 3
eval "$(scripts/toolchain.sh wasm32-unknown-unknown small)"

# The module names no directory of this machine: the same sources are the same module elsewhere. A flag cannot have
# spaces in it.
own=$("${RUSTC:-rustc}" --print sysroot)
for path in "$own/lib/rustlib/src/rust=/rust" "${CARGO_HOME:-$HOME/.cargo}/registry/src=/crates" "$PWD=/shelfmq"; do
    case $path in
        *' '*) echo "compile: $path: left in the module" >&2 ;;
        *) RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$path" ;;
    esac
done
export RUSTFLAGS
cargo build --locked --quiet --profile wasm --target wasm32-unknown-unknown --package "$package" "$@"
case $RUSTFLAGS in
    *immediate-abort*) echo "$small" ;;
    *) echo "compile: with the std that came with the compiler, which is larger by a tenth" >&2 && echo "$larger" ;;
esac
