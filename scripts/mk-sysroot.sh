#!/bin/sh
# Builds a sysroot for a target from the sources of std: mk-sysroot.sh DESTINATION TARGET [FROM CARGO FLAGS].
# Then `RUSTC=DESTINATION/bin/rustc cargo build --target TARGET` needs no nightly and no -Z.
#
# FROM is the sysroot of the compiler; without it, it is Debian's rustc-web and rust-web-src. With FLAGS (no panic says
# anything), std is built for size, and what is built with it needs the same flags.
set -eu

destination=$1
target=$2
from=${3:-/usr}
cargo=${4:-/usr/bin/cargo}
flags=${5:-}
host=$("$from/bin/rustc" -vV | sed -n 's/^host: //p')
# Bare metal has no std to build.
case $target in
    *-none | *-none-*) crates=core,alloc ;;
    *) crates=std,panic_abort,panic_unwind,test ;;
esac
level=s
[ -z "$flags" ] || { crates=std,panic_abort && level=z; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/crate/src"
echo '#![no_std]' >"$work/crate/src/lib.rs"
cat >"$work/crate/Cargo.toml" <<TOML
[package]
name = "sysroot"
edition = "2021"
[workspace]
[profile.release]
opt-level = "$level"
panic = "abort"
codegen-units = 1
TOML
(
    cd "$work/crate"
    # Any wrapper or flags of the caller's are for the project, not for std.
    unset RUSTC_WRAPPER CARGO_ENCODED_RUSTFLAGS
    RUSTC=$from/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_NET_RETRY=1 \
        RUSTFLAGS="-Cembed-bitcode=yes -Zforce-unstable-if-unmarked $flags" \
        CARGO_TARGET_DIR="$work/target" "$cargo" build -q --release -Zbuild-std="$crates" \
        ${flags:+-Zbuild-std-features=optimize_for_size} --target "$target"
)

# Laid out beside its place and then moved: a build that is broken off leaves nothing that looks whole.
mkdir -p "$(dirname "$destination")"
new=$(mktemp -d "$destination.XXXXXX")
mkdir -p "$new/lib/rustlib/$target/lib" "$new/bin"
cp "$work/target/$target/release/deps/"lib*.rlib "$new/lib/rustlib/$target/lib/"
rm -f "$new/lib/rustlib/$target/lib/"libsysroot-*.rlib
ln -s "$from/lib/rustlib/$host" "$new/lib/rustlib/$host"
# The flags are unstable ones, and only for the target: build scripts and macros are compiled as ever.
{
    echo '#!/bin/sh'
    [ -z "$flags" ] || echo 'case " $* " in *" -Cpanic=immediate-abort "*) export RUSTC_BOOTSTRAP=1 ;; esac'
    printf 'exec "%s/bin/rustc" --sysroot "%s" "$@"\n' "$from" "$destination"
} >"$new/bin/rustc"
chmod 755 "$new" "$new/bin/rustc"
rm -rf "$destination"
mv "$new" "$destination"
