#!/usr/bin/env bash
# Checks that the unit of the service is valid and has an exposure of at most 2.0 of 10 (systemd-analyze security), with
# camera, I2C, SPI and GPIO allowed.
set -euo pipefail
cd "$(dirname "$0")/.."
unit=systemd/moodring.service
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The program is not installed here, and systemd before 254 does not know RestartSteps and RestartMaxDelaySec.
sed 's#/usr/bin/moodring#/bin/true#' $unit >"$scratch/moodring.service"
SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$scratch/moodring.service" 2>&1 |
    { grep -F moodring || true; } | { grep -vE "Unknown key.*'Restart(Steps|MaxDelaySec)'" || true; } >"$scratch/complaints"
if [ -s "$scratch/complaints" ]; then
    cat "$scratch/complaints" >&2
    exit 1
fi

security() { SYSTEMD_LOG_LEVEL=err systemd-analyze security --no-pager --offline=yes "$@" $unit; }
security | tail -1
security --threshold=20 >/dev/null || { echo "unit-check: more than 2.0; see: systemd-analyze security --offline=yes $unit" >&2; exit 1; }
