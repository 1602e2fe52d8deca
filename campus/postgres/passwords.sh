#!/bin/bash
# Gives the two roles their passwords from files, at the first start of the database's container (compose.yaml).
set -euo pipefail
for role in ingest read; do
    psql -q -v ON_ERROR_STOP=1 -U postgres -d moodring -v role="moodring_$role" -v password="$(cat "${SECRETS:-/run/secrets}/$role")" \
        <<< "alter role :\"role\" password :'password'"
done
