#!/usr/bin/env bash
# Prints the newest glibc and libstdc++ versions that ELF files need. Fails if one is newer than the minimum of the
# package. Usage: scripts/glibc-floor.sh FILE…
set -euo pipefail
GLIBC=2.35 GLIBCXX=3.4.30 # as in Cargo.toml: package.metadata.deb.depends

newest() { # newest FAMILY FILE
    objdump -T "$2" | { grep -oE "\b$1_[0-9.]+" || echo "$1_0"; } | sed "s/^$1_//" | sort -uV | tail -1
}
fault=0
for file in "$@"; do
    for promise in GLIBC=$GLIBC GLIBCXX=$GLIBCXX; do
        family=${promise%=*} limit=${promise#*=}
        found=$(newest "$family" "$file")
        printf '%-8s %-8s (at most %s)  %s\n' "$family" "$found" "$limit" "$file"
        if [ "$(printf '%s\n%s\n' "$found" "$limit" | sort -V | tail -1)" != "$limit" ]; then
            echo "glibc-floor: $file needs $family $found; the package depends on $limit" >&2
            fault=1
        fi
    done
done
exit $fault
