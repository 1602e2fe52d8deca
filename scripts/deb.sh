#!/usr/bin/env bash
# Builds target/debian/moodring_VERSION_ARCH.deb. Usage: scripts/deb.sh amd64|arm64 [--no-build]
#
# With --no-build the package contains the program of the last build.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
amd64) machine=x86_64 ;;
arm64) machine=aarch64 ;;
*) sed -n '2s/^# //p' "$0" >&2; exit 2 ;;
esac
arch=$1 option=${2:-} triple=$machine-unknown-linux-gnu host=$(uname -m)
[ "$machine" = "$host" ] || [ "$machine" = aarch64 ] ||
    { echo "deb: $arch can only be built on an $machine machine" >&2; exit 2; }

build() {
    if [ "$machine" = "$host" ]; then
        cargo build --profile dist --locked --bin moodring
    else
        scripts/cross-aarch64.sh cargo build --profile dist --locked --bin moodring
    fi
}

# Runs the new program, under qemu-user for another architecture; this also tests that it starts.
run() { if [ "$machine" = "$host" ]; then "$program" "$@"; else scripts/run-aarch64.sh "$program" "$@"; fi; }

# The Debian changelog needs an entry per version; the changes are listed in CHANGELOG.md.
changelog() {
    local version date
    version=$(cargo pkgid --locked | sed 's/.*[#@]//')
    date=$(git log -1 --format=%cD 2>/dev/null || date -R)
    printf 'moodring (%s-1) stable; urgency=medium\n\n' "$version"
    printf '  * Version %s: see /usr/share/doc/moodring/changelog.gz\n\n' "$version"
    printf ' -- %s  %s\n' "$(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)" "$date"
}

# notice TITLE FILE, in the format of scripts/licences.py.
notice() { printf '\n================\n%s\n----------------\n' "$1" && cat "$2"; }

stage() {
    rm -rf target/package && mkdir -p target/package
    scripts/fetch-litert.sh $machine target/litert/$machine
    # Copied unchanged (not stripped), so that its hash is the published one.
    cp target/litert/$machine/libLiteRt.so target/package/
    run package-files target/package
    {
        scripts/licences.py $triple
        notice "LiteRT 2.3.0" target/litert/$machine/LICENSE.litert
        notice "Inter SemiBold, on the colour display" crates/hardware/src/display/large/OFL.txt
    } >target/package/licences.txt
    changelog >target/package/changelog
}

built=${CARGO_TARGET_DIR:-target}
cross=()
if [ "$machine" != "$host" ]; then
    built=$built/$triple
    cross=(--target "$triple")
fi
program=$built/dist/moodring
scripts/setup.sh deb
[ "$option" = --no-build ] || build
stage
scripts/glibc-floor.sh "$program" target/package/libLiteRt.so
deb=$(target/tools/cargo-deb --no-build --profile dist --strip --compress-system "${cross[@]}" --output target/debian/)
lintian --fail-on error,warning --tag-display-limit 0 "$deb"
echo "$deb"
