#!/bin/sh
# Installs what the lock file of a directory wants, where that is not what was installed last: npm-ci.sh DIRECTORY.
set -eu
cd "$1"

installed=node_modules/.package-lock.installed
if ! cmp -s package-lock.json "$installed"; then
    npm ci --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json "$installed"
fi
