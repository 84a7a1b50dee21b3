#!/bin/sh
# Builds the web app into www/dist/app. The npm package beside it has to be built before: wasm/build.sh.
set -eu
cd "$(dirname "$0")/.."

scripts/npm-ci.sh www
cd www
npm run --silent build -- --logLevel warn
