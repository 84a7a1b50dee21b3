#!/bin/sh
# Builds the npm package's modules into wasm/pkg: compiled, bound, optimised.
set -eu
cd "$(dirname "$0")/.."
eval "$(scripts/toolchain.sh wasm32-unknown-unknown)"

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/wasm" wasm/pkg
# By name: its features, and what may be downloaded of it and of its binding, in bytes with gzip. A compiler of another
# version makes a little more or less of it.
build() {
    cargo build --locked --quiet --profile wasm --target wasm32-unknown-unknown --package shelfmq-wasm \
        --no-default-features --features "$2"
    cp "$target/wasm32-unknown-unknown/wasm/shelfmq_wasm.wasm" "$target/wasm/$1.wasm"
}
bind() {
    cargo run --locked --quiet --package shelfmq-wasm-tools --bin bindgen -- "$target/wasm/$1.wasm" "$target/wasm/bindgen"
    cp "$target/wasm/bindgen/$1.js" "$target/wasm/bindgen/$1.d.ts" wasm/pkg/
    # No function is inlined where it is called once, for that makes others larger; nothing lies below address 1024,
    # where the stack would end.
    wasm/node_modules/.bin/wasm-opt -Oz --converge --one-caller-inline-max-function-size=0 --low-memory-unused \
        "$target/wasm/bindgen/${1}_bg.wasm" -o "wasm/pkg/${1}_bg.wasm"
    wasm/within.sh "wasm/pkg/${1}_bg.wasm" "$2"
    wasm/within.sh "wasm/pkg/$1.js" "$3"
}

installed=wasm/node_modules/.package-lock.installed
if ! cmp -s wasm/package-lock.json "$installed"; then
    (cd wasm && npm ci --no-audit --no-fund --loglevel=error >&2)
    cp wasm/package-lock.json "$installed"
fi

build shelfmq_wasm broker
build shelfmq_recording recording
# Debian's compiler, where that is used, shares nothing with another's.
unset RUSTC
bind shelfmq_wasm 290000 8500
bind shelfmq_recording 350000 8500
