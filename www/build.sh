#!/bin/sh
# Builds the web app into www/dist/app. The npm package beside it has to be built before: wasm/build.sh.
set -eu
cd "$(dirname "$0")"

# Installed again where what is wanted has changed since.
if ! cmp -s package-lock.json node_modules/.package-lock.wanted; then
    npm ci --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json node_modules/.package-lock.wanted
fi
npm run --silent build -- --logLevel warn
