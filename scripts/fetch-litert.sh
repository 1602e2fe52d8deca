#!/bin/sh
# Fetches the LiteRT runtime (libLiteRt.so and its licence) for one architecture; with --gpu its GPU accelerator too.
# Usage: scripts/fetch-litert.sh [--gpu] x86_64|aarch64 DIRECTORY
#
# The library is part of the Python wheel ai-edge-litert; it is not published elsewhere. Wheel and libraries are pinned by
# hash. Existing libraries with the expected hashes are kept.
set -eu

libraries=libLiteRt.so
if [ "${1:-}" = --gpu ]; then
    libraries="libLiteRt.so libLiteRtWebGpuAccelerator.so"
    shift
fi
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
    litert_sha256=eec47eb35e2924b3166015887e652a58edc9af823ae38e02bf83bef2548300bb
    gpu_sha256=b67f193ae6eb8ad3a15349f54aba696c97d6f981c92bc2eb1096cbe9e2835b25
    ;;
aarch64)
    wheel_sha256=853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae
    litert_sha256=b57687dc234d2b8b0598aef5a9c961ed24263df8f8b3f56adbee1cff618e544b
    gpu_sha256=5f271fa4a36f9dd8d1f8514971b2e80f46bd92b1066509cdd9c0716723d6091a
    ;;
*)
    echo "fetch-litert: no LiteRT $version for $architecture, only for x86_64 and aarch64 (docs/decisions/armv7.md)" >&2
    exit 2
    ;;
esac

# Whether the folder $1 has all requested libraries with the expected hashes.
matches() {
    for library in $libraries; do
        case $library in
        libLiteRt.so) sha256=$litert_sha256 ;;
        *) sha256=$gpu_sha256 ;;
        esac
        [ -f "$1/$library" ] && echo "$sha256  $1/$library" | sha256sum --check --status - || return 1
    done
}

if matches "$directory"; then
    echo "fetch-litert: $directory has LiteRT $version for $architecture already ($libraries)"
    exit 0
fi

mkdir -p "$directory"
# In the destination folder, so that the last step is a rename and no program can open an incomplete library.
work=$(mktemp -d "$directory/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

printf 'ai-edge-litert==%s --hash=sha256:%s\n' "$version" "$wheel_sha256" >"$work/requirements.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
    --platform "manylinux_2_27_$architecture" --python-version 311 --implementation cp --abi cp311 \
    --dest "$work" --requirement "$work/requirements.txt"

python3 - "$work" "$version" $libraries <<'PYTHON'
import glob, os, sys, zipfile
work, version, *libraries = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(os.path.join(work, "*.whl"))[0])
for inside, outside in (
    *((f"ai_edge_litert/{library}", library) for library in libraries),
    (f"ai_edge_litert-{version}.dist-info/licenses/LICENSE", "LICENSE.litert"),
):
    with open(os.path.join(work, outside), "wb") as file:
        file.write(wheel.read(inside))
PYTHON

if ! matches "$work"; then
    echo "fetch-litert: the libraries in the wheel do not have the expected hashes; nothing was installed" >&2
    exit 1
fi
for library in $libraries; do
    mv "$work/$library" "$directory/"
done
mv "$work/LICENSE.litert" "$directory/"
echo "fetch-litert: LiteRT $version for $architecture is in $directory ($libraries)"
