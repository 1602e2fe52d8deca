#!/usr/bin/env bash
# Renews requirements.txt beside each requirements.in: every package of training and of the API test, with its version
# and the hashes of its files.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=target/tools/uv
[ -x $uv/bin/uv ] || { python3 -m venv $uv && $uv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9; }
for folder in training tests/web; do
    $uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --output-file $folder/requirements.txt $folder/requirements.in
done
