#!/bin/sh
# Builds the npm package's modules into wasm/pkg: compiled, bound, optimised.
set -eu
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/wasm" wasm/pkg

scripts/npm-ci.sh wasm

# A module of the package: its name, its feature, and how many bytes with gzip may be downloaded of it, the same where
# std was not built for size, and of its binding. A compiler of another version makes a little more or less of it.
build() {
    limit=$(wasm/compile.sh shelfmq-wasm "$3" "$4" --no-default-features --features "$2")
    cp "$target/wasm32-unknown-unknown/wasm/shelfmq_wasm.wasm" "$target/wasm/$1.wasm"
    cargo run --locked --quiet --package shelfmq-wasm-tools --bin bindgen -- "$target/wasm/$1.wasm" "$target/wasm/bindgen"
    cp "$target/wasm/bindgen/$1.js" wasm/pkg/
    node wasm/tools/instance.mjs "wasm/pkg/$1.js"
    wasm/optimise.sh wasm/node_modules/.bin/wasm-opt "$target/wasm/bindgen/${1}_bg.wasm" "wasm/pkg/${1}_bg.wasm"
    wasm/within.sh "wasm/pkg/${1}_bg.wasm" "$limit"
    wasm/within.sh "wasm/pkg/$1.js" "$5"
}

build shelfmq_recording recording 278500 305500 3800
build shelfmq_wasm broker 238700 263700 6800

# The broker's module in two parts: what a first visit calls, a third of it, and the rest.
split() { cargo run --locked --quiet --package shelfmq-wasm-tools --no-default-features --features split --bin split -- "$@"; }
split count wasm/pkg/shelfmq_wasm_bg.wasm "$target/wasm/counted.wasm"
node wasm/tools/visit.mjs "$target/wasm/counted.wasm" >"$target/wasm/called"
split cut wasm/pkg/shelfmq_wasm_bg.wasm "$target/wasm/called" wasm/pkg/shelfmq_split_first.wasm wasm/pkg/shelfmq_split_rest.wasm
wasm/within.sh wasm/pkg/shelfmq_split_first.wasm $((limit * 32 / 100))
