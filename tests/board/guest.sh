#!/usr/bin/env bash
# Builds the virtual board's disk: Debian with systemd, a kernel with its modules, and a V4L2 loopback.
# Usage: tests/board/guest.sh DIRECTORY [amd64|arm64]   (products built by the same recipe are reused)
#
#   DIRECTORY/vmlinuz     the kernel, from Debian's backports, which also have a v4l2loopback for it
#   DIRECTORY/initrd.img  loads the disk's drivers and starts systemd
#   DIRECTORY/disk.ext4   the disk; it is never written to, each run has its own overlay
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
directory=$(realpath -m "${1:?usage: guest.sh DIRECTORY [amd64|arm64]}")
arch=${2:-amd64}
packages=systemd,systemd-sysv,udev,dbus,kmod,iproute2,procps,tzdata,adduser,mosquitto,mosquitto-clients,python3,gpiod,i2c-tools,v4l-utils
disk_size=1600M
kernel=$directory/kernel

mkdir -p "$directory"
work=$(mktemp -d "$directory/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
[ -f "$directory/apt/guest.conf" ] || "$here/apt.sh" "$directory/apt"

as_guest() { APT_CONFIG=$directory/apt/guest.conf "$@"; }
depends_on() { # depends_on PACKAGE PREFIX: dependencies of PACKAGE whose names begin with PREFIX
    as_guest apt-cache show --no-all-versions "$1" | sed -n 's/^Depends: //p' | tr , '\n' | awk '{ print $1 }' | grep "^$2"
}
make_once() { # make_once PRODUCT FUNCTION TEXT…: skipped if PRODUCT was made by the same function and texts
    local product=$1 function=$2 recipe
    shift 2
    recipe=$(declare -f "$function"; printf '%s\n' "$@")
    if [ -e "$product" ] && [ "$(cat "$product.recipe" 2>/dev/null)" = "$recipe" ]; then
        return
    fi
    rm -rf "$product" "$product.recipe"
    "$function"
    echo "$recipe" >"$product.recipe"
}

# The newest kernel of the backports, and the loopback module built for it.
make_kernel() {
    local image release
    image=$(as_guest apt-cache show "linux-image-$arch:$arch/bookworm-backports" | awk '/^Depends:/ { print $2; exit }')
    release=${image#linux-image-}
    mkdir -p "$work/debs"
    [ "$arch" = amd64 ] || { make_foreign_kernel "$image" "$release"; return; }
    # shellcheck disable=SC2046 # one word a package
    (cd "$work/debs" && as_guest apt-get download -q "$image" "linux-headers-$release" \
        $(depends_on "linux-headers-$release" linux-headers) $(depends_on "linux-headers-$release" linux-kbuild) \
        v4l2loopback-dkms/bookworm-backports)
    dpkg-deb -x "$work"/debs/linux-image-*.deb "$work/kernel"
    for package in "$work"/debs/linux-{headers,kbuild}-*.deb "$work"/debs/v4l2loopback-*.deb; do
        dpkg-deb -x "$package" "$work/headers"
    done
    build_loopback "$release" "$work/headers/usr/src"
    echo "$release" >"$work/kernel/release"
    mv "$work/kernel" "$kernel"
}

# A loopback module for another architecture would need a cross build, so there the class is simulated. The busybox of the
# initrd has the other architecture, too.
make_foreign_kernel() { # make_foreign_kernel IMAGE RELEASE
    (cd "$work/debs" && as_guest apt-get download -q "$1:$arch" "busybox-static:$arch")
    dpkg-deb -x "$work"/debs/linux-image-*.deb "$work/kernel"
    dpkg-deb -x "$work"/debs/busybox-static*.deb "$work/kernel"
    depmod -b "$work/kernel" "$2"
    echo "$2" >"$work/kernel/release"
    mv "$work/kernel" "$kernel"
}

# The headers contain the path /usr/src. Without vmlinux no debug types (BTF) are generated, which need another tool.
build_loopback() {
    local release=$1 sources=$2
    local headers=$sources/linux-headers-$release
    sed -i "s#/usr/src#$sources#" "$headers/Makefile" "$headers/.kernelvariables"
    rm -f "$headers/vmlinux"
    make -s -C "$headers" M="$(echo "$sources"/v4l2loopback-*)" modules
    install -D -m 644 "$sources"/v4l2loopback-*/v4l2loopback.ko \
        "$work/kernel/lib/modules/$release/updates/v4l2loopback.ko"
    depmod -b "$work/kernel" "$release"
}

make_initrd() {
    local root=$work/initrd module
    mkdir -p "$root"/{bin,dev,proc,sys,disk,modules}
    if [ "$arch" = amd64 ]; then cp /bin/busybox "$root/bin/"; else cp "$kernel/bin/busybox" "$root/bin/"; fi
    for module in virtio_pci virtio_blk ext4; do
        modprobe -d "$kernel" -S "$release" --show-depends "$module"
    done | awk '/^insmod/ && !seen[$2]++ { print $2 }' | while read -r module; do
        cp "$module" "$root/modules/"
        case $module in *.xz) xz -d "$root/modules/$(basename "$module")" ;; esac
        basename "$module" .xz >>"$root/modules/order"
    done
    install -m 755 "$here/disk/init" "$root/init"
    (cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd.img"
    mv "$work/initrd.img" "$directory/initrd.img"
}

make_system() {
    mmdebstrap --quiet --variant=minbase --architectures="$arch" --aptopt='APT::Install-Recommends "false"' \
        --aptopt='Acquire::Languages "none"' --include="$packages" \
        bookworm "$work/system.tar" "$directory/apt/$arch-sources.list"
    mv "$work/system.tar" "$directory/system.tar"
}

make_disk() {
    local root=$work/root unit
    mkdir "$root"
    tar -xpf "$directory/system.tar" -C "$root" --exclude='./dev/*'
    mkdir -p "$root/lib/modules"
    cp -a "$kernel/lib/modules/$release" "$root/lib/modules/"
    rm -f "$root"/etc/{resolv.conf,apt/sources.list} \
        "$root"/etc/systemd/system/*.wants/{apt-daily,e2scrub,fstrim,dpkg-db-backup,systemd-timesyncd}*
    echo board >"$root/etc/hostname"
    echo 127.0.0.1 localhost board >"$root/etc/hosts"
    cp "$here/disk/fstab" "$root/etc/fstab"
    cp "$here/disk/board-modules.conf" "$root/etc/modules-load.d/"
    cp "$here/disk/board-modprobe.conf" "$root/etc/modprobe.d/"
    cp "$here/disk/70-board.rules" "$root/etc/udev/rules.d/"
    for unit in "${units[@]}"; do
        install -m 644 "$unit" "$root/etc/systemd/system/"
        ln -s "../$(basename "$unit")" "$root/etc/systemd/system/multi-user.target.wants/"
    done
    mkfs.ext4 -q -F -L board -d "$root" "$work/disk.ext4" "$disk_size"
    mv "$work/disk.ext4" "$directory/disk.ext4"
}

# The emulated hardware is only used together with the loopback camera.
units=("$here"/disk/*.service)
[ "$arch" = amd64 ] || units=("$here/disk/board-story.service")

make_once "$kernel" make_kernel "$(declare -f build_loopback make_foreign_kernel)" "$arch"
release=$(cat "$kernel/release")
ln -sf "kernel/boot/vmlinuz-$release" "$directory/vmlinuz"
make_once "$directory/initrd.img" make_initrd "$release" "$(cat "$here/disk/init")"
make_once "$directory/system.tar" make_system "$packages"
make_once "$directory/disk.ext4" make_disk "$release" "$packages" "$disk_size" "$(cat "$here"/disk/*)"
