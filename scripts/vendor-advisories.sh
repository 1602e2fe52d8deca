#!/usr/bin/env bash
# Renews scripts/advisories.tar.xz, the snapshot of the RustSec database that scripts/deny.sh reads where the database
# cannot be reached. Usage: scripts/vendor-advisories.sh [REPOSITORY]
set -euo pipefail
cd "$(dirname "$0")/.."
repository=${1:-https://github.com/rustsec/advisory-db.git}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git clone --quiet --bare --depth 1 "$repository" "$scratch"
# The archive carries the date of the commit; its licences are those of the database.
git -C "$scratch" archive HEAD crates rust support.toml LICENSE.txt LICENSES | xz -9e >scripts/advisories.tar.xz
echo "vendor-advisories: $(git -C "$scratch" log -1 --format='%h of %cs')"
