#!/bin/bash
# Runs all benchmarks to the end, then prints what they found as one table, and fails where one could not be made or a value
# is over its limit.
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
over=$(grep -c '| OVER |$' "$rows" || true)
if [ "$over" != 0 ]; then
    printf '\n%s over their limits\n' "$over" >&2
    failed=1
fi
exit "$failed"
