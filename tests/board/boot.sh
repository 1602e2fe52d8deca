#!/usr/bin/env bash
# Boots the virtual board from DIRECTORY (made by guest.sh), with the host folder SHARE as the board's /mnt/board.
# Usage: tests/board/boot.sh amd64|arm64 DIRECTORY SHARE SECONDS   (after SECONDS it is switched off: exit 124)
#
# Uses KVM where it works; without KVM, qemu translates all instructions and is about twenty times as slow. The board
# writes to DIRECTORY/written.qcow2, a new file for each run; a reboot of the board keeps it.
set -euo pipefail
arch=$1 directory=$2 share=$3 seconds=$4

qemu() { # qemu ACCELERATOR KERNEL-ARGUMENT…
    local accelerator=$1 machine=(qemu-system-x86_64 -machine pc -cpu max) console=ttyS0
    [ "$arch" = amd64 ] || machine=(qemu-system-aarch64 -machine virt -cpu cortex-a72) console=ttyAMA0
    shift
    "${machine[@]}" -accel "$accelerator" -smp "$(nproc)" -m 1536 \
        -nodefaults -no-user-config -nographic -serial stdio \
        -kernel "$directory/vmlinuz" -initrd "$directory/initrd.img" \
        -append "console=$console quiet systemd.show_status=0 mitigations=off no_timer_check $*" \
        -drive "file=$directory/written.qcow2,if=virtio,cache=unsafe" \
        -virtfs "local,path=$share,mount_tag=board,security_model=none,multidevs=remap" </dev/null
}
export -f qemu
export arch directory share

rm -f "$directory/written.qcow2"
qemu-img create -q -f qcow2 -F raw -b disk.ext4 "$directory/written.qcow2"

# /dev/kvm may exist and be writable, and still fail at the first instruction that has to be emulated.
accelerator=tcg,thread=multi
if [ "$arch" = amd64 ] && [ -w /dev/kvm ] && timeout --kill-after=2 20 bash -c 'qemu kvm board=probe' 2>/dev/null | grep -q 'board: probed'; then
    accelerator=kvm
fi
echo "board: runs on $accelerator"
exec timeout --kill-after=5 "$seconds" bash -c "qemu $accelerator"
