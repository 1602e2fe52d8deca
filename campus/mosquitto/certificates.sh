#!/usr/bin/env bash
# An authority of your own and a certificate for the broker, where no other authority is at hand.
# Usage: certificates.sh OUT NAME…     NAME: each host name or address by which devices reach the broker
# ca.crt goes to every device, ca.key to a safe place; server.* to the broker. Run it again to renew server.* (2 years).
set -euo pipefail
umask 077
out=${1:?OUT is missing}; shift
[ $# -gt 0 ] || { echo "certificates: give the broker's host names or addresses" >&2; exit 2; }
mkdir -p "$out"

names=
for name in "$@"; do
    if [[ $name =~ ^[0-9.]+$|: ]]; then names+="IP:$name,"; else names+="DNS:$name,"; fi
done
if [ ! -e "$out/ca.key" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=moodring authority" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout "$out/ca.key" -out "$out/ca.crt" 2>/dev/null
fi
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
    -keyout "$out/server.key" -out "$out/server.csr" 2>/dev/null
openssl x509 -req -in "$out/server.csr" -CA "$out/ca.crt" -CAkey "$out/ca.key" -CAcreateserial -days 730 \
    -extfile <(echo "subjectAltName=${names%,}") -out "$out/server.crt" 2>/dev/null
rm "$out/server.csr"
chmod 644 "$out/ca.crt" "$out/server.crt"
echo "certificates: $out/server.crt for $*"
