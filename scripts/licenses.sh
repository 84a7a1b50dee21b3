#!/bin/sh
# Checks what the workspace depends on against deny.toml: licenses, sources, one version of each.
# With cargo-deny installed, that does it, known vulnerabilities included where their database can be fetched.
set -eu
# macOS has no timeout.
command -v timeout >/dev/null 2>&1 || timeout() { shift && "$@"; }
cd "$(dirname "$0")/.."

if cargo deny --version >/dev/null 2>&1; then
    cargo deny --locked check licenses bans sources
    # Fetching is a question to a server that may not answer; what it brought is then checked without one.
    if timeout 120 cargo deny --locked fetch db >/dev/null 2>&1; then
        cargo deny --locked check --disable-fetch advisories
    else
        echo "licenses: the advisory database cannot be fetched here: known vulnerabilities are not checked"
    fi
    exit
fi

failed=0
fail() { echo "licenses: $*" >&2; failed=1; }

allowed=$(sed -n '/^allow = \[/,/^\]/s/^ *"\(.*\)",$/\1/p' deny.toml)
packages=$(cargo tree --locked --quiet --workspace --all-features --target all --edges normal,build,dev \
    --prefix none --format '{l}|{p}' | sed 's/ (\*)$//; /^$/d' | sort -u)

# Each license of an SPDX expression becomes 1 where it is allowed and 0 where not; then the expression is worked out.
refused=$(echo "$packages" | awk -F '|' -v allowed="$allowed" '
    BEGIN {
        count = split(allowed, list, "\n")
        for (i = 1; i <= count; i++) { gsub(/ WITH /, "-WITH-", list[i]); is_allowed[list[i]] = 1 }
    }
    # AND binds closer than OR.
    function flat(text) {
        while (sub(/1 AND 1/, "1", text) || sub(/[01] AND [01]/, "0", text)) continue
        return text ~ /1/
    }
    {
        text = $1
        gsub(/\//, " OR ", text); gsub(/ WITH /, "-WITH-", text); gsub(/[()]/, " & ", text)
        count = split(text, words, " "); text = ""
        for (i = 1; i <= count; i++)
            text = text (words[i] ~ /^(AND|OR|[()])$/ ? words[i] : words[i] in is_allowed) " "
        while (match(text, /\([^()]*\)/))
            text = substr(text, 1, RSTART - 1) flat(substr(text, RSTART, RLENGTH)) substr(text, RSTART + RLENGTH)
        if (!flat(text)) print $2 ": " ($1 == "" ? "no license" : $1)
    }')
[ -z "$refused" ] || fail "not allowed by deny.toml: $refused"

foreign=$(sed -n 's/^source = "\(.*\)"$/\1/p' Cargo.lock | sort -u |
    grep -vxF 'registry+https://github.com/rust-lang/crates.io-index' || true)
[ -z "$foreign" ] || fail "not from crates.io: $foreign"

skipped=$(sed -n 's/^ *{ crate = "\([^@]*\)@.*/\1/p' deny.toml)
twice=$(sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.lock | sort | uniq -d | grep -vxF "$skipped" || true)
[ -z "$twice" ] || fail "in more than one version: $twice"

[ "$failed" = 0 ] || exit 1
echo "licenses: $(echo "$packages" | wc -l) packages: licenses, sources and versions are as deny.toml wants them"
echo "licenses: known vulnerabilities are not checked: that needs cargo-deny (cargo install --locked cargo-deny)"
