#!/bin/sh
# Builds a sysroot for a target from Debian's rustc-web and rust-web-src: mk-sysroot.sh DESTINATION TARGET.
# Then `RUSTC=DESTINATION/bin/rustc cargo build --target TARGET` needs no nightly and no -Z.
set -eu

destination=$1
target=$2
host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
# Bare metal has no std to build.
case $target in
    *-none | *-none-*) crates=core,alloc ;;
    *) crates=std,panic_abort,panic_unwind,test ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/crate/src"
echo '#![no_std]' >"$work/crate/src/lib.rs"
cat >"$work/crate/Cargo.toml" <<'TOML'
[package]
name = "sysroot"
edition = "2021"
[workspace]
[profile.release]
opt-level = "s"
panic = "abort"
codegen-units = 1
TOML
(
    cd "$work/crate"
    # Any wrapper or flags of the caller's are for the project, not for std.
    unset RUSTC_WRAPPER CARGO_ENCODED_RUSTFLAGS
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Cembed-bitcode=yes -Zforce-unstable-if-unmarked" \
        CARGO_TARGET_DIR="$work/target" /usr/bin/cargo build -q --release -Zbuild-std="$crates" --target "$target"
)

# Laid out beside its place and then moved: a build that is broken off leaves nothing that looks whole.
mkdir -p "$(dirname "$destination")"
new=$(mktemp -d "$destination.XXXXXX")
mkdir -p "$new/lib/rustlib/$target/lib" "$new/bin"
cp "$work/target/$target/release/deps/"lib*.rlib "$new/lib/rustlib/$target/lib/"
rm -f "$new/lib/rustlib/$target/lib/"libsysroot-*.rlib
ln -s "/usr/lib/rustlib/$host" "$new/lib/rustlib/$host"
printf '#!/bin/sh\nexec /usr/bin/rustc --sysroot "%s" "$@"\n' "$destination" >"$new/bin/rustc"
chmod 755 "$new" "$new/bin/rustc"
rm -rf "$destination"
mv "$new" "$destination"
