#!/usr/bin/env bash
# Installs missing dependencies to build, run and test moodring.
# Usage: scripts/setup.sh build|test|faults|lint|deb|campus|browser|api
#   build  for `make demo`: compiler, libclang for the V4L2 bindings, the LiteRT library
#   test   also the programs that the tests start: mosquitto, ffmpeg
#   faults for `make fault-test` and `make load-test`: brokers, a database, faketime, iproute2
#   lint   also cargo-deny (pinned, prebuilt) and systemd-analyze
#   campus for `make campus-test`: mosquitto, nats-server, PostgreSQL, promtool
#   browser for `make web-test` and `make nodered-test`: mosquitto, Node-RED, Chromium and its npm packages (pinned)
#   api    for `make api-test`: schemathesis (PyPI, pinned with hashes) in target/
#   deb    to build a package: cargo-deb (pinned, compiled once) and lintian
set -euo pipefail
cd "$(dirname "$0")/.."
stage=${1:-build}

have() { command -v "$1" >/dev/null 2>&1; }
missing=()
need() { # need PACKAGE TEST…
    local package=$1; shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}
# Not libclang-cpp, which is also installed with LLVM alone.
libclang() { [ -n "$(find /usr/lib /usr/lib64 -maxdepth 3 \( -name 'libclang.so*' -o -name 'libclang-[0-9]*.so*' \) -print -quit 2>/dev/null)" ]; }
mosquitto() { [ -x /usr/sbin/mosquitto ] || [ -x /usr/bin/mosquitto ]; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

need gcc have cc
need libclang-dev libclang
need python3-pip python3 -m pip --version
need tzdata test -e /usr/share/zoneinfo/Asia/Kolkata
if [ "$stage" = test ] || [ "$stage" = lint ]; then
    need mosquitto mosquitto
    need ffmpeg have ffmpeg
fi
if [ "$stage" = faults ]; then
    need mosquitto mosquitto
    need faketime have faketime
    need iproute2 have ip
    need nats-server have nats-server
    need postgresql compgen -G '/usr/lib/postgresql/*/bin/initdb'
fi
if [ "$stage" = lint ]; then
    need systemd have systemd-analyze
fi
if [ "$stage" = deb ]; then
    need binutils have objdump
    need xz-utils have xz
    need lintian have lintian
fi
if [ "$stage" = campus ] || [ "$stage" = browser ]; then
    need mosquitto mosquitto
    need mosquitto-clients have mosquitto_pub
fi
if [ "$stage" = campus ]; then
    need nats-server have nats-server
    need postgresql compgen -G '/usr/lib/postgresql/*/bin/initdb'
    need prometheus have promtool
    need openssl have openssl
fi
if [ "$stage" = browser ]; then
    need nodejs have node
    need npm have npm
    need chromium have chromium
    need nginx-light test -x /usr/sbin/nginx
    need fonts-dejavu-core test -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
    # For the screenshots of the page in Hindi.
    need fonts-lohit-deva compgen -G '/usr/share/fonts/truetype/*/Lohit-Devanagari.ttf'
fi
if [ "$stage" = api ]; then
    need nodejs have node
    need python3-venv python3 -m ensurepip --version
fi
if [ ${#missing[@]} -gt 0 ]; then
    if ! have apt-get; then
        echo "setup: please install: ${missing[*]}" >&2
        exit 1
    fi
    echo "setup: installing ${missing[*]}"
    as_root apt-get update -q
    DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -q --no-install-recommends "${missing[@]}"
fi
if [ "$stage" = browser ]; then
    for folder in tests/web campus/nodered; do
        # Installed again only after a change of the lock file.
        if ! cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed"; then
            (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund)
            cp "$folder/package-lock.json" "$folder/node_modules/.installed"
        fi
    done
    exit 0
fi
if [ "$stage" = api ]; then
    if ! cmp -s tests/web/requirements.txt target/api-venv/.installed; then
        python3 -m venv --clear target/api-venv
        target/api-venv/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r tests/web/requirements.txt
        cp tests/web/requirements.txt target/api-venv/.installed
    fi
    exit 0
fi
if ! have cargo; then
    echo "setup: Rust is missing; install it from https://rustup.rs (rust-toolchain.toml names the version)" >&2
    exit 1
fi

arch=$(uname -m)
[ -f "target/litert/$arch/libLiteRt.so" ] || scripts/fetch-litert.sh "$arch" "target/litert/$arch"

if [ "$stage" = lint ] && [ ! -x target/tools/cargo-deny ]; then
    scripts/fetch-cargo-deny.sh target/tools
fi
if [ "$stage" = deb ]; then
    scripts/fetch-cargo-deb.sh target/tools
fi
