#!/usr/bin/env bash
# Checks licences, sources, bans and known vulnerabilities: those of the RustSec database, or of the snapshot of it in
# this folder where the database cannot be reached. A gate that cannot fail is none, so it must also refuse
# tests/vulnerable.
set -euo pipefail
cd "$(dirname "$0")/.."
deny=target/tools/cargo-deny
snapshot=scripts/advisories.tar.xz
config=deny.toml

# Unpacks the snapshot where cargo-deny would have cloned the database.
unpack() {
    local databases=$PWD/target/advisories
    # cargo-deny derives this name from the address of the database.
    local clone=$databases/advisory-db-3157b0e258782691
    config=target/advisories.toml
    sed "s|^\[advisories\]|&\ndb-path = \"$databases\"|" deny.toml >$config
    rm -rf "$databases" && mkdir -p "$clone"
    tar -xJf $snapshot -C "$clone"
    local git=(git -C "$clone" -c user.name=moodring -c user.email=moodring@packages.invalid)
    "${git[@]}" init -q && "${git[@]}" add -A && "${git[@]}" commit -q -m snapshot
    echo "deny: the RustSec database cannot be reached; its snapshot of $(tar -tvJf $snapshot | awk 'NR == 1 { print $4 }') is used"
}

advisories() { "$deny" --frozen --config $config "$@" check --hide-inclusion-graph advisories; }

"$deny" --locked check bans licenses sources
timeout 60 "$deny" --locked fetch db >/dev/null 2>&1 || unpack
advisories
cargo fetch --quiet --locked --manifest-path tests/vulnerable/Cargo.toml
if found=$(advisories --manifest-path tests/vulnerable/Cargo.toml 2>&1) || [[ $found != *RUSTSEC-2020-0027* ]]; then
    echo "deny: the gate does not find the known vulnerability of tests/vulnerable: $found" >&2
    exit 1
fi
