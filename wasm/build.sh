#!/bin/sh
# Builds the npm package's module into wasm/pkg: compiled, bound, optimised.
set -eu
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
limit=$(wasm/compile.sh shelfmq-wasm 197500 219500)
mkdir -p "$target/wasm"
cargo run --locked --quiet --package shelfmq-wasm-tools --bin bindgen -- \
    "$target/wasm32-unknown-unknown/wasm/shelfmq_wasm.wasm" "$target/wasm/bindgen"

[ -x wasm/node_modules/.bin/wasm-opt ] || (cd wasm && npm ci --no-audit --no-fund --loglevel=error >&2)
mkdir -p wasm/pkg
cp "$target/wasm/bindgen/shelfmq_wasm.js" "$target/wasm/bindgen/shelfmq_wasm.d.ts" wasm/pkg/
# No function but the smallest is inlined where it is called once, for that makes others larger; nothing lies below
# address 1024, where the stack would end; functions that are alike stand together, for gzip.
wasm/node_modules/.bin/wasm-opt -Oz --converge --one-caller-inline-max-function-size=20 --low-memory-unused \
    --reorder-functions-by-name "$target/wasm/bindgen/shelfmq_wasm_bg.wasm" -o wasm/pkg/shelfmq_wasm_bg.wasm
# What a page downloads; a compiler of another version makes a little more or less of it.
wasm/within.sh wasm/pkg/shelfmq_wasm_bg.wasm "$limit"
wasm/within.sh wasm/pkg/shelfmq_wasm.js 7500
