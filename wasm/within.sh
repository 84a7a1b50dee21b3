#!/bin/sh
# Says how large a file is, and fails where that is more than it may be: `within.sh <file> <bytes with gzip -9>`.
# With SHELFMQ_SIZES=told it only says so.
set -eu

size=$(gzip -9 -c "$1" | wc -c)
printf '%s: %s bytes, %s with gzip, of %s at most\n' "$1" "$(wc -c < "$1")" "$size" "$2"
[ "$size" -le "$2" ] || {
    echo "$1 is too large" >&2
    [ "${SHELFMQ_SIZES:-}" = told ]
}
