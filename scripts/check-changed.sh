#!/usr/bin/env bash
# Fast check: format, import cycles, and clippy and unit tests of the crates whose files differ from a commit.
# Usage: scripts/check-changed.sh [COMMIT]      (default HEAD: uncommitted changes)
set -euo pipefail
cd "$(dirname "$0")/.."
base=${1:-HEAD}
packages=()
while read -r folder; do
    case $folder in
    crates/*) packages+=(-p "moodring-${folder#crates/}") ;;
    campus) packages+=(-p moodring-campus) ;;
    root) packages+=(-p moodring) ;;
    esac
done < <({ git diff --name-only "$base"; git ls-files --others --exclude-standard; } |
    sed -nE 's#^(crates/[^/]+)/.*#\1#p; s#^(campus)/(src|tests|Cargo).*#\1#p; s#^(src|tests|examples|Cargo)[/.].*#root#p' | sort -u)
cargo fmt --all --check
scripts/check-cycles.py
if [ ${#packages[@]} -eq 0 ]; then
    echo "check: no crate differs from $base"
    exit 0
fi
echo "check: ${packages[*]}"
cargo clippy --locked "${packages[@]}" --all-targets -- -D warnings
cargo test --locked "${packages[@]}" --lib
