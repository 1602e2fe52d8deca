#!/bin/sh
# Fetches the LiteRT runtime (libLiteRt.so and its licence) for one architecture.
# Usage: scripts/fetch-litert.sh x86_64|aarch64 DIRECTORY
#
# The library comes out of the Python wheel ai-edge-litert, which is the only place where its makers publish it.
# Wheel and library are both pinned by hash; a library that is already there and matches is left alone.
set -eu

if [ $# -ne 2 ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
architecture=$1
directory=$2
version=2.3.0

case $architecture in
x86_64)
    wheel_sha256=1f15078a6725d2357d9de9221664c29afa0545d807559c5f7199ce5e40b96b23
    library_sha256=eec47eb35e2924b3166015887e652a58edc9af823ae38e02bf83bef2548300bb
    ;;
aarch64)
    wheel_sha256=853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae
    library_sha256=b57687dc234d2b8b0598aef5a9c961ed24263df8f8b3f56adbee1cff618e544b
    ;;
*)
    echo "fetch-litert: no LiteRT $version for $architecture, only for x86_64 and aarch64 (docs/decisions/armv7.md)" >&2
    exit 2
    ;;
esac

matches() {
    echo "$library_sha256  $1" | sha256sum --check --status -
}

if [ -f "$directory/libLiteRt.so" ] && matches "$directory/libLiteRt.so"; then
    echo "fetch-litert: $directory/libLiteRt.so is LiteRT $version for $architecture already"
    exit 0
fi

mkdir -p "$directory"
# Beside its final place, so that the last step is a rename: no program ever opens half a library.
work=$(mktemp -d "$directory/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

printf 'ai-edge-litert==%s --hash=sha256:%s\n' "$version" "$wheel_sha256" >"$work/requirements.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
    --platform "manylinux_2_27_$architecture" --python-version 311 --implementation cp --abi cp311 \
    --dest "$work" --requirement "$work/requirements.txt"

python3 - "$work" "$version" <<'PYTHON'
import glob, os, sys, zipfile
work, version = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(os.path.join(work, "*.whl"))[0])
for inside, outside in (
    ("ai_edge_litert/libLiteRt.so", "libLiteRt.so"),
    (f"ai_edge_litert-{version}.dist-info/licenses/LICENSE", "LICENSE.litert"),
):
    with open(os.path.join(work, outside), "wb") as file:
        file.write(wheel.read(inside))
PYTHON

if ! matches "$work/libLiteRt.so"; then
    echo "fetch-litert: the library in the wheel is not the one expected; nothing was installed" >&2
    exit 1
fi
mv "$work/LICENSE.litert" "$work/libLiteRt.so" "$directory/"
echo "fetch-litert: LiteRT $version for $architecture is in $directory"
