#!/usr/bin/env bash
# Runs the tests of the page. Prints SKIPPED if the browser is missing; fails instead with MOODRING_REQUIRE_BROWSER=1.
# Usage: MOODRING=PROGRAM tests/web/run.sh [PART OF A TEST'S NAME]
set -euo pipefail
cd "$(dirname "$0")"

missing=()
[ -x /usr/bin/chromium ] || missing+=("Chromium (Debian: chromium)")
command -v node >/dev/null 2>&1 || missing+=("Node.js (Debian: nodejs)")
if command -v node >/dev/null 2>&1 && [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
    missing+=("Node.js 20 or newer")
fi
[ -d node_modules/playwright-core ] && [ -d node_modules/axe-core ] || missing+=("npm packages (npm ci in tests/web)")
if [ ${#missing[@]} -gt 0 ]; then
    printf -v what '%s; ' "${missing[@]}"
    echo "web: SKIPPED: missing: ${what%; }; \`make setup-browser\` installs them" >&2
    [ "${MOODRING_REQUIRE_BROWSER:-}" != 1 ]
    exit
fi
exec node test.mjs "$@"
