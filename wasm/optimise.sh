#!/bin/sh
# Makes a module small: optimise.sh WASM_OPT MODULE RESULT. Where RESULT was made of the same module before, it stays.
set -eu

wasm_opt=$1
module=$2
result=$3
if cmp -s "$module" "$module.optimised" && [ -n "$(find "$result" -newer "$0" 2>/dev/null)" ]; then exit; fi
# No function but the smallest is inlined where it is called once, for that makes others larger; nothing lies below
# address 1024, where the stack would end; functions that are alike stand together, for gzip.
"$wasm_opt" -Oz --converge --one-caller-inline-max-function-size=20 --low-memory-unused --reorder-functions-by-name \
    "$module" -o "$result"
cp "$module" "$module.optimised"
