#!/usr/bin/env bash
# Runs the campus tests with real servers. The last line is: campus: <n> passed, <n> failed
# Usage: scripts/campus-test.sh
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# Two threads, because each test starts its own servers.
MOODRING_REQUIRE_CAMPUS=1 cargo test --locked --workspace --test campus -- --test-threads 2 2>&1 | tee "$log" || status=$?
counts=$(sed -n 's/^test result: .* \([0-9]\+\) passed; \([0-9]\+\) failed;.*/campus: \1 passed, \2 failed/p' "$log")
echo "${counts:-campus: 0 passed, 1 failed}"
exit "$status"
