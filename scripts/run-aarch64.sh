#!/usr/bin/env bash
# Runs a program for 64-bit ARM: directly on an ARM machine, else under qemu-user. Cargo calls it (.cargo/config.toml).
set -euo pipefail
if [ "$(uname -m)" = aarch64 ]; then
    exec "$@"
fi

# System root for programs under qemu-user, with the /proc/cpuinfo of a Raspberry Pi 4. Without it they read the file of
# the host's processor (qemu before 8.1), with which XNNPACK for ARM crashes.
sysroot=$(cd "$(dirname "$0")/.." && pwd)/target/cross/sysroot
if [ ! -s "$sysroot/proc/cpuinfo" ]; then
    mkdir -p "$sysroot/proc"
    ln -sfn /usr/aarch64-linux-gnu/lib "$sysroot/lib"
    for processor in 0 1; do
        printf 'processor\t: %d\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n' $processor
        printf 'CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n'
    done >"$sysroot/proc/cpuinfo.$$"
    mv "$sysroot/proc/cpuinfo.$$" "$sysroot/proc/cpuinfo"
fi
exec qemu-aarch64-static -cpu cortex-a72 -L "$sysroot" "$@"
