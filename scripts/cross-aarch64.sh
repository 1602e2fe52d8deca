#!/usr/bin/env bash
# Makes ready what building for 64-bit ARM needs on a Debian x86_64 machine, then runs a command in that environment.
# Usage: scripts/cross-aarch64.sh COMMAND…        e.g. scripts/cross-aarch64.sh cargo test --test networks
#
# The linker and the C library are Debian's cross packages, the standard library comes from rustup; programs run under
# qemu-user.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }

TRIPLE=aarch64-unknown-linux-gnu
SYSROOT=$(pwd)/target/cross/sysroot
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

# What programs under qemu-user see of the system. Without /proc/cpuinfo they would read that of the machine's own
# processor, of which XNNPACK can make nothing on ARM and crashes (qemu before 8.1): here they read that of a
# Raspberry Pi 4.
make_sysroot() {
    mkdir -p "$SYSROOT/proc"
    ln -sfn /usr/aarch64-linux-gnu/lib "$SYSROOT/lib"
    for processor in 0 1; do
        printf 'processor\t: %d\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n' $processor
        printf 'CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n'
    done >"$SYSROOT/proc/cpuinfo"
}

install_packages
make_sysroot
if ! rustc --print target-libdir --target $TRIPLE 2>/dev/null | xargs -r test -d; then
    rustup target add $TRIPLE >&2
fi
scripts/fetch-litert.sh aarch64 target/litert/aarch64 >&2

export CARGO_BUILD_TARGET=$TRIPLE
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -cpu cortex-a72 -L $SYSROOT"
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++
export AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar
export BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu="--sysroot=/usr/aarch64-linux-gnu -I/usr/aarch64-linux-gnu/include"
exec "$@"
