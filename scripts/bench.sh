#!/bin/bash
# Runs all benchmarks, then prints what they found as one table. A value over its limit is shown, not an error.
# Arguments are names of shelfmq-bench's measurements, to make only those.
set -euo pipefail
cd "$(dirname "$0")/.."

rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
failed=0
run() { "$@" | tee -a "$rows" || failed=1; }

if [ $# = 0 ]; then
    run cargo bench --locked --quiet --package shelfmq-bench --bench core
    run cargo bench --locked --quiet --package shelfmq-bench --bench memory
fi
run cargo run --locked --quiet --release --package shelfmq-bench --bin shelfmq-bench -- "$@"

printf '\n%s, %s cores\n\n' "$(uname -srm)" "$(getconf _NPROCESSORS_ONLN)"
printf '| %-66s | %18s | %12s | %-4s |\n' measure value limit ''
printf '| %s | %s: | %s: | %s |\n' "$(printf '%.0s-' {1..66})" "$(printf '%.0s-' {1..17})" "$(printf '%.0s-' {1..11})" ----
grep '^|' "$rows"
exit "$failed"
