#!/usr/bin/env bash
# Runs the campus's tests with the real servers and ends with one line: campus: <n> passed, <n> failed
# Usage: scripts/campus-test.sh
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# Two at a time: each starts servers of its own.
MOODRING_REQUIRE_CAMPUS=1 cargo test --locked --features campus --test campus -- --test-threads 2 2>&1 | tee "$log" || status=$?
counts=$(sed -n 's/^test result: .* \([0-9]\+\) passed; \([0-9]\+\) failed;.*/campus: \1 passed, \2 failed/p' "$log")
echo "${counts:-campus: 0 passed, 1 failed}"
exit "$status"
