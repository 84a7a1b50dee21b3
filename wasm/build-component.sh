#!/bin/sh
# Builds the broker as a component, target/wasm/shelfmq.component.wasm, and prints how large it is.
set -eu
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
out=$target/wasm
core=$out/shelfmq.core.wasm
log() { echo "component: $*" >&2; }
sizes() { log "$1: $(wc -c <"$1") bytes, $(gzip -9c "$1" | wc -c) with gzip"; }
mkdir -p "$out"

limit=$(wasm/compile.sh shelfmq-component 213900 223700)
built=$target/wasm32-unknown-unknown/wasm/shelfmq_component.wasm
wasm_opt=$(wasm/wasm-opt.sh "$out")
if [ -n "$wasm_opt" ]; then
    wasm/optimise.sh "$wasm_opt" "$built" "$core"
else
    log "there is no npm to get wasm-opt by: what follows is larger than it could be"
    # What was optimised is not there any more.
    rm -f "$built.optimised"
    cp "$built" "$core"
fi
cargo run --locked --quiet --package shelfmq-wasm-tools --no-default-features --features component \
    --bin componentize -- "$core" "$out/shelfmq.component.wasm" >&2
wasm/within.sh "$core" "$limit"
sizes "$out/shelfmq.component.wasm"
