#!/bin/sh
# Prints where a wasm-opt is that can be trusted with our modules: binaryen's own build, by npm, fetched once into the
# directory given. Nothing is printed where it cannot be had. A distribution's may be too old: one from 2022 breaks
# modules without a word.
set -eu

# What the sizes of record were measured with.
version=132
cache=$1
# macOS has no timeout.
command -v timeout >/dev/null 2>&1 || timeout() { shift && "$@"; }

if [ -n "${WASM_OPT:-}" ]; then
    echo "$WASM_OPT"
    exit
fi
# The npm package's own, of the same version.
own=$(dirname "$0")/node_modules/.bin/wasm-opt
if [ -x "$own" ]; then
    echo "$own"
    exit
fi
found=$cache/binaryen-$version/node_modules/.bin/wasm-opt
if ! [ -x "$found" ] && command -v npm >/dev/null 2>&1; then
    mkdir -p "$cache/binaryen-$version"
    timeout "${NPM_TIMEOUT:-120}" npm install --silent --no-audit --no-fund --no-save --no-package-lock \
        --prefix "$cache/binaryen-$version" "binaryen@$version" >&2 || true
fi
[ ! -x "$found" ] || echo "$found"
