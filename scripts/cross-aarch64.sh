#!/usr/bin/env bash
# Installs the tools to build for 64-bit ARM on a Debian x86_64 machine, then runs a command with aarch64 as cargo's
# target. Usage: scripts/cross-aarch64.sh COMMAND…        e.g. scripts/cross-aarch64.sh cargo test --test networks
#
# Linker and C library are Debian's cross packages. The standard library comes from rustup, or else from Debian's
# rustc-web. Programs run under qemu-user. Linker and runner are set in .cargo/config.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }

TRIPLE=aarch64-unknown-linux-gnu
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
have() { command -v "$1" >/dev/null 2>&1; }

install_packages() {
    local missing=()
    have aarch64-linux-gnu-gcc || missing+=(gcc-aarch64-linux-gnu)
    have aarch64-linux-gnu-g++ || missing+=(g++-aarch64-linux-gnu)
    [ -d /usr/aarch64-linux-gnu/include ] || missing+=(libc6-dev-arm64-cross)
    have qemu-aarch64-static || missing+=(qemu-user-static)
    have clang || missing+=(clang)
    [ ${#missing[@]} -gt 0 ] || return 0
    have apt-get || { echo "cross-aarch64: please install: ${missing[*]}" >&2; exit 1; }
    echo "cross-aarch64: installing ${missing[*]}" >&2
    as_root apt-get update -q >&2
    DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
}

has_standard_library() {
    local folder
    folder=$("${RUSTC:-rustc}" --print target-libdir --target $TRIPLE 2>/dev/null) && compgen -G "$folder/libstd-*" >/dev/null
}

[ "$(uname -m)" = aarch64 ] || install_packages
if ! has_standard_library && ! { have rustup && rustup target add $TRIPLE >&2; }; then
    scripts/rust-from-debian.sh target/cross/rust >&2
    export RUSTC=$PWD/target/cross/rust/rustc
fi
scripts/fetch-litert.sh aarch64 target/litert/aarch64 >&2

export CARGO_BUILD_TARGET=$TRIPLE
if [ "$(uname -m)" != aarch64 ]; then
    # As in .cargo/config.toml; for tests that compile and start programs themselves.
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/scripts/run-aarch64.sh
    export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
fi
exec "$@"
