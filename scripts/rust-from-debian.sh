#!/usr/bin/env bash
# Unpacks Debian's rustc-web and its standard library for aarch64 into DIR, for machines without rustup or without this
# target. RUSTC=DIR/rustc then compiles for both architectures. Nothing is installed. Usage: scripts/rust-from-debian.sh DIR
set -euo pipefail
dir=$(realpath -m "${1:?usage: rust-from-debian.sh DIR}")
[ -x "$dir/rustc" ] && exit 0

# A private APT state with both architectures; sources and keys are those of the machine.
state=$dir/apt
mkdir -p "$state/lists/partial" "$state/archives/partial"
touch "$state/status"
cat >"$state/apt.conf" <<CONF
Dir::State::status "$state/status";
Dir::State::lists "$state/lists";
Dir::Cache "$state";
APT::Architecture "$(dpkg --print-architecture)";
APT::Architectures { "amd64"; "arm64"; };
Acquire::Languages "none";
APT::Sandbox::User "root";
CONF
export APT_CONFIG=$state/apt.conf
apt-get update -q
# Package names contain versions: that of the compiler (libstd-rust-web-…) and that of LLVM (libllvm…).
depends() { apt-cache depends "$1" | sed -n "s/^ *Depends: \($2[^:]*\)\(:.*\)\?$/\1/p" | head -1; }
std=$(depends libstd-rust-web-dev libstd-rust-web-)
llvm=$(depends "$std" libllvm)
(cd "$state/archives" && apt-get download -q rustc-web "$std" "${llvm:?}" libstd-rust-web-dev libstd-rust-web-dev:arm64)
for package in "$state"/archives/*.deb; do
    dpkg-deb -x "$package" "$dir"
done
rm -rf "$state"
printf '#!/bin/sh\nLD_LIBRARY_PATH=%s/usr/lib/%s-linux-gnu exec %s/usr/bin/rustc "$@"\n' "$dir" "$(uname -m)" "$dir" >"$dir/rustc"
chmod +x "$dir/rustc"
"$dir/rustc" --version
