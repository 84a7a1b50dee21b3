#!/bin/sh
# Makes sure that there is what builds the broker with its console. All that is missing is told at once.
set -u
here=$(cd "$(dirname "$0")" && pwd)

failed=0
"$here/rust.sh" || failed=1
"$here/need.sh" cc:gcc node:nodejs npm || failed=1
# What bundles the console runs on these; older ones fail halfway, and do not say why.
new='const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)'
if command -v node >/dev/null 2>&1 && ! node -e "$new"; then
    echo "web-tools: node is $(node --version): 20.19, or 22.12 or newer, is needed. See https://nodejs.org" >&2
    failed=1
fi
exit "$failed"
