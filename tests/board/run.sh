#!/usr/bin/env bash
# Runs the scenario of the virtual board and prints the results: docs/design/virtual-board.md.
# Usage: [ARCH=amd64|arm64] [DEB=FILE] [ONLY="check …"] tests/board/run.sh
#
#   ARCH   amd64 runs the scenario "wall", with camera, display and GPIO lines; arm64, which needs full emulation, only
#          the scenario "package", with a simulated class
#   DEB    the package to install; default: `make deb` builds one
#   ONLY   runs only these checks, by the names of their functions in guest/chapters.py
#
# Build products stay in target/board, results in target/board/out. If a virtual board is not possible here, the script
# prints the reason and succeeds; with MOODRING_REQUIRE_BOARD=1 it fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/board
arch=${ARCH:-amd64}
case $arch in
amd64) directory=board story=wall story_s=1800 ;;
arm64) directory=board-arm64 story=package story_s=1800 ;;
*) echo "board: unknown architecture $arch" >&2; exit 2 ;;
esac
directory=$(realpath -m "${CARGO_TARGET_DIR:-target}/$directory")
share=$directory/share

skip() {
    echo "board: SKIPPED: $1" >&2
    [ "${MOODRING_REQUIRE_BOARD:-0}" = 1 ] && exit 1
    exit 0
}

install_tools() {
    [ "$(id -u)" = 0 ] || skip "building the board's disk and installing qemu need root"
    command -v apt-get >/dev/null || skip "the board is made of Debian packages, and there is no apt-get"
    [ -f "$directory/apt/host.conf" ] || $here/apt.sh "$directory/apt" >"$directory/apt.log" 2>&1 \
        || skip "Debian packages cannot be had: $(tail -n 1 "$directory/apt.log")"
    host="env APT_CONFIG=$directory/apt/host.conf DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends"
    # qemu-utils may already be installed from the backports, and both must have the same version.
    { command -v qemu-system-x86_64 && command -v qemu-img; } >/dev/null \
        || $host -t bookworm-backports qemu-system-x86 qemu-utils >"$directory/tools.log" 2>&1 \
        || skip "qemu cannot be installed: $(tail -n 1 "$directory/tools.log")"
    { command -v mmdebstrap && command -v cpio && command -v modprobe && [ -x /bin/busybox ]; } >/dev/null \
        || $host mmdebstrap cpio kmod busybox-static make gcc >"$directory/tools.log" 2>&1 \
        || skip "tools cannot be installed: $(tail -n 1 "$directory/tools.log")"
    [ "$arch" = amd64 ] || install_foreign_tools
}

# Packages of another architecture are configured by their own programs, which the kernel runs with qemu-user.
install_foreign_tools() {
    { command -v qemu-system-aarch64 && command -v arch-test && command -v qemu-aarch64-static; } >/dev/null \
        || { $host -t bookworm-backports qemu-system-arm qemu-utils && $host arch-test qemu-user-static; } \
            >"$directory/tools.log" 2>&1 \
        || skip "tools cannot be installed: $(tail -n 1 "$directory/tools.log")"
    # With systemd, the installation of the package has registered qemu-user.
    local binfmt=/proc/sys/fs/binfmt_misc
    [ -e $binfmt/status ] || mount -t binfmt_misc none $binfmt 2>/dev/null || true
    [ -e $binfmt/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf >$binfmt/register 2>/dev/null || true
    arch-test arm64 >/dev/null || skip "this kernel runs no programs of arm64 (binfmt_misc)"
}

# Pictures of two classes, eight seconds each, as cameras deliver them.
draw_pictures() {
    local recipe
    recipe=$(cat examples/simulated_camera.rs crates/camera/src/simulator.rs crates/camera/src/simulator/*.rs | sha256sum)
    [ "$(cat "$directory/pictures/recipe" 2>/dev/null)" = "$recipe" ] && return
    rm -rf "$directory/pictures"
    cargo run --quiet --locked --example simulated_camera -- "$directory/pictures/class" 12 640 360 8 64
    cargo run --quiet --locked --example simulated_camera -- "$directory/pictures/other" 6 640 360 8 64
    echo "$recipe" >"$directory/pictures/recipe"
}

lay_out_share() {
    rm -rf "$share"
    mkdir -p "$share/out" "$share/golden"
    cp -r $here/guest "$share/"
    cp $here/$story.toml "$share/moodring.toml"
    echo $story >"$share/story"
    [ ! -d "$directory/pictures" ] || cp -r "$directory/pictures" "$share/"
    cp tests/golden/display/*.txt "$share/golden/"
    cp "$1" "$share/moodring.deb"
    [ -z "${ONLY:-}" ] || echo "$ONLY" >"$share/only"
}

mkdir -p "$directory"
begun=$SECONDS
install_tools
if [ -z "${DEB:-}" ]; then
    make deb ARCH="$arch"
    DEB=$(find target/debian -name "moodring_*_$arch.deb" -printf '%T@ %p\n' | sort -n | awk 'END { print $2 }')
fi
[ -f "$DEB" ] || { echo "board: there is no package ${DEB:-}" >&2; exit 1; }
[ $story = package ] || draw_pictures
$here/guest.sh "$directory" "$arch" >"$directory/guest.log" 2>&1 \
    || skip "the board's disk cannot be built: $(tail -n 1 "$directory/guest.log")"
lay_out_share "$DEB"
echo "board: prepared in $((SECONDS - begun)) s"

begun=$SECONDS
status=0
$here/boot.sh "$arch" "$directory" "$share" $story_s >"$directory/console.txt" 2>&1 || status=$?
grep -a '^board: ' "$directory/console.txt" | tr -d '\r' || true
rm -rf "$directory/out"
mv "$share/out" "$directory/out"
mv "$directory/console.txt" "$directory/out/"
[ $status = 0 ] || echo "board: switched off after the timeout of $story_s s, see $directory/out/console.txt (exit $status)"
echo "board: the scenario took $((SECONDS - begun)) s"
python3 $here/judge.py "$directory"
