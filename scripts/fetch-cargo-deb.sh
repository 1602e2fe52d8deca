#!/usr/bin/env bash
# Installs the pinned cargo-deb into DIR, compiled from source, because there are no prebuilt programs. Without the
# built-in compressor it uses the system's xz and compiles a minute faster. Usage: scripts/fetch-cargo-deb.sh DIR
set -euo pipefail
dir=${1:?usage: fetch-cargo-deb.sh DIR}
version=3.8.0
if [ "$("$dir/cargo-deb" --version 2>/dev/null)" = "cargo-deb $version" ]; then
    exit 0
fi
mkdir -p "$dir"
scratch=$(mktemp -d "$dir/.cargo-deb.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cargo install --locked --debug --no-default-features --version "$version" --root "$scratch" --target-dir "$scratch/target" cargo-deb
mv "$scratch/bin/cargo-deb" "$dir/cargo-deb"
